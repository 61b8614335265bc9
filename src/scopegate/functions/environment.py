"""One execution environment: a sandbox, the runtime's process in it, its limits, its output, its end.

An environment outlives its runtime's process: after a timeout or a crash a new one starts in the same sandbox, where
/tmp is as it was. Who decides when, and what it means, is `pool.py`.
Source: reference chapter "Environment of the function process" and page "Process behaviour"; attacks F2 to F6, U5.
"""

import array
import asyncio
import contextlib
import marshal
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.functions import proc
from scopegate.functions.model import Definition
from scopegate.functions.runtime_api import Answer, Exchange, RuntimeApi
from scopegate.functions.runtimes import Interpreter, Runtime
from scopegate.functions.sandbox import OPT, Place, Sandbox

log = structlog.get_logger()

RESERVED_NAMES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)
_READ_BYTES: Final = 65_536
_PAUSE_S: Final = 0.001  # between two full reads of output: a flood is slowed to 64 MB/s and blocks its writer
_MOST_DRAINED: Final = 1_048_576
_END_S: Final = 5.0  # how long the first process may take to end everything
_REST_S: Final = 1.0  # how long what a process has posted may take to arrive
_CREDENTIALS: Final = struct.Struct("iII")
# Where nothing listens; Lambda's own address. Our bootstraps have an inherited socket instead.
_SEARCHED: Final = frozenset({"LD_LIBRARY_PATH", "NODE_PATH", "PATH"})
_NO_PORT: Final = "169.254.100.1:9001"


@dataclass(frozen=True, slots=True)
class Exit:
    """How the runtime's process ended. status: as wait(2) gives it. failure: errno when it could not be started."""

    status: int
    failure: int | None = None


class EnvironmentListener(Protocol):
    """Who is told what happens in an environment; all in the event loop, none may raise."""

    def on_ready(self) -> None: ...

    def on_answer(self, answer: Answer) -> None: ...

    def on_output(self, data: bytes) -> None: ...

    def on_exit(self, ended: Exit) -> None:
        """The runtime's process and its children are gone; all that it posted and wrote has been told."""

    def on_closed(self) -> None:
        """The environment is gone, with everything in it."""


