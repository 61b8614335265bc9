"""User pools: create, describe, update, delete, list.

Source: reference, "User pools".
"""

import asyncio
import re
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.limits import limit
from scopegate.jose.keys import NewKey
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.userpools import queries
from scopegate.userpools.deletion import delete_left_users
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool, moment
from scopegate.userpools.operations.cognito_idp.mfa import has_factor
from scopegate.userpools.operations.cognito_idp.paging import read_page
from scopegate.userpools.operations.cognito_idp.pool_settings import ORDER, render_settings
from scopegate.userpools.operations.cognito_idp.schema import render_schema
from scopegate.userpools.users import queries as users

CUSTOM_ID_TAG: Final = "_custom_id_"
"""The tag that names the id of a new pool, by LocalStack's convention."""

_LIST_SIZE: Final = 60
_CREATE_ONLY: Final = ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
_KEPT: Final = ("Id", "Name", "Arn", "CreationDate", "SchemaAttributes", "MfaConfig", "UICustomization", *_CREATE_ONLY)


async def create_user_pool(call: Call, request: Shape) -> Shape:
    """CreateUserPool. The pool and its two signing keys, one for access and one for ID tokens, come in one write."""
    keys = {use: await asyncio.to_thread(call.ports.take_key) for use in ("access", "id")}
    return await call.write(lambda tx: {"UserPool": _insert_pool(call, tx, request, keys)})


def _insert_pool(call: Call, tx: Tx, request: Shape, keys: dict[str, NewKey]) -> Shape:
    if call.settings.aws_quotas and queries.count_pools(tx, call.account, call.region) >= limit("userpools.pools"):
        raise refusals.too_many_pools()
    if request.get("AliasAttributes") and request.get("UsernameAttributes"):
        raise refusals.invalid("Only one of the aliasAttributes or usernameAttributes can be set in a user pool.")
    now = moment(call)
    pool_id = _choose_id(call, tx, request.get("UserPoolTags", {}))
    pool: Document = {
        "Id": pool_id,
        "Name": request["PoolName"],
        "LastModifiedDate": now,
        "CreationDate": now,
        "SchemaAttributes": render_schema(request.get("Schema", ())),
        "Arn": names.user_pool_arn(call.region, call.account, pool_id),
        **{member: request[member] for member in _CREATE_ONLY if request.get(member)},
        **render_settings(request),
    }
    queries.put_pool(tx, call.account, call.region, pool_id, pool)
    for use, key in keys.items():
        sealed = call.seal.seal(key.private_key, queries.key_context(pool_id, key.kid))
        queries.add_key(tx, pool_id, key.kid, use, call.now, sealed)
    # As recorded: DescribeUserPool shows an empty map of tags, this answer none.
    return {member: value for member, value in render_pool(tx, pool).items() if value or member != "UserPoolTags"}


def _choose_id(call: Call, tx: Tx, tags: dict[str, str]) -> str:
    """The id that the tag `_custom_id_` names, else a new one."""
    pinned = tags.get(CUSTOM_ID_TAG)
    if pinned is None:
        return names.new_user_pool_id(call.region)
    if len(pinned) > limit("userpools.pool_id_characters") or not re.fullmatch(
        re.escape(call.region) + "_[0-9a-zA-Z]+", pinned
    ):
        raise refusals.invalid(f"The tag {CUSTOM_ID_TAG} must name a user pool id of this region: {call.region}_...")
    if queries.pool_id_is_taken(tx, pinned):
        raise refusals.invalid(f"The tag {CUSTOM_ID_TAG} names a user pool that exists already.")
    return pinned


def render_pool(tx: Tx, pool: Document) -> Shape:
    """UserPoolType of a stored pool, with what is counted or looked up, in AWS's order."""
    shown: dict[str, Any] = pool | {"EstimatedNumberOfUsers": users.count_users(tx, pool["Id"])}
    for domain, document in queries.list_domains(tx, pool["Id"]):
        shown["CustomDomain" if "CustomDomainConfig" in document else "Domain"] = domain
    return {member: shown[member] for member in ORDER if member in shown}


def describe_user_pool(call: Call, request: Shape) -> Shape:
    """DescribeUserPool."""
    return {"UserPool": render_pool(call.tx, get_pool(call, request["UserPoolId"]))}


def update_user_pool(call: Call, request: Shape) -> Shape:
    """UpdateUserPool: what the request leaves out goes back to its default; the name stays, and what
    `render_settings` says."""
    pool = get_pool(call, request["UserPoolId"])
    changed: Document = {
        **{member: pool[member] for member in _KEPT if member in pool},
        **({"Name": request["PoolName"]} if "PoolName" in request else {}),
        "LastModifiedDate": moment(call),
        **render_settings(request, pool, mfa_has_a_factor=has_factor(pool)),
    }
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], changed)
    return {}


async def delete_user_pool(call: Call, request: Shape) -> Shape:
    """DeleteUserPool, with all that is in it; refused while it is protected or has a domain. It is gone at once, though
    many users take their time."""
    if await call.write(lambda tx: _delete_pool(call, tx, request["UserPoolId"])):
        call.ports.beside(delete_left_users(call.store))
    return {}


def _delete_pool(call: Call, tx: Tx, pool_id: str) -> bool:
    """Whether users are left to be deleted."""
    pool = get_pool(call, pool_id, tx)
    if pool["DeletionProtection"] == "ACTIVE":
        raise refusals.pool_is_protected()
    if queries.list_domains(tx, pool_id):
        raise refusals.pool_has_domain()
    queries.delete_pool(tx, pool_id)
    return queries.pool_id_is_taken(tx, pool_id)


def list_user_pools(call: Call, request: Shape) -> Shape:
    """ListUserPools of the caller's account and region."""

    def rows(*, after: str | None, size: int | None) -> Any:
        return queries.list_pools(call.tx, call.account, call.region, after=after, size=size)

    def show(pool: Document) -> Shape:
        return {member: pool[member] for member in ("Id", "Name", "LambdaConfig", "LastModifiedDate", "CreationDate")}

    return read_page(call, request, rows, member="UserPools", of="user_pools", default=_LIST_SIZE, show=show)
