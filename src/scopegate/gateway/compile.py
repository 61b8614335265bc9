"""Stored APIs → the view that calls are answered from.

For each route first its plan (plain data for people), then its closures. Compilation never fails the server: what
cannot be enforced as it is configured is *closed*, which means that every call is refused, and the plan says why.
A stage serves the snapshot of its deployment; stage settings, stage variables and a REST API's authorizers are live.
Source: design, "One description, two uses" and "What is refused when it is made"; reference, "Stages".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import structlog

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway import queries
from scopegate.gateway.access_log import compile_access_log
from scopegate.gateway.authorizers import AUTHORIZERS, TYPES, iam
from scopegate.gateway.cors import compile_cors
from scopegate.gateway.integrations import INTEGRATIONS
from scopegate.gateway.locate import compile_locate
from scopegate.gateway.match import Router, parse_route_key
from scopegate.gateway.model import (
    HTTP,
    NO_USAGE,
    REST,
    ApiCall,
    ApiView,
    Authorizer,
    Closed,
    Document,
    Integration,
    Route,
    RouteSpec,
    Stage,
    Step,
    Usage,
)
from scopegate.gateway.pipeline import order_steps
from scopegate.gateway.resource_policy import compile_policy_of, compile_step
from scopegate.gateway.responses import compile_gateway_response
from scopegate.gateway.throttle import compile_throttle, find_bucket
from scopegate.gateway.usage import Row, compile_key, compile_usage
from scopegate.gateway.validate import compile_validator
from scopegate.ports import CompileContext, FindPool, Plan
from scopegate.store.port import Change, Tx

KINDS: Final = frozenset({"api", "api_key"})

CLOSED: Final = "the route is closed: "
"""How the reason of a closed route's refusal begins."""

