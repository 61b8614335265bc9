"""A nested stack with the pool, conditions that drop list members, a JWT authorizer with a scope.

Source: tests/templates/httpapi-oauth2-scopes-nested.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scopegate.cli.client import Client
from tests.templates_real.conftest import Deployed

CALLBACK = "https://myapp.com"
POSTMAN = "https://oauth.pstmn.io/v1/callback"


@pytest.fixture
def app(real: Callable[..., Deployed]) -> Iterator[Deployed]:
    """Its domain's name is fixed: one at a time."""
    deployed = real("httpapi-oauth2-scopes-nested")
    yield deployed
    if stacks(deployed):
        deployed.delete()


def client_of(app: Deployed) -> dict[str, Any]:
    request = {"UserPoolId": app.pool_ids[0], "ClientId": app.outputs["ClientId"]}
    client: dict[str, Any] = app.server.aws("cognito-idp").describe_user_pool_client(**request)["UserPoolClient"]
    return client


def stacks(app: Deployed) -> dict[str, str]:
    """Name → parent."""
    found = Client(app.server.url).own("GET", "stacks")["stacks"]
    return {each["name"]: each["parent"] for each in found if each["name"].startswith(app.name)}


def test_parent_and_child_come_up_with_their_outputs(app: Deployed) -> None:
    assert app.outputs.keys() == {"AppApiEndpoint", "AuthUrl", "ClientId"}
    assert app.outputs["AppApiEndpoint"] == f"https://{app.api_id}.execute-api.us-east-1.amazonaws.com"
    assert app.outputs["AuthUrl"] == "https://myauth000000000000.auth.us-east-1.amazoncognito.com/login"
    child = next(name for name in stacks(app) if name.startswith(f"{app.name}-AuthStack-"))
    assert stacks(app) == {app.name: "", child: app.name}


def test_conditions_drop_members_of_lists(app: Deployed) -> None:
    client = client_of(app)
    assert (client["CallbackURLs"], client["AllowedOAuthFlows"]) == ([CALLBACK], ["code"])

    app.deploy(TestWithPostman="true")

    client = client_of(app)
    assert set(client["CallbackURLs"]) == {CALLBACK, POSTMAN}
    assert set(client["AllowedOAuthFlows"]) == {"code", "implicit"}


def test_a_value_that_is_not_allowed_is_refused_before_anything_is_done(app: Deployed) -> None:
    assert "Parameter TestWithPostman must be one of true, false" in app.refused(TestWithPostman="yes")
    assert client_of(app)["CallbackURLs"] == [CALLBACK]


def test_the_api_asks_for_a_token_of_its_own_client(app: Deployed) -> None:
    answer = app.call("GET", "/")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    for token in (app.foreign_token(), app.machine_token(app.pool_ids[0])):
        assert app.call("GET", "/", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_child_and_its_pool_go_with_the_parent(app: Deployed) -> None:
    pool_ids = app.pool_ids
    assert len(pool_ids) == 1

    app.delete()

    assert app.pool_ids == []
    assert stacks(app) == {}
