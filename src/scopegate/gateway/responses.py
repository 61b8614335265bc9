"""Every answer that the gateway gives itself, REST and HTTP: one place, byte for byte.

A refusal (`GatewayRefusal`) names a gateway response type; the table below has its status, text and error type.
REST APIs may customise types (headers, status, body); HTTP APIs have one body and no customisation.
Source: reference, "Gateway responses, fixed errors, CORS"; design, "Explain" for `x-scopegate-why`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import orjson

from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import headers
from scopegate.gateway.mapping import (
    Source,
    Text,
    Unmappable,
    compile_gateway_response_text,
    compile_rest_request_source,
)
from scopegate.gateway.model import HTTP, REST, ApiCall, ApiView, Document, GatewayResponse
from scopegate.http.message import Header, Request, Response
from scopegate.ports import Edge

DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'


@dataclass(frozen=True, slots=True)
class _Type:
    """A gateway response type. late: given from validation on, where AWS writes a blank after the colon."""

    status: int
    error_type: str
    late: bool = False
    http_status: int = 500  # what an HTTP API answers for the same fact
    http_message: str = "Internal Server Error"


TYPES: Final[Mapping[str, _Type]] = {
    "ACCESS_DENIED": _Type(403, "AccessDeniedException", http_status=403, http_message="Forbidden"),
    "API_CONFIGURATION_ERROR": _Type(500, "InternalServerErrorException", late=True),
    "AUTHORIZER_CONFIGURATION_ERROR": _Type(500, "AuthorizerConfigurationException"),
    "AUTHORIZER_FAILURE": _Type(500, "AuthorizerFailureException"),
    "BAD_REQUEST_BODY": _Type(400, "BadRequestException", late=True, http_status=400, http_message="Bad Request"),
    "BAD_REQUEST_PARAMETERS": _Type(400, "BadRequestException", late=True, http_status=400, http_message="Bad Request"),
    "DEFAULT_4XX": _Type(400, "BadRequestException", http_status=400, http_message="Bad Request"),
    "DEFAULT_5XX": _Type(500, "InternalServerErrorException", late=True),
    "EXPIRED_TOKEN": _Type(403, "ExpiredTokenException", http_status=403, http_message="Forbidden"),
    "INTEGRATION_FAILURE": _Type(504, "InternalServerErrorException", late=True),
    "INTEGRATION_TIMEOUT": _Type(
        504, "InternalServerErrorException", late=True, http_status=503, http_message="Service Unavailable"
    ),
    "INVALID_API_KEY": _Type(403, "ForbiddenException", http_status=403, http_message="Forbidden"),
    "INVALID_SIGNATURE": _Type(403, "InvalidSignatureException", http_status=403, http_message="Forbidden"),
    "MISSING_AUTHENTICATION_TOKEN": _Type(
        403, "MissingAuthenticationTokenException", http_status=404, http_message="Not Found"
    ),
    "QUOTA_EXCEEDED": _Type(429, "LimitExceededException", http_status=429, http_message="Too Many Requests"),
    "REQUEST_TOO_LARGE": _Type(
        413, "RequestTooLargeException", http_status=413, http_message="Request Entity Too Large"
    ),
    "RESOURCE_NOT_FOUND": _Type(404, "ResourceNotFoundException", http_status=404, http_message="Not Found"),
    "THROTTLED": _Type(429, "TooManyRequestsException", http_status=429, http_message="Too Many Requests"),
    "UNAUTHORIZED": _Type(401, "UnauthorizedException", http_status=401, http_message="Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": _Type(
        415, "BadRequestException", late=True, http_status=415, http_message="Unsupported Media Type"
    ),
    "WAF_FILTERED": _Type(403, "ForbiddenException", http_status=403, http_message="Forbidden"),
}

# The spelling of the gateway's own headers: REST keeps its mixed case, HTTP APIs title-case over HTTP/1.1.
JSON_TYPE: Final[Header] = (b"Content-Type", b"application/json")
_TRACED: Final = frozenset({"BAD_REQUEST_PARAMETERS", "BAD_REQUEST_BODY", "INTEGRATION_TIMEOUT"})
_GATEWAY_RESPONSE_HEADER: Final = "gatewayresponse.header."


# refusals


def refuse(call: ApiCall, refusal: GatewayRefusal) -> Response:
    """The answer to a refused call."""
    response = _refuse_rest(call, refusal) if call.api.kind == REST else _refuse_http(refusal, call.extended_id)
    if why := explanation(call.request, call.edge, refusal.reason):
        response.headers.append(why)
    return response


def _refuse_http(refusal: GatewayRefusal, request_id: str) -> Response:
    kind = TYPES[refusal.response_type]
    status = refusal.status or kind.http_status
    body = _message_body(http_message(status) or kind.http_message, late=False)
    pairs: list[Header] = [JSON_TYPE]
    if refusal.www_authenticate is not None:
        pairs.append((b"Www-Authenticate", headers.encode_value(refusal.www_authenticate)))
    pairs.append((b"Apigw-Requestid", request_id.encode()))
    return Response(status, pairs, body)


_HTTP_MESSAGES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def http_message(status: int) -> str | None:
    """What an HTTP API says with a status of its own."""
    return _HTTP_MESSAGES.get(status)


def _refuse_rest(call: ApiCall, refusal: GatewayRefusal) -> Response:
    kind = TYPES[refusal.response_type]
    status = refusal.status or kind.status
    error_type = refusal.error_type or kind.error_type
    custom = _find_custom(call, refusal.response_type, status)
    pairs: list[Header] = [
        (b"x-amzn-RequestId", call.request_id.encode()),
        (b"x-amzn-ErrorType", error_type.encode()),
        (b"x-amz-apigw-id", call.extended_id.encode()),
    ]
    if refusal.response_type in _TRACED:
        pairs.append((b"X-Amzn-Trace-Id", headers.encode_value(call.trace.partition(";")[0])))
    content_type: Header = JSON_TYPE
    body = _message_body(
        refusal.message, late=kind.late, key="Message" if refusal.response_type == "ACCESS_DENIED" else "message"
    )
    if custom is not None:
        status = custom.status or status
        call.context["status"] = str(status)
        call.context["error.responseType"] = refusal.response_type
        call.context["error.messageString"] = orjson.dumps(refusal.message).decode()
        if refusal.message is not None:
            call.context["error.message"] = refusal.message
        if custom.bodies:
            media_type, render = _choose_body(custom, call.request)
            content_type = (b"Content-Type", media_type.encode())
            body = render(call).encode()
        for name, find in custom.headers:
            value = find(call)
            if value is not None and headers.is_header_value(value):
                if name.lower() == b"content-type":
                    content_type = (name, headers.encode_value(value))
                else:
                    pairs.append((name, headers.encode_value(value)))
    if call.request.method == "HEAD":
        body = b""  # a refused HEAD has Content-Length: 0 (reference, "No match: the exact answer")
    return Response(status, [content_type, *pairs], body)


def _find_custom(call: ApiCall, response_type: str, status: int) -> GatewayResponse | None:
    if call.stage is None or not call.stage.responses:
        return None
    own = call.stage.responses.get(response_type)
    return own or call.stage.responses.get("DEFAULT_4XX" if status < 500 else "DEFAULT_5XX")


_LONG: Final = 512


def _message_body(message: str | None, *, late: bool, key: str = "message") -> bytes:
    # What is made for one caller (a signature's canonical string) is not remembered.
    if message is not None and len(message) > _LONG:
        return _render_message(message, late=late, key=key)
    return _remembered_message(message, late=late, key=key)


def _render_message(message: str | None, *, late: bool, key: str) -> bytes:
    blank = b" " if late else b""
    return b'{"' + key.encode() + b'":' + blank + orjson.dumps(message) + b"}"


_remembered_message = lru_cache(maxsize=256)(_render_message)


def unknown_api(request: Request, request_id: str, extended_id: str) -> Response:
    """The answer for an API id that is not here, and for a stage that a REST API has not: no body of its own."""
    pairs: list[Header] = [
        JSON_TYPE,
        (b"x-amzn-RequestId", request_id.encode()),
        (b"x-amzn-ErrorType", b"ForbiddenException"),
        (b"x-amz-apigw-id", extended_id.encode()),
    ]
    return Response(403, pairs, b"" if request.method == "HEAD" else b'{"message":"Forbidden"}')


def rest_head_too_large(call: ApiCall) -> Response:
    """The front end's own words, before the API is known: plain text (reference, "Limits")."""
    return Response(431, [(b"Content-Type", b"text/plain")], _HEAD_TOO_LARGE)


