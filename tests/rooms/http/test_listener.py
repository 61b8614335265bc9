"""The listener as a client sees it: real sockets, bytes as they are."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from scopegate.http.listener import Listener, Timeouts
from scopegate.http.message import Request, Response
from tests.rooms.http.wires import Room, connected, listening

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def test_an_answer_has_date_length_and_connection_beside_the_rooms_headers() -> None:
    async def scene() -> None:
        async with listening(Room()) as listener, connected(listener) as wire:
            status, headers, body = await wire.ask(GET)

            assert (status, body) == (200, b"hello")
            assert list(headers) == [b"date", b"content-type", b"content-length", b"connection"]
            assert (headers[b"content-length"], headers[b"connection"]) == (b"5", b"keep-alive")
            assert headers[b"date"].endswith(b" GMT")

    run(scene())


def test_pipelined_requests_are_answered_in_order() -> None:
    """RFC 9112 section 9.3.2; the first answer is the slowest."""

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0.05 if request.path == b"/0" else 0)
        return Response(200, [], request.path)

    async def scene() -> None:
        async with listening(Room(answer)) as listener, connected(listener) as wire:
            await wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(50)))
            bodies = [(await wire.read_answer())[2] for _ in range(50)]

            assert bodies == [b"/%d" % i for i in range(50)]

    run(scene())


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_body_arrives_whole_however_it_is_cut(piece: int) -> None:
    async def scene() -> None:
        room = Room()
        chunked = (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nAuthorization: t\r\n\r\n"
        )
        declared = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
        async with listening(room) as listener, connected(listener) as wire:
            both = chunked + declared + GET
            for at in range(0, len(both), piece):
                await wire.send(both[at : at + piece])
                await asyncio.sleep(0)
            for _ in range(3):
                assert (await wire.read_answer())[0] == 200

        assert room.bodies == [b"hello world", b"hello world", b""]
        assert all(request.find(b"authorization") is None for request in room.requests)

    run(scene())


def test_a_large_body_is_spooled_and_its_file_closed_after_the_answer() -> None:
    body = os.urandom(3_000_000)

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            await wire.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        assert room.bodies == [body]
        assert room.requests[0].body_file is not None
        assert room.requests[0].body_file.closed

    run(scene())


def test_an_exception_of_a_room_is_500_and_goes_to_the_hook() -> None:
    def fail(request: Request) -> Response:
        raise LookupError("secret")

    async def fail_later(request: Request) -> Response:
        raise LookupError("secret")

    async def scene(answer: Callable[[Request], Response | Awaitable[Response]]) -> None:
        room = Room(answer)
        async with listening(room) as listener, connected(listener) as wire:
            status, _, body = await wire.ask(GET)
            assert (status, b"secret" in body) == (500, False)
            assert [type(error) for error in room.errors] == [LookupError]
            assert (await wire.ask(GET))[0] == 500  # the connection lives on

    run(scene(fail))
    run(scene(fail_later))


@pytest.mark.parametrize("verb", [b"PURGE", b"get", b"X-1", b"CONNECT", b"TRACE", b"BREW"])
def test_an_unknown_verb_reaches_routing(verb: bytes) -> None:
    async def scene() -> None:
        room = Room()
        target = b"a:80" if verb == b"CONNECT" else b"/x"
        async with listening(room) as listener, connected(listener) as wire:
            await wire.ask(verb + b" " + target + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            await wire.ask(GET)

        assert [(r.method, r.target) for r in room.requests] == [(verb.decode(), target), ("GET", b"/")]
        assert room.bodies == [b"hi", b""]

    run(scene())


def test_an_offer_to_upgrade_is_ignored_and_the_body_read_as_declared() -> None:
    """Attack row G19: h2c is ignored."""

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            status, headers, _ = await wire.ask(head + b"HTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\nhi")
            assert (status, headers[b"connection"]) == (200, b"keep-alive")
            await wire.ask(GET)

        assert room.bodies == [b"hi", b""]

    run(scene())


def test_continue_is_sent_once_the_room_wants_the_body() -> None:
    """RFC 9110 section 10.1.1."""

    async def scene() -> None:
        room = Room(most_bytes=5)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        async with listening(room) as listener:
            async with connected(listener) as wire:
                assert (await wire.ask(head % 5))[0] == 100
                assert (await wire.ask(b"hello"))[0] == 200
            async with connected(listener) as wire:
                assert (await wire.ask(head % 6))[0] == 413
                assert await wire.is_closed()
            async with connected(listener) as wire:
                assert (await wire.ask(head.replace(b"100-continue", b"coffee") % 5))[0] == 417

    run(scene())


@pytest.mark.parametrize(
    ("request_lines", "connection"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"keep-alive"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", b"close"),
        (b"GET / HTTP/1.0\r\n\r\n", b"close"),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", b"keep-alive"),
    ],
)
def test_the_connection_stays_open_as_asked(request_lines: bytes, connection: bytes) -> None:
    async def scene() -> None:
        async with listening(Room()) as listener, connected(listener) as wire:
            _, headers, _ = await wire.ask(request_lines)
            assert headers[b"connection"] == connection
            if connection == b"close":
                assert await wire.is_closed()
            else:
                assert (await wire.ask(request_lines))[0] == 200

    run(scene())


@pytest.mark.parametrize(
    ("verb", "response", "length"),
    [
        (b"HEAD", Response(200, [], b"hello"), b"5"),
        (b"HEAD", Response(200, [], length=7), b"7"),
        (b"GET", Response(204, [], b"x", length=1), None),
        (b"GET", Response(304, [(b"ETag", b'"1"')]), None),
    ],
    ids=["HEAD", "HEAD with a length", "204", "304"],
)
def test_answers_without_a_body_have_none(verb: bytes, response: Response, length: bytes | None) -> None:
    async def scene() -> None:
        async with listening(Room(lambda _: response)) as listener, connected(listener) as wire:
            _, headers, _ = await wire.ask(verb + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert headers.get(b"content-length") == length
            assert (await wire.ask(verb + b" / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == response.status

    run(scene())


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


@pytest.mark.parametrize(
    ("version", "length", "framing"),
    [
        (b"1.1", 6, b"content-length"),
        (b"1.1", None, b"transfer-encoding"),
        (b"1.0", None, None),
    ],
)
def test_a_stream_is_framed_by_what_is_known(version: bytes, length: int | None, framing: bytes | None) -> None:
    async def scene() -> None:
        room = Room(lambda _: Response(200, stream=pieces(b"abc", b"", b"def"), length=length))
        async with listening(room) as listener, connected(listener) as wire:
            _, headers, body = await wire.ask(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
            assert body == b"abcdef"
            assert [name for name in (b"content-length", b"transfer-encoding") if name in headers] == (
                [framing] if framing else []
            )
            if framing:
                assert (await wire.ask(GET))[0] == 200

    run(scene())


@pytest.mark.parametrize("length", [2, 7, None], ids=["longer than it said", "shorter than it said", "broken"])
def test_a_stream_that_breaks_breaks_the_connection(length: int | None) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        if length is None:
            raise ConnectionError("upstream is gone")

    async def scene() -> None:
        room = Room(lambda _: Response(200, stream=broken(), length=length))
        async with listening(room) as listener, connected(listener) as wire:
            await wire.send(GET)
            assert await wire.is_cut()

    run(scene())


def test_a_client_that_is_cut_off_closes_a_stream_that_waits() -> None:
    closed = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    async def scene() -> None:
        room = Room(lambda _: Response(200, stream=silent()))
        async with listening(room) as listener:
            async with connected(listener) as wire:
                await wire.send(GET)
                await wire.reader.readuntil(b"x")
                own = wire.writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
            await asyncio.wait_for(closed.wait(), 5)
        assert room.errors == []

    run(scene())


def test_a_client_that_leaves_closes_the_stream() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            closed.set()

    async def scene() -> None:
        room = Room(lambda _: Response(200, stream=endless()))
        async with listening(room) as listener:
            async with connected(listener) as wire:
                await wire.send(GET)
                await wire.reader.readexactly(1000)
            await asyncio.wait_for(closed.wait(), 5)

    run(scene())


@pytest.mark.parametrize(
    "header",
    [(b"X", b"a\r\nSet-Cookie: b"), (b"X", b"a\nb"), (b"X", b"a\0"), (b"X: a\r\nY", b"b"), (b"X Y", b"b"), (b"", b"b")],
)
def test_a_header_that_would_end_its_line_is_500(header: tuple[bytes, bytes]) -> None:
    """Attack row G17."""

    async def scene() -> None:
        room = Room(lambda _: Response(200, [header], b"hello"))
        async with listening(room) as listener, connected(listener) as wire:
            status, headers, _ = await wire.ask(GET)
            assert status == 500
            assert not {b"x", b"set-cookie", b"y"} & set(headers)

    run(scene())


def test_framing_headers_of_a_room_are_the_listeners_affair() -> None:
    async def scene() -> None:
        headers = [(b"content-length", b"99"), (b"Transfer-Encoding", b"chunked"), (b"Connection", b"close")]
        room = Room(lambda _: Response(200, headers, b"hello"))
        async with listening(room) as listener, connected(listener) as wire:
            _, answered, body = await wire.ask(GET)
            assert (answered[b"content-length"], answered[b"connection"], body) == (b"5", b"keep-alive", b"hello")
            assert b"transfer-encoding" not in answered

    run(scene())


def test_an_early_answer_does_not_wait_for_the_body() -> None:
    async def scene() -> None:
        room = Room(early=Response(401))
        async with listening(room) as listener, connected(listener) as wire:
            status, headers, _ = await wire.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            assert (status, headers[b"connection"]) == (401, b"close")
            assert await wire.is_closed()
        assert room.requests == []

    run(scene())


def test_the_room_sees_who_asks_and_where() -> None:
    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            await wire.ask(GET)
            own = wire.writer.get_extra_info("sockname")
            assert (room.requests[0].peer, room.requests[0].local) == (own, ("127.0.0.1", listener.port))
            assert room.done == [("GET", 200, 5)]

    run(scene())


def test_a_half_closed_client_still_gets_its_answers() -> None:
    async def scene() -> None:
        async def answer(request: Request) -> Response:
            await asyncio.sleep(0.02)
            return Response(200)

        async with listening(Room(answer)) as listener, connected(listener) as wire:
            await wire.send(GET + GET)
            wire.writer.write_eof()
            assert [(await wire.read_answer())[0] for _ in range(2)] == [200, 200]
            assert await wire.is_closed()

    run(scene())


def test_draining_ends_open_exchanges_and_closes_idle_connections() -> None:
    async def scene() -> None:
        go = asyncio.Event()

        async def answer(request: Request) -> Response:
            await go.wait()
            return Response(200)

        room = Room(answer)
        async with listening(room) as listener, connected(listener) as busy, connected(listener) as idle:
            await busy.send(GET)
            while not room.requests:
                await asyncio.sleep(0.001)
            port = listener.port
            draining = asyncio.ensure_future(listener.drain(5))
            assert await idle.is_closed()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            go.set()
            _, headers, _ = await busy.read_answer()
            assert headers[b"connection"] == b"close"
            assert await busy.is_closed()
            await asyncio.wait_for(draining, 5)

    run(scene())


def test_draining_cuts_what_does_not_end() -> None:
    async def scene() -> None:
        room = Room(lambda _: asyncio.get_running_loop().create_future())
        async with listening(room) as listener, connected(listener) as wire:
            await wire.send(GET)
            while not room.requests:
                await asyncio.sleep(0.001)
            await asyncio.wait_for(listener.drain(0.05), 2)
            assert await wire.is_closed()

    run(scene())


def test_a_unix_socket_is_a_door_as_well(tmp_path: Path) -> None:
    async def scene() -> None:
        room = Room()
        listener = Listener(room, timeouts=Timeouts())
        await listener.start_unix(tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await listener.drain(1)
        assert room.requests[0].peer == ("", 0)

    run(scene())


def test_empty_lines_between_requests_are_passed_over() -> None:
    """RFC 9112 section 2.2."""

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            await wire.send(b"\r\n\r")
            await asyncio.sleep(0)
            await wire.ask(b"\n" + GET)
            await wire.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n")
            await wire.ask(GET)
        assert len(room.requests) == 3

    run(scene())


def test_a_long_row_of_requests_in_one_piece_takes_a_time_in_proportion() -> None:
    async def scene() -> None:
        async with listening(Room(lambda _: Response(204))) as listener, connected(listener) as wire:
            sending = asyncio.ensure_future(wire.send(GET * 20_000))
            async with asyncio.timeout(10):
                for _ in range(20_000):
                    assert (await wire.read_answer())[0] == 204
            await sending

    run(scene())


def test_a_length_that_is_not_the_bodys_is_not_told() -> None:
    async def scene() -> None:
        async with (
            listening(Room(lambda _: Response(200, [], b"hello", length=99))) as listener,
            connected(listener) as wire,
        ):
            assert (await wire.ask(GET))[1][b"content-length"] == b"5"
            assert (await wire.ask(GET))[2] == b"hello"

    run(scene())


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000])
def test_a_status_that_would_not_end_the_exchange_is_500(status: int) -> None:
    async def scene() -> None:
        async with listening(Room(lambda _: Response(status))) as listener, connected(listener) as wire:
            assert (await wire.ask(GET))[0] == 500

    run(scene())


def test_a_refusal_that_cannot_be_rendered_is_still_a_refusal() -> None:
    class Broken(Room):
        def refuse(self, request: Request | None, status: int, reason: str) -> Response:
            raise LookupError("secret")

    async def scene() -> None:
        async with listening(Broken()) as listener, connected(listener) as wire:
            status, _, body = await wire.ask(b"GET / HTTP/1.1\r\n\r\n")
            assert (status, body) == (400, b"")

    run(scene())


def test_headers_that_are_put_anew_are_found_anew() -> None:
    request = Request("GET", b"/", [(b"A", b"1"), (b"B", b"2")], index={b"a": (b"1",), b"b": (b"2",)})

    request.headers = [(b"B", b"2")]

    assert (request.find(b"a"), request.find(b"b")) == (None, b"2")


def test_requests_with_the_same_headers_share_nothing() -> None:
    """The fields of the request before are remembered; what a room does to its own changes no other."""

    def answer(request: Request) -> Response:
        request.headers.append((b"X", b"1"))
        return Response(200, [], b"%d" % len(request.headers))

    async def scene() -> None:
        async with listening(Room(answer)) as listener, connected(listener) as wire:
            assert [(await wire.ask(GET))[2] for _ in range(3)] == [b"2", b"2", b"2"]

    run(scene())
