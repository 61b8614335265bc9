"""How often something may happen: token buckets by key, in bounded memory, one table per process.

What is counted, and what the answer is when a bucket is empty, is decided by who asks.
"""

from collections.abc import Hashable
from typing import Final

from scopegate.base import clock

_KEYS: Final = 65_536


class Rates:
    """Token buckets. A key never seen has a full bucket; when too many keys are kept, the stalest is dropped."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # key → (tokens, monotonic seconds)

    def _tokens(self, key: Hashable, per_second: float, burst: float, now: float) -> float:
        tokens, then = self._buckets.get(key, (burst, now))
        return min(burst, tokens + (now - then) * per_second)

    def take(self, key: Hashable, *, per_second: float, burst: float) -> bool:
        """Take one token; False, and nothing taken, when there is none."""
        now = clock.monotonic()
        tokens = self._tokens(key, per_second, burst, now)
        if tokens < 1:
            return False
        self._buckets.pop(key, None)
        self._buckets[key] = (tokens - 1, now)
        if len(self._buckets) > _KEYS:
            del self._buckets[next(iter(self._buckets))]
        return True

    def is_empty(self, key: Hashable, *, per_second: float, burst: float) -> bool:
        """Whether `take` would say False now."""
        return key in self._buckets and self._tokens(key, per_second, burst, clock.monotonic()) < 1
