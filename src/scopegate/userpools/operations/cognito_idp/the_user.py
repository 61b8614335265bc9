"""What users do with themselves, by their access token: see, change and delete the account.

Source: reference, "The signed-in user", "Who may call", "Error texts".
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.userpools.operations.cognito_idp.asking import read_bearer, user_of
from scopegate.userpools.operations.cognito_idp.render_users import (
    open_office,
    render_auth_factors,
    render_factors,
    render_old_settings,
    with_old_settings,
)
from scopegate.userpools.signin.bearer import Bearer
from scopegate.userpools.signin.desk import open_desk
from scopegate.userpools.signin.flow import check_address, check_lock, count_failure, forget_failures, look_again
from scopegate.userpools.signin.tokens import shut_out
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.attributes import read_attributes, readable, render_attributes
from scopegate.userpools.users.model import User
from scopegate.userpools.users.office import Office
from scopegate.userpools.users.passwords import check_policy
from scopegate.userpools.users.profile import (
    delete_attributes,
    send_verification,
    update_attributes,
    verify_attribute,
)
from scopegate.userpools.users.recovery import set_password

_CHANGES: Final = limit("userpools.password_changes_per_hour")


def _office_of(call: Call, bearer: Bearer, request: Shape) -> Office:
    return open_office(call, bearer.pool, bearer.client, request.get("ClientMetadata"))


async def _read(call: Call, request: Shape) -> tuple[Bearer, User, Office]:
    """The token, its user, and where that is served. Raises NotAuthorizedException, UserNotFoundException."""
    bearer = read_bearer(call, request["AccessToken"])
    user = await call.read(lambda tx: user_of(call, tx, bearer))
    return bearer, user, _office_of(call, bearer, request)


def get_user(call: Call, request: Shape) -> Shape:
    """GetUser: attributes that the app client may read."""
    bearer = read_bearer(call, request["AccessToken"])
    user = user_of(call, call.tx, bearer)
    return {
        "Username": user.username,
        "UserAttributes": render_attributes(readable(user.attributes, bearer.client.sign_in.read_attributes)),
        **render_old_settings(user),
        **render_factors(user),
    }


async def update_user_attributes(call: Call, request: Shape) -> Shape:
    """UpdateUserAttributes."""
    bearer, user, office = await _read(call, request)
    writable = bearer.client.sign_in.write_attributes
    given = read_attributes(request["UserAttributes"])
    deliveries = await update_attributes(office, user, given, writable=writable)
    if not deliveries:
        return {}
    return {"CodeDeliveryDetailsList": [delivery.render() for delivery in deliveries]}


def delete_user_attributes(call: Call, request: Shape) -> Shape:
    """DeleteUserAttributes."""
    bearer = read_bearer(call, request["AccessToken"])
    user, writable = user_of(call, call.tx, bearer), bearer.client.sign_in.write_attributes
    names = request["UserAttributeNames"]
    delete_attributes(call.tx, call.seal, bearer.pool.document, user, names, call.now, writable=writable)
    return {}


async def get_user_attribute_verification_code(call: Call, request: Shape) -> Shape:
    """GetUserAttributeVerificationCode."""
    _, user, office = await _read(call, request)
    delivery = await send_verification(office, user, request["AttributeName"])
    return {"CodeDeliveryDetails": delivery.render()}


async def verify_user_attribute(call: Call, request: Shape) -> Shape:
    """VerifyUserAttribute."""
    _, user, office = await _read(call, request)
    await verify_attribute(office, user, request["AttributeName"], request["Code"])
    return {}


def delete_user(call: Call, request: Shape) -> Shape:
    """DeleteUser: the user, its sign-ins, and what was issued to it."""
    user = user_of(call, call.tx, read_bearer(call, request["AccessToken"]))
    shut_out(call.tx, user, call.now)
    queries.delete_user(call.tx, user.pool_id, user.name_key)
    return {}


async def change_password(call: Call, request: Shape) -> Shape:
    """ChangePassword: 1 not too often; 2 the previous password, where there is one; 3 the proposed one."""
    bearer, user, office = await _read(call, request)
    # 1
    key = ("ChangePassword", user.pool_id, user.name_key)
    if not call.ports.rates.take(key, per_second=_CHANGES / 3_600, burst=_CHANGES):
        raise refusals.attempt_limit()
    # 2
    if user.password is not None:
        desk = open_desk(
            bearer.pool,
            bearer.client,
            call.ports,
            call.store,
            call.seal,
            via="Authentication",
            address=call.peer,
            settings=call.settings,
        )
        await call.read(lambda tx: check_address(desk, tx))
        check_lock(desk, user)
        if not await call.ports.passwords.verify(user.password, request.get("PreviousPassword") or ""):
            await count_failure(desk, user)
            raise refusals.wrong_password(log="ChangePassword: the previous password is wrong")
        await forget_failures(desk, await look_again(desk, user))
    # 3
    check_policy(office.password_policy(), request["ProposedPassword"])
    await set_password(office, user, request["ProposedPassword"], status=user.status)
    return {}


def get_user_auth_factors(call: Call, request: Shape) -> Shape:
    """GetUserAuthFactors."""
    bearer = read_bearer(call, request["AccessToken"])
    return render_auth_factors(bearer.pool, user_of(call, call.tx, bearer))


def set_user_settings(call: Call, request: Shape) -> Shape:
    """SetUserSettings, the old way to switch SMS codes on or off."""
    bearer = read_bearer(call, request["AccessToken"])
    user = user_of(call, call.tx, bearer)
    queries.put_user(call.tx, call.seal, with_old_settings(bearer.pool, user, request["MFAOptions"], call.now))
    return {}
