"""An application whose users sign in by pages: its pool, its client, and the place where browsers come back."""

import base64
import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.server import Server

PASSWORD = "Correct-Horse-9"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Shop:
    """One public client of a pool of its own, reached by the pool's path."""

    server: Server
    callback: str
    pool_id: str
    client_id: str
    returned: list[dict[str, str]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://localhost:{self.server.port}/{self.pool_id}"

    def url(self, path: str = "/oauth2/authorize", **more: str) -> str:
        whole = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.callback,
            "scope": "openid email profile",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        return f"{self.base}{path}?{urlencode(whole)}"

    def redeem(self, code: str) -> dict[str, Any]:
        """The tokens of a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "client_id": self.client_id,
            "code_verifier": VERIFIER,
        }
        answer = self.server.http("POST", f"/{self.pool_id}/oauth2/token", data=fields)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


class _Callback(http.server.BaseHTTPRequestHandler):
    returned: list[dict[str, str]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/callback":
            self.returned.append(dict(parse_qsl(parts.query)))
        body = b"<!doctype html><html lang=en><title>Shop</title><h1>Back in the shop</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def open_shop(
    server: Server, pool: dict[str, Any] | None = None, client: dict[str, Any] | None = None, **mfa: Any
) -> Iterator[Shop]:
    """pool: of CreateUserPool; client: of CreateUserPoolClient, beside its own; mfa: of SetUserPoolMfaConfig."""
    returned: list[dict[str, str]] = []
    handler = type("Callback", (_Callback,), {"returned": returned})
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    callback = f"http://localhost:{service.server_port}/callback"
    idp = server.aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName="shop", **(pool or {"AutoVerifiedAttributes": ["email"]}))["UserPool"]["Id"]
    if mfa:
        idp.set_user_pool_mfa_config(UserPoolId=pool_id, **mfa)
    made = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="Orders",
        AllowedOAuthFlows=["code", "implicit"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid", "email", "profile"],
        CallbackURLs=[callback],
        LogoutURLs=[callback.replace("/callback", "/bye")],
        SupportedIdentityProviders=["COGNITO"],
        PreventUserExistenceErrors="ENABLED",
        **(client or {}),
    )["UserPoolClient"]
    yield Shop(server, callback, pool_id, made["ClientId"], returned)
    service.shutdown()
    service.server_close()
