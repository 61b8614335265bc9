"""From settings to a store: which database, its schema, its master key.

The parent calls `migrate` once, before any role starts; each role then calls `open_store` (and `open_sealer`, where it
may hold the key). A fresh database is made straight from `tables.py` and stamped with the newest revision: Alembic,
0.3 s and 12 MB, is met only by an older schema, in a short-lived child. A test holds tables and migrations together.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.store import migrations
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer, agree_on_master_key, get_master_key
from scopegate.store.sql import brief
from scopegate.store.sqlite import migration_engine as sqlite_engine
from scopegate.store.sqlite import open_sqlite
from scopegate.store.tables import metadata

DATABASE_FILE: Final = "scopegate.db"
_KNOWN_REVISIONS: Final = migrations.revisions()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is: a file or a PostgreSQL URL, one of them."""

    path: Path | None
    url: URL | None

    def __str__(self) -> str:
        return f"sqlite {self.path}" if self.url is None else self.url.render_as_string(hide_password=True)


def find_place(settings: Settings) -> Place:
    """Read the `database` setting. Raises SetupError."""
    if settings.database is None:
        return Place(settings.data_dir / DATABASE_FILE, None)
    try:
        url = make_url(settings.database)
    except ArgumentError:
        url = None
    if url is not None and url.drivername == "sqlite" and url.database and not url.host:
        return Place(Path(url.database), None)
    if url is not None and url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return Place(None, url.set(drivername="postgresql+psycopg"))
    # The value itself is not repeated: it may hold a password.
    raise SetupError(
        "settings: --database must be postgresql://user:password@host/name or sqlite:///path; "
        "see docs/settings.md#database"
    )


def open_store(settings: Settings) -> Store:
    """The store that `settings` name, already prepared. Connects at its first transaction, not here."""
    place = find_place(settings)
    if place.path is not None:
        return open_sqlite(place.path)
    # psycopg is 20 MB that a node on SQLite does not need.
    from scopegate.store.postgres import open_postgres  # noqa: PLC0415

    assert place.url is not None
    return open_postgres(place.url.render_as_string(hide_password=False))


def open_sealer(settings: Settings) -> Sealer:
    """The master key of a database that is prepared. Raises SetupError."""
    return Sealer(get_master_key(settings.data_dir, settings.master_key))


async def migrate(settings: Settings) -> None:
    """Bring the database to this version's schema and make or check the master key; for the parent, before its roles.

    Raises SetupError: unreachable, newer than this version, a migration that failed (the old schema stays), another
    master key than the one that sealed this database.
    """
    await asyncio.to_thread(prepare, settings)


async def open_migrated(settings: Settings) -> tuple[Store, Sealer]:
    """`migrate`, then everything a process that holds the key needs. Raises SetupError."""
    return open_store(settings), await asyncio.to_thread(prepare, settings)


def prepare(settings: Settings) -> Sealer:
    """What `migrate` does, in this thread."""
    place = find_place(settings)
    if place.path is not None:
        make_file(place.path)
    with _exclusive(place) as connection:
        revision = find_revision(connection)
        if revision is None:
            create_schema(connection)
        elif revision not in _KNOWN_REVISIONS:
            raise SetupError(
                f"{place} has schema {revision}, made by a newer Scopegate than this one "
                f"(which knows up to {_KNOWN_REVISIONS[-1]}); start the newer version, or restore a backup"
            )
        if revision in (None, _KNOWN_REVISIONS[-1]):
            return _settle(connection, settings)
    upgrade_in_child(place)
    with _exclusive(place) as connection:
        return _settle(connection, settings)


def _settle(connection: Connection, settings: Settings) -> Sealer:
    _compact_changes(connection)
    return Sealer(agree_on_master_key(connection, settings.data_dir, settings.master_key))


def find_revision(connection: Connection) -> str | None:
    """The schema's revision, None when the database is empty of us."""
    if not inspect(connection).has_table(migrations.VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {migrations.VERSION_TABLE}")).scalar()  # noqa: S608


def create_schema(connection: Connection) -> None:
    """Every table at once, stamped with the newest revision; inside the caller's transaction."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(f"CREATE TABLE {migrations.VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"),
    )
    connection.execute(
        text(f"INSERT INTO {migrations.VERSION_TABLE} (version_num) VALUES (:revision)"),  # noqa: S608
        {"revision": _KNOWN_REVISIONS[-1]},
    )


def _compact_changes(connection: Connection) -> None:
    """Each definition's newest change is all that a reader of the feed needs, however far behind it is."""
    connection.execute(
        text("DELETE FROM changes WHERE number NOT IN (SELECT max(number) FROM changes GROUP BY kind, key)")
    )


def migration_engine(place: Place) -> Engine:
    """An engine whose transactions exclude every other one that came through here."""
    if place.path is not None:
        return sqlite_engine(place.path)
    from scopegate.store.postgres import migration_engine as postgres_engine  # noqa: PLC0415

    assert place.url is not None
    return postgres_engine(place.url)


@contextmanager
def _exclusive(place: Place) -> Iterator[Connection]:
    engine = migration_engine(place)
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise SetupError(_cannot_use(place, error)) from error
    except engine.dialect.loaded_dbapi.Error as error:
        raise SetupError(_cannot_use(place, error)) from error
    finally:
        engine.dispose()


def _cannot_use(place: Place, error: BaseException) -> str:
    cause = brief(error)
    if place.path is not None:
        return f"cannot use the database {place.path}: {cause}; check the path, its rights and the free space"
    return f"cannot use the database {place}: {cause}; check --database, and that PostgreSQL runs"


def make_file(path: Path) -> None:
    """The file before SQLite makes it: readable by its owner alone; the log beside it inherits that."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise SetupError(
            f"cannot make the database {path}: {error.strerror}; choose another place with --data-dir or --database"
        ) from error


def upgrade_in_child(place: Place) -> None:
    url = place.url or URL.create("sqlite", database=str(place.path))
    # The URL goes by standard input: arguments are shown by `ps`, and it may hold a password.
    child = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", migrations.__name__, "upgrade"],
        input=url.render_as_string(hide_password=False),
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        cause = child.stderr.strip().rsplit("\n", 1)[-1] or f"exit status {child.returncode}"
        raise SetupError(
            f"migrating {place} failed and was undone: {cause}; start the version that made this database, "
            "and report the failure"
        )
