"""AWS's managed policies that templates name: what each allows of the services that are here.

Statements about services that are not here are left out or kept in AWS's wording, whichever is shorter; they decide
nothing. A managed policy that is not in this table grants nothing, and a deployment that names it says so.
Source: AWS managed policy reference guide, default versions of 2025-2026.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

_WRITE_LOGS: Final = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_CONSOLE_OF_LAMBDA: Final = (
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListRoles",
    "kms:ListAliases",
    "logs:DescribeLogGroups",
    "states:DescribeStateMachine",
    "states:ListStateMachines",
    "tag:GetResources",
    "xray:BatchGetTraces",
    "xray:GetTraceSummaries",
)
_READ_LOGS_OF_LAMBDA: Final = {
    "Action": ["logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"],
    "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/*",
}
_TABLES_OF_LAMBDA: Final = ("lambda:GetFunctionConfiguration", "lambda:ListEventSourceMappings", "lambda:ListFunctions")


def _on_all(*actions: str) -> dict[str, Any]:
    return {"Action": list(actions), "Resource": "*"}


def _policy(*statements: Mapping[str, Any]) -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    return orjson.dumps(document).decode()


KNOWN: Final[Mapping[str, str]] = {
    # everything
    "/AdministratorAccess": _policy(_on_all("*")),
    "/PowerUserAccess": _policy(
        {"NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        _on_all("iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles"),
    ),
    "/ReadOnlyAccess": _policy(
        _on_all(
            "apigateway:GET",
            "cloudformation:Describe*",
            "cloudformation:Detect*",
            "cloudformation:Estimate*",
            "cloudformation:Get*",
            "cloudformation:List*",
            "cloudformation:ValidateTemplate",
            "cognito-idp:AdminGet*",
            "cognito-idp:AdminList*",
            "cognito-idp:Describe*",
            "cognito-idp:Get*",
            "cognito-idp:List*",
            "iam:Generate*",
            "iam:Get*",
            "iam:List*",
            "iam:Simulate*",
            "lambda:Get*",
            "lambda:List*",
            "logs:Describe*",
            "logs:FilterLogEvents",
            "logs:Get*",
            "logs:ListTagsForResource",
            "logs:ListTagsLogGroup",
            "logs:StartQuery",
            "logs:StopQuery",
            "logs:TestMetricFilter",
            "sts:GetAccessKeyInfo",
            "sts:GetCallerIdentity",
            "sts:GetSessionToken",
        )
    ),
    # IAM
    "/IAMFullAccess": _policy(_on_all("iam:*")),
    "/IAMReadOnlyAccess": _policy(
        _on_all(
            "iam:GenerateCredentialReport",
            "iam:GenerateServiceLastAccessedDetails",
            "iam:Get*",
            "iam:List*",
            "iam:SimulateCustomPolicy",
            "iam:SimulatePrincipalPolicy",
        )
    ),
    # Cognito
    "/AmazonCognitoPowerUser": _policy(
        _on_all(
            "cognito-identity:*",
            "cognito-idp:*",
            "cognito-sync:*",
            "iam:GetRole",
            "iam:GetSAMLProvider",
            "iam:ListOpenIdConnectProviders",
            "iam:ListRoles",
            "iam:ListSAMLProviders",
            "lambda:GetPolicy",
            "lambda:ListFunctions",
            "sns:GetSMSSandboxAccountStatus",
            "sns:ListPlatformApplications",
        )
    ),
    "/AmazonCognitoReadOnly": _policy(
        _on_all(
            "cognito-identity:Describe*",
            "cognito-identity:Get*",
            "cognito-identity:List*",
            "cognito-idp:AdminGet*",
            "cognito-idp:AdminList*",
            "cognito-idp:Describe*",
            "cognito-idp:Get*",
            "cognito-idp:List*",
            "cognito-sync:Describe*",
            "cognito-sync:Get*",
            "cognito-sync:List*",
            "iam:ListOpenIdConnectProviders",
            "iam:ListRoles",
            "sns:ListPlatformApplications",
        )
    ),
    # API Gateway
    "/AmazonAPIGatewayAdministrator": _policy(
        {"Action": ["apigateway:*"], "Resource": "arn:aws:apigateway:*::/*"},
    ),
    "/AmazonAPIGatewayInvokeFullAccess": _policy(
        {"Action": ["execute-api:Invoke", "execute-api:ManageConnections"], "Resource": "arn:aws:execute-api:*:*:*"},
    ),
    "/service-role/AmazonAPIGatewayPushToCloudWatchLogs": _policy(
        _on_all(
            *_WRITE_LOGS,
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:FilterLogEvents",
            "logs:GetLogEvents",
        )
    ),
    # Lambda
    "/AWSLambda_FullAccess": _policy(
        _on_all("lambda:*", *_CONSOLE_OF_LAMBDA),
        {
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        },
        _READ_LOGS_OF_LAMBDA,
    ),
    "/AWSLambda_ReadOnlyAccess": _policy(
        _on_all("lambda:Get*", "lambda:List*", *_CONSOLE_OF_LAMBDA), _READ_LOGS_OF_LAMBDA
    ),
    "/AWSLambdaExecute": _policy(
        {"Action": ["logs:*"], "Resource": "arn:aws:logs:*:*:*"},
        {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::*"},
    ),
    "/AWSLambdaInvocation-DynamoDB": _policy(
        _on_all("lambda:InvokeFunction"),
        _on_all("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    ),
    "/service-role/AWSLambdaRole": _policy(_on_all("lambda:InvokeFunction")),
    "/service-role/AWSLambdaBasicExecutionRole": _policy(_on_all(*_WRITE_LOGS)),
    "/service-role/AWSLambdaVPCAccessExecutionRole": _policy(
        _on_all(
            *_WRITE_LOGS,
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        )
    ),
    "/service-role/AWSLambdaSQSQueueExecutionRole": _policy(
        _on_all(*_WRITE_LOGS, "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
    ),
    "/service-role/AWSLambdaDynamoDBExecutionRole": _policy(
        _on_all(
            *_WRITE_LOGS,
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        )
    ),
    "/service-role/AWSLambdaKinesisExecutionRole": _policy(
        _on_all(
            *_WRITE_LOGS,
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
            "kinesis:ListStreams",
            "kinesis:SubscribeToShard",
        )
    ),
    # CloudFormation, logs, traces
    "/AWSCloudFormationFullAccess": _policy(_on_all("cloudformation:*")),
    "/AWSCloudFormationReadOnlyAccess": _policy(
        _on_all(
            "cloudformation:Describe*",
            "cloudformation:Detect*",
            "cloudformation:Estimate*",
            "cloudformation:Get*",
            "cloudformation:List*",
            "cloudformation:ValidateTemplate",
        )
    ),
    "/CloudWatchLogsFullAccess": _policy(_on_all("logs:*")),
    "/CloudWatchLogsReadOnlyAccess": _policy(
        _on_all(
            "logs:Describe*",
            "logs:FilterLogEvents",
            "logs:Get*",
            "logs:List*",
            "logs:StartLiveTail",
            "logs:StartQuery",
            "logs:StopLiveTail",
            "logs:StopQuery",
            "logs:TestMetricFilter",
        )
    ),
    "/CloudWatchLambdaInsightsExecutionRolePolicy": _policy(
        _on_all("logs:CreateLogGroup"),
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda-insights:*",
        },
    ),
    "/AWSXRayDaemonWriteAccess": _policy(
        _on_all(
            "xray:GetSamplingRules",
            "xray:GetSamplingStatisticSummaries",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        )
    ),
    "/AWSXrayWriteOnlyAccess": _policy(
        _on_all(
            "xray:GetSamplingRules",
            "xray:GetSamplingStatisticSummaries",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        )
    ),
    # services that are not here
    "/AmazonDynamoDBFullAccess": _policy(
        _on_all(
            "dynamodb:*",
            "iam:GetRole",
            "iam:ListRoles",
            *_TABLES_OF_LAMBDA,
            "lambda:CreateEventSourceMapping",
            "lambda:CreateFunction",
            "lambda:DeleteEventSourceMapping",
            "lambda:DeleteFunction",
        )
    ),
    "/AmazonDynamoDBReadOnlyAccess": _policy(
        _on_all(
            "dynamodb:Describe*",
            "dynamodb:Get*",
            "dynamodb:List*",
            "iam:GetRole",
            "iam:ListRoles",
            *_TABLES_OF_LAMBDA,
        )
    ),
    "/AmazonS3FullAccess": _policy(_on_all("s3:*", "s3-object-lambda:*")),
    "/AmazonS3ReadOnlyAccess": _policy(_on_all("s3:Describe*", "s3:Get*", "s3:List*")),
    "/AmazonSNSFullAccess": _policy(_on_all("sns:*")),
    "/AmazonSQSFullAccess": _policy(_on_all("sqs:*")),
    "/AmazonSSMReadOnlyAccess": _policy(_on_all("ssm:Describe*", "ssm:Get*", "ssm:List*")),
    "/SecretsManagerReadWrite": _policy(
        _on_all(
            "cloudformation:CreateChangeSet",
            "cloudformation:DescribeChangeSet",
            "cloudformation:DescribeStackResource",
            "cloudformation:DescribeStacks",
            "cloudformation:ExecuteChangeSet",
            "secretsmanager:*",
            "tag:GetResources",
        ),
        {
            "Action": [
                "lambda:AddPermission",
                "lambda:CreateFunction",
                "lambda:GetFunction",
                "lambda:InvokeFunction",
                "lambda:UpdateFunctionConfiguration",
            ],
            "Resource": "arn:aws:lambda:*:*:function:SecretsManager*",
        },
    ),
}
"""Path and name → document."""


def find_aws_policy(arn: str) -> str | None:
    """The document of an AWS managed policy; None for one that is not known here, and for any other ARN."""
    start, colon, rest = arn.partition(":iam::aws:policy")
    if not colon or start not in ("arn:aws", "arn:aws-cn", "arn:aws-us-gov"):
        return None
    return KNOWN.get(rest)
