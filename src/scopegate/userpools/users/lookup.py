"""A name that somebody gave → the user who has it: by user name, by alias, or by `sub` where operators ask."""

from collections.abc import Mapping
from typing import Any

from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.users import queries
from scopegate.userpools.users.model import User, name_key_of


def find_by_name(tx: Tx, seal: Sealer, pool: Mapping[str, Any], name: str) -> User | None:
    """Whom this name means at sign-in: the user name, else an alias of the pool. pool: UserPoolType.

    A user name always wins over an alias, so nobody takes another's name by an attribute. In a pool whose users sign in
    with an address, the user name is the `sub`, which finds its user too.
    """
    name_key = name_key_of(name, pool)
    user = queries.find_user(tx, seal, pool["Id"], name_key)
    if user is None and (pool.get("UsernameAttributes") or pool.get("AliasAttributes")):
        user = queries.find_user_by_alias(tx, seal, pool["Id"], name_key)
    return user


def find_for_operator(tx: Tx, seal: Sealer, pool: Mapping[str, Any], name: str) -> User | None:
    """Whom an operator means: as at sign-in, or by `sub` (botocore's model, the Admin operations' Username).

    A `sub` wins over an alias, so nobody stands for another by a preferred user name; no new user is named so.
    """
    user = queries.find_user(tx, seal, pool["Id"], name_key_of(name, pool))
    return user or queries.find_user_by_sub(tx, seal, pool["Id"], name) or find_by_name(tx, seal, pool, name)
