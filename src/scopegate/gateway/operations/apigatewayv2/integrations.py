"""Integrations: where a route's calls go.

Source: reference, control plane, sections 1.2, 1.5, 3.5; data plane, "HTTP API: parameter mapping" and
"HTTP API: first-class services".
"""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.aws.rights import check_pass_role
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.integrations.parameters import compile_changes, compile_response_mappings
from scopegate.gateway.model import Closed
from scopegate.gateway.operations import http_apis
from scopegate.gateway.operations.http_apis import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_MEMBERS: Final = (
    "ConnectionId",
    "ConnectionType",
    "CredentialsArn",
    "Description",
    "IntegrationMethod",
    "IntegrationSubtype",
    "IntegrationType",
    "IntegrationUri",
    "PayloadFormatVersion",
    "RequestParameters",
    "ResponseParameters",
    "TlsConfig",
)
_URL: Final = re.compile(r"https?://[^/?#\s{}@\\]+([/?#]\S*)?")
_FUNCTION: Final = re.compile(r"function:[a-zA-Z0-9_-]{1,140}(:[a-zA-Z0-9$_-]{1,128})?")
_SERVICE_PATH: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):apigateway:(?P<region>[a-z0-9-]+):lambda:path/2015-03-31/functions/"
    r"(?P<function>.+)/invocations"
)
_BAD_ARN: Final = "Invalid ARN specified in the request"
_ROLE: Final = re.compile(r"role/\S+")
_STAGE_VARIABLE: Final = "${stageVariables."
# Service integrations by subtype, with the parameters that they need.
_SUBTYPES: Final = {
    "AppConfig-GetConfiguration": ("Application", "Environment", "Configuration", "ClientId"),
    "EventBridge-PutEvents": ("Detail", "DetailType", "Source"),
    "Kinesis-PutRecord": ("StreamName", "Data", "PartitionKey"),
    "SQS-DeleteMessage": ("QueueUrl", "ReceiptHandle"),
    "SQS-PurgeQueue": ("QueueUrl",),
    "SQS-ReceiveMessage": ("QueueUrl",),
    "SQS-SendMessage": ("QueueUrl", "MessageBody"),
    "StepFunctions-StartExecution": ("StateMachineArn",),
    "StepFunctions-StartSyncExecution": ("StateMachineArn",),
    "StepFunctions-StopExecution": ("ExecutionArn",),
}
_METHODS: Final = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_REQUEST_KEY: Final = re.compile(r"((append|overwrite|remove):(header|querystring)\..+|overwrite:path)")
_RESPONSE_KEY: Final = re.compile(r"((append|overwrite|remove):header\..+|overwrite:statuscode)")
# Reference, "HTTP API: parameter mapping": headers that no mapping may touch.
_RESERVED: Final = re.compile(
    r"(access-control-|apigw-|x-amz-|x-amzn-).*|authorization|connection|content-encoding|content-length"
    r"|content-location|forwarded|keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers"
    r"|transfer-encoding|upgrade|x-forwarded-for|x-forwarded-host|x-forwarded-proto|via",
    re.IGNORECASE,
)


def create_integration(call: Call, request: Shape) -> Shape:
    """CreateIntegration."""
    document = make_integration(call, request["ApiId"], request)
    http_apis.auto_deploy(call, request["ApiId"])
    return document


def make_integration(call: Call, api_id: str, request: Shape) -> Document:
    """A new integration, not deployed yet."""
    http_apis.get_api(call, api_id)
    http_apis.check_quota(call, api_id, "integration")
    integration_id = http_apis.new_part_id(call, api_id, "integration", 7)
    document: Document = {
        "ConnectionType": "INTERNET",
        "IntegrationId": integration_id,
        "TimeoutInMillis": http_apis.check_timeout(request),
        **http_apis.chosen(request, *_MEMBERS),
    }
    _check(call, document, request)
    if document["IntegrationType"] == "AWS_PROXY" and "IntegrationSubtype" not in document:
        document.setdefault("IntegrationMethod", "POST")
    queries.put_part(call.tx, api_id, "integration", integration_id, document)
    return document


