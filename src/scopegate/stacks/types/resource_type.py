"""What an entry of RESOURCES is made of: the calls that a type may make, and what the plan must know of it."""

import difflib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.stacks.answers import Answers
from scopegate.stacks.resolve import Physical
from scopegate.store.port import Tx

Properties = dict[str, Any]

_SUFFIX_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class CallAws(Protocol):
    """One AWS operation as the deploying caller; `also` runs in its transaction, with what that gives."""

    def __call__(
        self, service: str, operation: str, request: Properties, /, also: Callable[[Tx, Any], None] | None = None
    ) -> Awaitable[dict[str, Any]]: ...


def _forget(_tx: Tx, _physical: Physical) -> None:
    pass


async def _keep_nowhere(_physical: Physical) -> None:
    pass


def _say_nothing(_text: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Aws:
    """The operations of one account and region, as the deploying caller.

    answers: where functions of custom resources send theirs.
    record: notes, in the transaction that makes a resource, what it became; so no crash can part the two.
    keep: notes it in a transaction of its own, for what is made elsewhere. note: tells the user what they should know.
    tags: the `aws:cloudformation:*` tags of the resource being made.
    """

    call: CallAws
    answers: Answers
    account: str
    region: str
    stack_name: str
    read_artifact: Callable[[str], bytes]
    record: Callable[[Tx, Physical], None] = _forget
    keep: Callable[[Physical], Awaitable[None]] = _keep_nowhere
    note: Callable[[str], None] = _say_nothing
    tags: Mapping[str, str] = field(default_factory=dict)

    async def make(
        self, service: str, operation: str, request: Properties, physical: Callable[[Any], Physical]
    ) -> Physical:
        """The call that makes the resource. physical: reads from the answer what it became."""
        answer = await self.call(service, operation, request, also=lambda tx, made: self.record(tx, physical(made)))
        return physical(answer)

    def generated_name(self, logical_id: str, longest: int) -> str:
        """`stack-logical-SUFFIX`, cut so that it fits, as CloudFormation names what a template does not."""
        suffix = clock.new_id(12, _SUFFIX_ALPHABET)
        return f"{self.stack_name}-{logical_id}"[: longest - 13] + f"-{suffix}"

    def tags_with(self, value: Any) -> dict[str, str]:
        """A template's tags with those of the stack."""
        return {**tags_of(value), **self.tags}


Create = Callable[[Aws, str, Properties], Awaitable[Physical]]
Update = Callable[[Aws, Physical, Properties, Properties], Awaitable[Physical]]
Delete = Callable[[Aws, Physical, Properties], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How one type lives.

    create: makes it by one call of `Aws.make` and, after that, whatever else it takes. delete and update also bring a
    resource that is half-made or half-changed to its end.
    properties: every property that the type has; `read_only` ones are left out with a note. required: those without
    which nothing can be made. attributes: what `Fn::GetAtt` may name. free_properties, free_attributes: any name is
    one, for what is recorded and for what a user's function makes. update None: any change replaces. replaces:
    properties whose change replaces. one_at_a_time: the old one goes before its replacement comes. goes_first: one that
    the template no longer has goes before anything is made, lest a new deployment of its API freezes it.
    missing: error codes that mean that a resource to delete is gone already. operations: all that it may call.
    left_out: properties that are passed over with a note; refused: those that are not built; each with what to say.
    For the manual: ref, what `Ref` gives; stored: properties that are kept, and nothing comes of them.
    """

    create: Create
    delete: Delete
    update: Update | None = None
    properties: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    attributes: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    free_properties: bool = False
    free_attributes: bool = False
    replaces: frozenset[str] = frozenset()
    one_at_a_time: bool = False
    goes_first: bool = False
    missing: frozenset[str] = frozenset({"ResourceNotFoundException", "NotFoundException", "NoSuchEntity"})
    operations: frozenset[str] = frozenset()
    ref: str = ""
    stored: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def bounded(name: str, kind: ResourceType, service: str) -> ResourceType:
    """The type as it may be used: with the operations that it names and no others, without what it leaves out."""

    def within(aws: Aws) -> Aws:
        def call(
            of: str, operation: str, request: Properties, /, also: Callable[[Tx, Any], None] | None = None
        ) -> Awaitable[dict[str, Any]]:
            if of != service or operation not in kind.operations:
                raise RuntimeError(f"{name} calls {of} {operation}, which it does not name")
            return aws.call(service, operation, request, also=also)

        return replace(aws, call=call)

    def taken(properties: Properties) -> Properties:
        for each, why in kind.refused.items():
            if properties.get(each):
                raise AwsError("ValidationException", f"{each} is not supported yet{why and ': '}{why}")
        return without(properties, *kind.left_out)

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        for each in kind.left_out:
            if properties.get(each):
                aws.note(f"{logical_id}: {each} is left out, {kind.left_out[each]}")
        return await kind.create(within(aws), logical_id, taken(properties))

    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        assert kind.update is not None
        return await kind.update(within(aws), physical, without(old, *kind.left_out), taken(new))

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        await kind.delete(within(aws), physical, without(properties, *kind.left_out))

    return replace(kind, create=create, delete=delete, update=update if kind.update else None)


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def lower_first(properties: Mapping[str, Any]) -> dict[str, Any]:
    """v1 API Gateway spells the same members with a small first letter."""
    return {key[:1].lower() + key[1:]: value for key, value in properties.items()}


def lower_all(value: Any) -> Any:
    """`lower_first` at every depth: for structures that hold no map of free names."""
    if isinstance(value, dict):
        return {key: lower_all(item) for key, item in lower_first(value).items()}
    return [lower_all(item) for item in value] if isinstance(value, list) else value


def tags_of(value: Any) -> dict[str, str]:
    """CloudFormation's tags, a list of Key and Value or a mapping, as a mapping."""
    if isinstance(value, list):
        for tag in value:
            check_members(tag, ("Key", "Value"))
        return {str(tag["Key"]): text(tag["Value"]) for tag in value}
    return {str(key): text(item) for key, item in (value or {}).items()}


def without(properties: Properties, *left_out: str) -> Properties:
    return {key: value for key, value in properties.items() if key not in left_out}


def check_members(structure: Mapping[str, Any], known: Collection[str]) -> None:
    """For what no operation sees whole. Raises AwsError for a member that a structure does not have."""
    for name in structure:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise AwsError("ValidationException", f"Encountered unsupported property {name}{hint}")


def policy_text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def text(value: Any) -> str:
    """A scalar as AWS writes it in text."""
    return "true" if value is True else "false" if value is False else str(value)


def note_warnings(aws: Aws, whose: str, warnings: Any) -> None:
    """Tell what an import of a document warns of."""
    for warning in warnings or ():
        aws.note(f"{whose}: {warning}")


async def change_tags(
    aws: Aws, service: str, arn: tuple[str, str], members: tuple[str, str], old: Any, new: Any
) -> None:
    """Bring the tags of a resource from what the old template said to the new one's.

    arn: (member, ARN). members: names of the tags of TagResource and of the keys of UntagResource.
    """
    before, after = tags_of(old), tags_of(new)
    if gone := sorted(before.keys() - after.keys()):
        await aws.call(service, "UntagResource", {arn[0]: arn[1], members[1]: gone})
    if after != before and after:
        await aws.call(service, "TagResource", {arn[0]: arn[1], members[0]: after})


async def gone_already(call: Awaitable[Any], *codes: str) -> None:
    """Await a removal; what is not there need not be removed."""
    try:
        await call
    except AwsError as error:
        if error.code not in (codes or ("NotFoundException", "NoSuchEntity", "ResourceNotFoundException")):
            raise
