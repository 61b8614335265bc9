"""Signing keys: made ahead in the background, kept as PKCS #8, published as JWKS.

Which key signs what, and how long a retired one stays published, is decided in `userpools/compile.py`.
Source: RFC 7517; reference, "JOSE header and signature" and "JWKS and discovery".
"""

import base64
import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from scopegate.base import clock
from scopegate.jose.sign import ALGORITHM, encode_segment
from scopegate.jose.verify import VerifyKey

RSA_BITS: Final = 2048
_EXPONENT: Final = 65537
_KID_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key pair just made. private_key: PKCS #8 DER, to be sealed at once; never shown by `repr`."""

    kid: str
    private_key: bytes

    def __repr__(self) -> str:
        return f"NewKey({self.kid})"


def new_key() -> NewKey:
    """Make a key pair. Takes 50 to 200 ms of one core; the lock of the interpreter is free meanwhile."""
    private_key = generate_private_key(_EXPONENT, RSA_BITS)
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return NewKey(base64.b64encode(clock.token_bytes(_KID_BYTES)).decode("ascii"), der)


def load_private_key(der: bytes) -> RSAPrivateKey:
    """A key of our own making: the arithmetic checks (40 ms) are skipped, for it was opened from its seal."""
    key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the stored signing key is not an RSA key")
    return key


class KeyStock:
    """Key pairs made ahead by a background thread, so that CreateUserPool need not wait for two of them.

    size: the two of one pool. More would cost every start what few use.
    The thread ends with the process; `close` ends it before.
    """

    def __init__(self, size: int = 2) -> None:
        self._keys: queue.Queue[NewKey] = queue.Queue(maxsize=size)
        self._wanted = threading.Semaphore(size)
        self._closed = False
        self._thread = threading.Thread(target=self._fill, name="key-stock", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        while True:
            self._wanted.acquire()
            if self._closed:
                return
            self._keys.put(new_key())

    def take(self) -> NewKey:
        """A key pair, from stock if there is one, else made now. Each is handed out once."""
        try:
            key = self._keys.get_nowait()
        except queue.Empty:
            return new_key()
        self._wanted.release()
        return key

    def close(self) -> None:
        self._closed = True
        self._wanted.release()
        self._thread.join()


def _encode_integer(number: int) -> str:
    return encode_segment(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode("ascii")


def verify_key(kid: str, public_key: RSAPublicKey) -> VerifyKey:
    """The public half of a key of ours."""
    return VerifyKey(kid, ALGORITHM, public_key)


def render_jwks(keys: Iterable[VerifyKey]) -> bytes:
    """The JWKS document of RSA signing keys, members in the alphabetical order that Cognito serves."""
    entries = []
    for key in keys:
        assert isinstance(key.public_key, RSAPublicKey)
        numbers = key.public_key.public_numbers()
        entries.append(
            {
                "alg": key.alg,
                "e": _encode_integer(numbers.e),
                "kid": key.kid,
                "kty": "RSA",
                "n": _encode_integer(numbers.n),
                "use": "sig",
            }
        )
    return orjson.dumps({"keys": entries})
