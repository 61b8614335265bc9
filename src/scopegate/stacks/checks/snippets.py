"""YAML that mends a finding, in the words of the place where it goes."""

from collections.abc import Sequence
from typing import Any

from scopegate.ports import Plan
from scopegate.stacks.checks.look import Api, Look, Pool, name_of, type_of
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
    return api_guarded(look, api, scopes)


def api_guarded(look: Look, api: Api, scopes: Sequence[str]) -> str:
    """What guards an API as a whole, in the words of its type."""
    pool = next((name for name, made in look.stack.resources.items() if made.type == "AWS::Cognito::UserPool"), "")
    arn = {"Fn::GetAtt": f"{pool or 'UserPool'}.Arn"}
    issuer = f"https://cognito-idp.${{AWS::Region}}.amazonaws.com/${{{pool or 'UserPool'}}}"
    jwt = {"Issuer": {"Fn::Sub": issuer}, "Audience": [{"Ref": _client(look) or "AppClient"}]}
    where = look.places.of_resource(api.logical_id)
    properties = ("Resources", where.owners[0] or api.logical_id, "Properties")
    match look.places.kind(where.owners[0]):
        case "AWS::Serverless::Api":
            authorizer: Any = {"UserPoolArn": arn, "AuthorizationScopes": list(scopes)}
        case "AWS::Serverless::HttpApi":
            lowered = {"issuer": jwt["Issuer"], "audience": jwt["Audience"]}
            authorizer = {
                "AuthorizationScopes": list(scopes),
                "IdentitySource": "$request.header.Authorization",
                "JwtConfiguration": lowered,
            }
        case "AWS::ApiGatewayV2::Api":
            made: Any = {"ApiId": {"Ref": api.logical_id}, "Name": "pool", "AuthorizerType": "JWT"}
            made |= {"IdentitySource": ["$request.header.Authorization"], "JwtConfiguration": jwt}
            return look.places.snippet(
                ("Resources", "Authorizer"), {"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": made}
            )
        case "AWS::ApiGateway::RestApi":
            made = {"RestApiId": {"Ref": api.logical_id}, "Name": "pool", "Type": "COGNITO_USER_POOLS"}
            made |= {"IdentitySource": "method.request.header.Authorization", "ProviderARNs": [arn]}
            return look.places.snippet(
                ("Resources", "Authorizer"), {"Type": "AWS::ApiGateway::Authorizer", "Properties": made}
            )
        case _:
            authorizer, kind = {"UserPoolArn": arn, "AuthorizationScopes": list(scopes)}, "Api"
            auth = {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": authorizer}}
            return look.places.snippet(("Globals", kind, "Auth"), auth)
    auth = {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": authorizer}}
    return look.places.snippet((*properties, "Auth"), auth)


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


def _client(look: Look) -> str:
    kinds = ((name, made.type) for name, made in look.stack.resources.items())
    return next((name for name, kind in kinds if kind == "AWS::Cognito::UserPoolClient"), "")


def some_scope(look: Look, plan: Plan | None = None) -> list[str]:
    """A scope to show: one that the route's pools define, or any."""
    pools = look.pools_of(plan) if plan is not None else list(look.pools.values())
    return sorted(scope for pool in pools for scope in pool.scopes)[:1] or ["service/read"]


def defining_server(look: Look, scope: str) -> str:
    """The resource server that defines a scope: the one that there is, with one scope more, or a new one."""
    identifier, _, name = scope.rpartition("/")
    wanted = {"ScopeName": name, "ScopeDescription": name.capitalize()}
    for logical_id, made in look.stack.resources.items():
        if made.type == "AWS::Cognito::UserPoolResourceServer" and made.properties["Identifier"] == identifier:
            scopes = [*(made.properties.get("Scopes") or ()), wanted]
            return look.places.snippet(("Resources", logical_id, "Properties", "Scopes"), scopes)
    pools = (name for name, made in look.stack.resources.items() if made.type == "AWS::Cognito::UserPool")
    properties = {
        "UserPoolId": {"Ref": next(pools, "UserPool")},
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
