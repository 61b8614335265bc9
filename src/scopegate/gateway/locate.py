"""Path and verb → stage and route, REST and HTTP: a pure function of the compiled stages.

Source: reference, "Stages", "REST resources", "HTTP API routes"; attack row G3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final

from scopegate.gateway.match import VERBS
from scopegate.gateway.model import REST, Place, Stage
from scopegate.http.paths import parse_http_target, parse_rest_target

# Hot paths come again and again; what was found for one stays true as long as these stages are served.
_REMEMBERED: Final = 1024
_LONGEST: Final = 256  # bytes; a path of 10 kB can have thousands of segments (attack H5)


def compile_locate(kind: str, stages: Mapping[str, Stage]) -> Callable[[bytes, str], Place]:
    """The look-up of one API. A path that is refused raises http.paths.TargetError and is not remembered."""
    look_up = partial(_locate_rest if kind == REST else _locate_http, stages)
    remembered = lru_cache(maxsize=_REMEMBERED)(look_up)

    def locate(raw_path: bytes, verb: str) -> Place:
        return remembered(raw_path, verb) if len(raw_path) <= _LONGEST else look_up(raw_path, verb)

    return locate


def _locate_rest(stages: Mapping[str, Stage], raw_path: bytes, verb: str) -> Place:
    target = parse_rest_target(raw_path)
    stage = stages.get(target.stage or "")
    if stage is None:
        return Place(target, None, None, ())
    route = stage.router.find_literal(verb, target.match_path)
    if route is not None:
        return Place(target, stage, route, ())
    found = stage.router.find_rest(verb, target.segments)
    return Place(target, stage, None, ()) if found is None else Place(target, stage, *found)


def _locate_http(stages: Mapping[str, Stage], raw_path: bytes, verb: str) -> Place:
    target = parse_http_target(raw_path, stages)
    stage = stages.get(target.stage or "$default")
    if stage is None:
        return Place(target, None, None, ())
    route = stage.router.find_literal(verb, target.match_path)
    if route is not None:
        return Place(target, stage, route, ())
    found = stage.router.find_http(verb, target.segments)
    if found is not None:
        return Place(target, stage, *found)
    return Place(target, stage, stage.default if verb in VERBS else None, ())
