"""`AWS::Lambda::*` beside functions, versions and aliases themselves: what their properties set, and unset."""

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rooms.stacks.driver import FUNCTION, NOTHING, ROLE, Stack

PARTS = f"""
Resources:
{ROLE}{FUNCTION}
  Version: {{Type: AWS::Lambda::Version, Properties: {{FunctionName: !Ref Function, $VERSION}}}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {{FunctionName: !Ref Function, Name: live, FunctionVersion: !GetAtt Version.Version, $ALIAS}}
Outputs:
  Function: {{Value: !Ref Function}}
  Version: {{Value: !GetAtt Version.Version}}
"""


def parts(function: str = "", alias: str = "", version: str = "") -> str:
    text = PARTS.replace(", $VERSION", f", {version}" if version else "")
    text = text.replace(", $ALIAS", f", {alias}" if alias else "")
    return text.replace("      Runtime: python3.12\n", f"      Runtime: python3.12\n{function}")


def test_settings_that_have_operations_of_their_own_are_set_and_go_back(stack: Stack) -> None:
    function = (
        "      RecursiveLoop: Allow\n      RuntimeManagementConfig: {UpdateRuntimeOn: FunctionUpdate}\n"
        "      LoggingConfig: {LogFormat: JSON, LogGroup: /own}\n"
    )
    provisioned = "ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}"
    made = stack.deploy(parts(function, provisioned))
    lambda_ = stack.server.aws("lambda")
    name = made["Function"]

    assert lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert lambda_.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"
    logging = lambda_.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert (logging["LogFormat"], logging["LogGroup"]) == ("JSON", "/own")
    kept = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    assert kept["RequestedProvisionedConcurrentExecutions"] == 2

    stack.deploy(parts())
    assert stack.changed() == {"Function": "Update", "Alias": "Update"}
    assert lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert lambda_.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    logging = lambda_.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert logging == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config found"):
        lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    stack.delete()
    assert stack.everything() == NOTHING


def test_a_version_has_its_own_concurrency_and_runtime_policy(stack: Stack) -> None:
    policy = "RuntimePolicy: {UpdateRuntimeOn: FunctionUpdate}"
    provisioned = "ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}"

    made = stack.deploy(parts(version=f"{policy}, {provisioned}"))

    lambda_ = stack.server.aws("lambda")
    version = {"FunctionName": made["Function"], "Qualifier": made["Version"]}
    assert lambda_.get_runtime_management_config(**version)["UpdateRuntimeOn"] == "FunctionUpdate"
    kept = lambda_.get_provisioned_concurrency_config(**version)
    assert kept["RequestedProvisionedConcurrentExecutions"] == 1
    stack.delete()


def test_a_network_and_snapshots_are_left_out_and_said(stack: Stack) -> None:
    stack.deploy(
        parts("      VpcConfig: {SubnetIds: [subnet-1], SecurityGroupIds: []}\n      SnapStart: {ApplyOn: None}\n")
    )

    assert [note for note in stack.notes() if "left out" in note] == [
        "Function: SnapStart is left out, the function runs without it",
        "Function: VpcConfig is left out, the function runs without it",
    ]
    stack.delete()


@pytest.mark.parametrize(
    "setting",
    [
        "CodeSigningConfigArn: arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
        "FileSystemConfigs: [{Arn: 'arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/"
        "fsap-0123456789abcdef0', LocalMountPath: /mnt/a}]",
    ],
)
def test_what_would_change_what_a_function_does_is_refused(stack: Stack, setting: str) -> None:
    assert f"{setting.partition(':')[0]} is not supported yet" in stack.refused(parts(f"      {setting}\n"))
    assert stack.everything() == NOTHING


EVENTS = """
  Other:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: {ZipFile: "def handler(event, context): return 1"}
  Queue: {Type: AWS::SQS::Queue}
  Events:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {FunctionName: !Ref Function, Qualifier: $QUALIFIER, $SETTINGS}
"""


def events(settings: str, qualifier: str = "$LATEST") -> str:
    more = EVENTS.replace("$QUALIFIER", qualifier).replace("$SETTINGS", settings)
    return parts().replace("Outputs:", f"{more.lstrip()}Outputs:".replace("Other:", "  Other:", 1))


