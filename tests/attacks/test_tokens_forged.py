"""Attack rows J1 to J10 and J13, J14: tokens that nobody signed, or that have two readings.

Each is refused by a verifier that has seen nothing yet and by one that holds the good token it was made from.
"""

import base64
import hashlib
import hmac
import json
import time
import tracemalloc

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jwk

from scopegate.jose.keys import render_jwks, verify_key
from scopegate.jose.verify import TokenError, Verifier, parse_token
from tests.rooms.jose.issuer import ISSUER, b64, choose, claims, key_set, rsa_key, token

KEYS = key_set()


def refuse(raw: str | bytes) -> str:
    """The kind of the refusal, the same from a cold and from a warm verifier."""
    cold, warm = Verifier(100), Verifier(100)
    warm.verify(token(), choose(KEYS))
    kinds = []
    for verifier in (cold, warm, warm):
        with pytest.raises(TokenError) as refused:
            verifier.verify(raw, choose(KEYS))
        kinds.append(refused.value.kind)
    assert len(set(kinds)) == 1
    return kinds[0]


def unsigned(header: dict[str, object], signature: bytes = b"") -> bytes:
    return b64(json.dumps(header).encode()) + b"." + b64(json.dumps(claims()).encode()) + b"." + b64(signature)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", "RS256 ", "rs256"])
@pytest.mark.parametrize("signature", [b"", b"x" * 256])
def test_j1_a_token_that_names_no_algorithm_of_ours_is_refused(alg: str, signature: bytes) -> None:
    assert refuse(unsigned({"alg": alg, "kid": "kid-1"}, signature)) == "algorithm"


def _public_key_texts() -> dict[str, bytes]:
    public_key = rsa_key().public_key()
    document = render_jwks([verify_key("kid-1", public_key)])
    return {
        "pem": public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "pem-pkcs1": public_key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "der": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(json.loads(document)["keys"][0]).encode(),
        "jwks": document,
        "empty": b"",
    }


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("name", ["pem", "pem-pkcs1", "der", "jwk", "jwks", "empty"])
def test_j2_a_mac_keyed_with_the_public_key_is_refused(name: str, alg: str) -> None:
    secret = _public_key_texts()[name]
    signing_input = unsigned({"alg": alg, "kid": "kid-1"}).rpartition(b".")[0]
    mac = hmac.new(secret, signing_input, f"sha{alg[2:]}").digest()

    assert refuse(signing_input + b"." + b64(mac)) == "algorithm"


def test_j2_a_mac_under_the_name_of_our_algorithm_is_refused() -> None:
    signing_input = unsigned({"alg": "RS256", "kid": "kid-1"}).rpartition(b".")[0]
    mac = hmac.new(_public_key_texts()["pem"], signing_input, hashlib.sha256).digest()

    assert refuse(signing_input + b"." + b64(mac)) == "signature"


@pytest.mark.parametrize(
    "kid",
    [
        pytest.param("../../dev/null", id="path"),
        pytest.param("' OR 1=1 --", id="sql"),
        pytest.param("kid-1\0", id="nul"),
        pytest.param("k" * 10_000, id="10-kB"),
        pytest.param(["kid-1"], id="array"),
        pytest.param({"kid-1": 1}, id="object"),
        pytest.param(None, id="null"),
        pytest.param("KID-1", id="case"),
        pytest.param(" kid-1", id="blank"),
    ],
)
def test_j3_kid_is_a_look_up_and_nothing_else(kid: object) -> None:
    assert refuse(token(header={"alg": "RS256", "kid": kid})) == "kid"


@pytest.mark.parametrize("kid", ["kid-1", "attacker"])
@pytest.mark.parametrize("member", ["jwk", "x5c", "jku", "x5u", "all"])
def test_j4_j5_keys_that_a_token_brings_along_are_ignored(member: str, kid: str) -> None:
    """No address in a header is fetched: the verifier is handed no means to fetch anything."""
    attacker = json.loads(render_jwks([verify_key(kid, rsa_key(1).public_key())]))["keys"][0]
    der = rsa_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    brought = {
        "jwk": attacker,
        "x5c": [base64.b64encode(der).decode()],
        "jku": "http://169.254.169.254/jwks.json",
        "x5u": "https://attacker.example/cert.pem",
    }
    chosen = brought if member == "all" else {member: brought[member]}

    forged = token(header={"alg": "RS256", "kid": kid, **chosen}, key=rsa_key(1))

    assert refuse(forged) == ("signature" if kid == "kid-1" else "kid")


def test_j4_a_key_in_the_header_does_not_help_where_no_key_is_configured() -> None:
    attacker = json.loads(render_jwks([verify_key("k", rsa_key(1).public_key())]))["keys"][0]
    forged = token(header={"alg": "RS256", "kid": "k", "jwk": attacker}, key=rsa_key(1))

    for keys in ({}, None):
        with pytest.raises(TokenError):
            Verifier(10).verify(forged, lambda _, keys=keys: keys)  # type: ignore[misc]