class Environment:
    """See the module. Made with `open`; `start` may be called again after `on_exit`."""

    def __init__(
        self,
        sandbox: Sandbox,
        definition: Definition,
        runtime: Runtime,
        interpreter: Interpreter,
        listener: EnvironmentListener,
    ) -> None:
        self.definition = definition
        self.log_stream = _log_stream(definition)
        self.exchange: Exchange | None = None
        self._sandbox = sandbox
        self._runtime = runtime
        self._interpreter = interpreter
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._name = f"environment-{clock.random_hex(6)}"
        self._user = sandbox.take_user()
        self._place: Place | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._first_pid = 0  # of the first process, as this machine counts
        self._runtime_pid = 0  # of the runtime's process, as the sandbox counts
        self._statm = -1
        self._output = -1
        self._server: asyncio.Server | None = None
        self._failure: int | None = None
        self._exit: Exit | None = None
        self._running = False
        self._last_killed = False
        self._gone = asyncio.Event()

    # Life

    def open(self) -> None:
        """Raise the sandbox. Its first process starts; the runtime's does with `start`."""
        try:
            self._open()
        except BaseException:
            self._let_go()
            raise

    def _open(self) -> None:
        code_dir = Path(self.definition.code_dir)
        layers_dir = None if self.definition.layers_dir is None else Path(self.definition.layers_dir)
        self._place = self._sandbox.prepare(code_dir, layers_dir, self._name, self._user)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passwd = os.memfd_create("passwd")
        os.write(passwd, self._sandbox.passwd(self._user))
        os.lseek(passwd, 0, os.SEEK_SET)
        init = (f"{self._place.runtime_dir}/bootstrap_init.py", str(theirs.fileno()))
        command = self._sandbox.command(
            init, code_dir, layers_dir, self._interpreter, self._user, self.definition.ephemeral_storage_mb, passwd
        )
        try:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            ours.setblocking(False)
            # Nothing of the server's environment goes in; what the function gets is said in `start`.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(), passwd),
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(passwd)
        self._control = ours
        self._loop.add_reader(ours.fileno(), self._on_control)

    async def start(self) -> None:
        """Start the runtime's process; the listener hears from it."""
        assert self._control is not None
        assert self._place is not None
        self._failure = self._exit = None
        self._running = True
        exchange = self.exchange = Exchange(self._listener.on_ready, self._listener.on_answer, self._on_disconnect)
        output, output_end = os.pipe()
        os.set_blocking(output, False)
        descriptors = [output_end]
        inherited: socket.socket | None = None
        try:
            if self._runtime.own_bootstrap:
                ours, inherited = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
                ours.setblocking(False)
                descriptors.append(inherited.fileno())
                address = _NO_PORT
                await self._loop.create_unix_connection(lambda: RuntimeApi(exchange), sock=ours)
            else:
                self._close_server()
                self._server = await self._loop.create_server(
                    lambda: RuntimeApi(exchange, self._admits), "127.0.0.1", 0
                )
                address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
            self._watch_output(output)
            variables = build_variables(self.definition, self._runtime, self._place, self.log_stream, address)
            order = {
                "argv": self._argv(variables),
                "env": variables,
                "cwd": self._place.task_root,
                "uid": self._user,
                "groups": self._place.groups,
                "limits": self._limits(),
            }
            self._send(marshal.dumps(order), descriptors)
        finally:
            os.close(output_end)
            if inherited is not None:
                inherited.close()

    def kill(self) -> None:
        """End the runtime's process and its children now; `on_exit` follows."""
        self._send(b"kill")
        self._loop.call_later(_END_S, self._kill_hard, self.exchange)

    def close(self) -> None:
        """End everything; `on_closed` follows."""
        if self._control is not None:
            self._drop_control()
            self._finish()

    def _drop_control(self) -> None:
        assert self._control is not None
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._control = None

    def _finish(self) -> None:
        self._running = False
        self._close_server()
        if self.exchange is not None:
            self.exchange.close()
        self._read_to_end()
        self._reap(self._loop.time() + _END_S)

    def _let_go(self) -> None:
        self._sandbox.clear(self._name, self._user)
        self._sandbox.give_back_user(self._user)

    async def closed(self) -> None:
        await self._gone.wait()

    # Use

    @property
    def is_open(self) -> bool:
        """Whether a process can be started in it."""
        return self._control is not None

    def drain_output(self) -> None:
        """Tell the listener what has been written until now. A runtime writes before it posts."""
        left = _MOST_DRAINED
        while self._output >= 0 and left > 0:
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._stop_watching_output()
                return
            self._listener.on_output(data)
            left -= len(data)

    def resident_kb(self) -> int:
        """Memory of the runtime's process now."""
        if self._statm < 0:
            return 0
        try:
            return proc.parse_statm_kb(os.pread(self._statm, 64, 0))
        except (OSError, IndexError):
            return 0

    def processes(self) -> list[tuple[int, str]]:
        """Resident size in kB and directory of every process of the environment, the largest first."""
        return sorted(((proc.resident_kb(pid), pid) for pid in self._pids()), reverse=True)

    def cpu_ticks(self) -> int:
        """Processor time of the runtime's process, in clock ticks."""
        try:
            fields = Path(self._proc(), str(self._runtime_pid), "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0
        return int(fields[11]) + int(fields[12])

    # What the runtime's process is

    def _argv(self, variables: Mapping[str, str]) -> list[str]:
        assert self._place is not None
        if self._interpreter.executable is None:
            inside = Path(self.definition.code_dir) / "bootstrap"
            root = self._place.task_root if inside.exists() else self._place.opt
            return [f"{root}/bootstrap"]
        arguments = self._runtime.command(Path(self._place.runtime_dir))
        command = [str(self._interpreter.executable), *arguments]
        wrapper = variables.get("AWS_LAMBDA_EXEC_WRAPPER")
        return [wrapper, *command] if wrapper else command

    def _limits(self) -> list[tuple[str, int]]:
        processes = limit("functions.processes")
        if self._user is None and self._sandbox.isolation == "none":
            processes += proc.count_tasks()  # the limit counts all processes of the user
        return [
            ("RLIMIT_NOFILE", limit("functions.open_files")),
            ("RLIMIT_NPROC", processes),
            ("RLIMIT_FSIZE", self.definition.ephemeral_storage_mb * 1_048_576),
            ("RLIMIT_MEMLOCK", 65_536),
            ("RLIMIT_CORE", 0),
        ]

    # The first process

    def _send(self, message: bytes, descriptors: list[int] | None = None) -> None:
        if self._control is None:
            return
        ancillary = []
        if descriptors:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())]
        with contextlib.suppress(OSError):  # it is ending; the end of the socket says so
            self._control.sendmsg([message], ancillary)

    def _on_control(self) -> None:
        while self._control is not None:
            try:
                message, ancillary, _, _ = self._control.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            except OSError:
                message, ancillary = b"", []
            word, _, rest = message.partition(b" ")
            if word == b"up":
                for level, kind, data in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                        self._first_pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            elif word == b"started" and rest.isdigit():
                self._runtime_pid = int(rest)
                self._open_statm()
            elif word == b"failed" and rest.isdigit():
                self._failure = int(rest)
            elif word == b"exit":
                status = rest.split()[0] if rest else b""
                self._on_process_end(int(status) if status.isdigit() else 9)
            elif not message:
                self._on_sandbox_end()
                return

    def _on_process_end(self, status: int) -> None:
        self._exit = Exit(status, self._failure)
        exchange = self.exchange
        if exchange is not None and exchange.connected:
            # What it posted before it ended is still on its way; the end of its connections comes after.
            self._loop.call_later(_REST_S, self._tell_exit, exchange)
        else:
            self._tell_exit(exchange)

    def _tell_exit(self, exchange: Exchange | None) -> None:
        if self._exit is None or exchange is not self.exchange:
            return
        ended, self._exit = self._exit, None
        self._running = False
        self._runtime_pid = 0
        self._close_statm()
        self._close_server()
        self.exchange = None
        if exchange is not None:
            exchange.close()
        self._read_to_end()
        self._listener.on_exit(ended)

    def _on_sandbox_end(self) -> None:
        """The first process ended by itself: the sandbox could not be raised, or somebody killed it."""
        self._drop_control()
        if self._process is not None and self._process.stderr is not None:
            os.set_blocking(self._process.stderr.fileno(), False)
            reason = self._process.stderr.read(4096) or b""
            log.error(
                "function.sandbox_ended", function=self.definition.function_arn, reason=reason.decode(errors="replace")
            )
        if self._running:
            self._exit = Exit(9)
            self._tell_exit(self.exchange)
        self._finish()

    def _kill_hard(self, exchange: Exchange | None) -> None:
        """The first process did not do what it was told: the sandbox goes as a whole."""
        if self._running and exchange is not None and exchange is self.exchange and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _reap(self, deadline: float) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            if self._loop.time() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            self._loop.call_later(0.005, self._reap, deadline)
            return
        if self._process.stderr is not None:
            self._process.stderr.close()
        if self._process.returncode and self._user is not None and not self._last_killed:
            self._last_killed = True
            self._process = self._sandbox.kill_user(self._user)
            self._loop.call_later(0.005, self._reap, deadline)
            return
        self._close_statm()
        self._let_go()
        self._gone.set()
        self._listener.on_closed()

    def _on_disconnect(self) -> None:
        if self._exit is not None and self.exchange is not None and not self.exchange.connected:
            self._tell_exit(self.exchange)

    # Output

    def _watch_output(self, output: int) -> None:
        self._stop_watching_output()
        self._output = output
        self._loop.add_reader(output, self._on_output)

    def _stop_watching_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    def _on_output(self) -> None:
        output = self._output
        if output < 0:
            return
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._stop_watching_output()
            return
        self._listener.on_output(data)
        if len(data) == _READ_BYTES and self._output == output:
            self._loop.remove_reader(output)
            self._loop.call_later(_PAUSE_S, self._resume_output, output)

    def _resume_output(self, output: int) -> None:
        if self._output == output:
            self._loop.add_reader(output, self._on_output)

    def _read_to_end(self) -> None:
        self.drain_output()
        self._stop_watching_output()

    # Processes

    def _proc(self) -> str:
        """The process table as the sandbox sees it; the machine's where there is no PID namespace."""
        if self._sandbox.isolation == "bwrap":
            return f"/proc/{self._first_pid}/root/proc"
        return "/proc"

    def _pids(self) -> Iterator[str]:
        """Process directories of the environment, its first process excepted; none before that has come up."""
        if not self._first_pid:
            return
        table = self._proc()
        if self._sandbox.isolation == "bwrap":
            with contextlib.suppress(OSError):
                yield from (f"{table}/{name}" for name in os.listdir(table) if name.isdigit() and name != "1")
            return
        yield from proc.descendants(self._first_pid)

    def _open_statm(self) -> None:
        self._close_statm()
        with contextlib.suppress(OSError):
            self._statm = os.open(f"{self._proc()}/{self._runtime_pid}/statm", os.O_RDONLY | os.O_CLOEXEC)

    def _close_statm(self) -> None:
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _admits(self, transport: asyncio.Transport) -> bool:
        """Whether the peer of a loopback connection is a process of this environment."""
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        found = proc.find_socket(peer[1], own[1])
        if found is None:
            return False
        user, inode = found
        if self._user is not None:
            return user == self._user
        wanted = f"socket:[{inode}]"
        for process in self._pids():
            with contextlib.suppress(OSError):
                descriptors = f"{process}/fd"
                if any(os.readlink(f"{descriptors}/{name}") == wanted for name in os.listdir(descriptors)):
                    return True
        return False


