"""Development and production mode, and what each flag of `serve` does, from outside.

Source: design, "Who may speak to which plane"; attack rows G13, O25.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from scopegate.functions.runtimes import RuntimeMissing, find_interpreter
from tests.operators import Production, create_key, scopegate, wait_until
from tests.server import SCOPEGATE, Server, make_function, make_pool, start, zipped

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "cognito-idp": ("list_user_pools", {"MaxResults": 1}),
    "apigateway": ("get_rest_apis", {}),
    "apigatewayv2": ("get_apis", {}),
    "lambda": ("list_functions", {}),
    "iam": ("list_roles", {}),
    "sts": ("get_caller_identity", {}),
}


def refusal(client: Any, service: str) -> tuple[int, str]:
    operation, members = CALLS[service]
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**members)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


class WebService(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def web_port() -> Iterator[int]:
    service = ThreadingHTTPServer(("0.0.0.0", 0), WebService)
    Thread(target=service.serve_forever, daemon=True).start()
    yield service.server_port
    service.shutdown()
    service.server_close()


# production mode


def test_g13_production_does_not_start_without_an_admin_key(tmp_path: Path) -> None:
    done = scopegate("serve", "--port", "0", "--workers", "1", "--data-dir", str(tmp_path))

    assert done.returncode == 2
    assert "scopegate keys create" in done.stderr.splitlines()[-1]
    assert "Scopegate at" not in done.stdout


@pytest.mark.parametrize("service", CALLS)
def test_an_admin_key_may_call(production: Production, service: str) -> None:
    operation, members = CALLS[service]

    answer = getattr(production.aws(service), operation)(**members)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("service", CALLS)
def test_o25_unsigned_unknown_and_wrongly_signed_calls_get_the_services_own_error(
    production: Production, service: str
) -> None:
    query = service in ("iam", "sts")
    status = 400 if service == "cognito-idp" else 403
    server, key = production.server, production.key
    unsigned = server.aws(service)
    unsigned.meta.events.register("choose-signer.*", lambda **_: UNSIGNED)

    assert refusal(unsigned, service) == (
        status,
        "MissingAuthenticationToken" if query else "MissingAuthenticationTokenException",
    )
    assert refusal(server.aws(service), service) == (
        status,
        "InvalidClientTokenId" if query else "UnrecognizedClientException",
    )
    assert refusal(server.aws(service, key=key.key_id, secret="x" * 40), service) == (
        status,
        "SignatureDoesNotMatch" if query else "InvalidSignatureException",
    )


def test_g13_no_default_credential_opens_production(production: Production) -> None:
    for key in ("test", "000000000000", "admin", "AKIAIOSFODNN7EXAMPLE", "minioadmin"):
        assert refusal(production.server.aws("lambda", key=key, secret=key), "lambda")[0] == 403


def test_the_own_api_asks_for_a_signature_too(production: Production) -> None:
    answer = production.server.http("GET", "/_scopegate/api/overview")
    by_cli = scopegate("ls", "--endpoint", production.server.url, environment=production.key.environment)
    by_stranger = scopegate("ls", "--endpoint", production.server.url)

    assert answer.status_code == 403
    assert by_cli.returncode == 0
    assert (by_stranger.returncode, by_stranger.stderr) == (
        2,
        "error: The security token included in the request is invalid.\n",
    )


def test_the_data_plane_asks_for_no_signature(production: Production, web_port: int) -> None:
    """Tokens and calls; a web service on a private address only where `--egress-allow` names it."""
    server = production.server
    open_to_production = Server(server.process, server.url, server.data_dir, server.clock_file)
    open_to_production.aws = production.aws  # type: ignore[method-assign]
    pool = make_pool(open_to_production)
    client = pool.client()
    api = production.aws("apigatewayv2")
    reached = {}
    for address in ("127.0.0.1", "127.0.0.2", "169.254.169.254"):
        api_id = api.create_api(
            Name="web", ProtocolType="HTTP", Target=f"http://{address}:{web_port}/", RouteKey="GET /web"
        )["ApiId"]
        reached[address] = server.http("GET", f"/_aws/execute-api/{api_id}/web").status_code

    assert server.token(client).status_code == 200
    assert reached == {"127.0.0.1": 200, "127.0.0.2": 500, "169.254.169.254": 500}
    assert server.http("GET", f"/{pool.pool_id}/.well-known/jwks.json").status_code == 200


def test_a_key_is_made_listed_and_revoked_beside_a_running_server(production: Production) -> None:
    where = ("--data-dir", str(production.server.data_dir))
    key = create_key(*where, name="ci")
    client = production.server.aws("sts", key=key.key_id, secret=key.secret)

    def is_known() -> bool:
        try:
            return bool(client.get_caller_identity()["Arn"].endswith("user/ci"))
        except ClientError:
            return False

    wait_until(is_known, seconds=1.5)
    listed = scopegate("keys", "list", *where)
    revoked = scopegate("keys", "revoke", key.key_id, *where)
    wait_until(lambda: not is_known(), seconds=1.5)

    assert key.key_id in listed.stdout
    assert "ci" in listed.stdout
    assert key.secret not in listed.stdout + listed.stderr
    assert revoked.returncode == 0


def _runtime_that_only_a_neighbour_runs() -> str:
    """A version that this machine lacks, of a language that it has."""
    for name in ("nodejs16.x", "nodejs18.x", "python3.14", "python3.8", "python3.9", "nodejs24.x", "nodejs22.x"):
        try:
            if find_interpreter(name).warning:
                return name
        except RuntimeMissing:
            continue
    raise AssertionError("this machine has every version of every language")


def test_strict_runtimes_refuse_what_is_not_installed(production: Production, server: Server) -> None:
    """Without the flag the nearest version runs, and says so."""
    runtime = _runtime_that_only_a_neighbour_runs()
    handlers = {"app.py": "def handler(event, context):\n    return 1\n", "app.js": "exports.handler = async () => 1\n"}
    request = {
        "FunctionName": "old",
        "Runtime": runtime,
        "Role": "arn:aws:iam::000000000000:role/functions",
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(handlers)},
    }

    with pytest.raises(ClientError, match="--strict-runtimes") as refused:
        production.aws("lambda").create_function(**request)
    server.aws("lambda").create_function(**request)
    listed = scopegate("ls", "--endpoint", server.url)

    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert json.loads(server.aws("lambda").invoke(FunctionName="old")["Payload"].read()) == 1
    assert "warning" in listed.stdout.partition(f"old {runtime}")[2]


# functions without isolation


@pytest.fixture
def plain_user() -> Iterator[tuple[list[str], Path]]:
    """(how to run a command as somebody who is not root and finds no bubblewrap; a folder of his)."""
    folder = Path(tempfile.mkdtemp(prefix="sg-user-"))
    command = ["/usr/bin/env", f"PATH={folder / 'bin'}"]
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        # Not root, and yet able to read this tree wherever it lies.
        become = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        command = [*become, "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", *command]
    yield command, folder
    shutil.rmtree(folder)


def test_functions_in_production_want_isolation(plain_user: tuple[list[str], Path], unused_port: int) -> None:
    user, folder = plain_user
    where = ("--data-dir", str(folder / "data"))
    subprocess.run([*user, SCOPEGATE, "keys", "create", *where], check=True, capture_output=True, timeout=60)
    command = [*user, SCOPEGATE, "serve", "--port", str(unused_port), "--workers", "1", *where]

    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    accepted = subprocess.Popen([*command, "--unsafe-functions"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        health = wait_until(lambda: _health(unused_port))
    finally:
        accepted.terminate()
        accepted.communicate(timeout=30)

    assert refused.returncode == 2
    assert "--unsafe-functions" in refused.stderr.splitlines()[-1]
    assert "bubblewrap" in refused.stderr.splitlines()[-1]
    assert health.json() == {"status": "ready"}
    assert accepted.returncode == 0


def _health(port: int) -> requests.Response | None:
    try:
        return requests.get(f"http://127.0.0.1:{port}/_scopegate/health", timeout=5)
    except requests.ConnectionError:
        return None


# development mode


def test_development_takes_any_key(server: Server) -> None:
    assert server.aws("sts", key="whatever", secret="x").get_caller_identity()["Account"] == "000000000000"


def test_g13_development_beyond_loopback_is_said_loudly(start_server: Callable[..., Server]) -> None:
    """`--host 0.0.0.0` needs `--trust-network`; a further Host needs `--public-host`."""
    server = start_server("serve", "--dev", "--host", "0.0.0.0", "--trust-network", "--public-host", "scopegate")

    hosts = {
        host: server.http("GET", "/_scopegate/api/overview", host=host).status_code
        for host in ("localhost", f"scopegate:{server.port}", "SCOPEGATE", "scopegate.example", "10.1.2.3")
    }
    said = server.output + [line.decode() for line in _lines_until(server, b"ready")]

    assert hosts == {
        "localhost": 403,  # no signature
        f"scopegate:{server.port}": 403,
        "SCOPEGATE": 403,
        "scopegate.example": 421,
        "10.1.2.3": 421,
    }
    assert any("anyone who reaches this port controls everything" in line for line in said)


def _lines_until(server: Server, last: bytes) -> Iterator[bytes]:
    assert server.process.stdout is not None
    for line in server.process.stdout:
        yield line
        if line.startswith(last):
            return


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A development server with flags that do not touch each other."""
    arguments = ("--public-url", "https://auth.example.com/", "--allow-origin", "https://console.example")
    running = start(("serve", "--dev", "--aws-quotas", *arguments), tmp_path_factory.mktemp("configured"))
    yield running
    assert running.stop() == 0


