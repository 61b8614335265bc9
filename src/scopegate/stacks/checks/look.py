"""What is known of a stack that was deployed: the plans of its routes, and what AWS operations answer about the rest.

The judges read nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scopegate.base.names import find_arn
from scopegate.ports import Plan, Ports, TrustedPool
from scopegate.stacks.checks.places import HTTP_API, REST_API, Place, Places
from scopegate.stacks.checks.rules import Finding
from scopegate.stacks.model import Stack
from scopegate.stacks.read import Path as TemplatePath
from scopegate.stacks.read import Template
from scopegate.stacks.types.resource_type import Aws

_V1: Final = "apigateway"
_V2: Final = "apigatewayv2"
_IDP: Final = "cognito-idp"
USER_POOL: Final = "AWS::Cognito::UserPool"
ORIGIN: Final = "access-control-allow-origin"


@dataclass(frozen=True, slots=True)
class Pool:
    """A user pool that exists. scopes: that its resource servers define. clients: id → UserPoolClientType."""

    pool_id: str
    scopes: frozenset[str]
    clients: Mapping[str, Mapping[str, Any]]

    @property
    def machine_clients(self) -> list[str]:
        return sorted(
            client_id
            for client_id, client in self.clients.items()
            if "client_credentials" in (client.get("AllowedOAuthFlows") or ())
        )


@dataclass(frozen=True, slots=True)
class Api:
    """One API. plans: one for each route, whatever the stages. document: as GetRestApi or GetApi answers.

    authorizers: by id. responses: gateway responses that were customised, by type. preflights: paths whose OPTIONS
    answers CORS by itself, with the origin that it allows. Both are of REST APIs.
    """

    logical_id: str
    kind: str
    stages: Mapping[str, Sequence[Plan]]
    plans: Sequence[Plan]
    document: Mapping[str, Any]
    authorizers: Mapping[str, Mapping[str, Any]]
    responses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preflights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that the judges read. pools: by id. code: (file, logical id) → where a function's files lie."""

    template: Template
    stack: Stack
    places: Places
    aws: Aws
    ports: Ports
    apis: Sequence[Api]
    pools: Mapping[str, Pool]
    code: Mapping[tuple[str, str], Path]

    def finding(self, rule: str, message: str, place: Place, snippet: str = "", at: TemplatePath = ()) -> Finding:
        """at: the path whose line is told, where that is another than the place's."""
        error = self.template.error(self.places.named(message), *(at or place.path))
        return Finding(rule, error.message, error.file, error.line, tuple(filter(None, place.owners)), snippet)

    def of_route(self, api: Api, plan: Plan) -> Place:
        return self.places.of_route(api.logical_id, plan.method, plan.path)

    def pools_of(self, plan: Plan) -> list[Pool]:
        """The pools of this server whose tokens the route takes."""
        trusted = (self.ports.find_pool(name) for name in (*plan.pools, *plan.issuers))
        ids = dict.fromkeys(pool.pool_id for pool in trusted if pool is not None)
        return [self.pools[pool_id] for pool_id in ids]

    def unknown_issuers(self, plan: Plan) -> list[str]:
        """ARNs and issuers that the route trusts and that are no user pools here."""
        return [name for name in (*plan.pools, *plan.issuers) if self.ports.find_pool(name) is None]

    def of_authorizer(self, api: Api, authorizer_id: str) -> Place:
        """The authorizer's own resource, its entry in SAM's `Auth`, or its scheme in the API's document."""
        logical_id = self.places.logical_id(authorizer_id)
        if self.places.kind(logical_id):
            return Place(("Resources", logical_id), "other", (logical_id, api.logical_id))
        whole = self.places.of_resource(api.logical_id)
        name = name_of(api.authorizers.get(authorizer_id, {}))
        for under in (whole.path, ("Globals",)):
            path = self.template.find_key(name, *under) if name else under
            if path != under:
                return Place(path, "authorizer", whole.owners)
        return whole

    def logical_id_of_function(self, function_arn: str) -> str:
        arn = find_arn(function_arn)
        return self.places.logical_id(arn.resource.split(":")[1]) if arn is not None and ":" in arn.resource else ""


async def look_at(
    aws: Aws,
    ports: Ports,
    template: Template,
    stack: Stack,
    tree: Sequence[Stack],
    code: Mapping[tuple[str, str], Path],
) -> Look:
    """tree: the stack and those that are nested with it, whose ids are shown by their logical ids as well."""
    by_api: dict[str, list[Plan]] = {}
    for plan in ports.plans():
        by_api.setdefault(plan.api_id, []).append(plan)
    apis: list[Api] = []
    resource_paths: dict[str, str] = {}
    for logical_id, made in stack.resources.items():
        plans = sorted(by_api.get(made.physical_id, ()), key=lambda plan: (plan.stage, plan.path, plan.method))
        if made.type == REST_API:
            apis.append(await _rest_api(aws, logical_id, made.physical_id, plans, resource_paths))
        elif made.type == HTTP_API:
            apis.append(await _http_api(aws, logical_id, made.physical_id, plans))
    trusted = [name for api in apis for plan in api.plans for name in (*plan.pools, *plan.issuers)]
    made_here = [made.attributes["Arn"] for made in stack.resources.values() if made.type == USER_POOL]
    pools = [pool for pool in map(ports.find_pool, (*made_here, *trusted)) if pool is not None]
    known = {pool_id: await _pool(aws, pool) for pool_id, pool in {pool.pool_id: pool for pool in pools}.items()}
    return Look(template, stack, Places(template, stack, tree, resource_paths), aws, ports, apis, known, code)


