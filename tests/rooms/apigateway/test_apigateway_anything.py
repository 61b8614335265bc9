"""Whatever the model lets through is answered or refused: never a fault of ours."""

import contextlib
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from tests.rooms.apigateway.anything import Requests
from tests.rooms.apigateway.driver import ACCOUNT, FUNCTION_URI, POOL_ARN, REGION, REST, Api, Client

WORDS: Final = (
    "",
    "/",
    "~",
    "true",
    "-1",
    "1.5",
    "nan",
    "x",
    "\x00",
    "{",
    "{}",
    "[]",
    '{"issuers": [{}]}',
    "{id}",
    "application/json",
    "'x'",
    "method.request.header.x",
    POOL_ARN,
    FUNCTION_URI,
    "http://x",
    "https://[",
    f"arn:aws:iam::{ACCOUNT}:role/x",
    "a:b",
    "9" * 400,
    "\ud7ff\U0010ffff",
)
PATHS: Final = (
    "",
    "/",
    "x",
    "/name",
    "/description",
    "/binaryMediaTypes/a~1b",
    "/minimumCompressionSize",
    "/endpointConfiguration/types/0",
    "/endpointConfiguration/ipAddressType",
    "/endpointConfiguration/vpcEndpointIds",
    "/policy",
    "/pathPart",
    "/parentId",
    "/authorizationType",
    "/authorizerId",
    "/authorizationScopes",
    "/requestValidatorId",
    "/requestParameters/method.request.header.x",
    "/requestParameters/integration.request.header.x",
    "/requestModels/application~1json",
    "/responseParameters/method.response.header.x",
    "/responseParameters/gatewayresponse.header.x",
    "/responseTemplates/application~1json",
    "/statusCode",
    "/uri",
    "/timeoutInMillis",
    "/cacheKeyParameters/x",
    "/contentHandling",
    "/selectionPattern",
    "/type",
    "/identitySource",
    "/providerARNs",
    "/authorizerResultTtlInSeconds",
    "/jwtConfiguration",
    "/schema",
    "/deploymentId",
    "/variables",
    "/variables/x",
    "/canarySettings",
    "/canarySettings/percentTraffic",
    "/canarySettings/stageVariableOverrides",
    "/canarySettings/stageVariableOverrides/x",
    "/accessLogSettings",
    "/accessLogSettings/format",
    "/*/*",
    "/*/*/throttling/rateLimit",
    "/x/GET/throttling/burstLimit",
    "/apiStages",
    "/apiStages/a:b/throttle",
    "/apiStages/a:b/throttle/~1x/GET/rateLimit",
    "/quota/limit",
    "/quota",
    "/throttle/rateLimit",
    "/stages",
    "/properties",
    "/cloudwatchRoleArn",
    "/features",
)


class World:
    """One API with a part of every kind, for requests to hit."""

    def __init__(self) -> None:
        self.client = Client()
        api = Api(self.client)
        child = api.resource("a", "{id}")
        authorizer = api.authorizer()
        api.method(child, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)
        api.integration(child)
        where = {"restApiId": api.id, "resourceId": child, "httpMethod": "GET", "statusCode": "200"}
        self.client.put_method_response(**where)
        self.client.put_integration_response(**where)
        validator = self.client.create_request_validator(restApiId=api.id, name="v")["id"]
        deployment = api.deployed("prod")
        stage = {"apiId": api.id, "stage": "prod"}
        plan = self.client.create_usage_plan(name="p", apiStages=[stage])["id"]
        key = self.client.create_api_key()["id"]
        self.client.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
        part = self.client.create_documentation_part(restApiId=api.id, location={"type": "API"}, properties="{}")["id"]
        self.client.create_documentation_version(restApiId=api.id, documentationVersion="d")
        labels = {
            "restApiId": (api.id,),
            "cloneFrom": (api.id,),
            "resourceId": (api.root, child),
            "parentId": (api.root, child),
            "httpMethod": ("GET", "POST"),
            "statusCode": ("200",),
            "authorizerId": (authorizer,),
            "requestValidatorId": (validator,),
            "deploymentId": (deployment,),
            "stageName": ("prod",),
            "modelName": ("Empty", "Error"),
            "usagePlanId": (plan,),
            "apiKey": (key,),
            "keyId": (key,),
            "documentationPartId": (part,),
            "documentationVersion": ("d",),
            "resourceArn": (f"arn:aws:apigateway:{REGION}::/restapis/{api.id}",),
            "keyType": ("API_KEY",),
        }
        self.requests = Requests(REST, WORDS, labels, PATHS)


WORLD: Final = World()


@pytest.mark.parametrize("name", sorted(WORLD.client.operations))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_request_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    """The driver holds every answer to the model's shapes; nothing is kept: every request meets the same world."""
    request = data.draw(WORLD.requests.request(name))

    with WORLD.client.rolled_back(), contextlib.suppress(AwsError):
        getattr(WORLD.client, name)(**request)
