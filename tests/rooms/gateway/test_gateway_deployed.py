"""What is deployed, closed and throttled: compilation from stored documents, plans and warnings."""

from typing import Any

import pytest

from scopegate.gateway import compile as gateway_compile
from scopegate.gateway import queries
from scopegate.store.port import Change
from tests.rooms.gateway.driver import (
    FUNCTION,
    Gateway,
    Pool,
    cognito_authorizer,
    cognito_method,
    jwt_authorizer,
    jwt_route,
    lambda_method,
)

POOL = Pool("AAAAAAAAA")


def proxy(**integration: Any) -> dict[str, Any]:
    return {
        "methodIntegration": {"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://web.example/", **integration}
    }


def aws_proxy(**integration: Any) -> dict[str, Any]:
    method = lambda_method()
    method["methodIntegration"] |= integration
    return method


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (lambda_method(authorizationType="CUSTOM", authorizerId="x"), "authorizer x does not exist"),
        (lambda_method(authorizationType="COGNITO_USER_POOLS", authorizerId="x"), "authorizer x does not exist"),
        (lambda_method(authorizationType="SOMETHING"), "SOMETHING authorization is not built yet"),
        (lambda_method(requestValidatorId="gone"), "request validator gone does not exist"),
        ({"methodIntegration": {"type": "AWS"}}, "AWS integrations are not built yet"),
        ({}, "the route has no integration"),
        (proxy(connectionType="VPC_LINK"), "VPC links are not built yet"),
        (proxy(uri="http://{host}/x"), "invalid endpoint address"),
        (proxy(uri="http://a{x}.example/"), "invalid endpoint address"),
        (proxy(uri="http://${stageVariables.none}/x"), "invalid endpoint address"),
        (proxy(uri="ftp://x/"), "invalid endpoint address"),
        (proxy(uri="http://x:81/"), "port 81"),
        (proxy(uri="http://user@x/"), "invalid endpoint address"),
        (proxy(contentHandling="CONVERT_TO_TEXT"), "contentHandling"),
        (proxy(requestParameters={"integration.request.header.Content-Length": "'1'"}), "may not be mapped"),
        (proxy(requestParameters={"integration.request.header.X": "method.request.body.$..a"}), "JSON path"),
        (proxy(requestParameters={"integration.request.header.X": "nonsense"}), "mapping source"),
        (aws_proxy(requestParameters={"integration.request.header.Authorization": "'x'"}), "may not be mapped"),
        (aws_proxy(uri="arn:aws:apigateway:us-east-1:sqs:path/000000000000/q"), "names no function"),
        (aws_proxy(credentials="arn:aws:iam::*:user/*"), "credentials"),
        (aws_proxy(responseTransferMode="STREAM"), "streaming"),
    ],
)
def test_what_cannot_be_enforced_is_deployed_closed(method: dict[str, Any], reason: str) -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest({"/closed": {"GET": method}, "/works": {"GET": lambda_method()}})

    answer = gateway.call("GET", "/prod/closed", {"Authorization": POOL.access_token(), "x-api-key": "k"})

    assert answer.status == 500
    assert answer.body in (b'{"message":null}', b'{"message": "Internal server error"}')
    assert reason in gateway.record.reason
    assert gateway.record.decision == "DENY"
    assert not gateway.invoked.invocations
    (plan,) = [plan for plan in gateway_compile.plans(gateway.view) if plan.path == "/closed"]
    assert reason in plan.closed
    assert gateway.call("GET", "/prod/works").status == 200


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ({"AuthorizationType": "CUSTOM"}, "authorizer None does not exist"),
        (jwt_route(AuthorizerId="gone"), "authorizer gone does not exist"),
        (jwt_route(AuthorizerId="lambda"), "authorizer lambda is not of type JWT"),
        ({"Target": ""}, "the route has no integration"),
        ({"Target": "integrations/sqs"}, "service integrations"),
        ({"Target": "integrations/vpc"}, "VPC links are not built yet"),
        ({"Target": "integrations/mapped"}, "parameter mapping"),
    ],
)
def test_an_http_route_that_cannot_be_enforced_is_closed(route: dict[str, Any], reason: str) -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_http(
        {"GET /closed": route},
        {
            "fn": {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0"},
            "sqs": {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage"},
            "vpc": {"IntegrationType": "HTTP_PROXY", "ConnectionType": "VPC_LINK", "IntegrationUri": "arn:x"},
            "mapped": {
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": FUNCTION,
                "RequestParameters": {"append:header.x": "y"},
            },
        },
        authorizers=({"AuthorizerId": "lambda", "AuthorizerType": "REQUEST"},),
    )

    answer = gateway.call("GET", "/closed", {"Authorization": POOL.access_token()})

    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert reason in gateway.record.reason


def test_a_resource_policy_that_is_not_understood_closes_every_method() -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, api={"policy": '{"Statement":[]}'})

    assert gateway.call("GET", "/prod/o").status == 500
    assert "resource policy" in gateway.record.reason
    assert not gateway.invoked.invocations


def test_a_private_api_is_closed() -> None:
    """It is for VPC endpoints alone, which are not here."""
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, api={"endpointConfiguration": {"types": ["PRIVATE"]}})

    assert gateway.call("GET", "/prod/o").status == 500
    assert not gateway.invoked.invocations


