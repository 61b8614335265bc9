"""An AWS call from request to response: the control role's front door for every AWS operation.

1 which operation (`models`) · 2 who calls (`sigv4`, the guard) · 3 what they ask, and may they (`protocols`,
`policy`) · 4 is it well-formed (`constraints`) · 5 the family's function (`operations.dispatch`) · 6 the answer
(`protocols`).
`call` is the same from step 3 for calls that come from inside (stacks): same checks, same durability, no HTTP.
Source: design, flow (c) and "Who may speak to which plane"; attack rows O25, U4, U5.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

import structlog

from scopegate.aws import protocols, rights, sigv4
from scopegate.aws.coerce import coerce
from scopegate.aws.constraints import validate
from scopegate.aws.models import Models, Operation, Service, Target, UnknownOperation
from scopegate.aws.operations import Also, CallContext, Caller, Shape, Table, dispatch
from scopegate.aws.policy import Context, Decision, Verdict
from scopegate.aws.sigv4 import SignatureRefused, SignedCredential
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.settings import DEFAULT_ACCOUNT, Settings
from scopegate.http.message import Request, Response
from scopegate.store.port import Store, StoreUnavailable
from scopegate.store.sealing import Sealer

log = structlog.get_logger()

PortsT = TypeVar("PortsT")

OWN_SERVICE: Final = "scopegate"
"""The service name that signs calls of `/_scopegate/api`."""

_INTERNAL: Final[Mapping[str, str]] = {
    "cognito-idp": "InternalErrorException",
    "lambda": "ServiceException",
    "iam": "ServiceFailure",
}
_EXPOSED: Final = b"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"


class KnownKey(sigv4.Secret, Protocol):
    """An access key that this server gave out."""

    @property
    def caller(self) -> Caller: ...


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, and the region that the credential names."""

    caller: Caller
    region: str


@dataclass(frozen=True, slots=True)
class Control(Generic[PortsT]):
    """What answers AWS operations in the control role.

    find_access_key: a known key by id and session token; raises SignatureRefused for a session of this server whose
    token is not its own. allows: what the policies of a caller say.
    refusal_of_control: the guard: why a request may not reach the control plane, or None.
    published: waits until the edges have compiled a change.
    """

    models: Models
    table: Table
    settings: Settings
    store: Store
    seal: Sealer
    ports: PortsT
    find_access_key: Callable[[str, str | None], KnownKey | None]
    allows: rights.Allows
    refusal_of_control: Callable[[Request], str | None]
    published: Callable[[int], Awaitable[None]]

    async def answer(self, request: Request) -> Response:
        """The answer to any request in the room of AWS operations; never raises."""
        request_id = clock.uuid4()
        service: Service | None = None
        operation: Operation | None = None
        try:
            # 1
            # The model of a service that is not ours is opened only for those who may ask.
            target = self.models.find_target(
                request, _signing_name(request), lambda named: self.authenticate(request, named)
            )
            operation = target.operation
            service = operation.service
            response = await self._answer(target, request, request_id)
        except UnknownOperation as unknown:
            response = self._refuse_unknown(unknown, request, request_id)
        except SignatureRefused as refused:
            response = _render_refusal(service, refused, request_id)
        except AwsError as error:
            if error.log:
                log.info("aws.refused", code=error.code, why=error.log, request_id=request_id)
            response = protocols.render_error(service, error, request_id)
        except StoreUnavailable as error:
            log.warning("store.unavailable", reason=str(error), request_id=request_id)
            response = protocols.render_error(service, _unavailable(service), request_id)
        except Exception:
            log.exception("aws.failed", operation=operation and operation.name, request_id=request_id)
            response = protocols.render_error(service, _internal(service), request_id)
        if operation is not None and operation.unsigned and operation.service.name == "cognito-idp":
            _open_to_browsers(request, response)
        return response

    async def _answer(self, target: Target, request: Request, request_id: str) -> Response:
        operation = target.operation
        # 2
        if operation.unsigned:
            signer = Signer(Caller(DEFAULT_ACCOUNT, "", "", ""), self.settings.region)
        else:
            signer = self.authenticate(request, operation.service.signing_name)
        # 3
        function = self.table.get((operation.service.name, operation.name))
        limited = rights.is_limited(signer.caller)
        shape = protocols.parse(target, request) if function is not None or limited else {}
        if limited:
            known = rights.describe_request(request, signer.region, clock.now())
            rights.authorise(self.allows, signer.caller, operation, shape, known)
        if function is None:
            raise _not_built(operation)
        # 4
        validate(operation, shape)
        # 5
        result = await dispatch(function, self._context(signer, request_id, request.peer[0]), shape)
        # 6
        return protocols.render_result(operation, result, request_id)

    def authenticate(self, request: Request, service: str) -> Signer:
        """Who signs a request of the control plane, as the mode demands. Raises SignatureRefused.

        1 The guard: browsers, and in development mode proxies, do not reach the control plane.
        2 The credential is SigV4-shaped and names this service, in every mode.
        3 A known key, and every presigned query, is proven in every mode.
        4 Development mode takes any other key at its word; production mode knows none.
        """
        # 1
        refusal = self.refusal_of_control(request)
        if refusal is not None:
            raise SignatureRefused("denied", refusal, status=403)
        # 2
        credential = sigv4.read_credential(request)
        if credential is None:
            raise SignatureRefused("missing", _missing(service))
        if credential.service != service:
            raise SignatureRefused("scope", f"Credential should be scoped to correct service: '{service}'. ")
        # 3
        key = self.find_access_key(credential.access_key_id, credential.session_token)
        if key is not None:
            sigv4.verify(request, credential, key, service=service, now=clock.real_now())
            return Signer(key.caller, credential.region)
        # 4
        if not self.settings.development or credential.presigned:
            raise SignatureRefused("unknown", sigv4.INVALID_TOKEN)
        return Signer(_anyone(credential), credential.region)

    def authenticate_own(self, request: Request) -> Signer:
        """Who signs a request of `/_scopegate/api`: an operator, or a user who may; never a session.

        Raises AwsError.
        """
        try:
            signer = self.authenticate(request, OWN_SERVICE)
            allows = self.allows if signer.caller.session is None else _allow_no_session
            known = rights.describe_request(request, signer.region, clock.now())
            rights.check(allows, signer.caller, f"{OWN_SERVICE}:{request.method}", "*", known)
        except SignatureRefused as refused:
            raise sigv4.render_refusal(refused, "rest-json") from None
        return signer

    async def call(
        self,
        service: str,
        operation: str,
        request: Shape,
        *,
        region: str,
        caller: Caller,
        also: Also | None = None,
    ) -> Shape:
        """One operation from inside: parsed, authorised, validated, dispatched and durable as over HTTP.

        also: runs in the transaction of an operation that writes.
        Raises AwsError, also for an operation that is not built.
        """
        try:
            known = self.models.operation(service, operation)
        except KeyError:
            raise AwsError("UnknownOperationException", f"Unknown operation: {service} {operation}") from None
        function = self.table.get((service, operation))
        if function is None:
            raise _not_built(known)
        shape = coerce(known.model.input_shape, request)
        try:
            rights.authorise(self.allows, caller, known, shape, rights.describe_request(None, region, clock.now()))
        except SignatureRefused as refused:
            raise sigv4.render_refusal(refused, known.service.protocol) from None
        validate(known, shape)
        context = self._context(Signer(caller, region), clock.uuid4())
        return await dispatch(function, replace(context, also=also), shape)

    def _context(self, signer: Signer, request_id: str, peer: str = "") -> CallContext[PortsT]:
        return CallContext(
            caller=signer.caller,
            account=signer.caller.account,
            region=signer.region,
            now=clock.now(),
            request_id=request_id,
            settings=self.settings,
            seal=self.seal,
            ports=self.ports,
            store=self.store,
            published=self.published,
            peer=peer,
        )

    def _refuse_unknown(self, unknown: UnknownOperation, request: Request, request_id: str) -> Response:
        """An unknown operation is told only to those who may ask: the rest get the refusal of their signature."""
        try:
            credential = sigv4.read_credential(request)
            self.authenticate(request, credential.service if credential is not None else "")
        except SignatureRefused as refused:
            return _render_refusal(unknown.service, refused, request_id)
        return protocols.render_error(unknown.service, unknown.error, request_id)


