"""Tags of HTTP APIs and their stages, by ARN.

Source: reference, control plane, sections 1.2 and 5.9.
"""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.ports import Call
from scopegate.store.documents import Document

_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:apigateway:(?P<region>[a-z0-9-]+)::/apis/(?P<api>[^/]+)(?:/stages/(?P<stage>[^/]+))?"
)


def _find(call: Call, arn: str) -> tuple[str, str | None, Document]:
    """(API id, stage name or None, document) of what an ARN names."""
    match = _ARN.fullmatch(arn)
    if match is None or match["region"] != call.region:
        raise AwsError("BadRequestException", "Invalid resource identifier specified")
    api = http_apis.get_api(call, match["api"])
    if match["stage"] is None:
        return match["api"], None, api
    return match["api"], match["stage"], http_apis.get_part(call, match["api"], "stage", match["stage"])


def _put(call: Call, api_id: str, stage: str | None, document: Document) -> None:
    if stage is None:
        queries.put_api(call.tx, call.account, call.region, http_apis.PROTOCOL, api_id, document)
    else:
        queries.put_part(call.tx, api_id, "stage", stage, document)


def get_tags(call: Call, request: Shape) -> Shape:
    """GetTags."""
    _, _, document = _find(call, request["ResourceArn"])
    return {"Tags": document.get("Tags") or {}}


def tag_resource(call: Call, request: Shape) -> Shape:
    """TagResource; tags are merged."""
    api_id, stage, document = _find(call, request["ResourceArn"])
    tags = parse_tags({**(document.get("Tags") or {}), **(request.get("Tags") or {})})
    _put(call, api_id, stage, {**document, "Tags": tags})
    return {}


def untag_resource(call: Call, request: Shape) -> Shape:
    """UntagResource."""
    api_id, stage, document = _find(call, request["ResourceArn"])
    left = {key: value for key, value in (document.get("Tags") or {}).items() if key not in request["TagKeys"]}
    _put(call, api_id, stage, {**document, "Tags": left})
    return {}
