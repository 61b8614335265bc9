"""Calls through the gateway to web services: what arrives there, what comes back, streamed or not.

Source: reference, "REST parameter mapping", "REST header treatment" (both directions), "HTTP API: parameter mapping",
"HTTP API: HTTP_PROXY", "Limits".
"""

import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server import Pool, Server, make_pool
from tests.wire.gateways import (
    SHORT_ID,
    UUID,
    HttpApi,
    RestApi,
    Seen,
    Web,
    access_token,
    call,
    raw,
    read_answer,
    serving_web,
)

pytestmark = pytest.mark.xdist_group("gateway-flow")
TRACE = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
MOST = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def pool(server: Server) -> Pool:
    return make_pool(server, "flow")


@pytest.fixture(scope="module")
def client(pool: Pool) -> dict[str, Any]:
    return pool.client("orders/read", "orders/write")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving_web() as service:
        service.answers = {
            "/headers": (
                b"HTTP/1.1 201 Made\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nServer: theirs\r\nX-Own: 1\r\n"
                b"x-own: 2\r\nx-amzn-RequestId: theirs\r\nX-Amz-Apigw-Id: theirs\r\nApigw-Requestid: theirs\r\n"
                b"WWW-Authenticate: Basic\r\nVia: 1.1 theirs\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\n"
                b"Set-Cookie: b=2\r\nContent-Encoding: br\r\nAccess-Control-Allow-Origin: https://theirs.example\r\n"
                b"Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
            ),
            "/bare": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/204": b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
            "/304": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
            "/404": b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            "/early": lambda connection, _: connection.sendall(
                b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
            ),
            "/chunked": lambda connection, _: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5;a=b\r\nhello\r\n7\r\n, world\r\n0\r\nX-Trailer: 1\r\n\r\n"
            ),
            "/until-close": lambda connection, _: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nto the end"),
            "/largest": lambda connection, _: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MOST + b"x" * MOST
            ),
            "/chunked-largest": lambda connection, _: _send_chunks(connection, MOST),
            "/chunked-larger": lambda connection, _: _send_chunks(connection, MOST + 1),
            "/json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Drop: 1\r\nX-Keep: k\r\n"
            b'Content-Length: 23\r\n\r\n{"a":{"b":["x","y"]}}  ',
        }
        yield service


