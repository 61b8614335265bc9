"""Signatures: canonical form, known vectors, botocore's and our own signer against our verifier."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.aws import sigv4
from scopegate.aws.client import Credentials, sign_headers
from scopegate.aws.sigv4 import SignatureRefused, read_credential, verify
from scopegate.base import clock
from scopegate.http.message import Request
from tests.rooms.aws.wires import HOST, signed


@dataclass(frozen=True)
class Key:
    secret: bytes = b"secret"
    session_token: str | None = None
    expires_at: int | None = None


def proven(request: Request, key: Key | None = None, *, service: str = "lambda", now: float | None = None) -> str:
    """`` when the signature holds, else the fault."""
    credential = read_credential(request)
    assert credential is not None
    try:
        verify(request, credential, key or Key(), service=service, now=clock.real_now() if now is None else now)
    except SignatureRefused as refused:
        return refused.fault
    return ""


def test_the_published_vector() -> None:
    """AWS general reference, "Signature Version 4 test suite", get-vanilla."""
    canonical = sigv4.canonical_request(
        "GET",
        "/",
        "",
        [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")],
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
    text = sigv4.string_to_sign("20150830T123600Z", "20150830/us-east-1/service/aws4_request", canonical)

    assert (
        sigv4.sign(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "service", text)
        == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


SEGMENTS = st.lists(st.text("ab~-_.%2F3A:+*@!$&'()=;,", min_size=1, max_size=6), max_size=4)
PAIRS = st.lists(st.tuples(st.text("abc-é/+ ", min_size=1, max_size=5), st.text("xyz=&é +%", max_size=5)), max_size=4)


@pytest.mark.parametrize("presign", [False, True])
@given(method=st.sampled_from(["GET", "POST", "DELETE"]), segments=SEGMENTS, pairs=PAIRS, body=st.binary(max_size=20))
def test_what_botocore_signs_is_proven(
    presign: bool, method: str, segments: list[str], pairs: list[tuple[str, str]], body: bytes
) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments if segment not in (".", ".."))
    query = urlencode(pairs, quote_via=quote)
    headers = [(b"X-Amz-Target", b"Some.Operation"), (b"X-Spaced", b"a   b  c")]
    request = Request(method, f"{path}{'?' + query if query else ''}".encode(), headers, b"" if presign else body)

    assert proven(signed(request, "lambda", presign=presign)) == ""


@given(segments=SEGMENTS, body=st.binary(max_size=20), token=st.none() | st.text("abc=/+", min_size=1))
def test_what_the_command_line_signs_is_proven(segments: list[str], body: bytes, token: str | None) -> None:
    target = "/" + "/".join(quote(segment) for segment in segments if segment not in (".", "..")) + "?a=b&c&b=%20x"
    headers = sign_headers(
        "lambda",
        "eu-west-1",
        Credentials("AKIAEXAMPLE", "secret", token),
        "POST",
        target,
        HOST,
        {"Content-Type": "application/json"},
        body,
        now=clock.real_now(),
    )
    request = Request("POST", target.encode(), [(n.encode(), v.encode()) for n, v in headers.items()], body)

    assert proven(request, Key(session_token=token)) == ""


def test_another_secret_is_a_mismatch() -> None:
    assert proven(signed(Request("GET", b"/", []), "lambda"), Key(b"another")) == "mismatch"


def test_a_session_needs_its_own_token_and_its_time() -> None:
    request = signed(Request("GET", b"/", []), "lambda", token="the token")
    now = clock.real_now()

    assert proven(request, Key(session_token="the token", expires_at=int(now) + 60)) == ""
    assert proven(request, Key(session_token="another")) == "unknown"
    assert proven(request, Key()) == "unknown"
    assert proven(request, Key(session_token="the token", expires_at=int(now) - 1)) == "expired"


@pytest.mark.parametrize("minutes", [-14, 0, 14])
def test_a_clock_within_fifteen_minutes_will_do(minutes: int) -> None:
    request = signed(Request("GET", b"/", []), "lambda")

    assert proven(request, now=clock.real_now() + minutes * 60) == ""
    assert proven(request, now=clock.real_now() + minutes * 60 + (120 if minutes >= 0 else -120)) == (
        "skew" if minutes else ""
    )


def test_a_presigned_url_lives_as_long_as_it_says() -> None:
    request = signed(Request("GET", b"/", []), "lambda", presign=True)  # one hour

    assert proven(request, now=clock.real_now() + 3_590) == ""
    assert proven(request, now=clock.real_now() + 3_610) == "skew"


def test_no_header_and_no_query_is_no_credential() -> None:
    assert read_credential(Request("GET", b"/?a=b&X-Amz-Other=1", [(b"Host", b"x")])) is None


SIGNATURE = "0" * 64
GOOD = (
    f"AWS4-HMAC-SHA256 Credential=A/20261124/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature={SIGNATURE}"
)


@pytest.mark.parametrize(
    "value",
    [
        "Bearer eyJhbGciOi",
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256 " + GOOD.partition(" ")[2],
        GOOD.replace("Signature", "Sig"),
        GOOD.replace(SIGNATURE, "0" * 63),
        GOOD.replace("/aws4_request", ""),
        GOOD.replace("A/20261124", "A/2026"),
        GOOD.replace("us-east-1", "US EAST"),
        GOOD.replace("SignedHeaders=host", "SignedHeaders=Host"),
        GOOD + ", Credential=B/20261124/us-east-1/lambda/aws4_request",
        "AWS test:signature",
        "\xff\xfe",
        "",
    ],
)
def test_an_authorization_of_another_shape_is_incomplete(value: str) -> None:
    request = Request("GET", b"/", [(b"Authorization", value.encode("latin-1")), (b"X-Amz-Date", b"20261124T000000Z")])

    with pytest.raises(SignatureRefused) as refused:
        read_credential(request)

    assert refused.value.fault == "incomplete"
    assert "eyJ" not in refused.value.message, "a bearer token is not repeated"


def fault_of(request: Request) -> str:
    try:
        read_credential(request)
    except SignatureRefused as refused:
        return refused.fault
    return ""


@given(st.binary(max_size=120))
def test_any_authorization_is_read_or_refused(value: bytes) -> None:
    for headers in ([(b"Authorization", value)], [(b"Authorization", GOOD.encode()), (b"X-Amz-Date", value)]):
        assert fault_of(Request("GET", b"/", headers)) in ("", "incomplete")


@given(st.text("X-AmzSignatureCdlDtHp=&%/2F0aA", max_size=120))
def test_any_query_is_read_or_refused(query: str) -> None:
    request = Request("GET", b"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&" + query.encode(), [])

    assert fault_of(request) in ("", "incomplete")
