"""AWS Lambda over real HTTP: boto3's statuses and errors, invocations, policies, what a function's session may do."""

import base64
import contextlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.server import ACCOUNT, REGION, ROLE, Server, make_function, make_role, zipped

SEEN = """
import json, os
def handler(event, context):
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        "stage": os.environ.get("STAGE"),
        "id": context.aws_request_id,
        "trace": os.environ["_X_AMZN_TRACE_ID"],
        "client": None if context.client_context is None else context.client_context.custom,
    }
"""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def lambda_(server: Server) -> Any:
    return server.aws("lambda")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A function name of the test's own."""
    return re.sub(r"[^a-z0-9-]", "-", request.node.name.lower())[:64]


def arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def status(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def refused(call: Callable[..., Any], **members: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    return response["Error"]["Code"], status(response), response["Error"].get("Message", "")


def invoke(lambda_: Any, **members: Any) -> Any:
    """Invoke, its payload read to the end: what is left unread keeps its connection."""
    answer = lambda_.invoke(**members)
    with contextlib.closing(answer["Payload"]) as payload:
        return {**answer, "Payload": payload.read()}


def body(answer: Any) -> Any:
    return json.loads(answer["Payload"])


def post(
    server: Server, path: str, payload: bytes = b"{}", method: str = "POST", *, service: str = "lambda", **headers: str
) -> requests.Response:
    """A signed request with nothing that boto3 adds or reads."""
    url = server.url + path
    request = AWSRequest(method, url, {name.replace("_", "-"): text for name, text in headers.items()}, payload)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(request)
    return server.http(method, path, headers=dict(request.headers), data=payload)


# Statuses and errors


def test_every_operation_answers_with_awss_status(lambda_: Any, server: Server, name: str) -> None:
    """Reference, "Operations by tier": success statuses that surprise."""
    function = {"FunctionName": name}
    alias = {**function, "Name": "live"}
    made = lambda_.create_function(
        **function, Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": zipped({"app.py": SEEN})}
    )
    assert status(made) == 201
    lambda_.get_waiter("function_exists").wait(**function)
    lambda_.get_waiter("function_active").wait(**function)
    assert status(lambda_.get_function(**function)) == 200
    assert status(lambda_.get_function_configuration(**function)) == 200
    assert status(lambda_.update_function_configuration(**function, Timeout=5)) == 200
    lambda_.get_waiter("function_updated_v2").wait(**function)
    assert status(lambda_.update_function_code(**function, ZipFile=zipped({"app.py": SEEN, "b.py": ""}))) == 200
    assert status(lambda_.publish_version(**function)) == 201
    lambda_.get_waiter("published_version_active").wait(**function, Qualifier="1")
    assert status(lambda_.list_versions_by_function(**function)) == 200
    assert status(lambda_.create_alias(**alias, FunctionVersion="1")) == 201
    assert status(lambda_.update_alias(**alias, Description="x")) == 200
    assert status(lambda_.get_alias(**alias)) == 200
    assert status(lambda_.list_aliases(**function)) == 200
    assert status(lambda_.delete_alias(**alias)) == 204
    allowed = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    assert status(lambda_.add_permission(**function, **allowed)) == 201
    assert status(lambda_.get_policy(**function)) == 200
    assert status(lambda_.remove_permission(**function, StatementId="s")) == 204
    assert status(lambda_.put_function_concurrency(**function, ReservedConcurrentExecutions=1)) == 200
    assert status(lambda_.get_function_concurrency(**function)) == 200
    assert status(lambda_.delete_function_concurrency(**function)) == 204
    version = {**function, "Qualifier": "1"}
    assert status(lambda_.put_provisioned_concurrency_config(**version, ProvisionedConcurrentExecutions=1)) == 202
    assert status(lambda_.get_provisioned_concurrency_config(**version)) == 200
    assert status(lambda_.list_provisioned_concurrency_configs(**function)) == 200
    assert status(lambda_.delete_provisioned_concurrency_config(**version)) == 204
    assert status(lambda_.put_function_event_invoke_config(**function, MaximumRetryAttempts=1)) == 200
    assert status(lambda_.update_function_event_invoke_config(**function, MaximumEventAgeInSeconds=60)) == 200
    assert status(lambda_.get_function_event_invoke_config(**function)) == 200
    assert status(lambda_.list_function_event_invoke_configs(**function)) == 200
    assert status(lambda_.delete_function_event_invoke_config(**function)) == 204
    assert status(lambda_.tag_resource(Resource=arn(name), Tags={"a": "1"})) == 204
    assert lambda_.list_tags(Resource=arn(name))["Tags"] == {"a": "1"}
    assert status(lambda_.untag_resource(Resource=arn(name), TagKeys=["a"])) == 204
    assert status(lambda_.put_runtime_management_config(**function, UpdateRuntimeOn="Auto")) == 200
    assert status(lambda_.get_runtime_management_config(**function)) == 200
    assert status(lambda_.put_function_recursion_config(**function, RecursiveLoop="Allow")) == 200
    assert lambda_.get_function_recursion_config(**function)["RecursiveLoop"] == "Allow"
    assert status(lambda_.get_function_code_signing_config(**function)) == 200
    assert status(lambda_.get_account_settings()) == 200
    assert status(lambda_.delete_function(**function, Qualifier="1")) == 204
    deleted = post(server, f"/2015-03-31/functions/{name}", b"", "DELETE")
    assert (deleted.status_code, deleted.content) == (204, b"")


def test_errors_have_the_form_of_their_class(server: Server, name: str) -> None:
    """Reference 10.1: which classes say `Message` and which say `message`, and which have no `Type`."""
    make_function(server, name)
    functions = "/2015-03-31/functions"

    missing = post(server, f"{functions}/nobody", b"", "GET")
    assert (missing.status_code, missing.headers["x-amzn-ErrorType"]) == (404, "ResourceNotFoundException")
    assert missing.json() == {"Type": "User", "Message": f"Function not found: {arn('nobody')}"}
    assert UUID.fullmatch(missing.headers["x-amzn-RequestId"])
    assert missing.headers["Content-Type"] == "application/json"

    role = b'{"FunctionName":"x","Role":"r1","Handler":"h","Runtime":"python3.12","Code":{}}'
    invalid = post(server, functions, role)
    assert (invalid.status_code, invalid.headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert invalid.json() == {
        "message": "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must "
        r"satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
    }

    member = json.dumps({"FunctionVersion": "1", "Name": "live"}).encode()
    post(server, f"{functions}/{name}/versions")
    post(server, f"{functions}/{name}/aliases", member)
    taken = post(server, f"{functions}/{name}/aliases", member)
    assert (taken.status_code, taken.headers["x-amzn-ErrorType"]) == (409, "ResourceConflictException")
    assert taken.json() == {"Type": "User", "message": f"Alias already exists: {arn(name)}:live"}

    stale = post(server, f"{functions}/{name}/versions", b'{"RevisionId":"x"}')
    assert (stale.status_code, stale.headers["x-amzn-ErrorType"]) == (412, "PreconditionFailedException")
    assert stale.json().keys() == {"Type", "message"}

    foreign = post(server, f"{functions}/123456789012%3Afunction%3Ax", b"", "GET")
    assert (foreign.status_code, foreign.headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
    assert foreign.json() == {}


def test_f5_members_that_lambda_does_not_have_are_passed_over(server: Server, name: str) -> None:
    """A function's specification is a list of what may be said; nothing else of it is read or kept."""
    code = base64.b64encode(zipped({"app.py": SEEN})).decode()
    members = {"FunctionName": name, "Role": ROLE, "Runtime": "python3.12", "Handler": "app.handler"}
    more = {
        "Privileged": True,
        "User": "root",
        "Mounts": ["/"],
        "State": "Failed",
        "FunctionArn": "arn:x",
        "Version": "9",
    }

    made = post(server, "/2015-03-31/functions", json.dumps({**members, "Code": {"ZipFile": code}, **more}).encode())
    told = post(server, f"/2015-03-31/functions/{name}", b"", "GET").json()["Configuration"]

    assert made.status_code == 201
    assert not told.keys() & {"Privileged", "User", "Mounts"}
    assert (told["State"], told["FunctionArn"], told["Version"]) == ("Active", arn(name), "$LATEST")


def test_another_version_than_was_asked_for_is_warned_of(server: Server, name: str) -> None:
    """Design, "Functions": `ls` and the console say which interpreter runs a function instead."""
    make_function(server, name, Runtime="python3.15")
    make_function(server, f"exact-{name}"[:64], Runtime="python3.12")

    overview = post(server, "/_scopegate/api/overview", b"", "GET", service="scopegate").json()

    warnings = {function["name"]: function["warning"] for function in overview["functions"]}
    assert re.fullmatch(r"python3\.15 is not installed: its functions run with Python 3\.\d+\.\d+", warnings[name])
    assert warnings[f"exact-{name}"[:64]] == ""


@pytest.mark.parametrize("roles", [(), ("--workers", "1")], ids=["one-process", "roles"])
def test_a_runtime_that_is_missing_since_then_is_named(start_server: Callable[..., Server], roles: Any) -> None:
    """The operator has become strict, or has removed an interpreter: InvalidRuntimeException, 502."""
    before = start_server("serve", "--dev")
    make_function(before, "orders", Runtime="python3.15")
    before.stop()

    strict = start_server("serve", "--dev", "--strict-runtimes", *roles)

    code, http, message = refused(strict.aws("lambda").invoke, FunctionName="orders")
    assert (code, http) == ("InvalidRuntimeException", 502)
    assert message.startswith("python3.15 is not installed (found: ")
    assert "Traceback" not in (strict.data_dir / "server.log").read_text()


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_function_url_config", {"FunctionName": "x", "AuthType": "NONE"}),
        ("list_code_signing_configs", {}),
        ("list_event_source_mappings", {}),
        ("create_code_signing_config", {"AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:s:::x"]}}),
    ],
)
def test_what_is_not_built_names_its_operation(lambda_: Any, operation: str, members: dict[str, Any]) -> None:
    code, http, message = refused(getattr(lambda_, operation), **members)

    assert (code, http) == ("NotImplementedException", 501)
    assert "".join(word.title() for word in operation.split("_")) in message


