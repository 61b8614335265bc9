"""Events as JSON lines on standard error, and the access log.

Events, not prose: `server.started port=…`. Never a token, secret, code or body; only names, ids and digests.
"""

import contextlib
import logging
import sys
from functools import lru_cache
from typing import IO, Any, Final, TextIO, cast

import orjson
import structlog

from scopegate.base import clock
from scopegate.http.message import Request

_FLUSH_BYTES: Final = 65_536


def _render(_: Any, __: str, event: Any) -> str:
    return orjson.dumps(event, default=str).decode()


class _Lossy:
    """Standard error, on which a full disk costs lines: whoever logs is answering somebody. None: it is closed."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def write(self, text: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text)

    def flush(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.flush()


def configure(*, role: str, level: str = "INFO") -> None:
    """Route structlog's and libraries' loggers to JSON lines on standard error. Once a process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    file = cast("TextIO", _Lossy(sys.stderr))
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        # A line and its end in one write: several processes share the file, which may be unbuffered.
        logger_factory=structlog.WriteLoggerFactory(file=file),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(file)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=_render, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


_LINE: Final = b'{"time":%.6f,%b,"status":%d,"bytes":%d,"us":%d}\n'
_WORDS: Final = 1024  # the longest that is remembered, so that what is stays small


def _render_words(method: str, host: bytes, path: bytes, peer: str) -> bytes:
    """What a line says in words, as JSON without its braces."""
    words = {"method": method, "host": host.decode("latin-1"), "path": path.decode("latin-1"), "peer": peer}
    return orjson.dumps(words)[1:-1]


_known_words: Final = lru_cache(maxsize=1024)(_render_words)
"""The same few come again and again."""


class AccessLog:
    """One JSON line per answered request, written in batches: `flush` is called once a second and at the end."""

    __slots__ = ("_file", "_lines", "_size")

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, request: Request, status: int, sent_bytes: int, duration_ns: int) -> None:
        """The path is logged without its query, which may hold secrets."""
        path = request.path
        render = _known_words if len(path) < _WORDS else _render_words
        words = render(request.method, request.find(b"host") or b"", path, request.peer[0])
        line = _LINE % (clock.now(), words, status, sent_bytes, duration_ns // 1000)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered. A full disk costs log lines, never an answer."""
        if self._lines:
            with contextlib.suppress(OSError):
                self._file.write(b"".join(self._lines))
                self._file.flush()
            self._lines.clear()
            self._size = 0
