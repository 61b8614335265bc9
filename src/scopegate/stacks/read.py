"""Text → template: YAML with CloudFormation's short tags, or JSON, with the file and line of every value kept.

What the values mean is `resolve.py`'s affair. A file that is no template is refused with its line; a bare OpenAPI
document is the template of its API (`openapi.py`). What `AWS::Include` names is put in its place here, since it may
stand anywhere and be anything.
Source: CloudFormation template anatomy; YAML short forms of intrinsic functions; AWS::Include transform.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from scopegate.base.errors import SetupError
from scopegate.stacks.files import Files, SentFiles, is_local, name_beside
from scopegate.stacks.openapi import api_template, find_version_key

Path = tuple[str | int, ...]

FOR_EACH: Final = "Fn::ForEach::"

_SAM: Final = "AWS::Serverless-2016-10-31"
_EXTENSIONS: Final = "AWS::LanguageExtensions"
_VERSION: Final = "2010-09-09"
_INCLUDE: Final = "AWS::Include"
_MACROS: Final = frozenset({_SAM, _EXTENSIONS})
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
_MAPPINGS: Final = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters", "Rules")
_YAML: Final = "tag:yaml.org,2002:"
_TAGS: Final = ("!", "bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
_MAX_DEPTH: Final = 200
_MAX_NODES: Final = 500_000
_MAX_INCLUDES: Final = 500


class TemplateError(SetupError):
    """What is wrong with a template, and where: `file:line: what`. path: of what is wrong, where that is known."""

    def __init__(self, message: str, *, file: str = "", line: int | None = None, path: Path = ()) -> None:
        where = f"{file}:{line}: " if line is not None else (f"{file}: " if file else "")
        super().__init__(where + message)
        self.message = message
        self.file = file
        self.line = line
        self.path = path


@dataclass(frozen=True, slots=True)
class Template:
    """A template as read: plain dicts, lists and scalars, intrinsic functions in their long form.

    lines: path of a value → line in its file, counted from 1.
    notes: what the reader supplied and the user should know.
    origins: path → name of the file in which what is there and below it stands, where that is another one.
    """

    file: str
    text: str
    document: dict[str, Any]
    lines: Mapping[Path, int]
    notes: tuple[str, ...] = ()
    origins: Mapping[Path, str] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """The line of the value at `path`, or of the nearest value round it that has one."""
        return self.lines.get(self._known(path))

    def file_of(self, path: Path) -> str:
        """The file in which the value at `path` stands, or the nearest value round it that has a line."""
        known = self._known(path) if self.origins else ()
        inner = (known[:length] for length in range(len(known), 0, -1))
        return next((self.origins[each] for each in inner if each in self.origins), self.file)

    def place_of(self, path: Path) -> str:
        """`file:line`, as errors have it."""
        line = self.line_of(path)
        return self.file_of(path) + (f":{line}" if line is not None else "")

    def _known(self, path: Path) -> Path:
        """The nearest path that has a line; of a resource that SAM made, of that whose name it begins with."""
        if len(path) > 1 and path[0] == "Resources" and path[:2] not in self.lines:
            ours = [at[1] for at in self.lines if len(at) == 2 and at[0] == "Resources"]
            sources = [name for name in map(str, ours) if str(path[1]).startswith(name)]
            path = ("Resources", max(sources, key=len)) if sources else path[:1]
        return next((path[:length] for length in range(len(path), 0, -1) if path[:length] in self.lines), ())

    def find_key(self, key: str, *under: str | int) -> Path:
        """The path of the first `key` below `under`, without regard to its first letter's case; else `under`."""
        wanted = key[:1].lower() + key[1:]
        for path in self.lines:
            last = str(path[-1]) if path else ""
            if path[: len(under)] == under and last[:1].lower() + last[1:] == wanted:
                return path
        return under

    def error(self, message: str, *path: str | int) -> TemplateError:
        return TemplateError(message, file=self.file_of(path), line=self.line_of(path), path=path)

    @property
    def resources(self) -> dict[str, Any]:
        return self.document.get("Resources") or {}

    @property
    def is_sam(self) -> bool:
        return _SAM in _transforms(self.document)


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
    """Walks composed nodes once; refuses duplicate keys, aliases that explode, and depth.

    file: the one that is being walked; `outer` are those that include it.
    """

    def __init__(self, file: str, files: Files) -> None:
        self.file = file
        self.files = files
        self.outer: tuple[str, ...] = ()
        self.lines: dict[Path, int] = {}
        self.origins: dict[Path, str] = {}
        self.count = 0
        self.includes = 0

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
        if "Fn::Transform" in result:
            self.include(result.pop("Fn::Transform"), result, path, node)
        return result

    def include(self, transform: Any, beside: dict[str, Any], path: Path, node: yaml.Node) -> None:
        """Put what a macro includes beside its siblings."""
        match transform:
            case {"Name": "AWS::Include", "Parameters": {"Location": location}}:
                pass
            case _:
                called = transform.get("Name") if isinstance(transform, dict) else transform
                raise self.fail(f"The macro {called} is not supported: only {_INCLUDE} with its Location is", node)
        if not is_local(location):
            raise self.fail(f"The Location of {_INCLUDE} must name a local file, got {location!r}", node)
        self.includes += 1
        if self.includes > _MAX_INCLUDES:
            raise self.fail(f"A template includes {_MAX_INCLUDES} files at most", node)
        name, outer, file = name_beside(location, self.file), self.outer, self.file
        if name in (file, *outer):
            raise self.fail(f"{name} includes itself: {' → '.join([*outer, file, name])}", node)
        try:
            inner = _composed(self.files.text(name), name)
        except (OSError, UnicodeDecodeError) as error:
            raise self.fail(f"The file {location} cannot be read: {error}", node) from None
        if not isinstance(inner, yaml.MappingNode):
            raise TemplateError(f"A file that {_INCLUDE} names must be a mapping", file=name, line=1)
        self.file, self.outer = name, (*outer, file)
        found = self.mapping(inner, path)
        self.file, self.outer = file, outer
        for key, value in found.items():
            if key in beside:
                raise TemplateError(
                    f"The key {key!r} stands where it is included as well, {file}:{node.start_mark.line + 1}",
                    file=name,
                    line=self.lines[(*path, key)],
                )
            beside[key] = value
            self.origins.setdefault((*path, key), name)

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
        if key == "Fn::Transform":
            included: dict[str, Any] = {}
            self.include(plain, included, path, node)
            return included
        return {key: plain}


