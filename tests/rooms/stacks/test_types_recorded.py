"""Recorded types: nothing is made, but `Ref`, `Fn::GetAtt`, names and replacement are as CloudFormation has them."""

import re
from typing import Any

import pytest

from scopegate.aws.models import Models
from scopegate.aws.registry import table
from scopegate.server.operations import PACKAGES
from scopegate.stacks.resources import OURS, RESOURCES
from scopegate.stacks.types import recorded
from tests.rooms.stacks.driver import Stack


def outputs(stack: Stack, resource: str, *attributes: str) -> dict[str, Any]:
    """What `Ref` and each attribute of one resource give."""
    lines = ["Resources:", f"  Thing: {resource}", "Outputs:", "  Ref: {Value: !Ref Thing}"]
    lines += [f"  {name.replace('.', '')}: {{Value: !GetAtt Thing.{name}}}" for name in attributes]
    return stack.deploy("\n".join(lines))


TABLE = r"arn:aws:dynamodb:us-east-1:000000000000:table/{stack}-Thing-[A-Z0-9]{{12}}"
CASES = {
    "a table": (
        "{Type: AWS::DynamoDB::Table, Properties: {KeySchema: [{AttributeName: id, KeyType: HASH}]}}",
        {"Ref": "{stack}-Thing-[A-Z0-9]{{12}}", "Arn": TABLE, "StreamArn": rf"{TABLE}/stream/20\d\d-[-:.T0-9]+"},
    ),
    "a bucket": (
        "{Type: AWS::S3::Bucket}",
        {
            "Ref": "{stack}-thing-[a-z0-9]{{12}}",
            "Arn": "arn:aws:s3:::{stack}-thing-[a-z0-9]{{12}}",
            "RegionalDomainName": r"{stack}-thing-[a-z0-9]{{12}}\.s3\.us-east-1\.amazonaws\.com",
            "WebsiteURL": r"http://{stack}-thing-[a-z0-9]{{12}}\.s3-website-us-east-1\.amazonaws\.com",
        },
    ),
    "a queue": (
        "{Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}",
        {
            "Ref": r"https://sqs\.us-east-1\.amazonaws\.com/000000000000/{stack}-Thing-[A-Z0-9]{{12}}\.fifo",
            "Arn": r"arn:aws:sqs:us-east-1:000000000000:{stack}-Thing-[A-Z0-9]{{12}}\.fifo",
            "QueueName": r"{stack}-Thing-[A-Z0-9]{{12}}\.fifo",
        },
    ),
    "a named topic": (
        "{Type: AWS::SNS::Topic, Properties: {TopicName: news}}",
        {"Ref": "arn:aws:sns:us-east-1:000000000000:news", "TopicName": "news"},
    ),
    "a rule of a bus": (
        "{Type: AWS::Events::Rule, Properties: {Name: nightly, EventBusName: own, ScheduleExpression: rate(1 day)}}",
        {"Ref": r"own\|nightly", "Arn": "arn:aws:events:us-east-1:000000000000:rule/own/nightly"},
    ),
    "a rule": (
        "{Type: AWS::Events::Rule, Properties: {Name: nightly, ScheduleExpression: rate(1 day)}}",
        {"Ref": "nightly", "Arn": "arn:aws:events:us-east-1:000000000000:rule/nightly"},
    ),
    "a parameter": (
        "{Type: AWS::SSM::Parameter, Properties: {Name: /app/level, Type: String, Value: 3}}",
        {"Ref": "/app/level", "Value": "3", "Arn": "arn:aws:ssm:us-east-1:000000000000:parameter/app/level"},
    ),
    "a secret": (
        "{Type: AWS::SecretsManager::Secret, Properties: {Name: app, GenerateSecretString: {PasswordLength: 20}}}",
        {"Ref": "arn:aws:secretsmanager:us-east-1:000000000000:secret:app-[A-Za-z0-9]{{6}}"},
    ),
    "a network": (
        "{Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}",
        {"Ref": "vpc-[0-9a-f]{{17}}", "CidrBlock": "10.0.0.0/16", "DefaultSecurityGroup": "sg-[0-9a-f]{{17}}"},
    ),
    "a database": (
        "{Type: AWS::RDS::DBInstance, Properties: {DBInstanceIdentifier: main, Engine: postgres, Port: 5432}}",
        {
            "Ref": "main",
            "Endpoint.Address": r"main\.[a-z0-9]{{12}}\.us-east-1\.rds\.amazonaws\.com",
            "Endpoint.Port": "5432",
        },
    ),
    "a state machine": (
        "{Type: AWS::StepFunctions::StateMachine, Properties: {StateMachineName: flow, RoleArn: r}}",
        {"Ref": "arn:aws:states:us-east-1:000000000000:stateMachine:flow", "Name": "flow"},
    ),
    "an image repository": (
        "{Type: AWS::ECR::Repository, Properties: {RepositoryName: app}}",
        {"Ref": "app", "RepositoryUri": r"000000000000\.dkr\.ecr\.us-east-1\.amazonaws\.com/app"},
    ),
    "a web ACL": (
        "{Type: AWS::WAFv2::WebACL, Properties: {Name: wall, Scope: REGIONAL, DefaultAction: {Allow: {}}}}",
        {
            "Ref": r"wall\|[-0-9a-f]{{36}}\|REGIONAL",
            "Arn": "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/wall/[-0-9a-f]{{36}}",
        },
    ),
    "an event source": (
        "{Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: f, EventSourceArn: q}}",
        {"Ref": "[-0-9a-f]{{36}}", "Id": "[-0-9a-f]{{36}}"},
    ),
    "a domain name": (
        "{Type: AWS::ApiGateway::DomainName, Properties: {DomainName: api.example.com}}",
        {
            "Ref": r"api\.example\.com",
            "RegionalDomainName": r"d-[a-z0-9]{{10}}\.execute-api\.us-east-1\.amazonaws\.com",
        },
    ),
}


