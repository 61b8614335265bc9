"""ImportRestApi and PutRestApi: a document becomes a REST API by the operations that a caller would use.

Source: reference, operations page, "Import: operations" and "Import: rules by element".
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import openapi, queries
from scopegate.gateway.openapi import ImportedApi, ImportedOperation, Scheme, find_integration, only
from scopegate.gateway.operations.apigateway.authorizers import create_authorizer, parse_jwt_configuration
from scopegate.gateway.operations.apigateway.documentation import put_documentation_parts
from scopegate.gateway.operations.apigateway.gateway_responses import DEFAULT_STATUS, put_gateway_response
from scopegate.gateway.operations.apigateway.integrations import put_integration, put_integration_response
from scopegate.gateway.operations.apigateway.lookup import PROTOCOL, api_of
from scopegate.gateway.operations.apigateway.methods import put_method, put_method_response
from scopegate.gateway.operations.apigateway.models import create_model
from scopegate.gateway.operations.apigateway.request_validators import create_request_validator
from scopegate.gateway.operations.apigateway.resource_policy import parse_policy
from scopegate.gateway.operations.apigateway.resources import create_resource
from scopegate.gateway.operations.apigateway.rest_apis import (
    SECURITY_POLICIES,
    check_access_mode,
    check_compression_size,
    create_rest_api,
    get_rest_api,
)
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
_STATUS: Final = re.compile(r"[1-5]\d\d", re.ASCII)
_INTEGRATION_TYPES: Final = ("HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS")
# Choices that the operations' model would have held a caller to.
_CHOICES: Final = {
    "apiKeySource": ("HEADER", "AUTHORIZER"),
    "connectionType": ("INTERNET", "VPC_LINK"),
    "contentHandling": ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
    "endpointAccessMode": ("BASIC", "STRICT"),
    "responseTransferMode": ("BUFFERED", "STREAM"),
    "securityPolicy": SECURITY_POLICIES,
    "type": _INTEGRATION_TYPES,
}
_ENDPOINT_TYPES: Final = ("REGIONAL", "EDGE", "PRIVATE")


def import_rest_api(call: Call, request: Shape) -> Shape:
    """ImportRestApi. Partly: only the documentation extension becomes documentation parts."""
    api = _read(call, request)
    members = _api_members(api, request.get("parameters") or {})
    made = create_rest_api(call, {"name": openapi.text_of(api.info.get("title")) or "", **members})
    _replace_parts(call, made["id"], keep=())
    _apply(call, made["id"], api)
    _put_documentation(call, made["id"], api, request, overwrite=False)
    return _finish(call, made["id"], api, request, tags=False)


def put_rest_api(call: Call, request: Shape) -> Shape:
    """PutRestApi: `overwrite` replaces the API's parts, `merge` (the default) those that the document has.

    A bad document is told before an unknown API, as on AWS.
    Partly: only the documentation extension becomes documentation parts.
    """
    api_id = request["restApiId"]
    api = _read(call, request)
    document = api_of(call, request)
    overwrite = request.get("mode") == "overwrite"
    document = _document_members(call, document, api, overwrite)
    document |= only({"name": openapi.text_of(api.info.get("title")) or None})
    check_access_mode(document)
    queries.put_api(call.tx, call.account, call.region, PROTOCOL, api_id, document)
    if overwrite:
        _replace_parts(call, api_id, keep=[operation.path for operation in api.operations])
        _drop_authorizers(call, api_id, keep=api.schemes)
    _apply(call, api_id, api)
    _put_documentation(call, api_id, api, request, overwrite=overwrite)
    return _finish(call, api_id, api, request, tags=True)


def _read(call: Call, request: Shape) -> ImportedApi:
    base_path = (request.get("parameters") or {}).get("basepath")
    return openapi.read_openapi(request["body"], account=call.account, region=call.region, base_path=base_path)


def _api_members(api: ImportedApi, parameters: dict[str, str]) -> Shape:
    """The members of CreateRestApi that a document gives."""
    types = (parameters.get("endpointConfigurationTypes") or "").split(",")
    if any(kind and kind not in _ENDPOINT_TYPES for kind in types):
        raise openapi.bad_document(f"Invalid EndpointTypes specified. Valid options are {','.join(_ENDPOINT_TYPES)}")
    policy = api.extension("policy")
    configuration = only(
        {"types": types if any(types) else None, "vpcEndpointIds": _texts(api.endpoint.get("vpcEndpointIds"))}
    )
    return _chosen(
        {
            "description": openapi.text_of(api.info.get("description")) or None,
            "version": openapi.text_of(api.info.get("version")),
            "binaryMediaTypes": _texts(api.extension("binary-media-types")),
            "minimumCompressionSize": openapi.whole_of(api.extension("minimum-compression-size")),
            "apiKeySource": openapi.text_of(api.extension("api-key-source")),
            "disableExecuteApiEndpoint": openapi.flag_of(api.endpoint.get("disableExecuteApiEndpoint")),
            "endpointConfiguration": configuration or None,
            "securityPolicy": openapi.text_of(api.extension("security-policy")),
            "endpointAccessMode": openapi.text_of(api.extension("endpoint-access-mode")),
            "policy": None if policy is None else policy if isinstance(policy, str) else json.dumps(policy),
        }
    )


def _chosen(members: Shape) -> Shape:
    """The members that have a value, each a word that the member may have. Raises AwsError."""
    for name, choices in _CHOICES.items():
        if members.get(name) is not None and members[name] not in choices:
            raise openapi.bad_document(f"Invalid {name} specified. Valid options are {','.join(choices)}")
    return only(members)


def _texts(value: Any) -> list[str] | None:
    return None if value is None else [str(item) for item in openapi.list_of(value)]


def _document_members(call: Call, document: Document, api: ImportedApi, overwrite: bool) -> Document:
    """The API's own members after PutRestApi: overwriting, what the document lacks goes back to its default."""
    members = _api_members(api, {})
    alike = ("description", "version", "apiKeySource", "disableExecuteApiEndpoint", "endpointAccessMode")
    changed: Document = {name: members[name] for name in (*alike, "securityPolicy") if name in members}
    if "minimumCompressionSize" in members:
        changed["minimumCompressionSize"] = check_compression_size(members["minimumCompressionSize"])
    if "policy" in members:
        changed["policy"] = parse_policy(members["policy"], call.region, call.account, document["id"])
    types = [*document.get("binaryMediaTypes", ()), *members.get("binaryMediaTypes", ())]
    if overwrite:
        types = members.get("binaryMediaTypes", [])
        optional = ("binaryMediaTypes", "description", "minimumCompressionSize", "policy")
        document = {name: value for name, value in document.items() if name not in optional}
        document |= {"apiKeySource": "HEADER", "disableExecuteApiEndpoint": False}
    if types:
        changed["binaryMediaTypes"] = list(dict.fromkeys(types))
    return {**document, **changed, "endpointConfiguration": _endpoint_configuration(document, members)}


