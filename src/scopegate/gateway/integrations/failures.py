"""How integrations fail, in each API kind's words.

Source: reference, "Timeouts and backend failures".
"""

from __future__ import annotations

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.model import REST, ApiCall


def timed_out(call: ApiCall, reason: str) -> GatewayRefusal:
    """REST 504 `Endpoint request timed out`, HTTP 503 `Service Unavailable`."""
    call.mark(9)
    return GatewayRefusal("INTEGRATION_TIMEOUT", "Endpoint request timed out", reason=reason)


def failed(call: ApiCall, reason: str) -> GatewayRefusal:
    """The function ran and gave nothing usable: REST 502, HTTP 500."""
    status = 502 if call.api.kind == REST else 500
    return GatewayRefusal("INTEGRATION_FAILURE", "Internal server error", status=status, reason=reason)
