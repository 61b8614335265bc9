"""Resource policies: statements as Lambda renders them, their revision, and whom they let in.

Source: reference, "Permissions (resource policy)"; recorded unless it says otherwise.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.functions.permissions import allows_service, compile_statements, render_statement
from tests.rooms.functions_operations.driver import ACCOUNT, Client, arn, refusal

INVOKE = "lambda:InvokeFunction"
GATEWAY = "apigateway.amazonaws.com"
API = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:abc123"
MISSING = "ResourceNotFoundException"
INVALID = "InvalidParameterValueException"
STALE = (
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetPolicy API to retrieve the latest Revision Id",
)


@pytest.fixture
def made(client: Client) -> Client:
    """`orders` with version 1, version 2 and the alias `live`."""
    client.make(Publish=True)
    client.update_function_configuration(FunctionName="orders", Timeout=4)
    client.publish_version(FunctionName="orders")
    client.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
    return client


def add(client: Client, sid: str = "s", name: str = "orders", **members: Any) -> str:
    """AddPermission; the statement as it is answered."""
    wanted = {"FunctionName": name, "StatementId": sid, "Action": INVOKE, "Principal": GATEWAY, **members}
    statement: str = client.add_permission(**wanted)["Statement"]
    return statement


RENDERED: dict[str, tuple[dict[str, Any], str]] = {
    "service": ({}, '"Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction"'),
    "account": (
        {"Principal": "123456789012"},
        '"Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"lambda:InvokeFunction"',
    ),
    "role": (
        {"Principal": "arn:aws:iam::123456789012:role/x"},
        '"Principal":{"AWS":"arn:aws:iam::123456789012:role/x"},"Action":"lambda:InvokeFunction"',
    ),
    "everyone": ({"Principal": "*"}, '"Principal":"*","Action":"lambda:InvokeFunction"'),
    "any-action": ({"Action": "lambda:*"}, '"Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:*"'),
}
CONDITIONS: dict[str, tuple[dict[str, Any], str]] = {
    "source-arn": ({"SourceArn": f"{API}/*"}, f'{{"ArnLike":{{"AWS:SourceArn":"{API}/*"}}}}'),
    "source-account": ({"SourceAccount": ACCOUNT}, f'{{"StringEquals":{{"AWS:SourceAccount":"{ACCOUNT}"}}}}'),
    "both": (
        {"SourceArn": f"{API}/*", "SourceAccount": ACCOUNT},
        f'{{"StringEquals":{{"AWS:SourceAccount":"{ACCOUNT}"}},"ArnLike":{{"AWS:SourceArn":"{API}/*"}}}}',
    ),
    "organisation": (
        {"Principal": "*", "PrincipalOrgID": "o-1234567890"},
        '{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}',
    ),
    "url": (
        {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"},
        '{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}',
    ),
    "by-url": (
        {"Principal": "*", "InvokedViaFunctionUrl": True},
        '{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}',
    ),
    "token": (
        {"Principal": "alexa-appkit.amazon.com", "EventSourceToken": "skill"},
        '{"StringEquals":{"lambda:EventSourceToken":"skill"}}',
    ),
}


@pytest.mark.parametrize(("members", "middle"), RENDERED.values(), ids=RENDERED)
def test_a_statement_is_compact_text_in_lambdas_order(made: Client, members: dict[str, Any], middle: str) -> None:
    assert add(made, **members) == f'{{"Sid":"s","Effect":"Allow",{middle},"Resource":"{arn()}"}}'


@pytest.mark.parametrize(("members", "condition"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions_come_last(made: Client, members: dict[str, Any], condition: str) -> None:
    assert add(made, **members).endswith(f',"Resource":"{arn()}","Condition":{condition}}}')


def test_a_policy_is_text_with_its_statements_in_order(made: Client) -> None:
    first, second = add(made, "b"), add(made, "a", SourceArn=f"{API}/*")

    policy = made.get_policy(FunctionName="orders")

    assert policy["Policy"] == f'{{"Version":"2012-10-17","Id":"default","Statement":[{first},{second}]}}'


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_versions_and_aliases_have_policies_of_their_own(made: Client, qualifier: str) -> None:
    add(made, "whole")
    statement = add(made, "part", Qualifier=qualifier)

    assert json.loads(statement)["Resource"] == f"{arn()}:{qualifier}"
    for name, sid in (("orders", "whole"), (f"orders:{qualifier}", "part")):
        policy = json.loads(made.get_policy(FunctionName=name)["Policy"])
        assert [each["Sid"] for each in policy["Statement"]] == [sid]
    assert refusal(made.get_policy, FunctionName="orders:2")[0] == MISSING


def test_the_last_statement_takes_the_policy_with_it(made: Client) -> None:
    add(made, "a")
    add(made, "b")

    made.remove_permission(FunctionName="orders", StatementId="a")
    left = json.loads(made.get_policy(FunctionName="orders")["Policy"])["Statement"]
    made.remove_permission(FunctionName="orders", StatementId="b")

    assert [each["Sid"] for each in left] == ["b"]
    assert refusal(made.get_policy, FunctionName="orders") == (MISSING, "The resource you requested does not exist.")


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_what_is_deleted_leaves_no_policy(made: Client, qualifier: str) -> None:
    made.update_alias(FunctionName="orders", Name="live", FunctionVersion="2")
    add(made, Qualifier=qualifier)

    if qualifier == "1":
        made.delete_function(FunctionName="orders", Qualifier="1")
    else:
        made.delete_alias(FunctionName="orders", Name="live")
        made.create_alias(FunctionName="orders", Name="live", FunctionVersion="2")

    assert refusal(made.get_policy, FunctionName=f"orders:{qualifier}")[0] == MISSING


# Revisions


def test_a_policy_has_a_revision_of_its_own(made: Client) -> None:
    """Recorded 2025-11: publishing leaves it alone, every statement moves it, the function's is not it."""
    add(made, "a")
    first = made.get_policy(FunctionName="orders")["RevisionId"]
    before = made.configuration()["RevisionId"]
    made.update_function_configuration(FunctionName="orders", Timeout=5)
    made.publish_version(FunctionName="orders")
    same = made.get_policy(FunctionName="orders")["RevisionId"]

    add(made, "b", RevisionId=first)
    second = made.get_policy(FunctionName="orders")["RevisionId"]

    assert first == same
    assert len({first, second, before, made.configuration()["RevisionId"]}) == 4
    for stale in (first, made.configuration()["RevisionId"], "x"):
        wanted = {"FunctionName": "orders", "StatementId": "c", "Action": INVOKE, "Principal": GATEWAY}
        assert refusal(made.add_permission, **wanted, RevisionId=stale) == STALE
        assert refusal(made.remove_permission, FunctionName="orders", StatementId="a", RevisionId=stale) == STALE
    made.remove_permission(FunctionName="orders", StatementId="a", RevisionId=second)


