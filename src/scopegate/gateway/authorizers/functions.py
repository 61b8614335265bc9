"""Lambda authorizers: a function says who calls and what they may call. REST `TOKEN` and `REQUEST`, HTTP `REQUEST`.

What the function said is remembered by the values of the identity sources, its *policy* and not a verdict: every call
is decided by its own method ARN, as on AWS. What is remembered belongs to one stage as it is compiled, so a changed
authorizer, deployment or stage begins with nothing. A function that fails, is late or answers something else decides
nothing: 500, never open (attack G10).
Source: reference, "REST: Lambda authorizer, TOKEN", "… REQUEST", "REST: what the authorizer's answer does", "HTTP:
Lambda authorizer"; attack rows G2, G10.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scopegate.aws.policy import InvalidPolicy, Policy, Verdict, compile_policy, evaluate
from scopegate.base import clock
from scopegate.base.errors import AwsError, GatewayRefusal
from scopegate.base.limits import limit
from scopegate.base.names import execute_api_arn
from scopegate.gateway.authorizers.tokens import compile_expression, take_token, unauthorized
from scopegate.gateway.events import (
    BuildEvent,
    compile_http_authorizer_event_1,
    compile_http_authorizer_event_2,
    compile_rest_authorizer_event,
)
from scopegate.gateway.integrations.credentials import compile_credentials
from scopegate.gateway.integrations.lambda_proxy import function_of
from scopegate.gateway.mapping import Source, compile_context
from scopegate.gateway.model import REST, ApiCall, Authorizer, Closed, Document, RouteSpec
from scopegate.gateway.resource_policy import ACTION, conditions, judge, method_arn, refuse
from scopegate.ports import Invocation

_REST_SOURCE: Final = re.compile(
    r"method\.request\.(?P<place>header|querystring|multivalueheader|multivaluequerystring)\.(?P<name>.+)"
    r"|(?P<other>stageVariables|context)\.(?P<key>.+)"
)
_HTTP_SOURCE: Final = re.compile(
    r"\$request\.(?P<place>header|querystring)\.(?P<name>.+)|\$(?P<other>stageVariables|context)\.(?P<key>.+)"
)
_LONGEST_ARN: Final = limit("gateway.method_arn_bytes")
_REMEMBERED: Final = limit("gateway.remembered_policies")
_REST_TTL_S: Final = 300  # AWS's default; an HTTP API's is 0
_EXPLICIT: Final = "User is not authorized to access this resource with an explicit deny in an identity-based policy"
_IMPLICIT: Final = "User is not authorized to access this resource"


@dataclass(frozen=True, slots=True)
class Said:
    """What the function answered. policy: None for a simple answer, whose yes or no is `allowed`.

    context: as JSON values; shown: the same as text, for `$context.authorizer`. principal: "" when none was given.
    usage_key: the API key that the call is counted for (REST, `apiKeySource` AUTHORIZER).
    """

    policy: Policy | None
    allowed: bool
    principal: str
    context: Mapping[str, Any]
    shown: Mapping[str, str]
    usage_key: str | None = None


class Memory:
    """Answers of one authorizer in one stage, by identity, each for its time; the least used go first."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, tuple[float, Said]] = OrderedDict()

    def find(self, key: bytes, now: float) -> Said | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def keep(self, key: bytes, until: float, said: Said) -> None:
        self._entries[key] = (until, said)
        self._entries.move_to_end(key)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)


class _Unusable(Exception):
    """An answer that decides nothing; the text says why, for the record."""


Read = Callable[[bytes], Said]
"""A function's answer → what it said. Raises _Unusable."""


# compiling


def compile_rest_token(document: Document, _scopes: tuple[str, ...], spec: RouteSpec) -> Authorizer:
    """A REST API's TOKEN authorizer: one header, whole, against an optional expression."""
    source = document.get("identitySource") or "method.request.header.Authorization"
    match = _REST_SOURCE.fullmatch(source)
    if match is None or match["place"] != "header":
        raise Closed(f"identity source {source!r} is not one header")
    header, lower = match["name"], match["name"].lower().encode()
    pattern = compile_expression(document)

    def identify(call: ApiCall) -> list[list[str]]:
        token = take_token(call, header, lower).decode("latin-1")
        if pattern is not None and not pattern.fullmatch(token):
            raise unauthorized("the token does not match the authorizer's expression")
        return [[token]]

    def build(call: ApiCall) -> bytes:
        ((token,),) = identify(call)
        return orjson.dumps({"type": "TOKEN", "methodArn": method_arn(call), "authorizationToken": token})

    return _compile(document, spec, identify, build, _read_rest)


def compile_rest_request(document: Document, _scopes: tuple[str, ...], spec: RouteSpec) -> Authorizer:
    """A REST API's REQUEST authorizer: identity sources of any kind, the whole call in the event."""
    sources = [part.strip() for part in (document.get("identitySource") or "").split(",") if part.strip()]
    event = compile_rest_authorizer_event(spec)

    def build(call: ApiCall) -> bytes:
        return event(call, method_arn(call))

    return _compile(document, spec, _compile_identity(sources, _REST_SOURCE, spec), build, _read_rest)


