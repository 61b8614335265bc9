"""The main path: resource server, client_credentials, a scope on a REST method; plain CloudFormation.

Source: tests/templates/m2m-rest-scopes.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, token_part
from tests.templates_real.conftest import TEMPLATES, Deployed
from tests.wire.gateways import serving_web

SCOPE = "petstore-api.example.com/domestic.read"


@pytest.fixture(scope="module")
def petstore(real: Callable[..., Deployed]) -> Deployed:
    return real("m2m-rest-scopes")


def client_of(petstore: Deployed) -> dict[str, Any]:
    request = {"UserPoolId": petstore.pool_ids[0], "ClientId": petstore.outputs["ClientId"]}
    client: dict[str, Any] = petstore.server.aws("cognito-idp").describe_user_pool_client(**request)["UserPoolClient"]
    return client


def test_it_comes_up_with_all_its_outputs_and_says_what_it_left_out(petstore: Deployed) -> None:
    assert petstore.outputs.keys() == {"UserPoolArn", "ApiEndpoint", "ClientId", "CMKKeyArn", "ExternalAuthEndpoint"}
    assert petstore.outputs["UserPoolArn"].endswith(f"userpool/{petstore.pool_ids[0]}")
    assert "MyWebClient: ClientId cannot be set, it is left out" in petstore.shown
    domain = petstore.outputs["ExternalAuthEndpoint"].removeprefix("https://").split(".")[0]
    described = petstore.server.aws("cognito-idp").describe_user_pool(UserPoolId=petstore.pool_ids[0])["UserPool"]
    assert described["Domain"] == domain


def test_its_token_endpoint_gives_the_scope_that_the_client_has(petstore: Deployed) -> None:
    client, server = client_of(petstore), petstore.server
    host = petstore.outputs["ExternalAuthEndpoint"].removeprefix("https://").removesuffix("/oauth2/token")
    fields = {"grant_type": "client_credentials"}

    by_domain = server.http(
        "POST", "/oauth2/token", host=host, data=fields, auth=(client["ClientId"], client["ClientSecret"])
    )
    assert by_domain.status_code == 200
    assert token_part(by_domain.json()["access_token"], 1)["scope"] == SCOPE
    assert server.token(client, scope=SCOPE).status_code == 200
    refused = server.token(client, scope="petstore-api.example.com/other")
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})
    wrong = server.token({**client, "ClientSecret": "wrong"})
    assert (wrong.status_code, wrong.json()) == (400, {"error": "invalid_client"})


def test_its_method_is_reached_with_the_right_token_alone(petstore: Deployed) -> None:
    token = petstore.server.token(client_of(petstore)).json()["access_token"]

    nothing = petstore.call("POST", "/prod/")
    assert (nothing.status_code, nothing.json()) == (401, {"message": "Unauthorized"})
    for bad in (token[:-4] + "AAAA", petstore.foreign_token(), "nonsense"):
        assert petstore.call("POST", "/prod/", headers={"Authorization": bad}).status_code == 401
    other = petstore.machine_token(petstore.pool_ids[0])
    assert petstore.call("POST", "/prod/", headers={"Authorization": other}).status_code in (401, 403)
    reached = petstore.call("POST", "/prod/", headers={"Authorization": token})
    assert reached.status_code == 200 or reached.status_code >= 500  # the petstore may be out of reach
    missing = petstore.call("GET", "/prod/")
    assert (missing.status_code, missing.json()) == (403, {"message": "Missing Authentication Token"})


def test_an_expired_token_is_refused(start_server: Callable[..., Server]) -> None:
    """On a server of its own, whose clock is turned."""
    server = start_server("serve", "--dev")
    petstore = Deployed(server, "petstore", TEMPLATES / "m2m-rest-scopes" / "template.yaml", set())
    petstore.deploy()
    token = server.token(client_of(petstore)).json()["access_token"]
    assert petstore.call("POST", "/prod/", headers={"Authorization": token}).status_code not in (401, 403)

    server.turn_clock(3700)

    assert petstore.call("POST", "/prod/", headers={"Authorization": token}).status_code == 401


def test_the_right_token_reaches_the_service_behind(real: Callable[..., Deployed], tmp_path: Path) -> None:
    """The same template, its integration pointed at a service of ours."""
    petstore = real("m2m-rest-scopes")
    with serving_web() as web:
        shutil.copytree(petstore.file.parent, tmp_path / "here")
        file = tmp_path / "here" / "template.yaml"
        text = petstore.file.read_text()
        file.write_text(text.replace("http://petstore-demo-endpoint.execute-api.com", web.url))
        petstore.file = file
        petstore.deploy()
        token = petstore.server.token(client_of(petstore)).json()["access_token"]
        # An explicit deployment is a snapshot: what changed goes live with the next one.
        petstore.server.aws("apigateway").create_deployment(restApiId=petstore.api_id, stageName="prod")

        answer = petstore.call("POST", "/prod/", headers={"Authorization": token})

        assert answer.status_code == 200
        assert petstore.call("POST", "/prod/").status_code == 401
        (seen,) = web.seen
        assert (seen.method, seen.target) == ("GET", "/petstore/pets")
