"""Policy documents: statements that allow or deny an action on a resource. The one evaluator of them.

A document is compiled whole or not at all: what is not understood raises `InvalidPolicy`, so that no Deny is passed
over. Deny wins over Allow; what no statement names is not allowed. Policy variables (`${aws:username}`) are refused;
principals are not looked at: whoever asks knows whose policies these are.
Source: IAM User Guide, "Policy evaluation logic", "JSON policy elements", "Condition operators"; reference, "REST: what
the authorizer's answer does".
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final

Context = Mapping[str, Sequence[str]]
"""Condition keys, lower case → values. A key that is absent has no entry."""

_ELEMENTS: Final = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


class InvalidPolicy(ValueError):
    """A document that cannot be enforced as it is written; the text says which part."""


class Verdict(Enum):
    """What a set of policies says of one action on one resource."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


_Test = Callable[[Context], bool]
_Match = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Statement:
    allows: bool
    action: _Match
    resource: _Match
    conditions: tuple[_Test, ...]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        return self.action(action) and self.resource(resource) and all(test(context) for test in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled document."""

    statements: tuple[_Statement, ...]


def evaluate(policies: Iterable[Policy], action: str, resource: str, context: Context) -> Verdict:
    """Whether `action` (`execute-api:Invoke`) on `resource` (an ARN) is allowed."""
    verdict = Verdict.IMPLICIT_DENY
    for policy in policies:
        for statement in policy.statements:
            if statement.applies(action, resource, context):
                if not statement.allows:
                    return Verdict.EXPLICIT_DENY
                verdict = Verdict.ALLOW
    return verdict


def compile_policy(document: Any) -> Policy:
    """A policy of an identity, parsed JSON: whom it is about is known, so principals are not looked at.

    Raises InvalidPolicy.
    """
    return Policy(tuple(_compile_statement(statement) for statement in _statements_of(document)))


def compile_resource_policy(document: Any) -> Policy:
    """A policy of a resource, for callers who are nobody in AWS's eyes: statements for everyone count.

    Raises InvalidPolicy, also for a statement that does not say whom it is about, or says whom it is not.
    """
    return Policy(
        tuple(_compile_statement(statement) for statement in _statements_of(document) if _is_for_everyone(statement))
    )


def _is_for_everyone(statement: Any) -> bool:
    if not isinstance(statement, dict) or "NotPrincipal" in statement or "Principal" not in statement:
        raise InvalidPolicy("a Statement of a resource policy needs Principal; NotPrincipal is not evaluated yet")
    principal = statement["Principal"]
    if isinstance(principal, dict):
        principal = principal.get("AWS", [])
    return principal == "*" or (isinstance(principal, list) and "*" in principal)


def _statements_of(document: Any) -> list[Any]:
    if not isinstance(document, dict):
        raise InvalidPolicy("the policy is no object")
    version = document.get("Version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        raise InvalidPolicy(f"the policy has version {version!r}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise InvalidPolicy("the policy has no Statement")
    return statements


def _compile_statement(statement: Any) -> _Statement:
    if not isinstance(statement, dict):
        raise InvalidPolicy("a Statement is no object")
    if unknown := statement.keys() - _ELEMENTS:
        raise InvalidPolicy(f"a Statement has {', '.join(sorted(map(str, unknown)))}")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise InvalidPolicy(f"a Statement has Effect {effect!r}")
    return _Statement(
        effect == "Allow",
        _compile_choice(statement, "Action"),
        _compile_choice(statement, "Resource"),
        _compile_conditions(statement.get("Condition")),
    )


def _compile_choice(statement: Mapping[str, Any], name: str) -> _Match:
    """`Action` or `NotAction`, exactly one of them; the same for resources."""
    given = [key for key in (name, f"Not{name}") if key in statement]
    if len(given) != 1:
        raise InvalidPolicy(f"a Statement has not exactly one of {name} and Not{name}")
    patterns = _texts(statement[given[0]], given[0])
    if not patterns:
        raise InvalidPolicy(f"a Statement has an empty {given[0]}")
    matches = [_compile_wildcards(pattern) for pattern in patterns]
    if given[0] == name:
        return lambda text: any(match(text) for match in matches)
    return lambda text: not any(match(text) for match in matches)


def _texts(value: Any, name: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise InvalidPolicy(f"{name} is neither text nor a list of texts")
    return values


@lru_cache(maxsize=1024)
def _compile_wildcards(pattern: str, *, fold: bool = False) -> _Match:
    """`*` stands for any run of characters, `?` for one; linear in the text, whatever the pattern."""
    if "${" in pattern:
        raise InvalidPolicy(f"policy variables are not evaluated yet: {pattern!r}")
    if pattern == "*":
        return lambda _: True
    match = re.compile(fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE if fold else 0).match
    return lambda text: match(text) is not None


# conditions


def _compile_conditions(conditions: Any) -> tuple[_Test, ...]:
    if conditions is None:
        return ()
    if not isinstance(conditions, dict):
        raise InvalidPolicy("a Condition is no object")
    tests: list[_Test] = []
    for operator, keys in conditions.items():
        if not isinstance(keys, dict):
            raise InvalidPolicy(f"the Condition {operator} is no object")
        tests += [_compile_condition(operator, key, value) for key, value in keys.items()]
    return tuple(tests)


def _compile_condition(operator: str, key: str, value: Any) -> _Test:
    """One operator and key: any of the values suffices, of a negated operator none may match."""
    quantifier, colon, name = operator.rpartition(":")
    if colon and quantifier not in ("ForAnyValue", "ForAllValues"):
        raise InvalidPolicy(f"the condition operator {operator} is unknown")
    values = _condition_values(value, operator)
    lower = key.lower()
    if name == "Null":
        wants_absent = _boolean(values[0])
        return lambda context: (not context.get(lower)) is wants_absent
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    operation = _OPERATORS.get(name)
    if operation is None:
        raise InvalidPolicy(f"the condition operator {operator} is unknown")
    compile_value, negated = operation
    matches = [compile_value(one) for one in values]

    def holds(got: str) -> bool:
        return any(match(got) for match in matches) is not negated

    def test(context: Context) -> bool:
        got = context.get(lower)
        if not got:
            # An absent key fails a condition, but those that say otherwise: negated ones, IfExists, ForAllValues.
            return if_exists or negated or quantifier == "ForAllValues"
        if quantifier == "ForAnyValue":
            return any(map(holds, got))
        return all(map(holds, got))

    return test


def _condition_values(value: Any, operator: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts: list[str] = []
    for one in values:
        if isinstance(one, bool):
            texts.append("true" if one else "false")
        elif isinstance(one, str | int | float):
            texts.append(str(one))
        else:
            raise InvalidPolicy(f"the Condition {operator} has a value that is no text")
    if not texts:
        raise InvalidPolicy(f"the Condition {operator} has no value")
    if any("${" in text for text in texts):
        raise InvalidPolicy("policy variables are not evaluated yet")
    return texts


def _equals(value: str) -> _Match:
    return lambda got: got == value


def _equals_folded(value: str) -> _Match:
    folded = value.casefold()
    return lambda got: got.casefold() == folded


def _boolean(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise InvalidPolicy(f"{value!r} is neither true nor false")
    return value.lower() == "true"


def _is_boolean(value: str) -> _Match:
    expected = _boolean(value)
    return lambda got: got.lower() == ("true" if expected else "false")


def _address(value: str) -> _Match:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise InvalidPolicy(f"{value!r} is no network") from None

    def match(got: str) -> bool:
        try:
            return ipaddress.ip_address(got) in network
        except ValueError:
            return False

    return match


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidPolicy(f"{text!r} is no number") from None


def _moment(text: str) -> float:
    """A time, ISO 8601 or epoch seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise InvalidPolicy(f"{text!r} is no time") from None


def _compared(parse: Callable[[str], float], holds: Callable[[float, float], bool]) -> Callable[[str], _Match]:
    def compile_value(value: str) -> _Match:
        limit = parse(value)

        def match(got: str) -> bool:
            try:
                return holds(parse(got), limit)
            except InvalidPolicy:
                return False

        return match

    return compile_value


_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "Equals": lambda got, limit: got == limit,
    "LessThan": lambda got, limit: got < limit,
    "LessThanEquals": lambda got, limit: got <= limit,
    "GreaterThan": lambda got, limit: got > limit,
    "GreaterThanEquals": lambda got, limit: got >= limit,
}

# Operator → (value → match, negated).
_OPERATORS: Final[Mapping[str, tuple[Callable[[str], _Match], bool]]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_folded, False),
    "StringNotEqualsIgnoreCase": (_equals_folded, True),
    "StringLike": (_compile_wildcards, False),
    "StringNotLike": (_compile_wildcards, True),
    "ArnEquals": (_compile_wildcards, False),
    "ArnNotEquals": (_compile_wildcards, True),
    "ArnLike": (_compile_wildcards, False),
    "ArnNotLike": (_compile_wildcards, True),
    "Bool": (_is_boolean, False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    **{f"Numeric{name}": (_compared(_number, holds), False) for name, holds in _ORDER.items()},
    "NumericNotEquals": (_compared(_number, _ORDER["Equals"]), True),
    **{f"Date{name}": (_compared(_moment, holds), False) for name, holds in _ORDER.items()},
    "DateNotEquals": (_compared(_moment, _ORDER["Equals"]), True),
}
