"""Layers: published, listed, shared, attached. Source: reference, "Code packages" and 10.2, 10.3; recorded."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from scopegate.base.limits import LIMITS
from scopegate.store.tables import function_code
from tests.rooms.functions_operations.driver import ACCOUNT, Client, Server, refusal, without, zipped

MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterValueException"
GONE = (MISSING, "The resource you requested does not exist.")
OTHER = "123456789012"


def publish(client: Client, name: str = "tools", source: str = "layer = 1", **members: Any) -> Any:
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(source)}, **members)


def layer_arn(name: str, version: int | None = None, *, account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:lambda:{region}:{account}:layer:{name}" + ("" if version is None else f":{version}")


def attach(client: Client, *arns: str, name: str = "orders") -> Any:
    return client.make(name, Layers=list(arns))["Layers"]


def test_a_layer_version_is_answered_as_it_was_published(client: Client) -> None:
    packed = zipped("layer = 1")
    published = publish(
        client,
        Description="tools",
        CompatibleRuntimes=["python3.12"],
        LicenseInfo="MIT",
        CompatibleArchitectures=["arm64"],
    )

    digest = hashlib.sha256(packed)
    assert without(published, "CreatedDate") == {
        "Content": {
            "Location": f"https://code/{digest.hexdigest()}",
            "CodeSha256": base64.b64encode(digest.digest()).decode(),
            "CodeSize": len(packed),
        },
        "LayerArn": layer_arn("tools"),
        "LayerVersionArn": layer_arn("tools", 1),
        "Description": "tools",
        "Version": 1,
        "CompatibleRuntimes": ["python3.12"],
        "LicenseInfo": "MIT",
        "CompatibleArchitectures": ["arm64"],
    }
    assert published["CreatedDate"].endswith("+0000")
    assert client.get_layer_version(LayerName="tools", VersionNumber=1) == published
    assert client.get_layer_version(LayerName=layer_arn("tools"), VersionNumber=1) == published
    assert client.get_layer_version_by_arn(Arn=layer_arn("tools", 1)) == published


def test_version_numbers_are_not_given_twice(client: Client) -> None:
    """Recorded: after deletes the next is 3."""
    publish(client)
    publish(client)
    client.delete_layer_version(LayerName="tools", VersionNumber=1)
    client.delete_layer_version(LayerName="tools", VersionNumber=2)

    assert client.list_layer_versions(LayerName="tools") == {"LayerVersions": []}
    assert client.list_layers() == {"Layers": []}
    assert publish(client)["Version"] == 3


def test_versions_are_listed_newest_first(client: Client) -> None:
    for number in range(12):
        publish(client, Description=str(number))

    first = client.list_layer_versions(LayerName="tools", MaxItems=7)
    second = client.list_layer_versions(LayerName="tools", Marker=first["NextMarker"])

    versions = first["LayerVersions"] + second["LayerVersions"]
    assert [each["Version"] for each in versions] == list(range(12, 0, -1))
    assert without(versions[0], "CreatedDate") == {
        "LayerVersionArn": layer_arn("tools", 12),
        "Version": 12,
        "Description": "11",
    }
    assert "NextMarker" not in second


def test_layers_are_listed_with_their_newest_version_that_matches(client: Client) -> None:
    publish(client, "b", CompatibleRuntimes=["python3.12"])
    publish(client, "b", CompatibleRuntimes=["nodejs22.x"])
    publish(client, "a", CompatibleArchitectures=["arm64"])

    def listed(**members: Any) -> list[tuple[str, int]]:
        layers = client.list_layers(**members)["Layers"]
        return [(each["LayerName"], each["LatestMatchingVersion"]["Version"]) for each in layers]

    assert listed() == [("a", 1), ("b", 2)]
    assert listed(CompatibleRuntime="python3.12") == [("b", 1)]
    assert listed(CompatibleArchitecture="arm64") == [("a", 1)]
    assert listed(CompatibleRuntime="java21") == []
    page = client.list_layers(MaxItems=1)
    assert [each["LayerName"] for each in client.list_layers(Marker=page["NextMarker"])["Layers"]] == ["b"]


def test_what_is_not_there(client: Client) -> None:
    get, by_arn, delete = client.get_layer_version, client.get_layer_version_by_arn, client.delete_layer_version

    assert refusal(get, LayerName="nope", VersionNumber=1) == GONE
    assert refusal(by_arn, Arn=layer_arn("nope", 1)) == GONE
    assert client.list_layer_versions(LayerName="nope") == {"LayerVersions": []}
    publish(client)
    assert refusal(get, LayerName=layer_arn("tools", region="eu-west-1"), VersionNumber=1) == GONE
    assert refusal(by_arn, Arn=layer_arn("tools", 1, region="eu-west-1")) == GONE
    assert delete(LayerName="nope", VersionNumber=1) == {}
    for call in (get, delete):
        assert refusal(call, LayerName="tools", VersionNumber=0) == (INVALID, "Layer Version Cannot be less than 1")


# Functions that have them


def test_layers_are_attached_in_their_order(client: Client) -> None:
    size = len(zipped("layer = 1"))
    publish(client, "a")
    publish(client, "b")

    attached = attach(client, layer_arn("b", 1), layer_arn("a", 1))

    assert attached == [{"Arn": layer_arn("b", 1), "CodeSize": size}, {"Arn": layer_arn("a", 1), "CodeSize": size}]
    assert client.configuration()["Layers"] == attached
    assert client.list_functions()["Functions"][0]["Layers"] == attached
    assert client.change(Timeout=9)["Layers"] == attached
    assert client.change(Layers=[layer_arn("a", 1)])["Layers"] == attached[1:]
    assert "Layers" not in client.change(Layers=[])


def test_another_layer_is_another_version_of_the_function(client: Client) -> None:
    publish(client)
    client.make(Publish=True)
    client.update_function_configuration(FunctionName="orders", Layers=[layer_arn("tools", 1)])

    assert client.publish_version(FunctionName="orders")["Version"] == "2"
    assert "Layers" not in client.configuration("orders:1")
    assert client.configuration("orders:2")["Layers"][0]["Arn"] == layer_arn("tools", 1)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer_arn("nope", 1)], f"Layer version {layer_arn('nope', 1)} does not exist."),
        ([layer_arn("tools", 9)], f"Layer version {layer_arn('tools', 9)} does not exist."),
        (
            [layer_arn("secret", 1, account=OTHER)],
            f"Layer version {layer_arn('secret', 1, account=OTHER)} does not exist.",
        ),
        (
            [layer_arn("tools", 1, region="eu-west-1")],
            "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
        ),
        (
            [layer_arn("tools", 1), layer_arn("tools", 2)],
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{layer_arn('tools', 1)} and {layer_arn('tools', 2)} are versions of the same layer.",
        ),
        (
            [layer_arn("tools", 1)] * 2,
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{layer_arn('tools', 1)} and {layer_arn('tools', 1)} are versions of the same layer.",
        ),
        ([layer_arn(name, 1) for name in "abcdef"], "Cannot reference more than 5 layers."),
    ],
)
def test_a_layer_is_not_attached(client: Client, layers: list[str], message: str) -> None:
    publish(client)
    publish(client)
    publish(client.elsewhere(account=OTHER), "secret")
    client.make("there")

    assert refusal(client.make, Layers=layers) == (INVALID, message)
    assert refusal(client.update_function_configuration, FunctionName="there", Layers=layers) == (INVALID, message)
    assert "Layers" not in client.configuration("there")


def test_layers_and_code_together_have_a_largest_size(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(client, "a", "#" * 400)
    publish(client, "b", "#" * 400)
    client.make(source="#" * 100, Layers=[layer_arn("a", 1)])
    most = 900
    monkeypatch.setitem(LIMITS, "functions.unzipped_bytes", replace(LIMITS["functions.unzipped_bytes"], value=most))  # type: ignore[call-overload]
    too_large = (INVALID, f"Layers consume more than the available size of {most} bytes")

    fits = client.change(Layers=[layer_arn("a", 1), layer_arn("b", 1)])["Layers"]

    assert len(fits) == 2
    for source in ("#" * 101, "#" * 800):
        assert refusal(client.update_function_code, FunctionName="orders", ZipFile=zipped(source)) == too_large
    client.make("larger", source="#" * 101)
    assert (
        refusal(
            client.update_function_configuration, FunctionName="larger", Layers=[layer_arn("a", 1), layer_arn("b", 1)]
        )
        == too_large
    )
    assert client.update_function_code(FunctionName="orders", ZipFile=zipped("#" * 99))["CodeSize"] > 0


def test_a_layer_without_a_version_breaks_the_pattern(client: Client) -> None:
    code, message = refusal(client.make, Layers=[layer_arn("tools")])

    assert code == "ValidationException"
    assert message is not None
    assert message.startswith(
        f"1 validation error detected: Value '[{layer_arn('tools')}]' at 'layers' failed to satisfy constraint: "
        "Member must satisfy constraint: ["
    )


# Sharing


def share(client: Client, sid: str = "s", principal: str = OTHER, **members: Any) -> Any:
    return client.add_layer_version_permission(
        LayerName="tools",
        VersionNumber=1,
        StatementId=sid,
        Action="lambda:GetLayerVersion",
        Principal=principal,
        **members,
    )


def test_a_layer_is_shared_by_its_policy(client: Client) -> None:
    publish(client)
    other = client.elsewhere(account=OTHER)
    wanted = layer_arn("tools", 1)
    before = refusal(other.get_layer_version_by_arn, Arn=wanted)

    statement = share(client)["Statement"]
    policy = client.get_layer_version_policy(LayerName="tools", VersionNumber=1)
    found = other.get_layer_version_by_arn(Arn=wanted)
    attached = attach(other, wanted)
    client.remove_layer_version_permission(LayerName="tools", VersionNumber=1, StatementId="s")

    assert before == GONE
    assert statement == (
        '{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},'
        f'"Action":"lambda:GetLayerVersion","Resource":"{wanted}"}}'
    )
    assert policy["Policy"] == f'{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}'
    assert found["LayerVersionArn"] == attached[0]["Arn"] == wanted
    assert refusal(other.get_layer_version_by_arn, Arn=wanted) == GONE
    assert other.configuration()["Layers"] == attached


@pytest.mark.parametrize(
    ("members", "opened"),
    [
        ({"principal": "*"}, True),
        ({"principal": OTHER}, True),
        ({"principal": "000000000001"}, False),
        ({"principal": "*", "OrganizationId": "o-1234567890"}, False),
    ],
)
def test_a_layer_is_open_to_whom_its_policy_names(client: Client, members: dict[str, Any], opened: bool) -> None:
    """No account here is of an organisation: such a condition is never met."""
    publish(client)
    share(client, **members)

    call = client.elsewhere(account=OTHER).make
    answered = opened and call(Layers=[layer_arn("tools", 1)])["Layers"][0]["Arn"] == layer_arn("tools", 1)

    assert answered or refusal(call, Layers=[layer_arn("tools", 1)])[0] == INVALID
    assert bool(answered) is opened


def test_policies_of_layers_have_revisions_and_refusals(client: Client) -> None:
    publish(client)
    where = {"LayerName": "tools", "VersionNumber": 1}
    nobody = {"LayerName": "nope", "VersionNumber": 1}
    assert refusal(client.get_layer_version_policy, **where) == (
        MISSING,
        "No policy is associated with the given resource.",
    )
    assert refusal(client.get_layer_version_policy, **nobody) == (
        MISSING,
        f"Layer version {layer_arn('nope', 1)} does not exist.",
    )

    first = share(client)["RevisionId"]
    second = share(client, "t", RevisionId=first)["RevisionId"]

    assert client.get_layer_version_policy(**where)["RevisionId"] == second != first
    assert refusal(share, client=client) == (
        "ResourceConflictException",
        "The statement id (s) provided already exists. "
        "Please provide a new statement id, or remove the existing statement.",
    )
    assert refusal(client.remove_layer_version_permission, **where, StatementId="s", RevisionId=first) == (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetLayerPolicy API to retrieve the latest Revision Id",
    )
    assert refusal(client.remove_layer_version_permission, **where, StatementId="x") == (
        MISSING,
        "Statement x is not found in resource policy.",
    )
    client.remove_layer_version_permission(**where, StatementId="s", RevisionId=second)
    left = json.loads(client.get_layer_version_policy(**where)["Policy"])["Statement"]
    assert [each["Sid"] for each in left] == ["t"]


def test_layers_of_another_account_are_neither_changed_nor_deleted(client: Client) -> None:
    publish(client)
    share(client, principal="*")
    other = client.elsewhere(account=OTHER)
    theirs = {"LayerName": layer_arn("tools"), "VersionNumber": 1}

    other.delete_layer_version(**theirs)
    refused = refusal(other.remove_layer_version_permission, **theirs, StatementId="s")
    published = refusal(other.publish_layer_version, LayerName=layer_arn("tools"), Content={"ZipFile": zipped()})

    assert refused == (MISSING, f"Layer version {layer_arn('tools', 1)} does not exist.")
    assert published == ("AccessDeniedException", None)
    assert client.list_layer_versions(LayerName="tools")["LayerVersions"][0]["Version"] == 1
    assert other.list_layers() == {"Layers": []}


# Code


def stored(server: Server) -> set[str]:
    found: set[str] = server.read(lambda tx: set(tx.sql.execute(select(function_code.c.sha256)).scalars()))
    return found


def digest(source: str) -> str:
    return hashlib.sha256(zipped(source)).hexdigest()


def test_the_package_of_a_deleted_layer_stays_while_a_function_has_it(client: Client, server: Server) -> None:
    publish(client)
    client.make(source="x = 1", Layers=[layer_arn("tools", 1)], Publish=True)
    client.delete_layer_version(LayerName="tools", VersionNumber=1)
    assert stored(server) == {digest("layer = 1"), digest("x = 1")}

    assert client.change(Layers=[layer_arn("tools", 1)])["Layers"][0]["Arn"] == layer_arn("tools", 1)
    client.update_function_configuration(FunctionName="orders", Layers=[])
    assert stored(server) == {digest("layer = 1"), digest("x = 1")}
    client.delete_function(FunctionName="orders", Qualifier="1")
    assert stored(server) == {digest("x = 1")}
    assert (
        refusal(client.update_function_configuration, FunctionName="orders", Layers=[layer_arn("tools", 1)])[0]
        == INVALID
    )


def test_the_package_of_a_layer_stays_while_there_is_the_layer(client: Client, server: Server) -> None:
    publish(client)
    publish(client, "same")
    client.make(source="x = 1", Layers=[layer_arn("tools", 1)])

    client.delete_function(FunctionName="orders")
    client.delete_layer_version(LayerName="tools", VersionNumber=1)
    assert stored(server) == {digest("layer = 1")}
    client.delete_layer_version(LayerName="same", VersionNumber=1)
    assert stored(server) == set()
