"""The regular expressions of service models, which are Java's, as Python's.

Differences that matter: a pattern matches the whole value; `\\w`, `\\d` and `\\s` are ASCII; `\\p{L}` and the like are
classes of Unicode categories; a hyphen after a class escape is itself.
"""

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_PROPERTY: Final = re.compile(r"\\p\{([A-Za-z]+)\}")
_RANGE_OF_CLASS: Final = re.compile(r"(\\[wds])-(?=[^\]])")


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    """Character class bodies by general category and by its first letter (`Lu` and `L`)."""
    ranges: dict[str, list[str]] = {}
    start, current = 0, unicodedata.category("\0")
    for code in range(1, sys.maxunicode + 2):
        category = unicodedata.category(chr(code)) if code <= sys.maxunicode else ""
        if category != current:
            body = f"\\U{start:08x}-\\U{code - 1:08x}"
            ranges.setdefault(current, []).append(body)
            ranges.setdefault(current[0], []).append(body)
            start, current = code, category
    return {name: "".join(bodies) for name, bodies in ranges.items()}


def _expand(pattern: str) -> str:
    """Replace `\\p{…}`: its ranges inside a class, a class of them outside."""
    result: list[str] = []
    inside = False
    position = 0
    while position < len(pattern):
        match = _PROPERTY.match(pattern, position)
        if match:
            body = _categories()[match[1]]
            result.append(body if inside else f"[{body}]")
            position = match.end()
            continue
        character = pattern[position]
        if character == "\\":
            result.append(pattern[position : position + 2])
            position += 2
            continue
        if character == "[":
            result.append(r"\[" if inside else "[")
            inside = True
        elif character == "]" and inside:
            inside = False
            result.append("]")
        else:
            result.append(character)
        position += 1
    return "".join(result)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Callable[[str], object]:
    """A predicate of whole values."""
    return re.compile(_expand(_RANGE_OF_CLASS.sub(r"\1\\-", pattern)), re.ASCII).fullmatch
