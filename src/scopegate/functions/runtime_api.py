"""The Lambda Runtime API, 2018-06-01: how a function's process gets its events and says what came of them.

One `Exchange` per process holds its state; a `RuntimeApi` is one connection to it, over an inherited socket or over the
environment's own port. What an event or an answer means is decided by who made the exchange, `pool.py`.
Source: reference section "Runtime API (2018-06-01)"; attacks F4, F7, U5.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import httptools
import orjson
import structlog

from scopegate.base.limits import limit

log = structlog.get_logger()

_ROOT: Final = b"/2018-06-01/runtime/"
_NEXT: Final = b"/2018-06-01/runtime/invocation/next"
_INVOCATION: Final = b"/2018-06-01/runtime/invocation/"
_INIT_ERROR: Final = b"/2018-06-01/runtime/init/error"
_PING: Final = b"/2018-06-01/ping"
_ACCEPTED: Final = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'
)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PHRASES: Final[Mapping[int, bytes]] = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Payload Too Large",
}
_KEPT_HEADERS: Final = frozenset(
    {
        b"content-type",
        b"expect",
        b"lambda-runtime-function-error-body",
        b"lambda-runtime-function-error-type",
        b"lambda-runtime-function-response-mode",
        b"origin",
    }
)
# Error causes come as header lines of up to the limit; a few more ordinary ones beside them.
_HEAD_BYTES: Final = limit("http.runtime_api_line_bytes") + 65_536
_BODY_BYTES: Final = limit("functions.payload_bytes")
_TOO_LARGE: Final = f"Exceeded maximum allowed payload size ({_BODY_BYTES} bytes)."


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process posted. kind: `response`, `error`, `too_large`, or `init_error`."""

    kind: str
    body: bytes
    content_type: bytes
    error_type: str | None = None


class Exchange:
    """The state machine of one process, over all of its connections.

    on_ready: the process asked for its next event; `deliver` will reach it. on_answer: it posted.
    on_disconnect: its last connection ended.
    Started → (next) Ready → (event) Running → (response, error) ResponseSent → (next) Ready …; or Started → InitError.
    """

    __slots__ = (
        "_connections",
        "_event",
        "_on_answer",
        "_on_disconnect",
        "_on_ready",
        "_waiting",
        "request_id",
        "state",
    )

    def __init__(
        self, on_ready: Callable[[], None], on_answer: Callable[[Answer], None], on_disconnect: Callable[[], None]
    ) -> None:
        self._on_ready = on_ready
        self._on_answer = on_answer
        self._on_disconnect = on_disconnect
        self._waiting: RuntimeApi | None = None
        self._event: bytes | None = None
        self._connections: set[RuntimeApi] = set()
        self.state = "Started"
        self.request_id: bytes | None = None

    @property
    def connected(self) -> bool:
        return bool(self._connections)

    def deliver(self, request_id: bytes, event: bytes) -> None:
        """Give the process an event, head and body of the answer to its `next`. Only in state Ready."""
        self.state = "Running"
        self.request_id = request_id
        if self._waiting is None:
            self._event = event  # it lost its connection while it waited: it gets the event when it asks again
        else:
            self._waiting.write(event)
            self._waiting = None

    def close(self) -> None:
        """End every connection; nothing more is heard of this process."""
        for connection in tuple(self._connections):
            connection.close()

    def joined(self, connection: "RuntimeApi") -> None:
        self._connections.add(connection)

    def left(self, connection: "RuntimeApi") -> None:
        self._connections.discard(connection)
        if self._waiting is connection:
            self._waiting = None
        if not self._connections:
            self._on_disconnect()

    def next(self, connection: "RuntimeApi") -> None:
        if self._event is not None:
            event, self._event = self._event, None
            connection.write(event)
            return
        if self.state == "Ready":
            self._waiting = connection
            return
        if self.state not in ("Started", "ResponseSent"):
            self._refuse_state(connection, "Ready")
            return
        self.state = "Ready"
        self.request_id = None
        self._waiting = connection
        self._on_ready()

    def answer(self, connection: "RuntimeApi", request_id: bytes, answer: Answer) -> None:
        """A POST of a response or an error: the id first, then the state, then the body."""
        if request_id != self.request_id:
            connection.refuse(400, "InvalidRequestID", "Invalid request ID")
        elif self.state != "Running":
            wanted = "InvocationErrorResponse" if answer.kind == "error" else "InvocationResponse"
            self._refuse_state(connection, wanted)
        elif answer.kind == "too_large":
            self.state = "ResponseSent"
            connection.refuse(413, "RequestEntityTooLarge", _TOO_LARGE)
            self._on_answer(answer)
        else:
            self.state = "ResponseSent"
            connection.write(_ACCEPTED)
            self._on_answer(answer)

    def init_error(self, connection: "RuntimeApi", answer: Answer) -> None:
        if self.state != "Started":
            self._refuse_state(connection, "InitError")
            return
        self.state = "InitError"
        connection.write(_ACCEPTED)
        self._on_answer(answer)

    def _refuse_state(self, connection: "RuntimeApi", wanted: str) -> None:
        connection.refuse(
            403,
            "InvalidStateTransition",
            f"State transition from {self.state} to {wanted} failed for runtime. "
            "Error: State transition is not allowed",
        )


