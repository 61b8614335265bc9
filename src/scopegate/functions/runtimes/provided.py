"""`provided.al2023`, `provided.al2`: the package brings its own executable, `bootstrap`, that speaks the Runtime API.

Source: reference page "provided.al2023, provided.al2".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scopegate.functions.model import Definition


def wanted_version(identifier: str) -> None:
    return None


def command(bootstraps: Path) -> Sequence[str]:
    return ()


def variables(definition: Definition) -> Mapping[str, str]:
    return {}
