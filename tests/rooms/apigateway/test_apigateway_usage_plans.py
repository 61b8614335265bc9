"""API keys and usage plans as stored (reference, control plane, 1.4, 2.1, 2.2, 3.2, 3.3, 5.4)."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import select

from scopegate.store.tables import gateway_account_parts
from tests.rooms.apigateway.driver import REGION, Api, Client, as_patches, refusal

VALUE = "v" * 20


# API keys


def test_a_key_is_disabled_and_generated_unless_said_otherwise(client: Client) -> None:
    created = client.create_api_key()

    assert re.fullmatch(r"[A-Za-z0-9]{40}", created["value"])
    assert created == {
        "id": created["id"],
        "value": created["value"],
        "enabled": False,
        "createdDate": 1_700_000_000,
        "lastUpdatedDate": 1_700_000_000,
        "stageKeys": [],
    }


def test_a_value_is_shown_only_when_asked_for(client: Client) -> None:
    created = client.create_api_key(name="a", value=VALUE, enabled=True)
    without = {name: member for name, member in created.items() if name != "value"}

    assert client.get_api_key(apiKey=created["id"]) == {**without, "tags": {}}
    assert client.get_api_key(apiKey=created["id"], includeValue=True) == {**created, "tags": {}}
    assert client.get_api_keys() == {"items": [without]}
    assert client.get_api_keys(includeValues=True) == {"items": [created]}


def test_a_value_is_sealed_at_rest(client: Client) -> None:
    client.create_api_key(value=VALUE)

    with client.transaction() as sql:
        (row,) = sql.execute(select(gateway_account_parts.c.document))

    assert VALUE not in json.dumps(row[0])


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"value": "v" * 19}, ("BadRequestException", "API Key value should be at least 20 characters")),
        ({"value": "v" * 129}, ("BadRequestException", "API Key value exceeds maximum size of 128 characters")),
        (
            {"name": "n" * 1025},
            ("BadRequestException", "Invalid API Key name, can be at most 1024 characters."),
        ),
        ({"description": "d" * 125_001}, ("BadRequestException", "Invalid API Key description specified.")),
        ({"value": VALUE}, ("ConflictException", "API Key already exists")),
    ],
)
def test_a_bad_key_is_refused(client: Client, members: dict[str, str], refused: tuple[str, str]) -> None:
    client.create_api_key(value=VALUE)

    assert refusal(client.create_api_key, **members) == refused


def test_names_are_found_by_their_beginning(client: Client) -> None:
    for name in ("orders-a", "orders-b", "Orders", ""):
        client.create_api_key(name=name, customerId="c" if name == "orders-b" else "")

    def names(**members: str) -> list[str]:
        return sorted(each.get("name", "") for each in client.get_api_keys(**members)["items"])

    assert names(nameQuery="orders") == ["orders-a", "orders-b"]
    assert names(nameQuery="rders") == []
    assert names(customerId="c") == ["orders-b"]
    assert len(names()) == 4


def test_a_key_changes_by_patch(client: Client) -> None:
    key_id = client.create_api_key(name="a")["id"]
    client.now = 1_700_000_009.0

    changed = client.update_api_key(
        apiKey=key_id,
        patchOperations=as_patches(
            ("replace", "/enabled", "TRUE"), ("replace", "/name", "b"), ("replace", "/customerId", "c")
        ),
    )

    assert (changed["enabled"], changed["name"], changed["customerId"]) == (True, "b", "c")
    assert (changed["lastUpdatedDate"], changed["tags"]) == (1_700_000_009, {})
    assert "value" not in changed
    assert refusal(client.update_api_key, apiKey=key_id, patchOperations=as_patches(("replace", "/value", VALUE))) == (
        "BadRequestException",
        "Invalid patch path  '/value' specified for op 'replace'. "
        "Must be one of: [/description, /enabled, /name, /customerId]",
    )


def test_an_id_can_be_pinned(client: Client) -> None:
    assert client.create_api_key(tags={"_custom_id_": "My-Key"})["id"] == "My-Key"
    assert refusal(client.create_api_key, tags={"_custom_id_": "My-Key"})[0] == "ConflictException"
    assert refusal(client.create_api_key, tags={"_custom_id_": "a b"})[0] == "BadRequestException"


def test_a_key_and_a_stage_are_linked_as_of_old(api: Api) -> None:
    api.deployed()
    key = api.client.create_api_key(stageKeys=[{"restApiId": api.id, "stageName": "prod"}])

    assert key["stageKeys"] == [f"{api.id}/prod"]
    patches = as_patches(("remove", "/stages", f"{api.id}/prod"))
    assert api.client.update_api_key(apiKey=key["id"], patchOperations=patches)["stageKeys"] == []


def test_an_unknown_key_is_not_found(client: Client) -> None:
    for operation in (client.get_api_key, client.update_api_key, client.delete_api_key):
        assert refusal(operation, apiKey="unknown") == (
            "NotFoundException",
            "Invalid API Key identifier specified",
        )


# Usage plans


def plan(api: Api, **members: Any) -> Any:
    api.deployed()
    return api.client.create_usage_plan(name="basic", apiStages=[{"apiId": api.id, "stage": "prod"}], **members)


def change(api: Api, plan_id: str, *operations: tuple[str, ...]) -> Any:
    return api.client.update_usage_plan(usagePlanId=plan_id, patchOperations=as_patches(*operations))


def test_a_plan_is_made_whole(api: Api) -> None:
    created = api.client.create_usage_plan(
        name="basic", throttle={"burstLimit": 20, "rateLimit": 10.0}, quota={"limit": 100, "period": "DAY"}
    )

    assert created == {
        "id": created["id"],
        "name": "basic",
        "apiStages": [],
        "throttle": {"burstLimit": 20, "rateLimit": 10.0},
        "quota": {"limit": 100, "period": "DAY", "offset": 0},
    }
    assert api.client.get_usage_plan(usagePlanId=created["id"]) == {**created, "tags": {}}
    assert api.client.get_usage_plans() == {"items": [created]}


def test_a_plan_has_stages_that_exist(api: Api) -> None:
    assert refusal(api.client.create_usage_plan, name="x", apiStages=[{"apiId": api.id, "stage": "prod"}]) == (
        "NotFoundException",
        f"API Stage not found: {api.id}:prod",
    )


def test_a_plan_with_stages_stays_and_a_deleted_stage_leaves_it(api: Api) -> None:
    plan_id = plan(api)["id"]

    assert refusal(api.client.delete_usage_plan, usagePlanId=plan_id) == (
        "BadRequestException",
        f"Cannot delete Usage Plan {plan_id} because there are API Stages associated with it, including {api.id}:prod",
    )

    api.client.delete_stage(restApiId=api.id, stageName="prod")
    assert api.client.get_usage_plan(usagePlanId=plan_id)["apiStages"] == []
    api.client.delete_usage_plan(usagePlanId=plan_id)
    assert refusal(api.client.get_usage_plan, usagePlanId=plan_id) == (
        "NotFoundException",
        "Invalid Usage Plan ID specified",
    )


def test_a_deleted_api_leaves_its_plans(api: Api) -> None:
    plan_id = plan(api)["id"]

    api.client.delete_rest_api(restApiId=api.id)

    assert api.client.get_usage_plan(usagePlanId=plan_id)["apiStages"] == []


def test_limits_change_one_by_one(api: Api) -> None:
    plan_id = plan(api)["id"]
    stage = f"{api.id}:prod"

    changed = change(
        api,
        plan_id,
        ("add", "/throttle/burstLimit", "5"),
        ("replace", "/throttle/rateLimit", "2"),
        ("add", "/quota/limit", "10"),
        ("replace", "/quota/period", "WEEK"),
        ("add", f"/apiStages/{stage}/throttle/~1pets/GET/rateLimit", "1.5"),
        ("add", "/productCode", "p"),
    )
    assert changed["throttle"] == {"burstLimit": 5, "rateLimit": 2.0}
    assert changed["quota"] == {"offset": 0, "limit": 10, "period": "WEEK"}
    assert changed["apiStages"] == [{"apiId": api.id, "stage": "prod", "throttle": {"/pets/GET": {"rateLimit": 1.5}}}]
    changed = change(
        api,
        plan_id,
        ("remove", "/throttle"),
        ("remove", "/quota"),
        ("remove", f"/apiStages/{stage}/throttle/~1pets/GET"),
        ("remove", "/productCode"),
        ("remove", "/apiStages", stage),
    )
    assert changed == {"id": plan_id, "name": "basic", "apiStages": [], "tags": {}}


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        (("remove", "/apiStages"), ("BadRequestException", "Invalid API Stage specified")),
        (("remove", "/apiStages", "nonsense"), ("BadRequestException", "Invalid API Stage specified")),
        (
            ("remove", "/apiStages", "a:b"),
            ("NotFoundException", "Invalid API Stage {api: a, stage: b} specified for usageplan {id}"),
        ),
        (
            ("remove", "/name"),
            (
                "BadRequestException",
                "Invalid patch path  '/name' specified for op 'remove'. Must be one of: [/apiStages, /quota, "
                "/throttle, /productCode, /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>, "
                "/apiStages/<apidId:stageName>/throttle]",
            ),
        ),
        (("add", "/throttle/rateLimit", "-1"), ("BadRequestException", "Invalid throttle settings specified")),
        (("add", "/throttle/rateLimit", "1_0"), ("BadRequestException", "Invalid throttle settings specified")),
        (("add", "/throttle/rateLimit", "nan"), ("BadRequestException", "Invalid throttle settings specified")),
        (("add", "/throttle/burstLimit", "1.5"), ("BadRequestException", "Invalid throttle settings specified")),
        (
            ("add", "/quota/period", "YEAR"),
            ("BadRequestException", "Invalid quota period specified. Must be one of: [DAY, WEEK, MONTH]"),
        ),
    ],
)
def test_a_bad_operation_is_refused(api: Api, operation: tuple[str, ...], refused: tuple[str, str]) -> None:
    plan_id = plan(api)["id"]

    code, message = refusal(api.client.update_usage_plan, usagePlanId=plan_id, patchOperations=as_patches(operation))

    assert (code, message) == (refused[0], refused[1].replace("{id}", plan_id))


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"/a/GET": 1}', '{"/a/GET": {"rateLimit": NaN}}', '{"/a/GET": {"burstLimit": []}}']
)
def test_limits_of_a_stage_are_read_from_json(api: Api, text: str) -> None:
    plan_id = plan(api)["id"]
    path = f"/apiStages/{api.id}:prod/throttle"

    changed = change(api, plan_id, ("add", path, '{"/a/GET": {"rateLimit": 1, "burstLimit": 2}}'))
    assert changed["apiStages"][0]["throttle"] == {"/a/GET": {"rateLimit": 1.0, "burstLimit": 2}}
    patches = as_patches(("replace", path, text))
    refused = refusal(api.client.update_usage_plan, usagePlanId=plan_id, patchOperations=patches)
    assert refused == ("BadRequestException", "Invalid throttle settings specified")


# Keys of a plan


def test_a_key_joins_and_leaves_a_plan(api: Api) -> None:
    plan_id = plan(api)["id"]
    key = api.client.create_api_key(name="a", value=VALUE)
    where = {"usagePlanId": plan_id, "keyId": key["id"]}

    link = api.client.create_usage_plan_key(**where, keyType="API_KEY")

    assert link == {"id": key["id"], "type": "API_KEY", "value": VALUE, "name": "a"}
    assert api.client.get_usage_plan_key(**where) == link
    assert api.client.get_usage_plan_keys(usagePlanId=plan_id) == {"items": [link]}
    assert api.client.get_usage_plan_keys(usagePlanId=plan_id, nameQuery="b") == {"items": []}
    assert [each["id"] for each in api.client.get_usage_plans(keyId=key["id"])["items"]] == [plan_id]
    assert refusal(api.client.create_usage_plan_key, **where, keyType="API_KEY")[0] == "ConflictException"

    api.client.delete_usage_plan_key(**where)
    assert refusal(api.client.get_usage_plan_key, **where)[0] == "NotFoundException"
    assert api.client.get_api_key(apiKey=key["id"])["id"] == key["id"]


def test_a_key_is_in_one_plan_of_a_stage(api: Api) -> None:
    first, second = plan(api)["id"], plan(api)["id"]
    key_id = api.client.create_api_key()["id"]
    api.client.create_usage_plan_key(usagePlanId=first, keyId=key_id, keyType="API_KEY")

    refused = refusal(api.client.create_usage_plan_key, usagePlanId=second, keyId=key_id, keyType="API_KEY")

    assert refused[0] == "ConflictException"


def test_a_deleted_key_leaves_its_plans(api: Api) -> None:
    plan_id = plan(api)["id"]
    key_id = api.client.create_api_key()["id"]
    api.client.create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")

    api.client.delete_api_key(apiKey=key_id)

    assert api.client.get_usage_plan_keys(usagePlanId=plan_id) == {"items": []}


def test_keys_of_an_unknown_plan_are_none(client: Client) -> None:
    """Reference 3.2: no error."""
    assert client.get_usage_plan_keys(usagePlanId="unknown") == {"items": []}


def test_keys_and_plans_have_tags(api: Api) -> None:
    plan_arn = f"arn:aws:apigateway:{REGION}::/usageplans/{plan(api)['id']}"
    key_arn = f"arn:aws:apigateway:{REGION}::/apikeys/{api.client.create_api_key()['id']}"

    for arn in (plan_arn, key_arn):
        api.client.tag_resource(resourceArn=arn, tags={"a": "1"})
        assert api.client.get_tags(resourceArn=arn) == {"tags": {"a": "1"}}
        assert refusal(api.client.get_tags, resourceArn=arn + "x")[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("path", "key"), [("~1pets~1{id}/GET", "/pets/{id}/GET"), ("/pets/{id}/GET", "/pets/{id}/GET")]
)
def test_a_method_is_limited_by_either_spelling(api: Api, path: str, key: str) -> None:
    """Documented with the slashes escaped; Terraform sends them as they are, and AWS takes both."""
    plan_id = plan(api)["id"]
    where = f"/apiStages/{api.id}:prod/throttle/{path}"

    limited = change(api, plan_id, ("replace", f"{where}/rateLimit", "5"), ("replace", f"{where}/burstLimit", "2"))
    assert limited["apiStages"][0]["throttle"] == {key: {"rateLimit": 5.0, "burstLimit": 2}}
    assert "throttle" not in change(api, plan_id, ("remove", where))["apiStages"][0]
