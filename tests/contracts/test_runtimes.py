"""What every runtime has to do alike, whatever its language: one test, once per entry of RUNTIMES."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scopegate.functions.runtimes import RUNTIMES, find_runtime
from tests.rooms.functions.running import ARN, TRACE, Function, Runs, running

PYTHON = """
import os, sys, time
STARTED = time.time()
def handler(event, context):
    do = event.get("do")
    if do == "raise":
        raise ValueError("no such order")
    if do == "exit":
        os._exit(event["code"])
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "print":
        print("one line")
        print("two", "words")
    if do == "env":
        return dict(os.environ)
    if do == "large":
        return "x" * event["size"]
    if do == "hold":
        hold = bytearray(600_000_000)
        time.sleep(9)
    if do == "count":
        name = os.environ.get("TMPDIR", "/tmp") + "/count"
        with open(name, "a") as file:
            file.write("x")
        return [os.path.getsize(name), os.getpid()]
    if do == "flood":
        for n in range(event["lines"]):
            print("line", n, "x" * 1000)
    return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn, "started": STARTED,
            "left": context.get_remaining_time_in_millis()}
"""
NODE = """
const started = Date.now();
exports.handler = async (event, context) => {
  if (event.do === "raise") { const error = new Error("no such order"); error.name = "ValueError"; throw error; }
  if (event.do === "exit") process.exit(event.code);
  if (event.do === "sleep") await new Promise((done) => setTimeout(done, event.seconds * 1000));
  if (event.do === "print") { process.stdout.write("one line\\n"); process.stdout.write("two words\\n"); }
  if (event.do === "env") return process.env;
  if (event.do === "large") return "x".repeat(event.size);
  if (event.do === "hold") {
    global.hold = Buffer.alloc(600000000, 1);
    await new Promise((done) => setTimeout(done, 9000));
  }
  if (event.do === "count") {
    const fs = require("fs"), name = (process.env.TMPDIR ?? "/tmp") + "/count";
    fs.appendFileSync(name, "x");
    return [fs.statSync(name).size, process.pid];
  }
  if (event.do === "flood") {
    for (let n = 0; n < event.lines; n++) process.stdout.write(`line ${n} ${"x".repeat(1000)}\\n`);
  }
  return { event, id: context.awsRequestId, arn: context.invokedFunctionArn, started,
    left: context.getRemainingTimeInMillis() };
};
"""
# A runtime of the user's own, in nothing but sockets.
PROVIDED = """#!%s
import http.client, json, os, time
STARTED = time.time()
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer, answer.read()
while True:
    answer, payload = call("GET", "invocation/next")
    request_id = answer.headers["lambda-runtime-aws-request-id"]
    event, kind = json.loads(payload), "response"
    do = event.get("do")
    result = {"event": event, "id": request_id, "arn": answer.headers["lambda-runtime-invoked-function-arn"],
              "started": STARTED, "left": int(answer.headers["lambda-runtime-deadline-ms"]) - time.time() * 1000}
    if do == "raise":
        kind, result = "error", {"errorMessage": "no such order", "errorType": "ValueError"}
    if do == "exit":
        os._exit(event["code"])
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "print":
        print("one line", flush=True)
        print("two", "words", flush=True)
    if do == "env":
        result = dict(os.environ)
    if do == "large":
        result = "x" * event["size"]
    if do == "hold":
        hold = bytearray(600_000_000)
        time.sleep(9)
    if do == "count":
        name = os.environ.get("TMPDIR", "/tmp") + "/count"
        with open(name, "a") as file:
            file.write("x")
        result = [os.path.getsize(name), os.getpid()]
    if do == "flood":
        for n in range(event["lines"]):
            print("line", n, "x" * 1000, flush=True)
    call("POST", "invocation/" + request_id + "/" + kind, json.dumps(result))
