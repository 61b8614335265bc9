"""Every refusal of either kind of API as it is on the wire: status, body, and each header, none more.

Source: reference, "No match: the exact answer", "REST: COGNITO_USER_POOLS", "HTTP: JWT authorizer", "Timeouts and
backend failures", "Gateway responses, fixed errors, CORS", "Headers the gateway always adds".
"""

import base64
import gzip
import hashlib
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server import Pool, Server, allow_gateway, make_function, make_pool, zipped
from tests.wire.gateways import (
    DATE,
    FUNCTION,
    SHORT_ID,
    UUID,
    Answer,
    HttpApi,
    RestApi,
    Seen,
    Web,
    access_token,
    call,
    id_token,
    raw,
    serving_web,
)

pytestmark = pytest.mark.xdist_group("gateway-refusals")
TRACE = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
READ = ["orders/read"]
PARTS = ("Credential", "Signature", "SignedHeaders")


@pytest.fixture(scope="module")
def pool(server: Server) -> Pool:
    return make_pool(server, "refusals")


@pytest.fixture(scope="module")
def client(pool: Pool) -> dict[str, Any]:
    return pool.client("orders/read", "orders/write")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving_web() as service:
        service.answers = {
            "/slow": lambda connection, _: time.sleep(1.5),
            "/stuck": _begin_and_wait,
            "/reset": _reset,
            "/closed": lambda connection, _: None,
            "/cut": lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
            "/cut-late": lambda connection, _: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 2_000_000
            ),
            "/garbage": b"SMTP ready\r\n\r\n",
            "/huge": lambda connection, _: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 10485761\r\n\r\n" + b"x" * 1000
            ),
            "/500": b"HTTP/1.1 500 No\r\nContent-Type: text/x\r\nContent-Length: 4\r\n\r\noops",
            "/302": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        }
        yield service


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """A port that is taken, where nobody listens: connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


def _begin_and_wait(connection: socket.socket, _: Seen) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Half: ")
    time.sleep(1.5)


def _reset(connection: socket.socket, _: Seen) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture(scope="module")
def function(server: Server) -> str:
    return make_function(server, "refusals", FUNCTION)


@pytest.fixture(scope="module")
def unpermitted(server: Server) -> str:
    return make_function(server, "refusals-unpermitted", FUNCTION)


@pytest.fixture(scope="module")
def brief(server: Server) -> str:
    """A function that has a second of its own."""
    return make_function(server, "refusals-brief", FUNCTION, Timeout=1)


@pytest.fixture(scope="module")
def rest(server: Server, pool: Pool, web: Web, nowhere: str, function: str, unpermitted: str, brief: str) -> RestApi:
    api = RestApi(server)
    cognito = api.cognito(pool)
    audience = api.cognito(pool, name="audience", identityValidationExpression="nobody")
    api.function("GET", "/scoped", function, **cognito, authorizationScopes=READ)
    api.function("GET", "/unscoped", function, **cognito)
    api.function("GET", "/audience", function, **audience)
    api.function("ANY", "/open", function)
    api.function("GET", "/open/brief", brief)
    api.function("GET", "/open/hurried", function, {"timeoutInMillis": 200})
    api.function("GET", "/open/unpermitted", unpermitted)
    api.function("GET", "/open/missing", function + "-missing")
    api.function("GET", "/open/wrongly", function, {"integrationHttpMethod": "GET"})
    api.web("ANY", "/web/{proxy+}", web.url + "/{proxy}")
    api.web("ANY", "/hurried/{proxy+}", web.url + "/{proxy}", {"timeoutInMillis": 300})
    api.web("GET", "/nobody", nowhere)
    api.web("GET", "/metadata", "http://169.254.169.254/latest/meta-data")
    api.web("GET", "/nameless", "http://no-such-host.invalid/")
    api.web("GET", "/closed/vtl", web.url, {"type": "HTTP"})
    api.method("GET", "/mock", {"type": "MOCK", "requestTemplates": {"application/json": "{}"}})
    api.deploy()
    allow_gateway(server, "refusals", api.id)
    allow_gateway(server, "refusals-brief", api.id)
    return api


@pytest.fixture(scope="module")
def http(
    server: Server,
    pool: Pool,
    client: dict[str, Any],
    web: Web,
    nowhere: str,
    function: str,
    unpermitted: str,
    brief: str,
) -> HttpApi:
    api = HttpApi(server, stage=None)
    jwt = api.jwt(pool.issuer, client["ClientId"])
    other = api.jwt(make_pool(server, "other").issuer, client["ClientId"], name="other")
    in_query = api.jwt(pool.issuer, client["ClientId"], name="query", IdentitySource=["$request.querystring.token"])
    api.function("GET /scoped", function, **jwt, AuthorizationScopes=["orders/read", "orders/all"])
    api.function("GET /unscoped", function, **jwt)
    api.function("GET /other", function, **other)
    api.function("GET /query", function, **in_query)
    api.function("ANY /open", function)
    api.function("ANY /open1", function, {"PayloadFormatVersion": "1.0"})
    api.function("GET /brief", brief)
    api.function("GET /hurried", function, {"TimeoutInMillis": 200})
    api.function("GET /unpermitted", unpermitted)
    api.function("GET /missing", function + "-missing")
    api.web("ANY /web/{proxy+}", web.url + "/{proxy}")
    api.web("ANY /hurried/{proxy+}", web.url + "/{proxy}", {"TimeoutInMillis": 300})
    api.web("GET /nobody", nowhere)
    api.web("GET /metadata", "http://169.254.169.254/latest/meta-data")
    api.web("GET /nameless", "http://no-such-host.invalid/")
    api.client.create_route(ApiId=api.id, RouteKey="GET /nowhere")
    for stage in ("$default", "prod"):
        api.stage(stage)
    allow_gateway(server, "refusals", api.id)
    allow_gateway(server, "refusals-brief", api.id)
    return api


def assert_rest(answer: Answer, status: int, body: bytes, error_type: str, *, traced: bool = False) -> None:
    """The refusal, whole: no header is missing, none is there twice, none is more."""
    expected = {"Date", "Content-Type", "Content-Length", "Connection", "x-amzn-RequestId", "x-amzn-ErrorType"}
    expected |= {"x-amz-apigw-id"} | ({"X-Amzn-Trace-Id"} if traced else set())
    assert (answer.status, answer.body) == (status, body)
    assert sorted(answer.names) == sorted(expected)
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Length") == str(len(body))
    assert answer.header("Connection") == "keep-alive"
    assert answer.header("x-amzn-ErrorType") == error_type
    assert re.fullmatch(UUID, answer.header("x-amzn-RequestId") or "")
    assert re.fullmatch(SHORT_ID, answer.header("x-amz-apigw-id") or "")
    assert re.fullmatch(DATE, answer.header("Date") or "")
    if traced:
        assert re.fullmatch(TRACE, answer.header("X-Amzn-Trace-Id") or "")


def assert_http(answer: Answer, status: int, message: str, challenge: str | None = None) -> None:
    """As `assert_rest`, for an HTTP API: names without regard to case."""
    expected = ["apigw-requestid", "connection", "content-length", "content-type", "date"]
    expected += [] if challenge is None else ["www-authenticate"]
    body = json.dumps({"message": message}, separators=(",", ":")).encode()
    assert (answer.status, answer.body) == (status, body)
    assert sorted(name.lower() for name in answer.names) == expected
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(body))
    assert answer.header("connection") == "keep-alive"
    assert re.fullmatch(SHORT_ID, answer.header("apigw-requestid") or "")
    assert re.fullmatch(DATE, answer.header("date") or "")
    assert answer.header("www-authenticate") == challenge


# who calls


def altered(token: str, part: int, old: str, new: str) -> str:
    """The token with one segment changed and its signature kept."""
    parts = token.split(".")
    text = base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)).decode()
    parts[part] = base64.urlsafe_b64encode(text.replace(old, new).encode()).rstrip(b"=").decode()
    return ".".join(parts)


def bad_tokens(pool: Pool, client: dict[str, Any], other: Pool) -> dict[str, str]:
    """Tokens that no authorizer of `pool` takes, by what is wrong with them."""
    client_id = client["ClientId"]
    good = access_token(pool, client_id)
    head, claims, signature = good.split(".")
    return {
        "word": "nonsense",
        "two segments": f"{head}.{claims}",
        "four segments": f"{good}.x",
        "no base64": f"{head}.!!!.{signature}",
        "no JSON": f"{head}.eA.{signature}",
        "other scheme": f"Basic {good}",
        "two blanks": f"Bearer  {good}",
        "signature": altered(good, 1, "orders/read", "orders/writ"),
        "kid": altered(good, 0, '"kid":"', '"kid":"x'),
        "algorithm": altered(good, 0, "RS256", "HS256"),
        "no algorithm": altered(good, 0, '"RS256"', '"none"'),
        "another pool's": access_token(other, other.client()["ClientId"]),
        "issuer": access_token(pool, client_id, iss=pool.issuer + "/"),
        "not yet": access_token(pool, client_id, nbf=int(time.time()) + 1000),
        "issued tomorrow": access_token(pool, client_id, iat=int(time.time()) + 86400),
        "no expiry": access_token(pool, client_id, exp=None),
        "deleted client": access_token(pool, "0123456789abcdefghijklmnop"),
    }


def test_rest_every_token_but_the_right_one_is_unauthorized(
    server: Server, pool: Pool, client: dict[str, Any], rest: RestApi
) -> None:
    """Rows 1 to 11 and 15: one body and one type, whatever the reason."""
    unauthorized = (401, b'{"message":"Unauthorized"}', "UnauthorizedException")
    client_id = client["ClientId"]
    other = make_pool(server, "stranger")

    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"X-Authorization": "x"}):
        assert_rest(rest.call("GET", "/scoped", headers), *unauthorized)
    for why, token in bad_tokens(pool, client, other).items():
        for form in (token, f"Bearer {token}"):
            answer = rest.call("GET", "/scoped", {"Authorization": form})
            assert answer.status == 401, why
            assert_rest(answer, *unauthorized)
    wrong_scope = access_token(pool, client_id, scope="orders/write orders/readonly Orders/Read")
    for token, path in (
        (id_token(pool, client_id), "/scoped"),
        (id_token(pool, client_id, scope="orders/read"), "/scoped"),
        (wrong_scope, "/scoped"),
        (access_token(pool, client_id, scope=None), "/scoped"),
        (access_token(pool, client_id), "/unscoped"),
        (access_token(pool, client_id, token_use=None), "/scoped"),
        (id_token(pool, client_id), "/audience"),
        (access_token(pool, client_id), "/audience"),
    ):
        assert_rest(rest.call("GET", path, {"Authorization": token}), *unauthorized)
    good = access_token(pool, client_id)
    assert_rest(rest.call("GET", "/scoped", [("Authorization", good), ("Authorization", good)]), *unauthorized)
    assert rest.call("GET", "/scoped", {"authorization": f"bEARER {good}"}).status == 200
    assert rest.call("GET", "/unscoped", {"Authorization": id_token(pool, client_id)}).status == 200


def test_rest_an_expired_token_has_its_own_text(pool: Pool, client: dict[str, Any], rest: RestApi) -> None:
    """Row 6, and 7: pool and signature come first."""
    past = {"exp": int(time.time()) - 1}
    expired = access_token(pool, client["ClientId"], **past)

    for token, path in ((expired, "/scoped"), (id_token(pool, client["ClientId"], **past), "/unscoped")):
        answer = rest.call("GET", path, {"Authorization": f"Bearer {token}"})
        assert_rest(answer, 401, b'{"message":"The incoming token has expired"}', "UnauthorizedException")
    forged = rest.call("GET", "/scoped", {"Authorization": altered(expired, 1, "orders/read", "orders/writ")})
    assert_rest(forged, 401, b'{"message":"Unauthorized"}', "UnauthorizedException")


def invalid(description: str, scopes: str = "") -> str:
    return f'Bearer scope="{scopes}" error="invalid_token" error_description="{description}"'


def test_http_every_refused_token_says_why(server: Server, pool: Pool, client: dict[str, Any], http: HttpApi) -> None:
    """Each failure with its challenge: blanks between the parameters, `scope` first, empty without scopes."""
    client_id = client["ClientId"]
    tokens = bad_tokens(pool, client, make_pool(server, "stranger"))
    segments = "token contains an invalid number of segments"
    expected = {
        "word": segments,
        "two segments": segments,
        "four segments": segments,
        "no base64": "token is malformed",
        "no JSON": "token is malformed",
        "other scheme": "token is malformed",
        "two blanks": "token is malformed",
        "signature": "token signature is invalid",
        "kid": "signing key not found",
        "algorithm": "signing method HS256 is invalid",
        "no algorithm": "signing method none is invalid",
        "another pool's": "issuer does not match",
        "issuer": "issuer does not match",
        "not yet": "token is not valid yet",
        "issued tomorrow": "token used before issued",
        "no expiry": "token has invalid claims",
        "deleted client": "the token does not have a valid audience",
    }
    assert tokens.keys() == expected.keys()

    for why, token in tokens.items():
        answer = http.call("GET", "/unscoped", {"Authorization": token})
        assert answer.header("www-authenticate") == invalid(expected[why]), why
        assert_http(answer, 401, "Unauthorized", invalid(expected[why]))
    scopes = "orders/read orders/all"
    expired = access_token(pool, client_id, exp=int(time.time()) - 1)
    for headers, path, challenge in (
        ({}, "/scoped", "Bearer"),
        ({"Authorization": ""}, "/unscoped", "Bearer"),
        ({"Authorization": "x"}, "/prod/scoped", invalid(segments, scopes)),
        ({"Authorization": expired}, "/scoped", invalid("the token has expired", scopes)),
        ({"Authorization": access_token(pool, client_id)}, "/other", invalid("issuer does not match")),
        ({"Authorization": access_token(pool, client_id)}, "/query", "Bearer"),
    ):
        assert_http(http.call("GET", path, headers), 401, "Unauthorized", challenge)
    twice = [("Authorization", access_token(pool, client_id))] * 2
    assert_http(http.call("GET", "/unscoped", twice), 401, "Unauthorized", invalid(segments))
    insufficient = f'Bearer scope="{scopes}" error="insufficient_scope" error_description="expected scopes: [{scopes}]"'
    for token in (
        access_token(pool, client_id, scope="orders/write"),
        access_token(pool, client_id, scope=None),
        id_token(pool, client_id),
    ):
        assert_http(http.call("GET", "/scoped", {"Authorization": token}), 403, "Forbidden", insufficient)
    for token in (access_token(pool, client_id), id_token(pool, client_id)):
        assert http.call("GET", "/unscoped", {"Authorization": token}).status == 200
    assert http.call("GET", f"/query?token={access_token(pool, client_id)}").status == 200


def test_http_aud_counts_before_client_id(pool: Pool, client: dict[str, Any], http: HttpApi) -> None:
    client_id = client["ClientId"]
    wrong = invalid("the token does not have a valid audience")

    for claims, admitted in (
        ({"aud": client_id, "client_id": None}, True),
        ({"aud": ["x", client_id]}, True),
        ({"aud": ["x"]}, False),
        ({"aud": "x"}, False),
        ({"aud": []}, False),
        ({"aud": None, "client_id": None}, False),
    ):
        answer = http.call("GET", "/unscoped", {"Authorization": access_token(pool, client_id, **claims)})
        if admitted:
            assert answer.status == 200, claims
        else:
            assert_http(answer, 401, "Unauthorized", wrong)


# where to


def test_rest_what_matches_nothing(server: Server, rest: RestApi) -> None:
    missing = (403, b'{"message":"Missing Authentication Token"}', "MissingAuthenticationTokenException")
    forbidden = (403, b'{"message":"Forbidden"}', "ForbiddenException")

    for method, path in (
        ("GET", "/unknown"), ("POST", "/scoped"), ("GET", "/"), ("GET", ""), ("GET", "/SCOPED"), ("GET", "/scoped/x"),
        ("TRACE", "/open"), ("FOO", "/open"), ("OPTIONS", "/scoped"), ("GET", "/web"),
    ):  # fmt: skip
        assert_rest(rest.call(method, path), *missing)
    for target in ("/", "/none/scoped", "/Prod/scoped", "/scoped"):
        assert_rest(call(server, "GET", target, host=rest.host), *forbidden)
    nobody = "nothere123.execute-api.us-east-1.amazonaws.com"
    assert_rest(call(server, "GET", "/prod/x", host=nobody), *forbidden)
    for target in (f"/restapis/{rest.id}/none/_user_request_/scoped", "/_aws/execute-api/nothere123/prod/x"):
        answer = call(server, "GET", target, host="api.example.localhost")
        assert (answer.status, answer.body) == forbidden[:2]

    head = rest.call("HEAD", "/unknown")
    assert_rest(head, 403, b"", "MissingAuthenticationTokenException")


def test_rest_where_nothing_is_a_bearer_token_is_a_signature_that_lacks_its_parts(rest: RestApi) -> None:
    """Reference, "No match: the exact answer": AWS looks for a signature first; a whole one meets the usual 403."""
    token = "Bearer eyJraWQiOiJ4In0.eyJzdWIiOiJ4In0.c2ln"
    digest = base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
    lacking = " ".join(f"Authorization header requires '{part}' parameter." for part in PARTS)
    scope = "20150830/us-east-1/execute-api/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders=host, Signature={'0' * 64}"

    for value, message in (
        (
            token,
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded "
            f"with Base64): '{digest}'.",
        ),
        ("Basic YTpi=", lacking),
        ("", lacking),
    ):
        for method, path in (("GET", "/unknown"), ("POST", "/scoped")):
            answer = rest.call(method, path, {"Authorization": value})
            body = json.dumps({"message": message}, separators=(",", ":")).encode()
            assert_rest(answer, 403, body, "IncompleteSignatureException")
    for headers in ({"Authorization": signed, "X-Amz-Date": "20150830T123600Z"}, {}):
        answer = rest.call("GET", "/unknown", headers)
        body = b'{"message":"Missing Authentication Token"}'
        assert_rest(answer, 403, body, "MissingAuthenticationTokenException")


def test_http_what_matches_nothing(server: Server, http: HttpApi) -> None:
    for method, path in (
        ("GET", "/unknown"), ("POST", "/scoped"), ("GET", "/"), ("GET", "/SCOPED"), ("GET", "/scoped/"),
        ("GET", "/none/scoped"), ("TRACE", "/open"), ("FOO", "/open"), ("OPTIONS", "/scoped"), ("GET", "/prod"),
    ):  # fmt: skip
        assert_http(http.call(method, path), 404, "Not Found")
    stageless = HttpApi(server, stage=None)
    stageless.web("GET /x", "http://127.0.0.1:1/")
    assert_http(stageless.call("GET", "/x"), 404, "Not Found")
    stageless.stage("prod", AutoDeploy=False)
    for path in ("/x", "/prod/x"):
        assert_http(stageless.call("GET", path), 404, "Not Found")


def test_disabled_endpoints(server: Server, web: Web) -> None:
    rest = RestApi(server, disableExecuteApiEndpoint=True)
    rest.web("GET", "/x", web.url)
    rest.deploy()
    http = HttpApi(server, DisableExecuteApiEndpoint=True)
    http.web("GET /x", web.url)

    assert_rest(rest.call("GET", "/x"), 403, b'{"message":"Forbidden"}', "ForbiddenException")
    assert_http(http.call("GET", "/x"), 404, "Not Found")


# what cannot be enforced is closed


def test_methods_that_cannot_be_enforced_are_closed(pool: Pool, client: dict[str, Any], rest: RestApi) -> None:
    token = {"Authorization": access_token(pool, client["ClientId"]), "x-api-key": "x" * 20}

    for headers in ({}, token):
        answer = rest.call("GET", "/closed/vtl", headers)
        assert_rest(answer, 500, b'{"message": "Internal server error"}', "InternalServerErrorException")


def test_routes_that_cannot_be_enforced_are_closed(http: HttpApi) -> None:
    assert_http(http.call("GET", "/nowhere"), 500, "Internal Server Error")


def test_a_private_api_is_not_served_to_everybody(server: Server, web: Web) -> None:
    """It is for VPC endpoints, whatever its policy says."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    for policy in ({}, {"policy": json.dumps({"Version": "2012-10-17", "Statement": [everybody]})}):
        api = RestApi(server, endpointConfiguration={"types": ["PRIVATE"]}, **policy)
        api.web("GET", "/x", web.url)
        api.deploy()
        answer = api.call("GET", "/x")
        assert_rest(answer, 500, b'{"message": "Internal server error"}', "InternalServerErrorException")


