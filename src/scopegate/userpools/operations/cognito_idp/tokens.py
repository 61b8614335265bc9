"""GetClientToken: a machine's token without a domain, by the JSON API.

Source: reference, "GetClientToken". The client's secret is all that authorises: no account or region is told, the
client id names the pool, as it does at the token endpoint of a bare host.
"""

import asyncio
from collections.abc import Sequence

import structlog

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError, OAuthError
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools import queries, triggers
from scopegate.userpools.compile import read_client_and_pool
from scopegate.userpools.grants.client_credentials import sign_machine_token
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.asking import check_client_secret
from scopegate.userpools.operations.cognito_idp.client_settings import CLIENT_TOKEN_FLOW
from scopegate.userpools.scopes import decide_scopes

log = structlog.get_logger()


async def get_client_token(call: Call, request: Shape) -> Shape:
    """GetClientToken.

    1. the client exists; 2. its secret; 3. its flow; 4. scopes; 5. the token, as a function of the pool changes it.
    """
    # 1
    found = await call.read(lambda tx: _find_client(call, tx, request["ClientId"]))
    if found is None:
        raise refusals.unknown_client(request["ClientId"])
    client, pool = found
    # 2
    check_client_secret(call, client, pool, request["Secret"])
    # 3
    if client.auth_flows != {CLIENT_TOKEN_FLOW}:
        raise refusals.invalid("Auth flow not enabled for this client")
    # 4
    scopes = _decide_scopes(client, pool, request.get("Scopes") or None)
    # 5
    changes = None
    if triggers.has_machine_trigger(pool):
        metadata = request.get("ClientMetadata") or {}
        changes = await triggers.pre_token_of_machine(pool, call.ports.invoke, client.client_id, scopes, metadata)
    granted = await asyncio.to_thread(
        sign_machine_token, pool, client, scopes, issued_at=int(call.now), jti=clock.uuid4(), changes=changes
    )
    log.info("token.issued", client_id=client.client_id, scopes=granted.scopes, request_id=call.request_id)
    return {
        "ClientAuthenticationResult": {
            "AccessToken": granted.access_token.decode("ascii"),
            "ExpiresIn": granted.lifetime_s,
            "TokenType": "Bearer",
        }
    }


def _find_client(call: Call, tx: Tx, client_id: str) -> tuple[AppClient, PoolView] | None:
    owner = queries.find_client_owner(tx, client_id)
    if owner is None:
        return None
    return read_client_and_pool(
        tx, client_id, account=owner.account, region=owner.region, settings=call.settings, seal=call.seal
    )


def _decide_scopes(client: AppClient, pool: PoolView, requested: Sequence[str] | None) -> tuple[str, ...]:
    try:
        return decide_scopes(requested, client, pool.scopes)
    except OAuthError as refusal:
        raise AwsError(
            "NotAuthorizedException", "The client is not authorized for the requested scopes.", log=refusal.log
        ) from None
