"""What the roles of one node say to each other, over Unix sockets in a private directory.

To control: clients' requests that an edge hands on, as they came, with the client's address in `PEER`.
To an edge: `POST /world?until=N` (bring your World to change N), `GET /decisions?key=&count=`.
To the runner: `POST /run`, `POST /definitions`, `GET /logs` (see `runner.py`).

An edge always sets `PEER` and drops a client's own; nothing that a client sends can look like a role speaking.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import structlog

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.client import Client, Upstream, UpstreamAnswer, UpstreamError
from scopegate.http.message import Header, Request, Response
from scopegate.store.port import StoreUnavailable

PEER: Final = b"x-scopegate-peer"
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"content-length", b"expect", b"keep-alive", b"te", b"transfer-encoding", b"upgrade"}
)
_OWN_IN_REQUEST: Final = _HOP_BY_HOP | {PEER, b"host"}
_OWN_IN_ANSWER: Final = _HOP_BY_HOP | {b"date"}
_ACKNOWLEDGE_S: Final = 2.0  # design, "Roles": an edge that does not answer by then is replaced
_LONGEST_S: Final = 960.0  # a synchronous invocation of 15 minutes, handed on
_LARGEST: Final = limit("stacks.artifact_bytes") + 1_048_576

log = structlog.get_logger()


class Role:
    """Another process of this node, by its socket."""

    def __init__(self, client: Client, path: Path) -> None:
        self._client = client
        self._upstream = Upstream("http", "role.internal", 80, unix_path=str(path))
        self.path = path

    async def send(
        self, method: str, target: str, body: bytes = b"", *, headers: Sequence[Header] = (), timeout_s: float
    ) -> UpstreamAnswer:
        """Raises UpstreamError when the process is not there or does not answer in time."""
        return await self._client.send(
            self._upstream, method, target.encode(), headers, body, timeout_s=timeout_s, max_bytes=_LARGEST
        )

    async def hand_on(self, request: Request) -> Response:
        """A client's request, as it came, and the role's answer."""
        peer = f"{request.peer[0]} {request.peer[1]} {'tls' if request.tls else 'plain'}".encode()
        headers = [pair for pair in request.headers if pair[0].lower() not in _OWN_IN_REQUEST]
        try:
            answer = await self._client.send(
                self._upstream,
                request.method,
                request.target,
                [*headers, (PEER, peer)],
                request.body,
                host=request.find(b"host"),
                timeout_s=_LONGEST_S,
                max_bytes=_LARGEST,
                as_it_comes=True,
            )
        except ValueError as error:
            log.info("role.not_asked", path=str(self.path), reason=str(error))
            return Response(400, [(b"Content-Type", b"application/json")], b'{"message":"Bad Request"}')
        except UpstreamError as error:
            log.error("role.silent", path=str(self.path), reason=str(error))  # noqa: TRY400 - no bug
            return _unavailable(request)
        kept = [pair for pair in answer.headers if pair[0].lower() not in _OWN_IN_ANSWER]
        return Response(answer.status, kept, answer.body, stream=answer.stream, length=answer.length)


def _unavailable(request: Request) -> Response:
    """AWS's answer of a service that is not there just now, by what can be told of its protocol without a model."""
    request_id = clock.uuid4()
    if (request.find(b"content-type") or b"").startswith(b"application/x-www-form-urlencoded"):
        body = (
            "<ErrorResponse><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>Service Unavailable"
            f"</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Response(503, [(b"Content-Type", b"text/xml")], body.encode())
    code = "ServiceUnavailableException"
    return Response(
        503,
        [
            (b"Content-Type", b"application/json"),
            (b"x-amzn-RequestId", request_id.encode()),
            (b"x-amzn-ErrorType", code.encode()),
        ],
        orjson.dumps({"__type": code, "message": "Service Unavailable"}),
    )


def taken_over(request: Request) -> bool:
    """On control's socket: restore who the client is; False for a request that no edge handed on."""
    peer = request.find(PEER)
    if peer is None:
        return False
    address, port, scheme = peer.decode().split(" ")
    request.peer = (address, int(port))
    request.tls = scheme == "tls"
    request.headers = [pair for pair in request.headers if pair[0].lower() != PEER]
    return True


class Edges:
    """The edges of this node, as control sees them: one socket each, named by its process."""

    def __init__(self, client: Client, run_dir: Path, replace_edge: Callable[[int], None]) -> None:
        self._client = client
        self._run_dir = run_dir
        self._replace_edge = replace_edge

    def _all(self) -> list[Role]:
        return [Role(self._client, path) for path in sorted(self._run_dir.glob("edge-*.sock"))]

    async def publish(self, change: int) -> None:
        """Wait until every edge has compiled a change; one that does not say so in time is replaced."""
        await asyncio.gather(*(self._publish_to(edge, change) for edge in self._all()))

    async def _publish_to(self, edge: Role, change: int) -> None:
        pid = int(edge.path.stem.removeprefix("edge-"))
        try:
            answer = await edge.send("POST", f"/world?until={change}", timeout_s=_ACKNOWLEDGE_S)
        except UpstreamError as error:
            if isinstance(error.__cause__, (ConnectionRefusedError, FileNotFoundError)):
                # Nobody listens any more; the number may be another process's by now.
                edge.path.unlink(missing_ok=True)
                return
            reason = str(error)
        else:
            if answer.status == 200:
                return
            if answer.status == 503:
                # The database went away just now. The edge goes on from what it has; a new one could not even start.
                log.warning("edge.behind", pid=pid, change=change)
                return
            reason = f"answered {answer.status}"
        log.warning("edge.replaced", pid=pid, change=change, reason=reason)
        edge.path.unlink(missing_ok=True)
        self._replace_edge(pid)

    async def decisions(self, key: str | None, count: int) -> list[dict[str, Any]]:
        """Records of all edges: the newest, newest first; or those of a request id or a `jti`, the token first."""
        found = await self._decisions(key, count)
        if key is None:
            return sorted(found, key=lambda record: record["startedAt"], reverse=True)[:count]
        # Another edge may have issued the token that a call was made with.
        issued = {record["jti"] for record in found if record["kind"] == "token"}
        for jti in {record["jti"] for record in found if record["jti"]} - issued:
            found += await self._decisions(jti, count)
        return sorted(found, key=lambda record: record["startedAt"])

    async def _decisions(self, key: str | None, count: int) -> list[dict[str, Any]]:
        query = urlencode({"count": count, **({"key": key} if key is not None else {})})
        found = await asyncio.gather(*(self._decisions_of(edge, query) for edge in self._all()))
        return [record for records in found for record in records]

    async def _decisions_of(self, edge: Role, query: str) -> list[dict[str, Any]]:
        try:
            answer = await edge.send("GET", f"/decisions?{query}", timeout_s=_ACKNOWLEDGE_S)
            records: list[dict[str, Any]] = orjson.loads(await answer.read())
        except UpstreamError as error:
            log.warning("edge.silent", path=str(edge.path), reason=str(error))
            return []
        return records


class RoleSocket:
    """The application behind a role's socket: a table of (method, path) → what is done with the query and the body."""

    def __init__(
        self,
        calls: Mapping[tuple[str, str], Callable[[Request], Awaitable[Response]]],
        otherwise: Callable[[Request], Awaitable[Response]] | None = None,
    ) -> None:
        self._calls = calls
        self._otherwise = otherwise

    def admit(self, request: Request) -> int | Response:
        return _LARGEST

    def answer(self, request: Request) -> Awaitable[Response]:
        if self._otherwise is not None and taken_over(request):
            return self._otherwise(request)
        return self._call(request)

    async def _call(self, request: Request) -> Response:
        call = self._calls.get((request.method, request.path.decode("latin-1")))
        if call is None:
            return Response(404)
        try:
            return await call(request)
        except StoreUnavailable as error:
            log.warning("store.unavailable", reason=str(error))
            return Response(503)

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        return Response(status, [(b"Content-Type", b"text/plain")], reason.encode())
