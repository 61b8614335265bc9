"""Two nodes on one PostgreSQL: each sees the other's changes at once; what goes on when the database is gone.

Source: design, "Roles", "Static stability"; attack rows U3, G22, O24.
"""

import base64
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.operators import role_processes, scopegate, wait_until
from tests.postgres import Postgres
from tests.server import Pool, Server, make_pool, start

AT_ONCE_S = 1.0  # the bound between nodes


@dataclass(frozen=True)
class Nodes:
    """One node with an edge of its own, one in one process: as different as nodes get."""

    one: Server
    other: Server
    database: str
    master_key: str


@pytest.fixture(scope="module")
def nodes(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    master_key = base64.b64encode(os.urandom(32)).decode()
    environment = {"SCOPEGATE_MASTER_KEY": master_key}
    with postgres.database() as database:
        arguments = ("serve", "--dev", "--database", database)
        one = start((*arguments, "--workers", "1"), tmp_path_factory.mktemp("one"), environment)
        other = start(arguments, tmp_path_factory.mktemp("other"), environment)
        yield Nodes(one, other, database, master_key)
        assert (one.stop(), other.stop()) == (0, 0)


def test_a_client_made_at_one_node_has_tokens_at_the_other(nodes: Nodes) -> None:
    """And no more once it is deleted: in both directions, with the same keys (attack G22)."""
    pool = make_pool(nodes.one)
    for here, there in ((nodes.one, nodes.other), (nodes.other, nodes.one)):
        pool_here = type(pool)(here, pool.pool_id, pool.domain)
        client = pool_here.client()

        wait_until(lambda there=there, client=client: there.token(client).status_code == 200, seconds=AT_ONCE_S)  # type: ignore[misc]
        jwks = [server.http("GET", f"/{pool.pool_id}/.well-known/jwks.json").json() for server in (here, there)]
        here.aws("cognito-idp").delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])

        wait_until(lambda there=there, client=client: there.token(client).status_code == 400, seconds=AT_ONCE_S)  # type: ignore[misc]
        assert jwks[0] == jwks[1]


class WebService(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), WebService)
    Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}/"
    service.shutdown()
    service.server_close()


def _guarded_api(pool: Pool, client: dict[str, Any], web: str) -> tuple[str, str]:
    """(id, path) of an HTTP API whose one route wants orders/read, before a web service."""
    api = pool.server.aws("apigatewayv2")
    api_id = api.create_api(Name="guarded", ProtocolType="HTTP")["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": pool.issuer, "Audience": [client["ClientId"]]},
    )["AuthorizerId"]
    integration = api.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri=web,
        PayloadFormatVersion="1.0",
    )["IntegrationId"]
    api.create_route(
        ApiId=api_id,
        RouteKey="GET /orders",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["orders/read"],
    )
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return api_id, f"/_aws/execute-api/{api_id}/orders"


