"""A forgotten password: a code to an address that is verified, and a new password by the code.

Where the app client does not tell who is there, everybody gets the same answers in the same time: what only a user has
(a code, a message, functions) is done beside the answer.
Source: reference, "Sign-up and recovery", "Error texts", PreventUserExistenceErrors; attack rows O17, O23.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.store.port import Tx
from scopegate.userpools import triggers
from scopegate.userpools.messages import queries as messages
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.triggers import About
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.accounts import adopt_user, hash_password, with_password
from scopegate.userpools.users.factors import is_second_factor
from scopegate.userpools.users.lookup import find_by_name
from scopegate.userpools.users.model import CONFIRMED, RESET_REQUIRED, User
from scopegate.userpools.users.office import FORGOT_PASSWORD, Office
from scopegate.userpools.users.passwords import check_history, check_policy

_SOURCE: Final = "ForgotPassword"
_ATTRIBUTES: Final = {"verified_email": "email", "verified_phone_number": "phone_number"}
_OLD_ORDER: Final = ("phone_number", "email")  # of a pool that has no AccountRecoverySetting


async def forgot_password(office: Office, username: str) -> dict[str, str]:
    """Send a code; CodeDeliveryDetails.

    Raises UserNotFoundException, NotAuthorizedException, InvalidParameterException, LimitExceededException,
    CodeDeliveryFailureException.
    """
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    if office.hides_users:
        office.count_sent(FORGOT_PASSWORD, username)
        delivery = None if user is None else _find_delivery(office, user)
        office.do_beside(_send(office, user, username))
        first = next(iter(_recovery_order(office.document)), "email")
        return office.show_delivery(user, username, first if delivery is None else delivery.attribute)
    if user is None:
        user = await _migrate(office, username)
    if user is None:
        raise refusals.unknown_combination()
    delivery = choose_delivery(office, user)
    await office.send_code(user, FORGOT_PASSWORD, _SOURCE, delivery)
    return delivery.render()


async def _send(office: Office, user: User | None, username: str) -> None:
    """Send a code to whoever may have one."""
    found = user or await _migrate(office, username)
    if found is not None and (delivery := _find_delivery(office, found)) is not None:
        await office.send_code(found, FORGOT_PASSWORD, _SOURCE, delivery)


def _find_delivery(office: Office, user: User) -> Delivery | None:
    try:
        return choose_delivery(office, user)
    except AwsError:
        return None


def choose_delivery(office: Office, user: User) -> Delivery:
    """Where the code of a user who may reset the password goes: to the first address that the pool's setting names and
    the user has verified. One that a second factor's codes go to is none of them where there is such a setting, or
    whoever has the one address would have both factors (the model's text of AccountRecoverySetting).

    Raises NotAuthorizedException, InvalidParameterException.
    """
    if not user.enabled:
        raise refusals.disabled()
    names, has_setting = _recovery_order(office.document), bool(_mechanisms(office.document))
    if not names:
        raise refusals.not_authorized("Contact administrator to reset password.")
    if user.status not in (CONFIRMED, RESET_REQUIRED, "UNCONFIRMED"):
        raise refusals.not_authorized("User password cannot be reset in the current state.")
    for attribute in names:
        is_free = not has_setting or not is_second_factor(office.document, user, attribute)
        if is_free and user.attributes.get(attribute) and user.is_verified(attribute):
            return Delivery(attribute, user.attributes[attribute])
    raise refusals.invalid(
        "Cannot reset password for the user as there is no registered/verified email or phone_number"
    )


def _recovery_order(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Attributes in the order in which the pool sends codes to them; empty when only operators reset passwords."""
    mechanisms = _mechanisms(document)
    if not mechanisms:
        return _OLD_ORDER
    ordered = sorted(mechanisms, key=lambda each: each["Priority"])
    return tuple(_ATTRIBUTES[each["Name"]] for each in ordered if each["Name"] in _ATTRIBUTES)


def _mechanisms(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (document.get("AccountRecoverySetting") or {}).get("RecoveryMechanisms") or ()


async def _migrate(office: Office, username: str) -> User | None:
    """Somebody whom an older directory knows becomes a user who has to choose a password."""
    client_id = office.client.client_id if office.client is not None else triggers.NO_CLIENT
    about = About(username, client_id, None, office.metadata)
    brought = await triggers.user_migration(office.pool, office.ports.invoke, _SOURCE, about, None, None)
    if brought is None:
        return None
    brought = replace(brought, status=RESET_REQUIRED)
    return await adopt_user(office.store, office.seal, office.passwords, office.document, username, brought, None)


async def confirm_forgot_password(office: Office, username: str, code: str, password: str) -> None:
    """Set a new password by the code.

    1 the password could be one, whoever it is for; 2 the code, whose try counts; 3 the password was not used before;
    4 both in one write. Raises InvalidPasswordException, CodeMismatchException, ExpiredCodeException,
    LimitExceededException, UserNotFoundException, PasswordHistoryPolicyViolationException.
    """
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    # 1
    check_policy(office.password_policy(), password)
    if office.hides_users:
        office.count_try(FORGOT_PASSWORD, username)
    elif user is None:
        raise refusals.unknown_combination()
    elif not user.enabled:
        raise refusals.disabled()
    # 2
    await office.check_code(user if user is not None and user.enabled else None, FORGOT_PASSWORD, code)
    assert user is not None
    # 3, 4
    await set_password(office, user, password, FORGOT_PASSWORD, code)
    about = office.about_user(replace(user, status=CONFIRMED))
    await triggers.post_confirmation(office.pool, office.ports.invoke, "ConfirmForgotPassword", about)


async def set_password(
    office: Office, user: User, password: str, purpose: str = "", code: str = "", *, status: str = CONFIRMED
) -> None:
    """Give a user another password, which conforms to the policy; `code` is used up by it where there is one, and one
    that was sent for the password before it is worth nothing then.

    Raises PasswordHistoryPolicyViolationException, UserNotFoundException, ExpiredCodeException.
    """
    remembered = office.password_policy().get("PasswordHistorySize") or 0
    if remembered:
        known = (user.password, *user.password_history)[:remembered]
        await check_history(office.passwords, [phc for phc in known if phc], password)
    hashed = await hash_password(office.passwords, user.pool_id, user.username, password)

    def write(tx: Tx) -> None:
        now = queries.find_again(tx, office.seal, user)
        if now is None:
            raise refusals.unknown_user()
        if purpose:
            office.use_code(tx, now, purpose, code)
        else:
            messages.end_code(tx, user.pool_id, user.name_key, FORGOT_PASSWORD)
        changed = with_password(now, hashed, clock.now(), remembered=remembered)
        queries.put_user(tx, office.seal, replace(changed, status=status))

    await office.store.write(write)
