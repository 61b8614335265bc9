"""The World: every definition that the data plane reads, compiled and frozen, replaced by one assignment.

Each family compiles its own view (`compile_all`, `compile_changed`); this module follows the store's change feed and
swaps views. A reader takes `holder.world` once and sees one state; a writer waits until its change is in.
Source: design, "State is of two kinds" and "Static stability".
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

import structlog

import scopegate.account.compile as account
import scopegate.functions.compile as functions
import scopegate.gateway.compile as gateway
import scopegate.userpools.compile as userpools
from scopegate.base import clock
from scopegate.ports import CompileContext
from scopegate.store.port import Store, StoreUnavailable, Tx

_POLL_S: Final = 0.5
_SILENT_S: Final = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class World:
    """One state of all definitions. change: the number of the last change that is in it."""

    change: int
    userpools: userpools.View
    gateway: gateway.View
    functions: functions.View
    account: account.View


class WorldHolder:
    """The current World of one process, and the only writer of it."""

    def __init__(self, store: Store, context: CompileContext) -> None:
        self._store = store
        self._context = context
        self._lock = asyncio.Lock()
        self._heard_at = clock.monotonic()
        self._world: World | None = None

    @property
    def world(self) -> World:
        if self._world is None:
            raise RuntimeError("the World is read before it is loaded")
        return self._world

    @property
    def fresh(self) -> bool:
        """Whether the change feed was heard in the last seconds; readiness answers 503 when not."""
        return clock.monotonic() - self._heard_at < _SILENT_S

    async def load(self) -> None:
        """Compile everything from the store; at start."""
        context = self._context
        # The number is taken first: what changes while the views are read is compiled once more by the feed.
        change = await self._store.last_change()

        def compile_all(tx: Tx) -> World:
            return World(
                change,
                userpools.compile_all(tx, context),
                gateway.compile_all(tx, context),
                functions.compile_all(tx, context),
                account.compile_all(tx, context),
            )

        self._world = await self._store.read(compile_all)
        self._heard_at = clock.monotonic()

    async def catch_up(self, until: int) -> None:
        """Bring the World to change `until` at least."""
        if self.world.change >= until:
            return
        async with self._lock:
            world = self.world
            if world.change >= until:
                return
            changes = await self._store.changes(world.change)
            self._heard_at = clock.monotonic()
            if not changes:
                return

            def compile_changed(tx: Tx) -> World:
                new = world
                touched = {change.kind for change in changes}
                for name, family in (
                    ("userpools", userpools),
                    ("gateway", gateway),
                    ("functions", functions),
                    ("account", account),
                ):
                    if touched & family.KINDS:
                        mine = [change for change in changes if change.kind in family.KINDS]
                        view = family.compile_changed(tx, getattr(new, name), mine, self._context)
                        new = replace(new, **{name: view})
                return new

            compiled = await self._store.read(compile_changed)
            self._world = replace(compiled, change=changes[-1].number)

    async def follow(self) -> None:
        """Follow the change feed until cancelled: the bound between nodes, where no acknowledgement is waited for."""
        while True:
            try:
                await self._store.wait_for_change(self.world.change, _POLL_S)
                last = await self._store.last_change()
                self._heard_at = clock.monotonic()
                await self.catch_up(last)
            except StoreUnavailable as error:
                log.warning("store.unavailable", reason=str(error))
                await asyncio.sleep(_POLL_S)
            except Exception:  # a flow begins here: this node must not stop hearing for one definition it cannot read
                log.exception("world.not_compiled")
                await asyncio.sleep(_POLL_S)
