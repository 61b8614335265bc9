"""SignUp, ConfirmSignUp, ResendConfirmationCode and AdminConfirmSignUp, by boto3."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.people import PASSWORD, People, make_people, refused, secret_hash
from tests.server import Server

MAIL = [{"Name": "email", "Value": "ada@example.com"}]
VERIFIED = {"AutoVerifiedAttributes": ["email"]}


@pytest.fixture
def people(server: Server) -> People:
    return make_people(server, **VERIFIED)


def test_a_user_signs_up_confirms_and_signs_in(people: People) -> None:
    client = people.client()

    made = people.idp.sign_up(ClientId=client["ClientId"], Username="ada", Password=PASSWORD, UserAttributes=MAIL)
    with refused("UserNotConfirmedException", "User is not confirmed."):
        people.by_password(client)
    people.idp.confirm_sign_up(
        ClientId=client["ClientId"], Username="ada", ConfirmationCode=people.code("ada", "SignUp")
    )
    user = people.idp.get_user(AccessToken=people.tokens(client)["AccessToken"])

    assert made["UserConfirmed"] is False
    assert made["CodeDeliveryDetails"] == {
        "Destination": "a***@e***",
        "DeliveryMedium": "EMAIL",
        "AttributeName": "email",
    }
    assert user["UserAttributes"] == [
        {"Name": "sub", "Value": made["UserSub"]},
        {"Name": "email", "Value": "ada@example.com"},
        {"Name": "email_verified", "Value": "true"},
    ]


def test_a_pool_that_verifies_nothing_sends_nothing(server: Server) -> None:
    """Reference: SignUp in a pool without auto-verification leaves CodeDeliveryDetails out; an operator confirms."""
    people = make_people(server)
    client = people.client()

    made = people.idp.sign_up(ClientId=client["ClientId"], Username="ada", Password=PASSWORD, UserAttributes=MAIL)
    with refused("InvalidParameterException", "Cannot resend codes. Auto verification not turned on."):
        people.idp.resend_confirmation_code(ClientId=client["ClientId"], Username="ada")
    people.idp.admin_confirm_sign_up(UserPoolId=people.pool_id, Username="ada")

    assert "CodeDeliveryDetails" not in made
    assert people.messages("ada") == []
    assert people.tokens(client)
    with refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        people.idp.admin_confirm_sign_up(UserPoolId=people.pool_id, Username="ada")


def test_a_client_with_a_secret_proves_it(people: People) -> None:
    client = people.client(GenerateSecret=True)
    request = {"ClientId": client["ClientId"], "Username": "ada", "Password": PASSWORD}

    with refused(
        "NotAuthorizedException",
        f"Client {client['ClientId']} is configured with secret but SECRET_HASH was not received",
    ):
        people.idp.sign_up(**request)
    with refused("NotAuthorizedException", f"Unable to verify secret hash for client {client['ClientId']}"):
        people.idp.sign_up(**request, SecretHash=secret_hash(client, "bob"))
    people.idp.sign_up(**request, SecretHash=secret_hash(client, "ada"))

    with refused("NotAuthorizedException"):
        people.idp.forgot_password(ClientId=client["ClientId"], Username="ada")


def test_another_code_ends_the_one_before(people: People) -> None:
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada"}
    people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=MAIL)
    first = people.code("ada", "SignUp")

    details = people.idp.resend_confirmation_code(**request)["CodeDeliveryDetails"]
    second = people.code("ada", "ResendCode")

    assert details["Destination"] == "a***@e***"
    if first != second:
        with refused("CodeMismatchException", "Invalid verification code provided, please try again."):
            people.idp.confirm_sign_up(**request, ConfirmationCode=first)
    people.idp.confirm_sign_up(**request, ConfirmationCode=second)
    with refused("InvalidParameterException", "User is already confirmed."):
        people.idp.resend_confirmation_code(**request)
    with refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        people.idp.confirm_sign_up(**request, ConfirmationCode=second)


def test_a_code_lives_for_a_day(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    people = make_people(server, **VERIFIED)
    request = {"ClientId": people.client()["ClientId"], "Username": "ada"}
    people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=MAIL)
    code = people.code("ada")

    server.turn_clock(86_401)

    with refused("ExpiredCodeException", "Invalid code provided, please request a code again."):
        people.idp.confirm_sign_up(**request, ConfirmationCode=code)
    people.idp.resend_confirmation_code(**request)
    people.idp.confirm_sign_up(**request, ConfirmationCode=people.code("ada"))


def test_nobody_is_told_so(people: People) -> None:
    request = {"ClientId": people.client()["ClientId"], "Username": "bob"}

    with refused("UserNotFoundException", "Username/client id combination not found."):
        people.idp.confirm_sign_up(**request, ConfirmationCode="123456")
    with refused("UserNotFoundException", "Username/client id combination not found."):
        people.idp.resend_confirmation_code(**request)


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        (
            {"Password": "short"},
            "InvalidPasswordException",
            "Password did not conform with policy: Password not long enough",
        ),
        (
            {"UserAttributes": [{"Name": "email", "Value": "nobody"}]},
            "InvalidParameterException",
            "Invalid email address format.",
        ),
        ({"UserAttributes": [{"Name": "custom:x", "Value": "1"}]}, "InvalidParameterException", None),
        ({"UserAttributes": [{"Name": "email_verified", "Value": "true"}]}, "NotAuthorizedException", None),
        ({"UserAttributes": [{"Name": "sub", "Value": "1"}]}, "InvalidParameterException", None),
    ],
    ids=["password", "address", "unknown attribute", "a proof", "sub"],
)
def test_what_a_new_user_may_not_have(people: People, changed: dict[str, object], code: str, text: str | None) -> None:
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada", "Password": PASSWORD, "UserAttributes": MAIL}

    with refused(code, text):
        people.idp.sign_up(**{**request, **changed})

    assert people.idp.list_users(UserPoolId=people.pool_id)["Users"] == []


def test_a_name_is_taken_once(people: People) -> None:
    client = people.client()
    people.idp.sign_up(ClientId=client["ClientId"], Username="ada", Password=PASSWORD, UserAttributes=MAIL)

    with refused("UsernameExistsException", "User already exists"):
        people.idp.sign_up(ClientId=client["ClientId"], Username="ada", Password=PASSWORD, UserAttributes=MAIL)


def test_an_operator_may_keep_sign_up_for_himself(server: Server) -> None:
    people = make_people(server, AdminCreateUserConfig={"AllowAdminCreateUserOnly": True})

    with refused("NotAuthorizedException", "SignUp is not permitted for this user pool"):
        people.idp.sign_up(ClientId=people.client()["ClientId"], Username="ada", Password=PASSWORD)


def test_in_a_pool_of_addresses_the_name_is_the_sub(server: Server) -> None:
    """Reference, "Users, groups, attributes": UsernameAttributes."""
    people = make_people(server, UsernameAttributes=["email"], **VERIFIED)
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada@example.com"}

    with refused("InvalidParameterException", "Username should be an email."):
        people.idp.sign_up(**{**request, "Username": "ada"}, Password=PASSWORD)
    with refused("InvalidParameterException"):
        people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": "b@example.com"}])
    made = people.idp.sign_up(**request, Password=PASSWORD)
    with refused("UsernameExistsException"):
        people.idp.sign_up(**request, Password=PASSWORD)
    people.idp.confirm_sign_up(**request, ConfirmationCode=people.code("ada@example.com"))
    user = people.idp.get_user(AccessToken=people.tokens(client, "ada@example.com")["AccessToken"])

    assert user["Username"] == made["UserSub"]
    assert {"Name": "email", "Value": "ada@example.com"} in user["UserAttributes"]


def test_an_alias_is_whose_is_verified(server: Server) -> None:
    """Reference: AliasExistsException at confirmation; ForceAliasCreation moves the alias."""
    people = make_people(server, AliasAttributes=["email"], **VERIFIED)
    client = people.client()
    request = {"ClientId": client["ClientId"], "Password": PASSWORD, "UserAttributes": MAIL}
    confirm = {"ClientId": client["ClientId"]}

    with refused(
        "InvalidParameterException",
        "Username cannot be of email format, since user pool is configured for email alias.",
    ):
        people.idp.sign_up(**request, Username="ada@example.com")
    people.idp.sign_up(**request, Username="ada")
    people.idp.confirm_sign_up(**confirm, Username="ada", ConfirmationCode=people.code("ada"))
    people.idp.sign_up(**request, Username="bob")
    code = people.code("bob")
    with refused("AliasExistsException", "An account with the email already exists."):
        people.idp.confirm_sign_up(**confirm, Username="bob", ConfirmationCode=code)
    before = people.idp.get_user(AccessToken=people.tokens(client, "ada@example.com")["AccessToken"])["Username"]
    people.idp.confirm_sign_up(**confirm, Username="bob", ConfirmationCode=code, ForceAliasCreation=True)
    after = people.idp.get_user(AccessToken=people.tokens(client, "ada@example.com")["AccessToken"])["Username"]

    assert (before, after) == ("ada", "bob")


def test_names_are_compared_as_the_pool_says(server: Server) -> None:
    """Reference: UsernameConfiguration.CaseSensitive; the API's default is true."""
    exact, folded = make_people(server), make_people(server, UsernameConfiguration={"CaseSensitive": False})
    for people in (exact, folded):
        people.user("Ada")

    with refused("UserNotFoundException"):
        exact.by_password(exact.client(), "ADA")
    token = folded.tokens(folded.client(), "ADA")["AccessToken"]

    assert folded.idp.get_user(AccessToken=token)["Username"] == "Ada"
    with refused("UsernameExistsException"):
        folded.idp.sign_up(ClientId=folded.client()["ClientId"], Username="aDa", Password=PASSWORD)


