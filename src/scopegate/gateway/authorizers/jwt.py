"""JWT authorizers of HTTP APIs: tokens of one issuer, a user pool of this server or a foreign one.

Source: reference, "HTTP: JWT authorizer" (order of checks, claims, every `www-authenticate`); attack rows G1, G8, G10,
J10 to J12. ID and access tokens are both taken, as AWS does: `token_use` is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import Any, Final, cast

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.authorizers.tokens import Facts, check_now, facts_of, go_claims, note_token, strip_scheme
from scopegate.gateway.match import allows_any
from scopegate.gateway.model import ApiCall, Authorizer, Closed, Document, RouteSpec, Step
from scopegate.jose.remote import IssuerKeys, KeysUnavailable
from scopegate.jose.verify import CURVES, KeySet, Token, TokenError, parse_token
from scopegate.ports import TrustedPool

_SOURCE: Final = re.compile(r"\$request\.(?P<place>header|querystring)\.(?P<name>.+)")

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "size": "token is malformed",
    "segments": "token contains an invalid number of segments",
    "malformed": "token is malformed",
    "algorithm": "signing method (alg) is unspecified",
    "issuer": "issuer does not match",
    "kid": "signing key not found",
    "signature": "token signature is invalid",
    "audience": "the token does not have a valid audience",
    "times": "token has invalid claims",
    "expired": "the token has expired",
    "nbf": "token is not valid yet",
    "iat": "token used before issued",
    "client": "the token does not have a valid audience",
    "revoked": "the token has been revoked",
    "discovery": "OIDC discovery endpoint communication error",
    "jwks": "JWKS communication error",
}


def compile_authorizer(document: Document, scopes: tuple[str, ...], _spec: RouteSpec) -> Authorizer:
    """The authorizer of one route. Raises Closed for an identity source or issuer that cannot be enforced."""
    sources = document.get("IdentitySource") or ["$request.header.Authorization"]
    if isinstance(sources, str):
        sources = [sources]
    match = _SOURCE.fullmatch(sources[0]) if len(sources) == 1 else None
    if match is None:
        raise Closed(f"identity source {sources!r} is not one header or query parameter")
    configuration = document.get("JwtConfiguration") or {}
    issuer = configuration.get("Issuer")
    if not issuer:
        raise Closed(f"authorizer {document.get('Name')!r} has no issuer")
    audiences = tuple(configuration.get("Audience") or ())
    step = _compile_step(match["place"], match["name"], issuer, audiences, scopes)
    return Authorizer(step, f"JWT {document.get('Name', '')}".strip(), issuers=(issuer,), audiences=audiences)


def _compile_step(place: str, name: str, issuer: str, audiences: tuple[str, ...], scopes: tuple[str, ...]) -> Step:
    """1 token found, alone; 2 algorithm, key and signature, issuer; 3 audience; 4 times; 5 scopes."""
    header_name = name.lower().encode() if place == "header" else None
    wanted = frozenset(scopes)
    accepted = frozenset(audiences)
    scope_text = " ".join(scopes)

    def invalid(kind: str, detail: str = "") -> GatewayRefusal:
        description = DESCRIPTIONS[kind]
        if kind == "algorithm" and detail:
            description = f"signing method {detail} is invalid"
        challenge = f'Bearer scope="{scope_text}" error="invalid_token" error_description="{description}"'
        return GatewayRefusal("UNAUTHORIZED", "Unauthorized", www_authenticate=challenge, reason=description)

    def verify(call: ApiCall, value: bytes, keys: KeySet, own_issuer: str | None) -> Token:
        def choose_keys(got: str) -> KeySet | None:
            if got in (issuer, own_issuer):
                return keys
            note_issuer(call, got)
            return None

        token = call.edge.verifier.verify(value, choose_keys)
        if token.key.alg in CURVES:
            raise TokenError("algorithm", token.key.alg)  # RSA alone (reference, "HTTP: JWT authorizer")
        return token

    def note_issuer(call: ApiCall, got: object) -> None:
        call.record.facts["issuer_got"] = got if isinstance(got, str) else None
        call.record.facts["issuers_expected"] = [issuer]

    def decide(call: ApiCall, token: Token, pool: TrustedPool | None) -> None:
        claims = token.claims
        facts = facts_of(token, read_scopes, "http")
        note_token(call, token, facts)
        # 3
        if not _has_audience(claims, accepted):
            call.record.facts["audience_got"] = claims.get("aud", claims.get("client_id"))
            call.record.facts["audiences_expected"] = list(audiences)
            raise invalid("audience")
        if pool is not None and not pool.takes_client(facts.client_id):
            raise invalid("client")
        if pool is not None and pool.is_revoked(claims):
            raise invalid("revoked")
        # 4
        try:
            check_now(token, facts, call.started_at)
        except TokenError as error:
            raise invalid(error.kind) from None
        call.mark(5)
        # 5
        has_scope = not scopes or allows_any(wanted, facts.held_set)
        call.mark(6)
        if not has_scope:
            expected = f"expected scopes: [{scope_text}]"
            challenge = f'Bearer scope="{scope_text}" error="insufficient_scope" error_description="{expected}"'
            reason = f"the token has none of the route's scopes; {expected}"
            raise GatewayRefusal("ACCESS_DENIED", "Forbidden", www_authenticate=challenge, reason=reason)
        call.claims, call.authorizer_json, call.authorizer_json_2 = _render(claims, facts, bool(scopes))

    async def decide_later(call: ApiCall, value: bytes, kid: str, issuer_keys: IssuerKeys) -> None:
        try:
            token = verify(call, value, await issuer_keys.get_keys(issuer, kid), None)
        except KeysUnavailable as error:
            call.record.facts["issuer_keys"] = error.detail
            raise invalid(error.stage) from error
        except TokenError as error:
            raise invalid(error.kind, error.detail) from None
        decide(call, token, None)

    def decide_foreign(call: ApiCall, value: bytes) -> Awaitable[None] | None:
        """A foreign issuer's token: at once when its keys are known, else after they are fetched."""
        issuer_keys = call.edge.issuer_keys
        keys = None if issuer_keys is None else issuer_keys.find_keys(issuer)
        if keys is not None:
            try:
                decide(call, verify(call, value, keys, None), None)
            except TokenError as error:
                if error.kind != "kid":
                    raise
            else:
                return None
        # Nothing is fetched for a token that is malformed or of another issuer.
        parsed = parse_token(value)
        if parsed.unverified_claims.get("iss") != issuer:
            note_issuer(call, parsed.unverified_claims.get("iss"))
            raise invalid("issuer")
        if issuer_keys is None:
            raise invalid("discovery")
        return decide_later(call, value, parsed.kid, issuer_keys)

    def authorize(call: ApiCall) -> Awaitable[None] | None:
        call.record.wanted = scopes
        # 1
        if header_name is not None:
            values = call.request.all(header_name)
        else:
            values = [value.encode("utf-8", "replace") for key, value in call.query if key == name]
        if not values or not values[0]:
            raise GatewayRefusal(
                "UNAUTHORIZED", "Unauthorized", www_authenticate="Bearer", reason=f"no token in {place} {name}"
            )
        if len(values) > 1:
            raise invalid("segments")
        call.mark(4)
        value = strip_scheme(values[0])
        # 2
        try:
            pool = call.edge.ports.find_pool(issuer)
            if pool is None:
                return decide_foreign(call, value)
            token = verify(call, value, pool.keys, pool.issuer)
        except TokenError as error:
            raise invalid(error.kind, error.detail) from None
        decide(call, token, pool)
        return None

    return authorize