def test_rest_an_authorizer_whose_pool_is_gone_is_a_configuration_error(server: Server, web: Web) -> None:
    """Row 13 and 14: neither an authorizer that was deleted nor a pool that was opens a method."""
    pool = make_pool(server, "gone")
    client_id = pool.client()["ClientId"]
    token = access_token(pool, client_id)
    api = RestApi(server)
    cognito = api.cognito(pool)
    api.web("GET", "/x", web.url, **cognito, authorizationScopes=READ)
    api.deploy()
    assert api.call("GET", "/x", {"Authorization": token}).status == 200

    idp = server.aws("cognito-idp")
    idp.delete_user_pool_domain(Domain=pool.domain, UserPoolId=pool.pool_id)
    idp.delete_user_pool(UserPoolId=pool.pool_id)

    answer = api.call("GET", "/x", {"Authorization": token})
    assert_rest(answer, 500, b'{"message":null}', "AuthorizerConfigurationException")
    assert_rest(api.call("GET", "/x"), 401, b'{"message":"Unauthorized"}', "UnauthorizedException")


# the function


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/open", {"x-do": "raise"}, 502, id="exception"),
        pytest.param("/open", {"x-do": "exit"}, 502, id="exit"),
        pytest.param("/open", {"x-do": "large", "x-size": "6291557"}, 502, id="answer-too-large"),
        pytest.param("/open", {"x-do": "return", "x-return": "null"}, 502, id="null"),
        pytest.param("/open", {"x-do": "return", "x-return": '"text"'}, 502, id="text"),
        pytest.param("/open", {"x-do": "return", "x-return": "[]"}, 502, id="list"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"statusCode":200,"wrong":1}'}, 502, id="member"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"statusCode":"test"}'}, 502, id="status-text"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"statusCode":0}'}, 502, id="status-0"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"body":{}}'}, 502, id="body-object"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"headers":{"a":3}}'}, 502, id="header-number"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"headers":{"a":"b\\r\\nc: d"}}'}, 502, id="line-end"),
        pytest.param("/open", {"x-do": "return", "x-return": '{"multiValueHeaders":{"a":"b"}}'}, 502, id="multi"),
        pytest.param("/open/brief", {"x-do": "sleep", "x-seconds": "3"}, 502, id="function-time-out"),
        pytest.param("/open/unpermitted", {}, 500, id="no-permission"),
        pytest.param("/open/missing", {}, 500, id="no-function"),
        pytest.param("/open/wrongly", {}, 500, id="integration-method"),
        pytest.param("/mock", {}, 500, id="mock-without-status"),
    ],
)
def test_rest_a_function_that_gives_no_answer(rest: RestApi, path: str, headers: dict[str, str], status: int) -> None:
    answer = rest.call("GET", path, headers)

    assert_rest(answer, status, b'{"message": "Internal server error"}', "InternalServerErrorException")


