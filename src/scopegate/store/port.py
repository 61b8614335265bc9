"""What every store offers: transactions as functions, and a feed of what changed.

A transaction is a plain function of `Tx`; it may run twice (serialization retries), so it touches nothing else.
A write is durable when `write` returns. Writes that touch a definition call `tx.changed(kind, key)`; the change numbers
of one store grow strictly and become visible in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One definition that was made, changed or deleted: `kind` (`user_pool`, `api`, `function`, …) and its key."""

    number: int
    kind: str
    key: str


class Tx(Protocol):
    """One open transaction. `sql` is SQLAlchemy's connection; only `queries` modules use it."""

    @property
    def sql(self) -> Connection: ...

    def changed(self, kind: str, key: str) -> None:
        """Say that a definition changed: compiled views that hold it are rebuilt before the write is answered."""
        ...


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """The result of a write, and the number of its last change (None when no definition changed)."""

    result: T
    change: int | None


class Store(Protocol):
    """A database. Raises StoreUnavailable when it cannot be reached; nothing is half-written then.

    Where the database went away during the commit itself, the whole write may be there.
    """

    async def read(self, transaction: Callable[[Tx], T]) -> T: ...

    async def write(self, transaction: Callable[[Tx], T]) -> Written[T]: ...

    async def changes(self, since: int) -> Sequence[Change]:
        """Changes after number `since`, in order: of each definition the newest at least (a start drops older ones)."""
        ...

    async def last_change(self) -> int: ...

    async def wait_for_change(self, since: int, timeout_s: float) -> bool:
        """Wait until a change after `since` may exist (notification or poll); False when the time ran out.

        Raises StoreUnavailable when nobody could look meanwhile: False is never a guess.
        """
        ...

    async def close(self) -> None: ...


class StoreUnavailable(Exception):
    """The database did not answer; the caller gets a 5xx, known state goes on serving."""
