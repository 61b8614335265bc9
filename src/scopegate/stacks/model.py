"""A stack as it stands: what was made, from what, and what it gives."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Made:
    """One resource of a stack. properties: resolved, as they were given to the operations."""

    type: str
    physical_id: str
    attributes: dict[str, Any]
    properties: dict[str, Any]
    needs: tuple[str, ...]
    retain: bool


@dataclass(frozen=True, slots=True)
class Stack:
    """resources: logical id → what was made, in the order of making. status: CloudFormation's word."""

    name: str
    stack_id: str
    status: str
    parameters: dict[str, Any]
    resources: dict[str, Made]
    outputs: dict[str, Any]
    exports: dict[str, str]

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


def stack_of(document: dict[str, Any]) -> Stack:
    made = {
        logical_id: Made(**{**resource, "needs": tuple(resource["needs"])})
        for logical_id, resource in document["resources"].items()
    }
    return Stack(**{**document, "resources": made})
