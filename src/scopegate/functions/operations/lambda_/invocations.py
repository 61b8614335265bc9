"""Invoke: synchronous, asynchronous, dry, and with the answer as a stream of events."""

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.invoke import check_payload
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, FunctionRef, not_found
from scopegate.ports import Call, Invocation


async def invoke(call: Call, request: Shape) -> Shape:
    """Invoke. An event is durable when it is accepted, and tried again when it fails."""
    ref = _reference(call, request)
    kind = request.get("InvocationType", "RequestResponse")
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        payload = check_payload(request.get("Payload") or b"", limit("functions.async_payload_bytes"), kind)
        arn = ref.with_qualifier(ref.qualifier or LATEST).asked_arn
        await call.write(lambda tx: queries.put_async(tx, call.request_id, arn, payload, call.now))
        call.ports.event_accepted()
        return {"StatusCode": 202}
    answer = await call.ports.invoke(_invocation(call, ref, request))
    result: Shape = {"StatusCode": 200, "Payload": answer.payload, "ExecutedVersion": answer.executed_version}
    if answer.function_error is not None:
        result["FunctionError"] = answer.function_error
    if answer.log_tail is not None:
        result["LogResult"] = base64.b64encode(answer.log_tail).decode()
    return result


def _reference(call: Call, request: Shape) -> FunctionRef:
    """What is to be invoked, if it is there. Raises AwsError."""
    ref = lookup.reference(call, request)
    if request.get("TenantId"):
        raise lookup.invalid("The function has no tenant isolation: an invocation cannot name a tenant.")
    if request.get("DurableExecutionName"):
        raise lookup.invalid("The function is not durable: an invocation cannot name an execution.")
    if not call.ports.function_exists(ref.asked_arn):
        raise not_found(ref.with_qualifier(ref.qualifier or LATEST).asked_arn)
    return ref


def _invocation(call: Call, ref: FunctionRef, request: Shape) -> Invocation:
    return Invocation(
        ref.asked_arn,
        request.get("Payload") or b"",
        client_context=_client_context(request.get("ClientContext")),
        log_tail=request.get("LogType") == "Tail",
        request_id=call.request_id,
    )


async def invoke_async(call: Call, request: Shape) -> Shape:
    """InvokeAsync, the deprecated form of an event."""
    await invoke(
        call,
        {"FunctionName": request["FunctionName"], "InvocationType": "Event", "Payload": request["InvokeArgs"]},
    )
    return {"Status": 202}


async def invoke_with_response_stream(call: Call, request: Shape) -> Shape:
    """InvokeWithResponseStream. Partly: the answer is sent when the function is done, in one chunk."""
    ref = _reference(call, request)
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204}
    answer = await call.ports.invoke(_invocation(call, ref, request))
    end: dict[str, str] = {}
    if answer.function_error is not None:
        end = {"ErrorCode": answer.function_error, "ErrorDetails": answer.payload.decode(errors="replace")}
    if answer.log_tail is not None:
        end["LogResult"] = base64.b64encode(answer.log_tail).decode()

    async def frames() -> AsyncIterator[bytes]:
        if answer.payload and answer.function_error is None:
            yield _frame("PayloadChunk", "application/octet-stream", answer.payload)
        yield _frame("InvokeComplete", "application/json", json.dumps(end).encode())

    return {
        "StatusCode": 200,
        "ExecutedVersion": answer.executed_version,
        "ResponseStreamContentType": "application/vnd.amazon.eventstream",
        "EventStream": frames(),
    }


def _frame(event_type: str, content_type: str, payload: bytes) -> bytes:
    """One message of an event stream (AWS, "Event stream encoding"): prelude, headers, payload, checksums."""
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in (
            (":event-type", event_type),
            (":content-type", content_type),
            (":message-type", "event"),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _client_context(text: str | None) -> bytes | None:
    if text is None:
        return None
    most = limit("functions.client_context_bytes")
    try:
        decoded = base64.b64decode(text, validate=True)
        json.loads(decoded)
        known = len(text) <= most
    except (ValueError, RecursionError):
        known = False
    if not known:
        message = f"Could not parse client context: it must be base64-encoded JSON of at most {most} bytes"
        raise AwsError("InvalidRequestContentException", message)
    return decoded
