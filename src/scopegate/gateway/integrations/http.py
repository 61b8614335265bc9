"""HTTP_PROXY and HTTP: a call is sent on to a web service, its answer comes back; long ones of known length streamed.

The host comes from configuration alone, never from request data (attack G15); the path is built from what the route
was chosen by, and dot segments in it are refused (attack G3).
Source: reference, "REST parameter mapping", "REST header treatment", "HTTP API: parameter mapping", "HTTP API:
HTTP_PROXY", "Timeouts and backend failures".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote_plus, urlsplit

from scopegate.base.errors import GatewayRefusal
from scopegate.base.limits import limit
from scopegate.gateway import headers
from scopegate.gateway.events import is_binary_type, media_type
from scopegate.gateway.integrations.failures import timed_out
from scopegate.gateway.integrations.parameters import (
    NO_ANSWER,
    ResponseMapping,
    apply_changes,
    compile_changes,
    compile_response_mappings,
    map_response,
)
from scopegate.gateway.integrations.templates import compile_choice, compile_respond, static_text
from scopegate.gateway.mapping import (
    BackendAnswer,
    Source,
    Unmappable,
    compile_rest_request_source,
    put_stage_variables,
)
from scopegate.gateway.model import REST, ApiCall, Closed, Document, Integration, RouteSpec
from scopegate.http.client import (
    Upstream,
    UpstreamAnswer,
    UpstreamError,
    UpstreamForbidden,
    UpstreamTimeout,
    UpstreamTooLarge,
    split_url,
)
from scopegate.http.later import Later
from scopegate.http.message import Header, Response
from scopegate.http.paths import has_dot_segments
from scopegate.ports import WebClient

_NAME: Final = re.compile(r"\{([A-Za-z0-9._-]+)\+?\}")
_REQUEST_KEY: Final = re.compile(r"integration\.request\.(?P<place>header|querystring|path)\.(?P<name>.+)")
# Mapped or not, these do not arrive.
_NEVER_SENT: Final = frozenset({"connection", "expect", "keep-alive", "proxy-authenticate", "te", "via"})
_SIGNATURE: Final = b"AWS4-HMAC-SHA256"
_NO_VALUES: Final[Mapping[str, str]] = {}

_JSON: Final[Header] = (b"Content-Type", b"application/json")


@dataclass(frozen=True, slots=True)
class _Target:
    """A URI taken apart: where to, and path and query as fixed text and names in turn (text first)."""

    upstream: Upstream
    path: tuple[str, ...]
    query: tuple[str, ...]
    has_path: bool


def _parse_uri(uri: str, variables: Mapping[str, str], *, insecure: bool) -> _Target:
    """The target of an integration URI. Raises Closed for one that is no URL, or whose host takes request data."""
    text = put_stage_variables(uri, variables)
    try:
        parts = urlsplit(text)
        upstream, _ = split_url(f"{parts.scheme}://{parts.netloc}", insecure=insecure)
    except ValueError as error:
        raise Closed(f"invalid endpoint address {text!r}: {error}") from None
    if upstream.port not in (80, 443) and upstream.port < 1024:
        raise Closed(f"the endpoint's port {upstream.port} is neither 80, 443 nor from 1024 on")
    path = quote(parts.path, safe="/{}%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/{}%:@!$&'()*+,;=~-._?")
    return _Target(upstream, _split_names(path), _split_names(query), parts.path not in ("", "/"))


def _split_names(text: str) -> tuple[str, ...]:
    """`/pets/{id}/x` → ("/pets/", "id", "/x")."""
    return tuple(_NAME.split(text))


def _fixed_path(target: _Target) -> str | None:
    """The path that every call goes to, None when it has names in it or could be read as another one."""
    path = target.path[0] or "/"
    return path if len(target.path) == 1 and not has_dot_segments(path) else None


def _fill(parts: Sequence[str], values: Mapping[str, str]) -> str:
    """Put values for names; a name without one stays as it is spelled, escaped."""
    if len(parts) == 1:
        return parts[0]
    pieces: list[str] = []
    for index, part in enumerate(parts):
        pieces.append(part if index % 2 == 0 else values.get(part, f"%7B{part}%7D"))
    return "".join(pieces)


def refuse_dot_segments(path: str) -> None:
    """Refuse a path that a web service may read as another one (attack G3)."""
    if has_dot_segments(path):
        raise GatewayRefusal("DEFAULT_4XX", "Bad Request", status=400, reason="dot segments toward a web service")


# sending


def _find_client(call: ApiCall) -> WebClient:
    client = call.edge.client
    if client is None:
        raise GatewayRefusal(
            "INTEGRATION_FAILURE", "Internal server error", status=500, reason="this process calls no web services"
        )
    return client


def _unreachable(call: ApiCall, error: UpstreamError) -> GatewayRefusal:
    if isinstance(error, UpstreamTimeout):
        return timed_out(call, str(error))
    call.mark(9)
    if isinstance(error, UpstreamForbidden | UpstreamTooLarge):
        return GatewayRefusal("INTEGRATION_FAILURE", "Internal server error", status=500, reason=str(error))
    status = 504 if call.api.kind == REST else 503
    message = "Network error communicating with endpoint"
    return GatewayRefusal("INTEGRATION_FAILURE", message, status=status, reason=f"{type(error).__name__}: {error}")


Finish = Callable[[ApiCall, UpstreamAnswer], None]


def _send(
    call: ApiCall,
    upstream: Upstream,
    method: str,
    target: str,
    pairs: list[Header],
    body: bytes,
    timeout_s: float,
    host: bytes | None = None,
) -> Later[UpstreamAnswer]:
    try:
        sent = _find_client(call).send(
            upstream, method, target.encode("latin-1"), pairs, body, timeout_s=timeout_s, host=host
        )
    except ValueError as error:
        # A mapped value that cannot stand in a request: refused, never sent (attack G17).
        raise GatewayRefusal(
            "INTEGRATION_FAILURE", "Internal server error", status=500, reason=f"the request cannot be written: {error}"
        ) from None
    call.mark(8)
    return sent


def _compile_accept(finish: Finish) -> Callable[[ApiCall, Later[UpstreamAnswer]], None]:
    """What makes the response of an answer as soon as it is there, a long body still under way."""

    def accept(call: ApiCall, sent: Later[UpstreamAnswer]) -> None:
        try:
            answer = sent.result()
        except UpstreamError as error:
            raise _unreachable(call, error) from error
        call.mark(9)
        call.record.facts["upstream_status"] = answer.status
        try:
            finish(call, answer)
        except GatewayRefusal:
            if answer.stream is not None:
                answer.stream.drop()
            raise

    return accept


async def _receive_whole(call: ApiCall, sent: Later[UpstreamAnswer], statuses: frozenset[str] | None) -> None:
    """Take the answer, its body read to the end when it has one of these statuses; None: any."""
    try:
        answer = await sent
        if answer.stream is not None and (statuses is None or str(answer.status) in statuses):
            answer.body, answer.stream, answer.length = await answer.read(), None, None
    except UpstreamError as error:
        raise _unreachable(call, error) from error
    call.accept(call, sent)


# REST


@dataclass(frozen=True, slots=True)
class _RestMapping:
    """Compiled `requestParameters`: target name → source.

    Of headers also whether the gateway says what they hold: then the client's own goes no further, even where the
    gateway has nothing to say; so of names in the query that are in `own_query`. raw: path values that are in the form
    of the wire already.
    """

    headers: tuple[tuple[str, Source, bool], ...]
    query: tuple[tuple[str, Source], ...]
    path: tuple[tuple[str, Source, bool], ...]
    own_query: frozenset[str]


def compile_rest_mapping(parameters: Mapping[str, str] | None, variables: Mapping[str, str]) -> _RestMapping:
    """`requestParameters` of a REST integration. Raises Closed for what AWS fails on at run time or we cannot do."""
    into_headers: list[tuple[str, Source, bool]] = []
    into_query: list[tuple[str, Source]] = []
    into_path: list[tuple[str, Source, bool]] = []
    own_query: set[str] = set()
    for key, text in (parameters or {}).items():
        match = _REQUEST_KEY.fullmatch(key)
        if match is None:
            raise Closed(f"mapping target {key!r} is unknown")
        try:
            source = compile_rest_request_source(text, variables)
        except Unmappable as error:
            raise Closed(str(error)) from None
        name = match["name"]
        if match["place"] == "querystring":
            into_query.append((name, source))
            if text.startswith("context."):
                own_query.add(name)
        elif match["place"] == "path":
            into_path.append((name, source, text.startswith(("method.request.path.", "'"))))
        elif name.lower() in headers.FORBIDDEN_TARGETS or not headers.is_header_name(name):
            raise Closed(f"header {name!r} may not be mapped")
        elif name.lower() not in _NEVER_SENT:
            into_headers.append((name, source, not text.startswith("method.request.")))
    return _RestMapping(tuple(into_headers), tuple(into_query), tuple(into_path), frozenset(own_query))


def compile_rest_proxy(document: Document, spec: RouteSpec) -> Integration:
    """A REST method's HTTP_PROXY integration: everything of the call goes on, everything of the answer comes back."""
    convert = _compile_rest_body(document.get("contentHandling"), spec.binary_types)
    return _compile_rest(document, spec, _passed_on, convert, _finish_rest_proxy, query_goes_on=True)


