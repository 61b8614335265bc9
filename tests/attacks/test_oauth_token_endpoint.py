"""Attack rows O6 (machine part), O11, O13, O14, O15, O18, O20, O24 and H7 at the token endpoint."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.base.limits import limit
from scopegate.userpools import queries
from tests.rooms.userpools.driver import CLIENT, FORM, MACHINE, SECRET, Answer, World, basic

POOL = "us-east-1_AbCdEf123"


@pytest.fixture
def world() -> World:
    made = World()
    made.client(made.pool())
    return made


def refused(answer: Answer, code: str, status: int = 400) -> None:
    assert answer.error == (status, {"error": code})


# O6: a flow that is switched off, reached through another parameter


@pytest.mark.parametrize(
    "extra",
    [
        {"response_type": "token"},
        {"response_mode": "form_post.jwt"},
        {"flow": "client_credentials"},
        {"code": "x", "redirect_uri": "https://a.example"},
        {"refresh_token": "x"},
    ],
)
@pytest.mark.parametrize("document", [{**MACHINE, "AllowedOAuthFlowsUserPoolClient": False}, {"ClientName": "bare"}])
def test_o6_a_flow_that_is_off_stays_off(document: dict[str, Any], extra: dict[str, str]) -> None:
    world = World()
    world.client(world.pool(), CLIENT, **document)

    refused(world.post_token(extra), "invalid_grant")


def test_o6_a_flow_that_is_switched_off_is_off_for_the_next_request(world: World) -> None:
    assert world.post_token().status == 200

    queries.put_client(world.tx, POOL, CLIENT, {**MACHINE, "AllowedOAuthFlowsUserPoolClient": False})
    world.catch_up()

    refused(world.post_token(), "invalid_grant")


# O11: scopes


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param("orders/delete", id="unknown"),
        pytest.param("orders/read orders/delete", id="one-of-two-unknown"),
        pytest.param("orders/read\norders/write", id="newline"),
        pytest.param("orders/read\torders/write", id="tab"),
        pytest.param("orders/read\0", id="nul"),
        pytest.param("orders/read,orders/write", id="comma"),
        pytest.param(" orders/read", id="leading-blank"),
        pytest.param("orders/read ", id="trailing-blank"),
        pytest.param("orders/read  orders/write", id="two-blanks"),
        pytest.param("orders/read\u00a0orders/write", id="no-break-space"),
        pytest.param("ORDERS/READ", id="case"),
        pytest.param("orders/rea", id="prefix"),
        pytest.param("orders/readonly", id="longer"),
        pytest.param("xorders/read", id="suffix"),
        pytest.param("orders", id="identifier-alone"),
        pytest.param("orders/", id="no-name"),
        pytest.param("orders/*", id="wildcard"),
        pytest.param("*", id="all"),
        pytest.param("ord\u0435rs/read", id="cyrillic"),
        pytest.param("orders\uff0fread", id="fullwidth-slash"),
        pytest.param("orders/read\u200b", id="zero-width"),
        pytest.param('orders/"read"', id="quotes"),
        pytest.param("orders\\read", id="backslash"),
        pytest.param("openid", id="openid"),
        pytest.param("aws.cognito.signin.user.admin", id="user-admin"),
        pytest.param(" ".join(f"orders/s{n}" for n in range(5_000)), id="5000-scopes"),
    ],
)
def test_o11_a_scope_that_is_not_the_client_s_is_refused(world: World, scope: str) -> None:
    refused(world.post_token({"scope": scope}), "invalid_scope")


_WORLD = World()
_WORLD.client(_WORLD.pool(), CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["orders/none"]})


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_o11_no_text_whatever_gives_more_than_the_client_has(scope: str) -> None:
    refused(_WORLD.post_token({"scope": scope}), "invalid_scope")


# O13: client authentication


def basic_of(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


GOOD = f"{CLIENT}:{SECRET}".encode()


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(basic_of(CLIENT.encode() + b":"), id="empty-secret"),
        pytest.param(basic_of(CLIENT.encode()), id="no-colon"),
        pytest.param(basic_of(b":" + SECRET.encode()), id="empty-id"),
        pytest.param(basic_of(GOOD + b" "), id="blank-after"),
        pytest.param(basic_of(GOOD + b"\0"), id="nul-after"),
        pytest.param(basic_of(GOOD + b"\n"), id="newline-after"),
        pytest.param(basic_of(b" " + GOOD), id="blank-before"),
        pytest.param(basic_of(GOOD[:-1]), id="secret-shorter"),
        pytest.param(basic_of(GOOD + b"x"), id="secret-longer"),
        pytest.param(basic_of(GOOD.upper()), id="case"),
        pytest.param(basic_of(GOOD.replace(b"3", b"%33")), id="percent-encoded"),
        pytest.param(basic_of(b"\xff" + GOOD), id="not-ascii"),
        pytest.param(b"Basic", id="nothing"),
        pytest.param(b"Basic ", id="nothing-after-the-scheme"),
        pytest.param(b"", id="empty"),
        pytest.param(b"Basic " + GOOD, id="not-encoded"),
        pytest.param(b"Basic  " + base64.b64encode(GOOD), id="two-blanks"),
        pytest.param(b"Basic\t" + base64.b64encode(GOOD), id="tab"),
        pytest.param(b"Basic " + base64.b64encode(GOOD).rstrip(b"=") + b"!", id="foreign-character"),
        pytest.param(b"Basic " + base64.b64encode(GOOD + b"?>").replace(b"+", b"-"), id="url-alphabet"),
        pytest.param(b"Basic " + base64.b64encode(GOOD) + b", Basic " + base64.b64encode(GOOD), id="joined"),
        pytest.param(b"Bearer " + base64.b64encode(GOOD), id="bearer"),
        pytest.param(b"Digest " + base64.b64encode(GOOD), id="digest"),
        pytest.param(basic_of(b"a" * 200 + b":" + SECRET.encode()), id="long-id"),
        pytest.param(basic_of(CLIENT.encode() + b":" + b"s" * 50_000), id="long-secret"),
    ],
)
def test_o13_credentials_that_are_not_exactly_the_client_s_are_refused(world: World, header: bytes) -> None:
    body = b"grant_type=client_credentials"

    refused(world.send(body, (b"Content-Type", FORM), (b"Authorization", header)), "invalid_client")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"client_id": CLIENT, "client_secret": SECRET}, id="both-good"),
        pytest.param({"client_secret": SECRET}, id="secret-again"),
        pytest.param({"client_secret": ""}, id="empty-secret-again"),
        pytest.param({"client_id": "another"}, id="another-id"),
        pytest.param({"client_id": ""}, id="empty-id"),
    ],
)
def test_o13_two_methods_or_two_clients_at_once_are_refused(world: World, fields: dict[str, str]) -> None:
    refused(world.post_token(fields), "invalid_client")


def test_o13_two_authorization_headers_are_refused(world: World) -> None:
    auth = (b"Authorization", basic(CLIENT, SECRET))

    refused(world.send(b"grant_type=client_credentials", (b"Content-Type", FORM), auth, auth), "invalid_client")


@pytest.mark.parametrize("query", ["client_secret=" + SECRET, f"client_id={CLIENT}&client_secret={SECRET}"])
@pytest.mark.parametrize("auth", [None, b""])
def test_o13_a_secret_in_the_query_is_refused(world: World, query: str, auth: bytes | None) -> None:
    target = f"/oauth2/token?{query}".encode()

    refused(world.post_token({"client_id": CLIENT}, auth=auth, target=target, path="/oauth2/token"), "invalid_client")
    assert SECRET not in json.dumps(world.record.as_dict())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"client_id": CLIENT}, id="no-secret"),
        pytest.param({"client_id": CLIENT, "client_secret": ""}, id="empty-secret"),
        pytest.param({"client_id": CLIENT, "client_secret": "wrong" * 10}, id="wrong-secret"),
        pytest.param({"client_id": CLIENT, "client_secret": SECRET + "\0"}, id="nul"),
        pytest.param({"client_id": CLIENT + "\0", "client_secret": SECRET}, id="nul-in-id"),
        pytest.param({"client_id": CLIENT.upper(), "client_secret": SECRET}, id="case"),
        pytest.param({"client_id": "nobody", "client_secret": SECRET}, id="unknown"),
        pytest.param({"client_secret": SECRET}, id="no-id"),
        pytest.param({"client_id": "é", "client_secret": "é"}, id="not-ascii"),
        pytest.param(
            {"client_id": CLIENT, "client_assertion": "a.b.c", "client_assertion_type": "urn:x"}, id="assertion"
        ),
    ],
)
def test_o13_bad_credentials_in_the_body_are_refused(world: World, fields: dict[str, str]) -> None:
    refused(world.post_token(fields, auth=b""), "invalid_client")


@pytest.mark.parametrize("secret", ["", "x" * 50])
def test_o13_a_public_client_with_a_secret_is_refused(secret: str) -> None:
    world = World()
    world.public_client(world.pool(), CLIENT)

    refused(world.post_token(auth=basic(CLIENT, secret)), "invalid_client")
    refused(world.post_token({"client_id": CLIENT, "client_secret": secret}, auth=b""), "invalid_client")


def test_o13_plus_and_percent_in_a_secret_are_taken_as_they_are() -> None:
    """A secret of one's own may hold a plus sign: in Basic it is that, in a form it is escaped as the form demands."""
    world = World()
    secret = "with+plus" + "x" * 20
    world.client(world.pool(), CLIENT, secret)

    assert world.post_token(auth=basic(CLIENT, secret)).status == 200
    assert world.post_token({"client_id": CLIENT, "client_secret": secret}, auth=b"").status == 200
    refused(world.post_token(auth=basic(CLIENT, secret.replace("+", "%2B"))), "invalid_client")
    refused(world.post_token(auth=basic(CLIENT, secret.replace("+", " "))), "invalid_client")


