"""Node.js handlers: forms, loading, context, errors and logs, byte for byte.

Source: reference pages "Node.js: handler string and load", "Reported by the runtime", "Text format, exact lines".
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.functions.running import ARN, Answer, Runs, running

NODE = "nodejs22.x"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder: Path = tmp_path_factory.mktemp("nodejs")
    with running(folder) as runs:
        yield runs


def call(runs: Runs, files: str | Mapping[str, str], event: Any = None, **more: Any) -> Answer:
    """Call a new function once."""
    how = {name: more.pop(name) for name in ("client_context", "payload") if name in more}
    return runs.function(files, runtime=more.pop("runtime", NODE), **more).call(event, **how)


HANDLERS = """
const later = (ms, value) => new Promise((done) => setTimeout(done, ms, value));
exports.promised = async (event) => later(5, { got: event });
exports.nothing = async () => {};
exports.thenable = () => ({ then: (done) => done("thenable") });
exports.callback = (event, context, callback) => { setTimeout(() => callback(null, "called back"), 5); };
exports.waits = (event, context, callback) => { global.seen = 0; setTimeout(() => { global.seen = 1; }, 30);
  callback(null, { toJSON: () => global.seen }); };
exports.atOnce = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60000); callback(null, "at once"); };
exports.done = (event, context) => { setTimeout(() => {}, 60000); context.done(null, "done"); };
exports.succeed = (event, context) => { context.succeed("first"); context.succeed("second"); };
exports.value = () => "ignored";
exports.nested = { deep: { handler: async () => "nested" } };
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("promised", {"got": {"a": "ü"}}),
        ("nothing", None),
        ("thenable", "thenable"),
        ("callback", "called back"),
        ("waits", 1),
        ("atOnce", "at once"),
        ("done", "done"),
        ("succeed", "first"),
        ("value", None),
        ("nested.deep.handler", "nested"),
    ],
)
def test_form_of_a_handler(runs: Runs, name: str, value: Any) -> None:
    function = runs.function(HANDLERS, runtime=NODE, handler=f"index.{name}")

    answers = [function.call({"a": "ü"}), function.call({"a": "ü"})]

    assert [(answer.json, answer.outcome.function_error) for answer in answers] == [(value, None)] * 2
    assert answers[1].outcome.init_ms is None, "whatever the form, the environment stays"


FAILURES = """
const later = (ms, action) => setTimeout(action, ms);
exports.rejects = async () => { throw new RangeError("no such order"); };
exports.throws = () => { throw new RangeError("no such order"); };
exports.callback = (event, context, callback) => callback(new RangeError("no such order"));
exports.fail = (event, context) => context.fail(new RangeError("no such order"));
exports.failNothing = (event, context) => context.fail();
exports.string = async () => { throw "a string"; };
exports.circular = async () => { const a = {}; a.a = a; return a; };
exports.bigint = async () => 1n;
exports.timer = () => new Promise(() => later(1, () => { throw new RangeError("no such order"); }));
exports.unhandled = () => new Promise(() => later(1, () => Promise.reject(new RangeError("no such order"))));
"""


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("rejects", "RangeError", "no such order"),
        ("throws", "RangeError", "no such order"),
        ("callback", "RangeError", "no such order"),
        ("fail", "RangeError", "no such order"),
        ("failNothing", "string", "handled"),
        ("string", "string", "a string"),
        ("circular", "Error", "Unable to stringify response body"),
        ("bigint", "Error", "Unable to stringify response body"),
        ("timer", "RangeError", "no such order"),
        ("unhandled", "Runtime.UnhandledPromiseRejection", "RangeError: no such order"),
    ],
)
def test_failure_of_a_handler(runs: Runs, name: str, kind: str, message: str) -> None:
    function = runs.function(FAILURES, runtime=NODE, handler=f"index.{name}")

    failed, again = function.call({}), function.call({})

    for answer in (failed, again):
        assert answer.outcome.function_error == "Unhandled"
        assert (answer.json["errorType"], answer.json["errorMessage"]) == (kind, message)
        assert isinstance(answer.json["trace"], list)
    assert list(failed.json) == ["errorType", "errorMessage", "trace"]


