"""Making a version out of `$LATEST`: shared by PublishVersion and by `Publish=true` on create and update."""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, FunctionRef
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx

# What differs between versions of the same code and configuration.
_OWN: Final = frozenset({"Version", "RevisionId", "LastModified", "Description"})


def publish(tx: Tx, ref: FunctionRef, call: Call, *, description: str | None) -> tuple[Shape, bool]:
    """(the newest version, whether it was made now: not when nothing has changed since it was)."""
    ref = ref.with_qualifier(None)
    document = lookup.get_function(tx, ref)
    latest = document["Configuration"]
    newest = str(document["Newest"])
    standing = queries.find_version(tx, ref, newest)
    latest_environment = _variables(tx, ref, LATEST, call)
    if standing is not None and _same(standing, latest) and _variables(tx, ref, newest, call) == latest_environment:
        return lookup.render_configuration(call, tx, ref.with_qualifier(newest), standing, newest), False
    version = str(document["Newest"] + 1)
    frozen: Document = {**latest, "Version": version, "RevisionId": lookup.new_revision()}
    if description is not None:
        frozen["Description"] = description
    queries.put_version(tx, ref, version, frozen)
    if latest_environment is not None:
        sealed = call.seal.seal(latest_environment, queries.environment_context(ref, version))
        queries.put_environment(tx, ref, version, sealed)
    latest = latest | {"RevisionId": lookup.new_revision()}
    queries.put_function(tx, ref, document | {"Newest": document["Newest"] + 1, "Configuration": latest})
    return lookup.render_configuration(call, tx, ref.with_qualifier(version), frozen, version), True


def _same(version: Document, latest: Document) -> bool:
    return {key: value for key, value in version.items() if key not in _OWN} == {
        key: value for key, value in latest.items() if key not in _OWN
    }


def _variables(tx: Tx, ref: FunctionRef, version: str, call: Call) -> bytes | None:
    sealed = queries.find_environment(tx, ref, version)
    return None if sealed is None else call.seal.open(sealed, queries.environment_context(ref, version))
