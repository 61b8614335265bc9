"""Token buckets: what passes, when it passes again, and that memory is bounded."""

import pytest

from scopegate.base import clock, rates
from scopegate.base.rates import Rates


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    return moment


def test_a_full_bucket_gives_its_burst_and_no_more(now: list[float]) -> None:
    table = Rates()

    assert [table.take("key", per_second=1, burst=3) for _ in range(5)] == [True, True, True, False, False]
    assert table.is_empty("key", per_second=1, burst=3)


def test_a_bucket_fills_with_time_up_to_its_burst(now: list[float]) -> None:
    table = Rates()
    for _ in range(3):
        table.take("key", per_second=0.5, burst=3)

    now[0] += 2
    assert [table.take("key", per_second=0.5, burst=3) for _ in range(2)] == [True, False]

    now[0] += 1000
    assert [table.take("key", per_second=0.5, burst=3) for _ in range(4)] == [True, True, True, False]


def test_keys_do_not_notice_each_other(now: list[float]) -> None:
    table = Rates()
    table.take("one", per_second=1, burst=1)

    assert not table.is_empty("other", per_second=1, burst=1)
    assert table.take("other", per_second=1, burst=1)


def test_the_table_is_bounded_and_the_stalest_goes_first(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_KEYS", 3)
    table = Rates()
    for key in ("old", "b", "c", "d"):
        table.take(key, per_second=1, burst=1)

    assert not table.is_empty("old", per_second=1, burst=1)
    assert all(table.is_empty(key, per_second=1, burst=1) for key in "bcd")
