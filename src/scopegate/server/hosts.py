"""Host and path → room: every URL form that users already have, in one table.

`find_room` is a pure function of the Host header, the raw path and a few names; nothing else decides where a request
goes. Hosts that are not this server's are refused (`NotOurs`), against DNS rebinding: a page on evil.example that
resolves to 127.0.0.1 must not reach any room.

Hosts
  {api}.execute-api.{region}.amazonaws.com, .localhost, .localhost.localstack.cloud          ExecuteApi
  {domain}.auth.{region}.amazoncognito.com, .localhost, .localhost.localstack.cloud          OAuth
  a pool's custom domain that is none of the other names (`*.localhost` it may be)           OAuth
  cognito-idp.{region}.amazonaws.com/{pool}/.well-known/…                                    IssuerDocument
  any other *.amazonaws.com, {service}.localhost.localstack.cloud                            Aws
Paths on a bare host (localhost, loopback addresses, *.localhost, --public-url, --public-host, --issuer-url)
  /_scopegate/health · /_scopegate/…                                                         Health · Own
  /restapis/{api}/{stage}/_user_request_/… · /_aws/execute-api/{api}/…                       ExecuteApi
  /{pool}/.well-known/…, also after the path of --issuer-url                                 IssuerDocument
  /{pool}/oauth2/… · /oauth2/… · [/_aws]/cognito-idp/oauth2/… · /login and other pages       OAuth
  anything else                                                                              Aws

Source: reference pages, "Host forms"; design, "Two issuer worlds" and "Who may speak to which plane".
"""

import ipaddress
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from scopegate.base.settings import Settings


@dataclass(frozen=True, slots=True)
class NotOurs:
    """The Host header names nobody here: 421."""

    host: str


@dataclass(frozen=True, slots=True)
class Health:
    """`/_scopegate/health`, on any Host."""


@dataclass(frozen=True, slots=True)
class Own:
    """This server's own API; `path` after `/_scopegate/`."""

    path: str


@dataclass(frozen=True, slots=True)
class OAuth:
    """An OAuth 2.0 endpoint. domain, pool_id: what the URL says; both None: the client id finds the pool."""

    path: str
    domain: str | None = None
    pool_id: str | None = None


@dataclass(frozen=True, slots=True)
class IssuerDocument:
    """`jwks.json` or `openid-configuration` of a pool."""

    pool_id: str
    name: str


class ExecuteApi(NamedTuple):
    """A call of an API; `raw_path` in host form, its first segment the stage where the API kind has one in the path."""

    api_id: str
    raw_path: bytes


@dataclass(frozen=True, slots=True)
class Aws:
    """An AWS operation, by whichever protocol."""


Room = NotOurs | Health | Own | OAuth | IssuerDocument | ExecuteApi | Aws

HEALTH: Final = Health()
AWS: Final = Aws()

LOCALSTACK: Final = "localhost.localstack.cloud"
CONSOLE_HOST: Final = "scopegate.localhost"

_AMAZON: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_EXECUTE_API: Final = re.compile(
    r"(?P<api>[a-z0-9-]+)\.execute-api(?:-fips)?"
    r"\.(?:[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)|(?:[a-z0-9-]+\.)?localhost(?:\.localstack\.cloud)?)"
)
_AUTH: Final = re.compile(
    r"(?P<domain>[a-z0-9-]+)\.auth(?:-fips)?"
    r"\.(?:[a-z0-9-]+\.amazoncognito\.com|(?:[a-z0-9-]+\.)?localhost(?:\.localstack\.cloud)?)"
)
_ISSUER_HOST: Final = re.compile(
    r"(?:issuer-)?cognito-idp(?:-fips)?\.(?:[a-z0-9-]+\.)?(?:amazonaws\.com(?:\.cn)?|localhost(?:\.localstack\.cloud)?)"
)
_POOL_PATH: Final = re.compile(r"/(?P<pool>[\w-]+_[0-9a-zA-Z]+)(?P<rest>/.*)", re.ASCII)
_DOCUMENTS: Final = {
    "/.well-known/jwks.json": "jwks.json",
    "/.well-known/openid-configuration": "openid-configuration",
}
# The paths of a Cognito domain (reference, "Hosts, paths, identifiers"); files of its pages are below /login/.
_OAUTH_PATHS: Final = frozenset(
    {
        "/authorize",
        "/confirmUser",
        "/confirmforgotPassword",
        "/error",
        "/forgotPassword",
        "/login",
        "/logout",
        "/signup",
    }
)
_OAUTH_PREFIXES: Final = ("/login/", "/oauth2/", "/saml2/")


def parse_host(value: str) -> str:
    """The host name of a Host header in its one canonical form: lower case, no port.

    Raises ValueError for what is no host: empty, user information, blanks, a trailing dot, a port that is no number.
    """
    if value.startswith("["):
        address, bracket, port = value[1:].partition("]")
        if not bracket:
            raise ValueError(value)
        host, port = str(ipaddress.IPv6Address(address)), port.removeprefix(":") if port else ""
    else:
        host, colon, port = value.lower().partition(":")
        if colon and not port:
            raise ValueError(value)
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(value)
    if ":" not in host and not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", host, re.ASCII):
        raise ValueError(value)
    return host


