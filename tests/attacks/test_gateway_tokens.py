"""Attack rows J10 to J12, O24, G1, G2, G8, G10 and G22 through both token authorizers.

Every refusal is asked for twice: by a gateway that has seen nothing, and by one that holds a good token.
"""

from collections.abc import Callable
from typing import Any

import pytest

from scopegate.base import clock
from tests.rooms.gateway.driver import (
    Answer,
    Gateway,
    Pool,
    cognito_authorizer,
    cognito_method,
    jwt_authorizer,
    jwt_route,
    lambda_integration,
)

POOL = Pool("AAAAAAAAA")
NEIGHBOUR = Pool("BBBBBBBBB", kid=POOL.kid)  # another pool, another key, the same kid


def rest(**authorizer: Any) -> Gateway:
    gateway = Gateway(pools=[POOL, NEIGHBOUR])
    gateway.put_rest(
        {"/r": {"GET": cognito_method("orders/read")}, "/w": {"GET": cognito_method("orders/write")}},
        authorizers=(cognito_authorizer(POOL, **authorizer),),
        stage={"stageName": "s"},
    )
    return gateway


def http(**authorizer: Any) -> Gateway:
    gateway = Gateway(pools=[POOL, NEIGHBOUR])
    gateway.put_http(
        {"GET /r": jwt_route("orders/read"), "GET /w": jwt_route("orders/write")},
        {"fn": lambda_integration()},
        authorizers=(jwt_authorizer(POOL.issuer, "client1", **authorizer),),
        stages=({"StageName": "s"},),
    )
    return gateway


Make = Callable[..., Gateway]
BOTH = pytest.mark.parametrize("make", [rest, http])


def ask(gateway: Gateway, token: str, path: str = "/s/r") -> Answer:
    return gateway.call("GET", path, {"Authorization": token})


def refusals(make: Make, token: str, path: str = "/s/r") -> set[tuple[int, bytes]]:
    """The refusal's status and body from a cold and a warm gateway; nothing behind the gateway is reached."""
    cold, warm = make(), make()
    assert ask(warm, POOL.access_token()).status == 200
    warm.invoked.invocations.clear()
    answers = [ask(cold, token, path), ask(cold, token, path), ask(warm, token, path)]
    assert not cold.invoked.invocations
    assert not warm.invoked.invocations
    assert cold.record.decision == warm.record.decision == "DENY"
    return {(answer.status, answer.body) for answer in answers}


UNAUTHORIZED = {(401, b'{"message":"Unauthorized"}')}


@BOTH
@pytest.mark.parametrize(
    "issuer",
    [
        POOL.issuer + "/",
        POOL.issuer + ".evil.example",
        "x" + POOL.issuer,
        POOL.issuer[:-1],
        POOL.issuer.upper(),
        f"https://evil.example/?{POOL.issuer}",
        [POOL.issuer],
        {"iss": POOL.issuer},
        NEIGHBOUR.issuer,
        "",
        7,
    ],
)
def test_j10_an_issuer_that_is_only_like_ours_is_refused(make: Make, issuer: Any) -> None:
    assert refusals(make, POOL.access_token(iss=issuer)) == UNAUTHORIZED


@BOTH
def test_j10_a_key_belongs_to_its_issuer_whatever_the_kid(make: Make) -> None:
    assert refusals(make, NEIGHBOUR.access_token()) == UNAUTHORIZED
    assert refusals(make, NEIGHBOUR.access_token(iss=POOL.issuer)) == UNAUTHORIZED


@pytest.mark.parametrize("use", ["id", "refresh", "", None, ["access"], "Access"])
def test_j11_rest_methods_with_scopes_take_access_tokens_only(use: Any) -> None:
    assert refusals(rest, POOL.access_token(token_use=use)) == UNAUTHORIZED


def test_j11_an_id_token_with_a_scope_claim_is_still_no_access_token() -> None:
    assert refusals(rest, POOL.id_token(scope="orders/read", client_id="client1")) == UNAUTHORIZED


def test_j11_rest_methods_without_scopes_take_id_tokens_only() -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest({"/r": {"GET": cognito_method()}}, authorizers=(cognito_authorizer(POOL),))

    assert ask(gateway, POOL.id_token(), "/prod/r").status == 200
    assert ask(gateway, POOL.access_token(), "/prod/r").status == 401


@BOTH
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "4102444800"},
        {"exp": 4102444800.5},
        {"exp": 4102444800.0},
        {"exp": 1e300},
        {"exp": -1},
        {"exp": 4102444800000},
        {"exp": True},
        {"exp": [4102444800]},
        {"exp": 0},
        {"nbf": 4102444800},
        {"nbf": "0"},
        {"iat": 4102444800},
        {"iat": -1},
    ],
    ids=str,
)
def test_j12_times_are_whole_seconds_for_now(make: Make, claims: dict[str, Any]) -> None:
    got = refusals(make, POOL.access_token(**claims))

    assert got <= {*UNAUTHORIZED, (401, b'{"message":"The incoming token has expired"}')}


