"""Resource servers and scopes."""

from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import Pool, refusal


def test_a_resource_server_is_made_and_described(pool: Pool) -> None:
    scopes = [{"ScopeName": "read", "ScopeDescription": "Read orders"}]

    made = pool.client.create_resource_server(UserPoolId=pool.id, Identifier="orders", Name="Orders", Scopes=scopes)

    assert made == {
        "ResourceServer": {"UserPoolId": pool.id, "Identifier": "orders", "Name": "Orders", "Scopes": scopes}
    }
    assert pool.client.describe_resource_server(UserPoolId=pool.id, Identifier="orders") == made
    assert pool.client.server.last_changes() == {("resource_server", pool.id)}


def test_a_resource_server_needs_no_scopes(pool: Pool) -> None:
    made = pool.client.create_resource_server(UserPoolId=pool.id, Identifier="https://api.example.com/v1", Name="API")

    assert made["ResourceServer"]["Scopes"] == []


def test_an_identifier_is_taken_once_per_pool(pool: Pool) -> None:
    pool.resource_server("orders")

    refused = refusal(pool.client.create_resource_server, UserPoolId=pool.id, Identifier="orders", Name="x")

    assert refused == ("InvalidParameterException", f"orders already exists in user pool {pool.id}.")
    assert Pool(pool.client).resource_server("orders")["Identifier"] == "orders"


def test_an_update_replaces_name_and_scopes(pool: Pool) -> None:
    """Reference, "Resource servers and scopes": a missing `Scopes` empties the list."""
    pool.resource_server("orders", "read", "write")

    answer = pool.client.update_resource_server(UserPoolId=pool.id, Identifier="orders", Name="New")

    assert answer["ResourceServer"] == {"UserPoolId": pool.id, "Identifier": "orders", "Name": "New", "Scopes": []}
    assert pool.client.describe_resource_server(UserPoolId=pool.id, Identifier="orders") == answer


@pytest.mark.parametrize(
    ("operation", "members"),
    [("describe", {}), ("update", {"Name": "x"}), ("delete", {})],
)
def test_an_unknown_resource_server_is_refused(pool: Pool, operation: str, members: dict[str, Any]) -> None:
    call = getattr(pool.client, f"{operation}_resource_server")

    refused = refusal(call, UserPoolId=pool.id, Identifier="orders", **members)

    assert refused == ("ResourceNotFoundException", "Resource server orders does not exist.")


def test_a_deleted_scope_stays_in_the_clients_that_name_it(pool: Pool) -> None:
    """Reference, "Resource servers and scopes"."""
    pool.resource_server("orders")
    client_id = pool.machine()["ClientId"]

    assert pool.client.delete_resource_server(UserPoolId=pool.id, Identifier="orders") == {}

    assert pool.describe_client(client_id)["AllowedOAuthScopes"] == ["orders/read"]


def test_resource_servers_are_listed_page_by_page(pool: Pool) -> None:
    for name in ("a", "b", "c"):
        pool.resource_server(name)

    first = pool.client.list_resource_servers(UserPoolId=pool.id, MaxResults=2)
    second = pool.client.list_resource_servers(UserPoolId=pool.id, MaxResults=2, NextToken=first["NextToken"])

    assert [each["Identifier"] for each in first["ResourceServers"]] == ["a", "b"]
    assert [each["Identifier"] for each in second["ResourceServers"]] == ["c"]
    assert "NextToken" not in second


@pytest.mark.parametrize(
    ("members", "place"),
    [
        pytest.param({"Identifier": "or ders"}, "identifier", id="identifier"),
        pytest.param(
            {"Scopes": [{"ScopeName": "a/b", "ScopeDescription": "x"}]}, "scopes.1.member.scopeName", id="scope_name"
        ),
        pytest.param(
            {"Scopes": [{"ScopeName": f"s{number}", "ScopeDescription": "x"} for number in range(101)]},
            "scopes",
            id="more_than_100_scopes",
        ),
    ],
)
def test_names_outside_the_pattern_are_refused(pool: Pool, members: dict[str, Any], place: str) -> None:
    wanted = {"UserPoolId": pool.id, "Identifier": "orders", "Name": "Orders", **members}

    code, text = refusal(pool.client.create_resource_server, **wanted)

    assert code == "InvalidParameterException"
    assert f"at '{place}' failed to satisfy constraint" in (text or "")


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"Identifier": "aws.cognito"}, id="reserved"),
        pytest.param({"Identifier": "aws.cognito/dcr"}, id="reserved_before_a_slash"),
        pytest.param({"Scopes": [{"ScopeName": "read", "ScopeDescription": "x"}] * 2}, id="scope_twice"),
    ],
)
def test_what_the_model_cannot_say_is_refused(pool: Pool, members: dict[str, Any]) -> None:
    wanted = {"UserPoolId": pool.id, "Identifier": "orders", "Name": "Orders", **members}

    code, _ = refusal(pool.client.create_resource_server, **wanted)

    assert code == "InvalidParameterException"


def test_resource_servers_per_pool_are_a_quota(pool: Pool) -> None:
    strict = pool.client.with_settings(aws_quotas=True)
    for number in range(25):
        pool.resource_server(f"server{number}")

    code, _ = refusal(strict.create_resource_server, UserPoolId=pool.id, Identifier="more", Name="more")

    assert code == "LimitExceededException"
    assert pool.resource_server("more")
