"""The user pools' only SQL: pools, their signing keys, domains, app clients with their secrets, resource servers.

Documents are wire shapes of the service model:

pool: UserPoolType without what is counted or looked up (`EstimatedNumberOfUsers`, `Domain`, `CustomDomain`); the
answers of GetUserPoolMfaConfig lie beside it under `MfaConfig`, those of SetUICustomization under `UICustomization`;
neither is shown as it stands.
domain: DomainDescriptionType. client: UserPoolClientType without ClientSecret. resource server: ResourceServerType.

A pool is found by account, region and id together, so nothing of one account or region is reached from another; what
hangs on a pool is found by the pool's id once the pool was found. The functions that take no account are for
compilation and for the data plane, and say so.

Each write says `changed`: `user_pool` (pool id; its keys with it), `user_pool_domain` (domain), `user_pool_client`
(client id; its secrets with it), `resource_server` (pool id).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from scopegate.base.limits import limit
from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.tables import (
    resource_servers,
    user_pool_client_secrets,
    user_pool_clients,
    user_pool_domains,
    user_pool_keys,
    user_pools,
    users,
)

_NOBODY: Final = ""
"""The account of a pool that is deleted while some of its users still are there."""

_DELETED_AT_ONCE: Final = limit("userpools.users_deleted_at_once")


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool, whoever owns it."""

    pool_id: str
    account: str
    region: str
    document: Document


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One signing key. use: `access` or `id`. retired_at: epoch seconds, None while it signs."""

    pool_id: str
    kid: str
    use: str
    created_at: float
    retired_at: float | None
    private_key: bytes  # PKCS #8 DER, sealed with key_context


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A domain, whoever owns it."""

    domain: str
    pool_id: str
    account: str
    region: str
    document: Document


@dataclass(frozen=True, slots=True)
class ClientRow:
    """An app client, whoever owns its pool."""

    client_id: str
    pool_id: str
    account: str
    region: str
    document: Document


@dataclass(frozen=True, slots=True)
class SecretRow:
    """One live secret of an app client."""

    client_id: str
    secret_id: str
    created_at: float
    secret: bytes  # sealed with secret_context


def key_context(pool_id: str, kid: str) -> str:
    """What the sealed private key of a pool is bound to."""
    return f"user_pool_key/{pool_id}/{kid}"


def secret_context(client_id: str, secret_id: str) -> str:
    """What a sealed client secret is bound to."""
    return f"user_pool_client/{client_id}/{secret_id}"


# Pools


def find_pool(tx: Tx, account: str, region: str, pool_id: str) -> Document | None:
    return documents.find(tx, user_pools, pool_id=pool_id, account=account, region=region)


def put_pool(tx: Tx, account: str, region: str, pool_id: str, document: Document) -> None:
    documents.put(tx, user_pools, document, also={"account": account, "region": region}, pool_id=pool_id)
    tx.changed("user_pool", pool_id)


def delete_pool(tx: Tx, pool_id: str) -> bool:
    """The pool and all that hangs on it but its domains: a pool that has one is not deleted.

    Many users are not deleted in one write, which would hold up every other for minutes: the pool is nobody's then, and
    `delete_left_users` has to go on with it.
    """
    for client_id, _ in list_clients(tx, pool_id):
        delete_client(tx, pool_id, client_id)
    documents.remove(tx, resource_servers, pool_id=pool_id)
    documents.remove(tx, user_pool_keys, pool_id=pool_id)
    if _has_many_users(tx, pool_id):
        nobodys = {"account": _NOBODY, "region": _NOBODY, "document": {}}
        removed = tx.sql.execute(update(user_pools).where(user_pools.c.pool_id == pool_id).values(**nobodys)).rowcount
    else:
        removed = documents.remove(tx, user_pools, pool_id=pool_id)
    tx.changed("resource_server", pool_id)
    tx.changed("user_pool", pool_id)
    return removed > 0


def _has_many_users(tx: Tx, pool_id: str) -> bool:
    query = select(users.c.name_key).where(users.c.pool_id == pool_id).limit(1).offset(_DELETED_AT_ONCE)
    return tx.sql.execute(query).first() is not None


def delete_left_users(tx: Tx) -> bool:
    """Delete some users of a pool that is deleted already, at last what is left of the pool; False when all is done."""
    pool = tx.sql.execute(select(user_pools.c.pool_id).where(user_pools.c.account == _NOBODY).limit(1)).first()
    if pool is None:
        return False
    of_pool = users.c.pool_id == pool.pool_id
    some = select(users.c.name_key).where(of_pool).order_by(users.c.name_key).limit(_DELETED_AT_ONCE)
    if tx.sql.execute(delete(users).where(of_pool, users.c.name_key.in_(some))).rowcount == 0:
        documents.remove(tx, user_pools, pool_id=pool.pool_id)
    return True


