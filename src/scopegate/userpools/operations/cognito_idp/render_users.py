"""Users as answers show them, and where operations about them begin: UserType, MFA settings, the office.

Source: reference, "Users, groups, attributes"; the model's UserType, AdminGetUserResponse, GetUserResponse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.operations.cognito_idp.asking import pool_of_operator
from scopegate.userpools.users import refusals
from scopegate.userpools.users.attributes import render_attributes
from scopegate.userpools.users.factors import has_means, is_required
from scopegate.userpools.users.lookup import find_for_operator
from scopegate.userpools.users.model import SMS_MFA, User
from scopegate.userpools.users.office import Office


def open_office(
    call: Call, pool: PoolView, client: AppClient | None, metadata: Mapping[str, str] | None = None
) -> Office:
    return Office(pool, client, call.ports, call.store, call.seal, metadata)


def office_of_operator(call: Call, request: Shape) -> Office:
    """Raises ResourceNotFoundException."""
    return open_office(call, pool_of_operator(call, request["UserPoolId"]), None, request.get("ClientMetadata"))


def get_user_for_operator(call: Call, tx: Tx, pool: PoolView, username: str) -> User:
    """Raises UserNotFoundException."""
    user = find_for_operator(tx, call.seal, pool.document, username)
    if user is None:
        raise refusals.unknown_user()
    return user


async def read_user_for_operator(call: Call, office: Office, username: str) -> User:
    """Raises UserNotFoundException."""
    return await call.read(lambda tx: get_user_for_operator(call, tx, office.pool, username))


def render_user(user: User, attributes: Mapping[str, str] | None = None) -> Shape:
    """UserType. attributes: those that are shown, None for all."""
    return {
        "Username": user.username,
        "Attributes": render_attributes(user.attributes if attributes is None else attributes),
        "UserCreateDate": round(user.created_at, 3),
        "UserLastModifiedDate": round(user.modified_at, 3),
        "Enabled": user.enabled,
        "UserStatus": user.status,
        **render_old_settings(user),
    }


def render_old_settings(user: User) -> Shape:
    """MFAOptions, which know SMS only."""
    if SMS_MFA not in user.mfa:
        return {}
    return {"MFAOptions": [{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]}


def render_factors(user: User) -> Shape:
    """The second factors that a user has switched on."""
    preferred = {"PreferredMfaSetting": user.preferred_mfa} if user.preferred_mfa in user.mfa else {}
    return {**preferred, **({"UserMFASettingList": list(user.mfa)} if user.mfa else {})}


def render_auth_factors(pool: PoolView, user: User) -> Shape:
    """What GetUserAuthFactors says: first factors that the user can sign in with, second ones that are on."""
    allowed = pool.document["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"]
    able = {
        "PASSWORD": user.password is not None,
        "EMAIL_OTP": user.is_verified("email"),
        "SMS_OTP": user.is_verified("phone_number"),
    }
    configured = [factor for factor in allowed if able.get(factor)]
    return {"Username": user.username, **render_factors(user), "ConfiguredUserAuthFactors": configured}


def with_old_settings(pool: PoolView, user: User, options: Sequence[Mapping[str, str]], now: float) -> User:
    """The user with SMS codes on or off, as MFAOptions say; not off where MFA is required.

    Raises InvalidParameterException.
    """
    for option in options:
        if (option.get("DeliveryMedium"), option.get("AttributeName")) != ("SMS", "phone_number"):
            raise refusals.invalid("MFAOptions can only be SMS to phone_number")
    if options and not has_means(user, SMS_MFA):
        raise refusals.invalid(f"User does not have delivery config set to turn on {SMS_MFA}")
    if not options and is_required(pool.document):
        return user
    others = tuple(factor for factor in user.mfa if factor != SMS_MFA)
    mfa = (SMS_MFA, *others) if options else others
    preferred = user.preferred_mfa if user.preferred_mfa in mfa else ""
    return replace(user, mfa=mfa, preferred_mfa=preferred, modified_at=now)
