"""Usage plans: which API keys may call which stages, how fast and how often.

A plan belongs to an account and region. Counting and refusing is the data plane's: `gateway/usage.py`, `meter.py`.
Source: reference, control plane, sections 1.4, 2.1, 2.2, 3.2, 3.3, 5.4.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.api_keys import key_of, value_of
from scopegate.gateway.operations.apigateway.lookup import PROTOCOL
from scopegate.gateway.operations.apigateway.paging import read_listed_page
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    parse_decimal,
    parse_number,
    remove,
    set_text,
    text_rule,
)
from scopegate.gateway.operations.apigateway.refusals import bad_request, conflict, not_found
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.usage import allowance, compile_plan, date_of, day_of, find_grant, parse_date, start_of
from scopegate.ports import Call, Use
from scopegate.store.documents import Document

_PERIODS: Final = ("DAY", "WEEK", "MONTH")
_BAD_PERIOD: Final = f"Invalid quota period specified. Must be one of: [{', '.join(_PERIODS)}]"
_BAD_THROTTLE: Final = "Invalid throttle settings specified"
_BAD_QUOTA: Final = "Invalid quota settings specified"
_BAD_STAGE: Final = "Invalid API Stage specified"
_QUOTA_SET_AT: Final = "quotaSetAt"
_BAD_USAGE_DATES: Final = (
    "Invalid startDate or endDate specified: a date is YYYY-MM-DD, and the first is not the later one"
)
_MOST: Final = 2**31 - 1
_MOST_RATE: Final = 1e15


def create_usage_plan(call: Call, request: Shape) -> Shape:
    """CreateUsagePlan."""
    if not request["name"]:
        raise bad_request("Usage Plan name cannot be blank")
    tags = parse_tags(request.get("tags") or {})
    plan: Document = {"id": clock.new_id(6), "name": request["name"], "apiStages": []}
    if request.get("description"):
        plan["description"] = request["description"]
    for given in request.get("apiStages") or ():
        plan["apiStages"].append(_api_stage(call, given))
    if request.get("throttle") is not None:
        plan["throttle"] = _throttle(request["throttle"])
    if request.get("quota") is not None:
        plan["quota"] = {"offset": 0, **request["quota"]}
    _check_quota(plan)
    if tags:
        plan["tags"] = tags
    _save(call, _dated(call, plan, {}))
    return plan


def get_usage_plan(call: Call, request: Shape) -> Shape:
    """GetUsagePlan."""
    return _rendered(_plan_of(call, request))


def get_usage_plans(call: Call, request: Shape) -> Shape:
    """GetUsagePlans: all, or those that have the key `keyId`."""
    key_id = request.get("keyId")
    plans = [
        (plan_id, plan)
        for plan_id, plan in queries.list_account_parts(call.tx, call.account, call.region, "usage_plan")
        if not key_id or _find_link(call, plan_id, key_id) is not None
    ]
    return read_listed_page(call, request, "usage_plan", [(plan_id, _shown(plan)) for plan_id, plan in plans])


def update_usage_plan(call: Call, request: Shape) -> Shape:
    """UpdateUsagePlan."""
    before = _plan_of(call, request)
    plan = apply_patches(_PATCHES, call, "", before, request)
    _check_quota(plan)
    _save(call, _dated(call, plan, before))
    return _rendered(plan)


def delete_usage_plan(call: Call, request: Shape) -> Shape:
    """DeleteUsagePlan: refused while it has stages; its keys stay, without it."""
    plan = _plan_of(call, request)
    if plan["apiStages"]:
        shown = _stage_name(plan["apiStages"][0])
        raise bad_request(
            f"Cannot delete Usage Plan {plan['id']} because there are API Stages associated with it, including {shown}"
        )
    for link_id, _ in _links(call, plan["id"]):
        queries.delete_account_part(call.tx, call.account, call.region, "usage_plan_key", link_id)
    queries.delete_account_part(call.tx, call.account, call.region, "usage_plan", plan["id"])
    queries.drop_uses_of_plan(call.tx, Use(call.account, call.region, plan["id"], ""))
    return {}


def create_usage_plan_key(call: Call, request: Shape) -> Shape:
    """CreateUsagePlanKey: a key is in a plan once, and in no two plans of one stage."""
    plan = _plan_of(call, request)
    if request["keyType"] != "API_KEY":
        raise bad_request("Invalid key type specified. Must be one of: [API_KEY]")
    key = key_of(call, request["keyId"])
    if _find_link(call, plan["id"], key["id"]) is not None:
        raise conflict("Usage Plan Key already exists")
    _check_only_plan(call, plan["id"], key["id"], {_stage_name(each) for each in plan["apiStages"]})
    link = {"id": key["id"], "type": "API_KEY"}
    queries.put_account_part(call.tx, call.account, call.region, "usage_plan_key", f"{plan['id']} {key['id']}", link)
    return _rendered_link(call, link)


def _check_only_plan(call: Call, plan_id: str, key_id: str, stages: set[str]) -> None:
    """A key has one plan at most for a stage."""
    for other_id, other in queries.list_account_parts(call.tx, call.account, call.region, "usage_plan"):
        shared = stages.intersection(map(_stage_name, other["apiStages"]))
        if shared and other_id != plan_id and _find_link(call, other_id, key_id) is not None:
            raise conflict(
                f"API Key {key_id} cannot be added to usage plan {plan_id} because it is already in usage plan "
                f"{other_id} of the API Stage {min(shared)}"
            )


def get_usage_plan_key(call: Call, request: Shape) -> Shape:
    """GetUsagePlanKey. Its value is always shown."""
    return _rendered_link(call, _link_of(call, request))


def get_usage_plan_keys(call: Call, request: Shape) -> Shape:
    """GetUsagePlanKeys: by name prefix. An unknown plan has none."""
    links = [(link_id, _rendered_link(call, link)) for link_id, link in _links(call, request["usagePlanId"])]
    prefix = request.get("nameQuery") or ""
    named = [each for each in links if each[1].get("name", "").startswith(prefix)]
    return read_listed_page(call, request, f"usage_plan_key/{request['usagePlanId']}", named)


def delete_usage_plan_key(call: Call, request: Shape) -> Shape:
    """DeleteUsagePlanKey: the key itself stays."""
    link = _link_of(call, request)
    part_id = f"{request['usagePlanId']} {link['id']}"
    queries.delete_account_part(call.tx, call.account, call.region, "usage_plan_key", part_id)
    return {}


def get_usage(call: Call, request: Shape) -> Shape:
    """GetUsage: per key and day what was used, and what was left of the quota. The last half second may be missing."""
    plan = _plan_of(call, request)
    try:
        first, last = parse_date(request["startDate"]), parse_date(request["endDate"])
    except ValueError:
        raise bad_request(_BAD_USAGE_DATES) from None
    if last < first:
        raise bad_request(_BAD_USAGE_DATES)
    longest = limit("gateway.rest.usage_days")
    if last - first > longest or first < day_of(call.now) - longest:
        raise bad_request(f"Invalid time range specified: usage is kept for {longest} days")
    keys = [(link_id, link) for link_id, link in _links(call, plan["id"]) if request.get("keyId") in (None, link["id"])]
    page = read_listed_page(call, request, f"usage/{plan['id']}", keys)
    uses = _uses_by_day(call, plan, request.get("keyId") or "", first, last)
    answer = {"usagePlanId": plan["id"], "startDate": request["startDate"], "endDate": request["endDate"]}
    items = {link["id"]: _daily(plan, link, uses.get(link["id"], {}), first, last) for link in page["items"]}
    position = {"position": page["position"]} if "position" in page else {}
    return {**answer, **position, "items": items}


def update_usage(call: Call, request: Shape) -> Shape:
    """UpdateUsage: what is left of a key's quota in the period that runs now."""
    plan, link = _plan_of(call, request), _link_of(call, request)
    quota = compile_plan(plan).quota
    if quota is None:
        raise bad_request(f"Usage Plan {plan['id']} has no quota")
    wanted = apply_patches(_USAGE_PATCHES, call, "", {"id": plan["id"]}, request)
    today = day_of(call.now)
    since = start_of(quota.period, today)
    use = Use(call.account, call.region, plan["id"], link["id"])
    if "remaining" in wanted:
        used = queries.sum_uses(call.tx, use, since)
        granted = wanted["remaining"] + used - allowance(quota, None, since)
        link = {**link, "grant": {"since": since, "calls": granted}}
        part_id = f"{plan['id']} {link['id']}"
        queries.put_account_part(call.tx, call.account, call.region, "usage_plan_key", part_id, link)
    uses = _uses_by_day(call, plan, link["id"], today, today)
    shown = date_of(today)
    items = {link["id"]: _daily(plan, link, uses.get(link["id"], {}), today, today)}
    return {"usagePlanId": plan["id"], "startDate": shown, "endDate": shown, "items": items}


