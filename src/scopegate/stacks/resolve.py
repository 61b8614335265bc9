"""Intrinsic functions: what a template's values are, given parameters, conditions and what resources became.

Pure: `Scope` holds what is known, `resolve` gives the value or raises TemplateError with the line.
`references` lists what a value needs first, without resolving it: the edges of the graph.
What is still to be made has values that nobody knows: in their place stand words with a mark (`unknown`), which are
equal to nothing; where they would decide something, Undecided is raised.
Source: CloudFormation intrinsic function reference; AWS::LanguageExtensions.
"""

import base64
import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scopegate.base import names
from scopegate.stacks.read import Path, Template

NO_VALUE: Final = object()
"""`AWS::NoValue`: the property is as if it were not written."""

_MARK: Final = "\ue000"  # for private use: it stands in no template
_SUB: Final = re.compile(r"\$\{(!?)([^${}]*)\}")
_CONDITION_FUNCTIONS: Final = frozenset({"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Condition"})


class Undecided(Exception):
    """What a value is hangs on something that is not known yet."""


def unknown(words: str) -> str:
    """Words that stand for a value which nobody knows yet."""
    return f"{_MARK}<{words}>"


def is_unknown(value: Any) -> bool:
    """Whether something in a resolved value is not known yet."""
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    return isinstance(value, str) and _MARK in value


class AnyAttribute(dict[str, Any]):
    """The attributes of what is not known yet, whatever their names are."""

    def __init__(self, logical_id: str, known: Mapping[str, Any] | None = None) -> None:
        super().__init__(known or {})
        self.logical_id = logical_id

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return unknown(f"{self.logical_id}.{name}")


@dataclass(slots=True)
class Scope:
    """What is known while a template is resolved.

    parameters: name → value (lists for list types). resources: logical id → what it became, filled while deploying.
    exports: name → value, of all stacks of this account and region. imported: those of them that were asked for.
    """

    template: Template
    parameters: Mapping[str, Any]
    account: str
    region: str
    stack_name: str
    stack_id: str
    exports: Mapping[str, str] = field(default_factory=dict)
    resources: dict[str, "Physical"] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, bool] = field(default_factory=dict)
    deciding: set[str] = field(default_factory=set)

    def error(self, message: str, path: Path) -> Exception:
        return self.template.error(message, *path)


@dataclass(frozen=True, slots=True)
class Physical:
    """What a resource became: its physical id (`Ref`) and attributes (`Fn::GetAtt`)."""

    physical_id: str
    attributes: Mapping[str, Any]


def pseudo_parameters(scope: Scope) -> dict[str, Any]:
    partition = names.partition_of(scope.region)
    return {
        "AWS::AccountId": scope.account,
        "AWS::NoValue": NO_VALUE,
        "AWS::NotificationARNs": [],
        "AWS::Partition": partition,
        "AWS::Region": scope.region,
        "AWS::StackId": scope.stack_id,
        "AWS::StackName": scope.stack_name,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }


def function_of(value: Any) -> str | None:
    """The intrinsic function that `value` calls, None when it is plain."""
    if isinstance(value, dict) and len(value) == 1:
        (key,) = value
        if key == "Ref" or key.startswith("Fn::") or (key == "Condition" and isinstance(value[key], str)):
            return str(key)
    return None


def resolve(value: Any, scope: Scope, path: Path) -> Any:
    """The value with every intrinsic function replaced; `AWS::NoValue` members and items are left out.

    Raises TemplateError at the line of what cannot be resolved.
    """
    name = function_of(value)
    if name is not None:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise scope.error(f"The function {name} is not known{_near(name.removeprefix('Fn::'), _SHORT_NAMES)}", path)
        return function(value[name], scope, (*path, name))
    if isinstance(value, dict):
        members = ((key, resolve(item, scope, (*path, key))) for key, item in value.items())
        return {key: item for key, item in members if item is not NO_VALUE}
    if isinstance(value, list):
        items = (resolve(item, scope, (*path, index)) for index, item in enumerate(value))
        return [item for item in items if item is not NO_VALUE]
    return value