# O14: the whole secret, and nowhere in clear


@pytest.mark.parametrize("position", [0, 25, 62, 63])
def test_o14_every_character_of_a_secret_counts(position: int) -> None:
    world = World()
    secret = "a" * 64
    world.client(world.pool(), CLIENT, secret)

    assert world.post_token(auth=basic(CLIENT, secret)).status == 200
    refused(world.post_token(auth=basic(CLIENT, secret[:position] + "b" + secret[position + 1 :])), "invalid_client")


def test_o14_no_secret_and_no_token_is_left_in_records_or_errors(world: World) -> None:
    answers = [
        world.post_token(),
        world.post_token({"scope": "orders/none"}),
        world.post_token({"client_id": SECRET}),
        world.post_token({"client_id": CLIENT, "client_secret": SECRET, "grant_type": SECRET}, auth=b""),
        world.post_token({"scope": "x"}, auth=basic(SECRET, CLIENT)),
        world.post_token({"client_id": CLIENT, "client_secret": SECRET + "x"}, auth=b""),
    ]

    token = answers[0].json["access_token"]
    records = json.dumps([record.as_dict() for record in world.edge.ring.newest(10)])
    assert len(list(world.edge.ring.newest(10))) == 6
    for text in (SECRET, token, base64.b64encode(GOOD).decode(), token.rpartition(".")[2]):
        assert text not in records
        assert all(text.encode() not in answer.body for answer in answers[1:])


