"""Versions are frozen and counted, aliases point. Source: reference, "Versions", "Aliases"; recorded."""

from typing import Any

import pytest

from tests.rooms.functions_operations.driver import Client, arn, refusal, without, zipped

MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterValueException"
FUNCTION = {"FunctionName": "orders"}
LIVE = {**FUNCTION, "Name": "live"}


@pytest.fixture
def made(client: Client) -> Client:
    """`orders` with the versions 1 (timeout 3) and 2 (timeout 4)."""
    client.make(Publish=True)
    client.update_function_configuration(**FUNCTION, Timeout=4)
    client.publish_version(**FUNCTION, Description="second")
    return client


# Versions


def test_a_version_is_a_copy_that_stays(made: Client) -> None:
    made.update_function_configuration(**FUNCTION, Timeout=9, Environment={"Variables": {"LATER": "1"}})
    made.update_function_code(**FUNCTION, ZipFile=zipped("x = 1"))

    first, second = made.configuration("orders:1"), made.configuration("orders:2")

    assert (first["Timeout"], first["Version"], first["FunctionArn"]) == (3, "1", f"{arn()}:1")
    assert (second["Timeout"], second["Description"]) == (4, "second")
    assert (first["State"], first["LastUpdateStatus"]) == ("Active", "Successful")
    assert "Environment" not in second
    assert first["CodeSha256"] == second["CodeSha256"] != made.configuration()["CodeSha256"]


def test_publishing_answers_the_version_at_once(made: Client) -> None:
    made.update_function_configuration(**FUNCTION, Timeout=5)
    latest = made.configuration()

    answer = made.publish_version(**FUNCTION)

    assert answer == made.configuration("orders:3")
    assert (answer["State"], answer["LastUpdateStatus"], answer["Version"]) == ("Active", "Successful", "3")
    revisions = {latest["RevisionId"], answer["RevisionId"], made.configuration()["RevisionId"]}
    assert len(revisions) == 3


def test_nothing_changed_is_no_new_version(made: Client) -> None:
    again = made.publish_version(**FUNCTION, Description="other words")

    assert again == made.configuration("orders:2")
    assert again["Description"] == "second"


@pytest.mark.parametrize(
    "change",
    [{"Environment": {"Variables": {"NEW": "1"}}}, {"Timeout": 7}, {"LoggingConfig": {"LogGroup": "/x"}}],
)
def test_any_change_is_a_new_version(made: Client, change: dict[str, Any]) -> None:
    made.update_function_configuration(**FUNCTION, **change)

    assert made.publish_version(**FUNCTION)["Version"] == "3"


def test_numbers_are_not_used_again(made: Client) -> None:
    made.delete_function(**FUNCTION, Qualifier="2")

    assert made.publish_version(**FUNCTION)["Version"] == "3"
    made.delete_function(**FUNCTION)
    made.make(Publish=True)
    assert [each["Version"] for each in made.list_versions_by_function(**FUNCTION)["Versions"]] == ["$LATEST", "1"]


def test_a_digest_that_is_not_the_codes_is_refused(made: Client) -> None:
    digest = made.configuration()["CodeSha256"]

    assert made.publish_version(**FUNCTION, CodeSha256=digest)["Version"] == "2"
    assert refusal(made.publish_version, **FUNCTION, CodeSha256="x") == (
        INVALID,
        f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({digest}). "
        "Please try again with the CodeSHA256 in $LATEST.",
    )


def test_versions_are_listed_latest_first_then_by_number(made: Client) -> None:
    for timeout in range(10, 20):
        made.update_function_configuration(**FUNCTION, Timeout=timeout)
        made.publish_version(**FUNCTION)

    versions, marker = [], None
    while True:
        page = made.list_versions_by_function(**FUNCTION, MaxItems=5, **({"Marker": marker} if marker else {}))
        versions += page["Versions"]
        marker = page.get("NextMarker")
        if marker is None:
            break

    assert [each["Version"] for each in versions] == ["$LATEST", *map(str, range(1, 13))]
    assert [each["FunctionArn"] for each in versions] == [f"{arn()}:{each['Version']}" for each in versions]
    gone = ("State", "LastUpdateStatus", "RuntimeVersionConfig")
    assert versions[1] == without(made.configuration("orders:1"), *gone)


