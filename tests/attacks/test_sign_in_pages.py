"""Attack rows O1, O2, O4, O6, O7, O8, O12, O15, O17, O18, O23, O24 and U1 at the pages by which people sign in."""

import asyncio
import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.base.rates import Rates
from scopegate.http.message import Request
from scopegate.ports import Invocation, InvocationAnswer
from scopegate.userpools import oauth
from scopegate.userpools import queries as pool_queries
from scopegate.userpools.messages.queries import list_messages, put_code
from scopegate.userpools.model import SKEW_S
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.model import digest_of
from scopegate.userpools.signin.tokens import let_in, revoke_sign_in, shut_out, sign_out_everywhere
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.model import UNCONFIRMED
from scopegate.userpools.users.passwords import Passwords
from tests.pages import Browser, Page
from tests.rooms.userpools.driver import ACCOUNT, REGION, _answer
from tests.rooms.userpools.signing_in import CALLBACK, CLIENT, PASSWORD, POLICY, POOL, WEB, SignInWorld, asked

OTHER = "us-east-1_Other1234"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def world() -> SignInWorld:
    made = SignInWorld()
    made.user("ada", email="ada@example.com", email_verified="true")
    return made


@pytest.fixture
def browser(world: SignInWorld) -> Browser:
    return world.browser()


def sign_in(browser: Browser, **more: str) -> Page:
    return browser.get("/oauth2/authorize", asked(**more)).submit(username="ada", password=PASSWORD)


# O1: the redirect URI

URIS = [
    "https://app.example.evil.example/callback",
    "https://app.example@evil.example/callback",
    "https://evil.example@app.example/callback",
    "https://a@b@app.example/callback",
    "https://app.example\\@evil.example/callback",
    "https://app.example/callback/",
    "https://app.example/callback/../admin",
    "https://app.example/%63allback",
    "https://app.example/callback%2f..%2fadmin",
    "https://app.example/callback?next=1",
    "https://app.example/callback#f",
    "https://app.example/callback#",
    "https://app.example:443/callback",
    "https://app.example:8443/callback",
    "https://www.app.example/callback",
    "https://APP.example/callback",
    "https://app.example./callback",
    "https://app.examp\u04cfe/callback",
    "https://xn--app-.example/callback",
    "https://*.example/callback",
    "http://app.example/callback",
    "//app.example/callback",
    "/callback",
    "javascript:alert(1)//https://app.example/callback",
    "data:text/html,x",
    "app://callback/",
    "app://callback2",
    "APP://callback",
    "http://localhost:3001/cb",
    "http://localhost/cb",
    "http://127.0.0.1:3000/cb",
    " https://app.example/callback",
    "https://app.example/callback ",
    "https://app.example/callback\r\nX-Evil: 1",
    "https://app.example/callback\0",
    "https://app.example/callback https://evil.example/",
]


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/authorize", "/login", "/signup", "/forgotPassword", "/logout"])
def test_o1_only_a_uri_that_is_registered_byte_for_byte_is_ever_answered(browser: Browser, path: str) -> None:
    """With and without a session, and whatever else is wrong with the request."""
    faults: list[dict[str, str]] = [{}, {"response_type": "nonsense"}, {"prompt": "none"}, {"scope": "unknown"}]
    for session in (False, True):
        if session:
            sign_in(browser)
        for uri, more in itertools.product(URIS, faults):
            page = browser.get(path, asked(redirect_uri=uri, **more), follow=False)
            assert (uri, page.location) == (uri, f"/error?error=redirect_mismatch&client_id={WEB}")


@pytest.mark.parametrize("uri", URIS)
def test_o1_a_form_cannot_change_where_the_answer_goes(browser: Browser, uri: str) -> None:
    """Neither by the address of the form nor by a field in it."""
    form = browser.get("/login", asked()).forms[0]
    given = {**form.fields, "username": "ada", "password": PASSWORD}

    moved = browser.post(f"/login?{urlencode(asked(redirect_uri=uri))}", given, follow=False)
    smuggled = browser.post(form.action, {**given, "redirect_uri": uri}, follow=False)

    assert moved.location == f"/error?error=redirect_mismatch&client_id={WEB}"
    assert smuggled.location.startswith(f"{CALLBACK}?code=")


