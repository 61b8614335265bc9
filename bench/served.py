"""A server of a bench, with one pool and as many users as wanted, written straight into its database."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from sqlalchemy import insert

from scopegate.base import clock
from scopegate.base.settings import Settings
from scopegate.store import open_sealer, open_store
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.tables import user_aliases, user_attributes, users
from scopegate.userpools import queries as pool_queries
from scopegate.userpools.users.accounts import Hashed, hash_password, new_user, with_password
from scopegate.userpools.users.passwords import Passwords
from scopegate.userpools.users.queries import secrets_context

PASSWORD = "Correct-Horse-9"
BATCH = 5_000


class Served:
    """A server with one pool. more: further arguments of `serve`."""

    def __init__(self, folder: Path, database: str | None, *more: str) -> None:
        self.settings = Settings(data_dir=folder, database=database, development=True)
        arguments = ["serve", "--dev", "--port", "0", "--data-dir", str(folder), *more]
        if database:
            arguments += ["--database", database]
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("scopegate"), *arguments],
            stdout=subprocess.PIPE,
            stderr=(folder / "server.log").open("ab"),
            start_new_session=True,
            env={key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SCOPEGATE_"))},
        )
        assert self.process.stdout is not None
        while not (match := re.search(rb"http://localhost:(\d+)", self.process.stdout.readline())):
            assert self.process.poll() is None, (folder / "server.log").read_text()
        self.url = f"http://127.0.0.1:{int(match[1])}"
        self.idp = boto3.client(
            "cognito-idp",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, max_pool_connections=64),
        )
        self.pool_id = self.idp.create_user_pool(PoolName="bench")["UserPool"]["Id"]
        self.client_id = self.app_client(ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])[
            "ClientId"
        ]

    def app_client(self, **more: Any) -> dict[str, Any]:
        made = self.idp.create_user_pool_client(UserPoolId=self.pool_id, ClientName="bench", **more)
        client: dict[str, Any] = made["UserPoolClient"]
        return client

    def fill(self, count: int) -> None:
        """Users u0000000, …, all with one password, written as AdminCreateUser writes them."""
        asyncio.run(self._fill(count))

    async def _fill(self, count: int) -> None:
        store, seal = open_store(self.settings), open_sealer(self.settings)
        passwords = Passwords(self.settings)
        found = await store.read(lambda tx: pool_queries.find_pool_owner(tx, self.pool_id))
        assert found is not None
        # The SRP verifier belongs to a name; signing in by password asks for the hash alone.
        hashed = await hash_password(passwords, self.pool_id, "u", PASSWORD)
        for first in range(0, count, BATCH):
            batch = range(first, min(first + BATCH, count))
            await store.write(lambda tx, batch=batch: _insert(tx, seal, found.document, hashed, batch))
        passwords.close()
        await store.close()

    def sign_in(self, number: int) -> str:
        answer = self.idp.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=self.client_id,
            AuthParameters={"USERNAME": f"u{number:07}", "PASSWORD": PASSWORD},
        )
        token: str = answer["AuthenticationResult"]["RefreshToken"]
        return token

    def refresh(self, token: str) -> None:
        self.idp.initiate_auth(
            AuthFlow="REFRESH_TOKEN_AUTH", ClientId=self.client_id, AuthParameters={"REFRESH_TOKEN": token}
        )

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)


def _insert(tx: Tx, seal: Sealer, pool: Any, hashed: Hashed, batch: range) -> None:
    rows, searched = [], []
    for number in batch:
        name, email = f"u{number:07}", f"u{number:07}@example.com"
        attributes = {"email": email, "email_verified": "true", "name": f"User {number}"}
        user = with_password(new_user(pool, name, clock.uuid4(), attributes, status="CONFIRMED", now=1.0), hashed, 1.0)
        rows.append(
            {
                "pool_id": user.pool_id,
                "name_key": user.name_key,
                "username": user.username,
                "sub": user.sub,
                "status": user.status,
                "enabled": True,
                "created_at": 1.0,
                "modified_at": 1.0,
                "document": {
                    "attributes": dict(user.attributes),
                    "password_set_at": 1.0,
                    "password_history": [],
                    "mfa": [],
                    "preferred_mfa": "",
                    "totp_name": "",
                    "totp_step": 0,
                    "pending": {},
                },
                "password": user.password,
                "secrets": seal.seal(
                    b'{"srp_salt":"10","srp_verifier":"10","totp":null,"pending_totp":null}',
                    secrets_context(user.pool_id, user.sub),
                ),
                "failures": 0,
                "locked_until": 0.0,
            }
        )
        searched += [
            {"pool_id": user.pool_id, "attribute": key, "value": attributes[key], "name_key": user.name_key}
            for key in ("email", "name")
        ]
    tx.sql.execute(insert(users), rows)
    tx.sql.execute(insert(user_attributes), searched)
    tx.sql.execute(insert(user_aliases), [row for row in searched if row["attribute"] == "email"])
