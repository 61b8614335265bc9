"""What users and sessions of roles may do: identity policies, boundaries, session policies, trust; denials in IAM's
words.

Source: IAM User Guide, "Policy evaluation logic"; STS API reference, AssumeRole; attack rows U5 and O25.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scopegate.account import keys, queries
from scopegate.account.aws_policies import KNOWN, find_aws_policy
from scopegate.aws.operations import Caller
from scopegate.aws.policy import Verdict, parse_policy
from scopegate.aws.sigv4 import SignatureRefused
from scopegate.base.errors import AwsError, SetupError
from tests.rooms.aws.plane import ACCOUNT, Plane

IAM = f"arn:aws:iam::{ACCOUNT}"
POOL = f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_abc"


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def trust(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": action, **more})


def make_user(plane: Plane, name: str = "ada", *statements: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A user with an inline policy; its first access key."""
    plane.call("iam", "CreateUser", UserName=name, **members)
    if statements:
        policy = document(*statements)
        plane.call("iam", "PutUserPolicy", UserName=name, PolicyName="inline", PolicyDocument=policy)
    key: dict[str, Any] = plane.call("iam", "CreateAccessKey", UserName=name)["AccessKey"]
    return key


def make_role(plane: Plane, name: str, principal: Any, *statements: Mapping[str, Any], **members: Any) -> str:
    """A role with an inline policy; its ARN."""
    members.setdefault("AssumeRolePolicyDocument", trust(principal))
    role = plane.call("iam", "CreateRole", RoleName=name, **members)["Role"]
    if statements:
        policy = document(*statements)
        plane.call("iam", "PutRolePolicy", RoleName=name, PolicyName="inline", PolicyDocument=policy)
    arn: str = role["Arn"]
    return arn


def refusal(plane: Plane, by: Mapping[str, Any], service: str, operation: str, **members: Any) -> str:
    """The sentence that denies a call."""
    with pytest.raises(AwsError) as refused:
        plane.call_by(by, service, operation, **members)
    assert refused.value.status == (400 if service == "cognito-idp" else 403), refused.value
    assert refused.value.code == ("AccessDenied" if service in ("iam", "sts") else "AccessDeniedException")
    return str(refused.value.message)


def denied(arn: str, action: str, resource: str, end: str = "") -> str:
    end = end or f"because no identity-based policy allows the {action} action"
    return f"User: {arn} is not authorized to perform: {action} on resource: {resource} {end}"


# users


def test_a_user_may_what_its_policies_allow_and_nothing_else(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("iam:GetRole", f"{IAM}:role/service/*"), Path="/people/")
    make_role(plane, "orders", "*", Path="/service/")
    make_role(plane, "admin", "*")

    assert plane.call_by(key, "iam", "GetRole", RoleName="orders")["Role"]["RoleName"] == "orders"
    ada = f"{IAM}:user/people/ada"
    assert refusal(plane, key, "iam", "GetRole", RoleName="admin") == denied(ada, "iam:GetRole", f"{IAM}:role/admin")
    assert refusal(plane, key, "iam", "ListRoles") == denied(ada, "iam:ListRoles", f"{IAM}:role/")
    found = refusal(plane, key, "cognito-idp", "DescribeUserPool", UserPoolId="us-east-1_abc")
    assert found == denied(ada, "cognito-idp:DescribeUserPool", POOL)
    assert plane.call_by(key, "sts", "GetCallerIdentity")["Arn"] == ada


def test_a_user_without_policies_may_ask_who_it_is(plane: Plane) -> None:
    key = make_user(plane)

    assert plane.call_by(key, "sts", "GetCallerIdentity")["UserId"].startswith("AIDA")
    assert refusal(plane, key, "iam", "GetUser") == denied(f"{IAM}:user/ada", "iam:GetUser", f"{IAM}:user/ada")


def test_an_explicit_deny_wins_and_is_named(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("iam:*"), deny("IAM:deleterole", f"{IAM}:role/prod*"))
    make_role(plane, "prod-orders", "*")
    make_role(plane, "test-orders", "*")

    plane.call_by(key, "iam", "DeleteRole", RoleName="test-orders")

    end = "with an explicit deny in an identity-based policy"
    assert refusal(plane, key, "iam", "DeleteRole", RoleName="prod-orders") == denied(
        f"{IAM}:user/ada", "iam:DeleteRole", f"{IAM}:role/prod-orders", end
    )


