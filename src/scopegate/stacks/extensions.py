"""`Fn::ForEach`: what a template repeats, written out before anything else reads it; lines stay those of the original.

Source: AWS::LanguageExtensions transform, Fn::ForEach.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from scopegate.stacks.read import FOR_EACH, Path, Template, check_resources
from scopegate.stacks.resolve import Scope, Undecided, is_unknown, resolve

_SECTIONS: Final = ("Conditions", "Outputs", "Resources")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9]+")
_MAX_NODES: Final = 200_000


def written_out(scope: Scope) -> Template:
    """The template of a scope without `Fn::ForEach`.

    Raises TemplateError with the line; Undecided when what is repeated is not known yet.
    """
    template = scope.template
    if FOR_EACH not in template.text and not template.origins:
        return template
    writer = _Writer(scope)
    document = {
        name: writer.value(value, (name,), (name,), {}) if name in _SECTIONS else value
        for name, value in template.document.items()
    }
    if not writer.repeats:
        return template
    lines = {
        **template.lines,
        **{new: template.lines[old] for new, old in writer.moved.items() if old in template.lines},
    }
    origins = {
        **template.origins,
        **{new: template.origins[old] for new, old in writer.moved.items() if old in template.origins},
    }
    written = replace(template, document=document, lines=lines, origins=origins)
    check_resources(written)
    return written


class _Writer:
    """moved: path of a value as written out → its path in the template, where they differ."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.moved: dict[Path, Path] = {}
        self.repeats = 0
        self.count = 0

    def value(self, value: Any, new: Path, old: Path, variables: Mapping[str, str]) -> Any:
        """The value at path `old` as it is written out at path `new`, with the loops' variables put in."""
        self.count += 1
        if self.count > _MAX_NODES:
            raise self.scope.error("Fn::ForEach makes the template too large", old)
        if new != old:
            self.moved[new] = old
        if isinstance(value, str):
            return _filled(value, variables)
        if isinstance(value, list):
            return [self.value(item, (*new, at), (*old, at), variables) for at, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": str(name)} if len(value) == 1 and name in variables:
                return variables[name]
        written: dict[str, Any] = {}
        for key, item in value.items():
            if key.startswith(FOR_EACH):
                self.repeat(item, written, new, (*old, key), variables)
            else:
                self.member(key, item, written, new, (*old, key), variables)
        return written

    def member(
        self, key: str, item: Any, written: dict[str, Any], new: Path, old: Path, variables: Mapping[str, str]
    ) -> None:
        name = _filled(key, variables)
        if name in written:
            raise self.scope.error(f"The key {name!r} comes twice out of Fn::ForEach", old)
        written[name] = self.value(item, (*new, name), old, variables)

    def repeat(self, loop: Any, written: dict[str, Any], new: Path, old: Path, variables: Mapping[str, str]) -> None:
        self.repeats += 1
        match loop:
            case [str(name), collection, dict(fragment)] if _IDENTIFIER.fullmatch(name):
                pass
            case _:
                raise self.scope.error("Fn::ForEach takes an identifier, a collection and a mapping", old)
        if name in variables or name in self.scope.parameters or name in self.scope.template.resources:
            raise self.scope.error(f"Fn::ForEach: the identifier {name} is a name already", old)
        for item in self.items(collection, (*old, 1), variables):
            for key, inner in fragment.items():
                inside = {**variables, name: item}
                if key.startswith(FOR_EACH):
                    self.repeat(inner, written, new, (*old, 2, key), inside)
                else:
                    self.member(key, inner, written, new, (*old, 2, key), inside)

    def items(self, collection: Any, path: Path, variables: Mapping[str, str]) -> list[str]:
        found = resolve(self.value(collection, path, path, variables), self.scope, path)
        if is_unknown(found):
            raise Undecided
        if not isinstance(found, list) or not all(isinstance(item, str | int | float) for item in found):
            raise self.scope.error("The collection of Fn::ForEach must be a list of texts", path)
        return [str(item).lower() if isinstance(item, bool) else str(item) for item in found]


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """`${Name}` is the item, `&{Name}` its letters and digits."""
    if "{" in text:
        for name, item in variables.items():
            text = text.replace(f"${{{name}}}", item)
            text = text.replace(f"&{{{name}}}", "".join(each for each in item if each.isalnum()))
    return text
