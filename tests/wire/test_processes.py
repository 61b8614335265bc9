"""Processes from outside: ports, signals and drain, crashes of single roles, what is left behind.

Source: design, "Roles"; attack row U3.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from tests.operators import family, role_processes, scopegate, wait_until
from tests.server import SCOPEGATE, Pool, Server, allow_gateway, make_function, make_pool, start

ONE = ("serve", "--dev")
SEVERAL = ("serve", "--dev", "--workers", "1")
SLOW_S = 1.0
SLOW_FUNCTION = f"""
import time
def handler(event, context):
    time.sleep({SLOW_S})
    return {{"statusCode": 200, "body": "done"}}
"""


class SlowService(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(SLOW_S)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def slow_service() -> Iterator[str]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), SlowService)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}/"
    service.shutdown()
    service.server_close()


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with two edges for tests that end one of its roles, and wait until it is back."""
    running = start(("serve", "--dev", "--workers", "2"), tmp_path_factory.mktemp("several"))
    yield running
    assert running.stop() == 0


def http_api(server: Server, target: str) -> str:
    """The path of an HTTP API with one open route to a function or a web service."""
    api_id = server.aws("apigatewayv2").create_api(
        Name="slow", ProtocolType="HTTP", RouteKey="GET /slow", Target=target
    )["ApiId"]
    if target.startswith("arn:"):
        allow_gateway(server, target, api_id)
    return f"/_aws/execute-api/{api_id}/slow"


# ports


@pytest.mark.parametrize("fixture", ["server", "several"])
def test_a_second_start_says_who_holds_the_port(request: pytest.FixtureRequest, fixture: str) -> None:
    """The process to end, not one of its edges."""
    server: Server = request.getfixturevalue(fixture)

    done = scopegate("serve", "--dev", "--port", str(server.port), "--data-dir", str(server.data_dir / "second"))

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"held by scopegate (pid {server.process.pid})" in line
    assert "--port" in line


def test_of_two_that_start_at_once_one_has_the_port(tmp_path: Path, unused_port: int) -> None:
    """A port that edges share (SO_REUSEPORT) could be shared by two servers: half of all calls would go astray."""
    started = [
        subprocess.Popen(
            [*(SCOPEGATE, "serve", "--dev", "--port", str(unused_port)), *("--data-dir", str(tmp_path / str(number)))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]
    try:
        ended = wait_until(lambda: len([one for one in started if one.poll() is not None]) == 2 and started)
        losers = [one for one in ended if one.returncode is not None]
        complaints = [one.communicate(timeout=10)[1].decode() for one in losers]
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.communicate(timeout=30)

    assert [one.returncode for one in losers] == [2, 2]
    assert all("another Scopegate is starting there" in text or "held by scopegate" in text for text in complaints)


def test_two_servers_on_one_sqlite_store_see_each_others_changes(start_server: Callable[..., Server]) -> None:
    """They are two nodes: the store orders changes, and each hears of the other's within a second."""
    one, other = start_server(*ONE), start_server(*ONE)
    pool = make_pool(one)
    client = pool.client()

    wait_until(lambda: other.token(client).status_code == 200, seconds=1)
    other.aws("cognito-idp").delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])

    wait_until(lambda: one.token(client).status_code == 400, seconds=1)


def test_u3_a_full_disk_costs_no_token_and_half_writes_nothing(start_server: Callable[..., Server]) -> None:
    """Operations get AWS's 503 while nothing can be written; what was refused is not there later."""
    server = start_server(*ONE)
    pool = make_pool(server)
    client = pool.client()
    process = psutil.Process(server.process.pid)
    idp = server.aws("cognito-idp")

    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, before[1]))
    refused = []
    for number in range(3):
        with pytest.raises(ClientError) as error:
            idp.create_user_pool(PoolName=f"lost-{number}")
        refused.append(error.value.response)
    tokens = [server.token(client).status_code for _ in range(20)]
    documents = server.http("GET", f"/{pool.pool_id}/.well-known/jwks.json").status_code
    process.rlimit(psutil.RLIMIT_FSIZE, before)
    kept = wait_until(lambda: _answers(lambda: idp.create_user_pool(PoolName="kept")))

    answers = {(one["ResponseMetadata"]["HTTPStatusCode"], one["Error"]["Code"]) for one in refused}
    assert answers == {(503, "ServiceUnavailableException")}
    assert (set(tokens), documents, kept) == ({200}, 200, True)
    names = {each["Name"] for each in idp.list_user_pools(MaxResults=60)["UserPools"]}
    assert not {name for name in names if name.startswith("lost")}
    assert "kept" in names
    assert server.stop() == 0