def test_a_phone_goes_before_a_mail(server: Server) -> None:
    sms = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sns"}
    people = make_people(server, AutoVerifiedAttributes=["email", "phone_number"], SmsConfiguration=sms)
    phone = {"Name": "phone_number", "Value": "+12025550123"}

    made = people.idp.sign_up(
        ClientId=people.client()["ClientId"], Username="ada", Password=PASSWORD, UserAttributes=[*MAIL, phone]
    )

    assert made["CodeDeliveryDetails"] == {
        "Destination": "+*******0123",
        "DeliveryMedium": "SMS",
        "AttributeName": "phone_number",
    }
    (message,) = people.messages("ada")
    assert (message["medium"], message["destination"]) == ("SMS", "+12025550123")


# Signing in at the end of it, by sessions

BY_CHOICE = ("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH")


def sign_up_by_choice(people: People, client: dict[str, Any], with_session: bool = True) -> str:
    """ConfirmSignUp's session. with_session: whether it is asked for with SignUp's."""
    request = {"ClientId": client["ClientId"], "Username": "ada"}
    made = people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=MAIL)
    more = {"Session": made["Session"]} if with_session else {}
    confirmed = people.idp.confirm_sign_up(**request, ConfirmationCode=people.code("ada"), **more)
    session: str = confirmed["Session"]
    return session


