"""How pages look: words in every language, every value escaped, nothing that runs, all files in the package."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.userpools.pages import render
from scopegate.userpools.pages.fields import field_of, rules_of
from scopegate.userpools.pages.render import Scene, Values, find_asset, render_page
from scopegate.userpools.pages.words import LANGUAGES, choose_language, read_words

ROOT = Path(__file__).parents[3]
PACKAGE = Path(render.__file__).parent
POLICY = {"MinimumLength": 12, "RequireSymbols": True, "RequireNumbers": False}
BRACES = re.compile(r"\{\w+\}")


def contents(text: str) -> dict[str, dict[str, Any]]:
    """What each template asks for, with `text` wherever somebody else's words stand."""
    hidden, errors = Values(session=text, username=text), Values(username=text, code=text, password=text)
    user = {"user_label": text, "user_type": "text", "username": text}
    more = {"error": text, "notice": text, "errors": errors}
    rules = list(rules_of(POLICY, "en"))
    attributes = [field_of("custom:team", "en", text), field_of("email", "en", text)]
    choices = [{"name": "answer", "value": text, "title": text, "text": text}]
    return {
        "sign_in": user | more | {"can_recover": True, "can_sign_up": True, "can_use_code": True},
        "sign_up": user
        | more
        | {"user_autocomplete": "username", "user_hint": text, "attributes": attributes, "rules": rules},
        "confirm_sign_up": user | more | {"destination": text, "hidden": hidden, "by_link": False},
        "forgot_password": user | more,
        "confirm_forgot_password": user | more | {"destination": text, "hidden": hidden, "code": text, "rules": rules},
        "new_password": more | {"hidden": hidden, "rules": rules, "attributes": attributes},
        "mfa_setup": more | {"hidden": hidden, "uri": text or "x", "key": text, "device_name": text},
        "code": more | {"hidden": hidden, "title": text, "lead": text},
        "choose": more
        | {"hidden": hidden, "title": text, "lead": text, "choices": choices, "other_link": "/x", "other_text": text},
        "message": {"title": text, "lead": text, "text": text, "link": "/x", "link_text": text}
        | {"code": text, "request_id": text},
    }


TEMPLATES = sorted(contents("x"))


def test_there_is_a_test_for_every_template() -> None:
    found = {path.stem for path in (PACKAGE / "templates").glob("*.html")}

    assert found - {"base", "parts"} == set(TEMPLATES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language: str) -> None:
    english, words = read_words("en"), read_words(language)

    assert set(words) == set(english)
    assert {key: sorted(BRACES.findall(text)) for key, text in words.items()} == {
        key: sorted(BRACES.findall(text)) for key, text in english.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_page_is_drawn_in_every_language(name: str, language: str) -> None:
    html = render_page(name, Scene("/pool", language, "Orders", "client_id=x", "csrf", "/login"), **contents("x")[name])

    assert f'<html lang="{language}">'.encode() in html
    assert b"<h1>" in html
    assert b' action="/pool/' in html or b'href="/x"' in html


@pytest.mark.parametrize(
    ("asked", "remembered", "language"),
    [
        ("de", None, "de"),
        ("de", "fr", "de"),
        (None, "fr", "fr"),
        ("xx", "fr", "fr"),
        (None, None, "en"),
        ("xx", "yy", "en"),
        ("DE", None, "en"),
        ("pt-BR", None, "pt-BR"),
        ("../en", None, "en"),
    ],
)
def test_a_language_is_asked_for_or_remembered_or_english(
    asked: str | None, remembered: str | None, language: str
) -> None:
    """Reference, GET /oauth2/authorize, `lang`."""
    assert choose_language(asked, remembered) == language


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=25)  # the QR code of a long key takes its time
@given(text=st.text(st.sampled_from("<>\"'&/=` {}%ax"), max_size=24))
def test_u1_what_others_wrote_is_text_and_never_markup(name: str, text: str) -> None:
    """The same elements and attributes stand in a page whatever the values are."""
    plain, hostile = "x", f"<script>alert(1)</script>\"' onload=alert(1) x='{text}"

    def shape(value: str) -> list[str]:
        scene = Scene("/pool", "en", value, "client_id=x", value, "/login")
        html = render_page(name, scene, **contents(value)[name]).decode()
        tags = re.findall(r"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", html)
        kept = [tag for tag in tags if not tag.startswith(("<path", "<svg"))]
        return [re.sub(r"\"[^\"]*\"", '""', tag) for tag in kept]

    assert shape(hostile) == shape(plain)


@pytest.mark.parametrize("name", TEMPLATES)
def test_o8_nothing_in_a_page_runs_or_styles_itself(name: str) -> None:
    """What the policy of the pages would refuse is not there in the first place."""
    html = render_page(name, Scene("", "en", "Orders", "a=b", "c", "/login"), **contents("x")[name]).decode()

    assert not re.search(r"<(script|style|iframe|object|base)\b", html)
    assert not re.search(r"<[^>]*\s(on\w+|style|srcset)=", html)
    assert not re.search(r"(src|href|action)=\"(?!/)", html)


def test_a_pages_files_are_named_by_their_content() -> None:
    name = render.style_name()

    style = find_asset(name)
    assert style is not None
    assert style.content_type.startswith(b"text/css")
    assert b"url(" not in style.body
    assert b"@import" not in style.body
    assert find_asset("icon.svg") is not None
    assert find_asset("style.css") is None
    assert find_asset("../words.py") is None


def test_a_broken_rule_is_the_one_that_the_refusal_names() -> None:
    rules = list(rules_of(POLICY, "en", "Password did not conform with policy: Password must have symbol characters"))

    assert [(rule.text, rule.broken) for rule in rules] == [
        ("At least 12 characters", False),
        ("A special character", True),
    ]


def test_the_package_ships_what_pages_are_made_of(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(ROOT / "src").as_posix() for path in files} <= shipped
