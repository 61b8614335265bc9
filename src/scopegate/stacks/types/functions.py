"""`AWS::Lambda::*`. Source: reference, lambda page, section 11."""

from typing import Any, Final

from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
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
    "KMSKeyArn": "",
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

    def physical(answer: Any) -> Physical:
        snap_start = {"SnapStartResponse.ApplyOn": "None", "SnapStartResponse.OptimizationStatus": "Off"}
        return Physical(name, {"Arn": answer["FunctionArn"], **snap_start})

    made = await aws.make("lambda", "CreateFunction", request, physical)
    await _set_beside(aws, name, {}, properties)
    return made


async def _set_beside(aws: Aws, name: str, old: Properties, new: Properties) -> None:
    """What operations of their own set."""
    function = {"FunctionName": name}
    reserved = new.get("ReservedConcurrentExecutions")
    if reserved is None and old.get("ReservedConcurrentExecutions") is not None:
        await aws.call("lambda", "DeleteFunctionConcurrency", function)
    elif reserved != old.get("ReservedConcurrentExecutions"):
        await aws.call("lambda", "PutFunctionConcurrency", {**function, "ReservedConcurrentExecutions": reserved})
    if new.get("RecursiveLoop") != old.get("RecursiveLoop"):
        loop = new.get("RecursiveLoop", "Terminate")
        await aws.call("lambda", "PutFunctionRecursionConfig", {**function, "RecursiveLoop": loop})
    if new.get("RuntimeManagementConfig") != old.get("RuntimeManagementConfig"):
        mode = new.get("RuntimeManagementConfig") or {"UpdateRuntimeOn": "Auto"}
        await aws.call("lambda", "PutRuntimeManagementConfig", {**function, **mode})


