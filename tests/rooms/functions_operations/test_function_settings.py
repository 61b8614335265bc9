"""What hangs on a function beside its configuration: tags, concurrency, what becomes of its events, its code.

Source: reference, "Get, delete, versions, aliases, others", "Event (asynchronous)", "Concurrency"; recorded.
"""

import hashlib
from typing import Any

import pytest
from sqlalchemy import select

from scopegate.store.tables import function_code
from tests.rooms.functions_operations.driver import (
    ACCOUNT,
    MODEL,
    Client,
    Server,
    arn,
    models,
    operations,
    refusal,
    without,
    zipped,
)

MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterValueException"
FUNCTION = {"FunctionName": "orders"}


@pytest.fixture
def made(client: Client) -> Client:
    client.make(Publish=True)
    return client


# Tags


def test_tags_are_merged_and_move_the_revision(made: Client) -> None:
    before = made.configuration()["RevisionId"]

    made.tag_resource(Resource=arn(), Tags={"a": "1", "b": "2"})
    made.tag_resource(Resource=arn(), Tags={"b": "3"})
    made.untag_resource(Resource=arn(), TagKeys=["a", "unknown"])

    assert made.list_tags(Resource=arn()) == {"Tags": {"b": "3"}}
    assert made.configuration()["RevisionId"] != before


def test_no_tags_are_an_empty_map(made: Client) -> None:
    assert made.list_tags(Resource=arn()) == {"Tags": {}}


@pytest.mark.parametrize("qualifier", ["1", "$LATEST", "live"])
def test_tags_are_of_functions_only(made: Client, qualifier: str) -> None:
    refused = (INVALID, "Tags on function aliases and versions are not supported. Please specify a function ARN.")

    assert refusal(made.list_tags, Resource=f"{arn()}:{qualifier}") == refused
    assert refusal(made.tag_resource, Resource=f"{arn()}:{qualifier}", Tags={"a": "1"}) == refused
    assert refusal(made.untag_resource, Resource=f"{arn()}:{qualifier}", TagKeys=["a"]) == refused


def test_refusals_of_tags(made: Client) -> None:
    made.tag_resource(Resource=arn(), Tags={f"k{number}": "v" for number in range(50)})

    assert refusal(made.tag_resource, Resource=arn(), Tags={"more": "v"}) == (
        INVALID,
        "Number of tags exceeds resource tag limit.",
    )
    assert refusal(made.tag_resource, Resource=arn(), Tags={}) == (
        INVALID,
        "An error occurred and the request cannot be processed.",
    )
    assert refusal(made.list_tags, Resource=arn("nobody")) == (MISSING, f"Function not found: {arn('nobody')}")
    assert refusal(made.list_tags, Resource="arn:aws:s3:::bucket")[0] == "ValidationException"
    assert refusal(made.untag_resource, Resource=arn()) == (
        "ValidationException",
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    )
    assert len(made.list_tags(Resource=arn())["Tags"]) == 50


@pytest.mark.parametrize("account", ["123456789012", "000000000001"])
def test_tags_of_another_account_are_not_there(made: Client, account: str) -> None:
    made.elsewhere(account=account).make(Tags={"secret": "1"})

    assert refusal(made.list_tags, Resource=arn(account=account))[0] == MISSING
    assert refusal(made.list_tags, Resource=arn(region="eu-west-1"))[0] == MISSING


# Concurrency


def test_concurrency_is_set_and_taken_away(made: Client) -> None:
    assert made.get_function_concurrency(**FUNCTION) == {}
    assert made.put_function_concurrency(**FUNCTION, ReservedConcurrentExecutions=0) == {
        "ReservedConcurrentExecutions": 0
    }
    assert made.get_function_concurrency(**FUNCTION) == {"ReservedConcurrentExecutions": 0}
    assert made.get_function(**FUNCTION)["Concurrency"] == {"ReservedConcurrentExecutions": 0}

    made.delete_function_concurrency(**FUNCTION)

    assert made.get_function_concurrency(**FUNCTION) == {}
    assert "Concurrency" not in made.get_function(**FUNCTION)


