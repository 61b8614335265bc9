"""Judges of functions that routes rely on: whether they exist and may be invoked, and what authorizers remember."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scopegate.base.names import find_arn
from scopegate.ports import Invocation, Plan
from scopegate.stacks.checks.look import Api, Look, name_of, type_of
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import Finding

_REST_TTL_S: Final = 300  # of an authorizer that names none (reference, "REST: Lambda authorizer", caching)
# The identity sources with which each method or route has answers of its own.
_TELLS_ROUTES_APART: Final = re.compile(r"context\.(routeKey|path|resourcePath|resourceId|httpMethod)\b")
_ASKS_FOR_ITSELF: Final = re.compile(
    r"[\"']?Resource[\"']?\s*[:=]\s*\[?\s*event\s*(?:\.|\[\s*[\"'])(?:methodArn|routeArn)\b(?!\s*[\"']?\s*\]?\s*[.\[])"
)
_ENDINGS: Final = (".py", ".mjs", ".js", ".cjs", ".ts")
_LONGEST_SOURCE: Final = 1_000_000
_LOOKS_AT_ROUTE: Final = re.compile(r"methodArn|routeArn|routeKey|rawPath|resourcePath|httpMethod|event[^\n]*\bpath\b")


def judge_functions(look: Look) -> Iterator[Finding]:
    """Each function once for each API and what is wrong with it; the routes that it concerns are named."""
    for api in look.apis:
        wrong: dict[tuple[str, str], list[tuple[Plan, Invocation]]] = {}
        for plan in api.plans:
            if plan.closed:
                continue
            for invocation in plan.invocations:
                if rule := _wrong_with(look, invocation):
                    wrong.setdefault((rule, invocation.function_arn), []).append((plan, invocation))
        for (rule, function_arn), concerned in wrong.items():
            yield _function_finding(look, api, rule, function_arn, concerned)


def _wrong_with(look: Look, invocation: Invocation) -> str:
    arn = find_arn(invocation.function_arn)
    if arn is None or (arn.account, arn.region) != (look.aws.account, look.aws.region):
        return "function-elsewhere"
    refusal = look.ports.find_refusal(invocation)
    if refusal is None:
        return ""
    by_code = {"ResourceNotFoundException": "function-missing", "AccessDeniedException": "function-not-permitted"}
    return by_code.get(refusal.code, "")


def _function_finding(
    look: Look, api: Api, rule: str, function_arn: str, concerned: Sequence[tuple[Plan, Invocation]]
) -> Finding:
    plan, invocation = concerned[0]
    function = function_arn.split(":", 6)[-1]
    is_authorizer = "/authorizers/" in (invocation.source_arn or "")
    place = look.of_authorizer(api, plan.authorizer_id) if is_authorizer else look.of_route(api, plan)
    routes = f"{plan.method} {plan.path}" + (f" and {len(concerned) - 1} more" if len(concerned) > 1 else "")
    what = f"the authorizer of {routes}" if is_authorizer else routes
    if rule == "function-elsewhere":
        return look.finding(rule, f"{what} invokes {function_arn}, of another account or region: not looked at", place)
    if rule == "function-missing":
        known = [name for name, made in look.stack.resources.items() if made.type == "AWS::Lambda::Function"]
        near = difflib.get_close_matches(function, known, 1)
        hint = f"; did you mean the function {near[0]}?" if near else ""
        return look.finding(rule, f"{what} invokes the function {function}, which does not exist{hint}", place)
    logical_id = look.logical_id_of_function(function_arn)
    written = sorted(
        name
        for name, made in look.stack.resources.items()
        if made.type == "AWS::Lambda::Permission" and function in str(made.properties.get("FunctionName"))
    )
    hint = f"; {', '.join(written)} does not cover it" if written else "; no AWS::Lambda::Permission lets it in"
    message = f"API Gateway may not invoke {logical_id or function} for {what}{hint}"
    source = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{{api.logical_id}}}/*"
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": logical_id} if logical_id else function_arn,
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": source},
        },
    }
    name = f"{logical_id or 'Function'}Permission"
    return look.finding(rule, message, place, look.places.snippet(("Resources", name), permission))


def judge_caches(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        for authorizer_id, authorizer in api.authorizers.items():
            asked = [plan for plan in api.plans if plan.authorizer_id == authorizer_id and not plan.closed]
            ttl_s = _remembered_s(api.kind, authorizer)
            if len(asked) < 2 or not ttl_s:
                continue
            names_one = _answers_for_one_route(look, authorizer, asked[0])
            if names_one is False:
                continue
            place = look.of_authorizer(api, authorizer_id)
            said = "names the one method that is called" if names_one else "may be for the one route that is called"
            message = (
                f"authorizer {name_of(authorizer)} is remembered for {ttl_s} s and decides over {len(asked)} routes, "
                f"but what its function answers {said}"
            )
            yield look.finding("cached-policy", message, place, _without_cache(look, api, authorizer, place))


def _remembered_s(kind: str, authorizer: Mapping[str, Any]) -> int:
    """How long an answer of a Lambda authorizer is used for other routes as well; 0 for never."""
    if type_of(authorizer) not in ("TOKEN", "REQUEST"):
        return 0
    if kind == "REST":
        sources = str(authorizer.get("identitySource") or "")
        ttl_s = authorizer.get("authorizerResultTtlInSeconds", _REST_TTL_S)
    else:
        sources = " ".join(authorizer.get("IdentitySource") or ())
        ttl_s = authorizer.get("AuthorizerResultTtlInSeconds", 0)
    has_source = bool(sources) or type_of(authorizer) == "TOKEN"
    return int(ttl_s or 0) if has_source and not _TELLS_ROUTES_APART.search(sources) else 0


def _answers_for_one_route(look: Look, authorizer: Mapping[str, Any], plan: Plan) -> bool | None:
    """What the source of the authorizer's function says; None when it is not here or does not say."""
    uri = str(authorizer.get("authorizerUri") or authorizer.get("AuthorizerUri") or "")
    asked = (each.function_arn for each in plan.invocations if each.function_arn in uri)
    source = _source_of(look, look.logical_id_of_function(next(asked, "")))
    if source is None:
        return None
    if _ASKS_FOR_ITSELF.search(source):
        return True
    return None if _LOOKS_AT_ROUTE.search(source) else False