def test_o18_discovery_names_the_public_url_and_amazons_issuer(configured: Server) -> None:
    """Design, "Two issuer worlds": never the Host header, nor what a proxy says of it."""
    pool = make_pool(configured)
    path = f"/{pool.pool_id}/.well-known/openid-configuration"
    poison = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=http", "X-Forwarded-Proto": "x"}

    documents = [
        configured.http("GET", path, host=host, headers=headers)
        for host in ("auth.example.com", "localhost", "x.localhost", "cognito-idp.us-east-1.amazonaws.com")
        for headers in ({}, poison)
    ]

    assert {document.status_code for document in documents} == {200}
    assert len({document.text for document in documents}) == 1
    document = documents[0].json()
    assert document["issuer"] == pool.issuer
    assert document["jwks_uri"] == f"{pool.issuer}/.well-known/jwks.json"
    assert document["token_endpoint"].startswith("https://auth.example.com/")
    assert "evil" not in documents[1].text


def test_urls_that_are_shown_are_urls_that_answer(configured: Server, server: Server) -> None:
    """Below the host of a public URL no API answers, so the host form is shown for localhost alone."""
    made = [
        running.aws("apigatewayv2").create_api(
            Name="shown", ProtocolType="HTTP", RouteKey="GET /shown", Target="http://127.0.0.1:8080/"
        )["ApiId"]
        for running in (configured, server)
    ]

    shown = [scopegate("ls", "--endpoint", running.url).stdout for running in (configured, server)]

    assert f"  https://auth.example.com/_aws/execute-api/{made[0]}\n" in shown[0]
    assert "execute-api.auth" not in shown[0]
    host = f"{made[1]}.execute-api.localhost:{server.port}"
    assert f"  http://{host}\n" in shown[1]
    assert server.http("GET", "/nothing", host=host).status_code == 404


