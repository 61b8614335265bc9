"""What a pool's functions are told and what their answers mean; the function is the port, as it answers over Lambda."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.ports import Invocation, InvocationAnswer
from scopegate.userpools import triggers
from scopegate.userpools.model import PoolView, Trigger
from scopegate.userpools.triggers import About, GroupConfiguration, Round, TokenChanges
from tests.rooms.userpools.driver import CLIENT, World

ARN = "arn:aws:lambda:us-east-1:000000000000:function:trigger"
ADA = About("ada", CLIENT, {"sub": "1-2", "email": "ada@example.com"})
POOL_ID = "us-east-1_AbCdEf123"

Answer = Callable[[dict[str, Any]], Any]


class Function:
    """A function behind the port: what it was sent, and what it says to that."""

    def __init__(self, answer: Answer = lambda event: event) -> None:
        self.invocations: list[Invocation] = []
        self._answer = answer

    async def __call__(self, invocation: Invocation) -> InvocationAnswer:
        self.invocations.append(invocation)
        said = self._answer(json.loads(invocation.payload))
        if isinstance(said, InvocationAnswer):
            return said
        return InvocationAnswer("r", said if isinstance(said, bytes) else json.dumps(said).encode(), "$LATEST")

    @property
    def event(self) -> dict[str, Any]:
        (invocation,) = self.invocations
        event: dict[str, Any] = json.loads(invocation.payload)
        return event


def respond(**response: Any) -> Answer:
    return lambda event: {**event, "response": {**event["response"], **response}}


def pool_with(world: World, name: str, version: str = "V1_0") -> PoolView:
    pool = world.view.pool_by_id[POOL_ID]
    return replace(pool, triggers=MappingProxyType({name: Trigger(ARN, version)}))


def refusal(awaitable: Any) -> tuple[str, str | None]:
    with pytest.raises(AwsError) as refused:
        asyncio.run(awaitable)
    return refused.value.code, refused.value.message


# What every trigger has


def test_the_common_event(world: World) -> None:
    """Reference, "Lambda triggers"; members in the order of the published events."""
    function = Function()
    about = replace(ADA, client_metadata={"plan": "gold"})

    asyncio.run(triggers.post_confirmation(pool_with(world, "PostConfirmation"), function, "ConfirmSignUp", about))

    assert json.dumps(function.event) == json.dumps(
        {
            "version": "1",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "region": "us-east-1",
            "userPoolId": POOL_ID,
            "userName": "ada",
            "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": CLIENT},
            "request": {
                "userAttributes": {"sub": "1-2", "email": "ada@example.com"},
                "clientMetadata": {"plan": "gold"},
            },
            "response": {},
        }
    )


def test_a_function_is_invoked_as_the_pool(world: World) -> None:
    """Its resource policy has to name the service and may name the pool."""
    function, pool = Function(), pool_with(world, "PostConfirmation")

    asyncio.run(triggers.post_confirmation(pool, function, "ConfirmSignUp", ADA))

    (invocation,) = function.invocations
    assert (invocation.function_arn, invocation.principal, invocation.source_arn) == (
        ARN,
        "cognito-idp.amazonaws.com",
        "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_AbCdEf123",
    )


def test_a_pool_without_the_trigger_asks_nobody(world: World) -> None:
    function, pool = Function(), pool_with(world, "UserMigration")

    async def ask_all() -> list[Any]:
        return [
            await triggers.pre_sign_up(pool, function, "SignUp", ADA, None),
            await triggers.post_confirmation(pool, function, "ConfirmSignUp", ADA),
            await triggers.pre_authentication(pool, function, ADA, None),
            await triggers.post_authentication(pool, function, ADA),
            await triggers.custom_message(pool, function, "SignUp", ADA, code="{####}", link=None, username=None),
            await triggers.custom_sender(pool, function, "EMAIL", "SignUp", ADA, "MTIz"),
            await triggers.pre_token_generation(pool, function, "Authentication", ADA, GroupConfiguration(), ()),
        ]

    said = asyncio.run(ask_all())

    assert said == [triggers.SignUpChoice(), None, None, None, triggers.MessageTexts(), False, TokenChanges()]
    assert function.invocations == []


@pytest.mark.parametrize("name", ["DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"])
def test_custom_authentication_needs_its_functions(world: World, name: str) -> None:
    """Fail closed: without a function there is nothing that could say yes."""
    pool = pool_with(world, "PreSignUp")
    ask = {
        "DefineAuthChallenge": triggers.define_auth_challenge(pool, Function(), ADA, []),
        "CreateAuthChallenge": triggers.create_auth_challenge(pool, Function(), ADA, "CUSTOM_CHALLENGE", []),
        "VerifyAuthChallengeResponse": triggers.verify_auth_challenge(pool, Function(), ADA, {}, "x"),
    }
    wanted = ask.pop(name)
    for other in ask.values():
        other.close()

    assert refusal(wanted)[0] == "InvalidUserPoolConfigurationException"


# Functions that do not answer as they should


def failed(payload: bytes) -> Answer:
    return lambda _: InvocationAnswer("r", payload, "$LATEST", function_error="Unhandled")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            failed(b'{"errorMessage":"no robots","errorType":"Exception"}'),
            ("UserLambdaValidationException", "PreSignUp failed with error no robots."),
        ),
        (failed(b"{}"), ("UserLambdaValidationException", "PreSignUp failed with error .")),
        (failed(b"\xff"), ("UserLambdaValidationException", "PreSignUp failed with error .")),
        (
            lambda _: b"<html>",
            ("InvalidLambdaResponseException", "Invalid lambda function output : Invalid JSON"),
        ),
        (lambda _: None, ("InvalidLambdaResponseException", "Unrecognizable lambda output")),
        (lambda _: [], ("InvalidLambdaResponseException", "Unrecognizable lambda output")),
        (lambda _: {"response": "yes"}, ("InvalidLambdaResponseException", "Unrecognizable lambda output")),
        (respond(autoConfirmUser="true"), ("InvalidLambdaResponseException", "Unrecognizable lambda output")),
        (respond(autoConfirmUser=1), ("InvalidLambdaResponseException", "Unrecognizable lambda output")),
    ],
)
def test_a_function_that_answers_something_else_decides_nothing(
    world: World, answer: Answer, said: tuple[str, str]
) -> None:
    """Reference, "Error texts"."""
    pool, function = pool_with(world, "PreSignUp"), Function(answer)

    assert refusal(triggers.pre_sign_up(pool, function, "SignUp", ADA, None)) == said
    assert len(function.invocations) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "TooManyRequestsException"])
def test_a_function_that_may_not_be_invoked_is_named_by_the_failure(world: World, code: str) -> None:
    def refuse(_: Any) -> Any:
        raise AwsError(code, "secret detail")

    asked = triggers.pre_sign_up(pool_with(world, "PreSignUp"), Function(refuse), "SignUp", ADA, None)

    assert refusal(asked) == ("UnexpectedLambdaException", f"PreSignUp invocation failed due to error {code}.")


def test_a_function_that_is_late_is_asked_three_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference: 5 s limit, up to 3 tries on time-out."""
    assert (triggers._TIMEOUT_S, triggers._TRIES) == (5.0, 3)
    monkeypatch.setattr(triggers, "_TIMEOUT_S", 0.01)
    tries = 0

    async def sleep(_: Invocation) -> InvocationAnswer:
        nonlocal tries
        tries += 1
        await asyncio.sleep(10)
        raise AssertionError

    asked = triggers.pre_sign_up(pool_with(world, "PreSignUp"), sleep, "SignUp", ADA, None)

    assert refusal(asked) == (
        "UnexpectedLambdaException",
        "PreSignUp invocation failed due to error Socket timeout while invoking Lambda function.",
    )
    assert tries == 3


