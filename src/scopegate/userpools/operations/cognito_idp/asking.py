"""Who asks, in the operations that nobody signs: an app client for a user, or a user by an access token.

Neither tells an account or a region: the client's id, or the token's issuer, names the pool.
Source: reference, "Who may call", "SECRET_HASH", "Error texts".
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

from scopegate.base.errors import AwsError, OAuthError
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools import queries
from scopegate.userpools.claims import API_SCOPE
from scopegate.userpools.client_auth import Credentials, authenticate
from scopegate.userpools.model import AppClient, PoolView, View
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.signin.bearer import Bearer, BearerRefused, read_access_token
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.model import RESET_REQUIRED, User
from scopegate.userpools.users.refusals import disabled, not_authorized, reset_required, unknown_user

_TOKEN_TEXTS: Final[Mapping[str, str]] = {
    "invalid": "Invalid Access Token",
    "signature": "Could not verify signature for Access Token",
    "expired": "Access Token has expired",
    "revoked": "Access Token has been revoked",
}


def view_of(call: Call) -> View:
    """Every pool and app client, as the data plane sees them now."""
    view: View = call.ports.user_pools()
    return view


def pool_of_operator(call: Call, pool_id: str) -> PoolView:
    """A pool of the caller's account and region. Raises ResourceNotFoundException."""
    pool = view_of(call).pool_by_id.get(pool_id)
    if pool is None or (pool.account, pool.region) != (call.account, call.region):
        raise refusals.unknown_pool(pool_id)
    return pool


def client_of_pool(call: Call, pool: PoolView, client_id: str) -> AppClient:
    """An app client of a pool that was found. Raises ResourceNotFoundException."""
    found = view_of(call).find_client(client_id, pool)
    if found is None:
        raise refusals.unknown_client(client_id)
    return found[0]


def who_asks(call: Call, client_id: str) -> tuple[AppClient, PoolView]:
    """The app client of an unsigned call, and its pool. Raises ResourceNotFoundException."""
    found = view_of(call).find_client(client_id, None)
    if found is None:
        raise refusals.unknown_client(client_id)
    return found


async def prove_secret(call: Call, client: AppClient, secret_hash: str | None, username: str) -> None:
    """SECRET_HASH over the name that the call gives; for a public client nothing is read."""
    if not client.is_public:
        await call.read(lambda tx: check_secret_hash(call, tx, client, secret_hash, username))


def check_secret_hash(call: Call, tx: Tx, client: AppClient, secret_hash: str | None, *usernames: str) -> None:
    """Whether SECRET_HASH proves that the caller knows a secret of the client.

    usernames: as the call spells it, or any of those that it may mean. Raises NotAuthorizedException.
    """
    if not secret_hash:
        raise not_authorized(f"Client {client.client_id} is configured with secret but SECRET_HASH was not received")
    try:
        given = base64.b64decode(secret_hash.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        given = b""
    messages = [f"{username}{client.client_id}".encode("utf-8", "surrogatepass") for username in usernames]
    matches = False
    for row in queries.list_secrets(tx, client.client_id):
        secret = call.seal.open(row.secret, queries.secret_context(client.client_id, row.secret_id))
        for message in messages:
            matches |= hmac.compare_digest(hmac.digest(secret, message, "sha256"), given)
    if not matches:
        raise not_authorized(f"Unable to verify secret hash for client {client.client_id}")


def check_client_secret(call: Call, client: AppClient, pool: PoolView, secret: str | None) -> None:
    """The client's secret itself, as operations take it that have no SECRET_HASH. Raises NotAuthorizedException."""
    if client.is_public and secret is None:
        return
    if secret is None:
        raise not_authorized(f"Client {client.client_id} is configured for secret but secret was not received")
    credentials = Credentials(client.client_id, secret.encode("utf-8", "replace"), "ClientSecret")
    try:
        authenticate(client, pool, credentials, address=call.peer, settings=call.settings, rates=call.ports.rates)
    except OAuthError as refusal:
        if refusal.code != "invalid_client":
            raise AwsError(refusal.code, refusal.description, log=refusal.log) from None
        raise not_authorized(f"Unable to verify secret for client {client.client_id}", log=refusal.log) from None


def read_bearer(call: Call, access_token: str, *, scope: str = API_SCOPE) -> Bearer:
    """Whose token it is. Raises NotAuthorizedException: bad, expired, taken back, or without the scope."""
    try:
        bearer = read_access_token(access_token, view_of(call), call.ports.verifier, call.now)
    except BearerRefused as refused:
        raise not_authorized(_TOKEN_TEXTS[refused.kind], log=refused.log) from None
    if scope not in bearer.scopes:
        raise not_authorized("Access Token does not have required scopes")
    return bearer


def user_of(call: Call, tx: Tx, bearer: Bearer) -> User:
    """The user of a token.

    Raises UserNotFoundException, NotAuthorizedException for one who is disabled, PasswordResetRequiredException.
    """
    user = user_queries.find_user_by_sub(tx, call.seal, bearer.pool.pool_id, bearer.sub)
    if user is None:
        raise unknown_user()
    if not user.enabled:
        raise disabled()
    if user.status == RESET_REQUIRED:
        raise reset_required()
    return user
