"""`scopegate keys`: admin keys of production mode. Opens the store itself: the first key must come from somewhere."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from scopegate.account import keys as account_keys
from scopegate.base import clock
from scopegate.base.errors import SetupError
from scopegate.base.settings import read_settings
from scopegate.store import open_migrated
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer

T = TypeVar("T")


def _write(flags: Mapping[str, Any], transaction: Callable[[Tx, Sealer], T]) -> T:
    settings = read_settings(flags)

    async def run() -> T:
        store, seal = await open_migrated(settings)
        try:
            return (await store.write(lambda tx: transaction(tx, seal))).result
        finally:
            await store.close()

    return asyncio.run(run())


def create(flags: Mapping[str, Any], name: str) -> None:
    key = _write(flags, lambda tx, seal: account_keys.create_key(tx, seal, user_name=name, now=clock.now()))
    print(f"AWS_ACCESS_KEY_ID={key.access_key_id}")
    print(f"AWS_SECRET_ACCESS_KEY={key.secret.decode()}")


def list_all(flags: Mapping[str, Any]) -> None:
    found = _write(flags, lambda tx, _: account_keys.list_keys(tx))
    table = Table("KEY", "NAME", "STATUS", box=None, pad_edge=False)
    for key in found:
        table.add_row(key.access_key_id, key.user_name, key.status)
    Console().print(table)


def revoke(flags: Mapping[str, Any], access_key_id: str) -> None:
    if not _write(flags, lambda tx, _: account_keys.revoke_key(tx, access_key_id)):
        raise SetupError(f"There is no admin key {access_key_id}; list them with: scopegate keys list")
    print(f"{access_key_id} is revoked")
