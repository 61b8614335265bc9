"""Attacks by way of templates, deployments and what they keep: rows F6, G14, H5, U3, U4 and U5."""

import json
import sqlite3
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from scopegate.aws.client import Credentials, sign_headers
from scopegate.cli.client import Client
from tests.rooms.stacks.driver import FUNCTION, NOTHING, POOL, ROLE, Stack
from tests.server import REGION, Server

EMPTY = json.dumps({"template": "Resources: {Pool: {Type: AWS::Cognito::UserPool}}", "file": "t.yaml"}).encode()


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Stack:
    return Stack(server, tmp_path / "app")


# Who may deploy


def test_u4_a_web_page_cannot_deploy(server: Server) -> None:
    """A signed request with an Origin, and the simple one that a page can send without asking first."""
    target = "/_scopegate/api/stacks/page"
    signed = sign_headers(
        "scopegate",
        REGION,
        Credentials("test", "test"),
        "POST",
        target,
        server.url.removeprefix("http://"),
        {},
        EMPTY,
        now=time.time(),
    )
    for headers in (
        {**signed, "Origin": "https://evil.example"},
        {**signed, "Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain", "Origin": "https://evil.example"},
        {"Content-Type": "text/plain"},
    ):
        answer = server.http("POST", target, headers=headers, data=EMPTY)
        assert answer.status_code == 403, headers
    assert "page" not in [each["name"] for each in Client(server.url).own("GET", "stacks")["stacks"]]


DEPLOYER = """
import json, os, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

def handler(event, context):
    url = os.environ["AWS_ENDPOINT_URL"] + "/_scopegate/api/stacks/mine"
    request = AWSRequest("POST", url, data=json.dumps(event).encode())
    SigV4Auth(Session().get_credentials(), "scopegate", os.environ["AWS_REGION"]).add_auth(request)
    try:
        call = urllib.request.Request(url, request.data, dict(request.headers.items()))
        return urllib.request.urlopen(call).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
"""


def test_u5_a_function_cannot_deploy_with_its_session(stack: Stack) -> None:
    text = f"Resources:{ROLE}{FUNCTION}\nOutputs:\n  Function: {{Value: !Ref Function}}\n"
    code = textwrap.indent(DEPLOYER, " " * 10)
    start, end = text.index("          import json"), text.index("  Permission:")
    made = stack.deploy(
        (text[:start] + code + text[end:]).replace("Handler: index", "Timeout: 30\n      Handler: index")
    )

    answer = stack.server.aws("lambda").invoke(FunctionName=made["Function"], Payload=EMPTY)["Payload"].read()

    assert json.loads(answer).startswith("403 "), answer
    assert "mine" not in [each["name"] for each in Client(stack.server.url).own("GET", "stacks")["stacks"]]
    stack.delete()


# What a template can be


def nested(depth: int) -> str:
    return "Resources: {Pool: {Type: AWS::Cognito::UserPool, Metadata: " + "[" * depth + "]" * depth + "}}"


BOMB = "Metadata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB + "Resources: {Pool: {Type: AWS::Cognito::UserPool}}",
        nested(100_000),
        "Resources: {Pool: {Type: AWS::Cognito::UserPool, Metadata: !!python/object/apply:os.system [id]}}",
        "Resources: &r {Pool: {Type: AWS::Cognito::UserPool, Metadata: *r}}",
        "Resources: {Pool: {Type: AWS::Cognito::UserPool, ? [a] : b}}",
        "Resources: " + "!Sub " * 5000 + "x",
        "\x00",
        "Parameters: {P: {Type: String, Default: " + "a" * 40 + "!, AllowedPattern: '(a+)+'}}\n"
        "Resources: {Pool: {Type: AWS::Cognito::UserPool}}",
    ],
    ids=["alias bomb", "depth", "python tag", "recursion", "key that is a list", "tags", "NUL", "ReDoS"],
)
def test_h5_a_hostile_template_is_refused_quickly(stack: Stack, text: str) -> None:
    """The server answers, says what is wrong, and serves others meanwhile."""
    started = time.monotonic()
    body = json.dumps({"template": text, "file": "t.yaml"}).encode()

    events = list(Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body))

    assert "error" in events[-1], events
    assert time.monotonic() - started < 10
    assert stack.everything() == NOTHING


