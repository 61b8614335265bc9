"""Python handlers: loading, context, JSON, errors and logs, byte for byte.

Source: reference pages "Python: handler string and load errors", "Reported by the runtime", "Text format, exact lines".
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scopegate.functions.runtimes import python
from scopegate.functions.runtimes.binaries import Binary, is_reachable
from scopegate.functions.sandbox import choose_isolation
from tests.rooms.functions.running import Runs, running


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with running(tmp_path) as runs:
        yield runs


@pytest.mark.parametrize(
    ("code", "handler", "kind", "message", "trace"),
    [
        (
            "",
            "badhandler",
            "Runtime.MalformedHandlerName",
            "Bad handler 'badhandler': not enough values to unpack (expected 2, got 1)",
            [],
        ),
        ("", "nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'", []),
        (
            "import missing_library",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'missing_library'",
            [],
        ),
        (
            "",
            "time.handler",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module time as a handler module",
            [],
        ),
        ("", "index.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'index'", []),
        (
            "def handler():\n    return (\n",
            "index.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'index': '(' was never closed (index.py, line 2)",
            ['  File "/var/task/index.py" Line 2\n        return (\n'],
        ),
    ],
    ids=["no dot", "no module", "import inside", "builtin", "no attribute", "syntax"],
)
def test_load_error(runs: Runs, code: str, handler: str, kind: str, message: str, trace: list[str]) -> None:
    function = runs.function(code, handler=handler)

    answers = [function.call({}), function.call({})]

    for answer in answers:
        assert answer.outcome.function_error == "Unhandled"
        assert answer.json == {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": trace}
        assert answer.log.endswith(f"\tStatus: error\tError Type: {kind}\n")
    log = runs.logs()
    assert "LAMBDA_WARNING: Unhandled exception. The most likely cause" in log
    assert f"[ERROR] {kind}: {message}\nTraceback (most recent call last):" in log
    assert re.search(rf"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: {kind}\n", log)


def test_module_in_a_folder_and_module_state(runs: Runs) -> None:
    files = {
        "sub/mod.py": "import helper\ndef handler(event, context):\n    return helper.NAME",
        "helper.py": "NAME = 5",
    }

    assert runs.function(files, handler="sub/mod.handler").call({}).json == 5


def test_exception_at_import_is_its_own_document(runs: Runs) -> None:
    function = runs.function("raise KeyError('zz')")

    document = function.call({}).json

    assert (document["errorMessage"], document["errorType"], document["requestId"]) == ("'zz'", "KeyError", "")
    assert (
        document["stackTrace"][-1] == "  File \"/var/task/index.py\", line 1, in <module>\n    raise KeyError('zz')\n"
    )


def test_exception_of_the_handler_byte_for_byte(runs: Runs) -> None:
    """Reported by the runtime: key order, blanks, frames of the bootstrap cut, no chained exceptions."""
    code = """def handler(event, context):
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise Exception("Handler fails") from error
"""

    answer = runs.function(code).call({})

    assert answer.outcome.payload.decode() == (
        '{"errorMessage": "Handler fails", "errorType": "Exception", '
        f'"requestId": "{answer.request_id}", "stackTrace": '
        '["  File \\"/var/task/index.py\\", line 5, in handler\\n'
        '    raise Exception(\\"Handler fails\\") from error\\n"]}'
    )
    assert (
        "[ERROR] Exception: Handler fails\nTraceback (most recent call last):\n"
        '\u00a0\u00a0File "/var/task/index.py", line 5, in handler\n'
        '\u00a0\u00a0\u00a0\u00a0raise Exception("Handler fails") from error\n'
    ) in answer.log


def test_context(runs: Runs) -> None:
    code = """
def handler(event, context):
    context.log("said\\n")
    client = context.client_context
    return {
        "names": [context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name],
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "tenant": context.tenant_id, "w3c": context.w3c(),
        "client": client and [client.custom, client.env, client.client.app_title, client.client.installation_id],
    }
"""
    function = runs.function(code)

    plain = function.call({})
    mobile = function.call(
        {}, client_context='{"custom":{"a":"ü"},\n"env":{"b":1},"client":{"app_title":"t"},"w3c":{"traceparent":"x"}}'
    )

    assert plain.json == {
        "names": ["orders", "$LATEST", "256", "/aws/lambda/orders"],
        "identity": [None, None],
        "tenant": None,
        "w3c": None,
        "client": None,
    }
    assert "\nsaid\n" in plain.log
    assert mobile.json["client"] == [{"a": "ü"}, {"b": 1}, "t", None]
    assert mobile.json["w3c"] == {"traceparent": "x"}


@pytest.mark.parametrize(
    ("expression", "payload"),
    [
        ("None", b"null"),
        ("{'a': 'ü', 'b': [1, 2.5, True]}", b'{"a": "\\u00fc", "b": [1, 2.5, true]}'),
        ("{'price': Decimal('1.10'), 'more': [Decimal('3')], 'f': 0.1}", b'{"price": 1.10, "more": [3], "f": 0.1}'),
        ("Decimal('7')", b"7"),
        ("float('nan')", b"NaN"),
        ("b'\\xff\\x00raw'", b"\xff\x00raw"),
        ("'text'", b'"text"'),
    ],
)
def test_result_becomes_json_as_lambdas_does(runs: Runs, expression: str, payload: bytes) -> None:
    function = runs.function(f"from decimal import Decimal\ndef handler(event, context):\n    return {expression}")

    assert function.call({}).outcome.payload == payload


@pytest.mark.parametrize("expression", ["object()", "{1, 2}"])
def test_result_that_is_no_json_is_a_marshal_error(runs: Runs, expression: str) -> None:
    answer = runs.function(f"def handler(event, context):\n    return {expression}").call({})

    kind = expression.partition("(")[0] if "(" in expression else "set"
    assert answer.json == {
        "errorMessage": f"Unable to marshal response: Object of type {kind} is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": answer.request_id,
        "stackTrace": [],
    }


def test_event_that_is_no_json_is_an_unmarshal_error(runs: Runs) -> None:
    function = runs.function("def handler(event, context):\n    return event")

    broken, invalid = function.call(payload=b"{x}"), function.call(payload=b'"\xff"')

    assert broken.json["errorType"] == invalid.json["errorType"] == "Runtime.UnmarshalError"
    assert broken.json["errorMessage"].startswith("Unable to unmarshal input: Expecting property name enclosed in")


def test_client_context_that_is_no_json(runs: Runs) -> None:
    answer = runs.function("def handler(event, context):\n    return 1").call({}, client_context="{x")

    assert answer.json["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert answer.json["errorMessage"].startswith("Unable to parse Client Context JSON: ")


def test_handler_that_is_not_callable_fails_when_called(runs: Runs) -> None:
    document = runs.function("handler = 5").call({}).json

    assert (document["errorType"], document["errorMessage"]) == ("TypeError", "'int' object is not callable")


def test_logging_writes_level_time_request_and_message(runs: Runs) -> None:
    code = """
