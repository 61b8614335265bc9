"""Layers: published, read, listed, deleted, and shared with other accounts.

Source: reference, Lambda, "Code packages" and "Get, delete, versions, aliases, others".
"""

import json
from typing import Any

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.functions.model import code_digest
from scopegate.functions.operations import configuration as settings
from scopegate.functions.operations import lookup
from scopegate.functions.operations.layer_versions import LayerRef, find, may_use, not_there, parse_layer_arn
from scopegate.functions.permissions import render_principal
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx

_TOLD = ("Description", "CreatedDate", "Version", "CompatibleRuntimes", "LicenseInfo", "CompatibleArchitectures")


def _name(call: Call, request: Shape) -> tuple[str, str]:
    """(account, name) of the layer that a request names, by name or by ARN. Raises AwsError for another region's."""
    arn = names.find_arn(request["LayerName"])
    if arn is None:
        return call.account, request["LayerName"]
    if arn.region != call.region:
        raise not_there()
    return arn.account, arn.resource.removeprefix("layer:")


def _ref(call: Call, request: Shape) -> LayerRef:
    if int(request["VersionNumber"]) < 1:
        raise lookup.invalid("Layer Version Cannot be less than 1")
    account, name = _name(call, request)
    return LayerRef(account, call.region, name, int(request["VersionNumber"]))


def _own(call: Call, ref: LayerRef) -> Document:
    """The document of a layer of the caller's account."""
    document = find(call.tx, ref) if ref.account == call.account else None
    if document is None:
        raise AwsError("ResourceNotFoundException", f"Layer version {ref.arn} does not exist.")
    return document


def _render(call: Call, ref: LayerRef, document: Document) -> Shape:
    content = {name: document["Content"][name] for name in ("CodeSha256", "CodeSize")}
    return {
        "Content": {"Location": call.ports.code_url(code_digest(content["CodeSha256"])), **content},
        "LayerArn": ref.layer_arn,
        "LayerVersionArn": ref.arn,
        **{name: document[name] for name in _TOLD if name in document},
    }


async def publish_layer_version(call: Call, request: Shape) -> Shape:
    """PublishLayerVersion. Numbers go up and are never given twice."""
    account, name = _name(call, request)
    if account != call.account:
        raise AwsError("AccessDeniedException", None, status=403)
    packed, code = await settings.unpack(call, request["Content"])

    def transaction(tx: Tx) -> Shape:
        version = queries.newest_layer(tx, call.account, call.region, name) + 1
        document = {
            "Content": code,
            "Version": version,
            "Description": request.get("Description", ""),
            "CreatedDate": settings.modified(call.now),
            **{
                member: request[member]
                for member in ("CompatibleRuntimes", "LicenseInfo", "CompatibleArchitectures")
                if request.get(member)
            },
        }
        queries.put_code(tx, code_digest(code["CodeSha256"]), packed)
        queries.put_layer(tx, call.account, call.region, name, version, document)
        return _render(call, LayerRef(call.account, call.region, name, version), document)

    return await call.write(transaction)


def get_layer_version(call: Call, request: Shape) -> Shape:
    """GetLayerVersion."""
    return _get(call, _ref(call, request))


def get_layer_version_by_arn(call: Call, request: Shape) -> Shape:
    """GetLayerVersionByArn."""
    return _get(call, parse_layer_arn(request["Arn"]))


def _get(call: Call, ref: LayerRef) -> Shape:
    document = find(call.tx, ref) if ref.region == call.region else None
    if document is None or not may_use(call, ref, document):
        raise not_there()
    return _render(call, ref, document)


def list_layers(call: Call, request: Shape) -> Shape:
    """ListLayers, each with its newest version that matches."""
    newest: dict[str, Shape] = {}
    for name, version, document in queries.list_layers(call.tx, call.account, call.region):
        if name not in newest and _matches(document, request):
            ref = LayerRef(call.account, call.region, name, version)
            newest[name] = {
                "LayerName": name,
                "LayerArn": ref.layer_arn,
                "LatestMatchingVersion": _listed(ref, document),
            }
    items, more = lookup.page(list(newest.items()), request)
    return {"Layers": items, **({"NextMarker": more} if more else {})}


