"""TestInvokeAuthorizer: an authorizer asked with a made-up call, and what came of it, with the log of it.

Nothing is remembered, and what a policy would decide is not asked: it is answered. A user pool's authorizer takes an ID
token, as on a method without scopes.
Source: reference, control plane, "TestInvokeAuthorizer" and "TestInvokeMethod" (lines of logs).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import orjson

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import responses
from scopegate.gateway.authorizers import AUTHORIZERS
from scopegate.gateway.authorizers.functions import Said
from scopegate.gateway.match import Router
from scopegate.gateway.model import REST, ApiCall, Closed, Document, RouteSpec, Stage
from scopegate.gateway.operations.apigateway.authorizers import get_authorizer
from scopegate.gateway.operations.apigateway.lookup import api_of
from scopegate.gateway.operations.apigateway.test_calls import (
    MISCONFIGURED,
    Log,
    find_path,
    make_up,
    mask,
    milliseconds_since,
    view_of,
)
from scopegate.ports import Call
from scopegate.store.port import Tx

_STAGE: Final = "ESTestInvoke-stage"  # as AWS's ARNs name it
_RESOURCE_ID: Final = "test-invoke-resource-id"


async def test_invoke_authorizer(call: Call, request: Shape) -> Shape:
    """TestInvokeAuthorizer.

    Partly: keys of issuers that are not user pools of this server are not fetched, so their tokens are refused.
    """

    def read(tx: Tx) -> tuple[Document, Document]:
        reading = replace(call, open_tx=tx)
        return api_of(reading, request), get_authorizer(reading, request)

    api, authorizer = await call.read(read)
    log = Log(clock.request_uuid())
    begun = clock.monotonic()
    log.add(f"Starting authorizer: {authorizer['id']} for request: {log.request_id}")
    try:
        found = await _ask(call, api, authorizer, request, log)
    except Closed as closed:
        log.add(f"{MISCONFIGURED}{closed}")
        found = {"clientStatus": 500}
    except GatewayRefusal as refusal:
        status = refusal.status or responses.TYPES[refusal.response_type].status
        failed = f"{MISCONFIGURED}{refusal.reason}"
        log.add(f"Unauthorized request: {log.request_id}" if status == 401 else failed)
        found = {"clientStatus": status}
    else:
        log.add("Successfully completed authorizer execution")
    return {"log": log.render(), "latency": milliseconds_since(begun), **found}


async def _ask(call: Call, api: Document, authorizer: Document, request: Shape, log: Log) -> Shape:
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
    made_up = make_up(call, view_of(call, api), Stage(_STAGE, "", variables, Router(())), request, log)
    find_path(made_up)
    log.add(f"Incoming identity: {mask(_identity_of(authorizer, made_up))}")
    if compiled.ask is not None:
        said: Said = await compiled.ask(made_up)
        log.add_value("Authorizer result body before parsing", log.answered.decode("utf-8", "replace"))
        policy = orjson.loads(log.answered)["policyDocument"]
        log.add(f"Using valid authorizer policy for principal: {mask(said.principal)}")
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


def _identity_of(authorizer: Document, made_up: ApiCall) -> str:
    """What the first header of the identity source holds."""
    for source in (authorizer.get("identitySource") or "").split(","):
        place, dot, name = source.strip().rpartition("header.")
        if dot and place.startswith("method.request."):
            return (made_up.request.find(name.lower().encode()) or b"").decode("latin-1")
    return ""
