"""Functions: create, read, update code and configuration, list, delete."""

from collections.abc import Sequence
from typing import Any

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.model import code_digest
from scopegate.functions.operations import configuration as settings
from scopegate.functions.operations import lookup
from scopegate.functions.operations.layer_versions import attach, check_size
from scopegate.functions.operations.publishing import publish
from scopegate.functions.references import LATEST, LONGEST_NAME, FunctionRef, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx


async def create_function(call: Call, request: Shape) -> Shape:
    """CreateFunction. Answered as `Pending`; it is active, and may be invoked, by the time that the answer is read."""
    ref = lookup.reference(call, request)
    if len(ref.name) > LONGEST_NAME:
        raise lookup.invalid(
            f"1 validation error detected: Value '{ref.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LONGEST_NAME}"
        )
    if ref.qualifier is not None:
        raise lookup.invalid("A function is created without a qualifier")
    document = settings.new_configuration(call, request, ref.name)
    await settings.check_runtime(call, document["Runtime"])
    tags = request.get("Tags") or {}
    check_tags(tags)
    variables = (request.get("Environment") or {}).get("Variables")
    environment = None if variables is None else settings.check_environment(variables)

    def check(tx: Tx) -> None:
        if queries.find_function(tx, ref) is not None:
            raise lookup.conflict(f"Function already exist: {ref.name}")

    await call.read(check)  # before the package is unpacked, and again where it counts
    packed, code = await settings.unpack(call, request["Code"])
    document |= {**code, "LastModified": settings.modified(call.now), "RevisionId": lookup.new_revision()}

    def transaction(tx: Tx) -> Shape:
        check(tx)
        configuration = attach(call, tx, document, request.get("Layers") or [])
        queries.put_code(tx, code_digest(code["CodeSha256"]), packed)
        queries.put_function(tx, ref, {"Configuration": configuration, "Tags": tags, "Newest": 0})
        if environment is not None:
            _put_environment(call, tx, ref, environment)
        answer = lookup.render_configuration(call, tx, ref, configuration, LATEST)
        if request.get("Publish"):
            answer["Version"] = publish(tx, ref, call, description=None)[0]["Version"]
        return answer

    return _pending(await call.write(transaction))


def _pending(answer: Shape) -> Shape:
    """As the service answers a create, before the function is there: without a last update, with another revision."""
    created = {name: value for name, value in answer.items() if name != "LastUpdateStatus"}
    return created | {
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "RevisionId": lookup.new_revision(),
    }


def _in_progress(answer: Shape) -> Shape:
    """As the service answers an update, before it is done: the revision is not the one that it ends with."""
    return answer | {
        "RevisionId": lookup.new_revision(),
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": "The function is being created.",
        "LastUpdateStatusReasonCode": "Creating",
    }


def _put_environment(call: Call, tx: Tx, ref: FunctionRef, environment: bytes) -> None:
    sealed = call.seal.seal(environment, queries.environment_context(ref, LATEST))
    queries.put_environment(tx, ref, LATEST, sealed)


def check_tags(tags: dict[str, str]) -> None:
    if len(tags) > limit("functions.tags"):
        raise lookup.invalid("Number of tags exceeds resource tag limit.")


def get_function(call: Call, request: Shape) -> Shape:
    """GetFunction."""
    ref = lookup.reference(call, request)
    configuration, version = lookup.get_configuration(call.tx, ref)
    document = lookup.get_function(call.tx, ref)
    location = call.ports.code_url(code_digest(configuration["CodeSha256"]))
    answer: Shape = {
        "Configuration": lookup.render_configuration(call, call.tx, ref, configuration, version),
        "Code": {"RepositoryType": "S3", "Location": location},
    }
    if document["Tags"]:
        answer["Tags"] = document["Tags"]
    if document.get("Concurrency") is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": document["Concurrency"]}
    return answer


def get_function_configuration(call: Call, request: Shape) -> Shape:
    """GetFunctionConfiguration."""
    ref = lookup.reference(call, request)
    configuration, version = lookup.get_configuration(call.tx, ref)
    return lookup.render_configuration(call, call.tx, ref, configuration, version)


