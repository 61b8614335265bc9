"""Groups of a user pool, and who is in them. What tokens say of groups is read in `claims.py`.

Source: reference, "Groups", "Users, groups, attributes", "Error texts".
"""

from collections.abc import Sequence
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools.operations.cognito_idp.asking import pool_of_operator
from scopegate.userpools.operations.cognito_idp.lookup import moment
from scopegate.userpools.operations.cognito_idp.paging import read_page
from scopegate.userpools.operations.cognito_idp.refusals import limit_exceeded, not_found
from scopegate.userpools.operations.cognito_idp.render_users import get_user_for_operator, render_user
from scopegate.userpools.users import queries
from scopegate.userpools.users.model import User

_LIST_SIZE: Final = 60
_SETTINGS: Final = ("Description", "RoleArn", "Precedence")


def _get_group(call: Call, pool_id: str, group_name: str) -> Document:
    group = queries.find_group(call.tx, pool_id, group_name)
    if group is None:
        raise not_found("Group not found.")
    return group


def create_group(call: Call, request: Shape) -> Shape:
    """CreateGroup."""
    pool_id, name = pool_of_operator(call, request["UserPoolId"]).pool_id, request["GroupName"]
    if queries.find_group(call.tx, pool_id, name) is not None:
        raise AwsError("GroupExistsException", "A group with the name already exists")
    if call.settings.aws_quotas and queries.count_groups(call.tx, pool_id) >= limit("userpools.groups"):
        raise limit_exceeded("Exceeded the limit of groups for this user pool.")
    now = moment(call)
    group: Document = {
        "GroupName": name,
        "UserPoolId": pool_id,
        **{setting: request[setting] for setting in _SETTINGS if setting in request},
        "LastModifiedDate": now,
        "CreationDate": now,
    }
    queries.put_group(call.tx, pool_id, name, group)
    return {"Group": group}


def get_group(call: Call, request: Shape) -> Shape:
    """GetGroup."""
    pool_id = pool_of_operator(call, request["UserPoolId"]).pool_id
    return {"Group": _get_group(call, pool_id, request["GroupName"])}


def update_group(call: Call, request: Shape) -> Shape:
    """UpdateGroup: what the request leaves out stays."""
    pool_id, name = pool_of_operator(call, request["UserPoolId"]).pool_id, request["GroupName"]
    group = _get_group(call, pool_id, name)
    settings = {setting: request.get(setting, group.get(setting)) for setting in _SETTINGS}
    changed: Document = {
        "GroupName": name,
        "UserPoolId": pool_id,
        **{setting: value for setting, value in settings.items() if value is not None},
        "LastModifiedDate": moment(call),
        "CreationDate": group["CreationDate"],
    }
    queries.put_group(call.tx, pool_id, name, changed)
    return {"Group": changed}


def delete_group(call: Call, request: Shape) -> Shape:
    """DeleteGroup; its members stay users."""
    pool_id = pool_of_operator(call, request["UserPoolId"]).pool_id
    if not queries.delete_group(call.tx, pool_id, request["GroupName"]):
        raise not_found("Group not found.")
    return {}


def list_groups(call: Call, request: Shape) -> Shape:
    """ListGroups, in the order of names."""
    pool_id = pool_of_operator(call, request["UserPoolId"]).pool_id

    def rows(*, after: str | None, size: int) -> Sequence[tuple[str, Document]]:
        return queries.list_groups(call.tx, pool_id, after=after, size=size)

    return read_page(
        call,
        request,
        rows,
        member="Groups",
        of=f"groups/{pool_id}",
        default=_LIST_SIZE,
        show=lambda group: group,
        size_name="Limit",
    )


def list_users_in_group(call: Call, request: Shape) -> Shape:
    """ListUsersInGroup, in the order of user names."""
    pool_id, name = pool_of_operator(call, request["UserPoolId"]).pool_id, request["GroupName"]
    _get_group(call, pool_id, name)

    def rows(*, after: str | None, size: int) -> Sequence[tuple[str, User]]:
        found = queries.list_members(call.tx, call.seal, pool_id, name, after=after, size=size)
        return [(user.name_key, user) for user in found]

    return read_page(
        call,
        request,
        rows,
        member="Users",
        of=f"members/{pool_id}/{name}",
        default=_LIST_SIZE,
        show=render_user,
        size_name="Limit",
    )


def admin_add_user_to_group(call: Call, request: Shape) -> Shape:
    """AdminAddUserToGroup; one who is in it stays."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    _get_group(call, pool.pool_id, request["GroupName"])
    if call.settings.aws_quotas:
        held = queries.memberships_of(call.tx, pool.pool_id, user.name_key)
        if len(held) >= limit("userpools.groups_of_user"):
            raise limit_exceeded("Exceeded the limit of groups for this user.")
    queries.add_member(call.tx, pool.pool_id, request["GroupName"], user.name_key)
    return {}


def admin_remove_user_from_group(call: Call, request: Shape) -> Shape:
    """AdminRemoveUserFromGroup."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    _get_group(call, pool.pool_id, request["GroupName"])
    queries.remove_member(call.tx, pool.pool_id, request["GroupName"], user.name_key)
    return {}


def admin_list_groups_for_user(call: Call, request: Shape) -> Shape:
    """AdminListGroupsForUser, in the order of names."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])

    def rows(*, after: str | None, size: int) -> Sequence[tuple[str, Document]]:
        return queries.list_groups_of(call.tx, pool.pool_id, user.name_key, after=after, size=size)

    return read_page(
        call,
        request,
        rows,
        member="Groups",
        of=f"groups_of/{pool.pool_id}/{user.sub}",
        default=_LIST_SIZE,
        show=lambda group: group,
        size_name="Limit",
    )
