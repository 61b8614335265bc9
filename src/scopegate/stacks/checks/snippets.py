"""YAML that mends a finding, in the words of the place where it goes."""

from collections.abc import Sequence
from typing import Any

from scopegate.ports import Plan
from scopegate.stacks.checks.look import USER_POOL, Api, Look, Pool, name_of, type_of
from scopegate.stacks.checks.places import Place


def guarded(look: Look, api: Api, place: Place, scopes: Sequence[str], authorizer_id: str = "") -> str:
    """What asks for scopes at the place of a route. authorizer_id: of the route's own authorizer, "" takes any."""
    name, reference = _authorizer(look, api, authorizer_id)
    wanted = list(scopes)
    kind = "JWT" if api.kind == "HTTP" else "COGNITO_USER_POOLS"
    match place.form:
        case "event":
            said: Any = {"Auth": {"Authorizer": name, "AuthorizationScopes": wanted}}
            return look.places.snippet((*place.path, "Properties"), said)
        case "method" | "route":
            said = {"AuthorizationType": kind, "AuthorizerId": reference, "AuthorizationScopes": wanted}
            return look.places.snippet((*place.path, "Properties"), said)
        case "operation":
            return look.places.snippet((*place.path, "security"), [{name: wanted}])
    return api_guarded(look, api)


def api_guarded(look: Look, api: Api) -> str:
    """What guards an API as a whole, in the words of its type."""
    place = look.places.of_resource(api.logical_id)
    owner = place.owners[0]
    scopes = some_scope(look, api)
    pool = _first(look, USER_POOL) or "UserPool"
    arn = {"Fn::GetAtt": f"{pool}.Arn"}
    issuer = {"Fn::Sub": f"https://cognito-idp.${{AWS::Region}}.amazonaws.com/${{{pool}}}"}
    audience = [{"Ref": _first(look, "AWS::Cognito::UserPoolClient") or "AppClient"}]
    source = "$request.header.Authorization"
    if look.places.kind(owner) in ("", "AWS::Serverless::Api", "AWS::Serverless::HttpApi"):
        authorizer: dict[str, Any] = {"UserPoolArn": arn}
        if api.kind == "HTTP":
            jwt = {"issuer": issuer, "audience": audience}
            authorizer = {"IdentitySource": source, "JwtConfiguration": jwt}
        auth = {
            "DefaultAuthorizer": "Pool",
            "Authorizers": {"Pool": {**authorizer, "AuthorizationScopes": scopes}},
        }
        where = ("Resources", owner, "Properties") if owner else ("Globals", "HttpApi" if api.kind == "HTTP" else "Api")
        return look.places.snippet((*where, "Auth"), auth)
    if api.kind == "HTTP":
        properties: dict[str, Any] = {
            "ApiId": {"Ref": api.logical_id},
            "Name": "pool",
            "AuthorizerType": "JWT",
            "IdentitySource": [source],
            "JwtConfiguration": {"Issuer": issuer, "Audience": audience},
        }
        made = {"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": properties}
        return look.places.snippet(("Resources", "Authorizer"), made)
    properties = {
        "RestApiId": {"Ref": api.logical_id},
        "Name": "pool",
        "Type": "COGNITO_USER_POOLS",
        "IdentitySource": "method.request.header.Authorization",
        "ProviderARNs": [arn],
    }
    made = {"Type": "AWS::ApiGateway::Authorizer", "Properties": properties}
    return look.places.snippet(("Resources", "Authorizer"), made)


def scoped_authorizer(look: Look, api: Api, authorizer_id: str) -> str:
    """Scopes for all methods of an authorizer at once, where its place takes some; else ""."""
    place = look.of_authorizer(api, authorizer_id)
    if place.form != "authorizer" or "Auth" not in place.path:
        return ""
    return look.places.snippet((*place.path, "AuthorizationScopes"), some_scope(look, api))


def _authorizer(look: Look, api: Api, authorizer_id: str = "") -> tuple[str, Any]:
    """An authorizer of the API: its name, and how a method refers to it."""
    takes_scopes = ("COGNITO_USER_POOLS", "JWT")
    fitting = [
        (found, each)
        for found, each in sorted(api.authorizers.items(), key=lambda pair: str(pair[1].get("name")))
        if found == authorizer_id or (not authorizer_id and type_of(each) in takes_scopes)
    ]
    if not fitting:
        return "Authorizer", {"Ref": "Authorizer"}
    found, document = fitting[0]
    return name_of(document), {"Ref": look.places.logical_id(found) or "Authorizer"}


def _first(look: Look, kind: str) -> str:
    """The logical id of the first resource of a type, "" when there is none."""
    return next((name for name, made in look.stack.resources.items() if made.type == kind), "")


def some_scope(look: Look, api: Api, plan: Plan | None = None) -> list[str]:
    """A scope to show: one that the API asks for elsewhere, or that the route's pools define, or any pool."""
    pools = look.pools_of(plan) if plan is not None else list(look.pools.values())
    defined = sorted(scope for pool in pools for scope in pool.scopes)
    used = {scope for each in api.plans for scope in each.scopes}
    asked = [scope for scope in defined if scope in used] or (sorted(used) if not pools else [])
    return (asked or defined or ["service/read"])[:1]


def defining_server(look: Look, scope: str) -> str:
    """The resource server that defines a scope: the one that there is, with one scope more, or a new one."""
    identifier, _, name = scope.rpartition("/")
    wanted = {"ScopeName": name, "ScopeDescription": name.capitalize()}
    for logical_id, made in look.stack.resources.items():
        if made.type == "AWS::Cognito::UserPoolResourceServer" and made.properties["Identifier"] == identifier:
            scopes = [*(made.properties.get("Scopes") or ()), wanted]
            return look.places.snippet(("Resources", logical_id, "Properties", "Scopes"), scopes)
    properties = {
        "UserPoolId": {"Ref": _first(look, USER_POOL) or "UserPool"},
        "Identifier": identifier or "service",
        "Name": identifier or "service",
        "Scopes": [wanted],
    }
    server = {"Type": "AWS::Cognito::UserPoolResourceServer", "Properties": properties}
    return look.places.snippet(("Resources", "ResourceServer"), server)


def allowing_client(look: Look, pool: Pool, scope: str) -> str:
    for client_id, client in sorted(pool.clients.items(), key=lambda pair: str(pair[1].get("ClientName"))):
        logical_id = look.places.logical_id(client_id)
        if logical_id:
            scopes = [*(client.get("AllowedOAuthScopes") or ()), scope]
            return look.places.snippet(("Resources", logical_id, "Properties", "AllowedOAuthScopes"), scopes)
    return ""
