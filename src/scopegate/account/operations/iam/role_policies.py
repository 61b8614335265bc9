"""Policies of a role: inline ones, and managed ones attached to it."""

import re

from scopegate.account.operations.iam.managed import is_attachable, parse_policy_arn
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.policy_documents import check_identity_policy, render_document
from scopegate.account.operations.iam.role_lookup import check_quota, get_role_document, put_role_document
from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call


def put_role_policy(call: Call, request: Shape) -> Shape:
    """PutRolePolicy: adds or replaces an inline policy."""
    document = get_role_document(call, request["RoleName"])
    check_identity_policy(request["PolicyDocument"])
    inline = {**document["InlinePolicies"], request["PolicyName"]: request["PolicyDocument"]}
    # White space does not count.
    size = sum(len(re.sub(r"\s", "", text)) for text in inline.values())
    if size > limit("account.iam.role_policy_characters"):
        raise AwsError("LimitExceeded", f"Maximum policy size of 10240 bytes exceeded for role {request['RoleName']}")
    document["InlinePolicies"] = inline
    put_role_document(call, document)
    return {}


def get_role_policy(call: Call, request: Shape) -> Shape:
    """GetRolePolicy."""
    document = get_role_document(call, request["RoleName"])
    text = document["InlinePolicies"].get(request["PolicyName"])
    if text is None:
        raise _no_inline_policy(request["PolicyName"])
    return {
        "RoleName": request["RoleName"],
        "PolicyName": request["PolicyName"],
        "PolicyDocument": render_document(text),
    }


def list_role_policies(call: Call, request: Shape) -> Shape:
    """ListRolePolicies: the names of inline policies."""
    document = get_role_document(call, request["RoleName"])
    page, paging = read_page(request, sorted(document["InlinePolicies"]), str)
    return {"PolicyNames": page, **paging}


def delete_role_policy(call: Call, request: Shape) -> Shape:
    """DeleteRolePolicy."""
    document = get_role_document(call, request["RoleName"])
    if document["InlinePolicies"].pop(request["PolicyName"], None) is None:
        raise _no_inline_policy(request["PolicyName"])
    put_role_document(call, document)
    return {}


def attach_role_policy(call: Call, request: Shape) -> Shape:
    """AttachRolePolicy. Attaching twice is once."""
    document = get_role_document(call, request["RoleName"])
    arn = request["PolicyArn"]
    if not is_attachable(call, arn):
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    if arn not in document["AttachedPolicies"]:
        count = len(document["AttachedPolicies"]) + 1
        check_quota(call, "account.iam.policies_per_role", count, "Cannot exceed quota for PoliciesPerRole: 10")
        document["AttachedPolicies"].append(arn)
        put_role_document(call, document)
    return {}


def detach_role_policy(call: Call, request: Shape) -> Shape:
    """DetachRolePolicy."""
    document = get_role_document(call, request["RoleName"])
    parse_policy_arn(request["PolicyArn"])
    if request["PolicyArn"] not in document["AttachedPolicies"]:
        raise AwsError("NoSuchEntity", f"Policy {request['PolicyArn']} was not found.")
    document["AttachedPolicies"].remove(request["PolicyArn"])
    put_role_document(call, document)
    return {}


def list_attached_role_policies(call: Call, request: Shape) -> Shape:
    """ListAttachedRolePolicies."""
    document = get_role_document(call, request["RoleName"])
    prefix = request.get("PathPrefix", "/")
    found = sorted(arn for arn in document["AttachedPolicies"] if _path_of(arn).startswith(prefix))
    page, paging = read_page(request, found, str)
    attached = [{"PolicyName": parse_policy_arn(arn)[1], "PolicyArn": arn} for arn in page]
    return {"AttachedPolicies": attached, **paging}


def _path_of(arn: str) -> str:
    return arn.partition(":policy")[2].rpartition("/")[0] + "/"


def _no_inline_policy(name: str) -> AwsError:
    return AwsError("NoSuchEntity", f"The role policy with name {name} cannot be found.")