def _uses_by_day(call: Call, plan: Document, key_id: str, first: int, last: int) -> dict[str, dict[int, int]]:
    """key id → day → uses, from the beginning of the period that `first` is in."""
    quota = compile_plan(plan).quota
    since = first if quota is None else start_of(quota.period, first)
    found: dict[str, dict[int, int]] = {}
    use = Use(call.account, call.region, plan["id"], key_id)
    for one, day, uses in queries.list_uses(call.tx, use, since, last):
        found.setdefault(one, {})[day] = uses
    return found


def _daily(plan: Document, link: Document, uses: Mapping[int, int], first: int, last: int) -> list[list[int]]:
    """[used, left] of each day; left of a plan without a quota is 0."""
    quota, grant = compile_plan(plan).quota, find_grant(link)
    days = []
    for day in range(first, last + 1):
        left = 0
        if quota is not None:
            since = start_of(quota.period, day)
            spent = sum(count for on, count in uses.items() if since <= on <= day)
            left = max(0, allowance(quota, grant, since) - spent)
        days.append([uses.get(day, 0), left])
    return days


def drop_api_stages(call: Call, api_id: str, stage_name: str | None = None) -> None:
    """Take a deleted stage, or all stages of a deleted API, out of the account's plans."""
    for _, plan in queries.list_account_parts(call.tx, call.account, call.region, "usage_plan"):
        left = [
            each
            for each in plan["apiStages"]
            if each["apiId"] != api_id or (stage_name is not None and each["stage"] != stage_name)
        ]
        if len(left) < len(plan["apiStages"]):
            _save(call, {**plan, "apiStages": left})