@BOTH
def test_j12_expiry_is_decided_on_every_call(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = make()
    token = POOL.access_token(exp=int(clock.now()) + 60)
    assert ask(gateway, token).status == 200

    turned = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: turned)

    assert ask(gateway, token).status == 401


@BOTH
def test_o24_another_pools_token_and_client_open_nothing(make: Make) -> None:
    assert refusals(make, NEIGHBOUR.access_token()) == UNAUTHORIZED
    assert refusals(make, NEIGHBOUR.id_token()) == UNAUTHORIZED
    assert refusals(make, POOL.access_token(client_id="client-of-neighbour")) == UNAUTHORIZED


LOOKALIKES = [
    "orders/readonly",
    "xorders/read",
    "orders/read.x",
    "orders/rea",
    "orders/.*",
    "orders/*",
    ".*",
    "ORDERS/READ",
    "orders/read\u200b",
    "orders/read,orders/read",
    "orders/read\torders/read",
    "orders/read\norders/read",
    "",
]


@pytest.mark.parametrize("scope", LOOKALIKES)
def test_g1_a_scope_is_a_whole_word(scope: str) -> None:
    token = POOL.access_token(scope)

    assert refusals(rest, token) == UNAUTHORIZED
    assert refusals(http, token) == {(403, b'{"message":"Forbidden"}')}


@BOTH
def test_g2_a_decision_for_one_route_says_nothing_about_another(make: Make) -> None:
    gateway = make()
    token = POOL.access_token("orders/read")

    assert ask(gateway, token, "/s/r").status == 200
    assert ask(gateway, token, "/s/w").status in (401, 403)
    assert ask(gateway, token, "/s/r").status == 200


@BOTH
def test_g2_a_signature_dies_with_its_key(make: Make) -> None:
    gateway = make()
    pool = Pool("KEYROTATE")
    gateway.pools[0] = pool
    token = pool.access_token()
    authorizer = cognito_authorizer(pool) if make is rest else jwt_authorizer(pool.issuer, "client1")
    if make is rest:
        gateway.put_rest({"/r": {"GET": cognito_method("orders/read")}}, authorizers=(authorizer,))
    else:
        gateway.put_http(
            {"GET /r": jwt_route("orders/read")}, authorizers=(authorizer,), stages=({"StageName": "prod"},)
        )
    assert ask(gateway, token, "/prod/r").status == 200

    pool.keys = {"another": next(iter(pool.keys.values()))}

    assert ask(gateway, token, "/prod/r").status == 401


@BOTH
@pytest.mark.parametrize("second", ["Authorization", "authorization", "AUTHORIZATION"])
def test_g8_a_repeated_authorization_is_refused_whatever_its_order(make: Make, second: str) -> None:
    good = POOL.access_token()
    gateway = make()

    for values in ((good, "x"), ("x", good), (good, good)):
        headers = [("Authorization", values[0]), (second, values[1])]
        assert gateway.call("GET", "/s/r", headers).status == 401
    assert not gateway.invoked.invocations


@BOTH
@pytest.mark.parametrize(
    "form", ["{0},{0}", "Bearer {0}, Bearer {0}", "Basic x, Bearer {0}", "{0} {0}", "Bearer {0};x"]
)
def test_g8_a_joined_authorization_is_refused(make: Make, form: str) -> None:
    assert refusals(make, form.format(POOL.access_token())) == UNAUTHORIZED


@BOTH
def test_g10_without_its_pool_an_authorizer_stays_closed(make: Make) -> None:
    gateway = make()
    token = POOL.access_token()
    assert ask(gateway, token).status == 200
    gateway.invoked.invocations.clear()

    gateway.pools.clear()

    assert ask(gateway, token).status in (401, 500)
    assert not gateway.invoked.invocations


@BOTH
def test_g22_a_deleted_app_client_is_refused_at_once(make: Make) -> None:
    gateway = make()
    pool = Pool("AAAAAAAAA")
    gateway.pools[0] = pool
    token = POOL.access_token()
    assert ask(gateway, token).status == 200

    pool.clients.clear()

    assert ask(gateway, token).status == 401


@BOTH
def test_g22_a_deleted_route_is_gone(make: Make) -> None:
    gateway = make()
    token = POOL.access_token()
    assert ask(gateway, token).status == 200

    if make is rest:
        gateway.put_rest({"/other": {"GET": cognito_method("x")}}, stage={"stageName": "s"})
    else:
        gateway.put_http({"GET /other": {}}, stages=({"StageName": "s"},))

    assert ask(gateway, token).status in (403, 404)
