"""What a function gets and what a client gets back, for real calls over every URL form, field by field.

Source: reference, "Host forms", "Stages", "Lambda proxy event payloads", "Lambda proxy responses", "REST content
handling and binary".
"""

import base64
import json
import re
import socket
import time
from typing import Any

import pytest

from tests.server import ACCOUNT, REGION, Pool, Server, allow_gateway, make_function, make_pool, token_part
from tests.wire.gateways import (
    FUNCTION,
    SHORT_ID,
    UUID,
    Answer,
    HttpApi,
    RestApi,
    access_token,
    call,
    id_token,
    raw,
    read_answer,
)

pytestmark = pytest.mark.xdist_group("gateway-events")
TRACE = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
TIME = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000"


@pytest.fixture(scope="module")
def pool(server: Server) -> Pool:
    return make_pool(server, "events")


@pytest.fixture(scope="module")
def client(pool: Pool) -> dict[str, Any]:
    return pool.client("orders/read", "orders/write")


@pytest.fixture(scope="module")
def function(server: Server) -> str:
    return make_function(server, "events", FUNCTION)


@pytest.fixture(scope="module")
def rest(server: Server, pool: Pool, function: str) -> RestApi:
    api = RestApi(server, binaryMediaTypes=["image/png", "application/*", "*/test"])
    cognito = api.cognito(pool)
    api.function("ANY", "/", function)
    api.function("ANY", "/{proxy+}", function)
    api.function("GET", "/users/{name}", function)
    api.function("GET", "/scoped/{id}", function, **cognito, authorizationScopes=["orders/read"])
    api.function("GET", "/unscoped", function, **cognito)
    api.deploy(variables={"colour": "blue"})
    allow_gateway(server, "events", api.id)
    return api


@pytest.fixture(scope="module")
def http(server: Server, pool: Pool, client: dict[str, Any], function: str) -> HttpApi:
    api = HttpApi(server, stage=None)
    jwt = api.jwt(pool.issuer, client["ClientId"])
    first = {"PayloadFormatVersion": "1.0"}
    api.function("$default", function)
    api.function("ANY /one", function, first)
    api.function("ANY /one/{proxy+}", function, first)
    api.function("GET /users/{name}", function)
    api.function("GET /scoped/{id}", function, **jwt, AuthorizationScopes=["orders/read"])
    api.function("GET /unscoped", function, **jwt)
    api.function("GET /scoped1/{id}", function, first, **jwt, AuthorizationScopes=["orders/read"])
    api.stage("$default")
    api.stage("prod", StageVariables={"colour": "blue"})
    allow_gateway(server, "events", api.id)
    return api


def event_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    event: dict[str, Any] = answer.json
    return event


def take(event: dict[str, Any], path: str, pattern: str) -> str:
    """Take a member that differs from call to call out of an event, after checking its form."""
    *parents, name = path.split(".")
    for parent in parents:
        event = event[parent]
    value = str(event.pop(name))
    assert re.fullmatch(pattern, value), (path, value)
    return value


# URL forms


def rest_forms(api: RestApi) -> list[tuple[str, str]]:
    """(host, what stands before the path) of every URL form of the stage `prod`."""
    port = api.server.port
    suffixes = [
        f"execute-api.{REGION}.amazonaws.com",
        f"execute-api.{REGION}.amazonaws.com:{port}",
        f"execute-api.{REGION}.api.aws",
        f"execute-api-fips.{REGION}.amazonaws.com",
        "execute-api.cn-north-1.amazonaws.com.cn",
        f"execute-api.localhost:{port}",
        "execute-api.localhost",
        f"execute-api.{REGION}.localhost:{port}",
        f"execute-api.localhost.localstack.cloud:{port}",
        f"execute-api.{REGION}.localhost.localstack.cloud:{port}",
    ]
    forms = [(f"{api.id}.{suffix}", "/prod") for suffix in suffixes]
    forms.append((f"{api.id.upper()}.Execute-Api.localhost:{port}", "/prod"))
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"localhost.localstack.cloud:{port}", f"x.localhost:{port}"):
        forms += [(host, f"/restapis/{api.id}/prod/_user_request_"), (host, f"/_aws/execute-api/{api.id}/prod")]
    return forms


