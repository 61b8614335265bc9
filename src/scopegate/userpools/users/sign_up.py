"""Signing up: a new user by an app client, its confirmation by a code, and another code.

Source: reference, "Sign-up and recovery", "Lambda triggers", "Error texts"; attack rows O17, O23.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.store.port import Tx
from scopegate.userpools import triggers
from scopegate.userpools.messages.model import Delivery, Message
from scopegate.userpools.triggers import SignUpChoice
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.accounts import (
    change_attributes,
    choose_username,
    hash_password,
    insert_user,
    new_user,
    with_password,
)
from scopegate.userpools.users.attributes import attribute_of_name, check_attributes, check_new_name
from scopegate.userpools.users.factors import ADDRESS_OF, FIRST_CODES
from scopegate.userpools.users.lookup import find_by_name
from scopegate.userpools.users.model import CONFIRMED, UNCONFIRMED, User
from scopegate.userpools.users.office import SIGN_UP, Office, delivery_to_verify, new_code
from scopegate.userpools.users.passwords import check_policy


@dataclass(frozen=True, slots=True)
class SignedUp:
    """A new user. delivery: where its code went, None when none was sent."""

    user: User
    delivery: Delivery | None


async def sign_up(
    office: Office,
    username: str,
    password: str | None,
    given: Mapping[str, str],
    validation_data: Mapping[str, str] | None,
) -> SignedUp:
    """1 the pool takes new users, by such a name, with these attributes and this password; 2 PreSignUp; 3 the hash and
    the message; 4 the user; 5 the message's way out, or PostConfirmation.

    Raises NotAuthorizedException, UsernameExistsException, InvalidParameterException, InvalidPasswordException,
    CodeDeliveryFailureException (the user is there then), and what a trigger's failure is answered with.
    """
    document = office.document
    # 1
    if (document.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly"):
        raise refusals.not_authorized("SignUp is not permitted for this user pool")
    check_new_name(document, username)
    attributes = name_as_attribute(document, username, given)
    writable = office.client.sign_in.write_attributes if office.client is not None else None
    by_name = attribute_of_name(document, username)
    check_attributes(document, attributes, writable=None if writable is None else {*writable, by_name or ""})
    if password is not None:
        check_policy(office.password_policy(), password)
    else:
        check_without_password(document, attributes)
    if await office.store.read(lambda tx: find_by_name(tx, office.seal, document, username)) is not None:
        raise refusals.user_exists()
    # 2
    name, sub = choose_username(document, username)
    about = office.about(name, attributes)
    choice = await triggers.pre_sign_up(office.pool, office.ports.invoke, "SignUp", about, validation_data)
    attributes = verified_by_choice(attributes, choice)
    # 3
    status = CONFIRMED if choice.confirm else UNCONFIRMED
    user = new_user(document, name, sub, attributes, status=status, now=clock.now())
    if password is not None:
        user = with_password(
            user, await hash_password(office.passwords, user.pool_id, user.username, password), clock.now()
        )
    delivery = None if choice.confirm else delivery_to_verify(document, user)
    code = new_code()
    message = None if delivery is None else await office.write_message(user, "SignUp", delivery, code)
    # 4
    exists = refusals.user_exists()

    def write(tx: Tx) -> None:
        insert_user(tx, office.seal, document, user, exists)
        if message is not None:
            office.put_code(tx, user, SIGN_UP, code)
            office.keep(tx, message)

    await office.store.write(write)
    # 5
    await _follow_up(office, user, message)
    return SignedUp(user, delivery)


async def _follow_up(office: Office, user: User, message: Message | None) -> None:
    if message is not None:
        await office.post(user, message)
    if user.status == CONFIRMED:
        await triggers.post_confirmation(office.pool, office.ports.invoke, "ConfirmSignUp", office.about_user(user))


def name_as_attribute(document: Mapping[str, object], username: str, given: Mapping[str, str]) -> dict[str, str]:
    """The attributes, with the address that is the user's name in a pool of addresses. Raises
    InvalidParameterException when they name another."""
    attribute = attribute_of_name(document, username)
    if attribute is None:
        return dict(given)
    if given.get(attribute, username) != username:
        raise refusals.invalid(f"User's username and {attribute} do not match.")
    return {**given, attribute: username}


def allows_no_password(document: Mapping[str, object]) -> bool:
    """Whether people may sign in by a code alone."""
    return bool(_code_addresses(document))


def check_without_password(document: Mapping[str, object], attributes: Mapping[str, str]) -> None:
    """Whether a new user may have no password: codes are a first factor, and there is where to send them.

    Raises InvalidParameterException.
    """
    addresses = _code_addresses(document)
    if not addresses:
        raise refusals.invalid("Missing required parameter Password")
    if not any(attributes.get(name) for name in addresses):
        raise refusals.invalid(f"A user without a password needs a value for {' or '.join(addresses)}")


def _code_addresses(document: Mapping[str, object]) -> list[str]:
    """The attributes that first factors' codes go to."""
    policies = document.get("Policies")
    policy = policies.get("SignInPolicy") if isinstance(policies, dict) else None
    allowed = (policy or {}).get("AllowedFirstAuthFactors") or ()
    return [ADDRESS_OF[factor] for factor in FIRST_CODES if factor in allowed]


