"""Keys of foreign issuers: discovery, then JWKS, held in memory and refreshed in the background.

Issuers come from the configuration of authorizers, never from a token, so their number is bounded; no address in a
token (`jku`, `x5u`, `iss`) is ever fetched. Where the bytes come from, and which addresses may be reached, is the
affair of the `fetch` that is handed in.

A key set is used for `gateway.jwks_age_s`; from half that age on it is refreshed in the background. When the issuer
does not answer, the last good set is kept for `gateway.jwks_stale_s`, then calls are refused. An unknown `kid` causes
at most one fetch every `gateway.jwks_refetch_s`, whoever asks and however often; a failure is remembered as long.
Source: OpenID Connect Discovery 1.0; RFC 7517; reference, HTTP APIs, JWT authorizer; attack rows J5, J9, G10, G11.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.client import Client
from scopegate.jose.keys import RSA_BITS
from scopegate.jose.verify import ALGORITHMS, ANY_RSA, CURVES, KeySet, VerifyKey

_ALGORITHM_OF_CURVE: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

Fetch = Callable[[str], Awaitable[bytes]]
"""The body of a GET that was answered with 200; raises for anything else."""

_TIMEOUT_S: Final = limit("gateway.jwks_timeout_ms") / 1000
_BYTES: Final = limit("gateway.jwks_bytes")
_AGE_S: Final = limit("gateway.jwks_age_s")
_STALE_S: Final = limit("gateway.jwks_stale_s")
_REFETCH_S: Final = limit("gateway.jwks_refetch_s")
_MOST_RSA_BITS: Final = 8192  # OpenSSL verifies longer keys too, at a cost that an issuer could choose
_NO_KEYS: Final[KeySet] = MappingProxyType({})


def fetch_with(client: Client) -> Fetch:
    """Fetch through the pooled client, whose egress policy decides which addresses may be reached."""

    async def fetch(url: str) -> bytes:
        answer = await client.fetch(url, max_bytes=_BYTES, timeout_s=_TIMEOUT_S)
        if answer.status != 200:
            raise ConnectionError(f"status {answer.status}")
        return answer.body

    return fetch


class KeysUnavailable(Exception):
    """An issuer's keys cannot be had. stage: which of the two documents failed. detail: for the record only."""

    def __init__(self, stage: Literal["discovery", "jwks"], detail: str) -> None:
        super().__init__(stage)
        self.stage = stage
        self.detail = detail


class _Issuer:
    """What is known of one issuer."""

    __slots__ = ("asked_at", "failure", "fetched_at", "keys", "task")

    def __init__(self) -> None:
        self.keys: KeySet | None = None
        self.fetched_at = 0.0  # monotonic seconds of the last success
        self.asked_at = float("-inf")  # of the last attempt
        self.failure: KeysUnavailable | None = None  # of the last attempt
        self.task: asyncio.Task[None] | None = None