def compile_rest(document: Document, spec: RouteSpec) -> Integration:
    """A REST method's HTTP integration: what is mapped goes on, what integration responses say comes back."""
    texts = {
        kind: static_text(text, "request template").encode()
        for kind, text in (document.get("requestTemplates") or {}).items()
    }
    choose = compile_choice(texts, document.get("passthroughBehavior"))
    convert = _compile_rest_body(document.get("contentHandling"), spec.binary_types)
    respond = compile_respond(document, spec)

    def make_body(call: ApiCall) -> bytes:
        text = choose(call)
        return convert(call) if text is None else text

    def finish(call: ApiCall, answer: UpstreamAnswer) -> None:
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
        response = respond(call, BackendAnswer(answer.status, pairs, None if answer.stream else answer.body))
        response.stream, response.length = answer.stream, answer.length
        response.headers.append((b"X-Amzn-Trace-Id", headers.encode_value(call.trace)))
        call.response = response

    responses = (document.get("integrationResponses") or {}).values()
    has_templates = any((one or {}).get("responseTemplates") for one in responses)
    return _compile_rest(
        document, spec, _content_type, make_body, finish, query_goes_on=False, read_first=has_templates
    )


def _passed_on(call: ApiCall) -> list[Header]:
    """A client's headers as an HTTP_PROXY integration sends them on."""
    request = call.request
    pairs = [pair for pair in request.headers if headers.passes_rest(pair[0])]
    if (request.find(b"authorization") or b"").startswith(_SIGNATURE):
        pairs = [pair for pair in pairs if pair[0].lower() != b"authorization"]
    return pairs


