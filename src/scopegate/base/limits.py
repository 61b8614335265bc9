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
    "http.headers": _hard(200, "headers per request", "ours"),
    "http.header_name_bytes": _hard(256, "bytes", "ours: a header's name; names are remembered"),
    "http.write_timeout_s": _hard(60, "seconds", "ours: a client that does not read its answer"),
    "http.linger_s": _hard(2, "seconds", "ours: input read and dropped before a connection is closed on it"),
    "http.spool_bytes": _hard(1_048_576, "bytes", "ours: a larger body lies in a temporary file"),
    "http.form_fields": _hard(100, "fields", "ours: of one form body or OAuth query"),
    "http.upstream_body_bytes": _hard(10_485_760, "bytes", "API Gateway: payload size, answers too"),
    "http.upstream_head_bytes": _hard(65_536, "bytes", "ours: status line and headers of an upstream"),
    "http.upstream_idle": _hard(512, "connections per upstream", "ours: kept open while idle"),
    "http.upstream_idle_s": _hard(60, "seconds", "ours: pooled connections to upstreams"),
    "http.connect_timeout_s": _hard(5, "seconds", "ours: per address of an upstream"),
    "http.drain_s": _hard(30, "seconds", "ours: SIGTERM until open calls are cut"),
    "http.runtime_api_line_bytes": _hard(1_048_576, "bytes", "reference, Runtime API: error-cause header lines"),
    # bodies, by plane
    "oauth.body_bytes": _hard(65_536, "bytes", "ours"),
    "oauth.code_s": _hard(300, "seconds", "Cognito: an authorization code"),
    "oauth.session_s": _hard(3_600, "seconds", "Cognito: a browser's session, from its sign-in"),
    "gateway.body_bytes": _hard(10_485_760, "bytes", "API Gateway: payload size"),
    "aws.body_bytes": _hard(10_485_760, "bytes", "ours: AWS operations other than function code"),
    "aws.code_body_bytes": _hard(73_400_320, "bytes", "Lambda: 50 MB zip as base64 in JSON"),
    "stacks.artifact_bytes": _hard(262_144_000, "bytes", "Lambda: zipped package through S3, as unpacked"),
    "stacks.response_bytes": _hard(4_096, "bytes", "CloudFormation: answer of a custom resource"),
    "stacks.service_timeout_s": _hard(3_600, "seconds", "CloudFormation: a custom resource's answer; also the default"),
    "stacks.physical_id_characters": _hard(1_024, "characters", "CloudFormation: physical id of a custom resource"),
    # gateway
    "gateway.rest.header_bytes": _hard(10_240, "bytes", "API Gateway: total of header values, REST"),
    "gateway.rest.url_characters": _hard(10_240, "characters", "API Gateway: URL, REST"),
    "gateway.http.head_bytes": _hard(10_240, "bytes", "API Gateway: request line and header values, HTTP"),
    "gateway.rest.timeout_ms": _hard(29_000, "milliseconds", "API Gateway: integration timeout, REST"),
    "gateway.http.timeout_ms": _hard(30_000, "milliseconds", "API Gateway: integration timeout, HTTP"),
    "gateway.tags": _hard(50, "items", "API Gateway: tags of one resource"),
    "gateway.stage_variable_name": _hard(64, "characters", "API Gateway: name of a stage variable"),
    "gateway.stage_variable_value": _hard(512, "characters", "API Gateway: value of a stage variable"),
    "gateway.rest.policy_characters": _hard(8_192, "characters", "API Gateway: resource policy"),
    "gateway.rest.template_bytes": _hard(307_200, "bytes", "API Gateway: mapping template"),
    "gateway.rest.least_timeout_ms": _hard(50, "milliseconds", "API Gateway: integration timeout"),
    "gateway.rest.authorizer_ttl_s": _hard(3_600, "seconds", "API Gateway: authorizer result cache"),
    "gateway.rest.authorizer_timeout_ms": _hard(29_000, "milliseconds", "API Gateway: Lambda authorizer, REST"),
    "gateway.http.authorizer_timeout_ms": _hard(10_000, "milliseconds", "API Gateway: Lambda authorizer, HTTP"),
    "gateway.method_arn_bytes": _hard(1_600, "bytes", "API Gateway: method ARN of a call with a Lambda authorizer"),
    "gateway.remembered_policies": _hard(4_096, "items", "ours: answers of one Lambda authorizer that are kept"),
    "gateway.rest.usage_days": _hard(90, "days", "API Gateway: GetUsage looks back; uses are kept as long"),
    "gateway.usage_interval_ms": _hard(500, "milliseconds", "ours: between two exchanges of counts of API keys"),
    "gateway.usage_look_up_ms": _hard(1_000, "milliseconds", "ours: a key's first call waits for its count"),
    "gateway.remembered_uses": _hard(65_536, "items", "ours: counts of API keys that a process keeps"),
    "gateway.rest.provider_arns": _hard(1_000, "items", "API Gateway: pools of one Cognito authorizer"),
    "gateway.rest.resources": _quota(300, "per API", "API Gateway: resources"),
    "gateway.rest.stages": _quota(10, "per API", "API Gateway: stages"),
    "gateway.rest.authorizers": _quota(10, "per API", "API Gateway: authorizers"),
    "gateway.rest.stage_variables": _quota(100, "per stage", "API Gateway: stage variables"),
    "gateway.http.least_timeout_ms": _hard(50, "milliseconds", "API Gateway: integration timeout"),
    "gateway.http.authorizer_ttl_s": _hard(3_600, "seconds", "API Gateway: authorizer result cache"),
    "gateway.http.route_scopes": _hard(10, "items", "API Gateway: scopes of one route"),
    "gateway.http.audiences": _hard(50, "items", "API Gateway: audiences of one authorizer"),
    "gateway.http.cors_age_s": _hard(86_400, "seconds", "API Gateway: max-age of CORS"),
    "gateway.http.page": _hard(1_000, "items", "ours: one page of a list, all of it when no size is asked for"),
    "gateway.http.kept_deployments": _hard(10, "per API", "ours: automatic deployments that no stage serves"),
    "gateway.http.apis": _quota(600, "per account and region", "API Gateway: HTTP APIs"),
    "gateway.http.routes": _quota(300, "per API", "API Gateway: routes"),
    "gateway.http.integrations": _quota(300, "per API", "API Gateway: integrations"),
    "gateway.http.authorizers": _quota(10, "per API", "API Gateway: authorizers"),
    "gateway.http.stages": _quota(10, "per API", "API Gateway: stages"),
    "gateway.http.stage_variables": _quota(100, "per stage", "API Gateway: stage variables"),
    "gateway.jwks_timeout_ms": _hard(1_500, "milliseconds", "API Gateway: discovery and JWKS fetch, each"),
    "gateway.jwks_bytes": _hard(150_000, "bytes", "API Gateway: JWKS document"),
    "gateway.jwks_age_s": _hard(7_200, "seconds", "API Gateway: public keys cached up to two hours"),
    "gateway.jwks_stale_s": _hard(21_600, "seconds", "ours: last good keys of an issuer that does not answer"),
    "gateway.jwks_refetch_s": _hard(10, "seconds", "ours: between two fetches for an unknown kid, or after a failure"),
    "observe.log_group_bytes": _hard(10_485_760, "bytes", "ours: file of a log group; one older is kept beside it"),
    # tokens
    "jose.token_bytes": _hard(16_384, "bytes", "ours: a token, before it is looked at"),
    "jose.kid_characters": _hard(256, "characters", "ours"),
    "jose.json_depth": _hard(32, "levels", "ours: nesting inside header and claims"),
    "jose.remembered_tokens": _hard(100_000, "tokens", "ours: verified tokens remembered, per edge"),
    "jose.cache_bytes": _hard(67_108_864, "bytes", "ours: verified tokens remembered, per edge"),
    # userpools
    "userpools.pool_id_characters": _hard(55, "characters", "Cognito: user pool id"),
    "userpools.tags": _hard(50, "items", "Cognito: tags of one user pool"),
    "userpools.custom_attributes": _hard(50, "per pool", "Cognito: custom attributes"),
    "userpools.attribute_characters": _hard(2_048, "characters", "Cognito: value of an attribute"),
    "userpools.client_secrets": _hard(2, "per client", "Cognito: live secrets"),
    "userpools.custom_domains": _hard(4, "per account and region", "Cognito: custom domains"),
    "userpools.access_token_least_s": _hard(300, "seconds", "Cognito: life of an access or ID token, least"),
    "userpools.access_token_most_s": _hard(86_400, "seconds", "Cognito: life of an access or ID token, most"),
    "userpools.refresh_token_least_s": _hard(3_600, "seconds", "Cognito: life of a refresh token, least"),
    "userpools.refresh_token_most_s": _hard(315_360_000, "seconds", "Cognito: life of a refresh token, most"),
    "userpools.pools": _quota(1_000, "per account and region", "Cognito: user pools"),
    "userpools.clients": _quota(1_000, "per pool", "Cognito: app clients"),
    "userpools.resource_servers": _quota(25, "per pool", "Cognito: resource servers"),
    "userpools.client_id_characters": _hard(128, "characters", "Cognito: ClientIdType"),
    "userpools.client_secret_characters": _hard(64, "characters", "Cognito: ClientSecretType"),
    "userpools.client_scopes": _hard(50, "scopes per client", "Cognito: AllowedOAuthScopes"),
    "userpools.client_metadata_bytes": _hard(32_768, "bytes", "ours: aws_client_metadata, decoded"),
    "userpools.failed_authentications": _hard(20, "failures in a row", "ours: wrong secrets per client and address"),
    "userpools.failed_authentication_s": _hard(6, "seconds", "ours: until one more failure is allowed"),
    "userpools.client_credentials_rate": _quota(150, "per second", "Cognito: ClientAuthentication"),
    "userpools.password_failures": _hard(5, "failures in a row", "Cognito: wrong passwords before a user is locked"),
    "userpools.longest_lock_s": _hard(900, "seconds", "Cognito: the longest lock after wrong passwords"),
    "userpools.address_failures": _hard(50, "failures in a row", "ours: wrong passwords of a pool from one address"),
    "userpools.address_failure_s": _hard(6, "seconds", "ours: until one more failure from there is allowed"),
    "userpools.sign_in_codes_per_hour": _hard(20, "codes", "ours: sent to one user who has shown no factor yet"),
    "userpools.challenge_tries": _hard(5, "tries", "Cognito: wrong codes of one challenge"),
    "userpools.password_threads": _hard(4, "threads", "ours: hashes at a time in a process; half of the cores at most"),
    "userpools.passwords_waiting": _hard(64, "items", "ours: hashes under way or waiting; more get a refusal"),
    "userpools.trigger_timeout_ms": _hard(5_000, "milliseconds", "Cognito: a trigger function's answer"),
    "userpools.trigger_tries": _hard(3, "tries", "Cognito: of a trigger function that is late"),
    "userpools.trigger_claims": _hard(5_000, "items", "Cognito: claims and scopes that a pre-token function changes"),
    "userpools.trigger_error_characters": _hard(1_024, "characters", "ours: a trigger function's error, passed on"),
    "userpools.mail_timeout_ms": _hard(10_000, "milliseconds", "ours: handing a mail to the mail server"),
    "userpools.outbox": _hard(1_000, "messages per pool", "ours: the newest are kept"),
    # stacks
    "stacks.depth": _hard(8, "stacks", "ours: a stack, one nested in it, one nested in that, …"),
    "stacks.resources": _hard(2_500, "resources", "CloudFormation: of a stack with all that are nested in it"),
    "userpools.code_s": _hard(86_400, "seconds", "Cognito: life of a code that proves an address"),
    "userpools.codes_per_hour": _hard(5, "codes", "Cognito: sent again to one user, for each purpose"),
    "userpools.code_tries_per_hour": _hard(15, "tries", "Cognito: of one user's codes, for each purpose"),
    "userpools.reset_code_s": _hard(3_600, "seconds", "Cognito: life of a code for a forgotten password"),
    "userpools.reset_tries_per_hour": _hard(5, "tries", "Cognito: 5 to 20, of one user's codes for a password"),
    "userpools.password_changes_per_hour": _hard(5, "tries", "Cognito: ChangePassword of one user"),
    "userpools.groups": _quota(10_000, "per pool", "Cognito: groups"),
    "userpools.groups_of_user": _quota(100, "per user", "Cognito: groups of one user"),
    "userpools.users_deleted_at_once": _hard(500, "users", "ours: of a pool that is deleted, in one write"),
    # account
    "account.session_s": _hard(43_200, "seconds", "IAM: longest session of a role"),
    "account.iam.session_policies": _hard(10, "items", "STS: managed policies of a session"),
    "account.iam.role_policy_characters": _hard(10_240, "characters", "IAM: inline policies of a role"),
    "account.iam.user_policy_characters": _hard(2_048, "characters", "IAM: inline policies of a user"),
    "account.iam.policy_characters": _hard(6_144, "characters", "IAM: managed policy"),
    "account.iam.trust_policy_characters": _quota(2_048, "characters", "IAM: trust policy of a role"),
    "account.iam.policies_per_role": _quota(10, "items", "IAM: managed policies of a role"),
    "account.iam.policies_per_user": _quota(10, "items", "IAM: managed policies of a user"),
    "account.iam.keys_per_user": _hard(2, "items", "IAM: access keys of a user"),
    "account.iam.policy_versions": _hard(5, "items", "IAM: versions of a managed policy"),
    "account.iam.tags": _hard(50, "items", "IAM: tags of one entity"),
    # functions
    "functions.sync_payload_bytes": _hard(6_291_456, "bytes", "Lambda: synchronous request payload"),
    "functions.zip_bytes": _hard(52_428_800, "bytes", "Lambda: zipped package through the API"),
    "functions.environment_bytes": _hard(4_096, "bytes", "Lambda: environment variables as JSON"),
    "functions.client_context_bytes": _hard(3_583, "bytes", "Lambda: client context, as base64"),
    "functions.timeout_s": _hard(900, "seconds", "Lambda: timeout of a function"),
    "functions.memory_mb": _hard(10_240, "megabytes", "Lambda: memory of a function"),
    "functions.tags": _hard(50, "items", "Lambda: tags of one function"),
    "functions.page": _hard(50, "items", "Lambda: one page of a list"),
    "functions.code_url_s": _hard(600, "seconds", "Lambda: GetFunction's Code.Location"),
    "functions.event_retries": _hard(2, "retries", "Lambda: MaximumRetryAttempts, most and default"),
    "functions.event_age_s": _hard(21_600, "seconds", "Lambda: MaximumEventAgeInSeconds, most and default"),
    "functions.concurrent_executions": _quota(1_000, "per account and region", "Lambda: concurrent executions"),
    "functions.unreserved_executions": _quota(100, "per account and region", "Lambda: executions that stay unreserved"),
    "functions.code_bytes": _quota(80_530_636_800, "per account and region", "Lambda: code storage"),
    "functions.policy_bytes": _hard(20_480, "bytes", "Lambda: resource policy"),
    "functions.payload_bytes": _hard(6_291_556, "bytes", "Lambda: synchronous payload with overhead"),
    "functions.async_payload_bytes": _hard(1_048_576, "bytes", "Lambda: asynchronous payload"),
    "functions.init_timeout_s": _hard(10, "seconds", "Lambda: init phase"),
    "functions.unzipped_bytes": _hard(262_144_000, "bytes", "Lambda: package, unpacked"),
    "functions.zip_entries": _hard(100_000, "entries", "ours: files of one package"),
    "functions.processes": _hard(742, "processes", "Lambda: RLIMIT_NPROC of an environment"),
    "functions.running_processes": _hard(256, "processes", "ours: an environment that runs more is ended"),
    "functions.open_files": _hard(1_024, "descriptors", "Lambda: RLIMIT_NOFILE of an environment"),
    "functions.log_tail_bytes": _hard(4_096, "bytes", "Lambda: X-Amz-Log-Result"),
    "functions.log_bytes": _hard(4_194_304, "bytes", "ours: output of one invocation that is kept"),
    "functions.log_line_bytes": _hard(262_144, "bytes", "CloudWatch Logs: one event"),
    "functions.log_file_bytes": _hard(10_485_760, "bytes", "ours: log file of a function; one older is kept beside it"),
    "functions.log_ring_bytes": _hard(1_048_576, "bytes", "ours: recent log of a function in memory"),
    "functions.queue": _hard(1_000, "invocations", "ours: waiting for one function"),
    "functions.queue_s": _hard(60, "seconds", "ours: an invocation waits for an environment"),
    "functions.environments": _hard(100, "environments", "ours: processes of all functions together"),
    "functions.idle_s": _hard(300, "seconds", "ours: until an idle environment is stopped"),
    "functions.spare_idle_s": _hard(30, "seconds", "ours: the same for more environments than cores"),
}


def limit(name: str) -> int:
    """The value of a limit by name; a wrong name is a mistake in the code."""
    return LIMITS[name].value
