"""The SQL of users and groups: records, found by pool and name, never loaded whole.

A pool's id comes from a pool that was found, so nothing of one account or region is reached from another.
`user` rows of a deleted user go with all that hangs on them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.tables import user_aliases, user_attributes, user_group_members, user_groups, users
from scopegate.userpools.users.model import Membership, Secrets, User

SEARCHED: Final = ("email", "phone_number", "name", "given_name", "family_name", "preferred_username")
"""Attributes that ListUsers finds users by, beside the user's own columns (reference, "Users, groups, attributes")."""

_IN_DOCUMENT: Final = (
    "attributes",
    "password_set_at",
    "password_history",
    "mfa",
    "preferred_mfa",
    "totp_name",
    "totp_step",
    "pending",
)


def secrets_context(pool_id: str, sub: str) -> str:
    """What a user's sealed secrets are bound to."""
    return f"user/{pool_id}/{sub}"


# Users

_BY_NAME: Final = select(users).where(users.c.pool_id == bindparam("pool"), users.c.name_key == bindparam("name"))
_BY_SUB: Final = select(users).where(users.c.pool_id == bindparam("pool"), users.c.sub == bindparam("sub"))
_BY_ALIAS: Final = (
    select(users)
    .join(user_aliases, (user_aliases.c.pool_id == users.c.pool_id) & (user_aliases.c.name_key == users.c.name_key))
    .where(
        user_aliases.c.pool_id == bindparam("pool"),
        user_aliases.c.attribute.in_(("email", "phone_number", "preferred_username")),  # what the index begins with
        user_aliases.c.value == bindparam("value"),
    )
    .order_by(user_aliases.c.attribute)
)
_GROUPS_OF: Final = (
    select(user_groups.c.group_name, user_groups.c.document)
    .join(
        user_group_members,
        (user_group_members.c.pool_id == user_groups.c.pool_id)
        & (user_group_members.c.group_name == user_groups.c.group_name),
    )
    .where(user_group_members.c.pool_id == bindparam("pool"), user_group_members.c.name_key == bindparam("name"))
    .order_by(user_groups.c.group_name)
)
_UPDATE: Final = update(users).where(
    users.c.pool_id == bindparam("old_pool"), users.c.name_key == bindparam("old_name")
)


def find_user(tx: Tx, seal: Sealer, pool_id: str, name_key: str) -> User | None:
    return _user_of(tx.sql.execute(_BY_NAME, {"pool": pool_id, "name": name_key}).mappings().first(), seal)


def find_again(tx: Tx, seal: Sealer, user: User) -> User | None:
    """A user as the record stands now; None for one who is gone, also where another has the name since."""
    now = find_user(tx, seal, user.pool_id, user.name_key)
    return now if now is not None and now.sub == user.sub else None


def find_user_by_sub(tx: Tx, seal: Sealer, pool_id: str, sub: str) -> User | None:
    return _user_of(tx.sql.execute(_BY_SUB, {"pool": pool_id, "sub": sub}).mappings().first(), seal)


def find_user_by_alias(tx: Tx, seal: Sealer, pool_id: str, value: str) -> User | None:
    """The user whose e-mail address, phone number or preferred user name this is; value: as the pool compares it."""
    return _user_of(tx.sql.execute(_BY_ALIAS, {"pool": pool_id, "value": value}).mappings().first(), seal)


def add_user(tx: Tx, seal: Sealer, user: User, aliases: Mapping[str, str]) -> bool:
    """Insert one; False when the name or an alias is taken. aliases: attribute → value as the pool compares it."""
    try:
        with tx.sql.begin_nested():
            tx.sql.execute(insert(users), _row_of(user, seal))
    except IntegrityError:
        return False
    _put_search(tx, user)
    return put_aliases(tx, user, aliases)


def put_user(tx: Tx, seal: Sealer, user: User) -> None:
    """Write a user whole, as it was found and changed in this transaction; its aliases are not touched."""
    keys = {"old_pool": user.pool_id, "old_name": user.name_key}
    tx.sql.execute(_UPDATE, _row_of(user, seal) | keys)


def put_attributes(tx: Tx, seal: Sealer, user: User, aliases: Mapping[str, str]) -> bool:
    """Write a user whose attributes changed, with what finds it; False when an alias is another's."""
    put_user(tx, seal, user)
    tx.sql.execute(
        delete(user_attributes).where(
            user_attributes.c.pool_id == user.pool_id, user_attributes.c.name_key == user.name_key
        )
    )
    _put_search(tx, user)
    tx.sql.execute(
        delete(user_aliases).where(user_aliases.c.pool_id == user.pool_id, user_aliases.c.name_key == user.name_key)
    )
    return put_aliases(tx, user, aliases)