def test_rest_a_function_slower_than_the_integration(rest: RestApi) -> None:
    answer = rest.call("GET", "/open/hurried", {"x-do": "sleep", "x-seconds": "1"})

    body = b'{"message": "Endpoint request timed out"}'
    assert_rest(answer, 504, body, "InternalServerErrorException", traced=True)


def test_a_function_without_concurrency_is_not_told_apart_from_a_failing_one(
    server: Server, rest: RestApi, http: HttpApi
) -> None:
    """Lambda says 429; its own error type is not passed on."""
    lambda_ = server.aws("lambda")
    lambda_.put_function_concurrency(FunctionName="refusals-brief", ReservedConcurrentExecutions=0)

    answer = rest.call("GET", "/open/brief")
    assert_rest(answer, 500, b'{"message": "Internal server error"}', "InternalServerErrorException")
    assert_http(http.call("GET", "/brief"), 503, "Service Unavailable")
    lambda_.delete_function_concurrency(FunctionName="refusals-brief")
    assert (rest.call("GET", "/open/brief").status, http.call("GET", "/brief").status) == (200, 200)


@pytest.mark.parametrize("path", ["/open", "/open1"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-do": "raise"}, id="exception"),
        pytest.param({"x-do": "exit"}, id="exit"),
        pytest.param({"x-do": "large", "x-size": "6291557"}, id="answer-too-large"),
        pytest.param({"x-do": "return", "x-return": '{"statusCode":0}'}, id="status-0"),
        pytest.param({"x-do": "return", "x-return": '{"statusCode":200.5}'}, id="status-fraction"),
        pytest.param({"x-do": "return", "x-return": '{"statusCode":200,"headers":[]}'}, id="headers"),
        pytest.param({"x-do": "return", "x-return": '{"statusCode":200,"body":{}}'}, id="body-object"),
        pytest.param({"x-do": "return", "x-return": '{"statusCode":200,"headers":{"a":"b\\nc"}}'}, id="line-end"),
    ],
)
def test_http_a_function_that_gives_no_answer(http: HttpApi, path: str, headers: dict[str, str]) -> None:
    assert_http(http.call("GET", path, headers), 500, "Internal Server Error")


