"""Strict readers of text from outside: forms (bodies and queries of the OAuth endpoints) and foreign JSON.

What has two readings is refused: repeated names, bad escapes, invalid UTF-8. Queries of users' APIs are read in
`paths.py`, as the gateway reads them.
Source: WHATWG URL, "application/x-www-form-urlencoded"; RFC 6749 section 3.2; attack rows O20, H5.
"""

import json
import math
import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from scopegate.base.limits import limit

_FIELDS: Final = limit("http.form_fields")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


class FormError(ValueError):
    """Why a form cannot be read; names only the kind of fault, never a value."""


def _decode(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise FormError("a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise FormError("escapes that are not UTF-8") from None


def parse_form(body: bytes) -> dict[str, str]:
    """Names and values, decoded, in order. Raises FormError."""
    if not body:
        return {}
    if body.count(b"&") >= _FIELDS:
        raise FormError("too many fields")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise FormError("bytes that are not UTF-8") from None
    fields: dict[str, str] = {}
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = _decode(name)
        if "%" in value or "+" in value:
            value = _decode(value)
        if name in fields:
            raise FormError("a field comes twice")
        fields[name] = value
    return fields


def is_form(content_type: bytes | None) -> bool:
    """Whether a Content-Type says `application/x-www-form-urlencoded`, whatever its parameters."""
    if content_type is None:
        return False
    return content_type.partition(b";")[0].strip().lower() == b"application/x-www-form-urlencoded"


def parse_json(body: bytes, *, depth: int = 64) -> Any:
    """JSON of a foreign origin, strictly: what two readers could read in two ways is refused.

    depth: how far arrays and objects may be nested. Refused beside bad grammar: a member that comes twice, NaN and
    infinities (also numbers that overflow to one), bytes that are not UTF-8, lone surrogates, a byte order mark.
    Raises FormError. Source: RFC 8259 sections 4 and 8; attack rows J13, H5.
    """
    # As many brackets as levels at least, and counting them is cheap.
    if body.count(b"[") + body.count(b"{") > depth and _nesting(body) > depth:
        raise FormError("JSON that is nested too deep")
    try:
        value = _STRICT.decode(body.decode("utf-8"))
        if b"\\ud" in body.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise FormError("JSON that is not UTF-8") from None
    except FormError:
        raise
    except (ValueError, RecursionError):
        raise FormError("not JSON") from None
    return value


def _nesting(body: bytes) -> int:
    """How deep arrays and objects are nested, strings apart."""
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(body):
        if bracket[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FormError("a member comes twice")
    return members


def _refuse_number(_: str) -> float:
    raise FormError("a number that JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FormError("a number that is too large")
    return number


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse_number, parse_float=_finite)