def test_quotas_of_aws_bind_where_the_flag_says_so(configured: Server, server: Server) -> None:
    """150 client authentications a second and account (Cognito, "ClientAuthentication"); wrong ones count too."""

    def statuses(of: Server) -> list[str]:
        form = f"grant_type=client_credentials&client_id={make_pool(of).client()['ClientId']}&client_secret=wrong"
        request = (
            "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(form)}\r\n\r\n{form}"
        )
        with socket.create_connection(("127.0.0.1", of.port)) as connection:
            # All at once, for a slow client would stay below any rate.
            sending = Thread(target=connection.sendall, args=(request.encode() * 1000,))
            sending.start()
            received = b""
            while received.count(b"HTTP/1.1 ") < 1000:
                received += connection.recv(1_000_000)
            sending.join()
        return re.findall(r"HTTP/1\.1 (\d+)", received.decode())

    bound = statuses(configured)

    assert bound[:140] == ["400"] * 140
    assert "429" in bound
    assert set(statuses(server)) == {"400"}


def test_ephemeral_leaves_nothing(start_server: Callable[..., Server], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server = start_server("serve", "--dev", "--ephemeral", "--workers", "1", environment={"TMPDIR": str(temporary)})
    make_pool(server)
    make_function(server, "gone")

    assert json.loads(server.aws("lambda").invoke(FunctionName="gone")["Payload"].read())["statusCode"] == 200
    assert list(temporary.iterdir())
    assert server.stop() == 0
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in server.data_dir.iterdir()) == ["clock", "server.log"]


