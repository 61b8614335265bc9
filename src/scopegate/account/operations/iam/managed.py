"""Managed policies by ARN: this account's own, and AWS's, which every account has.

AWS's managed policies are known by the form of their ARN only: attaching one grants nothing here, since policies are
not evaluated yet, and their documents are AWS's to change.
"""

import re
from typing import Final

from scopegate.account import queries
from scopegate.base.errors import AwsError
from scopegate.ports import Call
from scopegate.store.documents import Document

_POLICY_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}|aws):policy(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]{1,128})", re.ASCII
)


def parse_policy_arn(arn: str) -> tuple[str, str]:
    """(account or `aws`, policy name) of a managed policy's ARN. Raises AwsError."""
    match = _POLICY_ARN.fullmatch(arn)
    if match is None and not arn.startswith("arn:"):
        raise AwsError("ValidationError", "Invalid ARN:  Could not be parsed!")  # two blanks, recorded 2025-06
    if match is None:
        raise AwsError("InvalidInput", f"ARN {arn} is not valid.")
    return match["account"], match["name"]


def find_policy(call: Call, arn: str) -> Document | None:
    """This account's policy of exactly that ARN."""
    account, name = parse_policy_arn(arn)
    if account != call.account:
        return None
    document = queries.find_entity(call.tx, account, "policy", name)
    return document if document is not None and document["Policy"]["Arn"] == arn else None


def get_policy_document(call: Call, arn: str) -> Document:
    document = find_policy(call, arn)
    if document is None:
        raise AwsError("NoSuchEntity", f"Policy {arn} was not found.")
    return document


def is_attachable(call: Call, arn: str) -> bool:
    return parse_policy_arn(arn)[0] == "aws" or find_policy(call, arn) is not None


def roles_with(call: Call, arn: str) -> list[Document]:
    """The roles that a managed policy is attached to."""
    roles = queries.list_entities(call.tx, call.account, "role")
    return [document for _, document in roles if arn in document["AttachedPolicies"]]


def roles_bounded_by(call: Call, arn: str) -> list[Document]:
    """The roles whose permissions boundary is this managed policy."""
    roles = queries.list_entities(call.tx, call.account, "role")
    return [
        document
        for _, document in roles
        if document["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == arn
    ]