def _by_stage(plans: Iterable[Plan]) -> dict[str, list[Plan]]:
    stages: dict[str, list[Plan]] = {}
    for plan in plans:
        stages.setdefault(plan.stage, []).append(plan)
    return stages


def _each_once(plans: Iterable[Plan]) -> list[Plan]:
    """Routes of several stages are one route to a reader; a stage that is closed as a whole is none."""
    return list({(plan.method, plan.path): plan for plan in plans if plan.path}.values())


async def _rest_api(
    aws: Aws, logical_id: str, api_id: str, plans: Sequence[Plan], resource_paths: dict[str, str]
) -> Api:
    key = {"restApiId": api_id}
    document = await aws.call(_V1, "GetRestApi", key)
    authorizers = (await aws.call(_V1, "GetAuthorizers", {**key, "limit": 500}))["items"]
    responses = (await aws.call(_V1, "GetGatewayResponses", {**key, "limit": 500}))["items"]
    preflights: dict[str, str] = {}
    for resource in (await aws.call(_V1, "GetResources", {**key, "embed": ["methods"], "limit": 500}))["items"]:
        resource_paths[resource["id"]] = resource["path"]
        origin = _allowed_origin((resource.get("resourceMethods") or {}).get("OPTIONS") or {})
        if origin:
            preflights[resource["path"]] = origin
    return Api(
        logical_id,
        "REST",
        _by_stage(plans),
        _each_once(plans),
        document,
        {each["id"]: each for each in authorizers},
        {each["responseType"]: each for each in responses if not each.get("defaultResponse")},
        preflights,
    )


def _allowed_origin(method: Mapping[str, Any]) -> str:
    """The origin that a method allows by a constant of its own, as it is mapped (`'*'`)."""
    integration = method.get("methodIntegration") or {}
    for response in (integration.get("integrationResponses") or {}).values():
        for name, value in (response.get("responseParameters") or {}).items():
            if name.lower() == f"method.response.header.{ORIGIN}":
                return str(value)
    return ""


async def _http_api(aws: Aws, logical_id: str, api_id: str, plans: Sequence[Plan]) -> Api:
    document = await aws.call(_V2, "GetApi", {"ApiId": api_id})
    authorizers = (await aws.call(_V2, "GetAuthorizers", {"ApiId": api_id}))["Items"]
    by_id = {each["AuthorizerId"]: each for each in authorizers}
    return Api(logical_id, "HTTP", _by_stage(plans), _each_once(plans), document, by_id)


async def _pool(aws: Aws, pool: TrustedPool) -> Pool:
    key = {"UserPoolId": pool.pool_id}
    servers: list[Mapping[str, Any]] = []
    request: dict[str, Any] = {**key, "MaxResults": 50}
    while request:
        page = await aws.call(_IDP, "ListResourceServers", request)
        servers += page["ResourceServers"]
        request = {**request, "NextToken": page["NextToken"]} if page.get("NextToken") else {}
    listed: list[Mapping[str, Any]] = []
    request = {**key, "MaxResults": 60}
    while request:
        page = await aws.call(_IDP, "ListUserPoolClients", request)
        listed += page["UserPoolClients"]
        request = {**request, "NextToken": page["NextToken"]} if page.get("NextToken") else {}
    clients = {}
    for each in listed:
        answer = await aws.call(_IDP, "DescribeUserPoolClient", {**key, "ClientId": each["ClientId"]})
        clients[each["ClientId"]] = answer["UserPoolClient"]
    scopes = (f"{server['Identifier']}/{one['ScopeName']}" for server in servers for one in server.get("Scopes") or ())
    return Pool(pool.pool_id, frozenset(scopes), clients)


def overview(look: Look) -> Iterator[dict[str, Any]]:
    """The routes of each API and stage, as tables show them."""
    named = look.places.named
    for api in look.apis:
        name = str(api.document.get("name") or api.document.get("Name") or "")
        for stage, plans in sorted(api.stages.items()):
            yield {
                "api": api.logical_id,
                "name": named(name),
                "kind": api.kind,
                "stage": stage,
                "routes": [
                    {
                        "method": plan.method,
                        "path": plan.path,
                        "authorizer": plan.authorizer,
                        "scopes": list(plan.scopes),
                        "integration": named(plan.integration),
                        "closed": named(plan.closed),
                        "line": look.template.line_of(look.of_route(api, plan).path),
                    }
                    for plan in plans
                    if plan.path
                ],
            }


def type_of(authorizer: Mapping[str, Any]) -> str:
    return str(authorizer.get("type") or authorizer.get("AuthorizerType") or "")


def name_of(authorizer: Mapping[str, Any]) -> str:
    return str(authorizer.get("name") or authorizer.get("Name") or "")


def is_preflight(api: Api, plan: Plan) -> bool:
    """Whether the route is there for preflight requests: REST APIs answer them by a method of their own."""
    return plan.method == "OPTIONS" and (api.kind == "HTTP" or plan.path in api.preflights)
