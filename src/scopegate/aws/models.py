"""Service models: which service and operation a request is for.

botocore's JSON models are the one description of AWS's wire that this server reads: shapes, constraints, members,
error statuses, URIs. Only the control role opens them; an edge never imports this module. What a request *says* is
read in `protocols.py`; who says it, in `sigv4.py`.
Source: botocore's `service-2` models; AWS JSON, REST-JSON and Query protocols (Smithy).
"""

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from botocore import xform_name
from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader
from botocore.model import OperationModel, ServiceModel, Shape

from scopegate.base.errors import AwsError
from scopegate.http.message import Request

SERVICES: Final = (
    "cognito-idp",
    "apigateway",
    "apigatewayv2",
    "lambda",
    "iam",
    "sts",
    "cloudformation",
    "logs",
)
"""The services that this server stands for, in the order of docs/coverage.md; others answer that they are not here."""

_SIGNING_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "cognito-idp": ("cognito-idp",),
    "apigateway": ("apigateway", "apigatewayv2"),
    "lambda": ("lambda",),
    "iam": ("iam",),
    "sts": ("sts",),
    "cloudformation": ("cloudformation",),
    "logs": ("logs",),
}
_TARGETS: Final[Mapping[str, str]] = {"AWSCognitoIdentityProviderService": "cognito-idp", "Logs_20140328": "logs"}
_VERSIONS: Final[Mapping[str, str]] = {"2010-05-08": "iam", "2011-06-15": "sts", "2010-05-15": "cloudformation"}

# Signed by SDKs because the model does not say otherwise, authorised by the client's secret alone: the signature is
# ignored (reference, cognito, 9.2).
_SIGNATURE_IGNORED: Final = frozenset({("cognito-idp", "GetClientToken"), ("cognito-idp", "GetDerivedToken")})

# Services outside SERVICES that sign with a name which is not botocore's.
_FOREIGN_NAMES: Final[Mapping[str, str]] = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "aoss": "opensearchserverless",
    "bedrock": "bedrock-runtime",
    "execute-api": "apigatewaymanagementapi",
}

# Where the model is narrower than the service: traits of a shape, as the service has them; None is without the trait.
_CORRECTIONS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    # Custom domains are host names, with dots; which form a name must have depends on the request.
    ("cognito-idp", "DomainType"): {"pattern": None},
    # Documented for GetClientToken, and not in the enum (reference, cognito, 7.3).
    ("cognito-idp", "ExplicitAuthFlowsType"): {"enum": ["ALLOW_CLIENT_TOKEN_AUTH"]},
}


_FOREIGN_KEPT: Final = 4
"""How many models of services that are not ours stay in memory."""


def _admit_anyone(signing_name: str) -> None:
    """For callers who are known already."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service model."""

    service: "Service"
    name: str
    model: OperationModel

    @property
    def unsigned(self) -> bool:
        """Whether anyone may call it: the model says so, or its signature is ignored."""
        return self.model.auth_type == "none" or (self.service.name, self.name) in _SIGNATURE_IGNORED

    @property
    def python_name(self) -> str:
        """The name in snake_case, as SDKs for Python spell it."""
        return str(xform_name(self.name))


@dataclass(frozen=True, slots=True)
class _Segment:
    constant: str  # "" for a label
    label: str = ""
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A REST operation's method and URI template."""

    operation: Operation
    method: str
    segments: tuple[_Segment, ...]
    query: tuple[tuple[str, str], ...]  # constants that the query must have

    def match(self, raw_segments: list[str]) -> dict[str, str] | None:
        """The labels (still escaped) of a path, None when it is not this route's."""
        labels: dict[str, str] = {}
        position = 0
        for number, segment in enumerate(self.segments):
            if segment.greedy:
                rest = len(self.segments) - number - 1
                end = len(raw_segments) - rest
                if end <= position:
                    return None
                labels[segment.label] = "/".join(raw_segments[position:end])
                position = end
                continue
            if position >= len(raw_segments):
                return None
            if segment.label:
                if not raw_segments[position]:
                    return None
                labels[segment.label] = raw_segments[position]
            elif segment.constant != raw_segments[position]:
                return None
            position += 1
        return labels if position == len(raw_segments) else None


_TEMPLATE: Final = re.compile(r"\{([^}+]+)(\+?)\}")


def _parse_route(operation: Operation) -> Route:
    uri, _, query = str(operation.model.http["requestUri"]).partition("?")
    segments = []
    for part in uri.strip("/").split("/"):
        match = _TEMPLATE.fullmatch(part)
        segments.append(_Segment("", match[1], bool(match[2])) if match else _Segment(part))
    constants = tuple(parse_qsl(query, keep_blank_values=True))
    return Route(operation, str(operation.model.http["method"]), tuple(segments), constants)


