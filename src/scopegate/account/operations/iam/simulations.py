"""What a user or a role would be allowed, without calling anything.

Source: IAM API reference, SimulatePrincipalPolicy.
"""

from functools import partial
from typing import Any

from scopegate.account import queries
from scopegate.account.identities import Identities, caller_of
from scopegate.account.operations.iam.owners import OWNERS
from scopegate.aws.operations import Caller, RoleSession, Shape
from scopegate.aws.policy import Decision, Verdict
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.ports import Call

_NOT_BUILT = (
    "CallerArn",
    "PermissionsBoundaryPolicyInputList",
    "PolicyExclusionList",
    "PolicyInputList",
    "ResourceHandlingOption",
    "ResourceOwner",
    "ResourcePolicy",
)
_SESSION = "simulation"


def simulate_principal_policy(call: Call, request: Shape) -> Shape:
    """SimulatePrincipalPolicy. Partly: by the policies that a user or role has; no others are added or left out."""
    unknown = [member for member in _NOT_BUILT if request.get(member)]
    if unknown:
        raise AwsError(
            "InvalidInput", f"SimulatePrincipalPolicy takes no {', '.join(unknown)} yet; see docs/coverage.md"
        )
    caller = _caller(call, request["PolicySourceArn"])
    identities = Identities(partial(queries.find_entity, call.tx))
    context = {
        entry["ContextKeyName"].lower(): entry["ContextKeyValues"]
        for entry in request.get("ContextEntries", ())
        if "ContextKeyName" in entry and entry.get("ContextKeyValues")
    }
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _render(identities.allows(caller, action, resource, context)),
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in request["ActionNames"]
            for resource in request.get("ResourceArns") or ["*"]
        ],
        "IsTruncated": False,
    }


def _caller(call: Call, arn: str) -> Caller:
    """Who a user or role would be, calling. Raises NoSuchEntity."""
    found = names.find_arn(arn)
    kind, _, name = (found.resource if found is not None else "").partition("/")
    for owner in OWNERS:
        if found is None or found.service != "iam" or kind != owner.kind:
            continue
        entity: dict[str, Any] = owner.get(call, {owner.name_member: name.rpartition("/")[2]})[owner.entity]
        if entity["Arn"] != arn:
            break
        if owner.kind == "user":
            return Caller(call.account, arn, entity["UserId"], "", user=entity["UserName"])
        return caller_of(RoleSession(arn, _SESSION, entity["RoleId"]), "")
    raise AwsError("NoSuchEntity", f"The entity with ARN {arn} cannot be found.")


def _render(decision: Decision) -> str:
    if decision.verdict is Verdict.ALLOW:
        return "allowed"
    # What a boundary does not allow is denied to policies of resources as well, yet by nobody's word.
    return "explicitDeny" if decision.reason.startswith("with") else "implicitDeny"
