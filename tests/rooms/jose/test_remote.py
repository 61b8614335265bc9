"""Keys of foreign issuers: what is fetched when, and what is kept when the issuer is away."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from scopegate.base.limits import limit
from scopegate.jose.keys import render_jwks, verify_key
from scopegate.jose.remote import IssuerKeys, KeysUnavailable, parse_jwks
from scopegate.jose.verify import ANY_RSA
from tests.rooms.jose.issuer import rsa_key

ISSUER = "https://issuer.example"
AGE_S, STALE_S, REFETCH_S = limit("gateway.jwks_age_s"), limit("gateway.jwks_stale_s"), limit("gateway.jwks_refetch_s")


class Issuer:
    """A foreign issuer in memory, and a clock that only the test moves."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.now = 1000.0
        self.down: str | None = None
        self.fetched: list[str] = []
        self.documents: dict[str, Any] = {
            f"{issuer.rstrip('/')}/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{ISSUER}/jwks"}
        }
        self.publish("kid-1")
        self.keys = IssuerKeys(self.fetch, lambda: self.now)

    def publish(self, *kids: str) -> None:
        keys = render_jwks(verify_key(kid, rsa_key().public_key()) for kid in kids)
        self.documents[f"{ISSUER}/jwks"] = json.loads(keys)

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        await asyncio.sleep(0)
        if self.down is not None and self.down in url:
            raise ConnectionRefusedError("10.0.0.7:443")
        document = self.documents[url]
        return document if isinstance(document, bytes) else json.dumps(document).encode()


def run(test: Callable[[Issuer], Awaitable[None]], issuer: Issuer | None = None) -> None:
    async def go() -> None:
        site = issuer or Issuer()
        await test(site)
        await site.keys.close()

    asyncio.run(go())


async def settle() -> None:
    """Let what runs in the background come to its end; nothing in it waits for anything but the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


def failure_of(document: Any, url: str = f"{ISSUER}/.well-known/openid-configuration") -> str:
    stages = []

    async def ask(site: Issuer) -> None:
        site.documents[url] = document
        with pytest.raises(KeysUnavailable) as refused:
            await site.keys.get_keys(ISSUER)
        stages.append(refused.value.stage)

    run(ask)
    return stages[0]


def test_keys_are_fetched_once_and_then_known_without_waiting() -> None:
    async def ask(site: Issuer) -> None:
        assert site.keys.find_keys(ISSUER) is None
        keys = await site.keys.get_keys(ISSUER)
        assert site.keys.find_keys(ISSUER) is keys
        assert await site.keys.get_keys(ISSUER, "kid-1") is keys
        assert site.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/jwks"]

    run(ask)


def test_many_callers_share_one_fetch() -> None:
    async def ask(site: Issuer) -> None:
        answers = await asyncio.gather(*(site.keys.get_keys(ISSUER) for _ in range(50)))
        assert len({id(keys) for keys in answers}) == 1
        assert len(site.fetched) == 2

    run(ask)


def test_a_caller_that_goes_away_does_not_take_the_fetch_with_it() -> None:
    async def ask(site: Issuer) -> None:
        impatient = asyncio.ensure_future(site.keys.get_keys(ISSUER))
        patient = asyncio.ensure_future(site.keys.get_keys(ISSUER))
        await asyncio.sleep(0)
        impatient.cancel()
        assert "kid-1" in await patient

    run(ask)


def test_a_rotated_key_is_found_by_one_fetch_for_its_kid() -> None:
    """Attack G11, the good half: the issuer rotates."""

    async def ask(site: Issuer) -> None:
        before = await site.keys.get_keys(ISSUER)
        site.publish("kid-1", "kid-2")
        site.now += REFETCH_S
        after = await site.keys.get_keys(ISSUER, "kid-2")
        assert set(after) == {"kid-1", "kid-2"}
        assert after["kid-1"] is before["kid-1"]

    run(ask)


def test_a_key_that_changed_under_its_kid_is_another_object() -> None:
    async def ask(site: Issuer) -> None:
        before = await site.keys.get_keys(ISSUER)
        site.documents[f"{ISSUER}/jwks"] = json.loads(render_jwks([verify_key("kid-1", rsa_key(1).public_key())]))
        site.now += AGE_S + 1
        assert (await site.keys.get_keys(ISSUER))["kid-1"] is not before["kid-1"]

    run(ask)


def test_half_way_the_keys_are_refreshed_in_the_background() -> None:
    async def ask(site: Issuer) -> None:
        old = await site.keys.get_keys(ISSUER)
        site.publish("kid-2")
        site.now += AGE_S / 2 + 1
        assert site.keys.find_keys(ISSUER) is old
        await settle()
        assert set(site.keys.find_keys(ISSUER) or ()) == {"kid-2"}

    run(ask)


def test_old_keys_are_waited_for_not_used() -> None:
    async def ask(site: Issuer) -> None:
        await site.keys.get_keys(ISSUER)
        site.publish("kid-2")
        site.now += AGE_S + 1
        assert site.keys.find_keys(ISSUER) is None
        assert set(await site.keys.get_keys(ISSUER)) == {"kid-2"}

    run(ask)


def test_the_last_good_keys_are_kept_for_a_stated_time_then_calls_are_refused() -> None:
    """Attack G10: fail closed, but not at the first hiccup."""

    async def ask(site: Issuer) -> None:
        good = await site.keys.get_keys(ISSUER)
        site.down = "issuer.example"
        site.now += AGE_S + 1
        assert await site.keys.get_keys(ISSUER) is good
        site.now += STALE_S - AGE_S - 2
        assert site.keys.find_keys(ISSUER) is good
        await settle()
        site.now += 2
        with pytest.raises(KeysUnavailable):
            await site.keys.get_keys(ISSUER)
        site.down = None
        site.now += REFETCH_S
        assert "kid-1" in await site.keys.get_keys(ISSUER)

    run(ask)


def test_a_failure_is_remembered_for_the_interval() -> None:
    async def ask(site: Issuer) -> None:
        site.down = "openid-configuration"
        for _ in range(20):
            with pytest.raises(KeysUnavailable) as refused:
                await site.keys.get_keys(ISSUER)
            assert refused.value.stage == "discovery"
        assert len(site.fetched) == 1

    run(ask)


def test_the_two_stages_are_told_apart_and_no_address_is_repeated() -> None:
    async def ask(site: Issuer) -> None:
        site.down = "/jwks"
        with pytest.raises(KeysUnavailable) as refused:
            await site.keys.get_keys(ISSUER)
        assert (refused.value.stage, refused.value.detail) == ("jwks", "ConnectionRefusedError")
        assert "10.0.0.7" not in str(refused.value)

    run(ask)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"issuer": ISSUER + "/", "jwks_uri": f"{ISSUER}/jwks"}, id="another-issuer"),
        pytest.param({"jwks_uri": f"{ISSUER}/jwks"}, id="no-issuer"),
        pytest.param({"issuer": ISSUER}, id="no-jwks-uri"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "http://issuer.example/jwks"}, id="jwks-in-the-clear"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, id="jwks-in-a-file"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "https://user@issuer.example/"}, id="user-information"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "https://[broken/"}, id="broken-url"),
        pytest.param(b"<html>", id="html"),
        pytest.param([], id="list"),
        pytest.param(b" " * (limit("gateway.jwks_bytes") + 1), id="too-large"),
    ],
)
def test_a_discovery_document_that_cannot_be_trusted_is_a_discovery_failure(document: Any) -> None:
    assert failure_of(document) == "discovery"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"keys": {}}, id="keys-are-no-list"),
        pytest.param({}, id="no-keys"),
        pytest.param(b"{", id="broken"),
        pytest.param(b"{}" + b" " * limit("gateway.jwks_bytes"), id="too-large"),
    ],
)
def test_a_key_document_that_cannot_be_read_is_a_jwks_failure(document: Any) -> None:
    assert failure_of(document, f"{ISSUER}/jwks") == "jwks"


def test_an_issuer_that_does_not_answer_in_time_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scopegate.jose.remote._TIMEOUT_S", 0.01)

    async def ask() -> None:
        async def never(url: str) -> bytes:
            await asyncio.Event().wait()
            return b""

        with pytest.raises(KeysUnavailable) as refused:
            await IssuerKeys(never).get_keys(ISSUER)
        assert (refused.value.stage, refused.value.detail) == ("discovery", "TimeoutError")

    asyncio.run(ask())


def test_an_issuer_with_a_slash_at_its_end_is_looked_up_without_it_and_compared_with_it() -> None:
    """OpenID Connect Discovery 1.0 section 4.1."""

    async def ask(site: Issuer) -> None:
        assert "kid-1" in await site.keys.get_keys(ISSUER + "/")

    run(ask, Issuer(ISSUER + "/"))


def entry(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(render_jwks([verify_key("k", rsa_key().public_key())]))["keys"][0]
    made |= more
    return {name: value for name, value in made.items() if value is not ...}


def test_a_key_without_use_and_algorithm_fits_any_rsa_hash() -> None:
    """Entra's keys name no `alg`."""
    assert parse_jwks({"keys": [entry(use=..., alg=...)]})["k"].alg == ANY_RSA


