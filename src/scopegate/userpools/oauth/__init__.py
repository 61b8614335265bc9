"""The OAuth host of user pools: which endpoint, and which page, answers a path."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import structlog

from scopegate.base import clock
from scopegate.base.errors import OAuthError
from scopegate.http.message import Request, Response
from scopegate.ports import Edge
from scopegate.store.port import StoreUnavailable
from scopegate.userpools.model import PoolView, View
from scopegate.userpools.oauth import responses
from scopegate.userpools.oauth.authorization import NoRedirect, Redirected
from scopegate.userpools.oauth.authorize import answer_authorize
from scopegate.userpools.oauth.error import answer_error
from scopegate.userpools.oauth.forgot_password import answer_confirm_forgot, answer_forgot
from scopegate.userpools.oauth.login import answer_login
from scopegate.userpools.oauth.logout import answer_logout
from scopegate.userpools.oauth.revoke import answer_revoke
from scopegate.userpools.oauth.sign_up import answer_confirm, answer_sign_up
from scopegate.userpools.oauth.token import answer_token
from scopegate.userpools.oauth.userinfo import answer_userinfo
from scopegate.userpools.oauth.visit import StaleForm, Visit, begin
from scopegate.userpools.pages.branding import EVERY_CLIENT, client_of_asset, find_look_asset
from scopegate.userpools.pages.render import Asset, find_asset

Answer = Response | Awaitable[Response]
Endpoint = Callable[[Request, PoolView | None, View, Edge], Answer]

ROUTES: Final[Mapping[str, Endpoint]] = {
    "/oauth2/revoke": answer_revoke,
    "/oauth2/token": answer_token,
    "/oauth2/userInfo": answer_userinfo,
}


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser comes to. To look at the head is as to look at the page, but where a look does something."""

    answer: Callable[[Visit], Awaitable[Response]]
    methods: tuple[str, ...] = ("GET", "HEAD", "POST")


PAGES: Final[Mapping[str, Page]] = {
    "/authorize": Page(answer_authorize, ("GET",)),
    "/confirmUser": Page(answer_confirm, ("GET", "POST")),
    "/confirmforgotPassword": Page(answer_confirm_forgot),
    "/error": Page(answer_error, ("GET", "HEAD")),
    "/forgotPassword": Page(answer_forgot),
    "/login": Page(answer_login),
    "/logout": Page(answer_logout, ("GET",)),
    "/oauth2/authorize": Page(answer_authorize, ("GET",)),
    "/signup": Page(answer_sign_up),
}

# Paths that a Cognito domain has and this server has not built yet; what each is for, in the error's words.
_MACHINE_PATHS: Final[Mapping[str, str]] = {
    "/oauth2/register": "Dynamic client registration",
}
_ASSETS: Final = "/login/"

log = structlog.get_logger()


def answer(request: Request, path: str, pool: PoolView | None, view: View, edge: Edge) -> Answer:
    """Answer a request of the OAuth host.

    path: without what named the host or the pool. pool: the one that the URL names, None on a bare host.
    """
    endpoint = ROUTES.get(path)
    if endpoint is not None:
        return endpoint(request, pool, view, edge)
    page = PAGES.get(path)
    if page is not None:
        return _answer_page(page, begin(request, path, pool, view, edge))
    if path in _MACHINE_PATHS:
        text = f"{_MACHINE_PATHS[path]} is not built yet."
        refusal = OAuthError("unsupported_operation", text, status=501)
        return responses.render_error(refusal, clock.request_uuid())
    if path.startswith(_ASSETS) and (asset := _find_asset(path.removeprefix(_ASSETS), pool, view)) is not None:
        return responses.render_asset(asset.content_type, asset.body)
    # Cognito answers 400 where a document of the issuer is asked for, which is at /{pool id}/.well-known/….
    status = 400 if "/.well-known/" in path else 404
    return begin(request, path, pool, view, edge).error_page("invalid_request", status)


def _find_asset(name: str, pool: PoolView | None, view: View) -> Asset | None:
    """A file of all pages, or of a client's own look."""
    client_id = client_of_asset(name)
    if client_id is None:
        return find_asset(name)
    if client_id == EVERY_CLIENT:
        return None if pool is None else find_look_asset(pool.document, EVERY_CLIENT, name)
    found = view.find_client(client_id, pool)
    return find_look_asset(found[1].document, client_id, name) if found is not None else find_asset(name)


async def _answer_page(page: Page, visit: Visit) -> Response:
    if visit.request.method not in page.methods:
        response = visit.error_page("invalid_request", 405)
        response.headers.append((b"Allow", ", ".join(page.methods).encode("ascii")))
        return response
    try:
        return await page.answer(visit)
    except Redirected as refused:
        refusal = refused.refusal
        log.info("authorize.refused", error=refusal.code, why=refusal.log, request_id=visit.request_id)
        return visit.leave(refused.location)
    except NoRedirect as refused:
        log.info("authorize.refused", error=refused.code, why=refused.log, request_id=visit.request_id)
        client = {"client_id": refused.client_id} if refused.client_id else {}
        return visit.leave(f"{visit.base}/error?{urlencode({'error': refused.code, **client})}")
    except StaleForm as stale:
        log.info("page.form_refused", why=str(stale), request_id=visit.request_id)
        return visit.stale_page()
    except StoreUnavailable as error:
        log.warning("store.unavailable", reason=str(error), request_id=visit.request_id)
        return visit.error_page("temporarily_unavailable", 503)
