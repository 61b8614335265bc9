"""What a code and a refresh token give at the token endpoint: as the client and the pool are at that moment."""

from typing import Any

import pytest

from scopegate.base import clock
from scopegate.userpools.users import queries
from tests.pages import Browser
from tests.rooms.userpools.driver import Answer
from tests.rooms.userpools.signing_in import CALLBACK, CLIENT, PASSWORD, POOL, WEB, SignInWorld, asked

WIDE = {"AllowedOAuthScopes": ["openid", "email", "orders/read", "orders/write"]}


@pytest.fixture
def world() -> SignInWorld:
    made = SignInWorld(client=WIDE)
    made.user("ada", email="ada@example.com", email_verified="true")
    return made


@pytest.fixture
def browser(world: SignInWorld) -> Browser:
    return world.browser()


def code_of(browser: Browser, **more: str) -> str:
    page = browser.get("/oauth2/authorize", asked(**more)).submit(username="ada", password=PASSWORD)
    code: str = page.query["code"]
    return code


def redeem(world: SignInWorld, code: str) -> Answer:
    fields = {"grant_type": "authorization_code", "client_id": WEB, "redirect_uri": CALLBACK, "code": code}
    return world.post_token(fields, auth=b"")


def refresh(world: SignInWorld, token: str) -> Answer:
    return world.post_token({"grant_type": "refresh_token", "client_id": WEB, "refresh_token": token}, auth=b"")


def identity(world: SignInWorld, answer: Answer) -> dict[str, Any]:
    """The claims of the ID token that was handed out."""
    as_access: Any = Answer(200, [], b'{"access_token":"%b"}' % answer.json["id_token"].encode())
    return world.claims(as_access)


def change_client(world: SignInWorld, **more: Any) -> None:
    world.public_client(POOL, WEB, **{**CLIENT, **WIDE, **more})


def test_o5_a_scope_whose_resource_server_lost_it_is_left_out_of_tokens(world: SignInWorld, browser: Browser) -> None:
    """Reference, "Resource servers and scopes": the client keeps the string, tokens do not have it."""
    first = redeem(world, code_of(browser))
    code = browser.get("/oauth2/authorize", asked()).query["code"]
    world.resource_server(POOL, "orders", ("read",))

    late, renewed = redeem(world, code), refresh(world, first.json["refresh_token"])

    assert world.claims(first)["scope"] == "email openid orders/read orders/write"
    assert world.claims(late)["scope"] == world.claims(renewed)["scope"] == "email openid orders/read"


def test_o5_a_scope_that_was_taken_from_the_client_is_left_out_of_tokens(world: SignInWorld, browser: Browser) -> None:
    """What is decided is decided when a token is issued; what goes together with `openid` goes with it."""
    first = redeem(world, code_of(browser))
    code = browser.get("/oauth2/authorize", asked()).query["code"]
    change_client(world, AllowedOAuthScopes=["email", "orders/write"])

    for answer in (redeem(world, code), refresh(world, first.json["refresh_token"])):
        assert world.claims(answer)["scope"] == "orders/write"
        assert "id_token" not in answer.json


@pytest.mark.parametrize(
    "change",
    [
        {"AllowedOAuthScopes": ["aws.cognito.signin.user.admin"]},
        {"AllowedOAuthFlows": ["implicit"]},
        {"AllowedOAuthFlowsUserPoolClient": False},
    ],
    ids=["no scope of then", "another flow", "no flow"],
)
def test_o6_a_client_that_may_have_nothing_of_it_any_more_gets_no_tokens(
    world: SignInWorld, browser: Browser, change: dict[str, Any]
) -> None:
    first = redeem(world, code_of(browser))
    code = browser.get("/oauth2/authorize", asked()).query["code"]
    change_client(world, **change)

    assert redeem(world, code).error == (400, {"error": "invalid_grant"})
    assert refresh(world, first.json["refresh_token"]).error == (400, {"error": "invalid_grant"})


def test_o15_a_code_waits_while_its_user_is_locked(
    world: SignInWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong passwords lock every way in: a code of before is no way around, and works once the lock is over."""
    code, now = code_of(browser), clock.now()
    queries.note_failure(world.tx, POOL, "ada", failures=9, locked_until=now + 60)

    assert redeem(world, code).error == (400, {"error": "invalid_grant"})
    monkeypatch.setattr(clock, "now", lambda: now + 61)
    assert redeem(world, code).status == 200


def test_the_nonce_is_in_the_first_id_token_alone(world: SignInWorld, browser: Browser) -> None:
    """OpenID Connect Core section 12.2; Cognito leaves it out too, and clients refuse one that comes again."""
    first = redeem(world, code_of(browser, nonce="n-1"))

    renewed = refresh(world, first.json["refresh_token"])

    assert identity(world, first)["nonce"] == "n-1"
    assert "nonce" not in identity(world, renewed)


def test_every_token_that_was_rotated_out_works_for_its_grace_period(
    world: SignInWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference, "Refresh rotation and revocation": also when the one that took its place was rotated out as well."""
    change_client(world, RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 30})
    first = redeem(world, code_of(browser)).json["refresh_token"]
    start = clock.now()
    second = refresh(world, first).json["refresh_token"]
    monkeypatch.setattr(clock, "now", lambda: start + 20)
    third = refresh(world, second).json["refresh_token"]

    assert refresh(world, first).json["refresh_token"] == refresh(world, second).json["refresh_token"] == third
    monkeypatch.setattr(clock, "now", lambda: start + 40)
    assert refresh(world, second).status == 200
    assert refresh(world, first).error == (400, {"error": "invalid_grant"})
    assert refresh(world, third).error == (400, {"error": "invalid_grant"})
