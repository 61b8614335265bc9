"""The functions of a user pool as real functions, invoked by the pool: each trigger from outside, by boto3."""

import base64
import json
from typing import Any

import pytest

from scopegate.cli.client import Client
from tests.people import PASSWORD, People, make_people, refused
from tests.server import Server, make_function, token_part

FUNCTION = """
import base64, json

def handler(event, context):
    source, request, response = event["triggerSource"], event["request"], event["response"]
    print("EVENT " + json.dumps(event))
    metadata = {**(request.get("clientMetadata") or {}), **(request.get("validationData") or {})}
    if metadata.get("fail") == source.split("_")[0]:
        raise Exception("not " + event["userName"])
    if metadata.get("answer") == source.split("_")[0]:
        return {"response": "what?"}
    match source.split("_")[0]:
        case "PreSignUp":
            response["autoConfirmUser"] = metadata.get("confirm") == "yes"
            response["autoVerifyEmail"] = metadata.get("verify") == "yes"
        case "CustomMessage":
            response["emailSubject"] = "Hello " + event["userName"]
            response["emailMessage"] = (request["usernameParameter"] or "") + " code " + request["codeParameter"]
        case "DefineAuthChallenge":
            session = request["session"]
            if not session:
                response["challengeName"] = "CUSTOM_CHALLENGE"
            elif session[-1]["challengeResult"]:
                response["issueTokens"] = True
            elif len(session) < 2:
                response["challengeName"] = "CUSTOM_CHALLENGE"
            else:
                response["failAuthentication"] = True
        case "CreateAuthChallenge":
            response["publicChallengeParameters"] = {"question": "2+2"}
            response["privateChallengeParameters"] = {"answer": "4"}
            response["challengeMetadata"] = "SUM"
        case "VerifyAuthChallengeResponse":
            response["answerCorrect"] = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]
        case "TokenGeneration":
            response["claimsAndScopeOverrideDetails"] = {
                "idTokenGeneration": {"claimsToAddOrOverride": {"source": source}, "claimsToSuppress": ["email"]},
                "accessTokenGeneration": {
                    "claimsToAddOrOverride": {"tenant": {"id": 7}, "sub": "evil"}, "scopesToAdd": ["orders/read"]},
                "groupOverrideDetails": {"groupsToOverride": ["chosen"]},
            }
        case "UserMigration":
            if event["userName"].startswith("old") and request.get("password", "Old-Password-1") == "Old-Password-1":
                response["userAttributes"] = {"email": event["userName"] + "@example.com", "email_verified": "true"}
                if event["userName"] == "old-with-phone":
                    response["userAttributes"].update(phone_number="+12025550123", phone_number_verified="true")
                    response["enableSMSMFA"] = True
                response["finalUserStatus"] = "CONFIRMED"
                response["messageAction"] = "SUPPRESS"
    return event
"""


@pytest.fixture(scope="module")
def function_arn(server: Server) -> str:
    arn = make_function(server, "pool-triggers", FUNCTION)
    server.aws("lambda").add_permission(
        FunctionName="pool-triggers",
        StatementId="pools",
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
        SourceAccount="000000000000",
    )
    return arn


def with_triggers(server: Server, arn: str, *names: str, **pool: Any) -> People:
    return make_people(server, LambdaConfig=dict.fromkeys(names, arn), AutoVerifiedAttributes=["email"], **pool)


def events(server: Server, people: People) -> list[dict[str, Any]]:
    """What the function was sent on behalf of this pool, in order."""
    lines = [
        line
        for line in Client(server.url).own("GET", "logs?function=pool-triggers&lines=9999")["lines"]
        if "EVENT {" in line
    ]
    found = [json.loads(line[line.index("EVENT ") + 6 :]) for line in lines]
    return [event for event in found if event["userPoolId"] == people.pool_id]


def sign_up(people: People, client: dict[str, Any], username: str = "ada", **more: Any) -> Any:
    return people.idp.sign_up(
        ClientId=client["ClientId"],
        Username=username,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": f"{username}@example.com"}],
        **more,
    )


