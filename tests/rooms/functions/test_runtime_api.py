"""The Runtime API byte by byte, as a bootstrap of the user's own sees it.

Source: reference section "Runtime API (2018-06-01)".
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.test_runtimes import system_python
from tests.rooms.functions.running import ARN, TRACE, Answer, Runs, running

# It sends the requests that its event names, one after the other, on one connection; `{id}` is that of the invocation.
# What came back it posts as the response, when the requests did not answer already.
CLIENT = """#!%s
import json, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
def connect():
    connection = socket.create_connection((host, int(port)))
    return connection, connection.makefile("rb")
connection, file = connect()
def exchange(data):
    global connection, file
    connection.sendall(data)
    status = file.readline().decode().strip()
    headers = {}
    for line in iter(file.readline, b"\\r\\n"):
        if not line: break
        name, _, value = line.decode().strip().partition(": ")
        headers[name.lower()] = value
    body = file.read(int(headers.get("content-length", 0)))
    return status, headers, body
while True:
    _, headers, body = exchange(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    seen, event = [], json.loads(body)
    request_id = headers["lambda-runtime-aws-request-id"]
    for text, filler in event["requests"]:
        data = text.replace("{id}", request_id).encode() + b"x" * filler
        try:
            status, got, answer = exchange(data)
        except OSError:
            status, got, answer = "", {}, b""
        seen.append([status, got.get("content-type"), answer.decode()])
        if not status: connection, file = connect()
    if event["post"]:
        result = json.dumps([headers, seen]).encode()
        head = "POST /2018-06-01/runtime/invocation/%%s/response HTTP/1.1\\r\\nContent-Length: %%d\\r\\n\\r\\n"
        exchange((head %% (request_id, len(result))).encode() + result)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder: Path = tmp_path_factory.mktemp("runtime-api")
    with running(folder) as runs:
        yield runs


def send(runs: Runs, *requests: str | tuple[str, int], post: bool = True, **more: Any) -> Answer:
    function = runs.function({"bootstrap": CLIENT % system_python()}, runtime="provided.al2023", function_arn=ARN)
    pairs = [(request, 0) if isinstance(request, str) else request for request in requests]
    return function.call({"requests": pairs, "post": post}, **more)


def request(line: str, *headers: str, body: str = "") -> str:
    lines = [f"{line} HTTP/1.1", "Host: x", *headers, *([f"Content-Length: {len(body)}"] if body else [])]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def test_headers_of_next(runs: Runs) -> None:
    answer = send(runs, client_context='{"custom":{}}')

    headers, _ = answer.json
    assert headers.pop("lambda-runtime-deadline-ms").isdigit()
    assert headers.pop("content-length").isdigit()
    assert headers == {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": answer.request_id,
        "lambda-runtime-invoked-function-arn": ARN,
        "lambda-runtime-trace-id": TRACE,
        "lambda-runtime-client-context": '{"custom":{}}',
    }


ROOT = "/2018-06-01/runtime"
JSON, TEXT = "application/json", "text/plain"


@pytest.mark.parametrize(
    ("line", "status", "content_type", "body"),
    [
        ("GET /2018-06-01/ping", "200 OK", TEXT, "pong"),
        ("GET /", "404 Not Found", TEXT, "404 page not found\n"),
        (f"GET {ROOT}/restore/next", "404 Not Found", TEXT, "404 page not found\n"),
        (f"GET {ROOT}/invocation/{{id}}/other", "404 Not Found", TEXT, "404 page not found\n"),
        (f"POST {ROOT}/invocation/next", "405 Method Not Allowed", TEXT, ""),
        (f"GET {ROOT}/invocation/{{id}}/response", "405 Method Not Allowed", TEXT, ""),
        (f"PUT {ROOT}/init/error", "405 Method Not Allowed", TEXT, ""),
        (
            f"POST {ROOT}/invocation/none/error",
            "400 Bad Request",
            JSON,
            '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}',
        ),
    ],
)
def test_request_that_changes_nothing(runs: Runs, line: str, status: str, content_type: str, body: str) -> None:
    _, [seen] = send(runs, request(line)).json

    assert seen == [f"HTTP/1.1 {status}", content_type, body]


def test_response_mode_that_is_unknown_is_refused(runs: Runs) -> None:
    refused = request(
        f"POST {ROOT}/invocation/{{id}}/response", "Lambda-Runtime-Function-Response-Mode: other", body="1"
    )

    _, [seen] = send(runs, refused).json

    assert seen[0] == "HTTP/1.1 400 Bad Request"
    assert seen[2] == '{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}'


STREAMING = (
    "Lambda-Runtime-Function-Response-Mode: streaming",
    "Transfer-Encoding: chunked",
    "Content-Type: text/html",
    "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
)


def test_streamed_response_is_gathered(runs: Runs) -> None:
    stream = request(f"POST {ROOT}/invocation/{{id}}/response", *STREAMING) + "3\r\none\r\n4\r\n two\r\n0\r\n\r\n"

    answer = send(runs, stream, post=False)

    assert (answer.outcome.payload, answer.outcome.content_type) == (b"one two", b"text/html")


def test_stream_that_fails_half_way_is_an_error(runs: Runs) -> None:
    """Reference, Response streaming: the document comes base64-encoded in a trailer."""
    failure = "eyJlcnJvclR5cGUiOiJFcnJvciJ9"
    trailers = f"Lambda-Runtime-Function-Error-Type: Error\r\nLambda-Runtime-Function-Error-Body: {failure}\r\n\r\n"
    stream = request(f"POST {ROOT}/invocation/{{id}}/response", *STREAMING) + "3\r\none\r\n0\r\n" + trailers

    answer = send(runs, stream, post=False)

    assert (answer.outcome.payload, answer.outcome.function_error) == (b'{"errorType":"Error"}', "Unhandled")


def test_error_cause_of_a_megabyte_passes(runs: Runs) -> None:
    """Reference, Requests that the clients send: the X-Ray cause is a header line; clients exit when it is refused."""
    cause = "lambda-runtime-function-xray-error-cause: " + "x" * 1_000_000

    answer = send(runs, request(f"POST {ROOT}/invocation/{{id}}/error", cause, body='{"errorType":"E"}'), post=False)

    assert (answer.json, answer.outcome.function_error) == ({"errorType": "E"}, "Unhandled")


def test_response_that_is_too_large_is_refused_once_it_is_here(runs: Runs) -> None:
    head = f"POST {ROOT}/invocation/{{id}}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 7000000\r\n\r\n"

    answer = send(runs, (head, 7_000_000), post=False)

    assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    "rubbish",
    [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA: " + "x" * 1_200_000 + "\r\n\r\n",
    ],
    ids=["no HTTP", "bad length", "endless head"],
)
def test_what_is_not_http_ends_the_connection_not_the_environment(runs: Runs, rubbish: str) -> None:
    _, [seen, *_] = send(runs, rubbish, request("GET /2018-06-01/ping")).json

    assert seen[0] in ("HTTP/1.1 400 Bad Request", "")
