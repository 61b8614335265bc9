"""Who may reach the control plane before any signature is looked at. Attack row U4."""

import pytest

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.http.message import Header, Request
from scopegate.server.guard import (
    answer_preflight,
    check_names,
    check_origins,
    refusal_of_control,
    refuse_host,
)

DEVELOPMENT = Settings(development=True)
PRODUCTION = Settings()


def request(*headers: Header, method: str = "POST") -> Request:
    return Request(method, b"/", [(b"Host", b"localhost"), *headers])


@pytest.mark.parametrize("settings", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
@pytest.mark.parametrize(
    "header",
    [
        (b"Origin", b"http://localhost:4566"),
        (b"origin", b"null"),
        (b"Sec-Fetch-Site", b"same-origin"),
        (b"sec-fetch-site", b"none"),
    ],
)
def test_browsers_never_reach_the_control_plane(settings: Settings, header: Header) -> None:
    assert "does not answer browsers" in (refusal_of_control(request(header), settings) or "")


def test_one_origin_can_be_opened() -> None:
    settings = Settings(allow_origins=("https://console.example",))

    assert refusal_of_control(request((b"Origin", b"https://console.example")), settings) is None
    assert refusal_of_control(request((b"Origin", b"https://console.example.evil")), settings) is not None
    two = request((b"Origin", b"https://console.example"), (b"Origin", b"https://evil.example"))
    assert refusal_of_control(two, settings) is not None


@pytest.mark.parametrize(
    "name", [b"Forwarded", b"X-Forwarded-For", b"x-forwarded-proto", b"X-Forwarded-Anything", b"Via"]
)
def test_in_development_a_forwarded_request_is_never_admin(name: bytes) -> None:
    assert refusal_of_control(request((name, b"1.1 proxy")), DEVELOPMENT) is not None
    assert refusal_of_control(request((name, b"1.1 proxy")), PRODUCTION) is None


def test_an_sdk_passes() -> None:
    assert refusal_of_control(request((b"User-Agent", b"Boto3/1.44")), DEVELOPMENT) is None


def preflight(origin: bytes, wanted: bytes) -> Request:
    asked = (b"Access-Control-Request-Headers", wanted)
    return request((b"Origin", origin), asked, method="OPTIONS")


def test_preflight_of_an_unsigned_operation_is_answered() -> None:
    asked = preflight(b"https://app.example", b"content-type, x-amz-target,x-amz-user-agent")

    answer = answer_preflight(asked, PRODUCTION)

    assert answer is not None
    assert dict(answer.headers)[b"Access-Control-Allow-Origin"] == b"*"


def test_preflight_that_wants_authorization_is_not() -> None:
    asked = preflight(b"https://app.example", b"authorization, x-amz-target")

    assert answer_preflight(asked, DEVELOPMENT) is None
    assert answer_preflight(asked, PRODUCTION) is None


def test_preflight_of_the_opened_origin_may_ask_for_anything() -> None:
    settings = Settings(allow_origins=("https://console.example",))

    answer = answer_preflight(preflight(b"https://console.example", b"authorization, x-amz-date"), settings)

    assert answer is not None
    headers = dict(answer.headers)
    assert headers[b"Access-Control-Allow-Origin"] == b"https://console.example"
    assert headers[b"Access-Control-Allow-Headers"] == b"authorization, x-amz-date"
    assert headers[b"Vary"] == b"Origin"


def test_what_a_preflight_echoes_cannot_end_its_header() -> None:
    answer = answer_preflight(preflight(b"https://app.example", b"x-amz-target,a\r\nSet-Cookie: b"), PRODUCTION)

    assert answer is not None
    assert b"\r" not in dict(answer.headers)[b"Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("origin", "complaint"),
    [
        ("*", "must be an origin"),
        ("null", "must be an origin"),
        ("console.example", "must be an origin"),
        ("https://console.example/", "must be an origin"),
        ("https://user@console.example", "must be an origin"),
        ("http://localhost:4566", "is this server itself"),
        ("http://shop.localhost:4566", "is this server itself"),
        ("http://127.0.0.1:4566", "is this server itself"),
        ("https://auth.example.com", "is this server itself"),
        ("https://orders.auth.us-east-1.amazoncognito.com", "is this server itself"),
    ],
)
def test_an_origin_that_must_not_be_opened(origin: str, complaint: str) -> None:
    """Attack U4: users' APIs serve their pages on this server's own origins."""
    settings = Settings(allow_origins=(origin,), public_url="https://auth.example.com")

    with pytest.raises(SetupError, match=complaint):
        check_origins(settings, 4566)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://localhost", "https://console.example:8443"])
def test_an_origin_that_may_be_opened(origin: str) -> None:
    check_origins(Settings(allow_origins=(origin,)), 4566)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(public_hosts=("scopegate:4566",)),
        Settings(public_hosts=("http://scopegate",)),
        Settings(public_hosts=("",)),
        Settings(egress_allow=("private",)),
        Settings(egress_allow=("10.0.0.1/8",)),
    ],
)
def test_a_name_or_network_that_is_none(settings: Settings) -> None:
    with pytest.raises(SetupError, match=r"^settings: --"):
        check_names(settings)


def test_refused_host_names_the_flag() -> None:
    answer = refuse_host("evil\r\n.example")

    assert answer.status == 421
    assert b"--public-host" in answer.body
    assert b"\r" not in answer.body
