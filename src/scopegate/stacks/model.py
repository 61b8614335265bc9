"""A stack as it stands: what was made, from what, what it gives; and, while it is changed, the way back."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

NESTED: Final = "AWS::CloudFormation::Stack"
STACK_NAME: Final = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


@dataclass(frozen=True, slots=True)
class Made:
    """One resource of a stack.

    attributes: what `Fn::GetAtt` gives, and what its type keeps for itself (names with an underscore).
    properties: resolved, as they were given to the operations.
    retain: it stays when the template no longer has it. retain_replaced: it stays when another takes its place.
    """

    type: str
    physical_id: str
    attributes: dict[str, Any]
    properties: dict[str, Any]
    retain: bool = False
    retain_replaced: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """One step of a deployment that has not ended, by what stood before it and after it.

    Only after: it was made. Only before: it was taken away to make room. Both: it was changed in place.
    """

    logical_id: str
    before: Made | None
    after: Made | None


@dataclass(frozen=True, slots=True)
class Stack:
    """status: CloudFormation's word.

    parent: of a nested stack, the id of the stack that it is part of. imports: exports of others that it uses, and the
    values that they had.
    resources: logical id → what stands, in the order of making; of a deployment under way, what stood before it.
    undo: the steps of a deployment under way, oldest first; what a killed process leaves here is undone by the next.
    doomed: what has no place in the stack any more and is still to be deleted, in that order.
    """

    name: str
    stack_id: str
    status: str
    parameters: dict[str, Any]
    resources: dict[str, Made]
    outputs: dict[str, Any]
    exports: dict[str, str]
    undo: tuple[Undo, ...] = ()
    doomed: tuple[tuple[str, Made], ...] = ()
    parent: str = ""
    imports: dict[str, str] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    def nested_ids(self) -> set[str]:
        """The ids of the stacks that are part of this one, also of those that come or go."""
        undone = (made for step in self.undo for made in (step.before, step.after) if made is not None)
        every = (*self.resources.values(), *undone, *(made for _, made in self.doomed))
        return {made.physical_id for made in every if made.type == NESTED}


def stack_of(document: dict[str, Any]) -> Stack:
    return Stack(
        **{
            **document,
            "resources": {logical_id: Made(**made) for logical_id, made in document["resources"].items()},
            "undo": tuple(
                Undo(step["logical_id"], _made_or_none(step["before"]), _made_or_none(step["after"]))
                for step in document["undo"]
            ),
            "doomed": tuple((logical_id, Made(**made)) for logical_id, made in document["doomed"]),
        }
    )


def _made_or_none(document: dict[str, Any] | None) -> Made | None:
    return None if document is None else Made(**document)
