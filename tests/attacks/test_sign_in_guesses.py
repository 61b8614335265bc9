"""Rows O15 and G9: one address that tries passwords on many users is braked; others, and other pools, do not notice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.operators import Production, start_production
from tests.people import PASSWORD

MOST = 70  # fifty are let through, and a few more for the time that they take


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Production]:
    """A production server of the test's own: it remembers who guessed."""
    running = start_production(tmp_path / "guarded", "--trusted-proxy", "127.0.0.1")
    yield running
    assert running.server.stop() == 0


def with_user(guarded: Production) -> tuple[str, str]:
    """(pool id, client id) of a pool with the user ada."""
    idp = guarded.aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName="guarded")["UserPool"]["Id"]
    client_id = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="app",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]["ClientId"]
    idp.admin_create_user(UserPoolId=pool_id, Username="ada", MessageAction="SUPPRESS")
    idp.admin_set_user_password(UserPoolId=pool_id, Username="ada", Password=PASSWORD, Permanent=True)
    return pool_id, client_id


def attempt(guarded: Production, client_id: str, username: str, password: str) -> str:
    """What a sign-in is refused with, "" when it is not."""
    given = {"USERNAME": username, "PASSWORD": password}
    request: dict[str, Any] = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client_id, "AuthParameters": given}
    try:
        guarded.aws("cognito-idp").initiate_auth(**request)
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    return ""


def attempt_through_proxy(guarded: Production, client_id: str, forwarded_for: str) -> int:
    """The status of a sign-in as ada that the trusted proxy brings."""
    given = {"USERNAME": "ada", "PASSWORD": PASSWORD}
    return guarded.server.http(
        "POST",
        "/",
        json={"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client_id, "AuthParameters": given},
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
            "X-Forwarded-For": forwarded_for,
        },
    ).status_code


def test_one_password_on_many_users_is_braked_by_address(guarded: Production) -> None:
    pool_id, client_id = with_user(guarded)
    _, other = with_user(guarded)

    refusals = []
    for number in range(MOST):
        refusals.append(attempt(guarded, client_id, f"user{number}", "Summer-2026!"))
        if refusals[-1] == "Password attempts exceeded":
            break

    assert set(refusals[:-1]) == {"Incorrect username or password."}
    assert 50 <= len(refusals) < MOST
    assert attempt(guarded, client_id, "ada", PASSWORD) == "Password attempts exceeded"
    assert attempt(guarded, other, "ada", PASSWORD) == ""
    # Behind a proxy that is trusted, who guesses is not everybody; what stands left of its word counts for nothing.
    assert attempt_through_proxy(guarded, client_id, "203.0.113.7") == 200
    assert attempt_through_proxy(guarded, client_id, "127.0.0.1, 203.0.113.7") == 200
    assert attempt_through_proxy(guarded, client_id, "203.0.113.7, nobody") == 400
    # Nor is an older directory asked, which the pool's function could be made to guess at.
    function = "arn:aws:lambda:us-east-1:000000000000:function:older-directory"
    guarded.aws("cognito-idp").update_user_pool(UserPoolId=pool_id, LambdaConfig={"UserMigration": function})
    assert attempt(guarded, client_id, "somebody", PASSWORD) == "Password attempts exceeded"


def test_codes_are_not_sent_to_somebody_without_end(guarded: Production) -> None:
    """Anybody can ask for them; nobody is told apart by when it ends (O17)."""
    idp = guarded.aws("cognito-idp")
    allowed = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    pool_id = idp.create_user_pool(PoolName="guarded", Policies=allowed)["UserPool"]["Id"]
    client_id = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="app",
        ExplicitAuthFlows=["ALLOW_USER_AUTH"],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]["ClientId"]
    mail = [{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}]
    idp.admin_create_user(UserPoolId=pool_id, Username="ada", MessageAction="SUPPRESS", UserAttributes=mail)

    def ask(username: str) -> str:
        given = {"USERNAME": username, "PREFERRED_CHALLENGE": "EMAIL_OTP"}
        try:
            idp.initiate_auth(AuthFlow="USER_AUTH", ClientId=client_id, AuthParameters=given)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    said = [[ask(username) for _ in range(22)] for username in ("ada", "nobody")]

    assert said == [[""] * 20 + ["TooManyRequestsException"] * 2] * 2
