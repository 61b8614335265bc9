"""Whatever the model lets through is answered or refused: never a fault of ours."""

import contextlib
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from tests.rooms.apigateway.anything import Requests
from tests.rooms.apigateway.driver import REGION, Client
from tests.rooms.apigatewayv2.driver import FUNCTION, FUNCTION_URI, HTTP, ISSUER, ROLE, HttpApi, http_client

WORDS: Final = (
    "",
    "/",
    "-1",
    "1",
    "1.0",
    "2.0",
    "x",
    "*",
    "{}",
    "[" * 5000,
    "GET /x/{id}",
    "ANY /{proxy+}",
    "$default",
    "$request.header.x",
    "${stageVariables.x}",
    "append:header.x",
    "overwrite:path",
    "200",
    "HTTP_PROXY",
    "POST",
    "SQS-SendMessage",
    "https://[",
    "https://[::1",
    "https://x:99999999",
    "http://x",
    "https://x/\u2028",
    ISSUER,
    FUNCTION,
    FUNCTION_URI,
    ROLE,
    '{"openapi": "3.0.1", "info": {"title": "x"}, "paths": {}}',
    "9" * 400,
    "\ud7ff\U0010ffff",
)


class World:
    """One API with a part of every kind, for requests to hit."""

    def __init__(self, client: Client) -> None:
        self.client = client
        api = HttpApi(client)
        authorizer = api.authorizer()
        integration = api.integration()
        target = f"integrations/{integration}"
        route = api.route("GET /a/{id}", Target=target, AuthorizationType="JWT", AuthorizerId=authorizer)
        deployment = client.create_deployment(ApiId=api.id)["DeploymentId"]
        api.stage("prod", DeploymentId=deployment)
        api.stage("$default", AutoDeploy=True)
        model = client.create_model(ApiId=api.id, Name="Pet", Schema="{}")["ModelId"]
        quick = HttpApi(client, Target="https://example.org/")
        arn = f"arn:aws:apigateway:{REGION}::/apis/{api.id}"
        labels = {
            "ApiId": (api.id, quick.id),
            "AuthorizerId": (authorizer,),
            "IntegrationId": (integration,),
            "RouteId": (route,),
            "DeploymentId": (deployment,),
            "StageName": ("prod", "$default"),
            "ModelId": (model,),
            "ResourceArn": (arn, f"{arn}/stages/prod"),
            "Target": (target, "https://example.org/y", FUNCTION),
            "ProtocolType": ("HTTP",),
        }
        self.requests = Requests(HTTP, WORDS, labels)


WORLD: Final = World(http_client())


@pytest.mark.parametrize("name", sorted(HTTP.functions))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_request_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    """The driver holds every answer to the model's shapes; nothing is kept: every request meets the same world."""
    request = data.draw(WORLD.requests.request(name))

    with WORLD.client.rolled_back(), contextlib.suppress(AwsError):
        getattr(WORLD.client, name)(**request)
