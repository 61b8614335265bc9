"""Sockets ↔ messages: the one way into every room, with every limit of the wire.

A connection reads one request at a time and answers it before it looks at the next, so pipelined answers are in order
and what a client sends ahead waits in the kernel. Where a request goes and how large its body may be is the
application's word (`Application`); how a message is read is `wire.py`.
Source: RFC 9110 and 9112; design, "The data plane"; attack rows H1, H4, H5, G17.
"""

import asyncio
import logging
import resource
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.batch import WriteBatch
from scopegate.http.later import Later
from scopegate.http.message import Request, Response
from scopegate.http.wire import CHUNKED, ChunkedReader, FieldWriter, Malformed, RequestReader, has_stray_line_end

_READ_AHEAD_BYTES: Final = 65_536  # of pipelined input kept while an answer is under way
_JOIN_BYTES: Final = 65_536  # up to here head and body are one write
_SPOOL_BYTES: Final = limit("http.spool_bytes")
_WITHOUT_BODY: Final = frozenset({204, 304})  # RFC 9110 sections 15.3.5 and 15.4.5
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LATEST_TICK_S: Final = 0.5
_LEAST_RATE: Final = 1024  # bytes a second, below which a body or a reader counts as stalled after its time-out
_READER_STEP_BYTES: Final = 16_384
_CROWD_SHARE: Final = 20  # a full house closes one connection in so many, idle longest first

_log: Final = logging.getLogger("scopegate.http")


class Application(Protocol):
    """Whoever answers. All three are called on the event loop and must not block it."""

    def admit(self, request: Request) -> int | Response:
        """The head is complete: the largest body in bytes, or an answer at once, without the body."""

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """The request is complete. A Response is written without making a task, and so is what comes Later."""

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        """Renders what the listener itself refuses; `request` is None before a head was read. reason is for people."""


OnDone = Callable[[Request, int, int, int], None]  # request, status, bytes sent, nanoseconds
OnError = Callable[[Request, BaseException], None]


