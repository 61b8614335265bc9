"""ListUsers: filters, pages, chosen attributes, by boto3; and the filter's grammar."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.userpools.operations.cognito_idp.user_filter import UserFilter, parse_filter
from scopegate.userpools.users.queries import SEARCHED
from tests.people import People, make_people, refused
from tests.server import Server


@pytest.fixture(scope="module")
def crowd(server: Server) -> People:
    people = make_people(server)
    for number, name in enumerate(("ada", "adam", "bob", "carl_", 'da"n', "e%ve")):
        people.user(name, permanent=number != 2, email=f"{number}@example.com", given_name=name.title())
    people.idp.admin_disable_user(UserPoolId=people.pool_id, Username="adam")
    return people


def names(people: People, **request: Any) -> list[str]:
    found = people.idp.list_users(UserPoolId=people.pool_id, **request)["Users"]
    return [user["Username"] for user in found]


ALL = ["ada", "adam", "bob", "carl_", 'da"n', "e%ve"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ALL),
        ('username = "ada"', ["ada"]),
        ('username="ada"', ["ada"]),
        ('username ^= "ada"', ["ada", "adam"]),
        ('username ^= ""', ALL),
        ('username = "da\\"n"', ['da"n']),
        ('username ^= "%"', []),
        ('username ^= "carl_"', ["carl_"]),
        ('username ^= "e%"', ["e%ve"]),
        ('email = "2@example.com"', ["bob"]),
        ('email ^= "2"', ["bob"]),
        ('given_name ^= "Ad"', ["ada", "adam"]),
        ('cognito:user_status = "CONFIRMED"', ["ada", "adam", "carl_", 'da"n', "e%ve"]),
        ('cognito:user_status = "FORCE_CHANGE_PASSWORD"', ["bob"]),
        ('cognito:user_status = "force_change_password"', ["bob"]),
        ('status = "Disabled"', ["adam"]),
        ('status = "disabled"', []),
        ('status ^= "Ena"', ["ada", "bob", "carl_", 'da"n', "e%ve"]),
        ('phone_number = "+1"', []),
        ('username = "\' OR 1=1 --"', []),
        ('name = ""', []),
    ],
)
def test_a_filter_finds(crowd: People, text: str, found: list[str]) -> None:
    """The model's text of Filter, case and all; attack U2."""
    assert names(crowd, Filter=text) == found


def test_a_user_is_found_by_sub(crowd: People) -> None:
    (ada,) = crowd.idp.list_users(UserPoolId=crowd.pool_id, Filter='username = "ada"')["Users"]
    sub = ada["Attributes"][0]["Value"]

    assert names(crowd, Filter=f'sub = "{sub}"') == ["ada"]
    assert crowd.idp.admin_get_user(UserPoolId=crowd.pool_id, Username=sub)["Username"] == "ada"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("username", "Error while parsing filter"),
        ("username = ada", "Error while parsing filter"),
        ('username = "ada', "Error while parsing filter"),
        ('username == "ada"', "Error while parsing filter"),
        ('username = "ada" or username = "bob"', "Error while parsing filter"),
        ('username = "a"; DROP TABLE users', "Error while parsing filter"),
        ('custom:x = "1"', "Invalid search attribute: custom:x"),
        ('password ^= "$argon2"', "Invalid search attribute: password"),
        ('document = "x"', "Invalid search attribute: document"),
        ('Username = "ada"', "Invalid search attribute: Username"),
    ],
)
def test_a_filter_that_is_none_is_refused(crowd: People, text: str, said: str) -> None:
    with refused("InvalidParameterException", said):
        names(crowd, Filter=text)


def test_pages(crowd: People) -> None:
    first = crowd.idp.list_users(UserPoolId=crowd.pool_id, Limit=4)
    second = crowd.idp.list_users(UserPoolId=crowd.pool_id, Limit=4, PaginationToken=first["PaginationToken"])

    assert [user["Username"] for page in (first, second) for user in page["Users"]] == ALL
    assert "PaginationToken" not in second
    assert names(crowd, Limit=0) == ALL


def test_a_page_goes_on_under_its_filter_alone(crowd: People) -> None:
    """Attack U2: a token is of one list."""
    page = crowd.idp.list_users(UserPoolId=crowd.pool_id, Limit=1, Filter='username ^= "ada"')
    token = page["PaginationToken"]

    assert names(crowd, Filter='username ^= "ada"', PaginationToken=token) == ["adam"]
    for other in ({}, {"Filter": 'username ^= "a"'}):
        with refused("InvalidParameterException"):
            names(crowd, PaginationToken=token, **other)


def test_chosen_attributes(crowd: People) -> None:
    (user,) = crowd.idp.list_users(
        UserPoolId=crowd.pool_id, Filter='username = "ada"', AttributesToGet=["email", "phone_number"]
    )["Users"]

    assert user["Attributes"] == [{"Name": "email", "Value": "0@example.com"}]
    with refused("InvalidParameterException", "One or more requested attributes do not exist."):
        crowd.idp.list_users(UserPoolId=crowd.pool_id, AttributesToGet=["custom:none"])


quoted = st.text(max_size=20).map(lambda text: (text, text.replace("\\", "\\\\").replace('"', '\\"')))


@given(st.sampled_from(["username", "sub", "status", *SEARCHED]), st.sampled_from(["=", "^="]), quoted)
def test_every_value_can_be_quoted(attribute: str, operator: str, value: tuple[str, str]) -> None:
    plain, written = value

    assert parse_filter(f'{attribute} {operator} "{written}"') == UserFilter(attribute, plain, operator == "^=")


@given(st.text(max_size=40))
def test_every_text_is_a_filter_or_is_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except AwsError as error:
        refusal = error.code
    else:
        refusal = None
        assert found.attribute is None or found.attribute in (
            "username",
            "sub",
            "cognito:user_status",
            "status",
            *SEARCHED,
        )

    assert refusal in (None, "InvalidParameterException")
