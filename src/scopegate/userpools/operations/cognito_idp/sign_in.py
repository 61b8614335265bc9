"""Signing in by the JSON API: InitiateAuth, RespondToAuthChallenge and their Admin forms; renewing and taking back.

What a sign-in is stands in `signin/flow.py`; here is who may ask for which of them, and what the answer looks like.
Source: reference, "Auth flows and challenges", "ExplicitAuthFlows", "SECRET_HASH", "Error texts".
"""

from collections.abc import Mapping
from typing import Final

import structlog

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.jose.verify import TokenError, parse_token
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools.claims import API_SCOPE
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.operations.cognito_idp.asking import (
    check_client_secret,
    check_secret_hash,
    client_of_pool,
    pool_of_operator,
    prove_secret,
    read_bearer,
    user_of,
    who_asks,
)
from scopegate.userpools.signin import flow, queries
from scopegate.userpools.signin.after_sign_up import begin_by_session
from scopegate.userpools.signin.answers import answer
from scopegate.userpools.signin.desk import open_desk
from scopegate.userpools.signin.flow import Desk, Outcome, SignedIn
from scopegate.userpools.signin.model import find_origin_jti
from scopegate.userpools.signin.tokens import (
    REFRESHED,
    Issued,
    RefreshRefused,
    new_family,
    open_sign_in,
    renew,
    revoke_sign_in,
    sign_out_everywhere,
    sign_tokens,
)
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.lookup import find_for_operator
from scopegate.userpools.users.refusals import invalid, not_authorized, reset_required, unknown_user

_VIA: Final = "Authentication"
_REFRESH: Final = ("REFRESH_TOKEN_AUTH", "REFRESH_TOKEN")
_STEP_UP: Final = frozenset({"TARGET_ACR_VALUES", "ACCESS_TOKEN", "MAX_AGE"})  # none of it is built yet
_ADMIN_PASSWORD: Final = ("ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH")

# The flags of ExplicitAuthFlows, new and old, of which one lets a client use a flow.
_ALLOWED_BY: Final[Mapping[str, frozenset[str]]] = {
    "USER_SRP_AUTH": frozenset({"ALLOW_USER_SRP_AUTH", "ADMIN_NO_SRP_AUTH", "USER_PASSWORD_AUTH"}),
    "USER_PASSWORD_AUTH": frozenset({"ALLOW_USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH"}),
    "ADMIN_USER_PASSWORD_AUTH": frozenset({"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"}),
    "ADMIN_NO_SRP_AUTH": frozenset({"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"}),
    "CUSTOM_AUTH": frozenset({"ALLOW_CUSTOM_AUTH", "CUSTOM_AUTH_FLOW_ONLY"}),
    "USER_AUTH": frozenset({"ALLOW_USER_AUTH"}),
    "REFRESH_TOKEN_AUTH": frozenset({"ALLOW_REFRESH_TOKEN_AUTH"}),
    "REFRESH_TOKEN": frozenset({"ALLOW_REFRESH_TOKEN_AUTH"}),
}

_REFRESH_TEXTS: Final[Mapping[str, str]] = {
    "unknown": "Invalid Refresh Token",
    "revoked": "Refresh Token has been revoked",
    "expired": "Refresh Token has expired",
    "disabled": "User is disabled.",
    "deleted": "Invalid Refresh Token",
}

log = structlog.get_logger()


async def initiate_auth(call: Call, request: Shape) -> Shape:
    """InitiateAuth: nobody signs it; the client's secret, if it has one, is proved by SECRET_HASH."""
    if request["AuthFlow"] in _ADMIN_PASSWORD:
        raise invalid("Initiate Auth method not supported")
    client, pool = who_asks(call, request["ClientId"])
    return await _initiate(call, pool, client, request)


async def admin_initiate_auth(call: Call, request: Shape) -> Shape:
    """AdminInitiateAuth: an operator asks."""
    if request["AuthFlow"] == "USER_PASSWORD_AUTH":
        raise invalid("Initiate Auth method not supported")
    pool = pool_of_operator(call, request["UserPoolId"])
    return await _initiate(call, pool, client_of_pool(call, pool, request["ClientId"]), request)


async def respond_to_auth_challenge(call: Call, request: Shape) -> Shape:
    """RespondToAuthChallenge."""
    client, pool = who_asks(call, request["ClientId"])
    return await _respond(call, pool, client, request)


