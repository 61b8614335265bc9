"""Upstreams over HTTP/1.1: pooled connections, one exchange at a time on each, strict about what comes back.

What is sent and what an answer means is the caller's affair; redirects are never followed.
Where a connection may go is `egress.py`; how an answer is read is `wire.py`.
Source: RFC 9110 and 9112; reference pages, "Timeouts and backend failures"; attack rows G15, H1.
"""

import asyncio
import re
import select
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

from scopegate.base.limits import limit
from scopegate.http.batch import WriteBatch
from scopegate.http.egress import EgressPolicy
from scopegate.http.later import Later
from scopegate.http.message import Header
from scopegate.http.wire import (
    CHUNKED,
    UNTIL_CLOSE,
    ChunkedReader,
    FieldWriter,
    Head,
    Malformed,
    ResponseReader,
    has_stray_line_end,
    is_token,
)

_BODY_BYTES: Final = limit("http.upstream_body_bytes")
_HEAD_BYTES: Final = limit("http.upstream_head_bytes")
_BUFFERED_BYTES: Final = 131_072  # a longer declared answer is streamed
_STREAM_AHEAD_BYTES: Final = 262_144  # of a stream that waits for its reader
_JOIN_BYTES: Final = 65_536
_TARGET: Final = re.compile(rb"[!\"$-~]+")
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)
# What the connection to the upstream needs is written here, and nothing of it comes from a client.
_OWN_HEADERS: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 section 9.2.2
_WITH_LENGTH: Final = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 section 8.6: also when the body is empty
# Servers close idle connections as early as after two seconds. What may not be sent twice goes on a fresh one, or on
# one that was used a moment ago and has not ended since.
_SURELY_OPEN_S: Final = 1.0
_TICK_S: Final = 0.02
_MOST_IDLE: Final = limit("http.upstream_idle")
_IDLE_S: Final = float(limit("http.upstream_idle_s"))
_CONNECT_S: Final = float(limit("http.connect_timeout_s"))


class UpstreamError(Exception):
    """An upstream gave no answer. The text is for the log and `explain`."""


class UpstreamRefused(UpstreamError):
    """Nobody there: refused, unreachable, or no such name."""


class UpstreamForbidden(UpstreamError):
    """The egress policy forbids the address."""


class UpstreamTlsFailed(UpstreamError):
    """No TLS session: handshake or certificate."""


class UpstreamTimeout(UpstreamError):
    """The time for the whole exchange is over."""


class UpstreamBroken(UpstreamError):
    """Reset or closed midway, or an answer that cannot be read in one way."""


class UpstreamTooLarge(UpstreamError):
    """The answer is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server to send to. unix_path: a Unix socket instead of host and port; the egress policy is not asked then.

    insecure: certificates are not verified (`insecureSkipVerification`).
    """

    scheme: str  # http or https
    host: str  # without brackets
    port: int
    insecure: bool = False
    unix_path: str | None = None
    authority: bytes = field(init=False, compare=False)  # what the Host header says
    _hash: int = field(init=False, compare=False, repr=False)  # looked up for every request

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        authority = host if self.port in (default, 0) else f"{host}:{self.port}"
        object.__setattr__(self, "authority", authority.encode("ascii"))
        own = (self.scheme, self.host, self.port, self.insecure, self.unix_path)
        object.__setattr__(self, "_hash", hash(own))

    def __hash__(self) -> int:
        return self._hash


def split_url(url: str, *, insecure: bool = False) -> tuple[Upstream, bytes]:
    """An absolute http(s) URL as upstream and request target. Raises ValueError for anything else in it."""
    if not re.fullmatch(r"[!-~]+", url, re.ASCII):
        raise ValueError("a URL has no blanks, control or foreign characters")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("the URL is not http or https")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ValueError("the URL has user information")
    host_part = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    if not parts.hostname or not _HOST.fullmatch(host_part.removesuffix(":")):
        raise ValueError("the URL has no valid host")
    target = parts.path or "/"
    if parts.query or "?" in url.partition("#")[0]:
        target += "?" + parts.query
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    if port == 0:
        raise ValueError("the URL has no valid port")
    return Upstream(parts.scheme, parts.hostname.lower(), port, insecure), target.encode("ascii")