def test_o1_the_uri_of_another_client_is_not_registered(world: SignInWorld, browser: Browser) -> None:
    world.public_client(POOL, "otherclient", **{**CLIENT, "CallbackURLs": ["https://evil.example/callback"]})

    page = browser.get("/login", asked(redirect_uri="https://evil.example/callback"), follow=False)

    assert page.location.startswith("/error?error=redirect_mismatch")


@pytest.mark.parametrize("state", ["\r\nSet-Cookie: a=b", "x" * 4_000, "&code=evil", "#code=evil", "\u2028é<"])
def test_o1_a_state_stays_within_its_parameter(browser: Browser, state: str) -> None:
    page = sign_in(browser, state=state)

    assert page.query["state"] == state
    assert re.fullmatch(r"[!-~]+", page.location)
    assert page.location.count("code=") == 1


# O2: PKCE


def redeem(world: SignInWorld, page: Page, **more: str) -> Any:
    fields = {"grant_type": "authorization_code", "client_id": WEB, "redirect_uri": CALLBACK, **more}
    return world.post_token({"code": page.query["code"], **fields}, auth=b"")


@pytest.mark.parametrize("verifier", [None, "w" * 43, CHALLENGE, ""])
def test_o2_a_challenge_that_was_sent_must_be_met(world: SignInWorld, browser: Browser, verifier: str | None) -> None:
    page = sign_in(browser, code_challenge=CHALLENGE, code_challenge_method="S256")

    answer = redeem(world, page, **({} if verifier is None else {"code_verifier": verifier}))

    assert answer.error[1]["error"] in ("invalid_grant", "invalid_request")
    assert redeem(world, page, code_verifier=VERIFIER).status == 200


def test_o2_a_verifier_without_a_challenge_is_a_downgrade(world: SignInWorld, browser: Browser) -> None:
    assert redeem(world, sign_in(browser), code_verifier=VERIFIER).json["error"] == "invalid_grant"


def test_o2_the_verifier_of_another_request_is_refused(world: SignInWorld, browser: Browser) -> None:
    """The code of a victim, redeemed in the attacker's own session."""
    other = base64.urlsafe_b64encode(hashlib.sha256(b"w" * 43).digest()).rstrip(b"=").decode()
    page = sign_in(browser, code_challenge=other, code_challenge_method="S256")

    assert redeem(world, page, code_verifier=VERIFIER).json["error"] == "invalid_grant"


# O4: mix-up


def test_o4_no_issuer_is_told_as_cognito_tells_none(browser: Browser) -> None:
    assert set(sign_in(browser).query) == {"code", "state"}


@pytest.mark.parametrize("response_type", ["code", "token"])
def test_o4_strictly_every_answer_says_who_gave_it(response_type: str) -> None:
    """RFC 9207, and what discovery announces."""
    world = SignInWorld(strict_oauth=True)
    world.user("ada")
    browser = world.browser()
    issuer = world.view.pool_by_id[POOL].issuer
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    done = sign_in(browser, response_type=response_type, **pkce)
    refused = browser.get("/oauth2/authorize", asked(response_type=response_type, scope="unknown"))
    document = world.document(POOL, "openid-configuration").json

    assert {**done.query, **done.fragment}["iss"] == issuer
    assert {**refused.query, **refused.fragment}["iss"] == issuer
    assert (document["issuer"], document["authorization_response_iss_parameter_supported"]) == (issuer, True)
    assert document["code_challenge_methods_supported"] == ["S256"]


def test_o2_strictly_a_public_client_has_to_use_pkce() -> None:
    """RFC 9700 section 2.1.1."""
    page = SignInWorld(strict_oauth=True).browser().get("/oauth2/authorize", asked())

    assert page.query["error"] == "invalid_request"


@pytest.mark.parametrize("resource", ["https://unknown.example", "orders/", "ORDERS", "/api", "https://a/#f", ""])
def test_o12_strictly_a_resource_has_to_be_there(resource: str) -> None:
    """RFC 8707 section 2."""
    world = SignInWorld(strict_oauth=True)
    world.resource_server(POOL, "https://api.example", ("read",))
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    def ask(wanted: str) -> Page:
        query = urlencode({**asked(**pkce), "resource": wanted})
        return world.browser().get(f"/oauth2/authorize?{query}")

    assert ask(resource).query["error"] == "invalid_target"
    assert ask("https://api.example").status == 200


