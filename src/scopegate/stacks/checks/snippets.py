"""YAML that mends a finding, in the words of the place where it goes."""

from collections.abc import Sequence
from typing import Any

from scopegate.ports import Plan
from scopegate.stacks.checks.look import USER_POOL, Api, Look, Pool, name_of, type_of
from scopegate.stacks.checks.places import Place
from scopegate.stacks.read import Path


def guarded(look: Look, api: Api, place: Place, scopes: Sequence[str], authorizer_id: str = "") -> str:
    """What asks for scopes at the place of a route, with an authorizer where the API has none that takes them.

    authorizer_id: of the route's own authorizer, "" takes any.
    """
    found = _authorizer(look, api, authorizer_id)
    name, reference = found or ("pool", {"Ref": "Authorizer"})
    more = () if found else (_new_authorizer(look, api, place),)
    wanted = list(scopes)
    match place.form:
        case "event" if found:
            said: Any = {"Authorizer": name, "AuthorizationScopes": wanted}
            return look.places.snippet((*place.path, "Properties", "Auth"), said)
        case "method" | "route":
            kind = "JWT" if api.kind == "HTTP" else "COGNITO_USER_POOLS"
            said = {"AuthorizationType": kind, "AuthorizerId": reference, "AuthorizationScopes": wanted}
            return look.places.snippet((*place.path, "Properties"), said, *more)
        case "operation":
            return look.places.snippet((*place.path, "security"), [{name: wanted}], *more)
    return api_guarded(look, api)


def api_guarded(look: Look, api: Api) -> str:
    """What guards an API as a whole, in the words of its type."""
    return look.places.snippet(*_new_authorizer(look, api, look.places.of_resource(api.logical_id)))


def _new_authorizer(look: Look, api: Api, place: Place) -> tuple[Path, Any]:
    """An authorizer that takes scopes: where it goes, and what is said there. place: of what it is to guard."""
    owner = look.places.of_resource(api.logical_id).owners[0]
    pool = _first(look, USER_POOL) or "UserPool"
    arn: Any = {"Fn::GetAtt": f"{pool}.Arn"}
    issuer: Any = {"Fn::Sub": f"https://cognito-idp.${{AWS::Region}}.amazonaws.com/${{{pool}}}"}
    audience: Any = [{"Ref": _first(look, "AWS::Cognito::UserPoolClient") or "AppClient"}]
    if look.places.is_document:  # it has no resources to refer to
        arn = "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/POOL_ID"
        issuer, audience = "https://cognito-idp.REGION.amazonaws.com/POOL_ID", ["CLIENT_ID"]
    jwt = {"issuer": issuer, "audience": audience}
    source = "$request.header.Authorization"
    is_http = api.kind == "HTTP"
    if place.form == "operation":
        scheme: dict[str, Any] = {"type": "apiKey", "name": "Authorization", "in": "header"}
        extension: dict[str, Any] = {"type": "cognito_user_pools", "providerARNs": [arn]}
        if is_http:
            scheme, extension = {"type": "oauth2"}, {"type": "jwt", "identitySource": source, "jwtConfiguration": jwt}
        else:
            scheme["x-amazon-apigateway-authtype"] = "cognito_user_pools"
        document = place.path[: place.path.index("paths")]
        is_swagger = look.places.value((*document, "swagger")) is not None
        schemes = ("securityDefinitions",) if is_swagger else ("components", "securitySchemes")
        return (*document, *schemes, "pool"), {**scheme, "x-amazon-apigateway-authorizer": extension}
    if look.places.kind(owner) in ("", "AWS::Serverless::Api", "AWS::Serverless::HttpApi"):
        authorizer: Any = {"IdentitySource": source, "JwtConfiguration": jwt} if is_http else {"UserPoolArn": arn}
        authorizer["AuthorizationScopes"] = some_scope(look, api)
        where = ("Resources", owner, "Properties") if owner else ("Globals", "HttpApi" if is_http else "Api")
        return (*where, "Auth"), {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": authorizer}}
    properties: dict[str, Any] = {"Name": "pool"}
    if is_http:
        properties |= {"ApiId": {"Ref": api.logical_id}, "AuthorizerType": "JWT", "IdentitySource": [source]}
        properties["JwtConfiguration"] = {"Issuer": issuer, "Audience": audience}
    else:
        properties |= {"RestApiId": {"Ref": api.logical_id}, "Type": "COGNITO_USER_POOLS"}
        properties |= {"IdentitySource": "method.request.header.Authorization", "ProviderARNs": [arn]}
    kind = "AWS::ApiGatewayV2::Authorizer" if is_http else "AWS::ApiGateway::Authorizer"
    return ("Resources", "Authorizer"), {"Type": kind, "Properties": properties}


def scoped_authorizer(look: Look, api: Api, authorizer_id: str) -> str:
    """Scopes for all methods of an authorizer at once, where its place takes some; else ""."""
    place = look.of_authorizer(api, authorizer_id)
    if place.form != "authorizer" or "Auth" not in place.path:
        return ""
    return look.places.snippet((*place.path, "AuthorizationScopes"), some_scope(look, api))


def _authorizer(look: Look, api: Api, authorizer_id: str) -> tuple[str, Any] | None:
    """An authorizer of the API that takes scopes: its name, and how a method refers to it."""
    for found, document in sorted(api.authorizers.items(), key=lambda pair: name_of(pair[1])):
        if found == authorizer_id or (not authorizer_id and type_of(document) in ("COGNITO_USER_POOLS", "JWT")):
            return name_of(document), {"Ref": look.places.logical_id(found) or "Authorizer"}
    return None


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
