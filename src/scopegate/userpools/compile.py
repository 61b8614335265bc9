"""Rows → the frozen view that the data plane reads.

`compile_all` at start; `compile_changed` after each change: only what changed is read again, the rest is shared.
A key whose `kid` was known before stays the same object, so tokens that it verified stay remembered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

import structlog

from scopegate.base import clock, names
from scopegate.base.settings import Settings
from scopegate.jose.keys import load_private_key, render_jwks, verify_key
from scopegate.jose.sign import SigningKey
from scopegate.jose.verify import VerifyKey
from scopegate.ports import CompileContext
from scopegate.store.documents import Document
from scopegate.store.port import Change, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools import queries
from scopegate.userpools.model import (
    STANDARD_SCOPES,
    AppClient,
    PoolView,
    SecretDigest,
    SignInSettings,
    Table,
    Trigger,
    View,
    digest_secret,
)
from scopegate.userpools.signin import queries as tokens

__all__ = ["KINDS", "View", "compile_all", "compile_changed", "read_client", "read_client_and_pool"]

KINDS: Final = frozenset({"user_pool", "user_pool_client", "user_pool_domain", "resource_server", "revocation"})
"""The kinds of changes that this view is made from."""

_UNIT_S: Final[Mapping[str, int]] = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_DEFAULT_LIFETIME_S: Final = 3_600  # reference, "Lifetimes"
_LONGEST_LIFETIME_S: Final = 86_400
_DEFAULT_REFRESH_S: Final = 30 * 86_400
_DEFAULT_SESSION_MINUTES: Final = 3
_GRANT_OF_FLOW: Final[Mapping[str, str]] = {
    "client_credentials": "client_credentials",
    "code": "authorization_code",
    "implicit": "implicit",
}
# Reference, "ExplicitAuthFlows": what a client has that names none.
_DEFAULT_AUTH_FLOWS: Final = frozenset({"ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"})

T = TypeVar("T")

log = structlog.get_logger()


def compile_all(tx: Tx, context: CompileContext) -> View:
    """Everything, from the store."""
    digest_key = clock.token_bytes(32)
    pools = {}
    for pool_id in queries.all_pool_ids(tx):
        pool = _compile_pool(tx, pool_id, context, None)
        if pool is not None:
            pools[pool_id] = pool
    domains = [row for domain in queries.all_domains(tx) if (row := queries.find_domain(tx, domain)) is not None]
    secrets: dict[str, list[queries.SecretRow]] = {}
    for secret in queries.all_secrets(tx):
        secrets.setdefault(secret.client_id, []).append(secret)
    shared: dict[object, object] = {}
    return View(
        MappingProxyType(pools),
        MappingProxyType({row.domain: row.pool_id for row in domains}),
        MappingProxyType(_names_of(pools.values())),
        Table.of(
            (row.client_id, _compile_client(row, secrets.get(row.client_id, ()), context.seal, digest_key, shared))
            for row in queries.all_clients(tx)
        ),
        frozenset(row.domain for row in domains if _is_custom(row.document)),
        digest_key,
        Table.of(tokens.all_revocations(tx, clock.now())),
        not context.settings.aws_revocation,
    )


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """A view in which `changes` are; `view` stays as it is."""
    keys: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for change in changes:
        keys[change.kind].add(change.key)
    pool_ids = keys["user_pool"] | keys["resource_server"]
    if keys["user_pool_domain"]:
        view, moved = _replace_domains(tx, view, keys["user_pool_domain"])
        pool_ids |= moved
    if pool_ids:
        view = _replace_pools(tx, view, pool_ids, context)
    if keys["user_pool_client"]:
        clients = {
            client_id: read_client(tx, client_id, context.seal, view.digest_key)
            for client_id in keys["user_pool_client"]
        }
        view = replace(view, client_by_id=view.client_by_id.replaced(clients))
    if keys["revocation"]:
        revoked = {name: tokens.find_revocation(tx, name) for name in keys["revocation"]}
        view = replace(view, revoked_by_name=view.revoked_by_name.replaced(revoked))
    return view


def read_client(tx: Tx, client_id: str, seal: Sealer, digest_key: bytes) -> AppClient | None:
    """One app client, straight from the store."""
    row = queries.find_client_owner(tx, client_id)
    return None if row is None else _compile_client(row, queries.list_secrets(tx, client_id), seal, digest_key, {})


def read_client_and_pool(
    tx: Tx, client_id: str, *, account: str, region: str, settings: Settings, seal: Sealer
) -> tuple[AppClient, PoolView] | None:
    """An app client of this account and region with its pool, straight from the store: for operations."""
    client = read_client(tx, client_id, seal, clock.token_bytes(32))
    row = None if client is None else queries.find_pool_owner(tx, client.pool_id)
    if client is None or row is None or (row.account, row.region) != (account, region):
        return None
    pool = _compile_pool_row(tx, row, settings, seal, None)
    return None if pool is None else (client, pool)


def _is_custom(document: Document) -> bool:
    """Whether a domain is a host name of its own, not a prefix of the service's."""
    return bool(document.get("CustomDomainConfig")) or "." in document.get("Domain", "")