def _plan_of(call: Call, request: Shape) -> Document:
    plan = queries.find_account_part(call.tx, call.account, call.region, "usage_plan", request["usagePlanId"])
    if plan is None:
        raise not_found("Invalid Usage Plan ID specified")
    return plan


def _save(call: Call, plan: Document) -> None:
    queries.put_account_part(call.tx, call.account, call.region, "usage_plan", plan["id"], plan)


def _dated(call: Call, plan: Document, before: Document) -> Document:
    """The plan, and since when it has its quota: the offset is for the period of that day alone."""
    quota = plan.get("quota")
    left_out = _shown(plan)
    if quota is None:
        return left_out
    kept = before.get("quota") or {}
    same = all(quota.get(name) == kept.get(name) for name in ("offset", "period"))
    return {**left_out, _QUOTA_SET_AT: before[_QUOTA_SET_AT] if same and _QUOTA_SET_AT in before else int(call.now)}


def _shown(plan: Document) -> Document:
    return {name: member for name, member in plan.items() if name != _QUOTA_SET_AT}


def _rendered(plan: Document) -> Shape:
    return {"tags": {}, **_shown(plan)}


# Keys of a plan


def _links(call: Call, plan_id: str) -> list[tuple[str, Document]]:
    found = queries.list_account_parts(call.tx, call.account, call.region, "usage_plan_key")
    return [(part_id, link) for part_id, link in found if part_id.startswith(f"{plan_id} ")]


def _find_link(call: Call, plan_id: str, key_id: str) -> Document | None:
    return queries.find_account_part(call.tx, call.account, call.region, "usage_plan_key", f"{plan_id} {key_id}")


