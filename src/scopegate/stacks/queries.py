"""Stacks: their only SQL.

What a stack holds is sealed (context `stack/<stack id>`), for secrets of clients and variables of functions are in it.
Beside it stands the run that may write: a deployment that was taken for dead cannot write over its successor.
"""

import base64
import json
import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from scopegate.base.errors import SetupError
from scopegate.stacks.model import Stack, stack_of
from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.tables import stacks

_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")


class StackTaken(SetupError):
    """Another run has the stack: this one may neither go on nor go back."""


def find_stack(tx: Tx, seal: Sealer, account: str, region: str, name: str) -> Stack | None:
    document = documents.find(tx, stacks, account=account, region=region, name=name)
    return None if document is None else _opened(document, seal)


def find_stack_by_id(tx: Tx, seal: Sealer, account: str, region: str, stack_id: str) -> Stack | None:
    document = documents.find(tx, stacks, account=account, region=region, stack_id=stack_id)
    return None if document is None else _opened(document, seal)


def list_tree(tx: Tx, seal: Sealer, account: str, region: str, root: Stack) -> list[Stack]:
    """A stack and those nested in it, at every depth."""
    found = [root]
    for stack in found:
        nested = (find_stack_by_id(tx, seal, account, region, stack_id) for stack_id in sorted(stack.nested_ids()))
        found += [each for each in nested if each is not None]
    return found


def list_stacks(tx: Tx, seal: Sealer, account: str, region: str) -> Sequence[Stack]:
    query = select(stacks.c.document).where(stacks.c.account == account, stacks.c.region == region)
    return [_opened(row[0], seal) for row in tx.sql.execute(query.order_by(stacks.c.name))]


def used_artifacts(tx: Tx, seal: Sealer) -> set[str]:
    """The digests of uploaded code that any stack is made of, or would go back to."""
    opened = (json.dumps(_opened(row[0], seal).as_document()) for row in tx.sql.execute(select(stacks.c.document)))
    return {digest for text in opened for digest in _DIGEST.findall(text)}


def _opened(document: Document, seal: Sealer) -> Stack:
    sealed = base64.b64decode(document["sealed"])
    return stack_of(json.loads(seal.open(sealed, _context(document["stack_id"]))))


def _context(stack_id: str) -> str:
    return f"stack/{stack_id}"


def take_stack(tx: Tx, seal: Sealer, account: str, region: str, stack: Stack, run: str) -> None:
    """Write the stack, and let only `run` write it from now on."""
    sealed = seal.seal(json.dumps(stack.as_document()).encode(), _context(stack.stack_id))
    document = {"stack_id": stack.stack_id, "run": run, "sealed": base64.b64encode(sealed).decode()}
    keys = {"account": account, "region": region, "stack_id": stack.stack_id}
    documents.put(tx, stacks, document, also={"name": stack.name}, **keys)


def put_stack(tx: Tx, seal: Sealer, account: str, region: str, stack: Stack, run: str) -> None:
    """Write the stack of a run. Raises StackTaken when another run has taken it since."""
    found = documents.find(tx, stacks, account=account, region=region, stack_id=stack.stack_id)
    if found is None or found["run"] != run:
        raise StackTaken(f"Stack {stack.name} was taken over by another deployment")
    take_stack(tx, seal, account, region, stack, run)


def delete_stack(tx: Tx, account: str, region: str, stack_id: str) -> None:
    documents.remove(tx, stacks, account=account, region=region, stack_id=stack_id)