@pytest.mark.parametrize(
    ("path", "headers", "status", "message"),
    [
        ("/open1", {"x-do": "return", "x-return": "{}"}, 500, "Internal Server Error"),
        ("/open1", {"x-do": "return", "x-return": "null"}, 500, "Internal Server Error"),
        ("/open1", {"x-do": "return", "x-return": "[]"}, 500, "Internal Server Error"),
        ("/brief", {"x-do": "sleep", "x-seconds": "3"}, 500, "Internal Server Error"),
        ("/unpermitted", {}, 500, "Internal Server Error"),
        ("/missing", {}, 500, "Internal Server Error"),
        ("/hurried", {"x-do": "sleep", "x-seconds": "1"}, 503, "Service Unavailable"),
    ],
)
def test_http_a_function_that_cannot_answer(
    http: HttpApi, path: str, headers: dict[str, str], status: int, message: str
) -> None:
    assert_http(http.call("GET", path, headers), status, message)


def test_a_permission_is_for_its_route_alone(server: Server, unpermitted: str) -> None:
    """Reference, "How the function is called": the source ARN names stage, verb and resource; authorizers differ."""
    rest, http = RestApi(server), HttpApi(server)
    for path in ("/a/{id}", "/b"):
        rest.function("GET", path, unpermitted)
        http.function(f"GET {path}", unpermitted)
    rest.deploy()

    def permit(number: int, api_id: str, source: str) -> None:
        server.aws("lambda").add_permission(
            FunctionName="refusals-unpermitted",
            StatementId=f"{api_id}-{number}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/{source}",
        )

    def statuses() -> list[int]:
        return [api.call("GET", path).status for api in (rest, http) for path in ("/a/1", "/b")]

    permit(1, rest.id, "*/POST/*")
    permit(1, http.id, "prod/*/*")
    permit(2, http.id, "authorizers/*")
    assert statuses() == [500, 500, 500, 500]
    permit(2, rest.id, "prod/GET/a/*")
    permit(3, http.id, "*/*/a/{id}")
    assert statuses() == [200, 500, 200, 500]
    permit(3, rest.id, "*")
    permit(4, http.id, "$default/GET/b")
    assert statuses() == [200, 200, 200, 200]


