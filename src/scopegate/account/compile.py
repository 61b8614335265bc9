"""Rows → the frozen view by which signatures are proven: every active access key, its secret open in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from scopegate.account import queries, sessions
from scopegate.account.model import derived_unique_id, key_context, user_arn
from scopegate.aws.operations import Caller
from scopegate.ports import AccessKey, CompileContext
from scopegate.store.port import Change, Tx
from scopegate.store.sealing import Sealer

KINDS: Final = frozenset({"access_key"})
"""The kinds of changes that this view is made from."""


@dataclass(frozen=True, slots=True)
class View:
    """Who is known. Sessions of roles are proven with the master key and stand in no table."""

    key_by_id: Mapping[str, AccessKey] = field(repr=False)
    seal: Sealer = field(repr=False)

    def find_access_key(self, access_key_id: str, session_token: str | None) -> AccessKey | None:
        """A known key, or a session of this server. Raises SignatureRefused for a session that its token does not
        prove: it is never taken for an unknown key."""
        if sessions.is_session(access_key_id):
            return sessions.get_session(self.seal, access_key_id, session_token)
        return self.key_by_id.get(access_key_id)


def compile_all(tx: Tx, context: CompileContext) -> View:
    """Everything, from the store."""
    ids = [row.access_key_id for row in queries.list_keys(tx)]
    return View(MappingProxyType(_compile_keys(tx, ids, context.seal)), context.seal)


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """The view with the keys that changed read again."""
    touched = {change.key for change in changes if change.kind in KINDS}
    kept = {key: value for key, value in view.key_by_id.items() if key not in touched}
    return View(MappingProxyType(kept | _compile_keys(tx, touched, context.seal)), context.seal)


def _compile_keys(tx: Tx, access_key_ids: Iterable[str], seal: Sealer) -> dict[str, AccessKey]:
    keys = {}
    for access_key_id in access_key_ids:
        found = queries.find_key(tx, access_key_id)
        if found is None or found[0].status != "Active":
            continue
        row, sealed = found
        arn = user_arn(row.account, row.user_name)
        caller = Caller(row.account, arn, derived_unique_id("AIDA", arn), access_key_id)
        keys[access_key_id] = AccessKey(access_key_id, seal.open(sealed, key_context(access_key_id)), caller)
    return keys