def test_a_version_is_deleted_alone(made: Client) -> None:
    assert made.delete_function(**FUNCTION, Qualifier="1") == {"StatusCode": 204}
    assert made.delete_function(**FUNCTION, Qualifier="1") == {"StatusCode": 204}

    assert refusal(made.get_function, FunctionName="orders:1") == (MISSING, f"Function not found: {arn()}:1")
    assert made.configuration()["Timeout"] == 4


def test_what_cannot_be_deleted_alone(made: Client) -> None:
    made.create_alias(**LIVE, FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}})

    assert refusal(made.delete_function, **FUNCTION, Qualifier="$LATEST") == (
        INVALID,
        "$LATEST version cannot be deleted without deleting the function.",
    )
    assert refusal(made.delete_function, **FUNCTION, Qualifier="live") == (
        INVALID,
        "Deletion of aliases is not currently supported.",
    )
    for version in ("1", "2"):
        assert refusal(made.delete_function, **FUNCTION, Qualifier=version) == (
            "ResourceConflictException",
            f"Version {version} of function orders is referenced by aliases [live]",
        )


def test_versions_of_an_unknown_function_are_not_there(client: Client) -> None:
    missing = (MISSING, f"Function not found: {arn('nobody')}")

    assert refusal(client.list_versions_by_function, FunctionName="nobody") == missing
    assert refusal(client.list_aliases, FunctionName="nobody") == missing


# Aliases


def test_an_alias_points_at_a_version(made: Client) -> None:
    created = made.create_alias(**LIVE, FunctionVersion="1", Description="the live one")

    assert without(created, "RevisionId") == {
        "AliasArn": f"{arn()}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "the live one",
    }
    assert made.get_alias(**LIVE) == created
    configuration = made.configuration("orders:live")
    assert (configuration["FunctionArn"], configuration["Version"]) == (f"{arn()}:live", "1")
    assert configuration["RevisionId"] == made.configuration("orders:1")["RevisionId"]


def test_an_alias_may_point_at_latest(made: Client) -> None:
    """`2024-01-02` is a name: not all digits (recorded)."""
    created = made.create_alias(**FUNCTION, Name="2024-01-02", FunctionVersion="$LATEST", RoutingConfig={})

    assert without(created, "RevisionId") == {
        "AliasArn": f"{arn()}:2024-01-02",
        "Name": "2024-01-02",
        "FunctionVersion": "$LATEST",
        "Description": "",
    }
    assert made.configuration("orders:2024-01-02")["Version"] == "$LATEST"


def test_an_alias_is_not_in_the_functions_revision(made: Client) -> None:
    before = made.configuration()["RevisionId"]

    made.create_alias(**LIVE, FunctionVersion="1")

    assert made.configuration()["RevisionId"] == before


def test_members_of_an_alias_that_are_left_out_stay(made: Client) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.25}}
    made.create_alias(**LIVE, FunctionVersion="1", Description="a", RoutingConfig=weights)
    first = made.get_alias(**LIVE)["RevisionId"]

    described = made.update_alias(**LIVE, Description="b")
    nothing = made.update_alias(**LIVE)
    emptied = made.update_alias(**LIVE, RoutingConfig={"AdditionalVersionWeights": {}})
    moved = made.update_alias(**LIVE, FunctionVersion="2")

    assert (described["Description"], described["RoutingConfig"]) == ("b", weights)
    assert without(nothing, "RevisionId") == without(described, "RevisionId")
    assert "RoutingConfig" not in emptied
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "b")
    assert len({first, *(each["RevisionId"] for each in (described, nothing, emptied, moved))}) == 5


def test_a_stale_revision_of_an_alias_is_refused(made: Client) -> None:
    made.create_alias(**LIVE, FunctionVersion="1")

    assert refusal(made.update_alias, **LIVE, FunctionVersion="2", RevisionId="x") == (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )
    assert made.get_alias(**LIVE)["FunctionVersion"] == "1"


