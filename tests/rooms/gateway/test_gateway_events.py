"""Lambda events whole: REST, HTTP 2.0 and 1.0. Reference: "Lambda proxy event payloads", field by field."""

import re
from typing import Any

import pytest

from scopegate.base import clock
from tests.rooms.gateway.driver import (
    ACCOUNT,
    FUNCTION,
    HOST,
    REGION,
    Document,
    Gateway,
    Pool,
    cognito_authorizer,
    cognito_method,
    jwt_authorizer,
    jwt_route,
    lambda_integration,
    lambda_method,
)

POOL = Pool("AAAAAAAAA")
TRACE = r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}"
TIME = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000"


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(pools=[POOL])


def take(event: Document, path: str, pattern: str) -> None:
    """Take a member that differs from call to call out of an event, after checking its form."""
    *parents, name = path.split(".")
    for parent in parents:
        event = event[parent]
    assert re.fullmatch(pattern, str(event.pop(name)))


def test_a_rest_event_is_whole(gateway: Gateway) -> None:
    gateway.put_rest({"/cognito": {"POST": cognito_method("orders/read")}}, authorizers=(cognito_authorizer(POOL),))
    token = POOL.access_token()
    headers = {"Host": HOST, "Accept": "*/*", "Accept-Encoding": "gzip, deflate", "authorization": f"Bearer {token}"}

    answer = gateway.call("POST", "/prod/cognito", {**headers, "user-agent": "HTTPie/3.2.2", "Content-Length": "0"})

    event = gateway.invoked.event
    trace = event["headers"]["X-Amzn-Trace-Id"]
    assert re.fullmatch(TRACE, trace)
    assert answer.header(
        "X-Amzn-Trace-Id",
    ).startswith(trace + ";Parent=")  # type: ignore[union-attr]
    context = event["requestContext"]
    assert context["requestId"] == answer.header("x-amzn-RequestId")
    assert context["extendedRequestId"] == answer.header("x-amz-apigw-id")
    assert abs(context["requestTimeEpoch"] - clock.now() * 1000) < 5000
    take(event, "requestContext.requestTime", TIME)
    for name in ("requestId", "extendedRequestId", "requestTimeEpoch", "authorizer"):
        context.pop(name)
    single = {
        "Host": HOST,
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Authorization": f"Bearer {token}",
        "User-Agent": "HTTPie/3.2.2",
        "X-Amzn-Trace-Id": trace,
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    assert event == {
        "resource": "/cognito",
        "path": "/cognito",
        "httpMethod": "POST",
        "headers": single,
        "multiValueHeaders": {name: [value] for name, value in single.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "res000",
            "resourcePath": "/cognito",
            "httpMethod": "POST",
            "path": "/prod/cognito",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "api1234567",
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": "203.0.113.9",
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": "HTTPie/3.2.2",
                "user": None,
            },
            "domainName": HOST,
            "deploymentId": "dep123",
            "apiId": "api1234567",
        },
        "body": None,
        "isBase64Encoded": False,
    }


def rest_event(gateway: Gateway, target: str, *args: Any, **stage: Any) -> Document:
    methods = {"ANY": lambda_method(operationName="Op")}
    gateway.put_rest({"/": methods, "/{proxy+}": methods, "/u/{name}": methods}, stage=stage)
    assert gateway.call("GET", target, *args).status == 200
    return gateway.invoked.event


@pytest.mark.parametrize(
    ("target", "path", "context_path", "parameters"),
    [
        ("/prod/v/", "/v/", "/prod/v/", {"proxy": "v"}),
        ("//prod/v", "/v", "/prod/v", {"proxy": "v"}),
        ("/prod//v", "/v", "/prod//v", {"proxy": "v"}),
        ("/prod/v//w", "/v//w", "/prod/v//w", {"proxy": "v//w"}),
        ("/prod/u/J%20Doe", "/u/J%20Doe", "/prod/u/J%20Doe", {"name": "J%20Doe"}),
        ("/prod/u/%E2%98%95", "/u/%E2%98%95", "/prod/u/%E2%98%95", {"name": "%E2%98%95"}),
        ("/prod/a/test%2Balias@g.com/test+alias@g.com", None, None, {"proxy": "a/test%2Balias@g.com/test+alias@g.com"}),
        ("/prod/", "/", "/prod/", None),
        ("/prod", "/", "/prod", None),
    ],
)
def test_a_rest_event_keeps_the_path_as_sent(
    gateway: Gateway, target: str, path: str | None, context_path: str | None, parameters: Document | None
) -> None:
    event = rest_event(gateway, target)

    assert event["path"] == (path or target.removeprefix("/prod"))
    assert event["requestContext"]["path"] == (context_path or target)
    assert event["pathParameters"] == parameters


