"""Roles: create, get, list, update, delete; trust policy, permissions boundary, tags.

Source: IAM API reference; recorded answers: CreateRole has no MaxSessionDuration, GetRole has RoleLastUsed, lists have
neither tags nor boundary.
"""

from typing import Any

from scopegate.account import queries
from scopegate.account.model import new_unique_id
from scopegate.account.operations.iam.identity_policies import boundary_of, check_without_policies
from scopegate.account.operations.iam.owners import ROLE, check_quota
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.policy_documents import check_trust_policy, render_document
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
    if ROLE.is_taken(call, name):
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
    role |= boundary_of(call, request.get("PermissionsBoundary"))
    document = {
        "Role": role,
        "Tags": merge_tags({}, request.get("Tags", [])),
        "InlinePolicies": {},
        "AttachedPolicies": [],
    }
    ROLE.put(call, document)
    shown = _rendered(document, tags=True)
    # Recorded: the answer to CreateRole leaves out what GetRole has, even when it was given.
    del shown["MaxSessionDuration"]
    return {"Role": shown}


def get_role(call: Call, request: Shape) -> Shape:
    """GetRole."""
    document = ROLE.get(call, request)
    return {"Role": {**_rendered(document, tags=True), "RoleLastUsed": {}}}


def list_roles(call: Call, request: Shape) -> Shape:
    """ListRoles, in the order of names."""
    prefix = request.get("PathPrefix", "/")
    found = [document for document in ROLE.list(call) if document["Role"]["Path"].startswith(prefix)]
    page, paging = read_page(request, found, lambda document: document["Role"]["RoleName"])
    shown = [_rendered(document) for document in page]
    for role in shown:
        role.pop("PermissionsBoundary", None)
    return {"Roles": shown, **paging}


def update_role(call: Call, request: Shape) -> Shape:
    """UpdateRole."""
    document = ROLE.get(call, request)
    for member in ("Description", "MaxSessionDuration"):
        if member in request:
            document["Role"][member] = request[member]
    ROLE.put(call, document)
    return {}


def update_role_description(call: Call, request: Shape) -> Shape:
    """UpdateRoleDescription: the older form of UpdateRole."""
    document = ROLE.get(call, request)
    document["Role"]["Description"] = request["Description"]
    ROLE.put(call, document)
    return {"Role": _rendered(document)}


def update_assume_role_policy(call: Call, request: Shape) -> Shape:
    """UpdateAssumeRolePolicy."""
    document = ROLE.get(call, request)
    _check_trust_policy(call, request["PolicyDocument"])
    document["Role"]["AssumeRolePolicyDocument"] = request["PolicyDocument"]
    ROLE.put(call, document)
    return {}


def delete_role(call: Call, request: Shape) -> Shape:
    """DeleteRole: only without policies."""
    document = ROLE.get(call, request)
    check_without_policies(document)
    queries.delete_entity(call.tx, call.account, "role", document["Role"]["RoleName"])
    return {}


def tag_role(call: Call, request: Shape) -> Shape:
    """TagRole."""
    document = ROLE.get(call, request)
    document["Tags"] = merge_tags(document["Tags"], request["Tags"])
    ROLE.put(call, document)
    return {}


def untag_role(call: Call, request: Shape) -> Shape:
    """UntagRole."""
    document = ROLE.get(call, request)
    document["Tags"] = drop_tags(document["Tags"], request["TagKeys"])
    ROLE.put(call, document)
    return {}


def list_role_tags(call: Call, request: Shape) -> Shape:
    """ListRoleTags."""
    tags = render_tags(ROLE.get(call, request)["Tags"])
    page, paging = read_page(request, tags, lambda tag: tag["Key"])
    return {"Tags": page, **paging}


def list_instance_profiles_for_role(call: Call, request: Shape) -> Shape:
    """ListInstanceProfilesForRole: none, since there are no instance profiles here; tools ask before DeleteRole."""
    ROLE.get(call, request)
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