"""


def system_python() -> str:
    found = Path("/usr/bin/python3")
    return str(found if found.exists() else Path(getattr(sys, "_base_executable", sys.executable)).resolve())


FUNCTIONS = {
    "python3.11": ({"index.py": PYTHON}, "index.handler"),
    "nodejs20.x": ({"index.js": NODE}, "index.handler"),
    "provided.al2023": ({"bootstrap": PROVIDED % system_python()}, "anything"),
}


def test_each_runtime_of_the_registry_is_tested_here() -> None:
    covered = {pattern for pattern in RUNTIMES for name in FUNCTIONS if re.fullmatch(pattern, name)}

    assert covered == set(RUNTIMES)
    assert find_runtime("java21") is None


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with running(tmp_path) as runs:
        yield runs


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest, runs: Runs) -> Function:
    files, handler = FUNCTIONS[request.param]
    return runs.function(files, runtime=request.param, handler=handler, timeout_s=20, environment={"TABLE": "orders"})


def test_handler_gets_event_and_context_and_stays_warm(function: Function) -> None:
    first = function.call({"n": 1})
    second = function.call({"n": 2})

    assert (first.json["event"], second.json["event"]) == ({"n": 1}, {"n": 2})
    assert (first.json["id"], second.json["id"]) == (first.request_id, second.request_id)
    assert first.json["arn"] == ARN
    assert 10_000 < first.json["left"] <= 20_000
    assert first.json["started"] == second.json["started"]
    assert first.outcome.init_ms is not None
    assert second.outcome.init_ms is None
    assert second.outcome.function_error is None


def test_error_of_the_handler_is_its_document(function: Function) -> None:
    """Reference, Reported by the runtime."""
    failed = function.call({"do": "raise"})
    after = function.call({})

    assert failed.outcome.function_error == "Unhandled"
    assert (failed.json["errorMessage"], failed.json["errorType"]) == ("no such order", "ValueError")
    assert after.outcome.init_ms is None, "an error keeps the environment"


def test_timeout_kills_and_the_next_invocation_works(function: Function, runs: Runs) -> None:
    """Reference, Produced by the platform: the document, the log line that tools search for, the REPORT."""
    function = Function(runs, replace(function.definition, timeout_s=1))
    late = function.call({"do": "sleep", "seconds": 30})
    after = function.call({})

    assert late.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {late.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert late.outcome.function_error == "Unhandled"
    assert re.search(rf"^\S+Z {late.request_id} Task timed out after 1\.00 seconds$", late.log, re.M)
    assert re.search(r"\tStatus: timeout\n$", late.log)
    assert after.json["event"] == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")],
)
def test_exit_of_the_process_is_the_platforms_document(function: Function, code: int, words: str) -> None:
    failed = function.call({"do": "exit", "code": code})
    after = function.call({})

    assert failed.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {failed.request_id} Error: {words}",
    }
    assert f"RequestId: {failed.request_id} Error: {words}\nRuntime.ExitError\n" in failed.log
    assert after.json["event"] == {}


def test_log_of_an_invocation(function: Function) -> None:
    """Reference, Text format, exact lines."""
    function.call({})

    answer = function.call({"do": "print"})

    number = r"\d+\.\d\d"
    assert re.fullmatch(
        rf"START RequestId: {answer.request_id} Version: \$LATEST\n"
        r"one line\ntwo words\n"
        rf"END RequestId: {answer.request_id}\n"
        rf"REPORT RequestId: {answer.request_id}\tDuration: {number} ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\t\n",
        answer.log,
    )


def test_first_invocation_reports_its_init(function: Function, runs: Runs) -> None:
    answer = function.call({})

    assert re.search(r"\tInit Duration: \d+\.\d\d ms\t\n$", answer.log)
    assert answer.outcome.billed_ms >= answer.outcome.init_ms + answer.outcome.duration_ms
    assert re.match(
        r"INIT_START Runtime Version: \w+:[\w.]+\.v1\t"
        r"Runtime Version ARN: arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}\nSTART ",
        runs.logs(),
    )
    assert "INIT_START" not in answer.log


def test_environment_variables(function: Function) -> None:
    """Reference, Variables: the session of the role, this server's endpoint, Lambda's own; nothing of the server's."""
    runtime = function.definition.runtime

    seen = function.call({"do": "env"}).json

    wanted = {
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "example-secret",
        "AWS_SESSION_TOKEN": "example-token",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LANG": "en_US.UTF-8",
        "TABLE": "orders",
        "TZ": ":UTC",
        "_HANDLER": function.definition.handler,
    }
    assert {name: seen.get(name) for name in wanted} == wanted
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
    provided = runtime.startswith("provided")
    assert seen.get("AWS_EXECUTION_ENV") == (None if provided else f"AWS_Lambda_{runtime}")
    assert seen.get("_X_AMZN_TRACE_ID") == (None if provided else TRACE)
    assert seen["PATH"].startswith("/usr/local/bin:" if provided else "/var/lang/bin:")
    assert not {"HOME", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "_SCOPEGATE_SDK"} & set(seen)


