"""Integrations, routes and authorizers of HTTP APIs: whole answers, rules, conflicts."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import Client, refusal
from tests.rooms.apigatewayv2.driver import FUNCTION, FUNCTION_URI, ISSUER, ROLE, HttpApi

BAD = "BadRequestException"
CONFLICT = "ConflictException"
ARN = "Invalid ARN specified in the request"
URL = "Invalid HTTP endpoint specified for URI"
FORM = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)
TO_FUNCTION: dict[str, Any] = {
    "IntegrationType": "AWS_PROXY",
    "IntegrationUri": FUNCTION,
    "PayloadFormatVersion": "2.0",
}
TO_WEB: dict[str, Any] = {
    "IntegrationType": "HTTP_PROXY",
    "IntegrationUri": "https://example.org/{id}",
    "IntegrationMethod": "GET",
    "PayloadFormatVersion": "1.0",
}
TO_QUEUE: dict[str, Any] = {
    "IntegrationType": "AWS_PROXY",
    "IntegrationSubtype": "SQS-SendMessage",
    "PayloadFormatVersion": "1.0",
    "CredentialsArn": ROLE,
    "RequestParameters": {"QueueUrl": "q", "MessageBody": "$request.body"},
}


# integrations


@pytest.mark.parametrize("uri", [FUNCTION, FUNCTION_URI, FUNCTION + ":live", FUNCTION_URI.replace("orders", "o:7")])
def test_a_function_integration_is_answered_whole(client: Client, api: HttpApi, uri: str) -> None:
    """Reference 1.5: POST is filled in; the URI comes back as it was given."""
    made = client.create_integration(ApiId=api.id, **{**TO_FUNCTION, "IntegrationUri": uri})

    assert len(made["IntegrationId"]) == 7
    assert made == {
        "ConnectionType": "INTERNET",
        "IntegrationId": made["IntegrationId"],
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": uri,
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 30000,
    }
    assert client.get_integration(ApiId=api.id, IntegrationId=made["IntegrationId"]) == made


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {**TO_WEB, "IntegrationType": "HTTP"},
            "Currently, an API with a protocol type of HTTP may only be associated with proxy integrations "
            "(AWS_PROXY, HTTP_PROXY)",
        ),
        ({**TO_WEB, "PayloadFormatVersion": None}, "PayloadFormatVersion is a required parameter for integration"),
        ({**TO_WEB, "PayloadFormatVersion": "2.0"}, "PayloadFormatVersion 2.0 is not supported for this integration"),
        ({**TO_WEB, "PayloadFormatVersion": "3.0"}, "PayloadFormatVersion 3.0 is not supported for this integration"),
        ({**TO_WEB, "IntegrationUri": None}, URL),
        ({**TO_WEB, "IntegrationUri": "ftp://example.org"}, URL),
        ({**TO_WEB, "IntegrationUri": "https://{host}/x"}, URL),
        ({**TO_WEB, "IntegrationUri": "https://user@example.org"}, URL),
        ({**TO_WEB, "IntegrationUri": "https://example.org/a b"}, URL),
        ({**TO_WEB, "IntegrationMethod": "FETCH"}, "Invalid HTTP method specified"),
        ({**TO_WEB, "IntegrationMethod": None}, "Invalid HTTP method specified"),
        ({**TO_WEB, "ConnectionType": "VPC_LINK"}, "ConnectionId is required for a VPC_LINK connection"),
        ({**TO_WEB, "ConnectionType": "VPC_LINK", "ConnectionId": "a"}, ARN),
        ({**TO_WEB, "CredentialsArn": "role"}, ARN),
        ({**TO_WEB, "CredentialsArn": FUNCTION}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": None}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": "orders"}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": ROLE}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": FUNCTION.replace("us-east-1", "eu-west-1")}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": FUNCTION_URI.replace("us-east-1:lambda", "eu-west-1:lambda")}, ARN),
        ({**TO_FUNCTION, "IntegrationUri": FUNCTION_URI.replace("/invocations", "")}, ARN),
        (
            {**TO_FUNCTION, "RequestParameters": {"append:header.x": "y"}},
            "Parameter mappings of requests are not supported for Lambda function integrations",
        ),
        (
            {**TO_WEB, "RequestTemplates": {"application/json": "x"}},
            "Request templates are not supported on protocolType HTTP",
        ),
        ({**TO_WEB, "RequestParameters": {"header.x": "y"}}, "Invalid mapping expression specified: header.x"),
        ({**TO_WEB, "RequestParameters": {"overwrite:header.Host:": "y"}}, None),
        (
            {**TO_WEB, "RequestParameters": {"overwrite:header.Authorization": "y"}},
            "Operations on header Authorization are restricted",
        ),
        (
            {**TO_WEB, "ResponseParameters": {"200": {"append:header.x-amzn-y": "y"}}},
            "Operations on header x-amzn-y are restricted",
        ),
        (
            {**TO_WEB, "ResponseParameters": {"200": {"append:querystring.x": "y"}}},
            "Invalid mapping expression specified: append:querystring.x",
        ),
        (
            {**TO_WEB, "ResponseParameters": {"20": {"append:header.x": "y"}}},
            "Invalid status code specified in response parameters: 20",
        ),
        (
            {**TO_WEB, "ResponseParameters": {"600": {"append:header.x": "y"}}},
            "Invalid status code specified in response parameters: 600",
        ),
        ({**TO_QUEUE, "IntegrationSubtype": "S3-Put"}, "Invalid integration subtype specified: S3-Put"),
        ({**TO_QUEUE, "CredentialsArn": None}, "CredentialsArn is required for service integrations"),
        (
            {**TO_QUEUE, "RequestParameters": {"QueueUrl": "q"}},
            "Missing required request parameters of SQS-SendMessage: MessageBody",
        ),
    ],
)
def test_what_no_integration_can_be_is_refused(
    client: Client, api: HttpApi, members: dict[str, Any], message: str | None
) -> None:
    """Reference 3.5; data plane 6.11, 6.13. None: any words."""
    given = {name: value for name, value in members.items() if value is not None}

    code, told = refusal(client.create_integration, ApiId=api.id, **given)

    assert code == BAD
    assert message in (None, told)


@pytest.mark.parametrize(
    "members",
    [
        {**TO_WEB, "IntegrationUri": "https://${stageVariables.host}/x"},
        {**TO_WEB, "IntegrationUri": "${stageVariables.url}/x"},
        {**TO_FUNCTION, "IntegrationUri": FUNCTION_URI.replace("orders", "${stageVariables.name}")},
        {**TO_WEB, "RequestParameters": {"overwrite:path": "$request.path", "remove:querystring.a": "''"}},
        {**TO_WEB, "ResponseParameters": {"404": {"overwrite:statuscode": "200"}}},
        {**TO_FUNCTION, "CredentialsArn": "arn:aws:iam::*:user/*"},
        {**TO_FUNCTION, "PayloadFormatVersion": "1.0"},
        TO_QUEUE,
    ],
)
def test_what_an_integration_can_be_is_stored(client: Client, api: HttpApi, members: dict[str, Any]) -> None:
    made = client.create_integration(ApiId=api.id, **members)

    assert {name: made[name] for name in members} == members


def test_mappings_merge_and_an_empty_value_takes_one_away(client: Client, api: HttpApi) -> None:
    where = {
        "ApiId": api.id,
        "IntegrationId": api.integration(
            RequestParameters={"append:header.a": "1", "append:header.b": "2"},
            ResponseParameters={"200": {"append:header.a": "1"}, "404": {"append:header.a": "1"}},
        ),
    }

    client.update_integration(**where, RequestParameters={"append:header.a": "", "append:header.c": "3"})
    client.update_integration(**where, ResponseParameters={"200": {"append:header.b": "2"}, "404": {}})

    found = client.get_integration(**where)
    assert found["RequestParameters"] == {"append:header.b": "2", "append:header.c": "3"}
    assert found["ResponseParameters"] == {"200": {"append:header.a": "1", "append:header.b": "2"}}
    client.update_integration(**where, RequestParameters={"append:header.b": "", "append:header.c": ""})
    assert "RequestParameters" not in client.get_integration(**where)


def test_an_integration_in_use_is_not_deleted(client: Client, api: HttpApi) -> None:
    integration = api.integration()
    route = api.route(Target=f"integrations/{integration}")
    where = {"ApiId": api.id, "IntegrationId": integration}

    assert refusal(client.delete_integration, **where) == (
        CONFLICT,
        f"Cannot delete Integration because it is referenced by the following Routes with Ids: [{route}]",
    )
    client.delete_route(ApiId=api.id, RouteId=route)
    assert client.delete_integration(**where) == {}
    assert refusal(client.get_integration, **where) == (
        "NotFoundException",
        "Invalid Integration identifier specified",
    )


# routes


def test_a_route_is_answered_whole(client: Client, api: HttpApi) -> None:
    made = client.create_route(ApiId=api.id, RouteKey="GET /orders/{id}")

    assert len(made["RouteId"]) == 7
    assert made == {
        "ApiKeyRequired": False,
        "AuthorizationType": "NONE",
        "RouteId": made["RouteId"],
        "RouteKey": "GET /orders/{id}",
    }


@pytest.mark.parametrize(
    "key",
    [
        "$default",
        "ANY /",
        "GET /a",
        "GET /a/{b}/c",
        "OPTIONS /{proxy+}",
        "PATCH /a.b-c_d~e:f@g",
        "DELETE /ü",
        "HEAD /a/{b-c}",
    ],
)
def test_route_keys(client: Client, api: HttpApi, key: str) -> None:
    assert client.create_route(ApiId=api.id, RouteKey=key)["RouteKey"] == key


@pytest.mark.parametrize(
    "key",
    [
        "GET",
        "/a",
        "GET a",
        "get /a",
        "FETCH /a",
        "GET  /a",
        "GET /a/",
        "GET //a",
        "GET /a{b}",
        "GET /{b}c",
        "GET /{a+}/b",
        "GET /{a}/{a}",
        "GET /{}",
        "GET /a?b=c",
        "GET /a b",
        "GET /a\nb",
        "$connect",
        "default",
    ],
)
def test_what_is_no_route_key_is_refused(client: Client, api: HttpApi, key: str) -> None:
    assert refusal(client.create_route, ApiId=api.id, RouteKey=key) == (BAD, FORM)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("GET /a", "GET /a", "Route with key GET /a already exists for this API"),
        ("$default", "$default", "Route with key $default already exists for this API"),
        (
            "GET /a/{d}/c",
            "GET /a/{b}/c",
            'The provided route key "GET /a/{b}/c" has a conflicting variable on the same hierarchical level '
            'as "GET /a/{d}/c"',
        ),
        ("GET /a/{d}/c", "POST /a/{b}/c", None),
        ("GET /a/{b}", "GET /a/{proxy+}", None),
        ("GET /a", "ANY /a", None),
    ],
)
def test_two_routes_of_one_api(client: Client, api: HttpApi, first: str, second: str, message: str | None) -> None:
    """Reference 3.5; data plane 2.3: a variable and a greedy one may stand side by side."""
    api.route(first)
    other = api.route("PUT /elsewhere")

    if message is None:
        api.route(second)
    else:
        assert refusal(client.create_route, ApiId=api.id, RouteKey=second) == (CONFLICT, message)
        assert refusal(client.update_route, ApiId=api.id, RouteId=other, RouteKey=second) == (CONFLICT, message)


def test_what_a_route_cannot_enforce_is_refused(client: Client, api: HttpApi) -> None:
    jwt, lambda_ = api.authorizer(), _function_authorizer(api)
    jwt_text = "Invalid authorizer ID specified. Setting the authorization type to JWT requires a valid JWT authorizer."
    custom_text = (
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
        "requires a valid authorizer."
    )
    scopes = {"AuthorizationScopes": ["a/b"]}

    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"AuthorizationType": "JWT"}, jwt_text),
        ({"AuthorizationType": "JWT", "AuthorizerId": "abc123"}, jwt_text),
        ({"AuthorizationType": "JWT", "AuthorizerId": lambda_}, jwt_text),
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": jwt}, custom_text),
        ({"AuthorizerId": jwt}, "Unable to update route. Authorizer type is invalid or null."),
        (scopes, "Authorization scopes are only supported with a JWT authorizer"),
        (
            {"AuthorizationType": "CUSTOM", "AuthorizerId": lambda_, **scopes},
            "Authorization scopes are only supported with a JWT authorizer",
        ),
        (
            {"AuthorizationType": "JWT", "AuthorizerId": jwt, "AuthorizationScopes": [f"a/{n}" for n in range(11)]},
            "A route takes at most 10 authorization scopes",
        ),
        ({"ApiKeyRequired": True}, "API keys are not supported on protocolType HTTP"),
        ({"RequestModels": {"application/json": "M"}}, "Request models are not supported on protocolType HTTP"),
        (
            {"RequestParameters": {"route.request.header.x": {"Required": True}}},
            "Request parameters are not supported on protocolType HTTP",
        ),
        ({"Target": "integrations/abc1234"}, "Invalid Integration identifier specified"),
        ({"Target": "https://example.org"}, "Invalid Integration identifier specified"),
    )
    route = api.route("GET /known")
    for members, message in cases:
        assert refusal(client.create_route, ApiId=api.id, RouteKey="GET /x", **members) == (BAD, message)
        assert refusal(client.update_route, ApiId=api.id, RouteId=route, **members) == (BAD, message)
    assert refusal(client.create_route, ApiId=api.id, RouteKey="") == (BAD, "Route key is required")


def test_an_authorizer_stays_until_the_type_is_none(client: Client, api: HttpApi) -> None:
    """Reference 3.5: leaving both members out keeps the authorizer."""
    route = api.served(AuthorizationType="JWT", AuthorizerId=api.authorizer(), AuthorizationScopes=["a/b"])
    where = {"ApiId": api.id, "RouteId": route}

    kept = client.update_route(**where, OperationName="op")
    assert (kept["AuthorizationType"], kept["AuthorizationScopes"]) == ("JWT", ["a/b"])

    freed = client.update_route(**where, AuthorizationType="NONE")
    assert freed["AuthorizationType"] == "NONE"
    assert not {"AuthorizerId", "AuthorizationScopes"} & freed.keys()


# authorizers


def _function_authorizer(api: HttpApi, **members: Any) -> str:
    return api.authorizer(
        **{
            "Name": "function",
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": FUNCTION_URI,
            "AuthorizerPayloadFormatVersion": "2.0",
            "JwtConfiguration": None,
            **members,
        }
    )


def test_a_jwt_authorizer_is_answered_whole(client: Client, api: HttpApi) -> None:
    authorizer_id = api.authorizer()

    assert len(authorizer_id) == 6
    assert client.get_authorizer(ApiId=api.id, AuthorizerId=authorizer_id) == {
        "AuthorizerId": authorizer_id,
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Audience": ["client"], "Issuer": ISSUER},
        "Name": "jwt",
    }


@pytest.mark.parametrize(
    ("issuer", "accepted"),
    [
        (ISSUER, True),
        (ISSUER + "/", True),
        ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Zzz999abc", True),
        ("https://issuer.example", True),
        ("https://issuer.example:8443/realms/x", True),
        ("http://localhost:8080/realms/x", True),
        ("http://127.0.0.1:8080", True),
        ("http://issuer.example", False),
        ("issuer.example", False),
        ("https://", False),
        ("https://[", False),
        ("https://issuer.example:99999", False),
        ("https://user@issuer.example", False),
        ("https://issuer.example?x=y", False),
        ("https://issuer.example#x", False),
        ("https://issuer.example/a b", False),
        ("https://issuer.example/\r\nx", False),
        ("ftp://issuer.example", False),
        ("https://cognito-idp.us-east-1.amazonaws.com", False),
        ("https://cognito-idp.us-east-1.amazonaws.com/eu-west-1_Abc123xyz", False),
        ("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc123xyz/x", False),
        ("http://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc123xyz", False),
    ],
)
def test_issuers(client: Client, api: HttpApi, issuer: str, accepted: bool) -> None:
    """Design, "What is refused when it is made": malformed ones; an Amazon-form issuer without a pool is foreign."""
    configuration = {"Issuer": issuer, "Audience": ["a"]}

    if accepted:
        made = api.authorizer(JwtConfiguration=configuration)
        found = client.get_authorizer(ApiId=api.id, AuthorizerId=made)
        assert found["JwtConfiguration"]["Issuer"] == issuer
    else:
        message = f"Invalid issuer: {issuer}. Issuer must be an https URL"
        assert refusal(api.authorizer, JwtConfiguration=configuration) == (BAD, message)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"JwtConfiguration": None}, "JwtConfiguration.Issuer is required for JWT authorizer"),
        ({"JwtConfiguration": {"Audience": ["a"]}}, "JwtConfiguration.Issuer is required for JWT authorizer"),
        ({"JwtConfiguration": {"Issuer": ISSUER}}, "JwtConfiguration.Audience is required for JWT authorizer"),
        (
            {"JwtConfiguration": {"Issuer": ISSUER, "Audience": [str(n) for n in range(51)]}},
            "A JWT authorizer takes at most 50 audiences",
        ),
        ({"IdentitySource": []}, None),
        ({"IdentitySource": ["$request.header.a", "$request.header.b"]}, None),
        ({"IdentitySource": ["$request.body.a"]}, None),
        ({"IdentitySource": ["method.request.header.Authorization"]}, None),
        ({"AuthorizerUri": FUNCTION_URI}, "AuthorizerUri is not supported for JWT authorizer"),
    ],
)
def test_what_no_jwt_authorizer_can_be_is_refused(api: HttpApi, members: dict[str, Any], message: str | None) -> None:
    code, told = refusal(api.authorizer, **members)

    assert code == BAD
    assert message in (None, told)


def test_a_function_authorizer_is_answered_whole(client: Client, api: HttpApi) -> None:
    authorizer_id = _function_authorizer(api)

    assert client.get_authorizer(ApiId=api.id, AuthorizerId=authorizer_id) == {
        "AuthorizerId": authorizer_id,
        "AuthorizerPayloadFormatVersion": "2.0",
        "AuthorizerResultTtlInSeconds": 0,
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": FUNCTION_URI,
        "EnableSimpleResponses": False,
        "IdentitySource": ["$request.header.Authorization"],
        "Name": "function",
    }


def _no_uri(uri: str) -> str:
    return (
        f"Invalid Authorizer URI: {uri}. "
        "Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"AuthorizerPayloadFormatVersion": None},
            "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
        ),
        ({"AuthorizerPayloadFormatVersion": "3.0"}, "AuthorizerPayloadFormatVersion must be 1.0 or 2.0"),
        (
            {"AuthorizerPayloadFormatVersion": "1.0", "EnableSimpleResponses": True},
            "EnableSimpleResponses is only supported for payload format version 2.0",
        ),
        ({"AuthorizerUri": None}, _no_uri("null")),
        ({"AuthorizerUri": FUNCTION}, _no_uri(FUNCTION)),
        ({"AuthorizerUri": FUNCTION_URI.replace("orders", "a b")}, None),
        ({"AuthorizerCredentialsArn": "role"}, ARN),
        ({"JwtConfiguration": {"Issuer": ISSUER}}, "JwtConfiguration is not supported for REQUEST authorizer"),
        (
            {"IdentitySource": [], "AuthorizerResultTtlInSeconds": 5},
            "An identity source is required when caching is enabled",
        ),
        ({"IdentitySource": ["header.x"]}, "Invalid identity source specified"),
    ],
)
def test_what_no_function_authorizer_can_be_is_refused(
    api: HttpApi, members: dict[str, Any], message: str | None
) -> None:
    code, told = refusal(_function_authorizer, api=api, **members)

    assert code == BAD
    assert message in (None, told)


def test_names_of_authorizers_are_unique(client: Client, api: HttpApi) -> None:
    api.authorizer()
    other = api.authorizer(Name="other")
    taken = (BAD, "Authorizer name must be unique. Authorizer jwt already exists in this RestApi.")

    assert refusal(api.authorizer) == taken
    assert refusal(client.update_authorizer, ApiId=api.id, AuthorizerId=other, Name="jwt") == taken


def test_an_authorizer_in_use_keeps_its_type_and_stays(client: Client, api: HttpApi) -> None:
    authorizer = api.authorizer()
    route = api.served("POST /pdf/generate", AuthorizationType="JWT", AuthorizerId=authorizer)
    where = {"ApiId": api.id, "AuthorizerId": authorizer}
    to_function = {
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": FUNCTION_URI,
        "AuthorizerPayloadFormatVersion": "2.0",
    }

    assert refusal(client.delete_authorizer, **where) == (
        CONFLICT,
        "Cannot delete authorizer 'jwt', is referenced in route: POST /pdf/generate",
    )
    assert refusal(client.update_authorizer, **where, **to_function)[0] == CONFLICT
    changed = client.update_authorizer(**where, JwtConfiguration={"Audience": ["b"]})
    assert changed["JwtConfiguration"] == {"Issuer": ISSUER, "Audience": ["b"]}

    client.update_route(ApiId=api.id, RouteId=route, AuthorizationType="NONE")
    assert "JwtConfiguration" not in client.update_authorizer(**where, **to_function)
    assert client.delete_authorizer(**where) == {}