def list_layer_versions(call: Call, request: Shape) -> Shape:
    """ListLayerVersions, newest first; none of an unknown layer."""
    account, name = _name(call, request)
    rows: list[tuple[str, Any]] = []
    if account == call.account:
        for _, version, document in queries.list_layers(call.tx, call.account, call.region, name):
            if _matches(document, request):
                # Markers go up while versions go down.
                rows.append(
                    (f"{10**10 - version:011d}", _listed(LayerRef(account, call.region, name, version), document))
                )
    items, more = lookup.page(rows, request)
    return {"LayerVersions": items, **({"NextMarker": more} if more else {})}


def _matches(document: Document, request: Shape) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    return (runtime is None or runtime in document.get("CompatibleRuntimes", ())) and (
        architecture is None or architecture in document.get("CompatibleArchitectures", ())
    )


def _listed(ref: LayerRef, document: Document) -> Shape:
    return {"LayerVersionArn": ref.arn, **{name: document[name] for name in _TOLD if name in document}}


def delete_layer_version(call: Call, request: Shape) -> Shape:
    """DeleteLayerVersion: functions that have it keep it; one that is not there is deleted too."""
    ref = _ref(call, request)
    document = find(call.tx, ref) if ref.account == call.account else None
    if document is not None:
        queries.delete_layer(call.tx, ref.account, ref.region, ref.name, ref.version)
        queries.drop_unused_code(call.tx, code_digest(document["Content"]["CodeSha256"]))
    return {}


# Who else may use them


def _put_policy(call: Call, ref: LayerRef, document: Document, statements: list[Shape]) -> str:
    revision = lookup.new_revision()
    policy = {"Policy": {"RevisionId": revision, "Statement": statements}} if statements else {}
    kept = {name: value for name, value in document.items() if name != "Policy"}
    queries.put_layer(call.tx, ref.account, ref.region, ref.name, ref.version, kept | policy)
    return revision


def _check_revision(request: Shape, policy: Document | None) -> None:
    if request.get("RevisionId") is not None and (policy is None or policy["RevisionId"] != request["RevisionId"]):
        raise AwsError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id",
            members={"Type": "User"},
        )


def add_layer_version_permission(call: Call, request: Shape) -> Shape:
    """AddLayerVersionPermission."""
    ref = _ref(call, request)
    document = _own(call, ref)
    policy = document.get("Policy")
    _check_revision(request, policy)
    statements = [] if policy is None else policy["Statement"]
    sid = request["StatementId"]
    if any(statement["Sid"] == sid for statement in statements):
        raise lookup.conflict(
            f"The statement id ({sid}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": render_principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": ref.arn,
    }
    if request.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}
    revision = _put_policy(call, ref, document, [*statements, statement])
    return {"Statement": json.dumps(statement, separators=(",", ":")), "RevisionId": revision}


def get_layer_version_policy(call: Call, request: Shape) -> Shape:
    """GetLayerVersionPolicy."""
    policy = _policy(_own(call, _ref(call, request)))
    whole = {"Version": "2012-10-17", "Id": "default", "Statement": policy["Statement"]}
    return {"Policy": json.dumps(whole, separators=(",", ":")), "RevisionId": policy["RevisionId"]}


def remove_layer_version_permission(call: Call, request: Shape) -> Shape:
    """RemoveLayerVersionPermission; with its last statement the policy goes."""
    ref = _ref(call, request)
    document = _own(call, ref)
    policy = _policy(document)
    _check_revision(request, policy)
    left = [statement for statement in policy["Statement"] if statement["Sid"] != request["StatementId"]]
    if len(left) == len(policy["Statement"]):
        message = f"Statement {request['StatementId']} is not found in resource policy."
        raise AwsError("ResourceNotFoundException", message)
    _put_policy(call, ref, document, left)
    return {}


def _policy(document: Document) -> Document:
    policy: Document | None = document.get("Policy")
    if policy is None:
        raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.")
    return policy
