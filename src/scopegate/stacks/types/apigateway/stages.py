"""Deployments and stages."""

from typing import Any, Final

from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.apigateway.patches import V1, Patches, changed_paths, escaped, move_tags, patch, set_to
from scopegate.stacks.types.resource_type import (
    Aws,
    Properties,
    ResourceType,
    check_members,
    lower_first,
    text,
    without,
    words,
)


async def _create_deployment(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`StageName` makes that stage, or moves it; which deployment it showed before is kept, to move it back."""
    api_id, stage_name = properties["RestApiId"], properties.get("StageName")
    description = properties.get("StageDescription") or {}
    request = lower_first(without(_made_with(description), "Description"))
    if "Description" in description:
        request["stageDescription"] = description["Description"]
    request |= {"restApiId": api_id, "stageName": stage_name, "description": properties.get("Description")}
    if "DeploymentCanarySettings" in properties:
        request["canarySettings"] = lower_first(properties["DeploymentCanarySettings"])
    stage = await _find_stage(aws, api_id, stage_name) if stage_name else None
    moved_from = {"_MovedFrom": stage["deploymentId"]} if stage else {}

    def physical(answer: Any) -> Physical:
        return Physical(answer["id"], {"DeploymentId": answer["id"], **moved_from})

    made = await aws.make(V1, "CreateDeployment", request, physical)
    if stage_name and description:
        await _update_settings(aws, api_id, stage_name, {}, _as_stage(description))
    return made


def _made_with(description: Properties) -> Properties:
    """What of `StageDescription` the operation takes that makes the deployment."""
    names_of = ("CacheClusterEnabled", "CacheClusterSize", "Description", "TracingEnabled", "Variables")
    return {name: description[name] for name in names_of if name in description}


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
    stages = await aws.call(V1, "GetStages", {"restApiId": api_id})
    return next((stage for stage in stages["item"] if stage["stageName"] == stage_name), None)


async def _update_deployment(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """As CloudFormation: another description, or another stage, is no new snapshot."""
    key = {"restApiId": new["RestApiId"], "deploymentId": physical.physical_id}
    await patch(aws, "UpdateDeployment", key, changed_paths(old, new, {"Description": ("/description", None)}))
    if old.get("StageName") != new.get("StageName"):
        await _leave_stage(aws, physical, old)
        return await _enter_stage(aws, physical, new)
    before, after = old.get("StageDescription") or {}, new.get("StageDescription") or {}
    if before != after and "StageName" in new:
        standing = [{**_made_with(each), **_as_stage(each)} for each in (before, after)]
        await _update_settings(aws, new["RestApiId"], new["StageName"], *standing)
    return physical


async def _enter_stage(aws: Aws, physical: Physical, properties: Properties) -> Physical:
    """Make the stage of that name with this deployment, or move it here."""
    kept = without(dict(physical.attributes), "_MovedFrom")
    if "StageName" not in properties:
        return Physical(physical.physical_id, kept)
    api_id, stage_name = properties["RestApiId"], properties["StageName"]
    key = {"restApiId": api_id, "stageName": stage_name}
    description = properties.get("StageDescription") or {}
    stage = await _find_stage(aws, api_id, stage_name)
    if stage is None:
        request = {**key, "deploymentId": physical.physical_id, **lower_first(_made_with(description))}
        await aws.call(V1, "CreateStage", request)
    elif stage["deploymentId"] != physical.physical_id:
        kept["_MovedFrom"] = stage["deploymentId"]
        await patch(aws, "UpdateStage", key, [set_to("/deploymentId", physical.physical_id)])
    if description:
        await _update_settings(aws, api_id, stage_name, {}, _as_stage(description))
    return Physical(physical.physical_id, kept)


async def _delete_deployment(aws: Aws, physical: Physical, properties: Properties) -> None:
    await _leave_stage(aws, physical, properties)
    key = {"restApiId": properties["RestApiId"], "deploymentId": physical.physical_id}
    await aws.call(V1, "DeleteDeployment", key)


async def _leave_stage(aws: Aws, physical: Physical, properties: Properties) -> None:
    """A stage that this deployment made goes with it; one that it moved goes back, where there is a way back."""
    api_id, stage_name = properties["RestApiId"], properties.get("StageName")
    stage = await _find_stage(aws, api_id, stage_name) if stage_name else None
    if stage is not None and stage["deploymentId"] == physical.physical_id:
        key = {"restApiId": api_id, "stageName": stage_name}
        deployments = (await aws.call(V1, "GetDeployments", {"restApiId": api_id, "limit": 500}))["items"]
        before = physical.attributes.get("_MovedFrom")
        if any(deployment["id"] == before for deployment in deployments):
            await patch(aws, "UpdateStage", key, [set_to("/deploymentId", before)])
        else:
            await aws.call(V1, "DeleteStage", key)


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
    request["tags"] = aws.tags_with(properties.get("Tags"))
    stage_name = properties["StageName"]
    physical = await aws.make(V1, "CreateStage", request, lambda _: Physical(stage_name, {}))
    made = without(properties, *later)
    await _update_settings(aws, properties["RestApiId"], stage_name, made, properties)
    return physical


async def _update_stage(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _update_settings(aws, new["RestApiId"], physical.physical_id, old, new)
    await move_tags(aws, f"/restapis/{new['RestApiId']}/stages/{physical.physical_id}", old, new)
    return physical


async def _update_settings(aws: Aws, api_id: str, stage_name: str, old: Properties, new: Properties) -> None:
    key = {"restApiId": api_id, "stageName": stage_name}
    stage = await aws.call(V1, "GetStage", key)
    new = await _without_refused_levels(aws, new)
    patches = changed_paths(old, new, _STAGE_PATHS)
    if new.get("CacheClusterSize") and new["CacheClusterSize"] != old.get("CacheClusterSize"):
        patches.append(set_to("/cacheClusterSize", new["CacheClusterSize"]))
    if "Variables" in old or "Variables" in new:
        there, wanted = stage.get("variables") or {}, new.get("Variables") or {}
        patches += [{"op": "remove", "path": f"/variables/{escaped(name)}"} for name in there if name not in wanted]
        patches += [set_to(f"/variables/{escaped(name)}", value) for name, value in wanted.items()]
    patches += _log_patches(stage, old, new)
    patches += _canary_patches(stage, old, new)
    patches += _setting_patches(stage, old, new)
    await patch(aws, "UpdateStage", key, patches)


async def _without_refused_levels(aws: Aws, new: Properties) -> Properties:
    """An account without a role for logs may set no level. Accounts on AWS have one from elsewhere: say it, go on."""
    settings = new.get("MethodSettings") or []
    if all(setting.get("LoggingLevel", "OFF") == "OFF" for setting in settings):
        return new
    if (await aws.call(V1, "GetAccount", {})).get("cloudwatchRoleArn"):
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
            patches.append(set_to(f"/accessLogSettings/{member}", setting[name]))
    return patches


def _canary_patches(stage: Properties, old: Properties, new: Properties) -> Patches:
    """A canary that changed is another one."""
    if old.get("CanarySetting") == new.get("CanarySetting"):
        return []
    canary = new.get("CanarySetting") or {}
    check_members(canary, ("DeploymentId", "PercentTraffic", "StageVariableOverrides", "UseStageCache"))
    place = "/canarySettings"
    patches: Patches = [{"op": "remove", "path": place}] if stage.get("canarySettings") else []
    patches += [
        set_to(f"{place}/{name[0].lower()}{name[1:]}", value)
        for name, value in canary.items()
        if name != "StageVariableOverrides"
    ]
    overrides = canary.get("StageVariableOverrides") or {}
    return patches + [
        set_to(f"{place}/stageVariableOverrides/{escaped(name)}", each) for name, each in overrides.items()
    ]


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
            set_to(f"/{path}/{place}", setting[name]) for name, place in _METHOD_SETTINGS.items() if name in setting
        ]
    return patches


def _setting_path(setting: Properties) -> str:
    """`/*` and `*` are all methods; a path is escaped behind its first slash, or is so already (reference, 7.1)."""
    path = text(setting.get("ResourcePath", "/*"))
    rest = path.removeprefix("/")
    where = "~1" if path in ("/", "") else rest if "~1" in rest else rest if rest == "*" else "~1" + escaped(rest)
    return f"{where}/{setting.get('HttpMethod', '*')}"


async def _delete_stage(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteStage", {"restApiId": properties["RestApiId"], "stageName": physical.physical_id})


TYPES: Final = {
    "AWS::ApiGateway::Deployment": ResourceType(
        _create_deployment,
        _delete_deployment,
        _update_deployment,
        properties=words("DeploymentCanarySettings Description RestApiId StageDescription StageName"),
        required=("RestApiId",),
        attributes=words("DeploymentId"),
        read_only=words("DeploymentId"),
        replaces=words("DeploymentCanarySettings RestApiId"),
        ref="the id of the deployment",
        operations=words(
            "CreateDeployment CreateStage DeleteDeployment DeleteStage GetAccount GetDeployments GetStage GetStages "
            "UpdateDeployment UpdateStage"
        ),
        stored=words("DeploymentCanarySettings"),
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
        replaces=words("RestApiId StageName"),
        one_at_a_time=True,
        ref="the name of the stage",
        operations=words("CreateStage DeleteStage GetAccount GetStage TagResource UntagResource UpdateStage"),
        stored=words("CacheClusterEnabled CacheClusterSize CanarySetting ClientCertificateId TracingEnabled"),
    ),
}
