"""A walk through every page that people sign in by. `python -m tests.browser.walk` takes the pictures of the manual."""

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyotp
from PIL import Image
from playwright.sync_api import Page

from tests.browser.chromium import chromium
from tests.browser.shop import PASSWORD, Shop, open_shop
from tests.pages import code_sent_to
from tests.server import Server, start

PICTURES = Path(__file__).parents[2] / "docs" / "pages"
SENDER = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a@example.com"}
BOTH = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "EmailMfaConfiguration": {}}
GIVEN_NAME = {"Name": "given_name", "AttributeDataType": "String", "Required": True, "Mutable": True}

SIZES = {"phone": {"width": 390, "height": 780}, "desktop": {"width": 900, "height": 720}}


def walk(server: Server, page: Page) -> Iterator[str]:
    """The name of each page while it is shown."""
    with ExitStack() as stack:
        plain = stack.enter_context(open_shop(server))
        yield from _walk_through_codes(plain, page)
        strict = stack.enter_context(open_shop(server, {"Schema": [GIVEN_NAME], "EmailConfiguration": SENDER}))
        yield from _walk_through_factors(strict, page)
        yield from _walk_out(strict, page)


def _fill(page: Page, button: str, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name=button, exact=True).click()


def _walk_through_codes(shop: Shop, page: Page) -> Iterator[str]:
    page.goto(shop.url())
    yield "sign-in"
    _fill(page, "Sign in", username="ada", password="Wrong-Horse-9")
    yield "sign-in-refused"
    page.goto(shop.url("/signup"))
    page.locator("#requiredAttributes-email").fill("ada@example.com")
    _fill(page, "Sign up", username="ada", password="Horse")
    yield "sign-up"
    _fill(page, "Sign up", password=PASSWORD)
    yield "confirm"
    _fill(page, "Confirm account", code=code_sent_to(shop.server, "ada@example.com"))
    page.wait_for_url("**/callback?**")
    page.goto(shop.url("/forgotPassword"))
    yield "forgot-password"
    _fill(page, "Send code", username="ada")
    _fill(page, "Change password", code="000000", password=PASSWORD, confirm_password=PASSWORD)
    yield "reset-password"


def _walk_through_factors(shop: Shop, page: Page) -> Iterator[str]:
    idp = shop.server.aws("cognito-idp")
    idp.admin_create_user(UserPoolId=shop.pool_id, Username="ada", TemporaryPassword=PASSWORD, MessageAction="SUPPRESS")
    page.context.clear_cookies()
    page.goto(shop.url())
    _fill(page, "Sign in", username="ada", password=PASSWORD)
    yield "new-password"
    idp.set_user_pool_mfa_config(
        UserPoolId=shop.pool_id, MfaConfiguration="ON", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    page.locator("#requiredAttributes-given_name").fill("Ada")
    _fill(page, "Save and continue", password="Better-Horse-10", confirm_password="Better-Horse-10")
    yield "authenticator-app"
    page.get_by_text("You cannot scan it?").click()
    totp = pyotp.TOTP(page.locator("code").inner_text().replace(" ", ""))
    _fill(page, "Continue", code=totp.now())
    page.wait_for_url("**/callback?**")
    page.goto(shop.url(prompt="login"))
    _fill(page, "Sign in", username="ada", password="Better-Horse-10")
    yield "app-code"
    idp.set_user_pool_mfa_config(UserPoolId=shop.pool_id, MfaConfiguration="ON", **BOTH)
    idp.admin_update_user_attributes(
        UserPoolId=shop.pool_id,
        Username="ada",
        UserAttributes=[{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}],
    )
    idp.admin_set_user_mfa_preference(
        UserPoolId=shop.pool_id,
        Username="ada",
        SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": False},
        EmailMfaSettings={"Enabled": True, "PreferredMfa": False},
    )
    page.goto(shop.url(prompt="login"))
    _fill(page, "Sign in", username="ada", password="Better-Horse-10")
    yield "choose-factor"
    page.get_by_role("button", name="Code by email").click()
    _fill(page, "Continue", code="00000000")
    yield "email-code"
    _fill(page, "Continue", code=code_sent_to(shop.server, "ada@example.com"))
    page.wait_for_url("**/callback?**")


def _walk_out(shop: Shop, page: Page) -> Iterator[str]:
    page.goto(shop.url(prompt="select_account"))
    yield "choose-account"
    page.goto(f"{shop.base}/logout?client_id={shop.client_id}")
    yield "signed-out"
    page.goto(shop.url(redirect_uri="https://elsewhere.example/"))
    yield "error"


def take_pictures(folder: Path) -> None:
    """Every page on a phone in light and dark, side by side; the sign-in page on a desktop as well."""
    folder.mkdir(parents=True, exist_ok=True)
    shots: dict[str, list[Image.Image]] = {}
    with tempfile.TemporaryDirectory() as data, chromium("--hide-scrollbars") as browser:
        server = start(("serve", "--dev"), Path(data))
        try:
            for size, scheme in (("phone", "light"), ("phone", "dark"), ("desktop", "light")):
                page = browser.new_context(viewport=SIZES[size], color_scheme=scheme).new_page()  # type: ignore[arg-type]
                for name in walk(server, page):
                    if size == "phone":
                        shots.setdefault(name, []).append(_shoot(page, full_page=True))
                    elif name in ("sign-in", "authenticator-app"):
                        _save(_shoot(page, full_page=True), folder / f"{name}-desktop.png")
        finally:
            server.stop()
    for name, pair in shots.items():
        both = Image.new("RGB", (sum(each.width for each in pair), max(each.height for each in pair)), "#171a20")
        both.paste(pair[0].resize((pair[0].width, pair[0].height)), (0, 0))
        both.paste(pair[1], (pair[0].width, 0))
        if pair[0].height < both.height:
            both.paste("#ffffff", (0, pair[0].height, pair[0].width, both.height))
        _save(both, folder / f"{name}.png")


def _shoot(page: Page, *, full_page: bool) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot(full_page=full_page, caret="hide", animations="disabled")))


def _save(picture: Image.Image, path: Path) -> None:
    """Few colours and small."""
    picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
