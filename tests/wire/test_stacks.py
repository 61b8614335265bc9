"""`scopegate up` and the templates that people have: SAM APIs with Cognito and JWT authorizers, called from outside."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.stacks.driver import NOTHING, POOL, Stack
from tests.server import ACCOUNT, SCOPEGATE, Server

OUTPUTS = """
Outputs:
  Api: {Value: !Ref Api}
  Pool: {Value: !Ref Pool}
  Client: {Value: !Ref Client}
"""
REST = f"""
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {{Runtime: python3.12, Handler: app.handler}}
Resources:
{POOL}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Cors: "'*'"
      Auth:
        DefaultAuthorizer: Cognito
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers: {{Cognito: {{UserPoolArn: !GetAtt Pool.Arn, AuthorizationScopes: [orders/read]}}}}
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: orders/
      Events:
        List: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /orders, Method: get}}}}
        Place:
          Type: Api
          Properties:
            RestApiId: !Ref Api
            Path: /orders
            Method: post
            Auth: {{Authorizer: Cognito, AuthorizationScopes: [orders/write]}}
        Open: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /open, Method: get, Auth: {{Authorizer: NONE}}}}}}
  Items:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: items/
      Events:
        List: {{Type: Api, Properties: {{RestApiId: !Ref Api, Path: /items, Method: get}}}}
{OUTPUTS}"""
HTTP = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
{POOL}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: true
      Auth:
        DefaultAuthorizer: Jwt
        Authorizers:
          Jwt:
            IdentitySource: $request.header.Authorization
            AuthorizationScopes: [orders/read]
            JwtConfiguration:
              issuer: !Sub https://cognito-idp.${{AWS::Region}}.amazonaws.com/${{Pool}}
              audience: [!Ref Client]
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return event["requestContext"].get("authorizer", {{}})
      Events:
        List: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /orders, Method: get}}}}
        Place:
          Type: HttpApi
          Properties:
            ApiId: !Ref Api
            Path: /orders
            Method: post
            Auth: {{AuthorizationScopes: [orders/write]}}
        Open: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /open, Method: get, Auth: {{Authorizer: NONE}}}}}}
{OUTPUTS}"""


def handler(answer: str) -> str:
    return f'def handler(event, context):\n    return {{"statusCode": 200, "body": "{answer}"}}\n'


def write_code(folder: Path, **answers: str) -> None:
    for name, answer in answers.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "app.py").write_text(handler(answer))


@pytest.fixture
def stack(server: Server, tmp_path: Path) -> Stack:
    return Stack(server, tmp_path / "app")


def test_a_sam_rest_api_with_a_cognito_authorizer_comes_up_enforced(stack: Stack) -> None:
    write_code(stack.folder, orders="orders", items="items")
    made = stack.deploy(REST)
    api, token = made["Api"], stack.token(made["Pool"], made["Client"])

    assert (stack.call(api, "/prod/orders").status_code, stack.call(api, "/prod/orders", token).text) == (401, "orders")
    assert stack.call(api, "/prod/orders", token, "POST").status_code == 401
    assert stack.call(api, "/prod/open").text == "orders"
    assert stack.call(api, "/prod/orders", method="OPTIONS").headers["Access-Control-Allow-Origin"] == "*"
    assert stack.call(api, "/prod/orders", token + "x").status_code == 401
    stack.delete()
    assert stack.everything() == NOTHING


