"""Bare OpenAPI documents as templates: which API they become, what a change touches, whose lines errors name."""

import json

import pytest
import yaml

from tests.rooms.stacks.driver import NOTHING, Stack
from tests.server import ACCOUNT, REGION, Server, allow_gateway, make_function, make_pool

SWAGGER = """\
swagger: "2.0"
info: {title: shop, version: "1"}
basePath: /ignored
paths:
  /orders:
    get:
      security:
        - pool: [orders/read]
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/FUNCTION/invocations
securityDefinitions:
  pool:
    type: apiKey
    name: Authorization
    in: header
    x-amazon-apigateway-authtype: cognito_user_pools
    x-amazon-apigateway-authorizer:
      type: cognito_user_pools
      providerARNs: [POOL]
"""

MOCK = """\
openapi: VERSION
info: {title: mocked, version: 1.0}
paths:
  /x:
    get:
      responses: {200: {description: ok}}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: 200}}
"""

JWT = """
components:
  securitySchemes:
    issuer:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        identitySource: $request.header.Authorization
        jwtConfiguration: {issuer: "ISSUER", audience: [CLIENT]}
"""

HTTP = """\
openapi: 3.0.1
info: {title: shop, version: 1.0}
paths:
  /orders:
    get:
      security: [{issuer: [orders/read]}]
      x-amazon-apigateway-integration:
        type: aws_proxy
        uri: FUNCTION
        payloadFormatVersion: "2.0"
"""


def api_id(outputs: dict[str, str]) -> str:
    return outputs["Url"].removeprefix("https://").partition(".")[0]


def test_a_swagger_document_is_a_rest_api_with_the_stage_prod(server: Server, stack: Stack) -> None:
    """Its function and its pool are the server's own; without the function's permission the call fails, as on AWS."""
    pool = make_pool(server)
    function = make_function(server, "swagger-orders")
    outputs = stack.deploy(SWAGGER.replace("FUNCTION", function).replace("POOL", pool.arn))

    api = api_id(outputs)
    assert outputs == {"Url": f"https://{api}.execute-api.{REGION}.amazonaws.com/prod"}
    assert stack.notes() == ["template.yaml:1: read as a REST API, deployed to its stage prod"]
    token, other = pool.access_token("orders/read"), pool.access_token("orders/write")
    assert stack.call(api, "/prod/orders", token).status_code == 500
    allow_gateway(server, "swagger-orders", api)
    answer = stack.call(api, "/prod/orders", token)
    assert (answer.status_code, answer.json()["path"]) == (200, "/orders")
    assert [stack.call(api, "/prod/orders", each).status_code for each in (None, other)] == [401, 401]
    stack.delete()


def test_a_document_with_a_jwt_authorizer_is_an_http_api(server: Server, stack: Stack) -> None:
    pool = make_pool(server)
    client = pool.client("orders/read", "orders/write")
    function = make_function(server, "openapi-orders")
    text = (HTTP + JWT).replace("ISSUER", pool.issuer).replace("CLIENT", client["ClientId"])
    outputs = stack.deploy(text.replace("FUNCTION", function))

    api = api_id(outputs)
    assert outputs == {"Url": f"https://{api}.execute-api.{REGION}.amazonaws.com"}
    how = "read as an HTTP API because of payloadFormatVersion, deployed to its stage $default"
    assert stack.notes() == [f"template.yaml:10: {how}"]
    allow_gateway(server, "openapi-orders", api)
    read, write = (server.token(client, scope=f"orders/{word}").json()["access_token"] for word in ("read", "write"))
    assert stack.call(api, "/orders", read).status_code == 200
    assert [stack.call(api, "/orders", token).status_code for token in (None, write)] == [401, 403]
    stack.delete()


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", "REST"),
        (JWT.replace("ISSUER", "https://issuer.example").replace("CLIENT", "app"), "HTTP"),
        ("x-amazon-apigateway-cors: {allowOrigins: ['*']}\n", "HTTP"),
        ("x-amazon-apigateway-importexport-version: '1.0'\n", "HTTP"),
    ],
    ids=["nothing", "jwt", "cors", "importexport"],
)
def test_the_kind_is_told_by_what_only_http_apis_have(stack: Stack, more: str, kind: str) -> None:
    text = "openapi: 3.0.0\ninfo: {title: kinds, version: '1'}\npaths: {/x: {get: {INTEGRATION}}}\n" + more
    integration = "x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'http://localhost:1/'}"
    outputs = stack.deploy(text.replace("INTEGRATION", integration))

    (api,) = [each for each in stack.overview()["apis"] if each["id"] == api_id(outputs)]
    assert (api["kind"], api["stage"]) == (kind, "prod" if kind == "REST" else "$default")
    stack.delete()