# Each trigger


def test_pre_sign_up(world: World) -> None:
    function = Function(respond(autoConfirmUser=True, autoVerifyEmail=True))

    said = asyncio.run(triggers.pre_sign_up(pool_with(world, "PreSignUp"), function, "SignUp", ADA, {"invite": "7"}))

    assert said == triggers.SignUpChoice(confirm=True, verify_email=True, verify_phone=False)
    assert function.event["request"]["validationData"] == {"invite": "7"}
    assert function.event["response"] == {
        "autoConfirmUser": False,
        "autoVerifyEmail": False,
        "autoVerifyPhone": False,
    }


def test_pre_and_post_authentication(world: World) -> None:
    before, after = Function(), Function()

    asyncio.run(
        triggers.pre_authentication(
            pool_with(world, "PreAuthentication"), before, ADA, {"device": "x"}, user_not_found=False
        )
    )
    asyncio.run(triggers.post_authentication(pool_with(world, "PostAuthentication"), after, ADA))

    assert before.event["triggerSource"] == "PreAuthentication_Authentication"
    assert before.event["request"] == {
        "userAttributes": dict(ADA.attributes or {}),
        "validationData": {"device": "x"},
        "userNotFound": False,
    }
    assert after.event["triggerSource"] == "PostAuthentication_Authentication"
    assert after.event["request"]["newDeviceUsed"] is False


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ({"challengeName": "CUSTOM_CHALLENGE"}, triggers.NextChallenge("CUSTOM_CHALLENGE")),
        ({"issueTokens": True}, triggers.NextChallenge(issue_tokens=True)),
        ({"failAuthentication": True}, triggers.NextChallenge(fail_authentication=True)),
        ({"failAuthentication": True, "issueTokens": True}, triggers.NextChallenge(fail_authentication=True)),
        ({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": True}, triggers.NextChallenge(issue_tokens=True)),
        (
            {"challengeName": "PASSWORD_VERIFIER", "issueTokens": False, "failAuthentication": False},
            triggers.NextChallenge("PASSWORD_VERIFIER"),
        ),
    ],
)
def test_define_auth_challenge(world: World, response: dict[str, Any], said: Any) -> None:
    function = Function(respond(**response))
    session = [Round("SRP_A", result=True), Round("CUSTOM_CHALLENGE", result=False, metadata="m")]

    answer = asyncio.run(
        triggers.define_auth_challenge(pool_with(world, "DefineAuthChallenge"), function, ADA, session)
    )

    assert answer == said
    assert function.event["request"]["session"] == [
        {"challengeName": "SRP_A", "challengeResult": True, "challengeMetadata": None},
        {"challengeName": "CUSTOM_CHALLENGE", "challengeResult": False, "challengeMetadata": "m"},
    ]
    assert function.event["response"] == {"challengeName": None, "issueTokens": None, "failAuthentication": None}