def test_a_rest_event_is_the_same_over_every_url_form(rest: RestApi) -> None:
    """`path` and `requestContext.path` as on AWS, `domainName` the Host as it came."""
    for host, prefix in rest_forms(rest):
        answer = call(rest.server, "GET", f"{prefix}/users/J%20Doe?a=1&a=2", host=host)
        event = event_of(answer)
        context = event["requestContext"]
        assert (event["path"], event["resource"]) == ("/users/J%20Doe", "/users/{name}"), (host, prefix)
        assert event["pathParameters"] == {"name": "J%20Doe"}
        assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
        assert (context["path"], context["stage"]) == ("/prod/users/J%20Doe", "prod")
        assert (context["domainName"], context["domainPrefix"]) == (host, host.partition(":")[0].partition(".")[0])
        assert event["headers"]["Host"] == host


@pytest.mark.parametrize("form", ["/restapis/{id}/prod/_user_request_", "/_aws/execute-api/{id}/prod"])
def test_a_rest_root_is_reached_with_and_without_a_slash(rest: RestApi, form: str) -> None:
    prefix = form.format(id=rest.id)

    for path in ("", "/"):
        event = event_of(call(rest.server, "GET", prefix + path))
        assert (event["path"], event["resource"]) == ("/", "/")
        assert event["requestContext"]["path"] == "/prod" + path


def test_an_http_event_over_every_url_form(http: HttpApi) -> None:
    """`$default` needs no segment and may have its name, which shows nowhere; a named stage shows."""
    port = http.server.port
    local = f"localhost:{port}"
    bases = [(f"{http.id}.execute-api.{suffix}", "") for suffix in (
        f"{REGION}.amazonaws.com", f"localhost:{port}", f"localhost.localstack.cloud:{port}", f"{REGION}.api.aws",
    )]  # fmt: skip
    bases += [(local, f"/_aws/execute-api/{http.id}"), (f"127.0.0.1:{port}", f"/_aws/execute-api/{http.id}")]
    for host, base in bases:
        for segment, stage, shown in (
            ("", "$default", ""), ("/$default", "$default", ""), ("/%24default", "$default", ""),
            ("/prod", "prod", "/prod"),
        ):  # fmt: skip
            event = event_of(call(http.server, "GET", f"{base}{segment}/users/J%20Doe?a=1&a=2", host=host))
            context = event["requestContext"]
            where = (host, base, segment)
            assert (event["rawPath"], context["http"]["path"]) == (f"{shown}/users/J Doe",) * 2, where
            assert (context["stage"], context["domainName"]) == (stage, host), where
            assert context["domainPrefix"] == host.partition(":")[0].partition(".")[0]
            assert (event["routeKey"], event["pathParameters"]) == ("GET /users/{name}", {"name": "J Doe"})
            assert (event["rawQueryString"], event["queryStringParameters"]) == ("a=1&a=2", {"a": "1,2"})
            assert event.get("stageVariables") == ({"colour": "blue"} if stage == "prod" else None)
    for path in ("", "/", "/$default", "/$default/"):
        event = event_of(call(http.server, "GET", f"/_aws/execute-api/{http.id}{path}", host=local))
        assert (event["routeKey"], event["rawPath"]) == ("$default", "/")
    for path in ("/prod", "/prod/"):
        event = event_of(call(http.server, "GET", f"/_aws/execute-api/{http.id}{path}", host=local))
        assert (event["routeKey"], event["rawPath"], event["requestContext"]["stage"]) == ("$default", path, "prod")


# whole events


