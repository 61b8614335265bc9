"""Patch operations on stages, which have rules and words of their own.

The key of a method setting is the text between the slashes as sent, still escaped: `~1pets~1{id}/GET`, `*/*`.
Source: reference, control plane, section 2.4.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.patch import (
    Patch,
    is_true,
    parse_decimal,
    parse_number,
    parse_patches,
)
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.gateway.operations.apigateway.stage_settings import (
    BAD_PERCENT,
    DEFAULT_METHOD_SETTINGS,
    check_variable,
    new_canary,
)
from scopegate.ports import Call
from scopegate.store.documents import Document

# The commas that this list lacks are missing on AWS too.
_PATHS: Final = (
    "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled]"
)
_ACCESS_LOG: Final = ("/accessLogSettings/destinationArn", "/accessLogSettings/format")
_CANARY_DEPLOYMENT: Final = "/canarySettings/deploymentId"
_CANARY_OVERRIDES: Final = "/canarySettings/stageVariableOverrides"
_VERBS: Final = ("*", "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_LEVELS: Final = ("OFF", "ERROR", "INFO")
_STRATEGIES: Final = ("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER")
_CACHE_SIZES: Final = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")
_NO_LOG_ROLE: Final = "CloudWatch Logs role ARN must be set in account settings to enable logging"
_MOST_TTL_S: Final = 3_600
_MOST_BURST: Final = 2**31 - 1
_MOST_RATE: Final = 1e15


def apply_stage_patches(call: Call, api_id: str, document: Document, request: Shape) -> Document:
    """A copy of the stage with all operations applied in order; one that fails leaves nothing changed."""
    stage = copy.deepcopy(document)
    for patch in parse_patches(request):
        match patch.op:
            case "replace" | "add":
                _put(call, api_id, stage, patch)
            case "remove":
                _remove(stage, patch)
            case "copy":
                _copy(stage, patch)
            case _:
                raise bad_request(f"Invalid {patch.op} operation with path: {patch.path}")
    return stage


def _invalid_path(patch: Patch) -> AwsError:
    return bad_request(f"Invalid method setting path: {patch.path}. Must be one of: {_PATHS}")


def _put(call: Call, api_id: str, stage: Document, patch: Patch) -> None:
    match patch.tokens:
        case ("accessLogSettings", *_):
            _put_access_log(stage, patch)
        case ("variables", name) if name:
            check_variable(name, patch.value or "")
            stage.setdefault("variables", {})[name] = patch.value
        case _ if patch.op == "add":
            raise bad_request(f"Invalid add operation with path: {patch.path}")
        case (member,) if member in _MEMBERS:
            _MEMBERS[member](stage, patch)
        case ("canarySettings", *rest) if rest:
            _put_canary(call, api_id, stage, patch)
        case _:
            _put_method_setting(call, stage, patch)


def _put_access_log(stage: Document, patch: Patch) -> None:
    if patch.path not in _ACCESS_LOG:
        raise bad_request(f"Invalid accessLogSettings path. Must be one of : [{', '.join(_ACCESS_LOG)}]")
    if not patch.value:
        raise bad_request("Access Log value must not be empty")
    stage.setdefault("accessLogSettings", {})[patch.name] = patch.value


# Members of the stage itself


def _text(member: str) -> Callable[[Document, Patch], None]:
    def effect(stage: Document, patch: Patch) -> None:
        if patch.value:
            stage[member] = patch.value
        else:
            stage.pop(member, None)

    return effect


def _set_deployment(stage: Document, patch: Patch) -> None:
    stage["deploymentId"] = patch.value or ""


def _set_tracing(stage: Document, patch: Patch) -> None:
    stage["tracingEnabled"] = is_true(patch.value)


def _set_cache(stage: Document, patch: Patch) -> None:
    enabled = is_true(patch.value)
    stage["cacheClusterEnabled"] = enabled
    stage["cacheClusterStatus"] = "AVAILABLE" if enabled else "NOT_AVAILABLE"
    if enabled:
        stage.setdefault("cacheClusterSize", _CACHE_SIZES[0])


def _set_cache_size(stage: Document, patch: Patch) -> None:
    if patch.value not in _CACHE_SIZES:
        raise bad_request(f"Invalid cache cluster size specified. Must be one of: [{', '.join(_CACHE_SIZES)}]")
    stage["cacheClusterSize"] = patch.value


_MEMBERS: Final[Mapping[str, Callable[[Document, Patch], None]]] = {
    "deploymentId": _set_deployment,
    "description": _text("description"),
    "cacheClusterEnabled": _set_cache,
    "cacheClusterSize": _set_cache_size,
    "clientCertificateId": _text("clientCertificateId"),
    "documentationVersion": _text("documentationVersion"),
    "tracingEnabled": _set_tracing,
}


# Canary


def _put_canary(call: Call, api_id: str, stage: Document, patch: Patch) -> None:
    canary = stage.get("canarySettings") or new_canary({}, stage["deploymentId"])
    match patch.tokens[1:]:
        case ("percentTraffic",):
            canary["percentTraffic"] = parse_decimal(patch.value, 0.0, 100.0, BAD_PERCENT)
        case ("useStageCache",):
            canary["useStageCache"] = is_true(patch.value)
        case ("deploymentId",):
            if queries.find_part(call.tx, api_id, "deployment", patch.value or "") is None:
                raise bad_request("Deployment id does not exist")
            canary["deploymentId"] = patch.value
        case ("stageVariableOverrides", name) if name:
            check_variable(name, patch.value or "")
            canary.setdefault("stageVariableOverrides", {})[name] = patch.value
        case _:
            raise _invalid_path(patch)
    stage["canarySettings"] = canary


def _copy(stage: Document, patch: Patch) -> None:
    pairs = {"/deploymentId": _CANARY_DEPLOYMENT, "/variables": _CANARY_OVERRIDES}
    if patch.source is None or pairs.get(patch.path) != patch.source:
        raise bad_request(
            f"Invalid copy operation with path: {patch.path} and from {patch.source or 'null'}. Valid copy:path are "
            f"[{', '.join(pairs)}] and valid copy:from are [{', '.join(pairs.values())}]"
        )
    canary = stage.get("canarySettings")
    if canary is None:
        raise bad_request("Promotion not available. Canary does not exist.")
    if patch.path == "/deploymentId":
        stage["deploymentId"] = canary["deploymentId"]
    elif overrides := canary.get("stageVariableOverrides"):
        stage["variables"] = {**stage.get("variables", {}), **overrides}


def _overrides(stage: Document) -> Document:
    overrides: Document = stage.get("canarySettings", {}).get("stageVariableOverrides", {})
    return overrides


def _remove(stage: Document, patch: Patch) -> None:
    match patch.tokens:
        case ("canarySettings" | "accessLogSettings" | "variables" as member,):
            stage.pop(member, None)
        case ("variables", name):
            stage.get("variables", {}).pop(name, None)
            if not stage.get("variables"):
                stage.pop("variables", None)
        case ("canarySettings", "stageVariableOverrides", name) if name in _overrides(stage):
            del stage["canarySettings"]["stageVariableOverrides"][name]
            if not _overrides(stage):
                del stage["canarySettings"]["stageVariableOverrides"]
        case _:
            key = patch.path.removeprefix("/")
            if key not in stage["methodSettings"]:
                raise bad_request(
                    f"Cannot remove method setting {key} because there is no method setting for this method "
                )
            del stage["methodSettings"][key]


# Method settings


def _level(text: str | None) -> str:
    if text not in _LEVELS:
        raise bad_request(f"Invalid logging level specified. Must be one of: [{', '.join(_LEVELS)}]")
    return text


def _burst(text: str | None) -> int:
    return parse_number(text, -1, _MOST_BURST, "Invalid throttling burst limit specified")  # -1: not limited


def _rate(text: str | None) -> float:
    return parse_decimal(text, -1.0, _MOST_RATE, "Invalid throttling rate limit specified")  # -1: not limited


def _ttl(text: str | None) -> int:
    return parse_number(text, 0, _MOST_TTL_S, "Invalid cache TTL specified, must be between 0 and 3600 seconds")


def _strategy(text: str | None) -> str:
    if text not in _STRATEGIES:
        raise bad_request(
            f"Invalid unauthorized cache control header strategy specified. Must be one of: [{', '.join(_STRATEGIES)}]"
        )
    return text


_METHOD_SETTINGS: Final[Mapping[tuple[str, str], tuple[str, Callable[[str | None], Any]]]] = {
    ("metrics", "enabled"): ("metricsEnabled", is_true),
    ("logging", "dataTrace"): ("dataTraceEnabled", is_true),
    ("logging", "loglevel"): ("loggingLevel", _level),
    ("throttling", "burstLimit"): ("throttlingBurstLimit", _burst),
    ("throttling", "rateLimit"): ("throttlingRateLimit", _rate),
    ("caching", "ttlInSeconds"): ("cacheTtlInSeconds", _ttl),
    ("caching", "enabled"): ("cachingEnabled", is_true),
    ("caching", "dataEncrypted"): ("cacheDataEncrypted", is_true),
    ("caching", "requireAuthorizationForCacheControl"): ("requireAuthorizationForCacheControl", is_true),
    ("caching", "unauthorizedCacheControlHeaderStrategy"): ("unauthorizedCacheControlHeaderStrategy", _strategy),
}


def _put_method_setting(call: Call, stage: Document, patch: Patch) -> None:
    raw = patch.path.split("/")
    if len(raw) != 5 or raw[0] or not raw[1] or raw[2] not in _VERBS or (raw[3], raw[4]) not in _METHOD_SETTINGS:
        raise _invalid_path(patch)
    member, parse = _METHOD_SETTINGS[raw[3], raw[4]]
    value = parse(patch.value)
    if member == "loggingLevel" and value != "OFF" and not _has_log_role(call):
        raise bad_request(_NO_LOG_ROLE)
    settings = stage["methodSettings"]
    key = f"{raw[1]}/{raw[2]}"
    if key not in settings:
        settings[key] = dict(settings.get("*/*", DEFAULT_METHOD_SETTINGS))
    settings[key][member] = value


def _has_log_role(call: Call) -> bool:
    account = queries.find_account_part(call.tx, call.account, call.region, "account", "") or {}
    return "cloudwatchRoleArn" in account
