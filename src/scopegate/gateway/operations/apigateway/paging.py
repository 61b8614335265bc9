"""`limit` and `position` of the lists of REST API operations.

A position is the last key of the page before, sealed for this list of this account and region: nobody reads it, makes
one, or carries it to another list. It is absent on the last page.
Source: reference, control plane, section 6 (default 25, at most 500; other limits are tolerated); attack row U2.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from scopegate.aws.operations import Shape
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.gateway.operations.positions import open_position, seal_position
from scopegate.ports import Call
from scopegate.store.documents import Document

DEFAULT_LIMIT: Final = 25
MAXIMUM_LIMIT: Final = 500


class Rows(Protocol):
    """The rows after a key, in order: a list query with its owner filled in."""

    def __call__(self, *, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]: ...


def read_page(call: Call, request: Shape, of: str, rows: Rows, show: Callable[[Document], Shape] = dict) -> Shape:
    """One page of documents as `show` renders them: `items`, and `position` when more are left.

    of: which list this is, with the id of what it belongs to.
    Raises AwsError: a position that is not of this list.
    """
    limit = _limit(request)
    found = rows(after=_open(call, request.get("position"), of), size=limit + 1)
    page: Shape = {"items": [show(document) for _, document in found[:limit]]}
    if len(found) > limit:
        page["position"] = seal_position(call, of, found[limit - 1][0])
    return page


def read_parts(call: Call, request: Shape, kind: str, show: Callable[[Document], Shape] = dict) -> Shape:
    """One page of the parts of one kind that the API in `restApiId` has."""
    api_id = request["restApiId"]
    return read_page(call, request, f"{kind}/{api_id}", partial(queries.list_parts, call.tx, api_id, kind), show)


def read_listed_page(call: Call, request: Shape, of: str, keyed: Sequence[tuple[str, Document]]) -> Shape:
    """One page of what is already in memory, sorted by key."""

    def rows(*, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]:
        left = [row for row in keyed if after is None or row[0] > after]
        return left[:size]

    return read_page(call, request, of, rows)


def _limit(request: Shape) -> int:
    wanted = request.get("limit")
    if wanted is None or wanted < 1:
        return DEFAULT_LIMIT
    return min(int(wanted), MAXIMUM_LIMIT)


def _open(call: Call, position: str | None, of: str) -> str | None:
    if not position:
        return None
    after = open_position(call, of, position)
    if after is None:
        raise bad_request("Invalid position parameter")
    return after