_ASK_THE_POLICY: Final = frozenset({"AWS_IAM", "CUSTOM"})
"""Authorization types that weigh the API's resource policy themselves."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_ROUTES: Final[Router[Route]] = Router(())

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class View:
    """Every API of this server, and the API keys and usage plans by account and region."""

    api_by_id: Mapping[str, ApiView]
    usages: Mapping[tuple[str, str], Usage] = field(default_factory=dict)


def compile_all(tx: Tx, context: CompileContext) -> View:
    """The view of everything, from the store."""
    rows: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for account, region, kind, part_id, document in queries.list_key_parts(tx):
        rows[account, region].append((kind, part_id, document))
    usages = {owner: compile_usage(found, context.seal) for owner, found in rows.items()}
    views = ((api_id, _compile_api(tx, api_id, usages)) for api_id in queries.all_api_ids(tx))
    return View({api_id: view for api_id, view in views if view is not None}, usages)


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """The view after changes: the APIs that they name are compiled anew, the others are kept."""
    api_by_id, usages = dict(view.api_by_id), view.usages
    rows: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for key in dict.fromkeys(change.key for change in changes if change.kind == "api_key"):
        account, region, kind, part_id = key.split(" ", 3)
        document = queries.find_account_part(tx, account, region, kind, part_id)
        rows[account, region].append((kind, part_id, document))
    if rows:
        new = {owner: compile_usage(found, context.seal, usages.get(owner, NO_USAGE)) for owner, found in rows.items()}
        usages = {**usages, **new}
        for api_id, api in view.api_by_id.items():
            if (api.account, api.region) in new:
                api_by_id[api_id] = replace(api, usage=new[api.account, api.region])
    for api_id in dict.fromkeys(change.key for change in changes if change.kind == "api"):
        compiled = _compile_api(tx, api_id, usages)
        if compiled is None:
            api_by_id.pop(api_id, None)
        else:
            api_by_id[api_id] = compiled
    return View(api_by_id, usages)


def plans(view: View, find_pool: FindPool | None = None) -> tuple[Plan, ...]:
    """Every route of every stage. find_pool: when given, adds what is worth a warning at this moment."""
    found = (plan for api in view.api_by_id.values() for stage in api.stages.values() for plan in stage.plans)
    return tuple(found) if find_pool is None else tuple(_warn(plan, find_pool) for plan in found)


def _warn(plan: Plan, find_pool: FindPool) -> Plan:
    """The plan with warnings about pools and audiences, which are often made later than the API."""
    warnings = list(plan.warnings)
    pools = [find_pool(arn) for arn in plan.pools]
    warnings += [f"user pool {arn} does not exist" for arn, pool in zip(plan.pools, pools, strict=True) if pool is None]
    issuers = tuple(pool.issuer for pool in pools if pool is not None)
    for issuer in plan.issuers:
        pool = find_pool(issuer)
        if pool is None:
            warnings.append(f"issuer {issuer} is no user pool here: its keys are fetched over the network")
        else:
            warnings += [
                f"audience {one} is no app client of {pool.pool_id}"
                for one in plan.audiences
                if one not in pool.client_ids
            ]
    return replace(plan, issuers=plan.issuers + issuers, warnings=tuple(warnings))


def _compile_api(tx: Tx, api_id: str, usages: Mapping[tuple[str, str], Usage]) -> ApiView | None:
    owner = queries.find_owner(tx, api_id)
    if owner is None:
        return None
    account, region, protocol, document = owner
    compile_stage = {REST: _compile_rest_stage, HTTP: _compile_http_stage}.get(protocol)
    if compile_stage is None:
        return None
    name = document.get("name") or document.get("Name") or api_id
    api = ApiView(protocol, api_id, account, region, name, _NOTHING, compile_locate(protocol, _NOTHING))
    stages: dict[str, Stage] = {}
    for stage_name, stage in queries.list_parts(tx, api_id, "stage"):
        try:
            stages[stage_name] = compile_stage(tx, api, stage_name, stage)
        except Closed as closed:
            stages[stage_name] = _closed_stage(api, stage_name, str(closed))
        except Exception as error:
            # A stored document that nobody foresaw: the stage is closed, the server goes on.
            log.exception("gateway.stage_closed", api_id=api_id, stage=stage_name)
            stages[stage_name] = _closed_stage(api, stage_name, f"cannot be compiled: {type(error).__name__}")
    usage = usages.get((account, region), NO_USAGE)
    return replace(api, stages=stages, locate=compile_locate(protocol, stages), usage=usage)


def _closed_stage(api: ApiView, stage_name: str, reason: str) -> Stage:
    plan = Plan(api.api_id, api.name, api.kind, stage_name, "ANY", "/", "", (), (), (), "", closed=reason)
    return Stage(stage_name, "", _NOTHING, _NO_ROUTES, closed=reason, plans=(plan,))


# routes, of either kind


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is known of a route before it is compiled. authorizer: the document that its authorizer id finds."""

    spec: RouteSpec
    authorization: str
    authorizer_id: str | None
    authorizer: Document | None
    scopes: tuple[str, ...]
    integration_type: str | None
    integration: Document
    throttle: Step | None
    key: Step | None = None
    closed: str = ""
    warnings: tuple[str, ...] = ()


def _compile_route(draft: _Draft, api_name: str, compile_validation: Any = None) -> tuple[Route, Plan]:
    """A route and its plan; a part that raises Closed closes the route."""
    spec = draft.spec
    closed, authorizer, integration, validate = draft.closed, None, None, None
    label = draft.integration_type or "no integration"
    refusal_type = "API_CONFIGURATION_ERROR"
    try:
        integration = _compile_integration(draft)
        label = integration.label
        validate = compile_validation() if compile_validation is not None else None
    except Closed as error:
        closed = closed or str(error)
    try:
        authorizer = _compile_authorizer(draft)
    except Closed as error:
        closed, refusal_type = closed or str(error), "AUTHORIZER_CONFIGURATION_ERROR"
    known = authorizer or Authorizer(None, _authorizer_label(draft))
    authorize = _refuse_always(refusal_type, closed) if closed else known.step
    route = Route(
        spec.key,
        spec.verb,
        spec.template,
        spec.resource_id,
        order_steps(
            spec.kind,
            authorize=authorize,
            policy=None if spec.policy is None or draft.authorization in _ASK_THE_POLICY else compile_step(spec.policy),
            key=draft.key,
            throttle=draft.throttle,
            validate=validate,
            integrate=_never if integration is None else integration.step,
        ),
        _because(draft),
    )
    plan = Plan(
        spec.api_id,
        api_name,
        spec.kind,
        spec.stage_name,
        spec.verb,
        spec.template,
        _with_key(known.label, draft),
        draft.scopes,
        known.issuers,
        known.audiences,
        label,
        closed,
        draft.warnings + (() if integration is None else integration.warnings),
        draft.authorizer_id or "",
        known.pool_arns,
        tuple(each.invocation for each in (known, integration) if each is not None and each.invocation is not None),
    )
    return route, plan


