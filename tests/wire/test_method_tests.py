"""Methods of a REST API's draft tested without a client: functions, mocks and a web service, over real HTTP.

Source: reference, control plane, "TestInvokeMethod".
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server import REGION, Server, allow_gateway, make_function
from tests.wire.gateways import FUNCTION, UUID, RestApi, Web, serving_web

DATE = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def function(server: Server) -> str:
    return make_function(server, f"tried-{next(NUMBERS)}", FUNCTION)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving_web() as web:
        yield web


@pytest.fixture(scope="module")
def rest(server: Server, function: str, web: Web) -> RestApi:
    """Nothing of it is deployed."""
    api = RestApi(server)
    validator = api.client.create_request_validator(restApiId=api.id, name="strict", validateRequestParameters=True)
    stage_function = "${stageVariables.function}"
    api.function("GET", "/pets/{petId}", function, apiKeyRequired=True)
    api.function("ANY", "/any/{proxy+}", function)
    api.function("GET", "/late", function, {"timeoutInMillis": 100})
    api.function("GET", "/staged", stage_function)
    mock = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 204}'}}
    api.method("OPTIONS", "/pets", mock)
    where = api.where("OPTIONS", "/pets")
    api.client.put_method_response(**where, statusCode="204")
    api.client.put_integration_response(
        **where, statusCode="204", responseTemplates={"application/json": '{"never": "seen"}'}
    )
    api.web("GET", "/web/{id}", f"{web.url}/there/{{id}}")
    api.web("GET", "/strict", web.url, requestParameters={"method.request.querystring.q": True})
    api.client.update_method(
        **api.where("GET", "/strict"),
        patchOperations=[{"op": "replace", "path": "/requestValidatorId", "value": validator["id"]}],
    )
    api.client.put_method(**api.where("GET", "/bare"), authorizationType="NONE")
    allow_gateway(server, function, api.id)
    return api


def ask(rest: RestApi, verb: str, path: str, **request: Any) -> Any:
    return rest.client.test_invoke_method(**rest.where(verb, path), **request)


def lines_of(answer: Any) -> list[str]:
    """The log's lines without their moments."""
    first, *lines, end = answer["log"].split("\n")
    assert re.fullmatch(f"Execution log for request {UUID}", first)
    assert end == ""
    assert all(re.match(f"{DATE} : ", line) for line in lines)
    return [line.partition(" : ")[2] for line in lines]


def test_a_function_is_tested_with_path_query_and_headers(rest: RestApi, function: str) -> None:
    path, secret = "/pets/123?foo=bar", "Bearer 0123456789"

    answer = ask(rest, "GET", "/pets/{petId}", pathWithQueryString=path, headers={"X-A": "b", "Authorization": secret})

    event = json.loads(answer["body"])
    assert (answer["status"], event["path"], event["pathParameters"]) == (200, "/pets/123", {"petId": "123"})
    assert event["queryStringParameters"] == {"foo": "bar"}
    assert event["headers"] == {"X-A": "b", "Authorization": secret}
    context = event["requestContext"]
    assert (context["stage"], context["path"]) == ("test-invoke-stage", "/pets/123")
    assert (context["domainName"], context["domainPrefix"]) == ("testPrefix.testDomainName", "testPrefix")
    assert context["identity"]["sourceIp"] == "test-invoke-source-ip"
    assert context["identity"]["apiKey"] == "test-invoke-api-key"
    assert set(answer["headers"]) == {"Content-Type", "X-Amzn-Trace-Id"}
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
    uri = f"https://lambda.{REGION}.amazonaws.com/2015-03-31/functions/{function}/invocations"
    patterns = [
        f"Starting execution for request: {UUID}",
        re.escape("HTTP Method: GET, Resource Path: /pets/123"),
        re.escape("Method request path: {petId=123}"),
        re.escape("Method request query string: {foo=bar}"),
        re.escape("Method request headers: {X-A=b, Authorization=***********456789}"),
        "Method request body before transformations: ",
        f"Endpoint request URI: {uri}",
        r"Endpoint request headers: \{x-amzn-lambda-integration-tag=.*",
        r"Endpoint request body after transformations: \{.*",
        f"Sending request to {uri}",
        r"Received response\. Status: 200, Integration latency: \d+ ms",
        r"Endpoint response headers: \{Date=.*",
        r"Endpoint response body before transformations: \{.*",
        r"Method response body after transformations: \{.*",
        r"Method response headers: \{X-Amzn-Trace-Id=Root=.*, Content-Type=application/json\}",
        "Successfully completed execution",
        "Method completed with status: 200",
    ]
    lines = lines_of(answer)
    assert [line for line, pattern in zip(lines, patterns, strict=True) if not re.fullmatch(pattern, line)] == []


def test_a_test_without_a_path_has_the_template_and_one_that_fits_not_has_no_values(rest: RestApi) -> None:
    literal, foreign = (
        ask(rest, "GET", "/pets/{petId}", headers={"x": "y"}, **more) for more in ({}, {"pathWithQueryString": "/x"})
    )

    event, other = json.loads(literal["body"]), json.loads(foreign["body"])
    assert (event["path"], event["pathParameters"]) == ("/pets/{petId}", {"petId": "{petId}"})
    assert (other["path"], other["pathParameters"]) == ("/x", None)
    assert "Method request path: {}" in lines_of(foreign)