def _text(value: Any, scope: Scope, path: Path) -> str:
    resolved = resolve(value, scope, path)
    if isinstance(resolved, bool):
        return "true" if resolved else "false"
    if isinstance(resolved, (str, int, float)):
        return str(resolved)
    raise scope.error("Text is expected here", path)


def _list(value: Any, scope: Scope, path: Path) -> list[Any]:
    resolved = resolve(value, scope, path)
    if not isinstance(resolved, list):
        raise scope.error("A list is expected here", path)
    return resolved


def _arguments(value: Any, count: range, scope: Scope, path: Path) -> list[Any]:
    if not isinstance(value, list) or len(value) not in count:
        wanted = str(count.start) if len(count) == 1 else f"{count.start} to {count.stop - 1}"
        raise scope.error(f"{path[-1]} takes a list of {wanted} values", path)
    return value


def _reference(name: str, scope: Scope, path: Path) -> Any:
    pseudo = pseudo_parameters(scope)
    if name in pseudo:
        return pseudo[name]
    if name in scope.parameters:
        return scope.parameters[name]
    if name in scope.resources:
        return scope.resources[name].physical_id
    if name in scope.template.resources:
        raise scope.error(f"{name} does not exist in this stack: its condition is false or it was not made", path)
    raise scope.error(f"Ref to {name}: no such parameter or resource{_nearest(name, scope)}", path)


def _nearest(name: str, scope: Scope) -> str:
    return _near(name, [*scope.parameters, *scope.template.resources, *pseudo_parameters(scope)])


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _attribute(logical_id: str, attribute: str, scope: Scope, path: Path) -> Any:
    physical = scope.resources.get(logical_id)
    if physical is None:
        if logical_id in scope.template.resources:
            raise scope.error(f"{logical_id} does not exist in this stack: its condition is false", path)
        raise scope.error(f"Fn::GetAtt of {logical_id}: no such resource{_nearest(logical_id, scope)}", path)
    if attribute not in physical.attributes:
        known = ", ".join(sorted(physical.attributes)) or "none"
        kind = scope.template.resources.get(logical_id, {}).get("Type", "")
        raise scope.error(f"{kind} {logical_id} has no attribute {attribute}; it has: {known}", path)
    return physical.attributes[attribute]


def _ref(value: Any, scope: Scope, path: Path) -> Any:
    if not isinstance(value, str) and function_of(value) is None:
        raise scope.error("Ref takes a name", path)
    return _reference(_text(value, scope, path), scope, path)


def _get_att(value: Any, scope: Scope, path: Path) -> Any:
    parts = list(value.partition(".")[::2]) if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) < 2:
        raise scope.error("Fn::GetAtt takes a resource name and an attribute", path)
    name, *attribute = (_text(part, scope, (*path, index)) for index, part in enumerate(parts))
    return _attribute(name, ".".join(attribute), scope, path)


def _sub(value: Any, scope: Scope, path: Path) -> str:
    text, variables = (value, {}) if isinstance(value, str) else _arguments(value, range(2, 3), scope, path)
    if not isinstance(text, str) or not isinstance(variables, dict):
        raise scope.error("Fn::Sub takes text, or text and a mapping", path)

    def replace(match: re.Match[str]) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return "${" + match[2] + "}"
        if name in variables:
            return _text(variables[name], scope, (*path, 1, name))
        logical_id, dot, attribute = name.partition(".")
        found = _attribute(logical_id, attribute, scope, path) if dot else _reference(name, scope, path)
        if found is NO_VALUE:
            return ""
        return ",".join(found) if isinstance(found, list) else _text(found, scope, path)

    return _SUB.sub(replace, text)


def _join(value: Any, scope: Scope, path: Path) -> str:
    delimiter, items = _arguments(value, range(2, 3), scope, path)
    parts = _list(items, scope, (*path, 1))
    return _text(delimiter, scope, path).join(_text(part, scope, (*path, 1)) for part in parts)


