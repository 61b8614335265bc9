"""The resource policy of a REST API: who may reach it at all, beside what each method asks for.

Callers of methods without AWS_IAM have no identity in AWS's sense, so statements for everyone (`*`) count. Without an
authorizer, and with a user pool, the policy has to allow the call; with a Lambda authorizer a Deny refuses before the
function is asked, and then either may allow. With AWS_IAM it is asked beside the caller's own policies.
Source: reference, "REST: resource policy".
"""

from __future__ import annotations

import orjson

from scopegate.aws.policy import (
    NOBODY,
    InvalidPolicy,
    Policy,
    Principal,
    Verdict,
    compile_resource_policy,
    evaluate,
)
from scopegate.aws.rights import describe_caller, describe_request
from scopegate.base.errors import GatewayRefusal
from scopegate.base.names import execute_api_arn
from scopegate.gateway.model import ApiCall, Closed, Step

ACTION = "execute-api:Invoke"


def compile_policy_of(text: str | None) -> Policy | None:
    """The stored policy of an API; None when it has none. Raises Closed for one that cannot be enforced."""
    if not text:
        return None
    try:
        return compile_resource_policy(orjson.loads(text))
    except (InvalidPolicy, orjson.JSONDecodeError) as error:
        raise Closed(f"the resource policy cannot be enforced: {error}") from None


def method_arn(call: ApiCall) -> str:
    """The ARN of what is called: verb and path as they came, not the route's template."""
    return _arn(call, call.api.account)


def _arn(call: ApiCall, account: str) -> str:
    path = call.match_path.removeprefix("/")
    return execute_api_arn(call.api.region, account, call.api.api_id, f"{call.found_stage.name}/{call.method}/{path}")


def conditions(call: ApiCall) -> dict[str, list[str]]:
    """The condition keys that the gateway knows of a call. An API is spoken to by TLS alone, whatever is before it."""
    known = describe_request(call.request, call.api.region, call.started_at)
    known["aws:securetransport"] = ["true"]
    return known if call.caller is None else known | describe_caller(call.caller)


def judge(policy: Policy | None, call: ApiCall, principal: Principal = NOBODY) -> Verdict:
    """What the policy says of a call; an API without one says nothing."""
    if policy is None:
        return Verdict.IMPLICIT_DENY
    return evaluate((policy,), ACTION, method_arn(call), conditions(call), principal)


def refuse(call: ApiCall, verdict: Verdict, why: str = "") -> GatewayRefusal:
    """In AWS's words, the account masked. why: where an explicit deny stands, if not in the API's own policy."""
    resource = _arn(call, f"{'*' * 8}{call.api.account[-4:]}")
    who = "anonymous" if call.caller is None else call.caller.arn
    message = f"User: {who} is not authorized to perform: {ACTION} on resource: {resource}"
    if verdict is Verdict.EXPLICIT_DENY:
        message += f" {why or 'with an explicit deny in a resource-based policy'}"
    decided = "the API's resource policy" if call.caller is None else "the policies of caller and API"
    return GatewayRefusal("ACCESS_DENIED", message, reason=f"{decided}: {why or verdict.value}")


def compile_step(policy: Policy) -> Step:
    """The step of a method that the policy alone has to allow."""

    def check(call: ApiCall) -> None:
        verdict = judge(policy, call)
        if verdict is not Verdict.ALLOW:
            raise refuse(call, verdict)

    return check
