"""Values taken from a call: `$context`, stage variables, and the sources of parameter mappings, REST and HTTP.

Each expression is compiled once into a closure; what cannot be compiled raises `Unmappable`, which closes the route.
Data is never template: a value that is put in is not looked at again (attack G16). Mapping templates (VTL) are not
here; what only looks like one, plain text with `$context…` in gateway responses, is.
Source: reference, "REST parameter mapping", "HTTP API: parameter mapping", "REST: customisation", "`$context`".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import headers
from scopegate.gateway.model import NO_STRINGS, ApiCall
from scopegate.gateway.times import request_time

Source = Callable[[ApiCall], list[str]]
"""The values that an expression has for a call, in order; empty when the source is absent."""


class Unmappable(Exception):
    """An expression that cannot be enforced as written; the text says which and why."""


# $context


def _http_method(call: ApiCall) -> str:
    return call.method


def _domain_name(call: ApiCall) -> str:
    return call.request.find_text(b"host") or ""


def domain_prefix(host: str) -> str:
    """The first label of a Host header, without the port."""
    return host.partition(":")[0].partition(".")[0]


def _resource_path(call: ApiCall) -> str | None:
    return None if call.route is None else call.route.template


def _resource_id(call: ApiCall) -> str | None:
    return None if call.route is None else call.route.resource_id


def _caller_id(call: ApiCall) -> str | None:
    return None if call.caller is None else call.caller.user_id


_CONTEXT: Final[Mapping[str, Callable[[ApiCall], str | None]]] = {
    "accountId": lambda call: call.api.account,
    "apiId": lambda call: call.api.api_id,
    "deploymentId": lambda call: None if call.stage is None else call.stage.deployment_id,
    "domainName": _domain_name,
    "domainPrefix": lambda call: domain_prefix(_domain_name(call)),
    "extendedRequestId": lambda call: call.extended_id,
    "httpMethod": _http_method,
    "identity.accessKey": lambda call: None if call.caller is None else call.caller.access_key_id,
    "identity.accountId": lambda call: None if call.caller is None else call.caller.account,
    "identity.caller": _caller_id,
    "identity.user": _caller_id,
    "identity.userArn": lambda call: None if call.caller is None else call.caller.arn,
    "identity.apiKey": lambda call: None if call.api_key is None else call.api_key.value,
    "identity.apiKeyId": lambda call: None if call.api_key is None else call.api_key.key_id,
    "identity.sourceIp": lambda call: call.request.peer[0],
    "identity.userAgent": lambda call: call.request.find_text(b"user-agent"),
    "path": lambda call: call.stage_path,
    "protocol": lambda call: f"HTTP/{call.request.http_version}",
    "requestId": lambda call: call.request_id,
    "requestTime": lambda call: request_time(call.started_at),
    "requestTimeEpoch": lambda call: str(int(call.started_at * 1000)),
    "resourceId": _resource_id,
    "resourcePath": _resource_path,
    "routeKey": lambda call: None if call.route is None else call.route.key,
    "stage": lambda call: None if call.stage is None else call.stage.name,
    "xrayTraceId": lambda call: call.trace,
}
_AUTHORIZER: Final = "authorizer."
_CLAIM: Final = "authorizer.claims."


def compile_context(name: str) -> Callable[[ApiCall], str | None]:
    """`$context.<name>`; what is unknown, or belongs to what this call has not, is None."""
    known = _CONTEXT.get(name)
    if known is not None:
        return known
    if name.startswith(_CLAIM):
        claim = name[len(_CLAIM) :]
        return lambda call: call.claims.get(claim)
    if name.startswith(_AUTHORIZER):
        key = name[len(_AUTHORIZER) :]
        return lambda call: call.authorizer.get(key)
    return lambda call: call.context.get(name)


# JSON paths, the closed subset that mappings have: names, quoted names, indices

_PATH_STEP: Final = re.compile(r"(?:^|\.)([A-Za-z0-9_\-:$@]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")


def compile_json_path(path: str) -> Callable[[Any], Any]:
    """`a.b[0]['c']` → a look-up that gives None for what is not there. Raises Unmappable for anything more."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _PATH_STEP.match(path, position)
        if match is None:
            raise Unmappable(f"JSON path {path!r} is more than names and indices")
        name, index, single, double = match.groups()
        steps.append(int(index) if index is not None else next(t for t in (name, single, double) if t is not None))
        position = match.end()

    def look_up(value: Any) -> Any:
        for step in steps:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            elif isinstance(value, list) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    return look_up


