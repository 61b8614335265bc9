"""Path and verb → stage and route, REST and HTTP: a pure function of the compiled stages.

Source: reference, "Stages", "REST resources", "HTTP API routes"; attack row G3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from scopegate.gateway.match import VERBS
from scopegate.gateway.model import REST, Place, Stage
from scopegate.http.paths import parse_http_target, parse_rest_target

# Hot paths come again and again; what was found for one stays true as long as these stages are served.
_REMEMBERED: Final = 1024


def compile_locate(kind: str, stages: Mapping[str, Stage]) -> Callable[[bytes, str], Place]:
    """The look-up of one API. A path that is refused raises http.paths.TargetError and is not remembered."""
    locate = _locate_rest if kind == REST else _locate_http

    @lru_cache(maxsize=_REMEMBERED)
    def remembered(raw_path: bytes, verb: str) -> Place:
        return locate(stages, raw_path, verb)

    return remembered


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
