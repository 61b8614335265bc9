"""RESOURCES: CloudFormation type ↔ operations. One entry per type; adding a type is adding its entry.

An entry turns resolved properties into calls of AWS operations (through `Aws`, as any client would make them) and says
what `Ref` and `Fn::GetAtt` give. Names that a template leaves out are generated as CloudFormation does.
Source: reference pages, "CloudFormation and SAM" of each service.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scopegate.base import clock, names
from scopegate.base.errors import AwsError
from scopegate.stacks.build import inline_code
from scopegate.stacks.resolve import Physical

Properties = dict[str, Any]

_SUFFIX_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True)
class Aws:
    """The operations of one account and region, as the deploying caller."""

    call: Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
    account: str
    region: str
    stack_name: str
    read_artifact: Callable[[str], bytes]

    def generated_name(self, logical_id: str, longest: int) -> str:
        """`stack-logical-SUFFIX`, cut so that it fits, as CloudFormation names what a template does not."""
        suffix = clock.new_id(12, _SUFFIX_ALPHABET)
        return f"{self.stack_name}-{logical_id}"[: longest - 13] + f"-{suffix}"


Create = Callable[[Aws, str, Properties], Awaitable[Physical]]
Update = Callable[[Aws, Physical, Properties, Properties], Awaitable[Physical]]
Delete = Callable[[Aws, Physical, Properties], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How one type lives. update None: any change replaces. replaces: properties whose change replaces.

    missing: error codes that mean that a resource to delete is gone already.
    """

    create: Create
    delete: Delete
    update: Update | None = None
    replaces: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset({"ResourceNotFoundException", "NotFoundException", "NoSuchEntity"})


def _lower(properties: Mapping[str, Any]) -> dict[str, Any]:
    """v1 API Gateway spells the same members with a small first letter."""
    return {key[0].lower() + key[1:]: value for key, value in properties.items()}


def _tags(value: Any) -> dict[str, str]:
    """CloudFormation's tags, a list of Key and Value or a mapping, as a mapping."""
    if isinstance(value, list):
        return {str(tag["Key"]): str(tag["Value"]) for tag in value}
    return {str(key): str(item) for key, item in (value or {}).items()}


def _without(properties: Properties, *left_out: str) -> Properties:
    return {key: value for key, value in properties.items() if key not in left_out}


# Cognito


