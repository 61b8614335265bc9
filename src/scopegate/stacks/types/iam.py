"""`AWS::IAM::*`: roles, users and their access keys, and the policies of both. Groups are not built.

A group that a template has is recorded, for it has no members; whoever would be one is refused, since the policies of
a group may also forbid.
"""

from dataclasses import dataclass
from typing import Any, Final

from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import (
    Aws,
    Create,
    Delete,
    Properties,
    ResourceType,
    Update,
    check_members,
    gone_already,
    policy_text,
    tags_of,
    text,
    words,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Roles and users have the same operations, but for the word. taken: properties of a policy that name some."""

    word: str  # Role or User
    longest: int

    @property
    def key(self) -> str:
        return f"{self.word}Name"

    @property
    def taken(self) -> str:
        return f"{self.word}s"

    async def bring_policies(self, aws: Aws, name: str, old: Properties, new: Properties) -> None:
        """What is new comes before what is old goes: nobody is ever without both."""
        owner = {self.key: name}
        for arn in new.get("ManagedPolicyArns") or []:
            await aws.call("iam", f"Attach{self.word}Policy", {**owner, "PolicyArn": arn})
            await _note_unknown(aws, name, arn)
        for policy in new.get("Policies") or []:
            await self.put(aws, name, policy)
        for arn in set(old.get("ManagedPolicyArns") or []) - set(new.get("ManagedPolicyArns") or []):
            await self.detach(aws, name, arn)
        kept = {policy["PolicyName"] for policy in new.get("Policies") or []}
        for policy in old.get("Policies") or []:
            if policy["PolicyName"] not in kept:
                await self.take(aws, name, policy["PolicyName"])

    async def bring_boundary(self, aws: Aws, name: str, old: Properties, new: Properties) -> None:
        boundary = new.get("PermissionsBoundary")
        if boundary and boundary != old.get("PermissionsBoundary"):
            request = {self.key: name, "PermissionsBoundary": boundary}
            await aws.call("iam", f"Put{self.word}PermissionsBoundary", request)
        elif not boundary and old.get("PermissionsBoundary"):
            await gone_already(aws.call("iam", f"Delete{self.word}PermissionsBoundary", {self.key: name}))

    async def bring_tags(self, aws: Aws, name: str, old: Properties, new: Properties) -> None:
        before, after = tags_of(old.get("Tags")), tags_of(new.get("Tags"))
        if gone := sorted(before.keys() - after.keys()):
            await aws.call("iam", f"Untag{self.word}", {self.key: name, "TagKeys": gone})
        if after != before and after:
            await aws.call("iam", f"Tag{self.word}", {self.key: name, "Tags": _tags(new)})

    async def put(self, aws: Aws, name: str, policy: Properties) -> None:
        await aws.call("iam", f"Put{self.word}Policy", self.inline(name, policy))

    def inline(self, name: str, policy: Properties) -> Properties:
        check_members(policy, ("Groups", "PolicyDocument", "PolicyName", "Roles", "RoleName", "UserName", "Users"))
        return {
            self.key: name,
            "PolicyName": policy["PolicyName"],
            "PolicyDocument": policy_text(policy["PolicyDocument"]),
        }

    async def take(self, aws: Aws, name: str, policy_name: str) -> None:
        request = {self.key: name, "PolicyName": policy_name}
        await gone_already(aws.call("iam", f"Delete{self.word}Policy", request))

    async def detach(self, aws: Aws, name: str, arn: str) -> None:
        await gone_already(aws.call("iam", f"Detach{self.word}Policy", {self.key: name, "PolicyArn": arn}))

    async def delete(self, aws: Aws, name: str) -> None:
        """With the policies that it has, whatever the template says: others may have added some."""
        owner = {self.key: name}
        attached = await aws.call("iam", f"ListAttached{self.word}Policies", owner)
        for policy in attached["AttachedPolicies"]:
            await self.detach(aws, name, policy["PolicyArn"])
        for policy_name in (await aws.call("iam", f"List{self.word}Policies", owner))["PolicyNames"]:
            await self.take(aws, name, policy_name)
        await aws.call("iam", f"Delete{self.word}", owner)


async def _note_unknown(aws: Aws, name: str, arn: str) -> None:
    """One of AWS's policies may be unknown here; whoever has it should not learn that from a denial."""
    try:
        await aws.call("iam", "GetPolicy", {"PolicyArn": arn})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        aws.note(f"{name}: {arn} is not known here and grants nothing; see docs/policies.md")


_SESSION_S: Final = 3_600  # of a new role

_ROLE: Final = _Kind("Role", 64)
_USER: Final = _Kind("User", 64)
_KINDS: Final = (_ROLE, _USER)


def _tags(properties: Properties) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags_of(properties.get("Tags")).items()]


