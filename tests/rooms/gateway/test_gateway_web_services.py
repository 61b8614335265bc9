"""HTTP_PROXY over real sockets, REST and HTTP: what the service sees, what the client gets, how it fails."""

import asyncio
import hashlib
from typing import Any

import pytest

from scopegate.http.client import Client
from scopegate.http.egress import EgressPolicy
from tests.rooms.gateway.driver import HOST, Gateway
from tests.rooms.gateway.upstream import OK, Put, Upstream, call_upstream, serving


def rest(path: str = "", resource: str = "/r", stage: dict[str, Any] | None = None, **integration: Any) -> Put:
    """A REST API whose `ANY resource` goes to the service at `path`."""

    def put(gateway: Gateway, url: str) -> None:
        document = {"type": "HTTP_PROXY", "httpMethod": "ANY", "uri": url + path, **integration}
        gateway.put_rest({resource: {"ANY": {"methodIntegration": document}}}, stage=stage)

    return put


def http(path: str = "", key: str = "ANY /r", **integration: Any) -> Put:
    def put(gateway: Gateway, url: str) -> None:
        document = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": url + path}
        gateway.put_http(
            {key: {}}, {"web": {**document, **integration}}, stages=({"StageName": "$default"}, {"StageName": "prod"})
        )

    return put


# REST


def test_rest_recorded_parameters_arrive() -> None:
    """Recorded on AWS: URI, client and mapping each add to the query, in this order."""
    parameters = {
        "integration.request.path.pathVar": "method.request.path.v",
        "integration.request.path.qsVar": "method.request.querystring.testVar",
        "integration.request.querystring.testQs": "method.request.querystring.qs",
        "integration.request.header.X-Mapped": "'static'",
        "integration.request.header.x-gone": "method.request.header.absent",
    }
    put = rest("/base/{pathVar}?testVar=foo{pathVar}&testQs={qsVar}", "/r/{v}", requestParameters=parameters)

    answer, upstream, _ = call_upstream(
        put, "GET", "/prod/r/bar?testVar=bar&qs=foo", {"x-mapped": "client", "X-Own": "kept"}
    )

    assert answer.status == 200
    assert upstream.target == "/base/bar?testVar=foobar&testQs=bar&testVar=bar&qs=foo&testQs=foo"
    assert upstream.header("X-Mapped") == "static"
    assert upstream.header("X-Own") == "kept"
    assert upstream.header("x-gone") is None


def test_rest_path_values_go_on_as_they_came() -> None:
    parameters = {"integration.request.path.proxy": "method.request.path.proxy"}
    put = rest("/{proxy}", "/{proxy+}", requestParameters=parameters)

    _, upstream, _ = call_upstream(put, "GET", "/prod/a%20b//c%2Fd?x=%20&y")

    assert upstream.target == "/a%20b//c%2Fd?x=%20&y"


def test_rest_values_from_elsewhere_cannot_leave_their_segment() -> None:
    parameters = {"integration.request.path.v": "method.request.querystring.v"}
    put = rest("/base/{v}/x", requestParameters=parameters)

    _, upstream, _ = call_upstream(put, "GET", "/prod/r?v=a/b%3Fq")
    assert upstream.target == "/base/a%2Fb%3Fq/x?v=a/b%3Fq"

    answer, upstream, _ = call_upstream(put, "GET", "/prod/r?v=../../admin")
    assert (answer.status, upstream.lines) == (400, [])


def test_rest_an_unmapped_name_stays_a_name() -> None:
    _, upstream, _ = call_upstream(rest("/{proxy}", "/{proxy+}"), "GET", "/prod/a")

    assert upstream.target == "/%7Bproxy%7D"


DROPPED = [
    "Connection", "Content-Encoding", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade", "Via", "WWW-Authenticate", "X-HTTP-Method-Override",
]  # fmt: skip


