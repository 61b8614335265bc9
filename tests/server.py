"""A real server process for tests: started as an operator would, spoken to by boto3 and HTTP, its clock turned."""

import base64
import contextlib
import io
import json
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

SCOPEGATE = Path(sys.executable).with_name("scopegate")
REGION = "us-east-1"
ACCOUNT = "000000000000"
_STARTED = re.compile(r"(?:Scopegate at|listening on) (http://\S+)")


@dataclass
class Server:
    """One running server. `url` is the bare host form; every other URL form is reached by a Host header."""

    process: "subprocess.Popen[bytes]"
    url: str
    data_dir: Path
    clock_file: Path
    output: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def aws(self, service: str, *, region: str = REGION, key: str = "test", secret: str = "test", **more: Any) -> Any:
        """A boto3 client of this server."""
        config = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=60)
        config = config.merge(more.pop("config", Config()))
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=config,
            **more,
        )

    def http(self, method: str, path: str, *, host: str | None = None, **more: Any) -> requests.Response:
        """One request; `host` stands for the name that DNS would resolve. The path goes out exactly as given."""
        headers = {**more.pop("headers", {}), **({"Host": host} if host else {})}
        request = requests.Request(method, self.url, headers=headers, **more)
        with requests.Session() as session:
            session.trust_env = False
            prepared = session.prepare_request(request)
            query = prepared.url.partition("?")[2] if prepared.url else ""
            prepared.url = self.url + path + (f"?{query}" if query else "")
            return session.send(prepared, allow_redirects=False, timeout=60)

    def token(self, client: Mapping[str, Any], **fields: str) -> requests.Response:
        """A client_credentials request of an app client as CreateUserPoolClient answered it."""
        return self.http(
            "POST",
            "/oauth2/token",
            data={"grant_type": "client_credentials", **fields},
            auth=(client["ClientId"], client["ClientSecret"]),
        )

    def turn_clock(self, seconds: float) -> None:
        """Add to the wall clock of every process of this server."""
        with self.clock_file.open("r+b") as file:
            (offset,) = struct.unpack("<d", file.read(8))
            file.seek(0)
            file.write(struct.pack("<d", offset + seconds))

    def kill(self) -> None:
        """As `kill -9` of the whole server."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.close_output()

    def stop(self) -> int:
        """As an operator stops it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.close_output()
        return code

    def close_output(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(arguments: Sequence[str], data_dir: Path, environment: Mapping[str, str] | None = None) -> Server:
    """Start `scopegate …` and wait until it says where it is; its output is shown when it does not start."""
    clock_file = data_dir / "clock"
    data_dir.mkdir(parents=True, exist_ok=True)
    clock_file.write_bytes(struct.pack("<d", 0.0))
    development = "--dev" in arguments or arguments[0] == "up"
    surroundings = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SCOPEGATE_"))},
        **({"SCOPEGATE_TEST_CLOCK": str(clock_file)} if development else {}),
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    log = (data_dir / "server.log").open("ab")
    # `up` reads files that its arguments may name from here; `serve` is started as by default, in its own folder.
    folder = data_dir.parent if arguments[0] == "serve" else None
    where = str(data_dir) if folder is None else data_dir.name
    process = subprocess.Popen(
        [SCOPEGATE, *arguments, "--data-dir", where, *(() if "--port" in arguments else ("--port", "0"))],
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=folder,
        env=surroundings,
        start_new_session=True,
        bufsize=0,  # a line that is here already is one that a selector sees
    )
    log.close()
    server = Server(process, "", data_dir, clock_file)
    server.url = _wait_for_start(server)
    return server


def _wait_for_start(server: Server) -> str:
    assert server.process.stdout is not None
    deadline = time.monotonic() + 60
    with selectors.DefaultSelector() as selector:
        selector.register(server.process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(timeout=max(0.0, deadline - time.monotonic())):
            line = server.process.stdout.readline().decode()
            if not line:
                break
            server.output.append(line)
            if match := _STARTED.search(line):
                return match[1].replace("localhost", "127.0.0.1")
    server.kill()
    log = (server.data_dir / "server.log").read_text()
    raise AssertionError(f"the server did not start:\n{''.join(server.output)}\n{log[-4000:]}")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of a test's own: `start_server("serve", "--dev", environment={…})`; they share `tmp_path/data`."""
    started: list[Server] = []

    def begin(*arguments: str, data_dir: Path | None = None, environment: Mapping[str, str] | None = None) -> Server:
        server = start(arguments, data_dir or tmp_path / "data", environment)
        started.append(server)
        return server

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.kill()
        server.close_output()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One development server for all tests that make their own pools and APIs and do not turn its clock."""
    running = start(("serve", "--dev"), tmp_path_factory.mktemp("server"))
    yield running
    code = running.stop()
    log = (running.data_dir / "server.log").read_text()
    assert code == 0, log[-4000:]
    assert "Traceback" not in log, log[-8000:]


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A function package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# No role of that name is there: functions that have it may call nothing.
ROLE = f"arn:aws:iam::{ACCOUNT}:role/functions"
ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"


@dataclass(frozen=True)
class Pool:
    """A user pool with a resource server `orders` and what tests make in it."""

    server: Server
    pool_id: str
    domain: str

    @property
    def arn(self) -> str:
        return f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.pool_id}"

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.pool_id}"

    def client(self, *scopes: str, **more: Any) -> dict[str, Any]:
        """A machine client that is allowed these scopes (`orders/read` when none are named)."""
        made = self.server.aws("cognito-idp").create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName="machine",
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=list(scopes or ("orders/read",)),
            AllowedOAuthFlowsUserPoolClient=True,
            **more,
        )
        client: dict[str, Any] = made["UserPoolClient"]
        return client

    def access_token(self, *scopes: str) -> str:
        """An access token with these scopes, of a client of its own."""
        answer = self.server.token(self.client(*scopes))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


def make_pool(server: Server, name: str = "pool") -> Pool:
    idp = server.aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName=name)["UserPool"]["Id"]
    domain = pool_id.split("_")[1].lower() + "-pool"
    idp.create_user_pool_domain(Domain=domain, UserPoolId=pool_id)
    scopes = [{"ScopeName": word, "ScopeDescription": word} for word in ("read", "write", "readonly", "rea")]
    idp.create_resource_server(UserPoolId=pool_id, Identifier="orders", Name="orders", Scopes=scopes)
    return Pool(server, pool_id, domain)


@pytest.fixture
def pool(server: Server) -> Pool:
    """A pool of the test's own on the shared server."""
    return make_pool(server)


def make_role(server: Server, name: str, *statements: Mapping[str, Any]) -> str:
    """A role that functions may have, with these statements as its policy; its ARN."""
    iam = server.aws("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    arn: str = role["Role"]["Arn"]
    return arn


def make_function(server: Server, name: str, source: str = ECHO, **more: Any) -> str:
    """A Python function; its ARN, once it is active."""
    lambda_ = server.aws("lambda")
    request = {
        "FunctionName": name,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped({"app.py": source})},
        "Timeout": 10,
        **more,
    }
    arn: str = lambda_.create_function(**request)["FunctionArn"]
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return arn


def allow_gateway(server: Server, function: str, api_id: str, statement: str = "gateway") -> None:
    """The permission without which a gateway may not invoke."""
    server.aws("lambda").add_permission(
        FunctionName=function,
        StatementId=f"{statement}-{api_id}",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*",
    )


def token_part(token: str, index: int) -> dict[str, Any]:
    """Header (0) or claims (1) of a token, unverified."""

    part = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded
