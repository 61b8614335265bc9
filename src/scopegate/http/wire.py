"""Bytes ↔ heads and bodies of HTTP/1.1, with one interpretation of where a message ends.

Heads are parsed by llhttp (httptools) in its strict mode; what it lets through and we refuse is refused here.
Bodies are framed here, by the one length that the head gave: the verb, an `Upgrade` and trailers have no say in it.
Sockets, time-outs and answers are `listener.py` and `client.py`.
Source: RFC 9110 and 9112; design, "The data plane"; attack row H1.
"""

import re
from collections.abc import Iterable
from typing import Final

import httptools

from scopegate.http.message import Header

# RFC 9112 section 3 has a request line of three parts divided by single spaces. `#` never belongs in a target.
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*)?\r\n")
_VERSION: Final = re.compile(rb"[^\r\n]* HTTP/\d+(?:\.\d+)?\r\n")
# Exactly `chunked`: a tab, a list or a second coding is where two readers disagree (attack row H1).
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: ?chunked\r\n", re.IGNORECASE)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n\0]*)?\r\n")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHUNK_LINE_BYTES: Final = 1024
_TRAILERS_BYTES: Final = 8192
_EXTENSIONS_BYTES: Final = 16_384

NO_BODY: Final = 0
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
}


class Malformed(Exception):
    """A message with no single interpretation, or beyond a limit of the wire. status: what to answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Head:
    """What a head said. index: header name in lower case → its values.

    length: bytes of body to come, or CHUNKED, or UNTIL_CLOSE.
    keep_alive: whether the sender leaves the connection open.
    """

    __slots__ = ("headers", "http_version", "index", "keep_alive", "length", "method", "status", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.status = 0
        self.http_version = "1.1"
        self.headers: list[Header] = []
        self.index: dict[bytes, list[bytes]] = {}
        self.length = NO_BODY
        self.keep_alive = True


class HeadReader:
    """Reads complete heads, one after another, with one llhttp parser as long as that works."""

    __slots__ = ("_headers", "_index", "_parser")

    def __init__(self) -> None:
        self._headers: list[Header] = []
        self._index: dict[bytes, list[bytes]] = {}
        self._parser: httptools.HttpRequestParser | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp, which leaves the blanks at the end of a value."""
        if value and value[-1] in b" \t":
            value = value.rstrip(b" \t")
        self._headers.append((name, value))
        lower = name.lower()
        if lower in self._index:
            self._index[lower].append(value)
        else:
            self._index[lower] = [value]

    def _read_fields(self, head: Head, fields: bytes, *, old: bool) -> None:
        first_line = b"GET / HTTP/1.0\r\n" if old else b"GET / HTTP/1.1\r\n"
        self._headers = head.headers
        self._index = head.index
        parser = self._parser
        if parser is None:
            parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(first_line + fields)
        except httptools.HttpParserUpgrade:
            # An offered protocol is ignored: this message is HTTP/1.1, and so is the next one.
            self._parser = None
            return
        except httptools.HttpParserError as error:
            self._parser = None
            raise Malformed(str(error)) from error
        # llhttp waits for a body that it will not be given, or counts the connection as closed: start afresh.
        index = head.index
        afresh = old or b"content-length" in index or b"transfer-encoding" in index or b"connection" in index
        self._parser = None if afresh else parser

    def read_request(self, raw: bytes) -> Head:
        """A request head, from the request line to the empty line.

        llhttp sees every request as `GET /`: method and target are read here, for an unknown verb is a question for
        routing, and CONNECT or a form of target must not change how long the message is.
        """
        match = _REQUEST_LINE.match(raw)
        if match is None:
            if _VERSION.match(raw) and not re.match(rb"[^\r\n]* HTTP/1\.[01]\r\n", raw):
                raise Malformed("unsupported HTTP version", 505)
            raise Malformed("invalid request line")
        head = Head()
        method, head.target, minor = match.groups()
        head.method = _METHODS.get(method) or method.decode("ascii")
        old = minor == b"0"
        self._read_fields(head, raw[match.end() :], old=old)
        index = head.index
        if old:
            head.http_version = "1.0"
            if b"transfer-encoding" in index:
                raise Malformed("Transfer-Encoding in HTTP/1.0")
        hosts = index.get(b"host")
        if hosts is None:
            if not old:
                raise Malformed("no Host")
        elif len(hosts) != 1:
            raise Malformed("more than one Host")
        if head.target[0] != 0x2F:  # "/"
            head.target = origin_form(head, hosts[0] if hosts else b"")
        connection = index.get(b"connection")
        if connection is not None:
            head.keep_alive = _stays_open(connection, old=old)
        elif old:
            head.keep_alive = False
        if b"transfer-encoding" in index or b"content-length" in index:
            head.length = _body_length(head, raw)
        return head

    def read_response(self, raw: bytes, *, to_head: bool = False) -> Head:
        """A response head. to_head: it answers a HEAD, so that no body follows whatever it says."""
        match = _STATUS_LINE.match(raw)
        if match is None:
            raise Malformed("invalid status line")
        head = Head()
        old = match[1] == b"0"
        head.status = int(match[2])
        self._read_fields(head, raw[match.end() :], old=old)
        index = head.index
        if old:
            head.http_version = "1.0"
            if b"transfer-encoding" in index:
                raise Malformed("Transfer-Encoding in HTTP/1.0")
        connection = index.get(b"connection")
        if connection is not None:
            head.keep_alive = _stays_open(connection, old=old)
        elif old:
            head.keep_alive = False
        if b"transfer-encoding" in index or b"content-length" in index:
            head.length = _body_length(head, raw)
        else:
            head.length = UNTIL_CLOSE
        if to_head or head.status < 200 or head.status in (204, 304):
            head.length = NO_BODY
        if head.length == UNTIL_CLOSE:
            head.keep_alive = False
        return head


