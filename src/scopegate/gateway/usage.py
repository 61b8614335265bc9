"""API keys and usage plans: who may call a method that needs a key, how fast and how often.

A key is known by its value, in one account and region. Keys and plans are live: no deployment is needed.
How often a key called is counted by `meter.py`; how fast, in a token bucket of each process, as stages do it.
Source: reference, "REST: API keys and usage plans"; botocore, QuotaSettings (offset); attack row G21.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.model import (
    NO_USAGE,
    ApiCall,
    ApiKey,
    Document,
    Grant,
    Quota,
    Rate,
    RouteSpec,
    Step,
    Usage,
    UsagePlan,
)
from scopegate.ports import Use
from scopegate.store.sealing import Sealer

SEALED: Final = "sealedValue"
"""The member of a stored API key that holds its value, sealed."""

_DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()

Row = tuple[str, str, Document | None]
"""(kind, part id, document) of an account's part; None when it is there no more."""

log = structlog.get_logger()


# keys and plans, as they are stored


def seal_value(seal: Sealer, key_id: str, value: str) -> str:
    return base64.b64encode(seal.seal(value.encode(), _context(key_id))).decode()


def open_value(seal: Sealer, key: Mapping[str, Any]) -> str:
    return seal.open(base64.b64decode(key[SEALED]), _context(key["id"])).decode()


def _context(key_id: str) -> str:
    return f"api_key/{key_id}/value"


def compile_usage(rows: Iterable[Row], seal: Sealer, before: Usage = NO_USAGE) -> Usage:
    """The usage of an account in a region from its parts, or `before` with those that changed."""
    keys, plans = dict(before.key_by_id), dict(before.plan_by_id)
    for kind, part_id, document in sorted(rows, key=lambda row: row[0]):  # keys before their places in plans
        match kind:
            case "api_key":
                old = keys.pop(part_id, None)
                made = None if document is None else _compile_key(document, seal)
                if made is not None:
                    keys[part_id] = made if old is None else replace(made, plans=old.plans)
            case "usage_plan":
                plans.pop(part_id, None)
                if document is not None:
                    plans[part_id] = compile_plan(document)
            case "usage_plan_key":
                plan_id, _, key_id = part_id.partition(" ")
                if (key := keys.get(key_id)) is not None:
                    others = {one: grant for one, grant in key.plans.items() if one != plan_id}
                    own = {} if document is None else {plan_id: find_grant(document)}
                    keys[key_id] = replace(key, plans=others | own)
    return Usage({key.value: key for key in keys.values()}, keys, plans)


def _compile_key(document: Document, seal: Sealer) -> ApiKey | None:
    try:
        value = open_value(seal, document)
    except (InvalidTag, ValueError):
        log.exception("gateway.api_key_unreadable", key_id=document["id"])  # nobody gets in with it
        return None
    return ApiKey(document["id"], value, bool(document.get("enabled")))


def compile_plan(document: Document) -> UsagePlan:
    """A stored usage plan; its members were checked when they were set."""
    stages = {
        (one["apiId"], one["stage"]): {
            _method_key(key): rate for key, limits in (one.get("throttle") or {}).items() if (rate := _rate(limits))
        }
        for one in document["apiStages"]
    }
    quota = document.get("quota") or {}
    compiled = None
    if quota.get("limit") is not None:
        period = quota.get("period") or "DAY"
        set_on = int(document.get("quotaSetAt") or 0) // _DAY_S
        compiled = Quota(quota["limit"], period, quota.get("offset") or 0, start_of(period, set_on))
    return UsagePlan(document["id"], stages, _rate(document.get("throttle") or {}), compiled)


def _rate(limits: Mapping[str, Any]) -> Rate | None:
    rate, burst = limits.get("rateLimit"), limits.get("burstLimit")
    if rate is None and burst is None:
        return None
    # A limit given alone: the burst is a second's worth, one request at least.
    per_second = float(rate if rate is not None else burst or 0)
    return Rate(per_second, float(burst) if burst is not None else max(1.0, per_second))


def _method_key(key: str) -> str:
    """`/pets/GET`, of `~1pets/GET` and `pets/GET` as well."""
    path, _, verb = key.rpartition("/")
    return "/" + path.replace("~1", "/").strip("/") + f" {verb}"


