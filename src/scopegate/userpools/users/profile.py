"""A user's attributes after the start: changed, proved by codes, taken away.

Source: reference, "The signed-in user", "Users, groups, attributes" (AttributesRequireVerificationBeforeUpdate);
attack row O23.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from scopegate.base import clock
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.messages import queries as messages
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.accounts import change_attributes
from scopegate.userpools.users.attributes import ADDRESSES, check_attributes, check_removal
from scopegate.userpools.users.factors import is_second_factor
from scopegate.userpools.users.model import User
from scopegate.userpools.users.office import FORGOT_PASSWORD, SIGN_UP, Office, new_code

_SOURCE: Final = "UpdateUserAttribute"


async def update_attributes(
    office: Office,
    user: User,
    given: Mapping[str, str],
    *,
    writable: Collection[str] | None = None,
    by_admin: bool = False,
) -> Sequence[Delivery]:
    """Change attributes; one that is given empty is taken away. Where codes to new addresses went.

    An address that changes is not verified any more, unless an operator says so in the same request. Where the pool
    wants it verified before, the old one stands until then.
    Raises InvalidParameterException, NotAuthorizedException, AliasExistsException, CodeDeliveryFailureException.
    """
    document = office.document
    removed = [name for name, value in given.items() if not value]
    values = {name: value for name, value in given.items() if value}
    check_attributes(document, values, before=user.attributes, writable=writable, by_admin=by_admin)
    check_removal(document, removed, writable=writable, by_admin=by_admin)
    _check_not_needed(document, user, removed)
    waiting = (document.get("UserAttributeUpdateSettings") or {}).get("AttributesRequireVerificationBeforeUpdate") or ()
    by_itself = document.get("AutoVerifiedAttributes") or ()
    changed = [name for name in ADDRESSES if name in values and values[name] != user.attributes.get(name)]
    pending: dict[str, str] = {}
    deliveries = []
    for name in changed:
        if values.get(f"{name}_verified") == "true":
            continue
        values[f"{name}_verified"] = "false"
        if name in waiting:
            pending[name] = values.pop(name)
            del values[f"{name}_verified"]
        if name in waiting or name in by_itself:
            deliveries.append(Delivery(name, pending.get(name) or values[name]))
    codes = [new_code() for _ in deliveries]
    sent = [
        await office.write_message(user, _SOURCE, delivery, code)
        for delivery, code in zip(deliveries, codes, strict=True)
    ]

    def write(tx: Tx) -> None:
        now = _find(office, tx, user)
        _forget_codes(tx, now, [*changed, *(name for name in removed if name in ADDRESSES)])
        for delivery, code, message in zip(deliveries, codes, sent, strict=True):
            office.put_code(tx, now, delivery.attribute, code)
            office.keep(tx, message)
        kept = {name: value for name, value in now.pending.items() if name not in given}
        attributes = _without({**now.attributes, **values}, removed)
        change_attributes(tx, office.seal, document, replace(now, pending={**kept, **pending}), attributes, clock.now())

    await office.store.write(write)
    for message in sent:
        await office.post(user, message)
    return deliveries


def delete_attributes(
    tx: Tx,
    seal: Sealer,
    document: Mapping[str, Any],
    user: User,
    names: Sequence[str],
    now: float,
    *,
    writable: Collection[str] | None = None,
    by_admin: bool = False,
) -> None:
    """Take attributes away. document: UserPoolType. Raises InvalidParameterException, NotAuthorizedException."""
    check_removal(document, names, writable=writable, by_admin=by_admin)
    _check_not_needed(document, user, names)
    _forget_codes(tx, user, [name for name in names if name in ADDRESSES])
    kept = replace(user, pending={name: value for name, value in user.pending.items() if name not in names})
    change_attributes(tx, seal, document, kept, _without(user.attributes, names), now)


def _check_not_needed(document: Mapping[str, Any], user: User, names: Collection[str]) -> None:
    """An address that a second factor's codes go to may be changed, and does not go away."""
    for name in names:
        if is_second_factor(document, user, name) and user.attributes.get(name):
            raise refusals.invalid(f"user.{name}: Attribute cannot be deleted while it is used for MFA.")


def _without(attributes: Mapping[str, str], removed: Collection[str]) -> dict[str, str]:
    """The attributes without these; an address takes its proof along."""
    gone = {*removed, *(f"{name}_verified" for name in removed if name in ADDRESSES)}
    return {name: value for name, value in attributes.items() if name not in gone}


def _forget_codes(tx: Tx, user: User, changed: Collection[str]) -> None:
    """A code proves the address that it went to, and no other that takes its place; nor does it reset the password."""
    for name in changed:
        for purpose in (name, SIGN_UP, FORGOT_PASSWORD):
            messages.end_code(tx, user.pool_id, user.name_key, purpose)


async def send_verification(office: Office, user: User, attribute: str) -> Delivery:
    """Send a code to an address that is not verified, or to the one that waits to take its place.

    Raises InvalidParameterException, LimitExceededException, CodeDeliveryFailureException.
    """
    if attribute not in ADDRESSES:
        raise refusals.invalid(f"Invalid attribute {attribute}: only email and phone_number can be verified")
    value = user.pending.get(attribute) or user.attributes.get(attribute)
    if not value:
        raise refusals.invalid(f"User does not have a value for {attribute}")
    delivery = Delivery(attribute, value)
    await office.send_code(user, attribute, "VerifyUserAttribute", delivery)
    return delivery


async def verify_attribute(office: Office, user: User, attribute: str, code: str) -> None:
    """Raises CodeMismatchException, ExpiredCodeException, LimitExceededException, AliasExistsException."""
    if attribute not in ADDRESSES:
        raise refusals.invalid(f"Invalid attribute {attribute}: only email and phone_number can be verified")
    await office.check_code(user, attribute, code)

    def write(tx: Tx) -> None:
        now = _find(office, tx, user)
        office.use_code(tx, now, attribute, code)
        value = now.pending.get(attribute) or now.attributes.get(attribute)
        if not value:
            raise refusals.expired_code()
        rest = {name: waiting for name, waiting in now.pending.items() if name != attribute}
        attributes = {**now.attributes, attribute: value, f"{attribute}_verified": "true"}
        change_attributes(tx, office.seal, office.document, replace(now, pending=rest), attributes, clock.now())

    await office.store.write(write)


def _find(office: Office, tx: Tx, user: User) -> User:
    now = queries.find_again(tx, office.seal, user)
    if now is None:
        raise refusals.unknown_user()
    return now
