"""Route choice: a method and the segments of a path → one route and the values of its path variables.

One tree per stage, built once. A tree is a function of the set of templates: the order of creation takes no part.
The two kinds of API choose differently, and both only among routes that have the verb:
REST takes the first of literal, `{param}`, `{proxy+}` at each segment, from the left, and backs out of dead ends;
HTTP takes any full match before any greedy one, the one with more literal segments first, then `$default`.
How a request target becomes segments is `http/paths.py`'s business; the same segments go to the backend.
Source: reference, "REST resources" and "HTTP API routes".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

VERBS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What `ANY` stands for (reference, "REST resources"); any other verb matches no route."""

PathValues = tuple[tuple[str, str], ...]
"""Path variables in the order of the template, `{proxy+}` as `proxy`."""

_NO_VALUES: Final[PathValues] = ()
_Rank = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Leaf(Generic[T]):
    """A route at the end of its template. names: its path variables. rank: smaller is chosen first (HTTP)."""

    route: T
    names: tuple[str, ...]
    rank: _Rank


class _Node(Generic[T]):
    """A point in the tree: what ends here and what follows, by verb."""

    __slots__ = ("greedy", "here", "literals", "param")

    def __init__(self) -> None:
        self.here: dict[str, _Leaf[T]] = {}
        self.greedy: dict[str, _Leaf[T]] = {}
        self.literals: dict[str, _Node[T]] = {}
        self.param: _Node[T] | None = None


def split_template(template: str) -> tuple[str, ...]:
    """The segments of a resource path or of a route key's path; `/` has none."""
    return tuple(template[1:].split("/")) if len(template) > 1 else ()


def variable_names(template: str) -> tuple[str, ...]:
    """The path variables of a template, in order, `{proxy+}` as `proxy`."""
    return tuple(part[1:-1].rstrip("+") for part in split_template(template) if part.startswith("{"))


def _rank(segments: tuple[str, ...]) -> _Rank:
    """HTTP: more literal segments first; among equals the literal further left; then the text, so that it is total.

    For greedy templates the literal *prefix* counts first (`/pets/{proxy+}` before `/{proxy+}`).
    """
    is_variable = tuple(segment.startswith("{") for segment in segments)
    prefix = is_variable.index(True) if True in is_variable else len(segments)
    literals = is_variable.count(False)
    greedy = bool(segments) and segments[-1].endswith("+}")
    return (-prefix, -literals, is_variable, segments) if greedy else (-literals, is_variable, segments)


class Router(Generic[T]):
    """The routes of one stage. `entries`: (verb or `ANY`, template, route)."""

    __slots__ = ("_literal", "_root")

    def __init__(self, entries: Iterable[tuple[str, str, T]]) -> None:
        self._root: _Node[T] = _Node()
        # Templates without variables are the best match of either kind, so they need no walk.
        self._literal: dict[str, dict[str, _Leaf[T]]] = {}
        # ANY goes in first, so that an explicit verb of the same template replaces it.
        for verb, template, route in sorted(entries, key=lambda entry: (entry[0] != "ANY", entry[0], entry[1])):
            self._add(verb, template, route)

    def _add(self, verb: str, template: str, route: T) -> None:
        segments = split_template(template)
        leaf = _Leaf(route, variable_names(template), _rank(segments))
        node, leaves = self._root, None
        for segment in segments:
            if segment.endswith("+}"):
                leaves = node.greedy
                break
            if segment.startswith("{"):
                node.param = node.param or _Node()
                node = node.param
            else:
                node = node.literals.setdefault(segment, _Node())
        if leaves is None:
            leaves = node.here
        for one in VERBS if verb == "ANY" else (verb,):
            # Of two templates that differ only in the names of variables one stays, whatever came first.
            leaves[one] = leaf
        if not leaf.names:
            self._literal[template] = node.here

    def find_literal(self, verb: str, path: str) -> T | None:
        """The route of a template without variables, by its whole text; the fast way in, None says nothing."""
        leaves = self._literal.get(path)
        if leaves is None:
            return None
        leaf = leaves.get(verb)
        return None if leaf is None else leaf.route

    def find_rest(self, verb: str, segments: Sequence[str]) -> tuple[T, PathValues] | None:
        """The method of a REST API for these raw segments (one slash at the end already ignored)."""
        return _search_rest(self._root, verb, segments, 0, [])

    def find_http(self, verb: str, segments: Sequence[str]) -> tuple[T, PathValues] | None:
        """The route of an HTTP API, `$default` apart, for these decoded segments; an empty last one is a slash."""
        best: tuple[_Leaf[T], tuple[str, ...]] | None = None
        for leaf, values in _full_matches(self._root, verb, segments, 0, ()):
            if best is None or leaf.rank < best[0].rank:
                best = leaf, values
        if best is None:
            for leaf, values in _greedy_matches(self._root, verb, segments, 0, ()):
                if best is None or leaf.rank < best[0].rank:
                    best = leaf, values
        return None if best is None else (best[0].route, tuple(zip(best[0].names, best[1], strict=True)))


