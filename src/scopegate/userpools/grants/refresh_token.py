"""The refresh_token grant: a user's tokens anew.

Source: RFC 6749 section 6; reference, POST /oauth2/token, errors, and "Refresh rotation and revocation"; attack O5.
"""

from collections.abc import Awaitable
from typing import Final

from scopegate.base.errors import AwsError, OAuthError
from scopegate.userpools.grants.grant import Granted, GrantRequest
from scopegate.userpools.signin.tokens import RefreshRefused
from scopegate.userpools.signin.tokens import renew as renew_tokens

PARAMETERS: Final = frozenset({"refresh_token", "scope"})

_REASONS: Final = {
    "unknown": "the refresh token is unknown",
    "revoked": "the refresh token was revoked",
    "expired": "the refresh token has expired",
    "reused": "the refresh token was used before; its sign-in is revoked",
    "disabled": "the user is disabled",
    "deleted": "the user is deleted",
    "reset": "the user has to choose a new password",
}


def renew(request: GrantRequest) -> Awaitable[Granted]:
    """Raises OAuthError: `unauthorized_client`, `invalid_request`; later also `invalid_grant`."""
    if not request.client.allows_refresh:
        raise OAuthError("unauthorized_client", log="the client may not use refresh tokens")
    if not request.form.get("refresh_token"):
        raise OAuthError("invalid_request", log="refresh_token is missing")
    return _renew(request)


async def _renew(request: GrantRequest) -> Granted:
    edge = request.edge
    assert edge.store is not None
    assert edge.seal is not None
    token = request.form["refresh_token"]
    try:
        issued = await renew_tokens(edge.store, edge.seal, request.pool, request.client, token, edge.ports.invoke)
    except RefreshRefused as refused:
        raise OAuthError("invalid_grant", log=refused.log or _REASONS[refused.kind]) from None
    except AwsError as error:
        raise OAuthError("invalid_grant", error.message, log=f"pre-token function: {error}") from None
    return Granted(issued.access_token, issued.expires_in_s, issued.scopes, issued.id_token, issued.refresh_token)
