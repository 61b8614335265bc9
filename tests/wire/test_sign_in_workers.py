"""Sign-ins on two workers, on both databases: of many that race one wins, and what is taken back is refused by all.

Attack rows O3, O5, G22, U3.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.operators import wait_until
from tests.pages import browser_of
from tests.people import PASSWORD, People, make_people
from tests.server import Server, start

RACERS = 16
CALLBACK = "https://app.example/callback"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two edges on each kind of database."""
    with ExitStack() as stack:
        arguments = ["serve", "--dev", "--workers", "2"]
        if request.param == "postgres":
            postgres = request.getfixturevalue("postgres")
            arguments += ["--database", stack.enter_context(postgres.database())]
        folder: Path = tmp_path_factory.mktemp("several")
        running = start(arguments, folder)
        yield running
        assert running.stop() == 0
        assert "Traceback" not in (folder / "server.log").read_text()


def web_client(people: People, **more: Any) -> dict[str, Any]:
    """A public client of pages, with codes and refresh tokens."""
    request = {
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email", "aws.cognito.signin.user.admin"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "CallbackURLs": [CALLBACK],
        "SupportedIdentityProviders": ["COGNITO"],
        **more,
    }
    return people.client(**request)


def new_code(people: People, client: dict[str, Any]) -> str:
    """A code that the pages gave for a password."""
    query = {"response_type": "code", "client_id": client["ClientId"], "redirect_uri": CALLBACK}
    page = browser_of(people.server).get(f"/{people.pool_id}/oauth2/authorize", query)
    return page.submit(username="ada", password=PASSWORD).query["code"]


def post_token(server: Server, **fields: str) -> requests.Response:
    """On a connection of its own, so that either worker may answer."""
    return server.http("POST", "/oauth2/token", data=fields)


def at_once(work: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(RACERS) as threads:
        racing = [threads.submit(work) for _ in range(RACERS)]
        return [each.result() for each in racing]


def test_of_many_redemptions_of_a_code_one_wins(several: Server) -> None:
    """And the others take back what it gave (RFC 6749 section 4.1.2)."""
    people = make_people(several)
    people.user("ada")
    client = web_client(people)
    code = new_code(people, client)
    fields = {"grant_type": "authorization_code", "client_id": client["ClientId"], "redirect_uri": CALLBACK}

    answers = at_once(lambda: post_token(several, code=code, **fields))

    won = [each for each in answers if each.status_code == 200]
    assert len(won) == 1
    assert {each.text for each in answers if each.status_code != 200} == {'{"error":"invalid_grant"}'}
    refresh = {"grant_type": "refresh_token", "client_id": client["ClientId"]}
    assert post_token(several, refresh_token=won[0].json()["refresh_token"], **refresh).status_code == 400


def test_of_many_renewals_of_a_rotating_token_one_token_comes(several: Server) -> None:
    """Within the grace period all get the one that took its place."""
    people = make_people(several)
    people.user("ada")
    client = web_client(
        people,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 60},
    )
    token = people.tokens(client)["RefreshToken"]
    fields = {"grant_type": "refresh_token", "client_id": client["ClientId"], "refresh_token": token}

    answers = at_once(lambda: post_token(several, **fields))

    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["refresh_token"] for each in answers}) == 1


def test_of_many_uses_of_a_token_that_works_once_one_wins_at_most(several: Server) -> None:
    people = make_people(several)
    people.user("ada")
    client = web_client(
        people,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
    )
    token = people.tokens(client)["RefreshToken"]
    fields = {"grant_type": "refresh_token", "client_id": client["ClientId"], "refresh_token": token}

    answers = at_once(lambda: post_token(several, **fields))

    assert len([each for each in answers if each.status_code == 200]) == 1
    assert len({each.text for each in answers if each.status_code == 400}) == 1


def test_of_many_answers_to_a_challenge_one_counts(several: Server) -> None:
    people = make_people(several)
    client = people.client()
    people.user("ada", permanent=False)
    asked = people.by_password(client)
    passwords = iter(f"Another-Horse-{number}" for number in range(RACERS))

    def answer() -> str:
        new = next(passwords)
        try:
            people.respond(client, asked, USERNAME="ada", NEW_PASSWORD=new)
        except people.idp.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return new

    results = at_once(answer)

    (won,) = [each for each in results if each.startswith("Another")]
    assert set(results) - {won} == {"NotAuthorizedException"}
    assert "AuthenticationResult" in people.by_password(client, password=won)


# Taken back


