"""`make demo`: the story of a token and three calls, told in the terminal with the ten steps of each.

Runs on `examples/orders/template.yaml`; every line shown is the answer of a real call over HTTP.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.rule import Rule

from scopegate.aws.client import send_plain
from scopegate.base.errors import SetupError
from scopegate.base.settings import DEFAULT_PORT
from scopegate.cli import serve, stacks
from scopegate.cli.client import Client
from scopegate.server import processes


def main() -> None:
    """`python -m scopegate.cli.demo TEMPLATE`. DEMO_EXIT=1 ends after the story; DEMO_PORT chooses a port."""
    template = Path(sys.argv[1])
    flags: dict[str, Any] = {"development": True, "ephemeral": True}
    try:
        if "DEMO_PORT" in os.environ:
            flags["port"] = _port(os.environ["DEMO_PORT"])
        serve.run(flags, serve.Wanted(stacks.Order((template,))), then=tell)
    except SetupError as error:
        Console(stderr=True).print("error:", str(error), markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SetupError(f"DEMO_PORT must be a port number, got {text!r}")
    return int(text)


def tell(console: Console, client: Client) -> None:
    """The story. A call that does not go as told is an error."""
    api = client.find_api("/orders", None, "prod")
    url = api["url"] + "/orders"

    _chapter(console, "1. orders-job asks for a token, and is allowed orders/read alone")
    token, token_request = client.token_answer("orders-job", None)
    console.print(f"POST /oauth2/token grant_type=client_credentials → {token[:24]}…", markup=False)
    client.explain(console, token_request)

    _chapter(console, "2. GET /orders without a token")
    _step(console, client, "GET", url, {}, expected=401)

    _chapter(console, "3. GET /orders with the token: the path asks for orders/read, the token has it")
    _step(console, client, "GET", url, {"Authorization": token}, expected=200)

    _chapter(console, "4. POST /orders with the same token: the path asks for orders/write")
    _step(console, client, "POST", url, {"Authorization": token}, expected=401)

    console.print(Rule())
    console.print("Try it yourself, in a second terminal:")
    port = urlsplit(url).port or DEFAULT_PORT
    here = "" if port == DEFAULT_PORT else f" --endpoint http://localhost:{port}"
    for line in (
        f".venv/bin/scopegate ls{here}",
        f".venv/bin/scopegate call GET /orders --client orders-job --stage prod{here}",
        f'curl -H "Authorization: $(.venv/bin/scopegate token --client orders-job{here})" {url}',
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print()
    if os.environ.get("DEMO_EXIT") == "1":
        processes.stop()


def _chapter(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(title, align="left"))


def _step(console: Console, client: Client, method: str, url: str, headers: dict[str, str], *, expected: int) -> None:
    body = json.dumps({"item": "tea"}).encode() if method == "POST" else b""
    sent = {**headers, **({"Content-Type": "application/json"} if body else {})}
    answer = send_plain(url, method, body=body, headers=sent)
    console.print(f"{method} {url} → {answer.status}", markup=False, soft_wrap=True)
    console.print(answer.body.decode(), markup=False, soft_wrap=True)
    client.explain(console, answer.headers["x-amzn-requestid"])
    if answer.status != expected:
        raise SetupError(f"The story expected {expected} here and got {answer.status}")


if __name__ == "__main__":
    main()
