"""APIs for tests on the wire: made by boto3, called by raw requests, with a web service and a function behind them."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scopegate.base.settings import Settings
from scopegate.jose.keys import load_private_key
from scopegate.jose.sign import SigningKey
from scopegate.store import open_sealer, open_store
from scopegate.userpools import queries
from tests.server import REGION, Pool, Server

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SHORT_ID = r"[A-Za-z0-9_-]{15}="
DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"


# one raw exchange


@dataclass(frozen=True)
class Answer:
    """An answer as it came: header names as spelled, in order."""

    version: str
    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.headers]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that comes once, or not at all."""
        values = self.all(name)
        assert len(values) < 2, (name, values)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def raw(server: Server, request: bytes, *, method: str = "GET", timeout: float = 40) -> Answer:
    """Send bytes, read one answer by its framing."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as file:
            return read_answer(file, method)


def read_answer(file: Any, method: str = "GET") -> Answer:
    first = file.readline().decode("latin-1").rstrip("\r\n")
    assert first, "the connection was closed without an answer"
    version, status, phrase = first.split(" ", 2)
    pairs = []
    while line := file.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(": ")
        pairs.append((name, value))
    found = {name.lower(): value for name, value in pairs}
    body = b""
    if method == "HEAD" or status in ("204", "304"):
        pass
    elif found.get("transfer-encoding") == "chunked":
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
    elif "content-length" in found:
        body = file.read(int(found["content-length"]))
        assert len(body) == int(found["content-length"])
    return Answer(version, int(status), phrase, tuple(pairs), body)


def call(
    server: Server,
    method: str,
    target: str,
    headers: "dict[str, str] | list[tuple[str, str]] | None" = None,
    body: bytes = b"",
    *,
    host: str | None = None,
) -> Answer:
    """One request exactly as given: no header is added but Host, and Content-Length where there is a body."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers or ())
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'localhost:{server.port}'}"]
    lines += [f"{name}: {value}" for name, value in pairs]
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in pairs):
        lines.append(f"Content-Length: {len(body)}")
    return raw(server, "\r\n".join([*lines, "", ""]).encode("latin-1") + body, method=method)


# a web service


