"""Models: stored and returned. HTTP APIs never validate with them."""

import json

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
from scopegate.ports import Call


def create_model(call: Call, request: Shape) -> Shape:
    """CreateModel."""
    api_id = request["ApiId"]
    http_apis.get_api(call, api_id)
    _check_schema(request)
    if any(model["Name"] == request["Name"] for _, model in queries.list_parts(call.tx, api_id, "model")):
        raise AwsError("ConflictException", f"Model name already exists for this Api: {request['Name']}")
    model_id = http_apis.new_part_id(call, api_id, "model", 6)
    document = {"ModelId": model_id, **http_apis.chosen(request, "ContentType", "Description", "Name", "Schema")}
    queries.put_part(call.tx, api_id, "model", model_id, document)
    return document


def _check_schema(request: Shape) -> None:
    try:
        json.loads(request.get("Schema", "{}"))
    except ValueError:
        raise AwsError("BadRequestException", "Invalid model specified: Schema is not JSON") from None


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
    """UpdateModel."""
    document = http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])
    _check_schema(request)
    document |= http_apis.chosen(request, "ContentType", "Description", "Name", "Schema")
    queries.put_part(call.tx, request["ApiId"], "model", request["ModelId"], document)
    return document


def delete_model(call: Call, request: Shape) -> Shape:
    """DeleteModel."""
    http_apis.get_part(call, request["ApiId"], "model", request["ModelId"])
    queries.delete_part(call.tx, request["ApiId"], "model", request["ModelId"])
    return {}
