"""Rows → view: what is in it, and what a change touches."""

import pytest
from sqlalchemy import event, update

from scopegate.base import clock
from scopegate.store.port import Change
from scopegate.store.tables import user_pool_keys
from scopegate.userpools import queries
from scopegate.userpools.compile import compile_all, compile_changed
from tests.rooms.userpools.driver import ACCOUNT, CLIENT, MACHINE, REGION, SECRET, World, basic

POOL = "us-east-1_AbCdEf123"
ORIGINAL = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
UPDATED = f"https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}"


def test_a_view_made_step_by_step_equals_one_made_at_once(world: World) -> None:
    at_once = compile_all(world.tx, world.context)

    assert at_once.pool_by_name == world.view.pool_by_name
    assert {client.client_id for client in at_once.client_by_id} == {
        client.client_id for client in world.view.client_by_id
    }
    assert at_once.pool_by_id[POOL].jwks == world.view.pool_by_id[POOL].jwks
    assert at_once.pool_by_id[POOL].scopes == {"orders/read", "orders/write"}


def test_a_changed_client_reads_that_client_only(world: World) -> None:
    """With 100,000 clients a change costs one client's rows."""
    for number in range(50):
        world.client(POOL, f"client{number}")
    before = world.view
    statements: list[str] = []
    event.listen(world.tx.sql, "before_cursor_execute", lambda *args: statements.append(args[2]))

    world.view = compile_changed(world.tx, before, [Change(1, "user_pool_client", "client7")], world.context)

    assert len(statements) == 2
    assert world.view.pool_by_id is before.pool_by_id
    assert world.view.client_by_id.get("client8") is before.client_by_id.get("client8")
    assert world.view.client_by_id.get("client7") is not before.client_by_id.get("client7")


def test_an_old_view_stays_as_it_was(world: World) -> None:
    before = world.view

    queries.delete_client(world.tx, POOL, CLIENT)
    world.client(POOL, "newclient")

    assert before.client_by_id.get(CLIENT) is not None
    assert before.client_by_id.get("newclient") is None
    assert world.view.client_by_id.get(CLIENT) is None
    assert (len(before.client_by_id), len(world.view.client_by_id)) == (1, 1)


def test_keys_stay_the_same_objects_over_changes(world: World) -> None:
    """Or every token that was remembered would be verified anew after each change."""
    before = world.view.pool_by_id[POOL]

    world.resource_server(POOL, "orders", ["read"])

    after = world.view.pool_by_id[POOL]
    assert after is not before
    assert all(after.keys[kid] is key for kid, key in before.keys.items())
    assert after.access_key is before.access_key


def test_the_newest_key_signs_and_the_older_stays_published(world: World) -> None:
    old = world.view.pool_by_id[POOL].access_key.kid

    new = world.key(POOL, "access", created_at=2.0)
    world.catch_up()

    pool = world.view.pool_by_id[POOL]
    assert pool.access_key.kid == new
    assert {old, new, pool.id_key.kid} == set(pool.keys)


def test_a_retired_key_is_published_until_its_last_token_is_dead(world: World) -> None:
    """Attack J15."""
    old = world.view.pool_by_id[POOL].access_key.kid
    token = world.post_token()
    world.key(POOL, "access", created_at=2.0)

    def retire(at: float) -> None:
        where = user_pool_keys.c.kid == old
        world.tx.sql.execute(update(user_pool_keys).where(where).values(retired_at=at))
        world.tx.changed("user_pool", POOL)
        world.catch_up()

    retire(clock.now() - 86_390)
    assert world.claims(token)["client_id"] == CLIENT

    retire(clock.now() - 86_410)
    assert old not in world.view.pool_by_id[POOL].keys
    assert old.encode() not in world.view.pool_by_id[POOL].jwks


def test_a_pool_without_keys_is_closed(world: World) -> None:
    queries.put_pool(world.tx, ACCOUNT, REGION, "us-east-1_Keyless12", {"Id": "us-east-1_Keyless12"})
    world.client("us-east-1_Keyless12", "keyless")

    assert "us-east-1_Keyless12" not in world.view.pool_by_id
    assert world.post_token(auth=basic("keyless", SECRET)).error == (400, {"error": "invalid_client"})


def test_a_deleted_pool_is_gone_with_its_clients(world: World) -> None:
    queries.delete_pool(world.tx, POOL)
    world.catch_up()

    assert world.view.find_pool(ORIGINAL) is None
    assert POOL not in world.view.pool_by_id
    assert len(world.view.client_by_id) == 0


# Issuers


