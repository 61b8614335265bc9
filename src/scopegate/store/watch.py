"""Waiting for change numbers: one thread looks, any number of tasks wait.

Not the feed itself (`Store.changes`): it only says that there may be something to read.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from scopegate.base import clock
from scopegate.store.port import StoreUnavailable

_PAUSE_AFTER_FAILURE_S: Final = 0.25
_BLIND_AFTER_S: Final = 3.0  # a look takes 0.25 s at most, on a database that answers


class Watch:
    """Wakes waiting tasks when a change number above theirs is seen.

    look: blocks for a moment at most, gives the number of the last change; raises StoreUnavailable. It is called from
    the watch's own thread alone, so it may keep a connection of its own.
    forget: closes what `look` keeps, from that thread, at the end and after a failure.
    """

    def __init__(self, look: Callable[[], int], forget: Callable[[], None]) -> None:
        self._look = look
        self._forget = forget
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._last = -1  # nothing seen yet
        self._looked_at = 0.0  # by the monotonic clock
        self._failure: StoreUnavailable | None = None
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def saw(self, number: int) -> None:
        """A change with this number is committed; any thread may say so."""
        with self._lock:
            if number > self._last:
                self._last = number
                self._wake()

    async def wait(self, since: int, timeout_s: float) -> bool:
        """True once a number above `since` was seen, False when the time ran out.

        Raises StoreUnavailable when a look fails meanwhile, or when none has succeeded of late: False means that there
        was nothing, never that nobody looked.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            with self._lock:
                self._start()
                if self._last > since:
                    return True
                woken: asyncio.Future[None] = loop.create_future()
                self._waiting[woken] = loop
            try:
                async with asyncio.timeout_at(deadline):
                    await woken
            except TimeoutError:
                self._raise_if_blind()
                return False
            finally:
                with self._lock:
                    self._waiting.pop(woken, None)
            self._raise_if_blind()

    def _raise_if_blind(self) -> None:
        with self._lock:
            if self._failure is not None:
                raise StoreUnavailable(str(self._failure)) from self._failure
            if clock.monotonic() - self._looked_at > _BLIND_AFTER_S:
                raise StoreUnavailable("the change feed does not answer")

    def close(self) -> None:
        """Ends the thread; blocks for one look at most."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._closing.is_set():
            raise StoreUnavailable("the store is closed")
        if self._thread is None:
            self._looked_at = clock.monotonic()
            self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                number = self._look()
            except StoreUnavailable as error:
                self._forget()
                self._fail(error)
                self._closing.wait(_PAUSE_AFTER_FAILURE_S)
            else:
                with self._lock:
                    self._failure = None
                    self._looked_at = clock.monotonic()
                self.saw(number)
        self._forget()
        self._fail(StoreUnavailable("the store is closed"))

    def _fail(self, error: StoreUnavailable) -> None:
        with self._lock:
            self._failure = error
            self._wake()

    def _wake(self) -> None:
        for woken, loop in self._waiting.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, woken)
        self._waiting.clear()


def _finish(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)