@pytest.mark.parametrize("version", ["3.0.0", "3.0", "3.1.0", "3.1"])
def test_openapi_of_every_version_comes_up(stack: Stack, version: str) -> None:
    """3.1 is said to be what AWS refuses (reference, operations page, bad document)."""
    outputs = stack.deploy(MOCK.replace("VERSION", version))

    assert stack.call(api_id(outputs), "/prod/x").status_code == 200
    refused = "template.yaml:1: OpenAPI 3.1, which Amazon API Gateway refuses: read as 3.0"
    assert any(note.startswith(refused) for note in stack.notes()) is version.startswith("3.1")
    stack.delete()


def test_json_is_read_as_well(stack: Stack) -> None:
    outputs = stack.deploy(json.dumps(yaml.safe_load(MOCK.replace("VERSION", "3.0.0"))))

    assert stack.call(api_id(outputs), "/prod/x").status_code == 200
    stack.delete()


def test_a_changed_document_is_deployed_and_the_same_one_is_kept(stack: Stack) -> None:
    text = MOCK.replace("VERSION", "3.0.0")
    api = api_id(stack.deploy(text))
    stack.deploy(text)
    assert stack.changed() == {}

    again = api_id(stack.deploy(text.replace("/x:", "/y:")))

    assert again == api
    assert [stack.call(api, path).status_code for path in ("/prod/x", "/prod/y")] == [403, 200]
    stack.delete()
    assert stack.everything() == NOTHING


GOOD = MOCK.replace("VERSION", "3.0.0")
CASES = {
    "no such version": (MOCK.replace("VERSION", "4.0.0"), 1, "Invalid OpenAPI input."),
    "unknown security scheme": (
        GOOD.replace("      responses: {200", "      security: [{pool: []}]\n      responses: {200"),
        6,
        "Unable to find security scheme 'pool'",
    ),
    "impossible path": (GOOD + "  /a b:\n    get: {}\n", 11, "Unable to create resource at path '/a b'"),
    "integration of no kind": (GOOD.replace("type: mock", "type: mocked"), 5, "on 'GET' for resource at path '/x'"),
    "unreachable service": (
        HTTP.replace("aws_proxy", "http_proxy").replace("FUNCTION", "nowhere")
        + JWT.replace("ISSUER", "https://issuer.example").replace("CLIENT", "app"),
        5,
        "Unable to create route 'GET /orders'",
    ),
    "malformed integration": (GOOD.replace("{default: {statusCode: 200}}", "5"), 4, "malformed integration at path /x"),
    "authorizer of no issuer": (
        HTTP.replace("FUNCTION", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none")
        + JWT.replace("ISSUER", "nowhere").replace("CLIENT", "app"),
        14,
        "Unable to create authorizer 'issuer'",
    ),
    "an operation without an integration": (
        GOOD + "  /y:\n    get: {responses: {}}\n",
        12,
        "No integration defined for method",
    ),
    "a key twice": (GOOD + "  /x: {}\n", 11, "The key '/x' stands twice in one mapping"),
}


@pytest.mark.parametrize(("text", "line", "message"), CASES.values(), ids=CASES)
def test_a_broken_document_is_refused_with_its_line(stack: Stack, text: str, line: int, message: str) -> None:
    shown = stack.refused(text)

    assert message in shown, shown
    assert shown.startswith(f"template.yaml:{line}: "), shown
    assert stack.everything() == NOTHING


def test_the_body_of_a_template_is_refused_with_the_line_of_what_is_wrong(stack: Stack) -> None:
    text = """\
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Body:
        openapi: 3.0.0
        info: {title: x, version: "1"}
        paths:
          /x:
            get:
              security: [{pool: []}]
"""

    assert stack.refused(text).startswith("template.yaml:11: Api (AWS::ApiGateway::RestApi): ")
    assert stack.everything() == NOTHING
