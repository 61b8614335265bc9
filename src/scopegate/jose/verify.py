"""Token → claims: one strict parse, one signature check, a cache of signatures only.

Whoever verifies decides issuer, times, audience and scopes itself, on every call; nothing of that is cached here.
Source: RFC 7515, RFC 7519, RFC 8725; attack rows J1 to J15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


@dataclass(frozen=True, slots=True, eq=False)
class VerifyKey:
    """A public key of an issuer; compared by identity, so that a replaced key invalidates what it verified."""

    kid: str
    alg: str  # RS256, RS384 or RS512; the key decides the algorithm, never the token
    public_key: RSAPublicKey


KeySet = Mapping[str, VerifyKey]
"""kid → key."""


class TokenError(Exception):
    """Why a token is not one that these keys signed.

    kind: `segments`, `malformed`, `algorithm`, `issuer`, `kid`, `signature`. detail: for the record, never the client.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token: its claims, and the key whose signature was checked."""

    claims: Mapping[str, Any]
    key: VerifyKey