def _has_audience(claims: Mapping[str, Any], accepted: frozenset[str]) -> bool:
    """`aud`, text or list, when it is there; else `client_id` (that is how access tokens of user pools pass)."""
    if "aud" not in claims:
        client_id = claims.get("client_id")
        return isinstance(client_id, str) and client_id in accepted
    aud = claims["aud"]
    if isinstance(aud, list):
        return any(isinstance(one, str) and one in accepted for one in aud)
    return isinstance(aud, str) and aud in accepted


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word for word in value.split(" ") if word]
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def read_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The token's scopes: `scp` and `scope`, each text or list."""
    return tuple(dict.fromkeys(_words(claims.get("scp")) + _words(claims.get("scope"))))


def _render(claims: Mapping[str, Any], facts: Facts, with_scopes: bool) -> tuple[dict[str, str], bytes, bytes]:
    """(claims as text, `{"claims":…,"scopes":…}`, the same under `jwt`); scopes is null on a route without."""
    style = "go+scopes" if with_scopes else "go"
    rendered = facts.rendered.get(style)
    if rendered is None:
        texts = go_claims(claims)
        shown = orjson.dumps({"claims": texts, "scopes": list(facts.held) if with_scopes else None})
        rendered = facts.rendered[style] = (texts, shown, b'{"jwt":' + shown + b"}")
    return cast("tuple[dict[str, str], bytes, bytes]", rendered)
