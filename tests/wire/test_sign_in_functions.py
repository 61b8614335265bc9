"""What a pool's functions decide of a sign-in: really invoked, warm, failing closed.

Source: reference, "Lambda triggers", "Pre-token generation".
"""

from typing import Any

import pytest

from tests.pages import browser_of
from tests.people import PASSWORD, People, make_people, refused
from tests.server import ACCOUNT, REGION, Server, make_function, token_part

# Asks what 6 times 7 is, until it is told; three answers at most.
RIDDLE = """
def handler(event, context):
    request, response, source = event["request"], event["response"], event["triggerSource"]
    if source.startswith("DefineAuthChallenge"):
        rounds = [each for each in request["session"] if each["challengeName"] == "CUSTOM_CHALLENGE"]
        if rounds and rounds[-1]["challengeResult"]:
            response["issueTokens"], response["failAuthentication"] = True, False
        elif len(rounds) >= 3:
            response["issueTokens"], response["failAuthentication"] = False, True
        elif [each["challengeName"] for each in request["session"]] == ["SRP_A"]:
            response["issueTokens"], response["failAuthentication"] = False, False
            response["challengeName"] = "PASSWORD_VERIFIER"
        else:
            response["issueTokens"], response["failAuthentication"] = False, False
            response["challengeName"] = "CUSTOM_CHALLENGE"
    elif source.startswith("CreateAuthChallenge"):
        response["publicChallengeParameters"] = {"question": "6 * 7"}
        response["privateChallengeParameters"] = {"answer": "42"}
        response["challengeMetadata"] = "riddle"
    else:
        response["answerCorrect"] = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]
    return event
"""


def trigger(server: Server, people: People, source: str, *names: str, **more: Any) -> str:
    """A function that the pool calls under these names."""
    arn = make_function(server, f"trigger-{people.pool_id.partition('_')[2]}-{names[0]}", source)
    server.aws("lambda").add_permission(
        FunctionName=arn,
        StatementId="pool",
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
        SourceArn=f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{people.pool_id}",
    )
    people.idp.update_user_pool(
        UserPoolId=people.pool_id,
        LambdaConfig={**dict.fromkeys(names, arn), **{key: f(arn) for key, f in more.items()}},
    )
    return arn