_HEAD_TOO_LARGE: Final = b"HTTP header is larger than 10240 bytes."
_BODY_TOO_LARGE: Final = b"HTTP content length exceeded 10485760 bytes."


def refuse_at_the_front(api: ApiView | None, status: int, reason: str) -> Response:
    """What the listener refuses before a call exists: too large a body or head, a message that has two readings."""
    if api is not None and api.kind == HTTP:
        body = _message_body(_HTTP_MESSAGES.get(status, reason), late=False)
        return Response(status, [JSON_TYPE, (b"Apigw-Requestid", clock.short_request_id().encode())], body)
    if status == 413:
        return Response(413, [(b"Content-Type", b"text/plain")], _BODY_TOO_LARGE)
    if status == 431:
        return Response(431, [(b"Content-Type", b"text/plain")], _HEAD_TOO_LARGE)
    return Response(status, [JSON_TYPE], _message_body("Bad Request" if status == 400 else reason, late=False))


# the reason in a header, for the developer alone

_LOOPBACK_NAMES: Final = re.compile(r"localhost|(?:[a-z0-9_-]+\.)*localhost")
_PROXY_HEADERS: Final = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-forwarded-port",
    b"x-real-ip",
    b"via",
)
_UNPRINTABLE: Final = re.compile(r"[^ -~]")