def test_aliases_are_listed_by_name_and_by_version(made: Client) -> None:
    for name, version in (("b", "1"), ("a", "2"), ("c", "1")):
        made.create_alias(**FUNCTION, Name=name, FunctionVersion=version)

    first = made.list_aliases(**FUNCTION, MaxItems=2)
    second = made.list_aliases(**FUNCTION, Marker=first["NextMarker"])

    assert [each["Name"] for each in first["Aliases"] + second["Aliases"]] == ["a", "b", "c"]
    assert "NextMarker" not in second
    assert [each["Name"] for each in made.list_aliases(**FUNCTION, FunctionVersion="1")["Aliases"]] == ["b", "c"]


def test_an_alias_is_deleted_whether_it_is_there_or_not(made: Client) -> None:
    made.create_alias(**LIVE, FunctionVersion="1")

    assert made.delete_alias(**LIVE) == {}
    assert made.delete_alias(**LIVE) == {}
    assert refusal(made.get_alias, **LIVE) == (MISSING, f"Cannot find alias arn: {arn()}:live")


def weighted(**weights: float) -> dict[str, Any]:
    return {"RoutingConfig": {"AdditionalVersionWeights": {key.lstrip("v"): value for key, value in weights.items()}}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "version": ({"FunctionVersion": "10"}, MISSING, f"Function not found: {arn()}:10"),
    "weighted-version": (weighted(v10=0.5), MISSING, f"Function not found: {arn()}:10"),
    "two-weights": (
        weighted(v2=0.1, v3=0.1),
        INVALID,
        "Number of items in AdditionalVersionWeights cannot be greater than 1",
    ),
    "same-version": (
        weighted(v1=0.5),
        INVALID,
        "Invalid function version 1. Function version 1 is already included in routing configuration.",
    ),
    "latest-with-weights": (
        {"FunctionVersion": "$LATEST", **weighted(v1=0.5)},
        INVALID,
        "$LATEST is not supported for an alias pointing to more than 1 version",
    ),
    "weight": (
        weighted(v2=2.0),
        "ValidationException",
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy "
        "constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]",
    ),
    "latest-weighted": (
        {"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
        "ValidationException",
        "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to "
        "satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
    ),
}


@pytest.mark.parametrize(("members", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_an_alias_is_refused(made: Client, members: dict[str, Any], code: str, message: str) -> None:
    made.create_alias(**FUNCTION, Name="there", FunctionVersion="1")
    before = made.get_alias(**FUNCTION, Name="there")

    assert refusal(made.create_alias, **LIVE, **{"FunctionVersion": "1", **members}) == (code, message)
    assert refusal(made.update_alias, **FUNCTION, Name="there", **members) == (code, message)
    assert made.list_aliases(**FUNCTION)["Aliases"] == [before]


def test_names_of_aliases_are_unique_and_not_all_digits(made: Client) -> None:
    made.create_alias(**LIVE, FunctionVersion="1")

    assert refusal(made.create_alias, **LIVE, FunctionVersion="1") == (
        "ResourceConflictException",
        f"Alias already exists: {arn()}:live",
    )
    code, message = refusal(made.create_alias, **FUNCTION, Name="123", FunctionVersion="1")
    assert code == "ValidationException"
    assert message is not None
    assert (
        "at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)"
        in message
    )


def test_aliases_that_are_not_there_are_named(made: Client) -> None:
    nobody = {"FunctionName": "nobody", "Name": "live"}

    assert refusal(made.update_alias, **LIVE, Description="x") == (MISSING, f"Alias not found: {arn()}:live")
    assert refusal(made.create_alias, **nobody, FunctionVersion="10") == (
        MISSING,
        f"Function not found: {arn('nobody')}:10",
    )
    assert refusal(made.get_alias, **nobody)[0] == MISSING
    assert refusal(made.delete_alias, **nobody)[0] == MISSING
