"""An AWS call, once its service, operation and caller are known: the table of operations, and their dispatch.

`table()` is keyed (service, operation). A family registers its operations by package: every public function of
`<family>/operations/<service>/` whose name is an operation of the model in snake_case *is* that operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from scopegate.base.settings import Settings
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer

Shape = dict[str, Any]
"""A structure of the service model, members by their wire names; blobs are bytes, timestamps epoch seconds (float)."""

PortsT = TypeVar("PortsT")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the call.

    arn: `arn:aws:iam::ACC:root`, `…:user/NAME` or `arn:aws:sts::ACC:assumed-role/ROLE/SESSION`.
    role: the role's name for an assumed role (a function's session), else None.
    """

    account: str
    arn: str
    user_id: str
    access_key_id: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class CallContext(Generic[PortsT]):
    """All that an operation may touch.

    A plain `def` operation gets an open `tx`, may run twice, and does nothing but SQL and arithmetic.
    An `async def` operation has no `tx` (reading it raises): it waits first, then calls `await call.write(fn)` once.
    now: epoch seconds with fraction. ports: what other families have.
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
    open_tx: Tx | None = None

    @property
    def tx(self) -> Tx:
        if self.open_tx is None:
            raise RuntimeError("an async operation opens its own transaction: await call.write(...)")
        return self.open_tx

    async def write(self, transaction: Callable[[Tx], T]) -> T:
        """The one transaction of an async operation; its changes are compiled before the operation is answered."""
        return (await self.store.write(transaction)).result


Operation = Callable[[CallContext[Any], Shape], Any]
Table = Mapping[tuple[str, str], Operation]
