"""Stages: which deployment serves, its variables and settings.

Source: reference, control plane, sections 1.5, 3.5, 4.2 and 4.3.
"""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.apigateway.stage_settings import check_variables
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MEMBERS: Final = (
    "AccessLogSettings",
    "ClientCertificateId",
    "DefaultRouteSettings",
    "DeploymentId",
    "Description",
    "RouteSettings",
    "StageVariables",
)
_WITH_AUTO_DEPLOY: Final = "Deployment ID cannot be set on stage because AutoDeploy is set to true"


def create_stage(call: Call, request: Shape) -> Shape:
    """CreateStage. With `AutoDeploy` it serves the present state at once."""
    api_id, name = request["ApiId"], request["StageName"]
    http_apis.get_api(call, api_id)
    if name != "$default" and not _NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-, or $default")
    if queries.find_part(call.tx, api_id, "stage", name) is not None:
        raise AwsError("ConflictException", "Stage already exists")
    http_apis.check_quota(call, api_id, "stage")
    document: Document = {
        "CreatedDate": call.now,
        "DefaultRouteSettings": {},
        "LastUpdatedDate": call.now,
        "RouteSettings": {},
        "StageName": name,
        "StageVariables": {},
        "Tags": parse_tags(request.get("Tags") or {}),
        **http_apis.chosen(request, *_MEMBERS),
    }
    document["DefaultRouteSettings"] = {"DetailedMetricsEnabled": False, **document["DefaultRouteSettings"]}
    if request.get("AutoDeploy"):
        document["AutoDeploy"] = True
    return _put(call, api_id, document, request)


def update_stage(call: Call, request: Shape) -> Shape:
    """UpdateStage. Members that are left out stay as they are; maps are merged."""
    api_id, name = request["ApiId"], request["StageName"]
    document = http_apis.get_part(call, api_id, "stage", name)
    merged = {
        member: {**document[member], **request[member]}
        for member in ("DefaultRouteSettings", "RouteSettings", "StageVariables")
        if request.get(member) is not None
    }
    if "StageVariables" in merged:
        merged["StageVariables"] = {key: value for key, value in merged["StageVariables"].items() if value != ""}
    document = {**document, **http_apis.chosen(request, *_MEMBERS), **merged, "LastUpdatedDate": call.now}
    if request.get("AutoDeploy"):
        document["AutoDeploy"] = True
    elif request.get("AutoDeploy") is False:
        document.pop("AutoDeploy", None)
    return _put(call, api_id, document, request)


def _put(call: Call, api_id: str, document: Document, request: Shape) -> Document:
    _check(call, api_id, document, request)
    name = document["StageName"]
    queries.put_part(call.tx, api_id, "stage", name, document)
    if document.get("AutoDeploy"):
        http_apis.auto_deploy(call, api_id)
    return queries.find_part(call.tx, api_id, "stage", name) or document


def _check(call: Call, api_id: str, document: Document, request: Shape) -> None:
    if "DeploymentId" in request:
        if document.get("AutoDeploy"):
            raise bad_request(_WITH_AUTO_DEPLOY)
        if queries.find_part(call.tx, api_id, "deployment", request["DeploymentId"]) is None:
            raise AwsError("NotFoundException", "Invalid Deployment identifier specified")
    check_variables(document["StageVariables"])
    if call.settings.aws_quotas and len(document["StageVariables"]) > limit("gateway.http.stage_variables"):
        raise AwsError("TooManyRequestsException", "Maximum number of stage variables for this stage has been reached")
    check_route_settings(call, api_id, request.get("RouteSettings") or {})
    for settings in (document["DefaultRouteSettings"], *document["RouteSettings"].values()):
        if settings.get("LoggingLevel") or settings.get("DataTraceEnabled"):
            raise bad_request("Execution logs are not supported on protocolType HTTP")
        if min(settings.get("ThrottlingBurstLimit", 0), settings.get("ThrottlingRateLimit", 0)) < 0:
            raise bad_request("Throttling limits cannot be negative")


def check_route_settings(call: Call, api_id: str, settings: Shape) -> None:
    """Refuse settings of routes that the API does not have."""
    keys = {route["RouteKey"] for _, route in queries.list_parts(call.tx, api_id, "route")} if settings else set()
    for key in settings:
        if key not in keys:
            message = f"Unable to find Route by key {key} within the provided RouteSettings"
            raise AwsError("NotFoundException", message)


def get_stage(call: Call, request: Shape) -> Shape:
    """GetStage."""
    return http_apis.get_part(call, request["ApiId"], "stage", request["StageName"])


def get_stages(call: Call, request: Shape) -> Shape:
    """GetStages."""
    return http_apis.list_parts(call, "stage", request)


def delete_stage(call: Call, request: Shape) -> Shape:
    """DeleteStage; its deployments stay."""
    stage = http_apis.get_part(call, request["ApiId"], "stage", request["StageName"])
    http_apis.refuse_managed(stage, "stage")
    queries.delete_part(call.tx, request["ApiId"], "stage", request["StageName"])
    return {}


def delete_route_settings(call: Call, request: Shape) -> Shape:
    """DeleteRouteSettings: the route goes back to the stage's default settings."""
    stage = http_apis.get_part(call, request["ApiId"], "stage", request["StageName"])
    if request["RouteKey"] not in stage["RouteSettings"]:
        message = f"Unable to find Route by key {request['RouteKey']} within the provided RouteSettings"
        raise AwsError("NotFoundException", message)
    del stage["RouteSettings"][request["RouteKey"]]
    queries.put_part(call.tx, request["ApiId"], "stage", request["StageName"], stage)
    return {}


def delete_access_log_settings(call: Call, request: Shape) -> Shape:
    """DeleteAccessLogSettings."""
    stage = http_apis.get_part(call, request["ApiId"], "stage", request["StageName"])
    stage.pop("AccessLogSettings", None)
    queries.put_part(call.tx, request["ApiId"], "stage", request["StageName"], stage)
    return {}


def reset_authorizers_cache(call: Call, request: Shape) -> Shape:
    """ResetAuthorizersCache: the stage is compiled anew, so that nothing is left that an authorizer decided."""
    stage = http_apis.get_part(call, request["ApiId"], "stage", request["StageName"])
    queries.put_part(call.tx, request["ApiId"], "stage", request["StageName"], stage)
    return {}
