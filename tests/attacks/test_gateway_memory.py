"""Attack row H5: what a gateway remembers of requests stays small, whatever requests say."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.server import Server
from tests.wire.gateways import HttpApi, RestApi, raw, read_answer

MEGABYTE = 1024 * 1024


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024


def flood(server: Server, requests: Iterator[bytes]) -> set[int]:
    """The statuses of these requests, one after another on one connection."""
    statuses = set()
    where = ("127.0.0.1", server.port)
    with socket.create_connection(where, timeout=10) as connection, connection.makefile("rb") as file:
        for request in requests:
            connection.sendall(request)
            statuses.add(read_answer(file).status)
    return statuses


def long_paths(count: int) -> Iterator[str]:
    """Paths of 9 kB in three thousand segments, none like another."""
    for number in range(count):
        yield "/" + "/".join(f"{number * 7919 + segment:x}"[-2:] for segment in range(3_000))


def test_h5_a_flood_of_long_paths_is_not_remembered(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    rest, http = RestApi(server), HttpApi(server)
    rest.method("GET", "/{proxy+}", {"type": "MOCK"})
    rest.deploy()
    http.web("$default", "http://127.0.0.1:1024", **http.jwt("https://issuer.example", "a"))

    for host, prefix, status in ((rest.host, "/prod", 500), (http.host, "", 401)):
        requests = [f"GET {prefix}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in long_paths(1050)]
        assert flood(server, iter(requests[:50])) == {status}
        before = resident_bytes(server)
        assert flood(server, iter(requests[50:])) == {status}
        assert resident_bytes(server) - before < 50 * MEGABYTE


def test_h5_header_names_are_remembered_and_therefore_short(start_server: Callable[..., Server]) -> None:
    """Names are judged once and the verdict is kept, in the listener, the gateway and the client alike."""
    server = start_server("serve", "--dev")
    api = RestApi(server)
    api.web("GET", "/", "http://127.0.0.1:1024/")
    api.deploy()

    def requests(length: int, count: int) -> Iterator[bytes]:
        for number in range(count):
            name = str(number).rjust(length, "x")
            yield f"GET /prod/ HTTP/1.1\r\nHost: {api.host}\r\n{name}: 1\r\n\r\n".encode()

    for length in (257, 20_000):
        answer = raw(server, next(requests(length, 1)))
        assert (answer.status, answer.header("connection")) == (431, "close")
    flood(server, requests(256, 50))
    before = resident_bytes(server)
    assert flood(server, requests(256, 500)) == {504}
    assert resident_bytes(server) - before < 5 * MEGABYTE
