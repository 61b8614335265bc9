"""The command line against a running server: every command, its help, its mistakes.

Source: design, "What the user sees".
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.operators import lines_of, scopegate, wait_until
from tests.server import SCOPEGATE, Server, make_function, make_pool, token_part

ROOT = Path(__file__).parent.parent.parent

COMMANDS = (
    *("up", "serve", "deploy", "delete", "outputs", "token", "call", "explain", "ls", "logs", "outbox"),
    *("keys create", "keys list", "keys revoke"),
)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`scopegate up` on the example, ready."""
    from tests.server import start

    running = start(
        ("up", str(ROOT / "examples/orders/template.yaml"), "--name", "shop"), tmp_path_factory.mktemp("up")
    )
    assert running.process.stdout is not None
    for line in running.process.stdout:
        running.output.append(line.decode())
        if line.startswith((b"ready", b"error")):
            break
    assert running.output[-1].startswith("ready"), "".join(running.output)
    yield running
    assert running.stop() == 0


def cli(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return scopegate(*arguments, environment={"AWS_ENDPOINT_URL": server.url})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_in_its_help(command: str) -> None:
    done = scopegate(*command.split(), "--help")

    assert done.returncode == 0
    assert f"Example: scopegate {command}" in done.stdout or "$(scopegate token" in done.stdout


def test_help_of_the_program_shows_the_commands() -> None:
    done = scopegate("--help")

    assert "scopegate up template.yaml" in done.stdout
    assert all(re.search(rf"\b{command.split()[0]}\b", done.stdout) for command in COMMANDS)
    assert re.fullmatch(r"scopegate \d+\.\d+\.\d+\n", scopegate("--version").stdout)


# up


def test_up_shows_each_api_with_its_routes(orders: Server) -> None:
    shown = "".join(orders.output)

    assert re.search(r"GET +/orders +COGNITO_USER_POOLS \S+ +orders/read", shown)
    assert re.search(r"POST +/orders +COGNITO_USER_POOLS \S+ +orders/write", shown)
    assert f"http://localhost:{orders.port}/_aws/execute-api/" in shown
    assert "Stack shop" in shown


def test_the_log_of_one_process_says_its_role(orders: Server) -> None:
    events = [json.loads(line) for line in (orders.data_dir / "server.log").read_text().splitlines()]

    assert events
    assert {event["role"] for event in events} == {"all"}


def test_a_template_that_cannot_be_deployed_ends_the_server(tmp_path: Path) -> None:
    """With its reason, and exit code 1; not by its public URL, which may lead through a proxy that is not there yet.

    On a terminal no log lines come between.
    """
    template = tmp_path / "template.json"
    client = {"Type": "AWS::Cognito::UserPoolClient", "Properties": {"UserPoolId": "us-east-1_nowhere"}}
    template.write_text(json.dumps({"Resources": {"Client": client}}))
    ours, theirs = os.openpty()

    done = subprocess.run(
        [SCOPEGATE, "up", template, "--port", "0", "--ephemeral", "--public-url", "https://api.example.com"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    with contextlib.suppress(OSError), open(ours, "rb", closefd=True) as terminal:  # its end is an error on a terminal
        log_lines = terminal.read(1)
        assert log_lines == b""

    assert done.returncode == 1
    assert "Scopegate at https://api.example.com (development mode)\nlistening on http://127.0.0.1:" in done.stdout
    assert "us-east-1_nowhere" in done.stdout.partition("error: ")[2]


# token, call, explain


def test_token_is_printed_alone(orders: Server) -> None:
    done = cli(orders, "token", "--client", "orders-job")

    assert (done.returncode, done.stderr) == (0, "")
    assert token_part(done.stdout.strip(), 1)["scope"] == "orders/read"
    assert done.stdout.count("\n") == 1


def test_a_refused_token_names_the_error_and_the_next_step(orders: Server) -> None:
    done = cli(orders, "token", "--client", "orders-job", "--scope", "orders/write")

    assert done.returncode == 2
    assert done.stdout == ""
    (request_id,) = re.findall(r"invalid_scope \(scopegate explain (\S+)\)", done.stderr)
    explained = cli(orders, "explain", request_id)
    assert "DENY token request → 400" in explained.stdout
    assert "scopes wanted: orders/write" in explained.stdout


def test_an_unknown_client_lists_those_there_are(orders: Server) -> None:
    done = cli(orders, "token", "--client", "nobody")

    assert (done.returncode, done.stderr) == (2, "error: There is no app client 'nobody'; there are: orders-job\n")


def test_an_ambiguous_client_lists_the_candidates(server: Server) -> None:
    clients = [make_pool(server, name).client() for name in ("first", "second")]

    by_name = cli(server, "token", "--client", "machine")
    by_id = cli(server, "token", "--client", clients[0]["ClientId"])

    assert by_name.returncode == 2
    for client, pool in zip(clients, ("first", "second"), strict=True):
        assert f"  {client['ClientId']}  machine of pool {pool}\n" in by_name.stderr
    assert by_id.returncode == 0


def test_an_ambiguous_api_lists_the_candidates(server: Server) -> None:
    api = server.aws("apigatewayv2")
    ids = [
        api.create_api(Name="twin", ProtocolType="HTTP", RouteKey="GET /twin", Target="http://127.0.0.1:8080/")["ApiId"]
        for _ in range(2)
    ]

    refused = cli(server, "call", "GET", "/twin", "--api", "twin")
    called = cli(server, "call", "GET", "/twin", "--api", ids[0])

    assert refused.returncode == 2
    assert all(f"  {api_id}  twin, stage $default\n" in refused.stderr for api_id in ids)
    assert f"/_aws/execute-api/{ids[0]}/twin" in called.stdout


def test_call_shows_answer_and_steps(orders: Server) -> None:
    done = cli(orders, "call", "get", "orders", "--client", "orders-job", "--stage", "prod", "-H", "X-Extra:  a: b")

    assert done.returncode == 0, done.stderr
    first, body, *_ = done.stdout.splitlines()
    assert re.fullmatch(rf"200 GET {orders.url}/_aws/execute-api/\w+/prod/orders", first)
    assert json.loads(body)["scope"] == "orders/read"
    steps = re.findall(r"^ +(\d+) \S.* ms$", done.stdout, re.MULTILINE)
    assert steps == [str(number) for number in range(1, 11)]


def test_call_without_a_token_is_refused_with_the_reason(orders: Server) -> None:
    done = cli(orders, "call", "GET", "/orders", "--stage", "prod")

    assert done.returncode == 1
    assert "DENY" in done.stdout
    assert "no token in header Authorization" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("call", "GET", "/orders", "-H", "no colon"), "--header takes 'Name: value'"),
        (("call", "GET", "/orders", "-H", "A: b\r\nEvil: c"), "cannot be sent"),
        (("call", "GET", "/orders", "--api", "nothing"), "There is no API nothing"),
        (("explain", "00000000-0000-0000-0000-000000000000"), "No decision 00000000-0000-0000-0000-000000000000"),
        (("explain", "../overview"), "No decision ../overview"),
        (("logs", "Nothing"), "There is no function Nothing"),
    ],
)
def test_a_mistake_is_one_line(orders: Server, arguments: tuple[str, ...], complaint: str) -> None:
    done = cli(orders, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert complaint in line


@pytest.mark.parametrize("arguments", [("ls",), ("token", "--client", "a"), ("call", "GET", "/"), ("logs",)])
def test_without_a_server_the_next_step_is_named(unused_port: int, arguments: tuple[str, ...]) -> None:
    done = scopegate(*arguments, "--endpoint", f"http://localhost:{unused_port}")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"No server answers at http://localhost:{unused_port}" in done.stderr
    assert "scopegate up template.yaml" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_not_scopegate_is_told_apart() -> None:
    class SomethingElse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), SomethingElse)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{service.server_port}"

    done = scopegate("ls", "--endpoint", url)

    service.shutdown()
    service.server_close()
    assert (done.returncode, done.stderr) == (2, f"error: What answers at {url} is not Scopegate\n")