def test_a_rest_event_whole_with_a_machines_token(rest: RestApi, pool: Pool, client: dict[str, Any]) -> None:
    token = rest.server.token(client, scope="orders/read").json()["access_token"]
    claims = token_part(token, 1)
    headers = [
        ("accept", "*/*"), ("authorization", f"Bearer {token}"), ("user-agent", "HTTPie/3.2.2"),
        ("tEsT-HEADeR", "1"), ("X-Twice", "a"), ("X-Twice", "b"), ("Connection", "keep-alive, X-Kept"), ("X-Kept", "k"),
        ("Cookie", "a=1; b=2"), ("Via", "1.0 fred"), ("TE", "trailers"), ("X-Amzn-Trace-Id", "spoofed"),
    ]  # fmt: skip

    answer = rest.call("GET", "/scoped/7/?b=x&b=y&c=%C3%BC+1&d&e=", headers)

    event = event_of(answer)
    now = time.time()
    trace = take(event, "headers.X-Amzn-Trace-Id", TRACE)
    assert event["multiValueHeaders"].pop("X-Amzn-Trace-Id") == [trace]
    assert take(event, "requestContext.requestId", UUID) == answer.header("x-amzn-requestid")
    assert take(event, "requestContext.extendedRequestId", SHORT_ID) == answer.header("x-amz-apigw-id")
    take(event, "requestContext.requestTime", TIME)
    assert abs(int(take(event, "requestContext.requestTimeEpoch", r"\d{13}")) / 1000 - now) < 10
    take(event, "requestContext.resourceId", "[a-z0-9]{6}")
    take(event, "requestContext.deploymentId", "[a-z0-9]{6}")
    java = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}"
    for name in ("exp", "iat"):
        take(event, f"requestContext.authorizer.claims.{name}", java)
    single = {
        "Host": rest.host, "accept": "*/*", "Authorization": f"Bearer {token}", "User-Agent": "HTTPie/3.2.2",
        "tEsT-HEADeR": "1", "X-Twice": "b", "X-Kept": "k", "Cookie": "a=1; b=2",
        "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
    }  # fmt: skip
    assert event == {
        "resource": "/scoped/{id}",
        "path": "/scoped/7/",
        "httpMethod": "GET",
        "headers": single,
        "multiValueHeaders": {**{name: [value] for name, value in single.items()}, "X-Twice": ["a", "b"]},
        "queryStringParameters": {"b": "y", "c": "ü 1", "d": "", "e": ""},
        "multiValueQueryStringParameters": {"b": ["x", "y"], "c": ["ü 1"], "d": [""], "e": [""]},
        "pathParameters": {"id": "7"},
        "stageVariables": {"colour": "blue"},
        "requestContext": {
            "authorizer": {
                "claims": {
                    "sub": client["ClientId"],
                    "token_use": "access",
                    "scope": "orders/read",
                    "auth_time": str(claims["auth_time"]),
                    "iss": pool.issuer,
                    "version": "2",
                    "jti": claims["jti"],
                    "client_id": client["ClientId"],
                }
            },
            "resourcePath": "/scoped/{id}",
            "httpMethod": "GET",
            "path": "/prod/scoped/7/",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": rest.id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": "127.0.0.1",
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": "HTTPie/3.2.2",
                "user": None,
            },
            "domainName": rest.host,
            "apiId": rest.id,
        },
        "body": None,
        "isBase64Encoded": False,
    }


def test_a_rest_event_shows_a_users_claims_as_java_writes_them(
    rest: RestApi, pool: Pool, client: dict[str, Any]
) -> None:
    more = {"cognito:groups": ["a", "b"], "email_verified": True, "custom:n": 5, "address": {"f": "x"}, "z": None}
    token = id_token(pool, client["ClientId"], exp=1_900_000_000, iat=1_700_000_000, auth_time=1_700_000_000, **more)

    claims = event_of(rest.call("GET", "/unscoped", {"Authorization": token}))["requestContext"]["authorizer"]["claims"]

    assert (claims["exp"], claims["iat"]) == ("Sun Mar 17 17:46:40 UTC 2030", "Tue Nov 14 22:13:20 UTC 2023")
    assert (claims["auth_time"], claims["email_verified"], claims["custom:n"]) == ("1700000000", "true", "5")
    assert (claims["cognito:groups"], claims["address"]) == ("a,b", '{"f":"x"}')
    assert "z" not in claims


def test_an_open_rest_method_shows_no_authorizer(rest: RestApi, pool: Pool) -> None:
    event = event_of(rest.call("GET", "/users/x", {"Authorization": f"Bearer {pool.access_token()}"}))

    assert "authorizer" not in event["requestContext"]
    assert event["headers"]["Authorization"].startswith("Bearer ey")
    assert event["queryStringParameters"] is event["multiValueQueryStringParameters"] is None


HTTP_HEADERS = [
    ("Accept", "*/*"), ("tEsT-HEADeR", "1"), ("X-Twice", "a"), ("x-twice", "b"), ("Cookie", "a=1; b=2"),
    ("cookie", "c=3"), ("Connection", "x-kept"), ("X-Kept", "k"), ("X-Forwarded-For", "1.1.1.1"),
]  # fmt: skip


