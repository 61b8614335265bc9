"""Users by operators, by boto3."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.people import PASSWORD, People, make_people, refused
from tests.server import Server

MAIL = {"Name": "email", "Value": "ada@example.com"}


def create(people: People, username: str = "ada", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = people.idp.admin_create_user(UserPoolId=people.pool_id, Username=username, **more)["User"]
    return made


def get(people: People, username: str = "ada") -> dict[str, Any]:
    answer: dict[str, Any] = people.idp.admin_get_user(UserPoolId=people.pool_id, Username=username)
    return answer


def attributes_of(people: People, username: str = "ada") -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in get(people, username)["UserAttributes"]}


def test_a_user_is_invited_and_chooses_a_password(people: People) -> None:
    """Reference: FORCE_CHANGE_PASSWORD until the temporary password was used."""
    client = people.client()

    made = create(people, UserAttributes=[MAIL])
    (message,) = people.messages("ada")
    body = message["body"]
    temporary = body.removeprefix("Your username is ada and temporary password is ").removesuffix(".")
    asked = people.by_password(client, "ada", temporary)
    done = people.respond(client, asked, USERNAME="ada", NEW_PASSWORD=PASSWORD)

    assert (made["UserStatus"], made["Enabled"], made["Username"]) == ("FORCE_CHANGE_PASSWORD", True, "ada")
    assert (message["purpose"], message["subject"]) == ("AdminCreateUser", "Your temporary password")
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert json.loads(asked["ChallengeParameters"]["userAttributes"]) == {"email": "ada@example.com"}
    assert done["AuthenticationResult"]["AccessToken"]
    assert get(people)["UserStatus"] == "CONFIRMED"


def test_a_sign_in_that_waits_ends_with_the_password_that_began_it(people: People) -> None:
    """A temporary password that somebody else read too changes nothing once its user has chosen another."""
    client = people.client()
    people.user("ada", permanent=False)
    asked, asked_of_a_thief = people.by_password(client), people.by_password(client)

    people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Other-Horse-8")
    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked_of_a_thief, USERNAME="ada", NEW_PASSWORD="Third-Horse-7")

    assert people.tokens(client, "ada", "Other-Horse-8")["AccessToken"]


def test_a_user_looks_the_same_wherever_it_is_shown(people: People) -> None:
    made = create(people, UserAttributes=[MAIL], MessageAction="SUPPRESS")
    got = get(people)
    (listed,) = people.idp.list_users(UserPoolId=people.pool_id)["Users"]

    assert listed == made
    assert got["UserAttributes"] == made["Attributes"]
    assert [each["Name"] for each in made["Attributes"]] == ["sub", "email"]
    assert (datetime.now(UTC) - made["UserCreateDate"]).total_seconds() < 60
    assert people.messages("ada") == []


def test_an_invitation_is_sent_again_while_it_was_not_used(people: People) -> None:
    client = people.client()
    create(people, UserAttributes=[MAIL], TemporaryPassword=PASSWORD)

    again = create(people, MessageAction="RESEND")
    with refused("NotAuthorizedException", "Incorrect username or password."):
        people.by_password(client)
    create(people, MessageAction="RESEND", TemporaryPassword="Third-Horse-7")

    assert again["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert len(people.messages("ada")) == 3
    assert people.by_password(client, "ada", "Third-Horse-7")["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    people.idp.admin_set_user_password(UserPoolId=people.pool_id, Username="ada", Password=PASSWORD, Permanent=True)
    with refused("UnsupportedUserStateException"):
        create(people, MessageAction="RESEND")
    with refused("UserNotFoundException", "User does not exist."):
        create(people, "nobody", MessageAction="RESEND")


@pytest.mark.parametrize(
    ("wanted", "media"), [(None, ["SMS"]), (["EMAIL"], ["EMAIL"]), (["SMS", "EMAIL"], ["SMS", "EMAIL"])]
)
def test_an_invitation_goes_where_it_is_wanted(people: People, wanted: Any, media: list[str]) -> None:
    phone = {"Name": "phone_number", "Value": "+12025550123"}
    more = {} if wanted is None else {"DesiredDeliveryMediums": wanted}

    create(people, UserAttributes=[MAIL, phone], **more)

    assert [message["medium"] for message in people.messages("ada")] == media


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        ({"DesiredDeliveryMediums": ["SMS"]}, "InvalidParameterException", None),
        ({"TemporaryPassword": "short"}, "InvalidPasswordException", None),
        ({"UserAttributes": [{"Name": "email", "Value": "x"}]}, "InvalidParameterException", None),
        ({"UserAttributes": [{"Name": "sub", "Value": "x"}]}, "InvalidParameterException", None),
    ],
)
def test_who_cannot_be_created_is_not(people: People, more: dict[str, Any], code: str, text: str | None) -> None:
    with refused(code, text):
        create(people, **more)

    with refused("UserNotFoundException"):
        get(people)


def test_a_name_and_an_alias_are_taken_once(server: Server) -> None:
    people = make_people(server, AliasAttributes=["email"])
    proved = [MAIL, {"Name": "email_verified", "Value": "true"}]
    create(people, UserAttributes=proved)

    with refused("UsernameExistsException", "User account already exists"):
        create(people)
    with refused("AliasExistsException", "An account with the email already exists."):
        create(people, "bob", UserAttributes=proved)
    create(people, "bob", UserAttributes=proved, ForceAliasCreation=True)

    assert get(people, "ada@example.com")["Username"] == "bob"


def test_who_loses_an_alias_has_not_proved_it_any_more(server: Server) -> None:
    """Reference: ForceAliasCreation moves an alias; no code for its new owner resets the password of the old one."""
    people = make_people(server, AliasAttributes=["email", "preferred_username"])
    proved = [MAIL, {"Name": "email_verified", "Value": "true"}]
    nicknamed = {"Name": "preferred_username", "Value": "countess"}
    create(people, UserAttributes=[*proved, nicknamed])

    with refused("AliasExistsException", "An account with the preferred_username already exists."):
        create(people, "bob", UserAttributes=[*proved, nicknamed], ForceAliasCreation=True)
    create(people, "bob", UserAttributes=proved, ForceAliasCreation=True)
    people.idp.admin_update_user_attributes(
        UserPoolId=people.pool_id, Username="ada", UserAttributes=[{"Name": "name", "Value": "Ada"}]
    )

    assert attributes_of(people)["email_verified"] == "false"
    assert attributes_of(people)["name"] == "Ada"
    assert get(people, "countess")["Username"] == "ada"
    assert get(people, "ada@example.com")["Username"] == "bob"


def test_a_pool_of_addresses_names_a_user_by_sub(server: Server) -> None:
    people = make_people(server, UsernameAttributes=["email"])

    made = create(people, "ada@example.com")
    sub = attributes_of(people, "ada@example.com")["sub"]

    assert made["Username"] == sub
    assert attributes_of(people, sub)["email"] == "ada@example.com"
    with refused("UsernameExistsException"):
        create(people, "ada@example.com")
    with refused("InvalidParameterException", "Username should be an email."):
        create(people, "ada")


def test_a_user_without_a_password_where_codes_are_enough(server: Server) -> None:
    factors = {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}
    people = make_people(server, Policies={"SignInPolicy": factors})

    made = create(people, UserAttributes=[MAIL])
    with refused("InvalidParameterException"):
        create(people, "bob")

    assert made["UserStatus"] == "CONFIRMED"
    assert people.messages("ada") == []


def test_nobody_stands_for_another_by_a_name_that_is_the_others_sub(server: Server) -> None:
    """Operators name users by `sub`; a preferred user name is chosen by whoever has it."""
    people = make_people(server, AliasAttributes=["preferred_username"])
    sub = people.user("ada")
    people.user("bob", preferred_username=sub)

    found = people.idp.admin_get_user(UserPoolId=people.pool_id, Username=sub)["Username"]
    with refused("UsernameExistsException"):
        people.idp.sign_up(ClientId=people.client()["ClientId"], Username=sub, Password=PASSWORD)

    assert found == "ada"


def test_an_address_is_verified_as_python_writes_it_and_not_without_one(people: People) -> None:
    create(people, UserAttributes=[MAIL, {"Name": "email_verified", "Value": "True"}], MessageAction="SUPPRESS")

    with refused("InvalidParameterException"):
        create(people, "bob", UserAttributes=[{"Name": "email_verified", "Value": "true"}])

    shown = people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["UserAttributes"]
    assert {"Name": "email_verified", "Value": "true"} in shown


def test_attributes_are_changed_and_taken_away(people: People) -> None:
    create(people, UserAttributes=[MAIL, {"Name": "name", "Value": "Ada"}], MessageAction="SUPPRESS")
    same = {"UserPoolId": people.pool_id, "Username": "ada"}

    people.idp.admin_update_user_attributes(
        **same,
        UserAttributes=[
            {"Name": "email_verified", "Value": "true"},
            {"Name": "nickname", "Value": "A"},
            {"Name": "name", "Value": ""},
        ],
    )
    changed = attributes_of(people)
    people.idp.admin_delete_user_attributes(**same, UserAttributeNames=["nickname", "email"])

    assert {name: value for name, value in changed.items() if name != "sub"} == {
        "nickname": "A",
        "email": "ada@example.com",
        "email_verified": "true",
    }
    assert list(attributes_of(people)) == ["sub"]
    with refused("InvalidParameterException"):
        people.idp.admin_update_user_attributes(**same, UserAttributes=[{"Name": "sub", "Value": "1"}])
    with refused("InvalidParameterException"):
        people.idp.admin_delete_user_attributes(**same, UserAttributeNames=["sub"])


def test_an_address_that_an_operator_changes_is_not_verified(server: Server) -> None:
    people = make_people(server, AutoVerifiedAttributes=["email"])
    people.user("ada", email="ada@example.com", email_verified="true")
    same = {"UserPoolId": people.pool_id, "Username": "ada"}

    people.idp.admin_update_user_attributes(**same, UserAttributes=[{"Name": "email", "Value": "new@example.com"}])
    changed = attributes_of(people)
    people.idp.admin_update_user_attributes(
        **same,
        UserAttributes=[{"Name": "email", "Value": "b@example.com"}, {"Name": "email_verified", "Value": "true"}],
    )

    assert (changed["email"], changed["email_verified"]) == ("new@example.com", "false")
    assert [(each["purpose"], each["destination"]) for each in people.messages("ada")] == [
        ("UpdateUserAttribute", "new@example.com")
    ]
    assert attributes_of(people)["email_verified"] == "true"


def test_a_password_that_an_operator_sets(people: People) -> None:
    """Reference: for good, or one that has to be changed."""
    client = people.client()
    people.user("ada")
    same = {"UserPoolId": people.pool_id, "Username": "ada"}

    people.idp.admin_set_user_password(**same, Password="Other-Horse-8")

    assert get(people)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert people.by_password(client, "ada", "Other-Horse-8")["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    with refused("InvalidPasswordException"):
        people.idp.admin_set_user_password(**same, Password="short", Permanent=True)


def test_a_disabled_user_is_refused_on_the_next_call(people: People) -> None:
    """Attack O5: and what was issued before stays dead when the user is enabled again."""
    client = people.client()
    people.user("ada")
    tokens = people.tokens(client)
    same = {"UserPoolId": people.pool_id, "Username": "ada"}

    people.idp.admin_disable_user(**same)
    with refused("NotAuthorizedException"):
        people.idp.get_user(AccessToken=tokens["AccessToken"])
    with refused("NotAuthorizedException"):
        people.refresh(client, tokens["RefreshToken"])
    with refused("NotAuthorizedException", "User is disabled."):
        people.by_password(client)
    disabled = get(people)["Enabled"]
    people.idp.admin_enable_user(**same)

    assert (disabled, get(people)["Enabled"]) == (False, True)
    assert people.idp.get_user(AccessToken=people.tokens(client)["AccessToken"])["Username"] == "ada"
    with refused("NotAuthorizedException"):
        people.refresh(client, tokens["RefreshToken"])


def test_a_deleted_user_is_gone_with_all_tokens(people: People) -> None:
    client = people.client()
    people.user("ada")
    tokens = people.tokens(client)

    people.idp.admin_delete_user(UserPoolId=people.pool_id, Username="ada")

    with refused("UserNotFoundException", "User does not exist."):
        get(people)
    with refused("NotAuthorizedException"):
        people.idp.get_user(AccessToken=tokens["AccessToken"])
    with refused("NotAuthorizedException"):
        people.refresh(client, tokens["RefreshToken"])
    people.user("ada")
    with refused("NotAuthorizedException"):
        people.idp.get_user(AccessToken=tokens["AccessToken"])


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("admin_get_user", {}),
        ("admin_delete_user", {}),
        ("admin_enable_user", {}),
        ("admin_disable_user", {}),
        ("admin_confirm_sign_up", {}),
        ("admin_reset_user_password", {}),
        ("admin_set_user_password", {"Password": PASSWORD}),
        ("admin_update_user_attributes", {"UserAttributes": [MAIL]}),
        ("admin_delete_user_attributes", {"UserAttributeNames": ["email"]}),
        ("admin_get_user_auth_factors", {}),
        ("admin_set_user_settings", {"MFAOptions": []}),
        ("admin_set_user_mfa_preference", {}),
        ("admin_delete_software_token", {}),
        ("admin_list_groups_for_user", {}),
    ],
)
def test_nobody_and_no_pool_are_told_so(people: People, operation: str, more: dict[str, Any]) -> None:
    call = getattr(people.idp, operation)

    with refused("UserNotFoundException", "User does not exist."):
        call(UserPoolId=people.pool_id, Username="nobody", **more)
    with refused("ResourceNotFoundException", "User pool us-east-1_Nothing00 does not exist."):
        call(UserPoolId="us-east-1_Nothing00", Username="nobody", **more)


def test_first_factors_of_a_user(server: Server) -> None:
    factors = {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}
    people = make_people(server, Policies={"SignInPolicy": factors})
    people.user("ada", email="ada@example.com", email_verified="true")
    people.user("bob", email="bob@example.com")

    def configured(username: str) -> Any:
        return people.idp.admin_get_user_auth_factors(UserPoolId=people.pool_id, Username=username)[
            "ConfiguredUserAuthFactors"
        ]

    assert (configured("ada"), configured("bob")) == (["PASSWORD", "EMAIL_OTP"], ["PASSWORD"])


def test_the_columns_of_a_file_of_users(server: Server) -> None:
    people = make_people(server, Schema=[{"Name": "badge", "AttributeDataType": "String"}])

    header = people.idp.get_csv_header(UserPoolId=people.pool_id)

    assert header["UserPoolId"] == people.pool_id
    assert header["CSVHeader"][:3] == ["name", "given_name", "family_name"]
    assert header["CSVHeader"][-3:] == ["custom:badge", "cognito:mfa_enabled", "cognito:username"]
    assert "sub" not in header["CSVHeader"]


def test_a_pool_counts_its_users_and_goes_with_them(people: People) -> None:
    client = people.client()
    for name in ("ada", "bob"):
        people.user(name)
    people.idp.create_group(UserPoolId=people.pool_id, GroupName="all")
    people.idp.admin_add_user_to_group(UserPoolId=people.pool_id, Username="ada", GroupName="all")
    token = people.tokens(client)["AccessToken"]

    count = people.idp.describe_user_pool(UserPoolId=people.pool_id)["UserPool"]["EstimatedNumberOfUsers"]
    people.idp.delete_user_pool(UserPoolId=people.pool_id)

    assert count == 2
    with refused("ResourceNotFoundException"):
        get(people)
    with refused("NotAuthorizedException"):
        people.idp.get_user(AccessToken=token)
