"""User pools for tests of the data plane: real rows, really sealed, compiled as a server compiles them."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Connection

from scopegate.base.settings import Settings
from scopegate.http.message import Request, Response
from scopegate.jose.keys import NewKey
from scopegate.jose.verify import Verifier
from scopegate.observe.record import Record, Ring
from scopegate.ports import CompileContext, Edge, Ports
from scopegate.store.port import Change, Written
from scopegate.store.sealing import Sealer
from scopegate.userpools import oauth, queries
from scopegate.userpools.compile import compile_all, compile_changed
from scopegate.userpools.model import PoolView, View
from scopegate.userpools.oauth import discovery
from tests.database import new_database
from tests.rooms.jose.issuer import rsa_key

ACCOUNT, REGION = "000000000000", "us-east-1"
CLIENT = "1example23456789abcdefghij"
SECRET = "s3cret" + "x" * 46
FORM = b"application/x-www-form-urlencoded"
MACHINE = {
    "AllowedOAuthFlows": ["client_credentials"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthScopes": ["orders/read", "orders/write"],
}


class Transaction:
    """One transaction of a real database, and what it said has changed."""

    def __init__(self, sql: Connection) -> None:
        self.sql = sql
        self.changes: list[Change] = []

    def changed(self, kind: str, key: str) -> None:
        self.changes.append(Change(len(self.changes) + 1, kind, key))


class _Store:
    """The transaction as a store hands it out."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    async def read(self, transaction: Any) -> Any:
        return transaction(self._tx)

    async def write(self, transaction: Any) -> Written[Any]:
        return Written(transaction(self._tx), None)


def basic(client_id: str, secret: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{client_id}:{secret}".encode())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, Any]:
        return self.status, self.json

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1
        return found[0] if found else None


class World:
    """A store, the view compiled from it, and an edge that answers."""

    def __init__(self, **settings: Any) -> None:
        self.tx: Any = Transaction(new_database())
        self.seal = Sealer(b"k" * 32)
        self.settings = Settings(**{"development": True, **settings})
        unbuilt: Any = None
        ports = Ports(unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt)
        self.context = CompileContext(self.settings, self.seal, ports)
        public_url = (self.settings.public_url or "http://localhost:4566").rstrip("/")
        store: Any = _Store(self.tx)
        self.edge = Edge(self.settings, Ring(1000), ports, public_url, store=store, seal=self.seal)
        self.view: View = compile_all(self.tx, self.context)
        self._keys = 0

    def catch_up(self) -> None:
        """Bring the view up to what was written, as a server does before it answers a write."""
        changes, self.tx.changes = self.tx.changes, []
        self.view = compile_changed(self.tx, self.view, changes, self.context)

    def pool(
        self, pool_id: str = "us-east-1_AbCdEf123", scopes: Sequence[str] = ("read", "write"), **document: Any
    ) -> str:
        """A pool with a resource server `orders` and two signing keys. Returns its id."""
        queries.put_pool(self.tx, ACCOUNT, REGION, pool_id, {"Id": pool_id, "Name": "pool", **document})
        for use in ("access", "id"):
            self.key(pool_id, use)
        self.resource_server(pool_id, "orders", scopes)
        self.catch_up()
        return pool_id

    def key(self, pool_id: str, use: str, created_at: float = 1.0) -> str:
        self._keys += 1
        der = rsa_key(self._keys % 4).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        key = NewKey(base64.b64encode(bytes([self._keys]) * 32).decode(), der)
        sealed = self.seal.seal(key.private_key, queries.key_context(pool_id, key.kid))
        queries.add_key(self.tx, pool_id, key.kid, use, created_at, sealed)
        return key.kid

    def resource_server(self, pool_id: str, identifier: str, scopes: Sequence[str]) -> None:
        document = {"Identifier": identifier, "Scopes": [{"ScopeName": name} for name in scopes]}
        queries.put_resource_server(self.tx, pool_id, identifier, document)
        self.catch_up()

    def client(self, pool_id: str, client_id: str = CLIENT, *secrets: str, **document: Any) -> str:
        """An app client; with the members of MACHINE unless others are given, with SECRET unless others are."""
        whole = {"ClientId": client_id, "ClientName": "client", "UserPoolId": pool_id, **(document or MACHINE)}
        queries.put_client(self.tx, pool_id, client_id, whole)
        for number, secret in enumerate(secrets or (SECRET,)):
            self.add_secret(client_id, f"{client_id}--{number}", secret, float(number))
        self.catch_up()
        return client_id

    def add_secret(self, client_id: str, secret_id: str, secret: str, created_at: float) -> None:
        sealed = self.seal.seal(secret.encode(), queries.secret_context(client_id, secret_id))
        queries.add_secret(self.tx, client_id, secret_id, created_at, sealed)

    def public_client(self, pool_id: str, client_id: str, **document: Any) -> str:
        queries.put_client(self.tx, pool_id, client_id, {"ClientId": client_id, **(document or MACHINE)})
        self.catch_up()
        return client_id

    # What a client sees

    def send(
        self,
        body: bytes = b"",
        *headers: tuple[bytes, bytes],
        method: str = "POST",
        target: bytes = b"/oauth2/token",
        path: str | None = None,
        pool: PoolView | None = None,
        peer: str = "127.0.0.1",
    ) -> Answer:
        request = Request(method, target, [(b"Host", b"localhost:4566"), *headers], body, peer=(peer, 50_000))
        answer = oauth.answer(request, path or request.path.decode(), pool, self.view, self.edge)
        return _answer(answer)

    def post_token(
        self,
        fields: dict[str, str] | bytes | None = None,
        auth: bytes | None = None,
        content_type: bytes = FORM,
        **more: Any,
    ) -> Answer:
        """POST a token request; by default client_credentials with Basic credentials of the default client."""
        body = (
            fields
            if isinstance(fields, bytes)
            else urlencode({"grant_type": "client_credentials", **(fields or {})}).encode()
        )
        headers = [(b"Content-Type", content_type)]
        if auth is None:
            auth = basic(CLIENT, SECRET)
        if auth:
            headers.append((b"Authorization", auth))
        return self.send(body, *headers, **more)

    def claims(self, answer: Answer) -> dict[str, Any]:
        """The claims of the token that was handed out, verified with the keys that the pool publishes."""
        assert answer.status == 200, answer.body

        def choose(issuer: str) -> Any:
            pool = self.view.find_pool(issuer)
            return None if pool is None else pool.keys

        return dict(Verifier(1).verify(answer.json["access_token"], choose).claims)

    def document(self, pool_id: str, name: str, method: str = "GET", *headers: tuple[bytes, bytes]) -> Answer:
        request = Request(method, f"/{pool_id}/.well-known/{name}".encode(), [(b"Host", b"localhost"), *headers])
        pool = self.view.pool_by_id.get(pool_id)
        return _answer(discovery.answer_document(request, pool, pool_id, name, self.edge))

    @property
    def record(self) -> Record:
        """The newest decision record."""
        return next(iter(self.edge.ring.newest(1)))


async def _wait(answering: Awaitable[Response]) -> Response:
    return await answering


def _answer(answered: Response | Awaitable[Response]) -> Answer:
    response = answered if isinstance(answered, Response) else asyncio.run(_wait(answered))
    return Answer(response.status, [(key.decode(), value.decode()) for key, value in response.headers], response.body)
