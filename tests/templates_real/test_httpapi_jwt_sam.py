"""A SAM HTTP API with a JWT authorizer on its own pool; Node.js by the name of an old runtime.

Source: tests/templates/httpapi-jwt-sam.
"""

import base64
import json
from collections.abc import Callable

import pytest

from tests.templates_real.conftest import Deployed


@pytest.fixture(scope="module")
def api(real: Callable[..., Deployed]) -> Deployed:
    return real("httpapi-jwt-sam")


def test_the_route_that_opts_out_is_open_and_the_rest_is_not(api: Deployed) -> None:
    answer = api.call("GET", "/test")
    assert (answer.status_code, answer.json()) == (200, {"test": "Hello HttpApi"})
    assert answer.headers["content-type"] == "application/json"
    refused = api.call("GET", "/secure")
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
    assert refused.headers["www-authenticate"] == "Bearer"
    missing = api.call("GET", "/nothing")
    assert (missing.status_code, missing.json()) == (404, {"message": "Not Found"})


def test_tokens_of_others_are_refused(api: Deployed) -> None:
    """Of another client of the pool, of another pool, and one that nobody signed."""
    own = api.machine_token(api.outputs["UserPoolId"])
    header, claims, _ = own.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()

    for token in (own, api.foreign_token(), f"{unsigned}.{claims}.", f"{header}.{claims}."):
        assert api.call("GET", "/secure", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_preflight_is_answered(api: Deployed) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}

    answer = api.call("OPTIONS", "/secure", headers=asked)

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


def test_an_old_runtime_is_told(api: Deployed) -> None:
    from scopegate.cli.client import Client

    functions = Client(api.server.url).own("GET", "overview")["functions"]
    (warning,) = [each["warning"] for each in functions if each["name"].startswith(api.name)]
    assert "nodejs12.x" in warning
