"""Four kinds of authorizer on one SAM REST API; the file has no Transform line, as its own project adds it.

Source: tests/templates/rest-four-authorizers; what AWS must answer is in that repository's integration test.
"""

from collections.abc import Callable

import pytest

from scopegate.cli.client import Client
from tests.templates_real.conftest import Deployed

TOKEN = "/Prod/lambda-token"
REQUEST = "/Prod/lambda-request?authorization={}&authorizationQueryString1=x"


@pytest.fixture(scope="module")
def api(real: Callable[..., Deployed]) -> Deployed:
    return real("rest-four-authorizers")


def test_the_line_that_the_file_lacks_is_told(api: Deployed) -> None:
    assert "read as if it had Transform: AWS::Serverless-2016-10-31" in api.shown


def test_the_open_method_answers(api: Deployed) -> None:
    answer = api.call("GET", "/Prod/none")
    assert (answer.status_code, answer.text) == (200, "Success")


def test_the_token_authorizer_is_asked_for_what_its_expression_takes(api: Deployed) -> None:
    calls = [("GET", TOKEN, {"MyCustomAuthHeader": value}) for value in ("allow", "deny")]
    assert api.statuses(("GET", TOKEN, {}), *calls) == [401, 200, 401]


def test_the_request_authorizer_decides_when_all_its_sources_are_there(api: Deployed) -> None:
    header = {"authorizationHeader": "y"}

    assert api.statuses(
        ("GET", "/Prod/lambda-request", {}),
        ("GET", REQUEST.format("allow"), {}),
        ("GET", REQUEST.format("allow"), header),
        ("GET", REQUEST.format("deny"), header),
    ) == [401, 401, 200, 403]


def invocations(api: Deployed) -> int:
    """How often the authorizers' function has been called."""
    names = [each["FunctionName"] for each in api.server.aws("lambda").list_functions()["Functions"]]
    (name,) = [each for each in names if each.startswith(f"{api.name}-MyLambdaAuthFunction")]
    lines = Client(api.server.url).own("GET", f"logs?function={name}&lines=1000")["lines"]
    return sum(line.startswith("REPORT ") for line in lines)


def test_decisions_are_remembered_as_long_as_the_template_says(api: Deployed) -> None:
    """ReauthorizeEvery: 20 seconds for tokens, and none for requests."""
    remembered = {"MyCustomAuthHeader": "allow"}
    api.call("GET", TOKEN, headers=remembered)
    before = invocations(api)

    assert api.statuses(*[("GET", TOKEN, remembered)] * 3) == [200, 200, 200]
    assert invocations(api) == before
    assert api.statuses(*[("GET", REQUEST.format("allow"), {"authorizationHeader": "y"})] * 3) == [200, 200, 200]
    assert invocations(api) == before + 3


def test_the_cognito_authorizer_takes_no_token_that_its_expression_refuses(api: Deployed) -> None:
    token = api.machine_token(api.pool_ids[0])

    headers = {"MyAuthorizationHeader": token}
    assert api.statuses(("GET", "/Prod/cognito", {}), ("GET", "/Prod/cognito", headers)) == [401, 401]


def test_an_unsigned_call_of_the_signed_method_is_refused(api: Deployed) -> None:
    assert api.call("GET", "/Prod/iam").status_code == 403
