"""Authorizers: JWT (an issuer and its audiences) and REQUEST (a function).

Source: reference, control plane, sections 1.5 and 3.5; data plane, "HTTP: JWT authorizer"; design, "What is refused".
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.apigatewayv2.integrations import check_credentials, is_function
from scopegate.gateway.operations.http_apis import bad_request
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
_JWT_SOURCE: Final = re.compile(r"\$request\.(header|querystring)\.\S+")
_REQUEST_SOURCE: Final = re.compile(r"\$(request\.(header|querystring)|context|stageVariables)\.\S+")
# What an authorizer of the other type has no use for goes when the type is changed.
_OF_TYPE: Final = {
    "JWT": ("JwtConfiguration",),
    "REQUEST": (
        "AuthorizerCredentialsArn",
        "AuthorizerPayloadFormatVersion",
        "AuthorizerResultTtlInSeconds",
        "AuthorizerUri",
        "EnableSimpleResponses",
    ),
}
_AMAZON_HOST: Final = re.compile(r"(?:issuer-)?cognito-idp\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_URI: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<function>.+)/invocations"
)


def create_authorizer(call: Call, request: Shape) -> Shape:
    """CreateAuthorizer.

    The issuer's discovery document is not fetched: a foreign issuer that cannot be reached is warned of, and its
    calls are refused until it can (docs/divergences.md).
    """
    document = make_authorizer(call, request["ApiId"], request)
    http_apis.auto_deploy(call, request["ApiId"])
    return document


def make_authorizer(call: Call, api_id: str, request: Shape) -> Document:
    """A new authorizer, not deployed yet."""
    http_apis.get_api(call, api_id)
    http_apis.check_quota(call, api_id, "authorizer")
    authorizer_id = http_apis.new_part_id(call, api_id, "authorizer", 6)
    document: Document = {"AuthorizerId": authorizer_id, **http_apis.chosen(request, *_MEMBERS)}
    _check(call, api_id, document)
    queries.put_part(call.tx, api_id, "authorizer", authorizer_id, document)
    return document


def update_authorizer(call: Call, request: Shape) -> Shape:
    """UpdateAuthorizer. Members that are left out stay as they are."""
    api_id, authorizer_id = request["ApiId"], request["AuthorizerId"]
    old = http_apis.get_part(call, api_id, "authorizer", authorizer_id)
    document = {**old, **http_apis.chosen(request, *_MEMBERS)}
    if "JwtConfiguration" in request:
        document["JwtConfiguration"] = {**(old.get("JwtConfiguration") or {}), **request["JwtConfiguration"]}
    if document["AuthorizerType"] != old["AuthorizerType"]:
        _refuse_used(call, api_id, old, "change the type of")
        for member in _OF_TYPE[old["AuthorizerType"]]:
            if member not in request:
                document.pop(member, None)
    _check(call, api_id, document)
    queries.put_part(call.tx, api_id, "authorizer", authorizer_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def _check(call: Call, api_id: str, document: Document) -> None:
    for other_id, other in queries.list_parts(call.tx, api_id, "authorizer"):
        if other_id != document["AuthorizerId"] and other["Name"] == document["Name"]:
            # The same words for both kinds of API.
            raise bad_request(
                f"Authorizer name must be unique. Authorizer {document['Name']} already exists in this RestApi."
            )
    if document["AuthorizerType"] == "JWT":
        _check_jwt(call, document)
    else:
        document.setdefault("EnableSimpleResponses", False)
        document.setdefault("AuthorizerResultTtlInSeconds", 0)
        _check_request(call, document)


def _check_jwt(call: Call, document: Document) -> None:
    configuration = document.get("JwtConfiguration") or {}
    issuer = configuration.get("Issuer")
    audiences = configuration.get("Audience") or []
    if not issuer:
        raise bad_request("JwtConfiguration.Issuer is required for JWT authorizer")
    if not audiences:
        raise bad_request("JwtConfiguration.Audience is required for JWT authorizer")
    if len(audiences) > limit("gateway.http.audiences"):
        raise bad_request(f"A JWT authorizer takes at most {limit('gateway.http.audiences')} audiences")
    _check_issuer(call, issuer)
    sources = document.get("IdentitySource") or []
    if len(sources) != 1 or not _JWT_SOURCE.fullmatch(sources[0]):
        raise bad_request(
            "A JWT authorizer takes one identity source, $request.header.NAME or $request.querystring.NAME",
        )
    if "AuthorizerUri" in document or document.get("EnableSimpleResponses"):
        raise bad_request("AuthorizerUri is not supported for JWT authorizer")


def _check_issuer(call: Call, issuer: str) -> None:
    """Refuse what is no issuer URL, plain http beyond this machine, and a pool of this server that is not there.

    An issuer of Amazon's form whose pool is not here is a foreign one.
    """
    own = call.settings.issuer_url
    is_ours = own is not None and issuer.startswith(own.rstrip("/") + "/")
    scheme, host = _scheme_and_host(issuer)
    amazon = _AMAZON_HOST.fullmatch(host)
    names_pool = amazon is None or re.fullmatch(rf"https://[^/]+/{amazon['region']}_[0-9A-Za-z]+/?", issuer)
    allowed = scheme == "https" or (scheme == "http" and (is_ours or _is_loopback(host)))
    if not host or not allowed or not names_pool:
        raise bad_request(f"Invalid issuer: {issuer}. Issuer must be an https URL")
    if is_ours and call.ports.find_pool(issuer) is None:
        raise bad_request(
            f"Caught exception when connecting to {issuer}/.well-known/openid-configuration for issuer {issuer}. "
            f"Please try again later. Error: Invalid issuer: {issuer}. Issuer must have a valid discovery endpoint "
            "ended with '/.well-known/openid-configuration'",
        )


def _scheme_and_host(issuer: str) -> tuple[str, str]:
    """("", "") for what is no URL of scheme, host, port and path alone, in printable ASCII."""
    try:
        parts = urlsplit(issuer)
        port = parts.port
    except ValueError:
        return "", ""
    plain = issuer.isascii() and issuer.isprintable() and not set(issuer) & set(" ?#@\\")
    if not plain or port == 0 or parts.hostname is None:
        return "", ""
    return parts.scheme, parts.hostname


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_request(call: Call, document: Document) -> None:
    if "AuthorizerPayloadFormatVersion" not in document:
        raise bad_request("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    if document["AuthorizerPayloadFormatVersion"] not in ("1.0", "2.0"):
        raise bad_request("AuthorizerPayloadFormatVersion must be 1.0 or 2.0")
    if document.get("EnableSimpleResponses") and document["AuthorizerPayloadFormatVersion"] != "2.0":
        raise bad_request("EnableSimpleResponses is only supported for payload format version 2.0")
    uri = document.get("AuthorizerUri")
    match = _URI.fullmatch(uri or "")
    if match is None or match["partition"] != names.partition_of(call.region) or not is_function(match["function"]):
        raise bad_request(
            f"Invalid Authorizer URI: {'null' if uri is None else uri}. "
            "Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
        )
    check_credentials(call, document.get("AuthorizerCredentialsArn"))
    if "JwtConfiguration" in document:
        raise bad_request("JwtConfiguration is not supported for REQUEST authorizer")
    sources = document.get("IdentitySource") or []
    ttl = document["AuthorizerResultTtlInSeconds"]
    if not 0 <= ttl <= limit("gateway.http.authorizer_ttl_s"):
        raise bad_request(
            f"Authorizer result TTL must be between 0 and {limit('gateway.http.authorizer_ttl_s')} seconds"
        )
    if ttl and not sources:
        raise bad_request("An identity source is required when caching is enabled")
    if not all(_REQUEST_SOURCE.fullmatch(source) for source in sources):
        raise bad_request("Invalid identity source specified")


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
    _refuse_used(call, api_id, authorizer, "delete")
    queries.delete_part(call.tx, api_id, "authorizer", authorizer_id)
    http_apis.auto_deploy(call, api_id)
    return {}


def _refuse_used(call: Call, api_id: str, authorizer: Document, verb: str) -> None:
    for _, route in queries.list_parts(call.tx, api_id, "route"):
        if route.get("AuthorizerId") == authorizer["AuthorizerId"]:
            raise AwsError(
                "ConflictException",
                f"Cannot {verb} authorizer '{authorizer['Name']}', is referenced in route: {route['RouteKey']}",
            )
