"""A page's name and content → HTML, and the files that pages refer to.

Everything that comes from outside is escaped by the templates; nothing in a page runs.
Source: attack rows O8 and U1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from importlib import resources
from typing import Any, Final
from urllib.parse import urlencode

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scopegate.userpools.pages.words import LANGUAGES, say


@dataclass(frozen=True, slots=True)
class Look:
    """How a pool's pages differ from others': names of files below `/login/`, "" for none."""

    style_name: str = ""
    image_name: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What every page has beside its content.

    base: what stands before the path of each page, "" or `/{pool id}`. query: the parameters that go along from page to
    page, encoded. path: where this page can be asked for again, "" where it cannot.
    """

    base: str
    language: str
    client_name: str = ""
    query: str = ""
    csrf: str = ""
    path: str = ""
    look: Look = Look()

    def link(self, path: str) -> str:
        """The address of another page for the same request."""
        return f"{self.base}{path}?{self.query}" if self.query else self.base + path

    def language_link(self, code: str) -> str:
        """The address of this page in another language."""
        query = urlencode({"lang": code})
        return f"{self.base}{self.path}?{self.query}&{query}" if self.query else f"{self.base}{self.path}?{query}"


class Values(dict[str, str]):
    """Texts by name, "" for every name that is not there: faults of fields, hidden fields."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to; its name changes with its content."""

    content_type: bytes
    body: bytes


_DEFAULTS: Final[Mapping[str, Any]] = {"error": "", "notice": "", "errors": Values(), "hidden": Values()}


def render_page(name: str, scene: Scene, **content: Any) -> bytes:
    """The HTML of one page. name: of its template; content: what that template asks for."""
    template = _environment().get_template(f"{name}.html")
    languages = LANGUAGES if scene.path else {}
    words = partial(say, scene.language)
    whole = {**_DEFAULTS, **content, "scene": scene, "say": words, "languages": languages, "style_name": style_name()}
    return template.render(whole).encode()


def render_qr(text: str) -> Markup:
    """A QR code as an SVG element, without a style of its own."""
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(border=2, omitsize=True, dark="#000", light="#fff"))  # noqa: S704 - made of squares


def find_asset(name: str) -> Asset | None:
    """The file that is served as `/login/{name}`, None when there is none."""
    if name == style_name():
        return Asset(b"text/css;charset=UTF-8", _read("style.css"))
    return Asset(b"image/svg+xml", _read("icon.svg")) if name == "icon.svg" else None


@lru_cache(maxsize=1)
def style_name() -> str:
    """The stylesheet's name, by content, so that browsers may keep it for good."""
    return f"style.{blake2b(_read('style.css'), digest_size=8).hexdigest()}.css"


@lru_cache(maxsize=2)
def _read(name: str) -> bytes:
    return (resources.files(__package__) / name).read_bytes()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scopegate.userpools.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["qr"] = render_qr
    return environment
