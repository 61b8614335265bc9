"""The steps of a deployment, each with its way back; a stack and those nested in it as one.

What is made, changed or taken away is in the store before or with the call that does it (`model.Undo`), so that a
failure and a killed process are undone by the same steps. Until a deployment has ended, a stack's resources are those
that stood before it; all stacks of the tree end it in one transaction.
A nested stack has steps and a way back of its own. Its parent has one step for it: undoing that is undoing them all.
"""

import contextlib
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from scopegate.base import clock, names
from scopegate.base.errors import AwsError, SetupError
from scopegate.stacks import queries
from scopegate.stacks.model import NESTED, Made, Stack, Undo
from scopegate.stacks.prepare import Step
from scopegate.stacks.resolve import Physical
from scopegate.stacks.resources import RESOURCES
from scopegate.stacks.types.resource_type import Aws
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer

Say = Callable[[dict[str, Any]], None]

log = structlog.get_logger()


class StackRefused(SetupError):
    """What was asked of a stack may not be done as things stand; nothing was begun, or all of it is undone."""


def new_stack_id(aws: Aws, name: str) -> str:
    partition = names.partition_of(aws.region)
    return f"arn:{partition}:cloudformation:{aws.region}:{aws.account}:stack/{name}/{clock.uuid4()}"


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
class Tree:
    """What the runs of one tree of stacks share. run: its name in the store. stacks: those that exist, by their ids."""

    store: Store
    seal: Sealer
    aws: Aws
    say: Say
    run: str = field(default_factory=clock.uuid4)
    total: int = 0
    done: int = 0
    stacks: dict[str, Stack] = field(default_factory=dict)

    async def take(self, root: Stack) -> "Run":
        """Let only this run write the tree from now on. root: what is written where there is no such stack yet."""

        def take(tx: Tx) -> list[Stack]:
            where = (tx, self.seal, self.aws.account, self.aws.region)
            found = queries.find_stack(*where, root.name)
            if found is not None and found.stack_id != root.stack_id:
                raise queries.StackTaken(f"Stack {root.name} was made anew by another deployment; try again")
            stacks = queries.list_tree(*where, found or root)
            for stack in stacks:
                queries.take_stack(*where, stack, self.run)
            return stacks

        stacks = (await self.store.write(take)).result
        self.stacks = {stack.stack_id: stack for stack in stacks}
        return Run(self, stacks[0], self.aws)

    def put(self, tx: Tx, stack: Stack) -> None:
        queries.put_stack(tx, self.seal, self.aws.account, self.aws.region, stack, self.run)

    def turn(self, tx: Tx, before: Stack, after: Stack) -> None:
        """Write what a stack has become. A nested one that it no longer holds, but retains, is its own from now on."""
        for stack_id in before.nested_ids() - after.nested_ids():
            if stack_id in self.stacks:
                self.put(tx, replace(self.stacks[stack_id], parent=""))
        self.put(tx, after)


