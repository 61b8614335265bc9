"""What the gateway answers itself: bodies byte for byte, customised gateway responses, sizes, the reason header."""

from typing import Any

import pytest

from scopegate.gateway.responses import refuse_at_the_front
from tests.rooms.gateway.driver import Answer, Gateway, Pool, cognito_authorizer, cognito_method, lambda_method

POOL = Pool("AAAAAAAAA")


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest(
        {"/o": {"GET": cognito_method("orders/read"), "POST": lambda_method()}}, authorizers=(cognito_authorizer(POOL),)
    )
    return gateway


def http() -> Gateway:
    gateway = Gateway()
    gateway.put_http({"GET /o": {}}, stages=({"StageName": "prod"},))
    return gateway


@pytest.mark.parametrize(
    ("method", "target", "body", "error_type"),
    [
        ("GET", "/prod/nothing", b'{"message":"Missing Authentication Token"}', "MissingAuthenticationTokenException"),
        ("PUT", "/prod/o", b'{"message":"Missing Authentication Token"}', "MissingAuthenticationTokenException"),
        ("FOO", "/prod/o", b'{"message":"Missing Authentication Token"}', "MissingAuthenticationTokenException"),
        ("GET", "/stage/o", b'{"message":"Forbidden"}', "ForbiddenException"),
        ("GET", "/", b'{"message":"Forbidden"}', "ForbiddenException"),
    ],
)
def test_rest_what_matches_nothing_is_403(
    gateway: Gateway, method: str, target: str, body: bytes, error_type: str
) -> None:
    answer = gateway.call(method, target)

    assert (answer.status, answer.body, answer.header("x-amzn-ErrorType")) == (403, body, error_type)
    assert gateway.record.decision == ""


def test_rest_a_refused_head_has_no_body(gateway: Gateway) -> None:
    answer = gateway.call("HEAD", "/prod/o")

    assert (answer.status, answer.body) == (403, b"")
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize(("method", "target"), [("GET", "/prod/x"), ("POST", "/prod/o"), ("GET", "/o"), ("GET", "/")])
def test_http_what_matches_nothing_is_404(method: str, target: str) -> None:
    answer = http().call(method, target)

    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert answer.names == ["Content-Type", "Apigw-Requestid"]


def test_an_unknown_api_is_forbidden(gateway: Gateway) -> None:
    answer = gateway.call("GET", "/prod/o", api_id="nothere000")

    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert answer.header("x-amzn-ErrorType") == "ForbiddenException"
    assert gateway.record.reason == "there is no API of this id"


def test_a_disabled_endpoint_answers_as_if_nothing_were_there() -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, api={"disableExecuteApiEndpoint": True})
    assert gateway.call("GET", "/prod/o").body == b'{"message":"Forbidden"}'

    gateway.put_http({"GET /o": {}}, DisableExecuteApiEndpoint=True)
    assert gateway.call("GET", "/o").status == 404


def customised(gateway: Gateway, *responses: dict[str, Any], **stage: Any) -> None:
    gateway.put_rest(
        {"/o": {"GET": cognito_method("orders/read")}},
        authorizers=(cognito_authorizer(POOL),),
        stage=stage,
        gateway_responses=list(responses),
    )


CORS = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
DEFAULT = {"application/json": '{"message":$context.error.messageString}'}


def test_a_customised_response_has_its_status_headers_and_body(gateway: Gateway) -> None:
    customised(
        gateway,
        {
            "responseType": "UNAUTHORIZED",
            "statusCode": "418",
            "responseParameters": {
                **CORS,
                "gatewayresponse.header.X-Path": "method.request.header.X-In",
                "gatewayresponse.header.X-Stage": "context.stage",
                "gatewayresponse.header.X-Var": "stageVariables.k",
                "gatewayresponse.header.X-None": "method.request.header.absent",
                "gatewayresponse.path.x": "'ignored'",
            },
            "responseTemplates": {
                "text/x": "$context.error.message|${context.error.responseType}|$stageVariables.k|$context.nothing.",
                "application/json": '{"m":$context.error.messageString,"q":"$method.request.querystring.q"}',
            },
        },
        variables={"k": "v"},
    )

    answer = gateway.call("GET", "/prod/o?q=7", {"X-In": "here"})

    assert (answer.status, answer.header("content-type")) == (418, "text/x")
    assert answer.body == b"Unauthorized|UNAUTHORIZED|v|."
    assert answer.header("access-control-allow-origin") == "*"
    assert (answer.header("x-path"), answer.header("x-stage"), answer.header("x-var")) == ("here", "prod", "v")
    assert answer.header("x-none") is None
    assert answer.header("x-amzn-ErrorType") == "UnauthorizedException"

    answer = gateway.call("GET", "/prod/o?q=7", {"Accept": "application/json; q=1"})
    assert answer.body == b'{"m":"Unauthorized","q":"7"}'


