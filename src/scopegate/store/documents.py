"""Rows of key columns and one JSON document: the few statements that every family's `queries` share."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, and_, bindparam, delete, insert, select, update

from scopegate.store.port import Tx

Document = dict[str, Any]


def _where(table: Table, keys: dict[str, Any]) -> Any:
    return and_(*(table.c[name] == value for name, value in keys.items()))


# Building a statement takes longer than running it: each is built once for its table and names.


@cache
def _selecting(table: Table, names: tuple[str, ...]) -> Any:
    return select(table.c.document).where(_where(table, {name: bindparam(f"key_{name}") for name in names}))


@cache
def _updating(table: Table, names: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    found = _where(table, {name: bindparam(f"key_{name}") for name in names})
    return update(table).where(found).values({name: bindparam(f"new_{name}") for name in columns})


@cache
def _deleting(table: Table, names: tuple[str, ...]) -> Any:
    return delete(table).where(_where(table, {name: bindparam(f"key_{name}") for name in names}))


def _named(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def find(tx: Tx, table: Table, **keys: Any) -> Document | None:
    """The document of the row with these keys, None when there is none."""
    row = tx.sql.execute(_selecting(table, tuple(keys)), _named("key", keys)).first()
    return None if row is None else row[0]


def put(tx: Tx, table: Table, document: Document, *, also: Document | None = None, **keys: Any) -> None:
    """Insert or replace one row; `keys` is the whole primary key, `also` further columns."""
    values = {"document": document, **(also or {})}
    given = _named("key", keys) | _named("new", values)
    if tx.sql.execute(_updating(table, tuple(keys), tuple(values)), given).rowcount == 0:
        tx.sql.execute(insert(table), {**keys, **values})


def remove(tx: Tx, table: Table, **keys: Any) -> int:
    """Delete the rows with these keys; says how many there were."""
    return int(tx.sql.execute(_deleting(table, tuple(keys)), _named("key", keys)).rowcount)


def page(
    tx: Tx, table: Table, order: str, *, after: str | None = None, size: int | None = None, **keys: Any
) -> Sequence[tuple[str, Document]]:
    """(value of the `order` column, document) of the rows with these keys, in that order, after `after`."""
    query = select(table.c[order], table.c.document).where(_where(table, keys)).order_by(table.c[order])
    if after is not None:
        query = query.where(table.c[order] > after)
    if size is not None:
        query = query.limit(size)
    return [(row[0], row[1]) for row in tx.sql.execute(query)]