def compile_http(document: Document, _scopes: tuple[str, ...], spec: RouteSpec) -> Authorizer:
    """An HTTP API's REQUEST authorizer, payload format 1.0 or 2.0, policies or simple responses."""
    sources = list(document.get("IdentitySource") or ())
    identify = _compile_identity(sources, _HTTP_SOURCE, spec)
    if document.get("AuthorizerPayloadFormatVersion") == "2.0":
        event = compile_http_authorizer_event_2(spec)
        read = _read_simple if document.get("EnableSimpleResponses") else _read_http
    else:
        event = compile_http_authorizer_event_1(spec)
        read = _read_http

    def build(call: ApiCall) -> bytes:
        return event(call, method_arn(call), [",".join(values) for values in identify(call)])

    return _compile(document, spec, identify, build, read)


def _compile_identity(
    sources: list[str], form: re.Pattern[str], spec: RouteSpec
) -> Callable[[ApiCall], list[list[str]]]:
    """The values of each identity source, all of which have to be there. The step raises 401 otherwise."""
    found = [(source, _compile_source(source, form, spec)) for source in sources]

    def identify(call: ApiCall) -> list[list[str]]:
        identity: list[list[str]] = []
        for source, values_of in found:
            values = values_of(call)
            if not values or not all(values):
                raise unauthorized(f"identity source {source} is missing or empty")
            identity.append(values)
        return identity

    return identify


def _compile_source(source: str, form: re.Pattern[str], spec: RouteSpec) -> Source:
    match = form.fullmatch(source)
    if match is None:
        raise Closed(f"identity source {source!r} is unknown")
    if match["other"] == "stageVariables":
        value = spec.variables.get(match["key"], "")
        return lambda _: [value]
    if match["other"] == "context":
        find = compile_context(match["key"])
        return lambda call: [find(call) or ""]
    if "header" in match["place"]:
        lower = match["name"].lower().encode()
        return lambda call: [value.decode("latin-1") for value in call.request.all(lower)]
    name = match["name"]
    return lambda call: [value for key, value in call.query if key == name]


def _unusable(reason: str) -> GatewayRefusal:
    return GatewayRefusal("AUTHORIZER_CONFIGURATION_ERROR", reason=reason)


def _compile(
    document: Document, spec: RouteSpec, identify: Callable[[ApiCall], list[list[str]]], build: BuildEvent, read: Read
) -> Authorizer:
    """1 identity; 2 what was said before, else the function is asked; 3 the policy decides this call."""
    rest = spec.kind == REST
    name = document.get("name" if rest else "Name") or ""
    authorizer_id = document["id" if rest else "AuthorizerId"]
    function = function_of(document.get("authorizerUri" if rest else "AuthorizerUri") or "", spec.variables)
    credentials = document.get("authorizerCredentials" if rest else "AuthorizerCredentialsArn") or ""
    invoked_as = compile_credentials(credentials, spec, function)
    ttl_s = document.get("authorizerResultTtlInSeconds" if rest else "AuthorizerResultTtlInSeconds")
    if ttl_s is None:
        ttl_s = _REST_TTL_S if rest else 0
    has_sources = bool(document.get("identitySource" if rest else "IdentitySource")) or document.get("type") == "TOKEN"
    memory = spec.memories.setdefault(authorizer_id, Memory()) if ttl_s and has_sources else None
    source_arn = execute_api_arn(spec.region, spec.account, spec.api_id, f"authorizers/{authorizer_id}")
    timeout_s = limit("gateway.rest.authorizer_timeout_ms" if rest else "gateway.http.authorizer_timeout_ms") / 1000

    async def ask(call: ApiCall) -> Said:
        if why_not := invoked_as.why_not(call):
            raise _unusable(f"the authorizer function may not be invoked: {why_not}")
        payload, principal = build(call), invoked_as.principal
        invocation = Invocation(function, payload, principal=principal, source_arn=source_arn, trace_id=call.trace)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await call.edge.ports.invoke(invocation)
        except TimeoutError:
            raise _unusable(f"the authorizer function did not answer in {timeout_s:g} s") from None
        except AwsError as error:
            raise _unusable(f"the authorizer function may not be invoked: {error.code}: {error.message}") from error
        call.record.facts["authorizer_request_id"] = answer.request_id
        if answer.function_error is not None:
            if _error_message(answer.payload) == "Unauthorized":
                raise unauthorized("the authorizer function says Unauthorized")
            raise _unusable(f"the authorizer function failed ({answer.function_error})")
        try:
            return read(answer.payload)
        except _Unusable as error:
            raise _unusable(f"the authorizer function's answer is of no use: {error}") from None

    async def ask_and_decide(call: ApiCall, key: bytes) -> None:
        begun = clock.monotonic()
        said = await ask(call)
        if memory is not None:
            memory.keep(key, call.started_at + ttl_s, said)
        decide(call, said, round((clock.monotonic() - begun) * 1000))

    def decide(call: ApiCall, said: Said, latency_ms: int) -> None:
        call.mark(5)
        call.record.facts["principal"] = said.principal
        # A denial's gateway response and the access log may tell what the function said, too.
        call.authorizer = {**said.shown, **_principal_of(said), "integrationLatency": str(latency_ms)}
        verdict = Verdict.ALLOW if said.allowed else Verdict.IMPLICIT_DENY
        if said.policy is not None:
            policies = (said.policy,) if spec.policy is None else (said.policy, spec.policy)
            verdict = evaluate(policies, ACTION, method_arn(call), conditions(call))
        if verdict is not Verdict.ALLOW:
            message = _EXPLICIT if verdict is Verdict.EXPLICIT_DENY else _IMPLICIT
            raise GatewayRefusal("ACCESS_DENIED", message, reason=f"the authorizer's answer: {verdict.value}")
        call.mark(6)
        call.usage_key = said.usage_key
        call.authorizer_json = _show_rest(said, latency_ms)
        call.authorizer_json_2 = b'{"lambda":' + (orjson.dumps(said.context) if said.context else b"null") + b"}"

    def authorize(call: ApiCall) -> Awaitable[None] | None:
        # 1
        if len(method_arn(call)) > _LONGEST_ARN:
            raise GatewayRefusal("DEFAULT_4XX", "Request URI too long", status=414, reason="the method ARN is too long")
        if judge(spec.policy, call) is Verdict.EXPLICIT_DENY:
            raise refuse(call, Verdict.EXPLICIT_DENY)
        identity = identify(call)
        call.mark(4)
        # 2
        if memory is None:
            return ask_and_decide(call, b"")
        key = _digest(identity)
        said = memory.find(key, call.started_at)
        if said is None:
            return ask_and_decide(call, key)
        # 3
        call.record.facts["authorizer_cached"] = True
        decide(call, said, 0)
        return None

    async def ask_alone(call: ApiCall) -> Said:
        identify(call)
        return await ask(call)

    kind = document.get("type") or document.get("AuthorizerType")
    invocation = Invocation(function, b"", principal=invoked_as.principal, source_arn=source_arn)
    return Authorizer(authorize, f"{kind} {name}".strip(), invocation=invocation, ask=ask_alone)


