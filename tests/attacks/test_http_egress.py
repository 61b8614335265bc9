"""Attack rows G15 and O19: where this server may be made to connect to."""

import pytest

from scopegate.http.egress import EgressPolicy

NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "0.0.0.0",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "not an address",
]
PRIVATE = ["127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", NEVER)
def test_g15_link_local_and_metadata_addresses_are_never_reached(address: str) -> None:
    everything = ["0.0.0.0/0", "::/0"]
    for policy in (EgressPolicy(), EgressPolicy(development=True), EgressPolicy(allowed=everything)):
        assert policy.find_objection(address, 80) is not None


@pytest.mark.parametrize("address", PRIVATE)
def test_g15_private_addresses_need_development_mode_or_a_network_that_is_open(address: str) -> None:
    assert EgressPolicy().find_objection(address, 80) is not None
    assert EgressPolicy(development=True).find_objection(address, 80) is None
    networks = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]
    assert EgressPolicy(allowed=networks).find_objection(address, 80) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_g15_public_addresses_are_reached(address: str) -> None:
    assert EgressPolicy().find_objection(address, 443) is None


def test_g15_our_own_admin_plane_is_never_reached() -> None:
    policy = EgressPolicy(development=True, is_own_admin=lambda address, port: (address, port) == ("127.0.0.1", 4566))

    assert policy.find_objection("127.0.0.1", 4566) is not None
    assert policy.find_objection("::ffff:127.0.0.1", 4566) is not None
    assert policy.find_objection("127.0.0.1", 8080) is None
