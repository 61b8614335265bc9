"""Every command and program that the README and the manual's first steps show is run as it stands; only the port is
another."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.pages import browser_of, code_sent_to
from tests.server import SCOPEGATE, Server, token_part

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
AWS_CLI = ROOT / ".venv-awscli" / "bin"


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def environment(server: Server) -> dict[str, str]:
    assert (AWS_CLI / "aws").exists(), "make test-setup installs the AWS CLI"
    return {
        "PATH": f"{SCOPEGATE.parent}:{AWS_CLI}:{os.environ['PATH']}",
        "HOME": str(server.data_dir),
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }


def shell(server: Server, script: str) -> str:
    """Run a README block with bash, every failing command an error; what it prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://localhost:4566", server.url)],
        cwd=ROOT,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_boto3_chapter(server: Server) -> None:
    (program,) = blocks("python")

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    client_id, secret, api_id = done.stdout.split()
    token = server.token({"ClientId": client_id, "ClientSecret": secret}).json()["access_token"]
    url = f"/_aws/execute-api/{api_id}/prod/orders"
    assert server.http("GET", url).status_code == 401
    allowed = server.http("GET", url, headers={"Authorization": token})
    assert (allowed.status_code, allowed.json()["for"]) == (200, client_id)
    assert server.http("POST", url, headers={"Authorization": token}).status_code == 401


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


def test_aws_cli_chapter_and_calls_by_curl(server: Server) -> None:
    set_up = next(block for block in blocks("sh") if "create-user-pool-client" in block)
    calls = next(block for block in blocks("sh") if "describe-user-pool-client" in block)
    service = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    Thread(target=service.serve_forever, daemon=True).start()
    script = (set_up + calls).replace("127.0.0.1:8000", f"127.0.0.1:{service.server_port}")

    printed = shell(server, script + "\necho TOKEN $TOKEN\n")
    service.shutdown()
    service.server_close()

    statuses = re.findall(r"HTTP/1.1 (\d+)", printed)
    assert statuses == ["401", "200"]
    assert token_part(printed.split("TOKEN ")[1].strip(), 1)["scope"] == "orders/read"


def test_first_steps_with_the_sign_in_pages(server: Server) -> None:
    set_up, redeem = blocks("sh", (ROOT / "docs" / "sign-in-pages.md").read_text())
    address = shell(server, set_up).strip()
    pool_id, client_id = re.findall(r"/([^/]+)/oauth2/authorize\?.*client_id=(\w+)", address)[0]
    page = browser_of(server).get(address.removeprefix(server.url))
    page = page.browser.get(next(link for link in page.links if "/signup" in link))
    page = page.submit(username="first@example.com", password="Correct-Horse-9")
    back = page.submit(code=code_sent_to(server, "first@example.com"), action="confirm")
    variables = f"POOL={pool_id} CLIENT={client_id} BACK=redirect_uri=http://localhost:8000/callback\n"

    printed = shell(server, variables + redeem.replace("CODE", back.query["code"]))

    assert token_part(json.loads(printed)["id_token"], 1)["email"] == "first@example.com"


def test_template_chapter(start_server: Callable[..., Server]) -> None:
    server = start_server("up", "examples/orders/template.yaml", "--ephemeral")
    wait_until_ready(server)
    commands = next(block for block in blocks("sh") if "scopegate token --client" in block).splitlines()

    printed = {}
    for command in commands:
        done = subprocess.run(
            command.split(), cwd=ROOT, env=environment(server), capture_output=True, text=True, timeout=60, check=False
        )
        printed[command] = (done.returncode, done.stdout + done.stderr)

    code, token = printed["scopegate token --client orders-job"]
    assert (code, token_part(token.strip(), 1)["scope"]) == (0, "orders/read")
    code, allowed = printed["scopegate call GET /orders --client orders-job"]
    assert code == 0
    assert "ALLOW" in allowed
    assert "coffee" in allowed
    code, denied = printed["scopegate call POST /orders --client orders-job"]
    assert code == 1
    assert "DENY" in denied
    assert "orders/write" in denied
    assert "orders-job" in printed["scopegate ls"][1]
    assert printed["scopegate logs"][0] == 0


def wait_until_ready(server: Server) -> None:
    """`up` says `ready` when the template runs."""
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.output.append(line.decode())
        if line.startswith((b"ready", b"error")):
            break
    assert server.output[-1].startswith("ready"), "".join(server.output)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_make_demo_tells_the_story(tmp_path: Path, unused_port: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scopegate.cli.demo", "examples/orders/template.yaml"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DEMO_EXIT": "1", "DEMO_PORT": str(unused_port)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ALLOW GET /prod/orders → 200") == 1
    assert done.stdout.count("DENY") == 2
    for step in range(1, 11):
        assert re.search(rf"^ +{step} \S", done.stdout, re.MULTILINE), step
