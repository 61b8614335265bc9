"""`AWS::ApiGateway::*`, part by part: made, called, changed in place, taken away."""

import pytest

from tests.rooms.stacks.driver import FUNCTION, INVOKE, NOTHING, POOL, ROLE, Stack

PARTS = f"""
Parameters:
  Path: {{Type: String, Default: orders}}
  Scope: {{Type: String, Default: orders/read}}
  Burst: {{Type: Number, Default: 10}}
  Refusal: {{Type: String, Default: nothing}}
Resources:
{POOL}{ROLE}{FUNCTION}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Name: parts
      Description: made of parts
      BinaryMediaTypes: [image~1png]
      EndpointConfiguration: {{Types: [REGIONAL]}}
      Tags: [{{Key: team, Value: blue}}]
  Account: {{Type: AWS::ApiGateway::Account, Properties: {{}}}}
  Authorizer:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      Name: pool
      RestApiId: !Ref Api
      Type: COGNITO_USER_POOLS
      IdentitySource: method.request.header.Authorization
      ProviderARNs: [!GetAtt Pool.Arn]
  Orders:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: !Ref Path}}
  Order:
    Type: AWS::ApiGateway::Model
    Properties:
      RestApiId: !Ref Api
      ContentType: application/json
      Schema: {{type: object, required: [item]}}
  Validator:
    Type: AWS::ApiGateway::RequestValidator
    Properties: {{RestApiId: !Ref Api, Name: body, ValidateRequestBody: true}}
  List:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Orders
      HttpMethod: GET
      AuthorizationType: COGNITO_USER_POOLS
      AuthorizerId: !Ref Authorizer
      AuthorizationScopes: [!Ref Scope]
      RequestParameters: {{method.request.querystring.page: false}}
      Integration: {{Type: AWS_PROXY, IntegrationHttpMethod: POST, Uri: !Sub "{INVOKE}"}}
  Place:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Orders
      HttpMethod: POST
      RequestValidatorId: !Ref Validator
      RequestModels: {{application/json: !Ref Order}}
      MethodResponses: [{{StatusCode: 201, ResponseParameters: {{method.response.header.X-Made: true}}}}]
      Integration:
        Type: MOCK
        RequestTemplates: {{application/json: '{{"statusCode": 201}}'}}
        IntegrationResponses: [{{StatusCode: 201, ResponseParameters: {{method.response.header.X-Made: "'yes'"}}}}]
  Unauthorized:
    Type: AWS::ApiGateway::GatewayResponse
    Properties:
      RestApiId: !Ref Api
      ResponseType: UNAUTHORIZED
      StatusCode: 401
      ResponseTemplates: {{application/json: !Sub '{{"refused": "${{Refusal}}"}}'}}
  Deployment$NUMBER:
    Type: AWS::ApiGateway::Deployment
    DependsOn: [List, Place, Unauthorized]
    Properties: {{RestApiId: !Ref Api, Description: whole}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      StageName: prod
      DeploymentId: !Ref Deployment$NUMBER
      Variables: {{colour: blue}}
      MethodSettings:
        - {{ResourcePath: /*, HttpMethod: "*", ThrottlingBurstLimit: !Ref Burst, ThrottlingRateLimit: 100}}
        - {{ResourcePath: !Sub "/~1${{Path}}", HttpMethod: GET, MetricsEnabled: true}}
  Key: {{Type: AWS::ApiGateway::ApiKey, Properties: {{Enabled: true}}}}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      UsagePlanName: plan
      ApiStages: [{{ApiId: !Ref Api, Stage: !Ref Stage}}]
      Quota: {{Limit: !Ref Burst, Period: DAY}}
      Throttle: {{BurstLimit: !Ref Burst, RateLimit: 5}}
  PlanKey:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {{KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}}
Outputs:
  Api: {{Value: !Ref Api}}
  Plan: {{Value: !Ref Plan}}
  Pool: {{Value: !Ref Pool}}
  Client: {{Value: !Ref Client}}
"""


