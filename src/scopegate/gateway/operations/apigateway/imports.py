"""ImportRestApi and PutRestApi: a document becomes a REST API by the operations that a caller would use.

Source: reference, operations page, "Import: operations" and "Import: rules by element".
"""

import json
from collections.abc import Callable
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import openapi, queries
from scopegate.gateway.openapi import ImportedApi, ImportedOperation, Scheme, find_integration, only
from scopegate.gateway.operations.apigateway.authorizers import create_authorizer
from scopegate.gateway.operations.apigateway.gateway_responses import put_gateway_response
from scopegate.gateway.operations.apigateway.integrations import put_integration, put_integration_response
from scopegate.gateway.operations.apigateway.lookup import PROTOCOL, api_of
from scopegate.gateway.operations.apigateway.methods import put_method, put_method_response
from scopegate.gateway.operations.apigateway.models import create_model
from scopegate.gateway.operations.apigateway.request_validators import create_request_validator
from scopegate.gateway.operations.apigateway.resource_policy import parse_policy
from scopegate.gateway.operations.apigateway.resources import create_resource
from scopegate.gateway.operations.apigateway.rest_apis import create_rest_api, get_rest_api
from scopegate.ports import Call
from scopegate.store.documents import Document

_AUTHORIZER_TYPES: Final = {
    "cognito_user_pools": "COGNITO_USER_POOLS",
    "jwt": "JWT",
    "request": "REQUEST",
    "token": "TOKEN",
}
_AUTHORIZATION: Final = {"COGNITO_USER_POOLS": "COGNITO_USER_POOLS", "JWT": "JWT"}
_PARTS: Final = ("resource", "model", "request_validator", "gateway_response")


def import_rest_api(call: Call, request: Shape) -> Shape:
    """ImportRestApi. Partly: documentation parts of the document are left out."""
    parameters = request.get("parameters") or {}
    api = _read(call, request)
    made = create_rest_api(call, {"name": api.info.get("title") or "", **_api_members(call, api, parameters)})
    _replace_parts(call, made["id"], keep=())
    _apply(call, made["id"], api)
    return _finish(call, made["id"], api, request)


def put_rest_api(call: Call, request: Shape) -> Shape:
    """PutRestApi: `overwrite` replaces the API's parts, `merge` (the default) those that the document has.

    Partly: documentation parts of the document are left out.
    """
    api_id = request["restApiId"]
    document = api_of(call, request)
    api = _read(call, request)
    overwrite = request.get("mode") == "overwrite"
    title = api.info.get("title")
    document |= only({"name": title, "version": api.info.get("version"), "description": api.info.get("description")})
    document |= _document_members(call, document, api, overwrite)
    queries.put_api(call.tx, call.account, call.region, PROTOCOL, api_id, document)
    if overwrite:
        _replace_parts(call, api_id, keep=[operation.path for operation in api.operations])
    _apply(call, api_id, api)
    return _finish(call, api_id, api, request)


def _read(call: Call, request: Shape) -> ImportedApi:
    base_path = (request.get("parameters") or {}).get("basepath")
    return openapi.read_openapi(request["body"], account=call.account, region=call.region, base_path=base_path)


def _api_members(call: Call, api: ImportedApi, parameters: dict[str, str]) -> Shape:
    """The members of CreateRestApi that a document gives."""
    endpoint = api.extension("endpoint-configuration") or {}
    kind = parameters.get("endpointConfigurationTypes")
    policy = api.extension("policy")
    return only(
        {
            "description": api.info.get("description"),
            "version": openapi.text_of(api.info.get("version")),
            "binaryMediaTypes": api.extension("binary-media-types"),
            "minimumCompressionSize": openapi.whole_of(api.extension("minimum-compression-size")),
            "apiKeySource": api.extension("api-key-source"),
            "disableExecuteApiEndpoint": endpoint.get("disableExecuteApiEndpoint"),
            "endpointConfiguration": {"types": kind.split(",")} if kind else None,
            "policy": None if policy is None else policy if isinstance(policy, str) else json.dumps(policy),
        }
    )


def _document_members(call: Call, document: Document, api: ImportedApi, overwrite: bool) -> Document:
    """What PutRestApi changes of the API itself."""
    members = _api_members(call, api, {})
    changed: Document = only({name: members.get(name) for name in ("minimumCompressionSize", "apiKeySource")})
    types = list(members.get("binaryMediaTypes") or ())
    if not overwrite:
        types = [*document.get("binaryMediaTypes", ()), *types]
    if types:
        changed["binaryMediaTypes"] = list(dict.fromkeys(types))
    elif overwrite:
        document.pop("binaryMediaTypes", None)
    if "policy" in members:
        changed["policy"] = parse_policy(members["policy"], call.region, call.account, document["id"])
    if "disableExecuteApiEndpoint" in members:
        changed["disableExecuteApiEndpoint"] = members["disableExecuteApiEndpoint"]
    return changed


