"""Lambda events: a call → the JSON that the function gets. REST (1.0 without `version`), HTTP 1.0 and HTTP 2.0.

What a route's events have in common is rendered once, when the route is compiled; a call fills the gaps.
Source: reference, "Lambda proxy event payloads", field by field; "REST header treatment, request direction".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from scopegate.aws.operations import Caller
from scopegate.gateway import headers
from scopegate.gateway.mapping import domain_prefix
from scopegate.gateway.model import ApiCall, ApiKey, RouteSpec
from scopegate.gateway.times import request_time

BuildEvent = Callable[[ApiCall], bytes]

_dumps: Final = orjson.dumps
# Set here, whatever a client says.
_FORWARDED: Final = frozenset({"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
_NO_CALLER: Final[Mapping[str, None]] = dict.fromkeys(("accountId", "caller", "accessKey", "userArn", "user"))


def _caller_members(caller: Caller) -> dict[str, str]:
    """What `identity` says of who signed the call."""
    return {
        "accountId": caller.account,
        "caller": caller.user_id,
        "accessKey": caller.access_key_id,
        "userArn": caller.arn,
        "user": caller.user_id,
    }


def _identity(caller: Mapping[str, Any]) -> bytes:
    """The beginning of a REST event's `identity`, without the closing brace."""
    nulls = dict.fromkeys(
        (
            "cognitoIdentityPoolId",
            "cognitoIdentityId",
            "principalOrgId",
            "cognitoAuthenticationType",
            "cognitoAuthenticationProvider",
        )
    )
    return _dumps({**nulls, **caller})[:-1]


_NOBODYS_IDENTITY: Final = _identity(_NO_CALLER)


