"""APIs: create (also by quick create), read, update, delete, CORS."""

import re
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.api_ids import new_api_id
from scopegate.gateway.operations.apigatewayv2.integrations import create_integration
from scopegate.gateway.operations.apigatewayv2.routes import create_route
from scopegate.gateway.operations.apigatewayv2.stages import create_stage
from scopegate.ports import Call
from scopegate.store.documents import Document

_ORIGIN: Final = re.compile(r"https?://(\*|[^/*?#\s]+)")
_SELECTIONS: Final = ("$request.method $request.path", "${request.method} ${request.path}")


def create_api(call: Call, request: Shape) -> Shape:
    """CreateApi. `Target` makes integration, route and `$default` stage too (quick create)."""
    if request["ProtocolType"] != "HTTP":
        if request["ProtocolType"] != "WEBSOCKET":
            raise AwsError("BadRequestException", "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
        raise AwsError("BadRequestException", "WebSocket APIs are not supported yet")
    selection = request.get("RouteSelectionExpression", _SELECTIONS[0])
    if selection not in _SELECTIONS:
        raise AwsError("BadRequestException", f"Route selection expression of an HTTP API must be {_SELECTIONS[0]}")
    _check_cors(request.get("CorsConfiguration"))
    if call.settings.aws_quotas and len(queries.list_apis(call.tx, call.account, call.region, "HTTP")) >= 600:
        raise AwsError("TooManyRequestsException", "Maximum number of APIs for this account has been reached")
    tags = request.get("Tags") or {}
    api_id = new_api_id(call.tx, tags)
    document: Document = {
        "ApiEndpoint": f"https://{api_id}.execute-api.{call.region}.amazonaws.com",
        "ApiId": api_id,
        "ApiKeySelectionExpression": request.get("ApiKeySelectionExpression", "$request.header.x-api-key"),
        "CreatedDate": call.now,
        "DisableExecuteApiEndpoint": request.get("DisableExecuteApiEndpoint", False),
        "IpAddressType": request.get("IpAddressType", "ipv4"),
        "Name": request["Name"],
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": _SELECTIONS[0],
        "Tags": tags,
        **http_apis.chosen(request, "CorsConfiguration", "Description", "Version"),
    }
    queries.put_api(call.tx, call.account, call.region, "HTTP", api_id, document)
    if "Target" in request:
        _quick_create(call, api_id, request)
    return document


def _quick_create(call: Call, api_id: str, request: Shape) -> None:
    target = request["Target"]
    to_function = target.startswith("arn:")
    integration = {
        "ApiId": api_id,
        "IntegrationType": "AWS_PROXY" if to_function else "HTTP_PROXY",
        "IntegrationUri": target,
        "PayloadFormatVersion": "2.0" if to_function else "1.0",
        **({} if to_function else {"IntegrationMethod": "ANY"}),
        **({"CredentialsArn": request["CredentialsArn"]} if "CredentialsArn" in request else {}),
    }
    made = create_integration(call, integration)
    route_key = request.get("RouteKey", "$default")
    route = create_route(
        call, {"ApiId": api_id, "RouteKey": route_key, "Target": f"integrations/{made['IntegrationId']}"}
    )
    create_stage(call, {"ApiId": api_id, "StageName": "$default", "AutoDeploy": True})
    for kind, part_id in (
        ("integration", made["IntegrationId"]),
        ("route", route["RouteId"]),
        ("stage", "$default"),
    ):
        part = http_apis.get_part(call, api_id, kind, part_id)
        part[http_apis.MANAGED] = True
        queries.put_part(call.tx, api_id, kind, part_id, part)
    http_apis.auto_deploy(call, api_id)


def _check_cors(cors: Shape | None) -> None:
    if not cors:
        return
    origins = cors.get("AllowOrigins") or []
    if cors.get("AllowCredentials") and "*" in origins:
        raise AwsError("BadRequestException", "allow-credentials is not supported if 'allow-origin' is *")
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise AwsError("BadRequestException", f"Invalid format for origin {origin}")
    if not -1 <= cors.get("MaxAge", 0) <= 86_400:
        raise AwsError("BadRequestException", "max-age must be between -1 and 86400")


def get_api(call: Call, request: Shape) -> Shape:
    """GetApi."""
    return http_apis.get_api(call, request["ApiId"])


def get_apis(call: Call, request: Shape) -> Shape:
    """GetApis."""
    size, after = http_apis.page_of(request)
    rows = queries.list_apis(call.tx, call.account, call.region, "HTTP", after=after, size=size + 1)
    return http_apis.page(rows, size)


def update_api(call: Call, request: Shape) -> Shape:
    """UpdateApi. Members that are left out stay as they are; `Target` and `RouteKey` move the quick-created parts."""
    api_id = request["ApiId"]
    document = http_apis.get_api(call, api_id)
    _check_cors(request.get("CorsConfiguration"))
    members = ("CorsConfiguration", "Description", "DisableExecuteApiEndpoint", "IpAddressType", "Name", "Version")
    document |= http_apis.chosen(request, *members, "ApiKeySelectionExpression")
    queries.put_api(call.tx, call.account, call.region, "HTTP", api_id, document)
    if "Target" in request or "RouteKey" in request or "CredentialsArn" in request:
        _update_quick_created(call, api_id, request)
    http_apis.auto_deploy(call, api_id)
    return document


def _update_quick_created(call: Call, api_id: str, request: Shape) -> None:
    managed = {
        kind: next((pair for pair in queries.list_parts(call.tx, api_id, kind) if pair[1].get(http_apis.MANAGED)), None)
        for kind in ("integration", "route")
    }
    changes: dict[str, dict[str, Any]] = {
        "integration": http_apis.chosen(request, "CredentialsArn"),
        "route": http_apis.chosen(request, "RouteKey"),
    }
    if "Target" in request:
        changes["integration"]["IntegrationUri"] = request["Target"]
    for kind, found in managed.items():
        if found is None:
            if changes[kind]:
                raise AwsError("BadRequestException", "This API was not made by quick create")
            continue
        queries.put_part(call.tx, api_id, kind, found[0], found[1] | changes[kind])


def delete_cors_configuration(call: Call, request: Shape) -> Shape:
    """DeleteCorsConfiguration."""
    document = http_apis.get_api(call, request["ApiId"])
    document.pop("CorsConfiguration", None)
    queries.put_api(call.tx, call.account, call.region, "HTTP", request["ApiId"], document)
    http_apis.auto_deploy(call, request["ApiId"])
    return {}


def delete_api(call: Call, request: Shape) -> Shape:
    """DeleteApi, with everything in it."""
    http_apis.get_api(call, request["ApiId"])
    queries.delete_api(call.tx, request["ApiId"])
    return {}