@pytest.mark.parametrize(("resource", "expected"), CASES.values(), ids=CASES)
def test_ids_and_attributes_are_as_cloudformation_gives_them(
    stack: Stack, resource: str, expected: dict[str, str]
) -> None:
    given = outputs(stack, resource, *(name for name in expected if name != "Ref"))

    for name, pattern in expected.items():
        assert re.fullmatch(pattern.format(stack=stack.name), given[name.replace(".", "")]), (name, given)
    kind = re.findall(r"AWS::\w+::\w+", resource)[0]
    assert [note for note in stack.notes() if note.startswith(f"Thing: {kind} is recorded, ")] == stack.notes()
    assert len(stack.notes()) == 1
    stack.delete()


def test_a_recorded_resource_keeps_its_ids_until_a_property_replaces_it(stack: Stack) -> None:
    def text(properties: str) -> str:
        return (
            f"Resources:\n  Queue: {{Type: AWS::SQS::Queue, Properties: {{{properties}}}}}\n"
            "Outputs: {Url: {Value: !Ref Queue}, Arn: {Value: !GetAtt Queue.Arn}}"
        )

    made = stack.deploy(text("VisibilityTimeout: 30"))
    again = stack.deploy(text("VisibilityTimeout: 60"))
    assert (stack.changed(), again, stack.notes()) == ({"Queue": "Update"}, made, [])

    named = stack.deploy(text("QueueName: jobs"))
    assert stack.changed() == {"Queue": "Delete"}
    assert named["Url"].endswith("/000000000000/jobs")
    assert named["Arn"] == "arn:aws:sqs:us-east-1:000000000000:jobs"
    stack.delete()


def test_what_guards_an_api_and_cannot_be_had_is_never_recorded(stack: Stack) -> None:
    """Design: *accepted* must never look like *enforced*."""
    text = """
Resources:
  Wall:
    Type: AWS::WAFv2::WebACLAssociation
    Properties:
      ResourceArn: arn:aws:apigateway:us-east-1::/restapis/a/stages/prod
      WebACLArn: arn:aws:wafv2:us-east-1:000000000000:regional/webacl/wall/1
"""
    assert "Types that are not supported yet: AWS::WAFv2::WebACLAssociation (Wall, template.yaml:3)" in stack.refused(
        text
    )


def test_a_property_without_which_there_is_no_id_is_asked_for(stack: Stack) -> None:
    text = "Resources:\n  Policy: {Type: AWS::S3::BucketPolicy, Properties: {PolicyDocument: {}}}\n"

    assert "AWS::S3::BucketPolicy needs the property Bucket" in stack.refused(text)


@pytest.mark.parametrize("kind", recorded.TYPES)
def test_every_recorded_type_gives_a_text_for_all_that_it_names(stack: Stack, kind: str) -> None:
    """All at their emptiest: what is required, and nothing else."""
    row = RESOURCES[kind]
    properties = "".join(f"      {name}: given\n" for name in row.required)
    shown = "".join(f"  A{number}: {{Value: !GetAtt Thing.{name}}}\n" for number, name in enumerate(row.attributes))
    text = f"Resources:\n  Thing:\n    Type: {kind}\n    Properties:\n{properties or '      Tags: []'}\n"

    given = stack.deploy(f"{text}\nOutputs:\n  Ref: {{Value: !Ref Thing}}\n{shown}")

    flat = [each for value in given.values() for each in (value if isinstance(value, list) else [value])]
    assert given["Ref"]
    assert all("{" not in each and "[" not in each for each in flat if each != "{}"), given
    stack.delete()


OURS_BY_NAME = [(service, name) for service, kinds in OURS.items() for name in kinds]


@pytest.mark.parametrize(("service", "name"), OURS_BY_NAME, ids=[name for _, name in OURS_BY_NAME])
def test_a_type_of_our_services_names_operations_that_are_built_and_properties_that_it_has(
    service: str, name: str
) -> None:
    kind = OURS[service][name]
    built = {operation for of, operation in table(PACKAGES, Models()) if of == service}

    assert kind.ref
    assert kind.operations <= built
    assert {*kind.stored, *kind.left_out, *kind.refused, *kind.required, *kind.replaces} <= kind.properties
