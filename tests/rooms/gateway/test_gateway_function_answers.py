"""What a function may answer, and what the client gets. Reference: "Lambda proxy responses", tables REST and HTTP."""

import asyncio
from typing import Any

import pytest

from scopegate.base.errors import AwsError
from tests.rooms.gateway.driver import FUNCTION, Answer, Gateway, lambda_integration, lambda_method


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def rest(gateway: Gateway, answer: Any, accept: str | None = None, types: list[str] | None = None) -> Answer:
    gateway.invoked.functions[FUNCTION] = lambda _event: answer
    gateway.put_rest({"/f": {"GET": lambda_method()}}, api={"binaryMediaTypes": types or []})
    return gateway.call("GET", "/prod/f", {"Accept": accept} if accept else {})


def http(gateway: Gateway, answer: Any, version: str = "2.0", **integration: Any) -> Answer:
    gateway.invoked.functions[FUNCTION] = lambda _event: answer
    gateway.put_http({"GET /f": {}}, {"fn": lambda_integration(version, **integration)})
    return gateway.call("GET", "/f")


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        ({"statusCode": 200}, 200, b""),
        ({"statusCode": "201"}, 201, b""),
        ({"headers": {"test-header": "value"}}, 200, b""),
        ({}, 200, b""),
        ({"statusCode": 404, "body": "no"}, 404, b"no"),
        ({"statusCode": 200, "body": None, "headers": None, "multiValueHeaders": None}, 200, b""),
        ({"statusCode": 200, "body": "grüße"}, 200, "grüße".encode()),
    ],
)
def test_a_rest_answer(gateway: Gateway, returned: Any, status: int, body: bytes) -> None:
    answer = rest(gateway, returned)

    assert (answer.status, answer.body) == (status, body)
    assert answer.header("Content-Type") == "application/json"
    assert answer.names[:2] == ["x-amzn-RequestId", "x-amz-apigw-id"]
    assert answer.names[-2:] == ["X-Amzn-Trace-Id", "Content-Type"]


@pytest.mark.parametrize(
    "returned",
    [
        None,
        "justAString",
        [1],
        7,
        {"statusCode": 200, "wrongValue": "value"},
        {"statusCode": "test"},
        {"statusCode": 0},
        {"statusCode": 200.5},
        {"statusCode": True},
        {"statusCode": 199},
        {"statusCode": 600},
        {"statusCode": 200, "headers": {"Content-Length": 3}},
        {"statusCode": 200, "headers": "x"},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "headers": {"a b": "x"}},
        {"statusCode": 200, "headers": {"a": "x\r\nSet-Cookie: y"}},
        {"statusCode": 200, "multiValueHeaders": {"a": "value1"}},
        {"statusCode": 200, "multiValueHeaders": ["a"]},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": 7},
        {"statusCode": 200, "isBase64Encoded": "yes"},
        {"statusCode": 200, "cookies": ["a=b"]},
        {"errorMessage": "boom", "errorType": "Error"},
        b"no json",
    ],
)
def test_a_malformed_rest_answer_is_502(gateway: Gateway, returned: Any) -> None:
    answer = rest(gateway, returned)

    assert (answer.status, answer.body) == (502, b'{"message": "Internal server error"}')
    assert answer.header("x-amzn-ErrorType") == "InternalServerErrorException"
    assert answer.header("X-Amzn-Trace-Id") is None
    assert gateway.record.decision == "ALLOW"
    assert gateway.record.facts["failure"]


def test_rest_headers_keep_their_spelling_and_four_are_remapped(gateway: Gateway) -> None:
    given = {"x-CuStom": "1", "Connection": "close", "Content-Length": "3", "Date": "d", "Server": "s", "flag": True}

    answer = rest(gateway, {"headers": {**given, "content-type": "text/html", "Transfer-Encoding": "chunked"}})

    assert answer.names[2:-2] == [
        "x-CuStom",
        "x-amzn-Remapped-Connection",
        "x-amzn-Remapped-Content-Length",
        "x-amzn-Remapped-Date",
        "x-amzn-Remapped-Server",
        "flag",
    ]
    assert answer.header("flag") == "true"
    assert answer.all("content-type") == ["text/html"]


