"""MOCK: the gateway answers by itself, as CORS preflight methods of REST APIs do.

Templates here are static text: one that needs VTL closes its route until templates are built.
Source: reference, "REST MOCK", "REST integration responses".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import headers
from scopegate.gateway.events import media_type
from scopegate.gateway.mapping import BackendAnswer, ResponseSource, Unmappable, compile_rest_response_source
from scopegate.gateway.model import ApiCall, Closed, Document, Integration, RouteSpec
from scopegate.http.message import Header, Response

# Loose as AWS reads it: `{statusCode: 200}`, single quotes, parts behind it.
_STATUS: Final = re.compile(r"[{,]\s*(?:\"statusCode\"|'statusCode'|statusCode)\s*:\s*(\d+)\s*(?=[,}\s]|$)")
_HEADER_KEY: Final = "method.response.header."
_EMPTY: Final = BackendAnswer(200, (), b"")


@dataclass(frozen=True, slots=True)
class _Answer:
    """One integration response. pattern: None for the default. bodies: by media type, in order."""

    status: int
    pattern: re.Pattern[str] | None
    headers: tuple[tuple[bytes, ResponseSource], ...]
    bodies: tuple[tuple[str, bytes], ...]


def compile_rest(document: Document, spec: RouteSpec) -> Integration:
    """A REST method's MOCK integration. Raises Closed for templates that need VTL."""
    statuses = {
        kind: _parse_status(_static(text or "", "request template"))
        for kind, text in (document.get("requestTemplates") or {}).items()
    }
    behavior = document.get("passthroughBehavior") or "WHEN_NO_MATCH"
    answers = tuple(
        _compile_answer(status, one or {}, spec)
        for status, one in sorted((document.get("integrationResponses") or {}).items())
    )
    default = next((answer for answer in answers if answer.pattern is None), None)
    choose_status = _compile_choice(statuses, behavior)

    def integrate(call: ApiCall) -> None:
        call.mark(7)
        status = choose_status(call)
        text = str(status)
        found = next((answer for answer in answers if answer.pattern and answer.pattern.fullmatch(text)), default)
        if found is None:
            raise _failure(f"no integration response for status {status}")
        if str(found.status) not in spec.method_responses:
            raise _failure(f"the method declares no response {found.status}")
        call.mark(8)
        call.mark(9)
        call.response = _render(call, found)

    return Integration(integrate, "MOCK")


def _failure(reason: str) -> GatewayRefusal:
    return GatewayRefusal("API_CONFIGURATION_ERROR", "Internal server error", reason=reason)


def _static(text: str, what: str) -> str:
    if "$" in text or "#" in text:
        raise Closed(f"a {what} needs mapping templates (VTL), which are not built yet")
    return text.strip()


def _parse_status(text: str) -> int | None:
    """The integer `statusCode` of a request template or body; None when there is none."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        match = _STATUS.search(text)
        return int(match[1]) if match else None
    status = value.get("statusCode") if isinstance(value, dict) else None
    return status if type(status) is int else None


def _compile_choice(statuses: Mapping[str, int | None], behavior: str) -> Callable[[ApiCall], int]:
    """The status that a call's template says, by its Content-Type; without a template its body may say it."""

    def choose(call: ApiCall) -> int:
        kind = media_type(call.request.find(b"content-type")) or "application/json"
        if kind in statuses:
            status = statuses[kind]
        elif "$default" in statuses:
            status = statuses["$default"]
        elif behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and statuses):
            raise GatewayRefusal(
                "UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", reason=f"no request template for {kind}"
            )
        else:
            status = _parse_status(call.request.body.decode("utf-8", "replace"))
        if status is None:
            raise _failure("the request template gives no integer statusCode")
        return status

    return choose


def _compile_answer(key: str, document: Document, spec: RouteSpec) -> _Answer:
    if document.get("contentHandling"):
        raise Closed("contentHandling of responses is not built yet")
    status = str(document.get("statusCode") or key)
    pattern = document.get("selectionPattern")
    found: list[tuple[bytes, ResponseSource]] = []
    for target, text in (document.get("responseParameters") or {}).items():
        name = target.removeprefix(_HEADER_KEY)
        if name == target or not headers.is_header_name(name):
            raise Closed(f"mapping target {target!r} is unknown")
        try:
            found.append((_returned_name(name).encode(), compile_rest_response_source(text, spec.variables)))
        except Unmappable as error:
            raise Closed(str(error)) from None
    bodies = tuple(
        (kind, _static(text or "", "response template").encode())
        for kind, text in (document.get("responseTemplates") or {}).items()
    )
    try:
        return _Answer(int(status), re.compile(pattern) if pattern else None, tuple(found), bodies)
    except (ValueError, re.error):
        raise Closed(f"integration response {key!r} has no usable status or selection pattern") from None


_REMAPPED: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "trailer",
        "upgrade",
        "user-agent",
        "www-authenticate",
    }
)


def _returned_name(name: str) -> str:
    """Mapped headers that the gateway keeps for itself go under another name (reference, "… response direction")."""
    return f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name


def _render(call: ApiCall, answer: _Answer) -> Response:
    pairs: list[Header] = [
        (b"x-amzn-RequestId", call.request_id.encode()),
        (b"x-amz-apigw-id", call.extended_id.encode()),
    ]
    content_type = b"application/json"
    body = b""
    if answer.bodies:
        accept = call.request.find_text(b"accept") or "application/json"
        accepted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        by_type = dict(answer.bodies)
        kind = next((kind for kind in accepted if kind in by_type), answer.bodies[0][0])
        content_type, body = kind.encode(), by_type[kind]
    for name, source in answer.headers:
        values = source(call, _EMPTY)
        if not values or name.lower() == b"transfer-encoding" or not headers.is_header_value(values[-1]):
            continue
        if name.lower() == b"content-type":
            content_type = headers.encode_value(values[-1])
        else:
            pairs.append((name, headers.encode_value(values[-1])))
    pairs.append((b"Content-Type", content_type))
    return Response(answer.status, pairs, body)
