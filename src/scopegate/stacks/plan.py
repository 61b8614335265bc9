"""Template and what stands → steps in order.

The graph's edges are references and `DependsOn`; a cycle is refused with its members. Pure: nothing is called here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scopegate.stacks.read import Template
from scopegate.stacks.resolve import Scope, is_true, pseudo_parameters, references


@dataclass(frozen=True, slots=True)
class Node:
    """One resource that the template wants: its type, unresolved properties, and what must exist first."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    needs: frozenset[str]
    retain: bool


def wanted_nodes(template: Template, scope: Scope) -> list[Node]:
    """The resources whose condition holds, in an order in which each comes after what it needs.

    Raises TemplateError for a reference to nothing and for a cycle, with the line.
    """
    nodes = dict(_live_nodes(template, scope))
    for node in nodes.values():
        for name, path in references(dict(node.properties), scope, ("Resources", node.logical_id, "Properties")):
            known = name in template.resources or name in scope.parameters or name in pseudo_parameters(scope)
            if not known:
                raise template.error(f"{node.logical_id} refers to {name}: no such parameter or resource", *path)
    return _sorted(template, nodes)


def _live_nodes(template: Template, scope: Scope) -> Iterator[tuple[str, Node]]:
    for logical_id, resource in template.resources.items():
        where = ("Resources", logical_id)
        condition = resource.get("Condition")
        if condition is not None and not is_true(condition, scope, (*where, "Condition")):
            continue
        properties = resource.get("Properties") or {}
        if not isinstance(properties, dict):
            raise template.error(f"Properties of {logical_id} must be a mapping", *where, "Properties")
        depends = resource.get("DependsOn", [])
        depends = [depends] if isinstance(depends, str) else depends
        for name in depends:
            if name not in template.resources:
                raise template.error(f"{logical_id} depends on {name}: no such resource", *where, "DependsOn")
        found = {name for name, _ in references(properties, scope, (*where, "Properties"))}
        needs = frozenset(name for name in (*depends, *found) if name in template.resources and name != logical_id)
        if logical_id in found:
            raise template.error(f"{logical_id} refers to itself", *where)
        retain = resource.get("DeletionPolicy") == "Retain"
        yield logical_id, Node(logical_id, resource["Type"], properties, needs, retain)


def _sorted(template: Template, nodes: Mapping[str, Node]) -> list[Node]:
    order: list[Node] = []
    done: set[str] = set()
    left = dict(nodes)
    while left:
        ready = [node for node in left.values() if all(need in done or need not in nodes for need in node.needs)]
        if not ready:
            members = ", ".join(sorted(left))
            raise template.error(f"Circular dependency between resources: [{members}]", "Resources", min(left))
        for node in ready:
            order.append(node)
            done.add(node.logical_id)
            del left[node.logical_id]
    return order
