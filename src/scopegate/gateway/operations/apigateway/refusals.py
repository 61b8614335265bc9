"""The refusals of REST API operations, in AWS's words.

Source: reference, control plane, sections 2.1 and 3.
"""

from collections.abc import Iterable
from typing import Final

from scopegate.base.errors import AwsError

UNKNOWN_RESOURCE: Final = "Invalid Resource identifier specified"
UNKNOWN_METHOD: Final = "Invalid Method identifier specified"
UNKNOWN_INTEGRATION: Final = "Invalid Integration identifier specified"
UNKNOWN_RESPONSE: Final = "Invalid Response status code specified"
UNKNOWN_VALIDATOR: Final = "Invalid Request Validator identifier specified"
UNKNOWN_ARN: Final = "Invalid ARN specified in the request"


def bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message)


def not_found(message: str) -> AwsError:
    return AwsError("NotFoundException", message)


def conflict(message: str) -> AwsError:
    return AwsError("ConflictException", message)


def limit_exceeded(things: str) -> AwsError:
    """A quota, in AWS's words (boto3#1296, two blanks); the model gives the status (429)."""
    return AwsError(
        "LimitExceededException",
        f"Maximum number of {things} for this API has been reached.  "
        f"Please contact AWS if you need additional {things}.",
    )


def invalid_definition(errors: Iterable[str], *, subject: str = "") -> AwsError:
    """AWS's envelope round what its own validator found; `subject` ends in a colon and a blank."""
    return bad_request(f"{subject}Validation Result: warnings : [], errors : [{', '.join(errors)}]")


def invalid_mapping(*errors: str) -> AwsError:
    """A bad parameter mapping, on either side of it."""
    return invalid_definition(errors, subject="Invalid mapping expression specified: ")
