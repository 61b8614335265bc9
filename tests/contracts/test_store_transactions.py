"""What a transaction promises, on every store."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from scopegate.base.settings import Settings
from scopegate.store import documents
from scopegate.store.port import StoreUnavailable, Tx
from scopegate.store.tables import iam_entities, user_pool_clients, user_pools
from tests.contracts.store_driver import Driver, add_many, add_one, count, find, names, opened, process, putting


def test_what_is_written_is_read_through_any_other_store_at_once(store: Driver, prepared: Settings) -> None:
    with opened(prepared) as other:
        assert other.read(count) == 0  # its connections exist already
        for number in range(50):
            store.write(putting(f"role-{number}"))
            assert other.read(lambda tx, number=number: find(tx, f"role-{number}")) == {}  # type: ignore[misc]


def test_a_failing_transaction_leaves_nothing(store: Driver) -> None:
    class Refused(Exception):
        pass

    def half(tx: Tx) -> None:
        putting("half")(tx)
        raise Refused

    with pytest.raises(Refused):
        store.write(half)

    assert (store.read(count), store.changes()) == (0, [])
    assert store.write(putting("whole")).change is not None


def test_a_transaction_that_breaks_a_constraint_raises_and_leaves_nothing(store: Driver) -> None:
    def twice(tx: Tx) -> None:
        for _ in range(2):
            tx.sql.execute(insert(iam_entities).values(account="1", kind="role", name="same", document={}))

    with pytest.raises(IntegrityError):
        store.write(twice)

    assert store.read(count) == 0


def test_foreign_keys_are_enforced_and_cascade(store: Driver) -> None:
    orphan = {"client_id": "c", "pool_id": "p", "document": {}}
    with pytest.raises(IntegrityError):
        store.write(lambda tx: tx.sql.execute(insert(user_pool_clients).values(orphan)) and None)

    def pool_and_client(tx: Tx) -> None:
        documents.put(tx, user_pools, {}, pool_id="p", also={"account": "1", "region": "r"})
        tx.sql.execute(insert(user_pool_clients).values(orphan))

    store.write(pool_and_client)
    store.write(lambda tx: documents.remove(tx, user_pools, pool_id="p"))

    assert store.read(lambda tx: documents.find(tx, user_pool_clients, client_id="c")) is None


def test_a_read_cannot_write(store: Driver) -> None:
    with pytest.raises(DBAPIError):
        store.read(putting("sneaked"))

    assert store.read(count) == 0


def test_a_read_sees_one_state(store: Driver, prepared: Settings) -> None:
    """Both looks of one read answer the same, whatever others commit in between."""
    looked, written = threading.Event(), threading.Event()

    def look_twice(tx: Tx) -> tuple[int, int]:
        first = count(tx)
        looked.set()
        assert written.wait(10)
        return first, count(tx)

    async def race(other: Driver) -> tuple[int, int]:
        reading = asyncio.create_task(store.store.read(look_twice))
        await asyncio.to_thread(looked.wait, 10)
        await other.store.write(putting("between"))
        written.set()
        return await reading

    with opened(prepared) as other:
        assert store.run(race(other)) == (0, 0)


@pytest.mark.parametrize(
    "document",
    [
        {"text": "żółw 🐢 \u2028 \\ \" ' %s :name"},
        {"nul": "a\0b"},
        {"order": {"b": 1, "a": 2}, "deep": [[{}], [None, True, 1.5, 2**53]]},
        {"long": "x" * 1_000_000},
    ],
    ids=["text", "nul", "order", "long"],
)
def test_documents_come_back_as_they_went_in(store: Driver, document: dict[str, Any]) -> None:
    store.write(putting("role", document))

    found = store.read(lambda tx: find(tx, "role"))

    assert found == document
    assert str(found) == str(document)  # the order of members too


def test_what_json_does_not_have_is_refused_when_written(store: Driver) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(Exception, match="not JSON serializable"):
        store.write(putting("role", {"at": moment}))

    assert store.read(count) == 0


def test_text_is_sorted_by_code_point(store: Driver) -> None:
    """The same order on every database, whatever its collation: pages of lists depend on it."""
    wanted = ["A", "B", "_", "a", "b", "ä", "ż", "€", "🐢"]
    for name in reversed(wanted):
        store.write(putting(name))

    assert store.read(names) == wanted
    after = store.read(lambda tx: documents.page(tx, iam_entities, "name", after="_", size=2, account="1", kind="role"))
    assert [name for name, _ in after] == ["a", "b"]


def test_text_is_compared_exactly(store: Driver) -> None:
    store.write(putting("Role"))

    assert store.read(lambda tx: [find(tx, name) for name in ("role", "Role ", "Role")]) == [None, None, {}]


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "' OR 1=1 --", "x" * 100_000], ids=repr)
def test_a_look_up_with_any_text_finds_nothing_rather_than_failing(store: Driver, name: str) -> None:
    """Attack U2: parameters are values, never SQL."""
    store.write(putting("a"))

    assert store.read(lambda tx: find(tx, name)) is None


def test_an_error_does_not_repeat_what_was_to_be_written(store: Driver) -> None:
    """Errors go to the log."""

    def twice(tx: Tx) -> None:
        for _ in range(2):
            row = {"account": "1", "kind": "role", "name": "same", "document": {"password": "hunter2"}}
            tx.sql.execute(insert(iam_entities).values(row))

    with pytest.raises(IntegrityError) as caught:
        store.write(twice)

    assert "hunter2" not in str(caught.value)


def test_bytes_come_back_as_they_went_in(store: Driver) -> None:
    from scopegate.store.tables import function_code

    zipped = bytes(range(256)) * 4096
    store.write(lambda tx: tx.sql.execute(insert(function_code).values(sha256="s", size_bytes=1, zip=zipped)) and None)

    assert store.read(lambda tx: tx.sql.execute(function_code.select()).one()) == ("s", 1, zipped)


def test_concurrent_transactions_behave_as_if_one_after_the_other(store: Driver, prepared: Settings) -> None:
    """Lost updates would leave less than the sum: who lost a race runs again."""
    writers = [process(add_many, prepared, "counter", 40) for _ in range(3)]

    async def here() -> None:
        await asyncio.gather(*(store.store.write(add_one("counter")) for _ in range(40)))

    store.run(here())
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert store.read(lambda tx: find(tx, "counter")) == {"value": 160}


def test_a_lost_race_runs_the_function_again(store: Driver, prepared: Settings) -> None:
    """On SQLite the second writer waits for the first, on PostgreSQL it meets a serialization failure."""
    runs = 0
    first_read, other_done = threading.Event(), threading.Event()

    def slow(tx: Tx) -> int:
        nonlocal runs
        runs += 1
        value = (find(tx, "counter") or {"value": 0})["value"] + 1
        first_read.set()
        other_done.wait(0.5)
        putting("counter", {"value": value})(tx)
        return int(value)

    async def race(other: Driver) -> int:
        ours = asyncio.create_task(store.store.write(slow))
        await asyncio.to_thread(first_read.wait, 10)
        await other.store.write(add_one("counter"))
        other_done.set()
        return (await ours).result

    with opened(prepared) as other:
        store.write(add_one("counter"))
        result = store.run(race(other))

    assert store.read(lambda tx: find(tx, "counter")) == {"value": 3}
    assert (runs, result) == ((2, 3) if prepared.database else (1, 2))


def test_the_loop_stays_free_while_a_transaction_works(store: Driver) -> None:
    release = threading.Event()

    async def answer() -> bool:
        slow = asyncio.create_task(store.store.write(lambda _: release.wait(10)))
        quick = await store.store.read(count)
        release.set()
        return quick == 0 and (await slow).result

    assert store.run(answer())


def test_a_closed_store_says_so(store: Driver) -> None:
    store.run(store.store.close())

    with pytest.raises(StoreUnavailable, match="closed"):
        store.read(count)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.run(store.store.wait_for_change(0, 1))
