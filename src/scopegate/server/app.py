"""Puts a process together: its store, its World, its rooms, its sockets; runs it until it is told to stop.

One function per role, each readable from top to bottom. What a role lacks, it reaches through `ports` that speak to the
role that has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
import structlog

import scopegate.gateway.compile as gateway
from scopegate.account import keys as account_keys
from scopegate.account import sessions
from scopegate.base import clock, garbage
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.functions import downloads
from scopegate.functions.code import CodeDirectory
from scopegate.functions.events import EventWorker
from scopegate.functions.invoke import Invoker, RunFunction
from scopegate.functions.pool import Runner, runner_options
from scopegate.functions.runtimes import find_warning
from scopegate.gateway.meter import Meter
from scopegate.http.client import Client, UpstreamError
from scopegate.http.egress import EgressPolicy, is_own_address
from scopegate.http.listener import Listener
from scopegate.http.message import Request, Response
from scopegate.jose.keys import KeyStock
from scopegate.jose.remote import IssuerKeys, fetch_with
from scopegate.observe.groups import LogGroups
from scopegate.observe.log import AccessLog
from scopegate.observe.record import Record, Ring
from scopegate.ports import AccessKey, CompileContext, Edge, Plan, Ports, TrustedPool
from scopegate.server.edge import Front
from scopegate.server.hosts import HostTable, find_room
from scopegate.server.launch import Launch
from scopegate.server.roles import Edges, Role, RoleSocket
from scopegate.server.runner import Functions, LocalFunctions, NoFunctions, RemoteFunctions, runner_socket
from scopegate.server.world import World, WorldHolder
from scopegate.store import open_migrated, open_sealer, open_store
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sealing import Sealer
from scopegate.userpools.deletion import delete_left_users
from scopegate.userpools.messages.post import open_mail
from scopegate.userpools.signin.queries import sweep
from scopegate.userpools.users.passwords import Passwords

if TYPE_CHECKING:
    from scopegate.aws.models import Models
    from scopegate.aws.operations import Caller, Shape, Table
    from scopegate.aws.policy import Context, Decision
    from scopegate.server.control import Control
    from scopegate.stacks.sam import Translators

_RING: Final = 4096
_CONTROL_START_S: Final = 60.0
_CONTROL_LOOK_S: Final = 0.01
_FLUSH_S: Final = 1.0
_GROUPS_FLUSH_S: Final = 0.25  # soon enough for who looks at a log after a call
_SWEEP_S: Final = 60.0

log = structlog.get_logger()


async def run(launch: Launch, ready: Callable[[], None], stopping: asyncio.Event) -> None:
    """Be what `launch` says until `stopping` is set. `ready` is called when the first request can be answered."""
    if launch.settings.test_clock is not None:
        clock.open_test_clock(launch.settings.test_clock)
    async with contextlib.AsyncExitStack() as stack:
        await _ROLES[launch.role](launch, stack)
        garbage.settle()
        ready()
        log.info("server.started", port=launch.port)
        await stopping.wait()
        log.info("server.stopping")


# What the roles are made of


def _background(stack: contextlib.AsyncExitStack, work: Any) -> None:
    """Run a coroutine beside the server until the end."""
    task = asyncio.ensure_future(work)

    async def cancel() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(cancel)


async def _listen(stack: contextlib.AsyncExitStack, listener: Listener, launch: Launch) -> None:
    stack.push_async_callback(listener.drain, limit("http.drain_s"))
    await listener.start_tcp(launch.settings.host, launch.port, reuse_port=True)


async def _listen_unix(stack: contextlib.AsyncExitStack, socket: RoleSocket, path: Path) -> None:
    listener = Listener(socket)
    stack.push_async_callback(listener.drain, limit("http.drain_s"))
    await listener.start_unix(path)


def _access_log(stack: contextlib.AsyncExitStack, launch: Launch) -> AccessLog:
    folder = launch.settings.data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    file: IO[bytes] = stack.enter_context((folder / "access.jsonl").open("ab", buffering=0))
    access = AccessLog(file)
    stack.callback(access.flush)

    async def flush_often() -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            access.flush()

    _background(stack, flush_often())
    return access


def _groups_folder(launch: Launch) -> Path:
    return launch.settings.data_dir / "log" / "groups"


def _log_groups(stack: contextlib.AsyncExitStack, launch: Launch) -> LogGroups:
    """What stages log; written often, and at the end."""
    groups = LogGroups(_groups_folder(launch))
    stack.callback(groups.flush)

    async def flush_often() -> None:
        while True:
            await asyncio.sleep(_GROUPS_FLUSH_S)
            groups.flush()

    _background(stack, flush_often())
    return groups


def _client(stack: contextlib.AsyncExitStack, launch: Launch) -> Client:
    """The way out: to web services, foreign issuers, and the other roles' sockets."""
    settings = launch.settings

    def is_own_admin(address: str, port: int) -> bool:
        # Whatever is spoken to our own port could reach the control plane from an address of this machine.
        return port == launch.port and is_own_address(address)

    allowed = settings.egress_allow
    client = Client(EgressPolicy(development=settings.development, allowed=allowed, is_own_admin=is_own_admin))
    stack.push_async_callback(client.close)
    return client


