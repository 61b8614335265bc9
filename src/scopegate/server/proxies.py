"""Proxies that are trusted to say for whom they speak.

Behind a proxy every connection is the proxy's. What counts by address (guesses of secrets and passwords, conditions on
`aws:SourceIp`, `sourceIp` of events, the access log) would take all clients for one; so a request that a trusted proxy
brings is made what it was before: its peer is the client, and `X-Forwarded-For` is what the client itself sent.
Source: attack row G9; in development mode no proxy is trusted, for there a forwarded request proves nothing.
"""

import ipaddress
from typing import Final

from scopegate.base.settings import Settings
from scopegate.http.message import Request
from scopegate.server import guard

_HEADER: Final = b"x-forwarded-for"


def _read_address(text: str) -> str:
    """One address, of which some proxies tell the port as well. Raises ValueError."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return str(ipaddress.ip_address(text))


class TrustedProxies:
    """The networks of `--trusted-proxy`. Raises SetupError for one that is none."""

    __slots__ = ("_networks",)

    def __init__(self, settings: Settings) -> None:
        networks = guard.read_networks("--trusted-proxy", settings.trusted_proxies)
        self._networks = () if settings.development else networks

    def see_through(self, request: Request) -> None:
        """Count from the right: each trusted proxy tells who spoke to it, the first who is none is the client.

        Whatever stands left of that the client may have made up. What is no address ends the counting.
        """
        if not self._networks or not self._are(request.peer[0]):
            return
        told = [value for header in request.all(_HEADER) for value in header.split(b",")]
        address = request.peer[0]
        while told and self._are(address):
            try:
                before = _read_address(told[-1].strip().decode("latin-1"))
            except ValueError:
                break
            address = before
            told.pop()
        if address == request.peer[0]:
            return
        left = b",".join(told).strip()
        headers = [header for header in request.headers if header[0].lower() != _HEADER]
        request.headers = [*headers, (b"X-Forwarded-For", left)] if left else headers
        request.peer = (address, 0)

    def _are(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)