# ls


def test_ls_shows_all_and_breaks_nothing(orders: Server) -> None:
    """On 80 columns: no ARN, no URL and no name cut or broken in the middle."""
    done = cli(orders, "ls")

    assert done.returncode == 0
    assert "client orders-job" in done.stdout
    assert re.search(rf"^  http://localhost:{orders.port}/_aws/execute-api/\w+/prod$", done.stdout, re.MULTILINE)
    (function,) = set(re.findall(r"AWS_PROXY function (\S+)$", done.stdout, re.MULTILINE))
    assert re.search(rf"^function {function} python3\.12", done.stdout, re.MULTILINE)
    assert "…" not in done.stdout
    assert "arn:" not in done.stdout


def test_ls_says_what_is_open_and_what_is_closed(server: Server) -> None:
    api = server.aws("apigatewayv2")
    target = "http://127.0.0.1:8080/" + "a" * 80
    api_id = api.create_api(Name="open-one", ProtocolType="HTTP", RouteKey="GET /open", Target=target)["ApiId"]
    integration = api.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="http://127.0.0.1:9/",
        PayloadFormatVersion="1.0",
    )["IntegrationId"]
    api.create_route(ApiId=api_id, RouteKey="GET /closed", Target=f"integrations/{integration}")

    shown = cli(server, "ls").stdout.partition(f"HTTP API {api_id}")[2].partition("\n\n")[0]

    assert re.search(r"GET +/open +open +-", shown)
    assert target in shown
    assert re.search(r"GET +/closed +closed: .*port 9", shown)


# logs