def test_an_http_event_2_0_whole_with_a_machines_token(http: HttpApi, pool: Pool, client: dict[str, Any]) -> None:
    token = http.server.token(client).json()["access_token"]
    claims = token_part(token, 1)

    answer = http.call("GET", "/prod/scoped/7?b=x&b=y&c=%C3%BC+1&d", [*HTTP_HEADERS, ("Authorization", token)])

    event = event_of(answer)
    take(event, "headers.x-amzn-trace-id", TRACE)
    assert take(event, "requestContext.requestId", SHORT_ID) == answer.header("apigw-requestid")
    take(event, "requestContext.time", TIME)
    assert abs(int(take(event, "requestContext.timeEpoch", r"\d{13}")) / 1000 - time.time()) < 10
    assert event == {
        "version": "2.0",
        "routeKey": "GET /scoped/{id}",
        "rawPath": "/prod/scoped/7",
        "rawQueryString": "b=x&b=y&c=%C3%BC+1&d",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "host": http.host,
            "accept": "*/*",
            "test-header": "1",
            "x-twice": "a,b",
            "x-kept": "k",
            "authorization": token,
            "x-forwarded-for": "1.1.1.1, 127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"b": "x,y", "c": "ü 1", "d": ""},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": http.id,
            "authorizer": {
                "jwt": {
                    "claims": {name: str(value) for name, value in claims.items()},
                    "scopes": claims["scope"].split(" "),
                }
            },
            "domainName": http.host,
            "domainPrefix": http.id,
            "http": {
                "method": "GET",
                "path": "/prod/scoped/7",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "",
            },
            "routeKey": "GET /scoped/{id}",
            "stage": "prod",
        },
        "pathParameters": {"id": "7"},
        "stageVariables": {"colour": "blue"},
        "isBase64Encoded": False,
    }
    assert list(event["requestContext"]["authorizer"]["jwt"]["claims"]) == sorted(claims)


def test_an_http_event_2_0_has_nothing_that_is_empty(http: HttpApi) -> None:
    event = event_of(http.call("GET", "/users/x"))

    assert set(event) == {
        "version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "pathParameters",
        "isBase64Encoded",
    }  # fmt: skip
    assert "authorizer" not in event["requestContext"]
    assert event["rawQueryString"] == ""


def test_a_jwt_event_shows_claims_as_go_writes_them(http: HttpApi, pool: Pool, client: dict[str, Any]) -> None:
    """`scopes` is null on a route that asks for none, even if the token has some."""
    more = {"cognito:groups": ["a", "b"], "email_verified": True, "n": 1.5, "z": None, "scope": "orders/read x"}
    token = id_token(pool, client["ClientId"], **more)

    jwt = event_of(http.call("GET", "/unscoped", {"Authorization": token}))["requestContext"]["authorizer"]["jwt"]

    assert jwt["scopes"] is None
    claims = jwt["claims"]
    assert (claims["cognito:groups"], claims["email_verified"], claims["n"]) == ("[a b]", "true", "1.5")
    assert claims["exp"].isdigit()
    assert "z" not in claims


