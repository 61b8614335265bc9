"""GetClientToken: a machine's token by the JSON API."""

import base64
import json
from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import Pool, refusal

V3 = {"LambdaVersion": "V3_0", "LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:claims"}


@pytest.fixture
def machine(pool: Pool) -> Any:
    pool.resource_server("orders", "read", "write")
    return pool.app_client(
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"],
        AllowedOAuthScopes=["orders/read", "orders/write"],
    )


def ask(pool: Pool, machine: Any, **members: Any) -> Any:
    wanted = {"ClientId": machine["ClientId"], "Secret": machine["ClientSecret"], **members}
    return pool.client.get_client_token(**wanted)


def claims(answer: Any) -> Any:
    payload = answer["ClientAuthenticationResult"]["AccessToken"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_a_machine_gets_a_token_with_all_its_scopes(pool: Pool, machine: Any) -> None:
    """Reference, "GetClientToken": no domain, no flow, no `Scopes`."""
    answer = ask(pool, machine)

    result = answer["ClientAuthenticationResult"]
    assert (result["ExpiresIn"], result["TokenType"]) == (3600, "Bearer")
    token = claims(answer)
    assert token["scope"] == "orders/read orders/write"
    assert token["sub"] == token["client_id"] == machine["ClientId"]
    assert token["iss"] == f"https://cognito-idp.us-east-1.amazonaws.com/{pool.id}"
    assert token["token_use"] == "access"


def test_a_machine_gets_the_scopes_that_it_asks_for(pool: Pool, machine: Any) -> None:
    assert claims(ask(pool, machine, Scopes=["orders/write"]))["scope"] == "orders/write"


def test_a_pool_of_another_region_is_found_by_the_client_id(pool: Pool, machine: Any) -> None:
    """Design: unsigned calls tell no region; the client id names the pool."""
    elsewhere = pool.client.elsewhere(account="111111111111", region="eu-west-1")

    answer = elsewhere.get_client_token(ClientId=machine["ClientId"], Secret=machine["ClientSecret"])

    assert claims(answer)["iss"].endswith(pool.id)


def test_both_live_secrets_are_good(pool: Pool, machine: Any) -> None:
    added = pool.client.add_user_pool_client_secret(UserPoolId=pool.id, ClientId=machine["ClientId"])
    second = added["ClientSecretDescriptor"]["ClientSecretValue"]

    assert claims(ask(pool, machine))
    assert claims(ask(pool, machine, Secret=second))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"ClientId": "nobody"}, "ResourceNotFoundException", id="unknown_client"),
        pytest.param({"Secret": "x" * 52}, "NotAuthorizedException", id="wrong_secret"),
        pytest.param({"Scopes": ["orders/delete"]}, "NotAuthorizedException", id="unknown_scope"),
        pytest.param({"Scopes": ["openid"]}, "NotAuthorizedException", id="scope_about_users"),
    ],
)
def test_who_or_what_is_not_allowed_is_refused(pool: Pool, machine: Any, members: dict[str, Any], code: str) -> None:
    assert refusal(ask, pool=pool, machine=machine, **members)[0] == code


def test_a_client_without_the_flow_gets_none(pool: Pool, machine: Any) -> None:
    """Reference, "ExplicitAuthFlows": ALLOW_CLIENT_TOKEN_AUTH must be the only value."""
    other = pool.machine()

    assert refusal(ask, pool=pool, machine=other) == (
        "InvalidParameterException",
        "Auth flow not enabled for this client",
    )


def test_a_client_may_be_allowed_without_oauth_flows(pool: Pool, machine: Any) -> None:
    members = {
        "ExplicitAuthFlows": ["ALLOW_CLIENT_TOKEN_AUTH"],
        "AllowedOAuthScopes": ["orders/read"],
        "AllowedOAuthFlowsUserPoolClient": True,
    }

    answer = pool.client.update_user_pool_client(UserPoolId=pool.id, ClientId=machine["ClientId"], **members)

    assert "AllowedOAuthFlows" not in answer["UserPoolClient"]
    assert claims(ask(pool, machine))["scope"] == "orders/read"


def test_a_pool_whose_function_decides_over_machine_tokens_gives_none(pool: Pool, machine: Any) -> None:
    """Reference, "Pre-token generation": V3_0 is called for client_credentials. Until it is, the pool is closed."""
    for version in ("V1_0", "V2_0"):
        pool.update(LambdaConfig={"PreTokenGenerationConfig": V3 | {"LambdaVersion": version}})
        assert ask(pool, machine)
    pool.update(LambdaConfig={"PreTokenGenerationConfig": V3})

    assert refusal(ask, pool=pool, machine=machine)[0] == "OperationNotEnabledException"
