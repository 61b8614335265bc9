"""What the rows of users promise on every store: found by name and alias, listed in one order, codes counted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from scopegate.base.settings import Settings
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools import queries as pools
from scopegate.userpools.messages import queries as messages
from scopegate.userpools.messages.model import Message
from scopegate.userpools.users import queries
from scopegate.userpools.users.model import User
from tests.contracts.store_driver import Driver, opened

POOL = "us-east-1_AbCdEf123"
SEAL = Sealer(bytes(32))
HOUR = 3_600


def user(name: str, **attributes: str) -> User:
    return User(POOL, name, name, f"sub-{name}", "CONFIRMED", True, 1.0, 1.0, {"sub": f"sub-{name}", **attributes})


@pytest.fixture
def crowd(store: Driver) -> Driver:
    def fill(tx: Tx) -> None:
        pools.put_pool(tx, "1", "us-east-1", POOL, {"Id": POOL})
        for name in ("Zoe", "ada", "adam", "ädam", "bob", "100%", "a_b"):
            made = user(name, email=f"{name.lower()}@example.com", given_name=name)
            assert queries.add_user(tx, SEAL, made, {"email": f"{name}@example.com"})

    store.write(fill)
    return store


def names(store: Driver, **more: Any) -> list[str]:
    return [each.username for _, each in store.read(lambda tx: queries.list_users(tx, SEAL, POOL, **more))]


def test_users_are_listed_by_code_point(crowd: Driver) -> None:
    whole = names(crowd)

    assert whole == ["100%", "Zoe", "a_b", "ada", "adam", "bob", "ädam"]
    assert names(crowd, after="a_b", size=2) == ["ada", "adam"]


@pytest.mark.parametrize(
    ("attribute", "value", "by_prefix", "found"),
    [
        ("username", "ada", False, ["ada"]),
        ("username", "ada", True, ["ada", "adam"]),
        ("username", "A", True, []),
        ("username", "100%", True, ["100%"]),
        ("username", "%", True, []),
        ("username", "a_", True, ["a_b"]),
        ("given_name", "a", True, ["a_b", "ada", "adam"]),
        ("email", "", True, ["100%", "a_b", "ada", "adam", "bob", "Zoe", "ädam"]),
        ("cognito:user_status", "CONF", True, ["100%", "Zoe", "a_b", "ada", "adam", "bob", "ädam"]),
        ("status", "", True, ["100%", "Zoe", "a_b", "ada", "adam", "bob", "ädam"]),
        ("sub", "sub-a", True, ["a_b", "ada", "adam"]),
        ("email", "zoe@example.com", False, ["Zoe"]),
        ("email", "Zoe@example.com", False, []),
        ("sub", "sub-bob", False, ["bob"]),
        ("status", "Enabled", False, ["100%", "Zoe", "a_b", "ada", "adam", "bob", "ädam"]),
        ("status", "Dis", True, []),
        ("cognito:user_status", "CONFIRMED", False, ["100%", "Zoe", "a_b", "ada", "adam", "bob", "ädam"]),
        ("phone_number", "+1", True, []),
        ("username", "a\0b", False, []),
        ("username", "\ud800", True, []),
    ],
)
def test_users_are_found_alike(crowd: Driver, attribute: str, value: str, by_prefix: bool, found: list[str]) -> None:
    """Attack U2: what has a meaning in SQL has none here."""
    assert names(crowd, attribute=attribute, value=value, by_prefix=by_prefix) == found


@pytest.mark.parametrize(
    "search",
    [
        {},
        {"attribute": "username", "value": "a", "by_prefix": True},
        {"attribute": "email", "value": "", "by_prefix": True},
        {"attribute": "sub", "value": "sub-", "by_prefix": True},
        {"attribute": "cognito:user_status", "value": "C", "by_prefix": True},
        {"attribute": "cognito:user_status", "value": "CONFIRMED"},
        {"attribute": "status", "value": "Enabled"},
    ],
    ids=str,
)
def test_pages_of_every_search_join_to_the_whole(crowd: Driver, search: dict[str, Any]) -> None:
    whole, found, after = names(crowd, **search), [], None
    while True:
        page = crowd.read(lambda tx, after=after: queries.list_users(tx, SEAL, POOL, after=after, size=2, **search))
        if not page:
            break
        found += [user.username for _, user in page]
        after = page[-1][0]

    assert found == whole
    assert len(whole) > 1


def test_an_alias_is_one_users(crowd: Driver) -> None:
    def again(tx: Tx) -> tuple[bool, bool]:
        taken_name = queries.add_user(tx, SEAL, user("ada"), {})
        return taken_name, queries.put_aliases(tx, user("bob"), {"email": "ada@example.com"})

    assert crowd.write(again).result == (False, False)
    found = crowd.read(lambda tx: queries.find_user_by_alias(tx, SEAL, POOL, "ada@example.com"))
    assert found is not None
    assert found.username == "ada"


def test_a_deleted_user_leaves_nothing(crowd: Driver) -> None:
    def delete(tx: Tx) -> list[Any]:
        queries.put_group(tx, POOL, "all", {"GroupName": "all"})
        queries.add_member(tx, POOL, "all", "ada")
        messages.put_code(tx, SEAL, POOL, "ada", "sign_up", "1", now=0, expires_at=1, most=5, window_s=HOUR)
        queries.delete_user(tx, POOL, "ada")
        return [
            queries.find_user(tx, SEAL, POOL, "ada"),
            queries.find_user_by_alias(tx, SEAL, POOL, "ada@example.com"),
            list(queries.list_members(tx, SEAL, POOL, "all")),
            messages.try_code(tx, SEAL, POOL, "ada", "sign_up", "1", now=0, most=5, window_s=HOUR),
        ]

    assert crowd.write(delete).result == [None, None, [], messages.EXPIRED]


def test_a_deleted_pool_leaves_nothing(crowd: Driver) -> None:
    def delete(tx: Tx) -> int:
        messages.keep_message(tx, SEAL, Message(POOL, "ada", "SMS", "+1", "SignUp", "", "x"), 1.0)
        pools.delete_pool(tx, POOL)
        return queries.count_users(tx, POOL)

    assert crowd.write(delete).result == 0
    assert crowd.read(lambda tx: messages.list_messages(tx, SEAL, "1", "us-east-1")) == []


def test_a_deleted_pool_with_many_users_is_gone_at_once_and_they_follow(
    crowd: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool of a million users would hold up every other write for minutes."""
    monkeypatch.setattr(pools, "_DELETED_AT_ONCE", 3)

    crowd.write(lambda tx: pools.delete_pool(tx, POOL))

    def look(tx: Tx) -> tuple[Any, ...]:
        return (
            pools.find_pool(tx, "1", "us-east-1", POOL),
            pools.find_pool_owner(tx, POOL),
            pools.all_pool_ids(tx),
            pools.list_pools(tx, "1", "us-east-1"),
            pools.pool_id_is_taken(tx, POOL),
        )

    assert crowd.read(look) == (None, None, [], [], True)
    left = [(crowd.write(pools.delete_left_users).result, crowd.read(lambda tx: queries.count_users(tx, POOL)))]
    while left[-1][0]:
        left.append((crowd.write(pools.delete_left_users).result, crowd.read(lambda tx: queries.count_users(tx, POOL))))
    assert left == [(True, 4), (True, 1), (True, 0), (True, 0), (False, 0)]
    assert crowd.read(look)[-1] is False


