"""`AWS::ApiGateway::*` and `AWS::ApiGatewayV2::*`: what has no part in routing, and settings that change in place."""

import json
from typing import Any

import pytest

from tests.rooms.stacks.driver import NOTHING, Stack

MOCKED = """
  Root:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: GET
      MethodResponses: [{StatusCode: "200"}]
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: '{"statusCode": 200}'}
        IntegrationResponses: [{StatusCode: "200"}]
"""


def documented(text: str, version: str, description: str) -> str:
    return f"""
Resources:
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: api}}}}
  Part:
    Type: AWS::ApiGateway::DocumentationPart
    Properties:
      RestApiId: !Ref Api
      Location: {{Type: METHOD, Path: /orders, Method: GET}}
      Properties: '{{"description": "{text}"}}'
  Version:
    Type: AWS::ApiGateway::DocumentationVersion
    DependsOn: Part
    Properties: {{RestApiId: !Ref Api, DocumentationVersion: "{version}", Description: {description}}}
Outputs:
  Api: {{Value: !Ref Api}}
  Part: {{Value: !GetAtt Part.DocumentationPartId}}
  Version: {{Value: !Ref Version}}
"""


def test_documentation_follows_its_template(stack: Stack) -> None:
    made = stack.deploy(documented("lists", "1", "first"))
    v1 = stack.server.aws("apigateway")
    api = made["Api"]

    part = v1.get_documentation_part(restApiId=api, documentationPartId=made["Part"])
    assert part["location"] == {"type": "METHOD", "path": "/orders", "method": "GET"}
    assert json.loads(part["properties"]) == {"description": "lists"}
    assert made["Version"] == "1"

    stack.deploy(documented("lists all", "1", "again"))
    assert stack.changed() == {"Part": "Update", "Version": "Update"}
    part = v1.get_documentation_part(restApiId=api, documentationPartId=made["Part"])
    assert json.loads(part["properties"]) == {"description": "lists all"}
    version = v1.get_documentation_version(restApiId=api, documentationVersion="1")
    assert version["description"] == "again"

    stack.deploy(documented("lists all", "2", "again"))
    assert [each["version"] for each in v1.get_documentation_versions(restApiId=api)["items"]] == ["2"]
    stack.delete()
    assert stack.everything() == NOTHING


def test_another_description_of_a_deployments_stage_changes_the_stage_and_takes_no_snapshot(stack: Stack) -> None:
    """Reference, control plane, 7.1."""

    def text(description: str) -> str:
        return f"""
Resources:
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: api}}}}
{MOCKED}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Root
    Properties: {{RestApiId: !Ref Api, StageName: prod, StageDescription: {{{description}}}}}
Outputs:
  Api: {{Value: !Ref Api}}
  Deployment: {{Value: !Ref Deployment}}
"""

    made = stack.deploy(text("ThrottlingBurstLimit: 5, Variables: {colour: blue}, Description: one"))
    again = stack.deploy(text("ThrottlingBurstLimit: 9, Variables: {size: big}, TracingEnabled: true"))

    assert stack.changed() == {"Deployment": "Update"}
    assert again == made
    stage = stack.server.aws("apigateway").get_stage(restApiId=made["Api"], stageName="prod")
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 9
    assert (stage["variables"], stage["tracingEnabled"], stage.get("description", "")) == ({"size": "big"}, True, "")
    stack.delete()


def test_another_stage_of_a_deployment_shows_the_same_snapshot(stack: Stack) -> None:
    """Reference, control plane, 7.1. What a failed deployment moved goes back."""

    def text(stage: str, more: str = "") -> str:
        return f"""
Resources:
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: api}}}}
{MOCKED}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Root
    Properties: {{RestApiId: !Ref Api, {stage}}}
{more}
Outputs:
  Api: {{Value: !Ref Api}}
  Deployment: {{Value: !Ref Deployment}}
"""

    first = "StageName: first, StageDescription: {ThrottlingBurstLimit: 5, Variables: {colour: blue}}"
    made = stack.deploy(text(first))
    v1 = stack.server.aws("apigateway")

    def stages() -> dict[str, str]:
        return {each["stageName"]: each["deploymentId"] for each in v1.get_stages(restApiId=made["Api"])["item"]}

    broken = "  Last: {Type: AWS::Cognito::UserPool, DependsOn: Deployment, Properties: {MfaConfiguration: MAYBE}}"
    stack.refused(text(first.replace("first", "second"), broken))
    assert stages() == {"first": made["Deployment"]}

    assert stack.deploy(text(first.replace("first", "second"))) == made
    assert stack.changed() == {"Deployment": "Update"}
    assert stages() == {"second": made["Deployment"]}
    assert stack.call(made["Api"], "/second/").status_code == 200
    stage = v1.get_stage(restApiId=made["Api"], stageName="second")
    assert (stage["variables"], stage["methodSettings"]["*/*"]["throttlingBurstLimit"]) == ({"colour": "blue"}, 5)

    stack.deploy(text("Description: of no stage"))
    assert stages() == {}
    stack.delete()
    assert stack.everything() == NOTHING


