"""AWS_PROXY: a call becomes an event, the function's answer becomes the response.

Which formats a function's answer may have differs per API kind and payload format; a malformed one is refused here.
Whether the gateway may invoke the function is decided by the functions family, from the source ARN.
Source: reference, "Timeouts and backend failures", "Lambda proxy responses", "How the function is called".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from scopegate.base.errors import AwsError, GatewayRefusal
from scopegate.base.limits import limit
from scopegate.base.names import execute_api_arn, find_arn
from scopegate.gateway import headers
from scopegate.gateway.events import (
    BuildEvent,
    compile_http_event_1,
    compile_http_event_2,
    compile_rest_event,
    is_binary_type,
    media_type,
)
from scopegate.gateway.headers import FORBIDDEN_TARGETS
from scopegate.gateway.integrations.credentials import InvokedAs, compile_credentials
from scopegate.gateway.integrations.failures import failed, timed_out
from scopegate.gateway.integrations.parameters import ResponseMapping, compile_response_mappings, map_response
from scopegate.gateway.mapping import put_stage_variables
from scopegate.gateway.match import split_template
from scopegate.gateway.model import HTTP, REST, ApiCall, Closed, Document, Integration, RouteSpec, Step
from scopegate.http.message import Header, Response
from scopegate.ports import Invocation

_INVOCATION_URI: Final = re.compile(
    r"arn:(?:aws|aws-cn|aws-us-gov):apigateway:[a-z0-9-]*:lambda:path/\d{4}-\d\d-\d\d/functions/(?P<function>.+)"
    r"/(?:invocations|response-streaming-invocations)"
)
_FORBIDDEN_TARGETS: Final = FORBIDDEN_TARGETS | {"authorization", "connection", "expect", "proxy-authenticate", "te"}
_REST_MEMBERS: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
# The function's own headers of these names are renamed (reference, "REST header treatment, response direction").
_REMAPPED: Final = frozenset({"connection", "content-length", "date", "server", "x-amzn-requestid"})
# The wire's own business, or the gateway's: never taken from a function.
_REST_DROPPED: Final = frozenset({"transfer-encoding", "x-amz-apigw-id", "x-amzn-trace-id", "x-amzn-errortype"})
_HTTP_DROPPED: Final = frozenset(
    {"apigw-requestid", "connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"}
)
_HTTP_JSON: Final[Header] = (b"Content-Type", b"application/json")
_HTTP_TEXT: Final[Header] = (b"Content-Type", b"text/plain; charset=utf-8")

Render = Callable[[ApiCall, bytes], Response]


class _Malformed(Exception):
    """A function's answer that is none; the text says why, for the record."""


# compiling


def function_of(uri: str, variables: Mapping[str, str]) -> str:
    """The ARN of the function that an integration or authorizer URI names: API Gateway's form, or the bare ARN.

    Raises Closed for anything else.
    """
    text = put_stage_variables(uri, variables)
    match = _INVOCATION_URI.fullmatch(text)
    function = match["function"] if match else text
    arn = find_arn(function)
    if arn is None or arn.service != "lambda" or not arn.resource.startswith("function:"):
        raise Closed(f"the integration URI {text!r} names no function")
    return function


def source_arn(spec: RouteSpec) -> str:
    """What the gateway says it invokes for: `*` where a REST method is ANY or a variable stands; HTTP: the route."""
    if spec.kind == REST:
        verb = "*" if spec.verb == "ANY" else spec.verb
        parts = ["*" if part.startswith("{") else part for part in split_template(spec.template)]
        return execute_api_arn(spec.region, spec.account, spec.api_id, f"{spec.stage_name}/{verb}/" + "/".join(parts))
    if spec.key == "$default":
        return execute_api_arn(spec.region, spec.account, spec.api_id, f"{spec.stage_name}/$default")
    verb = "*" if spec.verb == "ANY" else spec.verb
    return execute_api_arn(spec.region, spec.account, spec.api_id, f"{spec.stage_name}/{verb}{spec.template}")


