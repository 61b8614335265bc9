"""← The control plane's door: who asks, what is asked, may he, do it, answer.

1 the operation, from the service models · 2 the guard, unless the operation is unsigned · 3 the signature → Caller ·
4 what a function's session may do · 5 parse and validate · 6 dispatch · 7 render.
`/_scopegate/api` takes the same way with its own table of routes instead of the models.
Source: design, flow (c) and "Who may speak to which plane".
"""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from scopegate.aws import constraints, protocols, sigv4
from scopegate.aws.coerce import coerce
from scopegate.aws.models import Models, Service, Target, UnknownOperation
from scopegate.aws.operations import CallContext, Caller, Shape, Table, dispatch
from scopegate.aws.policy import authorise
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.settings import DEFAULT_ACCOUNT, Settings
from scopegate.http.message import Request, Response
from scopegate.ports import Ports
from scopegate.server import guard
from scopegate.server.api import OwnApi
from scopegate.server.hosts import Own
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sealing import Sealer

OWN_SERVICE: Final = "scopegate"
_CORS: Final = [
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Expose-Headers", b"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
]

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

    async def answer(self, request: Request) -> Response:
        request_id = clock.uuid4()
        service: Service | None = None
        try:
            if isinstance(request.room, Own):
                return await self._own(request, request.room.path)
            try:
                target = self.models.find_target(request, _signing_name(request))
            except UnknownOperation as unknown:
                service = unknown.service
                self._caller(request, service.signing_name if service else None)
                raise unknown.error from None
            service = target.operation.service
            if target.operation.unsigned:
                caller, region = _nobody(), None
            else:
                caller, region = self._caller(request, service.signing_name)
            return await self._operation(request, target, caller, region, request_id)
        except sigv4.SignatureRefused as refused:
            refusal = sigv4.render_refusal(refused, service.protocol if service else "json")
            return self._render(request, service, refusal, request_id)
        except AwsError as error:
            return self._render(request, service, error, request_id)
        except StoreUnavailable as error:
            log.error("store.unavailable", request_id=request_id, reason=str(error))  # noqa: TRY400 - no bug
            unavailable = AwsError("ServiceUnavailableException", "The database does not answer.", status=503)
            return self._render(request, service, unavailable, request_id)
        except Exception:
            log.error("aws.failed", request_id=request_id, error=traceback.format_exc())  # noqa: TRY400
            return self._render(request, service, _internal(service), request_id)

    async def call_aws(self, service: str, operation: str, request: Shape, *, region: str, caller: Caller) -> Shape:
        """`ports.CallAws`: an operation from inside, validated and dispatched as one over HTTP."""
        model = self.models.operation(service, operation)
        shape = coerce(model.model.input_shape, request)
        constraints.validate(model, shape)
        return await self._dispatch(service, operation, shape, caller, region, clock.uuid4())

    # The steps

    def _caller(self, request: Request, service: str | None) -> tuple[Caller, str]:
        """Steps 2 and 3: (who asks, in which region). Raises SignatureRefused and AwsError."""
        objection = guard.refusal_of_control(request, self.settings)
        if objection is not None:
            raise AwsError("AccessDeniedException", objection, status=403)
        credential = sigv4.read_credential(request)
        if credential is None:
            raise sigv4.SignatureRefused("missing", "Missing Authentication Token")
        if service is not None and credential.service != service:
            message = f"Credential should be scoped to correct service: '{service}'. "
            raise sigv4.SignatureRefused("scope", message)
        key = self.ports.find_access_key(credential.access_key_id, credential.session_token)
        if key is None:
            # Any other key will do in development, but a presigned URL is nothing without its proof.
            if not self.settings.development or credential.presigned:
                raise sigv4.SignatureRefused("unknown", sigv4.INVALID_TOKEN)
            return _anybody(credential.access_key_id), credential.region
        sigv4.verify(request, credential, key, service=credential.service, now=clock.real_now())
        return key.caller, credential.region

    async def _operation(
        self, request: Request, target: Target, caller: Caller, region: str | None, request_id: str
    ) -> Response:
        """Steps 4 to 7."""
        operation = target.operation
        region = region or self.settings.region
        shape = protocols.parse(target, request)
        authorise(caller, operation, shape, request, region)
        constraints.validate(operation, shape)
        result = await self._dispatch(operation.service.name, operation.name, shape, caller, region, request_id)
        answer = protocols.render_result(operation, result, request_id)
        if operation.unsigned and request.find(b"origin") is not None:
            answer.headers.extend(_CORS)
        return answer

    async def _dispatch(
        self, service: str, operation: str, shape: Shape, caller: Caller, region: str, request_id: str
    ) -> Shape:
        function = self.table.get((service, operation))
        if function is None:
            raise AwsError("NotImplementedException", f"Scopegate does not have {service}:{operation} yet.", status=501)
        call: CallContext[Any] = CallContext(
            caller=caller,
            account=caller.account,
            region=region,
            now=clock.now(),
            request_id=request_id,
            settings=self.settings,
            seal=self.seal,
            ports=self.ports,
            store=self.store,
            published=self.published,
        )
        return await dispatch(function, call, shape)

    async def _own(self, request: Request, path: str) -> Response:
        caller, region = self._caller(request, OWN_SERVICE)
        if caller.role is not None:
            raise AwsError("AccessDeniedException", f"{caller.arn} may not use this API", status=403)
        return await self.own.answer(request, path, caller, region)

    def _render(self, request: Request, service: Service | None, error: AwsError, request_id: str) -> Response:
        if error.log:
            log.info("aws.refused", request_id=request_id, code=error.code, reason=error.log)
        answer = protocols.render_error(service, error, request_id)
        if service is not None and service.name == "cognito-idp" and request.find(b"origin") is not None:
            answer.headers.extend(_CORS)
        return answer


def _signing_name(request: Request) -> str | None:
    """The service that the credential names, as far as it can be read; its faults are judged later."""
    try:
        credential = sigv4.read_credential(request)
    except sigv4.SignatureRefused:
        return None
    return None if credential is None else credential.service


def _anybody(access_key_id: str) -> Caller:
    """Development mode: whoever signs is the root of the account that a 12-digit key names, else of the default one."""
    is_account = len(access_key_id) == 12 and access_key_id.isascii() and access_key_id.isdigit()
    account = access_key_id if is_account else DEFAULT_ACCOUNT
    return Caller(account, f"arn:aws:iam::{account}:root", account, access_key_id)


def _nobody() -> Caller:
    """The caller of an unsigned operation."""
    return Caller(DEFAULT_ACCOUNT, "", "", "")


def _internal(service: Service | None) -> AwsError:
    code = "InternalErrorException" if service and service.name == "cognito-idp" else "ServiceException"
    return AwsError(code, "Internal Server Error", status=500)
