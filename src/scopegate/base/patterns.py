"""Regular expressions that others write: which of them may be tried at all.

Python's matcher backtracks, and a pattern that repeats a repeat can take exponential time (attack H6).
"""

import re
from typing import Final

# A repeat of something that itself repeats without a bound: `(a+)+`, `(a*)*`, `(a|b+)*`.
_NESTED_REPEAT: Final = re.compile(r"\((?:[^()\\]|\\.)*[+*](?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\})")


def fault_of(pattern: str) -> str:
    """Why a pattern is not tried, "" when it may be."""
    if _NESTED_REPEAT.search(pattern):
        return f"the pattern {pattern!r} repeats a repeat, which can take exponential time"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"the pattern {pattern!r} is no regular expression: {error}"
    return ""
