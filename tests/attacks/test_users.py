"""Attack rows O15, O17, O23, O24 and U2 against users of a pool, from outside."""

import base64
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest
from botocore.exceptions import ClientError

from scopegate.userpools.signin import srp
from tests.people import PASSWORD, People, make_people, refused
from tests.server import Server

WRONG = "Wrong-Horse-9"
OTHER = "Other-Horse-8"
HIDING = {"PreventUserExistenceErrors": "ENABLED"}
ADA = {"email": "ada@example.com", "email_verified": "true"}


def outcome(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    """(code, message) of a refusal, ("", "") of success."""
    try:
        call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", ""


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(call, range(count)))


# O15: guessing passwords


def test_o15_a_password_is_guessed_five_times_and_then_not_looked_at(people: People) -> None:
    """The lock holds at every way in, for this user alone."""
    client = people.client(*("ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"))
    for name in ("ada", "bob"):
        people.user(name)
    token = people.tokens(client)["AccessToken"]

    for _ in range(8):
        said = outcome(people.by_password, client=client, password=WRONG)
        if said[1] == "Password attempts exceeded":
            break
    locked = ("NotAuthorizedException", "Password attempts exceeded")

    assert said == locked
    assert outcome(people.by_password, client=client) == locked
    assert outcome(people.by_srp, client=client) == locked
    assert locked == outcome(
        people.idp.admin_initiate_auth,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        UserPoolId=people.pool_id,
        ClientId=client["ClientId"],
        AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD},
    )
    assert locked == outcome(
        people.idp.change_password, AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword=OTHER
    )
    assert people.tokens(client, "bob")


def test_o15_a_wrong_proof_counts_as_a_wrong_password(people: People) -> None:
    client = people.client()
    people.user("ada")

    said = [outcome(people.by_srp, client=client, password=WRONG)[1] for _ in range(7)]

    assert said[0] == "Incorrect username or password."
    assert said[-1] == "Password attempts exceeded"