def compile_rest(document: Document, spec: RouteSpec) -> Integration:
    """A REST method's AWS_PROXY integration."""
    if (document.get("responseTransferMode") or "BUFFERED") != "BUFFERED":
        raise Closed("response streaming is not built yet")
    for key in document.get("requestParameters") or {}:
        # Other mappings are accepted and mean nothing to an event (reference, "REST parameter mapping").
        if key.removeprefix("integration.request.header.").lower() in _FORBIDDEN_TARGETS:
            raise Closed(f"{key} may not be mapped")
    function = function_of(document.get("uri") or "", spec.variables)
    label = f"AWS_PROXY {function}"
    if document.get("httpMethod") != "POST":
        # Accepted when it is made, fails at run time (reference, "Types").
        return Integration(
            _wrong_method, label, ("AWS_PROXY needs integration method POST; every call is answered 500",)
        )
    build = compile_rest_event(
        spec.stage_name,
        spec.deployment_id,
        spec.variables,
        spec.binary_types,
        account=spec.account,
        api_id=spec.api_id,
        resource=spec.template,
        resource_id=spec.resource_id,
        operation_name=spec.operation_name,
    )
    timeout_ms = document.get("timeoutInMillis") or limit("gateway.rest.timeout_ms")
    invoked_as = compile_credentials(document.get("credentials") or "", spec, function)

    def render(call: ApiCall, payload: bytes) -> Response:
        return render_rest(call, payload, spec.binary_types)

    called = Invocation(function, b"", principal=invoked_as.principal, source_arn=source_arn(spec))
    step = _step(build, render, called, invoked_as, timeout_ms / 1000)
    return Integration(step, label, invocation=called)


def _wrong_method(_call: ApiCall) -> None:
    raise GatewayRefusal(
        "API_CONFIGURATION_ERROR", "Internal server error", reason="the integration method of AWS_PROXY is not POST"
    )


def compile_http(document: Document, spec: RouteSpec) -> Integration:
    """An HTTP API's AWS_PROXY integration with a function, payload format 1.0 or 2.0."""
    if document.get("IntegrationSubtype"):
        raise Closed(f"service integrations ({document['IntegrationSubtype']}) are not built yet")
    function = function_of(document.get("IntegrationUri") or "", spec.variables)
    version = document.get("PayloadFormatVersion") or "1.0"
    if version == "2.0":
        build = compile_http_event_2(
            spec.stage_name, spec.variables, account=spec.account, api_id=spec.api_id, route_key=spec.key
        )
        render: Render = render_http_2
    else:
        build = compile_http_event_1(
            spec.stage_name,
            spec.variables,
            account=spec.account,
            api_id=spec.api_id,
            route_key=spec.key,
            template=spec.template,
        )
        render = render_http_1
    if document.get("RequestParameters"):
        raise Closed("a function's event takes no parameter mapping")
    mappings = compile_response_mappings(document.get("ResponseParameters"), spec.variables)
    if mappings:
        render = _mapped(render, mappings)
    timeout_ms = document.get("TimeoutInMillis") or limit("gateway.http.timeout_ms")
    invoked_as = compile_credentials(document.get("CredentialsArn") or "", spec, function)
    called = Invocation(function, b"", principal=invoked_as.principal, source_arn=source_arn(spec))
    step = _step(build, render, called, invoked_as, timeout_ms / 1000)
    return Integration(step, f"AWS_PROXY {function}", invocation=called)


def _mapped(render: Render, mappings: Mapping[str, ResponseMapping]) -> Render:
    def render_mapped(call: ApiCall, payload: bytes) -> Response:
        response = render(call, payload)
        mapping = mappings.get(str(response.status))
        if mapping is not None:
            map_response(call, response, mapping, response.body)
        return response

    return render_mapped


# calling


