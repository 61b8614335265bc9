"""Invoke: synchronous, asynchronous, and dry."""

import base64
import binascii
import json

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.invoke import check_payload
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, not_found
from scopegate.ports import Call, Invocation


async def invoke(call: Call, request: Shape) -> Shape:
    """Invoke. An event is durable when it is accepted, and tried up to three times."""
    ref = lookup.reference(call, request)
    await call.read(lambda tx: lookup.get_configuration(tx, ref) if queries.find_function(tx, ref) else None)
    if not call.ports.function_exists(ref.asked_arn):
        raise not_found(ref.with_qualifier(ref.qualifier or LATEST).asked_arn)
    payload: bytes = request.get("Payload") or b""
    kind = request.get("InvocationType", "RequestResponse")
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        checked = check_payload(payload, limit("functions.async_payload_bytes"), kind)
        arn = ref.with_qualifier(ref.qualifier or LATEST).asked_arn
        await call.write(lambda tx: queries.put_async(tx, call.request_id, arn, checked, call.now))
        call.ports.event_accepted()
        return {"StatusCode": 202}
    answer = await call.ports.invoke(
        Invocation(
            ref.asked_arn,
            payload,
            client_context=_client_context(request.get("ClientContext")),
            log_tail=request.get("LogType") == "Tail",
            request_id=call.request_id,
        )
    )
    result: Shape = {"StatusCode": 200, "Payload": answer.payload, "ExecutedVersion": answer.executed_version}
    if answer.function_error is not None:
        result["FunctionError"] = answer.function_error
    if answer.log_tail is not None:
        result["LogResult"] = base64.b64encode(answer.log_tail).decode()
    return result


async def invoke_async(call: Call, request: Shape) -> Shape:
    """InvokeAsync, the deprecated form of an event."""
    await invoke(
        call,
        {"FunctionName": request["FunctionName"], "InvocationType": "Event", "Payload": request["InvokeArgs"]},
    )
    return {"Status": 202}


def _client_context(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        decoded = base64.b64decode(text, validate=True)
        json.loads(decoded)
    except (ValueError, binascii.Error):
        message = "Could not parse client context: it must be base64-encoded JSON"
        raise AwsError("InvalidRequestContentException", message, members={"Type": "User"}) from None
    return decoded
