"""Users by operators: made, shown, changed, disabled, deleted; their passwords.

Source: reference, "User administration", "Users, groups, attributes", "Error texts".
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools import triggers
from scopegate.userpools.messages.compose import INVITATION
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.operations.cognito_idp.asking import pool_of_operator
from scopegate.userpools.operations.cognito_idp.paging import read_page
from scopegate.userpools.operations.cognito_idp.render_users import (
    get_user_for_operator,
    office_of_operator,
    read_user_for_operator,
    render_auth_factors,
    render_factors,
    render_old_settings,
    render_user,
    with_old_settings,
)
from scopegate.userpools.operations.cognito_idp.user_filter import parse_filter
from scopegate.userpools.signin.tokens import let_in, shut_out
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.accounts import (
    choose_username,
    hash_password,
    insert_user,
    new_user,
    with_password,
)
from scopegate.userpools.users.attributes import (
    check_attributes,
    check_new_name,
    read_attributes,
    render_attributes,
)
from scopegate.userpools.users.lookup import find_for_operator
from scopegate.userpools.users.model import (
    CONFIRMED,
    FORCE_CHANGE_PASSWORD,
    RESET_REQUIRED,
    User,
    name_key_of,
)
from scopegate.userpools.users.office import FORGOT_PASSWORD, Office
from scopegate.userpools.users.passwords import check_policy, new_temporary_password
from scopegate.userpools.users.profile import delete_attributes, update_attributes
from scopegate.userpools.users.recovery import choose_delivery, set_password
from scopegate.userpools.users.sign_up import (
    allows_no_password,
    check_without_password,
    confirm_by_operator,
    name_as_attribute,
    verified_by_choice,
)

_LIST_SIZE: Final = 60
_ATTRIBUTE_OF: Final = {"SMS": "phone_number", "EMAIL": "email"}


async def admin_create_user(call: Call, request: Shape) -> Shape:
    """AdminCreateUser: a new user with a temporary password, or another one for a user who never used the first."""
    office = office_of_operator(call, request)
    existing = await call.read(lambda tx: find_for_operator(tx, call.seal, office.document, request["Username"]))
    if request.get("MessageAction") == "RESEND":
        return await _invite_again(call, office, existing, request)
    if existing is not None:
        raise refusals.user_exists("User account already exists")
    return await _create(call, office, request)


async def _create(call: Call, office: Office, request: Shape) -> Shape:
    """1 the name, the attributes; 2 PreSignUp; 3 the password; 4 the message; 5 the user; 6 the message's way out."""
    document = office.document
    # 1
    check_new_name(document, request["Username"])
    given = {name: value for name, value in read_attributes(request.get("UserAttributes", ())).items() if value}
    attributes = name_as_attribute(document, request["Username"], given)
    check_attributes(document, attributes, by_admin=True)
    # 2
    name, sub = choose_username(document, request["Username"])
    validation_data = read_attributes(request["ValidationData"]) if "ValidationData" in request else None
    about = office.about(name, attributes)
    choice = await triggers.pre_sign_up(office.pool, office.ports.invoke, INVITATION, about, validation_data)
    attributes = verified_by_choice(attributes, choice)
    # 3
    user = new_user(document, name, sub, attributes, status=FORCE_CHANGE_PASSWORD, now=call.now)
    password = request.get("TemporaryPassword")
    if not password and allows_no_password(document):
        check_without_password(document, attributes)
        user = replace(user, status=CONFIRMED)
    else:
        password = password or new_temporary_password(office.password_policy())
        check_policy(office.password_policy(), password)
        user = with_password(user, await hash_password(office.passwords, user.pool_id, name, password), call.now)
    # 4
    deliveries = _invitations(user, request) if password else []
    sent = [await office.write_message(user, INVITATION, delivery, password or "") for delivery in deliveries]
    # 5
    exists = refusals.user_exists("User account already exists")

    def write(tx: Tx) -> Shape:
        insert_user(tx, call.seal, document, user, exists, force_alias=bool(request.get("ForceAliasCreation")))
        for message in sent:
            office.keep(tx, message)
        return {"User": render_user(user)}

    answer = await call.write(write)
    # 6
    for message in sent:
        await office.post(user, message)
    return answer