def test_sign_up_with_functions(server: Server, function_arn: str) -> None:
    people = with_triggers(server, function_arn, "PreSignUp", "PostConfirmation", "CustomMessage")
    client = people.client()

    made = sign_up(people, client, ClientMetadata={"from": "test"})
    (message,) = people.messages("ada")
    people.idp.confirm_sign_up(
        ClientId=client["ClientId"], Username="ada", ConfirmationCode=people.code("ada"), ClientMetadata={"at": "end"}
    )

    assert made["UserConfirmed"] is False
    assert message["subject"] == "Hello ada"
    assert message["body"].startswith(" code ")
    sent = events(server, people)
    assert [event["triggerSource"] for event in sent] == [
        "PreSignUp_SignUp",
        "CustomMessage_SignUp",
        "PostConfirmation_ConfirmSignUp",
    ]
    before, writing, after = (event["request"] for event in sent)
    assert before["userAttributes"] == {"email": "ada@example.com"}
    assert before["clientMetadata"] == writing["clientMetadata"] == {"from": "test"}
    assert after["clientMetadata"] == {"at": "end"}
    assert after["userAttributes"]["cognito:user_status"] == "CONFIRMED"
    assert {event["callerContext"]["clientId"] for event in sent} == {client["ClientId"]}
    assert {name: writing[name] for name in ("codeParameter", "linkParameter", "usernameParameter")} == {
        "codeParameter": "{####}",
        "linkParameter": "{##Click Here##}",
        "usernameParameter": None,
    }


def test_a_function_confirms_and_verifies(server: Server, function_arn: str) -> None:
    people = with_triggers(server, function_arn, "PreSignUp")
    client = people.client()
    chosen = [{"Name": "confirm", "Value": "yes"}, {"Name": "verify", "Value": "yes"}]

    made = sign_up(people, client, ValidationData=chosen)

    assert made["UserConfirmed"] is True
    assert "CodeDeliveryDetails" not in made
    assert people.messages("ada") == []
    token = people.tokens(client)["AccessToken"]
    assert {"Name": "email_verified", "Value": "true"} in people.idp.get_user(AccessToken=token)["UserAttributes"]


@pytest.mark.parametrize(
    ("metadata", "code", "text"),
    [
        ({"fail": "PreSignUp"}, "UserLambdaValidationException", "PreSignUp failed with error not ada."),
        ({"answer": "PreSignUp"}, "InvalidLambdaResponseException", "Unrecognizable lambda output"),
        ({"fail": "CustomMessage"}, "UserLambdaValidationException", "CustomMessage failed with error not ada."),
    ],
)
def test_a_function_that_says_no_leaves_nobody(
    server: Server, function_arn: str, metadata: dict[str, str], code: str, text: str
) -> None:
    people = with_triggers(server, function_arn, "PreSignUp", "CustomMessage")

    with refused(code, text):
        sign_up(people, people.client(), ClientMetadata=metadata)

    assert people.idp.list_users(UserPoolId=people.pool_id)["Users"] == []
    assert people.messages("ada") == []


def test_a_function_without_permission_closes_sign_up(server: Server) -> None:
    arn = make_function(server, "pool-stranger", FUNCTION)
    people = with_triggers(server, arn, "PreSignUp")

    with refused("UnexpectedLambdaException", "PreSignUp invocation failed due to error AccessDeniedException."):
        sign_up(people, people.client())

    assert people.idp.list_users(UserPoolId=people.pool_id)["Users"] == []


def test_operators_users_have_functions_too(server: Server, function_arn: str) -> None:
    people = with_triggers(server, function_arn, "PreSignUp", "CustomMessage", "PostConfirmation")

    people.idp.admin_create_user(
        UserPoolId=people.pool_id, Username="ada", UserAttributes=[{"Name": "email", "Value": "ada@example.com"}]
    )
    (message,) = people.messages("ada")
    sign_up(people, people.client(), "bob")
    people.idp.admin_confirm_sign_up(UserPoolId=people.pool_id, Username="bob")

    assert message["body"].startswith("ada code ")
    sent = events(server, people)
    assert [event["triggerSource"] for event in sent] == [
        "PreSignUp_AdminCreateUser",
        "CustomMessage_AdminCreateUser",
        "PreSignUp_SignUp",
        "CustomMessage_SignUp",
        "PostConfirmation_ConfirmSignUp",
    ]
    assert sent[0]["callerContext"]["clientId"] == "CLIENT_ID_NOT_APPLICABLE"


def test_signing_in_with_functions(server: Server, function_arn: str) -> None:
    people = with_triggers(server, function_arn, "PreAuthentication", "PostAuthentication")
    client = people.client()
    people.user("ada")

    people.tokens(client)
    with refused("UserLambdaValidationException", "PreAuthentication failed with error not ada."):
        people.idp.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=client["ClientId"],
            AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD},
            ClientMetadata={"fail": "PreAuthentication"},
        )

    assert [event["triggerSource"] for event in events(server, people)] == [
        "PreAuthentication_Authentication",
        "PostAuthentication_Authentication",
        "PreAuthentication_Authentication",
    ]


