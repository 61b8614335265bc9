"""Where in the user's file a refusal belongs: an operation names its own members and values, not lines.

What is named is looked for below the resource, first as a property, then as a value; else it is the resource's.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from scopegate.stacks.read import Path, Template, TemplateError

_IMPORT_FAILED: Final = re.compile(r"(?:Errors|Warnings) found during import:|Unable to parse API definition")
_NAMED: Final = re.compile(r"'(?:([A-Z]+) )?([^']+)'|at path (/\S*?)\.?$", re.MULTILINE)
_UNSUPPORTED: Final = re.compile(r"Encountered unsupported property (\w+)(?:; did you mean (\w+))?")
_MEMBER: Final = re.compile(r" at '([\w.]+)' failed|'(\w+)' value failed|(\w+) has the wrong type")
_NO_INTEGRATION: Final = "No integration defined for method"
_PLACEHOLDER: Final = re.compile(r"\\\$\\\{[^}]*\}")
_SHORTEST: Final = 4  # what is shorter stands in a refusal by chance


def place_fault(template: Template, logical_id: str, kind: str, refusal: str) -> TemplateError:
    """A refusal of a resource's operation, with the line of what it names.

    kind: the resource's type. refusal: the operation's words.
    """
    path: Path = ("Resources", logical_id)
    if named := _UNSUPPORTED.search(refusal):
        path = template.find_key(named[1], *path)
        if named[1][0].islower() and str(path[-1])[0].isupper():
            # The operation spells its members with a small first letter, the template with a capital.
            refusal = _UNSUPPORTED.sub(_capitalised, refusal)
    elif _IMPORT_FAILED.search(refusal):
        path = _in_document(template, refusal, path)
    elif _NO_INTEGRATION in refusal:
        path = _unanswered(template) or path
    else:
        lookers = (_of_member, _of_value, _of_words)
        path = next(filter(None, (look(template, refusal, path) for look in lookers)), path)
    return template.error(f"{logical_id} ({kind}): {refusal}", *path)


def _in_document(template: Template, refusal: str, path: Path) -> Path:
    """Where the first fault of an import is, by what it names (`'GET' for resource at path '/x'`): paths come first."""
    fault = refusal.partition("\n")[2].partition("\n")[0] or refusal
    if "authorizer '" in fault:  # it stands under the operations that ask for it as well
        for section in ("securityDefinitions", "securitySchemes"):
            path = template.find_key(section, *path)
    words = [word for match in _NAMED.findall(fault) for word in match if word]
    for word in sorted(words, key=lambda word: not word.startswith("/")):
        found = template.find_key(word.lower() if word.isupper() else word, *path)
        if found == path:
            break
        path = found
    return path


def _capitalised(refusal: re.Match[str]) -> str:
    names = (name[0].upper() + name[1:] for name in refusal.groups() if name)
    return "Encountered unsupported property " + "; did you mean ".join(names)


def _unanswered(template: Template) -> Path | None:
    """The first method that has no integration: a deployment is refused for it, and does not say which."""
    for logical_id, resource in template.resources.items():
        if isinstance(resource, dict) and resource.get("Type") == "AWS::ApiGateway::Method":
            properties = resource.get("Properties")
            if isinstance(properties, dict) and "Integration" not in properties:
                return ("Resources", logical_id)
    return None


def _of_member(template: Template, refusal: str, resource: Path) -> Path | None:
    """The member that a refusal names (`'scopes.2.member.scopeName'`, items from 1), as deep as the template has it."""
    match = _MEMBER.search(refusal)
    if match is None:
        return None
    path = properties = (*resource, "Properties")
    for step in next(filter(None, match.groups())).split("."):
        if step.isdigit():
            item = (*path, int(step) - 1)
            path = item if item in template.lines else path
        elif step != "member":
            path = template.find_key(step, *path)
    return path if path != properties else _longest(template, properties, lambda key: key.endswith(step))


def _of_value(template: Template, refusal: str, resource: Path) -> Path | None:
    """The longest value of the resource's properties that a refusal repeats."""
    found: Path | None = None
    longest = _SHORTEST - 1
    for path, text in _texts(template.document, resource):
        if len(text) > longest and path in template.lines and _repeats(refusal, text):
            found, longest = path, len(text)
    return found


def _of_words(template: Template, refusal: str, resource: Path) -> Path | None:
    """The property of the resource whose name is spoken of (`The provided route key`)."""
    spoken = "".join(refusal.split()).lower()
    return _longest(template, (*resource, "Properties"), lambda key: len(key) > _SHORTEST and key.lower() in spoken)


def _longest(template: Template, properties: Path, is_meant: Callable[[str], bool]) -> Path | None:
    """The property of the longest name that is meant."""
    known = [path for path in template.lines if path[:-1] == properties and is_meant(str(path[-1]))]
    return max(known, key=lambda path: len(str(path[-1])), default=None)


def _texts(document: Any, resource: Path) -> Iterator[tuple[Path, str]]:
    """Scalars below `Properties`, as text, with their paths."""
    for step in (*resource, "Properties"):
        document = document.get(step) if isinstance(document, dict) else None
    waiting: list[tuple[Path, Any]] = [((*resource, "Properties"), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
        elif value is not None:
            yield path, str(value)


def _repeats(refusal: str, text: str) -> bool:
    """Whether a refusal has the text as a whole; placeholders of `Fn::Sub` stand for anything."""
    pattern = _PLACEHOLDER.sub(r"\\S+", re.escape(text))
    return re.search(rf"(?<!\w){pattern}(?!\w)", refusal) is not None
