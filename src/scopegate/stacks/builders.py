"""How local code is built, as `sam build` does it: dependencies by pip and npm, bundles by esbuild, Makefiles by make.

Dependencies are installed once, into a cache that is keyed by what asks for them, and laid under the source files when
those are packed: a source that changes installs nothing, and no folder of the user's is written to.
Source: AWS SAM, "Building", BuildMethod and BuildProperties of a resource's Metadata.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from scopegate.base import clock
from scopegate.base.errors import SetupError

_LONGEST_S: Final = 900.0  # of one tool
_SHOWN_LINES: Final = 15  # of a tool that fails
_KEPT_S: Final = 30 * 86_400.0  # a cached installation that nobody uses
_STALE_S: Final = 86_400.0  # a folder that a killed build left
# What tools keep beside code, and this server's own data; `node_modules` is code.
LEFT_OUT: Final = frozenset(
    {".aws-sam", ".cache", ".git", ".mypy_cache", ".npm", ".nyc_output", ".parcel-cache", ".pytest_cache"}
    | {".ruff_cache", ".scopegate", ".tox", ".turbo", ".venv", "__pycache__"}
)

_EDITORS: Final = re.compile(r"\.#.*|#.*#|.*~|\..*\.sw[a-p]|4913|.*___jb_(?:tmp|old)___|\.DS_Store")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NESTED: Final = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)(?P<file>\S+)")
_SCRIPTS: Final = (".js", ".mjs", ".cjs")
_LOCKS: Final = ("package-lock.json", "npm-shrinkwrap.json")

_ESBUILD_SWITCHES: Final = ("KeepNames", "Minify", "Sourcemap")
_ESBUILD_VALUES: Final = ("Format", "LogLevel", "MainFields", "SourcesContent", "Target", "Tsconfig")
_ESBUILD_LISTS: Final = ("Alias", "Banner", "Define", "External", "Footer", "Inject", "Loader", "OutExtension")
_ESBUILD_DEFAULTS: Final = {"Format": "cjs", "Minify": True, "Target": "es2020"}
_GET_ESBUILD: Final = "install it beside the code (npm install --save-dev esbuild) or on PATH (npm install -g esbuild)"


def is_editors(name: str) -> bool:
    """Whether a file is an editor's own, beside the one that is being edited."""
    return _EDITORS.fullmatch(name) is not None


class BuildFailed(SetupError):
    """Code cannot be built; the text says why, with a tool's last words."""


class _NotInstalled(Exception):
    """What the code needs is not in the cache, and nothing is to be installed."""


