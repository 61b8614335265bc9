"""What the operations on HTTP APIs share: finding an API, paging, snapshots and automatic deployment.

Documents hold botocore's spelling (`ApiId`, `RouteKey`), as `gateway/queries.py` says.
Source: reference, operations page, "v2" sections.
"""

from collections.abc import Sequence
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock, names
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.ports import Call
from scopegate.store.documents import Document

PROTOCOL: Final = "HTTP"
AUTO_DEPLOYED: Final = "Automatic deployment triggered by changes to the Api configuration"
MANAGED: Final = "ApiGatewayManaged"
_PAGE: Final = 1000


def get_api(call: Call, api_id: str) -> Document:
    """The API. Raises NotFoundException for one that is not this account's, or is a REST API."""
    api = queries.find_api(call.tx, call.account, call.region, PROTOCOL, api_id)
    if api is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {call.account}:{api_id}")
    return api


def get_part(call: Call, api_id: str, kind: str, part_id: str) -> Document:
    """A part of an API: kind `route`, `integration`, `authorizer`, `model`, `deployment` or `stage`."""
    get_api(call, api_id)
    part = queries.find_part(call.tx, api_id, kind, part_id)
    if part is None:
        word = kind if kind == "stage" else kind.capitalize()
        raise AwsError("NotFoundException", f"Invalid {word} identifier specified")
    return part


def list_parts(call: Call, kind: str, request: Shape) -> Shape:
    """One page of the parts of a kind: `Items`, and `NextToken` while there are more."""
    get_api(call, request["ApiId"])
    size, after = page_of(request)
    rows = queries.list_parts(call.tx, request["ApiId"], kind, after=after, size=size + 1)
    return page([(part_id, answer_of(kind, document)) for part_id, document in rows], size)


def page_of(request: Shape) -> tuple[int, str | None]:
    """(page size, key to go on after) of a list request."""
    text = request.get("MaxResults")
    if text is None:
        return _PAGE, request.get("NextToken")
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _PAGE):
        raise AwsError("BadRequestException", "Invalid maxResults value")
    return int(text), request.get("NextToken")


def page(rows: Sequence[tuple[str, Document]], size: int) -> Shape:
    answer: Shape = {"Items": [document for _, document in rows[:size]]}
    if len(rows) > size:
        answer["NextToken"] = rows[size - 1][0]
    return answer


def answer_of(kind: str, document: Document) -> Document:
    """A stored document as it is answered: without what only the data plane reads."""
    if kind == "deployment":
        return {name: value for name, value in document.items() if name != "Snapshot"}
    return document


def new_part_id(call: Call, api_id: str, kind: str, length: int) -> str:
    """A part id that the API does not have yet."""
    while True:
        part_id = clock.new_id(length)
        if queries.find_part(call.tx, api_id, kind, part_id) is None:
            return part_id


def chosen(request: Shape, *members: str) -> Document:
    """The members of a request that were given, of those that are stored as they are."""
    return {name: request[name] for name in members if request.get(name) is not None}


def snapshot(call: Call, api_id: str) -> Document:
    """What a deployment freezes. Raises BadRequestException when nothing of it could serve."""
    routes = _all(call, api_id, "route")
    if not routes:
        raise AwsError("BadRequestException", "Unable to deploy API because no routes exist in this API")
    if not any(route.get("Target") for route in routes):
        raise AwsError("BadRequestException", "Unable to deploy API because no valid routes exist in this API")
    return {
        "api": get_api(call, api_id),
        "routes": routes,
        "integrations": _all(call, api_id, "integration"),
        "authorizers": _all(call, api_id, "authorizer"),
    }


def _all(call: Call, api_id: str, kind: str) -> list[Document]:
    return [document for _, document in queries.list_parts(call.tx, api_id, kind)]


def put_deployment(call: Call, api_id: str, *, auto: bool, description: str | None) -> Document:
    """Freeze the API as it is. The document holds the snapshot; what clients see is `answer_of`."""
    deployment_id = new_part_id(call, api_id, "deployment", 6)
    document: Document = {
        "AutoDeployed": auto,
        "CreatedDate": call.now,
        "DeploymentId": deployment_id,
        "DeploymentStatus": "DEPLOYED",
        "Snapshot": snapshot(call, api_id),
    }
    if description is not None:
        document["Description"] = description
    queries.put_part(call.tx, api_id, "deployment", deployment_id, document)
    return document


def auto_deploy(call: Call, api_id: str) -> None:
    """After any change of an API: stages with `AutoDeploy` move to a new deployment, or say why they could not."""
    stages = [(name, stage) for name, stage in queries.list_parts(call.tx, api_id, "stage") if stage.get("AutoDeploy")]
    if not stages:
        return
    try:
        deployment = put_deployment(call, api_id, auto=True, description=AUTO_DEPLOYED)
    except AwsError as error:
        for name, stage in stages:
            stage["LastDeploymentStatusMessage"] = f"Deployment attempt failed: {error.message}"
            queries.put_part(call.tx, api_id, "stage", name, stage)
        return
    deployment_id = deployment["DeploymentId"]
    for name, stage in stages:
        stage["DeploymentId"] = deployment_id
        stage["LastDeploymentStatusMessage"] = f"Successfully deployed stage with deployment ID '{deployment_id}'"
        queries.put_part(call.tx, api_id, "stage", name, stage)
    _drop_old_deployments(call, api_id)


def _drop_old_deployments(call: Call, api_id: str) -> None:
    """Automatic deployments that no stage serves any more go: each holds a whole snapshot."""
    used = {stage.get("DeploymentId") for _, stage in queries.list_parts(call.tx, api_id, "stage")}
    for deployment_id, deployment in queries.list_parts(call.tx, api_id, "deployment"):
        if deployment["AutoDeployed"] and deployment_id not in used:
            queries.delete_part(call.tx, api_id, "deployment", deployment_id)


def api_arn(call: Call, rest: str) -> str:
    return f"arn:{names.partition_of(call.region)}:apigateway:{call.region}::/apis/{rest}"


def refuse_managed(document: Document, what: str) -> None:
    """Parts that a quick create made go with their API only."""
    if document.get(MANAGED):
        raise AwsError("BadRequestException", f"Unable to delete {what}: it is managed by API Gateway")


def check_timeout(request: Shape) -> int:
    timeout: Any = request.get("TimeoutInMillis", 30_000)
    if not 50 <= timeout <= 30_000:
        raise AwsError("BadRequestException", "Timeout should be between 50 ms and 30000 ms")
    return int(timeout)