def _call(server: Server, path: str, token: str) -> int:
    return server.http("GET", path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_an_api_made_at_one_node_is_called_at_the_other(nodes: Nodes, web: str) -> None:
    """A token of one node opens a route at the other; a route that is gone is gone there too."""
    pool = make_pool(nodes.one)
    client = pool.client("orders/read", "orders/write")
    api_id, path = _guarded_api(pool, client, web)
    token, poor = (
        nodes.one.token(client, scope=scope).json()["access_token"] for scope in ("orders/read", "orders/write")
    )

    wait_until(lambda: _call(nodes.other, path, token) == 200, seconds=AT_ONCE_S)
    assert _call(nodes.other, path, poor) == 403
    nodes.other.aws("apigatewayv2").delete_api(ApiId=api_id)
    wait_until(lambda: _call(nodes.one, path, token) == 403, seconds=AT_ONCE_S)


def test_the_runner_has_no_key_and_no_database_address(nodes: Nodes) -> None:
    """Neither in its environment nor in its memory; control, which needs both, is the counterpart."""
    runner, control = (role_processes(nodes.one, role)[0] for role in ("runner", "control"))
    hidden = [nodes.master_key.encode(), base64.b64decode(nodes.master_key), nodes.database.encode()]

    for process in (runner, control, *role_processes(nodes.one, "edge")):
        assert nodes.master_key not in str(process.environ())
    assert [secret in _memory(control) for secret in hidden] == [True] * 3
    assert [secret in _memory(runner) for secret in hidden] == [False] * 3


def _memory(process: psutil.Process) -> bytes:
    """What a process has written to memory: its heap, its stacks, its anonymous maps."""
    found = []
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if rights.startswith("rw"):
                begin, end = (int(text, 16) for text in span.split("-"))
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    found.append(memory.read(end - begin))
    return b"".join(found)


def test_a_node_with_another_master_key_does_not_start(nodes: Nodes, tmp_path: Path) -> None:
    other_key = base64.b64encode(os.urandom(32)).decode()

    done = scopegate(
        *("serve", "--dev", "--port", "0", "--database", nodes.database, "--data-dir", str(tmp_path)),
        environment={"SCOPEGATE_MASTER_KEY": other_key},
    )
    without = scopegate(*("serve", "--dev", "--port", "0", "--database", nodes.database, "--data-dir", str(tmp_path)))

    assert (done.returncode, without.returncode) == (2, 2)
    for text in (done.stderr, without.stderr):
        assert "master key" in text
        assert other_key not in text
        assert nodes.master_key not in text


def test_u3_without_the_database_the_data_plane_goes_on(nodes: Nodes, postgres: Postgres, web: str) -> None:
    """Tokens and decisions from what each edge has; operations get AWS's 503; readiness says so; all comes back."""
    pool = make_pool(nodes.one)
    client = pool.client("orders/read", "orders/write")
    _, path = _guarded_api(pool, client, web)
    wait_until(lambda: nodes.other.token(client).status_code == 200, seconds=AT_ONCE_S)

    def decisions(server: Server) -> tuple[int, ...]:
        """(token, a call with the scope, a call without)."""
        tokens = [server.token(client, scope=scope) for scope in ("orders/read", "orders/write")]
        if [answer.status_code for answer in tokens] != [200, 200]:
            return tuple(answer.status_code for answer in tokens)
        return 200, *(_call(server, path, answer.json()["access_token"]) for answer in tokens)

    wait_until(lambda: decisions(nodes.other) == (200, 200, 403), seconds=AT_ONCE_S)
    postgres.stop()
    try:
        refusals = [_refusals(server) for server in (nodes.one, nodes.other)]
        during = [decisions(server) for _ in range(4) for server in (nodes.one, nodes.other)]
        stopped_at = time.monotonic()
        wait_until(lambda: _ready(nodes.one) == _ready(nodes.other) == 503)
        silent_s = time.monotonic() - stopped_at
        after_a_while = [decisions(server) for server in (nodes.one, nodes.other)]
    finally:
        postgres.start()
    wait_until(lambda: _ready(nodes.one) == _ready(nodes.other) == 200)
    made = wait_until(lambda: _made(nodes.one, pool.pool_id))

    assert set(during) == set(after_a_while) == {(200, 200, 403)}
    assert silent_s < 10
    for refused in refusals:
        assert refused == {
            "cognito-idp": (503, "ServiceUnavailableException"),
            "lambda": (503, "ServiceUnavailableException"),
            "apigateway": (503, "ServiceUnavailableException"),
            "iam": (503, "ServiceUnavailable"),
        }
    wait_until(lambda: nodes.other.token(made).status_code == 200, seconds=AT_ONCE_S)


def _ready(server: Server) -> int:
    return server.http("GET", "/_scopegate/health").status_code


def _refusals(server: Server) -> dict[str, tuple[int, str]]:
    calls: dict[str, Callable[[], Any]] = {
        "cognito-idp": lambda: server.aws("cognito-idp").create_user_pool(PoolName="lost"),
        "lambda": lambda: server.aws("lambda").list_functions(),
        "apigateway": lambda: server.aws("apigateway").create_rest_api(name="lost"),
        "iam": lambda: server.aws("iam").list_roles(),
    }
    found = {}
    for service, call in calls.items():
        with pytest.raises(ClientError) as refused:
            call()
        response = refused.value.response
        found[service] = (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"])
    return found


def _made(server: Server, pool_id: str) -> dict[str, Any] | None:
    try:
        pool = make_pool(server)
        return pool.client()
    except ClientError:
        return None
