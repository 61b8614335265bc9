"""Request validators: which checks a method wants before its integration.

Source: reference, control plane, sections 1.4, 2.2, 3.2, 3.3.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.paging import read_parts
from scopegate.gateway.operations.apigateway.patch import PatchTable, apply_patches, flag_rule, text_rule
from scopegate.gateway.operations.apigateway.references import find_referring_method
from scopegate.gateway.operations.apigateway.refusals import UNKNOWN_VALIDATOR, bad_request, conflict
from scopegate.ports import Call
from scopegate.store.documents import Document

_BLANK_NAME: Final = "Request Validator name cannot be blank"


def create_request_validator(call: Call, request: Shape) -> Shape:
    """CreateRequestValidator. An unknown API is a bad request here, as on AWS."""
    api = api_of(call, request, bad_request("Invalid REST API identifier specified"))
    name = request.get("name") or ""
    if not name.strip():
        raise bad_request(_BLANK_NAME)
    if any(part["name"] == name for _, part in queries.list_parts(call.tx, api["id"], "request_validator")):
        raise conflict(
            f"Request Validator name must be unique. Request Validator {name} already exists in this RestApi."
        )
    validator: Document = {
        "id": clock.new_id(6),
        "name": name,
        "validateRequestBody": bool(request.get("validateRequestBody")),
        "validateRequestParameters": bool(request.get("validateRequestParameters")),
    }
    queries.put_part(call.tx, api["id"], "request_validator", validator["id"], validator)
    return validator


def get_request_validator(call: Call, request: Shape) -> Shape:
    """GetRequestValidator."""
    return _get_validator(call, request)


def get_request_validators(call: Call, request: Shape) -> Shape:
    """GetRequestValidators."""
    api_of(call, request)
    return read_parts(call, request, "request_validator")


def update_request_validator(call: Call, request: Shape) -> Shape:
    """UpdateRequestValidator."""
    validator = apply_patches(_PATCHES, call, request["restApiId"], _get_validator(call, request), request)
    queries.put_part(call.tx, request["restApiId"], "request_validator", validator["id"], validator)
    return validator


def delete_request_validator(call: Call, request: Shape) -> Shape:
    """DeleteRequestValidator: refused while a method refers to it."""
    validator_id = _get_validator(call, request)["id"]
    found = find_referring_method(
        call.tx, request["restApiId"], lambda method: method.get("requestValidatorId") == validator_id
    )
    if found:
        raise conflict(
            f"Cannot delete request validator '{validator_id}', is referenced in method: {found[1]}/{found[0]}"
        )
    queries.delete_part(call.tx, request["restApiId"], "request_validator", validator_id)
    return {}


def check_validator_id(call: Call, api_id: str, validator_id: str) -> None:
    """Refuse a validator that the API lacks: a bad request, where its own operations say not found."""
    if queries.find_part(call.tx, api_id, "request_validator", validator_id) is None:
        raise bad_request(UNKNOWN_VALIDATOR)


def _get_validator(call: Call, request: Shape) -> Document:
    validator_id = request["requestValidatorId"]
    return part_of(call, request, "request_validator", validator_id, UNKNOWN_VALIDATOR, names_part=True)


_PATCHES: Final = PatchTable(
    "listed",
    (
        text_rule("/name", blank=_BLANK_NAME),
        flag_rule("/validateRequestParameters"),
        flag_rule("/validateRequestBody"),
    ),
)
