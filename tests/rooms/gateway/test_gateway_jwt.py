"""JWT authorizers of HTTP APIs: every row of the reference's table, with its `www-authenticate`."""

import asyncio
from typing import Any

import orjson
import pytest

from scopegate.base import clock
from scopegate.http.message import Response
from scopegate.jose.keys import render_jwks
from scopegate.jose.remote import IssuerKeys
from tests.rooms.gateway.driver import Answer, Gateway, Pool, jwt_authorizer, jwt_route

POOL = Pool("AAAAAAAAA")
OTHER = Pool("BBBBBBBBB")
FOREIGN = Pool("FFFFFFFFF")
FOREIGN.issuer = "https://idp.example.com/realm"


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway(pools=[POOL, OTHER])
    gateway.put_http(
        {"GET /orders": jwt_route("orders/read", "orders/admin"), "GET /any": jwt_route(), "GET /open": {}},
        authorizers=(jwt_authorizer(POOL.issuer, "client1", "client2"),),
    )
    return gateway


def call(gateway: Gateway, token: str | None, path: str = "/orders") -> Answer:
    headers = {} if token is None else {"Authorization": token}
    return gateway.call("GET", path, headers)


def challenge(description: str, error: str = "invalid_token", scope: str = "orders/read orders/admin") -> str:
    return f'Bearer scope="{scope}" error="{error}" error_description="{description}"'


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "BEARER {}"])
@pytest.mark.parametrize("scope", ["orders/read", "x orders/admin"])
def test_an_access_token_passes_by_client_id_and_scope(gateway: Gateway, form: str, scope: str) -> None:
    assert call(gateway, form.format(POOL.access_token(scope))).status == 200
    assert gateway.record.decision == "ALLOW"


@pytest.mark.parametrize(
    ("token", "description"),
    [
        ("x.y", "token contains an invalid number of segments"),
        ("{unsigned}", "token signature is invalid"),
        ("{other}", "issuer does not match"),
        ("{audience}", "the token does not have a valid audience"),
        ("{client}", "the token does not have a valid audience"),
        ("{nobody}", "the token does not have a valid audience"),
        ("{expired}", "the token has expired"),
        ("{nbf}", "token is not valid yet"),
        ("{iat}", "token used before issued"),
        ("{kid}", "signing key not found"),
        ("{hs256}", "signing method HS256 is invalid"),
        ("{none}", "signing method none is invalid"),
    ],
)
def test_an_invalid_token_is_401_with_its_description(gateway: Gateway, token: str, description: str) -> None:
    now = int(clock.now())
    good = POOL.access_token()
    head, payload, signature = good.split(".")
    renamed = Pool("AAAAAAAAA", kid="unknown")
    tokens = {
        "unsigned": f"{head}.{payload}.{'A' * len(signature)}",
        "other": OTHER.access_token(),
        "audience": POOL.access_token(aud="other", client_id="client1"),
        "client": POOL.access_token(client_id="client3"),
        "nobody": POOL.access_token(client_id=None),
        "expired": POOL.access_token(exp=now - 1),
        "nbf": POOL.access_token(nbf=now + 100),
        "iat": POOL.access_token(iat=now + 100),
        "kid": renamed.access_token(),
        "hs256": f"eyJhbGciOiJIUzI1NiIsImtpZCI6IkFBQUFBQUFBQS1raWQifQ.{payload}.{signature}",
        "none": f"eyJhbGciOiJub25lIiwia2lkIjoiQUFBQUFBQUFBLWtpZCJ9.{payload}.",
    }
    assert call(gateway, good).status == 200

    for _ in range(2):
        answer = call(gateway, token.format(**tokens))

        assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
        assert answer.names == ["Content-Type", "Www-Authenticate", "Apigw-Requestid"]
        assert answer.header("www-authenticate") == challenge(description)
        assert gateway.record.decision == "DENY"


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_has_the_bare_challenge(gateway: Gateway, token: str | None) -> None:
    answer = call(gateway, token)

    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert answer.header("www-authenticate") == "Bearer"


def test_a_token_without_the_scope_is_forbidden(gateway: Gateway) -> None:
    answer = call(gateway, POOL.access_token("orders/readonly xorders/read orders/read.x"))

    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert answer.header("www-authenticate") == challenge(
        "expected scopes: [orders/read orders/admin]", "insufficient_scope"
    )
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-amzn-errortype") is None


def test_a_route_without_scopes_names_none_in_its_challenge(gateway: Gateway) -> None:
    answer = call(gateway, "x.y", "/any")

    assert answer.header("www-authenticate") == challenge("token contains an invalid number of segments", scope="")


def test_both_kinds_of_token_pass_where_audience_fits(gateway: Gateway) -> None:
    """`token_use` is not looked at; an ID token fails only where scopes are asked for."""
    assert call(gateway, POOL.id_token(), "/any").status == 200
    assert call(gateway, POOL.id_token(aud=["x", "client2"], client_id="client1"), "/any").status == 200
    assert call(gateway, POOL.id_token()).status == 403


