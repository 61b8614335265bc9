"""A user's access token as Cognito's own endpoints take it: userInfo, and the operations that a token authorises.

Unlike users' APIs these always ask whether it was taken back.
Source: reference, "Who may call", "GET /oauth2/userInfo"; attack rows J1 to J15, O24.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scopegate.jose.verify import KeySet, TokenError, Verifier, check_times
from scopegate.userpools.model import AppClient, PoolView, View


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is. scopes: those of the token."""

    pool: PoolView
    client: AppClient
    sub: str
    claims: Mapping[str, Any]
    scopes: frozenset[str]


class BearerRefused(Exception):
    """kind: `invalid`, `signature`, `expired`, `revoked`."""

    def __init__(self, kind: str, log: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.log = log


def read_access_token(token: str, view: View, verifier: Verifier, now: float) -> Bearer:
    """A user's access token. Raises BearerRefused."""
    bearer = read_token(token, "access", view, verifier, now)
    if "username" not in bearer.claims:
        raise BearerRefused("invalid", "not the access token of a user")
    return bearer


def read_token(token: str, use: str, view: View, verifier: Verifier, now: float) -> Bearer:
    """1 signed by the pool that it names; 2 of this moment; 3 of this use, `access` or `id`; 4 of a client that is
    there; 5 not taken back. Of a machine the `sub` is its client. Raises BearerRefused."""
    pools: list[PoolView] = []

    def choose_keys(issuer: str) -> KeySet | None:
        pool = view.pool_by_id.get(view.pool_by_name.get(issuer, ""))
        if pool is None or pool.issuer != issuer:
            return None
        pools.append(pool)
        return pool.keys

    # 1
    try:
        claims = verifier.verify(token, choose_keys).claims
    except TokenError as error:
        raise BearerRefused("signature" if error.kind in ("signature", "kid") else "invalid", error.kind) from None
    pool = pools[-1]
    # 2
    try:
        check_times(claims, now)
    except TokenError as error:
        raise BearerRefused("expired" if error.kind == "expired" else "invalid", error.kind) from None
    # 3
    sub = claims.get("sub")
    if claims.get("token_use") != use or not isinstance(sub, str):
        raise BearerRefused("invalid", f"not an {use} token")
    # 4
    found = view.find_client(str(claims.get("client_id" if use == "access" else "aud")), pool)
    if found is None:
        raise BearerRefused("invalid", "its app client is not there any more")
    # 5
    if view.is_revoked(pool.pool_id, claims):
        raise BearerRefused("revoked")
    scope = claims.get("scope")
    scopes = frozenset(scope.split(" ")) if isinstance(scope, str) else frozenset()
    return Bearer(pool, found[0], sub, claims, scopes)