def _step(build: BuildEvent, render: Render, called: Invocation, invoked_as: InvokedAs, timeout_s: float) -> Step:
    """called: the invocation, but for what each call brings."""
    function, principal, source = called.function_arn, called.principal, called.source_arn

    async def invoke(call: ApiCall, payload: bytes) -> None:
        invocation = Invocation(function, payload, principal=principal, source_arn=source, trace_id=call.trace)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await call.edge.ports.invoke(invocation)
        except TimeoutError:
            raise timed_out(call, f"the function did not answer in {timeout_s:g} s") from None
        except AwsError as error:
            raise _rejected(call, error) from error
        call.mark(9)
        facts = call.record.facts
        facts["function_request_id"] = answer.request_id
        if answer.function_error is not None:
            raise failed(call, f"the function failed ({answer.function_error})")
        try:
            call.response = render(call, answer.payload)
        except _Malformed as error:
            raise failed(call, f"malformed answer of the function: {error}") from None

    def integrate(call: ApiCall) -> Any:
        call.mark(7)
        call.record.facts["function"] = function
        if why_not := invoked_as.why_not(call):
            raise _rejected(call, AwsError("AccessDeniedException", why_not))
        payload = build(call)
        call.mark(8)
        return invoke(call, payload)

    return integrate


def _rejected(call: ApiCall, error: AwsError) -> GatewayRefusal:
    """Lambda's API refused the call: the function never ran."""
    call.mark(9)
    reason = f"the function may not be invoked: {error.code}: {error.message}"
    if error.code == "RequestEntityTooLargeException":
        return GatewayRefusal("REQUEST_TOO_LARGE", "Request Too Long", reason=reason)
    status = 503 if call.api.kind == HTTP and error.code == "TooManyRequestsException" else 500
    return GatewayRefusal("INTEGRATION_FAILURE", "Internal server error", status=status, reason=reason)


# answers


def _parse_status(value: Any) -> int:
    """A status as number or digits, 200 to 599 (100 to 199 would end no exchange)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if type(value) is not int or not 200 <= value <= 599:
        raise _Malformed(f"statusCode {value!r}")
    return value


def _header_text(name: str, value: Any, *, numbers: bool) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif numbers and isinstance(value, int | float):
        value = orjson.dumps(value).decode()
    if not isinstance(value, str) or not headers.is_header_value(value):
        raise _Malformed(f"value of header {name!r}")
    if not headers.is_header_name(name):
        raise _Malformed(f"header name {name!r}")
    return value


def _single_headers(answer: Mapping[str, Any], *, numbers: bool) -> list[tuple[str, str]]:
    given = answer.get("headers")
    if given is None:
        return []
    if not isinstance(given, dict):
        raise _Malformed("headers is no object")
    return [(name, _header_text(name, value, numbers=numbers)) for name, value in given.items() if value is not None]


def _multi_headers(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = answer.get("multiValueHeaders")
    if given is None:
        return []
    if not isinstance(given, dict):
        raise _Malformed("multiValueHeaders is no object")
    pairs: list[tuple[str, str]] = []
    for name, values in given.items():
        if not isinstance(values, list):
            raise _Malformed(f"multiValueHeaders {name!r} is no list")
        pairs += [(name, _header_text(name, value, numbers=False)) for value in values]
    return pairs


def _merge(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Both maps, names of the first winning in spelling, a pair that is in both once."""
    spelled = {name.lower(): name for name, _ in first}
    seen = {(name.lower(), value) for name, value in first}
    merged = list(first)
    for name, value in second:
        if (name.lower(), value) not in seen:
            merged.append((spelled.get(name.lower(), name), value))
    return merged


def _text_body(answer: Mapping[str, Any]) -> str:
    body = answer.get("body")
    if body is None:
        return ""
    if not isinstance(body, str):
        raise _Malformed("body is no string")
    return body


def _flag(answer: Mapping[str, Any]) -> bool:
    encoded = answer.get("isBase64Encoded")
    if encoded is not None and not isinstance(encoded, bool):
        raise _Malformed("isBase64Encoded is no boolean")
    return bool(encoded)


def _decode_base64(body: str) -> bytes:
    try:
        return base64.b64decode(body.encode(), validate=True)
    except (binascii.Error, ValueError):
        raise _Malformed("body is no base64") from None