def test_an_http_event_1_0_whole_with_a_machines_token(http: HttpApi, pool: Pool, client: dict[str, Any]) -> None:
    token = http.server.token(client).json()["access_token"]
    claims = token_part(token, 1)

    answer = http.call("GET", "/prod/scoped1/J%20D?b=x&b=y", [*HTTP_HEADERS, ("authorization", token)])

    event = event_of(answer)
    trace = take(event, "headers.X-Amzn-Trace-Id", TRACE)
    assert event["multiValueHeaders"].pop("X-Amzn-Trace-Id") == [trace]
    context = event["requestContext"]
    assert context["requestId"] == context["extendedRequestId"] == answer.header("apigw-requestid")
    take(event, "requestContext.requestId", SHORT_ID)
    take(event, "requestContext.extendedRequestId", SHORT_ID)
    take(event, "requestContext.requestTime", TIME)
    take(event, "requestContext.requestTimeEpoch", r"\d{13}")
    single = {
        "Host": http.host, "Accept": "*/*", "Test-Header": "1", "X-Twice": "b", "Cookie": "c=3", "X-Kept": "k",
        "Authorization": token, "X-Forwarded-For": "1.1.1.1, 127.0.0.1", "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }  # fmt: skip
    multi = {name: [value] for name, value in single.items()} | {"X-Twice": ["a", "b"], "Cookie": ["a=1; b=2", "c=3"]}
    assert event == {
        "version": "1.0",
        "resource": "/scoped1/{id}",
        "path": "/prod/scoped1/J%20D",
        "httpMethod": "GET",
        "headers": single,
        "multiValueHeaders": multi,
        "queryStringParameters": {"b": "y"},
        "multiValueQueryStringParameters": {"b": ["x", "y"]},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": http.id,
            "authorizer": {
                "claims": {name: str(value) for name, value in claims.items()},
                "scopes": claims["scope"].split(" "),
            },
            "domainName": http.host,
            "domainPrefix": http.id,
            "httpMethod": "GET",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAmr": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "127.0.0.1",
                "user": None,
                "userAgent": "",
                "userArn": None,
            },
            "path": "/prod/scoped1/J D",
            "protocol": "HTTP/1.1",
            "resourceId": "GET /scoped1/{id}",
            "resourcePath": "/scoped1/{id}",
            "stage": "prod",
        },
        "pathParameters": {"id": "J D"},
        "stageVariables": {"colour": "blue"},
        "body": None,
        "isBase64Encoded": False,
    }


# paths and queries


@pytest.mark.parametrize(
    ("target", "path", "context_path", "resource", "parameters"),
    [
        ("/prod/a/b%20c", "/a/b%20c", "/prod/a/b%20c", "/{proxy+}", {"proxy": "a/b%20c"}),
        ("/prod/a%2Fb", "/a%2Fb", "/prod/a%2Fb", "/{proxy+}", {"proxy": "a%2Fb"}),
        ("/prod/users/a%2Fb", "/users/a%2Fb", "/prod/users/a%2Fb", "/users/{name}", {"name": "a%2Fb"}),
        ("/prod/users/%E2%98%95", "/users/%E2%98%95", "/prod/users/%E2%98%95", "/users/{name}", {"name": "%E2%98%95"}),
        ("/prod/users/%252e", "/users/%252e", "/prod/users/%252e", "/users/{name}", {"name": "%252e"}),
        ("/prod/users/x/", "/users/x/", "/prod/users/x/", "/users/{name}", {"name": "x"}),
        ("/prod/users/x/y", "/users/x/y", "/prod/users/x/y", "/{proxy+}", {"proxy": "users/x/y"}),
        ("//prod/users/x", "/users/x", "/prod/users/x", "/users/{name}", {"name": "x"}),
        ("/prod//users/x", "/users/x", "/prod//users/x", "/users/{name}", {"name": "x"}),
        ("/prod/a//b", "/a//b", "/prod/a//b", "/{proxy+}", {"proxy": "a//b"}),
        ("/prod/a+b@c:d,e;f=g", "/a+b@c:d,e;f=g", "/prod/a+b@c:d,e;f=g", "/{proxy+}", {"proxy": "a+b@c:d,e;f=g"}),
        ("/prod/../x", "/../x", "/prod/../x", "/{proxy+}", {"proxy": "../x"}),
        ("/prod", "/", "/prod", "/", None),
        ("/prod/", "/", "/prod/", "/", None),
    ],
)
def test_a_rest_path_stays_as_it_was_sent(
    rest: RestApi, target: str, path: str, context_path: str, resource: str, parameters: dict[str, str] | None
) -> None:
    event = event_of(call(rest.server, "GET", target, host=rest.host))

    assert (event["path"], event["requestContext"]["path"]) == (path, context_path)
    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


