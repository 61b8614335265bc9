"""Who is calling.

Source: AWS STS API reference, GetCallerIdentity.
"""

from scopegate.account import queries
from scopegate.aws.operations import Shape
from scopegate.ports import Call


def get_caller_identity(call: Call, request: Shape) -> Shape:
    """GetCallerIdentity. Anyone who can sign may ask."""
    caller = call.caller
    user_id = caller.user_id
    if caller.session is not None:
        name = caller.session.role_arn.rpartition("/")[2]
        role = queries.find_entity(call.tx, call.account, "role", name)
        if role is not None:
            user_id = f"{role['Role']['RoleId']}:{user_id.partition(':')[2]}"
    return {"UserId": user_id, "Account": caller.account, "Arn": caller.arn}