def test_metadata_that_begins_a_sign_in_is_validation_data(server: Server, function_arn: str) -> None:
    """botocore, InitiateAuth, ClientMetadata: the functions before a sign-in are told it, those after it are not."""
    people = with_triggers(
        server, function_arn, "PreAuthentication", "PostAuthentication", "PreTokenGeneration", "UserMigration"
    )
    client = people.client()
    people.user("ada", permanent=False)
    begin = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client["ClientId"], "ClientMetadata": {"at": "start"}}

    asked = people.idp.initiate_auth(**begin, AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD})
    result = people.idp.respond_to_auth_challenge(
        ChallengeName=asked["ChallengeName"],
        ClientId=client["ClientId"],
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "ada", "NEW_PASSWORD": "Other-Horse-9"},
        ClientMetadata={"at": "end"},
    )["AuthenticationResult"]
    people.idp.initiate_auth(**begin, AuthParameters={"USERNAME": "old", "PASSWORD": "Old-Password-1"})
    token = {"REFRESH_TOKEN": result["RefreshToken"]}
    people.idp.initiate_auth(**{**begin, "AuthFlow": "REFRESH_TOKEN_AUTH"}, AuthParameters=token)
    people.idp.get_tokens_from_refresh_token(
        ClientId=client["ClientId"], RefreshToken=result["RefreshToken"], ClientMetadata={"at": "renewal"}
    )

    told = [
        (event["triggerSource"], *(event["request"].get(name) for name in ("validationData", "clientMetadata")))
        for event in events(server, people)
    ]
    assert told == [
        ("PreAuthentication_Authentication", {"at": "start"}, None),
        ("PostAuthentication_Authentication", None, {"at": "end"}),
        ("TokenGeneration_NewPasswordChallenge", None, {"at": "end"}),
        ("UserMigration_Authentication", {"at": "start"}, None),
        ("PreAuthentication_Authentication", {"at": "start"}, None),
        ("PostAuthentication_Authentication", None, None),
        ("TokenGeneration_Authentication", None, None),
        ("TokenGeneration_RefreshTokens", None, None),
        ("TokenGeneration_Authentication", None, {"at": "renewal"}),
    ]


def test_a_function_that_fails_uses_no_refresh_token_up(server: Server, function_arn: str) -> None:
    """Rotation: what was not handed out does not make the token before it one that was used twice."""
    people = with_triggers(server, function_arn, "PreTokenGeneration")
    client = people.client(
        "ALLOW_USER_PASSWORD_AUTH", RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0}
    )
    people.user("ada")
    renewal = {"ClientId": client["ClientId"], "RefreshToken": people.tokens(client)["RefreshToken"]}

    with refused("UserLambdaValidationException", "PreTokenGeneration failed with error not ada."):
        people.idp.get_tokens_from_refresh_token(**renewal, ClientMetadata={"fail": "TokenGeneration"})

    assert people.idp.get_tokens_from_refresh_token(**renewal)["AuthenticationResult"]["RefreshToken"]
    with refused("RefreshTokenReuseException"):
        people.idp.get_tokens_from_refresh_token(**renewal)


def test_tokens_as_a_function_changes_them(server: Server, function_arn: str) -> None:
    """Reference, "Pre-token generation": V2_0 changes both tokens of a user."""
    trigger = {"LambdaVersion": "V2_0", "LambdaArn": function_arn}
    people = make_people(server, LambdaConfig={"PreTokenGenerationConfig": trigger})
    client = people.client()
    people.user("ada", email="ada@example.com")

    tokens = people.tokens(client)
    renewed = people.refresh(client, tokens["RefreshToken"])
    access, identity = (token_part(tokens[name], 1) for name in ("AccessToken", "IdToken"))

    assert access["tenant"] == {"id": 7}
    assert access["sub"] == identity["sub"] != "evil"
    assert access["scope"] == "aws.cognito.signin.user.admin orders/read"
    assert access["cognito:groups"] == identity["cognito:groups"] == ["chosen"]
    assert (identity["source"], "email" in identity) == ("TokenGeneration_Authentication", False)
    assert token_part(renewed["IdToken"], 1)["source"] == "TokenGeneration_RefreshTokens"
    assert people.idp.get_user(AccessToken=tokens["AccessToken"])["Username"] == "ada"