def _host_table(launch: Launch) -> HostTable:
    return HostTable(launch.settings, urlsplit(launch.public_url).hostname or "localhost")


class _Late:
    """What is made after the ports that reach it: the World, and in the control role the operations and the worker."""

    __slots__ = ("control", "holder", "worker")

    def __init__(self) -> None:
        self.holder: WorldHolder | None = None
        self.control: Control | None = None
        self.worker: EventWorker | None = None

    @property
    def world(self) -> World:
        assert self.holder is not None
        return self.holder.world

    def find_pool(self, arn_or_issuer: str) -> TrustedPool | None:
        return self.world.userpools.find_pool(arn_or_issuer)

    def find_access_key(self, access_key_id: str, session_token: str | None) -> AccessKey | None:
        return self.world.account.find_access_key(access_key_id, session_token)

    def allows(self, caller: Caller, action: str, resource: str, context: Context) -> Decision:
        return self.world.account.identities.allows(caller, action, resource, context)

    def assume_role(self, role_arn: str, service: str, session_name: str, context: Context) -> Caller | None:
        return self.world.account.identities.assume_role(role_arn, service, session_name, context)

    def function_exists(self, function_arn: str) -> bool:
        return self.world.functions.find_function(function_arn) is not None

    def plans(self) -> tuple[Plan, ...]:
        return gateway.plans(self.world.gateway, self.find_pool)

    async def call_aws(self, service: str, operation: str, request: Shape, **more: Any) -> Shape:
        assert self.control is not None
        return await self.control.call_aws(service, operation, request, **more)

    def event_accepted(self) -> None:
        assert self.worker is not None
        self.worker.wake()


def _inside_url(launch: Launch) -> str:
    """Where code inside a function finds this server."""
    return f"http://127.0.0.1:{launch.port}"


def _ports(
    launch: Launch, late: _Late, store: Store, seal: Sealer, run_function: RunFunction, call_aws: Any, **more: Any
) -> Ports:
    def mint_session(role_arn: str, session_name: str, source_arn: str) -> AccessKey:
        service = "lambda.amazonaws.com"
        return sessions.mint_session(seal, role_arn, session_name, service=service, source_arn=source_arn)

    code = CodeDirectory(store, launch.settings.data_dir / "code")
    invoker = Invoker(lambda: late.world.functions, run_function, code, mint_session, _inside_url(launch))
    return Ports(
        invoke=invoker.invoke,
        find_refusal=invoker.find_refusal,
        find_pool=late.find_pool,
        function_exists=late.function_exists,
        find_access_key=late.find_access_key,
        mint_session=mint_session,
        call_aws=call_aws,
        code_url=lambda sha256: f"{launch.public_url}/_scopegate/code/{downloads.make_ticket(seal, sha256)}",
        plans=late.plans,
        allows=late.allows,
        assume_role=late.assume_role,
        user_pools=lambda: late.world.userpools,
        **more,
    )