@pytest.mark.parametrize(
    "unusable",
    [
        pytest.param(entry(use="enc"), id="for-encryption"),
        pytest.param(entry(key_ops=["encrypt"]), id="operations-without-verify"),
        pytest.param(entry(key_ops="verify"), id="operations-are-no-list"),
        pytest.param(entry(kty="EC"), id="elliptic"),
        pytest.param(entry(kty="oct", k="AAAA"), id="symmetric"),
        pytest.param(entry(alg="HS256"), id="mac-algorithm"),
        pytest.param(entry(alg="PS256"), id="other-padding"),
        pytest.param(entry(alg=None), id="alg-is-null"),
        pytest.param(entry(kid=...), id="no-kid"),
        pytest.param(entry(kid=""), id="empty-kid"),
        pytest.param(entry(kid=7), id="kid-is-a-number"),
        pytest.param(entry(e="AQ"), id="exponent-1"),
        pytest.param(entry(e="Ag"), id="exponent-even"),
        pytest.param(entry(e="A" * 20), id="exponent-huge"),
        pytest.param(entry(n="AQAB"), id="modulus-tiny"),
        pytest.param(entry(n="_" * 20_000), id="modulus-huge"),
        pytest.param(entry(n="not base64!"), id="modulus-garbage"),
        pytest.param(entry(n=...), id="no-modulus"),
        pytest.param("text", id="not-an-object"),
    ],
)
def test_a_key_that_may_not_verify_is_left_out(unusable: Any) -> None:
    """Attack J9: short keys, exponent 1, keys for something else."""
    good = entry(kid="good")

    assert set(parse_jwks({"keys": [unusable, good]})) == {"good"}


def test_a_key_of_1024_bits_is_left_out() -> None:
    short = generate_private_key(65537, 1024).public_key()

    assert parse_jwks(json.loads(render_jwks([verify_key("k", short)]))) == {}
