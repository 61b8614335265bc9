"""`kill -9` of a whole server right after acknowledged changes loses nothing: through AWS operations, many times.

Source: design, "State is of two kinds"; attack row U3.
"""

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.operators import wait_until
from tests.server import Server, make_pool

WRITERS = 4


class Writer(threading.Thread):
    """Makes clients, resource servers and APIs until its server dies; remembers what was acknowledged, and no more."""

    def __init__(self, idp: Any, gateway: Any, pool_id: str, number: int) -> None:
        super().__init__(daemon=True)
        self.idp, self.gateway, self.pool_id, self.number = idp, gateway, pool_id, number
        self.clients: list[dict[str, Any]] = []
        self.identifiers: set[str] = set()
        self.api_ids: set[str] = set()
        self.deleted: set[str] = set()

    def run(self) -> None:
        idp, gateway = self.idp, self.gateway
        try:
            for turn in range(10_000):
                made = idp.create_user_pool_client(
                    UserPoolId=self.pool_id,
                    ClientName=f"w{self.number}-{turn}",
                    GenerateSecret=True,
                    AllowedOAuthFlows=["client_credentials"],
                    AllowedOAuthScopes=["orders/read"],
                    AllowedOAuthFlowsUserPoolClient=True,
                )
                self.clients.append(made["UserPoolClient"])
                identifier = f"w{self.number}-{turn}"
                idp.create_resource_server(UserPoolId=self.pool_id, Identifier=identifier, Name=identifier)
                self.identifiers.add(identifier)
                self.api_ids.add(gateway.create_api(Name=identifier, ProtocolType="HTTP")["ApiId"])
                if turn % 2:
                    victim = self.clients[-2]
                    self.clients.remove(victim)  # whether or not the answer comes, it may be gone
                    idp.delete_user_pool_client(UserPoolId=self.pool_id, ClientId=victim["ClientId"])
                    self.deleted.add(victim["ClientId"])
        except (BotoCoreError, ClientError, OSError):
            return


@pytest.mark.parametrize(
    ("database", "workers", "rounds"),
    [("sqlite", (), 3), ("sqlite", ("--workers", "2"), 2), ("postgres", (), 2)],
    ids=["sqlite", "sqlite-workers", "postgres"],
)
def test_u3_kill_9_right_after_acknowledged_changes_loses_nothing(
    start_server: Callable[..., Server],
    request: pytest.FixtureRequest,
    database: str,
    workers: tuple[str, ...],
    rounds: int,
) -> None:
    with ExitStack() as stack:
        where: tuple[str, ...] = ()
        if database == "postgres":
            where = ("--database", stack.enter_context(request.getfixturevalue("postgres").database()))
        server = start_server("serve", "--dev", *workers, *where)
        pool_id = make_pool(server).pool_id
        clients: list[dict[str, Any]] = []
        identifiers, api_ids, deleted = {"orders"}, set[str](), set[str]()
        idp, gateway = server.aws("cognito-idp"), server.aws("apigatewayv2")
        for number in range(rounds):
            writers = [Writer(idp, gateway, pool_id, number * WRITERS + each) for each in range(WRITERS)]
            for writer in writers:
                writer.start()
            enough = random.randint(6, 16)
            wait_until(
                lambda writers=writers, enough=enough: (  # type: ignore[misc]
                    sum(len(writer.api_ids) for writer in writers) >= enough
                    and any(writer.deleted for writer in writers)
                )
            )
            server.kill()
            for writer in writers:
                writer.join(30)
            clients += [client for writer in writers for client in writer.clients]
            identifiers |= {identifier for writer in writers for identifier in writer.identifiers}
            api_ids |= {api_id for writer in writers for api_id in writer.api_ids}
            deleted |= {client_id for writer in writers for client_id in writer.deleted}

            server = start_server("serve", "--dev", *workers, *where)

            idp, gateway = server.aws("cognito-idp"), server.aws("apigatewayv2")
            found = set()
            for page in idp.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool_id, MaxResults=60):
                found |= {client["ClientId"] for client in page["UserPoolClients"]}
            assert {client["ClientId"] for client in clients} <= found
            assert deleted.isdisjoint(found)
            listed = set()
            for page in idp.get_paginator("list_resource_servers").paginate(UserPoolId=pool_id, MaxResults=50):
                listed |= {each["Identifier"] for each in page["ResourceServers"]}
            assert identifiers <= listed
            assert api_ids <= {
                api["ApiId"] for page in gateway.get_paginator("get_apis").paginate() for api in page["Items"]
            }
            newest = clients[-1]
            assert server.token(newest).status_code == 200, "a secret that was handed out is good for a token"
        assert server.stop() == 0
    assert len(clients) >= rounds * 3
    assert deleted
