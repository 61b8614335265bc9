"""Nested stacks: made, changed, undone and deleted with their parent, each a stack of its own to look at.

Source: AWS::CloudFormation::Stack; AWS::Serverless::Application with a local Location.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scopegate.base.errors import SetupError
from scopegate.cli.client import Client
from scopegate.stacks.project import read_project
from tests.operators import scopegate
from tests.rooms.stacks.driver import NOTHING, Stack, inventory
from tests.server import REGION, Server

CHILD = """
Parameters:
  Callback: {Type: String}
  Flows: {Type: CommaDelimitedList, Default: client_credentials}
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  ResourceServer:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties:
      UserPoolId: !Ref Pool
      Identifier: orders
      Name: orders
      Scopes: [{ScopeName: read, ScopeDescription: r}]
  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: ResourceServer
    Properties:
      UserPoolId: !Ref Pool
      GenerateSecret: true
      AllowedOAuthFlowsUserPoolClient: true
      AllowedOAuthFlows: !Ref Flows
      AllowedOAuthScopes: [orders/read]
      CallbackURLs: [!Ref Callback]
Outputs:
  Pool: {Value: !Ref Pool}
  Client: {Value: !Ref Client}
  Name: {Value: !Ref AWS::StackName}
"""
PARENT = """
Parameters:
  Callback: {Type: String, Default: https://a.example}
Resources:
  People:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./child.yaml
      Parameters: {Callback: !Ref Callback}
  Extra:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      UserPoolId: !GetAtt People.Outputs.Pool
      ClientName: extra
Outputs:
  Pool: {Value: !GetAtt People.Outputs.Pool}
  Client: {Value: !GetAtt People.Outputs.Client}
  Extra: {Value: !Ref Extra}
  Child: {Value: !GetAtt People.Outputs.Name}
  ChildId: {Value: !Ref People}
"""
# A pool that Cognito refuses.
BROKEN = """
  Broken:
    Type: AWS::Cognito::UserPool
    DependsOn: $AFTER
    Properties: {AliasAttributes: [email], UsernameAttributes: [email]}
"""


def with_broken(text: str, after: str) -> str:
    return text.replace("Outputs:", BROKEN.replace("$AFTER", after).lstrip("\n") + "Outputs:", 1)


def listed(server: Server) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in Client(server.url).own("GET", "stacks")["stacks"]}


def callbacks(stack: Stack, made: dict[str, Any]) -> list[str]:
    idp = stack.server.aws("cognito-idp")
    client = idp.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Client"])["UserPoolClient"]
    urls: list[str] = client["CallbackURLs"]
    return urls


def test_a_nested_stack_comes_and_goes_with_its_parent(stack: Stack) -> None:
    stack.write(child_yaml=CHILD)
    made = stack.deploy(PARENT)

    child = listed(stack.server)[made["Child"]]
    assert made["Child"].startswith(f"{stack.name}-People-")
    assert (child["parent"], child["status"]) == (stack.name, "CREATE_COMPLETE")
    assert (child["outputs"]["Pool"], child["outputs"]["Client"]) == (made["Pool"], made["Client"])
    assert made["ChildId"].split("/")[1] == made["Child"]
    assert stack.done()["People.Client"] == stack.done()["People"] == "Create"
    assert stack.token(made["Pool"], made["Client"])

    shown = scopegate("ls", "--endpoint", stack.server.url).stdout
    assert f"\nstack {stack.name} CREATE_COMPLETE\n  stack {made['Child']} CREATE_COMPLETE\n" in f"\n{shown}"

    stack.deploy(PARENT)
    assert stack.changed() == {}

    stack.deploy(PARENT, Callback="https://b.example")
    assert stack.changed() == {"People.Client": "Update", "People": "Update"}
    assert callbacks(stack, made) == ["https://b.example"]
    assert listed(stack.server)[made["Child"]]["status"] == "UPDATE_COMPLETE"

    with pytest.raises(SetupError, match=f"Stack {made['Child']} is part of stack {stack.name}"):
        Stack(stack.server, stack.folder, made["Child"]).delete()
    stack.delete()
    assert stack.everything() == NOTHING
    assert not {stack.name, made["Child"]} & listed(stack.server).keys()


def test_a_nested_stack_that_the_template_no_longer_has_goes(stack: Stack) -> None:
    stack.write(child_yaml=CHILD)
    made = stack.deploy(PARENT)

    stack.deploy("Resources: {Pool: {Type: AWS::Cognito::UserPool}}")

    assert made["Child"] not in listed(stack.server)
    assert made["Pool"] not in stack.everything()["pools"]
    assert stack.changed()["People.Pool"] == stack.changed()["People"] == "Delete"
    stack.delete()


def test_a_nested_stack_that_is_retained_is_one_of_its_own(stack: Stack) -> None:
    stack.write(child_yaml=CHILD)
    made = stack.deploy(PARENT.replace("  People:\n", "  People:\n    DeletionPolicy: Retain\n"))

    stack.delete()

    assert listed(stack.server)[made["Child"]]["parent"] == ""
    assert stack.everything()["pools"] == [made["Pool"]]
    Stack(stack.server, stack.folder, made["Child"]).delete()
    assert stack.everything() == NOTHING


def test_a_failure_after_a_nested_stack_is_made_leaves_nothing(stack: Stack) -> None:
    stack.write(child_yaml=CHILD)

    message = stack.refused(with_broken(PARENT, "Extra"))

    assert "Broken (AWS::Cognito::UserPool)" in message
    assert message.startswith("template.yaml:")
    assert stack.everything() == NOTHING
    assert not [name for name in listed(stack.server) if name.startswith(stack.name)]


def test_a_failure_in_a_nested_stack_names_its_file_and_undoes_the_parent(stack: Stack) -> None:
    broken = with_broken(CHILD, "Client")
    stack.write(child_yaml=broken)
    parent = PARENT.replace(
        "  People:", "  Before: {Type: AWS::Cognito::UserPool}\n  People:\n    DependsOn: Before", 1
    )

    message = stack.refused(parent)

    lines = broken.splitlines()
    first, last = (lines.index(line) + 1 for line in ("  Broken:", next(x for x in lines if "UsernameAttributes" in x)))
    file, line, rest = message.split(":", 2)
    assert (file, first <= int(line) <= last) == ("child.yaml", True)
    assert "Broken (AWS::Cognito::UserPool)" in rest
    assert f"(in People, template.yaml:{parent.splitlines().index('  People:') + 1})" in rest
    assert stack.everything() == NOTHING
    assert not [name for name in listed(stack.server) if name.startswith(stack.name)]


def test_a_later_failure_brings_a_nested_stack_back(stack: Stack) -> None:
    """Its resources were changed, added and taken away, and all of that had succeeded."""
    stack.write(child_yaml=CHILD)
    made = stack.deploy(PARENT)
    before = stack.everything(), callbacks(stack, made), listed(stack.server)[made["Child"]]["outputs"]
    stack.write(
        child_yaml=CHILD.replace("Outputs:", "  More: {Type: AWS::Cognito::UserPool}\nOutputs:\n  New: {Value: 1}")
    )

    message = stack.refused(with_broken(PARENT, "Extra"), Callback="https://b.example")

    assert "Broken" in message
    assert "not undone" not in message
    assert {"People.More", "People.Client"} <= {each["logicalId"] for each in stack.events if "logicalId" in each}
    after = stack.everything(), callbacks(stack, made), listed(stack.server)[made["Child"]]["outputs"]
    assert after == before
    assert listed(stack.server)[made["Child"]]["status"] == "UPDATE_ROLLBACK_COMPLETE"
    stack.write(child_yaml=CHILD)
    stack.deploy(PARENT)
    assert stack.changed() == {}
    stack.delete()
    assert stack.everything() == NOTHING


SAM_CHILD = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Pool: {Type: String}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Auth:
        DefaultAuthorizer: Cognito
        Authorizers:
          Cognito:
            UserPoolArn: !Sub arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/${Pool}
            AuthorizationScopes: [orders/read]
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: code
      Events:
        List: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /orders, Method: get}}
Outputs:
  Api: {Value: !Ref Api}
"""
SAM_PARENT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  People: {Type: AWS::Serverless::Application, Properties: {Location: child.yaml, Parameters: {Callback: https://a.example}}}
  Middle:
    Type: AWS::Serverless::Application
    Properties: {Location: inner/middle.yaml, Parameters: {Pool: !GetAtt People.Outputs.Pool}}
Outputs:
  Api: {Value: !GetAtt Middle.Outputs.Api}
  Pool: {Value: !GetAtt People.Outputs.Pool}
  Client: {Value: !GetAtt People.Outputs.Client}
"""
MIDDLE = """
Parameters: {Pool: {Type: String}}
Resources:
  Shop: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ../shop.yaml, Parameters: {Pool: !Ref Pool}}}
Outputs:
  Api: {Value: !GetAtt Shop.Outputs.Api}
"""


def test_a_function_three_stacks_deep_runs_from_its_own_folder(stack: Stack) -> None:
    """Each file names others from its own place; the code is that of the innermost template."""
    stack.write(child_yaml=CHILD, shop_yaml=SAM_CHILD)
    (stack.folder / "inner").mkdir()
    (stack.folder / "inner" / "middle.yaml").write_text(MIDDLE)
    (stack.folder / "code").mkdir()
    (stack.folder / "code" / "app.py").write_text(
        'def handler(event, context):\n    return {"statusCode": 200, "body": "1"}\n'
    )

    made = stack.deploy(SAM_PARENT)

    token = stack.token(made["Pool"], made["Client"])
    assert stack.call(made["Api"], "/prod/orders", token).text == "1"
    assert stack.call(made["Api"], "/prod/orders").status_code == 401
    parents = {name: each["parent"] for name, each in listed(stack.server).items() if name.startswith(stack.name)}
    assert sorted(parents.values()).count(stack.name) == 2
    stack.deploy(SAM_PARENT)
    assert stack.changed() == {}
    (stack.folder / "code" / "app.py").write_text(
        'def handler(event, context):\n    return {"statusCode": 200, "body": "2"}\n'
    )
    stack.deploy(SAM_PARENT)
    assert stack.changed().keys() == {"Middle.Shop.Orders", "Middle.Shop", "Middle"}
    assert stack.call(made["Api"], "/prod/orders", token).text == "2"
    stack.delete()
    assert stack.everything() == NOTHING


def plan(stack: Stack, text: str, **parameters: str) -> list[tuple[str, str]]:
    stack.write(template_yaml=text)
    project = read_project(stack.file, parameters, REGION, stack.name)
    client = Client(stack.server.url)
    body = json.dumps(project.body(project.package(None))).encode()
    return [(each["action"], each["logicalId"]) for each in client.own("POST", f"plans/{stack.name}", body)["steps"]]


def test_a_plan_shows_the_steps_of_nested_stacks(stack: Stack) -> None:
    stack.write(child_yaml=CHILD)
    steps = [("Create", f"People.{name}") for name in ("Pool", "ResourceServer", "Client")]
    assert plan(stack, PARENT) == [*steps, ("Create", "People"), ("Create", "Extra")]

    stack.deploy(PARENT)

    assert {action for action, _ in plan(stack, PARENT)} == {"Keep"}
    changed = [step for step in plan(stack, PARENT, Callback="https://b.example") if step[0] != "Keep"]
    assert changed == [("Update", "People.Client"), ("Update", "People")]
    gone = plan(stack, "Resources: {Pool: {Type: AWS::Cognito::UserPool}}")
    assert ("Delete", "People.Pool") in gone
    stack.delete()


FAULTS = {
    "a file that is not there": (
        PARENT.replace("child.yaml", "nowhere.yaml"),
        {},
        "template.yaml:8: People: the file cannot be read: ",
    ),
    "a file on the web": (
        PARENT.replace("./child.yaml", "https://bucket.s3.amazonaws.com/child.yaml"),
        {},
        "template.yaml:8: People: TemplateURL must name a local file, got 'https://bucket.s3.amazonaws.com/child.yaml'",
    ),
    "an application from elsewhere": (
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  App:\n    Type: AWS::Serverless::Application\n"
        "    Properties:\n      Location: {ApplicationId: arn:aws:serverlessrepo:x, SemanticVersion: 1.0.0}\n",
        {},
        "template.yaml:6: App: Location must name a local file",
    ),
    "a stack in itself": (
        PARENT,
        {
            "child_yaml": CHILD.replace(
                "Outputs:",
                "  Again: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml}}\nOutputs:",
                1,
            )
        },
        "Again: a stack cannot be nested in itself: template.yaml → child.yaml → child.yaml",
    ),
    "a parameter that is not asked for": (
        PARENT.replace("{Callback: !Ref", "{Calback: !Ref"),
        {},
        "template.yaml:9: People: child.yaml has no parameter Calback",
    ),
    "a parameter that is missing": (
        PARENT.replace("      Parameters: {Callback: !Ref Callback}\n", ""),
        {},
        "child.yaml:3: Parameter Callback has no value; give it in Parameters of People, template.yaml:7",
    ),
    "an output that is not there": (
        PARENT.replace("People.Outputs.Name", "People.Outputs.Nome"),
        {},
        "AWS::CloudFormation::Stack People has no attribute Outputs.Nome; it has: Outputs.Client, Outputs.Name",
    ),
    "a misspelt property": (
        PARENT,
        {"child_yaml": CHILD.replace("CallbackURLs", "CallbakURLs")},
        "child.yaml:23: Client: AWS::Cognito::UserPoolClient has no property CallbakURLs",
    ),
    "types that nobody knows, in several files": (
        PARENT.replace("Outputs:", "  Ship: {Type: AWS::Nowhere::Ship}\nOutputs:", 1),
        {"child_yaml": CHILD.replace("Outputs:", "  Boat: {Type: AWS::Nowhere::Boat}\nOutputs:", 1)},
        "Types that are not supported yet: AWS::Nowhere::Ship (Ship, template.yaml:15), AWS::Nowhere::Boat (Boat, "
        "child.yaml:24)",
    ),
    "a value that is not allowed": (
        PARENT,
        {"child_yaml": CHILD.replace("Callback: {Type: String}", 'Callback: {Type: String, AllowedValues: ["x"]}')},
        "child.yaml:3: Parameter Callback must be one of x",
    ),
}


@pytest.mark.parametrize(("text", "files", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_tree_is_refused_before_anything_is_made(
    stack: Stack, text: str, files: dict[str, str], message: str
) -> None:
    stack.write(**{"child_yaml": CHILD, **files})

    shown = stack.refused(text)

    assert message in shown, shown
    assert "undone" not in (stack.events or [{}])[-1]
    assert stack.everything() == NOTHING


NEXT = "Resources: {Next: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: $FILE}}}"


def test_stacks_are_nested_only_so_deep(stack: Stack) -> None:
    files = {f"n{depth}_yaml": NEXT.replace("$FILE", f"n{depth + 1}.yaml") for depth in range(9)}
    stack.write(**files, n9_yaml="Resources: {Pool: {Type: AWS::Cognito::UserPool}}")

    assert "stacks are nested 8 deep at most" in stack.refused(files["n0_yaml"])
    assert stack.everything() == NOTHING


def test_the_server_reads_no_file_of_its_own(stack: Stack) -> None:
    """What was not sent along is not there, whatever lies on the server's disk."""
    stack.folder.mkdir()
    (stack.folder / "secret.yaml").write_text(CHILD)
    text = NEXT.replace("$FILE", f"{stack.folder}/secret.yaml")
    body = json.dumps({"template": text, "file": "template.yaml"}).encode()

    (event,) = Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body)

    assert "was not sent along" in event["error"]
    assert event["refused"]


def test_u3_a_killed_deployment_of_a_tree_is_repaired_by_the_next(
    restart: Callable[[], Server], tmp_path: Path
) -> None:
    """`kill -9` while the nested stack is made, while it is changed and while it is deleted."""

    def kill_after(method: str, step: str, **parameters: str) -> None:
        body = b""
        if method == "POST":
            project = read_project(stack.file, parameters, REGION, stack.name)
            body = json.dumps(project.body({})).encode()
        try:
            for event in Client(stack.server.url).stream(method, f"stacks/{stack.name}", body):
                if event.get("state") == "done" and event["logicalId"] == step:
                    return
        finally:
            stack.server.kill()

    stack = Stack(restart(), tmp_path / "app", "killed")
    # So many steps after the one that is waited for that the kill comes before the last.
    more = "".join(f"  More{n}: {{Type: AWS::Cognito::UserPool, DependsOn: ResourceServer}}\n" for n in range(40))
    stack.write(template_yaml=PARENT, child_yaml=CHILD.replace("Outputs:", f"{more}Outputs:", 1))
    kill_after("POST", "People.ResourceServer")
    stack.server = restart()
    stack.write(child_yaml=CHILD)
    made = stack.deploy(PARENT)
    assert any("did not end" in note for note in stack.notes())
    assert len(inventory(stack.server)["pools"]) == 1
    assert len(listed(stack.server)) == 2

    kill_after("POST", "People.Client", Callback="https://b.example")
    stack.server = restart()
    assert callbacks(stack, made) == ["https://b.example"]  # until somebody comes who undoes it
    stack.deploy(PARENT)
    assert callbacks(stack, made) == ["https://a.example"]
    stack.deploy(PARENT)
    assert stack.changed() == {}

    kill_after("DELETE", "People.Client")
    stack.server = restart()
    stack.deploy(PARENT)
    assert len(inventory(stack.server)["pools"]) == 1
    assert len(listed(stack.server)) == 2
    stack.delete()
    assert inventory(stack.server) == NOTHING
    assert listed(stack.server) == {}
    stack.server.stop()
