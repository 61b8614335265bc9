"""Custom resources: what their functions are told, what becomes of their answers, and of none.

Source: reference, lambda page, "Custom resource contract"; CloudFormation user guide, "Custom resources".
"""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from scopegate.base.errors import SetupError
from scopegate.cli.client import Client
from tests.rooms.stacks.driver import NOTHING, ROLE, Stack
from tests.server import Server

# Notes each request in the function's own log, then answers by hand, as the properties ask for it.
CODE = """
import json, urllib.request

def handler(event, context):
    print("ASKED " + json.dumps(event))
    said = event["ResourceProperties"]
    mode = said.get(event["RequestType"], said.get("Mode", "good"))
    if mode == "silent":
        return
    if mode == "broken":
        raise ValueError("out of order")
    if mode == "slow":
        import time
        time.sleep(20)
    answer = {
        "Status": "FAILED" if mode == "bad" else "SUCCESS",
        "Reason": "no room" if mode == "bad" else "",
        "PhysicalResourceId": said.get("Id", "thing-1"),
        "Data": {"Colour": said.get("Colour", "blue"), "Size": {"Width": 3, "Odd": True}},
        "NoEcho": mode == "secret",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **({"RequestId": "another"} if mode == "foreign" else {}),
    }
    changed = json.loads(said.get("Answer", "{}")) if event["RequestType"] == "Create" else {}
    answer = {name: value for name, value in {**answer, **changed}.items() if value != "absent"}
    body = json.dumps(answer).encode()
    if "Raw" in said and event["RequestType"] == "Create":
        body = said["Raw"].encode() * int(said["Times"])
    if mode == "long":
        body = b" " * 5000 + body
    request = urllib.request.Request(event["ResponseURL"], body, method="PUT", headers={"Content-Type": ""})
    print("ACCEPTED", urllib.request.urlopen(request).status)
    if mode == "broken after":
        raise ValueError("too late")
"""


def template(properties: str, more: str = "", outputs: str = "") -> str:
    code = "".join(f"          {line}\n" for line in CODE.strip().splitlines())
    return f"""
Resources:
{ROLE}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Timeout: 30
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
{code}
  Thing:
    Type: Custom::Thing
    Properties:
      ServiceToken: !GetAtt Worker.Arn
      {properties}
{more}
Outputs:
  Worker: {{Value: !Ref Worker}}
  Thing: {{Value: !Ref Thing}}
  Colour: {{Value: !GetAtt Thing.Colour}}
{outputs}
"""


def asked(stack: Stack, count: int) -> list[dict[str, Any]]:
    """The requests that the function of this stack has had, from its log, once there are so many."""
    (name,) = stack.everything()["functions"]
    deadline = time.monotonic() + 10
    while True:
        lines = Client(stack.server.url).own("GET", f"logs?function={name}&lines=500")["lines"]
        found = [json.loads(line.partition("ASKED ")[2]) for line in lines if "ASKED " in line]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_a_function_makes_changes_and_deletes_the_resource(stack: Stack) -> None:
    made = stack.deploy(
        template("Colour: green\n      Count: 3\n      On: true\n      Nested: {List: [1, 2.5, false]}"),
    )

    assert (made["Thing"], made["Colour"]) == ("thing-1", "green")
    (create,) = asked(stack, 1)
    assert create["RequestType"] == "Create"
    assert create["ResourceType"] == "Custom::Thing"
    assert create["LogicalResourceId"] == "Thing"
    assert create["ServiceToken"].endswith(made["Worker"])
    assert re.fullmatch(rf"arn:aws:cloudformation:us-east-1:000000000000:stack/{stack.name}/.+", create["StackId"])
    assert create["ResourceProperties"] == {
        "ServiceToken": create["ServiceToken"],
        "Colour": "green",
        "Count": "3",
        "On": "true",
        "Nested": {"List": ["1", "2.5", "false"]},
    }
    assert "PhysicalResourceId" not in create

    again = stack.deploy(template("Colour: red"))
    assert stack.changed() == {"Thing": "Update"}
    assert again["Colour"] == "red"
    update = asked(stack, 2)[-1]
    assert (update["RequestType"], update["PhysicalResourceId"]) == ("Update", "thing-1")
    assert (update["ResourceProperties"]["Colour"], update["OldResourceProperties"]["Colour"]) == ("red", "green")
    assert update["RequestId"] != create["RequestId"]
    assert update["StackId"] == create["StackId"]

    stack.deploy(template("Colour: red"))
    assert stack.changed() == {}
    assert len(asked(stack, 2)) == 2

    stack.delete()
    assert stack.everything() == NOTHING
    assert stack.done()["Thing"] == "Delete"


