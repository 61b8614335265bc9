"""Stacks from the command line, in a server that runs already: `deploy`, `delete`, `outputs`, `--dry-run`.

Source: design, "What the user sees".
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.operators import Production, scopegate
from tests.server import Server

POOL = """
Parameters:
  Name: {Type: String, Default: shop}
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {UserPoolName: !Ref Name}
  Group:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties: {UserPoolId: !Ref Pool, Identifier: orders, Name: orders}
Outputs:
  Pool: {Value: !Ref Pool}
  Name: {Value: !Ref Name}
"""
FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Says:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: code}
Outputs:
  Says: {Value: !Ref Says}
"""
# What cannot be seen before it is tried: a client of a pool that is not there.
FAILING = POOL.replace(
    "Outputs:",
    """  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: Group
    Properties: {UserPoolId: us-east-1_nowhere}
Outputs:""",
)


def write(folder: Path, text: str) -> str:
    path = folder / "template.yaml"
    path.write_text(text)
    return str(path)


def cli(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return scopegate(*arguments, environment={"AWS_ENDPOINT_URL": server.url})


def pool_names(server: Server) -> list[str]:
    """Of all tests' pools on this server: names here are this module's own."""
    pages = server.aws("cognito-idp").get_paginator("list_user_pools").paginate(MaxResults=60)
    return [pool["Name"] for page in pages for pool in page["UserPools"]]


def test_a_stack_is_deployed_shown_and_deleted(server: Server, tmp_path: Path) -> None:
    template = write(tmp_path, POOL)

    deployed = cli(server, "deploy", template, "--name", "life", "--param", "Name=of-life")
    assert (deployed.returncode, deployed.stderr) == (0, "")
    assert "Stack life\n" in deployed.stdout
    assert re.search(r"✓ 2/2 Create Group AWS::Cognito::UserPoolResourceServer", deployed.stdout)
    (pool_id,) = re.findall(r"^  Pool = (us-east-1_\w+)$", deployed.stdout, re.MULTILINE)
    assert "of-life" in pool_names(server)

    assert cli(server, "outputs", "life").stdout == f"Pool = {pool_id}\nName = of-life\n"
    assert json.loads(cli(server, "outputs", "life", "--json").stdout) == {"Pool": pool_id, "Name": "of-life"}
    everything = cli(server, "outputs").stdout
    assert f"Stack life (CREATE_COMPLETE)\n  Pool = {pool_id}\n  Name = of-life\n" in everything
    assert json.loads(cli(server, "outputs", "--json").stdout)["life"] == {"Pool": pool_id, "Name": "of-life"}

    unknown = cli(server, "delete", "lif")
    assert unknown.returncode == 2
    assert re.search(r"^error: There is no stack 'lif'; there are: (.+, )?life\b", unknown.stderr)

    deleted = cli(server, "delete", "life")
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert "✓ 2/2 Delete Pool AWS::Cognito::UserPool" in deleted.stdout
    assert deleted.stdout.endswith("  deleted\n")
    assert "of-life" not in pool_names(server)


def test_the_code_of_a_template_goes_up_with_it(server: Server, tmp_path: Path) -> None:
    """The stack is named after the folder of the template, wherever the command runs."""
    folder = tmp_path / "says_hello"
    (folder / "code").mkdir(parents=True)
    (folder / "code/app.py").write_text("def handler(event, context):\n    return 'hello'\n")

    deployed = cli(server, "deploy", write(folder, FUNCTION))

    (name,) = re.findall(r"^  Says = (\S+)$", deployed.stdout, re.MULTILINE)
    assert name.startswith("says-hello-Says-")
    assert server.aws("lambda").invoke(FunctionName=name)["Payload"].read() == b'"hello"'
    assert cli(server, "delete", "says-hello").returncode == 0


def test_a_failure_is_undone_and_ends_with_1(server: Server, tmp_path: Path) -> None:
    failed = cli(server, "deploy", write(tmp_path, FAILING), "--name", "failing", "--param", "Name=of-failing")

    assert failed.returncode == 1
    assert re.search(r"✗ 2/3 Create Client AWS::Cognito::UserPoolClient", failed.stdout)
    assert re.findall(r"Undo (\w+)", failed.stdout) == ["Group", "Pool"]
    first, second = failed.stderr.splitlines()
    assert re.match(r"error: \S+/template\.yaml:\d+: Client \(AWS::Cognito::UserPoolClient\): ", first)
    assert second == "What was done is undone: failing is as it was before."
    assert "of-failing" not in pool_names(server)
    assert "failing" not in cli(server, "outputs").stdout


def test_a_failed_change_leaves_what_stood(server: Server, tmp_path: Path) -> None:
    assert cli(server, "deploy", write(tmp_path, POOL), "--name", "stands").returncode == 0
    before = cli(server, "outputs", "stands").stdout

    failed = cli(server, "deploy", write(tmp_path, FAILING), "--name", "stands", "--param", "Name=other")

    assert failed.returncode == 1
    assert cli(server, "outputs", "stands").stdout == before
    assert "Stack stands (UPDATE_ROLLBACK_COMPLETE)\n" in cli(server, "outputs").stdout
    assert cli(server, "delete", "stands").returncode == 0


def test_what_cannot_be_deleted_is_said_and_tried_again(server: Server, tmp_path: Path) -> None:
    idp = server.aws("cognito-idp")
    assert cli(server, "deploy", write(tmp_path, POOL), "--name", "held").returncode == 0
    pool_id = json.loads(cli(server, "outputs", "held", "--json").stdout)["Pool"]
    idp.create_user_pool_domain(Domain="held-by-its-domain", UserPoolId=pool_id)

    failed = cli(server, "delete", "held")
    idp.delete_user_pool_domain(Domain="held-by-its-domain", UserPoolId=pool_id)
    again = cli(server, "delete", "held")

    assert failed.returncode == 1
    assert re.match(r"error: Pool: InvalidParameterException: .*domain", failed.stderr)
    assert re.findall(r"✓ \d/\d Delete (\w+)", failed.stdout + again.stdout) == ["Group", "Pool"]
    assert again.returncode == 0


def test_a_dry_run_shows_each_step_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    """The plan is the deployment: each resource gets the step that it was promised."""
    again = POOL.replace("Identifier: orders", "Identifier: items").replace(
        "Outputs:", "  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool}}\nOutputs:"
    )
    changes = ("deploy", write(tmp_path, again), "--name", "planned", "--param", "Name=changed")

    nothing_there = cli(server, *changes, "--dry-run")
    assert (nothing_there.returncode, nothing_there.stderr) == (0, "")
    assert "3 to create\n" in nothing_there.stdout
    assert cli(server, "outputs", "planned").returncode == 2
    write(tmp_path, POOL)
    assert cli(server, "deploy", str(tmp_path / "template.yaml"), "--name", "planned").returncode == 0
    before = cli(server, "outputs", "planned").stdout
    write(tmp_path, again)

    planned = cli(server, *changes, "--dry-run")
    assert cli(server, "outputs", "planned").stdout == before
    done = cli(server, *changes)

    promised = dict(re.findall(r"^  (\w+) +(\w+) AWS::", planned.stdout, re.MULTILINE))
    assert promised == {"Update": "Pool", "Replace": "Group", "Create": "Client"}
    assert set(re.findall(r"/\d (\w+) (\w+) AWS::", done.stdout)) >= set(promised.items())
    assert planned.stdout.endswith("  1 to update, 1 to replace, 1 to create\n")
    unchanged = cli(server, *changes, "--dry-run")
    assert unchanged.stdout.endswith("  3 to keep\n")
    write(tmp_path, "Resources: {Other: {Type: AWS::Cognito::UserPool, DeletionPolicy: Retain}}")
    gone = cli(server, *changes[:4], "--dry-run")
    assert re.findall(r"^  (\w+) +(\w+) AWS::", gone.stdout, re.MULTILINE) == [
        ("Create", "Other"),
        ("Delete", "Client"),
        ("Delete", "Group"),
        ("Delete", "Pool"),
    ]
    assert cli(server, "delete", "planned").returncode == 0


def test_what_hangs_on_a_replacement_is_planned_with_it(server: Server, tmp_path: Path) -> None:
    """Also where its value is taken apart, which cannot be done before it is made."""
    text = """
Parameters: {Name: {Type: String}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Ref Name
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {UserPoolName: !Select [1, !Split [/, !GetAtt Role.Arn]]}
"""
    deploy = ("deploy", write(tmp_path, text), "--name", "hangs", "--param")
    first = cli(server, *deploy, "Name=hangs-a")
    assert first.returncode == 0, first.stderr

    planned = cli(server, *deploy, "Name=hangs-b", "--dry-run")

    assert re.findall(r"^  (\w+) +(\w+) AWS::", planned.stdout, re.MULTILINE) == [
        ("Replace", "Role"),
        ("Update", "Pool"),
    ]
    assert cli(server, "delete", "hangs").returncode == 0


def test_a_dry_run_refuses_what_would_fail_for_want_of_a_resource(server: Server, tmp_path: Path) -> None:
    """A reference to what a false condition leaves out is found, also beside one to what is still to be made."""
    text = """
Conditions: {Never: !Equals [a, b]}
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Absent: {Type: AWS::Cognito::UserPool, Condition: Never}
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties: {UserPoolId: !Ref Pool, ClientName: !Ref Absent}
"""
    done = cli(server, "deploy", write(tmp_path, text), "--name", "wanting", "--dry-run")

    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"template\.yaml:8: Absent does not exist in this stack", done.stderr)


