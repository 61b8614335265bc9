"""The functions that a user pool calls: what each is told, and what its answer means.

Each public coroutine is one trigger: it builds the event, invokes the function as the pool, and reads the answer; what
that decides is done by whoever called. A pool without the trigger gets the answer that changes nothing. A function that
may not be invoked, fails, is late or answers something else decides nothing: the operation is refused.
Source: reference, "Lambda triggers", "Pre-token generation", "Error texts".
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

import orjson
import structlog

from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Invocation, InvocationAnswer, Invoke
from scopegate.userpools.model import PoolView, Trigger
from scopegate.userpools.users.model import User

Event = dict[str, Any]

PRINCIPAL: Final = "cognito-idp.amazonaws.com"
NO_CLIENT: Final = "CLIENT_ID_NOT_APPLICABLE"
"""The `clientId` of an operator's call, which has no app client."""

PRE_TOKEN_GENERATION: Final = "PreTokenGeneration"  # noqa: S105 - a trigger
MACHINE_VERSION: Final = "V3_0"
"""The version of a pre-token function that is asked about tokens of machines too."""

_TIMEOUT_S: Final = limit("userpools.trigger_timeout_ms") / 1000
_TRIES: Final = limit("userpools.trigger_tries")
_MOST_CLAIMS: Final = limit("userpools.trigger_claims")
_LONGEST_TEXT: Final = limit("userpools.trigger_error_characters")
_CALLER: Final = "aws-sdk-unknown-unknown"
_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class About:
    """Whom an event is about, and who asks.

    attributes: `userAttributes`; None for an event that has none. client_metadata: None where no such member is.
    """

    username: str
    client_id: str = NO_CLIENT
    attributes: Mapping[str, str] | None = None
    client_metadata: Mapping[str, str] | None = None

    def with_address(self, attribute: str, address: str) -> "About":
        """As a message to an address is told of: it is the user's already, who still has to prove it."""
        attributes = self.attributes or {}
        if attributes.get(attribute) == address:
            return self
        return replace(self, attributes={**attributes, attribute: address, f"{attribute}_verified": "false"})


def attributes_of(user: User) -> dict[str, str]:
    """`userAttributes` of a user who is there."""
    return {"sub": user.sub, **user.attributes, "cognito:user_status": user.status}


# Sign-up


@dataclass(frozen=True, slots=True)
class SignUpChoice:
    """What PreSignUp chose for a new user."""

    confirm: bool = False
    verify_email: bool = False
    verify_phone: bool = False


async def pre_sign_up(
    pool: PoolView, invoke: Invoke, source: str, about: About, validation_data: Mapping[str, str] | None
) -> SignUpChoice:
    """source: SignUp, AdminCreateUser or ExternalProvider."""
    names = ("autoConfirmUser", "autoVerifyEmail", "autoVerifyPhone")

    def read(response: Mapping[str, Any]) -> SignUpChoice:
        return SignUpChoice(*(_read_flag(response, name) for name in names))

    request = {"validationData": _given(validation_data)}
    response = dict.fromkeys(names, False)
    return await _ask(pool, invoke, "PreSignUp", source, about, request, response, read, SignUpChoice())


async def post_confirmation(pool: PoolView, invoke: Invoke, source: str, about: About) -> None:
    """source: ConfirmSignUp or ConfirmForgotPassword."""
    await _ask(pool, invoke, "PostConfirmation", source, about, {}, {}, _read_nothing, None)


# Sign-in


async def pre_authentication(
    pool: PoolView,
    invoke: Invoke,
    about: About,
    validation_data: Mapping[str, str] | None,
    *,
    user_not_found: bool | None = None,
) -> None:
    """user_not_found: None where the app client does not hide who is there: such a user never comes here."""
    request: Event = {"validationData": _given(validation_data), **_not_found(user_not_found)}
    await _ask(pool, invoke, "PreAuthentication", "Authentication", about, request, {}, _read_nothing, None)


