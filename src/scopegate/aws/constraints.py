"""What the model says about members that have been parsed: required, enum, pattern, length, range.

Every failing member is reported in one answer, in AWS's words. What the model cannot say is the operations' own.
Source: reference, cognito 10.3, lambda 10.1, control plane of API Gateway 3.1.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.model import Shape as ModelShape

from scopegate.aws.models import Operation
from scopegate.aws.patterns import compile_pattern
from scopegate.base.errors import AwsError

_ERROR_CODES: Final[Mapping[str, str]] = {
    "cognito-idp": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "apigatewayv2": "BadRequestException",
    "iam": "ValidationError",
    "sts": "ValidationError",
    "cloudformation": "ValidationError",
}

# Refusals with words of their own: shapes that the operation judges, and required members with another sentence.
_SAID_BY_OPERATION: Final = frozenset({("lambda", "Runtime"), ("apigatewayv2", "ProtocolType")})
_REQUIRED_WORDS: Final[Mapping[tuple[str, str, str], str]] = {
    ("apigatewayv2", "CreateRoute", "RouteKey"): "Route key is required",
}

# AWS prints the words of an enum in the order of its own hash set; these orders were recorded.
_ENUM_ORDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "IntegrationType": ("HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS"),
    "Op": ("add", "remove", "move", "test", "replace", "copy"),
    "EndpointType": ("PRIVATE", "EDGE", "REGIONAL"),
    "DocumentationPartType": (
        "RESPONSE_BODY",
        "RESPONSE",
        "METHOD",
        "MODEL",
        "AUTHORIZER",
        "RESPONSE_HEADER",
        "RESOURCE",
        "PATH_PARAMETER",
        "REQUEST_BODY",
        "QUERY_PARAMETER",
        "API",
        "REQUEST_HEADER",
    ),
    "GatewayResponseType": (
        "REQUEST_TOO_LARGE",
        "RESOURCE_NOT_FOUND",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "MISSING_AUTHENTICATION_TOKEN",
        "BAD_REQUEST_BODY",
        "INVALID_SIGNATURE",
        "INVALID_API_KEY",
        "BAD_REQUEST_PARAMETERS",
        "AUTHORIZER_FAILURE",
        "UNAUTHORIZED",
        "INTEGRATION_TIMEOUT",
        "ACCESS_DENIED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "WAF_FILTERED",
        "QUOTA_EXCEEDED",
        "THROTTLED",
        "API_CONFIGURATION_ERROR",
        "UNSUPPORTED_MEDIA_TYPE",
        "INTEGRATION_FAILURE",
        "EXPIRED_TOKEN",
    ),
    "EventSourcePosition": ("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"),
    "InvokeMode": ("RESPONSE_STREAM", "BUFFERED"),
    "Architecture": ("x86_64", "arm64"),
    "RecursiveLoop": ("Terminate", "Allow"),
    "SnapStartApplyOn": ("PublishedVersions", "None"),
    "OAuthFlowType": ("implicit", "client_credentials", "code"),
    "UserPoolMfaType": ("OPTIONAL", "OFF", "ON"),
}
_SHAPE_OF_ORDER: Final = {frozenset(order): order for order in _ENUM_ORDERS.values()}

_DEEPEST: Final = 16
_LONGEST_MATCHED: Final = 8_192
"""A value that is longer than its model allows is not matched against the pattern beyond this many characters."""


def validate(operation: Operation, request: Mapping[str, Any]) -> None:
    """Raises the service's validation error that names every failing member."""
    shape = operation.model.input_shape
    if shape is None:
        return
    for (service, name, member), words in _REQUIRED_WORDS.items():
        if (service, name) == (operation.service.name, operation.name) and not request.get(member):
            raise AwsError(_ERROR_CODES[service], words)
    failures = list(_Check(operation).structure(shape, request, ""))
    if failures:
        count = f"{len(failures)} validation error{'s' if len(failures) > 1 else ''} detected: "
        code = _ERROR_CODES.get(operation.service.name, "ValidationException")
        raise AwsError(code, count + "; ".join(failures))


