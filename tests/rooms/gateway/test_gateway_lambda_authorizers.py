"""Lambda authorizers: the exact events, what each answer does, and what is remembered for whom."""

import asyncio
from typing import Any

import orjson
import pytest

from scopegate.base.errors import AwsError
from tests.rooms.gateway.driver import ACCOUNT, FUNCTION, REGION, Answer, Gateway, lambda_integration, lambda_method

AUTHORIZER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:authorizer"
URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{AUTHORIZER}/invocations"
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1234567"


def policy(*resources: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": list(resources or ("*",))}
    return {"principalId": "user", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


def asked(gateway: Gateway) -> list[dict[str, Any]]:
    """The events that the authorizer function got."""
    return [orjson.loads(one.payload) for one in gateway.invoked.invocations if one.function_arn == AUTHORIZER]


def rest(answer: Any, kind: str = "TOKEN", stage: dict[str, Any] | None = None, **authorizer: Any) -> Gateway:
    """A REST API whose methods ask a function that answers `answer`, called with the event when it is callable."""
    gateway = Gateway()
    gateway.invoked.functions[AUTHORIZER] = answer if callable(answer) else lambda _: answer
    method = lambda_method(authorizationType="CUSTOM", authorizerId="fn01")
    document = {"id": "fn01", "name": "ask", "type": kind, "authorizerUri": URI, **authorizer}
    gateway.put_rest(
        {"/orders": {"GET": method, "POST": method}, "/orders/{id}": {"GET": method}},
        authorizers=(document,),
        stage=stage,
    )
    return gateway


def http(answer: Any, **authorizer: Any) -> Gateway:
    gateway = Gateway()
    gateway.invoked.functions[AUTHORIZER] = answer if callable(answer) else lambda _: answer
    document = {
        "AuthorizerId": "fn01",
        "Name": "ask",
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": URI,
        "AuthorizerPayloadFormatVersion": "2.0",
        "IdentitySource": ["$request.header.Authorization"],
        **authorizer,
    }
    route = {"AuthorizationType": "CUSTOM", "AuthorizerId": "fn01"}
    gateway.put_http(
        {"GET /orders": route, "POST /orders": route, "GET /old": {**route, "Target": "integrations/old"}},
        {"fn": lambda_integration(), "old": lambda_integration("1.0")},
        authorizers=(document,),
    )
    return gateway


TOKEN = {"Authorization": "Bearer foo"}


def refused(answer: Answer, status: int, body: bytes, error_type: str) -> None:
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("x-amzn-errortype") == error_type


# REST TOKEN


def test_token_event_and_what_the_backend_gets() -> None:
    context = {"text": "a", "whole": 1, "part": 1.5, "yes": True, "none": None, "principalId": "another"}
    gateway = rest(policy(f"{ARN}/prod/GET/orders", context=context))

    answer = gateway.call("GET", "/prod/orders", TOKEN)

    assert answer.status == 200
    assert asked(gateway) == [
        {"type": "TOKEN", "methodArn": f"{ARN}/prod/GET/orders", "authorizationToken": "Bearer foo"}
    ]
    invocation = gateway.invoked.invocations[0]
    assert (invocation.principal, invocation.source_arn) == ("apigateway.amazonaws.com", f"{ARN}/authorizers/fn01")
    told = answer.json["requestContext"]["authorizer"]
    assert type(told.pop("integrationLatency")) is int
    assert told == {"principalId": "user", "text": "a", "whole": "1", "part": "1.5", "yes": "true"}
    assert gateway.record.decision == "ALLOW"
    assert gateway.record.facts["principal"] == "user"


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, [("Authorization", "a"), ("authorization", "b")]])
def test_token_missing_is_401_and_nobody_is_asked(headers: Any) -> None:
    gateway = rest(policy())

    refused(gateway.call("GET", "/prod/orders", headers), 401, b'{"message":"Unauthorized"}', "UnauthorizedException")
    assert asked(gateway) == []


