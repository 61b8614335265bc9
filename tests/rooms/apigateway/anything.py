"""Requests that a service's model lets through, made of words that hurt and of ids that exist."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.model import Shape
from hypothesis import strategies as st

from tests.rooms.apigateway.driver import Service


class Requests:
    """labels: values that exist, by member. words: texts for all other members. paths: values of members `path`."""

    def __init__(
        self, service: Service, words: Sequence[str], labels: Mapping[str, Sequence[str]], paths: Sequence[str] = ()
    ) -> None:
        self.service = service
        self.words = words
        self.labels = labels
        self.paths = paths

    def request(self, name: str) -> st.SearchStrategy[dict[str, Any]]:
        return self.structure(self.service.operation(name).input_shape)

    def structure(self, shape: Shape | None) -> st.SearchStrategy[dict[str, Any]]:
        if shape is None:
            return st.just({})
        required = {name: self.member(name, shape.members[name]) for name in shape.required_members}
        optional = {name: self.member(name, member) for name, member in shape.members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)

    def member(self, name: str, shape: Shape) -> st.SearchStrategy[Any]:
        if name in self.labels:
            return st.sampled_from(self.labels[name]) | st.sampled_from(self.words[-2:])
        if name == "path":
            return st.sampled_from(self.paths)
        return self.value(shape)

    def value(self, shape: Shape) -> st.SearchStrategy[Any]:
        if getattr(shape, "enum", None):
            return st.sampled_from(shape.enum)
        match shape.type_name:
            case "structure":
                return self.structure(shape)
            case "list":
                return st.lists(self.value(shape.member), max_size=3)
            case "map":
                return st.dictionaries(st.sampled_from(self.words), self.value(shape.value), max_size=3)
            case "boolean":
                return st.booleans()
            case "integer" | "long":
                least, most = shape.metadata.get("min", -(2**31)), shape.metadata.get("max", 2**31 - 1)
                likely = [number for number in (0, 25, 300, 1000) if least <= number <= most]
                return st.integers(least, most) | st.sampled_from(likely)
            case "blob":
                return st.binary(max_size=20) | st.sampled_from([word.encode() for word in self.words])
            case "double":
                return st.floats(allow_nan=False, allow_infinity=False)
            case _:
                return st.sampled_from(self.words)
