"""Stacks: their only SQL."""

from collections.abc import Sequence

from sqlalchemy import select

from scopegate.stacks.model import Stack, stack_of
from scopegate.store import documents
from scopegate.store.port import Tx
from scopegate.store.tables import stacks


def find_stack(tx: Tx, account: str, region: str, name: str) -> Stack | None:
    document = documents.find(tx, stacks, account=account, region=region, name=name)
    return None if document is None else stack_of(document)


def list_stacks(tx: Tx, account: str, region: str) -> Sequence[Stack]:
    query = select(stacks.c.document).where(stacks.c.account == account, stacks.c.region == region)
    return [stack_of(row[0]) for row in tx.sql.execute(query.order_by(stacks.c.name))]


def put_stack(tx: Tx, account: str, region: str, stack: Stack) -> None:
    keys = {"account": account, "region": region, "stack_id": stack.stack_id}
    documents.put(tx, stacks, stack.as_document(), also={"name": stack.name}, **keys)


def delete_stack(tx: Tx, account: str, region: str, stack_id: str) -> None:
    documents.remove(tx, stacks, account=account, region=region, stack_id=stack_id)
