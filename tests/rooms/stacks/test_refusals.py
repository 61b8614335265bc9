"""Broken templates: what is wrong, at which line of the user's file, before anything is made."""

import textwrap
from pathlib import Path

import pytest

from tests.rooms.stacks.driver import NOTHING, Stack
from tests.server import Server

API = "Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}"
CASES = {
    "misspelt property": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              UserPoolNme: x
        """,
        "5: Pool: AWS::Cognito::UserPool has no property UserPoolNme; did you mean UserPoolName?",
    ),
    "misspelt property below": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              Policies:
                PasswordPolicy:
                  MinimumLenght: 8
        """,
        "7: Pool (AWS::Cognito::UserPool): ValidationException: Encountered unsupported property MinimumLenght; "
        "did you mean MinimumLength?",
    ),
    "misspelt setting of a stage's methods": (
        f"""
        Resources:
          {API}
          Root:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !GetAtt Api.RootResourceId
              HttpMethod: GET
              Integration: {{Type: MOCK}}
          Deployment:
            Type: AWS::ApiGateway::Deployment
            DependsOn: Root
            Properties:
              RestApiId: !Ref Api
              StageName: prod
              StageDescription:
                MethodSettings:
                  - {{ResourcePath: /*, HttpMethod: "*", ThrotlingRateLimit: 1}}
        """,
        "18: Deployment (AWS::ApiGateway::Deployment): ValidationException: Encountered unsupported property "
        "ThrotlingRateLimit; did you mean ThrottlingRateLimit?",
    ),
    "misspelt integration": (
        f"""
        Resources:
          {API}
          Root:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !GetAtt Api.RootResourceId
              HttpMethod: GET
              Integration:
                Type: HTTP_PROXY
                Urii: https://web.example
        """,
        "11: Root (AWS::ApiGateway::Method): ValidationException: Encountered unsupported property Urii; "
        "did you mean Uri?",
    ),
    "missing property": (
        """
        Resources:
          Client:
            Type: AWS::Cognito::UserPoolClient
            Properties: {ClientName: x}
        """,
        "4: Client: AWS::Cognito::UserPoolClient needs the property UserPoolId",
    ),
    "misspelt member": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Propertys: {}
        """,
        "4: Pool has no member Propertys; did you mean Properties?",
    ),
    "misspelt section": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        Output:
          Pool: {Value: !Ref Pool}
        """,
        "3: A template has no section Output; did you mean Outputs?",
    ),
    "unknown type": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
          Ship: {Type: AWS::Nowhere::Ship}
          Api: {Type: AWS::ApiGateway::RestAPI}
        """,
        "3: Types that are not supported yet: AWS::Nowhere::Ship (Ship, template.yaml:3), "
        "AWS::ApiGateway::RestAPI (Api, template.yaml:4); --skip-unknown goes on without them",
    ),
    "no type": (
        """
        Resources:
          Pool:
            Properties: {}
        """,
        "2: Resource Pool has no Type",
    ),
    "Ref to nothing": (
        """
        Resources:
          Client:
            Type: AWS::Cognito::UserPoolClient
            Properties:
              UserPoolId: !Ref Pol
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "5: Client refers to Pol: no such parameter or resource; did you mean Pool?",
    ),
    "GetAtt of nothing": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        Outputs:
          Arn:
            Value: !GetAtt Pols.Arn
        """,
        "5: Output Arn refers to Pols: no such parameter or resource; did you mean Pool?",
    ),
    "GetAtt of no attribute": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
          Client:
            Type: AWS::Cognito::UserPoolClient
            Properties:
              UserPoolId: !GetAtt Pool.Id
        """,
        "6: AWS::Cognito::UserPool Pool has no attribute Id; it has: Arn, ProviderName, ProviderURL, UserPoolId",
    ),
    "Sub of nothing": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              UserPoolName: !Sub "${Env}-pool"
        """,
        "5: Pool refers to Env: no such parameter or resource",
    ),
    "cycle": (
        """
        Resources:
          First:
            Type: AWS::Cognito::UserPool
            Properties: {UserPoolName: !Ref Second}
          Second:
            Type: AWS::Cognito::UserPool
            Properties: {UserPoolName: !GetAtt Third.Arn}
          Third:
            Type: AWS::Cognito::UserPool
            DependsOn: First
          Beside:
            Type: AWS::Cognito::UserPool
            DependsOn: Third
        """,
        "2: Circular dependency between resources: First → Second → Third → First",
    ),
    "cycle of one": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties: {UserPoolName: !Ref Pool}
        """,
        "2: Circular dependency: Pool refers to itself",
    ),
    "DependsOn nothing": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            DependsOn: Nothing
        """,
        "4: Pool depends on Nothing: no such resource",
    ),
    "missing parameter": (
        """
        Parameters:
          Other: {Type: String, Default: x}
          Name: {Type: String}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: !Ref Name}}
        """,
        "3: Parameter Name has no value; give it with --param Name=VALUE",
    ),
    "parameter that is looked up": (
        """
        Parameters:
          Name: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/name}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool, Properties: {UserPoolName: !Ref Name}}
        """,
        "2: Parameter Name is looked up in SSM (AWS::SSM::Parameter::Value<String>), and no stack here keeps it",
    ),
    "parameter not allowed": (
        """
        Parameters:
          Stage: {Type: String, Default: live, AllowedValues: [dev, prod]}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: Parameter Stage must be one of dev, prod",
    ),
    "parameter against its pattern": (
        """
        Parameters:
          Stage: {Type: String, Default: live!, AllowedPattern: "[a-z]+", ConstraintDescription: letters only}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: Parameter Stage must match [a-z]+: letters only",
    ),
    "parameter that is no number": (
        """
        Parameters:
          Size: {Type: Number, Default: many}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: Parameter Size must be a number",
    ),
    "parameter too large": (
        """
        Parameters:
          Size: {Type: Number, Default: 11, MaxValue: 10}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: Parameter Size must lie between -∞ and 10",
    ),
    "unknown condition": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Condition: IsLive
        """,
        "4: There is no condition named IsLive",
    ),
    "unknown function": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              UserPoolName: !Lower POOL
        """,
        "5: The function Fn::Lower is not known",
    ),
    "not in Mappings": (
        """
        Mappings:
          Names: {us-east-1: {pool: x}}
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              UserPoolName: !FindInMap [Names, !Ref AWS::Region, pol]
        """,
        "7: Fn::FindInMap: Names / us-east-1 / pol is not in Mappings",
    ),
    "no such export": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              UserPoolName: !ImportValue nothing-of-this-name
        """,
        "5: No export named nothing-of-this-name found",
    ),
    "not YAML": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool
          Other: x
        """,
        "Not valid YAML or JSON",
    ),
    "a key twice": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "3: The key 'Pool' stands twice in one mapping",
    ),
    "version that there is not": (
        """
        AWSTemplateFormatVersion: 2010-09-10
        Resources: {Pool: {Type: AWS::Cognito::UserPool}}
        """,
        "1: AWSTemplateFormatVersion must be 2010-09-09, got 2010-09-10",
    ),
    "misspelt resources": (
        """
        Description: A pool
        Resource:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: The template has no Resources section; is Resource meant to be it?",
    ),
    "no resources": (
        """
        Outputs: {}
        """,
        "1: The template has no Resources section",
    ),
    "unknown transform": (
        """
        Transform: My::Macro
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "1: The transform My::Macro is not supported yet",
    ),
    "properties of another shape": (
        f"""
        Resources:
          {API}
          Method:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !GetAtt Api.RootResourceId
              HttpMethod: GET
              Integration: [MOCK]
        """,
        "3: Method (AWS::ApiGateway::Method): ValidationException: The properties have not the shape",
    ),
    "a name given twice": (
        """
        Parameters:
          Pool: {Type: String, Default: x}
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
        """,
        "2: Pool is a parameter and a resource: names are given once",
    ),
    "a tag of Python's": (
        """
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Metadata: !!python/name:os.system
        """,
        "4: The tag tag:yaml.org,2002:python/name:os.system is not part of CloudFormation templates",
    ),
    "what an operation refuses": (
        f"""
        Resources:
          {API}
          Deployment:
            Type: AWS::ApiGateway::Deployment
            Properties: {{RestApiId: !Ref Api}}
        """,
        "3: Deployment (AWS::ApiGateway::Deployment): BadRequestException: The REST API doesn't contain any methods",
    ),
    "a name that is taken within the stack": (
        """
        Resources:
          Pool: {Type: AWS::Cognito::UserPool}
          One:
            Type: AWS::Cognito::UserPoolResourceServer
            Properties: &same {UserPoolId: !Ref Pool, Identifier: a, Name: a}
          Two:
            Type: AWS::Cognito::UserPoolResourceServer
            DependsOn: One
            Properties: *same
        """,
        "6: Two (AWS::Cognito::UserPoolResourceServer): InvalidParameterException",
    ),
}
SAM_CASES = {
    "misspelt SAM property": (
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Properties:
              InlineCode: x
              Handlr: index.handler
              Runtime: python3.12
        """,
        "7: Function: SAM knows no Handlr here; did you mean Handler?",
    ),
    "misspelt authorizer, which would be an open route": (
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Properties:
              InlineCode: x
              Handler: index.handler
              Runtime: python3.12
              Events:
                Get:
                  Type: Api
                  Properties:
                    Path: /
                    Method: get
                    Auth:
                      Authorizr: AWS_IAM
        """,
        "16: Function: SAM knows no Authorizr here; did you mean Authorizer?",
    ),
    "method that there is not": (
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Properties:
              InlineCode: x
              Handler: index.handler
              Runtime: python3.12
              Events:
                Get: {Type: Api, Properties: {Path: /, Method: GET}}
                All:
                  Type: HttpApi
                  Properties:
                    Path: /all
                    Method: '*'
        """,
        "15: Function: API Gateway has no method *; it has any, delete, get, head, options, patch, post, put",
    ),
    "misspelt scopes of all APIs": (
        """
        Transform: AWS::Serverless-2016-10-31
        Globals:
          HttpApi:
            Auth:
              Authorizers:
                Jwt:
                  AuthorizationScope: [a]
        Resources:
          Api: {Type: AWS::Serverless::HttpApi}
        """,
        "7: Globals.HttpApi: SAM knows no AuthorizationScope here; did you mean AuthorizationScopes?",
    ),
    "property that SAM does not take for all": (
        """
        Transform: AWS::Serverless-2016-10-31
        Globals:
          Function: {Runtime: python3.12}
          Api:
            Models: {}
        Resources:
          Api: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
        """,
        "5: SAM refuses Globals: 'Globals' section is invalid. 'Models' is not a supported property of 'Api'.",
    ),
    "authorizer that SAM does not know": (
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Properties:
              InlineCode: x
              Handler: index.handler
              Runtime: python3.12
              Events:
                Get:
                  Type: Api
                  Properties: {Path: /, Method: get, Auth: {Authorizer: Nobody}}
        """,
        "10: SAM refuses",
    ),
    "what an operation refuses of what SAM made": (
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Before: {Type: AWS::Cognito::UserPool}
          Orders:
            Type: AWS::Serverless::Function
            Properties:
              InlineCode: x
              Handler: index.handler
              Runtime: python3.12
              Policies: [{Statement: [{Effect: Perhaps, Action: s3:*, Resource: "*"}]}]
        """,
        "4: OrdersRole (AWS::IAM::Role): MalformedPolicyDocument",
    ),
    "unknown type beside SAM": (
        """
        Resources:
          Function:
            Type: AWS::Serverless::Function
            Properties: {InlineCode: x, Handler: index.handler, Runtime: python3.12}
          Ship: {Type: AWS::Nowhere::Ship}
        """,
        "5: Types that are not supported yet: AWS::Nowhere::Ship (Ship, template.yaml:5)",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_a_broken_template_is_refused_with_its_line(stack: Stack, text: str, message: str) -> None:
    _is_refused(stack, text, message)


@pytest.mark.parametrize(("text", "message"), SAM_CASES.values(), ids=SAM_CASES)
def test_a_broken_sam_template_is_refused_with_the_line_of_the_users_file(
    stack: Stack, text: str, message: str
) -> None:
    _is_refused(stack, text, message)


def _is_refused(stack: Stack, text: str, message: str) -> None:
    shown = stack.refused(textwrap.dedent(text).lstrip("\n"))

    assert shown.startswith("template.yaml:"), shown
    assert message in shown, shown
    assert stack.everything() == NOTHING


def test_what_cannot_be_set_is_left_out_and_said(stack: Stack) -> None:
    stack.deploy(
        """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool, ClientId: mine}}
"""
    )

    assert "Client: ClientId cannot be set, it is left out" in stack.notes()
    stack.delete()


def test_a_condition_that_is_false_leaves_its_resource_out(stack: Stack) -> None:
    text = """
Parameters: {Live: {Type: String, Default: "false"}}
Conditions: {IsLive: !Equals [!Ref Live, "true"], IsNever: !Equals [a, b]}
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Other: {Type: AWS::Cognito::UserPool, Condition: IsLive}
  Unknown: {Type: AWS::Nowhere::Ship, Condition: IsNever}
Outputs:
  Other: {Value: !Ref Other, Condition: IsLive}
  Name: {Value: !If [IsLive, !Ref Other, none]}
"""
    assert stack.deploy(text) == {"Name": "none"}
    assert stack.deploy(text, Live="true").keys() == {"Other", "Name"}
    assert stack.changed() == {"Other": "Create"}
    assert stack.deploy(text) == {"Name": "none"}
    assert stack.changed() == {"Other": "Delete"}
    stack.delete()


def test_what_one_stack_exports_another_imports(server: Server, stack: Stack, tmp_path: Path) -> None:
    name = f"{stack.name}-pool"
    made = stack.deploy(
        """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
Outputs:
  Pool: {Value: !Ref Pool, Export: {Name: !Sub "${AWS::StackName}-pool"}}
"""
    )
    other = Stack(server, tmp_path / "other")
    text = f"""
Resources:
  Client: {{Type: AWS::Cognito::UserPoolClient, Properties: {{UserPoolId: !ImportValue {name}}}}}
Outputs:
  Client: {{Value: !Ref Client}}
"""

    client = other.deploy(text)["Client"]

    idp = server.aws("cognito-idp")
    assert idp.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=client)["UserPoolClient"]
    other.delete()
    stack.delete()
    assert f"template.yaml:3: No export named {name} found" in other.refused(text)