async def _create_user_pool(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {"PoolName": aws.generated_name(logical_id, 128), **_without(properties, "UserPoolName")}
    if "UserPoolName" in properties:
        request["PoolName"] = properties["UserPoolName"]
    if "UserPoolTags" in request:
        request["UserPoolTags"] = _tags(request["UserPoolTags"])
    pool = (await aws.call("cognito-idp", "CreateUserPool", request))["UserPool"]
    return _user_pool(aws, pool["Id"])


def _user_pool(aws: Aws, pool_id: str) -> Physical:
    provider = names.amazon_issuer(aws.region, pool_id)
    return Physical(
        pool_id,
        {
            "Arn": names.user_pool_arn(aws.region, aws.account, pool_id),
            "ProviderName": provider.removeprefix("https://"),
            "ProviderURL": provider,
            "UserPoolId": pool_id,
        },
    )


async def _update_user_pool(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = _without(new, "UserPoolName", "Schema", "AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
    if "UserPoolName" in new:
        request["PoolName"] = new["UserPoolName"]
    if "UserPoolTags" in request:
        request["UserPoolTags"] = _tags(request["UserPoolTags"])
    await aws.call("cognito-idp", "UpdateUserPool", {"UserPoolId": physical.physical_id, **request})
    return physical


async def _delete_user_pool(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("cognito-idp", "DeleteUserPool", {"UserPoolId": physical.physical_id})


async def _create_domain(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    answer = await aws.call("cognito-idp", "CreateUserPoolDomain", properties)
    return Physical(properties["Domain"], {"CloudFrontDistribution": answer.get("CloudFrontDomain", "")})


async def _delete_domain(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"Domain": physical.physical_id, "UserPoolId": properties["UserPoolId"]}
    await aws.call("cognito-idp", "DeleteUserPoolDomain", request)


async def _create_client(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {"ClientName": aws.generated_name(logical_id, 128), **properties}
    client = (await aws.call("cognito-idp", "CreateUserPoolClient", request))["UserPoolClient"]
    attributes = {"ClientId": client["ClientId"], "Name": client["ClientName"]}
    if "ClientSecret" in client:
        attributes["ClientSecret"] = client["ClientSecret"]
    return Physical(client["ClientId"], attributes)


async def _update_client(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = {"ClientId": physical.physical_id, **_without(new, "GenerateSecret")}
    request.setdefault("ClientName", physical.attributes["Name"])
    await aws.call("cognito-idp", "UpdateUserPoolClient", request)
    return Physical(physical.physical_id, {**physical.attributes, "Name": request["ClientName"]})


async def _delete_client(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "ClientId": physical.physical_id}
    await aws.call("cognito-idp", "DeleteUserPoolClient", request)


async def _create_resource_server(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    await aws.call("cognito-idp", "CreateResourceServer", properties)
    return Physical(properties["Identifier"], {})


async def _update_resource_server(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call("cognito-idp", "UpdateResourceServer", new)
    return physical


async def _delete_resource_server(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "Identifier": physical.physical_id}
    await aws.call("cognito-idp", "DeleteResourceServer", request)


# IAM


async def _create_role(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("RoleName") or aws.generated_name(logical_id, 64)
    request = {
        **_without(properties, "ManagedPolicyArns", "Policies", "RoleName"),
        "RoleName": name,
        "AssumeRolePolicyDocument": _policy(properties["AssumeRolePolicyDocument"]),
    }
    role = (await aws.call("iam", "CreateRole", request))["Role"]
    await _put_role_policies(aws, name, properties)
    return Physical(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _policy(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


async def _put_role_policies(aws: Aws, name: str, properties: Properties) -> None:
    for arn in properties.get("ManagedPolicyArns", []):
        await aws.call("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": arn})
    for policy in properties.get("Policies", []):
        request = {
            "RoleName": name,
            "PolicyName": policy["PolicyName"],
            "PolicyDocument": _policy(policy["PolicyDocument"]),
        }
        await aws.call("iam", "PutRolePolicy", request)


async def _clear_role(aws: Aws, name: str, properties: Properties) -> None:
    for arn in properties.get("ManagedPolicyArns", []):
        await aws.call("iam", "DetachRolePolicy", {"RoleName": name, "PolicyArn": arn})
    for policy in properties.get("Policies", []):
        await aws.call("iam", "DeleteRolePolicy", {"RoleName": name, "PolicyName": policy["PolicyName"]})


async def _update_role(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    request = {"RoleName": name, "PolicyDocument": _policy(new["AssumeRolePolicyDocument"])}
    await aws.call("iam", "UpdateAssumeRolePolicy", request)
    await _clear_role(aws, name, old)
    await _put_role_policies(aws, name, new)
    return physical


async def _delete_role(aws: Aws, physical: Physical, properties: Properties) -> None:
    await _clear_role(aws, physical.physical_id, properties)
    await aws.call("iam", "DeleteRole", {"RoleName": physical.physical_id})


# Lambda


def _function_code(aws: Aws, properties: Properties) -> dict[str, Any]:
    code = properties.get("Code") or {}
    if "S3Key" in code:
        return {"ZipFile": aws.read_artifact(code["S3Key"])}
    if "ZipFile" in code:
        return {"ZipFile": inline_code(properties.get("Runtime", ""), code["ZipFile"])}
    raise AwsError("InvalidParameterValueException", "Code needs S3Bucket and S3Key, or ZipFile with inline source")


def _function_configuration(properties: Properties) -> Properties:
    request = _without(properties, "Code", "Tags", "FunctionName", "ReservedConcurrentExecutions", "PackageType")
    variables = (request.get("Environment") or {}).get("Variables")
    if variables:
        request["Environment"] = {"Variables": {key: _scalar_text(value) for key, value in variables.items()}}
    return request


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


async def _create_function(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("FunctionName") or aws.generated_name(logical_id, 64)
    request = {**_function_configuration(properties), "FunctionName": name, "Code": _function_code(aws, properties)}
    if "Tags" in properties:
        request["Tags"] = _tags(properties["Tags"])
    created = await aws.call("lambda", "CreateFunction", request)
    return Physical(name, {"Arn": created["FunctionArn"]})


async def _update_function(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    if old.get("Code") != new.get("Code"):
        await aws.call("lambda", "UpdateFunctionCode", {"FunctionName": name, **_function_code(aws, new)})
    configuration = _function_configuration(new)
    if configuration != _function_configuration(old):
        configuration.setdefault("Environment", {"Variables": {}})
        await aws.call("lambda", "UpdateFunctionConfiguration", {"FunctionName": name, **configuration})
    return physical


async def _delete_function(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("lambda", "DeleteFunction", {"FunctionName": physical.physical_id})


async def _create_permission(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    statement_id = aws.generated_name(logical_id, 100)
    await aws.call("lambda", "AddPermission", {**properties, "StatementId": statement_id})
    return Physical(statement_id, {"Id": statement_id})


async def _delete_permission(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"FunctionName": properties["FunctionName"], "StatementId": physical.physical_id}
    await aws.call("lambda", "RemovePermission", request)


# API Gateway, REST


def _body(properties: Properties) -> bytes | None:
    body = properties.get("Body")
    return None if body is None else json.dumps(body).encode()


async def _create_rest_api(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = _lower(
        _without(properties, "Body", "BodyS3Location", "FailOnWarnings", "Mode", "Parameters", "Tags", "Policy")
    )
    body = properties.get("Body")
    if "name" not in request:
        title = body.get("info", {}).get("title") if isinstance(body, dict) else None
        request["name"] = title or aws.generated_name(logical_id, 128)
    if "Policy" in properties:
        request["policy"] = _policy(properties["Policy"])
    if "Tags" in properties:
        request["tags"] = _tags(properties["Tags"])
    if "endpointConfiguration" in request:
        request["endpointConfiguration"] = _lower(request["endpointConfiguration"])
    api = await aws.call("apigateway", "CreateRestApi", request)
    await _put_rest_body(aws, api["id"], properties)
    api = await aws.call("apigateway", "GetRestApi", {"restApiId": api["id"]})
    return Physical(api["id"], {"RestApiId": api["id"], "RootResourceId": api["rootResourceId"]})


async def _put_rest_body(aws: Aws, api_id: str, properties: Properties) -> None:
    body = _body(properties)
    if body is not None:
        request = {
            "restApiId": api_id,
            "mode": properties.get("Mode", "overwrite"),
            "failOnWarnings": properties.get("FailOnWarnings", False),
            "parameters": properties.get("Parameters", {}),
            "body": body,
        }
        await aws.call("apigateway", "PutRestApi", request)


async def _update_rest_api(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _put_rest_body(aws, physical.physical_id, new)
    if "Name" in new and new.get("Name") != old.get("Name"):
        patch = [{"op": "replace", "path": "/name", "value": new["Name"]}]
        await aws.call("apigateway", "UpdateRestApi", {"restApiId": physical.physical_id, "patchOperations": patch})
    return physical


async def _delete_rest_api(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("apigateway", "DeleteRestApi", {"restApiId": physical.physical_id})


async def _create_deployment(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = _lower(_without(properties, "StageDescription", "DeploymentCanarySettings"))
    deployment = await aws.call("apigateway", "CreateDeployment", request)
    return Physical(deployment["id"], {"DeploymentId": deployment["id"]})


async def _delete_deployment(aws: Aws, physical: Physical, properties: Properties) -> None:
    api_id = properties["RestApiId"]
    if "StageName" in properties:
        # The stage that this deployment made goes with it, unless it points elsewhere by now.
        stages = await aws.call("apigateway", "GetStages", {"restApiId": api_id, "deploymentId": physical.physical_id})
        for stage in stages["item"]:
            if stage["stageName"] == properties["StageName"]:
                await aws.call("apigateway", "DeleteStage", {"restApiId": api_id, "stageName": stage["stageName"]})
    await aws.call("apigateway", "DeleteDeployment", {"restApiId": api_id, "deploymentId": physical.physical_id})


async def _create_stage(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = _lower(_without(properties, "MethodSettings", "AccessLogSetting", "CanarySetting", "Tags"))
    if "Tags" in properties:
        request["tags"] = _tags(properties["Tags"])
    await aws.call("apigateway", "CreateStage", request)
    return Physical(properties["StageName"], {})


async def _update_stage(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    patch = []
    for name, path in (("DeploymentId", "/deploymentId"), ("Description", "/description")):
        if new.get(name) != old.get(name) and name in new:
            patch.append({"op": "replace", "path": path, "value": new[name]})
    old_variables, new_variables = old.get("Variables") or {}, new.get("Variables") or {}
    for key in sorted(old_variables.keys() | new_variables.keys()):
        if key not in new_variables:
            patch.append({"op": "remove", "path": f"/variables/{key}"})
        elif old_variables.get(key) != new_variables[key]:
            patch.append({"op": "replace", "path": f"/variables/{key}", "value": new_variables[key]})
    if patch:
        request = {"restApiId": new["RestApiId"], "stageName": physical.physical_id, "patchOperations": patch}
        await aws.call("apigateway", "UpdateStage", request)
    return physical


async def _delete_stage(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"restApiId": properties["RestApiId"], "stageName": physical.physical_id}
    await aws.call("apigateway", "DeleteStage", request)


# API Gateway, HTTP


async def _create_http_api(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    body = _body(properties)
    if body is not None:
        request: dict[str, Any] = {"Body": body.decode(), "FailOnWarnings": properties.get("FailOnWarnings", False)}
        api = await aws.call("apigatewayv2", "ImportApi", request)
    else:
        api = await aws.call("apigatewayv2", "CreateApi", _without(properties, "Tags"))
    if "Tags" in properties:
        arn = f"arn:{names.partition_of(aws.region)}:apigateway:{aws.region}::/apis/{api['ApiId']}"
        await aws.call("apigatewayv2", "TagResource", {"ResourceArn": arn, "Tags": _tags(properties["Tags"])})
    return Physical(api["ApiId"], {"ApiEndpoint": api["ApiEndpoint"], "ApiId": api["ApiId"]})


async def _update_http_api(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    body = _body(new)
    if body is not None:
        await aws.call("apigatewayv2", "ReimportApi", {"ApiId": physical.physical_id, "Body": body.decode()})
    else:
        request = _without(new, "ProtocolType", "Tags")
        await aws.call("apigatewayv2", "UpdateApi", {"ApiId": physical.physical_id, **request})
    return physical


async def _delete_http_api(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("apigatewayv2", "DeleteApi", {"ApiId": physical.physical_id})


def _api_part(name: str, member: str) -> ResourceType:
    """A part of an HTTP API whose CloudFormation properties are the operation's members."""

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        made = await aws.call("apigatewayv2", f"Create{name}", properties)
        return Physical(made[member], {} if member == "StageName" else {member: made[member]})

    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        await aws.call("apigatewayv2", f"Update{name}", {member: physical.physical_id, **new})
        return physical

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        await aws.call("apigatewayv2", f"Delete{name}", {"ApiId": properties["ApiId"], member: physical.physical_id})

    return ResourceType(create, delete, update, frozenset({"ApiId", "StageName"}))


RESOURCES: Final[Mapping[str, ResourceType]] = {
    "AWS::ApiGateway::Deployment": ResourceType(_create_deployment, _delete_deployment),
    "AWS::ApiGateway::RestApi": ResourceType(_create_rest_api, _delete_rest_api, _update_rest_api),
    "AWS::ApiGateway::Stage": ResourceType(
        _create_stage, _delete_stage, _update_stage, frozenset({"RestApiId", "StageName"})
    ),
    "AWS::ApiGatewayV2::Api": ResourceType(
        _create_http_api, _delete_http_api, _update_http_api, frozenset({"ProtocolType"})
    ),
    "AWS::ApiGatewayV2::Authorizer": _api_part("Authorizer", "AuthorizerId"),
    "AWS::ApiGatewayV2::Integration": _api_part("Integration", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": _api_part("Route", "RouteId"),
    "AWS::ApiGatewayV2::Stage": _api_part("Stage", "StageName"),
    "AWS::Cognito::UserPool": ResourceType(
        _create_user_pool,
        _delete_user_pool,
        _update_user_pool,
        frozenset({"AliasAttributes", "UsernameAttributes", "UsernameConfiguration"}),
    ),
    "AWS::Cognito::UserPoolClient": ResourceType(
        _create_client, _delete_client, _update_client, frozenset({"GenerateSecret", "UserPoolId"})
    ),
    "AWS::Cognito::UserPoolDomain": ResourceType(_create_domain, _delete_domain),
    "AWS::Cognito::UserPoolResourceServer": ResourceType(
        _create_resource_server,
        _delete_resource_server,
        _update_resource_server,
        frozenset({"Identifier", "UserPoolId"}),
    ),
    "AWS::IAM::Role": ResourceType(_create_role, _delete_role, _update_role, frozenset({"RoleName", "Path"})),
    "AWS::Lambda::Function": ResourceType(
        _create_function, _delete_function, _update_function, frozenset({"FunctionName", "PackageType"})
    ),
    "AWS::Lambda::Permission": ResourceType(_create_permission, _delete_permission),
}
