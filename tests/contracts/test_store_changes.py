"""The feed of changes: numbers that grow, seen in order, heard of soon."""

import asyncio
import time

import pytest

from scopegate.base.settings import Settings
from scopegate.store.open import prepare
from scopegate.store.port import Change, Tx
from tests.contracts.store_driver import Driver, opened, process, put_many, putting

SOON_S = 5.0  # a bound against hanging; how soon is soon stands in the tests that say so


def test_a_write_says_the_number_of_its_last_change(store: Driver) -> None:
    first = store.write(putting("a")).change
    nothing = store.write(lambda _: None).change
    second = store.write(lambda tx: (putting("b")(tx), putting("c")(tx), putting("b")(tx))).change

    assert nothing is None
    assert first is not None
    assert second is not None
    assert [(change.kind, change.key) for change in store.changes()] == [("role", "a"), ("role", "b"), ("role", "c")]
    assert store.changes(first) == store.changes()[1:]
    assert store.changes()[-1] == Change(second, "role", "c")
    assert store.run(store.store.last_change()) == second


def test_an_empty_feed_begins_at_nothing(store: Driver) -> None:
    assert (store.run(store.store.last_change()), store.changes()) == (0, [])


def test_change_and_row_become_visible_together(store: Driver, prepared: Settings) -> None:
    with opened(prepared) as other:
        number = store.write(putting("a")).change
        assert other.changes() == [Change(number or 0, "role", "a")]


def test_numbers_become_visible_in_order_under_writers_of_several_processes(store: Driver, prepared: Settings) -> None:
    """A reader that has seen number n never meets a smaller one later: it would have missed that change."""
    writers = [process(put_many, prepared, f"w{number}", 60) for number in range(3)]
    seen: list[Change] = []
    while any(writer.is_alive() for writer in writers):
        seen += store.changes(seen[-1].number if seen else 0)
    seen += store.changes(seen[-1].number if seen else 0)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(seen) == 180
    assert seen == store.changes()


def test_waiting_returns_at_once_when_there_is_something_newer(store: Driver) -> None:
    number = store.write(putting("a")).change or 0

    assert store.run(store.store.wait_for_change(number - 1, SOON_S)) is True


def test_waiting_ends_when_the_time_runs_out(store: Driver) -> None:
    number = store.write(putting("a")).change or 0

    assert store.run(store.store.wait_for_change(number, 0.05)) is False


@pytest.mark.parametrize("waiters", [1, 5])
def test_a_change_of_another_store_wakes_everyone_who_waits(store: Driver, prepared: Settings, waiters: int) -> None:
    async def race(other: Driver) -> float:
        number = await store.store.last_change()
        waiting = [asyncio.create_task(store.store.wait_for_change(number, SOON_S)) for _ in range(waiters)]
        await asyncio.sleep(0.1)  # the watch is at rest by now; right either way
        await other.store.write(putting("a"))
        written = time.monotonic()
        assert await asyncio.gather(*waiting) == [True] * waiters
        return time.monotonic() - written

    with opened(prepared) as other:
        # Notified in 1 ms, polled in 40 ms; the bound between nodes is one second.
        assert min(store.run(race(other)) for _ in range(3)) < 0.1


def test_starting_again_keeps_the_newest_change_of_each_definition(store: Driver, prepared: Settings) -> None:
    for _ in range(3):
        store.write(putting("a"))
        store.write(putting("b"))
    before = store.changes()

    prepare(prepared)

    assert store.changes() == before[-2:]
    assert store.changes(before[2].number) == before[-2:]
    assert (store.write(putting("a")).change or 0) > before[-1].number


def test_numbers_grow_even_when_old_changes_are_gone(store: Driver) -> None:
    from sqlalchemy import delete

    from scopegate.store.tables import changes

    last = store.write(putting("a")).change or 0

    def forget(tx: Tx) -> None:
        tx.sql.execute(delete(changes))

    store.write(forget)

    assert (store.write(putting("b")).change or 0) > last