def test_members_of_the_answer_are_attributes(stack: Stack) -> None:
    nested = "  Width: {Value: !GetAtt Thing.Size.Width}\n  Odd: {Value: !Sub 'is ${Thing.Size.Odd}'}"

    given = stack.deploy(template("Colour: green", outputs=nested))

    assert (given["Width"], given["Odd"]) == ("3", "is true")
    assert "Thing has no attribute Weight" in stack.refused(
        template("Colour: green", outputs="  Weight: {Value: !GetAtt Thing.Weight}")
    ).replace("Custom::Thing ", "")
    stack.delete()


def test_another_physical_id_is_another_resource_and_the_old_one_is_deleted(stack: Stack) -> None:
    stack.deploy(template("Id: first"))

    made = stack.deploy(template("Id: second"))

    assert made["Thing"] == "second"
    assert [(each["RequestType"], each.get("PhysicalResourceId")) for each in asked(stack, 3)] == [
        ("Create", None),
        ("Update", "first"),
        ("Delete", "first"),
    ]
    stack.delete()


def test_a_replacement_is_deleted_again_when_the_deployment_fails(stack: Stack) -> None:
    stack.deploy(template("Id: first"))
    broken = "  Last: {Type: AWS::Cognito::UserPool, DependsOn: Thing, Properties: {MfaConfiguration: MAYBE}}"

    stack.refused(template("Id: second", broken))

    assert [(each["RequestType"], each.get("PhysicalResourceId")) for each in asked(stack, 3)][1:] == [
        ("Update", "first"),
        ("Delete", "second"),
    ]
    assert stack.deploy(template("Id: first"))["Thing"] == "first"
    assert stack.changed() == {}
    stack.delete()


def test_a_change_is_taken_back_by_another_change(stack: Stack) -> None:
    stack.deploy(template("Colour: green"))
    broken = "  Last: {Type: AWS::Cognito::UserPool, DependsOn: Thing, Properties: {MfaConfiguration: MAYBE}}"

    stack.refused(template("Colour: red", broken))

    last = asked(stack, 3)[-1]
    assert (last["RequestType"], last["ResourceProperties"]["Colour"]) == ("Update", "green")
    assert last["OldResourceProperties"]["Colour"] == "red"
    stack.delete()


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("bad", "Received response status [FAILED] from custom resource. Message returned: no room"),
        ("silent", "ended and sent no answer to ResponseURL"),
        ("broken", "failed (ValueError: out of order) and sent no answer to ResponseURL"),
        ("foreign", "Invalid Response object: RequestId is not that of the request"),
        ("long", "Response object is too long"),
        ("slow", "did not receive a response from your Custom Resource within 1 seconds"),
    ],
)
def test_what_is_no_success_fails_the_deployment_and_says_why(stack: Stack, mode: str, why: str) -> None:
    """A Delete follows, as on AWS: the function may have made something before it failed."""
    properties = f"Create: {mode}\n      ServiceTimeout: {1 if mode == 'slow' else 20}"

    refusal = stack.refused(template(properties))

    assert why in refusal
    assert refusal.startswith("template.yaml:")
    assert "Thing (Custom::Thing)" in refusal
    assert {event["logicalId"]: event["action"] for event in stack.events if "state" in event}["Thing"] == "Undo"
    assert stack.everything() == NOTHING


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ("Raw: '{', Times: 1", "it must be a JSON object with Status"),
        ("Raw: '[1]', Times: 1", "it must be a JSON object with Status"),
        ("Raw: '[', Times: 4000", "it must be a JSON object with Status"),
        ('Raw: "\\xff", Times: 1', "it must be a JSON object with Status"),
        ("""Answer: '{"Status": "absent"}'""", "it must be a JSON object with Status"),
        ("""Answer: '{"Status": "success"}'""", "Status must be SUCCESS or FAILED"),
        ("""Answer: '{"StackId": 5}'""", "StackId is not that of the request"),
        ("""Answer: '{"PhysicalResourceId": 5}'""", "Invalid PhysicalResourceId"),
        ("""Answer: '{"PhysicalResourceId": ""}'""", "Invalid PhysicalResourceId"),
        ("""Answer: '{"PhysicalResourceId": "absent"}'""", "Invalid PhysicalResourceId"),
        (f"""Answer: '{{"PhysicalResourceId": "{"x" * 1025}"}}'""", "Invalid PhysicalResourceId"),
        ("""Answer: '{"Data": [1]}'""", "Data must be an object"),
        (
            """Answer: '{"Status": "FAILED", "Reason": {"a": 1}, "PhysicalResourceId": "absent"}'""",
            "Message returned: ",
        ),
    ],
)
def test_an_answer_that_is_none_fails_the_deployment_with_its_fault(stack: Stack, properties: str, why: str) -> None:
    refusal = stack.refused(template(properties.replace(", Times", "\n      Times")))

    assert why in refusal
    assert "this server failed" not in refusal
    assert stack.everything() == NOTHING


