"""Access keys of users. Operators' keys are not among them: those are made and revoked by `scopegate keys`.

Source: IAM API reference.
"""

from scopegate.account import queries
from scopegate.account.model import KeyRow, key_context, new_access_key_id, new_secret
from scopegate.account.operations.iam.owners import USER
from scopegate.account.operations.iam.paging import read_page
from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document


def create_access_key(call: Call, request: Shape) -> Shape:
    """CreateAccessKey. The secret is never shown again."""
    user = _user(call, request)
    if len(queries.list_keys_of_user(call.tx, user["UserId"])) >= limit("account.iam.keys_per_user"):
        raise AwsError("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    access_key_id, secret = new_access_key_id(), new_secret()
    row = KeyRow(access_key_id, call.account, user["UserName"], "Active", call.now, user["UserId"])
    queries.insert_key(call.tx, row, call.seal.seal(secret, key_context(access_key_id)))
    return {"AccessKey": {**_rendered(row), "SecretAccessKey": secret.decode("ascii")}}


def list_access_keys(call: Call, request: Shape) -> Shape:
    """ListAccessKeys."""
    rows = queries.list_keys_of_user(call.tx, _user(call, request)["UserId"])
    found = [_rendered(row) for row in sorted(rows, key=lambda row: row.access_key_id)]
    page, paging = read_page(request, found, lambda key: key["AccessKeyId"])
    return {"AccessKeyMetadata": page, **paging}


def update_access_key(call: Call, request: Shape) -> Shape:
    """UpdateAccessKey: active or not."""
    row = _key(call, request)
    queries.set_key_status(call.tx, row.access_key_id, request["Status"])
    return {}


def delete_access_key(call: Call, request: Shape) -> Shape:
    """DeleteAccessKey."""
    queries.delete_key(call.tx, _key(call, request).access_key_id)
    return {}


def _user(call: Call, request: Shape) -> Document:
    """Whom a request names; without a name, who calls."""
    name = request.get("UserName", call.caller.user)
    if name is None:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    user: Document = USER.get(call, {"UserName": name})["User"]
    return user


def _key(call: Call, request: Shape) -> KeyRow:
    rows = queries.list_keys_of_user(call.tx, _user(call, request)["UserId"])
    row = next((row for row in rows if row.access_key_id == request["AccessKeyId"]), None)
    if row is None:
        raise AwsError("NoSuchEntity", f"The Access Key with id {request['AccessKeyId']} cannot be found.")
    return row


def _rendered(row: KeyRow) -> Shape:
    return {
        "UserName": row.user_name,
        "AccessKeyId": row.access_key_id,
        "Status": row.status,
        "CreateDate": row.created_at,
    }