def test_o15_the_lock_opens_with_time(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    people = make_people(server)
    client = people.client()
    people.user("ada")
    for _ in range(7):
        outcome(people.by_password, client=client, password=WRONG)
    locked = outcome(people.by_password, client=client)

    server.turn_clock(16 * 60)

    assert locked[1] == "Password attempts exceeded"
    assert people.tokens(client)


# O17: who is there


@pytest.fixture
def hiding(server: Server) -> tuple[People, dict[str, Any]]:
    people = make_people(server, AutoVerifiedAttributes=["email"])
    people.user("ada", **ADA)
    people.idp.sign_up(
        ClientId=people.client()["ClientId"],
        Username="new",
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": "new@example.com"}],
    )
    return people, people.client(**HIDING)


def test_o17_passwords_of_nobody_are_wrong_passwords(hiding: tuple[People, dict[str, Any]]) -> None:
    people, client = hiding

    said = {outcome(people.by_password, client=client, username=name, password=WRONG) for name in ("ada", "nobody")}
    said |= {outcome(people.by_srp, client=client, username=name, password=WRONG) for name in ("ada", "nobody")}

    assert said == {("NotAuthorizedException", "Incorrect username or password.")}


def test_o17_a_lock_does_not_tell_who_is_there(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    people = make_people(server)
    client = people.client(**HIDING)
    people.user("ada")

    def guess(username: str) -> tuple[str, str]:
        return outcome(people.by_password, client=client, username=username, password=WRONG)

    said = set()
    for _ in range(12):  # with time in between, so that each counts and the lock grows
        said |= {guess("ada"), guess("nobody")}
        server.turn_clock(600)
    said |= {guess("ada"), outcome(people.by_password, client=client), outcome(people.by_srp, client=client)}

    assert said == {("NotAuthorizedException", "Incorrect username or password.")}
    assert outcome(people.by_password, client=people.client())[1] == "Password attempts exceeded"


def test_o17_a_challenge_of_nobody_looks_like_one(hiding: tuple[People, dict[str, Any]]) -> None:
    people, client = hiding
    a = f"{pow(srp.G, 2**400 + 1, srp.N):x}"

    real, first, second = (
        people.initiate(client, "USER_SRP_AUTH", USERNAME=name, SRP_A=a) for name in ("ada", "nobody", "nobody")
    )

    def shape(answer: dict[str, Any]) -> Any:
        parameters = answer["ChallengeParameters"]
        return set(answer), set(parameters), len(parameters["SALT"]), len(parameters["SECRET_BLOCK"])

    assert shape(real) == shape(first)
    assert first["ChallengeParameters"]["SALT"] == second["ChallengeParameters"]["SALT"]
    assert first["ChallengeParameters"]["SRP_B"] != second["ChallengeParameters"]["SRP_B"]


def test_o17_what_can_be_chosen_does_not_tell_who_is_there(server: Server) -> None:
    """The same of everybody; who chooses what they do not have is answered as nobody is, by every operation alike."""
    allowed = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}}
    sms = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sns"}
    people = make_people(server, Policies=allowed, AutoVerifiedAttributes=["email"], SmsConfiguration=sms)
    people.user("ada", **ADA)
    people.user("bob", email="bob@example.com")
    people.user("eve", phone_number="+12025550101")
    client = people.client("ALLOW_USER_AUTH", **HIDING)
    names = ("ada", "bob", "eve", "nobody")

    def choose(name: str, factor: str) -> dict[str, Any]:
        return people.initiate(client, "USER_AUTH", USERNAME=name, PREFERRED_CHALLENGE=factor)

    chosen = [
        {
            (len(said), said["ChallengeName"], *said["ChallengeParameters"])
            for said in (choose(name, factor) for name in names)
        }
        for factor in ("EMAIL_OTP", "SMS_OTP", "PASSWORD")
    ]
    offered = {tuple(choose(name, "WEB_AUTHN")["AvailableChallenges"]) for name in names}
    request = {"ClientId": client["ClientId"], "Username": "bob"}

    assert [len(said) for said in chosen] == [1, 1, 1]
    assert offered == {("PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP")}
    assert {
        choose("bob", "EMAIL_OTP")["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"],
        people.idp.forgot_password(**request)["CodeDeliveryDetails"]["Destination"],
        people.idp.resend_confirmation_code(**request)["CodeDeliveryDetails"]["Destination"],
    } == {"b***@e***"}


def test_o17_nobody_has_a_user_name_as_well(server: Server) -> None:
    """Where people sign in by an address, the user name that a challenge tells is not the address, of nobody either."""
    people = make_people(server, UsernameAttributes=["email"], UsernameConfiguration={"CaseSensitive": False})
    people.user("ada@example.com")
    client = people.client(**HIDING)
    a = f"{pow(srp.G, 2**400 + 1, srp.N):x}"

    real, first, second = (
        people.initiate(client, "USER_SRP_AUTH", USERNAME=f"{name}@example.com", SRP_A=a)["ChallengeParameters"]
        for name in ("ada", "nobody", "NOBODY")
    )

    assert {len(each["USERNAME"]) for each in (real, first)} == {36}
    assert [first[name] for name in ("USERNAME", "USER_ID_FOR_SRP", "SALT")] == [
        second[name] for name in ("USERNAME", "USER_ID_FOR_SRP", "SALT")
    ]


def test_o17_a_forgotten_password_of_nobody_is_answered_alike(hiding: tuple[People, dict[str, Any]]) -> None:
    people, client = hiding

    def ask(username: str) -> dict[str, str]:
        details: dict[str, str] = people.idp.forgot_password(ClientId=client["ClientId"], Username=username)[
            "CodeDeliveryDetails"
        ]
        return details

    real, imagined = ask("ada"), ask("nobody")

    assert set(real) == set(imagined)
    assert imagined == ask("nobody")
    assert (imagined["DeliveryMedium"], imagined["AttributeName"]) == ("EMAIL", "email")
    assert len(imagined["Destination"]) == len(real["Destination"])
    assert people.code("ada", "ForgotPassword")
    assert people.messages("nobody") == []


