"""Code of functions: local folders and inline text → zips that are the same bytes for the same contents."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT: Final = frozenset({".git", "__pycache__", ".venv", ".scopegate", ".aws-sam", ".pytest_cache"})


def inline_code(runtime: str, source: str) -> bytes:
    """`Code.ZipFile` text as a zip of one file: `index.py` or `index.js` (`.mjs` for ES modules)."""
    if runtime.startswith("python"):
        name = "index.py"
    else:
        lines = (line.lstrip() for line in source.splitlines())
        is_module = any(line.startswith(("import ", "export ")) for line in lines)
        name = "index.mjs" if is_module else "index.js"
    return _zip([(name, source.encode(), 0o644)])


def pack_folder(folder: Path) -> tuple[bytes, str]:
    """(zip, SHA-256 in hex) of a code folder; a folder's contents alone decide the bytes."""
    packed = _zip(_files(folder))
    return packed, hashlib.sha256(packed).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, bytes, int]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not _LEFT_OUT.intersection(inside.parts):
            yield inside.as_posix(), path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644


def _zip(files: Iterator[tuple[str, bytes, int]] | list[tuple[str, bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()