def _parse_object(payload: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise _Malformed("no JSON") from None
    if not isinstance(answer, dict):
        raise _Malformed("no JSON object")
    return answer


def render_rest(call: ApiCall, payload: bytes, binary_types: frozenset[str]) -> Response:
    """A function's answer to a REST API. Raises _Malformed, which is answered 502."""
    answer = _parse_object(payload)
    if not answer.keys() <= _REST_MEMBERS:
        raise _Malformed(f"unknown members {sorted(answer.keys() - _REST_MEMBERS)}")
    status = 200 if answer.get("statusCode") is None else _parse_status(answer["statusCode"])
    multi = _multi_headers(answer)
    given = _single_headers(answer, numbers=False)
    if multi:
        given = _merge(multi, given)
    text, encoded = _text_body(answer), _flag(answer)
    body = text.encode()
    if encoded and text and _accepts_binary(call, binary_types):
        try:
            body = _decode_base64(text)
        except _Malformed:
            # AWS answers 500 here, not 502 (reference, "REST content handling and binary").
            raise GatewayRefusal(
                "API_CONFIGURATION_ERROR", "Internal server error", reason="the function's body is no base64"
            ) from None
    pairs: list[Header] = [
        (b"x-amzn-RequestId", call.request_id.encode()),
        (b"x-amz-apigw-id", call.extended_id.encode()),
    ]
    content_type: list[Header] = []
    for name, value in given:
        lower = name.lower()
        if lower == "content-type":
            content_type.append((name.encode(), headers.encode_value(value)))
        elif lower in _REMAPPED:
            pairs.append((b"x-amzn-Remapped-" + name.encode(), headers.encode_value(value)))
        elif lower not in _REST_DROPPED:
            pairs.append((name.encode(), headers.encode_value(value)))
    pairs.append((b"X-Amzn-Trace-Id", headers.answer_trace(call.trace)))
    pairs += content_type or [_HTTP_JSON]
    return Response(status, pairs, body)


def _accepts_binary(call: ApiCall, binary_types: frozenset[str]) -> bool:
    """Whether the *first* media type of `Accept` is one of `binaryMediaTypes`; `*/*` there is every request."""
    if not binary_types:
        return False
    accept = call.request.find(b"accept")
    return is_binary_type("" if accept is None else media_type(accept.partition(b",")[0]), binary_types)


def _http_response(
    call: ApiCall, status: int, given: list[tuple[str, str]], cookies: list[str], body: bytes
) -> Response:
    pairs: list[Header] = []
    content_type: list[Header] = []
    set_cookies: list[Header] = [(b"Set-Cookie", headers.encode_value(cookie)) for cookie in cookies]
    for name, value in given:
        lower = name.lower()
        if lower == "content-type":
            content_type.append((b"Content-Type", headers.encode_value(value)))
        elif lower not in _HTTP_DROPPED:
            pairs.append((headers.title_case(lower).encode(), headers.encode_value(value)))
    call_id: Header = (b"Apigw-Requestid", call.extended_id.encode())
    return Response(status, [*(content_type or [_HTTP_TEXT]), *set_cookies, *pairs, call_id], body)


def _http_body(answer: Mapping[str, Any]) -> bytes:
    text = _text_body(answer)
    return _decode_base64(text) if _flag(answer) else text.encode()


def render_http_1(call: ApiCall, payload: bytes) -> Response:
    """A function's answer in payload format 1.0. Raises _Malformed, which is answered 500."""
    answer = _parse_object(payload)
    status = _parse_status(answer.get("statusCode"))
    # HTTP APIs put the single value first, REST APIs the multi values (reference, "Lambda proxy responses").
    given = _merge(_single_headers(answer, numbers=True), _multi_headers(answer))
    return _http_response(call, status, given, [], _http_body(answer))


def render_http_2(call: ApiCall, payload: bytes) -> Response:
    """A function's answer in payload format 2.0: with `statusCode` a response, anything else is the body of a 200."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        answer = None  # what is no JSON goes out as it is: nothing is validated
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer.encode() if isinstance(answer, str) else payload
        return Response(200, [_HTTP_JSON, (b"Apigw-Requestid", call.extended_id.encode())], body)
    status = _parse_status(answer["statusCode"])
    cookies = answer.get("cookies")
    if cookies is None:
        cookies = []
    if not isinstance(cookies, list) or not all(isinstance(c, str) and headers.is_header_value(c) for c in cookies):
        raise _Malformed("cookies is no list of strings")
    return _http_response(call, status, _single_headers(answer, numbers=True), cookies, _http_body(answer))
