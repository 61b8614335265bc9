"""A value that is on its way: what a Future is, but that whoever waits goes on in the same turn of the event loop.

A call that is sent on waits once, for the upstream; a task and two turns of the loop for that cost as much as reading
the request. Whoever has a coroutine already awaits it.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Later(Generic[T]):
    """One value or one error, for one who waits. Belongs to the event loop's thread.

    done: whether it has come, or nobody waits any more; what comes after that is dropped.
    """

    __slots__ = ("_callback", "_error", "_value", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callback: Callable[[Later[T]], None] | None = None

    def then(self, callback: "Callable[[Later[T]], None]") -> None:
        """Call `callback` when the value or error comes, at once when it is there. It must not raise."""
        if self.done:
            callback(self)
        else:
            self._callback = callback

    def result(self) -> T:
        """The value. Raises the error that came instead."""
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def give(self, value: T) -> None:
        if not self.done:
            self._value = value
            self._finish()

    def fail(self, error: BaseException) -> None:
        if not self.done:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        self.done = True
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(self)

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.then(lambda _: None if woken.done() else woken.set_result(None))
            try:
                yield from woken.__await__()
            finally:
                self.done = True  # whoever waited was cancelled: it is no longer wanted
        return self.result()
