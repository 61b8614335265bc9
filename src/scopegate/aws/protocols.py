"""The three protocols: a request becomes a shape, a result or an error becomes a response.

`parse` dispatches on the service's protocol; constraints are judged in `constraints.py`. Every AWS error of this
server is rendered here.
Source: reference, cognito 10, lambda 10.1, control plane of API Gateway 3.1 and 6; AWS protocols (Smithy).
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from botocore.model import Shape as ModelShape

from scopegate.aws import json_shapes, query_shapes, values
from scopegate.aws.models import Operation, Service, Target
from scopegate.aws.values import serialization_error
from scopegate.base.errors import AwsError
from scopegate.http.message import Header, Request, Response

_JSON: Final = "application/json"
_XML: Final = "text/xml"
# API Gateway's dates have no fraction (reference, control plane of API Gateway 1.3).
_TIMESTAMPS: Final[Mapping[str, str]] = {"apigateway": "whole"}
_LONGEST_HEADER: Final = 2_048
_FAULTS: Final = frozenset({"InternalErrorException", "InternalServerException", "InternalFailure", "ServiceException"})


def parse(target: Target, request: Request) -> dict[str, Any]:
    """The members of a request, by their names in the model. Raises AwsError."""
    shape = target.operation.model.input_shape
    protocol = target.operation.service.protocol
    if protocol == "query":
        return query_shapes.parse_form(shape, target.form)
    if shape is None:
        return {}
    if protocol == "rest-json":
        return _parse_rest(shape, target, request)
    return json_shapes.parse_structure(shape, json_shapes.parse_body(request.body))


# REST-JSON: members stand in the path, the query, headers and the body


def _parse_rest(shape: ModelShape, target: Target, request: Request) -> dict[str, Any]:
    members = _parse_locations(shape, target, request)
    payload = shape.serialization.get("payload")
    if payload is None:
        if any("location" not in member.serialization for member in shape.members.values()):
            document = json_shapes.parse_body(request.body)
            members |= json_shapes.parse_structure(shape, document, only_body=True)
        return members
    member = shape.members[payload]
    if member.type_name == "blob":
        if request.body:
            members[payload] = request.body
    elif member.type_name == "string":
        if request.body:
            members[payload] = values.parse_text(_decode(request.body))
    elif request.body.strip():
        members[payload] = json_shapes.parse_structure(member, json_shapes.parse_body(request.body))
    return members


def _parse_locations(shape: ModelShape, target: Target, request: Request) -> dict[str, Any]:
    query: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl((request.query or b"").decode("utf-8"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise serialization_error("The query string is not UTF-8") from None
    for name, text in pairs:
        query.setdefault(name, []).append(text)
    named = {m.serialization.get("name") for m in shape.members.values() if m.serialization.get("location")}
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = json_shapes.wire_name(member, name)
        if location == "uri":
            members[name] = _parse_text(member, _decode(unquote_to_bytes(target.labels[wire])))
        elif location == "querystring" and member.type_name == "map":
            rest = {key: texts[-1] for key, texts in query.items() if key not in named and key != "mode"}
            if rest:
                members[name] = {values.parse_text(key): values.parse_text(text) for key, text in rest.items()}
        elif location == "querystring" and wire in query:
            texts = query[wire]
            if member.type_name == "list":
                members[name] = [_parse_text(member.member, text) for text in texts]
            else:
                members[name] = _parse_text(member, texts[-1])
        elif location == "header":
            value = request.find(wire.lower().encode())
            if value is not None:
                members[name] = _parse_text(member, _decode(value))
    return members


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise serialization_error("A string is not UTF-8") from None


def _parse_text(shape: ModelShape, text: str) -> Any:
    """A scalar in a path, query or header."""
    values.parse_text(text)
    kind = shape.type_name
    if kind == "boolean":
        return values.parse_boolean_text(text)
    if kind == "timestamp":
        return values.parse_timestamp(text)
    if kind in ("integer", "long", "short", "float", "double"):
        return values.parse_number_text(text, kind)
    return values.parse_blob(text) if kind == "blob" else text


# Answers


def render_result(operation: Operation, result: Mapping[str, Any] | None, request_id: str) -> Response:
    """A result by the model. A payload may be bytes, text, or an async iterator of bytes (then streamed)."""
    members = dict(result or {})
    shape = operation.model.output_shape
    service = operation.service
    if service.protocol == "query":
        return _render_query(operation, shape, members, request_id)
    if service.protocol == "json":
        document = json_shapes.render_structure(shape, members) if shape is not None else {}
        content_type = f"application/x-amz-json-{service.json_version}"
        return _response(service, 200, content_type, json_shapes.render_body(document), request_id)
    return _render_rest(operation, shape, members, request_id)


def _response(
    service: Service, status: int, content_type: str | None, body: bytes, request_id: str, *more: Header
) -> Response:
    headers: list[Header] = []
    if content_type is not None:
        headers.append((b"Content-Type", content_type.encode("latin-1", "replace")))
    headers.append((b"x-amzn-RequestId", request_id.encode()))
    if service.name in ("apigateway", "apigatewayv2"):
        headers.append((b"x-amz-apigw-id", request_id.replace("-", "")[:15].encode() + b"="))
    headers.extend(more)
    return Response(status, headers, body)


def _render_query(operation: Operation, shape: ModelShape | None, members: dict[str, Any], request_id: str) -> Response:
    inner = ""
    if shape is not None:
        body = query_shapes.render_members(shape, members)
        wrapper = shape.serialization.get("resultWrapper")
        inner = f"<{wrapper}>{body}</{wrapper}>" if wrapper else body
    namespace = operation.service.model.metadata.get("xmlNamespace", "")
    text = (
        f'<{operation.name}Response xmlns="{query_shapes.escape(namespace)}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
    )
    return _response(operation.service, 200, _XML, text.encode(), request_id)


def _render_rest(operation: Operation, shape: ModelShape | None, members: dict[str, Any], request_id: str) -> Response:
    service = operation.service
    status = int(operation.model.http.get("responseCode", 200))
    if shape is None:
        return _response(service, status, None, b"", request_id)
    headers: list[Header] = []
    content_type: str | None = _JSON
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        value = members.get(name)
        if value is None:
            continue
        if location == "statusCode":
            status = int(value)
        elif location == "header":
            wire = json_shapes.wire_name(member, name)
            text = values.render_text(value, member, timestamp="rfc822")
            if wire.lower() == "content-type":
                content_type = text
            else:
                headers.append((wire.encode(), text.encode("utf-8")))
    if status == 204:
        return _response(service, status, None, b"", request_id, *headers)
    payload = shape.serialization.get("payload")
    if payload is None:
        timestamp = _TIMESTAMPS.get(service.name, "unixtimestamp")
        document = json_shapes.render_structure(shape, members, timestamp=timestamp, only_body=True)
        body = json_shapes.render_body(document)
        return _response(service, status, content_type, body, request_id, *headers)
    value = members.get(payload)
    if isinstance(value, AsyncIterator):
        response = _response(service, status, content_type, b"", request_id, *headers)
        response.stream = value
        return response
    if isinstance(value, Mapping):
        value = json_shapes.render_body(json_shapes.render_structure(shape.members[payload], dict(value)))
    elif isinstance(value, str):
        value = value.encode("utf-8")
    return _response(service, status, content_type, value or b"", request_id, *headers)


# Errors


def render_error(service: Service | None, error: AwsError, request_id: str) -> Response:
    """An error as the service sends it; as REST-JSON when no service is known."""
    shape = service.error_shapes.get(error.code) if service is not None else None
    traits = (shape.metadata.get("error") or {}) if shape is not None else {}
    status = error.status or traits.get("httpStatusCode") or _status_without_model(service, error.code)
    if service is None:
        headers: list[Header] = [
            (b"Content-Type", _JSON.encode()),
            (b"x-amzn-RequestId", request_id.encode()),
            (b"x-amzn-ErrorType", error.code.encode()),
        ]
        body = {} if error.message is None else {"message": error.message}
        return Response(status, headers, json_shapes.render_body(body))
    if service.protocol in ("query", "ec2", "rest-xml"):
        return _render_xml_error(service, error, traits, status, request_id)
    if service.protocol == "json":
        return _render_json_error(service, error, shape, status, request_id)
    return _render_rest_error(service, error, shape, traits, status, request_id)


def _status_without_model(service: Service | None, code: str) -> int:
    if code in _FAULTS:
        return 500
    if service is not None and service.protocol == "json":
        return 400
    return _COMMON_STATUSES.get(code, 400)


# Errors that no model has: they arise before an operation does (AWS, "Common errors").
_COMMON_STATUSES: Final[Mapping[str, int]] = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "IncompleteSignatureException": 403,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestEntityTooLargeException": 413,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "SignatureDoesNotMatch": 403,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}


def _error_members(error: AwsError, shape: ModelShape | None) -> dict[str, Any]:
    """What an error has beside its text, by wire name."""
    if shape is None:
        return dict(error.members)
    known = {name: value for name, value in error.members.items() if name in shape.members}
    return json_shapes.render_structure(shape, known, only_body=True)


def _text_member(shape: ModelShape | None) -> str:
    """How the text member of an error is spelled: as its model says, else `message`."""
    if shape is not None:
        for name, member in shape.members.items():
            if name.lower() == "message":
                return json_shapes.wire_name(member, name)
    return "message"


def _header_text(text: str) -> bytes:
    """One line of ASCII, short enough for every client's header limits."""
    return "".join(c if 32 <= ord(c) < 127 else "?" for c in text[:_LONGEST_HEADER]).encode()


