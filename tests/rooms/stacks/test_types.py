"""`AWS::Cognito::*`, `AWS::Lambda::*` and `AWS::IAM::*`: what a changed property does, and what a dropped one."""

import json
from typing import Any

from tests.rooms.stacks.driver import FUNCTION, NOTHING, ROLE, Stack

POOL = """
Parameters:
  Prefix: {Type: String}
  Secret: {Type: String, Default: "true"}
  Scopes: {Type: CommaDelimitedList, Default: "read, write"}
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties:
      UserPoolName: $NAME
      UserPoolTags: {one: "1", two: "2"}
      Policies: {PasswordPolicy: {MinimumLength: "12"}}
      Schema: [{Name: team, AttributeDataType: String, Mutable: true}]
      EnabledMfas: [SOFTWARE_TOKEN_MFA]
      MfaConfiguration: OPTIONAL
  Domain:
    Type: AWS::Cognito::UserPoolDomain
    Properties: {UserPoolId: !Ref Pool, Domain: !Ref Prefix}
  ResourceServer:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties:
      UserPoolId: !Ref Pool
      Identifier: orders
      Name: orders
      Scopes:
        - {ScopeName: !Select [0, !Ref Scopes], ScopeDescription: first}
        - {ScopeName: !Select [1, !Ref Scopes], ScopeDescription: second}
  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: ResourceServer
    Properties:
      UserPoolId: !Ref Pool
      ClientName: job
      GenerateSecret: !Ref Secret
      AccessTokenValidity: 5
      TokenValidityUnits: {AccessToken: minutes}
Outputs:
  Pool: {Value: !Ref Pool}
  Client: {Value: !Ref Client}
"""


def test_pools_domains_resource_servers_and_clients_follow_their_template(stack: Stack) -> None:
    text, domain = POOL.replace("$NAME", stack.name), f"{stack.name}-a"
    made = stack.deploy(text, Prefix=domain)
    idp = stack.server.aws("cognito-idp")

    def pool() -> dict[str, Any]:
        described: dict[str, Any] = idp.describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
        return described

    assert (pool()["UserPoolTags"], pool()["Domain"]) == ({"one": "1", "two": "2"}, domain)
    assert pool()["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    factors = idp.get_user_pool_mfa_config(UserPoolId=made["Pool"])
    assert (factors["MfaConfiguration"], factors["SoftwareTokenMfaConfiguration"]) == ("OPTIONAL", {"Enabled": True})

    changed = text.replace('{one: "1", two: "2"}', '{two: "3"}').replace('MinimumLength: "12"', "MinimumLength: 9")
    changed = changed.replace("Schema: [", "Schema: [{Name: level, AttributeDataType: Number}, ")
    changed = changed.replace("AccessTokenValidity: 5", "AccessTokenValidity: 7")
    stack.deploy(changed, Prefix=f"{stack.name}-b", Scopes="read,list")

    assert stack.changed() == {"Pool": "Update", "Domain": "Replace", "ResourceServer": "Update", "Client": "Update"}
    assert (pool()["UserPoolTags"], pool()["Domain"]) == ({"two": "3"}, f"{stack.name}-b")
    assert pool()["Policies"]["PasswordPolicy"]["MinimumLength"] == 9
    assert {"custom:team", "custom:level"} <= {attribute["Name"] for attribute in pool()["SchemaAttributes"]}
    server = idp.describe_resource_server(UserPoolId=made["Pool"], Identifier="orders")["ResourceServer"]
    assert {scope["ScopeName"] for scope in server["Scopes"]} == {"read", "list"}
    client = idp.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Client"])["UserPoolClient"]
    assert client["AccessTokenValidity"] == 7

    # A secret cannot be taken from a client: another client takes its place.
    again = stack.deploy(changed, Prefix=f"{stack.name}-b", Scopes="read,list", Secret="false")
    assert again["Client"] != made["Client"]
    assert [each["ClientId"] for each in idp.list_user_pool_clients(UserPoolId=made["Pool"])["UserPoolClients"]] == [
        again["Client"]
    ]
    stack.delete()
    assert stack.everything() == NOTHING


SETTINGS = """
      MemorySize: 256
      Timeout: 9
      Description: counted
      Environment: {Variables: {LEVEL: 3, VERBOSE: true}}
      ReservedConcurrentExecutions: 2
      Tags: [{Key: team, Value: blue}]
"""
VERSIONS = """
  Version$NUMBER: {Type: AWS::Lambda::Version, DeletionPolicy: Retain, Properties: {FunctionName: !Ref Function}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Function, Name: live, FunctionVersion: !GetAtt Version$NUMBER.Version$WEIGHTS}
Outputs:
  Function: {Value: !Ref Function}
  Alias: {Value: !Ref Alias}
  Version: {Value: !Ref Version$NUMBER}
"""


def functions(settings: str, number: int, weights: str = "") -> str:
    """`FUNCTION` with settings, and a version and an alias of it."""
    versions = VERSIONS.replace("$NUMBER", str(number)).replace("$WEIGHTS", weights)
    return f"Resources:{ROLE}{FUNCTION}{versions}".replace("      Handler:", settings.lstrip("\n") + "      Handler:")


def test_functions_versions_and_aliases_follow_their_template(stack: Stack) -> None:
    made = stack.deploy(functions(SETTINGS, 1))
    lambda_ = stack.server.aws("lambda")
    name = made["Function"]
    assert made["Version"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}:1"
    assert made["Alias"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}:live"

    function = lambda_.get_function(FunctionName=name)
    configuration = function["Configuration"]
    assert (configuration["MemorySize"], configuration["Timeout"], configuration["Description"]) == (256, 9, "counted")
    assert configuration["Environment"]["Variables"] == {"LEVEL": "3", "VERBOSE": "true"}
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 2}
    assert function["Tags"].items() >= {"team": "blue", "aws:cloudformation:logical-id": "Function"}.items()
    statement = json.loads(lambda_.get_policy(FunctionName=name)["Policy"])["Statement"][0]["Sid"]

    # What the template no longer says goes back to what a new function has.
    weights = ", RoutingConfig: {AdditionalVersionWeights: [{FunctionVersion: 1, FunctionWeight: 0.25}]}"
    stack.deploy(
        functions("", 2, weights).replace("Principal: apigateway.amazonaws.com}", "Principal: events.amazonaws.com}")
    )

    assert stack.changed() == {
        "Function": "Update",
        "Permission": "Delete",
        "Version2": "Create",
        "Version1": "Retain",
        "Alias": "Update",
    }
    function = lambda_.get_function(FunctionName=name)
    configuration = function["Configuration"]
    assert (configuration["MemorySize"], configuration["Timeout"], configuration["Description"]) == (128, 3, "")
    assert "Environment" not in configuration or configuration["Environment"]["Variables"] == {}
    assert "Concurrency" not in function
    assert "team" not in function["Tags"]
    alias = lambda_.get_alias(FunctionName=name, Name="live")
    assert alias["FunctionVersion"] == "2"
    assert alias["RoutingConfig"]["AdditionalVersionWeights"] == {"1": 0.25}
    (replaced,) = json.loads(lambda_.get_policy(FunctionName=name)["Policy"])["Statement"]
    assert replaced["Principal"] == {"Service": "events.amazonaws.com"}
    assert replaced["Sid"] != statement
    # Version1 was retained.
    versions = lambda_.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    stack.delete()
    assert stack.everything() == NOTHING


