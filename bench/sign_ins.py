"""The token endpoint's latency while people sign in, beside its quiet value.

    python bench/sign_ins.py [--sign-ins 50] [--tokens 200] [--workers 1] [--seconds 10]

Starts a server of its own with a thousand users. Tokens are asked for on one connection: one after another, which keeps
a core busy, and at random times of a steady rate (--tokens a second). The clients are light and processes of their own,
so that they wait for the server and not for each other; they share the machine's cores with it. Compare ratios, not
figures of different hours.
"""

import argparse
import base64
import http.client
import json
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

from served import PASSWORD, Served

USERS = 1_000
CONNECTIONS = 8


def ask_for_tokens(url: str, client_id: str, secret: str, seconds: float, per_second: int) -> list[float]:
    """Milliseconds of each token request. per_second: 0 for one after another."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    taken: list[float] = []
    begun = time.perf_counter()
    while (started := time.perf_counter()) < begun + seconds:
        if per_second:
            # At random in its turn, or every fourth token would meet a sign-in at one and the same step, or none would.
            due = begun + (len(taken) + random.random()) / per_second
            time.sleep(max(0.0, due - started))
            started = time.perf_counter()
        connection.request("POST", "/oauth2/token", "grant_type=client_credentials", headers)
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - started) * 1_000)
        assert answer.status == 200, body
    return taken


def sign_in_steadily(url: str, client_id: str, per_second: int, stopping: Event, done: "Synchronized[int]") -> None:
    """Sign-ins at a steady rate until told to stop; `done` counts those that got tokens."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
    }
    begun = time.perf_counter()

    def work(first: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        number = first
        while not stopping.is_set():
            wait = begun + number / per_second - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            asked = {
                "AuthFlow": "USER_PASSWORD_AUTH",
                "ClientId": client_id,
                "AuthParameters": {"USERNAME": f"u{number * 7919 % USERS:07}", "PASSWORD": PASSWORD},
            }
            connection.request("POST", "/", json.dumps(asked), headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            with done.get_lock():
                done.value += 1
            number += CONNECTIONS

    threads = [threading.Thread(target=work, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sign-ins", type=int, default=50, help="a second")
    parser.add_argument("--tokens", type=int, default=200, help="a second, at the steady rate")
    parser.add_argument("--workers", type=int, default=1, help="of the server")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder), None, "--workers", str(options.workers))
        try:
            served.fill(USERS)
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
            asking = (served.url, machine["ClientId"], machine["ClientSecret"], options.seconds)
            ask_for_tokens(*asking[:3], 3, 0)  # till keys are made ahead, and all is warm
            for label, per_second in (("one after another", 0), (f"{options.tokens} a second", options.tokens)):
                quiet = ask_for_tokens(*asking, per_second)
                stopping, done = multiprocessing.Event(), multiprocessing.Value("i", 0)
                people = multiprocessing.Process(
                    target=sign_in_steadily, args=(served.url, served.client_id, options.sign_ins, stopping, done)
                )
                people.start()
                while not done.value:
                    time.sleep(0.01)
                before, started = done.value, time.perf_counter()
                busy = ask_for_tokens(*asking, per_second)
                rate = (done.value - before) / (time.perf_counter() - started)
                stopping.set()
                people.join()
                report(label, quiet, busy, rate)
        finally:
            served.close()


def report(label: str, quiet: list[float], busy: list[float], rate: float) -> None:
    print(f"tokens {label}; {rate:.0f} sign-ins a second")
    for name, at in (("p50", 49), ("p99", 98)):
        before, after = (statistics.quantiles(taken, n=100)[at] for taken in (quiet, busy))
        print(f"  {name}  quiet {before:.2f} ms, with sign-ins {after:.2f} ms, ratio {after / before:.2f}", flush=True)


if __name__ == "__main__":
    main()
