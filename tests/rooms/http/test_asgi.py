"""The ASGI bridge, both ways: a Starlette application behind the listener, and a room behind an ASGI server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as PageRequest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.responses import Response as PageResponse
from starlette.routing import Route

from scopegate.http.asgi import AsgiRoom, BrokenApplication, as_asgi
from scopegate.http.message import Request, Response
from tests.rooms.http.test_listener import pieces, run
from tests.rooms.http.wires import Room, connected, listening

afterwards: list[str] = []


async def echo(request: PageRequest) -> PageResponse:
    body = await request.body()
    text = f"{request.method} {request.url.path} {request.url.query} {request.headers['x-a']} {body.decode()}"
    return PlainTextResponse(text, background=BackgroundTask(afterwards.append, "done"))


async def stream(request: PageRequest) -> PageResponse:
    return StreamingResponse(pieces(b"abc", b"def"), media_type="text/plain")


async def fail(request: PageRequest) -> PageResponse:
    raise LookupError("secret")


lives: list[str] = []


@contextlib.asynccontextmanager
async def life(_: Starlette) -> AsyncIterator[dict[str, str]]:
    lives.append("start")
    yield {"door": "open"}
    lives.append("stop")


async def state(request: PageRequest) -> PageResponse:
    return PlainTextResponse(request.state.door)


PAGES = Starlette(
    routes=[
        Route("/echo é", echo, methods=["GET", "POST"]),
        Route("/stream", stream),
        Route("/fail", fail),
        Route("/state", state),
    ],
    lifespan=life,
)


def test_pages_answer_behind_the_listener() -> None:
    async def scene() -> None:
        pages = AsgiRoom(PAGES)
        await pages.start()
        room = Room(pages)
        async with listening(room) as listener, connected(listener) as wire:
            head = b"POST /echo%20%C3%A9?q=%2F HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"
            status, headers, body = await wire.ask(head)
            assert (status, body.decode()) == (200, "POST /echo é q=%2F 1 hi")
            assert headers[b"content-length"] == b"%d" % len(body)
            _, headers, body = await wire.ask(b"HEAD /echo%20%C3%A9 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n")
            assert int(headers[b"content-length"]) > 0
            _, headers, body = await wire.ask(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (headers[b"transfer-encoding"], body) == (b"chunked", b"abcdef")
            assert (await wire.ask(b"GET /state HTTP/1.1\r\nHost: a\r\n\r\n"))[2] == b"open"
            assert (await wire.ask(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 404
            status, _, body = await wire.ask(b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (status, b"secret" in body) == (500, False)
        await pages.stop()

    lives.clear()
    afterwards.clear()
    run(scene())
    assert lives == ["start", "stop"]
    assert afterwards == ["done", "done"]


def test_an_application_that_fails_before_its_answer_is_500() -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("secret")

    async def says_nothing(scope: Any, receive: Any, send: Any) -> None: ...

    async def scene() -> None:
        for application, expected in ((raises, LookupError), (says_nothing, BrokenApplication)):
            pages = AsgiRoom(application)
            await pages.start()  # knows no lifespan
            room = Room(pages)
            async with listening(room) as listener, connected(listener) as wire:
                status, _, body = await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (status, b"secret" in body) == (500, False)
            await pages.stop()
            assert [type(error) for error in room.errors] == [expected]

    run(scene())


def test_a_page_learns_that_its_reader_has_left() -> None:
    left = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        finally:
            left.set()

    async def scene() -> None:
        async with listening(Room(AsgiRoom(endless))) as listener:
            async with connected(listener) as wire:
                await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await wire.reader.readexactly(1000)
            await asyncio.wait_for(left.wait(), 5)

    run(scene())


def scope(**changes: Any) -> dict[str, Any]:
    plain = {
        "type": "http",
        "http_version": "2",
        "method": "GET",
        "scheme": "https",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "headers": [(b"host", b"a")],
        "client": ("192.0.2.1", 5),
        "server": ("a", 443),
    }
    return {**plain, **changes}


async def ask(room: Room, asked: dict[str, Any], *bodies: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """One exchange with a room as an ASGI server would have it."""
    messages = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await as_asgi(room, on_error=lambda _, error: room.errors.append(error))(asked, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert sent[-1].get("more_body") is False
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_a_room_answers_behind_an_asgi_server() -> None:
    async def scene() -> None:
        room = Room(lambda request: Response(201, [(b"X-A", b"1"), (b"Connection", b"close")], request.body))
        status, headers, body = await ask(room, scope(method="PURGE"), b"hel", b"lo")
        assert (status, headers, body) == (201, {b"x-a": b"1", b"content-length": b"5"}, b"hello")
        asked = room.requests[0]
        assert (asked.method, asked.target, asked.path, asked.query) == ("PURGE", b"/a%20b?q=1", b"/a%20b", b"q=1")
        assert (asked.peer, asked.tls) == (("192.0.2.1", 5), True)

        streaming = Room(lambda _: Response(200, stream=pieces(b"abc", b"def")))
        assert await ask(streaming, scope()) == (200, {}, b"abcdef")
        assert (await ask(room, scope(method="HEAD"), b"hello"))[2] == b""
        del asked
        rawless = scope()
        del rawless["raw_path"]
        await ask(room, rawless)
        assert room.requests[-1].target == b"/a%20b?q=1"

    run(scene())


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": []}, 400),
        ({"headers": [(b"host", b"a"), (b"host", b"b")]}, 400),
        ({"headers": [(b"host", b"a"), (b"x", b"a\r\nb: c")]}, 400),
        ({"headers": [(b"host", b"a"), (b"x y", b"a")]}, 400),
        ({"headers": [(b"host", b"a"), (b"content-length", b"1"), (b"transfer-encoding", b"chunked")]}, 400),
        ({"raw_path": b"/a b"}, 400),
        ({"raw_path": b"a"}, 400),
        ({"method": "GET /"}, 400),
        ({"headers": [(b"host", b"a"), (b"x", b"a" * 40_000)]}, 431),
        ({"headers": [(b"host", b"a")] + [(b"x", b"a")] * 300}, 431),
    ],
    ids=range(10),
)
def test_what_the_listener_refuses_is_refused_here_too(changes: dict[str, Any], status: int) -> None:
    """Attack rows H1, H2 and H5, through the other door."""

    async def scene() -> None:
        room = Room()
        assert (await ask(room, scope(**changes)))[0] == status
        assert room.requests == []

    run(scene())


def test_bodies_are_capped_and_failures_are_500_here_too() -> None:
    async def scene() -> None:
        room = Room(most_bytes=4)
        assert (await ask(room, scope(), b"hel", b"lo"))[0] == 413

        def fail_at_once(request: Request) -> Response:
            raise LookupError("secret")

        room = Room(fail_at_once)
        status, _, body = await ask(room, scope())
        assert (status, b"secret" in body, len(room.errors)) == (500, False, 1)
        room = Room(lambda _: Response(200, [(b"X", b"a\r\nb")]))
        assert (await ask(room, scope()))[0] == 500

    run(scene())


def test_a_lifespan_is_entered_and_left() -> None:
    async def scene() -> None:
        steps: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            steps.append("start")
            yield
            steps.append("stop")

        inner = AsgiRoom(as_asgi(Room(), lifespan=lifespan))
        await inner.start()
        answer = await inner(Request("GET", b"/", [(b"Host", b"a")]))
        assert (answer.status, answer.body, steps) == (200, b"hello", ["start"])
        await inner.stop()
        assert steps == ["start", "stop"]

    run(scene())