# signals


@pytest.mark.parametrize(
    ("arguments", "number"),
    [(ONE, signal.SIGTERM), (ONE, signal.SIGINT), (SEVERAL, signal.SIGTERM)],
    ids=["one-process", "ctrl-c", "workers"],
)
def test_u3_a_signal_lets_calls_in_flight_finish(
    start_server: Callable[..., Server], slow_service: str, arguments: Any, number: int
) -> None:
    """A slow web service and a slow function both answer; whoever comes later is refused; nothing is left behind."""
    server = start_server(*arguments)
    paths = [http_api(server, slow_service), http_api(server, make_function(server, "slow", SLOW_FUNCTION))]
    warm = server.aws("lambda").invoke(FunctionName="slow")
    assert warm["StatusCode"] == 200
    processes = family(server)

    with ThreadPoolExecutor(4) as pool:
        calls: list[Future[requests.Response]] = [pool.submit(server.http, "GET", path) for path in paths * 2]
        wait_until(lambda: _in_flight(server) >= len(calls))
        os.kill(server.process.pid, number)
        wait_until(lambda: not _accepts(server.port), seconds=SLOW_S)
        still_running = [call for call in calls if not call.done()]
        answers = [call.result() for call in calls]

    assert still_running, "the signal came too late to prove anything"
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "done")] * 4
    assert server.process.wait(20) == 0
    assert [one for one in processes if one.is_running()] == []


def _in_flight(server: Server) -> int:
    """Connections of clients that the server has taken."""
    return sum(
        1
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.port
    )


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_second_signal_ends_at_once(start_server: Callable[..., Server], slow_service: str) -> None:
    server = start_server(*SEVERAL)
    path = http_api(server, slow_service.rstrip("/") + "/") + "?" + "x" * 10
    processes = family(server)
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")  # and no body
    assert server.http("GET", path).status_code == 200

    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not _accepts(server.port))
    time.sleep(1.1)  # what comes within a second is the same word, said to the group as well
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(5) == 1
    wait_until(lambda: not [one for one in processes if one.is_running()], seconds=5)
    connection.close()


def test_a_signal_during_the_start_ends_it(tmp_path: Path, unused_port: int) -> None:
    """While the roles come up: no banner, no process, no directory stays."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    starting = subprocess.Popen(
        [SCOPEGATE, *SEVERAL, "--port", str(unused_port), "--data-dir", tmp_path / "data"],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    parent = psutil.Process(starting.pid)
    children = wait_until(parent.children)

    starting.send_signal(signal.SIGTERM)
    printed, complaint = starting.communicate(timeout=20)

    assert (starting.returncode, printed) == (0, b"")
    assert b"Traceback" not in complaint
    assert b"exception" not in complaint
    wait_until(lambda: not [one for one in children if one.is_running()], seconds=5)
    assert list(temporary.iterdir()) == []


def test_nothing_outlives_a_killed_parent(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """And the next start takes away what it left in the temporary directory, once it is a minute old."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server = start_server(*SEVERAL, "--ephemeral", environment={"TMPDIR": str(temporary)})
    make_function(server, "left", "def handler(event, context):\n    return 1\n")
    server.aws("lambda").invoke(FunctionName="left")
    processes = family(server)

    server.process.kill()

    assert len(processes) > 4
    wait_until(lambda: not [one for one in processes if one.is_running() and one.status() != "zombie"])
    assert not _accepts(server.port)
    left = set(temporary.glob("scopegate-ephemeral-*"))
    for path in left:
        os.utime(path, (0, 0))
    assert start_server(*ONE, "--ephemeral", environment={"TMPDIR": str(temporary)}).stop() == 0
    assert left
    assert list(temporary.glob("scopegate-ephemeral-*")) == []


