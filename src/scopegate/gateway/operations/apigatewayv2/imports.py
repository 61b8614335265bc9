"""ImportApi and ReimportApi: a document becomes an HTTP API by the operations that a caller would use.

Source: reference, operations page, "Import: operations" and "Import: rules by element".
"""

from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import openapi, queries
from scopegate.gateway.openapi import ImportedApi, ImportedOperation, Scheme, find_integration, only
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.apigatewayv2.apis import create_api, put_api
from scopegate.gateway.operations.apigatewayv2.authorizers import make_authorizer
from scopegate.gateway.operations.apigatewayv2.integrations import make_integration
from scopegate.gateway.operations.apigatewayv2.routes import make_route
from scopegate.gateway.operations.apigatewayv2.stages import check_route_settings
from scopegate.ports import Call

_INTEGRATION: Final = {
    "connectionId": "ConnectionId",
    "connectionType": "ConnectionType",
    "credentials": "CredentialsArn",
    "description": "Description",
    "httpMethod": "IntegrationMethod",
    "integrationSubtype": "IntegrationSubtype",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "uri": "IntegrationUri",
}
_CORS: Final = {
    "allowCredentials": "AllowCredentials",
    "allowHeaders": "AllowHeaders",
    "allowMethods": "AllowMethods",
    "allowOrigins": "AllowOrigins",
    "exposeHeaders": "ExposeHeaders",
    "maxAge": "MaxAge",
}


_OF_DOCUMENT: Final = ("CorsConfiguration", "Description", "Version")  # gone when a new document lacks them


def import_api(call: Call, request: Shape) -> Shape:
    """ImportApi."""
    api = _read(call, request)
    tags = {
        str(tag["name"]): str(tag.get("x-amazon-apigateway-tag-value", ""))
        for tag in api.document.get("tags") or ()
        if "name" in tag
    }
    members = {"Name": api.info.get("title") or "", "ProtocolType": "HTTP", "Tags": tags, **_api_members(api)}
    made = create_api(call, members)
    _apply(call, made["ApiId"], api)
    return _finish(call, made["ApiId"], api, request)


def reimport_api(call: Call, request: Shape) -> Shape:
    """ReimportApi: what the document can say is the document's; stages, deployments and tags stay."""
    api_id = request["ApiId"]
    document = {name: v for name, v in http_apis.get_api(call, api_id).items() if name not in _OF_DOCUMENT}
    api = _read(call, request)
    for kind in ("route", "integration", "authorizer"):
        for part_id, _ in queries.list_parts(call.tx, api_id, kind):
            queries.delete_part(call.tx, api_id, kind, part_id)
    put_api(call, {**document, **only({"Name": api.info.get("title"), **_api_members(api)})})
    _apply(call, api_id, api)
    for _, stage in queries.list_parts(call.tx, api_id, "stage"):
        check_route_settings(call, api_id, stage["RouteSettings"])
    return _finish(call, api_id, api, request)


def _read(call: Call, request: Shape) -> ImportedApi:
    api = openapi.read_openapi(
        request["Body"].encode(), account=call.account, region=call.region, base_path=request.get("Basepath")
    )
    if api.swagger:
        raise openapi.bad_document("Unable to parse API definition: HTTP APIs take OpenAPI 3.0 documents")
    return api


def _api_members(api: ImportedApi) -> Shape:
    cors = api.extension("cors")
    endpoint: Shape = next(
        (
            server["x-amazon-apigateway-endpoint-configuration"]
            for server in api.document.get("servers") or ()
            if "x-amazon-apigateway-endpoint-configuration" in server
        ),
        {},
    )
    return only(
        {
            "Description": api.info.get("description"),
            "Version": openapi.text_of(api.info.get("version")),
            "DisableExecuteApiEndpoint": endpoint.get("disableExecuteApiEndpoint"),
            "CorsConfiguration": None
            if not cors
            else {_CORS[name]: value for name, value in cors.items() if name in _CORS},
        }
    )


