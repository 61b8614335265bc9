"""JWKS and discovery: the two documents of a user pool's issuer.

In Amazon's world `issuer` and `jwks_uri` have Amazon's names and the endpoints are this server's; with `--issuer-url`
everything is reachable as written.
Source: reference, "JWKS and discovery"; OpenID Connect Discovery 1.0 section 3; attack row O18.
"""

from typing import Final

import orjson

from scopegate.http.message import Header, Request, Response
from scopegate.ports import Edge
from scopegate.userpools.model import PoolView
from scopegate.userpools.oauth import responses

METHODS: Final = "GET, HEAD"

_JSON: Final[Header] = (b"Content-Type", b"application/json")
_ANY_ORIGIN: Final[Header] = (b"Access-Control-Allow-Origin", b"*")
_JWKS_CACHE: Final[Header] = (b"Cache-Control", b"public, max-age=86400")


def answer_document(request: Request, pool: PoolView | None, pool_id: str, name: str, edge: Edge) -> Response:
    """Answer for one document. pool: None when there is no pool of `pool_id`; name: `jwks.json` or
    `openid-configuration`."""
    if request.method == "OPTIONS":
        return responses.render_preflight(request, METHODS)
    if request.method not in ("GET", "HEAD"):
        headers: list[Header] = [_JSON, _ANY_ORIGIN, (b"Allow", METHODS.encode("ascii"))]
        return Response(405, headers, b'{"message":"Method Not Allowed"}')
    if pool is None:
        body = orjson.dumps({"message": f"User pool {pool_id} does not exist."})
        return Response(400, [_JSON, _ANY_ORIGIN], body)
    if name == "jwks.json":
        return Response(200, [_JSON, _ANY_ORIGIN, _JWKS_CACHE], pool.jwks)
    return Response(200, [_JSON, _ANY_ORIGIN], render_configuration(pool, edge))


def render_configuration(pool: PoolView, edge: Edge) -> bytes:
    """The discovery document, members in Cognito's order and no more than Cognito's.

    The endpoints have the pool in their path, so a client may use them as written, whichever it is. Machines' endpoints
    stand beside the issuer when `--issuer-url` names it, for there it is reachable wherever the client runs; a
    browser's stand under `--public-url`.
    """
    settings = edge.settings
    machines = browsers = edge.public_url
    if settings.issuer_url:
        machines = settings.issuer_url.rstrip("/")
        browsers = edge.public_url if settings.public_url else machines
    machines, browsers = f"{machines}/{pool.pool_id}", f"{browsers}/{pool.pool_id}"
    strict = {"authorization_response_iss_parameter_supported": True, "code_challenge_methods_supported": ["S256"]}
    return orjson.dumps(
        {
            "authorization_endpoint": f"{browsers}/oauth2/authorize",
            "end_session_endpoint": f"{browsers}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": pool.issuer,
            "jwks_uri": f"{pool.issuer}/.well-known/jwks.json",
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": f"{machines}/oauth2/revoke",
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": f"{machines}/oauth2/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": f"{machines}/oauth2/userInfo",
            **(strict if settings.strict_oauth else {}),
        }
    )