def _search_rest(
    node: _Node[T], verb: str, segments: Sequence[str], index: int, values: list[str]
) -> tuple[T, PathValues] | None:
    if index == len(segments):
        leaf = node.here.get(verb)
        return None if leaf is None else (leaf.route, tuple(zip(leaf.names, values, strict=True)) or _NO_VALUES)
    segment = segments[index]
    following = node.literals.get(segment)
    if following is not None:
        found = _search_rest(following, verb, segments, index + 1, values)
        if found is not None:
            return found
    if node.param is not None and segment:
        values.append(segment)
        found = _search_rest(node.param, verb, segments, index + 1, values)
        if found is not None:
            return found
        values.pop()
    leaf = node.greedy.get(verb)
    if leaf is None:
        return None
    # The value has no slash at either end; nothing but slashes is no segment (reference, "REST resources").
    rest = "/".join(segments[index:]).strip("/")
    return (leaf.route, tuple(zip(leaf.names, [*values, rest], strict=True))) if rest else None


def _full_matches(
    node: _Node[T], verb: str, segments: Sequence[str], index: int, values: tuple[str, ...]
) -> Iterator[tuple[_Leaf[T], tuple[str, ...]]]:
    if index == len(segments):
        leaf = node.here.get(verb)
        if leaf is not None:
            yield leaf, values
        return
    segment = segments[index]
    if (following := node.literals.get(segment)) is not None:
        yield from _full_matches(following, verb, segments, index + 1, values)
    if node.param is not None and segment:
        yield from _full_matches(node.param, verb, segments, index + 1, (*values, segment))


def _greedy_matches(
    node: _Node[T], verb: str, segments: Sequence[str], index: int, values: tuple[str, ...]
) -> Iterator[tuple[_Leaf[T], tuple[str, ...]]]:
    """Greedy routes take one segment or more; after a literal prefix also the empty rest behind a slash."""
    if index == len(segments):
        return
    leaf = node.greedy.get(verb)
    if leaf is not None and (index > 0 or len(segments) > 1 or segments[0]):
        yield leaf, (*values, "/".join(segments[index:]))
    segment = segments[index]
    if (following := node.literals.get(segment)) is not None:
        yield from _greedy_matches(following, verb, segments, index + 1, values)
    if node.param is not None and segment:
        yield from _greedy_matches(node.param, verb, segments, index + 1, (*values, segment))


def allows_any(wanted: frozenset[str], held: Iterable[str]) -> bool:
    """Whether one of the scopes that a route asks for is held: whole strings, nothing else (attack G1)."""
    return not wanted.isdisjoint(held)


def parse_route_key(route_key: str) -> tuple[str, str] | None:
    """`GET /pets/{id}` → (verb, template); None for `$default`. Raises ValueError for what is no route key."""
    if route_key == "$default":
        return None
    verb, blank, template = route_key.partition(" ")
    if not blank or not template.startswith("/") or (verb != "ANY" and verb not in VERBS):
        raise ValueError(route_key)
    return verb, template