def test_up_with_dry_run_shows_the_plan_and_ends(tmp_path: Path) -> None:
    up = ("up", write(tmp_path, POOL), "--name", "first", "--port", "0", "--data-dir", str(tmp_path / "data"))

    once = scopegate(*up, "--dry-run")
    twice = scopegate(*up, "--dry-run")

    for done in (once, twice):
        assert done.returncode == 0
        assert done.stdout.endswith("  2 to create\n")
        assert "ready" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("outputs", "nothing"), "There is no stack 'nothing'; there are: "),
        (("deploy", "missing.yaml"), "missing.yaml cannot be read"),
        (("deploy", "template.yaml", "--name", "../overview"), "--name takes a letter"),
        (("deploy", "template.yaml", "--param", "Name"), "--param takes KEY=VALUE"),
        (("deploy", "template.yaml", "--param", "Nome=x"), "Nome"),
        (("deploy", "broken.yaml"), "broken.yaml:1: "),
        (("deploy", "broken.yaml", "--dry-run"), "broken.yaml:1: "),
    ],
)
def test_a_mistake_begins_nothing_and_is_one_line(
    server: Server, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    write(tmp_path, POOL)
    (tmp_path / "broken.yaml").write_text("Resources: {Pool: {Type: AWS::Cognito::UserPol}}")

    done = scopegate(*arguments, environment={"AWS_ENDPOINT_URL": server.url}, cwd=tmp_path)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert complaint in line


@pytest.mark.parametrize("arguments", [("deploy", "template.yaml"), ("delete", "a"), ("outputs",)])
def test_without_a_server_the_next_step_is_named(tmp_path: Path, unused_port: int, arguments: tuple[str, ...]) -> None:
    write(tmp_path, POOL)

    done = scopegate(*arguments, "--endpoint", f"http://localhost:{unused_port}", cwd=tmp_path)

    assert done.returncode == 2
    assert f"No server answers at http://localhost:{unused_port}" in done.stderr


def test_g13_production_takes_stacks_with_its_key_alone(production: Production, tmp_path: Path) -> None:
    deploy = ("deploy", write(tmp_path, POOL), "--name", "keyed", "--endpoint", production.server.url)
    where = ("--endpoint", production.server.url)

    for arguments in (deploy, (*deploy, "--dry-run"), ("delete", "keyed", *where), ("outputs", *where)):
        refused = scopegate(*arguments)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
    deployed = scopegate(*deploy, environment=production.key.environment)
    assert deployed.returncode == 0, deployed.stderr
    shown = scopegate("outputs", "keyed", *where, environment=production.key.environment)
    assert shown.stdout.endswith("Name = shop\n")
    assert scopegate("delete", "keyed", *where, environment=production.key.environment).returncode == 0
