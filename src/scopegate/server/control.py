"""← The control plane's door: AWS operations by `aws/control.py`, and beside them this server's own API.

`/_scopegate/api` takes the same way as an AWS call, guard and signature first, with its own table of routes instead of
the service models. `/_scopegate/code/TICKET` is where GetFunction says that a package may be fetched, and
`/_scopegate/responses?ticket=TICKET` where the function of a custom resource is told to send its answer.
Source: design, flow (c) and "Who may speak to which plane".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import structlog

import scopegate.aws.control as aws
from scopegate.aws import protocols
from scopegate.aws.models import Models
from scopegate.aws.operations import Also, Caller, Shape, Table
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.functions import downloads
from scopegate.http.message import Request, Response
from scopegate.ports import Ports
from scopegate.server import guard
from scopegate.server.api import OwnApi
from scopegate.server.hosts import Own
from scopegate.stacks import answers
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sealing import Sealer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Control:
    """Answers every AWS operation and this server's own API. One per node."""

    settings: Settings
    store: Store
    seal: Sealer
    ports: Ports
    models: Models
    table: Table
    published: Callable[[int], Awaitable[None]]
    own: OwnApi

    @property
    def aws(self) -> aws.Control[Ports]:
        return aws.Control(
            models=self.models,
            table=self.table,
            settings=self.settings,
            store=self.store,
            seal=self.seal,
            ports=self.ports,
            find_access_key=self.ports.find_access_key,
            allows=self.ports.allows,
            refusal_of_control=lambda request: guard.refusal_of_control(request, self.settings),
            published=self.published,
        )

    async def answer(self, request: Request) -> Response:
        if isinstance(request.room, Own):
            return await self._own(request, request.room.path)
        return await self.aws.answer(request)

    async def call_aws(
        self,
        service: str,
        operation: str,
        request: Shape,
        *,
        region: str,
        caller: Caller,
        also: Also | None = None,
    ) -> Shape:
        """`ports.CallAws`."""
        return await self.aws.call(service, operation, request, region=region, caller=caller, also=also)

    async def _own(self, request: Request, path: str) -> Response:
        request_id = clock.uuid4()
        try:
            if request.method == "GET" and path.startswith("code/"):
                return await downloads.answer(self.store, self.seal, path.removeprefix("code/"))
            if request.method == "PUT" and path == answers.PATH:
                ticket = parse_qs((request.query or b"").decode("latin-1")).get("ticket", [""])[0]
                await self.own.answers.accept(ticket, request.body)
                return Response(200)
            signer = self.aws.authenticate_own(request)
            return await self.own.answer(request, path, signer.caller, signer.region)
        except AwsError as error:
            refused = error
        except StoreUnavailable as error:
            log.warning("store.unavailable", reason=str(error), request_id=request_id)
            refused = AwsError("ServiceUnavailableException", "The database cannot be reached.", status=503)
        except Exception:
            log.exception("own.failed", path=path, request_id=request_id)
            refused = AwsError("InternalFailure", "Internal server error", status=500)
        return protocols.render_error(None, refused, request_id)
