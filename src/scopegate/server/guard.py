"""Who may speak to which plane: one table.

data      token endpoint, users' APIs, discovery, health: anyone who reaches the port
unsigned  operations that the model marks unsigned, GetClientToken, GetDerivedToken: anyone; browsers of any origin
control   every other AWS operation and `/_scopegate/api`: no browser; in development mode a SigV4-shaped header that
          names the service and no proxy in between, in production mode a valid signature of a known key
tickets   `/_scopegate/code` and `/_scopegate/responses`: whoever was given the URL, which is the right itself
admin     control and the console

Verifying the signature itself is `aws/sigv4.py`; the Host is judged in `hosts.py`. What is refused here is 403, except
an unknown Host (421).
Source: design, "Who may speak to which plane"; attack rows U4, U5, G13, O25.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.http.egress import Network
from scopegate.http.message import Request, Response
from scopegate.server.hosts import HostTable, is_loopback_host, parse_host

_BROWSER: Final = (b"origin", b"sec-fetch-site")


def came_through_proxy(request: Request) -> bool:
    """Whether a proxy says that it forwarded the request: then a loopback peer proves nothing."""
    return any(
        name.lower().startswith(b"x-forwarded-") or name.lower() in (b"forwarded", b"via")
        for name, _ in request.headers
    )


def refusal_of_control(request: Request, settings: Settings) -> str | None:
    """Why this request may not reach the control plane, None when it may go on to its signature."""
    if find_allowed_origin(request, settings) is None and any(request.all(name) for name in _BROWSER):
        return (
            "The control plane does not answer browsers: the request carries Origin or Sec-Fetch-Site. "
            "Start with --allow-origin ORIGIN to open it to one origin."
        )
    if settings.development and came_through_proxy(request):
        return (
            "In development mode the control plane does not answer forwarded requests "
            "(Forwarded, X-Forwarded-*, Via). Run production mode (scopegate serve) behind a proxy."
        )
    return None


def check_names(settings: Settings) -> None:
    """The settings of the guard. Raises SetupError for one that could never do what it is there for."""
    for name in settings.public_hosts:
        try:
            wrong = parse_host(name) != name.lower()
        except ValueError:
            wrong = True
        if wrong:
            raise SetupError(f"settings: --public-host must be a host name without port, got {name!r}")
    read_networks("--egress-allow", settings.egress_allow)


def read_networks(flag: str, networks: Iterable[str]) -> tuple[Network, ...]:
    """The networks of a setting. Raises SetupError for one that is none."""
    try:
        return tuple(ipaddress.ip_network(network) for network in networks)
    except ValueError as error:
        raise SetupError(f"settings: {flag} must be a network like 10.0.0.0/8: {error}") from None


def check_origins(settings: Settings, port: int) -> None:
    """`--allow-origin` opens the control plane to one foreign origin, never to this server's own: users' APIs serve
    their pages there. Raises SetupError.
    """
    table = HostTable(settings, urlsplit(settings.public_url or "").hostname or "localhost")
    for origin in settings.allow_origins:
        parts = urlsplit(origin)
        try:
            own_port = parts.port
        except ValueError:
            own_port = -1
        whole = f"{parts.scheme}://{parts.netloc}" == origin and "@" not in origin
        if parts.scheme not in ("http", "https") or not parts.hostname or not whole:
            raise SetupError(f"settings: --allow-origin must be an origin like https://console.example, got {origin!r}")
        ours = table.classify(parts.hostname, frozenset())[0] != "foreign"
        # Behind a proxy our public names answer on the scheme's own port as well.
        if ours and (own_port == port or (own_port is None and not is_loopback_host(parts.hostname))):
            raise SetupError(
                f"settings: --allow-origin {origin} is this server itself, where users' APIs serve their pages: "
                "whoever deploys one would control everything"
            )


def find_allowed_origin(request: Request, settings: Settings) -> bytes | None:
    """The one origin of a browser that `--allow-origin` lets in, None when there is none."""
    origins = request.all(b"origin")
    return origins[0] if len(origins) == 1 and origins[0].decode("latin-1") in settings.allow_origins else None


def refuse_host(host: str) -> Response:
    """421 for a Host that is not this server's; says which flag makes it so."""
    shown = "".join(character for character in host[:200] if character.isprintable())
    text = f"Host {shown!r} is not served here. If it is this server's name, start with --public-host NAME.\n"
    return Response(421, [(b"Content-Type", b"text/plain; charset=utf-8")], text.encode())


def answer_preflight(request: Request, settings: Settings) -> Response | None:
    """The answer to a browser that asks whether it may call; None when this is no such question, or to be refused.

    From an origin of `--allow-origin` it may ask for anything. From any other one for an unsigned cognito-idp
    operation: `x-amz-target` without `authorization` is answered `*`; the POST itself decides.
    """
    if request.method != "OPTIONS" or not request.all(b"origin"):
        return None
    wanted = request.find(b"access-control-request-headers") or b""
    names = wanted.lower().replace(b" ", b"").split(b",")
    allowed = find_allowed_origin(request, settings)
    if allowed is None and (b"x-amz-target" not in names or b"authorization" in names):
        return None
    return Response(
        200,
        [
            (b"Access-Control-Allow-Origin", allowed or b"*"),
            (b"Access-Control-Allow-Methods", b"POST" if allowed is None else b"DELETE, GET, PATCH, POST, PUT"),
            (b"Access-Control-Allow-Headers", bytes(c for c in wanted if 32 <= c < 127)),
            (b"Access-Control-Max-Age", b"172800"),
            (b"Vary", b"Origin"),
        ],
    )


def open_to(origin: bytes, response: Response) -> Response:
    """Let a page of an allowed origin read an answer of the control plane."""
    if not any(name == b"Access-Control-Allow-Origin" for name, _ in response.headers):
        response.headers += [
            (b"Access-Control-Allow-Origin", origin),
            (b"Access-Control-Expose-Headers", b"*"),
            (b"Vary", b"Origin"),
        ]
    return response
