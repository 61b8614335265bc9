"""The upstream client against real sockets: a listener of this room, or a server that sends bytes as they are."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from scopegate.http.client import (
    Client,
    Upstream,
    UpstreamBroken,
    UpstreamForbidden,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamTooLarge,
    split_url,
)
from scopegate.http.egress import EgressPolicy
from scopegate.http.listener import Listener
from scopegate.http.message import Request, Response
from tests.rooms.http.test_listener import pieces, run
from tests.rooms.http.wires import Room, connected, listening

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def clients(*, development: bool = True) -> AsyncIterator[Client]:
    client = Client(EgressPolicy(development=development))
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Upstream]:
    """A server whose every connection runs `script`."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server:
        yield Upstream("http", "127.0.0.1", server.sockets[0].getsockname()[1])


def answering(answer: bytes, *, close: bool = False) -> Script:
    """Every request gets these bytes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if close:
                return

    return script


def upstream_of(listener: Listener) -> Upstream:
    return Upstream("http", "127.0.0.1", listener.port)


def test_a_request_arrives_as_it_was_sent_and_its_answer_comes_back() -> None:
    async def scene() -> None:
        room = Room(lambda request: Response(201, [(b"X-Answer", b"1")], request.body))
        async with listening(room) as listener, clients() as client:
            upstream = upstream_of(listener)
            answer = await client.send(
                upstream, "POST", b"/a%20b?c=%2F", [(b"X-Ask", b"2"), (b"TE", b"x")], b"hi", timeout_s=5
            )

            assert (answer.status, answer.find(b"x-answer"), answer.body) == (201, b"1", b"hi")
            asked = room.requests[0]
            assert (asked.method, asked.target) == ("POST", b"/a%20b?c=%2F")
            assert asked.headers == [
                (b"Host", upstream.authority),
                (b"X-Ask", b"2"),
                (b"Content-Length", b"2"),
                (b"Connection", b"keep-alive"),
            ]

    run(scene())


def test_connections_are_kept_and_used_again() -> None:
    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, clients() as client:
            for _ in range(3):
                await client.send(upstream_of(listener), "GET", b"/", [], timeout_s=5)
            await asyncio.gather(*(client.send(upstream_of(listener), "GET", b"/", [], timeout_s=5) for _ in range(4)))

        peers = [request.peer for request in room.requests]
        assert len(set(peers[:3])) == 1
        assert len(set(peers)) == 4

    run(scene())


@pytest.mark.parametrize("length", [3_000_000, None], ids=["declared", "chunked"])
def test_a_long_declared_answer_is_streamed_and_a_chunked_one_read_whole(length: int | None) -> None:
    async def scene() -> None:
        parts = [bytes([number]) * 100_000 for number in range(30)]
        room = Room(lambda _: Response(200, stream=pieces(*parts), length=length))
        async with listening(room) as listener, clients() as client:
            for _ in range(2):
                answer = await client.send(upstream_of(listener), "GET", b"/", [], timeout_s=5)
                assert (answer.stream is not None, answer.length) == (length is not None, length)
                assert await answer.read() == b"".join(parts)
        assert len({request.peer for request in room.requests}) == 1

    run(scene())


def test_a_stream_that_is_not_wanted_any_more_drops_its_connection() -> None:
    async def scene() -> None:
        room = Room(lambda _: Response(200, stream=pieces(*[b"x" * 100_000] * 100), length=10_000_000))
        async with listening(room) as listener, clients() as client:
            answer = await client.send(upstream_of(listener), "GET", b"/", [], timeout_s=5)
            assert answer.stream is not None
            await anext(answer.stream)
            await answer.stream.aclose()
            async with asyncio.timeout(5):
                while listener.connections:
                    await asyncio.sleep(0.001)

    run(scene())


def test_an_answer_without_length_ends_with_the_connection() -> None:
    async def scene() -> None:
        async with scripted(answering(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True)) as upstream, clients() as client:
            answer = await client.send(upstream, "GET", b"/", [], timeout_s=5)
            assert answer.body == b"hello"

    run(scene())


def test_interim_answers_are_passed_over() -> None:
    async def scene() -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        async with scripted(answering(interim)) as upstream, clients() as client:
            answer = await client.send(upstream, "GET", b"/", [], timeout_s=5)
            assert (answer.status, answer.body) == (200, b"hi")

    run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        b"HTTP/1.1 200 OK\r\n",
        b"",
    ],
    ids=range(14),
)
def test_an_answer_that_cannot_be_read_in_one_way_is_no_answer(answer: bytes) -> None:
    """Attack row H1, from behind."""

    async def scene() -> None:
        async with scripted(answering(answer, close=True)) as upstream, clients() as client:
            with pytest.raises(UpstreamBroken):
                await client.send(upstream, "POST", b"/", [], timeout_s=5)

    run(scene())


def test_bytes_after_an_answer_are_never_the_next_ones() -> None:
    """Response splitting: what nobody asked for closes the connection."""

    async def scene() -> None:
        forged = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        async with scripted(answering(forged)) as upstream, clients() as client:
            for _ in range(3):
                assert (await client.send(upstream, "GET", b"/", [], timeout_s=5)).body == b"hi"

    run(scene())


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
def test_a_pooled_connection_found_closed_is_asked_again_only_when_that_is_safe(method: str, again: bool) -> None:
    """RFC 9110 section 9.2.2: what was sent may have been done."""

    async def scene() -> None:
        asked: list[bytes] = []

        async def one_answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")  # the second request is read, and the connection closed on it

        async with scripted(one_answer_each) as upstream, clients() as client:
            await client.send(upstream, "GET", b"/", [], timeout_s=5)
            second = client.send(upstream, method, b"/", [], timeout_s=5)
            if again:
                assert (await second).status == 200
                assert len(asked) == 2
            else:
                with pytest.raises(UpstreamBroken):
                    await second

    run(scene())


def test_too_slow_an_upstream_times_out() -> None:
    async def scene() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\nhi")
            await reader.read()
            await reader.read()

        async with scripted(silent) as upstream, clients() as client:
            with pytest.raises(UpstreamTimeout):
                await client.send(upstream, "GET", b"/", [], timeout_s=0.05)
        async with scripted(stalls) as upstream, clients() as client:
            answer = await client.send(upstream, "GET", b"/", [], timeout_s=0.05)
            with pytest.raises(UpstreamTimeout):
                await answer.read()

    run(scene())


def test_nobody_there_is_refused() -> None:
    async def scene() -> None:
        async with scripted(answering(b"")) as upstream:
            pass
        async with clients() as client:
            with pytest.raises(UpstreamRefused):
                await client.send(upstream, "GET", b"/", [], timeout_s=5)
            with pytest.raises(UpstreamRefused):
                await client.send(Upstream("http", "no-such-name.invalid", 80), "GET", b"/", [], timeout_s=5)
            gone = Upstream("http", "runner", 0, unix_path="/nonexistent/socket")
            with pytest.raises(UpstreamRefused):
                await client.send(gone, "GET", b"/", [], timeout_s=5)

    run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello world",
    ],
)
def test_an_answer_beyond_its_cap_is_given_up(answer: bytes) -> None:
    async def scene() -> None:
        async with scripted(answering(answer, close=True)) as upstream, clients() as client:
            with pytest.raises(UpstreamTooLarge):
                await client.send(upstream, "GET", b"/", [], timeout_s=5, max_bytes=10)

    run(scene())


def test_redirects_are_answers() -> None:
    async def scene() -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        async with scripted(answering(moved)) as upstream, clients() as client:
            answer = await client.fetch(f"http://127.0.0.1:{upstream.port}/", max_bytes=100, timeout_s=5)
            assert (answer.status, answer.find(b"location")) == (302, b"http://169.254.169.254/")

    run(scene())


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        ("GET", b"/ HTTP/1.1\r\nX: y", (b"A", b"b")),
        ("GET", b"/a b", (b"A", b"b")),
        ("GET", b"", (b"A", b"b")),
        ("GET /", b"/", (b"A", b"b")),
        ("GET", b"/", (b"A", b"b\r\nC: d")),
        ("GET", b"/", (b"A\r\n", b"b")),
    ],
)
def test_a_request_cannot_be_made_into_two(method: str, target: bytes, header: tuple[bytes, bytes]) -> None:
    async def scene() -> None:
        async with listening(Room()) as listener, clients() as client:
            with pytest.raises(ValueError, match=r"header|method"):
                await client.send(upstream_of(listener), method, target, [header], timeout_s=5)

    run(scene())


def test_the_policy_decides_on_what_a_name_resolves_to_and_the_connection_goes_there() -> None:
    """Attack rows G15 and O19: DNS rebinding. The second answer of the name is never asked for."""

    async def scene() -> None:
        answers = iter([["127.0.0.1"], ["169.254.169.254"]])

        async def resolve(host: str, port: int) -> list[str]:
            return next(answers)

        room = Room()
        async with listening(room) as listener:
            client = Client(EgressPolicy(allowed=["127.0.0.0/8"]), resolve=resolve)
            upstream = Upstream("http", "rebind.example", listener.port)
            assert (await client.send(upstream, "GET", b"/", [], timeout_s=5)).status == 200
            await client.close()
            with pytest.raises(UpstreamForbidden):
                await client.send(upstream, "GET", b"/", [], timeout_s=5)
            await client.close()
        assert room.requests[0].find(b"host") == b"rebind.example:%d" % upstream.port

    run(scene())


def server_tls(folder: Path) -> ssl.SSLContext:
    """A certificate for localhost that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_certificates_are_verified_unless_told_otherwise(tmp_path: Path) -> None:
    async def scene() -> None:
        room = Room()
        listener = Listener(room)
        port = await listener.start_tcp("127.0.0.1", 0, tls=server_tls(tmp_path))
        async with clients() as client:
            with pytest.raises(UpstreamTlsFailed):
                await client.send(Upstream("https", "localhost", port), "GET", b"/", [], timeout_s=5)
            insecure = Upstream("https", "localhost", port, insecure=True)
            assert (await client.send(insecure, "GET", b"/", [], timeout_s=5)).body == b"hello"
            with pytest.raises(UpstreamBroken):
                await client.send(Upstream("http", "localhost", port), "GET", b"/", [], timeout_s=5)
        await listener.drain(1)
        assert room.requests[0].tls

    run(scene())