def test_an_answer_counts_though_the_function_fails_after_it(stack: Stack) -> None:
    assert stack.deploy(template("Create: broken after"))["Thing"] == "thing-1"
    stack.delete()


def test_what_a_function_refuses_to_delete_is_told_and_goes_once_the_function_is_gone(stack: Stack) -> None:
    stack.deploy(template("Delete: bad"))

    with pytest.raises(SetupError, match=r"Thing: .*Message returned: no room"):
        stack.delete()
    assert stack.everything() == NOTHING
    stack.delete()


def test_what_is_not_to_be_shown_is_masked_in_outputs_and_whole_where_it_is_used(stack: Stack) -> None:
    copy = "  Copy: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Thing.Colour}}"

    given = stack.deploy(template("Colour: hushhush\n      Mode: secret", copy, "  Len: {Value: !GetAtt Copy.Value}"))

    assert given["Colour"] == "*****"
    assert "hushhush" not in json.dumps(stack.events)
    stack.delete()


def test_a_service_token_is_the_arn_of_a_function(stack: Stack) -> None:
    text = "Resources:\n  Thing:\n    Type: Custom::Thing\n    Properties: {ServiceToken: arn:aws:sns:us-east-1:1:t}\n"

    assert "ServiceToken must be the ARN of a function" in stack.refused(text)
    assert "Custom::Thing needs the property ServiceToken" in stack.refused(
        text.replace("{ServiceToken: arn:aws:sns:us-east-1:1:t}", "{A: 1}")
    )


def test_a_dry_run_asks_nobody_anything(stack: Stack) -> None:
    dependent = "  Copy: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Thing.Colour}}"
    body = {"template": template("A: 1", dependent), "file": "template.yaml", "parameters": {}}

    planned = Client(stack.server.url).own("POST", f"plans/{stack.name}", json.dumps(body).encode())

    steps = {step["logicalId"]: step["action"] for step in planned["steps"]}
    assert steps == {"Role": "Create", "Worker": "Create", "Thing": "Create", "Copy": "Create"}
    assert stack.everything() == NOTHING


def test_cloudformations_own_name_for_them_is_told_as_it_is_written(stack: Stack) -> None:
    kind = 'AWS::CloudFormation::CustomResource\n    Version: "1.0"'
    stack.deploy(template("A: 1").replace("Custom::Thing", kind))

    assert asked(stack, 1)[0]["ResourceType"] == "AWS::CloudFormation::CustomResource"
    stack.delete()


def test_an_answer_is_taken_once_and_only_where_one_is_awaited(stack: Stack) -> None:
    """The URL is a right: it cannot be guessed, and is over when it was used."""
    stack.deploy(template("A: 1"))
    used = asked(stack, 1)[0]["ResponseURL"]
    assert re.fullmatch(rf"http://127\.0\.0\.1:{stack.server.port}/_scopegate/responses\?ticket=[0-9a-f]{{64}}", used)

    again = requests.put(used, json={"Status": "SUCCESS"}, timeout=10)
    guessed = requests.put(used[:-1] + ("0" if used[-1] != "0" else "1"), json={}, timeout=10)
    none = requests.put(used.partition("?")[0], json={}, timeout=10)

    assert [answer.status_code for answer in (again, guessed, none)] == [403, 403, 403]
    assert requests.get(used, timeout=10).status_code == 403
    assert requests.put(used, b"x" * 100_000, timeout=10).status_code == 413
    stack.delete()


