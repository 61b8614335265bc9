import pytest

from tests.rooms.userpools.driver import World


@pytest.fixture
def world() -> World:
    """One pool with the scopes `orders/read` and `orders/write`, and one machine client that may have both."""
    made = World()
    made.client(made.pool())
    return made
