"""One execution environment at work: which invocation it has, what its process's events mean for it.

    cold → (start) init → (next) idle → (event) busy → (response) after → (next) idle …
                                 cold → (event) busy_init → (next) busy …

Source: reference pages "Process behaviour", "Produced by the platform", "Text format, exact lines".
"""

import asyncio
import errno
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.functions import proc, reports
from scopegate.functions.environment import Environment, Exit
from scopegate.functions.logs import FunctionLog, LineReader
from scopegate.functions.model import Definition, Outcome, Work
from scopegate.functions.reports import Reporter
from scopegate.functions.runtime_api import Answer

log = structlog.get_logger()

_TAIL_BYTES: Final = limit("functions.log_tail_bytes")
_OUTPUT_BYTES: Final = limit("functions.log_bytes")
_PROCESSES: Final = limit("functions.running_processes")
_KILLED: Final = reports.exit_message(signal.SIGKILL)
_SAMPLE_S: Final = 0.1  # how old the memory figure of a REPORT line may be


class Job:
    """One invocation on its way: queued, running or done."""

    __slots__ = ("done", "events", "init_ms", "logged_bytes", "queued_at", "started_at", "work")

    def __init__(self, work: Work, done: "asyncio.Future[Outcome]", queued_at: float) -> None:
        self.work = work
        self.done = done
        self.queued_at = queued_at
        self.started_at = 0.0
        self.init_ms: float | None = None
        self.events: list[bytes] | None = [] if work.log_tail else None
        self.logged_bytes = 0


