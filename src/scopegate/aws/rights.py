"""What a caller asks for, in IAM's words: the action and the resource of every operation; and whether it may.

The account's root and operators' keys may do everything; a function's session, a session by AssumeRole and an IAM
user what their policies allow (`ports.Allows`); the rest is denied in AWS's words. Operations that need no signature
never come here. Which role somebody may hand to a service is asked where the role is set, by `check_pass_role`.
Source: Service Authorization Reference; design, "Functions run as processes"; attack row U5; reference, lambda 6.2 and
control plane 3.1 (texts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from scopegate.aws.policy import Context, Decision, Verdict
from scopegate.aws.sigv4 import SignatureRefused
from scopegate.base import names
from scopegate.base.errors import AwsError

if TYPE_CHECKING:
    from scopegate.aws.models import Operation
    from scopegate.aws.operations import CallContext, Caller
    from scopegate.http.message import Request

Allows = Callable[["Caller", str, str, Context], Decision]

# Nobody needs a right for these, or the operation asks for it itself.
_OPEN: Final = frozenset({("sts", "GetCallerIdentity"), ("sts", "AssumeRole")})

# IAM's action where it is not the operation's name.
_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """An operation with what is known of its members, which nobody has validated yet."""

    operation: Operation
    members: Mapping[str, Any]
    region: str
    caller: Caller

    @property
    def partition(self) -> str:
        return names.partition_of(self.region)

    def text(self, *members: str) -> str:
        """The first of these members that is there, "" for none."""
        return next((self.members[name] for name in members if isinstance(self.members.get(name), str)), "")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.caller.account}:{resource}"

    def iam_arn(self, resource: str) -> str:
        return f"arn:{self.partition}:iam::{self.caller.account}:{resource}"


def authorise(allows: Allows, caller: Caller, operation: Operation, members: Mapping[str, Any], known: Context) -> None:
    """Raises SignatureRefused("denied") naming action and resource when the caller may not call this operation.

    members: of the request, not validated yet. known: what is known of the request, as `describe_request` says it.
    """
    if not is_limited(caller) or (operation.service.name, operation.name) in _OPEN:
        return
    asked = _Asked(operation, members, known["aws:requestedregion"][0], caller)
    context = {**known, **_describe_members(asked)}
    for action, resource in ((_action(asked), _resource(asked)), *_asked_beside(asked)):
        check(allows, caller, action, resource, context)


def is_limited(caller: Caller) -> bool:
    """Whether the policies of a caller decide what it may do."""
    return caller.session is not None or caller.user is not None


def check(allows: Allows, caller: Caller, action: str, resource: str, context: Context) -> None:
    """Raises SignatureRefused("denied") in IAM's words."""
    decision = allows(caller, action, resource, context)
    if decision.verdict is not Verdict.ALLOW:
        raise SignatureRefused("denied", denial(caller, action, resource, decision))


def denial(caller: Caller, action: str, resource: str, decision: Decision) -> str:
    """IAM's sentence, printable whatever a caller wrote."""
    shown = _printable(resource)
    return f"User: {caller.arn} is not authorized to perform: {action} on resource: {shown} {decision.reason}"


def check_pass_role(call: CallContext[Any], role_arn: str, service: str) -> None:
    """Whether a caller may hand this role to a service: who may not, could give itself the rights of any role.

    Raises AwsError.
    """
    if not is_limited(call.caller):
        return
    decision = call.ports.allows(call.caller, "iam:PassRole", role_arn, {"iam:passedtoservice": [service]})
    if decision.verdict is not Verdict.ALLOW:
        message = denial(call.caller, "iam:PassRole", role_arn, decision)
        raise AwsError("AccessDeniedException", message, status=403)


