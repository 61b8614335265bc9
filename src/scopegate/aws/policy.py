"""Policy documents: statements that allow or deny an action on a resource. The one evaluator of them.

A document is compiled whole or not at all: what is not understood raises `InvalidPolicy`, so that no Deny is passed
over. Deny wins over Allow; what no statement names is not allowed. A statement whose variable has no value does not
apply; a condition on what this server cannot tell (tags of a resource, most services' own keys) makes an Allow never
apply, and lets a Deny apply as if it were met. NotPrincipal is refused.
Source: IAM User Guide, "Policy evaluation logic", "JSON policy elements", "Condition operators", "Variables and tags";
reference, "REST: what the authorizer's answer does".
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from scopegate.aws.operations import Caller

Context = Mapping[str, Sequence[str]]
"""Condition keys, lower case → values. A key that is absent has no entry."""

_WILD: Final = re.compile(r"[*?[]")
_ELEMENTS: Final = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_WITH_VARIABLES: Final = "2012-10-17"
# Of a name it is known where it begins and ends, so that blanks are not tried in every way.
_VARIABLE: Final = re.compile(r"\$\{(?:([*?$])|\s*([^\s,'{}$](?:[^,'{}$]*[^\s,'{}$])?)\s*(?:,\s*'([^']*)'\s*)?)\}")
_PRINCIPAL_OF_AWS: Final = re.compile(
    r"\*|(?P<account>\d{12})|arn:aws[a-z-]*:iam::(?P<root>\d{12}):root"
    r"|arn:aws[a-z-]*:(?:iam|sts)::\d*:[^*?]+|A[A-Z0-9]{15,}",
    re.ASCII,
)

# Condition keys that have no value because nobody here could say it, in contrast to those that a request lacks.
_UNTOLD: Final = ("aws:resourcetag/",)
TOLD_BY_SERVICES: Final = frozenset(
    {
        "iam:passedtoservice",
        "iam:permissionsboundary",
        "iam:policyarn",
        "lambda:principal",
        "lambda:sourcefunctionarn",
        "sts:externalid",
        "sts:rolesessionname",
    }
)


class InvalidPolicy(ValueError):
    """A document that cannot be enforced as it is written; the text says which part."""


class _Unresolved(Exception):
    """A variable has no value: its statement does not apply."""


class Verdict(Enum):
    """What a set of policies says of one action on one resource."""

    ALLOW = "allow"
    DELEGATED = "allowed to the caller's account"  # by a resource's policy: the caller's own policies decide
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


@dataclass(frozen=True, slots=True)
class Decision:
    """What all policies of a caller say together. reason: how AWS ends the sentence that denies it."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as the Principal of a resource's policy names them: by ARN, by account, or as a service."""

    arns: frozenset[str] = frozenset()
    account: str = ""
    service: str = ""


NOBODY: Final = Principal()
"""Who has no identity in AWS's eyes: statements for everyone count."""


def principal_of(caller: Caller) -> Principal:
    """A caller as resources' policies name it; a session also by its role."""
    arns = {caller.arn} if caller.session is None else {caller.arn, caller.session.role_arn}
    return Principal(frozenset(arns), caller.account)


_Test = Callable[[Context], bool]
_Match = Callable[[str], bool]
_MatchIn = Callable[[str, Context], bool]
_Value = Callable[[Context], str]


@dataclass(frozen=True, slots=True)
class _Principals:
    """The Principal of a statement. everyone: nobodies too; anything: services as well."""

    everyone: bool
    anything: bool
    arns: frozenset[str]
    accounts: frozenset[str]
    services: frozenset[str]

    def names(self, principal: Principal) -> bool:
        """Whether the statement is about this one itself, not only about its account."""
        if principal.service:
            return self.anything or principal.service in self.services
        return self.everyone or not self.arns.isdisjoint(principal.arns)

    def covers(self, principal: Principal) -> bool:
        return self.names(principal) or principal.account in self.accounts


