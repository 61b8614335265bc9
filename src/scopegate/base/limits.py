"""Every limit, in one table: name, value, unit, kind, source.

A *hard* limit is about one request or one object and binds always.
A *quota* is per account, region or second and binds only with `--aws-quotas`.
`docs/limits.md` is generated from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Limit:
    value: int
    unit: str  # bytes, seconds, items, characters, per second, …
    kind: Literal["hard", "quota"]
    source: str


def _hard(value: int, unit: str, source: str) -> Limit:
    return Limit(value, unit, "hard", source)


def _quota(value: int, unit: str, source: str) -> Limit:
    return Limit(value, unit, "quota", source)


LIMITS: Final[Mapping[str, Limit]] = {
    # http
    "http.head_bytes": _hard(32_768, "bytes", "ours: request line and headers together"),
    "http.head_timeout_s": _hard(10, "seconds", "ours: slow heads"),
    "http.body_timeout_s": _hard(60, "seconds", "ours: a body that makes no progress"),
    "http.idle_timeout_s": _hard(75, "seconds", "ours: keep-alive"),
    "http.connections": _hard(10_000, "connections per edge", "ours"),
    "http.drain_s": _hard(30, "seconds", "ours: SIGTERM until open calls are cut"),
    "http.runtime_api_line_bytes": _hard(1_048_576, "bytes", "reference, Runtime API: error-cause header lines"),
    # bodies, by plane
    "oauth.body_bytes": _hard(65_536, "bytes", "ours"),
    "gateway.body_bytes": _hard(10_485_760, "bytes", "API Gateway: payload size"),
    "aws.body_bytes": _hard(10_485_760, "bytes", "ours: AWS operations other than function code"),
    "aws.code_body_bytes": _hard(73_400_320, "bytes", "Lambda: 50 MB zip as base64 in JSON"),
    # gateway
    "gateway.rest.header_bytes": _hard(10_240, "bytes", "API Gateway: total of header values, REST"),
    "gateway.rest.url_characters": _hard(10_240, "characters", "API Gateway: URL, REST"),
    "gateway.http.head_bytes": _hard(10_240, "bytes", "API Gateway: request line and header values, HTTP"),
    "gateway.rest.timeout_ms": _hard(29_000, "milliseconds", "API Gateway: integration timeout, REST"),
    "gateway.http.timeout_ms": _hard(30_000, "milliseconds", "API Gateway: integration timeout, HTTP"),
    "gateway.jwks_timeout_ms": _hard(1_500, "milliseconds", "API Gateway: discovery and JWKS fetch, each"),
    "gateway.jwks_bytes": _hard(150_000, "bytes", "API Gateway: JWKS document"),
    "gateway.jwks_age_s": _hard(7_200, "seconds", "API Gateway: public keys cached up to two hours"),
    # userpools
    "userpools.client_credentials_rate": _quota(150, "per second", "Cognito: ClientAuthentication"),
    # functions
    "functions.payload_bytes": _hard(6_291_556, "bytes", "Lambda: synchronous payload with overhead"),
    "functions.async_payload_bytes": _hard(1_048_576, "bytes", "Lambda: asynchronous payload"),
    "functions.init_timeout_s": _hard(10, "seconds", "Lambda: init phase"),
}


def limit(name: str) -> int:
    """The value of a limit by name; a wrong name is a mistake in the code."""
    return LIMITS[name].value
