"""Types that have no part in a decision: nothing is made, but what a template asks of them has an answer.

A row says what `Ref` and `Fn::GetAtt` give, in texts with places in them (`row.py`). Each use is told to the user once.
What guards an API or opens one otherwise is never recorded: it is refused where it cannot be had.
Source: CloudFormation's resource type reference, "Return values", and its type schemas (primary identifier, read-only
and create-only properties).
"""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded import messages, network, operation, ours, storage
from scopegate.stacks.types.recorded.row import Recorded, resource_type
from scopegate.stacks.types.resource_type import ResourceType

ROWS: Final[Mapping[str, Recorded]] = {
    **messages.ROWS,
    **network.ROWS,
    **operation.ROWS,
    **ours.ROWS,
    **storage.ROWS,
}
TYPES: Final[Mapping[str, ResourceType]] = {kind: resource_type(kind, row) for kind, row in ROWS.items()}
