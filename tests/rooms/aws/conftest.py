"""A control role in development mode, one in production mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.aws.plane import Plane


@pytest.fixture
def development(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(tmp_path, development=True)
    yield plane
    plane.close()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(tmp_path, development=False)
    yield plane
    plane.close()
