"""Models: stored and returned. HTTP APIs never validate with them.

Source: reference, control plane, sections 1.1 and 8.
"""

import json
import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_NAME: Final = re.compile(r"[A-Za-z0-9]{1,128}")
_MEMBERS: Final = ("ContentType", "Description", "Name", "Schema")


def create_model(call: Call, request: Shape) -> Shape:
    """CreateModel."""
    api_id = request["ApiId"]
    http_apis.get_api(call, api_id)
    model_id = http_apis.new_part_id(call, api_id, "model", 6)
    document = {"ContentType": "application/json", "ModelId": model_id, **http_apis.chosen(request, *_MEMBERS)}
    return _put(call, api_id, document)


def _put(call: Call, api_id: str, document: Document) -> Document:
    name = document["Name"]
    if not _NAME.fullmatch(name):
        raise bad_request("Model name must be alphanumeric")
    try:
        json.loads(document["Schema"])
    except (ValueError, RecursionError):
        raise bad_request("Invalid model specified: Schema is not JSON") from None
    for model_id, model in queries.list_parts(call.tx, api_id, "model"):
        if model["Name"] == name and model_id != document["ModelId"]:
            raise AwsError("ConflictException", f"Model name already exists for this Api: {name}")
    queries.put_part(call.tx, api_id, "model", document["ModelId"], document)
    return document


def get_model(call: Call, request: Shape) -> Shape:
    """GetModel."""
    return http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])


def get_models(call: Call, request: Shape) -> Shape:
    """GetModels."""
    return http_apis.list_parts(call, "model", request)


def get_model_template(call: Call, request: Shape) -> Shape:
    """GetModelTemplate. Partly: an empty template for every model."""
    http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])
    return {"Value": "{}"}


def update_model(call: Call, request: Shape) -> Shape:
    """UpdateModel. Members that are left out stay as they are."""
    document = http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])
    return _put(call, request["ApiId"], {**document, **http_apis.chosen(request, *_MEMBERS)})


def delete_model(call: Call, request: Shape) -> Shape:
    """DeleteModel."""
    http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])
    queries.delete_part(call.tx, request["ApiId"], "model", request["ModelId"])
    return {}
