"""← A deployment, from a template to outputs.

1 read · 2 parameters · 3 SAM → CloudFormation · 4 resolve, graph · 5 steps · 6 each step through the operations, undone
on failure · 7 what the template no longer has goes · 8 outputs.

What is made, changed or taken away is in the store before or with the call that does it (`model.Undo`), so that a
failure and a killed process are undone by the same steps. Until a deployment has ended, the stack's resources are those
that stood before it.
Each step is told to `say` as plain data: {"logicalId", "type", "action", "state", "seconds", "done", "of"}, and what
the user should know as {"note"}.
"""

import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from scopegate.base import clock, names
from scopegate.base.errors import AwsError
from scopegate.stacks import queries
from scopegate.stacks.faults import place_fault
from scopegate.stacks.model import Made, Stack, Undo
from scopegate.stacks.parameters import parameter_values
from scopegate.stacks.plan import Node, wanted_nodes
from scopegate.stacks.read import Template, TemplateError
from scopegate.stacks.resolve import Physical, Scope, is_true, references, resolve
from scopegate.stacks.resources import RESOURCES
from scopegate.stacks.sam import translate
from scopegate.stacks.types.resource_type import Aws
from scopegate.store.port import Store, StoreUnavailable, Tx
from scopegate.store.sealing import Sealer

Say = Callable[[dict[str, Any]], None]

# What only a deployment brings before callers.
_DEPLOYED: Final = frozenset(
    f"AWS::ApiGateway::{name}" for name in ("GatewayResponse", "Method", "Model", "RequestValidator", "Resource")
)
_DEPLOYMENT: Final = "AWS::ApiGateway::Deployment"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. action: Create, Update, Replace, Keep, Undo or Delete; in a plan also Retain."""

    action: str
    logical_id: str
    type: str


class DeploymentFailed(Exception):
    """A step failed and what was done is undone; `cause` is the first failure.

    A TemplateError says where it is in the user's file; text stands for what has no place there.
    """

    def __init__(self, logical_id: str, cause: TemplateError | str, leftovers: tuple[str, ...] = ()) -> None:
        left = "".join(f"\n  not undone, the next deployment tries again: {each}" for each in leftovers)
        super().__init__(f"{cause}{left}")
        self.logical_id = logical_id
        self.cause = cause
        self.leftovers = leftovers


def _became(made: Made, physical: Physical) -> Made:
    return replace(made, physical_id=physical.physical_id, attributes=dict(physical.attributes))


@contextlib.contextmanager
def _shaped(kind: str) -> Iterator[None]:
    """Properties are taken apart as their type has them: a list where a mapping is due is the template's fault."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        log.info("stack.misshapen", type=kind, why=repr(error), where=_last_line(error))
        raise AwsError("ValidationException", f"The properties have not the shape that {kind} asks for") from error