def test_a_sam_http_api_with_a_jwt_authorizer_comes_up_enforced(stack: Stack) -> None:
    made = stack.deploy(HTTP)
    api, token = made["Api"], stack.token(made["Pool"], made["Client"])

    refused = stack.call(api, "/orders")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    answer = stack.call(api, "/orders", f"Bearer {token}")
    assert answer.json()["jwt"]["claims"]["client_id"] == made["Client"]
    assert stack.call(api, "/orders", token, "POST").status_code == 403
    assert stack.call(api, "/open").json() == {}
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert stack.call(api, "/orders", method="OPTIONS", headers=preflight).headers["access-control-allow-origin"] == "*"

    stack.deploy(HTTP)
    assert stack.changed() == {}
    stack.deploy(HTTP.replace("Path: /orders, Method: get", "Path: /list, Method: get"))
    assert set(stack.changed()) == {"Api", "OrdersListPermission"}
    assert stack.call(api, "/list", token).status_code == 200
    assert stack.call(api, "/orders", token).status_code == 404
    stack.deploy(HTTP.replace("CorsConfiguration: true", "CorsConfiguration: false"))
    assert "access-control-allow-origin" not in stack.call(api, "/open", headers=preflight).headers
    stack.delete()
    assert stack.everything() == NOTHING


def facts(stack: Stack, made: dict[str, Any]) -> dict[str, Any]:
    """All that a touch would leave a mark on."""
    aws = stack.server.aws
    functions = [f for f in aws("lambda").list_functions()["Functions"] if f["FunctionName"].startswith(stack.name)]
    v1 = aws("apigateway")
    stages = v1.get_stages(restApiId=made["Api"])["item"]
    return {
        "functions": {f["FunctionName"]: (f["RevisionId"], f["LastModified"], f["CodeSha256"]) for f in functions},
        "policies": [aws("lambda").get_policy(FunctionName=f["FunctionName"])["Policy"] for f in functions],
        "stages": {stage["stageName"]: (stage["deploymentId"], stage["lastUpdatedDate"]) for stage in stages},
        "deployments": [each["id"] for each in v1.get_deployments(restApiId=made["Api"])["items"]],
        "pool": aws("cognito-idp").describe_user_pool(UserPoolId=made["Pool"])["UserPool"]["LastModifiedDate"],
        "all": stack.everything(),
    }


def test_a_second_deployment_touches_nothing_and_a_change_only_what_changed(stack: Stack) -> None:
    write_code(stack.folder, orders="one", items="items")
    made = stack.deploy(REST)
    token = stack.token(made["Pool"], made["Client"])
    before = facts(stack, made)

    stack.deploy(REST)
    assert stack.changed() == {}
    assert facts(stack, made) == before

    # A changed handler updates that function alone.
    write_code(stack.folder, orders="two")
    stack.deploy(REST)
    after = facts(stack, made)
    changed = {name for name, mark in after["functions"].items() if mark != before["functions"][name]}
    assert (stack.changed(), [name.split("-")[2] for name in changed]) == ({"Orders": "Update"}, ["Orders"])
    assert {**after, "functions": {}} == {**before, "functions": {}}
    assert stack.call(made["Api"], "/prod/orders", token).text == "two"

    # A changed route yields a new deployment that goes live, and the old one goes.
    stack.deploy(REST.replace("Path: /items", "Path: /things"))
    assert "Update" in stack.changed()["ApiprodStage"]
    assert stack.call(made["Api"], "/prod/things", token).text == "items"
    assert stack.call(made["Api"], "/prod/items", token).status_code == 403
    assert len(facts(stack, made)["deployments"]) == 1
    assert facts(stack, made)["deployments"] != before["deployments"]

    shown = {name: stage[0] for name, stage in facts(stack, made)["stages"].items()}
    assert shown.keys() == {"Stage", "prod"}  # SAM's translator makes the first

    # One that fails leaves what stood live, although the API's draft was written first.
    broken = REST.replace("Path: /items", "Path: /other").replace(
        "  Items:\n",
        "  Last:\n    Type: AWS::Cognito::UserPool\n    DependsOn: ApiprodStage\n"
        "    Properties: {AliasAttributes: [email], UsernameAttributes: [email]}\n  Items:\n",
    )
    assert "Last (AWS::Cognito::UserPool)" in stack.refused(broken)
    assert stack.call(made["Api"], "/prod/things", token).text == "items"
    assert stack.call(made["Api"], "/prod/other", token).status_code == 403
    assert {name: stage[0] for name, stage in facts(stack, made)["stages"].items()} == shown
    stack.delete()


