"""`AWS::ApiGatewayV2::*`, part by part: made, called, changed in place, taken away."""

from tests.rooms.stacks.driver import FUNCTION, NOTHING, POOL, ROLE, Stack

PARTS = f"""
Parameters:
  Key: {{Type: String, Default: GET /orders}}
  Scope: {{Type: String, Default: orders/read}}
  Header: {{Type: String, Default: X-Mapped}}
  Authorized: {{Type: String, Default: "yes"}}
  Auto: {{Type: String, Default: "true"}}
Conditions:
  IsAuthorized: !Equals [!Ref Authorized, "yes"]
Resources:
{POOL}{ROLE}{FUNCTION}
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: parts
      ProtocolType: HTTP
      CorsConfiguration: {{AllowOrigins: ["https://app.example"], AllowMethods: [GET], AllowHeaders: [authorization]}}
      Tags: {{team: blue}}
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      Name: pool
      AuthorizerType: JWT
      IdentitySource: [$request.header.Authorization]
      JwtConfiguration: {{Issuer: !GetAtt Pool.ProviderURL, Audience: [!Ref Client]}}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !GetAtt Function.Arn
      PayloadFormatVersion: "2.0"
      ResponseParameters:
        "200": {{ResponseParameters: [{{Destination: !Sub "append:header.${{Header}}", Source: "yes"}}]}}
  Web:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: HTTP_PROXY
      IntegrationMethod: GET
      IntegrationUri: https://web.example/
      PayloadFormatVersion: "1.0"
      RequestParameters: !If
        - IsAuthorized
        - {{append:header.x-one: "1", overwrite:path: "/mapped"}}
        - {{append:header.x-two: "2"}}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: !Ref Key
      AuthorizationType: !If [IsAuthorized, JWT, NONE]
      AuthorizerId: !If [IsAuthorized, !Ref Authorizer, !Ref AWS::NoValue]
      AuthorizationScopes: !If [IsAuthorized, [!Ref Scope], !Ref AWS::NoValue]
      Target: !Sub integrations/${{Integration}}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: $default, AutoDeploy: !Ref Auto, StageVariables: {{colour: blue}}}}
Outputs:
  Api: {{Value: !Ref Api}}
  Pool: {{Value: !Ref Pool}}
  Client: {{Value: !Ref Client}}
"""


def test_an_http_api_of_single_resources_is_made_enforced_changed_and_taken_away(stack: Stack) -> None:
    made = stack.deploy(PARTS)
    api, token = made["Api"], stack.token(made["Pool"], made["Client"])
    v2 = stack.server.aws("apigatewayv2")

    refused = stack.call(api, "/orders")
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
    answered = stack.call(api, "/orders", token)
    assert answered.headers["x-mapped"] == "yes"
    event = answered.json()
    assert event["requestContext"]["authorizer"]["jwt"]["scopes"] == ["orders/read"]
    assert event["stageVariables"] == {"colour": "blue"}
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    allowed = stack.call(api, "/orders", method="OPTIONS", headers=preflight)
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert v2.get_api(ApiId=api)["Tags"].items() >= {"team": "blue"}.items()

    stack.deploy(PARTS)
    assert stack.changed() == {}

    # With AutoDeploy every change is live.
    stack.deploy(PARTS, Scope="orders/write", Header="X-Other")
    assert stack.changed() == {"Integration": "Update", "Route": "Update"}
    assert stack.call(api, "/orders", token).status_code == 403
    stack.deploy(PARTS, Scope="orders/read", Header="X-Other", Key="GET /items")
    assert stack.changed() == {"Route": "Update"}
    answered = stack.call(api, "/items", token)
    assert (answered.headers["x-other"], answered.headers.get("x-mapped")) == ("yes", None)
    assert stack.call(api, "/orders", token).status_code == 404

    # What a template no longer says is no longer so.
    stack.deploy(PARTS.replace("StageVariables: {colour: blue}", "StageVariables: {}"), Authorized="no")
    opened = stack.call(api, "/orders").json()
    assert "stageVariables" not in opened
    (web,) = [each for each in v2.get_integrations(ApiId=api)["Items"] if each["IntegrationType"] == "HTTP_PROXY"]
    assert web["RequestParameters"] == {"append:header.x-two": "2"}
    stack.deploy(PARTS.replace("CorsConfiguration: {AllowOrigins", "Version: '{AllowOrigins").replace("n]}", "n]}'"))
    assert "CorsConfiguration" not in v2.get_api(ApiId=api)

    stack.delete()
    assert stack.everything() == NOTHING


DEPLOYED = f"""
Resources:
{ROLE}{FUNCTION}
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: deployed, ProtocolType: HTTP}}}}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !GetAtt Function.Arn
      PayloadFormatVersion: "2.0"
  Route$NUMBER:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: GET /$NUMBER, Target: !Sub "integrations/${{Integration}}"}}
  Deployment$NUMBER:
    Type: AWS::ApiGatewayV2::Deployment
    DependsOn: Route$NUMBER
    Properties: {{ApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: prod, DeploymentId: !Ref Deployment$NUMBER}}
Outputs:
  Api: {{Value: !Ref Api}}
"""


def test_a_removed_route_is_not_in_the_deployment_that_removes_it(stack: Stack) -> None:
    api = stack.deploy(DEPLOYED.replace("$NUMBER", "1"))["Api"]
    assert stack.call(api, "/prod/1").status_code == 200

    stack.deploy(DEPLOYED.replace("$NUMBER", "2"))

    assert stack.call(api, "/prod/2").status_code == 200
    assert stack.call(api, "/prod/1").status_code == 404
    v2 = stack.server.aws("apigatewayv2")
    assert [route["RouteKey"] for route in v2.get_routes(ApiId=api)["Items"]] == ["GET /2"]
    assert len(v2.get_deployments(ApiId=api)["Items"]) == 1
    stack.delete()


QUICK = f"""
Resources:
{POOL}{ROLE}{FUNCTION}
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {{Name: quick, ProtocolType: HTTP, Target: !GetAtt Function.Arn}}
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      Name: pool
      AuthorizerType: JWT
      IdentitySource: [$request.querystring.access_token]
      JwtConfiguration: {{Issuer: !GetAtt Pool.ProviderURL, Audience: [!Ref Client]}}
  Overrides:
    Type: AWS::ApiGatewayV2::ApiGatewayManagedOverrides
    Properties:
      ApiId: !Ref Api
      Route: {{AuthorizationType: JWT, AuthorizerId: !Ref Authorizer, AuthorizationScopes: [orders/read]}}
Outputs:
  Api: {{Value: !Ref Api}}
  Pool: {{Value: !Ref Pool}}
  Client: {{Value: !Ref Client}}
"""


def test_the_managed_route_of_a_quick_create_is_overridden(stack: Stack) -> None:
    made = stack.deploy(QUICK)
    api, token = made["Api"], stack.token(made["Pool"], made["Client"])

    assert stack.call(api, "/anything").status_code == 401
    assert stack.call(api, "/anything", token).status_code == 401
    assert stack.call(api, f"/anything?access_token={token}", method="PUT").status_code == 200

    without = QUICK[: QUICK.index("  Overrides:")] + QUICK[QUICK.index("Outputs:") :]
    stack.deploy(without)
    assert stack.call(api, "/anything").status_code == 200
    stack.delete()
    assert stack.everything() == NOTHING
