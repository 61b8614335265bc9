"""The one user that tools ask for: the caller."""

from scopegate.account import queries
from scopegate.account.model import KeyRow, derived_unique_id, user_arn
from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.ports import Call


def get_user(call: Call, request: Shape) -> Shape:
    """GetUser. Partly: users are the names of admin keys; without a name the caller's own user, or the root user."""
    name = request.get("UserName")
    keys = [key for key in queries.list_keys(call.tx) if key.account == call.account]
    if name is None:
        own = next((key for key in keys if key.access_key_id == call.caller.access_key_id), None)
        if own is None:
            return {"User": {"UserId": call.account, "Arn": call.caller.arn, "CreateDate": 0.0, "Path": "/"}}
        return {"User": _rendered(own)}
    found = next((key for key in keys if key.user_name == name), None)
    if found is None:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.")
    return {"User": _rendered(found)}


def _rendered(key: KeyRow) -> Shape:
    arn = user_arn(key.account, key.user_name)
    return {
        "Path": "/",
        "UserName": key.user_name,
        "UserId": derived_unique_id("AIDA", arn),
        "Arn": arn,
        "CreateDate": key.created_at,
    }