@pytest.mark.parametrize("response", [{}, {"issueTokens": False}, {"issueTokens": "true"}, {"challengeName": 1}])
def test_a_definition_that_says_nothing_lets_nobody_in(world: World, response: dict[str, Any]) -> None:
    asked = triggers.define_auth_challenge(
        pool_with(world, "DefineAuthChallenge"), Function(respond(**response)), ADA, []
    )

    assert refusal(asked) == ("InvalidLambdaResponseException", "Unrecognizable lambda output")


def test_create_and_verify_auth_challenge(world: World) -> None:
    create = Function(
        respond(
            publicChallengeParameters={"question": "2+2", "number": 2},
            privateChallengeParameters={"answer": "4"},
            challengeMetadata="SUM",
        )
    )
    verify = Function(lambda event: {"response": {"answerCorrect": event["request"]["challengeAnswer"] == "4"}})
    verifying = pool_with(world, "VerifyAuthChallengeResponse")

    made = asyncio.run(
        triggers.create_auth_challenge(
            pool_with(world, "CreateAuthChallenge"), create, ADA, "CUSTOM_CHALLENGE", [], user_not_found=True
        )
    )
    right = asyncio.run(triggers.verify_auth_challenge(verifying, verify, ADA, made.private, "4"))
    wrong = asyncio.run(triggers.verify_auth_challenge(verifying, verify, ADA, made.private, "5"))

    assert (made.public, made.private, made.metadata) == ({"question": "2+2", "number": "2"}, {"answer": "4"}, "SUM")
    assert create.event["request"]["challengeName"] == "CUSTOM_CHALLENGE"
    assert create.event["request"]["userNotFound"] is True
    assert (right, wrong) == (True, False)


def test_an_answer_is_wrong_unless_it_is_said_to_be_right(world: World) -> None:
    pool = pool_with(world, "VerifyAuthChallengeResponse")

    assert asyncio.run(triggers.verify_auth_challenge(pool, Function(), ADA, {}, "4")) is False
    asked = triggers.verify_auth_challenge(pool, Function(respond(answerCorrect="true")), ADA, {}, "4")
    assert refusal(asked)[0] == "InvalidLambdaResponseException"


