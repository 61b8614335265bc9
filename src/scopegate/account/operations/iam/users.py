"""Users: create, get, list, update, delete; tags. Beside them stand the names of operators' keys, which GetUser knows.

Source: IAM API reference.
"""

from typing import Any

from scopegate.account import queries
from scopegate.account.model import KeyRow, derived_unique_id, new_unique_id, user_arn
from scopegate.account.operations.iam.identity_policies import boundary_of, check_without_policies
from scopegate.account.operations.iam.owners import USER
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.tags import drop_tags, merge_tags, render_tags
from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.ports import Call


def create_user(call: Call, request: Shape) -> Shape:
    """CreateUser. The name of an operator's key is taken."""
    name, path = request["UserName"], request.get("Path", "/")
    _check_free(call, name)
    user: dict[str, Any] = {
        "Path": path,
        "UserName": name,
        "UserId": new_unique_id("AIDA"),
        "Arn": _arn(call, path, name),
        "CreateDate": call.now,
        **boundary_of(call, request.get("PermissionsBoundary")),
    }
    document = {
        "User": user,
        "Tags": merge_tags({}, request.get("Tags", [])),
        "InlinePolicies": {},
        "AttachedPolicies": [],
    }
    USER.put(call, document)
    return {"User": _rendered(document)}


def get_user(call: Call, request: Shape) -> Shape:
    """GetUser: by name, or who calls; operators' keys and the root are users as well."""
    name = request.get("UserName", call.caller.user)
    if name is not None and queries.find_entity(call.tx, call.account, "user", name) is not None:
        return {"User": _rendered(USER.get(call, {"UserName": name}))}
    if name is None and call.caller.session is not None:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    keys = [key for key in queries.list_keys(call.tx) if key.account == call.account and key.user_id is None]
    if name is None:
        own = next((key for key in keys if key.access_key_id == call.caller.access_key_id), None)
        if own is None:
            return {"User": {"UserId": call.account, "Arn": call.caller.arn, "CreateDate": 0.0, "Path": "/"}}
        return {"User": _operator(own)}
    found = next((key for key in keys if key.user_name == name), None)
    if found is None:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.")
    return {"User": _operator(found)}


def list_users(call: Call, request: Shape) -> Shape:
    """ListUsers, in the order of names."""
    prefix = request.get("PathPrefix", "/")
    found = [document["User"] for document in USER.list(call) if document["User"]["Path"].startswith(prefix)]
    page, paging = read_page(request, found, lambda user: user["UserName"])
    hidden = ("PermissionsBoundary",)
    return {"Users": [{k: v for k, v in user.items() if k not in hidden} for user in page], **paging}


def update_user(call: Call, request: Shape) -> Shape:
    """UpdateUser: another name, another path; id, policies and keys stay."""
    document = USER.get(call, request)
    user = document["User"]
    name, path = request.get("NewUserName", user["UserName"]), request.get("NewPath", user["Path"])
    if name.lower() != user["UserName"].lower():
        _check_free(call, name)
    queries.delete_entity(call.tx, call.account, "user", user["UserName"])
    queries.rename_keys(call.tx, user["UserId"], name)
    document["User"] = {**user, "UserName": name, "Path": path, "Arn": _arn(call, path, name)}
    USER.put(call, document)
    return {}


def delete_user(call: Call, request: Shape) -> Shape:
    """DeleteUser: only without policies and keys."""
    document = USER.get(call, request)
    check_without_policies(document)
    if queries.list_keys_of_user(call.tx, document["User"]["UserId"]):
        raise AwsError("DeleteConflict", "Cannot delete entity, must delete access keys first.")
    queries.delete_entity(call.tx, call.account, "user", document["User"]["UserName"])
    return {}


def list_groups_for_user(call: Call, request: Shape) -> Shape:
    """ListGroupsForUser: none, since there are no groups here; tools ask before DeleteUser."""
    USER.get(call, request)
    return {"Groups": [], "IsTruncated": False}


def tag_user(call: Call, request: Shape) -> Shape:
    """TagUser."""
    document = USER.get(call, request)
    document["Tags"] = merge_tags(document["Tags"], request["Tags"])
    USER.put(call, document)
    return {}


def untag_user(call: Call, request: Shape) -> Shape:
    """UntagUser."""
    document = USER.get(call, request)
    document["Tags"] = drop_tags(document["Tags"], request["TagKeys"])
    USER.put(call, document)
    return {}


def list_user_tags(call: Call, request: Shape) -> Shape:
    """ListUserTags."""
    tags = render_tags(USER.get(call, request)["Tags"])
    page, paging = read_page(request, tags, lambda tag: tag["Key"])
    return {"Tags": page, **paging}


def _check_free(call: Call, name: str) -> None:
    """Policies name users: one of an operator's name would stand for both."""
    operators = {key.user_name.lower() for key in queries.list_keys(call.tx) if key.user_id is None}
    if USER.is_taken(call, name) or name.lower() in operators:
        raise AwsError("EntityAlreadyExists", f"User with name {name} already exists.")


def _arn(call: Call, path: str, name: str) -> str:
    return f"arn:{names.partition_of(call.region)}:iam::{call.account}:user{path}{name}"


def _rendered(document: dict[str, Any]) -> Shape:
    user = dict(document["User"])
    if document["Tags"]:
        user["Tags"] = render_tags(document["Tags"])
    return user


def _operator(key: KeyRow) -> Shape:
    arn = user_arn(key.account, key.user_name)
    return {
        "Path": "/",
        "UserName": key.user_name,
        "UserId": derived_unique_id("AIDA", arn),
        "Arn": arn,
        "CreateDate": key.created_at,
    }
