"""Files beside a template: snippets of `AWS::Include`, API documents by DefinitionUri, BodyS3Location and Body.

Source: AWS::Include transform; `sam package` and `aws cloudformation package`.
"""

import pytest

from tests.rooms.stacks.driver import FUNCTION, NOTHING, ROLE, Stack

PATHS = """
/open:
  get:
    x-amazon-apigateway-integration:
      type: mock
      requestTemplates: {application/json: '{"statusCode": 200}'}
      responses: {default: {statusCode: "200"}}
    responses: {"200": {description: ok}}
/echo:
  get:
    x-amazon-apigateway-integration:
      type: aws_proxy
      httpMethod: POST
      uri:
        Fn::Sub: arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations
"""
INCLUDING = f"""
Resources:{ROLE}{FUNCTION}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        openapi: 3.0.1
        info: {{title: shop, version: "1"}}
        paths:
          Fn::Transform: {{Name: AWS::Include, Parameters: {{Location: paths.yaml}}}}
          /more:
            get:
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: {{application/json: '{{"statusCode": 200}}'}}
                responses: {{default: {{statusCode: "200"}}}}
              responses: {{"200": {{description: ok}}}}
  Deployment: {{Type: AWS::ApiGateway::Deployment, Properties: {{RestApiId: !Ref Api, StageName: prod}}}}
Outputs:
  Api: {{Value: !Ref Api}}
"""


def test_a_snippet_stands_where_it_is_included_with_its_functions_resolved(stack: Stack) -> None:
    stack.write(paths_yaml=PATHS)

    api = stack.deploy(INCLUDING)["Api"]

    assert [stack.call(api, f"/prod{path}").status_code for path in ("/open", "/echo", "/more", "/none")] == [
        200,
        200,
        200,
        403,
    ]
    stack.delete()


def test_snippets_include_snippets_and_whole_sections(stack: Stack) -> None:
    (stack.folder / "parts").mkdir(parents=True)
    (stack.folder / "parts" / "resources.json").write_text(
        '{"Resources": {"Pool": {"Type": "AWS::Cognito::UserPool", "Properties":'
        ' {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "name.yaml"}}}}}}'
    )
    (stack.folder / "parts" / "name.yaml").write_text("UserPoolName: !Ref Name\n")

    made = stack.deploy(
        """
Transform: {Name: AWS::Include, Parameters: {Location: parts/resources.json}}
Parameters: {Name: {Type: String, Default: included}}
Outputs: {Pool: {Value: !Ref Pool}}
"""
    )

    pool = stack.server.aws("cognito-idp").describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
    assert pool["Name"] == "included"
    stack.delete()


POOL = "Resources:\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Properties:\n"
INCLUDE = "      Fn::Transform: {Name: AWS::Include, Parameters: {Location: $FILE}}\n"


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        (
            POOL + INCLUDE,
            "UserPoolName: x\nUserPoolNme: y\n",
            "part.yaml:2: Pool: AWS::Cognito::UserPool has no property",
        ),
        (POOL + INCLUDE, "UserPoolName: !Ref Nobody\n", "part.yaml:1: Pool refers to Nobody: no such parameter"),
        (POOL + INCLUDE, "UserPoolName: [\n", "part.yaml:"),
        (POOL + INCLUDE, "- a\n", "part.yaml:1: A file that AWS::Include names must be a mapping"),
        (
            POOL + INCLUDE,
            "Fn::Transform: {Name: AWS::Include, Parameters: {Location: part.yaml}}\n",
            "part.yaml includes itself: template.yaml → part.yaml → part.yaml",
        ),
        (
            POOL + INCLUDE + "      UserPoolName: here\n",
            "UserPoolName: there\n",
            "part.yaml:1: The key 'UserPoolName' stands",
        ),
        (POOL + INCLUDE.replace("$FILE", "nowhere.yaml"), "", "template.yaml:5: The file nowhere.yaml cannot be read"),
        (
            POOL + INCLUDE.replace("$FILE", "s3://b/x.yaml"),
            "",
            "template.yaml:5: The Location of AWS::Include must name a",
        ),
        (POOL + INCLUDE.replace("AWS::Include", "Shout"), "", "template.yaml:5: The macro Shout is not supported"),
        (
            "Transform: Shout\n" + POOL + "      UserPoolName: x\n",
            "",
            "template.yaml:1: The transform Shout is not supported",
        ),
    ],
)
def test_a_fault_of_a_snippet_has_the_snippets_line(stack: Stack, text: str, part: str, message: str) -> None:
    stack.write(part_yaml=part)

    shown = stack.refused(text.replace("$FILE", "part.yaml"))

    assert message in shown, shown
    assert stack.everything() == NOTHING


