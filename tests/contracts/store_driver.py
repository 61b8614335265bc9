"""What the stores' tests share: a store to call without `await`, some transactions, processes that write."""

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkServerProcess
from typing import Any, TypeVar

from sqlalchemy import func, select

from scopegate.base.settings import Settings
from scopegate.store import documents, open_store
from scopegate.store.port import Change, Store, Tx, Written
from scopegate.store.tables import iam_entities

T = TypeVar("T")

# Forks of a process that has the imports behind it: a writer starts in milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "scopegate.store.postgres"])


class Driver:
    """One store on a loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self.runner = asyncio.Runner()
        self.store: Store = open_store(settings)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def write(self, transaction: Callable[[Tx], T]) -> Written[T]:
        return self.run(self.store.write(transaction))

    def read(self, transaction: Callable[[Tx], T]) -> T:
        return self.run(self.store.read(transaction))

    def changes(self, since: int = 0) -> Sequence[Change]:
        return self.run(self.store.changes(since))

    def close(self) -> None:
        self.run(self.store.close())
        self.runner.close()


@contextmanager
def opened(settings: Settings) -> Iterator[Driver]:
    driver = Driver(settings)
    try:
        yield driver
    finally:
        driver.close()


def putting(name: str, document: dict[str, Any] | None = None) -> Callable[[Tx], None]:
    def put(tx: Tx) -> None:
        documents.put(tx, iam_entities, document or {}, account="1", kind="role", name=name)
        tx.changed("role", name)

    return put


def find(tx: Tx, name: str) -> dict[str, Any] | None:
    return documents.find(tx, iam_entities, account="1", kind="role", name=name)


def names(tx: Tx) -> list[str]:
    return [name for name, _ in documents.page(tx, iam_entities, "name", account="1", kind="role")]


def count(tx: Tx) -> int:
    return tx.sql.execute(select(func.count()).select_from(iam_entities)).scalar_one()


def add_one(name: str) -> Callable[[Tx], int]:
    """Read, add, write: what goes wrong when transactions do not exclude each other."""

    def add(tx: Tx) -> int:
        value = (find(tx, name) or {"value": 0})["value"] + 1
        putting(name, {"value": value})(tx)
        return int(value)

    return add


def process(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Start `work` in another process."""
    started = _processes.Process(target=work, args=arguments, daemon=True)
    started.start()
    return started


def pipe() -> tuple[Pipe, Pipe]:
    """(receiving end, sending end)"""
    receiving, sending = _processes.Pipe(duplex=False)
    return receiving, sending


def write_and_say(settings: Settings, prefix: str, said: Pipe) -> None:
    """Write one row after the other for ever; say each name once its write is acknowledged."""
    with opened(settings) as driver:
        number = 0
        while True:
            driver.write(putting(f"{prefix}-{number}", {"filler": "x" * 500}))
            said.send(f"{prefix}-{number}")
            number += 1


def add_many(settings: Settings, name: str, times: int) -> None:
    with opened(settings) as driver:
        for _ in range(times):
            driver.write(add_one(name))


def put_many(settings: Settings, prefix: str, times: int) -> None:
    with opened(settings) as driver:
        for number in range(times):
            driver.write(putting(f"{prefix}-{number}"))
