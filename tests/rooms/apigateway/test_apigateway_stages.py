"""Deployments and stages (reference, control plane, 1.4, 2.4, 3.3, 4.1, 4.3)."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, Api, Client, as_patches, refusal

DEFAULTS = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}


def change(api: Api, *operations: tuple[str, ...]) -> Any:
    return api.client.update_stage(restApiId=api.id, stageName="prod", patchOperations=as_patches(*operations))


def change_refusal(api: Api, *operations: tuple[str, ...]) -> tuple[str, str | None]:
    patches = as_patches(*operations)
    return refusal(api.client.update_stage, restApiId=api.id, stageName="prod", patchOperations=patches)


# Deployments


def test_an_api_without_methods_is_not_deployed(api: Api) -> None:
    assert refusal(api.client.create_deployment, restApiId=api.id) == (
        "BadRequestException",
        "The REST API doesn't contain any methods",
    )


def test_a_method_without_integration_is_not_deployed(api: Api) -> None:
    api.method(api.root)

    assert refusal(api.client.create_deployment, restApiId=api.id, stageName="prod") == (
        "BadRequestException",
        "No integration defined for method",
    )
    assert api.client.get_stages(restApiId=api.id) == {"item": []}


def test_a_deployment_without_stage_makes_none(api: Api) -> None:
    deployment = api.deployed(None)

    assert [each["id"] for each in api.client.get_deployments(restApiId=api.id)["items"]] == [deployment]
    assert api.client.get_stages(restApiId=api.id) == {"item": []}


def test_a_deployment_makes_its_stage_with_what_it_is_given(api: Api) -> None:
    deployment = api.deployed(
        variables={"a": "1"}, stageDescription="live", tracingEnabled=True, cacheClusterEnabled=True
    )

    assert api.client.get_stage(restApiId=api.id, stageName="prod") == {
        "deploymentId": deployment,
        "stageName": "prod",
        "description": "live",
        "cacheClusterEnabled": True,
        "cacheClusterSize": "0.5",
        "cacheClusterStatus": "AVAILABLE",
        "methodSettings": {},
        "variables": {"a": "1"},
        "tracingEnabled": True,
        "createdDate": 1_700_000_000,
        "lastUpdatedDate": 1_700_000_000,
    }


def test_the_next_deployment_moves_the_stage_and_keeps_its_settings(api: Api) -> None:
    api.deployed(variables={"a": "1"}, stageDescription="live")

    second = api.deployed(tracingEnabled=True)

    stage = api.client.get_stage(restApiId=api.id, stageName="prod")
    assert (stage["deploymentId"], stage["variables"], stage["description"]) == (second, {"a": "1"}, "live")
    assert stage["tracingEnabled"] is True


def test_a_description_changes(api: Api) -> None:
    deployment = api.deployed()
    where = {"restApiId": api.id, "deploymentId": deployment}

    changed = api.client.update_deployment(**where, patchOperations=as_patches(("replace", "/description", "x")))

    assert changed == api.client.get_deployment(**where) == {**changed, "description": "x"}
    assert refusal(api.client.update_deployment, **where, patchOperations=as_patches(("replace", "/id", "x"))) == (
        "BadRequestException",
        "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/description]",
    )


def test_a_deployment_on_show_stays(api: Api) -> None:
    first = api.deployed()
    second = api.deployed(canarySettings={"percentTraffic": 5.0})
    shown = ("BadRequestException", "Active stages pointing to this deployment must be moved or deleted")

    assert refusal(api.client.delete_deployment, restApiId=api.id, deploymentId=first) == shown
    assert refusal(api.client.delete_deployment, restApiId=api.id, deploymentId=second) == shown

    api.client.delete_stage(restApiId=api.id, stageName="prod")
    api.client.delete_deployment(restApiId=api.id, deploymentId=first)
    assert refusal(api.client.get_deployment, restApiId=api.id, deploymentId=first) == (
        "NotFoundException",
        "Invalid Deployment identifier specified",
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "Non null and non empty stageName must be provided for canary deployment. Provided value is null"),
        (
            {"stageName": ""},
            "Non null and non empty stageName must be provided for canary deployment. Provided value is ",
        ),
        ({"stageName": "dev"}, "Stage dev must already be created before making a canary release deployment"),
    ],
)
def test_a_canary_needs_a_stage(api: Api, members: dict[str, str], message: str) -> None:
    api.deployed()

    refused = refusal(api.client.create_deployment, restApiId=api.id, canarySettings={}, **members)

    assert refused == ("BadRequestException", f"Invalid deployment content specified.{message}")


def test_a_canary_deployment_moves_only_the_canary(api: Api) -> None:
    first = api.deployed()

    second = api.deployed(canarySettings={"percentTraffic": 10.0, "stageVariableOverrides": {"a": "2"}})

    stage = api.client.get_stage(restApiId=api.id, stageName="prod")
    assert stage["deploymentId"] == first
    assert stage["canarySettings"] == {
        "percentTraffic": 10.0,
        "deploymentId": second,
        "stageVariableOverrides": {"a": "2"},
        "useStageCache": False,
    }


# Stages


def test_a_stage_is_made_whole(api: Api) -> None:
    deployment = api.deployed(None)

    stage = api.client.create_stage(
        restApiId=api.id,
        stageName="prod",
        deploymentId=deployment,
        description="live",
        variables={"a": "1"},
        tags={"k": "v"},
        canarySettings={},
    )

    assert stage == {
        "deploymentId": deployment,
        "stageName": "prod",
        "description": "live",
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "variables": {"a": "1"},
        "tags": {"k": "v"},
        "tracingEnabled": False,
        "createdDate": 1_700_000_000,
        "lastUpdatedDate": 1_700_000_000,
    }


def test_a_new_canary_shows_the_stages_deployment(api: Api) -> None:
    deployment = api.deployed(None)

    stage = api.client.create_stage(
        restApiId=api.id, stageName="prod", deploymentId=deployment, canarySettings={"percentTraffic": 1.5}
    )

    assert stage["canarySettings"] == {"percentTraffic": 1.5, "deploymentId": deployment, "useStageCache": False}


def test_stages_are_listed_by_deployment_in_item(api: Api) -> None:
    first = api.deployed("a")
    second = api.deployed("b")

    def names(**members: str) -> list[str]:
        return [each["stageName"] for each in api.client.get_stages(restApiId=api.id, **members)["item"]]

    assert names() == ["a", "b"]
    assert names(deploymentId=first) == ["a"]
    assert names(deploymentId=second) == ["b"]


@pytest.mark.parametrize("operation", ["get_stage", "update_stage", "delete_stage", "flush_stage_cache"])
def test_an_unknown_stage_is_not_found(api: Api, operation: str) -> None:
    assert refusal(getattr(api.client, operation), restApiId=api.id, stageName="prod") == (
        "NotFoundException",
        "Invalid stage identifier specified",
    )


def test_a_taken_name_and_an_unknown_deployment_are_refused(api: Api) -> None:
    deployment = api.deployed()
    create = api.client.create_stage
    unknown = ("BadRequestException", "Deployment id does not exist")

    assert refusal(create, restApiId=api.id, stageName="prod", deploymentId=deployment) == (
        "ConflictException",
        "Stage already exists",
    )
    assert refusal(create, restApiId=api.id, stageName="dev", deploymentId="unknown") == unknown
    canary = {"deploymentId": "unknown"}
    assert refusal(create, restApiId=api.id, stageName="dev", deploymentId=deployment, canarySettings=canary) == unknown
    assert refusal(create, restApiId="unknown", stageName="dev", deploymentId=deployment) == (
        "NotFoundException",
        f"Invalid API identifier specified {ACCOUNT}:unknown",
    )


@pytest.mark.parametrize("name", ["", "a b", "a/b", "$default", "a" * 129, "ä"])
def test_a_bad_stage_name_is_refused(api: Api, name: str) -> None:
    deployment = api.deployed(None)

    refused = refusal(api.client.create_stage, restApiId=api.id, stageName=name, deploymentId=deployment)

    assert refused[0] == "BadRequestException"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"owner:app": "x"},
            "Invalid stage variable name: owner:app.  Please use names with only word characters.",
        ),
        (
            {"a": "x y"},
            "Invalid stage variable value: x y.  Please use values with alphanumeric characters and the symbols "
            "' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.",
        ),
        (
            {"a": ""},
            "Invalid stage variable value: .  Please use values with alphanumeric characters and the symbols "
            "' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.",
        ),
    ],
)
def test_bad_variables_are_refused_everywhere(api: Api, variables: dict[str, str], message: str) -> None:
    deployment = api.deployed()
    refused = ("BadRequestException", message)
    (name, value), *_ = variables.items()

    assert refusal(api.client.create_deployment, restApiId=api.id, stageName="prod", variables=variables) == refused
    create = api.client.create_stage
    members = {"restApiId": api.id, "stageName": "dev", "deploymentId": deployment}
    assert refusal(create, **members, variables=variables) == refused
    assert change_refusal(api, ("replace", f"/variables/{name}", value)) == refused


def test_a_deleted_stage_leaves_its_deployment(api: Api) -> None:
    deployment = api.deployed()

    api.client.delete_stage(restApiId=api.id, stageName="prod")

    assert api.client.get_deployment(restApiId=api.id, deploymentId=deployment)["id"] == deployment


def test_flushing_announces_a_change(api: Api) -> None:
    """A rebuilt view has an empty cache of authorizer results."""
    api.deployed()

    api.client.flush_stage_authorizers_cache(restApiId=api.id, stageName="prod")

    assert api.client.changes == [("api", api.id)]


# Patch operations


def test_a_stage_rolls_back(api: Api) -> None:
    first = api.deployed()
    api.deployed()

    assert change(api, ("replace", "/deploymentId", first))["deploymentId"] == first
    assert change_refusal(api, ("replace", "/deploymentId", "unknown")) == (
        "BadRequestException",
        "Deployment id does not exist",
    )


def test_members_of_a_stage_change(api: Api) -> None:
    api.deployed()
    api.client.now = 1_700_000_100.0

    changed = change(
        api,
        ("replace", "/description", "new"),
        ("replace", "/tracingEnabled", "true"),
        ("replace", "/cacheClusterEnabled", "true"),
        ("replace", "/cacheClusterSize", "1.6"),
        ("replace", "/documentationVersion", "1"),
        ("replace", "/variables/a", "1"),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
        ("add", "/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:000000000000:log-group:x"),
    )

    assert changed["description"] == "new"
    assert changed["tracingEnabled"] is True
    assert (changed["cacheClusterStatus"], changed["cacheClusterSize"]) == ("AVAILABLE", "1.6")
    assert changed["documentationVersion"] == "1"
    assert changed["variables"] == {"a": "1"}
    assert set(changed["accessLogSettings"]) == {"format", "destinationArn"}
    assert (changed["createdDate"], changed["lastUpdatedDate"]) == (1_700_000_000, 1_700_000_100)
    changed = change(api, ("remove", "/variables/a"), ("remove", "/accessLogSettings"))
    assert "variables" not in changed
    assert "accessLogSettings" not in changed


def test_method_settings_start_from_the_defaults_or_from_all_methods(api: Api) -> None:
    """Keys are the text as sent; later changes of `*/*` do not reach keys that exist."""
    api.deployed()

    changed = change(api, ("replace", "/~1orders~1{id}/GET/throttling/burstLimit", "7"))
    assert changed["methodSettings"] == {"~1orders~1{id}/GET": {**DEFAULTS, "throttlingBurstLimit": 7}}

    changed = change(
        api,
        ("replace", "/*/*/throttling/rateLimit", "1.5"),
        ("replace", "/*/*/caching/ttlInSeconds", "10"),
        ("replace", "/test/GET/metrics/enabled", "true"),
        ("replace", "/~1/GET/caching/unauthorizedCacheControlHeaderStrategy", "FAIL_WITH_403"),
    )
    every = {**DEFAULTS, "throttlingRateLimit": 1.5, "cacheTtlInSeconds": 10}
    assert changed["methodSettings"] == {
        "~1orders~1{id}/GET": {**DEFAULTS, "throttlingBurstLimit": 7},
        "*/*": every,
        "test/GET": {**every, "metricsEnabled": True},
        "~1/GET": {**every, "unauthorizedCacheControlHeaderStrategy": "FAIL_WITH_403"},
    }

    assert set(change(api, ("remove", "/*/*"), ("remove", "/test/GET"))["methodSettings"]) == {
        "~1orders~1{id}/GET",
        "~1/GET",
    }


def test_logging_needs_the_accounts_role(api: Api) -> None:
    api.deployed()
    operation = ("replace", "/*/*/logging/loglevel", "INFO")

    assert change_refusal(api, operation) == (
        "BadRequestException",
        "CloudWatch Logs role ARN must be set in account settings to enable logging",
    )

    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    api.client.update_account(patchOperations=as_patches(("replace", "/cloudwatchRoleArn", role)))
    assert change(api, operation)["methodSettings"] == {"*/*": {**DEFAULTS, "loggingLevel": "INFO"}}


@pytest.mark.parametrize(
    "path",
    [
        "/webAclArn",
        "/documentation_version",
        "/canarySettings",
        "/tags/a",
        "/test",
        "/*/*/throttling",
        "/*/*/throttling/unknown",
        "/a/b/GET/throttling/burstLimit",
        "/a/TRACE/throttling/burstLimit",
        "/canarySettings/unknown",
        "/variables/a/b",
        "variables/a",
        "",
    ],
)
def test_an_unknown_path_is_a_bad_method_setting(api: Api, path: str) -> None:
    api.deployed()

    code, message = change_refusal(api, ("replace", path, "x"))

    assert code == "BadRequestException"
    assert (message or "").startswith(f"Invalid method setting path: {path}. Must be one of: [/deploymentId, ")
    assert (message or "").endswith(", /variables/{variable_name}, /tracingEnabled]")


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            ("replace", "/accessLogSettings", "x"),
            "Invalid accessLogSettings path. Must be one of : "
            "[/accessLogSettings/destinationArn, /accessLogSettings/format]",
        ),
        (
            ("add", "/accessLogSettings/x", "x"),
            "Invalid accessLogSettings path. Must be one of : "
            "[/accessLogSettings/destinationArn, /accessLogSettings/format]",
        ),
        (("replace", "/accessLogSettings/format", ""), "Access Log value must not be empty"),
        (
            ("remove", "/accessLogSettings/destinationArn"),
            "Cannot remove method setting accessLogSettings/destinationArn because there is no method setting "
            "for this method ",
        ),
        (
            ("remove", "/*/*"),
            "Cannot remove method setting */* because there is no method setting for this method ",
        ),
        (
            ("remove", "/canarySettings/stageVariableOverrides"),
            "Cannot remove method setting canarySettings/stageVariableOverrides because there is no method setting "
            "for this method ",
        ),
        (
            ("add", "/canarySettings/deploymentId", "x"),
            "Invalid add operation with path: /canarySettings/deploymentId",
        ),
        (
            ("copy", "/deploymentId", "", "/canarySettings/deploymentId"),
            "Promotion not available. Canary does not exist.",
        ),
        (
            ("copy", "/description", "", "/canarySettings/deploymentId"),
            "Invalid copy operation with path: /description and from /canarySettings/deploymentId. "
            "Valid copy:path are [/deploymentId, /variables] and valid copy:from are "
            "[/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]",
        ),
        (("replace",), "Invalid patch path null"),
        (("replace", "/canarySettings/deploymentId", "unknown"), "Deployment id does not exist"),
        (("replace", "/canarySettings/percentTraffic", "101"), "Percent traffic must be between 0.0 and 100.0"),
        (("replace", "/canarySettings/percentTraffic", "1_0"), "Percent traffic must be between 0.0 and 100.0"),
        (("replace", "/*/*/throttling/rateLimit", "1_0"), "Invalid throttling rate limit specified"),
        (("replace", "/canarySettings/percentTraffic", "nan"), "Percent traffic must be between 0.0 and 100.0"),
        (("replace", "/*/*/throttling/rateLimit", "nan"), "Invalid throttling rate limit specified"),
        (("replace", "/*/*/throttling/rateLimit", "inf"), "Invalid throttling rate limit specified"),
        (("replace", "/*/*/throttling/burstLimit", "-2"), "Invalid throttling burst limit specified"),
    ],
)
def test_a_bad_operation_is_refused_in_awss_words(api: Api, operation: tuple[str, ...], message: str) -> None:
    api.deployed()
    before = api.client.get_stage(restApiId=api.id, stageName="prod")

    assert change_refusal(api, operation) == ("BadRequestException", message)
    assert api.client.get_stage(restApiId=api.id, stageName="prod") == before


def test_a_canary_is_made_promoted_and_removed(api: Api) -> None:
    first = api.deployed(variables={"a": "1", "b": "1"})
    second = api.deployed(None)

    canary = change(api, ("replace", "/canarySettings/percentTraffic", "25"))["canarySettings"]
    assert canary == {"percentTraffic": 25.0, "deploymentId": first, "useStageCache": False}

    change(
        api,
        ("replace", "/canarySettings/deploymentId", second),
        ("replace", "/canarySettings/stageVariableOverrides/a", "2"),
    )
    promoted = change(
        api,
        ("copy", "/deploymentId", "", "/canarySettings/deploymentId"),
        ("copy", "/variables", "", "/canarySettings/stageVariableOverrides"),
    )
    assert promoted["deploymentId"] == second
    assert promoted["variables"] == {"a": "2", "b": "1"}
    assert promoted["canarySettings"]["percentTraffic"] == 25.0

    override = ("remove", "/canarySettings/stageVariableOverrides/a")
    assert "stageVariableOverrides" not in change(api, override)["canarySettings"]
    assert change_refusal(api, override)[0] == "BadRequestException"
    assert "canarySettings" not in change(api, ("remove", "/canarySettings"))


def test_the_quota_of_variables_binds_with_aws_quotas() -> None:
    strict = Api(Client(aws_quotas=True))

    strict.deployed(variables={f"v{number}": "x" for number in range(100)})

    refused = change_refusal(strict, ("replace", "/variables/one_more", "x"))
    assert refused[0] == "LimitExceededException"


def test_the_quota_of_stages_binds_with_aws_quotas() -> None:
    strict = Api(Client(aws_quotas=True))
    for number in range(10):
        strict.deployed(f"s{number}")

    refused = refusal(strict.client.create_deployment, restApiId=strict.id, stageName="one-more")

    assert refused[0] == "LimitExceededException"


def test_a_draft_is_nothing_to_the_data_plane(api: Api) -> None:
    """Reference 4.1: only what stages show is compiled anew; a draft of hundreds of methods is not, at each change."""
    api.deployed()
    resource = api.resource("draft")
    seen = [list(api.client.changes)]
    for write in (api.method, api.integration):
        write(resource)
        seen.append(list(api.client.changes))
    assert seen == [[], [], []]

    api.authorizer()
    assert api.client.changes == [("api", api.id)]
    api.deployed()
    assert ("api", api.id) in api.client.changes
