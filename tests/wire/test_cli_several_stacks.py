"""Several files in one command, what a command leaves out, and a command that is left: from the terminal.

Source: design, "What the user sees".
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scopegate.cli.client import Client
from tests.operators import scopegate
from tests.server import SCOPEGATE, Server
from tests.wire.test_stacks import read_until

POOL = """
Parameters: {Team: {Type: String, Default: blue}}
Resources:
  Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: !Sub "${Team}-${AWS::StackName}"}}
Outputs:
  Pool: {Value: !Ref Pool, Export: {Name: !Sub "${AWS::StackName}-pool"}}
  Team: {Value: !Ref Team}
"""
CLIENT = """
Parameters: {Owner: {Type: String, Default: $POOL}}
Resources:
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: {"Fn::ImportValue": !Sub "${Owner}-pool"}}}
Outputs:
  Client: {Value: !Ref Client, Export: {Name: !Sub "${AWS::StackName}-client"}}
"""
LAST = """
Resources: {Other: {Type: AWS::Cognito::UserPool}}
Outputs: {Client: {Value: !ImportValue $CLIENT-client}}
"""


@pytest.fixture
def names(tmp_path: Path) -> dict[str, str]:
    """Stack names that are this test's own: a file is named after its stack."""
    mark = tmp_path.name.strip("0123456789").replace("_", "-")[-24:].strip("-")
    return {"pool": f"pool-{mark}", "client": f"client-{mark}", "last": f"last-{mark}"}


@pytest.fixture
def files(tmp_path: Path, names: dict[str, str]) -> list[str]:
    """Three templates, each needing the one before; given in the wrong order."""
    texts = {
        "last": LAST.replace("$CLIENT", names["client"]),
        "client": CLIENT.replace("$POOL", names["pool"]),
        "pool": POOL,
    }
    for name, text in texts.items():
        (tmp_path / f"{names[name]}.yaml").write_text(text)
    return [f"{names[name]}.yaml" for name in texts]


def stacks(server: Server) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in Client(server.url).own("GET", "stacks")["stacks"]}


