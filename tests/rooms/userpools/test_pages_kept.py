"""What a form leads to: a page with an address of its own, which a browser may load again and come back to.

Source: attack rows O8, O17; RFC 9110 section 15.4.4.
"""

from dataclasses import replace

import pyotp
import pytest

from scopegate.base import clock
from scopegate.userpools.users import queries
from scopegate.userpools.users.model import CONFIRMED, UNCONFIRMED
from tests.pages import Browser, Page
from tests.rooms.userpools.signing_in import CLIENT, PASSWORD, POOL, SCHEMA, SignInWorld, asked

MAIL = {"AutoVerifiedAttributes": ["email"]}
TOTP = {"MfaConfiguration": "ON", "MfaConfig": {"SoftwareTokenMfaConfiguration": {"Enabled": True}}}


def sign_up(browser: Browser) -> Page:
    return browser.get("/signup", asked()).submit({"requiredAttributes[email]": "eve@example.com"},
                                                  username="eve", password=PASSWORD)  # fmt: skip


def set_up_app(world: SignInWorld, browser: Browser) -> Page:
    world.user("ada")
    return browser.get("/login", asked()).submit(username="ada", password=PASSWORD)


def test_a_page_is_loaded_again_without_its_form() -> None:
    """To sign up is not done twice, and the form before it is still there to go back to."""
    browser = SignInWorld(MAIL).browser()
    page = sign_up(browser)

    again = browser.get(page.url)

    assert "We sent a code to e***@e***." in page.text
    assert (again.status, again.html) == (200, page.html)


def test_a_refusal_is_the_page_again() -> None:
    """Reference, "/login": only who has signed in is redirected."""
    world = SignInWorld()
    world.user("ada")
    browser = world.browser()
    form = browser.get("/login", asked()).forms[0]

    fields = {**form.fields, "username": "ada", "password": "Wrong-Horse-9"}
    page = browser.post(form.action, fields, follow=False)

    assert (page.status, page.location) == (200, "")
    assert "Incorrect username or password." in page.text
    assert (page.forms[0].fields["username"], page.forms[0].fields["password"]) == ("ada", "")


def test_a_browser_that_has_signed_in_meanwhile_goes_on_to_the_application() -> None:
    world = SignInWorld(TOTP)
    browser = world.browser()
    page = set_up_app(world, browser)
    secret = page.forms[0].fields["secret"]
    page.submit(code=pyotp.TOTP(secret).at(clock.now()))

    assert browser.get(page.url).query["code"]


def test_o8_a_page_is_for_the_browser_and_the_client_that_came_to_it() -> None:
    world = SignInWorld(TOTP)
    world.public_client(POOL, "otherclient", **CLIENT)
    browser, other = world.browser(), world.browser()
    other.get("/login", asked())
    page = set_up_app(world, browser)
    secret, session = page.forms[0].fields["secret"], page.forms[0].fields["session"]

    elsewhere = [other.get(page.url), world.browser().get(page.url)]
    elsewhere.append(browser.get(page.url.replace(asked()["client_id"], "otherclient")))
    elsewhere += [browser.get(f"{page.url[:-9]}AAAAAAAA"), browser.get("/login", asked(page="é"))]

    assert secret in browser.get(page.url).html
    assert secret not in page.url
    assert session not in page.url
    for shown in elsewhere:
        assert (shown.status, "secret" in shown.forms[0].fields) == (200, False)


def test_the_key_of_an_app_is_shown_while_it_is_set_up_and_never_again() -> None:
    """Whoever comes to the browser when its user has signed out goes back in its history."""
    world = SignInWorld(TOTP)
    browser = world.browser()
    page = set_up_app(world, browser)
    secret = page.forms[0].fields["secret"]
    assert secret in browser.get(page.url).html
    page.submit(code=pyotp.TOTP(secret).at(clock.now()))
    browser.get("/logout", {"client_id": asked()["client_id"]})

    later = browser.get(page.url)

    assert (later.status, "password" in later.forms[0].fields) == (200, True)
    assert secret not in later.html


def test_a_page_is_kept_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = SignInWorld(MAIL).browser()
    page = sign_up(browser)
    now = clock.now()

    monkeypatch.setattr(clock, "now", lambda: now + 3_590)
    assert "We sent a code" in browser.get(page.url).text
    monkeypatch.setattr(clock, "now", lambda: now + 3_601)
    assert "Create an account" in browser.get(page.url).text


def test_a_page_that_is_too_long_for_an_address_is_shown_at_once() -> None:
    browser = SignInWorld().browser()

    page = browser.get("/login", asked()).submit(username="x" * 9_000, password=PASSWORD)

    assert (page.status, len(page.url) < 1_000) == (200, True)
    assert "There is no account with this name." in page.text


def test_a_name_of_any_length_has_a_picture_for_the_app() -> None:
    world = SignInWorld(TOTP, {"ClientName": "+" * 128})
    page = set_up_app(world, world.browser())

    refused = page.submit(username="\U0001f600" * 2_000, code="000000")

    assert (refused.status, "<svg" in refused.html) == (200, True)
    assert refused.submit(code=pyotp.TOTP(page.forms[0].fields["secret"]).now()).query["code"]


# A user who is not confirmed


def test_a_form_that_is_sent_twice_confirms_once_and_says_so() -> None:
    world = SignInWorld(MAIL)
    browser = world.browser()
    page = sign_up(browser)
    user = queries.find_user(world.tx, world.seal, POOL, "eve")
    assert user is not None
    queries.put_user(world.tx, world.seal, replace(user, status=CONFIRMED))

    confirmed = page.submit(code="123456", action="confirm")
    forged = page.submit(code="123456", action="confirm", proof="00")

    assert "Your account is confirmed. You can sign in now." in confirmed.text
    assert "password" in confirmed.forms[0].fields
    assert "code" in forged.forms[0].fields


@pytest.mark.parametrize("status", [None, UNCONFIRMED])
def test_where_no_code_is_sent_none_is_asked_for(status: str | None) -> None:
    """A pool that verifies nothing: an operator confirms (AdminConfirmSignUp)."""
    world = SignInWorld()
    browser = world.browser()
    if status is None:
        page = browser.get("/signup", asked()).submit(username="eve", password=PASSWORD)
    else:
        world.user("eve", status=status)
        page = browser.get("/login", asked()).submit(username="eve", password=PASSWORD)

    assert "An administrator has to confirm your account." in page.text
    assert page.forms == []


def test_an_attribute_that_may_be_left_out_says_so() -> None:
    """Of two that the pool verifies either will do."""
    phone = {"Name": "phone_number", "AttributeDataType": "String", "Mutable": True}
    pool = {"AutoVerifiedAttributes": ["email", "phone_number"], "SchemaAttributes": [*SCHEMA, phone]}

    page = SignInWorld(pool).browser().get("/signup", asked())

    assert page.text.count("(optional)") == 2


def test_a_name_that_is_no_address_is_told_what_it_should_be() -> None:
    phone = {"Name": "phone_number", "AttributeDataType": "String", "Mutable": True}
    pool = {"UsernameAttributes": ["email", "phone_number"], "SchemaAttributes": [*SCHEMA, phone]}

    page = SignInWorld(pool).browser().get("/signup", asked()).submit(username="ada", password=PASSWORD)

    assert "Enter an email address, or a phone number with country code." in page.text
