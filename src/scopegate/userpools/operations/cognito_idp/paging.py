"""`MaxResults` and `NextToken` of the lists.

A token is the last key of the page before, sealed for this list of this account and region: nobody reads it, makes
one, or carries it to another list.
Source: reference, "Quotas, lifetimes, pages" (a last page leaves the token out).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools.operations.cognito_idp import refusals


class Rows(Protocol):
    """The rows after a key, in order: a list query with its owner filled in."""

    def __call__(self, *, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]: ...


def read_page(
    call: Call,
    request: Shape,
    rows: Rows,
    *,
    member: str,
    of: str,
    default: int,
    show: Callable[[Document], Shape],
) -> Shape:
    """One page of documents as `show` renders them: `member`, and `NextToken` when more are left.

    of: which list this is, with the id of what it belongs to. default: the page's size without `MaxResults`.
    Raises InvalidParameterException for a token that is not of this list.
    """
    context = f"page/{of}/{call.account}/{call.region}"
    token = request.get("NextToken")
    after = None if token is None else _open(call, token, context)
    size = request.get("MaxResults") or default
    found = rows(after=after, size=size + 1)
    page: Shape = {member: [show(document) for _, document in found[:size]]}
    if len(found) > size:
        sealed = call.seal.seal(found[size - 1][0].encode(), context)
        page["NextToken"] = base64.b64encode(sealed).decode("ascii")
    return page


def _open(call: Call, token: str, context: str) -> str:
    try:
        sealed = base64.b64decode(token.encode("ascii"), validate=True)
        return call.seal.open(sealed, context).decode()
    except (binascii.Error, ValueError, InvalidTag):
        raise refusals.bad_next_token() from None
