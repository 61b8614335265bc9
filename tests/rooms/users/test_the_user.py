"""What a user does with the account by an access token, by boto3."""

from typing import Any

import pytest

from tests.people import PASSWORD, People, make_people, refused
from tests.server import Server

VERIFIED = {"AutoVerifiedAttributes": ["email"]}
OTHER = "Other-Horse-8"


def attributes(people: People, token: str) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in people.idp.get_user(AccessToken=token)["UserAttributes"]}


def update(people: People, token: str, **given: str) -> Any:
    return people.idp.update_user_attributes(
        AccessToken=token, UserAttributes=[{"Name": name, "Value": value} for name, value in given.items()]
    )


@pytest.fixture
def people(server: Server) -> People:
    made = make_people(server, **VERIFIED)
    made.user("ada", email="ada@example.com", email_verified="true", name="Ada")
    return made


@pytest.fixture
def token(people: People) -> str:
    token: str = people.tokens(people.client())["AccessToken"]
    return token


def test_attributes_are_changed_and_taken_away(people: People, token: str) -> None:
    answer = update(people, token, nickname="A", name="")
    people.idp.delete_user_attributes(AccessToken=token, UserAttributeNames=["nickname"])

    assert "CodeDeliveryDetailsList" not in answer
    assert set(attributes(people, token)) == {"sub", "email", "email_verified"}


def test_a_new_address_is_proved_by_a_code(people: People, token: str) -> None:
    answer = update(people, token, email="new@example.com")
    before = attributes(people, token)
    people.idp.verify_user_attribute(
        AccessToken=token, AttributeName="email", Code=people.code("new@example.com", "UpdateUserAttribute")
    )

    assert answer["CodeDeliveryDetailsList"] == [
        {"Destination": "n***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}
    ]
    assert (before["email"], before["email_verified"]) == ("new@example.com", "false")
    assert attributes(people, token)["email_verified"] == "true"


def test_an_old_address_stands_until_the_new_one_is_proved(server: Server) -> None:
    """Reference: AttributesRequireVerificationBeforeUpdate."""
    people = make_people(
        server, **VERIFIED, UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": ["email"]}
    )
    people.user("ada", email="ada@example.com", email_verified="true")
    token = people.tokens(people.client())["AccessToken"]

    update(people, token, email="new@example.com")
    before = attributes(people, token)
    code = people.code("new@example.com")
    people.idp.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
    after = attributes(people, token)

    assert (before["email"], before["email_verified"]) == ("ada@example.com", "true")
    assert (after["email"], after["email_verified"]) == ("new@example.com", "true")


def test_a_code_proves_the_address_that_it_went_to(people: People, token: str) -> None:
    """Attack O23: not one that took its place since."""
    update(people, token, email="mine@example.com")
    code = people.code("mine@example.com")
    people.idp.admin_update_user_attributes(
        UserPoolId=people.pool_id,
        Username="ada",
        UserAttributes=[{"Name": "email", "Value": "victim@example.com"}, {"Name": "email_verified", "Value": "true"}],
    )
    people.idp.admin_update_user_attributes(
        UserPoolId=people.pool_id, Username="ada", UserAttributes=[{"Name": "email_verified", "Value": "false"}]
    )

    with refused("ExpiredCodeException"):
        people.idp.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)

    assert attributes(people, token)["email_verified"] == "false"


def test_a_code_for_an_address_is_asked_for(people: People, token: str) -> None:
    details = people.idp.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")
    people.idp.verify_user_attribute(
        AccessToken=token, AttributeName="email", Code=people.code("ada", "VerifyUserAttribute")
    )

    assert details["CodeDeliveryDetails"]["Destination"] == "a***@e***"
    with refused("InvalidParameterException"):
        people.idp.get_user_attribute_verification_code(AccessToken=token, AttributeName="phone_number")
    with refused("InvalidParameterException"):
        people.idp.get_user_attribute_verification_code(AccessToken=token, AttributeName="name")


def test_codes_for_an_address_are_sent_so_often(people: People, token: str) -> None:
    """Reference, "Quotas": 5 an hour."""
    for _ in range(5):
        people.idp.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")

    with refused("LimitExceededException", "Attempt limit exceeded, please try after some time."):
        people.idp.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"sub": "1"}, "InvalidParameterException"),
        ({"email_verified": "true"}, "NotAuthorizedException"),
        ({"custom:x": "1"}, "InvalidParameterException"),
        ({"email": "x"}, "InvalidParameterException"),
    ],
)
def test_what_a_user_may_not_change(people: People, token: str, given: dict[str, str], code: str) -> None:
    before = attributes(people, token)

    with refused(code):
        update(people, token, **given)

    assert attributes(people, token) == before


def test_an_app_client_reads_and_writes_what_it_may(people: People) -> None:
    client = people.client(ReadAttributes=["name"], WriteAttributes=["nickname"])
    token = people.tokens(client)["AccessToken"]

    update(people, token, nickname="A")
    with refused("NotAuthorizedException"):
        update(people, token, name="B")
    with refused("NotAuthorizedException"):
        people.idp.delete_user_attributes(AccessToken=token, UserAttributeNames=["name"])

    assert set(attributes(people, token)) == {"sub", "name"}


