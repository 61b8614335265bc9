"""Local code of templates → zips that are the same bytes for the same files, uploaded under their digests.

Runs where the files are, which is where the command line is; the server sees digests only. How code that is not built
yet is built is `builders.py`'s affair.
Source: AWS SAM, CodeUri, ContentUri, InlineCode; CloudFormation, `package`; reference, lambda page, "`Code.ZipFile`
inline" and "Code packages".
"""

import contextlib
import hashlib
import io
import os
import posixpath
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Protocol

from scopegate.base import names
from scopegate.base.errors import SetupError
from scopegate.base.limits import limit
from scopegate.stacks.builders import LEFT_OUT, Builder, Part, Source, is_editors
from scopegate.stacks.read import Template
from scopegate.stacks.responders import modules_of

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES: Final = 1_048_576
_ZIPS: Final = (".zip", ".jar")
_SCRIPTS: Final = (".js", ".mjs", ".cjs")


class Uploader(Protocol):
    """This server's own API, as the command line reaches it."""

    def own(self, method: str, path: str, body: bytes | BinaryIO = b"") -> Any: ...


@dataclass(frozen=True, slots=True)
class Code:
    """A property of a template that names local code.

    member: the property. path: the folder or file. resource: as in the template.
    """

    logical_id: str
    member: str
    path: Path
    source: Source

    @property
    def where(self) -> tuple[str, ...]:
        return ("Resources", self.logical_id, "Properties", self.member)

    def location(self, key: str) -> Any:
        """The property's value once the code is uploaded."""
        if self.member in ("Code", "Content"):
            return {"S3Bucket": names.ARTIFACTS_BUCKET, "S3Key": key}
        return f"s3://{names.ARTIFACTS_BUCKET}/{key}"


# The property that names the code of a type, and its value where the template leaves it out.
_MEMBERS: Final[Mapping[str, tuple[str, str | None]]] = {
    "AWS::Lambda::Function": ("Code", None),
    "AWS::Lambda::LayerVersion": ("Content", None),
    "AWS::Serverless::Function": ("CodeUri", "."),
    "AWS::Serverless::LayerVersion": ("ContentUri", None),
}


def local_code(template: Template) -> Iterator[Code]:
    """Every property that names code on this machine, whether it is there or not. Paths are from the template's."""
    base = Path(template.file).parent
    shared = (template.document.get("Globals") or {}).get("Function") or {}
    for logical_id, resource in template.resources.items():
        member, default = _MEMBERS.get(resource["Type"], ("", None))
        own = resource.get("Properties") or {}
        if not member or not isinstance(own, dict):
            continue
        properties = {**shared, **own} if resource["Type"] == "AWS::Serverless::Function" else own
        if "InlineCode" in properties or properties.get("PackageType") == "Image":
            continue
        given = properties.get(member, default)
        if not isinstance(given, str) or given.startswith("s3://"):
            continue
        metadata = resource.get("Metadata") or {}
        path = base / given
        yield Code(
            logical_id,
            member,
            path,
            Source(
                logical_id,
                path,
                runtime=_plain(template, properties.get("Runtime")),
                handler=_plain(template, properties.get("Handler")),
                is_layer=resource["Type"].endswith("LayerVersion"),
                method=_plain(template, metadata.get("BuildMethod")),
                options=metadata.get("BuildProperties") or {},
                built=_is_built(path, metadata),
            ),
        )


def _is_built(path: Path, metadata: Mapping[str, Any]) -> bool:
    """Whether `sam build` made it, or the template says that nothing is to be built."""
    return ".aws-sam" in path.absolute().parts or "SamResourceId" in metadata or metadata.get("SkipBuild") is True


def _plain(template: Template, value: Any) -> str:
    """A text, or the default of the parameter that is referred to; empty for what is known at deployment only."""
    if isinstance(value, dict) and value.keys() == {"Ref"}:
        parameters = template.document.get("Parameters") or {}
        value = (parameters.get(value["Ref"]) or {}).get("Default")
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Packed:
    """Code as it went up. signature: of the files that it was made of. properties: what takes the template's place."""

    code: Code
    signature: str
    key: str
    properties: dict[str, Any]


