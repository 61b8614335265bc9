"""U5, O24: what functions and IAM users can do with the rights that they have, from inside and from outside.

A function has its role's rights and no others: it cannot raise them, take another role, call other functions, read
other pools or pass a role on; a user cannot either. Both are tried in development mode, where any *other* key is taken
at its word, and in production mode.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.operators import Production
from tests.server import ACCOUNT, REGION, Server, allow_gateway, make_function, make_pool
from tests.signing import Signer

IAM = f"arn:aws:iam::{ACCOUNT}"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
TRUST_LAMBDA = {"Service": "lambda.amazonaws.com"}

# Calls whatever its event names, and answers each with "done" or the code and sentence of its refusal.
ACTOR = """
import boto3
from botocore.exceptions import ClientError

def attempt(service, operation, members, credentials):
    client = boto3.client(service, **credentials)
    try:
        getattr(client, operation)(**members)
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"] + ": " + error.response["Error"]["Message"]

def handler(event, context):
    return [attempt(*call, event.get("credentials", {})) for call in event["calls"]]
"""


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:8]


@dataclass(frozen=True)
class Place:
    """A running server, and clients of it: the operator's, and with `key`, `secret` of others."""

    server: Server
    aws: Callable[..., Any]


@pytest.fixture(params=["development", "production"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "production":
        running: Production = request.getfixturevalue("production")
        operator = running.key

        def client(service: str, key: str = operator.key_id, secret: str = operator.secret, **more: Any) -> Any:
            return running.server.aws(service, key=key, secret=secret, **more)

        return Place(running.server, client)
    server: Server = request.getfixturevalue("server")
    return Place(server, server.aws)


@pytest.fixture
def aws(place: Place) -> Callable[..., Any]:
    return place.aws


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def make_role(aws: Callable[..., Any], name: str, principal: Any, *statements: Mapping[str, Any]) -> str:
    iam = aws("iam")
    trust = document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
    return arn


def make_user(aws: Callable[..., Any], name: str, *statements: Mapping[str, Any]) -> dict[str, str]:
    """A user's key, as arguments of `aws`."""
    iam = aws("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def make_actor(aws: Callable[..., Any], name: str, role: str) -> Callable[..., list[str]]:
    """A function with this role that makes the calls that it is told to make."""
    make_function(operated_by(aws), name, ACTOR, Role=role, Timeout=60)

    def act(*calls: tuple[str, str, dict[str, Any]], **more: Any) -> list[str]:
        invoked = aws("lambda").invoke(FunctionName=name, Payload=json.dumps({"calls": calls, **more}))
        answer: list[str] = json.loads(invoked["Payload"].read())
        return answer

    return act


def operated_by(aws: Callable[..., Any]) -> Server:
    """As much of a server as making functions and pools takes."""
    return cast("Server", SimpleNamespace(aws=aws))


def denied(arn: str, action: str, resource: str, code: str = "AccessDeniedException") -> str:
    return (
        f"{code}: User: {arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def test_u5_a_function_does_what_its_role_allows_and_nothing_beside(aws: Callable[..., Any], unique: str) -> None:
    pool = make_pool(operated_by(aws))
    other = make_pool(operated_by(aws))
    make_function(operated_by(aws), f"mine-{unique}")
    make_function(operated_by(aws), f"theirs-{unique}")
    role = make_role(
        aws,
        f"worker-{unique}",
        TRUST_LAMBDA,
        allow("cognito-idp:Describe*", pool.arn),
        allow("lambda:InvokeFunction", f"{LAMBDA}mine-{unique}"),
    )
    act = make_actor(aws, f"worker-{unique}", role)

    mine, theirs = f"mine-{unique}", f"theirs-{unique}"
    answers = act(
        ("cognito-idp", "describe_user_pool", {"UserPoolId": pool.pool_id}),
        ("lambda", "invoke", {"FunctionName": mine}),
        ("sts", "get_caller_identity", {}),
        ("cognito-idp", "describe_user_pool", {"UserPoolId": other.pool_id}),
        ("cognito-idp", "delete_user_pool", {"UserPoolId": pool.pool_id}),
        ("lambda", "invoke", {"FunctionName": theirs}),
        ("lambda", "invoke", {"FunctionName": f"{ACCOUNT}:function:{theirs}"}),
        ("lambda", "invoke", {"FunctionName": f"{mine}:prod"}),
        ("lambda", "get_function", {"FunctionName": mine}),
        ("apigateway", "get_rest_apis", {}),
        ("apigatewayv2", "create_api", {"Name": "a", "ProtocolType": "HTTP"}),
        ("iam", "list_roles", {}),
    )

    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker-{unique}/worker-{unique}"
    assert answers == [
        "done",
        "done",
        "done",
        denied(arn, "cognito-idp:DescribeUserPool", other.arn),
        denied(arn, "cognito-idp:DeleteUserPool", pool.arn),
        denied(arn, "lambda:InvokeFunction", LAMBDA + theirs),
        denied(arn, "lambda:InvokeFunction", LAMBDA + theirs),
        denied(arn, "lambda:InvokeFunction", f"{LAMBDA}{mine}:prod"),
        denied(arn, "lambda:GetFunction", LAMBDA + mine),
        denied(arn, "apigateway:GET", f"arn:aws:apigateway:{REGION}::/restapis"),
        denied(arn, "apigateway:POST", f"arn:aws:apigateway:{REGION}::/apis"),
        denied(arn, "iam:ListRoles", f"{IAM}:role/", "AccessDenied"),
    ]


def test_u5_a_function_cannot_raise_its_rights(aws: Callable[..., Any], unique: str) -> None:
    """By changing its role or a policy of it, by a role that trusts others, by a function that has another role."""
    admin = make_role(aws, f"admin-{unique}", TRUST_LAMBDA, allow("*"))
    role = make_role(aws, f"maker-{unique}", TRUST_LAMBDA, allow(["lambda:*", "apigateway:*", "sts:AssumeRole"]))
    act = make_actor(aws, f"maker-{unique}", role)
    api = aws("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")["ApiId"]

    inline = {"RoleName": f"maker-{unique}", "PolicyName": "p", "PolicyDocument": document(allow("*"))}
    attach = {"RoleName": f"maker-{unique}", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    code = {"Runtime": "python3.12", "Handler": "app.handler", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}
    proxy = {
        "ApiId": api,
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": f"{LAMBDA}maker-{unique}",
        "PayloadFormatVersion": "2.0",
    }
    answers = act(
        ("iam", "put_role_policy", inline),
        ("iam", "attach_role_policy", attach),
        ("iam", "update_assume_role_policy", {"RoleName": f"maker-{unique}", "PolicyDocument": document()}),
        ("iam", "create_access_key", {"UserName": "admin"}),
        ("sts", "assume_role", {"RoleArn": admin, "RoleSessionName": "mine"}),
        ("lambda", "create_function", {"FunctionName": f"raised-{unique}", "Role": admin, **code}),
        ("lambda", "update_function_configuration", {"FunctionName": f"maker-{unique}", "Role": admin}),
        ("apigatewayv2", "create_integration", {**proxy, "CredentialsArn": admin}),
        ("apigatewayv2", "create_integration", {**proxy, "CredentialsArn": "${stageVariables.role}"}),
        ("apigatewayv2", "create_integration", proxy),
        ("lambda", "update_function_configuration", {"FunctionName": f"maker-{unique}", "Description": "mine"}),
    )

    codes = [answer.partition(":")[0] for answer in answers]
    assert codes == ["AccessDenied"] * 5 + ["AccessDeniedException"] * 4 + ["done", "done"]
    assert all(f"iam:PassRole on resource: {admin}" in answer for answer in answers[5:8])
    assert aws("lambda").get_function_configuration(FunctionName=f"maker-{unique}")["Role"] == role


def test_u5_a_role_that_does_not_trust_lambda_gives_a_function_nothing(aws: Callable[..., Any], unique: str) -> None:
    """Nor does one that is not there."""
    untrusting = make_role(aws, f"gateway-{unique}", {"Service": "apigateway.amazonaws.com"}, allow("*"))
    calls = [("iam", "list_roles", {}), ("lambda", "list_functions", {}), ("sts", "get_caller_identity", {})]

    answers = [
        make_actor(aws, f"untrusted-{unique}", untrusting)(*calls),
        make_actor(aws, f"roleless-{unique}", f"{IAM}:role/none-{unique}")(*calls),
    ]

    wanted = ["AccessDenied", "AccessDeniedException", "done"]
    assert [[answer.partition(":")[0] for answer in found] for found in answers] == [wanted, wanted]


def test_u5_a_role_may_be_for_one_function_alone(aws: Callable[..., Any], unique: str) -> None:
    """By conditions of its trust (the confused deputy), or of what it allows."""
    own = f"{LAMBDA}own-{unique}"
    only = {"ArnLike": {"aws:SourceArn": own}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    trusting = {"Effect": "Allow", "Principal": TRUST_LAMBDA, "Action": "sts:AssumeRole", "Condition": only}
    trusted = make_role(aws, f"trusted-{unique}", TRUST_LAMBDA, allow("lambda:ListFunctions"))
    aws("iam").update_assume_role_policy(RoleName=f"trusted-{unique}", PolicyDocument=document(trusting))
    source = {"Condition": {"ArnEquals": {"lambda:SourceFunctionArn": own}}}
    allowed = make_role(aws, f"allowed-{unique}", TRUST_LAMBDA, allow("lambda:ListFunctions", **source))
    call = ("lambda", "list_functions", {})

    answers = {}
    for name in (f"own-{unique}", f"other-{unique}"):
        act = make_actor(aws, name, trusted)
        first = act(call)
        aws("lambda").update_function_configuration(FunctionName=name, Role=allowed)
        answers[name] = [answer.partition(":")[0] for answer in (*first, *act(call))]

    assert answers == {
        f"own-{unique}": ["done", "done"],
        f"other-{unique}": ["AccessDeniedException", "AccessDeniedException"],
    }


def test_u5_rights_that_are_taken_away_are_gone_at_once(aws: Callable[..., Any], unique: str) -> None:
    """In sessions that functions hold already."""
    role = make_role(aws, f"lister-{unique}", TRUST_LAMBDA, allow("lambda:ListFunctions"))
    act = make_actor(aws, f"lister-{unique}", role)
    call = ("lambda", "list_functions", {})
    before = act(call)

    aws("iam").delete_role_policy(RoleName=f"lister-{unique}", PolicyName="inline")

    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/lister-{unique}/lister-{unique}"
    assert (before, act(call)) == (["done"], [denied(arn, "lambda:ListFunctions", "*")])


def test_u5_a_function_takes_the_role_that_trusts_its_own(aws: Callable[..., Any], unique: str) -> None:
    own = make_role(aws, f"own-{unique}", TRUST_LAMBDA)
    reader = make_role(aws, f"reader-{unique}", {"AWS": own}, allow("iam:ListUsers"))
    source = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    found = boto3.client("sts").assume_role(RoleArn=event, RoleSessionName="inner")["Credentials"]
    iam = boto3.client(
        "iam",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )
    iam.list_users()
    try:
        iam.list_roles()
    except ClientError as error:
        return error.response["Error"]["Message"]
"""
    make_function(operated_by(aws), f"own-{unique}", source, Role=own, Timeout=60)

    invoked = aws("lambda").invoke(FunctionName=f"own-{unique}", Payload=json.dumps(reader))

    assert json.loads(invoked["Payload"].read()) == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/reader-{unique}/inner is not authorized to perform: iam:ListRoles "
        f"on resource: {IAM}:role/ because no identity-based policy allows the iam:ListRoles action"
    )


def test_u5_a_user_is_held_to_its_policies_by_every_service(aws: Callable[..., Any], unique: str) -> None:
    """Its key is proven and limited in development mode as well, where an unknown key would be the account's root."""
    pool = make_pool(operated_by(aws))
    key = make_user(aws, f"reader-{unique}", allow("cognito-idp:Describe*", pool.arn))

    assert aws("cognito-idp", **key).describe_user_pool(UserPoolId=pool.pool_id)["UserPool"]["Id"] == pool.pool_id
    for service, call in (
        ("cognito-idp", lambda client: client.list_user_pools(MaxResults=1)),
        ("lambda", lambda client: client.list_functions()),
        ("apigateway", lambda client: client.get_rest_apis()),
        ("apigatewayv2", lambda client: client.get_apis()),
        ("iam", lambda client: client.list_roles()),
        ("cloudformation", lambda client: client.list_stacks()),
        ("logs", lambda client: client.describe_log_groups()),
    ):
        with pytest.raises(ClientError) as refused:
            call(aws(service, **key))
        assert refused.value.response["Error"]["Code"].startswith("AccessDenied"), service
        assert f"User: {IAM}:user/reader-{unique} is not authorized" in str(refused.value)
    with pytest.raises(ClientError) as forged:
        aws("iam", key=key["key"], secret="guess").list_roles()
    assert forged.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_u5_a_user_who_may_change_users_cannot_touch_operators(aws: Callable[..., Any], unique: str) -> None:
    key = make_user(aws, f"people-{unique}", allow(["iam:*AccessKey*", "iam:CreateUser"]))
    iam = aws("iam", **key)

    for call in (
        lambda: iam.create_access_key(UserName="admin"),
        lambda: iam.list_access_keys(UserName="admin"),
        lambda: iam.attach_user_policy(
            UserName=f"people-{unique}", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] in ("NoSuchEntity", "AccessDenied")


@pytest.mark.parametrize("ended", ["deactivated", "deleted"])
def test_u5_a_key_that_has_ended_is_refused(aws: Callable[..., Any], unique: str, ended: str) -> None:
    """In development mode as well: a user's key never becomes any key."""
    key = make_user(aws, f"gone-{unique}", allow("iam:ListUsers"))
    aws("iam", **key).list_users()
    if ended == "deleted":
        aws("iam").delete_access_key(UserName=f"gone-{unique}", AccessKeyId=key["key"])
    else:
        aws("iam").update_access_key(UserName=f"gone-{unique}", AccessKeyId=key["key"], Status="Inactive")

    with pytest.raises(ClientError) as refused:
        aws("iam", **key).list_users()

    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_u5_who_signs_calls_of_an_api_has_the_rights_of_no_other(place: Place, unique: str) -> None:
    """Users and sessions by AssumeRole on routes with AWS_IAM, in every process; rights that go are gone at once."""
    aws, api = place.aws, place.aws("apigatewayv2")
    function = make_function(operated_by(aws), f"signed-{unique}")
    api_id = api.create_api(Name="signed", ProtocolType="HTTP")["ApiId"]
    allow_gateway(operated_by(aws), f"signed-{unique}", api_id)
    integration = api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    for path in ("/mine", "/theirs"):
        target = f"integrations/{integration}"
        api.create_route(ApiId=api_id, RouteKey=f"GET {path}", Target=target, AuthorizationType="AWS_IAM")
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    routes = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/$default"
    user = make_user(aws, f"caller-{unique}", allow("execute-api:Invoke", f"{routes}/GET/mine"))
    role = make_role(
        aws, f"caller-{unique}", {"AWS": f"{IAM}:user/caller-{unique}"}, allow("execute-api:Invoke", f"{routes}/*")
    )
    host = f"{api_id}.execute-api.{REGION}.amazonaws.com"

    def answers(signer: Signer) -> list[int]:
        paths = ("/mine", "/theirs")
        sent = [place.server.http("GET", path, host=host, headers=signer.headers("GET", host, path)) for path in paths]
        return [answer.status_code for answer in sent]

    def session(**more: Any) -> Signer:
        found = aws("sts", **user).assume_role(RoleArn=role, RoleSessionName="session", **more)["Credentials"]
        return Signer(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    whole, narrow = session(), session(Policy=document(allow("execute-api:*", f"{routes}/GET/mine")))
    assert answers(Signer(user["key"], user["secret"])) == [200, 403]
    assert answers(whole) == [200, 200]
    assert answers(narrow) == [200, 403]
    assert answers(whole.but(token=narrow.token)) == [403, 403]

    aws("iam").delete_role_policy(RoleName=f"caller-{unique}", PolicyName="inline")

    assert (answers(whole), answers(narrow)) == ([403, 403], [403, 403])
