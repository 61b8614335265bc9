"""Lambda authorizers with real functions, over real HTTP: REST and HTTP APIs."""

import itertools
import json
from typing import Any

import pytest

from tests.people import make_people
from tests.server import REGION, Server, make_function
from tests.wire.gateways import RestApi

DECIDES = """
def handler(event, context):
    token = event.get("authorizationToken") or event["headers"].get("authorization", "")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "broken":
        raise Exception("broken")
    arn = event.get("methodArn") or event["routeArn"]
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow" if token == "allow" else "Deny", "Resource": arn}
    return {
        "principalId": "caller",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"tier": "gold"},
    }
"""
SHOWS = """
import itertools
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}
"""


_NUMBERS = itertools.count()


def functions(server: Server) -> tuple[str, str]:
    """(authorizer's ARN, backend's ARN), both invocable by the gateway."""
    arns = []
    for name, code in (("decides", DECIDES), ("shows", SHOWS)):
        arns.append(make_function(server, f"{name}-{next(_NUMBERS)}", code))
        server.aws("lambda").add_permission(
            FunctionName=arns[-1],
            StatementId="gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
    return arns[0], arns[1]


def uri(function_arn: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


@pytest.fixture
def rest(server: Server) -> tuple[str, str]:
    """(path of a REST API, its authorizer function)."""
    authorizer, backend = functions(server)
    api = server.aws("apigateway")
    api_id = api.create_rest_api(name="asked")["id"]
    root = api.get_resources(restApiId=api_id)["items"][0]["id"]
    authorizer_id = api.create_authorizer(
        restApiId=api_id,
        name="ask",
        type="TOKEN",
        authorizerUri=uri(authorizer),
        identitySource="method.request.header.Authorization",
    )["id"]
    where = {"restApiId": api_id, "resourceId": root, "httpMethod": "GET"}
    api.put_method(**where, authorizationType="CUSTOM", authorizerId=authorizer_id)
    api.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri(backend))
    api.create_deployment(restApiId=api_id, stageName="prod")
    return f"/_aws/execute-api/{api_id}/prod/", authorizer


@pytest.fixture
def http_url(server: Server) -> str:
    authorizer, backend = functions(server)
    api = server.aws("apigatewayv2")
    api_id = api.create_api(Name="asked", ProtocolType="HTTP")["ApiId"]
    authorizer_id = api.create_authorizer(
        ApiId=api_id,
        Name="ask",
        AuthorizerType="REQUEST",
        AuthorizerUri=uri(authorizer),
        AuthorizerPayloadFormatVersion="2.0",
        IdentitySource=["$request.header.Authorization"],
    )["AuthorizerId"]
    integration = api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=backend, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    api.create_route(
        ApiId=api_id,
        RouteKey="GET /",
        Target=f"integrations/{integration}",
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer_id,
    )
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return f"/_aws/execute-api/{api_id}/"


def test_rest(server: Server, rest: tuple[str, str]) -> None:
    def call(token: str | None) -> tuple[int, Any]:
        answer = server.http("GET", rest[0], headers={} if token is None else {"Authorization": token})
        return answer.status_code, json.loads(answer.text)

    status, told = call("allow")
    assert status == 200, told
    assert type(told.pop("integrationLatency")) is int
    assert told == {"principalId": "caller", "tier": "gold"}
    assert call("allow")[1]["integrationLatency"] == 0
    assert call(None) == (401, {"message": "Unauthorized"})
    assert call("unauthorized") == (401, {"message": "Unauthorized"})
    assert call("broken") == (500, {"message": None})
    denied = "User is not authorized to access this resource with an explicit deny in an identity-based policy"
    assert call("other") == (403, {"Message": denied})


def test_an_authorizer_is_tested_without_a_call(server: Server, rest: tuple[str, str]) -> None:
    """Reference, control plane, "TestInvokeAuthorizer"."""
    api, api_id = server.aws("apigateway"), rest[0].split("/")[3]
    (authorizer,) = api.get_authorizers(restApiId=api_id)["items"]

    def ask(**headers: str) -> Any:
        answer = api.test_invoke_authorizer(restApiId=api_id, authorizerId=authorizer["id"], headers=headers)
        return {**answer, "policy": json.loads(answer.get("policy", "null"))}

    said = ask(authorization="other")

    arn = f"arn:aws:execute-api:{REGION}:000000000000:{api_id}/ESTestInvoke-stage/GET/"
    assert (said["clientStatus"], said["principalId"], said["authorization"]) == (0, "caller", {"tier": ["gold"]})
    assert said["policy"]["Statement"] == [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": arn}]
    first, second, *_, last, end = said["log"].split("\n")
    assert first.startswith("Execution log for request ")
    assert f"Starting authorizer: {authorizer['id']} for request: " in second
    assert last.endswith(" : Successfully completed authorizer execution")
    assert end == ""
    assert [ask(**each)["clientStatus"] for each in ({}, {"Authorization": "broken"})] == [401, 500]


def test_a_user_pools_authorizer_is_tested_too(server: Server) -> None:
    people = make_people(server)
    people.user("ada")
    tokens = people.tokens(people.client())
    rest_api = RestApi(server)
    pool = server.aws("cognito-idp").describe_user_pool(UserPoolId=people.pool_id)["UserPool"]
    authorizer = rest_api.client.create_authorizer(
        restApiId=rest_api.id,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[pool["Arn"]],
        identitySource="method.request.header.Authorization",
    )
    where = {"restApiId": rest_api.id, "authorizerId": authorizer["id"]}

    def ask(token: str) -> Any:
        return rest_api.client.test_invoke_authorizer(**where, multiValueHeaders={"Authorization": [token]})

    good, bad = ask(tokens["IdToken"]), ask(tokens["AccessToken"])

    assert (good["clientStatus"], good["claims"]["cognito:username"]) == (0, "ada")
    assert bad["clientStatus"] == 401
    assert tokens["AccessToken"] not in bad["log"]


def test_http(server: Server, http_url: str) -> None:
    def call(token: str | None) -> tuple[int, Any]:
        answer = server.http("GET", http_url, headers={} if token is None else {"Authorization": token})
        return answer.status_code, json.loads(answer.text)

    assert call("allow") == (200, {"lambda": {"tier": "gold"}})
    assert call(None) == (401, {"message": "Unauthorized"})
    assert call("unauthorized") == (401, {"message": "Unauthorized"})
    assert call("broken") == (500, {"message": "Internal Server Error"})
    assert call("other") == (403, {"message": "Forbidden"})


def test_an_authorizer_that_the_gateway_may_not_invoke_lets_nobody_in(server: Server, rest: tuple[str, str]) -> None:
    path, authorizer = rest
    server.aws("lambda").remove_permission(FunctionName=authorizer, StatementId="gateway")

    answer = server.http("GET", path, headers={"Authorization": "allow"})

    assert (answer.status_code, answer.text) == (500, '{"message":null}')
    assert answer.headers["x-amzn-errortype"] == "AuthorizerConfigurationException"
