"""MOCK methods as CORS preflights of REST APIs use them, and the CORS configuration of HTTP APIs."""

from typing import Any

import pytest

from tests.rooms.gateway.driver import Answer, Gateway, Pool, jwt_authorizer, jwt_route

POOL = Pool("AAAAAAAAA")


def mock(template: str | None = '{"statusCode": 200}', responses: dict[str, Any] | None = None, **more: Any) -> Any:
    integration = {
        "type": "MOCK",
        "requestTemplates": {} if template is None else {"application/json": template},
        "integrationResponses": {"200": {"statusCode": "200"}} if responses is None else responses,
        **more,
    }
    declared = {status: {"statusCode": status} for status in integration["integrationResponses"]}
    return {"methodIntegration": integration, "methodResponses": declared}


def call(method: Any, *args: Any) -> Answer:
    gateway = Gateway()
    gateway.put_rest({"/m": {"OPTIONS": method, "POST": method}})
    return gateway.call(*args) if args else gateway.call("OPTIONS", "/prod/m")


def test_a_preflight_as_sam_and_the_console_build_it() -> None:
    response = {
        "statusCode": "200",
        "responseParameters": {
            "method.response.header.Access-Control-Allow-Origin": "'*'",
            "method.response.header.Access-Control-Allow-Headers": "'Content-Type,Authorization'",
            "method.response.header.Connection": "'close'",
        },
        "responseTemplates": {"application/json": "{}\n"},
    }

    answer = call(mock('{\n  "statusCode" : 200\n}\n', {"200": response}))

    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-headers") == "Content-Type,Authorization"
    assert answer.header("x-amzn-remapped-connection") == "close"
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-amzn-trace-id") is None
    assert answer.header("x-amzn-requestid") is not None


@pytest.mark.parametrize(
    ("template", "status"),
    [
        ('{"statusCode": 200}', 200),
        ("{statusCode: 200}", 200),
        ("{'statusCode': 200}", 200),
        ('{"statusCode": 200, trailing parts', 200),
        ('{"statusCode": "200"}', 500),
        ('{"statusCode": 200.5}', 500),
        ("{}", 500),
        ("", 500),
    ],
)
def test_a_template_gives_an_integer_status_loosely_written(template: str, status: int) -> None:
    answer = call(mock(template))

    assert answer.status == status
    assert status == 200 or answer.body == b'{"message": "Internal server error"}'


def test_the_status_chooses_the_response_by_pattern_else_the_default() -> None:
    responses = {
        "200": {"statusCode": "200"},
        "404": {"statusCode": "404", "selectionPattern": "4\\d{2}", "responseTemplates": {"text/x": "gone"}},
    }

    assert call(mock('{"statusCode": 410}', responses)).status == 404
    assert call(mock('{"statusCode": 410}', responses)).header("content-type") == "text/x"
    assert call(mock('{"statusCode": 4100}', responses)).status == 200
    assert call(mock('{"statusCode": 200}', {"404": responses["404"]})).status == 500


def test_a_status_that_the_method_does_not_declare_is_500() -> None:
    method = mock()
    method["methodResponses"] = {}

    assert call(method).status == 500


def test_without_template_the_body_may_say_the_status() -> None:
    body = b'{"statusCode":200}'

    assert call(mock(None), "POST", "/prod/m", {}, body).status == 200
    assert call(mock(None), "POST", "/prod/m").status == 500
    answer = call(mock(None, passthroughBehavior="NEVER"), "POST", "/prod/m", {}, body)
    assert (answer.status, answer.body) == (415, b'{"message": "Unsupported Media Type"}')


@pytest.mark.parametrize("template", ['#set($a = 1){"statusCode": 200}', '{"statusCode": $input.body}'])
def test_a_template_that_needs_vtl_closes_the_method(template: str) -> None:
    gateway = Gateway()
    gateway.put_rest({"/m": {"OPTIONS": mock(template)}})

    answer = gateway.call("OPTIONS", "/prod/m")

    assert (answer.status, answer.body) == (500, b'{"message": "Internal server error"}')
    assert "VTL" in gateway.record.reason


