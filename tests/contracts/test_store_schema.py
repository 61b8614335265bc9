"""The schema: the same by either way of making it, never half changed, refused when it is newer than the code."""

import asyncio
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.store import open_migrated
from scopegate.store.migrations import HERE, VERSION_TABLE, revisions, run
from scopegate.store.open import (
    create_schema,
    find_place,
    find_revision,
    make_file,
    migration_engine,
    prepare,
    upgrade_in_child,
)
from scopegate.store.tables import metadata
from tests.contracts.store_driver import count, opened, pipe, process, putting

BROKEN = """
from alembic import op
import sqlalchemy as sa
revision = "9999"
down_revision = "{before}"
def upgrade():
    op.create_table("half_made", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("DELETE FROM iam_entities")
    op.execute("SELECT * FROM no_such_table")
"""


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """On an empty database."""
    place = find_place(settings)
    if place.path is not None:
        make_file(place.path)
    engine = migration_engine(place)
    yield engine
    engine.dispose()


def describe(engine: Engine) -> dict[str, Any]:
    """Everything that the database says of its tables."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'"))
            # The order of clauses inside CREATE TABLE is the maker's; the clauses are not.
            return {row[0]: sorted(clause.strip(" ,") for clause in (row[1] or "").splitlines()) for row in rows}
        columns = connection.execute(
            text(
                "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name, "
                "is_identity FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
            )
        ).fetchall()
        indexes = connection.execute(
            text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
        ).fetchall()
        constraints = connection.execute(
            text(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace"
            )
        ).fetchall()
        constraints = sorted((row[0], row[1]) for row in constraints if VERSION_TABLE not in row[0])
        return {
            "columns": [tuple(row) for row in columns if row[0] != VERSION_TABLE],
            "indexes": [tuple(row) for row in indexes if VERSION_TABLE not in row[0]],
            "constraints": constraints,
        }


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def test_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    """On drift: `python -m scopegate.store.migrations` says what to do."""
    with engine.begin() as connection:
        create_schema(connection)
    made_at_once = describe(engine)
    clear(engine)

    run.upgrade(engine)

    assert describe(engine) == made_at_once
    with engine.begin() as connection:
        assert run.differences(connection) == []
        assert find_revision(connection) == revisions()[-1]


def test_a_failed_migration_leaves_the_old_schema_and_every_row(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    prepare(settings)
    with opened(settings) as driver:
        driver.write(putting("role"))
    before = describe(engine)
    versions = tmp_path / "versions"
    shutil.copytree(HERE / "versions", versions, ignore=shutil.ignore_patterns("__pycache__"))
    (versions / "9999_broken.py").write_text(BROKEN.format(before=revisions()[-1]))

    with pytest.raises(Exception, match="no_such_table"):
        run.upgrade(engine, versions)

    assert describe(engine) == before
    with engine.begin() as connection:
        assert find_revision(connection) == revisions()[-1]
    with opened(settings) as driver:
        assert driver.read(count) == 1


def test_an_older_schema_is_migrated_in_a_child(engine: Engine, settings: Settings) -> None:
    """An empty database is as old as can be."""
    upgrade_in_child(find_place(settings))

    prepare(settings)
    with opened(settings) as driver:
        assert driver.read(count) == 0


def test_a_migration_that_fails_in_the_child_is_said(engine: Engine, settings: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE user_pools (in_the_way INTEGER)"))

    with pytest.raises(SetupError, match=r"migrating .* failed and was undone: .*user_pools.* already exists"):
        upgrade_in_child(find_place(settings))

    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["user_pools"]


def test_any_folder_name_will_do(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a b%20c?d=e#f:ż")
    place = find_place(settings)
    assert place.path is not None
    make_file(place.path)

    upgrade_in_child(place)

    prepare(settings)
    assert {path.name for path in settings.data_dir.iterdir()} >= {"scopegate.db", "master.key"}


def test_a_database_newer_than_the_code_is_refused(settings: Settings, engine: Engine) -> None:
    prepare(settings)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(SetupError, match=r"schema 9999, made by a newer Scopegate"):
        prepare(settings)


def start(settings: Settings, answer: Any) -> None:
    answer.send(prepare(settings).key_id)


def test_nodes_that_start_together_agree(settings: Settings) -> None:
    """One makes the schema and the key, the others find them."""
    receiving, sending = pipe()
    nodes = [process(start, settings, sending) for _ in range(4)]
    sending.close()

    keys = {receiving.recv() for _ in nodes}
    for node in nodes:
        node.join()

    assert len(keys) == 1
    assert [node.exitcode for node in nodes] == [0] * 4


def test_a_start_does_not_keep_alembic_in_memory(settings: Settings) -> None:
    """It is 12 MB and 0.3 s that only an older schema has to pay, in a child."""
    script = (
        "import sys, pathlib; from scopegate.base.settings import Settings; from scopegate.store.open import prepare;"
        "settings = Settings(data_dir=pathlib.Path(sys.argv[1]), database=sys.argv[2] or None);"
        "prepare(settings); prepare(settings); sys.exit('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, settings.data_dir, settings.database or ""], check=False)

    assert done.returncode == 0


def test_the_first_start_makes_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")

    prepare(settings)
    with opened(settings) as driver:
        driver.write(putting("role"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()}

    assert modes == dict.fromkeys(("scopegate.db", "scopegate.db-wal", "scopegate.db-shm", "master.key"), 0o600)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


def test_a_named_file_is_used(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", database=f"sqlite:///{tmp_path}/named.db")

    store, _ = asyncio.run(open_migrated(settings))

    assert (tmp_path / "named.db").exists()
    assert str(tmp_path / "named.db") in repr(store)


@pytest.mark.parametrize(
    "database",
    ["mysql://u:hunter2@h/d", "sqlite://", "sqlite:///", "nonsense hunter2", "sqlite://host/path", "/a/path"],
)
def test_a_database_setting_that_cannot_be_used_is_refused(tmp_path: Path, database: str) -> None:
    with pytest.raises(SetupError, match="--database must be") as caught:
        prepare(Settings(data_dir=tmp_path, database=database))

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "database",
    ["postgresql://me:hunter2@127.0.0.1:1/nowhere", "postgres://me:hunter2@127.0.0.1:1/nowhere"],
)
def test_a_postgresql_that_is_not_there_is_said_without_its_password(tmp_path: Path, database: str) -> None:
    with pytest.raises(SetupError, match="cannot use the database") as caught:
        prepare(Settings(data_dir=tmp_path, database=database))

    assert "hunter2" not in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SetupError, match="--data-dir"):
        prepare(Settings(data_dir=tmp_path / "file" / "data"))


def test_every_table_has_a_name_for_each_of_its_constraints() -> None:
    """A later revision must be able to name what it changes, on every database."""
    from scopegate.store.tables import metadata as tables

    assert [
        (table.name, constraint)
        for table in tables.tables.values()
        for constraint in (*table.constraints, *table.indexes)
        if constraint.name is None
    ] == []


def test_text_columns_are_of_the_one_text_type() -> None:
    """Others would sort by the database's collation, or be cut at a length that only PostgreSQL knows."""
    from sqlalchemy import String

    assert [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, String)
    ] == []


def test_the_inspector_finds_every_table(settings: Settings, engine: Engine) -> None:
    prepare(settings)

    with engine.begin() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}