# Invocations


@pytest.fixture(scope="module")
def seen(server: Server) -> str:
    """A function that answers what it was given; `STAGE` is `one` in version 1, `two` in version 2 and `$LATEST`."""
    lambda_ = server.aws("lambda")
    make_function(server, "seen", SEEN, Environment={"Variables": {"STAGE": "one"}}, Publish=True)
    lambda_.update_function_configuration(FunctionName="seen", Environment={"Variables": {"STAGE": "two"}})
    lambda_.publish_version(FunctionName="seen")
    lambda_.create_alias(FunctionName="seen", Name="live", FunctionVersion="1")
    return "seen"


@pytest.mark.parametrize(
    ("asked", "qualifier", "invoked", "version", "stage"),
    [
        ("seen", None, arn("seen"), "$LATEST", "two"),
        ("seen", "$LATEST", arn("seen") + ":$LATEST", "$LATEST", "two"),
        ("seen:1", None, arn("seen") + ":1", "1", "one"),
        ("seen", "2", arn("seen") + ":2", "2", "two"),
        (arn("seen") + ":live", None, arn("seen") + ":live", "1", "one"),
        (f"{ACCOUNT}:function:seen:live", "live", arn("seen") + ":live", "1", "one"),
    ],
)
def test_the_version_that_is_addressed_runs(
    lambda_: Any, seen: str, asked: str, qualifier: str | None, invoked: str, version: str, stage: str
) -> None:
    answer = invoke(lambda_, FunctionName=asked, **({"Qualifier": qualifier} if qualifier else {}))

    told = body(answer)
    assert (status(answer), answer["ExecutedVersion"], told["version"]) == (200, version, version)
    assert (told["arn"], told["stage"]) == (invoked, stage)
    assert told["id"] == answer["ResponseMetadata"]["RequestId"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", told["trace"])
    assert "FunctionError" not in answer


def test_the_answer_has_lambdas_headers(server: Server, seen: str) -> None:
    """Reference, "Request and answer"."""
    path = f"/2015-03-31/functions/{seen}/invocations"

    plain = post(server, path, b'{"n":1}')
    tail = post(server, path, b'{"n":1}', X_Amz_Log_Type="Tail")

    assert plain.headers["Content-Type"] == "application/json"
    assert plain.headers["X-Amz-Executed-Version"] == "$LATEST"
    assert not plain.headers.keys() & {"X-Amz-Function-Error", "X-Amz-Log-Result"}
    lines = base64.b64decode(tail.headers["X-Amz-Log-Result"]).decode().splitlines()
    request_id = tail.headers["x-amzn-RequestId"]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[-2] == f"END RequestId: {request_id}"
    assert lines[-1].startswith(f"REPORT RequestId: {request_id}\tDuration: ")


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"null", None),
        (b"3.5", 3.5),
        (b'"text"', "text"),
        (b"[1, 2]", [1, 2]),
        ('"é"'.encode(), "é"),
        (b" true ", True),
        (b"", {}),
    ],
)
def test_any_json_is_a_payload(server: Server, seen: str, sent: bytes, received: Any) -> None:
    answer = post(server, f"/2015-03-31/functions/{seen}/invocations", sent)

    assert answer.json()["event"] == received


