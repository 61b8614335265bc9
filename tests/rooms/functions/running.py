"""A real runner, real function processes: what the tests of the function runtime drive."""

import asyncio
import itertools
import json
import os
import shutil
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import uvloop

from scopegate.base.errors import SetupError
from scopegate.functions import proc
from scopegate.functions.model import Definition, Outcome, Work
from scopegate.functions.pool import Runner, RunnerOptions
from scopegate.functions.sandbox import Isolation, choose_isolation

T = TypeVar("T")
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:orders"
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"


def isolations() -> list[Isolation]:
    """What this machine offers; bubblewrap must be there, and root has both."""
    if shutil.which("bwrap") is None:
        raise RuntimeError("The tests of functions need bubblewrap: apt-get install bubblewrap (or make test-setup)")
    found: list[Isolation] = []
    for wanted in ("bwrap", "user"):
        try:
            found.append(choose_isolation(wanted, required=True))
        except SetupError:
            continue
    if not found:
        raise RuntimeError("The tests of functions need bubblewrap to work here (user namespaces), or root")
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    request_id: str

    @property
    def json(self) -> Any:
        return json.loads(self.outcome.payload)

    @property
    def log(self) -> str:
        assert self.outcome.log_tail is not None
        return self.outcome.log_tail.decode()


class Function:
    """One function: its code, and how it is called."""

    def __init__(self, runs: "Runs", definition: Definition) -> None:
        self.definition = definition
        self._runs = runs

    async def call_async(self, event: Any = None, *, payload: bytes | None = None, **more: Any) -> Answer:
        request_id = f"8f507cfc-0000-4000-8000-{next(self._runs.numbers):012d}"
        payload = json.dumps(event).encode() if payload is None else payload
        work = Work(request_id, self.definition.function_arn, payload, **{"trace_id": TRACE, "log_tail": True, **more})
        return Answer(await self._runs.runner.run(self.definition, work), request_id)

    def call(self, event: Any = None, **more: Any) -> Answer:
        return self._runs.wait(self.call_async(event, **more))

    def call_many(self, events: list[Any]) -> list[Answer]:
        async def all_of_them() -> list[Answer]:
            return list(await asyncio.gather(*(self.call_async(event) for event in events)))

        return self._runs.wait(all_of_them())

    @property
    def environments(self) -> int:
        return self._runs.runner.environments().get(self.definition.revision, (0, 0))[0]


class Runs:
    """A runner on an event loop of its own."""

    def __init__(self, folder: Path, isolation: Literal["auto", "bwrap", "user", "none"], **options: Any) -> None:
        self.loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.numbers = itertools.count(1)
        self._folder = folder
        self._functions = itertools.count(1)

        async def open_runner() -> Runner:
            return Runner(RunnerOptions(folder / "data", isolation=isolation, **options))

        self.runner = self.wait(open_runner())

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(coroutine)

    def function(
        self,
        files: str | Mapping[str, str | bytes],
        *,
        runtime: str = "python3.11",
        handler: str = "index.handler",
        **more: Any,
    ) -> Function:
        """A function with this code: one text is `index.py` or `index.js`."""
        number = next(self._functions)
        code = self._folder / "code" / str(number)
        code.parent.mkdir(mode=0o700, exist_ok=True)
        if isinstance(files, str):
            files = {"index.js" if runtime.startswith("node") else "index.py": files}
        for name, content in files.items():
            path = code / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o755 if name == "bootstrap" else 0o644)
        fields: dict[str, Any] = {
            "revision": f"revision-{number}",
            "function_arn": ARN if number == 1 else f"{ARN}-{number}",
            "function_name": "orders",
            "version": "$LATEST",
            "account": "000000000000",
            "region": "eu-west-1",
            "runtime": runtime,
            "handler": handler,
            "code_sha256": "",
            "code_dir": str(code),
            "timeout_s": 10,
            "memory_mb": 256,
            "environment": {},
            "role_arn": "arn:aws:iam::000000000000:role/orders",
            "log_group": "/aws/lambda/orders",
            "access_key_id": "ASIAEXAMPLE",
            "secret_access_key": "example-secret",
            "session_token": "example-token",
            "session_expires_at": int(time.time()) + 3600,
            "endpoint_url": "http://localhost:4566",
        }
        return Function(self, Definition(**{**fields, **more}))

    def logs(self) -> str:
        return "".join(self.runner.logs("000000000000", "eu-west-1", "orders", 1000))

    def close(self) -> None:
        self.wait(self.runner.close())
        self.loop.close()


@contextmanager
def running(
    folder: Path, isolation: Literal["auto", "bwrap", "user", "none"] = "auto", **options: Any
) -> Iterator[Runs]:
    for path in (folder, *folder.parents):
        if path.owner() == Path(folder).owner() and len(path.parts) > 2:
            path.chmod(path.stat().st_mode | 0o011)
    runs = Runs(folder, isolation, **options)
    try:
        yield runs
    finally:
        runs.close()


def processes_of_functions(bootstrap: bytes = b"/bootstrap") -> list[int]:
    """Every process below this one that runs one of our bootstraps, in the order of their numbers."""
    below = sorted(int(process.rpartition("/")[2]) for process in proc.descendants(os.getpid()))
    return [pid for pid in below if bootstrap in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