class IssuerKeys:
    """Key sets by issuer; one per process, used on its event loop only.

    now: seconds that only grow.
    """

    def __init__(self, fetch: Fetch, now: Callable[[], float] = clock.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._issuers: dict[str, _Issuer] = {}

    def find_keys(self, issuer: str) -> KeySet | None:
        """What is known and may be used, without waiting; starts a refresh in the background when it grows old.

        None: nothing usable; `get_keys` has to be awaited. Must be called on the event loop.
        """
        known = self._issuers.get(issuer)
        if known is None or known.keys is None:
            return None
        age = self._now() - known.fetched_at
        if age > _AGE_S / 2:
            if age > _AGE_S and known.failure is None:
                return None  # nobody asked for a while: wait for fresh ones rather than use these
            if age > _STALE_S:
                return None
            self._refresh(issuer, known)
        return known.keys

    async def get_keys(self, issuer: str, kid: str | None = None) -> KeySet:
        """The issuer's keys, fetched when there are none; with `kid`, fetched again when that one is not among them.

        A `kid` that stays unknown is no error here: the caller finds it missing.
        Raises KeysUnavailable.
        """
        keys = self.find_keys(issuer)
        if keys is not None and (kid is None or kid in keys):
            return keys
        known = self._issuers.setdefault(issuer, _Issuer())
        task = self._refresh(issuer, known)
        if task is not None:
            # Shielded: a caller that goes away must not take the others' fetch with it.
            await asyncio.shield(task)
        keys = self.find_keys(issuer)
        if keys is not None:
            return keys
        raise known.failure or KeysUnavailable("jwks", "the last attempt was too short ago")

    async def close(self) -> None:
        """End what runs in the background."""
        tasks = [known.task for known in self._issuers.values() if known.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refresh(self, issuer: str, known: _Issuer) -> asyncio.Task[None] | None:
        """The fetch that is under way, a new one, or None when the last attempt was too short ago."""
        if known.task is not None:
            return known.task
        now = self._now()
        if now - known.asked_at < _REFETCH_S:
            return None
        known.asked_at = now
        known.task = asyncio.get_running_loop().create_task(self._update(issuer, known))
        return known.task

    async def _update(self, issuer: str, known: _Issuer) -> None:
        try:
            known.keys = await self._load(issuer, known.keys or _NO_KEYS)
            known.fetched_at = self._now()
            known.failure = None
        except KeysUnavailable as failure:
            known.failure = failure
        finally:
            known.task = None

    async def _load(self, issuer: str, before: KeySet) -> KeySet:
        document = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", "discovery")
        if document.get("issuer") != issuer:
            raise KeysUnavailable("discovery", "the document names another issuer")
        jwks_uri = document.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not _is_fetchable(jwks_uri, issuer):
            raise KeysUnavailable("discovery", "the document has no usable jwks_uri")
        return parse_jwks(await self._get(jwks_uri, "jwks"), before)

    async def _get(self, url: str, stage: Literal["discovery", "jwks"]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                body = await self._fetch(url)
        except Exception as error:
            # Whatever the network did: refused, reset, no such name, not 200, too slow. Its text may hold addresses.
            raise KeysUnavailable(stage, type(error).__name__) from error
        if len(body) > _BYTES:
            raise KeysUnavailable(stage, "the document is too large")
        try:
            document = orjson.loads(body)
        except ValueError:
            raise KeysUnavailable(stage, "the document is not JSON") from None
        if not isinstance(document, dict):
            raise KeysUnavailable(stage, "the document is not a JSON object")
        return document


def _is_fetchable(jwks_uri: str, issuer: str) -> bool:
    """An https URL, or http where the issuer itself is http (a loopback issuer of development)."""
    try:
        parts = urlsplit(jwks_uri)
        return bool(parts.hostname) and parts.scheme in ("https", urlsplit(issuer).scheme) and parts.username is None
    except ValueError:
        return False


def parse_jwks(document: Mapping[str, Any], before: KeySet = _NO_KEYS) -> KeySet:
    """The keys of a JWKS that may verify signatures; others are left out.

    before: the last key set. A key that is in both stays the same object, so what it verified stays remembered.
    Raises KeysUnavailable("jwks") when the document has no list of keys.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeysUnavailable("jwks", "the document has no keys")
    keys: dict[str, VerifyKey] = {}
    for entry in entries:
        key = _find_key(entry) if isinstance(entry, dict) else None
        if key is not None and key.kid not in keys:
            old = before.get(key.kid)
            keys[key.kid] = old if old is not None and _is_same(old, key) else key
    return MappingProxyType(keys)


def _is_same(one: VerifyKey, other: VerifyKey) -> bool:
    return one.alg == other.alg and one.public_key.public_numbers() == other.public_key.public_numbers()


def _find_key(entry: dict[str, Any]) -> VerifyKey | None:
    """A key for signatures: RSA of 2048 bits or more, or of a curve that has an algorithm; None for any other."""
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(kid, str) or not kid:
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if entry.get("kty") == "EC":
        return _find_point(kid, entry)
    alg = entry.get("alg", ANY_RSA)
    if entry.get("kty") != "RSA" or not isinstance(alg, str) or (alg != ANY_RSA and alg not in ALGORITHMS):
        return None
    public_key = _find_public_key(entry.get("n"), entry.get("e"))
    return None if public_key is None else VerifyKey(kid, alg, public_key)


def _find_point(kid: str, entry: dict[str, Any]) -> VerifyKey | None:
    """A key of a curve that has an algorithm, of the size that the curve has, on the curve (RFC 7518 section 6.2)."""
    alg = _ALGORITHM_OF_CURVE.get(str(entry.get("crv")))
    x, y = entry.get("x"), entry.get("y")
    if alg is None or entry.get("alg", alg) != alg or not isinstance(x, str) or not isinstance(y, str):
        return None
    curve, _, size = CURVES[alg]
    try:
        point = _decode(x), _decode(y)
        if any(len(part) != size for part in point):
            return None
        numbers = EllipticCurvePublicNumbers(int.from_bytes(point[0], "big"), int.from_bytes(point[1], "big"), curve)
        return VerifyKey(kid, alg, numbers.public_key())
    except (ValueError, binascii.Error):
        return None


def _find_public_key(modulus: object, exponent: object) -> RSAPublicKey | None:
    if not isinstance(modulus, str) or not isinstance(exponent, str):
        return None
    try:
        n, e = _decode_integer(modulus), _decode_integer(exponent)
        if not RSA_BITS <= n.bit_length() <= _MOST_RSA_BITS or e < 3 or e.bit_length() > 64:
            return None
        return RSAPublicNumbers(e, n).public_key()
    except (ValueError, binascii.Error):
        return None


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _decode_integer(text: str) -> int:
    return int.from_bytes(_decode(text), "big")
