"""Stacks in the store, on both kinds of database: sealed, and written by one run at a time."""

from collections.abc import Iterator
from typing import Any

import pytest

from scopegate.base.settings import Settings
from scopegate.stacks import queries
from scopegate.stacks.model import Made, Stack, Undo
from scopegate.store import documents
from scopegate.store.open import prepare
from scopegate.store.sealing import CannotOpen, Sealer
from scopegate.store.tables import stacks
from tests.contracts.store_driver import Driver, opened

SEAL = Sealer(b"k" * 32)
POOL = Made("AWS::Cognito::UserPool", "us-east-1_a", {"Arn": "arn"}, {"UserPoolName": "secret"}, retain=True)
STACK = Stack(
    "shop",
    "arn:aws:cloudformation:us-east-1:1:stack/shop/1",
    "UPDATE_IN_PROGRESS",
    {"List": ["a", "b"]},
    {"Pool": POOL},
    {"Pool": "us-east-1_a"},
    {"shop-pool": "us-east-1_a"},
    undo=(Undo("Pool", POOL, None), Undo("New", None, POOL), Undo("Pool", POOL, POOL)),
    doomed=(("Old", POOL),),
)


@pytest.fixture
def store(settings: Settings) -> Iterator[Driver]:
    prepare(settings)
    with opened(settings) as driver:
        yield driver


def find(store: Driver, name: str = "shop", seal: Sealer = SEAL) -> Stack | None:
    return store.read(lambda tx: queries.find_stack(tx, seal, "1", "us-east-1", name))


def test_a_stack_comes_back_as_it_was_put_with_the_way_back(store: Driver) -> None:
    store.write(lambda tx: queries.take_stack(tx, SEAL, "1", "us-east-1", STACK, "run"))

    assert find(store) == STACK
    assert find(store, "other") is None
    assert store.read(lambda tx: queries.list_stacks(tx, SEAL, "1", "us-east-1")) == [STACK]
    assert store.read(lambda tx: queries.list_stacks(tx, SEAL, "2", "us-east-1")) == []


def test_what_a_stack_holds_is_sealed_for_that_stack(store: Driver) -> None:
    store.write(lambda tx: queries.take_stack(tx, SEAL, "1", "us-east-1", STACK, "run"))

    document = store.read(lambda tx: documents.find(tx, stacks, name="shop"))
    assert "secret" not in str(document)
    with pytest.raises(CannotOpen):
        find(store, seal=Sealer(b"x" * 32))

    def move(tx: Any) -> None:
        moved = {**(document or {}), "stack_id": "another"}
        documents.put(tx, stacks, moved, also={"name": "moved"}, account="1", region="us-east-1", stack_id="another")

    store.write(move)
    with pytest.raises(CannotOpen):
        find(store, "moved")


def test_a_run_that_was_taken_for_dead_writes_nothing_over_its_successor(store: Driver) -> None:
    def put(run: str) -> None:
        store.write(lambda tx: queries.put_stack(tx, SEAL, "1", "us-east-1", STACK, run))

    with pytest.raises(queries.StackTaken):
        put("first")  # never taken
    store.write(lambda tx: queries.take_stack(tx, SEAL, "1", "us-east-1", STACK, "first"))
    put("first")
    store.write(lambda tx: queries.take_stack(tx, SEAL, "1", "us-east-1", STACK, "second"))

    with pytest.raises(queries.StackTaken, match="taken over by another deployment"):
        put("first")
    put("second")
    store.write(lambda tx: queries.delete_stack(tx, "1", "us-east-1", STACK.stack_id))
    with pytest.raises(queries.StackTaken):
        put("second")