def _send_chunks(connection: socket.socket, size: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while size:
        piece = min(size, 1_000_000)
        connection.sendall(b"%x\r\n" % piece + b"x" * piece + b"\r\n")
        size -= piece
    connection.sendall(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def rest(server: Server, web: Web) -> RestApi:
    api = RestApi(server, binaryMediaTypes=["image/png"])
    api.web("ANY", "/{proxy+}", web.url + "/{proxy}")
    api.web("GET", "/store/{store}/items/{item}", web.url + "/s/{store}/i/{item}?fixed=1")
    api.web("ANY", "/fixed", web.url + "/elsewhere", {"integrationHttpMethod": "PUT"})
    unmapped = {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": web.url + "/{id}"}
    api.method("GET", "/unmapped/{id}", unmapped)
    api.web("GET", "/variables", "http://${stageVariables.host}/${stageVariables.word}/x")
    api.web(
        "GET",
        "/injected",
        web.url,
        {"requestParameters": {"integration.request.header.X-Q": "method.request.querystring.q"}},
        requestParameters={"method.request.querystring.q": False},
    )
    api.web(
        "POST",
        "/mapped/{id}",
        web.url + "/m/{id}/{word}",
        {
            "requestParameters": {
                "integration.request.path.word": "method.request.header.X-Word",
                "integration.request.querystring.last": "method.request.querystring.many",
                "integration.request.querystring.many2": "method.request.multivaluequerystring.many",
                "integration.request.querystring.absent": "method.request.querystring.absent",
                "integration.request.header.X-Last": "method.request.header.X-Many",
                "integration.request.header.X-All": "method.request.multivalueheader.X-Many",
                "integration.request.header.X-Static": "'a b'",
                "integration.request.header.X-Stage": "stageVariables.word",
                "integration.request.header.X-Context": "context.resourcePath",
                "integration.request.header.X-Body": "method.request.body.a.b[1]",
                "integration.request.header.X-Client": "'ours'",
                "integration.request.header.X-Nothing": "method.request.header.X-Absent",
            }
        },
        requestParameters={
            "method.request.path.id": True,
            "method.request.header.X-Word": False,
            "method.request.header.X-Many": False,
            "method.request.header.X-Absent": False,
            "method.request.querystring.absent": False,
            "method.request.querystring.many": False,
        },
    )
    api.deploy(variables={"host": web.url.removeprefix("http://"), "word": "hello"})
    return api


@pytest.fixture(scope="module")
def http(server: Server, web: Web, pool: Pool, client: dict[str, Any]) -> HttpApi:
    api = HttpApi(server, stage=None)
    api.web("$default", web.url)
    api.web("ANY /plain", web.url + "/base?fixed=1")
    api.web("GET /proxy/{proxy+}", web.url + "/p/{proxy}")
    api.web("GET /item/{id}", web.url + "/i/{id}")
    api.web("ANY /fixed", web.url + "/elsewhere", {"IntegrationMethod": "PUT"})
    api.web("GET /injected", web.url, {"RequestParameters": {"append:header.X-Q": "$request.querystring.q"}})
    api.web("GET /variables", "${stageVariables.url}/${stageVariables.word}")
    api.web(
        "POST /mapped/{id}",
        web.url + "/m/{id}",
        {
            "RequestParameters": {
                "append:header.X-Many": "$request.header.x-other",
                "overwrite:header.X-Over": "${request.path.id}/${stageVariables.word}/${request.querystring.q}",
                "remove:header.X-Gone": "''",
                "append:header.X-Absent": "$request.header.nothing",
                "append:header.X-Body": "$request.body.a.b[0]-${request.body.a.b[1]}",
                "append:header.X-Path": "$request.path",
                "append:header.X-Context": "$context.routeKey",
                "overwrite:querystring.q": "static",
                "append:querystring.more": "$request.header.x-other",
                "remove:querystring.gone": "''",
            }
        },
    )
    api.web(
        "GET /repath/{proxy+}", web.url + "/x", {"RequestParameters": {"overwrite:path": "/new/$request.path.proxy"}}
    )
    api.web(
        "GET /answers/{proxy+}",
        web.url + "/{proxy}",
        {
            "ResponseParameters": {
                "200": {
                    "append:header.X-Keep": "more",
                    "overwrite:header.X-Over": "$response.header.x-drop",
                    "remove:header.X-Drop": "''",
                    "append:header.X-Body": "$response.body.a.b[1]",
                    "append:header.X-Absent": "$response.header.nothing",
                    "append:header.X-Context": "$context.requestId",
                },
                "404": {"overwrite:statuscode": "410"},
            }
        },
    )
    api.web(
        "GET /claims",
        web.url + "/c",
        {"RequestParameters": {"overwrite:header.X-User": "$context.authorizer.claims.cognito:username"}},
        **api.jwt(pool.issuer, client["ClientId"]),
    )
    for stage in ("$default", "prod"):
        api.stage(stage, StageVariables={"url": web.url, "word": "hello"})
    return api


# REST: the way there


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("/a//b", "/a//b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%20b%3F", "/a%20b%3F"),
        ("/%E2%98%95", "/%E2%98%95"),
        ("/a+b@c;d=e", "/a+b@c;d=e"),
        ("/a?x=1&x=2&y=%20", "/a?x=1&x=2&y=%20"),
        ("/a?", "/a"),
        ("/store/s%201/items/i;1?q=2", "/s/s%201/i/i;1?fixed=1&q=2"),
        ("/unmapped/7", "/%7Bid%7D"),
        ("/variables", "/hello/x"),
    ],
)
def test_rest_path_and_query_arrive_as_they_were_sent(rest: RestApi, web: Web, path: str, target: str) -> None:
    assert rest.call("GET", path).status == 200
    assert web.last.target == target


def test_rest_every_mapping_source(rest: RestApi, web: Web) -> None:
    headers = [
        ("X-Word", "a/b ?"), ("X-Many", "1"), ("X-Many", "2"), ("x-many", "case"), ("X-Client", "theirs"),
        ("Content-Type", "application/json"),
    ]  # fmt: skip

    answer = rest.call("POST", "/mapped/7?many=m1&many=m2", headers, b'{"a":{"b":["x","y"]}}')

    assert answer.status == 200
    assert web.last.target == "/m/7/a%2Fb%20%3F?many=m1&many=m2&last=m2&many2=m1&many2=m2"
    assert web.last.header("X-Last") == "2"
    assert web.last.header("X-All") == "1,2"
    assert web.last.header("X-Static") == "a b"
    assert web.last.header("X-Stage") == "hello"
    assert web.last.header("X-Context") == "/mapped/{id}"
    assert web.last.header("X-Body") == "y"
    assert web.last.all("X-Client") == ["ours"]
    assert web.last.header("X-Nothing") is None
    refused = rest.call("POST", "/mapped/7", {"Content-Type": "application/json"}, b"{broken")
    assert (refused.status, refused.body) == (400, b'{"message": "Invalid JSON in request body"}')


def test_rest_headers_on_the_way_there(rest: RestApi, web: Web) -> None:
    sent = [
        ("Accept-Language", "de"), ("Authorization", "Bearer t"), ("Content-Type", "text/x"), ("Content-Encoding", "x"),
        ("Connection", "keep-alive, x-named"), ("X-Named", "n"), ("Keep-Alive", "1"), ("Proxy-Authorization", "p"),
        ("TE", "trailers"), ("Upgrade", "h2c"), ("Via", "1.1 x"), ("Max-Forwards", "3"), ("Content-MD5", "m"),
        ("X-Twice", "a"), ("X-Twice", "b"), ("Cookie", "c=1"), ("x_under", "u"), ("X-Amzn-Oidc-Data", "spoof"),
        ("Range", "bytes=0-1"), ("X-Forwarded-For", "9.9.9.9"),
    ]  # fmt: skip

    rest.call("POST", "/x", sent, b"hello")

    got = {name.lower() for name, _ in web.last.headers}
    assert got == {
        "host", "accept", "accept-language", "authorization", "content-type", "content-length", "x-named", "x-twice",
        "cookie", "range", "x-forwarded-for", "user-agent", "x-amzn-apigateway-api-id", "x-amzn-trace-id", "connection",
    }  # fmt: skip
    assert web.last.header("host") == web.url.removeprefix("http://")
    assert web.last.header("accept") == "application/json"
    assert web.last.header("user-agent") == f"AmazonAPIGateway_{rest.id}"
    assert web.last.header("x-amzn-apigateway-api-id") == rest.id
    assert re.fullmatch(TRACE, web.last.header("x-amzn-trace-id") or "")
    assert web.last.all("x-twice") == ["a", "b"]
    assert (web.last.method, web.last.body) == ("POST", b"hello")
    rest.call("GET", "/x", {"Accept": "a/b", "User-Agent": "mine", "Authorization": "AWS4-HMAC-SHA256 Credential=x"})
    assert (web.last.header("accept"), web.last.header("user-agent")) == ("a/b", "mine")
    assert web.last.header("authorization") is None


def test_rest_methods_and_bodies(rest: RestApi, web: Web) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH", "OPTIONS", "PUT"):
        rest.call(method, "/any")
        assert web.last.method == method
        rest.call(method, "/fixed")
        assert (web.last.method, web.last.target) == ("PUT", "/elsewhere")
    rest.call("POST", "/any", {"Content-Type": "image/png"}, b"\xff\x00")
    assert web.last.body == b"\xff\x00"
    rest.call("POST", "/any", {"Content-Type": "text/plain"}, b"\xff")
    assert web.last.body == "\ufffd".encode()
    head = f"POST /prod/any HTTP/1.1\r\nHost: {rest.host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    raw(rest.server, head.encode())
    assert (web.last.body, web.last.header("content-length")) == (b"abc", "3")
    assert web.last.header("transfer-encoding") is None


def test_a_body_of_10_mb_arrives_whole(rest: RestApi, http: HttpApi, web: Web) -> None:
    body = b"y" * MOST
    for api in (rest, http):
        assert api.call("POST", "/any", {"Content-Type": "image/png"}, body).status == 200
        assert web.last.body == body


# REST: the way back


def test_rest_headers_on_the_way_back(rest: RestApi) -> None:
    answer = rest.call("GET", "/headers")

    assert (answer.status, answer.body) == (201, b"ok")
    assert sorted(answer.names) == sorted(
        [
            "Date", "Content-Length", "Connection", "Content-Type", "x-amzn-RequestId", "x-amz-apigw-id",
            "x-amzn-Remapped-Date", "x-amzn-Remapped-Server", "x-amzn-Remapped-x-amzn-RequestId",
            "x-amzn-Remapped-WWW-Authenticate", "x-amzn-Remapped-Content-Length", "x-amzn-Remapped-Connection",
            "X-Own", "x-own", "Set-Cookie", "Set-Cookie", "Content-Encoding", "Access-Control-Allow-Origin",
            "Apigw-Requestid",
        ]
    )  # fmt: skip
    assert answer.header("x-amzn-remapped-date") == "Mon, 01 Jan 2001 00:00:00 GMT"
    assert answer.header("x-amzn-remapped-server") == "theirs"
    assert answer.header("content-type") == "application/json"
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert re.fullmatch(UUID, answer.header("x-amzn-requestid") or "")
    assert re.fullmatch(SHORT_ID, answer.header("x-amz-apigw-id") or "")


@pytest.mark.parametrize("kind", ["rest", "http"])
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/bare", 200, b""),
        ("/204", 204, b""),
        ("/304", 304, b""),
        ("/early", 200, b"late"),
        ("/chunked", 200, b"hello, world"),
        ("/until-close", 200, b"to the end"),
    ],
)
def test_every_framing_of_an_answer(
    request: pytest.FixtureRequest, kind: str, path: str, status: int, body: bytes
) -> None:
    answer = request.getfixturevalue(kind).call("GET", path)

    assert (answer.status, answer.body) == (status, body)
    assert answer.header("x-trailer") is None
    if status == 200:
        assert (answer.header("content-length") == str(len(body))) or answer.header("transfer-encoding") == "chunked"


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_answers_up_to_10_mb_come_whole(request: pytest.FixtureRequest, kind: str) -> None:
    api = request.getfixturevalue(kind)

    for path in ("/largest", "/chunked-largest"):
        answer = api.call("GET", path)
        assert (answer.status, len(answer.body)) == (200, MOST), path
    assert api.call("GET", "/largest").header("content-length") == str(MOST)
    assert api.call("GET", "/chunked-larger").status == 500


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_long_answer_is_passed_on_while_it_comes(request: pytest.FixtureRequest, web: Web, kind: str) -> None:
    """The service sends its second half when the client has got the first."""
    api = request.getfixturevalue(kind)
    arrived = threading.Event()
    half = 2_000_000

    def in_two_halves(connection: socket.socket, _: Seen) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * half) + b"a" * half)
        if arrived.wait(10):
            connection.sendall(b"b" * half)

    web.answers["/halves"] = in_two_halves
    prefix = "/prod" if kind == "rest" else ""
    with socket.create_connection(("127.0.0.1", api.server.port), timeout=10) as connection:
        connection.sendall(f"GET {prefix}/halves HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
        with connection.makefile("rb") as file:
            while file.readline() != b"\r\n":
                pass
            assert file.read(half // 2) == b"a" * (half // 2)
            arrived.set()
            assert file.read(half) == b"a" * (half // 2) + b"b" * (half // 2)


def test_one_connection_carries_many_calls(rest: RestApi, http: HttpApi, web: Web) -> None:
    """Keep-alive: calls of both kinds, refused and answered, after one another on one connection."""
    where = ("127.0.0.1", rest.server.port)
    with socket.create_connection(where, timeout=10) as connection, connection.makefile("rb") as file:
        for host, target, status in (
            (rest.host, "/prod/a", 200),
            (rest.host, "/none/a", 403),
            (http.host, "/b", 200),
            (http.host, "/claims", 401),
            (rest.host, "/prod/204", 204),
            (rest.host, "/prod/chunked", 200),
            (http.host, "/largest", 200),
            (rest.host, "/prod/a", 200),
        ):
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert read_answer(file).status == status


def test_a_head_answer_has_the_length_and_no_body(rest: RestApi, http: HttpApi, web: Web) -> None:
    web.answers["/head"] = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    for api in (rest, http):
        answer = api.call("HEAD", "/head")
        assert (answer.status, answer.header("content-length")) == (200, "1234")
        assert web.last.method == "HEAD"


TWO_READINGS = {
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "blank-in-name": b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok",
    "nul": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "signed-length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "bare-line-feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "short-status": b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nok",
    "long-head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
}


def test_h1_an_answer_with_two_readings_is_no_answer(rest: RestApi, http: HttpApi, web: Web) -> None:
    """What a service says in a way that two readers could take differently never reaches a client."""
    for name, answer in TWO_READINGS.items():
        web.answers[f"/{name}"] = answer
        assert (rest.call("GET", f"/{name}").status, http.call("GET", f"/{name}").status) == (504, 503), name
    web.answers["/more"] = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    )
    for _ in range(3):
        assert rest.call("GET", "/more").body == b"ok"
        assert rest.call("GET", "/plain").body == b"ok"


def test_g17_a_query_with_line_ends_is_not_written_into_a_header(rest: RestApi, http: HttpApi, web: Web) -> None:
    before = len(web.seen)

    for value in ("a%0d%0aX-Evil:%201", "a%0ab", "%00"):
        headers = {"Content-Type": "application/json", "X-Word": "w"}
        assert rest.call("POST", f"/mapped/7?many={value}", headers).status == 200, "it stays in the query, escaped"
        assert rest.call("GET", f"/injected?q={value}").status == 500
        assert http.call("GET", f"/injected?q={value}").status == 500

    assert len(web.seen) == before + 3
    assert all(seen.header("x-evil") is None for seen in web.seen[before:])


def test_a_service_that_closes_what_it_promised_to_keep(rest: RestApi, http: HttpApi, web: Web) -> None:
    closed = threading.Event()

    def close(connection: socket.socket, _: Seen) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    web.answers["/closing"] = close

    for _ in range(10):
        for api, method, body in ((rest, "GET", b""), (http, "POST", b"x")):
            assert api.call(method, "/closing", {"Content-Type": "text/plain"}, body).status == 200
            assert closed.wait(10)
            closed.clear()


def test_clients_of_every_age(rest: RestApi, http: HttpApi, web: Web) -> None:
    """HTTP/1.0, absolute targets, pipelines, and clients that go away in the middle."""
    old = raw(rest.server, f"GET /prod/chunked HTTP/1.0\r\nHost: {rest.host}\r\n\r\n".encode())
    assert (old.body, old.header("connection"), old.header("transfer-encoding")) == (b"hello, world", "close", None)

    absolute = f"GET http://{rest.host}/prod/a?b=c HTTP/1.1\r\nHost: {rest.host}\r\n\r\n"
    assert raw(rest.server, absolute.encode()).status == 200
    assert web.last.target == "/a?b=c"
    other = f"GET http://{http.host}/prod/a HTTP/1.1\r\nHost: {rest.host}\r\n\r\n"
    assert raw(rest.server, other.encode()).status == 400

    where = ("127.0.0.1", rest.server.port)
    with socket.create_connection(where, timeout=10) as connection, connection.makefile("rb") as file:
        for host, target in ((rest.host, "/prod/chunked"), (http.host, "/204"), (rest.host, "/none")):
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert [read_answer(file).status for _ in range(3)] == [200, 204, 403]

    waiting = threading.Event()
    web.answers["/waits"] = lambda connection, _: waiting.set()
    for body in (b"", b"Content-Length: 100\r\n\r\nabc"):
        with socket.create_connection(where, timeout=10) as connection:
            head = f"POST /prod/waits HTTP/1.1\r\nHost: {rest.host}\r\n".encode()
            connection.sendall(head + (body or b"\r\n"))
            assert body or waiting.wait(10)
    assert rest.call("GET", "/a").status == 200


# HTTP: the way there


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/", "/"),
        ("", "/"),
        ("/prod/a", "/a"),
        ("/a%20b", "/a%20b"),
        ("/a?x=1&x=2&y=%20", "/a?x=1&x=2&y=%20"),
        ("/plain", "/base?fixed=1"),
        ("/prod/plain?x=1", "/base?fixed=1&x=1"),
        ("/proxy/a/b", "/p/a/b"),
        ("/proxy/a%20b/c%252e", "/p/a%20b/c%252e"),
        ("/item/%E2%98%95", "/i/%E2%98%95"),
        ("/item/a%23b", "/i/a%23b"),
        ("/variables", "/hello"),
        ("/repath/a/b", "/new/a/b"),
    ],
)
def test_http_path_and_query_toward_the_service(http: HttpApi, web: Web, path: str, target: str) -> None:
    """A URI without variables takes every call at its path; with `$default` and no path, the whole path is appended."""
    assert call(http.server, "GET", path or "/", host=http.host).status == 200
    assert web.last.target == target