def _because(draft: _Draft) -> str:
    if draft.authorization == "NONE" and draft.key is not None:
        return "the API key is in a usage plan of the stage"
    if draft.authorization == "NONE":
        return "the route is open: it has no authorizer"
    if draft.authorization == "CUSTOM":
        return "the authorizer function allows the call"
    if draft.authorization == "AWS_IAM":
        return "the signature holds, and policies allow the call"
    return f"the token has one of the scopes {' '.join(draft.scopes)}" if draft.scopes else "the token is valid"


def _authorizer_label(draft: _Draft) -> str:
    return "open" if draft.authorization == "NONE" else draft.authorization


def _with_key(label: str, draft: _Draft) -> str:
    """An API key is no identity, and yet not everybody has one: the route is not shown as open."""
    if draft.key is None:
        return label
    return "API key" if label == "open" else f"{label}, API key"


def _refuse_always(response_type: str, reason: str) -> Step:
    message = "Internal server error" if response_type == "API_CONFIGURATION_ERROR" else None

    def refuse(_call: ApiCall) -> None:
        raise GatewayRefusal(response_type, message, reason=f"{CLOSED}{reason}")

    return refuse


def _never(_call: ApiCall) -> None:
    raise GatewayRefusal("API_CONFIGURATION_ERROR", "Internal server error", reason="the route has no integration")


def _compile_integration(draft: _Draft) -> Integration:
    if draft.integration_type is None:
        raise Closed("the route has no integration")
    compile_one = INTEGRATIONS.get((draft.spec.kind, draft.integration_type))
    if compile_one is None:
        raise Closed(f"{draft.integration_type} integrations are not built yet")
    return compile_one(draft.integration, draft.spec)


def _compile_authorizer(draft: _Draft) -> Authorizer:
    kind = draft.authorization
    if kind == "NONE":
        return Authorizer(None, "open")
    if kind == "AWS_IAM":
        return iam.compile_authorizer(draft.spec)
    types = TYPES.get(kind)
    if types is None:
        raise Closed(f"{kind} authorization is not built yet")
    if draft.authorizer is None:
        raise Closed(f"authorizer {draft.authorizer_id} does not exist")
    found = draft.authorizer.get("type") or draft.authorizer.get("AuthorizerType") or ""
    if found not in types:
        raise Closed(f"authorizer {draft.authorizer_id} is not of type {' or '.join(sorted(types))}")
    compile_one = AUTHORIZERS.get((draft.spec.kind, found))
    if compile_one is None:
        raise Closed(f"{found} authorizers are not built yet")
    return compile_one(draft.authorizer, draft.scopes, draft.spec)


# REST


def _compile_rest_stage(tx: Tx, api: ApiView, stage_name: str, stage: Document) -> Stage:
    deployment_id = stage.get("deploymentId") or ""
    deployment = queries.find_part(tx, api.api_id, "deployment", deployment_id)
    if deployment is None:
        raise Closed(f"the stage's deployment {deployment_id!r} does not exist")
    authorizers = dict(queries.list_parts(tx, api.api_id, "authorizer"))
    return compile_rest_snapshot(api, stage_name, stage, deployment["snapshot"], authorizers)


