"""People sign in with a real browser: every way through the pages, to tokens."""

import base64
import html
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import chromium
from tests.browser.shop import PASSWORD, Shop, open_shop
from tests.pages import code_sent_to, messages_sent_to
from tests.server import Server, token_part

TOTP_ONLY = {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": True}}
SENDER = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a@example.com"}
EMAIL_ONLY = {"MfaConfiguration": "ON", "EmailMfaConfiguration": {}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which nothing was refused by the pages' own policy."""
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield tab
    assert [text for text in complaints if "Content Security Policy" in text] == []


@pytest.fixture
def shop(server: Server) -> Iterator[Shop]:
    with open_shop(server) as opened:
        yield opened


def make_user(shop: Shop, username: str, *, permanent: bool = True, **attributes: str) -> None:
    idp = shop.server.aws("cognito-idp")
    given = [{"Name": name, "Value": value} for name, value in attributes.items()]
    idp.admin_create_user(
        UserPoolId=shop.pool_id,
        Username=username,
        TemporaryPassword=PASSWORD,
        MessageAction="SUPPRESS",
        UserAttributes=given,
    )
    if permanent:
        idp.admin_set_user_password(UserPoolId=shop.pool_id, Username=username, Password=PASSWORD, Permanent=True)


def sign_in(page: Page, username: str, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def tokens_of(shop: Shop, page: Page) -> dict[str, Any]:
    """What the shop gets for the code with which the browser came back."""
    expect(page.get_by_role("heading", name="Back in the shop")).to_be_visible()
    returned = shop.returned[-1]
    assert returned["state"] == "state-1"
    return shop.redeem(returned["code"])


def test_sign_up_with_a_code_from_the_mail_and_sign_in(shop: Shop, page: Page) -> None:
    page.goto(shop.url())
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("weak")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("This password does not meet the rules below.")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()

    expect(page.get_by_text("We sent a code to a***@e***.")).to_be_visible()
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Confirm account").click()
    expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(code_sent_to(shop.server, "ada@example.com"))
    page.get_by_role("button", name="Confirm account").click()

    tokens = tokens_of(shop, page)
    claims = token_part(tokens["id_token"], 1)
    assert (claims["cognito:username"], claims["email"], claims["email_verified"]) == ("ada", "ada@example.com", True)
    assert (claims["nonce"], claims["aud"]) == ("nonce-1", shop.client_id)
    assert token_part(tokens["access_token"], 1)["scope"] == "openid email profile"


def test_a_new_code_takes_the_place_of_the_first(shop: Shop, page: Page) -> None:
    page.goto(shop.url("/signup"))
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Email").fill("grace@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Confirm your account")).to_be_visible()
    first = code_sent_to(shop.server, "grace@example.com")
    page.get_by_role("button", name="Send a new code").click()
    expect(page.get_by_text("We sent a new code to g***@e***.")).to_be_visible()

    second = code_sent_to(shop.server, "grace@example.com")
    if first != second:
        page.get_by_label("Code", exact=True).fill(first)
        page.get_by_role("button", name="Confirm account").click()
        expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(second)
    page.get_by_role("button", name="Confirm account").click()

    assert tokens_of(shop, page)["token_type"] == "Bearer"


def test_who_left_before_confirming_goes_on_at_the_next_sign_in(shop: Shop, page: Page) -> None:
    page.goto(shop.url("/signup"))
    page.get_by_label("Username").fill("mary")
    page.get_by_label("Email").fill("mary@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.goto(shop.url())
    sign_in(page, "mary", "Wrong-Horse-9")
    expect(page.get_by_role("alert")).to_have_text("Incorrect username or password.")
    sign_in(page, "mary")

    page.get_by_label("Code", exact=True).fill(code_sent_to(shop.server, "mary@example.com"))
    page.get_by_role("button", name="Confirm account").click()

    assert tokens_of(shop, page)["id_token"]


def test_a_forgotten_password_is_reset_by_a_code(shop: Shop, page: Page) -> None:
    make_user(shop, "joan", email="joan@example.com", email_verified="true")
    page.goto(shop.url())
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Username").fill("joan")
    page.get_by_role("button", name="Send code").click()
    expect(page.get_by_text("We sent a code to j***@e***.")).to_be_visible()
    code = code_sent_to(shop.server, "joan@example.com")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("New password", exact=True).fill("Better-Horse-10")
    page.get_by_label("New password, once more").fill("Other-Horse-10")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("The two passwords differ.")).to_be_visible()
    expect(page.get_by_label("Code", exact=True)).to_have_value(code)
    page.get_by_label("New password", exact=True).fill("Better-Horse-10")
    page.get_by_label("New password, once more").fill("Better-Horse-10")
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_text("Your password is changed. You can sign in now.")).to_be_visible()
    expect(page.get_by_label("Username")).to_have_value("joan")
    sign_in(page, "joan")
    expect(page.get_by_role("alert")).to_have_text("Incorrect username or password.")
    sign_in(page, "joan", "Better-Horse-10")
    assert tokens_of(shop, page)["id_token"]


def test_a_temporary_password_must_be_changed_and_the_profile_completed(server: Server, page: Page) -> None:
    schema = [{"Name": "given_name", "AttributeDataType": "String", "Required": True, "Mutable": True}]
    with open_shop(server, {"Schema": schema}) as shop:
        make_user(shop, "rosalind", permanent=False)
        page.goto(shop.url())
        sign_in(page, "rosalind")
        page.get_by_label("New password", exact=True).fill("short")
        page.get_by_label("New password, once more").fill("short")
        page.get_by_label("Given name").fill("Rosalind")
        page.get_by_role("button", name="Save and continue").click()
        expect(page.get_by_text("This password does not meet the rules below.")).to_be_visible()
        expect(page.get_by_label("Given name")).to_have_value("Rosalind")
        page.get_by_label("New password", exact=True).fill("Better-Horse-10")
        page.get_by_label("New password, once more").fill("Better-Horse-10")
        page.get_by_role("button", name="Save and continue").click()

        claims = token_part(tokens_of(shop, page)["id_token"], 1)
        assert claims["given_name"] == "Rosalind"
        page.context.clear_cookies()
        page.goto(shop.url())
        sign_in(page, "rosalind", "Better-Horse-10")
        assert tokens_of(shop, page)["id_token"]


def test_an_authenticator_app_is_set_up_and_asked_for_from_then_on(server: Server, page: Page) -> None:
    with open_shop(server, {}, **TOTP_ONLY) as shop:
        make_user(shop, "hedy")
        page.goto(shop.url())
        sign_in(page, "hedy")
        expect(page.get_by_role("img", name="QR code with the key for your authenticator app")).to_be_visible()
        page.get_by_text("You cannot scan it?").click()
        totp = pyotp.TOTP(page.locator("code").inner_text().replace(" ", ""))
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill(totp.now())
        page.get_by_label("Name of this device").fill("phone")
        page.get_by_role("button", name="Continue").click()
        first = tokens_of(shop, page)

        page.context.clear_cookies()
        page.goto(shop.url())
        sign_in(page, "hedy")
        expect(page.get_by_role("heading", name="Two-step verification")).to_be_visible()
        page.get_by_label("Code", exact=True).fill(f"{int(totp.now()) ^ 1:06d}")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
        # A code counts once; the next step's is taken too.
        page.get_by_label("Code", exact=True).fill(totp.at(int(time.time()) + 30))
        page.get_by_role("button", name="Continue").click()
        second = tokens_of(shop, page)
        assert token_part(first["id_token"], 1)["sub"] == token_part(second["id_token"], 1)["sub"]


def test_the_qr_code_holds_the_key_for_the_app(server: Server, page: Page) -> None:
    """Read from the picture, as an app reads it; the user is called as the user does, not by the pool's own name."""
    with open_shop(server, {"UsernameAttributes": ["email"]}, **TOTP_ONLY) as shop:
        make_user(shop, "vera@example.com", email="vera@example.com", email_verified="true")
        page.goto(shop.url())
        page.get_by_label("Email").fill("vera@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        shot = base64.b64encode(page.locator(".qr").screenshot()).decode()
        page.get_by_text("You cannot scan it?").click()
        key = page.locator("code").inner_text().replace(" ", "")

        reader = page.context.new_page()
        reader.add_script_tag(content=JSQR.read_text())
        read = reader.evaluate(READ_QR, f"data:image/png;base64,{shot}")

        assert read == f"otpauth://totp/Orders:vera%40example.com?secret={key}&issuer=Orders"


JSQR = Path(__file__).parents[1] / "wire" / "node" / "node_modules" / "jsqr" / "dist" / "jsQR.js"
READ_QR = """
async url => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  return jsQR(pixels.data, pixels.width, pixels.height)?.data;
}
"""


def test_a_code_by_email_is_the_second_factor(server: Server, page: Page) -> None:
    with open_shop(server, {"EmailConfiguration": SENDER}, **EMAIL_ONLY) as shop:
        make_user(shop, "lise", email="lise@example.com", email_verified="true")
        page.goto(shop.url())
        sign_in(page, "lise")
        expect(page.get_by_text("We sent a code to l***@e***.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill("00000000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill(code_sent_to(server, "lise@example.com"))
        page.get_by_role("button", name="Continue").click()

        assert tokens_of(shop, page)["id_token"]


def test_a_code_by_text_message_is_the_second_factor(server: Server, page: Page) -> None:
    sender = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "sms"}
    sms = {"MfaConfiguration": "ON", "SmsMfaConfiguration": {"SmsConfiguration": sender}}
    with open_shop(server, {}, **sms) as shop:
        make_user(shop, "katherine", phone_number="+14155550123", phone_number_verified="true")
        page.goto(shop.url())
        sign_in(page, "katherine")
        expect(page.get_by_role("heading", name="Check your phone")).to_be_visible()
        expect(page.get_by_text("We sent a code to +*******0123.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill(code_sent_to(server, "+14155550123"))
        page.get_by_role("button", name="Continue").click()

        assert tokens_of(shop, page)["id_token"]


def test_a_link_from_the_mail_confirms_an_account(server: Server, page: Page) -> None:
    template = {"DefaultEmailOption": "CONFIRM_WITH_LINK"}
    pool = {"AutoVerifiedAttributes": ["email"], "VerificationMessageTemplate": template}
    with open_shop(server, pool) as shop:
        page.goto(shop.url("/signup"))
        page.get_by_label("Username").fill("barbara")
        page.get_by_label("Email").fill("barbara@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign up").click()
        expect(page.get_by_role("heading", name="Confirm your account")).to_be_visible()
        expect(page.get_by_text("We sent a link to b***@e***. Open it, then continue here.")).to_be_visible()
        page.get_by_role("button", name="Send the link again").click()
        expect(page.get_by_role("status")).to_have_text("We sent a new link to b***@e***.")
        expect(page.get_by_role("link", name="Continue")).to_be_visible()
        body = messages_sent_to(server, "barbara@example.com")[-1]
        link = html.unescape(re.findall(r"http[^\s\"'<]+/confirmUser\?[^\s\"'<]+", body)[0])

        page.goto(link)
        expect(page.get_by_text("Your account is confirmed.")).to_be_visible()
        page.goto(link)
        expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()

        page.goto(shop.url())
        sign_in(page, "barbara")
        assert tokens_of(shop, page)["id_token"]


def test_a_code_by_email_stands_in_for_the_password(server: Server, page: Page) -> None:
    policy = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    flows = {"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}
    with open_shop(server, {"Policies": policy}, flows) as shop:
        make_user(shop, "ida", email="ida@example.com", email_verified="true")
        page.goto(shop.url())
        page.get_by_label("Username").fill("ida")
        page.get_by_role("button", name="Email me a code instead").click()
        expect(page.get_by_text("We sent a code to i***@e***.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill("00000000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("This code is not right. Please try again.")).to_be_visible()
        page.get_by_label("Code", exact=True).fill(code_sent_to(server, "ida@example.com"))
        page.get_by_role("button", name="Continue").click()

        assert tokens_of(shop, page)["id_token"]


def test_the_browser_stays_signed_in_until_it_signs_out(shop: Shop, page: Page) -> None:
    make_user(shop, "emmy")
    page.goto(shop.url())
    sign_in(page, "emmy")
    tokens_of(shop, page)
    page.goto(shop.url())
    tokens_of(shop, page)

    page.goto(f"{shop.base}/logout?client_id={shop.client_id}&logout_uri={shop.callback.replace('/callback', '/bye')}")
    expect(page).to_have_url(shop.callback.replace("/callback", "/bye"))
    page.goto(shop.url())

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_what_a_form_led_to_is_come_back_to_and_loaded_again(shop: Shop, page: Page) -> None:
    """And no browser asks whether to send a form again."""
    page.goto(shop.url())
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill("rita")
    page.get_by_label("Email").fill("rita@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Confirm your account")).to_be_visible()
    page.reload()
    page.go_back()
    expect(page.get_by_label("Email")).to_have_value("rita@example.com")
    page.go_forward()
    page.get_by_label("Code", exact=True).fill(code_sent_to(shop.server, "rita@example.com"))
    page.get_by_role("button", name="Confirm account").click()

    assert tokens_of(shop, page)["id_token"]


def test_pages_work_by_keyboard_alone(shop: Shop, page: Page) -> None:
    make_user(shop, "ada")
    page.goto(shop.url())
    expect(page.get_by_label("Username")).to_be_focused()

    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    assert tokens_of(shop, page)["id_token"]


def test_the_language_is_chosen_on_the_page(shop: Shop, page: Page) -> None:
    page.goto(shop.url())
    page.get_by_text("Language: English").click()
    page.get_by_role("link", name="Deutsch").click()

    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.goto(shop.url())
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()


def test_cookies_stay_below_the_path_of_the_pool(shop: Shop, page: Page) -> None:
    make_user(shop, "ada")
    page.goto(shop.url())
    sign_in(page, "ada")
    tokens_of(shop, page)

    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(shop.base)}
    assert set(cookies) == {"cognito", "XSRF-TOKEN"}
    for cookie in cookies.values():
        assert (cookie["path"], cookie["httpOnly"]) == (f"/{shop.pool_id}", True)
        assert (cookie["sameSite"], cookie["secure"]) == ("Lax", False)
    assert page.context.cookies(f"http://localhost:{shop.server.port}/") == []


def test_the_pages_work_by_the_host_of_the_domain(shop: Shop, page: Page) -> None:
    """`*.localhost` resolves in browsers."""
    domain = shop.pool_id.split("_")[1].lower() + "-shop"
    shop.server.aws("cognito-idp").create_user_pool_domain(Domain=domain, UserPoolId=shop.pool_id)
    make_user(shop, "ada")
    host = f"http://{domain}.auth.localhost:{shop.server.port}"
    page.goto(shop.url().replace(shop.base, host))
    assert page.url.startswith(f"{host}/login?")
    sign_in(page, "ada")

    assert tokens_of(shop, page)["id_token"]


def test_a_pool_has_colours_and_a_logo_of_its_own(shop: Shop, page: Page) -> None:
    """SetUICustomization, under the pages' own policy (which the fixture watches)."""
    idp = shop.server.aws("cognito-idp")
    idp.create_user_pool_domain(Domain=shop.pool_id.split("_")[1].lower() + "-look", UserPoolId=shop.pool_id)
    logo = io.BytesIO()
    Image.new("RGB", (120, 40), "#0b6b50").save(logo, "PNG")
    css = (
        ".submitButton-customizable { background-color: #0b6b50; }"
        ".submitButton-customizable:hover { background-color: #084f3b; }"
        ".background-customizable { background-color: #e9f3ef; }"
    )
    made = idp.set_ui_customization(UserPoolId=shop.pool_id, CSS=css, ImageFile=logo.getvalue())["UICustomization"]

    page.goto(shop.url())

    button = page.get_by_role("button", name="Sign in")
    expect(button).to_have_css("background-color", "rgb(11, 107, 80)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(233, 243, 239)")
    dark_on_light = "rgb(25, 28, 34)"
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_role("heading", name="Sign in")).to_have_css("color", dark_on_light)
    expect(page.get_by_role("img", name="Orders")).to_have_js_property("naturalWidth", 120)
    answer = page.request.get(made["ImageUrl"])
    assert (answer.status, answer.headers["content-type"], answer.body()) == (200, "image/png", logo.getvalue())
