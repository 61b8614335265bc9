"""TestInvokeMethod: a method of an API's draft called without a client, and what it answered, with the log of it.

The draft is compiled as a deployment is, into a stage with this one method, and the call goes the way of every call
from there on. Whoever may test a method may call it: authorizers, keys, policies and throttles have no part.
Source: reference, control plane, "TestInvokeMethod"; run time, "Execution log lines".
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import orjson

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.compile import CLOSED, compile_rest_snapshot
from scopegate.gateway.events import media_type
from scopegate.gateway.match import VERBS, split_template
from scopegate.gateway.model import ApiCall, ApiKey, Document, Step
from scopegate.gateway.operations.apigateway.deployments import read_draft
from scopegate.gateway.operations.apigateway.lookup import api_of, method_of, resource_of
from scopegate.gateway.operations.apigateway.test_calls import (
    MISCONFIGURED,
    Log,
    find_path,
    headers_of,
    make_up,
    milliseconds_since,
    texts_of,
    view_of,
)
from scopegate.gateway.pipeline import answer_found
from scopegate.http.message import Header, Response
from scopegate.ports import Call
from scopegate.store.port import Tx

_STAGE: Final = "test-invoke-stage"
_HOST: Final[Header] = (b"Host", b"testPrefix.testDomainName")
_API_KEY: Final = ApiKey("test-invoke-api-key-id", "test-invoke-api-key", enabled=True)
_OPEN: Final = {"authorizationType": "NONE", "apiKeyRequired": False}
_GUARDS: Final = frozenset({"policy", "endpointConfiguration"})
# What stands at the front of an API adds these; nothing does in a test.
_FRONT: Final = frozenset({"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
_OF_THE_EXCHANGE: Final = frozenset({"x-amzn-requestid", "x-amz-apigw-id"})


async def test_invoke_method(call: Call, request: Shape) -> Shape:
    """TestInvokeMethod.

    Partly: no client certificate is shown to web services, an integration with the caller's own credentials is closed,
    and the log shows no signature of an invocation: it has none.
    """
    begun = clock.monotonic()
    api, snapshot = await call.read(lambda tx: _read(call, request, tx))
    view = view_of(call, api)
    stage = compile_rest_snapshot(view, _STAGE, {"variables": request.get("stageVariables")}, snapshot, {})
    log = Log(clock.request_uuid())
    stage = replace(stage, write_line=lambda made_up, response, refusal: _close(log, made_up, response, refusal))
    (resource,) = snapshot["resources"]
    (verb,) = resource["resourceMethods"]
    has_host = any(name.lower() == b"host" for name, _ in headers_of(request))
    made_up = make_up(
        call,
        view,
        stage,
        request,
        log,
        verb=request["httpMethod"],
        path=resource["path"],
        pairs=() if has_host else (_HOST,),
        change_event=_compile_change(_FRONT if has_host else _FRONT | {"host"}),
    )
    made_up.caller, made_up.api_key = call.caller, _API_KEY
    response = answer_found(made_up, _compile_find(request, resource["path"], verb, log))
    if not isinstance(response, Response):
        response = await response
    several: dict[str, list[str]] = {}
    for name, value in _shown(response):
        several.setdefault(name, []).append(value)
    return {
        "status": response.status,
        "body": response.body.decode("utf-8", "replace"),
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
        "log": log.render(),
        "latency": milliseconds_since(begun),
    }


def _read(call: Call, request: Shape, tx: Tx) -> tuple[Document, Document]:
    """The API, and its draft with nothing but the method to test, open to everybody."""
    reading = replace(call, open_tx=tx)
    verbs = resource_of(reading, request).get("resourceMethods", {})
    if request["httpMethod"] in VERBS and request["httpMethod"] not in verbs and "ANY" in verbs:
        request = {**request, "httpMethod": "ANY"}
    resource, method = method_of(reading, request)
    api = api_of(reading, request)
    tested = {**resource, "resourceMethods": {method["httpMethod"]: {**method, **_OPEN}}}
    unguarded = {name: value for name, value in api.items() if name not in _GUARDS}
    return api, {**read_draft(reading, api), "api": unguarded, "resources": [tested]}


def _compile_find(request: Shape, template: str, verb: str, log: Log) -> Step:
    """What begins the log and finds the one route, whatever the path; of a path that is not its own, no values."""
    verb = VERBS[0] if verb == "ANY" else verb

    def find(made_up: ApiCall) -> None:
        stage = made_up.found_stage
        found = stage.router.find_rest(verb, split_template(template))
        assert found is not None
        made_up.route = found[0]
        find_path(made_up)
        made_up.stage_path = made_up.path
        fitting = stage.router.find_rest(verb, made_up.segments)
        made_up.path_values = () if fitting is None else fitting[1]

    def find_and_log(made_up: ApiCall) -> None:
        log.add(f"Starting execution for request: {log.request_id}")
        try:
            find(made_up)
        finally:
            log.add(f"HTTP Method: {made_up.method}, Resource Path: {made_up.path or template}")
            log.add_pairs("Method request path", made_up.path_values)
            log.add_pairs("Method request query string", made_up.query)
            log.add_pairs("Method request headers", texts_of(headers_of(request)))
            log.add_value("Method request body before transformations", request.get("body") or "")

    return find_and_log


def _compile_change(added: frozenset[str]) -> Callable[[bytes], bytes]:
    """What takes these headers, and the deployment, from an event."""

    def change(payload: bytes) -> bytes:
        event = orjson.loads(payload)
        for member in ("headers", "multiValueHeaders"):
            kept = {name: value for name, value in event[member].items() if name.lower() not in added}
            event[member] = kept or None
        del event["requestContext"]["deploymentId"]
        return orjson.dumps(event)

    return change


def _shown(response: Response) -> list[tuple[str, str]]:
    return [pair for pair in texts_of(response.headers) if pair[0].lower() not in _OF_THE_EXCHANGE]


def _close(log: Log, made_up: ApiCall, response: Response, refusal: GatewayRefusal | None) -> None:
    if refusal is None:
        log.add_value("Method response body after transformations", response.body.decode("utf-8", "replace"))
        log.add_pairs("Method response headers", _shown(response))
        log.add("Successfully completed execution")
    else:
        log.add(_why(log, made_up, refusal))
    log.add(f"Method completed with status: {response.status}")


def _why(log: Log, made_up: ApiCall, refusal: GatewayRefusal) -> str:
    reason = refusal.reason.removeprefix(CLOSED)
    misconfigured = f"{MISCONFIGURED}{reason[:1].upper()}{reason[1:]}"
    match refusal.response_type:
        case "API_CONFIGURATION_ERROR":
            return misconfigured
        case "BAD_REQUEST_BODY":
            kind = media_type(made_up.request.find(b"content-type")) or "application/json"
            why = made_up.context["error.validationErrorString"]
            return f"Request body does not match model schema for content type {kind}: {why}"
        case "DEFAULT_5XX":
            return "Execution failed due to an internal error"
        case "INTEGRATION_FAILURE":
            return log.if_refused or misconfigured
        case "INTEGRATION_TIMEOUT":
            return "Execution failed due to a timeout error"
    return f"Execution failed: {refusal.message}"