def _content_type(call: ApiCall) -> list[Header]:
    """All that an HTTP integration sends on unmapped."""
    found = call.request.find(b"content-type") if call.request.body else None
    return [] if found is None else [(b"Content-Type", found)]


def _compile_rest(
    document: Document,
    spec: RouteSpec,
    passed_on: Callable[[ApiCall], list[Header]],
    make_body: Callable[[ApiCall], bytes],
    finish: Finish,
    *,
    query_goes_on: bool,
    read_first: bool = False,
) -> Integration:
    """passed_on: headers beside those that are mapped. read_first: the answer's body is needed whole."""
    if document.get("connectionType") == "VPC_LINK":
        raise Closed("VPC links are not built yet")
    insecure = bool((document.get("tlsConfig") or {}).get("insecureSkipVerification"))
    uri = document.get("uri") or ""
    target = _parse_uri(uri, spec.variables, insecure=insecure)
    mapping = compile_rest_mapping(document.get("requestParameters"), spec.variables)
    fixed_method = document.get("httpMethod")
    if fixed_method == "ANY":
        fixed_method = None
    timeout_s = (document.get("timeoutInMillis") or limit("gateway.rest.timeout_ms")) / 1000
    user_agent: Header = (b"User-Agent", f"AmazonAPIGateway_{spec.api_id}".encode())
    api_header: Header = (b"X-Amzn-Apigateway-Api-Id", spec.api_id.encode())
    accept = _compile_accept(finish)
    authority = f"{target.upstream.host}:{target.upstream.port}"
    fixed_path = _fixed_path(target)

    def integrate(call: ApiCall) -> Awaitable[Any]:
        call.mark(7)
        request = call.request
        values: dict[str, str] = {}
        for name, source, raw in mapping.path:
            found = source(call)
            if found:
                values[name] = found[-1] if raw else quote(found[-1], safe="")
        path = fixed_path
        if path is None:
            path = _fill(target.path, values) or "/"
            refuse_dot_segments(path)
        queries = [_fill(target.query, values)] if target.query != ("",) else []
        if request.query and query_goes_on:
            sent = request.query.decode("latin-1")
            if left := _without(sent, mapping.own_query) if mapping.own_query else sent:
                queries.append(left)
        for name, source in mapping.query:
            queries += [f"{quote(name, safe='')}={quote(value, safe='')}" for value in source(call)]
        pairs = passed_on(call)
        host = None
        if mapping.headers:
            pairs, host = _map_headers(call, pairs, mapping.headers)
        if not _has(pairs, b"accept"):
            pairs.append((b"Accept", b"application/json"))
        if not _has(pairs, b"user-agent"):
            pairs.append(user_agent)
        pairs.append(api_header)
        pairs.append((b"X-Amzn-Trace-Id", headers.encode_value(call.trace)))
        url = f"{path}?{'&'.join(queries)}" if queries else path
        call.record.facts["upstream"] = authority
        method = fixed_method or call.method
        call.accept = accept
        answer = _send(call, target.upstream, method, url, pairs, make_body(call), timeout_s, host)
        return _receive_whole(call, answer, None) if read_first else answer

    return Integration(integrate, f"{document['type']} {uri}")