def test_policies_attached_count_by_their_default_version(plane: Plane) -> None:
    key = make_user(plane)
    arn = plane.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=document(allow("iam:ListUsers")))["Policy"][
        "Arn"
    ]
    plane.call("iam", "AttachUserPolicy", UserName="ada", PolicyArn=arn)
    assert [user["UserName"] for user in plane.call_by(key, "iam", "ListUsers")["Users"]] == ["ada"]

    more = document(allow("iam:ListRoles"))
    plane.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=more, SetAsDefault=True)
    assert plane.call_by(key, "iam", "ListRoles")["Roles"] == []
    assert "iam:ListUsers" in refusal(plane, key, "iam", "ListUsers")

    plane.call("iam", "DetachUserPolicy", UserName="ada", PolicyArn=arn)
    assert "iam:ListRoles" in refusal(plane, key, "iam", "ListRoles")


def test_awss_managed_policies_are_known_and_an_unknown_one_grants_nothing(plane: Plane) -> None:
    key = make_user(plane)
    plane.call("iam", "AttachUserPolicy", UserName="ada", PolicyArn="arn:aws:iam::aws:policy/NobodyKnowsThis")
    assert "iam:ListRoles" in refusal(plane, key, "iam", "ListRoles")

    plane.call("iam", "AttachUserPolicy", UserName="ada", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert plane.call_by(key, "iam", "ListRoles")["Roles"] == []
    assert "iam:DeleteUser" in refusal(plane, key, "iam", "DeleteUser", UserName="ada")
    shown = plane.call("iam", "GetPolicy", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")["Policy"]
    assert shown["AttachmentCount"] == 1


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_known_policy_can_be_evaluated(name: str) -> None:
    text = find_aws_policy(f"arn:aws:iam::aws:policy{name}")

    assert text is not None
    assert parse_policy(text).statements


def test_a_permissions_boundary_bounds(plane: Plane) -> None:
    bound = plane.call(
        "iam", "CreatePolicy", PolicyName="b", PolicyDocument=document(allow("iam:Get*"), deny("iam:Change*"))
    )
    key = make_user(plane, "ada", allow("*"), PermissionsBoundary=bound["Policy"]["Arn"])

    assert plane.call_by(key, "iam", "GetUser")["User"]["UserName"] == "ada"
    end = "because no permissions boundary allows the iam:ListUsers action"
    assert refusal(plane, key, "iam", "ListUsers") == denied(f"{IAM}:user/ada", "iam:ListUsers", f"{IAM}:user/", end)
    assert refusal(plane, key, "iam", "ChangePassword", OldPassword="a", NewPassword="b").endswith(
        "with an explicit deny in a permissions boundary"
    )


def test_a_boundary_that_is_unknown_allows_nothing(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("*"), PermissionsBoundary="arn:aws:iam::aws:policy/NobodyKnowsThis")

    assert "permissions boundary" in refusal(plane, key, "iam", "GetUser")


def test_variables_are_about_the_caller(plane: Plane) -> None:
    own = allow(["iam:*AccessKey*", "iam:GetUser"], f"{IAM}:user/${{aws:username}}")
    team = allow("iam:GetRole", f"{IAM}:role/${{aws:PrincipalTag/team}}-*")
    key = make_user(plane, "ada", own, team, Tags=[{"Key": "Team", "Value": "orders"}])
    make_user(plane, "bob")
    make_role(plane, "orders-read", "*")
    make_role(plane, "money-read", "*")

    assert len(plane.call_by(key, "iam", "ListAccessKeys")["AccessKeyMetadata"]) == 1
    assert plane.call_by(key, "iam", "GetRole", RoleName="orders-read")
    assert "user/bob" in refusal(plane, key, "iam", "CreateAccessKey", UserName="bob")
    assert "role/money-read" in refusal(plane, key, "iam", "GetRole", RoleName="money-read")


def test_what_a_caller_is_called_is_no_pattern(plane: Plane) -> None:
    """A tag `*` is one star, not everything."""
    key = make_user(
        plane,
        "ada",
        allow("iam:GetRole", f"{IAM}:role/${{aws:PrincipalTag/team}}"),
        Tags=[{"Key": "team", "Value": "+"}],
    )
    make_role(plane, "admin", "*")
    plane.call("iam", "TagUser", UserName="ada", Tags=[{"Key": "team", "Value": "+@+"}])

    assert "role/admin" in refusal(plane, key, "iam", "GetRole", RoleName="admin")


def test_conditions_on_the_request(plane: Plane) -> None:
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    bounded = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    key = make_user(
        plane,
        "ada",
        allow("iam:CreateRole", **bounded),
        allow("iam:ListUsers", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
        allow("iam:ListRoles", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        allow("iam:TagUser", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
    )
    document = trust({"Service": "lambda.amazonaws.com"})

    plane.call_by(
        key, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=document, PermissionsBoundary=boundary
    )
    plane.call_by(key, "iam", "ListUsers")
    plane.call_by(key, "iam", "TagUser", UserName="ada", Tags=[{"Key": "team", "Value": "x"}])

    assert "iam:CreateRole" in refusal(plane, key, "iam", "CreateRole", RoleName="s", AssumeRolePolicyDocument=document)
    assert "iam:ListRoles" in refusal(plane, key, "iam", "ListRoles")
    assert "iam:TagUser" in refusal(
        plane, key, "iam", "TagUser", UserName="ada", Tags=[{"Key": "role", "Value": "admin"}]
    )


def test_conditions_that_nobody_here_can_tell_fail_closed(plane: Plane) -> None:
    """Tags of resources are not looked at: an Allow on them never applies, a Deny always."""
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "orders"}}}
    key = make_user(plane, "ada", allow("iam:GetUser", **tagged), allow("iam:GetRole"), deny("iam:GetRole", **tagged))
    make_role(plane, "r", "*")

    assert "no identity-based policy" in refusal(plane, key, "iam", "GetUser")
    assert "explicit deny" in refusal(plane, key, "iam", "GetRole", RoleName="r")


# simulated


def test_rights_are_simulated_as_they_are_judged(plane: Plane) -> None:
    bound = plane.call("iam", "CreatePolicy", PolicyName="b", PolicyDocument=document(allow(["iam:*", "lambda:*"])))
    statements = (
        allow("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:orders"),
        allow("iam:Get*"),
        deny("iam:GetRole"),
        allow("s3:*"),
        allow("iam:ListUsers", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
    )
    make_user(plane, "ada", *statements, PermissionsBoundary=bound["Policy"]["Arn"])
    role = make_role(plane, "r", {"Service": "lambda.amazonaws.com"}, allow("iam:GetUser"))

    def simulate(arn: str, *actions: str, **more: Any) -> list[str]:
        found = plane.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=list(actions), **more)
        return [result["EvalDecision"] for result in found["EvaluationResults"]]

    ada = f"{IAM}:user/ada"
    functions = [f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}" for name in ("orders", "other")]
    assert simulate(ada, "lambda:InvokeFunction", ResourceArns=functions) == ["allowed", "implicitDeny"]
    assert simulate(ada, "iam:GetUser", "iam:GetRole", "s3:GetObject", "iam:ListUsers") == [
        "allowed",
        "explicitDeny",
        "implicitDeny",
        "implicitDeny",
    ]
    address = {"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["192.0.2.7"], "ContextKeyType": "ip"}
    assert simulate(ada, "iam:ListUsers", ContextEntries=[address]) == ["allowed"]
    assert simulate(role, "iam:GetUser", "iam:GetRole") == ["allowed", "implicitDeny"]


@pytest.mark.parametrize(
    "arn", [f"{IAM}:user/nobody", f"{IAM}:role/x/r", f"{IAM}:group/g", "arn:aws:iam::111111111111:user/ada"]
)
def test_rights_of_who_is_not_there_are_not_simulated(plane: Plane, arn: str) -> None:
    make_user(plane, "ada")
    make_role(plane, "r", "*")

    with pytest.raises(AwsError) as refused:
        plane.call("iam", "SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=["iam:GetUser"])

    assert refused.value.code == "NoSuchEntity"


# keys


def test_keys_of_users_end_with_what_they_hang_on(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("iam:ListUsers"))
    plane.call_by(key, "iam", "ListUsers")

    plane.call("iam", "UpdateAccessKey", UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(SignatureRefused):
        plane.view.find_access_key(key["AccessKeyId"], None)
    plane.call("iam", "UpdateAccessKey", UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Active")
    plane.call_by(key, "iam", "ListUsers")
    plane.call("iam", "DeleteUserPolicy", UserName="ada", PolicyName="inline")
    with pytest.raises(AwsError, match="must delete access keys first"):
        plane.call("iam", "DeleteUser", UserName="ada")
    plane.call("iam", "DeleteAccessKey", UserName="ada", AccessKeyId=key["AccessKeyId"])
    with pytest.raises(SignatureRefused):
        plane.view.find_access_key(key["AccessKeyId"], None)
    plane.call("iam", "DeleteUser", UserName="ada")


def test_a_user_has_two_keys_at_most_and_sees_each_secret_once(plane: Plane) -> None:
    first = make_user(plane)
    second = plane.call("iam", "CreateAccessKey", UserName="ada")["AccessKey"]

    with pytest.raises(AwsError, match="Cannot exceed quota for AccessKeysPerUser: 2"):
        plane.call("iam", "CreateAccessKey", UserName="ada")
    listed = plane.call("iam", "ListAccessKeys", UserName="ada")["AccessKeyMetadata"]

    assert {key["AccessKeyId"] for key in listed} == {first["AccessKeyId"], second["AccessKeyId"]}
    assert "SecretAccessKey" not in listed[0]


def test_a_renamed_user_keeps_its_keys_and_policies(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("iam:ListUsers"))
    plane.call("iam", "UpdateUser", UserName="ada", NewUserName="countess", NewPath="/nobles/")

    assert plane.call_by(key, "iam", "ListUsers")["Users"][0]["UserName"] == "countess"
    assert plane.call_by(key, "sts", "GetCallerIdentity")["Arn"] == f"{IAM}:user/nobles/countess"


def test_operators_keys_are_no_keys_of_users(plane: Plane) -> None:
    """A user cannot make, see or end keys that may do everything, nor be taken for their owner."""
    operator = plane.admin_key()
    key = make_user(plane, "ada", allow("iam:*"))

    for operation in ("CreateAccessKey", "ListAccessKeys"):
        with pytest.raises(AwsError, match="The user with name admin cannot be found"):
            plane.call_by(key, "iam", operation, UserName="admin")
    with pytest.raises(AwsError, match="cannot be found"):
        plane.call_by(key, "iam", "DeleteAccessKey", UserName="ada", AccessKeyId=operator.access_key_id)
    with pytest.raises(AwsError, match="User with name Admin already exists"):
        plane.call_by(key, "iam", "CreateUser", UserName="Admin")
    with pytest.raises(SetupError, match="ada is an IAM user"):
        plane.write(lambda tx: keys.create_key(tx, plane.seal, user_name="ada", now=1.0))
    assert [row.access_key_id for row in plane.write(keys.list_keys)] == [operator.access_key_id]


def test_users_keys_alone_do_not_start_production(plane: Plane) -> None:
    make_user(plane)

    assert not plane.write(keys.any_key)


# roles


def session(plane: Plane, by: Mapping[str, Any], role: str, **members: Any) -> dict[str, Any]:
    """Credentials of a role."""
    answer = plane.call_by(by, "sts", "AssumeRole", RoleArn=role, RoleSessionName="session", **members)
    credentials: dict[str, Any] = answer["Credentials"]
    return credentials


def test_a_role_is_assumed_by_whom_it_trusts(plane: Plane) -> None:
    key = make_user(plane)
    role = make_role(plane, "reader", {"AWS": f"{IAM}:user/ada"}, allow("iam:List*"), Path="/service/")

    answer = plane.call_by(key, "sts", "AssumeRole", RoleArn=role, RoleSessionName="session", DurationSeconds=900)
    credentials = answer["Credentials"]

    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session"
    role_id = plane.call("iam", "GetRole", RoleName="reader")["Role"]["RoleId"]
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role_id}:session", "Arn": arn}
    assert plane.call_by(credentials, "sts", "GetCallerIdentity")["Arn"] == arn
    assert len(plane.call_by(credentials, "iam", "ListRoles")["Roles"]) == 1
    assert refusal(plane, credentials, "iam", "GetUser", UserName="ada") == denied(
        arn, "iam:GetUser", f"{IAM}:user/ada"
    )


def test_a_role_that_trusts_the_account_is_assumed_by_those_whose_policies_say_so(plane: Plane) -> None:
    role = make_role(plane, "r", {"AWS": f"{IAM}:root"})
    ada = make_user(plane, "ada")
    bob = make_user(plane, "bob", allow("sts:AssumeRole", role))
    eve = make_user(plane, "eve", allow("*"), deny("sts:AssumeRole"))

    assert session(plane, bob, role)["SessionToken"]
    assert session(plane, {}, role)["SessionToken"]  # the account's root
    for key, name in ((ada, "ada"), (eve, "eve")):
        assert refusal(plane, key, "sts", "AssumeRole", RoleArn=role, RoleSessionName="session") == (
            f"User: {IAM}:user/{name} is not authorized to perform: sts:AssumeRole on resource: {role}"
        )


@pytest.mark.parametrize(
    "principal",
    [
        {"Service": "lambda.amazonaws.com"},
        {"AWS": f"{IAM}:user/bob"},
        {"AWS": "arn:aws:iam::111111111111:root"},
        {"Federated": "cognito-identity.amazonaws.com"},
        {"Service": "*"},
    ],
    ids=str,
)
def test_a_role_that_trusts_others_is_not_assumed(plane: Plane, principal: Any) -> None:
    """Even by who may do everything."""
    role = make_role(plane, "r", principal)
    key = make_user(plane, "ada", allow("*"))

    assert "sts:AssumeRole" in refusal(plane, key, "sts", "AssumeRole", RoleArn=role, RoleSessionName="session")
    missing = refusal(plane, key, "sts", "AssumeRole", RoleArn=f"{IAM}:role/none", RoleSessionName="session")
    assert missing.endswith(f"sts:AssumeRole on resource: {IAM}:role/none")


def test_an_external_id_is_asked_for(plane: Plane) -> None:
    """IAM User Guide, "The confused deputy problem"."""
    key = make_user(plane)
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": "x-1"}}}
    document = trust({"AWS": f"{IAM}:user/ada"}, **condition)
    role = make_role(plane, "r", None, AssumeRolePolicyDocument=document)

    assert session(plane, key, role, ExternalId="x-1")
    for more in ({}, {"ExternalId": "x-2"}):
        assert "sts:AssumeRole" in refusal(
            plane, key, "sts", "AssumeRole", RoleArn=role, RoleSessionName="session", **more
        )


def test_session_policies_narrow(plane: Plane) -> None:
    key = make_user(plane)
    role = make_role(plane, "r", {"AWS": f"{IAM}:user/ada"}, allow("iam:List*"), deny("iam:ListPolicies"))
    narrow = session(plane, key, role, Policy=document(allow(["iam:ListRoles", "iam:GetRole"])))
    by_arn = session(plane, key, role, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AWSLambdaExecute"}])

    assert len(plane.call_by(narrow, "iam", "ListRoles")["Roles"]) == 1
    assert refusal(plane, narrow, "iam", "ListUsers").endswith(
        "because no session policy allows the iam:ListUsers action"
    )
    assert "no identity-based policy" in refusal(plane, narrow, "iam", "GetRole", RoleName="r")
    assert "no session policy" in refusal(plane, by_arn, "iam", "ListRoles")


def test_session_tags_need_the_roles_leave_and_decide(plane: Plane) -> None:
    key = make_user(plane)
    ada = {"AWS": f"{IAM}:user/ada"}
    own = allow("iam:GetRole", f"{IAM}:role/${{aws:PrincipalTag/team}}")
    both = trust(ada, ["sts:AssumeRole", "sts:TagSession"])
    tagged = make_role(plane, "tagged", None, own, AssumeRolePolicyDocument=both)
    plain = make_role(plane, "plain", ada, own)
    tags = [{"Key": "team", "Value": "plain"}]

    credentials = session(plane, key, tagged, Tags=tags)

    assert plane.call_by(credentials, "iam", "GetRole", RoleName="plain")
    assert "role/tagged" in refusal(plane, credentials, "iam", "GetRole", RoleName="tagged")
    assert "sts:TagSession" in refusal(
        plane, key, "sts", "AssumeRole", RoleArn=plain, RoleSessionName="session", Tags=tags
    )


def test_sessions_are_as_long_as_the_role_says(plane: Plane) -> None:
    role = make_role(plane, "r", "*", allow("sts:*"), MaxSessionDuration=7200)
    first = session(plane, {}, role, DurationSeconds=7200)

    for by, seconds, message in (
        ({}, 7201, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
        (first, 3601, "exceeds the 1 hour session limit for roles assumed by role chaining"),
    ):
        with pytest.raises(AwsError, match=message):
            session(plane, by, role, DurationSeconds=seconds)
    assert session(plane, first, role, DurationSeconds=3600)


def test_sessions_of_a_role_that_was_made_anew_are_nobodys(plane: Plane) -> None:
    role = make_role(plane, "r", "*", allow("iam:*"))
    credentials = session(plane, {}, role)
    plane.call("iam", "DeleteRolePolicy", RoleName="r", PolicyName="inline")
    plane.call("iam", "DeleteRole", RoleName="r")
    assert "iam:ListRoles" in refusal(plane, credentials, "iam", "ListRoles")

    make_role(plane, "r", "*", allow("iam:*"))

    assert "iam:ListRoles" in refusal(plane, credentials, "iam", "ListRoles")


def test_policies_that_could_not_be_evaluated_are_refused_when_they_are_put(plane: Plane) -> None:
    make_user(plane)
    odd = document(allow("iam:*", Condition={"StringAlmost": {"aws:username": "ada"}}))
    with pytest.raises(AwsError, match="StringAlmost") as refused:
        plane.call("iam", "PutUserPolicy", UserName="ada", PolicyName="p", PolicyDocument=odd)

    assert refused.value.code == "MalformedPolicyDocument"
    twice = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}'
    with pytest.raises(AwsError, match="twice"):
        plane.call("iam", "PutUserPolicy", UserName="ada", PolicyName="p", PolicyDocument=twice)


def test_a_policy_that_was_stored_and_cannot_be_evaluated_allows_nothing(plane: Plane) -> None:
    key = make_user(plane, "ada", allow("*"))

    def spoil(tx: Any) -> None:
        user = queries.find_entity(tx, ACCOUNT, "user", "ada")
        assert user is not None
        user["InlinePolicies"]["odd"] = document(deny("*", Condition={"StringAlmost": {"a": "b"}}))
        queries.put_entity(tx, ACCOUNT, "user", "ada", user)

    plane.write(spoil)

    assert "cannot be evaluated" in refusal(plane, key, "iam", "GetUser")


# services


def test_a_service_takes_a_role_that_trusts_it(plane: Plane) -> None:
    """`ports.AssumeRole`, as the credentials of integrations use it."""
    arn = make_role(plane, "r", {"Service": "apigateway.amazonaws.com"}, allow("lambda:InvokeFunction", "*:orders"))
    other = make_role(plane, "o", {"Service": "lambda.amazonaws.com"}, allow("*"))
    assume = plane.view.identities.assume_role

    caller = assume(arn, "apigateway.amazonaws.com", "session", {})

    assert caller is not None
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
    assert allowed(plane, caller, "lambda:InvokeFunction", function + "orders")
    assert not allowed(plane, caller, "lambda:InvokeFunction", function + "other")
    assert assume(other, "apigateway.amazonaws.com", "session", {}) is None
    assert assume(f"{IAM}:role/none", "apigateway.amazonaws.com", "session", {}) is None
    plane.call("iam", "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    assert not allowed(plane, caller, "lambda:InvokeFunction", function + "orders")


def allowed(plane: Plane, caller: Caller, action: str, resource: str) -> bool:
    return plane.view.identities.allows(caller, action, resource, {}).verdict is Verdict.ALLOW