def read_document(text: str, file: str) -> tuple[Any, dict[Path, int]]:
    """Any YAML or JSON document with CloudFormation's tags, and the line of each value.

    Raises TemplateError with the line of what cannot be read.
    """
    reader = _Reader(file, SentFiles())
    return reader.value(_composed(text, file), ()), reader.lines


def _composed(text: str, file: str) -> yaml.Node:
    try:
        _refuse_depth(text, file)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark, began = error.problem_mark, error.context_mark
        context = f" {error.context} that begins in line {began.line + 1}" if error.problem and began else ""
        raise TemplateError(
            f"Not valid YAML or JSON: {error.problem or error.context}{context}",
            file=file,
            line=mark.line + 1 if mark else None,
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TemplateError(f"Not valid YAML or JSON: {type(error).__name__}", file=file) from error
    if node is None:
        raise TemplateError("The file is empty", file=file)
    return node


def _refuse_depth(text: str, file: str) -> None:
    """Before anything is composed: the composer recurses on the stack of C, which does not bend but break."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            mark = event.start_mark
            raise TemplateError("The template is nested too deeply", file=file, line=mark.line + 1 if mark else None)


def read_template(text: str, file: str, files: Files | None = None) -> Template:
    """A SAM or CloudFormation template, or a bare OpenAPI document as the template of its API.

    files: those that the template may include. A file with `AWS::Serverless::*` types and no `Transform` gets the line
    that it lacks, and a note says so.
    """
    reader = _Reader(file, files or SentFiles())
    node = _composed(text, file)
    document, lines = reader.value(node, ()), reader.lines
    if not isinstance(document, dict):
        raise TemplateError("A template is a mapping with a Resources section", file=file, line=1)
    if find_version_key(document) is not None:
        made, moved, notes = api_template(document, lines)
        return Template(file, text, made, moved, tuple(f"{file}:{line}: {note}" for note, line in notes))
    for transform in _transforms(document):
        if isinstance(transform, dict):
            reader.include(transform, document, (), node)
    if "Transform" in document:
        document["Transform"] = [each for each in _transforms(document) if not isinstance(each, dict)]
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        near = difflib.get_close_matches("Resources", document.keys() - {"Resources"}, 1, 0.8)
        hint = f"; is {near[0]} meant to be it?" if near else ""
        line = lines.get((near[0] if near else "Resources",), 1)
        raise TemplateError(f"The template has no Resources section{hint}", file=file, line=line)
    template = Template(file, text, document, lines, origins=reader.origins)
    _check_sections(template)
    check_resources(template)
    for lacking in (_SAM, _EXTENSIONS):
        if lacking not in _transforms(document) and (use := _find_use(lacking, document)) is not None:
            what = f"AWS::Serverless types without a Transform line; read as if it had Transform: {lacking}"
            if lacking == _EXTENSIONS:
                what = f"{use} without Transform: {lacking}; read as if it had that line"
            document["Transform"] = [lacking, *_transforms(document)]
            template = replace(template, notes=(*template.notes, f"{file}: {what}"))
    return template


def _transforms(document: Mapping[str, Any]) -> list[Any]:
    transform = document.get("Transform") or []
    return transform if isinstance(transform, list) else [transform]


def _find_use(macro: str, document: Mapping[str, Any]) -> str | None:
    """What in a template only a macro understands."""
    if macro == _SAM:
        types = (each.get("Type") for _, each in declared(document["Resources"]) if isinstance(each, dict))
        return next((kind for kind in types if str(kind).startswith("AWS::Serverless::")), None)
    sections = [document.get(section) for section in ("Conditions", "Outputs", "Resources")]
    return next((key for key in _keys(sections) if key.startswith(_EXTENDING)), None)


_EXTENDING: Final = (FOR_EACH, "Fn::Length", "Fn::ToJsonString")


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = value.values()
    if not isinstance(value, str | int | float | None):
        for item in value:
            yield from _keys(item)


def declared(resources: Mapping[str, Any], *above: str | int) -> Iterator[tuple[Path, Any]]:
    """Each resource with its path below `Resources`; of an `Fn::ForEach` those that it repeats, once."""
    for name, resource in resources.items():
        if not name.startswith(FOR_EACH):
            yield (*above, name), resource
        elif isinstance(resource, list) and len(resource) == 3 and isinstance(resource[2], dict):
            yield from declared(resource[2], *above, name, 2)


def check_resources(template: Template) -> None:
    """Each resource has a type and a name. Raises TemplateError with the line."""
    for path, resource in declared(template.resources):
        name = str(path[-1])
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise template.error(f"Resource {name} has no Type", "Resources", *path)
        if len(path) == 1 and not (name.isalnum() and name.isascii()):
            raise template.error(f"Resource name {name} is not alphanumeric", "Resources", *path)


def _check_sections(template: Template) -> None:
    for section, value in template.document.items():
        if section not in _SECTIONS:
            close = difflib.get_close_matches(section, _SECTIONS, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise template.error(f"A template has no section {section}{hint}", section)
        if section in _MAPPINGS and not isinstance(value, dict | None):
            raise template.error(f"The section {section} must be a mapping", section)
    version = template.document.get("AWSTemplateFormatVersion", _VERSION)
    if version != _VERSION:
        what = f"AWSTemplateFormatVersion must be {_VERSION}, got {version}"
        raise template.error(what, "AWSTemplateFormatVersion")
    for name, definition in (template.document.get("Parameters") or {}).items():
        if not isinstance(definition, dict):
            raise template.error(f"Parameter {name} must be a mapping", "Parameters", name)
        if name in template.resources:
            raise template.error(f"{name} is a parameter and a resource: names are given once", "Parameters", name)
    for macro in _transforms(template.document):
        if macro not in _MACROS:
            raise template.error(f"The transform {macro} is not supported yet", "Transform")
