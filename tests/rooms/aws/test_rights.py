"""The action and the resource of operations, in IAM's words.

Source: Service Authorization Reference.
"""

from typing import Any

import pytest

from scopegate.aws import rights
from scopegate.aws.operations import Caller
from scopegate.aws.policy import Context, Decision, Verdict
from scopegate.aws.sigv4 import SignatureRefused
from tests.rooms.aws.wires import MODELS

ACCOUNT = "000000000000"
ADA = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ada", "AIDA", "AKIA", user="ada")
IAM = f"arn:aws:iam::{ACCOUNT}"
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}"
API = "arn:aws:apigateway:us-east-1::"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group"
POOL = f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_a"
PATCH = {"op": "replace", "path": "/name", "value": "n"}


def asked(service: str, operation: str, **members: Any) -> list[tuple[str, str]]:
    """What `ports.Allows` is asked for a call of a user; region us-east-1."""
    found = []

    def allows(caller: Caller, action: str, resource: str, context: Context) -> Decision:
        found.append((action, resource))
        return Decision(Verdict.ALLOW)

    known = rights.describe_request(None, "us-east-1", 0.0)
    rights.authorise(allows, ADA, MODELS.operation(service, operation), members, known)
    return found


@pytest.mark.parametrize(
    ("service", "operation", "members", "action", "resource"),
    [
        ("cognito-idp", "DescribeUserPool", {"UserPoolId": "us-east-1_a"}, "cognito-idp:DescribeUserPool", POOL),
        ("cognito-idp", "CreateUserPool", {"PoolName": "p"}, "cognito-idp:CreateUserPool", "*"),
        ("cognito-idp", "TagResource", {"ResourceArn": POOL}, "cognito-idp:TagResource", POOL),
        ("cognito-idp", "DescribeUserPool", {"UserPoolId": ["x"]}, "cognito-idp:DescribeUserPool", "*"),
        ("lambda", "ListFunctions", {}, "lambda:ListFunctions", "*"),
        ("lambda", "Invoke", {"FunctionName": "f"}, "lambda:InvokeFunction", f"{LAMBDA}:function:f"),
        ("lambda", "Invoke", {"FunctionName": "f:7"}, "lambda:InvokeFunction", f"{LAMBDA}:function:f:7"),
        (
            "lambda",
            "Invoke",
            {"FunctionName": f"{ACCOUNT}:function:f"},
            "lambda:InvokeFunction",
            f"{LAMBDA}:function:f",
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": f"{LAMBDA}:function:f:a"},
            "lambda:InvokeFunction",
            f"{LAMBDA}:function:f:a",
        ),
        (
            "lambda",
            "InvokeWithResponseStream",
            {"FunctionName": "f", "Qualifier": "live"},
            "lambda:InvokeFunction",
            f"{LAMBDA}:function:f:live",
        ),
        ("lambda", "InvokeAsync", {"FunctionName": "f"}, "lambda:InvokeAsync", f"{LAMBDA}:function:f"),
        ("lambda", "ListTags", {"Resource": f"{LAMBDA}:function:f"}, "lambda:ListTags", f"{LAMBDA}:function:f"),
        ("lambda", "PublishLayerVersion", {"LayerName": "l"}, "lambda:PublishLayerVersion", f"{LAMBDA}:layer:l"),
        (
            "lambda",
            "GetLayerVersion",
            {"LayerName": "l", "VersionNumber": 2},
            "lambda:GetLayerVersion",
            f"{LAMBDA}:layer:l:2",
        ),
        (
            "lambda",
            "GetLayerVersionByArn",
            {"Arn": f"{LAMBDA}:layer:l:2"},
            "lambda:GetLayerVersion",
            f"{LAMBDA}:layer:l:2",
        ),
        ("apigateway", "GetRestApis", {}, "apigateway:GET", f"{API}/restapis"),
        (
            "apigateway",
            "DeleteStage",
            {"restApiId": "a", "stageName": "s"},
            "apigateway:DELETE",
            f"{API}/restapis/a/stages/s",
        ),
        (
            "apigateway",
            "PutMethod",
            {"restApiId": "a", "resourceId": "r", "httpMethod": "GET"},
            "apigateway:PUT",
            f"{API}/restapis/a/resources/r/methods/GET",
        ),
        (
            "apigateway",
            "UpdateStage",
            {"restApiId": "a/../b", "stageName": "s"},
            "apigateway:PATCH",
            f"{API}/restapis/a%2F..%2Fb/stages/s",
        ),
        ("apigateway", "ImportRestApi", {"body": b"{}"}, "apigateway:POST", f"{API}/restapis"),
        (
            "apigateway",
            "UpdateRestApi",
            {"restApiId": "a", "patchOperations": [PATCH]},
            "apigateway:PATCH",
            f"{API}/restapis/a",
        ),
        ("apigatewayv2", "GetApis", {}, "apigateway:GET", f"{API}/apis"),
        ("apigatewayv2", "UpdateRoute", {"ApiId": "a", "RouteId": "r"}, "apigateway:PATCH", f"{API}/apis/a/routes/r"),
        (
            "apigatewayv2",
            "DeleteStage",
            {"ApiId": "a", "StageName": "$default"},
            "apigateway:DELETE",
            f"{API}/apis/a/stages/$default",
        ),
        ("iam", "GetRole", {"RoleName": "r"}, "iam:GetRole", f"{IAM}:role/r"),
        ("iam", "CreateRole", {"RoleName": "r", "Path": "/x/"}, "iam:CreateRole", f"{IAM}:role/x/r"),
        ("iam", "AttachRolePolicy", {"RoleName": "r", "PolicyArn": "arn:p"}, "iam:AttachRolePolicy", f"{IAM}:role/r"),
        ("iam", "PutUserPolicy", {"UserName": "u", "PolicyName": "p"}, "iam:PutUserPolicy", f"{IAM}:user/u"),
        ("iam", "GetPolicy", {"PolicyArn": f"{IAM}:policy/p"}, "iam:GetPolicy", f"{IAM}:policy/p"),
        ("iam", "CreatePolicy", {"PolicyName": "p"}, "iam:CreatePolicy", f"{IAM}:policy/p"),
        ("iam", "GetUser", {}, "iam:GetUser", f"{IAM}:user/ada"),
        ("iam", "ListUsers", {"PathPrefix": "/x/"}, "iam:ListUsers", f"{IAM}:user/x/"),
        ("iam", "ListPolicies", {}, "iam:ListPolicies", "*"),
        ("sts", "GetAccessKeyInfo", {"AccessKeyId": "a"}, "sts:GetAccessKeyInfo", "*"),
        (
            "cloudformation",
            "DescribeStacks",
            {"StackName": "s"},
            "cloudformation:DescribeStacks",
            f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/s/*",
        ),
        ("cloudformation", "ListStacks", {}, "cloudformation:ListStacks", "*"),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "/aws/lambda/f", "logStreamName": "s"},
            "logs:GetLogEvents",
            f"{LOGS}:/aws/lambda/f:log-stream:s",
        ),
    ],
)
def test_action_and_resource(service: str, operation: str, members: dict[str, Any], action: str, resource: str) -> None:
    assert asked(service, operation, **members) == [(action, resource)]


@pytest.mark.parametrize(
    ("service", "operation", "members", "beside"),
    [
        ("apigateway", "CreateRestApi", {"name": "a", "policy": "{}"}, ("UpdateRestApiPolicy", f"{API}/restapis")),
        (
            "apigateway",
            "UpdateRestApi",
            {"restApiId": "a", "patchOperations": [PATCH, {"op": "replace", "path": "/policy"}]},
            ("UpdateRestApiPolicy", f"{API}/restapis/a"),
        ),
        (
            "apigateway",
            "PutRestApi",
            {"restApiId": "a", "body": b'{"x-amazon-apigateway-policy": {}}'},
            ("UpdateRestApiPolicy", f"{API}/restapis/a"),
        ),
        (
            "apigateway",
            "PutRestApi",
            {"restApiId": "a", "body": b'{"x-amazon-apigateway-\\u0070olicy": {}}'},
            ("UpdateRestApiPolicy", f"{API}/restapis/a"),
        ),
        (
            "lambda",
            "CreateFunction",
            {"FunctionName": "f", "Layers": [f"{LAMBDA}:layer:l:1"]},
            ("GetLayerVersion", f"{LAMBDA}:layer:l:1"),
        ),
    ],
)
def test_what_is_asked_beside(service: str, operation: str, members: dict[str, Any], beside: tuple[str, str]) -> None:
    assert asked(service, operation, **members)[1:] == [(f"{service}:{beside[0]}", beside[1])]


def test_nobody_needs_a_right_to_ask_who_they_are() -> None:
    assert asked("sts", "GetCallerIdentity") == []


def test_a_denial_is_one_printable_line() -> None:
    """Attack G17: what a caller writes into a name does not become lines of somebody's log."""

    def allows(caller: Caller, action: str, resource: str, context: Context) -> Decision:
        return Decision(Verdict.EXPLICIT_DENY, "with an explicit deny in an identity-based policy")

    known = rights.describe_request(None, "us-east-1", 0.0)
    members = {"RoleName": "r\r\nX: y\x1b[0m"}
    with pytest.raises(SignatureRefused) as refused:
        rights.authorise(allows, ADA, MODELS.operation("iam", "GetRole"), members, known)

    assert refused.value.message == (
        f"User: {IAM}:user/ada is not authorized to perform: iam:GetRole on resource: {IAM}:role/rX: y[0m "
        "with an explicit deny in an identity-based policy"
    )
