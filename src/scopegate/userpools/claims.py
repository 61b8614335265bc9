"""What is in a token: claims, in the order in which Cognito writes them.

Source: reference, "Access token" and the example of POST /oauth2/token.
"""

from collections.abc import Sequence
from typing import Any, Final

from scopegate.userpools.model import AppClient, PoolView

_VERSION: Final = 2


def machine_claims(
    pool: PoolView, client: AppClient, scopes: Sequence[str], *, issued_at: int, jti: str
) -> dict[str, Any]:
    """The access token of a client that acts for itself: no user, no `aud`, `sub` is the client."""
    return {
        "sub": client.client_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "auth_time": issued_at,
        "iss": pool.issuer,
        "exp": issued_at + client.access_token_lifetime_s,
        "iat": issued_at,
        "version": _VERSION,
        "jti": jti,
        "client_id": client.client_id,
    }