def _last_line(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


@dataclass(slots=True)
class Deployment:
    """One run of `deploy` or `delete` on one stack. run: its name in the store."""

    store: Store
    seal: Sealer
    aws: Aws
    say: Say
    stack: Stack
    run: str
    total: int = 0
    done: int = 0

    # The stack in the store

    async def take(self) -> None:
        await self.store.write(lambda tx: self._write(tx, queries.take_stack))

    async def save(self, **changes: Any) -> None:
        self.stack = replace(self.stack, **changes)
        await self.store.write(lambda tx: self._write(tx, queries.put_stack))

    def _write(self, tx: Tx, write: Callable[..., None]) -> None:
        write(tx, self.seal, self.aws.account, self.aws.region, self.stack, self.run)

    async def forget(self) -> None:
        where = (self.aws.account, self.aws.region, self.stack.stack_id)
        await self.store.write(lambda tx: queries.delete_stack(tx, *where))

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

    # Steps forward, each with its way back

    async def create(self, logical_id: str, wanted: Made) -> Made:
        """Make it. The way back is written in the transaction that makes it."""
        undo = self.stack.undo

        def made(physical: Physical) -> Made:
            made = _became(wanted, physical)
            self.stack = replace(self.stack, undo=(*undo, Undo(logical_id, None, made)))
            return made

        def record(tx: Tx, physical: Physical) -> None:
            made(physical)
            self._write(tx, queries.put_stack)

        tags = {
            "aws:cloudformation:logical-id": logical_id,
            "aws:cloudformation:stack-id": self.stack.stack_id,
            "aws:cloudformation:stack-name": self.stack.name,
        }
        aws = replace(self.aws, record=record, keep=self._keeping(made), tags=tags)
        with _shaped(wanted.type):
            return made(await RESOURCES[wanted.type].create(aws, logical_id, wanted.properties))

    async def change(self, logical_id: str, before: Made, wanted: Made) -> Made:
        """Change it in place. The way back is written first."""
        undo = self.stack.undo

        def made(physical: Physical) -> Made:
            made = _became(wanted, physical)
            # A custom resource that changes its physical id is another one: the one before it still stands.
            stands = made.physical_id != before.physical_id
            self.stack = replace(self.stack, undo=(*undo, Undo(logical_id, None if stands else before, made)))
            return made

        keep = self._keeping(made)
        await keep(Physical(before.physical_id, before.attributes))
        return made(await self._update(replace(self.aws, keep=keep), before, wanted))

    def _keeping(self, made: Callable[[Physical], Made]) -> Callable[[Physical], Awaitable[None]]:
        """What writes down, in the middle of a step, what its resource has become."""

        async def keep(physical: Physical) -> None:
            made(physical)
            await self.save()

        return keep

    async def _update(self, aws: Aws, before: Made, wanted: Made) -> Physical:
        update = RESOURCES[wanted.type].update
        if update is None:
            raise RuntimeError(f"{wanted.type} is replaced, never updated")
        standing = Physical(before.physical_id, before.attributes)
        with _shaped(wanted.type):
            return await update(aws, standing, before.properties, wanted.properties)

    async def make_room(self, logical_id: str, before: Made) -> None:
        """Delete what its replacement cannot stand beside. The way back is written first."""
        await self.save(undo=(*self.stack.undo, Undo(logical_id, before, None)))
        await self.delete(before)

    async def delete(self, made: Made) -> None:
        """Delete it; one that is gone already is deleted."""
        kind = RESOURCES[made.type]
        try:
            await kind.delete(self.aws, Physical(made.physical_id, made.attributes), made.properties)
        except AwsError as error:
            if error.code not in kind.missing:
                raise

    # The way back

    async def mend(self) -> None:
        """Undo what a deployment left that did not end, and delete what was left to delete."""
        if self.stack.undo:
            self.say({"note": "the last deployment did not end: what it had begun is undone first"})
            await self.roll_back()
        if self.stack.doomed:
            await self.clean_up()

    async def roll_back(self) -> tuple[str, ...]:
        """Undo in reverse; what could not be undone is named, and what is left of it is deleted or changed later."""
        resources, doomed = dict(self.stack.resources), list(self.stack.doomed)
        leftovers: list[str] = []
        for undo in reversed(self.stack.undo):
            standing = undo.after or undo.before
            assert standing is not None
            state = "done"
            try:
                if undo.before is None:
                    await self.delete(standing)
                elif undo.after is None:
                    await self.delete(undo.before)
                    resources[undo.logical_id] = await self.create(undo.logical_id, undo.before)
                else:
                    back = _became(undo.before, await self._update(self.aws, undo.after, undo.before))
                    resources[undo.logical_id] = back
                    if back.physical_id != standing.physical_id:
                        doomed.append((undo.logical_id, standing))
            except AwsError as error:
                state = f"failed: {error}"
                leftovers.append(f"{undo.logical_id} ({standing.physical_id}): {error}")
                if undo.before is None:
                    doomed.append((undo.logical_id, standing))
                elif undo.after is None:
                    del resources[undo.logical_id]
                else:
                    resources[undo.logical_id] = undo.after
            self.tell(Step("Undo", undo.logical_id, standing.type), state)
        await self.save(undo=(), resources=resources, doomed=tuple(doomed))
        return tuple(leftovers)

    async def clean_up(self) -> tuple[tuple[str, AwsError], ...]:
        """Delete what has no place any more. What cannot be deleted is said, and stays on the list."""
        failures: list[tuple[str, AwsError]] = []
        left: list[tuple[str, Made]] = []
        for logical_id, made in self.stack.doomed:
            step = Step("Delete", logical_id, made.type)
            started = clock.monotonic()
            self.tell(step, "started")
            try:
                await self.delete(made)
                self.done = min(self.done + 1, self.total)
                self.tell(step, "done", clock.monotonic() - started)
            except AwsError as error:
                failures.append((logical_id, error))
                left.append((logical_id, made))
                self.tell(step, f"failed: {error}", clock.monotonic() - started)
        await self.save(doomed=tuple(left))
        return tuple(failures)


async def deploy(
    store: Store,
    seal: Sealer,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    say: Say,
) -> Stack:
    """Bring the stack to what the template says; only what changed is touched.

    Raises TemplateError before anything is done, DeploymentFailed after everything done is undone.
    """
    aws = replace(aws, note=lambda text: say({"note": text}))
    stack, scope, nodes = await _prepare(store, seal, aws, template, given, exports)
    template = scope.template
    run = Deployment(store, seal, aws, say, stack, clock.uuid4(), total=len(nodes))
    await run.take()
    await run.mend()
    # 6
    standing = run.stack.resources
    begun = "UPDATE" if standing else "CREATE"
    run.total = len(nodes) + len(standing.keys() - {node.logical_id for node in nodes})
    await run.save(status=f"{begun}_IN_PROGRESS")
    await _make_way(run, template, nodes)
    now: dict[str, Made] = {}
    for node in nodes:
        now[node.logical_id] = await _bring_about(run, node, scope)
    try:
        outputs, exported = _outputs(template, scope)
    except TemplateError as error:
        raise await _failed(run, "Outputs", error) from error
    _note_undeployed(run, now)
    # 7
    doomed = _without_place(run.stack, now)
    await run.save(
        status=f"{begun}_COMPLETE_CLEANUP_IN_PROGRESS" if doomed else f"{begun}_COMPLETE",
        parameters=dict(scope.parameters),
        resources=now,
        outputs=outputs,
        exports=exported,
        undo=(),
        doomed=(*run.stack.doomed, *doomed),
    )
    if run.stack.doomed:
        # As CloudFormation: what cannot be cleaned up after a success is said, and does not make a failure of it.
        await run.clean_up()
        await run.save(status=f"{begun}_COMPLETE")
    return run.stack


async def _prepare(
    store: Store, seal: Sealer, aws: Aws, template: Template, given: Mapping[str, str], exports: Mapping[str, str]
) -> tuple[Stack, Scope, list[Node]]:
    """Steps 2 to 5: the stack as it stands, or a new one; and what the template wants, in order."""
    # 2, 3
    values = parameter_values(template, given)
    if template.is_sam:
        template = replace(template, document=await translate(template, values, aws.region))
        values = parameter_values(template, given)
    # 4, 5
    old = await store.read(lambda tx: queries.find_stack(tx, seal, aws.account, aws.region, aws.stack_name))
    stack = old or Stack(aws.stack_name, _new_stack_id(aws), "", values, {}, {}, {})
    scope = Scope(template, values, aws.account, aws.region, stack.name, stack.stack_id, exports)
    nodes = wanted_nodes(template, scope)
    for node in nodes:
        for name in node.left_out:
            aws.note(f"{node.logical_id}: {name} cannot be set, it is left out")
    return stack, scope, nodes


async def plan(
    store: Store, seal: Sealer, aws: Aws, template: Template, given: Mapping[str, str], exports: Mapping[str, str]
) -> list[Step]:
    """The steps that `deploy` would take; nothing is changed. Raises TemplateError as `deploy` does.

    What is still to be made has values that nobody knows: in their place stand words that no value is equal to.
    """
    stack, scope, nodes = await _prepare(store, seal, aws, template, given, exports)
    steps = []
    unmade: set[str] = set()
    for node in nodes:
        before = stack.resources.get(node.logical_id)
        where = ("Resources", node.logical_id, "Properties")
        try:
            properties = resolve(dict(node.properties), scope, where)
            action = _action(before, Made(node.type, "", {}, properties))
        except TemplateError:
            named = {each.name for each in references(dict(node.properties), scope, where)}
            if not named & unmade or named & (scope.template.resources.keys() - scope.resources.keys()):
                raise
            action = "Create" if before is None else "Update"  # as the part of an ARN that is not made yet
        if before is None or action == "Replace":
            unmade.add(node.logical_id)
            unknown = {name: f"<{node.logical_id}.{name}>" for name in RESOURCES[node.type].attributes}
            scope.resources[node.logical_id] = Physical(f"<{node.logical_id}>", unknown)
        else:
            scope.resources[node.logical_id] = Physical(before.physical_id, before.attributes)
        steps.append(Step(action, node.logical_id, node.type))
    wanted = {node.logical_id for node in nodes}
    gone = [each for each in reversed(stack.resources.items()) if each[0] not in wanted]
    steps += [Step("Retain" if made.retain else "Delete", logical_id, made.type) for logical_id, made in gone]
    return [*steps, *(Step("Delete", logical_id, made.type) for logical_id, made in stack.doomed)]


def _new_stack_id(aws: Aws) -> str:
    partition = names.partition_of(aws.region)
    return f"arn:{partition}:cloudformation:{aws.region}:{aws.account}:stack/{aws.stack_name}/{clock.uuid4()}"


async def _make_way(run: Deployment, template: Template, nodes: Sequence[Node]) -> None:
    """What the template no longer has and a new deployment of its API would freeze goes before anything is made."""
    wanted = {node.logical_id for node in nodes}
    for logical_id, made in reversed(run.stack.resources.items()):
        if logical_id in wanted or made.retain or not RESOURCES[made.type].goes_first:
            continue
        step = Step("Delete", logical_id, made.type)
        async with _undone_on_failure(run, template, step):
            await run.make_room(logical_id, made)
            run.done += 1


async def _bring_about(run: Deployment, node: Node, scope: Scope) -> Made:
    """One step forward. Raises DeploymentFailed after everything is undone."""
    before = run.stack.resources.get(node.logical_id)
    step = Step("Create" if before is None else "Update", node.logical_id, node.type)
    async with _undone_on_failure(run, scope.template, step) as underway:
        properties = resolve(dict(node.properties), scope, ("Resources", node.logical_id, "Properties"))
        wanted = Made(node.type, "", {}, properties, node.retain, node.retain_replaced)
        underway.step = step = replace(step, action=_action(before, wanted))
        if step.action != "Keep":
            run.tell(step, "started")
        match step.action, before:
            case "Keep", Made():
                made = replace(wanted, physical_id=before.physical_id, attributes=before.attributes)
            case "Update", Made():
                made = await run.change(node.logical_id, before, wanted)
            case "Replace", Made() if RESOURCES[before.type].one_at_a_time:
                await run.make_room(node.logical_id, before)
                made = await run.create(node.logical_id, wanted)
            case _:
                made = await run.create(node.logical_id, wanted)
        scope.resources[node.logical_id] = Physical(made.physical_id, made.attributes)
        run.done += 1
    return made


@dataclass(slots=True)
class _Underway:
    step: Step


@contextlib.asynccontextmanager
async def _undone_on_failure(run: Deployment, template: Template, step: Step) -> AsyncIterator[_Underway]:
    """Tell of a step; when it fails, undo everything and raise DeploymentFailed."""
    underway, started = _Underway(step), clock.monotonic()
    try:
        yield underway
    except (StoreUnavailable, queries.StackTaken):
        raise  # undoing is for the next deployment, or for the one that has the stack
    except (AwsError, TemplateError) as error:
        run.tell(underway.step, f"failed: {error}", clock.monotonic() - started)
        raise await _failed(run, step.logical_id, _cause(template, step, error)) from error
    except Exception as error:
        log.exception("stack.failed", stack=run.stack.name, logical_id=step.logical_id)
        cause = f"{step.logical_id}: this server failed, its log says how"
        raise await _failed(run, step.logical_id, cause) from error
    run.tell(underway.step, "done", clock.monotonic() - started)


def _action(before: Made | None, wanted: Made) -> str:
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


def _cause(template: Template, step: Step, error: AwsError | TemplateError) -> TemplateError:
    """What went wrong, with the line of the user's file: of the property when the refusal names one."""
    if isinstance(error, TemplateError):
        return error
    return place_fault(template, step.logical_id, step.type, str(error))


async def _failed(run: Deployment, logical_id: str, cause: TemplateError | str) -> DeploymentFailed:
    """Undo everything; what the caller raises then."""
    leftovers = await run.roll_back()
    if run.stack.resources or run.stack.doomed:
        begun = "UPDATE_" if run.stack.resources else ""
        await run.save(status=f"{begun}ROLLBACK_{'FAILED' if leftovers else 'COMPLETE'}")
    else:
        await run.forget()
    return DeploymentFailed(logical_id, cause, leftovers)


def _without_place(stack: Stack, now: Mapping[str, Made]) -> tuple[tuple[str, Made], ...]:
    """What was replaced and what the template no longer has, in reverse order of making."""
    made = {undo.logical_id for undo in stack.undo if undo.before is None}
    gone = {undo.logical_id for undo in stack.undo if undo.after is None}
    return tuple(
        (logical_id, old)
        for logical_id, old in reversed(stack.resources.items())
        if logical_id not in gone
        and (not old.retain if logical_id not in now else logical_id in made and not old.retain_replaced)
    )


def _note_undeployed(run: Deployment, now: Mapping[str, Made]) -> None:
    """A REST API's changes go live with a deployment only: say so when there is none."""
    touched = {undo.logical_id: undo.after or undo.before for undo in run.stack.undo}
    apis = {
        logical_id: (made.type, made.properties["RestApiId"])
        for logical_id, made in touched.items()
        if made is not None and made.type in (*_DEPLOYED, _DEPLOYMENT)
    }
    deployed = {api_id for kind, api_id in apis.values() if kind == _DEPLOYMENT}
    served = {made.properties["RestApiId"] for made in now.values() if made.type == _DEPLOYMENT}
    stale = {api_id: logical_id for logical_id, (_, api_id) in apis.items() if api_id in served - deployed}
    for logical_id in stale.values():
        run.say(
            {
                "note": f"{logical_id} changed, but its API has no new deployment: stages serve what they served; "
                f"give the {_DEPLOYMENT} another logical id"
            }
        )


def _outputs(template: Template, scope: Scope) -> tuple[dict[str, Any], dict[str, str]]:
    outputs: dict[str, Any] = {}
    exported: dict[str, str] = {}
    for name, output in (template.document.get("Outputs") or {}).items():
        where = ("Outputs", name)
        if "Condition" in output and not is_true(output["Condition"], scope, where):
            continue
        outputs[name] = _masked(resolve(output.get("Value"), scope, (*where, "Value")), scope)
        if "Export" in output:
            exported[str(resolve(output["Export"]["Name"], scope, (*where, "Export", "Name")))] = str(outputs[name])
    return outputs, exported


def _masked(value: Any, scope: Scope) -> Any:
    """An output without what a custom resource gave with `NoEcho`."""
    for physical in scope.resources.values():
        for secret in physical.attributes.get("_NoEcho", ()):
            value = value.replace(secret, "*****") if isinstance(value, str) else value
    return value


async def delete(store: Store, seal: Sealer, aws: Aws, say: Say) -> bool:
    """Delete a stack and what it made, in reverse; False when there is no such stack.

    Raises DeploymentFailed for the first that could not be deleted; what is left is tried again by the next.
    """
    stack = await store.read(lambda tx: queries.find_stack(tx, seal, aws.account, aws.region, aws.stack_name))
    if stack is None:
        return False
    run = Deployment(store, seal, aws, say, stack, clock.uuid4())
    await run.take()
    if run.stack.undo:
        await run.roll_back()
    ours = [(logical_id, made) for logical_id, made in run.stack.resources.items() if not made.retain]
    doomed = (*reversed(ours), *run.stack.doomed)
    run.total = len(doomed)
    await run.save(status="DELETE_IN_PROGRESS", resources={}, outputs={}, exports={}, doomed=doomed)
    failures = await run.clean_up()
    if failures:
        await run.save(status="DELETE_FAILED")
        logical_id, error = failures[0]
        raise DeploymentFailed(logical_id, f"{logical_id}: {error}")
    await run.forget()
    return True
