"""Integrations and their responses, parts of the method.

PutIntegration replaces an integration whole, its responses too. Where it may go is in `integration_targets`.
Source: reference, control plane, sections 1.4, 2.2, 3.2, 3.3.
"""

from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.gateway.operations.apigateway.integration_targets import check_target
from scopegate.gateway.operations.apigateway.lookup import integration_of, method_of, save_resource
from scopegate.gateway.operations.apigateway.mapping_expressions import (
    check_media_type,
    check_request_mappings,
    check_response_mappings,
)
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    as_text,
    flag_rule,
    map_rule,
    set_choice,
    set_number,
    set_text,
    text_rule,
)
from scopegate.gateway.operations.apigateway.refusals import (
    UNKNOWN_INTEGRATION,
    UNKNOWN_RESPONSE,
    bad_request,
    conflict,
    not_found,
)
from scopegate.ports import Call
from scopegate.store.documents import Document

_WEB_TYPES: Final = ("HTTP", "HTTP_PROXY")
_PASSTHROUGH: Final = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
_BAD_PASSTHROUGH: Final = f"Invalid PassthroughBehavior specified. Valid options are {','.join(_PASSTHROUGH)}"
_CONTENT_HANDLING: Final = ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT")
_BAD_CONTENT_HANDLING: Final = f"Invalid ContentHandling specified. Valid options are {','.join(_CONTENT_HANDLING)}"
_LEAST_TIMEOUT_MS: Final = limit("gateway.rest.least_timeout_ms")
_MOST_TIMEOUT_MS: Final = limit("gateway.rest.timeout_ms")
_BAD_TIMEOUT: Final = f"Timeout should be between {_LEAST_TIMEOUT_MS} ms and {_MOST_TIMEOUT_MS} ms"
_NO_PARAMETER: Final = "Invalid parameter name specified"
_NO_CONTENT_TYPE: Final = "Content-Type specified was not found"


def put_integration(call: Call, request: Shape) -> Shape:
    """PutIntegration: makes or replaces. A mock goes nowhere: its URI and method are dropped, as on AWS.

    Partly: methods with an integration of type AWS, and with a template in VTL, are deployed closed.
    """
    resource, method = method_of(call, request)
    integration: Document = {
        "type": request["type"],
        "passthroughBehavior": request.get("passthroughBehavior") or "WHEN_NO_MATCH",
        "timeoutInMillis": _MOST_TIMEOUT_MS if request.get("timeoutInMillis") is None else request["timeoutInMillis"],
        "cacheNamespace": request.get("cacheNamespace") or resource["id"],
        "cacheKeyParameters": list(request.get("cacheKeyParameters") or ()),
    }
    if request.get("integrationHttpMethod") and request["type"] != "MOCK":
        integration["httpMethod"] = request["integrationHttpMethod"]
    if request["type"] in _WEB_TYPES:
        integration["connectionType"] = "INTERNET"
    given = (
        "uri",
        "connectionType",
        "connectionId",
        "credentials",
        "contentHandling",
        "responseTransferMode",
        "integrationTarget",
    )
    integration |= {name: request[name] for name in given if request.get(name)}
    if request["type"] == "MOCK":
        integration.pop("uri", None)
    maps = ("requestParameters", "requestTemplates", "tlsConfig")
    integration |= {name: request[name] for name in maps if request.get(name)}
    _check_integration(call, method, integration)
    method["methodIntegration"] = integration
    save_resource(call, request, resource)
    return integration


def get_integration(call: Call, request: Shape) -> Shape:
    """GetIntegration: with its responses."""
    return integration_of(call, request)[2]


def update_integration(call: Call, request: Shape) -> Shape:
    """UpdateIntegration. The whole is judged when all operations are applied."""
    resource, method, integration = integration_of(call, request)
    integration = apply_patches(_INTEGRATION_PATCHES, call, request["restApiId"], integration, request)
    _check_integration(call, method, integration)
    method["methodIntegration"] = integration
    save_resource(call, request, resource)
    return integration


