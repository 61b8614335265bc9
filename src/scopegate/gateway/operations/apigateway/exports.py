"""GetExport: what a stage shows, as Swagger 2.0 or OpenAPI 3.0.

The source is the stage's deployment, never the draft. With extensions a document can be imported again.
Source: reference, control plane, section 4.4; AWS's exports as recorded in LocalStack's snapshots.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from scopegate.aws.operations import Shape
from scopegate.gateway import queries
from scopegate.gateway.openapi import EXTENSION, only
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_MODEL: Final = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/([A-Za-z0-9]+)")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.:+_-]")
_PLACES: Final = {"querystring": "query", "header": "header", "path": "path"}
_DEFAULT_TIMEOUT_MS: Final = 29_000
_API_KEY: Final = {"type": "apiKey", "name": "x-api-key", "in": "header"}
_AS_GIVEN: Final = (
    "requestParameters",
    "requestTemplates",
    "contentHandling",
    "credentials",
    "connectionId",
    "tlsConfig",
)


def get_export(call: Call, request: Shape) -> Shape:
    """GetExport. Raises AwsError: a type that is not `oas30` or `swagger`."""
    api_of(call, request)
    stage = part_of(call, request, "stage", request["stageName"], "Invalid stage identifier specified")
    kind = request["exportType"]
    if kind not in ("oas30", "swagger"):
        raise bad_request(f"No API exporter for type '{kind}'")
    deployment = queries.find_part(call.tx, request["restApiId"], "deployment", stage["deploymentId"]) or {}
    asked = set((request.get("parameters") or {}).get("extensions", "").split(","))
    authorizers = dict(queries.list_parts(call.tx, request["restApiId"], "authorizer"))
    export = _Export(
        kind == "swagger",
        deployment["snapshot"],
        authorizers,
        integrations=bool(asked & {"apigateway", "integrations"}),
        extended_authorizers=bool(asked & {"apigateway", "authorizers"}),
        everything="apigateway" in asked,
    )
    created_at = datetime.fromtimestamp(deployment["createdDate"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    version = export.snapshot["api"].get("version") or created_at
    host = f"{request['restApiId']}.execute-api.{call.region}.amazonaws.com"
    document = export.document(version, host, stage["stageName"])
    in_yaml = "yaml" in (request.get("accepts") or "")
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True) if in_yaml else json.dumps(document, indent=2)
    name = f"{kind}_{_UNSAFE.sub('_', version)}.{'yaml' if in_yaml else 'json'}"
    return {
        "contentType": "application/octet-stream",
        "contentDisposition": f'attachment; filename="{name}"',
        "body": text.encode(),
    }


@dataclass(frozen=True, slots=True)
class _Export:
    """One export under way. integrations, extended_authorizers, everything: which extensions are asked for."""

    swagger: bool
    snapshot: Document
    authorizers: Mapping[str, Document]
    integrations: bool
    extended_authorizers: bool
    everything: bool

    def document(self, version: str, host: str, stage_name: str) -> Document:
        api = self.snapshot["api"]
        info = only({"description": api.get("description"), "version": version, "title": api["name"]})
        paths = {path: methods for path, methods in self._paths() if methods}
        schemas, schemes = dict(self._schemas()), dict(self._schemes())
        extensions = self._extensions() if self.everything else {}
        if self.swagger:
            more = {"securityDefinitions": schemes, "definitions": schemas}
            base = {"host": host, "basePath": f"/{stage_name}", "schemes": ["https"], "paths": paths}
            return {"swagger": "2.0", "info": info, **base, **{k: v for k, v in more.items() if v}, **extensions}
        server: Document = {"url": f"https://{host}/{{basePath}}", "variables": {"basePath": {"default": stage_name}}}
        components = {k: v for k, v in {"schemas": schemas, "securitySchemes": schemes}.items() if v}
        head = {"openapi": "3.0.1", "info": info, "servers": [server], "paths": paths}
        return {**head, "components": components, **extensions}

    def _methods(self) -> Iterator[tuple[Document, str, Document]]:
        for resource in sorted(self.snapshot["resources"], key=lambda each: str(each["path"])):
            for verb, method in (resource.get("resourceMethods") or {}).items():
                yield resource, verb, method

    def _paths(self) -> Iterator[tuple[str, Document]]:
        paths: dict[str, Document] = {}
        for resource, verb, method in self._methods():
            key = f"{EXTENSION}any-method" if verb == "ANY" else verb.lower()
            paths.setdefault(resource["path"], {})[key] = self._operation(resource, method)
        yield from paths.items()

    def _operation(self, resource: Document, method: Document) -> Document:
        integration = method.get("methodIntegration") or {}
        operation = only({"operationId": method.get("operationName")})
        if self.swagger:
            operation |= _swagger_media(method, integration)
        parameters = [self._parameter(key, required) for key, required in method.get("requestParameters", {}).items()]
        models = method.get("requestModels") or {}
        if models and self.swagger:
            model = next(iter(models.values()))
            parameters.append({"in": "body", "name": model, "required": True, "schema": self._reference(model)})
        if parameters:
            operation["parameters"] = parameters
        if models and not self.swagger:
            operation["requestBody"] = {"content": self._content(models), "required": True}
        operation["responses"] = {
            status: self._response(response) for status, response in method.get("methodResponses", {}).items()
        }
        if security := list(self._security(method)):
            operation["security"] = security
        if self.everything and (validator := self._validator_name(method)):
            operation[f"{EXTENSION}request-validator"] = validator
        if self.integrations and integration:
            operation[f"{EXTENSION}integration"] = _integration(resource, integration)
        return operation

    def _parameter(self, key: str, required: bool) -> Document:
        place, name = key.split(".", 3)[2:]
        if self.swagger:
            return {"name": name, "in": _PLACES[place], "required": required, "type": "string"}
        demanded = {"required": True} if required else {}
        return {"name": name, "in": _PLACES[place], **demanded, "schema": {"type": "string"}}

    def _response(self, response: Document) -> Document:
        models = response.get("responseModels") or {}
        text = {"type": "string"} if self.swagger else {"schema": {"type": "string"}}
        headers = {key.split(".", 3)[3]: dict(text) for key in response.get("responseParameters") or {}}
        shown: Document = {"description": f"{response['statusCode']} response"}
        if headers:
            shown["headers"] = headers
        if not self.swagger:
            shown["content"] = self._content(models)
        elif models:
            shown["schema"] = self._reference(next(iter(models.values())))
        return shown

    def _content(self, models: Mapping[str, str]) -> Document:
        return {media: {"schema": self._reference(model)} for media, model in models.items()}

    def _reference(self, model: str) -> Document:
        return {"$ref": f"#/{'definitions' if self.swagger else 'components/schemas'}/{model}"}

    # Models: those that methods name, and those that these name

    def _schemas(self) -> Iterator[tuple[str, Any]]:
        text_by_name = {model["name"]: model.get("schema") or "{}" for model in self.snapshot["models"]}
        waiting = [
            name
            for _, _, method in self._methods()
            for models in (
                method.get("requestModels") or {},
                *(response.get("responseModels") or {} for response in method.get("methodResponses", {}).values()),
            )
            for name in models.values()
        ]
        seen: set[str] = set()
        for name in waiting:  # grows while it is walked
            if name in seen or name not in text_by_name:
                continue
            seen.add(name)
            waiting += _MODEL.findall(text_by_name[name])
            try:
                yield name, self._schema(json.loads(text_by_name[name]))
            except (ValueError, RecursionError):
                continue  # a model of another content type, or one that no reader would take back

    def _schema(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._schema(item) for item in node]
        if not isinstance(node, dict):
            return node
        found = _MODEL.fullmatch(node["$ref"]) if isinstance(node.get("$ref"), str) else None
        if found is not None:
            return self._reference(found[1])
        return {key: self._schema(item) for key, item in node.items() if key != "$schema"}

    # Who may call

    def _security(self, method: Document) -> Iterator[Document]:
        if method["authorizationType"] == "AWS_IAM":
            yield {"sigv4": []}
        elif method["authorizationType"] != "NONE":
            # One that was deleted since leaves a name without a scheme: no import takes that for an open operation.
            name = self.authorizers.get(method["authorizerId"], {}).get("name", method["authorizerId"])
            yield {str(name): list(method.get("authorizationScopes") or ())}
        if method.get("apiKeyRequired"):
            yield {"api_key": []}

    def _schemes(self) -> Iterator[tuple[str, Document]]:
        methods = [method for _, _, method in self._methods()]
        used = {method.get("authorizerId") for method in methods}
        for authorizer_id, authorizer in self.authorizers.items():
            if authorizer_id in used:
                yield authorizer["name"], self._scheme(authorizer)
        if any(method["authorizationType"] == "AWS_IAM" for method in methods):
            scheme = {"type": "apiKey", "name": "Authorization", "in": "header"}
            yield "sigv4", scheme | ({f"{EXTENSION}authtype": "awsSigv4"} if self.extended_authorizers else {})
        if any(method.get("apiKeyRequired") for method in methods):
            yield "api_key", dict(_API_KEY)

    def _scheme(self, authorizer: Document) -> Document:
        source = authorizer.get("identitySource", "")
        header = source.removeprefix("method.request.header.")
        by_header = authorizer["type"] != "REQUEST" and header != source
        scheme: Document = {"type": "apiKey", "name": header if by_header else "Unused", "in": "header"}
        if not self.extended_authorizers:
            return scheme
        members = ("authorizerUri", "authorizerCredentials", "identityValidationExpression", "providerARNs")
        given = {name: authorizer[name] for name in (*members, "authorizerResultTtlInSeconds") if name in authorizer}
        if (not by_header and source) or authorizer["type"] == "JWT":
            given["identitySource"] = source
        if "jwtConfiguration" in authorizer:
            given["jwtConfiguration"] = authorizer["jwtConfiguration"]
        return {
            **scheme,
            **only({f"{EXTENSION}authtype": authorizer.get("authType")}),
            f"{EXTENSION}authorizer": {**given, "type": authorizer["type"].lower()},
        }

    # Extensions of the root

    def _validator_name(self, method: Document) -> str | None:
        validators = {one["id"]: str(one["name"]) for one in self.snapshot["request_validators"]}
        return validators.get(method.get("requestValidatorId", ""))

    def _extensions(self) -> Document:
        api = self.snapshot["api"]
        checks = ("validateRequestParameters", "validateRequestBody")
        responses = ("statusCode", "responseParameters", "responseTemplates")
        extensions = {
            "api-key-source": api["apiKeySource"] if api["apiKeySource"] != "HEADER" else None,
            "binary-media-types": api.get("binaryMediaTypes"),
            "gateway-responses": {
                one["responseType"]: {name: one[name] for name in responses if one.get(name)}
                for one in self.snapshot["gateway_responses"]
            },
            "minimum-compression-size": api.get("minimumCompressionSize"),
            "policy": json.loads(api["policy"]) if "policy" in api else None,
            "request-validators": {
                one["name"]: {check: one[check] for check in checks} for one in self.snapshot["request_validators"]
            },
        }
        return {EXTENSION + name: value for name, value in extensions.items() if value not in (None, {})}


def _swagger_media(method: Document, integration: Document) -> Document:
    """`consumes` and `produces`: the media types of models and of templates."""
    consumes = [*method.get("requestModels", {}), *integration.get("requestTemplates", {})]
    produces = [
        media for one in method.get("methodResponses", {}).values() for media in one.get("responseModels") or {}
    ]
    for response in integration.get("integrationResponses", {}).values():
        produces += response.get("responseTemplates") or {}
    media = {"consumes": list(dict.fromkeys(consumes)), "produces": list(dict.fromkeys(produces))}
    return {name: types for name, types in media.items() if types}


def _integration(resource: Document, integration: Document) -> Document:
    """The integration without what AWS would fill in by itself."""
    responses = {
        response.get("selectionPattern") or "default": {
            name: value for name, value in response.items() if name != "selectionPattern" and value
        }
        for response in integration.get("integrationResponses", {}).values()
    }
    shown: Document = {
        "type": integration["type"].lower(),
        **only({name: integration.get(name) for name in ("httpMethod", "uri")}),
        **({"responses": responses} if responses else {}),
        **{name: integration[name] for name in _AS_GIVEN if integration.get(name)},
        "passthroughBehavior": integration["passthroughBehavior"].lower(),
    }
    if integration["timeoutInMillis"] != _DEFAULT_TIMEOUT_MS:
        shown["timeoutInMillis"] = integration["timeoutInMillis"]
    if integration["cacheNamespace"] != resource["id"]:
        shown["cacheNamespace"] = integration["cacheNamespace"]
    if integration["cacheKeyParameters"]:
        shown["cacheKeyParameters"] = integration["cacheKeyParameters"]
    if integration.get("connectionType", "INTERNET") != "INTERNET":
        shown["connectionType"] = integration["connectionType"]
    return shown