def _endpoint_configuration(document: Document, members: Shape) -> Document:
    """The type is kept; the VPC endpoints of a private API are the document's when it has some."""
    configuration: Document = dict(document["endpointConfiguration"])
    vpc_endpoints = (members.get("endpointConfiguration") or {}).get("vpcEndpointIds")
    if vpc_endpoints and configuration["types"] == ["PRIVATE"]:
        configuration["vpcEndpointIds"] = vpc_endpoints
    return configuration


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


def _drop_authorizers(call: Call, api_id: str, *, keep: Iterable[str]) -> None:
    """Take away authorizers of other names, but for those that a deployment's methods still ask, which are live."""
    in_use = {
        method.get("authorizerId")
        for _, deployment in queries.list_parts(call.tx, api_id, "deployment")
        for resource in deployment["snapshot"]["resources"]
        for method in resource.get("resourceMethods", {}).values()
    }
    names = set(keep)
    for part_id, part in queries.list_parts(call.tx, api_id, "authorizer"):
        if part["name"] not in names and part_id not in in_use:
            queries.delete_part(call.tx, api_id, "authorizer", part_id)


# The document's parts, by the operations


def _apply(call: Call, api_id: str, api: ImportedApi) -> None:
    """Make everything that the document has. Raises AwsError with all that was found wrong."""
    errors: list[str] = []

    def attempt(what: str, operation: Callable[[Call, Shape], Shape], members: Shape) -> Shape | None:
        try:
            return operation(call, {"restApiId": api_id, **members})
        except AwsError as error:
            if error.code == "LimitExceededException":
                raise  # as it is, here too
            errors.append(f"{what}: {error.message}")
            return None

    for name, (schema, description) in api.models.items():
        members = only({"name": name, "contentType": "application/json", "description": description})
        text = openapi.schema_text(schema, api_id)
        known = queries.find_part(call.tx, api_id, "model", name)
        queries.delete_part(call.tx, api_id, "model", name)
        made = attempt(f"Unable to create model '{name}'", create_model, {**members, "schema": text})
        if known is not None and made is not None:
            queries.put_part(call.tx, api_id, "model", name, {**made, "id": known["id"]})
    validators = _make_validators(call, api_id, api, attempt)
    authorizers = {
        name: made
        for name, scheme in api.schemes.items()
        if scheme.kind == "authorizer" and (made := _make_authorizer(call, api_id, scheme, attempt)) is not None
    }
    for response_type, given in openapi.object_of(api.extension("gateway-responses")).items():
        response = openapi.object_of(given)
        status = openapi.text_of(response.get("statusCode"))
        what = f"Unable to put gateway response '{response_type}'"
        if response_type not in DEFAULT_STATUS:
            errors.append(f"{what}: Invalid response type specified")
        elif status is not None and _STATUS.fullmatch(status) is None:
            errors.append(f"{what}: Invalid status code specified")
        else:
            members = only(
                {
                    "responseType": response_type,
                    "statusCode": status,
                    "responseParameters": _text_by_name(response.get("responseParameters")),
                    "responseTemplates": _text_by_name(response.get("responseTemplates")),
                }
            )
            attempt(what, put_gateway_response, members)
    resources = {part["path"]: part_id for part_id, part in queries.list_parts(call.tx, api_id, "resource")}
    for operation in api.operations:
        resource_id = _make_path(operation.path, resources, attempt)
        if resource_id is not None:
            _make_method(call, api_id, api, operation, resource_id, authorizers, validators, attempt)
    if errors:
        raise AwsError("BadRequestException", "Errors found during import:\n\t" + "\n\t".join(errors))


