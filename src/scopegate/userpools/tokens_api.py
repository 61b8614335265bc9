"""A machine's token by the JSON API (GetClientToken): that of the token endpoint, for a pool without a domain.

Finding the client is the operation's; its AWS errors are made there.
Source: reference, "GetClientToken".
"""

from collections.abc import Sequence
from typing import Final

from scopegate.base.errors import OAuthError
from scopegate.userpools.client_auth import allows_secret
from scopegate.userpools.grants.client_credentials import issue_machine_token
from scopegate.userpools.model import AppClient, PoolView

CLIENT_TOKEN_FLOWS: Final = frozenset({"ALLOW_CLIENT_TOKEN_AUTH"})
"""ExplicitAuthFlows of a client that may call GetClientToken: this one alone."""


def issue_client_token(
    client: AppClient,
    pool: PoolView,
    secret: str,
    scopes: Sequence[str] | None,
    *,
    issued_at: int,
    jti: str,
) -> tuple[str, int]:
    """Check the secret, the flow and the scopes, and issue. scopes: None or empty for all that the client has.

    issued_at: epoch seconds. Returns (access token, seconds that it lives).
    Raises OAuthError: `invalid_client` (secret), `invalid_grant` (flow), `invalid_scope`.
    """
    if client.is_public or not allows_secret(client, secret.encode()):
        raise OAuthError("invalid_client", log="the client secret is wrong")
    if client.auth_flows != CLIENT_TOKEN_FLOWS:
        raise OAuthError("invalid_grant", log="the client may not use GetClientToken")
    granted = issue_machine_token(pool, client, scopes or None, issued_at=issued_at, jti=jti)
    return granted.access_token.decode("ascii"), granted.lifetime_s
