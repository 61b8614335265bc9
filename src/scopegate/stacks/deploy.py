"""← A deployment, from a template to outputs.

1 read · 2 parameters · 3 SAM → CloudFormation · 4 resolve, graph · 5 steps · 6 each step through the operations, undone
on failure · 7 outputs. What stands is written after each step, so that a crash leaves nothing unknown.

Each step is told to `say` as plain data: {"logicalId", "type", "action", "state", "seconds", "done", "of"}.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from scopegate.base import clock, names
from scopegate.base.errors import AwsError
from scopegate.stacks import queries
from scopegate.stacks.model import Made, Stack
from scopegate.stacks.plan import Node, wanted_nodes
from scopegate.stacks.read import Template, TemplateError
from scopegate.stacks.resolve import Physical, Scope, is_true, resolve
from scopegate.stacks.resources import RESOURCES, Aws
from scopegate.stacks.sam import translate
from scopegate.store.port import Store

Say = Callable[[dict[str, Any]], None]

_LIST_TYPES: Final = ("CommaDelimitedList", "List<")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. action: Create, Update, Replace, Keep or Delete."""

    action: str
    logical_id: str
    type: str


class DeploymentFailed(Exception):
    """A step failed and what was done is undone; `cause` is the first failure, with its resource."""

    def __init__(self, logical_id: str, cause: str, leftovers: tuple[str, ...] = ()) -> None:
        super().__init__(f"{logical_id}: {cause}")
        self.logical_id = logical_id
        self.cause = cause
        self.leftovers = leftovers


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters by name: given ones, else defaults; lists split, allowed values and patterns checked.

    Raises TemplateError for one that is missing, unknown or not allowed.
    """
    declared = template.document.get("Parameters") or {}
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise template.error(f"The template has no parameter {', '.join(unknown)}", "Parameters")
    values: dict[str, Any] = {}
    for name, definition in declared.items():
        where = ("Parameters", name)
        if name in given:
            value: Any = given[name]
        elif "Default" in definition:
            value = definition["Default"]
        else:
            raise template.error(f"Parameter {name} has no value; give it with --param {name}=VALUE", *where)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        allowed = definition.get("AllowedValues")
        if allowed is not None and text not in [str(item) for item in allowed]:
            raise template.error(f"Parameter {name} must be one of {', '.join(map(str, allowed))}", *where)
        is_list = str(definition.get("Type", "String")).startswith(_LIST_TYPES)
        values[name] = [part.strip() for part in text.split(",")] if is_list else text
    return values


@dataclass(slots=True)
class Deployment:
    """One run of `deploy` or `delete` on one stack."""

    store: Store
    aws: Aws
    say: Say
    stack: Stack
    total: int = 0
    done: int = 0

    async def save(self, status: str, resources: dict[str, Made], **more: Any) -> None:
        self.stack = replace(self.stack, status=status, resources=resources, **more)
        stack = self.stack
        await self.store.write(lambda tx: queries.put_stack(tx, self.aws.account, self.aws.region, stack))

    def tell(self, step: Step, state: str, seconds: float = 0.0) -> None:
        self.say(
            {
                "logicalId": step.logical_id,
                "type": step.type,
                "action": step.action,
                "state": state,
                "seconds": round(seconds, 3),
                "done": self.done,
                "of": self.total,
            }
        )

    async def create(self, node: Node, properties: dict[str, Any]) -> Made:
        physical = await RESOURCES[node.type].create(self.aws, node.logical_id, properties)
        return _made(node, physical, properties)

    async def change(self, node: Node, old: Made, properties: dict[str, Any]) -> Made:
        kind = RESOURCES[node.type]
        if kind.update is None:
            raise RuntimeError(f"{node.type} is replaced, never updated")
        before = Physical(old.physical_id, old.attributes)
        physical = await kind.update(self.aws, before, old.properties, properties)
        return _made(node, physical, properties)

    async def delete(self, made: Made) -> None:
        if made.retain:
            return
        kind = RESOURCES[made.type]
        try:
            await kind.delete(self.aws, Physical(made.physical_id, made.attributes), made.properties)
        except AwsError as error:
            if error.code not in kind.missing:
                raise


def _made(node: Node, physical: Physical, properties: dict[str, Any]) -> Made:
    needs = tuple(sorted(node.needs))
    return Made(node.type, physical.physical_id, dict(physical.attributes), properties, needs, node.retain)


def _action(node: Node, old: Made | None, properties: dict[str, Any]) -> str:
    if old is None:
        return "Create"
    if old.type == node.type and old.properties == properties:
        return "Keep"
    kind = RESOURCES[node.type]
    changed = {
        key for key in old.properties.keys() | properties.keys() if old.properties.get(key) != properties.get(key)
    }
    if old.type != node.type or kind.update is None or changed & kind.replaces:
        return "Replace"
    return "Update"


async def deploy(
    store: Store,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    say: Say,
) -> Stack:
    """Bring the stack to what the template says; only what changed is touched.

    Raises TemplateError before anything is done, DeploymentFailed after everything done is undone.
    """
    values = parameter_values(template, given)
    if template.is_sam:
        document = await translate(template, values, aws.region)
        template = replace(template, document=document)
        values = parameter_values(template, given)
    old = await store.read(lambda tx: queries.find_stack(tx, aws.account, aws.region, aws.stack_name))
    stack_id = old.stack_id if old else _new_stack_id(aws)
    scope = Scope(template, values, aws.account, aws.region, aws.stack_name, stack_id, exports)
    nodes = wanted_nodes(template, scope)
    unknown = sorted({f"{node.type} ({node.logical_id})" for node in nodes if node.type not in RESOURCES})
    if unknown:
        raise template.error(f"Types that are not supported yet: {', '.join(unknown)}", "Resources")

    standing = dict(old.resources) if old else {}
    stack = old or Stack(aws.stack_name, stack_id, "", values, {}, {}, {})
    run = Deployment(store, aws, say, replace(stack, parameters=values))
    gone = [logical_id for logical_id in standing if logical_id not in {node.logical_id for node in nodes}]
    run.total = len(nodes) + len(gone)
    begun = "UPDATE" if old else "CREATE"
    await run.save(f"{begun}_IN_PROGRESS", standing)

    undo: list[tuple[Node | None, str, Made | None, Made | None]] = []
    replaced: list[tuple[str, Made]] = []
    now: dict[str, Made] = {}
    for node in nodes:
        started = clock.monotonic()
        before = standing.get(node.logical_id)
        step = Step("Create" if before is None else "Update", node.logical_id, node.type)
        try:
            where = ("Resources", node.logical_id, "Properties")
            properties = resolve(dict(node.properties), scope, where)
            step = replace(step, action=_action(node, before, properties))
            if step.action == "Keep" and before is not None:
                made = before
            else:
                run.tell(step, "started")
                if step.action == "Update" and before is not None:
                    made = await run.change(node, before, properties)
                else:
                    made = await run.create(node, properties)
                undo.append((node, step.action, before, made))
                if step.action == "Replace" and before is not None:
                    replaced.append((node.logical_id, before))
                await run.save(f"{begun}_IN_PROGRESS", {**standing, **now, node.logical_id: made})
        except (AwsError, TemplateError) as error:
            cause = str(error)
            run.tell(step, f"failed: {cause}", clock.monotonic() - started)
            leftovers = await _roll_back(run, undo)
            if old is None and not leftovers:
                await store.write(lambda tx: queries.delete_stack(tx, aws.account, aws.region, stack_id))
            else:
                await run.save(f"{'UPDATE_' if old else ''}ROLLBACK_COMPLETE", standing)
            raise DeploymentFailed(node.logical_id, cause, leftovers) from error
        now[node.logical_id] = made
        scope.resources[node.logical_id] = Physical(made.physical_id, made.attributes)
        run.done += 1
        run.tell(step, "done", clock.monotonic() - started)

    outputs, exported = _outputs(template, scope)
    await _clean_up(run, replaced, {logical_id: standing[logical_id] for logical_id in gone})
    await run.save(f"{begun}_COMPLETE", now, outputs=outputs, exports=exported)
    return run.stack


def _new_stack_id(aws: Aws) -> str:
    partition = names.partition_of(aws.region)
    return f"arn:{partition}:cloudformation:{aws.region}:{aws.account}:stack/{aws.stack_name}/{clock.uuid4()}"


async def _roll_back(run: Deployment, undo: list[tuple[Node | None, str, Made | None, Made | None]]) -> tuple[str, ...]:
    """Undo in reverse; what could not be undone is named."""
    leftovers: list[str] = []
    for node, action, before, made in reversed(undo):
        if node is None or made is None:
            continue
        try:
            if action == "Update" and before is not None:
                await run.change(node, made, before.properties)
            else:
                await run.delete(replace(made, retain=False))
        except AwsError as error:
            leftovers.append(f"{node.logical_id} ({made.physical_id}): {error}")
        run.tell(Step("Undo", node.logical_id, node.type), "done")
    return tuple(leftovers)


async def _clean_up(run: Deployment, replaced: list[tuple[str, Made]], gone: dict[str, Made]) -> None:
    """Delete what was replaced and what the template no longer has, in reverse order of making."""
    for logical_id, made in reversed([*gone.items(), *replaced]):
        step = Step("Delete", logical_id, made.type)
        started = clock.monotonic()
        run.tell(step, "started")
        try:
            await run.delete(made)
            run.tell(step, "done", clock.monotonic() - started)
        except AwsError as error:
            # As CloudFormation: what cannot be cleaned up after a success is said, and left.
            run.tell(step, f"failed: {error}", clock.monotonic() - started)
        if logical_id in gone:
            run.done += 1


def _outputs(template: Template, scope: Scope) -> tuple[dict[str, Any], dict[str, str]]:
    outputs: dict[str, Any] = {}
    exported: dict[str, str] = {}
    for name, output in (template.document.get("Outputs") or {}).items():
        where = ("Outputs", name)
        if "Condition" in output and not is_true(output["Condition"], scope, where):
            continue
        outputs[name] = resolve(output.get("Value"), scope, (*where, "Value"))
        if "Export" in output:
            exported[str(resolve(output["Export"]["Name"], scope, (*where, "Export", "Name")))] = str(outputs[name])
    return outputs, exported


async def delete(store: Store, aws: Aws, say: Say) -> bool:
    """Delete a stack and what it made, in reverse; False when there is no such stack."""
    stack = await store.read(lambda tx: queries.find_stack(tx, aws.account, aws.region, aws.stack_name))
    if stack is None:
        return False
    run = Deployment(store, aws, say, stack, total=len(stack.resources))
    left = dict(stack.resources)
    for logical_id, made in reversed(list(stack.resources.items())):
        step = Step("Delete", logical_id, made.type)
        started = clock.monotonic()
        try:
            await run.delete(made)
        except AwsError as error:
            await run.save("DELETE_FAILED", left)
            raise DeploymentFailed(logical_id, str(error)) from error
        del left[logical_id]
        run.done += 1
        run.tell(step, "done", clock.monotonic() - started)
    await store.write(lambda tx: queries.delete_stack(tx, aws.account, aws.region, stack.stack_id))
    return True
