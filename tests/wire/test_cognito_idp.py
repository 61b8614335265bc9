"""User pools over real HTTP: boto3 as its users call it, and what the wire shows beneath."""

import datetime
import json
from typing import Any

import boto3
import jwt
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.server import ACCOUNT, REGION, Pool, Server, make_function, token_part


def error_of(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def call_headers(operation: str) -> dict[str, str]:
    """The headers of one call, with an unproven signature of the right shape."""
    credential = f"AKIDEXAMPLE/20261124/{REGION}/cognito-idp/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        "X-Amz-Date": "20261124T000000Z",
        "Authorization": signed,
    }


def post(server: Server, operation: str, body: Any, **headers: str) -> requests.Response:
    """One call as the wire has it."""
    return server.http("POST", "/", data=json.dumps(body), headers=call_headers(operation) | headers)


def test_the_machine_to_machine_story_is_set_up_by_boto3(server: Server) -> None:
    """Reference, "All 141 operations", tier 1: pool, domain, scopes, client, token; then all of it is taken away."""
    idp = server.aws("cognito-idp")
    pool_id = idp.create_user_pool(PoolName="orders")["UserPool"]["Id"]
    idp.create_user_pool_domain(Domain="story-of-orders", UserPoolId=pool_id)
    scopes = [{"ScopeName": "read", "ScopeDescription": "Read orders"}]
    idp.create_resource_server(UserPoolId=pool_id, Identifier="orders", Name="Orders", Scopes=scopes)
    client = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="orders-job",
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["orders/read"],
        AllowedOAuthFlowsUserPoolClient=True,
    )["UserPoolClient"]

    answer = server.token(client)

    assert answer.status_code == 200
    assert jwt.decode(answer.json()["access_token"], options={"verify_signature": False})["scope"] == "orders/read"
    assert error_of(idp.delete_user_pool, UserPoolId=pool_id)[0] == "InvalidParameterException"
    idp.delete_user_pool_client(UserPoolId=pool_id, ClientId=client["ClientId"])
    idp.delete_resource_server(UserPoolId=pool_id, Identifier="orders")
    idp.delete_user_pool_domain(Domain="story-of-orders", UserPoolId=pool_id)
    idp.delete_user_pool(UserPoolId=pool_id)
    assert (server.token(client).status_code, server.token(client).json()) == (400, {"error": "invalid_client"})


def test_boto3_reads_dates_and_describes_what_was_made(pool: Pool) -> None:
    idp = pool.server.aws("cognito-idp")

    described = idp.describe_user_pool(UserPoolId=pool.pool_id)["UserPool"]

    assert described["Arn"] == pool.arn
    assert described["Domain"] == pool.domain
    assert described["CreationDate"].tzinfo is not None
    age = datetime.datetime.now(datetime.UTC) - described["CreationDate"]
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=5)
    domain = idp.describe_user_pool_domain(Domain=pool.domain)["DomainDescription"]
    assert (domain["UserPoolId"], domain["Status"]) == (pool.pool_id, "ACTIVE")


def test_the_wire_of_an_answer_is_json_1_1(pool: Pool) -> None:
    """Reference, "Request and answer": times are epoch seconds with fraction as numbers."""
    answer = post(pool.server, "DescribeUserPool", {"UserPoolId": pool.pool_id})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert len(answer.headers["x-amzn-RequestId"]) == 36
    assert isinstance(answer.json()["UserPool"]["CreationDate"], int | float)


def test_the_wire_of_a_refusal_names_it_three_times(server: Server) -> None:
    """Reference, "Errors" of the JSON API."""
    answer = post(server, "DescribeUserPool", {"UserPoolId": f"{REGION}_nobody"})

    text = f"User pool {REGION}_nobody does not exist."
    assert answer.status_code == 400
    assert answer.json() == {"__type": "ResourceNotFoundException", "message": text}
    assert answer.headers["x-amzn-ErrorType"] == "ResourceNotFoundException:"
    assert answer.headers["x-amzn-ErrorMessage"] == text


