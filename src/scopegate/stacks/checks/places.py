"""Where in the user's file the parts of what was deployed stand, and how a change at such a place is written.

A route of a plan was written as an event of a SAM function, as a method or route of its own, or as an operation of an
OpenAPI document; a reader wants its line, and a snippet in the words of that place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from scopegate.stacks.model import Stack
from scopegate.stacks.read import Path, Template

REST_API: Final = "AWS::ApiGateway::RestApi"
HTTP_API: Final = "AWS::ApiGatewayV2::Api"

_FUNCTION: Final = "AWS::Serverless::Function"
_BODY: Final[Path] = ("Resources", "Api", "Properties", "Body")
_ANY_METHOD: Final = "x-amazon-apigateway-any-method"
_VERBS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", _ANY_METHOD})
_IMPLICIT: Final = {"Api": "ServerlessRestApi", "HttpApi": "ServerlessHttpApi"}
_API_OF_EVENT: Final = {"Api": "RestApiId", "HttpApi": "ApiId"}
_NAMED_BY_USERS: Final = frozenset(
    {
        "AWS::ApiGateway::Stage",
        "AWS::ApiGatewayV2::Stage",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolResourceServer",
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the user's file.

    form: what stands there: `event`, `method`, `route`, `operation`, `api`, or `other`.
    owners: logical ids of the resources that it belongs to, innermost first.
    """

    path: Path
    form: str
    owners: tuple[str, ...]


class Places:
    """The places of one stack.

    tree: it and the stacks that are nested with it. resource_paths: id of a REST resource → its path.
    """

    def __init__(
        self, template: Template, stack: Stack, tree: Sequence[Stack], resource_paths: Mapping[str, str]
    ) -> None:
        self.template = template
        self.stack = stack
        self._logical_by_physical = {
            made.physical_id: logical_id
            for each in (*tree, stack)
            for logical_id, made in each.resources.items()
            if made.type not in _NAMED_BY_USERS and made.physical_id not in template.text
        }
        self._routes = dict(self._find_routes(resource_paths))

    @property
    def is_document(self) -> bool:
        """Whether the file is a bare OpenAPI document, which stands in a template of our making."""
        lines = self.template.lines
        return _BODY in lines and _BODY[:-1] not in lines

    def logical_id(self, physical_id: str) -> str:
        """The logical id of what was made under this name; "" for what is not of this stack."""
        for logical_id, made in self.stack.resources.items():
            if made.physical_id == physical_id:
                return logical_id
        return ""

    def named(self, text: str) -> str:
        """The text with the ids that this deployment made up replaced by logical ids: the same at every run."""
        for physical_id, logical_id in self._logical_by_physical.items():
            text = text.replace(physical_id, logical_id)
        return text

    def of_resource(self, logical_id: str) -> Place:
        """A resource, or for one that SAM made the resource that it was made from."""
        owner = self._written(logical_id)
        is_api = any(word in str(self.kind(owner)) for word in ("RestApi", "::Api", "HttpApi")) if owner else False
        return Place(("Resources", owner) if owner else ("Resources",), "api" if is_api else "other", (owner,))

    def of_route(self, api: str, method: str, path: str) -> Place:
        """A route of the API of that logical id; the API when it is not written down as such."""
        found = self._routes.get((api, method, path))
        return found if found is not None else self.of_resource(api)

    def of_text(self, text: str, *, near: Place, api: str) -> Path | None:
        """Where a text stands as a whole value: at the place if it can be, else in the API, else anywhere."""
        for under in (near.path, ("Resources", self._written(api)), ()):
            for path, value in _leaves(_at(self.template.document, under), under):
                if value == text:
                    return path
        return None

    def kind(self, logical_id: str) -> str:
        """The type that the user wrote."""
        resource = self.template.resources.get(logical_id)
        return str(resource.get("Type", "")) if isinstance(resource, dict) else ""

    def value(self, path: Path) -> Any:
        """What stands at a path of the user's template; None for nothing."""
        return _at(self.template.document, path)

    def owners_of(self, path: Path) -> tuple[str, ...]:
        return (str(path[1]),) if len(path) > 1 and path[0] == "Resources" else ()

    def snippet(self, path: Path, value: Any, *more: tuple[Path, Any]) -> str:
        """YAML that says `value` at `path`, and so on, from the top of the user's file; lists are shown whole."""
        whole: dict[str, Any] = {}
        for at, said in ((path, value), *more):
            _merge(whole, self._nested(at, said))
        return render_yaml(whole)

    def _nested(self, path: Path, value: Any) -> Any:
        top = len(_BODY) if self.is_document and path[: len(_BODY)] == _BODY else 0
        for index in range(len(path) - 1, top - 1, -1):
            step = path[index]
            if isinstance(step, int):
                listed = self.value(path[:index])
                value = [value if at == step else item for at, item in enumerate(listed)]
            else:
                value = {step: value}
        return value

    def _written(self, logical_id: str) -> str:
        """The user's own name of a resource: its own, or the longest that a name of SAM's making begins with."""
        ours = self.template.resources
        if logical_id in ours:
            return logical_id
        return max((name for name in ours if logical_id.startswith(name)), key=len, default="")

    def _find_routes(self, resource_paths: Mapping[str, str]) -> Iterator[tuple[tuple[str, str, str], Place]]:
        for logical_id, resource in self.template.resources.items():
            properties = resource.get("Properties") if isinstance(resource, dict) else None
            if not isinstance(properties, dict):
                continue
            if self.kind(logical_id) == _FUNCTION:
                yield from self._events(logical_id, properties)
            for member in ("Body", "DefinitionBody"):
                where = ("Resources", logical_id, "Properties", member, "paths")
                for (path, verb), _ in _pairs(_at(self.template.document, where)):
                    if verb in _VERBS:
                        route = _route_of(path, verb)
                        yield (logical_id, *route), Place((*where, path, verb), "operation", (logical_id,))
        for logical_id, made in self.stack.resources.items():
            if made.type == "AWS::ApiGateway::Method":
                api = self.logical_id(str(made.properties["RestApiId"]))
                method, path = str(made.properties["HttpMethod"]), resource_paths.get(made.properties["ResourceId"], "")
                yield (api, method, path), Place(("Resources", logical_id), "method", (logical_id, api))
            elif made.type == "AWS::ApiGatewayV2::Route":
                api = self.logical_id(str(made.properties["ApiId"]))
                method, _, path = str(made.properties["RouteKey"]).rpartition(" ")
                yield (api, method or "ANY", path), Place(("Resources", logical_id), "route", (logical_id, api))

    def _events(self, function: str, properties: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Place]]:
        for name, event in _items(properties.get("Events")):
            kind = event.get("Type") if isinstance(event, dict) else None
            if kind not in _IMPLICIT:
                continue
            said = event.get("Properties") or {}
            api = said.get(_API_OF_EVENT[kind], _IMPLICIT[kind])
            api = api.get("Ref", "") if isinstance(api, dict) else str(api)
            method, path = str(said.get("Method", "ANY")).upper(), str(said.get("Path", "$default"))
            where = ("Resources", function, "Properties", "Events", name)
            route = ("ANY" if method == _ANY_METHOD.upper() else method, path)
            yield (api, *route), Place(where, "event", (function, self._written(api) or api))


