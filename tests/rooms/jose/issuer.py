"""An issuer of tokens for tests: real keys, and tokens that are wrong in one chosen way."""

import base64
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from scopegate.jose.verify import KeySet, VerifyKey

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123"
NOW = 1_790_000_000
HASHES = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}


@functools.cache
def _rsa_key(number: int) -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def rsa_key(number: int = 0) -> RSAPrivateKey:
    """The same key for the same number, made once per run."""
    return _rsa_key(number)


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "client", "iss": ISSUER, "exp": NOW + 3600, "iat": NOW, "token_use": "access", **more}


def key_set(number: int = 0, kid: str = "kid-1", alg: str = "RS256") -> dict[str, VerifyKey]:
    return {kid: VerifyKey(kid, alg, rsa_key(number).public_key())}


def choose(keys: KeySet, issuer: str = ISSUER) -> Callable[[str], KeySet | None]:
    return {issuer: keys}.get


def token(
    payload: Mapping[str, Any] | bytes | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    *,
    key: RSAPrivateKey | None = None,
    alg: str = "RS256",
) -> bytes:
    """A token signed over exactly these bytes, or these objects, whatever they say."""
    header = {"kid": "kid-1", "alg": alg} if header is None else header
    payload = claims() if payload is None else payload
    first = header if isinstance(header, bytes) else json.dumps(header).encode()
    second = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing_input = b64(first) + b"." + b64(second)
    signature = (key or rsa_key()).sign(signing_input, PKCS1v15(), HASHES.get(alg, SHA256()))
    return signing_input + b"." + b64(signature)