class Owner(Protocol):
    """The pool that a slot belongs to."""

    def on_idle(self, slot: "Slot") -> None:
        """The slot's process waits for an event."""

    def on_cold(self, slot: "Slot") -> None:
        """The slot's process ended; its environment could start another."""

    def on_init_failed(self, slot: "Slot", failure: "InitFailure") -> None:
        """No process came up, outside any invocation."""

    def on_done(self, slot: "Slot", job: Job, duration_s: float) -> None: ...

    def on_closing(self, slot: "Slot") -> None:
        """The slot's environment is about to end: it takes no invocation any more."""

    def on_gone(self, slot: "Slot") -> None:
        """The slot's environment ended."""


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why no process came up. document: what it posted itself. again: it may be tried once more, in an invocation."""

    status: str
    error_type: str
    message: str
    document: bytes | None = None
    again: bool = False


class Slot:
    """See the module. It is the listener of its environment."""

    __slots__ = (
        "_allowed_kb",
        "_deadline",
        "_definition",
        "_dropped",
        "_init_started_at",
        "_init_timer",
        "_lines",
        "_log",
        "_loop",
        "_owner",
        "_reporter",
        "_sampled_at",
        "_starting",
        "_timer",
        "_verdict",
        "_warm_init_ms",
        "_weighing",
        "environment",
        "idle_since",
        "is_starting",
        "job",
        "max_kb",
        "phase",
    )

    def __init__(self, owner: Owner, definition: Definition, reporter: Reporter, log: FunctionLog) -> None:
        self._owner = owner
        self._definition = definition
        self._allowed_kb = definition.memory_mb * 1024
        self._reporter = reporter
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lines = LineReader()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._init_timer: asyncio.TimerHandle | None = None
        self._init_started_at = 0.0
        self._warm_init_ms: float | None = None
        self._verdict: tuple[str, str, str] | None = None  # status, error type, message: why we ended the process
        self._sampled_at = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._weighing: asyncio.Task[None] | None = None
        self._dropped = False
        self.is_starting = False
        self.environment: Environment | None = None
        self.phase = "cold"
        self.job: Job | None = None
        self.idle_since = 0.0
        self.max_kb = 0

    # What the pool says

    def start(self, environment: Environment) -> None:
        """Raise the environment and start its process, before any invocation has it."""
        environment.open()
        self.environment = environment
        self.phase = "init"
        self._write(self._reporter.init_start(clock.now()))
        self._init_timer = self._loop.call_later(limit("functions.init_timeout_s"), self._on_init_timeout)
        self._start_process()

    def begin(self, job: Job) -> None:
        """Run an invocation. A cold slot starts its process first, inside the invocation and its timeout."""
        assert self.environment is not None
        now = clock.monotonic()
        self.job = job
        job.started_at = now
        job.init_ms, self._warm_init_ms = self._warm_init_ms, None
        self._dropped = False
        self._deadline = now + self._definition.timeout_s
        if self._timer is None:
            self._timer = self._loop.call_later(self._definition.timeout_s, self._on_timer)
        self._write(self._reporter.start(clock.now(), job.work.request_id, job.work.trace_id))
        if self.phase == "cold":
            self.phase = "busy_init"
            self._start_process()
        else:
            self._deliver(job)

    def fail(self, job: Job, failure: InitFailure) -> None:
        """Answer an invocation with the failure of an init that was made for it."""
        self.phase = "failed"
        self.job = job
        job.started_at = clock.monotonic()
        self._write(self._reporter.start(clock.now(), job.work.request_id, job.work.trace_id))
        if failure.document is None:
            self._finish_failure(failure.status, failure.error_type, failure.message)
        else:
            self._finish(job, failure.document, "Unhandled", failure.error_type, failure.status)

    @property
    def session_expires_at(self) -> int:
        return self._definition.session_expires_at

    def close(self) -> None:
        """End the environment. An invocation that it has fails as if the process had been killed."""
        if self.phase == "closed":
            return
        self.phase = "closed"
        self._owner.on_closing(self)
        self._cancel_timers()
        if self.environment is None:
            self._owner.on_gone(self)
            return
        if self.job is not None:
            self._finish_failure("error", "Runtime.ExitError", _KILLED)
        self.environment.close()

    def check_usage(self, *, whole: bool) -> None:
        """Read what the environment uses, and end its process when that is more than the function may.

        whole: all of its processes; otherwise the runtime's alone.
        """
        assert self.environment is not None
        if self._verdict is not None:
            return
        self._sampled_at = clock.monotonic()
        processes = self.environment.processes() if whole else []
        if len(processes) > _PROCESSES:
            self._write(b"This function was ended at more than %d processes.\n" % _PROCESSES)
            self._end("error", "Runtime.ExitError", _KILLED)
        elif len(processes) > 1 and sum(size for size, _ in processes) > self._allowed_kb:
            if self._weighing is None or self._weighing.done():
                paths = [path for _, path in processes]
                self._weighing = self._loop.create_task(self._weigh(self.environment, paths))
        else:
            self._check_memory(sum(size for size, _ in processes) or self.environment.resident_kb())

    async def _weigh(self, environment: Environment, processes: list[str]) -> None:
        """Without the pages that processes share it may not be too much."""
        exchange = environment.exchange
        used_kb = await asyncio.to_thread(proc.proportional_kb_of_all, processes, self._allowed_kb)
        if environment.exchange is exchange:
            self._check_memory(used_kb)

    def _check_memory(self, used_kb: int) -> None:
        self.max_kb = max(self.max_kb, used_kb)
        if used_kb > self._allowed_kb:
            self._end("error", "Runtime.OutOfMemory", _KILLED)

    # What the environment says

    def on_ready(self) -> None:
        if self._verdict is not None:
            return
        if self.phase == "after":
            self.phase = "idle"
            self._owner.on_idle(self)
        elif self.phase == "init":
            self._cancel_timers()
            self._warm_init_ms = (clock.monotonic() - self._init_started_at) * 1000
            self.phase = "idle"
            self._owner.on_idle(self)
        elif self.phase == "busy_init" and self.job is not None:
            self._deliver(self.job)

    def on_answer(self, answer: Answer) -> None:
        if answer.kind == "init_error":
            self._on_init_error(answer)
            return
        job = self.job
        if self.phase != "busy" or job is None:
            return  # late: its invocation is over
        self.phase = "after"
        if answer.kind == "response":
            self._finish(job, answer.body, None, None, "success", answer.content_type)
        elif answer.kind == "too_large":
            self._finish(job, reports.TOO_LARGE, "Unhandled", "Function.ResponseSizeTooLarge", "error")
        else:
            # The runtime named it; the platform takes the body as it is.
            self._finish(job, answer.body, "Unhandled", answer.error_type, "error")

    def on_output(self, data: bytes) -> None:
        job = self.job
        if job is not None:
            job.logged_bytes += len(data)
            if job.logged_bytes > _OUTPUT_BYTES:
                self._drop_output(job)
                return
        self._add_events(self._lines.feed(data))

    def on_exit(self, ended: Exit) -> None:
        self._add_events(self._lines.end())
        verdict, self._verdict = self._verdict, None
        phase = self.phase
        if phase == "closed":
            return
        status, error_type, message = verdict or self._read_exit(ended)
        assert self.environment is not None
        self._cancel_timers()
        self.phase = "cold"
        if phase == "init":
            self._report_init("init", status, error_type)
            again = self.environment.is_open and error_type != "Runtime.InvalidEntrypoint"
            self._owner.on_init_failed(self, InitFailure(status, error_type, message, again=again))
            return
        if self.job is not None:
            if phase == "busy_init":
                self._report_init("invoke", status, error_type)
            self._finish_failure(status, error_type, message)
        if self.environment.is_open:
            self._owner.on_cold(self)
        else:
            self.close()

    def on_closed(self) -> None:
        if self.phase != "closed":
            self.phase = "closed"
            self._owner.on_closing(self)
        self._owner.on_gone(self)

    # Inside

    def _start_process(self) -> None:
        assert self.environment is not None
        self._init_started_at = clock.monotonic()
        self.max_kb = 0
        self._starting = self._loop.create_task(self._start(self.environment))

    async def _start(self, environment: Environment) -> None:
        try:
            await environment.start()
        except OSError as error:
            reason = str(error)
            log.warning("function.not_started", function=self._definition.function_arn, reason=reason)
            environment.close()
            self.on_exit(Exit(127 << 8))

    def _deliver(self, job: Job) -> None:
        assert self.environment is not None
        assert self.environment.exchange is not None
        self.phase = "busy"
        work = job.work
        left_s = self._definition.timeout_s - (clock.monotonic() - job.started_at)
        request_id = work.request_id.encode()
        trace = b"" if work.trace_id is None else b"Lambda-Runtime-Trace-Id: %b\r\n" % _one_line(work.trace_id)
        if work.client_context is not None:
            trace += b"Lambda-Runtime-Client-Context: %b\r\n" % _one_line(work.client_context)
        event = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            b"Lambda-Runtime-Aws-Request-Id: %b\r\nLambda-Runtime-Deadline-Ms: %d\r\n"
            b"Lambda-Runtime-Invoked-Function-Arn: %b\r\n%b\r\n"
            % (
                len(work.payload),
                request_id,
                # The function's process reads the real clock.
                int((clock.real_now() + left_s) * 1000),
                work.invoked_function_arn.encode(),
                trace,
            )
        )
        self.environment.exchange.deliver(request_id, event + work.payload)

    def _on_init_error(self, answer: Answer) -> None:
        error_type = answer.error_type or "Runtime.Unknown"
        phase, job = self.phase, self.job
        self._cancel_timers()
        if self.environment is not None:
            self.environment.drain_output()
        self._add_events(self._lines.end())
        if phase == "init":
            self._report_init("init", "error", error_type)
            self.phase = "failed"
            self._owner.on_init_failed(self, InitFailure("error", error_type, "", answer.body))
        elif phase == "busy_init" and job is not None:
            self._report_init("invoke", "error", error_type)
            self.phase = "failed"
            self._finish(job, answer.body, "Unhandled", error_type, "error")

    def _on_init_timeout(self) -> None:
        self._end("timeout", "Sandbox.Timedout", "")

    def _on_timer(self) -> None:
        """One timer serves many short invocations: it is set again for what is left of the one in hand."""
        self._timer = None
        if self.job is None:
            return
        left_s = self._deadline - clock.monotonic()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._on_timer)
            return
        self._end("timeout", "Sandbox.Timedout", reports.timeout_message(self._definition.timeout_s))

    def _end(self, status: str, error_type: str, message: str) -> None:
        """End the process; what it posts from now on is late."""
        assert self.environment is not None
        if self._verdict is None:
            self._verdict = (status, error_type, message)
            if self.phase == "busy":
                self.phase = "ending"
            self.environment.kill()

    def _read_exit(self, ended: Exit) -> tuple[str, str, str]:
        if ended.failure is not None and not self._definition.runtime.startswith(("python", "nodejs")):
            if ended.failure == errno.ENOENT and not (Path(self._definition.code_dir) / "bootstrap").exists():
                message = reports.NO_BOOTSTRAP
            else:
                message = reports.start_failure_message("/var/task/bootstrap", ended.failure)
            return "error", "Runtime.InvalidEntrypoint", message
        return "error", "Runtime.ExitError", reports.exit_message(ended.status)

    def _finish_failure(self, status: str, error_type: str, message: str) -> None:
        """The platform says what happened to the invocation."""
        job = self.job
        assert job is not None
        request_id = job.work.request_id
        self._write(self._reporter.failure(clock.now(), request_id, error_type, message), job)
        document = reports.failure_document(request_id, error_type, message)
        self._finish(job, document, "Unhandled", error_type, status)

    def _finish(
        self,
        job: Job,
        payload: bytes,
        function_error: str | None,
        error_type: str | None,
        status: str,
        content_type: bytes = b"application/json",
    ) -> None:
        assert self.environment is not None
        now = clock.monotonic()
        self.environment.drain_output()
        self._add_events(self._lines.end())
        if now - self._sampled_at > _SAMPLE_S or self.max_kb == 0:
            self.max_kb = max(self.max_kb, self.environment.resident_kb())
            self._sampled_at = now
        duration_ms = (now - job.started_at) * 1000
        if status == "timeout":
            duration_ms = max(duration_ms, self._definition.timeout_s * 1000.0)
        billed_ms = math.ceil(duration_ms + (job.init_ms or 0.0))
        max_memory_mb = min(-(-self.max_kb // 1024), self._definition.memory_mb)
        self._write(
            self._reporter.end(
                clock.now(),
                job.work.request_id,
                duration_ms,
                billed_ms,
                max_memory_mb,
                job.init_ms,
                status,
                error_type,
            ),
            job,
        )
        self.job = None
        if not job.done.done():
            job.done.set_result(
                Outcome(
                    payload,
                    function_error,
                    error_type,
                    None if job.events is None else b"".join(job.events)[-_TAIL_BYTES:],
                    duration_ms,
                    billed_ms,
                    job.init_ms,
                    max_memory_mb,
                    self.environment.log_stream,
                    content_type,
                )
            )
        self._owner.on_done(self, job, now - job.started_at)

    def _report_init(self, phase: str, status: str, error_type: str) -> None:
        duration_ms = (clock.monotonic() - self._init_started_at) * 1000
        kind = None if status == "timeout" else error_type
        self._write(self._reporter.init_report(clock.now(), duration_ms, phase, status, kind))

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._init_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._init_timer = None

    # Log

    def _write(self, text: bytes, job: Job | None = None) -> None:
        """Lines of the platform."""
        if not text:
            return
        assert self.environment is not None
        job = job or self.job
        now_ms = int(clock.now() * 1000)
        for line in text.splitlines(keepends=True):
            self._log.add(now_ms, self.environment.log_stream, line)
            if job is not None and job.events is not None:
                job.events.append(line)

    def _add_events(self, events: list[bytes]) -> None:
        if not events:
            return
        assert self.environment is not None
        now_ms = int(clock.now() * 1000)
        keeps: Callable[[bytes], bool] = self._reporter.keeps
        kept: list[bytes] | Any = None if self.job is None else self.job.events
        for event in events:
            if keeps(event):
                self._log.add(now_ms, self.environment.log_stream, event)
                if kept is not None:
                    kept.append(event)

    def _drop_output(self, job: Job) -> None:
        if not self._dropped:
            self._dropped = True
            self._add_events(self._lines.end())
            self._write(b"Output of this invocation beyond %d bytes is not kept.\n" % _OUTPUT_BYTES, job)


def _one_line(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").encode()
