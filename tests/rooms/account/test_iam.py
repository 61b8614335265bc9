"""Roles and policies as deployment tools make them.

Source: IAM API reference; AWS's answers as recorded in LocalStack's snapshots (2023-09).
"""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from scopegate.base.errors import AwsError
from tests.rooms.aws.plane import ROOT, Plane

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
POLICY_ARN = "arn:aws:iam::000000000000:policy/p"


def create_role(plane: Plane, name: str = "r", **members: Any) -> dict[str, Any]:
    members.setdefault("AssumeRolePolicyDocument", json.dumps(TRUST))
    role: dict[str, Any] = plane.call("iam", "CreateRole", RoleName=name, **members)["Role"]
    return role


def create_policy(plane: Plane, name: str = "p", **members: Any) -> dict[str, Any]:
    members.setdefault("PolicyDocument", json.dumps(POLICY))
    policy: dict[str, Any] = plane.call("iam", "CreatePolicy", PolicyName=name, **members)["Policy"]
    return policy


def refusal(plane: Plane, operation: str, **members: Any) -> tuple[int | None, str, str | None]:
    with pytest.raises(AwsError) as refused:
        plane.call("iam", operation, **members)
    return refused.value.status, refused.value.code, refused.value.message


def test_a_new_role_is_answered_whole(plane: Plane) -> None:
    role = create_role(plane, Path="/service/", Tags=[{"Key": "team", "Value": "orders"}])

    assert role.pop("RoleId").startswith("AROA")
    assert role.pop("CreateDate").year >= 2026
    assert json.loads(unquote(role.pop("AssumeRolePolicyDocument"))) == TRUST
    assert role == {
        "Path": "/service/",
        "RoleName": "r",
        "Arn": "arn:aws:iam::000000000000:role/service/r",
        "Tags": [{"Key": "team", "Value": "orders"}],
    }


def test_a_role_is_got_with_what_creation_leaves_out(plane: Plane) -> None:
    created = create_role(plane, Description="d")
    role = plane.call("iam", "GetRole", RoleName="r")["Role"]

    assert role == {**created, "MaxSessionDuration": 3600, "RoleLastUsed": {}, "Description": "d"}


def test_policy_documents_are_answered_escaped_as_in_a_url(plane: Plane) -> None:
    document = create_role(plane)["AssumeRolePolicyDocument"]

    assert document.startswith("%7B%22Version%22%3A%20%222012-10-17%22")


def test_roles_are_listed_by_path_and_page_without_tags(plane: Plane) -> None:
    for name in ("c", "a", "b"):
        create_role(plane, name, Path="/x/", Tags=[{"Key": "k", "Value": "v"}])
    create_role(plane, "d")

    first = plane.call("iam", "ListRoles", PathPrefix="/x/", MaxItems=2)
    rest = plane.call("iam", "ListRoles", PathPrefix="/x/", Marker=first["Marker"])

    assert [role["RoleName"] for role in first["Roles"]] == ["a", "b"]
    assert first["IsTruncated"]
    assert [role["RoleName"] for role in rest["Roles"]] == ["c"]
    assert not rest["IsTruncated"]
    assert "Marker" not in rest
    assert all("Tags" not in role and role["MaxSessionDuration"] == 3600 for role in first["Roles"])
    assert refusal(plane, "ListRoles", Marker="!")[1] == "ValidationError"


def test_a_role_is_updated(plane: Plane) -> None:
    create_role(plane)
    plane.call("iam", "UpdateRole", RoleName="r", Description="new", MaxSessionDuration=7200)
    changed = json.dumps({**TRUST, "Version": "2008-10-17"})
    plane.call("iam", "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=changed)
    role = plane.call("iam", "GetRole", RoleName="r")["Role"]

    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7200)
    assert unquote(role["AssumeRolePolicyDocument"]) == changed


def test_roles_of_another_account_are_not_seen(plane: Plane) -> None:
    create_role(plane)
    stranger = replace(ROOT, account="111111111111")
    asked = plane.control.call("iam", "ListRoles", {}, region="us-east-1", caller=stranger)

    assert plane.loop.run(asked)["Roles"] == []


