"""Bytes ↔ heads and bodies of HTTP/1.1, with one interpretation of where a message ends.

Heads are parsed by llhttp (httptools) in its strict mode; what it lets through and we refuse is refused here.
Bodies are framed here, by the one length that the head gave: the verb, an `Upgrade` and trailers have no say in it.
Sockets, time-outs and answers are `listener.py` and `client.py`.
Source: RFC 9110 and 9112; design, "The data plane"; attack row H1.
"""

import re
from collections.abc import Sequence
from typing import Final

import httptools

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.message import Header, Index, Request

# RFC 9112 section 3 has a request line of three parts divided by single spaces. `#` never belongs in a target.
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*)?\r\n")
_OTHER_VERSION: Final = re.compile(rb"([^ ]+ [^ ]+) HTTP/(?!1\.[01]\r)\d+(?:\.\d+)?\r\n")
# Exactly `chunked`: a tab, a list or a second coding is where two readers disagree (attack row H1).
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: ?chunked\r\n", re.IGNORECASE)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n\0]*)?\r\n")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n")
# Names are looked at once and remembered in many places, so they have a length (attack H5).
_NAME_BYTES: Final = limit("http.header_name_bytes")
# One header line; blanks around the value are not part of it (RFC 9112 section 5).
_FIELD: Final = re.compile(
    rb"^([!#$%%&'*+\-.^_`|~0-9A-Za-z]{1,%d}):[ \t]*((?:[^\r\n]*[^\r\n \t])?)[ \t]*\r\n" % _NAME_BYTES, re.MULTILINE
)
_LONG_NAME: Final = re.compile(rb"^[!#$%%&'*+\-.^_`|~0-9A-Za-z]{%d}" % (_NAME_BYTES + 1), re.MULTILINE)
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHUNK_LINE_BYTES: Final = 1024
_TRAILERS_BYTES: Final = 8192
_EXTENSIONS_BYTES: Final = 16_384

NO_BODY: Final = 0
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
}


class Malformed(Exception):
    """A message with no single interpretation, or beyond a limit of the wire. status: what to answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class _Nothing:
    """What llhttp reports to: it is asked whether a head is right, and where bodies end is not its affair."""

    __slots__ = ()


class _FieldReader:
    """Reads the fields of complete heads, one head after another, with one llhttp parser as long as that works."""

    __slots__ = ("_block", "_headers", "_index", "_parser")

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = None
        self._block = b""
        self._headers: list[Header] = []
        self._index: Index = {}

    def read(self, block: bytes) -> tuple[list[Header], Index]:
        """Headers in order, and name in lower case → values. block: the lines after the first, and the empty line.

        llhttp judges the fields as those of a 304 answer, to which no body belongs whatever they say, and no verb,
        target or offered protocol has a say in how it reads. What it let pass is then split in one step of C, which
        costs a third of its calling back for each header.
        One client's requests mostly have the same fields again and again: the same block has the same reading.
        """
        if block == self._block:
            return self._headers.copy(), self._index
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpResponseParser(_Nothing)
        try:
            parser.feed_data(_FIRST_LINE + block)
        except httptools.HttpParserError as error:
            self._parser = None
            raise Malformed(str(error)) from error
        headers: list[Header] = _FIELD.findall(block)
        if len(headers) != block.count(b"\n") - 1:
            if _LONG_NAME.search(block):
                raise Malformed(f"a header name of more than {_NAME_BYTES} bytes", 431)
            raise Malformed("a header line with two readings")
        index: Index = {name.lower(): (value,) for name, value in headers}
        if len(index) != len(headers):
            index = {}
            for name, value in headers:
                lower = name.lower()
                index[lower] = (*index.get(lower, ()), value)
        if b"connection" in index and index[b"connection"] != _KEEP_ALIVE:
            self._parser = None  # llhttp may count the connection as closed
        if len(block) <= _REMEMBERED_BYTES:
            self._block, self._headers, self._index = block, headers.copy(), index
        return headers, index


_FIRST_LINE: Final = b"HTTP/1.1 304 OK\r\n"
_KEEP_ALIVE: Final = (b"keep-alive",)
_REMEMBERED_BYTES: Final = 4096


class RequestReader:
    """Reads the request heads of one connection. peer, local, tls: as every Request of it has them."""

    __slots__ = ("_fields", "_local", "_peer", "_tls")

    def __init__(self, peer: tuple[str, int], local: tuple[str, int], *, tls: bool) -> None:
        self._fields = _FieldReader()
        self._peer = peer
        self._local = local
        self._tls = tls

    def read(self, raw: bytes) -> tuple[Request, int, bool]:
        """The request of a head, from the request line to the empty line; the length of its body (or CHUNKED); and
        whether the client leaves the connection open.

        Method and target are read here, for an unknown verb is a question for routing, and CONNECT or a form of
        target must not change how long the message is. Raises Malformed.
        """
        match = _REQUEST_LINE.match(raw)
        if match is None:
            raise _name_fault(raw)
        method, target, minor = match.groups()
        old = minor == b"0"
        headers, index = self._fields.read(raw[match.end() :])
        if old and b"transfer-encoding" in index:
            raise Malformed("Transfer-Encoding in HTTP/1.0")
        hosts = index.get(b"host")
        if hosts is None:
            if not old:
                raise Malformed("no Host")
        elif len(hosts) != 1:
            raise Malformed("more than one Host")
        if target[0] != 0x2F:  # "/"
            target = _origin_form(method, target, hosts[0] if hosts else b"")
        connection = index.get(b"connection")
        stays_open = not old if connection is None else _stays_open(connection, old=old)
        length = NO_BODY
        if b"content-length" in index or b"transfer-encoding" in index:
            length = _body_length(index, raw)
        request = Request(
            METHODS.get(method) or method.decode("ascii"),
            target,
            headers,
            peer=self._peer,
            local=self._local,
            tls=self._tls,
            http_version="1.0" if old else "1.1",
            received_ns=clock.monotonic_ns(),
            head_bytes=len(raw),
            index=index,
        )
        return request, length, stays_open


def _name_fault(raw: bytes) -> Malformed:
    if _OTHER_VERSION.match(raw):
        return Malformed("unsupported HTTP version", 505)
    return Malformed("invalid request line")


class Head:
    """What the head of a response said. length: bytes of body to come, or CHUNKED, or UNTIL_CLOSE.

    index: name in lower case → values. keep_alive: whether the connection can carry another exchange.
    """

    __slots__ = ("headers", "index", "keep_alive", "length", "status")

    def __init__(self, status: int, headers: list[Header], index: Index, length: int, *, keep_alive: bool) -> None:
        self.status = status
        self.headers = headers
        self.index = index
        self.length = length
        self.keep_alive = keep_alive


class ResponseReader:
    """Reads the response heads of one connection."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields = _FieldReader()

    def read(self, raw: bytes, *, to_head: bool = False) -> Head:
        """The head, from the status line to the empty line. to_head: it answers a HEAD, so that no body follows
        whatever it says. Raises Malformed.
        """
        match = _STATUS_LINE.match(raw)
        if match is None:
            raise Malformed("invalid status line")
        old = match[1] == b"0"
        status = int(match[2])
        headers, index = self._fields.read(raw[match.end() :])
        if old and b"transfer-encoding" in index:
            raise Malformed("Transfer-Encoding in HTTP/1.0")
        connection = index.get(b"connection")
        stays_open = not old if connection is None else _stays_open(connection, old=old)
        length = UNTIL_CLOSE
        if b"content-length" in index or b"transfer-encoding" in index:
            length = _body_length(index, raw)
        if to_head or status < 200 or status in (204, 304):
            length = NO_BODY
        return Head(status, headers, index, length, keep_alive=stays_open and length != UNTIL_CLOSE)


