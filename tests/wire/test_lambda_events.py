"""Events of AWS Lambda over real HTTP: accepted, tried again, sent on, and never lost."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.operators import role_processes, start_production, wait_until
from tests.server import ACCOUNT, REGION, ROLE, Server, make_function, zipped


def arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def send(server: Server, name: str, payload: bytes = b"{}") -> str:
    """Invoke as an event; its request id."""
    answer = server.aws("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    with contextlib.closing(answer["Payload"]) as body:
        assert (answer["StatusCode"], body.read()) == (202, b"")
    assert "ExecutedVersion" not in answer
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


class Sink:
    """An HTTP server of the test's own, to which functions tell that they ran."""

    def __init__(self) -> None:
        told: list[Any] = []
        changed = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                with changed:
                    told.append(json.loads(text))
                    changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.told = told
        self._changed = changed
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def wait(self, count: int) -> list[Any]:
        """What has been told, once it is so many things."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, timeout=20), self.told
            return list(self.told)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


TELL = """
import json, os, urllib.request
def handler(event, context):
    told = {"event": event, "id": context.aws_request_id, "name": context.function_name}
    urllib.request.urlopen(os.environ["SINK"], json.dumps(told).encode()).read()
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("as asked")
    return {"done": event}
"""


def make_teller(server: Server, name: str, sink: Sink, *, slow: bool = False, **signed: str) -> None:
    """A function that tells the sink that it ran; slow: a second after it began."""
    pause = "    import time\n    time.sleep(1)\n" if slow else ""
    source = TELL.replace("context):\n", f"context):\n{pause}", 1)
    server.aws("lambda", **signed).create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": source})},
        Timeout=10,
        Environment={"Variables": {"SINK": sink.url}},
    )


def put_off(server: Server, request_id: str) -> int:
    """Seconds until the next try of an event, as its row says once the try in hand has ended."""
    deadline = time.monotonic() + 20
    query = "select next_try_at from async_invocations where request_id = ?"
    while time.monotonic() < deadline:
        with contextlib.closing(sqlite3.connect(server.data_dir / "scopegate.db", timeout=10)) as database:
            (moment,) = database.execute(query, [request_id]).fetchone()
        (offset,) = struct.unpack("<d", server.clock_file.read_bytes())
        seconds = moment - time.time() - offset
        if 0 < seconds < 900:  # beyond that, it is the claim of the try in hand
            return int(seconds + 5) // 10 * 10
        time.sleep(0.02)
    raise AssertionError("the try has not ended")


def test_an_event_is_accepted_and_run(server: Server, sink: Sink) -> None:
    make_teller(server, "accepted", sink)

    request_id = send(server, "accepted", b'{"n": 1}')
    old = server.aws("lambda").invoke_async(FunctionName="accepted", InvokeArgs=b'{"n": 2}')

    assert old["ResponseMetadata"]["HTTPStatusCode"] == old["Status"] == 202
    told = {each["event"]["n"]: each["id"] for each in sink.wait(2)}
    assert told[1] == request_id
    assert told[2] == old["ResponseMetadata"]["RequestId"]


def test_an_event_that_fails_is_tried_again_with_growing_pauses(
    start_server: Callable[..., Server], sink: Sink
) -> None:
    """Reference, "Event (asynchronous)": after one minute, then after two, under the same request id."""
    server = start_server("serve", "--dev")
    lambda_ = server.aws("lambda")
    make_teller(server, "worker", sink)
    make_teller(server, "failed", sink)
    lambda_.put_function_event_invoke_config(
        FunctionName="worker", DestinationConfig={"OnFailure": {"Destination": arn("failed")}}
    )
    request_id = send(server, "worker", b'{"fail": true}')

    sink.wait(1)
    assert put_off(server, request_id) == 60
    server.turn_clock(61)
    sink.wait(2)
    assert put_off(server, request_id) == 120
    server.turn_clock(121)
    told = sink.wait(4)

    assert [(each["name"], each["id"]) for each in told[:3]] == [("worker", request_id)] * 3
    record = told[3]["event"]
    assert told[3]["name"] == "failed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record["responsePayload"].pop("stackTrace")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": arn("worker") + ":$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"fail": True},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "as asked", "errorType": "ValueError", "requestId": request_id},
    }


def test_an_event_ends_as_its_configuration_says(start_server: Callable[..., Server], sink: Sink) -> None:
    """Success goes to its destination; no retries, too old, and no concurrency go to the other one."""
    server = start_server("serve", "--dev")
    lambda_ = server.aws("lambda")
    make_teller(server, "worker", sink)
    make_teller(server, "after", sink)
    after = {"Destination": arn("after")}
    worker = {"FunctionName": "worker"}
    lambda_.put_function_event_invoke_config(
        **worker, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": after, "OnFailure": after}
    )

    def ends(payload: bytes) -> Any:
        before = len(sink.told)
        send(server, "worker", payload)
        return sink.wait(before + 2)[-1]["event"]

    success, failure = ends(b'{"n": 1}'), ends(b'{"fail": 1}')
    lambda_.put_function_concurrency(**worker, ReservedConcurrentExecutions=0)
    send(server, "worker")
    stopped = sink.wait(5)[4]["event"]
    lambda_.delete_function_concurrency(**worker)
    lambda_.put_function_event_invoke_config(
        **worker, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": after}
    )
    failed = send(server, "worker", b'{"fail": 2}')
    sink.wait(6)
    put_off(server, failed)
    server.turn_clock(61)
    old = sink.wait(7)[6]["event"]

    def said(record: Any) -> tuple[str, int]:
        return record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]

    assert said(success) == ("Success", 1)
    assert success["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert success["responsePayload"] == {"done": {"n": 1}}
    assert said(failure) == ("RetriesExhausted", 1)
    assert said(stopped) == ("ZeroReservedConcurrency", 0)
    assert not stopped.keys() & {"responseContext", "responsePayload"}
    assert said(old) == ("EventAgeExceeded", 1)


def test_u3_an_event_that_was_accepted_outlives_the_server(start_server: Callable[..., Server], sink: Sink) -> None:
    """So does the function; its package comes from the store when the directory of code is gone."""
    server = start_server("serve", "--dev")
    make_teller(server, "worker", sink, slow=True)
    for number in range(3):
        send(server, "worker", str(number).encode())
    server.kill()
    for path in sorted((server.data_dir / "code").rglob("*"), reverse=True):
        path.parent.chmod(0o700)
        path.rmdir() if path.is_dir() else path.unlink()

    again = start_server("serve", "--dev")
    again.turn_clock(961)  # until then, what the old process had in hand is still its own

    assert {each["event"] for each in sink.wait(3)} == {0, 1, 2}
    assert again.aws("lambda").get_function_configuration(FunctionName="worker")["State"] == "Active"


def test_events_that_find_no_room_wait_for_it(server: Server, sink: Sink) -> None:
    """Reference: throttled events are tried again, and no such try counts."""
    make_teller(server, "narrow", sink, slow=True)
    server.aws("lambda").put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)

    for number in range(3):
        send(server, "narrow", str(number).encode())

    assert sorted(each["event"] for each in sink.wait(3)) == [0, 1, 2]


def test_an_event_in_hand_when_the_server_stops_runs_after_the_next_start(
    start_server: Callable[..., Server], sink: Sink
) -> None:
    """No clock is turned: what a stopped server had in hand is not its own any more."""
    server = start_server("serve", "--dev")
    make_teller(server, "worker", sink, slow=True)
    request_id = send(server, "worker")
    wait_until(lambda: claimed(server) == 1)
    server.stop()
    before = len(sink.told)

    start_server("serve", "--dev")

    assert sink.wait(before + 1)[-1]["id"] == request_id


def test_u3_events_wait_for_a_runner_that_died(start_server: Callable[..., Server], sink: Sink) -> None:
    """A process that runs functions is no part of an event: it may die at any moment."""
    server = start_server("serve", "--dev", "--workers", "1")
    make_teller(server, "worker", sink)
    (runner,) = role_processes(server, "runner")

    os.kill(runner.pid, signal.SIGSTOP)
    request_ids = {send(server, "worker", str(number).encode()) for number in range(3)}
    wait_until(lambda: claimed(server) == 3)
    runner.kill()

    assert {each["id"] for each in sink.wait(3)} == request_ids


def claimed(server: Server) -> int:
    """How many events are in somebody's hands."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "scopegate.db", timeout=10)) as database:
        (count,) = database.execute("select count(*) from async_invocations where tries > 0").fetchone()
    return int(count)