def delete_integration(call: Call, request: Shape) -> Shape:
    """DeleteIntegration: with its responses."""
    resource, method, _ = integration_of(call, request)
    del method["methodIntegration"]
    save_resource(call, request, resource)
    return {}


def put_integration_response(call: Call, request: Shape) -> Shape:
    """PutIntegrationResponse: makes or replaces. An empty template is kept as null, the one null AWS answers."""
    resource, method, integration = integration_of(call, request)
    response: Document = {"statusCode": request["statusCode"]}
    if request.get("selectionPattern") is not None:
        response["selectionPattern"] = request["selectionPattern"]
    if request.get("responseParameters") is not None:
        response["responseParameters"] = request["responseParameters"]
    if request.get("responseTemplates") is not None:
        response["responseTemplates"] = {key: text or None for key, text in request["responseTemplates"].items()}
    if request.get("contentHandling"):
        response["contentHandling"] = request["contentHandling"]
    _check_response(method, response)
    responses = integration.setdefault("integrationResponses", {})
    _check_pattern(responses, response)
    responses[response["statusCode"]] = response
    save_resource(call, request, resource)
    return response


def get_integration_response(call: Call, request: Shape) -> Shape:
    """GetIntegrationResponse."""
    return _response_of(call, request)[3]


def update_integration_response(call: Call, request: Shape) -> Shape:
    """UpdateIntegrationResponse."""
    resource, method, integration, response = _response_of(call, request)
    response = apply_patches(_RESPONSE_PATCHES, call, request["restApiId"], response, request)
    _check_response(method, response)
    _check_pattern(integration["integrationResponses"], response)
    integration["integrationResponses"][response["statusCode"]] = response
    save_resource(call, request, resource)
    return response


def delete_integration_response(call: Call, request: Shape) -> Shape:
    """DeleteIntegrationResponse. A method that is missing is told as a missing integration here, as on AWS."""
    resource, _, integration, response = _response_of(call, request, absent_method=UNKNOWN_INTEGRATION)
    del integration["integrationResponses"][response["statusCode"]]
    if not integration["integrationResponses"]:
        del integration["integrationResponses"]
    save_resource(call, request, resource)
    return {}


def _response_of(call: Call, request: Shape, **words: str) -> tuple[Document, Document, Document, Document]:
    resource, method, integration = integration_of(call, request, **words)
    response = integration.get("integrationResponses", {}).get(request["statusCode"])
    if response is None:
        raise not_found(UNKNOWN_RESPONSE)
    return resource, method, integration, response


def _check_integration(call: Call, method: Document, integration: Document) -> None:
    check_target(call, integration)
    if integration["passthroughBehavior"] not in _PASSTHROUGH:
        raise bad_request(_BAD_PASSTHROUGH)
    if not _LEAST_TIMEOUT_MS <= integration["timeoutInMillis"] <= _MOST_TIMEOUT_MS:
        raise bad_request(_BAD_TIMEOUT)
    if integration.get("connectionType") == "VPC_LINK" and not integration.get("connectionId"):
        raise bad_request("Connection ID must be specified for integrations of connection type VPC_LINK")
    check_request_mappings(integration.get("requestParameters", {}), method.get("requestParameters", {}))
    _check_templates(integration.get("requestTemplates", {}))


def _check_templates(templates: dict[str, Any]) -> None:
    for key, text in templates.items():
        check_media_type(key)
        if len((text or "").encode()) > limit("gateway.rest.template_bytes"):
            raise bad_request("Mapping template exceeds the maximum size of 300 KB")


def _check_response(method: Document, response: Document) -> None:
    declared = method.get("methodResponses", {}).get(response["statusCode"], {}).get("responseParameters", {})
    check_response_mappings(response.get("responseParameters", {}), declared)
    _check_templates(response.get("responseTemplates", {}))