async def _invite_again(call: Call, office: Office, existing: User | None, request: Shape) -> Shape:
    """MessageAction RESEND: the temporary password that was sent before is worth nothing any more."""
    if existing is None:
        raise refusals.unknown_user()
    if existing.status != FORCE_CHANGE_PASSWORD:
        text = f"Resend not possible. {existing.username} status is not FORCE_CHANGE_PASSWORD"
        raise AwsError("UnsupportedUserStateException", text)
    password = request.get("TemporaryPassword") or new_temporary_password(office.password_policy())
    check_policy(office.password_policy(), password)
    hashed = await hash_password(office.passwords, existing.pool_id, existing.username, password)
    deliveries = _invitations(existing, {name: value for name, value in request.items() if name != "MessageAction"})
    sent = [await office.write_message(existing, INVITATION, delivery, password) for delivery in deliveries]

    def write(tx: Tx) -> User:
        now = get_user_for_operator(call, tx, office.pool, request["Username"])
        if now.status != FORCE_CHANGE_PASSWORD:
            raise AwsError("UnsupportedUserStateException", "Resend not possible.")
        changed = with_password(now, hashed, call.now)
        queries.put_user(tx, call.seal, changed)
        for message in sent:
            office.keep(tx, message)
        return changed

    changed = await call.write(write)
    for message in sent:
        await office.post(changed, message)
    return {"User": render_user(changed)}


def _invitations(user: User, request: Shape) -> list[Delivery]:
    """Where an invitation goes: by the media that are asked for, else by SMS, else by mail, as the user has addresses.

    Raises InvalidParameterException for a medium that was asked for in vain.
    """
    if request.get("MessageAction") == "SUPPRESS":
        return []
    wanted = [_ATTRIBUTE_OF[medium] for medium in request.get("DesiredDeliveryMediums", ())]
    for attribute in wanted:
        if not user.attributes.get(attribute):
            raise refusals.invalid(f"Cannot send the invitation: the user has no {attribute}")
    if not wanted:
        wanted = [name for name in ("phone_number", "email") if user.attributes.get(name)][:1]
    return [Delivery(name, user.attributes[name]) for name in dict.fromkeys(wanted)]


def admin_get_user(call: Call, request: Shape) -> Shape:
    """AdminGetUser."""
    user = get_user_for_operator(call, call.tx, pool_of_operator(call, request["UserPoolId"]), request["Username"])
    return {
        "Username": user.username,
        "UserAttributes": render_attributes(user.attributes),
        "UserCreateDate": round(user.created_at, 3),
        "UserLastModifiedDate": round(user.modified_at, 3),
        "Enabled": user.enabled,
        "UserStatus": user.status,
        **render_old_settings(user),
        **render_factors(user),
    }


def admin_delete_user(call: Call, request: Shape) -> Shape:
    """AdminDeleteUser: the user, its sign-ins, and what was issued to it."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    shut_out(call.tx, user, call.now)
    queries.delete_user(call.tx, user.pool_id, user.name_key)
    return {}


async def admin_update_user_attributes(call: Call, request: Shape) -> Shape:
    """AdminUpdateUserAttributes."""
    office = office_of_operator(call, request)
    user = await read_user_for_operator(call, office, request["Username"])
    await update_attributes(office, user, read_attributes(request["UserAttributes"]), by_admin=True)
    return {}


def admin_delete_user_attributes(call: Call, request: Shape) -> Shape:
    """AdminDeleteUserAttributes."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    names = request["UserAttributeNames"]
    delete_attributes(call.tx, call.seal, pool.document, user, names, call.now, by_admin=True)
    return {}


async def admin_set_user_password(call: Call, request: Shape) -> Shape:
    """AdminSetUserPassword: for good, or one that has to be changed at the next sign-in."""
    office = office_of_operator(call, request)
    user = await read_user_for_operator(call, office, request["Username"])
    check_policy(office.password_policy(), request["Password"])
    status = CONFIRMED if request.get("Permanent") else FORCE_CHANGE_PASSWORD
    await set_password(office, user, request["Password"], status=status)
    return {}


