"""Pools: how many environments, who waits, who is refused, what ends when.

Source: design, "Functions run as processes"; reference pages "Concurrency", "Process behaviour"; attacks F3, F4.
"""

import asyncio
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scopegate.base.errors import AwsError
from scopegate.functions.environment import Environment
from scopegate.functions.runtimes import find_interpreter, find_runtime
from scopegate.functions.sandbox import Isolation
from tests.rooms.functions.running import Answer, Function, Runs, isolations, processes_of_functions, running

CODE = """
import os, time
VERSION = "one"
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return [VERSION, os.getpid(), os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]]
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with running(tmp_path) as runs:
        yield runs


def call_all(runs: Runs, function: Function, events: list[Any]) -> list[Answer | AwsError]:
    """Call at once; refusals are answers here."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(function.call_async(event) for event in events), return_exceptions=True)

    return runs.wait(all_of_them())


def streams(answers: list[Answer | AwsError]) -> set[str]:
    """The environments that answered: each has a log stream of its own."""
    return {answer.json[2] for answer in answers if isinstance(answer, Answer)}


def wait_until_gone(runs: Runs, function: Function) -> None:
    deadline = time.monotonic() + 5
    while function.environments:
        assert time.monotonic() < deadline
        runs.wait(asyncio.sleep(0.02))


def test_burst_on_a_cold_function_starts_few_interpreters(runs: Runs) -> None:
    """A peer starts one interpreter per concurrent call; the first burst of 16 takes it 2 s."""
    function = runs.function(CODE)

    answers = call_all(runs, function, [{"seconds": 0.005}] * 16)

    # Two to four of them by the number of cores; on a machine that is busy with other things it may start a few more.
    assert not [answer for answer in answers if isinstance(answer, AwsError)]
    assert runs.logs().count("INIT_START") < 8


def test_calls_one_after_the_other_share_one_environment(runs: Runs) -> None:
    function = runs.function(CODE)

    answers = [function.call({}) for _ in range(10)]

    assert len({answer.json[1] for answer in answers}) == 1
    assert [answer.outcome.init_ms is None for answer in answers] == [False] + [True] * 9
    assert function.environments == 1


def test_calls_that_wait_for_something_get_more_environments(runs: Runs) -> None:
    """They use no processor while they wait: more of them at once are faster."""
    function = runs.function(CODE)
    function.call({})

    answers = call_all(runs, function, [{"seconds": 0.6}] * 8)

    assert len(streams(answers)) > 2


def test_full_queue_refuses_as_lambda_throttles(tmp_path: Path) -> None:
    with running(tmp_path, queue=20) as runs:
        function = runs.function(CODE)

        answers = call_all(runs, function, [{}] * 25)

        refused = [answer for answer in answers if isinstance(answer, AwsError)]
        assert len(refused) == 5
        assert {(one.code, one.status, one.message, one.members["Reason"]) for one in refused} == {
            ("TooManyRequestsException", 429, "Rate Exceeded.", "ConcurrentInvocationLimitExceeded")
        }
        assert function.call({}).outcome.function_error is None


def test_invocation_that_waits_too_long_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, environments=1, queue_s=0.5) as runs:
        function = runs.function(CODE)
        deadline = time.monotonic() + 10
        while not streams(call_all(runs, function, [{}])):  # its start may take longer than it waits
            assert time.monotonic() < deadline

        first, second = call_all(runs, function, [{"seconds": 1.5}, {}])

        assert isinstance(first, Answer)
        assert isinstance(second, AwsError)
        assert second.code == "TooManyRequestsException"


def test_reserved_concurrency_bounds_what_runs_at_once(runs: Runs) -> None:
    function = runs.function(CODE, reserved_concurrency=2)

    answers = call_all(runs, function, [{"seconds": 0.05}] * 3)
    after = call_all(runs, function, [{}] * 2)

    refused = [answer for answer in answers if isinstance(answer, AwsError)]
    assert [one.members["Reason"] for one in refused] == ["ReservedFunctionConcurrentInvocationLimitExceeded"]
    assert not [answer for answer in after if isinstance(answer, AwsError)]


def test_reserved_concurrency_that_changes_counts_what_runs_already(runs: Runs) -> None:
    """It is no part of a revision: environments stay."""
    function = runs.function(CODE)
    bounded = Function(runs, replace(function.definition, reserved_concurrency=1))
    first = function.call({}).json

    async def overlap() -> None:
        running = asyncio.ensure_future(function.call_async({"seconds": 0.1}))
        await asyncio.sleep(0.02)
        with pytest.raises(AwsError, match="Rate Exceeded"):
            await bounded.call_async({})
        await running

    runs.wait(overlap())
    assert bounded.call({}).json == first


def test_idle_environments_end(tmp_path: Path) -> None:
    with running(tmp_path, idle_s=0.1, spare_idle_s=0.1) as runs:
        function = runs.function(CODE)
        before = function.call({}).json

        wait_until_gone(runs, function)

        assert function.call({}).json[2] != before[2]


