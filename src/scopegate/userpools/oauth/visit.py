"""A browser's visit to a page: what it brings, and how it is answered.

Every link, form, cookie and redirect stays below the path by which the user came (`base`), and none is made from the
Host header: they name no host at all. Cookies are `Secure` where this server is reached by https, which its
configuration says.
Source: reference, "/login", cookies; attack rows O8, O18.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.http.forms import FormError, is_form, parse_form
from scopegate.http.message import Header, Request, Response
from scopegate.ports import Edge
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer
from scopegate.userpools.model import AppClient, PoolView, View
from scopegate.userpools.oauth import responses
from scopegate.userpools.oauth.authorization import Authorization, NoRedirect, read_authorization, read_query
from scopegate.userpools.pages.branding import look_of
from scopegate.userpools.pages.render import Look, Scene, Values, render_page
from scopegate.userpools.pages.words import LANGUAGES, choose_language, say
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.model import digest_of, new_secret

SESSION: Final = "cognito"
CSRF: Final = "XSRF-TOKEN"
LANGUAGE: Final = "lang"

# On the bare host users' APIs have paths beside the pages': a cookie goes to the pages that read it and nowhere else.
_READ_BY: Final[Mapping[str, tuple[str, ...]]] = {
    SESSION: ("/authorize", "/login", "/logout", "/oauth2/authorize"),
    CSRF: ("/confirmUser", "/confirmforgotPassword", "/forgotPassword", "/login", "/signup"),
}
_WITHOUT_FORM: Final = "message"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LANGUAGE_LIFETIME_S: Final = 365 * 86_400
_KEPT: Final = "page"
_KEPT_LIFETIME_S: Final = limit("oauth.session_s")
_LONGEST_ADDRESS: Final = limit("http.head_bytes") // 5  # servers in between take 8,000 bytes or so


class StaleForm(Exception):
    """A form that this server did not give to this browser, or that it gave too long ago."""


@dataclass(slots=True)
class Visit:
    """One request for a page. base: what stands before the path of every page, "" or `/{pool id}`; path: after it.

    query: what of it can be read. pool: the one that the URL names; None on a bare host, where the client id finds it.
    """

    request: Request
    base: str
    path: str
    query: Mapping[str, str]
    pool: PoolView | None
    view: View
    edge: Edge
    request_id: str
    cookies: Mapping[str, str]
    language: str
    csrf: str = ""
    client: AppClient | None = None
    authorization: Authorization | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    _set: dict[str, list[bytes]] = field(default_factory=dict)

    # What it brings

    @property
    def is_form(self) -> bool:
        return self.request.method == "POST"

    @property
    def asked(self) -> Authorization:
        """What the application asked for; a page that calls this was given it by `read`."""
        assert self.authorization is not None
        return self.authorization

    @property
    def store(self) -> Store:
        assert self.edge.store is not None
        return self.edge.store

    @property
    def seal(self) -> Sealer:
        assert self.edge.seal is not None
        return self.edge.seal

    @property
    def session(self) -> str:
        """The browser's session, "" without one."""
        value = self.cookies.get(SESSION, "")
        return value if _SECRET.fullmatch(value) else ""

    def say(self, key: str, **values: str | int) -> str:
        return say(self.language, key, **values)

    # How it is answered

    def page(self, name: str, *, status: int = 200, path: str = "", **content: Any) -> Response:
        """A page. path: where it can be asked for in another language, "" where it cannot.

        What a form leads to has an address of its own: to load it again, or to come back to it, sends no form again.
        A form that is refused is the page again and no redirect (reference, "/login"); a challenge that has ended leads
        back to the first page.
        """
        is_refused = bool(content.get("error") or content.get("errors"))
        is_same_form = is_refused and not (path and "challenge" in self.form)
        if self.is_form and status == 200 and not is_same_form:
            address = self.link(self.path, **{_KEPT: self._keep([name, path, content])})
            if len(address) <= _LONGEST_ADDRESS:
                return self.leave(address)
        return self._draw(name, status, path, content)

    async def find_kept(self) -> Response | None:
        """The page to which a form of this browser led, when its address is asked for and is not too old.

        Of a challenge as long as it waits: whoever comes later to a browser that others use sees no key of their app.
        """
        try:
            sealed = urlsafe_b64decode(self.query.get(_KEPT, "").encode("ascii"))
            kept_at, language, (name, path, content) = orjson.loads(self.seal.open(sealed, self._kept_context()))
        except ValueError:
            return None
        if clock.now() - kept_at > _KEPT_LIFETIME_S:
            return None
        waiting = content.get("hidden", {}).get("session")
        if waiting and not await self._is_waiting(waiting):
            return None
        self.language = language
        texts = {key: Values(value) if isinstance(value, dict) else value for key, value in content.items()}
        return self._draw(name, 200, path, texts)

    async def _is_waiting(self, session: str) -> bool:
        found = await self.store.read(lambda tx: queries.find_challenge(tx, self.seal, digest_of(session)))
        return found is not None and found.expires_at > clock.now()

    def _keep(self, page: list[Any]) -> str:
        """A page's content, sealed: worth nothing without the cookie of this browser."""
        plain = orjson.dumps([clock.now(), self.language, page])
        return urlsafe_b64encode(self.seal.seal(plain, self._kept_context())).decode("ascii")

    def _kept_context(self) -> str:
        return f"page/{self.asked.client.client_id}/{self.cookies.get(CSRF, '')}"

    def _draw(self, name: str, status: int, path: str, content: Mapping[str, Any]) -> Response:
        asked = self.authorization
        scene = Scene(
            self.base,
            self.language,
            look=self._look(),
            client_name=self.client.name if self.client else "",
            query=asked.query if asked else "",
            csrf="" if name == _WITHOUT_FORM else self._csrf_token(),
            path=path,
        )
        return self._answered(responses.render_html(status, render_page(name, scene, **content), self.request_id))

    def error_page(self, code: str, status: int = 400) -> Response:
        """The page for what cannot be told to an application."""
        lead, text = self.say("error.lead"), self.say("error.text")
        return self.message(self.say("error.title"), lead, text, status=status, code=code, request_id=self.request_id)

    def message(self, title: str, lead: str, text: str = "", *, status: int = 200, **more: str) -> Response:
        """A page that only says something. more: `link` and `link_text`; `code` and `request_id` of a fault."""
        nothing = {"link": "", "link_text": "", "code": "", "request_id": ""}
        return self.page(_WITHOUT_FORM, status=status, title=title, lead=lead, text=text, **{**nothing, **more})

    def stale_page(self) -> Response:
        """The page for a form that is not to be believed, with the way to a new one."""
        link = self.link("/login") if self.authorization else ""
        text = self.say("continue") if link else ""
        return self.message(self.say("error.title"), self.say("error.stale"), status=403, link=link, link_text=text)

    def link(self, path: str, **more: str) -> str:
        """The address of another page of this host, with the parameters of the request."""
        query = urlencode({**(self.asked.sent if self.authorization else {}), **more})
        return f"{self.base}{path}?{query}" if query else self.base + path

    def go(self, path: str) -> Response:
        """To another page of this host."""
        return self.leave(self.link(path))

    def leave(self, location: str) -> Response:
        """To an address that was checked."""
        return self._answered(responses.render_redirect(location, self.request_id))

    def set_cookie(self, name: str, value: str, max_age_s: int | None = None) -> None:
        """max_age_s: None for as long as the browser runs, 0 to delete it."""
        secure = self.request.tls or self.edge.public_url.startswith("https:")
        whole = "HttpOnly; SameSite=Lax"
        if max_age_s is not None:
            whole += f"; Max-Age={max_age_s}"
        if secure:
            whole += "; Secure"
        is_bare = not self.base and self.pool is None
        paths = _READ_BY.get(name, ("/",)) if is_bare else (self.base or "/",)
        self._set[name] = [f"{name}={value}; Path={path}; {whole}".encode("ascii") for path in paths]

    def _look(self) -> Look:
        if self.client is None:
            return Look()
        return look_of(self.view.pool_by_id[self.client.pool_id].document, self.client.client_id)

    def _csrf_token(self) -> str:
        """What a form must bring back beside the cookie that holds the same."""
        if not self.csrf:
            known = self.cookies.get(CSRF, "")
            self.csrf = known if _SECRET.fullmatch(known) else new_secret()
            if self.csrf != known:
                self.set_cookie(CSRF, self.csrf)
        return self.csrf

    def _answered(self, response: Response) -> Response:
        cookies: list[Header] = [(b"Set-Cookie", cookie) for each in self._set.values() for cookie in each]
        response.headers += cookies
        return response


