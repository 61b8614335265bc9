"""Moments as API Gateway writes them, each second written once.

Source: reference, "Lambda proxy event payloads" (requestTime) and "REST: COGNITO_USER_POOLS" (claims as Java dates).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

# strftime follows the locale; API Gateway is always English.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@lru_cache(maxsize=8)
def _request_time(second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year:04}:{at.hour:02}:{at.minute:02}:{at.second:02} +0000"


def request_time(moment: float) -> str:
    """`17/Jun/2024:15:00:26 +0000`; moment in epoch seconds."""
    return _request_time(int(moment))


def java_date(moment: float) -> str:
    """`Tue Jun 18 15:00:04 UTC 2024`, as Java's Date.toString in UTC. Raises ValueError beyond the calendar."""
    try:
        at = datetime.fromtimestamp(moment, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(moment) from error
    return (
        f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day:02}"
        f" {at.hour:02}:{at.minute:02}:{at.second:02} UTC {at.year:04}"
    )
