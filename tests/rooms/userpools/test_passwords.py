"""Passwords at rest, what a pool demands of them, and that hashing is bounded."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.userpools.users.passwords import (
    SYMBOLS,
    Passwords,
    check_history,
    check_policy,
    new_temporary_password,
)

STRICT = {
    "MinimumLength": 8,
    "RequireUppercase": True,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
}
NOTHING = {"MinimumLength": 6}


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(Settings(password_memory_kib=8_192, password_passes=1))
    yield made
    made.close()


def refusal(policy: dict[str, Any], password: str) -> str:
    """Which rule a password breaks."""
    with pytest.raises(AwsError, match=r"^InvalidPasswordException: Password did not conform with policy: ") as refused:
        check_policy(policy, password)
    return str(refused.value.message).partition(": ")[2]


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("Aa1!", "Password not long enough"),
        ("aaaa1111!", "Password must have uppercase characters"),
        ("AAAA1111!", "Password must have lowercase characters"),
        ("AAAAaaaa!", "Password must have numeric characters"),
        ("AAAAaaaa1", "Password must have symbol characters"),
        ("        ", "Password must have uppercase characters"),
        ("AAAAaaaa1 ", "Password must have symbol characters"),
        (" AAAAaaaa1", "Password must have symbol characters"),
        ("ÄÖÜäöü12!", "Password must have uppercase characters"),
    ],
)
def test_the_first_rule_that_fails_is_named(password: str, said: str) -> None:
    """Reference, "Error texts"."""
    assert refusal(STRICT, password) == said


@pytest.mark.parametrize("symbol", [*sorted(SYMBOLS), " "])
def test_each_of_cognitos_symbols_counts(symbol: str) -> None:
    """Cognito's developer guide, password requirements: 32 characters, and a space between others."""
    check_policy(STRICT, f"Password{symbol}1")

    assert len(SYMBOLS) == len(set(SYMBOLS)) == 32


@pytest.mark.parametrize("character", ["§", "€", "ß", "\u00a0", "\uff11"])
def test_other_characters_are_no_symbols(character: str) -> None:
    assert refusal(STRICT, f"Password{character}1") == "Password must have symbol characters"


def test_a_pool_may_demand_length_alone() -> None:
    check_policy(NOTHING, "aaaaaa")

    assert refusal(NOTHING, "aaaaa") == "Password not long enough"


@given(st.integers(6, 99))
def test_a_temporary_password_conforms(length: int) -> None:
    password = new_temporary_password(STRICT | {"MinimumLength": length})

    check_policy(STRICT | {"MinimumLength": length}, password)
    assert not set(password) & set("<>&\"'` \\")
    assert password != new_temporary_password(STRICT | {"MinimumLength": length})


def test_a_password_is_kept_as_argon2id_with_the_cost_of_the_settings() -> None:
    """RFC 9106; by default one of the five costs that OWASP's Password Storage Cheat Sheet holds for equal."""
    passwords = Passwords(Settings())

    first, second = (asyncio.run(passwords.hash("Correct-Horse-9")) for _ in range(2))
    passwords.close()

    assert re.fullmatch(r"\$argon2id\$v=19\$m=9216,t=4,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", first)
    assert first != second


@pytest.mark.parametrize("password", ["Correct-Horse-9", "pässwörd-€", "\ud800lonely", "x" * 256])
def test_only_the_password_itself_is_verified(passwords: Passwords, password: str) -> None:
    """Attack O14: the whole of it is significant."""
    phc = asyncio.run(passwords.hash(password))

    assert asyncio.run(passwords.verify(phc, password)) is True
    assert asyncio.run(passwords.verify(phc, password[:-1])) is False
    assert asyncio.run(passwords.verify(phc, password + "x")) is False


@pytest.mark.parametrize("phc", [None, "", "garbage", "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHQ$aGFzaA"])
def test_what_is_no_hash_is_never_matched(passwords: Passwords, phc: str | None) -> None:
    assert asyncio.run(passwords.verify(phc, "Correct-Horse-9")) is False


def test_nobody_takes_as_long_as_somebody() -> None:
    """Attack O17: whether a user is there does not show in the time."""
    passwords = Passwords(Settings())
    phc = asyncio.run(passwords.hash("Correct-Horse-9"))

    def took(of: str | None) -> float:
        started = time.perf_counter()
        asyncio.run(passwords.verify(of, "Wrong-Horse-9"))
        return time.perf_counter() - started

    pairs = [(took(phc), took(None)) for _ in range(25)]
    passwords.close()

    somebody, nobody = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    assert 0.5 < nobody / somebody < 2


def test_what_cannot_be_hashed_soon_is_refused_at_once(passwords: Passwords) -> None:
    """Attack O15: a flood of sign-ins waits for itself, bounded."""
    places = limit("userpools.passwords_waiting")
    gate = threading.Event()

    async def flood() -> list[Any]:
        waiting = [asyncio.ensure_future(passwords.run(gate.wait)) for _ in range(places)]
        await asyncio.sleep(0)
        with pytest.raises(AwsError) as refused:
            await passwords.hash("Correct-Horse-9")
        gate.set()
        await asyncio.gather(*waiting)
        return [refused.value.code, await passwords.hash("Correct-Horse-9")]

    code, phc = asyncio.run(flood())

    assert code == "TooManyRequestsException"
    assert asyncio.run(passwords.verify(phc, "Correct-Horse-9"))


def test_a_waiting_hash_that_nobody_wants_any_more_gives_its_place_back(passwords: Passwords) -> None:
    places = limit("userpools.passwords_waiting")
    gate = threading.Event()

    async def give_up() -> bool:
        waiting = [asyncio.ensure_future(passwords.run(gate.wait)) for _ in range(places)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        gate.set()
        return await passwords.verify(await passwords.hash("Correct-Horse-9"), "Correct-Horse-9")

    assert asyncio.run(give_up()) is True


def test_a_password_of_the_history_is_refused(passwords: Passwords) -> None:
    phcs = [asyncio.run(passwords.hash(f"Correct-Horse-{number}")) for number in range(3)]

    asyncio.run(check_history(passwords, phcs, "Correct-Horse-9"))
    with pytest.raises(AwsError) as refused:
        asyncio.run(check_history(passwords, phcs, "Correct-Horse-2"))

    assert refused.value.code == "PasswordHistoryPolicyViolationException"
