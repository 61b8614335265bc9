"""ImportApiKeys: API keys from a CSV file, each with its places in usage plans.

A row that cannot be taken is left out and told as a warning; with `failOnWarnings` nothing is imported then.
Source: reference, control plane, section 5.4; API Gateway, "API Key File Format".
"""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway.operations.apigateway.api_keys import create_api_key, find_key_of_value, replace_api_key
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.gateway.operations.apigateway.usage_plans import create_usage_plan_key
from scopegate.ports import Call

_COLUMNS: Final = ("name", "key", "description", "enabled", "usageplanids")
_NEEDED: Final = ("name", "key")
_SHORTEST_KEY: Final = 30


def import_api_keys(call: Call, request: Shape) -> Shape:
    """ImportApiKeys: a key whose value is here already is overwritten."""
    ids: list[str] = []
    warnings: list[str] = []
    for number, row in _rows(request["body"]):
        try:
            ids.append(_import(call, row, warnings))
        except AwsError as error:
            warnings.append(f"Row {number}: {error.message}")
    if warnings and request.get("failOnWarnings"):
        raise bad_request(f"Warnings found during import: {'; '.join(warnings)}")
    return {"ids": ids, "warnings": warnings}


def _rows(body: bytes | str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(number, row) by column in lower case. Raises AwsError for what is no such file."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        found = list(csv.reader(io.StringIO(text), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise bad_request("Unable to parse the API key file: it is no CSV in UTF-8") from None
    names = [name.strip().lower() for name in found[0]] if found else []
    for needed in _NEEDED:
        if names.count(needed) != 1:
            raise bad_request(f"Unable to parse the API key file: its header has no column {needed.capitalize()}")
    for number, cells in enumerate(found[1:], 2):
        if any(cell.strip() for cell in cells):
            yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name in _COLUMNS}


def _import(call: Call, row: Mapping[str, str], warnings: list[str]) -> str:
    """Make one key, or overwrite it; its id."""
    name, value = row.get("name", ""), row.get("key", "")
    if not name:
        raise bad_request("Invalid API Key name, it cannot be blank")
    if len(value) < _SHORTEST_KEY:
        raise bad_request(f"API Key value should be at least {_SHORTEST_KEY} characters")
    enabled = row.get("enabled", "").lower() not in ("false", "no", "0")
    members: dict[str, Any] = {"name": name, "description": row.get("description", ""), "enabled": enabled}
    old = find_key_of_value(call, value)
    made = create_api_key(call, {**members, "value": value}) if old is None else replace_api_key(call, old, members)
    key_id: str = made["id"]
    for plan_id in filter(None, (part.strip() for part in row.get("usageplanids", "").split(","))):
        try:
            create_usage_plan_key(call, {"usagePlanId": plan_id, "keyId": key_id, "keyType": "API_KEY"})
        except AwsError as error:
            if error.message != "Usage Plan Key already exists":
                warnings.append(f"API Key {name}: {error.message}")
    return key_id
