"""How the pages of a pool, or of one client, look: CSS and a logo, as SetUICustomization gave them.

The CSS is read strictly and written anew: rules for the classes that Cognito documents, with plain properties and
values. Nothing in it can fetch, run, or reach another part of a page than its class names.
Source: botocore's model, SetUICustomization; the classes of Cognito's CSS template; attack row U1.
"""

import base64
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from scopegate.userpools.pages.render import Asset, Look

EVERY_CLIENT: Final = "ALL"

CLASSES: Final = frozenset(
    {
        "background-customizable",
        "banner-customizable",
        "errorMessage-customizable",
        "idpButton-customizable",
        "idpDescription-customizable",
        "inputField-customizable",
        "label-customizable",
        "legalText-customizable",
        "logo-customizable",
        "passwordCheck-notValid-customizable",
        "passwordCheck-valid-customizable",
        "redirect-customizable",
        "socialButton-customizable",
        "submitButton-customizable",
        "textDescription-customizable",
    }
)
_PROPERTIES: Final = re.compile(
    r"background(?:-color)?|border(?:-(?:bottom|left|right|top))?(?:-(?:color|radius|style|width))?|box-shadow|color"
    r"|display|font(?:-(?:family|size|style|weight))?|(?:max-|min-)?(?:height|width)|letter-spacing|line-height"
    r"|margin(?:-(?:bottom|left|right|top))?|opacity|outline(?:-(?:color|offset|style|width))?"
    r"|padding(?:-(?:bottom|left|right|top))?|text-(?:align|decoration|transform)"
)
_COMMENT: Final = re.compile(r"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/")
_RULE: Final = re.compile(r"\s*([^{}]*)\{([^{}]*)\}\s*")
_SELECTOR: Final = re.compile(r"\.([A-Za-z-]+)(:(?:active|focus|hover|visited|disabled))?")
# Words, numbers, colours and quoted names of fonts; of functions only those that make a colour.
_VALUE: Final = re.compile(
    r"(?:(?:rgba?|hsla?)\([0-9.,%/ deg]+\)|#[0-9A-Fa-f]{3,8}|'[A-Za-z0-9 -]*'|\"[A-Za-z0-9 -]*\"|[-+]?[0-9.]+[A-Za-z%]*"
    r"|[A-Za-z-]+|,|\s+)+(?:\s*!\s*important)?",
    re.ASCII,
)
_LONGEST_VALUE: Final = 256
_ASSET: Final = re.compile(r"(?P<client>[A-Za-z0-9_+]{1,128})-(?P<digest>[0-9a-f]{16})\.(?:css|png|jpg)", re.ASCII)
_IMAGES: Final = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"))
_TYPES: Final = {"css": b"text/css;charset=UTF-8", "png": b"image/png", "jpg": b"image/jpeg"}


class CssRefused(ValueError):
    """What of the CSS is not allowed, in words for whoever wrote it."""


def read_css(text: str) -> str:
    """The CSS as it is served. Raises CssRefused."""
    rest, rules = _COMMENT.sub(" ", text), []
    at = 0
    while rest[at:].strip():
        match = _RULE.match(rest, at)
        if match is None:
            raise CssRefused("a rule is not a selector and declarations in braces")
        selectors = [_read_selector(each.strip()) for each in match[1].split(",")]
        declarations = [_read_declaration(each.strip()) for each in match[2].split(";") if each.strip()]
        rules.append(f"{','.join(selectors)}{{{';'.join(declarations)}}}")
        at = match.end()
    return "\n".join(rules)


def _read_selector(text: str) -> str:
    match = _SELECTOR.fullmatch(text)
    if match is None or match[1] not in CLASSES:
        raise CssRefused(f"the selector {text[:80]!r} is not one of the classes that can be customized")
    return text


def _read_declaration(text: str) -> str:
    name, colon, value = (part.strip() for part in text.partition(":"))
    name = name.lower()
    if not colon or not _PROPERTIES.fullmatch(name):
        raise CssRefused(f"the property {name[:80]!r} cannot be customized")
    if len(value) > _LONGEST_VALUE or not _VALUE.fullmatch(value):
        raise CssRefused(f"the value of {name} is not a plain one")
    return f"{name}:{' '.join(value.split())}"


def find_image_kind(image: bytes) -> str | None:
    """`png` or `jpg`, None for anything else."""
    return next((kind for beginning, kind in _IMAGES if image.startswith(beginning)), None)


def digest_of(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def customization_of(document: Mapping[str, Any], client_id: str) -> Mapping[str, Any]:
    """What was set for a client, else for all of its pool; empty where nothing was. document: UserPoolType with
    `UICustomization`: client id or ALL → `CSS`, `Image` (base64), dates."""
    settings: Mapping[str, Any] = document.get("UICustomization") or {}
    found: Mapping[str, Any] = settings.get(client_id) or settings.get(EVERY_CLIENT) or {}
    return found


def look_of(document: Mapping[str, Any], client_id: str) -> Look:
    """The names of the files that a client's pages refer to."""
    files = _files_of(customization_of(document, client_id), client_id)
    names = {name.rpartition(".")[2]: name for name in files}
    return Look(names.get("css", ""), names.get("png") or names.get("jpg") or "")


def client_of_asset(name: str) -> str | None:
    """The client whose file this may be."""
    match = _ASSET.fullmatch(name)
    return None if match is None else match["client"]


def find_look_asset(document: Mapping[str, Any], client_id: str, name: str) -> Asset | None:
    """The file that is served as `/login/{name}` for a client, None when there is none."""
    content = _files_of(customization_of(document, client_id), client_id).get(name)
    return None if content is None else Asset(_TYPES[name.rpartition(".")[2]], content)


def _files_of(customization: Mapping[str, Any], client_id: str) -> dict[str, bytes]:
    files = {}
    if css := customization.get("CSS"):
        content = read_css(css).encode()
        files[f"{client_id}-{digest_of(content)}.css"] = content
    if image := customization.get("Image"):
        content = base64.b64decode(image)
        files[f"{client_id}-{digest_of(content)}.{find_image_kind(content)}"] = content
    return files
