"""`AWS::ApiGatewayV2::*`: HTTP APIs, whole or part by part.

The properties of a part are the members of its operations. An update leaves alone what it does not name, so what a
template no longer says is named with the value of a new part.
Source: reference, control plane, sections 2 and 7.2.
"""

import json
from typing import Any, Final

from scopegate.base import names
from scopegate.base.limits import limit
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import (
    Aws,
    Create,
    Delete,
    Properties,
    ResourceType,
    Update,
    change_tags,
    gone_already,
    note_warnings,
    without,
    words,
)

_V2: Final = "apigatewayv2"


def _arn(aws: Aws, resource: str) -> tuple[str, str]:
    return "ResourceArn", f"arn:{names.partition_of(aws.region)}:apigateway:{aws.region}::{resource}"


async def _move_tags(aws: Aws, resource: str, old: Properties, new: Properties) -> None:
    await change_tags(aws, _V2, _arn(aws, resource), ("Tags", "TagKeys"), old.get("Tags"), new.get("Tags"))


# Api

_OF_BODY: Final = ("BasePath", "Body", "BodyS3Location", "DisableSchemaValidation", "FailOnWarnings", "Tags")
_API_DEFAULTS: Final[Properties] = {"Description": "", "DisableExecuteApiEndpoint": False, "Version": ""}