def test_user_migration(world: World) -> None:
    function = Function(
        respond(
            userAttributes={"email": "ada@example.com", "email_verified": "true"},
            finalUserStatus="CONFIRMED",
            messageAction="SUPPRESS",
        )
    )
    about = About("ada", CLIENT)

    said = asyncio.run(
        triggers.user_migration(
            pool_with(world, "UserMigration"), function, "Authentication", about, "Old-Password-1", None
        )
    )

    assert said == triggers.MigratedUser(
        {"email": "ada@example.com", "email_verified": "true"}, "CONFIRMED", force_alias=False, sms_mfa=False
    )
    assert function.event["request"] == {"password": "Old-Password-1", "validationData": None}


@pytest.mark.parametrize(
    ("response", "is_nobody"),
    [
        ({}, True),
        ({"userAttributes": {}}, True),
        ({"userAttributes": {"a": "b"}, "finalUserStatus": "ADMIN"}, False),
        ({"userAttributes": {"a": "b"}, "enableSMSMFA": True}, False),
    ],
)
def test_a_migration_without_a_user_brings_nobody(world: World, response: dict[str, Any], is_nobody: bool) -> None:
    asked = triggers.user_migration(
        pool_with(world, "UserMigration"), Function(respond(**response)), "ForgotPassword", ADA, None, None
    )

    if is_nobody:
        assert asyncio.run(asked) is None
    else:
        assert refusal(asked)[0] == "InvalidLambdaResponseException"


def test_custom_message(world: World) -> None:
    function = Function(respond(emailSubject="Hello", emailMessage="Your code is {####}"))

    said = asyncio.run(
        triggers.custom_message(
            pool_with(world, "CustomMessage"), function, "ForgotPassword", ADA, code="{####}", link=None, username=None
        )
    )

    assert said == triggers.MessageTexts(None, "Your code is {####}", "Hello")
    request = function.event["request"]
    assert (request["codeParameter"], request["linkParameter"], request["usernameParameter"]) == ("{####}", None, None)
    assert function.event["response"] == {"smsMessage": None, "emailMessage": None, "emailSubject": None}


@pytest.mark.parametrize(
    ("medium", "name", "kind"),
    [
        ("EMAIL", "CustomEmailSender", "customEmailSenderRequestV1"),
        ("SMS", "CustomSMSSender", "customSMSSenderRequestV1"),
    ],
)
def test_custom_senders(world: World, medium: str, name: str, kind: str) -> None:
    """A sender that fails does not stop what the code is for."""
    working, failing = Function(), Function(failed(b'{"errorMessage":"no"}'))
    pool = pool_with(world, name)

    sent = asyncio.run(triggers.custom_sender(pool, working, medium, "SignUp", ADA, "MTIzNDU2"))
    lost = asyncio.run(triggers.custom_sender(pool, failing, medium, "SignUp", ADA, "MTIzNDU2"))

    assert (sent, lost) == (True, True)
    assert working.event["triggerSource"] == f"{name}_SignUp"
    assert working.event["request"]["type"] == kind
    assert working.event["request"]["code"] == "MTIzNDU2"


# Tokens


def token_changes(world: World, version: str, details: Any, source: str = "Authentication") -> TokenChanges:
    root = "claimsOverrideDetails" if version == "V1_0" else "claimsAndScopeOverrideDetails"
    pool = pool_with(world, "PreTokenGeneration", version)
    function = Function(respond(**{root: details}))
    groups = GroupConfiguration(("admins",), ("arn:aws:iam::000000000000:role/admin",), None)
    return asyncio.run(triggers.pre_token_generation(pool, function, source, ADA, groups, ("openid",)))