def _split(value: Any, scope: Scope, path: Path) -> list[str]:
    delimiter, text = _arguments(value, range(2, 3), scope, path)
    return _text(text, scope, (*path, 1)).split(_text(delimiter, scope, path))


def _select(value: Any, scope: Scope, path: Path) -> Any:
    index_value, items_value = _arguments(value, range(2, 3), scope, path)
    index, items = _text(index_value, scope, path), _list(items_value, scope, (*path, 1))
    if not index.isdigit() or int(index) >= len(items):
        _decidable(index, items)
        raise scope.error(f"Fn::Select cannot take item {index} of {len(items)}", path)
    return items[int(index)]


def _find_in_map(value: Any, scope: Scope, path: Path) -> Any:
    arguments = _arguments(value, range(3, 5), scope, path)
    default = arguments[3].get("DefaultValue", NO_VALUE) if len(arguments) == 4 else NO_VALUE
    keys = [_text(argument, scope, (*path, index)) for index, argument in enumerate(arguments[:3])]
    _decidable(keys)
    found: Any = scope.template.document.get("Mappings", {})
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            if default is not NO_VALUE:
                return resolve(default, scope, (*path, 3, "DefaultValue"))
            raise scope.error(f"Fn::FindInMap: {' / '.join(keys)} is not in Mappings", path)
        found = found[key]
    return found


def _decidable(value: Any, /, *more: Any) -> None:
    """Raises Undecided when something of this is not known yet."""
    if is_unknown([value, *more]):
        raise Undecided


def _if(value: Any, scope: Scope, path: Path) -> Any:
    condition, then, otherwise = _arguments(value, range(3, 4), scope, path)
    if not isinstance(condition, str):
        raise scope.error("Fn::If takes the name of a condition first", path)
    index = 1 if is_true(condition, scope, path) else 2
    return resolve((None, then, otherwise)[index], scope, (*path, index))


def _import_value(value: Any, scope: Scope, path: Path) -> str:
    name = _text(value, scope, path)
    _decidable(name)
    if name not in scope.exports:
        raise scope.error(f"No export named {name} found", path)
    scope.imported[name] = scope.exports[name]
    return scope.exports[name]


def _base64(value: Any, scope: Scope, path: Path) -> str:
    return base64.b64encode(_text(value, scope, path).encode()).decode()


def _cidr(value: Any, scope: Scope, path: Path) -> list[str]:
    arguments = _arguments(value, range(2, 4), scope, path)
    block, count, bits = (_text(a, scope, path) for a in (*arguments, "8")[:3])
    _decidable([block, count, bits])
    try:
        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        return [str(next(subnets)) for _ in range(int(count))]
    except (ValueError, StopIteration):
        raise scope.error(f"Fn::Cidr: {block} has no {count} networks of {bits} bits", path) from None


def _get_azs(value: Any, scope: Scope, path: Path) -> list[str]:
    return availability_zones(_text(value, scope, path) or scope.region)


def availability_zones(region: str) -> list[str]:
    return [f"{region}{zone}" for zone in "abc"]


def _length(value: Any, scope: Scope, path: Path) -> int:
    items = _list(value, scope, path)
    _decidable(items)  # a list that is not known yet is one word
    return len(items)


def _to_json_string(value: Any, scope: Scope, path: Path) -> str:
    return json.dumps(resolve(value, scope, path), separators=(",", ":"))


# Conditions


def is_true(name: str, scope: Scope, path: Path) -> bool:
    """The value of a condition by name; a condition that needs itself is an error."""
    if name in scope.conditions:
        return scope.conditions[name]
    definitions = scope.template.document.get("Conditions") or {}
    if name not in definitions:
        raise scope.error(f"There is no condition named {name}{_near(name, definitions)}", path)
    if name in scope.deciding:
        raise scope.error(f"Condition {name} depends on itself", path)
    scope.deciding.add(name)
    try:
        result = _decide(definitions[name], scope, ("Conditions", name))
    finally:
        scope.deciding.discard(name)
    scope.conditions[name] = result
    return result


