"""Which files a template names: templates of nested stacks and API documents; how they are read.

For both ends: the command line sends what the server will read.
Source: `aws cloudformation package` and `sam package` (Location, TemplateURL, DefinitionUri, BodyS3Location).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scopegate.base.limits import limit
from scopegate.stacks.files import Files, is_local, name_beside
from scopegate.stacks.model import NESTED
from scopegate.stacks.read import Path, Template, read_template

_APPLICATION: Final = "AWS::Serverless::Application"
_LOCATION: Final = {NESTED: "TemplateURL", _APPLICATION: "Location"}
DOCUMENT_MEMBERS: Final = {
    "AWS::ApiGateway::RestApi": ("Body", "BodyS3Location"),
    "AWS::ApiGatewayV2::Api": ("Body", "BodyS3Location"),
    "AWS::Serverless::Api": ("DefinitionUri",),
    "AWS::Serverless::HttpApi": ("DefinitionUri",),
}


@dataclass(frozen=True, slots=True)
class Child:
    """The template of a nested stack, and where its parent names it."""

    template: Template
    where: Path
    chain: tuple[str, ...]


class Named(NamedTuple):
    """A file that a property names."""

    logical_id: str
    path: Path
    name: str


def nested_files(template: Template) -> Iterator[Named]:
    """The templates of nested stacks that a template names.

    Raises TemplateError with the line for one that is no local file.
    """
    for logical_id, resource in template.resources.items():
        if (member := _LOCATION.get(resource["Type"])) is not None:
            location = (resource.get("Properties") or {}).get(member)
            where = ("Resources", logical_id, "Properties", member)
            if not is_local(location):
                raise template.error(f"{logical_id}: {member} must name a local file, got {location!r}", *where)
            yield Named(logical_id, where, name_beside(str(location), template.file_of(where)))


def api_documents(template: Template) -> Iterator[Named]:
    """The OpenAPI documents that properties of a template name as local files."""
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties")
        for member in DOCUMENT_MEMBERS.get(resource["Type"], ()) if isinstance(properties, dict) else ():
            if is_local(location := properties.get(member)):
                where = ("Resources", logical_id, "Properties", member)
                yield Named(logical_id, where, name_beside(location, template.file_of(where)))


def read_file(files: Files, template: Template, named: Named) -> str:
    """Raises TemplateError with the line that names a file that cannot be read."""
    try:
        return files.text(named.name)
    except (OSError, UnicodeDecodeError) as error:
        raise template.error(f"{named.logical_id}: the file cannot be read: {error}", *named.path) from None


def read_child(files: Files, template: Template, named: Named, chain: tuple[str, ...]) -> Child:
    """The template of a nested stack.

    chain: the files that led to `template`, itself last. Raises TemplateError for one that nests itself.
    """
    if named.name in chain:
        shown = " → ".join([*chain, named.name])
        raise template.error(f"{named.logical_id}: a stack cannot be nested in itself: {shown}", *named.path)
    if len(chain) >= limit("stacks.depth"):
        raise template.error(f"{named.logical_id}: stacks are nested {limit('stacks.depth')} deep at most", *named.path)
    child = read_template(read_file(files, template, named), named.name, files)
    return Child(child, named.path[:-1], (*chain, named.name))


def parameter_text(value: Any) -> str:
    """A parameter as it is handed to a nested stack: a list as its items by commas."""
    if isinstance(value, list):
        return ",".join(map(parameter_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def walked(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walked(item, (*path, key))