def put_aliases(tx: Tx, user: User, aliases: Mapping[str, str]) -> bool:
    """Insert what a user signs in with beside its name; False when one is another's, and then none of it stands."""
    rows = [
        {"pool_id": user.pool_id, "attribute": attribute, "value": value, "name_key": user.name_key}
        for attribute, value in aliases.items()
    ]
    if not rows:
        return True
    try:
        with tx.sql.begin_nested():
            tx.sql.execute(insert(user_aliases), rows)
    except IntegrityError:
        return False
    return True


def find_alias_owner(tx: Tx, pool_id: str, attribute: str, value: str) -> str | None:
    """The name key of the user who has this alias."""
    query = select(user_aliases.c.name_key).where(
        user_aliases.c.pool_id == pool_id, user_aliases.c.attribute == attribute, user_aliases.c.value == value
    )
    row = tx.sql.execute(query).first()
    return None if row is None else str(row[0])


def delete_user(tx: Tx, pool_id: str, name_key: str) -> bool:
    """The user and all that hangs on it."""
    done = tx.sql.execute(delete(users).where(users.c.pool_id == pool_id, users.c.name_key == name_key))
    return bool(done.rowcount)


def note_failure(tx: Tx, pool_id: str, name_key: str, *, failures: int, locked_until: float) -> None:
    """Remember wrong passwords in a row (0 forgets them)."""
    tx.sql.execute(
        update(users)
        .where(users.c.pool_id == pool_id, users.c.name_key == name_key)
        .values(failures=failures, locked_until=locked_until)
    )


def count_users(tx: Tx, pool_id: str) -> int:
    return int(tx.sql.execute(select(func.count()).where(users.c.pool_id == pool_id)).scalar_one())


def list_users(
    tx: Tx,
    seal: Sealer,
    pool_id: str,
    *,
    attribute: str | None = None,
    value: str = "",
    by_prefix: bool = False,
    after: str | None = None,
    size: int = 60,
) -> Sequence[tuple[str, User]]:
    """(key, user), from the first whose key comes after `after`: in the order of what is searched, then of names.

    attribute: None for all; `username`, `sub`, `cognito:user_status`, `status`, or one of SEARCHED.
    value: what it equals, or begins with; of `username` as the pool compares it, of `status` `Enabled` or `Disabled`.
    Every page is one range of one index, whichever it is and however many users there are.
    """
    if attribute == "status":
        words = [word for word in ("Enabled", "Disabled") if word == value or (by_prefix and word.startswith(value))]
        if not words:
            return []
        attribute = "status" if len(words) == 1 else None
        searched: Any = users.c.enabled
        wanted: Any = words == ["Enabled"]
        by_prefix = False
    elif attribute is None or attribute in _COLUMNS:
        searched, wanted = users.c[_COLUMNS.get(attribute or "username", "name_key")], value
    else:
        searched, wanted = user_attributes.c.value, value
    query = select(users, searched.label("searched")).limit(size)
    name = users.c.name_key
    if searched.table is user_attributes:
        name = user_attributes.c.name_key
        is_same = (users.c.pool_id == user_attributes.c.pool_id) & (users.c.name_key == name)
        query = query.join(user_attributes, is_same).where(
            user_attributes.c.pool_id == pool_id, user_attributes.c.attribute == attribute
        )
    else:
        query = query.where(users.c.pool_id == pool_id)
    # An exact search has one value; a search by prefix goes from value to value.
    from_value_to_value = by_prefix and attribute is not None and searched is not name
    query = query.order_by(searched, name) if from_value_to_value else query.order_by(name)
    least = wanted
    if after is not None and from_value_to_value:
        least, last = json.loads(after)
        query = query.where(tuple_(searched, name) > tuple_(least, last))
    elif after is not None:
        query = query.where(name > after)
    if attribute is not None and by_prefix:
        # A range, so that an index serves it and no character of the prefix is a wildcard; it begins where one is.
        query = query.where(searched >= least, searched < wanted + "\U0010ffff")
    elif attribute is not None:
        query = query.where(searched == wanted)
    found = []
    for row in tx.sql.execute(query).mappings():
        user = _user_of(row, seal)
        assert user is not None
        key = json.dumps([row["searched"], user.name_key]) if from_value_to_value else user.name_key
        found.append((key, user))
    return found


_COLUMNS: Final = {"username": "name_key", "sub": "sub", "cognito:user_status": "status"}


def _put_search(tx: Tx, user: User) -> None:
    rows = [
        {"pool_id": user.pool_id, "attribute": name, "value": user.attributes[name], "name_key": user.name_key}
        for name in SEARCHED
        if user.attributes.get(name)
    ]
    if rows:
        tx.sql.execute(insert(user_attributes), rows)


