"""Functions in plain data, as the runtime needs them.

What a function is in the store, and what its operations answer, is said in the other half of this family; here are the
values that travel to the process that runs functions.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of one function, ready to run: code, configuration and a session of its role.

    It is plain data, so that it can be sent to another process as JSON.
    """

    revision: str  # unique per code and configuration; a new one retires the environments of the old
    function_arn: str  # without qualifier
    function_name: str
    version: str  # `$LATEST` or a number
    account: str
    region: str
    runtime: str
    handler: str
    code_sha256: str
    code_dir: str  # the unpacked package, read-only
    timeout_s: int
    memory_mb: int
    environment: Mapping[str, str] = field(repr=False)
    role_arn: str
    log_group: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    session_expires_at: int  # epoch seconds; an environment does not outlive its session
    endpoint_url: str  # AWS_ENDPOINT_URL: where an SDK inside the function finds this server
    ephemeral_storage_mb: int = 512
    reserved_concurrency: int | None = None
    log_format: str = "Text"  # or JSON
    application_log_level: str = "INFO"  # JSON only
    system_log_level: str = "INFO"  # JSON only
    layers_dir: str | None = None  # what lies at /opt: all layers, the later over the earlier


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation, as it reaches the runtime. The deadline is the function's timeout from when it is delivered."""

    request_id: str
    invoked_function_arn: str  # as the caller addressed it
    payload: bytes = field(repr=False)
    trace_id: str | None = None
    client_context: str | None = None  # JSON text, decoded from base64
    log_tail: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an invocation. function_error: `Unhandled` when the payload is an error document, else None."""

    payload: bytes = field(repr=False)
    function_error: str | None
    error_type: str | None  # of a failure that the platform or the runtime named
    log_tail: bytes | None  # the last 4 KB of the invocation's log, when asked for
    duration_ms: float
    billed_ms: int
    init_ms: float | None  # None: the environment was warm
    max_memory_mb: int
    log_stream: str
    content_type: bytes = b"application/json"


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """Plain data from which `definition_from_json` makes the same definition in another process."""
    plain = {row.name: getattr(definition, row.name) for row in fields(definition)}
    return {**plain, "environment": dict(definition.environment)}


def definition_from_json(plain: Mapping[str, Any]) -> Definition:
    return Definition(**plain)


def code_digest(code_sha256: str) -> str:
    """The digest that names a package in the store and on disk (hex), from `CodeSha256` (base64)."""
    return base64.b64decode(code_sha256).hex()