@pytest.mark.parametrize(
    ("operation", "members", "wanted"),
    [
        ("GetRole", {}, (404, "NoSuchEntity", "The role with name no cannot be found.")),
        ("DeleteRole", {}, (404, "NoSuchEntity", "The role with name no cannot be found.")),
        ("GetRolePolicy", {"PolicyName": "p"}, (404, "NoSuchEntity", "The role with name no cannot be found.")),
        ("ListAttachedRolePolicies", {}, (404, "NoSuchEntity", "The role with name no cannot be found.")),
        ("ListInstanceProfilesForRole", {}, (404, "NoSuchEntity", "The role with name no cannot be found.")),
    ],
)
def test_a_role_that_is_not_there(
    plane: Plane, operation: str, members: dict[str, Any], wanted: tuple[int, str, str]
) -> None:
    assert refusal(plane, operation, RoleName="no", **members) == wanted


def test_a_role_exists_once_whatever_its_case(plane: Plane) -> None:
    create_role(plane, "Orders")

    assert refusal(plane, "CreateRole", RoleName="orders", AssumeRolePolicyDocument=json.dumps(TRUST)) == (
        409,
        "EntityAlreadyExists",
        "Role with name orders already exists.",
    )


STATEMENT = TRUST["Statement"][0]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "This policy contains invalid Json"),
        ("[]", "Syntax errors in policy."),
        ({}, "Syntax errors in policy."),
        ({**TRUST, "Version": "2020-01-01"}, "Syntax errors in policy."),
        ({**TRUST, "Other": 1}, "Syntax errors in policy."),
        ({**TRUST, "Statement": []}, "Syntax errors in policy."),
        ({**TRUST, "Statement": [{**STATEMENT, "Resource": "*"}]}, "Has prohibited field Resource"),
        ({**TRUST, "Statement": [{**STATEMENT, "Effect": "Perhaps"}]}, "Invalid effect: Perhaps"),
        ({**TRUST, "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}, "Missing required field Principal"),
        (
            {**TRUST, "Statement": [{**STATEMENT, "Action": "s3:GetObject"}]},
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
    ],
)
def test_a_malformed_trust_policy(plane: Plane, document: Any, message: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)

    assert refusal(plane, "CreateRole", RoleName="r", AssumeRolePolicyDocument=text) == (
        400,
        "MalformedPolicyDocument",
        message,
    )


IDENTITY = POLICY["Statement"][0]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({**IDENTITY, "Principal": "*"}, "Policy document should not specify a principal."),
        ({"Effect": "Allow", "Resource": "*"}, "Policy statement must contain actions."),
        ({"Effect": "Allow", "Action": "s3:Get*"}, "Policy statement must contain resources."),
        (
            {**IDENTITY, "Action": "GetObject"},
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        ({"Action": "s3:Get*", "Resource": "*"}, "Missing required field Effect"),
    ],
)
def test_a_malformed_identity_policy(plane: Plane, statement: dict[str, Any], message: str) -> None:
    create_role(plane)
    text = json.dumps({**POLICY, "Statement": [statement]})

    for operation, members in (("PutRolePolicy", {"RoleName": "r"}), ("CreatePolicy", {})):
        assert refusal(plane, operation, PolicyName="p", PolicyDocument=text, **members) == (
            400,
            "MalformedPolicyDocument",
            message,
        )


def test_inline_policies(plane: Plane) -> None:
    create_role(plane)
    for name in ("b", "a"):
        plane.call("iam", "PutRolePolicy", RoleName="r", PolicyName=name, PolicyDocument=json.dumps(POLICY))

    assert plane.call("iam", "ListRolePolicies", RoleName="r") == {"PolicyNames": ["a", "b"], "IsTruncated": False}
    got = plane.call("iam", "GetRolePolicy", RoleName="r", PolicyName="a")
    assert (got["RoleName"], got["PolicyName"], json.loads(unquote(got["PolicyDocument"]))) == ("r", "a", POLICY)
    assert refusal(plane, "DeleteRole", RoleName="r") == (
        409,
        "DeleteConflict",
        "Cannot delete entity, must delete policies first.",
    )
    for name in ("a", "b"):
        plane.call("iam", "DeleteRolePolicy", RoleName="r", PolicyName=name)
    assert refusal(plane, "DeleteRolePolicy", RoleName="r", PolicyName="a") == (
        404,
        "NoSuchEntity",
        "The role policy with name a cannot be found.",
    )
    plane.call("iam", "DeleteRole", RoleName="r")
    assert refusal(plane, "GetRole", RoleName="r")[1] == "NoSuchEntity"


def test_inline_policies_of_a_role_have_a_size(plane: Plane) -> None:
    create_role(plane)
    resources = [f"arn:aws:s3:::bucket-{number:04}" for number in range(400)]
    text = json.dumps({**POLICY, "Statement": [{**IDENTITY, "Resource": resources}]})

    assert refusal(plane, "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=text) == (
        409,
        "LimitExceeded",
        "Maximum policy size of 10240 bytes exceeded for role r",
    )