def _decide(value: Any, scope: Scope, path: Path) -> bool:
    name = function_of(value)
    if name in _CONDITION_FUNCTIONS:
        return bool(_FUNCTIONS[str(name)](value[name], scope, (*path, str(name))))
    resolved = resolve(value, scope, path)
    if isinstance(resolved, bool):
        return resolved
    if resolved in ("true", "false"):
        return bool(resolved == "true")
    _decidable(resolved)
    raise scope.error("A condition must be true or false", path)


def _equals(value: Any, scope: Scope, path: Path) -> bool:
    left, right = _arguments(value, range(2, 3), scope, path)
    left, right = resolve(left, scope, (*path, 0)), resolve(right, scope, (*path, 1))
    _decidable(left, right)
    return bool(_comparable(left) == _comparable(right))


def _comparable(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _and(value: Any, scope: Scope, path: Path) -> bool:
    items = _arguments(value, range(2, 11), scope, path)
    return all(_decide(item, scope, (*path, index)) for index, item in enumerate(items))


def _or(value: Any, scope: Scope, path: Path) -> bool:
    items = _arguments(value, range(2, 11), scope, path)
    return any(_decide(item, scope, (*path, index)) for index, item in enumerate(items))


def _not(value: Any, scope: Scope, path: Path) -> bool:
    (item,) = _arguments(value, range(1, 2), scope, path)
    return not _decide(item, scope, (*path, 0))


def _condition(value: Any, scope: Scope, path: Path) -> bool:
    return is_true(str(value), scope, path)


_FUNCTIONS: Final[Mapping[str, Callable[[Any, Scope, Path], Any]]] = {
    "Condition": _condition,
    "Fn::And": _and,
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _get_azs,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Not": _not,
    "Fn::Or": _or,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json_string,
    "Ref": _ref,
}


_SHORT_NAMES: Final = tuple(name.removeprefix("Fn::") for name in _FUNCTIONS)


# What must exist first


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource or parameter that a value needs; of a resource its attribute, or None for its physical id."""

    name: str
    attribute: str | None
    path: Path


def references(value: Any, scope: Scope, path: Path) -> Iterator[Reference]:
    """What `value` refers to; only the live branch of an `Fn::If`. What is misshapen is `resolve`'s to refuse."""
    name = function_of(value)
    inner = (*path, str(name))
    match name, value[name] if name is not None else None:
        case "Ref", str(target):
            yield Reference(target, None, inner)
        case "Ref", dict(target):
            yield Reference(_text(target, scope, inner), None, inner)
        case "Fn::GetAtt", str(target):
            logical_id, _, attribute = target.partition(".")
            yield Reference(logical_id, attribute or None, inner)
        case "Fn::GetAtt", [logical_id, *attributes]:
            plain = all(isinstance(attribute, str) for attribute in attributes)
            dotted = ".".join(attributes) if attributes and plain else None
            yield Reference(_text(logical_id, scope, (*inner, 0)), dotted, inner)
            yield from references(attributes, scope, inner)
        case "Fn::If", [str(condition), then, otherwise]:
            index, live = (1, then) if is_true(condition, scope, inner) else (2, otherwise)
            yield from references(live, scope, (*inner, index))
        case "Fn::Sub", str(text):
            yield from _substitutions(text, {}, inner)
        case "Fn::Sub", [str(text), dict(variables)]:
            yield from _substitutions(text, variables, inner)
            yield from references(variables, scope, (*inner, 1))
        case _ if isinstance(value, dict):
            for key, item in value.items():
                yield from references(item, scope, (*path, key))
        case _ if isinstance(value, list):
            for index, item in enumerate(value):
                yield from references(item, scope, (*path, index))


def _substitutions(text: str, variables: Mapping[str, Any], path: Path) -> Iterator[Reference]:
    for literal, placeholder in _SUB.findall(text):
        logical_id, dot, attribute = placeholder.strip().partition(".")
        if not literal and placeholder.strip() not in variables:
            yield Reference(logical_id, attribute if dot else None, path)
