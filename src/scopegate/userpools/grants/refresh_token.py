"""The refresh_token grant. No refresh token is issued here yet, so none is renewed.

The refusals are those that Cognito gives for such a request: no field, a client without refresh, an unknown token.
Source: RFC 6749 section 6; reference, POST /oauth2/token, errors.
"""

from typing import Final

from scopegate.base.errors import OAuthError
from scopegate.userpools.grants.grant import Granted, GrantRequest

PARAMETERS: Final = frozenset({"refresh_token", "scope"})


def renew(request: GrantRequest) -> Granted:
    """Raises OAuthError: `unauthorized_client`, `invalid_request`, `invalid_grant`."""
    if not request.client.allows_refresh:
        raise OAuthError("unauthorized_client", log="the client may not use refresh tokens")
    if not request.form.get("refresh_token"):
        raise OAuthError("invalid_request", log="refresh_token is missing")
    raise OAuthError("invalid_grant", log="the refresh token is unknown")
