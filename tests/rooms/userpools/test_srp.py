"""SRP-6a: Cognito's vectors, and a client of its own against the server's half."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.userpools.signin import srp

POOL, USER = "AbCdEf123", "6f3c2a10-0000-4000-8000-000000000001"
PASSWORD, SALT = "Correct-Horse-9", "63479ad69a090b258277ec8fba6f9941"
BLOCK, TIMESTAMP = b"secret-block-for-test", "Tue Nov 3 07:05:09 UTC 2026"
DEVICE_GROUP, DEVICE = "-aBcDeFgH", "us-east-1_11111111-2222-3333-4444-555555555555"


def secret(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest() * 4, "big")


def sha256(number: int) -> str:
    return hashlib.sha256(srp.pad(number)).hexdigest()


@dataclass(frozen=True)
class Vector:
    server_secret: str
    public: str
    u: str
    key: str
    signature: str


VECTORS = [
    Vector(
        "b",
        "95690d0723ff2298a67249f28023127f56c0f1890b2ea6e6834d54310e8bdc9c",
        "1eb5ebde39c86bbd8d3d44665d9593fba3f8b62d162faff3aa4d5218c570bf2d",
        "4cb851cbf27bbc4b66c53ac2119298b0",
        "0Xr0h/TJSU7biGlqzhiIICyvtiKOEtKsHryIbcJXBEM=",
    ),
    Vector(
        "b1",
        "6e12681053fc6ea1f2d0d10e363c52c69e063043baa5a4c23b91ca39e725ed1e",
        "afca303e11565be4562704d9bd41ed77ce2dbb097847fb61730b73e0d18b153d",
        "2e304758696c4e1960363ec832f93bd0",
        "YdR7ksgRJpGWBPCZ+N3fD4YkRBBEdifixnYf7sNRDAw=",
    ),
]


def client_proof(
    pool: str, user: str, password: str, salt: str, a: int, server_public: str, block: bytes, timestamp: str
) -> str:
    """What a client computes, by the published algorithm of pycognito and amazon-cognito-identity-js: on hex texts."""
    n = int(srp.pad(srp.N).hex(), 16)

    def padded(number: int) -> str:
        text = f"{number:x}"
        if len(text) % 2:
            return "0" + text
        return "00" + text if text[0] in "89abcdef" else text

    def hash_hex(text: str) -> str:
        return hashlib.sha256(bytes.fromhex(text)).hexdigest().zfill(64)

    k = int(hash_hex("00" + f"{n:x}" + "02"), 16)
    big_a, big_b = pow(2, a, n), int(server_public, 16)
    u = int(hash_hex(padded(big_a) + padded(big_b)), 16)
    inner = hashlib.sha256(f"{pool}{user}:{password}".encode("utf-8", "surrogatepass")).hexdigest()
    x = int(hash_hex(padded(int(salt, 16)) + inner.zfill(64)), 16)
    s = pow(big_b - k * pow(2, x, n), a + u * x, n)
    prk = hmac.new(bytes.fromhex(padded(u)), bytes.fromhex(padded(s)), hashlib.sha256).digest()
    key = hmac.new(prk, b"Caldera Derived Key" + bytes([1]), hashlib.sha256).digest()[:16]
    message = (pool + user).encode() + block + timestamp.encode()
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def test_the_group_is_cognitos() -> None:
    """Reference, "SRP-6a parameters"."""
    digest = hashlib.sha256(srp.N.to_bytes(384, "big")).hexdigest()

    assert digest == "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c"
    assert f"{srp.K:x}" == "538282c4354742d7cbbde2359fcf67f9f5b3a6b08791e5011b43b8a5b66d9ee6"


def test_the_verifier_of_the_vector() -> None:
    x = srp.compute_x(POOL, USER, PASSWORD, SALT)
    verifier = srp.make_verifier(POOL, USER, PASSWORD, SALT)

    assert f"{x:x}" == "c4aa363c24b14ae534e53d14e36b0cfd5d10b21082ba796b686ab45ac1568cb0"
    assert sha256(verifier.v) == "28bd77f4680813577cdc17926f1a9a9f32230859a9fb6d66ca49b0115935499f"
    assert verifier.salt == SALT


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.server_secret)
def test_the_exchange_of_the_vector(vector: Vector) -> None:
    v = srp.make_verifier(POOL, USER, PASSWORD, SALT).v
    a = pow(srp.G, secret("a"), srp.N)

    step = srp.begin(v, secret(vector.server_secret))
    key = srp.compute_key(srp.parse_public(f"{a:x}"), step, v)

    assert sha256(a) == "2b5d5a7616d0128c4860fc209893398d9be86c9543629c18835c616395fdcae8"
    assert sha256(step.public) == vector.public
    assert f"{srp.compute_u(a, step.public):x}" == vector.u
    assert key.hex() == vector.key
    assert srp.is_proof(key, POOL, USER, BLOCK, TIMESTAMP, vector.signature)


def test_the_device_of_the_vector() -> None:
    """Reference, "Devices": the same exchange under the device group's key and the device's."""
    v = srp.make_verifier(DEVICE_GROUP, DEVICE, "devicePassword=", SALT).v
    step = srp.begin(v, secret("b"))

    key = srp.compute_key(pow(srp.G, secret("a"), srp.N), step, v)

    assert key.hex() == "d90685ac4601ed81eed27c21088e0ca6"
    assert srp.is_proof(key, DEVICE_GROUP, DEVICE, BLOCK, TIMESTAMP, "yg+WOXhDFs0gaTxblxIgWXWItRTvqSYx8d2KH0uTrA4=")


words = st.text(min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(password=words, other=words, a=st.integers(2**200, 2**1024), block=st.binary(min_size=1, max_size=64))
def test_a_client_proves_its_password_and_no_other(password: str, other: str, a: int, block: bytes) -> None:
    verifier = srp.make_verifier(POOL, USER, password)
    step = srp.begin(verifier.v)
    key = srp.compute_key(srp.parse_public(f"{pow(2, a, srp.N):x}"), step, verifier.v)

    def proof(tried: str) -> str:
        return client_proof(POOL, USER, tried, verifier.salt, a, f"{step.public:x}", block, TIMESTAMP)

    assert srp.is_proof(key, POOL, USER, block, TIMESTAMP, proof(password))
    assert srp.is_proof(key, POOL, USER, block, TIMESTAMP, proof(other)) is (password == other)
    assert not srp.is_proof(key, POOL, USER, block + b"x", TIMESTAMP, proof(password))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "00",
        f"{srp.N:x}",
        "0x12",
        "-1",
        "+1",
        " 1",
        "1_0",
        "g",
        "\u0661",
        f"{srp.N * srp.N:x}",
        "f" * 771,
        "1\n",
    ],
)
def test_a_public_value_with_which_nothing_is_proven_is_refused(text: str) -> None:
    """RFC 5054 section 2.5.4: A mod N = 0 would prove every password."""
    with pytest.raises(ValueError, match="SRP_A"):
        srp.parse_public(text)


def test_a_multiple_of_n_gets_no_key_either() -> None:
    v = srp.make_verifier(POOL, USER, PASSWORD, SALT).v

    with pytest.raises(ValueError, match="SRP_A"):
        srp.compute_key(2 * srp.N, srp.begin(v), v)


@pytest.mark.parametrize("signature", ["", "=", "not base64", "AAAA", "é", "A" * 10_000])
def test_what_is_no_signature_proves_nothing(signature: str) -> None:
    assert not srp.is_proof(b"k" * 16, POOL, USER, BLOCK, TIMESTAMP, signature)


def test_somebody_who_is_not_there_has_one_salt() -> None:
    """Attack O17: asked twice, the same; another name, pool or server, another."""
    first = srp.simulate_verifier(b"key", POOL, "ada")

    assert first == srp.simulate_verifier(b"key", POOL, "ada")
    others = [("key", POOL, "bob"), ("key", "Other", "ada"), ("other", POOL, "ada")]
    salts = {first.salt, *(srp.simulate_verifier(key.encode(), pool, name).salt for key, pool, name in others)}
    assert len(salts) == 4


@given(st.binary(min_size=16, max_size=16))
def test_every_salt_is_the_same_as_text_and_as_number(key: bytes) -> None:
    """Some clients pad the text they get, others read a number first: both hash the same bytes."""
    salt = srp.simulate_verifier(key, POOL, "ada").salt

    assert f"{int(salt, 16):x}" == salt
    assert srp.pad(int(salt, 16)) == bytes.fromhex(salt)
    assert len(salt) == 32


def test_a_new_verifier_has_a_salt_of_its_own() -> None:
    first, second = (srp.make_verifier(POOL, USER, PASSWORD) for _ in range(2))

    assert first.salt != second.salt
    assert first.v != second.v


@pytest.mark.parametrize(
    ("text", "moment"),
    [(TIMESTAMP, 1_793_689_509), ("Tue Nov 03 07:05:09 UTC 2026", 1_793_689_509), ("Thu Jan 1 00:00:00 UTC 1970", 0)],
)
def test_a_timestamp_is_read(text: str, moment: int) -> None:
    assert srp.parse_timestamp(text) == moment


@pytest.mark.parametrize("text", ["", "2026-11-03T07:05:09Z", "Di Nov 3 07:05:09 UTC 2026", TIMESTAMP + "0", "x" * 99])
def test_another_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TIMESTAMP"):
        srp.parse_timestamp(text)
