"""OpenAPI documents, Swagger 2.0 and OpenAPI 3.0, with `x-amazon-apigateway-*` extensions → what an import makes.

Pure reading: the answer is plain data in the spelling of the operations; the imports of either API kind run those
operations. Source: reference, operations page, "Import: rules by element".
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from scopegate.base import names
from scopegate.base.errors import AwsError

Document = dict[str, Any]

EXTENSION: Final = "x-amazon-apigateway-"
VERBS: Final = ("get", "put", "post", "delete", "options", "head", "patch", f"{EXTENSION}any-method")
_LARGEST: Final = 6 * 1024 * 1024
_PATH_VARIABLE: Final = re.compile(r"\{([^{}]+?)(\+?)\}")
_MEDIA: Final = "application/json"
_MAX_DEPTH: Final = 200


@dataclass(frozen=True, slots=True)
class Scheme:
    """A security scheme. authorizer: the extension's object, None for a plain scheme.

    kind: `authorizer`, `api_key`, `iam`, or `other` (nothing that a gateway can enforce).
    """

    name: str
    kind: str
    header: str
    place: str
    auth_type: str | None
    authorizer: Document | None
    open_id_url: str | None


@dataclass(frozen=True, slots=True)
class Security:
    """Who may call an operation: the scheme that decides, its scopes, and whether an API key is asked for as well."""

    scheme: Scheme | None
    scopes: tuple[str, ...]
    api_key: bool


@dataclass(frozen=True, slots=True)
class ImportedOperation:
    """One method or route. verb: upper case, `ANY` for any-method. document: the operation object."""

    path: str
    verb: str
    security: Security
    parameters: dict[str, bool]  # method.request.{path,querystring,header}.NAME → required
    models: dict[str, str]  # media type → model name
    document: Document


@dataclass(slots=True)
class ImportedApi:
    """A whole document, read. models: name → (JSON Schema document, description)."""

    document: Document
    swagger: bool
    schemes: dict[str, Scheme]
    operations: list[ImportedOperation] = field(default_factory=list)
    models: dict[str, tuple[Document, str | None]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def info(self) -> Document:
        return object_of(self.document.get("info"))

    @property
    def servers(self) -> list[Document]:
        return [object_of(server) for server in list_of(self.document.get("servers"))]

    @property
    def endpoint(self) -> Document:
        """`x-amazon-apigateway-endpoint-configuration`: of the root, or of a server (OpenAPI 3)."""
        name = f"{EXTENSION}endpoint-configuration"
        places = (self.document, *self.servers)
        return next((object_of(place[name]) for place in places if name in place), {})

    def extension(self, name: str, default: Any = None) -> Any:
        """A root extension by its name without the prefix."""
        return self.document.get(EXTENSION + name, default)


def bad_document(detail: str = "Invalid OpenAPI input.") -> AwsError:
    return AwsError("BadRequestException", detail)


def read_openapi(body: bytes, *, account: str, region: str, base_path: str | None = None) -> ImportedApi:
    """Read a document. base_path: `ignore` (None), `prepend` or `split`. Raises AwsError(BadRequestException)."""
    document = read_document(body, account=account, region=region)
    swagger = _is_swagger(document)
    api = ImportedApi(document, swagger, dict(_schemes(document, swagger)))
    _read_models(api)
    prefix = _prefix(api, base_path)
    root = document.get("security")
    for path, given in object_of(document.get("paths")).items():
        item = object_of(given)
        for key in VERBS:
            if isinstance(item.get(key), dict):
                verb = "ANY" if key.endswith("any-method") else key.upper()
                api.operations.append(_operation(api, prefix, path, verb, item, item[key], root))
    return api


def read_document(body: bytes, *, account: str, region: str) -> Document:
    """A document of Swagger 2.0 or OpenAPI 3.0, whatever is in it. Raises AwsError(BadRequestException)."""
    if len(body) > _LARGEST:
        raise bad_document("The API definition is larger than 6 MB")
    document = _parse(_substituted(body, account, region))
    # Unquoted in YAML, 2.0 and 3.0 are numbers.
    if not _is_swagger(document) and not f"{document.get('openapi', '')}.".startswith("3.0."):
        raise bad_document()
    return document


def _is_swagger(document: Document) -> bool:
    return str(document.get("swagger", "")) == "2.0"


def documentation_parts(document: Document) -> list[Document]:
    """The parts in `x-amazon-apigateway-documentation`."""
    documentation = object_of(document.get(f"{EXTENSION}documentation"))
    return [object_of(part) for part in list_of(documentation.get("documentationParts"))]


def _substituted(body: bytes, account: str, region: str) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise bad_document() from None
    for name, value in (("AccountId", account), ("Region", region), ("Partition", names.partition_of(region))):
        text = text.replace(f"${{AWS::{name}}}", value)
    return text


def _parse(text: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError:
        try:
            _refuse_explosive(text)
            document = yaml.load(text, Loader=_TextLoader)  # noqa: S506 - a safe loader
        except (yaml.YAMLError, RecursionError, ValueError):
            raise bad_document() from None
    except RecursionError:
        raise bad_document() from None
    if not isinstance(document, dict) or not _is_plain(document):
        raise bad_document()
    return document


def _is_plain(document: Any) -> bool:
    """Whether a document is what JSON can say, and no deeper than any reader's stack."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        if not level:
            return True
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
            elif not (node is None or isinstance(node, str | int) or (isinstance(node, float) and math.isfinite(node))):
                return False
        level = below
    return False