def _allow_no_session(caller: Caller, action: str, resource: str, context: Context) -> Decision:
    return Decision(Verdict.EXPLICIT_DENY, f"because no session may call {action}")


def _signing_name(request: Request) -> str | None:
    """The service that the credential names; what is wrong with the credential is said later."""
    try:
        credential = sigv4.read_credential(request)
    except SignatureRefused:
        return None
    return credential.service if credential is not None else None


def _anyone(credential: SignedCredential) -> Caller:
    """Development mode: the caller is the root of the account that the key spells, else of the default one."""
    key = credential.access_key_id
    account = key if len(key) == 12 and key.isascii() and key.isdigit() else DEFAULT_ACCOUNT
    return Caller(account, f"arn:aws:iam::{account}:root", account, key)


def _missing(service: str) -> str:
    return "Request is missing Authentication Token" if service in ("iam", "sts") else "Missing Authentication Token"


def _not_built(operation: Operation) -> AwsError:
    """501: SDKs parse it as any error of the service, and do not take it for a fault that goes away."""
    return AwsError(
        "NotImplementedException",
        f"{operation.name} of {operation.service.name} is not built yet; see docs/coverage.md",
        status=501,
    )


def _internal(service: Service | None) -> AwsError:
    code = _INTERNAL.get(service.name, "InternalFailure") if service is not None else "InternalFailure"
    return AwsError(code, "Internal server error", status=500)


def _unavailable(service: Service | None) -> AwsError:
    query = service is not None and service.protocol == "query"
    code = "ServiceUnavailable" if query else "ServiceUnavailableException"
    return AwsError(code, "The database cannot be reached; nothing was changed.", status=503)


def _render_refusal(service: Service | None, refused: SignatureRefused, request_id: str) -> Response:
    if refused.log:
        log.info("aws.signature_refused", fault=refused.fault, why=refused.log, request_id=request_id)
    error = sigv4.render_refusal(refused, service.protocol if service is not None else "rest-json")
    return protocols.render_error(service, error, request_id)


def _open_to_browsers(request: Request, response: Response) -> None:
    if request.all(b"origin"):
        response.headers += [
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Access-Control-Expose-Headers", _EXPOSED),
        ]
