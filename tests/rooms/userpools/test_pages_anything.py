"""Whatever is sent to a page is answered: by a page, or by a redirect within this host or to a registered address."""

from collections.abc import Iterator
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.http.message import Request
from scopegate.userpools import oauth
from scopegate.userpools.oauth import PAGES
from tests.rooms.userpools.driver import Answer, _answer
from tests.rooms.userpools.signing_in import CALLBACK, PASSWORD, SignInWorld, asked

TOKEN = "T" * 43
NAMES = st.sampled_from(
    ["client_id", "redirect_uri", "response_type", "state", "scope", "prompt", "max_age", "resource", "code_challenge",
     "code_challenge_method", "lang", "logout_uri", "user_name", "confirmation_code", "error", "nonce", "login_hint",
     "username", "password", "confirm_password", "code", "challenge", "session", "answer", "account", "action",
     "factor",
     "required", "destination", "proof", "secret", "device_name", "requiredAttributes[email]", "requiredAttributes[",
     "_csrf", "page"]
)  # fmt: skip
CHALLENGES = st.sampled_from(
    [b"SOFTWARE_TOKEN_MFA", b"EMAIL_OTP", b"MFA_SETUP", b"NEW_PASSWORD_REQUIRED", b"SELECT_MFA_TYPE", b"resend", b"ada"]
)
VALUES = st.one_of(st.binary(max_size=12), st.text(max_size=8).map(lambda text: text.encode()), CHALLENGES)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5)


@pytest.fixture(scope="module")
def world() -> Iterator[SignInWorld]:
    made = SignInWorld({"AutoVerifiedAttributes": ["email"]})
    made.user("ada", email="ada@example.com", email_verified="true")
    yield made
    made.passwords.close()


def encode(fields: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{urlencode({name: ''})}{quote_from_bytes(value)}" for name, value in fields)


@settings(deadline=None, max_examples=150)
@given(path=st.sampled_from(sorted(PAGES)), more=FIELDS, fields=FIELDS, is_form=st.booleans())
def test_whatever_is_sent_is_answered(
    world: SignInWorld, path: str, more: list[tuple[str, bytes]], fields: list[tuple[str, bytes]], is_form: bool
) -> None:
    query = "&".join(part for part in (urlencode(asked()), encode(more)) if part)
    target = f"{path}?{query}".encode()
    if is_form:
        whole = {"_csrf": TOKEN, "username": "ada", "password": PASSWORD}
        given = urlencode({name: value for name, value in whole.items() if name not in dict(fields)})
        headers = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Cookie", f"XSRF-TOKEN={TOKEN}".encode())]
        request = Request("POST", target, headers, f"{given}&{encode(fields)}".encode())
    else:
        request = Request("GET", target, [])

    answer = ask(world, request, path)
    location = answer.header("Location") or ""
    if "&page=" in location:  # what a form led to is shown at an address of its own
        cookie = [(b"Cookie", f"XSRF-TOKEN={TOKEN}".encode())]
        answer = ask(world, Request("GET", location.encode(), cookie), path)
        location = answer.header("Location") or ""

    assert answer.status in (200, 302, 400, 403, 405)
    assert location == "" or location.startswith((CALLBACK, "/login?", "/error?")), location
    assert answer.status != 302 or location


def ask(world: SignInWorld, request: Request, path: str) -> Answer:
    return _answer(oauth.answer(request, path, None, world.view, world.edge))
