"""The resource policies of functions, versions and aliases."""

import json

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.permissions import is_principal, render_statement
from scopegate.functions.references import LATEST, FunctionRef, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document


def _missing(message: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message, members={"Type": "User"})


def _check_addressed(call: Call, ref: FunctionRef) -> None:
    """What a policy hangs on must exist; `$LATEST` has none of its own."""
    if ref.qualifier is None:
        return
    if ref.qualifier == LATEST:
        raise lookup.invalid("We currently do not support adding policies for $LATEST.")
    if ref.qualifier.isdigit():
        if queries.find_version(call.tx, ref, ref.qualifier) is None:
            raise not_found(ref.asked_arn)
    elif queries.find_alias(call.tx, ref, ref.qualifier) is None:
        raise _missing(f"Cannot find alias arn: {ref.asked_arn}")


def _check_revision(call: Call, ref: FunctionRef, request: Shape, policy: Document | None) -> None:
    """A policy has a revision of its own; until there is one, that of what it will hang on is taken."""
    if request.get("RevisionId") is None:
        return
    if policy is None:
        alias = queries.find_alias(call.tx, ref, ref.qualifier) if ref.qualifier else None
        policy = alias or lookup.get_configuration(call.tx, ref)[0]
    if request["RevisionId"] != policy["RevisionId"]:
        raise AwsError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetPolicy API to retrieve the latest Revision Id",
            members={"Type": "User"},
        )


def add_permission(call: Call, request: Shape) -> Shape:
    """AddPermission."""
    ref = lookup.reference(call, request)
    if queries.find_function(call.tx, ref) is None:
        raise not_found(ref.arn)
    _check_addressed(call, ref)
    if not is_principal(request["Principal"]):
        raise lookup.invalid("The provided principal was invalid. Please check the principal and try again.")
    policy = queries.find_policy(call.tx, ref, ref.qualifier)
    _check_revision(call, ref, request, policy)
    statements = [] if policy is None else policy["Statement"]
    sid = request["StatementId"]
    if any(statement["Sid"] == sid for statement in statements):
        raise lookup.conflict(
            f"The statement id ({sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    statement = render_statement(request, ref.asked_arn)
    document = {"RevisionId": lookup.new_revision(), "Statement": [*statements, statement]}
    size, largest = len(_render(document)), limit("functions.policy_bytes")
    if size > largest:
        message = f"The final policy size ({size}) is bigger than the limit ({largest})."
        raise AwsError("PolicyLengthExceededException", message, members={"Type": "User"})
    queries.put_policy(call.tx, ref, ref.qualifier, document)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


def _render(policy: Document) -> str:
    whole = {"Version": "2012-10-17", "Id": "default", "Statement": policy["Statement"]}
    return json.dumps(whole, separators=(",", ":"))


def get_policy(call: Call, request: Shape) -> Shape:
    """GetPolicy."""
    ref = lookup.reference(call, request)
    policy = queries.find_policy(call.tx, ref, ref.qualifier)
    if policy is None:
        raise _missing("The resource you requested does not exist.")
    return {"Policy": _render(policy), "RevisionId": policy["RevisionId"]}


def remove_permission(call: Call, request: Shape) -> Shape:
    """RemovePermission; with its last statement the policy goes."""
    ref = lookup.reference(call, request)
    if queries.find_function(call.tx, ref) is None:
        raise _missing(f"No policy found for: {ref.arn}")
    if ref.qualifier != LATEST:
        _check_addressed(call, ref)
    policy = queries.find_policy(call.tx, ref, ref.qualifier)
    if policy is None:
        raise _missing("No policy is associated with the given resource.")
    _check_revision(call, ref, request, policy)
    left = [statement for statement in policy["Statement"] if statement["Sid"] != request["StatementId"]]
    if len(left) == len(policy["Statement"]):
        raise _missing(f"Statement {request['StatementId']} is not found in resource policy.")
    if left:
        document = {"RevisionId": lookup.new_revision(), "Statement": left}
        queries.put_policy(call.tx, ref, ref.qualifier, document)
    else:
        queries.delete_policy(call.tx, ref, ref.qualifier)
    return {}
