"""Fixtures for every test: real databases."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scopegate.base.settings import Settings
from tests.postgres import Postgres, running_postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="Write golden files anew; read the diff.")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the session; each test has a database of its own in it."""
    with running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a new, empty database: the test runs once on each kind."""
    with ExitStack() as stack:
        database = None
        if request.param == "postgres":
            database = stack.enter_context(request.getfixturevalue("postgres").database())
        yield Settings(data_dir=tmp_path / "data", database=database)
