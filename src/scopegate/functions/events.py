"""Asynchronous invocations: accepted ones are rows, worked off here, at most three times each.

A row is claimed by raising its count of tries, so that two nodes never run one try twice; a process that dies in the
middle leaves the row due again after the claim's time. The function sees the same request id on every try.
Source: reference, Lambda, "Event (asynchronous)".
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.ports import Invocation, Invoke
from scopegate.store.port import Store, StoreUnavailable

_POLL_S: Final = 1.0
_BATCH: Final = 16
_CLAIM_S: Final = 960.0  # longer than any invocation
_RETRY_S: Final = (60.0, 120.0)  # after the first and the second failure
_THROTTLED_S: Final = 5.0
_LONGEST_S: Final = 6 * 3600.0

Event = tuple[str, str, bytes, float, int]  # as queries.due_async gives them

log = structlog.get_logger()


class EventWorker:
    """Works off accepted events; one per control role."""

    def __init__(self, store: Store, invoke: Invoke) -> None:
        self._store = store
        self._invoke = invoke
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """An event was accepted in this process."""
        self._wake.set()

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            try:
                for event in await self._due():
                    task = asyncio.ensure_future(self._run(*event))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                if len(self._running) >= _BATCH:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                self._wake.clear()
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            except StoreUnavailable as error:
                log.warning("store.unavailable", reason=str(error))
                await asyncio.sleep(_POLL_S)

    async def _due(self) -> Sequence[Event]:
        room = max(_BATCH - len(self._running), 1)
        return await self._store.read(lambda tx: queries.due_async(tx, clock.now(), room))

    async def _run(self, request_id: str, function_arn: str, payload: bytes, accepted_at: float, tries: int) -> None:
        claim = clock.now() + _CLAIM_S
        claimed = await self._store.write(lambda tx: queries.claim_async(tx, request_id, claim, tries + 1))
        if not claimed.result:
            return
        pause: float | None = None
        try:
            answer = await self._invoke(Invocation(function_arn, payload, request_id=request_id))
            if answer.function_error is not None and tries < len(_RETRY_S):
                pause = _RETRY_S[tries]
        except AwsError as error:
            if error.code == "TooManyRequestsException" and clock.now() - accepted_at < _LONGEST_S:
                # A throttled try is none: the count goes back.
                await self._put_off(request_id, tries, _THROTTLED_S)
                return
            log.warning("event.dropped", request_id=request_id, function=function_arn, code=error.code)
        if pause is None:
            await self._store.write(lambda tx: queries.delete_async(tx, request_id))
        else:
            await self._put_off(request_id, tries + 1, pause)

    async def _put_off(self, request_id: str, tries: int, pause_s: float) -> None:
        due = clock.now() + pause_s
        await self._store.write(lambda tx: queries.put_off_async(tx, request_id, due, tries))