@pytest.mark.parametrize(
    ("target", "raw_path", "route", "parameters"),
    [
        ("/users/J%20Doe", "/users/J Doe", "GET /users/{name}", {"name": "J Doe"}),
        ("/users/%E2%98%95", "/users/☕", "GET /users/{name}", {"name": "☕"}),
        ("/users/%40id%23x", "/users/@id#x", "GET /users/{name}", {"name": "@id#x"}),
        ("/users/a%252Eb", "/users/a%252Eb", "GET /users/{name}", {"name": "a%252Eb"}),
        ("/user%73/x", "/users/x", "GET /users/{name}", {"name": "x"}),
        ("/users/a%2Fb", "/users/a/b", "$default", None),
        ("/users/a%3Fb", "/users/a", "GET /users/{name}", {"name": "a"}),
        ("/users/x/", "/users/x/", "$default", None),
        ("//users/x", "//users/x", "GET /users/{name}", {"name": "x"}),
        ("/users//x", "/users//x", "$default", None),
        ("/users/a+b", "/users/a+b", "GET /users/{name}", {"name": "a+b"}),
        ("/prod/users/x", "/prod/users/x", "GET /users/{name}", {"name": "x"}),
        ("/prods/users/x", "/prods/users/x", "$default", None),
    ],
)
def test_an_http_path_is_decoded_once(
    http: HttpApi, target: str, raw_path: str, route: str, parameters: dict[str, str] | None
) -> None:
    event = event_of(http.call("GET", target))

    assert (event["rawPath"], event["requestContext"]["http"]["path"]) == (raw_path, raw_path)
    assert (event["routeKey"], event.get("pathParameters")) == (route, parameters)


QUERY = (
    "dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@gmail.com&plus=test+alias@gmail.com"
    "&url=https://www.google.com/&whitespace=foo%20bar&=x&%zz=%zz&a.b[c]=1"
)


def test_queries_are_decoded(rest: RestApi, http: HttpApi) -> None:
    """Reference, "Query decoding recorded"; HTTP APIs show the raw text beside it."""
    expected = {
        "dateTimeOffset": "2023-06-12T18:05:10.123456 00:00",
        "email": "test+alias@gmail.com",
        "plus": "test alias@gmail.com",
        "url": "https://www.google.com/",
        "whitespace": "foo bar",
        "": "x",
        "%zz": "%zz",
        "a.b[c]": "1",
    }

    assert event_of(rest.call("GET", f"/x?{QUERY}"))["queryStringParameters"] == expected
    event = event_of(http.call("GET", f"/x?{QUERY}"))
    assert (event["queryStringParameters"], event["rawQueryString"]) == (expected, QUERY)
    for empty in ("/x?", "/x?&"):
        assert event_of(rest.call("GET", empty))["queryStringParameters"] is None
        assert "queryStringParameters" not in event_of(http.call("GET", empty))


# bodies


PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.mark.parametrize(
    ("content_type", "body", "rest_body", "http_body"),
    [
        ("application/json", b'{"a":1}', base64.b64encode(b'{"a":1}').decode(), '{"a":1}'),
        ("text/plain; charset=utf-8", "grün".encode(), "grün", "grün"),
        ("text/plain", b"\xff\xfe", "\ufffd\ufffd", "\ufffd\ufffd"),
        ("image/png", PNG, base64.b64encode(PNG).decode(), base64.b64encode(PNG).decode()),
        ("IMAGE/PNG; x=y", PNG, base64.b64encode(PNG).decode(), base64.b64encode(PNG).decode()),
        ("image/gif", b"GIF", "GIF", base64.b64encode(b"GIF").decode()),
        ("application/x-www-form-urlencoded", b"a=b", base64.b64encode(b"a=b").decode(), "YT1i"),
        ("x/test", b"a", "a", "YQ=="),
        (None, b"a", "a", "YQ=="),
    ],
)  # fmt: skip
def test_a_body_is_text_or_base64_by_its_type(
    rest: RestApi, http: HttpApi, content_type: str | None, body: bytes, rest_body: str, http_body: str
) -> None:
    """REST: `binaryMediaTypes` (`*/test` has no effect); HTTP: everything but text, JSON, XML and JavaScript."""
    headers = {} if content_type is None else {"Content-Type": content_type}

    for api, path, expected in ((rest, "/x", rest_body), (http, "/x", http_body), (http, "/one", http_body)):
        event = event_of(api.call("POST", path, headers, body))
        assert event["body"] == expected
        is_text = expected == body.decode(errors="replace")
        assert event["isBase64Encoded"] is not is_text
        names = {name.lower() for name in event["headers"]}
        assert ("content-length" in names) is (api is http)


def test_a_body_in_chunks_arrives_whole(rest: RestApi, http: HttpApi) -> None:
    for api, target in ((rest, "/prod/x"), (http, "/x")):
        head = f"PUT {target} HTTP/1.1\r\nHost: {api.host}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked"
        body = "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nAuthorization: x\r\n\r\n"
        event = event_of(raw(api.server, f"{head}\r\n\r\n{body}".encode()))
        assert event["body"] == "hello, world"
        names = {name.lower() for name in event["headers"]}
        assert not names & {"transfer-encoding", "authorization"}


