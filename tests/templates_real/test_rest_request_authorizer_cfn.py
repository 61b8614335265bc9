"""A REST API by single resources with a REQUEST authorizer; roles invoke the functions.

Source: tests/templates/rest-request-authorizer-cfn.
"""

from collections.abc import Callable

import pytest

from tests.templates_real.conftest import Deployed

QUERY = "/test/?QueryString1=queryValue1"
GOOD = {"HeaderAuth1": "headerValue1"}


@pytest.fixture(scope="module")
def api(real: Callable[..., Deployed]) -> Deployed:
    return real("rest-request-authorizer-cfn")


def test_the_authorizer_decides_by_header_and_query(api: Deployed) -> None:
    assert api.statuses(("GET", "/test/", {}), ("GET", QUERY, {}), ("GET", "/test/", GOOD)) == [401, 401, 401]
    answer = api.call("GET", QUERY, headers=GOOD)
    assert (answer.status_code, answer.json()) == (200, "Hello from Lambda!")
    refused = api.call("GET", QUERY, headers={"HeaderAuth1": "wrong"})
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
    missing = api.call("GET", "/test/x")
    assert (missing.status_code, missing.json()) == (403, {"message": "Missing Authentication Token"})


def test_a_second_good_call_does_not_ask_again(real: Callable[..., Deployed]) -> None:
    """It is remembered for 300 seconds by both identity values."""
    api = real("rest-request-authorizer-cfn")
    assert api.statuses(*[("GET", QUERY, GOOD)] * 2) == [200, 200]
    lambda_ = api.server.aws("lambda")
    (name,) = [
        each["FunctionName"]
        for each in lambda_.list_functions()["Functions"]
        if each["FunctionName"].startswith(f"{api.name}-MyAuthFunction")
    ]
    lambda_.delete_function(FunctionName=name)

    assert api.statuses(("GET", QUERY, GOOD)) == [200]
    # What has to ask finds nobody: a fault of the authorizer is no yes.
    answer = api.call("GET", QUERY, headers={"HeaderAuth1": "other"})
    assert (answer.status_code, answer.json()) == (500, {"message": None})
