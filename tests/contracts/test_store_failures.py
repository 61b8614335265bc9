"""When the database fails: a clear StoreUnavailable, nothing half-written, and service again once it is back."""

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from scopegate.base.settings import Settings
from scopegate.store.open import prepare
from scopegate.store.port import StoreUnavailable, Tx
from tests.contracts.store_driver import Driver, count, names, opened, pipe, process, putting
from tests.postgres import Postgres, running_postgres

NOBODY = 65534


def in_another_process(work: Callable[..., None], *arguments: Any) -> Any:
    """What `work` sends through the pipe that it gets as its last argument."""
    receiving, sending = pipe()
    worker = process(work, *arguments, sending)
    sending.close()
    try:
        return receiving.recv()
    finally:
        worker.join()


# SQLite


@pytest.fixture
def sqlite(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "data")
    prepare(settings)
    return settings


def fill_the_disk(settings: Settings, answer: Pipe) -> None:
    """The limit on file sizes stands for the full disk: the operating system refuses the write in the same place."""
    with opened(settings) as driver:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        acknowledged = []
        refusal = ""
        for number in range(500):
            try:
                driver.write(putting(f"role-{number:03}", {"filler": "x" * 10_000}))
            except StoreUnavailable as error:
                refusal = str(error)
                break
            acknowledged.append(f"role-{number:03}")
        kept_while_full = driver.read(names)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        driver.write(putting("role-again"))
        answer.send((acknowledged, refusal, kept_while_full, driver.read(names)))


def test_a_full_disk_refuses_writes_and_keeps_what_was_acknowledged(sqlite: Settings) -> None:
    acknowledged, refusal, kept_while_full, kept = in_another_process(fill_the_disk, sqlite)

    assert 0 < len(acknowledged) < 500
    assert "disk" in refusal
    assert kept_while_full == acknowledged
    assert kept == [*acknowledged, "role-again"]


def read_and_write_without_rights(settings: Settings, answer: Pipe) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    with opened(settings) as driver:
        found = driver.read(names)
        try:
            driver.write(putting("sneaked"))
        except StoreUnavailable as error:
            answer.send((found, str(error)))


def test_a_file_without_the_right_to_write_is_read_and_refuses_writes() -> None:
    # pytest's own folder is shut to other users, who stand in for those without rights when this is root.
    folder = Path(tempfile.mkdtemp())
    settings = Settings(data_dir=folder / "data")
    try:
        prepare(settings)
        with opened(settings) as driver:
            driver.write(putting("role"))
            for path in (folder, folder / "data"):
                path.chmod(0o755)
            for path in (folder / "data").iterdir():
                path.chmod(0o444)

            found, refusal = in_another_process(read_and_write_without_rights, settings)
    finally:
        shutil.rmtree(folder)

    assert found == ["role"]
    assert "readonly" in refusal


def test_a_file_that_is_gone_serves_nothing_until_it_is_back(sqlite: Settings) -> None:
    """The open file would still answer, and forget every write at the next start."""
    path = sqlite.data_dir / "scopegate.db"
    with opened(sqlite) as driver:
        driver.write(putting("before"))
        number = driver.run(driver.store.last_change())
        assert driver.run(driver.store.wait_for_change(number, 0.01)) is False

        path.rename(path.with_name("elsewhere.db"))
        with pytest.raises(StoreUnavailable):
            driver.write(putting("lost"))
        with pytest.raises(StoreUnavailable):
            driver.read(count)
        with pytest.raises(StoreUnavailable):
            driver.run(driver.store.wait_for_change(number, 10))
        assert not path.exists(), "no empty database takes its place"
        path.with_name("elsewhere.db").rename(path)

        driver.write(putting("after"))
        assert driver.read(names) == ["after", "before"]
        assert driver.run(driver.store.wait_for_change(number, 10)) is True


def test_a_file_that_is_no_database_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "scopegate.db").write_bytes(b"not a database, but long enough to look like one " * 100)

    with opened(Settings(data_dir=tmp_path)) as driver, pytest.raises(StoreUnavailable, match="not a database"):
        driver.read(count)


# PostgreSQL


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def on_postgres(postgres: Postgres, tmp_path: Path) -> Iterator[Settings]:
    with postgres.database() as url:
        settings = Settings(data_dir=tmp_path, database=url)
        prepare(settings)
        yield settings