def _route_of(path: str, verb: str) -> tuple[str, str]:
    if path == "/$default":
        return "ANY", "$default"
    return "ANY" if verb == _ANY_METHOD else verb.upper(), path


def _at(document: Any, path: Path) -> Any:
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    return iter(value.items()) if isinstance(value, dict) else iter(())


def _pairs(value: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    for first, inner in _items(value):
        for second, item in _items(inner):
            yield (first, second), item


def _merge(whole: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            _merge(whole[key], value)
        else:
            whole[key] = value


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


# Snippets

_TAGS: Final = {"Ref": "!Ref", "Fn::GetAtt": "!GetAtt", "Fn::Sub": "!Sub"}


class _Dumper(yaml.SafeDumper):
    """Block style but for lists of scalars, and short tags, as people write templates."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    if len(value) == 1:
        ((key, item),) = value.items()
        if key in _TAGS and isinstance(item, str):
            return dumper.represent_scalar(_TAGS[key], item)
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items())


def _represent_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    plain = not any(isinstance(item, list) or (isinstance(item, dict) and len(item) > 1) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    """Text in quotes of its own (`'*'`) reads best in the other quotes."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if value.startswith("'") else None)


_Dumper.add_representer(dict, _represent_mapping)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_text)

_QUOTED_NAME: Final = re.compile(r"(!(?:Ref|GetAtt)) '([\w.:]+)'")
_QUOTED_TEXT: Final = re.compile(r"^([^\[]*!Sub) '([^'#]+)'$", re.MULTILINE)


def render_yaml(value: Any) -> str:
    """YAML as people write templates: tags of functions, without the quotes that they can do without."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return _QUOTED_TEXT.sub(r"\1 \2", _QUOTED_NAME.sub(r"\1 \2", text))
