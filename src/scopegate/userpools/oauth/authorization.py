"""What an application asks of the pages: the parameters of GET /oauth2/authorize, read and checked.

Every page of a sign-in brings them along and has them checked again. What is wrong before the redirect URI is known to
be the client's ends on this server's own error page; nothing is ever redirected to a URI that is not registered.
Source: RFC 6749 sections 3.1, 4.1.1 and 4.2.1; RFC 7636 section 4.3; RFC 8707 section 2; OpenID Connect Core section
3.1.2.1; reference, GET /oauth2/authorize; attack rows O1, O2, O6, O11, O12.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from scopegate.base.errors import OAuthError
from scopegate.base.limits import limit
from scopegate.http.forms import FormError, parse_form
from scopegate.userpools.model import STANDARD_SCOPES, AppClient, PoolView, View
from scopegate.userpools.scopes import ABOUT_USERS, keep_grantable, parse_scope

PARAMETERS: Final = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "identity_provider",
    "idp_identifier",
    "login_hint",
    "prompt",
    "resource",
    "acr_values",
    "max_age",
)
"""What goes along from page to page; `lang` is remembered in a cookie, anything else is dropped."""

# response_type → the grant that it is of, by which the client's right to it is known.
_GRANT_OF_TYPE: Final[Mapping[str, str]] = {"code": "authorization_code", "token": "implicit"}
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url
_MAX_AGE: Final = re.compile(r"[0-9]{1,9}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_SCOPES: Final = limit("userpools.client_scopes")


class NoRedirect(Exception):
    """A request that must not be answered to the application: an error page is shown. code: what the page says."""

    def __init__(self, code: str, log: str, client_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.log = log
        self.client_id = client_id


class Redirected(Exception):
    """A request that is answered to the application with an error. location: its redirect URI with the error."""

    def __init__(self, location: str, refusal: OAuthError) -> None:
        super().__init__(refusal.code)
        self.location = location
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Answering:
    """Where an answer goes: a registered redirect URI, and how. issuer: who says that it answers, "" as Cognito."""

    redirect_uri: str
    in_fragment: bool
    state: str | None
    issuer: str = ""

    def locate(self, members: Mapping[str, str]) -> str:
        """The redirect URI with the members of an answer, `state` among them as it was sent."""
        members = dict(members) if self.state is None else {**members, "state": self.state}
        if self.issuer:
            members["iss"] = self.issuer
        # The registered URI as it is, its own query included (RFC 6749 section 3.1.2); no character of it can end a
        # header line.
        uri = "".join(character if "!" <= character <= "~" else quote(character) for character in self.redirect_uri)
        mark = "#" if self.in_fragment else "&" if "?" in uri else "?"
        return f"{uri}{mark}{urlencode(members)}" if members else uri

    def refuse(self, code: str, description: str | None = None, *, log: str = "") -> Redirected:
        members = {"error": code} if description is None else {"error_description": description, "error": code}
        return Redirected(self.locate(members), OAuthError(code, description, log=log or description or code))


@dataclass(frozen=True, slots=True)
class Authorization:
    """A request that may go on: who asks, for what, and where the answer goes.

    sent: the known parameters, as they came. scopes: what will be granted. max_age_s: how long ago the user may have
    signed in, None for any time. resource: the access token's `aud`, "" without one.
    """

    client: AppClient
    pool: PoolView
    answering: Answering
    sent: Mapping[str, str]
    response_type: str
    scopes: tuple[str, ...]
    prompts: frozenset[str]
    code_challenge: str = ""
    nonce: str = ""
    resource: str = ""
    max_age_s: int | None = None

    @property
    def query(self) -> str:
        """The parameters once more, for the next page."""
        return urlencode(self.sent)


def read_query(raw: bytes | None) -> tuple[dict[str, str], frozenset[str]]:
    """The parameters of a page, and which of them came more than once. Raises NoRedirect: it cannot be read at all."""
    try:
        return parse_form(raw or b""), frozenset()
    except FormError:
        pass
    found: dict[str, str] = {}
    repeated = set()
    for pair in (raw or b"").split(b"&")[: limit("http.form_fields")]:
        try:
            for name, value in parse_form(pair).items():
                if name in found:
                    repeated.add(name)
                found.setdefault(name, value)
        except FormError as error:
            raise NoRedirect("invalid_request", f"the query cannot be read: {error}") from None
    return found, frozenset(repeated)


def find_client(query: Mapping[str, str], repeated: frozenset[str], pool: PoolView | None, view: View) -> AppClient:
    """The app client that a page is for. pool: the one that the URL names, None on a bare host. Raises NoRedirect."""
    client_id = query.get("client_id", "")
    if not client_id or "client_id" in repeated:
        raise NoRedirect("invalid_request", "client_id is missing or comes twice")
    found = view.find_client(client_id, pool)
    if found is None:
        raise NoRedirect("invalid_request", "no app client here has this id")
    return found[0]


def read_authorization(
    raw_query: bytes | None, pool: PoolView | None, view: View, *, is_strict: bool = False
) -> Authorization:
    """Read and check a request of authorize, or of a page that it leads to.

    1 the client, which may use some flow; 2 a redirect URI of its own; from here on faults are told to it; 3 nothing
    comes twice; 4 a response type, which the client may use; 5 PKCE; 6 scopes; 7 resource; 8 prompt and max_age; 9 a
    provider that is there. What 8 and 9 read and has no value is as if it were not sent (RFC 6749 section 3.1).
    is_strict: by the rules that Cognito does not have. Raises NoRedirect, Redirected.
    """
    query, repeated = read_query(raw_query)
    # 1
    client = find_client(query, repeated, pool, view)
    pool = view.pool_by_id[client.pool_id]
    if client.grant_types.isdisjoint(_GRANT_OF_TYPE.values()) and "client_credentials" not in client.grant_types:
        raise NoRedirect("invalid_request", "the client may use no flow", client.client_id)
    # 2
    answering = _find_answering(query, repeated, client)
    if is_strict:
        answering = replace(answering, issuer=pool.issuer)
    # 3
    if repeated & {*PARAMETERS, "lang"}:
        raise answering.refuse("invalid_request", "a parameter comes twice")
    # 4
    response_type = query.get("response_type", "")
    grant = _GRANT_OF_TYPE.get(response_type)
    if grant is None:
        raise answering.refuse("invalid_request", "response_type must be code or token")
    if grant not in client.grant_types:
        raise answering.refuse("unauthorized_client", log=f"the client may not use {grant}")
    if is_strict:
        _check_strictly(query, client, pool, answering)
    return Authorization(
        client=client,
        pool=pool,
        answering=answering,
        sent={name: query[name] for name in PARAMETERS if name in query},
        response_type=response_type,
        code_challenge=_read_challenge(query, answering),  # 5
        scopes=_decide_scopes(query.get("scope"), client, pool, answering),  # 6
        resource=_read_resource(query.get("resource"), answering),  # 7
        prompts=_read_prompts(query.get("prompt", ""), answering),  # 8
        max_age_s=_read_max_age(query.get("max_age"), answering),
        nonce=_read_provider_and_nonce(query, answering),  # 9
    )


def _check_strictly(query: Mapping[str, str], client: AppClient, pool: PoolView, answering: Answering) -> None:
    """RFC 9700 section 2.1.1: PKCE of public clients; RFC 8707 section 2: a resource that is there."""
    if client.is_public and query["response_type"] == "code" and "code_challenge" not in query:
        raise answering.refuse("invalid_request", "code_challenge is required")
    resource = query.get("resource")
    if resource is not None and resource not in {scope.rpartition("/")[0] for scope in pool.scopes}:
        raise answering.refuse("invalid_target", "There is no such resource.")


def _find_answering(query: Mapping[str, str], repeated: frozenset[str], client: AppClient) -> Answering:
    """Byte for byte one of the registered URIs; no scheme, host or port is ever compared by itself."""
    redirect_uri = query.get("redirect_uri", client.sign_in.default_redirect_uri)
    if not redirect_uri or "redirect_uri" in repeated:
        raise NoRedirect("invalid_request", "redirect_uri is missing or comes twice", client.client_id)
    if redirect_uri not in client.sign_in.callback_urls:
        raise NoRedirect("redirect_mismatch", "redirect_uri is not registered", client.client_id)
    state = None if "state" in repeated else query.get("state")
    return Answering(redirect_uri, query.get("response_type") == "token", state)


def _read_challenge(query: Mapping[str, str], answering: Answering) -> str:
    challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
    if challenge is None and method is None:
        return ""
    if challenge is None:
        raise answering.refuse("invalid_request", "code_challenge_method without code_challenge")
    if method is None:
        raise answering.refuse("invalid_request", "code_challenge without code_challenge_method")
    if method != "S256":
        raise answering.refuse("invalid_request", "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise answering.refuse("invalid_request", "code_challenge is not a SHA-256 digest in base64url")
    return challenge


def _decide_scopes(text: str | None, client: AppClient, pool: PoolView, answering: Answering) -> tuple[str, ...]:
    """Those asked for, each of which the client must have; all of the client's when none are named.

    A custom scope that no resource server has any more is left out, as it is for machines.
    """
    if text is None:
        names: tuple[str, ...] = tuple(sorted(client.scopes & STANDARD_SCOPES)) + client.custom_scopes
    else:
        try:
            names = parse_scope(text)
        except OAuthError:
            raise answering.refuse("invalid_scope", log="scope is not names divided by one space") from None
        if len(names) > _MOST_SCOPES or not client.scopes.issuperset(names):
            raise answering.refuse("invalid_scope", log="a scope that the client does not allow")
    if text is not None and "openid" not in names and not ABOUT_USERS.isdisjoint(names):
        raise answering.refuse("invalid_scope", log="a scope that goes together with openid only")
    granted = keep_grantable(names, client, pool.scopes)
    if not granted:
        raise answering.refuse("invalid_scope", log="no scope is left to grant")
    return granted


def _read_resource(resource: str | None, answering: Answering) -> str:
    """One absolute URI without a fragment: https, http to this machine, or a scheme of its own."""
    if resource is None:
        return ""
    try:
        parts = urlsplit(resource)
        host = parts.hostname
    except ValueError:
        raise answering.refuse("invalid_request", "resource is not a URL") from None
    is_web = parts.scheme in ("http", "https")
    if (
        not _SCHEME.fullmatch(parts.scheme)
        or not all("!" <= character <= "~" for character in resource)
        or "#" in resource
        or len(resource) > _LONGEST_RESOURCE
        or "://" not in resource
        or (is_web and not host)
        or (parts.scheme == "http" and host not in _LOOPBACK)
    ):
        raise answering.refuse("invalid_request", "resource is not a URL")
    return resource


_LONGEST_RESOURCE: Final = 1_024  # as callback URLs


def _read_prompts(prompt: str, answering: Answering) -> frozenset[str]:
    prompts = frozenset(prompt.split())
    if "none" in prompts and len(prompts) > 1:
        raise answering.refuse("invalid_request", "prompt none stands alone")
    return prompts


def _read_max_age(max_age: str | None, answering: Answering) -> int | None:
    if not max_age:
        return None
    if not _MAX_AGE.fullmatch(max_age):
        raise answering.refuse("invalid_request", "max_age is not a number of seconds")
    return int(max_age)


def _read_provider_and_nonce(query: Mapping[str, str], answering: Answering) -> str:
    """The nonce, once nobody else is asked to sign the user in: no pool has another provider."""
    if query.get("identity_provider", "") not in ("", "COGNITO") or query.get("idp_identifier"):
        raise answering.refuse("invalid_request", "The identity provider does not exist.")
    return query.get("nonce", "")