@dataclass(frozen=True, slots=True)
class _Statement:
    allows: bool
    action: _Match
    resource: _MatchIn
    conditions: tuple[_Test, ...]
    principals: _Principals | None = None  # None: the policy of an identity, which is known

    def applies(self, action: str, resource: str, context: Context, principal: Principal) -> bool:
        if self.principals is not None and not self.principals.covers(principal):
            return False
        try:
            if not (self.action(action) and self.resource(resource, context)):
                return False
            for test in self.conditions:
                if not test(context):
                    return False
        except _Unresolved:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled document."""

    statements: tuple[_Statement, ...]


def evaluate(
    policies: Iterable[Policy], action: str, resource: str, context: Context, principal: Principal = NOBODY
) -> Verdict:
    """Whether `action` (`execute-api:Invoke`) on `resource` (an ARN) is allowed.

    principal: who asks, for policies of resources; DELEGATED when they allow it to the whole account of who asks.
    """
    verdict = Verdict.IMPLICIT_DENY
    for policy in policies:
        for statement in policy.statements:
            if statement.applies(action, resource, context, principal):
                if not statement.allows:
                    return Verdict.EXPLICIT_DENY
                if statement.principals is None or statement.principals.names(principal):
                    verdict = Verdict.ALLOW
                elif verdict is Verdict.IMPLICIT_DENY:
                    verdict = Verdict.DELEGATED
    return verdict


def compile_policy(document: Any, *, exact_actions: bool = False) -> Policy:
    """A policy of an identity, parsed JSON: whom it is about is known, so principals are not looked at.

    exact_actions: names of actions are told apart by case, as in what an authorizer answers.
    Raises InvalidPolicy.
    """
    variables = _has_variables(document)
    return Policy(
        tuple(
            _compile_statement(statement, variables=variables, fold=not exact_actions)
            for statement in _statements_of(document)
        )
    )


def compile_resource_policy(document: Any) -> Policy:
    """A policy of a resource, which says whom each statement is about.

    Raises InvalidPolicy, also for a statement that does not say it, or says whom it is not about.
    """
    variables = _has_variables(document)
    return Policy(
        tuple(
            replace(
                _compile_statement(statement, variables=variables, fold=True), principals=_compile_principals(statement)
            )
            for statement in _statements_of(document)
        )
    )


def compile_trust_policy(document: Any) -> Policy:
    """The policy that says who may take a role; it has no Resource, for the role is the resource.

    Raises InvalidPolicy.
    """
    statements = [
        {**statement, "Resource": "*"} if isinstance(statement, dict) else statement
        for statement in _statements_of(document)
    ]
    return compile_resource_policy({**document, "Statement": statements})


@lru_cache(maxsize=2048)
def parse_policy(text: str) -> Policy:
    """`compile_policy` of a document as it was written. Raises InvalidPolicy."""
    return compile_policy(_parse(text))


@lru_cache(maxsize=1024)
def parse_trust_policy(text: str) -> Policy:
    """`compile_trust_policy` of a document as it was written. Raises InvalidPolicy."""
    return compile_trust_policy(_parse(text))


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except InvalidPolicy:
        raise
    except (ValueError, RecursionError):
        raise InvalidPolicy("the policy is no JSON") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers could take two different values of a member that is there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidPolicy("the policy has a member twice")
    return found


def _compile_principals(statement: Any) -> _Principals:
    if "NotPrincipal" in statement or "Principal" not in statement:
        raise InvalidPolicy("a Statement of a resource policy needs Principal; NotPrincipal is not evaluated")
    principal = statement["Principal"]
    anything = principal == "*"
    if anything:
        principal = {"AWS": "*"}
    if not isinstance(principal, dict) or not principal.keys() <= {"AWS", "Service", "Federated", "CanonicalUser"}:
        raise InvalidPolicy("a Statement has a Principal that is not understood")
    names = {kind: _texts(value, "Principal") for kind, value in principal.items()}
    arns, accounts = set(), set()
    for name in names.get("AWS", []):
        match = _PRINCIPAL_OF_AWS.fullmatch(name)
        if match is None:
            raise InvalidPolicy(f"a Statement has the Principal {name!r}, which is neither an account nor an ARN")
        account = match["account"] or match["root"]
        if account:
            accounts.add(account)
        # The root user is named by the ARN that stands for its account.
        arns.add(f"arn:aws:iam::{account}:root" if account else name)
    services = frozenset(names.get("Service", []))
    return _Principals("*" in arns, anything, frozenset(arns), frozenset(accounts), services)


def _statements_of(document: Any) -> list[Any]:
    if not isinstance(document, dict):
        raise InvalidPolicy("the policy is no object")
    version = document.get("Version", "2008-10-17")
    if version not in (_WITH_VARIABLES, "2008-10-17"):
        raise InvalidPolicy(f"the policy has version {version!r}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise InvalidPolicy("the policy has no Statement")
    return statements


def _has_variables(document: Any) -> bool:
    """In policies of the older version `${…}` is text like any other."""
    return isinstance(document, dict) and document.get("Version") == _WITH_VARIABLES


def _compile_statement(statement: Any, *, variables: bool, fold: bool) -> _Statement:
    if not isinstance(statement, dict):
        raise InvalidPolicy("a Statement is no object")
    if unknown := statement.keys() - _ELEMENTS:
        raise InvalidPolicy(f"a Statement has {', '.join(sorted(map(str, unknown)))}")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise InvalidPolicy(f"a Statement has Effect {effect!r}")
    allows = effect == "Allow"
    return _Statement(
        allows,
        _compile_actions(statement, fold=fold),
        _compile_resources(statement, variables=variables),
        _compile_conditions(statement.get("Condition"), allows=allows, variables=variables),
    )


def _compile_actions(statement: Mapping[str, Any], *, fold: bool) -> _Match:
    positive, patterns = _choice(statement, "Action")
    matches = [_compile_glob(_glob(pattern), fold=fold) for pattern in patterns]
    if positive and len(matches) == 1:
        return matches[0]
    return lambda text: any(match(text) for match in matches) is positive


def _compile_resources(statement: Mapping[str, Any], *, variables: bool) -> _MatchIn:
    positive, patterns = _choice(statement, "Resource")
    matches = [_compile_like(pattern, variables=variables) for pattern in patterns]
    if positive and len(matches) == 1:
        return matches[0]

    def applies(text: str, context: Context) -> bool:
        # All of them are asked: one variable without a value, and the statement does not apply.
        matched = [match(text, context) for match in matches]
        return any(matched) is positive

    return applies


def _choice(statement: Mapping[str, Any], name: str) -> tuple[bool, list[str]]:
    """`Action` or `NotAction`, exactly one of them, and whether it is the first; the same for resources."""
    given = [key for key in (name, f"Not{name}") if key in statement]
    if len(given) != 1:
        raise InvalidPolicy(f"a Statement has not exactly one of {name} and Not{name}")
    patterns = _texts(statement[given[0]], given[0])
    if not patterns:
        raise InvalidPolicy(f"a Statement has an empty {given[0]}")
    return given[0] == name, patterns


def _texts(value: Any, name: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise InvalidPolicy(f"{name} is neither text nor a list of texts")
    return values


# patterns: `*` stands for any run of characters, `?` for one


def _glob(text: str) -> str:
    """A pattern of a policy as fnmatch has it, where brackets mean something."""
    return text.replace("[", "[[]")


def _glob_exactly(text: str) -> str:
    """The pattern that only `text` matches."""
    return re.sub(r"([*?[])", r"[\1]", text)


@lru_cache(maxsize=1024)
def _compile_glob(glob: str, *, fold: bool = False) -> _Match:
    """Linear in the text, whatever the pattern."""
    if glob == "*":
        return lambda _: True
    if not _WILD.search(glob):
        folded = glob.lower()
        return (lambda text: text.lower() == folded) if fold else (lambda text: text == glob)
    match = re.compile(fnmatch.translate(glob), re.IGNORECASE if fold else 0).match
    return lambda text: match(text) is not None


def _compile_like(pattern: str, *, variables: bool) -> _MatchIn:
    value = _compile_value(pattern, _glob, _glob_exactly, variables=variables)
    if isinstance(value, str):
        match = _compile_glob(value)
        return lambda text, _: match(text)
    return lambda text, context: _compile_glob(value(context))(text)


def _compile_value(
    text: str, literal: Callable[[str], str], exact: Callable[[str], str], *, variables: bool
) -> str | _Value:
    """A text with its variables: as it is where it has none, else what finds their values.

    literal, exact: how text of the policy, and the value of a variable, are written in the result: what a caller is
    called is never a pattern.
    """
    if not variables or "${" not in text:
        return literal(text)
    parts: list[str | tuple[str, str | None]] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        parts.append(literal(text[end : match.start()]))
        parts.append(exact(match[1]) if match[1] else (match[2].lower(), match[3]))
        end = match.end()
    parts.append(literal(text[end:]))
    if any("${" in part for part in parts if isinstance(part, str)):
        raise InvalidPolicy(f"a variable is not understood in {text!r}")
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))

    def resolve(context: Context) -> str:
        return "".join(part if isinstance(part, str) else exact(_resolve(*part, context)) for part in parts)

    return resolve


def _resolve(key: str, default: str | None, context: Context) -> str:
    values = context.get(key, ())
    if len(values) == 1:
        return values[0]
    if default is not None and not values:
        return default
    raise _Unresolved


# conditions


def _compile_conditions(conditions: Any, *, allows: bool, variables: bool) -> tuple[_Test, ...]:
    if conditions is None:
        return ()
    if not isinstance(conditions, dict):
        raise InvalidPolicy("a Condition is no object")
    tests: list[_Test] = []
    for operator, keys in conditions.items():
        if not isinstance(keys, dict):
            raise InvalidPolicy(f"the Condition {operator} is no object")
        for key, value in keys.items():
            test = _compile_condition(operator, key, value, variables=variables)
            tests.append(test if _is_told(key.lower()) else lambda _: not allows)
    return tuple(tests)


def _is_told(key: str) -> bool:
    if key.startswith(_UNTOLD):
        return False
    return key.startswith("aws:") or key in TOLD_BY_SERVICES


def _compile_condition(operator: str, key: str, value: Any, *, variables: bool) -> _Test:
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
    matches = [compile_value(one, variables) for one in values]
    # An absent key fails a condition, but those that say otherwise: IfExists, ForAllValues, negated ones.
    holds_when_absent = if_exists or quantifier == "ForAllValues" or (negated and quantifier != "ForAnyValue")
    decide = any if quantifier == "ForAnyValue" else all

    def holds(got: str, context: Context) -> bool:
        if len(matches) == 1:
            return matches[0](got, context) is not negated
        matched = [match(got, context) for match in matches]
        return any(matched) is not negated

    def test(context: Context) -> bool:
        got = context.get(lower)
        if not got:
            return holds_when_absent
        if len(got) == 1:
            return holds(got[0], context)
        return decide(holds(one, context) for one in got)

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
    return texts


def _as_it_is(text: str) -> str:
    return text


def _equals(value: str, variables: bool) -> _MatchIn:
    wanted = _compile_value(value, _as_it_is, _as_it_is, variables=variables)
    if isinstance(wanted, str):
        return lambda got, _: got == wanted
    return lambda got, context: got == wanted(context)


def _equals_folded(value: str, variables: bool) -> _MatchIn:
    wanted = _compile_value(value, _as_it_is, _as_it_is, variables=variables)
    if isinstance(wanted, str):
        folded = wanted.casefold()
        return lambda got, _: got.casefold() == folded
    return lambda got, context: got.casefold() == wanted(context).casefold()


def _like(value: str, variables: bool) -> _MatchIn:
    return _compile_like(value, variables=variables)


def _arn_like(value: str, variables: bool) -> _MatchIn:
    """The six parts of an ARN are matched one by one."""
    wanted = _compile_value(value, _glob, _glob_exactly, variables=variables)
    if not isinstance(wanted, str):
        return lambda got, context: _match_parts(_compile_parts(wanted(context)), got)
    matches = _compile_parts(wanted)
    return lambda got, _: _match_parts(matches, got)


def _compile_parts(glob: str) -> list[_Match]:
    return [_compile_glob(part) for part in glob.split(":", 5)]


def _match_parts(matches: list[_Match], got: str) -> bool:
    parts = got.split(":", 5)
    return len(parts) == len(matches) == 6 and all(map(_call, matches, parts))


def _call(match: _Match, text: str) -> bool:
    return match(text)


def _fixed(compile_value: Callable[[str], _Match]) -> Callable[[str, bool], _MatchIn]:
    """An operator whose values have no variables."""

    def compile_fixed(value: str, _variables: bool) -> _MatchIn:
        match = compile_value(value)
        return lambda got, _: match(got)

    return compile_fixed


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
    """A time, ISO 8601 (UTC unless it says otherwise) or epoch seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidPolicy(f"{text!r} is no time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


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
_OPERATORS: Final[Mapping[str, tuple[Callable[[str, bool], _MatchIn], bool]]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_folded, False),
    "StringNotEqualsIgnoreCase": (_equals_folded, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
    "BinaryEquals": (_equals, False),
    "Bool": (_fixed(_is_boolean), False),
    "IpAddress": (_fixed(_address), False),
    "NotIpAddress": (_fixed(_address), True),
    **{f"Numeric{name}": (_fixed(_compared(_number, holds)), False) for name, holds in _ORDER.items()},
    "NumericNotEquals": (_fixed(_compared(_number, _ORDER["Equals"])), True),
    **{f"Date{name}": (_fixed(_compared(_moment, holds)), False) for name, holds in _ORDER.items()},
    "DateNotEquals": (_fixed(_compared(_moment, _ORDER["Equals"])), True),
}