def _make_validators(call: Call, api_id: str, api: ImportedApi, attempt: Any) -> dict[str, str]:
    known = {part["name"]: part_id for part_id, part in queries.list_parts(call.tx, api_id, "request_validator")}
    for name, given in openapi.object_of(api.extension("request-validators")).items():
        validator = openapi.object_of(given)
        checks = {
            check: bool(openapi.flag_of(validator.get(check)))
            for check in ("validateRequestBody", "validateRequestParameters")
        }
        if name in known:
            changed = {"id": known[name], "name": name, **checks}
            queries.put_part(call.tx, api_id, "request_validator", known[name], changed)
            continue
        made = attempt(f"Unable to create validator '{name}'", create_request_validator, {"name": name, **checks})
        if made is not None:
            known[name] = made["id"]
    return known


def _text_by_name(value: Any) -> dict[str, str] | None:
    """A map of texts; numbers and booleans are taken as they are written."""
    if value is None:
        return None
    return {name: openapi.text_of(item) or "" for name, item in openapi.object_of(value).items()}


def _make_authorizer(call: Call, api_id: str, scheme: Scheme, attempt: Any) -> Document | None:
    """Create the authorizer of a scheme, or bring the one of its name to the document's state."""
    extension = scheme.authorizer or {}
    kind = _AUTHORIZER_TYPES.get(str(extension.get("type", "")).lower(), str(extension.get("type")))
    source = openapi.text_of(extension.get("identitySource"))
    if not source and scheme.header and scheme.header != "Unused":
        place = {"header": "header", "query": "querystring"}.get(scheme.place)
        source = f"method.request.{place}.{scheme.header}" if place else None
    members = only(
        {
            "name": scheme.name,
            "type": kind,
            "authType": scheme.auth_type,
            "providerARNs": _texts(extension.get("providerARNs")),
            "authorizerUri": openapi.text_of(extension.get("authorizerUri")),
            "authorizerCredentials": openapi.text_of(extension.get("authorizerCredentials")),
            "identitySource": source,
            "identityValidationExpression": openapi.text_of(extension.get("identityValidationExpression")),
            "authorizerResultTtlInSeconds": openapi.whole_of(extension.get("authorizerResultTtlInSeconds")),
            "jwtConfiguration": extension.get("jwtConfiguration"),
        }
    )
    if kind not in _AUTHORIZER_TYPES.values():
        raise openapi.bad_document(
            f"Errors found during import:\n\tUnable to put authorizer '{scheme.name}': "
            f"Invalid authorizer type specified. Valid options are {','.join(sorted(_AUTHORIZER_TYPES.values()))}"
        )
    if "jwtConfiguration" in members:
        members["jwtConfiguration"] = parse_jwt_configuration(json.dumps(members["jwtConfiguration"]))
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
    validator = openapi.text_of(
        operation.document.get("x-amazon-apigateway-request-validator", api.extension("request-validator"))
    )
    method = only(
        {
            **at,
            "authorizationType": kind,
            "authorizerId": authorizer["id"] if authorizer else None,
            "authorizationScopes": list(security.scopes) if security.scopes and kind in _AUTHORIZATION else None,
            "apiKeyRequired": security.api_key,
            "operationName": openapi.text_of(operation.document.get("operationId")),
            "requestParameters": operation.parameters or None,
            "requestModels": _known_models(call, api_id, api, operation, operation.models, "requestBody") or None,
            "requestValidatorId": validators.get(validator, validator) if validator else None,
        }
    )
    if attempt(f"Unable to put method {where}", put_method, method) is None:
        return
    _make_method_responses(call, api_id, api, operation, at, where, attempt)
    integration = find_integration(api, operation)
    if integration is not None:
        _make_integration(api, operation, integration, at, where, attempt)


