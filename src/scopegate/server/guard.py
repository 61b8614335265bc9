"""Who may speak to which plane: one table.

data      token endpoint, users' APIs, discovery, health: anyone who reaches the port
unsigned  operations that the model marks unsigned, GetClientToken: anyone; browsers of any origin
control   every other AWS operation and `/_scopegate/api`: no browser; in development mode a SigV4-shaped header that
          names the service and no proxy in between, in production mode a valid signature of a known key
admin     control and the console

Verifying the signature itself is `aws/sigv4.py`; the Host is judged in `hosts.py`. What is refused here is 403, except
an unknown Host (421).
Source: design, "Who may speak to which plane"; attack rows U4, U5, G13, O25.
"""

from typing import Final

from scopegate.base.settings import Settings
from scopegate.http.message import Request, Response

_BROWSER: Final = (b"origin", b"sec-fetch-site")


def came_through_proxy(request: Request) -> bool:
    """Whether a proxy says that it forwarded the request: then a loopback peer proves nothing."""
    return any(
        name.lower().startswith(b"x-forwarded-") or name.lower() in (b"forwarded", b"via")
        for name, _ in request.headers
    )


def refusal_of_control(request: Request, settings: Settings) -> str | None:
    """Why this request may not reach the control plane, None when it may go on to its signature."""
    origins = request.all(b"origin")
    allowed = bool(origins) and all(origin.decode("latin-1") in settings.allow_origins for origin in origins)
    if not allowed and any(request.all(name) for name in _BROWSER):
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


def refuse_host(host: str) -> Response:
    """421 for a Host that is not this server's; says which flag makes it so."""
    shown = "".join(character for character in host[:200] if character.isprintable())
    text = f"Host {shown!r} is not served here. If it is this server's name, start with --public-host NAME.\n"
    return Response(421, [(b"Content-Type", b"text/plain; charset=utf-8")], text.encode())


def is_preflight_of_unsigned(request: Request) -> bool:
    """A browser asking whether it may POST an unsigned cognito-idp operation: `x-amz-target` without `authorization`.

    The answer is `*`; the POST itself decides.
    """
    if request.method != "OPTIONS" or not request.all(b"origin"):
        return False
    wanted = (request.find(b"access-control-request-headers") or b"").lower().replace(b" ", b"").split(b",")
    return b"x-amz-target" in wanted and b"authorization" not in wanted


def answer_preflight_of_unsigned(request: Request) -> Response:
    headers = request.find(b"access-control-request-headers") or b""
    return Response(
        200,
        [
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Access-Control-Allow-Methods", b"POST"),
            (b"Access-Control-Allow-Headers", bytes(c for c in headers if 32 <= c < 127)),
            (b"Access-Control-Max-Age", b"172800"),
        ],
    )
