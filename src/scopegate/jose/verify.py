"""Token → claims: one strict parse, one signature check, a cache of signatures only.

Whoever verifies decides issuer, times, audience and scopes itself, on every call; nothing of that is cached here.
Source: RFC 7515, RFC 7519, RFC 8725; attack rows J1 to J15.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from scopegate.base.limits import limit
from scopegate.http.forms import FormError, parse_json

ANY_RSA: Final = "RSA"
"""The `alg` of a key whose issuer names none: any algorithm of `ALGORITHMS` fits it."""

ALGORITHMS: Final[Mapping[str, HashAlgorithm]] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}
"""RSASSA-PKCS1-v1_5 by JOSE name: what Cognito signs with, and HTTP APIs accept."""


class Curve(NamedTuple):
    """An ECDSA algorithm. size_bytes: of each of the two numbers of a signature."""

    curve: EllipticCurve
    hash: HashAlgorithm
    size_bytes: int


CURVES: Final[Mapping[str, Curve]] = {
    "ES256": Curve(SECP256R1(), SHA256(), 32),
    "ES384": Curve(SECP384R1(), SHA384(), 48),
    "ES512": Curve(SECP521R1(), SHA512(), 66),
}
"""ECDSA by JOSE name, for whoever says that it takes it: JWT authorizers of REST APIs. A key's curve names its one."""

_PADDING: Final = PKCS1v15()
_LATEST_TIME: Final = 100_000_000_000  # the year 5138: whatever is later was written in milliseconds


@dataclass(frozen=True, slots=True, eq=False)
class VerifyKey:
    """A public key of an issuer; compared by identity, so that a replaced key invalidates what it verified."""

    kid: str
    alg: str  # of ALGORITHMS or CURVES, or ANY_RSA; the key decides the algorithm, never the token
    public_key: RSAPublicKey | EllipticCurvePublicKey


KeySet = Mapping[str, VerifyKey]
"""kid → key."""