def test_o24_a_role_of_one_account_opens_no_function_of_another(server: Server, unpermitted: str) -> None:
    """Credentials stand for the function's own permission, but only in the account that the role is of."""
    lambda_ = server.aws("lambda", key="111122223333")
    made = lambda_.create_function(
        FunctionName="theirs",
        Runtime="python3.12",
        Role="arn:aws:iam::111122223333:role/functions",
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": FUNCTION})},
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName="theirs", WaiterConfig={"Delay": 1})
    rest, http = RestApi(server), HttpApi(server)
    trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
    iam, name = server.aws("iam"), f"gateway-{rest.id}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(
        RoleName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [invoke]})
    )
    role = f"arn:aws:iam::000000000000:role/{name}"
    for path, function in (("/mine", unpermitted), ("/theirs", made["FunctionArn"])):
        rest.function("GET", path, function, {"credentials": role})
        http.function(f"GET {path}", function, {"CredentialsArn": role})
    rest.function("GET", "/variable", unpermitted, {"credentials": "${stageVariables.role}"})
    rest.deploy(variables={"role": role})

    assert [api.call("GET", "/mine").status for api in (rest, http)] == [200, 200]
    assert rest.call("GET", "/variable").status == 200
    change = {"op": "replace", "path": "/variables/role", "value": "nobody"}
    rest.client.update_stage(restApiId=rest.id, stageName="prod", patchOperations=[change])
    assert rest.call("GET", "/variable").status == 500
    answer = rest.call("GET", "/theirs")
    assert_rest(answer, 500, b'{"message": "Internal server error"}', "InternalServerErrorException")
    assert_http(http.call("GET", "/theirs"), 500, "Internal Server Error")


