"""Deployments: snapshots of an API's draft, which is all that calls ever see.

A snapshot never changes. Its stages, variables and authorizers are not in it: they are live.
Source: reference, control plane, sections 1.4, 3.3, 4.1.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.paging import read_parts
from scopegate.gateway.operations.apigateway.patch import PatchTable, apply_patches, text_rule
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.gateway.operations.apigateway.stages import put_deployed_stage
from scopegate.ports import Call
from scopegate.store.documents import Document

_BAD_CONTENT: Final = "Invalid deployment content specified."  # no blank follows the full stop on AWS
_PARTS: Final = {
    "resources": "resource",
    "models": "model",
    "request_validators": "request_validator",
    "gateway_responses": "gateway_response",
}


def create_deployment(call: Call, request: Shape) -> Shape:
    """CreateDeployment: takes the snapshot; with `stageName` makes that stage or moves it.

    Raises AwsError: a canary without a stage that exists, an API without methods, a method without integration.
    """
    api = api_of(call, request)
    stage = None
    stage_name = request.get("stageName")
    if stage_name:
        stage = queries.find_part(call.tx, api["id"], "stage", stage_name)
    if request.get("canarySettings") is not None:
        if not stage_name:
            shown = "null" if stage_name is None else ""
            raise bad_request(
                f"{_BAD_CONTENT}Non null and non empty stageName must be provided for canary deployment. "
                f"Provided value is {shown}"
            )
        if stage is None:
            raise bad_request(
                f"{_BAD_CONTENT}Stage {stage_name} must already be created before making a canary release deployment"
            )
    deployment: Document = {"id": clock.new_id(6), "createdDate": int(call.now)}
    if request.get("description"):
        deployment["description"] = request["description"]
    deployment["snapshot"] = _snapshot(call, api)
    queries.put_part(call.tx, api["id"], "deployment", deployment["id"], deployment)
    if stage_name:
        put_deployed_stage(call, request, deployment["id"], stage)
    return _rendered(deployment)


def get_deployment(call: Call, request: Shape) -> Shape:
    """GetDeployment. `embed=apisummary` lists the methods of the snapshot."""
    deployment = _get_deployment(call, request)
    answer = _rendered(deployment)
    if "apisummary" in (request.get("embed") or ()):
        answer["apiSummary"] = _summary(deployment["snapshot"])
    return answer


def get_deployments(call: Call, request: Shape) -> Shape:
    """GetDeployments."""
    api_of(call, request)
    return read_parts(call, request, "deployment", _rendered)


def update_deployment(call: Call, request: Shape) -> Shape:
    """UpdateDeployment: its description."""
    api_id = request["restApiId"]
    deployment = apply_patches(_PATCHES, call, api_id, _get_deployment(call, request), request)
    queries.put_part(call.tx, api_id, "deployment", deployment["id"], deployment)
    return _rendered(deployment)


def delete_deployment(call: Call, request: Shape) -> Shape:
    """DeleteDeployment: refused while a stage or its canary shows it."""
    deployment_id = _get_deployment(call, request)["id"]
    for _, stage in queries.list_parts(call.tx, request["restApiId"], "stage"):
        if deployment_id in (stage["deploymentId"], stage.get("canarySettings", {}).get("deploymentId")):
            raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    queries.delete_part(call.tx, request["restApiId"], "deployment", deployment_id)
    return {}


def _get_deployment(call: Call, request: Shape) -> Document:
    return part_of(call, request, "deployment", request["deploymentId"], "Invalid Deployment identifier specified")


def _rendered(deployment: Document) -> Shape:
    return {name: value for name, value in deployment.items() if name != "snapshot"}


def read_draft(call: Call, api: Document) -> Document:
    """An API's draft, as a snapshot keeps it."""
    draft: Document = {"api": api}
    for member, kind in _PARTS.items():
        draft[member] = [part for _, part in queries.list_parts(call.tx, api["id"], kind)]
    return draft


def _snapshot(call: Call, api: Document) -> Document:
    snapshot = read_draft(call, api)
    methods = [method for each in snapshot["resources"] for method in each.get("resourceMethods", {}).values()]
    if not methods:
        raise bad_request("The REST API doesn't contain any methods")
    if any("methodIntegration" not in method for method in methods):
        raise bad_request("No integration defined for method")
    return snapshot


def _summary(snapshot: Document) -> Shape:
    return {
        resource["path"]: {
            verb: {name: method[name] for name in ("authorizationType", "apiKeyRequired")}
            for verb, method in resource["resourceMethods"].items()
        }
        for resource in snapshot["resources"]
        if resource.get("resourceMethods")
    }


_PATCHES: Final = PatchTable("listed", (text_rule("/description"),))
