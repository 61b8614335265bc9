"""Authorizers: who decides whether a caller may pass, by type.

COGNITO_USER_POOLS trusts tokens of pools, TOKEN and REQUEST ask a function, JWT trusts foreign issuers. An authorizer
is used live by its id: a change needs no deployment. Whether a call is allowed is decided on the data plane.
Source: reference, control plane, sections 1.4, 2.2, 3.3, 3.4; data plane, sections 3.2 to 3.5.
"""

import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from scopegate.aws.operations import Shape
from scopegate.aws.rights import check_pass_role
from scopegate.base import clock, names
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.integration_targets import check_function
from scopegate.gateway.operations.apigateway.lookup import api_of, part_of
from scopegate.gateway.operations.apigateway.paging import read_parts
from scopegate.gateway.operations.apigateway.patch import (
    Draft,
    Patch,
    PatchTable,
    Rule,
    apply_patches,
    parse_number,
    set_choice,
    text_rule,
)
from scopegate.gateway.operations.apigateway.references import find_referring_method
from scopegate.gateway.operations.apigateway.refusals import (
    UNKNOWN_ARN,
    bad_request,
    conflict,
    invalid_mapping,
    limit_exceeded,
)
from scopegate.ports import Call
from scopegate.store.documents import Document

_AUTH_TYPES: Final = {"TOKEN": "custom", "REQUEST": "custom", "COGNITO_USER_POOLS": "cognito_user_pools"}
_TYPES: Final = ("TOKEN", "REQUEST", "COGNITO_USER_POOLS", "JWT")
_DEFAULT_TTL_S: Final = 300
_MOST_TTL_S: Final = limit("gateway.rest.authorizer_ttl_s")
_BAD_TTL: Final = f"Authorizer result TTL must be between 0 and {_MOST_TTL_S} seconds"
_NO_SOURCE: Final = "Invalid Authorizer: identitySource is required"
_HEADER_SOURCE: Final = re.compile(r"method\.request\.header\.[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ANY_SOURCE: Final = re.compile(
    r"method\.request\.(header|querystring|multivalueheader|multivaluequerystring)\.[^\s,]+"
    r"|(stageVariables|context)\.[A-Za-z0-9_.]+"
)
_URI: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):apigateway:[a-z]{2,}(-[a-z]+)+-\d:lambda:path/2015-03-31/functions/(.+)/invocations"
)
_POOL: Final = re.compile(r"userpool/[A-Za-z0-9_-]+")
_ROLE: Final = re.compile(r"role/\S+")
_JWT_RESERVED_CLAIMS: Final = ("iss", "aud", "exp", "nbf", "iat", "scope", "scp")
_JWT_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_MEMBERS: Final = (
    "providerARNs",
    "authType",
    "authorizerUri",
    "authorizerCredentials",
    "identitySource",
    "identityValidationExpression",
    "jwtConfiguration",
)


def create_authorizer(call: Call, request: Shape) -> Shape:
    """CreateAuthorizer. An unknown API is told as a concurrent modification, as on AWS.

    Partly: discovery of a JWT authorizer's issuer is not tried.
    """
    busy = conflict("Unable to complete operation due to concurrent modification. Please try again later.")
    api_id = api_of(call, request, busy)["id"]
    authorizer: Document = {"id": clock.new_id(6), "name": request["name"], "type": request["type"]}
    if request["type"] in _AUTH_TYPES:
        authorizer["authType"] = _AUTH_TYPES[request["type"]]
    authorizer |= {name: request[name] for name in _MEMBERS if request.get(name)}
    if request.get("authorizerResultTtlInSeconds") is not None:
        authorizer["authorizerResultTtlInSeconds"] = request["authorizerResultTtlInSeconds"]
    _check_authorizer(call, api_id, authorizer)
    _name_key_sets(call, authorizer)
    quota = limit("gateway.rest.authorizers")
    if call.settings.aws_quotas and len(queries.list_parts(call.tx, api_id, "authorizer")) >= quota:
        raise limit_exceeded("Authorizers")
    queries.put_part(call.tx, api_id, "authorizer", authorizer["id"], authorizer)
    return authorizer


