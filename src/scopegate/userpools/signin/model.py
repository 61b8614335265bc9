"""What stands between a first factor and tokens, and what was handed out, as the store has them."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scopegate.base import clock
from scopegate.store.sealing import Sealer
from scopegate.userpools.users.model import User

_JWE_HEADER: Final = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ"  # what Cognito's begin with
HOSTED: Final = "HostedAuth"
"""How a sign-in began at the OAuth host; another word is another way (the sources of the pre-token trigger)."""

_REFRESH_CONTEXT: Final = "refresh_token"


@dataclass(frozen=True, slots=True)
class Family:
    """All tokens of one sign-in, known by their `origin_jti`.

    via: how it began, in the word that a pre-token function is told: HostedAuth, Authentication, NewPasswordChallenge.
    resource: the access token's `aud`, "" without one. nonce: of the ID token, "" without one. earlier: the digests, in
    hexadecimal, of tokens before the previous one that may still be used, and when each was rotated out.
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
    successor: str = field(default="", repr=False)  # the token that took the previous one's place, sealed
    earlier: Mapping[str, float] = field(default_factory=dict, repr=False)


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


def who_is(user: User) -> dict[str, Any]:
    """What must not change while a sign-in goes on: a name may become another's, and a password another one."""
    return {"sub": user.sub, "password_set_at": user.password_set_at}


def digest_of(secret: str) -> bytes:
    """What is kept of a code, a session or a refresh token: enough random bits for a plain hash."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A session of a challenge, or a cookie: 43 characters of base64url."""
    return _segment(clock.token_bytes(32))


def new_refresh_token(seal: Sealer, origin_jti: str) -> str:
    """A refresh token in the five-part look of Cognito's: opaque, and none that this server did not make opens."""
    sealed = seal.seal(bytes.fromhex(origin_jti.replace("-", "")) + clock.token_bytes(16), _REFRESH_CONTEXT)
    return _in_five_parts(sealed)


def find_origin_jti(seal: Sealer, refresh_token: str) -> str | None:
    """The family that a refresh token is of; None for what is no refresh token of this server."""
    parts = refresh_token.split(".")
    if len(parts) != 5 or len(refresh_token) > 1_024:
        return None
    try:
        nonce, middle, tag = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[2:])
        sealed = nonce + middle + tag
        digits = seal.open(sealed, _REFRESH_CONTEXT)[:16].hex()
    except ValueError:
        return None
    if _in_five_parts(sealed) != refresh_token:
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _in_five_parts(sealed: bytes) -> str:
    parts = (hashlib.sha256(sealed).digest(), sealed[:12], sealed[12:-16], sealed[-16:])
    return ".".join((_JWE_HEADER, *map(_segment, parts)))


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