def test_challenges_of_the_pools_own(server: Server, function_arn: str) -> None:
    """Reference: CUSTOM_AUTH with Define, Create and Verify; the private answer stays here."""
    people = with_triggers(
        server, function_arn, "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"
    )
    client = people.client("ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
    people.user("ada")

    asked = people.initiate(client, "CUSTOM_AUTH", USERNAME="ada")
    again = people.respond(client, asked, USERNAME="ada", ANSWER="5")
    done = people.respond(client, again, USERNAME="ada", ANSWER="4")
    wrong = people.initiate(client, "CUSTOM_AUTH", USERNAME="ada")
    wrong = people.respond(client, wrong, USERNAME="ada", ANSWER="5")

    assert asked["ChallengeName"] == again["ChallengeName"] == "CUSTOM_CHALLENGE"
    assert asked["ChallengeParameters"] == {"question": "2+2", "USERNAME": "ada"}
    assert done["AuthenticationResult"]["AccessToken"]
    with refused("NotAuthorizedException"):
        people.respond(client, wrong, USERNAME="ada", ANSWER="5")
    with refused("NotAuthorizedException"):  # a session is used once
        people.respond(client, asked, USERNAME="ada", ANSWER="4")


def test_users_of_an_older_directory_come_along(server: Server, function_arn: str) -> None:
    """Reference: UserMigration at sign-in by password, and at ForgotPassword."""
    people = with_triggers(server, function_arn, "UserMigration")
    client = people.client()

    with refused("UserNotFoundException"):
        people.by_password(client, "stranger", "Old-Password-1")
    with refused("UserNotFoundException"):
        people.idp.forgot_password(ClientId=client["ClientId"], Username="stranger")
    assert people.tokens(client, "old", "Old-Password-1")
    assert people.by_srp(client, "old", "Old-Password-1")["AuthenticationResult"]

    guarded = with_triggers(server, function_arn, "UserMigration", "PreAuthentication")
    with refused("UserLambdaValidationException", "PreAuthentication failed with error not old."):
        guarded.idp.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=guarded.client()["ClientId"],
            AuthParameters={"USERNAME": "old", "PASSWORD": "Old-Password-1"},
            ClientMetadata={"fail": "PreAuthentication"},
        )
    with_phone = with_triggers(
        server,
        function_arn,
        "UserMigration",
        MfaConfiguration="OPTIONAL",
        SmsConfiguration={"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"},
    )
    asked = with_phone.by_password(with_phone.client(), "old-with-phone", "Old-Password-1")
    assert asked["ChallengeName"] == "SMS_MFA"

    other = with_triggers(server, function_arn, "UserMigration")
    details = other.idp.forgot_password(ClientId=other.client()["ClientId"], Username="old")["CodeDeliveryDetails"]
    assert details["Destination"] == "o***@e***"
    assert other.idp.admin_get_user(UserPoolId=other.pool_id, Username="old")["UserStatus"] == "RESET_REQUIRED"


def test_a_sender_of_the_pools_own(server: Server, function_arn: str) -> None:
    sender = {"LambdaVersion": "V1_0", "LambdaArn": function_arn}
    key = "arn:aws:kms:us-east-1:000000000000:key/1"
    people = make_people(
        server,
        LambdaConfig={"CustomEmailSender": sender, "KMSKeyID": key},
        AutoVerifiedAttributes=["email"],
        UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": ["email"]},
    )
    client = people.client()

    sign_up(people, client)
    people.idp.confirm_sign_up(ClientId=client["ClientId"], Username="ada", ConfirmationCode=people.code("ada"))
    new = [{"Name": "email", "Value": "new@example.com"}]
    people.idp.update_user_attributes(AccessToken=people.tokens(client)["AccessToken"], UserAttributes=new)

    first, then = events(server, people)
    assert first["triggerSource"] == "CustomEmailSender_SignUp"
    assert first["request"]["type"] == "customEmailSenderRequestV1"
    assert base64.b64decode(first["request"]["code"]).decode() == people.code("ada", "SignUp")
    assert then["triggerSource"] == "CustomEmailSender_UpdateUserAttribute"
    told = then["request"]["userAttributes"]  # a code that proves the new address goes nowhere else
    assert (told["email"], told["email_verified"]) == ("new@example.com", "false")
