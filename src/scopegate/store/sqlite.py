"""The SQLite store: one file, one writer at a time, any number of readers, several processes.

Write-ahead log with `synchronous=FULL`: a commit is on disk before it is acknowledged. The driver is left in autocommit
and every BEGIN is said here: `BEGIN IMMEDIATE` takes the write lock at once, so a transaction never fails half-way
because another writer came first. Source: sqlite.org/wal.html, sqlite.org/lang_transaction.html.
"""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from scopegate.base import clock
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sql import SqlStore, Trouble, dump_json, load_json

BUSY_TIMEOUT_S: Final = 10.0  # how long a writer waits for the writers of other processes
_TRY_EVERY_S: Final = 0.001
_LOOK_EVERY_S: Final = 0.04  # so that another process's change is seen within 100 ms
_READER_THREADS: Final = 4

_SETTINGS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)

# sqlite.org/rescode.html: what says that the file, the disk or its rights fail us, not the statement.
_LOST: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_UNAVAILABLE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _File:
    """A connection knows which file it opened: a removed or replaced one still answers, and forgets."""

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path.absolute())
        self.uri = f"file:{quote(self.path)}?mode=rw"  # opening never makes a file: migrations do

    def identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


class _SqliteConnection(sqlite3.Connection):
    file_identity: tuple[int, int] | None = None


def connect(file: _File, *, writing: bool) -> _SqliteConnection:
    """A connection in autocommit with every setting of this store."""
    connection = sqlite3.connect(
        file.uri,
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=_SqliteConnection,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
        # A writer waits by itself, see _begin_in_turn; once it has the lock it needs not wait.
        connection.execute("PRAGMA busy_timeout=0" if writing else "PRAGMA query_only=ON")
        connection.file_identity = file.identity()
    except BaseException:
        connection.close()
        raise
    return connection


def make_engine(file: _File, *, begin: str, writing: bool) -> Engine:
    """SQLAlchemy on such connections, which begins transactions with `begin`."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect(file, writing=writing),
        poolclass=NullPool,
        json_serializer=dump_json,
        json_deserializer=load_json,
        hide_parameters=True,  # errors are logged; what was written may be secret
    )

    @event.listens_for(engine, "begin")
    def say_begin(connection: Connection) -> None:
        if writing:
            _begin_in_turn(_driver(connection), begin)
        else:
            _driver(connection).execute(begin)

    return engine


def _begin_in_turn(connection: Any, begin: str) -> None:
    """Take the write lock, asking every millisecond.

    SQLite's own waiting asks ever more seldom, up to every 100 ms: beside a busy process, another one waited 750 ms.
    """
    deadline = clock.monotonic() + BUSY_TIMEOUT_S
    pause = threading.Event()
    while True:
        try:
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock.monotonic() > deadline:
                raise
            pause.wait(_TRY_EVERY_S)
        else:
            return


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


class _Sqlite:
    """SQLite, as `SqlStore` asks for it."""

    driver_error: type[Exception] = sqlite3.Error
    reader_threads = _READER_THREADS
    writer_threads = 1

    def __init__(self, path: Path) -> None:
        self._file = _File(path)
        self.name = f"sqlite {self._file.path}"
        self.reader = make_engine(self._file, begin="BEGIN", writing=False)
        self.writer = make_engine(self._file, begin="BEGIN IMMEDIATE", writing=True)
        self._watcher: _SqliteConnection | None = None
        self._version = -1
        self._number = 0
        self._pause = threading.Event()

    def is_current(self, connection: Connection) -> bool:
        return bool(_driver(connection).file_identity == self._file.identity())

    def judge(self, error: BaseException, *, writing: bool, attempt: int) -> Trouble:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            return Trouble.FAULT
        primary = code & 0xFF  # extended codes carry the primary one in their low byte
        if primary in _UNAVAILABLE:
            return Trouble.UNAVAILABLE
        if primary == sqlite3.SQLITE_READONLY and not writing:
            return Trouble.FAULT  # `query_only`: a read that writes is a mistake in the code
        return Trouble.LOST if primary in _LOST else Trouble.FAULT

    def begin_write(self, connection: Connection, attempt: int) -> None:
        """Nothing to do: BEGIN IMMEDIATE is alone."""

    def before_numbers(self, connection: Connection) -> None:
        """Nothing to do: the write lock is held since BEGIN IMMEDIATE."""

    def after_numbers(self, connection: Connection) -> None:
        """Nothing to do: other processes look at the file."""

    def look(self) -> int:
        """`PRAGMA data_version` moves when any other connection, of this process too, has committed; it costs 5 µs."""
        try:
            if self._watcher is None:
                self._watcher = connect(self._file, writing=False)
                self._version = -1
            else:
                self._pause.wait(_LOOK_EVERY_S)
            if self._watcher.file_identity != self._file.identity():
                raise StoreUnavailable(f"{self.name}: the file is gone")
            (version,) = self._watcher.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                (self._number,) = self._watcher.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()
                self._version = version
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.name}: {error}") from error
        return self._number

    def forget(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


def open_sqlite(path: Path) -> Store:
    """The store in an existing, migrated file (see `open.py`). Nothing is opened before the first transaction."""
    return SqlStore(_Sqlite(path))


def migration_engine(path: Path) -> Engine:
    """For schema work: a transaction shuts every other writer out. Foreign keys rest, for tables are rebuilt."""
    engine = make_engine(_File(path), begin="BEGIN EXCLUSIVE", writing=True)

    @event.listens_for(engine, "connect")
    def rest_foreign_keys(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=OFF")

    return engine
