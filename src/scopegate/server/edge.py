"""The edge: what answers on the public port. Host and path choose a room; the room answers.

`Front` is the listener's application in every process that serves clients. Data plane rooms (token endpoint, discovery,
users' APIs) are answered here from the frozen World; AWS operations and this server's own API are handed to `control`,
which is a function call in a process that has that role and a Unix socket in one that has not.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
import structlog

import scopegate.gateway.pipeline as gateway
from scopegate.aws.sigv4 import SignatureRefused, read_credential
from scopegate.base.limits import limit
from scopegate.base.settings import Settings
from scopegate.gateway import responses
from scopegate.http.message import Request, Response
from scopegate.ports import Edge
from scopegate.server import guard
from scopegate.server.hosts import (
    Aws,
    ExecuteApi,
    Health,
    HostTable,
    IssuerDocument,
    NotOurs,
    OAuth,
    Own,
    Room,
    find_room,
)
from scopegate.server.proxies import TrustedProxies
from scopegate.server.world import WorldHolder
from scopegate.userpools import oauth
from scopegate.userpools.oauth.discovery import answer_document

Answer = Response | Awaitable[Response]

_OAUTH_BODY: Final = limit("oauth.body_bytes")
_GATEWAY_BODY: Final = limit("gateway.body_bytes")
_AWS_BODY: Final = limit("aws.body_bytes")
_CODE_BODY: Final = limit("aws.code_body_bytes")
_ARTIFACT: Final = limit("stacks.artifact_bytes")
_JSON: Final = (b"Content-Type", b"application/json")

log = structlog.get_logger()


class Front:
    """The application behind the public port.

    control: answers AWS operations and `/_scopegate/…`. ready: whether this node may be sent traffic.
    """

    def __init__(
        self,
        settings: Settings,
        hosts: HostTable,
        holder: WorldHolder,
        edge: Edge,
        control: Callable[[Request], Answer],
        ready: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._holder = holder
        self._edge = edge
        self._control = control
        self._ready = ready
        self._proxies = TrustedProxies(settings)

    def admit(self, request: Request) -> int | Response:
        """Find out who speaks, choose the room; say how long its bodies may be, or refuse the Host."""
        self._proxies.see_through(request)
        host = request.find(b"host") or b""
        domains = self._holder.world.userpools.custom_domains
        room = find_room(self._hosts, host.decode("latin-1"), request.path, domains)
        request.room = room
        match room:
            case ExecuteApi():
                return _GATEWAY_BODY
            case OAuth() | IssuerDocument() | Health():
                return _OAUTH_BODY
            case NotOurs(name):
                return guard.refuse_host(name)
            case _:
                largest = _largest_of_control(request)
                return largest if largest <= _AWS_BODY or self._names_a_key(request) else _AWS_BODY

    def answer(self, request: Request) -> Answer:
        room: Room = request.room  # type: ignore[assignment]
        match room:
            case ExecuteApi(api_id, raw_path):
                api = self._holder.world.gateway.api_by_id.get(api_id)
                return gateway.answer(request, api, raw_path, self._edge)
            case OAuth():
                return self._oauth(request, room)
            case IssuerDocument(pool_id, name):
                pool = self._holder.world.userpools.pool_by_id.get(pool_id)
                return answer_document(request, pool, pool_id, name, self._edge)
            case Health():
                return self._health()
            case Aws() | Own():
                return guard.answer_preflight(request, self._settings) or self._ask_control(request)
            case NotOurs(name):
                return guard.refuse_host(name)

    def _names_a_key(self, request: Request) -> bool:
        """Whether a control-plane call names a key that there is; in development mode any key is taken at its word.

        Its signature is proven when the body is there: whoever knows no key is not waited for with a long one.
        """
        if self._settings.development:
            return True
        find_access_key = self._edge.ports.find_access_key
        try:
            named = read_credential(request)
            return named is not None and find_access_key(named.access_key_id, named.session_token) is not None
        except SignatureRefused:
            return False

    def _ask_control(self, request: Request) -> Answer:
        origin = guard.find_allowed_origin(request, self._settings)
        answer = self._control(request)
        return answer if origin is None else _opened_to(origin, answer)

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        """What the listener itself refuses, in the words of the plane that was asked."""
        if request is not None and isinstance(request.room, ExecuteApi):
            api = self._holder.world.gateway.api_by_id.get(request.room.api_id)
            return responses.refuse_at_the_front(api, status, reason)
        return Response(status, [_JSON], orjson.dumps({"message": reason}))

    def _oauth(self, request: Request, room: OAuth) -> Answer:
        view = self._holder.world.userpools
        pool = None
        if room.domain is not None:
            pool_id = view.pool_by_domain.get(room.domain)
            pool = view.pool_by_id.get(pool_id) if pool_id is not None else None
            if pool is None:
                return Response(404, [_JSON], b'{"message":"No user pool has this domain."}')
        elif room.pool_id is not None:
            pool = view.pool_by_id.get(room.pool_id)
            if pool is None:
                return Response(404, [_JSON], b'{"message":"There is no such user pool."}')
        return oauth.answer(request, room.path, pool, view, self._edge)

    def _health(self) -> Response:
        ready = self._ready()
        body = orjson.dumps({"status": "ready" if ready else "not ready"})
        return Response(200 if ready else 503, [_JSON], body)


async def _opened_to(origin: bytes, answer: Answer) -> Response:
    return guard.open_to(origin, answer if isinstance(answer, Response) else await answer)


def _largest_of_control(request: Request) -> int:
    """How long the body of a control-plane call may be: code is longer, and longest by the door for artifacts."""
    if request.path == b"/_scopegate/responses":
        return _OAUTH_BODY  # of anyone who knows a ticket; what is too long is told to the deployment
    if request.method == "PUT" and request.path.startswith(b"/_scopegate/api/artifacts/"):
        return _ARTIFACT
    if request.method in ("POST", "PUT") and request.path.startswith((b"/2015-03-31/functions", b"/2018-10-31/layers")):
        return _CODE_BODY
    return _AWS_BODY
