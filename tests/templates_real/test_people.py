"""What templates of other people say of those who sign in: their users' tokens, at their APIs.

Sources: tests/templates/httpapi-jwt-sam, httpapi-jwt-quick-create, httpapi-oauth2-scopes-nested, rest-openapi-body,
rest-four-authorizers.
"""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.node import bin_directory
from tests.pages import browser_of
from tests.people import PASSWORD, People, make_people
from tests.server import Server, token_part
from tests.templates_real.conftest import TEMPLATES, Deployed

EMAIL = "ada@example.com"


def people_of(api: Deployed) -> People:
    return People(api.server, api.pool_ids[0])


def client_of(people: People) -> dict[str, Any]:
    """The one app client of the template."""
    (found,) = people.idp.list_user_pool_clients(UserPoolId=people.pool_id)["UserPoolClients"]
    return {"ClientId": found["ClientId"]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# httpapi-jwt-sam


@pytest.fixture
def sam(real: Callable[..., Deployed]) -> tuple[Deployed, People]:
    api = real("httpapi-jwt-sam")
    people = people_of(api)
    people.user(EMAIL, email=EMAIL, email_verified="true", name="Ada")
    return api, people


def test_both_tokens_of_the_client_reach_the_function_with_their_claims(sam: tuple[Deployed, People]) -> None:
    api, people = sam
    client = client_of(people)
    tokens = people.tokens(client, EMAIL)

    identity = api.call("GET", "/secure", headers=bearer(tokens["IdToken"]))
    access = api.call("GET", "/secure", headers=bearer(tokens["AccessToken"]))
    bare = api.call("GET", "/secure", headers={"Authorization": tokens["IdToken"]})

    assert [answer.status_code for answer in (identity, access, bare)] == [200, 200, 200]
    assert identity.headers["content-type"] == "application/json"
    assert identity.json()["claims"]["aud"] == client["ClientId"]
    assert access.json()["claims"]["token_use"] == "access"
    # Claims reach a function as text, whatever they are in the token.
    assert identity.json()["claims"]["email_verified"] == "true"


def test_no_other_token_of_a_user_reaches_the_function(sam: tuple[Deployed, People]) -> None:
    """Of another client, of another pool, and one whose signature is taken off."""
    api, people = sam
    _, claims, _ = people.tokens(client_of(people), EMAIL)["IdToken"].split(".")
    other_client = people.tokens(people.client(), EMAIL)["IdToken"]
    elsewhere = make_people(api.server)
    elsewhere.user("ada")
    other_pool = elsewhere.tokens(elsewhere.client())["IdToken"]
    unsigned = f"eyJhbGciOiJub25lIn0.{claims}."

    calls = (("GET", "/secure", bearer(token)) for token in (other_client, other_pool, unsigned))
    assert api.statuses(*calls) == [401, 401, 401]


def test_an_expired_token_of_a_user_is_refused(start_server: Callable[..., Server]) -> None:
    """On a server of its own, whose clock is turned."""
    server = start_server("serve", "--dev", environment={"PATH": f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"})
    api = Deployed(server, "expiring", TEMPLATES / "httpapi-jwt-sam" / "template.yaml", set())
    api.deploy()
    people = people_of(api)
    people.user(EMAIL, email=EMAIL, email_verified="true", name="Ada")
    headers = bearer(people.tokens(client_of(people), EMAIL)["IdToken"])
    assert api.call("GET", "/secure", headers=headers).status_code == 200

    server.turn_clock(3_700)

    assert api.call("GET", "/secure", headers=headers).status_code == 401


def test_the_one_who_signs_up_by_the_api_gets_in(sam: tuple[Deployed, People]) -> None:
    """As the template's own users do: SignUp, the code, a password."""
    api, people = sam
    client, email = client_of(people), "grace@example.com"
    people.idp.sign_up(
        ClientId=client["ClientId"],
        Username=email,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "name", "Value": "Grace"}],
    )
    people.idp.confirm_sign_up(ClientId=client["ClientId"], Username=email, ConfirmationCode=people.code(email))

    token = people.tokens(client, email)["IdToken"]

    assert api.call("GET", "/secure", headers=bearer(token)).status_code == 200


# httpapi-jwt-quick-create


def test_the_token_of_the_pages_opens_every_path_by_the_query_only(real: Callable[..., Deployed]) -> None:
    """SignupURL as the template prints it: implicit, at the domain that is made of two ids."""
    api = real("httpapi-jwt-quick-create")
    people = people_of(api)
    people.user("ada", email=EMAIL, email_verified="true", name="Ada")
    signup = urlsplit(api.outputs["SignupURL"])
    browser = browser_of(api.server, host=signup.hostname)
    page = browser.get(f"{signup.path}?{signup.query.replace('email+profile', 'openid+email+profile')}")

    token = page.submit(username="ada", password=PASSWORD).fragment["access_token"]

    for method, path in (("GET", "/"), ("PUT", "/x/y")):
        answer = api.call(method, f"{path}?access_token={token}")
        assert (answer.status_code, answer.json()) == (200, "Hello from the $default route!")
    assert api.call("GET", "/", headers={"Authorization": token}).status_code == 401


# httpapi-oauth2-scopes-nested


def test_a_scope_of_a_user_decides(real: Callable[..., Deployed]) -> None:
    """A code with `email` gets in; a token of InitiateAuth, and an ID token, have no such scope."""
    api = real("httpapi-oauth2-scopes-nested")
    people = people_of(api)
    sub = people.user(EMAIL, email=EMAIL, email_verified="true")
    client_id = api.outputs["ClientId"]
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": "https://myapp.com",
        "scope": "openid email",
    }
    page = browser_of(api.server, host=urlsplit(api.outputs["AuthUrl"]).hostname).get("/oauth2/authorize", query)
    code = page.submit(username=EMAIL, password=PASSWORD).query["code"]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://myapp.com"}
    tokens = api.server.http("POST", "/oauth2/token", data={**fields, "client_id": client_id}).json()

    inside = api.call("GET", "/", headers=bearer(tokens["access_token"]))
    by_id_token = api.call("GET", "/", headers=bearer(tokens["id_token"]))
    by_srp = people.by_srp({"ClientId": client_id}, EMAIL)["AuthenticationResult"]["AccessToken"]
    without_scope = api.call("GET", "/", headers=bearer(by_srp))

    assert inside.status_code == 200, inside.text
    event = inside.json()
    assert event["version"] == "2.0"
    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == sub
    for refused in (by_id_token, without_scope):
        assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})
        assert "insufficient_scope" in refused.headers["www-authenticate"]


# rest-openapi-body, rest-four-authorizers


def test_a_method_without_scopes_wants_an_id_token(real: Callable[..., Deployed]) -> None:
    api = real("rest-openapi-body")
    people = people_of(api)
    people.user("ada")
    tokens = people.tokens(people.client())

    assert api.statuses(
        ("GET", "/Prod/lambda-request-override-cognito", {"Authorization": tokens["IdToken"]}),
        ("GET", "/Prod/lambda-request-override-cognito", {"Authorization": tokens["AccessToken"]}),
    ) == [200, 401]


def test_a_validation_expression_that_no_audience_matches_takes_no_token(real: Callable[..., Deployed]) -> None:
    api = real("rest-four-authorizers")
    people = people_of(api)
    people.user("ada")
    tokens = people.tokens(people.client())
    assert token_part(tokens["IdToken"], 1)["token_use"] == "id"

    calls = (("GET", "/Prod/cognito", {"MyAuthorizationHeader": tokens[name]}) for name in ("IdToken", "AccessToken"))
    assert api.statuses(*calls) == [401, 401]
