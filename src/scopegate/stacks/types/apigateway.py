"""`AWS::ApiGateway::*`: REST APIs, whole or part by part.

Everything but authorizers and stages goes live with a deployment only, so that a part may be taken away and put back
while calls are answered. Changes are worked out against what is there, not against what the template once said: they
can be made twice.
Source: reference, control plane, sections 2 and 7.
"""

import json
from typing import Any, Final

from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import (
    Aws,
    Create,
    Delete,
    Properties,
    ResourceType,
    change_tags,
    check_members,
    gone_already,
    lower_all,
    lower_first,
    policy_text,
    text,
    without,
    words,
)

_V1: Final = "apigateway"

Patches = list[dict[str, str]]


def _replace(path: str, value: Any) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": "" if value is None else text(value)}


def _escaped(token: str) -> str:
    """RFC 6901: a token of a JSON pointer."""
    return token.replace("~", "~0").replace("/", "~1")


async def _patch(aws: Aws, operation: str, request: Properties, patches: Patches) -> None:
    if patches:
        await aws.call(_V1, operation, {**request, "patchOperations": patches})


def _changed(old: Properties, new: Properties, paths: dict[str, tuple[str, Any]]) -> Patches:
    """One `replace` for each property that differs. paths: property → (path, value when it is left out)."""
    return [
        _replace(path, new.get(name, default))
        for name, (path, default) in paths.items()
        if old.get(name) != new.get(name)
    ]


async def _move_tags(aws: Aws, resource: str, old: Properties, new: Properties) -> None:
    arn = f"arn:{names.partition_of(aws.region)}:apigateway:{aws.region}::{resource}"
    await change_tags(aws, _V1, ("resourceArn", arn), ("tags", "tagKeys"), old.get("Tags"), new.get("Tags"))


# RestApi

_API_PATHS: Final = {
    "ApiKeySourceType": ("/apiKeySource", "HEADER"),
    "DisableExecuteApiEndpoint": ("/disableExecuteApiEndpoint", False),
    "MinimumCompressionSize": ("/minimumCompressionSize", None),
    "Name": ("/name", None),
    "SecurityPolicy": ("/securityPolicy", "TLS_1_0"),
}


def _binary_types(properties: Properties) -> set[str]:
    """SAM writes them escaped: `image~1png`."""
    return {text(one).replace("~1", "/") for one in properties.get("BinaryMediaTypes") or []}


def _type_patches(op: str, types: set[str]) -> Patches:
    return [{"op": op, "path": f"/binaryMediaTypes/{_escaped(one)}"} for one in sorted(types)]


