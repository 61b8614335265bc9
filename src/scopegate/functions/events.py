"""Asynchronous invocations: accepted ones are rows, worked off here until they succeed, fail for good or grow too old.

A row is claimed by raising its count of tries, so that two nodes never run one try twice; a process that dies in the
middle leaves the row due again after the claim's time. The function sees the same request id on every try. The end of
an event is one transaction: its row goes and what its destination gets is a row of its own.
Source: reference, Lambda, "Event (asynchronous)".
"""

import asyncio
import contextlib
import datetime
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.references import LATEST, find_reference
from scopegate.ports import Invocation, InvocationAnswer, Invoke
from scopegate.store.documents import Document
from scopegate.store.port import Store, StoreUnavailable, Tx

_POLL_S: Final = 1.0
_BATCH: Final = 64
_CLAIM_S: Final = 960.0  # longer than any invocation
_RETRY_S: Final = (60.0, 120.0)  # after the first and the second failure
_LONGEST_PAUSE_S: Final = 300.0  # of what was throttled

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted invocation. tries: those that ended with an answer of the function."""

    request_id: str
    function_arn: str  # always with a qualifier
    accepted_at: float
    tries: int


@dataclass(frozen=True, slots=True)
class _Try:
    """What an event carries, and what the function says of its events at the moment of a try."""

    payload: bytes
    retries: int
    age_s: int
    destinations: Document  # DestinationConfig
    stopped: bool  # no concurrency is reserved: nothing will ever run


class EventWorker:
    """Works off accepted events; one per control role."""

    def __init__(self, store: Store, invoke: Invoke) -> None:
        self._store = store
        self._invoke = invoke
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}  # by request id
        self._claimed: dict[str, Event] = {}

    def wake(self) -> None:
        """An event was accepted in this process."""
        self._wake.set()

    async def work(self) -> None:
        """Until cancelled; what is in hand then is given back."""
        try:
            while True:
                await self._work()
        finally:
            await self._give_back()

    async def _work(self) -> None:
        try:
            for event in await self._due():
                task = asyncio.ensure_future(self._run(event))
                self._running[event.request_id] = task
                task.add_done_callback(functools.partial(self._forget, event.request_id))
            if len(self._running) >= _BATCH:
                await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
                return
            self._wake.clear()
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        except StoreUnavailable as error:
            log.warning("store.unavailable", reason=str(error))
            await asyncio.sleep(_POLL_S)

    def _forget(self, request_id: str, _: "asyncio.Task[None]") -> None:
        del self._running[request_id]

    async def _due(self) -> Sequence[Event]:
        rows = await self._store.read(lambda tx: queries.due_async(tx, clock.now(), _BATCH))
        events = [Event(*row) for row in rows if row[0] not in self._running]
        return events[: _BATCH - len(self._running)]

    async def _give_back(self) -> None:
        """The server stops: who works next need not wait until the claims run out."""
        for task in tuple(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        claimed, now = tuple(self._claimed.values()), clock.now()

        def transaction(tx: Tx) -> None:
            for event in claimed:
                queries.give_back_async(tx, event.request_id, now, event.tries + 1)

        if claimed:
            with contextlib.suppress(StoreUnavailable):
                await self._store.write(transaction)

    async def _run(self, event: Event) -> None:
        try:
            await self._try(event)
        except StoreUnavailable as error:
            # The claim runs out, then the event is due again.
            log.warning("store.unavailable", reason=str(error), request_id=event.request_id)
        except Exception:
            log.exception("event.failed", request_id=event.request_id, function=event.function_arn)
        self._claimed.pop(event.request_id, None)  # stays when the task is cancelled

    async def _try(self, event: Event) -> None:
        """One try, unless another process was faster.

        1 claim · 2 payload, and what the function says of its events · 3 too old, or never to run · 4 the invocation ·
        5 what comes next.
        """
        # 1
        self._claimed[event.request_id] = event
        claim = clock.now() + _CLAIM_S
        claimed = await self._store.write(lambda tx: queries.claim_async(tx, event.request_id, claim, event.tries + 1))
        if not claimed.result:
            return
        # 2
        this = await self._store.read(lambda tx: _read_try(tx, event))
        if this is None:
            await self._drop(event, "the function is gone")
            return
        # 3
        if this.stopped:
            await self._end(event, this, "ZeroReservedConcurrency", 0, None)
            return
        if clock.now() - event.accepted_at > this.age_s:
            await self._end(event, this, "EventAgeExceeded", event.tries, None)
            return
        # 4
        try:
            answer = await self._invoke(Invocation(event.function_arn, this.payload, request_id=event.request_id))
        except AwsError as error:
            if error.code != "TooManyRequestsException" and (error.status or 400) < 500:
                await self._drop(event, error.code)
                return
            # A try that did not reach the function is none: the count goes back.
            await self._put_off(event, event.tries, _growing(event))
            return
        # 5
        tries = event.tries + 1
        if answer.function_error is None:
            await self._end(event, this, "Success", tries, answer)
        elif tries <= this.retries:
            await self._put_off(event, tries, _RETRY_S[event.tries])
        else:
            await self._end(event, this, "RetriesExhausted", tries, answer)

    async def _put_off(self, event: Event, tries: int, pause_s: float) -> None:
        due = clock.now() + pause_s
        await self._store.write(lambda tx: queries.put_off_async(tx, event.request_id, due, tries))

    async def _drop(self, event: Event, reason: str) -> None:
        log.warning("event.dropped", request_id=event.request_id, function=event.function_arn, reason=reason)
        await self._store.write(lambda tx: queries.delete_async(tx, event.request_id))

    async def _end(self, event: Event, this: _Try, condition: str, tries: int, answer: InvocationAnswer | None) -> None:
        """The event is over; its destination, a function, gets the record as an event of its own."""
        on = "OnSuccess" if condition == "Success" else "OnFailure"
        destination = this.destinations.get(on, {}).get("Destination")
        if destination is None and condition != "Success":
            await self._drop(event, condition)
            return
        now = clock.now()
        record = None if destination is None else _record(event, this, condition, tries, answer, now)

        def transaction(tx: Tx) -> None:
            queries.delete_async(tx, event.request_id)
            if destination is not None and record is not None:
                queries.put_async(tx, clock.uuid4(), destination, record, now)

        await self._store.write(transaction)
        self.wake()


def _growing(event: Event) -> float:
    """Pauses between tries that did not reach the function: as long as it has waited, so they double."""
    return min(max(clock.now() - event.accepted_at, 1.0), _LONGEST_PAUSE_S)


def _read_try(tx: Tx, event: Event) -> _Try | None:
    """None when there is nothing to run any more."""
    payload = queries.find_async_payload(tx, event.request_id)
    ref = find_reference(event.function_arn)
    document = None if ref is None else queries.find_function(tx, ref)
    if payload is None or ref is None or document is None:
        return None
    kept = document.get("EventInvoke", {}).get(ref.qualifier or LATEST, {})
    return _Try(
        payload,
        kept.get("MaximumRetryAttempts", limit("functions.event_retries")),
        kept.get("MaximumEventAgeInSeconds", limit("functions.event_age_s")),
        kept.get("DestinationConfig", {}),
        document.get("Concurrency") == 0,
    )


def _record(event: Event, this: _Try, condition: str, tries: int, answer: InvocationAnswer | None, now: float) -> bytes:
    """The record that a destination gets."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function_arn,
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": _read(this.payload),
    }
    if answer is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": answer.executed_version}
        if answer.function_error is not None:
            record["responseContext"]["functionError"] = answer.function_error
        record["responsePayload"] = _read(answer.payload)
    return orjson.dumps(record)


def _read(payload: bytes) -> Any:
    """A payload as JSON; as text where a function answered something else."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")
