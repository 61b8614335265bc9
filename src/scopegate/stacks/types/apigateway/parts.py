"""What REST APIs are made of: resources, methods, models, authorizers and so on."""

import json
from typing import Any, Final

from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.apigateway.patches import V1, changed_paths, patch, set_to
from scopegate.stacks.types.resource_type import (
    Aws,
    Create,
    Delete,
    Properties,
    ResourceType,
    gone_already,
    lower_all,
    lower_first,
    without,
    words,
)


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
    await aws.make(V1, "PutMethod", request, lambda _: physical)
    key = _method_key(properties)
    for response in properties.get("MethodResponses") or []:
        await aws.call(V1, "PutMethodResponse", {**key, **lower_first(response)})
    if integration := properties.get("Integration"):
        await aws.call(V1, "PutIntegration", {**key, **lower_first(without(integration, "IntegrationResponses"))})
        for response in integration.get("IntegrationResponses") or []:
            await aws.call(V1, "PutIntegrationResponse", {**key, **lower_first(response)})
    return physical


async def _update_method(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await gone_already(_delete_method(aws, physical, old))
    await _create_method(aws, "", new)
    return physical


async def _delete_method(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteMethod", _method_key(properties))


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
            V1, f"Create{name}", request, lambda answer: Physical(answer["id"], {f"{name}Id": answer["id"]})
        )

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        request = {"restApiId": properties["RestApiId"], key: physical.physical_id}
        await aws.call(V1, f"Delete{name}", request)

    return create, delete


async def _update_authorizer(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "authorizerId": physical.physical_id}
    there = await aws.call(V1, "GetAuthorizer", key)
    patches = changed_paths(
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
        patches.append(set_to("/jwtConfiguration", json.dumps(lower_all(new["JwtConfiguration"]))))
    await patch(aws, "UpdateAuthorizer", key, patches)
    return physical


async def _create_model(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """Ref is the model's name, which is generated from letters and digits when it is left out."""
    name = properties.get("Name") or "".join(filter(str.isalnum, aws.generated_name(logical_id, 128)))
    request = lower_first({"ContentType": "application/json", **properties, "Name": name})
    request["schema"] = _schema(properties)
    return await aws.make(V1, "CreateModel", request, lambda _: Physical(name, {}))


def _schema(properties: Properties) -> str:
    schema = properties.get("Schema", {})
    return schema if isinstance(schema, str) else json.dumps(schema)


async def _update_model(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "modelName": physical.physical_id}
    patches = changed_paths(old, new, {"Description": ("/description", None)})
    await patch(aws, "UpdateModel", key, [*patches, set_to("/schema", _schema(new))])
    return physical


async def _delete_model(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteModel", {"restApiId": properties["RestApiId"], "modelName": physical.physical_id})


async def _update_validator(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "requestValidatorId": physical.physical_id}
    flags = ("ValidateRequestBody", "ValidateRequestParameters")
    paths = {name: (f"/{name[0].lower()}{name[1:]}", False) for name in flags}
    await patch(aws, "UpdateRequestValidator", key, changed_paths(old, new, paths))
    return physical


async def _create_gateway_response(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    response_id = aws.generated_name(logical_id, 128)
    physical = Physical(response_id, {"Id": response_id})
    return await aws.make(V1, "PutGatewayResponse", lower_first(properties), lambda _: physical)


async def _update_gateway_response(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call(V1, "PutGatewayResponse", lower_first(new))
    return physical


async def _delete_gateway_response(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"restApiId": properties["RestApiId"], "responseType": properties["ResponseType"]}
    await aws.call(V1, "DeleteGatewayResponse", request)


# Documentation


async def _create_documentation_part(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {**lower_first(properties), "location": lower_all(properties["Location"])}

    def physical(answer: Any) -> Physical:
        return Physical(answer["id"], {"DocumentationPartId": answer["id"]})

    return await aws.make(V1, "CreateDocumentationPart", request, physical)


async def _update_documentation_part(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    key = {"restApiId": new["RestApiId"], "documentationPartId": physical.physical_id}
    await patch(aws, "UpdateDocumentationPart", key, [set_to("/properties", new["Properties"])])
    return physical


async def _delete_documentation_part(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"restApiId": properties["RestApiId"], "documentationPartId": physical.physical_id}
    await aws.call(V1, "DeleteDocumentationPart", request)


async def _create_documentation_version(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    version = properties["DocumentationVersion"]
    request = {**_version_key(properties), "description": properties.get("Description")}
    return await aws.make(V1, "CreateDocumentationVersion", request, lambda _: Physical(version, {}))


def _version_key(properties: Properties) -> Properties:
    return {"restApiId": properties["RestApiId"], "documentationVersion": properties["DocumentationVersion"]}


async def _update_documentation_version(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    patches = changed_paths(old, new, {"Description": ("/description", None)})
    await patch(aws, "UpdateDocumentationVersion", _version_key(new), patches)
    return physical


async def _delete_documentation_version(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteDocumentationVersion", _version_key(properties))


TYPES: Final = {
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
        ref="the id of the authorizer",
        operations=words("CreateAuthorizer DeleteAuthorizer GetAuthorizer UpdateAuthorizer"),
    ),
    "AWS::ApiGateway::DocumentationPart": ResourceType(
        _create_documentation_part,
        _delete_documentation_part,
        _update_documentation_part,
        properties=words("Location Properties RestApiId"),
        required=("Location", "Properties", "RestApiId"),
        attributes=words("DocumentationPartId"),
        read_only=words("DocumentationPartId"),
        replaces=words("Location RestApiId"),
        ref="the id of the part",
        operations=words("CreateDocumentationPart DeleteDocumentationPart UpdateDocumentationPart"),
    ),
    "AWS::ApiGateway::DocumentationVersion": ResourceType(
        _create_documentation_version,
        _delete_documentation_version,
        _update_documentation_version,
        properties=words("Description DocumentationVersion RestApiId"),
        required=("DocumentationVersion", "RestApiId"),
        replaces=words("DocumentationVersion RestApiId"),
        ref="the version",
        operations=words("CreateDocumentationVersion DeleteDocumentationVersion UpdateDocumentationVersion"),
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
        ref="an id of its own",
        operations=words("DeleteGatewayResponse PutGatewayResponse"),
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
        ref="an id of its own",
        operations=words("DeleteMethod PutIntegration PutIntegrationResponse PutMethod PutMethodResponse"),
    ),
    "AWS::ApiGateway::Model": ResourceType(
        _create_model,
        _delete_model,
        _update_model,
        properties=words("ContentType Description Name RestApiId Schema"),
        required=("RestApiId",),
        replaces=words("ContentType Name RestApiId"),
        ref="the name of the model",
        operations=words("CreateModel DeleteModel UpdateModel"),
    ),
    "AWS::ApiGateway::RequestValidator": ResourceType(
        *_part("RequestValidator"),
        _update_validator,
        properties=words("Name RestApiId ValidateRequestBody ValidateRequestParameters"),
        required=("RestApiId",),
        attributes=words("RequestValidatorId"),
        read_only=words("RequestValidatorId"),
        replaces=words("Name RestApiId"),
        ref="the id of the validator",
        operations=words("CreateRequestValidator DeleteRequestValidator UpdateRequestValidator"),
    ),
    "AWS::ApiGateway::Resource": ResourceType(
        *_part("Resource"),
        properties=words("ParentId PathPart RestApiId"),
        required=("ParentId", "PathPart", "RestApiId"),
        attributes=words("ResourceId"),
        read_only=words("ResourceId"),
        ref="the id of the resource",
        operations=words("CreateResource DeleteResource"),
    ),
}
