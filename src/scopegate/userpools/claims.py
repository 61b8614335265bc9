"""What is in a token: claims, in the order in which Cognito writes them.

Source: reference, "Access token", "ID token" and the example of POST /oauth2/token.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from scopegate.jose.sign import encode_segment
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.signin.model import HOSTED, Family
from scopegate.userpools.triggers import GroupConfiguration
from scopegate.userpools.users.attributes import readable
from scopegate.userpools.users.model import Membership, User

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


API_SCOPE: Final = "aws.cognito.signin.user.admin"
"""The right to call the operations that a user's access token authorises."""

_SCOPE_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "email": frozenset({"email", "email_verified"}),
    "phone": frozenset({"phone_number", "phone_number_verified"}),
}
_BOOLEAN: Final = frozenset({"email_verified", "phone_number_verified"})


def access_claims(
    pool: PoolView, client: AppClient, user: User, groups: GroupConfiguration, family: Family, issued_at: int
) -> dict[str, Any]:
    """A user's access token, before a pre-token function changed it. Absent members stay absent."""
    by_host = family.via == HOSTED
    claims = {
        "sub": user.sub,
        "cognito:groups": list(groups.groups) or None,
        "iss": pool.issuer,
        "version": _VERSION if by_host else None,
        "client_id": client.client_id,
        "aud": family.resource or None,
        "origin_jti": family.origin_jti if client.sign_in.revocable else None,
        "event_id": family.event_id,
        "token_use": "access",
        "scope": " ".join(family.scopes),
        "auth_time": family.auth_time,
        "exp": issued_at + client.access_token_lifetime_s,
        "iat": issued_at,
        "username": user.username,
    }
    return {name: value for name, value in claims.items() if value is not None}


def id_claims(
    pool: PoolView, client: AppClient, user: User, groups: GroupConfiguration, family: Family, issued_at: int
) -> dict[str, Any]:
    """A user's ID token, before a pre-token function changed it."""
    claims: dict[str, Any] = {
        "sub": user.sub,
        "cognito:groups": list(groups.groups) or None,
        "iss": pool.issuer,
        "cognito:username": user.username,
        "cognito:preferred_role": groups.preferred_role or None,
        "nonce": family.nonce or None,
        "origin_jti": family.origin_jti if client.sign_in.revocable else None,
        "cognito:roles": list(groups.roles) or None,
        "aud": client.client_id,
        "event_id": family.event_id,
        "token_use": "id",
        "auth_time": family.auth_time,
        "exp": issued_at + client.sign_in.id_token_lifetime_s,
        "iat": issued_at,
    }
    for name, value in attributes_of_scopes(user, client, family.scopes).items():
        if name in _BOOLEAN:
            claims[name] = value == "true"
        elif name == "identities":
            claims[name] = orjson.loads(value)
        elif name == "address":
            claims[name] = {"formatted": value}
        elif name == "updated_at" and value.isdigit():
            claims[name] = int(value)
        else:
            claims.setdefault(name, value)
    return {name: value for name, value in claims.items() if value is not None}


def attributes_of_scopes(user: User, client: AppClient, scopes: Sequence[str]) -> dict[str, str]:
    """The attributes that a client sees of a user: those that it may read, narrowed by the scopes about people.

    `openid` alone, and the scope of the API, narrow nothing.
    """
    attributes = readable(user.attributes, client.sign_in.read_attributes)
    named = [scope for scope in scopes if scope in ("email", "phone", "profile")]
    if not named:
        return attributes
    shown = {"sub"}.union(*(_SCOPE_ATTRIBUTES.get(scope, frozenset()) for scope in named))
    others = frozenset().union(*_SCOPE_ATTRIBUTES.values())
    return {
        name: value
        for name, value in attributes.items()
        if name in shown or ("profile" in named and name not in others)
    }


def half_hash(token: bytes) -> str:
    """`at_hash` (OpenID Connect Core section 3.1.3.6)."""
    return encode_segment(hashlib.sha256(token).digest()[:16]).decode("ascii")


def groups_of(memberships: Sequence[Membership]) -> GroupConfiguration:
    """What tokens say of the groups of a user, strongest first.

    The preferred role is that of the group that stands first; none when two with different roles stand there together.
    """
    ranked = [each for each in memberships if each.role_arn and each.precedence is not None]
    first = {each.role_arn for each in ranked if each.precedence == ranked[0].precedence}
    return GroupConfiguration(
        tuple(each.group_name for each in memberships),
        tuple(each.role_arn for each in memberships if each.role_arn),
        first.pop() if len(first) == 1 else None,
    )
