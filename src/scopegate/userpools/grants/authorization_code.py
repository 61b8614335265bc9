"""The authorization_code grant. No sign-in pages stand here yet, so no code was ever issued and none is redeemed.

The refusals are those that Cognito gives for such a request: a client without the flow, no field, an unknown code.
Source: RFC 6749 section 4.1.3; reference, POST /oauth2/token, errors.
"""

from typing import Final

from scopegate.base.errors import OAuthError
from scopegate.userpools.grants.grant import Granted, GrantRequest

PARAMETERS: Final = frozenset({"code", "redirect_uri", "code_verifier"})


def redeem(request: GrantRequest) -> Granted:
    """Raises OAuthError: `invalid_grant`, `invalid_request`."""
    if "authorization_code" not in request.client.grant_types:
        raise OAuthError("invalid_grant", log="the client may not use authorization_code")
    for name in ("code", "redirect_uri"):
        if not request.form.get(name):
            raise OAuthError("invalid_request", log=f"{name} is missing")
    raise OAuthError("invalid_grant", log="the authorization code is unknown")