def _source_of(look: Look, logical_id: str) -> str | None:
    """The text of a function's handler file, where it lies in the template or beside it."""
    made = look.stack.resources.get(logical_id)
    if made is None:
        return None
    code = made.properties.get("Code")
    if isinstance(code, dict) and isinstance(code.get("ZipFile"), str):
        return str(code["ZipFile"])
    folder = look.code.get((look.template.file, logical_id))
    module = str(made.properties.get("Handler", "")).rpartition(".")[0]
    if folder is None or not folder.is_dir() or not module:
        return None
    for name in (module, module.replace(".", "/")):
        for ending in _ENDINGS:
            path = folder / f"{name}{ending}"
            if path.is_file() and path.stat().st_size <= _LONGEST_SOURCE:
                return path.read_text(errors="replace")
    return None


def _without_cache(look: Look, api: Api, authorizer: Mapping[str, Any], place: Place) -> str:
    kind = look.places.kind(place.owners[0])
    name = name_of(authorizer)
    if place.form != "authorizer":
        return look.places.snippet((*place.path, "Properties", "AuthorizerResultTtlInSeconds"), 0)
    if kind.startswith("AWS::Serverless::") and "Auth" in place.path:
        path = ("Resources", place.owners[0], "Properties", "Auth", "Authorizers", name, "Identity", "ReauthorizeEvery")
        return look.places.snippet(path, 0)
    scheme = look.template.find_key("x-amazon-apigateway-authorizer", *place.path)
    return look.places.snippet((*scheme, "authorizerResultTtlInSeconds"), 0)