def _without(query: str, names: frozenset[str]) -> str:
    """A query as sent, without the values of some names."""
    return "&".join(part for part in query.split("&") if unquote_plus(part.partition("=")[0]) not in names)


def _has(pairs: Sequence[Header], name: bytes) -> bool:
    """Whether a header is among these; the usual spellings are found without folding."""
    return any(found is name or found.lower() == name for found, _ in pairs)


def _map_headers(
    call: ApiCall, pairs: list[Header], mapped: Sequence[tuple[str, Source, bool]]
) -> tuple[list[Header], bytes | None]:
    """Mapped headers in place of the client's of the same name; and a mapped Host."""
    found = {
        name.lower().encode(): (name.encode(), values)
        for name, source, is_ours in mapped
        if (values := source(call)) or is_ours
    }
    pairs = [pair for pair in pairs if pair[0].lower() not in found]
    host = None
    for lower, (name, values) in found.items():
        encoded = [headers.encode_value(value) for value in values]
        if lower != b"host":
            pairs += [(name, value) for value in encoded]
        elif encoded:
            host = encoded[-1]
    return pairs, host


def _compile_rest_body(handling: str | None, binary_types: frozenset[str]) -> Callable[[ApiCall], bytes]:
    """The body as the backend gets it. Only the plain case is built: text made valid UTF-8, binary types untouched."""
    if handling:
        raise Closed(f"contentHandling {handling} is not built yet")

    def convert(call: ApiCall) -> bytes:
        body = call.request.body
        if not body or is_binary_type(media_type(call.request.find(b"content-type")), binary_types):
            return body
        return body if body.isascii() else body.decode("utf-8", "replace").encode()

    return convert


def _finish_rest_proxy(call: ApiCall, answer: UpstreamAnswer) -> None:
    pairs: list[Header] = [
        (b"x-amzn-RequestId", call.request_id.encode()),
        (b"x-amz-apigw-id", call.extended_id.encode()),
    ]
    typed = False
    for pair in answer.headers:
        name = headers.returned_by_rest(pair[0])
        if name is not None:
            pairs.append(pair if name is pair[0] else (name, pair[1]))
            typed = typed or name.lower() == b"content-type"
    if not typed:
        pairs.append(_JSON)
    call.response = _response(call, answer, pairs)


def _response(call: ApiCall, answer: UpstreamAnswer, pairs: list[Header]) -> Response:
    length = answer.length
    if call.request.method == "HEAD" and (told := answer.find(b"content-length")) is not None:
        length = int(told)  # of the body that a GET would have had; none follows
    return Response(answer.status, pairs, answer.body, stream=answer.stream, length=length)


# HTTP