Remembered = dict[tuple[str, str], Packed]
"""(template's file, logical id) → what went up last."""


def package(
    client: Uploader | None,
    template: Template,
    builder: Builder | None = None,
    remembered: Remembered | None = None,
) -> dict[str, dict[str, Any]]:
    """Build and upload local code, as `sam build` and `sam package` do: logical id → properties that take its place.

    client: None uploads nothing and gives the same answer. builder: None takes code as it lies there.
    remembered: what went up before, in which files that have not changed since are not packed again; it is kept.
    Raises TemplateError for code that is not there or cannot be built.
    """
    uploaded: dict[str, dict[str, Any]] = {}
    shared: dict[str, Packed] = {}  # functions of one folder, each with a handler of its own
    for code in local_code(template):
        place = (template.file, code.logical_id)
        signature = "" if remembered is None else _signature(code)
        packed = None if remembered is None else remembered.get(place)
        if packed is None or not signature or (packed.code, packed.signature) != (code, signature):
            packed = shared.get(_made_of(code))
        if packed is None or not _is_held(client, packed.key):
            with tempfile.TemporaryFile() as file:
                properties = _pack(template, code, builder, file)
                file.seek(0)
                packed = Packed(code, signature, hashlib.file_digest(file, "sha256").hexdigest(), properties)
                if client is not None and not _is_held(client, packed.key):
                    file.seek(0)
                    client.own("PUT", f"artifacts/{packed.key}", file)
        packed = shared[_made_of(code)] = replace(packed, code=code)
        if remembered is not None:
            remembered[place] = packed
        uploaded[code.logical_id] = {**packed.properties, code.member: code.location(packed.key)}
    return uploaded


def _made_of(code: Code) -> str:
    """Equal for code of which equal packages are made."""
    own = code.source.method in ("esbuild", "makefile")  # these look at the resource's name and handler as well
    source = code.source if own else replace(code.source, logical_id="", handler="")
    return repr((code.path, source))


def _is_held(client: Uploader | None, key: str) -> bool:
    return client is None or bool(client.own("GET", f"artifacts/{key}")["held"])


def _signature(code: Code) -> str:
    """Changes when a file of the code does, by name, size or time; empty for what is made of files elsewhere too."""
    if code.source.method == "esbuild" or not code.path.exists():
        return ""
    files = _files(Part(code.path)) if code.path.is_dir() else {"": code.path}
    digest = hashlib.sha256()
    for name, path in files.items():
        with contextlib.suppress(OSError):
            status = path.lstat()
            digest.update(f"{name}\0{status.st_mtime_ns} {status.st_size} {status.st_mode} {status.st_ino}\n".encode())
    return digest.hexdigest()


def _pack(template: Template, code: Code, builder: Builder | None, file: BinaryIO) -> dict[str, Any]:
    """Write the package to `file`; the properties that the build changes. Raises TemplateError."""
    if not code.path.exists():
        raise template.error(f"The code {code.path} is not there", *code.where)
    try:
        if code.path.is_file():
            _pack_file(code.path, file)
            return {}
        if builder is None:
            pack([Part(code.path)], file)
            return {}
        with builder.build(code.source) as parts:
            names_ = pack(parts, file)
    except (SetupError, OSError) as error:
        raise template.error(f"{code.logical_id}: {error}", *code.where) from error
    return _after_esbuild(template, code, names_) if code.source.method == "esbuild" else {}


