"""What an operator does in a terminal: commands that end, admin keys, a server in production mode."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server import SCOPEGATE, Server, start

# Commands are forked from an interpreter that has imported them: to start one takes longer than most of them work.
_FORKS = """
import gc, json, os, sys, tempfile
del sys.path[0]
from scopegate.cli import check, client, keys, main, render, stacks
gc.freeze()
for line in sys.stdin:
    if not (child := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    raise SystemExit
asked = json.loads(line)
os.chdir(asked["cwd"])
os.environ.clear()
os.environ.update(asked["env"])
tempfile.tempdir = None
for descriptor, path in enumerate((os.devnull, asked["out"], asked["err"])):
    os.dup2(os.open(path, os.O_RDWR), descriptor)
sys.argv = asked["arguments"]
main.main()
"""


class _Forks:
    """That interpreter; it runs one command at a time, started with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.free = threading.Lock()

    def run(
        self, arguments: list[str], environment: dict[str, str], cwd: Path, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _FORKS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_surroundings(),
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            asked = {"arguments": arguments, "env": environment, "cwd": str(cwd), "out": out.name, "err": err.name}
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                self.end()
                raise subprocess.TimeoutExpired(arguments, timeout, out.read(), err.read())
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            with process:
                pass


_forks = _Forks()


@pytest.fixture(scope="session", autouse=True)
def _end_of_forks() -> Iterator[None]:
    yield
    _forks.end()


def scopegate(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
    anew: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; nothing of the tests' own AWS or Scopegate settings reaches it.

    anew: in an interpreter of its own, as a terminal would; so does what is run while another command is.
    """
    command = [str(SCOPEGATE), *arguments]
    surroundings = {**_surroundings(), **(environment or {})}
    if not anew and _forks.free.acquire(blocking=False):
        try:
            return _forks.run(command, surroundings, cwd or Path.cwd(), timeout)
        finally:
            _forks.free.release()
    return subprocess.run(
        command,
        env=surroundings,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _surroundings() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SCOPEGATE_"))}
    return {**kept, "COLUMNS": "80"}


@dataclass(frozen=True)
class Key:
    """An admin key as `scopegate keys create` printed it."""

    key_id: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}


def create_key(*where: str, name: str = "deploy", environment: Mapping[str, str] | None = None) -> Key:
    """where: `--data-dir DIR` or `--database URL`, as the server's."""
    done = scopegate("keys", "create", "--name", name, *where, environment=environment)
    assert done.returncode == 0, done.stderr
    printed = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return Key(printed["AWS_ACCESS_KEY_ID"], printed["AWS_SECRET_ACCESS_KEY"])


@dataclass
class Production:
    """A server in production mode, and a key of its operator."""

    server: Server
    key: Key

    def aws(self, service: str, **more: Any) -> Any:
        return self.server.aws(service, key=self.key.key_id, secret=self.key.secret, **more)


def start_production(data_dir: Path, *arguments: str) -> Production:
    key = create_key("--data-dir", str(data_dir))
    return Production(start(("serve", "--workers", "1", *arguments), data_dir), key)


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One server in production mode, for every test that leaves its keys and flags alone."""
    flags = ("--egress-allow", "127.0.0.1/32", "--strict-runtimes", "--public-host", "aws.example")
    running = start_production(tmp_path_factory.mktemp("production"), *flags)
    yield running
    assert running.server.stop() == 0


def family(server: Server) -> list[psutil.Process]:
    """The server's processes: the one that was started first, then its children and theirs."""
    parent = psutil.Process(server.process.pid)
    return [parent, *parent.children(recursive=True)]


def role_processes(server: Server, role: str) -> list[psutil.Process]:
    """The processes of one role of a server that has several."""
    found = []
    for one in family(server):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            if one.cmdline()[-2:] == ["scopegate.server.processes", role]:
                found.append(one)
    return found


def wait_until(condition: Callable[[], Any], *, seconds: float = 15.0) -> Any:
    """The first true value of `condition`, which is asked until the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            assert value, "waited in vain"
            return value
        time.sleep(0.02)


def lines_of(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.decode()