@pytest.mark.parametrize(
    ("settings", "document", "issuer"),
    [
        pytest.param({}, {}, ORIGINAL, id="original"),
        pytest.param({}, {"IssuerConfiguration": {"Type": "UPDATED"}}, UPDATED, id="updated"),
        pytest.param({"issuer_url": "http://auth.test:4566/"}, {}, f"http://auth.test:4566/{POOL}", id="issuer-url"),
    ],
)
def test_the_issuer_is_amazon_s_or_the_operator_s(
    settings: dict[str, str], document: dict[str, object], issuer: str
) -> None:
    world = World(**settings)
    world.client(world.pool(**document))

    assert world.claims(world.post_token())["iss"] == issuer
    for spelling in (issuer, ORIGINAL, UPDATED, f"http://localhost:4566/{POOL}"):
        pool = world.view.find_pool(spelling)
        assert pool is not None
        assert pool.issuer == issuer


@pytest.mark.parametrize(
    "name",
    [
        ORIGINAL + "/",
        ORIGINAL.upper(),
        ORIGINAL[:-1],
        "https://evil.example/" + ORIGINAL,
        POOL,
        "",
        f"arn:aws:cognito-idp:us-east-1:111111111111:userpool/{POOL}",
        f"arn:aws:cognito-idp:eu-west-1:{ACCOUNT}:userpool/{POOL}",
    ],
)
def test_no_other_name_finds_the_pool(world: World, name: str) -> None:
    """Attack J10."""
    assert world.view.find_pool(name) is None


def test_a_trusted_pool_knows_its_own_clients_only(world: World) -> None:
    world.client(world.pool("us-east-1_Other1234"), "otherclient")

    pool = world.view.find_pool(f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/{POOL}")

    assert pool is not None
    assert CLIENT in pool.client_ids
    assert "otherclient" not in pool.client_ids
    assert 7 not in pool.client_ids


# Domains


def test_domains_find_their_pool_and_only_custom_ones_are_hosts(world: World) -> None:
    queries.put_domain(world.tx, ACCOUNT, REGION, POOL, "localhost", {"Domain": "localhost"})
    queries.put_domain(
        world.tx,
        ACCOUNT,
        REGION,
        POOL,
        "auth.example.com",
        {"Domain": "auth.example.com", "CustomDomainConfig": {"a": "b"}},
    )
    world.catch_up()

    assert dict(world.view.pool_by_domain) == {"localhost": POOL, "auth.example.com": POOL}
    assert world.view.custom_domains == {"auth.example.com"}
    assert world.view.pool_by_id[POOL].domains == ("auth.example.com", "localhost")

    queries.delete_domain(world.tx, "auth.example.com")
    world.catch_up()
    assert (dict(world.view.pool_by_domain), world.view.custom_domains) == ({"localhost": POOL}, frozenset())
    assert world.view.pool_by_id[POOL].domains == ("localhost",)


# Lifetimes


@pytest.mark.parametrize(
    ("document", "lifetime_s"),
    [
        pytest.param({}, 3_600, id="default"),
        pytest.param({"AccessTokenValidity": 2}, 7_200, id="hours-by-default"),
        pytest.param({"AccessTokenValidity": 300, "TokenValidityUnits": {"AccessToken": "seconds"}}, 300, id="seconds"),
        pytest.param({"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}}, 300, id="minutes"),
        pytest.param({"AccessTokenValidity": 1, "TokenValidityUnits": {"AccessToken": "days"}}, 86_400, id="days"),
        pytest.param({"TokenValidityUnits": {"AccessToken": "minutes"}}, 3_600, id="a-unit-alone"),
        pytest.param({"AccessTokenValidity": 99, "TokenValidityUnits": {"AccessToken": "days"}}, 86_400, id="bounded"),
        pytest.param({"AccessTokenValidity": 5, "TokenValidityUnits": {"IdToken": "days"}}, 18_000, id="another-unit"),
    ],
)
def test_the_lifetime_of_access_tokens_is_read_in_its_unit(document: dict[str, object], lifetime_s: int) -> None:
    world = World()
    world.client(world.pool(), CLIENT, **MACHINE, **document)

    client = world.view.client_by_id.get(CLIENT)
    assert client is not None
    assert client.access_token_lifetime_s == lifetime_s


def test_secrets_are_not_in_memory_in_clear(world: World) -> None:
    client = world.view.client_by_id.get(CLIENT)

    assert client is not None
    assert SECRET not in repr(client)
    assert all(SECRET.encode() not in (secret.digest, secret.digest_key) for secret in client.secrets)
