"""The raw target of a request → the one form in which its path is matched, per API kind, and its query.

Matching, the authorizer and the backend's URL all take their path from here, so that the route that was allowed is the
route that is forwarded. What has two readings is refused: NUL, bad escapes, escapes that are not UTF-8; and, toward a
web service, dot segments. Which route a path belongs to is the gateway's affair.
Source: reference pages, "Stages", "REST resources", "HTTP API routes"; design, "The raw target is kept"; attack row G3.
"""

import re
from collections.abc import Container
from typing import Final, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

_DEFAULT_STAGE: Final = "$default"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = frozenset({".", ".."})


class TargetError(ValueError):
    """Why a path cannot be read in one way, whatever the API; names the kind of fault, never the path."""


class Target(NamedTuple):
    """A path of an API, taken apart.

    stage: the stage that its first segment names, None when it names none. path: as the event shows it.
    stage_path: with the stage, as sent. match_path: what routes are matched against; segments: the same, split; none
    for the root.
    """

    stage: str | None
    path: str
    stage_path: str
    match_path: str
    segments: tuple[str, ...]


def _decode_once(raw_path: bytes) -> str:
    """Every escape but `%25` decoded, so that nothing can be decoded a second time further on. Raises TargetError."""
    if not raw_path.isascii() or b"\0" in raw_path:
        raise TargetError("bytes that no path has")
    text = raw_path.decode("ascii")
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise TargetError("a percent sign without two hexadecimal digits")
    try:
        decoded = unquote_to_bytes(text.replace("%25", "%2525")).decode("utf-8")  # no overlong forms, no surrogates
    except UnicodeDecodeError:
        raise TargetError("escapes that are not UTF-8") from None
    if "\0" in decoded:
        raise TargetError("an escaped NUL")
    return decoded


def _split(path: str) -> tuple[str, ...]:
    return tuple(path[1:].split("/")) if len(path) > 1 else ()


def parse_rest_target(raw_path: bytes) -> Target:
    """A path of a REST API: the first segment is its stage, escapes stay, one slash at the end is not a segment.

    `//S/p` is `/S/p`, and `/S//p` is routed as `/p`; slashes further inside stay. Raises TargetError.
    """
    _decode_once(raw_path)  # only to refuse: REST routes on the path as sent
    stage, slash, rest = raw_path.decode("ascii").lstrip("/").partition("/")
    path = "/" + rest.lstrip("/")
    match_path = path[:-1] if len(path) > 1 and path[-1] == "/" else path
    return Target(stage, path, f"/{stage}{slash}{rest}", match_path, _split(match_path))


def parse_http_target(raw_path: bytes, stages: Container[str]) -> Target:
    """A path of an HTTP API, decoded once; the first segment is its stage when one of `stages` has that name.

    An escaped `?` ends the path, `//p` is matched as `/p` and shown as it came, a slash at the end is an empty segment.
    A named stage shows in the path; `$default`, which may be spelled, shows nowhere. Raises TargetError.
    """
    text = raw_path.decode("latin-1") or "/"
    decoded = _decode_once(raw_path).partition("?")[0] or "/"
    first, slash, rest = decoded.lstrip("/").partition("/")
    stage = None
    after = decoded
    if first == _DEFAULT_STAGE:
        decoded = after = slash + rest or "/"
        _, slash, rest = text.lstrip("/").partition("/")
        text = slash + rest or "/"
    elif first and first in stages:
        stage, after = first, slash + rest
    match_path = "/" + after.lstrip("/")
    return Target(stage, decoded, text, match_path, _split(match_path))


def has_dot_segments(path: str) -> bool:
    """Whether a web service could take the path for another one: `.` or `..` as a segment, raw or escaped, before
    path parameters (`..;x`), or behind a backslash."""
    if "." not in path and "%2" not in path:
        return False
    decoded = unquote(path, errors="replace").replace("\\", "/")
    return any(segment.partition(";")[0] in _DOTS for segment in decoded.split("/"))


def parse_query(query: bytes | None) -> list[tuple[str, str]]:
    """Names and values of a query in order, decoded; `+` is a blank, `a` is `a=`. Never fails: what is no escape stays,
    and bytes that are not UTF-8 become U+FFFD.
    """
    if not query:
        return []
    pairs: list[tuple[str, str]] = []
    for part in query.decode("latin-1").split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        pairs.append((_decode_query(name), _decode_query(value)))
    return pairs


def _decode_query(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="replace") if "%" in text else text


def join_query(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """As HTTP APIs show a query: the values of one name in one text, divided by commas."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
