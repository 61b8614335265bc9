"""Policies of roles and users: inline ones, managed ones attached to them, and the boundary that holds them all."""

import re
from typing import Any

from scopegate.account.operations.iam.managed import is_attachable, parse_policy_arn
from scopegate.account.operations.iam.owners import ROLE, USER, Owner, check_quota
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.policy_documents import check_identity_policy, render_document
from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call


def put_role_policy(call: Call, request: Shape) -> Shape:
    """PutRolePolicy: adds or replaces an inline policy."""
    return _put_inline(call, request, ROLE)


def put_user_policy(call: Call, request: Shape) -> Shape:
    """PutUserPolicy: adds or replaces an inline policy."""
    return _put_inline(call, request, USER)


def get_role_policy(call: Call, request: Shape) -> Shape:
    """GetRolePolicy."""
    return _get_inline(call, request, ROLE)


def get_user_policy(call: Call, request: Shape) -> Shape:
    """GetUserPolicy."""
    return _get_inline(call, request, USER)


def list_role_policies(call: Call, request: Shape) -> Shape:
    """ListRolePolicies: the names of inline policies."""
    return _list_inline(call, request, ROLE)


def list_user_policies(call: Call, request: Shape) -> Shape:
    """ListUserPolicies: the names of inline policies."""
    return _list_inline(call, request, USER)


def delete_role_policy(call: Call, request: Shape) -> Shape:
    """DeleteRolePolicy."""
    return _delete_inline(call, request, ROLE)


def delete_user_policy(call: Call, request: Shape) -> Shape:
    """DeleteUserPolicy."""
    return _delete_inline(call, request, USER)


def attach_role_policy(call: Call, request: Shape) -> Shape:
    """AttachRolePolicy. Attaching twice is once."""
    return _attach(call, request, ROLE)


def attach_user_policy(call: Call, request: Shape) -> Shape:
    """AttachUserPolicy. Attaching twice is once."""
    return _attach(call, request, USER)


def detach_role_policy(call: Call, request: Shape) -> Shape:
    """DetachRolePolicy."""
    return _detach(call, request, ROLE)


def detach_user_policy(call: Call, request: Shape) -> Shape:
    """DetachUserPolicy."""
    return _detach(call, request, USER)


def list_attached_role_policies(call: Call, request: Shape) -> Shape:
    """ListAttachedRolePolicies."""
    return _list_attached(call, request, ROLE)


def list_attached_user_policies(call: Call, request: Shape) -> Shape:
    """ListAttachedUserPolicies."""
    return _list_attached(call, request, USER)


def put_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """PutRolePermissionsBoundary."""
    return _put_boundary(call, request, ROLE)


def put_user_permissions_boundary(call: Call, request: Shape) -> Shape:
    """PutUserPermissionsBoundary."""
    return _put_boundary(call, request, USER)


def delete_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """DeleteRolePermissionsBoundary."""
    return _delete_boundary(call, request, ROLE)


def delete_user_permissions_boundary(call: Call, request: Shape) -> Shape:
    """DeleteUserPermissionsBoundary."""
    return _delete_boundary(call, request, USER)


def boundary_of(call: Call, arn: str | None) -> dict[str, Any]:
    """A permissions boundary, as entities hold it; {} for none."""
    if arn is None:
        return {}
    if not is_attachable(call, arn):
        raise AwsError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.")
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}}


def check_without_policies(document: dict[str, Any]) -> None:
    """Only what has no policies any more is deleted."""
    if document["AttachedPolicies"]:
        raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    if document["InlinePolicies"]:
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.")


# inline


def _put_inline(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    check_identity_policy(request["PolicyDocument"])
    inline = {**document["InlinePolicies"], request["PolicyName"]: request["PolicyDocument"]}
    # White space does not count.
    size = sum(len(re.sub(r"\s", "", text)) for text in inline.values())
    most = limit(owner.inline_limit)
    if size > most:
        name = request[owner.name_member]
        raise AwsError("LimitExceeded", f"Maximum policy size of {most} bytes exceeded for {owner.kind} {name}")
    document["InlinePolicies"] = inline
    owner.put(call, document)
    return {}


def _get_inline(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    text = document["InlinePolicies"].get(request["PolicyName"])
    if text is None:
        raise _no_inline_policy(owner, request["PolicyName"])
    return {
        owner.name_member: request[owner.name_member],
        "PolicyName": request["PolicyName"],
        "PolicyDocument": render_document(text),
    }


def _list_inline(call: Call, request: Shape, owner: Owner) -> Shape:
    page, paging = read_page(request, sorted(owner.get(call, request)["InlinePolicies"]), str)
    return {"PolicyNames": page, **paging}


def _delete_inline(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    if document["InlinePolicies"].pop(request["PolicyName"], None) is None:
        raise _no_inline_policy(owner, request["PolicyName"])
    owner.put(call, document)
    return {}


def _no_inline_policy(owner: Owner, name: str) -> AwsError:
    return AwsError("NoSuchEntity", f"The {owner.kind} policy with name {name} cannot be found.")


# managed


def _attach(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    arn = request["PolicyArn"]
    if not is_attachable(call, arn):
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if arn not in document["AttachedPolicies"]:
        count = len(document["AttachedPolicies"]) + 1
        quota = f"Cannot exceed quota for PoliciesPer{owner.entity}: {limit(owner.attached_limit)}"
        check_quota(call, owner.attached_limit, count, quota)
        document["AttachedPolicies"].append(arn)
        owner.put(call, document)
    return {}


def _detach(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    parse_policy_arn(request["PolicyArn"])
    if request["PolicyArn"] not in document["AttachedPolicies"]:
        raise AwsError("NoSuchEntity", f"Policy {request['PolicyArn']} was not found.")
    document["AttachedPolicies"].remove(request["PolicyArn"])
    owner.put(call, document)
    return {}


def _list_attached(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    prefix = request.get("PathPrefix", "/")
    found = sorted(arn for arn in document["AttachedPolicies"] if _path_of(arn).startswith(prefix))
    page, paging = read_page(request, found, str)
    attached = [{"PolicyName": parse_policy_arn(arn)[1], "PolicyArn": arn} for arn in page]
    return {"AttachedPolicies": attached, **paging}


def _path_of(arn: str) -> str:
    return arn.partition(":policy")[2].rpartition("/")[0] + "/"


# boundaries


def _put_boundary(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    document[owner.entity] |= boundary_of(call, request["PermissionsBoundary"])
    owner.put(call, document)
    return {}


def _delete_boundary(call: Call, request: Shape, owner: Owner) -> Shape:
    document = owner.get(call, request)
    if document[owner.entity].pop("PermissionsBoundary", None) is None:
        name = request[owner.name_member]
        raise AwsError("NoSuchEntity", f"{owner.entity} {name} does not have a permissions boundary.")
    owner.put(call, document)
    return {}
