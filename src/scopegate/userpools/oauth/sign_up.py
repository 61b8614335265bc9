"""← /signup and /confirmUser: a new user, and the code or the link that confirms it.

Who has just shown the password need not show it again once the code is right: a sealed proof goes along in the form.
Source: reference, "Other pages", "Sign-up and recovery"; attack rows O8, O17, O23.
"""

import json
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.http.message import Response
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.oauth.authorization import NoRedirect, find_client, read_query
from scopegate.userpools.oauth.challenges import go_on
from scopegate.userpools.oauth.faults import Fault
from scopegate.userpools.oauth.people import (
    can_sign_up,
    desk_of,
    office_of,
    password_rules,
    read_attributes,
    read_fault,
    sign_in_page,
    sign_up_fields,
    user_field,
)
from scopegate.userpools.oauth.visit import Visit, read_asked, read_form
from scopegate.userpools.pages.render import Values
from scopegate.userpools.signin.flow import after_first_factor
from scopegate.userpools.users.lookup import find_by_name
from scopegate.userpools.users.model import CONFIRMED, User
from scopegate.userpools.users.office import delivery_to_verify
from scopegate.userpools.users.sign_up import confirm_sign_up, resend_code, sign_up

_PROOF_LIFETIME_S: Final = limit("oauth.session_s")


async def answer_sign_up(visit: Visit) -> Response:
    """1 what is asked, of a pool that people may join; 2 to look: the form; 3 a form: the new user; 4 its code, or on
    to the application. Raises NoRedirect, Redirected, StaleForm."""
    # 1
    asked = read_asked(visit)
    if not can_sign_up(visit):
        raise NoRedirect("invalid_request", "people may not sign up in this pool", asked.client.client_id)
    # 2
    if not visit.is_form:
        return await visit.find_kept() or _sign_up_page(visit, Fault())
    # 3
    read_form(visit)
    username = visit.form.get("username", "").strip()
    if not username:
        return _sign_up_page(visit, Fault(fields=Values(username=visit.say("error.required"))))
    try:
        signed_up = await sign_up(
            office_of(visit), username, visit.form.get("password", ""), read_attributes(visit), None
        )
    except AwsError as error:
        fault = read_fault(visit, error)
        if error.code == "CodeDeliveryFailureException":  # the user is there, and may ask for another code
            return _confirm_page(visit, Values(username=username), fault=fault)
        return _sign_up_page(visit, fault)
    # 4
    if signed_up.user.status == CONFIRMED:
        return await _sign_in(visit, signed_up.user)
    return _wait_page(visit, username, signed_up.user, signed_up.delivery)


def _sign_up_page(visit: Visit, fault: Fault) -> Response:
    label, kind, autocomplete = user_field(visit)
    fields = sign_up_fields(visit)
    return visit.page(
        "sign_up",
        path="/signup",
        user_label=label,
        user_type=kind,
        user_autocomplete=autocomplete,
        user_hint=visit.say("phone.hint") if kind == "tel" else "",
        username=visit.form.get("username", ""),
        attributes=fields,
        rules=password_rules(visit, fault.refusal),
        error=fault.beside({"username", "password", *(field.name for field in fields)}),
        errors=fault.fields,
    )


# Confirming


async def answer_confirm(visit: Visit) -> Response:
    """1 a link from a mail; 2 what is asked; 3 to look: the form; 4 a form: another code, or the code; 5 on to the
    application, or to the sign-in page. Raises NoRedirect, Redirected, StaleForm."""
    # 1
    query, repeated = read_query(visit.request.query)
    if not visit.is_form and "confirmation_code" in query:
        visit.client = find_client(query, repeated, visit.pool, visit.view)
        return await _confirm_by_link(visit, query.get("user_name", ""), query["confirmation_code"])
    # 2, 3
    read_asked(visit)
    if not visit.is_form:
        return await visit.find_kept() or _confirm_page(visit, Values())
    # 4
    read_form(visit)
    hidden = Values({name: visit.form.get(name, "") for name in ("username", "destination", "proof")})
    username = hidden["username"].strip()
    code = "".join(visit.form.get("code", "").split())
    try:
        if visit.form.get("action") == "resend":
            sent = await resend_code(office_of(visit), username)
            what = "confirm.linkResent" if _is_by_link(visit, sent["Destination"]) else "code.resent"
            notice = visit.say(what, destination=sent["Destination"])
            return _confirm_page(visit, hidden, notice=notice)
        user = await confirm_sign_up(office_of(visit), username, code)
    except AwsError as error:
        fault = read_fault(visit, error)
        if await _is_confirmed(visit, username, hidden["proof"]):  # by a link, in another tab, by a form sent twice
            return sign_in_page(visit, username, notice=visit.say("confirmed.notice"))
        return _confirm_page(visit, hidden, fault=fault)
    # 5
    if _is_proved(visit, user, hidden["proof"]):
        return await _sign_in(visit, user)
    return sign_in_page(visit, username, notice=visit.say("confirmed.notice"))