BROKEN = "Could not parse request body into json: Could not parse payload into json: "
SOURCE = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {}, column: {}]"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b'"\x87"', f"Invalid UTF-8 start byte 0x87{SOURCE.format(1, 3)}"),
        (b'{\n  "\xff": 1}', f"Invalid UTF-8 start byte 0xff{SOURCE.format(2, 5)}"),
        (b"{'a': 1}", "Unexpected character: expected a valid value"),
        (b"hello", "Unexpected character: expected a valid value"),
        (b'{"a": NaN}', "Unexpected character: expected a valid value"),
    ],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_f7_what_is_no_json_never_reaches_the_function(
    server: Server, seen: str, sent: bytes, message: str, kind: str
) -> None:
    answer = post(server, f"/2015-03-31/functions/{seen}/invocations", sent, X_Amz_Invocation_Type=kind)

    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")
    assert answer.json()["message"].startswith(BROKEN + message)


@pytest.mark.parametrize(("kind", "most"), [("Event", 1_048_576), ("RequestResponse", 6_291_456)])
def test_f7_a_payload_has_a_largest_size(server: Server, seen: str, kind: str, most: int) -> None:
    """Reference, "Errors before the function runs"."""
    path = f"/2015-03-31/functions/{seen}/invocations"

    answer = post(server, path, b'"' + b"x" * (most - 1) + b'"', X_Amz_Invocation_Type=kind)

    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")
    assert answer.json() == {
        "message": f"{most + 1} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
    }


