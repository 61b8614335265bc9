"""Exports that another stack uses, and types that nothing here can make.

Source: CloudFormation, "Export NAME cannot be deleted as it is in use by STACK"; Fn::ImportValue.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scopegate.base.errors import SetupError
from tests.rooms.stacks.driver import NOTHING, Stack

OWNER = """
Parameters: {Value: {Type: String, Default: one}}
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
Outputs:
  Pool: {Value: !Ref Pool, Export: {Name: !Sub "${AWS::StackName}-pool"}}
  Value: {Value: !Ref Value, Export: {Name: !Sub "${AWS::StackName}-value"}}
"""
USER = """
Resources:
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !ImportValue $NAME-pool}}
Outputs:
  Value: {Value: !ImportValue $NAME-value}
"""


@pytest.fixture
def user(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """A stack that imports what `stack` exports."""
    stack.deploy(OWNER)
    user = Stack(stack.server, tmp_path / "user")
    user.deploy(USER.replace("$NAME", stack.name))
    yield user
    user.delete()
    stack.delete()
    assert stack.everything() == NOTHING


def test_an_export_that_is_in_use_does_not_go(stack: Stack, user: Stack) -> None:
    with pytest.raises(SetupError, match=f"Export {stack.name}-pool cannot be deleted as it is in use by {user.name}"):
        stack.delete()
    assert stack.events[-1]["refused"]
    without = OWNER.replace(', Export: {Name: !Sub "${AWS::StackName}-pool"}', "")
    message = stack.refused(without)
    assert message == f"Export {stack.name}-pool cannot be deleted as it is in use by {user.name}"
    assert "undone" not in stack.events[-1]
    stack.deploy(OWNER)
    assert stack.changed() == {}


def test_an_export_that_is_in_use_does_not_change(stack: Stack, user: Stack) -> None:
    assert (
        stack.refused(OWNER, Value="two")
        == f"Export {stack.name}-value cannot be updated as it is in use by {user.name}"
    )
    # A value that is known only once it is made: the pool is made anew.
    replaced = OWNER.replace("Pool: {Type", "Other: {Type").replace("!Ref Pool", "!Ref Other")
    message = stack.refused(replaced)
    assert f"Export {stack.name}-pool cannot be updated as it is in use by {user.name}" in message
    assert message.startswith("template.yaml:")
    assert stack.events[-1]["undone"]
    assert len(stack.everything()["pools"]) == 1

    user.deploy(USER.replace("$NAME", stack.name).replace("!ImportValue $NAME-value".replace("$NAME", stack.name), "x"))
    stack.deploy(OWNER, Value="two")
    assert set(stack.changed()) == set()
    stack.deploy(OWNER)


def test_an_export_has_one_owner(stack: Stack, user: Stack, tmp_path: Path) -> None:
    third = Stack(stack.server, tmp_path / "third")
    text = OWNER.replace('!Sub "${AWS::StackName}-pool"', f"{stack.name}-pool")

    message = third.refused(text)

    assert message == f"Export with name {stack.name}-pool is already exported by stack {stack.name}"
    assert third.everything() == NOTHING


CHILD = """
Resources: {Pool: {Type: AWS::Cognito::UserPool}}
Outputs: {Pool: {Value: !Ref Pool, Export: {Name: !Sub "${AWS::Region}-$NAME"}}}
"""
SIBLING = """
Resources:
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !ImportValue us-east-1-$NAME}}
"""
TREE = """
Resources:
  People: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml}}
  Sibling: {Type: AWS::CloudFormation::Stack, DependsOn: People, Properties: {TemplateURL: sibling.yaml}}
"""


def test_nested_stacks_export_to_one_another_and_to_others(stack: Stack, tmp_path: Path) -> None:
    stack.write(child_yaml=CHILD.replace("$NAME", stack.name), sibling_yaml=SIBLING.replace("$NAME", stack.name))
    stack.deploy(TREE)
    other = Stack(stack.server, tmp_path / "other")
    other.deploy(SIBLING.replace("$NAME", stack.name))

    with pytest.raises(
        SetupError, match=f"Export us-east-1-{stack.name} cannot be deleted as it is in use by {other.name}"
    ):
        stack.delete()

    other.delete()
    stack.deploy(TREE)
    assert stack.changed() == {}
    stack.delete()
    assert stack.everything() == NOTHING


UNKNOWN = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Ship: {Type: AWS::Nowhere::Ship, Properties: {Pool: !Ref Pool}}
  Boat: {Type: AWS::Nowhere::Boat}
"""
NEEDING = """
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      UserPoolId: !Ref Pool
      ClientName: !Ref Ship
  Later: {Type: AWS::Cognito::UserPool, DependsOn: Boat}
Outputs:
  Ship: {Value: !GetAtt Ship.Name}
"""


def test_types_that_nobody_knows_are_one_error_or_left_out(stack: Stack) -> None:
    message = stack.refused(UNKNOWN)
    assert message == (
        "template.yaml:4: Types that are not supported yet: AWS::Nowhere::Ship (Ship, template.yaml:4), "
        "AWS::Nowhere::Boat (Boat, template.yaml:5); --skip-unknown goes on without them"
    )

    stack.skip_unknown = True
    stack.deploy(UNKNOWN)

    assert stack.done() == {"Pool": "Create"}
    assert stack.notes() == [
        "Ship: AWS::Nowhere::Ship is not known, it is left out (template.yaml:4)",
        "Boat: AWS::Nowhere::Boat is not known, it is left out (template.yaml:5)",
    ]
    assert stack.refused(UNKNOWN + NEEDING.lstrip("\n")) == (
        "template.yaml:10: What is left out is needed: Client needs Ship (template.yaml:10), Later needs Boat "
        "(template.yaml:11), Output Ship needs Ship (template.yaml:13)"
    )
    stack.delete()
    assert stack.everything() == NOTHING