def test_error_document_byte_for_byte(runs: Runs) -> None:
    answer = call(runs, 'exports.handler = async () => {\n  throw new TypeError("bad thing");\n};')

    assert answer.outcome.payload.decode().startswith(
        '{"errorType":"TypeError","errorMessage":"bad thing","trace":["TypeError: bad thing",'
        '"    at exports.handler (/var/task/index.js:2:9)"'
    )
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.search(
        rf'^{moment}\t{answer.request_id}\tERROR\tInvoke Error \t\{{"errorType":"TypeError","errorMessage":"bad thing",'
        r'"stack":\["TypeError: bad thing",',
        answer.log,
        re.M,
    )


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.js": "exports.handler = async () => __filename.slice(-8)"}, "index.handler"),
        ({"index.mjs": "export const handler = async () => import.meta.url.slice(-9)"}, "index.handler"),
        ({"index.cjs": "module.exports.handler = async () => __filename.slice(-9)"}, "index.handler"),
        (
            {
                "package.json": '{"type": "module"}',
                "index.js": "import path from 'path';\nawait 0;\nexport const handler = async () => path.sep",
            },
            "index.handler",
        ),
        (
            {
                "package.json": '{"type": "module"}',
                "old/package.json": "{}",
                "old/index.js": "exports.handler = async () => typeof require",
            },
            "old/index.handler",
        ),
        ({"src/sub/mod.js": "exports.handler = async () => 1"}, "src/sub/mod.handler"),
        ({"node_modules/shop/index.js": "exports.handler = async () => 1"}, "shop.handler"),
        (
            {
                "index.js": "const shop = require('shop');\nexports.handler = async () => shop",
                "node_modules/shop/index.js": "module.exports = 5",
            },
            "index.handler",
        ),
        (
            {
                "index.mjs": "import shop from 'shop';\nexport const handler = async () => shop",
                "node_modules/shop/package.json": '{"name": "shop", "type": "module", "exports": "./main.js"}',
                "node_modules/shop/main.js": "export default 5",
            },
            "index.handler",
        ),
    ],
    ids=["js", "mjs", "cjs", "type module", "nearest package.json", "folder", "package", "require", "import"],
)
def test_where_a_handler_is_found(runs: Runs, files: Mapping[str, str], handler: str) -> None:
    answer = call(runs, files, {}, handler=handler)

    assert answer.outcome.function_error is None, answer.json


@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        ("", "index", "Runtime.MalformedHandlerName", "Bad handler"),
        (
            "",
            "../index.handler",
            "Runtime.MalformedHandlerName",
            "'../index.handler' is not a valid handler name. Use absolute paths when specifying root directories in "
            "handler names.",
        ),
        (
            "",
            "nomod.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nomod'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        ("require('missing')", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'missing'"),
        ("exports.handler = async (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of"),
        ("", "index.missing", "Runtime.HandlerNotFound", "index.missing is undefined or not exported"),
        ("exports.five = 5", "index.five", "Runtime.HandlerNotFound", "index.five is not a function"),
        ("throw new RangeError('early')", "index.handler", "RangeError", "early"),
    ],
    ids=["no dot", "climbs", "no module", "require inside", "syntax", "no export", "no function", "throws"],
)
def test_load_error(runs: Runs, code: str, handler: str, kind: str, message: str) -> None:
    function = runs.function(code, runtime=NODE, handler=handler)

    answers = [function.call({}), function.call({})]

    for answer in answers:
        assert answer.outcome.function_error == "Unhandled"
        assert answer.json["errorType"] == kind
        assert answer.json["errorMessage"].startswith(message)
        assert answer.log.endswith(f"\tStatus: error\tError Type: {kind}\n")


