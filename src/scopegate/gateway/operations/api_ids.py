"""The id of a new API, REST or HTTP: drawn, or pinned by a tag.

Both kinds share one space of ids, because both are addressed by the same hosts and paths.
Source: reference, control plane, section 1.1; the pinning tags are those of LocalStack, Moto and MiniStack.
"""

import re
from collections.abc import Mapping
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.store.port import Tx

PINNING_TAGS: Final = ("_custom_id_", "ms-custom-id")
_PINNED_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # one label of a host name, as it is compared


def new_api_id(tx: Tx, tags: Mapping[str, str]) -> str:
    """An id that no API has.

    Raises AwsError: BadRequestException for a pinned id that no host name can carry, ConflictException for a taken one.
    """
    for tag in PINNING_TAGS:
        if tag in tags:
            return _pinned(tx, tags[tag])
    while queries.find_owner(tx, api_id := clock.new_id(10)) is not None:
        pass
    return api_id


def _pinned(tx: Tx, api_id: str) -> str:
    if _PINNED_ID.fullmatch(api_id) is None:
        raise AwsError(
            "BadRequestException",
            f"Invalid API id {api_id!r}: a pinned id is at most 63 lower-case letters, digits and inner hyphens",
        )
    if queries.find_owner(tx, api_id) is not None:
        raise AwsError("ConflictException", f"The API id {api_id} is already in use")
    return api_id
