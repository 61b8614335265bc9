"""`AWS::Lambda::*`. Source: reference, lambda page, section 11."""

from typing import Any, Final

from scopegate.base.errors import AwsError
from scopegate.stacks.build import inline_code
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import (
    Aws,
    Properties,
    ResourceType,
    change_tags,
    check_members,
    text,
    without,
    words,
)

# A property that leaves the template goes back to what a new function has.
_DEFAULTS: Final[Properties] = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Layers": [],
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
_BESIDE: Final = (
    "Architectures",
    "Code",
    "FunctionName",
    "PackageType",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "RuntimeManagementConfig",
    "Tags",
)


def _code(aws: Aws, properties: Properties) -> dict[str, Any]:
    code = properties.get("Code") or {}
    check_members(code, ("ImageUri", "S3Bucket", "S3Key", "S3ObjectVersion", "SourceKMSKeyArn", "ZipFile"))
    if isinstance(code, dict) and "S3Key" in code:
        return without(code, "SourceKMSKeyArn", "ZipFile")
    if isinstance(code, dict) and "ZipFile" in code:
        return {"ZipFile": inline_code(text(properties.get("Runtime", "")), text(code["ZipFile"]))}
    raise AwsError("InvalidParameterValueException", "Code needs S3Bucket and S3Key, or ZipFile with inline source")


def _configuration(properties: Properties) -> Properties:
    request = without(properties, *_BESIDE, "KmsKeyArn")
    if "KmsKeyArn" in properties:
        request["KMSKeyArn"] = properties["KmsKeyArn"]
    variables = (request.get("Environment") or {}).get("Variables")
    if variables:
        request["Environment"] = {"Variables": {key: text(value) for key, value in variables.items()}}
    return request