def get_authorizer(call: Call, request: Shape) -> Shape:
    """GetAuthorizer."""
    return _get_authorizer(call, request)


def get_authorizers(call: Call, request: Shape) -> Shape:
    """GetAuthorizers."""
    api_of(call, request)
    return read_parts(call, request, "authorizer")


def update_authorizer(call: Call, request: Shape) -> Shape:
    """UpdateAuthorizer. The whole is judged when all operations are applied."""
    api_id = request["restApiId"]
    authorizer = apply_patches(_PATCHES, call, api_id, _get_authorizer(call, request), request)
    _check_authorizer(call, api_id, authorizer)
    _name_key_sets(call, authorizer)
    queries.put_part(call.tx, api_id, "authorizer", authorizer["id"], authorizer)
    return authorizer


def delete_authorizer(call: Call, request: Shape) -> Shape:
    """DeleteAuthorizer: refused while a method refers to it."""
    authorizer = _get_authorizer(call, request)
    api_id = request["restApiId"]
    found = find_referring_method(call.tx, api_id, lambda method: method.get("authorizerId") == authorizer["id"])
    if found:
        path, verb = found
        raise conflict(f"Cannot delete authorizer '{authorizer['name']}', is referenced in method: {verb}/{path}")
    queries.delete_part(call.tx, api_id, "authorizer", authorizer["id"])
    return {}


def _get_authorizer(call: Call, request: Shape) -> Document:
    return part_of(call, request, "authorizer", request["authorizerId"], "Invalid Authorizer identifier specified")


# Checks


def _check_authorizer(call: Call, api_id: str, authorizer: Document) -> None:
    name = authorizer["name"]
    if not name:
        raise bad_request("Authorizer name cannot be empty")
    for other_id, other in queries.list_parts(call.tx, api_id, "authorizer"):
        if other["name"] == name and other_id != authorizer["id"]:
            raise bad_request(f"Authorizer name must be unique. Authorizer {name} already exists in this RestApi.")
    ttl_s = authorizer.get("authorizerResultTtlInSeconds", _DEFAULT_TTL_S)
    if not 0 <= ttl_s <= _MOST_TTL_S:
        raise bad_request(_BAD_TTL)
    match authorizer["type"]:
        case "COGNITO_USER_POOLS":
            _check_header_source(authorizer)
            _check_pools(call, authorizer.get("providerARNs", []))
        case "TOKEN":
            _check_header_source(authorizer)
            _check_function_authorizer(call, authorizer)
        case "REQUEST":
            _check_sources(authorizer.get("identitySource", ""), cached=ttl_s > 0)
            _check_function_authorizer(call, authorizer)
        case _:
            _check_jwt(authorizer)
    _check_expression(authorizer.get("identityValidationExpression"))


def _check_header_source(authorizer: Document) -> None:
    source = authorizer.get("identitySource", "")
    if not source:
        raise bad_request(_NO_SOURCE)
    if _HEADER_SOURCE.fullmatch(source) is None:
        raise invalid_mapping(f"Invalid mapping expression specified: {source}")


def _check_sources(sources: str, *, cached: bool) -> None:
    if not sources:
        if cached:
            raise bad_request(_NO_SOURCE)
        return
    for source in sources.split(","):
        if _ANY_SOURCE.fullmatch(source.strip()) is None:
            raise invalid_mapping(f"Invalid mapping expression specified: {source.strip()}")