@pytest.mark.parametrize(
    "extension",
    [
        {"crit": ["x-unknown"], "x-unknown": True},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": False},
        {"b64": True},
    ],
)
def test_j6_a_header_that_asks_for_an_extension_is_refused(extension: dict[str, object]) -> None:
    assert refuse(token(header={"alg": "RS256", "kid": "kid-1", **extension})) == "malformed"


def _encrypted(header: dict[str, object], plain: bytes) -> bytes:
    key = jwk.RSAKey.import_key(rsa_key().public_key())  # type: ignore[arg-type]
    registry = jwe.JWERegistry(algorithms=["RSA-OAEP", "RSA-OAEP-256", "A256GCM", "DEF"])
    return jwe.encrypt_compact(header, plain, key, registry=registry).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT", "kid": "kid-1"},
        {"alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF", "kid": "kid-1"},
    ],
)
def test_j7_j8_an_encrypted_token_is_no_signed_token(header: dict[str, object]) -> None:
    """Encrypted to the key that verifies, with a bomb inside: the number of parts decides before anything is read."""
    bomb = json.dumps(claims(filler="0" * 200_000)).encode() if "zip" in header else json.dumps(claims()).encode()

    assert refuse(_encrypted(header, bomb)) == "segments"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "PBES2-HS256+A128KW", "p2c": 2**31, "p2s": "AAAA", "enc": "A128GCM"},
        {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "RS256", "kid": "kid-1", "enc": "A256GCM"},
        {"alg": "RS256", "kid": "kid-1", "typ": "JWE"},
        {"alg": "RS256", "kid": "kid-1", "typ": "application/jwe"},
    ],
)
def test_j7_the_header_of_an_encrypted_token_costs_nothing(header: dict[str, object]) -> None:
    raw = token(header=header)
    parse_token(token())
    tracemalloc.start()
    started = time.process_time()

    kind = refuse(raw)

    took_s, (_, peak_bytes) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kind in ("algorithm", "malformed")
    assert took_s < 0.1
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("signature", [b"\0" * 64, b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\xff" * 64])
@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA", "PS256"])
def test_j9_algorithms_that_are_not_ours_are_refused_before_any_arithmetic(alg: str, signature: bytes) -> None:
    assert refuse(unsigned({"alg": alg, "kid": "kid-1"}, signature)) == "algorithm"


def test_j9_an_elliptic_signature_under_the_name_of_our_algorithm_is_refused() -> None:
    signing_input = unsigned({"alg": "RS256", "kid": "kid-1"}).rpartition(b".")[0]
    signature = generate_private_key(SECP256R1()).sign(signing_input, ECDSA(SHA256()))

    assert refuse(signing_input + b"." + b64(signature)) == "signature"


@pytest.mark.parametrize("signature", [b"", b"\0" * 256, b"\0" * 255 + b"\1", b"\xff" * 256, b"x" * 255, b"x" * 4096])
def test_j9_signatures_of_the_wrong_size_or_value_are_refused(signature: bytes) -> None:
    assert refuse(unsigned({"alg": "RS256", "kid": "kid-1"}, signature)) == "signature"


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(ISSUER + "/", id="slash"),
        pytest.param(ISSUER + "x", id="longer"),
        pytest.param(ISSUER[:-1], id="shorter"),
        pytest.param(ISSUER.upper(), id="case"),
        pytest.param("https://evil.example/" + ISSUER, id="contains"),
        pytest.param([ISSUER], id="array"),
        pytest.param({"iss": ISSUER}, id="object"),
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
    ],
)
def test_j10_an_issuer_is_compared_whole(issuer: object) -> None:
    assert refuse(token(claims(iss=issuer))) == "issuer"


def test_j10_a_key_of_the_same_kid_counts_only_for_its_own_issuer() -> None:
    """Two pools that happen to have one kid: what one signed is nothing to the other."""
    theirs = ISSUER + "2"
    sets = {ISSUER: key_set(0), theirs: key_set(1)}
    verifier = Verifier(10)
    verifier.verify(token(claims(iss=theirs), key=rsa_key(1)), sets.get)

    with pytest.raises(TokenError) as refused:
        verifier.verify(token(claims(iss=ISSUER), key=rsa_key(1)), sets.get)

    assert refused.value.kind == "signature"


def test_j11_an_opaque_refresh_token_is_no_access_token() -> None:
    """The shape of Cognito's refresh tokens: five parts, `cty` JWT, RSA-OAEP."""
    header = b64(b'{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}')

    assert refuse(b".".join([header, b64(b"k" * 256), b64(b"i" * 12), b64(b"c" * 900), b64(b"t" * 16)])) == "segments"


