"""A web service on a real socket, and a gateway with a real way out to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scopegate.http.client import Client
from scopegate.http.egress import EgressPolicy
from tests.rooms.gateway.driver import Answer, Gateway, Pool

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@dataclass
class Upstream:
    """What the service got, and what it answers: raw bytes, or an effect on the connection."""

    answer: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]] = OK
    port: int = 0
    lines: list[str] = field(default_factory=list)
    heads: list[list[tuple[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """The last request target."""
        return self.lines[-1].split(" ")[1]

    @property
    def method(self) -> str:
        return self.lines[-1].split(" ")[0]

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.heads[-1] if key.lower() == name.lower()]
        assert len(values) < 2
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.heads[-1]}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *rest = head.strip().split("\r\n")
                pairs = [tuple(line.split(": ", 1)) for line in rest]
                length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
                self.lines.append(first)
                self.heads.append(pairs)  # type: ignore[arg-type]
                self.bodies.append(await reader.readexactly(length))
                if callable(self.answer):
                    await self.answer(writer)
                    break
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(upstream: Upstream) -> AsyncIterator[Upstream]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


Put = Callable[[Gateway, str], None]


def call_upstream(
    put: Put, *args: Any, upstream: Upstream | None = None, pools: list[Pool] | None = None, **kwargs: Any
) -> tuple[Answer, Upstream, Gateway]:
    """One call through a gateway whose API `put` makes, given the upstream's base URL."""

    async def run() -> tuple[Answer, Upstream, Gateway]:
        async with serving(upstream or Upstream()) as service:
            client = Client(EgressPolicy(development=True))
            try:
                gateway = Gateway(client=client, pools=pools or [])
                put(gateway, service.url)
                return await gateway.call_async(*args, **kwargs), service, gateway
            finally:
                await client.close()

    return asyncio.run(run())
