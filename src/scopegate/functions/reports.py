"""What the platform itself says of an invocation: its log lines, and the documents of failures it has to name.

Source: reference pages "Produced by the platform", "Text format, exact lines", "LoggingConfig".
"""

import errno
import hashlib
import os
import re
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scopegate.base.limits import limit
from scopegate.functions.model import Definition

TOO_LARGE: Final = orjson.dumps(
    {
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        f"({limit('functions.payload_bytes')} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
)
# Go's words for signals, as the platform is written in it.
_SIGNALS: Final[Mapping[int, str]] = {
    signal.SIGABRT: "aborted (core dumped)",
    signal.SIGBUS: "bus error (core dumped)",
    signal.SIGFPE: "floating point exception (core dumped)",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction (core dumped)",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGSEGV: "segmentation fault (core dumped)",
    signal.SIGTERM: "terminated",
    signal.SIGXFSZ: "file size limit exceeded (core dumped)",
}
_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_LEVEL_OF: Final[Mapping[str, int]] = {
    **{name: number for number, name in enumerate(_LEVELS)},
    "WARNING": _LEVELS.index("WARN"),
    "CRITICAL": _LEVELS.index("FATAL"),
}


def failure_document(request_id: str, error_type: str, message: str) -> bytes:
    return orjson.dumps({"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"})


def timeout_message(timeout_s: int) -> str:
    return f"Task timed out after {timeout_s:.2f} seconds"


def exit_message(status: int) -> str:
    """What a wait status means, in the platform's words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"Runtime exited with error: signal: {_SIGNALS.get(number, f'signal {number}')}"
    code = os.WEXITSTATUS(status)
    if code == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {code}"


def start_failure_message(path: str, number: int) -> str:
    """Why a program could not be started, in the platform's words."""
    reason = {errno.EACCES: "permission denied", errno.ENOEXEC: "exec format error"}
    return f"fork/exec {path}: {reason.get(number, os.strerror(number).lower())}"


NO_BOOTSTRAP: Final = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"


def runtime_version(definition: Definition, version: str) -> str:
    """`python:3.13.v1`: the language, the version that runs it here, and a build number."""
    language = re.match(r"[a-z]+", definition.runtime)
    short = (
        ".".join(version.split(".")[:2]) if language and language[0] == "python" else version.split(".", maxsplit=1)[0]
    )
    return f"{language[0] if language else definition.runtime}:{short}.v1"


class Reporter:
    """The platform's log lines for one version of a function; b"" where its log level leaves a line out."""

    __slots__ = ("_definition", "_level", "_runtime_version", "is_json")

    def __init__(self, definition: Definition, interpreter_version: str) -> None:
        self._definition = definition
        self._runtime_version = runtime_version(definition, interpreter_version)
        self.is_json = definition.log_format == "JSON"
        self._level = _LEVEL_OF.get(definition.system_log_level, 2)

    def init_start(self, now: float) -> bytes:
        digest = hashlib.sha256(self._runtime_version.encode()).hexdigest()
        arn = f"arn:aws:lambda:{self._definition.region}::runtime:{digest}"
        if not self.is_json:
            return f"INIT_START Runtime Version: {self._runtime_version}\tRuntime Version ARN: {arn}\n".encode()
        return self._record(
            now,
            "platform.initStart",
            {
                "initializationType": "on-demand",
                "phase": "init",
                "runtimeVersion": self._runtime_version,
                "runtimeVersionArn": arn,
                "functionName": self._definition.function_name,
                "functionVersion": self._definition.version,
                "functionArn": self._definition.function_arn,
                "instanceMaxMemory": self._definition.memory_mb * 1_048_576,
            },
        )

    def init_report(self, now: float, duration_ms: float, phase: str, status: str, error_type: str | None) -> bytes:
        """Only for an init that failed."""
        if not self.is_json:
            kind = f"\tError Type: {error_type}" if error_type else ""
            text = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}{kind}\n"
            return text.encode()
        record = {
            "initializationType": "on-demand",
            "phase": phase,
            "status": status,
            **({"errorType": error_type} if error_type else {}),
            "metrics": {"durationMs": round(duration_ms, 3)},
        }
        return self._record(now, "platform.initReport", record, failed=True)

    def start(self, now: float, request_id: str, trace_id: str | None) -> bytes:
        if not self.is_json:
            return f"START RequestId: {request_id} Version: {self._definition.version}\n".encode()
        record: dict[str, Any] = {
            "requestId": request_id,
            "functionArn": self._definition.function_arn,
            "version": self._definition.version,
        }
        if trace_id:
            span = re.search(r"Parent=([0-9a-f]{16})", trace_id)
            record["tracing"] = {
                **({"spanId": span[1]} if span else {}),
                "type": "X-Amzn-Trace-Id",
                "value": trace_id,
            }
        return self._record(now, "platform.start", record)

    def failure(self, now: float, request_id: str, error_type: str, message: str) -> bytes:
        """The line that tools search for when the platform ended an invocation; text format only."""
        if self.is_json:
            return b""
        if error_type == "Sandbox.Timedout":
            moment = _iso(now)
            return f"{moment} {request_id} {message}\n\n".encode()
        return f"RequestId: {request_id} Error: {message}\n{error_type}\n".encode()

    def end(
        self,
        now: float,
        request_id: str,
        duration_ms: float,
        billed_ms: int,
        max_memory_mb: int,
        init_ms: float | None,
        status: str,
        error_type: str | None,
    ) -> bytes:
        """END and REPORT, one event each. status: success, error, failure or timeout."""
        memory_mb = self._definition.memory_mb
        if not self.is_json:
            init = f"Init Duration: {init_ms:.2f} ms\t" if init_ms is not None else ""
            how = "" if status == "success" else f"Status: {status}"
            kind = f"\tError Type: {error_type}" if error_type and status != "timeout" else ""
            return (
                f"END RequestId: {request_id}\n"
                f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
                f"Memory Size: {memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t{init}{how}{kind}\n"
            ).encode()
        metrics = {
            "durationMs": round(duration_ms, 3),
            "billedDurationMs": billed_ms,
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": max_memory_mb,
            **({"initDurationMs": round(init_ms, 3)} if init_ms is not None else {}),
        }
        record = {
            "requestId": request_id,
            "metrics": metrics,
            "status": status,
            **({"errorType": error_type} if error_type and status != "success" else {}),
        }
        return self._record(now, "platform.report", record, failed=status != "success")

    def keeps(self, event: bytes) -> bool:
        """Whether the application's log level lets an event of the function pass. What has no level is INFO."""
        if not self.is_json:
            return True
        least = _LEVEL_OF.get(self._definition.application_log_level, 2)
        if event.startswith(b"{"):
            try:
                level = orjson.loads(event).get("level")
            except orjson.JSONDecodeError:
                level = None
            return _LEVEL_OF.get(str(level).upper(), 2) >= least
        return least <= 2

    def _record(self, now: float, kind: str, record: Mapping[str, Any], *, failed: bool = False) -> bytes:
        if self._level > 2 and not failed:
            return b""
        return orjson.dumps({"time": _iso(now), "type": kind, "record": record}) + b"\n"


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
