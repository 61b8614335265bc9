"""Attack rows H1, G4, G6, G7 and G17: a request has one reading, or none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.http.client import Client, Upstream
from scopegate.http.egress import EgressPolicy
from scopegate.http.message import Request, Response
from scopegate.http.wire import ChunkedReader, Malformed, RequestReader
from tests.rooms.http.test_listener import run
from tests.rooms.http.wires import Room, connected, listening

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED = {
    "CL.TE": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "TE list": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE gzip first": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE cow": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "TE xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
    "TE tab": POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
    "TE blank after": POST + b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
    "TE vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "TE quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "TE empty": POST + b"Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nhi",
    "TE blank before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE underscore is no TE, and no length": POST + b"Transfer_Encoding: chunked\r\nContent-Length: x\r\n\r\n",
    "TE folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "CL differs": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "CL list": POST + b"Content-Length: 2, 2\r\n\r\nhi",
    "CL sign": POST + b"Content-Length: +2\r\n\r\nhi",
    "CL negative": POST + b"Content-Length: -2\r\n\r\nhi",
    "CL hexadecimal": POST + b"Content-Length: 0x2\r\n\r\nhi",
    "CL blank inside": POST + b"Content-Length: 1 2\r\n\r\nhi",
    "CL empty": POST + b"Content-Length:\r\n\r\nhi",
    "CL overflow": POST + b"Content-Length: 18446744073709551618\r\n\r\nhi",
    "CL other digits": POST + "Content-Length: ٢\r\n\r\nhi".encode(),
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF inside": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "bare CR in the line": b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
    "obs-fold": b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "obs-fold tab": b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
    "first header folded": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "NUL in the name": b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n",
    "blank in the name": b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nXY\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two Hosts in other case": b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: a\r\n\r\n",
    "absolute form with another Host": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form with another port": b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form with user": b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form without host": b"GET http:/// HTTP/1.1\r\nHost: \r\n\r\n",
    "another scheme": b"GET file://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "star": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw UTF-8": "GET /é HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab in the line": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version in lower case": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "no verb": b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "verb that is no token": b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "chunk size with sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n",
    "chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
    "chunk size empty": POST + b"Transfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n",
    "chunk size overflow": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n",
    "chunk size with blank": POST + b"Transfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n",
    "chunk size with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n",
    "chunk without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n",
    "chunk longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n",
    "chunk end with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\n0\r\n\r\n",
    "chunk extension with bare CR": POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nhi\r\n0\r\n\r\n",
    "chunk extension with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\nhi\r\n0\r\n\r\n",
    "trailer with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n",
    "trailer folded": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n",
    "trailer without colon": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n",
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_h1_what_has_two_readings_is_400_and_the_connection_closes(sent: bytes) -> None:
    """Row H1. What follows on the connection is never read: it could be a request that only we see."""

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            status, headers, _ = await wire.ask(sent + HIDDEN)
            assert (status, headers[b"connection"]) == (400, b"close")
            assert await wire.is_closed()
        assert room.requests == []

    run(scene())


@pytest.mark.parametrize("line", [b"PRI * HTTP/2.0", b"GET / HTTP/2.0", b"GET / HTTP/1.2", b"GET / HTTP/0.9"])
def test_h1_another_version_of_http_is_505(line: bytes) -> None:
    async def scene() -> None:
        async with listening(Room()) as listener, connected(listener) as wire:
            assert (await wire.ask(line + b"\r\nHost: a\r\n\r\n"))[0] == 505
            assert await wire.is_closed()

    run(scene())


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", b"/x?y"),
        (b"GET HTTP://A:80 HTTP/1.1\r\nHost: a\r\n\r\n", b"/"),
        (b"GET http://a?x HTTP/1.1\r\nHost: A:80\r\n\r\n", b"/?x"),
        (b"GET https://a:443//x HTTP/1.1\r\nHost: a\r\n\r\n", b"//x"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"*"),
    ],
)
def test_g4_absolute_form_of_the_same_host_is_read_as_its_path(sent: bytes, target: bytes) -> None:
    """Row G4: one canonical host."""

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            assert (await wire.ask(sent))[0] == 200
        assert room.requests[0].target == target

    run(scene())


def test_h1_chunk_extensions_and_trailers_go_no_further() -> None:
    """Row H1: valid extensions are dropped since we frame anew; a trailer is never a header, least Authorization."""

    async def scene() -> None:
        room = Room()
        chunks = b'2;a=b;c="d"\r\nhi\r\n3;x\r\n yo\r\n0;z\r\nAuthorization: Bearer forged\r\nX-User: admin\r\n\r\n'
        async with listening(room) as listener, connected(listener) as wire:
            await wire.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            assert (await wire.ask(HIDDEN))[0] == 200
        assert room.bodies == [b"hi yo", b""]
        for request in room.requests:
            assert {name.lower() for name, _ in request.headers} <= {b"host", b"transfer-encoding"}
            assert request.find(b"authorization") is None

    run(scene())


@pytest.mark.parametrize("name", [b"X-User ", b" X-User", b"X-User\t", b"X User", b"X\xc3\xa9"])
def test_g6_a_name_with_a_blank_is_no_header(name: bytes) -> None:
    """Row G6. An underscore is a character of names (RFC 9110); such a header is another header, and stays one."""

    async def scene() -> None:
        room = Room()
        async with listening(room) as listener, connected(listener) as wire:
            assert (await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + name + b": admin\r\n\r\n"))[0] == 400
        async with listening(room) as listener, connected(listener) as wire:
            await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX_User: admin\r\n\r\n")
        assert room.requests[0].all(b"x-user") == ()

    run(scene())


def test_g7_connection_names_nothing_away_and_goes_no_further() -> None:
    """Row G7: what a client lists in Connection is seen by the room and reaches the upstream as any other header."""

    async def scene() -> None:
        upstream_room = Room()
        async with listening(upstream_room) as behind:
            client = Client(EgressPolicy(development=True))
            upstream = Upstream("http", "127.0.0.1", behind.port)

            async def pass_on(request: Request) -> Response:
                answer = await client.send(upstream, request.method, request.target, request.headers, timeout_s=5)
                return Response(answer.status, answer.headers, answer.body)

            async with listening(Room(pass_on)) as front, connected(front) as wire:
                named = b"Connection: authorization, x-user-id, keep-alive\r\nAuthorization: t\r\nX-User-Id: 7\r\n"
                assert (await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + named + b"\r\n"))[0] == 200
            await client.close()
        asked = upstream_room.requests[0]
        assert (asked.find(b"authorization"), asked.find(b"x-user-id")) == (b"t", b"7")
        assert asked.all(b"connection") == (b"keep-alive",)

    run(scene())


ODD = b"aZ0 \t\r\n:;,/\\\"'#?%\0\x0b\x7f\xff_-"


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([bytes([byte]) for byte in ODD] + [b"Host: a\r\n", b"Content-Length: 1\r\n"]), max_size=25)
)
def test_h1_every_head_is_refused_or_read_as_it_was_written(parts: list[bytes]) -> None:
    """Row H1: what is let in can be written again from its headers, byte for byte but for blanks round values."""
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"".join(parts) + b"\r\n\r\n"
    raw = raw[: raw.find(b"\r\n\r\n") + 4]
    try:
        request, length, _ = RequestReader(("", 0), ("", 0), tls=False).read(raw)
    except Malformed:
        return

    lines = raw[:-4].split(b"\r\n")[1:]
    assert [(name, value) for name, value in request.headers] == [
        (name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)
    ]
    assert length == (1 if request.find(b"content-length") else 0)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.integers(1, 30), st.binary(max_size=5))
def test_h1_a_chunked_body_is_its_data_however_it_is_cut(pieces: list[bytes], cut: int, after: bytes) -> None:
    body = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    reader = ChunkedReader()
    data: list[bytes] = []
    at = 0
    while at < len(body):
        data += reader.feed(body[at : at + cut])
        at += cut
    assert reader.end >= 0
    assert b"".join(data) == b"".join(pieces)

    reader = ChunkedReader()
    assert b"".join(reader.feed(after + body + after, len(after))) == b"".join(pieces)
    assert reader.end == len(after + body)
