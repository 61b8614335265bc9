"""Operators' access keys: made, listed and revoked by `scopegate keys`, the one command that opens the store itself.

Every such key may do everything in its account; production mode starts only when there is one.
"""

from collections.abc import Sequence

from scopegate.account import queries
from scopegate.account.model import KeyRow, NewKey, key_context, new_access_key_id, new_secret
from scopegate.base.errors import SetupError
from scopegate.base.settings import DEFAULT_ACCOUNT
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer


def create_key(tx: Tx, seal: Sealer, *, user_name: str = "admin", now: float, account: str = DEFAULT_ACCOUNT) -> NewKey:
    """A new key; its secret is never shown again. Raises SetupError for the name of an IAM user."""
    if queries.find_entity(tx, account, "user", user_name) is not None:
        raise SetupError(f"{user_name} is an IAM user, whose keys may do what its policies allow; choose another name")
    key = NewKey(new_access_key_id(), new_secret())
    sealed = seal.seal(key.secret, key_context(key.access_key_id))
    queries.insert_key(tx, KeyRow(key.access_key_id, account, user_name, "Active", now), sealed)
    return key


def list_keys(tx: Tx) -> Sequence[KeyRow]:
    return [row for row in queries.list_keys(tx) if row.user_id is None]


def revoke_key(tx: Tx, access_key_id: str) -> bool:
    """Forget a key; every process refuses it as soon as it has heard. False when there is none."""
    return queries.delete_key(tx, access_key_id)


def any_key(tx: Tx) -> bool:
    """Whether some key would be accepted."""
    return any(row.status == "Active" for row in list_keys(tx))


async def require_key(store: Store) -> None:
    """Production mode refuses to start without a key. Raises SetupError."""
    if not await store.read(any_key):
        raise SetupError(
            "Production mode needs an admin key before it starts: make one with `scopegate keys create` "
            "(with the same --database and --data-dir), or run `scopegate serve --dev` on a laptop"
        )
