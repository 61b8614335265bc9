"""Tags of REST APIs, their stages, API keys and usage plans: TagResource, UntagResource, GetTags.

A resource is named by its ARN, as `arn:P:apigateway:R::/restapis/A` or `…/restapis/A/stages/S`. Tags merge.
Source: reference, control plane, sections 1.2 and 5.9.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.limits import limit
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.lookup import PROTOCOL, api_of, part_of
from scopegate.gateway.operations.apigateway.refusals import UNKNOWN_ARN, bad_request, not_found
from scopegate.ports import Call
from scopegate.store.documents import Document

_MAXIMUM_KEY: Final = 128
_MAXIMUM_VALUE: Final = 256
_RESERVED: Final = "aws:"
_OF_STACKS: Final = "aws:cloudformation:"  # stacks put these on what they make


def parse_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as sent, checked. Raises AwsError: a reserved or overlong key, an overlong value, too many tags."""
    for key, value in tags.items():
        if not 0 < len(key) <= _MAXIMUM_KEY or (key.startswith(_RESERVED) and not key.startswith(_OF_STACKS)):
            raise bad_request(f"Invalid tag key specified: {key}")
        if len(value) > _MAXIMUM_VALUE:
            raise bad_request(f"Invalid tag value specified: {value}")
    if len(tags) > limit("gateway.tags"):
        raise bad_request(f"A resource can have at most {limit('gateway.tags')} tags")
    return dict(tags)


_OF_ACCOUNT: Final = {
    "apikeys": ("api_key", "Invalid API Key identifier specified"),
    "usageplans": ("usage_plan", "Invalid Usage Plan ID specified"),
}


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A document that carries tags, and how to save it."""

    document: Document
    save: Callable[[Document], None]


def _get_tagged(call: Call, resource_arn: str) -> _Tagged:
    arn = names.find_arn(resource_arn)
    if arn is None or arn.service != "apigateway" or arn.region != call.region or arn.account not in ("", call.account):
        raise bad_request(UNKNOWN_ARN)
    match arn.resource.split("/")[1:]:
        case ["restapis", api_id]:
            api = api_of(call, {"restApiId": api_id})
            return _Tagged(
                api, lambda document: queries.put_api(call.tx, call.account, call.region, PROTOCOL, api_id, document)
            )
        case ["restapis", api_id, "stages", stage_name]:
            stage = part_of(call, {"restApiId": api_id}, "stage", stage_name, "Invalid stage identifier specified")
            return _Tagged(stage, lambda document: queries.put_part(call.tx, api_id, "stage", stage_name, document))
        case ["apikeys" | "usageplans" as collection, part_id]:
            kind, absent = _OF_ACCOUNT[collection]
            part = queries.find_account_part(call.tx, call.account, call.region, kind, part_id)
            if part is None:
                raise not_found(absent)
            return _Tagged(
                part,
                lambda document: queries.put_account_part(call.tx, call.account, call.region, kind, part_id, document),
            )
        case _:
            raise bad_request(UNKNOWN_ARN)


def tag_resource(call: Call, request: Shape) -> Shape:
    """TagResource: adds to the tags that are there."""
    tagged = _get_tagged(call, request["resourceArn"])
    tags = parse_tags({**tagged.document.get("tags", {}), **request["tags"]})
    tagged.save({**tagged.document, "tags": tags})
    return {}


def untag_resource(call: Call, request: Shape) -> Shape:
    """UntagResource: keys that are not there are passed over."""
    tagged = _get_tagged(call, request["resourceArn"])
    document = dict(tagged.document)
    tags = {key: value for key, value in document.pop("tags", {}).items() if key not in request["tagKeys"]}
    tagged.save({**document, "tags": tags} if tags else document)
    return {}


def get_tags(call: Call, request: Shape) -> Shape:
    """GetTags. The paging members of the request are reserved and change nothing."""
    return {"tags": _get_tagged(call, request["resourceArn"]).document.get("tags", {})}
