"""JSON ↔ shapes, for the JSON 1.0/1.1 and REST-JSON protocols.

Unknown members are ignored and null is absent. What has the wrong JSON type is a SerializationException; whether a
value is allowed is judged in `constraints.py`.
Source: AWS JSON and REST-JSON protocols; reference, control plane of API Gateway, 3.1 (texts of type errors).
"""

import base64
from typing import Any, Final

import orjson
from botocore.model import Shape as ModelShape

from scopegate.aws import values
from scopegate.aws.values import serialization_error

_DEEPEST: Final = 64

# Everywhere else a null is as good as nothing; here it is the empty template (reference, control plane of API Gateway,
# 1.4, recorded).
_NULLS_KEPT: Final = frozenset({("PutIntegrationResponseRequest", "responseTemplates")})

_JAVA: Final = {
    bool: "java.lang.Boolean",
    str: "java.lang.String",
    int: "com.amazon.coral.value.json.numbers.TruncatingBigNumber",
    float: "com.amazon.coral.value.json.numbers.TruncatingBigNumber",
}
_WANTED: Final = {
    "string": "String",
    "blob": "ByteBuffer",
    "boolean": "Boolean",
    "integer": "Integer",
    "long": "Long",
    "short": "Short",
    "float": "Float",
    "double": "Double",
    "timestamp": "Date",
}


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request; an empty body is an empty object."""
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except ValueError:
        raise serialization_error() from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise serialization_error("Start of structure expected")
    return document


def wire_name(shape: ModelShape, member: str) -> str:
    """How a member is spelled in JSON."""
    return str(shape.serialization.get("name", member))


def parse_structure(shape: ModelShape, document: Any, *, depth: int = 0, only_body: bool = False) -> dict[str, Any]:
    """The members of `document` that the model knows. only_body: leave out what stands elsewhere in a REST request."""
    if not isinstance(document, dict):
        raise _mismatch(document, shape)
    if depth > _DEEPEST:
        raise serialization_error("The document is nested too deeply")
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        if only_body and "location" in member.serialization:
            continue
        value = document.get(wire_name(member, name))
        if value is not None:
            members[name] = parse_value(member, value, depth + 1)
            if (shape.name, name) in _NULLS_KEPT:
                members[name] |= {key: None for key, item in value.items() if item is None}
    return members


def parse_value(shape: ModelShape, value: Any, depth: int = 0) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return value
        return parse_structure(shape, value, depth=depth)
    if kind == "list":
        if not isinstance(value, list):
            raise _mismatch(value, shape)
        if depth > _DEEPEST:
            raise serialization_error("The document is nested too deeply")
        return [None if item is None else parse_value(shape.member, item, depth + 1) for item in value]
    if kind == "map":
        if not isinstance(value, dict):
            raise _mismatch(value, shape)
        if depth > _DEEPEST:
            raise serialization_error("The document is nested too deeply")
        return {
            values.parse_text(key): parse_value(shape.value, item, depth + 1)
            for key, item in value.items()
            if item is not None
        }
    return _parse_scalar(shape, value)


def _parse_scalar(shape: ModelShape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "timestamp" and not isinstance(value, bool | list | dict):
        return values.parse_timestamp(value)
    if kind in ("string", "blob", "character") and isinstance(value, str):
        return values.parse_blob(value) if kind == "blob" else values.parse_text(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind in ("integer", "long", "short", "byte"):
            return values.parse_whole(value, kind)
        if kind in ("float", "double"):
            return float(value)
    raise _mismatch(value, shape)


def _mismatch(value: Any, shape: ModelShape) -> Exception:
    """The texts of AWS's deserializer, odd grammar included."""
    if isinstance(value, list):
        return serialization_error("Start of list found where not expected")
    if isinstance(value, dict):
        return serialization_error("Start of structure or map found where not expected.")
    java = _JAVA.get(type(value), "java.lang.Object")
    if shape.type_name == "list":
        return serialization_error(f"Unrecognized collection type class {java}")
    if shape.type_name in ("structure", "map"):
        return serialization_error("Expected structure or map")
    return serialization_error(f"class {java} can not be converted to an {_WANTED.get(shape.type_name, 'Object')}")


def render_structure(
    shape: ModelShape, members: dict[str, Any], *, timestamp: str = "unixtimestamp", only_body: bool = False
) -> dict[str, Any]:
    """Members that the model knows, by their wire names; what is None is absent."""
    document: dict[str, Any] = {}
    for name, member in shape.members.items():
        if only_body and "location" in member.serialization:
            continue
        value = members.get(name)
        if value is not None:
            document[wire_name(member, name)] = render_value(member, value, timestamp)
    return document


def render_value(shape: ModelShape, value: Any, timestamp: str = "unixtimestamp") -> Any:
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return value
        return render_structure(shape, value, timestamp=timestamp)
    if kind == "list":
        return [None if item is None else render_value(shape.member, item, timestamp) for item in value]
    if kind == "map":
        return {
            key: None if item is None else render_value(shape.value, item, timestamp) for key, item in value.items()
        }
    if kind == "timestamp":
        return values.render_timestamp(value, shape, timestamp)
    if kind == "blob":
        return base64.b64encode(value).decode("ascii")
    return value


def render_body(document: Any) -> bytes:
    return orjson.dumps(document)
