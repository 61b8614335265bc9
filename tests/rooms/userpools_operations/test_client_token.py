"""GetClientToken: a machine's token by the JSON API."""

import base64
import json
from typing import Any

import pytest

from scopegate.base.limits import limit
from scopegate.http.message import Request, Response
from tests.rooms.userpools_operations.driver import Client, Pool, refusal

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


def test_a_pool_whose_function_cannot_be_asked_gives_no_machine_tokens(pool: Pool, machine: Any) -> None:
    """Reference, "Pre-token generation": V3_0 is asked about machines; it might have taken a scope away."""
    for version in ("V1_0", "V2_0"):
        pool.update(LambdaConfig={"PreTokenGenerationConfig": V3 | {"LambdaVersion": version}})
        assert ask(pool, machine)
    pool.update(LambdaConfig={"PreTokenGenerationConfig": V3})

    assert refusal(ask, pool=pool, machine=machine) == (
        "UnexpectedLambdaException",
        "PreTokenGeneration invocation failed due to error ResourceNotFoundException.",
    )


# Attack row O15: guessing by this way is guessing as at the token endpoint.

WRONG = "wrong" * 10
TOO_OFTEN = ("TooManyRequestsException", "Rate exceeded")


def answer_from(client: Client, address: str, machine: Any, secret: str) -> Response:
    """The answer to an unsigned call over HTTP from an address."""
    body = json.dumps({"ClientId": machine["ClientId"], "Secret": secret}).encode()
    target = b"AWSCognitoIdentityProviderService.GetClientToken"
    headers = [(b"X-Amz-Target", target), (b"Content-Type", b"application/x-amz-json-1.1")]
    return client.server.loop.run(
        client.server.control.answer(Request("POST", b"/", headers, body, peer=(address, 50_000)))
    )


def test_o15_guessing_is_throttled_after_failures_and_opens_again_with_time(
    pool: Pool, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("scopegate.base.clock.monotonic", lambda: now[0])
    strict = pool.client.with_settings(development=False)
    right = {"ClientId": machine["ClientId"], "Secret": machine["ClientSecret"]}
    for _ in range(limit("userpools.failed_authentications")):
        assert strict.get_client_token(**right)
        assert refusal(strict.get_client_token, **right | {"Secret": WRONG})[0] == "NotAuthorizedException"

    assert refusal(strict.get_client_token, **right | {"Secret": WRONG}) == TOO_OFTEN
    assert refusal(strict.get_client_token, **right) == TOO_OFTEN  # or the right guess would tell itself apart

    now[0] += limit("userpools.failed_authentication_s")
    assert strict.get_client_token(**right)


def test_o15_other_addresses_and_other_clients_do_not_notice(pool: Pool, machine: Any) -> None:
    strict = pool.client.with_settings(development=False)
    other = pool.app_client(
        GenerateSecret=True, ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"], AllowedOAuthScopes=["orders/read"]
    )
    for _ in range(limit("userpools.failed_authentications")):
        assert answer_from(strict, "192.0.2.1", machine, WRONG).status == 400

    refused = answer_from(strict, "192.0.2.1", machine, machine["ClientSecret"])
    assert json.loads(refused.body) == {"__type": TOO_OFTEN[0], "message": TOO_OFTEN[1]}
    assert answer_from(strict, "192.0.2.7", machine, machine["ClientSecret"]).status == 200
    assert answer_from(strict, "192.0.2.1", other, other["ClientSecret"]).status == 200


def test_o15_development_mode_does_not_throttle(pool: Pool, machine: Any) -> None:
    for _ in range(2 * limit("userpools.failed_authentications")):
        assert refusal(ask, pool=pool, machine=machine, Secret=WRONG)[0] == "NotAuthorizedException"

    assert ask(pool, machine)


def test_the_quota_of_client_authentications_counts_here_too(
    pool: Pool, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference, quotas: ClientAuthentication, per account and region."""
    monkeypatch.setattr("scopegate.base.clock.monotonic", lambda: 1000.0)
    strict = pool.client.with_settings(aws_quotas=True)
    request = {"ClientId": machine["ClientId"], "Secret": WRONG}
    for _ in range(limit("userpools.client_credentials_rate")):
        assert refusal(strict.get_client_token, **request)[0] == "NotAuthorizedException"

    assert refusal(strict.get_client_token, **request) == TOO_OFTEN