def _replace_parts(call: Call, api_id: str, *, keep: Any) -> None:
    """Take away what a document replaces. Resources of paths that stay keep their ids, without their methods."""
    prefixes = {"/"}
    for path in keep:
        segments = path.strip("/").split("/")
        prefixes |= {"/" + "/".join(segments[:count]) for count in range(1, len(segments) + 1)}
    for kind in _PARTS:
        for part_id, part in queries.list_parts(call.tx, api_id, kind):
            if kind == "resource" and part["path"] in prefixes:
                part.pop("resourceMethods", None)
                queries.put_part(call.tx, api_id, kind, part_id, part)
            else:
                queries.delete_part(call.tx, api_id, kind, part_id)


# The document's parts, by the operations


def _apply(call: Call, api_id: str, api: ImportedApi) -> None:
    """Make everything that the document has. Raises AwsError with all that was found wrong."""
    errors: list[str] = []

    def attempt(what: str, operation: Callable[[Call, Shape], Shape], members: Shape) -> Shape | None:
        try:
            return operation(call, {"restApiId": api_id, **members})
        except AwsError as error:
            errors.append(f"{what}: {error.message}")
            return None

    for name, (schema, description) in api.models.items():
        queries.delete_part(call.tx, api_id, "model", name)
        members = only({"name": name, "contentType": "application/json", "description": description})
        text = openapi.schema_text(schema, api_id)
        attempt(f"Unable to create model '{name}'", create_model, {**members, "schema": text})
    validators = _make_validators(call, api_id, api, attempt)
    authorizers = {
        name: made
        for name, scheme in api.schemes.items()
        if scheme.kind == "authorizer" and (made := _make_authorizer(call, api_id, scheme, attempt)) is not None
    }
    for response_type, response in (api.extension("gateway-responses") or {}).items():
        members = only(
            {
                "responseType": response_type,
                "statusCode": openapi.text_of(response.get("statusCode")),
                "responseParameters": response.get("responseParameters"),
                "responseTemplates": response.get("responseTemplates"),
            }
        )
        attempt(f"Unable to put gateway response '{response_type}'", put_gateway_response, members)
    resources = {part["path"]: part_id for part_id, part in queries.list_parts(call.tx, api_id, "resource")}
    for operation in api.operations:
        resource_id = _make_path(operation.path, resources, attempt)
        if resource_id is not None:
            _make_method(call, api_id, api, operation, resource_id, authorizers, validators, attempt)
    if errors:
        raise AwsError("BadRequestException", "Errors found during import:\n\t" + "\n\t".join(errors))


def _make_validators(call: Call, api_id: str, api: ImportedApi, attempt: Any) -> dict[str, str]:
    known = {part["name"]: part_id for part_id, part in queries.list_parts(call.tx, api_id, "request_validator")}
    for name, validator in (api.extension("request-validators") or {}).items():
        if name not in known:
            made = attempt(
                f"Unable to create validator '{name}'", create_request_validator, {"name": name, **validator}
            )
            if made is not None:
                known[name] = made["id"]
    return known


def _make_authorizer(call: Call, api_id: str, scheme: Scheme, attempt: Any) -> Document | None:
    """Create the authorizer of a scheme, or bring the one of its name to the document's state."""
    extension = scheme.authorizer or {}
    kind = _AUTHORIZER_TYPES.get(str(extension.get("type", "")).lower(), str(extension.get("type")))
    source = openapi.text_of(extension.get("identitySource"))
    if source is None and scheme.header and scheme.header != "Unused":
        place = {"header": "header", "query": "querystring"}.get(scheme.place)
        source = f"method.request.{place}.{scheme.header}" if place else None
    members = only(
        {
            "name": scheme.name,
            "type": kind,
            "authType": scheme.auth_type,
            "providerARNs": extension.get("providerARNs"),
            "authorizerUri": extension.get("authorizerUri"),
            "authorizerCredentials": extension.get("authorizerCredentials"),
            "identitySource": source,
            "identityValidationExpression": extension.get("identityValidationExpression"),
            "authorizerResultTtlInSeconds": openapi.whole_of(extension.get("authorizerResultTtlInSeconds")),
            "jwtConfiguration": extension.get("jwtConfiguration"),
        }
    )
    for part_id, part in queries.list_parts(call.tx, api_id, "authorizer"):
        if part["name"] == scheme.name:
            queries.delete_part(call.tx, api_id, "authorizer", part_id)
            made = attempt(f"Unable to put authorizer '{scheme.name}'", create_authorizer, members)
            if made is None:
                return None
            # The id stays: methods of other paths name it.
            queries.delete_part(call.tx, api_id, "authorizer", made["id"])
            kept = {**made, "id": part_id}
            queries.put_part(call.tx, api_id, "authorizer", part_id, kept)
            return kept
    found: Document | None = attempt(f"Unable to put authorizer '{scheme.name}'", create_authorizer, members)
    return found


def _make_path(path: str, resources: dict[str, str], attempt: Any) -> str | None:
    """The resource of a path, with every parent that it lacks."""
    if path in resources:
        return resources[path]
    parent, _, part = path.rpartition("/")
    parent_id = _make_path(parent or "/", resources, attempt)
    if parent_id is None:
        return None
    made = attempt(
        f"Unable to create resource at path '{path}'", create_resource, {"parentId": parent_id, "pathPart": part}
    )
    if made is None:
        return None
    resources[path] = made["id"]
    return resources[path]


