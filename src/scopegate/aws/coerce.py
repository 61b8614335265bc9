"""Requests that come from inside, as plain data, brought to the types of the model.

A template says `Timeout: "30"` and `Enabled: "true"` where the operation wants a number and a boolean; over HTTP these
would be refused, in a template AWS takes them.
Source: CloudFormation, resource schemas: scalars are converted without loss.
"""

import base64
import binascii
import difflib
from collections.abc import Mapping
from typing import Any

from botocore.model import Shape as ModelShape

from scopegate.aws import values
from scopegate.aws.values import serialization_error
from scopegate.base.errors import AwsError


def coerce(shape: ModelShape | None, members: Mapping[str, Any]) -> dict[str, Any]:
    """The members with the types of the model.

    Raises AwsError: SerializationException, or ValidationException for a member that the model does not know, in
    CloudFormation's words.
    """
    if shape is None:
        return {}
    for name in members:
        if name not in shape.members:
            close = difflib.get_close_matches(name, shape.members, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise AwsError("ValidationException", f"Encountered unsupported property {name}{hint}")
    return {
        name: _value(member, members[name], name)
        for name, member in shape.members.items()
        if members.get(name) is not None
    }


def _value(shape: ModelShape, value: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        return dict(value) if shape.is_document_type else coerce(shape, value)
    if kind == "list" and isinstance(value, list | tuple):
        return [_value(shape.member, item, path) for item in value if item is not None]
    if kind == "map" and isinstance(value, Mapping):
        return {str(key): _value(shape.value, item, path) for key, item in value.items() if item is not None}
    if kind in ("structure", "list", "map") or isinstance(value, Mapping | list | tuple):
        raise serialization_error(f"{path} has the wrong type")
    return _scalar(shape, value, path)


def _scalar(shape: ModelShape, value: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "blob":
        if isinstance(value, bytes | bytearray):
            return bytes(value)
        try:
            return base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            raise serialization_error(f"{path} is not base64") from None
    if kind == "boolean":
        return value if isinstance(value, bool) else values.parse_boolean_text(str(value))
    if kind == "timestamp":
        return values.parse_timestamp(value)
    if kind in ("integer", "long", "short", "byte", "float", "double") and not isinstance(value, bool):
        if isinstance(value, int | float) and kind not in ("float", "double"):
            return values.parse_whole(value, kind)
        return values.parse_number_text(str(value), kind)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return values.parse_text(str(value))
    raise serialization_error(f"{path} has the wrong type")
