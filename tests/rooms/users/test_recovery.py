"""ForgotPassword, ConfirmForgotPassword, AdminResetUserPassword and ChangePassword, by boto3."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.people import PASSWORD, People, make_people, refused
from tests.server import Server

OTHER = "Other-Horse-8"
ADA = {"email": "ada@example.com", "email_verified": "true"}


def forgot(people: People, client: dict[str, Any], username: str = "ada") -> dict[str, str]:
    details: dict[str, str] = people.idp.forgot_password(ClientId=client["ClientId"], Username=username)[
        "CodeDeliveryDetails"
    ]
    return details


def confirm(people: People, client: dict[str, Any], code: str, password: str = OTHER, username: str = "ada") -> None:
    people.idp.confirm_forgot_password(
        ClientId=client["ClientId"], Username=username, ConfirmationCode=code, Password=password
    )


def test_a_forgotten_password_is_replaced_by_a_code(people: People) -> None:
    client = people.client()
    people.user("ada", **ADA)

    details = forgot(people, client)
    code = people.code("ada", "ForgotPassword")
    confirm(people, client, code)

    assert details == {"Destination": "a***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}
    with refused("NotAuthorizedException", "Incorrect username or password."):
        people.tokens(client)
    assert people.tokens(client, "ada", OTHER)
    assert people.by_srp(client, "ada", OTHER)["AuthenticationResult"]
    with refused("ExpiredCodeException", "Invalid code provided, please request a code again."):
        confirm(people, client, code)


def test_a_new_password_conforms_before_the_code_is_looked_at(people: People) -> None:
    client = people.client()
    people.user("ada", **ADA)
    forgot(people, client)
    code = people.code("ada")

    with refused("InvalidPasswordException", "Password did not conform with policy: Password not long enough"):
        confirm(people, client, code, "short")
    confirm(people, client, code)

    assert people.tokens(client, "ada", OTHER)


@pytest.mark.parametrize("change", ["the address", "the password"])
def test_a_code_for_a_password_ends_with_what_it_was_sent_for(people: People, change: str) -> None:
    """Attack O23: who reads an old mailbox does not come back in after its user has moved, or has a new password."""
    client = people.client()
    people.user("ada", **ADA)
    forgot(people, client)
    code = people.code("ada", "ForgotPassword")
    ada = {"UserPoolId": people.pool_id, "Username": "ada"}

    if change == "the address":
        moved = {"email": "countess@example.com", "email_verified": "true"}
        attributes = [{"Name": name, "Value": value} for name, value in moved.items()]
        people.idp.admin_update_user_attributes(**ada, UserAttributes=attributes)
    else:
        people.idp.admin_set_user_password(**ada, Password=PASSWORD, Permanent=True)
    with refused("ExpiredCodeException", "Invalid code provided, please request a code again."):
        confirm(people, client, code)

    assert people.tokens(client)


def test_a_code_for_a_password_lives_for_an_hour(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    people = make_people(server)
    client = people.client()
    people.user("ada", **ADA)
    forgot(people, client)
    code = people.code("ada")

    server.turn_clock(3_601)

    with refused("ExpiredCodeException"):
        confirm(people, client, code)


@pytest.mark.parametrize(
    ("attributes", "setting", "code", "text"),
    [
        (
            {"email": "ada@example.com"},
            None,
            "InvalidParameterException",
            "Cannot reset password for the user as there is no registered/verified email or phone_number",
        ),
        (
            ADA,
            [{"Priority": 1, "Name": "admin_only"}],
            "NotAuthorizedException",
            "Contact administrator to reset password.",
        ),
        (ADA, [{"Priority": 1, "Name": "verified_phone_number"}], "InvalidParameterException", None),
    ],
    ids=["not verified", "operators only", "another way"],
)
def test_who_cannot_reset_is_told_why(
    server: Server, attributes: dict[str, str], setting: Any, code: str, text: str | None
) -> None:
    more = {"AccountRecoverySetting": {"RecoveryMechanisms": setting}} if setting else {}
    people = make_people(server, **more)
    people.user("ada", **attributes)

    with refused(code, text):
        forgot(people, people.client())


def test_the_first_way_that_the_user_has_is_taken(server: Server) -> None:
    """Reference: AccountRecoverySetting, by priority."""
    mechanisms = [{"Priority": 2, "Name": "verified_email"}, {"Priority": 1, "Name": "verified_phone_number"}]
    people = make_people(server, AccountRecoverySetting={"RecoveryMechanisms": mechanisms})
    people.user("ada", **ADA, phone_number="+12025550123", phone_number_verified="true")
    people.user("bob", **ADA | {"email": "bob@example.com"})
    client = people.client()

    assert [forgot(people, client, name)["DeliveryMedium"] for name in ("ada", "bob")] == ["SMS", "EMAIL"]


def test_who_was_never_there_or_is_not_ready_is_refused(people: People) -> None:
    client = people.client()
    people.user("new", permanent=False, **ADA)
    people.user("off", **ADA)
    people.idp.admin_disable_user(UserPoolId=people.pool_id, Username="off")

    with refused("UserNotFoundException", "Username/client id combination not found."):
        forgot(people, client, "nobody")
    with refused("UserNotFoundException", "Username/client id combination not found."):
        confirm(people, client, "123456", username="nobody")
    with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        forgot(people, client, "new")
    with refused("NotAuthorizedException", "User is disabled."):
        forgot(people, client, "off")


def test_an_operator_resets_a_password(people: People) -> None:
    client = people.client()
    people.user("ada", **ADA)

    people.idp.admin_reset_user_password(UserPoolId=people.pool_id, Username="ada")
    with refused("PasswordResetRequiredException", "Password reset required for the user"):
        people.tokens(client)
    confirm(people, client, people.code("ada", "ForgotPassword"))

    assert people.tokens(client, "ada", OTHER)
    assert people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["UserStatus"] == "CONFIRMED"


def test_earlier_passwords_are_remembered(server: Server) -> None:
    """Reference: PasswordHistorySize."""
    policy = {"MinimumLength": 8, "PasswordHistorySize": 2}
    people = make_people(server, Policies={"PasswordPolicy": policy})
    people.user("ada", **ADA)

    def change(password: str) -> None:
        people.idp.admin_set_user_password(UserPoolId=people.pool_id, Username="ada", Password=password, Permanent=True)

    with refused("PasswordHistoryPolicyViolationException", "Password has previously been used"):
        change(PASSWORD)
    change("password-1")
    with refused("PasswordHistoryPolicyViolationException"):
        change(PASSWORD)
    change("password-2")
    change(PASSWORD)

    client = people.client()
    token = people.tokens(client)["AccessToken"]
    with refused("PasswordHistoryPolicyViolationException"):
        people.idp.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword="password-2")
    forgot(people, client)
    with refused("PasswordHistoryPolicyViolationException"):
        confirm(people, client, people.code("ada"), "password-2")


def test_a_user_changes_the_password(people: People) -> None:
    client = people.client()
    people.user("ada")
    token = people.tokens(client)["AccessToken"]

    with refused("NotAuthorizedException", "Incorrect username or password."):
        people.idp.change_password(AccessToken=token, PreviousPassword="Wrong-Horse-9", ProposedPassword=OTHER)
    with refused("InvalidPasswordException"):
        people.idp.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword="short")
    people.idp.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword=OTHER)

    assert people.tokens(client, "ada", OTHER)
    with refused("NotAuthorizedException"):
        people.tokens(client)