def as_text(value: Any) -> str:
    """A JSON value as mappings write it: strings as they are, everything else as JSON text."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _last(values: Sequence[str]) -> list[str]:
    return [values[-1]] if values else []


# REST: method.request.…


def _rest_header(name: str, *, multi: bool) -> Source:
    def source(call: ApiCall) -> list[str]:
        # Names are compared as sent (reference, "REST parameter mapping").
        values = [value for key, value in headers.rest_request_headers(call.request) if key == name]
        return [",".join(values)] if multi and values else _last(values)

    return source


def _query(name: str, *, multi: bool) -> Source:
    def source(call: ApiCall) -> list[str]:
        values = [value for key, value in call.query if key == name]
        return values if multi else _last(values)

    return source


def _path_value(name: str) -> Source:
    return lambda call: [value for key, value in call.path_values if key == name]


def _rest_body(path: str | None) -> Source:
    if path is None:
        return lambda call: [call.request.body.decode("utf-8", "replace")]
    look_up = compile_json_path(path)

    def source(call: ApiCall) -> list[str]:
        body = call.request.body
        # JSON is tried only when the body looks like it (reference, "REST parameter mapping").
        if body[:1] not in (b"{", b"[", b'"', b"'"):
            return []
        try:
            value = look_up(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise GatewayRefusal(
                "BAD_REQUEST_BODY", "Invalid JSON in request body", reason="a mapping reads the body, which is no JSON"
            ) from error
        return [] if value is None else [as_text(value)]

    return source


def _common_rest_source(text: str, variables: Mapping[str, str]) -> Source | None:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        static = [text[1:-1]]
        return lambda _call: static
    group, _, name = text.partition(".")
    if group == "stageVariables":
        values = [variables[name]] if name in variables else []
        return lambda _call: values
    if group == "context":
        find = compile_context(name)

        def source(call: ApiCall) -> list[str]:
            value = find(call)
            return [] if value is None else [value]

        return source
    return None


def compile_rest_request_source(text: str, variables: Mapping[str, str] = NO_STRINGS) -> Source:
    """The right side of a REST request mapping: `method.request.header.X`, `'static'`, `context.x`, …"""
    common = _common_rest_source(text, variables)
    if common is not None:
        return common
    parts = text.split(".", 3)
    if parts[:2] == ["method", "request"] and len(parts) >= 3:
        name = parts[3] if len(parts) == 4 else ""
        match parts[2]:
            case "header" | "multivalueheader" if name:
                return _rest_header(name, multi=parts[2] != "header")
            case "querystring" | "multivaluequerystring" if name:
                return _query(name, multi=parts[2] != "querystring")
            case "path" if name:
                return _path_value(name)
            case "body":
                return _rest_body(name or None)
    raise Unmappable(f"mapping source {text!r} is unknown")


ResponseSource = Callable[[ApiCall, "BackendAnswer"], list[str]]


class BackendAnswer:
    """What an integration got back, for response mappings. headers: as they came."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, pairs: Sequence[tuple[str, str]], body: bytes | None) -> None:
        self.status = status
        self.headers = pairs
        self.body = body  # None: streamed, not held

    def json(self) -> Any:
        return None if self.body is None else orjson.loads(self.body)


def compile_rest_response_source(text: str, variables: Mapping[str, str]) -> ResponseSource:
    """The right side of a REST response mapping: `'static'`, `integration.response.header.X`, `context.x`, …"""
    common = _common_rest_source(text, variables)
    if common is not None:
        return lambda call, _answer: common(call)
    parts = text.split(".", 3)
    if parts[:3] == ["integration", "response", "header"] and len(parts) == 4:
        name = parts[3]
        return lambda _call, answer: _last([value for key, value in answer.headers if key == name])
    raise Unmappable(f"mapping source {text!r} is unknown")


# plain text with variables: gateway responses (REST) and parameter values (HTTP)

_BRACED: Final = r"\$\{([A-Za-z][\w.\-\[\]':$]*)\}"
_CLAIM_NAME: Final = r"context\.authorizer\.claims\.[\w\-:]+"  # `cognito:username` is one name
_VARIABLE: Final = re.compile(rf"{_BRACED}|\$({_CLAIM_NAME}|[A-Za-z][\w\-]*(?:\.[\w\-]+)*)")
# In parameter mappings a path into a body may have indices.
_HTTP_VARIABLE: Final = re.compile(rf"{_BRACED}|\$({_CLAIM_NAME}|[A-Za-z][\w\-]*(?:\.[\w\-]+|\[\d+\]|\['[^']*'\])*)")
Text = Callable[[ApiCall], str]


