"""An AWS call, once its service, operation and caller are known: what an operation is given, and its dispatch.

How a request becomes such a call is in `control.py`; which function is which operation, in `registry.py`. This module
knows no service model: edges import it too.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from scopegate.base.settings import Settings
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer

Shape = dict[str, Any]
"""A structure of the service model, members by their wire names; blobs are bytes, timestamps epoch seconds (float)."""

Also = Callable[[Tx, Any], None]
"""What is done in the transaction of an operation, beside it, with what it returns."""

PortsT = TypeVar("PortsT")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoleSession:
    """What a caller is that has assumed a role.

    role_id: AROA…, of the role that was looked at; "" where none was. policies: of the session, documents and ARNs of
    managed policies: what they do not allow, the session may not. tags: of the session. issued_at: epoch seconds.
    service: which service took the role for itself (`lambda.amazonaws.com`): the role has to trust it whenever it is
    asked; "" where STS looked once. source_arn: what it took it for, a function.
    """

    role_arn: str
    name: str
    role_id: str = ""
    policies: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    issued_at: int = 0
    service: str = ""
    source_arn: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the call.

    arn: `arn:aws:iam::ACC:root`, `…:user/NAME` or `arn:aws:sts::ACC:assumed-role/ROLE/SESSION`.
    session: of an assumed role. user: the name of the IAM user whose policies decide. Neither: the account's root, or
    an operator's key, which may do everything in its account.
    """

    account: str
    arn: str
    user_id: str
    access_key_id: str
    session: RoleSession | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class CallContext(Generic[PortsT]):
    """All that an operation may touch.

    A plain `def` operation gets an open `tx`, may run twice, and does nothing but SQL and arithmetic.
    An `async def` operation has no `tx` (reading it raises): it waits first, then calls `await call.write(fn)` once.
    now: epoch seconds with fraction. ports: what other families have.
    published: waits until every edge of this node has compiled a change.
    also: is given the transaction of a write and what it returns, inside it: what a caller must not lose of it.
    peer: the address of the client, "" for a call from inside.
    """

    caller: Caller
    account: str
    region: str
    now: float
    request_id: str
    settings: Settings
    seal: Sealer
    ports: PortsT
    store: Store
    published: Callable[[int], Awaitable[None]]
    also: Also | None = None
    open_tx: Tx | None = None
    peer: str = ""

    @property
    def tx(self) -> Tx:
        if self.open_tx is None:
            raise RuntimeError("an async operation opens its own transaction: await call.write(...)")
        return self.open_tx

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        """What an async operation has to look up before it waits."""
        return await self.store.read(transaction)

    async def write(self, transaction: Callable[[Tx], T]) -> T:
        """The one transaction of an async operation; its changes are compiled before the operation is answered."""

        def whole(tx: Tx) -> T:
            result = transaction(tx)
            if self.also is not None:
                self.also(tx, result)
            return result

        written = await self.store.write(whole)
        if written.change is not None:
            await self.published(written.change)
        return written.result


Operation = Callable[[CallContext[Any], Shape], Any]
Table = Mapping[tuple[str, str], Operation]
"""The operations that exist, by (service, operation), both as AWS spells them."""

_READING: Final = ("get_", "list_", "describe_", "admin_get_", "admin_list_")


async def dispatch(operation: Operation, call: CallContext[Any], request: Shape) -> Shape:
    """Run one operation: an `async def` as it is, a `def` in one transaction, which only reads if the name says so.

    A write is answered when it is durable and compiled. Raises what the operation raises: AwsError for a refusal.
    """
    if inspect.iscoroutinefunction(operation):
        result = await operation(call, request)
    elif operation.__name__.startswith(_READING):
        result = await call.store.read(lambda tx: operation(replace(call, open_tx=tx), request))
    else:
        result = await call.write(lambda tx: operation(replace(call, open_tx=tx), request))
    return result if result is not None else {}
