"""People sign in to applications that use what applications use: code and PKCE, refresh, userInfo, revocation, logout.

openid-client and oauth4webapi in Node.js, Authlib and requests-oauthlib in Python, each by discovery, each as a public
and as a confidential client.
"""

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from joserfc import jwt
from joserfc.jwk import KeySet
from requests_oauthlib import OAuth2Session

from tests.node import bin_directory
from tests.operators import wait_until
from tests.pages import Browser, browser_of
from tests.server import Server, start

PASSWORD = "Correct-Horse-9"
CALLBACK = "http://localhost:3999/callback"
LOGOUT = "http://localhost:3999/bye"
NODE_TESTS = Path(__file__).parent / "node"


@dataclass(frozen=True)
class App:
    """One application: a client of a pool whose issuer is reachable as written, and its user's browser."""

    server: Server
    issuer: str
    client_id: str
    client_secret: str
    browser: Browser

    def browse(self, url: str) -> str:
        """Sign in as ada at an address that the library made; where the browser comes back."""
        assert url.startswith(self.issuer), url
        page = self.browser.get(url.removeprefix(self.server.url.replace("127.0.0.1", "localhost")))
        if not page.location:
            page = page.submit(username="ada", password=PASSWORD)
        assert page.location.startswith(CALLBACK), page.text
        return page.location

    def document(self) -> dict[str, Any]:
        answer = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=10)
        document: dict[str, Any] = answer.json()
        return document

    def check_id_token(self, token: str, nonce: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(requests.get(self.document()["jwks_uri"], timeout=10).json())
        claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (self.issuer, self.client_id, nonce)
        return claims


@pytest.fixture(scope="module")
def issuing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pools have issuers of its own address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    arguments = ("serve", "--dev", "--port", port, "--issuer-url", f"http://localhost:{port}")
    running = start(arguments, tmp_path_factory.mktemp("issuing"))
    yield running
    assert running.stop() == 0


@pytest.fixture(params=["public", "confidential"])
def app(request: pytest.FixtureRequest, issuing: Server) -> App:
    idp = issuing.aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName="apps")["UserPool"]["Id"]
    client = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="App",
        GenerateSecret=request.param == "confidential",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid", "email"],
        CallbackURLs=[CALLBACK],
        LogoutURLs=[LOGOUT],
    )["UserPoolClient"]
    attributes = [{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}]
    idp.admin_create_user(UserPoolId=pool_id, Username="ada", MessageAction="SUPPRESS", UserAttributes=attributes)
    idp.admin_set_user_password(UserPoolId=pool_id, Username="ada", Password=PASSWORD, Permanent=True)
    issuer = f"http://localhost:{issuing.port}/{pool_id}"
    return App(issuing, issuer, client["ClientId"], client.get("ClientSecret", ""), browser_of(issuing))


def assert_signed_out(app: App, out: str) -> None:
    """The library's way out leads to the application, and the browser is asked for the password again."""
    page = app.browser.get(out.removeprefix(app.server.url.replace("127.0.0.1", "localhost")))
    assert page.location == LOGOUT
    query = {"response_type": "code", "client_id": app.client_id, "redirect_uri": CALLBACK, "prompt": "none"}
    again = app.browser.get(f"{app.issuer.removeprefix(f'http://localhost:{app.server.port}')}/oauth2/authorize", query)
    assert again.query["error"] == "login_required"


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_applications_in_nodejs(app: App, library: str) -> None:
    assert (NODE_TESTS / "node_modules").is_dir(), "make test-setup installs the Node.js libraries"
    environment = {
        "PATH": os.environ["PATH"],
        "LIBRARY": library,
        "ISSUER": app.issuer,
        "CLIENT_ID": app.client_id,
        "CLIENT_SECRET": app.client_secret,
        "CALLBACK": CALLBACK,
        "LOGOUT": LOGOUT,
    }
    with subprocess.Popen(
        [bin_directory() / "node", "--no-warnings", "sign_in.mjs"],
        cwd=NODE_TESTS,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        back = app.browse(url) if url else ""
        printed, faults = process.communicate(back + "\n", timeout=60)
    assert process.returncode == 0, faults
    result = json.loads(printed)

    assert (result["claims"]["cognito:username"], result["claims"]["email_verified"]) == ("ada", True)
    assert (result["user"]["email"], result["user"]["email_verified"]) == ("ada@example.com", "true")
    assert (result["renewed"], result["refused"]) == (True, "invalid_grant")
    assert_signed_out(app, result["out"])


def test_applications_with_authlib(app: App) -> None:
    document, nonce = app.document(), secrets.token_urlsafe()
    session = AuthlibSession(
        app.client_id,
        app.client_secret or None,
        scope="openid email",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if app.client_secret else "none",
    )
    verifier = secrets.token_urlsafe(48)
    url, state = session.create_authorization_url(
        document["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )

    token = session.fetch_token(
        document["token_endpoint"], authorization_response=app.browse(url), code_verifier=verifier, state=state
    )
    claims = app.check_id_token(token["id_token"], nonce)
    user = session.get(document["userinfo_endpoint"]).json()
    renewed = session.refresh_token(document["token_endpoint"], refresh_token=token["refresh_token"])
    revoked = session.revoke_token(document["revocation_endpoint"], token=token["refresh_token"])

    assert (claims["cognito:username"], user["sub"]) == ("ada", claims["sub"])
    assert renewed["access_token"] != token["access_token"]
    assert revoked.status_code == 200
    # Every process hears of it within a second.
    wait_until(lambda: session.get(document["userinfo_endpoint"]).status_code == 401)
    assert_signed_out(app, f"{document['end_session_endpoint']}?client_id={app.client_id}&logout_uri={LOGOUT}")


def test_applications_with_requests_oauthlib(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    document, nonce = app.document(), secrets.token_urlsafe()
    session = OAuth2Session(app.client_id, redirect_uri=CALLBACK, scope=["openid", "email"], pkce="S256")
    url, _ = session.authorization_url(document["authorization_endpoint"], nonce=nonce)
    secret: dict[str, Any] = {"client_secret": app.client_secret} if app.client_secret else {"include_client_id": True}

    token = session.fetch_token(document["token_endpoint"], authorization_response=app.browse(url), **secret)
    claims = app.check_id_token(token["id_token"], nonce)
    user = session.get(document["userinfo_endpoint"]).json()
    more = {"client_id": app.client_id, **({"client_secret": app.client_secret} if app.client_secret else {})}
    renewed = session.refresh_token(document["token_endpoint"], refresh_token=token["refresh_token"], **more)

    assert (claims["cognito:username"], user["email"]) == ("ada", "ada@example.com")
    assert renewed["access_token"] != token["access_token"]
    assert session.get(document["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    assert_signed_out(app, f"{document['end_session_endpoint']}?client_id={app.client_id}&logout_uri={LOGOUT}")


def test_a_browser_that_is_signed_in_goes_from_one_application_to_the_next(app: App) -> None:
    """One pool, two clients: no second password."""
    made = app.server.aws("cognito-idp").create_user_pool_client(
        UserPoolId=app.issuer.rsplit("/", 1)[1],
        ClientName="Second",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid"],
        CallbackURLs=[CALLBACK],
    )["UserPoolClient"]
    document = app.document()
    address = f"{document['authorization_endpoint']}?response_type=code&redirect_uri={CALLBACK}&client_id="
    app.browse(address + app.client_id)

    page = app.browser.get((address + made["ClientId"]).removeprefix(f"http://localhost:{app.server.port}"))

    assert page.location.startswith(f"{CALLBACK}?code=")