class _HeadTooLarge(Exception):
    """It never leaves this module."""


class RuntimeApi(asyncio.Protocol):
    """One connection of a function's process.

    admits: for a port, whether the peer is a process of this environment; asked once, at its first request. None for
    an inherited socket, which nobody else can have.
    """

    __slots__ = (
        "_admits",
        "_answers",
        "_body",
        "_exchange",
        "_head_bytes",
        "_headers",
        "_parser",
        "_size",
        "_transport",
        "_url",
    )

    def __init__(self, exchange: Exchange, admits: Callable[[asyncio.Transport], bool] | None = None) -> None:
        self._exchange = exchange
        self._admits = admits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._head_bytes = 0
        self._answers: list[bytes] | None = None  # while a piece of requests is read

    # What the exchange says

    def write(self, data: bytes) -> None:
        if self._answers is not None:
            self._answers.append(data)
        elif self._transport is not None:
            self._transport.write(data)

    def refuse(self, status: int, error_type: str, message: str) -> None:
        body = orjson.dumps({"errorMessage": message, "errorType": error_type})
        self._send(status, b"application/json", body)

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        """An answer and the next event go out together: a process that posts asks for the next event at once."""
        answers, self._answers = self._answers, None
        if answers and self._transport is not None:
            self._transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def _send(self, status: int, content_type: bytes, body: bytes) -> None:
        self.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
            % (status, _PHRASES[status], content_type, len(body))
            + body
        )

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._exchange.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._exchange.left(self)

    def data_received(self, data: bytes) -> None:
        if self._admits is not None:
            assert self._transport is not None
            if not self._admits(self._transport):
                self.refuse(403, "Forbidden", "This Runtime API belongs to another execution environment")
                self.close()
                return
            self._admits = None
        self._answers = []
        try:
            self._parser.feed_data(data)
            self._flush()
        except httptools.HttpParserError as error:
            if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
                error.__context__, _HeadTooLarge
            ):
                log.exception("runtime_api.failed")
            if self._transport is not None:
                self.refuse(400, "InvalidRequest", "The request is not HTTP/1.1")
                self.close()

    # What the parser says

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = []
        self._size = 0
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        name = name.lower()
        if name in _KEPT_HEADERS:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= _BODY_BYTES:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        if b"origin" in self._headers:
            # Only browsers send it, and no browser has business here.
            self.refuse(403, "Forbidden", "The Runtime API does not answer browsers")
            self.close()
            return
        keep_alive = self._parser.should_keep_alive()
        self._route(self._parser.get_method(), self._url)
        if not keep_alive and self._url != _NEXT:
            self.close()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > _HEAD_BYTES:
            raise _HeadTooLarge  # the parser wraps it into its own error

    def _route(self, method: bytes, url: bytes) -> None:
        if url == _NEXT:
            if method == b"GET":
                self._exchange.next(self)
            else:
                self._send(405, b"text/plain", b"")
            return
        if url.startswith(_INVOCATION):
            request_id, _, kind = url[len(_INVOCATION) :].partition(b"/")
            if kind in (b"response", b"error"):
                if method == b"POST":
                    self._post(request_id, kind)
                else:
                    self._send(405, b"text/plain", b"")
                return
        if url == _INIT_ERROR:
            if method == b"POST":
                self._exchange.init_error(self, self._read("init_error"))
            else:
                self._send(405, b"text/plain", b"")
        elif url == _PING and method == b"GET":
            self._send(200, b"text/plain", b"pong")
        else:
            self._send(404, b"text/plain", b"404 page not found\n")

    def _post(self, request_id: bytes, kind: bytes) -> None:
        if kind == b"error":
            self._exchange.answer(self, request_id, self._read("error"))
            return
        mode = self._headers.get(b"lambda-runtime-function-response-mode")
        if mode is not None and mode.lower() not in (b"streaming", b"buffered"):
            self.refuse(400, "InvalidFunctionResponseMode", "Invalid function response mode")
            return
        failure = self._headers.get(b"lambda-runtime-function-error-body")
        if failure is None:
            self._exchange.answer(self, request_id, self._read("response"))
            return
        # A streamed response that failed half way says so in its trailers.
        try:
            document = base64.b64decode(failure)
        except binascii.Error:
            document = b""
        self._exchange.answer(self, request_id, Answer("error", document, b"application/json", self._error_type()))

    def _read(self, kind: str) -> Answer:
        content_type = self._headers.get(b"content-type", b"application/json")
        if self._size > _BODY_BYTES:
            return Answer("too_large", b"", content_type)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Answer(kind, body, content_type, self._error_type())

    def _error_type(self) -> str | None:
        value = self._headers.get(b"lambda-runtime-function-error-type")
        return value.decode("latin-1") if value else None
