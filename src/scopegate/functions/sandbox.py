"""The walls of an execution environment: which isolation this machine offers, and the command line that raises it.

`bwrap`: bubblewrap gives each environment its own mount, PID, IPC and host name space; the network is the machine's,
for SDK calls come back to this server on loopback. Started by root, the function's process has a user of its own too.
`user`: root without bubblewrap gives each environment a user of its own, and nothing else.
`none`: a session of the server's own user; for development.
Source: design, "Functions run as processes"; reference page "File system, user, limits"; attacks F2, F3.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal

from scopegate.base import clock
from scopegate.base.errors import SetupError
from scopegate.functions.runtimes import BOOTSTRAPS, Interpreter, sdk_packages
from scopegate.functions.runtimes.binaries import is_reachable

Isolation = Literal["bwrap", "user", "none"]

TASK_ROOT: Final = "/var/task"
RUNTIME_DIR: Final = "/var/runtime"
OPT: Final = "/opt"
SDK_DIR: Final = "/var/lang/lib/sdk"
USER_NAME: Final = "sbx_user1051"

# Between what Debian gives to people and what systemd gives to its dynamic users.
_FIRST_USER: Final = 58_000
_USERS: Final = 1_000
_USER_LOCKS: Final = Path("/run/scopegate-users")
_SCRATCH: Final = "scopegate-functions-"
_YOUNG_S: Final = 60  # a scratch directory may not be locked yet
_FOR_ALL: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - where any user may leave files
_USER_IN_NAMESPACE: Final = 993
_SYSTEM: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC: Final = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of an environment are, as the function's process sees them."""

    task_root: str
    runtime_dir: str
    sdk: str
    temporary: str | None  # TMPDIR, where /tmp is not the environment's own
    groups: tuple[int, ...] = ()  # of the function's process, beside that of its user
    opt: str = OPT  # layers


