"""Authorizers: what each type needs, and what is refused (reference, control plane, 1.4, 2.2, 3.3, 3.4)."""

import json
from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, FUNCTION_URI, POOL_ARN, REGION, Api, Client, as_patches, refusal

HEADER = "method.request.header.Authorization"
FOREIGN_POOL = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_Foreign12"
URI_REFUSED = "Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
MAPPING = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "


def cognito(**members: Any) -> dict[str, Any]:
    return {
        "name": "a",
        "type": "COGNITO_USER_POOLS",
        "providerARNs": [POOL_ARN],
        "identitySource": HEADER,
        **members,
    }


def token(**members: Any) -> dict[str, Any]:
    return {"name": "a", "type": "TOKEN", "authorizerUri": FUNCTION_URI, "identitySource": HEADER, **members}


def jwt(**members: Any) -> dict[str, Any]:
    issuer = {"issuer": "https://issuer.example.com/", "audiences": ["orders"], **members.pop("issuer", {})}
    configuration = {"issuers": [issuer], "defaultAlgorithms": ["RS256"]}
    return {"name": "a", "type": "JWT", "identitySource": HEADER, "jwtConfiguration": configuration, **members}


def without(member: str, members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name != member}


def function_uri(text: str) -> str:
    return FUNCTION_URI.replace(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders", text)


@pytest.mark.parametrize(
    ("members", "auth_type"),
    [
        (cognito(), {"authType": "cognito_user_pools"}),
        (cognito(providerARNs=[POOL_ARN, FOREIGN_POOL]), {"authType": "cognito_user_pools"}),
        (cognito(identityValidationExpression="app.*"), {"authType": "cognito_user_pools"}),
        (token(), {"authType": "custom"}),
        (token(authType="oauth2", authorizerResultTtlInSeconds=0), {}),
        (token(authorizerCredentials=f"arn:aws:iam::{ACCOUNT}:role/x"), {"authType": "custom"}),
        (
            token(authorizerUri=function_uri(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:a:live")),
            {"authType": "custom"},
        ),
        (token(authorizerUri=function_uri("${stageVariables.fn}")), {"authType": "custom"}),
        (token(type="REQUEST", identitySource=f"{HEADER}, stageVariables.x,context.path"), {"authType": "custom"}),
        (
            without("identitySource", token(type="REQUEST", authorizerResultTtlInSeconds=0)),
            {"authType": "custom"},
        ),
        (jwt(), {}),
    ],
)
def test_a_good_authorizer_comes_back_as_given(api: Api, members: dict[str, Any], auth_type: dict[str, str]) -> None:
    """The time to live stays absent when it is not given."""
    authorizer = api.client.create_authorizer(restApiId=api.id, **members)

    assert authorizer == {"id": authorizer["id"], **auth_type, **members}
    assert api.client.get_authorizer(restApiId=api.id, authorizerId=authorizer["id"]) == authorizer
    assert api.client.get_authorizers(restApiId=api.id) == {"items": [authorizer]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (without("identitySource", cognito()), "Invalid Authorizer: identitySource is required"),
        (without("identitySource", token()), "Invalid Authorizer: identitySource is required"),
        (without("identitySource", token(type="REQUEST")), "Invalid Authorizer: identitySource is required"),
        (
            cognito(identitySource="method.request.querystring.t"),
            f"{MAPPING}[Invalid mapping expression specified: method.request.querystring.t]",
        ),
        (
            cognito(identitySource=f"{HEADER},{HEADER}"),
            f"{MAPPING}[Invalid mapping expression specified: {HEADER},{HEADER}]",
        ),
        (
            token(type="REQUEST", identitySource="method.request.path.id"),
            f"{MAPPING}[Invalid mapping expression specified: method.request.path.id]",
        ),
        (cognito(providerARNs=["no-arn"]), "Invalid ARN specified in the request"),
        (cognito(providerARNs=[POOL_ARN.replace("userpool/", "pool/")]), "Invalid ARN specified in the request"),
        (cognito(providerARNs=[POOL_ARN + "/extra"]), "Invalid ARN specified in the request"),
        (
            cognito(providerARNs=[POOL_ARN + "X"]),
            f"Invalid Authorizer: user pool {POOL_ARN}X does not exist",
        ),
        (
            cognito(providerARNs=[FOREIGN_POOL, POOL_ARN + "X"]),
            f"Invalid Authorizer: user pool {POOL_ARN}X does not exist",
        ),
        (without("authorizerUri", token()), f"Invalid Authorizer URI: null. {URI_REFUSED}"),
        (token(authorizerUri="https://x"), f"Invalid Authorizer URI: https://x. {URI_REFUSED}"),
        (
            token(authorizerUri=FUNCTION_URI.replace(REGION, "nowhere", 1)),
            f"Invalid Authorizer URI: {FUNCTION_URI.replace(REGION, 'nowhere', 1)}. {URI_REFUSED}",
        ),
        (
            token(authorizerUri=FUNCTION_URI.replace("arn:aws:apigateway", "arn:aws-cn:apigateway")),
            f"Invalid Authorizer URI: {FUNCTION_URI.replace('arn:aws:apigateway', 'arn:aws-cn:apigateway')}. "
            f"{URI_REFUSED}",
        ),
        (token(authorizerUri=function_uri("orders")), "Invalid lambda function"),
        (token(authorizerCredentials="role"), "Invalid ARN specified in the request"),
        (token(authorizerResultTtlInSeconds=3601), "Authorizer result TTL must be between 0 and 3600 seconds"),
        (token(authorizerResultTtlInSeconds=-1), "Authorizer result TTL must be between 0 and 3600 seconds"),
        (token(identityValidationExpression="("), "Invalid identity validation expression specified: ("),
        (token(name=""), "Authorizer name cannot be empty"),
    ],
)
def test_a_bad_authorizer_is_refused(api: Api, members: dict[str, Any], message: str) -> None:
    assert refusal(api.client.create_authorizer, restApiId=api.id, **members) == ("BadRequestException", message)


@pytest.mark.parametrize("providers", [{}, {"providerARNs": []}, {"providerARNs": [POOL_ARN] * 1001}])
def test_a_cognito_authorizer_has_between_one_and_a_thousand_pools(api: Api, providers: dict[str, Any]) -> None:
    members = {**without("providerARNs", cognito()), **providers}

    assert refusal(api.client.create_authorizer, restApiId=api.id, **members)[0] == "BadRequestException"


@pytest.mark.parametrize(
    "members",
    [
        without("jwtConfiguration", jwt()),
        without("identitySource", jwt()),
        jwt(identitySource=f"{HEADER},{HEADER}"),
        jwt(authorizerUri=FUNCTION_URI),
        jwt(providerARNs=[POOL_ARN]),
        jwt(authorizerResultTtlInSeconds=300),
        jwt(issuer={"issuer": "issuer.example.com"}),
        jwt(issuer={"issuer": "http://issuer.example.com"}),
        jwt(issuer={"issuer": "https://user@issuer.example.com"}),
        jwt(issuer={"issuer": "https://issuer.example.com/?a=b"}),
        jwt(issuer={"issuer": "https://issuer.example.com/#a"}),
        jwt(issuer={"issuer": "https://[::1"}),
        jwt(issuer={"audiences": []}),
        jwt(issuer={"additionalClaims": [{"claimName": "iss", "format": "SINGLE_STRING"}]}),
        jwt(issuer={"additionalClaims": [{"claimName": "a", "format": "SINGLE_STRING"}] * 2}),
    ],
)
def test_a_bad_jwt_authorizer_is_refused(api: Api, members: dict[str, Any]) -> None:
    """Reference 3.4."""
    assert refusal(api.client.create_authorizer, restApiId=api.id, **members)[0] == "BadRequestException"


def test_names_are_unique_in_an_api(api: Api) -> None:
    api.client.create_authorizer(restApiId=api.id, **cognito())

    assert refusal(api.client.create_authorizer, restApiId=api.id, **token()) == (
        "BadRequestException",
        "Authorizer name must be unique. Authorizer a already exists in this RestApi.",
    )
    Api(api.client).authorizer(name="a")


def test_an_unknown_api_is_a_concurrent_modification(client: Client) -> None:
    assert refusal(client.create_authorizer, restApiId="unknown", **cognito()) == (
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
    )


@pytest.mark.parametrize("operation", ["get_authorizer", "update_authorizer", "delete_authorizer"])
def test_an_unknown_authorizer_is_not_found(api: Api, operation: str) -> None:
    assert refusal(getattr(api.client, operation), restApiId=api.id, authorizerId="unknown") == (
        "NotFoundException",
        "Invalid Authorizer identifier specified",
    )


@pytest.mark.parametrize(("parts", "shown"), [((), "GET//"), (("test",), "GET//test")])
def test_an_authorizer_in_use_stays(api: Api, parts: tuple[str, ...], shown: str) -> None:
    authorizer = api.authorizer()
    resource = api.resource(*parts)
    api.method(resource, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)

    assert refusal(api.client.delete_authorizer, restApiId=api.id, authorizerId=authorizer) == (
        "ConflictException",
        f"Cannot delete authorizer 'pool', is referenced in method: {shown}",
    )

    api.client.delete_method(restApiId=api.id, resourceId=resource, httpMethod="GET")
    api.client.delete_authorizer(restApiId=api.id, authorizerId=authorizer)
    assert api.client.get_authorizers(restApiId=api.id) == {"items": []}


def test_the_quota_of_authorizers_binds_with_aws_quotas() -> None:
    strict = Api(Client(aws_quotas=True))
    for number in range(10):
        strict.authorizer(name=f"a{number}")

    refused = refusal(strict.client.create_authorizer, restApiId=strict.id, **cognito())

    assert refused[0] == "LimitExceededException"


# Patch operations


def change(api: Api, authorizer_id: str, *operations: tuple[str, ...]) -> Any:
    return api.client.update_authorizer(
        restApiId=api.id, authorizerId=authorizer_id, patchOperations=as_patches(*operations)
    )


def change_refusal(api: Api, authorizer_id: str, *operations: tuple[str, ...]) -> tuple[str, str | None]:
    patches = as_patches(*operations)
    return refusal(api.client.update_authorizer, restApiId=api.id, authorizerId=authorizer_id, patchOperations=patches)


def test_pools_are_added_first_and_then_removed(api: Api) -> None:
    authorizer = api.authorizer()

    changed = change(api, authorizer, ("add", "/providerARNs", FOREIGN_POOL), ("remove", "/providerARNs", POOL_ARN))

    assert changed["providerARNs"] == [FOREIGN_POOL]
    assert change_refusal(api, authorizer, ("remove", "/providerARNs", FOREIGN_POOL))[0] == "BadRequestException"
    assert change_refusal(api, authorizer, ("add", "/providerARNs", POOL_ARN + "X"))[0] == "BadRequestException"


def test_members_of_an_authorizer_change(api: Api) -> None:
    authorizer = api.client.create_authorizer(restApiId=api.id, **token())["id"]

    changed = change(
        api,
        authorizer,
        ("replace", "/name", "b"),
        ("replace", "/type", "REQUEST"),
        ("replace", "/authorizerResultTtlInSeconds", "0"),
        ("add", "/identitySource", "context.path"),
        ("remove", "/identitySource", HEADER),
        ("replace", "/identityValidationExpression", "x.*"),
        ("replace", "/authType", "oauth2"),
    )

    assert changed == {
        "id": authorizer,
        "name": "b",
        "type": "REQUEST",
        "authType": "oauth2",
        "authorizerUri": FUNCTION_URI,
        "authorizerResultTtlInSeconds": 0,
        "identitySource": "context.path",
        "identityValidationExpression": "x.*",
    }


def test_a_jwt_configuration_is_replaced_whole(api: Api) -> None:
    authorizer = api.client.create_authorizer(restApiId=api.id, **jwt())["id"]
    configuration = {
        "issuers": [{"issuer": "https://other.example.com", "audiences": ["a"]}],
        "defaultAlgorithms": ["ES256"],
    }

    changed = change(api, authorizer, ("replace", "/jwtConfiguration", json.dumps(configuration)))

    assert changed["jwtConfiguration"] == configuration
    configuration["issuers"][0]["jwksUri"] = "https://other.example.com/keys"
    for text in (json.dumps(configuration), "{}", "[]", "null", "{", '{"issuers": [1], "defaultAlgorithms": []}'):
        assert change_refusal(api, authorizer, ("replace", "/jwtConfiguration", text))[0] == "BadRequestException"


@pytest.mark.parametrize(
    "operation",
    [
        ("replace", "/providerARNs", POOL_ARN),
        ("add", "/name", "x"),
        ("replace", "/name", ""),
        ("replace", "/type", "WRONG"),
        ("replace", "/type", "TOKEN"),
        ("replace", "/authorizerResultTtlInSeconds", "3601"),
        ("replace", "/authorizerResultTtlInSeconds", "x"),
        ("replace", "/identitySource", ""),
        ("replace", "/identitySource", "nonsense"),
        ("replace", "/unknown", "x"),
    ],
)
def test_a_bad_change_leaves_the_authorizer(api: Api, operation: tuple[str, ...]) -> None:
    authorizer = api.authorizer()
    before = api.client.get_authorizer(restApiId=api.id, authorizerId=authorizer)

    assert change_refusal(api, authorizer, operation)[0] == "BadRequestException"
    assert api.client.get_authorizer(restApiId=api.id, authorizerId=authorizer) == before
