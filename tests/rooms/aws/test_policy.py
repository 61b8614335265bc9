"""The evaluator of policy documents: what allows, what denies, what is refused as not understood."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.aws.policy import InvalidPolicy, Verdict, compile_policy, evaluate

ARN = "arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/orders/1"
CONTEXT = {
    "aws:sourceip": ["203.0.113.9"],
    "aws:useragent": ["curl/8"],
    "aws:currenttime": ["1796036125.5"],
    "aws:securetransport": ["true"],
}


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*", **more}


def verdict(*statements: dict[str, Any], resource: str = ARN, action: str = "execute-api:Invoke") -> Verdict:
    policy = compile_policy({"Version": "2012-10-17", "Statement": list(statements)}, exact_actions=True)
    return evaluate((policy,), action, resource, CONTEXT)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (ARN, True),
        ("*", True),
        ("arn:aws:execute-api:*:*:api1/prod/GET/orders/*", True),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/*/*", True),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/orders/?", True),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/orders", False),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/Orders/1", False),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/POST/*", False),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/orders/[0-9]", False),
        ("arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/orders/??", False),
    ],
)
def test_resources(pattern: str, matches: bool) -> None:
    assert verdict(statement(Resource=pattern)) is (Verdict.ALLOW if matches else Verdict.IMPLICIT_DENY)
    assert verdict(statement(Resource=["x", pattern])) is (Verdict.ALLOW if matches else Verdict.IMPLICIT_DENY)
    without = statement(NotResource=pattern)
    del without["Resource"]
    assert verdict(without) is (Verdict.IMPLICIT_DENY if matches else Verdict.ALLOW)


@pytest.mark.parametrize(
    ("action", "matches"),
    [
        ("execute-api:Invoke", True),
        ("execute-api:*", True),
        ("*", True),
        ("execute-api:invoke", False),
        ("execute-api:ManageConnections", False),
    ],
)
def test_actions(action: str, matches: bool) -> None:
    assert verdict(statement(Action=action)) is (Verdict.ALLOW if matches else Verdict.IMPLICIT_DENY)
    without = statement(NotAction=[action])
    del without["Action"]
    assert verdict(without) is (Verdict.IMPLICIT_DENY if matches else Verdict.ALLOW)


def test_deny_wins_wherever_it_stands() -> None:
    deny = statement("Deny", Resource="*/GET/*")

    assert verdict(statement(), deny) is Verdict.EXPLICIT_DENY
    assert verdict(deny, statement()) is Verdict.EXPLICIT_DENY
    assert verdict(deny) is Verdict.EXPLICIT_DENY
    assert verdict(deny, statement(), resource=ARN.replace("GET", "POST")) is Verdict.ALLOW


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "203.0.113.9"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "11.0.0.0/8"]}}, True),
        ({"StringEquals": {"AWS:UserAgent": "curl/8"}}, True),
        ({"StringEquals": {"aws:UserAgent": "Curl/8"}}, False),
        ({"StringEqualsIgnoreCase": {"aws:UserAgent": "Curl/8"}}, True),
        ({"StringLike": {"aws:UserAgent": "curl/*"}}, True),
        ({"StringNotLike": {"aws:UserAgent": ["wget/*", "curl/*"]}}, False),
        ({"StringEquals": {"aws:Referer": "x"}}, False),
        ({"StringEqualsIfExists": {"aws:Referer": "x"}}, True),
        ({"StringNotEquals": {"aws:Referer": "x"}}, True),
        ({"Null": {"aws:Referer": "true"}}, True),
        ({"Null": {"aws:UserAgent": True}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": False}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, False),
        ({"NumericLessThanEquals": {"aws:CurrentTime": 1796036126}}, True),
        ({"ForAnyValue:StringEquals": {"aws:UserAgent": ["curl/8"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:Referer": ["x"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.9"}, "Bool": {"aws:SecureTransport": "false"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], holds: bool) -> None:
    assert verdict(statement(Condition=condition)) is (Verdict.ALLOW if holds else Verdict.IMPLICIT_DENY)
    assert verdict(statement(), statement("Deny", Condition=condition)) is (
        Verdict.EXPLICIT_DENY if holds else Verdict.ALLOW
    )


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "{}",
        {},
        {"Statement": []},
        {"Version": "2020-01-01", "Statement": [statement()]},
        {"Statement": ["x"]},
        {"Statement": [statement("allow")]},
        {"Statement": [{**statement(), "Efect": "Deny"}]},
        {"Statement": [{"Effect": "Allow", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
        {"Statement": [statement(NotAction="x")]},
        {"Statement": [statement(Resource=[])]},
        {"Statement": [statement(Resource=[1])]},
        {"Version": "2012-10-17", "Statement": [statement(Resource="arn:aws:x:${aws:username")]},
        {"Version": "2012-10-17", "Statement": [statement(Resource="${aws:username, none}")]},
        {"Statement": [statement(Condition={"StringEquals": "x"})]},
        {"Statement": [statement(Condition={"StringAlmost": {"a": "b"}})]},
        {"Statement": [statement(Condition={"For:StringEquals": {"a": "b"}})]},
        {"Statement": [statement(Condition={"IpAddress": {"aws:SourceIp": "here"}})]},
        {"Statement": [statement(Condition={"Bool": {"aws:SecureTransport": "yes"}})]},
        {"Statement": [statement(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})]},
        {"Statement": [statement(Condition={"StringEquals": {"a": []}})]},
        {"Statement": [statement(Condition={"StringEquals": {"a": {}}})]},
    ],
)
def test_what_is_not_understood_is_refused_whole(document: Any) -> None:
    with pytest.raises(InvalidPolicy):
        compile_policy(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(st.sampled_from(["Statement", "Effect", "Action", "Resource", "Condition", "x"]), one)
        ),
    )
)
def test_anything_is_a_policy_or_refused(document: Any) -> None:
    try:
        policy = compile_policy(document)
    except InvalidPolicy:
        return
    assert evaluate((policy,), "execute-api:Invoke", ARN, CONTEXT) in Verdict
    assert json.dumps(document)
