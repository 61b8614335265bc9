"""The callables by which families meet. A family never imports another: it is handed these.

`server/app.py` builds one `Ports` per process; in a process that lacks a role (an edge without the function runtime)
the same callable speaks to the role that has it.
"""

from collections.abc import Awaitable, Callable, Container, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from scopegate.aws.operations import Also, CallContext, Caller, Shape
from scopegate.aws.policy import Context, Decision, Verdict
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.base.rates import Rates
from scopegate.base.settings import Settings
from scopegate.http.client import Upstream, UpstreamAnswer
from scopegate.http.later import Later
from scopegate.http.message import Header
from scopegate.jose.keys import NewKey, new_key
from scopegate.jose.remote import IssuerKeys
from scopegate.jose.verify import KeySet, Verifier
from scopegate.observe.groups import LogGroups
from scopegate.observe.record import Ring
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One synchronous call of a function, by the rules of Lambda's Invoke.

    function_arn: as addressed: unqualified, `:$LATEST`, `:7` or `:alias`.
    principal, source_arn: the calling service (`apigateway.amazonaws.com`) and what it calls for; its permission is
    looked up in the function's resource policy. None: the caller is already authorised.
    request_id: the invocation's id, where the caller has it already.
    """

    function_arn: str
    payload: bytes
    principal: str | None = None
    source_arn: str | None = None
    trace_id: str | None = None
    client_context: bytes | None = None
    log_tail: bool = False
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class InvocationAnswer:
    """What came back. function_error is `Unhandled` when the function failed; the payload is then its error JSON."""

    request_id: str
    payload: bytes
    executed_version: str
    function_error: str | None = None
    log_tail: bytes | None = None


class Invoke(Protocol):
    """Raises AwsError as Lambda's Invoke does before a function runs: ResourceNotFoundException,
    AccessDeniedException, TooManyRequestsException, RequestTooLargeException, …"""

    def __call__(self, invocation: Invocation) -> Awaitable[InvocationAnswer]: ...


class WebClient(Protocol):
    """The way out to web services: `http.client.Client`, or what stands before it."""

    def send(
        self,
        upstream: Upstream,
        method: str,
        target: bytes,
        headers: Sequence[Header],
        body: bytes = b"",
        *,
        timeout_s: float,
        host: bytes | None = None,
    ) -> Later[UpstreamAnswer]: ...


class FindRefusal(Protocol):
    """What Invoke would raise for an invocation, whatever its payload, at this moment; None when it would run it."""

    def __call__(self, invocation: Invocation) -> AwsError | None: ...


def never_revoked(_claims: Mapping[str, Any]) -> bool:
    return False


class Use(NamedTuple):
    """Whose calls are counted: an API key's under a usage plan."""

    account: str
    region: str
    plan_id: str
    key_id: str


class CountUse(Protocol):
    """Count a call on `day` (days since 1970-01-01); False, and nothing counted, when there are `allowed` already since
    day `since`. allowed: None when there is no end. Only the first call of a key in a period has to wait for it."""

    def __call__(self, use: Use, day: int, since: int, allowed: int | None) -> bool | Awaitable[bool]: ...


@dataclass(frozen=True, slots=True)
class TrustedPool:
    """What the gateway needs of a user pool to trust its tokens.

    is_revoked: whether a token with these claims, which is good otherwise, was taken back.
    takes_deleted: whether tokens of app clients that are no more are taken.
    """

    pool_id: str
    arn: str
    issuer: str
    keys: KeySet
    client_ids: Container[str]
    is_revoked: Callable[[Mapping[str, Any]], bool] = never_revoked
    takes_deleted: bool = False

    def takes_client(self, client_id: str) -> bool:
        return self.takes_deleted or client_id in self.client_ids


class FindPool(Protocol):
    """A user pool of this server by ARN or by issuer URL (any of its spellings); None when there is none."""

    def __call__(self, arn_or_issuer: str) -> TrustedPool | None: ...


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A known access key, or a function's session. `expires_at`: epoch seconds, None for a key that does not."""

    access_key_id: str
    secret: bytes = field(repr=False)
    caller: Caller
    session_token: str | None = field(default=None, repr=False)
    expires_at: int | None = None


