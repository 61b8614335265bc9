"""Scalars on the wire: timestamps, blobs, numbers, and what may stand in a text.

Source: AWS protocols (Smithy), "timestampFormat"; botocore's parsers read all that is written here.
"""

import base64
import binascii
import math
import re
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Final

from botocore.model import Shape as ModelShape

from scopegate.base.errors import AwsError

_LARGEST: Final = {"integer": 2**31 - 1, "long": 2**63 - 1, "short": 2**15 - 1, "byte": 2**7 - 1}
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d*)?([eE][+-]?\d{1,2})?", re.ASCII)
_LARGEST_TIME: Final = 253_402_300_799  # the end of the year 9999


def serialization_error(message: str | None = None) -> AwsError:
    return AwsError("SerializationException", message)


def parse_text(text: str) -> str:
    """NUL is no character of any AWS member, and no database takes it."""
    if "\0" in text:
        raise serialization_error("A string holds the character NUL")
    return text


def parse_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise serialization_error("A blob is not base64") from None


def parse_whole(value: int | float, type_name: str) -> int:
    """A number as an integer of the model's width."""
    if isinstance(value, float) and not value.is_integer():
        raise serialization_error("class java.lang.Double can not be converted to an Integer")
    number = int(value)
    if not -_LARGEST[type_name] - 1 <= number <= _LARGEST[type_name]:
        raise serialization_error("A number is out of range")
    return number


def parse_number_text(text: str, type_name: str) -> int | float:
    """A number in a query string, header, label or form."""
    if _NUMBER.fullmatch(text) and len(text) <= 40:
        if type_name not in _LARGEST:
            return float(text)
        if text.lstrip("+-").isdigit():
            return parse_whole(int(text), type_name)
    raise serialization_error("class java.lang.String can not be converted to a Number")


def parse_boolean_text(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise serialization_error("class java.lang.String can not be converted to an Boolean")


def parse_timestamp(value: Any) -> float:
    """Epoch seconds from a number, or from text in any of AWS's forms (ISO 8601, HTTP date, digits)."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and len(value) <= 64:
        seconds = _seconds_of(value)
    if not -_LARGEST_TIME <= seconds <= _LARGEST_TIME:  # false for NaN
        raise serialization_error("A timestamp cannot be read")
    return seconds


def _seconds_of(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def render_iso8601(seconds: float, *, milliseconds: bool = False) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds").replace("+00:00", "Z")


def render_timestamp(seconds: float, shape: ModelShape, default: str) -> Any:
    """A timestamp as the model or, without its word, the protocol and place (`default`) want it.

    Forms: `iso8601`, `rfc822`, `unixtimestamp`, and our word `whole` for epoch seconds without a fraction.
    """
    form = shape.serialization.get("timestampFormat", default)
    if form == "iso8601":
        return render_iso8601(seconds)
    if form == "rfc822":
        return formatdate(seconds, usegmt=True)
    return int(seconds) if form == "whole" or float(seconds).is_integer() else round(seconds, 3)


def render_text(value: Any, shape: ModelShape, *, timestamp: str) -> str:
    """A scalar in a header or in XML."""
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return str(render_timestamp(value, shape, timestamp))
    if shape.type_name == "blob":
        return base64.b64encode(value).decode("ascii")
    return str(value)
