"""What becomes of asynchronous invocations: how often and how long they are tried, and where their results go.

A function's configurations lie in its document, by qualifier; `events.py` reads them.
Source: reference, Lambda, "Event (asynchronous)" and "Get, delete, versions, aliases, others".
"""

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, FunctionRef, find_reference
from scopegate.ports import Call
from scopegate.store.documents import Document

_NUMBERS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")


def put_function_event_invoke_config(call: Call, request: Shape) -> Shape:
    """PutFunctionEventInvokeConfig: replaces all. Partly: destinations are functions only."""
    ref, document = _existing(call, request)
    return _put(call, ref, document, {}, request)


def update_function_event_invoke_config(call: Call, request: Shape) -> Shape:
    """UpdateFunctionEventInvokeConfig: merges. Partly: destinations are functions only."""
    ref, document = _existing(call, request)
    return _put(call, ref, document, _get(ref, document), request)


def get_function_event_invoke_config(call: Call, request: Shape) -> Shape:
    """GetFunctionEventInvokeConfig."""
    ref = _reference(call, request)
    return _render(ref, _get(ref, queries.find_function(call.tx, ref)))


def delete_function_event_invoke_config(call: Call, request: Shape) -> Shape:
    """DeleteFunctionEventInvokeConfig."""
    ref = _reference(call, request)
    document = queries.find_function(call.tx, ref) or {}
    _get(ref, document)
    del document["EventInvoke"][str(ref.qualifier)]
    queries.put_function(call.tx, ref, document)
    return {}


def list_function_event_invoke_configs(call: Call, request: Shape) -> Shape:
    """ListFunctionEventInvokeConfigs, by qualifier."""
    ref, document = _existing(call, request)
    rows = [
        (qualifier, _render(ref.with_qualifier(qualifier), kept))
        for qualifier, kept in sorted(document.get("EventInvoke", {}).items())
    ]
    items, more = lookup.page(rows, request)
    return {"FunctionEventInvokeConfigs": items, **({"NextMarker": more} if more else {})}


def _reference(call: Call, request: Shape) -> FunctionRef:
    """Always qualified: `$LATEST` when nothing was asked for."""
    ref = lookup.reference(call, request)
    return ref.with_qualifier(ref.qualifier or LATEST)


def _existing(call: Call, request: Shape) -> tuple[FunctionRef, Document]:
    ref = _reference(call, request)
    document = queries.find_function(call.tx, ref)
    if document is None or not lookup.is_qualifier(call.tx, ref):
        raise AwsError("ResourceNotFoundException", "The function doesn't exist.")
    return ref, document


def _get(ref: FunctionRef, document: Document | None) -> Document:
    kept: Document | None = (document or {}).get("EventInvoke", {}).get(ref.qualifier)
    if kept is None:
        message = f"The function {ref.asked_arn} doesn't have an EventInvokeConfig"
        raise AwsError("ResourceNotFoundException", message)
    return kept


def _put(call: Call, ref: FunctionRef, document: Document, old: Document, request: Shape) -> Shape:
    given = {name: request[name] for name in (*_NUMBERS, "DestinationConfig") if request.get(name) is not None}
    if not given:
        raise lookup.invalid("You must specify at least one of error handling or destination setting.")
    kept = {**old, **given, "LastModified": call.now}
    if "DestinationConfig" in given:
        asked = {"OnSuccess": {}, "OnFailure": {}, **old.get("DestinationConfig", {}), **given["DestinationConfig"]}
        for on in ("OnSuccess", "OnFailure"):
            asked[on] = _check_destination(call, ref, (asked[on] or {}).get("Destination"))
        kept["DestinationConfig"] = asked
    queries.put_function(
        call.tx, ref, document | {"EventInvoke": {**document.get("EventInvoke", {}), str(ref.qualifier): kept}}
    )
    return _render(ref, kept)


def _check_destination(call: Call, ref: FunctionRef, arn: str | None) -> Shape:
    """`{}` for none: an empty text takes a destination away."""
    if not arn:
        return {}
    target = find_reference(arn)
    if target is None:
        service = arn.split(":")[2] if arn.count(":") > 2 else arn
        raise lookup.invalid(f"Destinations of {service} are not supported yet: the destination must be a function")
    if target.arn == ref.arn:
        raise lookup.invalid("You can't specify the function as a destination for itself.")
    here = (target.account, target.region) == (call.account, call.region)
    if not here or queries.find_function(call.tx, target) is None or not lookup.is_qualifier(call.tx, target):
        raise lookup.invalid(f"The destination ARN {arn} is invalid.")
    return {"Destination": arn}


def _render(ref: FunctionRef, kept: Document) -> Shape:
    return {
        "LastModified": kept["LastModified"],
        "FunctionArn": ref.asked_arn,
        **{name: kept[name] for name in _NUMBERS if name in kept},
        "DestinationConfig": kept.get("DestinationConfig", {"OnSuccess": {}, "OnFailure": {}}),
    }
