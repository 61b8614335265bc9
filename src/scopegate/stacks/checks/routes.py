"""Judges of routes: who may call them, with which scopes and audiences."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scopegate.ports import Plan
from scopegate.stacks.checks.look import Api, Look, is_preflight, name_of
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import Finding
from scopegate.stacks.checks.snippets import allowing_client, api_guarded, defining_server, guarded, some_scope

_STANDARD_SCOPES: Final = frozenset({"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"})


def judge_closed(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        for plans in api.stages.values():
            for plan in plans:
                if plan.closed:
                    place = look.of_route(api, plan)
                    message = f"{plan.method} {plan.path} is closed, every call is refused: {plan.closed}"
                    yield look.finding("closed-route", message, place)


def judge_open(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        if _has_strict_policy(api):
            continue
        routes = [plan for plan in api.plans if not is_preflight(api, plan)]
        is_open = [plan for plan in routes if plan.authorizer == "open" and not plan.closed]
        if len(is_open) > 1 and len(is_open) == len(routes):
            place = look.places.of_resource(api.logical_id)
            shown = ", ".join(f"{plan.method} {plan.path}" for plan in is_open)
            message = f"every route of {api.logical_id} is open, anybody may call it: {shown}"
            yield look.finding("open-route", message, place, api_guarded(look, api, some_scope(look)))
            continue
        for plan in is_open:
            place = look.of_route(api, plan)
            snippet = guarded(look, api, place, some_scope(look))
            message = f"{plan.method} {plan.path} is open, anybody may call it"
            yield look.finding("open-route", message, place, snippet)


def _has_strict_policy(api: Api) -> bool:
    """Whether a resource policy says more of callers than that they are welcome."""
    policy = str(api.document.get("policy") or "")
    return "Condition" in policy or "Deny" in policy


def judge_scopes(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        for plan in api.plans:
            pools = look.pools_of(plan)
            if plan.closed or not pools or len(pools) < len({*plan.pools, *plan.issuers} - _issuers(look, plan)):
                continue
            place = look.of_route(api, plan)
            defined = frozenset[str]().union(*(pool.scopes for pool in pools)) | _STANDARD_SCOPES
            machines = [client_id for pool in pools for client_id in pool.machine_clients]
            if not plan.scopes and plan.authorizer.startswith("COGNITO_USER_POOLS") and machines:
                clients = ", ".join(sorted(look.places.logical_id(each) or each for each in machines))
                message = (
                    f"{plan.method} {plan.path} asks for no scope, so it takes ID tokens alone; "
                    f"tokens that {clients} gets by client_credentials are refused"
                )
                snippet = guarded(look, api, place, some_scope(look, plan), plan.authorizer_id)
                yield look.finding("unscoped-method", message, place, snippet)
            unknown = [scope for scope in plan.scopes if scope not in defined]
            for scope in unknown:
                yield _undefined_scope(look, api, plan, place, scope, defined)
            allowed = {one for pool in pools for client in pool.clients.values() for one in _scopes_of(client)}
            if plan.scopes and not unknown and not allowed & set(plan.scopes):
                message = f"no app client may ask for {' or '.join(plan.scopes)}, so nobody can call "
                yield look.finding(
                    "unreachable-route",
                    f"{message}{plan.method} {plan.path}",
                    place,
                    allowing_client(look, pools[0], plan.scopes[0]),
                )


def _issuers(look: Look, plan: Plan) -> set[str]:
    """Names of pools that a plan has twice: by ARN, and by the issuer that was found for it."""
    pools = (look.ports.find_pool(arn) for arn in plan.pools)
    return {pool.issuer for pool in pools if pool is not None}


def _scopes_of(client: Mapping[str, Any]) -> Sequence[str]:
    return client.get("AllowedOAuthScopes") or () if client.get("AllowedOAuthFlowsUserPoolClient") else ()


def _undefined_scope(look: Look, api: Api, plan: Plan, place: Place, scope: str, defined: frozenset[str]) -> Finding:
    nearest = difflib.get_close_matches(scope, sorted(defined), 1)
    known = ", ".join(sorted(defined - _STANDARD_SCOPES)) or "none"
    hint = f"did you mean {nearest[0]}?" if nearest else f"they define: {known}"
    message = f"{plan.method} {plan.path} asks for {scope}, which no resource server defines; {hint}"
    written = look.places.of_text(scope, near=place, api=api.logical_id)
    if nearest:
        right = [nearest[0] if each == scope else each for each in plan.scopes]
        if written is not None and isinstance(written[-1], int):
            listed = look.places.value(written[:-1])
            snippet = look.places.snippet(written[:-1], [nearest[0] if each == scope else each for each in listed])
        else:
            snippet = guarded(look, api, place, right, plan.authorizer_id)
    else:
        snippet = defining_server(look, scope)
    return look.finding("undefined-scope", message, place, snippet, written or ())


def judge_audiences(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        seen: set[str] = set()
        for plan in api.plans:
            if plan.authorizer_id in seen or not plan.audiences:
                continue
            seen.add(plan.authorizer_id)
            place = look.of_authorizer(api, plan.authorizer_id)
            name = name_of(api.authorizers.get(plan.authorizer_id, {}))
            for issuer in plan.issuers:
                pool = look.ports.find_pool(issuer)
                if pool is None:
                    message = f"authorizer {name} trusts {issuer}, which is no user pool here: not looked at"
                    yield look.finding("foreign-issuer", message, place)
                    continue
                clients = [look.places.logical_id(each) for each in look.pools[pool.pool_id].clients]
                for audience in plan.audiences:
                    if audience in pool.client_ids:
                        continue
                    message = f"authorizer {name} asks for the audience {audience}, which is the id of no app client"
                    written = look.places.of_text(audience, near=place, api=api.logical_id)
                    at = written or look.template.find_key("audience", *place.path)
                    snippet = ""
                    if known := sorted(filter(None, clients)):
                        where = at[:-1] if isinstance(at[-1], int) else at
                        snippet = look.places.snippet(where, [{"Ref": each} for each in known])
                    yield look.finding("unknown-audience", message, place, snippet, at)


def judge_what_is_not_acted_on(look: Look) -> Iterator[Finding]:
    told = re.compile(r"^(user pool|issuer|audience) ")
    for api in look.apis:
        where: dict[str, list[Plan]] = {}
        for plan in api.plans:
            for warning in plan.warnings:
                if not told.match(warning):
                    where.setdefault(warning, []).append(plan)
        for warning, plans in where.items():
            is_everywhere = len(plans) > 1
            place = look.places.of_resource(api.logical_id) if is_everywhere else look.of_route(api, plans[0])
            what = api.logical_id if is_everywhere else f"{plans[0].method} {plans[0].path}"
            yield look.finding("not-acted-on", f"{what}: {warning}", place)
