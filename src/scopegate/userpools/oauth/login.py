"""← /login: the password, what the pool asks for after it, and back to the application.

Source: reference, "/login"; attack rows O8, O15, O17.
"""

from scopegate.base.errors import AwsError
from scopegate.http.message import Response
from scopegate.userpools.oauth import session
from scopegate.userpools.oauth.challenges import answer_challenge, go_on, is_challenge
from scopegate.userpools.oauth.forgot_password import forgot_page
from scopegate.userpools.oauth.people import can_recover, can_use_code, desk_of, read_fault, sign_in_page
from scopegate.userpools.oauth.session import SignedIn
from scopegate.userpools.oauth.sign_up import confirm_later
from scopegate.userpools.oauth.visit import Visit, read_asked, read_form
from scopegate.userpools.pages.render import Values
from scopegate.userpools.signin.flow import begin_by_choice, begin_with_password
from scopegate.userpools.users.model import EMAIL_OTP


async def answer_login(visit: Visit) -> Response:
    """1 what is asked; 2 who is signed in; 3 to look: the application at once, or a page; 4 a form: the account that
    is signed in, the answer to a challenge, or a first factor. Raises NoRedirect, Redirected, StaleForm."""
    # 1
    asked = read_asked(visit)
    # 2
    signed_in = await session.find(visit)
    may_choose = signed_in is not None and session.may_be_chosen(asked, signed_in)
    # 3
    if not visit.is_form:
        if signed_in is not None and not session.asks_again(asked, signed_in):
            return await session.hand_over(visit, signed_in)
        if "none" in asked.prompts:
            raise asked.answering.refuse("login_required")
        if (kept := await visit.find_kept()) is not None:
            return kept
        if signed_in is not None and may_choose:
            return _choose_account(visit, signed_in)
        return sign_in_page(visit, asked.sent.get("login_hint", ""))
    # 4
    read_form(visit)
    if "account" in visit.form:
        return await session.hand_over(visit, signed_in) if signed_in and may_choose else sign_in_page(visit)
    if is_challenge(visit):
        return await answer_challenge(visit)
    return await _answer_first_factor(visit)


def _choose_account(visit: Visit, signed_in: SignedIn) -> Response:
    """`prompt=select_account`: the one that is signed in, or another."""
    attributes = signed_in.user.attributes
    name = attributes.get("email") or attributes.get("phone_number") or signed_in.user.username
    return visit.page(
        "choose",
        hidden=Values(),
        title=visit.say("selectAccount.title"),
        lead=visit.say("selectAccount.lead"),
        choices=[{"name": "account", "value": "signed-in", "title": name, "text": ""}],
        other_link=visit.link("/login", prompt="login"),
        other_text=visit.say("selectAccount.other"),
    )


async def _answer_first_factor(visit: Visit) -> Response:
    """A password, or the wish for a code by mail in its place."""
    username, password = visit.form.get("username", "").strip(), visit.form.get("password", "")
    by_code = visit.form.get("factor") == EMAIL_OTP and can_use_code(visit)
    if not username or not (password or by_code):
        return sign_in_page(visit, username, error=visit.say("error.incorrect"))
    desk = desk_of(visit)
    try:
        if by_code:
            return await go_on(visit, await begin_by_choice(desk, username, EMAIL_OTP, {}))
        return await go_on(visit, await begin_with_password(desk, username, password))
    except AwsError as error:
        fault = read_fault(visit, error)
        if error.code == "UserNotConfirmedException":
            return await confirm_later(visit, username)
        if error.code == "PasswordResetRequiredException" and can_recover(visit):
            return forgot_page(visit, username, fault)
        return sign_in_page(visit, username, error=fault.beside(()))
