"""APIs as the data plane sees them: frozen views of stages and routes, and the one mutable object of a call.

Made by `compile.py` from stored documents, read by `pipeline.py`. Nothing here interprets configuration: what a route
does is closures, what a route is, for people, is its `ports.Plan`.
Source: design, "One description, two uses".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from scopegate.aws.operations import Caller
from scopegate.aws.policy import Policy
from scopegate.base import clock
from scopegate.base.clock import monotonic_ns
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.match import PathValues, Router
from scopegate.http.later import Later
from scopegate.http.message import Request, Response
from scopegate.http.paths import Target, parse_query
from scopegate.observe.record import Record
from scopegate.ports import Edge, Invocation, Plan

REST: Final = "REST"
HTTP: Final = "HTTP"

Step = Callable[["ApiCall"], Awaitable[Any] | None]
"""A part of a call's way. Returns None when done, or what must be awaited; raises GatewayRefusal to refuse the call.

The last step, the integration, may give its backend's answer Later, with the call's `accept` set to what takes it.
"""

WriteLine = Callable[["ApiCall", Response, GatewayRefusal | None], None]

NO_STRINGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A method of a REST resource, or a route of an HTTP API: what it does, compiled.

    verb, template: as configured (`ANY`, `/pets/{id}`); of the `$default` route, `ANY` and `$default`.
    resource_id: REST. steps: in the order of `pipeline.order_steps`; a closed route's authorizer refuses every call.
    allowed_because: why a call that got past `authorize` is allowed, for the record.
    """

    key: str
    verb: str
    template: str
    resource_id: str
    steps: tuple[Step, ...]
    allowed_because: str


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A customised gateway response (REST). status: None keeps the type's own.

    headers: name, and how its value is found (None: not sent). body, content_type: by the media types that the client
    may accept, in order; empty: the built-in body.
    """

    status: int | None
    headers: tuple[tuple[bytes, Callable[[ApiCall], str | None]], ...]
    bodies: tuple[tuple[str, Callable[[ApiCall], str]], ...]


@dataclass(frozen=True, slots=True)
class Cors:
    """The CORS configuration of an HTTP API. origins: exact, `*`, or a scheme wildcard (`https://*`)."""

    origins: frozenset[str]
    any_origin: bool
    schemes: tuple[str, ...]
    credentials: bool
    actual: tuple[tuple[bytes, bytes], ...]  # on every answer to an allowed origin
    preflight: tuple[tuple[bytes, bytes], ...]  # beside those, on preflight answers


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One stage and the deployment that it serves.

    default: the `$default` route of an HTTP API. responses: customised gateway responses by type (REST).
    disabled: `disableExecuteApiEndpoint`. closed: why nothing of the stage can be served.
    write_line: writes the access log's line of a call that is answered; None: the stage has no access log.
    """

    name: str
    deployment_id: str
    variables: Mapping[str, str]
    router: Router[Route]
    default: Route | None = None
    responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    cors: Cors | None = None
    disabled: bool = False
    closed: str = ""
    plans: tuple[Plan, ...] = ()
    write_line: WriteLine | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Calls that UpdateUsage grants beyond the quota, or takes from it, in the period that began on day `since`."""

    since: int
    calls: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as callers show it. plans: what it may call, by plan id → calls granted beyond the quota (`Grant`)."""

    key_id: str
    value: str = field(repr=False)
    enabled: bool
    plans: Mapping[str, Grant | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many calls a key has in a period (DAY, WEEK, MONTH). offset: fewer in the period that began on `first`."""

    limit: int
    period: str
    offset: int
    first: int


class Rate(NamedTuple):
    """A token bucket's measure: refilled at `per_second`, holding `burst`."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """A usage plan. stages: (API id, stage name) → the plan's own rates there by `path/VERB`; rate: everywhere else."""

    plan_id: str
    stages: Mapping[tuple[str, str], Mapping[str, Rate]]
    rate: Rate | None
    quota: Quota | None


@dataclass(frozen=True, slots=True)
class Usage:
    """The API keys and usage plans of one account in one region. key_by_id: the same keys."""

    key_by_value: Mapping[str, ApiKey] = field(default_factory=dict, repr=False)
    key_by_id: Mapping[str, ApiKey] = field(default_factory=dict)
    plan_by_id: Mapping[str, UsagePlan] = field(default_factory=dict)


NO_USAGE: Final = Usage()


class Place(NamedTuple):
    """Where a method and a path lead. stage: None when the API has none of that name; route: None when none matches."""

    target: Target
    stage: Stage | None
    route: Route | None
    path_values: PathValues


@dataclass(frozen=True, slots=True, eq=False)
class ApiView:
    """One API. kind: REST or HTTP. stages: by name.

    locate: (raw path, verb) → place, remembered for paths that come again; raises http.paths.TargetError.
    usage: who may show an API key here; live, whatever is deployed.
    """

    kind: str
    api_id: str
    account: str
    region: str
    name: str
    stages: Mapping[str, Stage]
    locate: Callable[[bytes, str], Place]
    usage: Usage = NO_USAGE


class ApiCall:
    """One call under way: what the steps find out, for the steps that follow. Belongs to one exchange.

    raw_path: after host forms are resolved, the stage in it. method: after `X-HTTP-Method-Override` (REST).
    path: REST: after the stage, escapes kept; HTTP: `rawPath`, decoded once, with a named stage.
    stage_path: with the stage, as sent. match_path, segments: what the route was chosen by.
    authorizer_json: the value of `requestContext.authorizer` in events of REST APIs and format 1.0, None when there is
    none; authorizer_json_2: in format 2.0. claims, authorizer: for `$context.authorizer.claims` and
    `$context.authorizer`, as text. caller: who signed the call, where AWS_IAM is asked for.
    usage_key: the `usageIdentifierKey` of a Lambda authorizer. api_key: the key that a usage plan takes, on methods
    that need one. response: set by the integration or a refusal.
    accept: takes the answer that the integration waits for Later.
    """

    accept: Callable[[ApiCall, Later[Any]], None]

    __slots__ = (
        "_query",
        "_trace",
        "accept",
        "api",
        "api_key",
        "authorizer",
        "authorizer_json",
        "authorizer_json_2",
        "caller",
        "claims",
        "context",
        "edge",
        "extended_id",
        "is_preflight",
        "match_path",
        "method",
        "path",
        "path_values",
        "raw_path",
        "record",
        "request",
        "request_id",
        "response",
        "route",
        "segments",
        "stage",
        "stage_path",
        "started_at",
        "usage_key",
    )

    def __init__(self, request: Request, api: ApiView, raw_path: bytes, edge: Edge) -> None:
        self.request = request
        self.api = api
        self.raw_path = raw_path
        self.edge = edge
        self.method = request.method
        self.started_at = clock.now()
        self.path = ""
        self.stage_path = ""
        self.match_path = ""
        self.segments: Sequence[str] = ()
        self.path_values: PathValues = ()
        self.authorizer_json: bytes | None = None
        self.authorizer_json_2: bytes | None = None
        self.authorizer: Mapping[str, str] = NO_STRINGS
        self.claims: Mapping[str, str] = NO_STRINGS
        self.caller: Caller | None = None
        self.usage_key: str | None = None
        self.api_key: ApiKey | None = None
        self.is_preflight = False
        self.context: dict[str, str] = {}  # `$context` names that only one step knows (error.message, …)
        self.stage: Stage | None = None
        self.route: Route | None = None
        self.response: Response | None = None
        self._query: list[tuple[str, str]] | None = None
        self._trace = ""
        self.extended_id = clock.short_request_id()
        self.request_id = clock.request_uuid() if api.kind == REST else self.extended_id
        self.record = Record(
            "call",
            self.request_id,
            self.started_at,
            request.method,
            raw_path.decode("latin-1"),
            request.received_ns or clock.monotonic_ns(),
        )

    def mark(self, step: int) -> None:
        """Note the moment of one of the ten steps."""
        self.record.times[step] = monotonic_ns()

    @property
    def found_stage(self) -> Stage:
        if self.stage is None:
            raise RuntimeError("the stage is asked for before it is found")
        return self.stage

    @property
    def found_route(self) -> Route:
        if self.route is None:
            raise RuntimeError("the route is asked for before it is found")
        return self.route

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        if self._query is None:
            self._query = parse_query(self.request.query)
        return self._query

    @property
    def trace(self) -> str:
        """The value of `X-Amzn-Trace-Id`: the client's when it has a root, else a new root."""
        if not self._trace:
            given = self.request.find_text(b"x-amzn-trace-id")
            self._trace = given if given and "Root=" in given else new_trace(self.started_at)
        return self._trace


def new_trace(now: float) -> str:
    """`Root=1-<8 hex: seconds>-<24 hex>` (reference, "Headers the gateway always adds")."""
    return f"Root=1-{int(now):08x}-{clock.random_hex(12)}"


Document = Mapping[str, Any]


class Closed(Exception):
    """Why a route or a stage cannot be served as it is configured: it is deployed closed, and this is shown."""


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What a route's parts are compiled from, beside their own documents: plain data of API, stage and route.

    key: `GET /pets/{id}` or `$default`; of a REST method, verb and template.
    binary_types: `binaryMediaTypes`, lower case, left wildcards left out. method_responses: by status. Both REST.
    memories: what the stage's Lambda authorizers remember, by authorizer, for all of its routes.
    policy: the API's resource policy (REST). signed: whether calls are AWS_IAM's.
    """

    kind: str
    api_id: str
    account: str
    region: str
    stage_name: str
    deployment_id: str
    variables: Mapping[str, str]
    key: str
    verb: str
    template: str
    resource_id: str
    binary_types: frozenset[str]
    operation_name: str | None
    method_responses: Mapping[str, Document]
    memories: dict[str, Any] = field(default_factory=dict, compare=False)
    policy: Policy | None = None
    signed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Integration:
    """A compiled integration. label: for tables, as `AWS_PROXY function:orders`. invocation: for the plan."""

    step: Step
    label: str
    warnings: tuple[str, ...] = ()
    invocation: Invocation | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Authorizer:
    """A compiled authorizer of one route. All but the steps is for the route's plan.

    ask: of a Lambda authorizer, its function alone: what it says (`functions.Said`), whatever that allows.
    """

    step: Step | None
    label: str
    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    pool_arns: tuple[str, ...] = ()
    invocation: Invocation | None = None
    ask: Callable[[ApiCall], Awaitable[Any]] | None = None
