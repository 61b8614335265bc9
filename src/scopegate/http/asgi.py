"""The ASGI bridge, both ways.

`AsgiRoom` lets an ASGI application (the pages, made with Starlette) answer requests of the listener.
`as_asgi` makes an ASGI application of ours, for servers that speak HTTP/2 (Granian, Hypercorn) and for tests within a
process; what the listener refuses on the wire is refused there as far as ASGI shows it.
WebSockets are not bridged.
Source: ASGI specification 3.0, HTTP and lifespan, versions 2.3 and 2.0.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast
from urllib.parse import unquote

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.listener import Application, OnError, log_error
from scopegate.http.message import Header, Request, Response
from scopegate.http.wire import FieldWriter, is_token

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

_TARGET: Final = re.compile(rb"/[!\"$-~]*")
_VALUE: Final = re.compile(rb"[\t -~\x80-\xff]*")
_AHEAD: Final = 16  # pieces of a body that an application may be ahead of its reader


class BrokenApplication(Exception):
    """An ASGI application that broke the protocol, or ended without an answer."""


# An ASGI application as a room


class _Exchange:
    """One request inside an ASGI application. Slotted and mutable; belongs to one exchange."""

    __slots__ = ("body_read", "gone", "head", "pieces", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.body_read = False
        self.head: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        if not self.body_read:
            self.body_read = True
            return {"type": "http.request", "body": self.request.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.gone.is_set():
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.head.done():
            self.head.set_result(message)
        elif kind == "http.response.body" and self.head.done():
            if piece := message.get("body", b""):
                await self.pieces.put(bytes(piece))
            if not message.get("more_body", False):
                await self.pieces.put(None)
                self.gone.set()
        else:
            raise BrokenApplication(f"{kind} out of order")


class AsgiRoom:
    """Requests of the listener → an ASGI application. Call it with a Request; `start` and `stop` are its lifespan.

    root_path: what of the path the application does not see as its own (ASGI `root_path`).
    """

    def __init__(self, application: AsgiApplication, *, root_path: str = "") -> None:
        self._application = application
        self._root_path = root_path
        self._state: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # a page may go on after its answer (background tasks)
        self._to_lifespan: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None
        self._started: asyncio.Future[Message | None] | None = None
        self._stopped: asyncio.Future[Message | None] | None = None

    async def start(self) -> None:
        """Run the application's startup. One that knows no lifespan is started as it is."""
        loop = asyncio.get_running_loop()
        self._started, self._stopped = loop.create_future(), loop.create_future()
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        self._lifespan = loop.create_task(self._live(scope, self._started, self._stopped))
        await self._to_lifespan.put({"type": "lifespan.startup"})
        answer = await self._started
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise BrokenApplication(answer.get("message") or "startup failed")

    async def stop(self) -> None:
        """Run the application's shutdown."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=1)
        if self._lifespan is None or self._stopped is None:
            return
        await self._to_lifespan.put({"type": "lifespan.shutdown"})
        await self._stopped
        await self._lifespan
        self._lifespan = None

    async def _live(
        self, scope: Scope, started: asyncio.Future[Message | None], stopped: asyncio.Future[Message | None]
    ) -> None:
        async def send(message: Message) -> None:
            asked = started if message["type"].startswith("lifespan.startup.") else stopped
            if not asked.done():
                asked.set_result(message)

        # An application that raises here says that it knows no lifespan.
        with contextlib.suppress(Exception):
            await self._application(scope, self._to_lifespan.get, send)
        for asked in (started, stopped):
            if not asked.done():
                asked.set_result(None)

    async def __call__(self, request: Request) -> Response:
        """The application's answer. Raises what the application raises before its answer begins."""
        exchange = _Exchange(request)
        task = asyncio.get_running_loop().create_task(self._run(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = await exchange.head
        except asyncio.CancelledError:
            task.cancel()
            raise
        headers = [(bytes(name), bytes(value)) for name, value in head.get("headers", ())]
        length: int | None = None
        for name, value in headers:
            if name.lower() == b"content-length" and value.isdigit():
                length = int(value)
        first = await exchange.pieces.get() if length is not None else b""
        if first is None or (length is not None and len(first) == length):
            # The usual page: one piece, which is all. The rest of the application's run is not waited for.
            exchange.gone.set()
            return Response(head["status"], headers, first or b"", length=length if request.method == "HEAD" else None)
        return Response(head["status"], headers, stream=_pieces(exchange, task, first), length=length)

    async def _run(self, exchange: _Exchange) -> None:
        request = exchange.request
        path = unquote(request.path.decode("latin-1"))
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version,
            "method": request.method,
            "scheme": "https" if request.tls else "http",
            "path": path,
            "raw_path": request.path,
            "query_string": request.query or b"",
            "root_path": self._root_path,
            "headers": [(name.lower(), value) for name, value in request.headers],
            "client": request.peer,
            "server": request.local,
            "state": self._state.copy(),
        }
        error: BaseException = BrokenApplication("no answer")
        try:
            await self._application(scope, exchange.receive, exchange.send)
        except Exception as raised:
            error = raised
            if exchange.head.done():
                log_error(request, raised)
        if not exchange.head.done():
            exchange.head.set_exception(error)
        elif not exchange.gone.is_set():  # ended before its body did
            exchange.gone.set()
            await exchange.pieces.put(None)


async def _pieces(exchange: _Exchange, task: "asyncio.Task[None]", first: bytes) -> AsyncIterator[bytes]:
    try:
        piece: bytes | None = first
        while piece is not None:
            yield piece
            piece = await exchange.pieces.get()
    finally:
        exchange.gone.set()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


# A room as an ASGI application


def as_asgi(
    application: Application,
    *,
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
    on_error: OnError = log_error,
) -> AsgiApplication:
    """An Application behind any ASGI server. lifespan: entered at startup, left at shutdown."""
    writer = FieldWriter(
        frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
    )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await _serve_lifespan(lifespan, receive, send)
        elif kind == "http":
            await _serve_request(application, writer, on_error, scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    return serve


async def _serve_lifespan(
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None, receive: Receive, send: Send
) -> None:
    await receive()
    async with contextlib.AsyncExitStack() as stack:
        try:
            if lifespan is not None:
                await stack.enter_async_context(lifespan())
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _read_scope(scope: Scope) -> tuple[Request, str | None]:
    """The request of a scope, and what about it the listener would not have let in."""
    headers: list[Header] = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    raw_path = scope.get("raw_path")
    target = bytes(raw_path) if raw_path else _escape(scope["path"])
    query = bytes(scope.get("query_string", b""))
    client, server = scope.get("client"), scope.get("server")
    request = Request(
        scope["method"],
        target.partition(b"?")[0] + (b"?" + query if query else b""),
        headers,
        peer=(str(client[0]), int(client[1])) if client else ("", 0),
        local=(str(server[0]), int(server[1] or 0)) if server else ("", 0),
        tls=scope.get("scheme") == "https",
        http_version=scope.get("http_version", "1.1"),
        received_ns=clock.monotonic_ns(),
    )
    hosts = request.all(b"host")
    fault = None
    if len(hosts) != 1 and not (not hosts and request.http_version == "1.0"):
        fault = "no Host" if not hosts else "more than one Host"
    elif not is_token(request.method.encode("latin-1", "replace")) or not _TARGET.fullmatch(request.target):
        fault = "invalid request line"
    elif not all(is_token(name) and _VALUE.fullmatch(value) for name, value in headers):
        fault = "invalid header"
    elif len(request.all(b"content-length")) > 1 or (
        request.all(b"content-length") and request.all(b"transfer-encoding")
    ):
        fault = "two lengths of one body"
    return request, fault


def _escape(path: str) -> bytes:
    """A decoded path as it may have been sent; servers that keep `raw_path` are better."""
    return "".join(
        chr(byte) if chr(byte).isalnum() or chr(byte) in "/-._~!$&'()*+,;=:@" else f"%{byte:02X}"
        for byte in path.encode("utf-8", "surrogateescape")
    ).encode("ascii")


async def _serve_request(
    application: Application, writer: FieldWriter, on_error: OnError, scope: Scope, receive: Receive, send: Send
) -> None:
    request, fault = _read_scope(scope)
    response: Response
    try:
        response = await _answer(application, request, fault, receive)
        writer.render(response.headers)
    except _Gone:
        return
    except Exception as error:  # where a flow begins: 500, and the traceback to the hook
        on_error(request, error)
        response = application.refuse(request, 500, "the request could not be answered")
    await _send_response(request, response, send)


class _Gone(Exception):
    """The client left before its request was whole."""


async def _answer(application: Application, request: Request, fault: str | None, receive: Receive) -> Response:
    if fault is not None:
        return application.refuse(request, 400, fault)
    if sum(len(name) + len(value) + 4 for name, value in request.headers) > limit("http.head_bytes"):
        return application.refuse(request, 431, "the request head is too large")
    if len(request.headers) > limit("http.headers"):
        return application.refuse(request, 431, "too many headers")
    most = application.admit(request)
    if not isinstance(most, int):
        return most
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            return application.refuse(request, 413, "the body is too large")
        pieces.append(piece)
        more = message.get("more_body", False)
    request.body = b"".join(pieces)
    answer = application.answer(request)
    return answer if isinstance(answer, Response) else await answer


async def _send_response(request: Request, response: Response, send: Send) -> None:
    headers = [
        (name.lower(), value)
        for name, value in response.headers
        if name.lower() not in (b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date")
    ]
    has_body = request.method != "HEAD" and response.status not in (204, 304)
    stream = response.stream
    length = response.length
    if stream is None and length is None and response.status != 304:
        length = len(response.body)
    if length is not None and response.status != 204:
        headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if stream is None or not has_body:
        if stream is not None:
            await _aclose(stream)
        await send({"type": "http.response.body", "body": response.body if has_body else b"", "more_body": False})
        return
    try:
        async for piece in stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        await _aclose(stream)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _aclose(stream: AsyncIterator[bytes]) -> None:
    close = cast("Callable[[], Awaitable[None]] | None", getattr(stream, "aclose", None))
    if close is not None:
        await close()
