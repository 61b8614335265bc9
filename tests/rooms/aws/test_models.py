"""Which operation a request is for."""

import pytest

from scopegate.aws.models import SERVICES, UnknownOperation
from scopegate.http.message import Request
from tests.rooms.aws.wires import MODELS

JSON = (b"Content-Type", b"application/x-amz-json-1.1")
COGNITO = b"AWSCognitoIdentityProviderService."
UNKNOWN = "UnknownOperationException"
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def target(name: bytes) -> Request:
    return Request("POST", b"/", [JSON, (b"X-Amz-Target", name)], b"{}")


def found(request: Request, signing_name: str | None = None) -> tuple[str, str]:
    operation = MODELS.find_target(request, signing_name).operation
    return operation.service.name, operation.name


@pytest.mark.parametrize(
    ("method", "target", "wanted"),
    [
        ("POST", b"/restapis", ("apigateway", "CreateRestApi")),
        ("POST", b"/restapis?mode=import", ("apigateway", "ImportRestApi")),
        ("POST", b"/restapis?mode=import&failonwarnings=true", ("apigateway", "ImportRestApi")),
        ("GET", b"/restapis/", ("apigateway", "GetRestApis")),
        ("GET", b"/restapis/a1/resources/b2", ("apigateway", "GetResource")),
        ("DELETE", b"/tags/arn%3Aaws%3Aapigateway%3A%3A%3A%2Frestapis%2Fa", ("apigateway", "UntagResource")),
        ("GET", b"/v2/apis", ("apigatewayv2", "GetApis")),
        ("PATCH", b"/v2/apis/a/routes/b", ("apigatewayv2", "UpdateRoute")),
        ("GET", b"/2015-03-31/functions/", ("lambda", "ListFunctions")),
        ("POST", b"/2015-03-31/functions/f%3A7/invocations", ("lambda", "Invoke")),
        ("GET", b"/2018-10-31/layers?find=LayerVersion&Arn=a", ("lambda", "GetLayerVersionByArn")),
        ("GET", b"/2018-10-31/layers", ("lambda", "ListLayers")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("signed", [True, False])
def test_rest_operations_are_found_by_method_and_path(
    method: str, target: bytes, wanted: tuple[str, str], signed: bool
) -> None:
    name = MODELS.service(wanted[0]).signing_name if signed else None

    assert found(Request(method, target, []), name) == wanted


def test_a_target_header_names_the_operation_whatever_the_credential_says() -> None:
    """The credential is judged afterwards: a wrong service is refused, not obeyed."""
    header = (b"X-Amz-Target", COGNITO + b"ListUserPools")

    for signing_name in (None, "cognito-idp", "lambda", "dynamodb"):
        assert found(Request("POST", b"/", [JSON, header], b"{}"), signing_name) == ("cognito-idp", "ListUserPools")


@pytest.mark.parametrize(
    ("version", "action", "service"),
    [
        (b"2010-05-08", b"GetRole", "iam"),
        (b"2011-06-15", b"GetCallerIdentity", "sts"),
        (b"2010-05-15", b"CreateStack", "cloudformation"),
    ],
)
def test_query_operations_are_found_by_action_and_version(version: bytes, action: bytes, service: str) -> None:
    body = b"Action=" + action + b"&Version=" + version

    assert found(Request("POST", b"/", [FORM], body)) == (service, action.decode())


@pytest.mark.parametrize(
    ("request_", "signing_name", "code", "status"),
    [
        (target(COGNITO + b"NoSuch"), "cognito-idp", UNKNOWN, 400),
        (target(b"Nobody_2020.NoSuch"), None, UNKNOWN, None),
        (target(b"\xff\xfe"), None, UNKNOWN, None),
        (Request("POST", b"/", [FORM], b"Action=NoSuch&Version=2010-05-08"), "iam", "InvalidAction", None),
        (Request("GET", b"/nothing/here", []), "apigateway", UNKNOWN, 404),
        (Request("GET", b"/2015-03-31/nothing", []), "lambda", UNKNOWN, 404),
        (Request("PUT", b"/restapis", []), None, UNKNOWN, 404),
        (Request("GET", b"/", []), "no-such-service", UNKNOWN, 404),
        (Request("POST", b"/", [FORM], b"Action=%ff"), None, UNKNOWN, 404),
    ],
)  # fmt: skip
def test_an_operation_that_aws_has_not_is_unknown(
    request_: Request, signing_name: str | None, code: str, status: int | None
) -> None:
    with pytest.raises(UnknownOperation) as refused:
        MODELS.find_target(request_, signing_name)

    assert (refused.value.error.code, refused.value.error.status) == (code, status)


@pytest.mark.parametrize(
    ("signing_name", "request_", "wanted"),
    [
        ("dynamodb", target(b"DynamoDB_20120810.ListTables"), ("dynamodb", "ListTables")),
        ("sqs", target(b"AmazonSQS.ListQueues"), ("sqs", "ListQueues")),
        ("s3", Request("GET", b"/", []), ("s3", "ListBuckets")),
        ("sns", Request("POST", b"/", [FORM], b"Action=ListTopics&Version=2010-03-31"), ("sns", "ListTopics")),
    ],
)  # fmt: skip
def test_operations_of_services_that_are_not_here_are_known_by_name(
    signing_name: str, request_: Request, wanted: tuple[str, str]
) -> None:
    """Issue 3: an operation that is not built answers an error that names it."""
    assert found(request_, signing_name) == wanted


def test_every_rest_operation_is_found_by_its_own_uri() -> None:
    for name in SERVICES:
        service = MODELS.service(name)
        if not service.is_rest:
            continue
        for operation_name in service.operation_names():
            operation = service.find_operation(operation_name)
            assert operation is not None
            uri = str(operation.model.http["requestUri"]).replace("{", "").replace("}", "")
            request = Request(str(operation.model.http["method"]), uri.encode(), [])
            assert found(request, service.signing_name) == (name, operation_name)


def test_unsigned_operations_are_those_of_the_model_and_two_that_ask_for_a_secret() -> None:
    """Reference, cognito 9.2, 9.3 and 10.2."""
    service = MODELS.service("cognito-idp")
    unsigned = {name for name in service.operation_names() if (o := service.find_operation(name)) and o.unsigned}

    assert len(unsigned) == 36
    assert {"InitiateAuth", "GetUser", "RevokeToken", "SignUp", "GetClientToken", "GetDerivedToken"} <= unsigned
    assert not {"CreateUserPool", "DescribeUserPoolClient", "AdminInitiateAuth"} & unsigned
