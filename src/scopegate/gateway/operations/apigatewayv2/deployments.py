"""Deployments: frozen states of an API.

Source: reference, control plane, sections 1.5 and 4.2.
"""

from scopegate.aws.operations import Shape
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call


def create_deployment(call: Call, request: Shape) -> Shape:
    """CreateDeployment. `StageName` moves that stage to it."""
    api_id, stage_name = request["ApiId"], request.get("StageName")
    http_apis.get_api(call, api_id)
    stage = None
    if stage_name is not None:
        stage = http_apis.get_part(call, api_id, "stage", stage_name)
        if stage.get("AutoDeploy"):
            raise bad_request("Deployment ID cannot be set on stage because AutoDeploy is set to true")
    document = http_apis.put_deployment(call, api_id, auto=False, description=request.get("Description"))
    if stage is not None and stage_name is not None:
        stage["DeploymentId"] = document["DeploymentId"]
        stage["LastUpdatedDate"] = call.now
        queries.put_part(call.tx, api_id, "stage", stage_name, stage)
    return http_apis.answer_of("deployment", document)


def get_deployment(call: Call, request: Shape) -> Shape:
    """GetDeployment."""
    document = http_apis.get_part(call, request["ApiId"], "deployment", request["DeploymentId"])
    return http_apis.answer_of("deployment", document)


def get_deployments(call: Call, request: Shape) -> Shape:
    """GetDeployments."""
    return http_apis.list_parts(call, "deployment", request)


def update_deployment(call: Call, request: Shape) -> Shape:
    """UpdateDeployment: its description."""
    document = http_apis.get_part(call, request["ApiId"], "deployment", request["DeploymentId"])
    document |= http_apis.chosen(request, "Description")
    queries.put_part(call.tx, request["ApiId"], "deployment", request["DeploymentId"], document)
    return http_apis.answer_of("deployment", document)


def delete_deployment(call: Call, request: Shape) -> Shape:
    """DeleteDeployment; refused while a stage serves it."""
    api_id, deployment_id = request["ApiId"], request["DeploymentId"]
    http_apis.get_part(call, api_id, "deployment", deployment_id)
    if any(stage.get("DeploymentId") == deployment_id for _, stage in queries.list_parts(call.tx, api_id, "stage")):
        raise bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        )
    queries.delete_part(call.tx, api_id, "deployment", deployment_id)
    return {}
