"""Strict readers of `application/x-www-form-urlencoded` text: bodies and queries of the OAuth endpoints.

What has two readings is refused: repeated names, bad escapes, invalid UTF-8. Queries of users' APIs are read in
`paths.py`, as the gateway reads them.
Source: WHATWG URL, "application/x-www-form-urlencoded"; RFC 6749 section 3.2; attack rows O20, H5.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from scopegate.base.limits import limit

_FIELDS: Final = limit("http.form_fields")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


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
