"""Rows → the frozen view of functions that invocations read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scopegate.ports import CompileContext
from scopegate.store.port import Change, Tx

KINDS: Final = frozenset({"function"})


@dataclass(frozen=True, slots=True)
class View:
    """All functions, at one moment."""

    def all_functions(self) -> Iterator[Any]:
        return iter(())

    def find_function(self, function_arn: str) -> Any:
        return None


def compile_all(tx: Tx, context: CompileContext) -> View:
    """Everything, from the store."""
    return View()


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """A view in which `changes` are; `view` stays as it is."""
    return view
