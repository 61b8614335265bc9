"""GET /oauth2/authorize, /login and /logout: every parameter, every failure, and where the answer goes."""

import base64
import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from scopegate.base import clock
from scopegate.store.port import StoreUnavailable
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.model import digest_of
from tests.pages import Browser, Page
from tests.rooms.userpools.signing_in import CALLBACK, CLIENT, PASSWORD, POOL, WEB, SignInWorld, asked

CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture
def world() -> SignInWorld:
    made = SignInWorld()
    made.user("ada", email="ada@example.com", email_verified="true")
    return made


@pytest.fixture
def browser(world: SignInWorld) -> Browser:
    return world.browser()


class Unreachable:
    """A store whose database is gone."""

    async def read(self, transaction: Any) -> Any:
        raise StoreUnavailable("gone")

    write = read


def authorize(browser: Browser, **more: str) -> Page:
    return browser.get("/oauth2/authorize", asked(**more))


def sign_in(browser: Browser, **more: str) -> Page:
    return authorize(browser, **more).submit(username="ada", password=PASSWORD)


def code_of(world: SignInWorld, page: Page) -> object:
    return queries.find_code(world.tx, digest_of(page.query["code"]))


# What is well


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/authorize", "/login"])
def test_without_a_session_the_sign_in_page_keeps_what_was_asked(browser: Browser, path: str) -> None:
    page = browser.get(path, asked(**PKCE, scope="openid email", nonce="n1", login_hint="ada"))

    assert page.status == 200
    assert page.url.partition("?")[0] == path if path == "/login" else page.url.startswith("/login?")
    assert page.forms[0].fields["username"] == "ada"
    assert "Shop" in page.text
    for name in ("state=s+t%261", f"code_challenge={CHALLENGE}", "nonce=n1", "scope=openid+email"):
        assert name in page.forms[0].action


def test_a_sign_in_gives_a_code_and_the_state(world: SignInWorld, browser: Browser) -> None:
    page = sign_in(browser, **PKCE, scope="openid orders/read", nonce="n1", resource="https://api.example")

    assert page.status == 302
    assert page.location.startswith(f"{CALLBACK}?code=")
    assert page.query["state"] == "s t&1"
    assert set(page.query) == {"code", "state"}
    code = queries.find_code(world.tx, digest_of(page.query["code"]))
    assert code is not None
    assert (code.client_id, code.redirect_uri, code.code_challenge) == (WEB, CALLBACK, CHALLENGE)
    assert (code.family.scopes, code.family.nonce) == (("openid", "orders/read"), "n1")
    assert (code.family.resource, code.family.amr, code.redeemed) == ("https://api.example", ("pwd",), False)


def test_a_browser_that_is_signed_in_gets_the_next_code_at_once(world: SignInWorld, browser: Browser) -> None:
    first = sign_in(browser)

    second = authorize(browser, state="2")

    assert second.query["state"] == "2"
    assert second.query["code"] != first.query["code"]
    old, new = code_of(world, first), code_of(world, second)
    assert old.family.origin_jti != new.family.origin_jti  # type: ignore[attr-defined]
    assert old.family.auth_time == new.family.auth_time  # type: ignore[attr-defined]


def test_without_scope_all_that_the_client_may_is_granted(world: SignInWorld, browser: Browser) -> None:
    code = code_of(world, sign_in(browser))

    assert set(code.family.scopes) == {"openid", "email", "orders/read"}  # type: ignore[attr-defined]


def test_a_scope_that_no_resource_server_has_any_more_is_left_out(world: SignInWorld, browser: Browser) -> None:
    world.resource_server(POOL, "orders", ("write",))

    code = code_of(world, sign_in(browser, scope="openid orders/read"))

    assert code.family.scopes == ("openid",)  # type: ignore[attr-defined]


@pytest.mark.parametrize("uri", ["https://app.example/other?tenant=7", "app://callback", "http://localhost:3000/cb"])
def test_every_registered_uri_is_answered_as_it_is_written(browser: Browser, uri: str) -> None:
    page = sign_in(browser, redirect_uri=uri)

    mark = "&" if "?" in uri else "?"
    assert page.location.startswith(f"{uri}{mark}code=")


def test_the_default_redirect_uri_stands_in(world: SignInWorld) -> None:
    world.public_client(POOL, WEB, **{**CLIENT, "DefaultRedirectURI": "app://callback"})

    page = world.browser().get("/oauth2/authorize", asked(redirect_uri="")).submit(username="ada", password=PASSWORD)

    assert page.location.startswith("app://callback?code=")


