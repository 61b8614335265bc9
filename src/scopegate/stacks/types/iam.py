"""`AWS::IAM::*`. Policies are stored, as the operations store them."""

from typing import Any, Final

from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import (
    Aws,
    Properties,
    ResourceType,
    check_members,
    gone_already,
    policy_text,
    tags_of,
    without,
    words,
)


async def _create_role(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("RoleName") or aws.generated_name(logical_id, 64)
    request = {
        **without(properties, "ManagedPolicyArns", "Policies", "RoleName", "Tags"),
        "RoleName": name,
        "AssumeRolePolicyDocument": policy_text(properties["AssumeRolePolicyDocument"]),
    }
    if tags := tags_of(properties.get("Tags")):
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    physical = await aws.make("iam", "CreateRole", request, lambda answer: _role(answer["Role"]))
    await _put_policies(aws, name, properties)
    return physical


def _role(role: Properties) -> Physical:
    return Physical(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})


async def _put_policies(aws: Aws, name: str, properties: Properties) -> None:
    for arn in properties.get("ManagedPolicyArns") or []:
        await aws.call("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": arn})
    for policy in properties.get("Policies") or []:
        await aws.call("iam", "PutRolePolicy", _policy_of(name, policy))


async def _update_role(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """What is new comes before what is old goes: the role is never without both."""
    name = physical.physical_id
    request = {"RoleName": name, "PolicyDocument": policy_text(new["AssumeRolePolicyDocument"])}
    await aws.call("iam", "UpdateAssumeRolePolicy", request)
    settings: Properties = {key: new[key] for key in ("Description", "MaxSessionDuration") if key in new}
    if settings != {key: old[key] for key in ("Description", "MaxSessionDuration") if key in old}:
        await aws.call("iam", "UpdateRole", {"RoleName": name, "Description": "", **settings})
    await _put_policies(aws, name, new)
    for arn in set(old.get("ManagedPolicyArns") or []) - set(new.get("ManagedPolicyArns") or []):
        await gone_already(aws.call("iam", "DetachRolePolicy", {"RoleName": name, "PolicyArn": arn}))
    kept = {policy["PolicyName"] for policy in new.get("Policies") or []}
    for policy in old.get("Policies") or []:
        if policy["PolicyName"] not in kept:
            request = {"RoleName": name, "PolicyName": policy["PolicyName"]}
            await gone_already(aws.call("iam", "DeleteRolePolicy", request))
    boundary = new.get("PermissionsBoundary")
    if boundary != old.get("PermissionsBoundary"):
        if boundary:
            request = {"RoleName": name, "PermissionsBoundary": boundary}
            await aws.call("iam", "PutRolePermissionsBoundary", request)
        else:
            await gone_already(aws.call("iam", "DeleteRolePermissionsBoundary", {"RoleName": name}))
    before, after = tags_of(old.get("Tags")), tags_of(new.get("Tags"))
    if gone := sorted(before.keys() - after.keys()):
        await aws.call("iam", "UntagRole", {"RoleName": name, "TagKeys": gone})
    if after != before and after:
        tags = [{"Key": key, "Value": value} for key, value in after.items()]
        await aws.call("iam", "TagRole", {"RoleName": name, "Tags": tags})
    return physical


async def _delete_role(aws: Aws, physical: Physical, properties: Properties) -> None:
    """With the policies that it has, whatever the template says: others may have added some."""
    role = {"RoleName": physical.physical_id}
    for policy in (await aws.call("iam", "ListAttachedRolePolicies", role))["AttachedPolicies"]:
        await gone_already(aws.call("iam", "DetachRolePolicy", {**role, "PolicyArn": policy["PolicyArn"]}))
    for name in (await aws.call("iam", "ListRolePolicies", role))["PolicyNames"]:
        await gone_already(aws.call("iam", "DeleteRolePolicy", {**role, "PolicyName": name}))
    await aws.call("iam", "DeleteRole", role)


async def _create_policy(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`AWS::IAM::Policy` is an inline policy of the roles that it names."""
    if properties.get("Users") or properties.get("Groups"):
        aws.note(f"{logical_id}: Users and Groups of AWS::IAM::Policy are left out; there are roles only")
    name = aws.generated_name(logical_id, 128)
    physical = Physical(name, {"Id": name})
    for role in properties.get("Roles") or []:
        request = _policy_of(role, properties)
        await aws.make("iam", "PutRolePolicy", request, lambda _: physical)
    return physical


def _policy_of(role: str, policy: Properties) -> Properties:
    check_members(policy, ("Groups", "PolicyDocument", "PolicyName", "Roles", "Users"))
    return {
        "RoleName": role,
        "PolicyName": policy["PolicyName"],
        "PolicyDocument": policy_text(policy["PolicyDocument"]),
    }


async def _update_policy(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    for role in new.get("Roles") or []:
        await aws.call("iam", "PutRolePolicy", _policy_of(role, new))
    kept = {(role, new["PolicyName"]) for role in new.get("Roles") or []}
    for role in old.get("Roles") or []:
        if (role, old["PolicyName"]) not in kept:
            await _take_policy(aws, role, old["PolicyName"])
    return physical


async def _take_policy(aws: Aws, role: str, name: str) -> None:
    await gone_already(aws.call("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": name}))


async def _delete_policy(aws: Aws, physical: Physical, properties: Properties) -> None:
    for role in properties.get("Roles") or []:
        await _take_policy(aws, role, properties["PolicyName"])


async def _create_managed_policy(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request: Properties = {
        "PolicyName": properties.get("ManagedPolicyName") or aws.generated_name(logical_id, 128),
        "PolicyDocument": policy_text(properties["PolicyDocument"]),
        **{key: properties[key] for key in ("Path", "Description") if key in properties},
    }

    def physical(answer: Any) -> Physical:
        policy = answer["Policy"]
        return Physical(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})

    made = await aws.make("iam", "CreatePolicy", request, physical)
    for role in properties.get("Roles") or []:
        await aws.call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": made.physical_id})
    return made


async def _delete_managed_policy(aws: Aws, physical: Physical, properties: Properties) -> None:
    arn = physical.physical_id
    for role in properties.get("Roles") or []:
        await gone_already(aws.call("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": arn}))
    await aws.call("iam", "DeletePolicy", {"PolicyArn": arn})


TYPES: Final = {
    "AWS::IAM::ManagedPolicy": ResourceType(
        _create_managed_policy,
        _delete_managed_policy,
        properties=words("Description Groups ManagedPolicyName Path PolicyDocument Roles Users"),
        required=("PolicyDocument",),
        attributes=words("PolicyArn PolicyId"),
    ),
    "AWS::IAM::Policy": ResourceType(
        _create_policy,
        _delete_policy,
        _update_policy,
        properties=words("Groups PolicyDocument PolicyName Roles Users"),
        required=("PolicyDocument", "PolicyName"),
        attributes=words("Id"),
    ),
    "AWS::IAM::Role": ResourceType(
        _create_role,
        _delete_role,
        _update_role,
        properties=words(
            "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
            "Policies RoleName Tags"
        ),
        required=("AssumeRolePolicyDocument",),
        attributes=words("Arn RoleId"),
        replaces=words("RoleName Path"),
    ),
}
