"""App clients: create, describe, update, delete, list.

Source: reference, "App clients".
"""

from collections.abc import Sequence
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.client_secrets import keep_secret, new_secret, open_secret
from scopegate.userpools.operations.cognito_idp.client_settings import ORDER, render_client_settings
from scopegate.userpools.operations.cognito_idp.lookup import get_client, get_pool, moment
from scopegate.userpools.operations.cognito_idp.paging import read_page
from scopegate.userpools.signin import queries as sign_ins

_LIST_SIZE: Final = 60
_KEPT: Final = ("UserPoolId", "ClientName", "ClientId", "CreationDate")


def _pool_scopes(call: Call, pool_id: str) -> frozenset[str]:
    servers = queries.list_resource_servers(call.tx, pool_id)
    return frozenset(
        f"{identifier}/{scope['ScopeName']}" for identifier, server in servers for scope in server["Scopes"]
    )


def _render_client(call: Call, client: Document) -> Shape:
    """UserPoolClientType in AWS's order, with the secret while there is one: of two, neither is shown."""
    secrets = queries.list_secrets(call.tx, client["ClientId"])
    shown = client | ({"ClientSecret": open_secret(call, secrets[0])} if len(secrets) == 1 else {})
    return {member: shown[member] for member in ORDER if member in shown}


def create_user_pool_client(call: Call, request: Shape) -> Shape:
    """CreateUserPoolClient, with a secret when one is asked for or given."""
    pool = get_pool(call, request["UserPoolId"])
    pool_id, secret = pool["Id"], request.get("ClientSecret")
    if secret is not None and request.get("GenerateSecret"):
        raise refusals.invalid("GenerateSecret can not be true when a ClientSecret is specified.")
    if call.settings.aws_quotas and queries.count_clients(call.tx, pool_id) >= limit("userpools.clients"):
        raise refusals.too_many_clients()
    if request.get("GenerateSecret"):
        secret = new_secret()
    settings = render_client_settings(request, pool, _pool_scopes(call, pool_id), has_secret=secret is not None)
    client_id, now = names.new_client_id(), moment(call)
    client: Document = {
        "UserPoolId": pool_id,
        "ClientName": request["ClientName"],
        "ClientId": client_id,
        "LastModifiedDate": now,
        "CreationDate": now,
        **settings,
    }
    queries.put_client(call.tx, pool_id, client_id, client)
    if secret is not None:
        keep_secret(call, client_id, secret)
    return {"UserPoolClient": _render_client(call, client)}


def describe_user_pool_client(call: Call, request: Shape) -> Shape:
    """DescribeUserPoolClient."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    return {"UserPoolClient": _render_client(call, get_client(call, pool_id, request["ClientId"]))}


def update_user_pool_client(call: Call, request: Shape) -> Shape:
    """UpdateUserPoolClient: what the request leaves out goes back to its default; name and secrets stay."""
    pool = get_pool(call, request["UserPoolId"])
    client = get_client(call, pool["Id"], request["ClientId"])
    has_secret = bool(queries.list_secrets(call.tx, client["ClientId"]))
    changed: Document = {
        **{member: client[member] for member in _KEPT},
        **({"ClientName": request["ClientName"]} if "ClientName" in request else {}),
        "LastModifiedDate": moment(call),
        **render_client_settings(request, pool, _pool_scopes(call, pool["Id"]), has_secret=has_secret),
    }
    queries.put_client(call.tx, pool["Id"], client["ClientId"], changed)
    return {"UserPoolClient": _render_client(call, changed)}


def delete_user_pool_client(call: Call, request: Shape) -> Shape:
    """DeleteUserPoolClient, with its secrets and the sign-ins by it."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    client = get_client(call, pool_id, request["ClientId"])
    sign_ins.delete_sign_ins_of_client(call.tx, client["ClientId"])
    queries.delete_client(call.tx, pool_id, client["ClientId"])
    return {}


def list_user_pool_clients(call: Call, request: Shape) -> Shape:
    """ListUserPoolClients. None is of the type DCR: no client registers itself here."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    client_type = request.get("ClientType", "REGULAR")

    def rows(*, after: str | None, size: int | None) -> Sequence[tuple[str, Document]]:
        if client_type != "REGULAR":
            return []
        return queries.list_clients(call.tx, pool_id, after=after, size=size)

    def show(client: Document) -> Shape:
        return {member: client[member] for member in ("ClientId", "UserPoolId", "ClientName")}

    of = f"user_pool_clients/{pool_id}/{client_type}"
    return read_page(call, request, rows, member="UserPoolClients", of=of, default=_LIST_SIZE, show=show)