def test_events_and_packages_in_production(tmp_path: Path, sink: Sink) -> None:
    """Every role a process, every signature proven: what is sent on and fetched goes the same way."""
    production = start_production(tmp_path / "data", "--unsafe-functions")
    server = production.server
    try:
        lambda_ = production.aws("lambda")
        signed = {"key": production.key.key_id, "secret": production.key.secret}
        for name in ("worker", "after"):
            make_teller(server, name, sink, **signed)
        after = {"OnSuccess": {"Destination": arn("after")}}
        lambda_.put_function_event_invoke_config(FunctionName="worker", DestinationConfig=after)
        with contextlib.closing(lambda_.invoke(FunctionName="worker", InvocationType="Event")["Payload"]) as payload:
            payload.read()
        worker, record = sink.wait(2)
        location = lambda_.get_function(FunctionName="worker")["Code"]["Location"]
        fetched = requests.get(location, timeout=10)
        forged = requests.get(location[:-8] + "AAAAAAA=", timeout=10)
    finally:
        server.stop()

    assert (worker["name"], record["name"]) == ("worker", "after")
    assert record["event"]["requestContext"]["condition"] == "Success"
    assert fetched.content.startswith(b"PK")
    assert forged.status_code == 403


def test_code_that_nobody_has_any_more_is_removed_at_start(start_server: Callable[..., Server]) -> None:
    """What is young stays: another process may be at it."""
    server = start_server("serve", "--dev")
    lambda_ = server.aws("lambda")
    layer = lambda_.publish_layer_version(LayerName="layer", Content={"ZipFile": zipped({"a": "b"})})
    make_function(server, "kept", "def handler(event, context):\n    return 1\n", Layers=[layer["LayerVersionArn"]])
    with contextlib.closing(lambda_.invoke(FunctionName="kept")["Payload"]) as payload:
        payload.read()
    make_function(server, "gone", "def handler(event, context):\n    return 2\n")
    lambda_.delete_function(FunctionName="gone")
    code = server.data_dir / "code"
    (cut_short := code / ".unpacking-x").mkdir()
    (young := code / ".unpacking-y").mkdir()
    before = {path.name for path in code.iterdir()}
    server.stop()
    for path in code.iterdir():
        if path != young:
            os.utime(path, (0, 0))

    start_server("serve", "--dev")

    after = {path.name for path in code.iterdir()}
    assert len(before) == 6
    assert after < before
    assert len(after) == 4
    assert any(name.startswith("layers-") for name in after)
    assert young.name in after
    assert cut_short.name not in after
