"""COGNITO_USER_POOLS on REST methods: every row of the reference's decision table, cold and warm."""

import re
from typing import Any

import orjson
import pytest

from scopegate.base import clock
from scopegate.http.message import Response
from tests.rooms.gateway.driver import Gateway, Pool, cognito_authorizer, cognito_method, lambda_method

POOL = Pool("AAAAAAAAA")
OTHER = Pool("BBBBBBBBB")


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway(pools=[POOL, OTHER])
    gateway.put_rest(
        {
            "/orders": {"GET": cognito_method("orders/read", "orders/admin"), "POST": cognito_method("orders/write")},
            "/me": {"GET": cognito_method()},
            "/open": {"GET": lambda_method()},
        },
        authorizers=(cognito_authorizer(POOL),),
    )
    return gateway


def refused(gateway: Gateway, token: str | None, path: str = "/prod/orders", method: str = "GET") -> dict[str, Any]:
    """The refusal's body; its status, type and headers are those of every refusal by a user pool authorizer."""
    headers = {} if token is None else {"Authorization": token}
    started = gateway.start(method, path, headers)
    assert isinstance(started, Response)  # no refusal of a known pool has to be waited for
    answer = gateway.call(method, path, headers)
    assert answer.status == 401
    assert answer.header("x-amzn-ErrorType") == "UnauthorizedException"
    assert answer.header("Content-Type") == "application/json"
    assert gateway.record.decision == "DENY"
    assert not gateway.invoked.invocations
    return orjson.loads(answer.body)  # type: ignore[no-any-return]


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}"])
def test_an_access_token_with_one_of_the_scopes_passes_bare_or_as_bearer(gateway: Gateway, form: str) -> None:
    answer = gateway.call("GET", "/prod/orders", {"Authorization": form.format(POOL.access_token())})

    assert answer.status == 200
    assert gateway.record.decision == "ALLOW"
    assert gateway.record.reason == "the token has one of the scopes orders/read orders/admin"


def test_any_one_of_the_methods_scopes_is_enough(gateway: Gateway) -> None:
    answer = gateway.call("GET", "/prod/orders", {"Authorization": POOL.access_token("x/y orders/admin")})

    assert answer.status == 200
    assert gateway.record.held == ("x/y", "orders/admin")
    assert gateway.record.wanted == ("orders/read", "orders/admin")


def test_an_id_token_passes_where_the_method_has_no_scopes(gateway: Gateway) -> None:
    assert gateway.call("GET", "/prod/me", {"Authorization": POOL.id_token()}).status == 200


@pytest.mark.parametrize(
    ("token", "path", "reason"),
    [
        (None, "/prod/orders", "no token in header Authorization"),
        ("", "/prod/orders", "no token in header Authorization"),
        ("x.y", "/prod/orders", "the token is not three segments"),
        ("Bearer", "/prod/orders", "the token is not three segments"),
        ("Basic {access}", "/prod/orders", "the token is malformed"),
        ("Bearer  {access}", "/prod/orders", "the token is malformed"),
        ("Bearer {access} ", "/prod/orders", "the token is malformed"),
        ("a.b.c", "/prod/orders", "the token is malformed"),
        ("{access}", "/prod/me", "the method wants an ID token, token_use is 'access'"),
        ("{id}", "/prod/orders", "the method wants an access token, token_use is 'id'"),
        ("{scopeless}", "/prod/orders", "the token has none of the method's scopes"),
        ("{lookalike}", "/prod/orders", "the token has none of the method's scopes"),
        ("{other}", "/prod/orders", "the token's issuer is no user pool of the authorizer"),
        ("{future}", "/prod/orders", "the token is not valid yet"),
        ("{timeless}", "/prod/orders", "a time claim is absent or no integer"),
        ("{stranger}", "/prod/orders", "the token's app client does not exist any more"),
        ("{refresh}", "/prod/orders", "the method wants an access token, token_use is 'refresh'"),
    ],
)
def test_every_other_token_is_unauthorized(gateway: Gateway, token: str | None, path: str, reason: str) -> None:
    now = int(clock.now())
    tokens = {
        "access": POOL.access_token(),
        "id": POOL.id_token(),
        "scopeless": POOL.access_token(None),
        "lookalike": POOL.access_token("orders/readonly"),
        "other": OTHER.access_token(),
        "future": POOL.access_token(nbf=now + 100),
        "timeless": POOL.access_token(exp=None),
        "stranger": POOL.access_token(client_id="gone"),
        "refresh": POOL.access_token(token_use="refresh"),
    }
    filled = None if token is None else token.format(**tokens)

    cold, warm = refused(gateway, filled, path), refused(gateway, filled, path)

    assert cold == warm == {"message": "Unauthorized"}
    assert gateway.record.reason == reason


def test_an_expired_token_has_a_text_of_its_own_also_when_its_signature_is_remembered(gateway: Gateway) -> None:
    token = POOL.access_token(exp=int(clock.now()) - 1)

    assert refused(gateway, token) == {"message": "The incoming token has expired"}
    assert refused(gateway, token) == {"message": "The incoming token has expired"}


def test_an_expired_token_of_another_pool_is_only_unauthorized(gateway: Gateway) -> None:
    assert refused(gateway, OTHER.access_token(exp=1)) == {"message": "Unauthorized"}


def test_a_refusal_is_byte_for_byte_that_of_aws(gateway: Gateway) -> None:
    """Reference, a real 401 of 2026-07; the listener adds Date, Content-Length and Connection."""
    answer = gateway.call("GET", "/prod/orders")

    assert answer.body == b'{"message":"Unauthorized"}'
    assert answer.names == ["Content-Type", "x-amzn-RequestId", "x-amzn-ErrorType", "x-amz-apigw-id"]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", answer.all("x-amzn-RequestId")[0]
    )
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", answer.all("x-amz-apigw-id")[0])


