"""GetDerivedToken: a user's token becomes a narrower one for one service, perhaps by way of an actor.

What is issued never says more than the token that was given, lives no longer, and is taken back with it.
Source: reference, "GetDerivedToken"; RFC 8693 sections 2 and 4.1; the model's texts of the members.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools import queries
from scopegate.userpools.claims import access_claims, groups_of, id_claims
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.asking import check_client_secret, user_of, view_of, who_asks
from scopegate.userpools.signin.bearer import Bearer, BearerRefused, read_token
from scopegate.userpools.signin.model import Family
from scopegate.userpools.triggers import About, attributes_of, pre_token_generation
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.model import Membership, User
from scopegate.userpools.users.refusals import invalid, not_authorized

_USE_OF_TYPE: Final[Mapping[str, str]] = {"ACCESS_TOKEN": "access", "ID_TOKEN": "id"}

log = structlog.get_logger()


async def get_derived_token(call: Call, request: Shape) -> Shape:
    """GetDerivedToken.

    Partly: tokens of third-party providers and SAML assertions are refused; the client's secret is asked for where IAM
    credentials would do.

    1 the client, its secret, its flow; 2 whose token, of this pool, and whose the actor's is; 3 the target; 4 scopes:
    what is asked for, of what the token has, of what the client may; 5 the user may still sign in; 6 the token.
    """
    # 1
    client, pool = who_asks(call, request["ClientId"])
    check_client_secret(call, client, pool, request.get("ClientSecret"))
    by_actor = "ActorToken" in request
    flow = "ALLOW_TOKEN_EXCHANGE_DELEGATION" if by_actor else "ALLOW_TOKEN_EXCHANGE_IMPERSONATION"
    if flow not in client.auth_flows:
        raise invalid("Auth flow not enabled for this client")
    # 2
    subject = _read(call, pool, request, "Subject")
    if "username" not in subject.claims and "cognito:username" not in subject.claims:
        raise not_authorized("Invalid Subject Token", log="the subject token is a machine's")
    actor = _read(call, pool, request, "Actor") if by_actor else None
    # 3
    if request.get("Audiences") and request.get("Resources"):
        raise invalid("Audiences and Resources cannot be requested together.")
    audience = next(iter(request.get("Audiences") or request.get("Resources") or ()), "")
    # 4
    asked = request.get("Scopes") or sorted(subject.scopes)
    scopes = tuple(scope for scope in dict.fromkeys(asked) if scope in subject.scopes and scope in client.scopes)
    # 5
    user, memberships = await call.read(lambda tx: _look_up(call, tx, subject, request))
    # 6
    return await _issue(call, client, subject, actor, user, memberships, scopes, audience, request)


def _read(call: Call, pool: PoolView, request: Shape, whose: str) -> Bearer:
    kind = str(request.get(f"{whose}TokenType"))
    if f"{whose}TokenProviderName" in request:
        provider = request[f"{whose}TokenProviderName"]
        raise refusals.not_found(f"Identity provider {provider} does not exist.")
    if kind not in _USE_OF_TYPE:
        raise invalid(f"{whose}TokenType {kind} is not supported without an identity provider.")
    try:
        bearer = read_token(request[f"{whose}Token"], _USE_OF_TYPE[kind], view_of(call), call.ports.verifier, call.now)
    except BearerRefused as refused:
        raise not_authorized(f"Invalid {whose} Token", log=refused.log or refused.kind) from None
    if bearer.pool.pool_id != pool.pool_id:
        raise not_authorized(f"Invalid {whose} Token", log="a token of another pool")
    return bearer


def _look_up(call: Call, tx: Tx, subject: Bearer, request: Shape) -> tuple[User, tuple[Membership, ...]]:
    for identifier in request.get("Resources") or ():
        if queries.find_resource_server(tx, subject.pool.pool_id, identifier) is None:
            raise refusals.unknown_resource_server(identifier)
    user = user_of(call, tx, subject)
    return user, user_queries.memberships_of(tx, user.pool_id, user.name_key)


async def _issue(
    call: Call,
    client: AppClient,
    subject: Bearer,
    actor: Bearer | None,
    user: User,
    memberships: tuple[Membership, ...],
    scopes: tuple[str, ...],
    audience: str,
    request: Shape,
) -> Shape:
    pool, issued_at = subject.pool, int(call.now)
    about = About(user.username, client.client_id, attributes_of(user), {})
    groups = groups_of(memberships)
    changes = await pre_token_generation(pool, call.ports.invoke, "Authentication", about, groups, scopes)
    groups = changes.groups or groups
    scopes = changes.apply_to_scopes(scopes)
    family = Family(
        origin_jti=str(subject.claims.get("origin_jti", "")),
        pool_id=pool.pool_id,
        name_key=user.name_key,
        client_id=client.client_id,
        created_at=call.now,
        expires_at=call.now,
        scopes=scopes,
        auth_time=int(subject.claims["auth_time"]),
        event_id=str(subject.claims.get("event_id", clock.uuid4())),
        via="Authentication",
        resource=audience,
    )
    more: dict[str, Any] = {"jti": clock.uuid4(), **_act_of(subject, actor)}
    kind = request.get("RequestedTokenType", "ACCESS_TOKEN")
    if kind == "ID_TOKEN":
        claims = id_claims(pool, client, user, groups, family, issued_at) | more
        claims = changes.id_token.apply(claims | ({"aud": audience} if audience else {}))
    else:
        claims = access_claims(pool, client, user, groups, family, issued_at) | more
        claims = changes.access_token.apply(claims, client.client_id)
    if not family.origin_jti:
        claims.pop("origin_jti", None)
    claims["exp"] = min(claims["exp"], int(subject.claims["exp"]))
    key = pool.id_key if kind == "ID_TOKEN" else pool.access_key
    log.info("token.derived", client_id=client.client_id, sub=user.sub, scopes=scopes, request_id=call.request_id)
    return {
        "IssuedToken": key.sign(claims).decode("ascii"),
        "IssuedTokenType": kind,
        "TokenType": "N_A" if kind == "ID_TOKEN" else "Bearer",
        "ExpiresIn": claims["exp"] - issued_at,
        "Scopes": list(scopes),
    }


def _act_of(subject: Bearer, actor: Bearer | None) -> dict[str, Any]:
    """`act`: who acts for the user, and behind them whoever did before (RFC 8693 section 4.1)."""
    before = subject.claims.get("act")
    if actor is None:
        return {} if before is None else {"act": before}
    acting: dict[str, Any] = {"sub": actor.sub}
    if (client_id := actor.claims.get("client_id")) is not None:
        acting["client_id"] = client_id
    return {"act": acting if before is None else acting | {"act": before}}
