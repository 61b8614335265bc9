"""A server, a client of its control plane, and one pool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.userpools_operations.driver import Client, Pool, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server)


@pytest.fixture
def pool(client: Client) -> Pool:
    return Pool(client)