def test_several_files_are_deployed_in_the_order_of_their_imports(
    server: Server, tmp_path: Path, files: list[str], names: dict[str, str]
) -> None:
    where = ("--endpoint", server.url)

    planned = scopegate("deploy", *files, "--dry-run", *where, cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert [line for line in planned.stdout.splitlines() if line.startswith("Stack")] == [
        f"Stack {names[name]}, as it would be deployed" for name in ("pool", "client", "last")
    ]
    assert not set(names.values()) & stacks(server).keys()

    done = scopegate("deploy", *files, "--param", "Team=red", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("Stack")] == [
        f"Stack {names[name]}" for name in ("pool", "client", "last")
    ]
    found = stacks(server)
    assert found[names["last"]]["outputs"]["Client"] == found[names["client"]]["outputs"]["Client"]
    assert found[names["pool"]]["outputs"]["Team"] == "red"

    in_use = scopegate("delete", names["pool"], *where)
    assert in_use.returncode == 2
    assert f"Export {names['pool']}-pool cannot be deleted as it is in use by {names['client']}" in in_use.stderr
    for name in ("last", "client", "pool"):
        assert scopegate("delete", names[name], *where).returncode == 0


def test_up_takes_several_files(start_server: Callable[..., Server], tmp_path: Path, files: list[str]) -> None:
    server = start_server("up", *(str(tmp_path / name) for name in files), "--ephemeral")

    shown = read_until(server, "ready", "error")

    assert shown[-1].startswith("ready"), shown
    assert len(stacks(server)) == 3


@pytest.mark.parametrize(
    ("texts", "arguments", "complaint"),
    [
        ({"a.yaml": POOL, "b.yaml": POOL}, ("--name", "x"), "--name names one stack"),
        ({"a.yaml": POOL, "b.yaml": POOL}, ("--param", "Tam=x"), "None of the templates has a parameter Tam"),
        ({"a.yaml": POOL, "x/a.yaml": POOL}, (), "a.yaml and x/a.yaml would both be stack a; deploy one with --name"),
        (
            {
                "a.yaml": POOL + "  B: {Value: !ImportValue b-pool}\n",
                "b.yaml": POOL + "  A: {Value: !ImportValue a-pool}\n",
            },
            (),
            "These import exports of one another, so that none can be first: a.yaml, b.yaml",
        ),
        ({"a.yaml": POOL, "b.yaml": "Resources: {}"}, (), "b.yaml:1: The template has no Resources section"),
    ],
)
def test_a_mistake_in_several_files_begins_nothing(
    server: Server, tmp_path: Path, texts: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    done = scopegate("deploy", *texts, *arguments, "--endpoint", server.url, cwd=tmp_path)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert complaint in line


def test_what_nobody_knows_is_left_out_when_that_is_asked(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(POOL.replace("Outputs:", "  Ship: {Type: AWS::Nowhere::Ship}\nOutputs:", 1))
    deploy = ("deploy", str(file), "--name", "without-ships", "--endpoint", server.url)

    refused = scopegate(*deploy)
    assert refused.returncode == 2
    assert f"AWS::Nowhere::Ship (Ship, {file}:5); --skip-unknown goes on without them" in refused.stderr
    planned = scopegate(*deploy, "--skip-unknown", "--dry-run")
    assert (planned.returncode, planned.stdout.splitlines()[-1]) == (0, "  1 to create")
    done = scopegate(*deploy, "--skip-unknown")
    assert done.returncode == 0, done.stderr
    assert f"note: Ship: AWS::Nowhere::Ship is not known, it is left out ({file}:5)" in done.stdout
    assert scopegate("delete", "without-ships", "--endpoint", server.url).returncode == 0


WAITING = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Slow:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Timeout: 30
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import cfnresponse, time
          def handler(event, context):
              time.sleep(3)
              cfnresponse.send(event, context, cfnresponse.SUCCESS, {})
  Waits: {Type: Custom::Waits, Properties: {ServiceToken: !GetAtt Slow.Arn}}
"""


def test_a_server_goes_on_when_the_command_is_left(server: Server, tmp_path: Path) -> None:
    """Ctrl-C ends the command, not the work: it says so, with exit code 130."""
    file = tmp_path / "template.yaml"
    file.write_text(WAITING)
    command = [SCOPEGATE, "deploy", str(file), "--name", "left-alone", "--endpoint", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "Slow" in line:
                break
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)

    assert running.returncode == 130
    assert told == (
        "The server goes on with stack left-alone to its end, and undoes it should it fail; "
        "how it ended: scopegate outputs left-alone\n"
    )
    deadline = time.monotonic() + 60
    while stacks(server)["left-alone"]["status"] != "CREATE_COMPLETE":
        assert time.monotonic() < deadline, stacks(server)["left-alone"]
        time.sleep(0.1)
    assert scopegate("delete", "left-alone", "--endpoint", server.url).returncode == 0


CLOSED = """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: closed-here}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: GET
      AuthorizationType: NONE
      Integration: {Type: AWS, IntegrationHttpMethod: POST, Uri: "arn:aws:apigateway:us-east-1:sqs:path/a/b",
        Credentials: "arn:aws:iam::000000000000:role/any"}
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Api, StageName: prod}}
"""


def test_a_closed_route_is_told_after_a_deployment_and_shown_by_ls(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(CLOSED)

    done = scopegate("deploy", str(file), "--name", "closed-here", "--endpoint", server.url)

    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stdout.splitlines() if "closed" in line and "note:" in line]
    assert "note: GET / of closed-here, stage prod is closed, every call is refused: " in note
    reason = note.partition("refused: ")[2]
    shown = scopegate("ls", "--endpoint", server.url).stdout
    assert f"closed: {reason}" in shown
    assert scopegate("delete", "closed-here", "--endpoint", server.url).returncode == 0