def update_integration(call: Call, request: Shape) -> Shape:
    """UpdateIntegration. Members that are left out stay; an empty value of a parameter mapping removes it."""
    api_id, integration_id = request["ApiId"], request["IntegrationId"]
    document = http_apis.get_part(call, api_id, "integration", integration_id)
    mapped: Document = {}
    if "RequestParameters" in request:
        mapped["RequestParameters"] = _merged(document.get("RequestParameters") or {}, request["RequestParameters"])
    if "ResponseParameters" in request:
        old = document.get("ResponseParameters") or {}
        by_status = {
            status: _merged(old.get(status) or {}, mapping) if mapping else {}
            for status, mapping in request["ResponseParameters"].items()
        }
        mapped["ResponseParameters"] = {status: one for status, one in {**old, **by_status}.items() if one}
    document = {**document, **http_apis.chosen(request, *_MEMBERS), **mapped}
    document["TimeoutInMillis"] = http_apis.check_timeout({**document, **request})
    for name in mapped:
        if not document[name]:
            del document[name]
    _check(call, document, request)
    queries.put_part(call.tx, api_id, "integration", integration_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def _merged(old: Shape, new: Shape) -> Shape:
    return {key: value for key, value in {**old, **new}.items() if value != "" or key.startswith("remove:")}


def _check(call: Call, document: Document, request: Shape) -> None:
    kind = document["IntegrationType"]
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise bad_request(
            "Currently, an API with a protocol type of HTTP may only be associated with proxy integrations "
            "(AWS_PROXY, HTTP_PROXY)",
        )
    if request.get("RequestTemplates") or request.get("TemplateSelectionExpression"):
        raise bad_request("Request templates are not supported on protocolType HTTP")
    version = document.get("PayloadFormatVersion")
    if version is None:
        raise bad_request("PayloadFormatVersion is a required parameter for integration")
    to_function = kind == "AWS_PROXY" and "IntegrationSubtype" not in document
    if version not in ("1.0", "2.0") or (version == "2.0" and not to_function):
        raise bad_request(f"PayloadFormatVersion {version} is not supported for this integration")
    if document["ConnectionType"] == "VPC_LINK" and not document.get("ConnectionId"):
        raise bad_request("ConnectionId is required for a VPC_LINK connection")
    if to_function:
        _check_function(call, document)
    elif kind == "HTTP_PROXY":
        _check_web_service(document)
    else:
        _check_service(document)
    check_credentials(call, document.get("CredentialsArn"))
    _check_mappings(document)


def is_function(text: str, region: str | None = None) -> bool:
    """Whether `text` is a function's ARN, of that region when one is given; stage variables may stand anywhere."""
    if _STAGE_VARIABLE in text:
        return True
    arn = names.find_arn(text)
    named = arn is not None and arn.service == "lambda" and _FUNCTION.fullmatch(arn.resource) is not None
    return named and (region is None or (arn is not None and arn.region == region))


def check_credentials(call: Call, text: str | None) -> None:
    """Refuse credentials that are no role, not the caller's own identity, and no stage variable's; and a role that
    the caller may not pass."""
    if text is None or re.fullmatch(r"arn:aws[a-z-]*:iam::\*:user/\*", text):
        return
    check_pass_role(call, text, "apigateway.amazonaws.com")
    if _STAGE_VARIABLE in text:
        return
    arn = names.find_arn(text)
    if arn is None or arn.service != "iam" or _ROLE.fullmatch(arn.resource) is None:
        raise bad_request(_BAD_ARN)


def _check_function(call: Call, document: Document) -> None:
    uri = document.get("IntegrationUri", "")
    match = _SERVICE_PATH.fullmatch(uri)
    elsewhere = match is not None and match["region"] != call.region
    if elsewhere or not is_function(match["function"] if match else uri, call.region):
        raise bad_request(_BAD_ARN)
    if document.get("RequestParameters"):
        raise bad_request("Parameter mappings of requests are not supported for Lambda function integrations")


def _check_service(document: Document) -> None:
    subtype = document["IntegrationSubtype"]
    if subtype not in _SUBTYPES:
        raise bad_request(f"Invalid integration subtype specified: {subtype}")
    if not document.get("CredentialsArn"):
        raise bad_request("CredentialsArn is required for service integrations")
    missing = [name for name in _SUBTYPES[subtype] if name not in (document.get("RequestParameters") or {})]
    if missing:
        raise bad_request(f"Missing required request parameters of {subtype}: {', '.join(missing)}")


def _check_web_service(document: Document) -> None:
    if document.get("IntegrationMethod") not in _METHODS:
        raise bad_request("Invalid HTTP method specified")
    given = document.get("IntegrationUri", "")
    if document["ConnectionType"] == "VPC_LINK":
        if names.find_arn(given) is None:
            raise bad_request(_BAD_ARN)
        return
    # A stage variable may stand anywhere; in the host it is looked at again when the stage is compiled.
    uri = re.sub(r"\$\{stageVariables\.\w+\}", "x", given)
    if not _URL.fullmatch(uri if uri.startswith("http") else f"http://{uri}") or not _begins_well(given):
        raise bad_request("Invalid HTTP endpoint specified for URI")


def _begins_well(uri: str) -> bool:
    return uri.isprintable() and uri.startswith(("http://", "https://", _STAGE_VARIABLE))


def _check_mappings(document: Document) -> None:
    """Refuse mappings that the data plane could not compile: unknown keys, reserved headers, bad values."""
    requested: Shape = {} if "IntegrationSubtype" in document else document.get("RequestParameters") or {}
    mappings = {"request": requested, **(document.get("ResponseParameters") or {})}
    for status, mapping in mappings.items():
        form = _REQUEST_KEY if status == "request" else _RESPONSE_KEY
        if status != "request" and not (len(status) == 3 and status.isascii() and status.isdigit()):
            raise bad_request(f"Invalid status code specified in response parameters: {status}")
        if status != "request" and not "200" <= status <= "599":
            raise bad_request(f"Invalid status code specified in response parameters: {status}")
        for key in mapping:
            if not form.fullmatch(key):
                raise bad_request(f"Invalid mapping expression specified: {key}")
            header = key.partition(":header.")[2]
            if header and _RESERVED.fullmatch(header):
                raise bad_request(f"Operations on header {header} are restricted")
    try:
        compile_changes(requested, {}, "overwrite:path")
        compile_response_mappings(document.get("ResponseParameters"), {})
    except Closed as error:
        raise bad_request(f"Invalid mapping expression specified: {error}") from None


def get_integration(call: Call, request: Shape) -> Shape:
    """GetIntegration."""
    return http_apis.get_part(call, request["ApiId"], "integration", request["IntegrationId"])


def get_integrations(call: Call, request: Shape) -> Shape:
    """GetIntegrations."""
    return http_apis.list_parts(call, "integration", request)


def delete_integration(call: Call, request: Shape) -> Shape:
    """DeleteIntegration; refused while a route goes there."""
    api_id, integration_id = request["ApiId"], request["IntegrationId"]
    integration = http_apis.get_part(call, api_id, "integration", integration_id)
    http_apis.refuse_managed(integration, "integration")
    target = f"integrations/{integration_id}"
    users = [part_id for part_id, r in queries.list_parts(call.tx, api_id, "route") if r.get("Target") == target]
    if users:
        raise AwsError(
            "ConflictException",
            "Cannot delete Integration because it is referenced by the following Routes with Ids: "
            f"[{', '.join(users)}]",
        )
    queries.delete_part(call.tx, api_id, "integration", integration_id)
    http_apis.auto_deploy(call, api_id)
    return {}
