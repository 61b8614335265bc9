"""Databases of SQLite with every table and no row; the tables are made once for all tests of a process."""

import sqlite3
from functools import cache
from typing import cast

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from scopegate.store.sql import dump_json, load_json
from scopegate.store.tables import metadata


@cache
def empty_database() -> bytes:
    """As a file of SQLite."""
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        metadata.create_all(connection)
        connection.commit()
        return cast("sqlite3.Connection", connection.connection.driver_connection).serialize()


def new_database() -> Connection:
    """A new one in memory; all share what SQLAlchemy remembers of statements."""
    return _new_databases().connect()


@cache
def _new_databases() -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(empty_database())
        return connection

    return create_engine(
        "sqlite://", creator=connect, poolclass=NullPool, json_serializer=dump_json, json_deserializer=load_json
    )