def test_http_headers_on_the_way_there(http: HttpApi, web: Web) -> None:
    sent = [
        ("Accept-Language", "de"), ("Authorization", "Bearer t"), ("Connection", "x-named"), ("X-Named", "n"),
        ("Keep-Alive", "1"), ("TE", "trailers"), ("Upgrade", "h2c"), ("X-Twice", "a"), ("X-Twice", "b"),
        ("Cookie", "c=1"), ("x_under", "u"), ("X-Amzn-Oidc-Data", "spoof"), ("Forwarded", "for=9.9.9.9"),
        ("Content-Encoding", "x"),
    ]  # fmt: skip

    http.call("POST", "/x", sent, b"hello")

    got = {name.lower() for name, _ in web.last.headers}
    assert got == {
        "host", "accept-language", "authorization", "content-length", "x-named", "x-twice", "cookie", "forwarded",
        "via", "user-agent", "x-amzn-trace-id", "connection", "content-encoding",
    }  # fmt: skip
    assert web.last.header("host") == web.url.removeprefix("http://")
    assert web.last.header("forwarded") == f"for=9.9.9.9, by=127.0.0.1;for=127.0.0.1;host={http.host};proto=https"
    assert web.last.header("via") == "HTTP/1.1 AmazonAPIGateway"
    assert web.last.header("user-agent") == f"AmazonAPIGateway/{http.id}"
    assert re.fullmatch(TRACE, web.last.header("x-amzn-trace-id") or "")


