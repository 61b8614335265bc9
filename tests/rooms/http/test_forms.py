"""Forms and foreign JSON: one reading or none."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.limits import limit
from scopegate.http.forms import FormError, is_form, parse_form, parse_json

texts = st.text(st.characters(codec="utf-8"), max_size=10)


@given(st.dictionaries(texts, texts, max_size=5))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert parse_form(urlencode(fields).encode()) == fields


@given(st.binary(max_size=60))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        fields = parse_form(body)
    except FormError:
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in fields.items())


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=1",
        b"a=1&%61=2",
        b"a=1&a+=2&a%20=3",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%ff",
        b"%ff=a",
        b"a=\xff",
        b"a=%C0%AF",
        b"a=%ED%A0%80",
    ],
)
def test_o20_a_form_with_two_readings_is_refused(body: bytes) -> None:
    """Attack row O20: duplicate parameters, in any spelling; escapes that decode to no text."""
    with pytest.raises(FormError):
        parse_form(body)


def test_h5_a_flood_of_fields_is_refused() -> None:
    """Attack row H5: 10^5 form fields."""
    most = limit("http.form_fields")
    assert len(parse_form(b"&".join(b"%d=x" % number for number in range(most)))) == most
    with pytest.raises(FormError):
        parse_form(b"&".join(b"%d=x" % number for number in range(100_000)))


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/x-www-form-urlencoded", True),
        (b"Application/X-WWW-Form-Urlencoded ; charset=UTF-8", True),
        (b"application/json", False),
        (b"multipart/form-data; boundary=application/x-www-form-urlencoded", False),
        (b"", False),
        (None, False),
    ],
)
def test_o20_only_a_form_is_a_form(content_type: bytes | None, *, expected: bool) -> None:
    assert is_form(content_type) is expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1}x',
        b'{"a":1,"a":1}',
        b'[{"b":{"a":1,"\\u0061":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"\xff",
        b'"\xc0\xaf"',
        b'"\\ud800"',
        b'{"\\uDFFF":1}',
        b"\xef\xbb\xbf{}",
        b'"a\nb"',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
    ids=range(20),
)
def test_json_with_two_readings_is_refused(body: bytes) -> None:
    """Attack rows J13 and H5."""
    with pytest.raises(FormError):
        parse_json(body)


def test_brackets_in_strings_are_not_nesting() -> None:
    text = "[{" * 200 + '\\"['
    assert parse_json(json.dumps([text]).encode(), depth=1) == [text]
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"