class FindAccessKey(Protocol):
    """A known key or a session of this server; None for a key that is not ours. Raises SignatureRefused for a session
    of this server that its token does not prove, and for a key of this server that is no more: neither is taken for an
    unknown key."""

    def __call__(self, access_key_id: str, session_token: str | None) -> AccessKey | None: ...


class MintSession(Protocol):
    """Credentials of a role for execution environments of a function (`ASIA…`). source_arn: the function's."""

    def __call__(self, role_arn: str, session_name: str, source_arn: str) -> AccessKey: ...


class Allows(Protocol):
    """What the identity policies of a caller say: those of its user or role, inline and attached, within its
    permissions boundary and the policies of its session. The account's root and operators' keys may do everything.

    caller: as `find_access_key` or `assume_role` gave it. action: `execute-api:Invoke`. resource: an ARN.
    context: what is known of the request (`aws:sourceip`, keys in lower case); what is known of the caller
    (`aws:username`, `aws:principaltag/…`) is added here. Reads the frozen view: cheap, no waiting.
    Policies of the resource are not in it: evaluate those with `policy.evaluate(…, principal_of(caller))`. In one
    account an Allow of either suffices and an explicit deny of either refuses; across accounts both have to allow.
    """

    def __call__(self, caller: Caller, action: str, resource: str, context: Context) -> Decision: ...


class AssumeRole(Protocol):
    """The caller that a service (`apigateway.amazonaws.com`) is with a role, such as the credentials of an
    integration; None when there is no such role, or it does not trust the service.

    context: what the trust policy may ask for: `aws:sourcearn`, `aws:sourceaccount`.
    """

    def __call__(self, role_arn: str, service: str, session_name: str, context: Context) -> Caller | None: ...


class CallAws(Protocol):
    """One AWS operation as `caller`, from inside: parsed, validated, dispatched and durable as a call over HTTP is.

    also: runs in the transaction of an operation that writes, with what that returns: both happen or none.
    """

    def __call__(
        self,
        service: str,
        operation: str,
        request: Shape,
        *,
        region: str,
        caller: Caller,
        also: Also | None = None,
    ) -> Awaitable[Shape]: ...


class Passwords(Protocol):
    """Hashes of users' passwords, and the other slow arithmetic of a sign-in, in a few threads of their own.

    Raises AwsError("TooManyRequestsException") at once when more is waiting than can be worked off soon.
    """

    def hash(self, password: str) -> Awaitable[str]:
        """The hash to keep, in PHC form."""
        ...

    def verify(self, phc: str | None, password: str) -> Awaitable[bool]:
        """Whether a password is the one that was hashed; None, for a user who is not there, takes as long."""
        ...

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """What `work` returns, computed in one of the threads."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. body: HTML. sender, reply_to: "" for the server's own, and none."""

    to: str
    subject: str
    body: str = field(repr=False)
    sender: str = ""
    reply_to: str = ""


class SendMail(Protocol):
    """Hand a mail to the mail server. Raises AwsError("CodeDeliveryFailureException") when it does not take it."""

    def __call__(self, mail: Mail) -> Awaitable[None]: ...


