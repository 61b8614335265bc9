"""A role's document, by name, and its quotas."""

from typing import Any

from scopegate.account import queries
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call


def get_role_document(call: Call, name: str) -> dict[str, Any]:
    document = queries.find_entity(call.tx, call.account, "role", name)
    if document is None:
        raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.")
    return document


def put_role_document(call: Call, document: dict[str, Any]) -> None:
    queries.put_entity(call.tx, call.account, "role", document["Role"]["RoleName"], document)


def check_quota(call: Call, name: str, value: int, message: str) -> None:
    """A quota of the account binds only with `--aws-quotas`."""
    if call.settings.aws_quotas and value > limit(name):
        raise AwsError("LimitExceeded", message)