def test_rest_headers_toward_the_service() -> None:
    passed = {"Accept": "text/x", "Accept-Charset": "u", "Date": "d", "Pragma": "p", "Range": "r", "x-CuStom": "1"}
    headers = {**passed, **dict.fromkeys(DROPPED, "x"), "User-Agent": "me", "Authorization": "Bearer t"}

    _, upstream, _ = call_upstream(rest(), "GET", "/prod/r", headers)

    own = {"Host", "Connection", "X-Amzn-Apigateway-Api-Id", "X-Amzn-Trace-Id"}
    assert upstream.names == {*passed, "User-Agent", "Authorization", *own}
    assert upstream.header("Host") == f"127.0.0.1:{upstream.port}"
    assert upstream.header("Connection") == "keep-alive"
    assert upstream.header("X-Amzn-Apigateway-Api-Id") == "api1234567"
    assert upstream.header("Authorization") == "Bearer t"


def test_rest_defaults_and_a_signature_that_is_not_passed_on() -> None:
    _, upstream, _ = call_upstream(rest(), "GET", "/prod/r", {"authorization": "AWS4-HMAC-SHA256 Credential=x"})

    assert upstream.header("Accept") == "application/json"
    assert upstream.header("User-Agent") == "AmazonAPIGateway_api1234567"
    assert upstream.header("Authorization") is None
    assert "X-Forwarded-For" not in upstream.names


def test_rest_a_mapped_host_arrives_and_what_never_arrives_does_not() -> None:
    parameters = {f"integration.request.header.{name}": "'x'" for name in ("Host", "TE", "Via", "Server", "Trailer")}

    _, upstream, _ = call_upstream(rest(requestParameters=parameters), "GET", "/prod/r")

    assert upstream.header("Host") == "x"
    assert upstream.header("Server") == "x"
    assert upstream.header("TE") is None
    assert upstream.header("Via") is None


@pytest.mark.parametrize(
    ("fixed", "sent", "expected"), [("POST", "GET", "POST"), ("ANY", "PATCH", "PATCH"), (None, "DELETE", "DELETE")]
)
def test_rest_the_integration_method_is_fixed_or_the_clients(fixed: str | None, sent: str, expected: str) -> None:
    _, upstream, _ = call_upstream(rest(httpMethod=fixed), sent, "/prod/r")

    assert upstream.method == expected


@pytest.mark.parametrize(
    ("content_type", "types", "arrived"),
    [
        ("text/plain", [], b"a\xef\xbf\xbd"),
        ("image/png", ["image/*"], b"a\xff"),
    ],
)
def test_rest_a_body_is_text_unless_its_type_is_binary(content_type: str, types: list[str], arrived: bytes) -> None:
    def put(gateway: Gateway, url: str) -> None:
        integration = {"type": "HTTP_PROXY", "httpMethod": "POST", "uri": url}
        gateway.put_rest({"/r": {"POST": {"methodIntegration": integration}}}, api={"binaryMediaTypes": types})

    _, upstream, _ = call_upstream(put, "POST", "/prod/r", {"Content-Type": content_type}, b"a\xff")

    assert upstream.bodies == [arrived]


def test_rest_headers_of_the_answer() -> None:
    raw = (
        b"HTTP/1.1 418 Teapot\r\nX-CuStom: 1\r\nDate: then\r\nServer: s\r\nContent-Length: 2\r\nVia: v\r\n"
        b"WWW-Authenticate: Basic\r\nx-amzn-RequestId: theirs\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhi"
    )

    answer, _, _ = call_upstream(rest(), "GET", "/prod/r", upstream=Upstream(raw))

    assert (answer.status, answer.body) == (418, b"hi")
    assert answer.names == [
        "x-amzn-RequestId", "x-amz-apigw-id", "X-CuStom", "x-amzn-Remapped-Date", "x-amzn-Remapped-Server",
        "x-amzn-Remapped-Content-Length", "x-amzn-Remapped-WWW-Authenticate", "x-amzn-Remapped-x-amzn-RequestId",
        "Set-Cookie", "Set-Cookie", "Content-Type",
    ]  # fmt: skip
    assert answer.header("content-type") == "application/json"
    assert answer.all("set-cookie") == ["a=1", "b=2"]


