"""The rules of the house: who may import what, how large a file may be, who touches sockets, SQL, time and chance."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "scopegate"
MODULES = sorted(SOURCE.rglob("*.py"))
BOOTSTRAPS = {path for path in MODULES if path.name.startswith("bootstrap")}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def importers_of(*roots: str) -> set[str]:
    found = (path for path in MODULES if path not in BOOTSTRAPS)
    return {
        path.relative_to(SOURCE).as_posix()
        for path in found
        if any(name.split(".")[0] in roots or name in roots for name in imported(path))
    }


def test_imports_point_down() -> None:
    """Design, "Layering"."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_file_has_a_purpose_and_a_size(path: Path) -> None:
    text = path.read_text()

    assert len(text.splitlines()) <= 800
    assert not text or ast.get_docstring(ast.parse(text)), "a module says what it is for"


def test_only_queries_and_the_store_speak_sql() -> None:
    assert {
        name
        for name in importers_of("sqlalchemy", "sqlite3", "psycopg", "alembic")
        if not name.startswith("store/") and not name.endswith("/queries.py")
    } == set()


def test_only_the_aws_room_knows_botocore() -> None:
    """SAM's translator needs a boto3 session; it runs in a child of its own."""
    assert {name for name in importers_of("botocore", "boto3") if not name.startswith("aws/")} <= {"stacks/sam.py"}


def test_only_the_rim_opens_sockets() -> None:
    allowed = {"functions/environment.py", "server/processes.py"}
    assert {name for name in importers_of("socket") if not name.startswith("http/")} <= allowed


def test_only_the_clock_reads_time_and_chance() -> None:
    assert importers_of("time", "random", "secrets", "uuid") == {"base/clock.py"}