def test_a_rest_event_decodes_the_query(gateway: Gateway) -> None:
    """Recorded on AWS."""
    query = (
        "dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@gmail.com&plus=test+alias@gmail.com"
        "&url=https://www.google.com/&whitespace=foo%20bar&a&b=&x=1&x=2"
    )

    event = rest_event(gateway, f"/prod/v?{query}")

    assert event["queryStringParameters"] == {
        "dateTimeOffset": "2023-06-12T18:05:10.123456 00:00",
        "email": "test+alias@gmail.com",
        "plus": "test alias@gmail.com",
        "url": "https://www.google.com/",
        "whitespace": "foo bar",
        "a": "",
        "b": "",
        "x": "2",
    }
    assert event["multiValueQueryStringParameters"]["x"] == ["1", "2"]


def test_a_rest_event_keeps_the_case_of_headers_and_the_last_of_several(gateway: Gateway) -> None:
    headers = [
        ("tEsT-HEADeR", "a"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        *[(name, "x") for name in ("Connection", "Content-MD5", "Expect", "Max-Forwards", "Server", "TE", "Trailer")],
        *[(name, "x") for name in ("Proxy-Authenticate", "Transfer-Encoding", "Upgrade", "WWW-Authenticate")],
        ("Content-Encoding", "identity"),
    ]

    event = rest_event(gateway, "/prod/v", headers)

    assert set(event["headers"]) == {
        "Host", "tEsT-HEADeR", "X-Two", "Content-Encoding", "X-Amzn-Trace-Id",
        "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto",
    }  # fmt: skip
    assert event["headers"]["X-Two"] == "2"
    assert event["multiValueHeaders"]["X-Two"] == ["1", "2"]
    assert event["requestContext"]["identity"]["userAgent"] is None
    assert event["requestContext"]["operationName"] == "Op"


def test_a_rest_event_keeps_the_clients_trace(gateway: Gateway) -> None:
    trace = "Root=1-66704f8a-626bb89a0b2bf33b547f581c;Parent=53995c3f42cd8ad8;Sampled=1"
    event = rest_event(gateway, "/prod/v", {"x-amzn-trace-id": trace})
    assert event["headers"]["X-Amzn-Trace-Id"] == trace

    answer = gateway.call("GET", "/prod/v", {"x-amzn-trace-id": trace})
    assert answer.header("x-amzn-trace-id") == trace
    answer = gateway.call("GET", "/prod/v", {"x-amzn-trace-id": trace.partition(";")[0]})
    assert re.fullmatch(
        trace.partition(";")[0] + ";Parent=[0-9a-f]{16};Sampled=0", answer.header("x-amzn-trace-id") or ""
    )


def test_a_rest_event_shows_stage_variables(gateway: Gateway) -> None:
    assert rest_event(gateway, "/prod/v", variables={"k": "v"})["stageVariables"] == {"k": "v"}


@pytest.mark.parametrize(
    ("types", "content_type", "body", "expected"),
    [
        ([], "text/plain", "grüße".encode(), ("grüße", False)),
        ([], "image/png", b"\x89P\xff", ("�P�", False)),
        (["image/png"], "image/png", b"\x89P\xff", ("iVD/", True)),
        (["image/*"], "IMAGE/PNG; q=1", b"\x89P\xff", ("iVD/", True)),
        (["*/png"], "image/png", b"ok", ("ok", False)),
        (["*/*"], None, b"ok", ("b2s=", True)),
        ([], "application/json", b"", (None, False)),
    ],
)
def test_a_rest_body_is_text_unless_its_type_is_binary(
    gateway: Gateway, types: list[str], content_type: str | None, body: bytes, expected: tuple[str | None, bool]
) -> None:
    gateway.put_rest({"/b": {"POST": lambda_method()}}, api={"binaryMediaTypes": types})

    gateway.call("POST", "/prod/b", {"Content-Type": content_type} if content_type else {}, body)

    event = gateway.invoked.event
    assert (event["body"], event["isBase64Encoded"]) == expected


def test_an_http_event_2_0_is_whole(gateway: Gateway) -> None:
    gateway.put_http({"POST /cognito": jwt_route()}, authorizers=(jwt_authorizer(POOL.issuer, "client1"),))
    token = POOL.access_token(exp=4_102_444_800, iat=1, auth_time=1)
    headers = {"Accept": "*/*", "Authorization": f"Bearer {token}", "Content-Length": "0", "User-Agent": "HTTPie/3.2.2"}

    answer = gateway.call("POST", "/cognito", headers)

    event = gateway.invoked.event
    assert event["requestContext"]["requestId"] == answer.header("apigw-requestid")
    take(event, "headers.x-amzn-trace-id", TRACE)
    take(event, "requestContext.requestId", r"[A-Za-z0-9_-]{15}=")
    take(event, "requestContext.time", TIME)
    take(event, "requestContext.timeEpoch", r"\d{13}")
    assert event == {
        "version": "2.0",
        "routeKey": "POST /cognito",
        "rawPath": "/cognito",
        "rawQueryString": "",
        "headers": {
            "host": HOST,
            "accept": "*/*",
            "authorization": f"Bearer {token}",
            "content-length": "0",
            "user-agent": "HTTPie/3.2.2",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api1234567",
            "authorizer": {
                "jwt": {
                    "claims": {
                        "auth_time": "1",
                        "client_id": "client1",
                        "exp": "4102444800",
                        "iat": "1",
                        "iss": POOL.issuer,
                        "jti": "13727aba-89e6-4896-bd9e-8cbc0f478f9c",
                        "scope": "orders/read",
                        "sub": "client1",
                        "token_use": "access",
                        "version": "2",
                    },
                    "scopes": None,
                }
            },
            "domainName": HOST,
            "domainPrefix": "api1234567",
            "http": {
                "method": "POST",
                "path": "/cognito",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "HTTPie/3.2.2",
            },
            "routeKey": "POST /cognito",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }


def http_event(gateway: Gateway, target: str, *args: Any, version: str = "2.0", **stage: Any) -> Document:
    stages = ({"StageName": "$default", **stage}, {"StageName": "prod", **stage})
    gateway.put_http(
        {"ANY /u/{name}": {}, "$default": {}, "GET /p/{proxy+}": {}}, {"fn": lambda_integration(version)}, stages=stages
    )
    assert gateway.call("GET", target, *args).status == 200
    return gateway.invoked.event


@pytest.mark.parametrize(
    ("target", "raw_path", "stage", "route", "parameters"),
    [
        ("/u/J%20Doe", "/u/J Doe", "$default", "ANY /u/{name}", {"name": "J Doe"}),
        ("/u/%E2%98%95", "/u/☕", "$default", "ANY /u/{name}", {"name": "☕"}),
        ("/u/%40id%23x", "/u/@id#x", "$default", "ANY /u/{name}", {"name": "@id#x"}),
        ("/u/a%252Eb", "/u/a%252Eb", "$default", "ANY /u/{name}", {"name": "a%252Eb"}),
        ("/u/a%3Fb", "/u/a", "$default", "ANY /u/{name}", {"name": "a"}),
        ("/a%2Fb", "/a/b", "$default", "$default", None),
        ("/p/a/b", "/p/a/b", "$default", "GET /p/{proxy+}", {"proxy": "a/b"}),
        ("/prod/u/x", "/prod/u/x", "prod", "ANY /u/{name}", {"name": "x"}),
        ("/prod", "/prod", "prod", "$default", None),
        ("//u/x", "//u/x", "$default", "ANY /u/{name}", {"name": "x"}),
        ("/$default/u/x", "/u/x", "$default", "ANY /u/{name}", {"name": "x"}),
        ("/", "/", "$default", "$default", None),
    ],
)
def test_an_http_event_2_0_shows_the_path_decoded_once_with_a_named_stage(
    gateway: Gateway, target: str, raw_path: str, stage: str, route: str, parameters: Document | None
) -> None:
    event = http_event(gateway, target)

    assert event["rawPath"] == event["requestContext"]["http"]["path"] == raw_path
    assert event["requestContext"]["stage"] == stage
    assert event["routeKey"] == event["requestContext"]["routeKey"] == route
    assert event.get("pathParameters") == parameters


def test_an_http_event_2_0_joins_what_is_repeated_and_takes_cookies_out(gateway: Gateway) -> None:
    headers = [("X-Two", "1"), ("x-two", "2"), ("Cookie", "a=1; b=2"), ("Cookie", "c=3"), ("Connection", "close")]

    event = http_event(gateway, "/?a=1&a=2&b=x%20y&c", headers, StageVariables={"k": "v"})

    assert event["headers"]["x-two"] == "1,2"
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]
    assert "connection" not in event["headers"]
    assert event["rawQueryString"] == "a=1&a=2&b=x%20y&c"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y", "c": ""}
    assert event["stageVariables"] == {"k": "v"}
    assert event["requestContext"]["http"]["userAgent"] == ""


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json; charset=utf-8", True),
        ("text/csv", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/vnd.api+json", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_an_http_body_is_text_by_its_media_type(
    gateway: Gateway, content_type: str | None, text: bool, version: str
) -> None:
    event = http_event(gateway, "/", {"Content-Type": content_type} if content_type else {}, b"a=1", version=version)

    assert (event["body"], event["isBase64Encoded"]) == (("a=1", False) if text else ("YT0x", True))


def test_an_http_event_1_0_is_whole(gateway: Gateway) -> None:
    gateway.put_http(
        {"POST /users/{id}": jwt_route("orders/read")},
        {"fn": lambda_integration("1.0")},
        authorizers=(jwt_authorizer(POOL.issuer, "client1"),),
        stages=({"StageName": "prod"},),
    )
    headers = [("Authorization", POOL.access_token()), ("x-custom-header", "1"), ("X-Custom-Header", "2")]

    answer = gateway.call("POST", "/prod/users/J%20Doe?a=1&a=2", [*headers, ("content-length", "5")], b"\1\2\3\4\5")

    event = gateway.invoked.event
    context = event["requestContext"]
    assert context["requestId"] == context["extendedRequestId"] == answer.header("apigw-requestid")
    assert context["authorizer"]["scopes"] == ["orders/read"]
    assert context["authorizer"]["claims"]["client_id"] == "client1"
    take(event, "requestContext.requestTime", TIME)
    take(event, "requestContext.requestTimeEpoch", r"\d{13}")
    for name in ("requestId", "extendedRequestId", "authorizer"):
        context.pop(name)
    assert event["headers"]["X-Custom-Header"] == "2"
    assert event["multiValueHeaders"]["X-Custom-Header"] == ["1", "2"]
    assert event.pop("headers")["Content-Length"] == "5"
    event.pop("multiValueHeaders")
    assert event == {
        "version": "1.0",
        "resource": "/users/{id}",
        "path": "/prod/users/J%20Doe",
        "httpMethod": "POST",
        "queryStringParameters": {"a": "2"},
        "multiValueQueryStringParameters": {"a": ["1", "2"]},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api1234567",
            "domainName": HOST,
            "domainPrefix": "api1234567",
            "httpMethod": "POST",
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
                "sourceIp": "203.0.113.9",
                "user": None,
                "userAgent": "",
                "userArn": None,
            },
            "path": "/prod/users/J Doe",
            "protocol": "HTTP/1.1",
            "resourceId": "POST /users/{id}",
            "resourcePath": "/users/{id}",
            "stage": "prod",
        },
        "pathParameters": {"id": "J Doe"},
        "stageVariables": None,
        "body": "AQIDBAU=",
        "isBase64Encoded": True,
    }


