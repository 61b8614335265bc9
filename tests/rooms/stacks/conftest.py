"""A stack of the test's own on the server that all share; a server that is killed and comes back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.rooms.stacks.driver import Stack
from tests.server import Server


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Stack:
    return Stack(server, tmp_path / "app")


@pytest.fixture(params=["sqlite", "postgres"])
def restart(
    request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Server]
) -> Iterator[Callable[[], Server]]:
    """Starts the server, again and again on the same data."""
    with ExitStack() as closing:
        arguments = ["serve", "--dev"]
        if request.param == "postgres":
            postgres: Postgres = request.getfixturevalue("postgres")
            arguments += ["--database", closing.enter_context(postgres.database())]
        yield lambda: start_server(*arguments, data_dir=tmp_path / "data")