def verified_by_choice(attributes: Mapping[str, str], choice: SignUpChoice) -> dict[str, str]:
    """The attributes, with those verified that a PreSignUp function says are the user's."""
    verified = dict(attributes)
    for attribute, is_chosen in (("email", choice.verify_email), ("phone_number", choice.verify_phone)):
        if not is_chosen:
            continue
        if not attributes.get(attribute):
            raise AwsError(
                "InvalidLambdaResponseException",
                "Unrecognizable lambda output",
                log=f"PreSignUp verifies {attribute}, which the user does not have",
            )
        verified[f"{attribute}_verified"] = "true"
    return verified


async def confirm_sign_up(office: Office, username: str, code: str, *, force_alias: bool = False) -> User:
    """The user, confirmed by the code; the address that it went to is verified then.

    Raises UserNotFoundException, NotAuthorizedException, CodeMismatchException, ExpiredCodeException,
    LimitExceededException, AliasExistsException.
    """
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    if office.hides_users:
        office.count_try(SIGN_UP, username)
    elif user is None:
        raise refusals.unknown_combination()
    elif user.status != UNCONFIRMED:
        raise _not_to_be_confirmed(user)
    await office.check_code(user if user is not None and user.status == UNCONFIRMED else None, SIGN_UP, code)
    assert user is not None
    found = user

    def confirm(tx: Tx) -> User:
        now = queries.find_user(tx, office.seal, found.pool_id, found.name_key)
        if now is None or now.status != UNCONFIRMED:
            raise refusals.expired_code()
        office.use_code(tx, now, SIGN_UP, code)
        delivery = delivery_to_verify(office.document, now)
        verified = {} if delivery is None else {f"{delivery.attribute}_verified": "true"}
        return change_attributes(
            tx,
            office.seal,
            office.document,
            replace(now, status=CONFIRMED),
            {**now.attributes, **verified},
            clock.now(),
            force_alias=force_alias,
        )

    confirmed = (await office.store.write(confirm)).result
    about = office.about_user(confirmed)
    await triggers.post_confirmation(office.pool, office.ports.invoke, "ConfirmSignUp", about)
    return confirmed


def _not_to_be_confirmed(user: User) -> AwsError:
    return refusals.not_authorized(f"User cannot be confirmed. Current status is {user.status}")


async def confirm_by_operator(office: Office, user: User) -> None:
    """As AdminConfirmSignUp: without a code, and no address is verified by it."""

    def confirm(tx: Tx) -> User:
        now = queries.find_user(tx, office.seal, user.pool_id, user.name_key)
        if now is None:
            raise refusals.unknown_user()
        if now.status != UNCONFIRMED:
            raise _not_to_be_confirmed(now)
        confirmed = replace(now, status=CONFIRMED, modified_at=clock.now())
        queries.put_user(tx, office.seal, confirmed)
        return confirmed

    confirmed = (await office.store.write(confirm)).result
    about = office.about_user(confirmed)
    await triggers.post_confirmation(office.pool, office.ports.invoke, "ConfirmSignUp", about)


async def resend_code(office: Office, username: str) -> dict[str, str]:
    """Another code for a user who is not confirmed; CodeDeliveryDetails.

    Where the app client does not tell who is there, the answer waits for nothing that only a user has.
    """
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    delivery = None if user is None else delivery_to_verify(office.document, user)
    if office.hides_users:
        office.count_sent(SIGN_UP, username)
        if user is not None and delivery is not None and user.status == UNCONFIRMED:
            office.do_beside(office.send_code(user, SIGN_UP, "ResendCode", delivery))
        verified = office.document.get("AutoVerifiedAttributes") or ()
        first = "phone_number" if "phone_number" in verified and "email" not in verified else "email"
        return office.show_delivery(user, username, first if delivery is None else delivery.attribute)
    if user is None:
        raise refusals.unknown_combination()
    if user.status != UNCONFIRMED:
        raise refusals.invalid("User is already confirmed.")
    if delivery is None:
        raise refusals.invalid("Cannot resend codes. Auto verification not turned on.")
    await office.send_code(user, SIGN_UP, "ResendCode", delivery)
    return delivery.render()
