"""Attributes of user pools: standard ones in order, changes to them, custom ones."""

from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import Client, Pool, refusal

STANDARD = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
]


def attribute(pool: Pool, name: str) -> Any:
    (found,) = [each for each in pool.describe()["SchemaAttributes"] if each["Name"] == name]
    return found


def test_standard_attributes_come_in_their_order(pool: Pool) -> None:
    """Reference, "User pools", standard attributes; recorded in September 2024. `identities` comes with a pool's first
    identity provider only."""
    assert [each["Name"] for each in pool.created["SchemaAttributes"]] == STANDARD


def test_standard_attributes_have_their_constraints(pool: Pool) -> None:
    """Reference, "User pools", standard attributes."""
    assert attribute(pool, "sub") == {
        "Name": "sub",
        "AttributeDataType": "String",
        "DeveloperOnlyAttribute": False,
        "Mutable": False,
        "Required": True,
        "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "2048"},
    }
    assert attribute(pool, "birthdate")["StringAttributeConstraints"] == {"MinLength": "10", "MaxLength": "10"}
    assert attribute(pool, "updated_at")["NumberAttributeConstraints"] == {"MinValue": "0"}
    assert attribute(pool, "email_verified") == {
        "Name": "email_verified",
        "AttributeDataType": "Boolean",
        "DeveloperOnlyAttribute": False,
        "Mutable": True,
        "Required": False,
    }


def test_a_standard_attribute_may_be_required_immutable_and_shorter(client: Client) -> None:
    wanted = {
        "Name": "email",
        "AttributeDataType": "String",
        "Mutable": False,
        "Required": True,
        "StringAttributeConstraints": {"MinLength": "5", "MaxLength": "100"},
    }

    pool = Pool(client, Schema=[wanted])

    assert attribute(pool, "email") == wanted | {"DeveloperOnlyAttribute": False}
    assert [each["Name"] for each in pool.created["SchemaAttributes"]] == STANDARD


def test_custom_attributes_stand_behind_the_others_under_their_prefix(client: Client) -> None:
    pool = Pool(
        client,
        Schema=[
            {"Name": "department", "AttributeDataType": "String", "Mutable": False},
            {"Name": "age", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "150"}},
            {"Name": "note", "AttributeDataType": "String", "DeveloperOnlyAttribute": True},
            {"Name": "member", "AttributeDataType": "Boolean"},
        ],
    )

    assert pool.created["SchemaAttributes"][len(STANDARD) :] == [
        {
            "Name": "custom:department",
            "AttributeDataType": "String",
            "DeveloperOnlyAttribute": False,
            "Mutable": False,
            "Required": False,
            "StringAttributeConstraints": {},
        },
        {
            "Name": "custom:age",
            "AttributeDataType": "Number",
            "DeveloperOnlyAttribute": False,
            "Mutable": True,
            "Required": False,
            "NumberAttributeConstraints": {"MaxValue": "150"},
        },
        {
            "Name": "dev:note",
            "AttributeDataType": "String",
            "DeveloperOnlyAttribute": True,
            "Mutable": True,
            "Required": False,
            "StringAttributeConstraints": {},
        },
        {
            "Name": "custom:member",
            "AttributeDataType": "Boolean",
            "DeveloperOnlyAttribute": False,
            "Mutable": True,
            "Required": False,
        },
    ]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param(
            {"Name": "email", "AttributeDataType": "Number"},
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
            id="type_of_a_standard_one",
        ),
        pytest.param(
            {"Name": "department", "AttributeDataType": "String", "Required": True},
            "Required custom attributes are not supported currently.",
            id="required_custom",
        ),
        pytest.param(
            {
                "Name": "department",
                "AttributeDataType": "String",
                "StringAttributeConstraints": {"MinLength": "9", "MaxLength": "8"},
            },
            "user.department: Max length cannot be less than min length.",
            id="lengths",
        ),
        pytest.param(
            {
                "Name": "department",
                "AttributeDataType": "String",
                "StringAttributeConstraints": {"MaxLength": "2049"},
            },
            "user.department: String attributes cannot have a length of more than 2048",
            id="too_long",
        ),
        pytest.param(
            {"Name": "age", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "old"}},
            "Invalid NumberAttributeConstraints for schema attribute age",
            id="no_number",
        ),
        pytest.param(
            {
                "Name": "age",
                "AttributeDataType": "Number",
                "NumberAttributeConstraints": {"MinValue": "5", "MaxValue": "-5"},
            },
            "user.age: Max value cannot be less than min value.",
            id="values",
        ),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(client: Client, wanted: dict[str, Any], text: str) -> None:
    refused = refusal(client.create_user_pool, PoolName="people", Schema=[wanted])

    assert refused == ("InvalidParameterException", text)


def test_custom_attributes_are_added_later_and_never_twice(pool: Pool) -> None:
    wanted = [{"Name": "department", "AttributeDataType": "String"}]

    pool.client.add_custom_attributes(UserPoolId=pool.id, CustomAttributes=wanted)

    assert pool.describe()["SchemaAttributes"][-1]["Name"] == "custom:department"
    assert refusal(pool.client.add_custom_attributes, UserPoolId=pool.id, CustomAttributes=wanted) == (
        "InvalidParameterException",
        "custom:department: Existing attribute already has name custom:department.",
    )


def test_a_pool_has_at_most_50_custom_attributes(pool: Pool) -> None:
    def named(*numbers: int) -> list[dict[str, str]]:
        return [{"Name": f"a{number}", "AttributeDataType": "String"} for number in numbers]

    pool.client.add_custom_attributes(UserPoolId=pool.id, CustomAttributes=named(*range(25)))
    pool.client.add_custom_attributes(UserPoolId=pool.id, CustomAttributes=named(*range(25, 50)))

    code, _ = refusal(pool.client.add_custom_attributes, UserPoolId=pool.id, CustomAttributes=named(50))

    assert code == "InvalidParameterException"
    assert len(pool.describe()["SchemaAttributes"]) == len(STANDARD) + 50