def test_an_operation_without_output_answers_an_empty_object(pool: Pool) -> None:
    """Reference, "Request and answer"."""
    answer = post(pool.server, "TagResource", {"ResourceArn": pool.arn, "Tags": {"team": "orders"}})

    assert (answer.status_code, answer.text) == (200, "{}")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_calls_an_operation(server: Server, method: str) -> None:
    """AWS JSON 1.1: a call is a POST; a link or a crawler makes nothing."""
    idp = server.aws("cognito-idp")
    before = len(idp.list_user_pools(MaxResults=60)["UserPools"])

    answer = server.http(
        method,
        "/",
        data=json.dumps({"PoolName": "by-another-method"}),
        headers=call_headers("CreateUserPool"),
    )

    assert answer.status_code in (400, 404)
    assert len(idp.list_user_pools(MaxResults=60)["UserPools"]) == before


def test_paginators_of_boto3_go_through_every_page(pool: Pool) -> None:
    idp = pool.server.aws("cognito-idp")
    made = {pool.client()["ClientId"] for _ in range(5)}

    pages = list(idp.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool.pool_id, MaxResults=2))

    assert [len(page["UserPoolClients"]) for page in pages] == [2, 2, 1]
    assert {client["ClientId"] for page in pages for client in page["UserPoolClients"]} == made


def test_a_scope_that_is_taken_away_is_left_out_of_the_next_token(pool: Pool) -> None:
    """Reference, "Resource servers and scopes"."""
    idp = pool.server.aws("cognito-idp")
    client = pool.client("orders/read", "orders/write")

    left = [{"ScopeName": "write", "ScopeDescription": "write"}]
    idp.update_resource_server(UserPoolId=pool.pool_id, Identifier="orders", Name="orders", Scopes=left)

    token = pool.server.token(client).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["scope"] == "orders/write"