def _row_of(user: User, seal: Sealer) -> dict[str, Any]:
    sealed = None
    if user.secrets != Secrets():
        plain = asdict(user.secrets) | {"srp_verifier": user.secrets.srp_verifier.hex()}
        sealed = seal.seal(json.dumps(plain).encode(), secrets_context(user.pool_id, user.sub))
    return {
        "pool_id": user.pool_id,
        "name_key": user.name_key,
        "username": user.username,
        "sub": user.sub,
        "status": user.status,
        "enabled": user.enabled,
        "created_at": user.created_at,
        "modified_at": user.modified_at,
        "document": {name: _plain(getattr(user, name)) for name in _IN_DOCUMENT},
        "password": user.password,
        "secrets": sealed,
        "failures": user.failures,
        "locked_until": user.locked_until,
    }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value


def _user_of(row: Mapping[Any, Any] | None, seal: Sealer) -> User | None:
    if row is None:
        return None
    document = row["document"]
    secrets = Secrets()
    if row["secrets"] is not None:
        plain = json.loads(seal.open(row["secrets"], secrets_context(row["pool_id"], row["sub"])))
        secrets = Secrets(**plain | {"srp_verifier": bytes.fromhex(plain["srp_verifier"])})
    return User(
        pool_id=row["pool_id"],
        name_key=row["name_key"],
        username=row["username"],
        sub=row["sub"],
        status=row["status"],
        enabled=row["enabled"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        attributes=document["attributes"],
        password=row["password"],
        password_set_at=document["password_set_at"],
        password_history=tuple(document["password_history"]),
        secrets=secrets,
        mfa=tuple(document["mfa"]),
        preferred_mfa=document["preferred_mfa"],
        totp_name=document["totp_name"],
        totp_step=document["totp_step"],
        pending=document["pending"],
        failures=row["failures"],
        locked_until=row["locked_until"],
    )


# Groups


def find_group(tx: Tx, pool_id: str, group_name: str) -> Document | None:
    return documents.find(tx, user_groups, pool_id=pool_id, group_name=group_name)


def put_group(tx: Tx, pool_id: str, group_name: str, document: Document) -> None:
    documents.put(tx, user_groups, document, pool_id=pool_id, group_name=group_name)


def delete_group(tx: Tx, pool_id: str, group_name: str) -> bool:
    """The group; its members stay users."""
    members = user_group_members.c
    tx.sql.execute(delete(user_group_members).where(members.pool_id == pool_id, members.group_name == group_name))
    return documents.remove(tx, user_groups, pool_id=pool_id, group_name=group_name) > 0


def count_groups(tx: Tx, pool_id: str) -> int:
    return int(tx.sql.execute(select(func.count()).where(user_groups.c.pool_id == pool_id)).scalar_one())


def list_groups(
    tx: Tx, pool_id: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(group name, document) in the order of names."""
    return documents.page(tx, user_groups, "group_name", after=after, size=size, pool_id=pool_id)


def add_member(tx: Tx, pool_id: str, group_name: str, name_key: str) -> None:
    """Put a user into a group; one who is in it stays."""
    keys = {"pool_id": pool_id, "name_key": name_key, "group_name": group_name}
    with_keys = [user_group_members.c[name] == value for name, value in keys.items()]
    if tx.sql.execute(select(user_group_members.c.group_name).where(*with_keys)).first() is None:
        tx.sql.execute(insert(user_group_members), keys)


def remove_member(tx: Tx, pool_id: str, group_name: str, name_key: str) -> None:
    members = user_group_members.c
    tx.sql.execute(
        delete(user_group_members).where(
            members.pool_id == pool_id, members.name_key == name_key, members.group_name == group_name
        )
    )


def list_groups_of(
    tx: Tx, pool_id: str, name_key: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(group name, document) of the groups that a user is in, in the order of names."""
    query = _GROUPS_OF
    if after is not None:
        query = query.where(user_groups.c.group_name > after)
    if size is not None:
        query = query.limit(size)
    return [(row[0], row[1]) for row in tx.sql.execute(query, {"pool": pool_id, "name": name_key})]


def memberships_of(tx: Tx, pool_id: str, name_key: str) -> tuple[Membership, ...]:
    """The user's groups as tokens need them: strongest (lowest precedence) first, then by name."""
    found: Iterable[Membership] = (
        Membership(name, document.get("Precedence"), document.get("RoleArn"))
        for name, document in list_groups_of(tx, pool_id, name_key)
    )
    return tuple(sorted(found, key=lambda each: (each.precedence is None, each.precedence or 0, each.group_name)))


def list_members(
    tx: Tx, seal: Sealer, pool_id: str, group_name: str, *, after: str | None = None, size: int = 60
) -> Sequence[User]:
    """Users of a group in the order of their name keys."""
    members = user_group_members.c
    query = (
        select(users)
        .join(user_group_members, (members.pool_id == users.c.pool_id) & (members.name_key == users.c.name_key))
        .where(members.pool_id == pool_id, members.group_name == group_name)
        .order_by(users.c.name_key)
        .limit(size)
    )
    if after is not None:
        query = query.where(users.c.name_key > after)
    return [user for row in tx.sql.execute(query).mappings() if (user := _user_of(row, seal)) is not None]
