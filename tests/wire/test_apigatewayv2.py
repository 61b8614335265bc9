"""The control plane of HTTP APIs by boto3 and raw HTTP: statuses, answers as JSON, errors, and what goes live when."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.server import REGION, Pool, Server, make_pool

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """The URL of a web service that refuses connections: a port is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


@pytest.fixture
def http(server: Server) -> Any:
    return server.aws("apigatewayv2")


@pytest.fixture
def api_id(http: Any) -> str:
    return str(http.create_api(Name="orders", ProtocolType="HTTP")["ApiId"])


def integration(http: Any, api_id: str, uri: str, **members: Any) -> str:
    wanted = {
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "ANY",
        "IntegrationUri": uri,
        "PayloadFormatVersion": "1.0",
        **members,
    }
    return str(http.create_integration(ApiId=api_id, **wanted)["IntegrationId"])


def route(http: Any, api_id: str, uri: str, key: str, **members: Any) -> str:
    target = f"integrations/{integration(http, api_id, uri)}"
    return str(http.create_route(ApiId=api_id, RouteKey=key, Target=target, **members)["RouteId"])


def authorizer(http: Any, api_id: str, issuer: str, audience: str = "client", **members: Any) -> str:
    wanted = {
        "Name": "jwt",
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": issuer, "Audience": [audience]},
        **members,
    }
    return str(http.create_authorizer(ApiId=api_id, **wanted)["AuthorizerId"])


