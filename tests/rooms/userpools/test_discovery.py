"""JWKS and discovery.

Source: reference, "JWKS and discovery"; design, "Two issuer worlds".
"""

import json

import pytest

from tests.rooms.userpools.driver import World

POOL = "us-east-1_AbCdEf123"
AMAZON = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"


def test_the_document_has_cognito_s_members_in_cognito_s_order(world: World) -> None:
    here = f"http://localhost:4566/{POOL}"

    answer = world.document(POOL, "openid-configuration")

    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    assert list(answer.json.items()) == [
        ("authorization_endpoint", f"{here}/oauth2/authorize"),
        ("end_session_endpoint", f"{here}/logout"),
        ("id_token_signing_alg_values_supported", ["RS256"]),
        ("issuer", AMAZON),
        ("jwks_uri", f"{AMAZON}/.well-known/jwks.json"),
        ("response_types_supported", ["code", "token"]),
        ("revocation_endpoint", f"{here}/oauth2/revoke"),
        ("scopes_supported", ["openid", "email", "phone", "profile"]),
        ("subject_types_supported", ["public"]),
        ("token_endpoint", f"{here}/oauth2/token"),
        ("token_endpoint_auth_methods_supported", ["client_secret_basic", "client_secret_post"]),
        ("userinfo_endpoint", f"{here}/oauth2/userInfo"),
    ]


def test_with_an_issuer_url_all_of_it_is_reachable_as_written() -> None:
    world = World(issuer_url="http://scopegate:4566")
    document = world.document(world.pool(), "openid-configuration").json

    assert document["issuer"] == f"http://scopegate:4566/{POOL}"
    urls = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert all(url.startswith(f"http://scopegate:4566/{POOL}/") for url in urls)


def test_with_both_urls_machines_follow_the_issuer_and_browsers_the_public_one() -> None:
    """A container network knows one name, the browser outside another."""
    world = World(issuer_url="http://scopegate:4566", public_url="http://localhost:8080")
    document = world.document(world.pool(), "openid-configuration").json

    assert document["token_endpoint"] == f"http://scopegate:4566/{POOL}/oauth2/token"
    assert document["jwks_uri"] == f"http://scopegate:4566/{POOL}/.well-known/jwks.json"
    assert document["authorization_endpoint"] == f"http://localhost:8080/{POOL}/oauth2/authorize"
    assert document["end_session_endpoint"] == f"http://localhost:8080/{POOL}/logout"


def test_the_key_document_has_two_keys_and_may_be_cached_for_a_day(world: World) -> None:
    answer = world.document(POOL, "jwks.json")

    pool = world.view.pool_by_id[POOL]
    assert [entry["kid"] for entry in answer.json["keys"]] == [pool.id_key.kid, pool.access_key.kid]
    assert answer.header("Cache-Control") == "public, max-age=86400"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize("name", ["jwks.json", "openid-configuration"])
def test_an_unknown_pool_is_named(world: World, name: str) -> None:
    answer = world.document("us-east-1_Nobody123", name)

    assert answer.error == (400, {"message": "User pool us-east-1_Nobody123 does not exist."})


@pytest.mark.parametrize("name", ["jwks.json", "openid-configuration"])
def test_head_is_get_and_other_methods_are_refused(world: World, name: str) -> None:
    assert world.document(POOL, name, "HEAD").status == 200
    refused = world.document(POOL, name, "POST")
    assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")


def test_a_preflight_is_answered(world: World) -> None:
    answer = world.document(POOL, "jwks.json", "OPTIONS", (b"Origin", b"https://app.example"))

    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (200, "*")


@pytest.mark.parametrize(
    "header", [b"Host", b"X-Forwarded-Host", b"Forwarded", b"X-Forwarded-Proto", b"X-Original-Host", b"X-Host"]
)
def test_o18_no_header_gets_into_a_document(world: World, header: bytes) -> None:
    """Attack O18: issuer and links come from configuration only."""
    plain = world.document(POOL, "openid-configuration").body

    poisoned = world.document(POOL, "openid-configuration", "GET", (header, b"evil.example")).body

    assert poisoned == plain
    assert "evil" not in json.dumps(world.document(POOL, "jwks.json", "GET", (header, b"evil.example")).json)
