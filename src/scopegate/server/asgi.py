"""The whole server as an ASGI application: for servers that speak HTTP/2 and TLS, and for tests within one process.

    SCOPEGATE_PORT=8443 hypercorn --bind 0.0.0.0:8443 scopegate.server.asgi:app

`app` is in production mode, its settings from the environment; `make_app` takes settings. One process has every role;
the settings' port has to be the one that the ASGI server listens on, for functions call back there. The fast way in
is `scopegate serve`.
Source: ASGI specification 3.0; design, "The data plane".
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Final

from scopegate.base.settings import Settings, read_settings
from scopegate.http.asgi import AsgiApplication, as_asgi
from scopegate.http.message import Request, Response
from scopegate.observe.log import configure
from scopegate.server import app as roles
from scopegate.server import guard, processes
from scopegate.server.edge import Front
from scopegate.server.hosts import is_loopback_host
from scopegate.server.launch import Launch


class _Whole:
    """The application between its start and its end, which the ASGI server's lifespan says."""

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings
        self._front: Front | None = None
        self._on_loopback_only = False

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        if self._settings is None:
            configure(role="all")
        settings = read_settings({}) if self._settings is None else self._settings
        processes.check(settings)
        self._on_loopback_only = settings.development and not settings.trust_network
        with processes.directories(settings) as (prepared, run_dir):
            guard.check_origins(prepared, prepared.port)
            public_url = (prepared.public_url or f"http://localhost:{prepared.port}").rstrip("/")
            launch = Launch("all", prepared, run_dir, prepared.port, public_url)
            async with contextlib.AsyncExitStack() as stack:
                self._front = await roles.build_whole(launch, stack)
                yield
                self._front = None

    @property
    def _started(self) -> Front:
        if self._front is None:
            raise RuntimeError("the ASGI server did not run the application's lifespan startup, or it is over")
        return self._front

    def admit(self, request: Request) -> int | Response:
        if self._on_loopback_only and request.local[0] and not is_loopback_host(request.local[0]):
            # Who binds the socket is the ASGI server; what development mode promises holds all the same.
            return Response(403, [(b"Content-Type", b"text/plain")], b"Development mode answers on loopback only.")
        return self._started.admit(request)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        return self._started.answer(request)

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        return self._started.refuse(request, status, reason)


def make_app(settings: Settings | None = None) -> AsgiApplication:
    """An application of its own. settings: None reads them from the environment when it starts."""
    whole = _Whole(settings)
    return as_asgi(whole, lifespan=whole.lifespan)


app: Final = make_app()