def _render_json_error(
    service: Service, error: AwsError, shape: ModelShape | None, status: int, request_id: str
) -> Response:
    body: dict[str, Any] = {"__type": error.code}
    if error.message is not None:
        # IAM's denial spells its text with a capital, whatever the model says (reference, cognito 10.3).
        name = "Message" if error.code == "AccessDeniedException" else _text_member(shape)
        body[name] = error.message
    body |= _error_members(error, shape)
    more: list[Header] = [(b"x-amzn-ErrorType", error.code.encode() + b":")]
    if error.message is not None:
        more.append((b"x-amzn-ErrorMessage", _header_text(error.message)))
    content_type = f"application/x-amz-json-{service.json_version}"
    return _response(service, status, content_type, json_shapes.render_body(body), request_id, *more)


def _render_rest_error(
    service: Service,
    error: AwsError,
    shape: ModelShape | None,
    traits: Mapping[str, Any],
    status: int,
    request_id: str,
) -> Response:
    body: dict[str, Any] = {}
    if shape is not None and "Type" in shape.members:
        body["Type"] = "User" if traits.get("senderFault") or status < 500 else "Service"
    if error.message is not None:
        # IAM's denial: capital M for every REST service (reference, run time of API Gateway 3.1).
        denied = error.code == "AccessDeniedException" and (shape is None or service.name == "apigatewayv2")
        body["Message" if denied else _text_member(shape)] = error.message
    body |= {name: value for name, value in _error_members(error, shape).items() if name not in body or value}
    more: list[Header] = [(b"x-amzn-ErrorType", error.code.encode())]
    if shape is not None:
        for name, member in shape.members.items():
            if member.serialization.get("location") == "header" and error.members.get(name) is not None:
                wire = json_shapes.wire_name(member, name)
                more.append((wire.encode(), _header_text(str(error.members[name]))))
    return _response(service, status, _JSON, json_shapes.render_body(body), request_id, *more)


def _render_xml_error(
    service: Service, error: AwsError, traits: Mapping[str, Any], status: int, request_id: str
) -> Response:
    code = str(traits.get("code", error.code))
    fault = "Receiver" if status >= 500 else "Sender"
    message = query_shapes.escape(error.message or "")
    if service.name == "s3":
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{query_shapes.escape(code)}</Code>'
            f"<Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
        )
        return _response(service, status, "application/xml", text.encode(), request_id)
    namespace = query_shapes.escape(str(service.model.metadata.get("xmlNamespace", "")))
    text = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type><Code>{query_shapes.escape(code)}</Code>'
        f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _response(service, status, _XML, text.encode(), request_id)