def test_events_are_tried_and_sent_on_as_the_template_says(stack: Stack) -> None:
    destinations = (
        "DestinationConfig: {OnSuccess: {Destination: !GetAtt Other.Arn}, OnFailure: {Destination: !GetAtt Queue.Arn}}"
    )
    made = stack.deploy(events(f"MaximumRetryAttempts: 0, {destinations}"))
    lambda_ = stack.server.aws("lambda")
    name = made["Function"]

    kept = lambda_.get_function_event_invoke_config(FunctionName=name)
    assert kept["MaximumRetryAttempts"] == 0
    assert kept["DestinationConfig"]["OnSuccess"]["Destination"].endswith(":function:" + other(stack))
    assert kept["DestinationConfig"]["OnFailure"] == {}
    assert any(
        note.startswith("Events: OnFailure is left out, nothing is sent to arn:aws:sqs:") for note in stack.notes()
    )

    stack.deploy(events("MaximumEventAgeInSeconds: 120"))
    assert stack.changed() == {"Events": "Update"}
    kept = lambda_.get_function_event_invoke_config(FunctionName=name)
    assert (kept["MaximumEventAgeInSeconds"], kept["DestinationConfig"]["OnSuccess"]) == (120, {})

    stack.deploy(events("MaximumRetryAttempts: 1", "live").replace("  Events:", "  Events:\n    DependsOn: Alias"))
    assert stack.changed() == {"Events": "Replace"}
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        lambda_.get_function_event_invoke_config(FunctionName=name)
    assert lambda_.get_function_event_invoke_config(FunctionName=name, Qualifier="live")["MaximumRetryAttempts"] == 1
    stack.delete()
    assert stack.everything() == NOTHING


def other(stack: Stack) -> str:
    return next(name for name in stack.everything()["functions"] if "-Other-" in name)


LAYERS = f"""
Resources:
{ROLE}
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties: {{Content: shared.zip, LayerName: $NAME, Description: $DESCRIPTION, CompatibleRuntimes: [python3.12]}}
  Share:
    Type: AWS::Lambda::LayerVersionPermission
    Properties: {{LayerVersionArn: !Ref Layer, Action: lambda:GetLayerVersion, Principal: "*"}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Layers: [!Ref Layer]
      Code:
        ZipFile: |
          import shared
          def handler(event, context):
              return shared.WORD
Outputs:
  Layer: {{Value: !GetAtt Layer.LayerVersionArn}}
  Function: {{Value: !Ref Function}}
"""


def pack(stack: Stack, word: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/shared.py", f"WORD = {word!r}\n")
    stack.folder.mkdir(exist_ok=True)
    (stack.folder / "shared.zip").write_bytes(buffer.getvalue())


def test_a_layer_is_published_shared_and_used(stack: Stack) -> None:
    lambda_ = stack.server.aws("lambda")

    def deploy(description: str) -> dict[str, Any]:
        text = LAYERS.replace("$NAME", f"{stack.name}-shared").replace("$DESCRIPTION", description)
        return stack.deploy(text)

    def said(function: str) -> Any:
        return json.load(lambda_.invoke(FunctionName=function)["Payload"])

    pack(stack, "first")
    made = deploy("one")
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{stack.name}-shared"
    assert made["Layer"] == f"{arn}:1"
    assert said(made["Function"]) == "first"
    policy = json.loads(lambda_.get_layer_version_policy(LayerName=arn, VersionNumber=1)["Policy"])
    assert policy["Statement"][0]["Principal"] == "*"

    pack(stack, "second")
    again = deploy("two")
    assert again["Layer"] == f"{arn}:2"
    assert stack.changed() == {"Layer": "Delete", "Share": "Delete", "Function": "Update"}
    assert said(made["Function"]) == "second"
    assert [each["Version"] for each in lambda_.list_layer_versions(LayerName=arn)["LayerVersions"]] == [2]

    stack.delete()
    assert lambda_.list_layer_versions(LayerName=arn)["LayerVersions"] == []
    assert stack.everything() == NOTHING