async def _create_rest_api(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    body = properties.get("Body")
    title = (body.get("info") or {}).get("title") if isinstance(body, dict) else None
    left_out = ("ApiKeySourceType", "Body", "BodyS3Location", "FailOnWarnings", "Mode", "Parameters", "Policy", "Tags")
    request = lower_first(without(properties, *left_out))
    request["name"] = properties.get("Name") or title or aws.generated_name(logical_id, 128)
    request["tags"] = aws.tags_with(properties.get("Tags"))
    if "ApiKeySourceType" in properties:
        request["apiKeySource"] = properties["ApiKeySourceType"]
    if "BinaryMediaTypes" in properties:
        request["binaryMediaTypes"] = sorted(_binary_types(properties))
    if "EndpointConfiguration" in properties:
        request["endpointConfiguration"] = lower_all(properties["EndpointConfiguration"])
    if "Policy" in properties:
        request["policy"] = policy_text(properties["Policy"])
    physical = await aws.make(_V1, "CreateRestApi", request, _rest_api)
    if await _put_body(aws, physical.physical_id, properties):
        await _apply_over_body(aws, physical.physical_id, properties)
    return physical


def _rest_api(answer: Any) -> Physical:
    return Physical(answer["id"], {"RestApiId": answer["id"], "RootResourceId": answer["rootResourceId"]})


async def _put_body(aws: Aws, api_id: str, properties: Properties) -> bool:
    if "BodyS3Location" in properties:
        raise AwsError("ValidationException", "BodyS3Location is not supported: put the document in Body")
    if properties.get("Body") is None:
        return False
    request = {
        "restApiId": api_id,
        "mode": properties.get("Mode", "overwrite"),
        "failOnWarnings": properties.get("FailOnWarnings", False),
        "parameters": properties.get("Parameters") or {},
        "body": json.dumps(properties["Body"]).encode(),
    }
    await aws.call(_V1, "PutRestApi", request)
    return True


async def _apply_over_body(aws: Aws, api_id: str, properties: Properties) -> None:
    """What the template says of the API itself wins over the document (reference, 7.3)."""
    said = {name: path for name, path in _API_PATHS.items() if name in properties}
    patches = _changed({}, properties, said)
    patches += _type_patches("add", _binary_types(properties))
    if "Description" in properties:
        patches.append(_replace("/description", properties["Description"]))
    if "Policy" in properties:
        patches.append(_replace("/policy", policy_text(properties["Policy"])))
    await _patch(aws, "UpdateRestApi", {"restApiId": api_id}, patches)


async def _update_rest_api(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    api_id = physical.physical_id
    body = await _put_body(aws, api_id, new)
    patches = _changed(old, new, {name: path for name, path in _API_PATHS.items() if name != "Name" or name in new})
    if old.get("Description") and not new.get("Description"):
        patches.append({"op": "remove", "path": "/description"})
    elif new.get("Description") != old.get("Description"):
        patches.append(_replace("/description", new["Description"]))
    if old.get("Policy") != new.get("Policy"):
        patches.append(_replace("/policy", policy_text(new["Policy"]) if new.get("Policy") else None))
    types = [(each.get("EndpointConfiguration") or {}).get("Types") or ["EDGE"] for each in (old, new)]
    if types[0] != types[1]:
        patches.append(_replace("/endpointConfiguration/types/0", types[1][0]))
    before, after = _binary_types(old), _binary_types(new)
    patches += _type_patches("add", after - before) + _type_patches("remove", before - after)
    await _patch(aws, "UpdateRestApi", {"restApiId": api_id}, patches)
    if body:
        await _apply_over_body(aws, api_id, new)
    await _move_tags(aws, f"/restapis/{api_id}", old, new)
    return physical


async def _delete_rest_api(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteRestApi", {"restApiId": physical.physical_id})


# Method


def _method_key(properties: Properties) -> Properties:
    return {
        "restApiId": properties["RestApiId"],
        "resourceId": properties["ResourceId"],
        "httpMethod": properties["HttpMethod"],
    }


async def _create_method(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    physical = Physical(aws.generated_name(logical_id, 255), {})
    request = lower_first(without(properties, "Integration", "MethodResponses"))
    if "AuthorizerId" not in properties:
        request.setdefault("authorizationType", "NONE")
    await aws.make(_V1, "PutMethod", request, lambda _: physical)
    key = _method_key(properties)
    for response in properties.get("MethodResponses") or []:
        await aws.call(_V1, "PutMethodResponse", {**key, **lower_first(response)})
    if integration := properties.get("Integration"):
        await aws.call(_V1, "PutIntegration", {**key, **lower_first(without(integration, "IntegrationResponses"))})
        for response in integration.get("IntegrationResponses") or []:
            await aws.call(_V1, "PutIntegrationResponse", {**key, **lower_first(response)})
    return physical


async def _update_method(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await gone_already(_delete_method(aws, physical, old))
    await _create_method(aws, "", new)
    return physical


async def _delete_method(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteMethod", _method_key(properties))


# Deployment and Stage


async def _create_deployment(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`StageName` makes that stage, or moves it; which deployment it showed before is kept, to move it back."""
    api_id, stage_name = properties["RestApiId"], properties.get("StageName")
    description = properties.get("StageDescription") or {}
    settings = ("CacheClusterEnabled", "CacheClusterSize", "TracingEnabled", "Variables")
    request = lower_first({name: description[name] for name in settings if name in description})
    if "Description" in description:
        request["stageDescription"] = description["Description"]
    request |= {"restApiId": api_id, "stageName": stage_name, "description": properties.get("Description")}
    if "DeploymentCanarySettings" in properties:
        request["canarySettings"] = lower_first(properties["DeploymentCanarySettings"])
    stage = await _find_stage(aws, api_id, stage_name) if stage_name else None
    moved_from = {"_MovedFrom": stage["deploymentId"]} if stage else {}

    def physical(answer: Any) -> Physical:
        return Physical(answer["id"], {"DeploymentId": answer["id"], **moved_from})

    made = await aws.make(_V1, "CreateDeployment", request, physical)
    if stage_name and description:
        await _update_settings(aws, api_id, stage_name, {}, _as_stage(description))
    return made


def _as_stage(description: Properties) -> Properties:
    """`StageDescription` as a stage has it: its own settings are those of all methods."""
    names_of = (
        "CacheDataEncrypted CacheTtlInSeconds CachingEnabled DataTraceEnabled LoggingLevel MetricsEnabled "
        "ThrottlingBurstLimit ThrottlingRateLimit"
    )
    beside = "AccessLogSetting ClientCertificateId Description DocumentationVersion MethodSettings Tags Variables"
    own = "CacheClusterEnabled CacheClusterSize CanarySetting TracingEnabled"
    check_members(description, [*names_of.split(), *beside.split(), *own.split()])
    flat = {name: description[name] for name in names_of.split() if name in description}
    everywhere = [{"ResourcePath": "/*", "HttpMethod": "*", **flat}] if flat else []
    kept: Properties = {
        name: description[name]
        for name in ("AccessLogSetting", "ClientCertificateId", "DocumentationVersion")
        if name in description
    }
    return {**kept, "MethodSettings": [*everywhere, *(description.get("MethodSettings") or [])]}


async def _find_stage(aws: Aws, api_id: str, stage_name: str) -> Properties | None:
    stages = await aws.call(_V1, "GetStages", {"restApiId": api_id})
    return next((stage for stage in stages["item"] if stage["stageName"] == stage_name), None)


async def _update_deployment(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """As CloudFormation: another description is no new snapshot."""
    key = {"restApiId": new["RestApiId"], "deploymentId": physical.physical_id}
    await _patch(aws, "UpdateDeployment", key, _changed(old, new, {"Description": ("/description", None)}))
    return physical


async def _delete_deployment(aws: Aws, physical: Physical, properties: Properties) -> None:
    """A stage that this deployment made goes with it; one that it moved goes back, where there is a way back."""
    api_id, stage_name = properties["RestApiId"], properties.get("StageName")
    stage = await _find_stage(aws, api_id, stage_name) if stage_name else None
    if stage is not None and stage["deploymentId"] == physical.physical_id:
        key = {"restApiId": api_id, "stageName": stage_name}
        deployments = (await aws.call(_V1, "GetDeployments", {"restApiId": api_id, "limit": 500}))["items"]
        before = physical.attributes.get("_MovedFrom")
        if any(deployment["id"] == before for deployment in deployments):
            await _patch(aws, "UpdateStage", key, [_replace("/deploymentId", before)])
        else:
            await aws.call(_V1, "DeleteStage", key)
    await aws.call(_V1, "DeleteDeployment", {"restApiId": api_id, "deploymentId": physical.physical_id})


_STAGE_PATHS: Final = {
    "CacheClusterEnabled": ("/cacheClusterEnabled", False),
    "ClientCertificateId": ("/clientCertificateId", None),
    "DeploymentId": ("/deploymentId", None),
    "Description": ("/description", None),
    "DocumentationVersion": ("/documentationVersion", None),
    "TracingEnabled": ("/tracingEnabled", False),
}
_METHOD_SETTINGS: Final = {
    "CacheDataEncrypted": "caching/dataEncrypted",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}


async def _create_stage(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    later = ("AccessLogSetting", "CanarySetting", "ClientCertificateId", "MethodSettings", "Tags")
    request = lower_first(without(properties, *later))
    if "CanarySetting" in properties:
        request["canarySettings"] = lower_first(properties["CanarySetting"])
    request["tags"] = aws.tags_with(properties.get("Tags"))
    stage_name = properties["StageName"]
    physical = await aws.make(_V1, "CreateStage", request, lambda _: Physical(stage_name, {}))
    made = without(properties, *later)
    await _update_settings(aws, properties["RestApiId"], stage_name, made, properties)
    return physical


async def _update_stage(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _update_settings(aws, new["RestApiId"], physical.physical_id, old, new)
    await _move_tags(aws, f"/restapis/{new['RestApiId']}/stages/{physical.physical_id}", old, new)
    return physical


async def _update_settings(aws: Aws, api_id: str, stage_name: str, old: Properties, new: Properties) -> None:
    key = {"restApiId": api_id, "stageName": stage_name}
    stage = await aws.call(_V1, "GetStage", key)
    new = await _without_refused_levels(aws, new)
    patches = _changed(old, new, _STAGE_PATHS)
    if new.get("CacheClusterSize") and new["CacheClusterSize"] != old.get("CacheClusterSize"):
        patches.append(_replace("/cacheClusterSize", new["CacheClusterSize"]))
    if "Variables" in old or "Variables" in new:
        there, wanted = stage.get("variables") or {}, new.get("Variables") or {}
        patches += [{"op": "remove", "path": f"/variables/{_escaped(name)}"} for name in there if name not in wanted]
        patches += [_replace(f"/variables/{_escaped(name)}", value) for name, value in wanted.items()]
    patches += _log_patches(stage, old, new)
    patches += _setting_patches(stage, old, new)
    await _patch(aws, "UpdateStage", key, patches)


async def _without_refused_levels(aws: Aws, new: Properties) -> Properties:
    """An account without a role for logs may set no level. Accounts on AWS have one from elsewhere: say it, go on."""
    settings = new.get("MethodSettings") or []
    if all(setting.get("LoggingLevel", "OFF") == "OFF" for setting in settings):
        return new
    if (await aws.call(_V1, "GetAccount", {})).get("cloudwatchRoleArn"):
        return new
    aws.note("LoggingLevel of methods is left out: the account has no CloudWatch role (AWS::ApiGateway::Account)")
    return {**new, "MethodSettings": [without(setting, "LoggingLevel") for setting in settings]}


def _log_patches(stage: Properties, old: Properties, new: Properties) -> Patches:
    setting = new.get("AccessLogSetting") or {}
    check_members(setting, ("DestinationArn", "Format"))
    patches: Patches = []
    if not setting and old.get("AccessLogSetting") and stage.get("accessLogSettings"):
        patches.append({"op": "remove", "path": "/accessLogSettings"})
    for name, member in (("DestinationArn", "destinationArn"), ("Format", "format")):
        if name in setting:
            patches.append(_replace(f"/accessLogSettings/{member}", setting[name]))
    return patches


def _setting_patches(stage: Properties, old: Properties, new: Properties) -> Patches:
    """Method settings; those whose members changed are taken away first, for members cannot be."""
    for setting in new.get("MethodSettings") or []:
        check_members(setting, ("HttpMethod", "ResourcePath", *_METHOD_SETTINGS))
    wanted = {_setting_path(one): one for one in new.get("MethodSettings") or []}
    before = {_setting_path(one): one for one in old.get("MethodSettings") or []}
    changed = {path for path in wanted.keys() | before.keys() if wanted.get(path) != before.get(path)}
    patches: Patches = [
        {"op": "remove", "path": f"/{path}"} for path in sorted(changed) if path in stage.get("methodSettings", {})
    ]
    for path in sorted(changed & wanted.keys()):
        setting = wanted[path]
        patches += [
            _replace(f"/{path}/{place}", setting[name]) for name, place in _METHOD_SETTINGS.items() if name in setting
        ]
    return patches


def _setting_path(setting: Properties) -> str:
    """`/*` and `*` are all methods; a path is escaped behind its first slash, or is so already (reference, 7.1)."""
    path = text(setting.get("ResourcePath", "/*"))
    rest = path.removeprefix("/")
    where = "~1" if path in ("/", "") else rest if "~1" in rest else rest if rest == "*" else "~1" + _escaped(rest)
    return f"{where}/{setting.get('HttpMethod', '*')}"


async def _delete_stage(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteStage", {"restApiId": properties["RestApiId"], "stageName": physical.physical_id})


# Authorizer, Model, RequestValidator, Resource, GatewayResponse


def _part(name: str) -> tuple[Create, Delete]:
    """Create and delete of a part of an API; its kind, with `Id` behind it, is what names it and what GetAtt gives."""
    key = f"{name[0].lower()}{name[1:]}Id"

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        request = lower_first(properties)
        if "jwtConfiguration" in request:
            request["jwtConfiguration"] = lower_all(request["jwtConfiguration"])
        if name == "RequestValidator":
            request.setdefault("name", aws.generated_name(logical_id, 128))
        return await aws.make(
            _V1, f"Create{name}", request, lambda answer: Physical(answer["id"], {f"{name}Id": answer["id"]})
        )

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        request = {"restApiId": properties["RestApiId"], key: physical.physical_id}
        await aws.call(_V1, f"Delete{name}", request)

    return create, delete


async def _update_authorizer(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "authorizerId": physical.physical_id}
    there = await aws.call(_V1, "GetAuthorizer", key)
    patches = _changed(
        old,
        new,
        {
            "Name": ("/name", None),
            "Type": ("/type", None),
            "AuthType": ("/authType", None),
            "AuthorizerUri": ("/authorizerUri", None),
            "AuthorizerCredentials": ("/authorizerCredentials", None),
            "AuthorizerResultTtlInSeconds": ("/authorizerResultTtlInSeconds", 300),
            "IdentitySource": ("/identitySource", None),
            "IdentityValidationExpression": ("/identityValidationExpression", None),
        },
    )
    before, after = there.get("providerARNs") or [], new.get("ProviderARNs") or []
    patches += [{"op": "add", "path": "/providerARNs", "value": arn} for arn in after if arn not in before]
    patches += [{"op": "remove", "path": "/providerARNs", "value": arn} for arn in before if arn not in after]
    if new.get("JwtConfiguration") and new["JwtConfiguration"] != old.get("JwtConfiguration"):
        patches.append(_replace("/jwtConfiguration", json.dumps(lower_all(new["JwtConfiguration"]))))
    await _patch(aws, "UpdateAuthorizer", key, patches)
    return physical


async def _create_model(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """Ref is the model's name, which is generated from letters and digits when it is left out."""
    name = properties.get("Name") or "".join(filter(str.isalnum, aws.generated_name(logical_id, 128)))
    request = lower_first({"ContentType": "application/json", **properties, "Name": name})
    request["schema"] = _schema(properties)
    return await aws.make(_V1, "CreateModel", request, lambda _: Physical(name, {}))


def _schema(properties: Properties) -> str:
    schema = properties.get("Schema", {})
    return schema if isinstance(schema, str) else json.dumps(schema)


async def _update_model(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "modelName": physical.physical_id}
    patches = _changed(old, new, {"Description": ("/description", None)})
    await _patch(aws, "UpdateModel", key, [*patches, _replace("/schema", _schema(new))])
    return physical


async def _delete_model(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteModel", {"restApiId": properties["RestApiId"], "modelName": physical.physical_id})


async def _update_validator(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "requestValidatorId": physical.physical_id}
    flags = ("ValidateRequestBody", "ValidateRequestParameters")
    paths = {name: (f"/{name[0].lower()}{name[1:]}", False) for name in flags}
    await _patch(aws, "UpdateRequestValidator", key, _changed(old, new, paths))
    return physical


async def _create_gateway_response(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    response_id = aws.generated_name(logical_id, 128)
    physical = Physical(response_id, {"Id": response_id})
    return await aws.make(_V1, "PutGatewayResponse", lower_first(properties), lambda _: physical)


async def _update_gateway_response(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call(_V1, "PutGatewayResponse", lower_first(new))
    return physical


async def _delete_gateway_response(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"restApiId": properties["RestApiId"], "responseType": properties["ResponseType"]}
    await aws.call(_V1, "DeleteGatewayResponse", request)


# Account, API keys and usage plans


async def _create_account(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """The account is there already; it is only told its role. As on AWS, nothing takes that back."""
    account_id = aws.generated_name(logical_id, 128)
    physical = Physical(account_id, {"Id": account_id})
    return await _update_account(aws, physical, {}, properties)


async def _update_account(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _patch(aws, "UpdateAccount", {}, _changed(old, new, {"CloudWatchRoleArn": ("/cloudwatchRoleArn", None)}))
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
        _V1, "CreateApiKey", request, lambda answer: Physical(answer["id"], {"APIKeyId": answer["id"]})
    )


async def _update_api_key(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    paths = {
        "CustomerId": ("/customerId", None),
        "Description": ("/description", None),
        "Enabled": ("/enabled", False),
    }
    await _patch(aws, "UpdateApiKey", {"apiKey": physical.physical_id}, _changed(old, new, paths))
    await _move_tags(aws, f"/apikeys/{physical.physical_id}", old, new)
    return physical


async def _delete_api_key(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteApiKey", {"apiKey": physical.physical_id})


async def _create_usage_plan(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request: Properties = {
        "name": properties.get("UsagePlanName") or aws.generated_name(logical_id, 128),
        "tags": aws.tags_with(properties.get("Tags")),
        "apiStages": [_api_stage(stage) for stage in properties.get("ApiStages") or []],
        "description": properties.get("Description"),
    }
    request |= lower_all({name: properties[name] for name in ("Quota", "Throttle") if name in properties})
    return await aws.make(_V1, "CreateUsagePlan", request, lambda answer: Physical(answer["id"], {"Id": answer["id"]}))


def _api_stage(stage: Properties) -> Properties:
    """`Throttle` maps `/path/METHOD`, which keeps its spelling, to limits."""
    limits = {key: lower_first(limit) for key, limit in (stage.get("Throttle") or {}).items()}
    return {**lower_first(without(stage, "Throttle")), "throttle": limits}


async def _update_usage_plan(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"usagePlanId": physical.physical_id}
    there = await aws.call(_V1, "GetUsagePlan", key)
    paths: dict[str, tuple[str, Any]] = {"Description": ("/description", None)}
    if "UsagePlanName" in new:
        paths["UsagePlanName"] = ("/name", None)
    patches = _changed(old, new, paths)
    for member in ("quota", "throttle"):
        if member in there:
            patches.append({"op": "remove", "path": f"/{member}"})
        wanted = lower_first(new.get(member.capitalize()) or {})
        patches += [_replace(f"/{member}/{name}", value) for name, value in wanted.items()]
    patches += _stage_removals(there)
    for stage in map(_api_stage, new.get("ApiStages") or []):
        value = f"{stage['apiId']}:{stage['stage']}"
        patches.append({"op": "add", "path": "/apiStages", "value": value})
        if stage["throttle"]:
            patches.append(_replace(f"/apiStages/{_escaped(value)}/throttle", json.dumps(stage["throttle"])))
    await _patch(aws, "UpdateUsagePlan", key, patches)
    await _move_tags(aws, f"/usageplans/{physical.physical_id}", old, new)
    return physical


def _stage_removals(plan: Properties) -> Patches:
    stages = plan.get("apiStages") or []
    return [{"op": "remove", "path": "/apiStages", "value": f"{each['apiId']}:{each['stage']}"} for each in stages]


async def _delete_usage_plan(aws: Aws, physical: Physical, properties: Properties) -> None:
    key = {"usagePlanId": physical.physical_id}
    await _patch(aws, "UpdateUsagePlan", key, _stage_removals(await aws.call(_V1, "GetUsagePlan", key)))
    await aws.call(_V1, "DeleteUsagePlan", key)


async def _create_plan_key(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    link_id = f"{properties['KeyId']}:{properties['UsagePlanId']}"
    physical = Physical(link_id, {"Id": link_id})
    return await aws.make(_V1, "CreateUsagePlanKey", lower_first(properties), lambda _: physical)


async def _delete_plan_key(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V1, "DeleteUsagePlanKey", lower_first(without(properties, "KeyType")))


TYPES: Final = {
    "AWS::ApiGateway::Account": ResourceType(
        _create_account,
        _delete_account,
        _update_account,
        properties=words("CloudWatchRoleArn"),
        attributes=words("Id"),
        read_only=words("Id"),
    ),
    "AWS::ApiGateway::ApiKey": ResourceType(
        _create_api_key,
        _delete_api_key,
        _update_api_key,
        properties=words("CustomerId Description Enabled GenerateDistinctId Name StageKeys Tags Value"),
        attributes=words("APIKeyId"),
        read_only=words("APIKeyId"),
        replaces=words("GenerateDistinctId Name StageKeys Value"),
    ),
    "AWS::ApiGateway::Authorizer": ResourceType(
        *_part("Authorizer"),
        _update_authorizer,
        properties=words(
            "AuthType AuthorizerCredentials AuthorizerResultTtlInSeconds AuthorizerUri IdentitySource "
            "IdentityValidationExpression JwtConfiguration Name ProviderARNs RestApiId Type"
        ),
        required=("Name", "RestApiId", "Type"),
        attributes=words("AuthorizerId"),
        read_only=words("AuthorizerId"),
        replaces=words("RestApiId"),
    ),
    "AWS::ApiGateway::Deployment": ResourceType(
        _create_deployment,
        _delete_deployment,
        _update_deployment,
        properties=words("DeploymentCanarySettings Description RestApiId StageDescription StageName"),
        required=("RestApiId",),
        attributes=words("DeploymentId"),
        read_only=words("DeploymentId"),
        replaces=words("DeploymentCanarySettings RestApiId StageDescription StageName"),
    ),
    "AWS::ApiGateway::GatewayResponse": ResourceType(
        _create_gateway_response,
        _delete_gateway_response,
        _update_gateway_response,
        properties=words("ResponseParameters ResponseTemplates ResponseType RestApiId StatusCode"),
        required=("ResponseType", "RestApiId"),
        attributes=words("Id"),
        read_only=words("Id"),
        replaces=words("ResponseType RestApiId"),
        one_at_a_time=True,
        goes_first=True,
    ),
    "AWS::ApiGateway::Method": ResourceType(
        _create_method,
        _delete_method,
        _update_method,
        properties=words(
            "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod Integration MethodResponses "
            "OperationName RequestModels RequestParameters RequestValidatorId ResourceId RestApiId"
        ),
        required=("HttpMethod", "ResourceId", "RestApiId"),
        replaces=words("HttpMethod ResourceId RestApiId"),
        one_at_a_time=True,
        goes_first=True,
    ),
    "AWS::ApiGateway::Model": ResourceType(
        _create_model,
        _delete_model,
        _update_model,
        properties=words("ContentType Description Name RestApiId Schema"),
        required=("RestApiId",),
        replaces=words("ContentType Name RestApiId"),
    ),
    "AWS::ApiGateway::RequestValidator": ResourceType(
        *_part("RequestValidator"),
        _update_validator,
        properties=words("Name RestApiId ValidateRequestBody ValidateRequestParameters"),
        required=("RestApiId",),
        attributes=words("RequestValidatorId"),
        read_only=words("RequestValidatorId"),
        replaces=words("Name RestApiId"),
    ),
    "AWS::ApiGateway::Resource": ResourceType(
        *_part("Resource"),
        properties=words("ParentId PathPart RestApiId"),
        required=("ParentId", "PathPart", "RestApiId"),
        attributes=words("ResourceId"),
        read_only=words("ResourceId"),
    ),
    "AWS::ApiGateway::RestApi": ResourceType(
        _create_rest_api,
        _delete_rest_api,
        _update_rest_api,
        properties=words(
            "ApiKeySourceType BinaryMediaTypes Body BodyS3Location CloneFrom Description DisableExecuteApiEndpoint "
            "EndpointAccessMode EndpointConfiguration FailOnWarnings MinimumCompressionSize Mode Name Parameters "
            "Policy SecurityPolicy Tags"
        ),
        attributes=words("RestApiId RootResourceId"),
        read_only=words("RestApiId RootResourceId"),
    ),
    "AWS::ApiGateway::Stage": ResourceType(
        _create_stage,
        _delete_stage,
        _update_stage,
        properties=words(
            "AccessLogSetting CacheClusterEnabled CacheClusterSize CanarySetting ClientCertificateId DeploymentId "
            "Description DocumentationVersion MethodSettings RestApiId StageName Tags TracingEnabled Variables"
        ),
        required=("DeploymentId", "RestApiId", "StageName"),
        replaces=words("CanarySetting RestApiId StageName"),
        one_at_a_time=True,
    ),
    "AWS::ApiGateway::UsagePlan": ResourceType(
        _create_usage_plan,
        _delete_usage_plan,
        _update_usage_plan,
        properties=words("ApiStages Description Quota Tags Throttle UsagePlanName"),
        attributes=words("Id"),
        read_only=words("Id"),
    ),
    "AWS::ApiGateway::UsagePlanKey": ResourceType(
        _create_plan_key,
        _delete_plan_key,
        properties=words("KeyId KeyType UsagePlanId"),
        required=("KeyId", "KeyType", "UsagePlanId"),
        attributes=words("Id"),
        read_only=words("Id"),
    ),
}
