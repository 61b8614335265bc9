"""`AWS::Cognito::*` that are about people: users, groups, and who is in them."""

from typing import Any

import pytest

from tests.rooms.stacks.driver import NOTHING, Stack

PEOPLE = """
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {$POOL}
  Staff:
    Type: AWS::Cognito::UserPoolGroup
    Properties: {UserPoolId: !Ref Pool, GroupName: staff, $GROUP}
  Others: {Type: AWS::Cognito::UserPoolGroup, Properties: {UserPoolId: !Ref Pool}}
  Ada:
    Type: AWS::Cognito::UserPoolUser
    Properties:
      UserPoolId: !Ref Pool
      Username: $NAME
      MessageAction: SUPPRESS
      UserAttributes: [{Name: email, Value: $EMAIL}]
  Member:
    Type: AWS::Cognito::UserPoolUserToGroupAttachment
    Properties: {UserPoolId: !Ref Pool, GroupName: !Ref $MEMBER, Username: !Ref Ada}
Outputs:
  Pool: {Value: !Ref Pool}
  Ada: {Value: !Ref Ada}
  Staff: {Value: !Ref Staff}
  Others: {Value: !Ref Others}
"""


def people(stack: Stack, **words: str) -> str:
    given = {"POOL": f"UserPoolName: {stack.name}", "GROUP": "Precedence: 1", "NAME": "ada", "MEMBER": "Staff"}
    text = PEOPLE
    for name, word in {"EMAIL": "ada@example.com", **given, **words}.items():
        text = text.replace(f"${name}", word)
    return text


def test_users_and_groups_follow_their_template(stack: Stack) -> None:
    made = stack.deploy(people(stack, GROUP="Precedence: 1, Description: all of them"))
    idp = stack.server.aws("cognito-idp")
    pool = {"UserPoolId": made["Pool"]}

    def members(group: str) -> list[str]:
        return [user["Username"] for user in idp.list_users_in_group(**pool, GroupName=group)["Users"]]

    def group() -> dict[str, Any]:
        found: dict[str, Any] = idp.get_group(**pool, GroupName="staff")["Group"]
        return found

    assert (made["Ada"], made["Staff"]) == ("ada", "staff")
    assert made["Others"].startswith(f"{stack.name}-Others-")
    assert (group()["Precedence"], group()["Description"]) == (1, "all of them")
    assert members("staff") == ["ada"]
    user = idp.admin_get_user(**pool, Username="ada")
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    first = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    assert first["email"] == "ada@example.com"

    stack.deploy(people(stack, GROUP="Precedence: 5", MEMBER="Others"))
    assert stack.changed() == {"Staff": "Update", "Member": "Replace"}
    assert (group()["Precedence"], group().get("Description", "")) == (5, "")
    assert (members("staff"), members(made["Others"])) == ([], ["ada"])

    # Another address is another user of the same name, who has to be put in again.
    stack.deploy(people(stack, GROUP="Precedence: 5", MEMBER="Others", EMAIL="countess@example.com"))
    assert stack.changed() == {"Ada": "Replace"}
    user = idp.admin_get_user(**pool, Username="ada")
    second = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    assert (second["email"], second["sub"] != first["sub"]) == ("countess@example.com", True)

    stack.delete()
    assert stack.everything() == NOTHING


def test_a_user_who_signs_in_by_address_is_referred_to_by_sub(stack: Stack) -> None:
    pool = f"UserPoolName: {stack.name}, UsernameAttributes: [email]"

    made = stack.deploy(people(stack, POOL=pool, NAME="ada@example.com"))

    idp = stack.server.aws("cognito-idp")
    (user,) = idp.list_users_in_group(UserPoolId=made["Pool"], GroupName="staff")["Users"]
    assert made["Ada"] == user["Username"] != "ada@example.com"
    stack.delete()
    assert stack.everything() == NOTHING


@pytest.mark.parametrize("kind", ["UserPoolRiskConfigurationAttachment", "UserPoolIdentityProvider", "UserPoolReplica"])
def test_what_would_guard_or_open_a_sign_in_is_refused(stack: Stack, kind: str) -> None:
    text = f"Resources:\n  Thing: {{Type: AWS::Cognito::{kind}, Properties: {{UserPoolId: a}}}}\n"

    assert f"Types that are not supported yet: AWS::Cognito::{kind}" in stack.refused(text)


LOOK = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: look}}
  Domain:
    Type: AWS::Cognito::UserPoolDomain
    Properties: {UserPoolId: !Ref Pool, Domain: $DOMAIN}
$LOOK
Outputs:
  Pool: {Value: !Ref Pool}
"""
ATTACHMENT = """
  Look:
    Type: AWS::Cognito::UserPoolUICustomizationAttachment
    DependsOn: Domain
    Properties: {UserPoolId: !Ref Pool, ClientId: ALL, CSS: "$CSS"}
"""


def test_the_look_of_the_pages_follows_its_template(stack: Stack) -> None:
    def look(css: str) -> str:
        attachment = ATTACHMENT.replace("$CSS", css) if css else ""
        return LOOK.replace("$DOMAIN", stack.name).replace("$LOOK", attachment)

    made = stack.deploy(look(".label-customizable{color:red}"))
    idp = stack.server.aws("cognito-idp")

    def css() -> str | None:
        found = idp.get_ui_customization(UserPoolId=made["Pool"])["UICustomization"]
        return found.get("CSS")

    assert css() == ".label-customizable{color:red}"
    stack.deploy(look(".label-customizable{color:blue}"))
    assert stack.changed() == {"Look": "Update"}
    assert css() == ".label-customizable{color:blue}"
    stack.deploy(look(""))
    assert css() is None
