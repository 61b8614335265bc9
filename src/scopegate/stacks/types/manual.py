"""docs/types/: a page for each type of our services, and one of all recorded types, from RESOURCES' tables.

How a property is shaped is read from the service models: it is the member of its name in an operation's input.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from scopegate.aws.models import Models
from scopegate.stacks.resources import OURS
from scopegate.stacks.types import recorded
from scopegate.stacks.types.resource_type import ResourceType

_LONGEST_CHOICE: Final = 8  # words of an enumeration that are told one by one


def _page(name: str) -> str:
    return f"{name.replace('::', '-')}.md"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words)) or "nothing"


def render_overview() -> str:
    lines = [
        "# Types of templates",
        "",
        "What CloudFormation and SAM templates may have, and what becomes of it.",
        "A type that is not here is refused with its line, before anything is done.",
        "Each page says what becomes of each property; a property that is not there is refused as well.",
        "",
    ]
    for service, kinds in OURS.items():
        lines += [f"## {service}", "", *(f"- [{name}]({_page(name)})" for name in sorted(kinds)), ""]
    lines += [
        "## Others",
        "",
        "- `AWS::CloudFormation::Stack`: a stack that stands and falls with its parent.",
        "- `AWS::CloudFormation::CustomResource` and `Custom::AnyName`: [custom resources](../custom-resources.md).",
        "- `AWS::Serverless::*`: what AWS's own translator makes of them.",
        f"- {len(recorded.ROWS)} types are [recorded](recorded.md): nothing is made of them.",
        "",
    ]
    return "\n".join(lines)


def render_type(models: Models, service: str, name: str) -> str:
    """What `Ref` and `Fn::GetAtt` give, what becomes of each property, and of a change of it."""
    kind = OURS[service][name]
    types = _types(models, service, kind.operations)
    lines = [
        f"# {name}",
        "",
        f"`Ref` gives {kind.ref}.",
        f"`Fn::GetAtt` knows {_listed(kind.attributes)}.",
        "",
        "| property | type | what becomes of it | a change |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{each}` | {types.get(each, '')} | {_fate(kind, each)} | {_change(kind, each)} |"
        for each in sorted(kind.properties)
    ]
    lines += [f"| `{each}` | | left out, with a note: it is read only | |" for each in _read_only(kind)]
    if kind.one_at_a_time:
        lines += ["", "The old one goes before its replacement comes."]
    lines += ["", f"Operations of {service} that it calls: {_listed(kind.operations)}.", ""]
    return "\n".join(lines)


def _read_only(kind: ResourceType) -> list[str]:
    return sorted(kind.read_only - kind.properties)


def _fate(kind: ResourceType, name: str) -> str:
    if name in kind.refused:
        why = kind.refused[name]
        return f"refused: {why}" if why else "refused: not built"
    if name in kind.left_out:
        return f"left out, with a note: {kind.left_out[name]}"
    fate = "stored, nothing comes of it" if name in kind.stored else "applied"
    return f"{fate}; required" if name in kind.required else fate


def _change(kind: ResourceType, name: str) -> str:
    if name in kind.refused or name in kind.left_out:
        return ""
    return "replaces it" if kind.update is None or name in kind.replaces else "in place"


def _types(models: Models, service: str, operations: Iterable[str]) -> dict[str, str]:
    """Property → how it is shaped. v1 API Gateway spells members with a small first letter."""
    shapes = [models.operation(service, each).model.input_shape for each in sorted(operations)]
    members = {name: member for shape in shapes if shape is not None for name, member in shape.members.items()}
    return {f"{name[0].upper()}{name[1:]}": _type(member) for name, member in members.items()}


def _type(shape: Any, within: str = "") -> str:
    if shape.type_name in ("list", "map"):
        kind = f"{shape.type_name} of "
        return kind + _type(shape.member if shape.type_name == "list" else shape.value, kind)
    if enum := getattr(shape, "enum", None):
        return _listed(enum) if len(enum) <= _LONGEST_CHOICE and not within else "string"
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("integer", "long") and least is not None and most is not None:
        return f"integer, {least:,} to {most:,}"
    return str({"structure": "object", "timestamp": "moment", "blob": "bytes"}.get(shape.type_name, shape.type_name))


def render_recorded() -> str:
    lines = [
        "# Recorded types",
        "",
        "These types have no part in a decision: nothing is made of them, and whoever deploys is told so.",
        "`Ref` and `Fn::GetAtt` give what they give on AWS.",
        "Any property may be set; a name that the template gives is used, else one is generated.",
        "What guards an API is not among them: `AWS::WAFv2::WebACLAssociation` is refused.",
        "",
        "| type | `Ref` | `Fn::GetAtt` | what is not done |",
        "|---|---|---|---|",
    ]
    for name, row in sorted(recorded.ROWS.items()):
        ref = row.ref.replace("|", r"\|")
        attributes = ", ".join(f"`{each}`" for each in sorted(row.attributes))
        lines.append(f"| `{name}` | `{ref}` | {attributes} | {row.says} |")
    return "\n".join([*lines, ""])


def pages(models: Models) -> Mapping[str, Callable[[], str]]:
    """Path below docs/ → what is written there."""
    return {
        "types/README.md": render_overview,
        "types/recorded.md": render_recorded,
        **{
            f"types/{_page(name)}": partial(render_type, models, service, name)
            for service, kinds in OURS.items()
            for name in kinds
        },
    }
