"""Properties of what reads free text: pointers, parameter mappings, path parts, policies."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.gateway.operations.apigateway.mapping_expressions import (
    check_media_type,
    check_method_parameters,
    check_request_mappings,
    check_response_mappings,
)
from scopegate.gateway.operations.apigateway.patch import PatchTable, Rule, is_true, parse_number, parse_patches
from scopegate.gateway.operations.apigateway.resource_policy import parse_policy, render_policy

ANYTHING = st.text(max_size=40)


def refuses(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except AwsError as error:
        return error.code == "BadRequestException"
    return False


@given(names=st.lists(ANYTHING, min_size=1, max_size=5))
def test_a_pointer_gives_back_the_names_it_was_made_of(names: list[str]) -> None:
    """RFC 6901 section 4: `~1` is `/`, `~0` is `~`, in that order."""
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)

    (patch,) = parse_patches({"patchOperations": [{"op": "add", "path": pointer}]})

    assert list(patch.tokens) == names


@given(path=ANYTHING, op=st.sampled_from(["add", "remove", "replace", "copy", "move", "test"]))
def test_a_table_applies_an_operation_or_refuses_it(path: str, op: str) -> None:
    seen = []
    table = PatchTable("listed", (Rule("/a/{name}", {"add": lambda _, patch: seen.append(patch.name)}),))
    (patch,) = parse_patches({"patchOperations": [{"op": op, "path": path}]})

    matches = op == "add" and re.fullmatch(r"/a/[^/]+", path, re.DOTALL) is not None

    assert refuses(table.find_effect, patch) is not matches


@given(value=st.none() | ANYTHING)
def test_only_true_is_true(value: str | None) -> None:
    assert is_true(value) is (value is not None and value.lower() == "true")


@given(value=st.none() | ANYTHING | st.integers().map(str))
def test_a_number_is_in_range_or_refused(value: str | None) -> None:
    try:
        number = parse_number(value, -1, 3600, "no")
    except AwsError:
        return
    assert -1 <= number <= 3600
    assert str(number) == (value or "").lstrip("0") or int(value or "") == number


@given(key=ANYTHING, value=ANYTHING)
def test_undeclared_parameters_never_pass(key: str, value: str) -> None:
    """Whatever passes is well-formed on both sides and takes nothing from an undeclared parameter."""
    if not refuses(check_request_mappings, {key: value}, {}):
        assert key.startswith("integration.request.")
        assert value.startswith(("'", "stageVariables.", "context.", "method.request.body"))


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("'a'", True),
        ("''", True),
        ("'a, b'", True),
        ("'a'b'", False),
        ("a", False),
        ("", False),
        ("'a", False),
        ("stageVariables.a", True),
        ("stageVariables.", False),
        ("$context.a", False),
        ("context.authorizer.claims.cognito:username", True),
        ("context.requestId", True),
        ("method.request.header.X-A", True),
        ("method.request.multivalueheader.X-A", True),
        ("method.request.header.x-a", False),
        ("method.request.querystring.X-A", False),
        ("method.request.body", True),
        ("method.request.body.a.b[0]", True),
        ("method.request.body.", False),
        ("integration.response.header.a", False),
    ],
)
def test_sources_of_a_request_mapping(value: str, passes: bool) -> None:
    """Reference, data plane, 6.3; names are compared with their case."""
    declared = {"method.request.header.X-A": True}

    assert refuses(check_request_mappings, {"integration.request.header.b": value}, declared) is not passes


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("'*'", True),
        ("integration.response.header.Location", True),
        ("integration.response.multivalueheader.a", True),
        ("integration.response.body", True),
        ("integration.response.body.id", True),
        ("stageVariables.a", True),
        ("context.requestId", True),
        ("method.request.header.a", False),
        ("integration.response.querystring.a", False),
        ("*", False),
    ],
)
def test_sources_of_a_response_mapping(value: str, passes: bool) -> None:
    target = "method.response.header.a"

    assert refuses(check_response_mappings, {target: value}, {target: False}) is not passes
    assert refuses(check_response_mappings, {target: value}, {})


@pytest.mark.parametrize(
    ("key", "passes"),
    [
        ("application/json", True),
        ("application/x-www-form-urlencoded", True),
        ("text/plain; charset=utf-8", True),
        ("$default", True),
        ("*/*", True),
        ("json", False),
        ("", False),
        ("/", False),
        ("a/b/c", False),
        ("a /b", False),
    ],
)
def test_media_types(key: str, passes: bool) -> None:
    assert refuses(check_media_type, key) is not passes


@given(names=st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), places=st.permutations(["header", "path"]))
def test_a_parameter_name_stands_in_one_place(names: list[str], places: list[str]) -> None:
    keys = {f"method.request.{place}.{name}": True for place, name in zip(places * 2, names, strict=False)}

    assert refuses(check_method_parameters, keys) is (len({key.rpartition(".")[2] for key in keys}) < len(keys))


@given(
    text=ANYTHING
    | st.recursive(st.none() | ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner)).map(
        json.dumps
    )
)
def test_a_policy_is_a_policy_or_refused(text: str) -> None:
    refuses(parse_policy, text, "us-east-1", "000000000000", "abc")


@given(sid=ANYTHING)
def test_a_rendered_policy_unescapes_to_the_stored_one(sid: str) -> None:
    """Reference 1.4: a client has to unescape it once more."""
    resources = ["execute-api:/*", "arn:aws:execute-api:*"]
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": resources}

    stored = parse_policy(json.dumps({"Statement": statement}), "eu-west-1", "111122223333", "abc")

    assert json.loads(f'"{render_policy(stored)}"') == stored
    assert json.loads(stored)["Statement"] == [
        {**statement, "Resource": ["arn:aws:execute-api:eu-west-1:111122223333:abc/*", "arn:aws:execute-api:*"]}
    ]