class _Beside:
    """What goes on after an answer: begun by `ports.beside`, waited for at the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("beside.failed", exc_info=error)

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit("http.drain_s"))
        for task in self._tasks:
            task.cancel()


def _for_users(stack: contextlib.AsyncExitStack, launch: Launch) -> dict[str, Any]:
    """What of `Ports` only people need who sign in."""
    passwords, beside = Passwords(launch.settings, one_of_many=launch.role == "edge"), _Beside()
    stack.callback(passwords.close)
    stack.push_async_callback(beside.close)
    return {
        "passwords": passwords,
        "send_mail": open_mail(launch.settings),
        "beside": beside.begin,
        "public_url": launch.public_url,
    }


async def _load_world(
    stack: contextlib.AsyncExitStack, store: Store, seal: Sealer, settings: Settings, late: _Late, ports: Ports
) -> WorldHolder:
    holder = late.holder = WorldHolder(store, CompileContext(settings, seal, ports))
    await holder.load()
    _background(stack, holder.follow())
    return holder


def _runner(stack: contextlib.AsyncExitStack, launch: Launch) -> Runner:
    runner = Runner(runner_options(launch.settings))
    stack.push_async_callback(runner.close)
    return runner


def _edge(
    stack: contextlib.AsyncExitStack, launch: Launch, ports: Ports, client: Client, store: Store, seal: Sealer
) -> Edge:
    issuer_keys = IssuerKeys(fetch_with(client))
    stack.push_async_callback(issuer_keys.close)
    return Edge(
        launch.settings,
        Ring(_RING),
        ports,
        launch.public_url,
        client=client,
        issuer_keys=issuer_keys,
        log_groups=_log_groups(stack, launch),
        store=store,
        seal=seal,
    )


def _meter(stack: contextlib.AsyncExitStack, store: Store) -> Meter:
    """What counts the uses of API keys; at the end it adds what it counted last."""
    meter = Meter(store)

    async def add_last() -> None:
        with contextlib.suppress(StoreUnavailable):
            await meter.flush()

    stack.push_async_callback(add_last)
    _background(stack, meter.keep())
    return meter


async def _no_call_aws(*_: Any, **__: Any) -> Any:
    raise RuntimeError("this process has no control role")


async def _begin_control(
    launch: Launch,
    stack: contextlib.AsyncExitStack,
    store: Store,
    seal: Sealer,
    client: Client,
    late: _Late,
    run_function: RunFunction,
) -> tuple[Ports, WorldHolder]:
    """Ports and World of a process with the control role, its key stock filling and its worker at work."""
    if not launch.settings.development:
        await account_keys.require_key(store)
    stock = KeyStock()
    stack.callback(stock.close)
    more = {
        "take_key": stock.take,
        "event_accepted": late.event_accepted,
        **_for_users(stack, launch),
        "count_use": _meter(stack, store).count_use,
        "client": client,
    }
    ports = _ports(launch, late, store, seal, run_function, late.call_aws, **more)
    worker = late.worker = EventWorker(store, ports.invoke)
    holder = await _load_world(stack, store, seal, launch.settings, late, ports)
    await CodeDirectory(store, launch.settings.data_dir / "code").sweep()
    _background(stack, worker.work())
    _background(stack, _sweep_sign_ins(store))
    _background(stack, _warn_of_runtimes(holder.world))
    return ports, holder


async def _sweep_sign_ins(store: Store) -> None:
    """Delete what of sign-ins has expired, and what is left of deleted pools, now and then."""
    while True:
        await asyncio.sleep(_SWEEP_S)
        with contextlib.suppress(StoreUnavailable):
            await store.write(lambda tx: sweep(tx, clock.now()))
            await delete_left_users(store)


async def _warn_of_runtimes(world: World) -> None:
    """Which runtimes of functions are not here as they are asked for. Interpreters are asked for their version."""
    for runtime in sorted({function.runtime for function in world.functions.all_functions()}):
        if reason := await asyncio.to_thread(find_warning, runtime):
            log.warning("function.runtime", reason=reason)


async def _wait_for_control(socket: Path) -> None:
    """At the first start: whoever finds the port open may create things at once. Later the socket is there, and an
    edge starts whatever control does."""
    async with asyncio.timeout(_CONTROL_START_S):
        while not socket.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it; one look at a directory
            await asyncio.sleep(_CONTROL_LOOK_S)


# The roles


async def _all(launch: Launch, stack: contextlib.AsyncExitStack) -> None:
    """Everything in one process."""
    front = await build_whole(launch, stack)
    access = _access_log(stack, launch)
    await _listen(stack, Listener(front, on_done=access.add, on_error=_log_failure), launch)


async def build_whole(launch: Launch, stack: contextlib.AsyncExitStack) -> Front:
    """The application with every role in it, for whoever brings requests to it; it ends with `stack`."""
    settings = launch.settings
    store, seal = await open_migrated(settings)
    stack.push_async_callback(store.close)
    client, late = _client(stack, launch), _Late()
    functions = LocalFunctions(_runner(stack, launch))
    ports, holder = await _begin_control(launch, stack, store, seal, client, late, functions.run)
    edge = _edge(stack, launch, ports, client, store, seal)

    async def decisions(key: str | None, count: int) -> list[dict[str, Any]]:
        return _found(edge.ring, key, count)

    control = late.control = _control(launch, store, seal, ports, holder, holder.catch_up, decisions, functions)
    return Front(settings, _host_table(launch), holder, edge, control.answer, lambda: holder.fresh)


async def build_throwaway(
    launch: Launch, stack: contextlib.AsyncExitStack, operations: tuple[Models, Table], translators: Translators
) -> Control:
    """The operations alone, on a new store: for what is deployed only to be looked at.

    operations: of `open_operations`; they and the translators serve one throwaway after another.
    Nothing listens, nothing goes out to the network, and no function is ever run.
    """
    store, seal = await open_migrated(launch.settings)
    stack.push_async_callback(store.close)
    late, functions = _Late(), NoFunctions()
    ports = _ports(launch, late, store, seal, functions.run, late.call_aws)
    holder = late.holder = WorldHolder(store, CompileContext(launch.settings, seal, ports))
    await holder.load()

    async def decisions(_key: str | None, _count: int) -> list[dict[str, Any]]:
        return []

    late.control = _control(
        launch, store, seal, ports, holder, holder.catch_up, decisions, functions, operations, translators
    )
    return late.control


async def _run_control(launch: Launch, stack: contextlib.AsyncExitStack) -> None:
    """AWS operations, deployments, this server's own API: the one place where definitions change; on a Unix socket."""
    store, seal = open_store(launch.settings), open_sealer(launch.settings)
    stack.push_async_callback(store.close)
    client, late = _client(stack, launch), _Late()
    functions = RemoteFunctions(Role(client, launch.run_dir / "runner.sock"))
    ports, holder = await _begin_control(launch, stack, store, seal, client, late, functions.run)
    edges = Edges(client, launch.run_dir, _end_process)

    async def published(change: int) -> None:
        await holder.catch_up(change)
        await edges.publish(change)

    control = late.control = _control(launch, store, seal, ports, holder, published, edges.decisions, functions)
    hosts, answer = _host_table(launch), control.answer

    async def handed_on(request: Request) -> Response:
        host = request.find_text(b"host") or ""
        request.room = find_room(hosts, host, request.path, holder.world.userpools.custom_domains)
        return await answer(request)

    await _listen_unix(stack, RoleSocket({}, handed_on), launch.run_dir / "control.sock")


