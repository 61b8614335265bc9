"""Whatever the model lets through is answered or refused: never a fault of ours."""

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import pytest
from botocore.model import Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from tests.rooms.apigateway.driver import ACCOUNT, FUNCTION_URI, MODEL, OPERATION_BY_NAME, POOL_ARN, REGION, Api, Client

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
        self.labels: Mapping[str, tuple[str, ...]] = {
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

    def request(self, name: str) -> st.SearchStrategy[dict[str, Any]]:
        return self.structure(MODEL.operation_model(OPERATION_BY_NAME[name]).input_shape)

    def structure(self, shape: Shape | None) -> st.SearchStrategy[dict[str, Any]]:
        if shape is None:
            return st.just({})
        required = {name: self.member(name, shape.members[name]) for name in shape.required_members}
        optional = {name: self.member(name, member) for name, member in shape.members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)

    def member(self, name: str, shape: Shape) -> st.SearchStrategy[Any]:
        if name in self.labels:
            return st.sampled_from(self.labels[name]) | st.sampled_from(WORDS[-2:])
        if name == "path":
            return st.sampled_from(PATHS)
        return self.value(shape)

    def value(self, shape: Shape) -> st.SearchStrategy[Any]:
        if getattr(shape, "enum", None):
            return st.sampled_from(shape.enum)
        match shape.type_name:
            case "structure":
                return self.structure(shape)
            case "list":
                return st.lists(self.value(shape.member), max_size=3)
            case "map":
                return st.dictionaries(st.sampled_from(WORDS), self.value(shape.value), max_size=3)
            case "boolean":
                return st.booleans()
            case "integer" | "long":
                return st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 25, 300, 1000])
            case "blob":
                return st.binary(max_size=20) | st.sampled_from([word.encode() for word in WORDS])
            case "double":
                return st.floats(allow_nan=False, allow_infinity=False)
            case _:
                return st.sampled_from(WORDS)


WORLD: Final = World()


@pytest.mark.parametrize("name", sorted(WORLD.client.operations))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_request_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    """The driver holds every answer to the model's shapes; nothing is kept: every request meets the same world."""
    request = data.draw(WORLD.request(name))

    with WORLD.client.rolled_back(), contextlib.suppress(AwsError):
        getattr(WORLD.client, name)(**request)
