"""Rows → the frozen view by which signatures are proven and rights are judged: every active access key, its secret open
in memory, and what users, roles and policies say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from scopegate.account import queries, sessions
from scopegate.account.identities import Identities
from scopegate.account.model import KEY_PREFIX, derived_unique_id, key_context, user_arn
from scopegate.aws.operations import Caller
from scopegate.aws.sigv4 import INVALID_TOKEN, SignatureRefused
from scopegate.ports import AccessKey, CompileContext
from scopegate.store.documents import Document
from scopegate.store.port import Change, Tx
from scopegate.store.sealing import Sealer

EntityKey = tuple[str, str, str]  # account, kind, name

KINDS: Final = frozenset({"access_key", "iam_entity"})
"""The kinds of changes that this view is made from."""


@dataclass(frozen=True, slots=True)
class View:
    """Who is known. Sessions of roles are proven with the master key and stand in no table."""

    key_by_id: Mapping[str, AccessKey] = field(repr=False)
    entities: Mapping[EntityKey, Document] = field(repr=False)
    seal: Sealer = field(repr=False)

    @property
    def identities(self) -> Identities:
        return Identities(lambda *key: self.entities.get(key))

    def find_access_key(self, access_key_id: str, session_token: str | None) -> AccessKey | None:
        """A known key, or a session of this server. Raises SignatureRefused for a session that its token does not
        prove, and for a key of this server's that is no more, or not active: neither is taken for an unknown key."""
        if sessions.is_session(access_key_id):
            return sessions.get_session(self.seal, access_key_id, session_token)
        known = self.key_by_id.get(access_key_id)
        if known is None and access_key_id.startswith(KEY_PREFIX):
            raise SignatureRefused("unknown", INVALID_TOKEN)
        return known


def compile_all(tx: Tx, context: CompileContext) -> View:
    """Everything, from the store."""
    ids = [row.access_key_id for row in queries.list_keys(tx)]
    entities = MappingProxyType(dict(queries.all_entities(tx)))
    return View(MappingProxyType(_compile_keys(tx, ids, entities, context.seal)), entities, context.seal)


def compile_changed(tx: Tx, view: View, changes: Sequence[Change], context: CompileContext) -> View:
    """The view with the keys and entities that changed read again; with a user, the keys that it may have."""
    touched = {change.key for change in changes if change.kind == "access_key"}
    entities = view.entities
    if changed := {change.key for change in changes if change.kind == "iam_entity"}:
        new = dict(entities)
        for key in changed:
            account, kind, name = key.split("/", 2)
            document = queries.find_entity(tx, account, kind, name)
            if document is None:
                new.pop((account, kind, name), None)
            else:
                new[account, kind, name] = document
            if kind == "user":
                touched |= {row.access_key_id for row in queries.list_keys(tx) if row.user_id is not None}
        entities = MappingProxyType(new)
    kept = {key: value for key, value in view.key_by_id.items() if key not in touched}
    found = _compile_keys(tx, touched, entities, context.seal)
    return View(MappingProxyType(kept | found), entities, context.seal)


def _compile_keys(
    tx: Tx, access_key_ids: Iterable[str], entities: Mapping[EntityKey, Document], seal: Sealer
) -> dict[str, AccessKey]:
    keys = {}
    for access_key_id in access_key_ids:
        found = queries.find_key(tx, access_key_id)
        if found is None or found[0].status != "Active":
            continue
        row, sealed = found
        if row.user_id is None:
            arn = user_arn(row.account, row.user_name)
            caller = Caller(row.account, arn, derived_unique_id("AIDA", arn), access_key_id)
        else:
            user = entities.get((row.account, "user", row.user_name))
            # Whoever has the name of a user that is gone is somebody else.
            if user is None or user["User"]["UserId"] != row.user_id:
                continue
            caller = Caller(row.account, user["User"]["Arn"], row.user_id, access_key_id, user=row.user_name)
        keys[access_key_id] = AccessKey(access_key_id, seal.open(sealed, key_context(access_key_id)), caller)
    return keys
