"""Which headers cross the gateway, in which spelling, in each direction.

Source: reference, "REST header treatment" (both directions), "HTTP API: HTTP_PROXY", "Lambda proxy event payloads";
attack rows G5 (headers that only the gateway may set), G6 (underscores), G7 (`Connection` names nothing away).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from scopegate.base import clock
from scopegate.http.message import Header, Request

Pair = tuple[str, str]

# What a client may say and neither mappings, nor events, nor backends of REST APIs ever see.
REST_INVISIBLE: Final = frozenset(
    {
        b"connection", b"content-length", b"content-md5", b"expect", b"keep-alive", b"max-forwards",
        b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"server", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"via", b"www-authenticate",
    }
)  # fmt: skip
# REST: mapping these fails every call (reference, "REST parameter mapping").
FORBIDDEN_TARGETS: Final = frozenset(
    {"content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"}
)
# HTTP APIs: hop-by-hop headers; `Content-Length` stays in events.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
# REST: what a client's request loses toward a web service, beside what nothing sees.
# The overridden verb was chosen here; a backend must not choose again.
_REST_NOT_PASSED: Final = frozenset({b"content-encoding", b"host", b"x-http-method-override"})
_HTTP_NOT_PASSED: Final = frozenset({b"content-length", b"forwarded", b"host", b"via"})
_HTTP_SET_HERE: Final = frozenset({b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto"})
_REST_REMAPPED: Final = frozenset(
    {b"connection", b"content-length", b"date", b"server", b"www-authenticate", b"x-amzn-requestid"}
)
# `Content-Encoding` stays: the bytes go through as they came, so the header must say what they are.
_REST_NOT_RETURNED: Final = frozenset({b"transfer-encoding", b"keep-alive", b"via", b"x-amz-apigw-id"})
_HTTP_NOT_RETURNED: Final = HOP_BY_HOP | {b"apigw-requestid", b"content-length", b"date"}
_NAMES: Final = 2048  # names whose fate is remembered, per question
# Front ends write these two in one spelling whatever the client wrote.
_RECASED: Final = {b"authorization": "Authorization", b"user-agent": "User-Agent"}
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUE: Final = re.compile(r"[\r\n\0]")


def is_ours(lower: bytes) -> bool:
    """Whether a header is the gateway's own to set, so that a client's is not believed (attack G5)."""
    return lower.startswith((b"x-amzn-", b"x-amz-apigw-", b"apigw-"))


# What becomes of a header depends on its name alone, and clients send few different names: each is judged once.


@lru_cache(maxsize=_NAMES)
def _rest_visible(name: bytes) -> str | None:
    """A request header's name as REST APIs show it, None when nothing sees it."""
    lower = name.lower()
    if lower in REST_INVISIBLE or is_ours(lower):
        return None
    return _RECASED.get(lower) or name.decode("latin-1")


@lru_cache(maxsize=_NAMES)
def passes_rest(name: bytes) -> bool:
    """Whether a client's header goes on to a web service behind a REST API."""
    lower = name.lower()
    return not (lower in REST_INVISIBLE or lower in _REST_NOT_PASSED or is_ours(lower) or b"_" in lower)


@lru_cache(maxsize=_NAMES)
def passes_http(name: bytes) -> bool:
    """Whether a client's header goes on to a web service behind an HTTP API."""
    lower = name.lower()
    return not (lower in HOP_BY_HOP or lower in _HTTP_NOT_PASSED or is_ours(lower) or b"_" in lower)


@lru_cache(maxsize=_NAMES)
def http_event_name(name: bytes) -> str | None:
    """A request header's name in an HTTP API's event, lower case; None when it is not in it."""
    lower = name.lower()
    if lower in HOP_BY_HOP or lower in _HTTP_SET_HERE or is_ours(lower):
        return None
    return lower.decode("latin-1")


@lru_cache(maxsize=_NAMES)
def returned_by_rest(name: bytes) -> bytes | None:
    """A web service's response header as a REST API passes it on: as it is, renamed, or not at all."""
    lower = name.lower()
    if lower in _REST_NOT_RETURNED:
        return None
    return b"x-amzn-Remapped-" + name if lower in _REST_REMAPPED else name


@lru_cache(maxsize=_NAMES)
def is_returned_by_http(name: bytes) -> bool:
    return name.lower() not in _HTTP_NOT_RETURNED


def rest_request_headers(request: Request) -> list[Pair]:
    """A REST call's headers as mappings, validators and events see them: case as sent, in order."""
    return [
        (shown, value.decode("latin-1"))
        for name, value in request.headers
        if (shown := _rest_visible(name)) is not None
    ]


@lru_cache(maxsize=1024)
def title_case(name: str) -> str:
    """`x-custom-header` → `X-Custom-Header`, as HTTP APIs write names over HTTP/1.1."""
    return "-".join(part.capitalize() for part in name.split("-"))


def is_header_name(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None


def is_header_value(value: str) -> bool:
    """Whether a value may go on the wire: no line break and no NUL (attack G17)."""
    return _NOT_IN_VALUE.search(value) is None


def encode(pairs: Iterable[Pair]) -> list[Header]:
    """Text → bytes for the wire; characters beyond Latin-1 go as UTF-8."""
    return [(name.encode(), encode_value(value)) for name, value in pairs]


def encode_value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def forwarded_for(request: Request) -> str:
    """`X-Forwarded-For` for an event: what came, then who really spoke (attack G9: count from the right)."""
    given = request.all(b"x-forwarded-for")
    if not given:
        return request.peer[0]
    return ", ".join([*(value.decode("latin-1") for value in given), request.peer[0]])


def answer_trace(trace: str) -> bytes:
    """`X-Amzn-Trace-Id` of an answer: the call's root; a parent and `Sampled` are added where they are missing."""
    if "Parent=" not in trace:
        trace += f";Parent={clock.random_hex(8)}"
    if "Sampled=" not in trace:
        trace += ";Sampled=0"
    return encode_value(trace)
