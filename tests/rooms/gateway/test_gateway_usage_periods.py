"""Periods of quotas and grants within them, as plain arithmetic. Source: botocore, QuotaSettings."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.gateway.model import Grant, Quota
from scopegate.gateway.usage import allowance, date_of, day_of, parse_date, start_of

DAYS = st.integers(0, 40_000)
PERIODS = st.sampled_from(("DAY", "WEEK", "MONTH"))


def on(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


@given(PERIODS, DAYS)
def test_a_period_begins_once_and_lies_behind(period: str, day: int) -> None:
    start = start_of(period, day)

    assert start <= day
    assert start_of(period, start) == start
    assert all(start_of(period, between) == start for between in range(start, day + 1))


@given(DAYS)
def test_weeks_begin_on_sunday_and_months_on_the_first(day: int) -> None:
    assert on(start_of("WEEK", day)).isoweekday() == 7
    assert on(start_of("MONTH", day)) == on(day).replace(day=1)
    assert start_of("DAY", day) == day


@given(st.floats(0, 4_000_000_000))
def test_days_are_utcs(moment: float) -> None:
    day = day_of(moment)

    assert on(day) == datetime.fromtimestamp(int(moment), UTC).date()
    assert parse_date(date_of(day)) == day


@pytest.mark.parametrize("text", ["", "2026-13-01", "2026-02-30", "tomorrow", "2026-01-01T00:00:00", "1796083200"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_date(text)


@pytest.mark.parametrize(
    ("since", "grant", "calls"),
    [
        (10, None, 7),
        (11, None, 10),
        (11, Grant(11, 5), 15),
        (12, Grant(11, 5), 10),
        (11, Grant(11, -4), 6),
    ],
)
def test_offset_and_grant_are_of_one_period(since: int, grant: Grant | None, calls: int) -> None:
    assert allowance(Quota(10, "DAY", offset=3, first=10), grant, since) == calls