def test_a_function_that_fails_answers_200_and_says_so(lambda_: Any, server: Server, name: str) -> None:
    make_function(server, name, "def handler(event, context):\n    raise ValueError('bad thing')\n")

    answer = invoke(lambda_, FunctionName=name)

    assert (status(answer), answer["FunctionError"], answer["ExecutedVersion"]) == (200, "Unhandled", "$LATEST")
    told = body(answer)
    assert list(told) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (told["errorMessage"], told["errorType"]) == ("bad thing", "ValueError")


def test_nothing_returned_is_null(lambda_: Any, server: Server, name: str) -> None:
    make_function(server, name, "def handler(event, context):\n    pass\n")

    assert invoke(lambda_, FunctionName=name)["Payload"] == b"null"


def test_a_dry_run_asks_and_runs_nothing(lambda_: Any, server: Server, seen: str) -> None:
    dry = invoke(lambda_, FunctionName=seen, InvocationType="DryRun", Payload=b"not json")

    assert status(dry) == 204
    assert "ExecutedVersion" not in dry
    assert refused(lambda_.invoke, FunctionName="nobody", InvocationType="DryRun")[1] == 404


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_an_unknown_function_is_told_with_its_qualifier(lambda_: Any, seen: str, kind: str) -> None:
    """Recorded since 2025: `:$LATEST` even when nothing was asked for."""
    for asked, named in (("nobody", "nobody:$LATEST"), ("seen:99", "seen:99"), ("seen:nope", "seen:nope")):
        assert refused(lambda_.invoke, FunctionName=asked, InvocationType=kind) == (
            "ResourceNotFoundException",
            404,
            f"Function not found: {arn(named)}",
        )