async def admin_respond_to_auth_challenge(call: Call, request: Shape) -> Shape:
    """AdminRespondToAuthChallenge."""
    pool = pool_of_operator(call, request["UserPoolId"])
    return await _respond(call, pool, client_of_pool(call, pool, request["ClientId"]), request)


async def _initiate(call: Call, pool: PoolView, client: AppClient, request: Shape) -> Shape:
    """1 the client may use the flow, and asks for nothing that is not here; 2 its secret; 3 the flow."""
    name = request["AuthFlow"]
    given: Mapping[str, str] = request.get("AuthParameters") or {}
    # 1
    if not client.auth_flows & _ALLOWED_BY.get(name, frozenset()):
        raise invalid(
            "Auth flow not enabled for this client"
            if name not in _ALLOWED_BY or name in _REFRESH
            else f"{name} flow not enabled for this client"
        )
    if name == "USER_AUTH" and not _STEP_UP.isdisjoint(given):
        raise AwsError("FeatureUnavailableInTierException", "Step-up authentication is not available.")
    # 2, 3
    if name in _REFRESH:
        return await _refresh(call, pool, client, given, request)
    username = _required(given, "USERNAME")
    await prove_secret(call, client, given.get("SECRET_HASH"), username)
    desk = desk_of(call, pool, client, validation_data=request.get("ClientMetadata"))
    match name:
        case "USER_PASSWORD_AUTH" | "ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH":
            outcome: Outcome = await flow.begin_with_password(desk, username, _required(given, "PASSWORD"))
        case "USER_SRP_AUTH":
            outcome = await flow.begin_with_srp(desk, username, _required(given, "SRP_A"))
        case "CUSTOM_AUTH":
            srp_a = _required(given, "SRP_A") if given.get("CHALLENGE_NAME") == "SRP_A" else None
            outcome = await flow.begin_custom(desk, username, srp_a)
        case _:
            by_session = await begin_by_session(desk, username, request["Session"]) if "Session" in request else None
            outcome = by_session or await flow.begin_by_choice(desk, username, given.get("PREFERRED_CHALLENGE"), given)
    return await _render(call, desk, outcome)


async def _respond(call: Call, pool: PoolView, client: AppClient, request: Shape) -> Shape:
    given: Mapping[str, str] = request.get("ChallengeResponses") or {}
    username = _required(given, "USERNAME")
    await prove_secret(call, client, given.get("SECRET_HASH"), username)
    desk = desk_of(call, pool, client, metadata=request.get("ClientMetadata"))
    outcome = await answer(desk, request["ChallengeName"], request.get("Session"), given)
    return await _render(call, desk, outcome)


def desk_of(
    call: Call,
    pool: PoolView,
    client: AppClient,
    *,
    metadata: Mapping[str, str] | None = None,
    validation_data: Mapping[str, str] | None = None,
) -> Desk:
    """Where somebody signs in by an operation. metadata, validation_data: Desk's."""
    return open_desk(
        pool,
        client,
        call.ports,
        call.store,
        call.seal,
        via=_VIA,
        metadata=metadata,
        validation_data=validation_data,
        address=call.peer,
        settings=call.settings,
    )