def _refuse_explosive(text: str) -> None:
    """Aliases multiply (API definitions have $ref), and depth breaks the loader's stack, which is C's."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise bad_document()


class _TextLoader(yaml.CSafeLoader):
    """A safe loader for which dates stay text and keys are text (`200:` under responses)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        return {str(key): value for key, value in super().construct_mapping(node, deep=True).items()}


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _schemes(document: Document, swagger: bool) -> Iterator[tuple[str, Scheme]]:
    components = object_of(document.get("components"))
    found = document.get("securityDefinitions") if swagger else components.get("securitySchemes")
    for name, given in object_of(found).items():
        scheme = object_of(given)
        authorizer = scheme.get(f"{EXTENSION}authorizer")
        auth_type = text_of(scheme.get(f"{EXTENSION}authtype"))
        header, place = str(scheme.get("name", "")), str(scheme.get("in", ""))
        if isinstance(authorizer, dict) and authorizer.get("type"):
            kind = "authorizer"
        elif str(auth_type).lower() == "awssigv4":
            kind = "iam"
        elif scheme.get("type") == "apiKey" and header.lower() == "x-api-key" and place == "header":
            kind = "api_key"
        else:
            kind = "other"
        url = text_of(scheme.get("openIdConnectUrl"))
        yield name, Scheme(name, kind, header, place, auth_type, authorizer if kind == "authorizer" else None, url)


# Operations


def _operation(
    api: ImportedApi, prefix: str, path: str, verb: str, item: Document, operation: Document, root: Any
) -> ImportedOperation:
    given = (*list_of(item.get("parameters")), *list_of(operation.get("parameters")))
    resolved = [_resolve(api, object_of(parameter)) for parameter in given]
    parameters: dict[str, bool] = {}
    models: dict[str, str] = {}
    for parameter in resolved:
        place = {"query": "querystring", "path": "path", "header": "header"}.get(str(parameter.get("in")))
        if place is not None:
            required = place == "path" or bool(parameter.get("required", False))
            parameters[f"method.request.{place}.{text_of(parameter.get('name'))}"] = required
        elif parameter.get("in") == "body":
            for media in media_types(api, operation, "consumes"):
                _add_model(api, models, media, parameter.get("schema"))
    for name, _ in _PATH_VARIABLE.findall(path):
        parameters.setdefault(f"method.request.path.{name}", True)
    body = _resolve(api, object_of(operation.get("requestBody")))
    for media, content in object_of(body.get("content")).items():
        _add_model(api, models, media, object_of(content).get("schema"))
    security = _security(api, operation, root)
    return ImportedOperation(_join(prefix, path), verb, security, parameters, models, operation)


def _join(prefix: str, path: str) -> str:
    if path in ("$default", "/$default"):
        return "$default"
    whole = f"{prefix}/{path.lstrip('/')}"
    return whole.rstrip("/") or "/"


def _security(api: ImportedApi, operation: Document, root: Any) -> Security:
    extension = operation.get(f"{EXTENSION}auth")
    if isinstance(extension, dict):
        word = str(extension.get("type", "")).upper()
        if word == "AWS_IAM":
            return Security(Scheme("AWS_IAM", "iam", "", "", None, None, None), (), False)
        if word == "NONE":
            return Security(None, (), False)
    requirements = list_of(operation.get("security", root))
    chosen: Scheme | None = None
    scopes: tuple[str, ...] = ()
    api_key = False
    for requirement in requirements:
        for name, asked in object_of(requirement).items():
            scheme = api.schemes.get(name)
            if scheme is None:
                if name.upper() == "NONE":  # SAM's word for an open operation, with no scheme of that name
                    continue
                raise bad_document(f"Errors found during import:\n\tUnable to find security scheme '{name}'")
            if scheme.kind == "api_key":
                api_key = True
            elif scheme.kind == "other":
                why = f"Security scheme '{name}' has no authorizer: it would protect nothing"
                raise bad_document(f"Errors found during import:\n\t{why}")
            elif chosen is None:
                chosen, scopes = scheme, tuple(str(scope) for scope in list_of(asked))
            elif chosen.name != scheme.name:
                raise bad_document(
                    "Errors found during import:\n\tAn operation may name one authorizer, "
                    f"not both '{chosen.name}' and '{scheme.name}'"
                )
    return Security(chosen, scopes, api_key)


