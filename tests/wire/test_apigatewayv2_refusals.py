"""Refusals of HTTP APIs' operations by boto3, each with code, status and AWS's words; answers that agree as JSON.

Source: reference, control plane, 1.5, 3.1, 3.5, 5.9 and 6.
"""

import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.server import ACCOUNT, REGION, Server
from tests.wire.test_apigatewayv2 import refused, signed

BAD, GONE, TAKEN = ("BadRequestException", 400), ("NotFoundException", 404), ("ConflictException", 409)
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
JWT: dict[str, Any] = {
    "Name": "jwt",
    "AuthorizerType": "JWT",
    "IdentitySource": ["$request.header.Authorization"],
    "JwtConfiguration": {"Issuer": "https://issuer.example", "Audience": ["a"]},
}
REQUEST: dict[str, Any] = {
    "Name": "function",
    "AuthorizerType": "REQUEST",
    "AuthorizerUri": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
    "AuthorizerPayloadFormatVersion": "2.0",
    "IdentitySource": [],
}
WEB: dict[str, Any] = {
    "IntegrationType": "HTTP_PROXY",
    "IntegrationMethod": "GET",
    "IntegrationUri": "https://web.example",
    "PayloadFormatVersion": "1.0",
}
FORM = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)
NO_JWT = "Invalid authorizer ID specified. Setting the authorization type to JWT requires a valid JWT authorizer."


class Made:
    """An API with one part of each kind: a route `GET /a/{b}` with a JWT authorizer, deployed at `$default`."""

    def __init__(self, server: Server) -> None:
        self.client = server.aws("apigatewayv2")
        self.api = str(self.client.create_api(Name="made", ProtocolType="HTTP")["ApiId"])
        create = self.client
        self.integration = str(create.create_integration(ApiId=self.api, **WEB)["IntegrationId"])
        self.authorizer = str(create.create_authorizer(ApiId=self.api, **JWT)["AuthorizerId"])
        self.lambda_ = str(create.create_authorizer(ApiId=self.api, **REQUEST)["AuthorizerId"])
        self.route = str(
            create.create_route(
                ApiId=self.api,
                RouteKey="GET /a/{b}",
                Target=f"integrations/{self.integration}",
                AuthorizationType="JWT",
                AuthorizerId=self.authorizer,
            )["RouteId"]
        )
        self.model = str(create.create_model(ApiId=self.api, Name="Pet", Schema="{}")["ModelId"])
        self.deployment = str(create.create_deployment(ApiId=self.api)["DeploymentId"])
        create.create_stage(ApiId=self.api, StageName="$default", DeploymentId=self.deployment)

    @property
    def names(self) -> dict[str, str]:
        return {
            "api": self.api, "integration": self.integration, "authorizer": self.authorizer, "lambda": self.lambda_,
            "route": self.route, "model": self.model, "deployment": self.deployment,
        }  # fmt: skip


@pytest.fixture(scope="module")
def made(server: Server) -> Made:
    return Made(server)


