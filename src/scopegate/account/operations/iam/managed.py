"""Managed policies by ARN: this account's own, and AWS's, which every account has.

AWS's are attachable by the form of their ARN; those that `aws_policies` knows can be read and grant what they say, the
others grant nothing.
"""

import re
from typing import Final

from scopegate.account import queries
from scopegate.account.aws_policies import find_aws_policy
from scopegate.account.model import derived_unique_id
from scopegate.account.operations.iam.owners import Owner
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
    """This account's policy, to be changed."""
    document = find_policy(call, arn)
    if document is None:
        raise AwsError("NoSuchEntity", f"Policy {arn} was not found.")
    return document


def get_readable(call: Call, arn: str) -> Document:
    """This account's policy, or one of AWS's."""
    return aws_policy_document(arn) or get_policy_document(call, arn)


def is_attachable(call: Call, arn: str) -> bool:
    return parse_policy_arn(arn)[0] == "aws" or find_policy(call, arn) is not None


def attached_to(call: Call, arn: str, owner: Owner) -> list[Document]:
    """The roles, or users, that a managed policy is attached to."""
    return [document for document in owner.list(call) if arn in document["AttachedPolicies"]]


def bounds_of(call: Call, arn: str, owner: Owner) -> list[Document]:
    """The roles, or users, whose permissions boundary is this managed policy."""
    return [
        document
        for document in owner.list(call)
        if document[owner.entity].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == arn
    ]


def aws_policy_document(arn: str) -> Document | None:
    """A managed policy of AWS's that is known here, in the form of one of our own."""
    text = find_aws_policy(arn)
    if text is None:
        return None
    path, _, name = arn.partition(":policy")[2].rpartition("/")
    policy = {
        "PolicyName": name,
        "PolicyId": derived_unique_id("ANPA", arn),
        "Arn": arn,
        "Path": f"{path}/",
        "DefaultVersionId": "v1",
        "IsAttachable": True,
        "CreateDate": 0.0,
        "UpdateDate": 0.0,
    }
    return {"Policy": policy, "Tags": {}, "Versions": [{"VersionId": "v1", "Document": text, "CreateDate": 0.0}]}
