"""What the service's front end answers before a stage is looked at: a body or a head over the limits.

Not customisable by gateway responses. Source: reference, "Limits", "REST: table of types" (REQUEST_TOO_LARGE), "HTTP:
fixed errors".
"""

from typing import Final

import orjson

from scopegate.base.limits import limit
from scopegate.gateway.model import HTTP
from scopegate.http.message import Response

_JSON: Final = (b"Content-Type", b"application/json")
_TEXT: Final = (b"Content-Type", b"text/plain")
_HTTP_MESSAGES: Final = {
    400: "Bad Request",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
}


def refuse(kind: str | None, status: int, reason: str) -> Response:
    """kind: REST or HTTP, None for an unknown API. reason: the listener's, for statuses that AWS has no text for."""
    if kind == HTTP:
        body = orjson.dumps({"message": _HTTP_MESSAGES.get(status, reason)})
        return Response(status, [_JSON], body)
    if status == 413:
        text = f"HTTP content length exceeded {limit('gateway.body_bytes')} bytes."
        return Response(status, [_TEXT], text.encode())
    if status == 431:
        text = f"HTTP header is larger than {limit('gateway.rest.header_bytes')} bytes."
        return Response(status, [_TEXT], text.encode())
    return Response(status, [_JSON], orjson.dumps({"message": reason}))
