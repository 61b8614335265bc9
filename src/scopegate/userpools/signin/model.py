"""What stands between a first factor and tokens, and what was handed out, as the store has them."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from scopegate.base import clock

_JWE_HEADER: Final = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ"  # what Cognito's begin with


@dataclass(frozen=True, slots=True)
class Family:
    """All tokens of one sign-in, known by their `origin_jti`.

    via: the trigger source that a pre-token function is told: HostedAuth, Authentication, …
    resource: the access token's `aud`, "" without one. nonce: of the ID token, "" without one.
    """

    origin_jti: str
    pool_id: str
    name_key: str
    client_id: str
    created_at: float
    expires_at: float
    scopes: tuple[str, ...]
    auth_time: int
    event_id: str
    via: str
    resource: str = ""
    nonce: str = ""
    amr: tuple[str, ...] = ()
    revoked: bool = False
    token: bytes | None = field(default=None, repr=False)  # digest of the refresh token
    previous: bytes | None = field(default=None, repr=False)
    rotated_at: float | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A sign-in that waits. kind: the challenge's name; state: what its answer is held against."""

    pool_id: str
    client_id: str
    name_key: str  # "" for a user who is not there, and must not be told so
    expires_at: float
    kind: str
    state: dict[str, Any] = field(default_factory=dict, repr=False)
    tries: int = 0


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What an authorization code stands for (RFC 6749 section 4.1.2, RFC 7636)."""

    pool_id: str
    name_key: str
    client_id: str
    expires_at: float
    redirect_uri: str
    code_challenge: str  # "" without PKCE
    family: Family
    redeemed: bool = False


def digest_of(secret: str) -> bytes:
    """What is kept of a code, a session or a refresh token: enough random bits for a plain hash."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A session of a challenge, or a cookie: 43 characters of base64url."""
    return _segment(clock.token_bytes(32))


def new_refresh_token(origin_jti: str) -> str:
    """A refresh token in the five-part look of Cognito's; opaque, its second part begins with the family's id."""
    family = bytes.fromhex(origin_jti.replace("-", ""))
    parts = (family + clock.token_bytes(48), clock.token_bytes(12), clock.token_bytes(64), clock.token_bytes(16))
    return ".".join((_JWE_HEADER, *map(_segment, parts)))


def find_origin_jti(refresh_token: str) -> str | None:
    """The family that a refresh token says it is of; None for what is no refresh token of this server."""
    parts = refresh_token.split(".")
    if len(parts) != 5 or parts[0] != _JWE_HEADER or len(refresh_token) > 1_024:
        return None
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        return None
    digits = raw[:16].hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}" if len(digits) == 32 else None


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
