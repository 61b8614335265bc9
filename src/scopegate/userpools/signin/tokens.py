"""A user's tokens: made for a sign-in, renewed by a refresh token, taken back.

The one place where they are made, for pages, for the token endpoint and for the operations alike.
Source: reference, "Tokens", "Refresh rotation and revocation"; RFC 6749 section 6; RFC 9700 section 4.14; attack O5.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from scopegate.base import clock
from scopegate.ports import Invoke
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.claims import access_claims, groups_of, half_hash, id_claims
from scopegate.userpools.model import SKEW_S, AppClient, PoolView
from scopegate.userpools.scopes import keep_grantable
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.model import HOSTED, Family, digest_of, find_origin_jti, new_refresh_token, who_is
from scopegate.userpools.triggers import About, attributes_of, pre_token_generation
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users import refusals
from scopegate.userpools.users.model import FORCE_CHANGE_PASSWORD, RESET_REQUIRED, UNCONFIRMED, Membership, User

REFRESHED: Final = "RefreshTokens"
_MOST_ROTATED_OUT: Final = 16  # who rotates faster than this allows loses the oldest


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """What a sign-in or a renewal gives. id_token, refresh_token: empty when there is none to give."""

    access_token: bytes
    id_token: bytes
    refresh_token: str
    expires_in_s: int
    scopes: tuple[str, ...]


class RefreshRefused(Exception):
    """kind: `unknown` (no token of this client), `revoked`, `expired`, `reused` (and its family is revoked now),
    `disabled`, `deleted`, `reset` (its user has to choose a password)."""

    def __init__(self, kind: str, log: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.log = log


def new_family(
    pool: PoolView,
    client: AppClient,
    user: User,
    *,
    now: float,
    scopes: Sequence[str],
    via: str,
    event_id: str = "",
    **more: Any,
) -> Family:
    """A sign-in that has just succeeded. via: the trigger source of its pre-token function. more: of Family."""
    return Family(
        origin_jti=clock.uuid4(),
        pool_id=pool.pool_id,
        name_key=user.name_key,
        client_id=client.client_id,
        created_at=now,
        expires_at=now + client.sign_in.refresh_token_lifetime_s,
        scopes=tuple(scopes),
        auth_time=int(now),
        event_id=event_id or clock.uuid4(),
        via=via,
        **more,
    )


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A sign-in that was written down: its refresh token, and its user's groups at that moment."""

    refresh_token: str
    memberships: tuple[Membership, ...]


def open_family(tx: Tx, seal: Sealer, family: Family) -> Opened:
    refresh_token = new_refresh_token(seal, family.origin_jti)
    queries.add_family(tx, replace(family, token=digest_of(refresh_token)))
    return Opened(refresh_token, user_queries.memberships_of(tx, family.pool_id, family.name_key))


def open_sign_in(tx: Tx, seal: Sealer, family: Family, user: User) -> Opened:
    """`open_family` at the end of a sign-in. Raises as `check_still_there`."""
    check_still_there(tx, seal, user)
    return open_family(tx, seal, family)


def check_still_there(tx: Tx, seal: Sealer, user: User) -> None:
    """Whether who signs in is still who they were when the password was looked at: functions take their time, and
    meanwhile the name may have become another's. Called where a sign-in is written down.

    Raises NotAuthorizedException.
    """
    now = user_queries.find_user(tx, seal, user.pool_id, user.name_key)
    if now is None or who_is(now) != who_is(user):
        raise refusals.wrong_password(log="the user is deleted, or has another password since")
    if not now.enabled:
        raise refusals.disabled()