def compile_rest_snapshot(
    api: ApiView, stage_name: str, stage: Document, snapshot: Document, authorizers: Mapping[str, Document]
) -> Stage:
    """A stage that serves a snapshot of a REST API's draft. authorizers: by id; they are live."""
    deployment_id = stage.get("deploymentId") or ""
    variables = dict(stage.get("variables") or {})
    validators = {one["id"]: one for one in snapshot.get("request_validators") or ()}
    models = {one["name"]: one.get("schema") or "{}" for one in snapshot.get("models") or ()}
    settings = stage.get("methodSettings") or {}
    closed, policy = _closed_api(snapshot["api"]), None
    try:
        policy = compile_policy_of(snapshot["api"].get("policy"))
    except Closed as error:
        closed = closed or str(error)
    key_source = snapshot["api"].get("apiKeySource") or "HEADER"
    binary_types = frozenset(
        kind.lower() for kind in snapshot["api"].get("binaryMediaTypes") or () if kind == "*/*" or kind[:1] != "*"
    )
    write_line, log_warnings = compile_access_log(stage.get("accessLogSettings"), api)
    warnings = _stage_warnings(stage, snapshot["api"]) + log_warnings
    memories: dict[str, Any] = {}
    entries: list[tuple[str, str, Route]] = []
    route_plans: list[Plan] = []
    for resource in snapshot["resources"]:
        for verb, method in (resource.get("resourceMethods") or {}).items():
            spec = RouteSpec(
                REST,
                api.api_id,
                api.account,
                api.region,
                stage_name,
                deployment_id,
                variables,
                f"{verb} {resource['path']}",
                verb,
                resource["path"],
                resource["id"],
                binary_types,
                method.get("operationName"),
                method.get("methodResponses") or {},
                memories,
                policy,
                method.get("authorizationType") == "AWS_IAM",
            )
            integration = method.get("methodIntegration") or {}
            bucket = find_bucket(
                _method_settings(settings, resource["path"], verb), "throttlingRateLimit", "throttlingBurstLimit"
            )
            draft = _Draft(
                spec,
                method.get("authorizationType") or "NONE",
                method.get("authorizerId"),
                authorizers.get(method.get("authorizerId") or ""),
                tuple(method.get("authorizationScopes") or ()),
                integration.get("type"),
                integration,
                None if bucket is None else compile_throttle((bucket,)),
                compile_key(spec, key_source) if method.get("apiKeyRequired") else None,
                closed,
                warnings,
            )
            route, route_plan = _compile_route(draft, api.name, _validation(method, validators, models))
            entries.append((verb, resource["path"], route))
            route_plans.append(route_plan)
    responses = {
        one["responseType"]: compile_gateway_response(one, variables) for one in snapshot.get("gateway_responses") or ()
    }
    return Stage(
        stage_name,
        deployment_id,
        variables,
        Router(entries),
        responses=responses,
        disabled=bool(snapshot["api"].get("disableExecuteApiEndpoint")),
        plans=tuple(route_plans),
        write_line=write_line,
    )


def _closed_api(api: Document) -> str:
    """Why nobody may call any method of a REST API: what decides over that is not built."""
    if "PRIVATE" in ((api.get("endpointConfiguration") or {}).get("types") or ()):
        # Reachable from VPC endpoints alone, and without a policy from nowhere (reference, "REST: resource policy").
        return "private APIs are not built yet"
    return ""


def _stage_warnings(stage: Document, api: Document) -> tuple[str, ...]:
    """Settings of a REST stage and its API that say nothing about who may call, and that are not acted on yet."""
    warnings: list[str] = []
    if api.get("minimumCompressionSize") is not None:
        warnings.append("compression is not built yet: bodies are passed on as they come")
    if (stage.get("canarySettings") or {}).get("percentTraffic"):
        warnings.append("canary releases are not built yet: every call is served by the stage's own deployment")
    if any(one.get("cachingEnabled") for one in (stage.get("methodSettings") or {}).values()):
        warnings.append("response caching is not built yet: every call reaches its integration")
    if stage.get("clientCertificateId"):
        warnings.append("client certificates are not built yet: none is shown to web services")
    return tuple(warnings)


