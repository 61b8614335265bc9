"""Integrations and integration responses (reference, control plane, 1.4, 2.2, 3.2, 3.3)."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, FUNCTION_URI, REGION, Api, as_patches, refusal

MAPPING = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
ROLE = f"arn:aws:iam::{ACCOUNT}:role/gateway"
SQS = f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/queue"


@pytest.fixture
def get(api: Api) -> dict[str, str]:
    """Where a method GET / is."""
    api.method(
        api.root, requestParameters={"method.request.path.petId": True, "method.request.querystring.page": False}
    )
    return {"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET"}


def http(**members: Any) -> dict[str, Any]:
    return {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://upstream/pets", **members}


def test_web_integrations_are_given_the_internet(api: Api, get: dict[str, str]) -> None:
    """`connectionType` is filled in for HTTP types only."""
    for kind in ("HTTP", "HTTP_PROXY"):
        assert api.client.put_integration(**get, **http(type=kind))["connectionType"] == "INTERNET"
    assert "connectionType" not in api.client.put_integration(**get, type="MOCK")


def test_a_mock_needs_nothing(api: Api, get: dict[str, str]) -> None:
    integration = api.client.put_integration(
        **get, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
    )

    assert integration == {
        "type": "MOCK",
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": 29000,
        "cacheNamespace": api.root,
        "cacheKeyParameters": [],
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
    }
    assert api.client.get_integration(**get) == integration


def test_a_mock_goes_nowhere(api: Api, get: dict[str, str]) -> None:
    """Recorded: the URI and the method that a mock is given are dropped."""
    integration = api.client.put_integration(**get, **http(type="MOCK"))

    assert not integration.keys() & {"uri", "httpMethod", "connectionType"}
    assert api.client.get_integration(**get) == integration


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"type": "HTTP", "uri": "http://x"}, "Enumeration value for HttpMethod must be non-empty"),
        ({"type": "AWS", "uri": FUNCTION_URI}, "Enumeration value for HttpMethod must be non-empty"),
        ({"type": "AWS_PROXY", "uri": FUNCTION_URI}, "Enumeration value for HttpMethod must be non-empty"),
        (
            http(integrationHttpMethod="get"),
            "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
        ),
        (http(uri="upstream/pets"), "Invalid HTTP endpoint specified for URI"),
        (http(uri="ftp://upstream"), "Invalid HTTP endpoint specified for URI"),
        (http(uri="http://"), "Invalid HTTP endpoint specified for URI"),
        ({"type": "HTTP", "integrationHttpMethod": "GET"}, "Invalid HTTP endpoint specified for URI"),
        (http(type="AWS", uri="http://x"), "Invalid ARN specified in the request"),
        (http(type="AWS_PROXY", uri=""), "Invalid ARN specified in the request"),
        (
            http(type="AWS_PROXY", uri=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"),
            "AWS ARN for integration must contain path or action",
        ),
        (
            http(type="AWS_PROXY", uri=f"arn:aws:apigateway:{REGION}:lambda:test/2015-03-31"),
            "AWS ARN for integration must contain path or action",
        ),
        (http(type="AWS", uri=ROLE), "AWS ARN for integration must contain path or action"),
        (
            http(type="AWS_PROXY", uri=SQS),
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ),
        (
            http(
                type="AWS_PROXY",
                uri=f"arn:aws:apigateway:{REGION}:firehose:path/2015-03-31/functions/x/invocations",
                credentials=ROLE,
            ),
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ),
        (
            http(type="AWS_PROXY", uri=f"arn:aws:apigateway:{REGION}:lambda:path/random/path"),
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ),
        (
            http(
                type="AWS_PROXY", uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/orders/invocations"
            ),
            "Invalid lambda function",
        ),
        (http(type="AWS", uri=SQS), "Role ARN must be specified for AWS integrations"),
        (http(type="AWS", uri=SQS, credentials="role"), "Invalid ARN specified in the request"),
        (http(timeoutInMillis=49), "Timeout should be between 50 ms and 29000 ms"),
        (http(timeoutInMillis=29001), "Timeout should be between 50 ms and 29000 ms"),
        (
            http(requestParameters={"integration.request.path.id": "method.request.path.unknown"}),
            f"{MAPPING}[Invalid mapping expression parameter specified: method.request.path.unknown]",
        ),
        (
            http(requestParameters={"integration.request.header.x": '"*"'}),
            f'{MAPPING}[Invalid mapping expression specified: "*"]',
        ),
        (
            http(requestParameters={"method.request.header.x": "'x'"}),
            f"{MAPPING}[Invalid mapping expression specified: method.request.header.x]",
        ),
        (
            http(requestTemplates={"123": "{}"}),
            "Validation Result: warnings : [], errors : [Invalid content type specified: 123]",
        ),
        (
            http(passthroughBehavior="ALWAYS"),
            "Invalid PassthroughBehavior specified. Valid options are WHEN_NO_MATCH,WHEN_NO_TEMPLATES,NEVER",
        ),
    ],
)
def test_a_bad_integration_is_refused(api: Api, get: dict[str, str], members: dict[str, Any], message: str) -> None:
    assert refusal(api.client.put_integration, **get, **members) == ("BadRequestException", message)
    assert "methodIntegration" not in api.client.get_method(**get)


@pytest.mark.parametrize(
    "members",
    [
        http(uri="http://${stageVariables.url}"),
        http(uri="https://${stageVariables.host}/pets/{petId}?x=1"),
        http(type="AWS_PROXY", uri=FUNCTION_URI.replace("function:orders", "function:orders:live")),
        http(type="AWS_PROXY", uri=FUNCTION_URI.replace("function:orders", "function:${stageVariables.fn}")),
        http(type="AWS_PROXY", uri=f"arn:aws:apigateway:{REGION}:firehose:action/PutRecord", credentials=ROLE),
        http(type="AWS", uri=FUNCTION_URI),
        http(type="AWS", uri=SQS, credentials=ROLE),
        http(type="AWS", uri=SQS, credentials="arn:aws:iam::*:user/*"),
        http(type="AWS", uri=f"arn:aws:apigateway:{REGION}:host.s3:path/bucket", credentials=ROLE),
        http(connectionType="VPC_LINK", connectionId="${stageVariables.link}"),
        http(timeoutInMillis=50),
        http(
            requestParameters={
                "integration.request.path.id": "method.request.path.petId",
                "integration.request.querystring.p": "method.request.multivaluequerystring.page",
                "integration.request.header.a": "'static'",
                "integration.request.header.b": "stageVariables.b",
                "integration.request.header.c": "context.authorizer.claims.sub",
                "integration.request.header.d": "method.request.body.a.b",
            }
        ),
    ],
)
def test_a_good_integration_is_taken(api: Api, get: dict[str, str], members: dict[str, Any]) -> None:
    integration = api.client.put_integration(**get, **members)

    assert integration["uri"] == members["uri"]
    assert integration["httpMethod"] == "GET"


def test_a_role_of_another_account_is_denied(api: Api, get: dict[str, str]) -> None:
    members = http(type="AWS", uri=SQS, credentials="arn:aws:iam::111122223333:role/x")

    assert refusal(api.client.put_integration, **get, **members) == (
        "AccessDeniedException",
        "Cross-account pass role is not allowed.",
    )


def test_putting_again_replaces_the_whole(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, **http(cacheKeyParameters=["method.request.path.petId"]))
    api.client.put_integration_response(**get, statusCode="200")

    assert api.client.put_integration(**get, type="MOCK")["cacheKeyParameters"] == []
    assert "integrationResponses" not in api.client.get_integration(**get)


def test_a_deleted_integration_is_gone(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, type="MOCK")

    api.client.delete_integration(**get)

    assert refusal(api.client.get_integration, **get) == (
        "NotFoundException",
        "Invalid Integration identifier specified",
    )


# Patch operations


def test_an_integration_changes_by_patch(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, **http())

    changed = api.client.update_integration(
        **get,
        patchOperations=as_patches(
            ("replace", "/uri", "https://other"),
            ("replace", "/httpMethod", "POST"),
            ("replace", "/timeoutInMillis", "1000"),
            ("replace", "/connectionType", "VPC_LINK"),
            ("replace", "/connectionId", "link"),
            ("replace", "/tlsConfig/insecureSkipVerification", "true"),
            ("replace", "/contentHandling", "CONVERT_TO_TEXT"),
            ("replace", "/passthroughBehavior", "NEVER"),
            ("add", "/requestParameters/integration.request.path.id", "method.request.path.petId"),
            ("add", "/requestTemplates/application~1json", "{}"),
            ("add", "/cacheKeyParameters/method.request.path.petId", ""),
        ),
    )

    assert changed == {
        "type": "HTTP_PROXY",
        "uri": "https://other",
        "httpMethod": "POST",
        "timeoutInMillis": 1000,
        "connectionType": "VPC_LINK",
        "connectionId": "link",
        "tlsConfig": {"insecureSkipVerification": True},
        "contentHandling": "CONVERT_TO_TEXT",
        "passthroughBehavior": "NEVER",
        "requestParameters": {"integration.request.path.id": "method.request.path.petId"},
        "requestTemplates": {"application/json": "{}"},
        "cacheNamespace": api.root,
        "cacheKeyParameters": ["method.request.path.petId"],
    }
    changed = api.client.update_integration(
        **get,
        patchOperations=as_patches(
            ("remove", "/requestParameters/integration.request.path.id"),
            ("remove", "/requestTemplates/application~1json"),
            ("remove", "/cacheKeyParameters/method.request.path.petId"),
        ),
    )
    assert changed["cacheKeyParameters"] == []
    assert "requestParameters" not in changed
    assert "requestTemplates" not in changed


@pytest.mark.parametrize(
    "operation",
    [
        ("replace", "/uri", "nonsense"),
        ("replace", "/httpMethod", "WRONG"),
        ("replace", "/timeoutInMillis", "10"),
        ("replace", "/timeoutInMillis", "soon"),
        ("replace", "/type", "MOCK"),
        ("replace", "/connectionType", "WRONG"),
        ("replace", "/contentHandling", "WRONG"),
        ("add", "/requestParameters/integration.request.path.id", "method.request.path.unknown"),
        ("add", "/requestParameters", "x"),
        ("move", "/uri", "http://x"),
    ],
)
def test_a_bad_change_is_refused_and_leaves_the_integration(
    api: Api, get: dict[str, str], operation: tuple[str, ...]
) -> None:
    before = api.client.put_integration(**get, **http())

    refused = refusal(api.client.update_integration, **get, patchOperations=as_patches(operation))

    assert refused[0] == "BadRequestException"
    assert api.client.get_integration(**get) == before


# Integration responses


def test_an_integration_response_comes_back_as_given(api: Api, get: dict[str, str]) -> None:
    """An empty selection pattern stays, an empty template becomes the one null that AWS answers."""
    api.client.put_integration(**get, type="MOCK")

    response = api.client.put_integration_response(
        **get, statusCode="200", selectionPattern="", responseTemplates={"application/json": ""}
    )

    assert response == {"statusCode": "200", "selectionPattern": "", "responseTemplates": {"application/json": None}}
    assert api.client.get_integration_response(**get, statusCode="200") == response
    assert api.client.get_integration(**get)["integrationResponses"] == {"200": response}


def test_a_header_mapping_needs_its_method_response(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, type="MOCK")
    mapping = {"method.response.header.Location": "'/orders'"}

    assert refusal(api.client.put_integration_response, **get, statusCode="200", responseParameters=mapping) == (
        "BadRequestException",
        f"{MAPPING}[Invalid mapping expression parameter specified: method.response.header.Location]",
    )

    declared = {"method.response.header.Location": False}
    api.client.put_method_response(**get, statusCode="200", responseParameters=declared)
    response = api.client.put_integration_response(**get, statusCode="200", responseParameters=mapping)
    assert response["responseParameters"] == mapping


def test_two_status_codes_do_not_share_a_pattern(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, type="MOCK")
    api.client.put_integration_response(**get, statusCode="200")
    api.client.put_integration_response(**get, statusCode="400", selectionPattern="4..")

    def put(status: str, **members: str) -> tuple[str, str | None]:
        return refusal(api.client.put_integration_response, **get, statusCode=status, **members)

    taken = "Integration response with selection pattern {} already exists"
    assert put("500") == ("ConflictException", taken.format("default"))
    assert put("500", selectionPattern="") == ("ConflictException", taken.format("default"))
    assert put("500", selectionPattern="4..") == ("ConflictException", taken.format("4.."))
    assert api.client.put_integration_response(**get, statusCode="200") == {"statusCode": "200"}


def test_a_template_key_is_a_media_type(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, type="MOCK")

    refused = refusal(api.client.put_integration_response, **get, statusCode="200", responseTemplates={"123": "x"})

    assert refused == (
        "BadRequestException",
        "Validation Result: warnings : [], errors : [Invalid content type specified: 123]",
    )


def test_an_integration_response_changes_and_goes(api: Api, get: dict[str, str]) -> None:
    api.client.put_integration(**get, type="MOCK")
    api.client.put_integration_response(**get, statusCode="200")

    changed = api.client.update_integration_response(
        **get,
        statusCode="200",
        patchOperations=as_patches(
            ("replace", "/selectionPattern", "2.."),
            ("replace", "/contentHandling", "CONVERT_TO_BINARY"),
            ("add", "/responseTemplates/application~1json", "x"),
        ),
    )
    assert changed == {
        "statusCode": "200",
        "selectionPattern": "2..",
        "contentHandling": "CONVERT_TO_BINARY",
        "responseTemplates": {"application/json": "x"},
    }

    api.client.delete_integration_response(**get, statusCode="200")
    assert refusal(api.client.get_integration_response, **get, statusCode="200") == (
        "NotFoundException",
        "Invalid Response status code specified",
    )


def test_what_is_missing_differs_by_operation(api: Api) -> None:
    """Reference 3.2."""
    missing = {"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET"}
    client = api.client

    no_method = ("NotFoundException", "Invalid Method identifier specified")
    no_integration = ("NotFoundException", "Invalid Integration identifier specified")
    assert refusal(client.put_integration_response, **missing, statusCode="200") == no_method
    assert refusal(client.get_integration_response, **missing, statusCode="200") == no_method
    assert refusal(client.delete_integration_response, **missing, statusCode="200") == no_integration

    api.method(api.root)
    assert refusal(client.get_integration, **missing) == no_integration
    assert refusal(client.get_integration_response, **missing, statusCode="200") == no_integration
    assert refusal(client.put_integration_response, **missing, statusCode="200") == no_integration
