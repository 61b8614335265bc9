"""A function's resource policy: its statements, and what of them decides which service may invoke it, for what.

Source: reference, Lambda, "Permissions": rendering and evaluation for services.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scopegate.aws.policy import InvalidPolicy, Policy, Principal, Verdict, compile_resource_policy, evaluate


def compile_statements(statements: Sequence[Mapping[str, Any]]) -> Policy:
    """The stored policy of a function, or of what is addressed of it: that is the one resource of its statements.

    They only allow; one that cannot be evaluated allows nothing.
    """
    policies = []
    for statement in statements:
        # Without a Version `${` is text: what a service calls for has no variables.
        document = {"Statement": {**statement, "Resource": "*"}}
        with contextlib.suppress(InvalidPolicy):
            policies.append(compile_resource_policy(document))
    return Policy(tuple(statement for policy in policies for statement in policy.statements))


def allows_service(policy: Policy, service: str, action: str, source_arn: str | None, account: str) -> bool:
    """Whether a service may call; source_arn: what it calls for; account: of the function."""
    context = {"aws:sourceaccount": [account]}
    if source_arn is not None:
        context = {"aws:sourceaccount": source_arn.split(":", 5)[4:5], "aws:sourcearn": [source_arn]}
    return evaluate((policy,), action, "", context, Principal(service=service)) is Verdict.ALLOW


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