DEEP = b"[" * 5_000 + b"]" * 5_000


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(token(header=b'{"alg":"none","alg":"RS256","kid":"kid-1"}'), id="header-twice"),
        pytest.param(token(b'{"iss":"a","iss":"%s","exp":9}' % ISSUER.encode()), id="claims-twice"),
        pytest.param(token(b'{"a":{"b":1,"b":2},"iss":"%s"}' % ISSUER.encode()), id="inner-twice"),
        pytest.param(token(b'{"iss":"\xff"}'), id="invalid-utf-8"),
        pytest.param(token(b'{"iss":"\xc0\xaf"}'), id="overlong-utf-8"),
        pytest.param(token(b'{"iss":"\\ud800"}'), id="lone-surrogate"),
        pytest.param(token(b'{"iss":"\xed\xa0\x80"}'), id="surrogate-in-utf-8"),
        pytest.param(token(b"\xef\xbb\xbf{}"), id="byte-order-mark"),
        pytest.param(token(b'{"a":%s}' % DEEP), id="depth-5000"),
        pytest.param(token(b'{"a":' * 40 + b"1" + b"}" * 40), id="depth-40"),
        pytest.param(token(b'{"exp":NaN}'), id="nan"),
        pytest.param(token(b'{"exp":1e400}'), id="1e400"),
        pytest.param(token(b'{"exp":%s}' % (b"9" * 5_000)), id="5000-digits"),
        pytest.param(token(b"{} {}"), id="two-values"),
        pytest.param(token(b"{'iss':1}"), id="single-quotes"),
        pytest.param(token(b'{"iss":"a\nb"}'), id="raw-newline"),
    ],
)
def test_j13_json_that_has_two_readings_or_none_is_refused(raw: bytes) -> None:
    assert refuse(raw) in ("malformed", "size")


@pytest.mark.parametrize(
    "raw",
    [b"a" * 5_000_000, b"." * 5_000_000, "é" * 20_000, token(claims(x="0" * 20_000))],
    ids=["one-segment", "dots", "not-ascii", "signed"],
)
def test_j13_size_is_looked_at_first(raw: str | bytes) -> None:
    assert refuse(raw) == "size"


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_j14_one_flipped_bit_is_refused(segment: int) -> None:
    parts = token().split(b".")
    for index in (0, len(parts[segment]) // 2, len(parts[segment]) - 1):
        raw = bytearray(base64.urlsafe_b64decode(parts[segment] + b"=="))
        raw[min(index * 3 // 4, len(raw) - 1)] ^= 1
        refuse(b".".join([b64(bytes(raw)) if at == segment else part for at, part in enumerate(parts)]))


def _with_trailing_bits(segment: bytes) -> bytes:
    """The same bytes in another spelling: bits that base64 leaves unused are set."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + bytes([alphabet[alphabet.index(segment[-1:]) | 1]])


@pytest.mark.parametrize(
    "respell",
    [
        pytest.param(lambda part: part + b"=" * (-len(part) % 4 or 4), id="padding"),
        pytest.param(lambda part: part + b"\n", id="newline"),
        pytest.param(lambda part: b" " + part, id="blank"),
        pytest.param(lambda part: part[:3] + b"\t" + part[3:], id="tab-inside"),
        pytest.param(lambda part: part[:3] + b"*" + part[3:], id="foreign-character"),
        pytest.param(lambda part: part + b"A", id="one-more-character"),
    ],
)
@pytest.mark.parametrize("segment", [0, 1, 2])
def test_j14_another_spelling_of_a_good_token_is_refused(segment: int, respell: object) -> None:
    parts = token().split(b".")
    parts[segment] = respell(parts[segment])  # type: ignore[operator]

    # One more character may also make other bytes of the signature.
    assert refuse(b".".join(parts)) in (("malformed", "signature") if segment == 2 else ("malformed",))


def test_j14_the_other_alphabet_and_unused_bits_are_refused() -> None:
    header, payload, signature = token().split(b".")
    assert len(signature) % 4 == 2  # 256 bytes leave four bits unused

    standard = signature.translate(bytes.maketrans(b"-_", b"+/"))

    assert standard == signature or refuse(b".".join([header, payload, standard])) == "malformed"
    assert refuse(b".".join([header, payload, _with_trailing_bits(signature)])) == "malformed"


def test_j14_no_second_spelling_ever_gets_into_the_memory() -> None:
    verifier = Verifier(100)
    good = token()
    verifier.verify(good, choose(KEYS))

    for other in (good + b"=", good + b"\n", b" " + good, _with_trailing_bits(good)):
        with pytest.raises(TokenError):
            verifier.verify(other, choose(KEYS))

    assert list(verifier._young) == [good]
