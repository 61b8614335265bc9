"""Attack rows J12, J15 and G11: time claims, retired keys, floods of unknown kids."""

import asyncio
import json
import math

import pytest

from scopegate.base.limits import limit
from scopegate.jose.remote import IssuerKeys
from scopegate.jose.verify import TokenError, Verifier, check_times
from tests.rooms.jose.issuer import NOW, choose, claims, key_set, token
from tests.rooms.jose.test_remote import ISSUER, Issuer


@pytest.mark.parametrize(
    ("exp", "kind"),
    [
        pytest.param(..., "times", id="missing"),
        pytest.param(str(NOW + 60), "times", id="string"),
        pytest.param(NOW + 60.0, "times", id="float"),
        pytest.param(math.nan, "times", id="nan"),
        pytest.param(math.inf, "times", id="infinite"),
        pytest.param(True, "times", id="bool"),
        pytest.param(None, "times", id="null"),
        pytest.param([NOW + 60], "times", id="list"),
        pytest.param(-1, "times", id="negative"),
        pytest.param((NOW + 60) * 1000, "times", id="milliseconds"),
        pytest.param(10**400, "times", id="huge"),
        pytest.param(NOW, "expired", id="now"),
        pytest.param(0, "expired", id="zero"),
    ],
)
def test_j12_exp_is_a_whole_number_that_lies_ahead(exp: object, kind: str) -> None:
    with pytest.raises(TokenError) as refused:
        check_times({} if exp is ... else {"exp": exp}, NOW)

    assert refused.value.kind == kind


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("value", ["1", 1.5, True, None, -1, NOW * 1000, [1]])
def test_j12_the_other_times_are_whole_numbers_too(name: str, value: object) -> None:
    with pytest.raises(TokenError) as refused:
        check_times({"exp": NOW + 60, name: value}, NOW)

    assert refused.value.kind == "times"


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_j12_a_token_of_tomorrow_is_refused_today(name: str) -> None:
    with pytest.raises(TokenError) as refused:
        check_times({"exp": NOW + 200_000, name: NOW + 86_400}, NOW)

    assert refused.value.kind == name


def test_j12_a_remembered_token_is_judged_by_the_clock_each_time() -> None:
    verifier, keys = Verifier(10), key_set()
    raw = token(claims(exp=NOW + 60))
    check_times(verifier.verify(raw, choose(keys)).claims, NOW)

    with pytest.raises(TokenError) as refused:
        check_times(verifier.verify(raw, choose(keys)).claims, NOW + 60)

    assert refused.value.kind == "expired"


def test_j15_a_retired_key_verifies_while_it_is_published_and_not_after() -> None:
    """Rotation: the set holds the old and the new key, then only the new one; the memory must not outlive that."""
    verifier = Verifier(10)
    retired, following = key_set(0, "old"), key_set(1, "new")
    raw = token(header={"alg": "RS256", "kid": "old"})

    verifier.verify(raw, choose({**retired, **following}))

    for asked in (verifier, Verifier(10)):
        with pytest.raises(TokenError) as refused:
            asked.verify(raw, choose(following))
        assert refused.value.kind == "kid"


def test_g11_a_flood_of_unknown_kids_causes_one_fetch_per_interval() -> None:
    async def flood() -> None:
        site = Issuer()
        await site.keys.get_keys(ISSUER)
        site.fetched.clear()
        for second in range(3 * limit("gateway.jwks_refetch_s")):
            site.now += 1
            await asyncio.gather(*(site.keys.get_keys(ISSUER, f"kid-{second}-{n}") for n in range(20)))
        assert len(site.fetched) <= 2 * 3  # two documents, three intervals
        await site.keys.close()

    asyncio.run(flood())


def test_g11_a_flood_at_an_issuer_that_is_away_is_answered_from_memory() -> None:
    async def flood() -> None:
        site = Issuer()
        keys = await site.keys.get_keys(ISSUER)
        site.down = ISSUER
        site.fetched.clear()
        site.now += limit("gateway.jwks_refetch_s")
        answers = await asyncio.gather(*(site.keys.get_keys(ISSUER, f"kid-{n}") for n in range(500)))
        assert all(answer is keys for answer in answers)
        assert len(site.fetched) == 1
        await site.keys.close()

    asyncio.run(flood())


def test_j5_only_the_two_documents_of_the_configured_issuer_are_ever_fetched() -> None:
    async def ask() -> None:
        site = Issuer()
        keys: IssuerKeys = site.keys
        await keys.get_keys(ISSUER, "https://attacker.example/jwks.json")
        assert site.fetched == list(site.documents)
        assert json.dumps(site.documents).count("attacker") == 0
        await keys.close()

    asyncio.run(ask())
