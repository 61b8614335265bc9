"""The evaluator of policy documents: what allows, what denies, what is refused as not understood."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.aws.operations import Caller, RoleSession
from scopegate.aws.policy import (
    NOBODY,
    InvalidPolicy,
    Principal,
    Verdict,
    compile_policy,
    compile_resource_policy,
    compile_trust_policy,
    evaluate,
    principal_of,
)

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


def test_a_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        soon = "2026-11-30T10:56:00"  # half a minute after CONTEXT
        assert verdict(statement(Condition={"DateLessThan": {"aws:CurrentTime": soon}})) is Verdict.ALLOW
    finally:
        monkeypatch.undo()
        time.tzset()


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


def test_actions_of_identities_are_told_apart_without_case() -> None:
    """IAM User Guide, "Action": prefix and name are case-insensitive; what an authorizer answers is not."""
    policy = compile_policy({"Statement": statement(Action="EXECUTE-API:inv*")})

    assert evaluate((policy,), "execute-api:Invoke", ARN, CONTEXT) is Verdict.ALLOW


# variables

OF_ADA = {
    "aws:username": ["ada"],
    "aws:principaltag/team": ["blue"],
    "aws:tagkeys": ["a", "b"],
    "aws:userid": ["A*?[x]"],
}


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("home/${aws:username}/*", "home/ada/x", True),
        ("home/${aws:username}/*", "home/bob/x", False),
        ("home/${AWS:UserName}", "home/ada", True),
        ("${aws:PrincipalTag/Team}-${aws:username}", "blue-ada", True),
        ("home/${aws:PrincipalTag/none, 'all'}", "home/all", True),
        ("home/${aws:PrincipalTag/team, 'all'}", "home/blue", True),
        ("home/${aws:PrincipalTag/none}", "home/", False),
        ("home/${aws:TagKeys}", "home/a", False),  # of several values none is meant
        ("home/${*}/${?}/${$}", "home/*/?/$", True),
        ("home/${*}", "home/x", False),
        ("home/${aws:userid}", "home/A*?[x]", True),  # a value is no pattern
        ("home/${aws:userid}", "home/Abc?[x]", False),
        ("home/${aws:userid}", "home/A*?x", False),
    ],
)
def test_variables(pattern: str, resource: str, matches: bool) -> None:
    document = {"Version": "2012-10-17", "Statement": statement(Resource=pattern)}
    verdict = evaluate((compile_policy(document),), "execute-api:Invoke", resource, OF_ADA)

    assert verdict is (Verdict.ALLOW if matches else Verdict.IMPLICIT_DENY)


@pytest.mark.parametrize(
    "text",
    ["${" + " " * 20_000, "${a" + " " * 20_000, "${" * 10_000, "${a, '" * 5_000, "${a b" * 5_000],
    ids=["blanks", "a name and blanks", "beginnings", "defaults", "names"],
)
def test_what_only_begins_as_a_variable_is_refused_at_once(text: str) -> None:
    """Attack H6."""
    started = time.monotonic()

    with pytest.raises(InvalidPolicy):
        compile_policy({"Version": "2012-10-17", "Statement": statement(Resource=text)})

    assert time.monotonic() - started < 1


def test_variables_are_text_in_the_older_version() -> None:
    policy = compile_policy({"Version": "2008-10-17", "Statement": statement(Resource="home/${aws:username}")})

    assert evaluate((policy,), "execute-api:Invoke", "home/ada", OF_ADA) is Verdict.IMPLICIT_DENY
    assert evaluate((policy,), "execute-api:Invoke", "home/${aws:username}", OF_ADA) is Verdict.ALLOW


@pytest.mark.parametrize("element", ["Resource", "NotResource"])
def test_a_statement_whose_variable_has_no_value_does_not_apply(element: str) -> None:
    """IAM User Guide, "Variables and tags": also where another of its resources matches, in whichever order."""
    for patterns in (["${aws:PrincipalTag/none}", "home/*"], ["home/*", "${aws:PrincipalTag/none}"]):
        stated = {"Effect": "Allow", "Action": "*", element: patterns}
        policy = compile_policy({"Version": "2012-10-17", "Statement": stated})

        assert evaluate((policy,), "execute-api:Invoke", "home/ada", OF_ADA) is Verdict.IMPLICIT_DENY


def test_variables_in_conditions() -> None:
    own = {"StringEquals": {"aws:RequestTag/owner": "${aws:username}"}}
    policy = compile_policy({"Version": "2012-10-17", "Statement": statement(Condition=own)})

    for owner, verdict in (("ada", Verdict.ALLOW), ("bob", Verdict.IMPLICIT_DENY), ("${aws:username}", None)):
        context = {**OF_ADA, "aws:requesttag/owner": [owner]}
        assert evaluate((policy,), "execute-api:Invoke", ARN, context) is (verdict or Verdict.IMPLICIT_DENY)


@given(name=st.text(min_size=1, max_size=20), other=st.text(max_size=20))
def test_a_variable_stands_for_its_value_and_nothing_else(name: str, other: str) -> None:
    policy = compile_policy({"Version": "2012-10-17", "Statement": statement(Resource="home/${aws:username}/x")})

    verdict = evaluate((policy,), "execute-api:Invoke", f"home/{other}/x", {"aws:username": [name]})

    assert (verdict is Verdict.ALLOW) is (name == other)


# conditions that need more than one value, or the parts of one


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["c"]}}, False),
        ({"ForAnyValue:StringLike": {"aws:TagKeys": ["?"]}}, True),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["a"]}}, True),
        ({"ForAnyValue:StringNotEquals": {"aws:CalledVia": ["a"]}}, False),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:CalledVia": ["a"]}}, True),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a"]}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:execute-api:*:000000000000:api1/*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:execute-api:*:api1/*"}}, False),  # parts are matched one by one
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*"}}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:api?/prod/*"}}, True),
        ({"ArnNotLike": {"aws:SourceArn": "arn:aws:execute-api:*:*:*"}}, False),
        ({"BinaryEquals": {"aws:userid": "QQ=="}}, False),
        ({"NumericGreaterThan": {"aws:EpochTime": "1"}}, True),
        ({"NumericNotEquals": {"aws:EpochTime": "10"}}, False),
        ({"DateLessThanEquals": {"aws:EpochTime": "1970-01-01T00:00:10Z"}}, True),
    ],
)
def test_more_conditions(condition: dict[str, Any], holds: bool) -> None:
    context = {**OF_ADA, "aws:sourcearn": [ARN], "aws:epochtime": ["10"]}
    policy = compile_policy({"Statement": statement(Condition=condition)})

    verdict = evaluate((policy,), "execute-api:Invoke", ARN, context)

    assert verdict is (Verdict.ALLOW if holds else Verdict.IMPLICIT_DENY)


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "Null"])
def test_what_nobody_can_tell_fails_closed(operator: str) -> None:
    for key in ("aws:ResourceTag/team", "s3:prefix", "lambda:Layer"):
        condition = {operator: {key: "true"}}
        allowing = compile_policy({"Statement": statement(Condition=condition)})
        denying = compile_policy({"Statement": [statement(), statement("Deny", Condition=condition)]})

        assert evaluate((allowing,), "execute-api:Invoke", ARN, CONTEXT) is Verdict.IMPLICIT_DENY
        assert evaluate((denying,), "execute-api:Invoke", ARN, CONTEXT) is Verdict.EXPLICIT_DENY


# principals of resources' policies

ACCOUNT = "000000000000"
IAM = f"arn:aws:iam::{ACCOUNT}"
ADA = principal_of(Caller(ACCOUNT, f"{IAM}:user/ada", "AIDA", "AKIA", user="ada"))
ROOT = principal_of(Caller(ACCOUNT, f"{IAM}:root", ACCOUNT, "test"))
WORKER = principal_of(
    Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "AROA:s", "ASIA", RoleSession(f"{IAM}:role/x/r", "s"))
)
GATEWAY = Principal(service="apigateway.amazonaws.com")


@pytest.mark.parametrize(
    ("named", "allowed", "delegated"),
    [
        ("*", {"nobody", "ada", "root", "worker", "gateway"}, set()),
        ({"AWS": "*"}, {"nobody", "ada", "root", "worker"}, set()),
        ({"AWS": f"{IAM}:user/ada"}, {"ada"}, set()),
        ({"AWS": [f"{IAM}:user/bob", f"{IAM}:user/ada"]}, {"ada"}, set()),
        ({"AWS": f"{IAM}:role/x/r"}, {"worker"}, set()),
        ({"AWS": f"{IAM}:role/r"}, set(), set()),  # the path belongs to it
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"}, {"worker"}, set()),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/t"}, set(), set()),
        ({"AWS": ACCOUNT}, {"root"}, {"ada", "worker"}),
        ({"AWS": f"{IAM}:root"}, {"root"}, {"ada", "worker"}),
        ({"AWS": "111111111111"}, set(), set()),
        ({"Service": "apigateway.amazonaws.com"}, {"gateway"}, set()),
        ({"Service": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}, {"gateway"}, set()),
        ({"Service": "*"}, set(), set()),
        ({"Federated": "*"}, set(), set()),
    ],
    # A set's own text differs from process to process, and names of tests may not.
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_principals(named: Any, allowed: set[str], delegated: set[str]) -> None:
    who = {"nobody": NOBODY, "ada": ADA, "root": ROOT, "worker": WORKER, "gateway": GATEWAY}
    policy = compile_resource_policy({"Statement": statement(Principal=named)})
    deny = compile_resource_policy({"Statement": [statement(Principal="*"), statement("Deny", Principal=named)]})

    verdicts = {name: evaluate((policy,), "execute-api:Invoke", ARN, {}, one) for name, one in who.items()}
    denied = {name for name, one in who.items() if evaluate((deny,), "execute-api:Invoke", ARN, {}, one) is EXPLICIT}

    assert {name for name, verdict in verdicts.items() if verdict is Verdict.ALLOW} == allowed
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.DELEGATED} == delegated
    assert denied == allowed | delegated


EXPLICIT = Verdict.EXPLICIT_DENY


@pytest.mark.parametrize(
    "principal",
    [
        {"Principal": "ada"},
        {"Principal": {"AWS": "ada"}},
        {"Principal": {"AWS": f"{IAM}:user/*"}},
        {"Principal": {"AWS": 1}},
        {"Principal": {"Everyone": "*"}},
        {"NotPrincipal": {"AWS": f"{IAM}:user/ada"}},
        {},
    ],
    ids=str,
)
def test_principals_that_are_not_understood_are_refused(principal: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        compile_resource_policy({"Statement": statement(**principal)})


def test_a_trust_policy_has_no_resource() -> None:
    trust = compile_trust_policy(
        {"Statement": {"Effect": "Allow", "Principal": {"AWS": f"{IAM}:user/ada"}, "Action": "sts:AssumeRole"}}
    )

    assert evaluate((trust,), "sts:AssumeRole", f"{IAM}:role/r", {}, ADA) is Verdict.ALLOW
    assert evaluate((trust,), "sts:TagSession", f"{IAM}:role/r", {}, ADA) is Verdict.IMPLICIT_DENY
    assert evaluate((trust,), "sts:AssumeRole", f"{IAM}:role/r", {}, WORKER) is Verdict.IMPLICIT_DENY


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
