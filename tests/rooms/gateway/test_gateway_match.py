"""Route choice, by tables of cases and by properties. Reference: "REST resources", "HTTP API routes"."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.gateway.match import VERBS, Router, allows_any, parse_route_key, variable_names
from scopegate.http.paths import parse_http_target, parse_rest_target


def rest(routes: list[str], verb: str, path: str) -> tuple[str, dict[str, str]] | None:
    """The route of a REST API whose stage is S."""
    router = Router([(*key.split(" "), key) for key in routes])
    target = parse_rest_target(f"/S{path}".encode())
    literal = router.find_literal(verb, target.match_path)
    found = router.find_rest(verb, target.segments)
    assert literal is None or (found is not None and found[0] == literal)  # the fast way in agrees with the walk
    return None if found is None else (found[0], dict(found[1]))


def http(routes: list[str], verb: str, path: str) -> tuple[str, dict[str, str]] | None:
    router = Router([(*key.split(" "), key) for key in routes])
    target = parse_http_target(path.encode(), ())
    literal = router.find_literal(verb, target.match_path)
    found = router.find_http(verb, target.segments)
    assert literal is None or (found is not None and found[0] == literal)
    return None if found is None else (found[0], dict(found[1]))


@pytest.mark.parametrize(
    ("routes", "verb", "path", "expected"),
    [
        (["GET /a", "GET /{p}"], "GET", "/a", ("GET /a", {})),
        (["GET /{p}", "GET /{proxy+}"], "GET", "/x", ("GET /{p}", {"p": "x"})),
        (["GET /{p}", "GET /{proxy+}"], "GET", "/x/y", ("GET /{proxy+}", {"proxy": "x/y"})),
        (["GET /part1", "GET /part1/hard", "GET /{p+}"], "GET", "/part1/random", ("GET /{p+}", {"p": "part1/random"})),
        (["POST /test", "OPTIONS /{proxy+}"], "OPTIONS", "/test", ("OPTIONS /{proxy+}", {"proxy": "test"})),
        (["POST /admin", "ANY /{proxy+}"], "GET", "/admin", ("ANY /{proxy+}", {"proxy": "admin"})),
        (["POST /a", "GET /{id}"], "GET", "/a", ("GET /{id}", {"id": "a"})),
        (["ANY /a", "GET /a"], "GET", "/a", ("GET /a", {})),
        (["ANY /a", "GET /a"], "PUT", "/a", ("ANY /a", {})),
        (["GET /a"], "HEAD", "/a", None),
        (["ANY /a"], "TRACE", "/a", None),
        (["ANY /{proxy+}"], "GET", "/", None),
        (["GET /a"], "GET", "/a/", ("GET /a", {})),
        (["GET /{proxy+}"], "GET", "/v/", ("GET /{proxy+}", {"proxy": "v"})),
        (["GET /p/{proxy+}"], "GET", "/p//", None),
        (["GET /{proxy+}"], "GET", "/v//w", ("GET /{proxy+}", {"proxy": "v//w"})),
        (["GET /p/{proxy+}"], "GET", "/p//w", ("GET /p/{proxy+}", {"proxy": "w"})),
        (["GET /hard"], "GET", "//hard", ("GET /hard", {})),
        (["GET /users/{name}"], "GET", "/users/J%20Doe", ("GET /users/{name}", {"name": "J%20Doe"})),
        (["GET /{a}/{b}", "GET /{one}"], "GET", "/x%2Fy", ("GET /{one}", {"one": "x%2Fy"})),
        (["GET /A"], "GET", "/a", None),
        (["GET /a/{x}/c"], "GET", "/a//c", None),
        (["GET /"], "GET", "", ("GET /", {})),
    ],
)
def test_a_rest_resource_is_chosen_segment_by_segment_among_those_that_have_the_verb(
    routes: list[str], verb: str, path: str, expected: tuple[str, dict[str, str]] | None
) -> None:
    assert rest(routes, verb, path) == expected
    assert rest(routes[::-1], verb, path) == expected


PETS = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}"]


@pytest.mark.parametrize(
    ("routes", "verb", "path", "expected"),
    [
        (PETS, "GET", "/pets/dog/1", "GET /pets/dog/1"),
        (PETS, "GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        (PETS, "GET", "/pets/cat/3", "GET /pets/{proxy+}"),
        (PETS, "POST", "/test/5", "ANY /{proxy+}"),
        (["ANY /a/b", "GET /a/{proxy+}"], "GET", "/a/b", "ANY /a/b"),
        (["GET /a/{x}", "ANY /a/b"], "GET", "/a/b", "ANY /a/b"),
        (["GET /{x}/b/c", "GET /a/{proxy+}"], "GET", "/a/b/c", "GET /{x}/b/c"),
        (["GET /a/{x}/{y}", "GET /{p}/b/c"], "GET", "/a/b/c", "GET /{p}/b/c"),
        (["GET /a/{x}/c", "GET /{p}/b/c"], "GET", "/a/b/c", "GET /a/{x}/c"),
        (["GET /{p}/b/{proxy+}", "GET /a/{proxy+}"], "GET", "/a/b/c", "GET /a/{proxy+}"),
        (["GET /items"], "GET", "/items/", None),
        (["GET /items", "GET /{proxy+}"], "GET", "/items/", "GET /{proxy+}"),
        (["GET /metrics/{proxy+}"], "GET", "/metrics/", "GET /metrics/{proxy+}"),
        (["GET /metrics/{proxy+}"], "GET", "/metrics", None),
        (["GET /{proxy+}"], "GET", "/", None),
        (["GET /items/{id}"], "GET", "//items/abc", "GET /items/{id}"),
        (["GET /items/{id}"], "GET", "/items/", None),
        (["GET /a/b", "GET /{x}"], "GET", "/a%2Fb", "GET /a/b"),
        (["GET /items/{id}"], "GET", "/items/a%252Eb", "GET /items/{id}"),
        (["GET /Items"], "GET", "/items", None),
        (["GET /a", "POST /{x}"], "POST", "/a", "POST /{x}"),
        (["ANY /a"], "HEAD", "/a", "ANY /a"),
        (["GET /a"], "HEAD", "/a", None),
        (["ANY /a"], "FOO", "/a", None),
    ],
)
def test_an_http_route_is_chosen_full_before_greedy_and_by_its_literals(
    routes: list[str], verb: str, path: str, expected: str | None
) -> None:
    found = http(routes, verb, path)

    assert (found and found[0]) == expected
    assert http(routes[::-1], verb, path) == found


def test_http_path_variables_are_decoded_once() -> None:
    """Reference, "HTTP API routes": `%25` is the exception, so nothing can be decoded twice."""
    assert http(["GET /u/{name}"], "GET", "/u/J%20Doe") == ("GET /u/{name}", {"name": "J Doe"})
    assert http(["GET /u/{name}"], "GET", "/u/a%252Eb") == ("GET /u/{name}", {"name": "a%252Eb"})


def test_a_route_key_is_a_verb_and_a_path_or_the_default() -> None:
    assert parse_route_key("GET /pets/{id}") == ("GET", "/pets/{id}")
    assert parse_route_key("$default") is None
    for key in ("GET", "get /a", "TRACE /a", "GET a", "/a", ""):
        with pytest.raises(ValueError, match=key or "^$"):
            parse_route_key(key)


SEGMENT = st.sampled_from(["a", "b", "{x}", "{y}"])
TEMPLATE = st.builds(
    lambda parts, greedy: "/" + "/".join(parts + (["{proxy+}"] if greedy else [])),
    st.lists(SEGMENT, max_size=3),
    st.booleans(),
)
KEY = st.builds(lambda verb, template: f"{verb} {template}", st.sampled_from(["GET", "POST", "ANY"]), TEMPLATE)
PATH = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(KEY, unique=True, max_size=8), st.sampled_from(["GET", "POST", "PUT"]), PATH, st.randoms())
def test_the_order_of_creation_takes_no_part(keys: list[str], verb: str, path: str, chance: random.Random) -> None:
    shuffled = list(keys)
    chance.shuffle(shuffled)

    assert rest(keys, verb, path) == rest(shuffled, verb, path)
    assert http(keys, verb, path) == http(shuffled, verb, path)


@given(st.lists(KEY, unique=True, max_size=8), st.sampled_from(VERBS), PATH)
def test_what_is_matched_has_the_verb_and_spells_the_path(keys: list[str], verb: str, path: str) -> None:
    """The route that was allowed is the route that is forwarded: template and values give the path back."""
    for found in (rest(keys, verb, path), http(keys, verb, path)):
        if found is None:
            continue
        key, values = found
        own_verb, template = key.split(" ")
        assert own_verb in (verb, "ANY")
        assert set(values) == set(variable_names(template))
        if len(variable_names(template)) == len(set(variable_names(template))):
            filled = template.replace("{proxy+}", values.get("proxy", ""))
            for name, value in values.items():
                filled = filled.replace("{" + name + "}", value)
            assert filled == path


SCOPE = st.text(alphabet="ordes/readwit.*+-x", min_size=1, max_size=12)


@given(SCOPE, SCOPE)
def test_scopes_match_whole_words_only(granted: str, wanted: str) -> None:
    """Attack G1."""
    assert allows_any(frozenset({wanted}), (granted,)) is (granted == wanted)


@given(st.lists(SCOPE, max_size=4), st.lists(SCOPE, min_size=1, max_size=4))
def test_any_one_scope_of_the_route_is_enough(granted: list[str], wanted: list[str]) -> None:
    assert allows_any(frozenset(wanted), granted) is any(one in wanted for one in granted)
