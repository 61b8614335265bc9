"""Calls that are only tried out: made up from a request of the control plane, and the log of what came of them.

Functions are invoked and web services called in earnest; what goes there and what comes back is logged.
Source: reference, control plane, "TestInvokeMethod" and "TestInvokeAuthorizer"; run time, "Execution log lines".
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import quote

import orjson

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError, GatewayRefusal
from scopegate.base.names import find_arn
from scopegate.gateway import headers
from scopegate.gateway.locate import compile_locate
from scopegate.gateway.model import REST, ApiCall, ApiView, Document, Stage
from scopegate.gateway.times import java_date
from scopegate.http.client import Upstream, UpstreamAnswer, UpstreamError, UpstreamForbidden
from scopegate.http.later import Later
from scopegate.http.message import Header, Request
from scopegate.http.paths import TargetError, parse_rest_target
from scopegate.observe.record import Ring
from scopegate.ports import Call, Edge, Invocation, InvocationAnswer, Invoke, WebClient

MISCONFIGURED: Final = "Execution failed due to configuration error: "
_NO_PERMISSION: Final = f"{MISCONFIGURED}Invalid permissions on Lambda function"
_MALFORMED: Final = f"{MISCONFIGURED}Malformed Lambda proxy response"
_NO_ENDPOINT: Final = f"{MISCONFIGURED}Invalid endpoint address"
_NETWORK: Final = "Execution failed due to a network error communicating with endpoint"
_PEER: Final = ("test-invoke-source-ip", 0)
_SECRET: Final = frozenset({"authorization", "x-api-key"})
_SHOWN: Final = 6  # characters of what the log masks
_LONGEST: Final = 1024  # characters of one value
_SAFE: Final = "/?&=%;:@,+$!*'()~-._{}"


@dataclass(slots=True)
class Log:
    """The log of one test: its lines, and what the function answered.

    if_refused: why the call is refused if it is from now on, where who called somebody knows it better than the
    refusal.
    """

    request_id: str
    lines: list[str] = field(default_factory=list)
    answered: bytes = b""
    if_refused: str = ""

    def add(self, text: str) -> None:
        self.lines.append(f"{java_date(clock.now())} : {text}")

    def add_value(self, label: str, value: str) -> None:
        self.add(f"{label}: {value if len(value) <= _LONGEST else value[:_LONGEST] + ' [TRUNCATED]'}")

    def add_pairs(self, label: str, pairs: Iterable[headers.Pair]) -> None:
        """A map as Java writes it, of each name the last value, secrets masked."""
        shown = {name: mask(value) if name.lower() in _SECRET else value for name, value in pairs}
        self.add_value(label, "{" + ", ".join(f"{name}={value}" for name, value in shown.items()) + "}")

    def render(self) -> str:
        return "\n".join([f"Execution log for request {self.request_id}", *self.lines, ""])

    def add_sent(self, uri: str, pairs: Iterable[headers.Pair], body: bytes) -> None:
        self.add_value("Endpoint request URI", uri)
        self.add_pairs("Endpoint request headers", pairs)
        self.add_value("Endpoint request body after transformations", body.decode("utf-8", "replace"))
        self.add(f"Sending request to {uri}")

    def add_received(self, status: int, begun: float, pairs: Iterable[headers.Pair], body: bytes) -> None:
        """begun: when it was sent, of the monotonic clock."""
        self.add(f"Received response. Status: {status}, Integration latency: {milliseconds_since(begun)} ms")
        self.add_pairs("Endpoint response headers", pairs)
        self.add_value("Endpoint response body before transformations", body.decode("utf-8", "replace"))


def milliseconds_since(begun: float) -> int:
    return round((clock.monotonic() - begun) * 1000)


def mask(text: str) -> str:
    """All but the last characters hidden; all of a text that is short."""
    return "*" * (len(text) - _SHOWN) + text[-_SHOWN:] if len(text) > _SHOWN else "*" * len(text)


def view_of(call: Call, api: Document) -> ApiView:
    """The API as a call sees it, without its stages."""
    return ApiView(REST, api["id"], call.account, call.region, api.get("name") or "", {}, compile_locate(REST, {}))


def headers_of(request: Shape) -> list[Header]:
    """Those of both members; one that both have is taken with its several values."""
    several: Mapping[str, list[str]] = request.get("multiValueHeaders") or {}
    pairs = [(name, value) for name, values in several.items() for value in values]
    known = {name.lower() for name in several}
    pairs += [(name, value) for name, value in (request.get("headers") or {}).items() if name.lower() not in known]
    return [(name.encode(), value.encode()) for name, value in pairs]


def texts_of(pairs: Iterable[Header]) -> list[headers.Pair]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


def make_up(
    call: Call,
    view: ApiView,
    stage: Stage,
    request: Shape,
    log: Log,
    *,
    verb: str = "GET",
    path: str = "/",
    pairs: Sequence[Header] = (),
    change_event: Callable[[bytes], bytes] | None = None,
) -> ApiCall:
    """The call that the request describes; `find_path` reads its path.

    path: of a request that gives none. pairs: headers beside those that the request gives. change_event: what of an
    event is otherwise than a client's call has it.
    """
    path, mark, query = quote(request.get("pathWithQueryString") or path, safe=_SAFE).partition("?")
    raw_path = f"/{stage.name}/{path.lstrip('/')}".encode()
    target = raw_path + f"{mark}{query}".encode()
    body = (request.get("body") or "").encode()
    http_request = Request(verb, target, [*headers_of(request), *pairs], body, peer=_PEER)
    ports = replace(call.ports, invoke=_log_invocations(call, view.api_id, log, change_event))
    client = None if ports.client is None else _LoggedClient(ports.client, log)
    edge = Edge(call.settings, Ring(1), ports, ports.public_url, ports.verifier, client)
    made_up = ApiCall(http_request, view, raw_path, edge)
    made_up.request_id = log.request_id
    made_up.stage = stage
    return made_up


def find_path(made_up: ApiCall) -> None:
    """Take the path apart. Raises GatewayRefusal for one that no call has."""
    try:
        target = parse_rest_target(made_up.raw_path)
    except TargetError as error:
        raise GatewayRefusal("DEFAULT_4XX", "Bad Request", reason=f"the path is refused: {error}") from None
    made_up.path, made_up.stage_path = target.path, target.stage_path
    made_up.match_path, made_up.segments = target.match_path, target.segments


# who is called


def _log_invocations(call: Call, api_id: str, log: Log, change_event: Callable[[bytes], bytes] | None) -> Invoke:
    async def invoke(invocation: Invocation) -> InvocationAnswer:
        if change_event is not None:
            invocation = replace(invocation, payload=change_event(invocation.payload))
        function = find_arn(invocation.function_arn)
        region = call.region if function is None else function.region
        uri = f"https://lambda.{region}.amazonaws.com/2015-03-31/functions/{invocation.function_arn}/invocations"
        sent = [
            ("x-amzn-lambda-integration-tag", log.request_id),
            ("x-amzn-apigateway-api-id", api_id),
            ("Accept", "application/json"),
            ("User-Agent", f"AmazonAPIGateway_{api_id}"),
            ("X-Amzn-Trace-Id", invocation.trace_id or ""),
            ("Content-Type", "application/json"),
        ]
        log.add_sent(uri, sent, invocation.payload)
        begun = clock.monotonic()
        try:
            answer = await call.ports.invoke(invocation)
        except AwsError as error:
            log.if_refused = _why_not_invoked(error)
            raise
        log.answered = answer.payload
        failed = [] if answer.function_error is None else [("X-Amz-Function-Error", answer.function_error)]
        received = [
            ("Date", formatdate(clock.now(), usegmt=True)),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer.payload))),
            ("x-amzn-RequestId", answer.request_id),
            *failed,
            ("X-Amz-Executed-Version", answer.executed_version),
            ("X-Amzn-Trace-Id", invocation.trace_id or ""),
        ]
        log.add_received(200, begun, received, answer.payload)
        log.if_refused = _MALFORMED if answer.function_error is None else _why_failed(answer)
        return answer

    return invoke


def _why_not_invoked(error: AwsError) -> str:
    # AWS takes a function that is not there for one that it may not invoke.
    if error.code in ("AccessDeniedException", "ResourceNotFoundException"):
        return _NO_PERMISSION
    return f"{MISCONFIGURED}{error.code}: {error.message}"


def _why_failed(answer: InvocationAnswer) -> str:
    try:
        said = orjson.loads(answer.payload)
    except orjson.JSONDecodeError:
        said = None
    message = said.get("errorMessage") if isinstance(said, dict) else None
    return (
        f"Lambda execution failed with status 200 due to customer function error: {message}. "
        f"Lambda request id: {answer.request_id}"
    )


class _LoggedClient:
    """The way out to web services, what goes there and what comes back in the log; answers come whole."""

    def __init__(self, client: WebClient, log: Log) -> None:
        self._client = client
        self._log = log
        self._reading: list[asyncio.Task[None]] = []

    def send(
        self,
        upstream: Upstream,
        method: str,
        target: bytes,
        headers: Sequence[Header],
        body: bytes = b"",
        **how: Any,
    ) -> Later[UpstreamAnswer]:
        """As `Client.send`. how: passed on."""
        uri = f"{upstream.scheme}://{upstream.authority.decode()}{target.decode('latin-1')}"
        self._log.add_sent(uri, texts_of(headers), body)
        begun = clock.monotonic()
        sent = self._client.send(upstream, method, target, headers, body, **how)
        answered: Later[UpstreamAnswer] = Later()
        self._reading.append(asyncio.ensure_future(self._read(sent, begun, answered)))
        return answered

    async def _read(self, sent: Later[UpstreamAnswer], begun: float, answered: Later[UpstreamAnswer]) -> None:
        try:
            answer = await sent
            answer.body, answer.stream, answer.length = await answer.read(), None, None
        except Exception as error:
            self._log.if_refused = _why_unreachable(error)
            answered.fail(error)
        else:
            self._log.add_received(answer.status, begun, texts_of(answer.headers), answer.body)
            answered.give(answer)


def _why_unreachable(error: Exception) -> str:
    if isinstance(error, UpstreamForbidden):
        return _NO_ENDPOINT
    return _NETWORK if isinstance(error, UpstreamError) else ""
