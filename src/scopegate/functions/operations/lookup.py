"""What the operations of `lambda` share: finding what is named, refusals in Lambda's words, answers.

Source: reference, Lambda, "Validation and errors of the control plane", "Life of a function".
"""

import json
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.references import LATEST, FunctionRef, not_found, parse_reference
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx

STALE: Final = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
# Members that ListFunctions and ListVersionsByFunction leave out.
_NOT_LISTED: Final = ("State", "LastUpdateStatus", "RuntimeVersionConfig")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message, members={"Type": "User"})


def conflict(message: str) -> AwsError:
    return AwsError("ResourceConflictException", message, members={"Type": "User"})


def reference(call: Call, request: Shape) -> FunctionRef:
    """The function that a request names. A function of another account is not there."""
    ref = parse_reference(request["FunctionName"], request.get("Qualifier"), account=call.account, region=call.region)
    if ref.account != call.account:
        raise AwsError("AccessDeniedException", None, status=403)
    return ref


def unpublished(call: Call, request: Shape) -> FunctionRef:
    """The function whose `$LATEST` a request changes or publishes; versions are frozen, aliases only point."""
    ref = reference(call, request)
    if ref.qualifier not in (None, LATEST):
        raise invalid(f"{ref.asked_arn} is a version or an alias; please name the function.")
    return ref.with_qualifier(None)


def get_function(tx: Tx, ref: FunctionRef) -> Document:
    """Raises ResourceNotFoundException, the ARN as addressed."""
    document = queries.find_function(tx, ref)
    if document is None:
        raise not_found(ref.asked_arn)
    return document


def get_configuration(tx: Tx, ref: FunctionRef) -> tuple[Document, str]:
    """(configuration, version) of what a reference addresses. Raises ResourceNotFoundException."""
    document = get_function(tx, ref)
    if ref.qualifier in (None, LATEST):
        return document["Configuration"], LATEST
    qualifier = str(ref.qualifier)
    alias = queries.find_alias(tx, ref, qualifier)
    version = qualifier if alias is None else str(alias["FunctionVersion"])
    found = document["Configuration"] if version == LATEST else queries.find_version(tx, ref, version)
    if found is None:
        raise not_found(ref.asked_arn)
    return found, version


def is_qualifier(tx: Tx, ref: FunctionRef) -> bool:
    """Whether a reference's qualifier is a version or an alias of its function."""
    if ref.qualifier in (None, LATEST):
        return True
    qualifier = str(ref.qualifier)
    return queries.find_alias(tx, ref, qualifier) is not None or queries.find_version(tx, ref, qualifier) is not None


def forget_qualifier(tx: Tx, ref: FunctionRef, qualifier: str) -> None:
    """A version or an alias goes: so does what its function's document keeps for it."""
    document = get_function(tx, ref.with_qualifier(None))
    for member in ("EventInvoke", "Provisioned", "RuntimeManagement"):
        document.get(member, {}).pop(qualifier, None)
    queries.put_function(tx, ref, document)


def render_configuration(call: Call, tx: Tx, ref: FunctionRef, configuration: Document, version: str) -> Shape:
    """A FunctionConfiguration as it is answered: the ARN as addressed, the variables opened."""
    answer = {name: value for name, value in configuration.items() if name != "UnzippedSize"}
    answer["FunctionArn"] = ref.asked_arn
    if "Layers" in configuration:
        answer["Layers"] = [{name: layer[name] for name in ("Arn", "CodeSize")} for layer in configuration["Layers"]]
    sealed = queries.find_environment(tx, ref, version)
    if sealed is not None:
        opened = call.seal.open(sealed, queries.environment_context(ref, version))
        answer["Environment"] = {"Variables": json.loads(opened)}
    return answer


def listed(configuration: Shape) -> Shape:
    return {name: value for name, value in configuration.items() if name not in _NOT_LISTED}


def check_revision(request: Shape, revision: str) -> None:
    if request.get("RevisionId") not in (None, revision):
        raise AwsError("PreconditionFailedException", STALE, members={"Type": "User"})


def new_revision() -> str:
    return clock.uuid4()


def page(rows: list[tuple[str, Any]], request: Shape) -> tuple[list[Any], str | None]:
    """(items, next marker) of rows in the order of their keys, after the request's marker."""
    marker = request.get("Marker")
    size = min(int(request.get("MaxItems") or limit("functions.page")), limit("functions.page"))
    after = [row for row in rows if marker is None or row[0] > marker]
    more = after[size - 1][0] if len(after) > size else None
    return [item for _, item in after[:size]], more