def test_rest_stage_variables_fill_the_uri_host_included() -> None:
    def put(gateway: Gateway, url: str) -> None:
        integration = {
            "type": "HTTP_PROXY",
            "httpMethod": "GET",
            "uri": "http://${stageVariables.url}/x${stageVariables.no}",
        }
        variables = {"url": url.removeprefix("http://")}
        gateway.put_rest({"/r": {"GET": {"methodIntegration": integration}}}, stage={"variables": variables})

    _, upstream, _ = call_upstream(put, "GET", "/prod/r")

    assert upstream.target == "/x"


# HTTP


def test_http_a_plain_uri_takes_every_request_at_its_path() -> None:
    _, upstream, _ = call_upstream(http("/base?u=1"), "GET", "/r?a=1&b")

    assert upstream.target == "/base?u=1&a=1&b"


@pytest.mark.parametrize("target", ["/x/J%20Doe", "/prod/x/J%20Doe"])
def test_http_the_default_route_appends_the_path_to_a_bare_host(target: str) -> None:
    _, upstream, _ = call_upstream(http("", "$default"), "GET", target)

    assert upstream.target == "/x/J%20Doe"


def test_http_path_values_are_decoded_and_encoded_again() -> None:
    _, upstream, _ = call_upstream(http("/b/{proxy}", "ANY /r/{proxy+}"), "GET", "/r/J%20D%C3%B6/a%252Eb/%23")

    assert upstream.target == "/b/J%20D%C3%B6/a%252Eb/%23"


def test_http_headers_toward_the_service() -> None:
    headers = {
        "X-Custom": "1",
        "Connection": "x-custom",
        "TE": "t",
        "Forwarded": "for=1.2.3.4",
        "Content-Encoding": "br",
    }

    _, upstream, _ = call_upstream(http(), "GET", "/r", headers)

    assert upstream.header("Forwarded") == f"for=1.2.3.4, by=127.0.0.1;for=203.0.113.9;host={HOST};proto=https"
    assert upstream.header("Via") == "HTTP/1.1 AmazonAPIGateway"
    assert upstream.header("User-Agent") == "AmazonAPIGateway/api1234567"
    assert (upstream.header("X-Amzn-Trace-Id") or "").startswith("Root=1-")
    assert upstream.header("X-Custom") == "1"
    assert upstream.header("TE") is None


def test_http_headers_of_the_answer() -> None:
    raw = b"HTTP/1.1 201 Made\r\nx-custom: 1\r\nDate: then\r\nServer: s\r\nContent-Length: 2\r\n\r\nhi"

    answer, _, _ = call_upstream(http(), "GET", "/r", upstream=Upstream(raw))

    assert (answer.status, answer.body) == (201, b"hi")
    assert answer.names == ["x-custom", "Server", "Apigw-Requestid"]


def test_http_parameter_mapping_of_the_request() -> None:
    parameters = {
        "append:header.x-add": "$request.querystring.a",
        "overwrite:header.x-new": "${request.path.id}/${stageVariables.none}-${context.apiId}",
        "remove:header.x-gone": "''",
        "overwrite:header.x-body": "$request.body.name.first",
        "overwrite:header.x-skipped": "$request.header.absent",
        "append:querystring.q": "s p",
        "overwrite:querystring.a": "new",
        "remove:querystring.b": "''",
        "overwrite:path": "/deep/$request.path.id",
    }
    put = http("/base/{id}", "ANY /r/{id}", RequestParameters=parameters)

    _, upstream, _ = call_upstream(
        put, "POST", "/r/7?a=1&b=2&c=3", {"x-gone": "1", "X-Add": "0", "x-new": "old"}, b'{"name":{"first":"Ada"}}'
    )

    assert upstream.target == "/deep/7?c=3&q=s%20p&a=new"
    assert [value for name, value in upstream.heads[-1] if name.lower() == "x-add"] == ["0", "1"]
    assert upstream.header("x-new") == "7/-api1234567"
    assert upstream.header("x-gone") is None
    assert upstream.header("x-body") == "Ada"
    assert upstream.header("x-skipped") is None


