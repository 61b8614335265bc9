"""Integrations: where a route's calls go."""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.gateway import queries
from scopegate.gateway.operations import http_apis
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
_URL: Final = re.compile(r"https?://[^/?#\s{}@]+([/?#]\S*)?")
_FUNCTION: Final = re.compile(r"function:[a-zA-Z0-9_-]{1,140}(:[a-zA-Z0-9$_-]{1,128})?")
_SERVICE_PATH: Final = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations"
)
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
    api_id = request["ApiId"]
    http_apis.get_api(call, api_id)
    if call.settings.aws_quotas and len(queries.list_parts(call.tx, api_id, "integration")) >= 300:
        raise AwsError("TooManyRequestsException", "Maximum number of integrations for this API has been reached")
    integration_id = http_apis.new_part_id(call, api_id, "integration", 7)
    document: Document = {
        "ConnectionType": "INTERNET",
        "IntegrationId": integration_id,
        "TimeoutInMillis": http_apis.check_timeout(request),
        **http_apis.chosen(request, *_MEMBERS),
    }
    _check(call, document)
    if document["IntegrationType"] == "AWS_PROXY" and "IntegrationSubtype" not in document:
        document.setdefault("IntegrationMethod", "POST")
    queries.put_part(call.tx, api_id, "integration", integration_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def update_integration(call: Call, request: Shape) -> Shape:
    """UpdateIntegration. Members that are left out stay; an empty value of a parameter mapping removes it."""
    api_id, integration_id = request["ApiId"], request["IntegrationId"]
    document = http_apis.get_part(call, api_id, "integration", integration_id)
    mapped: Document = {
        name: _merged(document.get(name) or {}, request[name])
        for name in ("RequestParameters", "ResponseParameters")
        if name in request
    }
    document = {**document, **http_apis.chosen(request, *_MEMBERS), **mapped}
    document["TimeoutInMillis"] = http_apis.check_timeout({**document, **request})
    for name in mapped:
        if not document[name]:
            del document[name]
    _check(call, document)
    queries.put_part(call.tx, api_id, "integration", integration_id, document)
    http_apis.auto_deploy(call, api_id)
    return document


def _merged(old: Shape, new: Shape) -> Shape:
    return {key: value for key, value in {**old, **new}.items() if value != "" or key.startswith("remove:")}


def _check(call: Call, document: Document) -> None:
    kind = document["IntegrationType"]
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise AwsError(
            "BadRequestException",
            "Currently, an API with a protocol type of HTTP may only be associated with proxy integrations "
            "(AWS_PROXY, HTTP_PROXY)",
        )
    version = document.get("PayloadFormatVersion")
    if version is None:
        raise AwsError("BadRequestException", "PayloadFormatVersion is a required parameter for integration")
    to_function = kind == "AWS_PROXY" and "IntegrationSubtype" not in document
    if version not in ("1.0", "2.0") or (version == "2.0" and not to_function):
        raise AwsError("BadRequestException", f"PayloadFormatVersion {version} is not supported for this integration")
    if to_function:
        _check_function(document.get("IntegrationUri", ""))
    elif kind == "HTTP_PROXY":
        _check_web_service(document)
    elif document.get("IntegrationSubtype") and not document.get("CredentialsArn"):
        raise AwsError("BadRequestException", "CredentialsArn is required for service integrations")
    credentials = document.get("CredentialsArn")
    if credentials is not None and names.find_arn(credentials.replace("*", "000000000000", 1)) is None:
        raise AwsError("BadRequestException", "Invalid ARN specified in the request")
    _check_mappings(document)


def _check_function(uri: str) -> None:
    match = _SERVICE_PATH.fullmatch(uri)
    function = match[1] if match else uri
    if "${stageVariables." in function:
        return
    arn = names.find_arn(function)
    if arn is None or arn.service != "lambda" or not _FUNCTION.fullmatch(arn.resource):
        raise AwsError("BadRequestException", "Invalid ARN specified in the request")


def _check_web_service(document: Document) -> None:
    if document["ConnectionType"] == "VPC_LINK":
        return
    # A stage variable may stand anywhere; in the host it is looked at again when the stage is compiled.
    uri = re.sub(r"\$\{stageVariables\.\w+\}", "x", document.get("IntegrationUri", ""))
    if not _URL.fullmatch(uri):
        raise AwsError("BadRequestException", "Invalid HTTP endpoint specified for URI")
    if document.get("IntegrationMethod") not in _METHODS:
        raise AwsError("BadRequestException", "Invalid HTTP method specified")


def _check_mappings(document: Document) -> None:
    for key in document.get("RequestParameters") or {}:
        if "IntegrationSubtype" not in document and not _REQUEST_KEY.fullmatch(key):
            raise AwsError("BadRequestException", f"Invalid mapping expression specified: {key}")
        _refuse_reserved(key)
    for status, mapping in (document.get("ResponseParameters") or {}).items():
        if not (len(status) == 3 and status.isascii() and status.isdigit() and "200" <= status <= "599"):
            raise AwsError("BadRequestException", f"Invalid status code specified in response parameters: {status}")
        for key in mapping:
            if not _RESPONSE_KEY.fullmatch(key):
                raise AwsError("BadRequestException", f"Invalid mapping expression specified: {key}")
            _refuse_reserved(key)


def _refuse_reserved(key: str) -> None:
    header = key.partition(":header.")[2]
    if header and _RESERVED.fullmatch(header):
        raise AwsError("BadRequestException", f"Operations on header {header} are restricted")


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