def put_code(code: str) -> Callable[[Tx], bool]:
    return lambda tx: messages.put_code(
        tx, SEAL, POOL, "ada", "sign_up", code, now=0.0, expires_at=HOUR, most=5, window_s=HOUR
    )


def try_code(code: str) -> Callable[[Tx], str]:
    return lambda tx: messages.try_code(tx, SEAL, POOL, "ada", "sign_up", code, now=0.0, most=15, window_s=HOUR)


def test_tries_are_counted_across_nodes(crowd: Driver, prepared: Settings) -> None:
    """Attack O23: two nodes, forty guesses at once, fifteen are looked at."""
    crowd.write(put_code("111111"))

    with opened(prepared) as other:

        async def guess() -> list[str]:
            work = [
                (crowd.store, other.store)[number % 2].write(try_code(f"{222_222 + number}")) for number in range(40)
            ]
            return [written.result for written in await asyncio.gather(*work)]

        # A store belongs to the loop that opened it last: both are used from one.
        said = crowd.run(guess())

    assert (said.count(messages.WRONG), said.count(messages.EXHAUSTED)) == (15, 25)
    assert crowd.write(try_code("111111")).result == messages.EXHAUSTED


def test_a_code_is_taken_once_across_nodes(crowd: Driver, prepared: Settings) -> None:
    """Attack O23."""
    crowd.write(put_code("111111"))

    def take(tx: Tx) -> bool:
        return messages.take_code(tx, SEAL, POOL, "ada", "sign_up", "111111", 0.0)

    with opened(prepared) as other:

        async def race() -> list[bool]:
            work = [(crowd.store, other.store)[number % 2].write(take) for number in range(10)]
            return [written.result for written in await asyncio.gather(*work)]

        said = crowd.run(race())

    assert said.count(True) == 1


def test_the_outbox_keeps_the_newest_of_each_pool(crowd: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_KEPT", 3)

    def fill(tx: Tx) -> None:
        pools.put_pool(tx, "1", "us-east-1", "us-east-1_Other0000", {"Id": "us-east-1_Other0000"})
        for number in range(6):
            messages.keep_message(tx, SEAL, Message(POOL, "ada", "SMS", "+1", "SignUp", "", str(number)), 1.0)
        messages.keep_message(tx, SEAL, Message("us-east-1_Other0000", "bob", "SMS", "+2", "SignUp", "", "o"), 1.0)

    crowd.write(fill)
    kept = crowd.read(lambda tx: messages.list_messages(tx, SEAL, "1", "us-east-1"))

    assert [each.message.body for each in kept] == ["3", "4", "5", "o"]