def by_session(people: People, client: dict[str, Any], session: str, username: str = "ada") -> dict[str, Any]:
    answer: dict[str, Any] = people.idp.initiate_auth(
        AuthFlow="USER_AUTH", ClientId=client["ClientId"], AuthParameters={"USERNAME": username}, Session=session
    )
    return answer


def test_who_signed_up_is_signed_in_by_sessions(people: People) -> None:
    """The model's text of InitiateAuth's Session: once, by whoever signed up."""
    client = people.client(*BY_CHOICE)
    session = sign_up_by_choice(people, client)
    people.user("bob")

    with refused("NotAuthorizedException", "Invalid session for the user."):
        by_session(people, client, session, "bob")
    with refused("NotAuthorizedException", "Invalid session for the user."):
        by_session(people, people.client(*BY_CHOICE), session)
    done = by_session(people, client, session)
    with refused("NotAuthorizedException", "Invalid session for the user."):
        by_session(people, client, session)

    token = done["AuthenticationResult"]["AccessToken"]
    assert people.idp.get_user(AccessToken=token)["Username"] == "ada"


def test_a_code_alone_signs_in_where_codes_do(server: Server) -> None:
    """Without SignUp's session nobody has shown the password; the code counts where the pool takes codes first."""
    by_code = {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}}
    taking, other = make_people(server, **VERIFIED, **by_code), make_people(server, **VERIFIED)

    answers = []
    for people in (taking, other):
        client = people.client(*BY_CHOICE)
        answers.append(by_session(people, client, sign_up_by_choice(people, client, with_session=False)))

    assert "AuthenticationResult" in answers[0]
    assert answers[1]["ChallengeName"] == "SELECT_CHALLENGE"


def test_a_session_of_sign_up_spares_no_second_factor(server: Server) -> None:
    people = make_people(server, **VERIFIED)
    people.idp.set_user_pool_mfa_config(
        UserPoolId=people.pool_id, MfaConfiguration="ON", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    client = people.client(*BY_CHOICE)

    asked = by_session(people, client, sign_up_by_choice(people, client))

    assert asked["ChallengeName"] == "MFA_SETUP"


def test_a_session_of_sign_up_is_no_other_session(people: People) -> None:
    """It neither signs in before the code nor answers a challenge; one that is none does not keep a code from it."""
    client = people.client(*BY_CHOICE)
    request = {"ClientId": client["ClientId"], "Username": "ada"}
    made = people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=MAIL)

    with refused("NotAuthorizedException", "Invalid session for the user."):
        by_session(people, client, made["Session"])
    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, made, "SELECT_CHALLENGE", USERNAME="ada", ANSWER="PASSWORD")
    confirmed = people.idp.confirm_sign_up(**request, ConfirmationCode=people.code("ada"), Session="0" * 43)

    assert by_session(people, client, confirmed["Session"])["ChallengeName"] == "SELECT_CHALLENGE"


def test_a_client_without_choice_gets_no_session(people: People) -> None:
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada"}

    made = people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=MAIL)
    confirmed = people.idp.confirm_sign_up(**request, ConfirmationCode=people.code("ada"))

    assert "Session" not in made
    assert "Session" not in confirmed