def _known_models(
    call: Call, api_id: str, api: ImportedApi, operation: ImportedOperation, models: dict[str, str], at: str
) -> dict[str, str]:
    """The models that the API has; a missing one is warned of and left out."""
    known: dict[str, str] = {}
    for media, name in models.items():
        if queries.find_part(call.tx, api_id, "model", name) is not None:
            known[media] = name
        elif api.swagger:
            api.warnings.append(f"Reference to model '{name}' not found. Ignoring.")
        else:
            place = f"paths.'{operation.path}'({operation.verb.lower()}).{at}.content.schema"
            api.warnings.append(f"Parse issue: attribute {place}.#/components/schemas/{name} is missing")
    return known


def _make_method_responses(
    call: Call, api_id: str, api: ImportedApi, operation: ImportedOperation, at: Shape, where: str, attempt: Any
) -> None:
    for status, given in openapi.object_of(operation.document.get("responses")).items():
        if status == "default":
            continue
        if _STATUS.fullmatch(status) is None:
            api.warnings.append(f"Response '{status}' on {where} is left out: it is no status code")
            continue
        response = openapi.object_of(given)
        parameters = {f"method.response.header.{name}": False for name in openapi.object_of(response.get("headers"))}
        schemas: dict[str, Any] = {}
        if api.swagger and "schema" in response:
            schemas = dict.fromkeys(openapi.media_types(api, operation.document, "produces"), response["schema"])
        for media, content in openapi.object_of(response.get("content")).items():
            schemas[media] = openapi.object_of(content).get("schema")
        models = only({media: openapi.model_name(openapi.object_of(schema)) for media, schema in schemas.items()})
        known = _known_models(call, api_id, api, operation, models, f"responses.{status}")
        attempt(
            f"Unable to put method response {status} on {where}",
            put_method_response,
            {
                **at,
                "statusCode": status,
                **only({"responseParameters": parameters or None, "responseModels": known or None}),
            },
        )


