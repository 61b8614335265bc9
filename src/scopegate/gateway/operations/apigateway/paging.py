"""`limit` and `position` of the lists of REST API operations.

A position is the last key of the page before, in base64url; it is absent on the last page.
Source: reference, control plane, section 6 (default 25, at most 500; other limits are tolerated).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from scopegate.aws.operations import Shape
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.store.documents import Document

DEFAULT_LIMIT: Final = 25
MAXIMUM_LIMIT: Final = 500


class Rows(Protocol):
    """The rows after a key, in order: a list query with its owner filled in."""

    def __call__(self, *, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]: ...


def _limit(request: Shape) -> int:
    wanted = request.get("limit")
    if wanted is None or wanted < 1:
        return DEFAULT_LIMIT
    return min(int(wanted), MAXIMUM_LIMIT)


def _after(request: Shape) -> str | None:
    position = request.get("position")
    if not position:
        return None
    try:
        key = base64.b64decode(position, altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise bad_request("Invalid position parameter") from None
    if "\x00" in key:  # no database takes it
        raise bad_request("Invalid position parameter")
    return key


def read_page(request: Shape, rows: Rows, show: Callable[[Document], Shape] = dict) -> Shape:
    """One page of documents as `show` renders them: `items`, and `position` when more are left."""
    limit = _limit(request)
    found = rows(after=_after(request), size=limit + 1)
    page: Shape = {"items": [show(document) for _, document in found[:limit]]}
    if len(found) > limit:
        page["position"] = base64.urlsafe_b64encode(found[limit - 1][0].encode()).decode()
    return page


def read_listed_page(request: Shape, keyed: Sequence[tuple[str, Document]]) -> Shape:
    """One page of what is already in memory, sorted by key."""

    def rows(*, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]:
        left = [row for row in keyed if after is None or row[0] > after]
        return left[:size]

    return read_page(request, rows)