def test_h5_snippets_that_include_more_and_more_are_refused(stack: Stack) -> None:
    """Each names the next one twice: a thousand million at the end."""
    twice = "a: {Fn::Transform: &next {Name: AWS::Include, Parameters: {Location: $N}}}\nb: {Fn::Transform: *next}\n"
    for number in range(30):
        stack.write(**{f"n{number}_yaml": twice.replace("$N", f"n{number + 1}.yaml")})
    stack.write(n30_yaml="c: d\n")

    message = stack.refused(POOL + "      UserPoolTags:\n  " + INCLUDE.replace("$FILE", "n0.yaml"))

    assert "A template includes 500 files at most" in message
    assert stack.everything() == NOTHING


DOCUMENT = """
openapi: 3.0.1
info: {title: shop, version: "1"}
paths:
  /open:
    get:
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: "200"}}
      responses: {"200": {description: ok}}
"""
SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: prod, DefinitionUri: shop.yaml}}
Outputs: {Api: {Value: !Ref Api}}
"""
REST = """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {$MEMBER: shop.yaml}}
  Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api, StageName: prod}}
Outputs: {Api: {Value: !Ref Api}}
"""


@pytest.mark.parametrize(
    "text",
    [SAM, REST.replace("$MEMBER", "Body"), REST.replace("$MEMBER", "BodyS3Location")],
    ids=["DefinitionUri", "Body", "BodyS3Location"],
)
def test_an_api_document_may_be_a_file_of_its_own(stack: Stack, text: str) -> None:
    stack.write(shop_yaml=DOCUMENT)

    api = stack.deploy(text)["Api"]

    assert [stack.call(api, f"/prod{path}").status_code for path in ("/open", "/other")] == [200, 403]
    stack.deploy(text)
    assert stack.changed() == {}
    if text == SAM:  # which makes a new deployment for another document
        stack.write(shop_yaml=DOCUMENT.replace("/open", "/other"))
        stack.deploy(text)
        assert [stack.call(api, f"/prod{path}").status_code for path in ("/open", "/other")] == [403, 200]
    stack.delete()


HTTP_DOCUMENT = """
openapi: 3.0.1
info: {title: shop, version: "1"}
paths:
  /open:
    get:
      x-amazon-apigateway-integration:
        {type: http_proxy, httpMethod: GET, uri: https://web.example, payloadFormatVersion: "1.0"}
"""


def test_the_document_of_an_http_api_may_be_a_file_of_its_own(stack: Stack) -> None:
    stack.write(shop_yaml=HTTP_DOCUMENT)

    made = stack.deploy(
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources: {Api: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: shop.yaml}}}\n"
        "Outputs: {Api: {Value: !Ref Api}}\n"
    )

    routes = stack.server.aws("apigatewayv2").get_routes(ApiId=made["Api"])["Items"]
    assert [route["RouteKey"] for route in routes] == ["GET /open"]
    stack.delete()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (DOCUMENT.replace("type: mock", "type: mokc"), "shop.yaml:"),
        (
            DOCUMENT.replace("type: mock", "uri: !Sub x"),
            "shop.yaml:8: Api: Fn::Sub is not resolved in a file of its own",
        ),
        ("- a\n", "shop.yaml:1: Api: an API document is a mapping"),
        ("paths: [\n", "shop.yaml:"),
    ],
)
def test_a_fault_of_an_api_document_has_its_own_line(stack: Stack, document: str, message: str) -> None:
    stack.write(shop_yaml=document)

    shown = stack.refused(SAM)

    assert shown.startswith(message), shown
    assert stack.everything() == NOTHING


def test_an_api_document_in_a_bucket_is_refused(stack: Stack) -> None:
    """An HTTP API without its document would have no routes and no authorizers."""
    for kind in ("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"):
        text = f"Resources: {{Api: {{Type: {kind}, Properties: {{BodyS3Location: {{Bucket: b, Key: k}}}}}}}}"
        assert "BodyS3Location must name a local file: nothing here is in S3" in stack.refused(text)
