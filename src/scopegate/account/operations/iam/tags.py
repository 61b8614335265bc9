"""Tags of IAM entities: names differ by more than case, values are free."""

from collections.abc import Mapping, Sequence

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit


def merge_tags(held: Mapping[str, str], given: Sequence[Shape]) -> dict[str, str]:
    """The tags after `given` are set; a name that is there in another case keeps its place and takes the new case."""
    names = [tag["Key"].lower() for tag in given]
    if len(names) != len(set(names)):
        raise AwsError("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(name.startswith("aws:") for name in names):
        raise AwsError("InvalidInput", "aws: prefixed tag key names are not allowed for external use.")
    merged = {name: value for name, value in held.items() if name.lower() not in names}
    merged |= {tag["Key"]: tag["Value"] for tag in given}
    if len(merged) > limit("account.iam.tags"):
        raise AwsError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return merged


def drop_tags(held: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    lower = {name.lower() for name in names}
    return {name: value for name, value in held.items() if name.lower() not in lower}


def render_tags(held: Mapping[str, str]) -> list[Shape]:
    return [{"Key": name, "Value": value} for name, value in sorted(held.items())]
