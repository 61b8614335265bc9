"""What the values of a template are: intrinsic functions, pseudo parameters, scalars; YAML and JSON alike."""

import json
from typing import Any

import pytest

from tests.rooms.stacks.driver import Stack

HEAD = """
Parameters:
  Stage: {Type: String, Default: prod}
  Zones: {Type: CommaDelimitedList, Default: "a, b,c"}
  Count: {Type: Number, Default: 3}
Mappings:
  Sizes: {us-east-1: {small: "1", list: [x, y]}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Equals [!Ref Count, 3]]
  Nested: !And [!Or [!Not [!Equals [a, a]], !Condition Both], !Not [!And [!Condition IsDev, !Condition IsProd]]]
  Either: !Or [!Condition IsDev, !Equals [a, b]]
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
Outputs:
"""
VALUES: dict[str, tuple[str, Any]] = {
    "RefOfParameter": ("!Ref Stage", "prod"),
    "RefOfList": ('!Join ["-", !Ref Zones]', "a-b-c"),
    "Region": ("!Ref AWS::Region", "us-east-1"),
    "Account": ("!Ref AWS::AccountId", "000000000000"),
    "Partition": ("!Ref AWS::Partition", "aws"),
    "Suffix": ("!Ref AWS::URLSuffix", "amazonaws.com"),
    "Sub": ('!Sub "${Stage}/${AWS::Region}"', "prod/us-east-1"),
    "SubLiteral": ('!Sub "${!Stage} ${Stage}"', "${Stage} prod"),
    "SubOfNoValue": ('!Sub "${Stage}${AWS::NoValue}"', "prod"),
    "SubWithVariables": ('!Sub ["${x}-${Stage}", {x: !Ref Count}]', "3-prod"),
    "Select": ("!Select [1, !Ref Zones]", "b"),
    "Split": ('!Select [2, !Split [":", "p:q:r"]]', "r"),
    "FindInMap": ("!FindInMap [Sizes, !Ref AWS::Region, small]", "1"),
    "FindInMapList": ('!Join ["", !FindInMap [Sizes, us-east-1, list]]', "xy"),
    "FindInMapDefault": ("!FindInMap [Sizes, us-east-1, none, {DefaultValue: d}]", "d"),
    "If": ("!If [IsProd, yes it is, no]", "yes it is"),
    "IfNested": ("!If [IsDev, x, !If [Both, both, z]]", "both"),
    "IfOr": ("!If [Either, x, neither]", "neither"),
    "Base64": ("!Base64 scopegate", "c2NvcGVnYXRl"),
    "Cidr": ("!Select [1, !Cidr [10.0.0.0/16, 2, 8]]", "10.0.1.0/24"),
    "Zones": ('!Select [0, !GetAZs ""]', "us-east-1a"),
    "ZonesOfAnother": ('!Join [",", !GetAZs eu-west-1]', "eu-west-1a,eu-west-1b,eu-west-1c"),
    "NobodyNotified": ("{Fn::Length: !Ref AWS::NotificationARNs}", 0),
    "Nested": (
        '!Select [!If [IsProd, 1, 0], !Split ["/", !Sub ["x/${b}", {b: !Base64 {"Fn::Join": ["", [!Ref Stage]]}}]]]',
        "cHJvZA==",
    ),
    "NestedInMap": ('!FindInMap [!Join ["", [Si, zes]], !Ref AWS::Region, !If [IsDev, none, small]]', "1"),
    "SubOfMap": ('!Sub ["${n}", {n: !FindInMap [Sizes, us-east-1, small]}]', "1"),
    "CidrOfParts": (
        '!Join [" ", !Cidr [!Sub "10.0.0.0/2${Count}", !Ref Count, 5]]',
        "10.0.0.0/27 10.0.0.32/27 10.0.0.64/27",
    ),
    "IfOfConditions": ("!If [Nested, deep, shallow]", "deep"),
    "Length": ("{Fn::Length: !Ref Zones}", 3),
    "ToJson": ("{Fn::ToJsonString: {a: [1, !Ref Stage]}}", '{"a":[1,"prod"]}'),
    "LongForm": ("{Fn::Join: ['', [{Ref: Stage}, '!']]}", "prod!"),
    "NoValue": ('!Join ["", [a, !If [IsDev, b, !Ref AWS::NoValue], c]]', "ac"),
    "AccountNumber": ("012345678901", "012345678901"),
    "Date": ("2012-10-17", "2012-10-17"),
    "Sexagesimal": ("12:30:45", "12:30:45"),
    "Hexadecimal": ("0x10", 16),
    "Truth": ("yes", True),
    "Text": ('"yes"', "yes"),
}


def test_every_function_has_its_value(stack: Stack) -> None:
    lines = "".join(f"  {name}: {{Value: {text}}}\n" for name, (text, _) in VALUES.items())

    outputs = stack.deploy(HEAD + lines)

    assert outputs == {name: value for name, (_, value) in VALUES.items()}
    stack.delete()


def test_a_json_template_is_read_as_one_in_yaml(stack: Stack) -> None:
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "Pool": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": {"Ref": "AWS::StackName"}}}
        },
        "Outputs": {
            "Arn": {"Value": {"Fn::GetAtt": ["Pool", "Arn"]}},
            "Dotted": {"Value": {"Fn::GetAtt": "Pool.Arn"}},
            "Sub": {"Value": {"Fn::Sub": "${Pool.Arn}"}},
            "Id": {"Value": {"Ref": "AWS::StackId"}},
        },
    }

    outputs = stack.deploy(json.dumps(document, indent=1))

    (pool,) = stack.everything()["pools"]
    arn = f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}"
    assert (outputs["Arn"], outputs["Dotted"], outputs["Sub"]) == (arn, arn, arn)
    assert outputs["Id"].startswith(f"arn:aws:cloudformation:us-east-1:000000000000:stack/{stack.name}/")
    described = stack.server.aws("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
    assert described["Name"] == stack.name
    stack.delete()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("!Select [7, [a]]", "Fn::Select cannot take item 7 of 1"),
        ("!Join [a]", "Fn::Join takes a list of 2 values"),
        ("!Join [a, b]", "A list is expected here"),
        ("!Sub [a]", "Fn::Sub takes a list of 2 values"),
        ("!Sub {a: b}", "Fn::Sub"),
        ("!If [IsProd, a]", "Fn::If takes a list of 3 values"),
        ("!If [[a], b, c]", "Fn::If takes the name of a condition first"),
        ("!Cidr [nowhere, 1]", "Fn::Cidr: nowhere has no 1 networks of 8 bits"),
        ("!GetAtt Pool", "Fn::GetAtt takes a resource name and an attribute"),
        ("!GetAtt [Pool]", "Fn::GetAtt takes a resource name and an attribute"),
        ("!Ref [Pool]", "Ref takes a name"),
        ("!Base64 [a]", "Text is expected here"),
    ],
)
def test_a_misshapen_function_is_refused_with_its_line(stack: Stack, value: str, message: str) -> None:
    text = f"{HEAD}  Out:\n    Value: {value}\n"

    shown = stack.refused(text)

    assert shown.startswith(f"template.yaml:{len(text.splitlines())}: "), shown
    assert message in shown
    assert stack.everything()["pools"] == []