def test_the_account_keeps_a_hundred_unreserved_where_quotas_bind(made: Client) -> None:
    made.make("other")
    bound = made.with_settings(aws_quotas=True)
    bound.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=500)

    bound.put_function_concurrency(**FUNCTION, ReservedConcurrentExecutions=400)
    assert refusal(bound.put_function_concurrency, **FUNCTION, ReservedConcurrentExecutions=401) == (
        INVALID,
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        "below its minimum value of [100].",
    )
    assert bound.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    assert made.put_function_concurrency(**FUNCTION, ReservedConcurrentExecutions=2_000)


def test_concurrency_is_of_functions_only(made: Client) -> None:
    refused = (
        INVALID,
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN.",
    )

    assert refusal(made.put_function_concurrency, FunctionName="orders:1", ReservedConcurrentExecutions=1) == refused
    assert refusal(made.delete_function_concurrency, FunctionName="orders:1") == refused
    assert refusal(made.put_function_concurrency, FunctionName="nobody", ReservedConcurrentExecutions=1) == (
        MISSING,
        f"Function not found: {arn('nobody')}:$LATEST",
    )


def test_account_settings_count_versions_and_layers_too(made: Client) -> None:
    made.make("other")
    made.publish_layer_version(LayerName="layer", Content={"ZipFile": zipped()})

    settings = made.get_account_settings()

    assert settings["AccountUsage"] == {"TotalCodeSize": 4 * len(zipped()), "FunctionCount": 2}
    assert settings["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 1_000,
    }


# Provisioned concurrency


def provision(client: Client, qualifier: str, executions: int = 2) -> Any:
    return client.put_provisioned_concurrency_config(
        **FUNCTION, Qualifier=qualifier, ProvisionedConcurrentExecutions=executions
    )


def test_provisioned_concurrency_is_ready_when_it_is_asked_for(made: Client) -> None:
    put = provision(made, "1", 3)
    ready = made.get_provisioned_concurrency_config(**FUNCTION, Qualifier="1")

    assert without(put, "LastModified") == {
        "RequestedProvisionedConcurrentExecutions": 3,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
    }
    assert ready == {
        "RequestedProvisionedConcurrentExecutions": 3,
        "AvailableProvisionedConcurrentExecutions": 3,
        "AllocatedProvisionedConcurrentExecutions": 3,
        "Status": "READY",
        "LastModified": put["LastModified"],
    }


def test_provisioned_concurrency_goes_with_what_it_is_for(made: Client) -> None:
    made.create_alias(**FUNCTION, Name="live", FunctionVersion="$LATEST")
    made.create_alias(**FUNCTION, Name="beta", FunctionVersion="$LATEST")
    for qualifier in ("1", "live", "beta"):
        provision(made, qualifier)
    first = made.list_provisioned_concurrency_configs(**FUNCTION, MaxItems=2)
    second = made.list_provisioned_concurrency_configs(**FUNCTION, Marker=first["NextMarker"])
    listed = first["ProvisionedConcurrencyConfigs"] + second["ProvisionedConcurrencyConfigs"]

    made.delete_provisioned_concurrency_config(**FUNCTION, Qualifier="live")
    made.delete_provisioned_concurrency_config(**FUNCTION, Qualifier="live")
    made.delete_alias(**FUNCTION, Name="beta")
    made.delete_function(**FUNCTION, Qualifier="1")

    assert [each["FunctionArn"] for each in listed] == [f"{arn()}:{name}" for name in ("1", "beta", "live")]
    assert made.list_provisioned_concurrency_configs(**FUNCTION) == {"ProvisionedConcurrencyConfigs": []}


