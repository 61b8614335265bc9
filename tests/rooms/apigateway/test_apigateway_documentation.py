"""Documentation parts and versions (reference, control plane, 1.4, 2.2, 3.2, 5.3)."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, Api, Client, as_patches, refusal

TEXT = '{"description":"orders"}'


def part(api: Api, **location: str) -> Any:
    return api.client.create_documentation_part(
        restApiId=api.id, location={"type": "METHOD", **location}, properties=TEXT
    )


def test_a_location_comes_back_as_given(api: Api) -> None:
    created = part(api, path="/orders")

    assert created == {
        "id": created["id"],
        "location": {"type": "METHOD", "path": "/orders"},
        "properties": TEXT,
    }
    assert api.client.get_documentation_part(restApiId=api.id, documentationPartId=created["id"]) == created


def test_a_place_is_documented_once(api: Api) -> None:
    """Defaults count: path `/`, method and status code `*`."""
    part(api)

    wanted = {"type": "METHOD", "path": "/", "method": "*"}
    refused = refusal(api.client.create_documentation_part, restApiId=api.id, location=wanted, properties=TEXT)

    assert refused[0] == "ConflictException"
    part(api, method="GET")


@pytest.mark.parametrize("text", ["", "[]", "no json", '"text"'])
def test_properties_are_a_json_object(api: Api, text: str) -> None:
    refused = refusal(api.client.create_documentation_part, restApiId=api.id, location={"type": "API"}, properties=text)

    assert refused[0] == "BadRequestException"


def test_parts_are_filtered(api: Api) -> None:
    orders = part(api, path="/orders")["id"]
    api.client.create_documentation_part(restApiId=api.id, location={"type": "MODEL", "name": "Order"}, properties=TEXT)

    def ids(**members: str) -> list[str]:
        items = api.client.get_documentation_parts(restApiId=api.id, **members)["items"]
        return [each["id"] for each in items]

    assert len(ids()) == 2
    assert ids(path="/orders") == ids(type="METHOD") == [orders]
    assert len(ids(nameQuery="Ord")) == 1
    assert ids(locationStatus="UNDOCUMENTED") == []


def test_a_part_changes_and_goes(api: Api) -> None:
    where = {"restApiId": api.id, "documentationPartId": part(api)["id"]}

    changed = api.client.update_documentation_part(
        **where, patchOperations=as_patches(("replace", "/properties", "{}"))
    )
    assert changed["properties"] == "{}"
    assert refusal(
        api.client.update_documentation_part, **where, patchOperations=as_patches(("replace", "/properties", ""))
    ) == ("BadRequestException", "Documentation part properties must be non-empty")
    assert refusal(
        api.client.update_documentation_part, **where, patchOperations=as_patches(("replace", "/x", ""))
    ) == (
        "BadRequestException",
        "Invalid patch path  '/x' specified for op 'replace'. Must be one of: [/properties]",
    )

    api.client.delete_documentation_part(**where)
    assert refusal(api.client.get_documentation_part, **where) == (
        "NotFoundException",
        "Invalid Documentation part identifier specified",
    )


def test_an_unknown_api_is_told_in_two_ways(client: Client) -> None:
    named = ("NotFoundException", f"Invalid API identifier specified {ACCOUNT}:x")
    unnamed = ("NotFoundException", "Invalid Documentation part identifier specified")

    assert refusal(client.get_documentation_parts, restApiId="x") == named
    assert refusal(client.delete_documentation_part, restApiId="x", documentationPartId="y") == named
    assert refusal(client.get_documentation_part, restApiId="x", documentationPartId="y") == unnamed
    assert refusal(client.update_documentation_part, restApiId="x", documentationPartId="y") == unnamed


def test_a_version_is_made_attached_changed_and_removed(api: Api) -> None:
    api.deployed()
    part(api)
    where = {"restApiId": api.id, "documentationVersion": "v1"}

    created = api.client.create_documentation_version(**where, stageName="prod", description="first")

    assert created == {"version": "v1", "createdDate": 1_700_000_000, "description": "first"}
    assert api.client.get_stage(restApiId=api.id, stageName="prod")["documentationVersion"] == "v1"
    assert api.client.get_documentation_versions(restApiId=api.id) == {"items": [created]}
    patches = as_patches(("replace", "/description", "second"))
    changed = api.client.update_documentation_version(**where, patchOperations=patches)
    assert changed == api.client.get_documentation_version(**where) == {**created, "description": "second"}
    assert refusal(api.client.create_documentation_version, **where)[0] == "ConflictException"

    api.client.delete_documentation_version(**where)
    assert refusal(api.client.get_documentation_version, **where) == (
        "NotFoundException",
        "Invalid Documentation version specified",
    )
