"""What a million users cost: sign-in, ListUsers and refresh beside the same with a thousand; and the token endpoint
while people sign in.

    python bench/users.py [--users 1000000] [--rounds 40] [--sign-ins 50] [--database postgresql://…]

Starts servers of its own with users put straight into their databases, on SQLite unless --database names another (which
must be empty). Latencies are medians of calls one after another; the token endpoint's p99 is measured quiet and under
`--sign-ins` password sign-ins a second, in one run. Compare ratios, not figures of different hours.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import requests
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
    """A server of this bench, with one pool."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.settings = Settings(data_dir=folder, database=database, development=True)
        arguments = ["serve", "--dev", "--port", "0", "--data-dir", str(folder)]
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


def median_ms(work: Callable[[int], object], rounds: int) -> float:
    taken = []
    for number in range(rounds):
        started = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1_000


def measure(served: Served, count: int, rounds: int) -> dict[str, float]:
    """Latencies in milliseconds, by what was done; users far apart, so that no page of the database is warm by luck."""
    step = max(1, count // rounds)
    tokens = [served.sign_in(number * step) for number in range(min(rounds, 10))]
    pages = served.idp.list_users(UserPoolId=served.pool_id, Limit=60)
    assert len(pages["Users"]) == 60
    middle = f"u{count // 2:07}"
    return {
        "sign-in by password": median_ms(lambda number: served.sign_in(number * step % count), rounds),
        "refresh": median_ms(lambda number: served.refresh(tokens[number % len(tokens)]), rounds),
        "ListUsers, first page": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Limit=60), rounds
        ),
        "ListUsers, next page": median_ms(
            lambda _: served.idp.list_users(
                UserPoolId=served.pool_id, Limit=60, PaginationToken=pages["PaginationToken"]
            ),
            rounds,
        ),
        "ListUsers, email = …": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Filter=f'email = "{middle}@example.com"'), rounds
        ),
        "ListUsers, email ^= …": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Filter=f'email ^= "{middle}"'), rounds
        ),
        "AdminGetUser": median_ms(
            lambda number: served.idp.admin_get_user(
                UserPoolId=served.pool_id, Username=f"u{number * step % count:07}"
            ),
            rounds,
        ),
    }


def token_p99_ms(served: Served, seconds: float, machine: dict[str, Any]) -> float:
    """The 99th percentile of token requests one after another on one connection."""
    credentials = base64.b64encode(f"{machine['ClientId']}:{machine['ClientSecret']}".encode()).decode()
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Basic {credentials}"
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        answer = session.post(f"{served.url}/oauth2/token", data={"grant_type": "client_credentials"})
        taken.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.text
    return statistics.quantiles(taken, n=100)[98] * 1_000


@contextlib.contextmanager
def sign_ins(served: Served, per_second: int, count: int) -> Iterator[list[int]]:
    """Password sign-ins at a steady rate in the background; the list holds how many were answered."""
    done = [0]
    stopping = threading.Event()
    started = time.perf_counter()
    turns = iter(range(10**9))
    lock = threading.Lock()

    def work() -> None:
        while not stopping.is_set():
            with lock:
                number = next(turns)
            wait = started + number / per_second - time.perf_counter()
            if wait > 0:
                stopping.wait(wait)
            with contextlib.suppress(Exception):
                served.sign_in(number * 7919 % count)
                with lock:
                    done[0] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    yield done
    stopping.set()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sign-ins", type=int, default=50)
    parser.add_argument("--database", help="a PostgreSQL URL; its database must be empty")
    options = parser.parse_args()
    figures: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, options.users):
            place = Path(folder) / str(count)
            place.mkdir()
            served = Served(place, options.database)
            try:
                started = time.perf_counter()
                served.fill(count)
                print(f"{count:,} users put in, {time.perf_counter() - started:.0f} s", flush=True)
                figures[count] = measure(served, count, options.rounds)
                if count == options.users:
                    _report_tokens(served, count, options.sign_ins)
            finally:
                served.close()
    few, many = figures[1_000], figures[options.users]
    print(f"{'':24}{'1,000':>12}{options.users:>14,}   ratio")
    for name, value in few.items():
        print(f"{name:24}{value:9.2f} ms{many[name]:11.2f} ms   {many[name] / value:.2f}")


def _report_tokens(served: Served, count: int, per_second: int) -> None:
    served.idp.create_resource_server(
        UserPoolId=served.pool_id,
        Identifier="orders",
        Name="orders",
        Scopes=[{"ScopeName": "read", "ScopeDescription": "r"}],
    )
    machine = served.app_client(
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["orders/read"],
        AllowedOAuthFlowsUserPoolClient=True,
    )
    quiet = token_p99_ms(served, 5, machine)
    started = time.perf_counter()
    with sign_ins(served, per_second, count) as done:
        busy = token_p99_ms(served, 10, machine)
        rate = done[0] / (time.perf_counter() - started)
    ratio = busy / quiet
    print(f"token p99: quiet {quiet:.2f} ms, with {rate:.0f} sign-ins a second {busy:.2f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