async def _create_function(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    name = properties.get("FunctionName") or aws.generated_name(logical_id, 64)
    request = {**_configuration(properties), "FunctionName": name, "Code": _code(aws, properties)}
    request |= {key: properties[key] for key in ("Architectures", "PackageType") if key in properties}
    request["Tags"] = aws.tags_with(properties.get("Tags"))
    physical = await aws.make(
        "lambda", "CreateFunction", request, lambda answer: Physical(name, {"Arn": answer["FunctionArn"]})
    )
    await _set_concurrency(aws, name, None, properties.get("ReservedConcurrentExecutions"))
    return physical


async def _set_concurrency(aws: Aws, name: str, old: Any, new: Any) -> None:
    if new is None and old is not None:
        await aws.call("lambda", "DeleteFunctionConcurrency", {"FunctionName": name})
    elif new != old:
        request = {"FunctionName": name, "ReservedConcurrentExecutions": new}
        await aws.call("lambda", "PutFunctionConcurrency", request)


async def _update_function(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    if old.get("Code") != new.get("Code") or old.get("Architectures") != new.get("Architectures"):
        request = {"FunctionName": name, **_code(aws, new)}
        request["Architectures"] = new.get("Architectures", ["x86_64"])
        await aws.call("lambda", "UpdateFunctionCode", request)
    before, after = _configuration(old), _configuration(new)
    if after != before:
        back = {key: value for key, value in _DEFAULTS.items() if key in before and key not in after}
        await aws.call("lambda", "UpdateFunctionConfiguration", {"FunctionName": name, **after, **back})
    old_reserve, new_reserve = (each.get("ReservedConcurrentExecutions") for each in (old, new))
    await _set_concurrency(aws, name, old_reserve, new_reserve)
    arn = ("Resource", physical.attributes["Arn"])
    await change_tags(aws, "lambda", arn, ("Tags", "TagKeys"), old.get("Tags"), new.get("Tags"))
    return physical


async def _delete_function(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("lambda", "DeleteFunction", {"FunctionName": physical.physical_id})


async def _create_permission(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    statement_id = aws.generated_name(logical_id, 100)
    request = {**properties, "StatementId": statement_id}
    return await aws.make("lambda", "AddPermission", request, lambda _: Physical(statement_id, {"Id": statement_id}))


async def _delete_permission(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"FunctionName": properties["FunctionName"], "StatementId": physical.physical_id}
    await aws.call("lambda", "RemovePermission", request)


async def _create_version(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = without(properties, "ProvisionedConcurrencyConfig", "RuntimePolicy")
    return await aws.make("lambda", "PublishVersion", request, _version)


def _version(answer: Any) -> Physical:
    return Physical(answer["FunctionArn"], {"Version": answer["Version"], "FunctionArn": answer["FunctionArn"]})


async def _delete_version(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("lambda", "DeleteFunction", {"FunctionName": physical.physical_id})


def _alias_request(properties: Properties) -> Properties:
    request = without(properties, "ProvisionedConcurrencyConfig", "RoutingConfig")
    routing = properties.get("RoutingConfig") or {}
    check_members(routing, ("AdditionalVersionWeights",))
    weights = routing.get("AdditionalVersionWeights")
    request["RoutingConfig"] = {
        "AdditionalVersionWeights": {text(each["FunctionVersion"]): each["FunctionWeight"] for each in weights or []}
    }
    return request


async def _create_alias(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    def physical(answer: Any) -> Physical:
        return Physical(answer["AliasArn"], {"AliasArn": answer["AliasArn"]})

    return await aws.make("lambda", "CreateAlias", _alias_request(properties), physical)


async def _update_alias(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call("lambda", "UpdateAlias", {"Description": "", **_alias_request(new)})
    return physical


async def _delete_alias(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"FunctionName": properties["FunctionName"], "Name": properties["Name"]}
    await aws.call("lambda", "DeleteAlias", request)


async def _create_layer(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    content = properties["Content"] or {}
    check_members(content, ("S3Bucket", "S3Key", "S3ObjectVersion"))
    request = {"LayerName": aws.generated_name(logical_id, 140), **properties, "Content": content}

    def physical(answer: Any) -> Physical:
        return Physical(answer["LayerVersionArn"], {"LayerVersionArn": answer["LayerVersionArn"]})

    return await aws.make("lambda", "PublishLayerVersion", request, physical)


def _layer_version(arn: str) -> dict[str, Any]:
    layer, _, version = arn.rpartition(":")
    return {"LayerName": layer, "VersionNumber": int(version)}


async def _delete_layer(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call("lambda", "DeleteLayerVersion", _layer_version(physical.physical_id))


async def _create_layer_permission(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    statement_id = aws.generated_name(logical_id, 100)
    request = {
        **without(properties, "LayerVersionArn"),
        **_layer_version(properties["LayerVersionArn"]),
        "StatementId": statement_id,
    }
    return await aws.make("lambda", "AddLayerVersionPermission", request, lambda _: Physical(statement_id, {}))


async def _delete_layer_permission(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {**_layer_version(properties["LayerVersionArn"]), "StatementId": physical.physical_id}
    await aws.call("lambda", "RemoveLayerVersionPermission", request)


TYPES: Final = {
    "AWS::Lambda::Alias": ResourceType(
        _create_alias,
        _delete_alias,
        _update_alias,
        properties=words("Description FunctionName FunctionVersion Name ProvisionedConcurrencyConfig RoutingConfig"),
        required=("FunctionName", "FunctionVersion", "Name"),
        attributes=words("AliasArn"),
        replaces=words("FunctionName Name"),
    ),
    "AWS::Lambda::Function": ResourceType(
        _create_function,
        _delete_function,
        _update_function,
        properties=words(
            "Architectures CapacityProviderConfig Code CodeSigningConfigArn DeadLetterConfig Description "
            "DurableConfig Environment EphemeralStorage FileSystemConfigs FunctionName FunctionScalingConfig Handler "
            "ImageConfig KmsKeyArn Layers LoggingConfig MemorySize PackageType PublishToLatestPublished "
            "RecursiveLoop ReservedConcurrentExecutions Role Runtime RuntimeManagementConfig SnapStart Tags "
            "TenancyConfig Timeout TracingConfig VpcConfig"
        ),
        required=("Code", "Role"),
        attributes=words("Arn"),
        read_only=words("Arn SnapStartResponse"),
        replaces=words("FunctionName PackageType"),
    ),
    "AWS::Lambda::LayerVersion": ResourceType(
        _create_layer,
        _delete_layer,
        properties=words("CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"),
        required=("Content",),
        attributes=words("LayerVersionArn"),
    ),
    "AWS::Lambda::LayerVersionPermission": ResourceType(
        _create_layer_permission,
        _delete_layer_permission,
        properties=words("Action LayerVersionArn OrganizationId Principal"),
        required=("Action", "LayerVersionArn", "Principal"),
    ),
    "AWS::Lambda::Permission": ResourceType(
        _create_permission,
        _delete_permission,
        properties=words(
            "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
            "PrincipalOrgID SourceAccount SourceArn"
        ),
        required=("Action", "FunctionName", "Principal"),
        attributes=words("Id"),
        read_only=words("Id"),
    ),
    "AWS::Lambda::Version": ResourceType(
        _create_version,
        _delete_version,
        properties=words("CodeSha256 Description FunctionName ProvisionedConcurrencyConfig RuntimePolicy"),
        required=("FunctionName",),
        attributes=words("FunctionArn Version"),
    ),
}
