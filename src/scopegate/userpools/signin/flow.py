"""← A sign-in: a first factor, what the pool asks for after it, and at the end a user who is signed in.

`begin_…` starts one, `answers.answer` goes on with what a challenge brought; each gives a `Waiting` (a challenge, and
the session that its answer must bring) or a `SignedIn`. Operations make tokens of the latter, pages a browser session
and a code. The order after a first factor: status · forced new password · second factor · post-authentication function.
What waits is in the store, so any process may take the answer; a session is used up by one statement.
Source: reference, "Auth flows and challenges", "SECRET_HASH, SRP, devices", "Error texts"; attack rows O15, O17, O23.
"""

import base64
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.base.rates import Rates
from scopegate.ports import Invoke, Passwords
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools import triggers
from scopegate.userpools.messages.model import Delivery, mask
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.signin import queries, srp
from scopegate.userpools.signin.model import Challenge, digest_of, new_secret, who_is
from scopegate.userpools.triggers import About, Round, attributes_of
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users import refusals
from scopegate.userpools.users.accounts import adopt_user
from scopegate.userpools.users.attributes import could_be_username, missing_required
from scopegate.userpools.users.factors import (
    ADDRESS_OF,
    FIRST_CODES,
    has_means,
    is_required,
    is_second_factor,
    pool_factors,
    second_factors,
)
from scopegate.userpools.users.lookup import find_by_name
from scopegate.userpools.users.model import (
    CONFIRMED,
    EMAIL_OTP,
    FORCE_CHANGE_PASSWORD,
    RESET_REQUIRED,
    SMS_MFA,
    SMS_OTP,
    SOFTWARE_TOKEN_MFA,
    UNCONFIRMED,
    User,
    name_key_of,
)
from scopegate.userpools.users.office import show_delivery

PASSWORD_VERIFIER: Final = "PASSWORD_VERIFIER"  # noqa: S105 - a challenge
NEW_PASSWORD_REQUIRED: Final = "NEW_PASSWORD_REQUIRED"  # noqa: S105 - a challenge
SELECT_MFA_TYPE: Final = "SELECT_MFA_TYPE"
MFA_SETUP: Final = "MFA_SETUP"
CUSTOM_CHALLENGE: Final = "CUSTOM_CHALLENGE"
SELECT_CHALLENGE: Final = "SELECT_CHALLENGE"

_FREE_FAILURES: Final = limit("userpools.password_failures")
_LONGEST_LOCK_S: Final = limit("userpools.longest_lock_s")
_GUESSES: Final = limit("userpools.address_failures")
_GUESS_S: Final = limit("userpools.address_failure_s")
_SENT: Final = limit("userpools.sign_in_codes_per_hour")
_BLOCK_BYTES: Final = 64
AMR: Final = {SOFTWARE_TOKEN_MFA: "otp", EMAIL_OTP: "email_otp", SMS_OTP: "sms", SMS_MFA: "sms"}


