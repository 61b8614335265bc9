"""Pages of IAM lists: `Marker` and `MaxItems` in, `IsTruncated` and `Marker` out."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError

_PAGE: Final = 100

T = TypeVar("T")


def read_page(request: Shape, items: Sequence[T], key: Callable[[T], str]) -> tuple[Sequence[T], dict[str, Any]]:
    """The page that a request asks for, and its paging members. `items` stand in the order of their keys."""
    if "Marker" in request:
        after = _parse_marker(request["Marker"])
        items = [item for item in items if key(item) > after]
    size = request.get("MaxItems", _PAGE)
    if len(items) <= size:
        return items, {"IsTruncated": False}
    page = items[:size]
    marker = base64.urlsafe_b64encode(key(page[-1]).encode()).decode("ascii")
    return page, {"IsTruncated": True, "Marker": marker}


def _parse_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        raise AwsError("ValidationError", "Invalid Marker.") from None