def compile_http(document: Document, spec: RouteSpec) -> Integration:
    """An HTTP API's HTTP_PROXY integration."""
    uri = document.get("IntegrationUri") or ""
    if document.get("ConnectionType") == "VPC_LINK" or uri.startswith("arn:"):
        raise Closed("VPC links are not built yet")
    target = _parse_uri(uri, spec.variables, insecure=False)
    changes, new_path, _ = compile_changes(document.get("RequestParameters"), spec.variables, "overwrite:path")
    fixed_method = document.get("IntegrationMethod")
    if fixed_method == "ANY":
        fixed_method = None
    timeout_s = (document.get("TimeoutInMillis") or limit("gateway.http.timeout_ms")) / 1000
    user_agent: Header = (b"User-Agent", f"AmazonAPIGateway/{spec.api_id}".encode())
    authority = f"{target.upstream.host}:{target.upstream.port}"
    appends_path = spec.key == "$default" and not target.has_path
    fixed_path = None if new_path is not None or appends_path else _fixed_path(target)
    has_names = len(target.path) > 1 or len(target.query) > 1
    mappings = compile_response_mappings(document.get("ResponseParameters"), spec.variables)
    accept = _compile_accept(_compile_http_finish(mappings))
    read_first = frozenset(status for status, (_, _, reads_body) in mappings.items() if reads_body)

    def integrate(call: ApiCall) -> Awaitable[Any]:
        call.mark(7)
        request = call.request
        values = {name: _encode(value) for name, value in call.path_values} if has_names else _NO_VALUES
        path = fixed_path
        if path is None:
            if new_path is not None and (found := new_path(call, NO_ANSWER)):
                path = _encode(found[-1])
                path = path if path.startswith("/") else "/" + path
            elif appends_path:
                path = "/" + "/".join(_encode(segment) for segment in call.segments)
            else:
                path = _fill(target.path, values) or "/"
            refuse_dot_segments(path)
        queries = [_fill(target.query, values)] if target.query != ("",) else []
        if changes["querystring"]:
            after = apply_changes(changes["querystring"], list(call.query), call, NO_ANSWER, fold=False)
            queries += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in after]
        elif request.query:
            queries.append(request.query.decode("latin-1"))
        pairs = [pair for pair in request.headers if headers.passes_http(pair[0])]
        if changes["header"]:
            texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
            pairs = headers.encode(apply_changes(changes["header"], texts, call, NO_ANSWER, fold=True))
        if not _has(pairs, b"user-agent"):
            pairs.append(user_agent)
        pairs += _http_own_headers(call)
        url = f"{path}?{'&'.join(queries)}" if queries else path
        call.record.facts["upstream"] = authority
        method = fixed_method or call.method
        call.accept = accept
        sent = _send(call, target.upstream, method, url, pairs, request.body, timeout_s)
        return _receive_whole(call, sent, read_first) if read_first else sent

    return Integration(integrate, f"HTTP_PROXY {uri}")


def _encode(value: str) -> str:
    """A decoded path value for the wire again. `%` stands as it is: only `%25` was left undecoded."""
    if value.isascii() and value.isalnum():
        return value
    return quote(value, safe="/%:@!$&'()*+,;=~-._")


_VIA: Final = b"HTTP/1.1 AmazonAPIGateway"


def _node(address: str) -> str:
    """An address in a Forwarded header (RFC 7239 section 6)."""
    return f'"[{address}]"' if ":" in address else address


@lru_cache(maxsize=256)
def _forwarded(local: str, peer: str, host: bytes) -> bytes:
    host = b'"%b"' % host if b":" in host else host
    return b"by=%b;for=%b;host=%b;proto=https" % (_node(local).encode(), _node(peer).encode(), host)


def _http_own_headers(call: ApiCall) -> list[Header]:
    request = call.request
    forwarded = _forwarded(request.local[0], request.peer[0], request.find(b"host") or b"")
    if before := request.all(b"forwarded"):
        forwarded = b", ".join([*before, forwarded])
    via = b", ".join([*before, _VIA]) if (before := request.all(b"via")) else _VIA
    return [(b"Forwarded", forwarded), (b"Via", via), (b"X-Amzn-Trace-Id", headers.encode_value(call.trace))]


def _compile_http_finish(mappings: Mapping[str, ResponseMapping]) -> Finish:
    """What makes the response of a web service's answer, parameter mappings by status included."""
    if not mappings:
        return _finish_http

    def finish(call: ApiCall, answer: UpstreamAnswer) -> None:
        response = call.response = _http_response(call, answer)
        mapping = mappings.get(str(answer.status))
        if mapping is not None:
            map_response(call, response, mapping, answer.body if answer.stream is None else None)

    return finish


def _finish_http(call: ApiCall, answer: UpstreamAnswer) -> None:
    call.response = _http_response(call, answer)


def _http_response(call: ApiCall, answer: UpstreamAnswer) -> Response:
    pairs = [pair for pair in answer.headers if headers.is_returned_by_http(pair[0])]
    pairs.append((b"Apigw-Requestid", call.extended_id.encode()))
    return _response(call, answer, pairs)
