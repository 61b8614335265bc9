"""Real sockets for the tests of this room: a listener on a loopback port, and a client that sends bytes as they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from scopegate.http.listener import Listener, Timeouts
from scopegate.http.message import Request, Response

Answer = Callable[[Request], Response | Awaitable[Response]]


def say_hello(request: Request) -> Response:
    return Response(200, [(b"Content-Type", b"text/plain")], b"hello")


@dataclass
class Room:
    """An application whose answer is one function; it remembers what it was asked."""

    answers: Answer = say_hello
    most_bytes: int = 10_485_760
    early: Response | None = None
    requests: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    done: list[tuple[str, int, int]] = field(default_factory=list)

    def admit(self, request: Request) -> int | Response:
        return self.most_bytes if self.early is None else self.early

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        self.requests.append(request)
        self.bodies.append(request.body)
        return self.answers(request)

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        return Response(status, [(b"Content-Type", b"text/plain")], reason.encode())


@contextlib.asynccontextmanager
async def listening(
    room: Room, *, timeouts: Timeouts | None = None, head_bytes: int | None = None
) -> AsyncIterator[Listener]:
    listener = Listener(
        room,
        timeouts=timeouts,
        head_bytes=head_bytes,
        on_error=lambda _, error: room.errors.append(error),
        on_done=lambda request, status, sent, _: room.done.append((request.method, status, sent)),
    )
    await listener.start_tcp("127.0.0.1", 0)
    try:
        yield listener
    finally:
        await listener.drain(0.5)


class Wire:
    """One client connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_answer(self, *, to_head: bool = False) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers (names in lower case) and body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *lines = head[:-4].split(b"\r\n")
        headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}
        status = int(first.split(b" ")[1])
        body = b""
        if to_head or status in (100, 204, 304):
            return status, headers, body
        if headers.get(b"transfer-encoding") == b"chunked":
            while True:
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                body += (await self.reader.readexactly(size + 2))[:-2]
                if not size:
                    return status, headers, body
        if b"content-length" in headers:
            body = await asyncio.wait_for(self.reader.readexactly(int(headers[b"content-length"])), 10)
        else:
            body = await asyncio.wait_for(self.reader.read(), 10)
        return status, headers, body

    async def ask(self, data: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        await self.send(data)
        return await self.read_answer(to_head=data.startswith(b"HEAD "))

    async def is_cut(self) -> bool:
        """Whether the answer under way ends before its time."""
        try:
            await self.read_answer()
            return await self.is_closed()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return True

    async def is_closed(self) -> bool:
        """Whether the server closes the connection without another byte."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 10) == b""
        except ConnectionResetError:
            return True


@contextlib.asynccontextmanager
async def connected(listener: Listener) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=2**24)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