def test_the_first_statement_takes_the_revision_of_what_it_hangs_on(made: Client) -> None:
    wanted = {"StatementId": "s", "Action": INVOKE, "Principal": GATEWAY}

    for name in ("orders", "orders:1", "orders:live"):
        assert refusal(made.add_permission, FunctionName=name, **wanted, RevisionId="x") == STALE
    made.add_permission(FunctionName="orders", **wanted, RevisionId=made.configuration()["RevisionId"])
    made.add_permission(FunctionName="orders:1", **wanted, RevisionId=made.configuration("orders:1")["RevisionId"])
    alias = made.get_alias(FunctionName="orders", Name="live")["RevisionId"]
    made.add_permission(FunctionName="orders:live", **wanted, RevisionId=alias)

    assert made.get_policy(FunctionName="orders:live")["RevisionId"] != alias


# Refusals


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        (
            {"StatementId": "taken"},
            "ResourceConflictException",
            "The statement id (taken) provided already exists. "
            "Please provide a new statement id, or remove the existing statement.",
        ),
        ({"FunctionName": "nobody"}, MISSING, f"Function not found: {arn('nobody')}"),
        ({"FunctionName": "nobody:live"}, MISSING, f"Function not found: {arn('nobody')}"),
        ({"Qualifier": "nope"}, MISSING, f"Cannot find alias arn: {arn()}:nope"),
        ({"Qualifier": "42"}, MISSING, f"Function not found: {arn()}:42"),
        ({"Qualifier": "$LATEST"}, INVALID, "We currently do not support adding policies for $LATEST."),
        *(
            (
                {"Principal": principal},
                INVALID,
                "The provided principal was invalid. Please check the principal and try again.",
            )
            for principal in ("invalid.nonaws.com", "x", "amazonaws.com", "*.amazonaws.com", "12345", "arn:aws:s3:::x")
        ),
    ],
)
def test_a_statement_is_refused(made: Client, members: dict[str, Any], code: str, message: str) -> None:
    add(made, "taken")
    before = made.get_policy(FunctionName="orders")
    wanted = {"FunctionName": "orders", "StatementId": "s", "Action": INVOKE, "Principal": GATEWAY, **members}

    assert refusal(made.add_permission, **wanted) == (code, message)
    assert made.get_policy(FunctionName="orders") == before


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"StatementId": "a.b"}, "statementId"),
        ({"StatementId": "s" * 101}, "statementId"),
        ({"Action": "InvokeFunction"}, "action"),
        ({"Action": "s3:GetObject"}, "action"),
        ({"SourceArn": "abc"}, "sourceArn"),
        ({"SourceAccount": "1"}, "sourceAccount"),
        ({"PrincipalOrgID": "x"}, "principalOrgID"),
    ],
)
def test_a_member_that_breaks_its_pattern_is_named(made: Client, members: dict[str, Any], where: str) -> None:
    wanted = {"FunctionName": "orders", "StatementId": "s", "Action": INVOKE, "Principal": GATEWAY, **members}

    code, message = refusal(made.add_permission, **wanted)

    assert code == "ValidationException"
    assert message is not None
    assert f"at '{where}' failed to satisfy constraint: Member must" in message