async def sign_tokens(
    pool: PoolView,
    client: AppClient,
    user: User,
    memberships: Sequence[Membership],
    family: Family,
    invoke: Invoke,
    *,
    refresh_token: str = "",
    source: str = "",
    client_metadata: Mapping[str, str] | None = None,
) -> Issued:
    """The tokens of a sign-in, now. source: of the pre-token trigger, the family's own by default.

    Raises what a pre-token function's failure is answered with: AwsError.
    """
    groups = groups_of(memberships)
    about = About(user.username, client.client_id, attributes_of(user), client_metadata)
    changes = await pre_token_generation(pool, invoke, source or family.via, about, groups, family.scopes)
    groups = changes.groups or groups
    family = replace(family, scopes=changes.apply_to_scopes(family.scopes))
    issued_at = int(clock.now())
    access = changes.access_token.apply(
        access_claims(pool, client, user, groups, family, issued_at) | {"jti": clock.uuid4()}, client.client_id
    )
    access_token = pool.access_key.sign(access)
    await asyncio.sleep(0)  # two signatures in one turn would let the tokens of machines wait
    id_token = b""
    if family.via != HOSTED or "openid" in family.scopes:
        first = {"at_hash": half_hash(access_token)} if family.via == HOSTED else {}
        identity = id_claims(pool, client, user, groups, family, issued_at) | {"jti": clock.uuid4()}
        id_token = pool.id_key.sign(changes.id_token.apply(first | identity))
    return Issued(access_token, id_token, refresh_token, client.access_token_lifetime_s, family.scopes)


@dataclass(frozen=True, slots=True)
class _Found:
    family: Family
    user: User
    groups: tuple[Membership, ...]


async def renew(
    store: Store,
    seal: Sealer,
    pool: PoolView,
    client: AppClient,
    refresh_token: str,
    invoke: Invoke,
    *,
    source: str = REFRESHED,
    client_metadata: Mapping[str, str] | None = None,
) -> Issued:
    """New tokens for a refresh token.

    source: of the pre-token trigger.
    1. it is one of ours, of this client, and its sign-in stands; 2. its user may still sign in; 3. the client may still
    have some of its scopes; 4. it was not used before; 5. the tokens, in which the nonce is no more (OpenID Connect
    Core section 12.2); 6. under rotation another takes its place, once a pre-token function had nothing against it.
    Raises RefreshRefused; AwsError of a pre-token function.
    """
    now = clock.now()
    origin_jti = find_origin_jti(seal, refresh_token)
    if origin_jti is None:
        raise RefreshRefused("unknown")
    # 1, 2
    found = await store.read(lambda tx: _find(tx, seal, origin_jti, pool, client))
    family = found.family
    if family.revoked:
        raise RefreshRefused("revoked")
    if family.expires_at <= now:
        raise RefreshRefused("expired")
    # 3
    scopes = _scopes_now(family, client, pool)
    if not scopes:
        raise RefreshRefused("revoked", "the client may have none of the scopes any more")
    digest = digest_of(refresh_token)
    grace_s = client.sign_in.rotation_grace_s
    # 4
    is_newest = digest == family.token
    earlier = _rotated_out(family, grace_s, now)
    if not is_newest and digest.hex() not in earlier:
        await store.write(lambda tx: queries.revoke_family(tx, family, now))
        raise RefreshRefused("reused")
    if not found.user.enabled:
        raise RefreshRefused("disabled")
    # 5
    issued = await sign_tokens(
        pool,
        client,
        found.user,
        found.groups,
        replace(family, scopes=scopes, nonce=""),
        invoke,
        source=source,
        client_metadata=client_metadata,
    )
    # 6
    if not is_newest:
        successor = seal.open(base64.b64decode(family.successor), _successor_context(family)).decode()
        return replace(issued, refresh_token=successor)
    if grace_s is None:
        return issued
    successor, sealed = _make_successor(seal, family)
    kept = replace(family, earlier=earlier)
    written = await store.write(lambda tx: queries.rotate_family(tx, kept, digest_of(successor), sealed, now))
    if not written.result:  # another was first: now this one is a token before the newest
        return await renew(
            store, seal, pool, client, refresh_token, invoke, source=source, client_metadata=client_metadata
        )
    return replace(issued, refresh_token=successor)


