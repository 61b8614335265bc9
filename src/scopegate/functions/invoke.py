"""An invocation by Lambda's rules: which function and version, may the caller, within limits; then it is run.

1 the function, by the ARN as addressed · 2 the version behind an alias · 3 the caller's permission · 4 the payload ·
5 a definition with a session of the role · 6 the runtime. What raises AwsError here happens before any code runs.
Source: reference, Lambda, "Invoke" and "Permissions".
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from scopegate.base import clock
from scopegate.base.errors import AwsError, SetupError
from scopegate.base.limits import limit
from scopegate.functions.code import CodeDirectory
from scopegate.functions.model import Definition, Outcome, Work, code_digest
from scopegate.functions.permissions import allows_service
from scopegate.functions.references import LATEST, FunctionRef, find_reference, not_found
from scopegate.functions.view import Function, Version, View
from scopegate.ports import Invocation, InvocationAnswer, MintSession

RunFunction = Callable[[Definition, Work], Awaitable[Outcome]]

ACTION: Final = "lambda:InvokeFunction"
_RENEW_S: Final = 3_600  # before a session ends, it and the environments that hold it are replaced
_REDACTED: Final = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"


class Invoker:
    """`ports.Invoke`: the current view of functions, and whatever runs them.

    code: where packages lie unpacked, fetched from the store when they must be.
    endpoint_url: where code inside a function finds this server.
    """

    def __init__(
        self,
        view: Callable[[], View],
        run: RunFunction,
        code: CodeDirectory,
        mint_session: MintSession,
        endpoint_url: str,
    ) -> None:
        self._view = view
        self._run = run
        self._code = code
        self._mint_session = mint_session
        self._endpoint_url = endpoint_url
        self._definitions: dict[tuple[str, str], Definition] = {}

    async def invoke(self, invocation: Invocation) -> InvocationAnswer:
        """Run a function and wait for it. Raises AwsError for what Lambda refuses before any code runs."""
        ref, function, version = self.resolve(invocation)  # 1 to 3
        payload = check_payload(invocation.payload, limit("functions.sync_payload_bytes"), "RequestResponse")  # 4
        definition = await self.definition(function, version)  # 5
        request_id = invocation.request_id or clock.request_uuid()
        work = Work(
            request_id,
            ref.asked_arn,
            payload,
            _trace(invocation.trace_id),
            None if invocation.client_context is None else invocation.client_context.decode(),
            invocation.log_tail,
        )
        try:
            outcome = await self._run(definition, work)  # 6
        except SetupError as error:
            raise runtime_missing(error) from error
        return InvocationAnswer(request_id, outcome.payload, version.version, outcome.function_error, outcome.log_tail)

    def resolve(self, invocation: Invocation) -> tuple[FunctionRef, Function, Version]:
        """What an ARN addresses, if the caller may invoke it. Raises AwsError."""
        ref = find_reference(invocation.function_arn)
        function = None if ref is None else self._view().find(ref)
        if ref is None or function is None:
            asked = invocation.function_arn if ref is None or ref.qualifier else f"{ref.arn}:{LATEST}"
            raise not_found(asked)
        version = _choose_version(function, ref)
        if invocation.principal is not None and not _allows(function, ref, invocation):
            raise AwsError(
                "AccessDeniedException",
                f"User: {invocation.principal} is not authorized to perform: {ACTION} on resource: {ref.asked_arn} "
                f"because no resource-based policy allows the {ACTION} action",
                status=403,
            )
        if function.reserved_concurrency == 0:
            members = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", members=members)
        return ref, function, version

    def find_refusal(self, invocation: Invocation) -> AwsError | None:
        """`ports.FindRefusal`."""
        try:
            self.resolve(invocation)
        except AwsError as error:
            return error
        return None

    async def definition(self, function: Function, version: Version) -> Definition:
        """What the runtime needs of a version, with a session that lives long enough; made once a revision."""
        configuration = version.configuration
        key = function.ref.arn, version.version
        known = self._definitions.get(key)
        # The runner knows a definition by its revision: what an invocation needs of the function is in it too.
        revision = f"{configuration['RevisionId']}/{function.reserved_concurrency}/"
        fresh = known is not None and known.session_expires_at - clock.real_now() > _RENEW_S
        if known is not None and fresh and known.revision.startswith(revision):
            return known
        sha256 = code_digest(configuration["CodeSha256"])
        code_dir = await self._code.ensure(sha256)
        layers = [code_digest(layer["CodeSha256"]) for layer in configuration.get("Layers", ())]
        layers_dir = await self._code.ensure_layers(layers) if layers else None
        role_arn = str(configuration["Role"])
        # Session names need two characters (reference, "Environment of the function process").
        name = function.ref.name if len(function.ref.name) > 1 else f"{function.ref.name}@lambda_function"
        session = self._mint_session(role_arn, name, function.ref.arn)
        logging = configuration["LoggingConfig"]
        definition = Definition(
            revision=f"{revision}{hashlib.sha256(session.access_key_id.encode()).hexdigest()[:8]}",
            function_arn=function.ref.arn,
            function_name=function.ref.name,
            version=version.version,
            account=function.ref.account,
            region=function.ref.region,
            runtime=str(configuration["Runtime"]),
            handler=str(configuration["Handler"]),
            code_sha256=sha256,
            code_dir=str(code_dir),
            timeout_s=int(configuration["Timeout"]),
            memory_mb=int(configuration["MemorySize"]),
            environment=version.environment,
            role_arn=role_arn,
            log_group=str(logging["LogGroup"]),
            access_key_id=session.access_key_id,
            secret_access_key=session.secret.decode(),
            session_token=session.session_token or "",
            session_expires_at=session.expires_at or 0,
            endpoint_url=self._endpoint_url,
            ephemeral_storage_mb=int(configuration["EphemeralStorage"]["Size"]),
            reserved_concurrency=function.reserved_concurrency,
            log_format=str(logging.get("LogFormat", "Text")),
            application_log_level=str(logging.get("ApplicationLogLevel", "INFO")),
            system_log_level=str(logging.get("SystemLogLevel", "INFO")),
            layers_dir=None if layers_dir is None else str(layers_dir),
        )
        self._definitions[key] = definition
        return definition


def runtime_missing(error: SetupError) -> AwsError:
    """The machine has lost what the runtime needs since the function was made, or it is strict now."""
    return AwsError("InvalidRuntimeException", str(error), status=502, log=str(error))


def _trace(given: str | None) -> str:
    """What the function gets as its trace: the caller's, with what Lambda adds to it; a new one where there is none.

    Source: reference, "Headers of `next`".
    """
    trace = given or f"Root=1-{int(clock.now()):08x}-{clock.random_hex(12)}"
    if "Parent=" not in trace:
        trace += f";Parent={clock.random_hex(8)}"
    return trace if "Sampled=" in trace else f"{trace};Sampled=0"


def check_payload(payload: bytes, largest: int, invocation_type: str) -> bytes:
    """The payload as the function gets it: JSON, `{}` when empty. Raises AwsError as Invoke does."""
    if len(payload) > largest:
        raise AwsError(
            "RequestEntityTooLargeException",
            f"{len(payload)} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {largest} bytes)",
            status=413,
        )
    if not payload.strip():
        return b"{}"
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise AwsError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {_fault(payload, error)}",
        ) from None
    return payload


def _fault(payload: bytes, error: orjson.JSONDecodeError) -> str:
    """What is wrong with a payload, in the service's words."""
    try:
        payload.decode()
    except UnicodeDecodeError as undecodable:
        line = payload.count(b"\n", 0, undecodable.start) + 1
        column = undecodable.start - payload.rfind(b"\n", 0, undecodable.start) + 1
        words = f"Invalid UTF-8 start byte 0x{payload[undecodable.start]:x}"
    else:
        line, column = error.lineno, error.colno
        words = (
            "Unexpected character: expected a valid value "
            "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        )
    return f"{words}\n at [Source: {_REDACTED}; line: {line}, column: {column}]"


def _choose_version(function: Function, ref: FunctionRef) -> Version:
    """The version that a qualifier means; behind an alias with weights, by chance. Raises ResourceNotFoundException."""
    qualifier = ref.qualifier or LATEST
    alias = function.aliases.get(qualifier)
    if alias is not None:
        qualifier = alias.version
        drawn = clock.chance()
        for further, share in alias.weights:
            drawn -= share
            if drawn < 0:
                qualifier = further
                break
    version = function.versions.get(qualifier)
    if version is None:
        raise not_found(f"{ref.arn}:{ref.qualifier or LATEST}")
    return version


def _allows(function: Function, ref: FunctionRef, invocation: Invocation) -> bool:
    """Whether the policy of exactly what is addressed lets a service in; a version does not inherit."""
    policy = function.policies.get("" if ref.qualifier in (None, LATEST) else str(ref.qualifier))
    service = str(invocation.principal)
    return policy is not None and allows_service(policy, service, ACTION, invocation.source_arn, ref.account)
