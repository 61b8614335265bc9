"""`Fn::ForEach`, `Rules`, parameters that are looked up, and policies and conditions that are worked out.

Source: AWS::LanguageExtensions; CloudFormation, Rules section, rule-specific functions, parameters section.
"""

import pytest

from tests.rooms.stacks.driver import NOTHING, Stack

LOOP = """
Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList, Default: "orders,items"}
  Kept: {Type: String, Default: Delete}
Mappings:
  Scopes: {all: {names: [read, write]}}
Conditions:
  Fn::ForEach::Conditions:
    - Name
    - !Ref Names
    - Is${Name}: !Equals [!Ref AWS::Region, us-east-1]
Resources:
  Pool: {Type: AWS::Cognito::UserPool, DeletionPolicy: !Ref Kept}
  Fn::ForEach::Servers:
    - Name
    - !Ref Names
    - Server${Name}:
        Type: AWS::Cognito::UserPoolResourceServer
        Condition: Is${Name}
        Properties:
          UserPoolId: !Ref Pool
          Identifier: !Ref Name
          Name: !Sub "the ${Name}"
          Scopes:
            - {ScopeName: read, ScopeDescription: "${Name}"}
      Fn::ForEach::Clients:
        - Scope
        - !FindInMap [Scopes, all, names]
        - Client${Name}${Scope}:
            Type: AWS::Cognito::UserPoolClient
            DependsOn: Server${Name}
            Properties:
              UserPoolId: !Ref Pool
              ClientName: "${Name}-${Scope}"
Outputs:
  Pool: {Value: !Ref Pool}
  Count: {Value: {Fn::Length: !Ref Names}}
  Fn::ForEach::Outputs:
    - Name
    - !Ref Names
    - Client${Name}:
        Value: !GetAtt [!Sub "Client${Name}read", ClientId]
      Same${Name}:
        Value: !Ref
          Fn::Sub: Client${Name}read
"""


def test_what_a_template_repeats_is_made(stack: Stack) -> None:
    made = stack.deploy(LOOP)

    idp = stack.server.aws("cognito-idp")
    servers = idp.list_resource_servers(UserPoolId=made["Pool"], MaxResults=9)["ResourceServers"]
    named = {server["Identifier"]: (server["Name"], server["Scopes"][0]["ScopeDescription"]) for server in servers}
    assert named == {"orders": ("the orders", "orders"), "items": ("the items", "items")}
    clients = idp.list_user_pool_clients(UserPoolId=made["Pool"], MaxResults=9)["UserPoolClients"]
    by_name = {client["ClientName"]: client["ClientId"] for client in clients}
    assert by_name.keys() == {"orders-read", "orders-write", "items-read", "items-write"}
    assert made["Clientorders"] == made["Sameorders"] == by_name["orders-read"]
    assert made["Count"] == 2

    stack.deploy(LOOP, Names="orders")
    assert set(stack.changed()) == {"Serveritems", "Clientitemsread", "Clientitemswrite"}
    stack.deploy(LOOP, Names="orders", Kept="Retain")
    stack.delete()
    assert stack.everything()["pools"] == [made["Pool"]]
    idp.delete_user_pool(UserPoolId=made["Pool"])


def test_items_that_are_no_names_lose_what_is_none(stack: Stack) -> None:
    stack.deploy(
        """
Resources:
  Fn::ForEach::Pools:
    - Zone
    - [eu-west, us.east]
    - Pool&{Zone}: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: "${Zone}"}}
"""
    )

    assert stack.done() == {"Pooleuwest": "Create", "Pooluseast": "Create"}
    assert "template.yaml: Fn::ForEach::Pools without Transform: AWS::LanguageExtensions" in stack.notes()[0]
    stack.delete()


def with_loop(loop: str) -> str:
    return f"Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::Pools:\n{loop}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_loop("    - [a]\n"), "template.yaml:3: Fn::ForEach takes an identifier, a collection and a mapping"),
        (
            with_loop("    - X\n    - a\n    - {'P${X}': {Type: AWS::Cognito::UserPool}}\n"),
            "template.yaml:5: The collection of",
        ),
        (
            with_loop("    - X\n    - [a, b]\n    - {Same: {Type: AWS::Cognito::UserPool}}\n"),
            "template.yaml:6: The key 'Same' comes",
        ),
        (
            with_loop("    - X\n    - [a-b]\n    - {'P${X}': {Type: AWS::Cognito::UserPool}}\n"),
            "template.yaml:6: Resource name Pa-b is",
        ),
        (
            with_loop(
                "    - X\n    - [a]\n    - P${X}:\n        Type: AWS::Cognito::UserPool\n        Properties: {Nme: x}\n"
            ),
            "template.yaml:8: Pa: AWS::Cognito::UserPool has no property Nme",
        ),
        (
            "Resources: {Pool: {Type: AWS::Cognito::UserPool, DeletionPolicy: Keep}}",
            "DeletionPolicy of Pool must be one of Delete, Retain, RetainExceptOnCreate, Snapshot",
        ),
        (
            "Resources: {Pool: {Type: AWS::Cognito::UserPool, DeletionPolicy: Snapshot}}",
            "DeletionPolicy of Pool: AWS::Cognito::UserPool has no snapshots",
        ),
        (
            "Conditions: {Never: !Equals [a, b]}\nResources:\n"
            "  Pool: {Type: AWS::Cognito::UserPool, Condition: Never}\nOutputs:\n  Pool:\n    Value: !Ref Pool\n",
            "template.yaml:6: Pool does not exist in this stack: its condition is false",
        ),
    ],
)
def test_a_fault_of_what_is_worked_out_has_its_line(stack: Stack, text: str, message: str) -> None:
    shown = stack.refused(text)

    assert message in shown, shown
    assert stack.everything() == NOTHING


