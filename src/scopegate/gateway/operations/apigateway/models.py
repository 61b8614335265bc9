"""Models: JSON Schemas by name, which methods point to.

A model is addressed by its name; its id is only shown. Whether a body fits a model is decided on the data plane.
Source: reference, control plane, sections 1.4, 3.3, 5.3; data plane, section 5.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.paging import read_parts
from scopegate.gateway.operations.apigateway.patch import Draft, Patch, PatchTable, Rule, apply_patches, text_rule
from scopegate.gateway.operations.apigateway.references import find_referring_method, methods_of
from scopegate.gateway.operations.apigateway.refusals import bad_request, conflict, invalid_definition
from scopegate.ports import Call
from scopegate.store.documents import Document

_EMPTY_SCHEMA: Final = """{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title" : "Empty Schema",
  "type" : "object"
}"""
_ERROR_SCHEMA: Final = """{
  "$schema" : "http://json-schema.org/draft-04/schema#",
  "title" : "Error Schema",
  "type" : "object",
  "properties" : {
    "message" : { "type" : "string" }
  }
}"""
DEFAULT_MODELS: Final = (
    {
        "name": "Empty",
        "description": "This is a default empty schema model",
        "schema": _EMPTY_SCHEMA,
        "contentType": "application/json",
    },
    {
        "name": "Error",
        "description": "This is a default error schema model",
        "schema": _ERROR_SCHEMA,
        "contentType": "application/json",
    },
)
"""The models of every API that CreateRestApi makes."""

_NAME: Final = re.compile(r"[A-Za-z0-9]{1,256}")
_REFERENCE: Final = re.compile(r"https://apigateway\.amazonaws\.com/restapis/([^/]+)/models/([A-Za-z0-9]+)")
_NO_SCHEMA: Final = "Model schema must have at least 1 property or array items defined"
_SAMPLE_DEPTH: Final = 8


def create_model(call: Call, request: Shape) -> Shape:
    """CreateModel."""
    api = api_of(call, request)
    name = request["name"]
    if not name:
        raise bad_request("Model name must be non-empty")
    if _NAME.fullmatch(name) is None:
        raise bad_request(f"Model name must be alphanumeric: {name}")
    schema = request.get("schema") or ""
    _check_schema(schema, request["contentType"])
    if queries.find_part(call.tx, api["id"], "model", name) is not None:
        raise conflict("Model name already exists for this REST API")
    model = {"id": clock.new_id(6), "name": name, "contentType": request["contentType"], "schema": schema}
    if request.get("description"):
        model["description"] = request["description"]
    queries.put_part(call.tx, api["id"], "model", name, model)
    return model


def get_model(call: Call, request: Shape) -> Shape:
    """GetModel. `flatten` brings the schemas of other models in."""
    model = _get_model(call, request)
    if request.get("flatten"):
        model = {**model, "schema": _flattened(call, request["restApiId"], model["schema"])}
    return model


def get_models(call: Call, request: Shape) -> Shape:
    """GetModels: Empty and Error too."""
    api_of(call, request)
    return read_parts(call, request, "model")


def get_model_template(call: Call, request: Shape) -> Shape:
    """GetModelTemplate: a mapping template that gives a sample of the model."""
    model = _get_model(call, request)
    schema = json.loads(_flattened(call, request["restApiId"], model["schema"]) or "{}")
    sample = json.dumps(_sample(schema, schema, _SAMPLE_DEPTH), indent=2, separators=(",", " : "))
    return {"value": f"#set($inputRoot = $input.path('$'))\n{sample}"}


def update_model(call: Call, request: Shape) -> Shape:
    """UpdateModel."""
    model = apply_patches(_PATCHES, call, request["restApiId"], _get_model(call, request), request)
    queries.put_part(call.tx, request["restApiId"], "model", model["name"], model)
    return model


def delete_model(call: Call, request: Shape) -> Shape:
    """DeleteModel: refused while a method or another model refers to it."""
    name = _get_model(call, request)["name"]
    api_id = request["restApiId"]
    if found := find_referring_method(call.tx, api_id, lambda method: name in method.get("requestModels", {}).values()):
        raise conflict(f"Cannot delete model '{name}', is referenced in method request: {found[0]}/{found[1]}")
    for path, verb, method in methods_of(call.tx, api_id):
        for response in method.get("methodResponses", {}).values():
            if name in response.get("responseModels", {}).values():
                raise conflict(f"Cannot delete model '{name}', is referenced in method response: {path}/{verb}")
    for other, model in queries.list_parts(call.tx, api_id, "model"):
        if other != name and any(target == name for _, target in _references(model["schema"])):
            raise conflict(f"Cannot delete model '{name}', is referenced in model: {other}")
    queries.delete_part(call.tx, api_id, "model", name)
    return {}


def check_model_name(call: Call, api_id: str, name: str | None) -> None:
    """Refuse the name of a model that the API lacks; `Empty` always passes."""
    if name != "Empty" and (not name or queries.find_part(call.tx, api_id, "model", name) is None):
        raise bad_request(f"Invalid model identifier specified: {name}")


def _get_model(call: Call, request: Shape) -> Document:
    name = request["modelName"]
    return part_of(call, request, "model", name, f"Invalid model name specified: {name}", names_part=True)


def _is_schema_type(content_type: str) -> bool:
    return any(kind in content_type.lower() for kind in ("json", "xml"))


def _check_schema(schema: str, content_type: str) -> None:
    if not schema and _is_schema_type(content_type):
        raise bad_request(_NO_SCHEMA)
    if not _is_schema_type(content_type):
        return
    try:
        parsed = json.loads(schema)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise invalid_definition(["Invalid model schema specified"], subject="Invalid model specified: ")
    for reference in _reference_texts(parsed):
        if not reference.startswith("#") and _REFERENCE.fullmatch(reference) is None:
            raise invalid_definition(
                ["Invalid model schema specified. Model reference must be in canonical form"],
                subject="Invalid model specified: ",
            )


def _reference_texts(node: Any) -> Iterator[str]:
    nodes = [node]
    while nodes:
        current = nodes.pop()
        if isinstance(current, dict):
            if isinstance(current.get("$ref"), str):
                yield current["$ref"]
            nodes.extend(current.values())
        elif isinstance(current, list):
            nodes.extend(current)


def _references(schema: str) -> list[tuple[str, str]]:
    """(API id, model name) of each canonical reference in a schema's text."""
    return [(match[1], match[2]) for match in _REFERENCE.finditer(schema)]


