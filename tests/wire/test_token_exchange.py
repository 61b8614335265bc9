"""A user's token becomes a narrower one for one service, by way of an actor or not (GetDerivedToken, RFC 8693)."""

from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.people import People, make_people, refused
from tests.server import Server, token_part

IMPERSONATION = "ALLOW_TOKEN_EXCHANGE_IMPERSONATION"
DELEGATION = "ALLOW_TOKEN_EXCHANGE_DELEGATION"
ADMIN = "aws.cognito.signin.user.admin"


@pytest.fixture
def shop(server: Server) -> People:
    """A pool with a resource server and a user."""
    people = make_people(server)
    people.idp.create_resource_server(
        UserPoolId=people.pool_id,
        Identifier="orders",
        Name="orders",
        Scopes=[{"ScopeName": "read", "ScopeDescription": "r"}],
    )
    people.user("ada")
    return people


def exchanger(shop: People, *flows: str, scopes: tuple[str, ...] = (ADMIN,)) -> dict[str, Any]:
    return shop.client(
        *(flows or (IMPERSONATION, DELEGATION)),
        GenerateSecret=True,
        AllowedOAuthScopes=list(scopes),
        AllowedOAuthFlows=["code"],
        AllowedOAuthFlowsUserPoolClient=True,
        CallbackURLs=["https://app.example/"],
    )


def derive(shop: People, client: dict[str, Any], token: str, **more: Any) -> dict[str, Any]:
    """Signed by nobody: the client's secret is what counts."""
    idp = shop.server.aws("cognito-idp", config=Config(signature_version=UNSIGNED))
    request = {
        "ClientId": client["ClientId"],
        "ClientSecret": client["ClientSecret"],
        "SubjectToken": token,
        "SubjectTokenType": "ACCESS_TOKEN",
        **more,
    }
    answer: dict[str, Any] = idp.get_derived_token(**request)
    return answer


def test_a_token_for_one_service(shop: People) -> None:
    tokens = shop.tokens(shop.client())
    client = exchanger(shop)

    derived = derive(shop, client, tokens["AccessToken"], Resources=["orders"])

    claims, given = token_part(derived["IssuedToken"], 1), token_part(tokens["AccessToken"], 1)
    assert (derived["IssuedTokenType"], derived["TokenType"], derived["Scopes"]) == ("ACCESS_TOKEN", "Bearer", [ADMIN])
    assert (claims["aud"], claims["client_id"], claims["sub"]) == ("orders", client["ClientId"], given["sub"])
    assert claims["origin_jti"] == given["origin_jti"]
    assert claims["exp"] <= given["exp"]
    assert "act" not in claims


def test_an_actor_is_told(shop: People) -> None:
    tokens, agent = shop.tokens(shop.client()), shop.user("agent")
    client = exchanger(shop)
    acting = shop.tokens(shop.client(), "agent")["AccessToken"]

    derived = derive(
        shop, client, tokens["AccessToken"], ActorToken=acting, ActorTokenType="ACCESS_TOKEN", Audiences=["ledger"]
    )

    claims = token_part(derived["IssuedToken"], 1)
    assert claims["act"]["sub"] == agent
    assert claims["sub"] != agent


def test_an_id_token_is_issued_when_it_is_asked_for(shop: People) -> None:
    tokens = shop.tokens(shop.client())

    derived = derive(
        shop, exchanger(shop), tokens["IdToken"], SubjectTokenType="ID_TOKEN", RequestedTokenType="ID_TOKEN"
    )

    claims = token_part(derived["IssuedToken"], 1)
    assert (claims["token_use"], claims["cognito:username"], derived["TokenType"]) == ("id", "ada", "N_A")


def test_nothing_is_said_that_the_token_does_not_say(shop: People) -> None:
    """The client may ask for `orders/read`; the user's token has it not."""
    tokens = shop.tokens(shop.client())
    client = exchanger(shop, scopes=(ADMIN, "orders/read"))

    derived = derive(shop, client, tokens["AccessToken"], Scopes=["orders/read", ADMIN])

    assert derived["Scopes"] == [ADMIN]
    assert token_part(derived["IssuedToken"], 1)["scope"] == ADMIN


def test_what_must_be_refused(shop: People, server: Server) -> None:
    tokens = shop.tokens(shop.client())
    client, other = exchanger(shop), make_people(server)
    other.user("ada")
    foreign = other.tokens(other.client())["AccessToken"]
    access = tokens["AccessToken"]

    with refused("InvalidParameterException", "Auth flow not enabled for this client"):
        derive(shop, exchanger(shop, DELEGATION), access)
    with refused("InvalidParameterException", "Auth flow not enabled for this client"):
        derive(shop, exchanger(shop, IMPERSONATION), access, ActorToken=access, ActorTokenType="ACCESS_TOKEN")
    with refused("NotAuthorizedException"):
        derive(shop, client, access, ClientSecret="x" * 52)
    for token in (foreign, access[:-4] + "AAAA", tokens["IdToken"]):
        with refused("NotAuthorizedException", "Invalid Subject Token"):
            derive(shop, client, token)
    with refused("ResourceNotFoundException", "Resource server ledger does not exist."):
        derive(shop, client, access, Resources=["ledger"])
    with refused("InvalidParameterException"):
        derive(shop, client, access, Resources=["orders"], Audiences=["orders"])
    with refused("ResourceNotFoundException"):
        derive(shop, client, access, SubjectTokenProviderName="Google")


def test_a_derived_token_is_taken_back_with_the_sign_in(shop: People) -> None:
    owner = shop.client()
    tokens = shop.tokens(owner)
    client = exchanger(shop)
    derived = derive(shop, client, tokens["AccessToken"])["IssuedToken"]
    assert shop.idp.get_user(AccessToken=derived)["Username"] == "ada"

    shop.idp.revoke_token(Token=tokens["RefreshToken"], ClientId=owner["ClientId"])

    with refused("NotAuthorizedException", "Access Token has been revoked"):
        shop.idp.get_user(AccessToken=derived)
    with refused("NotAuthorizedException", "Invalid Subject Token"):
        derive(shop, client, derived)