def test_answer_of_six_megabytes_passes_and_one_more_byte_does_not(function: Function) -> None:
    """Reference, Produced by the platform (attack F7)."""
    limit = 6_291_556

    largest = function.call({"do": "large", "size": limit - 2})
    larger = function.call({"do": "large", "size": limit - 1})
    after = function.call({})

    assert len(largest.outcome.payload) == limit
    assert larger.outcome.function_error == "Unhandled"
    assert larger.json == {
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({limit} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert after.json["event"] == {}


def test_memory_beyond_the_limit_ends_the_process(runs: Runs) -> None:
    """Reference, Produced by the platform: out of memory detected; in every runtime alike."""
    for runtime, (files, handler) in FUNCTIONS.items():
        function = runs.function(files, runtime=runtime, handler=handler, timeout_s=10)

        failed, after = function.call({"do": "hold"}), function.call({})

        assert failed.json == {
            "errorType": "Runtime.OutOfMemory",
            "errorMessage": f"RequestId: {failed.request_id} Error: Runtime exited with error: signal: killed",
        }
        assert failed.outcome.max_memory_mb == 256
        assert after.json["event"] == {}


def test_temporary_files_survive_the_process_and_belong_to_one_environment(function: Function) -> None:
    """Reference, Process behaviour: after a timeout or an exit /tmp is as it was, memory is not."""
    first = function.call({"do": "count"}).json
    warm = function.call({"do": "count"}).json
    function.call({"do": "exit", "code": 3})
    restarted = function.call({"do": "count"}).json
    others = [answer.json for answer in function.call_many([{"do": "sleep", "seconds": 0.3}, {"do": "count"}])]

    assert (first[0], warm[0], restarted[0]) == (1, 2, 3)
    assert first[1] == warm[1] != restarted[1]
    assert others[1][0] in (1, 4), "another environment starts from an empty folder"


def test_output_is_kept_up_to_a_bound(function: Function, runs: Runs) -> None:
    function.call({})

    answer = function.call({"do": "flood", "lines": 6_000})

    assert answer.outcome.function_error is None
    assert answer.log.count("line ") < 5
    assert "\nOutput of this invocation beyond 4194304 bytes is not kept.\n" in answer.log
    assert answer.log.rstrip("\n").rpartition("\n")[2].startswith("REPORT ")


def test_trace_header_is_the_one_of_the_invocation(function: Function) -> None:
    """Reference, Headers of `next`: the runtime client sets the variable anew for each invocation."""
    if function.definition.runtime.startswith("provided"):
        assert "_X_AMZN_TRACE_ID" not in function.call({"do": "env"}).json
        return
    other = TRACE.replace("5bef", "6bef")

    seen = [function.call({"do": "env"}, trace_id=trace).json.get("_X_AMZN_TRACE_ID") for trace in (TRACE, other, None)]

    assert seen == [TRACE, other, None]


INIT = {
    "python3.11": ("import os, sys\n%s\ndef handler(event, context):\n    return 1", "raise ValueError('early')"),
    "nodejs20.x": (
        "%s\nexports.handler = async () => 1;",
        "const error = new Error('early'); error.name = 'ValueError'; throw error;",
    ),
    "provided.al2023": (
        f"#!{system_python()}\nimport http.client, os\n%s",
        """
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
body = '{"errorMessage":"early","errorType":"ValueError"}'
api.request("POST", "/2018-06-01/runtime/init/error", body, {"Lambda-Runtime-Function-Error-Type": "ValueError"})
api.getresponse()
""",
    ),
}
EXIT = {"python3.11": "os._exit(7)", "nodejs20.x": "process.exit(7);", "provided.al2023": "os._exit(7)"}


@pytest.mark.parametrize("runtime", INIT)
def test_error_while_loading_is_the_document_of_each_invocation(runs: Runs, runtime: str) -> None:
    """Reference, Process behaviour: the invocation that waits gets exactly what was posted."""
    code, failure = INIT[runtime]
    name, handler = next(iter(FUNCTIONS[runtime][0])), FUNCTIONS[runtime][1]
    function = runs.function({name: code % failure}, runtime=runtime, handler=handler)

    answers = [function.call({}), function.call({})]

    for answer in answers:
        assert answer.outcome.function_error == "Unhandled"
        assert (answer.json["errorMessage"], answer.json["errorType"]) == ("early", "ValueError")
        assert answer.log.startswith(f"START RequestId: {answer.request_id} Version: $LATEST\n")
        assert answer.log.endswith("\tStatus: error\tError Type: ValueError\n")
    report = r"^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: ValueError$"
    assert len(re.findall(report, runs.logs(), re.M)) == 2


@pytest.mark.parametrize("runtime", INIT)
def test_exit_while_loading_is_tried_once_more_inside_the_invocation(runs: Runs, runtime: str) -> None:
    """Reference, Process behaviour ("suppressed init")."""
    code, name = INIT[runtime][0], next(iter(FUNCTIONS[runtime][0]))
    function = runs.function({name: code % EXIT[runtime]}, runtime=runtime, handler=FUNCTIONS[runtime][1])

    failed = function.call({})

    assert failed.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {failed.request_id} Error: Runtime exited with error: exit status 7",
    }
    phases = re.findall(
        r"^INIT_REPORT .*\tPhase: (\w+)\tStatus: error\tError Type: Runtime.ExitError$", runs.logs(), re.M
    )
    assert phases == ["init", "invoke"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme": ""}, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ({"bootstrap": b"\0not a program"}, "fork/exec /var/task/bootstrap: exec format error"),
    ],
    ids=["missing", "no program"],
)
def test_bootstrap_that_cannot_start(runs: Runs, files: dict[str, str | bytes], message: str) -> None:
    """Reference, provided.al2023."""
    failed = runs.function(files, runtime="provided.al2023").call({})

    assert failed.json == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {failed.request_id} Error: {message}",
    }


def test_event_of_six_megabytes_arrives(function: Function) -> None:
    event = {"text": "ü" + "x" * 6_000_000}

    assert function.call(event).json["event"] == event
