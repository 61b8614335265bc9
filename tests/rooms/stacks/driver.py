"""Deployments as `scopegate up` makes them, into a server that runs: packed, posted, their events collected."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from scopegate.base.errors import SetupError
from scopegate.cli.client import Client
from scopegate.stacks.project import read_project
from scopegate.stacks.read import TemplateError
from tests.server import REGION, Server

_NUMBERS = itertools.count(1)

ROLE = """
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
"""

FUNCTION = """
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import json
          def handler(event, context):
              return {"statusCode": 200, "body": json.dumps(event)}
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {Action: lambda:InvokeFunction, FunctionName: !Ref Function, Principal: apigateway.amazonaws.com}
"""

POOL = """
  Pool: {Type: AWS::Cognito::UserPool}
  ResourceServer:
    Type: AWS::Cognito::UserPoolResourceServer
    Properties:
      UserPoolId: !Ref Pool
      Identifier: orders
      Name: orders
      Scopes: [{ScopeName: read, ScopeDescription: r}, {ScopeName: write, ScopeDescription: w}]
  Client:
    Type: AWS::Cognito::UserPoolClient
    DependsOn: ResourceServer
    Properties:
      UserPoolId: !Ref Pool
      GenerateSecret: true
      AllowedOAuthFlowsUserPoolClient: true
      AllowedOAuthFlows: [client_credentials]
      AllowedOAuthScopes: [orders/read]
"""


@dataclass
class Stack:
    """One stack of a test, its file in a folder of its own."""

    server: Server
    folder: Path
    name: str = field(default_factory=lambda: f"stack-{next(_NUMBERS)}x")
    skip_unknown: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "template.yaml"

    def write(self, **files: str) -> None:
        """Files beside the template: `auth_yaml="…"` is `auth.yaml`."""
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / name.replace("_", ".")).write_text(text)

    def deploy(self, text: str, /, **parameters: str) -> dict[str, Any]:
        """The outputs. Raises SetupError with what the user reads; files are named from the template's folder."""
        self.write(template_yaml=text)
        client = Client(self.server.url)
        try:
            project = read_project(self.file, parameters, REGION, self.name)
            body = project.body(project.package(client), skipUnknown=self.skip_unknown)
        except TemplateError as error:
            self.events = []
            raise SetupError(str(error).replace(f"{self.folder}/", "")) from error
        sent = json.dumps(body).replace(f"{self.folder}/", "")
        self.events = list(client.stream("POST", f"stacks/{self.name}", sent.encode()))
        last = self.events[-1]
        if "error" in last:
            raise SetupError(last["error"])
        outputs: dict[str, Any] = last["outputs"]
        return outputs

    def refused(self, text: str, /, **parameters: str) -> str:
        """What the user reads of a deployment that is refused or fails."""
        try:
            outputs = self.deploy(text, **parameters)
        except SetupError as error:
            return str(error)
        raise AssertionError(f"it was deployed: {outputs}")

    def delete(self) -> None:
        self.events = list(Client(self.server.url).stream("DELETE", f"stacks/{self.name}", b""))
        if "error" in self.events[-1]:
            raise SetupError(self.events[-1]["error"])

    def done(self) -> dict[str, str]:
        """Logical id → what was done with it, by the last deployment."""
        return {event["logicalId"]: event["action"] for event in self.events if event.get("state") == "done"}

    def changed(self) -> dict[str, str]:
        return {logical_id: action for logical_id, action in self.done().items() if action != "Keep"}

    def notes(self) -> list[str]:
        return [event["note"] for event in self.events if "note" in event]

    # What it gives, called from outside

    def overview(self) -> dict[str, Any]:
        """What `scopegate ls` shows."""
        seen: dict[str, Any] = Client(self.server.url).own("GET", "overview")
        return seen

    def call(self, api_id: str, path: str, token: str | None = None, method: str = "GET", **more: Any) -> Any:
        headers = {**more.pop("headers", {}), **({"Authorization": token} if token else {})}
        return self.server.http(method, f"/_aws/execute-api/{api_id}{path}", headers=headers, **more)

    def token(self, pool_id: str, client_id: str, **fields: str) -> str:
        idp = self.server.aws("cognito-idp")
        client = idp.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
        answer: requests.Response = self.server.token(client, **fields)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def everything(self) -> dict[str, list[str]]:
        """The names of all that this stack could have made: what a clean server lacks."""
        return inventory(self.server, self.name)


def inventory(server: Server, stack_name: str = "") -> dict[str, list[str]]:
    """Kind → ids of what exists in the account, where it can be told, of one stack."""

    def listed(service: str, operation: str, key: str, **request: Any) -> list[dict[str, Any]]:
        pages = server.aws(service).get_paginator(operation).paginate(**request)
        return [each for page in pages for each in page[key]]

    def is_ours(tags: dict[str, str]) -> bool:
        return not stack_name or tags.get("aws:cloudformation:stack-name") == stack_name

    def named(resources: list[dict[str, Any]], name: str, shown: str) -> list[str]:
        return sorted(each[shown] for each in resources if each[name].startswith(stack_name))

    return {
        "rest": [api["id"] for api in listed("apigateway", "get_rest_apis", "items") if is_ours(api.get("tags", {}))],
        "http": [api["ApiId"] for api in listed("apigatewayv2", "get_apis", "Items") if is_ours(api.get("Tags", {}))],
        "pools": named(listed("cognito-idp", "list_user_pools", "UserPools", MaxResults=60), "Name", "Id"),
        "functions": named(listed("lambda", "list_functions", "Functions"), "FunctionName", "FunctionName"),
        "roles": named(listed("iam", "list_roles", "Roles"), "RoleName", "RoleName"),
    }


NOTHING: dict[str, list[str]] = {"rest": [], "http": [], "pools": [], "functions": [], "roles": []}

INVOKE = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/${{Function.Arn}}/invocations"  # for Fn::Sub