def test_u4_an_opened_origin_may_call_and_no_other(configured: Server) -> None:
    """`--allow-origin` (design, "Who may speak to which plane")."""
    server = configured
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-amz-target"}

    preflights = {
        origin: server.http("OPTIONS", "/", headers={"Origin": origin, **asked})
        for origin in ("https://console.example", "https://evil.example")
    }
    idp = server.aws("cognito-idp")

    def from_the_console(request: Any, **_: Any) -> None:
        request.headers["Origin"] = "https://console.example"

    idp.meta.events.register("before-send.*", from_the_console)
    answer = idp.list_user_pools(MaxResults=1)

    headers = preflights["https://console.example"].headers
    assert headers["Access-Control-Allow-Origin"] == "https://console.example"
    assert preflights["https://evil.example"].status_code >= 400
    assert "Access-Control-Allow-Origin" not in preflights["https://evil.example"].headers
    assert answer["ResponseMetadata"]["HTTPHeaders"]["access-control-allow-origin"] == "https://console.example"


# what is refused before anything starts


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("serve --dev --host 0.0.0.0", "--trust-network"),
        ("serve --dev --host ::", "--trust-network"),
        ("up nowhere.yaml", "nowhere.yaml cannot be read"),
        ("serve --nonsense", "No such option: --nonsense; see scopegate serve --help"),
        ("serve --port 70000", "--port must be 0 to 65535"),
        ("serve --port high", "--port"),
        ("serve --workers 0", "--workers must be at least 1"),
        ("serve --port 0 --database mysql://a:geheim@b/c", "--database must be"),
        ("serve --port 0 --database postgresql://a:geheim@127.0.0.1:1/c", "--database"),
        ("serve --ephemeral", "--dev"),
        ("serve --dev --ephemeral --database sqlite:///x.db", "exclude each other"),
        ("serve --dev --issuer-url auth.example.com", "SCOPEGATE_ISSUER_URL must be an http(s) URL"),
        ("serve --dev --public-url ftp://x", "SCOPEGATE_PUBLIC_URL must be an http(s) URL"),
        ("serve --dev --public-host auth.example.com:443", "--public-host must be a host name"),
        ("serve --dev --egress-allow private", "--egress-allow must be a network"),
        ("serve --dev --allow-origin *", "--allow-origin must be an origin"),
        ("serve --dev --allow-origin http://localhost:4566", "is this server itself"),
        ("serve --host no.such.host.invalid", "Cannot listen on no.such.host.invalid"),
        ("nonsense", "No such command 'nonsense'"),
        ("up template.yaml --param novalue", "--param takes KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, arguments: str, complaint: str) -> None:
    done = scopegate(*arguments.split(), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("error: ")
    assert complaint in line
    assert "geheim" not in done.stderr


def test_the_test_clock_is_for_development_only(tmp_path: Path) -> None:
    done = scopegate("serve", cwd=tmp_path, environment={"SCOPEGATE_TEST_CLOCK": str(tmp_path / "clock")})

    assert (done.returncode, "development mode only" in done.stderr) == (2, True)