class _Check:
    """One validation: yields a sentence per failure."""

    def __init__(self, operation: Operation) -> None:
        self.service = operation.service.name
        # API Gateway names the members of a body by the operation's input; labels and queries stand bare.
        self.prefix = _lower_first(operation.name) + "Input." if self.service == "apigateway" else ""

    def structure(self, shape: ModelShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
        members = list(shape.members.items())
        if self.service == "apigateway" and not path:
            # Members of the body come before those of the path (recorded for UpdateMethodResponse).
            members.sort(key=lambda item: "location" in item[1].serialization)
        for name, member in members:
            where = f"{path}.{_lower_first(name)}" if path else self._root(name, member)
            item = value.get(name)
            if item is None:
                if name in shape.required_members:
                    yield _failure("Value null", where, "Member must not be null")
            else:
                yield from self.value(member, item, where)

    def _root(self, name: str, member: ModelShape) -> str:
        return _lower_first(name) if "location" in member.serialization else self.prefix + _lower_first(name)

    def value(self, shape: ModelShape, value: Any, path: str) -> Iterator[str]:
        if (self.service, shape.name) in _SAID_BY_OPERATION:
            return
        for constraint, allows in _constraints(shape):
            if not allows(value):
                yield _failure(_shown(shape, value), path, constraint)
        if shape.type_name == "structure":
            if not shape.is_document_type:
                yield from self.structure(shape, value, path)
        elif shape.type_name == "list":
            yield from self._list(shape, value, path)
        elif shape.type_name == "map":
            yield from self._map(shape, value, path)

    def _list(self, shape: ModelShape, value: list[Any], path: str) -> Iterator[str]:
        member = shape.member
        if member.type_name in ("structure", "list", "map"):
            for number, item in enumerate(value, 1):
                if item is None:
                    yield _failure("Value null", f"{path}.{number}.member", "Member must not be null")
                else:
                    yield from self.value(member, item, f"{path}.{number}.member")
        elif not all(item is not None and _allows(member, item) for item in value):
            words = self._words(member, null=self.service == "lambda" or None in value)
            yield _failure(_shown(shape, value), path, f"Member must satisfy constraint: {words}")

    def _map(self, shape: ModelShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
        if not all(_allows(shape.key, key) for key in value):
            yield _failure(_shown(shape, value), path, f"Map keys must satisfy constraint: {self._words(shape.key)}")
        if shape.value.type_name in ("structure", "list", "map"):
            for key, item in value.items():
                yield from self.value(shape.value, item, f"{path}.{key}.member")
        elif not all(item is None or _allows(shape.value, item) for item in value.values()):
            words = self._words(shape.value, null=self.service == "lambda")
            yield _failure(_shown(shape, value), path, f"Map value must satisfy constraint: {words}")

    def _words(self, shape: ModelShape, *, null: bool = False) -> str:
        """All constraints of an item, whichever failed: that is how AWS words it."""
        words = [constraint for constraint, _ in _constraints(shape)]
        if null:
            words.append("Member must not be null")
        return f"[{', '.join(words)}]"


def _shown(shape: ModelShape, value: Any) -> str:
    """A refused value as it may be repeated: not when it, or anything in it, is sensitive."""
    return "Value" if _is_sensitive(shape) else f"Value '{_java(value)}'"


def _is_sensitive(shape: ModelShape, depth: int = 0) -> bool:
    if shape.metadata.get("sensitive") or depth > _DEEPEST:
        return True
    if shape.type_name == "structure":
        return any(_is_sensitive(member, depth + 1) for member in shape.members.values())
    if shape.type_name == "list":
        return _is_sensitive(shape.member, depth + 1)
    if shape.type_name == "map":
        return _is_sensitive(shape.key, depth + 1) or _is_sensitive(shape.value, depth + 1)
    return False


def _failure(shown: str, path: str, constraint: str) -> str:
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _constraints(shape: ModelShape) -> Iterator[tuple[str, Any]]:
    """(words, predicate) of a shape's own constraints, in the order in which AWS lists them."""
    metadata = shape.metadata
    kind = shape.type_name
    if kind in ("integer", "long", "short", "float", "double"):
        if "max" in metadata:
            most = metadata["max"]
            yield f"Member must have value less than or equal to {most}", lambda value: value <= most
        if "min" in metadata:
            least = metadata["min"]
            yield f"Member must have value greater than or equal to {least}", lambda value: value >= least
    elif kind in ("string", "blob", "list", "map"):
        if "max" in metadata:
            longest = metadata["max"]
            yield f"Member must have length less than or equal to {longest}", lambda value: len(value) <= longest
        if "min" in metadata:
            shortest = metadata["min"]
            yield f"Member must have length greater than or equal to {shortest}", lambda value: len(value) >= shortest
    if kind == "string" and "pattern" in metadata:
        yield (
            f"Member must satisfy regular expression pattern: {metadata['pattern']}",
            lambda value: _matches(metadata["pattern"], value, metadata.get("max")),
        )
    if getattr(shape, "enum", None):
        words = _SHAPE_OF_ORDER.get(frozenset(shape.enum), shape.enum)
        yield f"Member must satisfy enum value set: [{', '.join(words)}]", lambda value: value in shape.enum


def _matches(pattern: str, value: str, longest: int | None) -> bool:
    """Too long a value has failed already: its pattern is not tried at any length."""
    if longest is not None and len(value) > max(longest, _LONGEST_MATCHED):
        return True
    return compile_pattern(pattern)(value) is not None


def _allows(shape: ModelShape, value: Any) -> bool:
    return all(allows(value) for _, allows in _constraints(shape))


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _java(value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(_java, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)