def test_one_of_several_pools_is_enough(gateway: Gateway) -> None:
    gateway.put_rest({"/o": {"GET": cognito_method("orders/read")}}, authorizers=(cognito_authorizer(OTHER, POOL),))

    for pool in (POOL, OTHER):
        assert gateway.call("GET", "/prod/o", {"Authorization": pool.access_token()}).status == 200


def test_a_deleted_pool_is_a_configuration_error(gateway: Gateway) -> None:
    """Row 13."""
    token = POOL.access_token()
    assert gateway.call("GET", "/prod/orders", {"Authorization": token}).status == 200
    gateway.pools.clear()

    answer = gateway.call("GET", "/prod/orders", {"Authorization": token})

    assert (answer.status, answer.body) == (500, b'{"message":null}')
    assert answer.header("x-amzn-ErrorType") == "AuthorizerConfigurationException"


def test_a_deleted_authorizer_is_a_configuration_error() -> None:
    """Row 14."""
    gateway = Gateway(pools=[POOL])
    gateway.put_rest({"/orders": {"GET": cognito_method("orders/read")}})

    answer = gateway.call("GET", "/prod/orders", {"Authorization": POOL.access_token()})

    assert (answer.status, answer.body) == (500, b'{"message":null}')
    assert gateway.record.reason == "the route is closed: authorizer auth01 does not exist"


def test_a_deleted_app_client_is_refused_though_its_token_is_remembered(gateway: Gateway) -> None:
    pool = Pool("CCCCCCCCC", clients=("client1",))
    gateway.pools.append(pool)
    gateway.put_rest({"/o": {"GET": cognito_method("orders/read")}}, authorizers=(cognito_authorizer(pool),))
    token = pool.access_token()
    assert gateway.call("GET", "/prod/o", {"Authorization": token}).status == 200
    gateway.invoked.invocations.clear()
    pool.clients.clear()

    assert refused(gateway, token, "/prod/o") == {"message": "Unauthorized"}


def test_another_identity_source_is_the_only_one(gateway: Gateway) -> None:
    authorizer = cognito_authorizer(POOL, identitySource="method.request.header.X-Token")
    gateway.put_rest({"/o": {"GET": cognito_method("orders/read")}}, authorizers=(authorizer,))
    token = POOL.access_token()

    assert gateway.call("GET", "/prod/o", {"x-token": token}).status == 200
    assert gateway.call("GET", "/prod/o", {"Authorization": token}).status == 401


def test_an_identity_validation_expression_is_matched_against_the_whole_audience(gateway: Gateway) -> None:
    """Row 8: access tokens have no `aud` and are always refused then."""
    for expression, status in (("client[12]", 200), ("client", 401), (".*1", 200)):
        authorizer = cognito_authorizer(POOL, identityValidationExpression=expression)
        gateway.put_rest(
            {"/me": {"GET": cognito_method()}, "/o": {"GET": cognito_method("orders/read")}}, authorizers=(authorizer,)
        )
        assert gateway.call("GET", "/prod/me", {"Authorization": POOL.id_token()}).status == status
        assert gateway.call("GET", "/prod/o", {"Authorization": POOL.access_token()}).status == 401


def test_claims_reach_the_function_as_text_in_the_style_of_java(gateway: Gateway) -> None:
    token = POOL.id_token(
        exp=4_102_444_800,
        iat=1_718_636_404,
        identities=[{"userId": "1", "primary": True}],
        address={"formatted": "here"},
        nothing=None,
        **{"custom:n": 2.5},
    )

    gateway.call("GET", "/prod/me", {"Authorization": token})

    claims = gateway.invoked.event["requestContext"]["authorizer"]
    assert claims == {
        "claims": {
            "sub": "d2f50444-0041-7036-aea2-a955fca33d37",
            "aud": "client1",
            "cognito:groups": "group-a,group-b",
            "email_verified": "true",
            "iss": POOL.issuer,
            "cognito:username": "ada",
            "token_use": "id",
            "auth_time": "1718636404",
            "exp": "Fri Jan 01 00:00:00 UTC 2100",
            "iat": "Mon Jun 17 15:00:04 UTC 2024",
            "identities": '{"userId":"1","primary":true}',
            "address": '{"formatted":"here"}',
            "custom:n": "2.5",
        }
    }


def test_without_authorizer_a_token_passes_unread_and_no_authorizer_is_shown(gateway: Gateway) -> None:
    answer = gateway.call("GET", "/prod/open", {"authorization": "whatever"})

    assert answer.status == 200
    assert "authorizer" not in gateway.invoked.event["requestContext"]
    assert gateway.invoked.event["headers"]["Authorization"] == "whatever"
    assert gateway.record.decision == "ALLOW"


def test_the_record_shows_the_steps_and_no_token(gateway: Gateway) -> None:
    token = POOL.access_token()
    gateway.call("GET", "/prod/orders", {"Authorization": token})

    record = gateway.record.as_dict()
    assert [step["step"] for step in record["steps"]] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert (record["clientId"], record["jti"]) == ("client1", "13727aba-89e6-4896-bd9e-8cbc0f478f9c")
    assert token not in orjson.dumps(record).decode()
    assert token.split(".")[2] not in orjson.dumps(record).decode()


def test_the_record_of_a_foreign_issuer_shows_expected_beside_got(gateway: Gateway) -> None:
    gateway.call("GET", "/prod/orders", {"Authorization": OTHER.access_token()})

    assert gateway.record.facts["issuer_got"] == OTHER.issuer
    assert gateway.record.facts["issuers_expected"] == [POOL.issuer]