def _check_pattern(responses: Document, response: Document) -> None:
    """No two status codes have the same selection pattern; none and an empty one are both the default."""
    pattern = response.get("selectionPattern") or ""
    for status, other in responses.items():
        if status != response["statusCode"] and (other.get("selectionPattern") or "") == pattern:
            shown = pattern or "default"
            raise conflict(f"Integration response with selection pattern {shown} already exists")


# Patch operations


def _not_on_mock(member: str) -> Rule:
    replace = set_text(member)

    def effect(draft: Draft, patch: Patch) -> None:
        if draft.document["type"] == "MOCK":
            raise bad_request(f"Invalid patch path  '{patch.path}' specified for an integration of type MOCK")
        replace(draft, patch)

    return Rule(f"/{member}", {"replace": effect})


def _add_cache_key(draft: Draft, patch: Patch) -> None:
    if patch.name not in draft.document["cacheKeyParameters"]:
        draft.document["cacheKeyParameters"].append(patch.name)


def _remove_cache_key(draft: Draft, patch: Patch) -> None:
    draft.document["cacheKeyParameters"] = [key for key in draft.document["cacheKeyParameters"] if key != patch.name]


def _replace_cache_key(draft: Draft, patch: Patch) -> None:
    keys = draft.document["cacheKeyParameters"]
    draft.document["cacheKeyParameters"] = [patch.value or key if key == patch.name else key for key in keys]


def _set_content_handling(draft: Draft, patch: Patch) -> None:
    if not patch.value:
        draft.document.pop("contentHandling", None)
    elif patch.value in _CONTENT_HANDLING:
        draft.document["contentHandling"] = patch.value
    else:
        raise bad_request(_BAD_CONTENT_HANDLING)


def _set_selection_pattern(draft: Draft, patch: Patch) -> None:
    draft.document["selectionPattern"] = patch.value or ""


_CONTENT_HANDLING_RULE: Final = Rule("/contentHandling", {"replace": _set_content_handling})

_INTEGRATION_PATCHES: Final = PatchTable(
    "listed",
    (
        _not_on_mock("uri"),
        _not_on_mock("httpMethod"),
        Rule(
            "/connectionType",
            {"replace": set_choice("connectionType", ("INTERNET", "VPC_LINK"), "Invalid ConnectionType specified")},
        ),
        text_rule("/connectionId"),
        text_rule("/credentials"),
        text_rule("/passthroughBehavior", blank=_BAD_PASSTHROUGH),
        _CONTENT_HANDLING_RULE,
        Rule(
            "/timeoutInMillis",
            {"replace": set_number("timeoutInMillis", _LEAST_TIMEOUT_MS, _MOST_TIMEOUT_MS, _BAD_TIMEOUT)},
        ),
        text_rule("/cacheNamespace", blank="Invalid cache namespace specified"),
        flag_rule("/tlsConfig/insecureSkipVerification"),
        Rule(
            "/responseTransferMode",
            {
                "replace": set_choice(
                    "responseTransferMode", ("BUFFERED", "STREAM"), "Invalid ResponseTransferMode specified"
                )
            },
        ),
        text_rule("/integrationTarget"),
        map_rule("/requestParameters/{parameter}", "requestParameters", as_text, missing=_NO_PARAMETER),
        map_rule("/requestTemplates/{content_type}", "requestTemplates", as_text, missing=_NO_CONTENT_TYPE),
        Rule(
            "/cacheKeyParameters/{parameter}",
            {"add": _add_cache_key, "replace": _replace_cache_key, "remove": _remove_cache_key},
        ),
    ),
)
_RESPONSE_PATCHES: Final = PatchTable(
    "listed",
    (
        Rule("/selectionPattern", {"replace": _set_selection_pattern}),
        _CONTENT_HANDLING_RULE,
        map_rule("/responseParameters/{parameter}", "responseParameters", as_text, missing=_NO_PARAMETER),
        map_rule(
            "/responseTemplates/{content_type}",
            "responseTemplates",
            lambda value: value or None,
            missing=_NO_CONTENT_TYPE,
        ),
    ),
)
