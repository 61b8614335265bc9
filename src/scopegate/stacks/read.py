"""Text → template: YAML with CloudFormation's short tags, or JSON, with the line of every value kept.

What the values mean is `resolve.py`'s affair. A file that is no template is refused with its line; a bare OpenAPI
document is the template of its API (`openapi.py`).
Source: CloudFormation template anatomy; YAML short forms of intrinsic functions.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from scopegate.base.errors import SetupError
from scopegate.stacks.openapi import api_template, find_version_key

Path = tuple[str | int, ...]

_SAM: Final = "AWS::Serverless-2016-10-31"
_MACROS: Final = frozenset({_SAM, "AWS::LanguageExtensions"})
_SECTIONS: Final = (
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
)
_MAPPINGS: Final = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters")
_YAML: Final = "tag:yaml.org,2002:"
_TAGS: Final = ("!", "bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
_MAX_DEPTH: Final = 200
_MAX_NODES: Final = 500_000


class TemplateError(SetupError):
    """What is wrong with a template, and where: `file:line: what`."""

    def __init__(self, message: str, *, file: str = "", line: int | None = None) -> None:
        where = f"{file}:{line}: " if line is not None else (f"{file}: " if file else "")
        super().__init__(where + message)
        self.message = message
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Template:
    """A template as read: plain dicts, lists and scalars, intrinsic functions in their long form.

    lines: path of a value → line in the file, counted from 1.
    notes: what the reader supplied and the user should know.
    """

    file: str
    text: str
    document: dict[str, Any]
    lines: Mapping[Path, int]
    notes: tuple[str, ...] = ()

    def line_of(self, path: Path) -> int | None:
        """The line of the value at `path`, or of the nearest value round it that has one.

        A resource that SAM made stands where the resource does whose name it begins with.
        """
        if len(path) > 1 and path[0] == "Resources" and path[:2] not in self.lines:
            ours = [at[1] for at in self.lines if len(at) == 2 and at[0] == "Resources"]
            sources = [name for name in map(str, ours) if str(path[1]).startswith(name)]
            path = ("Resources", max(sources, key=len)) if sources else path[:1]
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return None

    def find_key(self, key: str, *under: str | int) -> Path:
        """The path of the first `key` below `under`, without regard to its first letter's case; else `under`."""
        wanted = key[:1].lower() + key[1:]
        for path in self.lines:
            last = str(path[-1]) if path else ""
            if path[: len(under)] == under and last[:1].lower() + last[1:] == wanted:
                return path
        return under

    def error(self, message: str, *path: str | int) -> TemplateError:
        return TemplateError(message, file=self.file, line=self.line_of(path))

    @property
    def resources(self) -> dict[str, Any]:
        return self.document.get("Resources") or {}

    @property
    def is_sam(self) -> bool:
        transform = self.document.get("Transform")
        return _SAM in (transform if isinstance(transform, list) else [transform])


def _scalar(node: yaml.ScalarNode) -> Any:
    """YAML 1.1 scalars as CloudFormation reads them: dates and sexagesimals stay text."""
    tag = node.tag
    if tag == "tag:yaml.org,2002:null":
        return None
    if tag == "tag:yaml.org,2002:bool":
        return node.value.lower() in ("true", "yes", "on")
    if tag == "tag:yaml.org,2002:int" and ":" not in node.value:
        text = node.value.replace("_", "")
        # AWS account ids with a leading zero are text, not octal numbers.
        if text.lstrip("+-").isdigit() and len(text.lstrip("+-")) > 1 and text.lstrip("+-").startswith("0"):
            return node.value
        return int(text, 0)
    if tag == "tag:yaml.org,2002:float" and ":" not in node.value:
        try:
            return float(node.value.replace("_", ""))
        except ValueError:
            return node.value
    return node.value


