"""The account's settings, API keys and usage plans."""

import json
from typing import Any, Final

from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.apigateway.patches import V1, Patches, changed_paths, escaped, move_tags, patch, set_to
from scopegate.stacks.types.resource_type import Aws, Properties, ResourceType, lower_all, lower_first, without, words


async def _create_account(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """The account is there already; it is only told its role. As on AWS, nothing takes that back."""
    account_id = aws.generated_name(logical_id, 128)
    physical = Physical(account_id, {"Id": account_id})
    return await _update_account(aws, physical, {}, properties)


async def _update_account(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await patch(aws, "UpdateAccount", {}, changed_paths(old, new, {"CloudWatchRoleArn": ("/cloudwatchRoleArn", None)}))
    return physical


async def _delete_account(aws: Aws, physical: Physical, properties: Properties) -> None:
    pass


async def _create_api_key(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = lower_first(without(properties, "StageKeys", "Tags"))
    request.setdefault("name", aws.generated_name(logical_id, 128))
    request["tags"] = aws.tags_with(properties.get("Tags"))
    if "StageKeys" in properties:
        request["stageKeys"] = lower_all(properties["StageKeys"])
    return await aws.make(
        V1, "CreateApiKey", request, lambda answer: Physical(answer["id"], {"APIKeyId": answer["id"]})
    )


async def _update_api_key(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    paths = {
        "CustomerId": ("/customerId", None),
        "Description": ("/description", None),
        "Enabled": ("/enabled", False),
    }
    before, after = _stages(old), _stages(new)
    patches = changed_paths(old, new, paths)
    patches += [{"op": "remove", "path": "/stages", "value": each} for each in before if each not in after]
    patches += [{"op": "add", "path": "/stages", "value": each} for each in after if each not in before]
    await patch(aws, "UpdateApiKey", {"apiKey": physical.physical_id}, patches)
    await move_tags(aws, f"/apikeys/{physical.physical_id}", old, new)
    return physical


def _stages(properties: Properties) -> list[str]:
    return [f"{each['RestApiId']}/{each['StageName']}" for each in properties.get("StageKeys") or []]


async def _delete_api_key(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteApiKey", {"apiKey": physical.physical_id})


async def _create_usage_plan(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request: Properties = {
        "name": properties.get("UsagePlanName") or aws.generated_name(logical_id, 128),
        "tags": aws.tags_with(properties.get("Tags")),
        "apiStages": [_api_stage(stage) for stage in properties.get("ApiStages") or []],
        "description": properties.get("Description"),
    }
    request |= lower_all({name: properties[name] for name in ("Quota", "Throttle") if name in properties})
    return await aws.make(V1, "CreateUsagePlan", request, lambda answer: Physical(answer["id"], {"Id": answer["id"]}))


def _api_stage(stage: Properties) -> Properties:
    """`Throttle` maps `/path/METHOD`, which keeps its spelling, to limits."""
    limits = {key: lower_first(limit) for key, limit in (stage.get("Throttle") or {}).items()}
    return {**lower_first(without(stage, "Throttle")), "throttle": limits}


async def _update_usage_plan(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"usagePlanId": physical.physical_id}
    there = await aws.call(V1, "GetUsagePlan", key)
    paths: dict[str, tuple[str, Any]] = {"Description": ("/description", None)}
    if "UsagePlanName" in new:
        paths["UsagePlanName"] = ("/name", None)
    patches = changed_paths(old, new, paths)
    for member in ("quota", "throttle"):
        if member in there:
            patches.append({"op": "remove", "path": f"/{member}"})
        wanted = lower_first(new.get(member.capitalize()) or {})
        patches += [set_to(f"/{member}/{name}", value) for name, value in wanted.items()]
    patches += _stage_removals(there)
    for stage in map(_api_stage, new.get("ApiStages") or []):
        value = f"{stage['apiId']}:{stage['stage']}"
        patches.append({"op": "add", "path": "/apiStages", "value": value})
        if stage["throttle"]:
            patches.append(set_to(f"/apiStages/{escaped(value)}/throttle", json.dumps(stage["throttle"])))
    await patch(aws, "UpdateUsagePlan", key, patches)
    await move_tags(aws, f"/usageplans/{physical.physical_id}", old, new)
    return physical


def _stage_removals(plan: Properties) -> Patches:
    stages = plan.get("apiStages") or []
    return [{"op": "remove", "path": "/apiStages", "value": f"{each['apiId']}:{each['stage']}"} for each in stages]


async def _delete_usage_plan(aws: Aws, physical: Physical, properties: Properties) -> None:
    key = {"usagePlanId": physical.physical_id}
    await patch(aws, "UpdateUsagePlan", key, _stage_removals(await aws.call(V1, "GetUsagePlan", key)))
    await aws.call(V1, "DeleteUsagePlan", key)


async def _create_plan_key(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    link_id = f"{properties['KeyId']}:{properties['UsagePlanId']}"
    physical = Physical(link_id, {"Id": link_id})
    return await aws.make(V1, "CreateUsagePlanKey", lower_first(properties), lambda _: physical)


async def _delete_plan_key(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteUsagePlanKey", lower_first(without(properties, "KeyType")))


TYPES: Final = {
    "AWS::ApiGateway::Account": ResourceType(
        _create_account,
        _delete_account,
        _update_account,
        properties=words("CloudWatchRoleArn"),
        attributes=words("Id"),
        read_only=words("Id"),
        ref="an id that stands for the account's settings",
        operations=words("UpdateAccount"),
    ),
    "AWS::ApiGateway::ApiKey": ResourceType(
        _create_api_key,
        _delete_api_key,
        _update_api_key,
        properties=words("CustomerId Description Enabled GenerateDistinctId Name StageKeys Tags Value"),
        attributes=words("APIKeyId"),
        read_only=words("APIKeyId"),
        replaces=words("GenerateDistinctId Name Value"),
        ref="the id of the key",
        operations=words("CreateApiKey DeleteApiKey TagResource UntagResource UpdateApiKey"),
    ),
    "AWS::ApiGateway::UsagePlan": ResourceType(
        _create_usage_plan,
        _delete_usage_plan,
        _update_usage_plan,
        properties=words("ApiStages Description Quota Tags Throttle UsagePlanName"),
        attributes=words("Id"),
        read_only=words("Id"),
        ref="the id of the plan",
        operations=words("CreateUsagePlan DeleteUsagePlan GetUsagePlan TagResource UntagResource UpdateUsagePlan"),
    ),
    "AWS::ApiGateway::UsagePlanKey": ResourceType(
        _create_plan_key,
        _delete_plan_key,
        properties=words("KeyId KeyType UsagePlanId"),
        required=("KeyId", "KeyType", "UsagePlanId"),
        attributes=words("Id"),
        read_only=words("Id"),
        ref="`key id:plan id`",
        operations=words("CreateUsagePlanKey DeleteUsagePlanKey"),
    ),
}
