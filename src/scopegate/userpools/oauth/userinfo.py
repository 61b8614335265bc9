"""GET /oauth2/userInfo: what an access token may know of its user.

Source: OpenID Connect Core section 5.3; reference, "GET /oauth2/userInfo".
"""

from typing import Final

import orjson
import structlog

from scopegate.base import clock
from scopegate.base.errors import OAuthError
from scopegate.http.message import Request, Response
from scopegate.ports import Edge
from scopegate.store.port import StoreUnavailable
from scopegate.userpools.claims import attributes_of_scopes
from scopegate.userpools.model import PoolView, View
from scopegate.userpools.oauth import responses
from scopegate.userpools.signin.bearer import BearerRefused, read_access_token
from scopegate.userpools.users import queries

METHODS: Final = "GET, POST"

_BAD: Final = OAuthError("invalid_request", "Bad OAuth2 request at UserInfo Endpoint")
_INVALID: Final = OAuthError(
    "invalid_token",
    "Access token is expired, disabled, or deleted, or the user has globally signed out.",
    status=401,
)

log = structlog.get_logger()


async def answer_userinfo(request: Request, pool: PoolView | None, view: View, edge: Edge) -> Response:
    """1 a bearer token, alone; 2 of this pool, with `openid`; 3 its user is there; 4 attributes by scope, as text."""
    request_id = clock.request_uuid()
    if request.method == "OPTIONS":
        return responses.render_preflight(request, METHODS)
    if request.method not in ("GET", "POST"):
        return responses.render_wrong_method(METHODS, request_id)
    # 1
    values = request.all(b"authorization")
    scheme, _, token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        return _refuse(_BAD, request_id)
    # 2
    try:
        bearer = read_access_token(token.decode("ascii"), view, edge.verifier, clock.now())
    except BearerRefused as refused:
        log.info("userinfo.refused", why=refused.kind, request_id=request_id)
        return _refuse(_INVALID, request_id)
    if (pool is not None and pool.pool_id != bearer.pool.pool_id) or "openid" not in bearer.scopes:
        log.info("userinfo.refused", why="another pool's token, or one without openid", request_id=request_id)
        return _refuse(_INVALID, request_id)
    # 3
    assert edge.store is not None
    assert edge.seal is not None
    seal = edge.seal
    try:
        user = await edge.store.read(lambda tx: queries.find_user_by_sub(tx, seal, bearer.pool.pool_id, bearer.sub))
    except StoreUnavailable:
        return responses.render_error(OAuthError("temporarily_unavailable", status=503), request_id)
    if user is None or not user.enabled:
        return _refuse(_INVALID, request_id)
    # 4
    shown = attributes_of_scopes(user, bearer.client, sorted(bearer.scopes))
    members = {"sub": user.sub, **shown, "username": user.username}
    return responses.render_json(200, orjson.dumps(members), request_id)


def _refuse(refusal: OAuthError, request_id: str) -> Response:
    response = responses.render_error(refusal, request_id)
    challenge = f'error="{refusal.code}", error_description="{refusal.description}"'
    response.headers.append((b"WWW-Authenticate", challenge.encode("ascii")))
    return response
