"""The sign-in pages of real processes: on every kind of server and database, each step at whichever process answers.

Source: design, "Roles"; attack rows O3, O8, O23.
"""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pyotp
import pytest

from tests.operators import wait_until
from tests.pages import Browser, Page, browser_of, code_sent_to
from tests.postgres import Postgres
from tests.server import Server, start, token_part

PASSWORD = "Correct-Horse-9"
CALLBACK = "https://app.example/callback"


@dataclass(frozen=True)
class Nodes:
    """All that answer for one database."""

    servers: tuple[Server, ...]

    def browser(self) -> Browser:
        """One browser that reaches another node with each request, as behind a balancer."""
        order = cycle([browser_of(server) for server in self.servers])
        return Browser(lambda *request: next(order).send(*request))


@pytest.fixture(scope="module", params=["one-process", "two-workers", "two-nodes-on-postgres"])
def nodes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: Server, postgres: Postgres
) -> Iterator[Nodes]:
    if request.param == "one-process":
        yield Nodes((server,))
    elif request.param == "two-workers":
        running = start(("serve", "--dev", "--workers", "2"), tmp_path_factory.mktemp("workers"))
        yield Nodes((running,))
        assert running.stop() == 0
    else:
        environment = {"SCOPEGATE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}
        with postgres.database() as database:
            arguments = ("serve", "--dev", "--database", database)
            one = start((*arguments, "--workers", "1"), tmp_path_factory.mktemp("one"), environment)
            other = start(arguments, tmp_path_factory.mktemp("other"), environment)
            yield Nodes((one, other))
            assert (one.stop(), other.stop()) == (0, 0)


@dataclass(frozen=True)
class App:
    nodes: Nodes
    pool_id: str
    client_id: str

    def asked(self, **more: str) -> dict[str, str]:
        whole = {"response_type": "code", "client_id": self.client_id, "redirect_uri": CALLBACK, "state": "s", **more}
        return {"scope": "openid email", **whole}

    def redeem(self, code: str, node: int = -1) -> Any:
        fields = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "code": code,
        }
        return self.nodes.servers[node].http("POST", f"/{self.pool_id}/oauth2/token", data=fields)


def make_app(nodes: Nodes, pool: dict[str, Any], **mfa: Any) -> App:
    idp = nodes.servers[0].aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName="shop", **pool)["UserPool"]["Id"]
    if mfa:
        idp.set_user_pool_mfa_config(UserPoolId=pool_id, **mfa)
    client = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="Shop",
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["openid", "email"],
        CallbackURLs=[CALLBACK],
    )["UserPoolClient"]
    app = App(nodes, pool_id, client["ClientId"])
    for each in nodes.servers:
        path = f"/{pool_id}/login"
        wait_until(lambda each=each, path=path: each.http("GET", path, params=app.asked()).status_code == 200)
    return app


def sign_up(app: App, browser: Browser, address: str) -> Page:
    page = browser.get(f"/{app.pool_id}/signup", app.asked()).submit(username=address, password=PASSWORD)
    assert "Confirm your account" in page.text, page.text
    return page.submit(code=code_sent_to(app.nodes.servers[-1], address), action="confirm")


def test_sign_up_confirm_sign_in_and_stay_signed_in(nodes: Nodes) -> None:
    app = make_app(nodes, {"UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"]})
    browser = nodes.browser()
    back = sign_up(app, browser, "ada@example.com")
    assert back.location.startswith(f"{CALLBACK}?code="), back.text

    tokens = app.redeem(back.query["code"]).json()
    claims = token_part(tokens["id_token"], 1)
    again = browser.get(f"/{app.pool_id}/oauth2/authorize", app.asked(prompt="none"))
    out = browser.get(f"/{app.pool_id}/logout", app.asked())
    after = browser.get(f"/{app.pool_id}/oauth2/authorize", app.asked(prompt="none"))

    assert (claims["email"], claims["email_verified"]) == ("ada@example.com", True)
    assert token_part(app.redeem(again.query["code"], 0).json()["id_token"], 1)["sub"] == claims["sub"]
    assert out.status == 200
    assert after.query["error"] == "login_required"