def _link_of(call: Call, request: Shape) -> Document:
    link = _find_link(call, _plan_of(call, request)["id"], request["keyId"])
    if link is None:
        raise not_found("Invalid Usage Plan Key identifier specified")
    return link


def _rendered_link(call: Call, link: Document) -> Shape:
    key = key_of(call, link["id"])
    answer = {"id": link["id"], "type": link["type"], "value": value_of(call, key)}
    return {**answer, "name": key["name"]} if "name" in key else answer


# Stages, throttle, quota


def _stage_name(api_stage: Mapping[str, Any]) -> str:
    return f"{api_stage['apiId']}:{api_stage['stage']}"


def _stage_exists(call: Call, api_id: str, stage_name: str) -> bool:
    api = queries.find_api(call.tx, call.account, call.region, PROTOCOL, api_id)
    return api is not None and queries.find_part(call.tx, api_id, "stage", stage_name) is not None


def _api_stage(call: Call, given: Mapping[str, Any]) -> Document:
    api_id, stage_name = given.get("apiId") or "", given.get("stage") or ""
    if not _stage_exists(call, api_id, stage_name):
        raise not_found(f"API Stage not found: {api_id}:{stage_name}")
    api_stage: Document = {"apiId": api_id, "stage": stage_name}
    if given.get("throttle"):
        api_stage["throttle"] = {key: _throttle(each) for key, each in given["throttle"].items()}
    return api_stage


def _throttle(given: Mapping[str, Any]) -> Document:
    throttle: Document = {}
    if given.get("burstLimit") is not None:
        throttle["burstLimit"] = given["burstLimit"]
    if given.get("rateLimit") is not None:
        throttle["rateLimit"] = float(given["rateLimit"])
    if not all(0 <= value < float("inf") for value in throttle.values()):
        raise bad_request(_BAD_THROTTLE)
    return throttle


def _check_quota(plan: Document) -> None:
    quota = plan.get("quota")
    if quota is None:
        return
    if quota.get("period", "DAY") not in _PERIODS:
        raise bad_request(_BAD_PERIOD)
    if quota.get("limit", 0) < 0 or quota.get("offset", 0) < 0:
        raise bad_request(_BAD_QUOTA)


# Patch operations


def _split_stage(text: str | None) -> tuple[str, str]:
    api_id, colon, stage_name = (text or "").partition(":")
    if not (api_id and colon and stage_name):
        raise bad_request(_BAD_STAGE)
    return api_id, stage_name


def _add_stage(draft: Draft, patch: Patch) -> None:
    api_id, stage_name = _split_stage(patch.value)
    if not _stage_exists(draft.call, api_id, stage_name):
        raise _unknown_stage(draft, api_id, stage_name)
    if _find_stage(draft, api_id, stage_name) is None:
        added = {"apiId": api_id, "stage": stage_name}
        for _, link in _links(draft.call, draft.document["id"]):
            _check_only_plan(draft.call, draft.document["id"], link["id"], {_stage_name(added)})
        draft.document["apiStages"].append(added)


def _remove_stage(draft: Draft, patch: Patch) -> None:
    api_id, stage_name = _split_stage(patch.value)
    found = _get_stage(draft, api_id, stage_name)
    draft.document["apiStages"] = [each for each in draft.document["apiStages"] if each is not found]


def _unknown_stage(draft: Draft, api_id: str, stage_name: str) -> Exception:
    return not_found(
        f"Invalid API Stage {{api: {api_id}, stage: {stage_name}}} specified for usageplan {draft.document['id']}"
    )


def _find_stage(draft: Draft, api_id: str, stage_name: str) -> Document | None:
    stages: list[Document] = draft.document["apiStages"]
    return next((each for each in stages if (each["apiId"], each["stage"]) == (api_id, stage_name)), None)


def _get_stage(draft: Draft, api_id: str, stage_name: str) -> Document:
    found = _find_stage(draft, api_id, stage_name)
    if found is None:
        raise _unknown_stage(draft, api_id, stage_name)
    return found


def _burst(text: str | None) -> int:
    return parse_number(text, 0, _MOST, _BAD_THROTTLE)


