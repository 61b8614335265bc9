"""A server and a client of its control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.functions_operations.driver import Client, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server)