def _given(properties: Properties, *members: str) -> Properties:
    return {member: properties[member] for member in members if member in properties}


# Roles and users


async def _create_role(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("RoleName") or aws.generated_name(logical_id, _ROLE.longest)
    request = {
        **_given(properties, "Description", "MaxSessionDuration", "Path", "PermissionsBoundary"),
        "RoleName": name,
        "AssumeRolePolicyDocument": policy_text(properties["AssumeRolePolicyDocument"]),
        "Tags": _tags(properties),
    }

    def physical(answer: Any) -> Physical:
        role = answer["Role"]
        return Physical(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    made = await aws.make("iam", "CreateRole", request, physical)
    await _ROLE.bring_policies(aws, name, {}, properties)
    return made


async def _update_role(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    request = {"RoleName": name, "PolicyDocument": policy_text(new["AssumeRolePolicyDocument"])}
    await aws.call("iam", "UpdateAssumeRolePolicy", request)
    settings = _given(new, "Description", "MaxSessionDuration")
    if settings != _given(old, "Description", "MaxSessionDuration"):
        defaults = {"Description": "", "MaxSessionDuration": _SESSION_S}
        await aws.call("iam", "UpdateRole", {"RoleName": name, **defaults, **settings})
    await _ROLE.bring_policies(aws, name, old, new)
    await _ROLE.bring_boundary(aws, name, old, new)
    await _ROLE.bring_tags(aws, name, old, new)
    return physical


async def _delete_role(aws: Aws, physical: Physical, properties: Properties) -> None:
    await _ROLE.delete(aws, physical.physical_id)


async def _create_user(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("UserName") or aws.generated_name(logical_id, _USER.longest)
    request = {**_given(properties, "Path", "PermissionsBoundary"), "UserName": name, "Tags": _tags(properties)}

    def physical(answer: Any) -> Physical:
        return Physical(answer["User"]["UserName"], {"Arn": answer["User"]["Arn"]})

    made = await aws.make("iam", "CreateUser", request, physical)
    await _USER.bring_policies(aws, name, {}, properties)
    return made


async def _update_user(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    if old.get("Path", "/") != new.get("Path", "/"):
        await aws.call("iam", "UpdateUser", {"UserName": name, "NewPath": new.get("Path", "/")})
    await _USER.bring_policies(aws, name, old, new)
    await _USER.bring_boundary(aws, name, old, new)
    await _USER.bring_tags(aws, name, old, new)
    arn = (await aws.call("iam", "GetUser", {"UserName": name}))["User"]["Arn"]
    return Physical(name, {"Arn": arn})


async def _delete_user(aws: Aws, physical: Physical, properties: Properties) -> None:
    user = {"UserName": physical.physical_id}
    for key in (await aws.call("iam", "ListAccessKeys", user))["AccessKeyMetadata"]:
        await gone_already(aws.call("iam", "DeleteAccessKey", {**user, "AccessKeyId": key["AccessKeyId"]}))
    await _USER.delete(aws, physical.physical_id)


async def _create_access_key(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    def physical(answer: Any) -> Physical:
        key = answer["AccessKey"]
        return Physical(key["AccessKeyId"], {"Id": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]})

    made = await aws.make("iam", "CreateAccessKey", {"UserName": properties["UserName"]}, physical)
    return await _update_access_key(aws, made, {}, properties)


async def _update_access_key(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    if new.get("Status", "Active") != old.get("Status", "Active"):
        request = {"UserName": new["UserName"], "AccessKeyId": physical.physical_id}
        await aws.call("iam", "UpdateAccessKey", {**request, "Status": new.get("Status", "Active")})
    return physical


async def _delete_access_key(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserName": properties["UserName"], "AccessKeyId": physical.physical_id}
    await aws.call("iam", "DeleteAccessKey", request)


# Policies


def _owners(properties: Properties) -> list[tuple[_Kind, str]]:
    return [(kind, name) for kind in _KINDS for name in properties.get(kind.taken) or []]


async def _create_policy(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`AWS::IAM::Policy` is an inline policy of the roles and users that it names."""
    name = aws.generated_name(logical_id, 128)
    physical = Physical(name, {"Id": name})
    for kind, owner in _owners(properties):
        await aws.make("iam", f"Put{kind.word}Policy", kind.inline(owner, properties), lambda _: physical)
    return physical


async def _update_policy(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    for kind, owner in _owners(new):
        await kind.put(aws, owner, new)
    kept = {(owner, new["PolicyName"]) for owner in _owners(new)}
    for kind, owner in _owners(old):
        if ((kind, owner), old["PolicyName"]) not in kept:
            await kind.take(aws, owner, old["PolicyName"])
    return physical


async def _delete_policy(aws: Aws, physical: Physical, properties: Properties) -> None:
    for kind, owner in _owners(properties):
        await kind.take(aws, owner, properties["PolicyName"])


def _policy_of(kind: _Kind) -> tuple[Create, Delete, Update]:
    """`AWS::IAM::RolePolicy` and `UserPolicy`: an inline policy of the one that it names."""

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        owner = properties[kind.key]
        physical = Physical(f"{properties['PolicyName']}|{owner}", {})
        request = kind.inline(owner, {"PolicyDocument": {}, **properties})
        return await aws.make("iam", f"Put{kind.word}Policy", request, lambda _: physical)

    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        await kind.put(aws, new[kind.key], new)
        return physical

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        await kind.take(aws, properties[kind.key], properties["PolicyName"])

    return create, delete, update


async def _create_managed_policy(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {
        **_given(properties, "Description", "Path"),
        "PolicyName": properties.get("ManagedPolicyName") or aws.generated_name(logical_id, 128),
        "PolicyDocument": policy_text(properties["PolicyDocument"]),
    }
    made = await aws.make("iam", "CreatePolicy", request, lambda answer: _managed(answer["Policy"]))
    return await _attach(aws, made, {}, properties)


def _managed(policy: Properties) -> Physical:
    counted = ("AttachmentCount", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount")
    shown = {name: text(policy[name]) for name in counted if name in policy}
    return Physical(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"], **shown})


async def _update_managed_policy(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """Another document is another version; the oldest one goes where there are as many as there may be."""
    policy = {"PolicyArn": physical.physical_id}
    if policy_text(old["PolicyDocument"]) != policy_text(new["PolicyDocument"]):
        versions = (await aws.call("iam", "ListPolicyVersions", policy))["Versions"]
        spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
        if len(versions) >= limit("account.iam.policy_versions"):
            oldest = min(spare, key=lambda version: int(version.removeprefix("v")))
            await gone_already(aws.call("iam", "DeletePolicyVersion", {**policy, "VersionId": oldest}))
        request = {**policy, "PolicyDocument": policy_text(new["PolicyDocument"]), "SetAsDefault": True}
        await aws.call("iam", "CreatePolicyVersion", request)
    return await _attach(aws, physical, old, new)


async def _attach(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    arn = physical.physical_id
    for kind, owner in _owners(new):
        await aws.call("iam", f"Attach{kind.word}Policy", {kind.key: owner, "PolicyArn": arn})
    for kind, owner in _owners(old):
        if (kind, owner) not in _owners(new):
            await kind.detach(aws, owner, arn)
    return _managed((await aws.call("iam", "GetPolicy", {"PolicyArn": arn}))["Policy"])


async def _delete_managed_policy(aws: Aws, physical: Physical, properties: Properties) -> None:
    policy = {"PolicyArn": physical.physical_id}
    for kind, owner in _owners(properties):
        await kind.detach(aws, owner, physical.physical_id)
    for version in (await aws.call("iam", "ListPolicyVersions", policy))["Versions"]:
        if not version["IsDefaultVersion"]:
            request = {**policy, "VersionId": version["VersionId"]}
            await gone_already(aws.call("iam", "DeletePolicyVersion", request))
    await aws.call("iam", "DeletePolicy", policy)


_COUNTED: Final = words(
    "AttachmentCount DefaultVersionId IsAttachable PermissionsBoundaryUsageCount PolicyArn PolicyId"
)

TYPES: Final = {
    "AWS::IAM::AccessKey": ResourceType(
        _create_access_key,
        _delete_access_key,
        _update_access_key,
        properties=words("Serial Status UserName"),
        required=("UserName",),
        attributes=words("Id SecretAccessKey"),
        read_only=words("Id SecretAccessKey"),
        replaces=words("Serial UserName"),
        ref="the access key id",
        operations=words("CreateAccessKey DeleteAccessKey UpdateAccessKey"),
    ),
    "AWS::IAM::ManagedPolicy": ResourceType(
        _create_managed_policy,
        _delete_managed_policy,
        _update_managed_policy,
        properties=words("Description Groups ManagedPolicyName Path PolicyDocument Roles Users"),
        required=("PolicyDocument",),
        attributes=_COUNTED,
        read_only=_COUNTED,
        replaces=words("Description ManagedPolicyName Path"),
        ref="the ARN of the policy",
        operations=words(
            "AttachRolePolicy AttachUserPolicy CreatePolicy CreatePolicyVersion DeletePolicy "
            "DeletePolicyVersion DetachRolePolicy DetachUserPolicy GetPolicy ListPolicyVersions"
        ),
        left_out={"Groups": "no group has members"},
    ),
    "AWS::IAM::Policy": ResourceType(
        _create_policy,
        _delete_policy,
        _update_policy,
        properties=words("Groups PolicyDocument PolicyName Roles Users"),
        required=("PolicyDocument", "PolicyName"),
        attributes=words("Id"),
        read_only=words("Id"),
        ref="an id of its own",
        operations=words("DeleteRolePolicy DeleteUserPolicy PutRolePolicy PutUserPolicy"),
        left_out={"Groups": "no group has members"},
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
        read_only=words("Arn RoleId"),
        replaces=words("RoleName Path"),
        ref="the name of the role",
        operations=words(
            "AttachRolePolicy CreateRole DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy "
            "DetachRolePolicy GetPolicy ListAttachedRolePolicies ListRolePolicies PutRolePermissionsBoundary "
            "PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy UpdateRole"
        ),
    ),
    "AWS::IAM::RolePolicy": ResourceType(
        *_policy_of(_ROLE),
        properties=words("PolicyDocument PolicyName RoleName"),
        required=("PolicyName", "RoleName"),
        replaces=words("PolicyName RoleName"),
        one_at_a_time=True,
        ref="`policy name|role name`",
        operations=words("DeleteRolePolicy PutRolePolicy"),
    ),
    "AWS::IAM::User": ResourceType(
        _create_user,
        _delete_user,
        _update_user,
        properties=words("Groups LoginProfile ManagedPolicyArns Path PermissionsBoundary Policies Tags UserName"),
        attributes=words("Arn"),
        read_only=words("Arn"),
        replaces=words("UserName"),
        ref="the name of the user",
        operations=words(
            "AttachUserPolicy CreateUser DeleteAccessKey DeleteUser DeleteUserPermissionsBoundary "
            "DeleteUserPolicy DetachUserPolicy GetPolicy GetUser ListAccessKeys ListAttachedUserPolicies "
            "ListUserPolicies PutUserPermissionsBoundary PutUserPolicy TagUser UntagUser UpdateUser"
        ),
        left_out={"LoginProfile": "there is no console to sign in to"},
        refused={"Groups": "what policies of groups forbid is not enforced"},
    ),
    "AWS::IAM::UserPolicy": ResourceType(
        *_policy_of(_USER),
        properties=words("PolicyDocument PolicyName UserName"),
        required=("PolicyName", "UserName"),
        replaces=words("PolicyName UserName"),
        one_at_a_time=True,
        ref="`policy name|user name`",
        operations=words("DeleteUserPolicy PutUserPolicy"),
    ),
}
