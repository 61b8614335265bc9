"""Template and what stands → what is wanted, in order, with all that is wrong found before anything is done.

The graph's edges are references and `DependsOn`; a cycle is refused with its members. Pure: nothing is called here.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scopegate.stacks.read import Path, Template, TemplateError
from scopegate.stacks.resolve import NO_VALUE, Scope, is_true, pseudo_parameters, references, resolve
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
    "Version",  # of a custom resource, as AWS's own examples say it
)
_POLICIES: Final = ("Delete", "Retain", "RetainExceptOnCreate", "Snapshot")


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A resource of a type that nothing here can make. place: `file:line`."""

    type: str
    logical_id: str
    place: str


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


def wanted_nodes(template: Template, scope: Scope, unknown: list[UnknownType] | None = None) -> list[Node]:
    """The resources whose condition holds, in an order in which each comes after what it needs.

    unknown: takes what is of unknown types and is left out then; what refers to that is not refused here.
    Raises TemplateError with the line: an unknown type, an unknown or a missing property, a reference to nothing, a
    cycle.
    """
    found = _unknown_types(template, scope)
    if unknown is None and found:
        raise refuse_unknown(template, found)
    left_out = {each.logical_id for each in found}
    nodes = dict(_live_nodes(template, scope, left_out))
    for node in nodes.values():
        where = ("Resources", node.logical_id, "Properties")
        _check_references(template, scope, nodes, left_out, dict(node.properties), where, node.logical_id)
    for name, output in live_outputs(template, scope):
        _check_references(template, scope, nodes, left_out, output, ("Outputs", name), f"Output {name}")
    if unknown is not None:
        unknown += found
    return _sorted(template, nodes)


def live_outputs(template: Template, scope: Scope) -> Iterator[tuple[str, dict[str, Any]]]:
    """The outputs whose condition holds. Raises TemplateError for one that is misshapen."""
    for name, output in (template.document.get("Outputs") or {}).items():
        if not isinstance(output, dict) or "Value" not in output:
            raise template.error(f"Output {name} has no Value", "Outputs", name)
        if "Export" in output and "Name" not in (output["Export"] or ()):
            raise template.error(f"The Export of output {name} has no Name", "Outputs", name, "Export")
        if "Condition" not in output or is_true(output["Condition"], scope, ("Outputs", name)):
            yield name, output


def refuse_unknown(template: Template, unknown: Sequence[UnknownType]) -> TemplateError:
    shown = ", ".join(f"{each.type} ({each.logical_id}, {each.place})" for each in unknown)
    hint = _hint(unknown[0].type, RESOURCES, 0.9) or "; --skip-unknown goes on without them"
    first = ("Resources", unknown[0].logical_id)
    return template.error(f"Types that are not supported yet: {shown}{hint}", *first)


def needs_of_unknown(template: Template, scope: Scope, left_out: Collection[str]) -> list[tuple[str, str, Path]]:
    """(who, what it needs, where it says so) of all that cannot be without what is left out."""
    found: list[tuple[str, str, Path]] = []
    for logical_id, resource in template.resources.items():
        if logical_id not in left_out and _is_live(logical_id, resource, scope):
            where: Path = ("Resources", logical_id)
            properties = references(resource.get("Properties"), scope, (*where, "Properties"))
            wanted = [(each.name, each.path) for each in properties]
            depends = resource.get("DependsOn", [])
            wanted += [(name, (*where, "DependsOn")) for name in ([depends] if isinstance(depends, str) else depends)]
            found += [(logical_id, name, path) for name, path in wanted if name in left_out]
    for name, output in live_outputs(template, scope):
        for each in references(output, scope, ("Outputs", name)):
            if each.name in left_out:
                found.append((f"Output {name}", each.name, each.path))
    return found


def _is_live(logical_id: str, resource: Mapping[str, Any], scope: Scope) -> bool:
    condition = resource.get("Condition")
    return condition is None or is_true(condition, scope, ("Resources", logical_id, "Condition"))


def _unknown_types(template: Template, scope: Scope) -> list[UnknownType]:
    return [
        UnknownType(each["Type"], name, template.place_of(("Resources", name)))
        for name, each in template.resources.items()
        if each["Type"] not in RESOURCES and _is_live(name, each, scope)
    ]


def _hint(word: str, known: Iterable[str], likeness: float = 0.7) -> str:
    close = difflib.get_close_matches(word, list(known), 1, likeness)
    return f"; did you mean {close[0]}?" if close else ""


def _live_nodes(template: Template, scope: Scope, left_out: Collection[str]) -> Iterator[tuple[str, Node]]:
    for logical_id, resource in template.resources.items():
        where = ("Resources", logical_id)
        for member in resource:
            if member not in _MEMBERS:
                raise template.error(f"{logical_id} has no member {member}{_hint(member, _MEMBERS)}", *where, member)
        if logical_id in left_out or not _is_live(logical_id, resource, scope):
            continue
        properties = resource.get("Properties") or {}
        if not isinstance(properties, dict):
            raise template.error(f"Properties of {logical_id} must be a mapping", *where, "Properties")
        unset = _check_properties(template, logical_id, resource["Type"], properties)
        properties = {name: value for name, value in properties.items() if name not in unset}
        depends = resource.get("DependsOn", [])
        depends = [depends] if isinstance(depends, str) else depends
        for name in depends:
            if name not in template.resources:
                hint = _hint(name, template.resources)
                raise template.error(f"{logical_id} depends on {name}: no such resource{hint}", *where, "DependsOn")
        found = {each.name for each in references(properties, scope, (*where, "Properties"))}
        if logical_id in found:
            raise template.error(f"Circular dependency: {logical_id} refers to itself", *where)
        yield (
            logical_id,
            Node(
                logical_id,
                resource["Type"],
                properties,
                unset,
                frozenset(name for name in (*depends, *found) if name in template.resources),
                retain=_policy(resource, scope, (*where, "DeletionPolicy")).startswith("Retain"),
                retain_replaced=_policy(resource, scope, (*where, "UpdateReplacePolicy")) == "Retain",
            ),
        )


def _policy(resource: Mapping[str, Any], scope: Scope, path: Path) -> str:
    """What becomes of a resource, as its DeletionPolicy or UpdateReplacePolicy says."""
    member = str(path[-1])
    policy = resolve(resource.get(member, "Delete"), scope, path)
    allowed = [each for each in _POLICIES if each != "RetainExceptOnCreate" or member == "DeletionPolicy"]
    if policy is NO_VALUE:
        return "Delete"
    if policy not in allowed:
        raise scope.error(f"{member} of {path[1]} must be one of {', '.join(allowed)}", path)
    if policy == "Snapshot":
        raise scope.error(f"{member} of {path[1]}: {resource['Type']} has no snapshots", path)
    return str(policy)


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
    template: Template,
    scope: Scope,
    nodes: Mapping[str, Node],
    left_out: Collection[str],
    value: Any,
    where: Path,
    who: str,
) -> None:
    for reference in references(value, scope, where):
        name, attribute = reference.name, reference.attribute
        plain = name in scope.parameters or name in pseudo_parameters(scope)
        if not plain and name not in template.resources:
            hint = _hint(name, [*scope.parameters, *template.resources, *pseudo_parameters(scope)])
            raise template.error(f"{who} refers to {name}: no such parameter or resource{hint}", *reference.path)
        if not plain and name not in nodes and name not in left_out:
            raise template.error(f"{name} does not exist in this stack: its condition is false", *reference.path)
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
