"""Processes: one for everything, or a parent with edges, a control and a runner; signals, restarts, drain.

In development one process has every role. With `--workers N`, and in production, the parent reserves the port, starts
the roles, starts a dead one again, and on SIGTERM lets the edges finish open calls before control and runner stop.
A child gets its settings on standard input and ends when that pipe closes, so no child outlives its parent.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from scopegate.base import clock, garbage
from scopegate.base.errors import SetupError
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.observe.log import configure
from scopegate.server import guard
from scopegate.server.hosts import is_loopback_host
from scopegate.server.launch import Launch, Role, launch_from_json, launch_to_json
from scopegate.server.proxies import TrustedProxies

_BACKOFF_S: Final = 0.5
_START_S: Final = 30.0
_LONGEST_BASE: Final = 60
_YOUNG_S: Final = 60  # a directory may not be locked yet
_SAME_SIGNAL_S: Final = 1.0  # `timeout` and others signal a process and its group: that is one word
_READY: Final = b"ready\n"
_READ_ALREADY: Final = frozenset(row.metadata["env"] for row in fields(Settings))
_MODULE: Final = "scopegate.server.processes"  # of a child its name is __main__

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Started:
    """Where a server answers: as its clients write it, and as this machine reaches it whatever stands in front.

    is_stopping: whether it was told to stop since; from any thread.
    """

    public_url: str
    local_url: str
    is_stopping: Callable[[], bool]


def serve(settings: Settings, started: Callable[[Started], None], *, log_level: str = "INFO") -> None:
    """Run the server until SIGTERM or SIGINT. `started` is called once, when the first answer can be given.

    Raises SetupError before anything is started when something is for the operator to mend.
    """
    check(settings)
    alone = settings.workers is None and settings.development
    configure(role="all" if alone else "parent", level=log_level)
    with directories(settings) as (prepared, run_dir), _reserved(prepared) as port:
        guard.check_origins(prepared, port)
        public_url = (prepared.public_url or f"http://localhost:{port}").rstrip("/")
        launch = Launch("all" if alone else "control", prepared, run_dir, port, public_url, log_level)

        def ready(stopping: asyncio.Event) -> None:
            started(Started(public_url, _local_url(prepared.host, port), stopping.is_set))

        if alone:
            uvloop.run(_serve_alone(launch, ready))
        else:
            uvloop.run(_serve_roles(launch, prepared.workers or os.cpu_count() or 1, ready))


def stop() -> None:
    """End this server as SIGTERM does; from any thread."""
    os.kill(os.getpid(), signal.SIGTERM)


def check(settings: Settings) -> None:
    if settings.development and not settings.trust_network and not is_loopback_host(settings.host):
        raise SetupError(
            f"Development mode listens on loopback only, not on {settings.host}: anyone who reaches it controls it. "
            "Use production mode (scopegate serve, with admin keys), or --trust-network inside a container "
            "whose network is its own."
        )
    if settings.test_clock is not None and not settings.development:
        raise SetupError("SCOPEGATE_TEST_CLOCK works in development mode only; unset it")
    guard.check_names(settings)
    TrustedProxies(settings)
    if settings.ephemeral and not settings.development:
        raise SetupError("--ephemeral works in development mode only: a new store has no admin key; add --dev")
    if settings.ephemeral and settings.database is not None:
        raise SetupError(
            "--ephemeral and --database exclude each other: the key that seals the database would be lost at exit"
        )


@contextlib.contextmanager
def directories(settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """(settings with the data directory that is used, a private directory for sockets); temporary ones are removed."""
    base = Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack:
        if settings.ephemeral:
            settings = replace(settings, data_dir=stack.enter_context(_temporary("scopegate-ephemeral-", base)))
        # Sandboxes and other processes look at it from elsewhere.
        settings = replace(settings, data_dir=settings.data_dir.absolute())
        # A socket's path has 107 bytes at most (unix(7)); TMPDIR may be longer than that.
        short = base if len(str(base)) <= _LONGEST_BASE else Path("/tmp")  # noqa: S108 - made 0700, by a new name
        yield settings, stack.enter_context(_temporary("scopegate-run-", short))


@contextlib.contextmanager
def _temporary(prefix: str, base: Path) -> Iterator[Path]:
    """A private directory, removed at the end; those of killed servers go now: a lock tells them from ones in use."""
    for old in base.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            found = old.lstat()
            if found.st_uid == os.geteuid() and clock.real_now() - found.st_mtime > _YOUNG_S:
                os.close(_lock(old))
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """Hold a directory as long as the descriptor is open. Raises OSError when somebody else does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def _reserved(settings: Settings) -> Iterator[int]:
    """Bind the port without listening, so that no second server takes it; says who holds it when it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((settings.host, settings.port))
                port: int = probe.getsockname()[1]
            _take_turn(stack, settings.host, port)
            reserved = stack.enter_context(socket.socket(family))
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind((settings.host, port))
        except OSError as error:
            raise SetupError(_why_not_bound(settings, error)) from error
        yield port


def _take_turn(stack: contextlib.ExitStack, host: str, port: int) -> None:
    """Until the edges listen, nothing in the kernel keeps two servers from sharing a port that both reuse.

    A name in the abstract namespace does, and goes with the process.
    """
    turn = stack.enter_context(socket.socket(socket.AF_UNIX))
    try:
        turn.bind(f"\0scopegate {host} {port}")
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host} port {port}: another Scopegate is starting there. "
            "Stop it, or choose another port with --port."
        ) from error


def _why_not_bound(settings: Settings, error: OSError) -> str:
    if not settings.port:
        return f"Cannot listen on {settings.host}: {error.strerror or error}"
    holder = _holder_of(settings.port)
    who = f"; it is held by {holder}" if holder else ""
    return (
        f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}{who}. "
        "Stop it, or choose another port with --port."
    )


def _holder_of(port: int) -> str:
    """`command (pid N)` of the process that listens on a port, as far as /proc shows it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                holder = _parent_of(process) if _is_child(process) else process
                return f"{(holder / 'comm').read_text().strip()} (pid {holder.name})"
    return ""


