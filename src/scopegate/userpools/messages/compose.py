"""The text of a message: the pool's template, what its CustomMessage function wrote, the values put in.

Source: reference, "Members of CreateUserPool" (templates, placeholders) and "Lambda triggers" (CustomMessage).
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from scopegate.base.errors import AwsError
from scopegate.ports import Invoke
from scopegate.userpools.messages.model import EMAIL, Delivery, Message
from scopegate.userpools.model import PoolView
from scopegate.userpools.triggers import About, MessageTexts, custom_message, has_sender

CODE: Final = "{####}"
USERNAME: Final = "{username}"
LINK: Final = "{##Click Here##}"
INVITATION: Final = "AdminCreateUser"

_LINK: Final = re.compile(r"\{##(.*?)##\}", re.DOTALL)
_VERIFICATION: Final = frozenset({"SignUp", "ResendCode", "UpdateUserAttribute", "VerifyUserAttribute"})
_BY_LINK: Final = frozenset({"SignUp", "ResendCode"})

# What Cognito writes where a pool has no text of its own.
_DEFAULTS: Final[Mapping[str, tuple[str, str]]] = {
    INVITATION: ("Your temporary password", "Your username is {username} and temporary password is {####}."),
    "ForgotPassword": ("Your password reset code", "Your password reset code is {####}"),
    "Authentication": ("Your authentication code", "Your authentication code is {####}"),
}
_DEFAULT: Final = ("Your verification code", "Your verification code is {####}")
_DEFAULT_BY_LINK: Final = (
    "Your verification link",
    "Please click the link below to verify your email address. {##Verify Email##}",
)


async def compose(
    pool: PoolView, invoke: Invoke, purpose: str, about: About, delivery: Delivery, code: str, *, public_url: str
) -> Message:
    """A message that is ready to be kept and posted.

    public_url: what a link begins with; from configuration, never from a request (attack O18).
    Raises AwsError: what the failure of a CustomMessage function is answered with, InvalidLambdaResponseException for a
    text without the code.
    """
    about = about.with_address(delivery.attribute, delivery.destination)
    is_mail = delivery.medium == EMAIL
    by_link = is_mail and purpose in _BY_LINK and _confirms_with_link(pool.document)
    subject, body = _template(pool.document, purpose, is_mail=is_mail, by_link=by_link)
    if not has_sender(pool, delivery.medium):  # a sender of the pool's own is told the code and writes its own texts
        texts = await custom_message(
            pool,
            invoke,
            purpose,
            about,
            code=CODE,
            link=LINK,
            username=USERNAME if purpose == INVITATION else None,
        )
        subject, body = _replace(subject, body, texts, purpose, is_mail=is_mail)
    link = f"{public_url}/{pool.pool_id}/confirmUser?" + urlencode(
        {"client_id": about.client_id, "user_name": about.username, "confirmation_code": code}
    )
    name = _name_of(pool.document, about)
    return Message(
        pool.pool_id,
        about.username,
        delivery.medium,
        delivery.destination,
        purpose,
        _fill(subject, code, name, link, as_html=False) if is_mail else "",
        _fill(body, code, name, link, as_html=is_mail),
        code,
    )


def _name_of(document: Mapping[str, Any], about: About) -> str:
    """What the user signs in with: in a pool of addresses, the address."""
    addresses = ((about.attributes or {}).get(name) for name in document.get("UsernameAttributes") or ())
    return next(filter(None, addresses), about.username)


def _confirms_with_link(document: Mapping[str, Any]) -> bool:
    template = document.get("VerificationMessageTemplate") or {}
    return bool(template.get("DefaultEmailOption") == "CONFIRM_WITH_LINK")


def _template(document: Mapping[str, Any], purpose: str, *, is_mail: bool, by_link: bool) -> tuple[str, str]:
    """(subject, body) with placeholders in them."""
    subject, body = _DEFAULTS.get(purpose, _DEFAULT)
    if purpose == INVITATION:
        own = (document.get("AdminCreateUserConfig") or {}).get("InviteMessageTemplate") or {}
        names = ("EmailSubject", "EmailMessage", "SMSMessage")
    elif purpose == "Authentication":
        own = {**((document.get("MfaConfig") or {}).get("EmailMfaConfiguration") or {})}
        own["SMSMessage"] = document.get("SmsAuthenticationMessage")
        names = ("Subject", "Message", "SMSMessage")
    elif by_link:
        own = document.get("VerificationMessageTemplate") or {}
        names = ("EmailSubjectByLink", "EmailMessageByLink", "")
        subject, body = _DEFAULT_BY_LINK
    else:
        own = document.get("VerificationMessageTemplate") or {}
        names = ("EmailSubject", "EmailMessage", "SmsMessage")
    return own.get(names[0]) or subject, own.get(names[1] if is_mail else names[2]) or body


def _replace(subject: str, body: str, texts: MessageTexts, purpose: str, *, is_mail: bool) -> tuple[str, str]:
    """What a CustomMessage function wrote in place of the template; it has to leave the code its place."""
    written = texts.email if is_mail else texts.sms
    if written is not None:
        has_code = CODE in written or (purpose in _BY_LINK and _LINK.search(written))
        if not has_code or (purpose == INVITATION and USERNAME not in written):
            raise AwsError(
                "InvalidLambdaResponseException",
                "Unrecognizable lambda output",
                log=f"the text of CustomMessage for {purpose} has no place for the code or the user name",
            )
    return texts.email_subject or subject, written or body


def _fill(text: str, code: str, username: str, link: str, *, as_html: bool) -> str:
    """Values in the places of their names, in one pass: a value that looks like a placeholder stays as it is."""

    def value_of(match: re.Match[str]) -> str:
        if match[0] == CODE:
            return escape(code) if as_html else code
        if match[0] == USERNAME:
            return escape(username) if as_html else username
        return f'<a href="{escape(link)}">{match[1]}</a>' if as_html else link

    return re.sub(r"\{####\}|\{username\}|\{##(.*?)##\}", value_of, text, flags=re.DOTALL)
