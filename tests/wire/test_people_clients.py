"""Users sign in, renew and sign out by what people use for it: libraries that speak the JSON API."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from pycognito import Cognito

from tests.node import bin_directory
from tests.people import PASSWORD, People, refused
from tests.server import REGION

NODE_TESTS = Path(__file__).parent / "node"
AWS_CLI = Path(__file__).parents[2] / ".venv-awscli" / "bin" / "aws"


@pytest.fixture
def ada(people: People) -> People:
    people.user("ada", email="ada@example.com", email_verified="true")
    return people


def in_node(people: People, way: str) -> dict[str, Any]:
    client = people.client()
    environment = {
        "PATH": os.environ["PATH"],
        "ENDPOINT": people.server.url,
        "POOL": people.pool_id,
        "CLIENT": client["ClientId"],
        "USERNAME": "ada",
        "PASSWORD": PASSWORD,
        "WAY": way,
    }
    done = subprocess.run(
        [bin_directory() / "node", "--no-warnings", "identity.mjs"],
        cwd=NODE_TESTS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_amazon_cognito_identity_js(ada: People) -> None:
    assert in_node(ada, "identity") == {
        "username": "ada",
        "email": "ada@example.com",
        "renewed": "ada",
        "after": "NotAuthorizedException",
    }


def test_aws_amplify(ada: People) -> None:
    assert in_node(ada, "amplify") == {
        "step": "DONE",
        "username": "ada",
        "email": "ada@example.com",
        "renewed": "ada",
        "isRenewed": True,
        "after": "signed out",
    }


def test_aws_sdk_for_javascript(ada: People) -> None:
    assert in_node(ada, "sdk") == {
        "username": "ada",
        "email": "ada@example.com",
        "renewed": True,
        "after": "NotAuthorizedException",
    }


def test_pycognito(ada: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes its boto3 client itself, and would fetch the keys from where Amazon has them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ada.server.url)
    keys = ada.server.http("GET", f"/{ada.pool_id}/.well-known/jwks.json").json()
    client = ada.client(GenerateSecret=True)
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    user = Cognito(
        ada.pool_id,
        client["ClientId"],
        client_secret=client["ClientSecret"],
        username="ada",
        session=session,
    )
    user.pool_jwk = keys
    user.authenticate(password=PASSWORD)
    first = user.access_token
    user.renew_access_token()
    user.logout()

    assert first is not None
    with refused("NotAuthorizedException", "Access Token has been revoked"):
        ada.idp.get_user(AccessToken=first)


def test_the_aws_cli(ada: People, tmp_path: Path) -> None:
    client = ada.client()

    def aws(*arguments: str) -> Any:
        done = subprocess.run(
            [
                AWS_CLI,
                "cognito-idp",
                *arguments,
                "--endpoint-url",
                ada.server.url,
                "--region",
                REGION,
                "--no-sign-request",
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_PAGER": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout) if done.stdout.strip() else {}

    parameters = f"USERNAME=ada,PASSWORD={PASSWORD}"
    shared = ("--client-id", client["ClientId"])
    signed_in = aws("initiate-auth", "--auth-flow", "USER_PASSWORD_AUTH", *shared, "--auth-parameters", parameters)
    result = signed_in["AuthenticationResult"]
    assert aws("get-user", "--access-token", result["AccessToken"])["Username"] == "ada"
    token = f"REFRESH_TOKEN={result['RefreshToken']}"
    renewed = aws("initiate-auth", "--auth-flow", "REFRESH_TOKEN_AUTH", *shared, "--auth-parameters", token)
    aws("global-sign-out", "--access-token", renewed["AuthenticationResult"]["AccessToken"])

    with pytest.raises(subprocess.CalledProcessError):
        aws("get-user", "--access-token", result["AccessToken"])
