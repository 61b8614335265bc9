"""Parameter mapping of HTTP APIs: what is appended, overwritten or removed on the way to a backend and back.

Source: reference, "HTTP API: parameter mapping" (keys, values, reserved headers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import headers
from scopegate.gateway.headers import Pair
from scopegate.gateway.mapping import BackendAnswer, ResponseSource, Unmappable, compile_http_value
from scopegate.gateway.model import ApiCall, Closed
from scopegate.http.message import Response

_MAPPING_KEY: Final = re.compile(r"(?P<action>append|overwrite|remove):(?P<place>header|querystring)\.(?P<name>.+)")
_RESERVED: Final = re.compile(
    r"(?:access-control-|apigw-|x-amz-|x-amzn-).*|authorization|connection|content-encoding|content-length"
    r"|content-location|forwarded|keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers"
    r"|transfer-encoding|upgrade|x-forwarded-for|x-forwarded-host|x-forwarded-proto|via",
    re.IGNORECASE,
)
_OURS: Final = re.compile(r"\$\{?(?:context|stageVariables)\.")
NO_ANSWER: Final = BackendAnswer(0, (), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter mapping of an HTTP API: what happens to the values of one name.

    is_ours: the gateway says what it is overwritten with; where it has nothing to say, nobody else's stays.
    """

    action: str
    name: str
    value: ResponseSource
    is_ours: bool


def compile_changes(
    parameters: Mapping[str, str] | None, variables: Mapping[str, str], special: str
) -> tuple[dict[str, list[Change]], ResponseSource | None, bool]:
    """(changes by place, the source of `special`, whether a value reads the answer's body)."""
    changes: dict[str, list[Change]] = {"header": [], "querystring": []}
    chosen: ResponseSource | None = None
    reads_body = False
    for key, text in (parameters or {}).items():
        try:
            value, reads = compile_http_value(text, variables)
        except Unmappable as error:
            raise Closed(str(error)) from None
        reads_body = reads_body or reads
        if key == special:
            chosen = value
            continue
        match = _MAPPING_KEY.fullmatch(key)
        if match is None:
            raise Closed(f"parameter mapping {key!r} is unknown")
        name = match["name"]
        if match["place"] == "header" and (_RESERVED.fullmatch(name) or not headers.is_header_name(name)):
            raise Closed(f"header {name!r} may not be mapped")
        is_ours = match["action"] == "overwrite" and _OURS.search(text) is not None
        changes[match["place"]].append(Change(match["action"], name, value, is_ours))
    return changes, chosen, reads_body


def apply_changes(
    changes: Sequence[Change], pairs: list[Pair], call: ApiCall, answer: BackendAnswer, *, fold: bool
) -> list[Pair]:
    """Names and values after the changes; fold: names are compared without regard to case (headers)."""
    for change in changes:
        wanted = change.name.lower() if fold else change.name
        values = [] if change.action == "remove" else change.value(call, answer)
        if change.action != "remove" and not values and not change.is_ours:
            continue  # the source is absent: the mapping is skipped
        if change.action != "append":
            pairs = [pair for pair in pairs if (pair[0].lower() if fold else pair[0]) != wanted]
        pairs += [(change.name, value) for value in values]
    return pairs


ResponseMapping = tuple[list[Change], ResponseSource | None, bool]


def compile_response_mappings(
    parameters: Mapping[str, Mapping[str, str]] | None, variables: Mapping[str, str]
) -> dict[str, ResponseMapping]:
    """`ResponseParameters` by status: changes of headers, a new status, whether the body is read."""
    out: dict[str, ResponseMapping] = {}
    for status, mapping in (parameters or {}).items():
        changes, new_status, reads_body = compile_changes(mapping, variables, "overwrite:statuscode")
        if changes["querystring"]:
            raise Closed("a response has no query string to map")
        out[status] = changes["header"], new_status, reads_body
    return out


def map_response(call: ApiCall, response: Response, mapping: ResponseMapping, body: bytes | None) -> None:
    """Apply one status's parameter mapping to an answer."""
    changes, new_status, _ = mapping
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    answer = BackendAnswer(response.status, tuple(pairs), body)
    mapped = apply_changes(changes, list(pairs), call, answer, fold=True)
    response.headers = headers.encode([(n, v) for n, v in mapped if headers.is_header_value(v)])
    if new_status is not None and (found := new_status(call, answer)):
        if found[-1].isascii() and found[-1].isdigit() and 200 <= int(found[-1]) <= 599:
            response.status = int(found[-1])
        else:
            raise GatewayRefusal(
                "API_CONFIGURATION_ERROR", "Internal server error", reason=f"mapped status {found[-1]!r} is none"
            )