def is_loopback_host(host: str) -> bool:
    """Whether a canonical host is a spelling of this machine: localhost and below, or a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HostTable:
    """The hosts that are this server's, from settings; custom domains of pools come with each look-up."""

    __slots__ = ("_bare", "_cache", "issuer_path")

    def __init__(self, settings: Settings, public_host: str) -> None:
        own = {public_host.lower(), "localhost", LOCALSTACK, *(name.lower() for name in settings.public_hosts)}
        if settings.host not in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
            own.add(settings.host.lower())
        issuer = urlsplit(settings.issuer_url or "")
        if issuer.hostname:
            own.add(issuer.hostname)  # an issuer has to be reachable as written
        self.issuer_path = issuer.path.rstrip("/")
        self._bare = frozenset(own)
        self._cache: dict[str, tuple[str, str]] = {}

    def classify(self, header: str, custom_domains: Container[str]) -> tuple[str, str]:
        """(kind, name) of a Host header: `api`, `domain`, `issuer`, `amazon`, `bare`, `console` or `foreign`."""
        known = self._cache.get(header)
        if known is not None:
            return known
        try:
            host = parse_host(header)
        except ValueError:
            return "foreign", header
        found = self._classify(host)
        if found[0] == "foreign" or (host.endswith(".localhost") and found[0] == "bare"):
            # Custom domains come and go, so neither is cached. No other name of this server can be taken by a pool.
            return ("domain", host) if host in custom_domains else found
        if len(self._cache) >= 1024:
            self._cache.clear()
        self._cache[header] = found
        return found

    def _classify(self, host: str) -> tuple[str, str]:
        if host in self._bare:
            return "bare", host
        if match := _EXECUTE_API.fullmatch(host):
            return "api", match["api"]
        if match := _AUTH.fullmatch(host):
            return "domain", match["domain"]
        if _ISSUER_HOST.fullmatch(host):
            return "issuer", host
        if host == CONSOLE_HOST:
            return "console", host
        if host.endswith((*_AMAZON, "." + LOCALSTACK)):
            return "amazon", host
        if is_loopback_host(host):
            return "bare", host
        return "foreign", host


def _issuer_document(path: str) -> IssuerDocument | None:
    match = _POOL_PATH.fullmatch(path)
    if match and (name := _DOCUMENTS.get(match["rest"])):
        return IssuerDocument(match["pool"], name)
    return None


def _oauth(path: str, *, domain: str | None = None, pool_id: str | None = None) -> OAuth | None:
    if path in _OAUTH_PATHS or path.startswith(_OAUTH_PREFIXES):
        return OAuth(path, domain, pool_id)
    return None


def _execute_by_path(raw_path: bytes) -> ExecuteApi | None:
    """`/restapis/{api}/{stage}/_user_request_[/…]` and `/_aws/execute-api/{api}[/…]`, turned into host form."""
    if raw_path.startswith(b"/restapis/"):
        parts = raw_path.split(b"/", 5)
        # ["", "restapis", api, stage, "_user_request_", rest]
        if len(parts) >= 5 and parts[4] == b"_user_request_":
            rest = b"/" + parts[5] if len(parts) == 6 else b""
            return ExecuteApi(parts[2].decode("latin-1"), b"/" + parts[3] + rest)
    elif raw_path.startswith(b"/_aws/execute-api/"):
        api_id, slash, rest = raw_path[len(b"/_aws/execute-api/") :].partition(b"/")
        return ExecuteApi(api_id.decode("latin-1"), slash + rest or b"/")
    return None


def _bare(raw_path: bytes, issuer_path: str) -> Room:
    if raw_path.startswith((b"/restapis/", b"/_aws/execute-api/")):
        return _execute_by_path(raw_path) or AWS
    path = raw_path.decode("latin-1")
    if path == "/_scopegate" or path.startswith("/_scopegate/"):
        return Own(path.removeprefix("/_scopegate").lstrip("/"))
    for prefix in ("/_aws/cognito-idp", "/cognito-idp"):
        if path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
            break
    if found := _issuer_document(path.removeprefix(issuer_path)) or _issuer_document(path) or _oauth(path):
        return found
    match = _POOL_PATH.fullmatch(path)
    if match and (found := _oauth(match["rest"], pool_id=match["pool"])):
        return found
    return AWS


def find_room(table: HostTable, host_header: str, raw_path: bytes, custom_domains: Container[str]) -> Room:
    """The room of a request. raw_path: the target without its query, as sent."""
    if raw_path == b"/_scopegate/health":
        return HEALTH
    kind, name = table.classify(host_header, custom_domains)
    if kind == "api":
        return ExecuteApi(name, raw_path)
    if kind == "bare":
        return _bare(raw_path, table.issuer_path)
    if kind == "domain":
        return OAuth(raw_path.decode("latin-1"), domain=name)
    if kind == "issuer":
        return _issuer_document(raw_path.decode("latin-1")) or _bare(raw_path, table.issuer_path)
    if kind == "amazon":
        return AWS
    if kind == "console":
        return Own(raw_path.decode("latin-1").lstrip("/").removeprefix("_scopegate/"))
    return NotOurs(name)