def explanation(request: Request, edge: Edge, reason: str) -> Header | None:
    """`x-scopegate-why`: in development mode, for a loopback peer and Host with no proxy between ("Explain")."""
    if not reason or not edge.settings.development or not _is_loopback(request.peer[0]):
        return None
    host = (request.find_text(b"host") or "").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if not (_LOOPBACK_NAMES.fullmatch(name) or _is_loopback(name)) or any(request.all(h) for h in _PROXY_HEADERS):
        return None
    return b"x-scopegate-why", _UNPRINTABLE.sub("?", reason)[:512].encode()


@lru_cache(maxsize=256)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


# customisation (REST)


def compile_gateway_response(document: Document, variables: Mapping[str, str]) -> GatewayResponse:
    """A stored GatewayResponse → what `refuse` needs. A value that cannot be found is a header that is not sent."""
    status = document.get("statusCode")
    found: list[tuple[bytes, Callable[[ApiCall], str | None]]] = []
    for key, text in (document.get("responseParameters") or {}).items():
        name = key.removeprefix(_GATEWAY_RESPONSE_HEADER)
        if name == key or not headers.is_header_name(name):
            continue  # gatewayresponse.path and .querystring mean nothing on a response (reference)
        try:
            source = compile_rest_request_source(text, variables)
        except Unmappable:
            continue
        found.append((name.encode(), _first(source)))
    templates = document.get("responseTemplates") or {}
    bodies: tuple[tuple[str, Text], ...] = ()
    if list(templates.items()) != [("application/json", DEFAULT_TEMPLATE)]:
        bodies = tuple(
            (media_type, compile_gateway_response_text(text or "", variables)) for media_type, text in templates.items()
        )
    return GatewayResponse(int(status) if status else None, tuple(found), bodies)


def _first(source: Source) -> Callable[[ApiCall], str | None]:
    return lambda call: next(iter(source(call)), None)


def _choose_body(custom: GatewayResponse, request: Request) -> tuple[str, Text]:
    accept = request.find_text(b"accept") or ""
    accepted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    by_type = dict(custom.bodies)
    return next(((name, by_type[name]) for name in accepted if name in by_type), custom.bodies[0])
