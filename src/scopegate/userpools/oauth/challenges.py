"""What stands between a password and the application: a new password, an authenticator app, a code, a choice.

Each page brings the session of its challenge in a hidden field, beside what it takes to draw it again when the answer
is refused; nothing that is hidden there is believed when it comes back.
Source: reference, "Auth flows and challenges"; attack rows O8, O23.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import structlog

from scopegate.base.errors import AwsError
from scopegate.http.message import Response
from scopegate.userpools.oauth import session
from scopegate.userpools.oauth.faults import Fault
from scopegate.userpools.oauth.people import (
    desk_of,
    named_fields,
    password_rules,
    read_attributes,
    read_fault,
    sign_in_page,
)
from scopegate.userpools.oauth.visit import Visit
from scopegate.userpools.pages.render import Values
from scopegate.userpools.signin.answers import answer, associate_totp, verify_totp
from scopegate.userpools.signin.flow import (
    MFA_SETUP,
    NEW_PASSWORD_REQUIRED,
    SELECT_MFA_TYPE,
    Outcome,
    SignedIn,
    Waiting,
)
from scopegate.userpools.users.model import EMAIL_OTP, SMS_MFA, SOFTWARE_TOKEN_MFA

_LONGEST_LABEL: Final = 64  # characters of a name in a QR code that a phone can read
# What a page needs to be drawn again when an answer is refused.
_SHOWN_AGAIN: Final = frozenset({"challenge", "session", "username", "required", "destination", "secret"})

log = structlog.get_logger()


async def go_on(visit: Visit, outcome: Outcome) -> Response:
    """What follows a step: the page of the next challenge, or the application."""
    if isinstance(outcome, SignedIn):
        client_id = visit.asked.client.client_id
        log.info("sign_in.done", client_id=client_id, sub=outcome.user.sub, request_id=visit.request_id)
        return await session.hand_over(visit, await session.open_session(visit, outcome.user, outcome.amr))
    # As the user calls it: in a pool of addresses the username is one that nobody knows.
    username = visit.form.get("username", "").strip()
    hidden = Values(challenge=outcome.name, session=outcome.session, username=username)
    if outcome.name == MFA_SETUP:
        return await _begin_set_up(visit, outcome, hidden)
    if outcome.name == SELECT_MFA_TYPE:
        return _choice_page(visit, hidden, json.loads(outcome.parameters["MFAS_CAN_CHOOSE"]))
    if outcome.name == NEW_PASSWORD_REQUIRED:
        names = json.loads(outcome.parameters["requiredAttributes"])
        hidden["required"] = " ".join(name.removeprefix("userAttributes.") for name in names)
    page = _PAGES.get(outcome.name)
    if page is None:  # a choice that only the API offers: what was wanted is not to be had
        log.info("sign_in.no_page", challenge=outcome.name, request_id=visit.request_id)
        return sign_in_page(visit, visit.form.get("username", ""), error=visit.say("error.noRecovery"))
    hidden["destination"] = outcome.parameters.get("CODE_DELIVERY_DESTINATION", "")
    return page(visit, hidden, Fault())


def is_challenge(visit: Visit) -> bool:
    """Whether the form answers one."""
    return visit.form.get("challenge") in {*_PAGES, SELECT_MFA_TYPE}


async def answer_challenge(visit: Visit) -> Response:
    """What the form brought: right, it goes on; wrong, the same page says so; too late, the sign-in begins anew."""
    name = visit.form["challenge"]
    hidden = Values({key: value for key, value in visit.form.items() if key in _SHOWN_AGAIN})
    if name == NEW_PASSWORD_REQUIRED and visit.form.get("password") != visit.form.get("confirm_password"):
        differ = Values(confirm_password=visit.say("error.passwordsDiffer"))
        return _new_password_page(visit, hidden, Fault(fields=differ))
    try:
        return await go_on(visit, await _answer(visit, name))
    except AwsError as error:
        fault = read_fault(visit, error)
        if error.code == "NotAuthorizedException" or name not in _PAGES:
            return sign_in_page(visit, visit.form.get("username", ""), error=fault.beside(()))
        return _PAGES[name](visit, hidden, fault)


async def _answer(visit: Visit, name: str) -> Outcome:
    desk, form, waiting = desk_of(visit), visit.form, visit.form.get("session", "")
    code = "".join(form.get("code", "").split())
    if name == MFA_SETUP:
        waiting = await verify_totp(desk, waiting, code, form.get("device_name", "").strip())
        return await answer(desk, MFA_SETUP, waiting, {})
    if name == SELECT_MFA_TYPE:
        return await answer(desk, name, waiting, {"ANSWER": form.get("answer", "")})
    if name == NEW_PASSWORD_REQUIRED:
        given = {f"userAttributes.{key}": value for key, value in read_attributes(visit).items()}
        return await answer(desk, name, waiting, {**given, "NEW_PASSWORD": form.get("password", "")})
    return await answer(desk, name, waiting, {f"{name}_CODE": code})


# A new password


def _new_password_page(visit: Visit, hidden: Values, fault: Fault) -> Response:
    names = hidden["required"].split()
    return visit.page(
        "new_password",
        hidden=hidden,
        rules=password_rules(visit, fault.refusal),
        attributes=named_fields(visit, names),
        error=fault.beside({"password", "confirm_password", *names}),
        errors=fault.fields,
    )


# An authenticator app


async def _begin_set_up(visit: Visit, waiting: Waiting, hidden: Values) -> Response:
    """Source: the key URI that authenticator apps read (`otpauth://totp/…`)."""
    if SOFTWARE_TOKEN_MFA not in json.loads(waiting.parameters["MFAS_CAN_SETUP"]):
        # Only an address that is not there could serve: nothing that this user can do here.
        return sign_in_page(visit, hidden["username"], error=visit.say("error.noRecovery"))
    hidden["secret"], hidden["session"] = await associate_totp(desk_of(visit), waiting.session)
    return _set_up_page(visit, hidden, Fault())


def _set_up_page(visit: Visit, hidden: Values, fault: Fault) -> Response:
    secret = hidden["secret"]
    issuer, username = (name[:_LONGEST_LABEL] for name in (visit.asked.client.name, hidden["username"]))
    query = urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
    uri = f"otpauth://totp/{quote(issuer, safe='')}:{quote(username, safe='')}?{query}"
    return visit.page(
        "mfa_setup",
        hidden=hidden,
        uri=uri,
        key=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        device_name=visit.form.get("device_name", ""),
        error=fault.beside({"code"}),
        errors=fault.fields,
    )


# Codes


def _code_page(visit: Visit, hidden: Values, fault: Fault) -> Response:
    title, lead = _CODES[hidden["challenge"]]
    return visit.page(
        "code",
        hidden=hidden,
        title=visit.say(title),
        lead=visit.say(lead, client=visit.asked.client.name, destination=hidden["destination"]),
        error=fault.beside({"code"}),
        errors=fault.fields,
    )


_CODES: Final[Mapping[str, tuple[str, str]]] = {
    SOFTWARE_TOKEN_MFA: ("totp.title", "totp.lead"),
    EMAIL_OTP: ("emailCode.title", "emailCode.lead"),
    SMS_MFA: ("smsCode.title", "emailCode.lead"),
}


# A choice


def _choice_page(visit: Visit, hidden: Values, factors: Sequence[str]) -> Response:
    words = {SOFTWARE_TOKEN_MFA: "totp", EMAIL_OTP: "email", SMS_MFA: "sms"}
    choices = [
        {
            "name": "answer",
            "value": factor,
            "title": visit.say(f"choose.{words[factor]}"),
            "text": visit.say(f"choose.{words[factor]}Text"),
        }
        for factor in factors
    ]
    title, lead = visit.say("choose.title"), visit.say("choose.lead")
    return visit.page("choose", hidden=hidden, title=title, lead=lead, choices=choices, other_link="", other_text="")


_PAGES: Final[Mapping[str, Callable[[Visit, Values, Fault], Response]]] = {
    EMAIL_OTP: _code_page,
    MFA_SETUP: _set_up_page,
    NEW_PASSWORD_REQUIRED: _new_password_page,
    SMS_MFA: _code_page,
    SOFTWARE_TOKEN_MFA: _code_page,
}
"""The page that is shown again when the answer to a challenge is refused."""
