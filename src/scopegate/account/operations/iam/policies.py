"""Managed policies of this account, their versions and tags."""

import re
from collections.abc import Callable
from typing import Any

from scopegate.account import queries
from scopegate.account.aws_policies import KNOWN
from scopegate.account.model import new_unique_id
from scopegate.account.operations.iam import managed
from scopegate.account.operations.iam.owners import OWNERS, Owner
from scopegate.account.operations.iam.paging import read_page
from scopegate.account.operations.iam.policy_documents import check_identity_policy, render_document
from scopegate.account.operations.iam.tags import drop_tags, merge_tags, render_tags
from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call


def create_policy(call: Call, request: Shape) -> Shape:
    """CreatePolicy. Names are unique in an account, whatever the path."""
    name, path = request["PolicyName"], request.get("Path", "/")
    _check_document(request["PolicyDocument"])
    if any(held.lower() == name.lower() for held, _ in queries.list_entities(call.tx, call.account, "policy")):
        raise AwsError(
            "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    policy: dict[str, Any] = {
        "PolicyName": name,
        "PolicyId": new_unique_id("ANPA"),
        "Arn": f"arn:{names.partition_of(call.region)}:iam::{call.account}:policy{path}{name}",
        "Path": path,
        "DefaultVersionId": "v1",
        "IsAttachable": True,
        "CreateDate": call.now,
        "UpdateDate": call.now,
    }
    if request.get("Description"):
        policy["Description"] = request["Description"]
    document = {
        "Policy": policy,
        "Tags": merge_tags({}, request.get("Tags", [])),
        "Versions": [{"VersionId": "v1", "Document": request["PolicyDocument"], "CreateDate": call.now}],
        "LastVersion": 1,
    }
    _put(call, document)
    shown = _rendered(call, document)
    shown.pop("Description", None)  # the answer to CreatePolicy leaves it out
    return {"Policy": shown}


def get_policy(call: Call, request: Shape) -> Shape:
    """GetPolicy. Partly: of AWS's managed policies those that docs/policies.md names."""
    document = managed.get_readable(call, request["PolicyArn"])
    return {"Policy": {**_rendered(call, document), "Tags": render_tags(document["Tags"])}}


def list_policies(call: Call, request: Shape) -> Shape:
    """ListPolicies. Partly: of AWS's managed policies those that docs/policies.md names."""
    prefix, scope = request.get("PathPrefix", "/"), request.get("Scope", "All")
    found: list[dict[str, Any]] = []
    if scope != "AWS":
        found += [document for _, document in queries.list_entities(call.tx, call.account, "policy")]
    if scope != "Local":
        partition = names.partition_of(call.region)
        arns = [f"arn:{partition}:iam::aws:policy{name}" for name in KNOWN]
        found += [document for arn in arns if (document := managed.aws_policy_document(arn)) is not None]
    found = [document for document in found if document["Policy"]["Path"].startswith(prefix)]
    if request.get("OnlyAttached"):
        found = [document for document in found if _count(call, document, managed.attached_to)]
    found.sort(key=lambda document: str(document["Policy"]["PolicyName"]))
    page, paging = read_page(request, found, lambda document: document["Policy"]["PolicyName"])
    shown = [_rendered(call, document) for document in page]
    for policy in shown:
        policy.pop("Description", None)
        policy.pop("Tags", None)
    return {"Policies": shown, **paging}


def delete_policy(call: Call, request: Shape) -> Shape:
    """DeletePolicy: unattached, with no version but the default one."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    if _count(call, document, managed.attached_to) or _count(call, document, managed.bounds_of):
        raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(document["Versions"]) > 1:
        raise AwsError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy.",
        )
    queries.delete_entity(call.tx, call.account, "policy", document["Policy"]["PolicyName"])
    return {}


def create_policy_version(call: Call, request: Shape) -> Shape:
    """CreatePolicyVersion."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    _check_document(request["PolicyDocument"])
    if len(document["Versions"]) >= limit("account.iam.policy_versions"):
        raise AwsError(
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
            "version.",
        )
    document["LastVersion"] += 1
    version = {
        "VersionId": f"v{document['LastVersion']}",
        "Document": request["PolicyDocument"],
        "CreateDate": call.now,
    }
    document["Versions"].append(version)
    document["Policy"]["UpdateDate"] = call.now
    if request.get("SetAsDefault"):
        document["Policy"]["DefaultVersionId"] = version["VersionId"]
    _put(call, document)
    shown = _rendered_version(document, version)
    del shown["Document"]
    return {"PolicyVersion": shown}


def get_policy_version(call: Call, request: Shape) -> Shape:
    """GetPolicyVersion."""
    document = managed.get_readable(call, request["PolicyArn"])
    return {"PolicyVersion": _rendered_version(document, _get_version(document, request["VersionId"]))}


