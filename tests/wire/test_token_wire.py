"""Tokens over real HTTP: every URL form, generic clients that follow discovery, changes that are seen at once."""

import socket
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests

from tests.server import Pool, Server, make_pool

GRANT = {"grant_type": "client_credentials"}


def verified(token: str, jwks_url: str, issuer: str) -> dict[str, Any]:
    """The claims, as PyJWT verifies them with the published keys."""
    key = jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], issuer=issuer)
    return claims


@pytest.mark.parametrize(
    ("host", "path"),
    [
        pytest.param(None, "/oauth2/token", id="bare-host"),
        pytest.param(None, "/{pool}/oauth2/token", id="pool-in-the-path"),
        pytest.param(None, "/_aws/cognito-idp/oauth2/token", id="localstack"),
        pytest.param(None, "/cognito-idp/oauth2/token", id="floci"),
        pytest.param("{domain}.auth.us-east-1.amazoncognito.com", "/oauth2/token", id="amazon-domain"),
        pytest.param("{domain}.auth.localhost:{port}", "/oauth2/token", id="localhost-domain"),
        pytest.param("{domain}.auth.localhost.localstack.cloud:{port}", "/oauth2/token", id="localstack-domain"),
    ],
)
def test_every_form_of_the_token_url_issues_a_token(pool: Pool, host: str | None, path: str) -> None:
    names = {"pool": pool.pool_id, "domain": pool.domain, "port": pool.server.port}
    client = pool.client("orders/read", "orders/write")

    answer = pool.server.http(
        "POST",
        path.format(**names),
        host=host and host.format(**names),
        data={**GRANT, "scope": "orders/write"},
        auth=(client["ClientId"], client["ClientSecret"]),
    )

    assert answer.status_code == 200
    claims = verified(
        answer.json()["access_token"], f"{pool.server.url}/{pool.pool_id}/.well-known/jwks.json", pool.issuer
    )
    assert (claims["scope"], claims["client_id"]) == ("orders/write", client["ClientId"])


@pytest.mark.parametrize("form", ["pool-in-the-path", "domain"])
def test_o24_another_pool_s_url_does_not_know_the_client(pool: Pool, form: str) -> None:
    other = make_pool(pool.server)
    client = other.client()
    host = f"{pool.domain}.auth.us-east-1.amazoncognito.com" if form == "domain" else None
    path = "/oauth2/token" if form == "domain" else f"/{pool.pool_id}/oauth2/token"

    answer = pool.server.http("POST", path, host=host, data=GRANT, auth=(client["ClientId"], client["ClientSecret"]))

    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_client"})


def test_issuer_documents_are_served_under_amazon_s_names_too(pool: Pool) -> None:
    path = f"/{pool.pool_id}/.well-known/jwks.json"

    texts = {
        pool.server.http("GET", path, host=host).text
        for host in (None, "cognito-idp.us-east-1.amazonaws.com", "issuer-cognito-idp.us-east-1.amazonaws.com")
    }

    assert len(texts) == 1
    assert len(pool.server.http("GET", path).json()["keys"]) == 2


