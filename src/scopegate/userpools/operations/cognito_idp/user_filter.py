"""ListUsers' `Filter`: one attribute, `=` or `^=`, one value in quotes. Never SQL: the value is bound, the name chosen.

Source: reference, "Users, groups, attributes"; the model's text of Filter; attack row U2.
"""

import re
from dataclasses import dataclass
from typing import Final

from scopegate.userpools.users import refusals
from scopegate.userpools.users.queries import SEARCHED

_FILTER: Final = re.compile(r'\s*([^\s"=^]+)\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_COLUMNS: Final = ("username", "sub", "cognito:user_status", "status")


@dataclass(frozen=True, slots=True)
class UserFilter:
    """attribute: None when everybody is asked for. by_prefix: what the value begins with, not the whole of it."""

    attribute: str | None
    value: str = ""
    by_prefix: bool = False


def parse_filter(text: str) -> UserFilter:
    """Raises InvalidParameterException."""
    if not text.strip():
        return UserFilter(None)
    match = _FILTER.fullmatch(text)
    if match is None:
        raise refusals.invalid("Error while parsing filter")
    attribute, operator, value = match.groups()
    if attribute not in _COLUMNS and attribute not in SEARCHED:
        raise refusals.invalid(f"Invalid search attribute: {attribute}")
    value = _ESCAPED.sub(r"\1", value)
    if attribute == "cognito:user_status":  # the one that is compared without case
        value = value.upper()
    return UserFilter(attribute, value, operator == "^=")
