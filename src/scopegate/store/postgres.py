"""The PostgreSQL store: several nodes on one database.

Writes are SERIALIZABLE and run again after a lost race; reads are REPEATABLE READ, READ ONLY: one snapshot, which never
has to be retried. Whoever draws a change number holds an advisory lock to its commit, so numbers become visible in
order. Other nodes hear of a change by NOTIFY, and look every quarter of a second as well: messages get lost.
Source: postgresql.org/docs/current: transaction-iso, explicit-locking (advisory locks), errcodes-appendix, sql-notify.
"""

from typing import Any, Final

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, PoolProxiedConnection

from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sql import SqlStore, Trouble, dump_json, load_json

_CHANNEL: Final = "scopegate_changes"
_NUMBERS_LOCK: Final = 0x5C09E6A7E_01
_SCHEMA_LOCK: Final = 0x5C09E6A7E_02
_THREADS: Final = 4
_LOOK_EVERY_S: Final = 0.25

_CONNECT_ARGS: Final = {
    "application_name": "scopegate",
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # ms until a silent network counts as lost
}

# A node that hangs inside a transaction must not hold the others up. And where the administrator turned durable commits
# off, an acknowledged write could still be lost; stronger values than `on` are left.
_SESSION: Final = """
SET lock_timeout = '10s';
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""

_LOST_RACE: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock
# Under SERIALIZABLE these may be a lost race as well, or a fault: a few attempts tell.
_PERHAPS_LOST_RACE: Final = frozenset({"23503", "23505"})  # foreign key, unique
_ATTEMPTS_AT_A_CONSTRAINT: Final = 4
_ATTEMPTS_IN_COMPANY: Final = 3
_BUSY: Final = frozenset({"55P03", "57014"})  # lock timeout, statement timeout
_READ_ONLY: Final = "25006"  # a standby, or a read that writes
# By class: connection, authorization, no such database, resources, operator intervention, system, internal.
_LOST_CLASSES: Final = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
_LOST: Final = frozenset({"40003", "25P03"})  # completion unknown, idle too long in a transaction


def make_engine(url: URL, *, level: IsolationLevel, read_only: bool) -> Engine:
    """Connections that begin their transactions at `level`; none is pooled, for each thread keeps its own."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args=_CONNECT_ARGS,
        json_serializer=dump_json,
        json_deserializer=load_json,
        hide_parameters=True,  # errors are logged; what was written may be secret
    )

    @event.listens_for(engine, "connect")
    def prepare_session(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(_SESSION)
        connection.autocommit = False
        connection.isolation_level = level
        connection.read_only = read_only

    return engine


class _Postgres:
    """PostgreSQL, as `SqlStore` asks for it."""

    driver_error: type[Exception] = psycopg.Error
    reader_threads = _THREADS
    writer_threads = _THREADS

    def __init__(self, url: URL) -> None:
        self.name = f"postgresql {url.host or 'localhost'}/{url.database}"
        self.reader = make_engine(url, level=IsolationLevel.REPEATABLE_READ, read_only=True)
        self.writer = make_engine(url, level=IsolationLevel.SERIALIZABLE, read_only=False)
        self._watcher: PoolProxiedConnection | None = None

    def is_current(self, connection: Connection) -> bool:
        return not connection.invalidated

    def judge(self, error: BaseException, *, writing: bool, attempt: int) -> Trouble:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None)
        if state is None:
            # Without a SQLSTATE it is libpq that speaks: the connection failed. The rest is misuse of the driver.
            return Trouble.LOST if isinstance(cause, psycopg.OperationalError) else self._judge_closed(error)
        if state in _LOST_RACE or (state in _PERHAPS_LOST_RACE and writing and attempt < _ATTEMPTS_AT_A_CONSTRAINT):
            return Trouble.AGAIN
        if state in _BUSY:
            return Trouble.UNAVAILABLE
        if state == _READ_ONLY:
            return Trouble.LOST if writing else Trouble.FAULT
        return Trouble.LOST if state in _LOST or state[:2] in _LOST_CLASSES else Trouble.FAULT

    def _judge_closed(self, error: BaseException) -> Trouble:
        return Trouble.LOST if isinstance(error, DBAPIError) and error.connection_invalidated else Trouble.FAULT

    def begin_write(self, connection: Connection, attempt: int) -> None:
        """A gate: writers pass it together, one that has lost three times waits until they are through and goes alone.

        LOCK TABLE as the first statement comes before the snapshot, so whoever waited here sees what the others did.
        """
        mode = "ROW EXCLUSIVE" if attempt <= _ATTEMPTS_IN_COMPANY else "EXCLUSIVE"
        connection.exec_driver_sql(f"LOCK TABLE meta IN {mode} MODE")

    def before_numbers(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NUMBERS_LOCK})")

    def after_numbers(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")

    def look(self) -> int:
        try:
            if self._watcher is None:
                self._watcher = self.reader.raw_connection()
                listener = self._listener()
                listener.autocommit = True
                listener.execute(f"LISTEN {_CHANNEL}")
            else:
                listener = self._listener()
                for _ in listener.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
                    pass
            row = listener.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()
        except (psycopg.Error, SQLAlchemyError) as error:
            raise StoreUnavailable(f"{self.name}: the change feed is not read") from error
        return int(row[0])

    def _listener(self) -> Any:
        assert self._watcher is not None
        return self._watcher.driver_connection

    def forget(self) -> None:
        if self._watcher is not None:
            self._watcher.invalidate()
            self._watcher = None


def open_postgres(url: str) -> Store:
    """The store in an existing, migrated database (see `open.py`). Nothing connects before the first transaction.

    url: `postgresql://user:password@host/name?…`, with libpq's parameters.
    """
    return SqlStore(_Postgres(make_url(url).set(drivername="postgresql+psycopg")))


def migration_engine(url: URL) -> Engine:
    """For schema work: a transaction waits for every other node that came through here."""
    engine = create_engine(url, poolclass=NullPool, connect_args=_CONNECT_ARGS)

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        driver.execute(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")

    return engine
