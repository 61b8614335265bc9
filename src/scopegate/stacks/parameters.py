"""Parameters of a template: what was given, else the defaults, checked as CloudFormation checks them.

There is no SSM here to look a value up in: one of such a type must be given.
Source: CloudFormation, parameters section.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from scopegate.base.patterns import fault_of
from scopegate.stacks.read import Template, TemplateError

_LIST_TYPES: Final = ("CommaDelimitedList", "List<")
_LOOKED_UP: Final = "AWS::SSM::Parameter::Value<"


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters by name; lists split.

    Raises TemplateError for one that is missing, unknown or not allowed.
    """
    declared = template.document.get("Parameters") or {}
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise template.error(f"The template has no parameter {', '.join(unknown)}", "Parameters")
    values: dict[str, Any] = {}
    for name, definition in declared.items():
        kind = str(definition.get("Type", "String"))
        looked_up = kind.startswith(_LOOKED_UP)
        if name in given:
            value: Any = given[name]
        elif "Default" in definition and not looked_up:
            value = definition["Default"]
        else:
            why = f"is looked up in SSM ({kind}), which is not here" if looked_up else "has no value"
            raise template.error(f"Parameter {name} {why}; give it with --param {name}=VALUE", "Parameters", name)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        is_list = kind.removeprefix(_LOOKED_UP).startswith(_LIST_TYPES)
        parts = [part.strip() for part in text.split(",")] if is_list else [text]
        for part in parts:
            if problem := _problem(part, kind, definition):
                raise _refused(template, name, definition, problem)
        values[name] = parts if is_list else text
    return values


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
