"""The resource policy of a REST API: what is stored, and the odd form in which AWS shows it.

Whether a policy allows a call is decided on the data plane. Source: reference, control plane, section 1.4; data plane,
section 3.6.
"""

import json
from typing import Any, Final

from scopegate.base import names
from scopegate.base.limits import limit
from scopegate.gateway.operations.apigateway.refusals import bad_request

_INVALID: Final = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
_SHORT: Final = "execute-api:/"


def _expanded(value: Any, arn: str) -> Any:
    if isinstance(value, list):
        return [_expanded(each, arn) for each in value]
    if isinstance(value, str) and value.startswith(_SHORT):
        return f"{arn}{value.removeprefix(_SHORT)}"
    return value


def _has_one(statement: dict[str, Any], member: str) -> bool:
    """Whether a member of a statement, or what says the contrary, is there, and not both."""
    return (member in statement) is not (f"Not{member}" in statement)


def parse_policy(text: str, region: str, account: str, api_id: str) -> str:
    """The policy as stored: compact JSON, with `execute-api:/stage/VERB/path` expanded to the API's ARN.

    Raises AwsError: BadRequestException for what is no policy document, or a long one.
    """
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise bad_request(_INVALID) from None
    if not isinstance(policy, dict) or len(text) > limit("gateway.rest.policy_characters"):
        raise bad_request(_INVALID)
    statements = policy.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not all(isinstance(each, dict) for each in statements):
        raise bad_request(_INVALID)
    arn = names.execute_api_arn(region, account, api_id, "")
    for statement in statements:
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise bad_request(_INVALID)
        if not all(_has_one(statement, member) for member in ("Principal", "Action")):
            raise bad_request(_INVALID)
        for member in ("Resource", "NotResource"):
            if member in statement:
                statement[member] = _expanded(statement[member], arn)
    return json.dumps({**policy, "Statement": statements}, separators=(",", ":"), ensure_ascii=False)


def render_policy(policy: str) -> str:
    """The policy as AWS answers it: JSON text inside JSON text, escaped once more than it need be."""
    return json.dumps(policy, ensure_ascii=False)[1:-1].replace("/", "\\/")