# O15: guessing


def test_o15_guessing_is_throttled_per_client_and_address_and_only_after_failures() -> None:
    world = World(development=False)
    world.client(world.pool(), CLIENT)
    world.client(POOL, "otherclient")
    most = limit("userpools.failed_authentications")

    for _ in range(3 * most):
        assert world.post_token().status == 200
    for _ in range(most):
        refused(world.post_token(auth=basic(CLIENT, "wrong" * 10)), "invalid_client")

    assert world.post_token(auth=basic(CLIENT, "wrong" * 10)).status == 429
    assert world.post_token().status == 429  # or the right guess would tell itself apart
    assert world.post_token(peer="192.0.2.7").status == 200
    assert world.post_token(auth=basic("otherclient", SECRET)).status == 200


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True, id="one_ipv6_network"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:3::1", False, id="two_ipv6_networks"),
        pytest.param("fe80::1%eth0", "fe80::2%eth0", True, id="one_link"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", True, id="ipv4_written_as_ipv6"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", False, id="two_ipv4_written_as_ipv6"),
        pytest.param("192.0.2.1", "192.0.2.2", False, id="two_ipv4"),
        pytest.param("192.0.2.1:80", "192.0.2.1:80", True, id="no_address"),
    ],
)
def test_o15_who_has_a_whole_ipv6_network_guesses_no_more_often(first: str, second: str, same: bool) -> None:
    """One machine has 2⁶⁴ addresses of IPv6 to itself."""
    world = World(development=False)
    world.client(world.pool(), CLIENT)
    for _ in range(limit("userpools.failed_authentications")):
        refused(world.post_token(auth=basic(CLIENT, "wrong" * 10), peer=first), "invalid_client")

    assert world.post_token(peer=second).status == (429 if same else 200)


def test_o15_the_throttle_opens_again_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("scopegate.base.clock.monotonic", lambda: now[0])
    world = World(development=False)
    world.client(world.pool(), CLIENT)
    for _ in range(limit("userpools.failed_authentications")):
        world.post_token(auth=basic(CLIENT, "wrong" * 10))
    assert world.post_token().status == 429

    now[0] += limit("userpools.failed_authentication_s")

    assert world.post_token().status == 200


def test_o15_development_mode_does_not_throttle(world: World) -> None:
    for _ in range(2 * limit("userpools.failed_authentications")):
        refused(world.post_token(auth=basic(CLIENT, "wrong" * 10)), "invalid_client")

    assert world.post_token().status == 200