class TokenError(Exception):
    """Why a token is not one that these keys signed, or not one for this moment.

    kind: of `parse_token`: `size`, `segments`, `malformed`, `algorithm`; of `Verifier.verify` also `issuer`, `kid`,
    `signature`; of `check_times`: `times` (a time claim that is absent or no integer), `expired`, `nbf`, `iat`.
    detail: for the record, never the client; for `algorithm` the token's `alg` where it is a plain short word.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token: its claims, and the key whose signature was checked.

    memo: what rooms derive from the claims alone (their rendering, the set of scopes), kept as long as the token is.
    """

    claims: Mapping[str, Any]
    key: VerifyKey
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A well-formed JWS in compact form. Nothing in it is verified."""

    kid: str
    alg: str
    unverified_header: Mapping[str, Any]
    unverified_claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes


def _decode_segment(segment: bytes) -> bytes:
    """Base64url in its one canonical spelling: a second spelling of the same bytes is refused."""
    try:
        raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise TokenError("malformed", "a segment is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment:
        raise TokenError("malformed", "a segment is not canonical base64url")
    return raw


def _parse_object(raw: bytes) -> dict[str, Any]:
    try:
        value = parse_json(raw, depth=_DEPTH)
    except FormError as error:
        raise TokenError("malformed", str(error)) from None
    if not isinstance(value, dict):
        raise TokenError("malformed", "a segment is not a JSON object")
    return value


_TOKEN_BYTES: Final = limit("jose.token_bytes")
_KID_CHARACTERS: Final = limit("jose.kid_characters")
_DEPTH: Final = limit("jose.json_depth")


def parse_token(token: str | bytes) -> ParsedToken:
    """Take a signed token apart. Strict: what has two readings is refused.

    1. size, before anything is looked at; 2. three segments; 3. canonical base64url, JSON objects;
    4. header: an algorithm of ours, no `crit`, no `b64`, not an encrypted token, a `kid` of bounded length.
    Keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
    Raises TokenError: `size`, `segments`, `malformed`, `algorithm`.
    """
    # 1
    if len(token) > _TOKEN_BYTES:
        raise TokenError("size", f"a token of {len(token)} bytes")
    if isinstance(token, str):
        if not token.isascii():
            raise TokenError("malformed", "characters beyond ASCII")
        token = token.encode("ascii")
    # 2
    parts = token.split(b".")
    if len(parts) != 3:
        raise TokenError("segments", f"{len(parts)} segments")
    # 3
    header = _parse_object(_decode_segment(parts[0]))
    claims = _parse_object(_decode_segment(parts[1]))
    signature = _decode_segment(parts[2])
    # 4
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(alg, str) or (alg not in ALGORITHMS and alg not in CURVES):
        plain = isinstance(alg, str) and len(alg) <= 32 and alg.isascii() and alg.isalnum()
        raise TokenError("algorithm", str(alg) if plain else "")
    if "crit" in header or "b64" in header:
        raise TokenError("malformed", "the header asks for an extension")
    if "enc" in header or not isinstance(typ, str) or typ.lower().endswith("jwe"):
        raise TokenError("malformed", "the header is not that of a signed token")
    if not isinstance(kid, str) or not 0 < len(kid) <= _KID_CHARACTERS:
        raise TokenError("kid", "kid is absent, no string, or too long")
    return ParsedToken(kid, alg, header, claims, token[: -1 - len(parts[2])], signature)


ChooseKeys = Callable[[str], KeySet | None]
"""issuer → its keys, None for an issuer that is not trusted here."""


def _find_key(choose_keys: ChooseKeys, claims: Mapping[str, Any], kid: str) -> VerifyKey:
    issuer = claims.get("iss")
    keys = choose_keys(issuer) if isinstance(issuer, str) else None
    if keys is None:
        raise TokenError("issuer", "the token's issuer is not one that is trusted here")
    key = keys.get(kid)
    if key is None:
        raise TokenError("kid", "the issuer has no key of this kid")
    return key


class Verifier:
    """Checks signatures, and remembers which tokens had a good one.

    A remembered token counts only while the very key that verified it is in the issuer's key set.
    size: about how many tokens are remembered; they may take `jose.cache_bytes` together.
    """

    __slots__ = ("_half_bytes", "_half_size", "_old", "_young", "_young_bytes")

    def __init__(self, size: int) -> None:
        self._half_size = max(1, size // 2)
        self._half_bytes = limit("jose.cache_bytes") // 2
        # Two generations make a bounded cache whose hits cost one look-up: the young is filled, the old is dropped.
        self._young: dict[bytes, Token] = {}
        self._old: dict[bytes, Token] = {}
        self._young_bytes = 0

    def verify(self, token: str | bytes, choose_keys: ChooseKeys) -> Token:
        """The claims of a token whose signature is good under a key that `choose_keys` gives for its issuer.

        `choose_keys` is asked on every call, also for a token that is remembered.
        Raises TokenError: kinds of `parse_token`, `issuer`, `kid`, `algorithm` (not the key's), `signature`.
        """
        if isinstance(token, str):
            if len(token) > _TOKEN_BYTES or not token.isascii():
                parse_token(token)  # raises
            token = token.encode("ascii")
        known = self._young.get(token)
        if known is None and (known := self._old.get(token)) is not None:
            self._remember(token, known)
        if known is not None and _find_key(choose_keys, known.claims, known.key.kid) is known.key:
            return known
        parsed = parse_token(token)
        key = _find_key(choose_keys, parsed.unverified_claims, parsed.kid)
        check_signature(parsed, key)
        verified = Token(parsed.unverified_claims, key)
        self._remember(token, verified)
        return verified

    def _remember(self, token: bytes, verified: Token) -> None:
        if len(self._young) >= self._half_size or self._young_bytes >= self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[token] = verified
        self._young_bytes += len(token)


def check_signature(parsed: ParsedToken, key: VerifyKey) -> None:
    """Raises TokenError: `algorithm` when the token's is not the key's, `signature` when it does not verify."""
    public_key, alg = key.public_key, parsed.alg
    if alg != key.alg and not (key.alg == ANY_RSA and alg in ALGORITHMS):
        raise TokenError("algorithm", alg)
    try:
        if isinstance(public_key, RSAPublicKey):
            public_key.verify(parsed.signature, parsed.signing_input, _PADDING, ALGORITHMS[alg])
            return
        curve = CURVES[alg]
        size = curve.size_bytes
        if len(parsed.signature) != 2 * size:
            raise TokenError("signature", "the signature is not two numbers of the curve's size")
        # Two numbers side by side, never DER (RFC 7518 section 3.4).
        r, s = (int.from_bytes(part, "big") for part in (parsed.signature[:size], parsed.signature[size:]))
        public_key.verify(encode_dss_signature(r, s), parsed.signing_input, ECDSA(curve.hash))
    except InvalidSignature:
        raise TokenError("signature", "the signature is not that of the issuer's key") from None


def find_time(claims: Mapping[str, Any], name: str) -> int | None:
    """A time claim, epoch seconds; None when absent. Raises TokenError("times") for anything but a whole number."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if type(value) is not int or not 0 <= value < _LATEST_TIME:
        raise TokenError("times", f"{name} is not a time in whole seconds")
    return value


def check_times(claims: Mapping[str, Any], now: float, *, leeway_s: int = 0) -> int:
    """Whether a token is for this moment: `exp` is required and lies ahead, `nbf` and `iat` do not.

    now: epoch seconds. leeway_s: how far apart the issuer's clock may be. Returns `exp`.
    Raises TokenError: `times`, `expired`, `nbf`, `iat`, in API Gateway's order.
    Source: RFC 7519 section 4.1; reference, HTTP APIs, JWT authorizer.
    """
    expires_at = find_time(claims, "exp")
    if expires_at is None:
        raise TokenError("times", "exp is absent")
    if expires_at <= now - leeway_s:
        raise TokenError("expired", "exp has passed")
    for name in ("nbf", "iat"):
        moment = find_time(claims, name)
        if moment is not None and moment > now + leeway_s:
            raise TokenError(name, f"{name} lies ahead")
    return expires_at