def pool_id_is_taken(tx: Tx, pool_id: str) -> bool:
    """Whether a pool has this id, be it one that is deleted and not gone yet."""
    return tx.sql.execute(select(user_pools.c.pool_id).where(user_pools.c.pool_id == pool_id)).first() is not None


def list_pools(
    tx: Tx, account: str, region: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(pool id, document) in the order of ids."""
    return documents.page(tx, user_pools, "pool_id", after=after, size=size, account=account, region=region)


def count_pools(tx: Tx, account: str, region: str) -> int:
    query = select(func.count()).where(user_pools.c.account == account, user_pools.c.region == region)
    return int(tx.sql.execute(query).scalar_one())


def find_pool_owner(tx: Tx, pool_id: str) -> PoolRow | None:
    """A pool whoever owns it: for compilation."""
    table = user_pools.c
    query = select(table.pool_id, table.account, table.region, table.document).where(table.pool_id == pool_id)
    row = tx.sql.execute(query.where(table.account != _NOBODY)).first()
    return None if row is None else PoolRow(*row)


def all_pool_ids(tx: Tx) -> Sequence[str]:
    """Of every account and region: for compilation."""
    table = user_pools.c
    query = select(table.pool_id).where(table.account != _NOBODY).order_by(table.pool_id)
    return [row[0] for row in tx.sql.execute(query)]


# Signing keys


def add_key(tx: Tx, pool_id: str, kid: str, use: str, created_at: float, sealed_key: bytes) -> None:
    """sealed_key: PKCS #8 DER, sealed with key_context(pool_id, kid)."""
    values = {"pool_id": pool_id, "kid": kid, "use": use, "created_at": created_at, "private_key": sealed_key}
    tx.sql.execute(insert(user_pool_keys).values(**values))
    tx.changed("user_pool", pool_id)


def list_keys(tx: Tx, pool_id: str) -> Sequence[KeyRow]:
    """The keys of a pool, oldest first, `access` before `id`."""
    table = user_pool_keys.c
    query = (
        select(table.pool_id, table.kid, table.use, table.created_at, table.retired_at, table.private_key)
        .where(table.pool_id == pool_id)
        .order_by(table.created_at, table.use)
    )
    return [KeyRow(*row) for row in tx.sql.execute(query)]


# Domains


def find_domain(tx: Tx, domain: str) -> DomainRow | None:
    """A domain whoever owns it: a prefix or host name belongs to one pool of this server."""
    table = user_pool_domains.c
    query = select(table.domain, table.pool_id, table.account, table.region, table.document)
    row = tx.sql.execute(query.where(table.domain == domain)).first()
    return None if row is None else DomainRow(*row)


def put_domain(tx: Tx, account: str, region: str, pool_id: str, domain: str, document: Document) -> None:
    also = {"account": account, "region": region, "pool_id": pool_id}
    documents.put(tx, user_pool_domains, document, also=also, domain=domain)
    tx.changed("user_pool_domain", domain)


def delete_domain(tx: Tx, domain: str) -> bool:
    removed = documents.remove(tx, user_pool_domains, domain=domain)
    tx.changed("user_pool_domain", domain)
    return removed > 0


def list_domains(tx: Tx, pool_id: str) -> Sequence[tuple[str, Document]]:
    """(domain, document) of a pool: at most one prefix and one custom domain."""
    return documents.page(tx, user_pool_domains, "domain", pool_id=pool_id)


def list_account_domains(tx: Tx, account: str, region: str) -> Sequence[tuple[str, Document]]:
    """(domain, document) of an account in a region."""
    return documents.page(tx, user_pool_domains, "domain", account=account, region=region)


def all_domains(tx: Tx) -> Sequence[str]:
    """Of every account and region: for compilation."""
    return [row[0] for row in tx.sql.execute(select(user_pool_domains.c.domain).order_by(user_pool_domains.c.domain))]


# App clients


def find_client(tx: Tx, pool_id: str, client_id: str) -> Document | None:
    return documents.find(tx, user_pool_clients, client_id=client_id, pool_id=pool_id)


def put_client(tx: Tx, pool_id: str, client_id: str, document: Document) -> None:
    documents.put(tx, user_pool_clients, document, also={"pool_id": pool_id}, client_id=client_id)
    tx.changed("user_pool_client", client_id)


def delete_client(tx: Tx, pool_id: str, client_id: str) -> bool:
    """The app client with its secrets."""
    documents.remove(tx, user_pool_client_secrets, client_id=client_id)
    removed = documents.remove(tx, user_pool_clients, client_id=client_id, pool_id=pool_id)
    tx.changed("user_pool_client", client_id)
    return removed > 0


def list_clients(
    tx: Tx, pool_id: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(client id, document) in the order of ids."""
    return documents.page(tx, user_pool_clients, "client_id", after=after, size=size, pool_id=pool_id)


def count_clients(tx: Tx, pool_id: str) -> int:
    query = select(func.count()).where(user_pool_clients.c.pool_id == pool_id)
    return int(tx.sql.execute(query).scalar_one())


def find_client_owner(tx: Tx, client_id: str) -> ClientRow | None:
    """An app client whoever owns its pool: client ids are unique on this server. For compilation and GetClientToken."""
    clients, pools = user_pool_clients.c, user_pools.c
    query = (
        select(clients.client_id, clients.pool_id, pools.account, pools.region, clients.document)
        .join(user_pools, pools.pool_id == clients.pool_id)
        .where(clients.client_id == client_id)
    )
    row = tx.sql.execute(query).first()
    return None if row is None else ClientRow(*row)


def all_clients(tx: Tx) -> Iterator[ClientRow]:
    """Of every account and region, in one statement: for compilation."""
    clients, pools = user_pool_clients.c, user_pools.c
    query = select(clients.client_id, clients.pool_id, pools.account, pools.region, clients.document)
    for row in tx.sql.execute(query.join(user_pools, pools.pool_id == clients.pool_id)):
        yield ClientRow(*row)


# Client secrets


def add_secret(tx: Tx, client_id: str, secret_id: str, created_at: float, sealed_secret: bytes) -> None:
    """sealed_secret: the secret's UTF-8, sealed with secret_context(client_id, secret_id)."""
    values = {"client_id": client_id, "secret_id": secret_id, "created_at": created_at, "secret": sealed_secret}
    tx.sql.execute(insert(user_pool_client_secrets).values(**values))
    tx.changed("user_pool_client", client_id)


def delete_secret(tx: Tx, client_id: str, secret_id: str) -> bool:
    removed = documents.remove(tx, user_pool_client_secrets, client_id=client_id, secret_id=secret_id)
    tx.changed("user_pool_client", client_id)
    return removed > 0


def list_secrets(tx: Tx, client_id: str) -> Sequence[SecretRow]:
    """The live secrets of an app client, newest first, at most 2."""
    table = user_pool_client_secrets.c
    query = (
        select(table.client_id, table.secret_id, table.created_at, table.secret)
        .where(table.client_id == client_id)
        .order_by(table.created_at.desc(), table.secret_id.desc())
    )
    return [SecretRow(*row) for row in tx.sql.execute(query)]


def all_secrets(tx: Tx) -> Iterator[SecretRow]:
    """Of every app client, newest first, in one statement: for compilation."""
    table = user_pool_client_secrets.c
    query = select(table.client_id, table.secret_id, table.created_at, table.secret)
    for row in tx.sql.execute(query.order_by(table.created_at.desc(), table.secret_id.desc())):
        yield SecretRow(*row)


# Resource servers


def find_resource_server(tx: Tx, pool_id: str, identifier: str) -> Document | None:
    return documents.find(tx, resource_servers, pool_id=pool_id, identifier=identifier)


def put_resource_server(tx: Tx, pool_id: str, identifier: str, document: Document) -> None:
    documents.put(tx, resource_servers, document, pool_id=pool_id, identifier=identifier)
    tx.changed("resource_server", pool_id)


def delete_resource_server(tx: Tx, pool_id: str, identifier: str) -> bool:
    removed = documents.remove(tx, resource_servers, pool_id=pool_id, identifier=identifier)
    tx.changed("resource_server", pool_id)
    return removed > 0


def list_resource_servers(
    tx: Tx, pool_id: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(identifier, document) in the order of identifiers."""
    return documents.page(tx, resource_servers, "identifier", after=after, size=size, pool_id=pool_id)


def count_resource_servers(tx: Tx, pool_id: str) -> int:
    query = select(func.count()).where(resource_servers.c.pool_id == pool_id)
    return int(tx.sql.execute(query).scalar_one())