def test_an_unknown_invocation_type_is_told_the_known_ones(server: Server, seen: str) -> None:
    answer = post(server, f"/2015-03-31/functions/{seen}/invocations", X_Amz_Invocation_Type="Later")

    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert "Value 'Later' at 'invocationType' failed to satisfy constraint" in answer.json()["message"]


def test_a_client_context_reaches_the_function(lambda_: Any, server: Server, seen: str) -> None:
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()

    assert body(invoke(lambda_, FunctionName=seen, ClientContext=context))["client"] == {"a": "b"}
    for broken in ("%%%", base64.b64encode(b"{").decode(), base64.b64encode(b'"' + b"x" * 2700 + b'"').decode()):
        assert refused(lambda_.invoke, FunctionName=seen, ClientContext=broken)[:2] == (
            "InvalidRequestContentException",
            400,
        )


def test_weights_of_an_alias_share_its_invocations(lambda_: Any, seen: str) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.5}}
    lambda_.create_alias(FunctionName=seen, Name="canary", FunctionVersion="1", RoutingConfig=routing)

    versions = {invoke(lambda_, FunctionName=f"{seen}:canary")["ExecutedVersion"] for _ in range(40)}
    lambda_.update_alias(FunctionName=seen, Name="canary", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    moved = {invoke(lambda_, FunctionName=f"{seen}:canary")["ExecutedVersion"] for _ in range(5)}

    assert versions == {"1", "2"}
    assert moved == {"2"}


def test_new_code_and_new_variables_run_at_once(lambda_: Any, server: Server, name: str) -> None:
    make_function(server, name, SEEN, Environment={"Variables": {"STAGE": "old"}})
    told = [body(invoke(lambda_, FunctionName=name))["stage"]]

    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"STAGE": "new"}})
    told.append(body(invoke(lambda_, FunctionName=name))["stage"])
    lambda_.update_function_code(
        FunctionName=name, ZipFile=zipped({"app.py": "def handler(event, context):\n    return 'newest'\n"})
    )
    told.append(body(invoke(lambda_, FunctionName=name)))

    assert told == ["old", "new", "newest"]


