"""Authorizers: JWT (an issuer and its audiences) and REQUEST (a function)."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.ports import Call
from scopegate.store.documents import Document

_MEMBERS: Final = (
    "AuthorizerCredentialsArn",
    "AuthorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds",
    "AuthorizerType",
    "AuthorizerUri",
    "EnableSimpleResponses",
    "IdentitySource",
    "IdentityValidationExpression",
    "JwtConfiguration",
    "Name",
)
_JWT_SOURCE: Final = re.compile(r"\$request\.(header|querystring)\.[^\s.]+")
_REQUEST_SOURCE: Final = re.compile(r"\$(request\.(header|querystring)|context|stageVariables)\.\S+")
_MOST_AUDIENCES: Final = 50


def create_authorizer(call: Call, request: Shape) -> Shape:
    """CreateAuthorizer.

    The issuer's discovery document is not fetched: a foreign issuer that cannot be reached is warned of, and its
    calls are refused until it can (docs/divergences.md).
    """
    api_id = request["ApiId"]
    http_apis.get_api(call, api_id)
    if call.settings.aws_quotas and len(queries.list_parts(call.tx, api_id, "authorizer")) >= 10:
        raise AwsError("TooManyRequestsException", "Maximum number of authorizers for this API has been reached")
    authorizer_id = http_apis.new_part_id(call, api_id, "authorizer", 6)
    document: Document = {"AuthorizerId": authorizer_id, **http_apis.chosen(request, *_MEMBERS)}
    if document["AuthorizerType"] == "REQUEST":
        document.setdefault("EnableSimpleResponses", False)
        document.setdefault("AuthorizerResultTtlInSeconds", 0)
    _check(call, api_id, document)
    queries.put_part(call.tx, api_id, "authorizer", authorizer_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def update_authorizer(call: Call, request: Shape) -> Shape:
    """UpdateAuthorizer. Members that are left out stay as they are."""
    api_id, authorizer_id = request["ApiId"], request["AuthorizerId"]
    document = http_apis.get_part(call, api_id, "authorizer", authorizer_id)
    document = {**document, **http_apis.chosen(request, *_MEMBERS)}
    if "JwtConfiguration" in request:
        old = queries.find_part(call.tx, api_id, "authorizer", authorizer_id) or {}
        document["JwtConfiguration"] = {**(old.get("JwtConfiguration") or {}), **request["JwtConfiguration"]}
    _check(call, api_id, document)
    queries.put_part(call.tx, api_id, "authorizer", authorizer_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def _check(call: Call, api_id: str, document: Document) -> None:
    for other_id, other in queries.list_parts(call.tx, api_id, "authorizer"):
        if other_id != document["AuthorizerId"] and other["Name"] == document["Name"]:
            raise AwsError("BadRequestException", f"Authorizer name must be unique. {document['Name']} already exists")
    if document["AuthorizerType"] == "JWT":
        _check_jwt(call, document)
    else:
        _check_request(document)


def _check_jwt(call: Call, document: Document) -> None:
    configuration = document.get("JwtConfiguration") or {}
    issuer = configuration.get("Issuer")
    audiences = configuration.get("Audience") or []
    if not issuer:
        raise AwsError("BadRequestException", "JwtConfiguration.Issuer is required for JWT authorizer")
    if not audiences:
        raise AwsError("BadRequestException", "JwtConfiguration.Audience is required for JWT authorizer")
    if len(audiences) > _MOST_AUDIENCES:
        raise AwsError("BadRequestException", f"A JWT authorizer takes at most {_MOST_AUDIENCES} audiences")
    _check_issuer(call, issuer)
    sources = document.get("IdentitySource") or []
    if len(sources) != 1 or not _JWT_SOURCE.fullmatch(sources[0]):
        raise AwsError(
            "BadRequestException",
            "A JWT authorizer takes one identity source, $request.header.NAME or $request.querystring.NAME",
        )
    if "AuthorizerUri" in document or document.get("EnableSimpleResponses"):
        raise AwsError("BadRequestException", "AuthorizerUri is not supported for JWT authorizer")


def _check_issuer(call: Call, issuer: str) -> None:
    """Refuse what is no issuer URL, plain http beyond this machine, and a pool of this server that is not there."""
    parts = urlsplit(issuer)
    own = call.settings.issuer_url
    is_ours = own is not None and issuer.startswith(own.rstrip("/") + "/")
    plain_allowed = is_ours or _is_loopback(parts.hostname or "")
    well_formed = parts.hostname and not parts.username and not parts.query and not parts.fragment
    if not well_formed or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not plain_allowed):
        raise AwsError("BadRequestException", f"Invalid issuer: {issuer}. Issuer must be an https URL")
    if is_ours and call.ports.find_pool(issuer) is None:
        raise AwsError(
            "BadRequestException",
            f"Caught exception when connecting to {issuer}/.well-known/openid-configuration for issuer {issuer}. "
            f"Please try again later. Error: Invalid issuer: {issuer}. Issuer must have a valid discovery endpoint "
            "ended with '/.well-known/openid-configuration'",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_request(document: Document) -> None:
    if "AuthorizerPayloadFormatVersion" not in document:
        raise AwsError(
            "BadRequestException", "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer"
        )
    if document["AuthorizerPayloadFormatVersion"] not in ("1.0", "2.0"):
        raise AwsError("BadRequestException", "AuthorizerPayloadFormatVersion must be 1.0 or 2.0")
    if document.get("EnableSimpleResponses") and document["AuthorizerPayloadFormatVersion"] != "2.0":
        raise AwsError("BadRequestException", "EnableSimpleResponses is only supported for payload format version 2.0")
    if not document.get("AuthorizerUri"):
        raise AwsError("BadRequestException", "AuthorizerUri is a required parameter for REQUEST authorizer")
    if "JwtConfiguration" in document:
        raise AwsError("BadRequestException", "JwtConfiguration is not supported for REQUEST authorizer")
    sources = document.get("IdentitySource") or []
    ttl = document["AuthorizerResultTtlInSeconds"]
    if not 0 <= ttl <= 3600:
        raise AwsError("BadRequestException", "AuthorizerResultTtlInSeconds must be between 0 and 3600")
    if ttl and not sources:
        raise AwsError("BadRequestException", "An identity source is required when caching is enabled")
    if not all(_REQUEST_SOURCE.fullmatch(source) for source in sources):
        raise AwsError("BadRequestException", "Invalid identity source specified")


def get_authorizer(call: Call, request: Shape) -> Shape:
    """GetAuthorizer."""
    return http_apis.get_part(call, request["ApiId"], "authorizer", request["AuthorizerId"])


def get_authorizers(call: Call, request: Shape) -> Shape:
    """GetAuthorizers."""
    return http_apis.list_parts(call, "authorizer", request)


def delete_authorizer(call: Call, request: Shape) -> Shape:
    """DeleteAuthorizer; refused while a route uses it."""
    api_id, authorizer_id = request["ApiId"], request["AuthorizerId"]
    authorizer = http_apis.get_part(call, api_id, "authorizer", authorizer_id)
    for _, route in queries.list_parts(call.tx, api_id, "route"):
        if route.get("AuthorizerId") == authorizer_id:
            raise AwsError(
                "ConflictException",
                f"Cannot delete authorizer '{authorizer['Name']}', is referenced in route: {route['RouteKey']}",
            )
    queries.delete_part(call.tx, api_id, "authorizer", authorizer_id)
    http_apis.auto_deploy(call, api_id)
    return {}
