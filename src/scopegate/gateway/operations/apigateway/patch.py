"""Patch operations: one table of paths per resource, one way to apply them.

A table says which paths a resource has, which operations each path allows and what they do; the words of a refusal
follow from the table. Stages speak in words of their own: `stage_patch`.
Source: reference, control plane, section 2.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from scopegate.aws.operations import Shape
from scopegate.gateway.operations.apigateway.refusals import bad_request, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document

_OPS: Final = ("add", "replace", "remove")
_DECIMAL: Final = re.compile(r"-?\d{1,15}(\.\d{0,15})?([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Patch:
    """One operation, its pointer taken apart (RFC 6901)."""

    op: str
    path: str  # as sent
    tokens: tuple[str, ...]  # unescaped
    value: str | None
    source: str | None  # `from`

    @property
    def name(self) -> str:
        """The last token: what the operation is about inside a map or list."""
        return self.tokens[-1]


@dataclass(slots=True)
class Draft:
    """The document under change, and what its checks may ask."""

    document: Document
    call: Call
    api_id: str


Effect = Callable[[Draft, Patch], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A path and what each allowed operation does to the draft.

    path: a pointer; `{name}` stands for any one token, `{name+}` for one or more, of which some may be empty.
    refusal: what is said of an operation that the path does not allow, where AWS has words of its own.
    shown: the path as lists of paths spell it, where AWS spells it otherwise; None where it is left out.
    """

    path: str
    effects: Mapping[str, Effect]
    refusal: str = ""
    shown: str | None = ""

    def matches(self, tokens: Sequence[str]) -> bool:
        wanted = self.path.split("/")[1:]
        greedy = next((index for index, want in enumerate(wanted) if want.endswith("+}")), None)
        if greedy is not None and len(tokens) >= len(wanted):
            rest = len(wanted) - greedy - 1
            wanted = [*wanted[:greedy], *wanted[len(wanted) - rest :]]
            tokens = [*tokens[:greedy], *tokens[len(tokens) - rest :]]
        return len(wanted) == len(tokens) and all(
            (bool(token) if want.startswith("{") else token == want) for want, token in zip(wanted, tokens, strict=True)
        )


@dataclass(frozen=True, slots=True)
class PatchTable:
    """The paths of one resource.

    words: how AWS refuses: it lists paths (`listed`), an empty list too (`always listed`), or names the path (`named`).
    """

    words: Literal["listed", "always listed", "named"]
    rules: tuple[Rule, ...]

    def find_effect(self, patch: Patch) -> Effect:
        rule = next((rule for rule in self.rules if rule.matches(patch.tokens)), None)
        if rule is not None and patch.op in rule.effects:
            return rule.effects[patch.op]
        if self.words != "named":
            having = (each for each in self.rules if patch.op in each.effects and each.shown is not None)
            allowed = [each.shown or each.path for each in having]
            hint = f"Must be one of: [{', '.join(allowed)}]"
            if not allowed and self.words == "listed":
                hint = "Please choose supported operations"
            raise bad_request(f"Invalid patch path  '{patch.path}' specified for op '{patch.op}'. {hint}")
        if rule is None:
            raise bad_request(f"Invalid patch path {patch.path}")
        allowed = [op for op in _OPS if op in rule.effects]
        raise bad_request(rule.refusal or f"Invalid patch operation specified. Must be one of: [{', '.join(allowed)}]")


def parse_patches(request: Shape) -> list[Patch]:
    """The operations of a request, in order. Raises AwsError: no path."""
    patches = []
    for operation in request.get("patchOperations") or ():
        path = operation.get("path")
        if path is None:
            raise bad_request("Invalid patch path null")
        raw = path.split("/")[1:] if path.startswith("/") else ()
        tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in raw)
        patches.append(
            Patch(operation.get("op") or "null", path, tokens, operation.get("value"), operation.get("from"))
        )
    return patches


def apply_patches(table: PatchTable, call: Call, api_id: str, document: Document, request: Shape) -> Document:
    """A copy of `document` with all operations applied in order; one that fails leaves nothing changed."""
    draft = Draft(copy.deepcopy(document), call, api_id)
    for patch in parse_patches(request):
        table.find_effect(patch)(draft, patch)
    return draft.document