class FunctionExists(Protocol):
    def __call__(self, function_arn: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One route, in plain data, as start-up tables, `ls`, `check` and the console show it.

    authorizer: `open`, `COGNITO_USER_POOLS name`, `JWT name`, … authorizer_id: "" for an open route.
    pools: ARNs of the user pools whose tokens it takes. invocations: of the functions that authorize and answer a call,
    as it would make them, without a payload. closed: why every call of this route is refused, or "".
    """

    api_id: str
    api_name: str
    api_kind: str  # REST or HTTP
    stage: str
    method: str
    path: str
    authorizer: str
    scopes: tuple[str, ...]
    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    integration: str
    closed: str = ""
    warnings: tuple[str, ...] = ()
    authorizer_id: str = ""
    pools: tuple[str, ...] = ()
    invocations: tuple[Invocation, ...] = ()


class _NoPasswords:
    async def hash(self, password: str) -> str:
        raise RuntimeError("this process hashes no passwords")

    async def verify(self, phc: str | None, password: str) -> bool:
        raise RuntimeError("this process verifies no passwords")

    async def run(self, work: Callable[[], T]) -> T:
        raise RuntimeError("this process has no threads for sign-ins")


def _begins_nothing(work: Coroutine[Any, Any, None]) -> None:
    work.close()
    raise RuntimeError("this process does nothing beside its answers")


def _nothing() -> None:
    pass


def _unknown(invocation: Invocation) -> AwsError | None:
    raise RuntimeError("this process does not know functions")


def _counts_nothing(use: Use, day: int, since: int, allowed: int | None) -> bool:
    raise RuntimeError("this process counts no calls")


def _nowhere(_: str) -> str:
    return ""


def _allows_nothing(caller: Caller, action: str, resource: str, context: Context) -> Decision:
    return Decision(Verdict.IMPLICIT_DENY, f"because no identity-based policy allows the {action} action")


def _assumes_nothing(role_arn: str, service: str, session_name: str, context: Context) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Ports:
    """What one process hands to its families.

    find_refusal: for whoever judges what is deployed; a call finds out by `invoke`.
    event_accepted: an asynchronous invocation was stored; whoever works them off need not wait for its next look.
    code_url: where a function's package, named by its digest (hex), may be fetched for a while.
    take_key: a signing key for a new user pool; the control role puts `jose.keys.KeyStock.take` here, which has them
    ready. rates: how often callers may, of the whole process.
    send_mail: None without a mail server. beside: begin what an answer does not wait for and its time must not tell.
    public_url: how clients reach this server, for links in messages; without a slash at the end.
    user_pools: the view of the user pools' family, for its own operations; verifier: of the tokens that they are given.
    client: to web services, for methods that are tested; None: calls to them are refused.
    """

    invoke: Invoke
    find_pool: FindPool
    function_exists: FunctionExists
    find_access_key: FindAccessKey
    mint_session: MintSession
    call_aws: CallAws
    plans: Callable[[], tuple[Plan, ...]]
    find_refusal: FindRefusal = _unknown
    take_key: Callable[[], NewKey] = new_key
    event_accepted: Callable[[], None] = _nothing
    code_url: Callable[[str], str] = _nowhere
    rates: Rates = field(default_factory=Rates)
    user_pools: Callable[[], Any] = _nothing
    verifier: Verifier = field(default_factory=lambda: Verifier(limit("jose.remembered_tokens")))
    count_use: CountUse = _counts_nothing
    passwords: Passwords = field(default_factory=_NoPasswords)
    send_mail: SendMail | None = None
    beside: Callable[[Coroutine[Any, Any, None]], None] = _begins_nothing
    public_url: str = ""
    allows: Allows = _allows_nothing
    assume_role: AssumeRole = _assumes_nothing
    client: WebClient | None = None


Call = CallContext[Ports]


@dataclass(frozen=True, slots=True)
class CompileContext:
    """What a family's `compile` is given beside the transaction."""

    settings: Settings
    seal: Sealer
    ports: Ports


@dataclass(frozen=True, slots=True)
class Edge:
    """What the data plane's rooms are given beside the frozen view: one per process.

    store, seal: where users' sign-ins are kept; None in a process that signs nobody in.
    """

    settings: Settings
    ring: Ring
    ports: Ports
    public_url: str  # no slash at the end; never taken from a Host header
    verifier: Verifier = field(default_factory=lambda: Verifier(limit("jose.remembered_tokens")))
    client: WebClient | None = None  # to web services; None: calls to them are refused
    issuer_keys: IssuerKeys | None = None  # of foreign issuers; None: their tokens are refused
    log_groups: LogGroups | None = None  # what stages log; None: nothing is kept
    store: Store | None = None
    seal: Sealer | None = None
