"""What REST integrations that are no proxies share: request templates, and integration responses.

Templates here are static text: one that needs VTL closes its route until templates are built.
Source: reference, "REST integration responses", "REST header treatment, response direction", `passthroughBehavior`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import headers
from scopegate.gateway.events import media_type
from scopegate.gateway.mapping import BackendAnswer, ResponseSource, Unmappable, compile_rest_response_source
from scopegate.gateway.model import ApiCall, Closed, Document, RouteSpec
from scopegate.http.message import Header, Response

T = TypeVar("T")

_HEADER_KEY: Final = "method.response.header."


def misconfigured(reason: str) -> GatewayRefusal:
    return GatewayRefusal("API_CONFIGURATION_ERROR", "Internal server error", reason=reason)


def static_text(text: str | None, what: str) -> str:
    """A template without VTL in it. Raises Closed for any other."""
    text = text or ""
    if "$" in text or "#" in text:
        raise Closed(f"a {what} needs mapping templates (VTL), which are not built yet")
    return text.strip()


# requests


def compile_choice(by_type: Mapping[str, T], behavior: str | None) -> Callable[[ApiCall], T | None]:
    """What of these, by media type, a call's Content-Type chooses; None: the client's body passes through.

    The step raises 415 where `passthroughBehavior` lets nothing pass.
    """

    def choose(call: ApiCall) -> T | None:
        kind = media_type(call.request.find(b"content-type")) or "application/json"
        if kind in by_type:
            return by_type[kind]
        if "$default" in by_type:
            return by_type["$default"]
        if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and by_type):
            raise GatewayRefusal(
                "UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", reason=f"no request template for {kind}"
            )
        return None

    return choose


# responses


@dataclass(frozen=True, slots=True)
class _Entry:
    """One integration response. pattern: None for the default. bodies: by media type, in order."""

    status: int
    pattern: re.Pattern[str] | None
    headers: tuple[tuple[bytes, ResponseSource], ...]
    bodies: tuple[tuple[str, bytes], ...]


Respond = Callable[[ApiCall, BackendAnswer], Response]


def compile_respond(document: Document, spec: RouteSpec) -> Respond:
    """A backend's answer → the response, by the integration responses. Without a template the body is the backend's,
    empty when that is streamed.
    """
    entries = tuple(
        _compile_entry(status, one or {}, spec)
        for status, one in sorted((document.get("integrationResponses") or {}).items())
    )
    default = next((entry for entry in entries if entry.pattern is None), None)

    def respond(call: ApiCall, answer: BackendAnswer) -> Response:
        text = str(answer.status)
        found = next((entry for entry in entries if entry.pattern and entry.pattern.fullmatch(text)), default)
        if found is None:
            raise misconfigured(f"no integration response for status {text}")
        if str(found.status) not in spec.method_responses:
            raise misconfigured(f"the method declares no response {found.status}")
        return _render(call, found, answer)

    return respond


def _compile_entry(key: str, document: Document, spec: RouteSpec) -> _Entry:
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
        (kind, static_text(text, "response template").encode())
        for kind, text in (document.get("responseTemplates") or {}).items()
    )
    try:
        return _Entry(int(status), re.compile(pattern) if pattern else None, tuple(found), bodies)
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


def _render(call: ApiCall, entry: _Entry, answer: BackendAnswer) -> Response:
    pairs: list[Header] = [
        (b"x-amzn-RequestId", call.request_id.encode()),
        (b"x-amz-apigw-id", call.extended_id.encode()),
    ]
    content_type = b"application/json"
    body = answer.body or b""
    if entry.bodies:
        accept = call.request.find_text(b"accept") or "application/json"
        accepted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        by_type = dict(entry.bodies)
        kind = next((kind for kind in accepted if kind in by_type), entry.bodies[0][0])
        content_type, body = kind.encode(), by_type[kind]
    for name, source in entry.headers:
        values = source(call, answer)
        if not values or name.lower() == b"transfer-encoding" or not headers.is_header_value(values[-1]):
            continue
        if name.lower() == b"content-type":
            content_type = headers.encode_value(values[-1])
        else:
            pairs.append((name, headers.encode_value(values[-1])))
    pairs.append((b"Content-Type", content_type))
    return Response(entry.status, pairs, body)
