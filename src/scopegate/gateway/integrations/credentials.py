"""As whom the gateway invokes a function: as API Gateway, with a role, or with the credentials of who calls.

As API Gateway, the function's own policy decides when it is invoked. A role has to be here and to trust API Gateway;
the caller's own credentials are there on routes with AWS_IAM alone. What either may is asked at each call.
Source: reference, control plane, "ARNs" (`credentials`), section 7.4 (`InvokeRole`); run time, "REST AWS integrations".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scopegate.aws.operations import Caller
from scopegate.aws.policy import Verdict
from scopegate.base.names import execute_api_arn, find_arn
from scopegate.gateway.mapping import put_stage_variables
from scopegate.gateway.model import ApiCall, Closed, RouteSpec

PRINCIPAL: Final = "apigateway.amazonaws.com"
_ACTION: Final = "lambda:InvokeFunction"
_SESSION: Final = "BackplaneAssumeRoleSession"  # as AWS's own errors name it
_CALLERS_OWN: Final = re.compile(r"arn:aws[a-z-]*:iam::\*:user/\*", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class InvokedAs:
    """principal: the service whose permission the function's policy decides over; None when `why_not` has decided.

    why_not: why the function may not be invoked for a call, "" when it may.
    """

    principal: str | None
    why_not: Callable[[ApiCall], str]


def compile_credentials(text: str, spec: RouteSpec, function: str) -> InvokedAs:
    """The stored `credentials` of an integration or authorizer. Raises Closed for what could never be decided."""
    if not text:
        return InvokedAs(PRINCIPAL, lambda _: "")
    credentials = put_stage_variables(text, spec.variables)
    arn, called = find_arn(credentials), find_arn(function)
    assert called is not None  # `function_of` made sure
    if _CALLERS_OWN.fullmatch(credentials):
        if not spec.signed:
            raise Closed("the caller's own credentials are there with AWS_IAM authorization alone")
        return InvokedAs(None, lambda call: _why_caller_may_not(call, function, called.account))
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise Closed(f"the credentials {credentials!r} are no role")
    if arn.account != called.account:
        raise Closed(f"whether {credentials} may invoke a function of another account is not evaluated yet")
    source = execute_api_arn(spec.region, spec.account, spec.api_id, f"{spec.stage_name}/*")
    context = {"aws:sourcearn": [source], "aws:sourceaccount": [spec.account]}

    def why_role_may_not(call: ApiCall) -> str:
        caller = call.edge.ports.assume_role(credentials, PRINCIPAL, _SESSION, context)
        if caller is None:
            return f"{credentials} does not exist, or does not trust {PRINCIPAL}"
        return _why_not_allowed(call, caller, function)

    return InvokedAs(None, why_role_may_not)


def _why_caller_may_not(call: ApiCall, function: str, account: str) -> str:
    caller = call.caller
    if caller is None:
        return "nobody signed the call"
    if caller.account != account:
        return "whether the caller may invoke a function of another account is not evaluated yet"
    return _why_not_allowed(call, caller, function)


def _why_not_allowed(call: ApiCall, caller: Caller, function: str) -> str:
    decision = call.edge.ports.allows(caller, _ACTION, function, {})
    if decision.verdict is Verdict.ALLOW:
        return ""
    return f"{caller.arn} is not authorized to perform {_ACTION} {decision.reason}".rstrip()
