"""The SQL of functions on both kinds of database."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from scopegate.base.settings import Settings
from scopegate.functions import queries
from scopegate.functions.references import FunctionRef
from scopegate.store.open import prepare
from scopegate.store.tables import function_code_uses
from tests.contracts.store_driver import Driver, opened
from tests.rooms.functions_operations.driver import ACCOUNT, REGION


@pytest.fixture
def store(settings: Settings) -> Iterator[Driver]:
    prepare(settings)
    with opened(settings) as driver:
        yield driver


def ref(name: str) -> FunctionRef:
    return FunctionRef(ACCOUNT, REGION, name, None)


def configuration(code: bytes) -> dict[str, Any]:
    return {"CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode()}


def digest(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def test_code_is_dropped_when_its_last_user_is_gone(store: Driver) -> None:
    def make(tx: Any) -> None:
        for code in (b"one", b"two"):
            queries.put_code(tx, digest(code), code)
            queries.put_code(tx, digest(code), code)
        queries.put_function(tx, ref("f"), {"Configuration": configuration(b"one")})
        queries.put_version(tx, ref("f"), "1", configuration(b"two"))

    def drop(tx: Any) -> set[str]:
        for code in (b"one", b"two", b"unknown"):
            queries.drop_unused_code(tx, digest(code))
        return queries.all_code(tx)

    store.write(make)
    assert store.write(drop).result == {digest(b"one"), digest(b"two")}
    store.write(lambda tx: queries.delete_version(tx, ref("f"), "1"))
    assert store.write(drop).result == {digest(b"one")}
    store.write(lambda tx: queries.put_function(tx, ref("f"), {"Configuration": configuration(b"two")}))
    assert store.write(drop).result == set()


def test_dropping_code_reads_no_document(store: Driver) -> None:
    """A thousand functions cost no more than one: the digest has a column and an index."""

    def make(tx: Any) -> None:
        row = {"account": ACCOUNT, "region": REGION, "kind": "function", "version": "1"}
        digests = [(f"f{number}", digest(str(number).encode())) for number in range(2_000)]
        tx.sql.execute(
            insert(function_code_uses), [{**row, "name": name, "sha256": sha256} for name, sha256 in digests]
        )

    store.write(make)
    plan = store.read(
        lambda tx: [
            " ".join(map(str, row))
            for row in tx.sql.exec_driver_sql(
                ("EXPLAIN " if tx.sql.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN ")
                + f"SELECT 1 FROM function_code_uses WHERE sha256 = '{digest(b'7')}'"
            )
        ]
    )

    assert "ix_function_code_uses_sha256" in " ".join(plan)


def test_variables_are_of_a_version(store: Driver) -> None:
    def make(tx: Any) -> None:
        queries.put_function(tx, ref("f"), {"Configuration": configuration(b"one")})
        queries.put_version(tx, ref("f"), "1", configuration(b"one"))
        queries.put_environment(tx, ref("f"), "$LATEST", b"latest")
        queries.put_environment(tx, ref("f"), "1", b"first")
        queries.put_function(tx, ref("f"), {"Configuration": configuration(b"two")})

    store.write(make)

    assert store.read(lambda tx: queries.find_environment(tx, ref("f"), "$LATEST")) == b"latest"
    assert store.read(lambda tx: queries.find_environment(tx, ref("f"), "1")) == b"first"
    assert store.read(lambda tx: queries.find_environment(tx, ref("f"), "2")) is None


def test_names_are_listed_by_code_point(store: Driver) -> None:
    """On both databases alike, or pages of a list would lose some."""
    names = ["b", "a_b", "a-b", "B", "a", "ab", "A"]

    def make(tx: Any) -> None:
        for name in names:
            queries.put_function(tx, ref(name), {"Configuration": configuration(b"one")})

    store.write(make)

    found = store.read(lambda tx: [name for name, _ in queries.list_functions(tx, ACCOUNT, REGION)])
    assert found == sorted(names)


def test_one_of_many_claims_an_event(store: Driver) -> None:
    """Design, "Roles": several nodes work off one table."""
    store.write(lambda tx: queries.put_async(tx, "id", "arn", b"{}", 100.0))

    async def claim_all() -> list[bool]:
        claims = [
            store.store.write(lambda tx: queries.claim_async(tx, "id", 200.0, 1)),
            store.store.write(lambda tx: queries.claim_async(tx, "id", 200.0, 1)),
            store.store.write(lambda tx: queries.claim_async(tx, "id", 200.0, 1)),
        ]
        return [written.result for written in await asyncio.gather(*claims)]

    assert sorted(store.run(claim_all())) == [False, False, True]


def test_events_are_due_in_order(store: Driver) -> None:
    def make(tx: Any) -> None:
        for name, moment in (("late", 30.0), ("first", 10.0), ("second", 20.0)):
            queries.put_async(tx, name, "arn", name.encode(), moment)

    store.write(make)

    def due(now: float, size: int = 10) -> list[str]:
        return [row[0] for row in store.read(lambda tx: queries.due_async(tx, now, size))]

    assert due(5.0) == []
    assert due(20.0) == ["first", "second"]
    assert due(99.0, 1) == ["first"]
    store.write(lambda tx: queries.put_off_async(tx, "first", 50.0, 1))
    assert due(49.0) == ["second", "late"]
    assert store.read(lambda tx: queries.due_async(tx, 99.0, 10))[-1] == ("first", "arn", 10.0, 1)
    assert store.read(lambda tx: queries.find_async_payload(tx, "first")) == b"first"
    store.write(lambda tx: queries.delete_async(tx, "second"))
    assert due(99.0) == ["late", "first"]


def test_a_deleted_function_leaves_no_row(store: Driver) -> None:
    def make(tx: Any) -> None:
        for name in ("f", "g"):
            queries.put_function(tx, ref(name), {"Configuration": configuration(b"one")})
            queries.put_version(tx, ref(name), "1", configuration(b"one"))
            queries.put_alias(tx, ref(name), "live", {})
            queries.put_policy(tx, ref(name), None, {"Statement": []})
            queries.put_policy(tx, ref(name), "live", {"Statement": []})

    store.write(make)
    store.write(lambda tx: queries.delete_function(tx, ref("f")))

    def left(tx: Any) -> list[int]:
        tables = (queries.list_versions, queries.list_aliases, queries.list_policies)
        return [len(find(tx, ref(name))) for name in ("f", "g") for find in tables]

    assert store.read(left) == [0, 0, 0, 1, 1, 2]


def test_versions_of_layers_are_counted_and_listed_newest_first(store: Driver) -> None:
    def make(tx: Any) -> None:
        for name, version in (("b", 9), ("a", 1), ("b", 10), ("b", 11)):
            queries.put_code(tx, digest(b"layer"), b"layer")
            queries.put_layer(tx, ACCOUNT, REGION, name, version, {"Content": configuration(b"layer")})
        queries.delete_layer(tx, ACCOUNT, REGION, "b", 11)

    store.write(make)

    listed = store.read(lambda tx: [(name, version) for name, version, _ in queries.list_layers(tx, ACCOUNT, REGION)])
    assert listed == [("a", 1), ("b", 10), ("b", 9)]
    assert store.read(lambda tx: queries.newest_layer(tx, ACCOUNT, REGION, "b")) == 11
    assert store.read(lambda tx: queries.newest_layer(tx, ACCOUNT, REGION, "c")) == 0
    assert store.read(lambda tx: queries.find_layer(tx, ACCOUNT, REGION, "b", 11)) is None
    assert store.read(lambda tx: queries.list_layers(tx, "123456789012", REGION)) == []


def test_code_of_layers_is_dropped_with_their_last_user(store: Driver) -> None:
    def make(tx: Any) -> None:
        queries.put_code(tx, digest(b"layer"), b"layer")
        queries.put_layer(tx, ACCOUNT, REGION, "layer", 1, {"Content": configuration(b"layer")})
        with_layer = {**configuration(b"code"), "Layers": [configuration(b"layer")]}
        queries.put_function(tx, ref("f"), {"Configuration": with_layer})
        queries.put_version(tx, ref("f"), "1", with_layer)

    def left(tx: Any) -> set[str]:
        queries.drop_unused_code(tx, digest(b"layer"))
        return queries.all_code(tx)

    store.write(make)
    assert store.read(queries.all_layers) == {(digest(b"layer"),)}
    store.write(lambda tx: queries.delete_layer(tx, ACCOUNT, REGION, "layer", 1))
    assert store.write(left).result == {digest(b"layer")}
    store.write(lambda tx: queries.put_function(tx, ref("f"), {"Configuration": configuration(b"code")}))
    assert store.write(left).result == {digest(b"layer")}
    store.write(lambda tx: queries.delete_version(tx, ref("f"), "1"))
    assert store.write(left).result == set()
    assert store.read(queries.all_layers) == set()