def test_an_immutable_attribute_stays(server: Server) -> None:
    schema = [{"Name": "badge", "AttributeDataType": "String", "Mutable": False}]
    people = make_people(server, Schema=schema)
    people.user("ada", **{"custom:badge": "7"})
    token = people.tokens(people.client())["AccessToken"]

    with refused("InvalidParameterException"):
        update(people, token, **{"custom:badge": "8"})
    with refused("InvalidParameterException"):
        people.idp.admin_update_user_attributes(
            UserPoolId=people.pool_id, Username="ada", UserAttributes=[{"Name": "custom:badge", "Value": "8"}]
        )

    assert attributes(people, token)["custom:badge"] == "7"


def test_a_user_deletes_the_account(people: People, token: str) -> None:
    people.idp.delete_user(AccessToken=token)

    with refused("UserNotFoundException"):
        people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")
    with refused("NotAuthorizedException"):
        people.idp.get_user(AccessToken=token)


def test_passwords_are_changed_so_often(people: People, token: str) -> None:
    """Reference, "Quotas": 5 an hour; guessing the previous one locks as a sign-in does."""
    for _ in range(5):
        with refused("NotAuthorizedException"):
            people.idp.change_password(AccessToken=token, PreviousPassword="Wrong-Horse-9", ProposedPassword=OTHER)

    with refused("LimitExceededException"):
        people.idp.change_password(AccessToken=token, PreviousPassword=PASSWORD, ProposedPassword=OTHER)


TOKEN_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_user", {}),
    ("update_user_attributes", {"UserAttributes": [{"Name": "name", "Value": "x"}]}),
    ("delete_user_attributes", {"UserAttributeNames": ["name"]}),
    ("get_user_attribute_verification_code", {"AttributeName": "email"}),
    ("verify_user_attribute", {"AttributeName": "email", "Code": "123456"}),
    ("delete_user", {}),
    ("change_password", {"PreviousPassword": PASSWORD, "ProposedPassword": OTHER}),
    ("get_user_auth_factors", {}),
    ("set_user_settings", {"MFAOptions": []}),
    ("set_user_mfa_preference", {}),
    ("associate_software_token", {}),
    ("verify_software_token", {"UserCode": "123456"}),
    ("global_sign_out", {}),
]


@pytest.mark.parametrize(("operation", "more"), TOKEN_CALLS, ids=[name for name, _ in TOKEN_CALLS])
def test_only_an_access_token_of_this_moment_opens_an_account(
    people: People, token: str, operation: str, more: dict[str, Any]
) -> None:
    """Reference, "Who may call": the access token with the scope, not taken back; no other token."""
    call = getattr(people.idp, operation)
    tokens = people.tokens(people.client())
    people.idp.global_sign_out(AccessToken=token)

    with refused("NotAuthorizedException", "Access Token has been revoked"):
        call(AccessToken=token, **more)
    for other in (tokens["IdToken"], tokens["RefreshToken"], "x.y.z", "nothing"):
        with refused("NotAuthorizedException"):
            call(AccessToken=other, **more)

    assert people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["Enabled"] is True


@pytest.mark.parametrize("way", ["delete_user_attributes", "update_user_attributes", "admin_delete_user_attributes"])
def test_what_cannot_change_cannot_go_either(server: Server, way: str) -> None:
    """Reference: Mutable; else a tenant that a user cannot change is taken away and set anew."""
    schema = [{"Name": "tenant", "AttributeDataType": "String", "Mutable": False}]
    people = make_people(server, Schema=schema)
    people.user("ada", **{"custom:tenant": "orders"})
    token = people.tokens(people.client())["AccessToken"]
    requests: dict[str, dict[str, Any]] = {
        "delete_user_attributes": {"AccessToken": token, "UserAttributeNames": ["custom:tenant"]},
        "update_user_attributes": {"AccessToken": token, "UserAttributes": [{"Name": "custom:tenant", "Value": ""}]},
        "admin_delete_user_attributes": {
            "UserPoolId": people.pool_id,
            "Username": "ada",
            "UserAttributeNames": ["custom:tenant"],
        },
    }

    with refused("InvalidParameterException", "user.custom:tenant: Attribute cannot be deleted."):
        getattr(people.idp, way)(**requests[way])

    assert {"Name": "custom:tenant", "Value": "orders"} in people.idp.get_user(AccessToken=token)["UserAttributes"]


def test_what_is_the_developers_alone_a_user_does_not_take_away(server: Server) -> None:
    """The model's DeveloperOnlyAttribute: only operators write it, by either way."""
    schema = [{"Name": "plan", "AttributeDataType": "String", "DeveloperOnlyAttribute": True}]
    people = make_people(server, Schema=schema)
    people.user("ada", **{"dev:plan": "free"})
    token = people.tokens(people.client())["AccessToken"]

    with refused("NotAuthorizedException"):
        people.idp.delete_user_attributes(AccessToken=token, UserAttributeNames=["dev:plan"])
    with refused("NotAuthorizedException"):
        people.idp.update_user_attributes(AccessToken=token, UserAttributes=[{"Name": "dev:plan", "Value": ""}])

    shown = people.idp.admin_get_user(UserPoolId=people.pool_id, Username="ada")["UserAttributes"]
    assert {"Name": "dev:plan", "Value": "free"} in shown