def test_o17_codes_of_nobody_are_wrong_codes(hiding: tuple[People, dict[str, Any]]) -> None:
    """Unknown, without a code, with a wrong one: one answer; and after so many tries another, for all alike."""
    people, client = hiding

    def guess(username: str) -> tuple[str, str]:
        return outcome(
            people.idp.confirm_forgot_password,
            ClientId=client["ClientId"],
            Username=username,
            ConfirmationCode="000000",
            Password=OTHER,
        )

    without_code = [guess("ada"), guess("new"), guess("nobody")]
    people.idp.forgot_password(ClientId=client["ClientId"], Username="ada")
    people.code("ada")
    series = [[guess(name) for _ in range(7)] for name in ("ada", "new", "nobody")]

    wrong = ("CodeMismatchException", "Invalid verification code provided, please try again.")
    limited = ("LimitExceededException", "Attempt limit exceeded, please try after some time.")
    assert without_code == [wrong] * 3
    assert series[0] == series[1] == series[2] == [wrong] * 4 + [limited] * 3


@pytest.mark.parametrize("operation", ["confirm_sign_up", "resend_confirmation_code"])
def test_o17_confirming_nobody_is_confirming_wrongly(hiding: tuple[People, dict[str, Any]], operation: str) -> None:
    people, client = hiding
    more = {"ConfirmationCode": "000000"} if operation == "confirm_sign_up" else {}

    said = {
        name: outcome(getattr(people.idp, operation), ClientId=client["ClientId"], Username=name, **more)
        for name in ("ada", "new", "nobody")
    }

    assert said["ada"] == said["new"] == said["nobody"]


def test_o17_codes_are_asked_for_so_often_by_anybody(hiding: tuple[People, dict[str, Any]]) -> None:
    """The limit is one of names, whoever has them."""
    people, client = hiding

    def ask(operation: str, name: str) -> list[str]:
        call = getattr(people.idp, operation)
        return [outcome(call, ClientId=client["ClientId"], Username=name)[0] for _ in range(8)]

    forgotten = [ask("forgot_password", name) for name in ("ada", "new", "nobody")]
    resent = [ask("resend_confirmation_code", name) for name in ("ada", "new", "nobody")]

    assert forgotten[0] == forgotten[1] == forgotten[2] == [""] * 5 + ["LimitExceededException"] * 3
    assert resent[0] == resent[1] == resent[2]
    assert resent[0][-1] == "LimitExceededException"


@pytest.mark.parametrize("flow", ["password", "forgot", "confirm"])
def test_o17_time_does_not_tell(hiding: tuple[People, dict[str, Any]], flow: str) -> None:
    """By medians of calls that take turns; names differ, so that no limit is met."""
    people, client = hiding
    for number in range(12):
        people.user(f"user{number}", **ADA)
    ask: dict[str, Callable[[str], Any]] = {
        "password": lambda name: outcome(people.by_password, client=client, username=name, password=WRONG),
        "forgot": lambda name: people.idp.forgot_password(ClientId=client["ClientId"], Username=name),
        "confirm": lambda name: outcome(
            people.idp.confirm_forgot_password,
            ClientId=client["ClientId"],
            Username=name,
            ConfirmationCode="000000",
            Password=OTHER,
        ),
    }

    def took(name: str) -> float:
        started = time.perf_counter()
        ask[flow](name)
        return time.perf_counter() - started

    pairs = [(took(f"user{number}"), took(f"nobody{number}")) for number in range(12)]

    somebody, nobody = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert abs(somebody - nobody) < 0.010 + 0.5 * min(somebody, nobody)


