"""Throttling of a stage or a method: a token bucket per process, best effort, as AWS describes its own.

Source: reference, "REST: API keys and usage plans" (algorithm; rate 0 refuses every request), "HTTP: fixed errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.model import ApiCall, Step


class Bucket:
    """`burst` tokens, refilled at `rate` a second; one request takes one."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    def take(self) -> bool:
        """Whether a request may pass now."""
        now = clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1 or self._rate <= 0:
            return False
        self._tokens -= 1
        return True


def compile_throttle(buckets: tuple[Bucket, ...]) -> Step | None:
    """The step that asks a route's buckets in order: the method's own, or the stage's."""
    if not buckets:
        return None

    def throttle(_call: ApiCall) -> None:
        for bucket in buckets:
            if not bucket.take():
                raise GatewayRefusal("THROTTLED", "Too Many Requests", reason="the rate limit of the stage or route")

    return throttle


def find_bucket(settings: Mapping[str, Any] | None, rate_name: str, burst_name: str) -> Bucket | None:
    """The bucket that stored settings ask for; None when they set no limit (a negative value is AWS's "no limit")."""
    rate, burst = (settings or {}).get(rate_name), (settings or {}).get(burst_name)
    if rate is None and burst is None:
        return None
    if (rate is not None and rate < 0) or (burst is not None and burst < 0):
        return None
    if rate is None:
        return Bucket(float(burst), float(burst)) if burst is not None else None
    # A limit given alone: the burst is a second's worth, one request at least.
    return Bucket(float(rate), float(burst) if burst is not None else max(1.0, float(rate)))