# the web service


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/hurried/slow", 504, b'{"message": "Endpoint request timed out"}'),
        ("/hurried/stuck", 504, b'{"message": "Endpoint request timed out"}'),
        ("/web/reset", 504, b'{"message": "Network error communicating with endpoint"}'),
        ("/web/closed", 504, b'{"message": "Network error communicating with endpoint"}'),
        ("/web/garbage", 504, b'{"message": "Network error communicating with endpoint"}'),
        ("/nobody", 504, b'{"message": "Network error communicating with endpoint"}'),
        ("/nameless", 504, b'{"message": "Network error communicating with endpoint"}'),
        ("/metadata", 500, b'{"message": "Internal server error"}'),
        ("/web/huge", 500, b'{"message": "Internal server error"}'),
    ],
)
def test_rest_a_web_service_that_gives_no_answer(rest: RestApi, path: str, status: int, body: bytes) -> None:
    answer = rest.call("GET", path)

    assert_rest(answer, status, body, "InternalServerErrorException", traced=b"timed out" in body)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/hurried/slow", 503, "Service Unavailable"),
        ("/hurried/stuck", 503, "Service Unavailable"),
        ("/web/reset", 503, "Service Unavailable"),
        ("/web/closed", 503, "Service Unavailable"),
        ("/web/garbage", 503, "Service Unavailable"),
        ("/nobody", 503, "Service Unavailable"),
        ("/nameless", 503, "Service Unavailable"),
        ("/metadata", 500, "Internal Server Error"),
        ("/web/huge", 500, "Internal Server Error"),
    ],
)
def test_http_a_web_service_that_gives_no_answer(http: HttpApi, path: str, status: int, message: str) -> None:
    assert_http(http.call("GET", path), status, message)


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_web_services_own_refusal_is_its_own(request: pytest.FixtureRequest, kind: str) -> None:
    api = request.getfixturevalue(kind)

    answer = api.call("GET", "/web/500")
    assert (answer.status, answer.body, answer.header("content-type")) == (500, b"oops", "text/x")
    assert answer.header("x-amzn-errortype") is None
    answer = api.call("GET", "/web/302")
    assert (answer.status, answer.header("location")) == (302, "http://169.254.169.254/")