def test_both_secrets_authenticate_until_one_is_deleted(pool: Pool) -> None:
    """Reference, "Client secret rotation"."""
    idp = pool.server.aws("cognito-idp")
    client = pool.client()
    names = {"UserPoolId": pool.pool_id, "ClientId": client["ClientId"]}
    (first,) = idp.list_user_pool_client_secrets(**names)["ClientSecrets"]
    added = idp.add_user_pool_client_secret(**names)["ClientSecretDescriptor"]
    renewed = {**client, "ClientSecret": added["ClientSecretValue"]}
    both = (pool.server.token(client).status_code, pool.server.token(renewed).status_code)

    idp.delete_user_pool_client_secret(**names, ClientSecretId=first["ClientSecretId"])

    assert both == (200, 200)
    assert pool.server.token(client).json() == {"error": "invalid_client"}
    assert pool.server.token(renewed).status_code == 200


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_get_client_token_is_answered_signed_or_not(pool: Pool, signed: bool) -> None:
    """Reference, "GetClientToken": IAM is not consulted."""
    made = pool.server.aws("cognito-idp").create_user_pool_client(
        UserPoolId=pool.pool_id,
        ClientName="machine",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"],
        AllowedOAuthScopes=["orders/read"],
    )["UserPoolClient"]
    body = {"ClientId": made["ClientId"], "Secret": made["ClientSecret"]}

    if signed:
        result = pool.server.aws("cognito-idp").get_client_token(**body)
    else:
        answer = pool.server.http(
            "POST",
            "/",
            data=json.dumps(body),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": "AWSCognitoIdentityProviderService.GetClientToken",
            },
        )
        assert answer.status_code == 200, answer.text
        result = answer.json()

    token = result["ClientAuthenticationResult"]["AccessToken"]
    key = jwt.PyJWKClient(f"{pool.server.url}/{pool.pool_id}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    assert jwt.decode(token, key, algorithms=["RS256"], issuer=pool.issuer)["scope"] == "orders/read"


DECIDES = """
def handler(event, context):
    request, client = event["request"], event["callerContext"]["clientId"]
    if request["clientMetadata"].get("fail"):
        raise Exception("not at night")
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": {
        "claimsToAddOrOverride": {"source": event["triggerSource"], "asked": request["scopes"], "sub": "evil"},
        "scopesToSuppress": ["orders/write"],
    }}}
    return event
"""


def test_a_function_decides_over_machine_tokens(pool: Pool) -> None:
    """Reference, "Pre-token generation": V3_0, at the token endpoint and by GetClientToken; closed when it may not be
    invoked or fails."""
    idp, lambda_ = pool.server.aws("cognito-idp"), pool.server.aws("lambda")
    name = f"claims-{pool.domain}"
    trigger = {"LambdaVersion": "V3_0", "LambdaArn": make_function(pool.server, name, DECIDES)}
    client = pool.client("orders/read", "orders/write")
    direct = idp.create_user_pool_client(
        UserPoolId=pool.pool_id,
        ClientName="direct",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"],
        AllowedOAuthScopes=["orders/read", "orders/write"],
        AllowedOAuthFlowsUserPoolClient=True,
    )["UserPoolClient"]

    idp.update_user_pool(UserPoolId=pool.pool_id, LambdaConfig={"PreTokenGenerationConfig": trigger})
    without_permission = pool.server.token(client)
    lambda_.add_permission(
        FunctionName=name,
        StatementId="pool",
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
        SourceArn=pool.arn,
    )
    changed = pool.server.token(client)
    failed = pool.server.token(client, aws_client_metadata='{"fail": "yes"}')
    same = {"ClientId": direct["ClientId"], "Secret": direct["ClientSecret"]}
    by_operation = idp.get_client_token(**same)["ClientAuthenticationResult"]["AccessToken"]
    with pytest.raises(idp.exceptions.ClientError) as refused:
        idp.get_client_token(**same, ClientMetadata={"fail": "yes"})

    assert (without_permission.status_code, without_permission.json()) == (400, {"error": "invalid_grant"})
    assert (failed.status_code, failed.json()) == (400, {"error": "invalid_grant"})
    for token, client_id in ((changed.json()["access_token"], client["ClientId"]), (by_operation, direct["ClientId"])):
        claims = token_part(token, 1)
        assert (claims["scope"], claims["sub"]) == ("orders/read", client_id)
        assert claims["source"] == "TokenGeneration_ClientCredentials"
        assert claims["asked"] == ["orders/read", "orders/write"]
    assert refused.value.response["Error"] == {
        "Code": "UserLambdaValidationException",
        "Message": "PreTokenGeneration failed with error not at night.",
    }


def test_a_custom_domain_is_a_host_of_its_own(pool: Pool) -> None:
    host = f"auth.{pool.domain}.example.com"
    certificate = {"CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1b2c"}
    pool.server.aws("cognito-idp").create_user_pool_domain(
        Domain=host, UserPoolId=pool.pool_id, CustomDomainConfig=certificate
    )
    client = pool.client()

    answer = pool.server.http(
        "POST",
        "/oauth2/token",
        host=host,
        data={"grant_type": "client_credentials"},
        auth=(client["ClientId"], client["ClientSecret"]),
    )

    assert answer.status_code == 200


def test_control_operations_want_a_signature(server: Server) -> None:
    """Reference, "Who may call": class I."""
    unsigned = boto3.client(
        "cognito-idp", endpoint_url=server.url, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )

    code, _ = error_of(unsigned.list_user_pools, MaxResults=1)

    assert code == "MissingAuthenticationTokenException"


def test_accounts_and_regions_do_not_see_each_other(pool: Pool) -> None:
    """Attack row O24."""
    strangers = [
        pool.server.aws("cognito-idp", key="111111111111"),
        pool.server.aws("cognito-idp", region="eu-west-1"),
    ]

    for stranger in strangers:
        unknown = ("ResourceNotFoundException", f"User pool {pool.pool_id} does not exist.")
        assert error_of(stranger.describe_user_pool, UserPoolId=pool.pool_id) == unknown
        assert pool.pool_id not in {each["Id"] for each in stranger.list_user_pools(MaxResults=60)["UserPools"]}


def test_a_refusal_of_a_short_secret_does_not_repeat_it(pool: Pool) -> None:
    """Attack row O14."""
    answer = post(
        pool.server,
        "CreateUserPoolClient",
        {"UserPoolId": pool.pool_id, "ClientName": "x", "ClientSecret": "hush-hush"},
    )

    assert answer.status_code == 400
    assert "hush-hush" not in answer.text
    assert "hush-hush" not in answer.headers["x-amzn-ErrorMessage"]
