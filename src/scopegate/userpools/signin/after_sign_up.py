"""Signing in at the end of a sign-up, by sessions instead of a factor once more.

SignUp's session tells that its holder chose the password; ConfirmSignUp's, that its holder had the code, and the
password too if it was asked for with SignUp's. InitiateAuth takes them for first factors, of those that the pool
allows; second factors are asked for as ever.
Source: the model's texts of SignUp, ConfirmSignUp and InitiateAuth (Session); reference, "Auth flows and challenges".
"""

from collections.abc import Mapping
from typing import Final

from scopegate.base.errors import AwsError
from scopegate.userpools.messages.model import Delivery
from scopegate.userpools.signin.answers import find_answered, use_up
from scopegate.userpools.signin.flow import (
    AMR,
    Desk,
    Outcome,
    after_first_factor,
    ask_before,
    first_factors,
    put_new,
)
from scopegate.userpools.users import refusals
from scopegate.userpools.users.factors import ADDRESS_OF, FIRST_CODES
from scopegate.userpools.users.model import CONFIRMED, User

USER_AUTH: Final = "ALLOW_USER_AUTH"

# What waits. Neither is a challenge that RespondToAuthChallenge knows.
_SIGN_UP: Final = "SIGN_UP"
_CONFIRMED: Final = "CONFIRMED_SIGN_UP"

_PASSWORD: Final = "PASSWORD"  # noqa: S105 - a factor
_FACTOR_OF: Final[Mapping[str, str]] = {ADDRESS_OF[factor]: factor for factor in FIRST_CODES}
_AMR: Final[Mapping[str, str]] = {_PASSWORD: "pwd", **AMR}


async def open_sign_up(desk: Desk, user: User) -> str:
    """The session of somebody who has just signed up; "" where nothing comes of one."""
    if USER_AUTH not in desk.client.auth_flows or user.status == CONFIRMED:
        return ""
    return await put_new(desk, _SIGN_UP, user, {"factors": [_PASSWORD] if user.password else []})


async def confirm(desk: Desk, user: User, delivery: Delivery | None, session: str | None) -> str:
    """The session of somebody who has just confirmed a sign-up by the code; "" where nothing comes of one.

    delivery: where the code went. session: of SignUp; one that is not of this sign-up, or not any more, tells nothing.
    """
    if USER_AUTH not in desk.client.auth_flows:
        return ""
    factors = [] if delivery is None else [_FACTOR_OF[delivery.attribute]]
    if session:
        try:
            begun = await find_answered(desk, _SIGN_UP, session, {"USERNAME": user.username})
            await use_up(desk, begun)
            factors += begun.challenge.state["factors"]
        except AwsError as refused:
            if refused.code != "NotAuthorizedException":
                raise
    return await put_new(desk, _CONFIRMED, user, {"factors": factors})


async def begin_by_session(desk: Desk, username: str, session: str) -> Outcome | None:
    """A sign-in by ConfirmSignUp's session, which works once; None where the pool wants another first factor.

    Raises NotAuthorizedException for a session that is not of this user's sign-up, or not any more.
    """
    found = await find_answered(desk, _CONFIRMED, session, {"USERNAME": username})
    if found.user is None:
        raise refusals.invalid_session()
    allowed = first_factors(desk, found.user)
    shown = [factor for factor in (_PASSWORD, *FIRST_CODES) if factor in found.challenge.state["factors"]]
    counting = [factor for factor in shown if factor in allowed]
    if not counting:
        return None
    await use_up(desk, found)
    await ask_before(desk, found.user, username)
    return await after_first_factor(desk, found.user, (_AMR[counting[0]],))
