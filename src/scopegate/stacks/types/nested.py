"""`AWS::CloudFormation::Stack`: what the plan must know of a nested stack, which is made of steps of its own.

Source: CloudFormation, AWS::CloudFormation::Stack. How it is brought about: `run.py`.
"""

from typing import Final

from scopegate.stacks.model import NESTED
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import Aws, Properties, ResourceType, words


async def _create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    raise RuntimeError("a nested stack is made by its own run")


async def _update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    raise RuntimeError("a nested stack is changed by its own run")


async def _delete(aws: Aws, physical: Physical, properties: Properties) -> None:
    raise RuntimeError("a nested stack is deleted by its own run")


TYPES: Final = {
    NESTED: ResourceType(
        _create,
        _delete,
        _update,
        properties=words("Parameters Tags TemplateURL"),
        required=("TemplateURL",),
        free_attributes=True,
        # Nobody is notified, and what takes long is told step by step.
        read_only=words("NotificationARNs TimeoutInMinutes"),
    )
}
