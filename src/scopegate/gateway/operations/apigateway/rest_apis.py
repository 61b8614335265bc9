"""REST APIs: create (also as a copy of another), get, list, update, delete.

The settings of an API take effect with its next deployment. Import and export are not here.
Source: reference, control plane, sections 1.4, 2.2, 3.3.
"""

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.gateway import queries
from scopegate.gateway.operations.api_ids import new_api_id
from scopegate.gateway.operations.apigateway.lookup import PROTOCOL, api_of
from scopegate.gateway.operations.apigateway.models import DEFAULT_MODELS
from scopegate.gateway.operations.apigateway.paging import read_page
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    flag_rule,
    parse_number,
    remove,
    set_choice,
    set_text,
    text_rule,
)
from scopegate.gateway.operations.apigateway.refusals import bad_request, not_found
from scopegate.gateway.operations.apigateway.resource_policy import parse_policy, render_policy
from scopegate.gateway.operations.apigateway.tags import parse_tags
from scopegate.gateway.operations.apigateway.usage_plans import drop_api_stages
from scopegate.ports import Call
from scopegate.store.documents import Document

_MAXIMUM_COMPRESSION_SIZE: Final = 10_485_760
_BAD_COMPRESSION_SIZE: Final = "Invalid minimum compression size, must be between 0 and 10485760"
_BAD_TYPES: Final = "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"
_BAD_IP_TYPE: Final = "ipAddressType must be either ipv4 or dualstack."
_PRIVATE_IP_TYPE: Final = "Only dualstack ipAddressType is supported for Private APIs."
_BLANK_DESCRIPTION: Final = "Description cannot be an empty string"
_BLANK_NAME: Final = "Name cannot be an empty string"
_ACCESS_MODE: Final = "endpointAccessMode is required for security policies that start with SecurityPolicy_"


def create_rest_api(call: Call, request: Shape) -> Shape:
    """CreateRestApi. A new API has a root resource and the models Empty and Error; a clone has its source's parts.

    Partly: stages of a private API are deployed closed.
    """
    if request.get("description") == "":
        raise bad_request(_BLANK_DESCRIPTION)
    if not request["name"]:
        raise bad_request(_BLANK_NAME)
    source = _source(call, request)
    tags = parse_tags(request.get("tags") or {})
    api_id = new_api_id(call.tx, tags)
    root_id = clock.new_id(10)
    document = {
        **_inherited(source),
        "id": api_id,
        "name": request["name"],
        "createdDate": int(call.now),
        "apiKeySource": request.get("apiKeySource") or (source or {}).get("apiKeySource", "HEADER"),
        "endpointConfiguration": _endpoint_configuration(request.get("endpointConfiguration") or {}),
        "disableExecuteApiEndpoint": bool(request.get("disableExecuteApiEndpoint")),
        "rootResourceId": root_id,
        "apiStatus": "AVAILABLE",
    }
    document |= {name: request[name] for name in ("description", "version", "endpointAccessMode") if request.get(name)}
    if request.get("binaryMediaTypes"):
        document["binaryMediaTypes"] = list(dict.fromkeys(request["binaryMediaTypes"]))
    if (size := request.get("minimumCompressionSize")) is not None:
        document["minimumCompressionSize"] = check_compression_size(size)
    if request.get("policy"):
        document["policy"] = parse_policy(request["policy"], call.region, call.account, api_id)
    if tags:
        document["tags"] = tags
    document["securityPolicy"] = request.get("securityPolicy") or _default_security_policy(document)
    check_access_mode(document)
    queries.put_api(call.tx, call.account, call.region, PROTOCOL, api_id, document)
    if source is None:
        _put_new_parts(call, api_id, root_id)
    else:
        _copy_parts(call, source, api_id, root_id)
    return _rendered(document)


def get_rest_api(call: Call, request: Shape) -> Shape:
    """GetRestApi. Tags are always there, unlike in the answer to CreateRestApi."""
    return _rendered(api_of(call, request), tags=True)


def get_rest_apis(call: Call, request: Shape) -> Shape:
    """GetRestApis."""
    rows = partial(queries.list_apis, call.tx, call.account, call.region, PROTOCOL)
    return read_page(call, request, "api", rows, _rendered)


def update_rest_api(call: Call, request: Shape) -> Shape:
    """UpdateRestApi."""
    document = apply_patches(_PATCHES, call, request["restApiId"], api_of(call, request), request)
    check_access_mode(document)
    queries.put_api(call.tx, call.account, call.region, PROTOCOL, document["id"], document)
    return _rendered(document, tags=True)


def delete_rest_api(call: Call, request: Shape) -> Shape:
    """DeleteRestApi: with everything below it, deployed stages too; usage plans lose those stages."""
    api_of(call, request)
    drop_api_stages(call, request["restApiId"])
    queries.delete_api(call.tx, request["restApiId"])
    return {}


