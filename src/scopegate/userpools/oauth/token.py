"""← A token request: form, grant, client, token, record. For machines it touches no store.

Source: RFC 6749 section 3.2; reference, POST /oauth2/token; attack rows O11, O13, O14, O15, O18, O20, O24, H7.
"""

from collections.abc import Awaitable, Mapping
from typing import Final

import orjson
import structlog

from scopegate.base import clock
from scopegate.base.errors import OAuthError
from scopegate.http.forms import FormError, is_form, parse_form
from scopegate.http.message import Request, Response
from scopegate.observe.record import Record
from scopegate.ports import Edge
from scopegate.store.port import StoreUnavailable
from scopegate.userpools import client_auth
from scopegate.userpools.grants import GRANTS, Grant, Granted, GrantRequest
from scopegate.userpools.model import AppClient, PoolView, View
from scopegate.userpools.oauth import responses

METHODS: Final = "POST"

log = structlog.get_logger()

_PARAMETERS: Final = frozenset({"grant_type", "client_id", "client_secret"}).union(
    *(grant.parameters for grant in GRANTS.values())
)


def answer_token(request: Request, pool: PoolView | None, view: View, edge: Edge) -> Response | Awaitable[Response]:
    """Answer POST /oauth2/token.

    pool: the one that the URL names; None on a bare host, where the client id finds it.
    1. method; 2. form; 3. grant; 4. client; 5. what the grant gives, flow and scopes decided; 6. answer.
    """
    # 1
    if request.method == "OPTIONS":
        return responses.render_preflight(request, METHODS)
    now = clock.now()
    record = Record(
        "token",
        clock.request_uuid(),
        now,
        request.method,
        request.path.decode("latin-1"),
        request.received_ns or clock.monotonic_ns(),
    )
    try:
        _check_method(request)
        # 2
        form = _read_form(request)
        # 3
        grant = _choose_grant(form, record)
        # 4
        client, pool = _authenticate(request, form, pool, view, edge, record)
        # 5
        record.jti = clock.uuid4()
        granted = grant.issue(GrantRequest(form, client, pool, int(now), record.jti, edge))
    except OAuthError as refusal:
        return _refuse(refusal, record, edge)
    # 6
    if isinstance(granted, Granted):
        return _hand_out(granted, record, edge)
    return _hand_out_later(granted, record, edge)


async def _hand_out_later(granting: Awaitable[Granted], record: Record, edge: Edge) -> Response:
    """What a grant gives that asks the store or a function first."""
    try:
        granted = await granting
    except OAuthError as refusal:
        return _refuse(refusal, record, edge)
    except StoreUnavailable as error:
        log.warning("store.unavailable", reason=str(error), request_id=record.request_id)
        unavailable = OAuthError("temporarily_unavailable", status=503, log="the database cannot be reached")
        return _refuse(unavailable, record, edge)
    return _hand_out(granted, record, edge)


def _check_method(request: Request) -> None:
    if request.method != METHODS:
        raise OAuthError("invalid_request", status=405, log="the token endpoint takes POST only")


def _read_form(request: Request) -> Mapping[str, str]:
    """The body's fields, each once. Parameters of this endpoint in the query are refused: queries end up in logs."""
    types = request.all(b"content-type")
    if len(types) != 1 or not is_form(types[0]):
        raise OAuthError("invalid_request", log="the body is not application/x-www-form-urlencoded")
    try:
        form = parse_form(request.body)
        query = parse_form(request.query) if request.query else {}
    except FormError as error:
        raise OAuthError("invalid_request", log=f"the form cannot be read: {error}") from None
    if "client_secret" in query:
        raise OAuthError("invalid_client", log="a secret in the query")
    if not _PARAMETERS.isdisjoint(query):
        raise OAuthError("invalid_request", log="parameters in the query")
    return form


def _choose_grant(form: Mapping[str, str], record: Record) -> Grant:
    grant_type = form.get("grant_type")
    if not grant_type:
        raise OAuthError("invalid_request", log="grant_type is missing")
    grant = GRANTS.get(grant_type)
    if grant is None:
        raise OAuthError("unsupported_grant_type", log="no such grant")
    record.facts["grantType"] = grant_type
    if (scope := form.get("scope")) is not None:
        record.wanted = tuple(scope[:_SHOWN_SCOPE].split(" "))
    return grant


_SHOWN_SCOPE: Final = 1_024


def _authenticate(
    request: Request, form: Mapping[str, str], pool: PoolView | None, view: View, edge: Edge, record: Record
) -> tuple[AppClient, PoolView]:
    """Which client asks: cheap refusals first, then its secret. Raises OAuthError("invalid_client")."""
    credentials = client_auth.read_credentials(request.all(b"authorization"), form)
    record.facts["clientAuthentication"] = credentials.method
    found = view.find_client(credentials.client_id, pool)
    if found is None:
        # Not whole: what stands there may be a secret in the wrong field.
        asked = credentials.client_id
        record.facts["clientIdAsked"] = f"{asked[:4]}… ({len(asked)} characters)"
        raise OAuthError("invalid_client", log="no app client here has this id")
    client, pool = found
    record.client_id = client.client_id
    record.facts["userPoolId"] = pool.pool_id
    client_auth.authenticate(
        client, pool, credentials, address=request.peer[0], settings=edge.settings, rates=edge.ports.rates
    )
    return client, pool


def _refuse(refusal: OAuthError, record: Record, edge: Edge) -> Response:
    record.decision, record.status, record.reason = "DENY", refusal.status, refusal.log or refusal.code
    record.jti = ""
    record.facts["error"] = refusal.code
    edge.ring.add(record)
    if refusal.status == 405:
        return responses.render_wrong_method(METHODS, record.request_id)
    return responses.render_error(refusal, record.request_id)


def _hand_out(granted: Granted, record: Record, edge: Edge) -> Response:
    record.decision, record.status, record.held = "ALLOW", 200, granted.scopes
    record.reason = "the client authenticated and may use the grant"
    record.times[2] = clock.monotonic_ns()
    edge.ring.add(record)
    # Written by hand: the token is base64url, so nothing in it needs escaping, and it is not copied through a parser.
    body = b'{"access_token":"%b","expires_in":%d,"token_type":"Bearer"}' % (granted.access_token, granted.lifetime_s)
    if granted.refresh_token or granted.id_token:
        body = orjson.dumps(
            {
                **({"id_token": granted.id_token.decode("ascii")} if granted.id_token else {}),
                "access_token": granted.access_token.decode("ascii"),
                **({"refresh_token": granted.refresh_token} if granted.refresh_token else {}),
                "expires_in": granted.lifetime_s,
                "token_type": "Bearer",
            }
        )
    return responses.render_json(200, body, record.request_id, responses.SUCCESS_TYPE)