def _is_child(process: Path) -> bool:
    """Whether a process is a role of some Scopegate: whoever ends it alone gets a new one."""
    return _MODULE.encode() in (process / "cmdline").read_bytes().split(b"\0")


def _parent_of(process: Path) -> Path:
    # proc_pid_stat(5): the command's name, in parentheses, may hold anything; state and parent follow it.
    return process.with_name((process / "stat").read_text().rpartition(")")[2].split()[1])


def _local_url(host: str, port: int) -> str:
    address = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


# One process


async def _serve_alone(launch: Launch, ready: Callable[[asyncio.Event], None]) -> None:
    # Imported here because a parent of several processes must not carry what the roles need.
    from scopegate.server import app  # noqa: PLC0415

    stopping = _stop_event()
    await app.run(launch, lambda: ready(stopping), stopping)


def _stop_event() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT; one that comes later ends the process at once."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    told_at = 0.0

    def on_signal() -> None:
        nonlocal told_at
        if not event.is_set():
            told_at = clock.monotonic()
        elif clock.monotonic() - told_at > _SAME_SIGNAL_S:
            os._exit(1)
        event.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return event


# Several processes


@dataclass(slots=True)
class _Child:
    """One role under the parent's care."""

    launch: Launch
    process: asyncio.subprocess.Process | None = None
    started_at: float = 0.0
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)


async def _start(child: _Child) -> None:
    """Start a child and wait until it says that it is ready. Raises SetupError with its last words when it ends."""
    child.started_at = clock.monotonic()
    child.process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # no module of the folder that it is started in
        "-m",
        _MODULE,
        child.launch.role,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name not in _READ_ALREADY},
        start_new_session=True,  # Ctrl-C reaches the parent alone, which stops the children in order
    )
    assert child.process.stdin is not None
    assert child.process.stdout is not None
    child.process.stdin.write(launch_to_json(child.launch) + b"\n")
    try:
        line = await asyncio.wait_for(child.process.stdout.readline(), _START_S)
    except TimeoutError:
        line = b""
    if line != _READY:
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        reason = line.decode(errors="replace").strip().removeprefix("error: ")
        raise SetupError(reason or f"The {child.launch.role} process did not start; its log says why")


