"""CORS of HTTP APIs: preflight answers, and the headers on every other answer.

Source: reference, "HTTP CORS"; attack row G18: an origin is compared whole, `null` is an origin like any other.
"""

from __future__ import annotations

from typing import Final

from scopegate.gateway.model import ApiCall, Cors, Document
from scopegate.http.message import Header, Request, Response

_NAMES: Final = b"access-control-"


def compile_cors(document: Document | None) -> Cors | None:
    """A stored `CorsConfiguration`, None when there is none."""
    if not document:
        return None
    origins = frozenset(document.get("AllowOrigins") or ())
    credentials = bool(document.get("AllowCredentials"))
    actual: list[Header] = []
    if credentials:
        actual.append((b"Access-Control-Allow-Credentials", b"true"))
    if document.get("ExposeHeaders"):
        actual.append((b"Access-Control-Expose-Headers", ",".join(document["ExposeHeaders"]).encode()))
    preflight: list[Header] = []
    if document.get("AllowMethods"):
        preflight.append((b"Access-Control-Allow-Methods", ",".join(document["AllowMethods"]).encode()))
    if document.get("AllowHeaders"):
        preflight.append((b"Access-Control-Allow-Headers", ",".join(document["AllowHeaders"]).encode()))
    if document.get("MaxAge") is not None:
        preflight.append((b"Access-Control-Max-Age", str(document["MaxAge"]).encode()))
    return Cors(
        origins,
        "*" in origins,
        tuple(origin.removesuffix("*") for origin in sorted(origins) if origin in ("https://*", "http://*")),
        credentials,
        tuple(actual),
        tuple(preflight),
    )


def is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and bool(request.all(b"origin"))
        and bool(request.all(b"access-control-request-method"))
    )


def _allowed_origin(cors: Cors, request: Request) -> bytes | None:
    """The value of `Access-Control-Allow-Origin` for this request's one Origin; None when it is not allowed."""
    origins = request.all(b"origin")
    if len(origins) != 1:
        return None
    origin = origins[0]
    if cors.any_origin:
        return b"*"
    text = origin.decode("latin-1")
    if text in cors.origins or any(text.startswith(scheme) and len(text) > len(scheme) for scheme in cors.schemes):
        return origin
    return None


def answer_preflight(call: ApiCall, cors: Cors) -> Response:
    """204; with the configured lists when the origin is allowed, whatever method it asks for: the browser decides."""
    pairs: list[Header] = []
    origin = _allowed_origin(cors, call.request)
    if origin is not None:
        pairs = [(b"Access-Control-Allow-Origin", origin), *cors.preflight, *cors.actual]
    pairs.append((b"Apigw-Requestid", call.extended_id.encode()))
    return Response(204, pairs)


def apply_cors(call: ApiCall, cors: Cors, response: Response) -> None:
    """Replace an integration's CORS headers by the gateway's own, on answers and refusals alike."""
    pairs = [pair for pair in response.headers if not pair[0].lower().startswith(_NAMES)]
    origin = _allowed_origin(cors, call.request)
    if origin is not None:
        pairs += [(b"Access-Control-Allow-Origin", origin), *cors.actual]
    response.headers = pairs
