"""Forms and XML ↔ shapes, for the Query protocol.

`Tags.member.1.Key=a` is read into a tree of names first and then by the model's shapes; answers are XML.
Source: AWS Query protocol; botocore's QuerySerializer and QueryParser are its mirror.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.model import Shape as ModelShape

from scopegate.aws import values
from scopegate.aws.values import serialization_error

_DEEPEST: Final = 32
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;", "\n": "&#xA;"})


class _Node:
    """What stands under one name: its own text, and the names below it."""

    __slots__ = ("children", "text")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.text: str | None = None


_NOTHING: Final = _Node()


def parse_form(shape: ModelShape | None, form: Mapping[str, str]) -> dict[str, Any]:
    """The members of a Query request."""
    if shape is None:
        return {}
    tree = _Node()
    for name, value in form.items():
        parts = name.split(".")
        if len(parts) > _DEEPEST:
            raise serialization_error("A parameter is nested too deeply")
        node = tree
        for part in parts:
            node = node.children.setdefault(part, _Node())
        node.text = value
    return _parse_structure(shape, tree)


def _parse_structure(shape: ModelShape, tree: _Node) -> dict[str, Any]:
    members = {}
    for name, member in shape.members.items():
        node = _member_node(member, name, tree)
        if node is not None:
            members[name] = _parse_value(member, node)
    return members


def _member_node(member: ModelShape, name: str, tree: _Node) -> _Node | None:
    if member.type_name == "list" and member.serialization.get("flattened"):
        name = member.member.serialization.get("name", member.serialization.get("name", name))
        return tree.children.get(name)
    return tree.children.get(member.serialization.get("name", name))


def _parse_value(shape: ModelShape, node: _Node) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _parse_structure(shape, node)
    if kind == "list":
        flat = shape.serialization.get("flattened")
        items = node if flat else node.children.get(shape.member.serialization.get("name", "member"), _NOTHING)
        return [_parse_value(shape.member, item) for item in _numbered(items)]
    if kind == "map":
        return _parse_map(shape, node)
    if node.text is None:
        raise serialization_error("Unexpected complex element termination")
    return _parse_scalar(shape, values.parse_text(node.text))


def _parse_map(shape: ModelShape, node: _Node) -> dict[str, Any]:
    entries = node if shape.serialization.get("flattened") else node.children.get("entry", _NOTHING)
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for entry in _numbered(entries):
        key, value = entry.children.get(key_name), entry.children.get(value_name)
        if key is None or value is None:
            raise serialization_error("A map entry lacks its key or value")
        result[_parse_value(shape.key, key)] = _parse_value(shape.value, value)
    return result


def _numbered(items: _Node) -> list[_Node]:
    """Items in the order of their numbers; gaps are closed."""
    numbered = []
    for number, item in items.children.items():  # none for `Tags=`: an empty list
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise serialization_error("Key is not a number")
        numbered.append((int(number), item))
    return [item for _, item in sorted(numbered, key=lambda pair: pair[0])]


def _parse_scalar(shape: ModelShape, text: str) -> Any:
    kind = shape.type_name
    if kind == "boolean":
        return values.parse_boolean_text(text)
    if kind == "blob":
        return values.parse_blob(text)
    if kind == "timestamp":
        return values.parse_timestamp(text)
    if kind in ("integer", "long", "short", "byte", "float", "double"):
        return values.parse_number_text(text, kind)
    return text


def escape(text: str) -> str:
    """Text for XML; what XML 1.0 cannot carry becomes U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text).translate(_ESCAPES)


def render_members(shape: ModelShape, members: Mapping[str, Any]) -> str:
    return "".join(
        _render_named(member, member.serialization.get("name", name), members[name])
        for name, member in shape.members.items()
        if members.get(name) is not None
    )


def _render_named(shape: ModelShape, name: str, value: Any) -> str:
    kind = shape.type_name
    if kind == "structure":
        return f"<{name}>{render_members(shape, value)}</{name}>"
    if kind == "list":
        if shape.serialization.get("flattened"):
            item_name = shape.member.serialization.get("name", name)
            return "".join(_render_named(shape.member, item_name, item) for item in value)
        item_name = shape.member.serialization.get("name", "member")
        return f"<{name}>{''.join(_render_named(shape.member, item_name, item) for item in value)}</{name}>"
    if kind == "map":
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        entries = [
            _render_named(shape.key, key_name, key) + _render_named(shape.value, value_name, item)
            for key, item in value.items()
        ]
        if shape.serialization.get("flattened"):
            return "".join(f"<{name}>{entry}</{name}>" for entry in entries)
        return f"<{name}>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</{name}>"
    return f"<{name}>{escape(values.render_text(value, shape, timestamp='iso8601'))}</{name}>"