def test_the_implicit_flow_answers_in_the_fragment(world: SignInWorld, browser: Browser) -> None:
    page = sign_in(browser, response_type="token", scope="openid", nonce="n1")

    assert page.query == {}
    assert set(page.fragment) == {"id_token", "access_token", "expires_in", "token_type", "state"}
    assert (page.fragment["token_type"], page.fragment["expires_in"]) == ("Bearer", "3600")


def test_without_openid_the_implicit_flow_gives_no_id_token(browser: Browser) -> None:
    page = sign_in(browser, response_type="token", scope="orders/read")

    assert set(page.fragment) == {"access_token", "expires_in", "token_type", "state"}


def test_prompt_login_asks_although_the_browser_is_signed_in(browser: Browser) -> None:
    sign_in(browser)

    page = authorize(browser, prompt="login")

    assert page.status == 200
    assert page.submit(username="ada", password=PASSWORD).query["code"]


def test_prompt_none_with_a_session_gives_a_code(browser: Browser) -> None:
    sign_in(browser)

    assert "code" in authorize(browser, prompt="none").query


def test_prompt_select_account_lets_the_user_choose(browser: Browser) -> None:
    sign_in(browser)

    page = authorize(browser, prompt="select_account")

    assert "ada@example.com" in page.text
    assert "code" in page.submit(account="signed-in").query
    other = browser.get(page.links[0])
    assert "username" in other.forms[0].fields


@pytest.mark.parametrize("more", [{"prompt": "select_account login"}, {"prompt": "login"}, {"max_age": "0"}, {}])
def test_nobody_chooses_an_account_that_was_not_offered(browser: Browser, more: dict[str, str]) -> None:
    """A form that was not given cannot skip the password."""
    form = authorize(browser).forms[0]
    action = form.action + "&" + urlencode(more)

    page = browser.post(action, {"_csrf": form.fields["_csrf"], "account": "signed-in"})

    assert page.status == 200
    assert "password" in page.forms[0].fields


