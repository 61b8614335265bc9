"""Running, comparing and drafting revisions: the part that imports Alembic, for short-lived processes and tests."""

import re
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate import api as autogenerate
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine

from scopegate.store.migrations import HERE, VERSION_TABLE
from scopegate.store.tables import TEXT, metadata


def upgrade(engine: Engine, versions: Path = HERE / "versions") -> None:
    """Run what is missing, all or nothing. engine: `open.migration_engine`, which shuts other nodes out."""
    with engine.begin() as connection:
        command.upgrade(_config(connection, versions), "head")


def differences(connection: Connection) -> list[Any]:
    """What `tables.py` has otherwise than this database, in Alembic's words."""
    return list(autogenerate.compare_metadata(_context(connection), metadata))


def draft(connection: Connection) -> str:
    """The body of a revision that brings this database to `tables.py`."""
    script = autogenerate.produce_migrations(_context(connection), metadata)
    assert script.upgrade_ops is not None
    body = autogenerate.render_python_code(script.upgrade_ops, render_item=_render_item)
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"op\.f\(('[^']*')\)", r"\1", "\n".join(lines)).strip()


def _config(connection: Connection, versions: Path) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    return config


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": metadata}
    )


def _render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    return "TEXT" if kind == "type" and type(item) is type(TEXT) else False
