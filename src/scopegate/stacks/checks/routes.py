"""Judges of routes: who may call them, with which scopes and audiences."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scopegate.ports import Plan
from scopegate.stacks.checks.look import Api, Look, Pool, is_preflight, name_of
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import Finding
from scopegate.stacks.checks.snippets import (
    allowing_client,
    api_guarded,
    defining_server,
    guarded,
    scoped_authorizer,
    some_scope,
)
from scopegate.stacks.read import Path

_STANDARD_SCOPES: Final = frozenset({"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"})
_TOLD_BY_OTHERS: Final = re.compile(r"(?:user pool|issuer|audience) ")
_BREAKS: Final = "every call is answered 500"


def judge_closed(look: Look) -> Iterator[Finding]:
    for api in look.apis:
        for plans in api.stages.values():
            for plan in plans:
                if plan.closed:
                    message = f"{_named(plan)} is closed, every call is refused: {plan.closed}"
                    yield look.finding("closed-route", message, look.of_route(api, plan))


def _named(*plans: Plan) -> str:
    first = f"{plans[0].method} {plans[0].path}"
    return first if len(plans) == 1 else f"{first} and {len(plans) - 1} more"


def judge_open(look: Look) -> Iterator[Finding]:
    """An API that is open as a whole is told of once."""
    for api in look.apis:
        if _has_strict_policy(api):
            continue
        routes = [plan for plan in api.plans if not is_preflight(api, plan)]
        is_open = [plan for plan in routes if plan.authorizer == "open" and not plan.closed]
        if len(is_open) > 1 and len(is_open) == len(routes):
            place = look.places.of_resource(api.logical_id)
            shown = ", ".join(map(_named, is_open))
            message = f"every route of {api.logical_id} is open, anybody may call it: {shown}"
            first = look.of_route(api, is_open[0])
            at = () if place.form == "api" else first.path
            is_document = look.places.is_document  # there a route is guarded, never a resource
            mended = guarded(look, api, first, some_scope(look, api)) if is_document else api_guarded(look, api)
            yield look.finding("open-route", message, place, mended, at)
            continue
        for plan in is_open:
            place = look.of_route(api, plan)
            snippet = guarded(look, api, place, some_scope(look, api))
            yield look.finding("open-route", f"{_named(plan)} is open, anybody may call it", place, snippet)


def _has_strict_policy(api: Api) -> bool:
    """Whether a resource policy says more of callers than that they are welcome."""
    policy = str(api.document.get("policy") or "")
    return "Condition" in policy or "Deny" in policy


def judge_scopes(look: Look) -> Iterator[Finding]:
    """Of routes whose user pools are all known: what no token of theirs can have, and what none is given."""
    for api in look.apis:
        known = [(plan, look.pools_of(plan)) for plan in api.plans if not plan.closed]
        known = [(plan, pools) for plan, pools in known if pools and not look.unknown_issuers(plan)]
        yield from _unscoped(look, api, known)
        yield from _undefined(look, api, known)
        yield from _unreachable(look, api, known)


_Known = Sequence[tuple[Plan, Sequence[Pool]]]
"""Routes, and the user pools whose tokens they take."""


def _unscoped(look: Look, api: Api, known: _Known) -> Iterator[Finding]:
    by_authorizer: dict[str, list[Plan]] = {}
    clients: dict[str, set[str]] = {}
    for plan, pools in known:
        machines = {client_id for pool in pools for client_id in pool.machine_clients}
        if not plan.scopes and plan.authorizer.startswith("COGNITO_USER_POOLS") and machines:
            by_authorizer.setdefault(plan.authorizer_id, []).append(plan)
            clients.setdefault(plan.authorizer_id, set()).update(machines)
    for authorizer_id, plans in by_authorizer.items():
        named = ", ".join(sorted(map(look.places.named, clients[authorizer_id])))
        says = f"no scope, so ID tokens alone pass; what {named} gets by client_credentials is refused"
        at_once = scoped_authorizer(look, api, authorizer_id) if len(plans) > 1 else ""
        if at_once:
            place = look.of_authorizer(api, authorizer_id)
            yield look.finding("unscoped-method", f"{_named(*plans)} ask for {says}", place, at_once)
            continue
        for plan in plans:
            place = look.of_route(api, plan)
            snippet = guarded(look, api, place, some_scope(look, api, plan), authorizer_id)
            yield look.finding("unscoped-method", f"{_named(plan)} asks for {says}", place, snippet)


def _undefined(look: Look, api: Api, known: _Known) -> Iterator[Finding]:
    """Each scope once for each place where it is written."""
    found: dict[tuple[str, Path], list[Plan]] = {}
    defined = {scope for _, pools in known for pool in pools for scope in pool.scopes}
    for plan, pools in known:
        its_own = _STANDARD_SCOPES.union(*(pool.scopes for pool in pools))
        for scope in plan.scopes:
            if scope not in its_own:
                written = look.places.of_text(scope, near=look.of_route(api, plan), api=api.logical_id)
                found.setdefault((scope, written or ()), []).append(plan)
    for (scope, written), plans in found.items():
        nearest = difflib.get_close_matches(scope, sorted(defined), 1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"they define: {', '.join(sorted(defined)) or 'none'}"
        message = f"{_named(*plans)}: no resource server defines the scope {scope}; {hint}"
        place = look.of_route(api, plans[0])
        if not nearest:
            snippet = defining_server(look, scope)
        elif written and isinstance(written[-1], int):
            snippet = look.places.snippet(written, nearest[0])
        else:
            right = [nearest[0] if each == scope else each for each in plans[0].scopes]
            snippet = guarded(look, api, place, right, plans[0].authorizer_id)
        yield look.finding("undefined-scope", message, place, snippet, written)


def _unreachable(look: Look, api: Api, known: _Known) -> Iterator[Finding]:
    by_scopes: dict[tuple[str, ...], list[Plan]] = {}
    pool_of: dict[tuple[str, ...], Pool] = {}
    for plan, pools in known:
        defined = {scope for pool in pools for scope in pool.scopes} & set(plan.scopes)
        allowed = {scope for pool in pools for client in pool.clients.values() for scope in _scopes_of(client)}
        if defined and not allowed & set(plan.scopes):
            by_scopes.setdefault(plan.scopes, []).append(plan)
            pool_of[plan.scopes] = pools[0]
    for scopes, plans in by_scopes.items():
        message = f"no app client may ask for {' or '.join(scopes)}, so nobody can call {_named(*plans)}"
        place = look.of_route(api, plans[0])
        yield look.finding("unreachable-route", message, place, allowing_client(look, pool_of[scopes], scopes[0]))


def _scopes_of(client: Mapping[str, Any]) -> Sequence[str]:
    return client.get("AllowedOAuthScopes") or () if client.get("AllowedOAuthFlowsUserPoolClient") else ()


def judge_issuers(look: Look) -> Iterator[Finding]:
    """Each authorizer once: whom it trusts, and whether that can be looked at."""
    for api in look.apis:
        for plan in {plan.authorizer_id: plan for plan in api.plans if plan.authorizer_id}.values():
            place = look.of_authorizer(api, plan.authorizer_id)
            name = name_of(api.authorizers.get(plan.authorizer_id, {}))
            for trusted in look.unknown_issuers(plan):
                message = f"authorizer {name} trusts {trusted}, which is no user pool of the template: not looked at"
                yield look.finding("foreign-issuer", message, place)
            yield from _unknown_audiences(look, api, plan, place, name)


def _unknown_audiences(look: Look, api: Api, plan: Plan, place: Place, name: str) -> Iterator[Finding]:
    pools = [pool for pool in map(look.ports.find_pool, plan.issuers) if pool is not None]
    for audience in plan.audiences:
        if not pools or any(audience in pool.client_ids for pool in pools):
            continue
        message = f"authorizer {name} asks for the audience {audience}, which is the id of no app client"
        written = look.places.of_text(audience, near=place, api=api.logical_id)
        at = written or look.template.find_key("audience", *place.path)
        known = sorted(filter(None, map(look.places.logical_id, look.pools[pools[0].pool_id].clients)))
        right: list[dict[str, str]] = [{"Ref": each} for each in known]
        snippet = look.places.snippet(at[:-1] if isinstance(at[-1], int) else at, right) if known else ""
        yield look.finding("unknown-audience", message, place, snippet, at)


def judge_what_is_not_acted_on(look: Look) -> Iterator[Finding]:
    """What plans warn of beside all this; once for each API."""
    for api in look.apis:
        where: dict[str, list[Plan]] = {}
        for plan in api.plans:
            for warning in plan.warnings:
                if not _TOLD_BY_OTHERS.match(warning):
                    where.setdefault(warning, []).append(plan)
        for warning, plans in where.items():
            place = look.places.of_resource(api.logical_id) if len(plans) > 1 else look.of_route(api, plans[0])
            rule = "broken-integration" if _BREAKS in warning else "not-acted-on"
            yield look.finding(rule, f"{_named(*plans)}: {warning}", place)
