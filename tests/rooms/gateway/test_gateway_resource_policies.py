"""Resource policies of REST APIs: with no authorizer, with a user pool, and with a Lambda authorizer (table A)."""

import json
from typing import Any

import pytest

from tests.rooms.gateway.driver import ACCOUNT, REGION, Gateway, Pool, cognito_authorizer, cognito_method, lambda_method

POOL = Pool("AAAAAAAAA")
AUTHORIZER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"
URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{AUTHORIZER}/invocations"
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1234567"
SHOWN = f"arn:aws:execute-api:{REGION}:********0000:api1234567/prod/GET/o"


def statement(effect: str = "Allow", resource: str = f"{ARN}/*", principal: Any = "*", **more: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": "execute-api:Invoke",
        "Resource": resource,
        **more,
    }


def policy(*statements: dict[str, Any]) -> dict[str, str]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": list(statements)})}


def within(network: str) -> dict[str, Any]:
    return {"Condition": {"IpAddress": {"aws:SourceIp": network}}}


DENIED = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {SHOWN}"
EXPLICIT = f"{DENIED} with an explicit deny in a resource-based policy"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ([statement()], None),
        ([statement(principal={"AWS": "*"})], None),
        ([statement(principal={"AWS": ["arn:aws:iam::1:root", "*"]})], None),
        ([statement(principal={"AWS": "arn:aws:iam::000000000000:root"})], DENIED),
        ([statement(principal={"Service": "*"})], DENIED),
        ([statement(resource=f"{ARN}/prod/POST/*")], DENIED),
        ([statement(**within("203.0.113.0/24"))], None),
        ([statement(**within("10.0.0.0/8"))], DENIED),
        ([statement(), statement("Deny", **within("203.0.113.0/24"))], EXPLICIT),
        ([statement(), statement("Deny", **within("10.0.0.0/8"))], None),
        ([statement(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})], DENIED),
    ],
)
def test_without_an_authorizer_the_policy_has_to_allow(statements: list[dict[str, Any]], message: str | None) -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, api=policy(*statements))

    answer = gateway.call("GET", "/prod/o")

    if message is None:
        assert answer.status == 200
    else:
        assert (answer.status, answer.json) == (403, {"Message": message})
        assert answer.header("x-amzn-errortype") == "AccessDeniedException"
        assert gateway.invoked.invocations == []


def test_with_a_user_pool_token_and_policy_both_have_to_allow() -> None:
    gateway = Gateway(pools=[POOL])
    token = {"Authorization": POOL.access_token()}
    for statements, status in (([statement()], 200), ([statement(resource=f"{ARN}/other/*")], 403)):
        gateway.put_rest(
            {"/o": {"GET": cognito_method("orders/read")}},
            authorizers=(cognito_authorizer(POOL),),
            api=policy(*statements),
        )
        assert gateway.call("GET", "/prod/o", token).status == status
        assert gateway.call("GET", "/prod/o").status == 401


@pytest.mark.parametrize(
    ("of_api", "of_authorizer", "status", "asked"),
    [
        ("Allow", "Allow", 200, True),
        ("Allow", None, 200, True),
        (None, "Allow", 200, True),
        (None, None, 403, True),
        ("Allow", "Deny", 403, True),
        ("Deny", "Allow", 403, False),
    ],
)
def test_with_a_lambda_authorizer_either_may_allow(
    of_api: str | None, of_authorizer: str | None, status: int, asked: bool
) -> None:
    gateway = Gateway()
    nothing = f"{ARN}/prod/DELETE/o"
    own = {
        "Effect": of_authorizer or "Allow",
        "Action": "execute-api:Invoke",
        "Resource": "*" if of_authorizer else nothing,
    }
    gateway.invoked.functions[AUTHORIZER] = lambda _: {
        "principalId": "user",
        "policyDocument": {"Version": "2012-10-17", "Statement": [own]},
    }
    gateway.put_rest(
        {"/o": {"GET": lambda_method(authorizationType="CUSTOM", authorizerId="fn01")}},
        authorizers=({"id": "fn01", "name": "ask", "type": "TOKEN", "authorizerUri": URI},),
        api=policy(statement(of_api or "Allow", f"{ARN}/*" if of_api else nothing)),
    )

    assert gateway.call("GET", "/prod/o", {"Authorization": "x"}).status == status
    assert any(one.function_arn == AUTHORIZER for one in gateway.invoked.invocations) is asked


@pytest.mark.parametrize(
    "broken",
    [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "NotPrincipal": "*", "Action": "*", "Resource": "*"},
        statement(Condition={"Unknown": {"a": "b"}}),
    ],
)
def test_a_policy_that_is_not_understood_closes_every_method(broken: dict[str, Any]) -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"GET": lambda_method()}}, api=policy(statement(), broken))

    assert gateway.call("GET", "/prod/o").status == 500
    assert "resource policy" in gateway.record.reason
