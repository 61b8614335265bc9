"""Signing up and recovering by the JSON API; what each does stands in `users/sign_up.py` and `users/recovery.py`.

Source: reference, "Sign-up and recovery", "SECRET_HASH".
"""

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.userpools.operations.cognito_idp.asking import prove_secret, who_asks
from scopegate.userpools.operations.cognito_idp.render_users import open_office
from scopegate.userpools.operations.cognito_idp.sign_in import desk_of
from scopegate.userpools.signin import after_sign_up
from scopegate.userpools.signin.flow import Desk
from scopegate.userpools.users import recovery
from scopegate.userpools.users import sign_up as signing_up
from scopegate.userpools.users.attributes import read_attributes
from scopegate.userpools.users.office import Office, delivery_to_verify


async def _open(call: Call, request: Shape) -> Office:
    """The office of the app client that asks, which proves its secret if it has one.

    Raises ResourceNotFoundException, NotAuthorizedException.
    """
    client, pool = who_asks(call, request["ClientId"])
    username, secret_hash = request["Username"], request.get("SecretHash")
    await prove_secret(call, client, secret_hash, username)
    return open_office(call, pool, client, request.get("ClientMetadata"))


def _desk_of(call: Call, office: Office) -> Desk:
    assert office.client is not None
    return desk_of(call, office.pool, office.client, metadata=office.metadata)


async def sign_up(call: Call, request: Shape) -> Shape:
    """SignUp."""
    office = await _open(call, request)
    given = {name: value for name, value in read_attributes(request.get("UserAttributes", ())).items() if value}
    validation_data = read_attributes(request["ValidationData"]) if "ValidationData" in request else None
    done = await signing_up.sign_up(office, request["Username"], request.get("Password"), given, validation_data)
    session = await after_sign_up.open_sign_up(_desk_of(call, office), done.user)
    return {
        "UserConfirmed": done.user.status == "CONFIRMED",
        **({} if done.delivery is None else {"CodeDeliveryDetails": done.delivery.render()}),
        "UserSub": done.user.sub,
        **({"Session": session} if session else {}),
    }


async def confirm_sign_up(call: Call, request: Shape) -> Shape:
    """ConfirmSignUp."""
    office = await _open(call, request)
    user = await signing_up.confirm_sign_up(
        office,
        request["Username"],
        request["ConfirmationCode"],
        force_alias=bool(request.get("ForceAliasCreation")),
    )
    delivery = delivery_to_verify(office.document, user)
    session = await after_sign_up.confirm(_desk_of(call, office), user, delivery, request.get("Session"))
    return {"Session": session} if session else {}


async def resend_confirmation_code(call: Call, request: Shape) -> Shape:
    """ResendConfirmationCode."""
    details = await signing_up.resend_code(await _open(call, request), request["Username"])
    return {"CodeDeliveryDetails": details}


async def forgot_password(call: Call, request: Shape) -> Shape:
    """ForgotPassword."""
    details = await recovery.forgot_password(await _open(call, request), request["Username"])
    return {"CodeDeliveryDetails": details}


async def confirm_forgot_password(call: Call, request: Shape) -> Shape:
    """ConfirmForgotPassword."""
    await recovery.confirm_forgot_password(
        await _open(call, request), request["Username"], request["ConfirmationCode"], request["Password"]
    )
    return {}