def test_any_is_tested_by_each_verb_and_stage_variables_come_with_the_test(rest: RestApi, function: str) -> None:
    body, variables = '{"statusCode": 201, "body": "made"}', {"function": function}

    posted = ask(rest, "POST", "/any/{proxy+}", headers={"x-do": "body"}, body=body)
    staged = ask(rest, "GET", "/staged", headers={"x": "y"}, stageVariables=variables)
    unstaged = ask(rest, "GET", "/staged")

    assert (posted["status"], posted["body"]) == (201, "made")
    assert f"Method request body before transformations: {body}" in lines_of(posted)
    assert json.loads(staged["body"])["stageVariables"] == variables
    assert (unstaged["status"], unstaged["headers"]["x-amzn-ErrorType"]) == (500, "InternalServerErrorException")


def test_a_mock_is_tested(rest: RestApi) -> None:
    answer = ask(rest, "OPTIONS", "/pets")

    assert answer["status"] == 204
    assert [line for line in lines_of(answer) if line.startswith(("Endpoint", "Sending", "Received"))] == []
    assert lines_of(answer)[-2:] == ["Successfully completed execution", "Method completed with status: 204"]


def test_a_web_service_is_tested_and_a_long_answer_is_read_whole(rest: RestApi, web: Web) -> None:
    long = b"x" * 300_000
    web.answers["/there/7"] = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n" % len(long)
    web.answers["/there/7"] += long

    answer = ask(rest, "GET", "/web/{id}", pathWithQueryString="/web/7?q=1")

    assert (answer["status"], answer["body"]) == (201, long.decode())
    assert (answer["headers"]["X-Two"], answer["multiValueHeaders"]["X-Two"]) == ("2", ["1", "2"])
    assert web.last.target == "/there/7?q=1"
    lines = lines_of(answer)
    assert f"Endpoint request URI: {web.url}/there/7?q=1" in lines
    assert f"Sending request to {web.url}/there/7?q=1" in lines
    assert [line for line in lines if line.startswith("Received response. Status: 201, Integration latency: ")]
    assert f"Endpoint response body before transformations: {'x' * 1024} [TRUNCATED]" in lines


def test_a_refusal_by_the_validator_is_the_methods_answer(rest: RestApi) -> None:
    answer = ask(rest, "GET", "/strict")

    message = "Missing required request parameters: [q]"
    assert (answer["status"], json.loads(answer["body"])) == (400, {"message": message})
    assert lines_of(answer)[-2:] == [f"Execution failed: {message}", "Method completed with status: 400"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "why"),
    [
        (
            "/any/{proxy+}",
            {"x-do": "raise"},
            502,
            "Lambda execution failed with status 200 due to customer function error: secret of the function. "
            f"Lambda request id: {UUID}",
        ),
        (
            "/any/{proxy+}",
            {"x-do": "return", "x-return": "[]"},
            502,
            "Execution failed due to configuration error: Malformed Lambda proxy response",
        ),
        ("/late", {"x-do": "sleep", "x-seconds": "1"}, 504, "Execution failed due to a timeout error"),
    ],
    ids=["fails", "malformed", "late"],
)
def test_a_function_that_gives_no_answer(
    rest: RestApi, path: str, headers: dict[str, str], status: int, why: str
) -> None:
    answer = ask(rest, "GET", path, headers=headers)

    assert answer["status"] == status
    *_, last, end = lines_of(answer)
    assert re.fullmatch(why, last)
    assert end == f"Method completed with status: {status}"


def test_a_function_that_the_gateway_may_not_invoke(server: Server, rest: RestApi) -> None:
    other = make_function(server, f"tried-{next(NUMBERS)}", FUNCTION)

    answer = ask(rest, "GET", "/staged", stageVariables={"function": other})

    assert '"headers":null,"multiValueHeaders":null' in answer["log"]
    assert (answer["status"], json.loads(answer["body"])) == (500, {"message": "Internal server error"})
    assert lines_of(answer)[-2:] == [
        "Execution failed due to configuration error: Invalid permissions on Lambda function",
        "Method completed with status: 500",
    ]


def test_a_method_without_integration_is_answered_500(rest: RestApi) -> None:
    answer = ask(rest, "GET", "/bare")

    assert (answer["status"], answer["headers"]["x-amzn-ErrorType"]) == (500, "InternalServerErrorException")
    assert lines_of(answer)[-2:] == [
        "Execution failed due to configuration error: The route has no integration",
        "Method completed with status: 500",
    ]


def test_what_is_not_there_is_not_tested(rest: RestApi) -> None:
    where = rest.where("GET", "/bare")
    for changed, message in (
        ({"restApiId": "nosuchapi1"}, "Invalid Resource identifier specified"),
        ({"resourceId": "nosuch"}, "Invalid Resource identifier specified"),
        ({"httpMethod": "PUT"}, "Invalid Method identifier specified"),
    ):
        with pytest.raises(ClientError) as refused:
            rest.client.test_invoke_method(**{**where, **changed})

        error = refused.value.response
        assert (error["Error"]["Code"], error["Error"]["Message"]) == ("NotFoundException", message)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 404