def test_managed_policies_are_attached_and_detached(plane: Plane) -> None:
    create_role(plane)
    create_policy(plane)
    for arn in (BASIC, POLICY_ARN, BASIC):
        plane.call("iam", "AttachRolePolicy", RoleName="r", PolicyArn=arn)

    assert plane.call("iam", "ListAttachedRolePolicies", RoleName="r") == {
        "AttachedPolicies": [
            {"PolicyName": "p", "PolicyArn": POLICY_ARN},
            {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC},
        ],
        "IsTruncated": False,
    }
    entities = plane.call("iam", "ListEntitiesForPolicy", PolicyArn=POLICY_ARN)
    assert [role["RoleName"] for role in entities["PolicyRoles"]] == ["r"]
    assert plane.call("iam", "GetPolicy", PolicyArn=POLICY_ARN)["Policy"]["AttachmentCount"] == 1
    assert refusal(plane, "DeletePolicy", PolicyArn=POLICY_ARN) == (
        409,
        "DeleteConflict",
        "Cannot delete a policy attached to entities.",
    )
    assert refusal(plane, "DeleteRole", RoleName="r") == (
        409,
        "DeleteConflict",
        "Cannot delete entity, must detach all policies first.",
    )
    plane.call("iam", "DetachRolePolicy", RoleName="r", PolicyArn=POLICY_ARN)
    assert refusal(plane, "DetachRolePolicy", RoleName="r", PolicyArn=POLICY_ARN) == (
        404,
        "NoSuchEntity",
        f"Policy {POLICY_ARN} was not found.",
    )


def test_attaching_what_is_not_there(plane: Plane) -> None:
    """Recorded texts (2025-06)."""
    create_role(plane)

    assert refusal(plane, "AttachRolePolicy", RoleName="r", PolicyArn="longpolicynamebutnoarn") == (
        400,
        "ValidationError",
        "Invalid ARN:  Could not be parsed!",
    )
    assert refusal(plane, "AttachRolePolicy", RoleName="r", PolicyArn="arn:aws:iam::000000000000:role/some-role") == (
        400,
        "InvalidInput",
        "ARN arn:aws:iam::000000000000:role/some-role is not valid.",
    )
    assert refusal(plane, "AttachRolePolicy", RoleName="r", PolicyArn=POLICY_ARN) == (
        404,
        "NoSuchEntity",
        f"Policy {POLICY_ARN} does not exist or is not attachable.",
    )


def test_a_new_policy_is_answered_whole(plane: Plane) -> None:
    policy = create_policy(plane, Path="/team/", Description="d")

    assert policy.pop("PolicyId").startswith("ANPA")
    assert policy.pop("CreateDate") == policy.pop("UpdateDate")
    assert policy == {
        "PolicyName": "p",
        "Arn": "arn:aws:iam::000000000000:policy/team/p",
        "Path": "/team/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
    }
    got = plane.call("iam", "GetPolicy", PolicyArn="arn:aws:iam::000000000000:policy/team/p")["Policy"]
    assert (got["Description"], got["Tags"]) == ("d", [])
    assert refusal(plane, "GetPolicy", PolicyArn=POLICY_ARN)[1] == "NoSuchEntity", "another path is another ARN"


def test_policies_are_listed(plane: Plane) -> None:
    create_policy(plane, "b")
    create_policy(plane, "a")
    listed = plane.call("iam", "ListPolicies", Scope="Local")

    assert [policy["PolicyName"] for policy in listed["Policies"]] == ["a", "b"]
    assert plane.call("iam", "ListPolicies", OnlyAttached=True)["Policies"] == []


