"""APIs: create (also by quick create), read, update, delete, CORS.

Source: reference, control plane, sections 1.5, 3.5 and 5.1.
"""

import re
from functools import partial
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.headers import is_header_name
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.api_ids import new_api_id
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.operations.apigatewayv2.integrations import create_integration, update_integration
from scopegate.gateway.operations.apigatewayv2.routes import create_route, update_route
from scopegate.gateway.operations.apigatewayv2.stages import create_stage
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_ORIGIN: Final = re.compile(r"https?://(\*|[!-)+-.0-9:;=@A-~]+)")  # a host and a port, or a star alone
_SELECTIONS: Final = ("$request.method $request.path", "${request.method} ${request.path}")
_UPDATED: Final = (
    "ApiKeySelectionExpression",
    "CorsConfiguration",
    "Description",
    "DisableExecuteApiEndpoint",
    "IpAddressType",
    "Name",
    "Version",
)


def create_api(call: Call, request: Shape) -> Shape:
    """CreateApi. `Target` makes integration, route and `$default` stage too (quick create)."""
    if request["ProtocolType"] != http_apis.PROTOCOL:
        if request["ProtocolType"] != "WEBSOCKET":
            raise bad_request("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
        raise bad_request("WebSocket APIs are not supported yet")
    _check(request)
    owned = partial(queries.list_apis, call.tx, call.account, call.region, http_apis.PROTOCOL)
    if call.settings.aws_quotas and len(owned()) >= limit("gateway.http.apis"):
        raise AwsError("TooManyRequestsException", "Maximum number of APIs for this account has been reached")
    tags = parse_tags(request.get("Tags") or {})
    api_id = new_api_id(call.tx, tags)
    document: Document = {
        "ApiEndpoint": f"https://{api_id}.execute-api.{call.region}.{_domain(call.region)}",
        "ApiId": api_id,
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": call.now,
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "ProtocolType": http_apis.PROTOCOL,
        "RouteSelectionExpression": _SELECTIONS[0],
        "Tags": tags,
        **http_apis.chosen(request, *_UPDATED),
    }
    _put(call, document)
    if "Target" in request:
        _quick_create(call, api_id, request)
    return document


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def put_api(call: Call, document: Document) -> None:
    """Store a whole API, checked; not deployed yet."""
    _check(document)
    _put(call, document)


def _put(call: Call, document: Document) -> None:
    queries.put_api(call.tx, call.account, call.region, http_apis.PROTOCOL, document["ApiId"], document)


def _quick_create(call: Call, api_id: str, request: Shape) -> None:
    in_api = {"ApiId": api_id}
    integration_id = create_integration(call, {**in_api, **_quick_integration(request)})["IntegrationId"]
    route = {"RouteKey": request.get("RouteKey", "$default"), "Target": f"integrations/{integration_id}"}
    route_id = create_route(call, {**in_api, **route})["RouteId"]
    create_stage(call, {**in_api, "StageName": "$default", "AutoDeploy": True})
    for kind, part_id in (("integration", integration_id), ("route", route_id), ("stage", "$default")):
        part = http_apis.get_part(call, api_id, kind, part_id)
        queries.put_part(call.tx, api_id, kind, part_id, {**part, http_apis.MANAGED: True})


def _quick_integration(request: Shape) -> Shape:
    """The integration that a quick create's `Target` means: a function by its ARN, else a web service by its URL."""
    target: str = request["Target"]
    to_function = target.startswith("arn:")
    return {
        "IntegrationType": "AWS_PROXY" if to_function else "HTTP_PROXY",
        "IntegrationUri": target,
        "IntegrationMethod": "POST" if to_function else "ANY",
        "PayloadFormatVersion": "2.0" if to_function else "1.0",
        **http_apis.chosen(request, "CredentialsArn"),
    }


def _check(request: Shape) -> None:
    if request.get("RouteSelectionExpression", _SELECTIONS[0]) not in _SELECTIONS:
        raise bad_request(f"Route selection expression of an HTTP API must be {_SELECTIONS[0]}")
    cors = request.get("CorsConfiguration") or {}
    origins = cors.get("AllowOrigins") or []
    if cors.get("AllowCredentials") and "*" in origins:
        raise bad_request("allow-credentials is not supported if 'allow-origin' is *")
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise bad_request(f"Invalid format for origin {origin}")
    for member in ("AllowMethods", "AllowHeaders", "ExposeHeaders"):
        for name in cors.get(member) or ():
            if not is_header_name(name):
                raise bad_request(f"Invalid value for {member[0].lower()}{member[1:]} {name}")
    if not -1 <= cors.get("MaxAge", 0) <= limit("gateway.http.cors_age_s"):
        raise bad_request(f"max-age must be between -1 and {limit('gateway.http.cors_age_s')}")


def get_api(call: Call, request: Shape) -> Shape:
    """GetApi."""
    return http_apis.get_api(call, request["ApiId"])


def get_apis(call: Call, request: Shape) -> Shape:
    """GetApis."""
    rows = partial(queries.list_apis, call.tx, call.account, call.region, http_apis.PROTOCOL)
    return http_apis.read_page(call, request, "apis", rows, "api")


def update_api(call: Call, request: Shape) -> Shape:
    """UpdateApi. Members that are left out stay as they are; `Target` and `RouteKey` move the quick-created parts."""
    api_id = request["ApiId"]
    document = http_apis.get_api(call, api_id)
    _check(request)
    document |= http_apis.chosen(request, *_UPDATED)
    _put(call, document)
    _update_quick_created(call, api_id, request)
    http_apis.auto_deploy(call, api_id)
    return document


def _update_quick_created(call: Call, api_id: str, request: Shape) -> None:
    if "Target" in request or "CredentialsArn" in request:
        changes = _quick_integration(request) if "Target" in request else http_apis.chosen(request, "CredentialsArn")
        update_integration(call, {**_managed(call, api_id, "integration", "IntegrationId"), **changes})
    if "RouteKey" in request:
        update_route(call, {**_managed(call, api_id, "route", "RouteId"), "RouteKey": request["RouteKey"]})


def _managed(call: Call, api_id: str, kind: str, member: str) -> Shape:
    """How a request names the API's quick-created part of a kind."""
    for part_id, part in queries.list_parts(call.tx, api_id, kind):
        if part.get(http_apis.MANAGED):
            return {"ApiId": api_id, member: part_id}
    raise bad_request(f"Unable to update API: it has no {kind} that is managed by API Gateway")


def delete_cors_configuration(call: Call, request: Shape) -> Shape:
    """DeleteCorsConfiguration."""
    document = http_apis.get_api(call, request["ApiId"])
    document.pop("CorsConfiguration", None)
    _put(call, document)
    http_apis.auto_deploy(call, request["ApiId"])
    return {}


def delete_api(call: Call, request: Shape) -> Shape:
    """DeleteApi, with everything in it."""
    http_apis.get_api(call, request["ApiId"])
    queries.delete_api(call.tx, request["ApiId"])
    return {}