class _Reader:
    """Walks composed nodes once; refuses duplicate keys, aliases that explode, and depth."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.count = 0

    def fail(self, message: str, node: yaml.Node) -> TemplateError:
        return TemplateError(message, file=self.file, line=node.start_mark.line + 1)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        if len(path) > _MAX_DEPTH or self.count > _MAX_NODES:
            raise self.fail("The template is nested too deeply or its aliases expand too far", node)
        self.lines[path] = node.start_mark.line + 1
        if node.tag.startswith("!") and node.tag != "!":
            return self.tagged(node, path)
        if node.tag.removeprefix(_YAML) not in _TAGS:
            raise self.fail(f"The tag {node.tag} is not part of CloudFormation templates", node)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail("A key must be text", key_node)
            key = key_node.value
            if key in result:
                raise self.fail(f"The key {key!r} stands twice in one mapping", key_node)
            if key == "<<":
                raise self.fail("YAML merge keys (<<) are not part of CloudFormation templates", key_node)
            result[key] = self.value(value_node, (*path, key))
            self.lines[(*path, key)] = key_node.start_mark.line + 1
        return result

    def tagged(self, node: yaml.Node, path: Path) -> Any:
        name = node.tag[1:]
        key = name if name in ("Ref", "Condition") else f"Fn::{name}"
        plain: Any
        inner = (*path, key)
        self.lines[inner] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            plain = node.value
            if key == "Fn::GetAtt":
                plain = plain.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            plain = [self.value(item, (*inner, index)) for index, item in enumerate(node.value)]
        else:
            assert isinstance(node, yaml.MappingNode)
            plain = self.mapping(node, inner)
        return {key: plain}


def read_document(text: str, file: str) -> tuple[Any, dict[Path, int]]:
    """Any YAML or JSON document with CloudFormation's tags, and the line of each value.

    Raises TemplateError with the line of what cannot be read.
    """
    try:
        _refuse_depth(text, file)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise TemplateError(
            f"Not valid YAML or JSON: {error.problem or error.context}",
            file=file,
            line=mark.line + 1 if mark else None,
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TemplateError(f"Not valid YAML or JSON: {type(error).__name__}", file=file) from error
    if node is None:
        raise TemplateError("The file is empty", file=file)
    reader = _Reader(file)
    return reader.value(node, ()), reader.lines


def _refuse_depth(text: str, file: str) -> None:
    """Before anything is composed: the composer recurses on the stack of C, which does not bend but break."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            raise TemplateError("The template is nested too deeply", file=file, line=mark.line + 1 if mark else None)


def read_template(text: str, file: str) -> Template:
    """A SAM or CloudFormation template, or a bare OpenAPI document as the template of its API.

    A file with `AWS::Serverless::*` types and no `Transform` gets the line that it lacks, and a note says so.
    """
    document, lines = read_document(text, file)
    if not isinstance(document, dict):
        raise TemplateError("A template is a mapping with a Resources section", file=file, line=1)
    if find_version_key(document) is not None:
        made, moved, notes = api_template(document, lines)
        return Template(file, text, made, moved, tuple(f"{file}:{line}: {note}" for note, line in notes))
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise TemplateError("The template has no Resources section", file=file, line=lines.get(("Resources",), 1))
    template = Template(file, text, document, lines)
    _check_sections(template)
    for logical_id, resource in resources.items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise template.error(f"Resource {logical_id} has no Type", "Resources", logical_id)
        if not logical_id.isalnum() or not logical_id.isascii():
            raise template.error(f"Resource name {logical_id} is not alphanumeric", "Resources", logical_id)
    serverless = any(resource["Type"].startswith("AWS::Serverless::") for resource in resources.values())
    if serverless and "Transform" not in document:
        return Template(
            file,
            text,
            {"Transform": _SAM, **document},
            lines,
            (f"{file}: AWS::Serverless types without a Transform line; read as if it had Transform: {_SAM}",),
        )
    return template


def _check_sections(template: Template) -> None:
    for section, value in template.document.items():
        if section not in _SECTIONS:
            close = difflib.get_close_matches(section, _SECTIONS, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise template.error(f"A template has no section {section}{hint}", section)
        if section in _MAPPINGS and not isinstance(value, dict | None):
            raise template.error(f"The section {section} must be a mapping", section)
    for name, definition in (template.document.get("Parameters") or {}).items():
        if not isinstance(definition, dict):
            raise template.error(f"Parameter {name} must be a mapping", "Parameters", name)
        if name in template.resources:
            raise template.error(f"{name} is a parameter and a resource: names are given once", "Parameters", name)
    if template.document.get("Rules"):
        raise template.error("The section Rules is not supported yet", "Rules")
    transform = template.document.get("Transform") or []
    for macro in transform if isinstance(transform, list) else [transform]:
        if macro not in _MACROS:
            raise template.error(f"The transform {macro} is not supported yet", "Transform")
