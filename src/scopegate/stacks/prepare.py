"""Steps 1 to 5 of a deployment: what a template and all that it names want, and what would be done; nothing is changed.

A nested stack is prepared as its parent is, with the values that its parent hands down. Before anything is made these
are partly unknown (`resolve.unknown`): what hangs on them is looked at again when they are known.
Source: AWS::CloudFormation::Stack; AWS::Serverless::Application; `sam package` (DefinitionUri, BodyS3Location).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scopegate.base.limits import limit
from scopegate.stacks.extensions import written_out
from scopegate.stacks.files import Files, SentFiles
from scopegate.stacks.model import NESTED, Made, Stack
from scopegate.stacks.named import (
    DOCUMENT_MEMBERS,
    Child,
    Named,
    api_documents,
    nested_files,
    parameter_text,
    read_child,
    read_file,
    walked,
)
from scopegate.stacks.parameters import LookUp, parameter_values
from scopegate.stacks.plan import Node, UnknownType, live_outputs, needs_of_unknown, refuse_unknown, wanted_nodes
from scopegate.stacks.read import Path, Template, TemplateError, read_document
from scopegate.stacks.resolve import AnyAttribute, Physical, Scope, Undecided, function_of, is_unknown, resolve, unknown
from scopegate.stacks.resources import RESOURCES
from scopegate.stacks.rules import check_rules
from scopegate.stacks.sam import Translator

_BUCKET: Final = "scopegate-files"  # stands for the files of a deployment while SAM's translator has the template


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sends with a template.

    code: file → logical id → the properties that name uploaded code. skip_unknown: resources of unknown types are left
    out. coming: names of exports that do not exist yet, for a plan.
    """

    files: Files = field(default_factory=SentFiles)
    code: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    skip_unknown: bool = False
    coming: tuple[str, ...] = ()


NOTHING_SENT: Final = Sent()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. action: Create, Update, Replace, Keep, Undo or Delete; in a plan also Retain.

    logical_id: of a nested stack's resource with the names of the stacks round it, by dots.
    """

    action: str
    logical_id: str
    type: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """One template as it will be brought about. chain: the files that led to it, itself last."""

    template: Template
    scope: Scope
    nodes: list[Node]
    chain: tuple[str, ...]


def within(error: TemplateError, parent: Prepared, child: Child) -> TemplateError:
    """An error of a nested stack's template that also says which stack it is."""
    name = child.where[1]
    message = f"{error.message} (in {name}, {parent.template.place_of(child.where[:2])})"
    return TemplateError(message, file=error.file, line=error.line)


# From a template to nodes