# O6: a flow that is off


@pytest.mark.parametrize(
    "extra", [{"response_mode": "form_post.jwt"}, {"response_mode": "fragment"}, {"request": "x.y.z"}]
)
@pytest.mark.parametrize(
    "response_type", ["token", "token id_token", "code token", "TOKEN", " token", "token ", "none"]
)
def test_o6_the_implicit_flow_that_is_off_stays_off(response_type: str, extra: dict[str, str]) -> None:
    world = SignInWorld(client={"AllowedOAuthFlows": ["code"]})
    world.user("ada")
    browser = world.browser()
    sign_in(browser)

    for path in ("/oauth2/authorize", "/login"):
        page = browser.get(path, asked(response_type=response_type, **extra), follow=False)
        told = {**page.query, **page.fragment}
        assert told["error"] in ("unauthorized_client", "invalid_request")
        assert not {"access_token", "id_token", "code"} & set(told)


def test_o6_a_flow_that_was_switched_off_meanwhile_is_off_for_the_form(world: SignInWorld, browser: Browser) -> None:
    page = browser.get("/login", asked())
    world.public_client(POOL, WEB, **{**CLIENT, "AllowedOAuthFlows": ["implicit"]})

    assert page.submit(username="ada", password=PASSWORD).query["error"] == "unauthorized_client"


def test_o6_a_client_that_was_deleted_meanwhile_gets_nothing(world: SignInWorld, browser: Browser) -> None:
    page = browser.get("/login", asked())
    pool_queries.delete_client(world.tx, POOL, WEB)
    world.catch_up()

    answer = page.browser.post(
        page.forms[0].action, {**page.forms[0].fields, "username": "ada", "password": PASSWORD}, follow=False
    )
    assert answer.location == "/error?error=invalid_request"


# O7: signing out

LOGOUTS = [*URIS, "https://app.example/bye/", "https://app.example/bye?x=1", "javascript:alert(1)", CALLBACK, ""]


@pytest.mark.parametrize("uri", LOGOUTS)
def test_o7_only_a_registered_address_is_gone_to(browser: Browser, uri: str) -> None:
    sign_in(browser)

    page = browser.get("/logout", {"client_id": WEB, "logout_uri": uri}, follow=False)

    assert page.location == f"/error?error=redirect_mismatch&client_id={WEB}"
    assert "code" in browser.get("/oauth2/authorize", asked()).query  # still signed in


@pytest.mark.parametrize("name", ["post_logout_redirect_uri", "returnTo", "id_token_hint"])
def test_o7_other_parameters_lead_nowhere(browser: Browser, name: str) -> None:
    page = browser.get("/logout", {"client_id": WEB, name: "https://evil.example/"}, follow=False)

    assert (page.status, page.location) == (400, "")
    assert "evil.example" not in page.html


def test_o7_without_a_client_nobody_is_signed_out(browser: Browser) -> None:
    sign_in(browser)

    page = browser.get("/logout", {"logout_uri": "https://app.example/bye"}, follow=False)

    assert page.location == "/error?error=invalid_request"
    assert "code" in browser.get("/oauth2/authorize", asked()).query


# O8: login CSRF, session fixation, clickjacking


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 43, None])
@pytest.mark.parametrize("path", ["/login", "/signup", "/confirmUser", "/forgotPassword", "/confirmforgotPassword"])
def test_o8_a_form_without_this_browsers_token_does_nothing(browser: Browser, path: str, token: str | None) -> None:
    browser.get("/login", asked())
    fields = {"username": "ada", "password": PASSWORD, "code": "123456"}

    page = browser.post(
        f"{path}?{urlencode(asked())}", {**fields, **({} if token is None else {"_csrf": token})}, follow=False
    )

    assert (page.status, page.location) == (403, "")
    assert ("/", "cognito") not in browser.cookies


