"""What the stores share: threads that keep a connection each, transactions as functions, retries, the change feed.

Access is synchronous SQLAlchemy in the store's own few threads: three selects cost about 340 µs this way, 1,200 µs
through an asynchronous driver. What differs between databases is a `Database`: `sqlite.py` and `postgres.py`.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeVar

import orjson
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import DBAPIError

from scopegate.base import clock
from scopegate.store.port import Change, StoreUnavailable, Tx, Written
from scopegate.store.tables import changes
from scopegate.store.watch import Watch

T = TypeVar("T")

# A race lost this often in a row is overload: the caller gets a clear error. Pauses double from 2 ms to 250 ms, so all
# of them together stay below 2 s. Measured with 24 writers of 3 processes on one row: 4 attempts are the most.
_ATTEMPTS: Final = 12
_ATTEMPTS_AT_A_CONNECTION: Final = 2
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.25


class Trouble(Enum):
    """What an error of the database means for the transaction that met it."""

    AGAIN = auto()  # it lost a race: nothing is written, running the function again may succeed
    LOST = auto()  # the connection is of no more use
    UNAVAILABLE = auto()  # the connection is good, the database does not serve it now
    FAULT = auto()  # the statement is wrong: the error goes to the caller


class Database(Protocol):
    """One kind of database: how to reach it, what its errors mean, how its change numbers are kept in order."""

    name: str  # as messages call it, without secrets
    driver_error: type[Exception]  # what connecting and beginning may raise beside SQLAlchemy's errors
    reader: Engine  # its connections refuse writes
    writer: Engine
    reader_threads: int
    writer_threads: int

    def is_current(self, connection: Connection) -> bool:
        """False when the connection leads to something that is no longer the database (a file since removed)."""
        ...

    def judge(self, error: BaseException, *, writing: bool, attempt: int) -> Trouble: ...

    def begin_write(self, connection: Connection, attempt: int) -> None:
        """The first statement of each write: who has lost often may ask to be alone."""
        ...

    def before_numbers(self, connection: Connection) -> None:
        """Called before a transaction draws change numbers: from here to its commit no other may draw one."""
        ...

    def after_numbers(self, connection: Connection) -> None: ...

    def look(self) -> int:
        """For `Watch`: the number of the last change, after a moment's waiting at most."""
        ...

    def forget(self) -> None: ...


def dump_json(value: Any) -> str:
    """JSON for a column. What JSON does not have (dates, dataclasses) is an error here, not a surprise when read."""
    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS).decode()


load_json: Final = orjson.loads


class _Transaction:
    """The `Tx` of both stores: change records wait for the end, so that the order of numbers is held briefly."""

    __slots__ = ("changed_definitions", "sql")

    def __init__(self, sql: Connection) -> None:
        self.sql = sql
        self.changed_definitions: dict[tuple[str, str], None] = {}

    def changed(self, kind: str, key: str) -> None:
        self.changed_definitions[kind, key] = None


class _Threads:
    """A few threads with a connection each."""

    def __init__(self, engine: Engine, count: int, name: str, is_current: Callable[[Connection], bool]) -> None:
        self.pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._engine = engine
        self._is_current = is_current
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: set[Connection] = set()

    def connection(self) -> Connection:
        """This thread's connection. Raises what connecting raises."""
        held: Connection | None = getattr(self._own, "connection", None)
        if held is not None:
            if self._is_current(held):
                return held
            self.drop()
        made = self._engine.connect()
        self._own.connection = made
        with self._lock:
            self._all.add(made)
        return made

    def drop(self) -> None:
        """Close this thread's connection, whatever its state."""
        held: Connection | None = getattr(self._own, "connection", None)
        if held is not None:
            self._own.connection = None
            with self._lock:
                self._all.discard(held)
            _discard(held)

    def close(self) -> None:
        self.pool.shutdown(wait=True)
        for held in self._all:
            _discard(held)
        self._all.clear()
        self._engine.dispose()


def _discard(connection: Connection) -> None:
    try:
        connection.invalidate()
    finally:
        connection.close()


