"""A pool whose users sign in by pages, for tests of the rooms: real rows, the pages as a browser is answered."""

import asyncio
from dataclasses import replace
from typing import Any

from scopegate.base import clock
from scopegate.http.message import Request
from scopegate.userpools import oauth
from scopegate.userpools.users import queries
from scopegate.userpools.users.accounts import hash_password, new_user, with_password
from scopegate.userpools.users.model import CONFIRMED, User
from scopegate.userpools.users.passwords import Passwords
from tests.pages import Browser
from tests.rooms.userpools.driver import World, _answer, _wait

POOL = "us-east-1_AbCdEf123"
WEB = "web0example23456789abcdefg"
CALLBACK = "https://app.example/callback"
PASSWORD = "Correct-Horse-9"
SCHEMA = [
    {"Name": "sub", "AttributeDataType": "String", "Required": True, "Mutable": False},
    {"Name": "email", "AttributeDataType": "String", "Mutable": True},
    {"Name": "given_name", "AttributeDataType": "String", "Mutable": True},
    {"Name": "email_verified", "AttributeDataType": "Boolean", "Mutable": True},
]
POLICY = {"MinimumLength": 8, "RequireUppercase": True, "RequireNumbers": True, "RequireSymbols": True}
CLIENT: dict[str, Any] = {
    "ClientName": "Shop",
    "AllowedOAuthFlows": ["code", "implicit"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthScopes": ["openid", "email", "orders/read"],
    "CallbackURLs": [CALLBACK, "https://app.example/other?tenant=7", "app://callback", "http://localhost:3000/cb"],
    "LogoutURLs": ["https://app.example/bye"],
}


class SignInWorld(World):
    """One pool, a public client `WEB`, and users as tests make them."""

    def __init__(
        self, pool: dict[str, Any] | None = None, client: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.passwords = Passwords(replace(self.settings, password_memory_kib=8_192, password_passes=1))
        ports = replace(self.edge.ports, passwords=self.passwords)
        self.edge = replace(self.edge, ports=ports)
        self.pool(POOL, **{"SchemaAttributes": SCHEMA, "Policies": {"PasswordPolicy": POLICY}, **(pool or {})})
        self.public_client(POOL, WEB, **{**CLIENT, **(client or {})})

    def user(
        self, username: str = "ada", password: str = PASSWORD, *, status: str = CONFIRMED, **attributes: str
    ) -> User:
        """A user with a password, confirmed unless the test says otherwise."""
        sub, now = clock.uuid4(), clock.now()
        document = self.view.pool_by_id[POOL].document
        hashed = _run(hash_password(self.passwords, POOL, username, password))
        made = with_password(new_user(document, username, sub, attributes, status=status, now=now), hashed, now)
        assert queries.add_user(self.tx, self.seal, made, {})
        return made

    def browser(self, pool_id: str | None = POOL, base: str = "", *, peer: str = "127.0.0.1") -> Browser:
        """A browser that comes by a pool's domain, by a path with the pool in it (base), or by the bare host (None)."""
        pool = None if pool_id is None else self.view.pool_by_id[pool_id]

        def send(
            method: str, target: str, headers: list[tuple[str, str]], body: bytes
        ) -> tuple[int, list[tuple[str, str]], bytes]:
            assert target.startswith(f"{base}/"), f"{target} leaves {base}"
            raw = [(name.encode(), value.encode()) for name, value in headers]
            request = Request(method, target.encode(), [(b"Host", b"localhost:4566"), *raw], body, peer=(peer, 50_000))
            path = request.path.decode().removeprefix(base)
            named = pool and self.view.pool_by_id[pool.pool_id]
            answer = _answer(oauth.answer(request, path, named, self.view, self.edge))
            return answer.status, answer.headers, answer.body

        return Browser(send)


def _run(awaitable: Any) -> Any:
    return asyncio.run(_wait(awaitable))


def asked(**more: str) -> dict[str, str]:
    """The parameters of an authorize request; a value of "" leaves one out."""
    whole = {"response_type": "code", "client_id": WEB, "redirect_uri": CALLBACK, "state": "s t&1", **more}
    return {name: value for name, value in whole.items() if value}