async def update_function_code(call: Call, request: Shape) -> Shape:
    """UpdateFunctionCode. With `Publish` the answer is the new version."""
    ref = lookup.unpublished(call, request)

    def current(tx: Tx) -> Document:
        document = lookup.get_function(tx, ref)
        lookup.check_revision(request, document["Configuration"]["RevisionId"])
        return document

    await call.read(current)  # before the package is unpacked, and again where it counts
    packed, code = await settings.unpack(call, request)

    def transaction(tx: Tx) -> Shape:
        document = current(tx)
        old = document["Configuration"]
        new = check_size(old | code)
        if request.get("Architectures"):
            new["Architectures"] = request["Architectures"]
        if request.get("DryRun"):
            return lookup.render_configuration(call, tx, ref, new, LATEST)
        queries.put_code(tx, code_digest(code["CodeSha256"]), packed)
        answer = _put(call, tx, ref, document, new)
        _drop_unused(tx, [old])
        if request.get("Publish"):
            published, made = publish(tx, ref, call, description=None)
            return _pending(published) if made else published
        return _in_progress(answer)

    return await call.write(transaction)


async def update_function_configuration(call: Call, request: Shape) -> Shape:
    """UpdateFunctionConfiguration. Members that are left out stay; `Environment` replaces all variables."""
    ref = lookup.unpublished(call, request)
    await call.read(lambda tx: lookup.get_function(tx, ref))
    if request.get("Runtime"):
        await settings.check_runtime(call, request["Runtime"])
    variables = (request.get("Environment") or {}).get("Variables")
    environment = None if variables is None else settings.check_environment(variables)

    def transaction(tx: Tx) -> Shape:
        document = lookup.get_function(tx, ref)
        lookup.check_revision(request, document["Configuration"]["RevisionId"])
        old = document["Configuration"]
        new = settings.apply(call, old, request)
        if request.get("Layers") is not None:
            new = attach(call, tx, new, request["Layers"])
        if environment is not None:
            _put_environment(call, tx, ref, environment)
        answer = _put(call, tx, ref, document, new)
        _drop_unused(tx, [old])
        return _in_progress(answer)

    return await call.write(transaction)


def _put(call: Call, tx: Tx, ref: FunctionRef, document: Document, new: Document) -> Shape:
    new = new | {"LastModified": settings.modified(call.now), "RevisionId": lookup.new_revision()}
    queries.put_function(tx, ref, document | {"Configuration": new})
    return lookup.render_configuration(call, tx, ref, new, LATEST)


def _drop_unused(tx: Tx, configurations: Sequence[Document]) -> None:
    """Packages that only these configurations, which are no more, had; of deleted layers too."""
    for configuration in configurations:
        for holder in (configuration, *configuration.get("Layers", ())):
            queries.drop_unused_code(tx, code_digest(holder["CodeSha256"]))


def list_functions(call: Call, request: Shape) -> Shape:
    """ListFunctions; `FunctionVersion=ALL` lists every version, ARNs qualified."""
    rows: list[tuple[str, Any]] = []
    for name, document in queries.list_functions(call.tx, call.account, call.region):
        ref = FunctionRef(call.account, call.region, name, None)
        rows.append((name, (ref, document["Configuration"], LATEST)))
        if request.get("FunctionVersion") == "ALL":
            rows[-1] = (name, (ref.with_qualifier(LATEST), document["Configuration"], LATEST))
            rows += [
                (f"{name} {int(version):010d}", (ref.with_qualifier(version), found, version))
                for version, found in queries.list_versions(call.tx, ref)
            ]
    items, more = lookup.page(rows, request)
    found = [lookup.listed(lookup.render_configuration(call, call.tx, *item)) for item in items]
    return {"Functions": found, **({"NextMarker": more} if more else {})}


def delete_function(call: Call, request: Shape) -> Shape:
    """DeleteFunction: one version, or the function with everything."""
    ref = lookup.reference(call, request)
    document = queries.find_function(call.tx, ref)
    if document is None:
        raise not_found(ref.arn)
    if ref.qualifier is None:
        versions = queries.list_versions(call.tx, ref)
        queries.delete_function(call.tx, ref)
        _drop_unused(call.tx, [document["Configuration"], *(found for _, found in versions)])
        return {"StatusCode": 204}
    if ref.qualifier == LATEST:
        raise lookup.invalid("$LATEST version cannot be deleted without deleting the function.")
    if queries.find_alias(call.tx, ref, ref.qualifier) is not None:
        raise lookup.invalid("Deletion of aliases is not currently supported.")
    users = [
        name
        for name, alias in queries.list_aliases(call.tx, ref)
        if ref.qualifier == alias["FunctionVersion"]
        or ref.qualifier in (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})
    ]
    if users:
        message = f"Version {ref.qualifier} of function {ref.name} is referenced by aliases [{', '.join(users)}]"
        raise lookup.conflict(message)
    version = queries.find_version(call.tx, ref, ref.qualifier)
    if version is not None:
        queries.delete_version(call.tx, ref, ref.qualifier)
        lookup.forget_qualifier(call.tx, ref, ref.qualifier)
        _drop_unused(call.tx, [version])
    return {"StatusCode": 204}
