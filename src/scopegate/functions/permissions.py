"""A function's resource policy: which service may invoke it, for what.

Source: reference, Lambda, "Permissions": rendering and evaluation for services.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """An Allow statement, ready to ask. principal: a service's name or `*`. source_arn: per ARN part, a pattern."""

    principal: str
    action: re.Pattern[str]
    source_arn: tuple[re.Pattern[str], ...] | None
    source_account: str | None
    unanswerable: bool  # has a condition that no service of ours can meet

    def allows(self, principal: str, action: str, source_arn: str | None, source_account: str) -> bool:
        if self.unanswerable or self.principal not in (principal, "*") or not self.action.fullmatch(action):
            return False
        if self.source_account is not None and self.source_account != source_account:
            return False
        if self.source_arn is None:
            return True
        if source_arn is None:
            return False
        parts = source_arn.split(":", 5)
        return len(parts) == len(self.source_arn) and all(
            pattern.fullmatch(part) for pattern, part in zip(self.source_arn, parts, strict=True)
        )


def compile_statements(statements: Sequence[Mapping[str, Any]]) -> tuple[Statement, ...]:
    """The statements of a stored policy, in order."""
    return tuple(_compile(statement) for statement in statements)


def _compile(statement: Mapping[str, Any]) -> Statement:
    principal = statement["Principal"]
    name = principal if isinstance(principal, str) else principal.get("Service", "")
    conditions: Mapping[str, Mapping[str, str]] = statement.get("Condition", {})
    arn = conditions.get("ArnLike", {}).get("AWS:SourceArn")
    account = conditions.get("StringEquals", {}).get("AWS:SourceAccount")
    known = {("ArnLike", "AWS:SourceArn"), ("StringEquals", "AWS:SourceAccount")}
    others = {(operator, key) for operator, keys in conditions.items() for key in keys} - known
    return Statement(
        name,
        re.compile(_like(statement["Action"]).pattern, re.IGNORECASE),  # actions are told apart without case
        None if arn is None else tuple(_like(part) for part in arn.split(":", 5)),
        account,
        bool(others),
    )


def _like(pattern: str) -> re.Pattern[str]:
    """`*` and `?` as IAM means them; everything else is itself."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def render_statement(request: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """The statement that AddPermission makes, members in Lambda's order. principal: checked by the caller."""
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": render_principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource,
    }
    equals = {
        key: request[member]
        for member, key in (
            ("SourceAccount", "AWS:SourceAccount"),
            ("EventSourceToken", "lambda:EventSourceToken"),
            ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
            ("PrincipalOrgID", "aws:PrincipalOrgID"),
        )
        if request.get(member) is not None
    }
    condition: dict[str, Any] = {}
    if equals:
        condition["StringEquals"] = equals
    if request.get("InvokedViaFunctionUrl"):
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    if request.get("SourceArn") is not None:
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if condition:
        statement["Condition"] = condition
    return statement


def render_principal(principal: str) -> str | dict[str, str]:
    if principal == "*":
        return "*"
    if re.fullmatch(r"\d{12}", principal, re.ASCII):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return {"AWS": principal} if principal.startswith("arn:") else {"Service": principal}


def is_principal(principal: str) -> bool:
    """Whether a principal has one of the forms that Lambda takes."""
    return bool(
        principal == "*"
        or re.fullmatch(r"\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:\S+", principal, re.ASCII)
        or re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com)", principal, re.ASCII)
    )
