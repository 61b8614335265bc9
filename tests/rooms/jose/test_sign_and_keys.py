"""Signing and keys of our own."""

import base64
import json
import re

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jwk
from joserfc import jwt as jose_jwt

from scopegate.jose.keys import KeyStock, load_private_key, new_key, render_jwks, verify_key
from scopegate.jose.sign import SigningKey
from tests.rooms.jose.issuer import claims, rsa_key

KID = "1FGKvpIbIHIl+8iMQOup5GC6lmz/rux6rDGNjckNGHg="


def test_the_header_is_cognito_s_byte_for_byte() -> None:
    """Reference, JOSE header: exactly `kid` and `alg`, in this order, no `typ`."""
    header = SigningKey(KID, rsa_key()).sign({}).split(b".")[0]

    assert base64.urlsafe_b64decode(header + b"==") == f'{{"kid":"{KID}","alg":"RS256"}}'.encode()


def test_the_payload_keeps_the_order_of_its_claims_and_has_no_blanks() -> None:
    payload = SigningKey(KID, rsa_key()).sign({"sub": "a", "exp": 1, "aud": "é"}).split(b".")[1]

    assert base64.urlsafe_b64decode(payload + b"==") == '{"sub":"a","exp":1,"aud":"é"}'.encode()


def test_other_libraries_verify_what_we_sign_with_the_keys_we_publish() -> None:
    token = SigningKey(KID, rsa_key()).sign(claims()).decode()
    document = render_jwks([verify_key(KID, rsa_key().public_key())])

    by_pyjwt = jwt.decode(
        token,
        jwt.PyJWKSet.from_json(document.decode())[KID].key,
        algorithms=["RS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    by_joserfc = jose_jwt.decode(token, jwk.KeySet.import_key_set(json.loads(document)))

    assert by_pyjwt == by_joserfc.claims == claims()


def test_the_jwks_has_cognito_s_members_in_cognito_s_order() -> None:
    """Reference, JWKS: alphabetical, no `x5c`."""
    document = json.loads(
        render_jwks([verify_key(KID, rsa_key(0).public_key()), verify_key("b", rsa_key(1).public_key())])
    )

    assert [list(entry) for entry in document["keys"]] == [["alg", "e", "kid", "kty", "n", "use"]] * 2
    assert {(entry["alg"], entry["e"], entry["kty"], entry["use"]) for entry in document["keys"]} == {
        ("RS256", "AQAB", "RSA", "sig")
    }
    assert re.fullmatch(r"[\w-]{342}", document["keys"][0]["n"], re.ASCII)


def test_a_new_key_has_2048_bits_and_a_kid_of_44_characters() -> None:
    key = new_key()
    private_key = load_private_key(key.private_key)

    assert isinstance(private_key, RSAPrivateKey)
    assert (private_key.key_size, private_key.public_key().public_numbers().e) == (2048, 65537)
    assert len(key.kid) == 44
    assert len(base64.b64decode(key.kid, validate=True)) == 32


def test_a_new_key_does_not_show_itself() -> None:
    key = new_key()

    assert repr(key) == f"NewKey({key.kid})"


def test_the_stock_hands_out_each_key_once_and_never_runs_dry() -> None:
    stock = KeyStock(size=1)
    try:
        kids = {stock.take().kid for _ in range(4)}
    finally:
        stock.close()

    assert len(kids) == 4


def test_a_stored_key_that_is_not_rsa_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    der = generate_private_key(SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(TypeError):
        load_private_key(der)