@dataclass(slots=True)
class Preparation:
    """What the templates of one tree of stacks share.

    exports: name → value, of other stacks and of those of the tree that are up. note: tells what the user should know.
    found: resources of unknown types, and the template of the first. needs: what cannot be without those, and where.
    """

    account: str
    region: str
    sent: Sent
    translator: Translator
    exports: dict[str, str]
    look_up: LookUp
    note: Callable[[str], None]
    found: list[tuple[Template, UnknownType]] = field(default_factory=list)
    needs: list[tuple[Template, Path, str]] = field(default_factory=list)

    async def prepare(
        self, template: Template, chain: tuple[str, ...], values: Mapping[str, Any], name: str, stack_id: str
    ) -> Prepared:
        """values: of the template's parameters. Raises TemplateError, and Undecided for what hangs on unknown ones."""
        whose = (self.account, self.region, name, stack_id)
        before = Scope(template, values, *whose)
        check_rules(before)
        template = written_out(before)
        template = _with_code(template, self.sent.code.get(template.file, {}))
        for _ in nested_files(template):
            pass  # an application from elsewhere would be asked for by the translator
        documents = {each.logical_id: each for each in api_documents(template)}
        texts = {each.logical_id: read_file(self.sent.files, template, each) for each in documents.values()}
        if template.is_sam:
            marked = _with_marks(template, documents, texts)
            template = replace(template, document=await self.translator.translate(marked, values))
        for logical_id, document in documents.items():
            template = _with_body(template, document, texts[logical_id])
        _refuse_elsewhere(template)
        scope = Scope(template, values, *whose, self.exports)
        found: list[UnknownType] = []
        nodes = wanted_nodes(template, scope, found)
        self._leave_out(template, scope, found)
        for node in nodes:
            for member in node.left_out:
                self.note(f"{node.logical_id}: {member} cannot be set, it is left out")
        return Prepared(template, scope, nodes, chain)

    def _leave_out(self, template: Template, scope: Scope, found: list[UnknownType]) -> None:
        self.found += [(template, each) for each in found]
        for each in found:
            scope.resources[each.logical_id] = Physical(unknown(each.logical_id), AnyAttribute(each.logical_id))
        if self.sent.skip_unknown:
            for each in found:
                self.note(f"{each.logical_id}: {each.type} is not known, it is left out ({each.place})")
            left_out = {each.logical_id for each in found}
            self.needs += [
                (template, path, f"{who} needs {name} ({template.place_of(path)})")
                for who, name, path in (needs_of_unknown(template, scope, left_out) if found else ())
            ]

    def judge_unknown(self) -> None:
        """Raises one TemplateError for all resources of unknown types, or for all that cannot be without them."""
        if self.found and not self.sent.skip_unknown:
            raise refuse_unknown(self.found[0][0], [each for _, each in self.found])
        if self.needs:
            template, path, _ = self.needs[0]
            shown = ", ".join(dict.fromkeys(text for _, _, text in self.needs))
            raise template.error(f"What is left out is needed: {shown}", *path)

    def child(self, parent: Prepared, node: Node) -> Child:
        (named,) = (each for each in nested_files(parent.template) if each.logical_id == node.logical_id)
        child = read_child(self.sent.files, parent.template, named, parent.chain)
        for note in child.template.notes:
            self.note(note)
        return child

    def handed_down(self, parent: Prepared, node: Node, child: Child, properties: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a nested stack's parameters. Raises TemplateError, where the parent gives what is not asked."""
        given = properties.get("Parameters") or {}
        where = (*child.where, "Parameters")
        if not isinstance(given, dict):
            raise parent.template.error(f"{node.logical_id}: Parameters must be a mapping", *where)
        for name in given:
            if name not in (child.template.document.get("Parameters") or {}):
                message = f"{node.logical_id}: {child.template.file} has no parameter {name}"
                raise parent.template.error(message, *where, name)
        texts = {name: parameter_text(value) for name, value in given.items()}
        how = f"give it in Parameters of {node.logical_id}, {parent.template.place_of(child.where)}"
        return parameter_values(child.template, texts, look_up=self.look_up, how=how)


def _with_code(template: Template, code: Mapping[str, Mapping[str, Any]]) -> Template:
    if not code:
        return template
    resources = dict(template.resources)
    for logical_id, properties in code.items():
        if logical_id not in resources:
            raise template.error(f"Code was sent for {logical_id}, which is not in the template", "Resources")
        given = resources[logical_id].get("Properties") or {}
        resources[logical_id] = {**resources[logical_id], "Properties": {**given, **properties}}
    return replace(template, document={**template.document, "Resources": resources})


def _with_marks(template: Template, documents: Mapping[str, Named], texts: Mapping[str, str]) -> Template:
    """Files by keys that change with their text, as in a bucket, for SAM to pass on: it makes a new deployment then."""
    resources = dict(template.resources)
    for logical_id, named in documents.items():
        resource = resources[logical_id]
        if resource["Type"].startswith("AWS::Serverless::"):
            key = hashlib.sha256(texts[logical_id].encode()).hexdigest()
            given = {**resource["Properties"], named.path[-1]: {"Bucket": _BUCKET, "Key": key}}
            resources[logical_id] = {**resource, "Properties": given}
    return replace(template, document={**template.document, "Resources": resources})


def _with_body(template: Template, named: Named, text: str) -> Template:
    """The document of an API in its place; functions in it are refused, for nobody resolves them there."""
    document, lines = read_document(text, named.name)
    where = ("Resources", named.logical_id, "Properties", "Body")
    moved = {(*where, *path): line for path, line in lines.items()}
    found = replace(template, lines={**template.lines, **moved}, origins={**template.origins, where: named.name})
    for path, value in walked(document, ()):
        if (function := function_of(value)) is not None:
            message = f"{named.logical_id}: {function} is not resolved in a file of its own; include it by AWS::Include"
            raise found.error(message, *where, *path)
    if not isinstance(document, dict):
        raise found.error(f"{named.logical_id}: an API document is a mapping", *where)
    resource = template.resources[named.logical_id]
    properties = {name: value for name, value in resource["Properties"].items() if name != "BodyS3Location"}
    properties["Body"] = document
    resources = {**template.resources, named.logical_id: {**resource, "Properties": properties}}
    return replace(found, document={**template.document, "Resources": resources})


def _refuse_elsewhere(template: Template) -> None:
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties")
        if "BodyS3Location" in DOCUMENT_MEMBERS.get(resource["Type"], ()) and "BodyS3Location" in (properties or {}):
            where = ("Resources", logical_id, "Properties")
            message = f"{logical_id}: BodyS3Location must name a local file: nothing here is in S3"
            raise template.error(message, *template.find_key("BodyS3Location", *where))


# What would be done


@dataclass(frozen=True, slots=True)
class Foreseen:
    """steps: in order, those of nested stacks before the step of the stack itself. outputs: as far as known."""

    steps: list[Step]
    outputs: dict[str, Any]


class Foresight:
    """Walks a tree of stacks as a deployment would.

    stacks: those of the tree that exist, by their ids. exported: what they will export; not all of it, where something
    is not `decided` before a stack is made.
    """

    def __init__(self, preparation: Preparation, stacks: Mapping[str, Stack]) -> None:
        self.preparation = preparation
        self.stacks = stacks
        self.count = 0
        self.exported: dict[str, str] = {}
        self.decided = True

    async def foresee(self, prepared: Prepared, stack: Stack | None, prefix: str = "") -> Foreseen:
        """Raises TemplateError for all that can be known to be wrong before anything is done."""
        self.count += len(prepared.nodes)
        if self.count > limit("stacks.resources"):
            most = limit("stacks.resources")
            raise prepared.template.error(f"A stack has {most} resources at most, nested ones included", "Resources")
        steps: list[Step] = []
        scope, standing = prepared.scope, stack.resources if stack is not None else {}
        for node in prepared.nodes:
            before = standing.get(node.logical_id)
            where: Path = ("Resources", node.logical_id, "Properties")
            properties: dict[str, Any] | None = None
            try:
                properties = resolve(dict(node.properties), scope, where)
                action = action_of(before, Made(node.type, "", {}, properties))
            except Undecided:
                action = "Create" if before is None else "Update"  # as the part of an ARN that is not made yet
            kind = RESOURCES[node.type]
            attributes: Mapping[str, Any] = {name: unknown(f"{node.logical_id}.{name}") for name in kind.attributes}
            same = before if before is not None and action != "Replace" else None
            if node.type == NESTED:
                inner = await self._nested(prepared, node, properties, same, f"{prefix}{node.logical_id}.")
                steps += inner.steps
                attributes = {f"Outputs.{name}": value for name, value in inner.outputs.items()}
                if same is not None:
                    kept = all(step.action == "Keep" for step in inner.steps) and attributes == same.attributes
                    action = "Keep" if kept and properties == same.properties else "Update"
                scope.resources[node.logical_id] = Physical(
                    unknown(node.logical_id) if same is None else same.physical_id, attributes
                )
            elif same is None:
                attributes = AnyAttribute(node.logical_id) if kind.free_attributes else attributes
                scope.resources[node.logical_id] = Physical(unknown(node.logical_id), attributes)
            else:
                attributes = AnyAttribute(node.logical_id, same.attributes) if kind.free_attributes else same.attributes
                scope.resources[node.logical_id] = Physical(same.physical_id, attributes)
            steps.append(Step(action, prefix + node.logical_id, node.type))
        wanted = {node.logical_id for node in prepared.nodes}
        for logical_id, made in reversed(standing.items()):
            if logical_id not in wanted:
                steps += self._gone(made, prefix + logical_id)
        steps += [step for name, made in (stack.doomed if stack else ()) for step in self._gone(made, prefix + name)]
        return Foreseen(steps, self._outputs(prepared))

    def _outputs(self, prepared: Prepared) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        for name, output in live_outputs(prepared.template, prepared.scope):
            where = ("Outputs", name)
            try:
                outputs[name] = resolve(output["Value"], prepared.scope, (*where, "Value"))
                if "Export" in output:
                    exported = str(resolve(output["Export"]["Name"], prepared.scope, (*where, "Export", "Name")))
                    self.exported[exported] = self.preparation.exports[exported] = str(outputs[name])
                    self.decided = self.decided and not is_unknown(exported)
            except Undecided:
                outputs[name] = unknown(name)
                self.decided = False
        return outputs

    async def _nested(
        self, parent: Prepared, node: Node, properties: Mapping[str, Any] | None, before: Made | None, prefix: str
    ) -> Foreseen:
        child = self.preparation.child(parent, node)
        given = properties
        if given is None:
            given = {"Parameters": {name: unknown(name) for name in node.properties.get("Parameters") or {}}}
        values = self.preparation.handed_down(parent, node, child, given)
        stack = self.stacks.get(before.physical_id) if before is not None else None
        name, stack_id = (stack.name, stack.stack_id) if stack else (unknown(prefix), unknown(prefix))
        try:
            prepared = await self.preparation.prepare(child.template, child.chain, values, name, stack_id)
            return await self.foresee(prepared, stack, prefix)
        except TemplateError as error:
            raise within(error, parent, child) from error
        except Undecided:
            self.decided = False
            declared = child.template.document.get("Outputs") or {}
            return Foreseen([], {name: unknown(prefix + name) for name in declared})

    def _gone(self, made: Made, logical_id: str) -> Iterator[Step]:
        action = "Retain" if made.retain else "Delete"
        inner = self.stacks.get(made.physical_id) if made.type == NESTED else None
        if inner is not None and action == "Delete":
            for name, each in reversed(inner.resources.items()):
                yield from self._gone(each, f"{logical_id}.{name}")
        yield Step(action, logical_id, made.type)


def action_of(before: Made | None, wanted: Made) -> str:
    if before is None:
        return "Create"
    if before.type == wanted.type and before.properties == wanted.properties:
        return "Keep"
    kind = RESOURCES[wanted.type]
    old, new = before.properties, wanted.properties
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if before.type != wanted.type or kind.update is None or changed & kind.replaces:
        return "Replace"
    return "Update"
