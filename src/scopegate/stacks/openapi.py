"""A bare OpenAPI document → the CloudFormation template of its one API, so that all that follows is the same.

The document is the `Body` as it stands: what it means, and what is wrong with it, is the import's affair, and intrinsic
functions in it are resolved as in any `Body`. It is deployed to one stage.
Source: AWS::ApiGateway::RestApi and AWS::ApiGatewayV2::Api, `Body`; reference, operations page, "Import: rules by
element" (which extensions are of HTTP APIs alone).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_Path = tuple[str | int, ...]

_EXTENSION: Final = "x-amazon-apigateway-"
_VERBS: Final = ("get", "put", "post", "delete", "options", "head", "patch", f"{_EXTENSION}any-method")
_BODY: Final[_Path] = ("Resources", "Api", "Properties", "Body")
_HOST: Final = "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"


def find_version_key(document: Mapping[str, Any]) -> str | None:
    """`openapi` or `swagger`, whichever says that this is such a document; None for a template."""
    if "Resources" in document or "AWSTemplateFormatVersion" in document:
        return None
    return next((key for key in ("openapi", "swagger") if key in document), None)


def api_template(
    document: dict[str, Any], lines: Mapping[_Path, int]
) -> tuple[dict[str, Any], dict[_Path, int], list[tuple[str, int | None]]]:
    """The template, the lines of its values in the user's file, and what the user should know of the reading.

    lines: path in the document → line. Each note comes with the line that it is about.
    """
    key = find_version_key(document)
    assert key is not None
    version_line = lines.get((key,))
    notes: list[tuple[str, int | None]] = []
    body = document
    if str(document[key]).startswith("3.1"):
        # API Gateway answers 400 to 3.1 (reference, operations page, bad document). Of what an import reads, 3.1 says
        # nothing but schemas in another way.
        body = {**document, key: "3.0.3"}
        how = "read as 3.0, schemas as JSON Schema draft 4"
        notes.append((f"OpenAPI 3.1, which Amazon API Gateway refuses: {how}", version_line))
    mark = None if key == "swagger" else _find_http_mark(document, lines)
    if mark is None:
        notes.append(("read as a REST API, deployed to its stage prod", version_line))
        template = _rest_api(body)
    else:
        what, line = mark
        notes.append((f"read as an HTTP API because of {what}, deployed to its stage $default", line))
        template = _http_api(body)
    moved = {(*_BODY, *path): line for path, line in lines.items()}
    first = version_line or 1
    # A deployment is refused for a method without an integration, and does not say which.
    place = _find_unanswered(document, lines) or first
    deployments = {("Resources", name): place for name in template["Resources"] if name.startswith("Deployment")}
    return template, {("Resources",): first, _BODY[:2]: first, **deployments, **moved}, notes


def _find_http_mark(document: dict[str, Any], lines: Mapping[_Path, int]) -> tuple[str, int] | None:
    """What the document says first that only HTTP APIs have, and its line; None when it says nothing of the kind."""
    for path, line in lines.items():
        place = {str(step) for step in path[:-1]}
        last = str(path[-1]) if path else ""
        if last == "payloadFormatVersion" and place & {f"{_EXTENSION}integration", f"{_EXTENSION}integrations"}:
            return last, line
        if path[-2:] == (f"{_EXTENSION}authorizer", "type") and str(_value(document, path)).lower() == "jwt":
            return "a jwt authorizer", line
        if path in ((f"{_EXTENSION}cors",), (f"{_EXTENSION}importexport-version",)):
            return last, line
    return None


def _find_unanswered(document: dict[str, Any], lines: Mapping[_Path, int]) -> int | None:
    """The line of the first operation that has no integration."""
    for path, line in lines.items():
        if len(path) == 3 and path[0] == "paths" and path[2] in _VERBS:
            operation = _value(document, path)
            if isinstance(operation, dict) and f"{_EXTENSION}integration" not in operation:
                return line
    return None


def _value(document: Any, path: _Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _rest_api(body: dict[str, Any]) -> dict[str, Any]:
    """As SAM does it: a deployment is a snapshot, so another document asks for one of another name."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:10]
    deployment = f"Deployment{digest}"
    return {
        "Resources": {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": body}},
            deployment: {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "DeploymentId": {"Ref": deployment},
                    "RestApiId": {"Ref": "Api"},
                    "StageName": "prod",
                },
            },
        },
        "Outputs": {"Url": {"Value": {"Fn::Sub": f"{_HOST}/prod"}}},
    }


def _http_api(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "Resources": {
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}},
            "Stage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Api"}, "AutoDeploy": True, "StageName": "$default"},
            },
        },
        "Outputs": {"Url": {"Value": {"Fn::Sub": _HOST}}},
    }