def test_http_every_mapping_of_a_request(http: HttpApi, web: Web) -> None:
    headers = [("X-Many", "1"), ("X-Other", "o1"), ("X-Other", "o2"), ("x-over", "theirs"), ("X-GONE", "g")]

    answer = http.call("POST", "/prod/mapped/7?q=1&gone=x&q=2&keep=k", headers, b'{"a":{"b":["x","y"]}}')

    assert answer.status == 200
    assert web.last.target.startswith("/m/7?")
    assert sorted(web.last.target.partition("?")[2].split("&")) == ["keep=k", "more=o1%2Co2", "q=static"]
    assert web.last.all("x-many") == ["1", "o1,o2"]
    assert web.last.all("x-over") == ["7/hello/1,2"]
    assert web.last.header("x-gone") is None
    assert web.last.header("x-absent") is None
    assert (web.last.header("x-body"), web.last.header("x-path")) == ("x-y", "/mapped/7")
    assert web.last.header("x-context") == "POST /mapped/{id}"


def test_http_a_claim_goes_to_the_service(http: HttpApi, web: Web, pool: Pool, client: dict[str, Any]) -> None:
    token = access_token(pool, client["ClientId"], **{"cognito:username": "ada"})

    assert http.call("GET", "/claims", {"Authorization": token, "X-User": "spoof"}).status == 200
    assert web.last.all("x-user") == ["ada"]


