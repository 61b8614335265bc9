"""Making a user, and giving one a password: what sign-up, operators, migration and resets share.

Source: reference, "Users, groups, attributes", "Members of CreateUserPool" (PasswordPolicy).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.ports import Passwords
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.signin import srp
from scopegate.userpools.triggers import MigratedUser
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.attributes import aliases_of, attribute_of_name, check_attributes, in_order
from scopegate.userpools.users.model import CONFIRMED, SMS_MFA, Secrets, User, name_key_of


@dataclass(frozen=True, slots=True, repr=False)
class Hashed:
    """What is kept of a password. srp_verifier: big-endian."""

    phc: str
    srp_salt: str
    srp_verifier: bytes


async def hash_password(passwords: Passwords, pool_id: str, username: str, password: str) -> Hashed:
    """Both forms, worked in the threads for passwords. username: the user's own, whatever it signs in with."""
    phc = await passwords.hash(password)
    pool_name = pool_id.partition("_")[2]
    verifier = await passwords.run(lambda: srp.make_verifier(pool_name, username, password))
    return Hashed(phc, verifier.salt, verifier.v.to_bytes((verifier.v.bit_length() + 7) // 8, "big"))


def with_password(user: User, hashed: Hashed, now: float, *, remembered: int = 0) -> User:
    """The user with another password. remembered: of how many earlier ones the hashes are kept."""
    history = ((user.password, *user.password_history) if user.password else user.password_history)[:remembered]
    secrets = replace(user.secrets, srp_salt=hashed.srp_salt, srp_verifier=hashed.srp_verifier)
    return replace(
        user,
        password=hashed.phc,
        password_set_at=now,
        password_history=history,
        secrets=secrets,
        modified_at=now,
        failures=0,
        locked_until=0.0,
    )


def choose_username(pool: Mapping[str, Any], given: str) -> tuple[str, str]:
    """(user name, sub) of somebody who signs up as `given`: in a pool of addresses the name is the sub."""
    sub = clock.uuid4()
    return (sub if attribute_of_name(pool, given) else given), sub


def new_user(
    pool: Mapping[str, Any], username: str, sub: str, attributes: Mapping[str, str], *, status: str, now: float
) -> User:
    """A user who is not in the store yet, without a password. pool: UserPoolType.

    attributes: checked, without `sub`.
    """
    return User(
        pool_id=pool["Id"],
        name_key=name_key_of(username, pool),
        username=username,
        sub=sub,
        status=status,
        enabled=True,
        created_at=now,
        modified_at=now,
        attributes=in_order(pool, {"sub": sub, **attributes}),
        secrets=Secrets(),
    )


def insert_user(
    tx: Tx, seal: Sealer, pool: Mapping[str, Any], user: User, exists: AwsError, *, force_alias: bool = False
) -> None:
    """Write a new user down. exists: what is said when the name is taken.

    force_alias: an alias that another has moves to this one. Raises `exists`, UsernameExistsException (an address that
    is a user name here), AliasExistsException.
    """
    taken = queries.find_user(tx, seal, user.pool_id, user.name_key)
    if taken is not None or queries.find_user_by_sub(tx, seal, user.pool_id, user.username.lower()) is not None:
        raise exists
    wanted = aliases_of(pool, user.attributes)
    for attribute, value in wanted.items():
        owner = queries.find_alias_owner(tx, user.pool_id, attribute, value)
        if owner is None:
            continue
        if attribute in (pool.get("UsernameAttributes") or ()):
            raise refusals.user_exists(f"An account with the given {attribute} already exists.")
        _take_alias(tx, seal, pool, owner, attribute, user.modified_at, force_alias=force_alias)
    if not queries.add_user(tx, seal, user, wanted):
        raise exists


async def adopt_user(
    store: Store,
    seal: Sealer,
    passwords: Passwords,
    pool: Mapping[str, Any],
    username: str,
    brought: MigratedUser,
    password: str | None,
) -> User:
    """Somebody of an older directory becomes a user, with the password that it knows them by, if it said so.

    pool: UserPoolType. Raises UsernameExistsException, AliasExistsException, InvalidParameterException.
    """
    attributes = {name: value for name, value in brought.attributes.items() if name != "username"}
    check_attributes(pool, attributes, by_admin=True)
    name, sub = choose_username(pool, username)
    now = clock.now()
    user = new_user(pool, name, sub, attributes, status=brought.status, now=now)
    if password is not None and brought.status == CONFIRMED:
        user = with_password(user, await hash_password(passwords, user.pool_id, name, password), now)
    if brought.sms_mfa:
        user = replace(user, mfa=(SMS_MFA,), preferred_mfa=SMS_MFA)
    exists = refusals.user_exists()
    await store.write(lambda tx: insert_user(tx, seal, pool, user, exists, force_alias=brought.force_alias))
    return user


def change_attributes(
    tx: Tx,
    seal: Sealer,
    pool: Mapping[str, Any],
    user: User,
    attributes: Mapping[str, str],
    now: float,
    *,
    force_alias: bool = False,
) -> User:
    """Write a user with these attributes, all of them; the user as it stands then. Raises AliasExistsException."""
    changed = replace(user, attributes=in_order(pool, attributes), modified_at=now)
    wanted = aliases_of(pool, changed.attributes)
    for attribute, value in wanted.items():
        owner = queries.find_alias_owner(tx, user.pool_id, attribute, value)
        if owner is None or owner == user.name_key:
            continue
        _take_alias(tx, seal, pool, owner, attribute, now, force_alias=force_alias)
    if not queries.put_attributes(tx, seal, changed, wanted):
        raise refusals.alias_taken(next(iter(wanted)))
    return changed


def is_alias_taken(tx: Tx, pool: Mapping[str, Any], user: User, attributes: Mapping[str, str]) -> bool:
    """Whether one of what the user would sign in with by these attributes is another's."""
    wanted = aliases_of(pool, attributes).items()
    owners = (queries.find_alias_owner(tx, user.pool_id, attribute, value) for attribute, value in wanted)
    return any(owner not in (None, user.name_key) for owner in owners)


def _take_alias(
    tx: Tx, seal: Sealer, pool: Mapping[str, Any], owner: str, attribute: str, now: float, *, force_alias: bool
) -> None:
    """An address that another has as an alias is free: the other, of this name key, has not proved it any more.

    Raises AliasExistsException: not forced, or not an address (the model's ForceAliasCreation).
    """
    loser = queries.find_user(tx, seal, pool["Id"], owner)
    if not force_alias or attribute == "preferred_username" or loser is None:
        raise refusals.alias_taken(attribute)
    change_attributes(tx, seal, pool, loser, {**loser.attributes, f"{attribute}_verified": "false"}, now)
