"""What the operations on HTTP APIs share: finding an API, paging, snapshots and automatic deployment.

Documents hold botocore's spelling (`ApiId`, `RouteKey`), as `gateway/queries.py` says.
Source: reference, operations page, "v2" sections.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Protocol

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.positions import open_position, seal_position
from scopegate.ports import Call
from scopegate.store.documents import Document

PROTOCOL: Final = "HTTP"
AUTO_DEPLOYED: Final = "Automatic deployment triggered by changes to the Api configuration"
MANAGED: Final = "ApiGatewayManaged"


class Rows(Protocol):
    """The rows after a key, in order: a list query with its owner filled in."""

    def __call__(self, *, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]: ...


def bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message)


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
    api_id = request["ApiId"]
    get_api(call, api_id)
    return read_page(call, request, f"{kind}/{api_id}", partial(queries.list_parts, call.tx, api_id, kind), kind)


def read_page(call: Call, request: Shape, of: str, rows: Rows, kind: str) -> Shape:
    """One page of `rows`, as `answer_of` shows documents of that kind.

    of: which list this is. Raises BadRequestException for a page size that is none, or a token of another list.
    """
    of = f"v2/{of}"
    size, token = _page_size(request), request.get("NextToken")
    after = open_position(call, of, token) if token else None
    if token and after is None:
        raise bad_request("Invalid nextToken value")
    found = rows(after=after, size=size + 1)
    page: Shape = {"Items": [answer_of(kind, document) for _, document in found[:size]]}
    if len(found) > size:
        page["NextToken"] = seal_position(call, of, found[size - 1][0])
    return page


def _page_size(request: Shape) -> int:
    text, most = request.get("MaxResults"), limit("gateway.http.page")
    if text is None:
        return most
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most):
        raise bad_request("Invalid maxResults value")
    return int(text)


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


def check_quota(call: Call, api_id: str, kind: str) -> None:
    """Refuse one more part of a kind where AWS's quotas are asked for."""
    if call.settings.aws_quotas and len(queries.list_parts(call.tx, api_id, kind)) >= limit(f"gateway.http.{kind}s"):
        raise AwsError("TooManyRequestsException", f"Maximum number of {kind}s for this API has been reached")


def chosen(request: Shape, *members: str) -> Document:
    """The members of a request that were given, of those that are stored as they are."""
    return {name: request[name] for name in members if request.get(name) is not None}


def snapshot(call: Call, api_id: str) -> Document:
    """What a deployment freezes. Raises BadRequestException when nothing of it could serve."""
    routes = _all(call, api_id, "route")
    if not routes:
        raise bad_request("Unable to deploy API because no routes exist in this API")
    if not any(route.get("Target") for route in routes):
        raise bad_request("Unable to deploy API because no valid routes exist in this API")
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
        stage["LastUpdatedDate"] = call.now
        queries.put_part(call.tx, api_id, "stage", name, stage)
    _drop_old_deployments(call, api_id)


def _drop_old_deployments(call: Call, api_id: str) -> None:
    """All but the newest automatic deployments that no stage serves any more go: each holds a whole snapshot."""
    used = {stage.get("DeploymentId") for _, stage in queries.list_parts(call.tx, api_id, "stage")}
    old = [
        (deployment["CreatedDate"], deployment_id)
        for deployment_id, deployment in queries.list_parts(call.tx, api_id, "deployment")
        if deployment["AutoDeployed"] and deployment_id not in used
    ]
    for _, deployment_id in sorted(old, reverse=True)[limit("gateway.http.kept_deployments") :]:
        queries.delete_part(call.tx, api_id, "deployment", deployment_id)


def refuse_managed(document: Document, what: str) -> None:
    """Parts that a quick create made go with their API only."""
    if document.get(MANAGED):
        raise bad_request(f"Unable to delete {what}: it is managed by API Gateway")


def check_timeout(request: Shape) -> int:
    most = limit("gateway.http.timeout_ms")
    timeout: Any = request.get("TimeoutInMillis", most)
    if not limit("gateway.http.least_timeout_ms") <= timeout <= most:
        raise bad_request(f"Timeout should be between {limit('gateway.http.least_timeout_ms')} ms and {most} ms")
    return int(timeout)