IAM = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Description: one
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns: [arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]
      Policies: [{PolicyName: own, PolicyDocument: $DOCUMENT}]
      Tags: [{Key: team, Value: blue}]
  Policy:
    Type: AWS::IAM::Policy
    Properties: {PolicyName: beside, PolicyDocument: $DOCUMENT, Roles: [!Ref Role]}
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: $DOCUMENT, Roles: [!Ref Role]}
Outputs:
  Role: {Value: !Ref Role}
  Managed: {Value: !Ref Managed}
""".replace("$DOCUMENT", '{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}')


def test_roles_and_policies_follow_their_template(stack: Stack) -> None:
    made = stack.deploy(IAM)
    iam = stack.server.aws("iam")

    def held() -> tuple[set[str], set[str]]:
        attached = iam.list_attached_role_policies(RoleName=made["Role"])["AttachedPolicies"]
        return {each["PolicyArn"] for each in attached}, set(
            iam.list_role_policies(RoleName=made["Role"])["PolicyNames"]
        )

    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    assert held() == ({basic, made["Managed"]}, {"own", "beside"})

    changed = IAM.replace("Description: one", "MaxSessionDuration: 7200").replace("PolicyName: own", "PolicyName: new")
    changed = changed.replace(f"      ManagedPolicyArns: [{basic}]\n", "").replace("Value: blue", "Value: red")
    changed = changed.replace("PolicyName: beside", "PolicyName: near")
    stack.deploy(changed)

    assert stack.changed() == {"Role": "Update", "Policy": "Update"}
    assert held() == ({made["Managed"]}, {"new", "near"})
    role = iam.get_role(RoleName=made["Role"])["Role"]
    assert (role.get("Description", ""), role["MaxSessionDuration"]) == ("", 7200)
    assert role["Tags"] == [{"Key": "team", "Value": "red"}]
    # A policy that somebody else put there does not keep the role.
    iam.put_role_policy(
        RoleName=made["Role"],
        PolicyName="theirs",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        ),
    )
    stack.delete()
    assert stack.everything() == NOTHING