def describe_request(request: Request | None, region: str, now: float) -> dict[str, list[str]]:
    """The condition keys about a request; of a call from inside little is known."""
    found = {
        "aws:currenttime": str(now),
        "aws:epochtime": str(int(now)),
        "aws:requestedregion": region,
        "aws:securetransport": "true",
    }
    if request is not None:
        found["aws:sourceip"] = request.peer[0]
        for key, header in (("aws:useragent", b"user-agent"), ("aws:referer", b"referer")):
            if (value := request.find_text(header)) is not None:
                found[key] = value
    return {key: [value] for key, value in found.items()}


def describe_caller(caller: Caller) -> dict[str, list[str]]:
    """The condition keys about who calls, but for tags."""
    session = caller.session
    kind, _, name = caller.arn.rpartition(":")[2].partition("/")
    found = {
        "aws:principalaccount": caller.account,
        "aws:principalarn": caller.arn if session is None else session.role_arn,
        "aws:principalisawsservice": "false",
        "aws:principaltype": {"user": "User", "root": "Account"}.get(kind, "AssumedRole"),
        "aws:userid": caller.user_id,
        "aws:viaawsservice": "false",
    }
    if kind == "user":
        found["aws:username"] = name.rpartition("/")[2]
    if session is not None:
        found["aws:multifactorauthpresent"] = "false"
        found["aws:tokenissuetime"] = str(session.issued_at)
        if session.service == "lambda.amazonaws.com" and session.source_arn:
            found["lambda:sourcefunctionarn"] = session.source_arn
    return {key: [value] for key, value in found.items()}


def _describe_members(asked: _Asked) -> dict[str, list[str]]:
    """The condition keys about what is asked for."""
    found: dict[str, list[str]] = {}
    tags = next((asked.members[name] for name in ("Tags", "tags", "UserPoolTags") if name in asked.members), None)
    keys: list[Any] = []
    if isinstance(tags, list):
        tags = {tag.get("Key"): tag.get("Value") for tag in tags if isinstance(tag, dict)}
    if isinstance(tags, dict):
        found |= {f"aws:requesttag/{str(key).lower()}": [str(value)] for key, value in tags.items()}
        keys += tags
    removed = asked.members.get("TagKeys", asked.members.get("tagKeys"))
    keys += removed if isinstance(removed, list) else []
    if keys:
        found["aws:tagkeys"] = [str(key) for key in keys]
    service = asked.operation.service.name
    for key, member, of in (
        ("iam:permissionsboundary", "PermissionsBoundary", "iam"),
        ("iam:policyarn", "PolicyArn", "iam"),
        ("lambda:principal", "Principal", "lambda"),
    ):
        if service == of and (text := asked.text(member)):
            found[key] = [text]
    return found


def _action(asked: _Asked) -> str:
    service, name = asked.operation.service.name, asked.operation.name
    if service in ("apigateway", "apigatewayv2"):
        return f"apigateway:{asked.operation.model.http['method']}"
    return f"{service}:{_ACTIONS.get((service, name), name)}"


def _asked_beside(asked: _Asked) -> Iterator[tuple[str, str]]:
    """What some operations need beside their own action: who may change an API need not be who says for whom it is,
    and a layer is read by the function that has it."""
    name, members = asked.operation.name, asked.members
    if asked.operation.service.name == "apigateway":
        operations = members.get("patchOperations")
        paths = [one.get("path") for one in operations if isinstance(one, dict)] if isinstance(operations, list) else []
        patched = name == "UpdateRestApi" and any(str(path).startswith("/policy") for path in paths)
        body = members.get("body")
        # Escapes could spell the extension otherwise.
        imported = isinstance(body, bytes) and (b"apigateway-policy" in body or b"\\" in body)
        if patched or imported or (name == "CreateRestApi" and "policy" in members):
            yield "apigateway:UpdateRestApiPolicy", _resource(asked)
    layers = members.get("Layers")
    if asked.operation.service.name == "lambda" and isinstance(layers, list):
        yield from (("lambda:GetLayerVersion", layer) for layer in layers if isinstance(layer, str))


