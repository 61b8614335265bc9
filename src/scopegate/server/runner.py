"""The runner role: function processes behind a Unix socket, and how other roles reach them.

`POST /run` takes a frame of the work and its payload and answers a frame of the outcome; 428 when the runner does not
know the revision yet: then `POST /definitions`, and once more. The runner holds no signing key and no database address:
all that it knows of a function is the definition that it was sent.
A frame is the length of a JSON head in four bytes, the head, and the payload.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlencode

import orjson

from scopegate.base.errors import AwsError, SetupError
from scopegate.functions.invoke import runtime_missing
from scopegate.functions.model import Definition, Outcome, Work, definition_from_json, definition_to_json
from scopegate.functions.pool import Runner
from scopegate.http.client import UpstreamError
from scopegate.http.message import Request, Response
from scopegate.server.roles import Role, RoleSocket

_LONGEST_S: Final = 960.0
_UNKNOWN: Final = 428
_REFUSED: Final = 400
_KNOWN: Final = 4096  # definitions that the runner remembers


class Functions(Protocol):
    """What the other rooms need of whatever runs functions."""

    async def run(self, definition: Definition, work: Work) -> Outcome: ...

    async def logs(
        self, account: str, region: str, function: str, lines: int, since: int | None
    ) -> tuple[Sequence[str], int]:
        """(what a function wrote after position `since`, else its last `lines` events; the position now)."""
        ...


class LocalFunctions:
    """Functions in this process's care."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.run = runner.run

    async def logs(
        self, account: str, region: str, function: str, lines: int, since: int | None
    ) -> tuple[Sequence[str], int]:
        return self._runner.new_logs(account, region, function, lines, since)


class NoFunctions:
    """None: where definitions are only looked at."""

    async def run(self, definition: Definition, work: Work) -> Outcome:
        raise AwsError("ServiceException", "No function is run here", status=500)

    async def logs(
        self, account: str, region: str, function: str, lines: int, since: int | None
    ) -> tuple[Sequence[str], int]:
        return (), 0


class RemoteFunctions:
    """Functions in the runner's care."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def run(self, definition: Definition, work: Work) -> Outcome:
        """As `Runner.run`. Raises AwsError(ServiceException) when the runner does not answer."""
        body = _frame({"revision": definition.revision, **_without(work, "payload")}, work.payload)
        try:
            answer = await self._role.send("POST", "/run", body, timeout_s=_LONGEST_S)
            if answer.status == _UNKNOWN:
                plain = orjson.dumps(definition_to_json(definition))
                await self._role.send("POST", "/definitions", plain, timeout_s=_LONGEST_S)
                answer = await self._role.send("POST", "/run", body, timeout_s=_LONGEST_S)
            received = await answer.read()
        except UpstreamError as error:
            raise AwsError("ServiceException", "Functions cannot be run now", status=500, log=str(error)) from error
        head, payload = _unframe(received)
        if answer.status == _REFUSED:
            raise AwsError(head["code"], head["message"], status=head["status"], members=head["members"])
        if answer.status != 200:
            raise AwsError("ServiceException", "Functions cannot be run now", status=500, log=f"{answer.status}")
        tail = head["log_tail"]
        content_type = head["content_type"].encode()
        return Outcome(
            **{**head, "log_tail": None if tail is None else tail.encode(), "content_type": content_type},
            payload=payload,
        )

    async def logs(
        self, account: str, region: str, function: str, lines: int, since: int | None
    ) -> tuple[Sequence[str], int]:
        asked: dict[str, str | int] = {"account": account, "region": region, "function": function, "lines": lines}
        if since is not None:
            asked["since"] = since
        try:
            answer = await self._role.send("GET", f"/logs?{urlencode(asked)}", timeout_s=10.0)
            found, position = orjson.loads(await answer.read())
        except UpstreamError as error:
            raise AwsError("ServiceException", "Functions cannot be reached now", status=503, log=str(error)) from error
        return found, position


def runner_socket(runner: Runner) -> RoleSocket:
    """The runner's side of the socket."""
    definitions: dict[str, Definition] = {}

    async def define(request: Request) -> Response:
        definition = definition_from_json(orjson.loads(request.body))
        if len(definitions) >= _KNOWN:
            definitions.clear()  # whoever needs one sends it again
        definitions[definition.revision] = definition
        return Response(200)

    async def run(request: Request) -> Response:
        head, payload = _unframe(request.body)
        definition = definitions.get(head.pop("revision"))
        if definition is None:
            return Response(_UNKNOWN, body=_frame({}, b""))
        try:
            outcome = await runner.run(definition, Work(**head, payload=payload))
        except (AwsError, SetupError) as raised:
            error = raised if isinstance(raised, AwsError) else runtime_missing(raised)
            members = dict(error.members)
            refused = {"code": error.code, "message": error.message, "status": error.status, "members": members}
            return Response(_REFUSED, body=_frame(refused, b""))
        head = _without(outcome, "payload")
        head["log_tail"] = None if outcome.log_tail is None else outcome.log_tail.decode(errors="replace")
        head["content_type"] = outcome.content_type.decode("latin-1")
        return Response(200, body=_frame(head, outcome.payload))

    async def logs(request: Request) -> Response:
        query = {name: values[-1] for name, values in parse_qs((request.query or b"").decode()).items()}
        since = int(query["since"]) if "since" in query else None
        where = query["account"], query["region"], query["function"]
        return Response(200, body=orjson.dumps(runner.new_logs(*where, int(query["lines"]), since)))

    return RoleSocket({("POST", "/run"): run, ("POST", "/definitions"): define, ("GET", "/logs"): logs})


def _without(value: Work | Outcome, left_out: str) -> dict[str, Any]:
    return {row.name: getattr(value, row.name) for row in fields(value) if row.name != left_out}


def _frame(head: Mapping[str, Any], payload: bytes) -> bytes:
    encoded = orjson.dumps(head)
    return struct.pack(">I", len(encoded)) + encoded + payload


def _unframe(frame: bytes) -> tuple[dict[str, Any], bytes]:
    if len(frame) < 4:
        return {}, b""
    (length,) = struct.unpack_from(">I", frame)
    head: dict[str, Any] = orjson.loads(frame[4 : 4 + length])
    return head, frame[4 + length :]