def test_full_machine_makes_room_for_another_function(tmp_path: Path) -> None:
    with running(tmp_path, environments=1) as runs:
        one, two = runs.function(CODE), runs.function(CODE)
        one.call({})

        assert two.call({}).outcome.function_error is None
        assert (one.environments, two.environments) == (0, 1)


def test_new_revision_takes_over_while_the_old_one_finishes(runs: Runs) -> None:
    old = runs.function(CODE)
    arn = old.definition.function_arn
    new = runs.function(CODE.replace('"one"', '"two"'), function_arn=arn)
    old.call({})

    async def overlap() -> list[Any]:
        slow = asyncio.ensure_future(old.call_async({"seconds": 0.4}))
        await asyncio.sleep(0.05)
        fresh = await new.call_async({})
        return [(await slow).json[0], fresh.json[0]]

    assert runs.wait(overlap()) == ["one", "two"]
    wait_until_gone(runs, old)
    assert new.environments == 1


def test_environment_that_is_killed_fails_its_call_and_no_other(runs: Runs) -> None:
    others = set(processes_of_functions(b"/bootstrap_init.py"))  # of a server that other tests of this process use
    function = runs.function(CODE)
    function.call({})
    (*_, first) = [pid for pid in processes_of_functions(b"/bootstrap_init.py") if pid not in others]

    async def overlap() -> Answer:
        call = asyncio.ensure_future(function.call_async({"seconds": 5}))
        await asyncio.sleep(0.05)
        os.kill(first, 9)
        return await call

    killed = runs.wait(overlap())

    assert killed.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {killed.request_id} Error: Runtime exited with error: signal: killed",
    }
    assert function.call({}).json[0] == "one"


def test_timeout_counts_from_the_start_of_each_call(runs: Runs) -> None:
    """One timer serves many short calls of an environment: it must not end a later one early."""
    function = runs.function(CODE, timeout_s=1)
    function.call({})
    answers = [function.call({"seconds": 0.6}), function.call({"seconds": 0.6}), function.call({"seconds": 5})]

    assert [answer.outcome.function_error for answer in answers] == [None, None, "Unhandled"]
    assert 1_000 <= answers[2].outcome.duration_ms < 2_000


def test_process_that_ends_between_calls_is_replaced(runs: Runs) -> None:
    code = """
import os, threading
def handler(event, context):
    if event: threading.Timer(0.02, os._exit, [1]).start()
    return os.getpid()
"""
    before = set(processes_of_functions(b"/bootstrap.py"))
    function = runs.function(code)
    first = function.call({"exit": True})
    while set(processes_of_functions(b"/bootstrap.py")) - before:
        runs.wait(asyncio.sleep(0.01))
    runs.wait(asyncio.sleep(0.1))

    second = function.call({})

    assert second.json != first.json
    assert second.outcome.function_error is None


def test_caller_that_leaves_the_queue_is_not_run(tmp_path: Path) -> None:
    with running(tmp_path, environments=1) as runs:
        function = runs.function(
            "import time\ndef handler(event, context):\n    print('ran', event)\n    time.sleep(0.2)"
        )

        async def leave() -> None:
            first = asyncio.ensure_future(function.call_async("first"))
            await asyncio.sleep(0.1)
            second = asyncio.ensure_future(function.call_async("second"))
            await asyncio.sleep(0)
            second.cancel()
            await first
            await function.call_async("third")

        runs.wait(leave())

        assert re.findall("^ran (.*)$", runs.logs(), re.M) == ["first", "third"]


def test_session_that_ends_takes_its_environment_along(runs: Runs) -> None:
    """An environment is not given a call with a session that ends in a minute, once there is a fresher one."""
    code = "import os\ndef handler(event, context):\n    return os.environ['AWS_SESSION_TOKEN']"
    old = runs.function(code, session_expires_at=int(time.time()) + 30)
    renewed = Function(
        runs, replace(old.definition, session_expires_at=int(time.time()) + 7200, session_token="renewed")
    )
    first, second = old.call({}).json, renewed.call({}).json
    deadline = time.monotonic() + 5
    while renewed.call({}).json != "renewed":
        assert time.monotonic() < deadline

    assert first == "example-token"
    assert second in ("example-token", "renewed")


class Nobody:
    """A listener that does nothing."""

    def on_ready(self) -> None: ...
    def on_answer(self, answer: Any) -> None: ...
    def on_output(self, data: bytes) -> None: ...
    def on_exit(self, ended: Any) -> None: ...
    def on_closed(self) -> None: ...


@pytest.mark.parametrize("isolation", isolations())
def test_environment_that_has_not_come_up_yet_has_no_processes(tmp_path: Path, isolation: Isolation) -> None:
    """On a busy machine it counted those of the whole machine as its own, and was ended for too much memory."""
    with running(tmp_path, isolation) as runs:
        definition = runs.function(CODE).definition

        async def look() -> list[Any]:
            runtime = find_runtime(definition.runtime)
            interpreter = find_interpreter(definition.runtime, for_everyone=isolation == "user")
            assert runtime is not None
            environment = Environment(runs.runner.sandbox, definition, runtime, interpreter, Nobody())
            environment.open()
            seen = environment.processes()
            environment.close()
            await environment.closed()
            return seen

        assert runs.wait(look()) == []
