"""Gateway responses: how an API's own refusals look, by type.

Every type is always there: customised, lent by DEFAULT_4XX or DEFAULT_5XX, or built in. A change is live with the next
deployment; refusals are rendered on the data plane.
Source: reference, control plane, sections 1.4, 2.2, 3.2, 5.2.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of
from scopegate.gateway.operations.apigateway.mapping_expressions import (
    check_gateway_response_parameters,
    check_media_type,
)
from scopegate.gateway.operations.apigateway.patch import Draft, Patch, PatchTable, Rule, apply_patches, remove_entry
from scopegate.gateway.operations.apigateway.refusals import bad_request, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document

DEFAULT_STATUS: Final[Mapping[str, str | None]] = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}
"""All types, and the status of each; the two defaults keep the status of the refusal."""

_DEFAULT_TEMPLATES: Final = {"application/json": '{"message":$context.error.messageString}'}
# Of templates too.
_NO_PARAMETER: Final = "Invalid parameter name specified"


def get_gateway_response(call: Call, request: Shape) -> Shape:
    """GetGatewayResponse."""
    api_id = api_of(call, request)["id"]
    return _effective(_customised(call, api_id), request["responseType"])


def get_gateway_responses(call: Call, request: Shape) -> Shape:
    """GetGatewayResponses: all types by name, never in pages."""
    customised = _customised(call, api_of(call, request)["id"])
    return {"items": [_effective(customised, response_type) for response_type in sorted(DEFAULT_STATUS)]}


def put_gateway_response(call: Call, request: Shape) -> Shape:
    """PutGatewayResponse: replaces the whole entry."""
    api_id = api_of(call, request)["id"]
    response_type = request["responseType"]
    response = {
        **_built_in(response_type),
        "responseParameters": request.get("responseParameters") or {},
        "responseTemplates": request.get("responseTemplates") or dict(_DEFAULT_TEMPLATES),
        "defaultResponse": False,
    }
    if request.get("statusCode"):
        response["statusCode"] = request["statusCode"]
    _check_response(response)
    queries.put_part(call.tx, api_id, "gateway_response", response_type, response)
    return response


def update_gateway_response(call: Call, request: Shape) -> Shape:
    """UpdateGatewayResponse: an entry that is not customised yet becomes so."""
    api_id = api_of(call, request)["id"]
    response_type = request["responseType"]
    current = _effective(_customised(call, api_id), response_type)
    if not request.get("patchOperations"):
        return current
    response = apply_patches(_PATCHES, call, api_id, current, request)
    response["defaultResponse"] = False
    response.setdefault("responseParameters", {})
    response.setdefault("responseTemplates", {})
    _check_response(response)
    queries.put_part(call.tx, api_id, "gateway_response", response_type, response)
    return response


def delete_gateway_response(call: Call, request: Shape) -> Shape:
    """DeleteGatewayResponse: back to the default."""
    api_id = api_of(call, request)["id"]
    if not queries.delete_part(call.tx, api_id, "gateway_response", request["responseType"]):
        raise not_found("Gateway response type not defined on api")
    return {}


def _customised(call: Call, api_id: str) -> dict[str, Document]:
    return dict(queries.list_parts(call.tx, api_id, "gateway_response"))


def _built_in(response_type: str) -> Document:
    response: Document = {
        "responseType": response_type,
        "responseParameters": {},
        "responseTemplates": dict(_DEFAULT_TEMPLATES),
        "defaultResponse": True,
    }
    status = DEFAULT_STATUS[response_type]
    if status is not None:
        response["statusCode"] = status
    return response


def _effective(customised: Mapping[str, Document], response_type: str) -> Document:
    """The type's own entry, else what the default of its class lends it, else the built-in one."""
    if response_type in customised:
        return customised[response_type]
    response = _built_in(response_type)
    status = DEFAULT_STATUS[response_type]
    if status is not None and (lender := customised.get(f"DEFAULT_{status[0]}XX")):
        lent = ("responseParameters", "responseTemplates", "statusCode")
        response |= {member: lender[member] for member in lent if member in lender}
    return response


def _check_response(response: Document) -> None:
    check_gateway_response_parameters(response["responseParameters"])
    for key in response["responseTemplates"]:
        check_media_type(key)


# Patch operations


def _set_status(draft: Draft, patch: Patch) -> None:
    value = patch.value or ""
    if not (len(value) == 3 and value.isascii() and value.isdigit() and "1" <= value[0] <= "5"):
        raise bad_request("Invalid status code specified")
    draft.document["statusCode"] = value


def _entry_rule(path: str, member: str) -> Rule:
    def put(draft: Draft, patch: Patch) -> None:
        entries = draft.document.setdefault(member, {})
        if patch.op == "replace" and patch.name not in entries:
            raise not_found(_NO_PARAMETER)
        if not patch.value:
            raise bad_request(f"Invalid null or empty value in {member}")
        entries[patch.name] = patch.value

    return Rule(path, {"add": put, "replace": put, "remove": remove_entry(member, missing=_NO_PARAMETER)})


def _refuse_path(_: Draft, patch: Patch) -> None:
    raise bad_request(f"Invalid patch path {patch.path}")


_PATCHES: Final = PatchTable(
    "named",
    (
        Rule("/statusCode", {"add": _refuse_path, "replace": _set_status, "remove": _refuse_path}),
        _entry_rule("/responseParameters/{parameter}", "responseParameters"),
        _entry_rule("/responseTemplates/{content_type}", "responseTemplates"),
    ),
)