async def _run_edge(launch: Launch, stack: contextlib.AsyncExitStack) -> None:
    """Token endpoint and users' APIs, from a World of its own."""
    settings = launch.settings
    store, seal = open_store(settings), open_sealer(settings)
    stack.push_async_callback(store.close)
    client, late = _client(stack, launch), _Late()
    functions = RemoteFunctions(Role(client, launch.run_dir / "runner.sock"))
    more = {**_for_users(stack, launch), "count_use": _meter(stack, store).count_use}
    ports = _ports(launch, late, store, seal, functions.run, _no_call_aws, **more)
    holder = await _load_world(stack, store, seal, settings, late, ports)
    edge = _edge(stack, launch, ports, client, store, seal)

    async def world(request: Request) -> Response:
        await holder.catch_up(int(_query(request, "until") or 0))
        return Response(200)

    async def decisions(request: Request) -> Response:
        count = int(_query(request, "count") or 20)
        return Response(200, body=orjson.dumps(_found(edge.ring, _query(request, "key"), count)))

    socket = RoleSocket({("POST", "/world"): world, ("GET", "/decisions"): decisions})
    await _listen_unix(stack, socket, launch.run_dir / f"edge-{os.getpid()}.sock")
    control = Role(client, launch.run_dir / "control.sock")
    front = Front(settings, _host_table(launch), holder, edge, control.hand_on, lambda: holder.fresh)
    access = _access_log(stack, launch)
    await _wait_for_control(launch.run_dir / "control.sock")
    # What was published before control could see this edge's socket is not in its World yet.
    await holder.catch_up(await store.last_change())
    await _listen(stack, Listener(front, on_done=access.add, on_error=_log_failure), launch)