class Interpreter(Protocol):
    """What runs functions of a runtime here."""

    @property
    def executable(self) -> Path | None: ...

    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A local folder of code, as a template names it.

    runtime: of the function; empty when the template does not say. method, options: BuildMethod and BuildProperties of
    the resource's Metadata. built: by another tool already.
    """

    logical_id: str
    folder: Path
    runtime: str = ""
    handler: str = ""
    is_layer: bool = False
    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    built: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Files of a package: a folder's, below a prefix. left_out: names at the top of the folder that are not taken."""

    folder: Path
    prefix: str = ""
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds sources. cache: where installations are kept. say: told of work that takes time.

    installs False: code that needs what is not in the cache yet is taken as it lies there.
    """

    find_interpreter: Callable[[str], Interpreter]
    cache: Path
    say: Callable[[str], None]
    installs: bool = True

    @contextlib.contextmanager
    def build(self, source: Source) -> Iterator[Sequence[Part]]:
        """The parts of the package, the later over the earlier; they may be gone when the context ends.

        Raises BuildFailed.
        """
        with tempfile.TemporaryDirectory(prefix="scopegate-build-") as scratch:
            try:
                parts = self._parts(source, Path(scratch))
            except _NotInstalled:
                parts = [Part(source.folder)]
            yield parts

    def _parts(self, source: Source, scratch: Path) -> Sequence[Part]:
        method = source.method or ("" if source.is_layer else source.runtime)
        if source.built or not method:
            return [Part(source.folder)]
        for pattern, build in _METHODS.items():
            if re.fullmatch(pattern, method):
                return build(self, source, scratch)
        if not source.method:
            return [Part(source.folder)]  # what is built before it comes here: a bootstrap, classes
        known = "esbuild, makefile, python3.x, nodejsNN.x"
        raise BuildFailed(
            f"BuildMethod {source.method} is not run here ({known} are): run `sam build`, "
            "then deploy .aws-sam/build/template.yaml; or go without (--no-build)"
        )

    def installed(self, source: Source, key: Sequence[str], what: str, install: Callable[[Path], None]) -> Path:
        """The folder that `install` fills, from the cache when it has been there.

        Two at once install twice; one of them stays.
        """
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        place = self.cache / "builds" / digest
        if place.is_dir():
            os.utime(place)  # used
            return place
        if not self.installs:
            raise _NotInstalled
        place.parent.mkdir(parents=True, exist_ok=True)
        self._forget_old(place.parent)
        self.say(f"{source.logical_id}: installing {what}")
        started = clock.monotonic()
        fresh = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
        try:
            install(fresh)
            try:
                fresh.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.say(f"{source.logical_id}: installed in {clock.monotonic() - started:.1f} s")
        return place

    def _forget_old(self, builds: Path) -> None:
        for place in builds.iterdir():
            most = _STALE_S if place.name.startswith(".building-") else _KEPT_S
            with contextlib.suppress(FileNotFoundError):
                if clock.real_now() - place.stat().st_mtime > most:
                    shutil.rmtree(place, ignore_errors=True)


# Python


def _python(builder: Builder, source: Source, scratch: Path) -> Sequence[Part]:
    """The folder over what its requirements.txt asks for; a layer's lie below `python/`."""
    prefix = "python" if source.is_layer else ""
    own = Part(source.folder, prefix)
    manifest = source.folder / "requirements.txt"
    if not manifest.is_file():
        return [own]
    texts = _requirement_files(manifest)
    asked = [line for text in texts for line in _requirements(text)]
    if not asked or _has_distributions(source.folder, asked):
        return [own]
    runtime = source.method or source.runtime
    interpreter = builder.find_interpreter(runtime)
    version = ".".join(interpreter.version.split(".")[:2])
    locals_ = [_digest_of(source.folder / line) for line in asked if _is_local(source.folder, line)]
    key = ["pip", version, platform.machine(), *platform.libc_ver(), *texts, *locals_]
    what = f"{_some(asked)} by pip for Python {version}"

    def install(target: Path) -> None:
        command = [*_pip(interpreter), "install", "--target", str(target), "--requirement", manifest.name]
        command += ["--no-input", "--no-compile", "--disable-pip-version-check", "--quiet", "--no-warn-conflicts"]
        _run(command, manifest, source.folder)
        shutil.rmtree(target / "bin", ignore_errors=True)  # scripts name the interpreter of this machine

    return [Part(builder.installed(source, key, what, install), prefix), own]


def _pip(interpreter: Interpreter) -> list[str]:
    """pip of the interpreter that runs the function; where it has none, this server's own works for it."""
    if interpreter.executable is not None:
        theirs = [str(interpreter.executable), "-m", "pip"]
        if _answers([*theirs, "--version"]):
            return theirs
    ours = [sys.executable, "-m", "pip"]
    if not _answers([*ours, "--version"]):
        raise BuildFailed(
            "pip is needed to install requirements.txt, and neither the function's Python nor Scopegate's has it "
            "(Debian: apt install python3-pip); or install them yourself and go without (--no-build)"
        )
    return [*ours, "--python", str(interpreter.executable)] if interpreter.executable is not None else ours


