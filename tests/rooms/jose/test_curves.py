"""ECDSA: keys of a JWKS and signatures under them. Source: RFC 7518 sections 3.4 and 6.2; attack row J9."""

import base64
import functools
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from scopegate.jose.remote import parse_jwks
from scopegate.jose.verify import KeySet, TokenError, Verifier, VerifyKey
from tests.rooms.jose.issuer import ISSUER, b64, choose, claims, rsa_key

CURVES: dict[str, tuple[str, EllipticCurve, HashAlgorithm, int]] = {
    "ES256": ("P-256", SECP256R1(), SHA256(), 32),
    "ES384": ("P-384", SECP384R1(), SHA384(), 48),
    "ES512": ("P-521", SECP521R1(), SHA512(), 66),
}


@functools.cache
def ec_key(alg: str) -> EllipticCurvePrivateKey:
    return generate_private_key(CURVES[alg][1])


def jwk(of: str, **changes: Any) -> dict[str, Any]:
    """The public key of an algorithm as issuers publish it; a change to ... takes a member away."""
    name, _, _, size = CURVES[of]
    numbers = ec_key(of).public_key().public_numbers()
    x, y = (b64(number.to_bytes(size, "big")).decode() for number in (numbers.x, numbers.y))
    entry = {"kty": "EC", "crv": name, "x": x, "y": y, "kid": of, "use": "sig", "alg": of, **changes}
    return {member: value for member, value in entry.items() if value is not ...}


def signing_input(alg: str, kid: str, payload: dict[str, Any] | None = None) -> bytes:
    return b64(json.dumps({"alg": alg, "kid": kid}).encode()) + b"." + b64(json.dumps(payload or claims()).encode())


def signature(alg: str, signed: bytes) -> bytes:
    _, _, digest, size = CURVES[alg]
    r, s = decode_dss_signature(ec_key(alg).sign(signed, ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def ec_token(alg: str, kid: str | None = None, payload: dict[str, Any] | None = None) -> bytes:
    signed = signing_input(alg, kid or alg, payload)
    return signed + b"." + b64(signature(alg, signed))


def kind_of(token: bytes, keys: KeySet) -> str:
    with pytest.raises(TokenError) as caught:
        Verifier(8).verify(token, choose(keys))
    return caught.value.kind


@pytest.mark.parametrize("alg", CURVES)
def test_a_token_under_a_published_curve_key_is_verified(alg: str) -> None:
    keys = parse_jwks({"keys": [jwk(alg)]})

    assert Verifier(8).verify(ec_token(alg), choose(keys)).claims["iss"] == ISSUER


@pytest.mark.parametrize("alg", CURVES)
def test_a_key_names_its_algorithm_by_its_curve(alg: str) -> None:
    assert parse_jwks({"keys": [jwk(alg, alg=...)]})[alg].alg == alg


def test_j9_a_key_that_is_none_is_left_out() -> None:
    """Another curve's name or algorithm, a point off the curve or not of its size, a key for something else."""
    other = base64.urlsafe_b64decode(jwk("ES256")["x"] + "=")
    unusable = [
        jwk("ES256", crv="P-384", alg=...),
        jwk("ES256", alg="ES384"),
        jwk("ES256", alg="RS256"),
        jwk("ES256", crv="secp256k1", alg=...),
        jwk("ES256", crv=...),
        jwk("ES256", y=jwk("ES256")["x"]),
        jwk("ES256", x="AA"),
        jwk("ES256", x=b64(b"\0" + other).decode()),
        jwk("ES256", x="not base64!"),
        jwk("ES256", x=7),
        jwk("ES256", use="enc"),
        jwk("ES256", key_ops=["sign"]),
        jwk("ES256", kid=""),
    ]

    assert parse_jwks({"keys": unusable}) == {}


@pytest.mark.parametrize("alg", CURVES)
def test_j9_signatures_of_the_wrong_size_or_value_are_refused(alg: str) -> None:
    """r = s = 0 (CVE-2022-21449), DER instead of two numbers, a bit that is flipped, another key's."""
    keys = parse_jwks({"keys": [jwk(alg)]})
    _, _, digest, size = CURVES[alg]
    signed = signing_input(alg, alg)
    good = signature(alg, signed)
    flipped = bytes([good[0] ^ 1]) + good[1:]
    another = generate_private_key(CURVES[alg][1]).sign(signed, ECDSA(digest))
    r, s = decode_dss_signature(another)
    bad = [
        b"",
        b"\0" * 2 * size,
        b"\0" * size + b"\1" * size,
        b"\xff" * 2 * size,
        ec_key(alg).sign(signed, ECDSA(digest)),
        flipped,
        good[:-1],
        good + b"\0",
        r.to_bytes(size, "big") + s.to_bytes(size, "big"),
    ]

    assert [kind_of(signed + b"." + b64(one), keys) for one in bad] == ["signature"] * len(bad)


def test_j2_the_key_decides_the_algorithm() -> None:
    """Neither an RSA algorithm under a curve's key, nor a curve's under an RSA key, of whatever algorithm."""
    keys = {
        **parse_jwks({"keys": [jwk("ES256"), jwk("ES384")]}),
        "rsa": VerifyKey("rsa", "RS256", rsa_key().public_key()),
        "any": VerifyKey("any", "RSA", rsa_key().public_key()),
    }

    assert kind_of(ec_token("ES256", "ES384"), keys) == "algorithm"
    assert kind_of(ec_token("ES256", "rsa"), keys) == "algorithm"
    assert kind_of(ec_token("ES256", "any"), keys) == "algorithm"
    assert kind_of(signing_input("RS256", "ES256") + b"." + b64(b"\0" * 64), keys) == "algorithm"