@pytest.fixture
def guarded(several: Server) -> tuple[People, str]:
    """A pool, and the path of a route that wants an ID token of it."""
    people = make_people(several)
    people.user("ada")
    arn = people.idp.describe_user_pool(UserPoolId=people.pool_id)["UserPool"]["Arn"]
    rest = several.aws("apigateway")
    api_id = rest.create_rest_api(name="guarded")["id"]
    root = rest.get_resources(restApiId=api_id)["items"][0]["id"]
    authorizer = rest.create_authorizer(
        restApiId=api_id,
        name="people",
        type="COGNITO_USER_POOLS",
        providerARNs=[arn],
        identitySource="method.request.header.Authorization",
    )["id"]
    where = {"restApiId": api_id, "resourceId": root, "httpMethod": "GET"}
    rest.put_method(**where, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)
    rest.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    rest.put_method_response(**where, statusCode="200")
    rest.put_integration_response(**where, statusCode="200")
    rest.create_deployment(restApiId=api_id, stageName="s")
    return people, f"/_aws/execute-api/{api_id}/s/"


def statuses(server: Server, path: str, token: str) -> set[int]:
    """Of many connections, which the workers share among them."""
    return {server.http("GET", path, headers={"Authorization": token}).status_code for _ in range(24)}


def revoke(people: People, client: dict[str, Any], tokens: dict[str, Any]) -> None:
    people.idp.revoke_token(Token=tokens["RefreshToken"], ClientId=client["ClientId"])


def sign_out(people: People, _client: dict[str, Any], tokens: dict[str, Any]) -> None:
    people.idp.global_sign_out(AccessToken=tokens["AccessToken"])


def revoke_at_host(people: People, client: dict[str, Any], tokens: dict[str, Any]) -> None:
    fields = {"token": tokens["RefreshToken"], "client_id": client["ClientId"]}
    answer = people.server.http("POST", f"/{people.pool_id}/oauth2/revoke", data=fields)
    assert (answer.status_code, answer.content) == (200, b"")


def disable(people: People, _client: dict[str, Any], _tokens: dict[str, Any]) -> None:
    people.idp.admin_disable_user(UserPoolId=people.pool_id, Username="ada")


def delete_user(people: People, _client: dict[str, Any], _tokens: dict[str, Any]) -> None:
    people.idp.admin_delete_user(UserPoolId=people.pool_id, Username="ada")


def delete_client(people: People, client: dict[str, Any], _tokens: dict[str, Any]) -> None:
    people.idp.delete_user_pool_client(UserPoolId=people.pool_id, ClientId=client["ClientId"])


@pytest.mark.parametrize("take_back", [revoke, revoke_at_host, sign_out, disable, delete_user, delete_client])
def test_what_is_taken_back_is_refused_by_every_worker(
    guarded: tuple[People, str], take_back: Callable[[People, dict[str, Any], dict[str, Any]], None]
) -> None:
    """Within a second, with the token remembered as a good one by both (attack G22)."""
    people, path = guarded
    client = people.client()
    tokens = people.tokens(client)
    assert statuses(people.server, path, tokens["IdToken"]) == {200}

    taken_back_at = time.monotonic()
    take_back(people, client, tokens)
    wait_until(lambda: statuses(people.server, path, tokens["IdToken"]) == {401}, seconds=5)

    # One look at all workers takes a while itself; what counts is that none of them was late by more than it.
    assert time.monotonic() - taken_back_at < 3


def test_amazons_way_is_one_setting(tmp_path: Path, unused_port: int) -> None:
    """API Gateway takes a token till it expires."""
    running = start(("serve", "--dev", "--aws-revocation"), tmp_path / "aws")
    try:
        people = make_people(running)
        people.user("ada")
        issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{people.pool_id}"
        client = people.client()
        v2 = running.aws("apigatewayv2")
        api_id = v2.create_api(Name="taken", ProtocolType="HTTP")["ApiId"]
        authorizer = v2.create_authorizer(
            ApiId=api_id,
            Name="people",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer, "Audience": [client["ClientId"]]},
        )["AuthorizerId"]
        target = v2.create_integration(
            ApiId=api_id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri=f"http://127.0.0.1:{unused_port}/",
            PayloadFormatVersion="1.0",
        )["IntegrationId"]
        route = {"AuthorizationType": "JWT", "AuthorizerId": authorizer, "Target": f"integrations/{target}"}
        v2.create_route(ApiId=api_id, RouteKey="GET /", **route)
        v2.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
        tokens = people.tokens(client)
        people.idp.global_sign_out(AccessToken=tokens["AccessToken"])

        answer = running.http("GET", f"/_aws/execute-api/{api_id}/", headers={"Authorization": tokens["AccessToken"]})

        assert answer.status_code == 503  # let through, to a web service that is not there
        with pytest.raises(people.idp.exceptions.ClientError):
            people.idp.get_user(AccessToken=tokens["AccessToken"])
        delete_client(people, client, tokens)
        again = running.http("GET", f"/_aws/execute-api/{api_id}/", headers={"Authorization": tokens["AccessToken"]})
        assert again.status_code == 503
    finally:
        assert running.stop() == 0
