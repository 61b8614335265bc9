"""Local code of templates → zips that are the same bytes for the same files, uploaded under their digests.

Runs where the files are, which is where the command line is; the server sees digests only.
Source: SAM, "AWS::Serverless::Function" (CodeUri, InlineCode); reference, lambda page, "`Code.ZipFile` inline".
"""

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from scopegate.stacks.read import Template

BUCKET: Final = "scopegate-artifacts"

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
# What tools keep beside code, and this server's own data; `node_modules` is code.
_LEFT_OUT: Final = frozenset(
    {".aws-sam", ".cache", ".git", ".mypy_cache", ".npm", ".nyc_output", ".parcel-cache", ".pytest_cache"}
    | {".ruff_cache", ".scopegate", ".tox", ".turbo", ".venv", "__pycache__"}
)


class Uploader(Protocol):
    """This server's own API, as the command line reaches it."""

    def own(self, method: str, path: str, body: bytes = b"") -> Any: ...


def package(client: Uploader | None, template: Template) -> dict[str, dict[str, Any]]:
    """Upload local code, as `sam package` does: logical id → the property that names what was uploaded.

    client: None uploads nothing and gives the same answer. Paths are relative to the template's folder.
    """
    base = Path(template.file).parent
    default = ((template.document.get("Globals") or {}).get("Function") or {}).get("CodeUri")
    uploaded: dict[str, dict[str, Any]] = {}
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties") or {}
        if resource["Type"] == "AWS::Serverless::Function" and "InlineCode" not in properties:
            given, member = properties.get("CodeUri", default if default is not None else "."), "CodeUri"
        elif resource["Type"] == "AWS::Lambda::Function" and isinstance(properties.get("Code"), str):
            given, member = properties["Code"], "Code"
        else:
            continue
        if not isinstance(given, str) or given.startswith("s3://"):
            continue
        key = _upload(client, template, base / given, ("Resources", logical_id, "Properties", member))
        location = f"s3://{BUCKET}/{key}" if member == "CodeUri" else {"S3Bucket": BUCKET, "S3Key": key}
        uploaded[logical_id] = {member: location}
    return uploaded


def _upload(client: Uploader | None, template: Template, path: Path, where: tuple[str, ...]) -> str:
    if path.is_dir():
        packed = pack_folder(path)
    elif path.is_file():
        packed = path.read_bytes()
    else:
        raise template.error(f"The code {path} is not there", *where)
    sha256 = hashlib.sha256(packed).hexdigest()
    if client is not None:
        client.own("PUT", f"artifacts/{sha256}", packed)
    return sha256


def pack_folder(folder: Path) -> bytes:
    """A zip archive of a folder's files, the same bytes for the same files: sorted, dated 1980, 0755 or 0644.

    Symbolic links stay links. Compiled Python and what tools keep beside code are left out.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(_files_below(folder)):
            info = _entry(path.relative_to(folder).as_posix())
            if path.is_symlink():
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, os.readlink(path))
            else:
                info.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
    return packed.getvalue()


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        here = Path(place)
        yield from (here / name for name in folders if (here / name).is_symlink())
        yield from (here / name for name in names if not name.endswith(".pyc"))


def inline_code(runtime: str, source: str) -> bytes:
    """`Code.ZipFile` text as a zip of one file: `index.py` or `index.js` (`.mjs` for ES modules)."""
    if runtime.startswith("python"):
        name = "index.py"
    else:
        lines = (line.lstrip() for line in source.splitlines())
        is_module = any(line.startswith(("import ", "export ")) for line in lines)
        name = "index.mjs" if is_module else "index.js"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = _entry(name)
        info.external_attr = 0o644 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, source)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix: the mode bits count
    return info