def _make_integration(
    api: ImportedApi, operation: ImportedOperation, integration: Document, at: Shape, where: str, attempt: Any
) -> None:
    try:
        members = {**at, **_integration_members(api, operation, integration)}
        responses = [
            {**at, **_response_members(api, operation, pattern, openapi.object_of(response))}
            for pattern, response in openapi.object_of(integration.get("responses")).items()
        ]
    except AwsError:
        raise openapi.malformed_integration(operation) from None
    if attempt(f"Unable to put integration on {where}", _put_integration, members) is None:
        return
    for response in responses:
        attempt(f"Unable to put integration response on {where}", _put_integration_response, response)


def _integration_members(api: ImportedApi, operation: ImportedOperation, integration: Document) -> Shape:
    texts = ("uri", "credentials", "connectionType", "connectionId", "contentHandling", "cacheNamespace")
    passthrough = openapi.text_of(integration.get("passthroughBehavior"))
    insecure = openapi.flag_of(openapi.object_of(integration.get("tlsConfig")).get("insecureSkipVerification"))
    return {
        **{name: openapi.text_of(integration.get(name)) for name in (*texts, "responseTransferMode")},
        "type": (openapi.text_of(integration.get("type")) or "").upper(),
        "integrationHttpMethod": openapi.text_of(integration.get("httpMethod")),
        "requestParameters": _mappings(api, operation, "requestParameters", integration),
        "requestTemplates": _text_by_name(integration.get("requestTemplates")),
        "passthroughBehavior": passthrough.upper() if passthrough else None,
        "timeoutInMillis": openapi.whole_of(integration.get("timeoutInMillis")),
        "cacheKeyParameters": _texts(integration.get("cacheKeyParameters")),
        "tlsConfig": None if insecure is None else {"insecureSkipVerification": insecure},
    }


def _response_members(api: ImportedApi, operation: ImportedOperation, pattern: str, response: Document) -> Shape:
    return {
        "statusCode": openapi.text_of(response.get("statusCode")) or "",
        "selectionPattern": None if pattern == "default" else pattern,
        "responseParameters": _mappings(api, operation, "responseParameters", response),
        "responseTemplates": _text_by_name(response.get("responseTemplates")),
        "contentHandling": openapi.text_of(response.get("contentHandling")),
    }


def _mappings(api: ImportedApi, operation: ImportedOperation, name: str, source: Document) -> dict[str, str] | None:
    """Parameter mappings, which are text: of anything else AWS warns, and leaves it out."""
    if source.get(name) is None:
        return None
    given = openapi.object_of(source[name])
    for key, value in given.items():
        if not isinstance(value, str):
            api.warnings.append(
                f"Invalid format for '{name}'. Expected type string for property '{key}' of resource "
                f"'{operation.path}' and method '{operation.verb}' but got '{json.dumps(value)}'"
            )
    return {key: value for key, value in given.items() if isinstance(value, str)}


def _put_integration(call: Call, members: Shape) -> Shape:
    return put_integration(call, _chosen(members))


def _put_integration_response(call: Call, members: Shape) -> Shape:
    if _STATUS.fullmatch(members["statusCode"]) is None:
        raise openapi.bad_document("Invalid status code specified")
    return put_integration_response(call, _chosen(members))


def _put_documentation(call: Call, api_id: str, api: ImportedApi, request: Shape, *, overwrite: bool) -> None:
    if (request.get("parameters") or {}).get("ignore") == "documentation":
        return
    put_documentation_parts(call, api_id, openapi.documentation_parts(api.document), overwrite=overwrite)


def _finish(call: Call, api_id: str, api: ImportedApi, request: Shape, *, tags: bool) -> Shape:
    if api.warnings and request.get("failOnWarnings"):
        raise AwsError("BadRequestException", "Warnings found during import:\n\t" + "\n\t".join(api.warnings))
    answer = get_rest_api(call, {"restApiId": api_id})
    if not tags and not answer["tags"]:
        del answer["tags"]  # as in the answer to CreateRestApi
    return {**answer, "warnings": api.warnings} if api.warnings else answer