def _specificity(route: Route) -> tuple[int, int, list[bool], str]:
    """Sort key: constants of the query first, greedy labels last, constant segments before labels."""
    greedy = sum(segment.greedy for segment in route.segments)
    return -len(route.query), greedy, [bool(segment.label) for segment in route.segments], route.operation.name


class Service:
    """One service: its model, operations and, for REST protocols, routes by method."""

    def __init__(self, name: str, description: dict[str, Any]) -> None:
        self.name = name
        self.model = ServiceModel(description, name)
        self.protocol = str(self.model.metadata["protocol"])  # json, rest-json, query, rest-xml, ec2, …
        self.json_version = str(self.model.metadata.get("jsonVersion", "1.1"))
        self.signing_name = str(self.model.signing_name)
        self.target_prefix = str(self.model.metadata.get("targetPrefix", ""))
        self._operations: dict[str, Operation] = {}
        self._routes: dict[str, list[Route]] | None = None
        self._names = frozenset(self.model.operation_names)

    @cached_property
    def error_shapes(self) -> dict[str, Shape]:
        """The shapes of errors, by code and by name."""
        shapes = self.model.error_shapes
        return {shape.error_code: shape for shape in shapes} | {shape.name: shape for shape in shapes}

    @property
    def is_rest(self) -> bool:
        return self.protocol.startswith("rest")

    def operation_names(self) -> list[str]:
        return sorted(self._names)

    def find_operation(self, name: str) -> Operation | None:
        known = self._operations.get(name)
        if known is None and name in self._names:
            known = self._operations[name] = Operation(self, name, self.model.operation_model(name))
        return known

    def find_route(self, method: str, path: str, query: Mapping[str, str]) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a method and raw path, with its labels still escaped; `query` is its last values by name."""
        if self._routes is None:
            self._routes = {}
            for name in self._names:
                operation = self.find_operation(name)
                assert operation is not None
                route = _parse_route(operation)
                self._routes.setdefault(route.method, []).append(route)
            for routes in self._routes.values():
                routes.sort(key=_specificity)
        segments = path.strip("/").split("/")
        for route in self._routes.get(method, ()):
            if any(query.get(key) != value for key, value in route.query):
                continue
            labels = route.match(segments)
            if labels is not None:
                return route.operation, labels
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks for: its operation, and what finding it has read already.

    labels: path labels of a REST operation, still escaped. form: the parameters of a Query operation.
    """

    operation: Operation
    labels: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


class UnknownOperation(Exception):
    """No operation fits. service: whose error form answers, None when not even the service is known."""

    def __init__(self, service: Service | None, error: AwsError) -> None:
        super().__init__(str(error))
        self.service = service
        self.error = error


def read_form(request: Request) -> dict[str, str]:
    """The parameters of a Query call, from an urlencoded body or the query string; the last value of a name wins.

    Raises ValueError for what is not UTF-8, or more parameters than any operation takes.
    """
    content_type = (request.find_text(b"content-type") or "").partition(";")[0].strip().lower()
    text = request.query or b""
    if request.method == "POST" and content_type == "application/x-www-form-urlencoded":
        text = request.body or text
    decoded = text.decode("utf-8")
    return dict(parse_qsl(decoded, keep_blank_values=True, errors="strict", max_num_fields=10_000))


def _correct(service: str, description: dict[str, Any]) -> dict[str, Any]:
    """The model with its corrections; enums are added to."""
    for (owner, shape), traits in _CORRECTIONS.items():
        if owner == service:
            known = description["shapes"][shape]
            changed = {name: known[name] + value if name == "enum" else value for name, value in traits.items()}
            description["shapes"][shape] = {
                name: trait for name, trait in (known | changed).items() if trait is not None
            }
    return description


class _Files(JSONFileLoader):  # type: ignore[misc]  # botocore has no types
    """botocore's files, decoded in a third of its time: six models are opened at each start."""

    def load_file(self, file_path: str) -> Any:
        packed = Path(f"{file_path}.json.gz")
        return orjson.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else super().load_file(file_path)