def test_the_endpoints_of_discovery_can_be_used_as_written(pool: Pool) -> None:
    document = pool.server.http("GET", f"/{pool.pool_id}/.well-known/openid-configuration").json()
    client = pool.client()

    answer = requests.post(document["token_endpoint"], data=GRANT, auth=(client["ClientId"], client["ClientSecret"]))

    assert document["issuer"] == pool.issuer
    assert answer.status_code == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_with_an_issuer_url_a_generic_client_needs_nothing_but_the_issuer(start_server: Callable[..., Server]) -> None:
    """OpenID Connect Discovery: the issuer leads to its document, that to keys and endpoints, all reachable."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    pool = make_pool(start_server("serve", "--dev", "--port", str(port), "--issuer-url", url))
    client, issuer = pool.client(), f"{url}/{pool.pool_id}"

    document = requests.get(f"{issuer}/.well-known/openid-configuration").json()
    answer = requests.post(document["token_endpoint"], data=GRANT, auth=(client["ClientId"], client["ClientSecret"]))
    claims = verified(answer.json()["access_token"], document["jwks_uri"], document["issuer"])

    assert (document["issuer"], claims["iss"]) == (issuer, issuer)


# What the control plane changes is what the next token request sees


def test_a_scope_that_is_deleted_is_no_longer_granted(pool: Pool) -> None:
    client = pool.client("orders/read", "orders/write")
    idp = pool.server.aws("cognito-idp")

    idp.update_resource_server(
        UserPoolId=pool.pool_id,
        Identifier="orders",
        Name="orders",
        Scopes=[{"ScopeName": "read", "ScopeDescription": "read"}],
    )

    token = pool.server.token(client).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["scope"] == "orders/read"
    refused = pool.server.token(client, scope="orders/write")
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})


def test_a_client_that_is_deleted_is_unknown(pool: Pool) -> None:
    client = pool.client()
    assert pool.server.token(client).status_code == 200

    pool.server.aws("cognito-idp").delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])

    refused = pool.server.token(client)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_client"})


def test_an_update_that_leaves_the_flow_out_ends_it(pool: Pool) -> None:
    """Reference: UpdateUserPoolClient resets what it leaves out; the answer is then `invalid_grant`."""
    client = pool.client()

    pool.server.aws("cognito-idp").update_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])

    refused = pool.server.token(client)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


def test_two_secrets_live_side_by_side_and_the_deleted_one_is_dead(pool: Pool) -> None:
    client, idp = pool.client(), pool.server.aws("cognito-idp")
    named = {"UserPoolId": pool.pool_id, "ClientId": client["ClientId"]}
    second = idp.add_user_pool_client_secret(**named)["ClientSecretDescriptor"]
    both = [client["ClientSecret"], second["ClientSecretValue"]]

    assert [pool.server.token({**client, "ClientSecret": secret}).status_code for secret in both] == [200, 200]

    first = [one["ClientSecretId"] for one in idp.list_user_pool_client_secrets(**named)["ClientSecrets"]]
    first.remove(second["ClientSecretId"])
    idp.delete_user_pool_client_secret(**named, ClientSecretId=first[0])

    assert [pool.server.token({**client, "ClientSecret": secret}).status_code for secret in both] == [400, 200]


def test_get_client_token_issues_the_same_kind_of_token(pool: Pool) -> None:
    """Reference, GetClientToken: machines of a pool without a domain."""
    idp = pool.server.aws("cognito-idp")
    client = idp.create_user_pool_client(
        UserPoolId=pool.pool_id,
        ClientName="machine",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"],
        AllowedOAuthScopes=["orders/read"],
    )["UserPoolClient"]

    result = idp.get_client_token(ClientId=client["ClientId"], Secret=client["ClientSecret"])[
        "ClientAuthenticationResult"
    ]

    jwks_url = f"{pool.server.url}/{pool.pool_id}/.well-known/jwks.json"
    claims = verified(result["AccessToken"], jwks_url, pool.issuer)
    by_endpoint = verified(pool.access_token("orders/read"), jwks_url, pool.issuer)
    assert list(claims) == list(by_endpoint)
    assert (result["ExpiresIn"], result["TokenType"], claims["scope"]) == (3600, "Bearer", "orders/read")


def test_a_domain_that_is_deleted_leads_nowhere(pool: Pool) -> None:
    client = pool.client()
    host = f"{pool.domain}.auth.us-east-1.amazoncognito.com"

    pool.server.aws("cognito-idp").delete_user_pool_domain(Domain=pool.domain, UserPoolId=pool.pool_id)

    auth = (client["ClientId"], client["ClientSecret"])
    assert pool.server.http("POST", "/oauth2/token", host=host, data=GRANT, auth=auth).status_code == 404
    assert pool.server.token(client).status_code == 200
