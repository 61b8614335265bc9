"""Reading and verifying tokens: the rules, each with one case beside it that passes."""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.jose.verify import ANY_RSA, TokenError, Verifier, VerifyKey, check_times, parse_token
from tests.rooms.jose.issuer import NOW, b64, choose, claims, key_set, rsa_key, token


def kind_of(raw: str | bytes) -> str:
    with pytest.raises(TokenError) as refused:
        parse_token(raw)
    return refused.value.kind


def test_a_good_token_is_verified_and_gives_its_claims() -> None:
    keys = key_set()

    verified = Verifier(10).verify(token(), choose(keys))

    assert (verified.claims, verified.key) == (claims(), keys["kid-1"])


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512"])
def test_a_token_of_another_library_is_verified(alg: str) -> None:
    raw = jwt.encode(claims(), rsa_key(), algorithm=alg, headers={"kid": "kid-1"})

    assert Verifier(10).verify(raw, choose(key_set(alg=alg))).claims == claims()


def test_a_key_whose_issuer_names_no_algorithm_fits_every_rsa_hash() -> None:
    assert Verifier(10).verify(token(alg="RS512"), choose(key_set(alg=ANY_RSA))).claims == claims()


def test_an_algorithm_that_is_not_the_key_s_is_refused() -> None:
    with pytest.raises(TokenError) as refused:
        Verifier(10).verify(token(alg="RS512"), choose(key_set(alg="RS256")))

    assert (refused.value.kind, refused.value.detail) == ("algorithm", "RS512")


def test_text_and_bytes_are_one_token() -> None:
    verifier, keys = Verifier(10), key_set()

    assert verifier.verify(token(), choose(keys)) is verifier.verify(token().decode(), choose(keys))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param(b"", "segments", id="empty"),
        pytest.param(b"garbage", "segments", id="one-segment"),
        pytest.param(b"a.b", "segments", id="two-segments"),
        pytest.param(b"a.b.c.d", "segments", id="four-segments"),
        pytest.param(b"a.b.c.d.e", "segments", id="five-segments"),
        pytest.param(b"..", "malformed", id="empty-segments"),
        pytest.param(b"e30.e30.AAAA", "algorithm", id="empty-objects"),
        pytest.param("é.b.c", "malformed", id="not-ascii"),
        pytest.param(b64(b"[]") + b".e30.AAAA", "malformed", id="header-is-a-list"),
        pytest.param(token(b'"text"'), "malformed", id="claims-are-text"),
        pytest.param(token(b"{"), "malformed", id="claims-are-broken"),
        pytest.param(token(header={"alg": "RS256"}), "kid", id="no-kid"),
        pytest.param(token(header={"alg": "RS256", "kid": ""}), "kid", id="empty-kid"),
        pytest.param(token(header={"alg": "RS256", "kid": 7}), "kid", id="kid-is-a-number"),
        pytest.param(token(header={"kid": "kid-1"}), "algorithm", id="no-alg"),
        pytest.param(token(header={"alg": ["RS256"], "kid": "kid-1"}), "algorithm", id="alg-is-a-list"),
        pytest.param(token(header={"alg": "RS256", "kid": "kid-1", "typ": 1}), "malformed", id="typ-is-a-number"),
    ],
)
def test_each_fault_has_its_kind(raw: str | bytes, kind: str) -> None:
    assert kind_of(raw) == kind


def test_only_a_plain_algorithm_name_is_repeated_in_the_detail() -> None:
    """It may end up in a header of the answer."""
    with pytest.raises(TokenError) as plain:
        parse_token(token(header={"alg": "PS256", "kid": "kid-1"}))
    with pytest.raises(TokenError) as crooked:
        parse_token(token(header={"alg": 'x"\r\nSet-Cookie: a', "kid": "kid-1"}))

    assert (plain.value.detail, crooked.value.detail) == ("PS256", "")


def test_a_remembered_token_needs_the_very_key_that_verified_it() -> None:
    verifier, old = Verifier(10), key_set()
    verifier.verify(token(), choose(old))

    with pytest.raises(TokenError) as removed:
        verifier.verify(token(), choose({}))
    with pytest.raises(TokenError) as replaced:
        verifier.verify(token(), choose({"kid-1": VerifyKey("kid-1", "RS256", rsa_key(1).public_key())}))

    assert (removed.value.kind, replaced.value.kind) == ("kid", "signature")


def test_the_memory_is_bounded_and_a_used_token_stays_in_it() -> None:
    verifier, keys = Verifier(4), key_set()
    used = token(claims(n=-1))
    first = verifier.verify(used, choose(keys))

    for n in range(20):
        verifier.verify(token(claims(n=n)), choose(keys))
        assert verifier.verify(used, choose(keys)) is first

    assert len(verifier._young) + len(verifier._old) <= 5


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        pytest.param({"exp": NOW}, "expired", id="exp-is-now"),
        pytest.param({"exp": NOW - 1}, "expired", id="exp-has-passed"),
        pytest.param({"exp": NOW + 1, "nbf": NOW + 1}, "nbf", id="nbf-lies-ahead"),
        pytest.param({"exp": NOW + 1, "iat": NOW + 1}, "iat", id="iat-lies-ahead"),
        pytest.param({}, "times", id="no-exp"),
        pytest.param({"exp": None}, "times", id="exp-is-null"),
        pytest.param({"exp": NOW + 1, "nbf": None}, "times", id="nbf-is-null"),
    ],
)
def test_times_are_judged_to_the_second(times: dict[str, int | None], kind: str) -> None:
    with pytest.raises(TokenError) as refused:
        check_times(times, NOW)

    assert refused.value.kind == kind


def test_a_token_for_this_moment_gives_its_end() -> None:
    assert check_times({"exp": NOW + 1, "nbf": NOW, "iat": NOW}, NOW + 0.5) == NOW + 1


def test_a_leeway_widens_both_ends() -> None:
    assert check_times({"exp": NOW - 4, "iat": NOW + 4}, NOW, leeway_s=5) == NOW - 4


@given(st.one_of(st.floats(), st.text(), st.booleans(), st.none(), st.lists(st.integers()), st.integers(max_value=-1)))
def test_only_whole_numbers_are_times(value: object) -> None:
    with pytest.raises(TokenError):
        check_times({"exp": value}, -10.0)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_a_token_error(raw: bytes) -> None:
    with pytest.raises(TokenError):
        parse_token(raw)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, JSON))
def test_claims_are_read_as_any_reader_of_json_reads_them(value: dict[str, object]) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()

    assert parse_token(token(raw)).unverified_claims == value