# O23: codes


def test_o23_a_code_is_used_once_however_many_try(server: Server) -> None:
    people = make_people(server, AutoVerifiedAttributes=["email"])
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada"}
    people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": "a@example.com"}])
    code, idp = people.code("ada"), people.idp

    said = at_once(12, lambda _: outcome(idp.confirm_sign_up, **request, ConfirmationCode=code)[0])

    assert said.count("") == 1


def test_o23_guesses_at_once_are_counted_one_by_one(server: Server) -> None:
    people = make_people(server, AutoVerifiedAttributes=["email"])
    client = people.client()
    request = {"ClientId": client["ClientId"], "Username": "ada"}
    people.idp.sign_up(**request, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": "a@example.com"}])
    code, idp = people.code("ada"), people.idp
    wrong = [f"{(int(code) + number) % 1_000_000:06}" for number in range(1, 41)]

    said = at_once(40, lambda number: outcome(idp.confirm_sign_up, **request, ConfirmationCode=wrong[number])[0])

    assert sorted(set(said)) == ["CodeMismatchException", "LimitExceededException"]
    assert said.count("CodeMismatchException") == 15
    with refused("LimitExceededException"):
        idp.confirm_sign_up(**request, ConfirmationCode=code)


def test_o23_codes_are_not_guessed_in_one_sign_in_after_another(server: Server) -> None:
    """Whoever has the password: wrong codes are counted beyond the session, and lock as wrong passwords do (O15)."""
    people = make_people(server)
    people.idp.set_user_pool_mfa_config(
        UserPoolId=people.pool_id, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    people.user("ada")
    client = people.client()
    token = people.tokens(client)["AccessToken"]
    app = pyotp.TOTP(people.idp.associate_software_token(AccessToken=token)["SecretCode"])
    people.idp.verify_software_token(AccessToken=token, UserCode=app.now())
    people.idp.set_user_mfa_preference(AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True})

    waiting = [people.by_password(client) for _ in range(3)]
    said = [
        outcome(lambda: people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE="000000"))[1]  # noqa: B023
        for asked in waiting * 4
    ]

    assert said[:5] == ["Invalid code received for user"] * 5
    assert said[5] == "Password attempts exceeded"
    assert outcome(people.by_password, client=client) == ("NotAuthorizedException", "Password attempts exceeded")


def test_o23_a_session_takes_so_many_codes_however_many_come_at_once(server: Server) -> None:
    people = make_people(server, Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}})
    people.user("ada", **ADA)
    client = people.client("ALLOW_USER_AUTH")
    asked = people.initiate(client, "USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="EMAIL_OTP")
    code = people.code("ada@example.com")

    said = at_once(
        24, lambda _: outcome(lambda: people.respond(client, asked, USERNAME="ada", EMAIL_OTP_CODE="00000000"))
    )

    assert said.count(("CodeMismatchException", "Invalid code or auth state for the user.")) <= 5
    with refused("NotAuthorizedException"):
        people.respond(client, asked, USERNAME="ada", EMAIL_OTP_CODE=code)


def test_o23_a_password_code_is_of_its_user_and_its_purpose(people: People) -> None:
    client = people.client()
    people.user("ada", **ADA)
    people.user("bob", email="bob@example.com", email_verified="true")
    token = people.tokens(client)["AccessToken"]
    people.idp.forgot_password(ClientId=client["ClientId"], Username="ada")
    code = people.code("ada")

    people.idp.forgot_password(ClientId=client["ClientId"], Username="bob")

    if people.code("bob") != code:
        with refused("CodeMismatchException"):
            people.idp.confirm_forgot_password(
                ClientId=client["ClientId"], Username="bob", ConfirmationCode=code, Password=OTHER
            )
    with refused("ExpiredCodeException"):
        people.idp.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
    with refused("NotAuthorizedException"):
        people.idp.confirm_sign_up(ClientId=client["ClientId"], Username="ada", ConfirmationCode=code)


# O24: another pool's, another account's


def test_o24_nothing_of_one_pool_opens_another(server: Server) -> None:
    ours, theirs = make_people(server, AutoVerifiedAttributes=["email"]), make_people(server)
    our_client, their_client = ours.client(), theirs.client()
    for people in (ours, theirs):
        people.user("ada", **ADA)
    tokens = ours.tokens(our_client)
    ours.idp.forgot_password(ClientId=our_client["ClientId"], Username="ada")
    code = ours.code("ada")

    with refused("NotAuthorizedException"):
        theirs.refresh(their_client, tokens["RefreshToken"])
    with refused("ExpiredCodeException"):
        theirs.idp.confirm_forgot_password(
            ClientId=their_client["ClientId"], Username="ada", ConfirmationCode=code, Password=OTHER
        )
    with refused("ResourceNotFoundException"):
        theirs.idp.admin_initiate_auth(
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            UserPoolId=theirs.pool_id,
            ClientId=our_client["ClientId"],
            AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD},
        )
    ours.idp.delete_user(AccessToken=tokens["AccessToken"])
    assert theirs.idp.admin_get_user(UserPoolId=theirs.pool_id, Username="ada")["Enabled"] is True