def build_variables(
    definition: Definition, runtime: Runtime, place: Place, log_stream: str, runtime_api: str
) -> dict[str, str]:
    """The environment of the function's process: Lambda's variables, then the user's, which may not be Lambda's own.

    Source: reference pages "Variables" and "Reserved names and limits".
    """
    lambda_own = {
        "_HANDLER": definition.handler,
        "AWS_REGION": definition.region,
        "AWS_DEFAULT_REGION": definition.region,
        "AWS_LAMBDA_FUNCTION_NAME": definition.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(definition.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": definition.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": definition.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_ACCESS_KEY_ID": definition.access_key_id,
        "AWS_SECRET_ACCESS_KEY": definition.secret_access_key,
        "AWS_SESSION_TOKEN": definition.session_token,
        "LAMBDA_TASK_ROOT": place.task_root,
        "LAMBDA_RUNTIME_DIR": place.runtime_dir,
        "_SCOPEGATE_SDK": place.sdk,
        "_SCOPEGATE_OPT": place.opt,
    }
    managed = runtime.own_bootstrap
    defaults = {
        "AWS_ENDPOINT_URL": definition.endpoint_url,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": f"{'/var/lang/bin:' if managed else ''}/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": f"{'/var/lang/lib:' if managed else ''}/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
        "/var/task:/var/task/lib:/opt/lib",
        **runtime.variables(definition),
    }
    if definition.log_format == "JSON":
        defaults["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        defaults["AWS_LAMBDA_LOG_LEVEL"] = definition.application_log_level
    if place.opt != OPT:
        # No file system of its own: what Lambda's variables say of /opt lies elsewhere.
        defaults |= {name: text.replace(OPT, place.opt) for name, text in defaults.items() if name in _SEARCHED}
    if managed:
        defaults |= {"PWD": place.task_root, "SHLVL": "0"}
    else:
        del lambda_own["_SCOPEGATE_SDK"], lambda_own["_SCOPEGATE_OPT"]
    if place.temporary is not None:
        defaults["TMPDIR"] = place.temporary
    mine = {name: value for name, value in definition.environment.items() if name not in RESERVED_NAMES}
    return {**defaults, **mine, **lambda_own}


def _log_stream(definition: Definition) -> str:
    """`YYYY/MM/DD/[version]<32 hex>`; a log group of the user's own also has the function's name in it."""
    day = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y/%m/%d")
    own = definition.log_group != f"/aws/lambda/{definition.function_name}"
    name = definition.function_name if own else ""
    return f"{day}/{name}[{definition.version}]{clock.random_hex(16)}"