async def _update_function(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    name = physical.physical_id
    if old.get("Code") != new.get("Code") or old.get("Architectures") != new.get("Architectures"):
        request = {"FunctionName": name, **_code(aws, new)}
        request["Architectures"] = new.get("Architectures", ["x86_64"])
        await aws.call("lambda", "UpdateFunctionCode", request)
    before, after = _configuration(old), _configuration(new)
    if after != before:
        defaults = {**_DEFAULTS, "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}}
        back = {key: value for key, value in defaults.items() if key in before and key not in after}
        await aws.call("lambda", "UpdateFunctionConfiguration", {"FunctionName": name, **after, **back})
    await _set_beside(aws, name, old, new)
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
    made = await aws.make("lambda", "PublishVersion", request, _version)
    version = {"FunctionName": properties["FunctionName"], "Qualifier": made.attributes["Version"]}
    await _provision(aws, version, {}, properties)
    if policy := properties.get("RuntimePolicy"):
        await aws.call("lambda", "PutRuntimeManagementConfig", {**version, **policy})
    return made


async def _provision(aws: Aws, qualified: Properties, old: Properties, new: Properties) -> None:
    """Provisioned concurrency of a version or an alias."""
    before, after = old.get("ProvisionedConcurrencyConfig"), new.get("ProvisionedConcurrencyConfig")
    if after and after != before:
        await aws.call("lambda", "PutProvisionedConcurrencyConfig", {**qualified, **after})
    elif before and not after:
        await aws.call("lambda", "DeleteProvisionedConcurrencyConfig", qualified)


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

    made = await aws.make("lambda", "CreateAlias", _alias_request(properties), physical)
    await _provision(aws, _qualified(properties), {}, properties)
    return made


def _qualified(properties: Properties) -> Properties:
    return {"FunctionName": properties["FunctionName"], "Qualifier": properties["Name"]}


async def _update_alias(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call("lambda", "UpdateAlias", {"Description": "", **_alias_request(new)})
    await _provision(aws, _qualified(new), old, new)
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
    physical = Physical(statement_id, {"Id": statement_id})
    return await aws.make("lambda", "AddLayerVersionPermission", request, lambda _: physical)


async def _delete_layer_permission(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {**_layer_version(properties["LayerVersionArn"]), "StatementId": physical.physical_id}
    await aws.call("lambda", "RemoveLayerVersionPermission", request)


_INVOKE: Final = "FunctionEventInvokeConfig"


async def _create_event_invoke(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    physical = Physical(aws.generated_name(logical_id, 255), {"_LogicalId": logical_id})
    request = _event_invoke(aws, logical_id, properties)
    return await aws.make("lambda", f"Put{_INVOKE}", request, lambda _: physical)


def _event_invoke(aws: Aws, logical_id: str, properties: Properties) -> Properties:
    """Without destinations that are recorded only: nothing would be there to get what is sent."""
    destinations: Properties = {}
    for on, given in (properties.get("DestinationConfig") or {}).items():
        arn = names.find_arn((given or {}).get("Destination") or "")
        if arn is None or arn.service == "lambda":
            destinations[on] = given
        else:
            aws.note(f"{logical_id}: {on} is left out, nothing is sent to {arn}")
    request = {**properties, "DestinationConfig": destinations}
    # The operation asks for one setting at least; these are what a function has without any.
    defaults = {"MaximumRetryAttempts": limit("functions.event_retries")}
    return {**defaults, **request}


async def _update_event_invoke(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call("lambda", f"Put{_INVOKE}", _event_invoke(aws, physical.attributes["_LogicalId"], new))
    return physical


async def _delete_event_invoke(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {name: properties[name] for name in ("FunctionName", "Qualifier")}
    await aws.call("lambda", f"Delete{_INVOKE}", request)


TYPES: Final = {
    "AWS::Lambda::Alias": ResourceType(
        _create_alias,
        _delete_alias,
        _update_alias,
        properties=words("Description FunctionName FunctionVersion Name ProvisionedConcurrencyConfig RoutingConfig"),
        required=("FunctionName", "FunctionVersion", "Name"),
        attributes=words("AliasArn"),
        read_only=words("AliasArn"),
        replaces=words("FunctionName Name"),
        ref="the ARN of the alias",
        operations=words(
            "CreateAlias DeleteAlias DeleteProvisionedConcurrencyConfig PutProvisionedConcurrencyConfig UpdateAlias"
        ),
        stored=words("ProvisionedConcurrencyConfig"),
    ),
    "AWS::Lambda::EventInvokeConfig": ResourceType(
        _create_event_invoke,
        _delete_event_invoke,
        _update_event_invoke,
        properties=words("DestinationConfig FunctionName MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"),
        required=("FunctionName", "Qualifier"),
        replaces=words("FunctionName Qualifier"),
        one_at_a_time=True,
        ref="an id of its own",
        operations=words("DeleteFunctionEventInvokeConfig PutFunctionEventInvokeConfig"),
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
        attributes=words("Arn SnapStartResponse.ApplyOn SnapStartResponse.OptimizationStatus"),
        read_only=words("Arn SnapStartResponse"),
        replaces=words("FunctionName PackageType TenancyConfig"),
        ref="the name of the function",
        operations=words(
            "CreateFunction DeleteFunction DeleteFunctionConcurrency PutFunctionConcurrency "
            "PutFunctionRecursionConfig PutRuntimeManagementConfig TagResource UntagResource UpdateFunctionCode "
            "UpdateFunctionConfiguration"
        ),
        stored=words("DeadLetterConfig KmsKeyArn RecursiveLoop RuntimeManagementConfig TracingConfig"),
        # What decides how fast and from which network a function works, not what it does.
        left_out=dict.fromkeys(("SnapStart", "VpcConfig"), "the function runs without it"),
        refused=dict.fromkeys(
            words(
                "CapacityProviderConfig CodeSigningConfigArn DurableConfig FileSystemConfigs "
                "FunctionScalingConfig ImageConfig PublishToLatestPublished TenancyConfig"
            ),
            "",
        ),
    ),
    "AWS::Lambda::LayerVersion": ResourceType(
        _create_layer,
        _delete_layer,
        properties=words("CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"),
        required=("Content",),
        attributes=words("LayerVersionArn"),
        read_only=words("LayerVersionArn"),
        ref="the ARN of the layer version",
        operations=words("DeleteLayerVersion PublishLayerVersion"),
    ),
    "AWS::Lambda::LayerVersionPermission": ResourceType(
        _create_layer_permission,
        _delete_layer_permission,
        properties=words("Action LayerVersionArn OrganizationId Principal"),
        required=("Action", "LayerVersionArn", "Principal"),
        attributes=words("Id"),
        read_only=words("Id"),
        ref="the id of the statement",
        operations=words("AddLayerVersionPermission RemoveLayerVersionPermission"),
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
        ref="the id of the statement",
        operations=words("AddPermission RemovePermission"),
    ),
    "AWS::Lambda::Version": ResourceType(
        _create_version,
        _delete_version,
        properties=words("CodeSha256 Description FunctionName ProvisionedConcurrencyConfig RuntimePolicy"),
        required=("FunctionName",),
        attributes=words("FunctionArn Version"),
        read_only=words("FunctionArn Version"),
        ref="the ARN of the version",
        operations=words("DeleteFunction PublishVersion PutProvisionedConcurrencyConfig PutRuntimeManagementConfig"),
        stored=words("ProvisionedConcurrencyConfig RuntimePolicy"),
    ),
}
