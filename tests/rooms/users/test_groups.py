"""Groups of a user pool, by boto3."""

from typing import Any

import pytest

from tests.people import People, refused
from tests.server import token_part

ROLE = "arn:aws:iam::000000000000:role/admin"


def create(people: People, name: str = "admins", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = people.idp.create_group(UserPoolId=people.pool_id, GroupName=name, **more)["Group"]
    return made


def test_a_group_is_made_changed_and_deleted(people: People) -> None:
    same = {"UserPoolId": people.pool_id, "GroupName": "admins"}

    made = create(people, Description="Those who may", Precedence=3, RoleArn=ROLE)
    changed = people.idp.update_group(**same, Precedence=1)["Group"]
    shown = people.idp.get_group(**same)["Group"]
    people.idp.delete_group(**same)

    assert {name: made[name] for name in ("GroupName", "UserPoolId", "Description", "Precedence", "RoleArn")} == {
        "GroupName": "admins",
        "UserPoolId": people.pool_id,
        "Description": "Those who may",
        "Precedence": 3,
        "RoleArn": ROLE,
    }
    assert (changed["Precedence"], changed["Description"], changed["RoleArn"]) == (1, "Those who may", ROLE)
    assert shown == changed
    assert changed["LastModifiedDate"] >= changed["CreationDate"] == made["CreationDate"]
    with refused("ResourceNotFoundException", "Group not found."):
        people.idp.get_group(**same)


def test_a_group_has_one_name(people: People) -> None:
    create(people)

    with refused("GroupExistsException", "A group with the name already exists"):
        create(people)


def test_members_come_and_go(people: People) -> None:
    for name in ("ada", "bob"):
        people.user(name)
    create(people)
    create(people, "users")
    same = {"UserPoolId": people.pool_id, "Username": "ada"}

    for group in ("admins", "users", "admins"):
        people.idp.admin_add_user_to_group(**same, GroupName=group)
    groups = [each["GroupName"] for each in people.idp.admin_list_groups_for_user(**same)["Groups"]]
    members = people.idp.list_users_in_group(UserPoolId=people.pool_id, GroupName="admins")["Users"]
    people.idp.admin_remove_user_from_group(**same, GroupName="admins")
    people.idp.admin_remove_user_from_group(**same, GroupName="admins")

    assert (groups, [each["Username"] for each in members]) == (["admins", "users"], ["ada"])
    assert people.idp.list_users_in_group(UserPoolId=people.pool_id, GroupName="admins")["Users"] == []


def test_a_deleted_group_leaves_its_members(people: People) -> None:
    people.user("ada")
    create(people)
    people.idp.admin_add_user_to_group(UserPoolId=people.pool_id, Username="ada", GroupName="admins")

    people.idp.delete_group(UserPoolId=people.pool_id, GroupName="admins")
    create(people)

    assert people.idp.admin_list_groups_for_user(UserPoolId=people.pool_id, Username="ada")["Groups"] == []


def test_tokens_tell_groups(people: People) -> None:
    """Reference: `cognito:groups` in both tokens; the strongest group's role is preferred."""
    client = people.client()
    people.user("ada")
    create(people, "users", Precedence=5)
    create(people, Precedence=1, RoleArn=ROLE)
    for group in ("users", "admins"):
        people.idp.admin_add_user_to_group(UserPoolId=people.pool_id, Username="ada", GroupName=group)

    tokens = people.tokens(client)
    access, identity = (token_part(tokens[name], 1) for name in ("AccessToken", "IdToken"))

    assert access["cognito:groups"] == identity["cognito:groups"] == ["admins", "users"]
    assert (identity["cognito:preferred_role"], identity["cognito:roles"]) == (ROLE, [ROLE])


def test_pages_of_groups_and_members(people: People) -> None:
    names = [f"g{number}" for number in range(5)]
    for name in names:
        create(people, name)
        people.user(name)
        people.idp.admin_add_user_to_group(UserPoolId=people.pool_id, Username=name, GroupName="g0")
        people.idp.admin_add_user_to_group(UserPoolId=people.pool_id, Username="g0", GroupName=name)

    def walk(operation: str, member: str, **more: Any) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = getattr(people.idp, operation)(UserPoolId=people.pool_id, Limit=2, **more, **token)
            assert len(page[member]) <= 2
            found += [each.get("GroupName") or each["Username"] for each in page[member]]
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}

    assert walk("list_groups", "Groups") == names
    assert walk("list_users_in_group", "Users", GroupName="g0") == names
    assert walk("admin_list_groups_for_user", "Groups", Username="g0") == names


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("get_group", {}),
        ("update_group", {}),
        ("delete_group", {}),
        ("list_users_in_group", {}),
        ("admin_add_user_to_group", {"Username": "ada"}),
        ("admin_remove_user_from_group", {"Username": "ada"}),
    ],
)
def test_a_group_that_is_not_there(people: People, operation: str, more: dict[str, str]) -> None:
    people.user("ada")

    with refused("ResourceNotFoundException", "Group not found."):
        getattr(people.idp, operation)(UserPoolId=people.pool_id, GroupName="nothing", **more)