async def _run_runner(launch: Launch, stack: contextlib.AsyncExitStack) -> None:
    """Function processes; behind a Unix socket, with no key and no database."""
    runner = _runner(stack, launch)
    await _listen_unix(stack, runner_socket(runner), launch.run_dir / "runner.sock")


_ROLES: Final[dict[str, Callable[[Launch, contextlib.AsyncExitStack], Awaitable[None]]]] = {
    "all": _all,
    "control": _run_control,
    "edge": _run_edge,
    "runner": _run_runner,
}


def _control(
    launch: Launch,
    store: Store,
    seal: Sealer,
    ports: Ports,
    holder: WorldHolder,
    published: Callable[[int], Awaitable[None]],
    decisions: Callable[[str | None, int], Awaitable[Sequence[dict[str, Any]]]],
    functions: Functions,
    operations: tuple[Models, Table] | None = None,
    translators: Translators | None = None,
) -> Control:
    # Imported here because an edge must never hold the service models.
    from scopegate.server.api import OwnApi  # noqa: PLC0415
    from scopegate.server.control import Control  # noqa: PLC0415
    from scopegate.stacks.answers import Answers  # noqa: PLC0415
    from scopegate.stacks.sam import Translators  # noqa: PLC0415

    own = OwnApi(
        settings=launch.settings,
        store=store,
        ports=ports,
        public_url=launch.public_url,
        seal=seal,
        artifacts=launch.settings.data_dir / "artifacts",
        answers=Answers(_inside_url(launch)),
        world=lambda: holder.world,
        decisions=decisions,
        logs=functions.logs,
        log_groups=LogGroups(_groups_folder(launch)),
        translators=translators or Translators(),
    )
    return Control(launch.settings, store, seal, ports, *(operations or open_operations()), published, own)


def open_operations() -> tuple[Models, Table]:
    """The models of our services, and which of our functions is which operation."""
    from scopegate.aws.models import Models  # noqa: PLC0415 - see _control
    from scopegate.aws.registry import table  # noqa: PLC0415
    from scopegate.server.operations import PACKAGES  # noqa: PLC0415

    models = Models()
    return models, table(PACKAGES, models)


def _found(ring: Ring, key: str | None, count: int) -> list[dict[str, Any]]:
    """Records of one ring: the newest, or those of a request id and of the token that it was made with."""
    if key is None:
        return [record.as_dict() for record in ring.newest(count)]
    record = ring.find(key)
    if record is None:
        return []
    issued: Record | None = ring.find(record.jti) if record.kind == "call" and record.jti else None
    return [found.as_dict() for found in (issued, record) if found is not None]


def _query(request: Request, name: str) -> str | None:
    values = parse_qs((request.query or b"").decode("latin-1")).get(name)
    return values[-1] if values else None


def _end_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _log_failure(request: Request, error: BaseException) -> None:
    if isinstance(error, UpstreamError):  # an answer that broke off on its way: the other side's failure
        reason = f"{type(error).__name__}: {error}"
        log.warning("request.cut", method=request.method, path=repr(request.path), reason=reason)
        return
    log.error("request.failed", method=request.method, path=repr(request.path), exc_info=error)
