"""← A deployment, from a template to outputs.

1 read · 2 parameters, rules · 3 what the template repeats, SAM → CloudFormation · 4 resolve, graph · 5 steps foreseen,
those of nested stacks too · 6 each step through the operations, undone on failure · 7 what the template no longer has
goes · 8 outputs. Steps 2 to 5 are `prepare.py`; how a step and its way back are taken is `run.py`.

Each step is told to `say` as plain data: {"logicalId", "type", "action", "state", "seconds", "done", "of"}, and what
the user should know as {"note"}.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.stacks import queries
from scopegate.stacks.faults import place_fault
from scopegate.stacks.model import NESTED, Made, Stack
from scopegate.stacks.parameters import parameter_values
from scopegate.stacks.plan import Node, live_outputs
from scopegate.stacks.prepare import (
    NOTHING_SENT,
    Foreseen,
    Foresight,
    Preparation,
    Prepared,
    Sent,
    Step,
    action_of,
    within,
)
from scopegate.stacks.read import Template, TemplateError
from scopegate.stacks.resolve import Physical, Scope, Undecided, is_unknown, resolve, unknown
from scopegate.stacks.resources import RESOURCES
from scopegate.stacks.run import Run, Say, StackRefused, Tree, new_stack_id
from scopegate.stacks.sam import Translator, Translators
from scopegate.stacks.types.resource_type import Aws, tags_of
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sealing import Sealer

# What only a deployment brings before callers.
_DEPLOYED: Final = frozenset(
    f"AWS::ApiGateway::{name}" for name in ("GatewayResponse", "Method", "Model", "RequestValidator", "Resource")
)
_DEPLOYMENT: Final = "AWS::ApiGateway::Deployment"
_SSM: Final = "AWS::SSM::Parameter"

log = structlog.get_logger()


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


class _StepFailed(Exception):
    """A step failed and nothing is undone yet."""

    def __init__(self, logical_id: str, cause: TemplateError | str) -> None:
        super().__init__(str(cause))
        self.logical_id = logical_id
        self.cause = cause


async def deploy(
    store: Store,
    seal: Sealer,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    say: Say,
    sent: Sent = NOTHING_SENT,
    translators: Translators | None = None,
) -> Stack:
    """Bring the stack to what the template says; only what changed is touched.

    exports: of other stacks. sent: what came with the template. translators: of SAM templates; None starts one.
    Raises TemplateError or StackRefused before anything is done, DeploymentFailed after everything done is undone.
    """
    aws = replace(aws, note=_once(say))
    async with (translators or Translators(kept_s=0)).lend(aws.region) as translator:
        site = _Site(store, seal, aws, given, exports, sent, translator)
        # 2 to 5
        stack, foreseen = await site.foresee(template)
        # 6
        tree = Tree(store, seal, aws, say)
        run = await tree.take(stack)
        await run.mend()
        tree.total = len(foreseen.steps)
        preparation = site.preparation(await site.stacks())
        try:
            prepared = await site.prepare(preparation, template, stack)
            await _carry_out(run, preparation, prepared)
            with _refused_in_the_end(prepared.template):
                await run.end(_check_exports)
        except TemplateError as error:  # of what has changed since it was foreseen
            raise await _failed(run, _StepFailed("Resources", error)) from error
        except _StepFailed as failure:
            raise await _failed(run, failure) from failure
    # 7
    await run.tidy()
    return run.stack


async def plan(
    store: Store,
    seal: Sealer,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    sent: Sent = NOTHING_SENT,
    translators: Translators | None = None,
) -> list[Step]:
    """The steps that `deploy` would take; nothing is changed. Raises as `deploy` does before anything is done."""
    async with (translators or Translators(kept_s=0)).lend(aws.region) as translator:
        _, foreseen = await _Site(store, seal, aws, given, exports, sent, translator).foresee(template)
    return foreseen.steps


async def delete(store: Store, seal: Sealer, aws: Aws, say: Say) -> bool:
    """Delete a stack and what it made, in reverse; False when there is no such stack.

    Raises StackRefused when nothing was begun, DeploymentFailed for the first that could not be deleted; what is left
    is tried again by the next.
    """
    stack = await store.read(lambda tx: queries.find_stack(tx, seal, aws.account, aws.region, aws.stack_name))
    if stack is None:
        return False
    _refuse_nested(stack)
    tree = Tree(store, seal, replace(aws, note=lambda text: say({"note": text})), say)
    run = await tree.take(stack)
    tree.total = sum(len(each.resources) + len(each.doomed) for each in tree.stacks.values())
    failures = await run.remove(_check_exports)
    if failures:
        logical_id, error = failures[0]
        raise DeploymentFailed(logical_id, f"{logical_id}: {error}")
    return True


def _refuse_nested(stack: Stack) -> None:
    if stack.parent:
        parent = stack.parent.split("/")[1]
        raise StackRefused(f"Stack {stack.name} is part of stack {parent}: deploy or delete that")


@dataclass(frozen=True, slots=True)
class _Site:
    """One deployment as it was asked for."""

    store: Store
    seal: Sealer
    aws: Aws
    given: Mapping[str, str]
    exports: Mapping[str, str]
    sent: Sent
    translator: Translator

    async def stacks(self) -> Sequence[Stack]:
        whose = (self.seal, self.aws.account, self.aws.region)
        return await self.store.read(lambda tx: queries.list_stacks(tx, *whose))

    def preparation(self, stacks: Sequence[Stack]) -> Preparation:
        """Anew for what is foreseen and for what is done. stacks: all that there are."""
        kept = {
            made.physical_id: str(made.properties.get("Value"))
            for stack in stacks
            for made in stack.resources.values()
            if made.type == _SSM
        }
        return Preparation(
            self.aws.account,
            self.aws.region,
            self.sent,
            self.translator,
            dict(self.exports),
            kept.get,
            self.aws.note,
        )

    async def prepare(self, preparation: Preparation, template: Template, stack: Stack) -> Prepared:
        values = parameter_values(template, self.given, look_up=preparation.look_up)
        return await preparation.prepare(template, (template.file,), values, stack.name, stack.stack_id)

    async def foresee(self, template: Template) -> tuple[Stack, Foreseen]:
        """The stack as it stands, or a new one; and the steps."""
        stacks = await self.stacks()
        preparation = self.preparation(stacks)
        preparation.exports |= {each: unknown(each) for each in self.sent.coming}
        name = self.aws.stack_name
        old = next((each for each in stacks if each.name == name), None)
        stack = old or Stack(name, new_stack_id(self.aws, name), "", {}, {}, {}, {})
        _refuse_nested(stack)
        foresight = Foresight(preparation, {each.stack_id: each for each in stacks})
        try:
            prepared = await self.prepare(preparation, template, stack)
            foreseen = await foresight.foresee(prepared, old)
        except TemplateError:
            preparation.judge_unknown()  # which is the greater fault
            raise
        except Undecided:
            raise template.error("A condition hangs on what is not made yet", "Conditions") from None
        preparation.judge_unknown()
        if foresight.decided:
            ids = {stack.stack_id, *(each.stack_id for each in nested_in(stack, stacks))}
            ours = replace(stack, exports=foresight.exported, imports={})
            _check_exports(stacks, [*(each for each in stacks if each.stack_id not in ids), ours])
        return stack, foreseen


def nested_in(stack: Stack, stacks: Sequence[Stack]) -> list[Stack]:
    """The stacks that are part of one, at every depth."""
    found = [stack]
    for outer in found:
        found += [each for each in stacks if each.parent == outer.stack_id]
    return found[1:]


def _once(say: Say) -> Callable[[str], None]:
    """Tells each note once."""
    told: set[str] = set()

    def note(text: str) -> None:
        if text not in told:
            told.add(text)
            say({"note": text})

    return note


def _check_exports(before: Sequence[Stack], after: Sequence[Stack]) -> None:
    """Raises StackRefused where an export that is in use would go or change, or would have two owners.

    Source: CloudFormation's words for it.
    """
    known = {name: value for stack in before for name, value in stack.exports.items()}
    owners: dict[str, Stack] = {}
    for stack in after:
        for name in stack.exports:
            if name in owners:
                raise StackRefused(f"Export with name {name} is already exported by stack {owners[name].name}")
            owners[name] = stack
    for stack in after:
        for name, value in stack.imports.items():
            now = owners[name].exports[name] if name in owners else None
            if now is None and name not in known:
                raise StackRefused(f"No export named {name} found")
            if now is None:
                raise StackRefused(f"Export {name} cannot be deleted as it is in use by {stack.name}")
            if now != value and not is_unknown(now):
                raise StackRefused(f"Export {name} cannot be updated as it is in use by {stack.name}")


# The steps


async def _carry_out(run: Run, preparation: Preparation, prepared: Prepared) -> Stack:
    """Bring one stack about, nested ones with it; what it is to be when all have ended. Raises _StepFailed."""
    preparation.judge_unknown()  # of a nested stack it may be known only now
    standing = run.stack.resources
    begun = "UPDATE" if standing else "CREATE"
    await run.save(status=f"{begun}_IN_PROGRESS")
    await _make_way(run, prepared)
    now: dict[str, Made] = {}
    for node in prepared.nodes:
        now[node.logical_id] = await _bring_about(run, preparation, prepared, node)
    try:
        outputs, exported = _outputs(prepared)
    except TemplateError as error:
        raise _StepFailed("Outputs", error) from error
    _note_undeployed(run, now)
    preparation.exports |= exported if run.stack.parent else {}
    doomed = (*run.stack.doomed, *_without_place(run.stack, now))
    run.tell_retained(logical_id for logical_id in standing if logical_id not in now)
    run.ended = replace(
        run.stack,
        status=f"{begun}_COMPLETE_CLEANUP_IN_PROGRESS" if doomed else f"{begun}_COMPLETE",
        parameters=dict(prepared.scope.parameters),
        resources=now,
        outputs=outputs,
        exports=exported,
        imports=dict(prepared.scope.imported),
        undo=(),
        doomed=doomed,
    )
    return run.ended


async def _make_way(run: Run, prepared: Prepared) -> None:
    """What the template no longer has and a new deployment of its API would freeze goes before anything is made."""
    wanted = {node.logical_id for node in prepared.nodes}
    for logical_id, made in reversed(run.stack.resources.items()):
        if logical_id in wanted or made.retain or not RESOURCES[made.type].goes_first:
            continue
        step = Step("Delete", logical_id, made.type)
        async with _told(run, prepared.template, step):
            await run.make_room(logical_id, made)


async def _bring_about(run: Run, preparation: Preparation, prepared: Prepared, node: Node) -> Made:
    """One step forward. Raises _StepFailed."""
    scope = prepared.scope
    before = run.stack.resources.get(node.logical_id)
    step = Step("Create" if before is None else "Update", node.logical_id, node.type)
    async with _told(run, prepared.template, step) as underway:
        properties = resolve(dict(node.properties), scope, ("Resources", node.logical_id, "Properties"))
        wanted = Made(node.type, "", {}, properties, node.retain, node.retain_replaced)
        underway.step = step = replace(step, action=action_of(before, wanted))
        if step.action != "Keep":
            run.tell(step, "started")
        match step.action, before:
            case "Keep" | "Update" | "Create", _ if node.type == NESTED:
                made, underway.step = await _bring_about_nested(run, preparation, prepared, before, wanted, step)
            case "Keep", Made():
                made = replace(wanted, physical_id=before.physical_id, attributes=before.attributes)
            case "Update", Made():
                made = await run.change(node.logical_id, before, wanted)
            case "Replace", Made() if RESOURCES[before.type].one_at_a_time:
                await run.make_room(node.logical_id, before)
                made = await run.create(node.logical_id, wanted)
            case _ if node.type == NESTED:
                made, underway.step = await _bring_about_nested(run, preparation, prepared, None, wanted, step)
            case _:
                made = await run.create(node.logical_id, wanted)
        scope.resources[node.logical_id] = Physical(made.physical_id, made.attributes)
    return made


async def _bring_about_nested(
    run: Run, preparation: Preparation, parent: Prepared, before: Made | None, wanted: Made, step: Step
) -> tuple[Made, Step]:
    """All steps of a nested stack, and what they came to: Keep when nothing in it changed."""
    (node,) = (each for each in parent.nodes if each.logical_id == step.logical_id)
    found = preparation.child(parent, node)
    values = preparation.handed_down(parent, node, found, wanted.properties)
    made, child = await run.begin_nested(step.logical_id, before, wanted, tags_of(wanted.properties.get("Tags")))
    stood = child.stack
    try:
        prepared = await preparation.prepare(found.template, found.chain, values, stood.name, stood.stack_id)
        ended = await _carry_out(child, preparation, prepared)
    except TemplateError as error:
        raise within(error, parent, found) from error
    except _StepFailed as failure:
        cause = failure.cause
        placed = within(cause, parent, found) if isinstance(cause, TemplateError) else cause
        raise _StepFailed(f"{step.logical_id}.{failure.logical_id}", placed) from failure
    attributes = {f"Outputs.{name}": value for name, value in ended.outputs.items()}
    made = replace(made, attributes=attributes)
    run.settle(made)
    if before is not None:
        same = made == replace(before, retain=made.retain, retain_replaced=made.retain_replaced)
        kept = same and not child.touched and ended.doomed == stood.doomed and ended.exports == stood.exports
        step = replace(step, action="Keep" if kept else "Update")
    return made, step


@dataclass(slots=True)
class _Underway:
    step: Step


@contextlib.asynccontextmanager
async def _told(run: Run, template: Template, step: Step) -> AsyncIterator[_Underway]:
    """Tell of a step; when it fails, raise _StepFailed."""
    underway, started = _Underway(step), clock.monotonic()
    try:
        yield underway
    except (StoreUnavailable, queries.StackTaken):
        raise  # undoing is for the next deployment, or for the one that has the stack
    except _StepFailed as failure:  # in a nested stack
        run.tell(underway.step, f"failed: {failure}", clock.monotonic() - started)
        raise
    except (AwsError, TemplateError) as error:
        run.tell(underway.step, f"failed: {error}", clock.monotonic() - started)
        raise _StepFailed(step.logical_id, _cause(template, step, error)) from error
    except Exception as error:
        log.exception("stack.failed", stack=run.stack.name, logical_id=step.logical_id)
        cause = f"{step.logical_id}: this server failed, its log says how"
        raise _StepFailed(step.logical_id, cause) from error
    run.tree.done += 1
    run.touched = run.touched or underway.step.action != "Keep"
    run.tell(underway.step, "done", clock.monotonic() - started)


@contextlib.contextmanager
def _refused_in_the_end(template: Template) -> Iterator[None]:
    """What speaks against the whole is an error of the section that others look at."""
    try:
        yield
    except StackRefused as error:
        raise _StepFailed("Outputs", template.error(str(error), "Outputs")) from error


def _cause(template: Template, step: Step, error: AwsError | TemplateError) -> TemplateError:
    """What went wrong, with the line of the user's file: of the property when the refusal names one."""
    if isinstance(error, TemplateError):
        return error
    return place_fault(template, step.logical_id, step.type, str(error))


