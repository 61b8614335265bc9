"""What the token authorizers share: taking the token out of its place, and claims as text in either service's style.

Source: reference, "REST: COGNITO_USER_POOLS" and "HTTP: JWT authorizer", what lands in the event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.base.patterns import fault_of
from scopegate.gateway.model import ApiCall, Closed, Document
from scopegate.gateway.times import java_date
from scopegate.jose.verify import Token, TokenError, check_times, find_time

_DATES: Final = frozenset({"exp", "iat", "nbf"})


def unauthorized(reason: str) -> GatewayRefusal:
    """401, without a challenge."""
    return GatewayRefusal("UNAUTHORIZED", "Unauthorized", reason=reason)


def compile_expression(document: Document) -> re.Pattern[str] | None:
    """The `identityValidationExpression` of a REST API's authorizer; `\\w` and the like are ASCII, as Java has them.

    Raises Closed for one that is none, and for one that a token could keep busy for hours.
    """
    expression = document.get("identityValidationExpression")
    if not expression:
        return None
    if fault := fault_of(expression):
        raise Closed(f"identity validation expression: {fault}")
    return re.compile(expression, re.ASCII)


def take_token(call: ApiCall, header: str, lower: bytes) -> bytes:
    """The value of the header that carries the token, alone; `lower` is its name for the look-up. Raises
    GatewayRefusal."""
    values = call.request.all(lower)
    if not values or not values[0]:
        raise unauthorized(f"no token in header {header}")
    if len(values) > 1:
        raise unauthorized(f"header {header} comes {len(values)} times")
    return values[0]


def strip_scheme(value: bytes) -> bytes:
    """The token of a header value: bare, or after `Bearer ` in any case. Anything else is left for the parser."""
    return value[7:] if value[:7].lower() == b"bearer " else value


class Facts:
    """What a verified token says, read once for all calls that it comes with; deciding on it is each call's own.

    expires_at, not_before: None when a time claim is absent or none, which `check_times` then says exactly.
    held: scopes in order; held_set: the same. client_id: by `client_id`, else `aud`; "" when that is no text.
    rendered: the claims as events show them, by style.
    """

    __slots__ = ("client_id", "expires_at", "held", "held_set", "jti", "not_before", "rendered")

    def __init__(self, claims: Mapping[str, Any], held: tuple[str, ...]) -> None:
        self.held = held
        self.held_set = frozenset(held)
        client_id, jti = claims.get("client_id", claims.get("aud")), claims.get("jti")
        self.client_id = client_id if isinstance(client_id, str) else ""
        self.jti = jti if isinstance(jti, str) else ""
        self.rendered: dict[str, tuple[Any, ...]] = {}
        try:
            self.expires_at: int | None = find_time(claims, "exp")
            self.not_before: int | None = max(find_time(claims, "nbf") or 0, find_time(claims, "iat") or 0)
        except TokenError:
            self.expires_at = self.not_before = None


def facts_of(token: Token, read_scopes: Callable[[Mapping[str, Any]], tuple[str, ...]], style: str) -> Facts:
    """The token's facts, kept with the token; `style` names how its scopes are read."""
    facts: Facts | None = token.memo.get(style)
    if facts is None:
        facts = token.memo[style] = Facts(token.claims, read_scopes(token.claims))
    return facts


def check_now(token: Token, facts: Facts, now: float) -> None:
    """Whether the token is for this moment. Raises TokenError as `check_times` does."""
    expires_at, not_before = facts.expires_at, facts.not_before
    if expires_at is None or not_before is None or not not_before <= now < expires_at:
        check_times(token.claims, now)


def note_token(call: ApiCall, token: Token, facts: Facts) -> None:
    """Put what mattered of a verified token into the decision record."""
    record = call.record
    record.client_id, record.jti, record.held = facts.client_id, facts.jti, facts.held
    record.facts["issuer"] = token.claims["iss"]


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