def filled(value: Any, names: dict[str, str]) -> Any:
    """`<route>` and the like in a request or a text become the ids of the API at hand."""
    if isinstance(value, str):
        for name, made in names.items():
            value = value.replace(f"<{name}>", made)
        return value
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return {key: filled(item, names) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("operation", "request_", "error", "message"),
    [
        ("create_api", {"Name": "x", "ProtocolType": "FTP"}, BAD,
         "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]"),
        ("create_api", {"Name": "x", "ProtocolType": "HTTP",
                        "CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}}, BAD,
         "allow-credentials is not supported if 'allow-origin' is *"),
        ("create_api", {"Name": "x", "ProtocolType": "HTTP", "CorsConfiguration": {"AllowOrigins": ["null"]}}, BAD,
         "Invalid format for origin null"),
        ("update_api", {"ApiId": "<api>", "CorsConfiguration": {"AllowOrigins": ["https://*.example.com"]}}, BAD,
         "Invalid format for origin https://*.example.com"),
        ("update_api", {"ApiId": "nothere123"}, GONE, f"Invalid API identifier specified {ACCOUNT}:nothere123"),
        ("create_route", {"ApiId": "<api>", "RouteKey": ""}, BAD, "Route key is required"),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET a"}, BAD, FORM),
        ("create_route", {"ApiId": "<api>", "RouteKey": "$connect"}, BAD, FORM),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /a/{b}"}, TAKEN,
         "Route with key GET /a/{b} already exists for this API"),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /a/{c}"}, TAKEN,
         'The provided route key "GET /a/{c}" has a conflicting variable on the same hierarchical level '
         'as "GET /a/{b}"'),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /x", "AuthorizationType": "JWT"}, BAD, NO_JWT),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /x", "AuthorizationType": "JWT",
                          "AuthorizerId": "<lambda>"}, BAD, NO_JWT),
        ("update_route", {"ApiId": "<api>", "RouteId": "<route>", "AuthorizationType": "CUSTOM"}, BAD,
         "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a "
         "valid authorizer."),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /x", "AuthorizerId": "<authorizer>"}, BAD,
         "Unable to update route. Authorizer type is invalid or null."),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /x", "AuthorizationScopes": ["a/b"]}, BAD,
         "Authorization scopes are only supported with a JWT authorizer"),
        ("create_route", {"ApiId": "<api>", "RouteKey": "GET /x", "Target": "integrations/abc1234"}, BAD,
         "Invalid Integration identifier specified"),
        ("update_route", {"ApiId": "<api>", "RouteId": "abc1234"}, GONE, "Invalid Route identifier specified"),
        ("delete_route", {"ApiId": "<api>", "RouteId": "<integration>"}, GONE, "Invalid Route identifier specified"),
        ("create_integration", {"ApiId": "<api>", "IntegrationType": "MOCK"}, BAD,
         "Currently, an API with a protocol type of HTTP may only be associated with proxy integrations "
         "(AWS_PROXY, HTTP_PROXY)"),
        ("create_integration", {"ApiId": "<api>", "IntegrationType": "HTTP_PROXY"}, BAD,
         "PayloadFormatVersion is a required parameter for integration"),
        ("create_integration", {"ApiId": "<api>", "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
                                "IntegrationUri": FUNCTION.replace(REGION, "eu-west-1")}, BAD,
         "Invalid ARN specified in the request"),
        ("create_integration", {"ApiId": "<api>", **WEB, "IntegrationUri": "https://{host}/"}, BAD,
         "Invalid HTTP endpoint specified for URI"),
        ("create_integration", {"ApiId": "<api>", **WEB,
                                "RequestParameters": {"overwrite:header.Authorization": "x"}}, BAD,
         "Operations on header Authorization are restricted"),
        ("delete_integration", {"ApiId": "<api>", "IntegrationId": "<integration>"}, TAKEN,
         "Cannot delete Integration because it is referenced by the following Routes with Ids: [<route>]"),
        ("get_integration", {"ApiId": "<api>", "IntegrationId": "abc1234"}, GONE,
         "Invalid Integration identifier specified"),
        ("create_authorizer", {"ApiId": "<api>", **JWT, "Name": "x", "JwtConfiguration": {
            "Issuer": "http://issuer.example", "Audience": ["a"]}}, BAD,
         "Invalid issuer: http://issuer.example. Issuer must be an https URL"),
        ("create_authorizer", {"ApiId": "<api>", **{k: v for k, v in REQUEST.items()
                                                    if k != "AuthorizerPayloadFormatVersion"}, "Name": "x"}, BAD,
         "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer"),
        ("delete_authorizer", {"ApiId": "<api>", "AuthorizerId": "<authorizer>"}, TAKEN,
         "Cannot delete authorizer 'jwt', is referenced in route: GET /a/{b}"),
        ("get_authorizer", {"ApiId": "<api>", "AuthorizerId": "abc123"}, GONE,
         "Invalid Authorizer identifier specified"),
        ("create_stage", {"ApiId": "<api>", "StageName": "$default"}, TAKEN, "Stage already exists"),
        ("create_stage", {"ApiId": "<api>", "StageName": "x", "AutoDeploy": True, "DeploymentId": "<deployment>"}, BAD,
         "Deployment ID cannot be set on stage because AutoDeploy is set to true"),
        ("create_stage", {"ApiId": "<api>", "StageName": "x",
                          "DefaultRouteSettings": {"LoggingLevel": "INFO"}}, BAD,
         "Execution logs are not supported on protocolType HTTP"),
        ("update_stage", {"ApiId": "<api>", "StageName": "$default",
                          "RouteSettings": {"GET /x": {"ThrottlingBurstLimit": 1}}}, GONE,
         "Unable to find Route by key GET /x within the provided RouteSettings"),
        ("get_stage", {"ApiId": "<api>", "StageName": "x"}, GONE, "Invalid stage identifier specified"),
        ("create_deployment", {"ApiId": "<api>", "StageName": "x"}, GONE, "Invalid stage identifier specified"),
        ("delete_deployment", {"ApiId": "<api>", "DeploymentId": "<deployment>"}, BAD,
         "Active stages pointing to this deployment must be moved or deleted"),
        ("get_deployment", {"ApiId": "<api>", "DeploymentId": "abc123"}, GONE,
         "Invalid Deployment identifier specified"),
        ("create_model", {"ApiId": "<api>", "Name": "Pet", "Schema": "{}"}, TAKEN,
         "Model name already exists for this Api: Pet"),
        ("get_model", {"ApiId": "<api>", "ModelId": "abc123"}, GONE, "Invalid Model identifier specified"),
        ("get_tags", {"ResourceArn": f"arn:aws:apigateway:{REGION}::/apis/<api>/routes/<route>"}, BAD,
         "Invalid resource identifier specified"),
        ("tag_resource", {"ResourceArn": f"arn:aws:apigateway:{REGION}::/apis/<api>", "Tags": {"aws:x": "1"}}, BAD,
         "Invalid tag key specified: aws:x"),
    ],
)  # fmt: skip
def test_every_refusal_has_its_code_status_and_words(
    made: Made, operation: str, request_: dict[str, Any], error: tuple[str, int], message: str
) -> None:
    before = made.client.get_route(ApiId=made.api, RouteId=made.route)

    told = refused(getattr(made.client, operation), **filled(request_, made.names))

    assert told == (*error, filled(message, made.names))
    after = made.client.get_route(ApiId=made.api, RouteId=made.route)
    for answer in (before, after):
        answer.pop("ResponseMetadata")
    assert before == after


