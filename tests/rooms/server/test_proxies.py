"""Who speaks behind a proxy. Attack row G9."""

import pytest

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.http.message import Header, Request
from scopegate.server.proxies import TrustedProxies

PROXIES = ("10.0.0.0/8", "2001:db8::/32", "127.0.0.1")


def seen(peer: str, *forwarded: bytes, **settings: object) -> tuple[str, list[Header]]:
    """(who counts as the client, what is left of the headers) of a request that came from `peer`."""
    headers = [(b"Host", b"api.example"), *((b"X-Forwarded-For", value) for value in forwarded)]
    request = Request("GET", b"/", headers, peer=(peer, 40_000))
    TrustedProxies(Settings(**{"trusted_proxies": PROXIES, **settings})).see_through(request)  # type: ignore[arg-type]
    return request.peer[0], [header for header in request.headers if header[0] != b"Host"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client", "left"),
    [
        pytest.param("10.0.0.1", [b"203.0.113.7"], "203.0.113.7", b"", id="one-proxy"),
        pytest.param("10.0.0.1", [b"203.0.113.7, 10.9.9.9"], "203.0.113.7", b"", id="two-proxies"),
        pytest.param("10.0.0.1", [b"203.0.113.7", b"10.9.9.9"], "203.0.113.7", b"", id="two-headers"),
        pytest.param("10.0.0.1", [b"127.0.0.1, 203.0.113.7"], "203.0.113.7", b"127.0.0.1", id="made-up"),
        pytest.param("10.0.0.1", [b"8.8.8.8,1.1.1.1 ,203.0.113.7"], "203.0.113.7", b"8.8.8.8,1.1.1.1", id="more"),
        pytest.param("10.0.0.1", [b"nobody, 10.2.2.2"], "10.2.2.2", b"nobody", id="no-address"),
        pytest.param("10.0.0.1", [b"10.3.3.3"], "10.3.3.3", b"", id="within"),
        pytest.param("2001:db8::1", [b"2001:DB9::7"], "2001:db9::7", b"", id="ipv6"),
        pytest.param("10.0.0.1", [b"[2001:db9::7]:443, 10.2.2.2:50000"], "2001:db9::7", b"", id="ports"),
        pytest.param("::ffff:10.0.0.1", [b"203.0.113.7"], "203.0.113.7", b"", id="mapped"),
        pytest.param("10.0.0.1", [], "10.0.0.1", b"", id="says-nothing"),
        pytest.param("10.0.0.1", [b"unknown"], "10.0.0.1", b"unknown", id="says-nonsense"),
        pytest.param("203.0.113.9", [b"127.0.0.1"], "203.0.113.9", b"127.0.0.1", id="not-trusted"),
        pytest.param("", [b"203.0.113.7"], "", b"203.0.113.7", id="unix-socket"),
    ],
)
def test_g9_the_client_is_the_first_from_the_right_who_is_no_proxy_of_ours(
    peer: str, forwarded: list[bytes], client: str, left: bytes
) -> None:
    assert seen(peer, *forwarded) == (client, [(b"X-Forwarded-For", left)] if left else [])


def test_nobody_is_trusted_unless_named_and_not_in_development() -> None:
    assert seen("10.0.0.1", b"203.0.113.7", trusted_proxies=())[0] == "10.0.0.1"
    assert seen("10.0.0.1", b"203.0.113.7", development=True)[0] == "10.0.0.1"


@pytest.mark.parametrize("network", ["proxy", "10.0.0.1/8", ""])
def test_what_is_no_network_is_refused_at_start(network: str) -> None:
    with pytest.raises(SetupError, match=r"^settings: --trusted-proxy"):
        TrustedProxies(Settings(trusted_proxies=(network,)))
