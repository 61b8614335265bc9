"""AWS_IAM: calls that are signed by a key which this server knows, and allowed to who has it.

In no mode is any other key taken: the signature over raw target and Host as received is what proves a caller. Whether
it may call is said by its own policies (`ports.Allows`) and, of a REST API, by the API's: in one account either may
allow, across accounts both have to, and an explicit deny of either refuses.
Source: reference, "REST: NONE, AWS_IAM", "REST: resource policy" (tables A and B), "HTTP: AWS_IAM"; attacks O25, U5.
"""

from __future__ import annotations

from typing import Final

import orjson

from scopegate.aws.operations import Caller
from scopegate.aws.policy import Verdict, principal_of
from scopegate.aws.sigv4 import (
    EXECUTE_API_SKEW_S,
    INVALID_TOKEN,
    MISMATCH,
    SignatureRefused,
    read_credential,
    verify,
)
from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.model import REST, ApiCall, Authorizer, RouteSpec
from scopegate.gateway.resource_policy import ACTION, conditions, judge, method_arn, refuse

_SERVICE: Final = "execute-api"
_OVERRIDE: Final = "x-http-method-override"


def compile_authorizer(spec: RouteSpec) -> Authorizer:
    """The authorizer of one route.

    1 the call says who signed it; 2 the key is known; 3 the signature is for this service and region, fresh, and holds;
    4 what decides over the call is signed; 5 policies.
    """
    refuse_signature = _refuse_rest if spec.kind == REST else _refuse_http

    def authorize(call: ApiCall) -> None:
        try:
            caller = _prove(call)
        except SignatureRefused as refused:
            raise refuse_signature(refused) from None
        call.mark(5)
        call.caller = caller
        call.record.facts["caller"] = caller.arn
        # 5
        _decide(call, spec, caller)
        call.mark(6)
        if spec.kind == REST:
            # A signature goes no further (reference, "REST header treatment, request direction").
            call.request.headers = [pair for pair in call.request.headers if pair[0].lower() != b"authorization"]
        else:
            call.authorizer_json_2 = _iam_json(caller)

    return Authorizer(authorize, "AWS_IAM")


def _prove(call: ApiCall) -> Caller:
    """Who signed. Raises SignatureRefused."""
    # 1
    credential = read_credential(call.request)
    if credential is None:
        raise SignatureRefused("missing", "Missing Authentication Token")
    call.mark(4)
    # 2
    key = call.edge.ports.find_access_key(credential.access_key_id, credential.session_token)
    if key is None:
        raise SignatureRefused("unknown", INVALID_TOKEN)
    # 3
    if credential.region != call.api.region:
        text = f"Credential should be scoped to a valid region, not '{credential.region}'. "
        raise SignatureRefused("scope", text)
    verify(call.request, credential, key, service=_SERVICE, now=clock.real_now(), skew_s=EXECUTE_API_SKEW_S)
    # 4
    if call.method != call.request.method and _OVERRIDE not in credential.signed_headers:
        # Whoever overhears a signed call must not turn it into another one.
        raise SignatureRefused("mismatch", MISMATCH, log=f"{_OVERRIDE} is not signed")
    return key.caller


def _decide(call: ApiCall, spec: RouteSpec, caller: Caller) -> None:
    """Whether the policies allow the call. Raises GatewayRefusal."""
    own = call.edge.ports.allows(caller, ACTION, method_arn(call), conditions(call))
    of_api = judge(spec.policy, call, principal_of(caller))
    if own.verdict is Verdict.EXPLICIT_DENY:
        raise refuse(call, own.verdict, own.reason)
    if of_api is Verdict.EXPLICIT_DENY:
        raise refuse(call, of_api)
    if caller.account == call.api.account:
        allowed = own.verdict is Verdict.ALLOW or of_api is Verdict.ALLOW
    else:
        allowed = own.verdict is Verdict.ALLOW and of_api in (Verdict.ALLOW, Verdict.DELEGATED)
    if not allowed:
        raise refuse(call, Verdict.IMPLICIT_DENY)


def _refuse_http(refused: SignatureRefused) -> GatewayRefusal:
    return GatewayRefusal("ACCESS_DENIED", "Forbidden", reason=_reason(refused))


def _refuse_rest(refused: SignatureRefused) -> GatewayRefusal:
    message, reason = refused.message + refused.detail, _reason(refused)
    match refused.fault:
        case "missing":
            return GatewayRefusal("MISSING_AUTHENTICATION_TOKEN", message, reason=reason)
        case "expired":
            return GatewayRefusal("EXPIRED_TOKEN", message, reason=reason)
        case "incomplete":
            error_type = "IncompleteSignatureException"
            return GatewayRefusal("DEFAULT_4XX", message, status=403, error_type=error_type, reason=reason)
        case "unknown":
            error_type = "UnrecognizedClientException"
            return GatewayRefusal("DEFAULT_4XX", message, status=403, error_type=error_type, reason=reason)
    return GatewayRefusal("INVALID_SIGNATURE", message, reason=reason)


def _reason(refused: SignatureRefused) -> str:
    return f"the signature ({refused.fault}): {refused.log or refused.message}"


def _iam_json(caller: Caller) -> bytes:
    """`requestContext.authorizer` of format 2.0."""
    iam = {
        "accessKey": caller.access_key_id,
        "accountId": caller.account,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": caller.user_id,
    }
    return b'{"iam":' + orjson.dumps(iam) + b"}"