def test_u3_a_resource_whose_making_was_killed_is_deleted_and_made_again(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Attack U3: the function may have made something; the next deployment asks it to delete that first.

    What a function wrote is forgotten with its server.
    """
    stack = Stack(start_server("serve", "--dev", data_dir=tmp_path / "data"), tmp_path / "app", "killed")
    stack.deploy(template("Colour: green"))
    body = json.dumps({"template": template("Colour: red\n      Mode: slow"), "file": "template.yaml"}).encode()
    for event in Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body):
        if (event.get("logicalId"), event.get("state")) == ("Thing", "started"):
            assert len(asked(stack, 2)) == 2
            stack.server.kill()
            break
    stack.server = start_server("serve", "--dev", data_dir=tmp_path / "data")

    made = stack.deploy(template("Colour: yellow"))

    assert (made["Thing"], made["Colour"]) == ("thing-1", "yellow")
    told = [(each["RequestType"], each["ResourceProperties"]["Colour"]) for each in asked(stack, 2)]
    assert told == [("Update", "green"), ("Update", "yellow")]

    body = json.dumps({"template": with_another("slow"), "file": "template.yaml"}).encode()
    for event in Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body):
        if (event.get("logicalId"), event.get("state")) == ("Another", "started"):
            assert len(asked(stack, 3)) == 3
            stack.server.kill()
            break
    stack.server = start_server("serve", "--dev", data_dir=tmp_path / "data")
    stack.deploy(with_another("good"))

    deleted, made_again = asked(stack, 2)
    assert [each["RequestType"] for each in (deleted, made_again)] == ["Delete", "Create"]
    assert deleted["PhysicalResourceId"].startswith("killed-Another-")
    stack.delete()
    assert stack.everything() == NOTHING
    stack.server.stop()


def test_an_answer_finds_its_deployment_among_several_processes(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server("serve", "--dev", "--workers", "2", data_dir=tmp_path / "data")
    stack = Stack(server, tmp_path / "app", "several")

    assert stack.deploy(template("Colour: green"))["Colour"] == "green"
    assert stack.deploy(template("Colour: red"))["Colour"] == "red"

    stack.delete()
    assert stack.everything() == NOTHING
    server.stop()


def with_another(mode: str) -> str:
    another = "  Another: {Type: Custom::Other, Properties: {ServiceToken: !GetAtt Worker.Arn, Create: MODE, Id: two}}"
    return template("Colour: yellow", another.replace("MODE", mode))


PYTHON = """
import cfnresponse
def handler(event, context):
    data = {"Said": event["ResourceProperties"]["Say"]}
    bad = event["ResourceProperties"].get("Fail") == event["RequestType"]
    cfnresponse.send(event, context, cfnresponse.FAILED if bad else cfnresponse.SUCCESS, data, "given-id")
"""
COMMON_JS = """
const response = require('cfn-response');
exports.handler = function (event, context) {
  const bad = event.ResourceProperties.Fail === event.RequestType;
  const data = {Said: event.ResourceProperties.Say};
  response.send(event, context, bad ? response.FAILED : response.SUCCESS, data, "given-id");
};
"""
MODULE_JS = """
import response from "cfn-response";
export const handler = async (event, context) => {
  const bad = event.ResourceProperties.Fail === event.RequestType;
  await response.send(event, context, bad ? "FAILED" : "SUCCESS", {Said: event.ResourceProperties.Say}, "given-id");
};
"""
INLINE = pytest.mark.parametrize(
    ("runtime", "code"),
    [("python3.12", PYTHON), ("python3.8", PYTHON), ("nodejs22.x", COMMON_JS), ("nodejs22.x", MODULE_JS)],
    ids=["Python", "old Python", "CommonJS", "ES module"],
)


def inline(runtime: str, code: str, properties: str) -> str:
    lines = "".join(f"          {line}\n" for line in code.strip().splitlines())
    return f"""
Resources:
{ROLE}
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: {runtime}
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
{lines}
  Thing:
    Type: Custom::Thing
    Properties: {{ServiceToken: !GetAtt Worker.Arn, Say: hello, {properties}}}
Outputs:
  Thing: {{Value: !Ref Thing}}
  Said: {{Value: !GetAtt Thing.Said}}
"""


@INLINE
def test_inline_code_answers_by_the_module_that_aws_gives_it(stack: Stack, runtime: str, code: str) -> None:
    """Reference, lambda page, "`Code.ZipFile` inline"."""
    made = stack.deploy(inline(runtime, code, "Fail: never"))

    assert made == {"Thing": "given-id", "Said": "hello"}
    stack.delete()
    assert stack.everything() == NOTHING


@INLINE
def test_inline_code_says_that_it_failed(stack: Stack, runtime: str, code: str) -> None:
    refusal = stack.refused(inline(runtime, code, "Fail: Create"))

    assert "Message returned: See the details in CloudWatch Log Stream: 2" in refusal
    assert stack.everything() == NOTHING


# As they are found in templates: each speaks TLS, to the port of TLS or to that of the URL, whatever the URL says.
SECURE_PYTHON = """
import http.client, json
from urllib.parse import urlsplit
def handler(event, context):
    bad = event["ResourceProperties"].get("Fail") == event["RequestType"]
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer.update({"Status": "FAILED" if bad else "SUCCESS", "Reason": "r", "PhysicalResourceId": "given-id",
                   "Data": {"Said": event["ResourceProperties"]["Say"]}})
    url = urlsplit(event["ResponseURL"])
    connection = http.client.HTTPSConnection(url.netloc)
    connection.request("PUT", url.path + "?" + url.query, json.dumps(answer), {"content-type": ""})
    connection.getresponse()
"""
SECURE_NODE = """
exports.handler = function (event, context) {
  const https = require("https"), url = require("url");
  const body = JSON.stringify({Status: "SUCCESS", Reason: "r", PhysicalResourceId: "given-id", StackId: event.StackId,
    RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: {Said: event.ResourceProperties.Say}});
  const parsed = url.parse(event.ResponseURL);
  const options = {hostname: parsed.hostname, port: 443, path: parsed.path, method: "PUT",
    headers: {"content-type": "", "content-length": body.length}};
  const request = https.request(options, (response) => context.done());
  request.on("error", (error) => context.done(error));
  request.write(body);
  request.end();
};
"""
SECURE_MODULE = """
import { request } from "https";
export const handler = (event) => new Promise((resolve, reject) => {
  const parsed = new URL(event.ResponseURL);
  const body = JSON.stringify({Status: "SUCCESS", Reason: "r", PhysicalResourceId: "given-id", StackId: event.StackId,
    RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: {Said: event.ResourceProperties.Say}});
  const options = {hostname: parsed.hostname, path: parsed.pathname + parsed.search, method: "PUT"};
  const sent = request(options, (response) => { response.resume(); response.on("end", resolve); });
  sent.on("error", reject);
  sent.end(body);
});
"""


@pytest.mark.parametrize(
    ("runtime", "code"),
    [("python3.12", SECURE_PYTHON), ("nodejs22.x", SECURE_NODE), ("nodejs22.x", SECURE_MODULE)],
    ids=["Python", "CommonJS", "ES module"],
)
def test_code_that_answers_by_tls_whatever_its_url_says_is_heard(stack: Stack, runtime: str, code: str) -> None:
    made = stack.deploy(inline(runtime, code, "Fail: never"))

    assert made == {"Thing": "given-id", "Said": "hello"}
    stack.delete()
    assert stack.everything() == NOTHING


REACH = """
import http.client, ssl
def handler(event, context):
    try:
        http.client.HTTPSConnection("localhost", PORT, timeout=5).request("GET", "/")
    except ssl.SSLError as error:
        return "spoke TLS"
    return "spoke plain"
"""


def test_only_what_goes_to_the_place_of_answers_is_plain(stack: Stack) -> None:
    """Whoever may send an event must not take TLS from a function."""
    code = REACH.replace("PORT", str(stack.server.port))
    text = inline("python3.12", code, "Fail: never")
    made = stack.deploy(text[: text.index("  Thing:")] + "Outputs: {Worker: {Value: !Ref Worker}}\n")
    lambda_ = stack.server.aws("lambda")

    for url in (
        f"http://127.0.0.1:{stack.server.port}/_scopegate/responses?ticket=0",
        f"http://localhost:{stack.server.port}/_scopegate/responses?ticket=0",
        "http://example.com/",
    ):
        payload = json.dumps({"ResponseURL": url}).encode()
        assert json.load(lambda_.invoke(FunctionName=made["Worker"], Payload=payload)["Payload"]) == "spoke TLS"
    stack.delete()
