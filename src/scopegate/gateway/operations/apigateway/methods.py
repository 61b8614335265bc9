"""Methods and their responses, parts of the resource's document.

A method says who may call (authorization type, authorizer, scopes), what a call carries and what an answer declares.
Source: reference, control plane, sections 1.4, 2.2, 3.2, 3.3.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import method_of, resource_of, save_resource
from scopegate.gateway.operations.apigateway.mapping_expressions import (
    check_media_type,
    check_method_parameters,
    check_response_header,
)
from scopegate.gateway.operations.apigateway.models import check_model_name
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    as_text,
    flag_rule,
    is_true,
    map_rule,
    text_rule,
)
from scopegate.gateway.operations.apigateway.refusals import UNKNOWN_RESPONSE, bad_request, conflict, not_found
from scopegate.gateway.operations.apigateway.request_validators import check_validator_id
from scopegate.ports import Call
from scopegate.store.documents import Document

VERBS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
BAD_VERB: Final = f"Invalid HttpMethod specified. Valid options are {','.join(VERBS)}"

AUTHORIZER_TYPES: Final = {
    "CUSTOM": ("TOKEN", "REQUEST"),
    "COGNITO_USER_POOLS": ("COGNITO_USER_POOLS",),
    "JWT": ("JWT",),
}
"""Types of authorizer that each authorization type can have; the other types have none."""

_SCOPED_TYPES: Final = ("COGNITO_USER_POOLS", "JWT")
_OPEN_TYPES: Final = ("NONE", "AWS_IAM")
# JWT came later than these words.
_BAD_TYPE: Final = "Invalid authorization type specified. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS"
_BAD_AUTHORIZER: Final = (
    "Invalid authorizer ID specified. Setting the authorization type to {type} requires a valid authorizer."
)
_RESPONSE_EXISTS: Final = "Response already exists for this resource"
_NO_PARAMETER: Final = "Invalid parameter name specified"
_NO_CONTENT_TYPE: Final = "Content-Type specified was not found"


def put_method(call: Call, request: Shape) -> Shape:
    """PutMethod. Raises AwsError: unknown verb, authorizer, validator or model; a method that exists."""
    resource = resource_of(call, request)
    verb = request["httpMethod"]
    if verb not in VERBS:
        raise bad_request(BAD_VERB)
    if verb in resource.get("resourceMethods", {}):
        raise conflict("Method already exists for this resource")
    method = {
        "httpMethod": verb,
        "authorizationType": request["authorizationType"].upper(),
        "apiKeyRequired": bool(request.get("apiKeyRequired")),
    }
    given = ("authorizerId", "operationName", "requestValidatorId", "authorizationScopes")
    method |= {name: request[name] for name in given if request.get(name)}
    method |= {name: request[name] for name in ("requestParameters", "requestModels") if request.get(name) is not None}
    method = _settle_authorization(call, request["restApiId"], method)
    if "requestValidatorId" in method:
        check_validator_id(call, request["restApiId"], method["requestValidatorId"])
    check_method_parameters(method.get("requestParameters", {}))
    for content_type, model in method.get("requestModels", {}).items():
        check_media_type(content_type)
        check_model_name(call, request["restApiId"], model)
    resource.setdefault("resourceMethods", {})[verb] = method
    save_resource(call, request, resource)
    return method


def get_method(call: Call, request: Shape) -> Shape:
    """GetMethod: with its integration and responses."""
    return method_of(call, request)[1]


def update_method(call: Call, request: Shape) -> Shape:
    """UpdateMethod. Authorization is judged when all operations are applied: type and authorizer change together."""
    resource, method = method_of(call, request)
    method = apply_patches(_METHOD_PATCHES, call, request["restApiId"], method, request)
    method = _settle_authorization(call, request["restApiId"], method)
    resource["resourceMethods"][method["httpMethod"]] = method
    save_resource(call, request, resource)
    return method


def delete_method(call: Call, request: Shape) -> Shape:
    """DeleteMethod."""
    resource, method = method_of(call, request)
    del resource["resourceMethods"][method["httpMethod"]]
    save_resource(call, request, resource)
    return {}


def put_method_response(call: Call, request: Shape) -> Shape:
    """PutMethodResponse. What is given comes back as given: `{}` stays `{}`."""
    resource, method = method_of(call, request)
    status = request["statusCode"]
    if status in method.get("methodResponses", {}):
        raise conflict(_RESPONSE_EXISTS)
    response = {"statusCode": status}
    response |= {
        name: request[name] for name in ("responseParameters", "responseModels") if request.get(name) is not None
    }
    for key in response.get("responseParameters", {}):
        check_response_header(key)
    for content_type, model in response.get("responseModels", {}).items():
        check_media_type(content_type)
        check_model_name(call, request["restApiId"], model)
    method.setdefault("methodResponses", {})[status] = response
    save_resource(call, request, resource)
    return response


def get_method_response(call: Call, request: Shape) -> Shape:
    """GetMethodResponse."""
    return _response_of(call, request)[2]


def update_method_response(call: Call, request: Shape) -> Shape:
    """UpdateMethodResponse."""
    resource, method, response = _response_of(call, request)
    response = apply_patches(_RESPONSE_PATCHES, call, request["restApiId"], response, request)
    method["methodResponses"][response["statusCode"]] = response
    save_resource(call, request, resource)
    return response


def delete_method_response(call: Call, request: Shape) -> Shape:
    """DeleteMethodResponse."""
    resource, method, response = _response_of(call, request)
    del method["methodResponses"][response["statusCode"]]
    if not method["methodResponses"]:
        del method["methodResponses"]
    save_resource(call, request, resource)
    return {}


def _response_of(call: Call, request: Shape) -> tuple[Document, Document, Document]:
    resource, method = method_of(call, request)
    response = method.get("methodResponses", {}).get(request["statusCode"])
    if response is None:
        raise not_found(UNKNOWN_RESPONSE)
    return resource, method, response


def _settle_authorization(call: Call, api_id: str, method: Document) -> Document:
    """The method with an authorizer that exists and fits, or without what its authorization type does not use.

    Raises AwsError: an unknown type; a type that needs an authorizer without one that exists and is of its kind.
    """
    kind = method["authorizationType"]
    if kind in _OPEN_TYPES:
        unused = ("authorizerId", "authorizationScopes")
        return {name: value for name, value in method.items() if name not in unused}
    wanted = AUTHORIZER_TYPES.get(kind)
    if wanted is None:
        raise bad_request(_BAD_TYPE)
    authorizer = queries.find_part(call.tx, api_id, "authorizer", method.get("authorizerId", ""))
    if authorizer is None or authorizer["type"] not in wanted:
        shown = "JWT" if kind == "JWT" else "CUSTOM or COGNITO_USER_POOLS"
        raise bad_request(_BAD_AUTHORIZER.format(type=shown))
    if kind not in _SCOPED_TYPES:
        return {name: value for name, value in method.items() if name != "authorizationScopes"}
    return method


# Patch operations


def _set_authorization_type(draft: Draft, patch: Patch) -> None:
    draft.document["authorizationType"] = (patch.value or "").upper()


def _add_scope(draft: Draft, patch: Patch) -> None:
    scopes = draft.document.setdefault("authorizationScopes", [])
    if not patch.value:
        raise bad_request("Invalid authorization scope specified")
    if patch.value not in scopes:
        scopes.append(patch.value)


def _remove_scope(draft: Draft, patch: Patch) -> None:
    left = [scope for scope in draft.document.get("authorizationScopes", []) if scope != patch.value]
    draft.document["authorizationScopes"] = left
    if not left:
        del draft.document["authorizationScopes"]


def _set_validator(draft: Draft, patch: Patch) -> None:
    if not patch.value:
        draft.document.pop("requestValidatorId", None)
        return
    check_validator_id(draft.call, draft.api_id, patch.value)
    draft.document["requestValidatorId"] = patch.value


def _check_parameter(draft: Draft, patch: Patch) -> None:
    check_method_parameters({**draft.document.get("requestParameters", {}), patch.name: True})


def _check_model(draft: Draft, patch: Patch) -> None:
    check_media_type(patch.name)
    check_model_name(draft.call, draft.api_id, patch.value)


def _check_header(_: Draft, patch: Patch) -> None:
    check_response_header(patch.name)


_METHOD_PATCHES: Final = PatchTable(
    "named",
    (
        Rule("/authorizationType", {"replace": _set_authorization_type}),
        text_rule("/authorizerId"),
        Rule("/authorizationScopes", {"add": _add_scope, "remove": _remove_scope}),
        flag_rule("/apiKeyRequired"),
        text_rule("/operationName"),
        Rule("/requestValidatorId", {"replace": _set_validator}),
        map_rule(
            "/requestParameters/{parameter}", "requestParameters", is_true, _check_parameter, missing=_NO_PARAMETER
        ),
        map_rule("/requestModels/{content_type}", "requestModels", as_text, _check_model, missing=_NO_CONTENT_TYPE),
    ),
)
_RESPONSE_PATCHES: Final = PatchTable(
    "named",
    (
        map_rule(
            "/responseParameters/{parameter}", "responseParameters", is_true, _check_header, missing=_NO_PARAMETER
        ),
        map_rule("/responseModels/{content_type}", "responseModels", as_text, _check_model, missing=_NO_CONTENT_TYPE),
    ),
)
