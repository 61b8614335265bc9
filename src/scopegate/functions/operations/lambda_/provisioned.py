"""Provisioned concurrency: kept and answered as ready; environments start when they are needed, as without it.

A function's configurations lie in its document, by qualifier.
Source: reference, Lambda, "Concurrency" and "Get, delete, versions, aliases, others".
"""

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.functions.operations import configuration as settings
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, FunctionRef, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document


def put_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """PutProvisionedConcurrencyConfig. Partly: no environment is started ahead."""
    ref = lookup.reference(call, request)
    if ref.qualifier == LATEST:
        raise lookup.invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    document = _check_addressed(call, ref)
    _check_conflicts(call, ref, document)
    wanted = int(request["ProvisionedConcurrentExecutions"])
    kept = {**document.get("Provisioned", {})}
    others = sum(each["Requested"] for qualifier, each in kept.items() if qualifier != ref.qualifier)
    reserved = document.get("Concurrency")
    if reserved is not None and others + wanted > reserved:
        raise lookup.invalid(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )
    kept[str(ref.qualifier)] = {"Requested": wanted, "LastModified": settings.modified(call.now)}
    queries.put_function(call.tx, ref, document | {"Provisioned": kept})
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": kept[str(ref.qualifier)]["LastModified"],
    }


def get_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """GetProvisionedConcurrencyConfig: ready by the time that it is asked for."""
    ref = _published(call, request)
    kept = _check_addressed(call, ref).get("Provisioned", {}).get(ref.qualifier)
    if kept is None:
        raise AwsError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            members={"Type": "User"},
        )
    return _render(kept)


def delete_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """DeleteProvisionedConcurrencyConfig; one that is not there is deleted too."""
    ref = _published(call, request)
    document = _check_addressed(call, ref)
    if document.get("Provisioned", {}).pop(str(ref.qualifier), None) is not None:
        queries.put_function(call.tx, ref, document)
    return {}


def list_provisioned_concurrency_configs(call: Call, request: Shape) -> Shape:
    """ListProvisionedConcurrencyConfigs, by qualifier."""
    ref = lookup.reference(call, request).with_qualifier(None)
    kept = lookup.get_function(call.tx, ref).get("Provisioned", {})
    rows = [
        (qualifier, {"FunctionArn": ref.with_qualifier(qualifier).asked_arn, **_render(each)})
        for qualifier, each in sorted(kept.items())
    ]
    items, more = lookup.page(rows, request)
    return {"ProvisionedConcurrencyConfigs": items, **({"NextMarker": more} if more else {})}


def _published(call: Call, request: Shape) -> FunctionRef:
    ref = lookup.reference(call, request)
    if ref.qualifier == LATEST:
        raise lookup.invalid("The function resource provided must be an alias or a published version.")
    return ref


def _check_addressed(call: Call, ref: FunctionRef) -> Document:
    """The document of a function whose version or alias exists."""
    document = queries.find_function(call.tx, ref)
    if document is None:
        raise not_found(ref.arn)
    if not lookup.is_qualifier(call.tx, ref):
        if str(ref.qualifier).isdigit():
            raise not_found(ref.asked_arn)
        raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {ref.asked_arn}")
    return document


def _check_conflicts(call: Call, ref: FunctionRef, document: Document) -> None:
    """A version and an alias that points to it are not both provisioned."""
    provisioned = document.get("Provisioned", {})
    alias = queries.find_alias(call.tx, ref, str(ref.qualifier))
    if alias is not None and alias["FunctionVersion"] in provisioned:
        raise lookup.conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
    pointing = {name for name, each in queries.list_aliases(call.tx, ref) if each["FunctionVersion"] == ref.qualifier}
    if pointing & provisioned.keys():
        raise lookup.conflict("Version is pointed by a Provisioned Concurrency alias")


def _render(kept: Document) -> Shape:
    return {
        "RequestedProvisionedConcurrentExecutions": kept["Requested"],
        "AvailableProvisionedConcurrentExecutions": kept["Requested"],
        "AllocatedProvisionedConcurrentExecutions": kept["Requested"],
        "Status": "READY",
        "LastModified": kept["LastModified"],
    }
