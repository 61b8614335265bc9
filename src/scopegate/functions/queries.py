"""Functions: their only SQL.

Documents: `functions` → {"Configuration": FunctionConfiguration of `$LATEST` without Environment, "Tags", "Newest":
the highest version number ever given, and where set "Concurrency", "RecursiveLoop", by qualifier "EventInvoke",
"Provisioned" and "RuntimeManagement"}; `function_versions` → FunctionConfiguration without Environment;
`function_aliases` → AliasConfiguration; `function_policies` → {"RevisionId", "Statement": […]}; `function_layers` →
{"Content", "Version", "CreatedDate", "Description", …} without ARNs, "Policy" as that of a function, or {"Deleted"}.
`Layers` of a configuration has the whole `Content` of each beside its ARN; `UnzippedSize` is never answered.
Environment variables stand apart, sealed: context `function/<account>/<region>/<name>/<version>/environment`.
Each write says `changed("function", "account region name")`.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update

from scopegate.functions.model import code_digest
from scopegate.functions.references import FunctionRef
from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.tables import (
    async_invocations,
    function_aliases,
    function_code,
    function_code_uses,
    function_layers,
    function_policies,
    function_versions,
    functions,
)


def environment_context(ref: FunctionRef, version: str) -> str:
    return f"function/{ref.account}/{ref.region}/{ref.name}/{version}/environment"


def _keys(ref: FunctionRef) -> dict[str, Any]:
    return {"account": ref.account, "region": ref.region, "name": ref.name}


def _changed(tx: Tx, ref: FunctionRef) -> None:
    tx.changed("function", f"{ref.account} {ref.region} {ref.name}")


def find_function(tx: Tx, ref: FunctionRef) -> Document | None:
    return documents.find(tx, functions, **_keys(ref))


def put_function(tx: Tx, ref: FunctionRef, document: Document) -> None:
    documents.put(tx, functions, document, **_keys(ref))
    _put_uses(tx, _keys(ref), "function", "$LATEST", _packages(document["Configuration"]))
    _changed(tx, ref)


def _packages(configuration: Document) -> set[str]:
    """The digests of all packages that a version of a function needs."""
    return {code_digest(configuration["CodeSha256"]), *_layers(configuration)}


def _layers(configuration: Document) -> tuple[str, ...]:
    return tuple(code_digest(layer["CodeSha256"]) for layer in configuration.get("Layers", ()))


def delete_function(tx: Tx, ref: FunctionRef) -> None:
    """A function with its versions, aliases and policies; its code is dropped by `drop_unused_code`."""
    for table in (functions, function_versions, function_aliases, function_policies):
        documents.remove(tx, table, **_keys(ref))
    documents.remove(tx, function_code_uses, **_keys(ref), kind="function")
    _changed(tx, ref)


def list_functions(
    tx: Tx, account: str, region: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    return documents.page(tx, functions, "name", after=after, size=size, account=account, region=region)


def all_functions(tx: Tx) -> Sequence[FunctionRef]:
    rows = tx.sql.execute(select(functions.c.account, functions.c.region, functions.c.name))
    return [FunctionRef(row[0], row[1], row[2], None) for row in rows]


# Environment variables


def find_environment(tx: Tx, ref: FunctionRef, version: str) -> bytes | None:
    """The sealed variables of `$LATEST` or of a version; None when none were ever set."""
    table, keys = _environment_row(ref, version)
    return tx.sql.execute(select(table.c.environment).filter_by(**keys)).scalar()


def put_environment(tx: Tx, ref: FunctionRef, version: str, sealed: bytes | None) -> None:
    table, keys = _environment_row(ref, version)
    tx.sql.execute(update(table).filter_by(**keys).values(environment=sealed))
    _changed(tx, ref)


def _environment_row(ref: FunctionRef, version: str) -> tuple[Any, dict[str, Any]]:
    if version == "$LATEST":
        return functions, _keys(ref)
    return function_versions, {**_keys(ref), "version": version}


# Versions, aliases


def find_version(tx: Tx, ref: FunctionRef, version: str) -> Document | None:
    return documents.find(tx, function_versions, **_keys(ref), version=version)


def put_version(tx: Tx, ref: FunctionRef, version: str, document: Document) -> None:
    documents.put(tx, function_versions, document, **_keys(ref), version=version)
    _put_uses(tx, _keys(ref), "function", version, _packages(document))
    _changed(tx, ref)


def delete_version(tx: Tx, ref: FunctionRef, version: str) -> None:
    documents.remove(tx, function_versions, **_keys(ref), version=version)
    documents.remove(tx, function_policies, **_keys(ref), qualifier=version)
    _put_uses(tx, _keys(ref), "function", version, set())
    _changed(tx, ref)


def list_versions(tx: Tx, ref: FunctionRef) -> Sequence[tuple[str, Document]]:
    """In ascending order of version numbers."""
    rows = documents.page(tx, function_versions, "version", **_keys(ref))
    return sorted(rows, key=lambda row: int(row[0]))


def find_alias(tx: Tx, ref: FunctionRef, alias: str) -> Document | None:
    return documents.find(tx, function_aliases, **_keys(ref), alias=alias)


def put_alias(tx: Tx, ref: FunctionRef, alias: str, document: Document) -> None:
    documents.put(tx, function_aliases, document, **_keys(ref), alias=alias)
    _changed(tx, ref)


def delete_alias(tx: Tx, ref: FunctionRef, alias: str) -> None:
    documents.remove(tx, function_aliases, **_keys(ref), alias=alias)
    documents.remove(tx, function_policies, **_keys(ref), qualifier=alias)
    _changed(tx, ref)


def list_aliases(tx: Tx, ref: FunctionRef) -> Sequence[tuple[str, Document]]:
    return documents.page(tx, function_aliases, "alias", **_keys(ref))


# Policies


def find_policy(tx: Tx, ref: FunctionRef, qualifier: str | None) -> Document | None:
    return documents.find(tx, function_policies, **_keys(ref), qualifier=qualifier or "")


def put_policy(tx: Tx, ref: FunctionRef, qualifier: str | None, document: Document) -> None:
    documents.put(tx, function_policies, document, **_keys(ref), qualifier=qualifier or "")
    _changed(tx, ref)


def delete_policy(tx: Tx, ref: FunctionRef, qualifier: str | None) -> None:
    documents.remove(tx, function_policies, **_keys(ref), qualifier=qualifier or "")
    _changed(tx, ref)


def list_policies(tx: Tx, ref: FunctionRef) -> Sequence[tuple[str, Document]]:
    """(qualifier, document); "" is the function itself."""
    return documents.page(tx, function_policies, "qualifier", **_keys(ref))


# Code


def put_code(tx: Tx, sha256: str, packed: bytes) -> None:
    known = tx.sql.execute(select(function_code.c.sha256).where(function_code.c.sha256 == sha256)).first()
    if known is None:
        tx.sql.execute(insert(function_code).values(sha256=sha256, size_bytes=len(packed), zip=packed))


def find_code(tx: Tx, sha256: str) -> bytes | None:
    return tx.sql.execute(select(function_code.c.zip).where(function_code.c.sha256 == sha256)).scalar()


def all_code(tx: Tx) -> set[str]:
    """The digests of all packages."""
    return set(tx.sql.execute(select(function_code.c.sha256)).scalars())


def all_layers(tx: Tx) -> set[tuple[str, ...]]:
    """The digests of layers, in their order, of every version of every function that has some."""
    documents = [row[0]["Configuration"] for row in tx.sql.execute(select(functions.c.document))]
    documents += [row[0] for row in tx.sql.execute(select(function_versions.c.document))]
    return {_layers(document) for document in documents if document.get("Layers")}


def drop_unused_code(tx: Tx, sha256: str) -> None:
    """Forget a package that no version of a function or layer uses any more."""
    unused = ~exists().where(function_code_uses.c.sha256 == sha256)
    tx.sql.execute(delete(function_code).where(function_code.c.sha256 == sha256, unused))


def _put_uses(tx: Tx, keys: dict[str, Any], kind: str, version: str, digests: set[str]) -> None:
    row = {**keys, "kind": kind, "version": version}
    documents.remove(tx, function_code_uses, **row)
    for digest in sorted(digests):
        tx.sql.execute(insert(function_code_uses).values(**row, sha256=digest))


# Layers


def find_layer(tx: Tx, account: str, region: str, name: str, version: int) -> Document | None:
    """One version of a layer; None also when it was deleted."""
    found = documents.find(tx, function_layers, account=account, region=region, name=name, version=version)
    return None if found is None or found.get("Deleted") else found


def put_layer(tx: Tx, account: str, region: str, name: str, version: int, document: Document) -> None:
    keys: dict[str, Any] = {"account": account, "region": region, "name": name}
    documents.put(tx, function_layers, document, **keys, version=version)
    _put_uses(tx, keys, "layer", str(version), {code_digest(document["Content"]["CodeSha256"])})


def delete_layer(tx: Tx, account: str, region: str, name: str, version: int) -> None:
    """Its number is not given again; functions that have the layer keep its package."""
    keys: dict[str, Any] = {"account": account, "region": region, "name": name}
    documents.put(tx, function_layers, {"Deleted": True}, **keys, version=version)
    _put_uses(tx, keys, "layer", str(version), set())


def newest_layer(tx: Tx, account: str, region: str, name: str) -> int:
    """The highest version number ever given; 0 for none."""
    row = function_layers.c
    query = select(func.max(row.version)).where(row.account == account, row.region == region, row.name == name)
    return int(tx.sql.execute(query).scalar() or 0)


def list_layers(tx: Tx, account: str, region: str, name: str | None = None) -> Sequence[tuple[str, int, Document]]:
    """(name, version, document) by name, newest first; deleted ones are left out. name: of one layer."""
    row = function_layers.c
    query = select(row.name, row.version, row.document).where(row.account == account, row.region == region)
    if name is not None:
        query = query.where(row.name == name)
    found = tx.sql.execute(query.order_by(row.name, row.version.desc()))
    return [(each[0], each[1], each[2]) for each in found if not each[2].get("Deleted")]


# Asynchronous invocations


def put_async(tx: Tx, request_id: str, function_arn: str, payload: bytes, now: float) -> None:
    tx.sql.execute(
        insert(async_invocations).values(
            request_id=request_id, function_arn=function_arn, payload=payload, accepted_at=now, next_try_at=now, tries=0
        )
    )


def due_async(tx: Tx, now: float, size: int) -> Sequence[tuple[str, str, float, int]]:
    """(request id, function ARN, accepted at, tries so far) of what is due, oldest first."""
    row = async_invocations.c
    query = (
        select(row.request_id, row.function_arn, row.accepted_at, row.tries)
        .where(row.next_try_at <= now)
        .order_by(row.next_try_at)
        .limit(size)
    )
    return [(row[0], row[1], row[2], row[3]) for row in tx.sql.execute(query)]


def find_async_payload(tx: Tx, request_id: str) -> bytes | None:
    row = async_invocations.c
    return tx.sql.execute(select(row.payload).where(row.request_id == request_id)).scalar()


def claim_async(tx: Tx, request_id: str, next_try_at: float, tries: int) -> bool:
    """Claim an invocation for its try number `tries`; False when it is gone, or another process was faster."""
    changed = tx.sql.execute(
        update(async_invocations)
        .where(async_invocations.c.request_id == request_id, async_invocations.c.tries == tries - 1)
        .values(next_try_at=next_try_at, tries=tries)
    )
    return changed.rowcount > 0


def give_back_async(tx: Tx, request_id: str, next_try_at: float, tries: int) -> None:
    """Undo the claim for try number `tries`."""
    row = async_invocations.c
    tx.sql.execute(
        update(async_invocations)
        .where(row.request_id == request_id, row.tries == tries)
        .values(next_try_at=next_try_at, tries=tries - 1)
    )


def put_off_async(tx: Tx, request_id: str, next_try_at: float, tries: int) -> None:
    """Give a claimed invocation back for later."""
    tx.sql.execute(
        update(async_invocations)
        .where(async_invocations.c.request_id == request_id)
        .values(next_try_at=next_try_at, tries=tries)
    )


def delete_async(tx: Tx, request_id: str) -> None:
    tx.sql.execute(delete(async_invocations).where(async_invocations.c.request_id == request_id))
