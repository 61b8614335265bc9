"""Every example comes up by `scopegate up`, as its README says, and decides: calls that are refused, and allowed."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scopegate.cli.client import Client
from tests.node import bin_directory
from tests.server import Server
from tests.wire.gateways import Web, serving_web
from tests.wire.test_gateway_issuers import Issuer

EXAMPLES = Path(__file__).parent.parent / "examples"

Up = Callable[..., "Example"]


class Example:
    """A running example. outputs: of its stack. path: where its API is on this server."""

    def __init__(self, server: Server) -> None:
        assert server.process.stdout is not None
        lines = []
        for raw in server.process.stdout:
            lines.append(raw.decode().strip())
            if lines[-1].startswith(("ready", "error")):
                break
        assert lines[-1].startswith("ready"), "\n".join(lines)
        self.server = server
        self.outputs = dict(line.split(" = ", 1) for line in lines if " = " in line)
        self.path = next(line for line in lines if "/_aws/execute-api/" in line).partition("/_aws")[2]

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.server.http(method, f"/_aws{self.path}{path}", headers=headers, **more)

    def token(self) -> str:
        """A token of the client that the outputs name."""
        idp = self.server.aws("cognito-idp")
        (pool,) = idp.list_user_pools(MaxResults=2)["UserPools"]
        client = idp.describe_user_pool_client(UserPoolId=pool["Id"], ClientId=self.outputs["ClientId"])
        token: str = self.server.token(client["UserPoolClient"]).json()["access_token"]
        return token


@pytest.fixture
def up(start_server: Callable[..., Server]) -> Up:
    def begin(file: Path, *arguments: str, **environment: str) -> Example:
        return Example(start_server("up", str(file), "--ephemeral", *arguments, environment=environment))

    return begin


@pytest.fixture
def web() -> Iterator[Web]:
    """The web service behind an API."""
    with serving_web() as service:
        yield service


def test_orders(up: Up) -> None:
    _asks_for_scopes_of_orders(up(EXAMPLES / "orders/template.yaml"))


def test_orders_in_node(up: Up) -> None:
    path = f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"

    _asks_for_scopes_of_orders(up(EXAMPLES / "orders-node/template.yaml", PATH=path))


def _asks_for_scopes_of_orders(example: Example) -> None:
    token = example.token()

    allowed = example.call("GET", "/orders", token)

    client_id = example.outputs["ClientId"]
    orders = [{"id": 1, "item": "coffee"}]
    assert (allowed.status_code, allowed.json()) == (200, {"orders": orders, "for": client_id, "scope": "orders/read"})
    assert example.call("GET", "/orders").status_code == 401
    assert example.call("POST", "/orders", token, data="{}").status_code == 401


def test_a_library_and_a_layer(up: Up, tmp_path: Path) -> None:
    example = up(EXAMPLES / "dependencies/template.yaml", SCOPEGATE_CACHE_DIR=str(tmp_path / "cache"))

    answer = example.call("GET", "/tables/OrderLine", example.token())

    assert (answer.status_code, answer.json()) == (200, {"class": "OrderLine", "table": "order_lines"})
    assert example.call("GET", "/tables/OrderLine").status_code == 401


def test_a_proxy_in_front_of_a_web_service(up: Up, web: Web) -> None:
    example = up(EXAMPLES / "proxy/template.yaml", "--param", f"ServiceUrl={web.url}/base")
    token = example.token()

    answers = [
        example.call("GET", "/orders/1?full=yes", token),
        example.call("GET", "/orders/1"),
        example.call("POST", "/orders", token, data="{}"),
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 403]
    (seen,) = web.seen  # what is refused does not come here
    assert (seen.method, seen.target) == ("GET", "/base/orders/1?full=yes")
    assert seen.header("X-Client-Id") == example.outputs["ClientId"]


def test_an_openapi_document_alone(up: Up, web: Web, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        issuer = Issuer(stack.enter_context(serving_web()), "identity")
        text = (EXAMPLES / "openapi/openapi.yaml").read_text()
        file = tmp_path / "openapi.yaml"
        file.write_text(text.replace("http://localhost:8000", web.url).replace("http://localhost:9000", issuer.url))
        example = up(file)
        reader = issuer.token(aud="orders-api", scope="orders/read")

        assert example.call("GET", "/health").status_code == 200
        assert example.call("GET", "/orders", reader).status_code == 200
        assert example.call("GET", "/orders").status_code == 401
        assert example.call("GET", "/orders", issuer.token(scope="orders/read", aud="other")).status_code == 401
        assert example.call("POST", "/orders", reader).status_code == 403
        assert [seen.target for seen in web.seen] == ["/health", "/orders"]


def test_a_nested_stack_that_guards_its_parents_api(up: Up) -> None:
    example = up(EXAMPLES / "nested/template.yaml", "--name", "shop")
    token = example.token()

    answers = [
        example.call("GET", "/orders", token),
        example.call("GET", "/orders"),
        example.call("POST", "/orders", token),
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 403]
    assert answers[0].json()["for"] == example.outputs["ClientId"]
    stacks = Client(example.server.url).own("GET", "stacks")["stacks"]
    assert [each["parent"] for each in stacks] == ["", "shop"]


def test_every_example_has_a_readme_and_is_tested() -> None:
    """Here, or in a module of its own: `test_third_party_idp`."""
    folders = {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}

    assert folders == {"dependencies", "nested", "openapi", "orders", "orders-node", "proxy", "third-party-idp"}
    assert [name for name in folders if not (EXAMPLES / name / "README.md").is_file()] == []
