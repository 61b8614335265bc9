"""Rows → the frozen view of functions that invocations read: versions, aliases, and who may invoke them."""

import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from scopegate.functions import queries
from scopegate.functions.permissions import compile_statements
from scopegate.functions.references import LATEST, FunctionRef
from scopegate.functions.view import Alias, Function, Key, Version, View
from scopegate.ports import CompileContext
from scopegate.store.documents import Document
from scopegate.store.port import Change, Tx

KINDS: Final = frozenset({"function"})
"""The kinds of changes that this view is made from."""

__all__ = ["KINDS", "View", "compile_all", "compile_changed"]


def compile_all(tx: Tx, context: CompileContext) -> View:
    """Everything, from the store."""
    found = (_compile_function(tx, ref, context) for ref in queries.all_functions(tx))
    return View(MappingProxyType({_key(function.ref): function for function in found if function is not None}))


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """A view in which `changes` are; `view` stays as it is."""
    functions = dict(view.function_by_key)
    for key in {change.key for change in changes}:
        account, region, name = key.split(" ")
        function = _compile_function(tx, FunctionRef(account, region, name, None), context)
        if function is None:
            functions.pop((account, region, name), None)
        else:
            functions[account, region, name] = function
    return View(MappingProxyType(functions))


def _key(ref: FunctionRef) -> Key:
    return ref.account, ref.region, ref.name


def _compile_function(tx: Tx, ref: FunctionRef, context: CompileContext) -> Function | None:
    document = queries.find_function(tx, ref)
    if document is None:
        return None

    def version_of(version: str, configuration: Document) -> Version:
        sealed = queries.find_environment(tx, ref, version)
        opened = context.seal.open(sealed, queries.environment_context(ref, version)) if sealed else b"{}"
        return Version(version, MappingProxyType(configuration), MappingProxyType(json.loads(opened)))

    versions = {LATEST: version_of(LATEST, document["Configuration"])}
    versions |= {version: version_of(version, found) for version, found in queries.list_versions(tx, ref)}
    aliases = {
        name: Alias(
            alias["FunctionVersion"],
            tuple((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {}).items()),
        )
        for name, alias in queries.list_aliases(tx, ref)
    }
    policies = {
        qualifier: compile_statements(policy["Statement"]) for qualifier, policy in queries.list_policies(tx, ref)
    }
    return Function(
        ref,
        MappingProxyType(versions),
        MappingProxyType(aliases),
        MappingProxyType(policies),
        document.get("Concurrency"),
    )