def find_grant(link: Document) -> Grant | None:
    grant = link.get("grant")
    return None if grant is None else Grant(grant["since"], grant["calls"])


# periods


def day_of(moment: float) -> int:
    """Days since 1970-01-01, UTC."""
    return int(moment) // _DAY_S


@lru_cache(maxsize=256)
def start_of(period: str, day: int) -> int:
    """The day on which the period of `day` began: weeks on Sunday, months on the first."""
    match period:
        case "WEEK":
            return day - (day + 4) % 7  # 1970-01-01 was a Thursday
        case "MONTH":
            return date.fromordinal(_EPOCH + day).replace(day=1).toordinal() - _EPOCH
    return day


def date_of(day: int) -> str:
    return date.fromordinal(_EPOCH + day).isoformat()


def parse_date(text: str) -> int:
    """`YYYY-MM-DD` → day. Raises ValueError."""
    return date.fromisoformat(text).toordinal() - _EPOCH


def allowance(quota: Quota, grant: Grant | None, since: int) -> int:
    """How many calls a key has in the period that began on day `since`."""
    allowed = quota.limit - (quota.offset if since == quota.first else 0)
    return allowed + (grant.calls if grant is not None and grant.since == since else 0)


# a call


def compile_key(spec: RouteSpec, source: str) -> Step:
    """The step of a method that needs an API key. source: the API's `apiKeySource`.

    1 a key is shown, known and enabled; 2 one of its plans has this stage; 3 the plan's rate; 4 the plan's quota, which
    counts the call: one that is refused in 3 or 4 is not counted.
    """
    where = (spec.api_id, spec.stage_name)
    account, region = spec.account, spec.region
    any_verb = f"{spec.template} {spec.verb}"
    from_header = source != "AUTHORIZER"

    def find_value(call: ApiCall) -> str:
        if not from_header:
            return call.usage_key or ""
        values = call.request.all(b"x-api-key")
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def check(call: ApiCall) -> Awaitable[None] | None:
        usage = call.api.usage
        # 1
        value = find_value(call)
        key = usage.key_by_value.get(value) if value else None
        if key is None or not key.enabled:
            raise _invalid("an unknown or disabled API key" if value else "no API key, or several")
        call.record.facts["api_key"] = key.key_id
        # 2
        plan = _find_plan(usage, key, where)
        if plan is None:
            raise _invalid("no usage plan of the API key has this stage")
        call.record.facts["usage_plan"] = plan.plan_id
        call.api_key = key
        # 3
        rate, name = plan.rate, ""
        if rates := plan.stages[where]:
            name = f"{spec.template} {call.method}"
            own = rates.get(name) or rates.get(any_verb)
            rate, name = (rate, "") if own is None else (own, name)
        if rate is not None:
            bucket = (plan.plan_id, key.key_id, *where, name)
            take = call.edge.ports.rates.take
            if rate.per_second <= 0 or not take(bucket, per_second=rate.per_second, burst=rate.burst):
                raise GatewayRefusal("THROTTLED", "Too Many Requests", reason="the rate limit of the usage plan")
        # 4
        day, quota = day_of(call.started_at), plan.quota
        since = day if quota is None else start_of(quota.period, day)
        allowed = None if quota is None else allowance(quota, key.plans[plan.plan_id], since)
        counted = call.edge.ports.count_use(Use(account, region, plan.plan_id, key.key_id), day, since, allowed)
        if not isinstance(counted, bool):
            return _decide_later(counted)
        _decide(counted)
        return None

    return check


def _find_plan(usage: Usage, key: ApiKey, where: tuple[str, str]) -> UsagePlan | None:
    """The plan of the key that has a stage; the control plane sees to it that there is one at most."""
    for plan_id in key.plans:
        plan = usage.plan_by_id.get(plan_id)
        if plan is not None and where in plan.stages:
            return plan
    return None


def _decide(counted: bool) -> None:
    if not counted:
        raise GatewayRefusal("QUOTA_EXCEEDED", "Limit Exceeded", reason="the quota of the usage plan is used up")


async def _decide_later(counted: Awaitable[bool]) -> None:
    _decide(await counted)


def _invalid(reason: str) -> GatewayRefusal:
    return GatewayRefusal("INVALID_API_KEY", "Forbidden", reason=reason)