async def post_authentication(pool: PoolView, invoke: Invoke, about: About, *, new_device_used: bool = False) -> None:
    request = {"newDeviceUsed": new_device_used}
    await _ask(pool, invoke, "PostAuthentication", "Authentication", about, request, {}, _read_nothing, None)


@dataclass(frozen=True, slots=True)
class Round:
    """One challenge of a sign-in that is behind: `session` of the events."""

    challenge_name: str
    result: bool
    metadata: str | None = None

    def render(self) -> Event:
        return {
            "challengeName": self.challenge_name,
            "challengeResult": self.result,
            "challengeMetadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class NextChallenge:
    """What DefineAuthChallenge said: tokens, an end, or the name of a challenge; exactly one of them."""

    challenge_name: str = ""
    issue_tokens: bool = False
    fail_authentication: bool = False


async def define_auth_challenge(
    pool: PoolView, invoke: Invoke, about: About, session: Sequence[Round], *, user_not_found: bool | None = None
) -> NextChallenge:
    """Raises InvalidUserPoolConfigurationException for a pool without the trigger."""
    request: Event = {"session": [each.render() for each in session], **_not_found(user_not_found)}
    response = {"challengeName": None, "issueTokens": None, "failAuthentication": None}
    name = "DefineAuthChallenge"
    _require(pool, name)
    said: NextChallenge = await _ask(
        pool, invoke, name, "Authentication", about, request, response, _read_next, NextChallenge()
    )
    return said


def _read_next(response: Mapping[str, Any]) -> NextChallenge:
    said = NextChallenge(
        _read_text(response, "challengeName") or "",
        _read_flag(response, "issueTokens"),
        _read_flag(response, "failAuthentication"),
    )
    if said.fail_authentication:  # whatever else it says
        return NextChallenge(fail_authentication=True)
    if said.issue_tokens:
        return NextChallenge(issue_tokens=True)
    if not said.challenge_name:
        raise _Unusable
    return said


@dataclass(frozen=True, slots=True)
class CustomChallenge:
    """What CreateAuthChallenge made. private: what the answer is held against; it never leaves the server."""

    public: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: str | None = None


async def create_auth_challenge(
    pool: PoolView,
    invoke: Invoke,
    about: About,
    challenge_name: str,
    session: Sequence[Round],
    *,
    user_not_found: bool | None = None,
) -> CustomChallenge:
    """Raises InvalidUserPoolConfigurationException for a pool without the trigger."""
    request: Event = {
        "challengeName": challenge_name,
        "session": [each.render() for each in session],
        **_not_found(user_not_found),
    }
    response = {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None}

    def read(answer: Mapping[str, Any]) -> CustomChallenge:
        return CustomChallenge(
            _read_texts(answer, "publicChallengeParameters"),
            _read_texts(answer, "privateChallengeParameters"),
            _read_text(answer, "challengeMetadata"),
        )

    name = "CreateAuthChallenge"
    _require(pool, name)
    return await _ask(pool, invoke, name, "Authentication", about, request, response, read, CustomChallenge())


async def verify_auth_challenge(
    pool: PoolView,
    invoke: Invoke,
    about: About,
    private: Mapping[str, str],
    answer: str,
    *,
    user_not_found: bool | None = None,
) -> bool:
    """Whether the answer to a custom challenge is right.

    Raises InvalidUserPoolConfigurationException for a pool without the trigger.
    """
    request: Event = {
        "privateChallengeParameters": dict(private),
        "challengeAnswer": answer,
        **_not_found(user_not_found),
    }
    name = "VerifyAuthChallengeResponse"
    _require(pool, name)

    def read(response: Mapping[str, Any]) -> bool:
        return _read_flag(response, "answerCorrect")

    return await _ask(pool, invoke, name, "Authentication", about, request, {"answerCorrect": None}, read, False)


# Users of an older directory


@dataclass(frozen=True, slots=True)
class MigratedUser:
    """A user whom UserMigration brought. status: CONFIRMED or RESET_REQUIRED. sms_mfa: codes by SMS are asked for.

    Nobody is welcomed: the invitation would tell the password, which is the user's own.
    """

    attributes: Mapping[str, str]
    status: str
    force_alias: bool
    sms_mfa: bool


async def user_migration(
    pool: PoolView,
    invoke: Invoke,
    source: str,
    about: About,
    password: str | None,
    validation_data: Mapping[str, str] | None,
) -> MigratedUser | None:
    """Whom the function brings for somebody who is not there; None when it brings nobody.

    source: Authentication, with the password that was tried, or ForgotPassword.
    """
    request: Event = {
        **({} if password is None else {"password": password}),
        "validationData": _given(validation_data),
    }
    response = {
        "userAttributes": None,
        "forceAliasCreation": None,
        "enableSMSMFA": None,
        "finalUserStatus": None,
        "messageAction": None,
        "desiredDeliveryMediums": None,
    }
    return await _ask(pool, invoke, "UserMigration", source, about, request, response, _read_migrated, None)


def _read_migrated(response: Mapping[str, Any]) -> MigratedUser | None:
    attributes = _read_texts(response, "userAttributes")
    if not attributes:
        return None
    status = response.get("finalUserStatus") or "RESET_REQUIRED"
    action = response.get("messageAction") or None
    known = status in ("CONFIRMED", "RESET_REQUIRED") and action in (None, "RESEND", "SUPPRESS")
    sms_mfa = _read_flag(response, "enableSMSMFA")
    if not known or not set(_read_names(response, "desiredDeliveryMediums")) <= {"EMAIL", "SMS"}:
        raise _Unusable
    if sms_mfa and not attributes.get("phone_number"):
        raise _Unusable
    return MigratedUser(attributes, status, _read_flag(response, "forceAliasCreation"), sms_mfa)


# Messages


@dataclass(frozen=True, slots=True)
class MessageTexts:
    """What CustomMessage wrote; None for what it left to the pool's template."""

    sms: str | None = None
    email: str | None = None
    email_subject: str | None = None


async def custom_message(
    pool: PoolView, invoke: Invoke, source: str, about: About, *, code: str, link: str | None, username: str | None
) -> MessageTexts:
    """source: SignUp, AdminCreateUser, ResendCode, ForgotPassword, UpdateUserAttribute, VerifyUserAttribute or
    Authentication. code, link, username: the placeholders that a text may have, not their values."""
    request = {"codeParameter": code, "linkParameter": link, "usernameParameter": username}
    names = ("smsMessage", "emailMessage", "emailSubject")

    def read(response: Mapping[str, Any]) -> MessageTexts:
        return MessageTexts(*(_read_text(response, name) for name in names))

    response = dict.fromkeys(names)
    return await _ask(pool, invoke, "CustomMessage", source, about, request, response, read, MessageTexts())


_SENDERS: Final[Mapping[str, str]] = {"EMAIL": "CustomEmailSender", "SMS": "CustomSMSSender"}


def has_sender(pool: PoolView, medium: str) -> bool:
    """Whether the pool sends its messages of this medium by a function of its own."""
    return _SENDERS[medium] in pool.triggers


async def custom_sender(pool: PoolView, invoke: Invoke, medium: str, source: str, about: About, code: str) -> bool:
    """Hand a code to the pool's own sender; False for a pool without one. A sender that fails stops nothing, and what
    it answers is not read.

    medium: EMAIL or SMS. code: as the event has it.
    """
    name = _SENDERS[medium]
    if name not in pool.triggers:
        return False
    request = {"type": "customEmailSenderRequestV1" if medium == "EMAIL" else "customSMSSenderRequestV1", "code": code}
    try:
        await _call(pool, invoke, name, source, about, request, {})
    except AwsError as error:
        log.warning("trigger.sender_failed", trigger=name, user_pool_id=pool.pool_id, code=error.code)
    return True


# Tokens


@dataclass(frozen=True, slots=True)
class GroupConfiguration:
    """The groups that tokens tell: all of the user's, and the roles that go with them."""

    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    preferred_role: str | None = None

    def render(self) -> Event:
        return {
            "groupsToOverride": list(self.groups),
            "iamRolesToOverride": list(self.roles),
            "preferredRole": self.preferred_role,
        }


_CLOSED_CLAIMS: Final = frozenset(
    {
        "acr",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "azp",
        "client_id",
        "device_key",
        "event_id",
        "exp",
        "iat",
        "identities",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "origin_jti",
        "scope",  # by scopesToAdd and scopesToSuppress only
        "sub",
        "token_use",
        "username",
        "version",
    }
)


def _is_closed(claim: str) -> bool:
    """Whether a function may neither set a claim nor take it away: such attempts are ignored."""
    return claim in _CLOSED_CLAIMS or claim.startswith("cognito:")


@dataclass(frozen=True, slots=True)
class ClaimChanges:
    """What a function changes in the claims of one kind of token."""

    add: Mapping[str, Any] = field(default_factory=dict)
    suppress: frozenset[str] = frozenset()

    def apply(self, claims: Mapping[str, Any], audience: str | None = None) -> dict[str, Any]:
        """The claims as the token has them. audience: the `aud` that may be added, an access token's client id."""
        changed = {name: value for name, value in claims.items() if name not in self.suppress or _is_closed(name)}
        changed |= {name: value for name, value in self.add.items() if not _is_closed(name)}
        if audience is not None and "aud" not in claims and self.add.get("aud") == audience:
            changed["aud"] = audience
        return changed


@dataclass(frozen=True, slots=True)
class TokenChanges:
    """What a pre-token function decides. groups: those that both tokens tell instead of the user's; None leaves them.

    The access token's own claims are never touched by a function of version V1_0.
    """

    id_token: ClaimChanges = ClaimChanges()
    access_token: ClaimChanges = ClaimChanges()
    scopes_to_add: tuple[str, ...] = ()
    scopes_to_suppress: frozenset[str] = frozenset()
    groups: GroupConfiguration | None = None

    def apply_to_scopes(self, scopes: Sequence[str]) -> tuple[str, ...]:
        names = dict.fromkeys((*scopes, *self.scopes_to_add))
        return tuple(name for name in names if name not in self.scopes_to_suppress)


NO_CHANGES: Final = TokenChanges()


async def pre_token_generation(
    pool: PoolView,
    invoke: Invoke,
    source: str,
    about: About,
    groups: GroupConfiguration | None,
    scopes: Sequence[str],
) -> TokenChanges:
    """source: HostedAuth, Authentication, NewPasswordChallenge, AuthenticateDevice, RefreshTokens, or
    ClientCredentials, which only a function of version V3_0 is asked about. groups: None for a machine."""
    trigger = pool.triggers.get(PRE_TOKEN_GENERATION)
    if trigger is None or (source == "ClientCredentials" and trigger.version != MACHINE_VERSION):
        return NO_CHANGES
    request: Event = {"groupConfiguration": None if groups is None else groups.render()}
    if trigger.version == "V1_0":
        root, read = "claimsOverrideDetails", _read_changes_1
    else:
        request["scopes"] = list(scopes)
        root, read = "claimsAndScopeOverrideDetails", _read_changes
    return await _ask(pool, invoke, PRE_TOKEN_GENERATION, source, about, request, {root: None}, read, NO_CHANGES)


def has_machine_trigger(pool: PoolView) -> bool:
    """Whether a function decides over tokens of machines."""
    trigger = pool.triggers.get(PRE_TOKEN_GENERATION)
    return trigger is not None and trigger.version == MACHINE_VERSION


async def pre_token_of_machine(
    pool: PoolView, invoke: Invoke, client_id: str, scopes: Sequence[str], metadata: Mapping[str, str]
) -> TokenChanges:
    """What the pool's function changes in a token that a client gets for itself."""
    about = About("ClientCredentials", client_id, {}, metadata)
    return await pre_token_generation(pool, invoke, "ClientCredentials", about, None, scopes)


def _read_changes_1(response: Mapping[str, Any]) -> TokenChanges:
    details = _read_object(response, "claimsOverrideDetails")
    changes = _read_claims(details, of_text=True)
    return TokenChanges(id_token=changes, groups=_read_groups(details))


def _read_changes(response: Mapping[str, Any]) -> TokenChanges:
    details = _read_object(response, "claimsAndScopeOverrideDetails")
    access = _read_object(details, "accessTokenGeneration")
    changes = TokenChanges(
        id_token=_read_claims(_read_object(details, "idTokenGeneration")),
        access_token=_read_claims(access),
        scopes_to_add=_read_names(access, "scopesToAdd"),
        scopes_to_suppress=frozenset(_read_names(access, "scopesToSuppress")),
        groups=_read_groups(details),
    )
    tokens = (changes.id_token, changes.access_token)
    count = sum(len(each.add) + len(each.suppress) for each in tokens)
    if count + len(changes.scopes_to_add) + len(changes.scopes_to_suppress) > _MOST_CLAIMS:
        raise _Unusable
    if not all(_SCOPE.fullmatch(scope) for scope in changes.scopes_to_add):
        raise _Unusable
    return changes


def _read_claims(details: Mapping[str, Any], *, of_text: bool = False) -> ClaimChanges:
    add = _read_texts(details, "claimsToAddOrOverride") if of_text else _read_object(details, "claimsToAddOrOverride")
    return ClaimChanges(dict(add), frozenset(_read_names(details, "claimsToSuppress")))


def _read_groups(details: Mapping[str, Any]) -> GroupConfiguration | None:
    """An empty or null object takes all groups away; only one that is left out leaves them."""
    if "groupOverrideDetails" not in details:
        return None
    groups = _read_object(details, "groupOverrideDetails")
    return GroupConfiguration(
        _read_names(groups, "groupsToOverride"),
        _read_names(groups, "iamRolesToOverride"),
        _read_text(groups, "preferredRole"),
    )


# Asking


class _Unusable(Exception):
    """An answer that is not what the trigger answers."""


def _require(pool: PoolView, name: str) -> None:
    if name not in pool.triggers:
        raise AwsError("InvalidUserPoolConfigurationException", f"{name} trigger is not configured for the user pool.")


def _given(mapping: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if mapping is None else dict(mapping)


def _not_found(user_not_found: bool | None) -> Event:
    return {} if user_not_found is None else {"userNotFound": user_not_found}


async def _ask(
    pool: PoolView,
    invoke: Invoke,
    name: str,
    source: str,
    about: About,
    request: Event,
    response: Event,
    read: Callable[[Mapping[str, Any]], T],
    otherwise: T,
) -> T:
    """What one function says; `otherwise` for a pool without it. name: as LambdaConfig has it."""
    if name not in pool.triggers:
        return otherwise
    answer = await _call(pool, invoke, name, source, about, request, response)
    try:
        event = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise _invalid("Invalid lambda function output : Invalid JSON", name, pool) from None
    try:
        return read(_read_object(_read_object({"event": event}, "event", needed=True), "response"))
    except _Unusable:
        raise _invalid("Unrecognizable lambda output", name, pool) from None


async def _call(
    pool: PoolView, invoke: Invoke, name: str, source: str, about: About, request: Event, response: Event
) -> bytes:
    """What a function that the pool has answers to an event: again when it is late; its error is the caller's."""
    trigger = pool.triggers[name]
    payload = orjson.dumps(_render_event(pool, trigger, name, source, about, request, response))
    answer = await _invoke(pool, invoke, trigger, name, payload)
    if answer.function_error is not None:
        text = _error_text(answer.payload)
        raise AwsError("UserLambdaValidationException", f"{name} failed with error {text}.")
    return answer.payload


_SOURCES: Final[Mapping[str, str]] = {
    "PreTokenGeneration": "TokenGeneration",
}
"""Where the trigger's name in `triggerSource` is not that of LambdaConfig."""

_VERSIONS: Final[Mapping[str, str]] = {"V1_0": "1", "V2_0": "2", "V3_0": "3"}


def _render_event(
    pool: PoolView, trigger: Trigger, name: str, source: str, about: About, request: Event, response: Event
) -> Event:
    attributes = {} if about.attributes is None else {"userAttributes": dict(about.attributes)}
    metadata = {} if about.client_metadata is None else {"clientMetadata": dict(about.client_metadata)}
    return {
        "version": _VERSIONS[trigger.version],
        "triggerSource": f"{_SOURCES.get(name, name)}_{source}",
        "region": pool.region,
        "userPoolId": pool.pool_id,
        "userName": about.username,
        "callerContext": {"awsSdkVersion": _CALLER, "clientId": about.client_id},
        "request": {**attributes, **request, **metadata},
        "response": response,
    }


async def _invoke(pool: PoolView, invoke: Invoke, trigger: Trigger, name: str, payload: bytes) -> InvocationAnswer:
    invocation = Invocation(trigger.function_arn, payload, principal=PRINCIPAL, source_arn=pool.arn)
    for _ in range(_TRIES):
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await invoke(invocation)
        except TimeoutError:
            log.info("trigger.late", trigger=name, user_pool_id=pool.pool_id, function=trigger.function_arn)
        except AwsError as error:
            why = f"{error.code}: {error.message}"
            raise _unexpected(name, f"{error.code}.", why) from error
    raise _unexpected(name, "Socket timeout while invoking Lambda function.", f"no answer in {_TRIES} tries")


def _unexpected(name: str, cause: str, why: str) -> AwsError:
    text = f"{name} invocation failed due to error {cause}"
    return AwsError("UnexpectedLambdaException", text, log=f"trigger {name}: {why}")


def _invalid(text: str, name: str, pool: PoolView) -> AwsError:
    return AwsError("InvalidLambdaResponseException", text, log=f"trigger {name} of {pool.pool_id}: {text}")


def _error_text(payload: bytes) -> str:
    """`errorMessage` of a function's error: it is the function's word to its user, bounded."""
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return ""
    message = error.get("errorMessage") if isinstance(error, dict) else None
    return message[:_LONGEST_TEXT] if isinstance(message, str) else ""


# Reading answers


def _read_nothing(_: Mapping[str, Any]) -> None:
    return None


def _read_object(holder: Mapping[str, Any], name: str, *, needed: bool = False) -> Mapping[str, Any]:
    value = holder.get(name)
    if value is None and not needed:
        return _NOTHING
    if not isinstance(value, dict):
        raise _Unusable
    return value


def _read_flag(response: Mapping[str, Any], name: str) -> bool:
    value = response.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Unusable
    return bool(value)


def _read_text(response: Mapping[str, Any], name: str) -> str | None:
    value = response.get(name)
    if value is not None and not isinstance(value, str):
        raise _Unusable
    return value


def _read_texts(response: Mapping[str, Any], name: str) -> dict[str, str]:
    """A map of texts; numbers and truth values in it count as they are written in JSON."""
    found: dict[str, str] = {}
    for key, value in _read_object(response, name).items():
        if isinstance(value, str):
            found[key] = value
        elif isinstance(value, (bool, int, float)):
            found[key] = orjson.dumps(value).decode()
        elif value is not None:
            raise _Unusable
    return found


def _read_names(details: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = details.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _Unusable
    return tuple(value)