# crashes of one role


def _end_one(server: Server, role: str) -> None:
    before = role_processes(server, role)
    before[0].kill()
    wait_until(lambda: len(role_processes(server, role)) == len(before) and not before[0].is_running())


def _steadily(call: Callable[[], bool], *, times: int = 20) -> bool:
    """Whether a call holds many times in a row, over new connections: whichever edge takes it."""
    return all(call() for _ in range(times))


def test_a_crashed_edge_comes_back_with_every_acknowledged_change(several: Server) -> None:
    """Clients that are made while one edge is down or starting are known to all edges at once."""
    pool = make_pool(several)
    victim = role_processes(several, "edge")[0]
    victim.kill()
    made = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            made.append(pool.client())
        except (OSError, BotoCoreError):
            continue  # a connection that the dead edge had taken
        assert _steadily(lambda: _token_status(several, made[-1]) == 200, times=4), "an acknowledged change is unknown"
        if len(role_processes(several, "edge")) == 2 and len(made) > 10:
            break

    assert len(role_processes(several, "edge")) == 2
    for client in made:
        assert _steadily(lambda client=client: _token_status(several, client) == 200, times=4)  # type: ignore[misc]


def _token_status(server: Server, client: dict[str, Any]) -> int:
    """Once more where the connection broke: it had gone to an edge that died."""
    for _ in range(50):
        try:
            return server.token(client).status_code
        except requests.ConnectionError:
            time.sleep(0.05)
    return 0


