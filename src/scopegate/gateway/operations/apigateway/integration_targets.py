"""Where an integration goes: the URI, the method, the credentials, by integration type.

Source: reference, control plane, sections 1.2 and 3.3; data plane, section 6.1.
"""

import re
from typing import Final

from scopegate.aws.rights import check_pass_role
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.gateway.operations.apigateway.methods import BAD_VERB, VERBS
from scopegate.gateway.operations.apigateway.refusals import UNKNOWN_ARN, bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_HTTP_URI: Final = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_STAGE_VARIABLE: Final = "${stageVariables."
_FUNCTION_PATH: Final = re.compile(r"path/2015-03-31/functions/(.+)/invocations")
_FUNCTION: Final = re.compile(r"function:[A-Za-z0-9_-]{1,140}(:[A-Za-z0-9$_-]{1,128})?")
_ROLE: Final = re.compile(r"role/\S+")
_CALLERS_OWN: Final = "arn:{partition}:iam::*:user/*"
_NO_PATH: Final = "AWS ARN for integration must contain path or action"
_ONLY_PROXIES: Final = (
    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
)


def check_target(call: Call, integration: Document) -> None:
    """Refuse a method, URI or credentials that the integration's type cannot have; MOCK needs none of them."""
    kind = integration["type"]
    if kind == "MOCK":
        return
    verb = integration.get("httpMethod")
    if not verb:
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    if verb not in VERBS:
        raise bad_request(BAD_VERB)
    uri = integration.get("uri") or ""
    if kind in ("HTTP", "HTTP_PROXY"):
        if _HTTP_URI.fullmatch(uri) is None:
            raise bad_request("Invalid HTTP endpoint specified for URI")
        return
    service, action = _parse_service_uri(uri)
    if service == "lambda":
        function = _FUNCTION_PATH.fullmatch(action)
        if function is not None:
            check_function(function[1])
        elif kind == "AWS_PROXY":
            raise bad_request(_ONLY_PROXIES)
    elif kind == "AWS_PROXY" and not (service == "firehose" and action.startswith("action/")):
        raise bad_request(_ONLY_PROXIES)
    _check_credentials(call, integration, needed=kind == "AWS" and service != "lambda")


def check_function(function: str) -> None:
    """Refuse what is no function's ARN; stage variables may stand anywhere in it."""
    if _STAGE_VARIABLE in function:
        return
    arn = names.find_arn(function)
    if arn is None or arn.service != "lambda" or _FUNCTION.fullmatch(arn.resource) is None:
        raise bad_request("Invalid lambda function")


def _parse_service_uri(uri: str) -> tuple[str, str]:
    """(service, `path/…` or `action/…`) of `arn:P:apigateway:R:[subdomain.]service:path/…`."""
    if not uri.startswith("arn:"):
        raise bad_request(UNKNOWN_ARN)
    parts = uri.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith(("path/", "action/")):
        raise bad_request(_NO_PATH)
    if parts[2] != "apigateway" or not parts[3] or not parts[4]:
        raise bad_request(UNKNOWN_ARN)
    return parts[4].rpartition(".")[2], parts[5]


def _check_credentials(call: Call, integration: Document, *, needed: bool) -> None:
    credentials = integration.get("credentials")
    if not credentials:
        if needed:
            raise bad_request("Role ARN must be specified for AWS integrations")
        return
    if credentials == _CALLERS_OWN.format(partition=names.partition_of(call.region)):
        return
    check_pass_role(call, credentials, "apigateway.amazonaws.com")
    if _STAGE_VARIABLE in credentials:
        return
    arn = names.find_arn(credentials)
    if arn is None or arn.service != "iam" or _ROLE.fullmatch(arn.resource) is None:
        raise bad_request(UNKNOWN_ARN)
    if arn.account != call.account:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
