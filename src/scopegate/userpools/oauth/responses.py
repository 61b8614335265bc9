"""Answers of the OAuth host: the one place where they are rendered.

Source: reference, POST /oauth2/token, response headers and errors.
"""

from typing import Final

import orjson

from scopegate.base.errors import OAuthError
from scopegate.http.message import Header, Request, Response

SUCCESS_TYPE: Final = b"application/json"
ERROR_TYPE: Final = b"application/json;charset=UTF-8"

_ANY_ORIGIN: Final[Header] = (b"Access-Control-Allow-Origin", b"*")
_FILTER_HEADERS: Final[tuple[Header, ...]] = (
    (b"Cache-Control", b"no-cache, no-store, max-age=0, must-revalidate"),
    (b"Pragma", b"no-cache"),
    (b"Expires", b"0"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-XSS-Protection", b"1; mode=block"),
    (b"X-Frame-Options", b"DENY"),
    (b"Strict-Transport-Security", b"max-age=31536000 ; includeSubDomains"),
    (b"Server", b"Server"),
)
_ASSET_POLICY: Final[Header] = (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'")
# No form-action: Chromium holds it against every redirect that follows a form, those of the application's own callback
# included, and so would stop sign-ins. The forms themselves are the templates' and name paths only.
_PAGE_POLICY: Final[Header] = (
    b"Content-Security-Policy",
    b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
)
_REFERRER: Final[Header] = (b"Referrer-Policy", b"same-origin")


def render_json(status: int, body: bytes, request_id: str, content_type: bytes = ERROR_TYPE) -> Response:
    """An answer to a machine, readable from every origin as Cognito's token, revoke and userInfo are."""
    headers = [
        (b"Content-Type", content_type),
        _ANY_ORIGIN,
        (b"x-amz-cognito-request-id", request_id.encode("ascii")),
        *_FILTER_HEADERS,
    ]
    return Response(status, headers, body)


def render_error(error: OAuthError, request_id: str) -> Response:
    members = {"error": error.code}
    if error.description is not None:
        members["error_description"] = error.description
    return render_json(error.status, orjson.dumps(members), request_id)


def render_html(status: int, html: bytes, request_id: str) -> Response:
    """A page of a sign-in."""
    headers = [
        (b"Content-Type", b"text/html;charset=UTF-8"),
        (b"x-amz-cognito-request-id", request_id.encode("ascii")),
        _PAGE_POLICY,
        _REFERRER,
        *_FILTER_HEADERS,
    ]
    return Response(status, headers, html)


def render_redirect(location: str, request_id: str) -> Response:
    """location: without a character that could end a header line."""
    headers = [
        (b"Location", location.encode("ascii")),
        (b"x-amz-cognito-request-id", request_id.encode("ascii")),
        _REFERRER,
        *_FILTER_HEADERS,
    ]
    return Response(302, headers)


def render_asset(content_type: bytes, body: bytes) -> Response:
    """A file whose name changes with its content."""
    headers = [
        (b"Content-Type", content_type),
        (b"Cache-Control", b"public, max-age=31536000, immutable"),
        (b"X-Content-Type-Options", b"nosniff"),
        _ASSET_POLICY,
        (b"Server", b"Server"),
    ]
    return Response(200, headers, body)


def render_wrong_method(allowed: str, request_id: str) -> Response:
    response = render_error(OAuthError("invalid_request", status=405), request_id)
    response.headers.append((b"Allow", allowed.encode("ascii")))
    return response


def render_preflight(request: Request, allowed: str) -> Response:
    """A browser asks whether it may send its request from another origin: it may, from any, without cookies."""
    asked = request.find(b"access-control-request-headers") or b"Authorization, Content-Type"
    return Response(
        200,
        [
            _ANY_ORIGIN,
            (b"Access-Control-Allow-Methods", allowed.encode("ascii")),
            (b"Access-Control-Allow-Headers", bytes(character for character in asked if 32 <= character < 127)),
            (b"Access-Control-Max-Age", b"86400"),
            (b"Allow", f"{allowed}, OPTIONS".encode("ascii")),
            (b"Server", b"Server"),
        ],
    )