RULES = """
Parameters:
  Stage: {Type: String, Default: dev}
  Size: {Type: Number, Default: 1}
  Zones: {Type: CommaDelimitedList, Default: "us-east-1a,us-east-1b"}
Rules:
  Small:
    RuleCondition: !Not [!Equals [!Ref Stage, prod]]
    Assertions:
      - Assert: {Fn::Contains: [["1", "2"], !Ref Size]}
        AssertDescription: only prod is large
  Zones:
    Assertions:
      - Assert: {Fn::EachMemberIn: [!Ref Zones, {Fn::RefAll: "AWS::EC2::AvailabilityZone::Name"}]}
        AssertDescription: zones are of this region
  Together:
    Assertions:
      - Assert: !Or
          - {Fn::EachMemberEquals: [[!Ref Stage], dev]}
          - !And [!Equals [!Ref Stage, prod], !Not [!Equals [!Ref Size, "1"]]]
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
"""


def test_rules_decide_what_goes_together(stack: Stack) -> None:
    stack.deploy(RULES)
    stack.deploy(RULES, Stage="prod", Size="9")

    assert "template.yaml:10: Rule Small: only prod is large" in stack.refused(RULES, Size="9")
    assert "template.yaml:14: Rule Zones: zones are of this region" in stack.refused(RULES, Zones="eu-west-1a")
    assert "Rule Together: the assertion fails" in stack.refused(RULES, Stage="prod", Size="1")
    assert all("state" not in event for event in stack.events)
    stack.delete()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{Assertions: [{Assert: {Fn::Contains: [[a], [b]]}}]}", "Fn::Contains takes one value here"),
        ("{Assertions: [{Assert: {Fn::EachMemberIn: [a, [b]]}}]}", "Fn::EachMemberIn takes a list here"),
        ("{Assertions: [{Assert: {Fn::Join: ['', [a]]}}]}", "A rule is made of Fn::And, Fn::Contains"),
        ("{Assertions: [{Assert: {Fn::Equals: [a]}}]}", "Fn::Equals takes a list of 2 values"),
        (
            "{Assertions: [{Assert: {Fn::Equals: [{Fn::ValueOf: [Vpc, DefaultVpc]}, a]}}]}",
            "Fn::ValueOf: DefaultVpc of what Vpc",
        ),
        ("{Assertion: []}", "Rule R has no list of Assertions"),
        ("{Assertions: [{Asert: x}]}", "An assertion of rule R has no Assert"),
    ],
)
def test_a_misshapen_rule_is_refused(stack: Stack, rule: str, message: str) -> None:
    text = (
        "Parameters: {Vpc: {Type: 'AWS::EC2::VPC::Id', Default: vpc-1}}\n"
        f"Rules: {{R: {rule}}}\nResources: {{Pool: {{Type: AWS::Cognito::UserPool}}}}"
    )
    assert message in stack.refused(text)


LOOKED_UP = """
Parameters:
  Name: {Type: "AWS::SSM::Parameter::Value<String>", Default: $PATH}
Resources:
  Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: !Ref Name}}
Outputs: {Name: {Value: !Ref Name}}
"""


def test_a_value_is_looked_up_in_a_parameter_that_a_stack_keeps(stack: Stack) -> None:
    path = f"/{stack.name}/name"
    text = LOOKED_UP.replace("$PATH", path)
    assert "no stack here keeps it; give it with --param Name=VALUE" in stack.refused(text)
    assert stack.deploy(text, Name="given") == {"Name": "given"}
    keeper = Stack(stack.server, stack.folder / "keeper")
    stack.folder.joinpath("keeper").mkdir()
    keeper.deploy(
        f"Resources: {{Kept: {{Type: AWS::SSM::Parameter, Properties: {{Name: {path}, Type: String, Value: kept}}}}}}"
    )

    assert stack.deploy(text) == {"Name": "kept"}

    stack.delete()
    keeper.delete()


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("{Default: x}", "template.yaml:1: Parameter P has no Type"),
        ("{Type: Text, Default: x}", "template.yaml:1: Parameter P has the type Text, which parameters do not have"),
        ("{Type: 'List<AWS::EC2::Subnet::Id>', Default: 'a,b', AllowedValues: [a]}", "Parameter P must be one of a"),
    ],
)
def test_a_parameter_has_a_type_of_those_there_are(stack: Stack, definition: str, message: str) -> None:
    text = f"Parameters: {{P: {definition}}}\nResources: {{Pool: {{Type: AWS::Cognito::UserPool}}}}"

    assert message in stack.refused(text)
