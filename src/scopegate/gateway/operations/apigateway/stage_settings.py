"""The parts of a stage's document: variables, method settings, canary.

Source: reference, control plane, sections 1.4, 3.3, 4.3.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from scopegate.base.limits import limit
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.store.documents import Document

DEFAULT_METHOD_SETTINGS: Final[Mapping[str, Any]] = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}

BAD_PERCENT: Final = "Percent traffic must be between 0.0 and 100.0"

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE: Final = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]+")


def check_variable(name: str, value: str) -> None:
    """Refuse a stage variable with a bad name or value; an empty value is bad."""
    if _VARIABLE_NAME.fullmatch(name) is None or len(name) > limit("gateway.stage_variable_name"):
        raise bad_request(f"Invalid stage variable name: {name}.  Please use names with only word characters.")
    if _VARIABLE_VALUE.fullmatch(value) is None or len(value) > limit("gateway.stage_variable_value"):
        raise bad_request(
            f"Invalid stage variable value: {value}.  Please use values with alphanumeric characters and the symbols "
            "' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."  # the quotes stand as on AWS
        )


def check_variables(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        check_variable(name, value)


def new_canary(given: Mapping[str, Any], deployment_id: str) -> Document:
    """Canary settings as AWS fills them in: overrides only when there are some."""
    overrides = given.get("stageVariableOverrides") or {}
    check_variables(overrides)
    percent = float(given.get("percentTraffic") or 0.0)
    if not 0.0 <= percent <= 100.0:
        raise bad_request(BAD_PERCENT)
    canary: Document = {
        "percentTraffic": percent,
        "deploymentId": deployment_id,
        "useStageCache": bool(given.get("useStageCache")),
    }
    if overrides:
        canary["stageVariableOverrides"] = dict(overrides)
    return canary