def parts(number: int) -> str:
    return PARTS.replace("$NUMBER", str(number))


def test_an_api_of_single_resources_is_made_enforced_changed_and_taken_away(stack: Stack) -> None:
    made = stack.deploy(parts(1))
    api, token = made["Api"], stack.token(made["Pool"], made["Client"])
    v1 = stack.server.aws("apigateway")

    assert stack.call(api, "/prod/orders").status_code == 401
    assert stack.call(api, "/prod/orders").json() == {"refused": "nothing"}
    assert stack.call(api, "/prod/orders", token).json()["requestContext"]["authorizer"]["claims"]["scope"]
    assert stack.call(api, "/prod/orders", method="POST", json={}).status_code == 400
    placed = stack.call(api, "/prod/orders", method="POST", json={"item": "tea"})
    assert (placed.status_code, placed.headers["X-Made"]) == (201, "yes")
    described = v1.get_rest_api(restApiId=api)
    assert described["binaryMediaTypes"] == ["image/png"]
    assert described["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert described["tags"].items() >= {"team": "blue", "aws:cloudformation:logical-id": "Api"}.items()
    stage = v1.get_stage(restApiId=api, stageName="prod")
    assert stage["variables"] == {"colour": "blue"}
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 10
    assert stage["methodSettings"]["~1orders/GET"]["metricsEnabled"] is True
    assert stage["tags"]["aws:cloudformation:stack-name"] == stack.name
    plan = v1.get_usage_plan(usagePlanId=made["Plan"])
    assert (plan["quota"]["limit"], plan["throttle"]["burstLimit"]) == (10, 10)
    assert plan["apiStages"] == [{"apiId": api, "stage": "prod"}]
    assert len(v1.get_usage_plan_keys(usagePlanId=made["Plan"])["items"]) == 1

    stack.deploy(parts(1))
    assert stack.changed() == {}

    # Settings of a stage and of a plan are changed in place; those of a stage are live at once.
    stack.deploy(parts(1), Burst="20")
    assert stack.changed() == {"Stage": "Update", "Plan": "Update"}
    assert v1.get_stage(restApiId=api, stageName="prod")["methodSettings"]["*/*"]["throttlingBurstLimit"] == 20
    assert v1.get_usage_plan(usagePlanId=made["Plan"])["quota"]["limit"] == 20

    # A method's change goes live with a deployment, and its lack is said.
    stack.deploy(parts(1), Burst="20", Scope="orders/write")
    assert stack.changed() == {"List": "Update"}
    assert any("no new deployment" in note for note in stack.notes())
    assert stack.call(api, "/prod/orders", token).status_code == 200
    stack.deploy(parts(2), Burst="20", Scope="orders/write", Refusal="still no")
    assert stack.changed() == {
        "Unauthorized": "Update",
        "Deployment2": "Create",
        "Stage": "Update",
        "Deployment1": "Delete",
    }
    assert stack.call(api, "/prod/orders", token).status_code == 401
    assert stack.call(api, "/prod/orders").json() == {"refused": "still no"}
    assert len(v1.get_deployments(restApiId=api)["items"]) == 1

    # Another path is another resource with another method.
    stack.deploy(parts(3), Burst="20", Path="items")
    assert stack.changed().items() >= {"Orders": "Delete", "List": "Replace", "Place": "Replace"}.items()
    assert stack.call(api, "/prod/items", token).status_code == 200
    assert stack.call(api, "/prod/orders", token).status_code == 403
    assert {each["path"] for each in v1.get_resources(restApiId=api)["items"]} == {"/", "/items"}
    assert "~1orders/GET" not in v1.get_stage(restApiId=api, stageName="prod")["methodSettings"]

    stack.delete()
    assert stack.everything() == NOTHING
    assert made["Plan"] not in {each["id"] for each in v1.get_usage_plans(limit=500)["items"]}
    assert stack.call(api, "/prod/items", token).status_code in (403, 404)


def test_an_authorizer_follows_its_template_at_once_and_a_dropped_refusal_goes_back(stack: Stack) -> None:
    """Authorizers are live: no deployment is needed (reference, control plane, 4.1)."""
    second = POOL.replace("  Client:", "  Client2:").replace("!Ref Pool", "!Ref Pool2").replace("  Pool:", "  Pool2:")
    second = second.replace("On: ResourceServer", "On: ResourceServer2").replace(
        "  ResourceServer:", "  ResourceServer2:"
    )
    text = parts(1).replace("Resources:\n", f"Resources:\n{second}", 1)
    text += "  Pool2: {Value: !Ref Pool2}\n  Client2: {Value: !Ref Client2}\n"
    made = stack.deploy(text)
    api = made["Api"]
    first, other = stack.token(made["Pool"], made["Client"]), stack.token(made["Pool2"], made["Client2"])
    assert stack.call(api, "/prod/orders", first).status_code == 200
    assert stack.call(api, "/prod/orders", other).status_code == 401

    moved = text.replace("ProviderARNs: [!GetAtt Pool.Arn]", "ProviderARNs: [!GetAtt Pool2.Arn]")
    stack.deploy(moved.replace("IdentitySource: method.request.header.Authorization", IDENTITY))
    assert stack.changed() == {"Authorizer": "Update"}
    assert stack.call(api, "/prod/orders", headers={"X-Token": first}).status_code == 401
    assert stack.call(api, "/prod/orders", headers={"X-Token": other}).status_code == 200

    start, end = moved.index("  Unauthorized:"), moved.index("  Deployment1:")
    without = (moved[:start] + moved[end:]).replace("Deployment1", "Deployment2").replace(", Unauthorized]", "]")
    stack.deploy(without)
    assert stack.call(api, "/prod/orders").json() == {"message": "Unauthorized"}
    stack.delete()
    assert stack.everything() == NOTHING


IDENTITY = "IdentitySource: method.request.header.X-Token"


BODY = """
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Name: named by the template
      BinaryMediaTypes: [image~1png]
      $MORE
      Body:
        $VERSION
        info: {title: named by the document, version: 1}
        x-amazon-apigateway-binary-media-types: [image/gif]
        paths:
          /$PATH:
            get:
              responses: {"200": {description: ok}}
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: {application/json: '{"statusCode": 200}'}
                responses: {default: {statusCode: 200}}
  Deployment$PATH: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, StageName: prod, DeploymentId: !Ref Deployment$PATH}
Outputs:
  Api: {Value: !Ref Api}
"""


@pytest.mark.parametrize("version", ["swagger: 2.0", "swagger: '2.0'", "openapi: 3.0", "openapi: 3.0.1"])
def test_a_definition_in_the_template_is_the_api_and_what_stands_beside_it_wins(stack: Stack, version: str) -> None:
    """Reference, control plane, 7.3. A version without quotes is a number in YAML."""

    def text(path: str, more: str = "") -> str:
        return BODY.replace("$VERSION", version).replace("$PATH", path).replace("$MORE", more)

    api = stack.deploy(text("first"))["Api"]
    v1 = stack.server.aws("apigateway")

    described = v1.get_rest_api(restApiId=api)
    assert described["name"] == "named by the template"
    assert set(described["binaryMediaTypes"]) == {"image/png", "image/gif"}
    assert stack.call(api, "/prod/first").status_code == 200

    stack.deploy(text("second", "Description: said"))
    assert stack.call(api, "/prod/second").status_code == 200
    assert stack.call(api, "/prod/first").status_code == 403
    described = v1.get_rest_api(restApiId=api)
    assert (described["name"], described["description"]) == ("named by the template", "said")

    stack.deploy(text("second"))
    assert "description" not in v1.get_rest_api(restApiId=api)
    stack.delete()


STAGE_OF_DEPLOYMENT = """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Root:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: GET
      MethodResponses: [{StatusCode: "200", ResponseParameters: {method.response.header.X-Number: true}}]
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: '{"statusCode": 200}'}
        IntegrationResponses:
          - {StatusCode: "200", ResponseParameters: {method.response.header.X-Number: "'$NUMBER'"}}
  Deployment$NUMBER:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Root
    Properties:
      RestApiId: !Ref Api
      StageName: test
      StageDescription: {Variables: {colour: blue}, ThrottlingBurstLimit: 7, ThrottlingRateLimit: 70}
  $MORE
Outputs:
  Api: {Value: !Ref Api}
"""


def test_a_stage_that_a_deployment_names_moves_with_it_and_back(stack: Stack) -> None:
    def text(number: int, more: str = "") -> str:
        return STAGE_OF_DEPLOYMENT.replace("$NUMBER", str(number)).replace("$MORE", more)

    api = stack.deploy(text(1))["Api"]
    v1 = stack.server.aws("apigateway")
    assert stack.call(api, "/test/").headers["X-Number"] == "1"
    stage = v1.get_stage(restApiId=api, stageName="test")
    assert (stage["variables"], stage["methodSettings"]["*/*"]["throttlingBurstLimit"]) == ({"colour": "blue"}, 7)

    stack.deploy(text(2))
    assert stack.call(api, "/test/").headers["X-Number"] == "2"

    broken = "Last: {Type: AWS::Cognito::UserPool, DependsOn: Deployment3, Properties: {MfaConfiguration: MAYBE}}"
    assert "MfaConfiguration" in stack.refused(text(3, broken)) or "mfaConfiguration" in stack.refused(text(3, broken))
    assert stack.call(api, "/test/").headers["X-Number"] == "2"

    stack.delete()
    assert stack.everything() == NOTHING


MOCK = (
    "MethodResponses: [{StatusCode: 200}], Integration: {Type: MOCK, IntegrationResponses: [{StatusCode: 200}], "
    """RequestTemplates: {application/json: '{"statusCode": 200}'}}"""
)


def one_method(method: str) -> str:
    return f"""
Resources:
{ROLE}{FUNCTION}
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: closed}}}}
  Authorizer:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      Name: ask
      RestApiId: !Ref Api
      Type: TOKEN
      IdentitySource: method.request.header.Authorization
      AuthorizerUri: !Sub "{INVOKE}"
  Root:
    Type: AWS::ApiGateway::Method
    Properties: {{RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, {method}}}
  Deployment: {{Type: AWS::ApiGateway::Deployment, DependsOn: Root, Properties: {{RestApiId: !Ref Api}}}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {{RestApiId: !Ref Api, StageName: prod, DeploymentId: !Ref Deployment}}
Outputs:
  Api: {{Value: !Ref Api}}
"""


def test_a_method_without_authorizer_is_open(stack: Stack) -> None:
    made = stack.deploy(one_method(MOCK))

    assert stack.call(made["Api"], "/prod/").status_code == 200
    stack.delete()


@pytest.mark.parametrize(
    ("method", "closed"),
    [
        (f'Integration: {{Type: AWS, IntegrationHttpMethod: POST, Uri: !Sub "{INVOKE}"}}', "AWS"),
    ],
    ids=["AWS integration"],
)
def test_what_cannot_be_enforced_yet_is_deployed_closed_and_said(stack: Stack, method: str, closed: str) -> None:
    made = stack.deploy(one_method(method))

    answer = stack.call(made["Api"], "/prod/", "allow", headers={"x-api-key": "k" * 30})

    assert answer.status_code >= 400
    (route,) = [route for api in stack.overview()["apis"] if api["id"] == made["Api"] for route in api["routes"]]
    assert closed in route["closed"]
    stack.delete()