def _stays_open(values: Iterable[bytes], *, old: bool) -> bool:
    options = {option.strip(b" \t") for value in values for option in value.lower().split(b",")}
    if b"close" in options:
        return False
    return not old or b"keep-alive" in options


def _body_length(head: Head, raw: bytes) -> int:
    """The one length of a message's body. llhttp has refused both headers together, a second and a misspelt length."""
    codings = head.index.get(b"transfer-encoding")
    lengths = head.index.get(b"content-length")
    if codings is not None:
        if lengths is not None or len(codings) != 1 or not _CHUNKED.search(raw):
            raise Malformed("Transfer-Encoding is not exactly chunked")
        return CHUNKED
    if lengths is None or len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Malformed("invalid Content-Length")
    return int(lengths[0])


_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def origin_form(head: Head, host: bytes) -> bytes:
    """The target of a request whose target does not begin with `/`, as if it did.

    Absolute form must name the Host once more (attack rows H1 and G4); `*` belongs to OPTIONS, an authority to CONNECT.
    """
    target = head.target
    if head.method == "CONNECT" or (target == b"*" and head.method == "OPTIONS"):
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise Malformed("invalid request target")
    port = b":443" if match[1].lower() == b"https" else b":80"
    if match[2].lower().removesuffix(port) != host.lower().removesuffix(port) or not match[2]:
        raise Malformed("the target names another host than Host")
    rest = match[3]
    return rest if rest.startswith(b"/") else b"/" + rest


def has_stray_line_end(part: bytes) -> bool:
    """Whether an unfinished head holds a bare CR or LF already; a CR at its very end may still find its LF."""
    line_ends = part.count(b"\r\n")
    returns = part.count(b"\r") - (1 if part.endswith(b"\r") else 0)
    return part.count(b"\n") != line_ends or returns != line_ends


