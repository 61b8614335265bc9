"""Resources: the tree of path segments under which methods stand.

Every resource knows its full `path`; moving or renaming one rewrites the paths below it. Matching of calls is not here.
Source: reference, control plane, sections 1.4, 2.2, 3.2, 3.3.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of, resource_of
from scopegate.gateway.operations.apigateway.paging import read_parts
from scopegate.gateway.operations.apigateway.patch import Draft, Patch, PatchTable, Rule, apply_patches
from scopegate.gateway.operations.apigateway.refusals import (
    UNKNOWN_RESOURCE,
    bad_request,
    conflict,
    limit_exceeded,
    not_found,
)
from scopegate.ports import Call
from scopegate.store.documents import Document

_PATH_PART: Final = re.compile(r"[a-zA-Z0-9._:-]+|\{[a-zA-Z0-9._:-]+\+?\}")
_BAD_PATH_PART: Final = (
    "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces "
    "at the beginning and the end."
)


def create_resource(call: Call, request: Shape) -> Shape:
    """CreateResource."""
    parent = resource_of(call, request, "parentId")
    api_id = request["restApiId"]
    resources = _resources(call, api_id)
    part = request["pathPart"]
    _check_place(part, parent, resources.values())
    if call.settings.aws_quotas and len(resources) >= limit("gateway.rest.resources"):
        raise limit_exceeded("Resources")
    resource = {"id": clock.new_id(6), "parentId": parent["id"], "pathPart": part, "path": _path(parent, part)}
    queries.put_part(call.tx, api_id, "resource", resource["id"], resource)
    return resource


def get_resource(call: Call, request: Shape) -> Shape:
    """GetResource. `embed=methods` shows the methods whole."""
    return _rendered(resource_of(call, request), request.get("embed") or ())


def get_resources(call: Call, request: Shape) -> Shape:
    """GetResources: in the order of ids, as AWS."""
    api_of(call, request)
    return read_parts(call, request, "resource", lambda resource: _rendered(resource, request.get("embed") or ()))


def update_resource(call: Call, request: Shape) -> Shape:
    """UpdateResource: a new name or parent; what stands below moves along."""
    api_id = request["restApiId"]
    resource = apply_patches(_PATCHES, call, api_id, resource_of(call, request), request)
    _save_subtree(call, api_id, resource)
    return _rendered(resource, ())


def delete_resource(call: Call, request: Shape) -> Shape:
    """DeleteResource: with the whole subtree. The root stays."""
    resource = resource_of(call, request)
    if "parentId" not in resource:
        raise bad_request("Root resource cannot be deleted.")
    api_id = request["restApiId"]
    resources = _resources(call, api_id)
    for resource_id in _subtree(resource["id"], resources.values()):
        queries.delete_part(call.tx, api_id, "resource", resource_id)
    return {}


def _rendered(resource: Document, embed: Sequence[str]) -> Shape:
    answer = dict(resource)
    methods = answer.pop("resourceMethods", {})
    if methods:
        answer["resourceMethods"] = methods if "methods" in embed else {verb: {} for verb in methods}
    return answer


def _resources(call: Call, api_id: str) -> dict[str, Document]:
    return dict(queries.list_parts(call.tx, api_id, "resource"))


def _path(parent: Document, part: str) -> str:
    return f"{parent['path'].rstrip('/')}/{part}"


def _is_variable(part: str) -> bool:
    return part.startswith("{")


def _variable_names(path: str) -> list[str]:
    return [part.strip("{}").removesuffix("+") for part in path.split("/") if _is_variable(part)]


def _check_place(part: str, parent: Document, others: Iterable[Document]) -> None:
    """Refuse a path part that its parent or its siblings do not admit. `others`: without the resource itself."""
    if _PATH_PART.fullmatch(part) is None:
        raise bad_request(_BAD_PATH_PART)
    if parent.get("pathPart", "").endswith("+}"):
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {parent['pathPart']}")
    siblings = [other["pathPart"] for other in others if other.get("parentId") == parent["id"]]
    if part in siblings:
        raise conflict(f"Another resource with the same parent already has this name: {part}")
    if _is_variable(part):
        for sibling in siblings:
            if _is_variable(sibling):
                raise bad_request(
                    f"A sibling ({sibling}) of this resource already has a variable path part -- only one is allowed"
                )
    _check_variables(_path(parent, part))


def _check_variables(path: str) -> None:
    names = _variable_names(path)
    if len(names) != len(set(names)):
        raise bad_request(f"Resource's path has the same path variable more than once: {path}")


def _subtree(resource_id: str, resources: Iterable[Document]) -> list[str]:
    """Ids of a resource and everything below it, the deepest last."""
    children: dict[str, list[str]] = {}
    for resource in resources:
        children.setdefault(resource.get("parentId", ""), []).append(resource["id"])
    found = [resource_id]
    for parent_id in found:  # grows while it is walked
        found.extend(children.get(parent_id, ()))
    return found


def _save_subtree(call: Call, api_id: str, resource: Document) -> None:
    resources = _resources(call, api_id)
    resources[resource["id"]] = resource
    for resource_id in _subtree(resource["id"], resources.values()):
        current = resources[resource_id]
        if "parentId" in current:
            current["path"] = _path(resources[current["parentId"]], current["pathPart"])
            _check_variables(current["path"])
        queries.put_part(call.tx, api_id, "resource", resource_id, current)


def _set_place(draft: Draft, parent_id: str, part: str) -> None:
    resource = draft.document
    resources = _resources(draft.call, draft.api_id)
    parent = resources.get(parent_id)
    if parent is None:
        raise not_found(UNKNOWN_RESOURCE)
    if parent_id in _subtree(resource["id"], resources.values()):
        raise bad_request("Resources cannot be cyclical.")
    _check_place(part, parent, (other for other_id, other in resources.items() if other_id != resource["id"]))
    resource |= {"parentId": parent_id, "pathPart": part, "path": _path(parent, part)}


def _set_path_part(draft: Draft, patch: Patch) -> None:
    if "parentId" not in draft.document:
        raise bad_request("Root resource cannot update its pathPart.")
    if (patch.value or "").endswith("+}") and _has_children(draft):
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {patch.value}")
    _set_place(draft, draft.document["parentId"], patch.value or "")


def _has_children(draft: Draft) -> bool:
    resources = _resources(draft.call, draft.api_id).values()
    return any(other.get("parentId") == draft.document["id"] for other in resources)


def _set_parent(draft: Draft, patch: Patch) -> None:
    if "parentId" not in draft.document:
        raise bad_request("Root resource cannot update its parentId.")
    _set_place(draft, patch.value or "", draft.document["pathPart"])


_PATCHES: Final = PatchTable(
    "listed", (Rule("/parentId", {"replace": _set_parent}), Rule("/pathPart", {"replace": _set_path_part}))
)