def _names_of(pools: Iterable[PoolView]) -> dict[str, str]:
    return {name: pool.pool_id for pool in pools for name in (pool.arn, *pool.issuer_spellings)}


def _replace_domains(tx: Tx, view: View, domains: Iterable[str]) -> tuple[View, set[str]]:
    """The view with these domains read again, and the pools that lost or got one."""
    pool_by_domain, custom, moved = dict(view.pool_by_domain), set(view.custom_domains), set()
    for domain in domains:
        old, row = pool_by_domain.pop(domain, None), queries.find_domain(tx, domain)
        custom.discard(domain)
        if row is not None:
            pool_by_domain[domain] = row.pool_id
            if _is_custom(row.document):
                custom.add(domain)
        moved |= {pool_id for pool_id in (old, row and row.pool_id) if pool_id}
    return replace(view, pool_by_domain=MappingProxyType(pool_by_domain), custom_domains=frozenset(custom)), moved


def _replace_pools(tx: Tx, view: View, pool_ids: Iterable[str], context: CompileContext) -> View:
    pools = dict(view.pool_by_id)
    for pool_id in pool_ids:
        pool = _compile_pool(tx, pool_id, context, pools.pop(pool_id, None))
        if pool is not None:
            pools[pool_id] = pool
    return replace(view, pool_by_id=MappingProxyType(pools), pool_by_name=MappingProxyType(_names_of(pools.values())))


# One pool


def _compile_pool(tx: Tx, pool_id: str, context: CompileContext, before: PoolView | None) -> PoolView | None:
    row = queries.find_pool_owner(tx, pool_id)
    return None if row is None else _compile_pool_row(tx, row, context.settings, context.seal, before)


def _compile_pool_row(
    tx: Tx, row: queries.PoolRow, settings: Settings, seal: Sealer, before: PoolView | None
) -> PoolView | None:
    """None, with an event in the log, for a pool that cannot sign: it is closed rather than half there."""
    known = {} if before is None else {key.kid: key for key in (before.access_key, before.id_key)}
    signing: dict[str, SigningKey] = {}
    published: dict[str, VerifyKey] = {}
    for key in queries.list_keys(tx, row.pool_id):
        if key.retired_at is not None and key.retired_at + _LONGEST_LIFETIME_S < clock.now():
            continue  # its last token is dead
        private_key = load_private_key(seal.open(key.private_key, queries.key_context(row.pool_id, key.kid)))
        kept = None if before is None else before.keys.get(key.kid)
        published[key.kid] = kept or verify_key(key.kid, private_key.public_key())
        if key.retired_at is None:  # the newest of each use signs
            signing[key.use] = known.get(key.kid) or SigningKey(key.kid, private_key)
    if "access" not in signing or "id" not in signing:
        log.error("user_pool.closed", pool_id=row.pool_id, reason="it has no signing key")
        return None
    scopes = (
        f"{identifier}/{scope['ScopeName']}"
        for identifier, server in queries.list_resource_servers(tx, row.pool_id)
        for scope in server.get("Scopes") or ()
    )
    # Cognito's document names the key of ID tokens and that of access tokens; retired ones follow.
    first = (signing["id"].kid, signing["access"].kid)
    ordered = [published[kid] for kid in first] + [key for kid, key in published.items() if kid not in first]
    issuer, spellings = _issuers(row, settings)
    domains = sorted(queries.list_domains(tx, row.pool_id), key=lambda each: not _is_custom(each[1]))
    return PoolView(
        pool_id=row.pool_id,
        account=row.account,
        region=row.region,
        arn=names.user_pool_arn(row.region, row.account, row.pool_id),
        name=row.document.get("Name", ""),
        issuer=issuer,
        issuer_spellings=spellings,
        domains=tuple(domain for domain, _ in domains),
        scopes=frozenset(scopes),
        access_key=signing["access"],
        id_key=signing["id"],
        keys=MappingProxyType(published),
        jwks=render_jwks(ordered),
        triggers=MappingProxyType(_compile_triggers(row.document)),
        document=row.document,
    )


def _compile_triggers(document: Document) -> dict[str, Trigger]:
    """The functions of LambdaConfig by name; what stands there under two names counts as the one that has a version."""
    config = document.get("LambdaConfig") or {}
    plain = {name: Trigger(arn) for name, arn in config.items() if isinstance(arn, str) and name != "KMSKeyID"}
    versioned = {
        name.removesuffix("Config"): Trigger(value["LambdaArn"], value["LambdaVersion"])
        for name, value in config.items()
        if isinstance(value, dict)
    }
    return plain | versioned


