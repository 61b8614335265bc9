"""RESOURCES: CloudFormation type ↔ operations. One entry per type; adding a type is adding its entry to a module.

An entry turns resolved properties into calls of AWS operations (through `Aws`, as any client would make them) and says
what `Ref` and `Fn::GetAtt` give. Names that a template leaves out are generated as CloudFormation does.
Source: reference pages, "CloudFormation and SAM" of each service.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types import apigateway, apigatewayv2, cognito, functions, iam, recorded
from scopegate.stacks.types.resource_type import ResourceType

RESOURCES: Final[Mapping[str, ResourceType]] = {
    **apigateway.TYPES,
    **apigatewayv2.TYPES,
    **cognito.TYPES,
    **functions.TYPES,
    **iam.TYPES,
    **recorded.TYPES,
}