def check_compression_size(size: int) -> int:
    if not 0 <= size <= _MAXIMUM_COMPRESSION_SIZE:
        raise bad_request(_BAD_COMPRESSION_SIZE)
    return size


def _rendered(document: Document, *, tags: bool = False) -> Shape:
    answer = dict(document)
    if "policy" in answer:
        answer["policy"] = render_policy(answer["policy"])
    if tags:
        answer.setdefault("tags", {})
    return answer


def _endpoint_configuration(wanted: Mapping[str, Any]) -> Document:
    types = wanted.get("types")
    if types == []:
        raise bad_request("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
    types = types or ["EDGE"]
    if len(types) > 1:
        raise bad_request("Cannot create an api with multiple Endpoint Types.")
    private = types == ["PRIVATE"]
    ip_type = wanted.get("ipAddressType") or ("dualstack" if private else "ipv4")
    if private and ip_type == "ipv4":
        raise bad_request(_PRIVATE_IP_TYPE)
    configuration = {"types": list(types), "ipAddressType": ip_type}
    if wanted.get("vpcEndpointIds"):
        if not private:
            raise bad_request("VPCEndpoint IDs can be specified only for APIs of endpoint type PRIVATE.")
        configuration["vpcEndpointIds"] = list(wanted["vpcEndpointIds"])
    return configuration


def _default_security_policy(document: Document) -> str:
    return "TLS_1_2" if document["endpointConfiguration"]["types"] == ["PRIVATE"] else "TLS_1_0"


def check_access_mode(document: Document) -> None:
    if document["securityPolicy"].startswith("SecurityPolicy_") and "endpointAccessMode" not in document:
        raise bad_request(_ACCESS_MODE)


def _put_new_parts(call: Call, api_id: str, root_id: str) -> None:
    queries.put_part(call.tx, api_id, "resource", root_id, {"id": root_id, "path": "/"})
    for model in DEFAULT_MODELS:
        queries.put_part(call.tx, api_id, "model", model["name"], {"id": clock.new_id(6), **model})


# A clone


def _source(call: Call, request: Shape) -> Document | None:
    source_id = request.get("cloneFrom")
    if not source_id:
        return None
    source = queries.find_api(call.tx, call.account, call.region, PROTOCOL, source_id)
    if source is None:
        raise not_found(f"Invalid API identifier specified {call.account}:{source_id}")
    return source


def _inherited(source: Document | None) -> Document:
    """What a clone has from the document of its source, unless the request says otherwise."""
    members = ("description", "version", "binaryMediaTypes", "minimumCompressionSize")
    return {name: copy.deepcopy(source[name]) for name in members if name in source} if source else {}


def _copy_parts(call: Call, source: Document, api_id: str, root_id: str) -> None:
    """Everything but deployments and stages, under new ids."""
    source_id = source["id"]
    resources = queries.list_parts(call.tx, source_id, "resource")
    new_ids = {old_id: clock.new_id(6) for old_id, _ in resources} | {source["rootResourceId"]: root_id}
    for kind in ("authorizer", "request_validator", "documentation_part"):
        for old_id, part in queries.list_parts(call.tx, source_id, kind):
            new_ids[old_id] = clock.new_id(6)
            queries.put_part(call.tx, api_id, kind, new_ids[old_id], {**part, "id": new_ids[old_id]})
    for name, model in queries.list_parts(call.tx, source_id, "model"):
        schema = model["schema"].replace(f"/restapis/{source_id}/models/", f"/restapis/{api_id}/models/")
        queries.put_part(call.tx, api_id, "model", name, {**model, "id": clock.new_id(6), "schema": schema})
    for response_type, response in queries.list_parts(call.tx, source_id, "gateway_response"):
        queries.put_part(call.tx, api_id, "gateway_response", response_type, response)
    for old_id, resource in resources:
        part = copy.deepcopy(resource) | {"id": new_ids[old_id]}
        if "parentId" in part:
            part["parentId"] = new_ids[part["parentId"]]
        for method in part.get("resourceMethods", {}).values():
            for member in ("authorizerId", "requestValidatorId"):
                if member in method:
                    method[member] = new_ids.get(method[member], method[member])
            integration = method.get("methodIntegration", {})
            if integration.get("cacheNamespace") == old_id:
                integration["cacheNamespace"] = part["id"]
        queries.put_part(call.tx, api_id, "resource", part["id"], part)


# Patch operations


def _add_binary_type(draft: Draft, patch: Patch) -> None:
    # The type is the path's; a value is not looked at, and "-" is a type like any other.
    types = draft.document.setdefault("binaryMediaTypes", [])
    if patch.name not in types:
        types.append(patch.name)


def _remove_binary_type(draft: Draft, patch: Patch) -> None:
    types = [each for each in draft.document.get("binaryMediaTypes", []) if each != patch.name]
    draft.document["binaryMediaTypes"] = types
    if not types:
        del draft.document["binaryMediaTypes"]


def _replace_binary_type(draft: Draft, patch: Patch) -> None:
    _remove_binary_type(draft, patch)
    types = draft.document.setdefault("binaryMediaTypes", [])
    if patch.value and patch.value not in types:
        types.append(patch.value)
    if not types:
        del draft.document["binaryMediaTypes"]


def _set_compression_size(draft: Draft, patch: Patch) -> None:
    if not patch.value:
        draft.document.pop("minimumCompressionSize", None)
        return
    draft.document["minimumCompressionSize"] = parse_number(
        patch.value, 0, _MAXIMUM_COMPRESSION_SIZE, _BAD_COMPRESSION_SIZE
    )


def _set_type(draft: Draft, patch: Patch) -> None:
    configuration = draft.document["endpointConfiguration"]
    if patch.value not in ("REGIONAL", "EDGE", "PRIVATE") or patch.name not in ("0", *configuration["types"]):
        raise bad_request(_BAD_TYPES)
    configuration["types"] = [patch.value]
    if patch.value == "PRIVATE":
        configuration["ipAddressType"] = "dualstack"
    else:
        configuration.pop("vpcEndpointIds", None)


def _set_ip_type(draft: Draft, patch: Patch) -> None:
    configuration = draft.document["endpointConfiguration"]
    if patch.value not in ("ipv4", "dualstack"):
        raise bad_request(_BAD_IP_TYPE)
    if patch.value == "ipv4" and configuration["types"] == ["PRIVATE"]:
        raise bad_request(_PRIVATE_IP_TYPE)
    configuration["ipAddressType"] = patch.value


def _add_vpc_endpoint(draft: Draft, patch: Patch) -> None:
    configuration = draft.document["endpointConfiguration"]
    if configuration["types"] != ["PRIVATE"] or not patch.value:
        raise bad_request("VPCEndpoint IDs can be specified only for APIs of endpoint type PRIVATE.")
    ids = configuration.setdefault("vpcEndpointIds", [])
    if patch.value not in ids:
        ids.append(patch.value)


def _remove_vpc_endpoint(draft: Draft, patch: Patch) -> None:
    configuration = draft.document["endpointConfiguration"]
    left = [each for each in configuration.get("vpcEndpointIds", []) if each != patch.value]
    configuration["vpcEndpointIds"] = left
    if not left:
        del configuration["vpcEndpointIds"]


def _set_policy(draft: Draft, patch: Patch) -> None:
    if not patch.value:
        draft.document.pop("policy", None)
        return
    call = draft.call
    draft.document["policy"] = parse_policy(patch.value, call.region, call.account, draft.api_id)


SECURITY_POLICIES: Final = (
    "TLS_1_0",
    "TLS_1_2",
    "SecurityPolicy_TLS13_1_3_2025_09",
    "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
    "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_2021_06",
    "SecurityPolicy_TLS13_2025_EDGE",
    "SecurityPolicy_TLS12_PFS_2025_EDGE",
    "SecurityPolicy_TLS12_2018_EDGE",
)

_PATCHES: Final = PatchTable(
    "named",
    (
        text_rule("/name", blank=_BLANK_NAME),
        Rule(
            "/description",
            {
                "add": set_text("description", blank=_BLANK_DESCRIPTION),
                "replace": set_text("description", blank=_BLANK_DESCRIPTION),
                "remove": remove("description"),
            },
        ),
        Rule(
            "/apiKeySource",
            {
                "replace": set_choice(
                    "apiKeySource",
                    ("HEADER", "AUTHORIZER"),
                    "Invalid API key source specified. Valid options are HEADER,AUTHORIZER",
                )
            },
        ),
        Rule(
            "/binaryMediaTypes/{media_type}",
            {"add": _add_binary_type, "replace": _replace_binary_type, "remove": _remove_binary_type},
        ),
        Rule("/minimumCompressionSize", {"replace": _set_compression_size}),
        Rule(
            "/endpointConfiguration/types/{type}",
            {"replace": _set_type},
            "Invalid patch operation specified. Must be 'add'|'remove'|'replace'",
        ),
        Rule("/endpointConfiguration/ipAddressType", {"replace": _set_ip_type}),
        Rule(
            "/endpointConfiguration/vpcEndpointIds",
            {"add": _add_vpc_endpoint, "remove": _remove_vpc_endpoint},
        ),
        Rule("/policy", {"replace": _set_policy}),
        flag_rule("/disableExecuteApiEndpoint"),
        Rule(
            "/securityPolicy",
            {"replace": set_choice("securityPolicy", SECURITY_POLICIES, "Invalid security policy specified")},
        ),
        Rule(
            "/endpointAccessMode",
            {
                "replace": set_choice(
                    "endpointAccessMode", ("BASIC", "STRICT"), "Invalid endpoint access mode specified"
                )
            },
        ),
    ),
)
