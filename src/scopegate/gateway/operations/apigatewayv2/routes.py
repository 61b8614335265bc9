"""Routes: a key, who may call it, and where it goes.

Source: reference, control plane, sections 1.5 and 3.5; data plane, "HTTP API routes".
"""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_METHODS: Final = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_VARIABLE: Final = re.compile(r"\{([a-zA-Z0-9._-]+)(\+?)\}")
_FORM: Final = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)
_MEMBERS: Final = (
    "ApiKeyRequired",
    "AuthorizationScopes",
    "AuthorizationType",
    "AuthorizerId",
    "OperationName",
    "RouteKey",
    "Target",
)


def create_route(call: Call, request: Shape) -> Shape:
    """CreateRoute."""
    document = make_route(call, request["ApiId"], request)
    http_apis.auto_deploy(call, request["ApiId"])
    return document


def make_route(call: Call, api_id: str, request: Shape) -> Document:
    """A new route, not deployed yet."""
    http_apis.get_api(call, api_id)
    http_apis.check_quota(call, api_id, "route")
    route_id = http_apis.new_part_id(call, api_id, "route", 7)
    document: Document = {
        "ApiKeyRequired": False,
        "AuthorizationType": "NONE",
        "RouteId": route_id,
        **http_apis.chosen(request, *_MEMBERS),
    }
    _check(call, api_id, document, request)
    queries.put_part(call.tx, api_id, "route", route_id, document)
    return document


def update_route(call: Call, request: Shape) -> Shape:
    """UpdateRoute. Left out members stay; an authorizer is detached by `AuthorizationType: NONE` alone."""
    api_id, route_id = request["ApiId"], request["RouteId"]
    document = http_apis.get_part(call, api_id, "route", route_id)
    if "AuthorizerId" in request and "AuthorizationType" not in request and document["AuthorizationType"] == "NONE":
        raise bad_request("Unable to update route. Authorizer type is invalid or null.")
    document = {**document, **http_apis.chosen(request, *_MEMBERS)}
    if document["AuthorizationType"] in ("NONE", "AWS_IAM") and "AuthorizerId" not in request:
        document.pop("AuthorizerId", None)
    if document["AuthorizationType"] != "JWT" and not request.get("AuthorizationScopes"):
        document.pop("AuthorizationScopes", None)
    _check(call, api_id, document, request)
    queries.put_part(call.tx, api_id, "route", route_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def _check(call: Call, api_id: str, document: Document, request: Shape) -> None:
    _check_key(call, api_id, document)
    kind = document["AuthorizationType"]
    authorizer_id = document.get("AuthorizerId")
    authorizer = queries.find_part(call.tx, api_id, "authorizer", authorizer_id) if authorizer_id else None
    if kind == "JWT" and (authorizer is None or authorizer["AuthorizerType"] != "JWT"):
        raise bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to JWT requires a valid JWT authorizer.",
        )
    if kind == "CUSTOM" and (authorizer is None or authorizer["AuthorizerType"] != "REQUEST"):
        raise bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
            "requires a valid authorizer.",
        )
    if kind in ("NONE", "AWS_IAM") and authorizer_id:
        raise bad_request("Unable to update route. Authorizer type is invalid or null.")
    scopes = document.get("AuthorizationScopes") or []
    if scopes and kind != "JWT":
        raise bad_request("Authorization scopes are only supported with a JWT authorizer")
    if len(scopes) > limit("gateway.http.route_scopes"):
        raise bad_request(f"A route takes at most {limit('gateway.http.route_scopes')} authorization scopes")
    if document.get("ApiKeyRequired"):
        raise bad_request("API keys are not supported on protocolType HTTP")
    if "ModelSelectionExpression" in request or request.get("RequestModels"):
        raise bad_request("Request models are not supported on protocolType HTTP")
    if request.get("RequestParameters"):
        raise bad_request("Request parameters are not supported on protocolType HTTP")
    target = document.get("Target")
    if target is not None:
        word, slash, integration_id = target.partition("/")
        known = queries.find_part(call.tx, api_id, "integration", integration_id) if slash else None
        if word != "integrations" or known is None:
            raise bad_request("Invalid Integration identifier specified")


def _check_key(call: Call, api_id: str, document: Document) -> None:
    key = document["RouteKey"]
    if not key:
        raise bad_request("Route key is required")
    others = [
        route for _, route in queries.list_parts(call.tx, api_id, "route") if route["RouteId"] != document["RouteId"]
    ]
    if any(route["RouteKey"] == key for route in others):
        raise AwsError("ConflictException", f"Route with key {key} already exists for this API")
    if key == "$default":
        return
    method, blank, path = key.partition(" ")
    if not blank or method not in _METHODS or not _is_path(path):
        raise bad_request(_FORM)
    for route in others:
        other_method, _, other_path = route["RouteKey"].partition(" ")
        if other_method == method and _nameless(path) == _nameless(other_path):
            raise AwsError(
                "ConflictException",
                f'The provided route key "{key}" has a conflicting variable on the same hierarchical level '
                f'as "{route["RouteKey"]}"',
            )


def _nameless(path: str) -> str:
    """The path without the names of its variables: keys that agree in it match the same calls."""
    return _VARIABLE.sub(r"{\2}", path)


def _is_path(path: str) -> bool:
    """Whether a path is one of a route key: whole segments, each variable once, a greedy one only at the end."""
    if path == "/":
        return True
    if not path.startswith("/") or path.endswith("/"):
        return False
    segments = path[1:].split("/")
    seen: set[str] = set()
    for index, segment in enumerate(segments):
        match = _VARIABLE.fullmatch(segment)
        if match:
            if match[1] in seen or (match[2] and index != len(segments) - 1):
                return False
            seen.add(match[1])
        elif not segment or not segment.isprintable() or any(character in segment for character in "{}?# "):
            return False
    return True


def get_route(call: Call, request: Shape) -> Shape:
    """GetRoute."""
    return http_apis.get_part(call, request["ApiId"], "route", request["RouteId"])


def get_routes(call: Call, request: Shape) -> Shape:
    """GetRoutes."""
    return http_apis.list_parts(call, "route", request)


def delete_route(call: Call, request: Shape) -> Shape:
    """DeleteRoute."""
    route = http_apis.get_part(call, request["ApiId"], "route", request["RouteId"])
    http_apis.refuse_managed(route, "route")
    queries.delete_part(call.tx, request["ApiId"], "route", request["RouteId"])
    http_apis.auto_deploy(call, request["ApiId"])
    return {}


def delete_route_request_parameter(call: Call, request: Shape) -> Shape:
    """DeleteRouteRequestParameter. Routes of HTTP APIs have no request parameters to delete."""
    http_apis.get_part(call, request["ApiId"], "route", request["RouteId"])
    raise AwsError("NotFoundException", "Invalid Request Parameter identifier specified")
