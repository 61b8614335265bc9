"""The OAuth host of user pools: which endpoint answers a path."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import OAuthError
from scopegate.http.message import Request, Response
from scopegate.ports import Edge
from scopegate.userpools.model import PoolView, View
from scopegate.userpools.oauth import responses
from scopegate.userpools.oauth.revoke import answer_revoke
from scopegate.userpools.oauth.token import answer_token
from scopegate.userpools.oauth.userinfo import answer_userinfo

Answer = Response | Awaitable[Response]
Endpoint = Callable[[Request, PoolView | None, View, Edge], Answer]

ROUTES: Final[Mapping[str, Endpoint]] = {
    "/oauth2/revoke": answer_revoke,
    "/oauth2/token": answer_token,
    "/oauth2/userInfo": answer_userinfo,
}

# Paths that a Cognito domain has and this server has not built yet; what each is for, in the error's words.
_MACHINE_PATHS: Final[Mapping[str, str]] = {
    "/oauth2/register": "Dynamic client registration",
}
_PAGE_PATHS: Final = frozenset(
    {
        "/authorize",
        "/confirmUser",
        "/confirmforgotPassword",
        "/error",
        "/forgotPassword",
        "/login",
        "/logout",
        "/oauth2/authorize",
        "/oauth2/idpresponse",
        "/saml2/idpresponse",
        "/saml2/logout",
        "/signup",
    }
)


def answer(request: Request, path: str, pool: PoolView | None, view: View, edge: Edge) -> Answer:
    """Answer a request of the OAuth host.

    path: without what named the host or the pool. pool: the one that the URL names, None on a bare host.
    """
    endpoint = ROUTES.get(path)
    if endpoint is not None:
        return endpoint(request, pool, view, edge)
    request_id = clock.request_uuid()
    if path in _MACHINE_PATHS:
        text = (
            f"{_MACHINE_PATHS[path]} is not built yet; this server issues client_credentials tokens at /oauth2/token."
        )
        return responses.render_error(OAuthError("unsupported_operation", text, status=501), request_id)
    if path in _PAGE_PATHS:
        text = "Sign-in pages are not built yet. This server issues client_credentials tokens at /oauth2/token."
        return responses.render_page(501, "Not built yet", text, request_id)
    if path.startswith("/.well-known/"):
        # Cognito answers 400 with a page here: the documents are the issuer's, at /{pool id}/.well-known/….
        text = "An error was encountered with the requested page."
        return responses.render_page(400, "Bad request", text, request_id)
    return responses.render_page(404, "Not found", "There is no such page.", request_id)
