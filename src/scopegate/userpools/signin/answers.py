"""What challenges are answered with, and where each answer leads: one function a challenge, in one table.

`answer` finds what waits, holds the answer against it and goes on with `flow`. A right answer uses the session up, by
one statement; a wrong code may be tried again, a few times.
Source: reference, "Auth flows and challenges"; attack rows O15, O17, O23.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import pyotp

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.store.port import Tx
from scopegate.userpools import triggers
from scopegate.userpools.signin import queries, srp
from scopegate.userpools.signin.flow import (
    AMR,
    CUSTOM_CHALLENGE,
    MFA_SETUP,
    NEW_PASSWORD_REQUIRED,
    PASSWORD_VERIFIER,
    SELECT_CHALLENGE,
    SELECT_MFA_TYPE,
    Desk,
    Outcome,
    after_first_factor,
    ask_factor,
    ask_second_factor,
    begin_chosen,
    check_address,
    check_lock,
    count_failure,
    find_somebody,
    finish,
    go_on_custom,
    is_locked,
    look_again,
    offered_factors,
    put_new,
    read_rounds,
)
from scopegate.userpools.signin.model import Challenge, digest_of, who_is
from scopegate.userpools.triggers import Round
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users import refusals
from scopegate.userpools.users.accounts import change_attributes, hash_password, is_alias_taken, with_password
from scopegate.userpools.users.attributes import check_attributes, in_order, missing_required
from scopegate.userpools.users.factors import ADDRESS_OF, pool_factors, second_factors
from scopegate.userpools.users.model import CONFIRMED, EMAIL_OTP, SMS_MFA, SMS_OTP, SOFTWARE_TOKEN_MFA, User
from scopegate.userpools.users.passwords import check_history, check_policy

_TRIES: Final = limit("userpools.challenge_tries")
_SRP_CLOCK_S: Final = 300  # how far the client's clock may be off


@dataclass(frozen=True, slots=True)
class Answer:
    """What a challenge was answered with. user: None for one who is not there, and must not be told so."""

    digest: bytes
    challenge: Challenge
    user: User | None
    given: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """A response that must be there. Raises InvalidParameterException."""
        value = self.given.get(name)
        if not value:
            raise refusals.invalid(f"Missing required parameter {name}")
        return value

    @property
    def amr(self) -> tuple[str, ...]:
        return tuple(self.challenge.state.get("amr", ()))

    @property
    def via(self) -> str:
        return str(self.challenge.state["via"])


async def answer(desk: Desk, name: str, session: str | None, given: Mapping[str, str]) -> Outcome:
    """Go on with a sign-in. name: the challenge that is answered; given: ChallengeResponses.

    1 the session is there, of this pool, client and challenge, and not over; 2 its user is as the answer says, and has
    the password of then; 3 the answer.

    Raises NotAuthorizedException, CodeMismatchException, InvalidParameterException, …
    """
    answered = ANSWERS.get(name)
    if answered is None:
        raise refusals.invalid(f"Challenge {name} is not supported")
    secret = given.get("PASSWORD_CLAIM_SECRET_BLOCK") if name == PASSWORD_VERIFIER else session
    if not secret:
        raise refusals.invalid(
            "Missing required parameter PASSWORD_CLAIM_SECRET_BLOCK"
            if name == PASSWORD_VERIFIER
            else "Missing required parameter Session"
        )
    # 1, 2
    found = await find_answered(desk, name, secret, given)
    # 3
    return await answered(desk, found)


async def find_answered(desk: Desk, name: str, secret: str, given: Mapping[str, str]) -> Answer:
    digest = digest_of(secret)

    def find(tx: Tx) -> tuple[Challenge, User | None]:
        check_address(desk, tx)
        challenge = queries.find_challenge(tx, desk.seal, digest)
        if challenge is None or challenge.kind != name:
            raise refusals.invalid_session()
        if (challenge.pool_id, challenge.client_id) != (desk.pool.pool_id, desk.client.client_id):
            raise refusals.invalid_session()
        user = None
        if challenge.name_key:
            user = user_queries.find_user(tx, desk.seal, challenge.pool_id, challenge.name_key)
        return challenge, user

    challenge, user = await desk.store.read(find)
    if challenge.expires_at <= clock.now():
        raise refusals.invalid_session(", session is expired.")
    if challenge.name_key and (user is None or not user.enabled):
        raise refusals.disabled() if user is not None else refusals.invalid_session()
    if user is not None and any(challenge.state.get(key) != value for key, value in who_is(user).items()):
        raise refusals.invalid_session()
    named = given.get("USERNAME")
    if named:
        other = await find_somebody(desk, named)  # looked for whoever is waiting, so that time does not tell (O17)
        if user is not None and (other is None or other.name_key != user.name_key):
            raise refusals.invalid_session()
    return Answer(digest, challenge, user, given)


async def use_up(desk: Desk, found: Answer) -> None:
    """Raises NotAuthorizedException when another answer was first."""
    taken = await desk.store.write(lambda tx: queries.take_challenge(tx, found.digest))
    if not taken.result:
        raise refusals.invalid_session(", session can only be used once.")


async def _count_try(desk: Desk, found: Answer) -> None:
    """A wrong code may be tried again, a few times: each try is counted before it is looked at, whatever it brings.

    Raises NotAuthorizedException when there were too many.
    """
    counted = await desk.store.write(lambda tx: queries.count_try(tx, found.digest, _TRIES))
    if not counted.result:
        raise refusals.invalid_session()


async def _end_if_tried(desk: Desk, found: Answer) -> None:
    """After a wrong code."""
    await desk.store.write(lambda tx: queries.end_tried_challenge(tx, found.digest, _TRIES))


async def _count_wrong(desk: Desk, found: Answer) -> None:
    """A wrong code counts as a wrong password does: whoever has the password would else go on guessing in a new sign-in
    each time (attack rows O15, O23)."""
    await _end_if_tried(desk, found)
    await count_failure(desk, found.user)


async def _answer_verifier(desk: Desk, found: Answer) -> Outcome:
    """PASSWORD_VERIFIER: the block works once, whatever comes with it."""
    state, user = found.challenge.state, found.user
    timestamp, signature = found.get("TIMESTAMP"), found.get("PASSWORD_CLAIM_SIGNATURE")
    block = base64.b64decode(found.get("PASSWORD_CLAIM_SECRET_BLOCK"))
    await use_up(desk, found)
    check_lock(desk, user)
    pool_name = desk.pool.pool_id.partition("_")[2]
    step = srp.ServerStep(int(state["private"], 16), int(state["public"], 16))

    def proves() -> bool:
        try:
            at = srp.parse_timestamp(timestamp)
            key = srp.compute_key(int(state["client_public"], 16), step, int(state["v"], 16))
        except ValueError:
            return False
        proven = srp.is_proof(key, pool_name, state["username"], block, timestamp, signature)
        # The client's clock is a real one, whatever this server's is turned to.
        return proven and abs(clock.real_now() - at) <= _SRP_CLOCK_S

    is_proven = await desk.passwords.run(proves)
    is_right = is_proven and user is not None and bool(user.secrets.srp_salt) and not is_locked(user)
    rounds = read_rounds(state["rounds"])
    if user is None or not is_right:
        await count_failure(desk, user)
        raise refusals.wrong_password(log="the proof of the password is wrong")
    user = await look_again(desk, user)
    if rounds:
        return await go_on_custom(desk, user, user.username, [*rounds, Round(PASSWORD_VERIFIER, True)], None)
    return await after_first_factor(desk, user, ("pwd",))


async def _answer_new_password(desk: Desk, found: Answer) -> Outcome:
    user = _somebody(found)
    password = found.get("NEW_PASSWORD")
    given = {
        name.removeprefix("userAttributes."): value
        for name, value in found.given.items()
        if name.startswith("userAttributes.")
    }
    for name, value in given.items():
        if user.attributes.get(name) and user.attributes[name] != value:
            raise refusals.invalid(f"Cannot modify an already provided {name}")
    check_attributes(desk.document, given, before=user.attributes, writable=desk.client.sign_in.write_attributes)
    attributes = in_order(desk.document, {**user.attributes, **given})
    missing = missing_required(desk.document, attributes)
    if missing:
        raise refusals.invalid(f"Invalid attributes given, {missing[0]} is missing")
    policy = (desk.document.get("Policies") or {}).get("PasswordPolicy") or {}
    check_policy(policy, password)
    if remembered := policy.get("PasswordHistorySize") or 0:
        known = (user.password, *user.password_history)[:remembered]
        await check_history(desk.passwords, [phc for phc in known if phc], password)
    hashed = await hash_password(desk.passwords, user.pool_id, user.username, password)

    def change(tx: Tx) -> User:
        if not queries.take_challenge(tx, found.digest):
            raise refusals.invalid_session(", session can only be used once.")
        now = user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or not now.enabled or who_is(now) != who_is(user):
            raise refusals.invalid_session()
        changed = replace(with_password(now, hashed, clock.now(), remembered=remembered), status=CONFIRMED)
        return change_attributes(tx, desk.seal, desk.document, changed, {**now.attributes, **given}, clock.now())

    changed = (await desk.store.write(change)).result
    return await ask_second_factor(desk, changed, found.amr, "NewPasswordChallenge")


async def _answer_totp(desk: Desk, found: Answer) -> Outcome:
    user, given = _somebody(found), found.get("SOFTWARE_TOKEN_MFA_CODE")
    check_lock(desk, user)
    await _count_try(desk, found)
    step = None if is_locked(user) else find_totp_step(user.secrets.totp or "", given, user.totp_step)
    if step is None:
        await _count_wrong(desk, found)
        raise AwsError("CodeMismatchException", "Invalid code received for user")

    def take(tx: Tx) -> bool:
        now = user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or is_locked(now) or now.totp_step >= step or not queries.take_challenge(tx, found.digest):
            return False
        user_queries.put_user(tx, desk.seal, replace(now, totp_step=step))
        return True

    if not (await desk.store.write(take)).result:
        raise refusals.invalid_session(", session can only be used once.")
    return await finish(desk, user, (*found.amr, AMR[SOFTWARE_TOKEN_MFA], "mfa"), found.via)


def find_totp_step(secret: str, code: str, last_step: int) -> int | None:
    """The time step that a code is of, within one step of now and after `last_step`; None for a wrong code."""
    if not secret or not code.isascii() or not code.isdigit():
        return None
    totp = pyotp.TOTP(secret)
    current = int(clock.now()) // totp.interval
    for step in (current, current - 1, current + 1):
        if step > last_step and hmac.compare_digest(totp.generate_otp(step), code):
            return step
    return None


async def _answer_code(desk: Desk, found: Answer) -> Outcome:
    """EMAIL_OTP, SMS_OTP and SMS_MFA: the code that was sent."""
    kind = found.challenge.kind
    given = found.given.get(f"{kind}_CODE") or found.given.get("ANSWER") or ""
    if not given:
        raise refusals.invalid(f"Missing required parameter {kind}_CODE")
    check_lock(desk, found.user)
    await _count_try(desk, found)
    expected = str(found.challenge.state["code"])
    is_right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    if found.user is None or not is_right or is_locked(found.user):
        await _count_wrong(desk, found)
        raise AwsError("CodeMismatchException", "Invalid code or auth state for the user.")
    user = await _prove_address(desk, found, found.user)
    used = AMR[kind]
    if found.amr:
        return await finish(desk, user, (*found.amr, used, "mfa"), found.via)
    return await after_first_factor(desk, user, (used,))


async def _prove_address(desk: Desk, found: Answer, user: User) -> User:
    """Use the session up by a code that is right; the user, whose address is verified by it unless it is another's.

    Raises NotAuthorizedException: another answer was first, the address is another one now, or the user is locked by
    wrong codes that were tried at the same time.
    """
    attribute, sent_to = ADDRESS_OF[found.challenge.kind], found.challenge.state["sent_to"]

    def prove(tx: Tx) -> User:
        if not queries.take_challenge(tx, found.digest):
            raise refusals.invalid_session(", session can only be used once.")
        now = user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or is_locked(now) or now.attributes.get(attribute) != sent_to:
            raise refusals.invalid_session()
        attributes = {**now.attributes, f"{attribute}_verified": "true"}
        if now.is_verified(attribute) or is_alias_taken(tx, desk.document, now, attributes):
            return now
        return change_attributes(tx, desk.seal, desk.document, now, attributes, clock.now())

    return (await desk.store.write(prove)).result


async def _answer_mfa_choice(desk: Desk, found: Answer) -> Outcome:
    user = _somebody(found)
    chosen = {"EMAIL_MFA": EMAIL_OTP}.get(found.get("ANSWER"), found.get("ANSWER"))
    if chosen not in found.challenge.state["factors"]:
        raise refusals.invalid(f"The MFA type {chosen} is not one that the user can choose")
    await use_up(desk, found)
    return await ask_factor(desk, user, chosen, found.amr, found.via)


async def _answer_set_up(desk: Desk, found: Answer) -> Outcome:
    """MFA_SETUP: by the session that VerifySoftwareToken gave, or by an address that codes are to go to from now on.

    The latter is as AWS Amplify answers it.
    """
    user = _somebody(found)
    if email := found.given.get("EMAIL"):
        return await _set_up_mail(desk, found, user, email)
    if not found.challenge.state.get("verified"):
        raise refusals.invalid("The authenticator app is not verified yet")
    await use_up(desk, found)
    return await finish(desk, user, (*found.amr, "otp", "mfa"), found.via)


async def _set_up_mail(desk: Desk, found: Answer, user: User, email: str) -> Outcome:
    """The address of a user who has none, and no factor; the code that goes there at once proves it."""
    if EMAIL_OTP not in pool_factors(desk.document):
        raise refusals.invalid("The user pool does not have MFA by email")
    writable = desk.client.sign_in.write_attributes
    check_attributes(desk.document, {"email": email}, before=user.attributes, writable=writable)

    def change(tx: Tx) -> User:
        if not queries.take_challenge(tx, found.digest):
            raise refusals.invalid_session(", session can only be used once.")
        now = user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or second_factors(desk.document, now):
            raise refusals.invalid_session()
        attributes = {**now.attributes, "email": email, "email_verified": "false"}
        return change_attributes(tx, desk.seal, desk.document, now, attributes, clock.now())

    changed = (await desk.store.write(change)).result
    return await ask_factor(desk, changed, EMAIL_OTP, found.amr, found.via)


async def _answer_choice(desk: Desk, found: Answer) -> Outcome:
    """SELECT_CHALLENGE, PASSWORD and PASSWORD_SRP of USER_AUTH."""
    kind = found.challenge.kind
    factor = found.get("ANSWER") if kind == SELECT_CHALLENGE else kind
    username = str(found.challenge.state["username"])
    if factor not in offered_factors(desk, found.user):
        raise refusals.invalid("The challenge that was selected is not available for the user")
    await use_up(desk, found)
    chosen = await begin_chosen(desk, found.user, username, factor, found.given)
    assert chosen is not None
    return chosen


def _somebody(found: Answer) -> User:
    if found.user is None:
        raise refusals.invalid_session()
    return found.user


async def _answer_custom(desk: Desk, found: Answer) -> Outcome:
    state = found.challenge.state
    given = found.get("ANSWER")
    await use_up(desk, found)
    username = str(state["username"])
    hidden = found.user is None if desk.client.sign_in.hides_users else None
    is_right = await triggers.verify_auth_challenge(
        desk.pool, desk.invoke, desk.about(found.user, username), state["private"], given, user_not_found=hidden
    )
    rounds = [*read_rounds(state["rounds"]), Round(CUSTOM_CHALLENGE, is_right, state["metadata"])]
    return await go_on_custom(desk, found.user, username, rounds, None)


# An authenticator app, set up before there are tokens


async def associate_totp(desk: Desk, session: str) -> tuple[str, str]:
    """(secret, new session) for a sign-in that waits for MFA_SETUP (AssociateSoftwareToken)."""
    found = await find_answered(desk, MFA_SETUP, session, {})
    user = _somebody(found)
    secret = pyotp.random_base32()
    await use_up(desk, found)
    state = {**found.challenge.state, "totp": secret}
    return secret, await put_new(desk, MFA_SETUP, user, state)


async def verify_totp(desk: Desk, session: str, code: str, device_name: str) -> str:
    """The new session, with which MFA_SETUP is answered (VerifySoftwareToken).

    Raises EnableSoftwareTokenMFAException.
    """
    found = await find_answered(desk, MFA_SETUP, session, {})
    user = _somebody(found)
    secret = str(found.challenge.state.get("totp") or "")
    await _count_try(desk, found)
    step = find_totp_step(secret, code, 0)
    if step is None:
        await _end_if_tried(desk, found)
        raise AwsError("EnableSoftwareTokenMFAException", "Code mismatch")

    def enable(tx: Tx) -> None:
        now = user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or SOFTWARE_TOKEN_MFA in now.mfa:
            raise refusals.invalid_session()
        if not queries.take_challenge(tx, found.digest):
            raise refusals.invalid_session(", session can only be used once.")
        user_queries.put_user(tx, desk.seal, with_totp(now, secret, step, device_name))

    await desk.store.write(enable)
    return await put_new(desk, MFA_SETUP, user, {**found.challenge.state, "verified": True})


def with_totp(user: User, secret: str, step: int, device_name: str) -> User:
    """The user with an authenticator app that has proved itself, as a second factor that is on."""
    mfa = tuple(dict.fromkeys((*user.mfa, SOFTWARE_TOKEN_MFA)))
    secrets = replace(user.secrets, totp=secret, pending_totp=None)
    return replace(
        user,
        secrets=secrets,
        mfa=mfa,
        preferred_mfa=user.preferred_mfa or SOFTWARE_TOKEN_MFA,
        totp_step=step,
        totp_name=device_name,
        modified_at=clock.now(),
    )


ANSWERS: Final[Mapping[str, Callable[[Desk, Answer], Awaitable[Outcome]]]] = {
    CUSTOM_CHALLENGE: _answer_custom,
    EMAIL_OTP: _answer_code,
    MFA_SETUP: _answer_set_up,
    NEW_PASSWORD_REQUIRED: _answer_new_password,
    "PASSWORD": _answer_choice,
    "PASSWORD_SRP": _answer_choice,
    PASSWORD_VERIFIER: _answer_verifier,
    SELECT_CHALLENGE: _answer_choice,
    SELECT_MFA_TYPE: _answer_mfa_choice,
    SMS_MFA: _answer_code,
    SMS_OTP: _answer_code,
    SOFTWARE_TOKEN_MFA: _answer_totp,
}
"""By the challenge's name. Devices and passkeys have none here yet."""