async def _serve_roles(first: Launch, workers: int, ready: Callable[[asyncio.Event], None]) -> None:
    stopping = _stop_event()
    await _prepare(first.settings)
    # Whatever gets out of a function finds no key and no address in the process that runs it.
    poor = replace(first.settings, database=None, master_key=None)
    children = [_Child(first), _Child(replace(first, role="runner", settings=poor))]
    children += [_Child(replace(first, role="edge")) for _ in range(workers)]
    try:
        # The runner needs nobody; control and edges need the runner only when a function is called.
        if not await _unless(stopping, asyncio.gather(*(_start(child) for child in children))):
            return
        for child in children:
            child.watcher = asyncio.create_task(_watch(child, stopping))
        ready(stopping)
        await stopping.wait()
    finally:
        stopping.set()
        await _stop_children([child for child in children if child.launch.role == "edge"])
        await _stop_children([child for child in children if child.launch.role != "edge"])


async def _unless(stopping: asyncio.Event, work: "asyncio.Future[Any]") -> bool:
    """Wait for work, or until the server is told to stop: False then, and the work is given up. Raises what it does."""
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if work.done():
        work.result()
        return True
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, SetupError):
        await work
    return False


async def _prepare(settings: Settings) -> None:
    """What the operator may have to mend is found before any role starts: database, admin key, isolation."""
    from scopegate.account.keys import require_key  # noqa: PLC0415 - short use
    from scopegate.functions.sandbox import choose_isolation  # noqa: PLC0415
    from scopegate.store import migrate, open_store  # noqa: PLC0415

    await migrate(settings)
    if settings.development:
        return
    store = open_store(settings)
    try:
        await require_key(store)
    finally:
        await store.close()
    choose_isolation("auto", required=not settings.unsafe_functions)


async def _watch(child: _Child, stopping: asyncio.Event) -> None:
    """Start a child again when it ends by itself; slowly when it ends soon after its start."""
    while not stopping.is_set():
        assert child.process is not None
        code = await child.process.wait()
        if stopping.is_set():
            return
        log.error("process.ended", child=child.launch.role, code=code)
        if clock.monotonic() - child.started_at < _BACKOFF_S * 10:
            await asyncio.sleep(_BACKOFF_S)
        try:
            await _start(child)
        except SetupError as error:
            log.warning("process.not_started", child=child.launch.role, reason=str(error))


async def _stop_children(children: list[_Child]) -> None:
    running = [child.process for child in children if child.process and child.process.returncode is None]
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(asyncio.gather(*(process.wait() for process in running)), limit("http.drain_s") + 5)
    except TimeoutError:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


# The child's side


async def _run_child(launch: Launch) -> None:
    from scopegate.server import app  # noqa: PLC0415 - see _serve_alone

    stopping = _stop_event()
    loop = asyncio.get_running_loop()

    def parent_gone() -> None:
        # The parent never writes again: readable means that it is gone.
        loop.remove_reader(sys.stdin.fileno())
        if stopping.is_set():
            os._exit(1)  # it was told twice, so nobody waits for what is still open
        stopping.set()

    loop.add_reader(sys.stdin.fileno(), parent_gone)

    def ready() -> None:
        os.write(1, _READY)

    await app.run(launch, ready, stopping)


def _main() -> None:
    role: Role = sys.argv[1]  # type: ignore[assignment]
    launch = launch_from_json(role, _read_line(sys.stdin.fileno()))
    configure(role=role, level=launch.log_level)
    garbage.begin()
    try:
        uvloop.run(_run_child(launch))
    except SetupError as error:
        os.write(1, f"error: {' '.join(str(error).split())}\n".encode())
        raise SystemExit(2) from None


def _read_line(descriptor: int) -> bytes:
    """One line, unbuffered: what follows stays in the pipe for the event loop to watch."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1)
        if not part:
            raise SystemExit(0)
        line += part
    return bytes(line)


if __name__ == "__main__":
    _main()
