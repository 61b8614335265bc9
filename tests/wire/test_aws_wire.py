"""AWS operations over real HTTP, as SDKs send them: callers, roles and policies, errors, a session of a function."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server import Server, make_function, make_role

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]})


def refusal(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**members)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_the_caller_is_named_by_account_and_region_by_the_client(server: Server) -> None:
    """Design, "Who may speak to which plane"."""
    identity = server.aws("sts").get_caller_identity()
    other = server.aws("sts", key="123456789012", region="eu-central-1").get_caller_identity()

    assert (identity["Account"], identity["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")
    assert other["Account"] == "123456789012"


def test_a_role_as_deployment_tools_make_it(server: Server) -> None:
    """boto3 reads policy documents as objects."""
    iam = server.aws("iam", key="222222222222")
    iam.create_role(RoleName="orders", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "team", "Value": "orders"}])
    iam.put_role_policy(RoleName="orders", PolicyName="logs", PolicyDocument=POLICY)
    arn = iam.create_policy(PolicyName="more", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="orders", PolicyArn=arn)

    role = iam.get_role(RoleName="orders")["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert role["Tags"] == [{"Key": "team", "Value": "orders"}]
    assert iam.get_role_policy(RoleName="orders", PolicyName="logs")["PolicyDocument"] == json.loads(POLICY)
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == json.loads(POLICY)
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1})
    assert [each["RoleName"] for page in pages for each in page["Roles"]] == ["orders"]
    iam.get_waiter("role_exists").wait(RoleName="orders")


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("cognito-idp", "describe_risk_configuration", {"UserPoolId": "us-east-1_a"}),
        ("iam", "create_group", {"GroupName": "g"}),
        ("lambda", "list_event_source_mappings", {}),
        ("apigateway", "get_sdk_types", {}),
        ("apigatewayv2", "get_domain_names", {}),
        ("dynamodb", "list_tables", {}),
        ("s3", "list_buckets", {}),
    ],
)
def test_an_operation_that_is_not_built_is_named(
    server: Server, service: str, operation: str, members: dict[str, Any]
) -> None:
    client = server.aws(service)
    status, code, message = refusal(getattr(client, operation), **members)

    assert (status, code) == (501, "NotImplementedException")
    assert message.startswith(client.meta.method_to_api_mapping[operation] + " of ")


def test_a_function_calls_back_with_its_session(server: Server) -> None:
    """Attack U5: it may do what its role allows; the rest is denied, also when it drops its session token."""
    source = """
import boto3, os
from botocore.exceptions import ClientError

def handler(event, context):
    if event == "ping":
        return "pong"
    answers = {"arn": boto3.client("sts").get_caller_identity()["Arn"]}
    invoked = boto3.client("lambda").invoke(FunctionName=context.function_name, Qualifier="$LATEST", Payload=b'"ping"')
    answers["invoked"] = invoked["StatusCode"]
    bare = dict(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="x")
    for name, more in (("session", {}), ("bare", bare)):
        try:
            boto3.client("cognito-idp", **more).list_user_pools(MaxResults=1)
        except ClientError as error:
            answers[name] = error.response["Error"]["Code"] + ": " + error.response["Error"]["Message"]
    return answers
"""
    role = make_role(server, "calls-back", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    make_function(server, "calls-back", source, Timeout=60, Role=role)
    answer = server.aws("lambda").invoke(FunctionName="calls-back")
    answers = json.loads(answer["Payload"].read())

    assert answers == {
        "arn": "arn:aws:sts::000000000000:assumed-role/calls-back/calls-back",
        "invoked": 200,
        "session": "AccessDeniedException: User: arn:aws:sts::000000000000:assumed-role/calls-back/calls-back is not "
        "authorized to perform: cognito-idp:ListUserPools on resource: * because no identity-based policy allows the "
        "cognito-idp:ListUserPools action",
        "bare": "UnrecognizedClientException: The security token included in the request is invalid.",
    }
