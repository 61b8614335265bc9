"""A judge of OpenAPI documents in templates: keys that an import passes over because they are misspelt.

An import takes what it knows and leaves alone what it does not, as AWS does: a misspelt `security` is an open route.
Only what is nearly a known key is told; anything else may be of another tool.
Source: reference, operations page, "Import: rules by element"; OpenAPI Specification 3.0.3, Path Item and Operation.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scopegate.stacks.checks.rules import Finding
from scopegate.stacks.read import Path, Template

_EXTENSION: Final = "x-amazon-apigateway-"
_VERBS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", f"{_EXTENSION}any-method"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXTENSIONS: Final = frozenset(
    _EXTENSION + name
    for name in _words(
        "any-method api-key-source auth authorizer authtype binary-media-types cors documentation "
        "endpoint-access-mode endpoint-configuration gateway-responses importexport-version integration integrations "
        "minimum-compression-size policy request-validator request-validators security-policy tag-value"
    )
)
_OPERATION: Final = _words(
    "callbacks consumes deprecated description externalDocs operationId parameters produces requestBody responses "
    "schemes security servers summary tags"
)
_PATH_ITEM: Final = _words("$ref description parameters servers summary trace") | _VERBS
_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    f"{_EXTENSION}authorizer": _words(
        "authorizerCredentials authorizerPayloadFormatVersion authorizerResultTtlInSeconds authorizerUri "
        "enableSimpleResponses identitySource identityValidationExpression jwtConfiguration providerARNs type"
    ),
    f"{_EXTENSION}cors": _words("allowCredentials allowHeaders allowMethods allowOrigins exposeHeaders maxAge"),
    f"{_EXTENSION}integration": _words(
        "cacheKeyParameters cacheNamespace connectionId connectionType contentHandling credentials httpMethod "
        "integrationSubtype integrationTarget passthroughBehavior payloadFormatVersion requestParameters "
        "requestTemplates responseParameters responses responseTransferMode timeoutInMillis tlsConfig type uri"
    ),
    "jwtConfiguration": _words("audience issuer"),
}
_LIKENESS: Final = 0.75


def judge_documents(template: Template) -> Iterator[Finding]:
    """Every misspelt key of every document in the template."""
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties") if isinstance(resource, dict) else None
        for member in ("Body", "DefinitionBody"):
            body = properties.get(member) if isinstance(properties, dict) else None
            if isinstance(body, dict):
                where = ("Resources", logical_id, "Properties", member)
                for path, key, meant in _misspelt(body, where, "document"):
                    error = template.error(f"{key} is not known, and passed over; did you mean {meant}?", *path)
                    yield Finding("misspelt-key", error.message, error.file, error.line, (logical_id,))


def _misspelt(value: Any, path: Path, kind: str) -> Iterator[tuple[Path, str, str]]:
    """(path, key, what was meant). kind: which keys may stand here; one of `_MEMBERS`, or a part of the document."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _misspelt(item, (*path, index), "")
    if not isinstance(value, dict):
        return
    known = _known(kind)
    for key, item in value.items():
        text = str(key)
        near = _nearest(text, _EXTENSIONS if text.startswith("x-amazon-") else known)
        if near:
            yield (*path, key), text, near
        yield from _misspelt(item, (*path, key), _kind_below(kind, text))


def _known(kind: str) -> frozenset[str]:
    return {"operation": _OPERATION, "path": _PATH_ITEM}.get(kind) or _MEMBERS.get(kind, frozenset())


def _kind_below(kind: str, key: str) -> str:
    match kind:
        case "document" if key == "paths":
            return "paths"
        case "paths":
            return "path"
        case "path" if key in _VERBS:
            return "operation"
    return key if key in _MEMBERS else ""


def _nearest(key: str, known: frozenset[str]) -> str:
    """What a key was meant to be; "" for one that is right, or like nothing."""
    if not known or key in known or key.startswith("Fn::"):
        return ""
    return next(iter(difflib.get_close_matches(key, sorted(known), 1, _LIKENESS)), "")
