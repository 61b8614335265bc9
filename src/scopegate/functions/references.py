"""How a caller names a function: bare, qualified, partial or full ARN → name and qualifier.

Source: reference, Lambda, "Forms of a function name".
"""

from dataclasses import dataclass
from typing import Final

from scopegate.base import names
from scopegate.base.errors import AwsError

LATEST: Final = "$LATEST"
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function of one account and region; qualifier: version, alias, `$LATEST`, or None when none was asked for."""

    account: str
    region: str
    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return names.function_arn(self.region, self.account, self.name)

    @property
    def asked_arn(self) -> str:
        """The ARN as addressed."""
        return names.function_arn(self.region, self.account, self.name, self.qualifier)

    def with_qualifier(self, qualifier: str | None) -> "FunctionRef":
        return FunctionRef(self.account, self.region, self.name, qualifier)


def parse_reference(text: str, qualifier: str | None, *, account: str, region: str) -> FunctionRef:
    """A `FunctionName` member with its `Qualifier`, both of which the service's model allows.

    Raises AwsError: another region, a qualifier that contradicts the one in the name.
    """
    match = names.FUNCTION_NAME.fullmatch(text)
    if match is None:
        raise ValueError(f"the model allows a function name that is none: {text!r}")
    if match["region"] not in (None, region):
        raise AwsError(
            "ResourceNotFoundException",
            f"Functions from '{match['region']}' are not reachable in this region ('{region}')",
        )
    inner = match["qualifier"]
    if inner is not None and qualifier is not None and inner != qualifier:
        raise AwsError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    return FunctionRef(match["account"] or account, region, match["name"], inner or qualifier)


def find_reference(arn: str) -> FunctionRef | None:
    """A full function ARN; None for anything else."""
    found = names.find_arn(arn)
    if found is None or found.service != "lambda" or not found.region or not found.account:
        return None
    kind, _, rest = found.resource.partition(":")
    name, _, qualifier = rest.partition(":")
    if kind != "function" or not name or ":" in qualifier:
        return None
    return FunctionRef(found.account, found.region, name, qualifier or None)


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}")
