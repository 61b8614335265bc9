"""Functions as invocations see them: frozen, with everything that can be addressed of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scopegate.aws.policy import Policy
from scopegate.functions.references import LATEST, FunctionRef, find_reference

Key = tuple[str, str, str]  # account, region, name


@dataclass(frozen=True, slots=True)
class Version:
    """One version, as it is run. configuration: FunctionConfiguration. environment: the user's variables."""

    version: str
    configuration: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """weights: (version, share) of further versions; the rest goes to `version`."""

    version: str
    weights: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function with everything that can be addressed of it. policies: by qualifier, "" for the function itself."""

    ref: FunctionRef
    versions: Mapping[str, Version]
    aliases: Mapping[str, Alias]
    policies: Mapping[str, Policy]
    reserved_concurrency: int | None

    @property
    def runtime(self) -> str:
        return str(self.versions[LATEST].configuration.get("Runtime", ""))


@dataclass(frozen=True, slots=True)
class View:
    """All functions, at one moment."""

    function_by_key: Mapping[Key, Function]

    def find(self, ref: FunctionRef) -> Function | None:
        return self.function_by_key.get((ref.account, ref.region, ref.name))

    def find_function(self, function_arn: str) -> Function | None:
        """The function of an ARN whose qualifier, if any, exists."""
        ref = find_reference(function_arn)
        function = None if ref is None else self.find(ref)
        if ref is None or function is None:
            return None
        known = ref.qualifier is None or ref.qualifier in function.versions or ref.qualifier in function.aliases
        return function if known else None

    def all_functions(self) -> Iterator[Function]:
        """In the order of their keys."""
        return (self.function_by_key[key] for key in sorted(self.function_by_key))
