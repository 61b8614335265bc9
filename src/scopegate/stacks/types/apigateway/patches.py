"""Patch operations of v1 API Gateway, worked out from properties. Source: reference, control plane, section 2."""

from typing import Any, Final

from scopegate.base import names
from scopegate.stacks.types.resource_type import Aws, Properties, change_tags, text

V1: Final = "apigateway"

Patches = list[dict[str, str]]


def set_to(path: str, value: Any) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": "" if value is None else text(value)}


def escaped(token: str) -> str:
    """RFC 6901: a token of a JSON pointer."""
    return token.replace("~", "~0").replace("/", "~1")


async def patch(aws: Aws, operation: str, request: Properties, patches: Patches) -> None:
    if patches:
        await aws.call(V1, operation, {**request, "patchOperations": patches})


def changed_paths(old: Properties, new: Properties, paths: dict[str, tuple[str, Any]]) -> Patches:
    """One `replace` for each property that differs. paths: property → (path, value when it is left out)."""
    return [
        set_to(path, new.get(name, default))
        for name, (path, default) in paths.items()
        if old.get(name) != new.get(name)
    ]


async def move_tags(aws: Aws, resource: str, old: Properties, new: Properties) -> None:
    arn = f"arn:{names.partition_of(aws.region)}:apigateway:{aws.region}::{resource}"
    await change_tags(aws, V1, ("resourceArn", arn), ("tags", "tagKeys"), old.get("Tags"), new.get("Tags"))
