"""User pools as the data plane sees them: frozen, valid by construction, no wire shapes.

Made from rows in `compile.py`; read on every token request and every gateway call.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

from scopegate.jose.sign import SigningKey
from scopegate.jose.verify import KeySet
from scopegate.ports import TrustedPool, never_revoked

V = TypeVar("V")

EVER: Final = 1e12
"""Of a revocation: whenever a token was issued."""

SKEW_S: Final = 60
"""By how much the clocks of two nodes may differ, where a sign-in and a sign-out are told apart by their times."""

STANDARD_SCOPES: Final = frozenset({"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"})
"""Scopes about users: no machine gets them. Source: reference, "Resource servers and scopes"."""


def digest_secret(digest_key: bytes, secret: bytes) -> bytes:
    return blake2b(secret, digest_size=32, key=digest_key).digest()


@dataclass(frozen=True, slots=True, repr=False)
class SecretDigest:
    """A client secret in memory: only its digest, under a key that this process made at start.

    Generated secrets have 250 bits and more, so a digest is as safe as a password hash, and costs 1 µs.
    """

    digest_key: bytes
    digest: bytes

    def matches(self, secret: bytes) -> bool:
        """Compare the whole secret, in constant time."""
        return hmac.compare_digest(digest_secret(self.digest_key, secret), self.digest)


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """What an app client has that signs people in. Many clients share one.

    read_attributes, write_attributes: None for the default. rotation_grace_s: how long the refresh token before the
    newest still works, None without rotation.
    """

    callback_urls: tuple[str, ...] = ()
    logout_urls: tuple[str, ...] = ()
    default_redirect_uri: str = ""
    read_attributes: frozenset[str] | None = None
    write_attributes: frozenset[str] | None = None
    id_token_lifetime_s: int = 3_600
    refresh_token_lifetime_s: int = 30 * 86_400
    session_lifetime_s: int = 180  # of a challenge (AuthSessionValidity)
    hides_users: bool = False  # PreventUserExistenceErrors
    revocable: bool = True  # EnableTokenRevocation
    rotation_grace_s: int | None = None


@dataclass(frozen=True, slots=True)
class AppClient:
    """An app client as the data plane sees it (AWS: UserPoolClientType)."""

    client_id: str
    pool_id: str
    name: str
    secrets: tuple[SecretDigest, ...]  # newest first, at most 2; empty for a public client
    grant_types: frozenset[str]  # RFC 6749 names; empty without AllowedOAuthFlowsUserPoolClient
    auth_flows: frozenset[str]  # ExplicitAuthFlows, the default filled in
    allows_refresh: bool
    scopes: frozenset[str]  # all that AllowedOAuthScopes names
    custom_scopes: tuple[str, ...]  # those of them that resource servers define, "identifier/name", in order
    access_token_lifetime_s: int  # 300 to 86_400
    sign_in: SignInSettings = SignInSettings()

    @property
    def is_public(self) -> bool:
        return not self.secrets


@dataclass(frozen=True, slots=True)
class Trigger:
    """A function that a pool calls. version: of its event, as LambdaConfig spells it; `V1_0` where it tells none."""

    function_arn: str
    version: str = "V1_0"


@dataclass(frozen=True, slots=True)
class PoolView:
    """A user pool as the data plane sees it (AWS: UserPoolType)."""

    pool_id: str
    account: str
    region: str
    arn: str
    name: str
    issuer: str  # what its tokens say
    issuer_spellings: tuple[str, ...]  # all URLs that mean this pool, `issuer` among them
    domains: tuple[str, ...]  # custom domain first
    scopes: frozenset[str]  # "identifier/name" of every scope of its resource servers
    access_key: SigningKey
    id_key: SigningKey
    keys: KeySet  # all that are published
    jwks: bytes  # the document
    triggers: Mapping[str, Trigger]  # by its name in LambdaConfig
    document: Mapping[str, Any] = field(repr=False, compare=False)  # UserPoolType: what decides over people


_SHARDS: Final = 512


class Table(Generic[V]):
    """Key → value, for 100,000 of them: a changed copy costs one shard, not the table."""

    __slots__ = ("_shards",)

    def __init__(self, shards: tuple[Mapping[str, V], ...]) -> None:
        self._shards = shards

    @classmethod
    def of(cls, entries: Iterable[tuple[str, V]]) -> "Table[V]":
        shards: tuple[dict[str, V], ...] = tuple({} for _ in range(_SHARDS))
        for key, value in entries:
            shards[hash(key) % _SHARDS][key] = value
        return cls(shards)

    def get(self, key: str) -> V | None:
        return self._shards[hash(key) % _SHARDS].get(key)

    def replaced(self, changes: Mapping[str, V | None]) -> "Table[V]":
        """A copy with these entries put, or removed (None); this table stays as it is."""
        shards = list(self._shards)
        for key, value in changes.items():
            index = hash(key) % _SHARDS
            shard = dict(shards[index])
            shard.pop(key, None)
            if value is not None:
                shard[key] = value
            shards[index] = shard
        return Table(tuple(shards))

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def __iter__(self) -> Iterator[V]:
        return (value for shard in self._shards for value in shard.values())


class ClientIds:
    """The ids of one pool's app clients, as a container."""

    __slots__ = ("_clients", "_pool_id")

    def __init__(self, clients: Table[AppClient], pool_id: str) -> None:
        self._clients = clients
        self._pool_id = pool_id

    def __contains__(self, client_id: object) -> bool:
        client = self._clients.get(client_id) if isinstance(client_id, str) else None
        return client is not None and client.pool_id == self._pool_id


