"""The account family's only SQL: access keys, and IAM's entities as documents.

An entity is found by (account, kind, name): `role` RoleName → {"Role": Role without tags, "Tags": {…},
"InlinePolicies": {name: document}, "AttachedPolicies": [arn…]}; `policy` PolicyName → {"Policy": Policy without counts
and tags, "Tags": {…}, "Versions": [PolicyVersion…], "LastVersion": number}. Role and Policy are IAM's wire shapes,
policy documents as they came. No compiled view holds entities; each write of a key says `changed("access_key", id)`.
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

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
)


def insert_key(tx: Tx, row: KeyRow, sealed_secret: bytes) -> None:
    tx.sql.execute(
        insert(access_keys).values(
            access_key_id=row.access_key_id,
            account=row.account,
            user_name=row.user_name,
            status=row.status,
            created_at=row.created_at,
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
    return None if row is None else (KeyRow(*row[:5]), row[5])


def delete_key(tx: Tx, access_key_id: str) -> bool:
    removed = tx.sql.execute(delete(access_keys).where(access_keys.c.access_key_id == access_key_id)).rowcount
    tx.changed("access_key", access_key_id)
    return removed > 0


def find_entity(tx: Tx, account: str, kind: str, name: str) -> Document | None:
    return documents.find(tx, iam_entities, account=account, kind=kind, name=name)


def put_entity(tx: Tx, account: str, kind: str, name: str, document: Document) -> None:
    documents.put(tx, iam_entities, document, account=account, kind=kind, name=name)


def delete_entity(tx: Tx, account: str, kind: str, name: str) -> bool:
    return documents.remove(tx, iam_entities, account=account, kind=kind, name=name) > 0


def list_entities(tx: Tx, account: str, kind: str) -> Sequence[tuple[str, Document]]:
    """(name, document) in the order of names."""
    return documents.page(tx, iam_entities, "name", account=account, kind=kind)
