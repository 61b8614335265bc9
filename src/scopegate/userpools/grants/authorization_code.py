"""The authorization_code grant: a code that a browser brought becomes a user's tokens, once.

A second redemption takes back what the first gave (RFC 6749 section 4.1.2).
Source: RFC 6749 section 4.1.3, RFC 7636 section 4.6; reference, POST /oauth2/token, errors; attack rows O2, O3, O6,
O15.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import AwsError, OAuthError
from scopegate.jose.sign import encode_segment
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.grants.grant import Granted, GrantRequest
from scopegate.userpools.scopes import keep_grantable
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.flow import is_locked
from scopegate.userpools.signin.model import Family, digest_of
from scopegate.userpools.signin.tokens import Opened, open_family, sign_tokens
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.model import CONFIRMED, User

PARAMETERS: Final = frozenset({"code", "redirect_uri", "code_verifier"})

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# What a scope shows, its client must be allowed to read (reference, "invalid_grant").
_NEEDED: Final = {
    "email": frozenset({"email", "email_verified"}),
    "phone": frozenset({"phone_number", "phone_number_verified"}),
}


def redeem(request: GrantRequest) -> Awaitable[Granted]:
    """1 the client may use the flow; 2 every field is there; then `_redeem`.

    Raises OAuthError: `invalid_grant`, `invalid_request`; later also `unauthorized_client`.
    """
    # 1
    if "authorization_code" not in request.client.grant_types:
        raise OAuthError("invalid_grant", log="the client may not use authorization_code")
    # 2
    for name in ("code", "redirect_uri"):
        if not request.form.get(name):
            raise OAuthError("invalid_request", log=f"{name} is missing")
    return _redeem(request)


@dataclass(frozen=True, slots=True)
class _Redeemed:
    family: Family
    user: User
    opened: Opened


async def _redeem(request: GrantRequest) -> Granted:
    edge = request.edge
    assert edge.store is not None
    assert edge.seal is not None
    seal = edge.seal
    redeemed = (await edge.store.write(lambda tx: _take(tx, seal, request))).result
    if isinstance(redeemed, OAuthError):
        raise redeemed
    try:
        issued = await sign_tokens(
            request.pool,
            request.client,
            redeemed.user,
            redeemed.opened.memberships,
            redeemed.family,
            edge.ports.invoke,
            refresh_token=redeemed.opened.refresh_token,
        )
    except AwsError as error:
        raise OAuthError("invalid_grant", error.message, log=f"pre-token function: {error}") from None
    return Granted(issued.access_token, issued.expires_in_s, issued.scopes, issued.id_token, issued.refresh_token)


def _take(tx: Tx, seal: Sealer, request: GrantRequest) -> _Redeemed | OAuthError:
    """1 the code is there; 2 of this client; 3 not used before, else what it gave is taken back; 4 not expired;
    5 the same redirect URI, byte for byte; 6 its PKCE challenge met, and no verifier without one; 7 its user may sign
    in; 8 the client may still have some of the scopes, and read what they show. Refusals are returned, so that what 3
    takes back is written.
    """
    digest = digest_of(request.form["code"])
    code = queries.find_code(tx, digest)
    # 1, 2
    if code is None:
        return OAuthError("invalid_grant", log="the authorization code is unknown")
    if (code.pool_id, code.client_id) != (request.pool.pool_id, request.client.client_id):
        return OAuthError("invalid_grant", log="the authorization code was given to another client")
    # 3
    if code.redeemed:
        family = queries.find_family(tx, code.family.origin_jti)
        if family is not None and not family.revoked:
            queries.revoke_family(tx, family, clock.now())
        return OAuthError("invalid_grant", log="the authorization code was used before; its tokens are revoked")
    # 4
    if code.expires_at <= clock.now():
        return OAuthError("invalid_grant", log="the authorization code has expired")
    # 5
    if request.form["redirect_uri"] != code.redirect_uri:
        return OAuthError("unauthorized_client", "invalid_redirect", log="another redirect_uri than at authorize")
    # 6
    if (fault := _pkce_fault(code.code_challenge, request.form.get("code_verifier"))) is not None:
        return OAuthError("invalid_grant", log=fault)
    # 7
    user = user_queries.find_user(tx, seal, code.pool_id, code.name_key)
    if user is None or not user.enabled or user.status != CONFIRMED or is_locked(user):
        return OAuthError("invalid_grant", log="the user is disabled, deleted, locked or has to choose a password")
    # 8
    scopes = keep_grantable(code.family.scopes, request.client, request.pool.scopes)
    if not scopes:
        return OAuthError("invalid_grant", log="the client may have none of the scopes any more")
    allowed = request.client.sign_in.read_attributes
    for scope, needed in _NEEDED.items():
        if scope in scopes and allowed is not None and not needed <= allowed:
            return OAuthError("invalid_grant", log=f"the client may not read what the scope {scope} shows")
    if not queries.redeem_code(tx, digest):
        return OAuthError("invalid_grant", log="the authorization code was used at the same moment")
    family = replace(code.family, scopes=scopes)
    return _Redeemed(family, user, open_family(tx, seal, family))


def _pkce_fault(challenge: str, verifier: str | None) -> str | None:
    """Why a verifier does not go with the challenge, None when it does. S256 is the only method."""
    if not challenge:
        return None if verifier is None else "a code_verifier without a code_challenge"
    if verifier is None:
        return "the code_verifier is missing"
    if not _VERIFIER.fullmatch(verifier):
        return "the code_verifier has another form"
    met = encode_segment(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii")
    return None if hmac.compare_digest(met, challenge) else "the code_verifier is not that of the code_challenge"
