"""API keys: what a caller shows to be counted by a usage plan.

A key belongs to an account and region. Its value is sealed at rest and shown only when asked for; whether a call gets
through with one is decided by `gateway/usage.py`.
Source: reference, control plane, sections 1.4, 2.2, 3.3, 5.4.
"""

import re
import string
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.gateway import queries
from scopegate.gateway.operations.api_ids import PINNING_TAGS
from scopegate.gateway.operations.apigateway.lookup import part_of
from scopegate.gateway.operations.apigateway.paging import read_listed_page
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    flag_rule,
    set_text,
)
from scopegate.gateway.operations.apigateway.refusals import bad_request, conflict, not_found
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.usage import SEALED, open_value, seal_value
from scopegate.ports import Call
from scopegate.store.documents import Document

_SHORTEST_VALUE: Final = 20
_LONGEST_VALUE: Final = 128
_GENERATED_LENGTH: Final = 40
_LONGEST_NAME: Final = 1024
_LONGEST_DESCRIPTION: Final = 125_000
_PINNED_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def create_api_key(call: Call, request: Shape) -> Shape:
    """CreateApiKey. Disabled unless the request says otherwise; an empty value is generated."""
    tags = parse_tags(request.get("tags") or {})
    value = request.get("value") or clock.new_id(_GENERATED_LENGTH, string.ascii_letters + string.digits)
    if len(value) < _SHORTEST_VALUE:
        raise bad_request(f"API Key value should be at least {_SHORTEST_VALUE} characters")
    if len(value) > _LONGEST_VALUE:
        raise bad_request(f"API Key value exceeds maximum size of {_LONGEST_VALUE} characters")
    if find_key_of_value(call, value) is not None:
        raise conflict("API Key already exists")
    key: Document = {
        "id": _new_id(call, tags),
        "enabled": bool(request.get("enabled")),
        "createdDate": int(call.now),
        "lastUpdatedDate": int(call.now),
        "stageKeys": [_stage_key(call, each) for each in request.get("stageKeys") or ()],
    }
    key |= {name: request[name] for name in ("name", "description", "customerId") if request.get(name)}
    _check_texts(key)
    if tags:
        key["tags"] = tags
    key[SEALED] = seal_value(call.seal, key["id"], value)
    _save(call, key)
    return _rendered(call, key, value=True)


def get_api_key(call: Call, request: Shape) -> Shape:
    """GetApiKey. The value comes with `includeValue` only."""
    return _rendered(call, key_of(call, request["apiKey"]), value=bool(request.get("includeValue")), tags=True)


def get_api_keys(call: Call, request: Shape) -> Shape:
    """GetApiKeys: those whose name starts with `nameQuery`, of `customerId`."""
    prefix, customer = request.get("nameQuery") or "", request.get("customerId")
    value = bool(request.get("includeValues"))
    keys = [
        (key["id"], _rendered(call, key, value=value))
        for key in _keys(call)
        if key.get("name", "").startswith(prefix) and (not customer or key.get("customerId") == customer)
    ]
    return read_listed_page(call, request, "api_key", keys)


def update_api_key(call: Call, request: Shape) -> Shape:
    """UpdateApiKey. The value never changes."""
    key = apply_patches(_PATCHES, call, "", key_of(call, request["apiKey"]), request)
    _check_texts(key)
    key["lastUpdatedDate"] = int(call.now)
    _save(call, key)
    return _rendered(call, key, tags=True)


def delete_api_key(call: Call, request: Shape) -> Shape:
    """DeleteApiKey: it leaves its usage plans."""
    key_id = key_of(call, request["apiKey"])["id"]
    queries.delete_account_part(call.tx, call.account, call.region, "api_key", key_id)
    for part_id, _ in queries.list_account_parts(call.tx, call.account, call.region, "usage_plan_key"):
        if part_id.endswith(f" {key_id}"):
            queries.delete_account_part(call.tx, call.account, call.region, "usage_plan_key", part_id)
    return {}


def replace_api_key(call: Call, key: Document, members: Shape) -> Shape:
    """A key under another name, description and state: its id and its value stay."""
    kept = {name: member for name, member in key.items() if name not in ("name", "description")}
    key = {**kept, "enabled": members["enabled"], "lastUpdatedDate": int(call.now)}
    key |= {name: members[name] for name in ("name", "description") if members[name]}
    _check_texts(key)
    _save(call, key)
    return _rendered(call, key)


def find_key_of_value(call: Call, value: str) -> Document | None:
    return next((key for key in _keys(call) if value_of(call, key) == value), None)


def key_of(call: Call, key_id: str) -> Document:
    key = queries.find_account_part(call.tx, call.account, call.region, "api_key", key_id)
    if key is None:
        raise not_found("Invalid API Key identifier specified")
    return key


def value_of(call: Call, key: Document) -> str:
    return open_value(call.seal, key)


def _keys(call: Call) -> list[Document]:
    return [key for _, key in queries.list_account_parts(call.tx, call.account, call.region, "api_key")]


def _save(call: Call, key: Document) -> None:
    queries.put_account_part(call.tx, call.account, call.region, "api_key", key["id"], key)


def _rendered(call: Call, key: Document, *, value: bool = False, tags: bool = False) -> Shape:
    answer = {name: member for name, member in key.items() if name != SEALED}
    if value:
        answer["value"] = value_of(call, key)
    if tags:
        answer.setdefault("tags", {})
    return answer


def _new_id(call: Call, tags: dict[str, str]) -> str:
    pinned = next((tags[tag] for tag in PINNING_TAGS if tag in tags), None)
    if pinned is None:
        return clock.new_id(10)
    if _PINNED_ID.fullmatch(pinned) is None:
        raise bad_request(f"Invalid API Key id {pinned!r}: a pinned id is letters, digits, hyphens and underscores")
    if queries.find_account_part(call.tx, call.account, call.region, "api_key", pinned) is not None:
        raise conflict(f"The API Key id {pinned} is already in use")
    return pinned


def _stage_key(call: Call, given: Shape) -> str:
    """The link of a key to a stage, of old: `{restApiId, stageName}` in requests, `A/S` in answers."""
    api_id, stage_name = given.get("restApiId") or "", given.get("stageName") or ""
    part_of(call, {"restApiId": api_id}, "stage", stage_name, "Invalid stage identifier specified")
    return f"{api_id}/{stage_name}"


def _check_texts(key: Document) -> None:
    if len(key.get("name", "")) > _LONGEST_NAME:
        raise bad_request(f"Invalid API Key name, can be at most {_LONGEST_NAME} characters.")
    if len(key.get("description", "")) > _LONGEST_DESCRIPTION:
        raise bad_request("Invalid API Key description specified.")


def _add_stage(draft: Draft, patch: Patch) -> None:
    api_id, _, stage_name = (patch.value or "").partition("/")
    link = _stage_key(draft.call, {"restApiId": api_id, "stageName": stage_name})
    if link not in draft.document["stageKeys"]:
        draft.document["stageKeys"].append(link)


def _remove_stage(draft: Draft, patch: Patch) -> None:
    draft.document["stageKeys"] = [link for link in draft.document["stageKeys"] if link != patch.value]


_PATCHES: Final = PatchTable(
    "listed",
    (
        Rule("/description", {"replace": set_text("description")}),
        flag_rule("/enabled"),
        Rule("/name", {"replace": set_text("name")}),
        Rule("/customerId", {"replace": set_text("customerId")}),
        Rule("/stages", {"add": _add_stage, "remove": _remove_stage}, shown=None),
    ),
)