def test_o24_a_session_is_of_its_client(people: People) -> None:
    people.user("ada", permanent=False)
    first, second = people.client(), people.client()

    asked = people.by_password(first)

    with refused("NotAuthorizedException"):
        people.respond(second, asked, USERNAME="ada", NEW_PASSWORD=OTHER)


@pytest.mark.parametrize(
    "where", [{"key": "111111111111"}, {"region": "eu-west-1"}], ids=["another account", "another region"]
)
@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("list_users", {}),
        ("list_groups", {}),
        ("admin_get_user", {"Username": "ada"}),
        ("admin_delete_user", {"Username": "ada"}),
        ("admin_set_user_password", {"Username": "ada", "Password": OTHER, "Permanent": True}),
        ("admin_create_user", {"Username": "eve"}),
        ("admin_disable_user", {"Username": "ada"}),
        ("create_group", {"GroupName": "g"}),
        ("admin_user_global_sign_out", {"Username": "ada"}),
    ],
)
def test_o24_a_pool_is_its_accounts(
    people: People, where: dict[str, str], operation: str, more: dict[str, Any]
) -> None:
    people.user("ada")
    stranger = people.server.aws("cognito-idp", **where)

    with refused("ResourceNotFoundException", f"User pool {people.pool_id} does not exist."):
        getattr(stranger, operation)(UserPoolId=people.pool_id, **more)

    assert people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["Enabled"] is True


# U2: pages


def test_u2_a_page_token_is_of_its_list_and_its_pool(server: Server) -> None:
    ours, theirs = make_people(server), make_people(server)
    for people in (ours, theirs):
        for name in ("ada", "bob"):
            people.user(name)
            people.idp.create_group(UserPoolId=people.pool_id, GroupName=name)
    token = ours.idp.list_users(UserPoolId=ours.pool_id, Limit=1)["PaginationToken"]
    raw = base64.b64decode(token)
    forged = base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()

    for bad in (forged, base64.b64encode(b"bob").decode(), "bob", "' OR 1=1 --"):
        with refused("InvalidParameterException"):
            ours.idp.list_users(UserPoolId=ours.pool_id, PaginationToken=bad)
    with refused("InvalidParameterException"):
        theirs.idp.list_users(UserPoolId=theirs.pool_id, PaginationToken=token)
    with refused("InvalidParameterException"):
        ours.idp.list_groups(UserPoolId=ours.pool_id, NextToken=token)

    assert len(ours.idp.list_users(UserPoolId=ours.pool_id, PaginationToken=token)["Users"]) == 1
