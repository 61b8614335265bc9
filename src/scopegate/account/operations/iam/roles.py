"""Roles: create, get, list, update, delete; trust policy, permissions boundary, tags.

Source: IAM API reference; recorded answers: CreateRole has no MaxSessionDuration, GetRole has RoleLastUsed, lists have
neither tags nor boundary.
"""

from typing import Any

from scopegate.account import queries
from scopegate.account.model import new_unique_id
from scopegate.account.operations.iam.managed import is_attachable
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.policy_documents import check_trust_policy, render_document
from scopegate.account.operations.iam.role_lookup import check_quota, get_role_document, put_role_document
from scopegate.account.operations.iam.tags import drop_tags, merge_tags, render_tags
from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.ports import Call

_SESSION_S = 3_600


def create_role(call: Call, request: Shape) -> Shape:
    """CreateRole."""
    name = request["RoleName"]
    path = request.get("Path", "/")
    _check_trust_policy(call, request["AssumeRolePolicyDocument"])
    if _find_role_without_case(call, name):
        raise AwsError("EntityAlreadyExists", f"Role with name {name} already exists.")
    role: dict[str, Any] = {
        "Path": path,
        "RoleName": name,
        "RoleId": new_unique_id("AROA"),
        "Arn": f"arn:{names.partition_of(call.region)}:iam::{call.account}:role{path}{name}",
        "CreateDate": call.now,
        "AssumeRolePolicyDocument": request["AssumeRolePolicyDocument"],
        "MaxSessionDuration": request.get("MaxSessionDuration", _SESSION_S),
    }
    if request.get("Description"):
        role["Description"] = request["Description"]
    if "PermissionsBoundary" in request:
        role["PermissionsBoundary"] = _boundary(call, request["PermissionsBoundary"])
    document = {
        "Role": role,
        "Tags": merge_tags({}, request.get("Tags", [])),
        "InlinePolicies": {},
        "AttachedPolicies": [],
    }
    put_role_document(call, document)
    shown = _rendered(document, tags=True)
    # Recorded: the answer to CreateRole leaves out what GetRole has, even when it was given.
    del shown["MaxSessionDuration"]
    return {"Role": shown}


def get_role(call: Call, request: Shape) -> Shape:
    """GetRole."""
    document = get_role_document(call, request["RoleName"])
    return {"Role": {**_rendered(document, tags=True), "RoleLastUsed": {}}}


def list_roles(call: Call, request: Shape) -> Shape:
    """ListRoles, in the order of names."""
    prefix = request.get("PathPrefix", "/")
    roles = queries.list_entities(call.tx, call.account, "role")
    found = [document for _, document in roles if document["Role"]["Path"].startswith(prefix)]
    page, paging = read_page(request, found, lambda document: document["Role"]["RoleName"])
    shown = [_rendered(document) for document in page]
    for role in shown:
        role.pop("PermissionsBoundary", None)
    return {"Roles": shown, **paging}


def update_role(call: Call, request: Shape) -> Shape:
    """UpdateRole."""
    document = get_role_document(call, request["RoleName"])
    for member in ("Description", "MaxSessionDuration"):
        if member in request:
            document["Role"][member] = request[member]
    put_role_document(call, document)
    return {}


def update_role_description(call: Call, request: Shape) -> Shape:
    """UpdateRoleDescription: the older form of UpdateRole."""
    document = get_role_document(call, request["RoleName"])
    document["Role"]["Description"] = request["Description"]
    put_role_document(call, document)
    return {"Role": _rendered(document)}


def update_assume_role_policy(call: Call, request: Shape) -> Shape:
    """UpdateAssumeRolePolicy."""
    document = get_role_document(call, request["RoleName"])
    _check_trust_policy(call, request["PolicyDocument"])
    document["Role"]["AssumeRolePolicyDocument"] = request["PolicyDocument"]
    put_role_document(call, document)
    return {}


def delete_role(call: Call, request: Shape) -> Shape:
    """DeleteRole: only without policies."""
    document = get_role_document(call, request["RoleName"])
    if document["AttachedPolicies"]:
        raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    if document["InlinePolicies"]:
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.")
    queries.delete_entity(call.tx, call.account, "role", document["Role"]["RoleName"])
    return {}


def put_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """PutRolePermissionsBoundary."""
    document = get_role_document(call, request["RoleName"])
    document["Role"]["PermissionsBoundary"] = _boundary(call, request["PermissionsBoundary"])
    put_role_document(call, document)
    return {}


def delete_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """DeleteRolePermissionsBoundary."""
    document = get_role_document(call, request["RoleName"])
    if document["Role"].pop("PermissionsBoundary", None) is None:
        raise AwsError("NoSuchEntity", f"Role {request['RoleName']} does not have a permissions boundary.")
    put_role_document(call, document)
    return {}


def tag_role(call: Call, request: Shape) -> Shape:
    """TagRole."""
    document = get_role_document(call, request["RoleName"])
    document["Tags"] = merge_tags(document["Tags"], request["Tags"])
    put_role_document(call, document)
    return {}


def untag_role(call: Call, request: Shape) -> Shape:
    """UntagRole."""
    document = get_role_document(call, request["RoleName"])
    document["Tags"] = drop_tags(document["Tags"], request["TagKeys"])
    put_role_document(call, document)
    return {}


def list_role_tags(call: Call, request: Shape) -> Shape:
    """ListRoleTags."""
    tags = render_tags(get_role_document(call, request["RoleName"])["Tags"])
    page, paging = read_page(request, tags, lambda tag: tag["Key"])
    return {"Tags": page, **paging}


def list_instance_profiles_for_role(call: Call, request: Shape) -> Shape:
    """ListInstanceProfilesForRole: none, since there are no instance profiles here; tools ask before DeleteRole."""
    get_role_document(call, request["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


def _rendered(document: dict[str, Any], *, tags: bool = False) -> dict[str, Any]:
    role = dict(document["Role"])
    role["AssumeRolePolicyDocument"] = render_document(role["AssumeRolePolicyDocument"])
    if tags and document["Tags"]:
        role["Tags"] = render_tags(document["Tags"])
    return role


def _check_trust_policy(call: Call, text: str) -> None:
    check_trust_policy(text)
    check_quota(call, "account.iam.trust_policy_characters", len(text), "Cannot exceed quota for ACLSizePerRole: 2048")


def _find_role_without_case(call: Call, name: str) -> bool:
    """Names are told apart without regard to case."""
    return any(held.lower() == name.lower() for held, _ in queries.list_entities(call.tx, call.account, "role"))


def _boundary(call: Call, arn: str) -> dict[str, str]:
    if not is_attachable(call, arn):
        raise AwsError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.")
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