def status(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return response["Error"]["Code"], status(response), response["Error"]["Message"]


def signed(server: Server, method: str, path: str, body: Any = None) -> Any:
    """A request as an SDK signs it, its answer unread: what is on the wire."""
    data = b"" if body is None else json.dumps(body).encode()
    request = AWSRequest(method, server.url + path, {"Content-Type": "application/json"}, data)
    SigV4Auth(Credentials("test", "test"), "apigateway", REGION).add_auth(request)
    return server.http(method, path, headers=dict(request.headers.items()), data=data)


def live(server: Server, api_id: str, path: str, method: str = "GET", **more: Any) -> int:
    """The status of a call: 503 when it was let through to the web service that is not there."""
    return server.http(method, f"/_aws/execute-api/{api_id}{path}", **more).status_code


def test_every_operation_answers_with_awss_status(http: Any, nowhere: str) -> None:
    """Reference 6: create 201, get and update 200, delete 204, TagResource 201, ResetAuthorizersCache 204."""
    created = http.create_api(Name="statuses", ProtocolType="HTTP")
    in_api = {"ApiId": created["ApiId"]}
    arn = f"arn:aws:apigateway:{REGION}::/apis/{created['ApiId']}"
    web = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": nowhere}
    to = http.create_integration(**in_api, **web, PayloadFormatVersion="1.0")
    key = http.create_route(**in_api, RouteKey="GET /", Target=f"integrations/{to['IntegrationId']}")
    issuer = {"Issuer": "https://issuer.example", "Audience": ["a"]}
    source = ["$request.header.Authorization"]
    jwt = http.create_authorizer(
        **in_api, Name="a", AuthorizerType="JWT", IdentitySource=source, JwtConfiguration=issuer
    )
    deployment = http.create_deployment(**in_api)
    stage = http.create_stage(**in_api, StageName="$default", RouteSettings={"GET /": {"ThrottlingBurstLimit": 1}})
    model = http.create_model(**in_api, Name="Pet", Schema="{}")
    assert {status(each) for each in (created, to, key, jwt, deployment, stage, model)} == {201}

    parts: dict[str, dict[str, str]] = {
        "integration": {"IntegrationId": to["IntegrationId"]},
        "route": {"RouteId": key["RouteId"]},
        "authorizer": {"AuthorizerId": jwt["AuthorizerId"]},
        "deployment": {"DeploymentId": deployment["DeploymentId"]},
        "stage": {"StageName": "$default"},
        "model": {"ModelId": model["ModelId"]},
    }
    assert status(http.get_apis()) == 200
    assert status(http.get_api(**in_api)) == 200
    assert status(http.update_api(**in_api, Description="d")) == 200
    assert status(http.get_model_template(**in_api, **parts["model"])) == 200
    for kind, part in parts.items():
        assert status(getattr(http, f"get_{kind}s")(**in_api)) == 200
        assert status(getattr(http, f"get_{kind}")(**in_api, **part)) == 200
        assert status(getattr(http, f"update_{kind}")(**in_api, **part)) == 200

    assert status(http.tag_resource(ResourceArn=arn, Tags={"a": "1"})) == 201
    assert status(http.get_tags(ResourceArn=arn)) == 200
    assert status(http.untag_resource(ResourceArn=arn, TagKeys=["a"])) == 204
    assert status(http.reset_authorizers_cache(**in_api, **parts["stage"])) == 204
    assert status(http.delete_route_settings(**in_api, **parts["stage"], RouteKey="GET /")) == 204
    assert status(http.delete_access_log_settings(**in_api, **parts["stage"])) == 204
    assert status(http.delete_cors_configuration(**in_api)) == 204
    for kind in ("stage", "deployment", "route", "integration", "authorizer", "model"):
        assert status(getattr(http, f"delete_{kind}")(**in_api, **parts[kind])) == 204
    assert status(http.delete_api(**in_api)) == 204


def test_answers_are_whole_on_the_wire(server: Server) -> None:
    """Reference 1.5, 6: lower camel case, dates in ISO 8601, every member and none that AWS lacks, never a null."""
    answer = signed(server, "POST", "/v2/apis", {"name": "wire", "protocolType": "HTTP"})
    created = answer.json()
    api_id = created.pop("apiId")
    assert DATE.fullmatch(created.pop("createdDate"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    assert answer.headers["x-amzn-RequestId"]
    assert created == {
        "apiEndpoint": f"https://{api_id}.execute-api.{REGION}.amazonaws.com",
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "disableExecuteApiEndpoint": False,
        "ipAddressType": "ipv4",
        "name": "wire",
        "protocolType": "HTTP",
        "routeSelectionExpression": "$request.method $request.path",
        "tags": {},
    }

    base = f"/v2/apis/{api_id}"
    made = signed(
        server,
        "POST",
        f"{base}/integrations",
        {
            "integrationType": "AWS_PROXY",
            "integrationUri": f"arn:aws:lambda:{REGION}:000000000000:function:x",
            "payloadFormatVersion": "2.0",
        },
    ).json()
    integration_id = made.pop("integrationId")
    assert made == {
        "connectionType": "INTERNET",
        "integrationMethod": "POST",
        "integrationType": "AWS_PROXY",
        "integrationUri": f"arn:aws:lambda:{REGION}:000000000000:function:x",
        "payloadFormatVersion": "2.0",
        "timeoutInMillis": 30000,
    }

    target = f"integrations/{integration_id}"
    made = signed(server, "POST", f"{base}/routes", {"routeKey": "GET /x", "target": target}).json()
    route_id = made.pop("routeId")
    assert made == {"apiKeyRequired": False, "authorizationType": "NONE", "routeKey": "GET /x", "target": target}

    stage = signed(server, "POST", f"{base}/stages", {"stageName": "$default", "autoDeploy": True}).json()
    deployment_id = stage.pop("deploymentId")
    assert DATE.fullmatch(stage.pop("createdDate"))
    assert DATE.fullmatch(stage.pop("lastUpdatedDate"))
    assert stage == {
        "autoDeploy": True,
        "defaultRouteSettings": {"detailedMetricsEnabled": False},
        "lastDeploymentStatusMessage": f"Successfully deployed stage with deployment ID '{deployment_id}'",
        "routeSettings": {},
        "stageName": "$default",
        "stageVariables": {},
        "tags": {},
    }
    (deployment,) = signed(server, "GET", f"{base}/deployments").json()["items"]
    assert DATE.fullmatch(deployment.pop("createdDate"))
    assert deployment == {
        "autoDeployed": True,
        "deploymentId": deployment_id,
        "deploymentStatus": "DEPLOYED",
        "description": "Automatic deployment triggered by changes to the Api configuration",
    }
    assert signed(server, "GET", f"{base}/stages/%24default").json()["stageName"] == "$default"
    gone = signed(server, "DELETE", f"{base}/routes/{route_id}")
    assert (gone.status_code, gone.content) == (204, b"")


def test_refusals_on_the_wire(server: Server, http: Any, api_id: str) -> None:
    """Reference 3.1, 3.5, 6: `message`, the error type in its header."""
    answer = signed(server, "GET", "/v2/apis/nothere")
    assert (answer.status_code, answer.json()) == (
        404,
        {"message": "Invalid API identifier specified 000000000000:nothere"},
    )
    assert answer.headers["x-amzn-ErrorType"].partition(":")[0] == "NotFoundException"

    assert refused(http.create_api, Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a") == (
        "BadRequestException",
        400,
        "WebSocket APIs are not supported yet",
    )
    assert refused(http.create_route, ApiId=api_id, RouteKey="GET") == (
        "BadRequestException",
        400,
        "The provided route key is not formatted properly for HTTP protocol. "
        'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"',
    )
    http.create_route(ApiId=api_id, RouteKey="ANY /{proxy+}")
    assert refused(http.create_route, ApiId=api_id, RouteKey="ANY /{proxy+}") == (
        "ConflictException",
        409,
        "Route with key ANY /{proxy+} already exists for this API",
    )
    assert refused(http.update_integration, ApiId=api_id, IntegrationId="abc1234")[:2] == ("NotFoundException", 404)
    assert refused(http.get_stage, ApiId=api_id, StageName="none") == (
        "NotFoundException",
        404,
        "Invalid stage identifier specified",
    )


def test_a_rest_api_is_no_http_api_and_the_other_way_round(server: Server, http: Any, api_id: str) -> None:
    rest = server.aws("apigateway")
    rest_id = rest.create_rest_api(name="rest")["id"]

    assert refused(http.get_api, ApiId=rest_id)[:2] == ("NotFoundException", 404)
    assert refused(rest.get_rest_api, restApiId=api_id)[:2] == ("NotFoundException", 404)
    pinned = {"Name": "x", "ProtocolType": "HTTP", "Tags": {"_custom_id_": rest_id}}
    assert refused(http.create_api, **pinned)[:2] == ("ConflictException", 409)


def test_lists_are_paged_by_boto3s_paginators(server: Server, http: Any, api_id: str) -> None:
    """Attack U2: `nextToken` is sealed to its list."""
    for number in range(5):
        http.create_route(ApiId=api_id, RouteKey=f"GET /r{number}")

    pages = list(http.get_paginator("get_routes").paginate(ApiId=api_id, PaginationConfig={"PageSize": 2}))
    assert [len(page["Items"]) for page in pages] == [2, 2, 1]
    assert len({item["RouteId"] for page in pages for item in page["Items"]}) == 5

    token = http.get_routes(ApiId=api_id, MaxResults="1")["NextToken"]
    assert refused(http.get_integrations, ApiId=api_id, NextToken=token)[:2] == ("BadRequestException", 400)
    assert refused(http.get_routes, ApiId=api_id, NextToken="x")[:2] == ("BadRequestException", 400)
    assert refused(http.get_routes, ApiId=api_id, MaxResults="none")[2] == "Invalid maxResults value"


def test_o24_accounts_and_regions_do_not_see_each_other(server: Server, api_id: str) -> None:
    for stranger in (
        server.aws("apigatewayv2", region="eu-west-1"),
        server.aws("apigatewayv2", key="111122223333"),
    ):
        assert refused(stranger.get_api, ApiId=api_id)[:2] == ("NotFoundException", 404)
        assert refused(stranger.delete_api, ApiId=api_id)[:2] == ("NotFoundException", 404)
        assert refused(stranger.create_stage, ApiId=api_id, StageName="x")[:2] == ("NotFoundException", 404)
        assert api_id not in {each["ApiId"] for each in stranger.get_apis()["Items"]}


def test_a_pinned_id_is_the_apis_host(server: Server, http: Any, nowhere: str) -> None:
    pinned = http.create_api(Name="x", ProtocolType="HTTP", Target=nowhere, Tags={"_custom_id_": "pinned-by-wire"})

    assert pinned["ApiId"] == "pinned-by-wire"
    assert server.http("GET", "/", host=f"pinned-by-wire.execute-api.{REGION}.amazonaws.com").status_code == 503
    http.delete_api(ApiId="pinned-by-wire")
    assert server.http("GET", "/", host=f"pinned-by-wire.execute-api.{REGION}.amazonaws.com").status_code == 403


# what goes live when


def test_a_quick_create_is_live_at_once(server: Server, http: Any, nowhere: str) -> None:
    made = http.create_api(Name="quick", ProtocolType="HTTP", Target=nowhere)

    assert live(server, made["ApiId"], "/anything") == 503
    (stage,) = http.get_stages(ApiId=made["ApiId"])["Items"]
    assert (stage["AutoDeploy"], stage["ApiGatewayManaged"]) == (True, True)


def test_changes_are_live_at_once_where_the_stage_deploys_by_itself(
    server: Server, http: Any, api_id: str, nowhere: str
) -> None:
    """Reference 4.2, for routes and CORS; a stage that does not deploy by itself serves what it served."""
    first = route(http, api_id, nowhere, "GET /first")
    deployment = http.create_deployment(ApiId=api_id)["DeploymentId"]
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    http.create_stage(ApiId=api_id, StageName="still", DeploymentId=deployment)
    http.create_stage(ApiId=api_id, StageName="bare")

    assert [live(server, api_id, path) for path in ("/first", "/still/first", "/bare/first")] == [503, 503, 404]
    route(http, api_id, nowhere, "GET /second")
    assert [live(server, api_id, path) for path in ("/second", "/still/second")] == [503, 404]
    http.delete_route(ApiId=api_id, RouteId=first)
    assert [live(server, api_id, path) for path in ("/first", "/still/first")] == [404, 503]

    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    http.update_api(ApiId=api_id, CorsConfiguration={"AllowOrigins": ["https://app.example"]})
    assert live(server, api_id, "/second", "OPTIONS", headers=preflight) == 204
    assert live(server, api_id, "/still/second", "OPTIONS", headers=preflight) == 404
    http.delete_cors_configuration(ApiId=api_id)
    assert live(server, api_id, "/second", "OPTIONS", headers=preflight) == 404

    http.create_deployment(ApiId=api_id, StageName="still")
    assert live(server, api_id, "/still/second") == 503
    http.update_stage(ApiId=api_id, StageName="still", DeploymentId=deployment)
    assert live(server, api_id, "/still/second") == 404


def test_a_failing_automatic_deployment_keeps_the_old_one_live(
    server: Server, http: Any, api_id: str, nowhere: str
) -> None:
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    message = "Deployment attempt failed: Unable to deploy API because no routes exist in this API"
    assert http.get_stage(ApiId=api_id, StageName="$default")["LastDeploymentStatusMessage"] == message
    assert live(server, api_id, "/x") == 404

    last = route(http, api_id, nowhere, "GET /x")
    good = http.get_stage(ApiId=api_id, StageName="$default")["DeploymentId"]
    http.delete_route(ApiId=api_id, RouteId=last)

    stage = http.get_stage(ApiId=api_id, StageName="$default")
    assert (stage["DeploymentId"], stage["LastDeploymentStatusMessage"]) == (good, message)
    assert live(server, api_id, "/x") == 503


def test_stage_settings_are_live_without_a_deployment(server: Server, http: Any, api_id: str, nowhere: str) -> None:
    """Reference 4.2: 0 refuses every call; a route's settings replace the stage's, nothing is inherited."""
    for key in ("GET /a", "GET /b"):
        route(http, api_id, nowhere, key)
    deployment = http.create_deployment(ApiId=api_id)["DeploymentId"]
    http.create_stage(ApiId=api_id, StageName="prod", DeploymentId=deployment)
    where = {"ApiId": api_id, "StageName": "prod"}

    http.update_stage(**where, DefaultRouteSettings={"ThrottlingRateLimit": 0, "ThrottlingBurstLimit": 0})
    assert [live(server, api_id, path) for path in ("/prod/a", "/prod/b")] == [429, 429]
    http.update_stage(**where, RouteSettings={"GET /b": {"DetailedMetricsEnabled": True}})
    assert [live(server, api_id, path) for path in ("/prod/a", "/prod/b")] == [429, 503]
    http.delete_route_settings(**where, RouteKey="GET /b")
    assert live(server, api_id, "/prod/b") == 429


def test_a_stage_variable_is_live_without_a_deployment(server: Server, http: Any, api_id: str, nowhere: str) -> None:
    """The host of the web service comes from the stage: one that no name server knows, then one that refuses."""
    to = integration(http, api_id, "${stageVariables.url}/x")
    http.create_route(ApiId=api_id, RouteKey="GET /a", Target=f"integrations/{to}")
    deployment = http.create_deployment(ApiId=api_id)["DeploymentId"]
    http.create_stage(ApiId=api_id, StageName="prod", DeploymentId=deployment)

    assert live(server, api_id, "/prod/a") == 500, "without the variable there is no endpoint"
    http.update_stage(ApiId=api_id, StageName="prod", StageVariables={"url": nowhere.rstrip("/")})
    assert live(server, api_id, "/prod/a") == 503


def test_the_default_endpoint_can_be_disabled(server: Server, http: Any, nowhere: str) -> None:
    api_id = http.create_api(Name="x", ProtocolType="HTTP", Target=nowhere, DisableExecuteApiEndpoint=True)["ApiId"]

    answer = server.http("GET", f"/_aws/execute-api/{api_id}/x")

    assert (answer.status_code, answer.content) == (404, b'{"message":"Not Found"}')


# authorizers


def test_an_authorizer_of_a_pool_here_is_enforced_at_once(
    server: Server, http: Any, api_id: str, pool: Pool, nowhere: str
) -> None:
    client = pool.client()
    token = server.token(client).json()["access_token"]
    open_route = route(http, api_id, nowhere, "GET /x")
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert live(server, api_id, "/x") == 503

    jwt = authorizer(http, api_id, pool.issuer, client["ClientId"])
    http.update_route(
        ApiId=api_id,
        RouteId=open_route,
        AuthorizationType="JWT",
        AuthorizerId=jwt,
        AuthorizationScopes=["orders/read"],
    )
    bearer = {"Authorization": f"Bearer {token}"}
    assert [live(server, api_id, "/x"), live(server, api_id, "/x", headers=bearer)] == [401, 503]

    http.update_route(ApiId=api_id, RouteId=open_route, AuthorizationScopes=["orders/write"])
    assert live(server, api_id, "/x", headers=bearer) == 403
    http.update_authorizer(ApiId=api_id, AuthorizerId=jwt, JwtConfiguration={"Audience": ["other"]})
    assert live(server, api_id, "/x", headers=bearer) == 401
    assert refused(http.delete_authorizer, ApiId=api_id, AuthorizerId=jwt) == (
        "ConflictException",
        409,
        "Cannot delete authorizer 'jwt', is referenced in route: GET /x",
    )
    http.update_route(ApiId=api_id, RouteId=open_route, AuthorizationType="NONE")
    assert live(server, api_id, "/x") == 503


def test_an_amazon_issuer_without_a_pool_here_is_foreign(
    server: Server, http: Any, api_id: str, pool: Pool, nowhere: str
) -> None:
    """It is accepted when it is made, and admits nobody: its tokens cannot be made here."""
    elsewhere = f"https://cognito-idp.{REGION}.amazonaws.com/{REGION}_NotHere99"
    jwt = authorizer(http, api_id, elsewhere)
    route(http, api_id, nowhere, "GET /x", AuthorizationType="JWT", AuthorizerId=jwt)
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)

    answer = server.http("GET", f"/_aws/execute-api/{api_id}/x", headers={"Authorization": pool.access_token()})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer scope="" error="invalid_token" error_description="issuer does not match"'
    )


@pytest.mark.parametrize(
    "issuer",
    ["issuer.example", "http://issuer.example", "https://[", "https://cognito-idp.us-east-1.amazonaws.com/x"],
)
def test_a_malformed_issuer_is_refused(http: Any, api_id: str, issuer: str) -> None:
    code, http_status, message = refused(authorizer, http=http, api_id=api_id, issuer=issuer)

    assert (code, http_status) == ("BadRequestException", 400)
    assert message == f"Invalid issuer: {issuer}. Issuer must be an https URL"


def test_o24_a_pool_of_another_account_admits_by_its_own_tokens_only(
    server: Server, http: Any, api_id: str, nowhere: str
) -> None:
    """Attack O24: the token of one pool opens no route of another, whatever its scopes."""
    mine, theirs = make_pool(server, "mine"), make_pool(server, "theirs")
    client, other = mine.client(), theirs.client()
    jwt = authorizer(http, api_id, mine.issuer, client["ClientId"])
    http.update_authorizer(
        ApiId=api_id,
        AuthorizerId=jwt,
        JwtConfiguration={"Audience": [client["ClientId"], other["ClientId"]]},
    )
    scoped = {"AuthorizationType": "JWT", "AuthorizerId": jwt, "AuthorizationScopes": ["orders/read"]}
    route(http, api_id, nowhere, "GET /x", **scoped)
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)

    for asking, expected in ((client, 503), (other, 401)):
        token = server.token(asking).json()["access_token"]
        assert live(server, api_id, "/x", headers={"Authorization": token}) == expected