class ChunkedReader:
    """A chunked body: `feed` takes bytes and gives the data in them. Extensions and trailers are read and dropped.

    left_over: what followed the body, once `complete`.
    """

    __slots__ = ("_buffer", "_extensions", "_remaining", "_trailers", "complete", "left_over")

    def __init__(self) -> None:
        self._buffer = b""
        self._remaining = 0  # of the chunk under way, with its line end
        self._extensions = 0
        self._trailers = -1  # bytes of trailers read; -1 before the last chunk
        self.complete = False
        self.left_over = b""

    def feed(self, received: bytes) -> list[bytes]:
        """The pieces of data in `received`. Raises Malformed at the first byte that does not fit."""
        buffer = self._buffer + received if self._buffer else received
        pieces: list[bytes] = []
        at = 0
        while True:
            if self._remaining > 2:
                piece = buffer[at : at + self._remaining - 2]
                if piece:
                    pieces.append(piece)
                    at += len(piece)
                    self._remaining -= len(piece)
            if 0 < self._remaining <= 2:
                line_end = buffer[at : at + self._remaining]
                if not b"\r\n"[2 - self._remaining :].startswith(line_end):
                    raise Malformed("a chunk does not end where it said")
                at += len(line_end)
                self._remaining -= len(line_end)
            if self._remaining:
                self._buffer = b""
                return pieces
            end = buffer.find(b"\n", at)
            if end < 0:
                self._buffer = buffer[at:]
                if len(self._buffer) > (_CHUNK_LINE_BYTES if self._trailers < 0 else _TRAILERS_BYTES):
                    raise Malformed("a line of the chunked body is too long")
                return pieces
            line = buffer[at : end + 1]
            at = end + 1
            if self._trailers >= 0:
                if line == b"\r\n":
                    self.complete = True
                    self.left_over = buffer[at:]
                    self._buffer = b""
                    return pieces
                self._drop_trailer(line)
            else:
                self._begin_chunk(line)

    def _begin_chunk(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line) if len(line) <= _CHUNK_LINE_BYTES else None
        if match is None:
            raise Malformed("invalid chunk size")
        self._extensions += len(line) - len(match[1]) - 2
        if self._extensions > _EXTENSIONS_BYTES:
            raise Malformed("too many chunk extensions")
        size = int(match[1], 16)
        if size:
            self._remaining = size + 2
        else:
            self._trailers = 0

    def _drop_trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > _TRAILERS_BYTES or not _TRAILER.fullmatch(line):
            raise Malformed("invalid trailers")


def is_token(name: bytes) -> bool:
    """Whether `name` can be a header name or a method (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(name) is not None


# What frames a message or belongs to one connection; whoever writes a head sets these, nobody else.
FRAMING: Final = frozenset(
    {b"connection", b"content-length", b"date", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)


class FieldWriter:
    """Renders header lines; bytes that would end a line early cannot get through it.

    Names repeat, so each is looked at once and remembered, up to a bound.
    """

    __slots__ = ("_dropped", "_known")

    _KNOWN_NAMES: Final = 2048

    def __init__(self, dropped: frozenset[bytes] = FRAMING) -> None:
        self._dropped = dropped
        self._known: dict[bytes, bytes] = {}  # name → `name: `, empty for one that is dropped

    def _learn(self, name: bytes) -> bytes:
        if not is_token(name):
            raise ValueError("a header name is no token")
        start = b"" if name.lower() in self._dropped else name + b": "
        if len(self._known) < self._KNOWN_NAMES:
            self._known[name] = start
        return start

    def render(self, first: bytes, headers: Iterable[Header], last: bytes) -> bytes:
        """`first`, one line per header, `last`. Raises ValueError for a name or value that no header can have."""
        known = self._known
        parts = [first]
        values = 0
        for name, value in headers:
            start = known.get(name)
            if start is None:
                start = self._learn(name)
            if start:
                parts += (start, value, b"\r\n")
                values += 1
        parts.append(last)
        head = b"".join(parts)
        line_ends = values + first.count(b"\r\n") + last.count(b"\r\n")
        if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends or b"\0" in head:
            raise ValueError("a header value holds CR, LF or NUL")
        return head