async def confirm_later(visit: Visit, username: str) -> Response:
    """The page for a user who has just shown the password and is not confirmed yet."""
    office = office_of(visit)
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    if user is None:
        return _confirm_page(visit, Values(username=username))
    return _wait_page(visit, username, user, delivery_to_verify(office.document, user))


def _wait_page(visit: Visit, username: str, user: User, delivery: Delivery | None) -> Response:
    """The page for a user who has shown the password: of the code that was sent, or of the operator who confirms."""
    if delivery is None:
        return visit.message(visit.say("confirm.title"), visit.say("confirm.byOperator"))
    destination = delivery.render()["Destination"]
    return _confirm_page(visit, Values(username=username, destination=destination, proof=_prove(visit, user)))


def _confirm_page(visit: Visit, hidden: Values, *, fault: Fault | None = None, notice: str = "") -> Response:
    fault = fault or Fault()
    return visit.page(
        "confirm_sign_up",
        hidden=Values({name: value for name, value in hidden.items() if value}),
        destination=hidden["destination"],
        by_link=_is_by_link(visit, hidden["destination"]),
        user_label=user_field(visit)[0],
        username="",
        error=fault.beside({"code"} if hidden["username"] else {"code", "username"}),
        errors=fault.fields,
        notice=notice,
    )


async def _is_confirmed(visit: Visit, username: str, proof: str) -> bool:
    """Whether the user is confirmed already; told to nobody but who has shown the password."""
    office = office_of(visit)
    user = await office.store.read(lambda tx: find_by_name(tx, office.seal, office.document, username))
    return user is not None and user.status == CONFIRMED and _is_proved(visit, user, proof)


def _is_by_link(visit: Visit, destination: str) -> bool:
    """Whether a message brings a link in place of a code: mails of some pools do."""
    template = visit.asked.pool.document.get("VerificationMessageTemplate") or {}
    return template.get("DefaultEmailOption") == "CONFIRM_WITH_LINK" and "@" in destination


async def _confirm_by_link(visit: Visit, username: str, code: str) -> Response:
    try:
        await confirm_sign_up(office_of(visit), username, code)
    except AwsError as error:
        said = read_fault(visit, error).beside(())
        return visit.message(visit.say("error.title"), said, status=400)
    return visit.message(visit.say("confirmed.title"), visit.say("confirmed.lead"), visit.say("signedOut.text"))


# On to the application


async def _sign_in(visit: Visit, user: User) -> Response:
    """Sign in whoever has shown the password in the step before. A pool's function that is asked before each sign-in is
    asked about a password, so such a pool's users show it once more."""
    if "PreAuthentication" in visit.asked.pool.triggers:
        return sign_in_page(visit, visit.form.get("username", ""), notice=visit.say("confirmed.notice"))
    try:
        return await go_on(visit, await after_first_factor(desk_of(visit), user, ("pwd",)))
    except AwsError as error:
        return sign_in_page(visit, visit.form.get("username", ""), error=read_fault(visit, error).beside(()))


def _prove(visit: Visit, user: User) -> str:
    """That this browser has shown the user's password, or chose it; sealed, for this client alone."""
    plain = json.dumps({"sub": user.sub, "at": clock.now()}).encode()
    return visit.seal.seal(plain, _proof_context(visit)).hex()


def _is_proved(visit: Visit, user: User, proof: str) -> bool:
    try:
        plain = json.loads(visit.seal.open(bytes.fromhex(proof), _proof_context(visit)))
    except ValueError:
        return False
    return bool(plain["sub"] == user.sub and clock.now() - plain["at"] <= _PROOF_LIFETIME_S)


def _proof_context(visit: Visit) -> str:
    return f"page_proof/{visit.asked.pool.pool_id}/{visit.asked.client.client_id}"
