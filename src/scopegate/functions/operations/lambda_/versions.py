"""Versions and aliases."""

from typing import Any

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.functions.operations import configuration as settings
from scopegate.functions.operations import lookup
from scopegate.functions.operations.publishing import publish
from scopegate.functions.references import LATEST, FunctionRef, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document


def publish_version(call: Call, request: Shape) -> Shape:
    """PublishVersion. Nothing changed since the newest version: that one is answered again."""
    settings.refuse_unbuilt(request)
    ref = lookup.unpublished(call, request)
    latest = lookup.get_function(call.tx, ref)["Configuration"]
    lookup.check_revision(request, latest["RevisionId"])
    wanted = request.get("CodeSha256")
    if wanted and wanted != latest["CodeSha256"]:
        raise lookup.invalid(
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({latest['CodeSha256']}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    return publish(call.tx, ref, call, description=request.get("Description"))[0]


def list_versions_by_function(call: Call, request: Shape) -> Shape:
    """ListVersionsByFunction: `$LATEST` first, then ascending."""
    ref = lookup.reference(call, request).with_qualifier(None)
    latest = lookup.get_function(call.tx, ref)["Configuration"]
    rows: list[tuple[str, Any]] = [("0" * 10, (ref.with_qualifier(LATEST), latest, LATEST))]
    rows += [
        (f"{int(version):010d}", (ref.with_qualifier(version), found, version))
        for version, found in queries.list_versions(call.tx, ref)
    ]
    items, more = lookup.page(rows, request)
    versions = [lookup.listed(lookup.render_configuration(call, call.tx, *item)) for item in items]
    return {"Versions": versions, **({"NextMarker": more} if more else {})}


def create_alias(call: Call, request: Shape) -> Shape:
    """CreateAlias."""
    ref = lookup.reference(call, request).with_qualifier(None)
    if queries.find_function(call.tx, ref) is None:
        raise not_found(ref.with_qualifier(request["FunctionVersion"]).asked_arn)
    arn = ref.with_qualifier(request["Name"]).asked_arn
    if queries.find_alias(call.tx, ref, request["Name"]) is not None:
        raise lookup.conflict(f"Alias already exists: {arn}")
    alias: Document = {
        "AliasArn": arn,
        "Name": request["Name"],
        "FunctionVersion": request["FunctionVersion"],
        "Description": request.get("Description", ""),
        "RevisionId": lookup.new_revision(),
    }
    weights = (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
    if weights:
        alias["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    _check(call, ref, alias)
    queries.put_alias(call.tx, ref, request["Name"], alias)
    return alias


def _check(call: Call, ref: FunctionRef, alias: Document) -> None:
    target = alias["FunctionVersion"]
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})
    if len(weights) > 1:
        raise lookup.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if weights and target == LATEST:
        message = "$LATEST is not supported for an alias pointing to more than 1 version"
        raise AwsError("InvalidParameterValueException", message)
    if target in weights:
        raise lookup.invalid(
            f"Invalid function version {target}. "
            f"Function version {target} is already included in routing configuration."
        )
    for version in (target, *weights):
        if version != LATEST and queries.find_version(call.tx, ref, version) is None:
            raise not_found(ref.with_qualifier(version).asked_arn)


def get_alias(call: Call, request: Shape) -> Shape:
    """GetAlias."""
    ref = lookup.reference(call, request).with_qualifier(None)
    lookup.get_function(call.tx, ref)
    alias = queries.find_alias(call.tx, ref, request["Name"])
    if alias is None:
        arn = ref.with_qualifier(request["Name"]).asked_arn
        raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", members={"Type": "User"})
    return alias


def list_aliases(call: Call, request: Shape) -> Shape:
    """ListAliases, of one version when it is named."""
    ref = lookup.reference(call, request).with_qualifier(None)
    lookup.get_function(call.tx, ref)
    wanted = request.get("FunctionVersion")
    rows = [row for row in queries.list_aliases(call.tx, ref) if wanted in (None, row[1]["FunctionVersion"])]
    items, more = lookup.page(list(rows), request)
    return {"Aliases": items, **({"NextMarker": more} if more else {})}


def update_alias(call: Call, request: Shape) -> Shape:
    """UpdateAlias. Members that are left out stay; empty weights remove them."""
    ref = lookup.reference(call, request).with_qualifier(None)
    alias = queries.find_alias(call.tx, ref, request["Name"])
    if alias is None:
        arn = ref.with_qualifier(request["Name"]).asked_arn
        raise AwsError("ResourceNotFoundException", f"Alias not found: {arn}", members={"Type": "User"})
    lookup.check_revision(request, alias["RevisionId"])
    for member in ("FunctionVersion", "Description"):
        if request.get(member) is not None:
            alias[member] = request[member]
    if "AdditionalVersionWeights" in (request.get("RoutingConfig") or {}):
        weights = request["RoutingConfig"]["AdditionalVersionWeights"]
        alias.pop("RoutingConfig", None)
        if weights:
            alias["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    alias["RevisionId"] = lookup.new_revision()
    _check(call, ref, alias)
    queries.put_alias(call.tx, ref, request["Name"], alias)
    return alias


def delete_alias(call: Call, request: Shape) -> Shape:
    """DeleteAlias; one that is not there is deleted too."""
    ref = lookup.reference(call, request).with_qualifier(None)
    lookup.get_function(call.tx, ref)
    if queries.find_alias(call.tx, ref, request["Name"]) is not None:
        queries.delete_alias(call.tx, ref, request["Name"])
        lookup.forget_qualifier(call.tx, ref, request["Name"])
    return {}