def _issuers(row: queries.PoolRow, settings: Settings) -> tuple[str, tuple[str, ...]]:
    """A pool's issuer, and every URL that means the pool.

    Source: reference, "Hosts, paths, identifiers"; design, "Two issuer worlds".
    """
    original = names.amazon_issuer(row.region, row.pool_id)
    updated = names.updated_amazon_issuer(row.region, row.pool_id)
    spellings = [original, updated]
    own = settings.public_url or (f"http://localhost:{settings.port}" if settings.port else None)
    if own:
        spellings.append(f"{own.rstrip('/')}/{row.pool_id}")
    if settings.issuer_url:
        issuer = f"{settings.issuer_url.rstrip('/')}/{row.pool_id}"
    else:
        kind = (row.document.get("IssuerConfiguration") or {}).get("Type")
        issuer = updated if kind == "UPDATED" else original
    return issuer, tuple(dict.fromkeys((issuer, *spellings)))


# One app client


def _lifetime_s(document: Document, validity: str, unit: str) -> int:
    """Seconds that a token of this client lives; kept within Cognito's bound whatever the row says."""
    value = document.get(validity)
    if not value:
        return _DEFAULT_LIFETIME_S
    units = document.get("TokenValidityUnits") or {}
    return min(int(value) * _UNIT_S[units.get(unit) or "hours"], _LONGEST_LIFETIME_S)


def _compile_sign_in(document: Document) -> SignInSettings:
    rotation = document.get("RefreshTokenRotation") or {}
    units = document.get("TokenValidityUnits") or {}
    refresh = int(document.get("RefreshTokenValidity") or 0) * _UNIT_S[units.get("RefreshToken") or "days"]
    read, write = document.get("ReadAttributes"), document.get("WriteAttributes")
    return SignInSettings(
        callback_urls=tuple(document.get("CallbackURLs") or ()),
        logout_urls=tuple(document.get("LogoutURLs") or ()),
        default_redirect_uri=document.get("DefaultRedirectURI") or "",
        read_attributes=None if read is None else frozenset(read),
        write_attributes=None if write is None else frozenset(write),
        id_token_lifetime_s=_lifetime_s(document, "IdTokenValidity", "IdToken"),
        refresh_token_lifetime_s=refresh or _DEFAULT_REFRESH_S,
        session_lifetime_s=int(document.get("AuthSessionValidity") or _DEFAULT_SESSION_MINUTES) * 60,
        hides_users=document.get("PreventUserExistenceErrors") == "ENABLED",
        revocable=bool(document.get("EnableTokenRevocation", True)),
        rotation_grace_s=int(rotation.get("RetryGracePeriodSeconds") or 0)
        if rotation.get("Feature") == "ENABLED"
        else None,
    )


def _compile_client(
    row: queries.ClientRow,
    secrets: Iterable[queries.SecretRow],
    seal: Sealer,
    digest_key: bytes,
    shared: dict[object, object],
) -> AppClient:
    """shared: equal values of many clients are one object, which is half the memory of 100,000 of them."""
    document = row.document
    flows = document.get("AllowedOAuthFlows") or () if document.get("AllowedOAuthFlowsUserPoolClient") else ()
    scopes = tuple(document.get("AllowedOAuthScopes") or ())
    grant_types = frozenset(_GRANT_OF_FLOW[flow] for flow in flows)
    auth_flows = frozenset(document.get("ExplicitAuthFlows") or _DEFAULT_AUTH_FLOWS)
    rotation = document.get("RefreshTokenRotation") or {}
    custom_scopes = tuple(scope for scope in scopes if scope not in STANDARD_SCOPES)

    def one(value: T) -> T:
        return shared.setdefault(value, value)  # type: ignore[return-value]

    return AppClient(
        client_id=row.client_id,
        pool_id=one(row.pool_id),
        name=document.get("ClientName", ""),
        secrets=tuple(
            SecretDigest(
                digest_key,
                digest_secret(
                    digest_key, seal.open(secret.secret, queries.secret_context(row.client_id, secret.secret_id))
                ),
            )
            for secret in secrets
        ),
        grant_types=one(grant_types),
        auth_flows=one(auth_flows),
        allows_refresh="ALLOW_REFRESH_TOKEN_AUTH" in auth_flows or rotation.get("Feature") == "ENABLED",
        scopes=one(frozenset(scopes)),
        custom_scopes=one(custom_scopes),
        access_token_lifetime_s=_lifetime_s(document, "AccessTokenValidity", "AccessToken"),
        sign_in=one(_compile_sign_in(document)),
    )