def _check_pools(call: Call, arns: list[str]) -> None:
    """Refuse malformed ARNs, and pools of this account and region that do not exist; others are foreign."""
    if not arns:
        raise bad_request("Invalid Authorizer: providerARNs must contain at least one Cognito user pool ARN")
    if len(arns) > limit("gateway.rest.provider_arns"):
        raise bad_request(f"Invalid Authorizer: at most {limit('gateway.rest.provider_arns')} providerARNs are allowed")
    for text in arns:
        arn = names.find_arn(text)
        if arn is None or arn.service != "cognito-idp" or not arn.region or _POOL.fullmatch(arn.resource) is None:
            raise bad_request(UNKNOWN_ARN)
        here = (arn.account, arn.region) == (call.account, call.region)
        if here and call.ports.find_pool(text) is None:
            raise bad_request(f"Invalid Authorizer: user pool {text} does not exist")


def _check_function_authorizer(call: Call, authorizer: Document) -> None:
    uri = authorizer.get("authorizerUri")
    match = _URI.fullmatch(uri or "")
    if match is None or match[1] != names.partition_of(call.region):
        raise bad_request(
            f"Invalid Authorizer URI: {'null' if uri is None else uri}. "
            "Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
        )
    check_function(match[3])
    credentials = authorizer.get("authorizerCredentials")
    if credentials:
        check_pass_role(call, credentials, "apigateway.amazonaws.com")
    if credentials and "${stageVariables." not in credentials:
        arn = names.find_arn(credentials)
        if arn is None or arn.service != "iam" or _ROLE.fullmatch(arn.resource) is None:
            raise bad_request(UNKNOWN_ARN)


def _check_expression(expression: str | None) -> None:
    if not expression:
        return
    try:
        re.compile(expression)
    except (re.error, OverflowError, RecursionError):
        raise bad_request(f"Invalid identity validation expression specified: {expression}") from None


def _check_jwt(authorizer: Document) -> None:
    _check_header_source(authorizer)
    others = (
        "providerARNs",
        "authorizerUri",
        "authorizerCredentials",
        "authorizerResultTtlInSeconds",
        "identityValidationExpression",
    )
    for member in others:
        if member in authorizer:
            raise bad_request(f"Invalid Authorizer: {member} is not supported for authorizers of type JWT")
    configuration = authorizer.get("jwtConfiguration") or {}
    issuers = configuration.get("issuers")
    if not issuers or not configuration.get("defaultAlgorithms"):
        raise bad_request("Invalid Authorizer: jwtConfiguration with issuers and defaultAlgorithms is required")
    for algorithm in configuration["defaultAlgorithms"]:
        if algorithm not in _JWT_ALGORITHMS:
            raise bad_request(f"Invalid Authorizer: algorithm {algorithm} is not supported")
    seen = set()
    for each in issuers:
        issuer = each["issuer"]
        if issuer in seen:
            raise bad_request(f"Invalid Authorizer: issuer {issuer} is given more than once")
        seen.add(issuer)
        _check_issuer(issuer)
        if not each.get("audiences"):
            raise bad_request(f"Invalid Authorizer: issuer {issuer} has no audiences")
        _check_claims(each.get("additionalClaims") or [])


def _name_key_sets(call: Call, authorizer: Document) -> None:
    """Where the keys of issuers are, as discovery would say; only pools of this server are known without asking."""
    for each in (authorizer.get("jwtConfiguration") or {}).get("issuers", ()):
        if call.ports.find_pool(each["issuer"]) is not None:
            each["jwksUri"] = f"{each['issuer'].rstrip('/')}/.well-known/jwks.json"


def _check_issuer(issuer: str) -> None:
    try:
        url = urlsplit(issuer)
        plain = url.hostname in ("localhost", "127.0.0.1", "::1")  # plain http is for issuers on this machine
        valid = url.scheme == "https" or (url.scheme == "http" and plain)
        valid = valid and bool(url.hostname) and not (url.query or url.fragment or url.username or url.password)
    except ValueError:
        valid = False
    if not valid:
        raise bad_request(
            f"Invalid issuer: {issuer}. Issuer must have a valid discovery endpoint ended with "
            "'/.well-known/openid-configuration'"
        )