def compile_gateway_response_text(template: str, variables: Mapping[str, str]) -> Text:
    """A gateway response template: `$context.x`, `$stageVariables.x`, `$method.request.…`; an unknown one is empty.

    Nothing is escaped, as on AWS: `$context.error.messageString` is the form that is JSON.
    """
    parts = _split_variables(template, lambda name: _response_variable(name, variables))

    def render(call: ApiCall) -> str:
        return "".join(part if isinstance(part, str) else "".join(part(call)) for part in parts)

    return render


def _response_variable(name: str, variables: Mapping[str, str]) -> Source:
    try:
        return compile_rest_request_source(name, variables)
    except Unmappable:
        return lambda _call: []


def _split_variables(
    text: str, compile_one: Callable[[str], Source], form: re.Pattern[str] = _VARIABLE
) -> list[str | Source]:
    parts: list[str | Source] = []
    position = 0
    for match in form.finditer(text):
        parts.append(text[position : match.start()])
        parts.append(compile_one(match[1] or match[2]))
        position = match.end()
    parts.append(text[position:])
    return [part for part in parts if part != ""]


# HTTP: $request.…, $response.…

_BODY_BYTES: Final = 102_400  # a body is cut here before a path is looked up in it (reference, "HTTP API: parameter …")


def _body_source(name: str) -> Callable[[bytes], list[str]]:
    if not name:
        return lambda body: [body[:_BODY_BYTES].decode("utf-8", "replace")]
    look_up = compile_json_path(name)

    def source(body: bytes) -> list[str]:
        try:
            value = look_up(orjson.loads(body[:_BODY_BYTES]))
        except orjson.JSONDecodeError:
            return []
        return [] if value is None else [as_text(value)]

    return source


def _compile_http_variable(name: str, variables: Mapping[str, str]) -> ResponseSource:
    group, _, rest = name.partition(".")
    if group == "stageVariables":
        values = [variables[rest]] if rest in variables else []
        return lambda _call, _answer: values
    if group == "context":
        find = compile_context(rest)

        def context(call: ApiCall, _answer: BackendAnswer) -> list[str]:
            value = find(call)
            return [] if value is None else [value]

        return context
    kind, _, key = rest.partition(".")
    if rest.startswith("body["):
        kind, key = "body", rest[len("body") :]
    if group == "request" and kind == "header" and key:
        lower = key.lower().encode()
        return lambda call, _answer: _joined([value.decode("latin-1") for value in call.request.all(lower)])
    if group == "request" and kind == "querystring" and key:
        return lambda call, _answer: _joined([value for found, value in call.query if found == key])
    if group == "request" and kind == "path":
        if not key:
            return lambda call, _answer: ["/" + "/".join(call.segments)]
        return lambda call, _answer: [value for found, value in call.path_values if found == key]
    if group == "request" and kind == "body":
        of_request = _body_source(key)
        return lambda call, _answer: of_request(call.request.body)
    if group == "response" and kind == "header" and key:
        wanted = key.lower()
        return lambda _call, answer: _joined([value for found, value in answer.headers if found.lower() == wanted])
    if group == "response" and kind == "body":
        of_response = _body_source(key)
        return lambda _call, answer: [] if answer.body is None else of_response(answer.body)
    raise Unmappable(f"parameter mapping variable ${name} is unknown")


def _joined(values: Sequence[str]) -> list[str]:
    return [",".join(values)] if values else []


def compile_http_value(text: str, variables: Mapping[str, str]) -> tuple[ResponseSource, bool]:
    """The value of an HTTP API's parameter mapping: static text with variables; (source, whether it reads a body).

    A value whose variables are all absent is absent: the mapping is skipped.
    """
    names: list[str] = []

    def note(name: str) -> Source:
        names.append(name)
        return lambda _call: []

    parts = _split_variables(text, note, _HTTP_VARIABLE)
    if not names:
        static = [text]
        return (lambda _call, _answer: static), False
    found = iter(names)
    compiled: list[str | ResponseSource] = [
        part if isinstance(part, str) else _compile_http_variable(next(found), variables) for part in parts
    ]

    def source(call: ApiCall, answer: BackendAnswer) -> list[str]:
        pieces: list[str] = []
        present = False
        for part in compiled:
            if isinstance(part, str):
                pieces.append(part)
            elif values := part(call, answer):
                present = True
                pieces.extend(values)
        return ["".join(pieces)] if present else []

    return source, any(name.startswith("response.body") for name in names)


_STAGE_VARIABLE: Final = re.compile(r"\$\{stageVariables\.(\w+)\}")


def put_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    """`${stageVariables.x}` in URIs and ARNs, put in when the stage is compiled; a missing one is empty text."""
    return _STAGE_VARIABLE.sub(lambda match: variables.get(match[1], ""), text)