def test_a_policy_has_a_largest_size(made: Client) -> None:
    source = f"{API}/" + "x" * 1500
    for number in range(10):
        add(made, f"s{number}", SourceArn=source)
    statement = len(add(made, "s10", SourceArn=source))
    size = len(made.get_policy(FunctionName="orders")["Policy"])
    wanted = {"FunctionName": "orders", "StatementId": "s11", "Action": INVOKE, "Principal": GATEWAY}
    too_large = size + 1 + statement

    assert refusal(made.add_permission, **wanted, SourceArn=source) == (
        "PolicyLengthExceededException",
        f"The final policy size ({too_large}) is bigger than the limit (20480).",
    )
    add(made, "s11", SourceArn=source[: len(source) - (too_large - 20_480)])
    assert len(made.get_policy(FunctionName="orders")["Policy"]) == 20_480


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"FunctionName": "nobody"}, f"No policy found for: {arn('nobody')}"),
        ({"FunctionName": "orders:1"}, "No policy is associated with the given resource."),
        ({"FunctionName": "orders:nope"}, f"Cannot find alias arn: {arn()}:nope"),
        ({"StatementId": "nope"}, "Statement nope is not found in resource policy."),
    ],
)
def test_what_cannot_be_removed_is_named(made: Client, members: dict[str, Any], message: str) -> None:
    add(made)

    assert refusal(made.remove_permission, **{"FunctionName": "orders", "StatementId": "s", **members}) == (
        MISSING,
        message,
    )


@pytest.mark.parametrize("name", ["nobody", "orders", "orders:1", "orders:nope"])
def test_no_policy_is_no_resource(made: Client, name: str) -> None:
    assert refusal(made.get_policy, FunctionName=name) == (MISSING, "The resource you requested does not exist.")


# Whom they let in