def test_unix_sockets_are_upstreams_too(tmp_path: Path) -> None:
    async def scene() -> None:
        listener = Listener(Room())
        await listener.start_unix(tmp_path / "s")
        async with clients(development=False) as client:
            upstream = Upstream("http", "runner", 0, unix_path=str(tmp_path / "s"))
            assert (await client.send(upstream, "GET", b"/", [], timeout_s=5)).body == b"hello"
        await listener.drain(1)

    run(scene())


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target"),
    [
        ("http://a.example", "http", "a.example", 80, b"/"),
        ("https://A.example:8443/x/../y?q=%2F&z", "https", "a.example", 8443, b"/x/../y?q=%2F&z"),
        ("http://[::1]:80/?", "http", "::1", 80, b"/?"),
        ("http://a?b", "http", "a", 80, b"/?b"),
    ],
)
def test_a_url_is_an_upstream_and_a_target(url: str, scheme: str, host: str, port: int, target: bytes) -> None:
    upstream, found = split_url(url)
    assert (upstream.scheme, upstream.host, upstream.port, found) == (scheme, host, port, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "//a/",
        "http://",
        "http://u@a/",
        "http://u:p@a/",
        "http://a b/",
        "http://a\r\n/",
        "http://a:0/",
        "http://a:99999/",
        "http://ä/",
        "http://a\\b/",
        "http:///x",
        "file:///etc/passwd",
        "http://a,b/",
        "http://[::1/",
    ],
)
def test_a_url_that_is_not_plainly_http_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|Port"):
        split_url(url)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_streamed_answer_passes_through_at_the_readers_pace(breaks: bool) -> None:
    """What is not taken stays with the upstream, but for what the kernel holds; one that dies cuts the answer."""
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for number in range(100):
            if breaks and number == 50:
                raise ConnectionError("gone")
            sent += 600_000
            yield bytes([number]) * 600_000

    async def scene() -> None:
        behind = Room(lambda _: Response(200, stream=body(), length=60_000_000))
        async with listening(behind) as upstream, clients() as client:

            async def pass_on(request: Request) -> Response:
                target = upstream_of(upstream)
                answer = await client.send(target, "GET", b"/", [], timeout_s=5, max_bytes=60_000_000)
                return Response(answer.status, answer.headers, stream=answer.stream, length=answer.length)

            async with listening(Room(pass_on)) as front, connected(front) as wire:
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                before = -1
                while before != sent or not sent:
                    before = sent
                    await asyncio.sleep(0.1)
                assert sent < 60_000_000
                wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
                if breaks:
                    assert await wire.is_cut()
                else:
                    _, _, got = await wire.read_answer()
                    assert got == b"".join(bytes([number]) * 600_000 for number in range(100))

    run(scene())
