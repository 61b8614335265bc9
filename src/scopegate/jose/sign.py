"""Claims → token: a JWS in compact form, signed with RS256.

The header is encoded once per key: `{"kid":…,"alg":"RS256"}`, in this order and without `typ`, as Cognito has it.
What is in the claims is decided elsewhere.
Source: RFC 7515 section 7.1; reference, "JOSE header and signature".
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

ALGORITHM: Final = "RS256"

_PADDING: Final = PKCS1v15()
_HASH: Final = SHA256()


def encode_segment(raw: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


class SigningKey:
    """A private key that signs, and its header, encoded."""

    __slots__ = ("_private_key", "_start", "kid")

    def __init__(self, kid: str, private_key: RSAPrivateKey) -> None:
        self.kid = kid
        self._private_key = private_key
        self._start = encode_segment(orjson.dumps({"kid": kid, "alg": ALGORITHM})) + b"."

    def sign(self, claims: Mapping[str, Any]) -> bytes:
        """The token, ASCII. The payload has the members of `claims` in their order."""
        signing_input = self._start + encode_segment(orjson.dumps(claims))
        return signing_input + b"." + encode_segment(self._private_key.sign(signing_input, _PADDING, _HASH))
