"""RESOURCES: CloudFormation type ↔ operations. One entry per type; adding a type is adding its entry to a module.

An entry turns resolved properties into calls of AWS operations (through `Aws`, as any client would make them) and says
what `Ref` and `Fn::GetAtt` give. Names that a template leaves out are generated as CloudFormation does.
Source: reference pages, "CloudFormation and SAM" of each service.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types import apigateway, apigatewayv2, cognito, custom, functions, iam, nested, recorded
from scopegate.stacks.types.resource_type import ResourceType, bounded


class _Types(dict[str, ResourceType]):
    """By name; any name after `Custom::` is a type of the user's own."""

    def __contains__(self, kind: object) -> bool:
        return super().__contains__(kind) or (isinstance(kind, str) and custom.is_custom(kind))

    def __missing__(self, kind: str) -> ResourceType:
        if not custom.is_custom(kind):
            raise KeyError(kind)
        return bounded(kind, custom.resource_type(kind), "lambda")


OURS: Final[Mapping[str, Mapping[str, ResourceType]]] = {
    "apigateway": apigateway.TYPES,
    "apigatewayv2": apigatewayv2.TYPES,
    "cognito-idp": cognito.TYPES,
    "iam": iam.TYPES,
    "lambda": functions.TYPES,
}
"""The service whose operations make it → types."""

RESOURCES: Final = _Types(
    {
        **{name: bounded(name, kind, service) for service, types in OURS.items() for name, kind in types.items()},
        **nested.TYPES,
        **recorded.TYPES,
    }
)