def test_max_age_asks_again_when_the_sign_in_is_older(
    world: SignInWorld, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    sign_in(browser)
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    assert "code" in authorize(browser, max_age="120").query
    assert authorize(browser, max_age="60").status == 200
    assert authorize(browser, max_age="60", prompt="none").query["error"] == "login_required"


def test_max_age_of_nothing_asks_always_and_once(browser: Browser) -> None:
    """OpenID Connect Core section 3.1.2.1: it is `prompt=login` in other words, in the second of the sign-in too."""
    assert "code" in sign_in(browser, max_age="0").query

    assert authorize(browser, max_age="0", prompt="none").query["error"] == "login_required"
    assert "code" in authorize(browser, max_age="0").submit(username="ada", password=PASSWORD).query


def test_a_session_is_good_for_an_hour(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference, "Lifetimes"."""
    sign_in(browser)
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + 3_590)
    assert "code" in authorize(browser).query
    monkeypatch.setattr(clock, "now", lambda: start + 3_601)

    assert authorize(browser).status == 200


def test_the_language_is_asked_for_and_remembered(browser: Browser) -> None:
    asked_for = authorize(browser, lang="de")
    remembered = browser.get("/login", asked())

    assert "Anmelden" in asked_for.text
    assert "Anmelden" in remembered.text
    assert "Anmelden" not in browser.get("/login", asked(lang="en")).text


@pytest.mark.parametrize("name", ["identity_provider", "idp_identifier", "login_hint", "max_age", "nonce", "prompt"])
def test_a_parameter_without_a_value_is_as_if_it_were_not_sent(browser: Browser, name: str) -> None:
    """RFC 6749 section 3.1."""
    sign_in(browser)

    page = browser.get(f"/oauth2/authorize?{urlencode(asked())}&{name}=")

    assert "code" in page.query


# What is refused on a page of this host (reference, "authorize", failures)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"client_id": ""}, "invalid_request", id="no-client"),
        pytest.param({"client_id": "unknown"}, "invalid_request", id="unknown-client"),
        pytest.param({"redirect_uri": ""}, "invalid_request", id="no-uri"),
        pytest.param({"redirect_uri": "https://evil.example/"}, "redirect_mismatch", id="foreign-uri"),
    ],
)
def test_what_cannot_be_told_to_the_application_is_said_here(browser: Browser, more: dict[str, str], code: str) -> None:
    redirect = browser.get("/oauth2/authorize", asked(**more), follow=False)
    page = browser.get(redirect.location)

    assert redirect.status == 302
    assert redirect.location.startswith(f"/error?error={code}")
    assert page.status == 400
    assert "An error was encountered with the requested page." in page.text
    assert code in page.text


def test_a_client_without_any_flow_has_no_pages() -> None:
    world = SignInWorld(client={"AllowedOAuthFlowsUserPoolClient": False})

    page = world.browser().get("/login", asked(), follow=False)

    assert page.location == f"/error?error=invalid_request&client_id={WEB}"


def test_a_client_of_another_pool_is_unknown_below_a_pools_path(world: SignInWorld) -> None:
    other = world.pool("us-east-1_Other1234")
    browser = world.browser(other, f"/{other}")

    page = browser.get(f"/{other}/login", asked(), follow=False)

    assert page.location == f"/{other}/error?error=invalid_request"


# What is refused at the application's redirect URI


@pytest.mark.parametrize(
    ("more", "error"),
    [
        pytest.param({"response_type": ""}, "invalid_request", id="no-response-type"),
        pytest.param({"response_type": "code id_token"}, "invalid_request", id="hybrid"),
        pytest.param({"response_type": "id_token"}, "invalid_request", id="id-token"),
        pytest.param({"code_challenge": CHALLENGE}, "invalid_request", id="challenge-without-method"),
        pytest.param({"code_challenge_method": "S256"}, "invalid_request", id="method-without-challenge"),
        pytest.param({**PKCE, "code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param({**PKCE, "code_challenge": "short"}, "invalid_request", id="challenge-of-another-form"),
        pytest.param({"scope": "orders/write"}, "invalid_scope", id="scope-not-allowed"),
        pytest.param({"scope": "openid  email"}, "invalid_scope", id="two-blanks"),
        pytest.param({"scope": "email"}, "invalid_scope", id="email-without-openid"),
        pytest.param({"scope": "openid\norders/read"}, "invalid_scope", id="newline"),
        pytest.param({"resource": "/relative"}, "invalid_request", id="resource-relative"),
        pytest.param({"resource": "https://api.example/#f"}, "invalid_request", id="resource-fragment"),
        pytest.param({"resource": "http://api.example/"}, "invalid_request", id="resource-plain-http"),
        pytest.param({"resource": "https://"}, "invalid_request", id="resource-without-host"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="none-and-login"),
        pytest.param({"prompt": "none"}, "login_required", id="nobody-signed-in"),
        pytest.param({"max_age": "soon"}, "invalid_request", id="max-age"),
        pytest.param({"identity_provider": "Google"}, "invalid_request", id="provider"),
        pytest.param({"idp_identifier": "corp"}, "invalid_request", id="provider-identifier"),
    ],
)
def test_what_is_wrong_is_told_to_the_application(browser: Browser, more: dict[str, str], error: str) -> None:
    page = authorize(browser, **more)

    assert page.status == 302
    assert page.location.startswith(f"{CALLBACK}?")
    assert (page.query["error"], page.query["state"]) == (error, "s t&1")
    assert "code" not in page.query


@pytest.mark.parametrize("name", ["state", "scope", "response_type", "nonce", "code_challenge", "resource", "lang"])
def test_a_parameter_that_comes_twice_is_told_to_the_application(browser: Browser, name: str) -> None:
    """RFC 6749 section 3.1."""
    twice = f"{urlencode({**asked(), name: 'code'})}&{name}=code"

    page = browser.get(f"/oauth2/authorize?{twice}")

    assert page.location.startswith(CALLBACK)
    assert page.query["error"] == "invalid_request"
    assert ("state" in page.query) is (name != "state")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_where_the_answer_goes_must_not_come_twice(browser: Browser, name: str) -> None:
    page = browser.get(f"/oauth2/authorize?{urlencode(asked())}&{name}=x", follow=False)

    assert page.location.startswith("/error?error=invalid_request")


@pytest.mark.parametrize("query", ["%zz", "client_id=%ff", "&".join("a" for _ in range(200))])
def test_a_query_that_cannot_be_read_is_refused_here(browser: Browser, query: str) -> None:
    assert browser.get(f"/oauth2/authorize?{query}", follow=False).location.startswith("/error?error=invalid_request")


def test_without_the_database_the_application_is_told(world: SignInWorld, browser: Browser) -> None:
    """Reference, "GET /oauth2/authorize": an inner failure is `server_error` at the redirect URI."""
    unreachable: Any = Unreachable()
    sign_in(browser)
    world.edge = replace(world.edge, store=unreachable)

    assert authorize(browser).query == {"error": "server_error", "state": "s t&1"}
    assert authorize(browser, redirect_uri="https://evil.example/").url.startswith("/error?error=redirect_mismatch")


def test_the_errors_of_the_implicit_flow_ride_in_the_fragment(browser: Browser) -> None:
    page = authorize(browser, response_type="token", scope="orders/write")

    assert page.fragment["error"] == "invalid_scope"
    assert page.query == {}


@pytest.mark.parametrize(
    ("flows", "response_type"), [(["code"], "token"), (["implicit"], "code"), (["client_credentials"], "code")]
)
def test_o6_a_flow_that_the_client_may_not_use_is_refused(flows: list[str], response_type: str) -> None:
    world = SignInWorld(client={"AllowedOAuthFlows": flows})
    page = world.browser().get("/oauth2/authorize", asked(response_type=response_type))

    assert {**page.query, **page.fragment}["error"] == "unauthorized_client"


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "DELETE"])
def test_authorize_is_asked_by_get(world: SignInWorld, method: str) -> None:
    answer = world.send(method=method, target=b"/oauth2/authorize")

    assert (answer.status, answer.header("Allow")) == (405, "GET")


@pytest.mark.parametrize("path", ["/login", "/signup", "/forgotPassword", "/confirmforgotPassword"])
def test_the_head_of_a_page_is_looked_at_like_the_page(world: SignInWorld, path: str) -> None:
    """RFC 9110 section 9.3.2; not where a look signs out, confirms or gives a code."""
    target = f"{path}?{urlencode(asked())}".encode()

    answer = world.send(method="HEAD", target=target)

    assert (answer.status, answer.header("X-Frame-Options")) == (200, "DENY")
    for acting in (b"/logout?client_id=x", b"/confirmUser?client_id=x&user_name=ada&confirmation_code=123456"):
        assert world.send(method="HEAD", target=acting).status == 405


# Signing out


def test_signing_out_leads_to_a_registered_address(world: SignInWorld, browser: Browser) -> None:
    sign_in(browser)
    cookie = browser.cookies["/", "cognito"]

    page = browser.get("/logout", {"client_id": WEB, "logout_uri": "https://app.example/bye"})

    assert page.location == "https://app.example/bye"
    assert ("/", "cognito") not in browser.cookies
    browser.cookies["/", "cognito"] = cookie
    assert authorize(browser).status == 200  # the session itself is gone, not only its cookie


def test_signing_out_with_a_redirect_uri_leads_to_the_sign_in_page(browser: Browser) -> None:
    sign_in(browser)

    page = browser.get("/logout", asked())

    assert page.url.startswith("/login?")
    assert page.submit(username="ada", password=PASSWORD).query["state"] == "s t&1"


def test_signing_out_without_an_address_says_so(browser: Browser) -> None:
    """Reference, "GET /logout": it is neither of the two forms, so programs see an error; people are signed out."""
    sign_in(browser)

    page = browser.get("/logout", {"client_id": WEB})

    assert (page.status, page.location) == (400, "")
    assert authorize(browser).status == 200


# /error


@pytest.mark.parametrize("code", ["<script>", "x" * 41, "Call +1 555 now", ""])
def test_the_error_page_says_no_more_than_a_code(browser: Browser, code: str) -> None:
    """Anyone can write such an address; it must not be a place for their words."""
    page = browser.get("/error", {"error": code})

    assert page.status == 400
    assert not code or code not in page.html
    assert "invalid_request" in page.text


def test_a_page_without_a_form_leaves_no_cookie(browser: Browser) -> None:
    assert browser.get("/error", {"error": "x"}).all("Set-Cookie") == []
    assert browser.get("/nothing").all("Set-Cookie") == []


def test_on_the_bare_host_no_cookie_goes_to_users_apis(world: SignInWorld) -> None:
    """Their paths are beside those of the pages, and what they are sent reaches web services and functions."""
    browser = world.browser(None)

    assert "code" in sign_in(browser).query
    assert "code" in authorize(browser, prompt="none").query
    browser.get("/logout", {"client_id": WEB})
    assert authorize(browser, prompt="none").query["error"] == "login_required"
    paths = {path for path, _ in browser.cookies}
    assert paths <= {"/confirmUser", "/confirmforgotPassword", "/forgotPassword", "/login", "/signup"}
