"""What a caller may do.

An operator's key may do everything. A function's session may, until the policies of its role are evaluated, ask who it
is and invoke functions; it is denied the rest, in IAM's words. Operations that need no signature never come here.
Source: design, "Functions run as processes"; attack row U5; reference, lambda 6.2 and control plane 3.1 (texts).
"""

from collections.abc import Mapping
from typing import Any, Final

from scopegate.aws.models import Operation
from scopegate.aws.operations import Caller
from scopegate.aws.sigv4 import SignatureRefused
from scopegate.base import names
from scopegate.http.message import Request

_OF_SESSIONS: Final = frozenset(
    {
        ("sts", "GetCallerIdentity"),
        ("lambda", "Invoke"),
        ("lambda", "InvokeAsync"),
        ("lambda", "InvokeWithResponseStream"),
    }
)

# IAM's action where it is not the operation's name.
_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
}


def authorise(
    caller: Caller, operation: Operation, labels: Mapping[str, Any], request: Request | None, region: str
) -> None:
    """Raises SignatureRefused("denied") naming action and resource when the caller may not call this operation.

    labels: what is known of the request's members; request: the HTTP request, None for a call from inside.
    """
    if caller.session is None or (operation.service.name, operation.name) in _OF_SESSIONS:
        return
    deny(caller, *_action_and_resource(operation, labels, request, region, caller.account))


def deny(caller: Caller, action: str, resource: str) -> None:
    """Raises IAM's denial."""
    raise SignatureRefused(
        "denied",
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action",
    )


def _action_and_resource(
    operation: Operation, members: Mapping[str, Any], request: Request | None, region: str, account: str
) -> tuple[str, str]:
    service = operation.service.name
    partition = names.partition_of(region)
    if service in ("apigateway", "apigatewayv2"):
        method = str(operation.model.http["method"])
        path = request.path.decode("latin-1") if request is not None else str(operation.model.http["requestUri"])
        return f"apigateway:{method}", f"arn:{partition}:apigateway:{region}::{_printable(path)}"
    action = f"{service}:{_ACTIONS.get((service, operation.name), operation.name)}"
    resource = "*"
    if service == "cognito-idp" and isinstance(members.get("UserPoolId"), str):
        resource = names.user_pool_arn(region, account, members["UserPoolId"])
    elif service == "lambda" and isinstance(members.get("FunctionName"), str):
        name = members["FunctionName"]
        resource = name if name.startswith("arn:") else names.function_arn(region, account, name)
    elif service == "iam":
        for member, kind in (("RoleName", "role"), ("UserName", "user"), ("PolicyName", "policy")):
            if isinstance(members.get(member), str):
                resource = f"arn:{partition}:iam::{account}:{kind}/{members[member]}"
                break
        else:
            resource = str(members.get("PolicyArn", "*"))
    return action, _printable(resource)


def _printable(text: str) -> str:
    return "".join(character for character in text[:512] if character.isprintable())
