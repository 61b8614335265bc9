"""What a token request costs beside its RSA signature, in one process and without the network.

    .venv/bin/python bench/token_request.py [--seconds 2]

Prints microseconds: the raw RSA-2048 signature (OpenSSL through `cryptography`), a client_credentials request from
the parsed HTTP message to the rendered answer, and the difference; then verification of a token seen before and of a
new one. Rounds alternate and the best of each counts, so that a busy machine disturbs the figures least.
Target: at most 40 µs beside the signature (docs/performance.md).
"""

import argparse
import base64
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from scopegate.base.settings import Settings
from scopegate.http.message import Request
from scopegate.jose.keys import load_private_key, new_key, render_jwks, verify_key
from scopegate.jose.sign import SigningKey
from scopegate.jose.verify import KeySet, Verifier
from scopegate.observe.record import Ring
from scopegate.ports import Edge, Ports
from scopegate.userpools import oauth
from scopegate.userpools.model import AppClient, PoolView, SecretDigest, Table, View, digest_secret

POOL_ID, CLIENT_ID, SECRET = "us-east-1_AbCdEf123", "1example23456789abcdefghij", "s" * 52
ISSUER = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL_ID}"
SCOPES = ("orders/read", "orders/write")
CALLS_PER_ROUND = 50


def make_view(signing_key: SigningKey, keys: KeySet) -> View:
    """One pool and 100,000 app clients."""
    pool = PoolView(
        pool_id=POOL_ID,
        account="000000000000",
        region="us-east-1",
        arn=f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{POOL_ID}",
        name="bench",
        issuer=ISSUER,
        issuer_spellings=(ISSUER,),
        domains=(),
        scopes=frozenset(SCOPES),
        access_key=signing_key,
        id_key=signing_key,
        keys=keys,
        jwks=render_jwks(keys.values()),
        triggers={},
        document={},
    )
    digest_key = b"k" * 32
    secrets = (SecretDigest(digest_key, digest_secret(digest_key, SECRET.encode())),)

    def client(client_id: str) -> AppClient:
        grants = frozenset({"client_credentials"})
        return AppClient(
            client_id, POOL_ID, "bench", secrets, grants, frozenset(), False, frozenset(SCOPES), SCOPES, 3600
        )

    clients = Table.of((f"client{n}", client(f"client{n}")) for n in range(100_000)).replaced(
        {CLIENT_ID: client(CLIENT_ID)}
    )
    return View(MappingProxyType({POOL_ID: pool}), {}, {ISSUER: POOL_ID}, clients, frozenset(), digest_key)


def make_request() -> Request:
    credentials = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode())
    headers = [
        (b"Host", b"localhost:4566"),
        (b"User-Agent", b"bench"),
        (b"Accept", b"*/*"),
        (b"Authorization", b"Basic " + credentials),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
        (b"Content-Length", b"58"),
    ]
    body = b"grant_type=client_credentials&scope=orders%2Fread"
    return Request("POST", b"/oauth2/token", headers, body, peer=("127.0.0.1", 50_000))


def best_us(work: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The best mean of any round, by name, rounds of all taking turns."""
    best = dict.fromkeys(work, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in work.items():
            started = time.perf_counter()
            for _ in range(CALLS_PER_ROUND):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / CALLS_PER_ROUND * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    seconds = parser.parse_args().seconds
    key = new_key()
    private_key = load_private_key(key.private_key)
    keys = {key.kid: verify_key(key.kid, private_key.public_key())}
    view = make_view(SigningKey(key.kid, private_key), keys)
    unbuilt: Any = None
    ports = Ports(unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt)
    edge = Edge(Settings(), Ring(1000), ports, "http://localhost:4566")
    message, padding, digest = b"x" * 600, PKCS1v15(), SHA256()
    answer = oauth.answer(make_request(), "/oauth2/token", None, view, edge)
    token = answer.body.split(b'"')[3]
    verifier = Verifier(10_000)
    figures = best_us(
        {
            "raw RSA-2048 signature": lambda: private_key.sign(message, padding, digest),
            "token request": lambda: oauth.answer(make_request(), "/oauth2/token", None, view, edge),
            "verify, seen before": lambda: verifier.verify(token, {ISSUER: keys}.get),
            "verify, new": lambda: Verifier(1).verify(token, {ISSUER: keys}.get),
        },
        seconds,
    )
    for name, us in figures.items():
        print(f"{name:24} {us:8.1f} µs {1e6 / us:10,.0f}/s")
    beside = figures["token request"] - figures["raw RSA-2048 signature"]
    share = figures["raw RSA-2048 signature"] / figures["token request"]
    print(f"{'beside the signature':24} {beside:8.1f} µs   {share:.2f} of the raw rate")


if __name__ == "__main__":
    main()
