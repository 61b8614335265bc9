"""An HTTP API by quick create; its managed route is overridden with a JWT authorizer, the token comes in the query.

Source: tests/templates/httpapi-jwt-quick-create.
"""

from collections.abc import Callable

import pytest

from tests.templates_real.conftest import Deployed


@pytest.fixture(scope="module")
def api(real: Callable[..., Deployed]) -> Deployed:
    return real("httpapi-jwt-quick-create")


def test_every_path_asks_for_a_token_in_the_query(api: Deployed) -> None:
    foreign = api.machine_token(api.pool_ids[0])

    for method, path in (("GET", "/"), ("POST", "/any/path"), ("GET", f"/?access_token={foreign}")):
        answer = api.call(method, path)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert api.call("GET", "/", headers={"Authorization": foreign}).status_code == 401


def test_the_override_is_in_force_before_the_stack_is_complete_and_open_without_it(
    real: Callable[..., Deployed],
) -> None:
    api = real("httpapi-jwt-quick-create")
    v2 = api.server.aws("apigatewayv2")
    (route,) = v2.get_routes(ApiId=api.api_id)["Items"]
    assert (route["RouteKey"], route["AuthorizationType"]) == ("$default", "JWT")

    v2.update_route(ApiId=api.api_id, RouteId=route["RouteId"], AuthorizationType="NONE")

    answer = api.call("GET", "/")
    assert (answer.status_code, answer.json()) == (200, "Hello from the $default route!")


def test_the_domain_is_made_of_the_ids_of_api_and_client(api: Deployed) -> None:
    pool = api.server.aws("cognito-idp").describe_user_pool(UserPoolId=api.pool_ids[0])["UserPool"]
    clients = api.server.aws("cognito-idp").list_user_pool_clients(UserPoolId=pool["Id"])["UserPoolClients"]
    (client,) = [each["ClientId"] for each in clients if each["ClientName"] == "api-app-client"]

    assert pool["Domain"] == f"{api.api_id}-{client}"
    assert api.outputs["SignupURL"].startswith(f"https://{pool['Domain']}.auth.us-east-1.amazoncognito.com/login?")
