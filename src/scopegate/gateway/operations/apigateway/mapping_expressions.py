"""Parameter mappings as text: which keys and values are well-formed, and whether what they name is declared.

What a mapping does to a call is decided on the data plane.
Source: reference, control plane, section 3.3; data plane, section 6.3.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from scopegate.gateway.operations.apigateway.refusals import bad_request, invalid_definition, invalid_mapping

_NAME: Final = r"[A-Za-z0-9!#$%&'*+.:^_`|~\[\]-]+"
_METHOD_PARAMETER: Final = re.compile(rf"method\.request\.(header|querystring|path)\.({_NAME})")
_RESPONSE_HEADER: Final = re.compile(rf"method\.response\.header\.({_NAME})")
_INTEGRATION_PARAMETER: Final = re.compile(rf"integration\.request\.(header|querystring|path)\.({_NAME})")
_GATEWAY_RESPONSE_PARAMETER: Final = re.compile(rf"gatewayresponse\.header\.({_NAME})")

_STATIC: Final = r"'[^']*'"
_VARIABLE: Final = rf"stageVariables\.{_NAME}|context\.{_NAME}"
_STATIC_OR_VARIABLE: Final = re.compile(rf"{_STATIC}|{_VARIABLE}", re.DOTALL)
_FROM_METHOD: Final = re.compile(
    rf"method\.request\.(header|querystring|path|multivalueheader|multivaluequerystring)\.({_NAME})"
)
_METHOD_BODY: Final = re.compile(r"method\.request\.body(\.\S+)?")
_FROM_INTEGRATION: Final = re.compile(
    rf"integration\.response\.(header|multivalueheader)\.{_NAME}|integration\.response\.body(\.\S+)?"
)

_MEDIA_TYPE: Final = re.compile(r"[^\s/;]+/[^\s/;]+(\s*;.*)?")
DEFAULT_MEDIA_TYPE: Final = "$default"


def _invalid_expression(text: str) -> str:
    return f"Invalid mapping expression specified: {text}"


def _undeclared(text: str) -> str:
    return f"Invalid mapping expression parameter specified: {text}"


def check_method_parameter(key: str) -> None:
    """Refuse a key that is not `method.request.(header|querystring|path).NAME`."""
    if _METHOD_PARAMETER.fullmatch(key) is None:
        raise invalid_mapping(_invalid_expression(key))


def check_method_parameters(parameters: Mapping[str, bool]) -> None:
    """Refuse malformed keys, and one name in two places."""
    seen = set()
    for key in parameters:
        check_method_parameter(key)
        name = key.split(".", 3)[3]
        if name in seen:
            raise bad_request("Parameter names must be unique across querystring, header and path")
        seen.add(name)


def check_response_header(key: str) -> None:
    """Refuse a key that is not `method.response.header.NAME`."""
    if _RESPONSE_HEADER.fullmatch(key) is None:
        raise invalid_mapping(_invalid_expression(key))


def check_request_mappings(mappings: Mapping[str, str], declared: Mapping[str, bool]) -> None:
    """Refuse bad `integration.request.*` mappings. `declared`: the method's request parameters."""

    def errors() -> Iterator[str]:
        for key, value in mappings.items():
            if _INTEGRATION_PARAMETER.fullmatch(key) is None:
                yield _invalid_expression(key)
            source = _FROM_METHOD.fullmatch(value)
            if source is not None:
                if f"method.request.{source[1].removeprefix('multivalue')}.{source[2]}" not in declared:
                    yield _undeclared(value)
            elif _STATIC_OR_VARIABLE.fullmatch(value) is None and _METHOD_BODY.fullmatch(value) is None:
                yield _invalid_expression(value)

    _refuse(errors)


def check_response_mappings(mappings: Mapping[str, str], declared: Mapping[str, bool]) -> None:
    """Refuse bad `method.response.header.*` mappings. `declared`: the method response's parameters."""

    def errors() -> Iterator[str]:
        for key, value in mappings.items():
            if _RESPONSE_HEADER.fullmatch(key) is None:
                yield _invalid_expression(key)
            elif key not in declared:
                yield _undeclared(key)
            if _STATIC_OR_VARIABLE.fullmatch(value) is None and _FROM_INTEGRATION.fullmatch(value) is None:
                yield _invalid_expression(value)

    _refuse(errors)


def check_gateway_response_parameters(parameters: Mapping[str, str]) -> None:
    """Refuse bad `gatewayresponse.header.*` parameters; request parameters need not be declared anywhere."""

    def errors() -> Iterator[str]:
        for key, value in parameters.items():
            if _GATEWAY_RESPONSE_PARAMETER.fullmatch(key) is None:
                yield _invalid_expression(key)
            if _STATIC_OR_VARIABLE.fullmatch(value) is None and _METHOD_PARAMETER.fullmatch(value) is None:
                yield _invalid_expression(value)

    _refuse(errors)


def check_media_type(key: str) -> None:
    """Refuse a template or model key that is no media type."""
    if key != DEFAULT_MEDIA_TYPE and _MEDIA_TYPE.fullmatch(key) is None:
        raise invalid_definition([f"Invalid content type specified: {key}"])


def _refuse(errors: Callable[[], Iterator[str]]) -> None:
    found = list(errors())
    if found:
        raise invalid_mapping(*found)
