"""Code packages: a zip archive becomes a read-only code directory, safely and whole, or not at all.

What an archive may hold is decided from its table of contents before anything is written; then it is written to a new
directory beside the final one, which takes its name by one rename. The other way, folder → archive, is `stacks/build`.
Source: reference page "Code packages"; attack F1.
"""

import base64
import calendar
import contextlib
import copy
import hashlib
import io
import os
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scopegate.base.errors import AwsError
from scopegate.base.limits import limit

_CHUNK_BYTES: Final = 1_048_576
_LINK_BYTES: Final = 4096  # the longest target of a symbolic link
_LINK_STEPS: Final = 40  # as the kernel follows
_NAME_BYTES: Final = 255
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x41  # bits 0 and 6 of the general purpose flags


@dataclass(frozen=True, slots=True)
class Package:
    """An unpacked archive."""

    directory: Path
    code_sha256: str  # of the archive's bytes, base64 as CodeSha256 has it
    code_size: int  # bytes of the archive
    unzipped_bytes: int


@dataclass(frozen=True, slots=True)
class _Entry:
    info: zipfile.ZipInfo
    kind: str  # file, folder or link
    mode: int


def unpack(archive: bytes, code_root: Path) -> Package:
    """Unpack a zip archive to `code_root/<sha256 in hex>`; an archive that lies there already is not unpacked again.

    1 it is a zip archive with entries, no more of them than the limit, none overlapping another
    2 each entry is a plain file, a folder or a symbolic link, not encrypted, in a method that is known
    3 each name is relative, without `..`, and unlike every other, also where case does not matter
    4 together they stay below the limit when unpacked
    5 no entry lies below a file or a symbolic link, and every symbolic link ends inside the package
    6 the files are written to a new directory, counted against what was declared, and made read-only
    7 the directory takes its final name

    Raises AwsError(InvalidParameterValueException) for an archive that breaks one of these; nothing of it stays.
    """
    digest = hashlib.sha256(archive)
    directory = code_root / digest.hexdigest()
    code_sha256 = base64.b64encode(digest.digest()).decode()
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = _check(opened, len(archive))
            size = sum(entry.info.file_size for entry in entries.values())
            if not directory.is_dir():
                _write(opened, entries, code_root, directory)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as error:
        raise _not_a_zip(str(error)) from error
    return Package(directory, code_sha256, len(archive), size)


def _not_a_zip(log: str) -> AwsError:
    text = "Could not unzip uploaded file. Please check your file, then try to upload again."
    return AwsError("InvalidParameterValueException", text, log=log)


def _check(opened: zipfile.ZipFile, archive_bytes: int) -> Mapping[str, _Entry]:
    """Steps 1 to 5."""
    # 1
    infos = opened.infolist()
    if not infos:
        raise AwsError("InvalidParameterValueException", "Uploaded file must be a non-empty zip")
    if len(infos) > limit("functions.zip_entries"):
        raise _not_a_zip(f"{len(infos)} entries")
    if sum(info.compress_size for info in infos) > archive_bytes:
        raise _not_a_zip("entries overlap")

    entries: dict[str, _Entry] = {}
    folded: set[str] = set()
    for info in infos:
        # 2
        entry = _entry(info)
        # 3
        name = _clean_name(info.filename)
        if not name and entry.kind == "folder":
            continue  # the package's own root, as some archivers write it
        fold = unicodedata.normalize("NFC", name).casefold()
        if not name or fold in folded:
            raise _not_a_zip(f"name clash: {name!r}")
        folded.add(fold)
        entries[name] = entry
    # 4
    largest = limit("functions.unzipped_bytes")
    if sum(entry.info.file_size for entry in entries.values()) > largest:
        raise AwsError("InvalidParameterValueException", f"Unzipped size must be smaller than {largest} bytes")
    # 5
    targets = {name: _read_target(opened, entry) for name, entry in entries.items() if entry.kind == "link"}
    for name in entries:
        for parent in _parents(name):
            if parent in entries and entries[parent].kind != "folder":
                raise _not_a_zip(f"{name!r} lies below {parent!r}, which is no folder")
    for name in targets:
        _follow(name, targets)
    return entries


def _entry(info: zipfile.ZipInfo) -> _Entry:
    if info.flag_bits & _ENCRYPTED:
        raise _not_a_zip("encrypted")
    if info.compress_type not in _METHODS:
        raise _not_a_zip(f"compression method {info.compress_type}")
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if info.is_dir():
        if kind not in (0, stat.S_IFDIR) or info.file_size:
            raise _not_a_zip("a folder that is none")
        return _Entry(info, "folder", 0o755)
    if kind == stat.S_IFLNK:
        if info.file_size > _LINK_BYTES:
            raise _not_a_zip("a symbolic link to a very long name")
        return _Entry(info, "link", 0o777)
    if kind not in (0, stat.S_IFREG):
        raise _not_a_zip("a device, socket or pipe")
    # Everyone may read, as the function's user is nobody in particular: Python's zipfile stores 0600 unless it is told
    # otherwise. Who may execute is as stored; write and set-user-id bits go.
    return _Entry(info, "file", 0o444 | (0o111 if mode & 0o111 else 0))