def _required(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise invalid(f"Missing required parameter {name}")
    return value


async def _render(call: Call, desk: Desk, outcome: Outcome) -> Shape:
    """A challenge, or tokens."""
    if not isinstance(outcome, SignedIn):
        shown: Shape = {"ChallengeName": outcome.name, "ChallengeParameters": dict(outcome.parameters)}
        if outcome.session:
            shown["Session"] = outcome.session
        if outcome.available:
            shown["AvailableChallenges"] = list(outcome.available)
        return shown
    family = new_family(
        desk.pool, desk.client, outcome.user, now=clock.now(), scopes=(API_SCOPE,), via=outcome.via, amr=outcome.amr
    )
    opened = (await call.store.write(lambda tx: open_sign_in(tx, call.seal, family, outcome.user))).result
    issued = await sign_tokens(
        desk.pool,
        desk.client,
        outcome.user,
        opened.memberships,
        family,
        call.ports.invoke,
        refresh_token=opened.refresh_token,
        client_metadata=desk.metadata,
    )
    log.info("token.issued", client_id=desk.client.client_id, sub=outcome.user.sub, request_id=call.request_id)
    return {"ChallengeParameters": {}, "AuthenticationResult": _render_issued(issued)}


def _render_issued(issued: Issued) -> Shape:
    return {
        "AccessToken": issued.access_token.decode("ascii"),
        "ExpiresIn": issued.expires_in_s,
        "TokenType": "Bearer",
        **({"RefreshToken": issued.refresh_token} if issued.refresh_token else {}),
        **({"IdToken": issued.id_token.decode("ascii")} if issued.id_token else {}),
    }


# Renewing


async def _refresh(call: Call, pool: PoolView, client: AppClient, given: Mapping[str, str], request: Shape) -> Shape:
    """REFRESH_TOKEN_AUTH. SECRET_HASH is over the user's name, which only the token tells: any of its names will do."""
    token = _required(given, "REFRESH_TOKEN")
    if not client.is_public:
        secret_hash = given.get("SECRET_HASH")
        await call.read(lambda tx: check_secret_hash(call, tx, client, secret_hash, *_names_behind(call, tx, token)))
    issued = await _renew(call, pool, client, token, REFRESHED)
    return {"ChallengeParameters": {}, "AuthenticationResult": _render_issued(issued)}


def _names_behind(call: Call, tx: Tx, token: str) -> list[str]:
    origin_jti = find_origin_jti(call.seal, token)
    family = queries.find_family(tx, origin_jti) if origin_jti is not None else None
    user = user_queries.find_user(tx, call.seal, family.pool_id, family.name_key) if family is not None else None
    if user is None:
        return []
    aliases = (user.attributes.get(name, "") for name in ("email", "phone_number", "preferred_username"))
    return [user.username, user.sub, *(alias for alias in aliases if alias)]


async def _renew(
    call: Call,
    pool: PoolView,
    client: AppClient,
    token: str,
    source: str,
    metadata: Mapping[str, str] | None = None,
) -> Issued:
    """source: of the pre-token trigger."""
    try:
        return await renew(
            call.store, call.seal, pool, client, token, call.ports.invoke, source=source, client_metadata=metadata
        )
    except RefreshRefused as refused:
        if refused.kind == "reset":
            raise reset_required() from None
        if refused.kind == "reused":
            raise AwsError("RefreshTokenReuseException", "Refresh token has been reused") from None
        raise not_authorized(_REFRESH_TEXTS[refused.kind]) from None


async def get_tokens_from_refresh_token(call: Call, request: Shape) -> Shape:
    """GetTokensFromRefreshToken: the way to renew under rotation."""
    client, pool = who_asks(call, request["ClientId"])
    check_client_secret(call, client, pool, request.get("ClientSecret"))
    if not client.allows_refresh:
        raise invalid("Auth flow not enabled for this client")
    # Its function is told of a sign-in (reference, "Lambda triggers").
    issued = await _renew(call, pool, client, request["RefreshToken"], _VIA, request.get("ClientMetadata"))
    return {"AuthenticationResult": _render_issued(issued)}


# Taking back


async def revoke_token(call: Call, request: Shape) -> Shape:
    """RevokeToken: a refresh token and what came of it. Another client's, or none of ours, changes nothing."""
    client, pool = who_asks(call, request["ClientId"])
    check_client_secret(call, client, pool, request.get("ClientSecret"))
    if not client.sign_in.revocable:
        raise AwsError("UnsupportedOperationException", "Token revocation is not enabled for this client.")
    try:
        parse_token(request["Token"])
    except TokenError:
        pass
    else:
        raise AwsError("UnsupportedTokenTypeException", "Only refresh tokens can be revoked.")
    origin_jti = find_origin_jti(call.seal, request["Token"])
    if origin_jti is not None:
        await call.write(lambda tx: revoke_sign_in(tx, origin_jti, pool.pool_id, client.client_id, call.now))
    return {}


def global_sign_out(call: Call, request: Shape) -> Shape:
    """GlobalSignOut: every sign-in of the token's user."""
    user = user_of(call, call.tx, read_bearer(call, request["AccessToken"]))
    sign_out_everywhere(call.tx, user, call.now)
    return {}


def admin_user_global_sign_out(call: Call, request: Shape) -> Shape:
    """AdminUserGlobalSignOut."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = find_for_operator(call.tx, call.seal, pool.document, request["Username"])
    if user is None:
        raise unknown_user()
    sign_out_everywhere(call.tx, user, call.now)
    return {}
