"""User pools as the data plane sees them: frozen, valid by construction, no wire shapes.

Made from rows in `compile.py`; read on every token request and every gateway call.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from scopegate.jose.sign import SigningKey
from scopegate.jose.verify import KeySet
from scopegate.ports import TrustedPool

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

    @property
    def is_public(self) -> bool:
        return not self.secrets


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
    is_closed_to_machines: bool = False  # a PreTokenGeneration V3_0 function decides over their tokens; not called yet


_SHARDS: Final = 512


class ClientTable:
    """client id → AppClient, for 100,000 of them: a changed copy costs one shard, not the table."""

    __slots__ = ("_shards",)

    def __init__(self, shards: tuple[Mapping[str, AppClient], ...]) -> None:
        self._shards = shards

    @classmethod
    def of(cls, clients: Iterator[AppClient]) -> "ClientTable":
        shards: tuple[dict[str, AppClient], ...] = tuple({} for _ in range(_SHARDS))
        for client in clients:
            shards[hash(client.client_id) % _SHARDS][client.client_id] = client
        return cls(shards)

    def get(self, client_id: str) -> AppClient | None:
        return self._shards[hash(client_id) % _SHARDS].get(client_id)

    def replaced(self, changes: Mapping[str, AppClient | None]) -> "ClientTable":
        """A copy with these entries put (a client) or removed (None); this table stays as it is."""
        shards = list(self._shards)
        for client_id, client in changes.items():
            index = hash(client_id) % _SHARDS
            shard = dict(shards[index])
            shard.pop(client_id, None)
            if client is not None:
                shard[client_id] = client
            shards[index] = shard
        return ClientTable(tuple(shards))

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def __iter__(self) -> Iterator[AppClient]:
        return (client for shard in self._shards for client in shard.values())


class ClientIds:
    """The ids of one pool's app clients, as a container."""

    __slots__ = ("_clients", "_pool_id")

    def __init__(self, clients: ClientTable, pool_id: str) -> None:
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
    client_by_id: ClientTable
    custom_domains: frozenset[str]  # the domains that are host names of their own
    digest_key: bytes  # of this process's SecretDigests
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
        trusted = TrustedPool(pool.pool_id, pool.arn, pool.issuer, pool.keys, client_ids)
        self._trusted[arn_or_issuer] = trusted
        return trusted

    def find_client(self, client_id: str, pool: PoolView | None) -> tuple[AppClient, PoolView] | None:
        """An app client with its pool; `pool` is the one that the URL named, and then no other counts."""
        client = self.client_by_id.get(client_id)
        if client is None or (pool is not None and pool.pool_id != client.pool_id):
            return None
        pool = self.pool_by_id.get(client.pool_id)
        return None if pool is None else (client, pool)