class UpstreamAnswer:
    """What came back. Either `body` is whole, or `stream` gives it piece by piece and `length` is its size."""

    __slots__ = ("body", "headers", "index", "length", "status", "stream")

    def __init__(
        self, head: Head, body: bytes, stream: "AnswerStream | None" = None, length: int | None = None
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self.index = head.index  # name in lower case → values
        self.body = body
        self.stream = stream
        self.length = length

    def find(self, name: bytes) -> bytes | None:
        """The last value of a header, None when absent; `name` in lower case."""
        values = self.index.get(name)
        return values[-1] if values else None

    async def read(self) -> bytes:
        """The whole body, streamed or not."""
        if self.stream is None:
            return self.body
        return b"".join([piece async for piece in self.stream])


class AnswerStream(AsyncIterator[bytes]):
    """The body of a long answer. Reads ahead a bounded amount; `aclose` before its end drops the connection."""

    __slots__ = ("_connection", "_error", "_pieces", "_size", "_timeout_s", "_waiter")

    def __init__(self, connection: "_Connection", timeout_s: float) -> None:
        self._connection: _Connection | None = connection
        self._timeout_s = timeout_s
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None

    def put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _STREAM_AHEAD_BYTES and self._connection is not None:
            self._connection.pause()
        self._wake()

    def end(self, error: UpstreamError | None = None) -> None:
        self._connection = None
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            connection = self._connection
            if connection is None:
                raise StopAsyncIteration
            loop = connection.client.loop
            self._waiter = loop.create_future()
            # While the reader is slow no time runs; while the upstream is, this much may pass for each piece.
            timer = loop.call_later(self._timeout_s, connection.fail, UpstreamTimeout("the answer stopped midway"))
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._size <= _STREAM_AHEAD_BYTES // 2 and self._connection is not None:
            self._connection.resume()
        return piece

    async def aclose(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Nobody reads the rest: the connection goes."""
        self._pieces.clear()
        if self._connection is not None:
            self._connection.fail(UpstreamBroken("the answer is no longer wanted"))


class _Exchange:
    """One request under way. answer: what the caller awaits."""

    __slots__ = (
        "answer",
        "as_it_comes",
        "deadline",
        "max_bytes",
        "message",
        "method",
        "reused",
        "timeout_s",
        "upstream",
    )

    def __init__(
        self,
        upstream: Upstream,
        method: str,
        message: tuple[bytes, ...],
        timeout_s: float,
        max_bytes: int,
        deadline: float,
    ) -> None:
        self.upstream = upstream
        self.method = method
        self.message = message
        self.timeout_s = timeout_s
        self.max_bytes = max_bytes
        self.reused = False
        self.as_it_comes = False
        self.deadline = deadline
        self.answer: Later[UpstreamAnswer] = Later()


class _Connection(asyncio.Protocol):
    """One connection to an upstream: idle in its pool, or with one exchange."""

    __slots__ = (
        "_body",
        "_buffer",
        "_chunks",
        "_head",
        "_paused",
        "_pool",
        "_reader",
        "_remaining",
        "_size",
        "_stream",
        "client",
        "exchange",
        "idle_since",
        "open",
        "transport",
    )

    def __init__(self, client: "Client", pool: "list[_Connection]") -> None:
        self.client = client
        self._pool = pool
        self._reader = ResponseReader()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.open = False
        self.exchange: _Exchange | None = None
        self.idle_since = 0.0
        self._head: Head | None = None
        self._buffer = b""
        self._body: list[bytes] = []
        self._size = 0
        self._remaining = 0
        self._chunks: ChunkedReader | None = None
        self._stream: AnswerStream | None = None
        self._paused = False

    @property
    def streams(self) -> bool:
        """Whether the answer under way is handed out already, piece by piece."""
        return self._stream is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.open = True
        self.client.connections.add(self)

    def has_input(self) -> bool:
        """Whether the kernel holds something for an idle connection that this loop has not seen: its end, mostly."""
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def begin(self, exchange: _Exchange) -> None:
        self.exchange = exchange
        self._head = None
        if len(exchange.message) == 1:
            self.client.batch.write(self.transport, exchange.message[0])
        else:
            self.client.batch.flush()
            self.transport.writelines(exchange.message)

    def pause(self) -> None:
        if not self._paused and self.open:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self.open:
            self._paused = False
            self.transport.resume_reading()

    def fail(self, error: UpstreamError) -> None:
        """Give the exchange up, and with it the connection: nobody knows what may still come on it."""
        exchange, self.exchange = self.exchange, None
        stream, self._stream = self._stream, None
        if self.open:
            self.open = False
            self.transport.abort()
        if stream is not None:
            stream.end(error)
        elif exchange is not None:
            exchange.answer.fail(error)

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            # An answer that nobody asked for would be taken for the next one's (response splitting).
            self.fail(UpstreamBroken("bytes without a request"))
            return
        try:
            if self._head is None:
                buffer = self._buffer + data if self._buffer else data
                rest = self._read_head(buffer, self.exchange)
                if rest is None:
                    return
                data = rest
            self._read_body(data, self.exchange)
        except Malformed as error:
            self.fail(UpstreamBroken(error.reason))
        except UpstreamError as error:
            self.fail(error)

    def _read_head(self, buffer: bytes, exchange: _Exchange) -> bytes | None:
        while True:
            end = buffer.find(b"\r\n\r\n") + 4
            if end < 4 or end > _HEAD_BYTES:
                if len(buffer) > _HEAD_BYTES:
                    raise UpstreamBroken("the answer's head is too large")
                if has_stray_line_end(buffer):
                    raise UpstreamBroken("the answer's head has a line that ends in a bare CR or LF")
                self._buffer = buffer
                return None
            head = self._reader.read(buffer[:end], to_head=exchange.method == "HEAD")
            buffer = buffer[end:]
            if head.status >= 200:
                break
            if head.status == 101:
                raise UpstreamBroken("an upgrade that was not asked for")
        self._buffer = b""
        self._head = head
        length = self._remaining = head.length
        self._size = 0
        if length == CHUNKED:
            self._chunks = ChunkedReader()
        elif length > exchange.max_bytes:
            raise UpstreamTooLarge(f"the answer has {length} bytes")
        if length > _BUFFERED_BYTES or (length < 0 and exchange.as_it_comes):
            if exchange.answer.done:
                raise UpstreamBroken("the answer is no longer wanted")
            stream = self._stream = AnswerStream(self, exchange.timeout_s)
            exchange.answer.give(UpstreamAnswer(head, b"", stream, length if length > 0 else None))
        return buffer

    def _read_body(self, data: bytes, exchange: _Exchange) -> None:
        if self._chunks is not None:
            for piece in self._chunks.feed(data):
                self._add(piece, exchange)
            end = self._chunks.end
            if end >= 0:
                self._chunks = None
                self._complete(clean=end == len(data))
        elif self._remaining == UNTIL_CLOSE:
            self._add(data, exchange)
        elif len(data) < self._remaining:
            self._remaining -= len(data)
            self._add(data, exchange)
        else:
            clean = len(data) == self._remaining
            if data and self._remaining:
                self._add(data if clean else data[: self._remaining], exchange)
            self._complete(clean=clean)

    def _add(self, piece: bytes, exchange: _Exchange) -> None:
        if self._stream is not None:
            self._stream.put(piece)
            return
        self._size += len(piece)
        if self._size > exchange.max_bytes:
            raise UpstreamTooLarge(f"the answer has more than {exchange.max_bytes} bytes")
        self._body.append(piece)

    def _complete(self, *, clean: bool) -> None:
        """The answer is whole. clean: nothing came after it, so the connection can carry another exchange."""
        exchange, self.exchange = self.exchange, None
        stream, self._stream = self._stream, None
        head, self._head = self._head, None
        if head is None or exchange is None:
            return
        body: bytes | None = None
        if stream is None:
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
        self.resume()
        if clean and head.keep_alive and self.open and len(self._pool) < _MOST_IDLE:
            self.idle_since = self.client.loop.time()
            self._pool.append(self)
        elif self.open:
            self.open = False
            self.transport.close()
        if stream is not None:
            stream.end()
        elif body is not None:
            exchange.answer.give(UpstreamAnswer(head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.client.connections.discard(self)
        exchange = self.exchange
        if exchange is None:
            return
        if self._head is not None and self._remaining == UNTIL_CLOSE and self._chunks is None and exc is None:
            self._complete(clean=False)
        elif self._head is None and not self._buffer and exchange.reused and exchange.method in _IDEMPOTENT:
            # The upstream closed an idle connection just as it was taken: RFC 9110 section 9.2.2 lets us ask again.
            self.exchange = None
            self.client.ask_again(exchange)
        else:
            self.fail(UpstreamBroken("the connection was closed before the answer was complete"))


class Client:
    """Sends requests to upstreams. One per process; belongs to one event loop."""

    def __init__(self, policy: EgressPolicy, *, resolve: "Resolve | None" = None) -> None:
        """resolve: (host, port) → addresses; None asks the system."""
        self.loop = asyncio.get_running_loop()
        self.batch = WriteBatch(self.loop)
        self._policy = policy
        self._resolve = resolve or _resolve
        self._writer = FieldWriter(_OWN_HEADERS)
        self._pools: dict[Upstream, list[_Connection]] = {}
        self.connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls: dict[bool, ssl.SSLContext] = {}
        self._connecting: set[_Exchange] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None

    def send(
        self,
        upstream: Upstream,
        method: str,
        target: bytes,
        headers: Sequence[Header],
        body: bytes = b"",
        *,
        timeout_s: float,
        host: bytes | None = None,
        max_bytes: int = _BODY_BYTES,
        as_it_comes: bool = False,
    ) -> Later[UpstreamAnswer]:
        """Send one request; its answer comes later, or an UpstreamError.

        target: path and query as they go on the wire. headers: what the upstream shall see; Host (host, or the
        upstream's own), Content-Length and Connection are added, and any that are given are left out.
        timeout_s: from now until the answer is whole, or its stream begins. max_bytes: of the answer's body.
        as_it_comes: an answer whose length nobody knows is a stream too, handed out with its head.
        Raises ValueError for a method, target or header that cannot stand in a request.
        """
        verb = method.encode("latin-1", "replace")
        if not _TARGET.fullmatch(target) or not is_token(verb):
            raise ValueError("a method or target that cannot stand in a request line")
        if host is not None and not _TARGET.fullmatch(host):
            raise ValueError("a Host that cannot stand in a header")
        first = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (verb, target, host or upstream.authority)
        if body or method in _WITH_LENGTH:
            last = b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n" % len(body)
        else:
            last = b"Connection: keep-alive\r\n\r\n"
        head = b"".join((first, self._writer.render(headers), last))
        message = (head, body) if len(body) > _JOIN_BYTES else (head + body,)
        loop = self.loop
        now = loop.time()
        exchange = _Exchange(upstream, method, message, timeout_s, max_bytes, now + timeout_s)
        exchange.as_it_comes = as_it_comes
        if self._ticker is None:
            self._ticker = loop.call_later(_TICK_S, self._tick)
        connection = self._find_idle(exchange, now)
        if connection is None:
            self._spawn(self._connect(exchange))
        else:
            exchange.reused = True
            connection.begin(exchange)
        return exchange.answer

    async def fetch(
        self, url: str, *, max_bytes: int, timeout_s: float, headers: Sequence[Header] = ()
    ) -> UpstreamAnswer:
        """GET a document of bounded size in a bounded time: discovery, JWKS. Raises UpstreamError or ValueError."""
        upstream, target = split_url(url)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self.send(upstream, "GET", target, headers, timeout_s=timeout_s, max_bytes=max_bytes)
                answer.body = await answer.read()
        except TimeoutError as error:
            raise UpstreamTimeout(f"no answer in {timeout_s:g} s") from error
        answer.stream = None
        return answer

    async def close(self) -> None:
        """Drop every connection; exchanges under way fail."""
        for timer in (self._sweeper, self._ticker):
            if timer is not None:
                timer.cancel()
        self._sweeper = self._ticker = None
        for task in tuple(self._tasks):
            task.cancel()
        for connection in tuple(self.connections):
            connection.fail(UpstreamBroken("this server is stopping"))
        self._pools.clear()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await asyncio.sleep(0)

    def ask_again(self, exchange: _Exchange) -> None:
        """Once more, on a connection of its own."""
        exchange.reused = False
        if not exchange.answer.done:
            self._spawn(self._connect(exchange))

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _find_idle(self, exchange: _Exchange, now: float) -> _Connection | None:
        pool = self._pools.get(exchange.upstream)
        if pool is None:
            return None
        while pool:
            connection = pool.pop()
            if not connection.open or connection.transport.is_closing():
                continue
            if exchange.method not in _IDEMPOTENT:
                if now - connection.idle_since > _SURELY_OPEN_S:
                    pool.append(connection)
                    return None
                if connection.has_input():
                    continue
            return connection
        return None

    def _tick(self) -> None:
        """While anything is under way: give up what is over its time. A timer per exchange costs more than all this."""
        now = self.loop.time()
        busy = False
        for connection in tuple(self.connections):
            exchange = connection.exchange
            if exchange is not None:
                busy = True
                if now >= exchange.deadline and not connection.streams:
                    connection.fail(UpstreamTimeout(f"no answer in {exchange.timeout_s:g} s"))
        for exchange in tuple(self._connecting):
            busy = True
            if now >= exchange.deadline:
                self._connecting.discard(exchange)
                exchange.answer.fail(UpstreamTimeout(f"no connection in {exchange.timeout_s:g} s"))
        self._ticker = self.loop.call_later(_TICK_S, self._tick) if busy else None

    async def _connect(self, exchange: _Exchange) -> None:
        """Open a connection for an exchange and begin it."""
        self._connecting.add(exchange)
        try:
            connection = await self._open(exchange.upstream)
        except UpstreamError as error:
            exchange.answer.fail(error)
            return
        except asyncio.CancelledError:
            exchange.answer.fail(UpstreamBroken("this server is stopping"))
            raise
        finally:
            self._connecting.discard(exchange)
        if exchange.answer.done:  # given up meanwhile: the connection serves the next one
            connection.idle_since = self.loop.time()
            self._pools[exchange.upstream].append(connection)
            return
        connection.begin(exchange)

    async def _open(self, upstream: Upstream) -> _Connection:
        pool = self._pools.setdefault(upstream, [])
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(_IDLE_S / 4, self._sweep)

        def make() -> _Connection:
            return _Connection(self, pool)

        if upstream.unix_path is not None:
            try:
                _, connection = await self.loop.create_unix_connection(make, upstream.unix_path)
            except OSError as error:
                raise UpstreamRefused(str(error)) from error
            return connection
        failure: UpstreamError = UpstreamRefused("no address")
        for address in await self._find_addresses(upstream):
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, connection = await self.loop.create_connection(
                        make,
                        address,
                        upstream.port,
                        ssl=self._tls_context(insecure=upstream.insecure) if upstream.scheme == "https" else None,
                        server_hostname=upstream.host if upstream.scheme == "https" else None,
                    )
            except ssl.SSLError as error:
                failure = UpstreamTlsFailed(error.reason or "TLS failed")
            except TimeoutError:
                failure = UpstreamRefused(f"no connection in {_CONNECT_S:g} s")
            except OSError as error:
                failure = UpstreamRefused(str(error))
            else:
                return connection
        raise failure

    async def _find_addresses(self, upstream: Upstream) -> list[str]:
        """Resolve once; connections go to these addresses and to no other."""
        try:
            found = await self._resolve(upstream.host, upstream.port)
        except (OSError, UnicodeError) as error:
            raise UpstreamRefused(f"no address for {upstream.host}") from error
        objection = None
        allowed: list[str] = []
        for address in found:
            reason = self._policy.find_objection(address, upstream.port)
            if reason is None:
                allowed.append(address)
            else:
                objection = f"{upstream.host} is {address}, {reason}"
        if not allowed and objection is not None:
            raise UpstreamForbidden(objection)
        return allowed

    def _tls_context(self, *, insecure: bool) -> ssl.SSLContext:
        context = self._tls.get(insecure)
        if context is None:
            context = ssl.create_default_context()
            if insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls[insecure] = context
        return context

    def _sweep(self) -> None:
        """Close what has been idle too long."""
        oldest = self.loop.time() - _IDLE_S
        for pool in self._pools.values():
            for connection in [c for c in pool if c.idle_since < oldest or not c.open]:
                pool.remove(connection)
                if connection.open:
                    connection.open = False
                    connection.transport.close()
        self._sweeper = self.loop.call_later(_IDLE_S / 4, self._sweep) if self.connections else None


Resolve = Callable[[str, int], Awaitable[list[str]]]


async def _resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system orders them. `*.localhost` is this machine (RFC 6761 section 6.3)."""
    if host.endswith(".localhost"):
        return ["127.0.0.1", "::1"]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
