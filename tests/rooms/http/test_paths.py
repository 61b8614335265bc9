"""Raw targets → match forms, by the reference's cases and by properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.http.paths import (
    TargetError,
    has_dot_segments,
    join_query,
    parse_http_target,
    parse_query,
    parse_rest_target,
)

STAGES = frozenset({"prod"})
SAFE = "abz09-._~!$&'()*+,;=:@"
plain_segments = st.lists(st.text(SAFE, min_size=1, max_size=6), max_size=5)
raw_paths = st.lists(
    st.one_of(st.sampled_from([b"/", b"//", b"%2F", b"%25", b"%2e", b"..", b"%C3%A9", b"prod"]), st.just(b"a")),
    max_size=12,
).map(lambda parts: b"/" + b"".join(parts))


@pytest.mark.parametrize(
    ("raw", "stage", "path", "stage_path", "segments"),
    [
        (b"/prod/a/b", "prod", "/a/b", "/prod/a/b", ("a", "b")),
        (b"/prod", "prod", "/", "/prod", ()),
        (b"/prod/", "prod", "/", "/prod/", ()),
        (b"//prod/a", "prod", "/a", "/prod/a", ("a",)),
        (b"/prod//a", "prod", "/a", "/prod//a", ("a",)),
        (b"/prod/a/", "prod", "/a/", "/prod/a/", ("a",)),
        (b"/prod/a//b", "prod", "/a//b", "/prod/a//b", ("a", "", "b")),
        (b"/prod/J%20Doe", "prod", "/J%20Doe", "/prod/J%20Doe", ("J%20Doe",)),
        (b"/prod/a%2Fb", "prod", "/a%2Fb", "/prod/a%2Fb", ("a%2Fb",)),
        (b"/prod/a%252Fb", "prod", "/a%252Fb", "/prod/a%252Fb", ("a%252Fb",)),
        (b"/", "", "/", "/", ()),
    ],
)
def test_rest_keeps_escapes(raw: bytes, stage: str, path: str, stage_path: str, segments: tuple[str, ...]) -> None:
    """Reference, "Stages" and "REST resources"."""
    target = parse_rest_target(raw)
    assert (target.stage, target.path, target.stage_path, target.segments) == (stage, path, stage_path, segments)


@pytest.mark.parametrize(
    ("raw", "stage", "path", "segments"),
    [
        (b"/items", None, "/items", ("items",)),
        (b"/prod/items", "prod", "/prod/items", ("items",)),
        (b"/prod", "prod", "/prod", ()),
        (b"/", None, "/", ()),
        (b"/items/", None, "/items/", ("items", "")),
        (b"/users/J%20Doe", None, "/users/J Doe", ("users", "J Doe")),
        (b"/a%2Fb", None, "/a/b", ("a", "b")),
        (b"/%40id%23x", None, "/@id#x", ("@id#x",)),
        (b"/a%3Fb", None, "/a", ("a",)),
        (b"/items/a%252Eb", None, "/items/a%252Eb", ("items", "a%252Eb")),
        (b"//items/abc", None, "//items/abc", ("items", "abc")),
        (b"/%E2%98%95", None, "/☕", ("☕",)),
        (b"/$default/items", None, "/items", ("items",)),
        (b"/Prod/items", None, "/Prod/items", ("Prod", "items")),
    ],
)
def test_http_decodes_once(raw: bytes, stage: str | None, path: str, segments: tuple[str, ...]) -> None:
    """Reference, "Stages" and "HTTP API routes"."""
    target = parse_http_target(raw, STAGES)
    assert (target.stage, target.path, target.segments) == (stage, path, segments)


@pytest.mark.parametrize(
    "raw",
    [b"/a%00", b"/a%", b"/a%4", b"/a%zz", b"/%C0%AF", b"/%ED%A0%80", b"/%FF", b"/\xc3\xa9", b"/a\0", b"/%E2%98"],
)
def test_g3_a_path_with_two_readings_is_refused(raw: bytes) -> None:
    """Attack row G3: NUL, bad escapes, overlong and invalid UTF-8."""
    with pytest.raises(TargetError):
        parse_rest_target(b"/prod" + raw)
    with pytest.raises(TargetError):
        parse_http_target(raw, STAGES)


@pytest.mark.parametrize(
    "path",
    ["/a/../b", "/a/./b", "/..", "/a/%2e%2e/b", "/a/%2E./b", "/a/..%2fb", "/a/..\\b", "/a%5c..%5cb", "/a/..;x=1/b"],
)
def test_g3_dot_segments_are_seen_however_they_are_spelled(path: str) -> None:
    """Attack row G3: raw, escaped, behind a backslash, before path parameters."""
    assert has_dot_segments(path)


@pytest.mark.parametrize("path", ["/", "/a.b/c..d", "/...", "/.well-known/x", "/a%2Eb", "/v1..2", "/%20"])
def test_dots_inside_names_are_no_dot_segments(path: str) -> None:
    assert not has_dot_segments(path)


@given(plain_segments)
def test_segments_come_back_as_they_were_sent(segments: list[str]) -> None:
    raw = "/".join(segments).encode()

    assert parse_rest_target(b"/prod/" + raw).segments == tuple(segments)
    assert parse_http_target(b"/prod/" + raw, STAGES).segments == tuple(segments)


@given(raw_paths)
def test_g3_the_form_that_is_matched_is_the_form_that_is_forwarded(raw: bytes) -> None:
    """Attack row G3: segments, match path and what is shown are one text."""
    rest = parse_rest_target(raw)
    assert "/" + "/".join(rest.segments) == rest.match_path
    assert rest.path.removesuffix("/") in ("", rest.match_path)
    assert rest.path == "/" or rest.stage_path.endswith(rest.path)

    http = parse_http_target(raw, STAGES)
    assert "/" + "/".join(http.segments) == http.match_path
    assert http.path.endswith(http.match_path) or http.match_path == "/"
    again = parse_http_target(b"/prod" + http.match_path.replace("é", "%C3%A9").encode(), STAGES)
    assert again.segments == http.segments


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for parse in (parse_rest_target, lambda path: parse_http_target(path, STAGES)):
        try:
            target = parse(b"/" + raw)
        except TargetError:
            continue
        assert "\0" not in target.match_path


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (None, []),
        (b"", []),
        (b"a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"a=1&a=2&b=%2B+c", [("a", "1"), ("a", "2"), ("b", "+ c")]),
        (b"a=b=c&&d", [("a", "b=c"), ("d", "")]),
        (b"a=%zz&b=%ff", [("a", "%zz"), ("b", "\ufffd")]),
        (b"x=a;b", [("x", "a;b")]),
    ],
)
def test_queries_are_decoded_in_order(query: bytes | None, pairs: list[tuple[str, str]]) -> None:
    assert parse_query(query) == pairs


def test_http_apis_join_the_values_of_a_name() -> None:
    assert join_query([("a", "1"), ("b", ""), ("a", "2")]) == {"a": "1,2", "b": ""}
