"""JWT authorizers of REST APIs: tokens of the issuers that are named, user pools of this server or foreign ones.

`aud` alone is looked at, as API Gateway's model says; HTTP APIs also take `client_id`. ID and access tokens are both
taken. Every refusal is 401, and looks the same.
Source: reference, control plane, section 3.4; botocore, JwtConfiguration; attack rows G1, G8, G10, J10 to J12.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from scopegate.gateway.authorizers.jwt import DESCRIPTIONS, read_scopes
from scopegate.gateway.authorizers.tokens import (
    Facts,
    check_now,
    facts_of,
    note_token,
    strip_scheme,
    take_token,
    unauthorized,
)
from scopegate.gateway.match import allows_any
from scopegate.gateway.model import ApiCall, Authorizer, Closed, Document, RouteSpec, Step
from scopegate.jose.remote import IssuerKeys, KeysUnavailable
from scopegate.jose.verify import ALGORITHMS, CURVES, KeySet, Token, TokenError, parse_token
from scopegate.ports import TrustedPool

_SOURCE: Final = re.compile(r"method\.request\.header\.(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class _Claim:
    """A rule for one more claim, which is a single text. expected: empty takes any."""

    name: str
    required: bool
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Issuer:
    url: str
    audiences: frozenset[str]
    claims: tuple[_Claim, ...]


class _Found:
    """Which issuer a token turned out to be of, and how its keys were found."""

    __slots__ = ("issuer", "pool")

    def __init__(self) -> None:
        self.issuer: _Issuer | None = None
        self.pool: TrustedPool | None = None


def compile_authorizer(document: Document, scopes: tuple[str, ...], _spec: RouteSpec) -> Authorizer:
    """The authorizer of one method. Raises Closed for a configuration that cannot be enforced."""
    match = _SOURCE.fullmatch(document.get("identitySource") or "")
    if match is None:
        raise Closed(f"identity source {document.get('identitySource')!r} is not one header")
    configuration = document.get("jwtConfiguration") or {}
    issuers = tuple(_compile_issuer(one) for one in configuration.get("issuers") or ())
    algorithms = frozenset(configuration.get("defaultAlgorithms") or ())
    if not issuers:
        raise Closed(f"authorizer {document.get('name')!r} has no issuer")
    if not algorithms <= ALGORITHMS.keys() | CURVES.keys() or not algorithms:
        raise Closed(f"algorithms {', '.join(sorted(algorithms)) or 'of no name'} are not known")
    step = _compile_step(match["name"], issuers, algorithms, scopes)
    return Authorizer(
        step,
        f"JWT {document.get('name', '')}".strip(),
        issuers=tuple(one.url for one in issuers),
        # A plan says of every audience whether it is an app client of every issuer: true of one issuer alone.
        audiences=tuple(sorted(issuers[0].audiences)) if len(issuers) == 1 else (),
    )


def _compile_issuer(document: Mapping[str, Any]) -> _Issuer:
    claims = tuple(
        _Claim(one["claimName"], bool(one.get("required")), frozenset(one.get("expectedValues") or ()))
        for one in document.get("additionalClaims") or ()
    )
    return _Issuer(document["issuer"], frozenset(document.get("audiences") or ()), claims)


def _compile_step(
    header: str, issuers: tuple[_Issuer, ...], algorithms: frozenset[str], scopes: tuple[str, ...]
) -> Step:
    """1 token found, alone; 2 issuer, key, signature; 3 algorithm; 4 audience; 5 times; 6 further claims; 7 scopes."""
    header_name = header.lower().encode()
    wanted = frozenset(scopes)

    def choose_keys_of(call: ApiCall, found: _Found, fetched: KeySet | None = None) -> Any:
        def choose_keys(got: str) -> KeySet | None:
            for issuer in issuers:
                pool = call.edge.ports.find_pool(issuer.url)
                if got == issuer.url or (pool is not None and got == pool.issuer):
                    found.issuer, found.pool = issuer, pool
                    if pool is not None:
                        return pool.keys
                    issuer_keys = call.edge.issuer_keys
                    return fetched or (None if issuer_keys is None else issuer_keys.find_keys(issuer.url))
            call.record.facts["issuer_got"] = got
            call.record.facts["issuers_expected"] = [issuer.url for issuer in issuers]
            return None

        return choose_keys

    def decide(call: ApiCall, value: bytes, token: Token, found: _Found) -> None:
        issuer, pool = found.issuer, found.pool
        assert issuer is not None
        facts = facts_of(token, read_scopes, "http")
        note_token(call, token, facts)
        # 3
        if _algorithm_of(token, value) not in algorithms:
            raise unauthorized("the token's algorithm is none of the authorizer's")
        # 4
        if not _has_audience(token.claims, issuer.audiences):
            call.record.facts["audience_got"] = token.claims.get("aud")
            call.record.facts["audiences_expected"] = sorted(issuer.audiences)
            raise unauthorized("the token does not have a valid audience")
        if pool is not None and not pool.takes_client(facts.client_id):
            raise unauthorized("the token's app client does not exist any more")
        if pool is not None and pool.is_revoked(token.claims):
            raise unauthorized("the token was revoked")
        # 5
        check_now(token, facts, call.started_at)
        # 6
        for claim in issuer.claims:
            _check_claim(claim, token.claims)
        call.mark(5)
        # 7
        has_scope = not scopes or allows_any(wanted, facts.held_set)
        call.mark(6)
        if not has_scope:
            raise unauthorized("the token has none of the method's scopes")
        call.claims, call.authorizer_json = _render(token.claims, facts)

    async def decide_later(call: ApiCall, value: bytes, issuer: _Issuer, kid: str, issuer_keys: IssuerKeys) -> None:
        found = _Found()
        try:
            keys = await issuer_keys.get_keys(issuer.url, kid)
            token = call.edge.verifier.verify(value, choose_keys_of(call, found, keys))
            decide(call, value, token, found)
        except KeysUnavailable as error:
            call.record.facts["issuer_keys"] = error.detail
            raise unauthorized(DESCRIPTIONS[error.stage]) from error
        except TokenError as error:
            raise unauthorized(DESCRIPTIONS[error.kind]) from None

    def authorize(call: ApiCall) -> Awaitable[None] | None:
        call.record.wanted = scopes
        # 1
        value = strip_scheme(take_token(call, header, header_name))
        call.mark(4)
        # 2
        found = _Found()
        try:
            token = call.edge.verifier.verify(value, choose_keys_of(call, found))
            decide(call, value, token, found)
        except TokenError as error:
            issuer, issuer_keys = found.issuer, call.edge.issuer_keys
            # An issuer's key that is not known, or none of its keys: they are fetched, and it is tried once more.
            if error.kind not in ("issuer", "kid") or issuer is None or found.pool is not None or issuer_keys is None:
                raise unauthorized(DESCRIPTIONS[error.kind]) from None
            kid = parse_token(value).kid
            return decide_later(call, value, issuer, kid, issuer_keys)
        return None

    return authorize


def _algorithm_of(token: Token, value: bytes) -> str:
    algorithm: str | None = token.memo.get("alg")
    if algorithm is None:
        algorithm = token.memo["alg"] = parse_token(value).alg
    return algorithm


def _has_audience(claims: Mapping[str, Any], accepted: frozenset[str]) -> bool:
    aud = claims.get("aud")
    return any(isinstance(one, str) and one in accepted for one in (aud if isinstance(aud, list) else [aud]))


def _check_claim(claim: _Claim, claims: Mapping[str, Any]) -> None:
    value = claims.get(claim.name)
    if value is None and not claim.required:
        return
    if not isinstance(value, str) or (claim.expected and value not in claim.expected):
        raise unauthorized(f"the claim {claim.name} is not as the authorizer wants it")


def _render(claims: Mapping[str, Any], facts: Facts) -> tuple[dict[str, str], bytes]:
    """(each top-level claim as JSON text, texts as they are; `{"claims":…}` with JSON's types)."""
    rendered = facts.rendered.get("json")
    if rendered is None:
        texts = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in claims.items()
        }
        rendered = facts.rendered["json"] = (texts, b'{"claims":' + orjson.dumps(dict(claims)) + b"}")
    return cast("tuple[dict[str, str], bytes]", rendered)