def test_an_expectation_is_met_before_the_body(rest: RestApi) -> None:
    head = f"POST /prod/x HTTP/1.1\r\nHost: {rest.host}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rest.server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as file:
            assert file.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert file.readline() == b"\r\n"
            connection.sendall(b"ok")
            event = event_of(read_answer(file))

    assert event["body"] == "ok"
    assert "Expect" not in event["headers"]


def test_an_empty_body_is_none(rest: RestApi, http: HttpApi) -> None:
    headers = {"Content-Length": "0", "Content-Type": "application/json"}

    assert event_of(rest.call("POST", "/x", headers))["body"] is None
    event = event_of(http.call("POST", "/x", headers))
    assert "body" not in event
    assert event["headers"]["content-length"] == "0"
    assert event_of(http.call("POST", "/one", headers))["body"] is None


def test_the_clients_trace_is_kept(rest: RestApi, http: HttpApi) -> None:
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"

    answer = rest.call("GET", "/x", {"X-Amzn-Trace-Id": root})
    assert event_of(answer)["headers"]["X-Amzn-Trace-Id"] == root
    assert re.fullmatch(re.escape(root) + r";Parent=[0-9a-f]{16};Sampled=0", answer.header("x-amzn-trace-id") or "")
    whole = f"{root};Parent=53995c3f42cd8ad8;Sampled=1"
    assert rest.call("GET", "/x", {"X-Amzn-Trace-Id": whole}).header("x-amzn-trace-id") == whole
    answer = http.call("GET", "/x", {"X-Amzn-Trace-Id": root})
    assert event_of(answer)["headers"]["x-amzn-trace-id"] == root
    assert answer.header("x-amzn-trace-id") is None


def test_methods_and_their_override(rest: RestApi, http: HttpApi) -> None:
    """A verb of `ANY` arrives as it was sent; `X-HTTP-Method-Override` counts for POST of REST APIs alone."""
    for method in ("DELETE", "OPTIONS", "PATCH", "POST", "PUT"):
        assert event_of(rest.call(method, "/x"))["httpMethod"] == method
        assert event_of(http.call(method, "/x"))["requestContext"]["http"]["method"] == method
    for api in (rest, http):
        head = api.call("HEAD", "/x")
        assert (head.status, head.body) == (200, b"")
    override = {"X-HTTP-Method-Override": "PUT"}
    assert event_of(rest.call("POST", "/x", override))["httpMethod"] == "PUT"
    assert event_of(rest.call("GET", "/x", override))["httpMethod"] == "GET"
    assert event_of(http.call("POST", "/x", override))["requestContext"]["http"]["method"] == "POST"


# answers


def returned(api: RestApi | HttpApi, path: str, answer: Any, **headers: str) -> Answer:
    body = json.dumps(answer).encode()
    given = {"x-do": "body", "Content-Type": "text/plain", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return api.call("POST", path, given, body)


def test_a_rest_answer_whole(rest: RestApi) -> None:
    answer = returned(
        rest,
        "/x",
        {
            "statusCode": "201",
            "headers": {"X-Solo": "1", "tesT-Multi": "solo", "X-Flag": True, "Date": "never", "Server": "mine"},
            "multiValueHeaders": {"tesT-Multi": ["m1", "m2"], "Set-Cookie": ["a=1", "b=2"]},
            "body": "grün",
        },
    )

    assert (answer.status, answer.body.decode()) == (201, "grün")
    assert answer.all("test-multi") == ["m1", "m2", "solo"]
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert (answer.header("x-solo"), answer.header("x-flag")) == ("1", "true")
    assert (answer.header("x-amzn-remapped-date"), answer.header("x-amzn-remapped-server")) == ("never", "mine")
    assert sorted(set(answer.names)) == sorted(
        {
            "Date", "Connection", "Content-Type", "Content-Length", "x-amzn-RequestId", "x-amz-apigw-id",
            "X-Amzn-Trace-Id", "X-Solo", "tesT-Multi", "X-Flag", "x-amzn-Remapped-Date", "x-amzn-Remapped-Server",
            "Set-Cookie",
        }
    )  # fmt: skip
    assert (answer.header("content-type"), answer.header("content-length")) == ("application/json", "5")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({}, 200, b""),
        ({"statusCode": 204}, 204, b""),
        ({"headers": None, "multiValueHeaders": None, "body": None}, 200, b""),
        ({"statusCode": 404, "body": "no", "isBase64Encoded": False}, 404, b"no"),
    ],
)
def test_small_rest_answers(rest: RestApi, answer: Any, status: int, body: bytes) -> None:
    got = returned(rest, "/x", answer)

    assert (got.status, got.body, got.header("content-type")) == (status, body, "application/json")