def _digest(identity: list[list[str]]) -> bytes:
    """One key of all values: how many there are, and how long each is, stands before them, so that no two identities
    have the same: `a,b` in one header is not `a` and `b` in two."""
    digest = hashlib.sha256()
    for values in identity:
        digest.update(b"%d;" % len(values))
        for value in values:
            encoded = value.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(encoded) + encoded)
    return digest.digest()


# answers


def _error_message(payload: bytes) -> Any:
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return error.get("errorMessage") if isinstance(error, dict) else None


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise _Unusable("it is no JSON") from None
    if not isinstance(answer, dict):
        raise _Unusable("it is no object")
    return answer


def _context_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    context = answer.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise _Unusable("context is no object")
    return context


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _shown(context: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in context.items() if value is not None}


def _read_rest(payload: bytes) -> Said:
    answer = _parse(payload)
    principal = answer.get("principalId")
    if not isinstance(principal, str) or not principal:
        raise _Unusable("principalId is missing or no text")
    context = _context_of(answer)
    if any(isinstance(value, dict | list) for value in context.values()):
        raise _Unusable("context holds an object or a list")
    usage_key = answer.get("usageIdentifierKey")
    usage_key = usage_key if isinstance(usage_key, str) else None
    return Said(_policy_of(answer), True, principal, context, _shown(context), usage_key)


def _read_http(payload: bytes) -> Said:
    answer = _parse(payload)
    principal = answer.get("principalId")
    context = _context_of(answer)
    return Said(_policy_of(answer), True, principal if isinstance(principal, str) else "", context, _shown(context))


def _policy_of(answer: Mapping[str, Any]) -> Policy:
    try:
        return compile_policy(answer.get("policyDocument"), exact_actions=True)
    except InvalidPolicy as error:
        raise _Unusable(str(error)) from None


def _read_simple(payload: bytes) -> Said:
    answer = _parse(payload)
    allowed = answer.get("isAuthorized")
    if not isinstance(allowed, bool):
        raise _Unusable("isAuthorized is neither true nor false")
    context = _context_of(answer)
    return Said(None, allowed, "", context, _shown(context))


def _show_rest(said: Said, latency_ms: int) -> bytes:
    """`requestContext.authorizer` of format 1.0: the context as text, who it is, and how long the function took."""
    return orjson.dumps({**said.shown, **_principal_of(said), "integrationLatency": latency_ms})


def _principal_of(said: Said) -> dict[str, str]:
    """What no context says in its place."""
    return {"principalId": said.principal} if said.principal else {}