def _check_claims(claims: list[dict[str, Any]]) -> None:
    seen = set()
    for claim in claims:
        name = claim["claimName"]
        if name in _JWT_RESERVED_CLAIMS or name in seen:
            raise bad_request(f"Invalid Authorizer: claim {name} cannot be an additional claim")
        seen.add(name)


# Patch operations


def _set_ttl(draft: Draft, patch: Patch) -> None:
    draft.document["authorizerResultTtlInSeconds"] = parse_number(patch.value, 0, _MOST_TTL_S, _BAD_TTL)


def _set_type(draft: Draft, patch: Patch) -> None:
    set_choice("type", _TYPES, f"Invalid authorizer type specified. Valid options are {','.join(_TYPES)}")(draft, patch)
    if draft.document["type"] in _AUTH_TYPES:
        draft.document["authType"] = _AUTH_TYPES[draft.document["type"]]


def _sources(draft: Draft) -> list[str]:
    return [source.strip() for source in draft.document.get("identitySource", "").split(",") if source.strip()]


def _put_sources(draft: Draft, sources: list[str]) -> None:
    if sources:
        draft.document["identitySource"] = ",".join(sources)
    else:
        draft.document.pop("identitySource", None)


def _add_source(draft: Draft, patch: Patch) -> None:
    sources = _sources(draft)
    if patch.value and patch.value not in sources:
        _put_sources(draft, [*sources, patch.value])


def _remove_source(draft: Draft, patch: Patch) -> None:
    _put_sources(draft, [source for source in _sources(draft) if source != patch.value])


def _replace_source(draft: Draft, patch: Patch) -> None:
    if patch.value:
        draft.document["identitySource"] = patch.value
    else:
        draft.document.pop("identitySource", None)


def _add_provider(draft: Draft, patch: Patch) -> None:
    providers = draft.document.setdefault("providerARNs", [])
    if patch.value and patch.value not in providers:
        providers.append(patch.value)


def _remove_provider(draft: Draft, patch: Patch) -> None:
    draft.document["providerARNs"] = [arn for arn in draft.document.get("providerARNs", []) if arn != patch.value]


def _replace_jwt(draft: Draft, patch: Patch) -> None:
    draft.document["jwtConfiguration"] = parse_jwt_configuration(patch.value)


def parse_jwt_configuration(text: str | None) -> dict[str, Any]:
    """A whole JWT configuration from JSON text. Raises AwsError: not one."""
    try:
        configuration: dict[str, Any] = json.loads(text or "")
        issuers = configuration["issuers"]
        clean = all(
            isinstance(each["issuer"], str)
            and isinstance(each["audiences"], list)
            and all(isinstance(audience, str) for audience in each["audiences"])
            and "jwksUri" not in each
            and all(isinstance(claim["claimName"], str) for claim in each.get("additionalClaims") or [])
            for each in issuers
        )
        clean = clean and isinstance(configuration.get("defaultAlgorithms"), list)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        clean = False
    if not clean:
        raise bad_request("Invalid Authorizer: jwtConfiguration must be a complete JWT configuration as JSON text")
    return configuration


_PATCHES: Final = PatchTable(
    "listed",
    (
        text_rule("/name", blank="Authorizer name cannot be empty"),
        Rule("/type", {"replace": _set_type}),
        text_rule("/authType"),
        text_rule("/authorizerUri"),
        text_rule("/authorizerCredentials"),
        Rule("/authorizerResultTtlInSeconds", {"replace": _set_ttl}),
        text_rule("/identityValidationExpression"),
        Rule("/identitySource", {"add": _add_source, "replace": _replace_source, "remove": _remove_source}),
        Rule("/providerARNs", {"add": _add_provider, "remove": _remove_provider}),
        Rule("/jwtConfiguration", {"replace": _replace_jwt}),
    ),
)