import logging
def handler(event, context):
    logging.info("unseen")
    logging.warning("two\\nlines")
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("shop").debug("seen %s", 1)
"""

    answer = runs.function(code).call({})

    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,3}Z"
    assert "unseen" not in answer.log
    assert re.search(rf"^\[WARNING\]\t{moment}\t{answer.request_id}\ttwo\nlines\n", answer.log, re.M)
    assert re.search(rf"^\[DEBUG\]\t{moment}\t{answer.request_id}\tseen 1\n", answer.log, re.M)


def test_json_logs(runs: Runs) -> None:
    """Reference, LoggingConfig: platform records, records of the logging module, levels."""
    code = """
import logging
def handler(event, context):
    logging.getLogger("shop").warning("low", extra={"stock": 3})
    logging.info("unseen")
    print("plain text counts as INFO")
"""
    import json

    function = runs.function(code, log_format="JSON", application_log_level="WARN")

    answer = function.call({})

    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.log.splitlines()]
    assert [line.get("type") or line.get("level") for line in lines] == ["platform.start", "WARNING", "platform.report"]
    record = lines[1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.pop("timestamp"))
    assert record == {
        "level": "WARNING",
        "message": "low",
        "logger": "shop",
        "requestId": answer.request_id,
        "stock": 3,
    }
    report = lines[2]["record"]
    assert (report["requestId"], report["status"]) == (answer.request_id, "success")
    assert set(report["metrics"]) == {
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
        "initDurationMs",
    }


def test_output_without_a_newline_and_on_standard_error_is_kept(runs: Runs) -> None:
    code = "import sys\ndef handler(event, context):\n    print('err', file=sys.stderr)\n    print('open end', end='')"

    log = runs.function(code).call({}).log

    assert "\nerr\n" in log
    assert "\nopen end\nEND " in log


def test_log_tail_is_the_last_four_kilobytes(runs: Runs) -> None:
    function = runs.function("def handler(event, context):\n    for i in range(1000):\n        print('line', i)")

    tail = function.call({}).outcome.log_tail

    assert tail is not None
    assert len(tail) == 4096
    assert b"line 999\nEND" in tail


def test_sdk_is_found_last_and_comes_back_to_this_server(runs: Runs) -> None:
    """Design: boto3 lies at the end of sys.path; a package's own copy wins; nothing else of the server is there."""
    code = """
import sys
def handler(event, context):
    import boto3
    client = boto3.client("sts")
    try:
        import sqlalchemy
        other = True
    except ImportError:
        other = False
    return [client.meta.endpoint_url, boto3.__file__, sys.path[0], other]
"""

    endpoint, place, first, other = runs.function(code, timeout_s=60, memory_mb=512).call({}).json

    assert endpoint == "http://localhost:4566"
    assert first == "/var/task" or runs.runner.isolation != "bwrap"
    assert place.endswith("boto3/__init__.py")
    assert not other


def test_packages_own_boto3_wins(runs: Runs) -> None:
    files = {
        "index.py": "import boto3\ndef handler(event, context):\n    return boto3.MINE",
        "boto3/__init__.py": "MINE = 1",
    }

    assert runs.function(files).call({}).json == 1


def usable_pythons() -> list[Binary]:
    """Without a mount namespace an environment's user cannot enter a closed home directory."""
    closed = choose_isolation("auto", required=False) == "user"
    return [one for one in python.find_binaries() if not closed or is_reachable(one.executable)]


@pytest.mark.parametrize("binary", usable_pythons(), ids=lambda binary: binary.text)
def test_bootstrap_works_under_every_python_of_this_machine(runs: Runs, binary: Any) -> None:
    """From 3.6 on: the error document says `requestId` since 3.9, text is UTF-8 since 3.12."""
    minor = binary.version[1]
    code = """
import logging
def handler(event, context):
    logging.warning("w")
    return event["text"] / 1 if event.get("fail") else event
"""
    function = runs.function(code, runtime=f"python3.{minor}")

    answer, failed = function.call({"text": "ü"}), function.call({"text": "ü", "fail": True})

    escaped = '{"text": "\\u00fc"}' if minor < 12 else '{"text": "ü"}'
    assert answer.outcome.payload.decode() == escaped
    assert failed.json["errorType"] == "TypeError"
    assert ("requestId" in failed.json) is (minor >= 9)
