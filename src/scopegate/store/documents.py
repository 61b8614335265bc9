"""Rows of key columns and one JSON document: the few statements that every family's `queries` share."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, and_, delete, insert, select, update

from scopegate.store.port import Tx

Document = dict[str, Any]


def _where(table: Table, keys: dict[str, Any]) -> Any:
    return and_(*(table.c[name] == value for name, value in keys.items()))


def find(tx: Tx, table: Table, **keys: Any) -> Document | None:
    """The document of the row with these keys, None when there is none."""
    row = tx.sql.execute(select(table.c.document).where(_where(table, keys))).first()
    return None if row is None else row[0]


def put(tx: Tx, table: Table, document: Document, *, also: Document | None = None, **keys: Any) -> None:
    """Insert or replace one row; `keys` is the whole primary key, `also` further columns."""
    values = {"document": document, **(also or {})}
    if tx.sql.execute(update(table).where(_where(table, keys)).values(**values)).rowcount == 0:
        tx.sql.execute(insert(table).values(**keys, **values))


def remove(tx: Tx, table: Table, **keys: Any) -> int:
    """Delete the rows with these keys; says how many there were."""
    return tx.sql.execute(delete(table).where(_where(table, keys))).rowcount


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