def _rate(text: str | None) -> float:
    return parse_decimal(text, 0.0, _MOST_RATE, _BAD_THROTTLE)


_LIMITS: Final[Mapping[str, Callable[[str | None], Any]]] = {"burstLimit": _burst, "rateLimit": _rate}


def _set_method_limit(draft: Draft, patch: Patch) -> None:
    stage = _get_stage(draft, *_split_stage(patch.tokens[1]))
    limits = stage.setdefault("throttle", {}).setdefault(_method_key(patch.tokens[3:-1]), {})
    limits[patch.name] = _LIMITS[patch.name](patch.value)


def _method_key(tokens: Sequence[str]) -> str:
    """`/pets/GET`, of `~1pets/GET` as documented and of `/pets/GET` as Terraform sends it."""
    return "/".join(tokens)


def _drop_method_limits(draft: Draft, patch: Patch) -> None:
    stage = _get_stage(draft, *_split_stage(patch.tokens[1]))
    stage.get("throttle", {}).pop(_method_key(patch.tokens[3:]), None)
    if not stage.get("throttle"):
        stage.pop("throttle", None)


def _set_stage_limits(draft: Draft, patch: Patch) -> None:
    stage = _get_stage(draft, *_split_stage(patch.tokens[1]))
    try:
        given = json.loads(patch.value or "")
        limits = {str(key): _throttle(each) for key, each in given.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise bad_request(_BAD_THROTTLE) from None
    if any(isinstance(each.get("burstLimit", 0), bool | float | str) for each in limits.values()):
        raise bad_request(_BAD_THROTTLE)
    stage["throttle"] = limits


def _drop_stage_limits(draft: Draft, patch: Patch) -> None:
    _get_stage(draft, *_split_stage(patch.tokens[1])).pop("throttle", None)


def _set_limit(member: str, name: str, parse: Callable[[str | None], Any]) -> Rule:
    def effect(draft: Draft, patch: Patch) -> None:
        block = draft.document.setdefault(member, {"offset": 0} if member == "quota" else {})
        block[name] = parse(patch.value)

    return Rule(f"/{member}/{name}", {"add": effect, "replace": effect})


def _quota_number(text: str | None) -> int:
    return parse_number(text, 0, _MOST, _BAD_QUOTA)


def _period(text: str | None) -> str:
    if text not in _PERIODS:
        raise bad_request(_BAD_PERIOD)
    return text


_PATCHES: Final = PatchTable(
    "listed",
    (
        text_rule("/name", blank="Usage Plan name cannot be blank"),
        text_rule("/description"),
        Rule("/apiStages", {"add": _add_stage, "remove": _remove_stage}),
        Rule("/quota", {"remove": remove("quota")}),
        Rule("/throttle", {"remove": remove("throttle")}),
        Rule(
            "/productCode",
            {"add": set_text("productCode"), "replace": set_text("productCode"), "remove": remove("productCode")},
        ),
        *(
            Rule(
                f"/apiStages/{{stage}}/throttle/{{path+}}/{limit}",
                {"add": _set_method_limit, "replace": _set_method_limit},
                shown=f"/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/{limit}",
            )
            for limit in _LIMITS
        ),
        Rule(
            "/apiStages/{stage}/throttle/{path+}/{method}",
            {"remove": _drop_method_limits},
            shown="/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>",  # sic, as on AWS
        ),
        Rule(
            "/apiStages/{stage}/throttle",
            {"add": _set_stage_limits, "replace": _set_stage_limits, "remove": _drop_stage_limits},
            shown="/apiStages/<apidId:stageName>/throttle",
        ),
        _set_limit("throttle", "burstLimit", _burst),
        _set_limit("throttle", "rateLimit", _rate),
        _set_limit("quota", "limit", _quota_number),
        _set_limit("quota", "offset", _quota_number),
        _set_limit("quota", "period", _period),
    ),
)


def _set_remaining(draft: Draft, patch: Patch) -> None:
    draft.document["remaining"] = _quota_number(patch.value)


_USAGE_PATCHES: Final = PatchTable("always listed", (Rule("/remaining", {"replace": _set_remaining}),))