def test_a_server_that_is_gone_serves_nothing_until_it_is_back(own_postgres: Postgres, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database=own_postgres.url())
    prepare(settings)
    with opened(settings) as driver:
        driver.write(putting("before"))
        number = driver.run(driver.store.last_change())
        assert driver.run(driver.store.wait_for_change(number, 0.01)) is False

        own_postgres.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                driver.write(putting("lost"))
            with pytest.raises(StoreUnavailable):
                driver.read(count)
            with pytest.raises(StoreUnavailable):
                driver.run(driver.store.wait_for_change(number, 10))
        own_postgres.start()

        driver.write(putting("after"))
        assert driver.read(names) == ["after", "before"]
        assert driver.run(_wait_until_heard(driver, number)) is True


async def _wait_until_heard(driver: Driver, number: int) -> bool:
    """The watch looks again a quarter of a second after a failure, and each wait lasts to the next look."""
    for _ in range(20):
        with contextlib.suppress(StoreUnavailable):
            return await driver.store.wait_for_change(number, 10)
    return False


def test_a_wait_without_a_look_is_not_taken_for_silence(own_postgres: Postgres, tmp_path: Path) -> None:
    """The server's process hangs: nothing is refused, nothing answers."""
    with own_postgres.database() as url, opened(Settings(data_dir=tmp_path, database=url)) as driver:
        prepare(Settings(data_dir=tmp_path, database=url))
        number = driver.run(driver.store.last_change())
        assert driver.run(driver.store.wait_for_change(number, 0.5)) is False

        with own_postgres.hanging(), pytest.raises(StoreUnavailable, match="does not answer"):
            driver.run(driver.store.wait_for_change(number, 4))

        assert driver.run(driver.store.wait_for_change(number, 0.5)) is False


def test_connections_lost_while_idle_are_not_noticed(postgres: Postgres, on_postgres: Settings) -> None:
    with opened(on_postgres) as driver:
        driver.write(putting("before"))
        assert driver.read(count) == 1

        postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'scopegate_%'")

        assert driver.read(count) == 1
        driver.write(putting("after"))
        assert driver.read(count) == 2


def test_a_connection_lost_in_the_middle_runs_the_function_again(postgres: Postgres, on_postgres: Settings) -> None:
    runs = 0

    def interrupted(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        putting("role")(tx)
        if runs == 1:
            own = tx.sql.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgres.admin(f"SELECT pg_terminate_backend({own}, 5000)")
        assert count(tx) == 1

    with opened(on_postgres) as driver:
        driver.write(lambda _: None)
        driver.write(interrupted)

        assert (runs, driver.read(names), len(driver.changes())) == (2, ["role"], 1)


def test_a_database_that_is_shut_refuses_clearly(postgres: Postgres, on_postgres: Settings) -> None:
    with opened(on_postgres) as driver:
        driver.write(putting("before"))

        name = (on_postgres.database or "").split("/")[3].split("?")[0]
        postgres.admin(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'scopegate_%'")
        with pytest.raises(StoreUnavailable, match="not currently accepting connections"):
            driver.write(putting("refused"))
        postgres.admin(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        driver.write(putting("after"))
        assert driver.read(names) == ["after", "before"]


def test_a_standby_refuses_writes_clearly(postgres: Postgres, on_postgres: Settings) -> None:
    """A failover may have left us with one; here a session's default stands for it."""

    def write_to_standby(tx: Tx) -> None:
        tx.sql.execute(text("SET TRANSACTION READ ONLY"))
        putting("refused")(tx)

    with opened(on_postgres) as driver, pytest.raises(StoreUnavailable, match="read-only transaction"):
        driver.write(write_to_standby)


def test_commits_are_durable_even_where_the_administrator_relaxed_them(
    postgres: Postgres, on_postgres: Settings
) -> None:
    name = (on_postgres.database or "").split("/")[3].split("?")[0]
    postgres.admin(f"ALTER DATABASE {name} SET synchronous_commit = off")

    with opened(on_postgres) as driver:
        assert driver.write(lambda tx: tx.sql.execute(text("SHOW synchronous_commit")).scalar()).result == "on"
