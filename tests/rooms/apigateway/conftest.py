"""A client of the control plane, and one API."""

import pytest

from tests.rooms.apigateway.driver import Api, Client


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def api(client: Client) -> Api:
    return Api(client)
