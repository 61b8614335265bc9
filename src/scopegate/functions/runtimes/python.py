"""Python functions: `python3.N`, run by our own bootstrap under an installed interpreter.

Source: reference pages "Variables", "Python: handler string and load errors".
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from scopegate.functions.model import Definition
from scopegate.functions.runtimes.binaries import Binary, on_path, read_binaries

_OLDEST: Final = (3, 6, 0)  # the bootstrap's own
_QUESTION: Final = ("-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.prefix)")


def wanted_version(identifier: str) -> str:
    return identifier.removeprefix("python")


@cache
def find_binaries() -> tuple[Binary, ...]:
    return tuple(one for one in read_binaries(_places(), _QUESTION) if one.version >= _OLDEST)


def _places() -> Iterator[Path]:
    yield from on_path(r"python3(\.\d+)?")
    home = Path.home()
    for versions in (home / ".pyenv/versions", home / ".local/share/uv/python"):
        if versions.is_dir():
            for version in sorted(versions.iterdir()):
                yield version / "bin" / "python3"
    yield Path(sys.executable)


def command(bootstraps: Path) -> Sequence[str]:
    """`-S`: the machine's own packages are no part of a function. `-B`: the code directory is read-only."""
    return ("-S", "-B", str(bootstraps / "bootstrap.py"))


def variables(definition: Definition) -> Mapping[str, str]:
    minor = int(definition.runtime.rpartition(".")[2])
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{definition.runtime}",
        "PYTHONPATH": "/var/runtime",
        **({"LC_CTYPE": "C.UTF-8"} if minor >= 12 else {}),
    }
