"""POST /oauth2/revoke: a refresh token and all that came of it count no more.

Source: RFC 7009; reference, "POST /oauth2/revoke"; attack row O10.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import OAuthError
from scopegate.http.forms import FormError, is_form, parse_form
from scopegate.http.message import Request, Response
from scopegate.jose.verify import TokenError, parse_token
from scopegate.ports import Edge
from scopegate.store.port import StoreUnavailable
from scopegate.userpools import client_auth
from scopegate.userpools.model import AppClient, PoolView, View
from scopegate.userpools.oauth import responses
from scopegate.userpools.signin.model import find_origin_jti
from scopegate.userpools.signin.tokens import revoke_sign_in

METHODS: Final = "POST"


async def answer_revoke(request: Request, pool: PoolView | None, view: View, edge: Edge) -> Response:
    """1 a form; 2 the client, which is 401 here; 3 a token that can be revoked; 4 its sign-in, if this client's.

    What is no token of this client changes nothing and is answered alike.
    """
    request_id = clock.request_uuid()
    if request.method == "OPTIONS":
        return responses.render_preflight(request, METHODS)
    if request.method != METHODS:
        return responses.render_wrong_method(METHODS, request_id)
    try:
        # 1
        form = _read_form(request)
        # 2
        client, pool = _authenticate(request, form, pool, view, edge)
        # 3
        origin_jti = _find_sign_in(form, client, edge)
    except OAuthError as refusal:
        return responses.render_error(refusal, request_id)
    # 4
    assert edge.store is not None
    if origin_jti is not None:
        now, pool_id = clock.now(), pool.pool_id
        try:
            await edge.store.write(lambda tx: revoke_sign_in(tx, origin_jti, pool_id, client.client_id, now))
        except StoreUnavailable:
            return responses.render_error(OAuthError("temporarily_unavailable", status=503), request_id)
    return responses.render_json(200, b"", request_id)


def _read_form(request: Request) -> Mapping[str, str]:
    types = request.all(b"content-type")
    if len(types) != 1 or not is_form(types[0]):
        raise OAuthError("invalid_request", log="the body is not a form")
    try:
        form = parse_form(request.body)
    except FormError as error:
        raise OAuthError("invalid_request", log=str(error)) from None
    if not form.get("token"):
        raise OAuthError("invalid_request", log="token is missing")
    return form


def _authenticate(
    request: Request, form: Mapping[str, str], pool: PoolView | None, view: View, edge: Edge
) -> tuple[AppClient, PoolView]:
    try:
        credentials = client_auth.read_credentials(request.all(b"authorization"), form)
        found = view.find_client(credentials.client_id, pool)
        if found is not None:
            address, settings, rates = request.peer[0], edge.settings, edge.ports.rates
            client_auth.authenticate(*found, credentials, address=address, settings=settings, rates=rates)
            return found
        log = "no app client here has this id"
    except OAuthError as refusal:
        if refusal.code != "invalid_client":
            raise
        log = refusal.log
    raise OAuthError("invalid_client", status=401, log=log)


def _find_sign_in(form: Mapping[str, str], client: AppClient, edge: Edge) -> str | None:
    if not client.sign_in.revocable:
        raise OAuthError("invalid_request", log="revocation is off for this client")
    try:
        parse_token(form["token"])
    except TokenError:
        pass
    else:
        raise OAuthError("unsupported_token_type", log="an access or ID token")
    assert edge.seal is not None
    return find_origin_jti(edge.seal, form["token"])
