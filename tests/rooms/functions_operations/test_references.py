"""How a function may be named, and what each spelling means."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.functions.references import FunctionRef, find_reference, parse_reference
from tests.rooms.functions_operations.driver import ACCOUNT, MODEL, REGION, Client, arn, refusal

OTHER = "123456789012"
names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
qualifiers = st.from_regex(r"\$LATEST|[1-9][0-9]{0,3}|[a-zA-Z][a-zA-Z0-9_-]{0,20}", fullmatch=True)
regions = st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1"])
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)


def parse(text: str, qualifier: str | None = None) -> FunctionRef:
    return parse_reference(text, qualifier, account=ACCOUNT, region=REGION)


@pytest.mark.parametrize(
    ("text", "account", "name", "qualifier"),
    [
        ("orders", ACCOUNT, "orders", None),
        ("orders:prod", ACCOUNT, "orders", "prod"),
        ("orders:1", ACCOUNT, "orders", "1"),
        ("orders:$LATEST", ACCOUNT, "orders", "$LATEST"),
        ("function:orders", ACCOUNT, "orders", None),
        ("function:orders:prod", ACCOUNT, "orders", "prod"),
        (f"{OTHER}:orders", OTHER, "orders", None),
        (f"{OTHER}:function:orders:7", OTHER, "orders", "7"),
        (f"{REGION}:{OTHER}:function:orders", OTHER, "orders", None),
        (f"arn:aws:lambda:{REGION}:{OTHER}:function:orders", OTHER, "orders", None),
        (f"arn:aws:lambda:{REGION}:{OTHER}:function:orders:$LATEST", OTHER, "orders", "$LATEST"),
        (f"arn:aws:lambda:{REGION}:{OTHER}:function", OTHER, "function", None),
    ],
)
def test_each_form_of_a_name_is_read(text: str, account: str, name: str, qualifier: str | None) -> None:
    """Reference, "Forms of a function name"; an incomplete ARN is a function named `function` (recorded)."""
    assert parse(text) == FunctionRef(account, REGION, name, qualifier)


@given(account=accounts, region=regions, name=names, qualifier=st.none() | qualifiers)
def test_an_arn_is_read_as_it_was_written(account: str, region: str, name: str, qualifier: str | None) -> None:
    written = FunctionRef(account, region, name, qualifier)

    assert find_reference(written.asked_arn) == written
    assert parse_reference(written.asked_arn, None, account=ACCOUNT, region=region) == written


@given(name=names, inner=qualifiers, asked=qualifiers)
def test_the_qualifier_of_the_name_and_the_one_beside_it_agree(name: str, inner: str, asked: str) -> None:
    if inner == asked:
        assert parse(f"{name}:{inner}", asked) == FunctionRef(ACCOUNT, REGION, name, asked)
        return
    with pytest.raises(AwsError) as refused:
        parse(f"{name}:{inner}", asked)
    assert refused.value.code == "InvalidParameterValueException"


@pytest.mark.parametrize("shape", ["FunctionName", "NamespacedFunctionName", "UnqualifiedFunctionName"])
def test_every_name_that_the_model_allows_is_read(shape: str) -> None:
    """What gets past validation is a name in one region or in another, never an internal error."""
    pattern = MODEL.shape_for(shape).metadata["pattern"]

    @given(text=st.from_regex(pattern, fullmatch=True, alphabet=st.characters(max_codepoint=126, min_codepoint=32)))
    def read(text: str) -> None:
        with contextlib.suppress(AwsError):
            parse(text)

    read()


@given(text=st.text(max_size=80) | st.builds("arn:aws:lambda:us-east-1:{}:{}".format, st.text(), st.text()))
def test_what_is_no_function_arn_is_none(text: str) -> None:
    found = find_reference(text)

    assert found is None or found.asked_arn == text


@pytest.mark.parametrize("tail", ["", ":", ":orders:1:2", "orders"])
def test_a_broken_arn_is_none(tail: str) -> None:
    assert find_reference(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function{tail}") is None


def test_every_spelling_finds_the_function(client: Client) -> None:
    client.make()

    for spelling in ("orders", arn(), f"{ACCOUNT}:orders", "function:orders", f"{ACCOUNT}:function:orders"):
        assert client.configuration(spelling)["FunctionArn"] == arn()
    for spelling in ("orders:$LATEST", f"{arn()}:$LATEST"):
        assert client.configuration(spelling)["FunctionArn"] == f"{arn()}:$LATEST"


def test_a_function_of_another_region_is_not_reachable(client: Client) -> None:
    assert refusal(client.get_function, FunctionName=arn(region="eu-west-1")) == (
        "ResourceNotFoundException",
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    )


def test_a_function_of_another_account_is_denied_without_a_word(client: Client) -> None:
    client.elsewhere(account=OTHER).make()

    assert refusal(client.get_function, FunctionName=arn(account=OTHER)) == ("AccessDeniedException", None)
    assert refusal(client.make, name=arn("new", account=OTHER)) == ("AccessDeniedException", None)
    assert refusal(client.get_function, FunctionName="orders")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("name", ["orders:1:2", "orders:$LATES", "a b", "orders:", "", "a/b", "ördersä"])
def test_a_name_that_breaks_the_pattern_is_told_with_the_pattern(client: Client, name: str) -> None:
    code, message = refusal(client.get_function, FunctionName=name)

    assert code == "ValidationException"
    assert message is not None
    assert "at 'functionName' failed to satisfy constraint: Member must" in message


def test_qualifiers_that_contradict_are_refused(client: Client) -> None:
    client.make()

    assert refusal(client.get_function, FunctionName="orders:1", Qualifier="2") == (
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    )
    assert (
        client.get_function(FunctionName="orders:$LATEST", Qualifier="$LATEST")["Configuration"]["Version"] == "$LATEST"
    )


def test_a_lower_case_latest_is_no_qualifier(client: Client) -> None:
    client.make()

    assert refusal(client.get_function, FunctionName="orders", Qualifier="$latest") == (
        "ResourceNotFoundException",
        f"Function not found: {arn()}:$latest",
    )
