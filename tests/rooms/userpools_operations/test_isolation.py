"""Attack rows O24 and U2: nothing of one account, region or pool is reached from another."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import Client, Pool, refusal

Request = dict[str, Any]
OPERATIONS: list[tuple[str, Request]] = [
    ("describe_user_pool", {}),
    ("update_user_pool", {}),
    ("delete_user_pool", {}),
    ("add_custom_attributes", {"CustomAttributes": [{"Name": "a", "AttributeDataType": "String"}]}),
    ("get_user_pool_mfa_config", {}),
    ("set_user_pool_mfa_config", {"MfaConfiguration": "OFF"}),
    ("create_user_pool_domain", {"Domain": "theirs"}),
    ("update_user_pool_domain", {"Domain": "orders"}),
    ("delete_user_pool_domain", {"Domain": "orders"}),
    ("create_user_pool_client", {"ClientName": "x"}),
    ("describe_user_pool_client", {"ClientId": "?"}),
    ("update_user_pool_client", {"ClientId": "?"}),
    ("delete_user_pool_client", {"ClientId": "?"}),
    ("list_user_pool_clients", {}),
    ("add_user_pool_client_secret", {"ClientId": "?"}),
    ("list_user_pool_client_secrets", {"ClientId": "?"}),
    ("delete_user_pool_client_secret", {"ClientId": "?", "ClientSecretId": "x--1"}),
    ("create_resource_server", {"Identifier": "x", "Name": "x"}),
    ("describe_resource_server", {"Identifier": "orders"}),
    ("update_resource_server", {"Identifier": "orders", "Name": "x"}),
    ("delete_resource_server", {"Identifier": "orders"}),
    ("list_resource_servers", {"MaxResults": 10}),
    ("list_identity_providers", {}),
    ("get_ui_customization", {}),
    ("get_log_delivery_configuration", {}),
    ("list_user_pool_replicas", {}),
]


def furnish(pool: Pool) -> str:
    """The id of its app client."""
    pool.resource_server("orders")
    pool.domain("orders")
    return str(pool.machine()["ClientId"])


@pytest.mark.parametrize("elsewhere", [{"account": "111111111111"}, {"region": "eu-west-1"}], ids=["account", "region"])
@pytest.mark.parametrize(("operation", "members"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_o24_a_pool_is_unknown_from_elsewhere(
    pool: Pool, elsewhere: dict[str, str], operation: str, members: Request
) -> None:
    client_id = furnish(pool)
    before = (pool.describe(), pool.describe_client(client_id))
    request = {name: client_id if value == "?" else value for name, value in members.items()}

    refused = refusal(getattr(pool.client.elsewhere(**elsewhere), operation), UserPoolId=pool.id, **request)

    assert refused == ("ResourceNotFoundException", f"User pool {pool.id} does not exist.")
    assert (pool.describe(), pool.describe_client(client_id)) == before


@pytest.mark.parametrize("elsewhere", [{"account": "111111111111"}, {"region": "eu-west-1"}], ids=["account", "region"])
def test_o24_lists_domains_and_tags_show_nothing_of_elsewhere(pool: Pool, elsewhere: dict[str, str]) -> None:
    furnish(pool)
    stranger = pool.client.elsewhere(**elsewhere)

    assert stranger.list_user_pools(MaxResults=60) == {"UserPools": []}
    assert stranger.describe_user_pool_domain(Domain="orders") == {"DomainDescription": {}}
    refused = refusal(stranger.list_tags_for_resource, ResourceArn=pool.created["Arn"])
    assert refused == ("ResourceNotFoundException", f"User pool {pool.id} does not exist.")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("describe_user_pool_client", {}),
        ("update_user_pool_client", {}),
        ("delete_user_pool_client", {}),
        ("add_user_pool_client_secret", {}),
        ("list_user_pool_client_secrets", {}),
        ("delete_user_pool_client_secret", {"ClientSecretId": "x--1"}),
    ],
)
def test_o24_a_client_is_unknown_in_another_pool(client: Client, operation: str, members: Request) -> None:
    owner, other = Pool(client), Pool(client)
    client_id = furnish(owner)

    refused = refusal(getattr(client, operation), UserPoolId=other.id, ClientId=client_id, **members)

    assert refused == ("ResourceNotFoundException", f"User pool client {client_id} does not exist.")
    assert owner.describe_client(client_id)["ClientSecret"]


def test_o24_a_scope_of_another_pool_is_unknown(client: Client) -> None:
    Pool(client).resource_server("orders")

    refused = refusal(Pool(client).machine)

    assert refused == ("ScopeDoesNotExistException", "Invalid scope requested: orders/read")


def tokens_of(pool: Pool) -> tuple[str, Callable[[str], Any]]:
    """A NextToken of a pool's list of clients, and that list by token."""
    for number in range(2):
        pool.app_client(ClientName=f"c{number}")

    def follow(token: str) -> Any:
        return pool.client.list_user_pool_clients(UserPoolId=pool.id, MaxResults=1, NextToken=token)

    return str(pool.client.list_user_pool_clients(UserPoolId=pool.id, MaxResults=1)["NextToken"]), follow


def test_u2_a_page_token_is_good_for_its_own_list_only(client: Client) -> None:
    token, follow = tokens_of(Pool(client))
    _, follow_other = tokens_of(Pool(client))

    assert len(follow(token)["UserPoolClients"]) == 1
    assert refusal(follow_other, token=token) == ("InvalidParameterException", "Invalid NextToken.")
    assert refusal(client.list_user_pools, MaxResults=1, NextToken=token)[0] == "InvalidParameterException"


def test_u2_a_page_token_of_another_account_is_refused(client: Client) -> None:
    for _ in range(2):
        Pool(client)
    token = client.list_user_pools(MaxResults=1)["NextToken"]

    refused = refusal(client.elsewhere(account="111111111111").list_user_pools, MaxResults=1, NextToken=token)

    assert refused == ("InvalidParameterException", "Invalid NextToken.")


@pytest.mark.parametrize("token", ["x", "c2NvcGU=", "A" * 64, "' OR 1=1", "é"])
def test_u2_a_forged_page_token_is_refused(pool: Pool, token: str) -> None:
    code, _ = refusal(pool.client.list_user_pool_clients, UserPoolId=pool.id, NextToken=token)

    assert code == "InvalidParameterException"


def test_u2_a_page_token_does_not_tell_the_key(pool: Pool) -> None:
    token, _ = tokens_of(pool)
    ids = [client["ClientId"] for client in pool.client.list_user_pool_clients(UserPoolId=pool.id)["UserPoolClients"]]

    assert not any(client_id in token for client_id in ids)
