"""Template and what stands → what is wanted, in order, with all that is wrong found before anything is done.

The graph's edges are references and `DependsOn`; a cycle is refused with its members. Pure: nothing is called here.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scopegate.stacks.read import Path, Template, TemplateError
from scopegate.stacks.resolve import Scope, is_true, pseudo_parameters, references
from scopegate.stacks.resources import RESOURCES

_MEMBERS: Final = (
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
)


@dataclass(frozen=True, slots=True)
class Node:
    """One resource that the template wants: its type, unresolved properties, and what must exist first.

    left_out: properties that stand in the template and cannot be set.
    """

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    left_out: tuple[str, ...]
    needs: frozenset[str]
    retain: bool
    retain_replaced: bool


def wanted_nodes(template: Template, scope: Scope) -> list[Node]:
    """The resources whose condition holds, in an order in which each comes after what it needs.

    Raises TemplateError with the line: an unknown type, an unknown or a missing property, a reference to nothing, a
    cycle.
    """
    _check_types(template, scope)
    nodes = dict(_live_nodes(template, scope))
    for node in nodes.values():
        where = ("Resources", node.logical_id, "Properties")
        _check_references(template, scope, nodes, dict(node.properties), where, node.logical_id)
    for name, output in (template.document.get("Outputs") or {}).items():
        if not isinstance(output, dict) or "Value" not in output:
            raise template.error(f"Output {name} has no Value", "Outputs", name)
        if "Export" in output and "Name" not in (output["Export"] or ()):
            raise template.error(f"The Export of output {name} has no Name", "Outputs", name, "Export")
        if "Condition" not in output or is_true(output["Condition"], scope, ("Outputs", name)):
            _check_references(template, scope, nodes, output, ("Outputs", name), f"Output {name}")
    return _sorted(template, nodes)


def _is_live(logical_id: str, resource: Mapping[str, Any], scope: Scope) -> bool:
    condition = resource.get("Condition")
    return condition is None or is_true(condition, scope, ("Resources", logical_id, "Condition"))


def _check_types(template: Template, scope: Scope) -> None:
    unknown = [
        (name, each["Type"])
        for name, each in template.resources.items()
        if each["Type"] not in RESOURCES and _is_live(name, each, scope)
    ]
    if unknown:
        shown = ", ".join(f"{kind} ({name}{_line(template, name)})" for name, kind in unknown)
        hint = _hint(unknown[0][1], RESOURCES, 0.9)
        raise template.error(f"Types that are not supported yet: {shown}{hint}", "Resources", unknown[0][0])


def _line(template: Template, logical_id: str) -> str:
    line = template.line_of(("Resources", logical_id))
    return f", line {line}" if line is not None else ""


def _hint(word: str, known: Iterable[str], likeness: float = 0.7) -> str:
    close = difflib.get_close_matches(word, list(known), 1, likeness)
    return f"; did you mean {close[0]}?" if close else ""


def _live_nodes(template: Template, scope: Scope) -> Iterator[tuple[str, Node]]:
    for logical_id, resource in template.resources.items():
        where = ("Resources", logical_id)
        for member in resource:
            if member not in _MEMBERS:
                raise template.error(f"{logical_id} has no member {member}{_hint(member, _MEMBERS)}", *where, member)
        if not _is_live(logical_id, resource, scope):
            continue
        properties = resource.get("Properties") or {}
        if not isinstance(properties, dict):
            raise template.error(f"Properties of {logical_id} must be a mapping", *where, "Properties")
        left_out = _check_properties(template, logical_id, resource["Type"], properties)
        properties = {name: value for name, value in properties.items() if name not in left_out}
        depends = resource.get("DependsOn", [])
        depends = [depends] if isinstance(depends, str) else depends
        for name in depends:
            if name not in template.resources:
                raise template.error(f"{logical_id} depends on {name}: no such resource", *where, "DependsOn")
        found = {each.name for each in references(properties, scope, (*where, "Properties"))}
        if logical_id in found:
            raise template.error(f"Circular dependency: {logical_id} refers to itself", *where)
        yield (
            logical_id,
            Node(
                logical_id,
                resource["Type"],
                properties,
                left_out,
                frozenset(name for name in (*depends, *found) if name in template.resources),
                retain=resource.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate"),
                retain_replaced=resource.get("UpdateReplacePolicy") == "Retain",
            ),
        )


def _check_properties(template: Template, logical_id: str, kind: str, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """The properties that are left out because nobody can set them."""
    known = RESOURCES[kind]
    where = ("Resources", logical_id, "Properties")
    for name in properties:
        if not known.free_properties and name not in known.properties | known.read_only:
            raise template.error(
                f"{logical_id}: {kind} has no property {name}{_hint(name, known.properties)}", *where, name
            )
    for name in known.required:
        if name not in properties:
            raise template.error(f"{logical_id}: {kind} needs the property {name}", *where)
    return tuple(name for name in properties if name in known.read_only and name not in known.properties)


def _check_references(
    template: Template, scope: Scope, nodes: Mapping[str, Node], value: Any, where: Path, who: str
) -> None:
    for reference in references(value, scope, where):
        name, attribute = reference.name, reference.attribute
        plain = name in scope.parameters or name in pseudo_parameters(scope)
        if not plain and name not in template.resources:
            hint = _hint(name, [*scope.parameters, *template.resources])
            raise template.error(f"{who} refers to {name}: no such parameter or resource{hint}", *reference.path)
        if attribute is None:
            continue
        if plain:
            raise template.error(f"{who} asks for {name}.{attribute}, but {name} is a parameter", *reference.path)
        if name in nodes:
            _check_attribute(template, nodes[name], attribute, reference.path)


def _check_attribute(template: Template, node: Node, attribute: str, path: Path) -> None:
    known = RESOURCES[node.type].attributes
    if attribute not in known and not RESOURCES[node.type].free_attributes:
        listed = ", ".join(sorted(known)) or "none"
        raise template.error(f"{node.type} {node.logical_id} has no attribute {attribute}; it has: {listed}", *path)


def _sorted(template: Template, nodes: Mapping[str, Node]) -> list[Node]:
    order: list[Node] = []
    done: set[str] = set()
    left = dict(nodes)
    while left:
        ready = [node for node in left.values() if all(need in done or need not in nodes for need in node.needs)]
        if not ready:
            raise _cycle(template, left)
        for node in ready:
            order.append(node)
            done.add(node.logical_id)
            del left[node.logical_id]
    return order


def _cycle(template: Template, left: Mapping[str, Node]) -> TemplateError:
    """left: nodes each of which needs another of them, so that a walk from any must come round."""
    walked = [next(iter(left))]
    while True:
        following = min(need for need in left[walked[-1]].needs if need in left)
        if following in walked:
            members = walked[walked.index(following) :]
            shown = " → ".join([*members, following])
            return template.error(f"Circular dependency between resources: {shown}", "Resources", members[0])
        walked.append(following)
