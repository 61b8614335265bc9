"""Resource servers and their scopes: create, describe, update, delete, list.

Source: reference, "Resource servers and scopes". A scope that is deleted here stays in the app clients that name it
and is left out of their tokens (`userpools/compile.py`).
"""

from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool
from scopegate.userpools.operations.cognito_idp.paging import read_page

_LIST_SIZE: Final = 50
_RESERVED: Final = "aws.cognito"  # the service's own scopes, with whatever follows a slash


def _get_server(call: Call, pool_id: str, identifier: str) -> Document:
    server = queries.find_resource_server(call.tx, pool_id, identifier)
    if server is None:
        raise refusals.unknown_resource_server(identifier)
    return server


def _render_server(request: Shape) -> Document:
    scopes = request.get("Scopes", [])
    if len({scope["ScopeName"] for scope in scopes}) < len(scopes):
        raise refusals.invalid("Scope names must be unique within a resource server.")
    return {
        "UserPoolId": request["UserPoolId"],
        "Identifier": request["Identifier"],
        "Name": request["Name"],
        "Scopes": scopes,
    }


def create_resource_server(call: Call, request: Shape) -> Shape:
    """CreateResourceServer."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    identifier = request["Identifier"]
    if queries.find_resource_server(call.tx, pool_id, identifier) is not None:
        raise refusals.invalid(f"{identifier} already exists in user pool {pool_id}.")
    if identifier.partition("/")[0] == _RESERVED:
        raise refusals.invalid(f"{identifier} is reserved for Amazon Cognito.")
    too_many = queries.count_resource_servers(call.tx, pool_id) >= limit("userpools.resource_servers")
    if call.settings.aws_quotas and too_many:
        raise refusals.too_many_resource_servers()
    server = _render_server(request)
    queries.put_resource_server(call.tx, pool_id, identifier, server)
    return {"ResourceServer": server}


def describe_resource_server(call: Call, request: Shape) -> Shape:
    """DescribeResourceServer."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    return {"ResourceServer": _get_server(call, pool_id, request["Identifier"])}


def update_resource_server(call: Call, request: Shape) -> Shape:
    """UpdateResourceServer: name and scopes are replaced; without `Scopes` none are left."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    _get_server(call, pool_id, request["Identifier"])
    server = _render_server(request)
    queries.put_resource_server(call.tx, pool_id, request["Identifier"], server)
    return {"ResourceServer": server}


def delete_resource_server(call: Call, request: Shape) -> Shape:
    """DeleteResourceServer. Scopes of clients stay and are dropped when tokens are issued."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    if not queries.delete_resource_server(call.tx, pool_id, request["Identifier"]):
        raise refusals.unknown_resource_server(request["Identifier"])
    return {}


def list_resource_servers(call: Call, request: Shape) -> Shape:
    """ListResourceServers."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]

    def rows(*, after: str | None, size: int | None) -> Any:
        return queries.list_resource_servers(call.tx, pool_id, after=after, size=size)

    of = f"resource_servers/{pool_id}"
    return read_page(call, request, rows, member="ResourceServers", of=of, default=_LIST_SIZE, show=dict)
