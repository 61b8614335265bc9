"""Interpreters on this machine: where to look, which version a binary is, who may use it."""

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_ASK_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Binary:
    """executable: the real file, no symbolic link or shim. home: the tree it needs, None when the system's."""

    executable: Path
    home: Path | None
    version: tuple[int, ...]

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


def on_path(pattern: str) -> Iterator[Path]:
    """Files on PATH whose name matches, in order; shims excepted."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for place in dict.fromkeys([*places, "/usr/local/bin", "/usr/bin"]):
        folder = Path(place)
        if folder.name == "shims" or not folder.is_absolute():
            continue
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        yield from (folder / name for name in names if re.fullmatch(pattern, name))


def read_binaries(paths: Iterable[Path], question: tuple[str, ...]) -> tuple[Binary, ...]:
    """Ask each distinct executable for its version and home (two lines); what does not answer is left out."""
    found: dict[Path, Binary] = {}
    for path in paths:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        if real in found or not os.access(real, os.X_OK) or not _is_program(real):
            continue
        binary = _ask(real, question)
        if binary is not None:
            found[real] = binary
    return tuple(found.values())


def _is_program(path: Path) -> bool:
    """Scripts under an interpreter's name are shims and wrappers."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


@cache
def _ask(executable: Path, question: tuple[str, ...]) -> Binary | None:
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter that the machine offers
            [executable, *question],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split("\n")
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", lines[0])
    if done.returncode or match is None:
        return None
    home = Path(lines[1]).resolve() if len(lines) > 1 and lines[1] else executable.parent
    system = home == Path("/usr") or Path("/usr") in home.parents
    return Binary(executable, None if system else home, tuple(int(part) for part in match.groups()))


@cache
def is_reachable(path: Path) -> bool:
    """Whether any user of this machine can read what lies at a path, by mode bits from the root down."""
    try:
        for folder in path.parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                return False
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
