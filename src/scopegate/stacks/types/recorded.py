"""Types that have no part in a decision: nothing is made, but what a template asks of them has an answer.

Each use is told to the user once.
"""

from collections.abc import Callable
from typing import Any, Final

from scopegate.base import clock, names
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import Aws, Create, Properties, ResourceType, words


def _creator(kind: str, physical: Callable[[Aws, str, Properties], Physical]) -> Create:
    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        aws.note(f"{logical_id}: {kind} is recorded, nothing is made of it")
        return physical(aws, logical_id, properties)

    return create


async def _keep(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    return physical


async def _forget(aws: Aws, physical: Physical, properties: Properties) -> None:
    pass


def _arn(aws: Aws, service: str, resource: str) -> str:
    return f"arn:{names.partition_of(aws.region)}:{service}:{aws.region}:{aws.account}:{resource}"


def _log_group(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("LogGroupName") or aws.generated_name(logical_id, 512)
    return Physical(name, {"Arn": _arn(aws, "logs", f"log-group:{name}:*")})


def _kms_key(aws: Aws, _logical_id: str, _properties: Properties) -> Physical:
    key_id = clock.uuid4()
    return Physical(key_id, {"Arn": _arn(aws, "kms", f"key/{key_id}"), "KeyId": key_id})


def _kms_alias(_aws: Aws, _logical_id: str, properties: Properties) -> Physical:
    return Physical(properties["AliasName"], {})


def _recorded(kind: str, physical: Callable[[Aws, str, Properties], Physical], **more: Any) -> ResourceType:
    return ResourceType(_creator(kind, physical), _forget, _keep, **more)


TYPES: Final = {
    "AWS::KMS::Alias": _recorded(
        "a key's alias",
        _kms_alias,
        properties=words("AliasName TargetKeyId"),
        required=("AliasName", "TargetKeyId"),
        replaces=words("AliasName"),
    ),
    "AWS::KMS::Key": _recorded(
        "a key",
        _kms_key,
        properties=words(
            "BypassPolicyLockoutSafetyCheck Description EnableKeyRotation Enabled KeyPolicy KeySpec KeyUsage "
            "MultiRegion Origin PendingWindowInDays RotationPeriodInDays Tags"
        ),
        attributes=words("Arn KeyId"),
        read_only=words("Arn KeyId"),
    ),
    "AWS::Logs::LogGroup": _recorded(
        "a log group",
        _log_group,
        properties=words(
            "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled FieldIndexPolicies "
            "KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags"
        ),
        attributes=words("Arn"),
        read_only=words("Arn"),
        replaces=words("LogGroupName"),
    ),
}
