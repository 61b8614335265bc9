"""Request and Response: what flows between the listener and every room.

Header names and values are bytes as they came, in order; look-ups are without regard to case.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO, Final

Header = tuple[bytes, bytes]
Index = dict[bytes, tuple[bytes, ...]]  # name in lower case → values in order; never changed once made

_NO_VALUES: Final[tuple[bytes, ...]] = ()


class Request:
    """One request as read from the wire, body complete. Lives as long as its exchange; never shared.

    target: the request target as sent. path, query: the target split at the first `?`, still escaped;
    query is None when there was no `?`.
    peer: (address, port) of the client; ("", 0) on a Unix socket.
    received_ns: monotonic nanoseconds at the end of the head. head_bytes: at least the size of the head.
    room: where the application said at `admit` that the request belongs; its own affair.
    body: the whole body; a large one lies in `body_file` and is read from there each time.
    """

    __slots__ = (
        "_body",
        "_headers",
        "_index",
        "body_file",
        "head_bytes",
        "http_version",
        "local",
        "method",
        "path",
        "peer",
        "query",
        "received_ns",
        "room",
        "target",
        "tls",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: list[Header],
        body: bytes = b"",
        *,
        peer: tuple[str, int] = ("", 0),
        local: tuple[str, int] = ("", 0),
        tls: bool = False,
        http_version: str = "1.1",
        received_ns: int = 0,
        head_bytes: int = sys.maxsize,
        index: Index | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.path, mark, query = target.partition(b"?")
        self.query: bytes | None = query if mark else None
        self._headers = headers
        self._body = body
        self.body_file: BinaryIO | None = None
        self.peer = peer
        self.local = local
        self.tls = tls
        self.http_version = http_version
        self.received_ns = received_ns
        self.head_bytes = head_bytes
        self.room: object = None
        self._index = index

    @property
    def headers(self) -> list[Header]:
        return self._headers

    @headers.setter
    def headers(self, headers: list[Header]) -> None:
        self._headers = headers
        self._index = None

    @property
    def body(self) -> bytes:
        if self.body_file is not None:
            self.body_file.seek(0)
            return self.body_file.read()
        return self._body

    @body.setter
    def body(self, body: bytes) -> None:
        self._body = body

    def all(self, name: bytes) -> Sequence[bytes]:
        """Every value of a header, in order; `name` in lower case."""
        index = self._index
        if index is None:
            index = {}
            for key, value in self._headers:
                lower = key.lower()
                index[lower] = (*index.get(lower, _NO_VALUES), value)
            self._index = index
        return index.get(name, _NO_VALUES)

    def find(self, name: bytes) -> bytes | None:
        """The only or the last value of a header, None when absent; `name` in lower case."""
        index = self._index
        values = self.all(name) if index is None else index.get(name)
        return values[-1] if values else None

    def find_text(self, name: bytes) -> str | None:
        """As `find`, decoded as Latin-1, which loses nothing."""
        value = self.find(name)
        return None if value is None else value.decode("latin-1")


class Response:
    """One answer. The listener adds `Date`, `Connection`, and `Content-Length` or chunked framing by itself.

    stream: the body in pieces, instead of `body`; `length` is its size when known (sent as Content-Length), else
    the listener frames it in chunks (or closes, for HTTP/1.0).
    close: end the connection after this answer.
    """

    __slots__ = ("body", "close", "headers", "length", "status", "stream")

    def __init__(
        self,
        status: int,
        headers: list[Header] | None = None,
        body: bytes = b"",
        *,
        stream: AsyncIterator[bytes] | None = None,
        length: int | None = None,
        close: bool = False,
    ) -> None:
        self.status = status
        self.headers: list[Header] = headers if headers is not None else []
        self.body = body
        self.stream = stream
        self.length = length
        self.close = close