def test_provisioned_concurrency_stays_below_the_reserved(made: Client) -> None:
    made.create_alias(**FUNCTION, Name="live", FunctionVersion="$LATEST")
    made.put_function_concurrency(**FUNCTION, ReservedConcurrentExecutions=5)
    provision(made, "1", 3)

    assert refusal(provision, client=made, qualifier="live", executions=3) == (
        INVALID,
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    )
    provision(made, "live", 2)
    assert refusal(made.put_function_concurrency, **FUNCTION, ReservedConcurrentExecutions=4) == (
        INVALID,
        " ReservedConcurrentExecutions  4 should not be lower than function's total provisioned concurrency [5].",
    )


def test_a_version_and_its_alias_are_not_both_provisioned(made: Client) -> None:
    made.create_alias(**FUNCTION, Name="live", FunctionVersion="1")
    provision(made, "1")
    assert refusal(provision, client=made, qualifier="live") == (
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )

    made.delete_provisioned_concurrency_config(**FUNCTION, Qualifier="1")
    provision(made, "live")
    assert refusal(provision, client=made, qualifier="1") == (
        "ResourceConflictException",
        "Version is pointed by a Provisioned Concurrency alias",
    )


def test_refusals_of_provisioned_concurrency(made: Client) -> None:
    get, delete = made.get_provisioned_concurrency_config, made.delete_provisioned_concurrency_config

    assert refusal(get, **FUNCTION, Qualifier="1") == (
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )
    assert refusal(provision, client=made, qualifier="$LATEST") == (
        INVALID,
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
    )
    for ask in (get, delete):
        assert refusal(ask, **FUNCTION, Qualifier="$LATEST") == (
            INVALID,
            "The function resource provided must be an alias or a published version.",
        )
        assert refusal(ask, **FUNCTION, Qualifier="noalias") == (MISSING, f"Cannot find alias arn: {arn()}:noalias")
        assert refusal(ask, **FUNCTION, Qualifier="10") == (MISSING, f"Function not found: {arn()}:10")
    assert refusal(provision, client=made, qualifier="1", executions=0) == (
        "ValidationException",
        "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1",
    )


# What deployment tools ask