def test_a_challenge_goes_on_at_another_process(nodes: Nodes) -> None:
    app = make_app(nodes, {}, MfaConfiguration="ON", SoftwareTokenMfaConfiguration={"Enabled": True})
    idp = nodes.servers[0].aws("cognito-idp")
    idp.admin_create_user(UserPoolId=app.pool_id, Username="hedy", TemporaryPassword=PASSWORD, MessageAction="SUPPRESS")
    browser = nodes.browser()
    page = browser.get(f"/{app.pool_id}/login", app.asked()).submit(username="hedy", password=PASSWORD)
    page = page.submit(password="Better-Horse-10", confirm_password="Better-Horse-10")
    key = page.forms[0].fields["secret"]
    session = page.forms[0].fields["session"]

    back = page.submit(code=pyotp.TOTP(key).now())
    twice = page.submit(code=pyotp.TOTP(key).now())
    del browser.cookies[f"/{app.pool_id}", "cognito"]
    replayed = page.submit(code=pyotp.TOTP(key).now())

    assert twice.query["code"] != back.query["code"], "a form that is sent twice ends where it should"
    assert app.redeem(back.query["code"]).status_code == 200
    assert session not in replayed.html
    assert "That took too long. Please sign in again." in replayed.text


def test_o3_of_two_that_redeem_a_code_at_once_one_wins_at_most(nodes: Nodes) -> None:
    """And who comes after it takes back what the winner got (RFC 6749 section 4.1.2)."""
    app = make_app(nodes, {"UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"]})
    back = sign_up(app, nodes.browser(), "grace@example.com")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda node: app.redeem(back.query["code"], node), [0, -1] * 4))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    refresh = next(answer for answer in answers if answer.status_code == 200).json()["refresh_token"]
    renewed = nodes.servers[0].http(
        "POST",
        f"/{app.pool_id}/oauth2/token",
        data={"grant_type": "refresh_token", "client_id": app.client_id, "refresh_token": refresh},
    )
    assert (renewed.status_code, renewed.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize("form", ["bare", "aws", "pool", "domain", "custom"])
def test_every_form_of_the_address_keeps_to_itself(server: Server, form: str) -> None:
    """Links, forms, cookies and redirects stay within the form by which the user came (attack O18)."""
    nodes = Nodes((server,))
    app = make_app(nodes, {"UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"]})
    idp = server.aws("cognito-idp")
    name = app.pool_id.split("_")[1].lower()
    host = None
    if form == "domain":
        idp.create_user_pool_domain(Domain=f"{name}-d", UserPoolId=app.pool_id)
        host = f"{name}-d.auth.us-east-1.amazoncognito.com"
    elif form == "custom":
        host = f"login.{name}.example"
        arn = "arn:aws:acm:us-east-1:000000000000:certificate/x"
        idp.create_user_pool_domain(Domain=host, UserPoolId=app.pool_id, CustomDomainConfig={"CertificateArn": arn})
    base = {"aws": "/_aws/cognito-idp", "pool": f"/{app.pool_id}"}.get(form, "")
    browser = browser_of(server, host=host)

    page = browser.get(f"{base}/oauth2/authorize", app.asked())
    addresses = [page.url, *page.links, *(each.action for each in page.forms)]
    style = server.http("GET", page.links_of("link")[-1], host=host)
    page = browser.get(next(link for link in page.links if "/signup" in link))
    page = page.submit(username="lise@example.com", password=PASSWORD)
    addresses += [each.action for each in page.forms]
    back = page.submit(code=code_sent_to(server, "lise@example.com"), action="confirm")

    assert back.location.startswith(f"{CALLBACK}?code="), back.text
    assert all(address.startswith((f"{base}/login", f"{base}/signup", f"{base}/forgotPassword", f"{base}/confirmUser"))
               for address in addresses), addresses  # fmt: skip
    bare = {"/authorize", "/confirmUser", "/confirmforgotPassword", "/forgotPassword", "/login", "/logout", "/signup"}
    wanted = {*bare, "/oauth2/authorize"} if form == "bare" else {base or "/"}
    assert {path for path, _ in browser.cookies} == wanted
    assert (style.status_code, style.headers["Content-Type"]) == (200, "text/css;charset=UTF-8")
    assert browser.get(f"{base}/oauth2/authorize", app.asked(prompt="none")).query["code"]