def test_uploaded_code_that_no_stack_is_made_of_goes(stack: Stack) -> None:
    """Old code stays as long as a failed deployment would go back to it, and what was just uploaded."""

    def artifacts() -> set[str]:
        return {path.name for path in (stack.server.data_dir / "artifacts").glob("*/*")}

    def deploy(answer: str) -> str:
        before = artifacts()
        write_code(stack.folder, code=answer)
        stack.deploy(ALIASED)
        (new,) = artifacts() - before
        return new

    first, second = deploy("v1"), deploy("v2")
    assert {first, second} <= artifacts()  # both are young
    for path in (stack.server.data_dir / "artifacts").glob("*/*"):
        os.utime(path, (0, 0))

    third = deploy("v3")

    assert not {first, second} & artifacts()
    os.utime(stack.server.data_dir / "artifacts" / ACCOUNT / third, (0, 0))
    deploy("v4")
    assert third not in artifacts()
    stack.delete()


ALIASED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: code/
      AutoPublishAlias: live
Outputs:
  Function: {Value: !Ref Function}
"""


def test_a_published_alias_moves_to_a_new_version_when_the_code_changes(stack: Stack) -> None:
    def answer(qualifier: str) -> str:
        payload = stack.server.aws("lambda").invoke(FunctionName=made["Function"], Qualifier=qualifier)["Payload"]
        body: str = json.loads(payload.read())["body"]
        return body

    write_code(stack.folder, code="one")
    made = stack.deploy(ALIASED)
    assert answer("live") == "one"

    write_code(stack.folder, code="two")
    stack.deploy(ALIASED)

    assert (answer("live"), answer("1"), answer("2")) == ("two", "one", "two")
    stack.delete()
    assert stack.everything() == NOTHING


# The command


def read_until(server: Server, *words: str) -> list[str]:
    """What `up` prints until a line with one of the words, or its end."""
    assert server.process.stdout is not None
    lines: list[str] = []
    for raw in server.process.stdout:
        lines.append(raw.decode().rstrip())
        if any(word in lines[-1] for word in words):
            break
    return lines


def test_up_brings_up_the_file_and_a_second_up_touches_nothing(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """With its data beside the code, as it is by default: the database is no part of the package."""
    folder = tmp_path / "shop"
    write_code(folder, **{".": "one", "items": "items", ".venv": "left out", "node_modules": "code"})
    (folder / "template.yaml").write_text(REST.replace("orders/\n", ".\n"))

    first = start_server("up", str(folder / "template.yaml"), data_dir=folder / ".scopegate")
    shown = read_until(first, "ready")
    assert any("closed" not in line and "/orders" in line and "orders/read" in line for line in shown), shown
    assert any("open" in line and "/open" in line for line in shown), shown
    client = next(line.split("=")[1].strip() for line in shown if line.strip().startswith("Client ="))
    packed = subprocess.run(
        ["ls", folder / ".scopegate" / "artifacts" / ACCOUNT], capture_output=True, check=True
    ).stdout
    first.stop()

    second = start_server("up", str(folder / "template.yaml"), "--workers", "2", data_dir=folder / ".scopegate")
    shown = read_until(second, "ready")
    steps = [line for line in shown if "AWS::" in line]
    assert steps
    assert all("Keep" in line for line in steps), steps
    assert (
        subprocess.run(["ls", folder / ".scopegate" / "artifacts" / ACCOUNT], capture_output=True, check=True).stdout
        == packed
    )
    called = subprocess.run(
        [SCOPEGATE, "call", "GET", "/orders", "--stage", "prod", "--client", client, "--endpoint", second.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (called.returncode, "one" in called.stdout) == (0, True), called.stdout + called.stderr
    second.stop()


def test_up_says_what_is_wrong_with_the_file_and_ends(tmp_path: Path, unused_port: int) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources:\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Properties: {UserPoolNme: x}\n")

    ended = subprocess.run(
        [SCOPEGATE, "up", str(file), "--port", str(unused_port), "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert f"{file}:4: Pool: AWS::Cognito::UserPool has no property UserPoolNme" in ended.stdout
