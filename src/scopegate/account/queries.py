"""The account family's only SQL: access keys, and IAM's entities as documents.

An entity is found by (account, kind, name): `role` RoleName → {"Role": Role without tags, "Tags": {…},
"InlinePolicies": {name: document}, "AttachedPolicies": [arn…]}; `user` UserName → the same with "User"; `policy`
PolicyName → {"Policy": Policy without counts and tags, "Tags": {…}, "Versions": [PolicyVersion…], "LastVersion":
number}. Role, User and Policy are IAM's wire shapes, policy documents as they came. Each write of a key says
`changed("access_key", id)`, of an entity `changed("iam_entity", "account/kind/name")`.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import delete, insert, select, update

from scopegate.account.model import KeyRow
from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.tables import access_keys, iam_entities

_ROW = (
    access_keys.c.access_key_id,
    access_keys.c.account,
    access_keys.c.user_name,
    access_keys.c.status,
    access_keys.c.created_at,
    access_keys.c.user_id,
)


def insert_key(tx: Tx, row: KeyRow, sealed_secret: bytes) -> None:
    tx.sql.execute(
        insert(access_keys).values(
            access_key_id=row.access_key_id,
            account=row.account,
            user_name=row.user_name,
            status=row.status,
            created_at=row.created_at,
            user_id=row.user_id,
            secret=sealed_secret,
        )
    )
    tx.changed("access_key", row.access_key_id)


def list_keys(tx: Tx) -> Sequence[KeyRow]:
    """Oldest first."""
    found = tx.sql.execute(select(*_ROW).order_by(access_keys.c.created_at, access_keys.c.access_key_id))
    return [KeyRow(*row) for row in found]


def find_key(tx: Tx, access_key_id: str) -> tuple[KeyRow, bytes] | None:
    """A key and its sealed secret."""
    row = tx.sql.execute(
        select(*_ROW, access_keys.c.secret).where(access_keys.c.access_key_id == access_key_id)
    ).first()
    return None if row is None else (KeyRow(*row[:-1]), row[-1])


def list_keys_of_user(tx: Tx, user_id: str) -> Sequence[KeyRow]:
    """Of an IAM user, oldest first."""
    return [row for row in list_keys(tx) if row.user_id == user_id]


def set_key_status(tx: Tx, access_key_id: str, status: str) -> None:
    tx.sql.execute(update(access_keys).where(access_keys.c.access_key_id == access_key_id).values(status=status))
    tx.changed("access_key", access_key_id)


def rename_keys(tx: Tx, user_id: str, user_name: str) -> None:
    """An IAM user has another name now; its change is compiled with that of the user."""
    tx.sql.execute(update(access_keys).where(access_keys.c.user_id == user_id).values(user_name=user_name))


def delete_key(tx: Tx, access_key_id: str) -> bool:
    removed = tx.sql.execute(delete(access_keys).where(access_keys.c.access_key_id == access_key_id)).rowcount
    tx.changed("access_key", access_key_id)
    return removed > 0


def find_entity(tx: Tx, account: str, kind: str, name: str) -> Document | None:
    return documents.find(tx, iam_entities, account=account, kind=kind, name=name)


def put_entity(tx: Tx, account: str, kind: str, name: str, document: Document) -> None:
    documents.put(tx, iam_entities, document, account=account, kind=kind, name=name)
    tx.changed("iam_entity", f"{account}/{kind}/{name}")


def delete_entity(tx: Tx, account: str, kind: str, name: str) -> bool:
    tx.changed("iam_entity", f"{account}/{kind}/{name}")
    return documents.remove(tx, iam_entities, account=account, kind=kind, name=name) > 0


def list_entities(tx: Tx, account: str, kind: str) -> Sequence[tuple[str, Document]]:
    """(name, document) in the order of names."""
    return documents.page(tx, iam_entities, "name", account=account, kind=kind)


def all_entities(tx: Tx) -> Iterator[tuple[tuple[str, str, str], Document]]:
    """((account, kind, name), document) of every entity."""
    columns = iam_entities.c
    for row in tx.sql.execute(select(columns.account, columns.kind, columns.name, columns.document)):
        yield (row[0], row[1], row[2]), row[3]
