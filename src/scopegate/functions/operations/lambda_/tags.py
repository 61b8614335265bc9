"""Tags of functions, by ARN."""

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.operations.lambda_.functions import check_tags
from scopegate.functions.references import FunctionRef, find_reference
from scopegate.ports import Call
from scopegate.store.documents import Document


def _find(call: Call, arn: str) -> tuple[FunctionRef, Document]:
    ref = find_reference(arn)
    if ref is None or (ref.account, ref.region) != (call.account, call.region):
        raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", members={"Type": "User"})
    if ref.qualifier is not None:
        raise lookup.invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    return ref, lookup.get_function(call.tx, ref)


def list_tags(call: Call, request: Shape) -> Shape:
    """ListTags."""
    return {"Tags": _find(call, request["Resource"])[1]["Tags"]}


def tag_resource(call: Call, request: Shape) -> Shape:
    """TagResource; tags are merged."""
    ref, document = _find(call, request["Resource"])
    if not request["Tags"]:
        raise lookup.invalid("An error occurred and the request cannot be processed.")
    tags = document["Tags"] | request["Tags"]
    check_tags(tags)
    _put(call, ref, document, tags)
    return {}


def untag_resource(call: Call, request: Shape) -> Shape:
    """UntagResource."""
    ref, document = _find(call, request["Resource"])
    left = {key: value for key, value in document["Tags"].items() if key not in request["TagKeys"]}
    _put(call, ref, document, left)
    return {}


def _put(call: Call, ref: FunctionRef, document: Document, tags: dict[str, str]) -> None:
    configuration = document["Configuration"] | {"RevisionId": lookup.new_revision()}
    queries.put_function(call.tx, ref, document | {"Tags": tags, "Configuration": configuration})