def test_h5_a_deep_api_definition_is_refused(server: Server) -> None:
    """YAML so deep that a loader of C would break its stack, and this server with it."""
    v1 = server.aws("apigateway")

    with pytest.raises(ClientError, match="BadRequestException"):
        v1.import_rest_api(body=b"openapi: 3.0.1\npaths: " + b"[" * 100_000 + b"]" * 100_000)

    assert server.http("GET", "/_scopegate/health").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"template": 7}',
        b'{"template": "Resources: {A: {Type: AWS::Cognito::UserPool}}", "code": {"B": {}}}',
        b'{"template": "Resources: {A: {Type: AWS::Cognito::UserPool}}", "code": {"A": 7}}',
        b'{"template": "Resources: {A: {Type: AWS::Cognito::UserPool}}", "parameters": []}',
        b"\xff\xfe",
    ],
)
def test_a_misshapen_deployment_is_refused_with_words(stack: Stack, body: bytes) -> None:
    (event,) = Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body)

    assert "error" in event
    assert "server failed" not in event["error"]


# Where a template can reach


@pytest.mark.parametrize(
    "code",
    [
        "{S3Bucket: b, S3Key: ../scopegate.db}",
        "{S3Bucket: b, S3Key: /etc/passwd}",
        '{S3Bucket: b, S3Key: "../../../../../../etc/passwd"}',
        f"{{S3Bucket: b, S3Key: {'0' * 64}}}",
        "{S3Bucket: b, S3Key: [x]}",
        "{ImageUri: x}",
    ],
)
def test_f6_code_that_no_client_uploaded_is_not_read(stack: Stack, code: str) -> None:
    text = f"Resources:{ROLE}{FUNCTION}"
    start, end = text.index("      Code:"), text.index("  Permission:")

    message = stack.refused(text[:start] + f"      Code: {code}\n" + text[end:])

    assert "Function (AWS::Lambda::Function)" in message
    assert "root:" not in message
    assert stack.everything() == NOTHING


def test_g14_a_function_without_permission_for_the_gateway_is_not_reached(stack: Stack) -> None:
    text = f"""Resources:{ROLE}{FUNCTION}
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: api, ProtocolType: HTTP, Target: !GetAtt Function.Arn}}}}
Outputs:
  Api: {{Value: !Ref Api}}
"""
    start, end = text.index("  Permission:"), text.index("  Api:")

    api = stack.deploy(text[:start] + text[end:])["Api"]

    assert stack.call(api, "/").status_code == 500
    stack.deploy(text)
    assert stack.call(api, "/").status_code == 200
    stack.delete()


# What is kept


def test_u3_secrets_of_a_stack_are_sealed_at_rest(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A client's secret is an attribute of its resource, a function's variables are properties: neither is readable."""
    stack = Stack(start_server("serve", "--dev", data_dir=tmp_path / "data"), tmp_path / "app", "sealed")
    text = f"Resources:{POOL}{ROLE}{FUNCTION}".replace(
        "Handler:", "Environment: {Variables: {PASSWORD: kept-to-ourselves}}\n      Handler:"
    )
    secret = stack.deploy(text + "\nOutputs:\n  Secret: {Value: !GetAtt Client.ClientSecret}\n")["Secret"]
    stack.server.stop()

    with sqlite3.connect(tmp_path / "data" / "scopegate.db") as database:
        rows = [repr(row) for row in database.execute("select * from stacks")]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]

    assert len(rows) == 1
    assert "sealed" in rows[0]
    for hidden in (secret, "kept-to-ourselves"):
        assert [path.name for path in files if hidden.encode() in path.read_bytes()] == []
