"""Databases of SQLite with every table and no row; the tables are made once for all tests of a process."""

import sqlite3
from functools import cache
from typing import Any, cast

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from scopegate.store.tables import metadata


@cache
def empty_database() -> bytes:
    """As a file of SQLite."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        made = driver.serialize()
    engine.dispose()
    return made


def database_in_memory(**options: Any) -> Engine:
    """A new one, of which every use is the same connection. options: of `create_engine`."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(empty_database())
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=StaticPool, **options)
