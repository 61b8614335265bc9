"""What functions and the platform wrote: a bounded ring per function in memory, and a bounded file on disk.

An event is one line, or several of one record that a bootstrap marked as belonging together. Files are
`<logs>/<account>/<region>/<function>.log`, each with at most one older `.log.1`.
Source: reference chapter "Logs".
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from scopegate.base.limits import limit

_FLUSH_BYTES: Final = 262_144
_RING_BYTES: Final = limit("functions.log_ring_bytes")
_FILE_BYTES: Final = limit("functions.log_file_bytes")
_LINE_BYTES: Final = limit("functions.log_line_bytes")
_OVERHEAD: Final = 64  # of one event in the ring


class LogEvent(NamedTuple):
    """timestamp_ms: epoch milliseconds. message: with its newline at the end; others may be inside."""

    timestamp_ms: int
    stream: str
    message: bytes


class LineReader:
    """Output as it comes → events. A newline ends an event; NUL and carriage return stand for one inside it."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        data = self._rest + data if self._rest else data
        *lines, self._rest = data.split(b"\n")
        events = [_event(line) for line in lines]
        while len(self._rest) >= _LINE_BYTES:
            # No newline in sight: CloudWatch cuts such output too.
            events.append(self._rest[:_LINE_BYTES] + b"\n")
            self._rest = self._rest[_LINE_BYTES:]
        return events

    def end(self) -> list[bytes]:
        """What was written without a newline at the end."""
        rest, self._rest = self._rest, b""
        return [_event(rest)] if rest else []


def _event(line: bytes) -> bytes:
    if b"\0\r" in line:
        line = line.replace(b"\0\r", b"\n")
    return line + b"\n"


class FunctionLog:
    """The log of one function, all versions."""

    __slots__ = ("_buffer", "_buffer_bytes", "_descriptor", "_file_bytes", "_path", "_ring", "_ring_bytes", "added")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: deque[LogEvent] = deque()
        self._ring_bytes = 0
        self._buffer: list[bytes] = []
        self._buffer_bytes = 0
        self._descriptor = -1
        self._file_bytes = 0
        self.added = 0  # events so far

    def add(self, timestamp_ms: int, stream: str, message: bytes) -> None:
        self._ring.append(LogEvent(timestamp_ms, stream, message))
        self._ring_bytes += len(message) + _OVERHEAD
        self.added += 1
        while self._ring_bytes > _RING_BYTES:
            self._ring_bytes -= len(self._ring.popleft().message) + _OVERHEAD
        self._buffer.append(message)
        self._buffer_bytes += len(message)
        if self._buffer_bytes > _FLUSH_BYTES:
            self.flush()

    def events(self) -> tuple[LogEvent, ...]:
        """The recent events, oldest first."""
        return tuple(self._ring)

    def since(self, position: int) -> tuple[LogEvent, ...]:
        """The events after the first `position`, as far as the ring has them; all when there never were so many."""
        new = self.added - position if position <= self.added else self.added
        return tuple(self._ring)[-new:] if new else ()

    def flush(self) -> None:
        """Write what is buffered. A full disk costs log lines, never an invocation."""
        if not self._buffer:
            return
        data = b"".join(self._buffer)
        self._buffer.clear()
        self._buffer_bytes = 0
        with contextlib.suppress(OSError):
            if self._descriptor < 0:
                self._open()
            if self._file_bytes + len(data) > _FILE_BYTES:
                self._rotate()
            self._file_bytes += os.write(self._descriptor, data)

    def close(self) -> None:
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def tail(self, lines: int) -> list[bytes]:
        """The last lines of the file, for what was written before this process started."""
        self.flush()
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _RING_BYTES))
                return file.read().splitlines(keepends=True)[-lines:]
        except OSError:
            return []

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody but the server's user may read what functions log.
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file_bytes = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._path.replace(self._path.with_suffix(".log.1"))
        self._open()


class LogBook:
    """The logs of all functions of one runner."""

    __slots__ = ("_directory", "_logs")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._logs: dict[tuple[str, str, str], FunctionLog] = {}

    def of(self, account: str, region: str, function_name: str) -> FunctionLog:
        key = (account, region, function_name)
        found = self._logs.get(key)
        if found is None:
            path = self._directory / account / region / f"{function_name}.log"
            found = self._logs[key] = FunctionLog(path)
        return found

    def flush(self) -> None:
        for one in self._logs.values():
            one.flush()

    def close(self) -> None:
        for one in self._logs.values():
            one.close()

    def read(self, account: str, region: str, function_name: str, lines: int) -> list[bytes]:
        """The last `lines` events of a function; from its file when this process has not seen any."""
        log = self.of(account, region, function_name)
        events = log.events()
        if events:
            return [event.message for event in events[-lines:]]
        return log.tail(lines)

    def read_on(self, account: str, region: str, function_name: str, position: int) -> list[bytes]:
        """The events after the first `position` of this process; see `position`."""
        return [event.message for event in self.of(account, region, function_name).since(position)]

    def position(self, account: str, region: str, function_name: str) -> int:
        """How many events of a function this process has seen."""
        return self.of(account, region, function_name).added

    def names(self) -> Iterator[tuple[str, str, str]]:
        yield from self._logs
