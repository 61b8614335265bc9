"""Who may reach the control plane before any signature is looked at. Attack row U4."""

import pytest

from scopegate.base.settings import Settings
from scopegate.http.message import Header, Request
from scopegate.server.guard import (
    answer_preflight_of_unsigned,
    is_preflight_of_unsigned,
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


def test_preflight_of_an_unsigned_operation_is_answered() -> None:
    asked = (b"Access-Control-Request-Headers", b"content-type, x-amz-target,x-amz-user-agent")
    preflight = request((b"Origin", b"https://app.example"), asked, method="OPTIONS")

    answer = answer_preflight_of_unsigned(preflight)

    assert is_preflight_of_unsigned(preflight)
    assert dict(answer.headers)[b"Access-Control-Allow-Origin"] == b"*"


def test_preflight_that_wants_authorization_is_not() -> None:
    asked = (b"Access-Control-Request-Headers", b"authorization, x-amz-target")

    assert not is_preflight_of_unsigned(request((b"Origin", b"https://app.example"), asked, method="OPTIONS"))


def test_refused_host_names_the_flag() -> None:
    answer = refuse_host("evil\r\n.example")

    assert answer.status == 421
    assert b"--public-host" in answer.body
    assert b"\r" not in answer.body
