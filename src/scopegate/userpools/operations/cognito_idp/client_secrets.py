"""The secrets of an app client: made, kept sealed, rotated. Two may live at once, so that clients can move over.

Source: reference, "Client secret rotation".
"""

import string
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_client, get_pool, moment
from scopegate.userpools.queries import SecretRow

_SECRET_LENGTH: Final = 52  # of 36 characters: 268 bits
_SECRET_ALPHABET: Final = string.ascii_lowercase + string.digits


def new_secret() -> str:
    return clock.new_id(_SECRET_LENGTH, _SECRET_ALPHABET)


def keep_secret(call: Call, client_id: str, secret: str) -> SecretRow:
    """Store a secret of a client, sealed. Its id is `<client id>--<epoch>`, one second on when that is taken."""
    taken = {row.secret_id for row in queries.list_secrets(call.tx, client_id)}
    epoch = int(call.now)
    while (secret_id := f"{client_id}--{epoch}") in taken:
        epoch += 1
    sealed = call.seal.seal(secret.encode(), queries.secret_context(client_id, secret_id))
    row = SecretRow(client_id, secret_id, moment(call), sealed)
    queries.add_secret(call.tx, row.client_id, row.secret_id, row.created_at, row.secret)
    return row


def open_secret(call: Call, row: SecretRow) -> str:
    return call.seal.open(row.secret, queries.secret_context(row.client_id, row.secret_id)).decode()


def _render_secret(row: SecretRow) -> Shape:
    return {"ClientSecretId": row.secret_id, "ClientSecretCreateDate": row.created_at}


def _find_client_id(call: Call, request: Shape) -> str:
    """The id of the client that a request names. Raises ResourceNotFoundException."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    return str(get_client(call, pool_id, request["ClientId"])["ClientId"])


def add_user_pool_client_secret(call: Call, request: Shape) -> Shape:
    """AddUserPoolClientSecret: the second one; its value is shown when it was made here, and only now."""
    client_id = _find_client_id(call, request)
    live = queries.list_secrets(call.tx, client_id)
    if not live:
        raise refusals.invalid(f"User pool client {client_id} does not have a client secret.")
    if len(live) >= limit("userpools.client_secrets"):
        raise refusals.limit_exceeded(f"User pool client {client_id} has the maximum number of client secrets.")
    given = request.get("ClientSecret")
    secret = new_secret() if given is None else given
    descriptor = _render_secret(keep_secret(call, client_id, secret))
    if given is None:
        descriptor["ClientSecretValue"] = secret
    return {"ClientSecretDescriptor": descriptor}


def list_user_pool_client_secrets(call: Call, request: Shape) -> Shape:
    """ListUserPoolClientSecrets: ids and dates, never values; there are at most two, so there is no second page."""
    client_id = _find_client_id(call, request)
    if "NextToken" in request:
        raise refusals.bad_next_token()
    return {"ClientSecrets": [_render_secret(row) for row in queries.list_secrets(call.tx, client_id)]}


def delete_user_pool_client_secret(call: Call, request: Shape) -> Shape:
    """DeleteUserPoolClientSecret: never the last one."""
    client_id, secret_id = _find_client_id(call, request), request["ClientSecretId"]
    live = queries.list_secrets(call.tx, client_id)
    if secret_id not in {row.secret_id for row in live}:
        raise refusals.not_found(f"Client secret {secret_id} does not exist.")
    if len(live) == 1:
        raise refusals.invalid("The last client secret of an app client cannot be deleted.")
    queries.delete_secret(call.tx, client_id, secret_id)
    return {}
