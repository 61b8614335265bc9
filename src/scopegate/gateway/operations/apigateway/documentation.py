"""Documentation of REST APIs: parts that describe one place each, versions that are snapshots of all parts.

Nothing here has an effect on calls. Source: reference, control plane, sections 1.4, 2.2, 3.2, 5.3.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.gateway import openapi, queries
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.paging import read_listed_page, read_parts
from scopegate.gateway.operations.apigateway.patch import Draft, Patch, PatchTable, Rule, apply_patches, text_rule
from scopegate.gateway.operations.apigateway.refusals import bad_request, conflict
from scopegate.ports import Call
from scopegate.store.documents import Document

_UNKNOWN_PART: Final = "Invalid Documentation part identifier specified"
_UNKNOWN_VERSION: Final = "Invalid Documentation version specified"
_NO_PROPERTIES: Final = "Documentation part properties must be non-empty"
_LOCATION: Final = ("type", "path", "method", "statusCode", "name")
_LONGEST_VERSION: Final = 64
_WITHOUT_PATH: Final = ("API", "AUTHORIZER", "MODEL")
_TYPES: Final = (
    *_WITHOUT_PATH,
    "METHOD",
    "PATH_PARAMETER",
    "QUERY_PARAMETER",
    "REQUEST_BODY",
    "REQUEST_HEADER",
    "RESOURCE",
    "RESPONSE",
    "RESPONSE_BODY",
    "RESPONSE_HEADER",
)


def create_documentation_part(call: Call, request: Shape) -> Shape:
    """CreateDocumentationPart. The answer has the members of the location that were given."""
    api_id = api_of(call, request)["id"]
    _check_properties(request["properties"])
    location = {name: request["location"][name] for name in _LOCATION if request["location"].get(name)}
    if any(_place(part["location"]) == _place(location) for _, part in _parts(call, api_id)):
        raise conflict("Documentation part already exists for the specified location")
    part = {"id": clock.new_id(6), "location": location, "properties": request["properties"]}
    queries.put_part(call.tx, api_id, "documentation_part", part["id"], part)
    return part


def import_documentation_parts(call: Call, request: Shape) -> Shape:
    """ImportDocumentationParts: `overwrite` replaces all parts, `merge` (the default) those of the same places."""
    try:
        document = openapi.read_document(request["body"], account=call.account, region=call.region)
        parts = openapi.documentation_parts(document)
    except AwsError:
        raise bad_request("Unable to build importer with provided input.") from None
    api_id = api_of(call, request)["id"]
    return {"ids": put_documentation_parts(call, api_id, parts, overwrite=request.get("mode") == "overwrite")}


def put_documentation_parts(call: Call, api_id: str, parts: Iterable[Document], *, overwrite: bool) -> list[str]:
    """Make the parts of a document, or bring those of the same places to its state. The ids, in the given order."""
    if overwrite:
        for part_id, _ in _parts(call, api_id):
            queries.delete_part(call.tx, api_id, "documentation_part", part_id)
    known = {_place(part["location"]): part_id for part_id, part in _parts(call, api_id)}
    ids = []
    for given in parts:
        part = _read_part(given)
        part_id = known.setdefault(_place(part["location"]), clock.new_id(6))
        queries.put_part(call.tx, api_id, "documentation_part", part_id, {"id": part_id, **part})
        ids.append(part_id)
    return list(dict.fromkeys(ids))


def _read_part(given: Document) -> Document:
    """A part of a document; where it may stand on a path and names none, it stands on `/`."""
    location = given.get("location")
    if not isinstance(location, dict) or location.get("type") not in _TYPES:
        raise bad_request("Invalid documentation part: location must have a known type")
    place = {name: str(location[name]) for name in _LOCATION if location.get(name)}
    if place["type"] not in _WITHOUT_PATH:
        place.setdefault("path", "/")
    properties = given.get("properties")
    text = properties if isinstance(properties, str) else json.dumps(properties)
    _check_properties(text)
    return {"location": place, "properties": text}


def get_documentation_part(call: Call, request: Shape) -> Shape:
    """GetDocumentationPart."""
    return _get_part(call, request)


def get_documentation_parts(call: Call, request: Shape) -> Shape:
    """GetDocumentationParts, filtered by type, path and name. What is undocumented has no parts to show."""
    api_id = api_of(call, request)["id"]
    if request.get("locationStatus") == "UNDOCUMENTED":
        return {"items": []}
    parts = [(part_id, part) for part_id, part in _parts(call, api_id) if _is_wanted(part["location"], request)]
    return read_listed_page(call, request, f"documentation_part/{api_id}", parts)


def update_documentation_part(call: Call, request: Shape) -> Shape:
    """UpdateDocumentationPart: its properties."""
    part = apply_patches(_PART_PATCHES, call, request["restApiId"], _get_part(call, request), request)
    queries.put_part(call.tx, request["restApiId"], "documentation_part", part["id"], part)
    return part


def delete_documentation_part(call: Call, request: Shape) -> Shape:
    """DeleteDocumentationPart. An unknown API is named, unlike in GetDocumentationPart."""
    part = part_of(call, request, "documentation_part", request["documentationPartId"], _UNKNOWN_PART)
    queries.delete_part(call.tx, request["restApiId"], "documentation_part", part["id"])
    return {}


def create_documentation_version(call: Call, request: Shape) -> Shape:
    """CreateDocumentationVersion: a snapshot of the parts, attached to `stageName` when given."""
    api_id = api_of(call, request)["id"]
    name = request["documentationVersion"]
    if not 0 < len(name) <= _LONGEST_VERSION or "\x00" in name:
        raise bad_request(_UNKNOWN_VERSION)
    if queries.find_part(call.tx, api_id, "documentation_version", name) is not None:
        raise conflict(f"Documentation version already exists: {name}")
    parts = [part for _, part in _parts(call, api_id)]
    if not parts:
        raise bad_request("Documentation version cannot be created without documentation parts")
    version: Document = {"version": name, "createdDate": int(call.now)}
    if request.get("description"):
        version["description"] = request["description"]
    queries.put_part(call.tx, api_id, "documentation_version", name, {**version, "parts": parts})
    if request.get("stageName"):
        stage = part_of(call, request, "stage", request["stageName"], "Invalid stage identifier specified")
        changed = {**stage, "documentationVersion": name, "lastUpdatedDate": int(call.now)}
        queries.put_part(call.tx, api_id, "stage", stage["stageName"], changed)
    return version


def get_documentation_version(call: Call, request: Shape) -> Shape:
    """GetDocumentationVersion."""
    return _rendered(_get_version(call, request))


def get_documentation_versions(call: Call, request: Shape) -> Shape:
    """GetDocumentationVersions."""
    api_of(call, request)
    return read_parts(call, request, "documentation_version", _rendered)


def update_documentation_version(call: Call, request: Shape) -> Shape:
    """UpdateDocumentationVersion: its description."""
    version = apply_patches(_VERSION_PATCHES, call, request["restApiId"], _get_version(call, request), request)
    queries.put_part(call.tx, request["restApiId"], "documentation_version", version["version"], version)
    return _rendered(version)


def delete_documentation_version(call: Call, request: Shape) -> Shape:
    """DeleteDocumentationVersion."""
    version = _get_version(call, request)
    queries.delete_part(call.tx, request["restApiId"], "documentation_version", version["version"])
    return {}


def _parts(call: Call, api_id: str) -> list[tuple[str, Document]]:
    return list(queries.list_parts(call.tx, api_id, "documentation_part"))


def _get_part(call: Call, request: Shape) -> Document:
    part_id = request["documentationPartId"]
    return part_of(call, request, "documentation_part", part_id, _UNKNOWN_PART, names_part=True)


def _get_version(call: Call, request: Shape) -> Document:
    return part_of(call, request, "documentation_version", request["documentationVersion"], _UNKNOWN_VERSION)


def _rendered(version: Document) -> Shape:
    return {name: value for name, value in version.items() if name != "parts"}


def _place(location: Document) -> tuple[Any, ...]:
    """Where a part stands, with the defaults of what its location leaves out."""
    return (
        location["type"],
        location.get("path", "/"),
        location.get("method", "*"),
        location.get("statusCode", "*"),
        location.get("name"),
    )


def _is_wanted(location: Document, request: Shape) -> bool:
    return (
        request.get("type") in (None, location["type"])
        and request.get("path") in (None, "", location.get("path", "/"))
        and (request.get("nameQuery") or "") in location.get("name", "")
    )


def _check_properties(text: str | None) -> None:
    if not text:
        raise bad_request(_NO_PROPERTIES)
    try:
        properties = json.loads(text)
    except (ValueError, RecursionError):
        properties = None
    if not isinstance(properties, dict):
        raise bad_request("Invalid documentation part: properties must be a JSON object")


def _set_properties(draft: Draft, patch: Patch) -> None:
    _check_properties(patch.value)
    draft.document["properties"] = patch.value


_PART_PATCHES: Final = PatchTable("listed", (Rule("/properties", {"replace": _set_properties}),))
_VERSION_PATCHES: Final = PatchTable("listed", (text_rule("/description"),))
