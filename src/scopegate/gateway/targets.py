"""A request's path → the one form, per API kind, by which its route is chosen, its authorizer found, its backend asked.

REST keeps escapes; HTTP decodes once, but for `%25`. What has two readings is refused before anything else.
Source: reference, "Stages", "REST resources", "HTTP API routes"; design, "The raw target is kept"; attack row G3.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class TargetError(ValueError):
    """Why a path is refused whatever the API: a bad escape, NUL, or escapes that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Target:
    """stage: its name, None when the path names none. path: as the event shows it. stage_path: with the stage, as sent.

    match_path: what routes are matched against; segments: the same, split; none for the root.
    """

    stage: str | None
    path: str
    stage_path: str
    match_path: str
    segments: tuple[str, ...]


def _decode_once(text: str) -> str:
    """Every escape but `%25` decoded. Raises TargetError."""
    if _BAD_ESCAPE.search(text):
        raise TargetError("a percent sign without two hexadecimal digits")
    try:
        decoded = unquote_to_bytes(text.replace("%25", "%2525")).decode("utf-8")
    except UnicodeDecodeError:
        raise TargetError("escapes that are not UTF-8") from None
    if "\0" in decoded:
        raise TargetError("NUL")
    return decoded


def parse_rest_target(raw_path: bytes) -> Target:
    """`//S//p/` → stage S, event path `/p/`, matched as `/p`. Raises TargetError."""
    text = raw_path.decode("latin-1")
    if "%" in text:
        _decode_once(text)  # only to refuse: REST routes on the path as sent
    if text[:2] == "//":
        text = "/" + text.lstrip("/")
    _, _, after = text.partition("/")
    stage, slash, rest = after.partition("/")
    path = "/" + rest.lstrip("/")
    match_path = path[:-1] if len(path) > 1 and path[-1] == "/" else path
    segments = tuple(match_path[1:].split("/")) if len(match_path) > 1 else ()
    return Target(stage, path, f"/{stage}{slash}{rest}", match_path, segments)


def parse_http_target(raw_path: bytes, stages: Container[str]) -> Target:
    """The first segment is the stage when it is the name of one; `$default`, which may be spelled, shows in no path.

    Raises TargetError.
    """
    text = raw_path.decode("latin-1") or "/"
    decoded = _decode_once(text) if "%" in text else text
    if "?" in decoded:
        decoded = decoded.partition("?")[0]  # a decoded question mark cuts the path (reference, "HTTP API routes")
    first, slash, rest = decoded.lstrip("/").partition("/")
    if first == "$default":
        decoded = slash + rest or "/"
        text = _without_first(text)
        return _http_target(None, decoded, text, decoded)
    if first and first in stages:
        return _http_target(first, decoded, text, slash + rest)
    return _http_target(None, decoded, text, decoded)


def _without_first(text: str) -> str:
    _, slash, rest = text.lstrip("/").partition("/")
    return slash + rest or "/"


def _http_target(stage: str | None, path: str, stage_path: str, after: str) -> Target:
    match_path = "/" + after.lstrip("/")
    segments = tuple(match_path[1:].split("/")) if len(match_path) > 1 else ()
    return Target(stage, path, stage_path, match_path, segments)