def begin(request: Request, path: str, pool: PoolView | None, view: View, edge: Edge) -> Visit:
    """A visit, before anything is known of it but its language."""
    cookies = _read_cookies(request)
    query: Mapping[str, str] = {}
    with suppress(NoRedirect):  # whoever reads it says so
        query, _ = read_query(request.query)
    remembered = cookies.get(LANGUAGE)
    language = choose_language(query.get("lang"), remembered)
    # `path` is the end of the request's own, so what stands before it is the way by which the user came.
    base = request.path.decode("latin-1").removesuffix(path)
    visit = Visit(request, base, path, query, pool, view, edge, clock.request_uuid(), cookies, language)
    if query.get("lang") in LANGUAGES and language != remembered:
        visit.set_cookie(LANGUAGE, language, _LANGUAGE_LIFETIME_S)
    return visit


def read_asked(visit: Visit) -> Authorization:
    """What the application asks for. Raises NoRedirect, Redirected."""
    is_strict = visit.edge.settings.strict_oauth
    asked = read_authorization(visit.request.query, visit.pool, visit.view, is_strict=is_strict)
    visit.authorization = asked
    visit.client = asked.client
    return asked


def read_form(visit: Visit) -> None:
    """Read a form that this server gave to this browser. Raises StaleForm.

    A page of another site can post here, but it can neither read nor set the cookie, and a browser says where the form
    came from (attack O8).
    """
    request = visit.request
    types = request.all(b"content-type")
    if len(types) != 1 or not is_form(types[0]):
        raise StaleForm("the body is not a form")
    try:
        form = parse_form(request.body)
    except FormError as error:
        raise StaleForm(f"the form cannot be read: {error}") from None
    site = request.find(b"sec-fetch-site")
    if site not in (None, b"same-origin", b"none"):
        raise StaleForm("the form came from another site")
    token, cookie = form.get("_csrf", ""), visit.cookies.get(CSRF, "")
    if not _SECRET.fullmatch(cookie) or not hmac.compare_digest(token.encode(), cookie.encode()):
        raise StaleForm("_csrf is not the cookie's")
    visit.form = form


def _read_cookies(request: Request) -> dict[str, str]:
    """Name → value; of one that comes twice, the first, which has the longest path (RFC 6265 section 5.4)."""
    cookies: dict[str, str] = {}
    for header in request.all(b"cookie"):
        for pair in header.decode("latin-1").split(";"):
            name, mark, value = pair.strip().partition("=")
            if mark:
                cookies.setdefault(name, value)
    return cookies