class SendCode(Protocol):
    """Sends a code to a user.

    source: of the CustomMessage trigger. beside: the answer does not wait for it, so that its time does not tell who is
    there. Raises CodeDeliveryFailureException, when it waits.
    """

    def __call__(self, user: User, delivery: Delivery, source: str, code: str, *, beside: bool) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where somebody signs in. via: Family's. metadata: ClientMetadata of the answer to a challenge, for the pool's
    functions; validation_data: of the request that begins a sign-in, for those before and instead of it alone.

    guesser: whose wrong passwords are counted together, "" where they are not braked by address. rates: of codes that
    are sent to somebody who has shown no factor, None where they are not braked.
    """

    store: Store
    seal: Sealer
    passwords: Passwords
    invoke: Invoke
    send_code: SendCode
    pool: PoolView
    client: AppClient
    via: str
    metadata: Mapping[str, str] | None = None
    validation_data: Mapping[str, str] | None = None
    guesser: str = ""
    rates: Rates | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        return self.pool.document

    def about(self, user: User | None, name: str = "") -> About:
        """For events: the user, or one who is not there and is not told so."""
        if user is None:
            return About(name, self.client.client_id, {}, self.metadata)
        return About(user.username, self.client.client_id, attributes_of(user), self.metadata)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A challenge. session: "" where the parameters hold what the answer must bring back."""

    name: str
    session: str = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    available: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user who has shown all that is asked for. via: of the tokens. amr: by which means (RFC 8176)."""

    user: User
    via: str
    amr: tuple[str, ...]


Outcome = Waiting | SignedIn


# First factors


async def begin_with_password(desk: Desk, username: str, password: str) -> Outcome:
    """1 who; 2 the pre-authentication function; 3 not locked; 4 the password, and not locked meanwhile; 5 what follows.

    Raises NotAuthorizedException, UserNotFoundException (where the client does not hide it), and what functions raise.
    """
    # 1
    user = await find_somebody(desk, username)
    if user is None and "UserMigration" in desk.pool.triggers:
        user = await _migrate(desk, username, password)
        if user is not None:
            await ask_before(desk, user, username)
            return await after_first_factor(desk, user, ("pwd",))
        user = await find_somebody(desk, username)  # another sign-in may have brought them by now
    # 2
    await ask_before(desk, user, username)
    # 3
    check_lock(desk, user)
    # 4: for nobody, and for somebody who is locked and must not be told so, it takes as long.
    is_right = await desk.passwords.verify(None if user is None or is_locked(user) else user.password, password)
    if user is None or not is_right:
        await count_failure(desk, user)
        raise _nobody(desk) if user is None else refusals.wrong_password(log="the password is wrong")
    user = await look_again(desk, user)
    # 5
    return await after_first_factor(desk, user, ("pwd",))


async def begin_with_srp(desk: Desk, username: str, srp_a: str, rounds: Sequence[Round] = ()) -> Waiting:
    """PASSWORD_VERIFIER for whoever is asked for; nobody is told apart from somebody where the client hides it.

    rounds: of CUSTOM_AUTH, whose function asked for the password.
    """
    user = await find_somebody(desk, username)
    if not rounds:
        await ask_before(desk, user, username)
    if user is None and not desk.client.sign_in.hides_users:
        raise _nobody(desk)
    check_lock(desk, user)
    try:
        public = srp.parse_public(srp_a)
    except ValueError:
        raise refusals.invalid("Invalid SRP_A") from None
    pool_name = desk.pool.pool_id.partition("_")[2]
    if user is not None and user.secrets.srp_salt:
        salt, v = user.secrets.srp_salt, int.from_bytes(user.secrets.srp_verifier, "big")
    else:
        imagined = srp.simulate_verifier(
            desk.seal.digest(desk.pool.pool_id, "srp"), pool_name, name_key_of(username, desk.document)
        )
        salt, v = imagined.salt, imagined.v
    step = await desk.passwords.run(lambda: srp.begin(v))
    block = base64.b64encode(clock.token_bytes(_BLOCK_BYTES)).decode("ascii")
    name = _name_of(desk, user, username)
    state = {
        "username": name,
        "client_public": f"{public:x}",
        "private": f"{step.private:x}",
        "public": f"{step.public:x}",
        "v": f"{v:x}",
        "rounds": [each.render() for each in rounds],
    }
    await _put(desk, block, PASSWORD_VERIFIER, user, state)
    parameters = {
        "SALT": salt,
        "SRP_B": f"{step.public:x}",
        "SECRET_BLOCK": block,
        "USERNAME": name,
        "USER_ID_FOR_SRP": name,
    }
    return Waiting(PASSWORD_VERIFIER, "", parameters)


async def begin_custom(desk: Desk, username: str, srp_a: str | None) -> Outcome:
    """CUSTOM_AUTH: the pool's functions say what is asked for. srp_a: the client begins with the password's proof."""
    user = await find_somebody(desk, username)
    if user is None and not desk.client.sign_in.hides_users:
        raise _nobody(desk)
    await ask_before(desk, user, username)
    rounds = [Round("SRP_A", True)] if srp_a is not None else []
    return await go_on_custom(desk, user, username, rounds, srp_a)


async def begin_by_choice(desk: Desk, username: str, preferred: str | None, given: Mapping[str, str]) -> Outcome:
    """USER_AUTH: the user chooses the first factor. given: AuthParameters, with what the preferred one needs."""
    user = await find_somebody(desk, username)
    if user is None and not desk.client.sign_in.hides_users:
        raise _nobody(desk)
    offered = offered_factors(desk, user)
    if preferred in offered:
        chosen = await begin_chosen(desk, user, username, str(preferred), given)
        if chosen is not None:
            return chosen
    session = await put_new(desk, SELECT_CHALLENGE, user, {"username": username})
    return Waiting(SELECT_CHALLENGE, session, {}, offered)


def offered_factors(desk: Desk, user: User | None) -> tuple[str, ...]:
    """What can be chosen; where the client hides who is there, the same of everybody: all that the pool allows."""
    return first_factors(desk, None if desk.client.sign_in.hides_users else user)


def first_factors(desk: Desk, user: User | None) -> tuple[str, ...]:
    """Those that the pool allows and the user has; a code to the address of a second factor would be the same twice.

    user: None for all that the pool allows.
    """
    allowed = (desk.document.get("Policies") or {}).get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ["PASSWORD"])
    found: list[str] = []
    if "PASSWORD" in allowed and (user is None or user.password):
        found += ["PASSWORD", "PASSWORD_SRP"]
    for factor in FIRST_CODES:
        if factor in allowed and (user is None or _may_take_codes(desk, user, ADDRESS_OF[factor])):
            found.append(factor)
    return tuple(found)


def _may_take_codes(desk: Desk, user: User, attribute: str) -> bool:
    is_free = not is_second_factor(desk.document, user, attribute)
    return is_free and user.is_verified(attribute) and user.status == CONFIRMED


async def begin_chosen(
    desk: Desk, user: User | None, username: str, factor: str, given: Mapping[str, str]
) -> Outcome | None:
    """The factor that was chosen, as far as what it needs is given; None when a further step must bring it."""
    match factor:
        case "PASSWORD" if "PASSWORD" in given:
            return await begin_with_password(desk, username, given["PASSWORD"])
        case "PASSWORD_SRP" if "SRP_A" in given:
            return await begin_with_srp(desk, username, given["SRP_A"])
        case "PASSWORD" | "PASSWORD_SRP":
            return Waiting(factor, await put_new(desk, factor, user, {"username": username}), {})
        case "EMAIL_OTP" | "SMS_OTP":
            await ask_before(desk, user, username)
            _count_sent(desk, username)
            if user is None or factor not in first_factors(desk, user):
                # Somebody to whom no code can be sent is answered as nobody is, where the client hides who is there.
                return await _send_nothing(desk, user, factor, username)
            return await _send(desk, user, factor, amr=(), via=desk.via)
    return None


def _count_sent(desk: Desk, username: str) -> None:
    """Anybody may ask for a code to anybody: not without end, whoever has the name or nobody.

    Raises TooManyRequestsException.
    """
    key = ("sign-in code", desk.pool.pool_id, name_key_of(username, desk.document))
    if desk.rates is not None and not desk.rates.take(key, per_second=_SENT / 3_600, burst=_SENT):
        raise AwsError("TooManyRequestsException", "Too many requests")


async def find_somebody(desk: Desk, username: str) -> User | None:
    """Raises NotAuthorizedException for an address that guesses too often, whoever it names."""

    def find(tx: Tx) -> User | None:
        check_address(desk, tx)
        return find_by_name(tx, desk.seal, desk.document, username)

    return await desk.store.read(find)


def _name_of(desk: Desk, user: User | None, username: str) -> str:
    """The user name that answers tell. Nobody has one as well: where people sign in by something else, an id that stays
    the same (attack O17)."""
    if user is not None:
        return user.username
    if could_be_username(desk.document, username):
        return username
    digest = desk.seal.digest(name_key_of(username, desk.document), f"nobody/{desk.pool.pool_id}/sub")
    return clock.uuid_of(digest[:16].hex())


def _nobody(desk: Desk) -> AwsError:
    if desk.client.sign_in.hides_users:
        return refusals.wrong_password(log="there is no such user")
    return refusals.unknown_user()


async def ask_before(desk: Desk, user: User | None, username: str) -> None:
    if user is None and not desk.client.sign_in.hides_users:
        return
    hidden = user is None if desk.client.sign_in.hides_users else None
    about = desk.about(user, username)
    await triggers.pre_authentication(desk.pool, desk.invoke, about, desk.validation_data, user_not_found=hidden)


async def _migrate(desk: Desk, username: str, password: str) -> User | None:
    """Somebody whom the older directory knows by this password becomes a user with it."""
    about = About(username, desk.client.client_id, None, desk.metadata)
    try:
        brought = await triggers.user_migration(
            desk.pool, desk.invoke, "Authentication", about, password, desk.validation_data
        )
    except AwsError:  # which is how a function says that the password is wrong
        await count_failure(desk, None)
        raise
    if brought is None:
        return None
    try:
        return await adopt_user(desk.store, desk.seal, desk.passwords, desk.document, username, brought, password)
    except AwsError as error:
        if error.code != "UsernameExistsException":
            raise
        return None


# Wrong passwords


def check_lock(desk: Desk, user: User | None) -> None:
    """Whether a password is looked at now: not of a user who is locked.

    Where the app client does not tell who is there, a lock does not show: every password is wrong then (attack O17).
    """
    if user is not None and is_locked(user) and not desk.client.sign_in.hides_users:
        raise refusals.locked()


def is_locked(user: User) -> bool:
    return user.locked_until > clock.now()


def check_address(desk: Desk, tx: Tx) -> None:
    """Raises NotAuthorizedException for an address that guesses too often, at whichever process."""
    if desk.guesser and _is_exhausted(queries.last_guess_ends(tx, desk.pool.pool_id, desk.guesser), clock.now()):
        raise refusals.locked()


def _is_exhausted(ends_at: float, now: float) -> bool:
    return ends_at - now > (_GUESSES - 1) * _GUESS_S


async def look_again(desk: Desk, user: User) -> User:
    """The user as it stands after its password was looked at, and was right.

    Of many that are tried at once none counts that comes after the lock. Raises NotAuthorizedException.
    """
    now = await desk.store.read(lambda tx: user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key))
    check_lock(desk, now)
    if now is None or is_locked(now) or who_is(now) != who_is(user):
        raise refusals.wrong_password(log="locked, or changed, while the password was looked at")
    return now


async def count_failure(desk: Desk, user: User | None) -> None:
    """One wrong password or code more, from this address and, if there is such a user, in a row.

    From the fifth in a row on each doubles the time in which no password is looked at, to a quarter of an hour; what is
    tried meanwhile does not count.
    """
    hides_users = desk.client.sign_in.hides_users
    if user is None and not desk.guesser and not hides_users:
        return

    def count(tx: Tx) -> None:
        if desk.guesser:
            _count_guess(tx, desk.pool.pool_id, desk.guesser)
        now = None if user is None else user_queries.find_user(tx, desk.seal, user.pool_id, user.name_key)
        if now is None or is_locked(now):
            if hides_users:
                queries.write_nothing(tx, desk.seal, desk.pool.pool_id)
            return
        failures = now.failures + 1
        beyond = failures - _FREE_FAILURES
        lock_s = min(2 ** min(beyond, 20), _LONGEST_LOCK_S) if beyond >= 0 else 0
        until = clock.now() + lock_s if lock_s else 0.0
        user_queries.note_failure(tx, now.pool_id, now.name_key, failures=failures, locked_until=until)

    await desk.store.write(count)


def _count_guess(tx: Tx, pool_id: str, guesser: str) -> None:
    now, ends_at = clock.now(), queries.last_guess_ends(tx, pool_id, guesser)
    if not _is_exhausted(ends_at, now):
        queries.put_guess(tx, pool_id, guesser, max(ends_at, now) + _GUESS_S)


async def forget_failures(desk: Desk, user: User) -> None:
    if user.failures:
        await desk.store.write(
            lambda tx: user_queries.note_failure(tx, user.pool_id, user.name_key, failures=0, locked_until=0.0)
        )


# After a first factor


async def after_first_factor(desk: Desk, user: User, amr: tuple[str, ...]) -> Outcome:
    if not user.enabled:
        raise refusals.disabled()
    if user.status == UNCONFIRMED:
        raise refusals.not_confirmed()
    if user.status == RESET_REQUIRED:
        raise refusals.reset_required()
    if user.status == FORCE_CHANGE_PASSWORD:
        _check_temporary(desk, user)
        return await _ask_new_password(desk, user, amr)
    return await ask_second_factor(desk, user, amr, desk.via)


def _check_temporary(desk: Desk, user: User) -> None:
    policy = (desk.document.get("Policies") or {}).get("PasswordPolicy") or {}
    days = policy.get("TemporaryPasswordValidityDays", 7)
    if days and user.password_set_at + days * 86_400 < clock.now():
        raise refusals.not_authorized("Temporary password has expired and must be reset by an administrator.")


async def _ask_new_password(desk: Desk, user: User, amr: tuple[str, ...]) -> Waiting:
    session = await put_new(desk, NEW_PASSWORD_REQUIRED, user, {"amr": amr})
    missing = [f"userAttributes.{name}" for name in missing_required(desk.document, user.attributes)]
    shown = {name: value for name, value in user.attributes.items() if name != "sub"}
    parameters = {
        "USER_ID_FOR_SRP": user.username,
        "requiredAttributes": json.dumps(missing),
        "userAttributes": json.dumps(shown),
    }
    return Waiting(NEW_PASSWORD_REQUIRED, session, parameters)


async def ask_second_factor(desk: Desk, user: User, amr: tuple[str, ...], via: str) -> Outcome:
    """Raises MFAMethodNotFoundException for a user whose factors are on, and who cannot be asked for any of them."""
    wanted = second_factors(desk.document, user)
    factors = [factor for factor in wanted if has_means(user, factor)]
    if wanted and not factors:
        raise AwsError("MFAMethodNotFoundException", "No MFA mechanism registered in the account.")
    if not factors and is_required(desk.document):
        return await _ask_set_up(desk, user, amr, via)
    if not factors:
        return await finish(desk, user, amr, via)
    if user.preferred_mfa in factors:
        factors = [user.preferred_mfa]
    if len(factors) > 1:
        state = {"amr": amr, "via": via, "factors": factors}
        session = await put_new(desk, SELECT_MFA_TYPE, user, state)
        parameters = {"MFAS_CAN_CHOOSE": json.dumps(factors), "USER_ID_FOR_SRP": user.username}
        return Waiting(SELECT_MFA_TYPE, session, parameters)
    return await ask_factor(desk, user, factors[0], amr, via)


async def _ask_set_up(desk: Desk, user: User, amr: tuple[str, ...], via: str) -> Outcome:
    """MFA is required and this user has nothing that serves: an app must be set up, or an address told."""
    session = await put_new(desk, MFA_SETUP, user, {"amr": amr, "via": via})
    can = json.dumps(pool_factors(desk.document))
    return Waiting(MFA_SETUP, session, {"MFAS_CAN_SETUP": can, "USER_ID_FOR_SRP": user.username})


async def ask_factor(desk: Desk, user: User, factor: str, amr: tuple[str, ...], via: str) -> Waiting:
    if factor == SOFTWARE_TOKEN_MFA:
        session = await put_new(desk, SOFTWARE_TOKEN_MFA, user, {"amr": amr, "via": via})
        parameters = {"FRIENDLY_DEVICE_NAME": user.totp_name, "USER_ID_FOR_SRP": user.username}
        return Waiting(SOFTWARE_TOKEN_MFA, session, parameters)
    return await _send(desk, user, factor, amr=amr, via=via)


async def _send(desk: Desk, user: User, factor: str, *, amr: tuple[str, ...], via: str) -> Waiting:
    """Send a code by mail or SMS."""
    code, sent_to = _new_code(factor), user.attributes[ADDRESS_OF[factor]]
    beside = not amr and desk.client.sign_in.hides_users
    await desk.send_code(user, Delivery(ADDRESS_OF[factor], sent_to), "Authentication", code, beside=beside)
    session = await put_new(desk, factor, user, {"amr": amr, "via": via, "code": code, "sent_to": sent_to})
    return _ask_code(factor, session, user.username, mask(sent_to))


async def _send_nothing(desk: Desk, user: User | None, factor: str, username: str) -> Waiting:
    """As `_send` of a first factor answers, where there is nobody to send to, or where nobody may know."""
    session = await put_new(desk, factor, None, {"amr": (), "via": desk.via, "code": _new_code(factor), "sent_to": ""})
    shown = show_delivery(desk.seal, desk.document, user, username, ADDRESS_OF[factor])
    return _ask_code(factor, session, _name_of(desk, user, username), shown["Destination"])


def _new_code(factor: str) -> str:
    return clock.new_id(8 if factor in FIRST_CODES else 6, "0123456789")


def _ask_code(factor: str, session: str, username: str, destination: str) -> Waiting:
    medium = Delivery(ADDRESS_OF[factor], destination).medium
    sent = {"CODE_DELIVERY_DELIVERY_MEDIUM": medium, "CODE_DELIVERY_DESTINATION": destination}
    return Waiting(factor, session, sent if factor == SMS_OTP else {**sent, "USER_ID_FOR_SRP": username})


async def finish(desk: Desk, user: User, amr: tuple[str, ...], via: str) -> SignedIn:
    """The end of every sign-in: nothing before it forgets wrong passwords and codes, or one could go on guessing."""
    await forget_failures(desk, user)
    await triggers.post_authentication(desk.pool, desk.invoke, desk.about(user))
    return SignedIn(user, via, amr)


# CUSTOM_AUTH


async def go_on_custom(
    desk: Desk, user: User | None, username: str, rounds: Sequence[Round], srp_a: str | None
) -> Outcome:
    """What the pool's function wants next: tokens, an end, the password's proof, or a challenge of its own."""
    hidden = user is None if desk.client.sign_in.hides_users else None
    about = desk.about(user, username)
    said = await triggers.define_auth_challenge(desk.pool, desk.invoke, about, rounds, user_not_found=hidden)
    if said.fail_authentication or (said.issue_tokens and user is None):
        raise refusals.wrong_password(log="DefineAuthChallenge ended the sign-in")
    if said.issue_tokens and user is not None:
        if user.status in (FORCE_CHANGE_PASSWORD, RESET_REQUIRED) or not user.enabled:
            return await after_first_factor(desk, user, ("custom",))
        if user.status == UNCONFIRMED:
            raise refusals.not_confirmed()
        return await finish(desk, user, (), desk.via)
    if said.challenge_name == PASSWORD_VERIFIER and srp_a is not None:
        return await begin_with_srp(desk, username, srp_a, rounds)
    if said.challenge_name != CUSTOM_CHALLENGE:
        raise AwsError("InvalidLambdaResponseException", "Unrecognizable lambda output")
    made = await triggers.create_auth_challenge(
        desk.pool, desk.invoke, about, CUSTOM_CHALLENGE, rounds, user_not_found=hidden
    )
    state = {
        "username": username,
        "private": dict(made.private),
        "metadata": made.metadata,
        "rounds": [each.render() for each in rounds],
    }
    session = await put_new(desk, CUSTOM_CHALLENGE, user, state)
    return Waiting(CUSTOM_CHALLENGE, session, {**made.public, "USERNAME": _name_of(desk, user, username)})


def read_rounds(rendered: Sequence[Mapping[str, Any]]) -> list[Round]:
    return [Round(each["challengeName"], each["challengeResult"], each["challengeMetadata"]) for each in rendered]


# What waits, in the store


async def put_new(desk: Desk, kind: str, user: User | None, state: Mapping[str, Any]) -> str:
    session = new_secret()
    await _put(desk, session, kind, user, state)
    return session


async def _put(desk: Desk, secret: str, kind: str, user: User | None, state: Mapping[str, Any]) -> None:
    challenge = Challenge(
        pool_id=desk.pool.pool_id,
        client_id=desk.client.client_id,
        name_key=user.name_key if user is not None else "",
        expires_at=clock.now() + desk.client.sign_in.session_lifetime_s,
        kind=kind,
        state={**state, **(who_is(user) if user is not None else {})},
    )
    await desk.store.write(lambda tx: queries.add_challenge(tx, desk.seal, digest_of(secret), challenge))