def _multi(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(name → last value, name → all values), names as they stand."""
    last: dict[str, str] = {}
    every: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in last:
            every[name].append(value)
        else:
            every[name] = [value]
        last[name] = value
    return last, every


def _queries(call: ApiCall) -> tuple[bytes, bytes]:
    if not call.request.query or not call.query:
        return b"null", b"null"
    last, every = _multi(call.query)
    return _dumps(last), _dumps(every)


def _or_null(values: Mapping[str, str]) -> bytes:
    return _dumps(dict(values)) if values else b"null"


@lru_cache(maxsize=1024)
def media_type(content_type: bytes | None) -> str:
    """A Content-Type without parameters, lower case; "" when there is none."""
    return "" if content_type is None else content_type.partition(b";")[0].strip().lower().decode("latin-1")


def is_binary_type(kind: str, binary_types: frozenset[str]) -> bool:
    """Whether `binaryMediaTypes` (left wildcards left out) names a media type: exactly, by `image/*`, or by `*/*`."""
    if not binary_types:
        return False
    if "*/*" in binary_types:
        return True
    major, slash, _ = kind.partition("/")
    return bool(slash) and (kind in binary_types or f"{major}/*" in binary_types)


def _base64_body(body: bytes) -> tuple[bytes, bytes]:
    return b'"' + base64.b64encode(body) + b'"', b"true"


def _text_body(body: bytes) -> tuple[bytes, bytes]:
    # Bytes that are no UTF-8 become U+FFFD (reference, "REST content handling and binary").
    return _dumps(body.decode("utf-8", "replace")), b"false"


# REST


def _api_key_json(key: ApiKey) -> bytes:
    return b',"apiKey":' + _dumps(key.value) + b',"apiKeyId":' + _dumps(key.key_id)


def compile_rest_event(
    stage_name: str,
    deployment_id: str,
    variables: Mapping[str, str],
    binary_types: frozenset[str],
    *,
    account: str,
    api_id: str,
    resource: str,
    resource_id: str,
    operation_name: str | None,
) -> BuildEvent:
    """The event builder of one REST method."""
    head = b'{"resource":' + _dumps(resource) + b',"path":'
    stage_json = b',"stageVariables":' + _or_null(variables) + b',"requestContext":{"resourceId":' + _dumps(resource_id)
    resource_json = b',"resourcePath":' + _dumps(resource)
    if operation_name:
        resource_json += b',"operationName":' + _dumps(operation_name)
    resource_json += b',"httpMethod":'
    account_json = b',"accountId":' + _dumps(account) + b',"protocol":"HTTP/1.1","stage":' + _dumps(stage_name)
    tail = b',"deploymentId":' + _dumps(deployment_id) + b',"apiId":' + _dumps(api_id) + b"}"

    def build(call: ApiCall) -> bytes:
        request = call.request
        pairs = headers.rest_request_headers(request)
        pairs = [pair for pair in pairs if pair[0].lower() not in _FORWARDED]
        pairs += (
            ("X-Amzn-Trace-Id", call.trace),
            ("X-Forwarded-For", headers.forwarded_for(request)),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Proto", "https"),
        )
        last, every = _multi(pairs)
        query, queries = _queries(call)
        method = _dumps(call.method)
        host = request.find_text(b"host") or ""
        body, encoded = b"null", b"false"
        if request.body:
            binary = is_binary_type(media_type(request.find(b"content-type")), binary_types)
            body, encoded = _base64_body(request.body) if binary else _text_body(request.body)
        return b"".join(
            (
                head,
                _dumps(call.path),
                b',"httpMethod":',
                method,
                b',"headers":',
                _dumps(last),
                b',"multiValueHeaders":',
                _dumps(every),
                b',"queryStringParameters":',
                query,
                b',"multiValueQueryStringParameters":',
                queries,
                b',"pathParameters":',
                _or_null(dict(call.path_values)),
                stage_json,
                b"" if call.authorizer_json is None else b',"authorizer":' + call.authorizer_json,
                resource_json,
                method,
                b',"extendedRequestId":',
                _dumps(call.extended_id),
                b',"requestTime":',
                _dumps(request_time(call.started_at)),
                b',"path":',
                _dumps(call.stage_path),
                account_json,
                b',"domainPrefix":',
                _dumps(domain_prefix(host)),
                b',"requestTimeEpoch":%d,"requestId":' % int(call.started_at * 1000),
                _dumps(call.request_id),
                b',"identity":',
                _NOBODYS_IDENTITY if call.caller is None else _identity(_caller_members(call.caller)),
                b"" if call.api_key is None else _api_key_json(call.api_key),
                b',"sourceIp":',
                _dumps(request.peer[0]),
                b',"userAgent":',
                _dumps(request.find_text(b"user-agent")),
                b'},"domainName":',
                _dumps(host),
                tail,
                b',"body":',
                body,
                b',"isBase64Encoded":',
                encoded,
                b"}",
            )
        )

    return build


# HTTP

_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/javascript"})


def is_text_type(kind: str) -> bool:
    """Whether an HTTP API gives a body of this media type as text; everything else, a missing type too, is base64."""
    return kind in _TEXT_TYPES or kind.startswith("text/") or kind.endswith(("+json", "+xml"))


def _http_body(call: ApiCall) -> tuple[bytes, bytes]:
    body = call.request.body
    if is_text_type(media_type(call.request.find(b"content-type"))):
        return _text_body(body)
    return _base64_body(body)


def _http_pairs(call: ApiCall) -> list[tuple[str, str]]:
    """The headers of an HTTP API's event, in lower case."""
    request = call.request
    pairs = [
        (shown, value.decode("latin-1"))
        for name, value in request.headers
        if (shown := headers.http_event_name(name)) is not None
    ]
    if request.body and not request.all(b"content-length"):
        pairs.append(("content-length", str(len(request.body))))
    pairs += (
        ("x-amzn-trace-id", call.trace),
        ("x-forwarded-for", headers.forwarded_for(request)),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    )
    return pairs


def compile_http_event_2(
    stage_name: str, variables: Mapping[str, str], *, account: str, api_id: str, route_key: str
) -> BuildEvent:
    """The event builder of an HTTP API's route, payload format 2.0."""
    route_json = _dumps(route_key)
    head = b'{"version":"2.0","routeKey":' + route_json + b',"rawPath":'
    account_json = b',"requestContext":{"accountId":' + _dumps(account) + b',"apiId":' + _dumps(api_id)
    route_stage = b',"routeKey":' + route_json + b',"stage":' + _dumps(stage_name) + b',"time":'
    variables_json = b',"stageVariables":' + _dumps(dict(variables)) if variables else b""

    def build(call: ApiCall) -> bytes:
        request = call.request
        joined: dict[str, str] = {}
        cookies: list[str] = []
        for lower, value in _http_pairs(call):
            if lower == "cookie":
                cookies += value.split("; ")
            elif lower in joined:
                joined[lower] += "," + value
            else:
                joined[lower] = value
        query = b""
        if request.query and call.query:
            _, every = _multi(call.query)
            query = b',"queryStringParameters":' + _dumps({name: ",".join(values) for name, values in every.items()})
        path = _dumps(call.path)
        host = request.find_text(b"host") or ""
        body, encoded = b"", b"false"
        if request.body:
            body, encoded = _http_body(call)
            body = b',"body":' + body
        return b"".join(
            (
                head,
                path,
                b',"rawQueryString":',
                _dumps("" if request.query is None else request.query.decode("latin-1")),
                b',"cookies":' + _dumps(cookies) if cookies else b"",
                b',"headers":',
                _dumps(joined),
                query,
                account_json,
                b"" if call.authorizer_json_2 is None else b',"authorizer":' + call.authorizer_json_2,
                b',"domainName":',
                _dumps(host),
                b',"domainPrefix":',
                _dumps(domain_prefix(host)),
                b',"http":{"method":',
                _dumps(call.method),
                b',"path":',
                path,
                b',"protocol":"HTTP/1.1","sourceIp":',
                _dumps(request.peer[0]),
                b',"userAgent":',
                _dumps(request.find_text(b"user-agent") or ""),
                b'},"requestId":',
                _dumps(call.request_id),
                route_stage,
                _dumps(request_time(call.started_at)),
                b',"timeEpoch":%d}' % int(call.started_at * 1000),
                b',"pathParameters":' + _dumps(dict(call.path_values)) if call.path_values else b"",
                variables_json,
                body,
                b',"isBase64Encoded":',
                encoded,
                b"}",
            )
        )

    return build


_IDENTITY_1: Final[Mapping[str, Any]] = {
    "cognitoAmr": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
}


def compile_http_event_1(
    stage_name: str, variables: Mapping[str, str], *, account: str, api_id: str, route_key: str, template: str
) -> BuildEvent:
    """The event builder of an HTTP API's route, payload format 1.0."""

    def build(call: ApiCall) -> bytes:
        request = call.request
        pairs = [(headers.title_case(name), value) for name, value in _http_pairs(call)]
        last, every = _multi(pairs)
        queries, multi_queries = _multi(call.query) if request.query else ({}, {})
        host = request.find_text(b"host") or ""
        body, encoded = (b"null", b"false") if not request.body else _http_body(call)
        context: dict[str, Any] = {"accountId": account, "apiId": api_id}
        if call.authorizer_json is not None:
            context["authorizer"] = orjson.Fragment(call.authorizer_json)
        context |= {
            "domainName": host,
            "domainPrefix": domain_prefix(host),
            "extendedRequestId": call.extended_id,
            "httpMethod": call.method,
            "identity": {
                **_IDENTITY_1,
                **(_NO_CALLER if call.caller is None else _caller_members(call.caller)),
                "sourceIp": request.peer[0],
                "userAgent": request.find_text(b"user-agent") or "",
            },
            "path": call.path,
            "protocol": "HTTP/1.1",
            "requestId": call.request_id,
            "requestTime": request_time(call.started_at),
            "requestTimeEpoch": int(call.started_at * 1000),
            "resourceId": route_key,
            "resourcePath": template,
            "stage": stage_name,
        }
        return _dumps(
            {
                "version": "1.0",
                "resource": template,
                "path": call.stage_path,
                "httpMethod": call.method,
                "headers": last,
                "multiValueHeaders": every,
                "queryStringParameters": queries or None,
                "multiValueQueryStringParameters": multi_queries or None,
                "requestContext": context,
                "pathParameters": dict(call.path_values) or None,
                "stageVariables": dict(variables) or None,
                "body": orjson.Fragment(body),
                "isBase64Encoded": orjson.Fragment(encoded),
            }
        )

    return build


# Lambda authorizers: the event of the call without its body, and what an authorizer is told beside

BuildAuthorizerEvent = Callable[[ApiCall, str], bytes]
"""(call, method ARN) → event."""


def compile_rest_authorizer_event(spec: RouteSpec) -> BuildAuthorizerEvent:
    """A REST API's REQUEST event: maps that are empty are `{}`, Content-Length stays."""
    build = compile_rest_event(
        spec.stage_name,
        spec.deployment_id,
        spec.variables,
        frozenset(),
        account=spec.account,
        api_id=spec.api_id,
        resource=spec.template,
        resource_id=spec.resource_id,
        operation_name=spec.operation_name,
    )

    def build_for_authorizer(call: ApiCall, method_arn: str) -> bytes:
        event = _without_body(build(call))
        length = call.request.find_text(b"content-length")
        if length is not None:
            event["headers"]["Content-Length"] = length
            event["multiValueHeaders"]["Content-Length"] = [length]
        return _dumps({"type": "REQUEST", "methodArn": method_arn, **event})

    return build_for_authorizer


def compile_http_authorizer_event_1(spec: RouteSpec) -> Callable[[ApiCall, str, list[str]], bytes]:
    """An HTTP API's REQUEST event, payload format 1.0: as a REST API's, and the identity as text."""
    build = compile_http_event_1(
        spec.stage_name,
        spec.variables,
        account=spec.account,
        api_id=spec.api_id,
        route_key=spec.key,
        template=spec.template,
    )

    def build_for_authorizer(call: ApiCall, method_arn: str, identity: list[str]) -> bytes:
        event = _without_body(build(call))
        told = ",".join(identity)
        asked = {"type": "REQUEST", "methodArn": method_arn, "identitySource": told, "authorizationToken": told}
        return _dumps({"version": event.pop("version"), **asked, **event})

    return build_for_authorizer


def compile_http_authorizer_event_2(spec: RouteSpec) -> Callable[[ApiCall, str, list[str]], bytes]:
    """An HTTP API's REQUEST event, payload format 2.0."""
    build = compile_http_event_2(
        spec.stage_name, spec.variables, account=spec.account, api_id=spec.api_id, route_key=spec.key
    )

    def build_for_authorizer(call: ApiCall, method_arn: str, identity: list[str]) -> bytes:
        event = orjson.loads(build(call))
        event.pop("body", None)
        del event["isBase64Encoded"]
        asked = {"type": "REQUEST", "routeArn": method_arn, "identitySource": identity or None}
        return _dumps({"version": event.pop("version"), **asked, **event})

    return build_for_authorizer


_MAPS: Final = (
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
)


def _without_body(event: bytes) -> dict[str, Any]:
    """An event of format 1.0 as an authorizer sees it: no body, and no map is null."""
    plain: dict[str, Any] = orjson.loads(event)
    del plain["body"], plain["isBase64Encoded"]
    return {key: value or {} if key in _MAPS else value for key, value in plain.items()}