async def admin_reset_user_password(call: Call, request: Shape) -> Shape:
    """AdminResetUserPassword: the password works no more; a code for a new one is sent to a verified address."""
    office = office_of_operator(call, request)
    user = await read_user_for_operator(call, office, request["Username"])
    if user.status not in (CONFIRMED, RESET_REQUIRED):
        raise refusals.not_authorized("User password cannot be reset in the current state.")
    delivery = choose_delivery(office, user)

    def reset(tx: Tx) -> None:
        now = get_user_for_operator(call, tx, office.pool, request["Username"])
        queries.put_user(tx, call.seal, replace(now, status=RESET_REQUIRED, modified_at=call.now))

    await call.write(reset)
    await office.send_code(user, FORGOT_PASSWORD, "ForgotPassword", delivery)
    return {}


async def admin_confirm_sign_up(call: Call, request: Shape) -> Shape:
    """AdminConfirmSignUp."""
    office = office_of_operator(call, request)
    await confirm_by_operator(office, await read_user_for_operator(call, office, request["Username"]))
    return {}


def admin_enable_user(call: Call, request: Shape) -> Shape:
    """AdminEnableUser: new sign-ins count; what was taken back stays so."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    if not user.enabled:
        let_in(call.tx, user, call.now)
        queries.put_user(call.tx, call.seal, replace(user, enabled=True, modified_at=call.now))
    return {}


def admin_disable_user(call: Call, request: Shape) -> Shape:
    """AdminDisableUser: nothing that was issued to the user counts any more."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    shut_out(call.tx, user, call.now)
    queries.put_user(call.tx, call.seal, replace(user, enabled=False, modified_at=call.now))
    return {}


def list_users(call: Call, request: Shape) -> Shape:
    """ListUsers, in the order of user names, or of what is searched by its beginning."""
    pool = pool_of_operator(call, request["UserPoolId"])
    text = request.get("Filter", "")
    wanted = parse_filter(text)
    value = wanted.value
    if wanted.attribute == "username":
        value = name_key_of(value, pool.document)
    names = request.get("AttributesToGet")
    if not {each["Name"] for each in pool.document["SchemaAttributes"]}.issuperset(names or ()):
        raise refusals.invalid("One or more requested attributes do not exist.")

    def rows(*, after: str | None, size: int) -> Sequence[tuple[str, User]]:
        return queries.list_users(
            call.tx,
            call.seal,
            pool.pool_id,
            attribute=wanted.attribute,
            value=value,
            by_prefix=wanted.by_prefix,
            after=after,
            size=size,
        )

    def show(user: User) -> Shape:
        if names is None:
            return render_user(user)
        return render_user(user, {name: user.attributes[name] for name in names if name in user.attributes})

    return read_page(
        call,
        request,
        rows,
        member="Users",
        of=f"users/{pool.pool_id}/{text}",
        default=_LIST_SIZE,
        show=show,
        size_name="Limit",
        next_name="PaginationToken",
    )


def get_csv_header(call: Call, request: Shape) -> Shape:
    """GetCSVHeader: the columns of a file of users, all attributes but `sub`."""
    pool = pool_of_operator(call, request["UserPoolId"])
    names = [attribute["Name"] for attribute in pool.document["SchemaAttributes"] if attribute["Name"] != "sub"]
    return {"UserPoolId": pool.pool_id, "CSVHeader": [*names, "cognito:mfa_enabled", "cognito:username"]}


def admin_get_user_auth_factors(call: Call, request: Shape) -> Shape:
    """AdminGetUserAuthFactors."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    return render_auth_factors(pool, user)


def admin_set_user_settings(call: Call, request: Shape) -> Shape:
    """AdminSetUserSettings, the old way to switch SMS codes on or off."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    queries.put_user(call.tx, call.seal, with_old_settings(pool, user, request["MFAOptions"], call.now))
    return {}
