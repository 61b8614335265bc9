"""A SAM REST API from a Swagger body, an authorizer per path; the file has no Transform line.

Source: tests/templates/rest-openapi-body.
"""

from collections.abc import Callable

from tests.templates_real.conftest import Deployed

LAMBDA, NONE, COGNITO = (f"/Prod/lambda-request{name}" for name in ("", "-override-none", "-override-cognito"))


def test_each_path_has_the_authorizer_that_it_names(real: Callable[..., Deployed]) -> None:
    api = real("rest-openapi-body")
    foreign = {"Authorization": api.foreign_token()}
    # No scopes are configured, so an ID token is wanted.
    access = {"Authorization": api.machine_token(api.pool_ids[0])}

    assert api.statuses(
        ("GET", LAMBDA, {}), ("GET", f"{LAMBDA}?authorization=allow", {}), ("GET", f"{LAMBDA}?authorization=deny", {})
    ) == [401, 200, 403]
    assert api.call("GET", f"{LAMBDA}?authorization=allow").text == "Success"
    assert api.statuses(("GET", NONE, {})) == [200]
    assert api.statuses(*(("GET", COGNITO, headers) for headers in ({}, foreign, access))) == [401, 401, 401]
    assert "read as if it had Transform: AWS::Serverless-2016-10-31" in api.shown
