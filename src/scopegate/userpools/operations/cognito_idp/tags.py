"""Tags of user pools, found by ARN.

Source: reference, "Tags".
"""

from scopegate.aws.operations import Shape
from scopegate.base.names import find_arn
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool
from scopegate.userpools.operations.cognito_idp.pool_settings import find_tag_fault


def _get_tagged_pool(call: Call, request: Shape) -> Document:
    """The pool that `ResourceArn` names, spelled exactly as Cognito spells it."""
    arn = find_arn(request["ResourceArn"])
    kind, _, pool_id = (arn.resource if arn else "").partition("/")
    if arn is None or arn.service != "cognito-idp" or kind != "userpool" or not pool_id:
        raise refusals.invalid(f"{request['ResourceArn']} is not the ARN of a user pool.")
    if (arn.account, arn.region) != (call.account, call.region):
        raise refusals.unknown_pool(pool_id)
    return get_pool(call, pool_id)


def _put_tags(call: Call, pool: Document, tags: dict[str, str]) -> None:
    fault = find_tag_fault(tags)
    if fault is not None:
        raise refusals.invalid(fault)
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], pool | {"UserPoolTags": tags})


def tag_resource(call: Call, request: Shape) -> Shape:
    """TagResource: tags are added; those of the same key change."""
    pool = _get_tagged_pool(call, request)
    _put_tags(call, pool, pool["UserPoolTags"] | request["Tags"])
    return {}


def untag_resource(call: Call, request: Shape) -> Shape:
    """UntagResource: keys that no tag has are passed over."""
    pool = _get_tagged_pool(call, request)
    gone = set(request["TagKeys"])
    _put_tags(call, pool, {key: value for key, value in pool["UserPoolTags"].items() if key not in gone})
    return {}


def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """ListTagsForResource."""
    return {"Tags": _get_tagged_pool(call, request)["UserPoolTags"]}