def test_o8_the_token_of_another_browser_does_nothing(world: SignInWorld, browser: Browser) -> None:
    foreign = world.browser().get("/login", asked()).forms[0].fields["_csrf"]
    browser.get("/login", asked())

    page = browser.post(f"/login?{urlencode(asked())}", {"_csrf": foreign, "username": "ada", "password": PASSWORD})

    assert page.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_o8_a_form_of_another_site_does_nothing_even_with_the_token(browser: Browser, site: str) -> None:
    """As when a sibling domain could set the cookie."""
    form = browser.get("/login", asked()).forms[0]

    page = browser.post(form.action, {**form.fields, "username": "ada", "password": PASSWORD}, Sec_Fetch_Site=site)

    assert page.status == 403


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_o8_only_forms_are_read(browser: Browser, content_type: str) -> None:
    form = browser.get("/login", asked()).forms[0]

    page = browser.post(form.action, {**form.fields, "username": "ada"}, Content_Type=content_type)

    assert page.status == 403


def test_o8_a_session_that_was_there_before_is_not_the_one_after(world: SignInWorld, browser: Browser) -> None:
    """Session fixation: what an attacker planted is worth nothing after the victim's sign-in."""
    planted = "P" * 43
    browser.cookies["/", "cognito"] = planted
    sign_in(browser)

    assert browser.cookies["/", "cognito"] != planted
    thief = world.browser()
    thief.cookies["/", "cognito"] = planted
    assert thief.get("/oauth2/authorize", asked()).status == 200


def test_o8_each_sign_in_ends_the_session_before(world: SignInWorld, browser: Browser) -> None:
    sign_in(browser)
    old = browser.cookies["/", "cognito"]

    browser.get("/oauth2/authorize", asked(prompt="login")).submit(username="ada", password=PASSWORD)

    thief = world.browser()
    thief.cookies["/", "cognito"] = old
    assert thief.get("/oauth2/authorize", asked()).status == 200