def test_http_the_method_is_fixed_or_the_clients(http: HttpApi, web: Web) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH", "OPTIONS", "PUT"):
        http.call(method, "/any")
        assert web.last.method == method
        http.call(method, "/fixed")
        assert (web.last.method, web.last.target) == ("PUT", "/elsewhere")


# HTTP: the way back


def test_http_headers_on_the_way_back(http: HttpApi) -> None:
    answer = http.call("GET", "/headers")

    assert (answer.status, answer.body) == (201, b"ok")
    assert sorted(name.lower() for name in answer.names) == sorted(
        [
            "date", "content-length", "connection", "apigw-requestid", "server", "x-own", "x-own", "x-amzn-requestid",
            "x-amz-apigw-id", "www-authenticate", "via", "set-cookie", "set-cookie", "content-encoding",
            "access-control-allow-origin",
        ]
    )  # fmt: skip
    assert re.fullmatch(SHORT_ID, answer.header("apigw-requestid") or "")
    assert answer.header("date") != "Mon, 01 Jan 2001 00:00:00 GMT"


def test_http_every_mapping_of_an_answer(http: HttpApi) -> None:
    answer = http.call("GET", "/answers/json")

    assert (answer.status, answer.json) == (200, {"a": {"b": ["x", "y"]}})
    assert answer.all("x-keep") == ["k", "more"]
    assert (answer.header("x-over"), answer.header("x-drop")) == ("1", None)
    assert (answer.header("x-body"), answer.header("x-absent")) == ("y", None)
    assert answer.header("x-context") == answer.header("apigw-requestid")
    assert http.call("GET", "/answers/404").status == 410
    assert http.call("GET", "/answers/headers").status == 201
