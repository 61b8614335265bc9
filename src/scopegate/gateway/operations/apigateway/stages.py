"""Stages: a name under which one deployment is called, with its variables, method settings and canary.

Settings of a stage are live at once. Patch operations on stages have rules of their own: `stage_patch`.
Source: reference, control plane, sections 1.4, 2.4, 3.3, 4.1, 4.3.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.refusals import bad_request, conflict, limit_exceeded
from scopegate.gateway.operations.apigateway.stage_patch import apply_stage_patches
from scopegate.gateway.operations.apigateway.stage_settings import check_variables, new_canary
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.operations.apigateway.usage_plans import drop_api_stages
from scopegate.ports import Call
from scopegate.store.documents import Document

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DEFAULT_CACHE_SIZE: Final = "0.5"


def create_stage(call: Call, request: Shape) -> Shape:
    """CreateStage, for a deployment that exists.

    Partly: canary, cache, client certificate and tracing are stored and change nothing.
    """
    api_id = api_of(call, request)["id"]
    _check_name(request["stageName"])
    if queries.find_part(call.tx, api_id, "stage", request["stageName"]) is not None:
        raise conflict("Stage already exists")
    deployment_id = request["deploymentId"]
    check_deployment_id(call, api_id, deployment_id)
    stage = _new_stage(call, api_id, request, deployment_id)
    members = ("description", "documentationVersion")
    stage |= {name: request[name] for name in members if request.get(name)}
    if canary := request.get("canarySettings"):
        stage["canarySettings"] = new_canary(canary, canary.get("deploymentId") or deployment_id)
        check_deployment_id(call, api_id, stage["canarySettings"]["deploymentId"])
    if tags := parse_tags(request.get("tags") or {}):
        stage["tags"] = tags
    _save(call, api_id, stage)
    return stage


def put_deployed_stage(call: Call, request: Shape, deployment_id: str, stage: Document | None) -> None:
    """What CreateDeployment does to its stage: makes it, moves it, or moves only its canary."""
    api_id = request["restApiId"]
    check_variables(request.get("variables") or {})
    if stage is None:
        _check_name(request["stageName"])
        stage = _new_stage(call, api_id, request, deployment_id)
        if request.get("stageDescription"):
            stage["description"] = request["stageDescription"]
    else:
        stage = {**stage, **_given_settings(request), "lastUpdatedDate": int(call.now)}
        canary = request.get("canarySettings")
        if canary is not None or "canarySettings" in stage:
            # A stage with a canary gives the next deployment to the canary, as the console does.
            stage["canarySettings"] = new_canary(canary or stage.get("canarySettings") or {}, deployment_id)
        else:
            stage["deploymentId"] = deployment_id
    _save(call, api_id, stage)


def get_stage(call: Call, request: Shape) -> Shape:
    """GetStage."""
    return _get_stage(call, request)


def get_stages(call: Call, request: Shape) -> Shape:
    """GetStages: all at once, in a member named `item`; `deploymentId` keeps those that show it."""
    api = api_of(call, request)
    stages = [stage for _, stage in queries.list_parts(call.tx, api["id"], "stage")]
    wanted = request.get("deploymentId")
    return {"item": [stage for stage in stages if not wanted or stage["deploymentId"] == wanted]}


def update_stage(call: Call, request: Shape) -> Shape:
    """UpdateStage."""
    api_id = request["restApiId"]
    stage = apply_stage_patches(call, api_id, _get_stage(call, request), request)
    check_deployment_id(call, api_id, stage["deploymentId"])
    if "canarySettings" in stage:
        check_deployment_id(call, api_id, stage["canarySettings"]["deploymentId"])
    stage["lastUpdatedDate"] = int(call.now)
    _save(call, api_id, stage)
    return stage


def delete_stage(call: Call, request: Shape) -> Shape:
    """DeleteStage: its deployments stay; usage plans lose it."""
    stage = _get_stage(call, request)
    drop_api_stages(call, request["restApiId"], stage["stageName"])
    queries.delete_part(call.tx, request["restApiId"], "stage", stage["stageName"])
    return {}


def flush_stage_cache(call: Call, request: Shape) -> Shape:
    """FlushStageCache. No answers are cached, so none are left."""
    _get_stage(call, request)
    return {}


def flush_stage_authorizers_cache(call: Call, request: Shape) -> Shape:
    """FlushStageAuthorizersCache: the stage's view is built anew, with an empty cache."""
    stage = _get_stage(call, request)
    queries.put_part(call.tx, request["restApiId"], "stage", stage["stageName"], stage)
    return {}


def check_deployment_id(call: Call, api_id: str, deployment_id: str) -> None:
    if queries.find_part(call.tx, api_id, "deployment", deployment_id) is None:
        raise bad_request("Deployment id does not exist")


def _get_stage(call: Call, request: Shape) -> Document:
    return part_of(call, request, "stage", request["stageName"], "Invalid stage identifier specified")


def _save(call: Call, api_id: str, stage: Document) -> None:
    if call.settings.aws_quotas and len(stage.get("variables", {})) > limit("gateway.rest.stage_variables"):
        raise limit_exceeded("Stage Variables")
    queries.put_part(call.tx, api_id, "stage", stage["stageName"], stage)


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def _given_settings(request: Mapping[str, Any]) -> Document:
    """The settings that a request has, as a stage has them."""
    settings: Document = {}
    if request.get("variables"):
        settings["variables"] = dict(request["variables"])
    if request.get("tracingEnabled") is not None:
        settings["tracingEnabled"] = request["tracingEnabled"]
    if request.get("cacheClusterSize"):
        settings["cacheClusterSize"] = request["cacheClusterSize"]
    if request.get("cacheClusterEnabled") is not None:
        settings["cacheClusterEnabled"] = request["cacheClusterEnabled"]
        settings["cacheClusterStatus"] = "AVAILABLE" if request["cacheClusterEnabled"] else "NOT_AVAILABLE"
        if request["cacheClusterEnabled"]:
            settings.setdefault("cacheClusterSize", _DEFAULT_CACHE_SIZE)
    if request.get("stageDescription"):
        settings["description"] = request["stageDescription"]
    return settings


def _new_stage(call: Call, api_id: str, request: Mapping[str, Any], deployment_id: str) -> Document:
    check_variables(request.get("variables") or {})
    quota = limit("gateway.rest.stages")
    if call.settings.aws_quotas and len(queries.list_parts(call.tx, api_id, "stage")) >= quota:
        raise limit_exceeded("Stages")
    return {
        "deploymentId": deployment_id,
        "stageName": request["stageName"],
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
        **_given_settings(request),
        "createdDate": int(call.now),
        "lastUpdatedDate": int(call.now),
    }
