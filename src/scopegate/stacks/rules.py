"""The section `Rules`: what values of parameters go together, checked before anything is made.

Source: CloudFormation, Rules section and rule-specific intrinsic functions.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from scopegate.stacks.read import Path
from scopegate.stacks.resolve import Scope, availability_zones, function_of, is_unknown, resolve

_MEMBERS: Final = ("Assertions", "RuleCondition")
_ZONES: Final = "AWS::EC2::AvailabilityZone::Name"


def check_rules(scope: Scope) -> None:
    """Raises TemplateError with the line of the first assertion that does not hold, and its description.

    An assertion about what is not known yet is not made.
    """
    for name, rule in (scope.template.document.get("Rules") or {}).items():
        where: Path = ("Rules", name)
        if not isinstance(rule, dict) or not isinstance(rule.get("Assertions"), list):
            raise scope.error(f"Rule {name} has no list of Assertions", where)
        for member in rule:
            if member not in _MEMBERS:
                raise scope.error(f"Rule {name} has no member {member}", (*where, member))
        if "RuleCondition" in rule and _decide(rule["RuleCondition"], scope, (*where, "RuleCondition")) is not True:
            continue
        for index, assertion in enumerate(rule["Assertions"]):
            place = (*where, "Assertions", index)
            if not isinstance(assertion, dict) or "Assert" not in assertion:
                raise scope.error(f"An assertion of rule {name} has no Assert", place)
            if _decide(assertion["Assert"], scope, (*place, "Assert")) is False:
                raise scope.error(f"Rule {name}: {assertion.get('AssertDescription', 'the assertion fails')}", place)


def _decide(value: Any, scope: Scope, path: Path) -> bool | None:
    """None: it hangs on what is not known yet."""
    name = function_of(value)
    decide = _DECISIONS.get(name or "")
    if decide is None:
        wanted = ", ".join(_DECISIONS)
        raise scope.error(f"A rule is made of {wanted}; got {name or value!r}", path)
    arguments = value[name]
    if not isinstance(arguments, list):
        raise scope.error(f"{name} takes a list", path)
    return decide(arguments, scope, (*path, str(name)))


def _and(items: list[Any], scope: Scope, path: Path) -> bool | None:
    found = [_decide(item, scope, (*path, index)) for index, item in enumerate(items)]
    return False if False in found else (None if None in found else True)


def _or(items: list[Any], scope: Scope, path: Path) -> bool | None:
    found = [_decide(item, scope, (*path, index)) for index, item in enumerate(items)]
    return True if True in found else (None if None in found else False)


def _not(items: list[Any], scope: Scope, path: Path) -> bool | None:
    if len(items) != 1:
        raise scope.error("Fn::Not takes a list of 1 value", path)
    found = _decide(items[0], scope, (*path, 0))
    return None if found is None else not found


def _compared(compare: Callable[[Any, Any], bool], of_lists: str) -> Callable[[list[Any], Scope, Path], bool | None]:
    """of_lists: l or s for each of the two values that are compared: a list, or one value."""

    def decide(items: list[Any], scope: Scope, path: Path) -> bool | None:
        if len(items) != 2:
            raise scope.error(f"{path[-1]} takes a list of 2 values", path)
        values = [_value(item, scope, (*path, index)) for index, item in enumerate(items)]
        for index, (value, shape) in enumerate(zip(values, of_lists, strict=True)):
            if isinstance(value, list) is not (shape == "l"):
                wanted = "a list" if shape == "l" else "one value"
                raise scope.error(f"{path[-1]} takes {wanted} here", (*path, index))
        return None if is_unknown(values) else compare(*values)

    return decide


def _value(value: Any, scope: Scope, path: Path) -> Any:
    name = function_of(value) or ""
    if name in _VALUES:
        return _VALUES[name](value[name], scope, (*path, name))
    found = resolve(value, scope, path)
    return [_text(item) for item in found] if isinstance(found, list) else _text(found)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all_of(kind: Any, scope: Scope, path: Path) -> list[str]:
    """`Fn::RefAll`: of what AWS names such parameters after, this account has availability zones alone."""
    return availability_zones(scope.region) if kind == _ZONES else []


def _attributes_of_all(arguments: Any, scope: Scope, path: Path) -> list[str]:
    """`Fn::ValueOfAll`: attributes of what this account has none of."""
    if not isinstance(arguments, list) or len(arguments) != 2:
        raise scope.error("Fn::ValueOfAll takes a list of 2 values", path)
    return []


def _attribute_of(arguments: Any, scope: Scope, path: Path) -> Any:
    """`Fn::ValueOf`: an attribute of what a parameter names, which this server has no word of."""
    match arguments:
        case [str(name), str(attribute)] if name in scope.parameters:
            raise scope.error(f"Fn::ValueOf: {attribute} of what {name} names is not known here", path)
    raise scope.error("Fn::ValueOf takes the name of a parameter and an attribute", path)


_DECISIONS: Final[Mapping[str, Callable[[list[Any], Scope, Path], bool | None]]] = {
    "Fn::And": _and,
    "Fn::Contains": _compared(lambda items, item: item in items, "ls"),
    "Fn::EachMemberEquals": _compared(lambda items, wanted: all(item == wanted for item in items), "ls"),
    "Fn::EachMemberIn": _compared(lambda items, wanted: all(item in wanted for item in items), "ll"),
    "Fn::Equals": _compared(lambda left, right: bool(left == right), "ss"),
    "Fn::Not": _not,
    "Fn::Or": _or,
}
_VALUES: Final[Mapping[str, Callable[[Any, Scope, Path], Any]]] = {
    "Fn::RefAll": _all_of,
    "Fn::ValueOf": _attribute_of,
    "Fn::ValueOfAll": _attributes_of_all,
}
