"""Domains of user pools: a prefix of this server's OAuth host, or a host name of one's own.

A domain belongs to one pool of this whole server, whatever its account and region: a local host name
(`{prefix}.auth.localhost`) names no region. A pool has at most one of each kind.
Source: reference, "Domains".
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool
from scopegate.userpools.queries import DomainRow

_PREFIX: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST: Final = re.compile(rf"{_PREFIX.pattern}(?:\.{_PREFIX.pattern})+")
_RESERVED: Final = ("aws", "amazon", "cognito")

_CLASSIC: Final = 1
_MANAGED: Final = 2

# The airports by which AWS calls its regions in names of buckets.
_AIRPORTS: Final = {
    "us-east-1": "iad",
    "us-east-2": "cmh",
    "us-west-1": "sfo",
    "us-west-2": "pdx",
    "ca-central-1": "yul",
    "eu-west-1": "dub",
    "eu-west-2": "lhr",
    "eu-west-3": "cdg",
    "eu-central-1": "fra",
    "eu-north-1": "arn",
    "ap-northeast-1": "nrt",
    "ap-northeast-2": "icn",
    "ap-southeast-1": "sin",
    "ap-southeast-2": "syd",
    "ap-south-1": "bom",
    "sa-east-1": "gru",
}


def _cloudfront_host(domain: str) -> str:
    """A name of CloudFront's look, the same for a domain each time: nothing answers there."""
    digest = hashlib.sha256(domain.encode()).digest()
    return "d" + "".join("abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36] for byte in digest[:13]) + ".cloudfront.net"


def _check_name(domain: str, *, custom: bool) -> None:
    if custom:
        if not _HOST.fullmatch(domain):
            raise refusals.invalid(
                "Custom domain is not a valid subdomain: it must be a host name with at least two labels."
            )
        return
    if not _PREFIX.fullmatch(domain):
        raise refusals.invalid(
            "The domain name contains an invalid character. Domain names can only contain lower-case letters, "
            "numbers, and hyphens. Please enter a different name that follows this format: "
            r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$"
        )
    for word in _RESERVED:
        if word in domain:
            raise refusals.invalid(f"Domain cannot contain reserved word: {word}")


def _check_version(request: Shape) -> None:
    if request.get("ManagedLoginVersion", _CLASSIC) not in (_CLASSIC, _MANAGED):
        raise refusals.invalid("ManagedLoginVersion must be 1 or 2.")
    if request.get("Routing") and "CustomDomainConfig" not in request:
        raise refusals.invalid("Routing is only supported for custom domains.")


def _render_answer(document: Document) -> Shape:
    answer: Shape = {"ManagedLoginVersion": document["ManagedLoginVersion"]}
    if "CustomDomainConfig" in document:
        answer["CloudFrontDomain"] = document["CloudFrontDistribution"]
    if "Routing" in document:
        answer["Routing"] = document["Routing"]
    return answer


def _get_domain(call: Call, request: Shape) -> DomainRow:
    """The domain of the pool that the request names. Raises InvalidParameterException."""
    row = queries.find_domain(call.tx, request["Domain"])
    if row is None or row.pool_id != request["UserPoolId"]:
        raise refusals.domain_unknown()
    return row


def create_user_pool_domain(call: Call, request: Shape) -> Shape:
    """CreateUserPoolDomain. It is ACTIVE at once; a custom domain's certificate is stored and not used."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    domain, custom = request["Domain"], "CustomDomainConfig" in request
    _check_name(domain, custom=custom)
    _check_version(request)
    if queries.find_domain(call.tx, domain) is not None:
        raise refusals.domain_taken()
    if any(("CustomDomainConfig" in other) is custom for _, other in queries.list_domains(call.tx, pool_id)):
        raise refusals.invalid("User pool already has a domain configured.")
    if custom:
        _check_custom_domains(call)
    document: Document = {
        "UserPoolId": pool_id,
        "AWSAccountId": call.account,
        "Domain": domain,
        "S3Bucket": f"aws-cognito-prod-{_AIRPORTS.get(call.region, call.region)}-assets",
        "CloudFrontDistribution": _cloudfront_host(domain),
        "Version": datetime.fromtimestamp(call.now, UTC).strftime("%Y%m%d%H%M%S"),
        "Status": "ACTIVE",
        **({"CustomDomainConfig": request["CustomDomainConfig"]} if custom else {}),
        "ManagedLoginVersion": request.get("ManagedLoginVersion", _CLASSIC),
        **({"Routing": request["Routing"]} if "Routing" in request else {}),
    }
    queries.put_domain(call.tx, call.account, call.region, pool_id, domain, document)
    return _render_answer(document)


def _check_custom_domains(call: Call) -> None:
    documents = queries.list_account_domains(call.tx, call.account, call.region)
    custom_count = sum("CustomDomainConfig" in document for _, document in documents)
    if custom_count >= limit("userpools.custom_domains"):
        raise refusals.limit_exceeded("Exceeded the limit of custom domains for this account.")


def describe_user_pool_domain(call: Call, request: Shape) -> Shape:
    """DescribeUserPoolDomain: a domain that is not the caller's, or is not at all, has an empty description."""
    row = queries.find_domain(call.tx, request["Domain"])
    if row is None or (row.account, row.region) != (call.account, call.region):
        return {"DomainDescription": {}}
    return {"DomainDescription": row.document}


def update_user_pool_domain(call: Call, request: Shape) -> Shape:
    """UpdateUserPoolDomain: another certificate for a custom domain, another look of the pages for either kind."""
    get_pool(call, request["UserPoolId"])
    row = _get_domain(call, request)
    _check_version(request)
    custom = "CustomDomainConfig" in row.document
    if not custom and "CustomDomainConfig" in request:
        raise refusals.invalid("A prefix domain has no custom domain configuration.")
    members = ("CustomDomainConfig", "ManagedLoginVersion", "Routing")
    changed = row.document | {member: request[member] for member in members if member in request}
    queries.put_domain(call.tx, call.account, call.region, row.pool_id, row.domain, changed)
    return _render_answer(changed)


def delete_user_pool_domain(call: Call, request: Shape) -> Shape:
    """DeleteUserPoolDomain."""
    get_pool(call, request["UserPoolId"])
    row = _get_domain(call, request)
    queries.delete_domain(call.tx, row.domain)
    return {}
