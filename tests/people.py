"""People for tests from outside: a pool, app clients and users, made by boto3, and how its clients sign them in."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from scopegate.cli.client import Client
from scopegate.userpools.signin import srp
from tests.operators import wait_until
from tests.server import Server

PASSWORD = "Correct-Horse-9"
FLOWS = ("ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


@dataclass(frozen=True)
class People:
    """One pool with users."""

    server: Server
    pool_id: str

    @property
    def idp(self) -> Any:
        return self.server.aws("cognito-idp")

    def client(self, *flows: str, **more: Any) -> dict[str, Any]:
        """An app client as CreateUserPoolClient answers it; with the flows of FLOWS unless others are named."""
        request = {"ClientName": "app", "ExplicitAuthFlows": list(flows or FLOWS), **more}
        made: dict[str, Any] = self.idp.create_user_pool_client(UserPoolId=self.pool_id, **request)["UserPoolClient"]
        return made

    def user(
        self, username: str = "ada", password: str = PASSWORD, *, permanent: bool = True, **attributes: str
    ) -> str:
        """A user with a password; the `sub`."""
        made = self.idp.admin_create_user(
            UserPoolId=self.pool_id,
            Username=username,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            **({} if permanent else {"TemporaryPassword": password}),
        )["User"]
        if permanent:
            self.idp.admin_set_user_password(
                UserPoolId=self.pool_id, Username=username, Password=password, Permanent=True
            )
        return next(each["Value"] for each in made["Attributes"] if each["Name"] == "sub")

    def by_password(self, client: dict[str, Any], username: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
        """What InitiateAuth answers to a password."""
        return self.initiate(client, "USER_PASSWORD_AUTH", USERNAME=username, PASSWORD=password)

    def initiate(self, client: dict[str, Any], flow: str, /, **given: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.idp.initiate_auth(
            AuthFlow=flow, ClientId=client["ClientId"], AuthParameters={**given, **_hash_of(client, given)}
        )
        return answer

    def respond(
        self, client: dict[str, Any], asked: dict[str, Any], name: str | None = None, /, **given: str
    ) -> dict[str, Any]:
        """What RespondToAuthChallenge answers. asked: the answer that holds the challenge."""
        answer: dict[str, Any] = self.idp.respond_to_auth_challenge(
            ChallengeName=name or asked["ChallengeName"],
            ClientId=client["ClientId"],
            ChallengeResponses={**given, **_hash_of(client, given)},
            **({"Session": asked["Session"]} if "Session" in asked else {}),
        )
        return answer

    def tokens(self, client: dict[str, Any], username: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
        """AuthenticationResult of a sign-in by password."""
        result: dict[str, Any] = self.by_password(client, username, password)["AuthenticationResult"]
        return result

    def refresh(self, client: dict[str, Any], refresh_token: str) -> dict[str, Any]:
        """AuthenticationResult of REFRESH_TOKEN_AUTH."""
        answer = self.idp.initiate_auth(
            AuthFlow="REFRESH_TOKEN_AUTH",
            ClientId=client["ClientId"],
            AuthParameters={"REFRESH_TOKEN": refresh_token},
        )
        result: dict[str, Any] = answer["AuthenticationResult"]
        return result

    def messages(self, to: str) -> list[dict[str, Any]]:
        """What the pool wrote to a user, by name or address, as `scopegate outbox --json` shows it; oldest first."""
        query = urlencode({"user": to})
        found = Client(self.server.url).own("GET", f"outbox?{query}")["messages"]
        return [message for message in found if message["userPoolId"] == self.pool_id]

    def code(self, to: str, purpose: str | None = None) -> str:
        """The newest code that the pool sent to a user; it is waited for."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [
                match[0]
                for message in self.messages(to)
                if purpose in (None, message["purpose"]) and (match := re.search("[0-9]{6,8}", message["body"]))
            ]
            return bool(found)

        wait_until(is_there)
        return found[-1]

    def by_srp(self, client: dict[str, Any], username: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
        """What the answer to PASSWORD_VERIFIER is answered with."""
        a = int.from_bytes(secrets.token_bytes(128), "big")
        asked = self.initiate(client, "USER_SRP_AUTH", USERNAME=username, SRP_A=f"{pow(srp.G, a, srp.N):x}")
        return self.respond(client, asked, **self.srp_proof(asked["ChallengeParameters"], a, password))

    def srp_proof(self, asked: dict[str, str], a: int, password: str) -> dict[str, str]:
        """ChallengeResponses that prove a password, as clients compute them."""
        name, pool = asked["USER_ID_FOR_SRP"], self.pool_id.partition("_")[2]
        u = srp.compute_u(pow(srp.G, a, srp.N), b := int(asked["SRP_B"], 16))
        x = srp.compute_x(pool, name, password, asked["SALT"])
        s = pow(b - srp.K * pow(srp.G, x, srp.N), a + u * x, srp.N)
        prk = hmac.digest(srp.pad(u), srp.pad(s), "sha256")
        key = hmac.digest(prk, b"Caldera Derived Key\x01", "sha256")[:16]
        now = datetime.now(UTC)
        timestamp = f"{now:%a %b} {now.day} {now:%H:%M:%S UTC %Y}"
        message = f"{pool}{name}".encode() + base64.b64decode(asked["SECRET_BLOCK"]) + timestamp.encode()
        return {
            "USERNAME": asked["USERNAME"],
            "PASSWORD_CLAIM_SECRET_BLOCK": asked["SECRET_BLOCK"],
            "TIMESTAMP": timestamp,
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(hmac.digest(key, message, "sha256")).decode(),
        }


def secret_hash(client: dict[str, Any], username: str) -> str:
    message = f"{username}{client['ClientId']}".encode()
    return base64.b64encode(hmac.digest(client["ClientSecret"].encode(), message, hashlib.sha256)).decode()


def _hash_of(client: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    if "ClientSecret" not in client or "SECRET_HASH" in given:
        return {}
    return {"SECRET_HASH": secret_hash(client, given["USERNAME"])}


def make_people(server: Server, **pool: Any) -> People:
    made = server.aws("cognito-idp").create_user_pool(**{"PoolName": "people", **pool})
    return People(server, made["UserPool"]["Id"])


@pytest.fixture
def people(server: Server) -> People:
    """A pool of the test's own on the shared server."""
    return make_people(server)


@contextmanager
def refused(code: str, text: str | None = None) -> Iterator[None]:
    """A call in here is refused so. text: the whole message, None for any."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert text is None or error["Message"] == text