@pytest.mark.parametrize(
    ("version", "shown", "scopes"), [("V1_0", "1", None), ("V2_0", "2", ["openid"]), ("V3_0", "3", ["openid"])]
)
def test_the_event_of_each_version(world: World, version: str, shown: str, scopes: Any) -> None:
    """Reference, "Pre-token generation"."""
    function = Function()
    groups = GroupConfiguration(("admins",), ("arn:aws:iam::000000000000:role/admin",), None)
    pool = pool_with(world, "PreTokenGeneration", version)

    asyncio.run(triggers.pre_token_generation(pool, function, "HostedAuth", ADA, groups, ("openid",)))

    event = function.event
    assert (event["version"], event["triggerSource"]) == (shown, "TokenGeneration_HostedAuth")
    assert event["request"].get("scopes") == scopes
    assert event["request"]["groupConfiguration"] == {
        "groupsToOverride": ["admins"],
        "iamRolesToOverride": ["arn:aws:iam::000000000000:role/admin"],
        "preferredRole": None,
    }
    root = "claimsOverrideDetails" if version == "V1_0" else "claimsAndScopeOverrideDetails"
    assert event["response"] == {root: None}


def test_the_event_of_a_machine(world: World) -> None:
    """The published V3 event, member for member."""
    function = Function()
    pool = pool_with(world, "PreTokenGeneration", "V3_0")

    changes = asyncio.run(triggers.pre_token_of_machine(pool, function, CLIENT, ("id/read",), {}))

    assert function.event == {
        "version": "3",
        "triggerSource": "TokenGeneration_ClientCredentials",
        "region": "us-east-1",
        "userPoolId": POOL_ID,
        "userName": "ClientCredentials",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": CLIENT},
        "request": {"userAttributes": {}, "groupConfiguration": None, "scopes": ["id/read"], "clientMetadata": {}},
        "response": {"claimsAndScopeOverrideDetails": None},
    }
    assert changes == TokenChanges()


@pytest.mark.parametrize("version", ["V1_0", "V2_0"])
def test_older_versions_are_not_asked_about_machines(world: World, version: str) -> None:
    function, pool = Function(), pool_with(world, "PreTokenGeneration", version)

    changes = asyncio.run(triggers.pre_token_of_machine(pool, function, CLIENT, ("id/read",), {}))

    assert (changes, function.invocations) == (TokenChanges(), [])


def test_version_1_changes_the_id_token_and_the_groups(world: World) -> None:
    changes = token_changes(
        world,
        "V1_0",
        {
            "claimsToAddOrOverride": {"family": "Lovelace", "sub": "evil"},
            "claimsToSuppress": ["email", "iss"],
            "groupOverrideDetails": {"groupsToOverride": ["users"], "iamRolesToOverride": [], "preferredRole": "r"},
        },
    )

    claims = {"sub": "1-2", "iss": "https://issuer", "email": "ada@example.com", "cognito:username": "ada"}
    assert changes.id_token.apply(claims) == {
        "sub": "1-2",
        "iss": "https://issuer",
        "cognito:username": "ada",
        "family": "Lovelace",
    }
    assert changes.access_token.apply(claims) == claims
    assert changes.groups == GroupConfiguration(("users",), (), "r")


def test_later_versions_change_both_tokens_and_the_scopes(world: World) -> None:
    changes = token_changes(
        world,
        "V2_0",
        {
            "idTokenGeneration": {"claimsToAddOrOverride": {"tags": ["a", 1, True, {"b": None}]}},
            "accessTokenGeneration": {
                "claimsToAddOrOverride": {"tenant": {"id": 7}, "sub": "evil", "aud": CLIENT},
                "claimsToSuppress": ["username", "extra"],
                "scopesToAdd": ["orders/read", "unregistered"],
                "scopesToSuppress": ["openid"],
            },
        },
    )

    claims = {"sub": "1-2", "username": "ada", "extra": 1, "scope": "openid"}
    assert changes.id_token.add == {"tags": ["a", 1, True, {"b": None}]}
    assert changes.access_token.apply(claims, CLIENT) == {
        "sub": "1-2",
        "username": "ada",
        "scope": "openid",
        "tenant": {"id": 7},
        "aud": CLIENT,
    }
    assert changes.apply_to_scopes(("openid", "email")) == ("email", "orders/read", "unregistered")
    assert changes.groups is None


@pytest.mark.parametrize("audience", ["https://other", ["a"], 1, None])
def test_an_audience_that_is_not_the_client_is_ignored(audience: Any) -> None:
    changes = triggers.ClaimChanges({"aud": audience})

    assert changes.apply({"sub": "1-2"}, CLIENT) == {"sub": "1-2"}


def test_an_audience_that_is_there_stays() -> None:
    changes = triggers.ClaimChanges({"aud": CLIENT}, frozenset({"aud"}))

    assert changes.apply({"aud": "https://api"}, CLIENT) == {"aud": "https://api"}