def test_token_expression_matches_the_whole_value() -> None:
    gateway = rest(policy(), identityValidationExpression=r"Bearer [\w-]+")

    assert gateway.call("GET", "/prod/orders", TOKEN).status == 200
    for value in ("foo", "Bearer foo bar", "xBearer foo", "Bearer fo\xf3"):
        assert gateway.call("GET", "/prod/orders", {"Authorization": value}).status == 401
    assert len(asked(gateway)) == 1


# REST answers


@pytest.mark.parametrize(
    ("said", "status", "body", "error_type"),
    [
        (
            policy(effect="Deny"),
            403,
            b'{"Message":"User is not authorized to access this resource with an explicit deny in an '
            b'identity-based policy"}',
            "AccessDeniedException",
        ),
        (
            policy(f"{ARN}/prod/POST/orders"),
            403,
            b'{"Message":"User is not authorized to access this resource"}',
            "AccessDeniedException",
        ),
        ({"errorMessage": "Unauthorized"}, 401, b'{"message":"Unauthorized"}', "UnauthorizedException"),
        ({"errorMessage": "unauthorized"}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ({"errorMessage": "Error: Invalid token"}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        (None, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ("Allow", 500, b'{"message":null}', "AuthorizerConfigurationException"),
        (b"not json", 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ({"statusCode": 401}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ({**policy(), "principalId": None}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ({"principalId": "user"}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        ({"principalId": "user", "policyDocument": {}}, 500, b'{"message":null}', "AuthorizerConfigurationException"),
        (policy(context={"a": {}}), 500, b'{"message":null}', "AuthorizerConfigurationException"),
        (policy(context=["a"]), 500, b'{"message":null}', "AuthorizerConfigurationException"),
    ],
)
def test_rest_answers_that_do_not_allow(said: Any, status: int, body: bytes, error_type: str) -> None:
    gateway = rest(said)

    refused(gateway.call("GET", "/prod/orders", TOKEN), status, body, error_type)

    assert [one.function_arn for one in gateway.invoked.invocations] == [AUTHORIZER]
    assert gateway.record.decision == "DENY"


def test_rest_function_that_may_not_be_invoked() -> None:
    def refuse(_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no", status=403)

    gateway = rest(refuse)

    refused(gateway.call("GET", "/prod/orders", TOKEN), 500, b'{"message":null}', "AuthorizerConfigurationException")
    assert "AccessDeniedException" in gateway.record.reason


def test_rest_context_reaches_gateway_responses() -> None:
    gateway = rest(policy(effect="Deny", context={"advice": "ask Ada"}))
    method = lambda_method(authorizationType="CUSTOM", authorizerId="fn01")
    custom = {
        "responseType": "ACCESS_DENIED",
        "responseTemplates": {
            "application/json": '{"why":"$context.error.message","who":"$context.authorizer.principalId",'
            '"next":"$context.authorizer.advice"}'
        },
    }
    gateway.put_rest({"/orders": {"GET": method}}, gateway_responses=[custom])

    told = gateway.call("GET", "/prod/orders", TOKEN).json

    assert told.pop("why").startswith("User is not authorized to access this resource with an explicit deny")
    assert told == {"who": "user", "next": "ask Ada"}


# what is remembered


def test_the_policy_is_remembered_and_decides_each_call() -> None:
    gateway = rest(policy(f"{ARN}/prod/GET/orders"))

    assert gateway.call("GET", "/prod/orders", TOKEN).status == 200
    again = gateway.call("GET", "/prod/orders", TOKEN)
    assert again.json["requestContext"]["authorizer"]["integrationLatency"] == 0
    assert gateway.call("POST", "/prod/orders", TOKEN).status == 403
    assert gateway.call("GET", "/prod/orders/1", TOKEN).status == 403
    assert len(asked(gateway)) == 1

    assert gateway.call("GET", "/prod/orders", {"Authorization": "Bearer other"}).status == 200
    assert len(asked(gateway)) == 2


def test_g2_what_is_remembered_ends_with_the_authorizer_that_asked() -> None:
    gateway = rest(policy())
    assert gateway.call("GET", "/prod/orders", TOKEN).status == 200

    gateway.invoked.functions[AUTHORIZER] = lambda _: policy(effect="Deny")
    assert gateway.call("GET", "/prod/orders", TOKEN).status == 200
    gateway.compile()
    assert gateway.call("GET", "/prod/orders", TOKEN).status == 403


@pytest.mark.parametrize(
    ("resource", "condition", "status"),
    [
        (f"{ARN}/prod/*", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, 200),
        (f"{ARN}/prod/*", {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, 403),
        (f"{ARN}/prod/*", {"StringLike": {"aws:UserAgent": "probe/*"}}, 200),
        (f"{ARN}/prod/*", {"StringEquals": {"aws:UserAgent": "Probe/1"}}, 403),
        (f"{ARN}/prod/*", {"StringLike": {"aws:Referer": "https://example.com/*"}}, 403),
        (f"{ARN}/prod/*", {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, 200),
        (f"{ARN}/prod/*", {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, 403),
        (f"{ARN}/prod/*", {"NumericGreaterThan": {"aws:EpochTime": "1600000000"}}, 200),
        (f"{ARN}/prod/*", {"Bool": {"aws:SecureTransport": "true"}}, 200),
        (f"{ARN}/prod/*", {"StringEquals": {"aws:RequestedRegion": REGION}}, 200),
        (f"{ARN}/prod/*", {"StringEquals": {"aws:SourceVpc": "vpc-1"}}, 403),
        (f"{ARN}/prod/*", {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, 200),
        (f"{ARN}/prod/*", {"StringEquals": {"aws:UserAgent": "${aws:UserAgent}"}}, 200),
        ("arn:aws:execute-api:${aws:RequestedRegion}:*:api1234567/prod/GET/orders", {}, 200),
        ("arn:aws:execute-api:${aws:PrincipalTag/region}:*:api1234567/prod/GET/orders", {}, 403),
        ("arn:aws:execute-api:${aws:PrincipalTag/region, 'us-east-1'}:*:api1234567/prod/GET/orders", {}, 200),
        (f"{ARN}/prod/GET/${{*}}", {}, 403),
    ],
)
def test_conditions_and_variables_of_an_authorizers_policy(
    resource: str, condition: dict[str, Any], status: int
) -> None:
    """What API Gateway knows of a call; a variable without a value makes its statement apply to nothing."""
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource, "Condition": condition}
    answer = {"principalId": "user", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}

    called = rest(answer).call("GET", "/prod/orders", {**TOKEN, "User-Agent": "probe/1"})

    assert called.status == status


HEADER, QUERY = "method.request.header.Authorization", "method.request.querystring.q"


@pytest.mark.parametrize(
    ("sources", "one", "other"),
    [
        (HEADER, ("", [("Authorization", "bad"), ("Authorization", "good")]), ("", {"Authorization": "bad,good"})),
        (QUERY, ("?q=bad&q=good", {}), ("?q=bad,good", {})),
        (f"{HEADER},{QUERY}", ("?q=b,c", {"Authorization": "a"}), ("?q=c", {"Authorization": "a,b"})),
        (f"{HEADER},{QUERY}", ("?q=b&q=c", {"Authorization": "a"}), ("?q=b,c", {"Authorization": "a"})),
    ],
    ids=["header", "query", "between sources", "within one"],
)
def test_g2_two_values_are_not_one_with_a_comma(sources: str, one: Any, other: Any) -> None:
    """Attack G2: what was said for one identity is not said for another that looks the same when joined."""
    gateway = rest(policy(), "REQUEST", identitySource=sources)

    statuses = [gateway.call("GET", f"/prod/orders{query}", headers).status for query, headers in (one, other)]

    assert statuses == [200, 200]
    assert len(asked(gateway)) == 2


@pytest.mark.parametrize("ttl_s", [0, 1])
def test_nothing_is_remembered_longer_than_said(ttl_s: int) -> None:
    gateway = rest(policy(), authorizerResultTtlInSeconds=ttl_s)

    async def calls() -> None:
        await gateway.call_async("GET", "/prod/orders", TOKEN)
        await gateway.call_async("GET", "/prod/orders", TOKEN)
        assert len(asked(gateway)) == (2 if ttl_s == 0 else 1)

    asyncio.run(calls())


@pytest.mark.parametrize("said", [{"errorMessage": "Unauthorized"}, {"errorMessage": "broken"}, {"no": "policy"}])
def test_refusals_and_failures_are_not_remembered(said: Any) -> None:
    gateway = rest(said)

    assert gateway.call("GET", "/prod/orders", TOKEN).status in (401, 500)
    gateway.invoked.functions[AUTHORIZER] = lambda _: policy()
    assert gateway.call("GET", "/prod/orders", TOKEN).status == 200


# REST REQUEST


def test_request_event() -> None:
    sources = "method.request.header.Authorization, method.request.querystring.q, stageVariables.v, context.httpMethod"
    gateway = rest(policy(), "REQUEST", {"variables": {"v": "1"}}, identitySource=sources)

    answer = gateway.call(
        "POST", "/prod/orders?q=1", {**TOKEN, "Content-Length": "2", "Content-Type": "application/json"}, b"{}"
    )

    assert answer.status == 200
    (event,) = asked(gateway)
    assert list(event)[:3] == ["type", "methodArn", "resource"]
    assert (event["type"], event["methodArn"]) == ("REQUEST", f"{ARN}/prod/POST/orders")
    assert event["headers"]["Authorization"] == "Bearer foo"
    assert event["headers"]["Content-Length"] == "2"
    assert event["queryStringParameters"] == {"q": "1"}
    assert event["pathParameters"] == {}
    assert event["stageVariables"] == {"v": "1"}
    assert "body" not in event
    assert "isBase64Encoded" not in event
    assert "authorizer" not in event["requestContext"]
    assert event["requestContext"]["httpMethod"] == "POST"


@pytest.mark.parametrize("target", ["/prod/orders", "/prod/orders?q=", "/prod/orders?other=1"])
def test_any_missing_identity_source_is_401(target: str) -> None:
    gateway = rest(
        policy(), "REQUEST", identitySource="method.request.header.Authorization,method.request.querystring.q"
    )

    assert gateway.call("GET", target, TOKEN).status == 401
    assert asked(gateway) == []
    assert gateway.call("GET", "/prod/orders?q=1", TOKEN).status == 200


def test_two_identities_never_share_a_memory() -> None:
    sources = "method.request.header.a,method.request.header.b"
    gateway = rest(policy(), "REQUEST", identitySource=sources)

    gateway.call("GET", "/prod/orders", {"a": "1,2", "b": "3"})
    gateway.call("GET", "/prod/orders", {"a": "1", "b": "2,3"})

    assert len(asked(gateway)) == 2


def test_without_sources_and_memory_the_function_always_decides() -> None:
    gateway = rest(policy(), "REQUEST", authorizerResultTtlInSeconds=0)

    assert gateway.call("GET", "/prod/orders").status == 200
    assert gateway.call("GET", "/prod/orders").status == 200
    assert len(asked(gateway)) == 2


def test_a_long_method_arn_is_414() -> None:
    gateway = rest(policy())

    answer = gateway.call("GET", "/prod/orders/" + "x" * 1600, TOKEN)

    assert (answer.status, answer.body) == (414, b'{"message":"Request URI too long"}')
    assert asked(gateway) == []


# HTTP


def test_http_event_2_and_a_simple_answer() -> None:
    context = {"text": "a", "list": [1], "none": None}
    gateway = http({"isAuthorized": True, "context": context}, EnableSimpleResponses=True)

    answer = gateway.call("GET", "/orders?q=1", TOKEN)

    assert answer.status == 200
    (event,) = asked(gateway)
    assert list(event)[:5] == ["version", "type", "routeArn", "identitySource", "routeKey"]
    assert event["version"] == "2.0"
    assert event["routeArn"] == f"{ARN}/$default/GET/orders"
    assert event["identitySource"] == ["Bearer foo"]
    assert event["queryStringParameters"] == {"q": "1"}
    assert "body" not in event
    assert answer.json["requestContext"]["authorizer"] == {"lambda": context}
    old = gateway.call("GET", "/old", TOKEN)
    assert old.json["requestContext"]["authorizer"]["text"] == "a"


def test_http_without_context_the_backend_sees_null() -> None:
    gateway = http({"isAuthorized": True}, EnableSimpleResponses=True)

    assert gateway.call("GET", "/orders", TOKEN).json["requestContext"]["authorizer"] == {"lambda": None}


def test_http_event_1() -> None:
    gateway = http(policy(), AuthorizerPayloadFormatVersion="1.0")

    assert gateway.call("GET", "/orders", TOKEN).status == 200
    (event,) = asked(gateway)
    assert list(event)[:6] == ["version", "type", "methodArn", "identitySource", "authorizationToken", "resource"]
    assert (event["version"], event["identitySource"]) == ("1.0", "Bearer foo")
    assert event["authorizationToken"] == "Bearer foo"
    assert event["methodArn"] == f"{ARN}/$default/GET/orders"


@pytest.mark.parametrize(
    ("said", "simple", "status", "body"),
    [
        ({"isAuthorized": False}, True, 403, b'{"message":"Forbidden"}'),
        ({"isAuthorized": "true"}, True, 500, b'{"message":"Internal Server Error"}'),
        ({}, True, 500, b'{"message":"Internal Server Error"}'),
        (policy(), True, 500, b'{"message":"Internal Server Error"}'),
        (policy(effect="Deny"), False, 403, b'{"message":"Forbidden"}'),
        (policy("arn:aws:execute-api:*:*:other/*"), False, 403, b'{"message":"Forbidden"}'),
        ({"isAuthorized": True}, False, 500, b'{"message":"Internal Server Error"}'),
        ({"errorMessage": "Unauthorized"}, False, 401, b'{"message":"Unauthorized"}'),
        ({"errorMessage": "broken"}, False, 500, b'{"message":"Internal Server Error"}'),
    ],
)
def test_http_answers_that_do_not_allow(said: Any, simple: bool, status: int, body: bytes) -> None:
    gateway = http(said, EnableSimpleResponses=simple)

    answer = gateway.call("GET", "/orders", TOKEN)

    assert (answer.status, answer.body) == (status, body)
    assert answer.header("www-authenticate") is None
    assert FUNCTION not in [one.function_arn for one in gateway.invoked.invocations]


def test_http_missing_identity_is_401_and_nobody_is_asked() -> None:
    gateway = http({"isAuthorized": True}, EnableSimpleResponses=True)

    answer = gateway.call("GET", "/orders")

    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert asked(gateway) == []


def test_http_remembers_only_when_told_to() -> None:
    gateway = http({"isAuthorized": True}, EnableSimpleResponses=True)
    gateway.call("GET", "/orders", TOKEN)
    gateway.call("POST", "/orders", TOKEN)
    assert len(asked(gateway)) == 2

    gateway = http({"isAuthorized": True}, EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60)
    gateway.call("GET", "/orders", TOKEN)
    gateway.call("POST", "/orders", TOKEN)
    assert len(asked(gateway)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"authorizerUri": "arn:aws:apigateway:us-east-1:sqs:path/x"}, "names no function"),
        ({"identityValidationExpression": "("}, "identity validation expression"),
        ({"identityValidationExpression": r"(Bearer )?([\w-]+\.?)+"}, "repeats a repeat"),
        ({"identitySource": "method.request.path.x"}, "identity source"),
        ({"type": "JWT"}, "is not of type REQUEST or TOKEN"),
    ],
)
def test_what_cannot_be_enforced_is_deployed_closed(changes: dict[str, Any], reason: str) -> None:
    gateway = rest(policy(), **{"kind": changes.pop("type", "TOKEN"), **changes})

    answer = gateway.call("GET", "/prod/orders", TOKEN)

    assert answer.status == 500
    assert reason in gateway.record.reason
    assert gateway.invoked.invocations == []
