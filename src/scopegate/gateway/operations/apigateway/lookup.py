"""A part of a REST API by its identifiers, or AWS's words for its absence.

Which part is missed first differs by operation: below a resource even an unknown API is an unknown resource.
Source: reference, control plane, section 3.2.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.refusals import (
    UNKNOWN_INTEGRATION,
    UNKNOWN_METHOD,
    UNKNOWN_RESOURCE,
    not_found,
)
from scopegate.ports import Call
from scopegate.store.documents import Document

PROTOCOL: Final = "REST"


def api_of(call: Call, request: Shape, absent: AwsError | None = None) -> Document:
    """The RestApi that the request names in `restApiId`. Raises AwsError: `absent`, or the usual 404."""
    api_id = request["restApiId"]
    document = queries.find_api(call.tx, call.account, call.region, PROTOCOL, api_id)
    if document is None:
        raise absent or not_found(f"Invalid API identifier specified {call.account}:{api_id}")
    return document


def part_of(call: Call, request: Shape, kind: str, part_id: str, absent: str, *, names_part: bool = False) -> Document:
    """A part of the API in `restApiId`; `names_part`: an unknown API, too, is told as the unknown part."""
    api_of(call, request, not_found(absent) if names_part else None)
    document = queries.find_part(call.tx, request["restApiId"], kind, part_id)
    if document is None:
        raise not_found(absent)
    return document


def resource_of(call: Call, request: Shape, member: str = "resourceId") -> Document:
    return part_of(call, request, "resource", request[member], UNKNOWN_RESOURCE, names_part=True)


def method_of(call: Call, request: Shape, absent: str = UNKNOWN_METHOD) -> tuple[Document, Document]:
    """(resource, method): the method is a part of the resource's document; save the resource to save it."""
    resource = resource_of(call, request)
    method = resource.get("resourceMethods", {}).get(request["httpMethod"])
    if method is None:
        raise not_found(absent)
    return resource, method


def integration_of(
    call: Call, request: Shape, absent_method: str = UNKNOWN_METHOD
) -> tuple[Document, Document, Document]:
    """(resource, method, integration), each inside the one before."""
    resource, method = method_of(call, request, absent_method)
    if "methodIntegration" not in method:
        raise not_found(UNKNOWN_INTEGRATION)
    return resource, method, method["methodIntegration"]


def save_resource(call: Call, request: Shape, resource: Document) -> None:
    queries.put_part(call.tx, request["restApiId"], "resource", resource["id"], resource)
