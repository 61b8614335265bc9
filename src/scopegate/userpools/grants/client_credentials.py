"""The client_credentials grant: a client that acts for itself.

Source: RFC 6749 section 4.4; reference, POST /oauth2/token and GetClientToken.
"""

from collections.abc import Awaitable, Mapping
from typing import Final

import orjson

from scopegate.base.errors import AwsError, OAuthError
from scopegate.base.limits import limit
from scopegate.userpools import triggers
from scopegate.userpools.claims import machine_claims
from scopegate.userpools.grants.grant import Granted, GrantRequest
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.scopes import decide_scopes, parse_scope

PARAMETERS: Final = frozenset({"scope", "aws_client_metadata"})

_METADATA_BYTES: Final = limit("userpools.client_metadata_bytes")


def issue(request: GrantRequest) -> Granted | Awaitable[Granted]:
    """1. the client may use the flow; 2. the request's data can be read; 3. scopes; 4. the token, later where a
    function of the pool decides over it.

    Raises OAuthError: `invalid_grant`, `invalid_client`, `invalid_request`, `invalid_scope`.
    """
    client = request.client
    # 1: Cognito says invalid_grant here, where RFC 6749 has unauthorized_client.
    if "client_credentials" not in client.grant_types:
        raise OAuthError("invalid_grant", log="the client may not use client_credentials")
    if client.is_public:
        raise OAuthError("invalid_client", log="client_credentials needs a client with a secret")
    # 2
    metadata = parse_client_metadata(request.form.get("aws_client_metadata"))
    # 3
    scope = request.form.get("scope")
    requested = None if scope is None else parse_scope(scope)
    scopes = decide_scopes(requested, client, request.pool.scopes)
    # 4
    if triggers.has_machine_trigger(request.pool):
        return _issue_changed(request, scopes, metadata)
    return sign_machine_token(request.pool, client, scopes, issued_at=request.issued_at, jti=request.jti)


async def _issue_changed(request: GrantRequest, scopes: tuple[str, ...], metadata: Mapping[str, str]) -> Granted:
    """A function that fails decides nothing, so nothing is granted."""
    pool, client = request.pool, request.client
    try:
        changes = await triggers.pre_token_of_machine(
            pool, request.edge.ports.invoke, client.client_id, scopes, metadata
        )
    except AwsError as error:
        raise OAuthError("invalid_grant", log=error.log or str(error)) from error
    return sign_machine_token(pool, client, scopes, issued_at=request.issued_at, jti=request.jti, changes=changes)


def sign_machine_token(
    pool: PoolView,
    client: AppClient,
    scopes: tuple[str, ...],
    *,
    issued_at: int,
    jti: str,
    changes: triggers.TokenChanges | None = None,
) -> Granted:
    """The one place where a machine's token is made. changes: what a function of the pool decided, None without one."""
    if changes is not None:
        scopes = changes.apply_to_scopes(scopes)
    claims = machine_claims(pool, client, scopes, issued_at=issued_at, jti=jti)
    if changes is not None:
        claims = changes.access_token.apply(claims, client.client_id)
    return Granted(pool.access_key.sign(claims), client.access_token_lifetime_s, scopes)


def parse_client_metadata(text: str | None) -> Mapping[str, str]:
    """`aws_client_metadata`: a JSON object of strings, for a pre-token trigger; empty when absent.

    Raises OAuthError("invalid_request").
    """
    if text is None:
        return {}
    if len(text) > _METADATA_BYTES:
        raise OAuthError("invalid_request", log="aws_client_metadata is too long")
    try:
        metadata = orjson.loads(text)
    except ValueError:
        raise OAuthError("invalid_request", log="aws_client_metadata is not JSON") from None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise OAuthError("invalid_request", log="aws_client_metadata is not a JSON object of strings")
    return metadata