def allows(source: str | None, principal: str = GATEWAY, action: str = INVOKE, **members: Any) -> bool:
    request = {"StatementId": "s", "Action": INVOKE, "Principal": GATEWAY, **members}
    policy = compile_statements([render_statement(request, arn())])
    return allows_service(policy, principal, action, source, ACCOUNT)


@pytest.mark.parametrize(
    ("pattern", "source", "allowed"),
    [
        (f"{API}/*", f"{API}/prod/GET/items", True),
        (f"{API}/*/GET/items", f"{API}/prod/GET/items", True),
        (f"{API}/*/GET/items", f"{API}/prod/POST/items", False),
        (f"{API}/*/GET/items", f"{API}/prod/GET/items/1", False),
        (f"{API}/*/GET/items/*", f"{API}/prod/GET/items/1/parts", True),
        (f"{API}/pro?/GET/", f"{API}/prod/GET/", True),
        (f"{API}/*/*/items", f"{API}/prod/GET/items", True),
        (f"{API}/authorizers/*", f"{API}/authorizers/a1", True),
        (f"{API}/authorizers/*", f"{API}/prod/GET/items", False),
        (f"arn:aws:execute-api:us-east-1:{ACCOUNT}:*", f"{API}/prod/GET/items", True),
        (f"arn:aws:execute-api:*:{ACCOUNT}:abc123/*", f"{API}/prod/GET/items", True),
        (f"arn:aws:execute-api:us-east-1:{ACCOUNT}:abc12/*", f"{API}/prod/GET/items", False),
        ("arn:aws:execute-api:us-east-1:123456789012:abc123/*", f"{API}/prod/GET/items", False),
        # A star does not reach across the parts of an ARN.
        ("arn:aws:execute-api:*:abc123/*", f"{API}/prod/GET/items", False),
        (f"{API}/[a-z]*/GET/items", f"{API}/prod/GET/items", False),
        (f"{API}/*", None, False),
    ],
)
def test_a_source_arn_is_matched_part_by_part(pattern: str, source: str | None, allowed: bool) -> None:
    """Reference, "Evaluation for services"."""
    assert allows(source, SourceArn=pattern) is allowed


@pytest.mark.parametrize(
    ("members", "principal", "action", "allowed"),
    [
        ({}, GATEWAY, INVOKE, True),
        ({}, "events.amazonaws.com", INVOKE, False),
        ({"Principal": "*"}, GATEWAY, INVOKE, True),
        ({"Principal": ACCOUNT}, GATEWAY, INVOKE, False),
        ({"Action": "lambda:*"}, GATEWAY, INVOKE, True),
        ({"Action": "*"}, GATEWAY, INVOKE, True),
        ({"Action": "lambda:invokefunction"}, GATEWAY, INVOKE, True),
        ({"Action": "lambda:Invoke"}, GATEWAY, INVOKE, False),
        ({"Action": "lambda:InvokeFunctionUrl"}, GATEWAY, INVOKE, False),
        ({"SourceAccount": ACCOUNT}, GATEWAY, INVOKE, True),
        ({"SourceAccount": "123456789012"}, GATEWAY, INVOKE, False),
        ({"Principal": "*", "PrincipalOrgID": "o-1234567890"}, GATEWAY, INVOKE, False),
        ({"Principal": "*", "FunctionUrlAuthType": "NONE"}, GATEWAY, INVOKE, False),
        ({"Principal": "*", "InvokedViaFunctionUrl": True}, GATEWAY, INVOKE, False),
        ({"EventSourceToken": "t"}, GATEWAY, INVOKE, False),
    ],
)
def test_a_statement_lets_in_whom_it_names(members: dict[str, Any], principal: str, action: str, allowed: bool) -> None:
    """A condition that no service of ours can meet is never met: it fails closed."""
    assert allows(f"{API}/prod/GET/items", principal, action, **members) is allowed


@given(path=st.text(max_size=40), other=st.text(max_size=40))
def test_a_pattern_without_wildcards_is_one_source(path: str, other: str) -> None:
    plain = path.replace("*", "").replace("?", "")

    assert allows(f"{API}/{other}", SourceArn=f"{API}/{plain}") is (plain == other)