def _after_esbuild(template: Template, code: Code, built: Collection[str]) -> dict[str, Any]:
    """As `sam build`: the handler is where the bundle lies; source maps are of use only when Node.js is told."""
    changed: dict[str, Any] = {}
    module, dot, function = code.source.handler.rpartition(".")
    base = PurePosixPath(module).name
    stems = {name.rpartition(".")[0] for name in built if name.endswith(_SCRIPTS)}
    if dot and module not in stems and base in stems:
        changed["Handler"] = f"{base}.{function}"
    if code.source.options.get("Sourcemap") is True:
        own = _variables(template.resources[code.logical_id].get("Properties"))
        shared = _variables((template.document.get("Globals") or {}).get("Function"))
        if own is not None and shared is not None and "NODE_OPTIONS" not in {**shared, **own}:
            changed["Environment"] = {"Variables": {**own, "NODE_OPTIONS": "--enable-source-maps"}}
    return changed


def _variables(properties: Any) -> dict[str, Any] | None:
    """The variables of a function as they are written; None where only a deployment knows them."""
    environment = (properties or {}).get("Environment") or {}
    if not isinstance(environment, dict) or not environment.keys() <= {"Variables"}:
        return None
    variables = environment.get("Variables") or {}
    written = isinstance(variables, dict) and not any(name.startswith("Fn::") for name in variables)
    return variables if written else None


def _pack_file(path: Path, file: BinaryIO) -> None:
    """An archive (zip, jar) as it is; any other file as the only one of an archive."""
    with path.open("rb") as source:
        if path.suffix in _ZIPS or zipfile.is_zipfile(source):
            source.seek(0)
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
            return
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        _add(archive, path.name, path)


def pack(parts: Sequence[Part], file: BinaryIO) -> Collection[str]:
    """Write a zip archive of files, the later part over the earlier; the names of what it holds.

    The same bytes for the same files: sorted, dated 1980, 0755 or 0644. Compiled Python and what tools keep beside code
    are left out. Raises SetupError for more than Lambda takes.
    """
    files = {name: path for part in parts for name, path in _files(part).items()}
    most = limit("functions.unzipped_bytes")
    if sum(path.lstat().st_size for path in files.values()) > most:
        raise SetupError(f"Unzipped size must be smaller than {most} bytes")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in sorted(files.items()):
            _add(archive, name, path)
    return files.keys()


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    info = _entry(name)
    if path.is_symlink():
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, os.readlink(path))
        return
    info.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _stays_inside(name: str, target: str) -> bool:
    """Whether a symbolic link ends in its own package; else what it leads to is taken, as `sam` takes it."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return not target.startswith("/") and place.partition("/")[0] != ".."


def _files(part: Part) -> dict[str, Path]:
    """Name in the package → file or symbolic link, of all that is code. A link that leads out is what it leads to."""
    found: dict[str, Path] = {}

    def look(folder: Path, below: str, left_out: Container[str], beyond: tuple[Path, ...]) -> None:
        for entry in os.scandir(folder):
            name, path = f"{below}{entry.name}", Path(entry.path)
            if entry.name in left_out or is_editors(entry.name) or (entry.name in LEFT_OUT and entry.is_dir()):
                continue
            leads_out = entry.is_symlink() and not _stays_inside(name, os.readlink(path))
            if entry.is_symlink() and not leads_out:
                found[name] = path
            elif entry.is_dir():
                real = path.resolve() if leads_out else path
                if real not in beyond:  # a link that leads round
                    look(path, f"{name}/", (), (*beyond, real) if leads_out else beyond)
            elif entry.is_file() and not entry.name.endswith(".pyc"):
                found[name] = path.resolve() if leads_out else path

    look(part.folder, "", part.left_out, (part.folder.resolve(),))
    return {posixpath.join(part.prefix, name): path for name, path in found.items()}


def inline_code(runtime: str, source: str) -> bytes:
    """`Code.ZipFile` text as a zip: `index.py` or `index.js` (`.mjs` for ES modules), and what it may import beside."""
    if runtime.startswith("python"):
        name = "index.py"
    else:
        lines = (line.lstrip() for line in source.splitlines())
        is_module = any(line.startswith(("import ", "export ")) for line in lines)
        name = "index.mjs" if is_module else "index.js"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {name: source, **modules_of(source)}.items():
            info = _entry(path)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix: the mode bits count
    return info