def test_reserved_concurrency_binds_a_function_that_runs_already(lambda_: Any, server: Server, name: str) -> None:
    """Reference, "Errors before the function runs": 0 refuses always; a larger number, whoever comes beyond it."""
    make_function(server, name, "import time\ndef handler(event, context):\n    time.sleep(event)\n")
    function = {"FunctionName": name}
    assert status(invoke(lambda_, **function, Payload=b"0")) == 200

    lambda_.put_function_concurrency(**function, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        invoke(lambda_, **function, Payload=b"0")
    refusal = caught.value.response
    assert (refusal["Error"]["Code"], status(refusal)) == ("TooManyRequestsException", 429)
    assert refusal["Error"]["Message"] == "Rate Exceeded."
    assert refusal["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refusal["Type"] == "User"

    lambda_.put_function_concurrency(**function, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(invoke, lambda_, **function, Payload=b"1") for _ in range(3)]
        errors = [call.exception() for call in calls]
    assert [error for error in errors if error is None] == [None]
    assert {error.response["Error"]["Code"] for error in errors if isinstance(error, ClientError)} == {
        "TooManyRequestsException"
    }

    lambda_.delete_function_concurrency(**function)
    with ThreadPoolExecutor(3) as threads:
        assert [status(each) for each in threads.map(lambda _: invoke(lambda_, **function, Payload=b"0"), "abc")] == [
            200,
            200,
            200,
        ]


def test_an_answer_as_a_stream_of_events(lambda_: Any, server: Server, seen: str, name: str) -> None:
    """Reference, "InvokeWithResponseStream"."""
    make_function(server, name, "def handler(event, context):\n    raise ValueError('bad thing')\n")

    good = lambda_.invoke_with_response_stream(FunctionName=seen, Payload=b'{"n": 1}', LogType="Tail")
    bad = lambda_.invoke_with_response_stream(FunctionName=name)

    assert (good["StatusCode"], good["ExecutedVersion"]) == (200, "$LATEST")
    with contextlib.closing(good["EventStream"]) as stream:
        chunk, end = stream
    assert json.loads(chunk["PayloadChunk"]["Payload"])["event"] == {"n": 1}
    assert base64.b64decode(end["InvokeComplete"]["LogResult"]).startswith(b"START RequestId: ")
    with contextlib.closing(bad["EventStream"]) as stream:
        (end,) = stream
    assert end["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(end["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "bad thing"


# Packages


def test_the_package_can_be_fetched_for_ten_minutes(start_server: Callable[..., Server]) -> None:
    """Reference, "Code packages": as the bytes that were uploaded, of the version that was asked for."""
    server = start_server("serve", "--dev")
    lambda_ = server.aws("lambda")
    first, second = zipped({"app.py": SEEN}), zipped({"app.py": SEEN, "more.py": ""})
    make_function(server, "orders", Code={"ZipFile": first}, Publish=True)
    lambda_.update_function_code(FunctionName="orders", ZipFile=second)

    of_version = lambda_.get_function(FunctionName="orders:1")["Code"]["Location"]
    of_latest = lambda_.get_function(FunctionName="orders")["Code"]["Location"]

    answer = requests.get(of_version, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "application/zip", first)
    latest = requests.get(of_latest, timeout=10).content
    assert zipfile.ZipFile(io.BytesIO(latest)).namelist() == ["app.py", "more.py"]

    start, _, ticket = of_latest.rpartition("/")
    changed = ticket[:20] + ("A" if ticket[20] != "A" else "B") + ticket[21:]
    for forged in (
        changed,
        ticket[:-4],
        "",
        "x",
        "é",
        lambda_.get_function(FunctionName="orders")["Code"]["Location"][:9],
    ):
        assert requests.get(f"{start}/{forged}", timeout=10).status_code in (403, 404)
    server.turn_clock(599)
    assert requests.get(of_latest, timeout=10).status_code == 200
    server.turn_clock(2)
    late = requests.get(of_latest, timeout=10)
    assert (late.status_code, late.json()) == (403, {"message": "Request has expired"})


# Many at once


def test_of_two_updates_from_one_revision_one_wins(lambda_: Any, server: Server, name: str) -> None:
    make_function(server, name)
    revision = lambda_.get_function_configuration(FunctionName=name)["RevisionId"]

    def update(timeout: int) -> str:
        try:
            lambda_.update_function_configuration(FunctionName=name, Timeout=timeout, RevisionId=revision)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return f"won {timeout}"

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(update, range(10, 18)))

    winners = [result for result in results if result.startswith("won")]
    assert len(winners) == 1
    assert results.count("PreconditionFailedException") == 7
    assert winners == [f"won {lambda_.get_function_configuration(FunctionName=name)['Timeout']}"]


def test_of_many_creates_of_one_name_one_wins(lambda_: Any, server: Server, name: str) -> None:
    def create(number: int) -> str:
        try:
            make_function(server, name, f"def handler(event, context):\n    return 'won {number}'\n")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return f"won {number}"

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(create, range(6)))

    assert results.count("ResourceConflictException") == 5
    assert body(invoke(lambda_, FunctionName=name)) in results


def test_versions_published_at_once_are_one_when_nothing_changed(lambda_: Any, server: Server, name: str) -> None:
    make_function(server, name)

    with ThreadPoolExecutor(6) as threads:
        versions = {
            each["Version"] for each in threads.map(lambda _: lambda_.publish_version(FunctionName=name), "abcdef")
        }

    assert versions == {"1"}


# A function's session


ASK = """
import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    client = boto3.client(event["service"])
    try:
        answer = getattr(client, event["operation"])(**event.get("members", {}))
    except ClientError as error:
        return {"refused": error.response["Error"]["Code"], "why": error.response["Error"]["Message"]}
    answer.pop("ResponseMetadata")
    if "Payload" in answer:
        answer["Payload"] = answer["Payload"].read().decode()
    return {"answer": answer}
"""


@pytest.fixture(scope="module")
def asker(server: Server) -> str:
    role = make_role(server, "asker", {"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": "*"})
    make_function(server, "asker", ASK, Timeout=30, Role=role)
    return "asker"


def ask(server: Server, service: str, operation: str, **members: Any) -> Any:
    """What boto3 inside the function is answered."""
    event = {"service": service, "operation": operation, "members": members}
    answer = invoke(server.aws("lambda"), FunctionName="asker", Payload=json.dumps(event).encode())
    told = body(answer)
    assert "FunctionError" not in answer, told
    return told


def test_a_function_is_its_role(server: Server, asker: str) -> None:
    """Reference, "Variables": the session is named as the function."""
    told = ask(server, "sts", "get_caller_identity")["answer"]

    assert told["Account"] == ACCOUNT
    assert told["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/asker/{asker}"
    assert re.fullmatch(rf"AROA[A-Z0-9]{{17}}:{asker}", told["UserId"])


def test_a_function_invokes_functions_of_its_account(server: Server, asker: str, seen: str) -> None:
    told = ask(server, "lambda", "invoke", FunctionName=f"{seen}:1", Payload='{"from": "inside"}')["answer"]

    assert told["ExecutedVersion"] == "1"
    assert json.loads(told["Payload"])["event"] == {"from": "inside"}


def test_u5_a_function_does_not_reach_another_account(server: Server, asker: str) -> None:
    """The session cannot be turned into another account's, whatever ARN it names."""
    other = server.aws("lambda", key="123456789012")
    other.create_function(
        FunctionName="secret",
        Runtime="python3.12",
        Role="arn:aws:iam::123456789012:role/r",
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": SEEN})},
    )
    theirs = f"arn:aws:lambda:{REGION}:123456789012:function:secret"

    assert ask(server, "lambda", "invoke", FunctionName=theirs)["refused"] == "AccessDeniedException"
    assert ask(server, "lambda", "invoke", FunctionName="secret")["refused"] == "ResourceNotFoundException"
    with pytest.raises(ClientError, match=r"Cross-account pass role is not allowed\."):
        make_function(server, "thief", Role="arn:aws:iam::123456789012:role/r")


def test_a_function_calls_the_unsigned_operations_of_user_pools(server: Server, asker: str) -> None:
    """They need no signature, and take one that is there for nothing."""
    told = ask(server, "cognito-idp", "get_client_token", ClientId="a" * 26, Secret="b" * 40)

    assert told["refused"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("service", "operation", "members", "action", "resource"),
    [
        ("lambda", "get_function", {"FunctionName": "asker"}, "lambda:GetFunction", arn("asker")),
        ("lambda", "list_functions", {}, "lambda:ListFunctions", "*"),
        (
            "lambda",
            "update_function_configuration",
            {"FunctionName": "asker", "Role": ROLE},
            "lambda:UpdateFunctionConfiguration",
            arn("asker"),
        ),
        ("iam", "list_roles", {}, "iam:ListRoles", f"arn:aws:iam::{ACCOUNT}:role/"),
        ("cognito-idp", "list_user_pools", {"MaxResults": 1}, "cognito-idp:ListUserPools", "*"),
        ("apigateway", "get_rest_apis", {}, "apigateway:GET", f"arn:aws:apigateway:{REGION}::/restapis"),
    ],
)
def test_u5_a_function_may_not_do_the_rest(
    server: Server, asker: str, service: str, operation: str, members: dict[str, Any], action: str, resource: str
) -> None:
    """In development mode too, where any other key would do."""
    told = ask(server, service, operation, **members)

    assert told["refused"] in ("AccessDeniedException", "AccessDenied")
    assert told["why"] == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/asker/asker is not authorized to perform: {action} "
        f"on resource: {resource} because no identity-based policy allows the {action} action"
    )
