"""`AWS::IAM::*` beside roles: users, their keys, and policies of both."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rooms.stacks.driver import NOTHING, Stack

USERS = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  User:
    Type: AWS::IAM::User
    Properties:
      Path: /$PATH/
      Policies: [{PolicyName: own, PolicyDocument: $DOCUMENT}]
      Tags: [{Key: team, Value: $TEAM}]
  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User, Status: $STATUS}}
  Beside:
    Type: AWS::IAM::UserPolicy
    Properties: {UserName: !Ref User, PolicyName: $BESIDE, PolicyDocument: $DOCUMENT}
  OfRole: {Type: AWS::IAM::RolePolicy, Properties: {RoleName: !Ref Role, PolicyName: its, PolicyDocument: $DOCUMENT}}
  Both:
    Type: AWS::IAM::Policy
    Properties: {PolicyName: both, PolicyDocument: $DOCUMENT, Users: [!Ref User], Roles: [!Ref Role]}
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: $DOCUMENT, $HOLDERS}
Outputs:
  User: {Value: !Ref User}
  Arn: {Value: !GetAtt User.Arn}
  Role: {Value: !Ref Role}
  Key: {Value: !Ref Key}
  Secret: {Value: !GetAtt Key.SecretAccessKey}
  Managed: {Value: !Ref Managed}
  Version: {Value: !GetAtt Managed.DefaultVersionId}
"""


def users(
    action: str = "s3:*", team: str = "blue", status: str = "Active", beside: str = "beside", path: str = "staff",
    holders: str = "Users: [!Ref User], Roles: [!Ref Role]",
) -> str:  # fmt: skip
    document = f'{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "{action}", Resource: "*"}}]}}'
    words = {"DOCUMENT": document, "TEAM": team, "STATUS": status, "BESIDE": beside, "PATH": path, "HOLDERS": holders}
    text = USERS
    for name, word in words.items():
        text = text.replace(f"${name}", word)
    return text


def test_users_their_keys_and_policies_follow_their_template(stack: Stack) -> None:
    made = stack.deploy(users())
    iam = stack.server.aws("iam")
    user = {"UserName": made["User"]}

    assert made["Arn"] == f"arn:aws:iam::000000000000:user/staff/{made['User']}"
    assert made["Key"].startswith("AKIA")
    assert len(made["Secret"]) == 40
    assert stack.server.aws("sts", key=made["Key"], secret=made["Secret"]).get_caller_identity()["Arn"] == made["Arn"]
    assert set(iam.list_user_policies(**user)["PolicyNames"]) == {"own", "beside", "both"}
    assert set(iam.list_role_policies(RoleName=made["Role"])["PolicyNames"]) == {"its", "both"}
    assert [each["PolicyArn"] for each in iam.list_attached_user_policies(**user)["AttachedPolicies"]] == [
        made["Managed"]
    ]

    again = stack.deploy(
        users("sqs:*", team="red", status="Inactive", beside="near", path="people", holders="Roles: [!Ref Role]")
    )
    assert stack.changed() == {
        "User": "Update",
        "Key": "Update",
        "Beside": "Replace",
        "OfRole": "Update",
        "Both": "Update",
        "Managed": "Update",
    }
    assert (again["Managed"], again["Version"], again["Key"]) == (made["Managed"], "v2", made["Key"])
    assert again["Arn"] == f"arn:aws:iam::000000000000:user/people/{made['User']}"
    assert set(iam.list_user_policies(**user)["PolicyNames"]) == {"own", "near", "both"}
    assert iam.get_user_policy(**user, PolicyName="own")["PolicyDocument"]["Statement"][0]["Action"] == "sqs:*"
    assert iam.list_attached_user_policies(**user)["AttachedPolicies"] == []
    assert iam.list_user_tags(**user)["Tags"] == [{"Key": "team", "Value": "red"}]
    assert iam.list_access_keys(**user)["AccessKeyMetadata"][0]["Status"] == "Inactive"

    stack.delete()
    assert stack.everything() == NOTHING
    with pytest.raises(ClientError, match="cannot be found"):
        iam.get_user(**user)


def test_a_managed_policy_may_change_more_often_than_it_has_versions(stack: Stack) -> None:
    versions: list[Any] = []
    for number in range(1, 8):
        made = stack.deploy(users(f"s3:Get{number}"))
        versions.append(made["Version"])

    assert versions == [f"v{number}" for number in range(1, 8)]
    iam = stack.server.aws("iam")
    document = iam.get_policy_version(PolicyArn=made["Managed"], VersionId="v7")["PolicyVersion"]["Document"]
    assert json.dumps(document).count("s3:Get7") == 1
    stack.delete()


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("{Type: AWS::IAM::User, Properties: {Groups: [staff]}}", "Groups is not supported yet"),
        (
            "{Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: staff, Users: [ada]}}",
            "Types that are not supported yet: AWS::IAM::UserToGroupAddition",
        ),
    ],
)
def test_nobody_becomes_a_member_of_a_group(stack: Stack, text: str, refusal: str) -> None:
    """What a group's policies forbid would be allowed."""
    assert refusal in stack.refused(f"Resources:\n  Thing: {text}\n")