def test_the_runtime_is_updated_as_asked(made: Client) -> None:
    version = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64

    assert made.get_runtime_management_config(**FUNCTION) == {
        "FunctionArn": f"{arn()}:$LATEST",
        "UpdateRuntimeOn": "Auto",
    }
    made.put_runtime_management_config(**FUNCTION, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=version)
    assert made.get_runtime_management_config(**FUNCTION, Qualifier="1") == {
        "FunctionArn": f"{arn()}:1",
        "UpdateRuntimeOn": "Manual",
        "RuntimeVersionArn": version,
    }
    assert made.get_runtime_management_config(**FUNCTION)["UpdateRuntimeOn"] == "Auto"
    assert refusal(made.put_runtime_management_config, **FUNCTION, UpdateRuntimeOn="Manual")[0] == INVALID
    wanted = {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": version}
    assert refusal(made.put_runtime_management_config, **FUNCTION, **wanted)[0] == INVALID


def test_recursion_and_code_signing_are_answered(made: Client) -> None:
    """Terraform and CDK ask both after a create; code signing answers 200 without members."""
    assert made.get_function_code_signing_config(**FUNCTION) == {}
    assert made.get_function_recursion_config(**FUNCTION) == {"RecursiveLoop": "Terminate"}
    made.put_function_recursion_config(**FUNCTION, RecursiveLoop="Allow")
    assert made.get_function_recursion_config(**FUNCTION) == {"RecursiveLoop": "Allow"}
    for ask in (made.get_function_code_signing_config, made.get_function_recursion_config):
        assert refusal(ask, FunctionName="nobody")[0] == MISSING


# What becomes of events

EMPTY = {"OnSuccess": {}, "OnFailure": {}}


def test_a_put_replaces_and_an_update_merges(made: Client) -> None:
    made.make("after")
    after = {"Destination": arn("after")}

    put = made.put_function_event_invoke_config(**FUNCTION, MaximumRetryAttempts=1)
    merged = made.update_function_event_invoke_config(
        **FUNCTION, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": after}
    )
    more = made.update_function_event_invoke_config(**FUNCTION, DestinationConfig={"OnSuccess": after})
    replaced = made.put_function_event_invoke_config(**FUNCTION, MaximumEventAgeInSeconds=120)

    latest = {"FunctionArn": f"{arn()}:$LATEST"}
    drawn = ("LastModified",)
    assert without(put, *drawn) == {**latest, "MaximumRetryAttempts": 1, "DestinationConfig": EMPTY}
    expected = {**latest, "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
    assert without(merged, *drawn) == {**expected, "DestinationConfig": {"OnSuccess": {}, "OnFailure": after}}
    assert without(more, *drawn) == {**expected, "DestinationConfig": {"OnSuccess": after, "OnFailure": after}}
    assert without(replaced, *drawn) == {**latest, "MaximumEventAgeInSeconds": 120, "DestinationConfig": EMPTY}
    assert made.get_function_event_invoke_config(**FUNCTION) == replaced


def test_an_empty_destination_takes_it_away(made: Client) -> None:
    made.make("after")
    both = {"OnSuccess": {"Destination": arn("after")}, "OnFailure": {"Destination": arn("after")}}
    made.put_function_event_invoke_config(**FUNCTION, DestinationConfig=both)

    changed = made.update_function_event_invoke_config(**FUNCTION, DestinationConfig={"OnSuccess": {"Destination": ""}})

    assert changed["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": arn("after")}}


def test_each_qualifier_has_its_own(made: Client) -> None:
    made.create_alias(**FUNCTION, Name="live", FunctionVersion="1")
    for qualifier, retries in (("live", 0), ("1", 1), ("$LATEST", 2)):
        made.put_function_event_invoke_config(**FUNCTION, Qualifier=qualifier, MaximumRetryAttempts=retries)

    first = made.list_function_event_invoke_configs(**FUNCTION, MaxItems=2)
    second = made.list_function_event_invoke_configs(**FUNCTION, Marker=first["NextMarker"])
    found = first["FunctionEventInvokeConfigs"] + second["FunctionEventInvokeConfigs"]

    assert {each["FunctionArn"].rpartition(":")[2]: each["MaximumRetryAttempts"] for each in found} == {
        "$LATEST": 2,
        "1": 1,
        "live": 0,
    }
    made.delete_function_event_invoke_config(**FUNCTION, Qualifier="live")
    assert made.get_function_event_invoke_config(**FUNCTION, Qualifier="1")["MaximumRetryAttempts"] == 1
    assert refusal(made.get_function_event_invoke_config, **FUNCTION, Qualifier="live")[0] == MISSING


def test_an_alias_takes_its_configuration_with_it(made: Client) -> None:
    live = {**FUNCTION, "Name": "live"}
    made.create_alias(**live, FunctionVersion="1")
    made.put_function_event_invoke_config(**FUNCTION, Qualifier="live", MaximumRetryAttempts=0)
    made.delete_alias(**live)
    made.create_alias(**live, FunctionVersion="1")

    assert refusal(made.get_function_event_invoke_config, **FUNCTION, Qualifier="live")[0] == MISSING


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"FunctionName": "nobody", "MaximumRetryAttempts": 1}, MISSING, "The function doesn't exist."),
        ({"Qualifier": "nope", "MaximumRetryAttempts": 1}, MISSING, "The function doesn't exist."),
        ({}, INVALID, "You must specify at least one of error handling or destination setting."),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": arn()}}},
            INVALID,
            "You can't specify the function as a destination for itself.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("nobody")}}},
            INVALID,
            f"The destination ARN {arn('nobody')} is invalid.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("theirs", account="123456789012")}}},
            INVALID,
            f"The destination ARN {arn('theirs', account='123456789012')} is invalid.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"}}},
            INVALID,
            "Destinations of sqs are not supported yet: the destination must be a function",
        ),
        (
            {"MaximumRetryAttempts": 3},
            "ValidationException",
            "1 validation error detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: "
            "Member must have value less than or equal to 2",
        ),
        (
            {"MaximumEventAgeInSeconds": 59},
            "ValidationException",
            "1 validation error detected: Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 60",
        ),
    ],
)
def test_a_configuration_of_events_is_refused(made: Client, members: dict[str, Any], code: str, message: str) -> None:
    made.elsewhere(account="123456789012").make("theirs")
    made.put_function_event_invoke_config(**FUNCTION, MaximumRetryAttempts=2)
    before = made.get_function_event_invoke_config(**FUNCTION)

    assert refusal(made.put_function_event_invoke_config, **{**FUNCTION, **members}) == (code, message)
    assert refusal(made.update_function_event_invoke_config, **{**FUNCTION, **members}) == (code, message)
    assert made.get_function_event_invoke_config(**FUNCTION) == before