def _make_method(
    call: Call,
    api_id: str,
    api: ImportedApi,
    operation: ImportedOperation,
    resource_id: str,
    authorizers: dict[str, Document],
    validators: dict[str, str],
    attempt: Any,
) -> None:
    where = f"'{operation.verb}' for resource at path '{operation.path}'"
    at = {"resourceId": resource_id, "httpMethod": operation.verb}
    resource = queries.find_part(call.tx, api_id, "resource", resource_id) or {}
    if operation.verb in resource.get("resourceMethods", {}):
        del resource["resourceMethods"][operation.verb]
        queries.put_part(call.tx, api_id, "resource", resource_id, resource)
    security = operation.security
    authorizer = authorizers.get(security.scheme.name) if security.scheme else None
    if security.scheme is not None and security.scheme.kind == "authorizer" and authorizer is None:
        return  # its fault is told already
    kind = "NONE"
    if authorizer is not None:
        kind = _AUTHORIZATION.get(authorizer["type"], "CUSTOM")
    elif security.scheme is not None:
        kind = "AWS_IAM"
    validator = operation.document.get("x-amazon-apigateway-request-validator", api.extension("request-validator"))
    method = only(
        {
            **at,
            "authorizationType": kind,
            "authorizerId": authorizer["id"] if authorizer else None,
            "authorizationScopes": list(security.scopes) if security.scopes and kind in _AUTHORIZATION else None,
            "apiKeyRequired": security.api_key,
            "operationName": operation.document.get("operationId"),
            "requestParameters": operation.parameters or None,
            "requestModels": operation.models or None,
            "requestValidatorId": validators.get(validator, validator) if validator else None,
        }
    )
    if attempt(f"Unable to put method {where}", put_method, method) is None:
        return
    _make_method_responses(api, operation, at, where, attempt)
    integration = find_integration(api, operation)
    if integration is not None:
        _make_integration(integration, at, where, attempt)


def _make_method_responses(api: ImportedApi, operation: ImportedOperation, at: Shape, where: str, attempt: Any) -> None:
    for status, response in (operation.document.get("responses") or {}).items():
        if str(status) == "default" or not isinstance(response, dict):
            continue
        parameters = {f"method.response.header.{name}": False for name in response.get("headers") or {}}
        models: dict[str, str] = {}
        if api.swagger and isinstance(response.get("schema"), dict):
            for media in operation.document.get("produces") or api.document.get("produces") or ["application/json"]:
                models |= only({media: openapi.model_name(response["schema"])})
        for media, content in (response.get("content") or {}).items():
            models |= only({media: openapi.model_name((content or {}).get("schema") or {})})
        known = {media: name for media, name in models.items() if name in api.models or name in ("Empty", "Error")}
        members = only({"responseParameters": parameters or None, "responseModels": known or None})
        attempt(
            f"Unable to put method response {status} on {where}",
            put_method_response,
            {**at, "statusCode": str(status), **members},
        )


def _make_integration(integration: Document, at: Shape, where: str, attempt: Any) -> None:
    kind = str(integration.get("type", "")).upper()
    members = only(
        {
            **at,
            "type": kind,
            "integrationHttpMethod": integration.get("httpMethod"),
            "uri": integration.get("uri"),
            "credentials": integration.get("credentials"),
            "connectionType": integration.get("connectionType"),
            "connectionId": integration.get("connectionId"),
            "requestParameters": integration.get("requestParameters"),
            "requestTemplates": integration.get("requestTemplates"),
            "passthroughBehavior": str(integration["passthroughBehavior"]).upper()
            if integration.get("passthroughBehavior")
            else None,
            "contentHandling": integration.get("contentHandling"),
            "timeoutInMillis": openapi.whole_of(integration.get("timeoutInMillis")),
            "cacheNamespace": integration.get("cacheNamespace"),
            "cacheKeyParameters": integration.get("cacheKeyParameters"),
            "tlsConfig": integration.get("tlsConfig"),
        }
    )
    if attempt(f"Unable to put integration on {where}", put_integration, members) is None:
        return
    for pattern, response in (integration.get("responses") or {}).items():
        members = only(
            {
                **at,
                "statusCode": openapi.text_of(response.get("statusCode")),
                "selectionPattern": None if pattern == "default" else str(pattern),
                "responseParameters": response.get("responseParameters"),
                "responseTemplates": response.get("responseTemplates"),
                "contentHandling": response.get("contentHandling"),
            }
        )
        attempt(f"Unable to put integration response on {where}", put_integration_response, members)


def _finish(call: Call, api_id: str, api: ImportedApi, request: Shape) -> Shape:
    if api.warnings and request.get("failOnWarnings"):
        raise AwsError("BadRequestException", "Warnings found during import:\n\t" + "\n\t".join(api.warnings))
    answer = get_rest_api(call, {"restApiId": api_id})
    return {**answer, "warnings": api.warnings} if api.warnings else answer