CLOSED = [
    *("acr", "amr", "at_hash", "aud", "auth_time", "azp", "client_id", "device_key", "event_id", "exp", "iat"),
    *("identities", "iss", "jti", "nbf", "nonce", "origin_jti", "scope", "sub", "token_use", "username", "version"),
    *("cognito:username", "cognito:groups", "cognito:x"),
]


@given(st.sampled_from(CLOSED), st.text())
def test_closed_claims_are_neither_set_nor_taken_away(claim: str, value: str) -> None:
    """Reference: not changeable; attempts are ignored."""
    changes = triggers.ClaimChanges({claim: value, "mine": value}, frozenset({claim}))

    assert changes.apply({claim: "ours"}) == {claim: "ours", "mine": value}
    assert changes.apply({}) == {"mine": value}


@pytest.mark.parametrize("groups", [None, {}])
def test_a_null_group_override_takes_the_groups_away(world: World, groups: Any) -> None:
    assert token_changes(world, "V2_0", {"groupOverrideDetails": groups}).groups == GroupConfiguration()


@pytest.mark.parametrize(
    "details",
    [
        "all",
        [],
        {"accessTokenGeneration": []},
        {"accessTokenGeneration": {"scopesToAdd": "orders/read"}},
        {"accessTokenGeneration": {"scopesToAdd": ["orders/read orders/write"]}},
        {"accessTokenGeneration": {"scopesToAdd": [""]}},
        {"accessTokenGeneration": {"scopesToAdd": ["a\nb"]}},
        {"accessTokenGeneration": {"scopesToAdd": [f"s{number}" for number in range(5_001)]}},
        {"accessTokenGeneration": {"scopesToSuppress": [1]}},
        {"idTokenGeneration": {"claimsToAddOrOverride": ["a"]}},
        {"idTokenGeneration": {"claimsToSuppress": {"a": 1}}},
        {"groupOverrideDetails": {"groupsToOverride": "admins"}},
    ],
    ids=str,
)
def test_an_unusable_override_gives_no_token(world: World, details: Any) -> None:
    with pytest.raises(AwsError) as refused:
        token_changes(world, "V3_0", details)

    assert refused.value.code == "InvalidLambdaResponseException"


# Machines at the token endpoint


def decide(world: World, function: Function) -> None:
    """Let a function of version V3_0 decide over the machines of the pool."""
    pool = pool_with(world, "PreTokenGeneration", "V3_0")
    world.view = replace(world.view, pool_by_id=MappingProxyType({POOL_ID: pool}))
    world.edge = replace(world.edge, ports=replace(world.edge.ports, invoke=function))


def test_a_function_changes_a_machines_token(world: World) -> None:
    function = Function(
        respond(
            claimsAndScopeOverrideDetails={
                "accessTokenGeneration": {
                    "claimsToAddOrOverride": {"tenant": "t1", "client_id": "evil"},
                    "scopesToAdd": ["extra/scope"],
                    "scopesToSuppress": ["orders/write"],
                }
            }
        )
    )
    decide(world, function)

    answer = world.post_token({"aws_client_metadata": '{"job":"nightly"}'})

    claims = world.claims(answer)
    assert (claims["scope"], claims["tenant"], claims["client_id"]) == ("orders/read extra/scope", "t1", CLIENT)
    assert function.event["request"]["scopes"] == ["orders/read", "orders/write"]
    assert function.event["request"]["clientMetadata"] == {"job": "nightly"}
    assert world.record.held == ("orders/read", "extra/scope")


@pytest.mark.parametrize("answer", [failed(b'{"errorMessage":"no"}'), lambda _: None, lambda _: b"{"])
def test_a_function_that_fails_gives_a_machine_nothing(world: World, answer: Answer) -> None:
    decide(world, Function(answer))

    refused = world.post_token()

    assert refused.error == (400, {"error": "invalid_grant"})
    assert world.record.decision == "DENY"


def test_scopes_are_checked_before_a_function_is_asked(world: World) -> None:
    function = Function()
    decide(world, function)

    refused = world.post_token({"scope": "orders/delete"})

    assert refused.error == (400, {"error": "invalid_scope"})
    assert function.invocations == []
