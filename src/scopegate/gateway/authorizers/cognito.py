"""COGNITO_USER_POOLS: tokens of user pools of this server, for REST methods.

A method with scopes wants an access token that has one of them, a method without wants an ID token.
Source: reference, "REST: COGNITO_USER_POOLS", rows 1 to 15; attack rows G1, G8, J10 to J12, O24.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.authorizers.tokens import (
    check_now,
    compile_expression,
    facts_of,
    java_claims,
    note_token,
    strip_scheme,
    take_token,
    unauthorized,
)
from scopegate.gateway.match import allows_any
from scopegate.gateway.model import ApiCall, Authorizer, Closed, Document, RouteSpec, Step
from scopegate.jose.verify import KeySet, TokenError
from scopegate.ports import TrustedPool

_SOURCE: Final = re.compile(r"method\.request\.header\.(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)")


def compile_authorizer(document: Document, scopes: tuple[str, ...], _spec: RouteSpec) -> Authorizer:
    """The authorizer of one method. Raises Closed for an identity source or expression that cannot be enforced."""
    source = document.get("identitySource") or "method.request.header.Authorization"
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise Closed(f"identity source {source!r} is not one header")
    arns = tuple(document.get("providerARNs") or ())
    if not arns:
        raise Closed(f"authorizer {document.get('name')!r} has no user pool")
    audience = compile_expression(document)
    step = _compile_step(match["name"], arns, audience, scopes)
    return Authorizer(step, f"COGNITO_USER_POOLS {document.get('name', '')}".strip(), pool_arns=arns)


def _compile_step(
    header: str, arns: tuple[str, ...], audience: re.Pattern[str] | None, scopes: tuple[str, ...]
) -> Step:
    """1 token found, alone; 2 signature under a key of the pool that `iss` names; 3 times; 4 the app client exists and
    the token was not taken back; 5 audience expression; 6 kind of token; 7 scopes."""
    header_name = header.lower().encode()
    wanted = frozenset(scopes)
    expected_use = "access" if scopes else "id"

    def authorize(call: ApiCall) -> None:
        record = call.record
        record.wanted = scopes
        # 1
        value = take_token(call, header, header_name)
        call.mark(4)
        # 2
        find_pool = call.edge.ports.find_pool
        pools: list[TrustedPool] = []

        def choose_keys(issuer: str) -> KeySet | None:
            for arn in arns:
                pool = find_pool(arn)
                if pool is not None:
                    pools.append(pool)
                    if pool.issuer == issuer:
                        return pool.keys
            record.facts["issuer_got"] = issuer
            record.facts["issuers_expected"] = [pool.issuer for pool in pools]
            return None

        try:
            token = call.edge.verifier.verify(strip_scheme(value), choose_keys)
            facts = facts_of(token, _read_scopes, "rest")
            # 3
            check_now(token, facts, call.started_at)
        except TokenError as error:
            raise _refuse(error, arns, find_pool) from None
        claims = token.claims
        note_token(call, token, facts)
        # 4
        if not pools[-1].takes_client(facts.client_id):
            raise unauthorized("the token's app client does not exist any more")
        if pools[-1].is_revoked(claims):
            raise unauthorized("the token was revoked, or its user signed out, is disabled or deleted")
        # 5
        if audience is not None:
            aud = claims.get("aud")
            if not isinstance(aud, str) or not audience.fullmatch(aud):
                raise unauthorized("the token's audience does not match the identity validation expression")
        # 6
        use = claims.get("token_use")
        if use != expected_use:
            kind = "an access token" if scopes else "an ID token"
            raise unauthorized(f"the method wants {kind}, token_use is {use!r}")
        call.mark(5)
        # 7
        has_scope = not scopes or allows_any(wanted, facts.held_set)
        call.mark(6)
        if not has_scope:
            raise unauthorized("the token has none of the method's scopes")
        rendered = facts.rendered.get("java")
        if rendered is None:
            texts = java_claims(claims)
            rendered = facts.rendered["java"] = (texts, b'{"claims":' + orjson.dumps(texts) + b"}")
        call.claims, call.authorizer_json = rendered

    return authorize


def _read_scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    scope = claims.get("scope")
    return tuple(scope.split(" ")) if isinstance(scope, str) and scope else ()


_REASONS: Final = {
    "size": "the token is too large",
    "segments": "the token is not three segments",
    "malformed": "the token is malformed",
    "algorithm": "the token's algorithm is not the key's",
    "issuer": "the token's issuer is no user pool of the authorizer",
    "kid": "the user pool has no key of the token's kid",
    "signature": "the signature is not that of the user pool's key",
    "times": "a time claim is absent or no integer",
    "expired": "the token has expired",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


def _refuse(error: TokenError, arns: tuple[str, ...], find_pool: Any) -> GatewayRefusal:
    if error.kind == "expired":
        return GatewayRefusal("UNAUTHORIZED", "The incoming token has expired", reason=_REASONS["expired"])
    if error.kind == "issuer" and not any(find_pool(arn) for arn in arns):
        # Row 13: the pool is gone, so nothing can be decided.
        return GatewayRefusal("AUTHORIZER_CONFIGURATION_ERROR", reason="no user pool of the authorizer exists")
    return unauthorized(_REASONS.get(error.kind, error.kind))