class SqlStore:
    """A `Store` on one `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closing = threading.Event()
        self._readers = _Threads(database.reader, database.reader_threads, "store-read", database.is_current)
        self._writers = _Threads(database.writer, database.writer_threads, "store-write", database.is_current)
        self._watch = Watch(database.look, database.forget)

    def __repr__(self) -> str:
        return f"<store {self._database.name}>"

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        """Run a transaction that sees one state of the database and cannot write."""
        return await self._in(self._readers, lambda: self._transact(self._readers, transaction, writing=False).result)

    async def write(self, transaction: Callable[[Tx], T]) -> Written[T]:
        """Run a transaction; it is durable when this returns. Raises StoreUnavailable, and what `transaction` raises.

        After StoreUnavailable nothing is half-written; when the database went away during the commit itself, the whole
        may be there.
        """
        return await self._in(self._writers, lambda: self._transact(self._writers, transaction, writing=True))

    async def changes(self, since: int) -> Sequence[Change]:
        query = (
            select(changes.c.number, changes.c.kind, changes.c.key)
            .where(changes.c.number > since)
            .order_by(changes.c.number)
        )
        return await self.read(lambda tx: [Change(row[0], row[1], row[2]) for row in tx.sql.execute(query)])

    async def last_change(self) -> int:
        return await self.read(lambda tx: last_number(tx.sql))

    async def wait_for_change(self, since: int, timeout_s: float) -> bool:
        return await self._watch.wait(since, timeout_s)

    async def close(self) -> None:
        if not self._closing.is_set():
            self._closing.set()
            await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._watch.close()
        self._readers.close()
        self._writers.close()

    async def _in(self, threads: _Threads, work: Callable[[], T]) -> T:
        if self._closing.is_set():
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(threads.pool, work)

    def _transact(self, threads: _Threads, transaction: Callable[[Tx], T], *, writing: bool) -> Written[T]:
        attempt = 1
        while True:
            try:
                return self._once(threads, transaction, attempt if writing else None)
            except _Failed as failed:
                trouble = self._database.judge(failed.error, writing=writing, attempt=attempt)
                if trouble is Trouble.LOST:
                    threads.drop()
                    if failed.before_commit and failed.connected and attempt <= _ATTEMPTS_AT_A_CONNECTION:
                        trouble = Trouble.AGAIN  # it was lost while idle, most likely
                if trouble is Trouble.FAULT:
                    raise failed.error from None
                if trouble is not Trouble.AGAIN or attempt == _ATTEMPTS or self._closing.is_set():
                    raise StoreUnavailable(f"{self._database.name}: {brief(failed.error)}") from failed.error
            self._closing.wait(_pause_s(attempt))
            attempt += 1

    def _once(self, threads: _Threads, transaction: Callable[[Tx], T], write_attempt: int | None) -> Written[T]:
        """One attempt. Raises _Failed for errors of the database; anything else is the transaction's own."""
        connected, before_commit = False, True
        try:
            connection = threads.connection()
            connected = True
            begun = connection.begin()
            try:
                if write_attempt is not None:
                    self._database.begin_write(connection, write_attempt)
                tx = _Transaction(connection)
                result = transaction(tx)
                number = self._number(tx)
                before_commit = False
                begun.commit()
            except BaseException:
                _roll_back(connection, threads)
                raise
        except (DBAPIError, self._database.driver_error) as error:
            raise _Failed(error, connected=connected, before_commit=before_commit) from error
        if number is not None:
            self._watch.saw(number)
        return Written(result, number)

    def _number(self, tx: _Transaction) -> int | None:
        if not tx.changed_definitions:
            return None
        self._database.before_numbers(tx.sql)
        number = 0
        for kind, key in tx.changed_definitions:
            made = tx.sql.execute(insert(changes).values(kind=kind, key=key)).inserted_primary_key
            number = int(made[0]) if made is not None else number
        self._database.after_numbers(tx.sql)
        return number


class _Failed(Exception):
    """An attempt met an error of the database."""

    def __init__(self, error: Exception, *, connected: bool, before_commit: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.connected = connected
        self.before_commit = before_commit


def last_number(connection: Connection) -> int:
    """The number of the last change; 0 when there is none."""
    return connection.execute(select(func.max(changes.c.number))).scalar() or 0


def _roll_back(connection: Connection, threads: _Threads) -> None:
    try:
        connection.rollback()
    except Exception:
        threads.drop()


def _pause_s(attempt: int) -> float:
    """Doubling, and scattered, so that those who met once do not meet again."""
    longest: float = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
    return longest * (0.5 + clock.token_bytes(1)[0] / 512)


def brief(error: BaseException) -> str:
    """The driver's sentence without SQLAlchemy's statement and parameters, which may hold secrets."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().split("\n", 1)[0] or type(cause).__name__