def test_an_api_without_routes_is_not_deployed(server: Server) -> None:
    client = server.aws("apigatewayv2")
    api = client.create_api(Name="empty", ProtocolType="HTTP")["ApiId"]

    text = "Unable to deploy API because no routes exist in this API"
    assert refused(client.create_deployment, ApiId=api) == (*BAD, text)
    client.create_route(ApiId=api, RouteKey="GET /x")
    text = "Unable to deploy API because no valid routes exist in this API"
    assert refused(client.create_deployment, ApiId=api) == (*BAD, text)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", "BadRequestException",
         "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; "
         "Value null at 'protocolType' failed to satisfy constraint: Member must not be null"),
        (b'{"name":"x"}', "BadRequestException",
         "1 validation error detected: Value null at 'protocolType' failed to satisfy constraint: "
         "Member must not be null"),
        (b'{"name":1,"protocolType":"HTTP"}', "SerializationException",
         "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"),
        (b'{"name":true,"protocolType":"HTTP"}', "SerializationException",
         "class java.lang.Boolean can not be converted to an String"),
        (b'{"name":"x","protocolType":"HTTP","ipAddressType":"ipv5"}', "BadRequestException",
         "1 validation error detected: Value 'ipv5' at 'ipAddressType' failed to satisfy constraint: "
         "Member must satisfy enum value set: [ipv4, dualstack]"),
        (b'{"name":', "SerializationException", None),
    ],
)  # fmt: skip
def test_bodies_that_the_model_does_not_take(server: Server, body: bytes, error: str, message: str | None) -> None:
    request = AWSRequest("POST", server.url + "/v2/apis", {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials("test", "test"), "apigateway", REGION).add_auth(request)

    answer = server.http("POST", "/v2/apis", headers=dict(request.headers.items()), data=body)

    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, error)
    assert answer.json().get("message") == message


def test_an_operation_that_is_not_built_names_itself(made: Made) -> None:
    code, status, message = refused(made.client.export_api, ApiId=made.api, OutputType="JSON", Specification="OAS30")

    assert (code, status) == ("NotImplementedException", 501)
    assert "ExportApi" in message


