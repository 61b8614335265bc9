"""Attack rows H4 and H5: slow, idle, many and large clients. Memory is bounded, and others are served."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from scopegate.base.limits import limit
from scopegate.http.listener import Timeouts
from scopegate.http.message import Request, Response
from tests.rooms.http.test_listener import GET, run
from tests.rooms.http.wires import Room, connected, listening

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
HASTY = Timeouts(head_s=0.2, body_s=0.2, idle_s=0.2, write_s=0.2, linger_s=0.2)
HEAD_BYTES = limit("http.head_bytes")


@pytest.mark.parametrize(
    ("begun", "dripped"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: a\r\n"),
        (b"G", b"E"),
        (POST + b"Content-Length: 1000\r\n\r\n", b"x"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["slow head", "slow request line", "slow body", "slow chunks"],
)
def test_h4_a_request_that_drips_is_408(begun: bytes, dripped: bytes) -> None:
    """Row H4, slowloris: bytes now and then do not move the deadline on."""

    async def scene() -> None:
        room = Room()
        async with listening(room, timeouts=HASTY) as listener, connected(listener) as wire:
            await wire.send(begun)
            answer = asyncio.ensure_future(wire.read_answer())
            async with asyncio.timeout(10):
                while not answer.done():
                    await asyncio.wait([answer], timeout=0.03)
                    with contextlib.suppress(ConnectionError):
                        await wire.send(dripped)
            assert answer.result()[0] == 408
            assert await wire.is_closed()
        assert room.requests == []

    run(scene())


@pytest.mark.parametrize("first", [b"", GET], ids=["says nothing", "idle after an answer"])
def test_h4_an_idle_connection_is_closed_without_a_word(first: bytes) -> None:
    async def scene() -> None:
        async with listening(Room(), timeouts=HASTY) as listener, connected(listener) as wire:
            if first:
                await wire.ask(first)
            assert await wire.is_closed()

    run(scene())


@pytest.mark.parametrize("streamed", [False, True])
def test_h4_a_reader_that_does_not_read_is_left(streamed: bool) -> None:
    """Row H4: what it has not taken waits in the kernel and in one bounded buffer, and not for ever."""
    closed = asyncio.Event()

    async def scene() -> None:
        async def endless():  # type: ignore[no-untyped-def]
            try:
                while True:
                    yield b"x" * 65_536
            finally:
                closed.set()

        def answer(request: Request) -> Response:
            return Response(200, stream=endless()) if streamed else Response(200, [], b"x" * 30_000_000)

        room = Room(answer)
        async with listening(room, timeouts=HASTY) as listener, connected(listener) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await wire.send(GET)
            async with asyncio.timeout(10):
                while not room.requests or listener.connections:
                    await asyncio.sleep(0.01)
            if streamed:
                await asyncio.wait_for(closed.wait(), 5)

    run(scene())


def test_h4_a_full_house_leaves_who_is_idle_longest_and_serves_on() -> None:
    """Row H4, idle flood: thousands of sockets that say nothing keep nobody out."""

    async def scene() -> None:
        async with listening(Room()) as listener, contextlib.AsyncExitStack() as stack:
            listener.most_connections = 20
            for _ in range(50):
                await stack.enter_async_context(connected(listener))
            wire = await stack.enter_async_context(connected(listener))
            assert (await wire.ask(GET))[0] == 200
            assert len(listener.connections) <= 20

    run(scene())


def test_h4_a_house_full_of_open_exchanges_answers_503() -> None:
    async def scene() -> None:
        room = Room(lambda _: asyncio.get_running_loop().create_future())
        async with listening(room) as listener, contextlib.AsyncExitStack() as stack:
            listener.most_connections = 3
            for _ in range(3):
                wire = await stack.enter_async_context(connected(listener))
                await wire.send(GET)
            while len(room.requests) < 3:
                await asyncio.sleep(0.001)
            wire = await stack.enter_async_context(connected(listener))
            assert (await wire.read_answer())[0] == 503
            assert await wire.is_closed()

    run(scene())


def test_h4_others_are_served_while_many_are_slow() -> None:
    async def scene() -> None:
        async with listening(Room()) as listener, contextlib.AsyncExitStack() as stack:
            for number in range(300):
                slow = await stack.enter_async_context(connected(listener))
                await slow.send(b"GET / HTTP/1.1\r\nX-%d: " % number)
            wire = await stack.enter_async_context(connected(listener))
            loop = asyncio.get_running_loop()
            longest = 0.0
            for _ in range(100):
                begun = loop.time()
                assert (await wire.ask(GET))[0] == 200
                longest = max(longest, loop.time() - begun)
            assert longest < 0.5

    run(scene())


def test_h4_what_is_sent_ahead_waits_in_the_kernel() -> None:
    """Row H4: pipelined requests behind a slow answer do not pile up here."""

    async def scene() -> None:
        go = asyncio.Event()

        async def answer(request: Request) -> Response:
            await go.wait()
            return Response(204)

        async with listening(Room(answer)) as listener, connected(listener) as wire:
            flood = asyncio.ensure_future(wire.send(GET * 400_000))
            (connection,) = listener.connections
            async with asyncio.timeout(10):
                while not connection.reading_paused:
                    await asyncio.sleep(0.001)
            assert len(connection.buffer) < 1_000_000
            go.set()
            for _ in range(1000):
                assert (await wire.read_answer())[0] == 204
            flood.cancel()
            wire.writer.transport.abort()

    run(scene())


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 10485761\r\n\r\n",
        POST + b"Content-Length: 10485761\r\n\r\n" + b"x" * 10_485_761,
        POST + b"Transfer-Encoding: chunked\r\n\r\nA00001\r\n" + b"x" * 10_485_761,
    ],
    ids=["announced", "sent", "in chunks"],
)
def test_h5_a_body_of_one_byte_too_many_is_413(sent: bytes) -> None:
    """Row H5: 10 MB + 1. The answer arrives though the client is still sending."""

    async def scene() -> None:
        room = Room(most_bytes=10_485_760)
        async with listening(room) as listener, connected(listener) as wire:
            sending = asyncio.ensure_future(wire.send(sent))
            assert (await wire.read_answer())[0] == 413
            await asyncio.wait([sending])
            with contextlib.suppress(ConnectionError):
                sending.result()
        assert room.requests == []

    run(scene())


def test_h5_large_bodies_lie_in_files_not_in_memory() -> None:
    """Row H5: twenty bodies of 10 MB at once, in a process that grows by less than one of them each."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def scene() -> None:
        async with listening(Room()) as listener, contextlib.AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(connected(listener)) for _ in range(20)]
            before = resident()
            piece = b"x" * 1_048_576
            for wire in wires:
                await wire.send(POST + b"Content-Length: 10485760\r\n\r\n")
            for _ in range(9):
                for wire in wires:
                    await wire.send(piece)
            async with asyncio.timeout(10):
                while any(c.body is None or c.body.size < 9_000_000 for c in listener.connections):
                    await asyncio.sleep(0.01)
            assert resident() - before < 60_000_000

    run(scene())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 201 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", 431),
        (b"G" * 100_000, 414),
    ],
    ids=["long target", "long header", "many headers", "very many headers", "no line at all"],
)
def test_h5_a_head_that_is_too_large_is_refused(sent: bytes, status: int) -> None:
    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            sending = asyncio.ensure_future(wire.send(sent))
            assert (await wire.read_answer())[0] == status
            await asyncio.wait([sending])
            with contextlib.suppress(ConnectionError):
                sending.result()
        assert room.requests == []

    run(scene())


def test_h5_a_head_of_the_largest_size_is_read() -> None:
    async def scene() -> None:
        start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
        async with listening(Room()) as listener, connected(listener) as wire:
            assert (await wire.ask(start + b"a" * (HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"))[0] == 200
            assert (await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 199 + b"\r\n"))[0] == 200

    run(scene())


@pytest.mark.parametrize(
    "chunks",
    [
        b"1;" + b"a" * 2000 + b"\r\n",
        b"1;a=b\r\nx\r\n" * 20_000,
        b"0\r\n" + b"X: " + b"a" * 9000 + b"\r\n\r\n",
        b"0\r\n" + b"X: a\r\n" * 2000 + b"\r\n",
    ],
    ids=["long extension", "many extensions", "long trailer", "many trailers"],
)
def test_h5_extensions_and_trailers_are_bounded(chunks: bytes) -> None:
    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            assert (await wire.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks))[0] == 400
        assert room.requests == []

    run(scene())
