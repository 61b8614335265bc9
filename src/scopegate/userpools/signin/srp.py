"""SRP-6a as Cognito speaks it: proof of a password that is not sent. Pure arithmetic; nothing is stored here.

A power takes about 1 ms of one core: callers run these functions in the threads of `ports.Passwords`. What is kept of
a password is `salt` and `verifier`, sealed by the caller; what is kept of a sign-in is `private` of the ServerStep.
Source: reference, "SRP-6a parameters" (with the vectors that tests check); RFC 5054 sections 2.5 and 2.6.
"""

import base64
import binascii
import calendar
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

import gmpy2

from scopegate.base import clock

N: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
"""The 3072-bit MODP prime of RFC 3526."""

G: Final = 2

_PRIVATE_BYTES: Final = 32
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 16
_INFO: Final = b"Caldera Derived Key\x01"
_PUBLIC: Final = re.compile(r"[0-9a-fA-F]{1,770}")
_TIMESTAMP: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +"
    r"([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) UTC ([0-9]{4})"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def pad(number: int) -> bytes:
    """The two's-complement bytes of a positive number: as few as hold it, the top bit clear."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _hash_number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")


K: Final = _hash_number(pad(N), pad(G))


def _power(base: int, exponent: int) -> int:
    """base^exponent mod N; the time that it takes tells nothing of a secret exponent. exponent: above 0."""
    return int(gmpy2.powmod_sec(base, exponent, N))


# What is kept of a password


@dataclass(frozen=True, slots=True, repr=False)
class Verifier:
    """What the server keeps. salt: hexadecimal, as clients get it. v: g^x mod N, as secret as a password's hash."""

    salt: str
    v: int


def make_verifier(pool_name: str, user_id: str, password: str, salt: str | None = None) -> Verifier:
    """pool_name: the pool's id after `_`. user_id: what the challenge calls USER_ID_FOR_SRP. salt: None makes one.

    For a device: the device group's key, the device's key and its password.
    """
    salt = salt or _new_salt(clock.token_bytes(_SALT_BYTES))
    return Verifier(salt, _power(G, compute_x(pool_name, user_id, password, salt)))


def simulate_verifier(key: bytes, pool_name: str, username: str) -> Verifier:
    """The verifier of somebody who is not there: the same at every try, and no password's.

    key: a secret of the server. Source: attack O17; reference, "PreventUserExistenceErrors".
    """
    digest = hmac.digest(key, f"{pool_name}/{username}".encode("utf-8", "surrogatepass"), "sha256")
    return Verifier(_new_salt(digest[:_SALT_BYTES]), int.from_bytes(hashlib.shake_256(digest).digest(384), "big") % N)


def _new_salt(raw: bytes) -> str:
    # Clients read it as text or as a number: the first byte is 10 to 7f, so that both come to the same 16 bytes.
    return bytes([raw[0] % 0x70 + 0x10, *raw[1:]]).hex()


def compute_x(pool_name: str, user_id: str, password: str, salt: str) -> int:
    identity = f"{pool_name}{user_id}:{password}".encode("utf-8", "surrogatepass")
    return _hash_number(pad(int(salt, 16)), hashlib.sha256(identity).digest())


# One sign-in


@dataclass(frozen=True, slots=True, repr=False)
class ServerStep:
    """The server's half of one exchange. private: b, kept until the proof comes. public: B, sent as hexadecimal."""

    private: int
    public: int


def begin(v: int, private: int | None = None) -> ServerStep:
    """A new challenge for a verifier. private: random by default."""
    b = private or int.from_bytes(clock.token_bytes(_PRIVATE_BYTES), "big")
    return ServerStep(b, (K * v + _power(G, b)) % N)


def parse_public(text: str) -> int:
    """A from `SRP_A`. Raises ValueError: no hexadecimal number, or one with which every password would be proven."""
    if not _PUBLIC.fullmatch(text):
        raise ValueError("SRP_A is not a hexadecimal number")
    a = int(text, 16)
    if a % N == 0:
        raise ValueError("SRP_A is a multiple of N")
    return a


def compute_u(client_public: int, server_public: int) -> int:
    return _hash_number(pad(client_public), pad(server_public))


def compute_key(client_public: int, step: ServerStep, v: int) -> bytes:
    """The key that both sides have when the password is right. Raises ValueError when the exchange proves nothing."""
    if client_public % N == 0:
        raise ValueError("SRP_A is a multiple of N")
    u = compute_u(client_public, step.public)
    if u == 0:
        raise ValueError("u is 0")
    s = _power(client_public * _power(v, u), step.private)
    return hmac.digest(hmac.digest(pad(u), pad(s), "sha256"), _INFO, "sha256")[:_KEY_BYTES]


def is_proof(key: bytes, pool_name: str, user_id: str, secret_block: bytes, timestamp: str, signature: str) -> bool:
    """Whether PASSWORD_CLAIM_SIGNATURE proves that the client has the key. Compared in constant time."""
    try:
        claimed = base64.b64decode(signature.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    message = (
        f"{pool_name}{user_id}".encode("utf-8", "surrogatepass") + secret_block + timestamp.encode("utf-8", "replace")
    )
    return hmac.compare_digest(hmac.digest(key, message, "sha256"), claimed)


def parse_timestamp(text: str) -> int:
    """Epoch seconds of a TIMESTAMP, `Tue Nov 3 07:05:09 UTC 2026`. Raises ValueError."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("TIMESTAMP has another form")
    month, day, hour, minute, second, year = match.groups()
    return calendar.timegm((int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second)))