@pytest.mark.parametrize("path", ["/login", "/signup", "/confirmUser", "/forgotPassword", "/error", "/nothing"])
def test_o8_no_page_is_framed_remembered_or_scripted(browser: Browser, path: str) -> None:
    page = browser.get(path, asked(), follow=False)

    policy = page.header("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.header("X-Frame-Options") == "DENY"
    assert "no-store" in page.header("Cache-Control")
    assert page.header("Referrer-Policy") == "same-origin"
    assert page.header("X-Content-Type-Options") == "nosniff"
    assert "<script" not in page.html


def test_o8_cookies_are_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    first = browser.get("/oauth2/authorize", asked(), follow=False)
    form = browser.get("/login", asked())
    done = form.submit(username="ada", password=PASSWORD)

    for cookie in first.all("Set-Cookie") + form.all("Set-Cookie") + done.all("Set-Cookie"):
        assert "; HttpOnly" in cookie
        assert "; SameSite=Lax" in cookie
        assert "Domain" not in cookie


def test_o8_cookies_are_secure_where_the_server_is_reached_by_https() -> None:
    world = SignInWorld(public_url="https://login.example")
    world.user("ada")
    browser = world.browser()

    done = sign_in(browser)

    assert all("; Secure" in cookie for cookie in done.all("Set-Cookie"))


# O12: the resource


@pytest.mark.parametrize(
    "resource",
    ["api", "/api", "https://", "https:///api", "https://api.example/#x", "http://api.example", "", " https://a.example",
     "https://a.example https://b.example", "https://[", "javascript:alert(1)", "urn:x", "https://a.example/\r\n"],
)  # fmt: skip
def test_o12_a_malformed_resource_is_refused(browser: Browser, resource: str) -> None:
    query = urlencode({**asked(), "resource": resource})

    assert browser.get(f"/oauth2/authorize?{query}").query["error"] == "invalid_request"


def test_o12_several_resources_are_refused(browser: Browser) -> None:
    query = urlencode([*asked().items(), ("resource", "https://a.example"), ("resource", "https://b.example")])

    assert browser.get(f"/oauth2/authorize?{query}").query["error"] == "invalid_request"


@pytest.mark.parametrize(
    "resource", ["https://api.example", "http://localhost:3000/x", "app://thing", "https://a/?q=1"]
)
def test_o12_a_resource_becomes_the_audience_and_nothing_else_does(
    world: SignInWorld, browser: Browser, resource: str
) -> None:
    answer = redeem(world, sign_in(browser, resource=resource), resource="https://evil.example", audience="evil")

    assert world.claims(answer)["aud"] == resource
    assert "aud" not in world.claims(redeem(world, browser.get("/oauth2/authorize", asked()), resource="https://evil"))


# O17: who is there


def test_o17_an_unknown_user_and_a_wrong_password_look_the_same() -> None:
    world = SignInWorld(client={"PreventUserExistenceErrors": "ENABLED"})
    world.user("ada")

    def shown(username: str) -> tuple[int, str]:
        page = world.browser().get("/login", asked()).submit(username=username, password="Wrong-Horse-9")
        return page.status, re.sub(r'value="[^"]*"', "", page.html)

    assert shown("ada") == shown("nobody")


def test_o17_a_code_by_mail_is_sent_to_somebody_nobody_and_who_has_no_mail_alike() -> None:
    policies = {"PasswordPolicy": POLICY, "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    world = SignInWorld(
        {"Policies": policies},
        {"PreventUserExistenceErrors": "ENABLED", "ExplicitAuthFlows": ["ALLOW_USER_AUTH"]},
    )
    world.user("ada")

    def shown(username: str) -> list[tuple[int, str]]:
        page = world.browser().get("/login", asked()).submit(username=username, factor="EMAIL_OTP")
        wrong = page.submit(code="00000000")
        return [
            (each.status, re.sub(r'value="[^"]*"|[a-z]\*\*\*@[a-z]\*\*\*', "", each.html)) for each in (page, wrong)
        ]

    first, second = shown("ada")
    assert "Check your email" in first[1]
    assert "This code is not right" in second[1]
    assert shown("ada") == shown("nobody")


def test_o17_a_slow_mail_server_does_not_tell_who_has_an_address() -> None:
    """Somebody's code goes out beside the answer, which comes as soon as nobody's."""
    policies = {"PasswordPolicy": POLICY, "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    world = SignInWorld(
        {"Policies": policies},
        {"PreventUserExistenceErrors": "ENABLED", "ExplicitAuthFlows": ["ALLOW_USER_AUTH"]},
    )
    world.user("ada", email="ada@example.com", email_verified="true")
    begun: list[Any] = []
    world.edge = replace(world.edge, ports=replace(world.edge.ports, beside=begun.append))

    page = world.browser().get("/login", asked()).submit(username="ada", factor="EMAIL_OTP")

    assert "a***@e***" in page.text
    assert not list_messages(world.tx, world.seal, ACCOUNT, REGION)
    (sending,) = begun
    asyncio.run(sending)
    assert len(list_messages(world.tx, world.seal, ACCOUNT, REGION)) == 1


# O15: guessing


def test_o15_an_address_that_guesses_is_stopped_and_others_are_not() -> None:
    """Passwords sprayed over many users; each attempt costs the guesser, none costs another address."""
    world = SignInWorld(development=False)
    world.user("ada")
    browser = world.browser()
    for number in range(limit("userpools.address_failures")):
        browser.get("/login", asked()).submit(username=f"user-{number}", password=PASSWORD)

    stopped = browser.get("/login", asked()).submit(username="ada", password=PASSWORD)
    elsewhere = world.browser(peer="203.0.113.9")

    assert "Too many attempts." in stopped.text
    assert "code" in elsewhere.get("/login", asked()).submit(username="ada", password=PASSWORD).query


def test_o15_guesses_count_together_wherever_they_are_answered() -> None:
    """Of an address by whichever process, and in whichever way the pool's people sign in."""
    world = SignInWorld(development=False)
    world.user("ada")
    edges = [replace(world.edge, ports=replace(world.edge.ports, rates=Rates())) for _ in range(2)]
    for number in range(limit("userpools.address_failures")):
        world.edge = edges[number % 2]
        world.browser().get("/login", asked()).submit(username=f"user-{number}", password=PASSWORD)

    for world.edge in edges:
        stopped = world.browser().get("/login", asked()).submit(username="ada", password=PASSWORD)
        assert "Too many attempts." in stopped.text


def test_o15_guesses_at_an_older_directory_count_too() -> None:
    """Its function says by an error that the password is wrong, and is not asked any more."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:older"
    world = SignInWorld({"LambdaConfig": {"UserMigration": arn}}, development=False)
    asked_for: list[Invocation] = []

    async def refuse(invocation: Invocation) -> InvocationAnswer:
        asked_for.append(invocation)
        return InvocationAnswer("r", b'{"errorMessage": "Bad password"}', "$LATEST", "Unhandled")

    world.edge = replace(world.edge, ports=replace(world.edge.ports, invoke=refuse))
    for number in range(limit("userpools.address_failures") + 5):
        page = world.browser().get("/login", asked()).submit(username="bob", password=f"Guess-{number}")

    assert "Too many attempts." in page.text
    assert len(asked_for) == limit("userpools.address_failures")


@pytest.mark.parametrize("password", [PASSWORD, "Other-Horse-9"])
def test_o15_of_two_who_are_brought_at_once_each_shows_the_password(password: str) -> None:
    """Whom another sign-in has brought, or who signed up, by the time that the function has answered."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:older"
    world = SignInWorld({"LambdaConfig": {"UserMigration": arn}})
    bob = world.user("bob")
    user_queries.delete_user(world.tx, POOL, "bob")

    async def bring(invocation: Invocation) -> InvocationAnswer:
        assert user_queries.add_user(world.tx, world.seal, bob, {})
        event = json.loads(invocation.payload)
        event["response"] |= {"userAttributes": {"email": "bob@example.com"}, "finalUserStatus": "CONFIRMED"}
        return InvocationAnswer("r", json.dumps(event).encode(), "$LATEST")

    world.edge = replace(world.edge, ports=replace(world.edge.ports, invoke=bring))
    page = world.browser().get("/login", asked()).submit(username="bob", password=password)

    assert ("code" in page.query) is (password == PASSWORD)
    assert ("Incorrect username or password." in page.text) is (password != PASSWORD)


def test_o15_a_user_is_locked_wherever_the_guesses_come_from() -> None:
    world = SignInWorld(development=False)
    world.user("ada")
    for number in range(limit("userpools.password_failures")):
        world.browser(peer=f"203.0.113.{number}").get("/login", asked()).submit(username="ada", password="Wrong-9-x")

    page = world.browser(peer="198.51.100.1").get("/login", asked()).submit(username="ada", password=PASSWORD)

    assert "Too many attempts." in page.text


def test_o15_of_passwords_that_are_tried_at_once_none_counts_after_the_lock() -> None:
    """The right one is looked at while wrong ones, which came with it, lock the user."""
    world = SignInWorld()
    user = world.user("ada")

    class InCompany(Passwords):
        async def verify(self, phc: str | None, password: str) -> bool:
            is_right = await super().verify(phc, password)
            user_queries.note_failure(world.tx, POOL, user.name_key, failures=5, locked_until=clock.now() + 60)
            return is_right

    passwords = InCompany(replace(world.settings, password_memory_kib=8_192, password_passes=1))
    world.edge = replace(world.edge, ports=replace(world.edge.ports, passwords=passwords))

    page = world.browser().get("/login", asked()).submit(username="ada", password=PASSWORD)

    assert (page.location, "Too many attempts." in page.text) == ("", True)


# O18: the Host header


@pytest.mark.parametrize(
    "headers",
    [
        [("Host", "evil.example")],
        [("Host", "localhost:4566"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")],
        [("Host", "localhost:4566"), ("Forwarded", "host=evil.example;proto=https")],
        [("Host", "localhost:4566"), ("X-Original-URL", "/evil"), ("X-Forwarded-Prefix", "//evil.example")],
    ],
)
@pytest.mark.parametrize("path", ["/oauth2/authorize", "/login", "/logout", "/error"])
def test_o18_no_header_changes_a_link_a_form_a_cookie_or_a_redirect(
    world: SignInWorld, path: str, headers: list[tuple[str, str]]
) -> None:
    def answered(given: list[tuple[str, str]]) -> tuple[int, str, str, str]:
        raw = [(name.encode(), value.encode()) for name, value in given]
        target = f"{path}?{urlencode(asked())}".encode()
        answer = _answer(oauth.answer(Request("GET", target, raw), path, None, world.view, world.edge))
        cookies = "\n".join(value for name, value in answer.headers if name == "Set-Cookie")
        cookie = re.sub(r"=[A-Za-z0-9_-]{43}", "", cookies)
        body = re.sub(r'name="_csrf" value="[^"]*"|[0-9a-f-]{36}', "", answer.body.decode())
        return answer.status, answer.header("Location") or "", cookie, body

    assert answered(headers) == answered([("Host", "localhost:4566")])


# O23, O24: sessions of challenges, sessions of browsers


def challenged() -> tuple[SignInWorld, Browser, Page]:
    world = SignInWorld({"MfaConfiguration": "ON", "MfaConfig": {"SoftwareTokenMfaConfiguration": {"Enabled": True}}})
    world.user("ada")
    browser = world.browser()
    return world, browser, browser.get("/login", asked()).submit(username="ada", password=PASSWORD)


@pytest.mark.parametrize("name", ["SOFTWARE_TOKEN_MFA", "EMAIL_OTP", "NEW_PASSWORD_REQUIRED", "SELECT_MFA_TYPE"])
def test_o23_a_challenge_is_not_answered_as_another(name: str) -> None:
    _, browser, page = challenged()
    assert page.forms[0].fields["challenge"] == "MFA_SETUP"
    extra = {"code": "000000", "password": "Better-Horse-10", "confirm_password": "Better-Horse-10", "answer": "x"}

    refused = browser.post(page.forms[0].action, {**page.forms[0].fields, **extra, "challenge": name})

    assert refused.status == 200
    assert ("/", "cognito") not in browser.cookies
    assert "password" in refused.forms[0].fields


def test_o23_the_key_of_the_app_is_not_taken_from_the_form() -> None:
    _, browser, page = challenged()
    mine = pyotp.random_base32()

    refused = browser.post(
        page.forms[0].action, {**page.forms[0].fields, "secret": mine, "code": pyotp.TOTP(mine).now()}
    )

    assert ("/", "cognito") not in browser.cookies
    assert "This code is not right" in refused.text


def test_o24_a_session_of_a_challenge_is_worth_nothing_for_another_client() -> None:
    world, browser, page = challenged()
    world.public_client(POOL, "otherclient", **CLIENT)
    fields = page.forms[0].fields
    action = f"/login?{urlencode(asked(client_id='otherclient'))}"

    refused = browser.post(action, {**fields, "code": pyotp.TOTP(fields["secret"]).now()})

    assert ("/", "cognito") not in browser.cookies
    assert refused.status == 200


def test_o24_a_browser_that_is_signed_in_at_one_pool_is_nobody_at_another(world: SignInWorld) -> None:
    browser = world.browser(None)
    world.pool(OTHER)
    world.public_client(OTHER, "otherclient", **CLIENT)
    sign_in(browser)

    page = browser.get("/oauth2/authorize", asked(client_id="otherclient"))

    assert page.status == 200
    assert "password" in page.forms[0].fields


def test_o24_a_user_who_was_disabled_is_nobody_from_the_next_request_on(world: SignInWorld, browser: Browser) -> None:
    code = sign_in(browser)
    user = user_queries.find_user(world.tx, world.seal, POOL, "ada")
    assert user is not None
    shut_out(world.tx, user, 0.0)

    assert browser.get("/oauth2/authorize", asked()).status == 200
    assert queries.find_code(world.tx, digest_of(code.query["code"])) is not None


def test_o3_a_code_does_not_outlive_a_sign_out(world: SignInWorld, browser: Browser) -> None:
    """Signed out everywhere means that nothing that was handed out till then leads to tokens."""
    before = sign_in(browser)
    user = user_queries.find_user(world.tx, world.seal, POOL, "ada")
    assert user is not None
    sign_out_everywhere(world.tx, user, 0.0)
    after = sign_in(browser)

    refused, redeemed = redeem(world, before), redeem(world, after)

    assert (refused.status, refused.body) == (400, b'{"error":"invalid_grant"}')
    assert redeemed.status == 200


def test_g22_a_revocation_reaches_tokens_that_outlive_the_refresh_token(world: SignInWorld, browser: Browser) -> None:
    """The last that it gave live on for a day at most; until then their sign-in is remembered."""
    assert redeem(world, sign_in(browser)).status == 200
    (family,) = queries.families_of_user(world.tx, POOL, "ada")

    queries.sweep(world.tx, family.expires_at + 60)
    revoke_sign_in(world.tx, family.origin_jti, POOL, WEB, family.expires_at + 120)
    world.catch_up()

    assert world.view.is_revoked(POOL, {"origin_jti": family.origin_jti})
    queries.sweep(world.tx, family.expires_at + 86_401)
    assert queries.find_family(world.tx, family.origin_jti) is None


def test_g22_a_sign_out_takes_back_all_sign_ins_at_once(world: SignInWorld) -> None:
    """With one entry in memory, however many they are; one that follows at once stands, also at another node."""
    user = user_queries.find_user(world.tx, world.seal, POOL, "ada")
    assert user is not None
    assert [redeem(world, sign_in(world.browser())).status for _ in range(3)] == [200, 200, 200]
    families = queries.families_of_user(world.tx, POOL, "ada")
    signed_out_at = families[-1].auth_time + SKEW_S + 1

    sign_out_everywhere(world.tx, user, signed_out_at + 0.5)
    sign_out_everywhere(world.tx, user, signed_out_at - 600.5)  # the clock was put back
    world.catch_up()

    def is_revoked(origin_jti: str, auth_time: int) -> bool:
        claims = {"sub": user.sub, "origin_jti": origin_jti, "auth_time": auth_time, "iat": signed_out_at + 60}
        return world.view.is_revoked(POOL, claims)

    assert [is_revoked(family.origin_jti, family.auth_time) for family in families] == [True, True, True]
    assert not is_revoked("another", signed_out_at - 2)
    assert len(world.view.revoked_by_name) == 1
    assert not queries.families_of_user(world.tx, POOL, "ada")


def test_g22_what_was_taken_back_from_a_disabled_user_stays_so(world: SignInWorld) -> None:
    """Also tokens of clients without revocation, which name no sign-in."""
    user = user_queries.find_user(world.tx, world.seal, POOL, "ada")
    assert user is not None
    shut_out(world.tx, user, 1_000.5)
    let_in(world.tx, user, 2_000.5)
    world.catch_up()

    revoked = [world.view.is_revoked(POOL, {"sub": user.sub, "iat": issued_at}) for issued_at in (999, 1_000, 2_001)]

    assert revoked == [True, True, False]


@pytest.mark.parametrize("proof", ["", "00", "zz", "f" * 200])
def test_o23_only_who_showed_the_password_is_signed_in_by_a_confirmation_code(proof: str) -> None:
    """A forged proof leads to the sign-in page, like none."""
    world = SignInWorld({"AutoVerifiedAttributes": ["email"]})
    user = world.user("eve", status=UNCONFIRMED, email="eve@example.com")
    put_code(world.tx, world.seal, POOL, user.name_key, "sign_up", "123456", now=0, expires_at=9e9, most=9, window_s=9)
    browser = world.browser()
    form = browser.get("/login", asked()).forms[0]

    page = browser.post(
        f"/confirmUser?{urlencode(asked())}",
        {"_csrf": form.fields["_csrf"], "username": "eve", "code": "123456", "proof": proof},
    )

    assert "Your account is confirmed" in page.text
    assert ("/", "cognito") not in browser.cookies


# U1: what others wrote

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{1337*1337}}"


def test_u1_a_clients_name_and_a_users_attributes_are_text() -> None:
    world = SignInWorld(client={"ClientName": EVIL})
    world.user("ada", email=f"{EVIL}@example.com", email_verified="true")
    browser = world.browser()
    pages = [browser.get("/login", asked(login_hint=EVIL, state=EVIL, nonce=EVIL)), browser.get("/signup", asked())]
    pages.append(pages[0].submit(username=EVIL, password=EVIL))
    sign_in(browser)
    pages.append(browser.get("/login", asked(prompt="select_account")))
    pages.append(browser.get("/error", {"error": EVIL, "client_id": WEB}))

    for page in pages:
        assert not re.search(r"<(script|img)\b", page.html)
        assert "1787569" not in page.text
    assert EVIL in pages[3].text
