"""What an operation speaks of: the user pool, and what hangs on it. Never another account's, never another region's."""

from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals


def get_pool(call: Call, pool_id: str, tx: Tx | None = None) -> Document:
    """A user pool of the caller's account and region.

    tx: the transaction that an `async def` operation opened; None is the call's own.
    Raises ResourceNotFoundException.
    """
    pool = queries.find_pool(call.tx if tx is None else tx, call.account, call.region, pool_id)
    if pool is None:
        raise refusals.unknown_pool(pool_id)
    return pool


def get_client(call: Call, pool_id: str, client_id: str) -> Document:
    """An app client of a pool that was found. Raises ResourceNotFoundException."""
    client = queries.find_client(call.tx, pool_id, client_id)
    if client is None:
        raise refusals.unknown_client(client_id)
    return client


def moment(call: Call) -> float:
    """Now, as Cognito writes dates: epoch seconds to the millisecond."""
    return round(call.now, 3)