# What effects do; each maker returns an Effect.


def is_true(value: str | None) -> bool:
    """Booleans in text: `true` in any case; everything else is false, without an error."""
    return value is not None and value.lower() == "true"


def _holder(document: Document, members: Sequence[str]) -> dict[str, Any]:
    for member in members:
        document = document.setdefault(member, {})
    return document


def set_text(*members: str, blank: str = "") -> Effect:
    """Set a text; an empty one removes the member, or is refused with `blank`."""

    def effect(draft: Draft, patch: Patch) -> None:
        holder = _holder(draft.document, members[:-1])
        if patch.value:
            holder[members[-1]] = patch.value
        elif blank:
            raise bad_request(blank)
        else:
            holder.pop(members[-1], None)

    return effect


def set_choice(member: str, choices: Sequence[str], refusal: str) -> Effect:
    """Set one of a few words; `refusal` answers any other."""

    def effect(draft: Draft, patch: Patch) -> None:
        if patch.value not in choices:
            raise bad_request(refusal)
        draft.document[member] = patch.value

    return effect


def set_flag(*members: str) -> Effect:
    def effect(draft: Draft, patch: Patch) -> None:
        _holder(draft.document, members[:-1])[members[-1]] = is_true(patch.value)

    return effect


def set_number(member: str, lowest: int, highest: int, refusal: str) -> Effect:
    def effect(draft: Draft, patch: Patch) -> None:
        draft.document[member] = parse_number(patch.value, lowest, highest, refusal)

    return effect


def parse_number(text: str | None, lowest: int, highest: int, refusal: str) -> int:
    """A whole number in text. Raises AwsError with `refusal` when it is none, or out of range."""
    digits = (text or "").removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12) or not lowest <= int(text or "") <= highest:
        raise bad_request(refusal)
    return int(text or "")


def parse_decimal(text: str | None, lowest: float, highest: float, refusal: str) -> float:
    """A number in text. Raises AwsError with `refusal` when it is none, or out of range."""
    if _DECIMAL.fullmatch(text or "") is None or not lowest <= float(text or "") <= highest:
        raise bad_request(refusal)
    return float(text or "")


def remove(member: str) -> Effect:
    def effect(draft: Draft, _: Patch) -> None:
        draft.document.pop(member, None)

    return effect


def put_entry(
    member: str,
    parse: Callable[[str | None], Any],
    check: Effect | None = None,
    *,
    missing: str = "",
) -> Effect:
    """Set the map entry that the path names; with `missing` only one that exists (404 otherwise)."""

    def effect(draft: Draft, patch: Patch) -> None:
        if missing and patch.name not in draft.document.get(member, {}):
            raise not_found(missing)
        if check is not None:
            check(draft, patch)
        draft.document.setdefault(member, {})[patch.name] = parse(patch.value)

    return effect


def remove_entry(member: str, *, missing: str = "") -> Effect:
    """Remove the map entry that the path names; the last one takes the member with it."""

    def effect(draft: Draft, patch: Patch) -> None:
        entries = draft.document.get(member, {})
        if missing and patch.name not in entries:
            raise not_found(missing)
        entries.pop(patch.name, None)
        if not entries:
            draft.document.pop(member, None)

    return effect


def map_rule(
    path: str, member: str, parse: Callable[[str | None], Any], check: Effect | None = None, *, missing: str
) -> Rule:
    """A map whose entries are added, replaced and removed one by one."""
    effects = {
        "add": put_entry(member, parse, check),
        "replace": put_entry(member, parse, check, missing=missing),
        "remove": remove_entry(member, missing=missing),
    }
    return Rule(path, effects)


def text_rule(path: str, *, blank: str = "") -> Rule:
    """A text member of the same name that can be replaced."""
    return Rule(path, {"replace": set_text(*path.split("/")[1:], blank=blank)})


def flag_rule(path: str) -> Rule:
    return Rule(path, {"replace": set_flag(*path.split("/")[1:])})


def as_text(value: str | None) -> str:
    return value or ""
