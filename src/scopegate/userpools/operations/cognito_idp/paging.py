"""Sizes and tokens of the lists' pages: `MaxResults` or `Limit`, `NextToken` or `PaginationToken`.

A token is the last key of the page before, sealed for this list of this account and region: nobody reads it, makes
one, or carries it to another list.
Source: reference, "Quotas, lifetimes, pages" (a last page leaves the token out).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidTag

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.userpools.operations.cognito_idp import refusals

R = TypeVar("R")
Row_co = TypeVar("Row_co", covariant=True)


class Rows(Protocol[Row_co]):
    """The rows after a key, in order: a list query with its owner filled in."""

    def __call__(self, *, after: str | None, size: int) -> Sequence[tuple[str, Row_co]]: ...


def read_page(
    call: Call,
    request: Shape,
    rows: Rows[R],
    *,
    member: str,
    of: str,
    default: int,
    show: Callable[[R], Shape],
    size_name: str = "MaxResults",
    next_name: str = "NextToken",
) -> Shape:
    """One page of rows as `show` renders them: `member`, and the token when more are left.

    of: which list this is, with the id of what it belongs to. default: the page's size when none, or 0, is asked for.
    Raises InvalidParameterException for a token that is not of this list.
    """
    context = f"page/{of}/{call.account}/{call.region}"
    token = request.get(next_name)
    after = None if token is None else _open(call, token, context)
    size = request.get(size_name) or default
    found = rows(after=after, size=size + 1)
    page: Shape = {member: [show(row) for _, row in found[:size]]}
    if len(found) > size:
        sealed = call.seal.seal(found[size - 1][0].encode(), context)
        page[next_name] = base64.b64encode(sealed).decode("ascii")
    return page


def _open(call: Call, token: str, context: str) -> str:
    try:
        sealed = base64.b64decode(token.encode("ascii"), validate=True)
        return call.seal.open(sealed, context).decode()
    except (binascii.Error, ValueError, InvalidTag):
        raise refusals.bad_next_token() from None