@pytest.fixture
def riddling(server: Server) -> People:
    """A pool whose function asks a riddle, with one user."""
    people = make_people(server)
    trigger(server, people, RIDDLE, "DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
    people.user("ada")
    return people


def test_functions_ask_until_they_are_told(riddling: People) -> None:
    client = riddling.client("ALLOW_CUSTOM_AUTH")

    asked = riddling.initiate(client, "CUSTOM_AUTH", USERNAME="ada")
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
    assert asked["ChallengeParameters"] == {"question": "6 * 7", "USERNAME": "ada"}
    again = riddling.respond(client, asked, USERNAME="ada", ANSWER="41")
    assert again["ChallengeName"] == "CUSTOM_CHALLENGE"
    done = riddling.respond(client, again, USERNAME="ada", ANSWER="42")

    assert "AccessToken" in done["AuthenticationResult"]
    with refused("NotAuthorizedException", "Invalid session for the user."):
        riddling.respond(client, again, USERNAME="ada", ANSWER="42")


def test_functions_end_a_sign_in(riddling: People) -> None:
    client = riddling.client("ALLOW_CUSTOM_AUTH")
    asked = riddling.initiate(client, "CUSTOM_AUTH", USERNAME="ada")
    for _ in range(2):
        asked = riddling.respond(client, asked, USERNAME="ada", ANSWER="0")

    with refused("NotAuthorizedException", "Incorrect username or password."):
        riddling.respond(client, asked, USERNAME="ada", ANSWER="0")


def test_nobody_is_asked_like_somebody_where_the_client_hides_it(riddling: People) -> None:
    """Attack O17: and never gets tokens, whatever the functions say."""
    client = riddling.client("ALLOW_CUSTOM_AUTH", PreventUserExistenceErrors="ENABLED")

    asked = riddling.initiate(client, "CUSTOM_AUTH", USERNAME="nobody")

    assert asked["ChallengeParameters"]["question"] == "6 * 7"
    with refused("NotAuthorizedException", "Incorrect username or password."):
        riddling.respond(client, asked, USERNAME="nobody", ANSWER="42")


def test_a_pool_without_functions_has_no_custom_sign_in(people: People) -> None:
    client = people.client("ALLOW_CUSTOM_AUTH")
    people.user("ada")

    with refused("InvalidUserPoolConfigurationException"):
        people.initiate(client, "CUSTOM_AUTH", USERNAME="ada")


def test_a_function_before_the_password_refuses(server: Server) -> None:
    people = make_people(server)
    client = people.client()
    people.user("ada")
    people.user("bob")
    source = """
def handler(event, context):
    if event["userName"] == "bob":
        raise Exception("not bob")
    return event
"""
    trigger(server, people, source, "PreAuthentication")

    assert "AuthenticationResult" in people.by_password(client)
    with refused("UserLambdaValidationException", "PreAuthentication failed with error not bob."):
        people.by_password(client, "bob")


def test_a_function_after_the_sign_in_may_still_refuse(server: Server) -> None:
    people = make_people(server)
    client = people.client()
    people.user("ada")
    trigger(server, people, "def handler(event, context):\n    raise Exception('late')\n", "PostAuthentication")

    with refused("UserLambdaValidationException", "PostAuthentication failed with error late."):
        people.by_password(client)


def test_a_function_that_the_pool_may_not_invoke_refuses(server: Server) -> None:
    people = make_people(server)
    client = people.client()
    people.user("ada")
    name = f"forbidden-{people.pool_id.partition('_')[2]}"
    arn = make_function(server, name, "def handler(event, context):\n    return event\n")
    people.idp.update_user_pool(UserPoolId=people.pool_id, LambdaConfig={"PreAuthentication": arn})

    with refused("UnexpectedLambdaException"):
        people.by_password(client)


CLAIMS = """
def handler(event, context):
    event["response"] = {"claimsAndScopeOverrideDetails": {
        "idTokenGeneration": {"claimsToAddOrOverride": {"shoe": 42, "sub": "other"}, "claimsToSuppress": ["email"]},
        "accessTokenGeneration": {
            "claimsToAddOrOverride": {"tenant": event["request"]["clientMetadata"].get("tenant", "none")
                                      if event["request"].get("clientMetadata") else "none"},
            "scopesToAdd": ["orders/read"], "scopesToSuppress": ["aws.cognito.signin.user.admin"]},
        "groupOverrideDetails": {"groupsToOverride": ["chosen"]},
    }}
    return event
"""


def test_a_function_decides_over_both_tokens(server: Server) -> None:
    people = make_people(server)
    client = people.client()
    sub = people.user("ada", email="ada@example.com", email_verified="true")
    trigger(
        server,
        people,
        CLAIMS,
        "PreTokenGeneration",
        PreTokenGenerationConfig=lambda arn: {"LambdaVersion": "V2_0", "LambdaArn": arn},
    )

    result = people.tokens(client)

    access, identity = token_part(result["AccessToken"], 1), token_part(result["IdToken"], 1)
    assert (identity["shoe"], identity["sub"]) == (42, sub)
    assert "email" not in identity
    assert access["scope"] == "orders/read"
    assert access["cognito:groups"] == identity["cognito:groups"] == ["chosen"]
    renewed = people.refresh(client, result["RefreshToken"])
    assert token_part(renewed["IdToken"], 1)["shoe"] == 42


def test_somebody_of_an_older_directory_becomes_a_user(server: Server) -> None:
    people = make_people(server)
    client = people.client()
    source = f"""
def handler(event, context):
    if event["userName"] == "ada" and event["request"]["password"] == {PASSWORD!r}:
        event["response"].update(
            userAttributes={{"email": "ada@example.com", "email_verified": "true"}},
            finalUserStatus="CONFIRMED", messageAction="SUPPRESS")
    return event
"""
    trigger(server, people, source, "UserMigration")

    with refused("UserNotFoundException"):
        people.by_password(client, password="Wrong-Horse-9")
    assert "AuthenticationResult" in people.by_password(client)
    assert people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["UserStatus"] == "CONFIRMED"
    assert "AuthenticationResult" in people.by_srp(client)


# What the user's name says is done to the user, by an operator, while the sign-in waits for this function.
MEANWHILE = """
import json, os, urllib.request

def call(operation, **request):
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/cognito-idp/aws4_request, "
        "SignedHeaders=host, Signature=" + 64 * "0",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-Target": "AWSCognitoIdentityProviderService." + operation,
    }
    sent = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(request).encode(), headers)
    urllib.request.urlopen(sent).read()

def handler(event, context):
    user = {"UserPoolId": event["userPoolId"], "Username": event["userName"]}
    for operation in event["userName"].split("-")[1:]:
        more = {"Password": "Another-Horse-9", "Permanent": True} if operation == "AdminSetUserPassword" else {}
        call(operation, **user, **more)
    return event
"""


def test_nobody_is_signed_in_who_is_gone_when_the_sign_in_ends(server: Server) -> None:
    """Who is disabled or deleted meanwhile gets no tokens, and least of all those of who has the name by then."""
    people = make_people(server)
    trigger(server, people, MEANWHILE, "PostAuthentication", "CustomMessage")
    callback = "https://app.example/callback"
    client = people.client(
        AllowedOAuthFlows=["code", "implicit"],
        AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True,
        CallbackURLs=[callback],
        SupportedIdentityProviders=["COGNITO"],
    )
    wrong = "Incorrect username or password."

    for name, text in {
        "ada-AdminDisableUser": "User is disabled.",
        "ada-AdminDeleteUser": wrong,
        "ada-AdminDeleteUser-AdminCreateUser-AdminSetUserPassword": wrong,
        "ada-AdminSetUserPassword": wrong,
    }.items():
        people.user(name)
        with refused("NotAuthorizedException", text):
            people.by_password(client, name)

    for flow in ("code", "token"):
        people.user(f"{flow}-AdminDeleteUser")
        query = {"response_type": flow, "client_id": client["ClientId"], "redirect_uri": callback}
        page = browser_of(server).get(f"/{people.pool_id}/oauth2/authorize", query)
        page = page.submit(username=f"{flow}-AdminDeleteUser", password=PASSWORD)
        assert (page.status, page.location, wrong in page.text) == (200, "", True)

    people.user("eve-AdminDeleteUser", email="eve@example.com", email_verified="true")
    with refused("UserNotFoundException"):
        people.idp.forgot_password(ClientId=client["ClientId"], Username="eve-AdminDeleteUser")
