"""Parameters of a template: what was given, else the defaults, checked as CloudFormation checks them.

A value that is looked up in SSM is one that was given, or that a stack of this server keeps in a parameter.
Source: CloudFormation, parameters section; types that CloudFormation supports.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from scopegate.base.patterns import fault_of
from scopegate.stacks.read import Template, TemplateError
from scopegate.stacks.resolve import is_unknown

_PLAIN_TYPES: Final = ("CommaDelimitedList", "List<Number>", "List<String>", "Number", "String")
_AWS_TYPE: Final = re.compile(
    "AWS::("
    "EC2::(AvailabilityZone::Name|Image::Id|Instance::Id|KeyPair::KeyName|SecurityGroup::(GroupName|Id)|Subnet::Id"
    "|Volume::Id|VPC::Id)|Route53::HostedZone::Id|SSM::Parameter::Name)"
)
_LIST_TYPES: Final = ("CommaDelimitedList", "List<")
_LOOKED_UP: Final = "AWS::SSM::Parameter::Value<"

LookUp = Callable[[str], str | None]


def _find_nothing(_name: str) -> str | None:
    return None


def parameter_values(
    template: Template,
    given: Mapping[str, str],
    *,
    look_up: LookUp = _find_nothing,
    how: str = "give it with --param {name}=VALUE",
) -> dict[str, Any]:
    """Parameters by name; lists split.

    look_up: the value behind the name of an SSM parameter, None when there is none. how: the user gives a value.
    Raises TemplateError for one that is missing, unknown or not allowed; what is not known yet is allowed.
    """
    declared = template.document.get("Parameters") or {}
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise template.error(f"The template has no parameter {', '.join(unknown)}", "Parameters")
    values: dict[str, Any] = {}
    for name, definition in declared.items():
        kind = _type(template, name, definition)
        looked_up = kind.startswith(_LOOKED_UP)
        value: Any = given.get(name)
        if value is None and "Default" in definition:
            value = look_up(str(definition["Default"])) if looked_up else definition["Default"]
        if value is None:
            why = f"is looked up in SSM ({kind}), and no stack here keeps it" if looked_up else "has no value"
            advice = how.format(name=name)
            raise template.error(f"Parameter {name} {why}; {advice}", "Parameters", name)
        text = _text(value)
        is_list = kind.removeprefix(_LOOKED_UP).startswith(_LIST_TYPES)
        parts = [part.strip() for part in text.split(",")] if is_list else [text]
        for part in parts:
            if not is_unknown(part) and (problem := _problem(part, kind, definition)):
                raise _refused(template, name, definition, problem)
        values[name] = parts if is_list else text
    return values


def _type(template: Template, name: str, definition: Mapping[str, Any]) -> str:
    kind = definition.get("Type")
    if not isinstance(kind, str):
        raise template.error(f"Parameter {name} has no Type", "Parameters", name)
    inner = kind[len(_LOOKED_UP) : -1] if kind.startswith(_LOOKED_UP) and kind.endswith(">") else kind
    single = inner[len("List<") : -1] if inner.startswith("List<") and inner.endswith(">") else inner
    if inner not in _PLAIN_TYPES and not _AWS_TYPE.fullmatch(single):
        raise template.error(f"Parameter {name} has the type {kind}, which parameters do not have", "Parameters", name)
    return kind


def _problem(text: str, kind: str, definition: Mapping[str, Any]) -> str:
    """What is wrong with one value, or ""."""
    allowed = definition.get("AllowedValues")
    if allowed is not None and text not in [_text(item) for item in allowed]:
        return f"must be one of {', '.join(map(_text, allowed))}"
    if (pattern := definition.get("AllowedPattern")) is not None:
        if fault := fault_of(str(pattern)):
            return f"cannot be checked: {fault}"
        if re.fullmatch(str(pattern), text) is None:
            return f"must match {pattern}"
    if "Number" in kind:
        try:
            number = float(text)
        except ValueError:
            return "must be a number"
        if not float(definition.get("MinValue", "-inf")) <= number <= float(definition.get("MaxValue", "inf")):
            return f"must lie between {definition.get('MinValue', '-∞')} and {definition.get('MaxValue', '∞')}"
    elif not int(definition.get("MinLength", 0)) <= len(text) <= int(definition.get("MaxLength", 4096)):
        return f"must have {definition.get('MinLength', 0)} to {definition.get('MaxLength', 4096)} characters"
    return ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(template: Template, name: str, definition: Mapping[str, Any], problem: str) -> TemplateError:
    explained = definition.get("ConstraintDescription")
    return template.error(f"Parameter {name} {problem}" + (f": {explained}" if explained else ""), "Parameters", name)
