"""When the files of a deployment change: templates, what they include, code and layers.

What counts is what lies there: names, sizes and times are compared with those of the last look. The kernel only says
when to look, so that a save by rename, a burst of saves and a folder that comes and goes are all one change.
Editors' own files, caches and `node_modules` are not looked at; a package.json is.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from watchfiles._rust_notify import RustNotify  # `watchfiles.watch` does not say when it has begun to listen

from scopegate.stacks.builders import LEFT_OUT, is_editors
from scopegate.stacks.project import Project

_NOT_WATCHED: Final = LEFT_OUT | {"node_modules"}
_QUIET_MS: Final = 30  # without a further change: the save is over
_LONGEST_BURST_MS: Final = 500
_POLL_MS: Final = 100
_LOOK_MS: Final = 2_000  # a look without being told: what the kernel does not tell of is found as well

Stamp = tuple[int, int, int]
"""Modification time, size and inode of a file."""


def paths_of(projects: Iterable[Project]) -> set[Path]:
    """The folders and files of which stacks are made."""
    return set[Path]().union(*(project.paths() for project in projects))


class Watch:
    """Looks at paths, and tells which files below them have changed since."""

    def __init__(self, paths: Collection[Path]) -> None:
        self._paths: set[Path] = set()
        self._seen: dict[Path, Stamp] = {}
        self._watched: frozenset[Path] = frozenset()
        self._notifier: RustNotify | None = None
        self._polling = False
        self.look_at(paths)

    def look_at(self, paths: Collection[Path]) -> None:
        """From now on at these. What was looked at before is compared with the last look, the rest with this one."""
        wanted = {path.absolute() for path in paths}
        for path in wanted - self._paths:
            self._seen |= _stamps(path)
        self._paths = wanted
        self._seen = {path: stamp for path, stamp in self._seen.items() if any(map(path.is_relative_to, wanted))}

    def changes(self) -> set[Path]:
        """The files that are new, gone or different since the last look."""
        now: dict[Path, Stamp] = {}
        for path in self._paths:
            now |= _stamps(path)
        changed = {path for path in now.keys() | self._seen.keys() if now.get(path) != self._seen.get(path)}
        self._seen = now
        return changed

    def wait(self) -> set[Path]:
        """The next changes, once they have come to rest."""
        while True:
            places = self._places()
            if self._notifier is None or places != self._watched:
                self._listen(places)
            # Only now that the kernel tells: what was saved before is not waited for.
            if changed := self.changes():
                return changed | self._changes_until_quiet()
            self._sleep(_LOOK_MS)

    def _changes_until_quiet(self) -> set[Path]:
        """What changes beside: some editors empty a file before they write it."""
        changed: set[Path] = set()
        for _ in range(_LONGEST_BURST_MS // _QUIET_MS):  # a file that is written without end waits for nobody
            self._sleep(_QUIET_MS)
            more = self.changes()
            if not more:
                break
            changed |= more
        return changed

    def _sleep(self, timeout_ms: int) -> None:
        """Until the kernel tells of a change and none follows it, or for that long."""
        if self._notifier is not None:
            self._notifier.watch(_LONGEST_BURST_MS, _QUIET_MS, timeout_ms, None)

    def _listen(self, places: frozenset[Path]) -> None:
        if self._notifier is not None:
            self._notifier.close()
        names = [str(place) for place in places]
        try:
            self._notifier = RustNotify(names, False, self._polling, _POLL_MS, False, True)
        except FileNotFoundError:
            self._notifier = None  # a folder went away meanwhile
        except OSError:
            # The kernel watches no more folders for this user.
            self._polling = True
            self._notifier = RustNotify(names, False, True, _POLL_MS, False, True)
        self._watched = places

    def _places(self) -> frozenset[Path]:
        """The folders in which a change may happen; for one that is not there the nearest that is."""
        found: set[Path] = set()
        for path in self._paths:
            if path.is_dir():
                found.update(folder for folder, _ in _folders(path))
            found.add(next(parent for parent in path.parents if parent.is_dir()))
        return frozenset(found)


def _folders(top: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, below, names in os.walk(top):
        below[:] = [name for name in below if name not in _NOT_WATCHED]
        yield Path(folder), names


def _stamps(path: Path) -> dict[Path, Stamp]:
    """Of a file, or of all files below a folder."""
    stamps: dict[Path, Stamp] = {}
    files = [path]
    if path.is_dir():
        files = [folder / name for folder, names in _folders(path) for name in names]
    for file in files:
        if file.suffix == ".pyc" or is_editors(file.name):
            continue
        try:
            status = file.stat()
        except OSError:
            continue
        stamps[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return stamps