def test_the_domain_prefix_has_no_port(gateway: Gateway) -> None:
    event = http_event(gateway, "/", {"Host": "localhost:4566"})

    assert event["requestContext"]["domainName"] == "localhost:4566"
    assert event["requestContext"]["domainPrefix"] == "localhost"


@pytest.mark.parametrize(
    ("methods", "target", "source"),
    [
        ({"/a/{x}/b": {"ANY": lambda_method()}}, "/prod/a/1/b", "prod/*/a/*/b"),
        ({"/{proxy+}": {"GET": lambda_method()}}, "/prod/a/b", "prod/GET/*"),
        ({"/": {"GET": lambda_method()}}, "/prod", "prod/GET/"),
    ],
)
def test_a_rest_method_invokes_as_itself(gateway: Gateway, methods: Any, target: str, source: str) -> None:
    gateway.put_rest(methods)
    gateway.call("GET", target)

    invocation = gateway.invoked.invocations[-1]
    assert invocation.function_arn == FUNCTION
    assert invocation.principal == "apigateway.amazonaws.com"
    assert invocation.source_arn == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1234567/{source}"


@pytest.mark.parametrize(
    ("key", "source"),
    [
        ("GET /a/{x}", "$default/GET/a/{x}"),
        ("ANY /a/{x}", "$default/*/a/{x}"),
        ("$default", "$default/$default"),
    ],
)
def test_an_http_route_invokes_as_itself(gateway: Gateway, key: str, source: str) -> None:
    gateway.put_http({key: {}})
    gateway.call("GET", "/a/1")

    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1234567/{source}"
    assert gateway.invoked.invocations[-1].source_arn == arn