# Models and references


def _read_models(api: ImportedApi) -> None:
    components = object_of(api.document.get("components"))
    found = api.document.get("definitions") if api.swagger else components.get("schemas")
    for name, schema in object_of(found).items():
        clean = re.sub(r"[^A-Za-z0-9]", "", name)
        description = text_of(schema.get("description")) if isinstance(schema, dict) else None
        api.models[clean] = (schema, description)


def _add_model(api: ImportedApi, models: dict[str, str], media: str, schema: Any) -> None:
    if not isinstance(schema, dict) or not schema:
        return
    name = model_name(schema)
    if name is None:
        name = f"Model{len(api.models) + 1:06d}"
        api.models[name] = (schema, None)
    models[media] = name


def model_name(schema: Document) -> str | None:
    """The model that a `$ref` names; None for an inline schema."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return None
    return re.sub(r"[^A-Za-z0-9]", "", reference.rpartition("/")[2])


def schema_text(schema: Document, api_id: str) -> str:
    """A schema as a model holds it: JSON text, references by the models' own URLs."""

    def referring(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"https://apigateway.amazonaws.com/restapis/{api_id}/models/{model_name(value)}"
                if key == "$ref" and isinstance(item, str) and item.startswith("#/")
                else referring(item)
                for key, item in value.items()
                if key not in ("example", "discriminator", "xml", "externalDocs")
            }
        return [referring(item) for item in value] if isinstance(value, list) else value

    return json.dumps(referring(schema))


def _resolve(api: ImportedApi, value: Document) -> Document:
    """A parameter or body, with its `$ref` into this document followed once."""
    reference = value.get("$ref")
    if not isinstance(reference, str):
        return value
    found: Any = api.document
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise bad_document(f"Errors found during import:\n\tUnable to find {reference}")
    return found


def find_integration(api: ImportedApi, operation: ImportedOperation) -> Document | None:
    """The integration of an operation, by itself or by `$ref`; None when it has none."""
    integration = operation.document.get(f"{EXTENSION}integration")
    if integration is None:
        return None
    if not isinstance(integration, dict):
        raise malformed_integration(operation)
    return _resolve(api, integration)


def malformed_integration(operation: ImportedOperation) -> AwsError:
    return bad_document(f"Unable to parse API definition because of a malformed integration at path {operation.path}.")


def media_types(api: ImportedApi, operation: Document, member: str) -> list[str]:
    """Swagger's `consumes` or `produces` of an operation."""
    return [str(media) for media in list_of(operation.get(member)) or list_of(api.document.get(member)) or [_MEDIA]]


def _prefix(api: ImportedApi, mode: str | None) -> str:
    """What base path handling puts before every path."""
    if mode not in ("prepend", "split"):
        return ""
    if api.swagger:
        base = str(api.document.get("basePath", ""))
    else:
        server = (api.servers or [{}])[0]
        variable = object_of(object_of(server.get("variables")).get("basePath"))
        url = str(server.get("url", ""))
        base = str(variable.get("default", "")) if variable else re.sub(r"^[a-z]+://[^/]*", "", url)
    segments = [segment for segment in base.split("/") if segment]
    if mode == "split":
        segments = segments[1:]
    return "".join(f"/{segment}" for segment in segments)


def object_of(value: Any) -> Document:
    """An object, empty when absent. Raises AwsError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_document()
    return value


def list_of(value: Any) -> list[Any]:
    """A list, empty when absent. Raises AwsError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_document()
    return value


def flag_of(value: Any) -> bool | None:
    """A boolean that may be written as text."""
    return None if value is None else str(value).lower() == "true"


def text_of(value: Any) -> str | None:
    """Text, numbers and lists of the extensions, as the operations want text. Raises AwsError for an object."""
    if value is None:
        return None
    if isinstance(value, dict):
        raise bad_document()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def whole_of(value: Any) -> int | None:
    """A whole number that may be written as text."""
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise bad_document(f"Errors found during import:\n\t{value!r} is not a whole number") from None


def only(members: Mapping[str, Any]) -> Document:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
