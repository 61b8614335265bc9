"""Errors as each service sends them, and as botocore reads them."""

from typing import Any

import orjson
import pytest
from botocore import parsers
from botocore.awsrequest import HeadersDict

from scopegate.aws.models import SERVICES
from scopegate.aws.protocols import render_error
from scopegate.base.errors import AwsError
from tests.rooms.aws.wires import MODELS


def rendered(service: str, *args: Any, **members: Any) -> tuple[int, dict[str, str], Any]:
    """(status, headers in lower case, JSON body)"""
    response = render_error(MODELS.service(service), AwsError(*args, **members), "r-1")
    headers = {name.decode().lower(): value.decode() for name, value in response.headers}
    return response.status, headers, orjson.loads(response.body)


def test_cognito() -> None:
    """Reference, cognito 10.3."""
    status, headers, body = rendered("cognito-idp", "NotAuthorizedException", "Incorrect username or password.")

    assert status == 400
    assert body == {"__type": "NotAuthorizedException", "message": "Incorrect username or password."}
    assert headers["x-amzn-errortype"] == "NotAuthorizedException:"
    assert headers["x-amzn-errormessage"] == "Incorrect username or password."
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"] == "r-1"


def test_cognitos_faults_are_500_and_its_denials_have_a_capital() -> None:
    assert rendered("cognito-idp", "InternalErrorException", "x")[0] == 500
    assert rendered("cognito-idp", "AccessDeniedException", "no")[::2] == (
        400,
        {"__type": "AccessDeniedException", "Message": "no"},
    )


def test_an_error_without_text_has_no_text_member() -> None:
    assert rendered("cognito-idp", "UnknownOperationException")[::2] == (400, {"__type": "UnknownOperationException"})
    assert rendered("lambda", "AccessDeniedException")[::2] == (403, {})


def test_header_texts_are_one_line_of_ascii() -> None:
    headers = rendered("cognito-idp", "InvalidParameterException", "a\r\nSet-Cookie: x=é")[1]

    assert headers["x-amzn-errormessage"] == "a??Set-Cookie: x=?"


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("ResourceNotFoundException", 404, {"Type": "User", "Message": "m"}),
        ("InvalidParameterValueException", 400, {"Type": "User", "message": "m"}),
        ("ResourceConflictException", 409, {"Type": "User", "message": "m"}),
        ("ServiceException", 500, {"Type": "Service", "Message": "m"}),
        ("ValidationException", 400, {"message": "m"}),
        ("RequestEntityTooLargeException", 413, {"message": "m"}),
        ("MissingAuthenticationTokenException", 403, {"message": "m"}),
        ("AccessDeniedException", 403, {"Message": "m"}),
    ],
)
def test_lambda(code: str, status: int, body: dict[str, str]) -> None:
    """Reference, lambda 10.1 and 6.2."""
    answered, headers, document = rendered("lambda", code, "m")

    assert (answered, document) == (status, body)
    assert headers["x-amzn-errortype"] == code
    assert "x-amzn-errormessage" not in headers


def test_lambda_throttles_with_reason_and_retry_after() -> None:
    """Reference, lambda 6.2."""
    members = {"Reason": "ConcurrentInvocationLimitExceeded", "retryAfterSeconds": "1"}
    status, headers, body = rendered("lambda", "TooManyRequestsException", "Rate Exceeded.", members=members)

    assert status == 429
    assert body == {"Type": "User", "message": "Rate Exceeded.", "Reason": "ConcurrentInvocationLimitExceeded"}
    assert headers["retry-after"] == "1"


def test_rest_apis() -> None:
    """Reference, control plane of API Gateway 3.1 and 6."""
    status, headers, body = rendered("apigateway", "NotFoundException", "Invalid API identifier specified 1:a")

    assert (status, body) == (404, {"message": "Invalid API identifier specified 1:a"})
    assert headers["x-amzn-errortype"] == "NotFoundException"
    assert headers["content-type"] == "application/json"
    assert "x-amz-apigw-id" in headers


def test_limits_of_rest_apis_say_when_to_come_again() -> None:
    status, headers, body = rendered("apigateway", "LimitExceededException", "m", members={"retryAfterSeconds": "5"})

    assert (status, body, headers["retry-after"]) == (429, {"message": "m"}, "5")


def test_http_apis() -> None:
    members = {"ResourceType": "Api"}
    assert rendered("apigatewayv2", "NotFoundException", "m", members=members)[::2] == (
        404,
        {"message": "m", "resourceType": "Api"},
    )
    assert rendered("apigatewayv2", "BadRequestException", "m")[::2] == (400, {"message": "m"})


def test_iam() -> None:
    error = AwsError("NoSuchEntity", "The role with name <x> & co cannot be found.\x01")
    response = render_error(MODELS.service("iam"), error, "r-1")

    assert response.status == 404
    assert response.body.decode() == (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        "<Code>NoSuchEntity</Code><Message>The role with name &lt;x&gt; &amp; co cannot be found.\ufffd</Message>"
        "</Error><RequestId>r-1</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_botocore_reads_every_modelled_error(service: str) -> None:
    for shape in MODELS.service(service).model.error_shapes:
        response = render_error(MODELS.service(service), AwsError(shape.name, "the text"), "r-1")
        headers = HeadersDict({name.decode(): value.decode() for name, value in response.headers})
        wire = {"status_code": response.status, "headers": headers, "body": response.body}

        parsed = parsers.create_parser(MODELS.service(service).protocol).parse(wire, None)

        assert response.status >= 400
        assert parsed["Error"]["Code"] == shape.error_code
        assert parsed["Error"]["Message"] == "the text"
        assert parsed["ResponseMetadata"]["RequestId"] == "r-1"