def test_rest_multi_values_come_first_and_a_pair_once(gateway: Gateway) -> None:
    returned = {
        "headers": {"test-multi": "value-solo", "b": "same"},
        "multiValueHeaders": {"tesT-Multi": ["value-multi"], "b": ["same", "other"]},
    }

    answer = rest(gateway, returned)

    assert answer.all("test-multi") == ["value-multi", "value-solo"]
    assert [name for name in answer.names if name.lower() == "test-multi"] == ["tesT-Multi", "tesT-Multi"]
    assert answer.all("b") == ["same", "other"]


PNG = ["image/png", "*/test"]
APPLICATION = [*PNG, "application/*", "image/jpg"]


@pytest.mark.parametrize(
    ("accept", "types", "decoded"),
    [
        ("image/png", PNG, True),
        ("image/jpg", PNG, False),
        ("image/*", PNG, False),
        ("*/*", PNG, False),
        ("random/test", PNG, False),
        ("*/test", PNG, False),
        ("image/webp,image/png,*/*;q=0.8", PNG, False),
        ("image/png,image/*,*/*;q=0.8", PNG, True),
        ("application/whatever", APPLICATION, True),
        ("application/*", APPLICATION, True),
        ("application", APPLICATION, False),
        (None, APPLICATION, False),
        (None, ["*/*"], True),
        ("text/html", ["*/*"], True),
        ("image/png", [], False),
    ],
)
def test_a_rest_body_is_decoded_by_the_first_type_of_accept(
    gateway: Gateway, accept: str | None, types: list[str], decoded: bool
) -> None:
    """Recorded on AWS with these types."""
    answer = rest(gateway, {"body": "aGk=", "isBase64Encoded": True}, accept, types)
    assert answer.body == (b"hi" if decoded else b"aGk=")

    assert rest(gateway, {"body": "aGk=", "isBase64Encoded": False}, accept, types).body == b"aGk="


def test_a_rest_body_that_is_no_base64_is_500(gateway: Gateway) -> None:
    answer = rest(gateway, {"body": "!", "isBase64Encoded": True}, "image/png", PNG)

    assert (answer.status, answer.body) == (500, b'{"message": "Internal server error"}')


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ({"a": 1}, b'{"a":1}'),
        (42, b"42"),
        (True, b"true"),
        ([1, "a"], b'[1,"a"]'),
        ("test", b"test"),
        ('say "hi"\n', b'say "hi"\n'),
        ("", b""),
        (None, b"null"),
        (b'{"name": "J", "age":', b'{"name": "J", "age":'),
        ({"body": "x"}, b'{"body":"x"}'),
    ],
)
def test_http_2_0_takes_anything_without_status_as_the_body(gateway: Gateway, returned: Any, body: bytes) -> None:
    answer = http(gateway, returned)

    assert (answer.status, answer.body, answer.header("content-type")) == (200, body, "application/json")


def test_http_2_0_with_status(gateway: Gateway) -> None:
    returned = {
        "statusCode": 201,
        "headers": {"x-custom-header": "a", "Set-Cookie": "c=3", "n": 7, "Connection": "close", "Content-Length": "9"},
        "multiValueHeaders": {"x-not": ["taken"]},
        "cookies": ["a=1", "b=2; Secure"],
        "body": "aGk=",
        "isBase64Encoded": True,
    }

    answer = http(gateway, returned)

    assert (answer.status, answer.body) == (201, b"hi")
    assert answer.names == [
        "Content-Type", "Set-Cookie", "Set-Cookie", "X-Custom-Header", "Set-Cookie", "N", "Apigw-Requestid"
    ]  # fmt: skip
    assert answer.all("set-cookie") == ["a=1", "b=2; Secure", "c=3"]
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("n") == "7"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize(
    "returned",
    [
        {"statusCode": 0},
        {"statusCode": 200.5},
        {"statusCode": "abc"},
        {"statusCode": None},
        {"statusCode": 200, "headers": "x"},
        {"statusCode": 200, "headers": {"a": "x\ny"}},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "!", "isBase64Encoded": True},
        {"errorMessage": "boom"},
    ],
)
def test_a_malformed_http_answer_is_500(gateway: Gateway, version: str, returned: Any) -> None:
    answer = http(gateway, returned, version)

    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert answer.names == ["Content-Type", "Apigw-Requestid"]


@pytest.mark.parametrize("returned", [{}, {"body": "x"}, "text", None, [1], b"no json"])
def test_http_1_0_needs_a_status(gateway: Gateway, returned: Any) -> None:
    assert http(gateway, returned, "1.0").status == 500