class Models:
    """Every service model, opened when first asked for. One per control process."""

    def __init__(self) -> None:
        self._loader = Loader(file_loader=_Files())
        self._services: dict[str, Service] = {}
        self._available: frozenset[str] | None = None

    def service(self, name: str) -> Service:
        """A service by botocore's name. Raises KeyError when botocore has none of that name."""
        known = self._services.get(name)
        if known is None:
            try:  # not `load_service_model`, which looks at all four hundred services first
                version = self._loader.determine_latest_version(name, "service-2")
            except DataNotFoundError:
                raise KeyError(name) from None
            description = self._loader.load_data(f"{name}/{version}/service-2")
            known = self._services[name] = Service(name, _correct(name, description))
        return known

    def operation(self, service: str, name: str) -> Operation:
        """Raises KeyError when the service or the operation does not exist."""
        operation = self.service(service).find_operation(name)
        if operation is None:
            raise KeyError(f"{service}.{name}")
        return operation

    def find_target(
        self, request: Request, signing_name: str | None, admit: Callable[[str], object] = _admit_anyone
    ) -> Target:
        """The operation that a request asks for.

        signing_name: the service that its credential names, None without one. admit: is asked before the model of a
        service that is not ours is opened (some are large), and raises for a caller who is not worth it.
        1. A POST with `X-Amz-Target` of a service of ours; 2. `Action` with a `Version` of ours; 3. method and path.
        Whether the credential names the service found so is judged by the caller. 4. What fits none is looked up in
        the service that the credential names.
        Raises UnknownOperation, and what `admit` raises.
        """
        # 1
        target = request.find_text(b"x-amz-target")
        if target is not None and request.method == "POST":
            prefix, _, name = target.rpartition(".")
            service = self._service_of_target(prefix, signing_name, admit)
            if service is None:
                raise UnknownOperation(None, AwsError("UnknownOperationException"))
            return Target(self._named(service, name))
        # 2
        form = self._action_form(request)
        if form is not None:
            service_name = _VERSIONS.get(form.get("Version", ""))
            service = self.service(service_name) if service_name else self._named_by_credential(signing_name, admit)
            if service is not None and service.protocol == "query":
                return Target(self._named(service, form["Action"]), form=form)
        # 3, 4
        path = request.path.decode("latin-1")
        query = dict(parse_qsl((request.query or b"").decode("latin-1"), keep_blank_values=True))
        named = self._named_by_credential(signing_name, admit)
        for service in self._rest_services(path, named):
            found = service.find_route(request.method, path, query)
            if found is not None:
                return Target(found[0], labels=found[1])
        raise UnknownOperation(named, _unknown(named, f"{request.method} {path[:200]}"))

    def _action_form(self, request: Request) -> dict[str, str] | None:
        """The form of a Query call, None when the request is none."""
        if request.method not in ("GET", "POST"):
            return None
        try:
            form = read_form(request)
        except ValueError:
            return None
        return form if "Action" in form else None

    def _rest_services(self, path: str, named: Service | None) -> Iterator[Service]:
        if named is not None and named.name not in SERVICES:
            if named.is_rest:
                yield named
            return
        if path.startswith("/v2/"):
            yield self.service("apigatewayv2")
        elif re.match(r"/20\d\d-\d\d-\d\d/", path):
            yield self.service("lambda")
        else:
            yield self.service("apigateway")

    def _service_of_target(
        self, prefix: str, signing_name: str | None, admit: Callable[[str], object]
    ) -> Service | None:
        if prefix in _TARGETS:
            return self.service(_TARGETS[prefix])
        named = self._named_by_credential(signing_name, admit)
        return named if named is not None and named.target_prefix == prefix else None

    def _named_by_credential(self, signing_name: str | None, admit: Callable[[str], object]) -> Service | None:
        if signing_name is None:
            return None
        ours = _SIGNING_NAMES.get(signing_name)
        if ours is not None:
            return self.service(ours[0])
        admit(signing_name)
        if self._available is None:
            self._available = frozenset(self._loader.list_available_services("service-2"))
        name = _FOREIGN_NAMES.get(signing_name, signing_name)
        if name not in self._available:
            return None
        foreign = [known for known in self._services if known not in SERVICES]
        if len(foreign) >= _FOREIGN_KEPT and name not in foreign:
            del self._services[foreign[0]]
        return self.service(name)

    @staticmethod
    def _named(service: Service, name: str) -> Operation:
        operation = service.find_operation(name)
        if operation is None:
            raise UnknownOperation(service, _unknown(service, name))
        return operation


def _unknown(service: Service | None, asked: str) -> AwsError:
    """The refusal of an operation that AWS does not have either."""
    shown = "".join(character for character in asked[:200] if character.isprintable())
    if service is not None and service.protocol in ("query", "ec2"):
        return AwsError("InvalidAction", f"Could not find operation {shown} for version {service.model.api_version}")
    if service is not None and service.protocol == "json":
        return AwsError("UnknownOperationException", status=400)
    return AwsError("UnknownOperationException", f"Unknown operation: {shown}", status=404)
