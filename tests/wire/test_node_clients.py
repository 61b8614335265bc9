"""The flow by what people use in Node.js: AWS SDK v3, openid-client by discovery, aws-jwt-verify."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.node import bin_directory
from tests.server import Server, make_function

NODE_TESTS = Path(__file__).parent / "node"


class WebService(BaseHTTPRequestHandler):
    """A custom web service: answers its path."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def web_service() -> Iterator[str]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), WebService)
    Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}/"
    service.shutdown()
    service.server_close()


def run_flow(server: Server, web_service: str, **more: str) -> dict[str, Any]:
    assert (NODE_TESTS / "node_modules").is_dir(), "make test-setup installs the Node.js SDKs"
    done = subprocess.run(
        [bin_directory() / "node", "--no-warnings", "flow.mjs"],
        cwd=NODE_TESTS,
        env={"PATH": os.environ["PATH"], "ENDPOINT": server.url, "WEB_SERVICE": web_service, **more},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_flow_with_amazons_issuer(server: Server, web_service: str) -> None:
    make_function(server, "node-flow")

    result = run_flow(server, web_service, FUNCTION="node-flow")

    assert result["statuses"] == [401, 200, 403]
    assert result["claims"]["iss"] == f"https://cognito-idp.us-east-1.amazonaws.com/{result['poolId']}"
    assert (result["direct"], result["restApi"], result["lambdaError"]) == (
        "Bearer",
        "node",
        "ResourceNotFoundException",
    )
    assert json.loads(result["payload"]["body"]) == {"from": "node"}


def test_flow_with_an_issuer_that_is_reachable_as_written(
    start_server: Callable[..., Server], web_service: str, unused_port: int
) -> None:
    issuer_url = f"http://localhost:{unused_port}"
    server = start_server("serve", "--dev", "--port", str(unused_port), "--issuer-url", issuer_url)

    result = run_flow(server, web_service, ISSUER_URL=issuer_url)

    assert result["statuses"] == [401, 200, 403]
    assert result["claims"]["iss"] == f"{issuer_url}/{result['poolId']}"