def _flattened(call: Call, api_id: str, schema: str) -> str:
    """The schema with every model that it refers to under `definitions`."""
    definitions: dict[str, Any] = {}
    waiting = [name for _, name in _references(schema)]
    while waiting:
        name = waiting.pop()
        model = queries.find_part(call.tx, api_id, "model", name) if name not in definitions else None
        if model is not None:
            definitions[name] = json.loads(_REFERENCE.sub(r"#/definitions/\2", model["schema"]) or "{}")
            waiting += [target for _, target in _references(model["schema"])]
    if not definitions:
        return schema
    flat = json.loads(_REFERENCE.sub(r"#/definitions/\2", schema))
    return json.dumps({**flat, "definitions": {**flat.get("definitions", {}), **definitions}})


def _sample(schema: Any, root: Any, depth: int) -> Any:
    """A value of the schema's type, no deeper than `depth`."""
    if not isinstance(schema, dict) or depth == 0:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/definitions/")
        return _sample(root.get("definitions", {}).get(name), root, depth - 1)
    match schema.get("type"):
        case "array":
            return [_sample(schema.get("items"), root, depth - 1)]
        case "string":
            return "foo"
        case "integer" | "number":
            return 42
        case "boolean":
            return True
        case "null":
            return None
        case _:
            properties = schema.get("properties")
            members = properties.items() if isinstance(properties, dict) else ()
            return {name: _sample(member, root, depth - 1) for name, member in members}


def _set_schema(draft: Draft, patch: Patch) -> None:
    _check_schema(patch.value or "", draft.document["contentType"])
    draft.document["schema"] = patch.value or ""


_PATCHES: Final = PatchTable("listed", (text_rule("/description"), Rule("/schema", {"replace": _set_schema})))