CORS = {
    "AllowOrigins": ["https://app.example", "http://*"],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["authorization"],
    "ExposeHeaders": ["x-a", "x-b"],
    "AllowCredentials": True,
    "MaxAge": 300,
}
PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}


def http(routes: dict[str, Any], cors: dict[str, Any] | None = None) -> Gateway:
    gateway = Gateway(pools=[POOL])
    gateway.put_http(routes, authorizers=(jwt_authorizer(POOL.issuer, "client1"),), CorsConfiguration=cors or CORS)
    return gateway


def cors_headers(answer: Answer) -> dict[str, str]:
    return {
        name.decode().lower(): value.decode()
        for name, value in answer.headers
        if name.lower().startswith(b"access-control-")
    }


@pytest.mark.parametrize("path", ["/x", "/no/route/at/all"])
def test_a_preflight_that_no_route_takes_is_answered_without_authorizer(path: str) -> None:
    gateway = http({"GET /x": jwt_route("orders/read")})

    answer = gateway.call("OPTIONS", path, PREFLIGHT)

    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization",
        "access-control-max-age": "300",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-a,x-b",
    }
    assert answer.header("apigw-requestid") is not None
    assert not gateway.invoked.invocations


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example", True),
        ("http://anything.example", True),
        ("https://app.example.evil", False),
        ("https://app.exampl", False),
        ("HTTPS://APP.EXAMPLE", False),
        ("null", False),
        ("http://", False),
    ],
)
def test_an_origin_is_compared_whole(origin: str, allowed: bool) -> None:
    answer = http({"GET /x": {}}).call("OPTIONS", "/x", {**PREFLIGHT, "Origin": origin})

    assert answer.status == 204
    assert bool(cors_headers(answer)) is allowed


@pytest.mark.parametrize("key", ["ANY /x", "OPTIONS /x", "ANY /{proxy+}", "$default"])
def test_a_route_that_takes_options_keeps_its_authorizer(key: str) -> None:
    """Attack G18: the browser sees 401 with CORS headers, as on AWS."""
    gateway = http({key: jwt_route("orders/read")})

    answer = gateway.call("OPTIONS", "/x", PREFLIGHT)

    assert answer.status == 401
    assert answer.header("access-control-allow-origin") == "https://app.example"


def test_without_preflight_headers_options_is_a_method_like_any_other() -> None:
    assert http({"GET /x": {}}).call("OPTIONS", "/x", {"Origin": "https://app.example"}).status == 404


def test_the_gateways_headers_replace_those_of_the_integration() -> None:
    gateway = http({"GET /x": {}})
    gateway.invoked.functions = {
        arn: lambda _event: {
            "statusCode": 200,
            "headers": {"Access-Control-Allow-Origin": "https://evil", "access-control-max-age": "9"},
        }
        for arn in gateway.invoked.functions
    }

    answer = gateway.call("GET", "/x", {"Origin": "https://app.example"})
    assert cors_headers(answer) == {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-a,x-b",
    }
    assert cors_headers(gateway.call("GET", "/x", {"Origin": "https://evil"})) == {}
    assert cors_headers(gateway.call("GET", "/x")) == {}


def test_any_origin_is_a_star_and_never_an_echo() -> None:
    answer = http({"GET /x": {}}, {"AllowOrigins": ["*"]}).call("GET", "/x", {"Origin": "https://a"})

    assert cors_headers(answer) == {"access-control-allow-origin": "*"}


def test_errors_of_the_gateway_carry_cors_headers() -> None:
    gateway = http({"GET /x": jwt_route("orders/read")})

    for path, status in (("/x", 401), ("/none", 404)):
        answer = gateway.call("GET", path, {"Origin": "https://app.example"})
        assert (answer.status, answer.header("access-control-allow-origin")) == (status, "https://app.example")


def test_without_configuration_nothing_is_added_or_taken_away() -> None:
    gateway = Gateway()
    gateway.invoked.functions = {
        arn: lambda _event: {"statusCode": 200, "headers": {"access-control-allow-origin": "*"}}
        for arn in gateway.invoked.functions
    }
    gateway.put_http({"GET /x": {}})

    assert cors_headers(gateway.call("GET", "/x")) == {"access-control-allow-origin": "*"}
    assert gateway.call("OPTIONS", "/x", PREFLIGHT).status == 404