@dataclass(slots=True)
class Run:
    """The work on one stack.

    prefix: of its logical ids, where they are told. ended: what it is to be in the end. touched: whether a step changed
    something.
    """

    tree: Tree
    stack: Stack
    aws: Aws
    prefix: str = ""
    ended: Stack | None = None
    touched: bool = False
    children: dict[str, "Run"] = field(default_factory=dict)

    # The stack in the store

    async def save(self, **changes: Any) -> None:
        self.stack = replace(self.stack, **changes)
        await self.tree.store.write(lambda tx: self.tree.put(tx, self.stack))

    async def forget(self) -> None:
        where = (self.aws.account, self.aws.region, self.stack.stack_id)
        await self.tree.store.write(lambda tx: queries.delete_stack(tx, *where))
        self.tree.stacks.pop(self.stack.stack_id, None)

    def tell(self, step: Step, state: str, seconds: float = 0.0) -> None:
        self.tree.say(
            {
                "logicalId": self.prefix + step.logical_id,
                "type": step.type,
                "action": step.action,
                "state": state,
                "seconds": round(seconds, 3),
                "done": self.tree.done,
                "of": self.tree.total,
            }
        )

    def tell_retained(self, logical_ids: Iterable[str]) -> None:
        """Tell of what stays, of these that the stack gives up."""
        for logical_id in logical_ids:
            made = self.stack.resources[logical_id]
            if made.retain:
                self.tree.done = min(self.tree.done + 1, self.tree.total)
                self.tell(Step("Retain", logical_id, made.type), "done")

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
            self.tree.put(tx, self.stack)

        tags = {
            **self.aws.tags,
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
        await self.delete(logical_id, before)

    async def delete(self, logical_id: str, made: Made) -> None:
        """Delete it; one that is gone already is deleted."""
        if made.type == NESTED:
            child = self.child(logical_id, made.physical_id)
            failures = await child.remove() if child is not None else ()
            if failures:
                inner, error = failures[0]
                raise AwsError(error.code, f"{inner}: {error.message}")
            return
        kind = RESOURCES[made.type]
        try:
            await kind.delete(self.aws, Physical(made.physical_id, made.attributes), made.properties)
        except AwsError as error:
            if error.code not in kind.missing:
                raise

    # A nested stack

    def child(self, logical_id: str, stack_id: str, tags: Mapping[str, str] | None = None) -> "Run | None":
        """The run of a nested stack, None when it is gone. tags: those that its resources have from the outside."""
        if stack_id not in self.children and stack_id in self.tree.stacks:
            stack = self.tree.stacks[stack_id]
            aws = replace(self.aws, stack_name=stack.name, tags={**self.aws.tags, **(tags or {})})
            self.children[stack_id] = Run(self.tree, stack, aws, f"{self.prefix}{logical_id}.")
        return self.children.get(stack_id)

    async def begin_nested(
        self, logical_id: str, before: Made | None, wanted: Made, tags: Mapping[str, str]
    ) -> tuple[Made, "Run"]:
        """The run of a nested stack that is made or changed. The way back is written with its beginning."""
        found = self.tree.stacks.get(before.physical_id) if before is not None else None
        if found is None:
            name = self.aws.generated_name(logical_id, 128)
            stack = Stack(
                name, new_stack_id(self.aws, name), "CREATE_IN_PROGRESS", {}, {}, {}, {}, parent=self.stack.stack_id
            )
        else:
            stack = replace(found, status="UPDATE_IN_PROGRESS")
        made = _became(wanted, Physical(stack.stack_id, before.attributes if found and before else {}))
        undo = Undo(logical_id, before if found else None, made)
        self.stack = replace(self.stack, undo=(*self.stack.undo, undo))

        def begin(tx: Tx) -> None:
            self.tree.put(tx, self.stack)
            queries.take_stack(tx, self.tree.seal, self.aws.account, self.aws.region, stack, self.tree.run)

        await self.tree.store.write(begin)
        self.tree.stacks[stack.stack_id] = stack
        child = self.child(logical_id, stack.stack_id, tags)
        assert child is not None
        child.stack = stack
        return made, child

    def settle(self, made: Made) -> None:
        """What a nested stack came to, in the way back of its parent: it is written with the next step."""
        undo = tuple(
            replace(step, after=made) if step.after is not None and step.after.physical_id == made.physical_id else step
            for step in self.stack.undo
        )
        self.stack = replace(self.stack, undo=undo)

    # The end

    def runs(self) -> Iterator["Run"]:
        """This run and those of nested stacks."""
        yield self
        for child in self.children.values():
            yield from child.runs()

    async def end(self, check: Callable[[Sequence[Stack], Sequence[Stack]], None]) -> None:
        """All stacks of the tree become what they are to be, in one transaction.

        check: is shown all stacks of the account as they were and as they will be, and may raise StackRefused.
        """
        ended = {run.stack.stack_id: run.ended for run in self.runs() if run.ended is not None}

        def end(tx: Tx) -> None:
            before = queries.list_stacks(tx, self.tree.seal, self.aws.account, self.aws.region)
            check(before, [ended.get(stack.stack_id, stack) for stack in before])
            for run in self.runs():
                if run.ended is not None:
                    self.tree.turn(tx, run.stack, run.ended)

        await self.tree.store.write(end)
        for run in self.runs():
            if run.ended is not None:
                run.stack, run.ended = run.ended, None

    async def tidy(self) -> None:
        """Delete what has no place any more, in nested stacks as well.

        As CloudFormation: what cannot be cleaned up after a success is said, and does not make a failure of it.
        """
        if self.stack.doomed:
            await self.clean_up()
        if self.stack.status.endswith("_CLEANUP_IN_PROGRESS"):
            await self.save(status=self.stack.status.removesuffix("_CLEANUP_IN_PROGRESS"))
        for logical_id, made in self.stack.resources.items():
            child = self.child(logical_id, made.physical_id) if made.type == NESTED else None
            if child is not None:
                await child.tidy()

    async def clean_up(self) -> tuple[tuple[str, AwsError], ...]:
        """Delete what has no place any more. What cannot be deleted is said, and stays on the list."""
        failures: list[tuple[str, AwsError]] = []
        left: list[tuple[str, Made]] = []
        for logical_id, made in self.stack.doomed:
            step = Step("Delete", logical_id, made.type)
            started = clock.monotonic()
            self.tell(step, "started")
            try:
                await self.delete(logical_id, made)
                self.tree.done = min(self.tree.done + 1, self.tree.total)
                self.tell(step, "done", clock.monotonic() - started)
            except AwsError as error:
                failures.append((logical_id, error))
                left.append((logical_id, made))
                self.tell(step, f"failed: {error}", clock.monotonic() - started)
        await self.save(doomed=tuple(left))
        return tuple(failures)

    async def remove(
        self, check: Callable[[Sequence[Stack], Sequence[Stack]], None] | None = None
    ) -> tuple[tuple[str, AwsError], ...]:
        """Delete the stack and what it made, in reverse; what could not be deleted.

        check: as `end` has it.
        """
        if self.stack.undo:
            await self.roll_back()
        ours = [(logical_id, made) for logical_id, made in self.stack.resources.items() if not made.retain]
        doomed = (*reversed(ours), *self.stack.doomed)
        going = replace(
            self.stack,
            status="DELETE_IN_PROGRESS",
            resources={},
            outputs={},
            exports={},
            imports={},
            doomed=doomed,
        )

        def begin(tx: Tx) -> None:
            if check is not None:
                before = queries.list_stacks(tx, self.tree.seal, self.aws.account, self.aws.region)
                gone = self._with_nested(going)
                check(before, [stack for stack in before if stack.stack_id not in gone])
            self.tree.turn(tx, self.stack, going)

        await self.tree.store.write(begin)
        self.tell_retained(self.stack.resources)
        self.stack = going
        failures = await self.clean_up()
        if failures:
            await self.save(status="DELETE_FAILED")
        else:
            await self.forget()
        return failures

    def _with_nested(self, going: Stack) -> set[str]:
        """The ids of a stack that goes and of all that go with it."""
        stays = {
            made.physical_id for stack in self.tree.stacks.values() for made in stack.resources.values() if made.retain
        }
        gone, waiting = {going.stack_id}, [going]
        while waiting:
            ids = waiting.pop().nested_ids() - stays - gone
            gone |= ids
            waiting += [self.tree.stacks[each] for each in ids if each in self.tree.stacks]
        return gone

    # The way back

    async def mend(self) -> None:
        """Undo what a deployment left that did not end, and delete what was left to delete."""
        if self.stack.undo:
            self.tree.say({"note": "the last deployment did not end: what it had begun is undone first"})
            await self.roll_back()
        await self.tidy()

    async def roll_back(self) -> tuple[str, ...]:
        """Undo in reverse; what could not be undone is named, and what is left of it is deleted or changed later."""
        resources, doomed = dict(self.stack.resources), list(self.stack.doomed)
        leftovers: list[str] = []
        for undo in reversed(self.stack.undo):
            standing = undo.after or undo.before
            assert standing is not None
            state = "done"
            try:
                if undo.after is not None and undo.after.type == NESTED:
                    leftovers += await self._roll_back_nested(undo, undo.after, resources, doomed)
                elif undo.before is None:
                    await self.delete(undo.logical_id, standing)
                elif undo.after is None:
                    await self.delete(undo.logical_id, undo.before)
                    resources[undo.logical_id] = await self.create(undo.logical_id, undo.before)
                else:
                    back = _became(undo.before, await self._update(self.aws, undo.after, undo.before))
                    resources[undo.logical_id] = back
                    if back.physical_id != standing.physical_id:
                        doomed.append((undo.logical_id, standing))
            except AwsError as error:
                state = f"failed: {error}"
                leftovers.append(f"{self.prefix}{undo.logical_id} ({standing.physical_id}): {error}")
                if undo.before is None:
                    doomed.append((undo.logical_id, standing))
                elif undo.after is None:
                    del resources[undo.logical_id]
                else:
                    resources[undo.logical_id] = undo.after
            self.tell(Step("Undo", undo.logical_id, standing.type), state)
        status = f"{'UPDATE_' if resources else ''}ROLLBACK_{'FAILED' if leftovers else 'COMPLETE'}"
        await self.save(undo=(), resources=resources, doomed=tuple(doomed), status=status)
        return tuple(leftovers)

    async def _roll_back_nested(
        self, undo: Undo, after: Made, resources: dict[str, Made], doomed: list[tuple[str, Made]]
    ) -> tuple[str, ...]:
        child = self.child(undo.logical_id, after.physical_id)
        if undo.before is not None:
            resources[undo.logical_id] = undo.before
        if child is None:
            return ()
        leftovers = await child.roll_back()
        if undo.before is None:
            if child.stack.resources or child.stack.doomed:
                doomed.append((undo.logical_id, after))
            else:
                await child.forget()
        return leftovers