@dataclass
class Seen:
    """A request as the web service got it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, (name, values)
        return values[0] if values else None


Script = Callable[[socket.socket, Seen], None]


@dataclass
class Web:
    """A web service on a port of its own. `answers`: bytes or a script by path (before `?`); else 200 `ok`."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, bytes | Script] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError, IndexError), connection.makefile("rb") as file:
            while True:
                method, target, _ = file.readline().decode("latin-1").split(" ", 2)
                pairs = []
                while line := file.readline().decode("latin-1").rstrip("\r\n"):
                    name, _, value = line.partition(": ")
                    pairs.append((name, value))
                length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
                request = Seen(method, target, tuple(pairs), file.read(length))
                self.seen.append(request)
                answer = self.answers.get(target.partition("?")[0], OK)
                if callable(answer):
                    answer(connection, request)
                    return
                connection.sendall(answer)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def serving_web() -> Iterator[Web]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    web = Web(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            thread = threading.Thread(target=web.serve, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    yield web
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    acceptor.join(5)


# a function

FUNCTION = '''
import json, os, time

def handler(event, context):
    """Does what the header x-do says; without it, answers with the event."""
    headers = {name.lower(): value for name, value in event["headers"].items()}
    match headers.get("x-do"):
        case "return":
            return json.loads(headers["x-return"])
        case "body":
            return json.loads(event["body"])
        case "raise":
            raise ValueError("secret of the function")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(float(headers["x-seconds"]))
        case "large":
            return {"statusCode": 200, "body": "x" * int(headers["x-size"])}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}
'''


# APIs


class RestApi:
    """A REST API being made; `deploy` makes it live."""

    def __init__(self, server: Server, **members: Any) -> None:
        self.server = server
        self.client = server.aws("apigateway")
        made = self.client.create_rest_api(
            **{"name": "rest", "endpointConfiguration": {"types": ["REGIONAL"]}, **members}
        )
        self.id: str = made["id"]
        self._resources = {"": made["rootResourceId"]}

    @property
    def host(self) -> str:
        return f"{self.id}.execute-api.{REGION}.amazonaws.com"

    def resource(self, path: str) -> str:
        path = path.rstrip("/")
        if path not in self._resources:
            parent, _, part = path.rpartition("/")
            made = self.client.create_resource(restApiId=self.id, parentId=self.resource(parent), pathPart=part)
            self._resources[path] = made["id"]
        return self._resources[path]

    def where(self, verb: str, path: str) -> dict[str, str]:
        return {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": verb}

    def method(self, verb: str, path: str, integration: dict[str, Any], **method: Any) -> None:
        where = self.where(verb, path)
        self.client.put_method(**where, **{"authorizationType": "NONE", **method})
        self.client.put_integration(**where, **integration)

    def function(
        self, verb: str, path: str, arn: str, integration: dict[str, Any] | None = None, **method: Any
    ) -> None:
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
        lambda_ = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri, **(integration or {})}
        self.method(verb, path, lambda_, **method)

    def web(self, verb: str, path: str, uri: str, integration: dict[str, Any] | None = None, **method: Any) -> None:
        """To a web service; every variable of the path fills the name that is spelled the same in the URI."""
        names = re.findall(r"\{([^}+]+)\+?\}", path)
        mapping = {f"integration.request.path.{name}": f"method.request.path.{name}" for name in names}
        more = dict(integration or {})
        mapping |= more.pop("requestParameters", {})
        http = {"type": "HTTP_PROXY", "integrationHttpMethod": "ANY", "uri": uri, "requestParameters": mapping, **more}
        wanted = {text: True for text in mapping.values() if text.startswith("method.request.path.")}
        self.method(verb, path, http, **{"requestParameters": wanted, **method})

    def cognito(self, *pools: Pool, name: str = "pools", **members: Any) -> dict[str, Any]:
        """How a method names a new authorizer of these pools."""
        made = self.client.create_authorizer(
            restApiId=self.id,
            name=name,
            **{
                "type": "COGNITO_USER_POOLS",
                "providerARNs": [pool.arn for pool in pools],
                "identitySource": "method.request.header.Authorization",
                **members,
            },
        )
        return {"authorizationType": "COGNITO_USER_POOLS", "authorizerId": made["id"]}

    def deploy(self, stage: str = "prod", **members: Any) -> str:
        made: str = self.client.create_deployment(restApiId=self.id, stageName=stage, **members)["id"]
        return made

    def call(self, method: str, path: str, *args: Any, stage: str = "prod", **kwargs: Any) -> Answer:
        """A call in host form."""
        return call(self.server, method, f"/{stage}{path}", *args, host=self.host, **kwargs)


class HttpApi:
    """An HTTP API being made, with a stage `$default` that deploys by itself unless `stage` says otherwise."""

    def __init__(self, server: Server, *, stage: str | None = "$default", **members: Any) -> None:
        self.server = server
        self.client = server.aws("apigatewayv2")
        self.id: str = self.client.create_api(**{"Name": "http", "ProtocolType": "HTTP", **members})["ApiId"]
        if stage is not None:
            self.stage(stage)

    @property
    def host(self) -> str:
        return f"{self.id}.execute-api.{REGION}.amazonaws.com"

    def stage(self, name: str, **members: Any) -> None:
        self.client.create_stage(**{"ApiId": self.id, "StageName": name, "AutoDeploy": True, **members})

    def integration(self, **members: Any) -> str:
        made: str = self.client.create_integration(ApiId=self.id, **members)["IntegrationId"]
        return made

    def route(self, key: str, integration: dict[str, Any], **members: Any) -> str:
        target = f"integrations/{self.integration(**integration)}"
        made: str = self.client.create_route(ApiId=self.id, RouteKey=key, Target=target, **members)["RouteId"]
        return made

    def function(self, key: str, arn: str, integration: dict[str, Any] | None = None, **members: Any) -> str:
        lambda_ = {"IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0"}
        return self.route(key, {**lambda_, **(integration or {})}, **members)

    def web(self, key: str, uri: str, integration: dict[str, Any] | None = None, **members: Any) -> str:
        web = {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "ANY",
            "IntegrationUri": uri,
            "PayloadFormatVersion": "1.0",
        }
        return self.route(key, {**web, **(integration or {})}, **members)

    def jwt(self, issuer: str, *audience: str, name: str = "jwt", **members: Any) -> dict[str, Any]:
        """How a route names a new authorizer of this issuer."""
        made = self.client.create_authorizer(
            **{
                "ApiId": self.id,
                "Name": name,
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Issuer": issuer, "Audience": list(audience)},
                **members,
            }
        )
        return {"AuthorizationType": "JWT", "AuthorizerId": made["AuthorizerId"]}

    def call(self, method: str, path: str, *args: Any, **kwargs: Any) -> Answer:
        """A call in host form."""
        return call(self.server, method, path, *args, host=self.host, **kwargs)


# tokens that sign-in would give


def id_token(pool: Pool, client: str, **claims: Any) -> str:
    """An ID token of a user of a pool, signed with the pool's own key, which lies sealed in the server's store."""
    now = int(time.time())
    payload = {
        "sub": "d2f50444-0041-7036-aea2-a955fca33d37",
        "iss": pool.issuer,
        "cognito:username": "ada",
        "aud": client,
        "token_use": "id",
        "auth_time": now,
        "exp": now + 3600,
        "iat": now,
        "jti": "13727aba-89e6-4896-bd9e-8cbc0f478f9c",
        **claims,
    }
    return asyncio.run(_signed(pool, payload, "id"))


def access_token(pool: Pool, client: str, **claims: Any) -> str:
    """An access token whose claims are chosen; None leaves one out."""
    now = int(time.time())
    payload = {
        "sub": client,
        "token_use": "access",
        "scope": "orders/read",
        "auth_time": now,
        "iss": pool.issuer,
        "exp": now + 3600,
        "iat": now,
        "version": 2,
        "jti": "5a2b5c1e-97a7-4a55-a0c7-0ee4c0ce5a5f",
        "client_id": client,
        **claims,
    }
    return asyncio.run(_signed(pool, {name: value for name, value in payload.items() if value is not None}, "access"))


async def _signed(pool: Pool, claims: dict[str, Any], use: str) -> str:
    settings = Settings(data_dir=pool.server.data_dir)
    store, seal = open_store(settings), open_sealer(settings)
    try:
        keys = await store.read(lambda tx: queries.list_keys(tx, pool.pool_id))
    finally:
        await store.close()
    key = next(key for key in keys if key.use == use)
    der = seal.open(key.private_key, queries.key_context(pool.pool_id, key.kid))
    return SigningKey(key.kid, load_private_key(der)).sign(claims).decode()
