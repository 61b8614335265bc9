"""← /forgotPassword and /confirmforgotPassword: a code by mail or SMS, and a new password by the code.

Source: reference, "Other pages", "Sign-up and recovery"; attack rows O8, O17, O23.
"""

from scopegate.base.errors import AwsError
from scopegate.http.message import Response
from scopegate.userpools.oauth.faults import Fault
from scopegate.userpools.oauth.people import office_of, password_rules, read_fault, sign_in_page, user_field
from scopegate.userpools.oauth.visit import Visit, read_asked, read_form
from scopegate.userpools.pages.render import Values
from scopegate.userpools.users.recovery import confirm_forgot_password, forgot_password


async def answer_forgot(visit: Visit) -> Response:
    """1 what is asked; 2 to look: the form; 3 a form: a code is sent; 4 the page that takes it."""
    # 1, 2
    read_asked(visit)
    if not visit.is_form:
        return await visit.find_kept() or forgot_page(visit, "")
    # 3
    read_form(visit)
    username = visit.form.get("username", "").strip()
    if not username:
        return forgot_page(visit, "", Fault(fields=Values(username=visit.say("error.required"))))
    try:
        sent = await forgot_password(office_of(visit), username)
    except AwsError as error:
        return forgot_page(visit, username, read_fault(visit, error))
    # 4
    return _reset_page(visit, Values(username=username, destination=sent["Destination"]), Fault())


async def answer_confirm_forgot(visit: Visit) -> Response:
    """1 what is asked; 2 to look: the form; 3 a form: code and password; 4 the sign-in page."""
    # 1, 2
    read_asked(visit)
    if not visit.is_form:
        return await visit.find_kept() or _reset_page(visit, Values(), Fault())
    # 3
    read_form(visit)
    form = visit.form
    hidden = Values({name: form.get(name, "") for name in ("username", "destination")})
    username, password = hidden["username"].strip(), form.get("password", "")
    if password != form.get("confirm_password", ""):
        differ = Values(confirm_password=visit.say("error.passwordsDiffer"))
        return _reset_page(visit, hidden, Fault(fields=differ))
    try:
        await confirm_forgot_password(office_of(visit), username, "".join(form.get("code", "").split()), password)
    except AwsError as error:
        return _reset_page(visit, hidden, read_fault(visit, error))
    # 4
    return sign_in_page(visit, username, notice=visit.say("reset.notice"))


def forgot_page(visit: Visit, username: str, fault: Fault | None = None) -> Response:
    fault = fault or Fault()
    label, kind, _ = user_field(visit)
    return visit.page(
        "forgot_password",
        path="/forgotPassword",
        user_label=label,
        user_type=kind,
        username=username,
        error=fault.beside({"username"}),
        errors=fault.fields,
    )


def _reset_page(visit: Visit, hidden: Values, fault: Fault) -> Response:
    given = {name: value for name, value in hidden.items() if value}
    # A code that was not refused need not be typed again.
    code = "" if fault.fields["code"] else visit.form.get("code", "")
    return visit.page(
        "confirm_forgot_password",
        hidden=Values(given),
        destination=hidden["destination"],
        user_label=user_field(visit)[0],
        username="",
        code=code,
        rules=password_rules(visit, fault.refusal),
        error=fault.beside({"code", "password", "confirm_password", *(() if hidden["username"] else ("username",))}),
        errors=fault.fields,
    )