# O18: the Host header


@pytest.mark.parametrize(
    "header", [b"Host", b"X-Forwarded-Host", b"Forwarded", b"X-Forwarded-Proto", b"X-Original-Host"]
)
def test_o18_no_header_gets_into_a_token(world: World, header: bytes) -> None:
    auth = (b"Authorization", basic(CLIENT, SECRET))
    poison = (header, b"evil.example")

    answer = world.send(b"grant_type=client_credentials", (b"Content-Type", FORM), auth, poison)

    claims = world.claims(answer)
    assert claims["iss"] == f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
    assert "evil" not in json.dumps(claims)


# O20: parameters that come twice, or elsewhere


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=orders%2Fread&scope=orders%2Fwrite",
        b"grant_type=client_credentials&scope=orders%2Fread&%73cope=orders%2Fread",
        b"grant_type=client_credentials&a=1&a=2",
        b"grant_type=client_credentials&client_id=a&client_id=b",
        b"grant_type=client_credentials&scope=%",
        b"grant_type=client_credentials&scope=%zz",
        b"grant_type=client_credentials&scope=%ff",
        b"grant_type=client_credentials&scope=\xff",
        b"grant_type=client_credentials&%ff=1",
        b"grant_type=client_credentials&" + b"&".join(b"f%d=1" % n for n in range(10_000)),
        b'{"grant_type":"client_credentials"}',
    ],
)
def test_o20_a_form_that_has_two_readings_is_refused(world: World, body: bytes) -> None:
    refused(world.post_token(body), "invalid_request")


def test_o20_json_is_refused(world: World) -> None:
    body = json.dumps({"grant_type": "client_credentials"}).encode()

    refused(world.post_token(body, content_type=b"application/json"), "invalid_request")


@pytest.mark.parametrize(
    "query",
    ["grant_type=client_credentials", "scope=orders%2Fread", f"client_id={CLIENT}", "%67rant_type=x", "a=1&a=2", "%zz"],
)
def test_o20_parameters_in_the_query_are_refused(world: World, query: str) -> None:
    answer = world.post_token(target=f"/oauth2/token?{query}".encode(), path="/oauth2/token")

    refused(answer, "invalid_request")


def test_o20_a_query_without_parameters_of_ours_does_no_harm(world: World) -> None:
    assert world.post_token(target=b"/oauth2/token?trace=1", path="/oauth2/token").status == 200


def test_o20_get_is_refused_with_the_method_that_works(world: World) -> None:
    query = b"?grant_type=client_credentials"
    answer = world.send(
        b"",
        (b"Authorization", basic(CLIENT, SECRET)),
        method="GET",
        target=b"/oauth2/token" + query,
        path="/oauth2/token",
    )

    refused(answer, "invalid_request", 405)
    assert answer.header("Allow") == "POST"


# O24: another pool


def test_o24_a_client_of_one_pool_is_nobody_at_another(world: World) -> None:
    other = world.pool("us-east-1_Other1234")
    world.client(other, "otherclient")
    here, there = world.view.pool_by_id[POOL], world.view.pool_by_id[other]

    assert world.post_token(pool=here).status == 200
    refused(world.post_token(pool=there), "invalid_client")
    refused(world.post_token(auth=basic("otherclient", SECRET), pool=here), "invalid_client")


def test_o24_scopes_of_another_pool_s_resource_server_are_not_granted(world: World) -> None:
    other = world.pool("us-east-1_Other1234", scopes=[])
    world.client(other, "otherclient")

    refused(world.post_token(auth=basic("otherclient", SECRET)), "invalid_scope")


def test_o24_a_key_of_one_pool_verifies_nothing_of_another(world: World) -> None:
    world.pool("us-east-1_Other1234")

    other = world.view.pool_by_id["us-east-1_Other1234"]
    assert set(other.keys).isdisjoint(world.view.pool_by_id[POOL].keys)


# H7: cheap refusals first


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": CLIENT, "client_secret": "wrong" * 10},
        {"client_id": CLIENT, "client_secret": "x" * 60_000},
        {"client_id": "nobody" * 10_000, "client_secret": SECRET},
        {"client_id": CLIENT, "scope": "a " * 30_000},
    ],
    ids=["wrong", "60-kB-secret", "60-kB-id", "60-kB-scope"],
)
def test_h7_a_refusal_costs_less_than_a_token(world: World, fields: dict[str, str]) -> None:
    def cost_s(**request: Any) -> float:
        started = time.process_time()
        for _ in range(30):
            world.post_token(**request)
        return time.process_time() - started

    issued = cost_s()

    assert cost_s(fields=fields, auth=b"") < max(issued, 0.05)