def test_versions_of_a_policy(plane: Plane) -> None:
    create_policy(plane)
    second = plane.call(
        "iam", "CreatePolicyVersion", PolicyArn=POLICY_ARN, PolicyDocument=json.dumps(POLICY), SetAsDefault=True
    )["PolicyVersion"]
    assert (second["VersionId"], second["IsDefaultVersion"], "Document" in second) == ("v2", True, False)
    for _ in range(3):
        plane.call("iam", "CreatePolicyVersion", PolicyArn=POLICY_ARN, PolicyDocument=json.dumps(POLICY))

    listed = plane.call("iam", "ListPolicyVersions", PolicyArn=POLICY_ARN)["Versions"]
    assert [version["VersionId"] for version in listed] == ["v5", "v4", "v3", "v2", "v1"]
    sixth = refusal(plane, "CreatePolicyVersion", PolicyArn=POLICY_ARN, PolicyDocument=json.dumps(POLICY))
    assert sixth[:2] == (409, "LimitExceeded")
    got = plane.call("iam", "GetPolicyVersion", PolicyArn=POLICY_ARN, VersionId="v1")["PolicyVersion"]
    assert json.loads(unquote(got["Document"])) == POLICY
    assert not got["IsDefaultVersion"]
    assert refusal(plane, "DeletePolicyVersion", PolicyArn=POLICY_ARN, VersionId="v2") == (
        409,
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    assert refusal(plane, "DeletePolicy", PolicyArn=POLICY_ARN)[1] == "DeleteConflict"
    plane.call("iam", "SetDefaultPolicyVersion", PolicyArn=POLICY_ARN, VersionId="v5")
    for version in ("v1", "v2", "v3", "v4"):
        plane.call("iam", "DeletePolicyVersion", PolicyArn=POLICY_ARN, VersionId=version)
    plane.call("iam", "CreatePolicyVersion", PolicyArn=POLICY_ARN, PolicyDocument=json.dumps(POLICY))
    assert plane.call("iam", "GetPolicyVersion", PolicyArn=POLICY_ARN, VersionId="v6"), "numbers are not used again"
    plane.call("iam", "DeletePolicyVersion", PolicyArn=POLICY_ARN, VersionId="v6")
    plane.call("iam", "DeletePolicy", PolicyArn=POLICY_ARN)
    assert refusal(plane, "GetPolicy", PolicyArn=POLICY_ARN)[1] == "NoSuchEntity"


def test_tags_differ_by_more_than_case(plane: Plane) -> None:
    create_role(plane, Tags=[{"Key": "Team", "Value": "a"}])
    plane.call("iam", "TagRole", RoleName="r", Tags=[{"Key": "team", "Value": "b"}, {"Key": "env", "Value": ""}])

    assert plane.call("iam", "ListRoleTags", RoleName="r")["Tags"] == [
        {"Key": "env", "Value": ""},
        {"Key": "team", "Value": "b"},
    ]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert refusal(plane, "TagRole", RoleName="r", Tags=twice)[1] == "InvalidInput"
    many = [{"Key": f"k{number}", "Value": ""} for number in range(49)]
    assert refusal(plane, "TagRole", RoleName="r", Tags=many)[1] == "LimitExceeded"
    plane.call("iam", "UntagRole", RoleName="r", TagKeys=["TEAM"])
    assert plane.call("iam", "ListRoleTags", RoleName="r")["Tags"] == [{"Key": "env", "Value": ""}]


def test_tags_of_policies(plane: Plane) -> None:
    create_policy(plane, Tags=[{"Key": "a", "Value": "1"}])
    plane.call("iam", "TagPolicy", PolicyArn=POLICY_ARN, Tags=[{"Key": "b", "Value": "2"}])
    plane.call("iam", "UntagPolicy", PolicyArn=POLICY_ARN, TagKeys=["a"])

    assert plane.call("iam", "ListPolicyTags", PolicyArn=POLICY_ARN)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_a_permissions_boundary(plane: Plane) -> None:
    create_role(plane)
    create_policy(plane)
    plane.call("iam", "PutRolePermissionsBoundary", RoleName="r", PermissionsBoundary=POLICY_ARN)

    role = plane.call("iam", "GetRole", RoleName="r")["Role"]
    assert role["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": POLICY_ARN,
    }
    assert "PermissionsBoundary" not in plane.call("iam", "ListRoles")["Roles"][0]
    assert refusal(plane, "DeletePolicy", PolicyArn=POLICY_ARN)[1] == "DeleteConflict"
    plane.call("iam", "DeleteRolePermissionsBoundary", RoleName="r")
    assert refusal(plane, "DeleteRolePermissionsBoundary", RoleName="r")[1] == "NoSuchEntity"


def test_what_the_model_refuses(plane: Plane) -> None:
    status, code, message = refusal(plane, "GetRole", RoleName="a b")

    assert (status, code) == (400, "ValidationError")
    assert message == (
        "1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\w+=,.@-]+"
    )


def test_the_caller_is_the_one_user(plane: Plane) -> None:
    user = plane.call("iam", "GetUser")["User"]
    assert user["Arn"] == "arn:aws:iam::000000000000:root"
    assert "UserName" not in user
    plane.admin_key()
    assert plane.call("iam", "GetUser", UserName="admin")["User"]["Arn"] == "arn:aws:iam::000000000000:user/admin"
    assert refusal(plane, "GetUser", UserName="no") == (
        404,
        "NoSuchEntity",
        "The user with name no cannot be found.",
    )