def test_the_endpoint_of_an_api_changes_in_place(stack: Stack) -> None:
    def text(endpoint: str) -> str:
        return (
            "Resources:\n  Api:\n    Type: AWS::ApiGateway::RestApi\n    Properties:\n      Name: api\n"
            f"      EndpointConfiguration: {{{endpoint}}}\nOutputs: {{Api: {{Value: !Ref Api}}}}\n"
        )

    api = stack.deploy(text("Types: [REGIONAL], IpAddressType: ipv4"))["Api"]
    v1 = stack.server.aws("apigateway")
    seen = []
    for endpoint in (
        "Types: [REGIONAL], IpAddressType: dualstack",
        "Types: [PRIVATE], VpcEndpointIds: [vpce-1, vpce-2]",
        "Types: [PRIVATE], VpcEndpointIds: [vpce-2, vpce-3]",
        "Types: [REGIONAL]",
    ):
        assert stack.deploy(text(endpoint))["Api"] == api
        configuration = v1.get_rest_api(restApiId=api)["endpointConfiguration"]
        seen.append((*configuration["types"], sorted(configuration.get("vpcEndpointIds", []))))

    assert seen == [
        ("REGIONAL", []),
        ("PRIVATE", ["vpce-1", "vpce-2"]),
        ("PRIVATE", ["vpce-2", "vpce-3"]),
        ("REGIONAL", []),
    ]
    stack.delete()


DOMAIN = """
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: api, ProtocolType: HTTP}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: $default, AutoDeploy: true}}
  Certificate: {Type: AWS::CertificateManager::Certificate, Properties: {DomainName: api.example.com}}
  Domain:
    Type: AWS::ApiGatewayV2::DomainName
    Properties:
      DomainName: api.example.com
      DomainNameConfigurations: [{CertificateArn: !Ref Certificate}]
  Mapping:
    Type: AWS::ApiGatewayV2::ApiMapping
    Properties: {ApiId: !Ref Api, Stage: !Ref Stage, DomainName: !Ref Domain}
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      Name: api.example.com
      Type: A
      AliasTarget: {DNSName: !GetAtt Domain.RegionalDomainName, HostedZoneId: !GetAtt Domain.RegionalHostedZoneId}
Outputs:
  Api: {Value: !Ref Api}
  Arn: {Value: !GetAtt Api.ExecuteApiArn}
"""


def test_no_api_answers_under_a_domain_name_that_is_recorded(stack: Stack) -> None:
    made = stack.deploy(DOMAIN)

    assert made["Arn"] == f"arn:aws:execute-api:us-east-1:000000000000:{made['Api']}"
    assert stack.server.http("GET", "/", host="api.example.com").status_code == 421
    assert any(
        note.startswith("Domain: AWS::ApiGatewayV2::DomainName is recorded, no API answers under this name")
        for note in stack.notes()
    )
    stack.delete()
    assert stack.everything() == NOTHING


@pytest.mark.parametrize("kind", ["RoutingRule", "RouteResponse", "IntegrationResponse"])
def test_what_would_change_which_route_answers_is_refused(stack: Stack, kind: str) -> None:
    text = f"Resources:\n  Thing: {{Type: AWS::ApiGatewayV2::{kind}, Properties: {{ApiId: a}}}}\n"

    assert f"Types that are not supported yet: AWS::ApiGatewayV2::{kind}" in stack.refused(text)


KEYS = f"""
Resources:
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: api}}}}
{MOCKED}
  Deployment: {{Type: AWS::ApiGateway::Deployment, DependsOn: Root, Properties: {{RestApiId: !Ref Api}}}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {{RestApiId: !Ref Api, StageName: prod, DeploymentId: !Ref Deployment, $CANARY}}
  Key:
    Type: AWS::ApiGateway::ApiKey
    Properties: {{Enabled: true, StageKeys: [$STAGES]}}
Outputs:
  Api: {{Value: !Ref Api}}
  Key: {{Value: !Ref Key}}
"""


def test_a_canary_and_the_stages_of_a_key_change_in_place(stack: Stack) -> None:
    def text(canary: str, stages: str) -> str:
        return KEYS.replace("$CANARY", canary).replace("$STAGES", stages)

    canary = "CanarySetting: {PercentTraffic: 10, StageVariableOverrides: {colour: red}}"
    made = stack.deploy(text(canary, "{RestApiId: !Ref Api, StageName: !Ref Stage}"))
    v1 = stack.server.aws("apigateway")

    def seen() -> tuple[Any, list[str]]:
        stage = v1.get_stage(restApiId=made["Api"], stageName="prod")
        keys: list[str] = v1.get_api_key(apiKey=made["Key"])["stageKeys"]
        shown = stage.get("canarySettings")
        return shown and (shown["percentTraffic"], shown.get("stageVariableOverrides", {})), keys

    assert seen() == ((10.0, {"colour": "red"}), [f"{made['Api']}/prod"])

    stack.deploy(text("CanarySetting: {PercentTraffic: 20}", ""))
    assert stack.changed() == {"Stage": "Update", "Key": "Update"}
    assert seen() == ((20.0, {}), [])

    stack.deploy(text("TracingEnabled: false", "{RestApiId: !Ref Api, StageName: !Ref Stage}"))
    assert seen() == (None, [f"{made['Api']}/prod"])
    stack.delete()
    assert stack.everything() == NOTHING