# answers that agree


def test_what_is_made_is_what_is_got_and_listed(server: Server) -> None:
    """As JSON: create, get, list and update answer with the same members, dates in ISO 8601, and never a null."""
    api = signed(server, "POST", "/v2/apis", {"name": "agree", "protocolType": "HTTP", "version": "1"}).json()
    base = f"/v2/apis/{api['apiId']}"
    web = {name[0].lower() + name[1:]: value for name, value in WEB.items()}
    jwt = {
        "name": "jwt", "authorizerType": "JWT", "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["a"]},
    }  # fmt: skip
    parts: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
        ("integrations", web, "integrationId", {"description": "d"}),
        ("authorizers", jwt, "authorizerId", {"name": "other"}),
        ("routes", {"routeKey": "GET /x", "target": "integrations/<integrationId>", "authorizationType": "JWT",
                    "authorizerId": "<authorizerId>", "authorizationScopes": ["a/b"]}, "routeId",
         {"operationName": "op"}),
        ("models", {"name": "Pet", "schema": "{}"}, "modelId", {"description": "d"}),
        ("deployments", {"description": "d"}, "deploymentId", {"description": "e"}),
        ("stages", {"stageName": "prod", "deploymentId": "<deploymentId>", "tags": {"a": "1"}}, "stageName",
         {"stageVariables": {"x": "1"}}),
    ]  # fmt: skip
    assert signed(server, "GET", base).json() == api
    ids: dict[str, str] = {}
    for kind, body, member, change in parts:
        made = signed(server, "POST", f"{base}/{kind}", filled(body, ids))
        assert made.status_code == 201
        ids[member] = made.json()[member]
        one = f"{base}/{kind}/{ids[member]}"
        assert signed(server, "GET", one).json() == made.json()
        assert signed(server, "GET", f"{base}/{kind}").json() == {"items": [made.json()]}
        changed = signed(server, "PATCH", one, change)
        assert changed.status_code == 200
        kept = {name: value for name, value in changed.json().items() if name not in (*change, "lastUpdatedDate")}
        assert kept == {name: value for name, value in made.json().items() if name not in (*change, "lastUpdatedDate")}
        assert {name: changed.json()[name] for name in change} == change
        assert signed(server, "GET", one).json() == changed.json()
        assert "null" not in changed.text
    assert made.json() == {
        "createdDate": made.json()["createdDate"],
        "defaultRouteSettings": {"detailedMetricsEnabled": False},
        "deploymentId": ids["deploymentId"],
        "lastUpdatedDate": made.json()["lastUpdatedDate"],
        "routeSettings": {},
        "stageName": "prod",
        "stageVariables": {},
        "tags": {"a": "1"},
    }


def test_tags_on_the_wire(server: Server) -> None:
    """Reference 5.9: 201 and `{}`, 200, 204; tags merge; a stage has its own."""
    api_id = signed(server, "POST", "/v2/apis", {"name": "t", "protocolType": "HTTP", "tags": {"a": "1"}}).json()[
        "apiId"
    ]
    signed(server, "POST", f"/v2/apis/{api_id}/stages", {"stageName": "prod", "tags": {"s": "1"}})
    of_api = f"arn%3Aaws%3Aapigateway%3A{REGION}%3A%3A%2Fapis%2F{api_id}"
    of_stage = f"{of_api}%2Fstages%2Fprod"

    for arn, own in ((of_api, "a"), (of_stage, "s")):
        tagged = signed(server, "POST", f"/v2/tags/{arn}", {"tags": {"b": "2"}})
        assert (tagged.status_code, tagged.json()) == (201, {})
        assert signed(server, "GET", f"/v2/tags/{arn}").json() == {"tags": {own: "1", "b": "2"}}
        untagged = signed(server, "DELETE", f"/v2/tags/{arn}?tagKeys={own}&tagKeys=nothing")
        assert (untagged.status_code, untagged.content) == (204, b"")
        assert signed(server, "GET", f"/v2/tags/{arn}").json() == {"tags": {"b": "2"}}
    assert json.loads(signed(server, "GET", f"/v2/apis/{api_id}").text)["tags"] == {"b": "2"}