@pytest.mark.parametrize(
    ("accept", "is_decoded"),
    [
        ("image/png", True), ("image/png,image/*,*/*;q=0.8", True), ("application/whatever", True),
        ("image/webp,image/png,*/*;q=0.8", False), ("image/*", False), ("*/*", False), ("x/test", False), (None, False),
    ],
)  # fmt: skip
def test_rest_base64_is_decoded_by_the_first_type_of_accept(
    rest: RestApi, accept: str | None, is_decoded: bool
) -> None:
    encoded = base64.b64encode(PNG).decode()
    headers = {} if accept is None else {"Accept": accept}

    answer = returned(rest, "/x", {"statusCode": 200, "body": encoded, "isBase64Encoded": True}, **headers)

    assert answer.body == (PNG if is_decoded else encoded.encode())


def test_rest_a_body_that_is_no_base64_is_500(rest: RestApi) -> None:
    answer = returned(rest, "/x", {"body": "!", "isBase64Encoded": True}, Accept="image/png")

    assert (answer.status, answer.body) == (500, b'{"message": "Internal server error"}')


def test_an_http_answer_2_0_whole(http: HttpApi) -> None:
    answer = returned(
        http,
        "/x",
        {
            "statusCode": 201,
            "headers": {"x-custom-HEADER": "1", "Set-Cookie": "last=1", "Connection": "close", "Date": "never", "n": 3},
            "multiValueHeaders": {"X-Ignored": ["1"]},
            "cookies": ["a=1; Secure", "b=2"],
            "body": base64.b64encode(PNG).decode(),
            "isBase64Encoded": True,
        },
    )

    assert (answer.status, answer.body) == (201, PNG)
    assert answer.all("set-cookie") == ["a=1; Secure", "b=2", "last=1"]
    assert {name.lower() for name in answer.names} == {
        "date", "connection", "content-type", "content-length", "apigw-requestid", "x-custom-header", "set-cookie", "n",
    }  # fmt: skip
    assert "X-Custom-Header" in answer.names
    assert answer.header("connection") == "keep-alive"
    assert answer.header("content-type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ({"a": 1}, b'{"a": 1}'), ([1, "a"], b'[1, "a"]'), (42, b"42"), (True, b"true"), (None, b"null"),
        ("te\"st", b'te"st'), ("", b""),
    ],
)  # fmt: skip
def test_an_http_answer_2_0_without_status_is_the_body(http: HttpApi, answer: Any, body: bytes) -> None:
    got = returned(http, "/x", answer)

    assert (got.status, got.body, got.header("content-type")) == (200, body, "application/json")


def test_an_http_answer_1_0_puts_the_single_value_first(http: HttpApi) -> None:
    answer = returned(
        http, "/one", {"statusCode": 200, "headers": {"a": "1"}, "multiValueHeaders": {"A": ["2", "1"]}, "body": "b"}
    )

    assert answer.all("a") == ["1", "2"]
    assert answer.header("content-type") == "text/plain; charset=utf-8"


def test_tokens_of_two_pools_meet_one_method(server: Server, function: str, pool: Pool) -> None:
    """Several pools in one authorizer: any one is enough; each event names its own issuer."""
    other = make_pool(server, "second")
    api = RestApi(server)
    api.function("GET", "/x", function, **api.cognito(pool, other), authorizationScopes=["orders/read"])
    api.deploy()
    allow_gateway(server, "events", api.id)

    for one in (pool, other):
        token = access_token(one, one.client()["ClientId"])
        event = event_of(api.call("GET", "/x", {"Authorization": token}))
        assert event["requestContext"]["authorizer"]["claims"]["iss"] == one.issuer
