"""How often API keys called, counted by all processes of all nodes together.

Each process counts in memory and adds what is new to the store every half second, where it learns what the others
added. So a quota may be overrun by what the processes let through within that time, and a process that is killed
forgets what it had not added yet. A key is looked up once when it is first seen in a period; no call waits otherwise.
With the database gone, calls go on, counted from what this process knows; what it counted is added when the database
is back.
Source: design, "Static stability"; attack rows G21, U3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.usage import day_of
from scopegate.ports import Use
from scopegate.store.port import Store, StoreUnavailable, Tx

_INTERVAL_S: Final = limit("gateway.usage_interval_ms") / 1000
_LOOK_UP_S: Final = limit("gateway.usage_look_up_ms") / 1000
_KEPT_DAYS: Final = limit("gateway.rest.usage_days")
_REMEMBERED: Final = limit("gateway.remembered_uses")
_UNKNOWN: Final = -1

log = structlog.get_logger()


class _Count:
    """Uses of one key under one plan. since: the day from which `uses` counts, -1 when the store was never asked.

    pending: of `uses`, what is not in the store yet, by day.
    """

    __slots__ = ("pending", "since", "uses")

    def __init__(self, since: int, uses: int, pending: dict[int, int]) -> None:
        self.since = since
        self.uses = uses
        self.pending = pending

    def add(self, day: int, allowed: int | None) -> bool:
        if allowed is not None and self.uses >= allowed:
            return False
        self.uses += 1
        self.pending[day] = self.pending.get(day, 0) + 1
        return True

    def learn(self, since: int, stored: int) -> None:
        """Begin anew from what the store says, and what it cannot know yet."""
        self.since = since
        self.uses = stored + sum(uses for day, uses in self.pending.items() if day >= since)


class Meter:
    """The counts of one process. `count_use` is the port of that name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[Use, _Count] = {}
        self._touched: dict[Use, None] = {}  # since the last exchange with the store
        self._look_ups: dict[Use, asyncio.Task[None]] = {}
        self._exchange = asyncio.Lock()
        self._swept_on = -1

    def count_use(self, use: Use, day: int, since: int, allowed: int | None) -> bool | Awaitable[bool]:
        """`ports.CountUse`."""
        count = self._counts.get(use)
        if count is None:
            count = self._counts[use] = _Count(_UNKNOWN, 0, {})
            self._forget_some()
        if allowed is not None and count.since != since:
            return self._look_up_first(use, count, day, since, allowed)
        self._touched[use] = None
        return count.add(day, allowed)

    async def _look_up_first(self, use: Use, count: _Count, day: int, since: int, allowed: int) -> bool:
        task = self._look_ups.get(use)
        if task is None:
            task = self._look_ups[use] = asyncio.ensure_future(self._look_up(use, count, since))
            task.add_done_callback(lambda _: self._look_ups.pop(use, None))
        await asyncio.shield(task)
        self._touched[use] = None
        return count.add(day, allowed)

    async def _look_up(self, use: Use, count: _Count, since: int) -> None:
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                stored = await self._store.read(lambda tx: queries.sum_uses(tx, use, since))
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("usage.not_looked_up", reason=str(error) or "the database is slow")
            stored = 0
        count.learn(since, stored)

    def _forget_some(self) -> None:
        """The longest known go first; what is pending stays."""
        if len(self._counts) <= _REMEMBERED:
            return
        for use, count in list(self._counts.items())[: _REMEMBERED // 8]:
            if not count.pending and use not in self._look_ups:
                del self._counts[use]

    async def keep(self) -> None:
        """Exchange counts with the store until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                # Who is cancelled must not cut an exchange off: what is written already would be added again.
                await asyncio.shield(asyncio.ensure_future(self.flush()))
            except StoreUnavailable as error:
                log.warning("usage.not_added", reason=str(error))
            except Exception:  # a flow begins here: the next exchange may succeed
                log.exception("usage.failed")

    async def flush(self) -> None:
        """Add what was counted, and learn what others counted, of the keys that called. Raises StoreUnavailable."""
        async with self._exchange:
            await self._flush()

    async def _flush(self) -> None:
        touched, self._touched = self._touched, {}
        counts = {use: count for use in touched if (count := self._counts.get(use)) is not None}
        if not counts:
            return
        added = {use: dict(count.pending) for use, count in counts.items()}
        rows = [(use, day, uses) for use, pending in added.items() for day, uses in pending.items()]
        asked = {use: count.since for use, count in counts.items() if count.since != _UNKNOWN}
        today = day_of(clock.now())

        def exchange(tx: Tx) -> dict[Use, int]:
            if rows:
                queries.add_uses(tx, rows)
            if self._swept_on != today and rows:
                queries.drop_uses(tx, before=today - _KEPT_DAYS)
            return {use: queries.sum_uses(tx, use, since) for use, since in asked.items()}

        try:
            if rows:
                stored = (await self._store.write(exchange)).result
                self._swept_on = today
            else:
                stored = await self._store.read(exchange)
        except BaseException:
            self._touched = touched | self._touched
            raise
        for use, count in counts.items():
            for day, uses in added[use].items():
                left = count.pending.pop(day) - uses
                if left:
                    count.pending[day] = left
            if use in asked and count.since == asked[use]:
                count.learn(asked[use], stored[use])
