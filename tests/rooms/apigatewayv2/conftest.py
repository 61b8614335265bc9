"""A client of the control plane of HTTP APIs, and one API."""

import pytest

from tests.rooms.apigateway.driver import Client
from tests.rooms.apigatewayv2.driver import HttpApi, http_client


@pytest.fixture
def client() -> Client:
    return http_client()


@pytest.fixture
def api(client: Client) -> HttpApi:
    return HttpApi(client)