def test_a_stage_that_cannot_be_compiled_is_closed_and_says_so() -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}})
    queries.put_part(gateway.tx, "api1234567", "deployment", "bad", {"snapshot": {"resources": [{}]}})  # type: ignore[arg-type]
    for name, deployment in (("broken", "bad"), ("lost", "none")):
        document = {"stageName": name, "deploymentId": deployment}
        queries.put_part(gateway.tx, "api1234567", "stage", name, document)  # type: ignore[arg-type]
    gateway.compile()

    assert gateway.call("GET", "/prod/o").status == 200
    for name in ("broken", "lost"):
        assert gateway.call("GET", f"/{name}/o").status == 500
        (plan,) = [plan for plan in gateway_compile.plans(gateway.view) if plan.stage == name]
        assert plan.closed


def test_only_what_changed_is_compiled_anew() -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}})
    gateway.put_http({"GET /o": {}}, api_id="api7654321")
    before = gateway.view
    queries.delete_api(gateway.tx, "api7654321")  # type: ignore[arg-type]

    after = gateway_compile.compile_changed(
        gateway.tx, before, [Change(1, "api", "api7654321"), Change(2, "user_pool", "x")], gateway.context
    )

    assert set(before.api_by_id) == {"api1234567", "api7654321"}
    assert after.api_by_id == {"api1234567": before.api_by_id["api1234567"]}


def test_a_stage_serves_its_deployment_and_not_the_draft() -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}})
    resource = {"id": "new", "path": "/new", "resourceMethods": {"GET": lambda_method()}}
    queries.put_part(gateway.tx, "api1234567", "resource", "new", resource)  # type: ignore[arg-type]
    gateway.compile()

    assert gateway.call("GET", "/prod/new").status == 403


def test_plans_show_every_route_with_its_authorizer() -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest(
        {"/o": {"GET": cognito_method("orders/read"), "POST": lambda_method()}}, authorizers=(cognito_authorizer(POOL),)
    )

    get, post = gateway_compile.plans(gateway.view, gateway.find_pool)

    assert (get.api_kind, get.stage, get.method, get.path) == ("REST", "prod", "GET", "/o")
    assert (get.authorizer, get.scopes, get.issuers) == ("COGNITO_USER_POOLS pool", ("orders/read",), (POOL.issuer,))
    assert get.integration == f"AWS_PROXY {FUNCTION}"
    assert (post.authorizer, post.scopes, post.closed) == ("open", (), "")


def test_plans_warn_of_pools_and_audiences_that_are_not_there() -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest({"/o": {"GET": cognito_method("a/b")}}, authorizers=(cognito_authorizer(Pool("GGGGGGGGG")),))
    (plan,) = gateway_compile.plans(gateway.view, gateway.find_pool)
    assert "does not exist" in plan.warnings[0]

    gateway.put_http({"GET /o": jwt_route()}, authorizers=(jwt_authorizer(POOL.issuer, "client1", "nobody"),))
    (plan,) = gateway_compile.plans(gateway.view, gateway.find_pool)
    assert plan.warnings == (f"audience nobody is no app client of {POOL.pool_id}",)

    gateway.put_http({"GET /o": jwt_route()}, authorizers=(jwt_authorizer("https://idp.example", "x"),))
    (plan,) = gateway_compile.plans(gateway.view, gateway.find_pool)
    assert "no user pool here" in plan.warnings[0]


def test_stage_settings_that_are_not_acted_on_are_warned_of() -> None:
    gateway = Gateway()
    gateway.put_rest(
        {"/o": {"GET": lambda_method()}},
        stage={
            "canarySettings": {"percentTraffic": 10.0},
            "methodSettings": {"*/*": {"cachingEnabled": True}},
            "clientCertificateId": "c1",
        },
        api={"minimumCompressionSize": 0},
    )

    (plan,) = gateway_compile.plans(gateway.view)

    assert [warning.split(" ")[0] for warning in plan.warnings] == [
        "compression", "canary", "response", "client",
    ]  # fmt: skip
    assert gateway.call("GET", "/prod/o").status == 200


@pytest.mark.parametrize(
    ("settings", "passed"),
    [
        ({"*/*": {"throttlingRateLimit": 0.0, "throttlingBurstLimit": 0}}, 0),
        ({"*/*": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 2}}, 2),
        ({"o/GET": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 1}, "*/*": {"throttlingRateLimit": 9.0}}, 1),
        ({"~1o/GET": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 1}}, 1),
        ({"o/POST": {"throttlingRateLimit": 0.0, "throttlingBurstLimit": 0}}, 4),
        ({"*/*": {"throttlingRateLimit": -1.0, "throttlingBurstLimit": -1}}, 4),
        ({"*/*": {"loggingLevel": "INFO"}}, 4),
    ],
)
def test_a_stage_throttles_its_methods(settings: dict[str, Any], passed: int) -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, stage={"methodSettings": settings})

    answers = [gateway.call("GET", "/prod/o") for _ in range(4)]

    assert [answer.status for answer in answers] == [200] * passed + [429] * (4 - passed)
    if passed < 4:
        assert answers[-1].body == b'{"message":"Too Many Requests"}'
        assert answers[-1].header("x-amzn-ErrorType") == "TooManyRequestsException"
        assert answers[-1].header("retry-after") is None


def test_an_http_stage_throttles_before_it_authorizes() -> None:
    gateway = Gateway(pools=[POOL])
    settings = {"GET /o": {"ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0}}
    stage = {"StageName": "$default", "RouteSettings": settings, "DefaultRouteSettings": {"ThrottlingRateLimit": 10.0}}
    gateway.put_http(
        {"GET /o": jwt_route(), "GET /p": jwt_route()},
        authorizers=(jwt_authorizer(POOL.issuer, "client1"),),
        stages=(stage,),
    )

    answer = gateway.call("GET", "/o")

    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert gateway.call("GET", "/p").status == 401
