"""TestInvokeAuthorizer: an authorizer asked with a made-up call, and what came of it, with the log of it.

Nothing is remembered, and what a policy would decide is not asked: it is answered. A user pool's authorizer takes an ID
token, as on a method without scopes.
Source: reference, control plane, "TestInvokeAuthorizer" and "TestInvokeMethod" (lines of logs).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

import orjson

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.base.names import find_arn
from scopegate.gateway import responses
from scopegate.gateway.authorizers import AUTHORIZERS
from scopegate.gateway.authorizers.functions import Said
from scopegate.gateway.locate import compile_locate
from scopegate.gateway.match import Router
from scopegate.gateway.model import REST, ApiCall, ApiView, Closed, Document, RouteSpec, Stage
from scopegate.gateway.operations.apigateway.authorizers import get_authorizer
from scopegate.gateway.operations.apigateway.lookup import api_of
from scopegate.gateway.times import java_date
from scopegate.http.message import Header, Request
from scopegate.http.paths import TargetError
from scopegate.observe.record import Ring
from scopegate.ports import Call, Edge, Invocation, InvocationAnswer
from scopegate.store.port import Tx

_STAGE: Final = "ESTestInvoke-stage"  # as AWS's ARNs name it
_RESOURCE_ID: Final = "test-invoke-resource-id"
_PEER: Final = ("test-invoke-source-ip", 0)
_SHOWN: Final = 6  # characters of what the log masks
_SAFE: Final = "/?&=%;:@,+$!*'()~-._"


@dataclass(slots=True)
class _Log:
    """The log of one test: its lines, and what the function answered."""

    request_id: str
    lines: list[str] = field(default_factory=list)
    answered: bytes = b""

    def add(self, text: str) -> None:
        self.lines.append(f"{java_date(clock.now())} : {text}")

    def render(self) -> str:
        return "\n".join([f"Execution log for request {self.request_id}", *self.lines, ""])


async def test_invoke_authorizer(call: Call, request: Shape) -> Shape:
    """TestInvokeAuthorizer.

    Partly: keys of issuers that are not user pools of this server are not fetched, so their tokens are refused.
    """

    def read(tx: Tx) -> tuple[Document, Document]:
        reading = replace(call, open_tx=tx)
        return api_of(reading, request), get_authorizer(reading, request)

    api, authorizer = await call.read(read)
    log = _Log(clock.request_uuid())
    begun = clock.monotonic()
    log.add(f"Starting authorizer: {authorizer['id']} for request: {log.request_id}")
    try:
        found = await _ask(call, api, authorizer, request, log)
    except Closed as closed:
        log.add(f"Execution failed due to configuration error: {closed}")
        found = {"clientStatus": 500}
    except GatewayRefusal as refusal:
        status = refusal.status or responses.TYPES[refusal.response_type].status
        failed = f"Execution failed due to configuration error: {refusal.reason}"
        log.add(f"Unauthorized request: {log.request_id}" if status == 401 else failed)
        found = {"clientStatus": status}
    else:
        log.add("Successfully completed authorizer execution")
    return {"log": log.render(), "latency": round((clock.monotonic() - begun) * 1000), **found}


async def _ask(call: Call, api: Document, authorizer: Document, request: Shape, log: _Log) -> Shape:
    """What the authorizer says of the call. Raises Closed, GatewayRefusal."""
    variables: Mapping[str, str] = request.get("stageVariables") or {}
    spec = RouteSpec(
        REST,
        api["id"],
        call.account,
        call.region,
        _STAGE,
        "",
        variables,
        key="GET /",
        verb="GET",
        template="/",
        resource_id=_RESOURCE_ID,
        binary_types=frozenset(),
        operation_name=None,
        method_responses={},
    )
    compile_one = AUTHORIZERS[REST, authorizer["type"]]
    compiled = compile_one(authorizer, (), spec)
    made_up = _make_up(call, api, variables, request, log)
    log.add(f"Incoming identity: {_mask(_identity_of(authorizer, made_up))}")
    if compiled.ask is not None:
        said: Said = await compiled.ask(made_up)
        policy = orjson.loads(log.answered)["policyDocument"]
        log.add(f"Using valid authorizer policy for principal: {_mask(said.principal)}")
        return {
            "clientStatus": 0,
            "principalId": said.principal,
            "policy": orjson.dumps(policy).decode(),
            "authorization": {name: [value] for name, value in said.shown.items()},
        }
    assert compiled.step is not None
    waiting = compiled.step(made_up)
    if waiting is not None:
        await waiting
    return {"clientStatus": 0, "claims": dict(made_up.claims)}


def _make_up(call: Call, api: Document, variables: Mapping[str, str], request: Shape, log: _Log) -> ApiCall:
    """The call that the request describes. Raises GatewayRefusal for a path that no call has."""

    async def invoke(invocation: Invocation) -> InvocationAnswer:
        function = find_arn(invocation.function_arn)
        region = call.region if function is None else function.region
        uri = f"https://lambda.{region}.amazonaws.com/2015-03-31/functions/{invocation.function_arn}/invocations"
        log.add(f"Endpoint request URI: {uri}")
        log.add(f"Endpoint request body after transformations: {invocation.payload.decode()}")
        log.add(f"Sending request to {uri}")
        answer = await call.ports.invoke(invocation)
        log.answered = answer.payload
        log.add(f"Authorizer result body before parsing: {answer.payload.decode('utf-8', 'replace')}")
        return answer

    path, mark, query = quote(request.get("pathWithQueryString") or "/", safe=_SAFE).partition("?")
    raw_path = f"/{_STAGE}/{path.lstrip('/')}".encode()
    body = (request.get("body") or "").encode()
    http_request = Request("GET", raw_path + f"{mark}{query}".encode(), _headers_of(request), body, peer=_PEER)
    stage = Stage(_STAGE, "", variables, Router(()))
    stages = {_STAGE: stage}
    view = ApiView(
        REST, api["id"], call.account, call.region, api.get("name") or "", stages, compile_locate(REST, stages)
    )
    ports = replace(call.ports, invoke=invoke)
    edge = Edge(call.settings, Ring(1), ports, call.ports.public_url, call.ports.verifier)
    made_up = ApiCall(http_request, view, raw_path, edge)
    try:
        target = view.locate(raw_path, "GET").target
    except TargetError as error:
        raise GatewayRefusal("DEFAULT_4XX", "Bad Request", reason=f"the path is refused: {error}") from None
    made_up.path, made_up.stage_path = target.path, target.stage_path
    made_up.match_path, made_up.segments = target.match_path, target.segments
    made_up.stage = stage
    return made_up


def _headers_of(request: Shape) -> list[Header]:
    """Those of both members; one that both have is taken with its several values."""
    several: Mapping[str, list[str]] = request.get("multiValueHeaders") or {}
    pairs = [(name, value) for name, values in several.items() for value in values]
    known = {name.lower() for name in several}
    pairs += [(name, value) for name, value in (request.get("headers") or {}).items() if name.lower() not in known]
    return [(name.encode(), value.encode()) for name, value in pairs]


def _identity_of(authorizer: Document, made_up: ApiCall) -> str:
    """What the first header of the identity source holds."""
    for source in (authorizer.get("identitySource") or "").split(","):
        place, dot, name = source.strip().rpartition("header.")
        if dot and place.startswith("method.request."):
            return (made_up.request.find(name.lower().encode()) or b"").decode("latin-1")
    return ""


def _mask(text: str) -> str:
    """All but the last characters hidden; all of a text that is short."""
    return "*" * (len(text) - _SHOWN) + text[-_SHOWN:] if len(text) > _SHOWN else "*" * len(text)