def _apply(call: Call, api_id: str, api: ImportedApi) -> None:
    errors: list[str] = []
    authorizers: dict[str, str] = {}
    for name, scheme in api.schemes.items():
        if scheme.kind == "authorizer":
            try:
                authorizers[name] = make_authorizer(call, api_id, _authorizer(scheme))["AuthorizerId"]
            except AwsError as error:
                errors.append(f"Unable to create authorizer '{name}': {error.message}")
    for operation in api.operations:
        try:
            _make_route(call, api_id, api, operation, authorizers)
        except AwsError as error:
            errors.append(f"Unable to create route '{_route_key(operation)}': {error.message}")
    if errors:
        raise AwsError("BadRequestException", "Errors found during import:\n\t" + "\n\t".join(errors))
    http_apis.auto_deploy(call, api_id)


def _authorizer(scheme: Scheme) -> Shape:
    extension = scheme.authorizer or {}
    source: Any = extension.get("identitySource")
    if isinstance(source, str):
        source = [part.strip() for part in source.split(",")]
    if source is None and scheme.place in ("header", "query") and scheme.header not in ("", "Unused"):
        source = [f"$request.{'header' if scheme.place == 'header' else 'querystring'}.{scheme.header}"]
    jwt = extension.get("jwtConfiguration") or {}
    issuer = jwt.get("issuer") or (scheme.open_id_url or "").removesuffix("/.well-known/openid-configuration") or None
    audience = jwt.get("audience")
    return only(
        {
            "Name": scheme.name,
            "AuthorizerType": str(extension.get("type", "")).upper(),
            "IdentitySource": source or [],
            "JwtConfiguration": only(
                {"Issuer": issuer, "Audience": [audience] if isinstance(audience, str) else audience}
            )
            or None,
            "AuthorizerUri": extension.get("authorizerUri"),
            "AuthorizerCredentialsArn": extension.get("authorizerCredentials"),
            "AuthorizerPayloadFormatVersion": openapi.text_of(extension.get("authorizerPayloadFormatVersion")),
            "AuthorizerResultTtlInSeconds": openapi.whole_of(extension.get("authorizerResultTtlInSeconds")),
            "EnableSimpleResponses": extension.get("enableSimpleResponses"),
        }
    )


def _route_key(operation: ImportedOperation) -> str:
    return "$default" if operation.path == "$default" else f"{operation.verb} {operation.path}"


def _make_route(
    call: Call, api_id: str, api: ImportedApi, operation: ImportedOperation, authorizers: dict[str, str]
) -> None:
    members: Shape = {"RouteKey": _route_key(operation)}
    scheme = operation.security.scheme
    if operation.security.api_key:
        raise AwsError("BadRequestException", "API keys are not supported on protocolType HTTP")
    if scheme is not None and scheme.kind == "iam":
        members["AuthorizationType"] = "AWS_IAM"
    elif scheme is not None:
        if scheme.name not in authorizers:
            return  # its fault is told already
        kind = str((scheme.authorizer or {}).get("type", "")).upper()
        members |= {
            "AuthorizationType": "JWT" if kind == "JWT" else "CUSTOM",
            "AuthorizerId": authorizers[scheme.name],
        }
        if kind == "JWT" and operation.security.scopes:
            members["AuthorizationScopes"] = list(operation.security.scopes)
    if operation.document.get("operationId"):
        members["OperationName"] = operation.document["operationId"]
    integration = find_integration(api, operation)
    if integration is not None:
        made = make_integration(
            call,
            api_id,
            only(
                {
                    "IntegrationType": str(integration.get("type", "")).upper(),
                    "PayloadFormatVersion": openapi.text_of(integration.get("payloadFormatVersion")) or "1.0",
                    "TimeoutInMillis": openapi.whole_of(integration.get("timeoutInMillis")),
                    **{name: integration.get(key) for key, name in _INTEGRATION.items()},
                }
            ),
        )
        members["Target"] = f"integrations/{made['IntegrationId']}"
    make_route(call, api_id, members)


def _finish(call: Call, api_id: str, api: ImportedApi, request: Shape) -> Shape:
    if api.warnings and request.get("FailOnWarnings"):
        raise AwsError("BadRequestException", "Warnings found during import:\n\t" + "\n\t".join(api.warnings))
    answer = http_apis.get_api(call, api_id)
    return {**answer, "Warnings": api.warnings} if api.warnings else answer
