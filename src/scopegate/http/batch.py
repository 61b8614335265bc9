"""Writes of one turn of the event loop, made together at its end.

Each write on its own wakes whoever waits for it, on another core, and a wake-up costs as much as the write; a peer that
is awake finds the next write without one. What is held is little, and held for a millisecond at the most.
"""

import asyncio
from typing import Final

from scopegate.base import clock

_MOST_BYTES: Final = 65_536  # then what is there goes at once, and flow control has its say
_LONGEST_NS: Final = 1_000_000


class WriteBatch:
    """Whoever closes a transport, or writes to it directly, calls `flush` before, so that the order is kept."""

    __slots__ = ("_begun_ns", "_loop", "_pending", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: list[tuple[asyncio.Transport, bytes]] = []
        self._size = 0
        self._begun_ns = 0

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` at the end of this turn, or before when much is held or the turn is long."""
        pending = self._pending
        now_ns = clock.monotonic_ns()
        if not pending:
            self._loop.call_soon(self.flush)
            self._begun_ns = now_ns
        pending.append((transport, data))
        self._size += len(data)
        if self._size > _MOST_BYTES or now_ns - self._begun_ns > _LONGEST_NS:
            self.flush()

    def flush(self) -> None:
        """Write what is held now."""
        pending = self._pending
        if not pending:
            return
        self._pending = []
        self._size = 0
        for transport, data in pending:
            if not transport.is_closing():
                transport.write(data)
