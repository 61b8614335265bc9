"""Pools of execution environments, and the runner that has them all.

A pool is one revision of one version of a function. It starts few environments at first, lets invocations wait in
order, and grows only when waiting costs more than starting: a burst on a cold function must not start an interpreter
per call. Idle environments stay for a while; those of an old revision end with what they have in hand.
Source: design, "Functions run as processes"; reference pages "Concurrency", "Execution environment"; attack F3, F4.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from scopegate.base import clock
from scopegate.base.errors import AwsError, SetupError
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.functions.environment import Environment
from scopegate.functions.logs import LogBook
from scopegate.functions.model import Definition, Outcome, Work
from scopegate.functions.reports import Reporter
from scopegate.functions.runtimes import Interpreter, Runtime, find_interpreter, find_runtime
from scopegate.functions.sandbox import Isolation, Sandbox, choose_isolation
from scopegate.functions.slot import InitFailure, Job, Slot

log = structlog.get_logger()

_TICK_S: Final = 0.025  # memory is read and growth decided while anything runs
_SWEEP_S: Final = 0.25  # logs are written, idle environments end
# Ticks between two readings of all processes: of a namespace, and where it means reading the machine's whole table.
_WHOLE_EVERY: Final[Mapping[Isolation, int]] = {"bwrap": 2, "user": 8, "none": 8}
_CORES: Final = os.cpu_count() or 1
_FIRST: Final = max(2, min(4, _CORES))  # environments of a cold function, however many calls wait
_STARTS: Final = max(2, _CORES)  # environments that start at the same time, of all functions
_PAYS_S: Final = 0.25  # a queue shorter than this is faster than a new environment and the memory it takes
_STUCK_S: Final = 0.5  # the first in the queue has waited so long that what runs must be slow: it may wait for us
_BUSY_SHARE: Final = 0.8  # of all cores: another environment would only share them
_SESSION_LEFT_S: Final = 60
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """data_dir: where logs go. isolated: functions do not run without isolation (production mode).

    environments: of all functions together. idle_s, spare_idle_s: until an idle one ends, where there are as few as
    cores or more. queue, queue_s: how many invocations wait for a function, and for how long.
    """

    data_dir: Path
    isolation: Literal["auto", "bwrap", "user", "none"] = "auto"
    isolated: bool = False
    strict_runtimes: bool = False
    environments: int = limit("functions.environments")
    idle_s: float = limit("functions.idle_s")
    spare_idle_s: float = limit("functions.spare_idle_s")
    queue: int = limit("functions.queue")
    queue_s: float = limit("functions.queue_s")


def runner_options(settings: Settings) -> RunnerOptions:
    """What the operator's settings mean for functions."""
    return RunnerOptions(
        data_dir=settings.data_dir,
        isolated=not settings.development and not settings.unsafe_functions,
        strict_runtimes=settings.strict_runtimes,
    )