def test_a_configuration_that_is_not_there_is_named(made: Client) -> None:
    missing = (MISSING, f"The function {arn()}:$LATEST doesn't have an EventInvokeConfig")
    nobody = (MISSING, f"The function {arn('nobody')}:$LATEST doesn't have an EventInvokeConfig")

    assert refusal(made.get_function_event_invoke_config, **FUNCTION) == missing
    assert refusal(made.delete_function_event_invoke_config, **FUNCTION) == missing
    assert refusal(made.update_function_event_invoke_config, **FUNCTION, MaximumRetryAttempts=1) == missing
    assert refusal(made.get_function_event_invoke_config, FunctionName="nobody") == nobody
    assert refusal(made.delete_function_event_invoke_config, FunctionName="nobody") == nobody
    assert refusal(made.list_function_event_invoke_configs, FunctionName="nobody") == (
        MISSING,
        "The function doesn't exist.",
    )
    assert made.list_function_event_invoke_configs(**FUNCTION) == {"FunctionEventInvokeConfigs": []}


# Code


def stored(server: Server) -> set[str]:
    """Digests of the packages in the store."""
    found: set[str] = server.read(lambda tx: set(tx.sql.execute(select(function_code.c.sha256)).scalars()))
    return found


def digest(source: str) -> str:
    return hashlib.sha256(zipped(source)).hexdigest()


def test_code_is_kept_while_a_function_or_version_has_it(client: Client, server: Server) -> None:
    """Two functions with the same package share it."""
    client.make("a", "x = 1", Publish=True)
    client.make("b", "x = 1")
    client.update_function_code(FunctionName="b", ZipFile=zipped("x = 2"))
    client.update_function_code(FunctionName="a", ZipFile=zipped("x = 3"))
    assert stored(server) == {digest("x = 1"), digest("x = 2"), digest("x = 3")}

    client.update_function_code(FunctionName="b", ZipFile=zipped("x = 3"))
    assert stored(server) == {digest("x = 1"), digest("x = 3")}
    client.delete_function(FunctionName="a", Qualifier="1")
    assert stored(server) == {digest("x = 3")}
    client.delete_function(FunctionName="a")
    assert stored(server) == {digest("x = 3")}
    client.delete_function(FunctionName="b")
    assert stored(server) == set()


def test_the_same_code_again_is_kept(client: Client, server: Server) -> None:
    client.make(source="x = 1")

    client.update_function_code(**FUNCTION, ZipFile=zipped("x = 1"))
    client.update_function_code(**FUNCTION, ZipFile=zipped("x = 2"), DryRun=True)

    assert stored(server) == {digest("x = 1")}


def test_a_refused_update_stores_no_code(client: Client, server: Server) -> None:
    client.make(source="x = 1")

    refusal(client.update_function_code, **FUNCTION, ZipFile=zipped("x = 2"), RevisionId="stale")
    refusal(client.make, source="x = 3")

    assert stored(server) == {digest("x = 1")}


# The rest

UNBUILT = sorted(set(MODEL.operation_names) - {name for _, name in operations()})


def test_an_operation_that_is_not_built_names_itself(client: Client) -> None:
    answers = {name: refusal(getattr(client, models().operation("lambda", name).python_name)) for name in UNBUILT}

    assert answers == {
        name: ("NotImplementedException", f"{name} of lambda is not built yet; see docs/coverage.md")
        for name in UNBUILT
    }