async def _create_api(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    body = properties.get("Body")
    tags = aws.tags_with(properties.get("Tags"))

    warnings: list[str] = []

    def physical(answer: Any) -> Physical:
        warnings[:] = answer.get("Warnings") or ()
        return _api(aws, answer)

    if body is None:
        return await aws.make(_V2, "CreateApi", {**without(properties, *_OF_BODY), "Tags": tags}, physical)
    made = await aws.make(_V2, "ImportApi", _import_request(properties), physical)
    note_warnings(aws, logical_id, warnings)
    await _apply_over_body(aws, made.physical_id, properties)
    arn = dict([_arn(aws, f"/apis/{made.physical_id}")])
    await aws.call(_V2, "TagResource", {**arn, "Tags": tags})
    return made


def _api(aws: Aws, answer: Any) -> Physical:
    api_id = answer["ApiId"]
    arn = names.execute_api_arn(aws.region, aws.account, api_id, "").rstrip("/")
    return Physical(api_id, {"ApiEndpoint": answer["ApiEndpoint"], "ApiId": api_id, "ExecuteApiArn": arn})


def _import_request(properties: Properties) -> Properties:
    request = {"Body": json.dumps(properties["Body"]), "FailOnWarnings": properties.get("FailOnWarnings", False)}
    return request | ({"Basepath": properties["BasePath"]} if "BasePath" in properties else {})


async def _apply_over_body(aws: Aws, api_id: str, properties: Properties) -> None:
    """What the template says of the API itself wins over the document."""
    said = without(properties, *_OF_BODY, "ProtocolType")
    if said:
        await aws.call(_V2, "UpdateApi", {"ApiId": api_id, **said})


async def _update_api(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    api_id = physical.physical_id
    body = new.get("Body")
    if body is not None:
        answer = await aws.call(_V2, "ReimportApi", {"ApiId": api_id, **_import_request(new)})
        note_warnings(aws, answer.get("Name", api_id), answer.get("Warnings"))
        await _apply_over_body(aws, api_id, new)
    else:
        quick = ("CredentialsArn", "RouteKey", "Target")
        unmoved = [name for name in quick if old.get(name) == new.get(name)]
        request = {**_given_up(_API_DEFAULTS, old, new), **without(new, *_OF_BODY, "ProtocolType", *unmoved)}
        await aws.call(_V2, "UpdateApi", {"ApiId": api_id, **request})
    if "CorsConfiguration" not in new and "x-amazon-apigateway-cors" not in (body or {}):
        await aws.call(_V2, "DeleteCorsConfiguration", {"ApiId": api_id})
    await _move_tags(aws, f"/apis/{api_id}", old, new)
    return physical


def _given_up(defaults: Properties, old: Properties, new: Properties) -> Properties:
    return {name: default for name, default in defaults.items() if name in old and name not in new}


async def _delete_api(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V2, "DeleteApi", {"ApiId": physical.physical_id})


# The parts


def _part(name: str, member: str, defaults: Properties) -> tuple[Create, Delete, Update]:
    """A part whose CloudFormation properties are the members of its operations. defaults: see the module."""

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        def physical(answer: Any) -> Physical:
            return Physical(answer[member], {member: answer[member]})

        return await aws.make(_V2, f"Create{name}", properties, physical)

    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        request = {**_given_up(defaults, old, new), **new, member: physical.physical_id}
        await aws.call(_V2, f"Update{name}", request)
        return physical

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        await aws.call(_V2, f"Delete{name}", {"ApiId": properties["ApiId"], member: physical.physical_id})

    return create, delete, update


_create_integration, _delete_integration, _change_integration = _part(
    "Integration",
    "IntegrationId",
    {
        "CredentialsArn": "",
        "Description": "",
        "PayloadFormatVersion": "1.0",
        "TimeoutInMillis": limit("gateway.http.timeout_ms"),
    },
)


def _mapped(properties: Properties) -> Properties:
    """Response mappings of a template are lists of Destination and Source; those of the operations are mappings."""
    by_status = properties.get("ResponseParameters")
    if not isinstance(by_status, dict):
        return properties
    mapped = {
        status: {each["Destination"]: each["Source"] for each in one["ResponseParameters"]}
        if isinstance(one, dict) and isinstance(one.get("ResponseParameters"), list)
        else one
        for status, one in by_status.items()
    }
    return {**properties, "ResponseParameters": mapped}


async def _create_mapped_integration(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    return await _create_integration(aws, logical_id, _mapped(properties))


async def _update_integration(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """Parameter mappings merge: what is no longer said is named, empty."""
    there = await aws.call(_V2, "GetIntegration", {"ApiId": new["ApiId"], "IntegrationId": physical.physical_id})
    mapped = _mapped(new)
    request = {**dict.fromkeys(there.get("RequestParameters") or {}, ""), **(mapped.get("RequestParameters") or {})}
    by_status = mapped.get("ResponseParameters") or {}
    response = {
        status: {**dict.fromkeys(mapping, ""), **(by_status.get(status) or {})}
        for status, mapping in {**by_status, **(there.get("ResponseParameters") or {})}.items()
    }
    mappings = {"RequestParameters": request, "ResponseParameters": response}
    said = {name: value for name, value in mappings.items() if value}
    return await _change_integration(aws, physical, old, {**mapped, **said})


async def _create_model(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    return await _make_model(aws, logical_id, _with_schema(properties))


async def _update_model(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _change_model(aws, physical, old, _with_schema(new))


def _with_schema(properties: Properties) -> Properties:
    """The schema as text: a template may have it as an object."""
    schema = properties.get("Schema")
    return properties if isinstance(schema, str) else {**properties, "Schema": json.dumps(schema)}


_make_model, _delete_model, _change_model = _part("Model", "ModelId", {"Description": ""})


# Stage and Deployment

_STAGE_DEFAULTS: Final[Properties] = {"AutoDeploy": False, "ClientCertificateId": "", "Description": ""}


async def _create_stage(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {**properties, "Tags": aws.tags_with(properties.get("Tags"))}
    return await aws.make(_V2, "CreateStage", request, lambda answer: Physical(answer["StageName"], {}))


async def _update_stage(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """Maps merge: variables that are no longer said are named, empty; settings of routes are deleted."""
    key = {"ApiId": new["ApiId"], "StageName": physical.physical_id}
    there = await aws.call(_V2, "GetStage", key)
    request = {**_given_up(_STAGE_DEFAULTS, old, new), **without(new, "Tags"), **key}
    request["StageVariables"] = {**dict.fromkeys(there["StageVariables"], ""), **(new.get("StageVariables") or {})}
    if old.get("DefaultRouteSettings") and "DefaultRouteSettings" not in new:
        request["DefaultRouteSettings"] = {"DetailedMetricsEnabled": False}
    for route_key in there["RouteSettings"].keys() - (new.get("RouteSettings") or {}).keys():
        await gone_already(aws.call(_V2, "DeleteRouteSettings", {**key, "RouteKey": route_key}))
    if "AccessLogSettings" in old and "AccessLogSettings" not in new:
        await aws.call(_V2, "DeleteAccessLogSettings", key)
    await aws.call(_V2, "UpdateStage", request)
    await _move_tags(aws, f"/apis/{new['ApiId']}/stages/{physical.physical_id}", old, new)
    return physical


async def _delete_stage(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_V2, "DeleteStage", {"ApiId": properties["ApiId"], "StageName": physical.physical_id})


async def _create_deployment(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`StageName` moves that stage; which deployment it showed before is kept, to move it back."""
    moved_from = {}
    if "StageName" in properties:
        key = {"ApiId": properties["ApiId"], "StageName": properties["StageName"]}
        moved_from = {"_MovedFrom": (await aws.call(_V2, "GetStage", key)).get("DeploymentId")}

    def physical(answer: Any) -> Physical:
        return Physical(answer["DeploymentId"], {"DeploymentId": answer["DeploymentId"], **moved_from})

    return await aws.make(_V2, "CreateDeployment", properties, physical)


async def _update_deployment(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = {"ApiId": new["ApiId"], "DeploymentId": physical.physical_id, "Description": new.get("Description", "")}
    await aws.call(_V2, "UpdateDeployment", request)
    return physical


async def _delete_deployment(aws: Aws, physical: Physical, properties: Properties) -> None:
    """A stage that this deployment moved goes back, where there is a way back; else it goes with it."""
    api_id = properties["ApiId"]
    stages = (await aws.call(_V2, "GetStages", {"ApiId": api_id}))["Items"]
    for stage in stages:
        if stage["StageName"] != properties.get("StageName") or stage.get("DeploymentId") != physical.physical_id:
            continue
        key = {"ApiId": api_id, "StageName": stage["StageName"]}
        deployments = (await aws.call(_V2, "GetDeployments", {"ApiId": api_id}))["Items"]
        before = physical.attributes.get("_MovedFrom")
        if any(deployment["DeploymentId"] == before for deployment in deployments):
            await aws.call(_V2, "UpdateStage", {**key, "DeploymentId": before})
        else:
            await aws.call(_V2, "DeleteStage", key)
    await aws.call(_V2, "DeleteDeployment", {"ApiId": api_id, "DeploymentId": physical.physical_id})


# Overrides of what a quick create made

_MANAGED: Final = (("Integration", "IntegrationId"), ("Route", "RouteId"), ("Stage", "StageName"))
_UNDONE: Final[Properties] = {"Route": {"AuthorizationType": "NONE"}}


async def _create_overrides(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    override_id = aws.generated_name(logical_id, 128)
    physical = Physical(override_id, {"ApiGatewayManagedOverridesId": override_id, "Id": override_id})
    return await _update_overrides(aws, physical, {}, properties)


async def _update_overrides(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """Each part that was overridden and is no longer goes back to what a quick create makes, as far as that is said."""
    api_id = new["ApiId"]
    for name, member in _MANAGED:
        override = new.get(name) or (_UNDONE.get(name) if name in old else None)
        if not override:
            continue
        parts = (await aws.call(_V2, f"Get{name}s", {"ApiId": api_id}))["Items"]
        for part in parts:
            if part.get("ApiGatewayManaged"):
                request = {"ApiId": api_id, member: part[member], **override}
                await aws.make(_V2, f"Update{name}", request, lambda _: physical)
    return physical


async def _delete_overrides(aws: Aws, physical: Physical, properties: Properties) -> None:
    await _update_overrides(aws, physical, properties, {"ApiId": properties["ApiId"]})


_AUTHORIZER: Final = _part(
    "Authorizer",
    "AuthorizerId",
    {
        "AuthorizerCredentialsArn": "",
        "AuthorizerResultTtlInSeconds": 0,
        "EnableSimpleResponses": False,
        "IdentityValidationExpression": "",
    },
)
_ROUTE: Final = _part("Route", "RouteId", {"AuthorizationScopes": [], "AuthorizationType": "NONE", "OperationName": ""})

TYPES: Final = {
    "AWS::ApiGatewayV2::Api": ResourceType(
        _create_api,
        _delete_api,
        _update_api,
        properties=words(
            "ApiKeySelectionExpression BasePath Body BodyS3Location CorsConfiguration CredentialsArn Description "
            "DisableExecuteApiEndpoint DisableSchemaValidation FailOnWarnings IpAddressType Name ProtocolType RouteKey "
            "RouteSelectionExpression Tags Target Version"
        ),
        refused={"BodyS3Location": "put the document in Body"},
        attributes=words("ApiEndpoint ApiId ExecuteApiArn"),
        read_only=words("ApiEndpoint ApiId ExecuteApiArn"),
        replaces=words("ProtocolType"),
        ref="the id of the API",
        stored=words("ApiKeySelectionExpression IpAddressType RouteSelectionExpression"),
        operations=words(
            "CreateApi DeleteApi DeleteCorsConfiguration ImportApi ReimportApi TagResource UntagResource UpdateApi"
        ),
    ),
    "AWS::ApiGatewayV2::ApiGatewayManagedOverrides": ResourceType(
        _create_overrides,
        _delete_overrides,
        _update_overrides,
        properties=words("ApiId Integration Route Stage"),
        required=("ApiId",),
        attributes=words("ApiGatewayManagedOverridesId Id"),
        read_only=words("ApiGatewayManagedOverridesId Id"),
        replaces=words("ApiId"),
        ref="an id of its own",
        operations=words("GetIntegrations GetRoutes GetStages UpdateIntegration UpdateRoute UpdateStage"),
    ),
    "AWS::ApiGatewayV2::Authorizer": ResourceType(
        *_AUTHORIZER,
        properties=words(
            "ApiId AuthorizerCredentialsArn AuthorizerPayloadFormatVersion AuthorizerResultTtlInSeconds AuthorizerType "
            "AuthorizerUri EnableSimpleResponses IdentitySource IdentityValidationExpression JwtConfiguration Name"
        ),
        required=("ApiId", "AuthorizerType", "Name"),
        attributes=words("AuthorizerId"),
        read_only=words("AuthorizerId"),
        replaces=words("ApiId"),
        ref="the id of the authorizer",
        operations=words("CreateAuthorizer DeleteAuthorizer UpdateAuthorizer"),
    ),
    "AWS::ApiGatewayV2::Deployment": ResourceType(
        _create_deployment,
        _delete_deployment,
        _update_deployment,
        properties=words("ApiId Description StageName"),
        required=("ApiId",),
        attributes=words("DeploymentId"),
        read_only=words("DeploymentId"),
        replaces=words("ApiId StageName"),
        ref="the id of the deployment",
        operations=words(
            "CreateDeployment DeleteDeployment DeleteStage GetDeployments GetStage GetStages UpdateDeployment "
            "UpdateStage"
        ),
    ),
    "AWS::ApiGatewayV2::Integration": ResourceType(
        _create_mapped_integration,
        _delete_integration,
        _update_integration,
        properties=words(
            "ApiId ConnectionId ConnectionType ContentHandlingStrategy CredentialsArn Description IntegrationMethod "
            "IntegrationSubtype IntegrationType IntegrationUri PassthroughBehavior PayloadFormatVersion "
            "RequestParameters RequestTemplates ResponseParameters TemplateSelectionExpression TimeoutInMillis "
            "TlsConfig"
        ),
        required=("ApiId", "IntegrationType"),
        attributes=words("IntegrationId"),
        read_only=words("IntegrationId"),
        replaces=words("ApiId"),
        ref="the id of the integration",
        operations=words("CreateIntegration DeleteIntegration GetIntegration UpdateIntegration"),
    ),
    "AWS::ApiGatewayV2::Model": ResourceType(
        _create_model,
        _delete_model,
        _update_model,
        properties=words("ApiId ContentType Description Name Schema"),
        required=("ApiId", "Name", "Schema"),
        attributes=words("ModelId"),
        read_only=words("ModelId"),
        replaces=words("ApiId"),
        ref="the id of the model",
        operations=words("CreateModel DeleteModel UpdateModel"),
    ),
    "AWS::ApiGatewayV2::Route": ResourceType(
        *_ROUTE,
        properties=words(
            "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression "
            "OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target"
        ),
        required=("ApiId", "RouteKey"),
        attributes=words("RouteId"),
        read_only=words("RouteId"),
        replaces=words("ApiId"),
        goes_first=True,
        ref="the id of the route",
        operations=words("CreateRoute DeleteRoute UpdateRoute"),
    ),
    "AWS::ApiGatewayV2::Stage": ResourceType(
        _create_stage,
        _delete_stage,
        _update_stage,
        properties=words(
            "AccessLogSettings AccessPolicyId ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId "
            "Description RouteSettings StageName StageVariables Tags"
        ),
        required=("ApiId", "StageName"),
        replaces=words("ApiId StageName"),
        ref="the name of the stage",
        operations=words(
            "CreateStage DeleteAccessLogSettings DeleteRouteSettings DeleteStage GetStage TagResource "
            "UntagResource UpdateStage"
        ),
        stored=words("ClientCertificateId"),
        left_out={"AccessPolicyId": "it has no use any more"},
    ),
}