def _clean_name(raw_name: str) -> str:
    """The name without `.` components and closing slash. Raises for one that could mean a place outside."""
    if raw_name.startswith("/") or "\0" in raw_name:
        raise _not_a_zip("an absolute name")
    parts = [part for part in raw_name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _not_a_zip("a name with ..")
    if any(len(part.encode("utf-8", "surrogateescape")) > _NAME_BYTES for part in parts) or len(raw_name) > _LINK_BYTES:
        raise _not_a_zip("a very long name")
    return "/".join(parts)


def _parents(name: str) -> Iterator[str]:
    at = name.rfind("/")
    while at > 0:
        yield name[:at]
        at = name.rfind("/", 0, at)


def _read_target(opened: zipfile.ZipFile, entry: _Entry) -> str:
    with opened.open(entry.info) as file:
        target = file.read(_LINK_BYTES + 1)
    try:
        return target.decode()
    except UnicodeDecodeError:
        raise _not_a_zip("a symbolic link to a name that is not UTF-8") from None


def _follow(name: str, targets: Mapping[str, str]) -> None:
    """Walk a symbolic link as the kernel would, in the package alone. Raises when it leaves it or never ends."""
    place: list[str] = name.split("/")[:-1]
    rest = _target_parts(targets[name])
    steps = 1
    while rest:
        part = rest.pop(0)
        if part == "..":
            if not place:
                raise _not_a_zip(f"the symbolic link {name!r} leaves the package")
            place.pop()
            continue
        reached = "/".join([*place, part])
        if reached in targets:
            steps += 1
            if steps > _LINK_STEPS:
                raise _not_a_zip(f"the symbolic link {name!r} has no end")
            rest = _target_parts(targets[reached]) + rest
        else:
            place.append(part)


def _target_parts(target: str) -> list[str]:
    if not target or target.startswith("/") or "\0" in target:
        raise _not_a_zip("a symbolic link to an absolute name")
    return [part for part in target.split("/") if part not in ("", ".")]


def _write(opened: zipfile.ZipFile, entries: Mapping[str, _Entry], code_root: Path, directory: Path) -> None:
    """Steps 6 and 7."""
    code_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=code_root))
    try:
        # 6
        for name, entry in entries.items():
            path = fresh / name
            if entry.kind == "folder":
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == "link":
                path.symlink_to(_read_target(opened, entry))
            else:
                _write_file(opened, entry, path)
        for folder, _, _ in os.walk(fresh, topdown=False):
            Path(folder).chmod(0o555)
        # 7
        try:
            fresh.rename(directory)
        except OSError:
            # Somebody else unpacked the same bytes at the same time.
            if not directory.is_dir():
                raise
            remove(fresh)
    except BaseException:
        remove(fresh)
        raise


def merge(directories: Sequence[Path], target: Path) -> None:
    """Lay unpacked packages over one another, the later over the earlier, in a new directory beside them.

    Files are linked, not copied. No symbolic link of a package is followed: where another has a folder of its name,
    one takes the place of the other.
    """
    fresh = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        for directory in directories:
            for place, folders, names in os.walk(directory):
                here = fresh / Path(place).relative_to(directory)
                links = [name for name in folders if (Path(place) / name).is_symlink()]
                for name in folders:
                    if name not in links and not _is_folder(here / name):
                        _clear(here / name)
                        (here / name).mkdir()
                for name in (*names, *links):
                    _clear(here / name)
                    os.link(Path(place) / name, here / name, follow_symlinks=False)
        for folder, _, _ in os.walk(fresh, topdown=False):
            Path(folder).chmod(0o555)
        try:
            fresh.rename(target)
        except OSError:
            # Somebody else merged the same packages at the same time.
            if not target.is_dir():
                raise
            remove(fresh)
    except BaseException:
        remove(fresh)
        raise


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _clear(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_file(opened: zipfile.ZipFile, entry: _Entry, path: Path) -> None:
    left = entry.info.file_size
    # zipfile would cut an entry silently where its table of contents says that it ends.
    info = copy.copy(entry.info)
    info.file_size += 1
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with opened.open(info) as source, open(os.open(path, flags, 0o600), "wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            left -= len(chunk)
            target.write(chunk)
        if left:
            raise _not_a_zip("an entry larger or smaller than it says")
        target.flush()  # a later write would be a later modification
        moment = _epoch_of(entry.info.date_time)
        os.utime(target.fileno(), (moment, moment))
        os.fchmod(target.fileno(), entry.mode)


def _epoch_of(moment: tuple[int, int, int, int, int, int]) -> int:
    """A zip's local time, read as UTC; the format's "no date" (month 0) is its first day."""
    year, month, day, *rest = moment
    return calendar.timegm((year, max(month, 1), max(day, 1), *rest))


def remove(directory: Path) -> None:
    """Delete a code directory, read-only as it is."""
    with contextlib.suppress(OSError):
        for folder, _, _ in os.walk(directory):
            Path(folder).chmod(0o700)
        shutil.rmtree(directory, ignore_errors=True)