def _stays_open(values: tuple[bytes, ...], *, old: bool) -> bool:
    if values == _KEEP_ALIVE:
        return True
    options = {option.strip(b" \t") for value in values for option in value.lower().split(b",")}
    if b"close" in options:
        return False
    return not old or b"keep-alive" in options


def _body_length(index: Index, raw: bytes) -> int:
    """The one length of a message's body. llhttp has refused both headers together, a second and a misspelt length."""
    codings = index.get(b"transfer-encoding")
    lengths = index.get(b"content-length")
    if codings is not None:
        if lengths is not None or len(codings) != 1 or not _CHUNKED.search(raw):
            raise Malformed("Transfer-Encoding is not exactly chunked")
        return CHUNKED
    if lengths is None or len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Malformed("invalid Content-Length")
    return int(lengths[0])


_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def _origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    """The target of a request whose target does not begin with `/`, as if it did.

    Absolute form must name the Host once more (attack rows H1 and G4); `*` belongs to OPTIONS, an authority to CONNECT.
    """
    if method == b"CONNECT" or (target == b"*" and method == b"OPTIONS"):
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

    end: where the body ended in what was fed last; -1 while more is to come.
    """

    __slots__ = ("_extensions", "_line", "_remaining", "_trailers", "end")

    def __init__(self) -> None:
        self._line = b""  # the beginning of a line whose end is to come
        self._remaining = 0  # of the chunk under way, with its line end
        self._extensions = 0
        self._trailers = -1  # bytes of trailers read; -1 before the last chunk
        self.end = -1

    def feed(self, buffer: bytes, at: int = 0) -> list[bytes]:
        """The pieces of data in `buffer` from `at` on. Raises Malformed at the first byte that does not fit."""
        pieces: list[bytes] = []
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
                return pieces
            end = buffer.find(b"\n", at) + 1
            if not end:
                self._line += buffer[at:]
                if len(self._line) > (_CHUNK_LINE_BYTES if self._trailers < 0 else _TRAILERS_BYTES):
                    raise Malformed("a line of the chunked body is too long")
                return pieces
            line = self._line + buffer[at:end]
            self._line = b""
            at = end
            if self._trailers >= 0:
                if line == b"\r\n":
                    self.end = at
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
    return name in METHODS or _TOKEN.fullmatch(name) is not None


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

    def render(self, headers: Sequence[Header]) -> bytes:
        """One line per header. Raises ValueError for a name or value that no header can have."""
        # One search through all values: memchr is ten times as fast as counting line ends.
        values = b"".join([value for _, value in headers])
        if b"\n" in values or b"\r" in values or b"\0" in values:
            raise ValueError("a header value holds CR, LF or NUL")
        known = self._known
        try:
            lines = [start + value for name, value in headers if (start := known[name])]
        except KeyError:
            lines = [start + value for name, value in headers if (start := known.get(name) or self._learn(name))]
        lines.append(b"")
        return b"\r\n".join(lines)