# The resource of an operation, by its service


def _resource(asked: _Asked) -> str:
    find = _RESOURCES.get(asked.operation.service.name)
    return (find(asked) if find is not None else "") or "*"


def _user_pool(asked: _Asked) -> str:
    pool_id = asked.text("UserPoolId")
    if pool_id:
        return asked.arn("cognito-idp", f"userpool/{pool_id}")
    return asked.text("ResourceArn")


def _api(asked: _Asked) -> str:
    """The path of an operation, without the version of API Gateway's second API; what stands in it is escaped."""
    path = str(asked.operation.model.http["requestUri"]).partition("?")[0].removeprefix("/v2")
    shape = asked.operation.model.input_shape
    for name, member in (shape.members if shape is not None else {}).items():
        if member.serialization.get("location") == "uri":
            value = quote(asked.text(name), safe="$")
            wire = member.serialization.get("name", name)
            path = path.replace(f"{{{wire}}}", value).replace(f"{{{wire}+}}", value)
    return f"arn:{asked.partition}:apigateway:{asked.region}::{path}"


def _function(asked: _Asked) -> str:
    """A function as addressed; a layer, by name or by its version; what carries tags."""
    named = names.FUNCTION_NAME.fullmatch(asked.text("FunctionName"))
    if named is not None:
        region, account = named["region"] or asked.region, named["account"] or asked.caller.account
        qualifier = named["qualifier"] or asked.text("Qualifier")
        return names.function_arn(region, account, named["name"], qualifier or None)
    layer = asked.text("LayerName", "Arn")
    if layer:
        if not layer.startswith("arn:"):
            layer = asked.arn("lambda", f"layer:{layer}")
        version = asked.members.get("VersionNumber")
        return f"{layer}:{version}" if isinstance(version, int) else layer
    return asked.text("Resource")


def _identity(asked: _Asked) -> str:
    """A role, user or policy; calls name them without their paths, which `ports.Allows` knows."""
    name = asked.operation.name
    path = asked.text("Path") or "/"
    for member, kind in (("RoleName", "role"), ("UserName", "user"), ("GroupName", "group")):
        if asked.text(member):
            return asked.iam_arn(kind + path + asked.text(member))
    if asked.text("PolicyArn"):
        return asked.text("PolicyArn")
    if name == "CreatePolicy":
        return asked.iam_arn(f"policy{path}{asked.text('PolicyName')}")
    if name in ("ListRoles", "ListUsers"):
        return asked.iam_arn(f"{name[4:-1].lower()}{asked.text('PathPrefix') or '/'}")
    if name in _OF_THEMSELVES and asked.caller.user is not None:
        return asked.caller.arn
    return ""


# Without a UserName, these are about the user who calls.
_OF_THEMSELVES: Final = frozenset(
    {"CreateAccessKey", "DeleteAccessKey", "GetUser", "ListAccessKeys", "UpdateAccessKey"}
)


def _stack(asked: _Asked) -> str:
    name = asked.text("StackName", "StackId")
    return name if name.startswith("arn:") or not name else asked.arn("cloudformation", f"stack/{name}/*")


def _log_group(asked: _Asked) -> str:
    group = asked.text("logGroupName", "logGroupIdentifier", "resourceArn", "logGroupNamePrefix")
    if group.startswith("arn:"):
        return group
    return asked.arn("logs", f"log-group:{group}:log-stream:{asked.text('logStreamName')}")


_RESOURCES: Final[Mapping[str, Callable[[_Asked], str]]] = {
    "apigateway": _api,
    "apigatewayv2": _api,
    "cloudformation": _stack,
    "cognito-idp": _user_pool,
    "iam": _identity,
    "lambda": _function,
    "logs": _log_group,
    "sts": lambda asked: asked.text("RoleArn"),
}


def _printable(text: str) -> str:
    return "".join(character for character in text[:1600] if character.isprintable())