def _answers(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter that the machine offers
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=30, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _requirement_files(manifest: Path, seen: frozenset[Path] = frozenset()) -> list[str]:
    """The text of a requirements file and of those that it names."""
    try:
        text = manifest.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BuildFailed(f"{manifest} cannot be read: {error}") from error
    texts = [text]
    for match in map(_NESTED.match, _lines(text)):
        nested = None if match is None else (manifest.parent / match["file"]).resolve()
        if nested is not None and nested not in seen and nested.is_file():
            texts += _requirement_files(nested, seen | {nested})
    return texts


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if plain:
            yield plain


def _requirements(text: str) -> Iterator[str]:
    """What a requirements file asks for, without options such as hashes."""
    for line in _lines(text):
        if line.startswith(("-e", "--editable")):
            yield line.partition(" ")[2].strip()
        elif not line.startswith("-"):
            yield line.partition(" --")[0].strip()


def _has_distributions(folder: Path, asked: Sequence[str]) -> bool:
    """Whether every distribution that is asked for by name was installed into the folder."""
    there = {
        _plain(path.name.partition("-")[0])
        for pattern in ("*.dist-info", "*.egg-info")
        for path in folder.glob(pattern)
    }
    named = [_NAME.match(line) for line in asked]
    return all(match is not None and _plain(match[0]) in there for match in named)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_local(folder: Path, requirement: str) -> bool:
    return ("/" in requirement or requirement.endswith(".whl")) and (folder / requirement).exists()


def _digest_of(path: Path) -> str:
    """Of a file, or of all files below a folder."""
    digest = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file() and not LEFT_OUT & set(each.parts):
            digest.update(f"{each} ".encode() + hashlib.sha256(each.read_bytes()).digest())
    return digest.hexdigest()


# Node.js


def _nodejs(builder: Builder, source: Source, scratch: Path) -> Sequence[Part]:
    """The folder over the `node_modules` that its package.json asks for; a layer's lie below `nodejs/`."""
    prefix = "nodejs" if source.is_layer else ""
    modules = _node_modules(builder, source, development=False)
    if modules is None:
        return [Part(source.folder, prefix)]
    return [Part(modules, prefix), Part(source.folder, prefix, frozenset({"node_modules"}))]


def _node_modules(builder: Builder, source: Source, *, development: bool) -> Path | None:
    """A folder with the `node_modules` of a package.json; None when the source's own has all, or nothing is asked."""
    manifest = source.folder / "package.json"
    if not manifest.is_file():
        return None
    try:
        asked = json.loads(manifest.read_text())
        needed, others = asked.get("dependencies") or {}, asked.get("devDependencies") or {}
        wanted = {**needed, **(others if development else {})}
        # npm looks at all of them, also where it leaves some out.
        local = [str(spec)[5:] for spec in {**needed, **others}.values() if str(spec).startswith("file:")]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BuildFailed(f"{manifest} cannot be read: {error}") from error
    have = source.folder / "node_modules"
    if all((have / name / "package.json").is_file() for name in wanted):
        return None
    runtime = source.runtime or source.method
    node = builder.find_interpreter(runtime if runtime.startswith("nodejs") else "nodejs22.x")
    files = [path for name in ("package.json", *_LOCKS, ".npmrc") if (path := source.folder / name).is_file()]
    for each in local:
        if not (source.folder / each).resolve().is_relative_to(source.folder.resolve()):
            raise BuildFailed(
                f"{manifest}: {each} lies outside of the code's folder; run npm install there yourself, "
                "which is then taken as it is"
            )
    key = ["npm", node.version.partition(".")[0], platform.machine(), *platform.libc_ver(), str(development)]
    key += [part for path in files for part in (path.name, path.read_text())]
    key += [_digest_of(source.folder / each) for each in local]
    what = f"{_some([f'{name}@{version}' for name, version in wanted.items()])} by npm for Node.js {node.version}"

    def install(target: Path) -> None:
        npm = _npm(node)
        for path in files:
            shutil.copy(path, target / path.name)
        for each in local:
            _copy(source.folder / each, target / each)
        command = [*npm, "ci" if any((target / name).is_file() for name in _LOCKS) else "install"]
        command += [*([] if development else ["--omit=dev"]), "--install-links", "--no-audit", "--no-fund"]
        # npm and what it runs ask for `node` on PATH.
        places = [
            *([] if node.executable is None else [str(node.executable.parent)]),
            os.environ.get("PATH", os.defpath),
        ]
        _run([*command, "--loglevel=error"], manifest, target, more={"PATH": os.pathsep.join(places)})
        for path in target.iterdir():  # only what was installed is kept
            if path.name != "node_modules":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return builder.installed(source, key, what, install)


def _npm(node: Interpreter) -> list[str]:
    """The npm that came with the Node.js of the runtime, run by that; else the one beside it or on PATH."""
    if node.executable is not None:
        program = node.executable.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if program.is_file():
            return [str(node.executable), str(program)]
        beside = node.executable.with_name("npm")
        if os.access(beside, os.X_OK):
            return [str(beside)]
    found = shutil.which("npm")
    if found is None:
        raise BuildFailed(
            f"npm is needed to install package.json, and there is none beside {node.executable} nor on PATH "
            "(Debian: apt install npm); or install it yourself and go without (--no-build)"
        )
    return [found]


def _esbuild(builder: Builder, source: Source, scratch: Path) -> Sequence[Part]:
    """What esbuild bundles: the entry points with all that they import, and nothing else of the folder."""
    options = {**_ESBUILD_DEFAULTS, **source.options}
    known = (*_ESBUILD_SWITCHES, *_ESBUILD_VALUES, *_ESBUILD_LISTS, "EntryPoints", "UseNpmCi")
    for name in options:
        if name not in known:
            raise BuildFailed(f"BuildProperties of esbuild have no {name} here; they have: {', '.join(sorted(known))}")
    entries = options.get("EntryPoints")
    if not isinstance(entries, list) or not entries:
        raise BuildFailed("BuildMethod esbuild needs BuildProperties with EntryPoints, a list of files")
    modules = _node_modules(builder, source, development=True)
    program = _find_esbuild(source.folder, modules)
    arguments = ["--bundle", "--platform=node", f"--outdir={scratch}", "--log-level=warning", "--color=false"]
    for name, value in options.items():
        flag = "--" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
        if name in _ESBUILD_SWITCHES:
            arguments += [flag] if _is_on(value) else []
        elif name in _ESBUILD_VALUES:
            arguments.append(f"{flag}={_text(value)}")
        elif name in _ESBUILD_LISTS:
            arguments += [f"{flag}:{_text(each)}" for each in (value if isinstance(value, list) else [value])]
    for entry in entries:
        path = next((p for end in ("", ".ts", ".js") if (p := source.folder / f"{entry}{end}").is_file()), None)
        if path is None:
            raise BuildFailed(f"The entry point {source.folder / str(entry)} is not there")
        arguments.append(str(path.relative_to(source.folder)))
    more = {} if modules is None else {"NODE_PATH": str(modules / "node_modules")}
    _run([program, *arguments], source.folder / str(entries[0]), source.folder, more=more)
    return [Part(scratch)]


def _is_on(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find_esbuild(folder: Path, modules: Path | None) -> str:
    """Beside the code or above it, in what was installed for it, on PATH."""
    resolved = folder.resolve()  # it runs in the folder, whence a path of the command line leads elsewhere
    places = [resolved, *resolved.parents, *([] if modules is None else [modules])]
    for place in places:
        program = place / "node_modules" / ".bin" / "esbuild"
        if os.access(program, os.X_OK):
            return str(program)
    found = shutil.which("esbuild")
    if found is None:
        raise BuildFailed(f"BuildMethod esbuild needs esbuild: {_GET_ESBUILD}")
    return found


# Makefiles


def _make(builder: Builder, source: Source, scratch: Path) -> Sequence[Part]:
    """What `make build-LOGICALID` leaves in ARTIFACTS_DIR; it works on a copy of the folder."""
    program = shutil.which("make")
    if program is None:
        raise BuildFailed("BuildMethod makefile needs make (Debian: apt install make)")
    if not (source.folder / "Makefile").is_file():
        raise BuildFailed(f"BuildMethod makefile needs {source.folder / 'Makefile'}, which is not there")
    copy, artifacts = scratch / "source", scratch / "artifacts"
    _copy(source.folder, copy)
    artifacts.mkdir()
    command = [program, "--makefile", "Makefile", f"build-{source.logical_id}"]
    _run(command, source.folder / "Makefile", copy, more={"ARTIFACTS_DIR": str(artifacts)})
    return [Part(artifacts)]


Build = Callable[[Builder, Source, Path], Sequence[Part]]

_METHODS: Final[Mapping[str, Build]] = {
    r"python3\.\d+": _python,
    r"nodejs\d+\.x": _nodejs,
    "esbuild": _esbuild,
    "makefile": _make,
}
"""BuildMethod, or else the runtime of a function, by pattern."""


# Tools

_PYTHON_CHECK: Final = """
import sys
for name in sys.argv[1:]:
    try:
        compile(open(name, "rb").read(), name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        sys.exit("%s:%s: %s" % (name, getattr(error, "lineno", 1), getattr(error, "msg", error)))
"""


def check_syntax(interpreter: Interpreter, runtime: str, files: Sequence[Path]) -> None:
    """Let the interpreter of a function read the files of its language. Raises BuildFailed with the first fault."""
    program = str(interpreter.executable)
    commands: list[list[str]] = []
    if runtime.startswith("nodejs"):
        commands = [[program, "--check", str(path)] for path in files if path.suffix in _SCRIPTS]
    elif modules := [str(path) for path in files if path.suffix == ".py"]:
        commands = [[program, "-I", "-S", "-W", "ignore", "-c", _PYTHON_CHECK, *modules]]
    for command in commands:
        try:
            done = subprocess.run(  # noqa: S603 - an interpreter that the machine offers
                command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=30, env=_environment()
            )
        except (OSError, subprocess.TimeoutExpired):
            continue  # what cannot be asked says nothing
        if done.returncode:
            said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            # Node.js writes the place first and the words some lines below.
            words = next((line for line in said[1:] if "Error: " in line), "")
            raise BuildFailed(": ".join(part for part in (said[0] if said else program, words) if part))


def _run(command: Sequence[str], manifest: Path, folder: Path, *, more: Mapping[str, str] | None = None) -> None:
    """Run a tool to its end. more: environment variables. Raises BuildFailed with its last lines and the manifest."""
    tool = " ".join(Path(part).name if part.startswith("/") else part for part in command[:3])
    environment = {**_environment(), **(more or {})}
    try:
        done = subprocess.run(  # noqa: S603 - the user's own tools on the user's own code
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{tool} has not ended after {_LONGEST_S:.0f} s; it worked for {manifest}") from None
    except OSError as error:
        raise BuildFailed(f"{tool} cannot be run: {error}") from error
    if done.returncode:
        last = [line for line in done.stdout.splitlines() if line.strip()][-_SHOWN_LINES:]
        shown = "".join(f"\n    {line}" for line in last)
        raise BuildFailed(f"{tool} failed on {manifest} with exit code {done.returncode}{':' if shown else ''}{shown}")


def _environment() -> dict[str, str]:
    """The user's, without what this interpreter was started with, be it by a make of its own, and with pip's own words
    for a target folder."""
    ours = ("PYTHONHOME", "PYTHONPATH", "NODE_OPTIONS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PIP_ROOT_USER_ACTION": "ignore", "PIP_USER": "0"}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=lambda _, names: LEFT_OUT & set(names))
    else:
        shutil.copy(source, target)


def _some(asked: Sequence[str]) -> str:
    shown = ", ".join(asked[:4])
    return shown if len(asked) <= 4 else f"{shown} and {len(asked) - 4} more"