def test_a_type_without_own_response_falls_back_to_the_default_of_its_class(gateway: Gateway) -> None:
    four = {"responseType": "DEFAULT_4XX", "responseParameters": CORS, "responseTemplates": DEFAULT}
    five = {"responseType": "DEFAULT_5XX", "statusCode": "503", "responseTemplates": {"text/plain": ""}}
    customised(gateway, four, five)

    answer = gateway.call("GET", "/prod/o")
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert answer.header("access-control-allow-origin") == "*"
    assert gateway.call("GET", "/prod/none").header("access-control-allow-origin") == "*"

    gateway.invoked.functions.clear()
    answer = gateway.call("GET", "/prod/o", {"Authorization": POOL.access_token()})
    assert (answer.status, answer.body, answer.header("content-type")) == (503, b"", "text/plain")


def test_what_comes_before_the_stage_is_not_customised(gateway: Gateway) -> None:
    customised(gateway, {"responseType": "DEFAULT_4XX", "statusCode": "404", "responseParameters": CORS})

    answer = gateway.call("GET", "/elsewhere/o")

    assert (answer.status, answer.header("access-control-allow-origin")) == (403, None)


def test_data_in_a_customised_response_is_never_a_template(gateway: Gateway) -> None:
    customised(
        gateway,
        {"responseType": "UNAUTHORIZED", "responseTemplates": {"text/plain": "$method.request.querystring.q"}},
    )

    assert gateway.call("GET", "/prod/o?q=$context.stage").body == b"$context.stage"


def test_sizes_of_the_head_are_limited_per_kind(gateway: Gateway) -> None:
    answer = gateway.call("POST", "/prod/o", {"X-Big": "x" * 10_300})
    assert (answer.status, answer.body) == (431, b"HTTP header is larger than 10240 bytes.")
    assert gateway.call("POST", "/prod/o", {"X-Big": "x" * 10_000}).status == 200
    assert gateway.call("POST", "/prod/o?q=" + "x" * 10_240).status == 414

    answer = http().call("GET", "/prod/o?q=" + "x" * 5_000, {"X-Big": "x" * 5_300})
    assert (answer.status, answer.body) == (431, b'{"message":"Request Header Fields Too Large"}')


def test_what_the_listener_refuses_is_said_in_the_words_of_the_api(gateway: Gateway) -> None:
    rest_api = gateway.view.api_by_id["api1234567"]
    too_large = refuse_at_the_front(rest_api, 413, "body")
    assert (too_large.status, too_large.body) == (413, b"HTTP content length exceeded 10485760 bytes.")

    too_large = refuse_at_the_front(http().view.api_by_id["api1234567"], 413, "body")
    assert (too_large.status, too_large.body) == (413, b'{"message":"Request Entity Too Large"}')


def why(answer: Answer) -> str | None:
    return answer.header("x-scopegate-why")


def test_the_reason_header_is_for_a_developer_on_this_machine_alone(gateway: Gateway) -> None:
    """Design, "Explain"."""
    local = {"peer": "127.0.0.1", "host": "api1234567.execute-api.localhost:4566"}
    assert why(gateway.call("GET", "/prod/o", **local)) is None  # production mode

    gateway.development = True
    gateway.__post_init__()
    gateway.put_rest({"/o": {"GET": cognito_method("orders/read")}}, authorizers=(cognito_authorizer(POOL),))

    assert why(gateway.call("GET", "/prod/o", **local)) == "no token in header Authorization"
    assert why(gateway.call("GET", "/prod/o", peer="::1", host="[::1]:4566")) == "no token in header Authorization"
    assert why(gateway.call("GET", "/x/o", api_id="none", **local)) == "there is no API of this id"
    assert why(gateway.call("GET", "/prod/o", {"Authorization": POOL.access_token()}, **local)) is None
    assert why(gateway.call("GET", "/prod/o", peer="203.0.113.9", host="localhost")) is None
    assert why(gateway.call("GET", "/prod/o", peer="127.0.0.1", host="api.example.com")) is None
    assert why(gateway.call("GET", "/prod/o", peer="127.0.0.1", host="localhost.evil.example")) is None
    for header in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"):
        assert why(gateway.call("GET", "/prod/o", {header: "x"}, **local)) is None
