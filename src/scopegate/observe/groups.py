"""Log groups: lines that stages of APIs log, in a bounded file for each group, with at most one older beside it.

Every process of a node appends to the same files, in batches, and anyone of them reads them. What other log groups
there are on AWS is not here: a function's log is kept by whoever runs functions.
"""

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from scopegate.base.limits import limit

_BUFFER_BYTES: Final = 262_144
_FILE_BYTES: Final = limit("observe.log_group_bytes")
_READ_BYTES: Final = 1_048_576
_LONGEST_NAME: Final = 200  # of a file, without its ending


class Group(NamedTuple):
    """A log group by its owner and name."""

    account: str
    region: str
    name: str


class LogGroups:
    """The log groups of one data directory. Lines wait in memory until `flush`, called often and at the end."""

    __slots__ = ("_folder", "_lines", "_size")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: defaultdict[Group, list[str]] = defaultdict(list)
        self._size = 0

    def add(self, group: Group, line: str) -> None:
        """line: without a newline."""
        self._lines[group].append(line)
        self._size += len(line) + 1
        if self._size > _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered. A full disk costs log lines, never a call."""
        if not self._size:
            return
        buffered, self._size = dict(self._lines), 0
        self._lines.clear()
        for group, lines in buffered.items():
            with contextlib.suppress(OSError):
                self._append(self._path(group), ("\n".join(lines) + "\n").encode("utf-8", "replace"))

    def _append(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody but the server's user may read who called what.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, data)
            full = os.fstat(descriptor).st_size > _FILE_BYTES
        finally:
            os.close(descriptor)
        if full:
            path.replace(path.with_suffix(".log.1"))

    def _path(self, group: Group) -> Path:
        name = quote(group.name, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / quote(group.account, safe="") / quote(group.region, safe="") / f"{name}.log"

    def names(self, account: str, region: str) -> list[str]:
        """The groups that have lines."""
        return sorted(unquote(path.stem) for path in self._path(Group(account, region, "x")).parent.glob("*.log"))

    def read(self, group: Group, lines: int, since: int | None) -> tuple[Sequence[str], int]:
        """(what was written after position `since`, else the last `lines`; the position now), each with its newline."""
        try:
            with self._path(group).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if since is not None and since <= size:
                    file.seek(since)
                    found = file.read(size - since).splitlines(keepends=True)
                else:
                    # A file that is shorter than it was has begun anew.
                    file.seek(max(0, size - _READ_BYTES))
                    found = file.read(_READ_BYTES).splitlines(keepends=True)[-lines:]
        except OSError:
            return [], 0
        return [line.decode("utf-8", "replace") for line in found], size