class Pool:
    """The environments of one revision, and the invocations that wait for one. It owns its slots."""

    def __init__(
        self, runner: "Runner", definition: Definition, runtime: Runtime, interpreter: Interpreter, reporter: Reporter
    ) -> None:
        self.definition = definition
        self.slots: set[Slot] = set()
        self.idle: list[Slot] = []  # the one used last is used next: the others may end
        self.cold: list[Slot] = []
        self.jobs: deque[Job] = deque()
        self.starting = 0
        self.wanted = 0  # starts that the runner has not got to yet
        self.retired = False
        self._runner = runner
        self._runtime = runtime
        self._interpreter = interpreter
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._average_s: float | None = None
        self._grown_at = 0.0
        self._ready_at = 0.0  # when the first environment came up
        self._ticks = (0.0, 0)

    # Invocations

    def add(self, job: Job) -> None:
        """Run an invocation now, or let it wait."""
        if self.idle:
            self.idle.pop().begin(job)
            return
        if self.cold:
            self.cold.pop().begin(job)
            return
        if len(self.jobs) >= self._runner.options.queue:
            raise _too_many("ConcurrentInvocationLimitExceeded")
        self.jobs.append(job)
        if len(self.slots) + self.wanted < _FIRST and (self._average_s is None or not self.slots):
            self._runner.want_start(self)

    def next_job(self) -> Job | None:
        """The first that still waits; who has left meanwhile is passed over."""
        while self.jobs:
            job = self.jobs.popleft()
            if not job.done.done():
                return job
            self._runner.release(self.definition)
        return None

    # Slots say

    def on_idle(self, slot: Slot) -> None:
        self._end_start(slot)
        self._ready_at = self._ready_at or clock.monotonic()
        if not self._is_usable(slot):
            slot.close()
            self.replace()
            return
        job = self.next_job() if self.jobs else None
        if job is not None:
            slot.begin(job)
        elif self.retired:
            slot.close()
        else:
            slot.idle_since = clock.monotonic()
            self.idle.append(slot)

    def on_cold(self, slot: Slot) -> None:
        if slot in self.idle:
            self.idle.remove(slot)
        if not self._is_usable(slot):
            slot.close()
            self.replace()
            return
        job = self.next_job()
        if job is not None:
            slot.begin(job)
        elif self.retired:
            slot.close()
        else:
            slot.idle_since = clock.monotonic()
            self.cold.append(slot)

    def on_init_failed(self, slot: Slot, failure: InitFailure) -> None:
        """One waiting invocation has this failure: as it is, or by trying once more inside of it."""
        self._end_start(slot)
        job = self.next_job()
        if job is not None and failure.again:
            slot.begin(job)
            return
        if job is not None:
            slot.fail(job, failure)
        slot.close()
        self.replace()

    def on_done(self, slot: Slot, job: Job, duration_s: float) -> None:
        self._runner.release(self.definition)
        self._average_s = duration_s if self._average_s is None else 0.9 * self._average_s + 0.1 * duration_s
        if slot.phase == "failed":
            slot.close()
            self.replace()

    def on_closing(self, slot: Slot) -> None:
        self._end_start(slot)
        for group in (self.idle, self.cold):
            if slot in group:
                group.remove(slot)

    def on_gone(self, slot: Slot) -> None:
        self.slots.discard(slot)
        self._runner.on_gone(self)
        self.replace()

    # Growing and shrinking

    def start_one(self) -> None:
        """Start an environment. A failure to do so is an answer to the first that waits."""
        slot = Slot(
            self,
            self.definition,
            self._reporter,
            self._runner.log_book.of(self.definition.account, self.definition.region, self.definition.function_name),
        )
        self.slots.add(slot)
        self.starting += 1
        slot.is_starting = True
        self._grown_at = clock.monotonic()
        try:
            slot.start(Environment(self._runner.sandbox, self.definition, self._runtime, self._interpreter, slot))
        except Exception as error:
            log.exception("function.not_started", function=self.definition.function_arn)
            job = self.next_job()
            if job is not None:
                self._runner.release(self.definition)
                refusal = AwsError("ServiceException", "The function could not be started.", status=500)
                refusal.__cause__ = error
                job.done.set_exception(refusal)
            slot.close()

    def tick(self, now: float) -> None:
        """Give up those who wait too long; grow where it pays."""
        while self.jobs and (self.jobs[0].done.done() or now - self.jobs[0].queued_at > self._runner.options.queue_s):
            job = self.jobs.popleft()
            self._runner.release(self.definition)
            if not job.done.done():
                job.done.set_exception(_too_many("ConcurrentInvocationLimitExceeded"))
        if self.jobs and not self.starting and self._growth_pays(now):
            for _ in range(max(1, len(self.slots) // 2)):
                self._runner.want_start(self)
            self._grown_at = now

    def _growth_pays(self, now: float) -> bool:
        if not self.slots:
            return True
        if now - self._grown_at < _PAYS_S:
            return False
        waited_s = now - max(self.jobs[0].queued_at, self._ready_at)  # not for the first start, which more would delay
        expected_s = len(self.jobs) * (self._average_s or 0.0) / len(self.slots)
        if expected_s < _PAYS_S and waited_s < _STUCK_S:
            return False
        since, before = self._ticks
        ticks = sum(slot.environment.cpu_ticks() for slot in self.slots if slot.environment is not None)
        self._ticks = (now, ticks)
        if now - since > 4 * _PAYS_S:
            return True  # no recent figure: growing by one step shows
        share = (ticks - before) / _TICKS_PER_S / (now - since) / _CORES
        return share < _BUSY_SHARE

    def sweep(self, now: float) -> None:
        """End environments that have been idle for long; the ones used longest ago stand first."""
        for group in (self.idle, self.cold):
            for slot in tuple(group):
                spare = len(self.slots) > _CORES
                longest_s = self._runner.options.spare_idle_s if spare else self._runner.options.idle_s
                if now - slot.idle_since > longest_s or not self._is_usable(slot):
                    slot.close()

    def retire(self) -> None:
        """A newer revision is here: what runs or waits ends on this one, nothing stays."""
        self.retired = True
        for slot in (*self.idle, *self.cold):
            slot.close()

    def evict_one(self) -> bool:
        """End the environment that has been idle longest, to make room for another function's."""
        group = self.cold or self.idle
        if not group:
            return False
        group[0].close()
        return True

    def busy(self) -> Iterator[Slot]:
        return (slot for slot in self.slots if slot.job is not None or slot.phase == "init")

    def _is_usable(self, slot: Slot) -> bool:
        """Whether its session still lives, or there is no fresher one to replace it with."""
        expires_at = slot.session_expires_at
        return expires_at - clock.real_now() > _SESSION_LEFT_S or self.definition.session_expires_at <= expires_at

    def _end_start(self, slot: Slot) -> None:
        if slot.is_starting:
            slot.is_starting = False
            self.starting -= 1
            self._runner.on_started()

    def replace(self) -> None:
        """Somebody waits, and nothing runs or starts that could serve them."""
        if self.jobs and not self.starting and not self.wanted:
            self._runner.want_start(self)


class Runner:
    """Runs functions: every function process of this machine hangs on one runner."""

    def __init__(self, options: RunnerOptions) -> None:
        """Raises SetupError when isolation is required and there is none. Inside a running event loop."""
        self.options = options
        self._loop = asyncio.get_running_loop()
        isolation = choose_isolation(options.isolation, required=options.isolated)
        self.sandbox = Sandbox(isolation)
        self.log_book = LogBook(options.data_dir / "logs")
        self._pools: dict[str, Pool] = {}
        self._current: dict[tuple[str, str], str] = {}  # (function ARN, version) → revision
        self._in_flight: dict[str, int] = {}  # invocations by function ARN
        self._wanting: deque[Pool] = deque()
        self._starting = 0
        self._count = 0
        self._tick_number = 0
        self._tick: asyncio.TimerHandle | None = None
        self._sweep: asyncio.TimerHandle | None = self._loop.call_later(_SWEEP_S, self._on_sweep)
        self._closed = False

    @property
    def isolation(self) -> Isolation:
        return self.sandbox.isolation

    async def run(self, definition: Definition, work: Work) -> Outcome:
        """One invocation. A failure of the function is an outcome, not an exception.

        When the caller goes away (the task is cancelled) a queued invocation is dropped; one that runs goes on.
        Raises AwsError: TooManyRequestsException when reserved concurrency or the queue is used up; ServiceException
        when no environment can be started. SetupError: the machine lacks the runtime.
        """
        pool = self._pools.get(definition.revision)
        if pool is None:
            pool = await self._open_pool(definition)
        elif definition.session_expires_at > pool.definition.session_expires_at:
            pool.definition = definition
        self._reserve(definition)
        job = Job(work, self._loop.create_future(), clock.monotonic())
        try:
            pool.add(job)
        except AwsError:
            self.release(definition)
            raise
        if self._tick is None:
            self._tick = self._loop.call_later(_TICK_S, self._on_tick)
        return await job.done

    async def retire(self, revision: str) -> None:
        """End the environments of a revision; invocations in hand end on it."""
        pool = self._pools.get(revision)
        if pool is not None:
            pool.retire()
            self._drop_if_empty(pool)

    async def close(self) -> None:
        """End every environment and wait until all of them are gone."""
        self._closed = True
        for timer in (self._tick, self._sweep):
            if timer is not None:
                timer.cancel()
        self._wanting.clear()
        environments = []
        for pool in tuple(self._pools.values()):
            pool.retired = True
            for job in pool.jobs:
                if not job.done.done():
                    job.done.set_exception(AwsError("ServiceException", "The server is stopping.", status=500))
            pool.jobs.clear()
            for slot in tuple(pool.slots):
                if slot.environment is not None:
                    environments.append(slot.environment)
                slot.close()
        await asyncio.gather(*(environment.closed() for environment in environments))
        self.log_book.close()
        self.sandbox.close()

    def logs(self, account: str, region: str, function_name: str, lines: int = 100) -> list[str]:
        """The last events that a function and the platform wrote, oldest first."""
        events = self.log_book.read(account, region, function_name, lines)
        return [event.decode(errors="replace") for event in events]

    def new_logs(
        self, account: str, region: str, function_name: str, lines: int, since: int | None
    ) -> tuple[list[str], int]:
        """(what came after position `since`, else the last `lines` events; the position now)."""
        book = self.log_book
        if since is None:
            found = book.read(account, region, function_name, lines)
        else:
            found = book.read_on(account, region, function_name, since)
        position = book.position(account, region, function_name)
        return [event.decode(errors="replace") for event in found], position

    def environments(self) -> Mapping[str, tuple[int, int]]:
        """(environments, of which busy) by revision."""
        return {name: (len(pool.slots), sum(1 for _ in pool.busy())) for name, pool in self._pools.items()}

    # Pools

    async def _open_pool(self, definition: Definition) -> Pool:
        runtime = find_runtime(definition.runtime)
        if runtime is None:
            raise SetupError(f"This server does not run {definition.runtime}")
        # Looking for interpreters asks programs for their version, the first time.
        interpreter = await asyncio.to_thread(
            find_interpreter,
            definition.runtime,
            strict=self.options.strict_runtimes,
            for_everyone=self.isolation == "user",
        )
        pool = self._pools.get(definition.revision)
        if pool is None:
            reporter = Reporter(definition, interpreter.version)
            pool = self._pools[definition.revision] = Pool(self, definition, runtime, interpreter, reporter)
            key = (definition.function_arn, definition.version)
            older = self._pools.get(self._current.get(key, ""))
            self._current[key] = definition.revision
            if older is not None:
                older.retire()
                self._drop_if_empty(older)
        return pool

    def _drop_if_empty(self, pool: Pool) -> None:
        if pool.retired and not pool.slots and not pool.jobs:
            self._pools.pop(pool.definition.revision, None)

    def _reserve(self, definition: Definition) -> None:
        running = self._in_flight.get(definition.function_arn, 0)
        if definition.reserved_concurrency is not None and running >= definition.reserved_concurrency:
            raise _too_many("ReservedFunctionConcurrentInvocationLimitExceeded")
        self._in_flight[definition.function_arn] = running + 1

    def release(self, definition: Definition) -> None:
        """One invocation less."""
        left = self._in_flight[definition.function_arn] - 1
        if left:
            self._in_flight[definition.function_arn] = left
        else:
            del self._in_flight[definition.function_arn]

    # Starting, a few at a time, in the order of asking

    def want_start(self, pool: Pool) -> None:
        if not self._closed:
            self._wanting.append(pool)
            pool.wanted += 1
            self._start_wanted()

    def on_started(self) -> None:
        self._starting -= 1
        self._start_wanted()

    def on_gone(self, pool: Pool) -> None:
        self._count -= 1
        self._drop_if_empty(pool)
        self._start_wanted()

    def _start_wanted(self) -> None:
        while self._wanting and self._starting < _STARTS and not self._closed:
            pool = self._wanting[0]
            if len(pool.jobs) <= pool.starting:
                self._wanting.popleft()  # nobody waits for it any more
                pool.wanted -= 1
                continue
            if self._count >= self.options.environments:
                self._make_room(pool)  # the start follows when that environment is gone
                return
            self._wanting.popleft()
            pool.wanted -= 1
            self._count += 1
            self._starting += 1
            pool.start_one()

    def _make_room(self, pool: Pool) -> None:
        for other in tuple(self._pools.values()):
            if other is not pool and other.evict_one():
                return

    # Time

    def _on_tick(self) -> None:
        self._tick = None
        now = clock.monotonic()
        self._tick_number += 1
        whole = self._tick_number % _WHOLE_EVERY[self.isolation] == 0
        active = False
        for pool in tuple(self._pools.values()):
            for slot in tuple(pool.busy()):
                active = True
                with contextlib.suppress(OSError):
                    slot.check_usage(whole=whole)
            if pool.jobs:
                active = True
                pool.tick(now)
        if active and not self._closed:
            self._tick = self._loop.call_later(_TICK_S, self._on_tick)

    def _on_sweep(self) -> None:
        now = clock.monotonic()
        self.log_book.flush()
        for pool in tuple(self._pools.values()):
            pool.sweep(now)
        self._sweep = self._loop.call_later(_SWEEP_S, self._on_sweep)


def _too_many(reason: str) -> AwsError:
    members = {"Reason": reason, "Type": "User"}
    return AwsError("TooManyRequestsException", "Rate Exceeded.", status=429, members=members)