def test_context(runs: Runs) -> None:
    code = """
exports.handler = async (event, context) => ({
  keys: Object.keys(context), env: process.env._X_AMZN_TRACE_ID,
  names: [context.functionName, context.functionVersion, context.memoryLimitInMB, context.logGroupName],
  arn: context.invokedFunctionArn, client: context.clientContext, identity: context.identity === undefined,
  stream: context.logStreamName === process.env.AWS_LAMBDA_LOG_STREAM_NAME, left: context.getRemainingTimeInMillis(),
});
"""
    answer = call(runs, code, {}, timeout_s=5, client_context='{"custom":{"a":"ü"},\n"env":{"b":1}}', function_arn=ARN)

    seen = answer.json
    assert " ".join(seen["keys"]) == (
        "callbackWaitsForEmptyEventLoop succeed fail done functionVersion functionName memoryLimitInMB logGroupName "
        "logStreamName clientContext identity invokedFunctionArn awsRequestId tenantId getRemainingTimeInMillis"
    )
    assert seen["names"] == ["orders", "$LATEST", "256", "/aws/lambda/orders"]
    assert seen["arn"] == ARN
    assert seen["client"] == {"custom": {"a": "ü"}, "env": {"b": 1}}
    assert (seen["identity"], seen["stream"]) == (True, True)
    assert 4_000 < seen["left"] <= 5_000


def test_handlers_of_node_24_know_promises_only(runs: Runs) -> None:
    code = """
exports.callback = (event, context, callback) => callback(null, 1);
exports.keys = async (event, context) => { setTimeout(() => {}, 60000); return Object.keys(context); };
exports.sync = () => "value";
exports.circular = async () => { const a = {}; a.a = a; return a; };
"""
    answers = {
        name: call(runs, code, {}, runtime="nodejs24.x", handler=f"index.{name}")
        for name in ("callback", "keys", "sync", "circular")
    }

    assert answers["callback"].json["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert not {"succeed", "fail", "done"} & set(answers["keys"].json)
    assert answers["sync"].json == "value"
    assert answers["circular"].json["errorType"] == "Runtime.JSONStringifyError"


def test_console_writes_time_request_level_and_message(runs: Runs) -> None:
    code = """
console.log("outside");
exports.handler = async () => {
  console.log("two\\nlines %s", "x"); console.warn({ a: 1 }); console.error(new Error("shown")); console.debug("d");
};
"""
    answer = call(runs, code)

    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.search(rf"^{moment}\tundefined\tINFO\toutside\n", runs.logs(), re.M)
    head = rf"^{moment}\t{answer.request_id}"
    assert re.search(rf"{head}\tINFO\ttwo\nlines x\n", answer.log, re.M)
    assert re.search(rf"{head}\tWARN\t\{{ a: 1 \}}\n", answer.log, re.M)
    assert re.search(rf"{head}\tERROR\tError: shown\n    at ", answer.log, re.M)
    assert re.search(rf"{head}\tDEBUG\td\n", answer.log, re.M)


def test_json_logs(runs: Runs) -> None:
    """Reference, LoggingConfig."""
    code = 'exports.handler = async () => { console.info("low"); console.warn("high", { a: 1 }); }'

    answer = call(runs, code, log_format="JSON", application_log_level="WARN")

    lines = [json.loads(line) for line in answer.log.splitlines()]
    assert [line.get("type") or line["level"] for line in lines] == ["platform.start", "WARN", "platform.report"]
    assert {key: lines[1][key] for key in ("requestId", "message")} == {
        "requestId": answer.request_id,
        "message": "high { a: 1 }",
    }


def test_streamed_response_arrives_whole(runs: Runs) -> None:
    """Reference, Response streaming: plain Invoke gets it buffered."""
    code = """
exports.handler = awslambda.streamifyResponse(async (event, output) => {
  output.setContentType("text/plain"); output.write("one "); output.write("two"); output.end();
});
exports.open = awslambda.streamifyResponse(async (event, output) => { output.write("one"); });
exports.prelude = awslambda.streamifyResponse(async (event, output) => {
  const http = awslambda.HttpResponseStream.from(output, { statusCode: 201 }); http.write("made"); http.end();
});
"""
    whole, open_end, prelude = (
        call(runs, code, {}, handler=f"index.{name}") for name in ("handler", "open", "prelude")
    )

    assert (whole.outcome.payload, whole.outcome.content_type) == (b"one two", b"text/plain")
    assert open_end.json["errorMessage"] == "Response stream is not finished."
    assert prelude.outcome.payload == b'{"statusCode":201}' + bytes(8) + b"made"


def test_layers_and_task_are_where_node_looks(runs: Runs) -> None:
    """Reference, Variables."""
    answer = call(runs, "exports.handler = async () => process.env.NODE_PATH")

    assert answer.json == (
        "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