async def _failed(run: Run, failure: _StepFailed) -> DeploymentFailed:
    """Undo everything; what the caller raises then."""
    leftovers = await run.roll_back()
    if not run.stack.resources and not run.stack.doomed:
        await run.forget()
    return DeploymentFailed(failure.logical_id, failure.cause, leftovers)


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


def _note_undeployed(run: Run, now: Mapping[str, Made]) -> None:
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
        run.aws.note(
            f"{run.prefix}{logical_id} changed, but its API has no new deployment: stages serve what they served; "
            f"give the {_DEPLOYMENT} another logical id"
        )


def _outputs(prepared: Prepared) -> tuple[dict[str, Any], dict[str, str]]:
    scope = prepared.scope
    outputs: dict[str, Any] = {}
    exported: dict[str, str] = {}
    for name, output in live_outputs(prepared.template, scope):
        where = ("Outputs", name)
        outputs[name] = _masked(resolve(output["Value"], scope, (*where, "Value")), scope)
        if "Export" in output:
            exported[str(resolve(output["Export"]["Name"], scope, (*where, "Export", "Name")))] = str(outputs[name])
    return outputs, exported


def _masked(value: Any, scope: Scope) -> Any:
    """An output without what a custom resource gave with `NoEcho`."""
    for physical in scope.resources.values():
        for secret in physical.attributes.get("_NoEcho", ()):
            value = value.replace(secret, "*****") if isinstance(value, str) else value
    return value