def _find(tx: Tx, seal: Sealer, origin_jti: str, pool: PoolView, client: AppClient) -> _Found:
    family = queries.find_family(tx, origin_jti)
    if family is None or (family.pool_id, family.client_id) != (pool.pool_id, client.client_id):
        raise RefreshRefused("unknown")
    user = user_queries.find_user(tx, seal, pool.pool_id, family.name_key)
    if user is None:
        raise RefreshRefused("deleted")
    if user.status == RESET_REQUIRED:
        raise RefreshRefused("reset")
    if user.status in (UNCONFIRMED, FORCE_CHANGE_PASSWORD):
        raise RefreshRefused("disabled")
    return _Found(family, user, user_queries.memberships_of(tx, pool.pool_id, user.name_key))


def _scopes_now(family: Family, client: AppClient, pool: PoolView) -> tuple[str, ...]:
    """What a sign-in gives now: at the OAuth host no more than the client may have, and nothing without the flow."""
    if family.via != HOSTED:
        return family.scopes
    if "authorization_code" not in client.grant_types:
        return ()
    return keep_grantable(family.scopes, client, pool.scopes)


def _rotated_out(family: Family, grace_s: int | None, now: float) -> dict[str, float]:
    """The tokens before the newest that may still be used, as `Family.earlier` has them: none without a grace period,
    however fast one comes."""
    if not grace_s or family.previous is None or family.rotated_at is None:
        return {}
    latest = {**family.earlier, family.previous.hex(): family.rotated_at}
    return {digest: at for digest, at in list(latest.items())[-_MOST_ROTATED_OUT:] if now <= at + grace_s}


def _make_successor(seal: Sealer, family: Family) -> tuple[str, str]:
    """The token that takes another's place, and the same sealed."""
    new = new_refresh_token(seal, family.origin_jti)
    return new, base64.b64encode(seal.seal(new.encode(), _successor_context(family))).decode("ascii")


def _successor_context(family: Family) -> str:
    return f"refresh_token/{family.origin_jti}"


# Taking back


def revoke_sign_in(tx: Tx, origin_jti: str, pool_id: str, client_id: str, now: float) -> None:
    """One sign-in of this client; nothing for another's."""
    family = queries.find_family(tx, origin_jti)
    if family is not None and (family.pool_id, family.client_id) == (pool_id, client_id) and not family.revoked:
        queries.revoke_family(tx, family, now)


def sign_out_everywhere(tx: Tx, user: User, now: float) -> None:
    """Every sign-in of a user: refresh tokens, authorization codes, browsers, and what was handed out till now.

    However many they are: the latest are taken back each by its name, all before them together.
    """
    second = int(now)
    for family in queries.families_of_user(tx, user.pool_id, user.name_key, since=second - SKEW_S):
        queries.revoke_family(tx, family, now)
    queries.end_families_of(tx, user.pool_id, user.name_key)
    queries.end_codes_of(tx, user.pool_id, user.name_key)
    queries.delete_login_sessions_of(tx, user.pool_id, user.name_key)
    before = queries.find_revocation(tx, f"{user.pool_id}/{user.sub}") or 0.0  # a clock may have been put back since
    queries.add_revocation(tx, user.pool_id, user.sub, now, until=max(before, second))


def shut_out(tx: Tx, user: User, now: float) -> None:
    """A user who is disabled, or is about to be deleted: nothing of theirs counts, whenever it was issued."""
    sign_out_everywhere(tx, user, now)
    queries.add_revocation(tx, user.pool_id, user.sub, now)


def let_in(tx: Tx, user: User, now: float) -> None:
    """A user who is enabled again: new tokens count; those that were taken back stay so."""
    # No longer for ever, but what was issued till now.
    queries.add_revocation(tx, user.pool_id, user.sub, now, until=int(now))
