"""Positions in lists of the control plane, sealed: nobody reads one, makes one, or carries it to another list.

Source: attack row U2.
"""

import base64
import binascii

from cryptography.exceptions import InvalidTag

from scopegate.ports import Call


def seal_position(call: Call, of: str, key: str) -> str:
    """The position after `key`. of: which list this is, with the id of what it belongs to."""
    return base64.urlsafe_b64encode(call.seal.seal(key.encode(), _context(call, of))).decode("ascii")


def open_position(call: Call, of: str, position: str) -> str | None:
    """The key that a position stands behind; None for one that is not of this list of this account and region."""
    try:
        return call.seal.open(base64.b64decode(position, altchars=b"-_", validate=True), _context(call, of)).decode()
    except (binascii.Error, ValueError, InvalidTag):
        return None


def _context(call: Call, of: str) -> str:
    return f"position/{of}/{call.account}/{call.region}"