@dataclass(slots=True)
class _Code:
    """A copy of a code directory that only the environments of its function can enter, by their group."""

    folder: Path
    group: int
    environments: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Sandbox:
    """What all environments of one runner share. scratch: a private directory that goes when the runner goes."""

    isolation: Isolation
    scratch: Path = field(init=False)
    _scratch_lock: int = field(init=False)
    _next_user: int = field(default_factory=os.getpid)
    _user_locks: dict[int, int] = field(default_factory=dict)  # descriptors by user
    _shared: dict[Path, Path] = field(default_factory=dict)
    _codes: dict[Path, _Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self._gives_users:
            try:
                _USER_LOCKS.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise SetupError(
                    f"functions: {_USER_LOCKS.parent} must be writable, for servers share the users of environments: "
                    f"{error.strerror}"
                ) from error
        _remove_abandoned_scratch()
        self.scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        self.scratch.chmod(0o711)  # users of environments pass through, to what is theirs
        self._scratch_lock = _lock(self.scratch)

    def close(self) -> None:
        """No environment is left."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.close(self._scratch_lock)

    @property
    def _gives_users(self) -> bool:
        return self.isolation != "none" and _may_give_users()

    def take_user(self) -> int | None:
        """The user of a new environment: its own when this is root, who may give them; else the server's (None).

        No other environment of this machine has it until `give_back_user`, also not one of another server: whoever
        ends an environment ends all that its user runs.
        """
        if not self._gives_users:
            return None
        for _ in range(_USERS):
            self._next_user += 1
            user = _FIRST_USER + self._next_user % _USERS
            lock = os.open(_USER_LOCKS / str(user), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            self._user_locks[user] = lock
            return user
        raise SetupError(f"functions: all {_USERS} users of environments are taken")

    def give_back_user(self, user: int | None) -> None:
        """Nothing of the environment runs any more."""
        if user is not None:
            os.close(self._user_locks.pop(user))

    def kill_user(self, user: int) -> "subprocess.Popen[bytes]":
        """End all that an environment's user runs, where its first process did not. Gives a process to wait for."""
        return subprocess.Popen(
            ("/bin/sh", "-c", "kill -9 -1"),
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=[],
        )

    def prepare(self, code_dir: Path, layers_dir: Path | None, name: str, user: int | None) -> Place:
        """Whatever must lie in the file system before the environment starts."""
        if self.isolation == "bwrap":
            return Place(TASK_ROOT, RUNTIME_DIR, SDK_DIR, None)
        temporary = self.scratch / name
        temporary.mkdir(mode=0o700)
        if user is not None:
            os.chown(temporary, user, user)
        sdk = str(self._sdk_folder())
        if self.isolation == "none":
            opt = OPT if layers_dir is None else str(layers_dir)
            return Place(str(code_dir), str(BOOTSTRAPS), sdk, str(temporary), opt=opt)
        task, *groups = self._use_code(code_dir, name)
        opt = OPT
        if layers_dir is not None:
            opt, group = self._use_code(layers_dir, name)
            groups.append(group)
        return Place(task, str(self._share(BOOTSTRAPS)), sdk, str(temporary), tuple(groups), opt)

    def _use_code(self, code_dir: Path, name: str) -> tuple[str, int]:
        """Where an environment finds the copy of a code directory, and the group that may enter it."""
        code = self._codes.get(code_dir) or self._copy_code(code_dir)
        code.environments.add(name)
        return str(code.folder / "task"), code.group

    def clear(self, name: str, user: int | None) -> None:
        """What `prepare` made for one environment goes, and what its user left elsewhere."""
        shutil.rmtree(self.scratch / name, ignore_errors=True)
        if self.isolation == "user" and user is not None:
            _remove_files(user)
        for code_dir, code in tuple(self._codes.items()):
            code.environments.discard(name)
            if not code.environments:
                del self._codes[code_dir]
                shutil.rmtree(code.folder, ignore_errors=True)
                self.give_back_user(code.group)

    def _copy_code(self, code_dir: Path) -> _Code:
        """Environments have no file system of their own here: nobody else's may find the code (attack F2)."""
        group = self.take_user()
        assert group is not None
        code = self._codes[code_dir] = _Code(self.scratch / f"code-{group}", group)
        code.folder.mkdir()
        os.chown(code.folder, 0, group)
        code.folder.chmod(0o710)
        shutil.copytree(code_dir, code.folder / "task", symlinks=True, copy_function=_link_or_copy)
        return code

    def command(
        self,
        init: Sequence[str],
        code_dir: Path,
        layers_dir: Path | None,
        interpreter: Interpreter,
        user: int | None,
        storage_mb: int,
        passwd: int,
    ) -> list[str]:
        """The command that starts the environment's first process. passwd: a descriptor that holds its passwd file."""
        if self.isolation != "bwrap":
            return [*_init_interpreter(), *init, "session"]
        bind = [word for path in _homes(interpreter) for word in ("--ro-bind", str(path), str(path))]
        links = []
        if interpreter.executable is not None:
            name = "node" if "node" in interpreter.executable.name else "python3"
            links = ["--symlink", str(interpreter.executable), f"/var/lang/bin/{name}"]
        opt = ("--perms", "0755", "--dir", OPT) if layers_dir is None else ("--ro-bind", str(layers_dir), OPT)
        sdk = [word for path in sdk_packages() for word in ("--ro-bind", str(path), f"{SDK_DIR}/{path.name}")]
        return [
            *_bwrap(),
            *("--size", str(storage_mb * 1_048_576), "--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108
            *_open_parents(*_homes(interpreter), Path(TASK_ROOT), Path(RUNTIME_DIR), Path(SDK_DIR) / "any"),
            *bind,
            *("--ro-bind", str(BOOTSTRAPS), RUNTIME_DIR),
            *links,
            *sdk,
            *(*opt, "--ro-bind", str(code_dir), TASK_ROOT),
            *("--perms", "0644", "--ro-bind-data", str(passwd), "/etc/passwd"),
            *("--remount-ro", "/", "--chdir", TASK_ROOT, "--"),
            *_init_interpreter(),
            *init,
            "namespace",
        ]

    def passwd(self, user: int | None) -> bytes:
        number = user or _USER_IN_NAMESPACE
        return f"root:x:0:0:root:/root:/bin/false\n{USER_NAME}:x:{number}:{number}::/tmp:/bin/false\n".encode()

    def _share(self, path: Path) -> Path:
        """A path that the environments' users can read: itself, or a copy when a parent folder is closed to them."""
        if is_reachable(path):
            return path
        if path not in self._shared:
            copy = self.scratch / f"shared-{len(self._shared)}-{path.name}"
            if path.is_dir():
                shutil.copytree(path, copy, symlinks=True)
            else:
                shutil.copy2(path, copy)
            self._shared[path] = copy
        return self._shared[path]

    def _sdk_folder(self) -> Path:
        folder = self.scratch / "sdk"
        if not folder.is_dir():
            folder.mkdir(mode=0o755)
            for package in sdk_packages():
                target = self._share(package) if self.isolation == "user" else package
                (folder / package.name).symlink_to(target)
        return folder


def choose_isolation(wanted: Literal["auto", "bwrap", "user", "none"], *, required: bool) -> Isolation:
    """The strongest isolation that works here, or the one that is wanted.

    required: production mode, where functions do not run without. Raises SetupError when there is none, or the wanted
    one does not work.
    """
    if wanted in ("auto", "bwrap"):
        trouble = _try_bwrap()
        if not trouble:
            return "bwrap"
        if wanted == "bwrap":
            raise SetupError(f"functions: bubblewrap does not work here: {trouble}")
    if wanted == "user" and not _may_give_users():
        raise SetupError("functions: only root can give each environment a user of its own")
    if wanted != "none" and _may_give_users():
        return "user"
    if required:
        raise SetupError(
            "functions: production mode runs them in isolation only: install bubblewrap (Debian: apt install "
            "bubblewrap), or run as root, or accept the risk with --unsafe-functions"
        )
    return "none"


def _may_give_users() -> bool:
    """Whether this is root, and the users of environments exist for it: in a user namespace they need not."""
    if os.geteuid() != 0:
        return False
    try:
        if Path("/proc/self/setgroups").read_text().strip() == "deny":
            return False
        return all(_is_mapped(Path(table).read_text()) for table in ("/proc/self/uid_map", "/proc/self/gid_map"))
    except OSError:
        return True  # a kernel without user namespaces


def _is_mapped(table: str) -> bool:
    """user_namespaces(7): first id inside, first id outside, how many."""
    ranges = [[int(word) for word in line.split()] for line in table.splitlines()]
    return any(first <= _FIRST_USER and first + count >= _FIRST_USER + _USERS for first, _, count in ranges)


@cache
def _try_bwrap() -> str:
    """Why bubblewrap does not do here, or ""."""
    if shutil.which("bwrap") is None:
        return "it is not installed"
    command = [*_bwrap(), "--remount-ro", "/", "--", "/bin/sh", "-c", ":"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


@cache
def _bwrap() -> tuple[str, ...]:
    """The part of the command that is the same for every environment."""
    words = [shutil.which("bwrap") or "bwrap"]
    words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"]
    words += ["--die-with-parent", "--as-pid-1"]
    if _may_give_users():
        # The first process changes its child's user and ends it; all other capabilities go.
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL"]
    else:
        number = str(_USER_IN_NAMESPACE)
        words += ["--unshare-user", "--uid", number, "--gid", number]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    # /dev/shm would be one more place to fill; Lambda has none either.
    words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    return tuple(words)


def _open_parents(*targets: Path) -> list[str]:
    """Make the folders above what is bound, for everyone to pass: bwrap alone makes them for root (mode 0700)."""
    parents = {parent for target in targets for parent in target.parents if parent != Path("/")}
    return [word for parent in sorted(parents) for word in ("--perms", "0755", "--dir", str(parent))]


def _homes(interpreter: Interpreter) -> Iterator[Path]:
    """Where interpreters live outside /usr: the function's, and the server's own for the first process."""
    own = _own_home()
    if own is not None:
        yield own
    if interpreter.home is not None and interpreter.home != own:
        yield interpreter.home


@cache
def _own_home() -> Path | None:
    home = Path(sys.base_prefix).resolve()
    return None if home == Path("/usr") or Path("/usr") in home.parents else home


@cache
def _init_interpreter() -> tuple[str, ...]:
    base = getattr(sys, "_base_executable", None) or sys.executable
    return (str(Path(base).resolve()), "-I", "-S", "-B")


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of a directory. Raises OSError when somebody else holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned_scratch() -> None:
    """The scratch directories of runners that were killed: copies of code, and what functions left in /tmp."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.geteuid() and clock.real_now() - found.st_mtime > _YOUNG_S:
                lock = _lock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _remove_files(user: int) -> None:
    """The next environment with this user is another function's."""
    for place in _FOR_ALL:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid != user:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
