"""A template with all the files that it names, as they lie on this machine, for the command line to send.

What a nested stack repeats may hang on its parameters, which are partly known here: what cannot be told is left to the
server, which says what it misses.
Source: `aws cloudformation package` and `sam package`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scopegate.base.errors import SetupError
from scopegate.stacks.build import Code, Remembered, Uploader, local_code, package
from scopegate.stacks.builders import Builder
from scopegate.stacks.extensions import written_out
from scopegate.stacks.named import api_documents, nested_files, parameter_text, read_child, read_file, walked
from scopegate.stacks.parameters import parameter_values
from scopegate.stacks.read import FOR_EACH, Template, TemplateError, read_template
from scopegate.stacks.read import Path as TemplatePath
from scopegate.stacks.resolve import AnyAttribute, Physical, Scope, Undecided, function_of, is_unknown, resolve, unknown


class DiskFiles:
    """Files of this machine by their names; remembers what it was asked for."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        if name not in self.texts:
            self.texts[name] = Path(name).read_text()
        return self.texts[name]


@dataclass(frozen=True, slots=True)
class Project:
    """One stack as it lies here.

    template: as it is written. parameters: as they were given. scopes: of it and of those of nested stacks, with what
    they repeat written out. texts: of the files that they name.
    """

    stack_name: str
    template: Template
    parameters: Mapping[str, str]
    scopes: tuple[Scope, ...]
    texts: Mapping[str, str]

    @property
    def written(self) -> tuple[Template, ...]:
        return tuple(scope.template for scope in self.scopes)

    def exports(self) -> set[str]:
        """The names that the stack will export, as far as they are known here."""
        return {
            name
            for scope in self.scopes
            for output, definition in (scope.template.document.get("Outputs") or {}).items()
            if isinstance(definition, dict) and isinstance(definition.get("Export"), dict)
            for name in _known(definition["Export"].get("Name"), scope, ("Outputs", output, "Export", "Name"))
        }

    def imports(self) -> set[str]:
        """The names that the stack asks for, as far as they are known here."""
        return {
            name
            for scope in self.scopes
            for path, value in walked(scope.template.document, ())
            if function_of(value) == "Fn::ImportValue"
            for name in _known(value["Fn::ImportValue"], scope, path)
        }

    def local_code(self) -> Iterator[Code]:
        for template in self.written:
            yield from local_code(template)

    def paths(self) -> set[Path]:
        """The files and folders that a deployment is made of."""
        files = {Path(name).absolute() for name in (self.template.file, *self.texts)}
        return files | {code.path.absolute() for code in self.local_code()}

    def package(
        self, client: Uploader | None, builder: Builder | None = None, remembered: Remembered | None = None
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """Upload local code: file → logical id → the properties that name what was uploaded."""
        code: dict[str, dict[str, dict[str, Any]]] = {}
        for template in self.written:
            code.setdefault(template.file, {}).update(package(client, template, builder, remembered))
        return code

    def body(self, code: Mapping[str, Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        """What the server is sent."""
        return {
            "template": self.template.text,
            "file": self.template.file,
            "parameters": dict(self.parameters),
            "code": code.get(self.template.file, {}),
            "files": {name: {"text": text, "code": code.get(name, {})} for name, text in self.texts.items()},
            **more,
        }


def _known(value: Any, scope: Scope, path: TemplatePath) -> Iterator[str]:
    try:
        found = resolve(value, scope, path)
    except (TemplateError, Undecided):
        return
    if isinstance(found, str) and not is_unknown(found):
        yield found


def in_order(projects: Sequence[Project]) -> list[Project]:
    """Each after those whose exports it imports, else as given. Raises SetupError for a cycle."""
    owners = {name: project for project in projects for name in project.exports()}
    needs = {
        id(project): {id(owners[name]) for name in project.imports() if name in owners} - {id(project)}
        for project in projects
    }
    left, ordered = list(projects), list[Project]()
    while left:
        done = {id(project) for project in ordered}
        ready = next((project for project in left if needs[id(project)] <= done), None)
        if ready is None:
            shown = ", ".join(project.template.file for project in left)
            raise SetupError(f"These import exports of one another, so that none can be first: {shown}")
        ordered.append(ready)
        left.remove(ready)
    return ordered


def read_project(
    path: Path, given: Mapping[str, str], region: str, stack_name: str, *, shared: bool = False
) -> Project:
    """given: parameters; shared: also those of other stacks, which are left out.

    Raises TemplateError with the line, SetupError for a file that cannot be read.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    files = DiskFiles()
    template = read_template(text, str(path), files)
    declared = template.document.get("Parameters") or {}
    given = {name: value for name, value in given.items() if not shared or name in declared}
    values = parameter_values(template, given, look_up=unknown)
    scopes = tuple(_scopes(template, (template.file,), values, files, region, stack_name))
    return Project(stack_name, template, given, scopes, files.texts)


def _scopes(
    template: Template,
    chain: tuple[str, ...],
    values: Mapping[str, Any],
    files: DiskFiles,
    region: str,
    stack_name: str,
) -> Iterator[Scope]:
    """Of the template and of those of nested stacks, each once for each use. Its files are read on the way."""
    scope = Scope(template, values, unknown("AWS::AccountId"), region, stack_name, unknown("AWS::StackId"))
    try:
        template = written_out(scope)
    except Undecided:
        certain = {name: each for name, each in template.resources.items() if not name.startswith(FOR_EACH)}
        template = replace(template, document={**template.document, "Resources": certain})
    scope.template = template
    scope.resources = {name: Physical(unknown(name), AnyAttribute(name)) for name in template.resources}
    yield scope
    for document in api_documents(template):
        read_file(files, template, document)
    for named in nested_files(template):
        child = read_child(files, template, named, chain)
        handed_down = _handed_down(template, scope, named.logical_id)
        declared = child.template.document.get("Parameters") or {}
        try:
            given = {name: parameter_text(value) for name, value in handed_down.items() if name in declared}
            inner = parameter_values(child.template, given, look_up=unknown)
        except TemplateError:
            inner = {name: unknown(name) for name in declared}  # the server says what is wrong with it
        yield from _scopes(child.template, child.chain, inner, files, region, unknown("AWS::StackName"))


def _handed_down(template: Template, scope: Scope, logical_id: str) -> dict[str, Any]:
    given = (template.resources[logical_id].get("Properties") or {}).get("Parameters") or {}
    where = ("Resources", logical_id, "Properties", "Parameters")
    found: dict[str, Any] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        try:
            found[name] = resolve(value, scope, (*where, name))
        except (TemplateError, Undecided):
            found[name] = unknown(name)
    return found
