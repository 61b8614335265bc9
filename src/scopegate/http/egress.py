"""Where this server may connect to on somebody else's word: web service integrations, foreign issuers, webhooks.

The decision is on the *resolved* address, and the connection is made to that very address: a name that resolves
differently the second time gains nothing.
Source: design, "Who may speak to which plane", last sentence of egress; attack rows G15, O19.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Never, whatever is allowed: link-local, and the addresses at which clouds keep credentials.
_NEVER: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::254/128",  # Google Cloud
        "ff00::/8",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_LOW_32: Final = 0xFFFFFFFF


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & _LOW_32)
    return address


def is_own_address(address: str) -> bool:
    """Whether an address is one of this machine's: only to such a one a socket can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _nowhere(_: str, __: int) -> bool:
    return False


class EgressPolicy:
    """Which addresses may be reached. `is_own_admin`: whether (address, port) is this server's own admin plane."""

    __slots__ = ("_allowed", "_development", "_is_own_admin")

    def __init__(
        self,
        *,
        development: bool = False,
        allowed: Iterable[str] = (),
        is_own_admin: Callable[[str, int], bool] = _nowhere,
    ) -> None:
        """allowed: networks in CIDR form, as --egress-allow gives them. Raises ValueError for one that is none."""
        self._development = development
        self._allowed = tuple(ipaddress.ip_network(text) for text in allowed)
        self._is_own_admin = is_own_admin

    def find_objection(self, address: str, port: int) -> str | None:
        """Why a resolved address may not be reached, None when it may."""
        try:
            spelled = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "not an address"
        meant = _embedded(spelled)
        if any(one in network for one in (spelled, meant) for network in _NEVER if network.version == one.version):
            return "a link-local, metadata or reserved address"
        if self._is_own_admin(str(meant), port):
            return "this server's own admin plane"
        if self._development or meant.is_global:
            return None
        if any(meant in network for network in self._allowed if network.version == meant.version):
            return None
        return "a private or loopback address: --egress-allow opens a network"