def test_logs_filter_by_function(server: Server) -> None:
    for name in ("speaks", "speaks-too"):
        make_function(server, name, f"def handler(event, context):\n    print('{name} says', event)\n")
        server.aws("lambda").invoke(FunctionName=name, Payload=b'"hello"')

    one = cli(server, "logs", "speaks")
    everything = cli(server, "logs")
    last = cli(server, "logs", "speaks", "-n", "1")

    assert "speaks says hello\n" in one.stdout
    assert "speaks-too" not in one.stdout
    assert "speaks: speaks says hello\n" in everything.stdout
    assert "speaks-too: speaks-too says hello\n" in everything.stdout
    assert last.stdout.startswith("REPORT RequestId: ")


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["one-process", "workers"])
def test_logs_follow_what_is_written(start_server: Callable[..., Server], workers: tuple[str, ...]) -> None:
    """Each line once, also of a function that is made later; Ctrl-C ends it."""
    server = start_server("serve", "--dev", *workers)
    source = "def handler(event, context):\n    print('line', event)\n"
    make_function(server, "first", source)
    server.aws("lambda").invoke(FunctionName="first", Payload=b"0")
    following = subprocess.Popen(
        [SCOPEGATE, "logs", "--follow", "--endpoint", server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    printed = lines_of(following)
    seen = [next(line for line in printed if "line" in line)]

    make_function(server, "second", source)
    for name in ("first", "second", "first", "first"):
        server.aws("lambda").invoke(FunctionName=name, Payload=b"1")
    while len(seen) < 5:
        seen.append(next(line for line in printed if ": line" in line))
    following.send_signal(signal.SIGINT)
    _, complaint = following.communicate(timeout=10)

    assert seen[0] == "first: line 0\n"
    assert sorted(seen[1:]) == ["first: line 1\n"] * 3 + ["second: line 1\n"]
    assert following.returncode == 130
    assert complaint == b""


# the demo


def demo(port: int, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DEMO_PORT": str(port), **more}


def test_the_demo_is_a_story_without_log_lines(unused_port: int) -> None:
    """Hints name the port when it is not the default one."""
    done = subprocess.run(
        [sys.executable, "-m", "scopegate.cli.demo", "examples/orders/template.yaml"],
        cwd=ROOT,
        env=demo(unused_port, DEMO_EXIT="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0
    assert '{"' not in re.sub(r'\{"(orders|message)".*', "", done.stdout)
    assert done.stdout.count(f"--endpoint http://localhost:{unused_port}") == 3


def test_a_demo_that_nobody_reads_ends(unused_port: int) -> None:
    """`make demo | head`: the server goes when its reader has gone."""
    running = subprocess.Popen(
        [sys.executable, "-m", "scopegate.cli.demo", "examples/orders/template.yaml"],
        cwd=ROOT,
        env=demo(unused_port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()

    try:
        code = running.wait(60)
    finally:
        running.kill()
        complaint = running.stderr.read().decode()
        running.stderr.close()
    assert code in (0, 1)
    assert "Traceback" not in complaint
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", unused_port), timeout=2)


def test_a_pipe_that_closes_early_is_no_traceback(orders: Server) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{SCOPEGATE} ls --endpoint {orders.url} | head -1; echo ${{PIPESTATUS[0]}} >&2"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_health_needs_nothing(orders: Server) -> None:
    """Any Host, no signature: a load balancer asks by address."""
    for host in (None, "10.0.0.7", "whatever.example"):
        answer = orders.http("GET", "/_scopegate/health", host=host)
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert wait_until(lambda: orders.http("HEAD", "/_scopegate/health").status_code) == 200


def test_up_takes_the_template_of_its_folder_or_says_how_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "template.yml").write_text("Resources: [")
    found = scopegate("up", "--port", "0", cwd=tmp_path)
    assert found.returncode == 2
    assert "template.yml" in found.stdout + found.stderr

    (tmp_path / "template.yml").unlink()
    missing = scopegate("up", "--port", "0", cwd=tmp_path)
    assert missing.returncode == 2
    assert "scopegate serve --dev" in missing.stderr


def test_a_runtime_that_is_not_here_is_said_at_creation_at_start_and_in_ls(
    start_server: Callable[..., Server],
) -> None:
    reason = "nodejs12.x is not installed: its functions run with Node.js"
    first = start_server("serve", "--dev")
    make_function(first, "old", Runtime="nodejs12.x", Handler="index.handler")
    first.stop()
    assert (first.data_dir / "server.log").read_text().count(reason) == 1

    second = start_server("serve", "--dev", data_dir=first.data_dir)

    assert second.process.stdout is not None
    shown = "".join(iter(lambda: second.process.stdout.readline().decode(), "ready; Ctrl-C stops\n"))
    assert "function old nodejs12.x" in shown
    assert reason in shown
    assert reason in cli(second, "ls").stdout
    wait_until(lambda: (first.data_dir / "server.log").read_text().count(reason) == 2)
