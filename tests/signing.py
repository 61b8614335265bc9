"""Calls signed as SDKs sign them, by botocore, and what a test may get wrong about them on purpose."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.operators import create_key
from tests.server import ACCOUNT, REGION, Server, make_function

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
HAND_OVER = """
import os
def handler(event, context):
    return [os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
"""


@dataclass(frozen=True)
class Signer:
    """Who signs. late_s: how long ago."""

    key_id: str
    secret: str
    token: str | None = None
    service: str = "execute-api"
    region: str = REGION
    late_s: float = 0

    def but(self, **changes: Any) -> "Signer":
        return replace(self, **changes)

    def headers(
        self, method: str, host: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of the signed call, those that were given among them; Host is left to who sends it."""
        request = AWSRequest(method, f"https://{host}{target}", dict(headers or {}), body)
        with self._then():
            auth.SigV4Auth(self._credentials, self.service, self.region).add_auth(request)
        return dict(request.headers.items())

    def target(self, method: str, host: str, target: str, *, expires_s: int = 300) -> str:
        """The presigned target."""
        request = AWSRequest(method, f"https://{host}{target}")
        with self._then():
            auth.SigV4QueryAuth(self._credentials, self.service, self.region, expires=expires_s).add_auth(request)
        parts = urlsplit(request.url)
        return f"{parts.path}?{parts.query}"

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self.key_id, self.secret, self.token)

    def _then(self) -> Any:
        moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=self.late_s)
        return mock.patch.object(auth, "get_current_datetime", return_value=moment)


def operator_of(server: Server) -> Signer:
    """A key of the server's operator, made as an operator makes it while the server runs."""
    key = create_key("--data-dir", str(server.data_dir))
    return Signer(key.key_id, key.secret)


def session_of(server: Server, name: str, *statements: dict[str, Any]) -> Signer:
    """The session that a function has of a role which these statements are the policy of."""
    iam = server.aws("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    if statements:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    make_function(server, name, HAND_OVER, Role=f"arn:aws:iam::{ACCOUNT}:role/{name}")
    return Signer(*json.loads(server.aws("lambda").invoke(FunctionName=name)["Payload"].read()))
