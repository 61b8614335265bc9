"""ImportApiKeys. Source: reference, control plane, section 5.4."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import Api, Client, refusal

ONE, TWO = "one" * 12, "two" * 12


def imported(client: Client, text: str | bytes, **more: Any) -> Any:
    body = text if isinstance(text, bytes) else text.encode()
    return client.import_api_keys(body=body, format="csv", **more)


def test_a_file_makes_keys_in_any_order_of_columns(client: Client) -> None:
    made = imported(client, f"KEY,Enabled,name,description\n{ONE},false,first,the first\n{TWO},,second,\n")

    first, second = (client.get_api_key(apiKey=one, includeValue=True) for one in made["ids"])
    assert made["warnings"] == []
    assert (first["name"], first["value"], first["enabled"], first["description"]) == ("first", ONE, False, "the first")
    assert (second["name"], second["value"], second["enabled"]) == ("second", TWO, True)


def test_keys_join_the_plans_that_the_file_names(client: Client) -> None:
    one, two = (client.create_usage_plan(name=name)["id"] for name in ("one", "two"))

    (key_id,) = imported(client, f'name,key,UsagePlanIds\nfirst,{ONE},"{one}, {two}"\n')["ids"]

    assert {plan["id"] for plan in client.get_usage_plans(keyId=key_id)["items"]} == {one, two}


def test_the_same_value_again_overwrites(client: Client) -> None:
    plan = client.create_usage_plan(name="plan")["id"]
    first = imported(client, f"name,key,description,UsagePlanIds\nfirst,{ONE},old,{plan}\n")
    again = imported(client, f"name,key,enabled,UsagePlanIds\nrenamed,{ONE},false,{plan}\n")

    key = client.get_api_key(apiKey=first["ids"][0])
    assert again == {"ids": first["ids"], "warnings": []}
    assert (key["name"], key["enabled"], "description" in key) == ("renamed", False, False)


def test_what_cannot_be_taken_is_warned_of(client: Client) -> None:
    made = imported(client, f"name,key,UsagePlanIds\nshort,abc,\n,{TWO},\nfirst,{ONE},nowhere\n")

    assert len(made["ids"]) == 1
    assert made["warnings"] == [
        "Row 2: API Key value should be at least 30 characters",
        "Row 3: Invalid API Key name, it cannot be blank",
        "API Key first: Invalid Usage Plan ID specified",
    ]


def test_warnings_may_undo_everything(client: Client) -> None:
    code, message = refusal(
        client.import_api_keys, body=f"name,key\nfirst,{ONE}\nshort,abc\n".encode(), format="csv", failOnWarnings=True
    )

    assert code == "BadRequestException"
    assert message is not None
    assert message.startswith("Warnings found during import")
    assert client.get_api_keys()["items"] == []


@pytest.mark.parametrize("text", [b"", b"name,description\nx,y\n", b"key\nx\n", b'name,key\n"x', b"\xff\xfe\xfd"])
def test_what_is_no_such_file_is_refused(client: Client, text: bytes) -> None:
    code, message = refusal(client.import_api_keys, body=text, format="csv")

    assert (code, str(message).startswith("Unable to parse the API key file")) == ("BadRequestException", True)


def test_a_stage_is_named_in_usage_after_it_joined(api: Api) -> None:
    """UpdateUsage needs a quota; GetUsage does not."""
    api.deployed()
    client = api.client
    plan = client.create_usage_plan(name="plan", apiStages=[{"apiId": api.id, "stage": "prod"}])["id"]
    (key_id,) = imported(client, f"name,key,usageplanids\nfirst,{ONE},{plan}\n")["ids"]

    usage = client.get_usage(usagePlanId=plan, startDate="2023-11-14", endDate="2023-11-14")
    refused = refusal(client.update_usage, usagePlanId=plan, keyId=key_id, patchOperations=[])

    assert usage["items"] == {key_id: [[0, 0]]}
    assert refused == ("BadRequestException", f"Usage Plan {plan} has no quota")
