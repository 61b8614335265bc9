"""One row of a table of recorded types, and the resource type that it makes."""

import datetime
import re
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scopegate.base import clock, names
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import Aws, Create, Properties, ResourceType, Update, text, words

_PLACE: Final = re.compile(r"\{([A-Za-z][\w.]*)(?::(\d+))?(?:\|([^}]*))?\}")
_OPTIONAL: Final = re.compile(r"\[([^\]]*)\]")
# Regions whose website hosts are spelt with a hyphen before the region; all later ones have a dot.
_HYPHENED: Final = words(
    "us-east-1 us-west-1 us-west-2 us-gov-west-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 eu-west-1 sa-east-1"
)

Words = str | tuple[str, ...]
"""A text with `{…}` in it, or a list of them."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One type.

    ref: its physical id. attributes: name → value. In both stand
      `{name}` (the property that `name` names, else generated, at most `longest` characters, small letters if `lower`),
      `{id}` (made once by `id`), `{account}`, `{region}`, `{zone}`, `{partition}`, `{suffix}`, `{moment}`,
      any property, a nested one with dots; `{Property|default}`; `[…{Property}…]` is left out where that is not given.
    id: a text with `{hex:N}`, `{upper:N}`, `{lower:N}`, `{mixed:N}`, `{uuid}` in it.
    replaces: properties, besides the name, whose change makes another of it. says: what the user is told.
    """

    ref: str = "{name}"
    attributes: Mapping[str, Words] = field(default_factory=dict)
    name: str = ""
    longest: int = 64
    lower: bool = False
    id: str = ""
    replaces: str = ""
    says: str = "nothing is made of it"


def arn(service: str, resource: str) -> str:
    return f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"


def global_arn(service: str, resource: str) -> str:
    return f"arn:{{partition}}:{service}::{{account}}:{resource}"


def resource_type(kind: str, row: Recorded) -> ResourceType:
    return ResourceType(
        _creator(kind, row),
        _forget,
        _changer(row),
        free_properties=True,
        required=tuple(_needed(row)),
        attributes=frozenset(row.attributes),
        replaces=words(row.replaces) | ({row.name.partition(".")[0]} if row.name else set()),
    )


def _needed(row: Recorded) -> Iterator[str]:
    """The properties without which there is no physical id."""
    for place, _, default in _PLACE.findall(_OPTIONAL.sub("", row.ref)):
        if place[0].isupper() and not default:
            yield place.partition(".")[0]


def _creator(kind: str, row: Recorded) -> Create:
    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        aws.note(f"{logical_id}: {kind} is recorded, {row.says}")
        known = dict(_flat(properties))
        name = known.get(row.name) or _generated(aws, logical_id, row, properties)
        kept = {"_Name": name, "_Id": _filled(row.id, _drawn), "_Moment": _moment()}
        return _physical(aws, row, kept, properties)

    return create


def _changer(row: Recorded) -> Update:
    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        return _physical(aws, row, physical.attributes, new)

    return update


async def _forget(aws: Aws, physical: Physical, properties: Properties) -> None:
    pass


def _generated(aws: Aws, logical_id: str, row: Recorded, properties: Properties) -> str:
    """First-in-first-out queues and topics say so in their names."""
    fifo = ".fifo" if "true" in (text(properties.get("FifoQueue")), text(properties.get("FifoTopic"))) else ""
    name = aws.generated_name(logical_id, row.longest - len(fifo)) + fifo
    return name.lower() if row.lower else name


def _physical(aws: Aws, row: Recorded, kept: Mapping[str, Any], properties: Properties) -> Physical:
    """kept: what was drawn when it was recorded, in attributes that no template can name."""
    partition, name = names.partition_of(aws.region), str(kept["_Name"])
    known = {
        **dict(_flat(properties)),
        "account": aws.account,
        "id": kept["_Id"],
        "lower_id": kept["_Id"].lower(),
        "moment": kept["_Moment"],
        "name": name,
        "partition": partition,
        "path": f"/{name.removeprefix('/')}",
        "region": aws.region,
        "scope": "global" if properties.get("Scope") == "CLOUDFRONT" else "regional",
        "suffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        "website": f"s3-website{'-' if aws.region in _HYPHENED else '.'}{aws.region}",
        "zone": f"{aws.region}a",
    }

    def find(place: str, _size: str) -> str | None:
        return known.get(place)

    def value(words: Words) -> Any:
        return _filled(words, find) if isinstance(words, str) else [_filled(each, find) for each in words]

    attributes = {attribute: value(words) for attribute, words in row.attributes.items()}
    return Physical(_filled(row.ref, find), {**attributes, **{key: kept[key] for key in ("_Name", "_Id", "_Moment")}})


def _filled(words: str, find: Callable[[str, str], str | None]) -> str:
    """`words` with a value in each place; the default, or nothing, where there is none."""

    def fill(match: re.Match[str]) -> str:
        found = find(match[1], match[2] or "")
        default = match[3] or ""
        return found if found is not None else find(default, "") or default

    def keep(match: re.Match[str]) -> str:
        return match[1] if all(find(place, size) for place, size, _ in _PLACE.findall(match[1])) else ""

    return _PLACE.sub(fill, _OPTIONAL.sub(keep, words))


_ALPHABETS: Final = {
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "lower": string.ascii_lowercase + string.digits,
    "mixed": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase + string.digits,
}


def _drawn(kind: str, size: str) -> str:
    return clock.uuid4() if kind == "uuid" else clock.new_id(int(size), _ALPHABETS[kind])


def _moment() -> str:
    return datetime.datetime.fromtimestamp(clock.now(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000")


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every scalar, by its name; nested ones by names with dots."""
    for name, value in properties.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float):
            yield f"{prefix}{name}", text(value)
