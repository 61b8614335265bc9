"""What the pages about users share: how a pool's users are called, what its forms ask for, where they sign in."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from scopegate.base.errors import AwsError
from scopegate.http.message import Response
from scopegate.userpools.oauth.faults import Fault
from scopegate.userpools.oauth.visit import Visit
from scopegate.userpools.pages.fields import Field, Rule, field_of, label_of, rules_of
from scopegate.userpools.signin.desk import open_desk
from scopegate.userpools.signin.flow import Desk
from scopegate.userpools.signin.model import HOSTED
from scopegate.userpools.users.attributes import username_attributes
from scopegate.userpools.users.model import EMAIL_OTP
from scopegate.userpools.users.office import Office

_ATTRIBUTE: Final = "requiredAttributes[{}]"

log = structlog.get_logger()


def desk_of(visit: Visit) -> Desk:
    """Where this visit's user signs in."""
    asked = visit.asked
    return open_desk(
        asked.pool,
        asked.client,
        visit.edge.ports,
        visit.store,
        visit.seal,
        via=HOSTED,
        address=visit.request.peer[0],
        settings=visit.edge.settings,
    )


def office_of(visit: Visit) -> Office:
    """Where this visit's user is made, confirmed or changed. The application, or a link, has named its client."""
    assert visit.client is not None
    pool = visit.view.pool_by_id[visit.client.pool_id]
    return Office(pool, visit.client, visit.edge.ports, visit.store, visit.seal)


def user_field(visit: Visit) -> tuple[str, str, str]:
    """(label, type of the input, autocomplete) of the field that says who somebody is."""
    names = username_attributes(visit.asked.pool.document)
    if len(names) == 2:
        return visit.say("name.emailOrPhone"), "text", "username"
    if names:
        field = field_of(names[0], visit.language)
        return field.label, field.type, "username"
    return label_of("username", visit.language), "text", "username"


def can_sign_up(visit: Visit) -> bool:
    document = visit.asked.pool.document
    return not (document.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly", False)


def can_recover(visit: Visit) -> bool:
    """Whether people may reset their passwords themselves."""
    setting = visit.asked.pool.document.get("AccountRecoverySetting") or {}
    names = [each["Name"] for each in setting.get("RecoveryMechanisms") or ()]
    return names != ["admin_only"]


def can_use_code(visit: Visit) -> bool:
    """Whether a code by mail may stand in for the password: the pool allows it, and the client the flow of choice."""
    policies = visit.asked.pool.document.get("Policies") or {}
    factors = (policies.get("SignInPolicy") or {}).get("AllowedFirstAuthFactors") or ()
    return EMAIL_OTP in factors and "ALLOW_USER_AUTH" in visit.asked.client.auth_flows


def sign_up_fields(visit: Visit) -> list[Field]:
    """The attributes that the sign-up form asks for: those that the pool requires, and those that it verifies, for
    without one of these no code can be sent."""
    document = visit.asked.pool.document
    by_name = username_attributes(document)
    required = [
        each["Name"]
        for each in document.get("SchemaAttributes") or ()
        if each.get("Required") and each["Name"] != "sub"
    ]
    verified = document.get("AutoVerifiedAttributes") or ()
    # Of two that are verified either will do.
    needed = {*required, *verified} if len(verified) == 1 and not by_name else set(required)
    names = dict.fromkeys((*verified, *required))
    shown = [name for name in names if not (len(by_name) == 1 and name in by_name)]
    return [
        field_of(name, visit.language, visit.form.get(_ATTRIBUTE.format(name), ""), required=name in needed)
        for name in shown
    ]


def named_fields(visit: Visit, names: Iterable[str]) -> list[Field]:
    """Fields of these attributes, with what the form brought."""
    return [field_of(name, visit.language, visit.form.get(_ATTRIBUTE.format(name), "")) for name in names]


def read_attributes(visit: Visit) -> dict[str, str]:
    """The attributes that the form brought and that are not empty."""
    before, _, after = _ATTRIBUTE.partition("{}")
    return {
        name.removeprefix(before).removesuffix(after): value.strip()
        for name, value in visit.form.items()
        if name.startswith(before) and name.endswith(after) and value.strip()
    }


def password_rules(visit: Visit, refusal: str = "") -> list[Rule]:
    """What the pool asks of a password. refusal: AWS's text about the one that was sent."""
    policies: Mapping[str, Any] = visit.asked.pool.document.get("Policies") or {}
    return list(rules_of(policies.get("PasswordPolicy") or {}, visit.language, refusal))


def sign_in_page(visit: Visit, username: str = "", *, error: str = "", notice: str = "") -> Response:
    label, kind, _ = user_field(visit)
    return visit.page(
        "sign_in",
        path="/login",
        user_label=label,
        user_type=kind,
        username=username,
        can_recover=can_recover(visit),
        can_sign_up=can_sign_up(visit),
        can_use_code=can_use_code(visit),
        error=error,
        notice=notice,
    )


def read_fault(visit: Visit, error: AwsError) -> Fault:
    """What the page says of a refusal; the log says why."""
    log.info(
        "sign_in.refused",
        client_id=visit.client.client_id if visit.client else "",
        error=error.code,
        why=error.log or error.message,
        path=visit.request.path.decode("latin-1"),
        request_id=visit.request_id,
    )
    return Fault.of(error, visit.language)