@pytest.mark.parametrize("kind", ["rest", "http"])
@pytest.mark.parametrize("path", ["/web/cut", "/web/cut-late"])
def test_an_answer_that_breaks_off_does_not_look_whole(request: pytest.FixtureRequest, kind: str, path: str) -> None:
    """Before anything went to the client it is a failure; after that the connection ends short of its length."""
    api = request.getfixturevalue(kind)
    prefix = "/prod" if kind == "rest" else ""

    with socket.create_connection(("127.0.0.1", api.server.port), timeout=10) as connection:
        connection.sendall(f"GET {prefix}{path} HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
        with connection.makefile("rb") as file:
            first = file.readline()
            if path == "/web/cut":
                assert first.startswith(b"HTTP/1.1 504 " if kind == "rest" else b"HTTP/1.1 503 ")
            else:
                head, _, body = file.read().partition(b"\r\n\r\n")
                assert first.startswith(b"HTTP/1.1 200 ")
                assert b"Content-Length: 3000000" in head
                assert 0 < len(body) < 3_000_000


# sizes and readings


def test_bodies_beyond_10_mb(server: Server, rest: RestApi, http: HttpApi) -> None:
    """Refused by the declared length, and by the sum of chunks; the text is the front end's own."""
    over = 10 * 1024 * 1024 + 1
    declared = "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n"

    answer = raw(server, declared.format("/prod/open", rest.host, over).encode())
    assert (answer.status, answer.body) == (413, b"HTTP content length exceeded 10485760 bytes.")
    assert answer.header("content-type") == "text/plain"
    assert answer.header("connection") == "close"

    answer = raw(server, declared.format("/open", http.host, over).encode())
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert re.fullmatch(SHORT_ID, answer.header("apigw-requestid") or "")
    assert answer.header("content-type") == "application/json"


def test_a_body_in_chunks_is_counted(server: Server, rest: RestApi, http: HttpApi) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for api, target, body in (
        (rest, "/prod/open", b"HTTP content length exceeded 10485760 bytes."),
        (http, "/open", b'{"message":"Request Entity Too Large"}'),
    ):
        head = f"POST {target} HTTP/1.1\r\nHost: {api.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        answer = raw(server, head + chunk * 10 + b"1\r\nx\r\n0\r\n\r\n")
        assert (answer.status, answer.body, answer.header("connection")) == (413, body, "close")


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_body_that_no_event_can_carry_is_too_large(request: pytest.FixtureRequest, kind: str) -> None:
    """A function takes 6 MB: the gateway took the call, Lambda would not."""
    api = request.getfixturevalue(kind)

    answer = api.call("POST", "/open", {"Content-Type": "text/plain"}, b"x" * (6 * 1024 * 1024 + 1))

    if kind == "rest":
        assert (answer.status, answer.body) == (413, b'{"message":"Request Too Long"}')
        assert answer.header("x-amzn-errortype") == "RequestTooLargeException"
    else:
        assert_http(answer, 413, "Request Entity Too Large")


def test_heads_beyond_their_limits(server: Server, rest: RestApi, http: HttpApi) -> None:
    """REST: values and URL 10,240 each; HTTP: both together."""
    for headers in ({"X-Long": "x" * 10_241}, {"A": "x" * 6000, "B": "x" * 6000}):
        answer = rest.call("GET", "/open", headers)
        assert (answer.status, answer.body) == (431, b"HTTP header is larger than 10240 bytes.")
        assert answer.header("content-type") == "text/plain"
        assert_http(http.call("GET", "/open", headers), 431, "Request Header Fields Too Large")
    assert rest.call("GET", "/open?" + "x" * 9_000, {"X-Long": "x" * 9_000}).status == 200
    assert rest.call("GET", "/open?" + "x" * 10_240).status == 414
    assert_http(
        http.call("GET", "/open?" + "x" * 9_000, {"X-Long": "x" * 9_000}), 431, "Request Header Fields Too Large"
    )
    for host, target in ((rest.host, "/prod/open"), (http.host, "/open")):
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX: {'x' * 40_000}\r\n\r\n"
        assert raw(server, request.encode()).status == 431


@pytest.mark.parametrize("path", ["/web/x%00", "/web/%zz", "/web/%ff", "/web/a/../b", "/web/%2e%2e/b", "/open%"])
def test_paths_with_two_readings(rest: RestApi, http: HttpApi, path: str) -> None:
    assert_rest(rest.call("GET", path), 400, b'{"message":"Bad Request"}', "BadRequestException")
    assert_http(http.call("GET", path), 400, "Bad Request")


def test_a_compressed_body_is_data_like_any_other(web: Web, rest: RestApi, http: HttpApi) -> None:
    """No compression is configured, so nothing is unpacked; REST drops the header toward a web service, as AWS does."""
    packed = gzip.compress(b"hello")
    for api, passed in ((rest, None), (http, "gzip")):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/octet-stream"}
        assert api.call("POST", "/web/echo", headers, packed).status == 200
        assert web.last.header("content-encoding") == passed
