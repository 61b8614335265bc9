"""JWT authorizers of REST APIs: issuers, algorithms, audiences, further claims, scopes; what a backend is told.

Source: reference, control plane, section 3.4; botocore, JwtConfiguration.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from scopegate.gateway.compile import plans
from tests.rooms.gateway.driver import Gateway, Pool, lambda_method
from tests.rooms.jose.test_curves import ec_token, jwk
from tests.server import Server, allow_gateway, make_function
from tests.wire.gateways import Answer, HttpApi, RestApi, Web, serving_web
from tests.wire.test_gateway_issuers import Issuer

POOL, OTHER = Pool("AAAAAAAAA"), Pool("BBBBBBBBB", kid="AAAAAAAAA-kid")
UNAUTHORIZED = (401, b'{"message":"Unauthorized"}', "UnauthorizedException")


def issuer_of(url: str, *audiences: str, **members: Any) -> dict[str, Any]:
    return {"issuer": url, "audiences": list(audiences or ("client1",)), **members}


def made(*issuers: dict[str, Any], scopes: tuple[str, ...] = (), algorithms: tuple[str, ...] = ("RS256",)) -> Gateway:
    gateway = Gateway(pools=[POOL, OTHER])
    authorizer = {
        "id": "jwt001",
        "name": "jwt",
        "type": "JWT",
        "identitySource": "method.request.header.X-Token",
        "jwtConfiguration": {"issuers": list(issuers), "defaultAlgorithms": list(algorithms)},
    }
    method = lambda_method(authorizationType="JWT", authorizerId="jwt001", authorizationScopes=list(scopes))
    gateway.put_rest({"/o": {"GET": method}}, authorizers=(authorizer,))
    return gateway


def status(gateway: Gateway, token: str) -> int:
    return gateway.call("GET", "/prod/o", {"X-Token": f"Bearer {token}"}).status


def test_a_token_of_any_listed_issuer_passes() -> None:
    gateway = made(issuer_of(POOL.issuer), issuer_of(OTHER.issuer))

    assert [status(gateway, pool.id_token()) for pool in (POOL, OTHER)] == [200, 200]


def test_j10_each_issuer_has_keys_and_audiences_of_its_own() -> None:
    """Attack J10: the same kid in both pools; a token of one is never taken for one of the other."""
    gateway = made(issuer_of(POOL.issuer, "client1"), issuer_of(OTHER.issuer, "another"))

    assert status(gateway, POOL.id_token()) == 200
    assert status(gateway, OTHER.id_token()) == 401
    assert status(gateway, OTHER.id_token(iss=POOL.issuer)) == 401
    assert status(made(issuer_of(OTHER.issuer)), POOL.id_token()) == 401


def test_a_plan_warns_of_no_issuers_audience_at_another() -> None:
    both = made(issuer_of(POOL.issuer, "client1"), issuer_of(OTHER.issuer, "nobody"))
    one = made(issuer_of(POOL.issuer, "client1", "nobody"))

    (of_both,), (of_one,) = (plans(gateway.view, gateway.find_pool) for gateway in (both, one))

    assert of_both.warnings == ()
    assert of_one.warnings == (f"audience nobody is no app client of {POOL.pool_id}",)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "nobody"},
        {"aud": ["nobody"]},
        {"aud": None, "client_id": "client1"},
        {"aud": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"iss": POOL.issuer + "/"},
        {"iss": [POOL.issuer]},
        {"iss": None},
    ],
    ids=str,
)
def test_a_token_that_says_another_thing_is_refused(changes: dict[str, Any]) -> None:
    """`aud` alone counts, as the model says; times are whole seconds; `iss` to the letter."""
    gateway = made(issuer_of(POOL.issuer))

    answer = gateway.call("GET", "/prod/o", {"X-Token": POOL.id_token(**changes)})

    assert (answer.status, answer.body, answer.header("x-amzn-ErrorType")) == UNAUTHORIZED
    assert gateway.record.decision == "DENY"


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Token": ""}, {"Authorization": POOL.id_token()}, [("X-Token", "a"), ("x-token", POOL.id_token())]],
)
def test_the_token_is_in_its_header_alone(headers: Any) -> None:
    answer = made(issuer_of(POOL.issuer)).call("GET", "/prod/o", headers)

    assert (answer.status, answer.body) == UNAUTHORIZED[:2]


def test_an_algorithm_that_is_not_listed_is_refused() -> None:
    gateway = made(issuer_of(POOL.issuer), algorithms=("RS384", "ES256"))

    assert status(gateway, POOL.id_token()) == 401
    assert gateway.record.reason == "the token's algorithm is none of the authorizer's"
    assert status(gateway, POOL.id_token()) == 401


def test_an_algorithm_of_no_name_closes_the_method() -> None:
    gateway = made(issuer_of(POOL.issuer), algorithms=("HS256",))

    assert status(gateway, POOL.id_token()) == 500
    assert gateway.view.api_by_id["api1234567"].stages["prod"].plans[0].closed == "algorithms HS256 are not known"


@pytest.mark.parametrize(
    ("rule", "value", "passes"),
    [
        ({"required": True}, "a", True),
        ({"required": True}, None, False),
        ({"required": False}, None, True),
        ({}, None, True),
        ({"expectedValues": ["a", "b"]}, "b", True),
        ({"expectedValues": ["a", "b"]}, "B", False),
        ({"expectedValues": ["a", "b"]}, None, True),
        ({"expectedValues": ["a", "b"], "required": True}, None, False),
        ({"required": True}, ["a"], False),
        ({"expectedValues": ["1"]}, 1, False),
        ({"required": True}, "", True),
    ],
)
def test_a_further_claim_is_one_text(rule: dict[str, Any], value: Any, passes: bool) -> None:
    claim = {"claimName": "tenant", "format": "SINGLE_STRING", **rule}
    gateway = made(issuer_of(POOL.issuer, additionalClaims=[claim]))

    assert status(gateway, POOL.id_token(tenant=value)) == (200 if passes else 401)


@pytest.mark.parametrize(
    ("claims", "passes"),
    [
        ({"scope": "orders/read"}, True),
        ({"scope": "x orders/read"}, True),
        ({"scp": ["orders/read"]}, True),
        ({"scp": "orders/read"}, True),
        ({"scope": "orders/readonly"}, False),
        ({"scope": "orders"}, False),
        ({}, False),
    ],
)
def test_a_method_with_scopes_wants_one_of_them(claims: dict[str, Any], passes: bool) -> None:
    """Attack G1."""
    gateway = made(issuer_of(POOL.issuer), scopes=("orders/read", "orders/admin"))

    assert status(gateway, POOL.id_token(**claims)) == (200 if passes else 401)


def test_a_token_of_a_deleted_app_client_is_refused() -> None:
    gateway = made(issuer_of(POOL.issuer, "client1", "client9"))

    assert status(gateway, POOL.id_token(aud="client9")) == 401


def test_claims_keep_their_types_in_events() -> None:
    gateway = made(issuer_of(POOL.issuer))

    gateway.call("GET", "/prod/o", {"X-Token": POOL.id_token(address={"city": "x"}, tenant=None)})

    told = gateway.invoked.event["requestContext"]["authorizer"]
    assert told.keys() == {"claims"}
    claims = told["claims"]
    assert (claims["auth_time"], claims["email_verified"]) == (1718636404, True)
    assert (claims["cognito:groups"], claims["address"]) == (["group-a", "group-b"], {"city": "x"})


# a real server, and issuers elsewhere


@pytest.fixture(scope="module")
def world() -> Iterator[Web]:
    with serving_web() as service:
        yield service


@pytest.fixture(scope="module")
def rest(server: Server, world: Web) -> RestApi:
    api = RestApi(server)
    arn = make_function(server, f"jwt-{api.id}")
    configuration = {
        "issuers": [issuer_of(Issuer(world, name).url, "app") for name in ("one", "two")],
        "defaultAlgorithms": ["RS256"],
    }
    authorizer = api.client.create_authorizer(
        restApiId=api.id,
        name="jwt",
        type="JWT",
        identitySource="method.request.header.Authorization",
        jwtConfiguration=configuration,
    )
    jwt = {"authorizationType": "JWT", "authorizerId": authorizer["id"]}
    api.function("GET", "/any", arn, **jwt)
    api.function("GET", "/read", arn, **jwt, authorizationScopes=["orders/read"])
    api.deploy()
    allow_gateway(server, f"jwt-{api.id}", api.id)
    return api


def ask(api: RestApi, token: str, path: str = "/any") -> Answer:
    return api.call("GET", path, {"Authorization": f"Bearer {token}"})


def test_keys_of_foreign_issuers_are_fetched(rest: RestApi, world: Web) -> None:
    one, two, three = (Issuer(world, name) for name in ("one", "two", "three"))

    answers = [ask(rest, issuer.token()) for issuer in (one, two, three)]

    assert [answer.status for answer in answers] == [200, 200, 401]
    assert answers[0].json["requestContext"]["authorizer"]["claims"]["iss"] == one.url
    assert three.fetched() == (0, 0)
    assert ask(rest, one.token(), "/read").status == 401
    assert ask(rest, one.token(scope="orders/read"), "/read").status == 200


def test_a_curves_signature_passes_where_it_is_listed(rest: RestApi, server: Server, world: Web) -> None:
    """HTTP APIs take RSA alone."""
    issuer = Issuer(world, "curves")
    issuer.answer(issuer.jwks, {"keys": [jwk("ES256"), jwk("ES384")]})
    now = int(time.time())
    payload = {"iss": issuer.url, "aud": "app", "exp": now + 600, "iat": now}
    listed, http = RestApi(server), HttpApi(server)
    authorizer = listed.client.create_authorizer(
        restApiId=listed.id,
        name="jwt",
        type="JWT",
        identitySource="method.request.header.Authorization",
        jwtConfiguration={"issuers": [issuer_of(issuer.url, "app")], "defaultAlgorithms": ["ES256"]},
    )
    listed.web("GET", "/any", world.url, authorizationType="JWT", authorizerId=authorizer["id"])
    listed.deploy()
    http.web("GET /any", world.url, **http.jwt(issuer.url, "app"))

    answers = [ask(listed, ec_token(alg, payload=payload).decode()).status for alg in ("ES256", "ES384")]
    refused = http.call("GET", "/any", {"Authorization": ec_token("ES256", payload=payload).decode()})

    assert answers == [200, 401]
    assert refused.status == 401
    assert 'error_description="signing method ES256 is invalid"' in (refused.header("www-authenticate") or "")


def test_g11_a_new_key_is_fetched_and_a_forged_one_is_not_believed(rest: RestApi, world: Web) -> None:
    one = Issuer(world, "one")
    assert ask(rest, one.token()).status == 200

    assert ask(rest, one.token(1, kid="key-0")).status == 401
    assert ask(rest, one.token(1)).status == 401


def test_g10_an_issuer_that_is_not_there_lets_nobody_in(server: Server, world: Web) -> None:
    gone = Issuer(world, "gone")
    del world.answers[gone.discovery]
    api = RestApi(server)
    configuration = {"issuers": [issuer_of(gone.url, "app")], "defaultAlgorithms": ["RS256"]}
    authorizer = api.client.create_authorizer(
        restApiId=api.id,
        name="jwt",
        type="JWT",
        identitySource="method.request.header.Authorization",
        jwtConfiguration=configuration,
    )
    api.method("GET", "/any", {"type": "MOCK"}, authorizationType="JWT", authorizerId=authorizer["id"])
    api.deploy()

    answer = ask(api, gone.token())

    assert (answer.status, answer.body) == UNAUTHORIZED[:2]


def test_an_authorizer_of_a_pool_here_names_its_keys(server: Server, pool: Any) -> None:
    api = RestApi(server)
    configuration = {"issuers": [issuer_of(pool.issuer, "app")], "defaultAlgorithms": ["RS256"]}

    made = api.client.create_authorizer(
        restApiId=api.id,
        name="jwt",
        type="JWT",
        identitySource="method.request.header.Authorization",
        jwtConfiguration=configuration,
    )

    assert made["jwtConfiguration"]["issuers"][0]["jwksUri"] == f"{pool.issuer}/.well-known/jwks.json"


def test_an_imported_document_may_bring_one(server: Server, world: Web) -> None:
    issuer = Issuer(world, "imported")
    configuration = {"issuers": [issuer_of(issuer.url, "app")], "defaultAlgorithms": ["RS256"]}
    authorizer = {
        "type": "jwt",
        "identitySource": "method.request.header.Authorization",
        "jwtConfiguration": configuration,
    }
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authorizer": authorizer}
    integration = {"type": "http_proxy", "httpMethod": "GET", "uri": world.url}
    operation = {"security": [{"jwt": ["orders/read"]}], "x-amazon-apigateway-integration": integration}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "imported", "version": "1"},
        "paths": {"/o": {"get": operation}},
        "components": {"securitySchemes": {"jwt": scheme}},
    }
    client = server.aws("apigateway")
    api = RestApi.__new__(RestApi)
    api.server, api.client = server, client
    api.id = client.import_rest_api(body=json.dumps(document).encode())["id"]
    api.deploy()

    statuses = [ask(api, token, "/o").status for token in (issuer.token(scope="orders/read"), issuer.token(), "x")]

    assert statuses == [200, 401, 401]
