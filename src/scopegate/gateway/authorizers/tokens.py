"""What the token authorizers share: taking the token out of its place, and claims as text in either service's style.

Source: reference, "REST: COGNITO_USER_POOLS" and "HTTP: JWT authorizer", what lands in the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from scopegate.gateway.model import ApiCall
from scopegate.gateway.times import java_date
from scopegate.jose.verify import Token

_DATES: Final = frozenset({"exp", "iat", "nbf"})


def strip_scheme(value: bytes) -> bytes:
    """The token of a header value: bare, or after `Bearer ` in any case. Anything else is left for the parser."""
    return value[7:] if value[:7].lower() == b"bearer " else value


def note_token(call: ApiCall, token: Token, held: tuple[str, ...]) -> None:
    """Put what mattered of a verified token into the decision record."""
    claims, record = token.claims, call.record
    client_id = claims.get("client_id")
    if client_id is None:
        client_id = claims.get("aud")
    record.client_id = client_id if isinstance(client_id, str) else ""
    jti = claims.get("jti")
    record.jti = jti if isinstance(jti, str) else ""
    record.held = held


def is_client_known(claims: Mapping[str, Any], client_ids: Any) -> bool:
    """Whether the app client of a token of a pool of this server still exists (attack G22)."""
    client_id = claims.get("client_id", claims.get("aud"))
    return isinstance(client_id, str) and client_id in client_ids


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS).decode()


def _java_text(name: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if name in _DATES:
            try:
                return java_date(value)
            except ValueError:
                return str(value)
        return str(value)
    if isinstance(value, list):
        # `cognito:groups` is joined by commas; `identities` arrives as its objects' JSON without brackets.
        return ",".join(text for item in value if (text := _java_text("", item)) is not None)
    return _json(value)


def java_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as REST APIs pass them on: strings in the style of Java, three of them dates."""
    return {name: text for name, value in claims.items() if (text := _java_text(name, value)) is not None}


def _go_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(_go_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go_text(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def go_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as HTTP APIs pass them on: strings in the style of Go, sorted by name, nulls left out."""
    return {name: _go_text(claims[name]) for name in sorted(claims) if claims[name] is not None}
