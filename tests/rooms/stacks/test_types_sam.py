"""A SAM template as people have them: what SAM makes of it can all be deployed, and what runs, runs."""

import json

import pytest

from tests.rooms.stacks.driver import NOTHING, Stack

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.12, Handler: index.handler, Timeout: 5, Tracing: Active}
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        import os
        def handler(event, context):
            return {"statusCode": 200, "body": os.environ["TABLE"] + " " + os.environ["QUEUE"]}
      Environment: {Variables: {TABLE: !Ref Table, QUEUE: !GetAtt Queue.QueueName}}
      Policies:
        - DynamoDBCrudPolicy: {TableName: !Ref Table}
        - SQSSendMessagePolicy: {QueueName: !GetAtt Queue.QueueName}
      AutoPublishAlias: live
      DeploymentPreference: {Type: AllAtOnce, Alarms: [!Ref Alarm]}
      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Queue.Arn}
      Events:
        Get: {Type: Api, Properties: {Path: /orders, Method: get}}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
        Later: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
        News: {Type: SNS, Properties: {Topic: !Ref Topic}}
        Files: {Type: S3, Properties: {Bucket: !Ref Bucket, Events: "s3:ObjectCreated:*"}}
        Rows: {Type: DynamoDB, Properties: {Stream: !GetAtt Streamed.StreamArn, StartingPosition: LATEST}}
        Said: {Type: CloudWatchLogs, Properties: {LogGroupName: !Ref Log, FilterPattern: x}}
        Ruled: {Type: EventBridgeRule, Properties: {Pattern: {source: [aws.ec2]}}}
  Table: {Type: AWS::Serverless::SimpleTable}
  Streamed:
    Type: AWS::DynamoDB::Table
    Properties: {StreamSpecification: {StreamViewType: NEW_IMAGE}, KeySchema: [{AttributeName: id, KeyType: HASH}]}
  Queue: {Type: AWS::SQS::Queue}
  Topic: {Type: AWS::SNS::Topic}
  Bucket: {Type: AWS::S3::Bucket}
  Log: {Type: AWS::Logs::LogGroup}
  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: Errors}}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties: {Definition: {StartAt: End, States: {End: {Type: Succeed}}}}
  Group: {Type: AWS::ResourceGroups::Group, Properties: {Name: app}}
  Insights: {Type: AWS::ApplicationInsights::Application, Properties: {ResourceGroupName: !Ref Group}}
Outputs:
  Api: {Value: !Ref ServerlessRestApi}
  Table: {Value: !Ref Table}
  Queue: {Value: !GetAtt Queue.QueueName}
  Alias: {Value: !Ref Orders.Alias}
  Flow: {Value: !Ref Flow}
"""


def test_a_template_with_neighbours_of_all_kinds_is_deployed_and_answers(stack: Stack) -> None:
    made = stack.deploy(TEMPLATE)

    assert stack.call(made["Api"], "/Prod/orders").text == f"{made['Table']} {made['Queue']}"
    assert made["Table"].startswith(f"{stack.name}-Table-")
    assert made["Flow"].startswith("arn:aws:states:us-east-1:000000000000:stateMachine:")
    lambda_ = stack.server.aws("lambda")
    alias = lambda_.get_alias(FunctionName=made["Alias"].rpartition(":")[0], Name="live")
    assert alias["FunctionVersion"] == "1"
    notes = "\n".join(stack.notes())
    for said in (
        "Table: AWS::DynamoDB::Table is recorded, nothing is made of it",
        "OrdersJobs: AWS::Lambda::EventSourceMapping is recorded, no event source is polled",
        "OrdersNightly: AWS::Events::Rule is recorded, no event sets anything off",
        "OrdersNews: AWS::SNS::Subscription is recorded, no message is delivered",
        "OrdersEventInvokeConfig: OnFailure is left out",
    ):
        assert said in notes, notes

    again = stack.deploy(TEMPLATE)
    assert (stack.changed(), again) == ({}, made)
    stack.delete()
    assert stack.everything() == NOTHING


LAYERED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer, LayerName: $NAME, CompatibleRuntimes: [python3.12], RetentionPolicy: $POLICY}
  Say:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Layers: [!Ref Shared]
      InlineCode: |
        import shared
        def handler(event, context):
            return shared.WORD
Outputs:
  Say: {Value: !Ref Say}
"""


@pytest.mark.parametrize(("policy", "left"), [("Delete", [2]), ("Retain", [2, 1])])
def test_a_layer_of_a_folder_follows_its_files(stack: Stack, policy: str, left: list[int]) -> None:
    text = LAYERED.replace("$NAME", f"{stack.name}-{policy}").replace("$POLICY", policy)
    lambda_ = stack.server.aws("lambda")
    (stack.folder / "layer" / "python").mkdir(parents=True)

    for word in ("first", "second"):
        (stack.folder / "layer" / "python" / "shared.py").write_text(f"WORD = {word!r}\n")
        made = stack.deploy(text)
        assert json.load(lambda_.invoke(FunctionName=made["Say"])["Payload"]) == word

    versions = lambda_.list_layer_versions(LayerName=f"{stack.name}-{policy}")["LayerVersions"]
    assert [each["Version"] for each in versions] == left
    stack.delete()
    assert stack.everything() == NOTHING


def test_the_definition_of_a_state_machine_may_be_a_file_that_nobody_reads(stack: Stack) -> None:
    text = (
        "Transform: AWS::Serverless-2016-10-31\nResources:\n"
        "  Flow: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: flow.asl.json}}\n"
        "Outputs: {Flow: {Value: !GetAtt Flow.Name}}\n"
    )

    assert stack.deploy(text)["Flow"].startswith(f"{stack.name}-Flow-")
    stack.delete()


def test_a_function_url_is_refused_with_its_line(stack: Stack) -> None:
    text = TEMPLATE.replace("      AutoPublishAlias: live", "      FunctionUrlConfig: {AuthType: AWS_IAM}")
    text = text[: text.index("      DeploymentPreference")] + text[text.index("      EventInvokeConfig") :]

    refusal = stack.refused(text.replace("  Alias: {Value: !Ref Orders.Alias}\n", ""))

    assert "Types that are not supported yet: AWS::Lambda::Url (OrdersUrl" in refusal
    assert json.dumps(stack.everything()) == json.dumps(NOTHING)
