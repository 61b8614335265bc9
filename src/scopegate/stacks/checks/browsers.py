"""Judges of what browsers meet: preflight requests, and the headers of refusals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scopegate.stacks.checks.look import ORIGIN, Api, Look, is_preflight
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import Finding


def judge_cors(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        if api.kind == "HTTP":
            yield from judge_http_cors(look, api)
        elif api.preflights:
            yield from judge_rest_cors(look, api)


def judge_rest_cors(look: Look, api: Api) -> Iterator[Finding]:
    whole = look.places.of_resource(api.logical_id)
    guarded = [plan for plan in api.plans if is_preflight(api, plan) and plan.authorizer != "open"]
    for plan in guarded[:1]:
        place = look.of_route(api, plan)
        shown = ", ".join(each.path for each in guarded)
        message = f"preflight requests of {shown} meet {plan.authorizer}: browsers send them without a token"
        match place.form:
            case "method":
                snippet = look.places.snippet((*place.path, "Properties", "AuthorizationType"), "NONE")
            case "operation":
                snippet = look.places.snippet((*place.path, "security"), [])
            case _:
                auth = ("Resources", whole.owners[0], "Properties", "Auth")
                snippet = look.places.snippet((*auth, "AddDefaultAuthorizerToCorsPreflight"), value=False)
        yield look.finding("guarded-preflight", message, place, snippet)
    without = [kind for kind in ("DEFAULT_4XX", "DEFAULT_5XX") if not _has_origin(api.responses.get(kind))]
    if not without:
        return
    origin = min(api.preflights.values())
    message = f"{' and '.join(without)} of {api.logical_id} have no Access-Control-Allow-Origin: browsers hide refusals"
    cors = look.template.find_key("Cors", *whole.path)
    options = look.places.of_route(api.logical_id, "OPTIONS", min(api.preflights))
    at = options.path if cors == whole.path else cors
    yield look.finding("refusals-without-cors", message, whole, _cors_responses(look, api, without, origin), at)


def _has_origin(response: Mapping[str, Any] | None) -> bool:
    named = (response or {}).get("responseParameters") or {}
    return any(name.lower() == f"gatewayresponse.header.{ORIGIN}" for name in named)


def _cors_responses(look: Look, api: Api, kinds: Sequence[str], origin: str) -> str:
    whole = look.places.of_resource(api.logical_id)
    parameter = "gatewayresponse.header.Access-Control-Allow-Origin"
    if look.places.is_document or _has_body(look, api):
        where = look.template.find_key("paths", *whole.path)[:-1]
        said = {kind: {"responseParameters": {parameter: origin}} for kind in kinds}
        return look.places.snippet((*where, "x-amazon-apigateway-gateway-responses"), said)
    if look.places.kind(whole.owners[0]) == "AWS::Serverless::Api":
        headers = {"ResponseParameters": {"Headers": {"Access-Control-Allow-Origin": origin}}}
        at = ("Resources", whole.owners[0], "Properties", "GatewayResponses")
        return look.places.snippet(at, dict.fromkeys(kinds, headers))
    made = {
        f"Refusals{kind.removeprefix('DEFAULT_')}": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": api.logical_id},
                "ResponseType": kind,
                "ResponseParameters": {parameter: origin},
            },
        }
        for kind in kinds
    }
    return look.places.snippet(("Resources",), made)


def _has_body(look: Look, api: Api) -> bool:
    at = ("Resources", api.logical_id, "Properties")
    return any(isinstance(look.places.value((*at, member)), dict) for member in ("Body", "DefinitionBody"))


def judge_http_cors(look: Look, api: Api) -> Iterator[Finding]:
    """A route that takes OPTIONS is asked before the CORS configuration answers (reference, "HTTP CORS")."""
    if not api.document.get("CorsConfiguration"):
        return
    opened = {plan.path for plan in api.plans if plan.method == "OPTIONS" and plan.authorizer == "open"}
    for plan in api.plans:
        takes_options = plan.method in ("ANY", "OPTIONS") and plan.authorizer != "open" and not plan.closed
        if not takes_options or plan.path in opened or "/{proxy+}" in opened:
            continue
        place = look.of_route(api, plan)
        message = f"preflight requests of {plan.method} {plan.path} meet {plan.authorizer}, not the CORS configuration"
        path = "/{proxy+}" if plan.path == "$default" else plan.path
        yield look.finding("guarded-preflight", message, place, _open_options(look, api, place, path))


def _open_options(look: Look, api: Api, place: Place, path: str) -> str:
    """A route for preflight requests beside a guarded one."""
    match place.form:
        case "event":
            event = dict(look.places.value(place.path) or {})
            said = {**(event.get("Properties") or {}), "Method": "OPTIONS", "Path": path}
            properties = {**said, "Auth": {"Authorizer": "NONE"}}
            name = f"{place.path[-1]}Preflight"
            return look.places.snippet((*place.path[:-1], name), {"Type": "HttpApi", "Properties": properties})
        case "route":
            target = look.places.value((*place.path, "Properties", "Target"))
            properties = {"ApiId": {"Ref": api.logical_id}, "RouteKey": f"OPTIONS {path}"}
            properties |= {"Target": target} if target is not None else {}
            route = {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}
            return look.places.snippet(("Resources", f"{place.path[-1]}Preflight"), route)
        case "operation":
            operation = dict(look.places.value(place.path) or {})
            return look.places.snippet((*place.path[:-2], path, "options"), {**operation, "security": []})
    return ""