def test_without_control_the_data_plane_goes_on(several: Server) -> None:
    """Meanwhile an operation gets AWS's 503 in its own protocol, and then control is back."""
    pool = make_pool(several)
    client = pool.client()
    refused: dict[str, tuple[int, str]] = {}

    role_processes(several, "control")[0].kill()
    for service, call in (
        ("cognito-idp", lambda: several.aws("cognito-idp").list_user_pools(MaxResults=1)),
        ("lambda", lambda: several.aws("lambda").list_functions()),
        ("iam", lambda: several.aws("iam").list_roles()),
    ):
        try:
            call()
        except ClientError as error:
            answer = error.response
            refused[service] = (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
    tokens = [several.token(client).status_code for _ in range(5)]
    wait_until(lambda: _answers(lambda: several.aws("lambda").list_functions()))

    assert tokens == [200] * 5
    assert refused["cognito-idp"] == (503, "ServiceUnavailableException")
    assert refused["lambda"] == (503, "ServiceUnavailableException")
    assert refused["iam"] == (503, "ServiceUnavailable")
    assert pool.client()["ClientId"]


def _answers(call: Callable[[], Any]) -> bool:
    try:
        call()
    except (BotoCoreError, ClientError, OSError):
        return False
    return True


def test_many_calls_at_once_wait_for_a_busy_control(several: Server) -> None:
    """None is told that the service is not there."""
    pool = make_pool(several)
    client, control = pool.client(), role_processes(several, "control")[0]
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n"
    call = head + b"X-Amz-Target: AWSCognitoIdentityProviderService.GetUser\r\n\r\n{}"
    control.suspend()
    try:
        calls = [socket.create_connection(("127.0.0.1", several.port), timeout=30) for _ in range(200)]
        for connection in calls:
            connection.sendall(call)
        # The one edge answers this after it has handed on what came before.
        assert several.token(client).status_code == 200
    finally:
        control.resume()

    lines = [connection.recv(65_536).partition(b"\r\n")[0] for connection in calls]

    assert set(lines) == {b"HTTP/1.1 400 Bad Request"}
    for connection in calls:
        connection.close()


def test_lines_of_the_log_stay_whole() -> None:
    """Several processes write to one file: a line and its end are one write, also where Python does not buffer."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = (
        "from scopegate.observe import log; log.configure(role='edge'); log.structlog.get_logger().info('a.b', c=1)"
    )
    with ours, theirs:
        subprocess.run([sys.executable, "-u", "-c", program], stderr=theirs, check=True, timeout=60)
        ours.settimeout(10)
        written = ours.recv(65_536)

    assert written.endswith(b"\n")
    assert json.loads(written)["event"] == "a.b"


def test_a_crashed_runner_comes_back(several: Server) -> None:
    make_function(several, "again", "def handler(event, context):\n    return 1\n")
    lambda_ = several.aws("lambda")
    assert lambda_.invoke(FunctionName="again")["StatusCode"] == 200
    environments = role_processes(several, "runner")[0].children(recursive=True)

    _end_one(several, "runner")

    wait_until(lambda: _answers(lambda: lambda_.invoke(FunctionName="again")))
    assert json.loads(lambda_.invoke(FunctionName="again")["Payload"].read()) == 1
    wait_until(lambda: not [one for one in environments if one.is_running() and one.status() != "zombie"])


def test_an_edge_that_hangs_is_replaced(several: Server) -> None:
    """Control answers a change after two seconds at most, whatever one edge does (design, "Roles")."""
    pool = make_pool(several)
    wait_until(lambda: all(_listens(one, several.port) for one in role_processes(several, "edge")))
    victim = role_processes(several, "edge")[0]
    victim.suspend()

    with ThreadPoolExecutor(12) as threads:  # some of the connections are the victim's, and die with it
        begun = time.monotonic()
        attempts = [threads.submit(pool.client) for _ in range(12)]
        wait_until(lambda: [one for one in attempts if one.done() and one.exception() is None])
        took_s = time.monotonic() - begun
        made = [one.result() for one in attempts if one.exception() is None]

    wait_until(lambda: not victim.is_running() and len(role_processes(several, "edge")) == 2)
    assert took_s < 10
    for client in made:
        assert _steadily(lambda client=client: _token_status(several, client) == 200, times=4)  # type: ignore[misc]


def _listens(process: psutil.Process, port: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp"))


# what several processes do together


def test_every_edge_knows_a_change_when_it_is_answered(several: Server) -> None:
    pool: Pool = make_pool(several)

    for _ in range(5):
        client = pool.client()
        assert _steadily(lambda client=client: several.token(client).status_code == 200, times=6)  # type: ignore[misc]


def test_a_deployments_events_come_as_they_happen(several: Server) -> None:
    """Through an edge, from control: the first line is there long before the last."""
    resources: dict[str, Any] = {
        f"Pool{number}": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": f"pool{number}"}}
        for number in range(30)
    }
    body = json.dumps({"template": json.dumps({"Resources": resources}), "file": "template.json", "parameters": {}})
    arrived: list[float] = []
    from scopegate.aws.client import Credentials, send_signed

    answer = send_signed(
        *(several.url, "scopegate", "us-east-1", Credentials("test", "test"), "POST", "/_scopegate/api/stacks/stream"),
        body=body.encode(),
    )
    lines = []
    for line in answer.lines():
        arrived.append(time.monotonic())
        lines.append(json.loads(line))

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "outputs" in lines[-1], lines[-1]
    assert len(lines) > 30
    assert len({round(moment, 3) for moment in arrived}) > 10, "all events came at once"


def test_what_is_signed_reaches_control_as_it_was_sent(several: Server) -> None:
    """Through an edge: `Date` may be signed instead of `X-Amz-Date`; a target that nobody can send on is refused."""
    authorization = (
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
        f"SignedHeaders=date;host, Signature={'0' * 64}"
    )
    headers = {"Authorization": authorization, "Date": "20260101T000000Z"}

    listed = several.http("GET", "/2015-03-31/functions", headers=headers)
    odd = [
        several.http("GET", f"/2015-03-31/functions{end}", headers=headers) for end in ("/%2e%2e", "/{}", "?a=|", "#")
    ]

    assert (listed.status_code, "Functions" in listed.json()) == (200, True)
    assert [answer.status_code for answer in odd if answer.status_code >= 500] == []
