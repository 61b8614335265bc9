"""AssumeRole: credentials of a role for whom it trusts.

Source: AWS STS API reference, AssumeRole; IAM User Guide, "Cross-account policy evaluation logic", "Session policies",
"Passing session tags".
"""

from functools import partial
from typing import Any

from scopegate.account import queries, sessions
from scopegate.account.identities import ASSUME_ROLE, TAG_SESSION, Identities
from scopegate.aws.operations import Shape
from scopegate.aws.policy import InvalidPolicy, parse_policy
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call

_DEFAULT_S = 3_600
_NOT_BUILT = ("ProvidedContexts", "SerialNumber", "SourceIdentity", "TokenCode", "TransitiveTagKeys")


async def assume_role(call: Call, request: Shape) -> Shape:
    """AssumeRole. Partly: without MFA, source identities, contexts and transitive tags."""
    unknown = [member for member in _NOT_BUILT if request.get(member)]
    if unknown:
        raise AwsError("ValidationError", f"AssumeRole takes no {', '.join(unknown)} yet; see docs/coverage.md")
    role = await call.read(lambda tx: _assumed(call, Identities(partial(queries.find_entity, tx)), request))
    session = sessions.mint_session(
        call.seal,
        role["Arn"],
        request["RoleSessionName"],
        role_id=role["RoleId"],
        policies=_session_policies(request),
        tags=tuple((tag["Key"], tag["Value"]) for tag in request.get("Tags", ())),
        lifetime_s=_lifetime_s(call, request, role),
    )
    token = session.session_token or ""
    if len(token) > sessions.LONGEST_TOKEN:
        raise AwsError("PackedPolicyTooLarge", "The session's policies and tags are too large together.")
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret.decode("ascii"),
            "SessionToken": token,
            "Expiration": float(session.expires_at or 0),
        },
        "AssumedRoleUser": {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn},
        "PackedPolicySize": len(token) * 100 // sessions.LONGEST_TOKEN,
    }


def _assumed(call: Call, identities: Identities, request: Shape) -> Any:
    """The role, if the caller may take it: from outside a role that is not there looks like one that trusts others."""
    role_arn = request["RoleArn"]
    tags = request.get("Tags", ())
    context = {
        "aws:currenttime": [str(call.now)],
        "aws:epochtime": [str(int(call.now))],
        "aws:requestedregion": [call.region],
        "sts:rolesessionname": [request["RoleSessionName"]],
        **({"aws:sourceip": [call.peer]} if call.peer else {}),
        **({"sts:externalid": [request["ExternalId"]]} if "ExternalId" in request else {}),
        **({"aws:tagkeys": [tag["Key"] for tag in tags]} if tags else {}),
        **{f"aws:requesttag/{tag['Key'].lower()}": [tag["Value"]] for tag in tags},
    }
    for action in (ASSUME_ROLE, TAG_SESSION) if tags else (ASSUME_ROLE,):
        if not identities.may_assume(call.caller, action, role_arn, context):
            raise AwsError(
                "AccessDenied",
                f"User: {call.caller.arn} is not authorized to perform: {action} on resource: {role_arn}",
                status=403,
            )
    role = identities.find_role(role_arn)
    assert role is not None
    return role["Role"]


def _lifetime_s(call: Call, request: Shape, role: Shape) -> int:
    asked = int(request.get("DurationSeconds", _DEFAULT_S))
    if asked > role["MaxSessionDuration"]:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if call.caller.session is not None and asked > _DEFAULT_S:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    return asked


def _session_policies(request: Shape) -> tuple[str, ...]:
    arns = [policy["arn"] for policy in request.get("PolicyArns", ()) if "arn" in policy]
    if len(arns) > limit("account.iam.session_policies"):
        raise AwsError("ValidationError", "A session takes at most 10 managed policies.")
    if any(names.find_arn(arn) is None for arn in arns):
        raise AwsError("ValidationError", "Invalid ARN in PolicyArns")
    if "Policy" not in request:
        return tuple(arns)
    try:
        parse_policy(request["Policy"])
    except InvalidPolicy as error:
        raise AwsError("MalformedPolicyDocument", f"Syntax errors in policy: {error}.") from None
    return (*arns, request["Policy"])