def log_error(request: Request, error: BaseException) -> None:
    """What happens to an exception that no room expected: a traceback in the log, nothing on the wire."""
    _log.error("http.failed method=%s path=%r", request.method, request.path, exc_info=error)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a client that is too slow is left."""

    head_s: float = float(limit("http.head_timeout_s"))
    body_s: float = float(limit("http.body_timeout_s"))
    idle_s: float = float(limit("http.idle_timeout_s"))
    write_s: float = float(limit("http.write_timeout_s"))
    linger_s: float = float(limit("http.linger_s"))


# What a connection is doing
_HEAD: Final = 0
_BODY: Final = 1
_ANSWERING: Final = 2
_LINGERING: Final = 3
_CLOSED: Final = 4


class _Body:
    """A body under way: pieces in memory, from a size on in a temporary file, so that memory stays bounded."""

    __slots__ = ("begun_at", "chunks", "file", "most", "pieces", "remaining", "size")

    def __init__(self, length: int, most: int, begun_at: float) -> None:
        self.chunks = ChunkedReader() if length == CHUNKED else None
        self.remaining = length
        self.most = most
        self.size = 0
        self.pieces: list[bytes] = []
        self.file: BinaryIO | None = None
        self.begun_at = begun_at

    def feed(self, received: bytes, at: int) -> int:
        """Take what belongs to the body, from `at` on; where it ends, -1 when more is to come."""
        if self.chunks is None:
            end = at + self.remaining
            piece = received[at:end]
            self.remaining -= len(piece)
            self._add(piece)
            return -1 if self.remaining else end
        for piece in self.chunks.feed(received, at):
            self._add(piece)
        return self.chunks.end

    def _add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self.most:
            raise Malformed("the body is too large", 413)
        if self.file is not None:
            self.file.write(piece)
            return
        self.pieces.append(piece)
        if self.size > _SPOOL_BYTES:
            # Written on the event loop: it goes to the page cache, a piece of at most one read at a time.
            self.file = cast("BinaryIO", tempfile.TemporaryFile(prefix="scopegate-body-"))  # noqa: SIM115
            self.file.writelines(self.pieces)
            self.pieces.clear()

    def give_to(self, request: Request) -> None:
        request.body_file = self.file
        if self.file is None:
            request.body = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class _Connection(asyncio.Protocol):
    """One client. Slotted and mutable; everything happens on the event loop."""

    __slots__ = (
        "application",
        "body",
        "buffer",
        "deadline",
        "drained",
        "half_closed",
        "idle_since",
        "keep_alive",
        "listener",
        "local",
        "peer",
        "reader",
        "reading_paused",
        "request",
        "state",
        "streaming",
        "task",
        "tls",
        "transport",
        "unread",
        "write_mark",
        "writing_paused",
    )

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self.application = listener.application
        self.reader: RequestReader = cast("RequestReader", None)
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.state = _HEAD
        self.buffer = b""
        self.body: _Body | None = None
        self.request: Request | None = None
        self.task: asyncio.Task[None] | None = None
        self.streaming = False
        self.keep_alive = True
        self.half_closed = False
        self.unread = False  # whether input is on its way that nobody will read
        self.reading_paused = False
        self.writing_paused = False
        self.write_mark = 0
        self.drained: asyncio.Future[None] | None = None
        self.deadline = 0.0
        self.idle_since = 0.0
        self.peer = ("", 0)
        self.local = ("", 0)
        self.tls = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        listener = self.listener
        if not listener.make_room():
            self.state = _CLOSED
            self.transport.write(_BUSY)
            self.transport.close()
            return
        listener.connections.add(self)
        self.peer = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"))
        self.tls = transport.get_extra_info("ssl_object") is not None
        self.reader = RequestReader(self.peer, self.local, tls=self.tls)
        # A connection that says nothing is as slow as a slow head.
        self.idle_since = listener.now
        self.deadline = listener.now + listener.timeouts.head_s

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = _CLOSED
        self.listener.leave(self)
        if self.task is not None:
            if self.streaming:
                self.task.cancel()
            else:  # goes on without a reader; the loop alone would not keep it
                self.listener.keep(self.task)
        if self.body is not None and self.body.file is not None:
            self.body.file.close()
            self.body = None
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state == _HEAD:
            self._advance(self.buffer + data if self.buffer else data)
        elif state == _BODY:
            self._advance(data)
        elif state == _ANSWERING:
            self.buffer += data
            if len(self.buffer) > _READ_AHEAD_BYTES and not self.reading_paused:
                self.reading_paused = True
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        """A client may close its half and still wait for its answer."""
        self.half_closed = True
        return self.state == _ANSWERING or (self.state == _HEAD and self.writing_paused)

    def pause_writing(self) -> None:
        self.writing_paused = True
        self.write_mark = self.transport.get_write_buffer_size()
        self.deadline = self.listener.now + self.listener.timeouts.write_s

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        if self.state == _ANSWERING:
            self.deadline = 0.0
        elif self.state == _HEAD:
            self._wait_or_go_on()

    # Reading

    def _advance(self, buffer: bytes) -> None:
        """Go on with what was received: as many requests as can be answered at once, one after another."""
        at = 0
        try:
            while True:
                if self.state == _HEAD:
                    if self.writing_paused:
                        self._keep(buffer[at:])
                        return
                    at = self._read_head(buffer, at)
                else:
                    at = self._read_body(buffer, at)
                if at < 0:
                    return
                if self.state == _HEAD and at == len(buffer):
                    self._become_idle()
                    return
                if self.state >= _ANSWERING:
                    self._keep(buffer[at:])
                    return
        except Malformed as error:
            self._refuse(error.status, error.reason)

    def _keep(self, buffer: bytes) -> None:
        if self.state <= _ANSWERING:
            self.buffer = buffer
            if len(buffer) > _READ_AHEAD_BYTES and not self.reading_paused:
                self.reading_paused = True
                self.transport.pause_reading()

    def _read_head(self, buffer: bytes, at: int) -> int:
        """Read the head at `at` and begin what it asks for; where it ends. -1: it is not complete."""
        listener = self.listener
        while buffer.startswith(b"\r\n", at):  # RFC 9112 section 2.2 lets empty lines come before a request
            at += 2
        end = buffer.find(b"\r\n\r\n", at) + 4
        if end < 4 or end - at > listener.head_bytes:
            self._check_unfinished(buffer[at:])
            return -1
        self.buffer = b""
        self.request = None
        request, length, stays_open = self.reader.read(buffer[at:end])
        self.request = request
        self.keep_alive = stays_open and not listener.draining
        if len(request.headers) > listener.most_headers:
            raise Malformed("too many headers", 431)
        try:
            most = self.application.admit(request)
        except Exception as error:  # where a flow begins: 500, and the traceback to the log
            most = self._render_failure(request, error)
        if not isinstance(most, int):
            if length:
                self.keep_alive = False
                self.unread = True
            self._write(request, most)
            return end
        if not length:
            self._answer(request)
            return end
        if length > most:
            raise Malformed("the body is too large", 413)
        expected = request.all(b"expect")
        if expected and request.http_version == "1.1":
            if len(expected) != 1 or expected[0].lower() != b"100-continue":
                raise Malformed("an expectation that nobody meets", 417)
            if len(buffer) == end:
                self.listener.batch.flush()
                self.transport.write(_CONTINUE)
        self.state = _BODY
        self.body = _Body(length, most, listener.now)
        self.deadline = listener.now + listener.timeouts.body_s
        return end

    def _check_unfinished(self, buffer: bytes) -> None:
        """Refuse early what cannot become a head any more; else wait for the rest, for so long."""
        if len(buffer) >= self.listener.head_bytes:
            line_end = buffer.find(b"\r\n")
            if line_end < 0 or line_end > self.listener.head_bytes:
                raise Malformed("the request target is too long", 414)
            raise Malformed("the request head is too large", 431)
        if has_stray_line_end(buffer) or (buffer[:1] < b"!" and buffer not in (b"", b"\r")):
            raise Malformed("invalid request line")
        if not self.buffer:
            self.deadline = self.listener.now + self.listener.timeouts.head_s
        self.buffer = buffer

    def _read_body(self, buffer: bytes, at: int) -> int:
        """Read on in the body under way; where it ends, -1 when it does not."""
        body, request = self.body, self.request
        if body is None or request is None:
            return -1
        end = body.feed(buffer, at)
        if end < 0:
            listener = self.listener
            self.deadline = min(
                listener.now + listener.timeouts.body_s,
                body.begun_at + listener.timeouts.body_s + body.size / _LEAST_RATE,
            )
            return -1
        body.give_to(request)
        self.body = None
        self._answer(request)
        return end

    # Answering

    def _answer(self, request: Request) -> None:
        self.state = _ANSWERING
        self.deadline = 0.0
        try:
            answer = self.application.answer(request)
        except Exception as error:  # where a flow begins
            answer = self._render_failure(request, error)
        if type(answer) is Response:
            self._write(request, answer)
            return
        if isinstance(answer, Later):
            answer.then(self._came)
        else:
            self.task = self.listener.loop.create_task(self._wait_for(request, cast("Awaitable[Response]", answer)))

    async def _wait_for(self, request: Request, answer: Awaitable[Response]) -> None:
        """Write what the application's awaitable gives. A client that left does not stop it, but gets no answer."""
        try:
            response = await answer
        except Exception as error:  # where a flow begins
            response = self._render_failure(request, error)
        self._answered(request, response)

    def _came(self, later: Later[Response]) -> None:
        request = self.request
        if request is None:
            return
        try:
            response = later.result()
        except Exception as error:  # where a flow begins
            response = self._render_failure(request, error)
        self._answered(request, response)

    def _answered(self, request: Request, response: Response) -> None:
        self.task = None
        self._write(request, response)
        if self.state == _HEAD:
            self._wait_or_go_on()

    def _wait_or_go_on(self) -> None:
        """After an answer: the next request that has come already, or idle."""
        buffer, self.buffer = self.buffer, b""
        if self.reading_paused and not self.writing_paused:
            self.reading_paused = False
            self.transport.resume_reading()
        if buffer:
            self._advance(buffer)
        else:
            self._become_idle()

    def _become_idle(self) -> None:
        if self.writing_paused:
            return  # the write time-out runs
        if self.half_closed:
            self._close()
            return
        now = self.listener.now
        self.idle_since = now
        self.deadline = now + self.listener.timeouts.idle_s

    def _render_failure(self, request: Request, error: BaseException) -> Response:
        self.listener.on_error(request, error)
        return self._render_refusal(request, 500, "the request could not be answered")

    def _render_refusal(self, request: Request | None, status: int, reason: str) -> Response:
        try:
            return self.application.refuse(request, status, reason)
        except Exception:  # even then there is an answer
            _log.exception("http.refusal_failed")
            return Response(status, close=True)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what has no single reading or breaks a limit, and close."""
        request = self.request
        if self.body is not None and self.body.file is not None:
            self.body.file.close()
        self.body = None
        self.keep_alive = False
        self.unread = True
        response = self._render_refusal(request, status, reason)
        response.close = True
        if request is None:
            request = Request("", b"", [], peer=self.peer, local=self.local, tls=self.tls)
            request.received_ns = clock.monotonic_ns()
        self._write(request, response)

    def _write(self, request: Request, response: Response, *, last_resort: bool = False) -> None:
        """Write an answer, or begin to stream it; then `state` says what is next."""
        if self.state == _CLOSED:
            self._done(request, response, 0)
            if response.stream is not None:
                self.listener.spawn(_close_stream(response.stream))
            return
        if response.close:
            self.keep_alive = False
        listener = self.listener
        status = response.status
        has_body = request.method != "HEAD" and status not in _WITHOUT_BODY
        stream = response.stream
        if stream is not None and not has_body:
            listener.spawn(_close_stream(stream))
            stream = None
        try:
            if not 200 <= status <= 999:
                raise ValueError("an answer has a status of 200 to 999")  # noqa: TRY301 - refused as a header is
            lines = listener.writer.render(response.headers)
        except (ValueError, TypeError) as error:
            # A header that would end its line early is a mistake of the room, and never reaches the wire (G17).
            if stream is not None:
                listener.spawn(_close_stream(stream))
            refusal = Response(500) if last_resort else self._render_failure(request, error)
            self._write(request, refusal, last_resort=True)
            return
        first = listener.first_lines.get(status) or listener.make_first_lines(status)
        last = self._frame(request, response, has_body=has_body)
        if stream is not None:
            listener.batch.flush()
            self.state = _ANSWERING
            self.streaming = True
            self.task = listener.spawn(self._stream(request, response, first + lines + last))
            return
        body = response.body if has_body else b""
        if len(body) <= _JOIN_BYTES:
            listener.batch.write(self.transport, b"".join((first, lines, last, body)))
        else:
            listener.batch.flush()
            self.transport.writelines((first, lines, last, body))
        self._done(request, response, len(body))
        if self.keep_alive:
            self.state = _HEAD
        else:
            self._close()

    def _frame(self, request: Request, response: Response, *, has_body: bool) -> bytes:
        """The headers that say where the answer ends, and the end of its head."""
        length: int | None
        framing = b""
        if response.stream is None and has_body:
            length = len(response.body)
        elif response.length is not None or has_body:
            length = response.length
            if length is None and request.http_version == "1.0":
                self.keep_alive = False
            elif length is None:
                framing = b"Transfer-Encoding: chunked\r\n"
        else:
            # What the body would be is known for HEAD alone; the length of a 304 would be the representation's.
            length = len(response.body) if response.stream is None and response.status not in _WITHOUT_BODY else None
        if length is not None and response.status != 204:
            framing = b"Content-Length: %d\r\n" % length
        return framing + (b"Connection: keep-alive\r\n\r\n" if self.keep_alive else b"Connection: close\r\n\r\n")

    async def _stream(self, request: Request, response: Response, head: bytes) -> None:
        """Send a body piece by piece, no faster than the client takes it. What breaks midway breaks the connection."""
        stream = cast("AsyncIterator[bytes]", response.stream)
        chunked = response.length is None and request.http_version != "1.0"
        left = response.length
        sent = 0
        whole = False
        try:
            self.transport.write(head)
            async for piece in stream:
                if self.state == _CLOSED:
                    return
                if not piece:
                    continue
                if left is not None:
                    left -= len(piece)
                    if left < 0:
                        raise ValueError("a stream is longer than its length")  # noqa: TRY301 - seen as any failure
                sent += len(piece)
                self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if self.writing_paused:
                    self.drained = self.listener.loop.create_future()
                    await self.drained
                    self.drained = None
            if left:
                raise ValueError("a stream is shorter than its length")  # noqa: TRY301
            if chunked:
                self.transport.write(b"0\r\n\r\n")
            whole = True
        except Exception as error:  # the head is out: the only answer left is to cut the connection
            self.listener.on_error(request, error)
        finally:
            self.drained = self.task = None
            self.streaming = False
            await _close_stream(stream)
            self._done(request, response, sent)
            if not whole and self.state != _CLOSED:
                self.transport.abort()
            elif self.state != _CLOSED:
                if self.keep_alive:
                    self.state = _HEAD
                    self._wait_or_go_on()
                else:
                    self._close()

    def _done(self, request: Request, response: Response, sent: int) -> None:
        self.request = None
        if request.body_file is not None:
            request.body_file.close()
        on_done = self.listener.on_done
        if on_done is not None:
            on_done(request, response.status, sent, clock.monotonic_ns() - request.received_ns)

    # Ending

    def _close(self) -> None:
        """Close once the answer is out.

        Input that is still coming is read and dropped for a moment: closing on it would reset the connection and take
        the answer away from the client (RFC 9112 section 9.6).
        """
        if self.state in (_LINGERING, _CLOSED):
            return
        self.listener.batch.flush()
        linger = self.unread and not self.half_closed and self.transport.can_write_eof()
        timeouts = self.listener.timeouts
        self.state = _LINGERING
        self.buffer = b""
        self.deadline = self.listener.now + (timeouts.linger_s if linger else timeouts.write_s)
        if linger:
            if self.reading_paused:
                self.reading_paused = False
                self.transport.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def close_when_idle(self) -> None:
        """Close now when nothing is under way, else after the answer that is."""
        self.keep_alive = False
        if self.state == _HEAD and not self.buffer:
            self._close()

    def check(self, now: float) -> None:
        """Called every tick: leave a client that is too slow."""
        if self.writing_paused:
            size = self.transport.get_write_buffer_size()
            if size <= self.write_mark - _READER_STEP_BYTES:
                self.write_mark = size
                self.deadline = now + self.listener.timeouts.write_s
        if not self.deadline or now < self.deadline:
            return
        if self.writing_paused or self.state == _LINGERING:
            self.transport.abort()
        elif self.state == _BODY or (self.state == _HEAD and self.buffer):
            self._refuse(408, "the request took too long to arrive")
        elif self.state == _HEAD:
            self._close()


async def _close_stream(stream: AsyncIterator[bytes]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def _address(name: Any) -> tuple[str, int]:
    """(address, port) of a socket name; an IPv4 client of an IPv6 socket is an IPv4 client; Unix sockets have none."""
    if not isinstance(name, tuple) or len(name) < 2:
        return ("", 0)
    return (str(name[0]).removeprefix("::ffff:") if "." in str(name[0]) else str(name[0]), int(name[1]))


def _reason_phrases() -> Iterator[tuple[int, bytes]]:
    for status in HTTPStatus:
        yield status.value, status.phrase.encode("ascii")


_REASONS: Final = dict(_reason_phrases())


_BACKLOG: Final = 1024  # whom it does not hold is told EAGAIN on a Unix socket (unix(7)), and is not served


class Listener:
    """Listens on TCP and Unix sockets and brings requests to one application."""

    def __init__(
        self,
        application: Application,
        *,
        head_bytes: int | None = None,
        timeouts: Timeouts | None = None,
        on_done: OnDone | None = None,
        on_error: OnError = log_error,
    ) -> None:
        """head_bytes: request line and headers together; None takes the limit. on_done: the access log."""
        self.application = application
        self.head_bytes = limit("http.head_bytes") if head_bytes is None else head_bytes
        self.most_headers = limit("http.headers")
        self.timeouts = timeouts or Timeouts()
        self.on_done = on_done
        self.on_error = on_error
        self.writer = FieldWriter()
        self.connections: set[_Connection] = set()
        self.draining = False
        self.now = 0.0
        self.loop: asyncio.AbstractEventLoop = cast("asyncio.AbstractEventLoop", None)
        self.batch: WriteBatch = cast("WriteBatch", None)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.first_lines: dict[int, bytes] = {}
        self._date = b""
        self._ticker: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = limit("http.connections")
        # Upstreams, the database and functions need descriptors too.
        self.most_connections = most if files == resource.RLIM_INFINITY else min(most, files * 3 // 4)

    async def start_tcp(
        self,
        host: str,
        port: int,
        *,
        reuse_port: bool = False,
        tls: ssl.SSLContext | None = None,
        backlog: int = _BACKLOG,
    ) -> int:
        """Listen on an address; the port, which the system chose when 0 was asked for."""
        self._begin()
        server = await self.loop.create_server(
            lambda: _Connection(self), host, port, reuse_port=reuse_port or None, ssl=tls, backlog=backlog
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def start_unix(self, path: Path) -> None:
        """Listen on a Unix socket; who may connect is the directory's permissions."""
        self._begin()
        server = await self.loop.create_unix_server(lambda: _Connection(self), str(path), backlog=_BACKLOG)
        self._servers.append(server)

    @property
    def port(self) -> int:
        """The port of the first TCP socket; 0 when there is none."""
        for server in self._servers:
            for socket in server.sockets:
                name = socket.getsockname()
                if isinstance(name, tuple):
                    return int(name[1])
        return 0

    def _begin(self) -> None:
        if self._ticker is None:
            self.loop = asyncio.get_running_loop()
            self.batch = WriteBatch(self.loop)
            self._tick()

    def _tick(self) -> None:
        """Twice a second: what time it is for `Date` and for every deadline, and who has run over his."""
        self.now = now = self.loop.time()
        date = formatdate(clock.now(), usegmt=True).encode("ascii")
        if date != self._date:
            self._date = date
            self.first_lines.clear()
        for connection in tuple(self.connections):
            if connection.deadline and (connection.writing_paused or connection.deadline <= now):
                connection.check(now)
        shortest = min(self.timeouts.head_s, self.timeouts.body_s, self.timeouts.idle_s, self.timeouts.write_s)
        self._ticker = self.loop.call_later(min(_LATEST_TICK_S, shortest / 4), self._tick)

    def make_first_lines(self, status: int) -> bytes:
        """The status line and `Date`, made once a second per status."""
        lines = b"HTTP/1.1 %d %b\r\nDate: %b\r\n" % (status, _REASONS.get(status, b"Unknown"), self._date)
        self.first_lines[status] = lines
        return lines

    def make_room(self) -> bool:
        """Whether one more connection fits. A full house leaves those who have been idle longest, a few at a time."""
        if len(self.connections) < self.most_connections:
            return True
        self.batch.flush()
        waiting = sorted((c for c in self.connections if c.state == _HEAD), key=lambda c: c.idle_since)
        for connection in waiting[: max(1, self.most_connections // _CROWD_SHARE)]:
            self.connections.discard(connection)
            connection.transport.abort()
        return len(self.connections) < self.most_connections

    def leave(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        if self._empty is not None and not self.connections and not self._empty.done():
            self._empty.set_result(None)

    def spawn(self, work: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = self.loop.create_task(work)
        self.keep(task)
        return task

    def keep(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float | None = None) -> None:
        """Stop accepting, close idle connections, let open exchanges end; cut what is left after `timeout_s`."""
        self.draining = True
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.close_when_idle()
        if self.connections:
            self._empty = self.loop.create_future()
            try:
                await asyncio.wait_for(self._empty, limit("http.drain_s") if timeout_s is None else timeout_s)
            except TimeoutError:
                self.batch.flush()
                for connection in tuple(self.connections):
                    connection.transport.abort()
                await asyncio.sleep(0)
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=1)