def test_http_1_0_puts_the_single_value_first(gateway: Gateway) -> None:
    returned = {"statusCode": 200, "headers": {"x-two": "solo"}, "multiValueHeaders": {"X-Two": ["m1", "m2"]}}

    answer = http(gateway, returned, "1.0")

    assert answer.all("x-two") == ["solo", "m1", "m2"]
    assert answer.header("content-type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("code", "rest_answer", "http_answer"),
    [
        ("ResourceNotFoundException", (500, b'{"message": "Internal server error"}'), 500),
        ("AccessDeniedException", (500, b'{"message": "Internal server error"}'), 500),
        ("TooManyRequestsException", (500, b'{"message": "Internal server error"}'), 503),
        ("RequestEntityTooLargeException", (413, b'{"message":"Request Too Long"}'), 413),
    ],
)
def test_a_function_that_may_not_run_is_told_apart(
    gateway: Gateway, code: str, rest_answer: tuple[int, bytes], http_answer: int
) -> None:
    def refuse(_event: Any) -> Any:
        raise AwsError(code, "no")

    gateway.invoked.functions[FUNCTION] = refuse
    gateway.put_rest({"/f": {"GET": lambda_method()}})
    answer = gateway.call("GET", "/prod/f")
    assert (answer.status, answer.body) == rest_answer

    gateway.put_http({"GET /f": {}})
    answer = gateway.call("GET", "/f")
    assert answer.status == http_answer
    assert answer.json["message"] in ("Internal Server Error", "Service Unavailable", "Request Entity Too Large")


def test_a_function_slower_than_the_integration_allows_is_a_time_out(gateway: Gateway) -> None:
    async def sleep(_event: Any) -> Any:
        await asyncio.sleep(5)

    gateway.invoked.functions[FUNCTION] = sleep
    method = lambda_method()
    method["methodIntegration"]["timeoutInMillis"] = 50
    gateway.put_rest({"/f": {"GET": method}})
    answer = gateway.call("GET", "/prod/f")
    assert (answer.status, answer.body) == (504, b'{"message": "Endpoint request timed out"}')
    assert answer.header("x-amzn-ErrorType") == "InternalServerErrorException"
    assert (answer.header("x-amzn-trace-id") or "").startswith("Root=1-")

    gateway.put_http({"GET /f": {}}, {"fn": lambda_integration(TimeoutInMillis=50)})
    answer = gateway.call("GET", "/f")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')


def test_an_integration_method_that_is_not_post_fails_at_run_time(gateway: Gateway) -> None:
    method = lambda_method()
    method["methodIntegration"]["httpMethod"] = "GET"
    gateway.put_rest({"/f": {"GET": method}})

    answer = gateway.call("GET", "/prod/f")

    assert (answer.status, answer.body) == (500, b'{"message": "Internal server error"}')


def test_http_response_parameters_work_for_functions(gateway: Gateway) -> None:
    mapping = {
        "200": {"overwrite:statuscode": "202", "append:header.x-from": "$context.apiId", "remove:header.gone": "''"}
    }

    answer = http(gateway, {"statusCode": 200, "headers": {"gone": "1"}, "body": "x"}, ResponseParameters=mapping)

    assert (answer.status, answer.header("x-from"), answer.header("gone")) == (202, "api1234567", None)


def test_an_unforeseen_failure_is_the_contracts_500(gateway: Gateway) -> None:
    def crash(_event: Any) -> Any:
        raise RuntimeError("secret detail")

    gateway.invoked.functions[FUNCTION] = crash
    gateway.put_rest({"/f": {"GET": lambda_method()}})

    answer = gateway.call("GET", "/prod/f")

    assert (answer.status, answer.body) == (500, b'{"message": "Internal server error"}')
    assert b"secret" not in b"".join(value for _, value in answer.headers)


def test_stage_variables_choose_the_function(gateway: Gateway) -> None:
    method = lambda_method()
    method["methodIntegration"]["uri"] = method["methodIntegration"]["uri"].replace("orders/", "${stageVariables.fn}/")
    gateway.put_rest({"/f": {"GET": method}}, stage={"variables": {"fn": "orders:live"}})
    gateway.invoked.functions[FUNCTION + ":live"] = lambda _event: {"statusCode": 204}

    assert gateway.call("GET", "/prod/f").status == 204