def _validation(method: Document, validators: Mapping[str, Document], models: Mapping[str, str]) -> Any:
    validator_id = method.get("requestValidatorId")
    if not validator_id:
        return None

    def compile_one() -> Step | None:
        if validator_id not in validators:
            raise Closed(f"request validator {validator_id} does not exist")
        return compile_validator(validators[validator_id], method, models)

    return compile_one


def _method_settings(settings: Mapping[str, Document], path: str, verb: str) -> Document:
    """The stage's settings of one method: its own before `*/*`; keys are `path/VERB`, `/` written `~1` or not."""
    by_key = {_settings_key(key): value for key, value in settings.items()}
    own, every = by_key.get((path, verb), _NOTHING), by_key.get(("*", "*"), _NOTHING)
    return {**every, **own}


def _settings_key(key: str) -> tuple[str, str]:
    path, _, verb = key.rpartition("/")
    return (path, verb) if path == "*" else ("/" + path.replace("~1", "/").strip("/"), verb)


# HTTP


def _compile_http_stage(tx: Tx, api: ApiView, stage_name: str, stage: Document) -> Stage:
    deployment_id = stage.get("DeploymentId") or ""
    deployment = queries.find_part(tx, api.api_id, "deployment", deployment_id) if deployment_id else None
    if deployment is None:
        # A stage that nothing was deployed to knows no route: every call is 404.
        return Stage(stage_name, "", _NOTHING, _NO_ROUTES)
    snapshot = deployment["Snapshot"]
    variables = dict(stage.get("StageVariables") or {})
    authorizers = {one["AuthorizerId"]: one for one in snapshot.get("authorizers") or ()}
    integrations = {one["IntegrationId"]: one for one in snapshot.get("integrations") or ()}
    write_line, warnings = compile_access_log(stage.get("AccessLogSettings"), api)
    memories: dict[str, Any] = {}
    entries: list[tuple[str, str, Route]] = []
    route_plans: list[Plan] = []
    default: Route | None = None
    for document, verb, template in _http_routes(snapshot["routes"]):
        key = document["RouteKey"]
        spec = RouteSpec(
            HTTP,
            api.api_id,
            api.account,
            api.region,
            stage_name,
            deployment_id,
            variables,
            key,
            verb,
            template,
            "",
            frozenset(),
            document.get("OperationName"),
            _NOTHING,
            memories,
            signed=document.get("AuthorizationType") == "AWS_IAM",
        )
        integration = integrations.get((document.get("Target") or "").removeprefix("integrations/"), _NOTHING)
        # A route's own settings replace the stage's as a whole (reference, control plane, section 4.2).
        settings = (stage.get("RouteSettings") or {}).get(key) or stage.get("DefaultRouteSettings") or _NOTHING
        bucket = find_bucket(settings, "ThrottlingRateLimit", "ThrottlingBurstLimit")
        draft = _Draft(
            spec,
            document.get("AuthorizationType") or "NONE",
            document.get("AuthorizerId"),
            authorizers.get(document.get("AuthorizerId") or ""),
            tuple(document.get("AuthorizationScopes") or ()),
            integration.get("IntegrationType"),
            integration,
            None if bucket is None else compile_throttle((bucket,)),
            warnings=warnings,
        )
        route, route_plan = _compile_route(draft, api.name)
        if key == "$default":
            default = route
        else:
            entries.append((verb, template, route))
        route_plans.append(route_plan)
    return Stage(
        stage_name,
        deployment_id,
        variables,
        Router(entries),
        default,
        cors=compile_cors(snapshot["api"].get("CorsConfiguration")),
        disabled=bool(snapshot["api"].get("DisableExecuteApiEndpoint")),
        plans=tuple(route_plans),
        write_line=write_line,
    )


def _http_routes(routes: Sequence[Document]) -> Iterator[tuple[Document, str, str]]:
    """(route, verb, template); of `$default`, `ANY` and `$default`. A key that is none raises: nothing may vanish."""
    for document in routes:
        try:
            parsed = parse_route_key(document["RouteKey"])
        except ValueError:
            raise Closed(f"route key {document['RouteKey']!r} is none") from None
        verb, template = parsed or ("ANY", "$default")
        yield document, verb, template