def list_policy_versions(call: Call, request: Shape) -> Shape:
    """ListPolicyVersions, newest first, without their documents."""
    document = managed.get_readable(call, request["PolicyArn"])
    newest_first = list(reversed(document["Versions"]))
    page, paging = read_page(request, newest_first, lambda version: f"{99_999_999 - int(version['VersionId'][1:]):08}")
    shown = [_rendered_version(document, version) for version in page]
    for version in shown:
        del version["Document"]
    return {"Versions": shown, **paging}


def set_default_policy_version(call: Call, request: Shape) -> Shape:
    """SetDefaultPolicyVersion."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    _get_version(document, request["VersionId"])
    document["Policy"]["DefaultVersionId"] = request["VersionId"]
    document["Policy"]["UpdateDate"] = call.now
    _put(call, document)
    return {}


def delete_policy_version(call: Call, request: Shape) -> Shape:
    """DeletePolicyVersion: any but the default one."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    version = _get_version(document, request["VersionId"])
    if document["Policy"]["DefaultVersionId"] == version["VersionId"]:
        raise AwsError("DeleteConflict", "Cannot delete the default version of a policy.")
    document["Versions"].remove(version)
    document["Policy"]["UpdateDate"] = call.now
    _put(call, document)
    return {}


def list_entities_for_policy(call: Call, request: Shape) -> Shape:
    """ListEntitiesForPolicy: roles and users; there are no groups here."""
    arn = request["PolicyArn"]
    if managed.parse_policy_arn(arn)[0] != "aws":
        managed.get_policy_document(call, arn)
    find = managed.bounds_of if request.get("PolicyUsageFilter") == "PermissionsBoundary" else managed.attached_to
    prefix = request.get("PathPrefix", "/")
    found: list[tuple[str, dict[str, Any]]] = []
    for owner in OWNERS:
        if request.get("EntityFilter", owner.entity) == owner.entity:
            entities = [document[owner.entity] for document in find(call, arn, owner)]
            found += [(owner.entity, entity) for entity in entities if entity["Path"].startswith(prefix)]
    page, paging = read_page(request, found, lambda one: f"{one[0]}/{one[1][one[0] + 'Name']}")
    shown: dict[str, list[Shape]] = {"PolicyGroups": [], "PolicyRoles": [], "PolicyUsers": []}
    for kind, entity in page:
        members = (f"{kind}Name", f"{kind}Id")
        shown[f"Policy{kind}s"].append({member: entity[member] for member in members})
    return {**shown, **paging}


def tag_policy(call: Call, request: Shape) -> Shape:
    """TagPolicy."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    document["Tags"] = merge_tags(document["Tags"], request["Tags"])
    _put(call, document)
    return {}


def untag_policy(call: Call, request: Shape) -> Shape:
    """UntagPolicy."""
    document = managed.get_policy_document(call, request["PolicyArn"])
    document["Tags"] = drop_tags(document["Tags"], request["TagKeys"])
    _put(call, document)
    return {}


def list_policy_tags(call: Call, request: Shape) -> Shape:
    """ListPolicyTags."""
    tags = render_tags(managed.get_policy_document(call, request["PolicyArn"])["Tags"])
    page, paging = read_page(request, tags, lambda tag: tag["Key"])
    return {"Tags": page, **paging}


def _count(call: Call, document: dict[str, Any], find: Callable[[Call, str, Owner], list[Any]]) -> int:
    """How many entities use a policy."""
    return sum(len(find(call, document["Policy"]["Arn"], owner)) for owner in OWNERS)


def _put(call: Call, document: dict[str, Any]) -> None:
    queries.put_entity(call.tx, call.account, "policy", document["Policy"]["PolicyName"], document)


def _check_document(text: str) -> None:
    check_identity_policy(text)
    if len(re.sub(r"\s", "", text)) > limit("account.iam.policy_characters"):
        raise AwsError("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")


def _rendered(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    shown = {
        **document["Policy"],
        "AttachmentCount": _count(call, document, managed.attached_to),
        "PermissionsBoundaryUsageCount": _count(call, document, managed.bounds_of),
    }
    if document["Tags"]:
        shown["Tags"] = render_tags(document["Tags"])
    return shown


def _get_version(document: dict[str, Any], version_id: str) -> dict[str, Any]:
    for version in document["Versions"]:
        if version["VersionId"] == version_id:
            return dict(version)
    raise AwsError(
        "NoSuchEntity", f"Policy {document['Policy']['Arn']} version {version_id} does not exist or is not attachable."
    )


def _rendered_version(document: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    return {
        "Document": render_document(version["Document"]),
        "VersionId": version["VersionId"],
        "IsDefaultVersion": document["Policy"]["DefaultVersionId"] == version["VersionId"],
        "CreateDate": version["CreateDate"],
    }
