"""CSS that others write: what of it is served, and that nothing else is."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.userpools.pages.branding import (
    CLASSES,
    CssRefused,
    customization_of,
    find_image_kind,
    find_look_asset,
    look_of,
    read_css,
)

# As Cognito's own template has them.
TEMPLATE = """
/* CSS classes */
.logo-customizable { max-width: 60%; max-height: 30%; }
.banner-customizable { padding: 25px 0px 25px 0px; background-color: lightgray; }
.label-customizable { font-weight: 400; }
.textDescription-customizable { padding-top: 10px; padding-bottom: 10px; display: block; font-size: 16px; }
.idpDescription-customizable { padding-top: 10px; padding-bottom: 10px; display: block; font-size: 16px; }
.legalText-customizable { color: #747474; font-size: 11px; }
.submitButton-customizable { font-size: 14px; font-weight: bold; margin: 20px 0px 10px 0px; height: 40px; width: 100%;
  color: #fff; background-color: #337ab7; }
.submitButton-customizable:hover { color: #fff; background-color: #286090; }
.errorMessage-customizable { padding: 5px; font-size: 14px; width: 100%; background: #F5F5F5;
  border: 2px solid #D64958; color: #D64958; }
.inputField-customizable { width: 100%; height: 34px; color: #555; background-color: #fff; border: 1px solid #ccc; }
.inputField-customizable:focus { border-color: #66afe9; outline: 0; }
.idpButton-customizable { height: 40px; width: 100%; text-align: center; margin-bottom: 15px; color: #fff;
  background-color: #5bc0de; border-color: #46b8da; }
.idpButton-customizable:hover { color: #fff; background-color: #31b0d5; }
.socialButton-customizable { border-radius: 2px; height: 40px; margin-bottom: 15px; padding: 1px; text-align: left;
  width: 100%; }
.redirect-customizable { text-align: center; }
.passwordCheck-notValid-customizable { color: #DF3312; }
.passwordCheck-valid-customizable { color: #19BF00; }
.background-customizable { background-color: #fff; }
"""


def test_cognitos_template_is_served() -> None:
    css = read_css(TEMPLATE)

    assert set(re.findall(r"\.([A-Za-z-]+)", css)) == CLASSES
    assert ".submitButton-customizable:hover{color:#fff;background-color:#286090}" in css
    assert "/*" not in css


@pytest.mark.parametrize(
    "css",
    [
        "body { color: red }",
        "* { color: red }",
        ".card { color: red }",
        ".label-customizable .x { color: red }",
        ".label-customizable, input { color: red }",
        ".label-customizable[value^=a] { color: red }",
        ".label-customizable::before { color: red }",
        ".label-customizable { content: 'x' }",
        ".label-customizable { position: fixed }",
        ".label-customizable { --x: red }",
        ".label-customizable { behavior: x }",
        ".label-customizable { background: url(https://evil.example/x) }",
        ".label-customizable { background: u\\72l(https://evil.example/x) }",
        ".label-customizable { background: URL('x') }",
        ".label-customizable { background: image-set('x' 1x) }",
        ".label-customizable { color: expression(alert(1)) }",
        ".label-customizable { width: calc(1px) }",
        ".label-customizable { color: var(--ink) }",
        ".label-customizable { color: red; } @import 'https://evil.example/x';",
        "@import url(https://evil.example/x); .label-customizable { color: red }",
        "@font-face { font-family: x; src: url(x) }",
        "@media print { .label-customizable { color: red } }",
        ".label-customizable { color: red",
        ".label-customizable color: red }",
        ".label-customizable { color }",
        ".label-customizable { color: }",
        ".label-customizable { color: red } </style><script>alert(1)</script>",
        ".label-customizable { font-family: '</style>' }",
        ".label-customizable { color: red\0 }",
        ".label-customizable { color: red /* }",
        "javascript:alert(1)",
    ],
)
def test_u1_what_could_fetch_run_or_reach_further_is_refused(css: str) -> None:
    with pytest.raises(CssRefused):
        read_css(css)


@settings(deadline=None)
@given(st.text(st.sampled_from(".label-customizable{}:;()\\/*@urlcoRed#1%,'\"!< \n"), max_size=60))
def test_whatever_is_served_is_read_again_as_the_same(text: str) -> None:
    """A fixed point: nothing is hidden from one reading and there in the next."""
    try:
        css = read_css(f".label-customizable {{ {text}")
    except CssRefused:
        return
    assert read_css(css) == css
    assert not re.search(r"url|@|\\|<|/\*", css.lower().replace("url-", ""))


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "png"),
        (b"\xff\xd8\xff\xe0....", "jpg"),
        (b"GIF89a", None),
        (b"<svg onload=alert(1)>", None),
        (b"<!doctype html>", None),
        (b"", None),
    ],
)
def test_only_pictures_that_cannot_run_are_logos(beginning: bytes, kind: str | None) -> None:
    assert find_image_kind(beginning) == kind


def test_a_clients_own_look_goes_before_that_of_all() -> None:
    document = {"UICustomization": {"ALL": {"CSS": ".label-customizable{color:red}"}, "web": {"CSS": ""}}}

    assert customization_of(document, "web") == {"CSS": ""}
    assert look_of(document, "web").style_name == ""
    name = look_of(document, "other").style_name
    asset = find_look_asset(document, "other", name)
    assert asset is not None
    assert asset.body == b".label-customizable{color:red}"
    assert find_look_asset(document, "web", name) is None
