"""Stages, deployments and models of HTTP APIs: whole answers, automatic deployment, settings, variables."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import Client, refusal
from tests.rooms.apigatewayv2.driver import HttpApi

BAD = "BadRequestException"
CONFLICT = "ConflictException"
GONE = "NotFoundException"
AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"
NO_ROUTES = "Unable to deploy API because no routes exist in this API"
NO_VALID_ROUTES = "Unable to deploy API because no valid routes exist in this API"
WITH_AUTO_DEPLOY = "Deployment ID cannot be set on stage because AutoDeploy is set to true"


def test_a_stage_is_answered_whole(client: Client, api: HttpApi) -> None:
    """Reference 1.5: `AutoDeploy` only if it is true, `DeploymentId` when there is one."""
    made = api.stage("prod")

    assert made == {
        "CreatedDate": client.now,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "LastUpdatedDate": client.now,
        "RouteSettings": {},
        "StageName": "prod",
        "StageVariables": {},
        "Tags": {},
    }
    assert api.get_stage("prod") == made


def test_a_stage_that_deploys_by_itself_is_answered_whole(client: Client, api: HttpApi) -> None:
    api.served()

    stage = api.stage(AutoDeploy=True)

    (deployment,) = api.deployments()
    deployment_id = deployment["DeploymentId"]
    assert len(deployment_id) == 6
    assert deployment == {
        "AutoDeployed": True,
        "CreatedDate": client.now,
        "DeploymentId": deployment_id,
        "DeploymentStatus": "DEPLOYED",
        "Description": AUTOMATIC,
    }
    assert (stage["AutoDeploy"], stage["DeploymentId"]) == (True, deployment_id)
    assert stage["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{deployment_id}'"


def test_every_change_moves_a_stage_that_deploys_by_itself(client: Client, api: HttpApi) -> None:
    """Reference 4.2; a stage that does not is left alone."""
    route = api.served()
    integration = client.get_route(ApiId=api.id, RouteId=route)["Target"].removeprefix("integrations/")
    authorizer = api.authorizer()
    api.stage(AutoDeploy=True)
    still = client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage("still", DeploymentId=still)
    where = {"ApiId": api.id}
    changes: tuple[tuple[Any, dict[str, Any]], ...] = (
        (client.update_route, {"RouteId": route, "OperationName": "x"}),
        (client.update_integration, {"IntegrationId": integration, "TimeoutInMillis": 50}),
        (client.update_authorizer, {"AuthorizerId": authorizer, "Name": "y"}),
        (client.update_api, {"CorsConfiguration": {"AllowOrigins": ["*"]}}),
        (client.delete_cors_configuration, {}),
        (client.create_route, {"RouteKey": "POST /x"}),
        (client.create_integration, {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET",
                                     "IntegrationUri": "https://example.org", "PayloadFormatVersion": "1.0"}),
        (client.update_stage, {"StageName": "$default", "StageVariables": {"a": "b"}}),
        (client.delete_authorizer, {"AuthorizerId": authorizer}),
    )  # fmt: skip

    seen = [api.get_stage()["DeploymentId"]]
    for call, members in changes:
        call(**where, **members)
        seen.append(api.get_stage()["DeploymentId"])

    assert len(set(seen)) == len(changes) + 1
    assert api.get_stage("still")["DeploymentId"] == still


def test_a_failing_automatic_deployment_keeps_the_old_one_and_says_why(client: Client, api: HttpApi) -> None:
    """Reference 4.2."""
    empty = api.stage(AutoDeploy=True)
    assert "DeploymentId" not in empty
    assert empty["LastDeploymentStatusMessage"] == f"Deployment attempt failed: {NO_ROUTES}"

    bare = api.route("GET /bare")
    assert api.get_stage()["LastDeploymentStatusMessage"] == f"Deployment attempt failed: {NO_VALID_ROUTES}"

    route = api.served()
    good = api.get_stage()["DeploymentId"]
    client.delete_route(ApiId=api.id, RouteId=bare)
    good = api.get_stage()["DeploymentId"]
    client.delete_route(ApiId=api.id, RouteId=route)
    stage = api.get_stage()
    assert stage["DeploymentId"] == good
    assert stage["LastDeploymentStatusMessage"] == f"Deployment attempt failed: {NO_ROUTES}"


def test_switching_automatic_deployment_on_deploys_the_present_state(client: Client, api: HttpApi) -> None:
    api.served()
    api.stage("prod")

    on = client.update_stage(ApiId=api.id, StageName="prod", AutoDeploy=True)
    off = client.update_stage(ApiId=api.id, StageName="prod", AutoDeploy=False)

    assert on["DeploymentId"] == off["DeploymentId"] == api.deployments()[0]["DeploymentId"]
    assert "AutoDeploy" not in off
    api.served("GET /later")
    assert api.get_stage("prod")["DeploymentId"] == on["DeploymentId"]


def test_old_automatic_deployments_do_not_pile_up(client: Client, api: HttpApi) -> None:
    """Each holds a whole snapshot; those that a caller made, and those that a stage serves, stay."""
    api.served()
    by_hand = client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage(AutoDeploy=True)
    for number in range(15):
        client.now += 1
        api.route(f"GET /r{number}")

    found = api.deployments()
    assert len(found) == 12
    ids = {deployment["DeploymentId"] for deployment in found}
    assert {by_hand, api.get_stage()["DeploymentId"]} <= ids


def test_a_deployment_by_hand(client: Client, api: HttpApi) -> None:
    """Reference 4.2: only an existing stage is moved; without routes there is nothing to deploy."""
    assert refusal(client.create_deployment, ApiId=api.id) == (BAD, NO_ROUTES)
    api.route("GET /bare")
    assert refusal(client.create_deployment, ApiId=api.id) == (BAD, NO_VALID_ROUTES)
    api.served()
    api.stage("prod")

    made = client.create_deployment(ApiId=api.id, StageName="prod", Description="first")

    deployment_id = made["DeploymentId"]
    assert made == {
        "AutoDeployed": False,
        "CreatedDate": client.now,
        "DeploymentId": deployment_id,
        "DeploymentStatus": "DEPLOYED",
        "Description": "first",
    }
    assert api.get_stage("prod")["DeploymentId"] == deployment_id
    assert "LastDeploymentStatusMessage" not in api.get_stage("prod")
    where = {"ApiId": api.id, "DeploymentId": deployment_id}
    assert client.update_deployment(**where, Description="again")["Description"] == "again"
    assert refusal(client.create_deployment, ApiId=api.id, StageName="none") == (
        GONE,
        "Invalid stage identifier specified",
    )
    assert refusal(client.delete_deployment, **where) == (
        BAD,
        "Active stages pointing to this deployment must be moved or deleted",
    )
    client.delete_stage(ApiId=api.id, StageName="prod")
    assert client.delete_deployment(**where) == {}
    assert refusal(client.get_deployment, **where) == (GONE, "Invalid Deployment identifier specified")


def test_a_stage_is_rolled_back(client: Client, api: HttpApi) -> None:
    api.served()
    first = client.create_deployment(ApiId=api.id)["DeploymentId"]
    second = client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage("prod", DeploymentId=second)

    assert client.update_stage(ApiId=api.id, StageName="prod", DeploymentId=first)["DeploymentId"] == first
    assert refusal(client.update_stage, ApiId=api.id, StageName="prod", DeploymentId="none") == (
        GONE,
        "Invalid Deployment identifier specified",
    )


def test_automatic_deployment_and_a_deployment_id_exclude_each_other(client: Client, api: HttpApi) -> None:
    api.served()
    deployment = client.create_deployment(ApiId=api.id)["DeploymentId"]
    refused = (BAD, WITH_AUTO_DEPLOY)

    assert refusal(api.stage, AutoDeploy=True, DeploymentId=deployment) == refused
    api.stage(AutoDeploy=True)
    assert refusal(client.update_stage, ApiId=api.id, StageName="$default", DeploymentId=deployment) == refused
    assert refusal(client.create_deployment, ApiId=api.id, StageName="$default") == refused


@pytest.mark.parametrize("name", ["a b", "a/b", "$other", "", "ü", "x" * 129])
def test_what_is_no_stage_name_is_refused(api: HttpApi, name: str) -> None:
    assert refusal(api.stage, name=name)[0] == BAD


def test_a_stage_is_there_once(api: HttpApi) -> None:
    api.stage("prod")

    assert refusal(api.stage, name="prod") == (CONFLICT, "Stage already exists")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"owner:app": "x"},
            "Invalid stage variable name: owner:app.  Please use names with only word characters.",
        ),
        (
            {"a": "{}"},
            "Invalid stage variable value: {}.  Please use values with alphanumeric characters and the symbols "
            "' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.",
        ),
        ({"a": "x" * 513}, None),
        ({"a" * 65: "x"}, None),
        ({"a": ""}, None),
    ],
)
def test_stage_variables_are_checked(api: HttpApi, variables: dict[str, str], message: str | None) -> None:
    """Reference 3.3, 4.3."""
    code, told = refusal(api.stage, StageVariables=variables)

    assert code == BAD
    assert message in (None, told)


def test_stage_variables_merge_and_an_empty_one_goes(client: Client, api: HttpApi) -> None:
    api.stage(StageVariables={"a": "1", "b": "2"})

    client.update_stage(ApiId=api.id, StageName="$default", StageVariables={"a": "", "c": "3"})

    assert api.get_stage()["StageVariables"] == {"b": "2", "c": "3"}


def test_route_settings(client: Client, api: HttpApi) -> None:
    """Reference 3.5: a key must be a route's; deleting them goes back to the stage's."""
    api.served("ANY /x")
    own = {"ANY /x": {"ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0}}
    unknown = (GONE, "Unable to find Route by key GET /x within the provided RouteSettings")

    made = api.stage(RouteSettings=own, DefaultRouteSettings={"ThrottlingBurstLimit": 5})

    assert made["RouteSettings"] == own
    assert made["DefaultRouteSettings"] == {"DetailedMetricsEnabled": False, "ThrottlingBurstLimit": 5}
    where = {"ApiId": api.id, "StageName": "$default"}
    assert refusal(client.update_stage, **where, RouteSettings={"GET /x": {}}) == unknown
    assert refusal(client.delete_route_settings, **where, RouteKey="GET /x") == unknown
    assert client.delete_route_settings(**where, RouteKey="ANY /x") == {}
    assert api.get_stage()["RouteSettings"] == {}


@pytest.mark.parametrize("settings", [{"LoggingLevel": "INFO"}, {"DataTraceEnabled": True}])
def test_http_apis_have_no_execution_logs(client: Client, api: HttpApi, settings: dict[str, Any]) -> None:
    api.served("ANY /x")
    api.stage("there")
    refused = (BAD, "Execution logs are not supported on protocolType HTTP")

    assert refusal(api.stage, DefaultRouteSettings=settings) == refused
    assert refusal(api.stage, RouteSettings={"ANY /x": settings}) == refused
    assert refusal(client.update_stage, ApiId=api.id, StageName="there", DefaultRouteSettings=settings) == refused


def test_access_logs_and_the_authorizers_cache(client: Client, api: HttpApi) -> None:
    settings = {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:x", "Format": "$context.requestId"}
    where = {"ApiId": api.id, "StageName": "$default"}
    assert api.stage(AccessLogSettings=settings)["AccessLogSettings"] == settings

    assert client.delete_access_log_settings(**where) == {}
    assert client.reset_authorizers_cache(**where) == {}

    assert ("api", api.id) in client.changes, "the stage is compiled anew"
    assert "AccessLogSettings" not in api.get_stage()
    assert refusal(client.reset_authorizers_cache, ApiId=api.id, StageName="none")[0] == GONE


def test_models_are_stored(client: Client, api: HttpApi) -> None:
    made = client.create_model(ApiId=api.id, Name="Pet", Schema="{}", Description="d")
    where = {"ApiId": api.id, "ModelId": made["ModelId"]}

    assert made == {
        "ContentType": "application/json",
        "Description": "d",
        "ModelId": made["ModelId"],
        "Name": "Pet",
        "Schema": "{}",
    }
    assert client.update_model(**where, Schema='{"type":"object"}')["Description"] == "d"
    assert client.get_model_template(**where) == {"Value": "{}"}
    assert refusal(client.create_model, ApiId=api.id, Name="Pet", Schema="{}")[0] == CONFLICT
    assert refusal(client.create_model, ApiId=api.id, Name="a-b", Schema="{}")[0] == BAD
    assert refusal(client.update_model, **where, Schema="[" * 100_000)[0] == BAD
    assert client.delete_model(**where) == {}
    assert refusal(client.get_model, **where) == (GONE, "Invalid Model identifier specified")
