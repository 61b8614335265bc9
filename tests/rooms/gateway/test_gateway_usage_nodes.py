"""Usage plans on two nodes of one PostgreSQL: counted together, and what goes on when the database is gone.

Source: design, "Static stability"; attack rows G21, U3.
"""

import base64
import os
from collections.abc import Iterator

import pytest

from tests.operators import wait_until
from tests.postgres import Postgres
from tests.rooms.gateway.test_gateway_usage import Planned
from tests.server import Server, start


@pytest.fixture(scope="module")
def nodes(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    environment = {"SCOPEGATE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}
    with postgres.database() as database:
        arguments = ("serve", "--dev", "--database", database)
        one = start((*arguments, "--workers", "1"), tmp_path_factory.mktemp("one"), environment)
        other = start(arguments, tmp_path_factory.mktemp("other"), environment)
        yield one, other
        assert (one.stop(), other.stop()) == (0, 0)


def at(planned: Planned, node: Server, key: str) -> int:
    planned.rest.server = node
    return planned.call(key).status


def test_nodes_count_together(nodes: tuple[Server, Server]) -> None:
    """What one counted, the other knows from a key's first call on."""
    one, other = nodes
    planned = Planned(one, quota={"limit": 3, "period": "DAY"})
    key_id, value = planned.key()

    first = [at(planned, one, value) for _ in range(3)]
    assert wait_until(lambda: planned.usage(key_id) == [[3, 0]])

    assert first == [200, 200, 200]
    assert wait_until(lambda: at(planned, other, value) != 403 and at(planned, other, value)) == 429
    assert at(planned, one, value) == 429


def test_u3_without_the_database_keys_go_on_and_are_counted_later(
    nodes: tuple[Server, Server], postgres: Postgres
) -> None:
    """Nobody waits for it, and a quota ends calls as far as a node knows."""
    one, _ = nodes
    planned = Planned(one, quota={"limit": 5, "period": "DAY"})
    (known_id, known), (fresh_id, fresh) = planned.key(), planned.key()
    before = at(planned, one, known)
    assert wait_until(lambda: planned.usage(known_id) == [[1, 4]])

    postgres.stop()
    try:
        during = [at(planned, one, key) for key in (known, fresh, known, known)]
        more = [at(planned, one, known) for _ in range(4)]
    finally:
        postgres.start()

    assert (before, during, more) == (200, [200] * 4, [200, 429, 429, 429])
    assert wait_until(lambda: planned.usage(known_id) == [[5, 0]] and planned.usage(fresh_id) == [[1, 4]])
