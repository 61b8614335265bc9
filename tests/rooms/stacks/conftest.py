"""A stack of the test's own on the server that all share."""

from pathlib import Path

import pytest

from tests.rooms.stacks.driver import Stack
from tests.server import Server


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Stack:
    return Stack(server, tmp_path / "app")
