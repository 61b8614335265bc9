"""Access keys and sessions: their forms, and what of them may be shown.

Source: IAM, "Unique identifiers" (prefixes AKIA, ASIA, AROA, ANPA); design, "Who may speak to which plane".
"""

import base64
import hashlib
import string
from dataclasses import dataclass, field
from typing import Final

from scopegate.base import clock

_ID_ALPHABET: Final = string.ascii_uppercase + "234567"
_SECRET_ALPHABET: Final = string.ascii_letters + string.digits + "+/"
KEY_PREFIX: Final = "AKIASCOPEGATE"
SESSION_PREFIX: Final = "ASIASCOPEGATE"
"""Begin the access key id of every key and session that this server makes, and no key of AWS's own: what is ours is
recognised, and held to its proof, even where any other key is accepted."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An access key without its secret. user_id: of the IAM user whose policies decide; None for an operator's key."""

    access_key_id: str
    account: str
    user_name: str
    status: str  # Active or Inactive
    created_at: float
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """An access key at the one moment when its secret is shown."""

    access_key_id: str
    secret: bytes = field(repr=False)


def new_access_key_id() -> str:
    return KEY_PREFIX + clock.new_id(20 - len(KEY_PREFIX), _ID_ALPHABET)


def new_session_key_id() -> str:
    return SESSION_PREFIX + clock.new_id(20 - len(SESSION_PREFIX), _ID_ALPHABET)


def new_secret() -> bytes:
    return clock.new_id(40, _SECRET_ALPHABET).encode("ascii")


def new_unique_id(prefix: str) -> str:
    """The id of an IAM entity: `AROA…` a role, `AIDA…` a user, `ANPA…` a managed policy; 21 characters."""
    return prefix + clock.new_id(21 - len(prefix), _ID_ALPHABET)


def derived_unique_id(prefix: str, text: str) -> str:
    """An id of that form for what has no row of its own: always the same for the same text."""
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return prefix + digest[: 21 - len(prefix)]


def key_context(access_key_id: str) -> str:
    """What the sealed secret of an access key is bound to."""
    return f"access_key/{access_key_id}/secret"


def user_arn(account: str, user_name: str) -> str:
    return f"arn:aws:iam::{account}:user/{user_name}"
