"""What the pages say, in the languages that Cognito's pages have.

One file of words per language, all with the same keys; texts have no markup, and what is put into them is escaped by
the templates.
Source: reference, GET /oauth2/authorize, `lang`.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

import orjson

LANGUAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "de": "Deutsch",
        "en": "English",
        "es": "Español",
        "fr": "Français",
        "id": "Bahasa Indonesia",
        "it": "Italiano",
        "ja": "日本語",
        "ko": "한국어",
        "nl": "Nederlands",
        "pt-BR": "Português (Brasil)",
        "zh-CN": "简体中文",
        "zh-TW": "繁體中文",
    }
)
"""The value of `lang` → the language's own name."""

DEFAULT: Final = "en"


def choose_language(asked: str | None, remembered: str | None) -> str:
    """The language of a page. asked: the parameter `lang`; remembered: the cookie. What nobody speaks is English."""
    return next((code for code in (asked, remembered) if code in LANGUAGES and code is not None), DEFAULT)


@lru_cache(maxsize=len(LANGUAGES))
def read_words(language: str) -> Mapping[str, str]:
    """The words of one of LANGUAGES, by key."""
    file = resources.files(__package__) / "words" / f"{language}.json"
    words: dict[str, str] = orjson.loads(file.read_bytes())
    return MappingProxyType(words)


def say(language: str, key: str, **values: str | int) -> str:
    """One text. values: what stands in its braces."""
    text = read_words(language)[key]
    return text.format_map(values) if values else text
