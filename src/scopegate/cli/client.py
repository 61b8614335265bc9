"""A running server as the command line sees it: AWS operations and `/_scopegate/api`, signed as any client signs.

Credentials come from the environment (`AWS_ACCESS_KEY_ID`, …); development mode accepts any, so `test` stands in.
"""

import base64
import json
import os
import sys
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

from rich.console import Console
from rich.markup import escape

from scopegate.aws.client import Credentials, SignedAnswer, send_plain, send_signed
from scopegate.base.errors import SetupError
from scopegate.base.settings import DEFAULT_REGION
from scopegate.cli import render

_FOLLOW_S: Final = 0.5


class StackFailed(SetupError):
    """The work on a stack had begun when it failed; exit code 1."""


class StackLeft(SetupError):
    """The user left while a server works on a stack, which goes on; exit code 130."""


def region_here() -> str:
    """The region that commands work in."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def parse_parameters(given: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping."""
    pairs = [text.partition("=") for text in given]
    for key, equals, _ in pairs:
        if not equals or not key:
            raise SetupError(f"--param takes KEY=VALUE, got {key!r}")
    return {key: value for key, _, value in pairs}


def parse_headers(given: Sequence[str]) -> dict[str, str]:
    """`Name: value` texts as a mapping."""
    pairs = [text.partition(":") for text in given]
    for name, colon, _ in pairs:
        if not colon or not name.strip():
            raise SetupError(f"--header takes 'Name: value', got {name!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


class Client:
    """One server by its endpoint URL."""

    def __init__(self, endpoint: str) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SetupError(f"--endpoint must be an http(s) URL like http://localhost:4566, got {endpoint!r}")
        self.endpoint = endpoint.rstrip("/")
        self.region = region_here()
        self.credentials = Credentials(
            os.environ.get("AWS_ACCESS_KEY_ID", "test"),
            os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
            os.environ.get("AWS_SESSION_TOKEN"),
        )

    # What the server offers

    def signed(
        self, service: str, method: str, path: str, body: bytes | BinaryIO = b"", **headers: str
    ) -> SignedAnswer:
        try:
            return send_signed(
                self.endpoint, service, self.region, self.credentials, method, path, body=body, headers=headers
            )
        except OSError as error:
            raise self._nobody(error) from None

    def plain(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> SignedAnswer:
        """A request of the data plane."""
        try:
            return send_plain(self.endpoint + path, method, body=body, headers=headers)
        except OSError as error:
            raise self._nobody(error) from None
        except ValueError as error:
            raise SetupError(f"{method} {path} cannot be sent: {error}") from None

    def _nobody(self, error: OSError) -> SetupError:
        return SetupError(f"No server answers at {self.endpoint} ({error}); start one with: scopegate up template.yaml")

    def own(self, method: str, path: str, body: bytes | BinaryIO = b"") -> Any:
        answer = self.signed("scopegate", method, f"/_scopegate/api/{path}", body)
        if answer.status >= 400:
            raise SetupError(_message(answer))
        return self._json(answer)

    def _json(self, answer: SignedAnswer) -> Any:
        try:
            return json.loads(answer.body)
        except ValueError:
            raise SetupError(f"What answers at {self.endpoint} is not Scopegate") from None

    def stream(self, method: str, path: str, body: bytes) -> Iterator[dict[str, Any]]:
        """The events of long work, one JSON object a line, as they come."""
        answer = self.signed("scopegate", method, f"/_scopegate/api/{path}", body)
        if answer.status >= 400:
            raise SetupError(_message(answer))
        try:
            for line in answer.lines():
                yield json.loads(line)
        except (OSError, ValueError) as error:
            raise StackFailed(f"The server at {self.endpoint} broke off: {error}") from None

    def cognito(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer = self.signed(
            "cognito-idp",
            "POST",
            "/",
            json.dumps(request).encode(),
            **{
                "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
                "Content-Type": "application/x-amz-json-1.1",
            },
        )
        if answer.status >= 400:
            raise SetupError(_message(answer))
        result: dict[str, Any] = self._json(answer)
        return result

    # Commands

    def find_client(self, name_or_id: str) -> dict[str, Any]:
        """The app client of that name or id; an ambiguous name is an error that lists the candidates."""
        pools = self.own("GET", "overview")["pools"]
        clients = [{**client, "pool": pool} for pool in pools for client in pool["clients"]]
        found = [c for c in clients if c["id"] == name_or_id] or [c for c in clients if c["name"] == name_or_id]
        if not found:
            known = ", ".join(sorted(c["name"] for c in clients)) or "none"
            raise SetupError(f"There is no app client {name_or_id!r}; there are: {known}")
        if len(found) > 1:
            candidates = "\n".join(f"  {c['id']}  {c['name']} of pool {c['pool']['name']}" for c in found)
            raise SetupError(f"{name_or_id!r} is ambiguous; give the id of one of:\n{candidates}")
        return found[0]

    def token(self, name_or_id: str, scope: str | None) -> str:
        return self.token_answer(name_or_id, scope)[0]

    def token_answer(self, name_or_id: str, scope: str | None) -> tuple[str, str]:
        """(access token, request id of the token request)."""
        found = self.find_client(name_or_id)
        request = {"UserPoolId": found["pool"]["id"], "ClientId": found["id"]}
        client = self.cognito("DescribeUserPoolClient", request)["UserPoolClient"]
        if "ClientSecret" not in client:
            raise SetupError(f"App client {found['name']} has no secret: it cannot use client_credentials")
        fields = {"grant_type": "client_credentials", **({"scope": scope} if scope is not None else {})}
        basic = base64.b64encode(f"{client['ClientId']}:{client['ClientSecret']}".encode()).decode()
        answer = self.plain(
            "POST",
            "/oauth2/token",
            urllib.parse.urlencode(fields).encode(),
            {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
        )
        body = self._json(answer)
        request_id = answer.headers.get("x-amz-cognito-request-id", "")
        if answer.status != 200:
            raise SetupError(f"The token endpoint refused: {body.get('error')} (scopegate explain {request_id})")
        return str(body["access_token"]), request_id

    def find_api(self, path: str, name_or_id: str | None, stage: str | None) -> dict[str, Any]:
        apis: list[dict[str, Any]] = self.own("GET", "overview")["apis"]
        found = [
            api
            for api in apis
            if (name_or_id is None or name_or_id in (api["id"], api["name"]))
            and (stage is None or api["stage"] == stage)
            and api["routes"]
        ]
        if len(found) > 1:  # the path may tell
            exact = [api for api in found if any(route["path"] == path for route in api["routes"])]
            found = exact or found
        if not found:
            known = ", ".join(f"{api['name']} ({api['id']})" for api in apis) or "none"
            raise SetupError(f"There is no API {name_or_id or 'with routes'}; there are: {known}")
        if len(found) > 1:
            candidates = "\n".join(f"  {a['id']}  {a['name']}, stage {a['stage']}" for a in found)
            raise SetupError(f"Which API? Give --api and --stage of one of:\n{candidates}")
        return found[0]

    def call(
        self,
        console: Console,
        method: str,
        path: str,
        client_name: str | None,
        scope: str | None,
        api: str | None,
        stage: str | None,
        data: str | None,
        headers: Sequence[str],
    ) -> bool:
        """Token, call, answer, decision; True when the answer is not a refusal."""
        sent = parse_headers(headers)
        path = path if path.startswith("/") else f"/{path}"
        found = self.find_api(path, api, stage)
        if client_name is not None:
            sent["Authorization"] = "Bearer " + self.token(client_name, scope)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        # By this endpoint, whatever the server's public URL is.
        target = urllib.parse.urlsplit(found["url"]).path.rstrip("/") + path
        answer = self.plain(method, target, (data or "").encode(), sent)
        render.line(console, f"[bold]{answer.status}[/bold] {escape(method)} {escape(self.endpoint + target)}")
        console.print(answer.body.decode(errors="replace"), markup=False, highlight=False, soft_wrap=True)
        request_id = answer.headers.get("x-amzn-requestid") or answer.headers.get("apigw-requestid")
        if request_id:
            render.line(console)
            self.explain(console, request_id)
        return answer.status < 400

    def explain(self, console: Console, request_id: str) -> None:
        records = self.own("GET", "decisions/" + urllib.parse.quote(request_id, safe=""))["records"]
        for record in records:
            render.decision(console, record)

    def overview(self, console: Console) -> None:
        seen = self.own("GET", "overview")
        render.stacks(console, self.own("GET", "stacks")["stacks"])
        for pool in seen["pools"]:
            render.line(console, f"[bold]{escape(pool['name'])}[/bold] (user pool {pool['id']})")
            render.line(console, f"  issuer {escape(pool['issuer'])}")
            for domain in pool["domains"]:
                render.line(console, f"  domain {escape(domain)}")
            for client in pool["clients"]:
                scopes = escape(" ".join(client["scopes"])) or "no scopes"
                render.line(console, f"  client {escape(client['name'])} [dim]{client['id']}[/dim] {scopes}")
            render.line(console)
        render.routes_table(console, seen["apis"])
        render.functions(console, seen["functions"])

    def logs(self, function: str | None, lines: int, *, follow: bool) -> None:
        """What functions wrote; with `follow`, also what they write from now on, until Ctrl-C."""
        query = {"lines": str(lines), **({"function": function} if function else {})}
        pause = threading.Event()
        while True:
            found = self.own("GET", f"logs?{urllib.parse.urlencode(query)}")
            for text in found["lines"]:
                sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()
            if not follow:
                return
            query["since"] = found["next"]
            pause.wait(_FOLLOW_S)

    def outbox(self, console: Console, user: str | None, *, follow: bool, as_json: bool) -> None:
        """What user pools wrote to their users; with `follow`, also what they write from now on, until Ctrl-C."""
        query = {"user": user} if user else {}
        pause = threading.Event()
        while True:
            found = self.own("GET", f"outbox?{urllib.parse.urlencode(query)}")
            for message in found["messages"]:
                if as_json:
                    sys.stdout.write(json.dumps(message) + "\n")
                else:
                    render.message(console, message)
            sys.stdout.flush()
            if not follow:
                return
            query["since"] = found["next"]
            pause.wait(_FOLLOW_S)


def _message(answer: SignedAnswer) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return f"The server answered {answer.status}"
    return str(body.get("message") or body.get("Message") or f"The server answered {answer.status}")
