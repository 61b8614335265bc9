"""Request validators of REST APIs: required parameters and body models (JSON Schema draft 4).

Nothing is ever fetched: a `$ref` names another model of the API, or a part of its own document.
Source: reference, "Request validation and models"; attack row H6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.base.patterns import fault_of
from scopegate.gateway import headers
from scopegate.gateway.events import media_type
from scopegate.gateway.model import ApiCall, Closed, Document, Step

_PARAMETER: Final = re.compile(
    r"method\.request\.(header|path|querystring|multivalueheader|multivaluequerystring)\.(.+)"
)
_MODEL_REF: Final = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/(\w+)")
_DEPTH: Final = 1000  # deeper bodies are refused (reference, "Request validation and models")
_NO_BODY: Final = b"{}"  # an empty body is validated as this

CheckBody = Callable[[bytes], str | None]
"""None when the body fits the model, else why not."""


def compile_validator(validator: Document, method: Document, models: Mapping[str, str]) -> Step | None:
    """The step of a method's request validator; models: name → schema text. Raises Closed for a schema that is none."""
    checks: list[Step] = []
    if validator.get("validateRequestParameters"):
        required = sorted(key for key, needed in (method.get("requestParameters") or {}).items() if needed)
        if required:
            checks.append(_check_parameters(required))
    if validator.get("validateRequestBody"):
        by_type = {
            kind.lower() if kind != "$default" else kind: _compile_model(name, models)
            for kind, name in (method.get("requestModels") or {}).items()
        }
        if by_type:
            checks.append(_check_body(by_type))
    if not checks:
        return None

    def validate(call: ApiCall) -> None:
        for check in checks:
            check(call)

    return validate


def _check_parameters(required: list[str]) -> Step:
    places: list[tuple[str, str]] = []
    for key in required:
        match = _PARAMETER.fullmatch(key)
        if match is None:
            raise Closed(f"required parameter {key!r} is unknown")
        places.append((match[1].removeprefix("multivalue"), match[2]))

    def check(call: ApiCall) -> None:
        # Header names are compared as sent; an empty value counts as missing (reference).
        found = {
            "header": {name for name, value in headers.rest_request_headers(call.request) if value},
            "path": {name for name, value in call.path_values if value},
            "querystring": {name for name, value in call.query if value},
        }
        missing = [name for place, name in places if name not in found[place]]
        if missing:
            message = f"Missing required request parameters: [{', '.join(missing)}]"
            raise GatewayRefusal("BAD_REQUEST_PARAMETERS", message, reason=message)

    return check


def _check_body(by_type: Mapping[str, CheckBody]) -> Step:
    def check(call: ApiCall) -> None:
        kind = media_type(call.request.find(b"content-type")) or "application/json"
        fits = by_type.get(kind) or by_type.get("$default")
        if fits is None:
            return
        why = fits(call.request.body or _NO_BODY)
        if why is not None:
            call.context["error.validationErrorString"] = f"[{why}]"
            raise GatewayRefusal("BAD_REQUEST_BODY", "Invalid request body", reason=f"the body fits no model: {why}")

    return check


def _compile_model(name: str, models: Mapping[str, str]) -> CheckBody:
    # Imported when the first model is compiled: most edges never need it, and it costs 12 MB.
    from jsonschema import Draft4Validator, FormatChecker  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError, ValidationError, best_match  # noqa: PLC0415
    from referencing import Registry, Resource  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT4  # noqa: PLC0415

    schemas = {other: _parse_schema(other, text) for other, text in models.items()}
    if name not in schemas:
        raise Closed(f"model {name!r} does not exist")
    resources = [
        (f"model:{other}", Resource.from_contents(_local_refs(schema), default_specification=DRAFT4))
        for other, schema in schemas.items()
    ]
    registry: Any = Registry().with_resources(resources)
    schema = _local_refs(schemas[name])
    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        raise Closed(f"model {name!r} is no JSON Schema: {error.message}") from None
    for pattern in _patterns(schema):
        if fault := fault_of(pattern):
            raise Closed(fault)
    validator = Draft4Validator({"$ref": f"model:{name}"}, registry=registry, format_checker=FormatChecker(()))

    def check(body: bytes) -> str | None:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return "the body is no JSON"
        try:
            error: ValidationError | None = best_match(validator.iter_errors(value))
        except RecursionError:
            return f"nested deeper than {_DEPTH}"
        except Unresolvable as unresolvable:
            raise GatewayRefusal(
                "API_CONFIGURATION_ERROR",
                "Internal server error",
                reason=f"model {name!r} refers to what is not here: {unresolvable.ref}",
            ) from None
        return None if error is None else error.message

    return check


def _parse_schema(name: str, text: str) -> Any:
    try:
        schema = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        raise Closed(f"model {name!r} is no JSON") from None
    if not isinstance(schema, dict):
        raise Closed(f"model {name!r} is no JSON object")
    return schema


def _local_refs(value: Any) -> Any:
    """The schema with every `$ref` to a model made local, and `$schema` and `id` taken off: both name places."""
    if isinstance(value, list):
        return [_local_refs(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, item in value.items():
        if key == "$ref" and isinstance(item, str):
            match = _MODEL_REF.fullmatch(item)
            if match is None and not item.startswith("#"):
                raise Closed(f"a model refers to {item!r}, which is no model of this API")
            out[key] = item if match is None else f"model:{match[1]}"
        elif key in ("enum", "default"):
            out[key] = item  # values, not schemas
        elif key not in ("$schema", "id") or not isinstance(item, str):
            out[key] = _local_refs(item)
    return out


def _patterns(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [pattern for item in schema for pattern in _patterns(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    if isinstance(schema.get("patternProperties"), dict):
        own += [key for key in schema["patternProperties"] if isinstance(key, str)]
    return own + [pattern for item in schema.values() for pattern in _patterns(item)]