@dataclass(frozen=True, slots=True)
class View:
    """All user pools and app clients, at one moment."""

    pool_by_id: Mapping[str, PoolView]
    pool_by_domain: Mapping[str, str]  # domain prefix or custom domain → pool id
    pool_by_name: Mapping[str, str]  # ARN, or issuer in any of its spellings → pool id
    client_by_id: Table[AppClient]
    custom_domains: frozenset[str]  # the domains that are host names of their own
    digest_key: bytes  # of this process's SecretDigests
    revoked_by_name: Table[float] = Table.of(())  # `pool id/origin_jti` or `pool id/sub` → tokens issued until then
    revokes: bool = True  # whether a revoked token is refused by users' APIs too
    _trusted: dict[str, TrustedPool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def find_pool(self, arn_or_issuer: str) -> TrustedPool | None:
        """The pool that an ARN or an issuer URL names; compared whole, so no prefix and no other spelling passes."""
        trusted = self._trusted.get(arn_or_issuer)
        if trusted is not None:
            return trusted
        pool_id = self.pool_by_name.get(arn_or_issuer)
        pool = self.pool_by_id.get(pool_id) if pool_id is not None else None
        if pool is None:
            return None
        client_ids = ClientIds(self.client_by_id, pool.pool_id)
        refuses = self._refuses_for(pool.pool_id) if self.revokes else never_revoked
        trusted = TrustedPool(pool.pool_id, pool.arn, pool.issuer, pool.keys, client_ids, refuses, not self.revokes)
        self._trusted[arn_or_issuer] = trusted
        return trusted

    def is_revoked(self, pool_id: str, claims: Mapping[str, Any]) -> bool:
        """Whether a token of this pool was taken back: its sign-in, or all of its user's till then."""
        revoked = self.revoked_by_name
        if revoked.get(f"{pool_id}/{claims.get('origin_jti')}") is not None:
            return True
        until = revoked.get(f"{pool_id}/{claims.get('sub')}")
        if until is None:
            return False
        if until == EVER:
            return True
        # A sign-in just before its user signed out is told by its name: one just after may have an earlier time, where
        # the nodes' clocks differ. Tokens of clients without revocation name none: the second in which they were issued
        # tells.
        if "origin_jti" in claims:
            return bool(claims.get("auth_time", 0) < until - SKEW_S)
        return bool(claims.get("iat", 0) <= until)

    def _refuses_for(self, pool_id: str) -> Callable[[Mapping[str, Any]], bool]:
        return lambda claims: self.is_revoked(pool_id, claims)

    def find_client(self, client_id: str, pool: PoolView | None) -> tuple[AppClient, PoolView] | None:
        """An app client with its pool; `pool` is the one that the URL named, and then no other counts."""
        client = self.client_by_id.get(client_id)
        if client is None or (pool is not None and pool.pool_id != client.pool_id):
            return None
        pool = self.pool_by_id.get(client.pool_id)
        return None if pool is None else (client, pool)