def test_http_parameter_mapping_of_the_answer_is_by_status() -> None:
    mapping = {
        "200": {
            "overwrite:statuscode": "299",
            "append:header.x-b": "$response.body.ok",
            "overwrite:header.content-type": "text/x",
            "remove:header.x-gone": "''",
        },
        "500": {"overwrite:statuscode": "200"},
    }
    raw = OK.replace(b"Content-Length", b"X-Gone: 1\r\nContent-Length")

    answer, _, _ = call_upstream(http(ResponseParameters=mapping), "GET", "/r", upstream=Upstream(raw))

    assert (answer.status, answer.header("x-b"), answer.header("x-gone")) == (299, "true", None)
    assert answer.all("content-type") == ["text/x"]


# both


@pytest.mark.parametrize(("put", "target"), [(rest(), "/prod/r"), (http(), "/r")], ids=["rest", "http"])
@pytest.mark.parametrize("size", [200_000, 10_485_760])
def test_a_long_answer_is_streamed_whole(put: Put, target: str, size: int) -> None:
    body = hashlib.sha256(b"x").digest() * (size // 32)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    answer, _, gateway = call_upstream(put, "GET", target, upstream=Upstream(raw))

    assert answer.body == body
    assert gateway.record.status == 200


@pytest.mark.parametrize(("put", "target"), [(rest(), "/prod/r"), (http(), "/r")], ids=["rest", "http"])
def test_an_answer_beyond_the_limit_is_500(put: Put, target: str) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 10485761\r\n\r\n"

    answer, _, _ = call_upstream(put, "GET", target, upstream=Upstream(raw))

    assert answer.status == 500


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _silence(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    ("answer", "rest_answer", "http_status"),
    [
        (_reset, (504, b'{"message": "Network error communicating with endpoint"}'), 503),
        (b"garbage\r\n\r\n", (504, b'{"message": "Network error communicating with endpoint"}'), 503),
        (_silence, (504, b'{"message": "Endpoint request timed out"}'), 503),
    ],
    ids=["reset", "garbage", "silence"],
)
def test_a_service_that_does_not_answer(answer: Any, rest_answer: tuple[int, bytes], http_status: int) -> None:
    got, _, gateway = call_upstream(rest(timeoutInMillis=100), "POST", "/prod/r", upstream=Upstream(answer))
    assert (got.status, got.body) == rest_answer
    assert gateway.record.facts["failure"]

    got, _, _ = call_upstream(http(TimeoutInMillis=100), "POST", "/r", upstream=Upstream(answer))
    assert (got.status, got.body) == (http_status, b'{"message":"Service Unavailable"}')


def test_nobody_there() -> None:
    def put_rest(gateway: Gateway, _url: str) -> None:
        integration = {"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://127.0.0.1:1024/"}
        gateway.put_rest({"/r": {"GET": {"methodIntegration": integration}}})

    def put_http(gateway: Gateway, _url: str) -> None:
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://127.0.0.1:1024/"}
        gateway.put_http({"GET /r": {}}, {"web": integration})

    answer, _, _ = call_upstream(put_rest, "GET", "/prod/r")
    assert (answer.status, answer.body) == (504, b'{"message": "Network error communicating with endpoint"}')
    answer, _, _ = call_upstream(put_http, "GET", "/r")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')


@pytest.mark.parametrize(("put", "target"), [(rest(), "/prod/r"), (http(), "/r")], ids=["rest", "http"])
def test_a_redirect_is_passed_and_not_followed(put: Put, target: str) -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"

    answer, upstream, _ = call_upstream(put, "GET", target, upstream=Upstream(raw))

    assert (answer.status, answer.header("location"), len(upstream.lines)) == (302, "file:///etc/passwd", 1)


@pytest.mark.parametrize(("put", "target"), [(rest(), "/prod/r"), (http(), "/r")], ids=["rest", "http"])
def test_a_head_answer_keeps_the_length_it_told(put: Put, target: str) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"

    async def run() -> tuple[int, int | None]:
        async with serving(Upstream(raw)) as service:
            client = Client(EgressPolicy(development=True))
            gateway = Gateway(client=client)
            put(gateway, service.url)
            response = await gateway.start("HEAD", target)  # type: ignore[misc]
            await client.close()
            return response.status, response.length

    assert asyncio.run(run()) == (200, 42)
