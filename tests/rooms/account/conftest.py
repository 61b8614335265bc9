"""A control role in development mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.aws.plane import Plane


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    made = Plane(tmp_path)
    yield made
    made.close()