@pytest.mark.parametrize(
    ("claims", "held"),
    [
        ({"scope": "orders/read b"}, ["orders/read", "b"]),
        ({"scope": ["b", "orders/read"]}, ["b", "orders/read"]),
        ({"scope": None, "scp": "orders/read"}, ["orders/read"]),
        ({"scope": None, "scp": ["orders/read", "c"]}, ["orders/read", "c"]),
        ({"scope": "b", "scp": ["orders/read"]}, ["orders/read", "b"]),
    ],
)
def test_scopes_are_read_from_scope_or_scp_and_all_of_them_are_shown(
    gateway: Gateway, claims: dict[str, Any], held: list[str]
) -> None:
    assert call(gateway, POOL.access_token(**{"scope": None, **claims})).status == 200
    assert gateway.invoked.event["requestContext"]["authorizer"]["jwt"]["scopes"] == held


def test_claims_reach_the_function_as_text_in_the_style_of_go_sorted(gateway: Gateway) -> None:
    token = POOL.access_token(
        exp=4_102_444_800, groups=["admin", "power"], flag=True, deep={"k": {"b": 1}}, half=1.5, null=None
    )

    call(gateway, token, "/any")

    authorizer = gateway.invoked.event["requestContext"]["authorizer"]
    claims = authorizer["jwt"]["claims"]
    assert list(claims) == sorted(claims)
    assert {name: claims[name] for name in ("exp", "groups", "flag", "deep", "half", "version")} == {
        "exp": "4102444800",
        "groups": "[admin power]",
        "flag": "true",
        "deep": "map[k:map[b:1]]",
        "half": "1.5",
        "version": "2",
    }
    assert authorizer["jwt"]["scopes"] is None


def test_the_issuer_is_compared_exactly(gateway: Gateway) -> None:
    gateway.put_http({"GET /orders": jwt_route()}, authorizers=(jwt_authorizer(POOL.issuer + "/", "client1"),))

    answer = call(gateway, POOL.access_token())

    assert answer.header("www-authenticate") == challenge("issuer does not match", scope="")


def test_the_token_may_stand_in_the_query(gateway: Gateway) -> None:
    authorizer = jwt_authorizer(POOL.issuer, "client1", IdentitySource=["$request.querystring.t"])
    gateway.put_http({"GET /orders": jwt_route("orders/read")}, authorizers=(authorizer,))
    token = POOL.access_token()

    assert gateway.call("GET", f"/orders?t={token}").status == 200
    assert gateway.call("GET", f"/orders?T={token}").status == 401
    assert gateway.call("GET", "/orders", {"Authorization": token}).status == 401
    assert gateway.call("GET", f"/orders?t={token}&t={token}").status == 401


class Issuer:
    """A foreign issuer's documents, as `fetch` gets them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.fetched: list[str] = []
        self.down: set[str] = set()

    async def __call__(self, url: str) -> bytes:
        self.fetched.append(url)
        if url in self.down:
            raise ConnectionError("down")
        jwks_uri = "https://idp.example.com/keys"
        if url == f"{self.pool.issuer}/.well-known/openid-configuration":
            return orjson.dumps({"issuer": self.pool.issuer, "jwks_uri": jwks_uri})
        assert url == jwks_uri
        return render_jwks(list(self.pool.keys.values()))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(FOREIGN)


@pytest.fixture
def foreign(issuer: Issuer) -> Gateway:
    gateway = Gateway(pools=[POOL], issuer_keys=IssuerKeys(issuer))
    gateway.put_http(
        {"GET /orders": jwt_route("orders/read")}, authorizers=(jwt_authorizer(FOREIGN.issuer, "client1"),)
    )
    return gateway


async def _calls(gateway: Gateway, *tokens: str) -> list[Answer]:
    return [await gateway.call_async("GET", "/orders", {"Authorization": token}) for token in tokens]


def run(gateway: Gateway, *tokens: str) -> list[Answer]:
    return asyncio.run(_calls(gateway, *tokens))


def test_a_foreign_issuers_keys_are_fetched_once(foreign: Gateway, issuer: Issuer) -> None:
    answers = run(foreign, FOREIGN.access_token(), FOREIGN.access_token("b"), FOREIGN.access_token())

    assert [answer.status for answer in answers] == [200, 403, 200]
    assert len(issuer.fetched) == 2


def test_nothing_is_fetched_for_a_token_that_cannot_be_the_issuers(foreign: Gateway, issuer: Issuer) -> None:
    for token, description in (
        ("x.y", "token contains an invalid number of segments"),
        (POOL.access_token(), "issuer does not match"),
    ):
        started = foreign.start("GET", "/orders", {"Authorization": token})
        assert isinstance(started, Response)
        assert challenge(description, scope="orders/read").encode() in dict(started.headers)[b"Www-Authenticate"]
    assert not issuer.fetched


@pytest.mark.parametrize(
    ("down", "description"),
    [
        ("realm/.well-known/openid-configuration", "OIDC discovery endpoint communication error"),
        ("keys", "JWKS communication error"),
    ],
)
def test_an_issuer_that_cannot_be_reached_closes_the_route(
    foreign: Gateway, issuer: Issuer, down: str, description: str
) -> None:
    """Attack G10."""
    issuer.down.add(f"https://idp.example.com/{down}")

    (answer,) = run(foreign, FOREIGN.access_token())

    assert (answer.status, answer.header("www-authenticate")) == (401, challenge(description, scope="orders/read"))


def test_without_a_way_out_a_foreign_token_is_refused() -> None:
    gateway = Gateway()
    gateway.put_http({"GET /orders": jwt_route()}, authorizers=(jwt_authorizer(FOREIGN.issuer, "client1"),))

    answer = call(gateway, FOREIGN.access_token())

    assert answer.header("www-authenticate") == challenge("OIDC discovery endpoint communication error", scope="")
